//! The acts that leave a delivery on its way, done: each decided already by `Operate::foreseen`.

use super::{By, Changed, Operate, Verdict, look};
use crate::crash::crash_point;
use crate::ports::{Fault, Transition};
use crate::record::{Delivery, State};

impl Operate {
    pub(super) async fn retry(&self, delivery: &Delivery, by: &By) -> Changed {
        let hastened = self.hasten(delivery, by.note()).await?;
        if hastened.is_none() {
            return Ok((Verdict::Changed, None));
        }
        // Nothing overtakes in a queue, so what goes before it must not wait either.
        for earlier in look::ahead_of(&self.ports, delivery).await? {
            if earlier.state == State::Queued && earlier.due > self.ports.clock.now() {
                self.hasten(&earlier, format!("{} (before {})", by.note(), delivery.id)).await?;
            }
        }
        self.wakes.resume(delivery.route.adapter, delivery.route.queue());
        Ok((Verdict::Hastened, hastened))
    }

    async fn hasten(&self, delivery: &Delivery, note: String) -> Result<Option<Delivery>, Fault> {
        self.ports.store.transition(delivery.id, self.ports.clock.now(), Transition::Hastened { note }).await
    }

    /// First the note beside the admission, then the store, as at intake. A kill between them leaves the dead letter that
    /// it was, and the operator has had no answer; should the store be lost too, the delivery is made, as was asked. The
    /// other order could leave a delivery under way that a rebuild would take for over.
    pub(super) async fn requeue(&self, delivery: &Delivery, by: &By) -> Changed {
        let Delivery { id, document, .. } = *delivery;
        let _turn = self.wakes.noting.take(id).await;
        let at = self.ports.clock.now();
        self.ports.spool.settled(document, id, State::Queued, at).await?;
        crash_point("after-requeue-note");
        let requeued = self.ports.store.transition(id, at, Transition::Requeued { note: by.note() }).await?;
        if requeued.is_some() {
            return Ok((Verdict::Requeued, requeued));
        }
        // A late outcome came between; it has the last word in the spool, too.
        if let Some(now) = self.ports.store.delivery(id).await? {
            self.ports.spool.settled(document, id, now.state, at).await?;
        }
        Ok((Verdict::Changed, None))
    }

    /// An attempt may be under way: the store takes whichever outcome comes first, and the other one changes nothing. A
    /// kill between the end and the closing leaves a delivery that is given up and still listed.
    pub(super) async fn give_up(&self, delivery: &Delivery, by: &By) -> Changed {
        match delivery.state {
            State::Queued | State::Parked => {
                if !self.settle.give_up(delivery, by.note()).await? {
                    return Ok((Verdict::Changed, None));
                }
                self.wakes.changed(delivery);
                crash_point("after-give-up");
                let closed = self.close(delivery, by).await?;
                Ok((Verdict::GivenUp, closed))
            }
            _ => match self.close(delivery, by).await? {
                Some(closed) => Ok((Verdict::Closed, Some(closed))),
                None => Ok((Verdict::Changed, None)),
            },
        }
    }

    /// First the store: a kill before the note is written lets a rebuild list the dead letter again.
    async fn close(&self, delivery: &Delivery, by: &By) -> Result<Option<Delivery>, Fault> {
        let (change, at) = (Transition::Closed { note: by.note() }, self.ports.clock.now());
        let Delivery { id, document, .. } = *delivery;
        let _turn = self.wakes.noting.take(id).await;
        let closed = self.ports.store.transition(id, at, change).await?;
        if closed.is_some() {
            let noted = async {
                if delivery.is_dead_letter() && delivery.state.is_final() {
                    // A requeue that was cut before it reached the store may have noted otherwise.
                    self.ports.spool.settled(document, id, delivery.state, at).await?;
                }
                self.ports.spool.closed(document, id).await
            };
            if let Err(fault) = noted.await {
                tracing::error!(delivery_id = %id, %fault, "the note that a dead letter is closed is not on disk");
            }
        }
        Ok(closed)
    }
}
