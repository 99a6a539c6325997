//! The streams between gateways: deliveries, events, and packets that are too large for a message.

use std::path::PathBuf;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::stream::BoxStream;
use jiff::Timestamp;
use lienthong_schemas::ids::{DeliveryId, DocumentId, PacketDigest};

use super::{Fault, Incoming, IncomingWriter};
use crate::record::{
    AdapterKind, Admission, Delivery, Event, EventsPlace, Fence, Lane, NameClaim, NameClaims, Posted, Recall,
};

/// What one message of `DELIVERIES` carries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeliveryMessage {
    /// The delivery as the accepting gateway has it.
    pub delivery: Delivery,
    /// The packet, when it is at most 256 KiB; else it is in the Object Store under its digest.
    pub inline: Option<Bytes>,
    /// The lease of its queue's partition, as the gateway knew it that published it; `None`: that one is alone. A message
    /// for an older lease is published once more by its gateway, behind what that one sent before.
    pub fence: Option<Fence>,
    /// Deliveries that its gateway published before it for the same lease, and that go first at the receiver: whoever takes
    /// it over takes those over before. Nothing where a gateway is alone.
    pub after: Vec<DeliveryId>,
    /// What it asks of those before it, where that is decided by who takes it over ([`Recall::at_holder`]); without its moves.
    pub recall: Option<Recall>,
}

/// A message taken from the broker; acknowledged after the hand-off is on disk, else it comes again.
#[async_trait]
pub trait Taken: Send + Sync {
    /// What came. `Err`: the message cannot be read (newer version, broken header); it is to be put aside and counted.
    fn message(&self) -> Result<DeliveryMessage, Fault>;
    /// How long it may be held without a word before it comes again.
    fn patience(&self) -> Duration;
    /// When the server stored it, by its clock.
    fn stored_at(&self) -> Timestamp;
    /// Says that it is being worked on: the time that it may be held begins anew.
    async fn working(&self) -> Result<(), Fault>;
    /// Acknowledges, and waits for the broker to confirm.
    async fn ack(self: Box<Self>) -> Result<(), Fault>;
    /// Gives it back, to come again after `delay`.
    async fn again(self: Box<Self>, delay: Duration) -> Result<(), Fault>;
}

/// What the broker says of a message that it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Publication {
    /// It has it since now.
    New,
    /// It had one with its Nats-Msg-Id before, and keeps that one only.
    Repeat,
}

/// How far `EVENTS` goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventsSpan {
    /// The number of the first message that is still there.
    pub first: u64,
    /// The stream, and the number of its last message; 0 before there was one.
    pub last: EventsPlace,
}

/// One message of `EVENTS`, as who keeps an index of mailboxes reads it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredEvents {
    /// Its number in the stream.
    pub sequence: u64,
    /// What it says of mailboxes, in its order; mostly nothing.
    pub posted: Vec<Posted>,
    /// The events of another gateway, in their order; of its own, and where a gateway is alone, none.
    pub followed: Vec<Event>,
}

/// What `EVENTS` says of mailboxes behind a number.
pub struct EventsAfter {
    /// There was nothing behind that number when it was asked for.
    pub is_end: bool,
    /// One message after the other, for as long as the connection holds: it ends with a fault, and is then asked for anew.
    pub messages: BoxStream<'static, Result<StoredEvents, Fault>>,
}

/// The broker (design.md B7). Every call may fail at any time and is repeated with the same ids.
#[async_trait]
pub trait Broker: Send + Sync + 'static {
    /// Connected, and streams and consumers read back as they should be.
    async fn ready(&self) -> Result<(), Fault>;
    /// What the broker has refused this gateway in the last minute, by its permissions; for the operator. Other calls may
    /// go well all the same.
    fn refusal(&self) -> Option<Fault> {
        None
    }
    /// Puts a delivery on its subject under Nats-Msg-Id `<delivery id>:g<generation>`; returns when it is stored.
    async fn publish(&self, message: &DeliveryMessage) -> Result<Publication, Fault>;
    /// Puts a blob into the Object Store under its digest unless it is there already with this length.
    async fn put_blob(&self, digest: PacketDigest, bytes: u64, file: PathBuf) -> Result<(), Fault>;
    /// Whether the Object Store has a blob.
    async fn has_blob(&self, _digest: PacketDigest) -> Result<bool, Fault> {
        Err(Fault::new("broker", "this one does not say what it has"))
    }
    /// Takes a blob out of the Object Store; that it is not there is no fault.
    async fn remove_blob(&self, digest: PacketDigest) -> Result<(), Fault>;
    /// Writes a blob of the Object Store into `sink` and returns it finished, its digest checked.
    async fn fetch_blob(
        &self,
        digest: PacketDigest,
        sink: Box<dyn IncomingWriter>,
    ) -> Result<Box<dyn Incoming>, Fault>;
    /// Puts an event on `lt.evt.<document id>`; returns when it is stored.
    async fn publish_event(&self, event: &Event) -> Result<(), Fault>;
    /// Puts events of one document, in their order, on its subject in one message. The same events again make no other
    /// message; put together in another way, an event may be stored twice, and its id tells.
    async fn publish_events(&self, events: &[Event]) -> Result<(), Fault> {
        for event in events {
            self.publish_event(event).await?;
        }
        Ok(())
    }
    /// The documents under a name, as gateways that are several have said in `EVENTS`.
    async fn name_claims(&self, name: [u8; 16]) -> Result<NameClaims, Fault> {
        let _ = name;
        Err(Fault::new("broker", "this one knows of no names"))
    }
    /// Says which documents are under a name, if what was last said of it is still the message of this number, 0 where nothing
    /// was. `false`: it is not, and nothing was said. Whoever reads `EVENTS` passes over it.
    async fn claim_name(&self, name: [u8; 16], claims: &[NameClaim], after: u64) -> Result<bool, Fault> {
        let _ = (name, claims, after);
        Err(Fault::new("broker", "this one knows of no names"))
    }
    /// Puts an admission beside the events of its document, for a gateway that adopts this one; the first one stays. One
    /// that is too large for a message is left out, and logged: then only its deliveries can be adopted.
    async fn publish_admission(&self, _admission: &Admission) -> Result<(), Fault> {
        Err(Fault::new("broker", "this one takes no admissions"))
    }
    /// The admission of a document that was put there. `None`: there is none, or one that cannot be read, which is logged.
    async fn admission(&self, _document: DocumentId) -> Result<Option<Admission>, Fault> {
        Err(Fault::new("broker", "this one has no admissions"))
    }
    /// What `EVENTS` has of one document when this is called, of every gateway, in its order, and then the end. A message
    /// that cannot be read is left out, and logged.
    async fn events_of(
        &self,
        _document: DocumentId,
    ) -> Result<BoxStream<'static, Result<Vec<Event>, Fault>>, Fault> {
        Err(Fault::new("broker", "this one does not read single documents"))
    }
    /// How far `EVENTS` goes now.
    async fn events_span(&self) -> Result<EventsSpan, Fault>;
    /// The messages of `EVENTS` whose number is above this one, in their order; what was removed is left out. A message that
    /// cannot be read says nothing, and is logged.
    async fn events_after(&self, after: u64) -> Result<EventsAfter, Fault>;
    /// Every message that `DELIVERIES` has when this is called, acknowledged or not, in its order, and then the end; or a
    /// fault, and then nothing more. A message that cannot be read is left out, and logged.
    async fn stored_deliveries(&self) -> Result<BoxStream<'static, Result<DeliveryMessage, Fault>>, Fault> {
        Err(Fault::new("broker", "what the stream has is not to be had from this one"))
    }
    /// The messages of one adapter and lane. Rides out disconnections; ends only on shutdown.
    async fn deliveries(
        &self,
        adapter: AdapterKind,
        lane: Lane,
    ) -> Result<BoxStream<'static, Box<dyn Taken>>, Fault>;
}
