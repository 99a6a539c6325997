//! The traits through which the pipeline reaches time, storage, network and receivers.
//! Each has two implementations and one contract suite (`contract.rs` beside the trait's users).

use std::io::BufRead;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::stream::BoxStream;
use jiff::Timestamp;
use lienthong_schemas::ids::{CorrelationKey, DeliveryId, DocumentId, PacketDigest, StandingKey};
use lienthong_schemas::organ::{OrganId, ReceiverToken};

use crate::record::{
    AdapterKind, Admission, BootId, Cover, Delivery, Event, HistoryEntry, IdempotencyKey, KnownDocument,
    Lane, MailAddress, Route, Standing, State, SystemId,
};

/// Our own trouble: a disk, the store, the broker. Retried; a sender hears "try again later" and no more.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{place}: {cause}")]
pub struct Fault {
    /// Which of our parts.
    pub place: &'static str,
    /// What it said.
    pub cause: String,
    /// The part does not work again before the process is started anew (a store after a failed barrier).
    pub fatal: bool,
    /// There is no room: a full or nearly full disk, or the spool's quota.
    pub full: bool,
}

impl Fault {
    /// A fault of `place` that may pass.
    pub fn new(place: &'static str, cause: impl std::fmt::Display) -> Self {
        Self { place, cause: cause.to_string(), fatal: false, full: false }
    }

    /// A fault of `place` after which only a new start helps.
    pub fn fatal(place: &'static str, cause: impl std::fmt::Display) -> Self {
        Self { place, cause: cause.to_string(), fatal: true, full: false }
    }

    /// `place` has no room for more.
    pub fn full(place: &'static str, cause: impl std::fmt::Display) -> Self {
        Self { place, cause: cause.to_string(), fatal: false, full: true }
    }
}

/// Time. `SystemClock` in the program, `ManualClock` in tests.
#[async_trait]
pub trait Clock: Send + Sync + 'static {
    /// Wall clock.
    fn now(&self) -> Timestamp;
    /// Returns when [`Clock::now`] is at or after `due`; or, where the clock is set back meanwhile, when as much time has
    /// passed as was left at the call.
    async fn sleep_until(&self, due: Timestamp);
}

/// A packet in `incoming/`: received whole, nobody vouches for it, thrown away when dropped.
pub trait Incoming: Send + Sync {
    /// SHA-256, made while the bytes came in.
    fn digest(&self) -> PacketDigest;
    /// Number of bytes.
    fn bytes(&self) -> u64;
    /// The bytes from the start; may be opened more than once.
    fn open(&self) -> Result<Box<dyn BufRead + Send>, Fault>;
}

/// A sink for a packet that is coming in.
#[async_trait]
pub trait IncomingWriter: Send {
    /// Appends.
    async fn write(&mut self, chunk: Bytes) -> Result<(), Fault>;
    /// Ends the packet. What was written is not yet durable.
    async fn finish(self: Box<Self>) -> Result<Box<dyn Incoming>, Fault>;
}

/// What the spool takes of its disk, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SpoolUsage {
    /// Packets in `blobs/` and `incoming/`.
    pub bytes: u64,
    /// What these may come to by intake; `None`: no limit but the disk.
    pub quota: Option<u64>,
    /// Free on the disk for this user.
    pub disk_free: u64,
    /// What intake leaves free of it; 0: nothing.
    pub disk_free_min: u64,
}

impl SpoolUsage {
    /// How full it is, in per cent, by what is fuller: packets of their quota, or what is to stay free of what is free on
    /// the disk. 100 and more: intake is refused.
    pub fn percent_full(&self) -> u64 {
        let of = |part: u64, whole: u64| match (part, whole) {
            (_, 0) => 100,
            (part, whole) => u64::try_from(u128::from(part) * 100 / u128::from(whole)).unwrap_or(u64::MAX),
        };
        let disk = if self.disk_free_min == 0 { 0 } else { of(self.disk_free_min, self.disk_free) };
        self.quota.map_or(0, |quota| of(self.bytes, quota)).max(disk)
    }
}

/// Packets on disk (design.md B2): `incoming/`, `blobs/`, `admissions/`.
#[async_trait]
pub trait Spool: Send + Sync + 'static {
    /// Opens a new file in `incoming/` for a packet that somebody sends us. Here, and when it is written, the spool's
    /// quota and the space to be kept free on the disk hold: [`Fault::full`] when there is no room.
    async fn receive(&self) -> Result<Box<dyn IncomingWriter>, Fault>;

    /// The same for what the gateway needs to go on: status packets of its own, packets taken over from the broker. It
    /// counts towards the quota, and only the disk itself refuses it.
    async fn receive_ours(&self) -> Result<Box<dyn IncomingWriter>, Fault>;

    /// Whether a packet of this length could come in by [`Spool::receive`] now; [`Fault::full`] if not.
    fn room_for(&self, bytes: u64) -> Result<(), Fault>;

    /// Numbers for metrics.
    async fn usage(&self) -> Result<SpoolUsage, Fault>;

    /// B2: blob and admission are fdatasynced, renamed, and both folders fsynced when this returns. Repeating it for
    /// the same document does no harm; the first admission stays, and is returned if it is not this one.
    async fn admit(
        &self,
        packet: Box<dyn Incoming>,
        admission: &Admission,
    ) -> Result<Option<Admission>, Fault>;

    /// Takes a blob that did not come through intake (fetched from the Object Store) under its digest, durably.
    async fn adopt(&self, packet: Box<dyn Incoming>) -> Result<(), Fault>;

    /// The admission of a document, `None` when there is none.
    async fn admission(&self, id: DocumentId) -> Result<Option<Admission>, Fault>;

    /// Notes durably, beside the admission, that a delivery of this document came into a state, and when.
    async fn settled(
        &self,
        document: DocumentId,
        delivery: DeliveryId,
        state: State,
        at: Timestamp,
    ) -> Result<(), Fault>;

    /// Notes durably that a delivery of this document is `Queued` again since `at`, on this way: a store that is built anew
    /// has it there, whatever is noted later. The receiver of the admission is served by it, as before.
    async fn rerouted(
        &self,
        document: DocumentId,
        delivery: DeliveryId,
        route: &Route,
        at: Timestamp,
    ) -> Result<(), Fault>;

    /// Notes durably that the report which the last state noted asked for has been admitted. A store that is built anew
    /// has every other one pending again, except that one who was told of a delivery given up is not told so again.
    async fn reported(&self, document: DocumentId, delivery: DeliveryId) -> Result<(), Fault>;

    /// Notes durably that the operator has dealt with the dead letter that the last state noted made of a delivery
    /// ([`Transition::Closed`]). A store that is built anew lists every other one again.
    async fn closed(&self, document: DocumentId, delivery: DeliveryId) -> Result<(), Fault>;

    /// The file of a blob, `None` when the spool does not have it.
    async fn blob(&self, digest: PacketDigest) -> Result<Option<PathBuf>, Fault>;

    /// The bytes of a blob as they are on disk; `None` when the spool has none under this digest that is at most `most`
    /// bytes long.
    async fn read(&self, digest: PacketDigest, most: u64) -> Result<Option<Bytes>, Fault>;
}

/// What became of an admission in the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admitted {
    /// It was new.
    Inserted,
    /// The store had this document already; nothing changed.
    Existing,
}

/// What became of a hand-off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HandOff {
    /// Ours to deliver from now on.
    Taken,
    /// Already taken (a repeat by the broker) or an older generation.
    Known,
    /// Already settled: nothing to do.
    Settled,
}

/// What a store knows of a document that comes in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Met {
    /// Its own deliveries ([`OutboxStore::deliveries_of`]).
    pub deliveries: Vec<Delivery>,
    /// The documents under its name ([`OutboxStore::known`]).
    pub namesakes: Vec<KnownDocument>,
}

impl Met {
    /// Nothing is known of it.
    pub fn is_nothing(&self) -> bool {
        self.deliveries.is_empty() && self.namesakes.is_empty()
    }
}

/// An `order` for each lane, by `Lane as usize`; 0 is before all.
pub type PerLane = [u64; Lane::ALL.len()];

/// A change of one delivery. Each is one atomic batch: record, indexes, history line and event together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Transition {
    /// The broker acknowledged this generation.
    Published {
        /// Which one.
        generation: u32,
    },
    /// An attempt begins, for a delivery that is handed off and `Queued` and has no attempt of the same life under way.
    /// It makes no line of history and no event. An attempt of an earlier life was cut: it counts as one that may have
    /// arrived.
    Leased {
        /// This life.
        boot: BootId,
    },
    /// An attempt failed; the next one is not before `due`, and the pause until then begins now.
    AttemptFailed {
        /// Next attempt, not before.
        due: Timestamp,
        /// Counts towards parking.
        document_fault: bool,
        /// Never given up by time while this holds.
        ours_to_fix: bool,
        /// The receiver may have the packet all the same ([`Delivery::may_have_arrived`]).
        may_have_arrived: bool,
        /// Code and cause.
        note: String,
    },
    /// The delivery's attempts are over, or it waits for somebody: any state but `Queued`.
    Settled {
        /// The new state.
        state: State,
        /// The receiver's answer or our reason.
        note: String,
    },
    /// The report to the sender that a `received` or `given_up` delivery asked for has been admitted. Of one that a recall
    /// withdrew or parked: that is noted beside its admission; this makes no line of history and no event.
    Reported,
    /// The report that a delivery asked for cannot be made, and is not tried again; should the delivery be given up once
    /// more, it is asked for anew.
    NotTold {
        /// Why.
        note: String,
    },
    /// Back to `Queued` with the next generation: from an end or from `Parked` by the operator, and then its age counts
    /// anew ([`Delivery::since`]); from `Queued` when its message is lost, that is published and not handed off.
    Requeued {
        /// Who and why.
        note: String,
    },
    /// Sent another way, with the next generation and the same id: from an end, from `Parked`, or from `Queued` while no
    /// attempt is under way. Its age counts anew, as after [`Transition::Requeued`].
    Rerouted {
        /// The way from now on.
        route: Route,
        /// Who and why.
        note: String,
    },
    /// The next attempt of a `Queued` delivery that was handed off may be made at once.
    Hastened {
        /// Who and why.
        note: String,
    },
    /// The operator has dealt with a dead letter that is over: [`Delivery::closed`]. One that is `Parked` must be given
    /// up or requeued: closed, it would hold up what refers to it and stand in no list of dead letters.
    Closed {
        /// Who and why.
        note: String,
    },
}

/// What [`OutboxStore::list`] lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Listing {
    /// Deliveries that are not in a final state, the oldest document first.
    Pending,
    /// [`Delivery::is_dead_letter`], in the order of the store.
    DeadLetters,
}

/// A delivery that will stand in its receiver's queue as soon as somebody takes it over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OnItsWay {
    /// The delivery as it is.
    pub delivery: Delivery,
    /// When the broker acknowledged it; before that, from when on its age counts ([`Delivery::tried_since`]).
    pub since: Timestamp,
}

/// A delivery whose outcome the sender has yet to be told by a status packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PendingReport {
    /// The delivery as it is.
    pub delivery: Delivery,
    /// When it was settled: the status packet's `Timestamp`, so that a repeat makes the same packet.
    pub at: Timestamp,
}

/// Numbers for metrics and `/readyz`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StoreStats {
    /// Deliveries that are not in a final state.
    pub pending: u64,
    /// Of these, not yet acknowledged by the broker.
    pub unpublished: u64,
    /// `accepted_at` of the oldest pending delivery.
    pub oldest_pending: Option<Timestamp>,
}

/// The durable outbox. Everything that returns `Ok` is on disk (design.md A fact 4): one committer, one barrier.
/// After a failed barrier every call fails until the store is opened anew. Where it is opened anew in the process, these
/// faults are not fatal; the store may then be one built from the spool: attempts that were not settled are `Queued`
/// again, with the same ids, another `order` and a higher generation.
#[async_trait]
pub trait OutboxStore: Send + Sync + 'static {
    /// Writes a document, its deliveries, keys and first events, and what it does to business states: of each state the
    /// move with the highest number holds. The store sets `order` of each delivery.
    ///
    /// Each of [`Admission::recalls`] is decided in the same batch, by the deliveries as they are then.
    async fn admit(&self, admission: &Admission) -> Result<Admitted, Fault>;

    /// Documents under the same key `name`, `code` or `changes`, in the order of admission; of more than 1,000 the newest 1,000.
    async fn known(&self, name: [u8; 16]) -> Result<Vec<KnownDocument>, Fault>;
    /// Business states, one for each key; `None` where nothing has moved one.
    async fn standings(&self, keys: Vec<StandingKey>) -> Result<Vec<Option<Standing>>, Fault>;
    /// The document that a status key was first seen on.
    async fn status_seen(&self, status: [u8; 16]) -> Result<Option<DocumentId>, Fault>;
    /// The document and packet digest that an idempotency key stands for, unless older than `not_before`.
    async fn idempotent(
        &self,
        key: &IdempotencyKey,
        not_before: Timestamp,
    ) -> Result<Option<(DocumentId, PacketDigest)>, Fault>;

    /// One delivery.
    async fn delivery(&self, id: DeliveryId) -> Result<Option<Delivery>, Fault>;
    /// Its deliveries and what is known under its name, in one look: every packet that comes in needs both. That nothing
    /// is known may be told while changes of others are not yet on disk. Who acts on it by a change is told of that when
    /// they are.
    async fn met(&self, id: DocumentId, name: Option<[u8; 16]>) -> Result<Met, Fault> {
        let deliveries = self.deliveries_of(id).await?;
        let namesakes = match name {
            Some(name) => self.known(name).await?,
            None => Vec::new(),
        };
        Ok(Met { deliveries, namesakes })
    }
    /// All deliveries of a document, in the order of admission.
    async fn deliveries_of(&self, id: DocumentId) -> Result<Vec<Delivery>, Fault>;
    /// The newest 50 lines, oldest first.
    async fn history(&self, id: DeliveryId) -> Result<Vec<HistoryEntry>, Fault>;

    /// Deliveries that the broker has not acknowledged in their generation: urgent lane first, then by order.
    async fn unpublished(&self, limit: usize) -> Result<Vec<Delivery>, Fault> {
        self.unpublished_after(PerLane::default(), limit).await
    }
    /// Of these, those whose `order` is above that given for their lane: what came since, or a further page.
    async fn unpublished_after(&self, after: PerLane, limit: usize) -> Result<Vec<Delivery>, Fault>;
    /// Events that `EVENTS` has not acknowledged, oldest first, each with the number to confirm it by.
    async fn unsent_events(&self, limit: usize) -> Result<Vec<(u64, Event)>, Fault>;
    /// The numbers of the first and the last of these; `None` when all were sent.
    async fn unsent_span(&self) -> Result<Option<RangeInclusive<u64>>, Fault>;
    /// These events are in `EVENTS`.
    async fn events_sent(&self, numbers: Vec<u64>) -> Result<(), Fault>;

    /// Takes a delivery over for dispatch. Unknown ones are stored; known ones are marked. `handed_off` is set.
    async fn hand_off(&self, delivery: Delivery) -> Result<HandOff, Fault>;
    /// Notes that an idempotency key also stands for a document that was admitted before.
    async fn remember(
        &self,
        key: &IdempotencyKey,
        document: DocumentId,
        digest: PacketDigest,
        at: Timestamp,
    ) -> Result<(), Fault>;

    /// Deliveries that are `Queued`, that the broker acknowledged before `before`, and that nobody has taken over: their
    /// message may be lost. Oldest first.
    async fn not_taken_over(&self, before: Timestamp, limit: usize) -> Result<Vec<Delivery>, Fault>;
    /// Queues of this adapter that have deliveries handed off and `Queued`.
    async fn receivers(&self, adapter: AdapterKind) -> Result<Vec<ReceiverToken>, Fault>;
    /// The first `limit` such deliveries of one queue ([`crate::record::Route::queue`]) and lane, in order.
    async fn heads(
        &self,
        adapter: AdapterKind,
        receiver: &ReceiverToken,
        lane: Lane,
        limit: usize,
    ) -> Result<Vec<Delivery>, Fault>;
    /// What of one queue and lane is `Queued` and was not handed off yet, published or not: the first `limit`, in order.
    async fn on_its_way(
        &self,
        adapter: AdapterKind,
        receiver: &ReceiverToken,
        lane: Lane,
        limit: usize,
    ) -> Result<Vec<OnItsWay>, Fault>;
    /// The first delivery in order, of either lane, published or not, that is `Queued` or `Parked` in this queue and has
    /// this key; of those behind the order `after`, if it is given.
    async fn first_correlated(
        &self,
        receiver: &ReceiverToken,
        key: CorrelationKey,
        after: Option<u64>,
    ) -> Result<Option<Delivery>, Fault>;

    /// Applies a change. `None` when the delivery is unknown or the change does not fit its state (it is settled
    /// already, or the generation is an older one); then nothing is written.
    async fn transition(
        &self,
        id: DeliveryId,
        at: Timestamp,
        change: Transition,
    ) -> Result<Option<Delivery>, Fault>;

    /// A page of a list. It begins after the delivery `after`, wherever that one would stand; from the start without it.
    async fn list(
        &self,
        listing: Listing,
        after: Option<DeliveryId>,
        limit: usize,
    ) -> Result<Vec<Delivery>, Fault>;

    /// Deliveries settled as `Received` or `GivenUp` with `reportable`, and not yet `Reported`; a delivery that was given
    /// up, reported, and given up again after a requeue is not among them. Further those that a recall withdrew or parked,
    /// until that is noted beside their admissions and `Reported`.
    async fn pending_reports(&self, limit: usize) -> Result<Vec<PendingReport>, Fault>;

    /// Numbers; answered without a scan.
    async fn stats(&self) -> Result<StoreStats, Fault>;

    /// Ends the committer after what is queued; later calls fail.
    async fn close(&self) -> Result<(), Fault>;
}

/// What one message of `DELIVERIES` carries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeliveryMessage {
    /// The delivery as the accepting gateway has it.
    pub delivery: Delivery,
    /// The packet, when it is at most 256 KiB; else it is in the Object Store under its digest.
    pub inline: Option<Bytes>,
}

/// A message taken from the broker; acknowledged after the hand-off is on disk, else it comes again.
#[async_trait]
pub trait Taken: Send + Sync {
    /// What came. `Err`: the message cannot be read (newer version, broken header); it is to be put aside and counted.
    fn message(&self) -> Result<DeliveryMessage, Fault>;
    /// How long it may be held without a word before it comes again.
    fn patience(&self) -> Duration;
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
    /// The messages of one adapter and lane. Rides out disconnections; ends only on shutdown.
    async fn deliveries(
        &self,
        adapter: AdapterKind,
        lane: Lane,
    ) -> Result<BoxStream<'static, Box<dyn Taken>>, Fault>;
}

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

/// All ports of one gateway.
#[derive(Clone)]
pub struct Ports {
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Files.
    pub spool: Arc<dyn Spool>,
    /// Metadata.
    pub store: Arc<dyn OutboxStore>,
    /// Streams.
    pub broker: Arc<dyn Broker>,
}
