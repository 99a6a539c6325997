//! [`NatsBroker`]: the broker port over one client. Each call either ends within its time or says what is wrong; the
//! caller repeats it with the same ids. Nothing is retried here but the connection and the stream of messages.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, Weak};
use std::time::Duration;

use async_nats::Client;
use async_nats::connection::State as Connection;
use async_nats::jetstream::context::{Context, ContextBuilder, PublishErrorKind};
use async_nats::jetstream::object_store::ObjectStore;
use async_trait::async_trait;
use futures_util::stream::BoxStream;
use lienthong_pipeline::ports::{Broker, DeliveryMessage, Fault, Incoming, IncomingWriter, Taken};
use lienthong_pipeline::record::{AdapterKind, Event, Lane};
use lienthong_schemas::ids::PacketDigest;
use tokio::sync::{Mutex, Notify, Semaphore};
use tokio::time::timeout;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::connect::{self, ServerAddress};
use crate::message::{self, Outgoing};
use crate::room::Room;
use crate::streams::{BLOBS, Shape};
use crate::{PLACE, blobs, pull, version};

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
    /// Copies of each stream: 1 on a single server, 3 on a cluster.
    pub replicas: usize,
    /// How long messages are kept: the give-up time and 30 days.
    pub max_age: Duration,
    /// Largest blob that is fetched, in bytes.
    pub blob_bytes_max: u64,
    /// How much the server stores at most, in bytes, where it is ours and its account has no limit of its own.
    pub store_bytes_max: Option<u64>,
}

/// The broker of design.md B7. Clones share one connection.
#[derive(Clone)]
pub struct NatsBroker(Arc<Link>);

pub(crate) struct Link {
    client: Client,
    /// For publishes.
    js: Context,
    /// For everything that may take longer.
    requests: Context,
    shape: Shape,
    blob_bytes_max: u64,
    /// The connection, counted from 1, on which streams and consumers were seen as they should be, if nothing said
    /// otherwise since; 0: none.
    prepared: AtomicU64,
    preparing: Mutex<()>,
    /// Why they are not as they should be, as last seen.
    trouble: std::sync::Mutex<Option<Fault>>,
    /// There is something to prepare.
    doubt: Arc<Notify>,
    room: Room,
    in_flight: Semaphore,
    pub(crate) closing: CancellationToken,
    _ends_keeper: DropGuard,
}

fn fault(cause: impl std::fmt::Display) -> Fault {
    Fault::new(PLACE, cause)
}

impl NatsBroker {
    /// Starts connecting and returns at once; [`Broker::ready`] tells when it can be used. Fails only on settings that
    /// cannot work: no or broken URL, unreadable creds file.
    pub async fn connect(options: &BrokerOptions) -> Result<Self, Fault> {
        let doubt = Arc::new(Notify::new());
        let client = connect::client(&options.address, &options.name, doubt.clone()).await?;
        let closing = CancellationToken::new();
        let link = Arc::new(Link {
            js: ContextBuilder::new().timeout(PUBLISH_WAIT).ack_timeout(PUBLISH_WAIT).build(client.clone()),
            requests: ContextBuilder::new()
                .timeout(REQUEST_WAIT)
                .ack_timeout(REQUEST_WAIT)
                .build(client.clone()),
            client,
            shape: Shape { replicas: options.replicas, max_age: options.max_age },
            blob_bytes_max: options.blob_bytes_max,
            prepared: AtomicU64::new(0),
            preparing: Mutex::new(()),
            trouble: std::sync::Mutex::default(),
            doubt,
            room: Room::new(options.store_bytes_max),
            in_flight: Semaphore::new(IN_FLIGHT_KIB as usize),
            _ends_keeper: closing.clone().drop_guard(),
            closing,
        });
        #[expect(
            clippy::disallowed_methods,
            reason = "it ends with the link, and what fails is what ready says"
        )]
        tokio::spawn(keep_prepared(Arc::downgrade(&link), link.doubt.clone(), link.closing.clone()));
        Ok(Self(link))
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
            return Err(fault("not connected"));
        }
        let info = self.client.try_server_info().ok_or_else(|| fault("not connected"))?;
        version::check(&info.version).map_err(fault)?;
        Ok(&self.client)
    }

    /// The number of the connection, from 1.
    fn connection(&self) -> u64 {
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
        let made = timeout(PREPARE_WAIT, self.shape.ensure(&self.requests)).await;
        let made = made.unwrap_or_else(|_| Err(fault("making streams and consumers took too long")));
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

    async fn bucket(&self) -> Result<ObjectStore, Fault> {
        let bucket = self.usable().await?.get_object_store(BLOBS).await;
        bucket.inspect_err(|_| self.mistrust()).map_err(fault)
    }

    /// A stream or consumer is not where it was: look at all of them before the next use.
    pub(crate) fn mistrust(&self) {
        self.prepared.store(0, Ordering::Release);
        self.doubt.notify_one();
    }

    async fn send(&self, outgoing: Outgoing) -> Result<(), Fault> {
        let sent = timeout(PUBLISH_WAIT, self.store(outgoing)).await;
        sent.unwrap_or_else(|_| Err(fault("publishing took too long")))
    }

    /// Publishes, and waits until it is stored.
    async fn store(&self, outgoing: Outgoing) -> Result<(), Fault> {
        self.usable().await?;
        // Headers and protocol count as a KiB.
        let weight =
            u32::try_from(outgoing.body.len() / 1024 + 1).unwrap_or(IN_FLIGHT_KIB).min(IN_FLIGHT_KIB);
        let _place = self.in_flight.acquire_many(weight).await.map_err(fault)?;
        let Outgoing { subject, headers, body } = outgoing;
        let stored = match self.js.publish_with_headers(subject, headers, body).await {
            Ok(stored) => stored.await,
            Err(error) => Err(error),
        };
        stored.map(|_| ()).map_err(|error| {
            if error.kind() == PublishErrorKind::StreamNotFound {
                self.mistrust();
            }
            fault(error)
        })
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

    async fn publish(&self, message: &DeliveryMessage) -> Result<(), Fault> {
        self.0.send(message::encode(message)?).await
    }

    async fn put_blob(&self, digest: PacketDigest, bytes: u64, file: PathBuf) -> Result<(), Fault> {
        let bucket = self.0.bucket().await?;
        blobs::put(&bucket, digest, bytes, &file).await
    }

    async fn remove_blob(&self, digest: PacketDigest) -> Result<(), Fault> {
        let bucket = self.0.bucket().await?;
        blobs::remove(&self.0.requests, &bucket, digest).await
    }

    async fn fetch_blob(
        &self,
        digest: PacketDigest,
        sink: Box<dyn IncomingWriter>,
    ) -> Result<Box<dyn Incoming>, Fault> {
        let bucket = self.0.bucket().await?;
        blobs::fetch(&bucket, digest, self.0.blob_bytes_max, sink).await
    }

    async fn publish_event(&self, event: &Event) -> Result<(), Fault> {
        self.0.send(message::encode_event(event)?).await
    }

    async fn deliveries(
        &self,
        adapter: AdapterKind,
        lane: Lane,
    ) -> Result<BoxStream<'static, Box<dyn Taken>>, Fault> {
        Ok(pull::deliveries(self.0.clone(), adapter, lane))
    }
}
