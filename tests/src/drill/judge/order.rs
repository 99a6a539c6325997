//! What the judge says of order: who may come before whom, and what excuses it.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use lienthong_pipeline::queue::ON_ITS_WAY;
use serde_json::Value;

use super::super::clients::Sent;
use super::super::plan::{self, Kind};
use super::{Case, Stored, Verdict};

/// What begins the note of an attempt that failed by its receiver's doing, or by ours: nobody overtakes after these.
const NOT_ITS_OWN: [&str; 7] = [
    "HTTP 4",
    "HTTP 502",
    "HTTP 503",
    "HTTP 504",
    "Connection refused",
    "operation timed out",
    "client error (Connect)",
];

/// It was parked, or failed so often by itself that another one went first to learn whether others pass.
pub(super) fn is_excused(line: &Value) -> bool {
    let history = line["history"].as_array().map(Vec::as_slice).unwrap_or_default();
    let parked = |entry: &Value| {
        entry["event"] == "parked" || entry["state"] == "parked" || entry["state"] == "refused"
    };
    let by_itself = |entry: &&Value| {
        let note = entry["note"].as_str().unwrap_or_default();
        entry["event"] == "attempt_failed" && !NOT_ITS_OWN.iter().any(|start| note.starts_with(start))
    };
    history.iter().filter(by_itself).count() >= 2 || history.iter().any(parked)
}

impl Case<'_> {
    /// First in, first out for each receiver and lane; related packets in any lane. Only pairs of which one had its
    /// receipt before the other was sent have an order.
    pub(super) fn order(&self, stored: &[Stored<'_>], verdict: &mut Verdict) {
        let mut by_receiver: BTreeMap<usize, Vec<&Stored<'_>>> = BTreeMap::new();
        for one in stored.iter().filter(|one| one.sent.item.at >= self.round_from) {
            by_receiver.entry(one.receiver).or_default().push(one);
        }
        let place = |one: &Stored<'_>| (one.receiver, family(one.sent));
        // What refers to one that stood aside stands aside with it.
        let aside: BTreeSet<_> = stored.iter().filter(|one| one.excused).map(place).collect();
        for (earlier, later) in by_receiver.values().flat_map(|all| pairs(all)) {
            let Some(receipted) = earlier.sent.receipted else { continue };
            let related = family(later.sent) == family(earlier.sent);
            if receipted >= later.sent.begun || (is_urgent(earlier.sent) != is_urgent(later.sent) && !related)
            {
                continue;
            }
            if self.several && !(related && by_one(earlier.sent, later.sent)) {
                continue;
            }
            verdict.pairs += 1;
            if later.at >= earlier.at {
                continue;
            }
            if !related && aside.contains(&place(earlier)) || earlier.excused {
                verdict.excused += 1;
            } else if !related && self.is_pulled(later) {
                verdict.pulled += 1;
            } else if (!related && (self.is_untimed(earlier, later) || is_late(earlier, later, stored)))
                || (self.several && has_waited(earlier, later))
            {
                verdict.late += 1;
            } else if !self.several && (earlier.rebuilt || later.rebuilt) {
                verdict.unrecorded += 1;
            } else {
                verdict.disordered.push(disorder(earlier, later, related));
            }
        }
    }

    /// The clock was wrong at one of them, so that nobody can say how long which of them was waited for.
    fn is_untimed(&self, earlier: &Stored<'_>, later: &Stored<'_>) -> bool {
        let times = [earlier.accepted, earlier.taken_over, later.settled];
        times.iter().flatten().any(|time| !self.right.contains(time))
    }

    /// An urgent packet that refers to it, or to what it refers to, takes it along in its lane.
    fn is_pulled(&self, one: &Stored<'_>) -> bool {
        let takes_along = |urgent: &Sent| {
            is_urgent(urgent)
                && urgent.item.at > one.sent.item.at
                && family(urgent) == family(one.sent)
                && urgent.item.receivers.contains(&one.receiver)
        };
        !is_urgent(one.sent) && self.sent.iter().any(takes_along)
    }
}

/// One sender sent both to the same gateway, and to no other.
fn by_one(earlier: &Sent, later: &Sent) -> bool {
    earlier.item.sender == later.item.sender && earlier.tried.len() == 1 && earlier.tried == later.tried
}

fn pairs<'a, 'b>(all: &'a [&'b Stored<'b>]) -> impl Iterator<Item = (&'b Stored<'b>, &'b Stored<'b>)> + 'a {
    all.iter().flat_map(move |earlier| all.iter().map(move |later| (*earlier, *later)))
}

fn disorder(earlier: &Stored<'_>, later: &Stored<'_>, related: bool) -> String {
    let name = |one: &Stored<'_>| {
        format!("item {} ({})", one.sent.item.at, one.sent.document_id().unwrap_or_default())
    };
    let why = if related { ", its relative" } else { "" };
    format!("receiver {}: {} came before {}{why}", earlier.receiver, name(later), name(earlier))
}

/// It was taken over only after the later one was settled, which had waited for it as long as it has to; or what goes
/// before it because it refers to that was.
fn is_late(earlier: &Stored<'_>, later: &Stored<'_>, stored: &[Stored<'_>]) -> bool {
    if earlier.taken_over.zip(later.settled).is_some_and(|(taken, settled)| taken >= settled) {
        return match earlier.accepted.zip(later.settled) {
            // A clock that was set back between them says nothing of how long it was.
            Some((accepted, settled)) => settled < accepted || settled >= accepted + ON_ITS_WAY,
            None => false,
        };
    }
    let goes_before = |kin: &&Stored<'_>| {
        kin.receiver == earlier.receiver
            && family(kin.sent) == family(earlier.sent)
            && kin.sent.item.at <= earlier.sent.item.at
    };
    let taken_over = stored.iter().filter(goes_before).filter_map(|kin| kin.taken_over).max();
    taken_over.zip(later.settled).is_some_and(|(taken, settled)| taken >= settled)
}

/// Among several gateways even a relative is waited for only so long, if who accepted it does not bring it.
fn has_waited(earlier: &Stored<'_>, later: &Stored<'_>) -> bool {
    let long = later.accepted.zip(later.settled).is_some_and(|(at, end)| end >= at + ON_ITS_WAY);
    long && earlier.taken_over.zip(later.settled).is_some_and(|(taken, end)| taken >= end)
}

/// The times of an event in a delivery's history.
pub(super) fn times<'a>(line: &'a Value, event: &str) -> impl DoubleEndedIterator<Item = Timestamp> + 'a {
    let event = event.to_owned();
    let history = line["history"].as_array().map(Vec::as_slice).unwrap_or_default();
    let of_event = history.iter().filter(move |entry| entry["event"] == event.as_str());
    of_event.filter_map(|entry| entry["at"].as_str()?.parse().ok())
}

/// A status packet has no place to say how urgent it is.
fn is_urgent(sent: &Sent) -> bool {
    sent.item.priority > 0 && !matches!(sent.item.kind, Kind::Status(..))
}

pub(super) fn family(sent: &Sent) -> u32 {
    plan::family(&sent.item)
}
