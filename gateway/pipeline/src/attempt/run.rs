//! A run: several packets of one lane that leave one after the other. They are begun in one barrier; while one is with its
//! receiver, the outcome of the one before goes to disk. The next but one waits for that, so that a cut leaves two outcomes
//! unwritten at most, and those are repeated with the same ids. The first that is not taken ends the run, and the others
//! have not begun.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::future::{OptionFuture, join, join_all};

use super::outcome::{Attempt, Shown};
use super::{Shared, Turn};
use crate::breaker::Permit;
use crate::clock::after;
use crate::ports::{Fault, Handover, Transition};
use crate::queue::Standing;
use crate::record::{Delivery, Lane};

/// A run does not go on when so much time has passed since it began: what is begun cannot be taken back.
const RUN_TIME_MAX: Duration = Duration::from_secs(1);

/// Says to a turn that something came into its queue that does not wait for a whole run.
#[derive(Clone, Default)]
pub(crate) struct Call(Arc<AtomicBool>);

impl Call {
    /// Calls.
    pub(crate) fn call(&self) {
        self.0.store(true, Ordering::Release);
    }

    fn is_called(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// What came of a run.
pub(super) struct Run {
    /// Attempts that were made.
    pub(super) tried: u32,
    /// What the last one showed of the receiver; `None`: the gateway stops, and it was cut.
    pub(super) shown: Option<Shown>,
    /// Some were begun and did not leave.
    pub(super) left: bool,
}

impl Turn {
    /// Those that leave after `head`, and whether there are more behind them.
    pub(super) async fn following(
        &mut self,
        head: &Delivery,
        lane: Lane,
        permit: Permit,
    ) -> Result<Option<(Vec<Delivery>, bool)>, Fault> {
        let most = self.most as usize;
        if permit != Permit::Free || self.known.probe.is_some() || most < 2 {
            return Ok(None);
        }
        let (policies, now) = (self.shared.policies.load_full(), self.shared.ports.clock.now());
        let mut queue = self.queue(&policies);
        let following = queue.following(head, lane, most, now).await?;
        Ok((!following.is_empty()).then_some((following, queue.more)))
    }

    /// Delivers those that were leased, in their order.
    pub(super) async fn run(&mut self, leased: Vec<Delivery>) -> Result<Run, Fault> {
        let shared = self.shared.clone();
        if !self.is_served_here() {
            stay(&shared, &leased).await?;
            return Ok(Run { tried: 0, shown: None, left: true });
        }
        let until = after(shared.ports.clock.now(), RUN_TIME_MAX);
        let mut waiting = leased.into_iter();
        let mut before: Option<(Attempt, Handover)> = None;
        let mut tried = 0;
        while let Some(delivery) = waiting.next() {
            let (system, together) = (delivery.route.system.clone(), vec![delivery]);
            let writing: OptionFuture<_> =
                before.as_ref().map(|(attempt, handover)| self.delivered(attempt, handover)).into();
            let (outcome, written) = {
                let mut both = pin!(join(self.deliver(&together), writing));
                tokio::select! {
                    biased;
                    done = &mut both => done,
                    () = shared.ports.clock.sleep_until(until), if waiting.len() > 0 => {
                        // A receiver that is slow keeps those behind it from being taken back no longer.
                        if let Err(fault) = stay(&shared, waiting.as_slice()).await {
                            tracing::warn!(%fault, queue = %self.queue, "what was begun in a run stays so");
                        }
                        both.await
                    }
                }
            };
            written.transpose()?;
            let Some(outcome) = outcome else {
                // The one that was cut may have arrived; those behind it have not.
                stay(&shared, waiting.as_slice()).await?;
                return Ok(Run { tried, shown: None, left: true });
            };
            tried += 1;
            let taken = outcome.as_ref().ok().cloned();
            let attempt = Attempt { together, stuck: None, outcome };
            if let Some(handover) = taken
                && waiting.len() > 0
                && self.is_served_here()
                && !self.called.is_called()
                && shared.ports.clock.now() < until
                && shared.breakers().standing(&system) == Standing::Fair
            {
                self.tell_breaker(&attempt, &Shown::Fair, &system);
                (self.known.failures, self.known.standing) = (0, Standing::Fair);
                before = Some((attempt, handover));
                continue;
            }
            let left: Vec<Delivery> = waiting.collect();
            let (shown, stayed) = join(self.settle(attempt, &system), stay(&shared, &left)).await;
            stayed?;
            return Ok(Run { tried, shown: Some(shown?), left: !left.is_empty() });
        }
        Ok(Run { tried, shown: Some(Shown::Fair), left: false })
    }
}

/// What was begun with the others does not leave now.
pub(super) async fn stay(shared: &Shared, left: &[Delivery]) -> Result<(), Fault> {
    let (store, now, boot) = (&shared.ports.store, shared.ports.clock.now(), shared.boot);
    let stayed = left.iter().map(|part| store.transition(part.id, now, Transition::Unleased { boot }));
    join_all(stayed).await.into_iter().try_for_each(|stayed| stayed.map(drop))
}
