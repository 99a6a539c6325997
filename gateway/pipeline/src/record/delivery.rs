//! One document on its way to one receiver: its states, its attempts, its history.

use jiff::Timestamp;
use lienthong_schemas::ids::{CorrelationKey, DeliveryId, DocumentId, PacketDigest};
use lienthong_schemas::organ::OrganId;
use serde::{Deserialize, Serialize};

use super::{Beyond, Fence, Lane, Mailbox, NodeLife, Route};

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
    /// The lease of the queue's partition that it is made under.
    #[serde(default, skip_serializing_if = "Fence::is_alone")]
    pub fence: Fence,
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
    /// It was put into a mailbox: what became of it there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mailbox: Option<Mailbox>,
    /// An axis took it, and is asked what became of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub beyond: Option<Beyond>,
    /// The gateway that took this generation over, as `EVENTS` says, where it is not this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub elsewhere: Option<NodeLife>,
    /// Another gateway accepted it, and this one only delivers it: that one tells the sender.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub foreign: bool,
    /// `Parked` because its receiver is to have another document under its DocumentId: nothing waits for it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub contested: bool,
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
        self.state == State::Queued && !self.handed_off && self.elsewhere.is_none()
    }

    /// Nothing of it can have reached its receiver, and no attempt is under way.
    pub fn has_not_left(&self) -> bool {
        let waits = matches!(self.state, State::Queued | State::Parked) && self.elsewhere.is_none();
        // What the broker has, and this gateway not yet, another one may take.
        let is_here = self.handed_off || self.published < self.generation || self.state == State::Parked;
        waits && is_here && self.lease.is_none() && !self.may_have_arrived
    }

    /// When the axis that took it is to be asked about it; `None` when it is not.
    pub fn asked_beyond(&self) -> Option<Timestamp> {
        self.beyond.as_ref().filter(|_| self.state == State::HandedOver)?.due
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
