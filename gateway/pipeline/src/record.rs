//! What is remembered of a document and its deliveries: the records that stores keep and the broker carries.
//! Every record is versioned by whoever writes it down (outbox, broker); here are only the values.

mod recall;
mod receipt;
mod standing;

use jiff::Timestamp;
use lienthong_schemas::ids::{CorrelationKey, DeliveryId, DocumentId, PacketDigest};
use lienthong_schemas::organ::{OrganId, ReceiverToken};
use serde::{Deserialize, Serialize};

pub use self::recall::{Recall, RecallAct};
pub use self::receipt::{Receipt, ReceiptLine, Remark};
pub use self::standing::{Move, Standing};

/// The id of a connected system, as the settings name it: `a-z 0-9 -`, at most 32 characters.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SystemId(String);

impl SystemId {
    /// The id that the settings or the directory wrote; `None` when it is not one.
    pub fn parse(text: &str) -> Option<Self> {
        let fits = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        (!text.is_empty() && text.len() <= 32 && text.bytes().all(fits)).then(|| Self(text.to_owned()))
    }

    /// The id of what the gateway itself writes (status packets). No connected system can have it.
    pub fn gateway() -> Self {
        Self("@gateway".to_owned())
    }

    /// The id's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for SystemId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// A mailbox: `local@domain` in printable ASCII, at most 254 characters (RFC 5321 section 4.5.3.1.3), without quoting,
/// comments or an address literal.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct MailAddress(String);

impl MailAddress {
    /// The address that a file wrote; `None` when it is not one.
    pub fn parse(text: &str) -> Option<Self> {
        let (local, domain) = text.split_once('@')?;
        let atom = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+/=?^_`{|}~-".contains(&b);
        let dotted = |part: &str, fits: &dyn Fn(u8) -> bool| {
            part.split('.').all(|label| !label.is_empty() && label.bytes().all(fits))
        };
        let name = |b: u8| b.is_ascii_alphanumeric() || b == b'-';
        let fits = text.len() <= 254 && local.len() <= 64 && dotted(local, &atom) && dotted(domain, &name);
        fits.then(|| Self(text.to_owned()))
    }

    /// The address's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for MailAddress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// The ways out. A new adapter is a folder in `adapters`, a variant here and a `match` arm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AdapterKind {
    /// HTTP POST of the packet to a vendor's document system.
    VendorHttp,
    /// A message with the packet attached, to a clerk's mailbox.
    Email,
    /// `sendEdoc` of the national SDK's protocol, to the Government Office axis or one that speaks like it.
    NationalAxis,
}

impl AdapterKind {
    /// Every adapter there is.
    pub const ALL: [Self; 3] = [Self::VendorHttp, Self::Email, Self::NationalAxis];

    /// The name in subjects, settings, labels and logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::VendorHttp => "vendor_http",
            Self::Email => "email",
            Self::NationalAxis => "national_axis",
        }
    }
}

/// The lane of a delivery at every queue that is ours; from `OtherInfo/Priority` (1-4 are urgent).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Lane {
    /// khẩn, thượng khẩn, hỏa tốc, hỏa tốc hẹn giờ.
    Urgent,
    /// thường.
    Normal,
}

impl Lane {
    /// Both lanes, urgent first.
    pub const ALL: [Self; 2] = [Self::Urgent, Self::Normal];

    /// The lane's token in subjects: `u` or `n`.
    pub const fn token(self) -> &'static str {
        match self {
            Self::Urgent => "u",
            Self::Normal => "n",
        }
    }
}

/// Where a document of one receiver goes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Route {
    /// The receiving organisation, its code as the directory has it now.
    pub receiver: OrganId,
    /// The system, or the axis, that is this organisation's home.
    pub system: SystemId,
    /// How that system is reached.
    pub adapter: AdapterKind,
}

impl Route {
    /// `false` where nobody delivers: what is for paper, or waits for the operator to say who receives it.
    pub fn has_way_out(&self) -> bool {
        self.system != SystemId::gateway()
    }

    /// The queue in which deliveries wait for each other: one a receiver; behind an axis one for all its receivers,
    /// because there a document is one consignment for all of them (design.md B5).
    pub fn queue(&self) -> ReceiverToken {
        match self.adapter {
            AdapterKind::VendorHttp | AdapterKind::Email => self.receiver.token(),
            AdapterKind::NationalAxis => ReceiverToken::of(&format!("axis-{}", self.system)),
        }
    }
}

impl std::fmt::Display for Route {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} by {} {}", self.receiver, self.adapter.as_str(), self.system)
    }
}

/// Transport state of one delivery (design.md B6).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// On its way inside the gateway.
    Queued,
    /// Waits in a mailbox for the receiver to take it.
    Offered,
    /// Given to a relay that does not say whether the receiver has it (SMTP 2xx, an axis's OK).
    HandedOver,
    /// The receiver's system has it.
    Received,
    /// The receiver's system refused it, in its own words.
    Refused,
    /// Held for the operator; the rest of the queue goes on.
    Parked,
    /// Taken back by its sender before it was handed over.
    Withdrawn,
    /// Not deliverable within the time set; the sender is told once.
    GivenUp,
    /// No electronic way: the receiver gets paper (`reach = "paper"`), and nothing is sent.
    Paper,
}

impl State {
    /// Every state.
    pub const ALL: [Self; 9] = [
        Self::Queued,
        Self::Offered,
        Self::HandedOver,
        Self::Received,
        Self::Refused,
        Self::Parked,
        Self::Withdrawn,
        Self::GivenUp,
        Self::Paper,
    ];

    /// Nothing more happens by itself.
    pub const fn is_final(self) -> bool {
        match self {
            Self::Queued | Self::Offered | Self::Parked => false,
            Self::HandedOver | Self::Received | Self::Refused => true,
            Self::Withdrawn | Self::GivenUp | Self::Paper => true,
        }
    }

    /// The name in the API, events and logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Offered => "offered",
            Self::HandedOver => "handed_over",
            Self::Received => "received",
            Self::Refused => "refused",
            Self::Parked => "parked",
            Self::Withdrawn => "withdrawn",
            Self::GivenUp => "given_up",
            Self::Paper => "paper",
        }
    }

    /// What a clerk reads, Vietnamese first.
    pub const fn wording(self) -> (&'static str, &'static str) {
        match self {
            Self::Queued => ("đang chờ gửi", "queued"),
            Self::Offered => ("chờ bên nhận lấy", "waiting to be fetched"),
            Self::HandedOver => ("đã chuyển tiếp", "handed over"),
            Self::Received => ("bên nhận đã nhận", "received"),
            Self::Refused => ("bên nhận từ chối", "refused by the receiver"),
            Self::Parked => ("tạm giữ, chờ xử lý", "held for the operator"),
            Self::Withdrawn => ("đã thu hồi", "withdrawn"),
            Self::GivenUp => ("không gửi được", "given up"),
            Self::Paper => ("phải gửi bản giấy", "paper copy needed"),
        }
    }
}

/// One life of one gateway, from start to end: leases of another one are void.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct BootId(u64);

impl BootId {
    /// The id of a life that begins; from a random number.
    pub const fn new(random: u64) -> Self {
        Self(random)
    }
}

/// An attempt that was begun. Written before the first byte goes out, so that a withdrawal never meets a packet that is
/// under way without knowing it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease {
    /// Who began it.
    pub boot: BootId,
    /// When.
    pub at: Timestamp,
}

/// One document on its way to one receiver. At most 2 KB when written down.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivery {
    /// Same on every attempt, for life.
    pub id: DeliveryId,
    /// The document.
    pub document: DocumentId,
    /// `From/OrganId`.
    pub sender: OrganId,
    /// Where to.
    pub route: Route,
    /// Its lane.
    pub lane: Lane,
    /// `edxml::PacketKind::id_text` of the packet.
    pub kind: String,
    /// The blob.
    pub digest: PacketDigest,
    /// The blob's length in bytes.
    pub bytes: u64,
    /// When the gateway gave the receipt for it.
    pub accepted_at: Timestamp,
    /// When an operator last sent it again; see [`Delivery::tried_since`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// Ids that this packet has or refers to; deliveries of one receiver that share one keep their order.
    pub correlations: Vec<CorrelationKey>,
    /// A status packet's outcome never makes a status packet.
    pub reportable: bool,

    /// Transport state.
    pub state: State,
    /// Raised by requeue, reroute and adopt; part of Nats-Msg-Id.
    pub generation: u32,
    /// The generation that the broker has acknowledged; 0 = none yet.
    pub published: u32,
    /// Taken over for dispatch by this gateway.
    pub handed_off: bool,
    /// Attempts begun since the delivery was made.
    pub attempts: u32,
    /// Failures in a row that were the document's (not the receiver's).
    pub document_failures: u32,
    /// Not tried before this time; see [`Delivery::is_due`].
    pub due: Timestamp,
    /// When the pause that ends at `due` began; `None`: there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paused_at: Option<Timestamp>,
    /// The last attempt failed in a way that is ours to fix: never given up by time.
    pub ours_to_fix: bool,
    /// The order in which this store took its deliveries in; set by the store.
    pub order: u64,
    /// The attempt that is under way, or was when the life of the gateway that began it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lease: Option<Lease>,
    /// An attempt was cut, or ended without a word from the receiver: it may have the packet all the same.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub may_have_arrived: bool,
    /// The operator has dealt with this dead letter: it is listed no more. A requeue takes it back.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub closed: bool,
}

impl Delivery {
    /// From when on its age counts: its receipt, or the last time an operator sent it again.
    pub fn tried_since(&self) -> Timestamp {
        self.since.unwrap_or(self.accepted_at)
    }

    /// Its pause is over, or it has none. A clock that shows a time before the pause began was set back; what it would say
    /// of the end is worth nothing, and the delivery may be tried.
    pub fn is_due(&self, now: Timestamp) -> bool {
        self.due <= now || self.paused_at.is_none_or(|began| now < began)
    }

    /// Waits for a place in the broker's stream. A parked delivery is held back until it is requeued.
    pub fn is_unpublished(&self) -> bool {
        self.state == State::Queued && self.published < self.generation
    }

    /// Will stand in its receiver's queue, and nobody took it over yet.
    pub fn is_on_its_way(&self) -> bool {
        self.state == State::Queued && !self.handed_off
    }

    /// Nothing of it can have reached its receiver, and no attempt is under way.
    pub fn has_not_left(&self) -> bool {
        let waits = matches!(self.state, State::Queued | State::Parked);
        waits && self.lease.is_none() && !self.may_have_arrived
    }

    /// Somebody has to look at it: parked, refused or given up, and not [`Delivery::closed`].
    pub fn is_dead_letter(&self) -> bool {
        matches!(self.state, State::Parked | State::Refused | State::GivenUp) && !self.closed
    }
}

/// One line of a delivery's history; at most 512 bytes when written down.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HistoryEntry {
    /// When.
    pub at: Timestamp,
    /// The state after it.
    pub state: State,
    /// A word for what happened: `accepted`, `published`, `handed_off`, `attempt_failed`, `settled`, `parked` ...
    pub event: String,
    /// How often it had been tried then.
    pub attempt: u32,
    /// Failure code or receiver's answer, escaped and cut.
    pub note: String,
}

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
}

#[cfg(test)]
mod tests;
