//! Step publish: what is committed goes to the broker, with the same ids for as long as it takes; then the events.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use lienthong_monitoring::{Metrics, Step};
use lienthong_schemas::ids::PacketDigest;

use crate::crash::crash_point;
use crate::ports::{DeliveryMessage, Fault, Ports, Transition};
use crate::record::{Delivery, State};
use crate::tasks::Tasks;
use crate::wakes::Wakes;

/// A packet of at most this many bytes rides along in the message; a larger one goes once to the Object Store.
pub const INLINE_BYTES_MAX: u64 = 256 * 1024;

const BATCH: usize = 64;
const RECEIVERS_AT_ONCE: usize = 8;
const PAUSE_FIRST: Duration = Duration::from_millis(250);
const PAUSE_MOST: Duration = Duration::from_secs(5);

/// Where the bytes of a packet are, for its message.
enum Body {
    /// In the message.
    Inline(Bytes),
    /// In the Object Store.
    Stored,
    /// Nowhere whole.
    Missing,
}

/// Publishes what the store says is not published.
pub struct Relay {
    ports: Ports,
    metrics: Arc<Metrics>,
    wakes: Wakes,
}

impl Relay {
    /// The relay of one gateway.
    pub fn new(ports: Ports, metrics: Arc<Metrics>, wakes: Wakes) -> Self {
        Self { ports, metrics, wakes }
    }

    /// Runs until shutdown. A broker that is away is waited for; the wait never gives up.
    pub async fn run(self, tasks: Tasks) -> Result<(), Fault> {
        let mut pause = PAUSE_FIRST;
        while !tasks.is_stopping() {
            let outcome = tokio::select! {
                outcome = self.publish_all() => outcome,
                () = tasks.stopped() => break,
            };
            let wait = match outcome {
                Ok(()) => {
                    pause = PAUSE_FIRST;
                    None
                }
                Err(fault) if fault.place == "store" => return Err(fault),
                Err(fault) => {
                    tracing::warn!(%fault, pause_ms = pause.as_millis() as u64, "not published yet");
                    let due = self.ports.clock.now().saturating_add(pause).unwrap_or(jiff::Timestamp::MAX);
                    pause = (pause * 2).min(PAUSE_MOST);
                    Some(due)
                }
            };
            match wait {
                None => tokio::select! {
                    () = self.wakes.relay.notified() => {}
                    () = tasks.stopped() => break,
                },
                Some(due) => tokio::select! {
                    () = self.ports.clock.sleep_until(due) => {}
                    () = tasks.stopped() => break,
                },
            }
        }
        Ok(())
    }

    /// Publishes until nothing is left. Receivers go in parallel, one receiver's deliveries in order.
    async fn publish_all(&self) -> Result<(), Fault> {
        loop {
            let waiting = self.ports.store.unpublished(BATCH).await?;
            let had_deliveries = !waiting.is_empty();
            let mut chains: BTreeMap<String, Vec<Delivery>> = BTreeMap::new();
            for delivery in waiting {
                chains.entry(delivery.route.receiver.to_string()).or_default().push(delivery);
            }
            let chains = chains.into_values().map(|chain| self.publish_chain(chain));
            let outcomes: Vec<_> =
                futures_util::stream::iter(chains).buffer_unordered(RECEIVERS_AT_ONCE).collect().await;
            for outcome in outcomes {
                outcome?;
            }
            // One batch a turn: each document makes events, and while many come in there is always another one.
            let had_events = self.send_events().await?;
            if !had_deliveries && !had_events {
                return Ok(());
            }
        }
    }

    async fn publish_chain(&self, chain: Vec<Delivery>) -> Result<(), Fault> {
        for delivery in chain {
            self.publish_after_kin(delivery).await?;
        }
        Ok(())
    }

    /// An urgent packet does not overtake a packet that it refers to (design.md B6, Order).
    async fn publish_after_kin(&self, delivery: Delivery) -> Result<(), Fault> {
        let token = delivery.route.receiver.token();
        for key in &delivery.correlations {
            let first = self.ports.store.first_correlated(&token, *key).await?;
            let Some(first) = first.filter(|f| f.order < delivery.order) else { continue };
            if first.state == State::Queued && first.published < first.generation {
                self.publish(first).await?;
            }
        }
        self.publish(delivery).await
    }

    async fn publish(&self, delivery: Delivery) -> Result<(), Fault> {
        let timer = self.metrics.timer(Step::Publish);
        let inline = match self.body(&delivery).await? {
            Body::Missing => return self.park(&delivery).await,
            Body::Inline(body) => Some(body),
            Body::Stored => None,
        };
        let (id, generation) = (delivery.id, delivery.generation);
        self.ports.broker.publish(&DeliveryMessage { delivery, inline }).await?;
        crash_point("after-publish");
        let now = self.ports.clock.now();
        self.ports.store.transition(id, now, Transition::Published { generation }).await?;
        drop(timer);
        Ok(())
    }

    async fn body(&self, delivery: &Delivery) -> Result<Body, Fault> {
        let digest = delivery.digest;
        if delivery.bytes <= INLINE_BYTES_MAX {
            let whole = self.ports.spool.read(digest, INLINE_BYTES_MAX).await?;
            let whole = whole.filter(|body| PacketDigest::of(body) == digest);
            return Ok(whole.map_or(Body::Missing, Body::Inline));
        }
        let Some(file) = self.ports.spool.blob(digest).await? else { return Ok(Body::Missing) };
        self.ports.broker.put_blob(digest, delivery.bytes, file).await?;
        Ok(Body::Stored)
    }

    /// A packet whose bytes are gone from the spool cannot be sent, and must not hold up the others.
    async fn park(&self, delivery: &Delivery) -> Result<(), Fault> {
        tracing::error!(delivery_id = %delivery.id, digest = %delivery.digest, "no whole blob: parked");
        let note = "blob missing or damaged in the spool".to_owned();
        let change = Transition::Settled { state: State::Parked, note };
        self.ports.store.transition(delivery.id, self.ports.clock.now(), change).await?;
        self.metrics.parked.inc();
        Ok(())
    }

    /// Sends the oldest events, one batch; `false` when there was none.
    async fn send_events(&self) -> Result<bool, Fault> {
        let events = self.ports.store.unsent_events(BATCH).await?;
        if events.is_empty() {
            return Ok(false);
        }
        let mut sent = Vec::with_capacity(events.len());
        let mut outcome = Ok(());
        for (number, event) in events {
            outcome = self.ports.broker.publish_event(&event).await;
            if outcome.is_err() {
                break;
            }
            sent.push(number);
        }
        self.ports.store.events_sent(sent).await?;
        outcome.map(|()| true)
    }
}
