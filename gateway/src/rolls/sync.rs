//! Who is registered at each axis, asked for again and again where the settings say so, and at once where somebody wants to
//! know: an operator, or a delivery that an axis has no receiver for. What is staged of it, `Rolls` decides.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use jiff::Timestamp;
use lienthong_adapters::national_axis::{Agencies, NationalAxis, Register};
use lienthong_monitoring::Metrics;
use lienthong_pipeline::axis_lists::{AxisLists, NotStaged};
use lienthong_pipeline::clock::after;
use lienthong_pipeline::directory::{Joined, List, joined};
use lienthong_pipeline::partitions::Partitions;
use lienthong_pipeline::ports::{Clock, DeliveryFailure, Fault};
use lienthong_pipeline::record::SystemId;
use lienthong_pipeline::tasks::Tasks;
use lienthong_schemas::organ::OrganId;
use rand::Rng;

use super::Rolls;

/// The part of the time between two looks that is random.
const JITTER: f64 = 0.1;
/// How often the settings are looked at for an axis that is asked since a reload.
const SETTINGS_EVERY: Duration = Duration::from_secs(10);
/// A list that was not given is asked for again after this.
const AGAIN: Duration = Duration::from_secs(600);

/// Every axis of the settings: how often its list is staged; `None`: it is asked for only when somebody wants to know.
pub type SyncPolicies = BTreeMap<SystemId, Option<Duration>>;

/// The task.
pub struct Sync {
    /// Who asks.
    pub register: Arc<NationalAxis>,
    /// Where lists are staged.
    pub rolls: Arc<Rolls>,
    /// Who wants to know.
    pub lists: Arc<AxisLists>,
    /// When.
    pub policies: Arc<ArcSwap<SyncPolicies>>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Counts looks.
    pub metrics: Arc<Metrics>,
    /// Of several gateways, one asks an axis: the one that serves its queue.
    pub partitions: Arc<Partitions>,
}

impl Sync {
    /// Runs until shutdown.
    ///
    /// # Errors
    /// None: trouble of an axis, and ours, passes until the next look.
    pub async fn run(self, tasks: Tasks) -> Result<(), Fault> {
        self.lists.serve();
        let mut due: BTreeMap<SystemId, Timestamp> = BTreeMap::new();
        let mut under_way: BTreeSet<SystemId> = BTreeSet::new();
        let mut looks = FuturesUnordered::new();
        loop {
            let (policies, now) = (self.policies.load_full(), self.clock.now());
            due.retain(|axis, _| policies.get(axis).is_some_and(Option::is_some));
            let mut next = after(now, SETTINGS_EVERY);
            for (id, every) in policies.iter() {
                if under_way.contains(id) {
                    continue;
                }
                if !self.partitions.serves_axis(id) {
                    due.remove(id);
                    self.leave_to_others(id, now);
                    continue;
                }
                let is_due = match every {
                    Some(every) => {
                        let first = || self.rolls.synced(id).0.map_or(now, |at| after(at, jittered(*every)));
                        let due = *due.entry(id.clone()).or_insert_with(first);
                        next = next.min(due.max(now));
                        // A clock that was set back does not make it wait for longer than it would.
                        due <= now || due > after(now, every.max(&AGAIN).mul_f64(1.0 + JITTER))
                    }
                    None => false,
                };
                let (is_wanted, is_asked) = (self.lists.take_wanted(id), self.lists.take_wanted_staged(id));
                if is_wanted || is_asked || is_due {
                    under_way.insert(id.clone());
                    looks.push(self.look(id.clone(), *every, is_asked || is_due));
                }
            }
            tokio::select! {
                Some((id, pause)) = looks.next(), if !looks.is_empty() => {
                    under_way.remove(&id);
                    if let Some(pause) = pause {
                        due.insert(id, after(self.clock.now(), jittered(pause)));
                    }
                }
                () = self.lists.wanted() => {}
                () = self.clock.sleep_until(next) => {}
                () = tasks.stopped() => return Ok(()),
            }
        }
    }

    /// Whoever wants something of this axis hears that another gateway asks it.
    fn leave_to_others(&self, axis: &SystemId, now: Timestamp) {
        if self.lists.take_wanted(axis) {
            self.lists.looked(axis, now, None);
        }
        if self.lists.take_wanted_staged(axis) {
            let other = self.partitions.server_of_axis(axis);
            self.lists.staged(axis, now, Err(NotStaged::Elsewhere(other)));
        }
    }

    /// One look, and how long to wait for the next one. Who only wants to know whether a receiver is there has nothing
    /// staged, and the next one is due when it was: an axis cannot have its lists taken more often than the settings say.
    async fn look(
        &self,
        axis: SystemId,
        every: Option<Duration>,
        is_to_be_staged: bool,
    ) -> (SystemId, Option<Duration>) {
        let began = self.clock.now();
        let every = every.filter(|_| is_to_be_staged);
        let list = match self.ask(&axis, began).await {
            Ok(list) => list,
            Err(failure) => {
                let (code, note) = (failure.code.as_str(), failure.note.as_str());
                tracing::warn!(%axis, code, note, "an axis does not say who is registered there");
                self.lists.looked(&axis, began, None);
                if is_to_be_staged {
                    self.lists.staged(&axis, began, Err(NotStaged::NotGiven(failure.to_string())));
                    self.metrics.axis_syncs.of("failed").inc();
                }
                return (axis, every.map(|every| every.min(AGAIN)));
            }
        };
        let codes = codes(&list.joined);
        let (is_trusted, outcome) = match is_to_be_staged {
            true => match self.stage(&axis, list).await {
                Staged::Taken => (true, Ok(())),
                Staged::Waiting => (false, Ok(())),
                Staged::Failed(why) => (false, Err(NotStaged::Failed(why))),
            },
            false => (self.would_take(&axis, list.joined).await, Ok(())),
        };
        // What is not good enough to be staged says of nobody that it is not there.
        let codes = Some(codes).filter(|codes| is_trusted && !codes.is_empty());
        self.lists.looked(&axis, began, codes);
        let pause = every.map(|every| if outcome.is_ok() { every } else { every.min(AGAIN) });
        if is_to_be_staged {
            self.lists.staged(&axis, began, outcome);
        }
        (axis, pause)
    }

    async fn would_take(&self, axis: &SystemId, joined: Joined) -> bool {
        let (rolls, of) = (self.rolls.clone(), axis.clone());
        tokio::task::spawn_blocking(move || rolls.would_take(&of, &joined)).await.unwrap_or(false)
    }

    /// Both lists. Axes before SDK 2.0.1 have one only; of one that has given both, one alone says nothing.
    async fn ask(&self, axis: &SystemId, began: Timestamp) -> Result<List, DeliveryFailure> {
        let current = self.register.agencies(axis, Register::Current, began).await?;
        let newer = match self.register.agencies(axis, Register::Qd20, self.clock.now()).await {
            Ok(newer) => Some(newer),
            Err(failure) if !has_no_such(&failure) || self.rolls.synced(axis).1 => return Err(failure),
            Err(failure) => {
                tracing::debug!(%axis, code = failure.code, "an axis has no list by QĐ 20/2020");
                None
            }
        };
        let has_qd20 = newer.is_some();
        let newer = newer.unwrap_or_default();
        note_broken(axis, &current);
        note_broken(axis, &newer);
        let joined = tokio::task::spawn_blocking(move || joined(current.agencies, newer.agencies)).await;
        let joined = joined.unwrap_or_default();
        Ok(List { at: began, joined, has_qd20 })
    }

    async fn stage(&self, axis: &SystemId, list: List) -> Staged {
        let (rolls, of) = (self.rolls.clone(), axis.clone());
        let staged = tokio::task::spawn_blocking(move || rolls.take_list(&of, &list)).await;
        let (staged, result) = match staged {
            Ok(Ok(plan)) if plan.needs_approval => (Staged::Waiting, "waiting"),
            Ok(Ok(_)) => (Staged::Taken, "taken"),
            Ok(Err(trouble)) => {
                tracing::error!(%axis, %trouble, "the list of an axis cannot be staged");
                (Staged::Failed(trouble.to_string()), "failed")
            }
            Err(cause) => {
                tracing::error!(%axis, %cause, "the list of an axis cannot be staged");
                (Staged::Failed(cause.to_string()), "failed")
            }
        };
        self.metrics.axis_syncs.of(result).inc();
        staged
    }
}

/// What became of a list.
enum Staged {
    Taken,
    /// For an operator.
    Waiting,
    /// Why.
    Failed(String),
}

/// Whether an axis says that it knows no such operation: FAIL with code 10, or HTTP 404.
fn has_no_such(failure: &DeliveryFailure) -> bool {
    matches!(failure.code.as_str(), "axis_10" | "http_404")
}

fn codes(joined: &Joined) -> HashSet<OrganId> {
    let all = joined.agencies.iter().chain(&joined.unclear);
    all.flat_map(|one| std::iter::once(&one.code).chain(&one.other)).cloned().collect()
}

fn note_broken(axis: &SystemId, list: &Agencies) {
    if list.broken > 0 {
        tracing::warn!(%axis, lines = list.broken, "an axis lists agencies without a code");
    }
}

fn jittered(every: Duration) -> Duration {
    every.mul_f64(rand::rng().random_range(1.0 - JITTER..=1.0 + JITTER))
}
