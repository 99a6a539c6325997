//! What a store keeps of one delivery, and one change of it: the record after it, and the line of history that is the
//! event, too.

use jiff::Timestamp;
use lienthong_pipeline::ports::OnItsWay;
use lienthong_pipeline::record::{BootId, Delivery, Event, Fence, HistoryEntry, Offer, State};
use serde::{Deserialize, Serialize};

/// Lines of history kept for a delivery (design.md B2).
pub(crate) const HISTORY_LINES_MAX: u64 = 50;

/// Longest line of history when written down, in bytes (design.md B2).
const HISTORY_LINE_BYTES_MAX: usize = 512;

/// What a store keeps of one delivery.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Record {
    /// As others see it.
    pub(crate) delivery: Delivery,
    /// Number of the last line of history; part of the event's id.
    pub(crate) lines: u64,
    /// Set while the sender has yet to be told.
    pub(crate) report: Option<Report>,
    /// The sender has been told that it was given up; that is told once, however often it is sent again.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) told: bool,
    /// When the broker acknowledged the generation that is published.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) published_at: Option<Timestamp>,
}

/// An outcome that the sender has yet to be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Report {
    /// When it was settled.
    pub(crate) at: Timestamp,
    /// The store's number of the event; reports go in this order.
    pub(crate) number: u64,
}

/// One change, decided and not yet written.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    /// The record after it.
    pub(crate) after: Record,
    /// What is remembered of it; nothing of an attempt that begins.
    pub(crate) line: Option<HistoryEntry>,
    /// Of the outcome of an attempt: the lease that it was made under.
    pub(crate) fence: Fence,
    /// Another gateway has said so in `EVENTS`: it is no event of this one.
    pub(crate) is_followed: bool,
}

impl Record {
    pub(super) fn new(delivery: Delivery) -> Self {
        Self { delivery, lines: 0, report: None, told: false, published_at: None }
    }

    /// See [`Delivery::is_unpublished`].
    pub(crate) fn is_unpublished(&self) -> bool {
        self.delivery.is_unpublished()
    }

    /// The broker has it, and nobody took it over: since when.
    pub(crate) fn not_taken_over(&self) -> Option<Timestamp> {
        let Delivery { published, generation, .. } = self.delivery;
        self.published_at.filter(|_| self.delivery.is_on_its_way() && published == generation)
    }

    /// If it [is on its way](Delivery::is_on_its_way), since when: the broker acknowledged it then, or its age counts from
    /// then on.
    pub(crate) fn on_its_way_since(&self) -> Option<Timestamp> {
        let since = || self.not_taken_over().unwrap_or_else(|| self.delivery.tried_since());
        self.delivery.is_on_its_way().then(since)
    }

    /// On its way, as others see it.
    pub(crate) fn on_its_way(&self) -> Option<OnItsWay> {
        let since = self.on_its_way_since()?;
        Some(OnItsWay { delivery: self.delivery.clone(), since })
    }

    /// Waits where the broker has, or had, its generation, and no attempt of this life is under way.
    pub(crate) fn may_move(&self, boot: BootId) -> bool {
        let Delivery { state, published, generation, lease, .. } = self.delivery;
        state == State::Queued && published == generation && lease.is_none_or(|lease| lease.boot != boot)
    }

    /// Stands in its receiver's queue.
    pub(crate) fn is_head(&self) -> bool {
        self.delivery.state == State::Queued && self.delivery.handed_off
    }

    /// Its outcome is one that a sender is told, and has not been told yet.
    pub(super) fn asks_for_report(&self) -> bool {
        self.delivery.reportable
            && !self.delivery.foreign
            && match self.delivery.state {
                State::Received => true,
                State::GivenUp => !self.told,
                _ => false,
            }
    }

    /// Waits in a mailbox.
    pub(crate) fn is_offered(&self) -> bool {
        self.delivery.state == State::Offered
    }

    /// Holds up what shares a key with it.
    pub(crate) fn is_in_the_way(&self) -> bool {
        let Delivery { state, contested, .. } = self.delivery;
        state == State::Queued || (state == State::Parked && !contested)
    }

    pub(super) fn step(mut self, at: Timestamp, event: &str, note: &str) -> Step {
        self.lines += 1;
        let Delivery { state, attempts: attempt, .. } = self.delivery;
        let line = HistoryEntry { at, state, event: event.to_owned(), attempt, note: note.to_owned() };
        Step { line: Some(fitted(line)), after: self, fence: Fence::ALONE, is_followed: false }
    }

    /// A step that is not remembered by a line of its own.
    pub(super) fn unsaid(self) -> Step {
        Step { line: None, after: self, fence: Fence::ALONE, is_followed: false }
    }
}

impl Step {
    /// The event of this step, if it has one.
    pub(crate) fn event(&self) -> Option<Event> {
        if self.is_followed {
            return None;
        }
        let Delivery { id, document, route, generation, .. } = &self.after.delivery;
        Some(Event {
            id: format!("{id}:{}", self.after.lines),
            document: *document,
            delivery: *id,
            receiver: route.receiver.clone(),
            entry: self.line.clone()?,
            generation: *generation,
            node: None,
            fence: self.fence,
            offer: Offer::of(&self.after.delivery).map(Box::new),
        })
    }
}

/// The line, its note cut so that it is at most [`HISTORY_LINE_BYTES_MAX`] bytes when written down.
fn fitted(mut line: HistoryEntry) -> HistoryEntry {
    const CUT: &str = "…";
    let room = HISTORY_LINE_BYTES_MAX - crate::sealed::HEAD_BYTES;
    let length = |line: &HistoryEntry| serde_json::to_vec(line).map_or(usize::MAX, |json| json.len());
    if length(&line) <= room {
        return line;
    }
    let note = std::mem::take(&mut line.note);
    let room = room.saturating_sub(length(&line) + CUT.len());
    let mut used = 0;
    let end = note.char_indices().find_map(|(start, c)| {
        used += written_bytes(c);
        (used > room).then_some(start)
    });
    line.note = format!("{}{CUT}", &note[..end.unwrap_or(note.len())]);
    line
}

/// Bytes of one character in a JSON string (RFC 8259 section 7).
const fn written_bytes(c: char) -> usize {
    match c {
        '"' | '\\' | '\n' | '\r' | '\t' | '\u{8}' | '\u{c}' => 2,
        '\0'..='\u{1f}' => 6,
        _ => c.len_utf8(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(note: &str) -> HistoryEntry {
        let (state, event) = (State::Queued, "attempt_failed".to_owned());
        HistoryEntry { at: Timestamp::MAX, state, event, attempt: u32::MAX, note: note.to_owned() }
    }

    #[test]
    fn a_line_is_cut_at_its_limit_and_not_before() {
        let length = |line: &HistoryEntry| crate::sealed::seal(b"", line).expect("sealed").len();
        let room = HISTORY_LINE_BYTES_MAX - length(&line(""));
        assert_eq!(fitted(line(&"x".repeat(room))).note, "x".repeat(room));
        for unit in ["x", "ệ", "\"", "\0", "\n", "😀", "\u{7f}", "x\0ệ\\"] {
            let cut = fitted(line(&unit.repeat(room + 1)));
            assert!(cut.note.ends_with('…'), "{unit:?}");
            let length = length(&cut);
            assert!(length <= HISTORY_LINE_BYTES_MAX, "{unit:?}: {length}");
            assert!(length + 16 > HISTORY_LINE_BYTES_MAX, "{unit:?}: {length}");
        }
    }
}
