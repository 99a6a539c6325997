//! Step publish: what is committed goes to the broker, with the same ids for as long as it takes; then the events.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use jiff::Timestamp;
use lienthong_monitoring::{Metrics, Step};
use lienthong_schemas::ids::{DeliveryId, PacketDigest};
use lienthong_schemas::organ::{OrganId, ReceiverToken};

use crate::clock::after;
use crate::crash::crash_point;
use crate::ports::{DeliveryMessage, Fault, Ports, Transition};
use crate::record::{Delivery, State};
use crate::settle::Settle;
use crate::tasks::Tasks;
use crate::wakes::Wakes;

/// A packet of at most this many bytes rides along in the message; a larger one goes once to the Object Store.
pub const INLINE_BYTES_MAX: u64 = 256 * 1024;

const BATCH: usize = 64;
const QUEUES_AT_ONCE: usize = 8;
const PAUSE_FIRST: Duration = Duration::from_millis(250);
const PAUSE_MOST: Duration = Duration::from_secs(5);

/// A receiver whose delivery could not be published waits this long, while others go on, those of its queue as well.
const ASIDE: Duration = Duration::from_secs(5);
/// Deliveries looked at, at most, to find receivers that are not set aside.
const LOOK_MAX: usize = 16 * 1024;
/// A message that nobody took over for this long is taken for lost.
const LOST_AFTER: Duration = Duration::from_secs(600);
const LOOK_FOR_LOST_EVERY: Duration = Duration::from_secs(60);

/// Publishes what the store says is not published.
pub struct Relay {
    ports: Ports,
    metrics: Arc<Metrics>,
    wakes: Wakes,
    settle: Settle,
    aside: HashMap<Place, Timestamp>,
    pause: Duration,
}

/// Whom a delivery that cannot be published holds up: its receiver, in its queue. Behind an axis the others of the queue
/// go on.
type Place = (ReceiverToken, OrganId);

/// Why a chain ended before its end, and at whose delivery.
struct Broken {
    place: Place,
    fault: Fault,
}

/// Where the bytes of a packet are, for its message.
enum Body {
    /// In the message.
    Inline(Bytes),
    /// In the Object Store.
    Stored,
    /// Nowhere whole.
    Missing,
}

/// What to wait for after a round.
enum Wait {
    /// Work, or this time.
    WorkOr(Timestamp),
    /// This time: the broker is away, so work does not help.
    Until(Timestamp),
}

fn place(delivery: &Delivery) -> Place {
    (delivery.route.queue(), delivery.route.receiver.clone())
}

impl Relay {
    /// The relay of one gateway.
    pub fn new(ports: Ports, metrics: Arc<Metrics>, wakes: Wakes) -> Self {
        let settle = Settle::new(ports.clone(), metrics.clone(), wakes.clone());
        Self { ports, metrics, wakes, settle, aside: HashMap::new(), pause: PAUSE_FIRST }
    }

    /// Runs until shutdown. A broker that is away is waited for; the wait never gives up.
    ///
    /// # Errors
    /// Only when the store has ended.
    pub async fn run(mut self, tasks: Tasks) -> Result<(), Fault> {
        // What an earlier life of this gateway published and did not take over comes out of the broker only when its
        // acknowledgement is overdue; a new generation is there at once, and the old message then does no harm.
        self.requeue_lost(Duration::ZERO).await?;
        let mut look_for_lost = self.after(LOOK_FOR_LOST_EVERY);
        while !tasks.is_stopping() {
            let wait = tokio::select! {
                wait = self.round() => wait?,
                () = tasks.stopped() => break,
            };
            if self.ports.clock.now() >= look_for_lost {
                look_for_lost = self.after(LOOK_FOR_LOST_EVERY);
                if self.requeue_lost(LOST_AFTER).await? {
                    continue;
                }
            }
            let (due, woken) = match wait {
                Wait::WorkOr(due) => (due.min(look_for_lost), true),
                Wait::Until(due) => (due, false),
            };
            tokio::select! {
                () = self.wakes.relay.notified(), if woken => {}
                () = self.ports.clock.sleep_until(due) => {}
                () = tasks.stopped() => break,
            }
        }
        Ok(())
    }

    fn after(&self, wait: Duration) -> Timestamp {
        after(self.ports.clock.now(), wait)
    }

    /// Publishes until nothing is left that can be published now. Queues go in parallel, one queue's deliveries in order;
    /// a receiver with a delivery that fails while the broker is well is set aside. Events go out whatever became of the
    /// deliveries, one batch a turn: each document makes some, and while many come in there is always another one.
    async fn round(&mut self) -> Result<Wait, Fault> {
        let now = self.ports.clock.now();
        self.aside.retain(|_, until| *until > now);
        loop {
            let chains = self.next_chains().await?;
            let had_deliveries = !chains.is_empty();
            let chains = chains.into_values().map(|chain| self.publish_chain(chain));
            let outcomes: Vec<Result<(), Broken>> =
                futures_util::stream::iter(chains).buffer_unordered(QUEUES_AT_ONCE).collect().await;
            let had_events = match self.send_events().await {
                Ok(had_events) => had_events,
                Err(fault) => return self.broker_away(fault),
            };
            for Broken { place, fault } in outcomes.into_iter().filter_map(Result::err) {
                if fault.fatal || self.ports.broker.ready().await.is_err() {
                    return self.broker_away(fault);
                }
                tracing::error!(%fault, receiver = %place.1, "not published; set aside for a moment");
                self.aside.insert(place, self.after(ASIDE));
            }
            if !had_deliveries && !had_events {
                self.pause = PAUSE_FIRST;
                let first = self.aside.values().min().copied();
                return Ok(Wait::WorkOr(first.unwrap_or(Timestamp::MAX)));
            }
        }
    }

    fn broker_away(&mut self, fault: Fault) -> Result<Wait, Fault> {
        if fault.fatal {
            return Err(fault);
        }
        tracing::warn!(%fault, pause_ms = self.pause.as_millis() as u64, "not published yet");
        let due = self.after(self.pause);
        self.pause = (self.pause * 2).min(PAUSE_MOST);
        Ok(Wait::Until(due))
    }

    /// The first deliveries of receivers that are not set aside, by queue.
    async fn next_chains(&self) -> Result<BTreeMap<ReceiverToken, Vec<Delivery>>, Fault> {
        let mut limit = BATCH;
        loop {
            let waiting = self.ports.store.unpublished(limit).await?;
            let all = waiting.len() < limit || limit >= LOOK_MAX;
            let mut chains: BTreeMap<ReceiverToken, Vec<Delivery>> = BTreeMap::new();
            let free = waiting.into_iter().filter(|delivery| !self.aside.contains_key(&place(delivery)));
            for delivery in free.take(BATCH) {
                chains.entry(delivery.route.queue()).or_default().push(delivery);
            }
            if all || !chains.is_empty() {
                return Ok(chains);
            }
            limit *= 4;
        }
    }

    /// A delivery that the broker acknowledged and that never came out of it again: the stream is gone, or its message
    /// was put aside. It goes once more, in the next generation; `true` when there was one.
    async fn requeue_lost(&self, after: Duration) -> Result<bool, Fault> {
        let now = self.ports.clock.now();
        let before = now.saturating_sub(after).unwrap_or(Timestamp::MIN);
        let mut any = false;
        loop {
            let lost = self.ports.store.not_taken_over(before, BATCH).await?;
            if lost.is_empty() {
                return Ok(any);
            }
            any = true;
            for delivery in &lost {
                tracing::warn!(delivery_id = %delivery.id, "not taken over: published again");
                let change = Transition::Requeued { note: "was not taken over".to_owned() };
                if self.ports.store.transition(delivery.id, now, change).await?.is_none() {
                    return Ok(any);
                }
            }
        }
    }

    /// One queue's deliveries, one after the other up to one that fails; what the broker has is then written down at
    /// once, in one barrier.
    async fn publish_chain(&self, chain: Vec<Delivery>) -> Result<(), Broken> {
        let mut published = BTreeMap::new();
        let (mut at, mut outcome) = (None, Ok(()));
        for delivery in chain {
            at = Some(place(&delivery));
            outcome = self.publish_after_kin(delivery, &mut published).await;
            if outcome.is_err() {
                break;
            }
        }
        let now = self.ports.clock.now();
        let written = published.into_iter().map(|(id, generation)| {
            self.ports.store.transition(id, now, Transition::Published { generation })
        });
        let written = futures_util::future::join_all(written).await;
        let written = written.into_iter().try_for_each(|written| written.map(drop));
        match (at, written.and(outcome)) {
            (Some(place), Err(fault)) => Err(Broken { place, fault }),
            _ => Ok(()),
        }
    }

    /// An urgent packet does not overtake a packet that it refers to (design.md B6, Order), whoever of its queue that one
    /// is for. The parts of one consignment do not wait for each other here.
    async fn publish_after_kin(
        &self,
        delivery: Delivery,
        published: &mut BTreeMap<DeliveryId, u32>,
    ) -> Result<(), Fault> {
        let queue = delivery.route.queue();
        let firsts =
            delivery.correlations.iter().map(|key| self.ports.store.first_correlated(&queue, *key, None));
        for first in futures_util::future::join_all(firsts).await {
            let earlier = |kin: &Delivery| kin.order < delivery.order && kin.document != delivery.document;
            let Some(first) = first?.filter(earlier) else { continue };
            if first.state == State::Queued && first.published < first.generation {
                self.publish(first, published).await?;
            }
        }
        self.publish(delivery, published).await
    }

    async fn publish(
        &self,
        delivery: Delivery,
        published: &mut BTreeMap<DeliveryId, u32>,
    ) -> Result<(), Fault> {
        if published.contains_key(&delivery.id) {
            return Ok(());
        }
        let _timer = self.metrics.timer(Step::Publish);
        let inline = match self.body(&delivery).await? {
            // A packet whose bytes are gone from the spool cannot be sent, and must not hold up the others.
            Body::Missing => {
                let note = "blob missing or damaged in the spool".to_owned();
                self.settle.park(&delivery, note).await?;
                self.wakes.changed(&delivery);
                return Ok(());
            }
            Body::Inline(body) => Some(body),
            Body::Stored => None,
        };
        let (id, generation) = (delivery.id, delivery.generation);
        self.ports.broker.publish(&DeliveryMessage { delivery, inline }).await?;
        crash_point("after-publish");
        published.insert(id, generation);
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
