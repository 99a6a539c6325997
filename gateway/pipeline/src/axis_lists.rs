//! What the lists of axes last said about who is registered there, and the way to ask for a list at once. Whoever looks at
//! lists keeps it; who sends to an axis asks whether a receiver is really unknown there.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use lienthong_schemas::organ::OrganId;
use tokio::sync::{Notify, watch};

use crate::clock::after;
use crate::ports::Clock;
use crate::record::{NodeName, SystemId};

/// What one list said.
#[derive(Debug)]
pub struct Seen {
    at: Timestamp,
    codes: HashSet<OrganId>,
}

impl Seen {
    /// Whether an organisation with this code stands in the list.
    pub fn has(&self, code: &OrganId) -> bool {
        self.codes.contains(code)
    }
}

/// Why no list was staged that somebody asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotStaged {
    /// The axis gave none.
    NotGiven(String),
    /// It gave one, and it cannot be kept here.
    Failed(String),
    /// Another gateway asks this axis: the one of this name, where that is known.
    Elsewhere(Option<NodeName>),
    /// Nobody looks, or it takes longer.
    Late,
}

/// The last look at one axis.
#[derive(Default)]
struct Last {
    began: Timestamp,
    seen: Option<Arc<Seen>>,
}

/// When a look that was to be staged began, and whether it was.
type Staged = (Timestamp, Result<(), NotStaged>);

/// The last list of each axis. One for all who ask and the one who looks.
#[derive(Default)]
pub struct AxisLists {
    last: Mutex<HashMap<SystemId, Last>>,
    asked: Mutex<BTreeSet<SystemId>>,
    /// The last look that was to be staged.
    staged: Mutex<HashMap<SystemId, Staged>>,
    asked_to_stage: Mutex<BTreeSet<SystemId>>,
    ask: Notify,
    came: watch::Sender<u64>,
    is_served: AtomicBool,
}

impl AxisLists {
    /// Somebody looks at lists from now on: without, nobody waits for one.
    pub fn serve(&self) {
        self.is_served.store(true, Ordering::Release);
    }

    /// A list of this axis is wanted at once.
    pub fn want(&self, axis: &SystemId) {
        lock(&self.asked).insert(axis.clone());
        self.ask.notify_one();
    }

    /// Waits until somebody wants one.
    pub async fn wanted(&self) {
        self.ask.notified().await;
    }

    /// Whether a list of this axis is wanted. Then a look is to begin: it is asked once.
    pub fn take_wanted(&self, axis: &SystemId) -> bool {
        lock(&self.asked).remove(axis)
    }

    /// Whether a list of this axis is wanted to be staged, too: an operator asks. Asked once, as [`AxisLists::take_wanted`].
    pub fn take_wanted_staged(&self, axis: &SystemId) -> bool {
        lock(&self.asked_to_stage).remove(axis)
    }

    /// A look that began at this time has ended, with these codes or without a list that anybody could go by.
    pub fn looked(&self, axis: &SystemId, began: Timestamp, codes: Option<HashSet<OrganId>>) {
        {
            let mut all = lock(&self.last);
            let last = all.entry(axis.clone()).or_default();
            last.began = began;
            if let Some(codes) = codes {
                last.seen = Some(Arc::new(Seen { at: began, codes }));
            }
        }
        self.came.send_modify(|count| *count = count.wrapping_add(1));
    }

    /// A look that began at this time and was to be staged has ended. A list that waits for an operator is staged.
    pub fn staged(&self, axis: &SystemId, began: Timestamp, outcome: Result<(), NotStaged>) {
        lock(&self.staged).insert(axis.clone(), (began, outcome));
        self.came.send_modify(|count| *count = count.wrapping_add(1));
    }

    /// A list of this axis is to be asked for and staged at once; nobody waits for it.
    pub fn want_staged(&self, axis: &SystemId) {
        lock(&self.asked_to_stage).insert(axis.clone());
        self.ask.notify_one();
    }

    /// Has a list asked for and staged, unless that was done at this time or later; waits for it at most so long.
    ///
    /// # Errors
    /// Why none was staged.
    pub async fn staged_since(
        &self,
        axis: &SystemId,
        since: Timestamp,
        within: Duration,
        clock: &dyn Clock,
    ) -> Result<(), NotStaged> {
        if !self.is_served.load(Ordering::Acquire) {
            return Err(NotStaged::Late);
        }
        let until = after(clock.now(), within);
        let mut came = self.came.subscribe();
        loop {
            if let Some((_, outcome)) = lock(&self.staged).get(axis).filter(|(began, _)| *began >= since) {
                return outcome.clone();
            }
            self.want_staged(axis);
            tokio::select! {
                changed = came.changed() => if changed.is_err() { return Err(NotStaged::Late) },
                () = clock.sleep_until(until) => return Err(NotStaged::Late),
            }
        }
    }

    /// A list that was asked for at this time or later; waits for one at most so long. `None`: the axis gives none, nobody
    /// looks, or it takes longer.
    pub async fn since(
        &self,
        axis: &SystemId,
        since: Timestamp,
        within: Duration,
        clock: &dyn Clock,
    ) -> Option<Arc<Seen>> {
        if !self.is_served.load(Ordering::Acquire) {
            return None;
        }
        let until = after(clock.now(), within);
        let mut came = self.came.subscribe();
        loop {
            if let Some(last) = lock(&self.last).get(axis).filter(|last| last.began >= since) {
                return last.seen.clone().filter(|seen| seen.at >= since);
            }
            self.want(axis);
            tokio::select! {
                changed = came.changed() => changed.ok()?,
                () = clock.sleep_until(until) => return None,
            }
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::ManualClock;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).expect("a time")
    }

    fn codes(all: &[&str]) -> Option<HashSet<OrganId>> {
        Some(all.iter().map(|code| OrganId::parse(code).expect("a code")).collect())
    }

    #[tokio::test]
    async fn only_a_list_that_was_asked_for_since_counts() {
        let (lists, clock) = (AxisLists::default(), ManualClock::new(at(10)));
        let (axis, code) = (SystemId::parse("vpcp").expect("an id"), OrganId::parse("G22").expect("a code"));
        let within = Duration::from_secs(30);
        lists.looked(&axis, at(9), codes(&["G22"]));
        assert!(lists.since(&axis, at(9), within, &clock).await.is_none(), "nobody looks");
        lists.serve();
        assert!(lists.since(&axis, at(9), within, &clock).await.expect("a list").has(&code));
        let (found, ()) = tokio::join!(lists.since(&axis, at(10), within, &clock), async {
            lists.wanted().await;
            assert!(lists.take_wanted(&axis) && !lists.take_wanted(&axis));
            // One that began before is not new, however late it comes.
            lists.looked(&axis, at(9), codes(&["G22"]));
            lists.wanted().await;
            lists.looked(&axis, at(10), codes(&["G23"]));
        });
        assert!(!found.expect("a list").has(&code));
        lists.looked(&axis, at(12), None);
        assert!(lists.since(&axis, at(11), within, &clock).await.is_none(), "the axis gave none");
        let (late, ()) = tokio::join!(lists.since(&axis, at(13), within, &clock), async {
            lists.wanted().await;
            clock.advance(within);
        });
        assert!(late.is_none());
    }

    #[tokio::test]
    async fn who_wants_to_know_has_nothing_staged_and_who_wants_it_staged_waits_for_that() {
        let (lists, clock) = (AxisLists::default(), ManualClock::new(at(10)));
        let axis = SystemId::parse("vpcp").expect("an id");
        let within = Duration::from_secs(30);
        let nobody = lists.staged_since(&axis, at(10), within, &clock).await;
        assert_eq!(nobody, Err(NotStaged::Late), "nobody looks");
        lists.serve();
        lists.want(&axis);
        assert!(!lists.take_wanted_staged(&axis) && lists.take_wanted(&axis));
        for outcome in [Ok(()), Err(NotStaged::Failed("no room".to_owned()))] {
            let since = clock.now();
            let (found, ()) = tokio::join!(lists.staged_since(&axis, since, within, &clock), async {
                lists.wanted().await;
                assert!(lists.take_wanted_staged(&axis) && !lists.take_wanted(&axis));
                // A look for somebody else is not what was asked for.
                lists.looked(&axis, since, codes(&["G22"]));
                lists.wanted().await;
                assert!(lists.take_wanted_staged(&axis));
                lists.staged(&axis, since, outcome.clone());
            });
            assert_eq!(found, outcome);
            clock.advance(Duration::from_secs(1));
        }
    }
}
