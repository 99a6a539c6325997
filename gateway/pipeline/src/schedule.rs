//! Who is served when, within one adapter: the due index of its queues, by lane and time. A wake costs what is due, not
//! what waits: a queue stands in one list while it has something to do, and nowhere while it has not. Pure: it reads no
//! clock and no store; `dispatch` asks it who is next and tells it what came of it.

use std::collections::{BTreeSet, HashMap, VecDeque};

use jiff::Timestamp;
use lienthong_schemas::organ::ReceiverToken;

use crate::record::Lane;

/// Urgent ones in a row, of one queue and of all, after which a normal one has its turn if one is due. As many of one queue
/// may leave in one turn; a recall counts them all as under way.
pub(crate) const URGENT_IN_A_ROW: u32 = 8;

/// What is known of one lane of one queue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Look {
    /// It is empty.
    #[default]
    Nothing,
    /// Something may be due: it is to be looked at.
    Maybe,
    /// Its head is not due before this time.
    Until(Timestamp),
    /// It waits for something else, and is looked at again then, or when anything happens in its queue.
    Waits(Timestamp),
    /// Its system's breaker is open.
    Held,
}

/// When something in a queue that is not served becomes too old.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Ages {
    /// Never.
    #[default]
    Never,
    /// Somebody has to look.
    Unknown,
    /// Then.
    At(Timestamp),
}

/// A receiver's own pause.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pause {
    /// When it began.
    pub(crate) since: Timestamp,
    /// When it ends.
    pub(crate) until: Timestamp,
}

/// What to do for a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Errand {
    /// Serve this lane.
    Serve(Lane),
    /// Give up what is too old, and nothing else.
    Ages,
}

/// A turn, with a place that it has until [`Schedule::ended`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Turn {
    /// Whose.
    pub(crate) queue: ReceiverToken,
    /// To do what.
    pub(crate) errand: Errand,
    /// Packets that may leave one after the other before somebody else has a turn.
    pub(crate) most: u32,
}

/// What came of a turn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Report {
    /// The lane that was looked at, as it is.
    pub(crate) lane: Option<(Lane, Look)>,
    /// So many attempts were made.
    pub(crate) tried: u32,
    /// The receiver is paused from now on.
    pub(crate) pause: Option<Pause>,
    /// When what is not served becomes too old, where that is another time now.
    pub(crate) ages: Option<Ages>,
}

/// See the module.
pub(crate) struct Schedule {
    concurrent: usize,
    running: [usize; 2],
    urgent_in_a_row: u32,
    queues: HashMap<ReceiverToken, Entry>,
    /// By lane, the longest waiting first. An entry counts while its queue has the same stamp.
    ready: [VecDeque<(ReceiverToken, u64)>; 2],
    listed: [usize; 2],
    timers: BTreeSet<(Timestamp, ReceiverToken)>,
    stamp: u64,
    paused: u64,
}

#[derive(Default)]
struct Entry {
    lanes: [Look; 2],
    /// Has a turn, in a place of this lane.
    busy: Option<Lane>,
    /// Lanes that something came for during the turn.
    woken: [bool; 2],
    /// Its system's breaker let it go before the turn was over in which it was told to wait.
    released: bool,
    urgent_in_a_row: u32,
    pause: Option<Pause>,
    ages: Ages,
    listed: Option<(Lane, u64)>,
    timer: Option<Timestamp>,
}

impl Entry {
    /// Its next turn, if it is to have one now.
    fn wants(&self) -> Option<Errand> {
        if self.busy.is_some() {
            return None;
        }
        if self.ages == Ages::Unknown && self.is_kept() {
            return Some(Errand::Ages);
        }
        if self.pause.is_some() {
            return None;
        }
        let [urgent, normal] = self.lanes.map(|look| look == Look::Maybe);
        match (urgent, normal) {
            (true, true) if self.urgent_in_a_row >= URGENT_IN_A_ROW => Some(Errand::Serve(Lane::Normal)),
            (true, _) => Some(Errand::Serve(Lane::Urgent)),
            (false, true) => Some(Errand::Serve(Lane::Normal)),
            (false, false) => None,
        }
    }

    /// How many of a lane may leave in a row now, where no other queue waits for a turn.
    fn most(&self, lane: Lane) -> u32 {
        let other_waits = Lane::ALL.iter().any(|l| *l != lane && self.lanes[*l as usize] == Look::Maybe);
        match lane {
            Lane::Urgent if other_waits => URGENT_IN_A_ROW.saturating_sub(self.urgent_in_a_row).max(1),
            Lane::Normal if other_waits => 1,
            Lane::Urgent | Lane::Normal => URGENT_IN_A_ROW,
        }
    }

    /// Something in it may become too old before it is served.
    fn is_kept(&self) -> bool {
        self.pause.is_some() || self.lanes.contains(&Look::Held)
    }

    /// When it is to be looked at, if nothing happens before.
    fn wakes_at(&self) -> Option<Timestamp> {
        let ages = match self.ages {
            Ages::At(at) if self.is_kept() => Some(at),
            _ => None,
        };
        let served = match self.pause {
            Some(pause) => Some(pause.until),
            None => self.lanes.iter().filter_map(|look| look.time()).min(),
        };
        ages.into_iter().chain(served).min()
    }

    fn is_idle(&self) -> bool {
        self.busy.is_none() && self.pause.is_none() && self.lanes == [Look::Nothing; 2]
    }

    /// Something happened in it that a lane may have waited for.
    fn stir(&mut self) {
        for look in &mut self.lanes {
            if matches!(look, Look::Waits(_)) {
                *look = Look::Maybe;
            }
        }
    }
}

impl Look {
    fn time(self) -> Option<Timestamp> {
        match self {
            Self::Until(at) | Self::Waits(at) => Some(at),
            Self::Nothing | Self::Maybe | Self::Held => None,
        }
    }
}

impl Schedule {
    /// Nobody is known. `concurrent` turns at once, at least one.
    pub(crate) fn new(concurrent: usize) -> Self {
        Self {
            concurrent: concurrent.max(1),
            running: [0; 2],
            urgent_in_a_row: 0,
            queues: HashMap::new(),
            ready: [VecDeque::new(), VecDeque::new()],
            listed: [0; 2],
            timers: BTreeSet::new(),
            stamp: 0,
            paused: 0,
        }
    }

    /// So many turns at once from now on; those that run end as they do.
    pub(crate) fn resize(&mut self, concurrent: usize) {
        self.concurrent = concurrent.max(1);
    }

    /// Something came into this lane.
    pub(crate) fn arrived(&mut self, queue: &ReceiverToken, lane: Lane) {
        self.change(queue, |entry| {
            let look = &mut entry.lanes[lane as usize];
            let first = matches!(look, Look::Nothing);
            if *look != Look::Held {
                *look = Look::Maybe;
            }
            entry.woken[lane as usize] = true;
            // What stands behind others becomes too old after them.
            if first && entry.ages != Ages::Unknown {
                entry.ages = Ages::Unknown;
            }
            entry.stir();
        });
    }

    /// What stands in this queue may be another now.
    pub(crate) fn changed(&mut self, queue: &ReceiverToken) {
        self.change(queue, |entry| {
            (entry.lanes, entry.woken, entry.ages) = ([Look::Maybe; 2], [true; 2], Ages::Unknown);
        });
    }

    /// The operator wants it tried: its pause ends.
    pub(crate) fn resumed(&mut self, queue: &ReceiverToken) {
        self.change(queue, |entry| {
            (entry.lanes, entry.woken, entry.pause) = ([Look::Maybe; 2], [true; 2], None);
        });
    }

    /// The store has something in this queue; that is no news where something is known of it.
    pub(crate) fn found(&mut self, queue: &ReceiverToken) {
        self.change(queue, |entry| {
            for (look, woken) in entry.lanes.iter_mut().zip(&mut entry.woken) {
                if *look == Look::Nothing {
                    (*look, *woken) = (Look::Maybe, true);
                }
            }
        });
    }

    /// Its system's breaker lets it go. `false`: it does not come at once, and asks again by itself when it does.
    pub(crate) fn released(&mut self, queue: &ReceiverToken) -> bool {
        let Some(entry) = self.queues.get_mut(queue) else { return false };
        let held = entry.lanes.contains(&Look::Held);
        entry.released = entry.busy.is_some();
        let comes = held && entry.busy.is_none() && entry.pause.is_none();
        if held {
            self.change(queue, |entry| {
                for look in entry.lanes.iter_mut().filter(|look| **look == Look::Held) {
                    *look = Look::Maybe;
                }
            });
        }
        comes
    }

    /// Nothing that was known of what stands in the queues counts any more; pauses do. Time is another one, too: a pause
    /// that begins after `now` began on a clock that was set back since, and is over.
    pub(crate) fn forget(&mut self, now: Timestamp) {
        let queues: Vec<ReceiverToken> = self.queues.keys().cloned().collect();
        for queue in queues {
            self.change(&queue, |entry| {
                entry.lanes = [Look::Maybe; 2];
                entry.woken = [true; 2];
                entry.ages = Ages::Unknown;
                entry.pause.take_if(|pause| pause.since > now);
            });
        }
    }

    /// Lists what has become due.
    pub(crate) fn pass(&mut self, now: Timestamp) {
        while let Some((at, queue)) = self.timers.first().filter(|(at, _)| *at <= now).cloned() {
            self.timers.remove(&(at, queue.clone()));
            self.change(&queue, |entry| {
                entry.timer = None;
                entry.pause.take_if(|pause| pause.until <= now);
                if matches!(entry.ages, Ages::At(at) if at <= now) {
                    entry.ages = Ages::Unknown;
                }
                for look in &mut entry.lanes {
                    if look.time().is_some_and(|at| at <= now) {
                        *look = Look::Maybe;
                    }
                }
            });
        }
    }

    /// When [`Schedule::pass`] is to be called again, if nothing happens before.
    pub(crate) fn next_time(&self) -> Option<Timestamp> {
        self.timers.first().map(|(at, _)| *at)
    }

    /// The next turn, if a place is free for one.
    pub(crate) fn next(&mut self) -> Option<Turn> {
        let normal_first = self.urgent_in_a_row >= URGENT_IN_A_ROW;
        let order = if normal_first { [Lane::Normal, Lane::Urgent] } else { Lane::ALL };
        let lane = order.into_iter().find(|lane| self.listed[*lane as usize] > 0 && self.has_place(*lane))?;
        while let Some((queue, stamp)) = self.ready[lane as usize].pop_front() {
            let Some(entry) = self.queues.get_mut(&queue) else { continue };
            if entry.listed != Some((lane, stamp)) {
                continue;
            }
            let Some(errand) = entry.wants() else { continue };
            self.listed[lane as usize] -= 1;
            let most = if self.listed == [0; 2] { entry.most(lane) } else { 1 };
            (entry.listed, entry.busy, entry.woken, entry.released) = (None, Some(lane), [false; 2], false);
            self.running[lane as usize] += 1;
            self.urgent_in_a_row = match lane {
                Lane::Urgent => self.urgent_in_a_row.saturating_add(1),
                Lane::Normal => 0,
            };
            return Some(Turn { queue, errand, most });
        }
        None
    }

    /// A turn is over, and its place is free.
    pub(crate) fn ended(&mut self, queue: &ReceiverToken, report: Report) {
        let Some(place) = self.queues.get_mut(queue).and_then(|entry| entry.busy.take()) else { return };
        self.running[place as usize] -= 1;
        self.change(queue, |entry| {
            if let Some((lane, look)) = report.lane {
                let released = std::mem::take(&mut entry.released);
                let woken = if look == Look::Held { released } else { entry.woken[lane as usize] };
                entry.lanes[lane as usize] = if woken { Look::Maybe } else { look };
                entry.urgent_in_a_row = match lane {
                    Lane::Urgent => entry.urgent_in_a_row.saturating_add(report.tried),
                    Lane::Normal => 0,
                };
            }
            if report.tried > 0 {
                entry.stir();
            }
            if report.pause.is_some() {
                entry.pause = report.pause;
            }
            if let Some(ages) = report.ages {
                entry.ages = if entry.woken.contains(&true) { Ages::Unknown } else { ages };
            }
        });
    }

    /// Whether anything is known of a queue.
    pub(crate) fn knows(&self, queue: &ReceiverToken) -> bool {
        self.queues.contains_key(queue)
    }

    /// Receivers with a pause of their own.
    pub(crate) fn paused(&self) -> u64 {
        self.paused
    }

    fn has_place(&self, lane: Lane) -> bool {
        let keep = match (self.concurrent, lane) {
            (1, _) => 0,
            (all, Lane::Urgent) => (all / 10).max(1),
            (all, Lane::Normal) => (all / 4).max(1),
        };
        self.running.iter().sum::<usize>() < self.concurrent
            && self.running[lane as usize] + keep < self.concurrent
    }

    /// Drops what does not count any more, when it is more than half.
    fn tidy(&mut self) {
        let queues = &self.queues;
        for lane in Lane::ALL {
            let ready = &mut self.ready[lane as usize];
            if ready.len() > 64 + 2 * self.listed[lane as usize] {
                ready.retain(|(queue, stamp)| {
                    queues.get(queue).is_some_and(|entry| entry.listed == Some((lane, *stamp)))
                });
            }
        }
    }

    /// The one place where a queue's entry changes: it is then listed, timed and counted as it is.
    fn change(&mut self, queue: &ReceiverToken, change: impl FnOnce(&mut Entry)) {
        let entry = self.queues.entry(queue.clone()).or_default();
        let was_paused = entry.pause.is_some();
        change(entry);
        self.paused = self.paused + u64::from(entry.pause.is_some()) - u64::from(was_paused);
        let list = entry.wants().map(|errand| match errand {
            Errand::Serve(lane) => lane,
            Errand::Ages => Lane::Normal,
        });
        if entry.listed.map(|(lane, _)| lane) != list {
            if let Some((lane, _)) = entry.listed {
                self.listed[lane as usize] -= 1;
            }
            entry.listed = list.map(|lane| {
                self.stamp += 1;
                self.listed[lane as usize] += 1;
                self.ready[lane as usize].push_back((queue.clone(), self.stamp));
                (lane, self.stamp)
            });
        }
        let (had, timer) = (entry.timer, entry.wakes_at());
        entry.timer = timer;
        let idle = entry.is_idle();
        if timer != had {
            self.timers.extend(timer.map(|at| (at, queue.clone())));
            had.map(|at| self.timers.remove(&(at, queue.clone())));
        }
        if idle {
            self.queues.remove(queue);
        }
        self.tidy();
    }
}

#[cfg(test)]
mod tests;
