//! Which delivery of one receiver is next (design.md B6, Order): first in, first out in each lane; packets that share
//! or refer to a DocumentId never overtake each other; a document that fails alone is told from a receiver that fails.

use jiff::Timestamp;
use lienthong_schemas::ids::DeliveryId;
use lienthong_schemas::organ::ReceiverToken;

use crate::ports::{Fault, OutboxStore};
use crate::record::{AdapterKind, Delivery, Lane, State};

/// Failures of one document in a row before another one is tried in its place.
pub const PARK_AFTER: u32 = 3;

/// How far behind a stuck document another one is looked for.
const PROBE_WITHIN: usize = 64;
/// A chain of referring packets is followed this far; orders fall with each step, so it would end anyway.
const KIN_STEPS: usize = 64;

/// What to do next for one receiver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// Try this one now.
    Attempt(Box<Delivery>),
    /// Try this one to learn whether only `stuck` fails, or everything.
    Probe {
        /// The one to try.
        delivery: Box<Delivery>,
        /// The head that failed [`PARK_AFTER`] times or more.
        stuck: DeliveryId,
    },
    /// Refers to a parked one: park it too.
    Park {
        /// The one to park.
        delivery: Box<Delivery>,
        /// Because of this one.
        because: Box<Delivery>,
    },
    /// Too old, and the receiver has failed since: give it up.
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
    /// The receiver's last failure as a whole: what is older than its give-up time by then needs no attempt of its own.
    pub failed_at: Option<Timestamp>,
    /// A head that has just failed for the [`PARK_AFTER`]th time or more: another one is tried at once, to learn
    /// whether only the head fails. That the head came first keeps the order when a receiver comes back.
    pub probe_for: Option<DeliveryId>,
    /// A head that another one has passed by: it is tried once more, as the last chance.
    pub passed_by: Option<DeliveryId>,
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

    async fn next_in(&self, receiver: &ReceiverToken, lane: Lane, now: Timestamp) -> Result<Next, Fault> {
        let heads = self.store.heads(self.adapter, receiver, lane, 1).await?;
        let Some(head) = heads.into_iter().next() else { return Ok(Next::Idle) };
        if expiry(&head, self.give_up_after)
            .is_some_and(|at| self.failed_at.is_some_and(|failed| at <= failed))
        {
            return Ok(Next::GiveUp(Box::new(head)));
        }
        if self.probe_for == Some(head.id)
            && let Some(delivery) = self.unrelated(receiver, lane, &head).await?
        {
            return Ok(Next::Probe { delivery: Box::new(delivery), stuck: head.id });
        }
        if head.due > now && self.passed_by != Some(head.id) {
            return Ok(Next::Wait(head.due));
        }
        self.after_kin(receiver, head, now).await
    }

    /// The one behind `stuck` that was tried least, has nothing to do with it and waits for nothing else.
    async fn unrelated(
        &self,
        receiver: &ReceiverToken,
        lane: Lane,
        stuck: &Delivery,
    ) -> Result<Option<Delivery>, Fault> {
        let behind = self.store.heads(self.adapter, receiver, lane, PROBE_WITHIN).await?;
        let mut behind: Vec<Delivery> = behind.into_iter().filter(|d| d.id != stuck.id).collect();
        behind.sort_by_key(|delivery| (delivery.attempts, delivery.order));
        for delivery in behind {
            let related = delivery.correlations.iter().any(|key| stuck.correlations.contains(key));
            if !related && self.earlier_kin(receiver, &delivery).await?.is_none() {
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
            if earlier.due > now {
                return Ok(Next::Wait(earlier.due));
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
            if let Some(first) = first.filter(|f| f.order < delivery.order) {
                return Ok(Some(first));
            }
        }
        Ok(None)
    }
}

/// When a delivery may be given up; never while the fault is ours.
pub fn expiry(delivery: &Delivery, give_up_after: std::time::Duration) -> Option<Timestamp> {
    let at = delivery.accepted_at.saturating_add(give_up_after).unwrap_or(Timestamp::MAX);
    (!delivery.ours_to_fix).then_some(at)
}
