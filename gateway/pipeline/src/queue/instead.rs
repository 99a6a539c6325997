//! Which delivery is tried in the place of a stuck one, to learn whether others pass (design.md B6): the next in order that
//! has nothing to do with it, and nobody is overtaken by that but those who stand back themselves.

use jiff::Timestamp;

use super::{HOLDS_UP, KIN_STEPS, Kin, LOOK_BEHIND, PARK_AFTER, Queue, is_behind};
use crate::clock::after;
use crate::consign::{Gathered, Together};
use crate::ports::Fault;
use crate::record::{AdapterKind, Delivery, Lane};

/// Whether one can be tried in the place of a stuck one.
enum Instead {
    Go(Together),
    /// What it waits for will be over.
    Waits,
    /// It refers to one that is parked or fails by itself, or to the stuck one, and stands aside with that.
    Aside,
}

impl Queue<'_> {
    /// What may go although `stuck` and the other parts of its consignment do not: the first in order, of its lane or, if
    /// there is none, of the other one, which may wait for it too. But one that failed [`PARK_AFTER`] times itself stands
    /// back, so that a second bad document does not hide for ever that others pass.
    pub(super) async fn unrelated(
        &mut self,
        stuck: &Delivery,
        parts: usize,
        now: Timestamp,
    ) -> Result<Option<Together>, Fault> {
        let within = LOOK_BEHIND + parts;
        let (mut waiting, mut ahead) = (Vec::new(), Vec::new());
        for lane in Lane::ALL {
            waiting.extend(self.store.heads(self.adapter, self.token, lane, within).await?);
            ahead.extend(self.ahead(lane, now).await?);
        }
        waiting.retain(|d| d.is_due(now) && !is_related(d, stuck));
        let standing_back = |d: &Delivery| if d.attempts < PARK_AFTER { 0 } else { d.attempts };
        waiting.sort_by_key(|d| (standing_back(d), d.lane != stuck.lane, d.order));
        let mut closed = [false; 2];
        for delivery in waiting {
            let (lane, document) = (delivery.lane, delivery.document);
            if closed[lane as usize] {
                continue;
            }
            match self.instead(delivery, stuck, &ahead, now).await? {
                Instead::Go(together) => return Ok(Some(together)),
                Instead::Aside => {}
                // What will go in a moment is not overtaken. Behind an axis others stand in the queue, too.
                Instead::Waits => {
                    let waits = now < after(self.memory.held_since(document, now), HOLDS_UP);
                    closed[lane as usize] = waits && self.adapter != AdapterKind::NationalAxis;
                }
            }
        }
        Ok(None)
    }

    /// What becomes of `delivery` when it is asked to go in the place of `stuck`; what has to go before it goes for it.
    async fn instead(
        &mut self,
        mut delivery: Delivery,
        stuck: &Delivery,
        ahead: &[Delivery],
        now: Timestamp,
    ) -> Result<Instead, Fault> {
        for _ in 0..KIN_STEPS {
            let Gathered::Whole(together) = self.memory.gather(self.store, &delivery, now).await? else {
                break;
            };
            if is_behind(&together, ahead) {
                break;
            }
            delivery = match self.kin(&together).await? {
                None => return Ok(Instead::Go(together)),
                Some(Kin::Parked(_)) => return Ok(Instead::Aside),
                Some(Kin::Earlier(kin)) if stands_aside(&kin, stuck) => return Ok(Instead::Aside),
                Some(Kin::Earlier(kin)) if self.may_go_before(&delivery, &kin, now).await? => *kin,
                Some(Kin::Earlier(_) | Kin::Hidden) => break,
            };
        }
        Ok(Instead::Waits)
    }

    /// Whether `kin` can go now, for `delivery`, which refers to it.
    async fn may_go_before(
        &mut self,
        delivery: &Delivery,
        kin: &Delivery,
        now: Timestamp,
    ) -> Result<bool, Fault> {
        if !kin.handed_off || kin.route.adapter != self.adapter || !kin.is_due(now) {
            return Ok(false);
        }
        let taken_along = delivery.lane == Lane::Normal && kin.lane == Lane::Urgent;
        Ok(!taken_along || self.is_first(kin, now).await?)
    }
}

/// What shares the stuck one's document says nothing of others.
fn is_related(delivery: &Delivery, stuck: &Delivery) -> bool {
    let shared = delivery.correlations.iter().any(|key| stuck.correlations.contains(key));
    shared || delivery.document == stuck.document
}

/// Nothing is learnt from it, and what refers to it is not waited for.
fn stands_aside(kin: &Delivery, stuck: &Delivery) -> bool {
    kin.attempts >= PARK_AFTER || is_related(kin, stuck)
}
