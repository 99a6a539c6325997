//! The two clocks: the system's, and one that tests move by hand.

use std::sync::Mutex;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::ports::Clock;

/// Wall clock of the machine. Waits in steps of at most a minute, so that a clock that was set forward is noticed.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

/// The time that is `wait` after `time`; the last one there is when that is past it.
pub fn after(time: Timestamp, wait: Duration) -> Timestamp {
    time.saturating_add(wait).unwrap_or(Timestamp::MAX)
}

const LONGEST_WAIT: Duration = Duration::from_secs(60);

#[async_trait]
impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the Clock that the ban points to")]
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    async fn sleep_until(&self, due: Timestamp) {
        // An end beyond what the machine can count is none.
        let end = ahead(self.now(), due).and_then(|left| Instant::now().checked_add(left));
        while let Some(left) = ahead(self.now(), due) {
            let at_most = end.map_or(LONGEST_WAIT, |end| end.saturating_duration_since(Instant::now()));
            if at_most.is_zero() {
                return;
            }
            tokio::time::sleep(left.min(at_most).min(LONGEST_WAIT)).await;
        }
    }
}

/// What is left until `due`; `None`: nothing.
fn ahead(now: Timestamp, due: Timestamp) -> Option<Duration> {
    Duration::try_from(due.duration_since(now)).ok().filter(|left| !left.is_zero())
}

/// A clock that stands still until it is moved.
#[derive(Debug)]
pub struct ManualClock {
    shows: watch::Sender<Shows>,
    moving: Mutex<()>,
}

#[derive(Clone, Copy, Debug)]
struct Shows {
    now: Timestamp,
    /// Since the clock was made, whatever it was set to.
    passed: Duration,
}

impl ManualClock {
    /// A clock that shows `start`.
    pub fn new(start: Timestamp) -> Self {
        Self {
            shows: watch::Sender::new(Shows { now: start, passed: Duration::ZERO }),
            moving: Mutex::new(()),
        }
    }

    /// Moves it forward; who waited for a time up to then goes on.
    pub fn advance(&self, by: Duration) {
        self.change(|shows| {
            shows.now = after(shows.now, by);
            shows.passed = shows.passed.saturating_add(by);
        });
    }

    /// Sets it back, as somebody does whose clock went fast; no time passes.
    pub fn set_back(&self, by: Duration) {
        self.change(|shows| shows.now = shows.now.saturating_sub(by).unwrap_or(Timestamp::MIN));
    }

    fn change(&self, change: impl FnOnce(&mut Shows)) {
        let _turn = self.moving.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        self.shows.send_modify(change);
    }
}

#[async_trait]
impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        self.shows.borrow().now
    }

    async fn sleep_until(&self, due: Timestamp) {
        let mut seen = self.shows.subscribe();
        let begun = *seen.borrow();
        let end = ahead(begun.now, due).map(|left| begun.passed.saturating_add(left));
        let over = |shows: &Shows| shows.now >= due || end.is_none_or(|end| shows.passed >= end);
        // The sender lives as long as `self`, so the wait ends only by the time being reached.
        drop(seen.wait_for(over).await.map(|_| ()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn contract(clock: &dyn Clock) {
        let before = clock.now();
        clock.sleep_until(before).await;
        assert!(clock.now() >= before);
        clock.sleep_until(Timestamp::MIN).await;
    }

    #[tokio::test]
    async fn both_clocks_let_past_times_through_at_once() {
        contract(&SystemClock).await;
        contract(&ManualClock::new(Timestamp::UNIX_EPOCH)).await;
    }

    #[tokio::test]
    async fn a_sleeper_wakes_when_the_clock_reaches_its_time() {
        let clock = std::sync::Arc::new(ManualClock::new(Timestamp::UNIX_EPOCH));
        let due = Timestamp::from_second(10).expect("a time");
        let sleeper = { clock.clone() };
        let waiting = async move { sleeper.sleep_until(due).await };
        let moving = async {
            clock.advance(Duration::from_secs(9));
            clock.advance(Duration::from_secs(1));
        };
        tokio::join!(waiting, moving);
        assert_eq!(clock.now(), due);
    }

    #[tokio::test]
    async fn a_clock_that_is_set_back_keeps_nobody_longer_than_was_left() {
        let clock = ManualClock::new(Timestamp::from_second(1_000_000).expect("a time"));
        let mut sleeper =
            std::pin::pin!(clock.sleep_until(Timestamp::from_second(1_000_010).expect("a time")));
        assert!(futures_util::poll!(sleeper.as_mut()).is_pending());
        clock.set_back(Duration::from_secs(86_400));
        clock.advance(Duration::from_secs(9));
        assert!(futures_util::poll!(sleeper.as_mut()).is_pending());
        clock.advance(Duration::from_secs(1));
        assert!(futures_util::poll!(sleeper.as_mut()).is_ready());
    }
}
