//! What is remembered of a delivery that waits in a mailbox until its receiver's system fetches it.

use jiff::Timestamp;
use lienthong_schemas::edxml::PacketKind;
use serde::{Deserialize, Serialize};

use super::Delivery;

/// So often a receiver may say `fail` of one delivery; then it is parked, and the operator sees to it.
pub const MAILBOX_FAILS_MAX: u8 = 3;

/// What a mailbox knows of one delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mailbox {
    /// Since when it waits there; when it was sent again, since then.
    pub since: Timestamp,
    /// When something of it last changed.
    pub changed: Timestamp,
    /// The packet was fetched.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub fetched: bool,
    /// The receiver said that it is at work on it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub processing: bool,
    /// How often the receiver said that it cannot take it, since it waits there.
    #[serde(default)]
    pub fails: u8,
}

impl Mailbox {
    /// It came there now.
    pub fn new(at: Timestamp) -> Self {
        Self { since: at, changed: at, fetched: false, processing: false, fails: 0 }
    }
}

/// A receiver's word about a delivery that waits for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MailboxWord {
    /// The packet was fetched.
    Fetched,
    /// The receiver is at work on it.
    Processing,
    /// The receiver cannot take it; after [`MAILBOX_FAILS_MAX`] times it is parked.
    Failed,
}

/// The two lists of a mailbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Waiting {
    /// Documents, of every business type.
    Documents,
    /// Status packets.
    Statuses,
}

impl Waiting {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Documents, Self::Statuses];

    /// In which list a delivery stands.
    pub fn of(delivery: &Delivery) -> Self {
        if delivery.kind == PacketKind::Status.id_text() { Self::Statuses } else { Self::Documents }
    }

    /// The token in keys: `d` or `s`.
    pub const fn token(self) -> &'static str {
        match self {
            Self::Documents => "d",
            Self::Statuses => "s",
        }
    }
}
