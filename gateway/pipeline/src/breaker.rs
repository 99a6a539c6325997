//! The breakers of one adapter: one for each system behind which several receivers may stand. Closed while the line
//! works; open after [`OPENS_AFTER`] failures in a row, and then nobody else behind it is tried; half open after the
//! pause, when exactly one queue is tried for all. Pure: who waits and who goes is decided here, nothing is done.

use std::collections::{BTreeMap, HashMap};

use jiff::Timestamp;
use lienthong_schemas::organ::ReceiverToken;

use crate::clock::after;
use crate::queue::Standing;
use crate::record::SystemId;
use crate::retry::Retry;

/// Failures in a row, of more than one queue, that open a breaker. One queue by itself proves nothing about the others;
/// it has a pause of its own.
pub const OPENS_AFTER: u32 = 3;

/// What a queue that wants to be tried is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Permit {
    /// Go.
    Free,
    /// Go, for all that wait: the outcome is to be told, or the permit given back.
    Probe,
    /// Wait; [`Breakers::due`] names it when its turn comes.
    Wait,
}

/// What an attempt showed of the line to a system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Showed {
    /// Somebody at its end took or judged a packet.
    Works,
    /// Nobody could be reached, or our word was not taken.
    Fails(Standing),
    /// Nothing.
    Nothing,
}

/// A change of a breaker, for the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// Nobody behind it is tried before this time. `first`: it was closed before.
    Opened {
        /// When one is tried.
        until: Timestamp,
        /// It was closed before.
        first: bool,
    },
    /// It works again.
    Closed,
}

/// Numbers for metrics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Count {
    /// Systems that nobody is tried at.
    pub(crate) open: u64,
    /// Systems that one is tried at for all.
    pub(crate) half_open: u64,
    /// Queues that wait for one of these.
    pub(crate) waiting: u64,
}

/// See the module.
#[derive(Default)]
pub(crate) struct Breakers {
    of: HashMap<SystemId, Breaker>,
}

#[derive(Default)]
struct Breaker {
    state: State,
    waiting: Waiting,
    /// The one of them that was named to be tried and has not come back yet.
    named: Option<ReceiverToken>,
}

/// Queues that were told to wait, each once, the longest waiting first.
#[derive(Default)]
struct Waiting {
    turns: BTreeMap<u64, ReceiverToken>,
    of: HashMap<ReceiverToken, u64>,
    last: u64,
}

enum State {
    Closed { failures: u32, last: Option<ReceiverToken>, several: bool },
    Open { since: Timestamp, until: Timestamp, times: u32, standing: Standing },
    HalfOpen { by: ReceiverToken, times: u32, standing: Standing },
}

impl Default for State {
    fn default() -> Self {
        Self::Closed { failures: 0, last: None, several: false }
    }
}

impl Breakers {
    /// A queue has something for a system. Told to wait, it is remembered.
    pub(crate) fn ask(&mut self, system: &SystemId, queue: &ReceiverToken, now: Timestamp) -> Permit {
        let Some(breaker) = self.of.get_mut(system) else { return Permit::Free };
        if breaker.named.as_ref() == Some(queue) {
            breaker.named = None;
        }
        match &breaker.state {
            State::Closed { .. } => Permit::Free,
            State::Open { times, standing, .. } if breaker.is_over(now) && breaker.named.is_none() => {
                let (times, standing) = (*times, *standing);
                breaker.waiting.remove(queue);
                breaker.state = State::HalfOpen { by: queue.clone(), times, standing };
                Permit::Probe
            }
            State::HalfOpen { by, .. } if by == queue => Permit::Probe,
            State::Open { .. } | State::HalfOpen { .. } => {
                breaker.waiting.add(queue);
                Permit::Wait
            }
        }
    }

    /// What an attempt of a queue showed. `pause` is that of the system's settings.
    pub(crate) fn tell(
        &mut self,
        system: &SystemId,
        queue: &ReceiverToken,
        showed: Showed,
        retry: &Retry,
        now: Timestamp,
    ) -> Option<Change> {
        if showed == Showed::Works && !self.of.contains_key(system) {
            return None;
        }
        let breaker = self.of.entry(system.clone()).or_default();
        let opened = |times: u32, standing| {
            let until = after(now, retry.pause(times, None));
            (State::Open { since: now, until, times, standing }, until)
        };
        match (&mut breaker.state, showed) {
            (State::Closed { .. }, Showed::Works) => {
                breaker.state = State::default();
                None
            }
            // Those that were under way when it opened may bring good news, too.
            (State::Open { .. } | State::HalfOpen { .. }, Showed::Works) => {
                breaker.state = State::default();
                Some(Change::Closed)
            }
            (State::Closed { failures, last, several }, Showed::Fails(standing)) => {
                *failures = failures.saturating_add(1);
                *several |= last.as_ref().is_some_and(|last| last != queue);
                *last = Some(queue.clone());
                if *failures < OPENS_AFTER || !*several {
                    return None;
                }
                let (state, until) = opened(1, standing);
                breaker.state = state;
                Some(Change::Opened { until, first: true })
            }
            (State::HalfOpen { by, times, .. }, Showed::Fails(standing)) if by == queue => {
                let (state, until) = opened(times.saturating_add(1), standing);
                breaker.state = state;
                Some(Change::Opened { until, first: false })
            }
            (State::HalfOpen { by, .. }, Showed::Nothing) if by == queue => {
                breaker.give_back(now);
                None
            }
            _ => None,
        }
    }

    /// A queue that may have been named, or have had a permit, did not come to an attempt.
    pub(crate) fn pass(&mut self, queue: &ReceiverToken, now: Timestamp) {
        for breaker in self.of.values_mut() {
            breaker.named.take_if(|named| named == queue);
            if matches!(&breaker.state, State::HalfOpen { by, .. } if by == queue) {
                breaker.give_back(now);
            }
        }
    }

    /// The operator wants this queue tried now: it is the next one to be tried for all.
    pub(crate) fn hasten(&mut self, queue: &ReceiverToken, now: Timestamp) {
        for breaker in self.of.values_mut() {
            let waits = breaker.waiting.of.contains_key(queue);
            if let State::Open { until, .. } = &mut breaker.state
                && waits
            {
                *until = now;
                breaker.named = None;
            }
        }
    }

    /// Queues that may come again now: all, where the line works again; one, where the pause is over.
    pub(crate) fn due(&mut self, now: Timestamp) -> Vec<ReceiverToken> {
        let mut due = Vec::new();
        for breaker in self.of.values_mut() {
            match breaker.state {
                State::Closed { .. } => {
                    due.extend(std::iter::from_fn(|| breaker.waiting.pop()));
                }
                State::Open { .. } if breaker.is_over(now) && breaker.named.is_none() => {
                    breaker.named = breaker.waiting.pop();
                    due.extend(breaker.named.clone());
                }
                State::Open { .. } | State::HalfOpen { .. } => {}
            }
        }
        self.of.retain(|_, breaker| {
            !matches!(breaker.state, State::Closed { failures: 0, .. }) || !breaker.waiting.of.is_empty()
        });
        due
    }

    /// When [`Breakers::due`] is to be asked again, if nothing happens before.
    pub(crate) fn next(&self) -> Option<Timestamp> {
        let waits = |breaker: &Breaker| match breaker.state {
            State::Open { until, .. } if breaker.named.is_none() && !breaker.waiting.of.is_empty() => {
                Some(until)
            }
            _ => None,
        };
        self.of.values().filter_map(waits).min()
    }

    /// What an open breaker says of everybody behind it.
    pub(crate) fn standing(&self, system: &SystemId) -> Standing {
        match self.of.get(system).map(|breaker| &breaker.state) {
            Some(State::Open { standing, .. } | State::HalfOpen { standing, .. }) => *standing,
            Some(State::Closed { .. }) | None => Standing::Fair,
        }
    }

    /// See [`Count`].
    pub(crate) fn count(&self) -> Count {
        let mut count = Count::default();
        for breaker in self.of.values() {
            count.open += u64::from(matches!(breaker.state, State::Open { .. }));
            count.half_open += u64::from(matches!(breaker.state, State::HalfOpen { .. }));
            count.waiting += breaker.waiting.of.len() as u64;
        }
        count
    }
}

impl Waiting {
    fn add(&mut self, queue: &ReceiverToken) {
        if !self.of.contains_key(queue) {
            self.last += 1;
            self.turns.insert(self.last, queue.clone());
            self.of.insert(queue.clone(), self.last);
        }
    }

    fn remove(&mut self, queue: &ReceiverToken) {
        if let Some(turn) = self.of.remove(queue) {
            self.turns.remove(&turn);
        }
    }

    fn pop(&mut self) -> Option<ReceiverToken> {
        let (_, queue) = self.turns.pop_first()?;
        self.of.remove(&queue);
        Some(queue)
    }
}

impl Breaker {
    /// Whether the pause is over. A clock that shows a time before it began was set back.
    fn is_over(&self, now: Timestamp) -> bool {
        matches!(self.state, State::Open { since, until, .. } if until <= now || now < since)
    }

    fn give_back(&mut self, now: Timestamp) {
        if let State::HalfOpen { times, standing, .. } = self.state {
            self.state = State::Open { since: now, until: now, times, standing };
        }
    }
}

#[cfg(test)]
mod tests;
