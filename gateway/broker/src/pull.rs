//! Messages of one consumer, for ever: a pull that breaks is opened again, with growing pauses, until the broker is
//! closed.

use std::sync::Arc;
use std::time::Duration;

use async_nats::jetstream::consumer::pull;
use async_nats::jetstream::consumer::pull::MessagesErrorKind;
use async_nats::jetstream::{AckKind, Message};
use async_nats::{HeaderMap, Request};
use async_trait::async_trait;
use futures_util::StreamExt;
use futures_util::stream::{self, BoxStream};
use jiff::Timestamp;
use lienthong_pipeline::ports::{DeliveryMessage, Fault, Taken};
use lienthong_pipeline::record::{AdapterKind, Lane};

use crate::jetstream::{Link, PUBLISH_WAIT};
use crate::streams::{DELIVERIES, consumer_name};
use crate::{PLACE, message};

/// Messages asked for at a time. Few, so that the last one is reached well before it counts as lost (60 s).
const MESSAGES_PER_PULL: usize = 32;
/// Bytes asked for at a time; the most that this stream holds in memory, twice over.
const BYTES_PER_PULL: usize = 8 * 1024 * 1024;
const HEARTBEAT: Duration = Duration::from_secs(5);
/// A missed heartbeat is an item, not the end; after so many errors in a row the pull is opened anew.
const ERRORS_IN_A_ROW_MAX: u32 = 3;
const PAUSE_MIN: Duration = Duration::from_millis(100);
const PAUSE_MAX: Duration = Duration::from_secs(5);

/// The stream behind [`lienthong_pipeline::ports::Broker::deliveries`].
pub(crate) fn deliveries(
    link: Arc<Link>,
    adapter: AdapterKind,
    lane: Lane,
) -> BoxStream<'static, Box<dyn Taken>> {
    let pull = Pull { link, consumer: consumer_name(adapter, lane), open: None, errors: 0, pause: PAUSE_MIN };
    stream::unfold(pull, |mut pull| async move {
        let link = pull.link.clone();
        tokio::select! {
            biased;
            () = link.closing.cancelled() => None,
            taken = pull.next() => Some((taken, pull)),
        }
    })
    .boxed()
}

struct Pull {
    link: Arc<Link>,
    consumer: String,
    open: Option<pull::Stream>,
    errors: u32,
    pause: Duration,
}

impl Pull {
    async fn next(&mut self) -> Box<dyn Taken> {
        loop {
            let Some(open) = &mut self.open else {
                match self.link.open(&self.consumer).await {
                    Ok(open) => {
                        self.open = Some(open);
                        self.errors = 0;
                    }
                    Err(fault) => {
                        tracing::debug!(consumer = self.consumer, %fault, "messages cannot be pulled yet");
                        self.rest().await;
                    }
                }
                continue;
            };
            match open.next().await {
                Some(Ok(message)) => {
                    self.errors = 0;
                    self.pause = PAUSE_MIN;
                    return Box::new(TakenMessage { link: self.link.clone(), message });
                }
                Some(Err(error)) => {
                    tracing::warn!(consumer = self.consumer, %error, "pulling messages");
                    self.errors += 1;
                    let lost = matches!(
                        error.kind(),
                        MessagesErrorKind::ConsumerDeleted | MessagesErrorKind::NoResponders
                    );
                    if lost {
                        self.link.mistrust();
                    }
                    if lost || self.errors >= ERRORS_IN_A_ROW_MAX {
                        self.open = None;
                        self.rest().await;
                    }
                }
                None => {
                    self.open = None;
                    self.rest().await;
                }
            }
        }
    }

    async fn rest(&mut self) {
        tokio::time::sleep(self.pause).await;
        self.pause = (self.pause * 2).min(PAUSE_MAX);
    }
}

impl Link {
    async fn open(&self, consumer: &str) -> Result<pull::Stream, Fault> {
        let fault = |error: &dyn std::fmt::Display| Fault::new(PLACE, error);
        let js = self.usable().await?;
        let consumer = js.get_consumer_from_stream::<pull::Config, _, _>(consumer, DELIVERIES).await;
        let consumer = consumer.inspect_err(|_| self.mistrust()).map_err(|error| fault(&error))?;
        let opened = consumer
            .stream()
            .max_messages_per_batch(MESSAGES_PER_PULL)
            .max_bytes_per_batch(BYTES_PER_PULL)
            .heartbeat(HEARTBEAT)
            .messages()
            .await;
        opened.map_err(|error| fault(&error))
    }
}

struct TakenMessage {
    link: Arc<Link>,
    message: Message,
}

impl TakenMessage {
    /// By request and not by the library's double ack, which takes "nobody is there" for a confirmation.
    async fn answer(&self, kind: AckKind) -> Result<(), Fault> {
        let fault = |error: &dyn std::fmt::Display| Fault::new(PLACE, error);
        let client = self.link.connected()?;
        let reply = self.message.reply.clone().ok_or_else(|| fault(&"a message without a reply subject"))?;
        let request = Request::new().payload(kind.into()).timeout(Some(PUBLISH_WAIT));
        client.send_request(reply, request).await.map_err(|error| fault(&error))?;
        Ok(())
    }
}

#[async_trait]
impl Taken for TakenMessage {
    fn message(&self) -> Result<DeliveryMessage, Fault> {
        let none = HeaderMap::new();
        let headers = self.message.headers.as_ref().unwrap_or(&none);
        message::decode(&self.message.subject, headers, &self.message.payload)
    }

    fn patience(&self) -> Duration {
        self.link.shape.ack_wait
    }

    fn stored_at(&self) -> Timestamp {
        let published = self.message.info().ok().map(|info| info.published.unix_timestamp_nanos());
        published.and_then(|at| Timestamp::from_nanosecond(at).ok()).unwrap_or(Timestamp::MIN)
    }

    /// The server does not confirm this one.
    async fn working(&self) -> Result<(), Fault> {
        let fault = |error: &dyn std::fmt::Display| Fault::new(PLACE, error);
        let reply = self.message.reply.clone().ok_or_else(|| fault(&"a message without a reply subject"))?;
        let said = self.link.connected()?.publish(reply, AckKind::Progress.into()).await;
        said.map_err(|error| fault(&error))
    }

    async fn ack(self: Box<Self>) -> Result<(), Fault> {
        self.answer(AckKind::Ack).await
    }

    async fn again(self: Box<Self>, delay: Duration) -> Result<(), Fault> {
        self.answer(AckKind::Nak(Some(delay).filter(|delay| !delay.is_zero()))).await
    }
}
