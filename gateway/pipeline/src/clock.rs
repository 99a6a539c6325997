//! The two clocks: the system's, and one that tests move by hand.

use std::sync::Mutex;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use tokio::sync::watch;

use crate::ports::Clock;

/// Wall clock of the machine. Waits in steps of at most a minute, so that a clock that was set is noticed.
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
        loop {
            let left = due.duration_since(self.now());
            let Ok(left) = Duration::try_from(left) else { return };
            if left.is_zero() {
                return;
            }
            tokio::time::sleep(left.min(LONGEST_WAIT)).await;
        }
    }
}

/// A clock that stands still until it is moved.
#[derive(Debug)]
pub struct ManualClock {
    now: watch::Sender<Timestamp>,
    moving: Mutex<()>,
}

impl ManualClock {
    /// A clock that shows `start`.
    pub fn new(start: Timestamp) -> Self {
        Self { now: watch::Sender::new(start), moving: Mutex::new(()) }
    }

    /// Moves it forward; who waited for a time up to then goes on.
    pub fn advance(&self, by: Duration) {
        let _turn = self.moving.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        self.now.send_modify(|now| *now = after(*now, by));
    }
}

#[async_trait]
impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        *self.now.borrow()
    }

    async fn sleep_until(&self, due: Timestamp) {
        let mut seen = self.now.subscribe();
        // The sender lives as long as `self`, so the wait ends only by the time being reached.
        drop(seen.wait_for(|now| *now >= due).await.map(|_| ()));
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
}
