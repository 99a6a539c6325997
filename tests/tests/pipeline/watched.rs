//! A broker that counts what it is asked for, and whose blobs come when the test lets them.

use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use lienthong_broker::MemoryBroker;
use lienthong_pipeline::ports::{
    Broker, DeliveryMessage, EventsAfter, EventsSpan, Fault, Incoming, IncomingWriter, Publication, Taken,
};
use lienthong_pipeline::record::{AdapterKind, Admission, Event, Lane, NameClaim, NameClaims};
use lienthong_schemas::ids::{DeliveryId, PacketDigest};
use tokio::sync::Semaphore;

use super::world::Wrap;

/// What was counted; clones count together.
#[derive(Clone)]
pub(super) struct Watch(Arc<Counts>);

struct Counts {
    puts: AtomicUsize,
    fetches: AtomicUsize,
    taken: AtomicUsize,
    event_messages: AtomicUsize,
    publishing: AtomicUsize,
    published_at_once: AtomicUsize,
    published: Mutex<Vec<(DeliveryId, Vec<DeliveryId>)>>,
    blobs: Semaphore,
    events: Semaphore,
    deliveries: Semaphore,
}

impl Watch {
    /// Blobs come at once.
    pub(super) fn new() -> Self {
        Self::holding(Semaphore::MAX_PERMITS)
    }

    /// So many blobs come; more wait.
    pub(super) fn holding(blobs: usize) -> Self {
        let zero = AtomicUsize::default;
        let blobs = Semaphore::new(blobs);
        Self(Arc::new(Counts {
            puts: zero(),
            fetches: zero(),
            taken: zero(),
            event_messages: zero(),
            publishing: zero(),
            published_at_once: zero(),
            published: Mutex::default(),
            blobs,
            events: Semaphore::new(Semaphore::MAX_PERMITS),
            deliveries: Semaphore::new(Semaphore::MAX_PERMITS),
        }))
    }

    /// One more blob comes.
    pub(super) fn let_blob(&self) {
        self.0.blobs.add_permits(1);
    }

    /// No message with events goes any more, or each goes again.
    pub(super) fn hold_events(&self, hold: bool) {
        turn(&self.0.events, hold);
    }

    /// No delivery comes out any more, or they come again.
    pub(super) fn hold_deliveries(&self, hold: bool) {
        turn(&self.0.deliveries, hold);
    }

    /// Blobs put, those that were there already among them.
    pub(super) fn puts(&self) -> usize {
        self.0.puts.load(Ordering::SeqCst)
    }

    /// Fetches of blobs begun.
    pub(super) fn fetches(&self) -> usize {
        self.0.fetches.load(Ordering::SeqCst)
    }

    /// Messages that came out, repeats among them.
    pub(super) fn taken(&self) -> usize {
        self.0.taken.load(Ordering::SeqCst)
    }

    /// Messages with events.
    pub(super) fn event_messages(&self) -> usize {
        self.0.event_messages.load(Ordering::SeqCst)
    }

    /// Most deliveries that were being published at one moment.
    pub(super) fn published_at_once(&self) -> usize {
        self.0.published_at_once.load(Ordering::SeqCst)
    }

    /// Deliveries in the order in which they were published, each with those that go before it.
    pub(super) fn published(&self) -> Vec<(DeliveryId, Vec<DeliveryId>)> {
        self.0.published.lock().expect("what was published").clone()
    }

    /// What stands between the gateway and its broker.
    pub(super) fn wrap(&self) -> Wrap {
        let counts = self.0.clone();
        Box::new(move |broker| Arc::new(Watched { broker, counts: counts.clone() }))
    }
}

fn turn(place: &Semaphore, hold: bool) {
    if hold {
        place.forget_permits(Semaphore::MAX_PERMITS);
    } else {
        place.add_permits(Semaphore::MAX_PERMITS);
    }
}

struct Watched {
    broker: MemoryBroker,
    counts: Arc<Counts>,
}

#[async_trait]
impl Broker for Watched {
    async fn ready(&self) -> Result<(), Fault> {
        self.broker.ready().await
    }
    async fn publish(&self, message: &DeliveryMessage) -> Result<Publication, Fault> {
        let now = self.counts.publishing.fetch_add(1, Ordering::SeqCst) + 1;
        self.counts.published_at_once.fetch_max(now, Ordering::SeqCst);
        tokio::task::yield_now().await;
        let published = self.broker.publish(message).await;
        if published.is_ok() {
            let said = (message.delivery.id, message.after.clone());
            self.counts.published.lock().expect("what was published").push(said);
        }
        self.counts.publishing.fetch_sub(1, Ordering::SeqCst);
        published
    }
    async fn put_blob(&self, digest: PacketDigest, bytes: u64, file: PathBuf) -> Result<(), Fault> {
        self.counts.puts.fetch_add(1, Ordering::SeqCst);
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
        self.counts.fetches.fetch_add(1, Ordering::SeqCst);
        self.counts.blobs.acquire().await.expect("never closed").forget();
        self.broker.fetch_blob(digest, sink).await
    }
    async fn publish_event(&self, event: &Event) -> Result<(), Fault> {
        self.publish_events(std::slice::from_ref(event)).await
    }
    async fn publish_events(&self, events: &[Event]) -> Result<(), Fault> {
        drop(self.counts.events.acquire().await.expect("never closed"));
        self.counts.event_messages.fetch_add(1, Ordering::SeqCst);
        self.broker.publish_events(events).await
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
        let counts = self.counts.clone();
        let messages = self.broker.deliveries(adapter, lane).await?;
        let count = move |message| {
            let counts = counts.clone();
            async move {
                drop(counts.deliveries.acquire().await.expect("never closed"));
                counts.taken.fetch_add(1, Ordering::SeqCst);
                message
            }
        };
        Ok(messages.then(count).boxed())
    }
}
