//! JetStream with nothing around it, for measurements that ask what the gateway costs beside it: one stream of files, one
//! durable consumer, every publish and every acknowledgement confirmed.

use std::sync::Arc;
use std::time::Duration;

use async_nats::HeaderMap;
use async_nats::jetstream::Message;
use async_nats::jetstream::consumer::{PullConsumer, pull};
use async_nats::jetstream::context::{Context, ContextBuilder};
use async_nats::jetstream::stream::{self, DiscardPolicy, StorageType};
use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use lienthong_monitoring::Metrics;
use lienthong_pipeline::ports::Fault;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, timeout};

use crate::PLACE;
use crate::connect::{self, ServerAddress};
use crate::jetstream::PUBLISH_WAIT;
use crate::refusals::Refusals;

const NAME: &str = "BARE";
const SUBJECT: &str = "bare";
/// How long a server may take to answer at all.
const ANSWERS_WITHIN: Duration = Duration::from_secs(30);
const ASK_EVERY: Duration = Duration::from_millis(50);
/// As the gateway asks for them.
const MESSAGES_PER_PULL: usize = 32;
const BYTES_PER_PULL: usize = 8 * 1024 * 1024;

fn fault(cause: impl std::fmt::Display) -> Fault {
    Fault::new(PLACE, cause)
}

/// See the module.
pub struct Bare {
    js: Context,
}

/// A message that was taken and is not yet acknowledged.
pub struct BareMessage(Message);

impl BareMessage {
    /// What was published.
    pub fn body(&self) -> Bytes {
        self.0.payload.clone()
    }

    /// Acknowledges, and waits for the server's confirmation.
    ///
    /// # Errors
    /// The server does not confirm.
    pub async fn ack(&self) -> Result<(), Fault> {
        self.0.double_ack().await.map_err(fault)
    }
}

impl Bare {
    /// Connects, and waits until the server answers.
    ///
    /// # Errors
    /// It does not within 30 s.
    pub async fn connect(address: &ServerAddress) -> Result<Self, Fault> {
        let refusals = Arc::new(Refusals::new(Arc::new(Metrics::new("bare"))));
        let client = connect::client(address, "bare", Arc::new(Notify::new()), refusals).await?;
        let js = ContextBuilder::new().timeout(PUBLISH_WAIT).build(client);
        let begun = Instant::now();
        while let Err(error) = js.query_account().await {
            if begun.elapsed() > ANSWERS_WITHIN {
                return Err(fault(error));
            }
            sleep(ASK_EVERY).await;
        }
        Ok(Self { js })
    }

    /// Bytes that the server stores, of all streams together.
    ///
    /// # Errors
    /// The server does not say.
    pub async fn stored(&self) -> Result<u64, Fault> {
        Ok(self.js.query_account().await.map_err(fault)?.storage)
    }

    /// The stream's consumer; both are made unless they are there.
    async fn consumer(&self) -> Result<PullConsumer, Fault> {
        let config = stream::Config {
            name: NAME.to_owned(),
            subjects: vec![SUBJECT.to_owned()],
            storage: StorageType::File,
            discard: DiscardPolicy::New,
            ..stream::Config::default()
        };
        let stream = self.js.get_or_create_stream(config).await.map_err(fault)?;
        let durable = pull::Config { durable_name: Some(NAME.to_owned()), ..pull::Config::default() };
        stream.get_or_create_consumer(NAME, durable).await.map_err(fault)
    }

    /// Publishes; returns when it is stored.
    ///
    /// # Errors
    /// The server refuses or does not answer.
    pub async fn publish(&self, id: &str, body: Bytes) -> Result<(), Fault> {
        let mut headers = HeaderMap::new();
        headers.insert("Nats-Msg-Id", id);
        let sent = self.js.publish_with_headers(SUBJECT, headers, body).await.map_err(fault)?;
        timeout(PUBLISH_WAIT, sent).await.map_err(fault)?.map_err(fault)?;
        Ok(())
    }

    /// The messages of the stream, in order; makes stream and consumer, so it goes before the first publish.
    ///
    /// # Errors
    /// They cannot be made or pulled.
    pub async fn messages(&self) -> Result<BoxStream<'static, Result<BareMessage, Fault>>, Fault> {
        let messages = self
            .consumer()
            .await?
            .stream()
            .max_messages_per_batch(MESSAGES_PER_PULL)
            .max_bytes_per_batch(BYTES_PER_PULL)
            .messages()
            .await
            .map_err(fault)?;
        Ok(messages.map(|message| message.map(BareMessage).map_err(fault)).boxed())
    }
}
