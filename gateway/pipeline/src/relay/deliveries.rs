//! The loop of deliveries: queues go in parallel, one message of a queue at a time, and what is published is written down
//! queue by queue. A receiver whose delivery fails while the broker is well is set aside for a moment.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::{BoxFuture, join_all};
use futures_util::stream::FuturesUnordered;
use jiff::Timestamp;
use lienthong_monitoring::Step;
use lienthong_schemas::ids::DeliveryId;
use lienthong_schemas::organ::{OrganId, ReceiverToken};
use tokio::sync::Notify;

use super::bodies::{Bodies, Body};
use super::{INLINE_BYTES_MAX, Pause, Relay};
use crate::crash::crash_point;
use crate::ports::{DeliveryMessage, Fault, Transition};
use crate::record::{AdapterKind, Delivery, Lane, State};

/// Deliveries that are asked of the store at a time, beside those under way.
const BATCH: usize = 64;
/// Queues that publish at once; each has one message in flight.
const QUEUES_AT_ONCE: usize = 64;
/// Of these, with a packet that goes to the Object Store: the others do not wait for a slow upload.
const LARGE_AT_ONCE: usize = 48;
/// With more queues under way than this, the store is asked for others only when somebody says that there are some.
const LOOK_BELOW: usize = 32;
/// Deliveries looked at, at most, to find some that can go.
const LOOK_MAX: usize = 16 * 1024;
/// A receiver whose delivery could not be published waits this long, while others go on, those of its queue as well.
const ASIDE: Duration = Duration::from_secs(5);

/// Whom a delivery that cannot be published holds up: its receiver, in its queue. Behind an axis the others of the queue
/// go on.
type Place = (ReceiverToken, OrganId);

fn place(delivery: &Delivery) -> Place {
    (delivery.route.queue(), delivery.route.receiver.clone())
}

fn is_large(delivery: &Delivery) -> bool {
    delivery.bytes > INLINE_BYTES_MAX
}

/// Deliveries of one queue that go one after the other.
struct Chain {
    queue: ReceiverToken,
    deliveries: Vec<Delivery>,
}

impl Chain {
    fn is_large(&self) -> bool {
        self.deliveries.iter().any(is_large)
    }
}

/// A chain that ended: all of it, or up to a delivery of this place.
struct Ended {
    queue: ReceiverToken,
    count: usize,
    large: bool,
    outcome: Result<(), (Place, Fault)>,
}

/// What is under way, in numbers: a chain for each queue.
#[derive(Default)]
struct UnderWay {
    queues: HashSet<ReceiverToken>,
    deliveries: usize,
    large: usize,
}

impl UnderWay {
    fn begin(&mut self, chain: &Chain) {
        self.queues.insert(chain.queue.clone());
        self.deliveries += chain.deliveries.len();
        self.large += usize::from(chain.is_large());
    }

    fn end(&mut self, ended: &Ended) {
        self.queues.remove(&ended.queue);
        self.deliveries -= ended.count;
        self.large -= usize::from(ended.large);
    }

    /// Whether to ask the store for more. `said`: somebody says that there is more.
    fn has_room(&self, said: bool) -> bool {
        self.queues.len() < if said { QUEUES_AT_ONCE } else { LOOK_BELOW }
    }
}

impl Relay {
    /// Publishes for ever.
    pub(super) async fn publish_deliveries(&self, work: &Notify) -> Result<(), Fault> {
        let (bodies, mut under_way) = (Bodies::default(), UnderWay::default());
        let mut chains: FuturesUnordered<BoxFuture<'_, Ended>> = FuturesUnordered::new();
        let mut aside: HashMap<Place, Timestamp> = HashMap::new();
        let (mut pause, mut away) = (Pause::new(), None::<Timestamp>);
        // Whether there may be more than is under way, and whether somebody said so.
        let (mut more, mut said) = (true, true);
        loop {
            let now = self.ports.clock.now();
            let expired = aside.len();
            aside.retain(|_, until| *until > now);
            said |= aside.len() < expired || away.take_if(|until| *until <= now).is_some();
            if away.is_none() && (more || said) && under_way.has_room(said) {
                match self.free_chains(&under_way, &aside).await {
                    Ok(free) => {
                        (more, said) = (!free.is_empty(), false);
                        for chain in free {
                            under_way.begin(&chain);
                            chains.push(Box::pin(self.publish_all(&bodies, chain)));
                        }
                    }
                    Err(fault) => away = Some(self.away(fault, &mut pause)?),
                }
            }
            let due = away.or_else(|| aside.values().min().copied()).unwrap_or(Timestamp::MAX);
            tokio::select! {
                Some(ended) = chains.next(), if !chains.is_empty() => {
                    under_way.end(&ended);
                    more = true;
                    match ended.outcome {
                        Ok(()) => pause = Pause::new(),
                        Err((place, fault)) => {
                            if fault.fatal || self.ports.broker.ready().await.is_err() {
                                away = Some(self.away(fault, &mut pause)?);
                            } else {
                                tracing::error!(%fault, receiver = %place.1, "not published; set aside for a moment");
                                aside.insert(place, self.after(ASIDE));
                            }
                        }
                    }
                }
                () = work.notified() => said = true,
                () = self.ports.clock.sleep_until(due) => {}
            }
        }
    }

    /// Until when nothing new is begun.
    fn away(&self, fault: Fault, pause: &mut Pause) -> Result<Timestamp, Fault> {
        if fault.fatal {
            return Err(fault);
        }
        let pause = pause.next();
        tracing::warn!(%fault, pause_ms = pause.as_millis() as u64, "not published yet");
        Ok(self.after(pause))
    }

    /// The first deliveries of queues that are not under way, without those of receivers set aside.
    async fn free_chains(
        &self,
        under_way: &UnderWay,
        aside: &HashMap<Place, Timestamp>,
    ) -> Result<Vec<Chain>, Fault> {
        let mut limit = BATCH + under_way.deliveries;
        loop {
            let waiting = self.ports.store.unpublished(limit).await?;
            let all = waiting.len() < limit || limit >= LOOK_MAX;
            let chains = choose(waiting, under_way, aside);
            if all || !chains.is_empty() {
                return Ok(chains);
            }
            limit = (limit * 4).min(LOOK_MAX);
        }
    }

    async fn publish_all(&self, bodies: &Bodies, chain: Chain) -> Ended {
        let (count, large) = (chain.deliveries.len(), chain.is_large());
        let outcome = self.publish_chain(bodies, chain.deliveries).await;
        Ended { queue: chain.queue, count, large, outcome }
    }

    /// One queue's deliveries, one after the other up to one that fails; what the broker has is then written down at
    /// once, in one barrier.
    async fn publish_chain(&self, bodies: &Bodies, chain: Vec<Delivery>) -> Result<(), (Place, Fault)> {
        let mut published = BTreeMap::new();
        let (mut at, mut outcome) = (None, Ok(()));
        for delivery in chain {
            at = Some(place(&delivery));
            outcome = self.publish_after_kin(bodies, delivery, &mut published).await;
            if outcome.is_err() {
                break;
            }
        }
        let now = self.ports.clock.now();
        let written = published.into_iter().map(|(id, generation)| {
            self.ports.store.transition(id, now, Transition::Published { generation })
        });
        let written = join_all(written).await.into_iter().try_for_each(|written| written.map(drop));
        match (at, written.and(outcome)) {
            (Some(place), Err(fault)) => Err((place, fault)),
            _ => Ok(()),
        }
    }

    /// An urgent packet does not overtake a packet that it refers to (design.md B6, Order), whoever of its queue that one
    /// is for. The parts of one consignment do not wait for each other here.
    async fn publish_after_kin(
        &self,
        bodies: &Bodies,
        delivery: Delivery,
        published: &mut BTreeMap<DeliveryId, u32>,
    ) -> Result<(), Fault> {
        // Before a normal packet for one receiver everything that it refers to stands in the same chain, or went before.
        if delivery.lane == Lane::Normal && delivery.route.adapter != AdapterKind::NationalAxis {
            return self.publish(bodies, delivery, published).await;
        }
        let queue = delivery.route.queue();
        let firsts =
            delivery.correlations.iter().map(|key| self.ports.store.first_correlated(&queue, *key, None));
        for first in join_all(firsts).await {
            let earlier = |kin: &Delivery| kin.order < delivery.order && kin.document != delivery.document;
            let Some(first) = first?.filter(earlier) else { continue };
            if first.state == State::Queued && first.published < first.generation {
                self.publish(bodies, first, published).await?;
            }
        }
        self.publish(bodies, delivery, published).await
    }

    async fn publish(
        &self,
        bodies: &Bodies,
        delivery: Delivery,
        published: &mut BTreeMap<DeliveryId, u32>,
    ) -> Result<(), Fault> {
        if published.contains_key(&delivery.id) {
            return Ok(());
        }
        let _timer = self.metrics.timer(Step::Publish);
        let held = bodies.hold(&delivery);
        let inline = match held.body(bodies, &self.ports, &delivery).await? {
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
}

/// Chains of what can go now. A queue whose first delivery has to wait waits whole.
fn choose(waiting: Vec<Delivery>, under_way: &UnderWay, aside: &HashMap<Place, Timestamp>) -> Vec<Chain> {
    let mut chains: Vec<Chain> = Vec::new();
    let (mut at, mut waits) = (HashMap::new(), HashSet::new());
    let (mut large, mut count) = (under_way.large, 0);
    for delivery in waiting {
        let queue = delivery.route.queue();
        let stays = under_way.queues.contains(&queue) || waits.contains(&queue);
        if count == BATCH || stays || aside.contains_key(&place(&delivery)) {
            continue;
        }
        let begins = !at.contains_key(&queue);
        let is_new_large =
            is_large(&delivery) && at.get(&queue).is_none_or(|at: &usize| !chains[*at].is_large());
        let no_place = begins && under_way.queues.len() + chains.len() >= QUEUES_AT_ONCE;
        if no_place || (is_new_large && large >= LARGE_AT_ONCE) {
            waits.insert(queue);
            continue;
        }
        large += usize::from(is_new_large);
        count += 1;
        let place = *at.entry(queue.clone()).or_insert_with(|| {
            chains.push(Chain { queue, deliveries: Vec::new() });
            chains.len() - 1
        });
        chains[place].deliveries.push(delivery);
    }
    chains
}
