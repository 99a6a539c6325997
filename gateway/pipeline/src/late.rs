//! Deliveries that are not over although they should be (`delivery.late_after`): nobody gives them up yet, but senders see
//! it and operators are told by a number.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use lienthong_monitoring::Metrics;

use crate::clock::after;
use crate::ports::{Fault, Listing, Ports};
use crate::record::Delivery;
use crate::tasks::Tasks;

/// Late deliveries are counted up to this number.
pub const COUNTED_MAX: u64 = 10_000;
/// How often they are counted.
const COUNT_EVERY: Duration = Duration::from_secs(60);
/// Deliveries read at once.
const BATCH: usize = 200;

/// Since when a delivery is late: not over so long after its receipt, however often it was sent again.
pub fn late_since(delivery: &Delivery, late_after: Duration, now: Timestamp) -> Option<Timestamp> {
    let late = after(delivery.accepted_at, late_after);
    (!delivery.state.is_final() && late <= now).then_some(late)
}

/// Keeps the number of late deliveries.
pub struct Late {
    ports: Ports,
    metrics: Arc<Metrics>,
    late_after: Duration,
}

impl Late {
    /// For the deliveries of one gateway.
    pub fn new(ports: Ports, metrics: Arc<Metrics>, late_after: Duration) -> Self {
        Self { ports, metrics, late_after }
    }

    /// Runs until shutdown. A store that does not answer leaves the number as it was.
    ///
    /// # Errors
    /// None; the number is not worth the gateway.
    pub async fn run(self, tasks: Tasks) -> Result<(), Fault> {
        while !tasks.is_stopping() {
            let now = self.ports.clock.now();
            match self.count(now).await {
                Ok(count) => self.metrics.late_deliveries.set(count),
                Err(fault) => tracing::warn!(%fault, "late deliveries cannot be counted now"),
            }
            tokio::select! {
                () = self.ports.clock.sleep_until(after(now, COUNT_EVERY)) => {}
                () = tasks.stopped() => break,
            }
        }
        Ok(())
    }

    /// Pending deliveries stand by the time of their receipts, so only late ones are looked at.
    async fn count(&self, now: Timestamp) -> Result<u64, Fault> {
        let (mut count, mut last) = (0, None);
        while count < COUNTED_MAX {
            let batch = self.ports.store.list(Listing::Pending, last, BATCH).await?;
            let late = |delivery: &&Delivery| late_since(delivery, self.late_after, now).is_some();
            let found = batch.iter().take_while(late).count();
            count += found as u64;
            if found < BATCH {
                break;
            }
            last = batch.last().map(|delivery| delivery.id);
        }
        Ok(count.min(COUNTED_MAX))
    }
}
