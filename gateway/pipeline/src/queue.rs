//! Which deliveries of one queue are next (design.md B6, Order): first in, first out in each lane; packets that share
//! or refer to a DocumentId never overtake each other; a document that fails alone is told from a receiver that fails.

mod following;
mod instead;

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::try_join_all;
use jiff::Timestamp;
use lienthong_schemas::ids::{CorrelationKey, DeliveryId, DocumentId};
use lienthong_schemas::organ::{OrganId, ReceiverToken};

use crate::breaker::Breakers;
use crate::clock::after;
use crate::consign::{Gathered, Memory, Together, alike};
use crate::ports::{Fault, OnItsWay, OutboxStore};
use crate::record::{AdapterKind, BootId, Delivery, Lane, State};
use crate::retry::Policies;

/// Failures of one document in a row with which it is parked, when others pass meanwhile.
pub const PARK_AFTER: u32 = 3;

/// After so many, another one is tried in its place before its last chance, to learn whether others pass.
const PROBE_AFTER: u32 = PARK_AFTER - 1;
/// How far behind a stuck document another one is looked for.
const LOOK_BEHIND: usize = 64;
/// Parked documents that are stepped over, at most, to find what stands behind them. Whatever is behind more than so
/// many waits until an operator has dealt with some.
const STEP_OVER: usize = 256;
/// A chain of referring packets is followed this far; orders fall with each step, so it would end anyway.
const KIN_STEPS: usize = 64;

/// What waits for something that is still on its way through the broker, or in another queue, holds up its lane so
/// long; then what has nothing to do with it passes. A hand-off takes milliseconds; a lost message, minutes.
const HOLDS_UP: Duration = Duration::from_secs(10);
/// What was accepted before the head of a lane, and is still on its way through the broker, is waited for so long after
/// it was published, or after this life began: a message that a killed life held comes again when the broker's ack wait
/// of 60 s is over. What takes longer is lost until it is published anew, and its lane goes on without it.
pub const ON_ITS_WAY: Duration = Duration::from_secs(90);
/// So many that are still on their way are looked at, at most.
const AHEAD_MAX: usize = 512;
/// Deliveries of a lane that are looked at, at most, to find one that may pass.
const PASS_WITHIN: usize = 5_000;

/// What the last attempts have shown of a receiver, whichever delivery they were for; the worse, the later.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Standing {
    /// It took or judged the last one, or was not tried since this process began.
    #[default]
    Fair,
    /// It is in trouble.
    Failing,
    /// We are, with it: nothing is given up by time while this holds.
    OursToFix,
}

/// What to do next in one lane of one queue.
pub(crate) enum Next {
    /// Try these now, in one consignment.
    Attempt(Together),
    /// Try these to learn whether only `stuck` fails, or everything.
    Probe {
        /// Those to try.
        together: Together,
        /// The head of what has failed again and again.
        stuck: Box<Delivery>,
    },
    /// Each refers to one that is parked for the same receiver: park them too.
    Park(Vec<Referring>),
    /// Too old: give these parts of one document up.
    GiveUp(Together),
    /// Nothing before this time.
    Wait(Timestamp),
    /// It waits for something else: nothing before this time, unless something happens in the queue.
    Held(Timestamp),
    /// Nothing until something is taken over.
    Idle,
}

/// What to do for the head of a lane.
enum Step {
    Next(Next),
    /// It waits for something that is not here.
    Held,
    /// Its receiver gets an earlier one first, which is still on its way.
    Behind,
}

/// A delivery that refers to one that is parked for the same receiver.
pub(crate) struct Referring {
    /// It.
    pub(crate) delivery: Delivery,
    /// The parked one.
    pub(crate) because: Delivery,
}

/// What goes before deliveries that leave together, because they share a DocumentId with it.
pub(crate) enum Kin {
    /// This one.
    Earlier(Box<Delivery>),
    /// These are parked for receivers of theirs.
    Parked(Vec<Referring>),
    /// Nobody knows: more than [`STEP_OVER`] parked documents stand before it.
    Hidden,
}

/// Looks at the heads of a queue.
pub(crate) struct Queue<'a> {
    /// Where deliveries wait.
    pub(crate) store: &'a dyn OutboxStore,
    /// Whose.
    pub(crate) adapter: AdapterKind,
    /// Which queue.
    pub(crate) token: &'a ReceiverToken,
    /// Says when something is too old.
    pub(crate) policies: &'a Policies,
    /// This life: attempts that another one began are void.
    pub(crate) boot: BootId,
    /// When this life began.
    pub(crate) began: Timestamp,
    /// What is known of the receiver.
    pub(crate) standing: Standing,
    /// What is known of the systems that it may stand behind.
    pub(crate) breakers: &'a Mutex<Breakers>,
    /// The stuck delivery in whose place another one has just been tried: it has its turn.
    pub(crate) probed_for: Option<DeliveryId>,
    /// Of this queue.
    pub(crate) memory: &'a mut Memory,
    /// The last look saw more in the lane than its head.
    pub(crate) more: bool,
}

impl Queue<'_> {
    /// While the receiver is not tried: what is too old goes, or the time when the first one will be.
    pub(crate) async fn ages(&self, now: Timestamp) -> Result<Next, Fault> {
        let mut wait: Option<Timestamp> = None;
        for lane in Lane::ALL {
            let mut heads = self.store.heads(self.adapter, self.token, lane, 1).await?;
            if heads.iter().any(|head| head.since.is_some()) {
                // It was sent again, and keeps its place: those behind it may be over before it.
                heads = self.store.heads(self.adapter, self.token, lane, LOOK_BEHIND).await?;
            }
            for head in heads {
                match self.over_at(&head) {
                    Some(over) if over <= now => return self.give_up(head, now).await,
                    Some(over) => wait = Some(wait.map_or(over, |other| other.min(over))),
                    None => {}
                }
            }
        }
        Ok(wait.map_or(Next::Idle, Next::Wait))
    }

    /// The next step in a lane: for its head, or the first one behind it that may pass because those before it wait for
    /// what is not here.
    pub(crate) async fn next(&mut self, lane: Lane, now: Timestamp) -> Result<Next, Fault> {
        let again = after(now, HOLDS_UP);
        let (mut passed, mut keys) = (HashSet::new(), HashSet::new());
        let ahead = self.ahead(lane, now).await?;
        let mut limit = 2;
        loop {
            let heads = self.store.heads(self.adapter, self.token, lane, limit).await?;
            let all = heads.len() < limit || limit == PASS_WITHIN;
            self.more = heads.len() > 1;
            for head in heads {
                let document = head.document;
                if passed.contains(&document) {
                    continue;
                }
                let related: Vec<CorrelationKey> = head.correlations.clone();
                if !related.iter().any(|key| keys.contains(key)) {
                    match self.step(head, &ahead, now).await? {
                        Step::Next(Next::Wait(due)) if !passed.is_empty() => {
                            return Ok(Next::Held(due.min(again)));
                        }
                        Step::Next(next) => {
                            self.memory.release(document);
                            return Ok(next);
                        }
                        // Behind an axis others stand in the queue, too.
                        Step::Behind if self.adapter != AdapterKind::NationalAxis => {
                            self.memory.held_since(document, now);
                            return Ok(Next::Held(again));
                        }
                        Step::Held if now < after(self.memory.held_since(document, now), HOLDS_UP) => {
                            return Ok(Next::Held(again));
                        }
                        Step::Held | Step::Behind => {}
                    }
                }
                passed.insert(document);
                keys.extend(related);
            }
            if all {
                return Ok(if passed.is_empty() { Next::Idle } else { Next::Held(again) });
            }
            limit = (limit * 16).min(PASS_WITHIN);
        }
    }

    /// What of a lane is on its way, and worth waiting for.
    async fn ahead(&mut self, lane: Lane, now: Timestamp) -> Result<Vec<Delivery>, Fault> {
        // Where one receiver has the queue for itself, the first says all.
        let few = if self.adapter == AdapterKind::NationalAxis { AHEAD_MAX } else { 1 };
        for limit in [few, AHEAD_MAX] {
            let found = self.store.on_its_way(self.adapter, self.token, lane, limit).await?;
            let all = found.len() < limit || limit == AHEAD_MAX;
            let ahead: Vec<_> = found.into_iter().filter(|one| self.is_awaited(one, now)).collect();
            if all || !ahead.is_empty() {
                return Ok(ahead.into_iter().map(|one| one.delivery).collect());
            }
        }
        Ok(Vec::new())
    }

    fn is_awaited(&mut self, one: &OnItsWay, now: Timestamp) -> bool {
        let since = one.since.max(self.began);
        // A clock that shows an earlier time was set back: the wait begins anew.
        let since = if since > now { self.memory.held_since(one.delivery.document, now) } else { since };
        now < after(since, ON_ITS_WAY)
    }

    /// What to do for `delivery`, or for what has to go before it, which may be of the other lane.
    async fn step(
        &mut self,
        mut delivery: Delivery,
        ahead: &[Delivery],
        now: Timestamp,
    ) -> Result<Step, Fault> {
        for _ in 0..KIN_STEPS {
            let over = self.over_at(&delivery);
            if over.is_some_and(|at| at <= now) {
                return self.give_up(delivery, now).await.map(Step::Next);
            }
            let together = match self.memory.gather(self.store, &delivery, now).await? {
                Gathered::Whole(together) => together,
                Gathered::Late => return Ok(Step::Held),
                Gathered::Gone => return Ok(Step::Next(Next::Wait(now))),
            };
            if let Some(due) = self.not_before(&together, now) {
                return Ok(Step::Next(Next::Wait(over.map_or(due, |at| at.min(due)))));
            }
            if is_behind(&together, ahead) {
                return Ok(Step::Behind);
            }
            delivery = match self.kin(&together).await? {
                None => return self.attempt(together, now).await.map(Step::Next),
                Some(Kin::Parked(referring)) => return Ok(Step::Next(Next::Park(referring))),
                // An organisation that has moved may have an earlier one in the queue of its former home.
                Some(Kin::Earlier(kin)) if kin.handed_off && kin.route.adapter == self.adapter => {
                    let taken_along = delivery.lane == Lane::Normal && kin.lane == Lane::Urgent;
                    if taken_along && !self.is_first(&kin, now).await? {
                        return Ok(Step::Behind);
                    }
                    *kin
                }
                Some(Kin::Earlier(_) | Kin::Hidden) => return Ok(Step::Held),
            };
        }
        Ok(Step::Held)
    }

    /// Nothing goes before it in its lane: what refers to it may take it along, as its lane is about to do.
    async fn is_first(&mut self, delivery: &Delivery, now: Timestamp) -> Result<bool, Fault> {
        let heads = self.store.heads(self.adapter, self.token, delivery.lane, 1).await?;
        let first = heads.first().is_none_or(|head| head.document == delivery.document);
        Ok(first && !is_behind(std::slice::from_ref(delivery), &self.ahead(delivery.lane, now).await?))
    }

    async fn give_up(&self, delivery: Delivery, now: Timestamp) -> Result<Next, Fault> {
        let too_old = |part: &Delivery| self.over_at(part).is_some_and(|at| at <= now);
        Ok(Next::GiveUp(alike(self.store, delivery, too_old).await?))
    }

    async fn attempt(&mut self, together: Together, now: Timestamp) -> Result<Next, Fault> {
        let stuck = together
            .first()
            .filter(|head| head.document_failures >= PROBE_AFTER && self.probed_for != Some(head.id));
        if let Some(stuck) = stuck.cloned()
            && let Some(together) = self.unrelated(&stuck, together.len(), now).await?
        {
            return Ok(Next::Probe { together, stuck: Box::new(stuck) });
        }
        Ok(Next::Attempt(together))
    }

    /// When a delivery is given up. Age alone is no reason: only what was tried and failed by its own or its receiver's
    /// doing is undeliverable, so that nobody hears "refused" because this gateway stood still, or its settings were wrong.
    fn over_at(&self, delivery: &Delivery) -> Option<Timestamp> {
        let system = &delivery.route.system;
        let behind = self.breakers.lock().unwrap_or_else(PoisonError::into_inner).standing(system);
        let failing = match self.standing.max(behind) {
            Standing::Fair => delivery.document_failures > 0,
            Standing::Failing => true,
            Standing::OursToFix => false,
        };
        let at = after(delivery.tried_since(), self.policies.of(system).give_up_after);
        (failing && !delivery.ours_to_fix).then_some(at)
    }

    /// When deliveries that leave together may, if not now: when one of them may, as an operator hastens one and means all.
    /// An attempt that another life began was cut: nobody knows what came of it, and it is made again at once.
    fn not_before(&self, together: &[Delivery], now: Timestamp) -> Option<Timestamp> {
        let cut = |part: &Delivery| part.lease.is_some_and(|lease| lease.boot != self.boot);
        let may = together.iter().any(|part| part.is_due(now) || cut(part));
        let first = together.iter().map(|part| part.due).min().unwrap_or(Timestamp::MAX);
        (!may).then_some(first)
    }

    async fn kin(&self, together: &[Delivery]) -> Result<Option<Kin>, Fault> {
        let Some(head) = together.first() else { return Ok(None) };
        let by_key = head.correlations.iter().map(|key| kin_by(self.store, self.token, together, *key));
        Ok(try_join_all(by_key).await?.into_iter().flatten().next())
    }
}

/// One of their receivers gets something first that was accepted before. The parts of their own consignment they wait for
/// otherwise.
fn is_behind(together: &[Delivery], ahead: &[Delivery]) -> bool {
    together.iter().any(|part| {
        let goes_first = |earlier: &Delivery| {
            earlier.order < part.order
                && earlier.document != part.document
                && earlier.lane == part.lane
                && earlier.route.receiver == part.route.receiver
        };
        ahead.iter().any(goes_first)
    })
}

/// What of a queue goes before deliveries that leave together, because it has this key as well and is earlier. What is
/// parked holds up its own receiver only: in a queue of one receiver that is everybody; behind an axis the others have
/// its document or get it now, and what refers to it is for them as well.
pub(crate) async fn kin_by(
    store: &dyn OutboxStore,
    queue: &ReceiverToken,
    together: &[Delivery],
    key: CorrelationKey,
) -> Result<Option<Kin>, Fault> {
    let Some(head) = together.first() else { return Ok(None) };
    let free = together.iter().map(|part| (&part.route.receiver, part)).collect();
    let mut look = Look { queue, document: head.document, free, referring: Vec::new() };
    let mut after = None;
    for _ in 0..=STEP_OVER {
        let first = store.first_correlated(queue, key, after).await?;
        let Some(first) = first.filter(|kin| kin.order < head.order) else { return Ok(look.end(None)) };
        let (document, order) = (first.document, first.order);
        if let Some(kin) = look.at(first) {
            return Ok(Some(kin));
        }
        // A document's deliveries mostly follow each other without a gap, so one step passes them all.
        let mut end = order;
        for kin in store.deliveries_of(document).await? {
            if kin.order == end.saturating_add(1) && kin.order < head.order {
                end = kin.order;
                if let Some(kin) = look.at(kin) {
                    return Ok(Some(kin));
                }
            }
        }
        after = Some(end);
    }
    Ok(look.end(Some(Kin::Hidden)))
}

/// A look along what has a key, in order.
struct Look<'a> {
    queue: &'a ReceiverToken,
    /// That of those that would leave together.
    document: DocumentId,
    /// Those of them that nothing parked was found for, by receiver.
    free: HashMap<&'a OrganId, &'a Delivery>,
    referring: Vec<Referring>,
}

impl Look<'_> {
    /// Looks at one; `Some` when what goes first is known.
    fn at(&mut self, kin: Delivery) -> Option<Kin> {
        match kin.state {
            // Two deliveries of one document in one queue are parts of one consignment.
            _ if kin.document == self.document || kin.route.queue() != *self.queue => None,
            State::Queued => self.end(Some(Kin::Earlier(Box::new(kin)))),
            State::Parked => {
                let part = self.free.remove(&kin.route.receiver)?;
                self.referring.push(Referring { delivery: part.clone(), because: kin });
                if self.free.is_empty() { self.end(None) } else { None }
            }
            _ => None,
        }
    }

    /// What refers to something parked is parked first, whatever else there is.
    fn end(&mut self, otherwise: Option<Kin>) -> Option<Kin> {
        match std::mem::take(&mut self.referring) {
            none if none.is_empty() => otherwise,
            referring => Some(Kin::Parked(referring)),
        }
    }
}
