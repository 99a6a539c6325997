//! What is remembered of a delivery that waits in a mailbox until its receiver's system fetches it.

use std::cmp::Ordering;

use jiff::Timestamp;
use lienthong_schemas::edxml::PacketKind;
use lienthong_schemas::ids::{DeliveryId, DocumentId, PacketDigest};
use lienthong_schemas::organ::OrganId;
use serde::{Deserialize, Serialize};

use super::{AdapterKind, Delivery, Event, Lane, NodeName, Route, State, SystemId};

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
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
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
        Self::of_kind(&delivery.kind)
    }

    /// In which list packets of this kind stand.
    pub fn of_kind(kind: &str) -> Self {
        if kind == PacketKind::Status.id_text() { Self::Statuses } else { Self::Documents }
    }

    /// The name in labels and answers.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Documents => "documents",
            Self::Statuses => "statuses",
        }
    }

    /// The token in keys: `d` or `s`.
    pub const fn token(self) -> &'static str {
        match self {
            Self::Documents => "d",
            Self::Statuses => "s",
        }
    }
}

/// What an event says of a delivery that was put into a mailbox: all that a list and a fetch need, as it is after the event.
/// Each event has all of it, so that none depends on one before it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Offer {
    /// Whose mailbox.
    pub system: SystemId,
    /// `From/OrganId`.
    pub sender: OrganId,
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
    /// [`Delivery::order`] in the store that offered it.
    pub order: u64,
    /// [`Delivery::generation`].
    pub generation: u32,
    /// What the mailbox knows of it.
    pub mailbox: Mailbox,
}

impl Offer {
    /// What is said of a delivery; `None` of one that was never put into a mailbox.
    pub fn of(delivery: &Delivery) -> Option<Self> {
        Some(Self {
            mailbox: delivery.mailbox?,
            system: delivery.route.system.clone(),
            sender: delivery.sender.clone(),
            lane: delivery.lane,
            kind: delivery.kind.clone(),
            digest: delivery.digest,
            bytes: delivery.bytes,
            accepted_at: delivery.accepted_at,
            order: delivery.order,
            generation: delivery.generation,
        })
    }
}

/// A delivery as a mailbox's index has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Posted {
    /// The delivery.
    pub delivery: DeliveryId,
    /// Its document.
    pub document: DocumentId,
    /// Its receiver.
    pub receiver: OrganId,
    /// Its state; it waits while that is [`State::Offered`].
    pub state: State,
    /// The count of the event that said so; 0 where the store itself did.
    pub count: u64,
    /// The gateway that counted, where it is one of several: each counts by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<NodeName>,
    /// What the event said.
    pub offer: Offer,
}

impl Posted {
    /// What an event says; `None` where it is about no mailbox, or its id is none.
    pub fn of_event(event: &Event) -> Option<Self> {
        let offer = event.offer.as_deref()?.clone();
        let count = event.id.rsplit_once(':').and_then(|(_, count)| count.parse().ok())?;
        let Event { delivery, document, receiver, entry, .. } = event;
        Some(Self {
            delivery: *delivery,
            document: *document,
            receiver: receiver.clone(),
            state: entry.state,
            count,
            node: event.node.as_ref().map(|life| life.node.clone()),
            offer,
        })
    }

    /// What the store says of a delivery that was put into a mailbox.
    pub fn of_delivery(delivery: &Delivery) -> Option<Self> {
        Some(Self {
            delivery: delivery.id,
            document: delivery.document,
            receiver: delivery.route.receiver.clone(),
            state: delivery.state,
            count: 0,
            node: None,
            offer: Offer::of(delivery)?,
        })
    }

    /// Whether this says more than what was known before, in whichever order the two came. Nothing follows `Received`: who says
    /// otherwise had it from a store that was built anew without its note. Between two gateways the order of the stream counts.
    pub fn is_after(&self, known: &Self) -> bool {
        let is_later =
            || self.state == State::Received || self.node != known.node || self.count > known.count;
        known.state != State::Received
            && match self.offer.generation.cmp(&known.offer.generation) {
                Ordering::Greater => true,
                Ordering::Equal => is_later(),
                Ordering::Less => false,
            }
    }

    /// Whether it waits in this system's mailbox.
    pub fn waits_for(&self, system: &SystemId) -> bool {
        self.state == State::Offered && self.offer.system == *system
    }

    /// Its place in its list.
    pub fn place(&self) -> Place {
        let Offer { lane, accepted_at, order, .. } = self.offer;
        Place { lane, accepted_at, order, delivery: self.delivery }
    }

    /// In which list it stands.
    pub fn waiting(&self) -> Waiting {
        Waiting::of_kind(&self.offer.kind)
    }

    /// As a delivery, for who shows it; what an event does not say of one is as it was never tried.
    pub fn delivery(&self) -> Delivery {
        let Offer {
            ref system,
            ref sender,
            lane,
            ref kind,
            digest,
            bytes,
            accepted_at,
            order,
            generation,
            mailbox,
        } = self.offer;
        let (receiver, system) = (self.receiver.clone(), system.clone());
        Delivery {
            id: self.delivery,
            document: self.document,
            sender: sender.clone(),
            route: Route { receiver, system, adapter: AdapterKind::Mailbox },
            lane,
            kind: kind.clone(),
            digest,
            bytes,
            accepted_at,
            since: None,
            correlations: Vec::new(),
            reportable: false,
            state: self.state,
            generation,
            published: generation,
            handed_off: true,
            attempts: 0,
            document_failures: 0,
            due: accepted_at,
            paused_at: None,
            elsewhere: None,
            foreign: false,
            contested: false,
            ours_to_fix: false,
            order,
            lease: None,
            may_have_arrived: true,
            closed: false,
            mailbox: Some(mailbox),
            beyond: None,
        }
    }
}

/// Where an entry stands in a list: urgent ahead, then the oldest receipt, then as the store took them in. It is the same
/// however often, and in whichever order, events came: a letter that was offered anew keeps its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// Its lane.
    pub lane: Lane,
    /// When the gateway gave the receipt for it.
    pub accepted_at: Timestamp,
    /// Between receipts of one moment.
    pub order: u64,
    /// And of one store.
    pub delivery: DeliveryId,
}
