//! [`NatsBroker`]: the broker port over one client. Each call either ends within its time or says what is wrong; the
//! caller repeats it with the same ids. Nothing is retried here but the connection and the stream of messages.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_nats::Client;
use async_nats::connection::State as Connection;
use async_nats::jetstream::context::{Context, ContextBuilder, PublishErrorKind};
use async_trait::async_trait;
use futures_util::stream::BoxStream;
use lienthong_pipeline::ports::{Broker, DeliveryMessage, Fault, Incoming, IncomingWriter, Taken};
use lienthong_pipeline::record::{AdapterKind, Event, Lane};
use lienthong_schemas::ids::PacketDigest;
use tokio::sync::{Mutex, Semaphore};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::connect::{self, ServerAddress};
use crate::message::{self, Outgoing};
use crate::streams::{BLOBS, Shape};
use crate::{PLACE, blobs, pull, version};

/// Longest time for one publish with its acknowledgement.
pub const PUBLISH_WAIT: Duration = Duration::from_secs(3);
/// Longest time for one request about streams, consumers or blobs.
const REQUEST_WAIT: Duration = Duration::from_secs(10);
/// Longest time to make or compare all streams and consumers.
const PREPARE_WAIT: Duration = Duration::from_secs(20);
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
    /// Streams and consumers were seen as they should be, and nothing said otherwise since.
    prepared: AtomicBool,
    preparing: Mutex<()>,
    in_flight: Semaphore,
    pub(crate) closing: CancellationToken,
}

fn fault(cause: impl std::fmt::Display) -> Fault {
    Fault::new(PLACE, cause)
}

impl NatsBroker {
    /// Starts connecting and returns at once; [`Broker::ready`] tells when it can be used. Fails only on settings that
    /// cannot work: no or broken URL, unreadable creds file.
    pub async fn connect(options: &BrokerOptions) -> Result<Self, Fault> {
        let client = connect::client(&options.address, &options.name).await?;
        Ok(Self(Arc::new(Link {
            js: ContextBuilder::new().timeout(PUBLISH_WAIT).ack_timeout(PUBLISH_WAIT).build(client.clone()),
            requests: ContextBuilder::new()
                .timeout(REQUEST_WAIT)
                .ack_timeout(REQUEST_WAIT)
                .build(client.clone()),
            client,
            shape: Shape { replicas: options.replicas, max_age: options.max_age },
            blob_bytes_max: options.blob_bytes_max,
            prepared: AtomicBool::new(false),
            preparing: Mutex::new(()),
            in_flight: Semaphore::new(IN_FLIGHT_KIB as usize),
            closing: CancellationToken::new(),
        })))
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

    /// Looks at all streams and consumers, and makes or changes what differs.
    async fn prepare(&self) -> Result<(), Fault> {
        self.connected()?;
        let _turn = self.preparing.lock().await;
        self.look().await
    }

    async fn look(&self) -> Result<(), Fault> {
        let made = timeout(PREPARE_WAIT, self.shape.ensure(&self.requests)).await;
        let made = made.unwrap_or_else(|_| Err(fault("making streams and consumers took too long")));
        self.prepared.store(made.is_ok(), Ordering::Release);
        made
    }

    /// Connected, and prepared since somebody last had reason to doubt it.
    pub(crate) async fn usable(&self) -> Result<&Context, Fault> {
        self.connected()?;
        if !self.prepared.load(Ordering::Acquire) {
            let _turn = self.preparing.lock().await;
            // Whoever had the turn before may have done it.
            if !self.prepared.load(Ordering::Acquire) {
                self.look().await?;
            }
        }
        Ok(&self.requests)
    }

    /// A stream or consumer is not where it was: look at all of them before the next use.
    pub(crate) fn mistrust(&self) {
        self.prepared.store(false, Ordering::Release);
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

#[async_trait]
impl Broker for NatsBroker {
    async fn ready(&self) -> Result<(), Fault> {
        self.0.prepare().await
    }

    async fn publish(&self, message: &DeliveryMessage) -> Result<(), Fault> {
        self.0.send(message::encode(message)?).await
    }

    async fn put_blob(&self, digest: PacketDigest, bytes: u64, file: PathBuf) -> Result<(), Fault> {
        let bucket = self.0.usable().await?.get_object_store(BLOBS).await.map_err(fault)?;
        blobs::put(&bucket, digest, bytes, &file).await
    }

    async fn fetch_blob(
        &self,
        digest: PacketDigest,
        sink: Box<dyn IncomingWriter>,
    ) -> Result<Box<dyn Incoming>, Fault> {
        let bucket = self.0.usable().await?.get_object_store(BLOBS).await.map_err(fault)?;
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
