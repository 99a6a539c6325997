//! Which delivery of one receiver is next (design.md B6, Order): first in, first out in each lane; packets that share
//! or refer to a DocumentId never overtake each other; a document that fails alone is told from a receiver that fails.

use jiff::Timestamp;
use lienthong_schemas::ids::DeliveryId;
use lienthong_schemas::organ::ReceiverToken;

use crate::clock::after;
use crate::ports::{Fault, OutboxStore};
use crate::record::{AdapterKind, Delivery, Lane, State};

/// Failures of one document in a row with which it is parked, when others pass meanwhile.
pub const PARK_AFTER: u32 = 3;

/// After so many, another one is tried in its place before its last chance, to learn whether others pass.
const PROBE_AFTER: u32 = PARK_AFTER - 1;
/// How far behind a stuck document another one is looked for.
const PROBE_WITHIN: usize = 64;
/// A chain of referring packets is followed this far; orders fall with each step, so it would end anyway.
const KIN_STEPS: usize = 64;

/// What the last attempts have shown of a receiver, whichever delivery they were for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Standing {
    /// It took or judged the last one, or was not tried since this process began.
    #[default]
    Fair,
    /// It is in trouble.
    Failing,
    /// We are, with it: nothing is given up by time while this holds.
    OursToFix,
}

/// What to do next for one receiver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// Try this one now.
    Attempt(Box<Delivery>),
    /// Try this one to learn whether only `stuck` fails, or everything.
    Probe {
        /// The one to try.
        delivery: Box<Delivery>,
        /// The one that has failed again and again.
        stuck: Box<Delivery>,
    },
    /// Refers to a parked one: park it too.
    Park {
        /// The one to park.
        delivery: Box<Delivery>,
        /// Because of this one.
        because: Box<Delivery>,
    },
    /// Too old: give it up.
    GiveUp(Box<Delivery>),
    /// Nothing before this time.
    Wait(Timestamp),
    /// Nothing until something is taken over.
    Idle,
}

/// Looks at the heads of both lanes.
pub struct Queue<'a> {
    /// Where deliveries wait.
    pub store: &'a dyn OutboxStore,
    /// Whose.
    pub adapter: AdapterKind,
    /// Given up when older than this.
    pub give_up_after: std::time::Duration,
    /// What is known of the receiver.
    pub standing: Standing,
    /// The stuck delivery in whose place another one has just been tried: it has its turn.
    pub probed_for: Option<DeliveryId>,
}

impl Queue<'_> {
    /// The next step for `receiver`. `lanes` in order of preference.
    pub async fn next(
        &self,
        receiver: &ReceiverToken,
        lanes: &[Lane],
        now: Timestamp,
    ) -> Result<Next, Fault> {
        let mut wait: Option<Timestamp> = None;
        for &lane in lanes {
            match self.next_in(receiver, lane, now).await? {
                Next::Wait(due) => wait = Some(wait.map_or(due, |other| other.min(due))),
                Next::Idle => {}
                step => return Ok(step),
            }
        }
        Ok(wait.map_or(Next::Idle, Next::Wait))
    }

    /// The next step for a receiver that is paused `until` then: only what is too old goes.
    pub async fn next_while_paused(
        &self,
        receiver: &ReceiverToken,
        until: Timestamp,
        now: Timestamp,
    ) -> Result<Next, Fault> {
        let mut wait = until;
        for lane in Lane::ALL {
            let heads = self.store.heads(self.adapter, receiver, lane, 1).await?;
            let Some(head) = heads.into_iter().next() else { continue };
            match self.over_at(&head) {
                Some(over) if over <= now => return Ok(Next::GiveUp(Box::new(head))),
                Some(over) => wait = wait.min(over),
                None => {}
            }
        }
        Ok(Next::Wait(wait))
    }

    async fn next_in(&self, receiver: &ReceiverToken, lane: Lane, now: Timestamp) -> Result<Next, Fault> {
        let heads = self.store.heads(self.adapter, receiver, lane, 1).await?;
        let Some(head) = heads.into_iter().next() else { return Ok(Next::Idle) };
        if let Some(step) = self.not_now(&head, now) {
            return Ok(step);
        }
        // The head, or what has to go before it, which may be of the other lane.
        let delivery = match self.after_kin(receiver, head, now).await? {
            Next::Attempt(delivery) => delivery,
            step => return Ok(step),
        };
        let stuck = delivery.document_failures >= PROBE_AFTER && self.probed_for != Some(delivery.id);
        if stuck && let Some(probe) = self.unrelated(receiver, &delivery, now).await? {
            return Ok(Next::Probe { delivery: Box::new(probe), stuck: delivery });
        }
        Ok(Next::Attempt(delivery))
    }

    /// When a delivery is given up. Age alone is no reason: only what was tried and failed by its own or its receiver's
    /// doing is undeliverable, so that nobody hears "refused" because this gateway stood still, or its settings were wrong.
    fn over_at(&self, delivery: &Delivery) -> Option<Timestamp> {
        let failing = match self.standing {
            Standing::Fair => delivery.document_failures > 0,
            Standing::Failing => true,
            Standing::OursToFix => false,
        };
        let at = after(delivery.accepted_at, self.give_up_after);
        (failing && !delivery.ours_to_fix).then_some(at)
    }

    fn not_now(&self, delivery: &Delivery, now: Timestamp) -> Option<Next> {
        let over = self.over_at(delivery);
        if over.is_some_and(|at| at <= now) {
            return Some(Next::GiveUp(Box::new(delivery.clone())));
        }
        let due = delivery.due;
        (due > now).then(|| Next::Wait(over.map_or(due, |at| at.min(due))))
    }

    /// One that may go although `stuck` does not: the first in order; but one that failed [`PARK_AFTER`] times itself
    /// stands back, so that a second bad document does not hide for ever that others pass.
    async fn unrelated(
        &self,
        receiver: &ReceiverToken,
        stuck: &Delivery,
        now: Timestamp,
    ) -> Result<Option<Delivery>, Fault> {
        let waiting = self.store.heads(self.adapter, receiver, stuck.lane, PROBE_WITHIN).await?;
        let mut waiting: Vec<Delivery> = waiting.into_iter().filter(|d| d.id != stuck.id).collect();
        let standing_back = |d: &Delivery| if d.attempts < PARK_AFTER { 0 } else { d.attempts };
        waiting.sort_by_key(|delivery| (standing_back(delivery), delivery.order));
        for delivery in waiting {
            let related = delivery.correlations.iter().any(|key| stuck.correlations.contains(key));
            if !related && delivery.due <= now && self.earlier_kin(receiver, &delivery).await?.is_none() {
                return Ok(Some(delivery));
            }
        }
        Ok(None)
    }

    /// `delivery`, or the earlier one that must go first.
    async fn after_kin(
        &self,
        receiver: &ReceiverToken,
        mut delivery: Delivery,
        now: Timestamp,
    ) -> Result<Next, Fault> {
        for _ in 0..KIN_STEPS {
            let Some(earlier) = self.earlier_kin(receiver, &delivery).await? else {
                return Ok(Next::Attempt(Box::new(delivery)));
            };
            if earlier.state == State::Parked {
                return Ok(Next::Park { delivery: Box::new(delivery), because: Box::new(earlier) });
            }
            if !earlier.handed_off {
                return Ok(Next::Idle);
            }
            if let Some(step) = self.not_now(&earlier, now) {
                return Ok(step);
            }
            delivery = earlier;
        }
        Ok(Next::Idle)
    }

    async fn earlier_kin(
        &self,
        receiver: &ReceiverToken,
        delivery: &Delivery,
    ) -> Result<Option<Delivery>, Fault> {
        for key in &delivery.correlations {
            let first = self.store.first_correlated(receiver, *key).await?;
            // Two deliveries of one document in one queue are parts of one consignment.
            let earlier =
                |first: &Delivery| first.order < delivery.order && first.document != delivery.document;
            if let Some(first) = first.filter(earlier) {
                return Ok(Some(first));
            }
        }
        Ok(None)
    }
}
