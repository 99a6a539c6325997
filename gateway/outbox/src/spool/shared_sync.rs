//! One sync for all who wait for it: whoever comes while one is under way waits for the next, and that one serves all who
//! came by the time it began.

use std::io;
use std::sync::{Arc, Condvar, Mutex, OnceLock};

use super::locked;

/// The syncs of one folder.
#[derive(Default)]
pub(super) struct SharedSync {
    turn: Mutex<Turn>,
    ended: Condvar,
}

#[derive(Default)]
struct Turn {
    /// The sync that has not begun.
    next: Arc<Round>,
    /// Another one is under way.
    running: bool,
}

/// One sync: what came of it. It is told to everybody, so it must be cloned.
#[derive(Default)]
struct Round(OnceLock<Result<(), (io::ErrorKind, String)>>);

impl SharedSync {
    /// Returns when `work` has run, here or in another thread, from a moment after this call on.
    ///
    /// # Errors
    /// That of the run, the same for everybody who waited for it.
    pub(super) fn sync(&self, work: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
        let mut turn = locked(&self.turn);
        let round = turn.next.clone();
        loop {
            if let Some(outcome) = round.0.get() {
                return outcome.clone().map_err(|(kind, why)| io::Error::new(kind, why));
            }
            if !turn.running {
                break;
            }
            turn = self.ended.wait(turn).unwrap_or_else(std::sync::PoisonError::into_inner);
        }
        // Nothing runs, and ours has not run: it is the next.
        turn.running = true;
        turn.next = Arc::default();
        drop(turn);
        let running = Running { of: self, round };
        let outcome = work();
        running
            .round
            .0
            .get_or_init(|| outcome.as_ref().map_err(|cause| (cause.kind(), cause.to_string())).copied());
        outcome
    }
}

#[cfg(test)]
impl SharedSync {
    /// Somebody waits for a sync that has not begun.
    pub(super) fn is_awaited(&self) -> bool {
        Arc::strong_count(&locked(&self.turn).next) > 1
    }
}

/// A round under way. Also one that panics ends, and then fails for all who wait for it.
struct Running<'s> {
    of: &'s SharedSync,
    round: Arc<Round>,
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        let panicked = || Err((io::ErrorKind::Other, "the sync panicked".to_owned()));
        self.round.0.get_or_init(panicked).as_ref().ok();
        locked(&self.of.turn).running = false;
        self.of.ended.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::sync::mpsc::{Receiver, Sender, channel};
    use std::thread::{Scope, ScopedJoinHandle};

    use super::*;

    type Outcome = io::Result<()>;

    /// A run that tells when it begins, and ends when it is told how.
    fn held(began: &Sender<()>, end: Receiver<Outcome>) -> impl FnOnce() -> Outcome + Send + use<> {
        let began = began.clone();
        move || {
            began.send(()).expect("the test waits");
            end.recv().expect("the test tells")
        }
    }

    /// Others who want a sync. They wait when this returns: nobody can join a round that is under way.
    fn others<'s>(
        scope: &'s Scope<'s, '_>,
        shared: &'s SharedSync,
        runs: &'s AtomicU32,
        outcome: fn() -> Outcome,
    ) -> Vec<ScopedJoinHandle<'s, Outcome>> {
        let next = locked(&shared.turn).next.clone();
        let before = Arc::strong_count(&next);
        let work = move || {
            runs.fetch_add(1, Ordering::SeqCst);
            outcome()
        };
        let all = (0..8).map(|_| scope.spawn(move || shared.sync(work))).collect();
        while Arc::strong_count(&next) < before + 8 {
            std::thread::yield_now();
        }
        all
    }

    #[test]
    fn who_comes_while_one_runs_waits_for_the_next_which_serves_all_of_them() {
        let (shared, runs) = (SharedSync::default(), AtomicU32::new(0));
        let (began, has_begun) = channel();
        let (end, ends) = channel();
        std::thread::scope(|scope| {
            let first = scope.spawn(|| shared.sync(held(&began, ends)));
            has_begun.recv().expect("it runs");
            let late = others(scope, &shared, &runs, || Ok(()));
            assert_eq!(runs.load(Ordering::SeqCst), 0);
            end.send(Err(io::Error::other("broken"))).expect("it waits");
            assert!(first.join().expect("no panic").is_err());
            assert!(late.into_iter().all(|other| other.join().expect("no panic").is_ok()));
        });
        assert_eq!(runs.load(Ordering::SeqCst), 1);
        shared.sync(|| Ok(())).expect("once more");
    }

    #[test]
    fn one_that_fails_fails_all_who_waited_for_it_and_nobody_after() {
        let (shared, runs) = (SharedSync::default(), AtomicU32::new(0));
        let (began, has_begun) = channel();
        let (end, ends) = channel();
        std::thread::scope(|scope| {
            let first = scope.spawn(|| shared.sync(held(&began, ends)));
            has_begun.recv().expect("it runs");
            let full = || Err(io::Error::new(io::ErrorKind::StorageFull, "no room"));
            let late = others(scope, &shared, &runs, full);
            end.send(Ok(())).expect("it waits");
            first.join().expect("no panic").expect("its own run did not fail");
            for other in late {
                let fault = other.join().expect("no panic").expect_err("failed");
                assert_eq!(
                    (fault.kind(), fault.to_string().as_str()),
                    (io::ErrorKind::StorageFull, "no room")
                );
            }
        });
        assert_eq!(runs.load(Ordering::SeqCst), 1);
        shared.sync(|| Ok(())).expect("a new one");
    }

    #[test]
    fn one_that_panics_is_a_fault_to_those_who_waited_and_hangs_nobody() {
        let shared = SharedSync::default();
        let panicked =
            std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| shared.sync(|| panic!("a bug"))));
        assert!(panicked.is_err());
        shared.sync(|| Ok(())).expect("the next one runs");
    }
}
