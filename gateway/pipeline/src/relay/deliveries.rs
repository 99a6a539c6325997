//! The loop of deliveries: queues go in parallel, one message of a queue at a time, and what is published is written down
//! queue by queue. A receiver whose delivery fails while the broker is well is set aside for a moment.

use std::collections::{BTreeMap, HashMap};
use std::sync::PoisonError;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::{BoxFuture, join_all};
use futures_util::stream::FuturesUnordered;
use jiff::Timestamp;
use lienthong_monitoring::Step;
use lienthong_schemas::edxml::{BusinessType, PacketKind};
use lienthong_schemas::ids::DeliveryId;

use super::bodies::{Bodies, Body};
use super::chains::{Chain, Ended, Look, Page, Place, UnderWay, place};
use super::{ANEW_MAX, INLINE_BYTES_MAX, News, Pause, Relay};
use crate::crash::crash_point;
use crate::ports::{DeliveryMessage, Fault, Publication, Transition};
use crate::record::{AdapterKind, Delivery, Recall};

/// A receiver whose delivery could not be published waits this long, while others go on, those of its queue as well.
const ASIDE: Duration = Duration::from_secs(5);
/// Numbers that are tried for a delivery, one after the other.
const NEWER_MAX: usize = 16;
/// Why a queue is set aside while it is looked where it is served; and for how long.
const BEING_MOVED: &str = "leases";
const MOVED_AGAIN_AFTER: Duration = Duration::from_millis(200);
/// So often the store is looked at from its beginning, whatever is known of it: nothing waits for ever because somebody
/// was not told.
const LOOK_ANEW_EVERY: Duration = Duration::from_secs(60);

/// What was done.
enum Done {
    Chain(Ended),
    Look(Result<Page, Fault>),
}

impl Relay {
    /// Publishes for ever.
    pub(super) async fn publish_deliveries(&self, news: &News) -> Result<(), Fault> {
        let (bodies, mut under_way) = (Bodies::default(), UnderWay::default());
        let mut working: FuturesUnordered<BoxFuture<'_, Done>> = FuturesUnordered::new();
        let mut aside: HashMap<Place, Timestamp> = HashMap::new();
        let (mut pause, mut away) = (Pause::new(), None::<Timestamp>);
        let mut anew = self.after(LOOK_ANEW_EVERY);
        loop {
            let now = self.ports.clock.now();
            if anew <= now {
                anew = self.after(LOOK_ANEW_EVERY);
                under_way.look_anew();
            }
            for (place, _) in aside.extract_if(|_, until| *until <= now) {
                under_way.look_for(place.0);
            }
            if away.take_if(|until| *until <= now).is_some() {
                under_way.look_anew();
            }
            if away.is_none()
                && let Some(look) = under_way.next_look()
            {
                working.push(Box::pin(async move { Done::Look(self.look(look).await) }));
            }
            let due = away.or_else(|| aside.values().min().copied()).unwrap_or(anew).min(anew);
            tokio::select! {
                Some(done) = working.next(), if !working.is_empty() => match done {
                    Done::Look(Ok(page)) => {
                        let chains = under_way.choose(page, |place| aside.contains_key(place));
                        for chain in chains {
                            let publish = self.publish_all(&bodies, chain);
                            working.push(Box::pin(async move { Done::Chain(publish.await) }));
                        }
                    }
                    Done::Look(Err(fault)) => {
                        under_way.look_failed();
                        away = Some(self.away(away, fault, &mut pause)?);
                    }
                    Done::Chain(ended) => {
                        under_way.end(&ended);
                        match ended.outcome {
                            Ok(()) => pause = Pause::new(),
                            Err((place, fault)) => {
                                let is_moved = fault.place == BEING_MOVED;
                                if fault.fatal || (!is_moved && self.ports.broker.ready().await.is_err()) {
                                    away = Some(self.away(away, fault, &mut pause)?);
                                } else if is_moved {
                                    aside.insert(place, self.after(MOVED_AGAIN_AFTER));
                                } else {
                                    tracing::error!(%fault, receiver = %place.1, "not published; set aside for a moment");
                                    aside.insert(place, self.after(ASIDE));
                                }
                            }
                        }
                    }
                },
                () = news.admitted.notified() => under_way.look_on(),
                () = news.of_all.notified() => under_way.look_anew(),
                () = self.ports.clock.sleep_until(due) => {}
            }
        }
    }

    /// Until when nothing new is begun. What was under way when the first one failed says nothing more.
    fn away(&self, away: Option<Timestamp>, fault: Fault, pause: &mut Pause) -> Result<Timestamp, Fault> {
        if fault.fatal {
            return Err(fault);
        }
        Ok(away.unwrap_or_else(|| {
            let pause = pause.next();
            tracing::warn!(%fault, pause_ms = pause.as_millis() as u64, "not published yet");
            self.after(pause)
        }))
    }

    async fn look(&self, look: Look) -> Result<Page, Fault> {
        let waiting = self.ports.store.unpublished_after(look.after, look.limit).await?;
        Ok(Page { look, waiting })
    }

    async fn publish_all(&self, bodies: &Bodies, chain: Chain) -> Ended {
        let (count, large) = (chain.deliveries.len(), chain.is_large());
        let outcome = match (self.partitions.begin_to_send(&chain.queue), chain.deliveries.first()) {
            (None, Some(first)) => {
                Err((place(first), Fault::new(BEING_MOVED, "its queue goes to another gateway")))
            }
            (_sending, _) => {
                let ahead = chain.deliveries.clone();
                self.with_names_ahead(&ahead, self.publish_chain(bodies, chain.deliveries)).await
            }
        };
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
        self.wakes.published.send_replace(());
        match (at, written.and(outcome)) {
            (Some(place), Err(fault)) => Err((place, fault)),
            _ => Ok(()),
        }
    }

    pub(super) async fn publish(
        &self,
        bodies: &Bodies,
        delivery: Delivery,
        published: &mut BTreeMap<DeliveryId, u32>,
    ) -> Result<(), Fault> {
        if published.contains_key(&delivery.id) {
            return Ok(());
        }
        if !self.is_let_through(&delivery).await? {
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
        self.put_for_mailboxes(&delivery).await?;
        let fence = self.partitions.published_for(&delivery.route.queue());
        let after = self.goes_after(&delivery).await?;
        let recall = self.recall_of(&delivery).await?;
        let mut message = DeliveryMessage { delivery, inline, fence, after, recall };
        let publication = self.ports.broker.publish(&message).await?;
        crash_point("after-publish");
        if publication == Publication::Repeat
            && let Some(delivery) = self.anew(&message.delivery).await?
        {
            message.delivery = delivery;
            self.publish_newer(&mut message).await?;
        }
        published.insert(message.delivery.id, message.delivery.generation);
        self.note_last(&message.delivery);
        Ok(())
    }

    /// What whoever takes it over is to decide. Without its admission, because another gateway accepted it, nothing: the one
    /// that had taken it over has decided.
    async fn recall_of(&self, delivery: &Delivery) -> Result<Option<Recall>, Fault> {
        let may_ask = [BusinessType::Revoke, BusinessType::Update].map(PacketKind::Document);
        let may_ask =
            may_ask.into_iter().chain([PacketKind::Status]).any(|kind| kind.id_text() == delivery.kind);
        if self.partitions.own().is_none() || delivery.foreign || !may_ask {
            return Ok(None);
        }
        let admission = self.ports.spool.admission(delivery.document).await?;
        let mut recalls = admission.map(|admission| admission.recalls).unwrap_or_default().into_iter();
        let asked = recalls.find(|recall| recall.by == delivery.id && recall.at_holder);
        let asked = asked.filter(|recall| recall.of.len() <= Recall::OF_MESSAGE_MAX);
        Ok(asked.map(|recall| Recall { moves: Vec::new(), ..recall }))
    }

    /// A mailbox is asked for at any gateway, so its packets are where every gateway finds them, small ones too.
    async fn put_for_mailboxes(&self, delivery: &Delivery) -> Result<(), Fault> {
        let is_for_one = delivery.route.adapter == AdapterKind::Mailbox && self.partitions.own().is_some();
        if !is_for_one || delivery.bytes > INLINE_BYTES_MAX {
            return Ok(());
        }
        let Some(file) = self.ports.spool.blob(delivery.digest).await? else { return Ok(()) };
        self.ports.broker.put_blob(delivery.digest, delivery.bytes, file).await
    }

    /// Under a number that nobody has used: who adopted it, or built its store anew, may not know of all.
    async fn publish_newer(&self, message: &mut DeliveryMessage) -> Result<(), Fault> {
        for _ in 0..NEWER_MAX {
            if self.ports.broker.publish(message).await? == Publication::New {
                return Ok(());
            }
            let Some(newer) = self.sent_again(&message.delivery).await? else { return Ok(()) };
            message.delivery = newer;
        }
        Err(Fault::new("relay", format!("delivery {}: none of its numbers is free", message.delivery.id)))
    }

    /// What an earlier life published, and could not write down, may be in its hands still: it would come out of the broker
    /// only when its acknowledgement is overdue, and everything of its lane behind it. A new generation is there at once,
    /// and the old message then does no harm. What came in since may be known from another gateway, and that is fine; and
    /// once a life is enough, so that a slow broker has not even more to do.
    async fn anew(&self, delivery: &Delivery) -> Result<Option<Delivery>, Fault> {
        // Among several, who has it may have taken it for a lease that is over, or know its end: it answers a newer one.
        let is_alone = self.partitions.own().is_none();
        if (is_alone && delivery.accepted_at >= self.began) || delivery.handed_off {
            return Ok(None);
        }
        {
            let mut anew = self.anew.lock().unwrap_or_else(PoisonError::into_inner);
            if anew.len() >= ANEW_MAX || !anew.insert(delivery.id) {
                return Ok(None);
            }
        }
        self.sent_again(delivery).await
    }

    async fn sent_again(&self, delivery: &Delivery) -> Result<Option<Delivery>, Fault> {
        let Delivery { id, generation, .. } = *delivery;
        let (store, now) = (&self.ports.store, self.ports.clock.now());
        store.transition(id, now, Transition::Published { generation }).await?;
        store.transition(id, now, self.requeued("published before, and not taken over")).await
    }
}
