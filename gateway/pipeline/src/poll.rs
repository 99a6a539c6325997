//! The way in from axes: what waits for us there is looked for again and again, one look at a time for each axis
//! (docs/national-axis.md). What happens in a look stands in `round.rs`; here is when there is one.

mod round;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use jiff::Timestamp;
use lienthong_monitoring::Metrics;
use rand::Rng;

use self::round::{Patience, Round};
use crate::clock::after;
use crate::intake::Intake;
use crate::partitions::Partitions;
use crate::ports::{AxisInbox, Fault, Ports};
use crate::record::{Route, SystemId};
use crate::tasks::Tasks;

pub use self::round::Outcome;

/// The part of the time between two looks that is random, so that not all gateways of a country ask at one moment.
const JITTER: f64 = 0.1;
/// How often the settings are looked at for an axis that is polled since a reload.
const SETTINGS_EVERY: Duration = Duration::from_secs(10);
/// So soon it is looked whether an axis that another gateway polls is this one's by now.
const ELSEWHERE_AGAIN_AFTER: Duration = Duration::from_secs(2);

/// How one axis is polled; from the settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PollPolicy {
    /// From the end of a look to the next one.
    pub every: Duration,
    /// From the end of a look at what became of what we sent there to the next one; `None`: there is none.
    pub sent_every: Option<Duration>,
    /// Largest packet that is fetched, in bytes.
    pub bytes_max: u64,
}

/// Those of all axes that are polled.
pub type PollPolicies = BTreeMap<SystemId, PollPolicy>;

/// Polls the axes of one gateway.
pub struct Poll {
    ports: Ports,
    intake: Arc<Intake>,
    inbox: Arc<dyn AxisInbox>,
    policies: Arc<ArcSwap<PollPolicies>>,
    metrics: Arc<Metrics>,
    partitions: Arc<Partitions>,
}

/// What is remembered of an axis between two looks.
#[derive(Debug)]
struct Axis {
    due: Timestamp,
    /// When it last answered, or when it was first to be asked.
    answered: Timestamp,
    patience: Patience,
}

impl Poll {
    /// For one gateway. `policies` may be replaced while it runs.
    pub fn new(
        ports: Ports,
        intake: Arc<Intake>,
        inbox: Arc<dyn AxisInbox>,
        policies: Arc<ArcSwap<PollPolicies>>,
        metrics: Arc<Metrics>,
    ) -> Self {
        let partitions = Arc::new(Partitions::alone());
        Self { ports, intake, inbox, policies, metrics, partitions }
    }

    /// The same, of one of several gateways: an axis is polled by the one that serves its queue.
    pub fn among(self, partitions: Arc<Partitions>) -> Self {
        Self { partitions, ..self }
    }

    /// Runs until shutdown. What a look was about to take in is taken in to its end.
    ///
    /// # Errors
    /// None: trouble of an axis, and ours, passes until the next look.
    pub async fn run(self, tasks: Tasks) -> Result<(), Fault> {
        let mut axes: BTreeMap<SystemId, Axis> = BTreeMap::new();
        let mut asked: BTreeSet<SystemId> = BTreeSet::new();
        let mut rounds = FuturesUnordered::new();
        loop {
            let (policies, now) = (self.policies.load_full(), self.ports.clock.now());
            axes.retain(|axis, _| policies.contains_key(axis));
            let mut next = after(now, SETTINGS_EVERY);
            for (id, policy) in policies.iter() {
                let axis = axes.entry(id.clone()).or_insert_with(|| Axis::new(now));
                if asked.contains(id) {
                    continue;
                }
                if self.partitions.fence(&Route::queue_of_axis(id)).is_none() {
                    *axis = Axis::new(after(now, ELSEWHERE_AGAIN_AFTER));
                    next = next.min(axis.due);
                } else if axis.is_due(now, *policy) {
                    asked.insert(id.clone());
                    let patience = std::mem::take(&mut axis.patience);
                    rounds.push(self.round(id.clone(), *policy, patience, tasks.clone()));
                } else {
                    next = next.min(axis.due);
                }
            }
            self.show(&axes);
            tokio::select! {
                Some((id, policy, patience, answers)) = rounds.next(), if !rounds.is_empty() => {
                    asked.remove(&id);
                    if let Some(axis) = axes.get_mut(&id) {
                        axis.asked(self.ports.clock.now(), policy, patience, answers);
                    }
                }
                () = self.ports.clock.sleep_until(next) => {}
                () = tasks.stopped() => return Ok(()),
            }
        }
    }

    async fn round(
        &self,
        id: SystemId,
        policy: PollPolicy,
        mut patience: Patience,
        tasks: Tasks,
    ) -> (SystemId, PollPolicy, Patience, bool) {
        let _busy = self.partitions.begin(&Route::queue_of_axis(&id));
        let (ports, metrics) = (&self.ports, &*self.metrics);
        let (intake, inbox) = (&self.intake, &*self.inbox);
        let round = Round { axis: &id, policy, ports, intake, inbox, metrics, tasks };
        let answers = round.look(&mut patience).await;
        let result = if answers { "answered" } else { "failed" };
        metrics.axis_polls.of(result).inc();
        (id, policy, patience, answers)
    }

    /// Since when the axis has not answered that is silent for longest.
    fn show(&self, axes: &BTreeMap<SystemId, Axis>) {
        let oldest = axes.values().map(|axis| axis.answered.as_second()).min().unwrap_or(0);
        self.metrics.axis_polled.set(Duration::from_secs(u64::try_from(oldest).unwrap_or(0)));
    }
}

impl Axis {
    fn new(now: Timestamp) -> Self {
        Self { due: now, answered: now, patience: Patience::default() }
    }

    /// A clock that was set back does not make it wait for longer than it would.
    fn is_due(&self, now: Timestamp, policy: PollPolicy) -> bool {
        self.due <= now || self.due > after(now, policy.every.mul_f64(1.0 + JITTER))
    }

    fn asked(&mut self, now: Timestamp, policy: PollPolicy, patience: Patience, answers: bool) {
        let part = rand::rng().random_range(1.0 - JITTER..=1.0 + JITTER);
        self.due = after(now, policy.every.mul_f64(part));
        self.patience = patience;
        if answers {
            self.answered = now;
        }
    }
}
