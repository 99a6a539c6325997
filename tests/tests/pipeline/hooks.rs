//! A broker and a store that do what a test wants at one place and pass everything else on.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use futures_util::stream::BoxStream;
use jiff::Timestamp;
use lienthong_broker::MemoryBroker;
use lienthong_outbox::{FileSpool, MemoryStore};
use lienthong_pipeline::ports::{
    Admitted, Broker, DeliveryMessage, EventsAfter, EventsSpan, Fault, HandOff, Incoming, IncomingWriter,
    Kept, Left, Listing, OnItsWay, OutboxStore, PendingReport, PerLane, Publication, StoreStats, Taken,
    Transition,
};
use lienthong_pipeline::record::{
    AdapterKind, Admission, Delivery, Event, HistoryEntry, IdempotencyKey, KnownDocument, Lane, Move,
    NameClaim, NameClaims, Recall, Standing, SystemId, Waiting,
};
use lienthong_schemas::ids::{CorrelationKey, DeliveryId, DocumentId, PacketDigest, StandingKey};
use lienthong_schemas::organ::ReceiverToken;

use super::world::{Setup, World, Wrap, clock, new_folder};

/// What becomes of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// It is passed on.
    Passes,
    /// It fails, and can be repeated.
    Fails,
    /// It says that it was done, and was not.
    Vanishes,
    /// It never comes back.
    Hangs,
}

type Decide<T> = Arc<Mutex<Box<dyn FnMut(&T) -> Fate + Send>>>;

/// Decides the fate of calls; clones decide together.
pub(super) struct Hook<T>(Decide<T>);

impl<T> Clone for Hook<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T> Default for Hook<T> {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(Box::new(|_| Fate::Passes))))
    }
}

impl<T> Hook<T> {
    /// From now on this decides.
    pub(super) fn set(&self, decide: impl FnMut(&T) -> Fate + Send + 'static) {
        *self.0.lock().expect("a hook") = Box::new(decide);
    }

    /// Everything passes from now on.
    pub(super) fn clear(&self) {
        self.set(|_| Fate::Passes);
    }

    /// `None`: passed on. The fate of what is not.
    async fn of(&self, call: &T) -> Option<Result<(), Fault>> {
        let fate = (self.0.lock().expect("a hook"))(call);
        match fate {
            Fate::Passes => None,
            Fate::Fails => Some(Err(Fault::new("test", "fails as the test wants it"))),
            Fate::Vanishes => Some(Ok(())),
            Fate::Hangs => std::future::pending().await,
        }
    }
}

/// A broker whose publications of deliveries are decided on.
pub(super) fn publications(hook: &Hook<Delivery>) -> Wrap {
    let hook = hook.clone();
    Box::new(move |broker| Arc::new(HookedBroker { broker, publish: hook.clone() }))
}

struct HookedBroker {
    broker: MemoryBroker,
    publish: Hook<Delivery>,
}

#[async_trait]
impl Broker for HookedBroker {
    async fn ready(&self) -> Result<(), Fault> {
        self.broker.ready().await
    }
    async fn publish(&self, message: &DeliveryMessage) -> Result<Publication, Fault> {
        match self.publish.of(&message.delivery).await {
            Some(fate) => fate.map(|()| Publication::New),
            None => self.broker.publish(message).await,
        }
    }
    async fn put_blob(&self, digest: PacketDigest, bytes: u64, file: PathBuf) -> Result<(), Fault> {
        self.broker.put_blob(digest, bytes, file).await
    }
    async fn remove_blob(&self, digest: PacketDigest) -> Result<(), Fault> {
        self.broker.remove_blob(digest).await
    }
    async fn fetch_blob(
        &self,
        digest: PacketDigest,
        sink: Box<dyn IncomingWriter>,
    ) -> Result<Box<dyn Incoming>, Fault> {
        self.broker.fetch_blob(digest, sink).await
    }
    async fn publish_event(&self, event: &Event) -> Result<(), Fault> {
        self.broker.publish_event(event).await
    }
    async fn name_claims(&self, name: [u8; 16]) -> Result<NameClaims, Fault> {
        self.broker.name_claims(name).await
    }
    async fn claim_name(&self, name: [u8; 16], claims: &[NameClaim], after: u64) -> Result<bool, Fault> {
        self.broker.claim_name(name, claims, after).await
    }
    async fn publish_admission(&self, admission: &Admission) -> Result<(), Fault> {
        self.broker.publish_admission(admission).await
    }
    async fn admission(&self, document: DocumentId) -> Result<Option<Admission>, Fault> {
        self.broker.admission(document).await
    }
    async fn events_span(&self) -> Result<EventsSpan, Fault> {
        self.broker.events_span().await
    }
    async fn events_after(&self, after: u64) -> Result<EventsAfter, Fault> {
        self.broker.events_after(after).await
    }
    async fn deliveries(
        &self,
        adapter: AdapterKind,
        lane: Lane,
    ) -> Result<BoxStream<'static, Box<dyn Taken>>, Fault> {
        self.broker.deliveries(adapter, lane).await
    }
}

/// A store whose admissions, hand-offs and transitions are decided on, and whose looks at queues and documents are
/// counted.
pub(super) struct HookedStore {
    store: Arc<dyn OutboxStore>,
    /// Admissions.
    pub(super) admit: Hook<Admission>,
    /// Hand-offs.
    pub(super) hand_off: Hook<Delivery>,
    /// Transitions.
    pub(super) transition: Hook<(DeliveryId, Transition)>,
    /// Looks for what is to be published.
    pub(super) reads: Hook<()>,
    /// Looks for queues of an adapter, and at their heads.
    pub(super) look: Hook<AdapterKind>,
    looks: Mutex<Vec<AdapterKind>>,
    documents: Mutex<Vec<DocumentId>>,
    together: Mutex<usize>,
}

/// A running world over a store of this kind, in memory.
pub(super) fn hooked(setup: Setup) -> (World, Arc<HookedStore>) {
    let (clock, folder) = (clock(), new_folder());
    let spool = Arc::new(FileSpool::open(folder.path()).expect("a spool"));
    let store = HookedStore::over(MemoryStore::new(clock.clone()));
    (World::over(setup, clock, folder, store.clone(), spool), store)
}

impl HookedStore {
    /// Over a store.
    pub(super) fn over(store: impl OutboxStore) -> Arc<Self> {
        let (admit, hand_off, transition) = (Hook::default(), Hook::default(), Hook::default());
        let (reads, look) = (Hook::default(), Hook::default());
        let (looks, documents, together) = (Mutex::default(), Mutex::default(), Mutex::default());
        let store = Arc::new(store);
        Arc::new(Self { store, admit, hand_off, transition, reads, look, looks, documents, together })
    }

    /// What is beneath, of which nothing is decided or counted.
    pub(super) fn inner(&self) -> Arc<dyn OutboxStore> {
        self.store.clone()
    }

    /// How often all deliveries of a document were looked at.
    pub(super) fn looks_at(&self, document: DocumentId) -> usize {
        self.documents.lock().expect("looks").iter().filter(|of| **of == document).count()
    }

    /// How many deliveries were read by their ids, several together.
    pub(super) fn read_together(&self) -> usize {
        *self.together.lock().expect("a count")
    }

    /// How often the heads of an adapter's queues were looked at.
    pub(super) fn looks(&self, adapter: AdapterKind) -> usize {
        self.looks.lock().expect("looks").iter().filter(|of| **of == adapter).count()
    }
}

#[async_trait]
impl OutboxStore for HookedStore {
    async fn admit(&self, admission: &Admission) -> Result<Admitted, Fault> {
        match self.admit.of(admission).await {
            Some(fate) => fate.map(|()| Admitted::Inserted),
            None => self.store.admit(admission).await,
        }
    }
    async fn known(&self, name: [u8; 16]) -> Result<Vec<KnownDocument>, Fault> {
        self.store.known(name).await
    }
    async fn standings(&self, keys: Vec<StandingKey>) -> Result<Vec<Option<Standing>>, Fault> {
        self.store.standings(keys).await
    }
    async fn status_seen(&self, status: [u8; 16]) -> Result<Option<DocumentId>, Fault> {
        self.store.status_seen(status).await
    }
    async fn idempotent(
        &self,
        key: &IdempotencyKey,
        not_before: Timestamp,
    ) -> Result<Option<(DocumentId, PacketDigest)>, Fault> {
        self.store.idempotent(key, not_before).await
    }
    async fn delivery(&self, id: DeliveryId) -> Result<Option<Delivery>, Fault> {
        self.store.delivery(id).await
    }
    async fn deliveries(&self, ids: Vec<DeliveryId>) -> Result<Vec<Option<Delivery>>, Fault> {
        *self.together.lock().expect("a count") += ids.len();
        self.store.deliveries(ids).await
    }
    async fn deliveries_of(&self, id: DocumentId) -> Result<Vec<Delivery>, Fault> {
        self.documents.lock().expect("looks").push(id);
        self.store.deliveries_of(id).await
    }
    async fn history(&self, id: DeliveryId) -> Result<Vec<HistoryEntry>, Fault> {
        self.store.history(id).await
    }
    async fn unpublished_after(&self, after: PerLane, limit: usize) -> Result<Vec<Delivery>, Fault> {
        match self.reads.of(&()).await {
            Some(fate) => fate.map(|()| Vec::new()),
            None => self.store.unpublished_after(after, limit).await,
        }
    }
    async fn unsent_events(&self, limit: usize) -> Result<Vec<(u64, Event)>, Fault> {
        match self.reads.of(&()).await {
            Some(fate) => fate.map(|()| Vec::new()),
            None => self.store.unsent_events(limit).await,
        }
    }
    async fn unsent_span(&self) -> Result<Option<RangeInclusive<u64>>, Fault> {
        self.store.unsent_span().await
    }
    async fn events_sent(&self, numbers: Vec<u64>) -> Result<(), Fault> {
        self.store.events_sent(numbers).await
    }
    async fn adopt(&self, delivery: Delivery, note: String) -> Result<bool, Fault> {
        self.store.adopt(delivery, note).await
    }
    async fn adopt_document(
        &self,
        admission: Arc<Admission>,
        left: Arc<BTreeMap<DeliveryId, Left>>,
        note: String,
    ) -> Result<Option<Kept>, Fault> {
        self.store.adopt_document(admission, left, note).await
    }
    async fn hand_off(&self, delivery: Delivery) -> Result<HandOff, Fault> {
        match self.hand_off.of(&delivery).await {
            Some(fate) => fate.map(|()| HandOff::Known),
            None => self.store.hand_off(delivery).await,
        }
    }
    async fn hand_off_asking(&self, delivery: Delivery, recall: Recall) -> Result<HandOff, Fault> {
        match self.hand_off.of(&delivery).await {
            Some(fate) => fate.map(|()| HandOff::Known),
            None => self.store.hand_off_asking(delivery, recall).await,
        }
    }
    async fn recalled(&self, moves: Vec<Move>, accepted_at: Timestamp) -> Result<(), Fault> {
        self.store.recalled(moves, accepted_at).await
    }
    async fn remember(
        &self,
        key: &IdempotencyKey,
        document: DocumentId,
        digest: PacketDigest,
        at: Timestamp,
    ) -> Result<(), Fault> {
        self.store.remember(key, document, digest, at).await
    }
    async fn not_taken_over(&self, before: Timestamp, limit: usize) -> Result<Vec<Delivery>, Fault> {
        self.store.not_taken_over(before, limit).await
    }
    async fn receivers(&self, adapter: AdapterKind) -> Result<Vec<ReceiverToken>, Fault> {
        match self.look.of(&adapter).await {
            Some(fate) => fate.map(|()| Vec::new()),
            None => self.store.receivers(adapter).await,
        }
    }
    async fn heads(
        &self,
        adapter: AdapterKind,
        receiver: &ReceiverToken,
        lane: Lane,
        limit: usize,
    ) -> Result<Vec<Delivery>, Fault> {
        self.looks.lock().expect("looks").push(adapter);
        match self.look.of(&adapter).await {
            Some(fate) => fate.map(|()| Vec::new()),
            None => self.store.heads(adapter, receiver, lane, limit).await,
        }
    }
    async fn on_its_way(
        &self,
        adapter: AdapterKind,
        receiver: &ReceiverToken,
        lane: Lane,
        limit: usize,
    ) -> Result<Vec<OnItsWay>, Fault> {
        self.store.on_its_way(adapter, receiver, lane, limit).await
    }
    async fn first_correlated(
        &self,
        receiver: &ReceiverToken,
        key: CorrelationKey,
        after: Option<u64>,
    ) -> Result<Option<Delivery>, Fault> {
        self.store.first_correlated(receiver, key, after).await
    }
    async fn last_correlated(
        &self,
        receiver: &ReceiverToken,
        key: CorrelationKey,
        before: u64,
    ) -> Result<Option<Delivery>, Fault> {
        self.store.last_correlated(receiver, key, before).await
    }
    async fn offered(
        &self,
        system: &SystemId,
        waiting: Waiting,
        after: PerLane,
        limit: usize,
    ) -> Result<Vec<Delivery>, Fault> {
        self.store.offered(system, waiting, after, limit).await
    }
    async fn beyond(&self, axis: &SystemId, now: Timestamp, limit: usize) -> Result<Vec<Delivery>, Fault> {
        self.store.beyond(axis, now, limit).await
    }
    async fn transition(
        &self,
        id: DeliveryId,
        at: Timestamp,
        change: Transition,
    ) -> Result<Option<Delivery>, Fault> {
        match self.transition.of(&(id, change.clone())).await {
            Some(fate) => fate.map(|()| None),
            None => self.store.transition(id, at, change).await,
        }
    }
    async fn list(
        &self,
        listing: Listing,
        after: Option<DeliveryId>,
        limit: usize,
    ) -> Result<Vec<Delivery>, Fault> {
        self.store.list(listing, after, limit).await
    }
    async fn pending_reports(&self, limit: usize) -> Result<Vec<PendingReport>, Fault> {
        self.store.pending_reports(limit).await
    }
    async fn stats(&self) -> Result<StoreStats, Fault> {
        self.store.stats().await
    }
    async fn close(&self) -> Result<(), Fault> {
        self.store.close().await
    }
}
