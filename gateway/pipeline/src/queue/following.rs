//! Who may leave right after the head of a lane, if each before it is taken: begun together, in one barrier, they leave one
//! after the other without a look at the store, or a wait for the disk, between two.

use jiff::Timestamp;

use super::{Queue, Standing, is_behind};
use crate::ports::Fault;
use crate::record::{AdapterKind, Delivery, Lane};
use crate::relay::INLINE_BYTES_MAX;

/// A large packet leaves alone: what is begun behind it would wait too long for its turn.
const RUN_BYTES_MAX: u64 = INLINE_BYTES_MAX;

impl Queue<'_> {
    /// Those behind `head` in its lane, with it `most` at most, in order, of which nothing but `head` and each other goes first. None behind an axis,
    /// where several receivers stand in the queue, and while the receiver is not known to be well.
    pub(crate) async fn following(
        &mut self,
        head: &Delivery,
        lane: Lane,
        most: usize,
        now: Timestamp,
    ) -> Result<Vec<Delivery>, Fault> {
        let alone = self.adapter == AdapterKind::NationalAxis
            || self.standing != Standing::Fair
            || head.lane != lane
            || !fits(head);
        if alone {
            return Ok(Vec::new());
        }
        let ahead = self.ahead(lane, now).await?;
        let mut waiting = self.store.heads(self.adapter, self.token, lane, most + 1).await?.into_iter();
        if waiting.next().is_none_or(|first| first.id != head.id) {
            return Ok(Vec::new());
        }
        let mut following = Vec::new();
        self.more = false;
        for next in waiting {
            let may = following.len() + 1 < most
                && fits(&next)
                && next.is_due(now)
                && next.route.system == head.route.system
                && !is_behind(std::slice::from_ref(&next), &ahead)
                && self.kin(std::slice::from_ref(&next)).await?.is_none();
            if !may {
                self.more = true;
                break;
            }
            following.push(next);
        }
        Ok(following)
    }
}

/// Small, and never tried: nothing is known against it.
fn fits(delivery: &Delivery) -> bool {
    delivery.bytes <= RUN_BYTES_MAX
        && delivery.attempts == 0
        && delivery.document_failures == 0
        && delivery.lease.is_none()
        && !delivery.may_have_arrived
}
