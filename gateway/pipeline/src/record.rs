//! What is remembered of a document and its deliveries: the records that stores keep and the broker carries.
//! Every record is versioned by whoever writes it down (outbox, broker); here are only the values.

mod beyond;
mod copy;
mod delivery;
mod mailbox;
mod name;
mod node;
mod quarantined;
mod recall;
mod receipt;
mod route;
mod standing;
#[cfg(test)]
mod tests;

use lienthong_schemas::ids::{DeliveryId, DocumentId, PacketDigest};
use lienthong_schemas::organ::OrganId;
use serde::{Deserialize, Serialize};

pub use self::beyond::{Beyond, BeyondWord};
pub use self::copy::{AxisCopy, CopyRelation};
pub use self::delivery::{BootId, Delivery, HistoryEntry, Lease, State};
pub use self::mailbox::{MAILBOX_FAILS_MAX, Mailbox, MailboxWord, Offer, Place, Posted, Waiting};
pub use self::name::{NameClaim, NameClaims};
pub use self::node::{Fence, NodeLife, NodeName, OwnNode, Partition};
pub use self::quarantined::Quarantined;
pub use self::recall::{Recall, RecallAct};
pub use self::receipt::{Receipt, ReceiptLine, Remark};
pub use self::route::{AdapterKind, Lane, MailAddress, Route, SystemId};
pub use self::standing::{Move, Standing};

/// What stands in `admissions/<document id>`: enough to build the store anew.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Admission {
    /// The receipt that was promised.
    pub receipt: Receipt,
    /// Its deliveries, as they were at admission.
    pub deliveries: Vec<Delivery>,
    /// Keys under which a repeat is recognised (B3).
    pub keys: RecognitionKeys,
    /// The sender's `Idempotency-Key`, if there was one.
    pub idempotency: Option<IdempotencyKey>,
    /// What a status packet of ours about this document must say.
    pub subject: StatusSubject,
    /// What a clerk reads of it before opening it.
    #[serde(default)]
    pub cover: Cover,
    /// What it does to business states.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub moves: Vec<Move>,
    /// What it asks of the deliveries before it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub recalls: Vec<Recall>,
    /// An axis gave it: it conflicts with nothing.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub from_axis: bool,
}

/// The face of a document, from its verified content: what a message to a clerk says of the packet that it carries.
/// Each text is escaped for display and cut to 200 characters.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cover {
    /// `From/OrganName`.
    pub from_name: String,
    /// `Code/CodeNumber` and `CodeNotation`: `12/UBND-VP`.
    pub code: String,
    /// `PromulgationInfo/PromulgationDate`, as written.
    pub date: String,
    /// `Subject`.
    pub subject: String,
    /// `OtherInfo/Priority`, 0 to 4.
    pub priority: u8,
    /// `DocumentType/TypeName`; of a status packet the status in words.
    pub type_name: String,
    /// `Bussiness/Paper`: a paper original follows; `None` when the packet has no `Bussiness`.
    pub paper_follows: Option<bool>,
    /// The receipt's word for the signature.
    pub signature: String,
}

/// What is needed to answer for a document: the fields of `ResponseFor`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatusSubject {
    /// The sender's `DocumentId`.
    pub document_id: String,
    /// `CodeNumber/CodeNotation`.
    pub code: String,
    /// `PromulgationDate` as written.
    pub promulgation_date: String,
}

/// B3.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecognitionKeys {
    /// Hash of (From, DocumentId); `None` without a DocumentId.
    pub name: Option<[u8; 16]>,
    /// Hash of (From, PromulgationDate, number and notation) of a document packet; `None` where one is missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<[u8; 16]>,
    /// The name of the document that a packet of type 1 or 2, or a 13, is about, when that is not its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub changes: Option<[u8; 16]>,
    /// Packet kind, as in the document id.
    pub kind: String,
    /// The semantic digest of a document packet of type 0.
    pub semantic: Option<PacketDigest>,
    /// Hash of (From, ResponseFor/OrganId, DocumentId, StatusCode, Timestamp) of a status packet that has a DocumentId and
    /// a time; of one of ours, what `intake::Origin::Gateway` says.
    pub status: Option<[u8; 16]>,
}

impl RecognitionKeys {
    /// The name of the document whose business state packets about this one move.
    pub fn document_name(&self) -> Option<[u8; 16]> {
        self.changes.or(self.name).or(self.code)
    }

    /// Every name under which `ports::OutboxStore::known` finds it.
    pub fn names(&self) -> impl Iterator<Item = [u8; 16]> {
        [self.name, self.code, self.changes].into_iter().flatten()
    }
}

/// An `Idempotency-Key`, scoped to its system.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct IdempotencyKey {
    /// Whose key.
    pub system: SystemId,
    /// The header's value, 1-128 visible ASCII characters.
    pub key: String,
}

/// A document that the store knows under one name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownDocument {
    /// Its id.
    pub id: DocumentId,
    /// Its keys.
    pub keys: RecognitionKeys,
    /// Its packet.
    pub digest: PacketDigest,
}

/// A place in `EVENTS`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventsPlace {
    /// Which stream: one that was made anew has another name, and numbers from 1 again.
    pub stream: String,
    /// The number of a message; 0 is before the first.
    pub sequence: u64,
}

/// A transition, as it goes to `EVENTS`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// Unique for life: `<delivery id>:<count>`, counted per delivery; Nats-Msg-Id of the event.
    pub id: String,
    /// The document.
    pub document: DocumentId,
    /// The delivery.
    pub delivery: DeliveryId,
    /// The receiver.
    pub receiver: OrganId,
    /// What happened.
    pub entry: HistoryEntry,
    /// The delivery's generation then; 0 in events of programs that did not write it.
    #[serde(default)]
    pub generation: u32,
    /// The gateway that it happened on, where it is one of several; set by the broker.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<NodeLife>,
    /// Of the outcome of an attempt: under which lease that was made.
    #[serde(default, skip_serializing_if = "Fence::is_alone")]
    pub fence: Fence,
    /// Of a delivery that was put into a mailbox: what is offered there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offer: Option<Box<Offer>>,
}

impl Event {
    /// Whether this is the last word on its delivery, where so much was heard before: an older generation says nothing, but
    /// whoever has it has it, however often it was sent again meanwhile.
    pub fn outlasts(&self, (generation, state): (u32, State)) -> bool {
        let for_good = |state| matches!(state, State::Received | State::Withdrawn);
        for_good(self.entry.state) || (self.generation >= generation && !for_good(state))
    }
}
