//! The outbox: what is known of documents and deliveries, and how it changes.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;
use lienthong_schemas::ids::{CorrelationKey, DeliveryId, DocumentId, PacketDigest, StandingKey};
use lienthong_schemas::organ::ReceiverToken;

use super::{AxisDocId, Fault};
use crate::record::{
    AdapterKind, Admission, BeyondWord, BootId, Delivery, Event, Fence, HistoryEntry, IdempotencyKey,
    KnownDocument, Lane, MailboxWord, Move, Recall, Route, Standing, State, SystemId, Waiting,
};

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

/// What others know of a delivery whose gateway is lost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Left {
    /// The highest generation that anybody has seen.
    pub generation: u32,
    /// What it came to last.
    pub state: State,
    /// When.
    pub at: Timestamp,
    /// The sender has been told of that, or cannot be told.
    pub reported: bool,
    /// The sender has been told, at any time, that it was given up.
    pub told: bool,
}

impl Left {
    /// There is something to do yet: to deliver it, or to tell its sender that it was given up. Of what was received nobody
    /// says whether its sender is to be told; a document that is adopted for another reason has that looked at.
    pub fn is_owed(&self) -> bool {
        !self.state.is_final() || (self.state == State::GivenUp && !self.reported)
    }
}

/// How many deliveries of an adopted document go on here, and how many are over, or were kept here before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Kept {
    /// Go on.
    pub taken_on: u64,
    /// Over, or kept before.
    pub settled: u64,
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
        /// The lease of the queue's partition.
        fence: Fence,
    },
    /// The attempt of this life that was to begin does not: nothing left. It makes no line of history and no event.
    Unleased {
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
        /// The sender is told by no status packet, though its packet asked for one: nobody answers for the receiver.
        untold: bool,
    },
    /// `Parked`, because another gateway accepted another document under its DocumentId for its receiver. Nothing waits for
    /// it, above all not the other one.
    Contested {
        /// Which one.
        note: String,
    },
    /// An axis took it, under an id by which it can be asked what becomes of it: `HandedOver`, and due to be asked about at
    /// once.
    HandedOn {
        /// The axis's id of the submission.
        doc_id: AxisDocId,
        /// Its answer.
        note: String,
    },
    /// What an axis says of a delivery that is `HandedOver` and that it is asked about. `Done` makes it `Received`; another
    /// word than the last one is remembered by a line of history; the same again by none.
    Heard {
        /// The word; `None`: nothing is known.
        word: Option<BeyondWord>,
        /// When it is asked again; `None`: no more.
        due: Option<Timestamp>,
        /// What else it said.
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
    /// The lease of the queue's partition is another gateway's, or another one than before: a `Queued` delivery that the
    /// broker has, or had, goes there in the next generation. Not while an attempt of the life `boot` is under way; what
    /// another life had begun may have arrived.
    Moved {
        /// This life.
        boot: BootId,
        /// The lease that it goes to, in words.
        note: String,
    },
    /// What another gateway says of it in `EVENTS`. An outcome is one here, too; who took it over is noted, and
    /// so is a newer generation. It makes a line of history and no event; nothing that is older than what is known here,
    /// or says nothing of where it is, is written.
    Followed {
        /// Its event.
        event: Box<Event>,
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
    /// A receiver's word about what is `Offered`; the first of its kind counts, but of [`MailboxWord::Failed`] each.
    Mailbox {
        /// The word.
        word: MailboxWord,
        /// What else it said.
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
    /// Each of [`Admission::recalls`] is decided in the same batch, by the deliveries as they are then; but not those that
    /// [`OutboxStore::hand_off_asking`] decides.
    async fn admit(&self, admission: &Admission) -> Result<Admitted, Fault>;

    /// Documents under the same key `name`, `code` or `changes`, in the order of admission; of more than 1,000 the newest 1,000.
    async fn known(&self, name: [u8; 16]) -> Result<Vec<KnownDocument>, Fault>;
    /// Business states, one for each key; `None` where nothing has moved one.
    async fn standings(&self, keys: Vec<StandingKey>) -> Result<Vec<Option<Standing>>, Fault>;
    /// Moves business states as a recall of a packet does that was accepted then; again, it changes nothing.
    async fn recalled(&self, moves: Vec<Move>, accepted_at: Timestamp) -> Result<(), Fault>;
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
    /// Several, each as [`OutboxStore::delivery`] finds it, in the order asked for.
    async fn deliveries(&self, ids: Vec<DeliveryId>) -> Result<Vec<Option<Delivery>>, Fault> {
        let mut found = Vec::with_capacity(ids.len());
        for id in ids {
            found.push(self.delivery(id).await?);
        }
        Ok(found)
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
    /// The same of a delivery that asks for those before it: where it is taken, that is decided in the same batch.
    async fn hand_off_asking(&self, delivery: Delivery, recall: Recall) -> Result<HandOff, Fault>;
    /// Keeps what another gateway had accepted, and is lost, in the generation after the one given: what is not known is
    /// taken in, what only is delivered here goes on here where it is under way, and is sent again otherwise. `false`:
    /// it is over here, or was kept before.
    async fn adopt(&self, delivery: Delivery, note: String) -> Result<bool, Fault>;
    /// The same for a whole document, by its admission: from now on this gateway is the one that accepted it. Keys and
    /// business states are as [`OutboxStore::admit`] has them. What others know to be over is so here, and the sender is
    /// told of it unless that was done; what was `Parked` is; all else goes on in a generation above all that was seen.
    /// `None`: the document is known here already, and nothing changes. Cut off in the middle and repeated, it goes on.
    async fn adopt_document(
        &self,
        admission: Arc<Admission>,
        left: Arc<BTreeMap<DeliveryId, Left>>,
        note: String,
    ) -> Result<Option<Kept>, Fault>;
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
    /// The first `limit` such deliveries of one queue ([`crate::record::Route::queue`]) and lane, in order. This and the next
    /// two may tell of changes that are not on disk yet: who acts on them does so by a change, which is on disk after those.
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
    /// The last one of these before an order.
    async fn last_correlated(
        &self,
        receiver: &ReceiverToken,
        key: CorrelationKey,
        before: u64,
    ) -> Result<Option<Delivery>, Fault>;

    /// What waits in the mailbox of a system: `Offered`, urgent first, then by order; of each lane what is behind the order
    /// given for it.
    async fn offered(
        &self,
        system: &SystemId,
        waiting: Waiting,
        after: PerLane,
        limit: usize,
    ) -> Result<Vec<Delivery>, Fault>;

    /// What this axis took and is to be asked about by now ([`Delivery::asked_beyond`]): whose time came first, first.
    async fn beyond(&self, axis: &SystemId, now: Timestamp, limit: usize) -> Result<Vec<Delivery>, Fault>;

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

    /// Deliveries settled as `Received` or `GivenUp` with `reportable` and not `untold`, and not yet `Reported`; a delivery that was given
    /// up, reported, and given up again after a requeue is not among them. Further those that a recall withdrew or parked,
    /// until that is noted beside their admissions and `Reported`.
    async fn pending_reports(&self, limit: usize) -> Result<Vec<PendingReport>, Fault>;

    /// Numbers; answered without a scan.
    async fn stats(&self) -> Result<StoreStats, Fault>;

    /// Ends the committer after what is queued; later calls fail.
    async fn close(&self) -> Result<(), Fault>;
}
