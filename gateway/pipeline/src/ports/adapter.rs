//! The ways out: to receivers, with a packet, and to a sender who has to be told.

use std::path::PathBuf;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use lienthong_schemas::ids::{DeliveryId, DocumentId};
use lienthong_schemas::organ::OrganId;

use super::AxisDocId;
use crate::record::{AdapterKind, Cover, Delivery, MailAddress, State, SystemId};

/// What an adapter is to hand over.
#[derive(Clone, Debug)]
pub struct Consignment {
    /// Ids, sender, receiver, kind; the same on every attempt.
    pub delivery: Delivery,
    /// All receivers of this consignment, that of [`Consignment::delivery`] first; more than one only behind an axis. For
    /// mail and axes as the packet names them, each code of those that share a delivery; as the directory does for
    /// vendors, and where another gateway took the document in.
    pub receivers: Vec<OrganId>,
    /// The receiver's name and mailbox, as the directory has them now.
    pub addressee: Addressee,
    /// The document's face; empty when another gateway took the document in.
    pub cover: Cover,
    /// The packet's bytes, exactly as they came.
    pub packet: PathBuf,
    /// The time of this attempt, for signatures over it.
    pub at: Timestamp,
}

/// Who gets a consignment, for adapters that write to a person.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Addressee {
    /// The organisation's name.
    pub name: String,
    /// Its mailbox.
    pub mailbox: Option<MailAddress>,
}

/// The receiver's side took it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Handover {
    /// `Received`, `HandedOver` or `Offered`.
    pub state: State,
    /// The receiver's answer, escaped and cut to 200 characters.
    pub note: String,
    /// The id by which an axis is to be asked what becomes of it; with `HandedOver` only.
    pub known_as: Option<AxisDocId>,
}

/// Why a delivery failed (design.md B6); decides what happens next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FailureClass {
    /// The receiver's last word: settled as `refused`.
    Permanent,
    /// Wrong settings, keys, names: the receiver is paused, an alarm, never a 02.
    OursToFix,
    /// The receiver is in trouble: it is paused.
    Receiver,
    /// This document is in trouble; three times while other traffic passes, and it is parked.
    Document,
    /// Our own copy of this packet is bad: this delivery is parked, and its receiver is not to blame.
    Packet,
    /// One of several receivers of a consignment is the reason: each is tried by itself.
    OneOfSeveral,
    /// An axis knows no such receiver. That is its last word only when a list of its agencies that was asked for since does
    /// not have the receiver either; else as [`FailureClass::Document`].
    Unlisted {
        /// One of several receivers is the reason, and each can be tried by itself.
        one_of_several: bool,
    },
}

impl FailureClass {
    /// The label in metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Permanent => "permanent",
            Self::OursToFix => "ours_to_fix",
            Self::Receiver => "receiver",
            Self::Document => "document",
            Self::Packet => "packet",
            Self::OneOfSeveral => "one_of_several",
            Self::Unlisted { .. } => "unlisted",
        }
    }
}

/// A failed attempt.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {note}")]
pub struct DeliveryFailure {
    /// What follows from it.
    pub class: FailureClass,
    /// A stable word: `http_503`, `connect`, `timeout`, `tls_name`, `cut_body`, `redirect` ...
    pub code: String,
    /// The cause for a person, escaped and cut to 200 characters.
    pub note: String,
    /// The receiver's Retry-After.
    pub retry_after: Option<Duration>,
    /// The attempt ended without a word that says whether the receiver has the packet: it may have it.
    pub may_have_arrived: bool,
}

/// A way out. It tries once: no retry, no sleep, no knowledge of stores or brokers. Called twice, it does no harm.
#[async_trait]
pub trait Adapter: Send + Sync + 'static {
    /// Which one.
    fn kind(&self) -> AdapterKind;
    /// One attempt.
    async fn deliver(&self, consignment: &Consignment) -> Result<Handover, DeliveryFailure>;
}

/// A letter to a sender whose document could not be delivered (`notify.given_up = "mail"`): no packet goes with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// The delivery that was given up; its id makes the letter's, the same on every attempt.
    pub delivery: DeliveryId,
    /// The document, by our id.
    pub document: DocumentId,
    /// The connected system by whose mail account it goes out.
    pub system: SystemId,
    /// The sender's organisation, and its name.
    pub sender: (OrganId, String),
    /// Its mailbox.
    pub mailbox: MailAddress,
    /// The receiver that it was for, and its name.
    pub receiver: (OrganId, String),
    /// Whom the operator sent it to instead, and that one's name.
    pub rerouted_to: Option<(OrganId, String)>,
    /// The document's face.
    pub cover: Cover,
    /// When its receipt was given.
    pub accepted_at: Timestamp,
    /// When it was given up: the letter's own date.
    pub given_up_at: Timestamp,
    /// Why, Vietnamese first; and the last failure, escaped.
    pub why: (&'static str, &'static str, String),
}

/// Writes to senders by mail. It tries once, as an [`Adapter`] does, and what follows from a failure is decided by who
/// asked. Called twice with one notice, it does no harm: both letters have the same id.
#[async_trait]
pub trait Notifier: Send + Sync + 'static {
    /// One attempt; the other side's word when it took the letter.
    async fn notify(&self, notice: &Notice) -> Result<String, DeliveryFailure>;
}
