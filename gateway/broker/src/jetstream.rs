//! [`NatsBroker`]: the broker port over one client. Each call either ends within its time or says what is wrong; the
//! caller repeats it with the same ids. Nothing is retried here but the connection and the stream of messages.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, Weak};
use std::time::Duration;

use async_nats::Client;
use async_nats::connection::State as Connection;
use async_nats::jetstream::context::{Context, ContextBuilder, PublishError, PublishErrorKind};
use async_nats::jetstream::object_store::ObjectStore;
use async_nats::jetstream::stream::Stream;
use async_trait::async_trait;
use futures_util::stream::BoxStream;
use lienthong_monitoring::Metrics;
use lienthong_pipeline::ports::{
    Broker, DeliveryMessage, EventsAfter, EventsSpan, Fault, Incoming, IncomingWriter, Publication, Taken,
};
use lienthong_pipeline::record::{AdapterKind, Admission, Event, Lane, NameClaim, NameClaims, OwnNode};
use lienthong_schemas::ids::{DocumentId, PacketDigest};
use tokio::sync::{Mutex, Notify, Semaphore};
use tokio::time::{Instant, timeout};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::blobs::{Shelf, Swept};
use crate::connect::{self, ServerAddress};
use crate::leases::KvLeases;
use crate::message::{self, Outgoing};
use crate::refusals::Refusals;
use crate::rolls::KvRolls;
use crate::room::Room;
use crate::streams::{BLOBS, Shape};
use crate::{PLACE, admissions, blobs, events, names, pull, stored, version};

/// Longest time for one publish with its acknowledgement.
pub const PUBLISH_WAIT: Duration = Duration::from_secs(3);
/// Longest time for one request about streams, consumers or blobs.
const REQUEST_WAIT: Duration = Duration::from_secs(10);
/// Longest time to make or compare all streams and consumers.
const PREPARE_WAIT: Duration = Duration::from_secs(20);
/// Pause after a look that failed.
const PREPARE_AGAIN: Duration = Duration::from_secs(1);
/// Most bytes that are published and not yet acknowledged: a server refuses more than 128 MB a stream, and its memory
/// grows with them.
const IN_FLIGHT_KIB: u32 = 32 * 1024;

/// How [`NatsBroker`] works.
#[derive(Clone, Debug)]
pub struct BrokerOptions {
    /// Where the server is.
    pub address: ServerAddress,
    /// What the server calls this client in its lists.
    pub name: String,
    /// The gateway, where it is one of several on these streams.
    pub node: Option<OwnNode>,
    /// Copies of each stream: 1 on a single server, 3 on a cluster.
    pub replicas: usize,
    /// How long messages are kept: the give-up time and 30 days.
    pub max_age: Duration,
    /// Largest blob that is fetched, in bytes.
    pub blob_bytes_max: u64,
    /// How much the server stores at most, in bytes, where it is ours and its account has no limit of its own.
    pub store_bytes_max: Option<u64>,
    /// A message comes again when nothing was heard of it for so long; [`crate::ACK_WAIT`] but in tests.
    pub ack_wait: Duration,
    /// A lease ends by itself after so long; [`lienthong_pipeline::ports::LEASE_TTL`] but in tests. All gateways on these
    /// streams must have the same.
    pub lease_ttl: Duration,
    /// Where refusals and removals are counted.
    pub metrics: Arc<Metrics>,
}

/// The broker of design.md B7. Clones share one connection.
#[derive(Clone)]
pub struct NatsBroker(Arc<Link>);

pub(crate) struct Link {
    pub(crate) client: Client,
    /// For publishes.
    pub(crate) js: Context,
    /// For everything that may take longer.
    requests: Context,
    pub(crate) shape: Shape,
    blob_bytes_max: u64,
    pub(crate) node: Option<OwnNode>,
    /// The connection, counted from 1, on which streams and consumers were seen as they should be, if nothing said
    /// otherwise since; 0: none.
    prepared: AtomicU64,
    preparing: Mutex<()>,
    /// Why they are not as they should be, as last seen.
    trouble: std::sync::Mutex<Option<Fault>>,
    /// There is something to prepare.
    doubt: Arc<Notify>,
    room: Room,
    refusals: Arc<Refusals>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) shelf: Arc<Shelf>,
    /// KiB that are published and not acknowledged.
    pub(crate) in_flight: Semaphore,
    pub(crate) closing: CancellationToken,
    _ends_keeper: DropGuard,
}

fn fault(cause: impl std::fmt::Display) -> Fault {
    Fault::new(PLACE, cause)
}

/// Places that a message of this length takes in [`Link::in_flight`]; headers and protocol count as a KiB.
pub(crate) fn weight(bytes: usize) -> u32 {
    u32::try_from(bytes / 1024 + 1).unwrap_or(IN_FLIGHT_KIB).min(IN_FLIGHT_KIB)
}

impl NatsBroker {
    /// Starts connecting and returns at once; [`Broker::ready`] tells when it can be used. Fails only on settings that
    /// cannot work: no or broken URL, unreadable creds file.
    pub async fn connect(options: &BrokerOptions) -> Result<Self, Fault> {
        let doubt = Arc::new(Notify::new());
        let refusals = Arc::new(Refusals::new(options.metrics.clone()));
        let client =
            connect::client(&options.address, &options.name, doubt.clone(), refusals.clone()).await?;
        let closing = CancellationToken::new();
        let link = Arc::new(Link {
            js: ContextBuilder::new().timeout(PUBLISH_WAIT).ack_timeout(PUBLISH_WAIT).build(client.clone()),
            requests: ContextBuilder::new()
                .timeout(REQUEST_WAIT)
                .ack_timeout(REQUEST_WAIT)
                .build(client.clone()),
            client,
            shape: Shape {
                replicas: options.replicas,
                max_age: options.max_age,
                ack_wait: options.ack_wait,
                lease_ttl: options.node.as_ref().map(|_| options.lease_ttl),
            },
            blob_bytes_max: options.blob_bytes_max,
            node: options.node.clone(),
            prepared: AtomicU64::new(0),
            preparing: Mutex::new(()),
            trouble: std::sync::Mutex::default(),
            doubt,
            room: Room::new(options.store_bytes_max),
            refusals,
            metrics: options.metrics.clone(),
            shelf: Arc::default(),
            in_flight: Semaphore::new(IN_FLIGHT_KIB as usize),
            _ends_keeper: closing.clone().drop_guard(),
            closing,
        });
        #[expect(
            clippy::disallowed_methods,
            reason = "they end with the link; what fails is what ready says, or is tried again"
        )]
        {
            tokio::spawn(keep_prepared(Arc::downgrade(&link), link.doubt.clone(), link.closing.clone()));
            tokio::spawn(blobs::keep(Arc::downgrade(&link), link.shelf.clone(), link.closing.clone()));
        }
        Ok(Self(link))
    }

    /// There is no server, for this reason: what every call says from now on.
    pub fn withhold(&self, reason: impl std::fmt::Display) {
        self.0.refusals.withhold(&reason.to_string());
    }

    /// Removes chunks of the Object Store that nobody named and whose last one is older than this; what the gateway does
    /// by itself every six hours, for those of a day and more. Puts under way in this process are left alone.
    ///
    /// # Errors
    /// The broker is away, or not every name can be read: then nothing more is removed.
    pub async fn sweep_blobs(&self, older_than: Duration) -> Result<Swept, Fault> {
        blobs::sweep(&self.0, older_than).await
    }

    /// Leases and words of gateways on these streams, where this is one of several.
    pub fn leases(&self) -> Option<KvLeases> {
        self.0.shape.lease_ttl.map(|lease_ttl| KvLeases::new(&self.0, lease_ttl))
    }

    /// Rolls of the directory that gateways on these streams share, where this is one of several.
    pub fn rolls(&self) -> Option<KvRolls> {
        self.0.shape.lease_ttl.map(|_| KvRolls::new(&self.0))
    }

    /// Ends all streams of messages and then the connection. What was not acknowledged comes again next time.
    pub async fn close(&self) {
        self.0.closing.cancel();
        if let Ok(Err(error)) = timeout(PUBLISH_WAIT, self.0.client.drain()).await {
            tracing::debug!(%error, "the broker's connection was closed already");
        }
    }
}

impl Link {
    /// Connected to a server that is new enough.
    pub(crate) fn connected(&self) -> Result<&Client, Fault> {
        if self.client.connection_state() != Connection::Connected {
            return Err(self.refusals.not_connected());
        }
        let info = self.client.try_server_info().ok_or_else(|| self.refusals.not_connected())?;
        version::check(&info.version).map_err(fault)?;
        Ok(&self.client)
    }

    /// The number of the connection, from 1.
    pub(crate) fn connection(&self) -> u64 {
        self.client.statistics().connects.load(Ordering::Acquire)
    }

    /// Prepared on this connection, and nothing said otherwise since.
    fn is_prepared(&self) -> bool {
        let prepared = self.prepared.load(Ordering::Acquire);
        prepared != 0 && prepared == self.connection()
    }

    /// Looks at all streams and consumers, and makes or changes what differs.
    async fn look(&self) -> Result<(), Fault> {
        let connection = self.connection();
        let begun = Instant::now();
        let made = timeout(PREPARE_WAIT, self.shape.ensure(&self.requests)).await;
        let made = made.unwrap_or_else(|_| Err(fault("making streams and consumers took too long")));
        let made = made.map_err(|fault| self.refusals.explain(begun, fault));
        // What was seen on an earlier connection says nothing about this one.
        self.prepared.store(if made.is_ok() { connection } else { 0 }, Ordering::Release);
        *self.trouble() = made.clone().err();
        made
    }

    fn trouble(&self) -> std::sync::MutexGuard<'_, Option<Fault>> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is known, without asking the server but for its room, and that seldom.
    async fn ready(&self) -> Result<(), Fault> {
        self.connected()?;
        if !self.is_prepared() {
            let trouble = self.trouble().clone();
            return Err(trouble.unwrap_or_else(|| fault("streams and consumers are being looked at")));
        }
        self.room.check(&self.requests).await
    }

    /// Connected, and prepared since somebody last had reason to doubt it.
    pub(crate) async fn usable(&self) -> Result<&Context, Fault> {
        self.connected()?;
        if !self.is_prepared() {
            let _turn = self.preparing.lock().await;
            // Whoever had the turn before may have done it.
            if !self.is_prepared() {
                self.look().await?;
            }
        }
        Ok(&self.requests)
    }

    async fn object_store(&self) -> Result<ObjectStore, Fault> {
        let bucket = self.usable().await?.get_object_store(BLOBS).await;
        bucket.inspect_err(|_| self.mistrust()).map_err(fault)
    }

    /// The stream below the bucket.
    pub(crate) async fn bucket(&self) -> Result<Stream, Fault> {
        let bucket = self.usable().await?.get_stream(format!("OBJ_{BLOBS}")).await;
        bucket.inspect_err(|_| self.mistrust()).map_err(fault)
    }

    /// See [`Refusals::heed`].
    pub(crate) async fn heed<T>(&self, subject: &str, call: impl Future<Output = T>) -> Result<T, Fault> {
        self.refusals.heed(subject, call).await
    }

    /// What an error of a publish says about the streams.
    pub(crate) fn judge(&self, error: &PublishError) {
        if error.kind() == PublishErrorKind::StreamNotFound {
            self.mistrust();
        }
        if blobs::is_full(error) {
            self.room.doubt();
        }
    }

    /// The outcome of a call, with what the server refused meanwhile in its fault.
    pub(crate) async fn explained<T>(
        &self,
        call: impl Future<Output = Result<T, Fault>>,
    ) -> Result<T, Fault> {
        let begun = Instant::now();
        call.await.map_err(|fault| self.refusals.explain(begun, fault))
    }

    /// A stream or consumer is not where it was: look at all of them before the next use.
    pub(crate) fn mistrust(&self) {
        self.prepared.store(0, Ordering::Release);
        self.doubt.notify_one();
    }

    async fn send(&self, outgoing: Outgoing) -> Result<Publication, Fault> {
        let subject = outgoing.subject.clone();
        let sent = async {
            let stored = timeout(PUBLISH_WAIT, self.store(outgoing)).await;
            stored.unwrap_or_else(|_| Err(fault("publishing took too long")))
        };
        self.explained(async { self.heed(&subject, sent).await? }).await
    }

    /// Publishes, and waits until it is stored.
    async fn store(&self, outgoing: Outgoing) -> Result<Publication, Fault> {
        self.usable().await?;
        let _place = self.in_flight.acquire_many(weight(outgoing.body.len())).await.map_err(fault)?;
        let Outgoing { subject, headers, body, stream } = outgoing;
        let stored = match self.js.publish_with_headers(subject, headers, body).await {
            Ok(stored) => stored.await,
            Err(error) => Err(error),
        };
        let stored = stored.map_err(|error| {
            self.judge(&error);
            fault(error)
        })?;
        if stored.stream != stream {
            self.mistrust();
            return Err(fault(format!("stream {} stored what is for {stream}", stored.stream)));
        }
        Ok(if stored.duplicate { Publication::Repeat } else { Publication::New })
    }
}

/// Prepares on each connection, and after each doubt, whether or not anybody publishes. Ends with the link.
async fn keep_prepared(link: Weak<Link>, doubt: Arc<Notify>, closing: CancellationToken) {
    loop {
        let Some(held) = link.upgrade() else { return };
        let usable = tokio::select! {
            usable = held.usable() => usable.map(|_| ()),
            () = closing.cancelled() => return,
        };
        drop(held);
        let pause = match usable {
            Ok(()) => Duration::MAX,
            Err(fault) => {
                tracing::debug!(%fault, "the broker is not prepared yet");
                PREPARE_AGAIN
            }
        };
        tokio::select! {
            () = doubt.notified() => {}
            () = tokio::time::sleep(pause) => {}
            () = closing.cancelled() => return,
        }
    }
}

#[async_trait]
impl Broker for NatsBroker {
    async fn ready(&self) -> Result<(), Fault> {
        self.0.ready().await
    }

    fn refusal(&self) -> Option<Fault> {
        self.0.refusals.lately()
    }

    async fn publish(&self, message: &DeliveryMessage) -> Result<Publication, Fault> {
        self.0.send(message::encode(message)?).await
    }

    async fn put_blob(&self, digest: PacketDigest, bytes: u64, file: PathBuf) -> Result<(), Fault> {
        self.0.explained(blobs::put(&self.0, digest, bytes, &file)).await
    }

    async fn has_blob(&self, digest: PacketDigest) -> Result<bool, Fault> {
        self.0.explained(blobs::is_there(&self.0, digest)).await
    }

    async fn remove_blob(&self, digest: PacketDigest) -> Result<(), Fault> {
        self.0.explained(blobs::remove(&self.0, digest)).await
    }

    async fn fetch_blob(
        &self,
        digest: PacketDigest,
        sink: Box<dyn IncomingWriter>,
    ) -> Result<Box<dyn Incoming>, Fault> {
        let fetched = async {
            let bucket = self.0.object_store().await?;
            blobs::fetch(&bucket, digest, self.0.blob_bytes_max, sink).await
        };
        self.0.explained(fetched).await
    }

    async fn publish_event(&self, event: &Event) -> Result<(), Fault> {
        self.publish_events(std::slice::from_ref(event)).await
    }

    async fn publish_events(&self, events: &[Event]) -> Result<(), Fault> {
        self.0.send(message::encode_events(events, self.0.node.as_ref().map(OwnNode::life))?).await.map(drop)
    }

    async fn name_claims(&self, name: [u8; 16]) -> Result<NameClaims, Fault> {
        self.0.explained(names::read(&self.0, name)).await
    }

    async fn claim_name(&self, name: [u8; 16], claims: &[NameClaim], after: u64) -> Result<bool, Fault> {
        self.0.explained(names::write(&self.0, name, claims, after)).await
    }

    async fn publish_admission(&self, admission: &Admission) -> Result<(), Fault> {
        self.0.explained(admissions::put(&self.0, admission)).await
    }

    async fn admission(&self, document: DocumentId) -> Result<Option<Admission>, Fault> {
        self.0.explained(admissions::read(&self.0, document)).await
    }

    async fn events_of(
        &self,
        document: DocumentId,
    ) -> Result<BoxStream<'static, Result<Vec<Event>, Fault>>, Fault> {
        self.0.explained(events::of(self.0.clone(), document)).await
    }

    async fn events_span(&self) -> Result<EventsSpan, Fault> {
        self.0.explained(events::span(&self.0)).await
    }

    async fn events_after(&self, after: u64) -> Result<EventsAfter, Fault> {
        self.0.explained(events::after(self.0.clone(), after)).await
    }

    async fn stored_deliveries(&self) -> Result<BoxStream<'static, Result<DeliveryMessage, Fault>>, Fault> {
        self.0.explained(stored::deliveries(self.0.clone())).await
    }

    async fn deliveries(
        &self,
        adapter: AdapterKind,
        lane: Lane,
    ) -> Result<BoxStream<'static, Box<dyn Taken>>, Fault> {
        Ok(pull::deliveries(self.0.clone(), adapter, lane))
    }
}
