//! When a partition goes from one gateway to another, every gateway that has something of it sends that there: in the
//! next generation, in its order, and before anything that it accepts from then on. First it reads what `EVENTS` says, so
//! that nothing goes again that has arrived (design.md B7).

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use super::{Open, Partitions};
use crate::clock::after;
use crate::follow::Follow;
use crate::ports::{Fault, Listing, Ports, Transition};
use crate::record::{BootId, Delivery, Partition, State};
use crate::tasks::Tasks;
use crate::wakes::Wakes;

/// Deliveries that are looked at together.
const PAGE: usize = 256;
/// All partitions are looked through this often: nothing stays because somebody was not told.
const LOOK_THROUGH_EVERY: Duration = Duration::from_secs(600);
const AGAIN_AFTER: Duration = Duration::from_secs(1);
/// A message that is being published has ended mostly after this.
const LOOK_AGAIN_AFTER: Duration = Duration::from_millis(20);

/// See the module.
pub struct Moves {
    ports: Ports,
    partitions: Arc<Partitions>,
    follow: Arc<Follow>,
    wakes: Wakes,
    boot: BootId,
}

impl Moves {
    /// For one of several gateways, in this life.
    pub fn new(
        ports: Ports,
        partitions: Arc<Partitions>,
        follow: Arc<Follow>,
        wakes: Wakes,
        boot: BootId,
    ) -> Self {
        Self { ports, partitions, follow, wakes, boot }
    }

    /// Runs until shutdown. A store that can come back is waited for.
    ///
    /// # Errors
    /// Only when the store has ended.
    pub async fn run(self, tasks: Tasks) -> Result<(), Fault> {
        let mut changes = self.partitions.changes();
        let mut look_through = after(self.ports.clock.now(), LOOK_THROUGH_EVERY);
        while !tasks.is_stopping() {
            changes.mark_unchanged();
            let now = self.ports.clock.now();
            if look_through <= now {
                look_through = after(now, LOOK_THROUGH_EVERY);
                self.partitions.doubt_all();
            }
            let due = match self.settle_all().await {
                Ok(0) => look_through,
                Ok(_) => after(self.ports.clock.now(), AGAIN_AFTER),
                Err(fault) if fault.fatal => return Err(fault),
                Err(fault) => {
                    tracing::warn!(%fault, "what belongs to another gateway is not sent there yet");
                    after(self.ports.clock.now(), AGAIN_AFTER)
                }
            };
            tokio::select! {
                _ = changes.changed() => {}
                () = self.ports.clock.sleep_until(due) => {}
                () = tasks.stopped() => {}
            }
        }
        Ok(())
    }

    /// Sends what is not where it should be, for each partition that has another holder than was settled for. How many have
    /// an attempt under way here, which is waited for.
    async fn settle_all(&self) -> Result<usize, Fault> {
        let open = self.partitions.open();
        if open.is_empty() {
            return Ok(0);
        }
        // What is being published is written down first; nothing overtakes what is to go again.
        while !self.partitions.hold_back(&open) {
            let soon = after(self.ports.clock.now(), LOOK_AGAIN_AFTER);
            self.ports.clock.sleep_until(soon).await;
        }
        self.follow.catch_up().await?;
        let (moved, left) = self.send_all(&open).await?;
        self.partitions.settled_for(&open);
        self.wakes.leases_taken();
        if left > 0 {
            self.partitions.keep_in_doubt(&open);
        }
        if moved > 0 {
            let partitions = open.len();
            tracing::info!(count = moved, partitions, "sent on to where their queues are served now");
        }
        self.wakes.relay.notify_one();
        Ok(left)
    }

    /// How many go there now, and how many have an attempt under way here.
    async fn send_all(&self, open: &HashMap<Partition, Open>) -> Result<(usize, usize), Fault> {
        let (mut moved, mut left, mut behind) = (0, 0, None);
        loop {
            let page = self.ports.store.list(Listing::Pending, behind, PAGE).await?;
            for delivery in &page {
                let open = open.get(&Partition::of(&delivery.route.queue()));
                let Some(open) = open.filter(|open| self.is_to_move(delivery, open)) else { continue };
                let note = format!("to {}, lease {}", open.holder.life.node, open.holder.fence.0);
                let change = Transition::Moved { boot: self.boot, note };
                let now = self.ports.clock.now();
                match self.ports.store.transition(delivery.id, now, change).await? {
                    Some(after) => {
                        moved += 1;
                        self.wakes.changed(&after);
                    }
                    None => left += 1,
                }
            }
            match page.last() {
                Some(last) if page.len() == PAGE => behind = Some(last.id),
                _ => return Ok((moved, left)),
            }
        }
    }

    /// It waits, the broker has or had it, and the holder does not have it, as far as is known here.
    fn is_to_move(&self, delivery: &Delivery, open: &Open) -> bool {
        if delivery.state != State::Queued || delivery.published != delivery.generation {
            return false;
        }
        let holder = &open.holder.life;
        match &delivery.elsewhere {
            _ if delivery.handed_off => self.partitions.own().is_none_or(|own| *own.name() != holder.node),
            Some(elsewhere) => elsewhere != holder,
            // What was published for the holder is on its way to it.
            None => open.is_new,
        }
    }
}
