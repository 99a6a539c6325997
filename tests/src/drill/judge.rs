//! Compares every receipt with what each receiver got, and says what is wrong.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::RangeInclusive;

use jiff::Timestamp;
use lienthong_pipeline::queue::ON_ITS_WAY;
use serde_json::Value;

use super::clients::Sent;
use super::plan::{Kind, Lasts};
use super::receivers::Arrival;

/// What is wrong, by kind.
#[derive(Clone, Debug, Default)]
pub struct Verdict {
    /// Accepted, not delivered, and not recorded as over for a reason.
    pub lost: Vec<String>,
    /// Shown as something else than what its receiver has.
    pub wrongly_settled: Vec<String>,
    /// Came again otherwise.
    pub unequal: Vec<String>,
    /// Came before what was accepted earlier.
    pub disordered: Vec<String>,
    /// Receipts of one packet that differ, good packets refused, bad ones accepted, packets from nowhere.
    pub other: Vec<String>,
    /// Documents accepted.
    pub documents: u64,
    /// Their deliveries.
    pub deliveries: u64,
    /// Deliveries by their state in the end.
    pub states: BTreeMap<String, u64>,
    /// Deliveries that came more than once, equal each time.
    pub repeats: u64,
    /// Pairs whose order was compared.
    pub pairs: u64,
    /// Pairs in another order because one was parked, or tried again and again alone.
    pub excused: u64,
    /// Pairs in another order because an urgent packet took the later one, to which it refers, along.
    pub pulled: u64,
    /// Pairs in another order because the message of the earlier one, or of what it refers to, had not come out of the
    /// broker: it was taken by a life of the gateway that was killed, or published anew.
    pub late: u64,
    /// Pairs in another order of which one's history was lost with its store, so that nobody can say why.
    pub unrecorded: u64,
}

impl Verdict {
    /// Nothing is wrong.
    pub fn is_good(&self) -> bool {
        self.complaints().is_empty()
    }

    /// Everything that is wrong, each with its kind.
    pub fn complaints(&self) -> Vec<String> {
        let kinds = [
            ("lost", &self.lost),
            ("wrongly settled", &self.wrongly_settled),
            ("unequal repeat", &self.unequal),
            ("order", &self.disordered),
            ("other", &self.other),
        ];
        kinds.iter().flat_map(|(kind, all)| all.iter().map(move |text| format!("{kind}: {text}"))).collect()
    }

    /// Adds another round's.
    pub fn add(&mut self, other: Self) {
        self.lost.extend(other.lost);
        self.wrongly_settled.extend(other.wrongly_settled);
        self.unequal.extend(other.unequal);
        self.disordered.extend(other.disordered);
        self.other.extend(other.other);
        self.documents += other.documents;
        self.deliveries += other.deliveries;
        for (state, count) in other.states {
            *self.states.entry(state).or_default() += count;
        }
        self.repeats += other.repeats;
        self.pairs += other.pairs;
        self.excused += other.excused;
        self.pulled += other.pulled;
        self.late += other.late;
        self.unrecorded += other.unrecorded;
    }
}

/// One round: what was sent, what is shown of each document in the end (`None`: it is not there), what came.
pub(super) struct Case<'a> {
    /// What was sent.
    pub(super) sent: &'a [Sent],
    /// By document id.
    pub(super) views: &'a HashMap<String, Value>,
    /// Everything that came since the world began.
    pub(super) arrivals: &'a [Arrival],
    /// Codes of receivers.
    pub(super) codes: &'a [String],
    /// Only items from this number on are looked at for their order: all before it was over before the first of them.
    pub(super) round_from: u32,
    /// From when to when they came, by the gateway's clock when it is right.
    pub(super) right: RangeInclusive<Timestamp>,
}

/// Where a delivery came first to be stored, and what its history says.
struct Stored<'a> {
    sent: &'a Sent,
    at: usize,
    receiver: usize,
    excused: bool,
    /// Its history was lost once.
    rebuilt: bool,
    /// When it was accepted, taken over last, and settled first.
    accepted: Option<Timestamp>,
    taken_over: Option<Timestamp>,
    settled: Option<Timestamp>,
}

impl Case<'_> {
    /// The verdict.
    pub(super) fn judge(&self) -> Verdict {
        let mut verdict = Verdict::default();
        let mut by_delivery: HashMap<(&str, &str), Vec<&Arrival>> = HashMap::new();
        for arrival in self.arrivals {
            by_delivery.entry((&arrival.document_id, &arrival.receiver)).or_default().push(arrival);
        }
        let mut stored = Vec::new();
        for sent in self.sent {
            self.receipts(sent, &mut verdict);
            if let Some(document) = sent.document_id() {
                self.document(sent, document, &by_delivery, &mut stored, &mut verdict);
            }
        }
        self.order(&stored, &mut verdict);
        verdict
    }

    fn receipts(&self, sent: &Sent, verdict: &mut Verdict) {
        let what = format!("item {} ({:?})", sent.item.at, sent.item.kind);
        let malformed = matches!(sent.item.kind, Kind::Malformed(_));
        match (&sent.refused, sent.receipts.split_first()) {
            (Some((status, why)), _) if !malformed => {
                verdict.other.push(format!("{what}: a good packet was refused: {status} {why}"));
            }
            (None, _) if malformed => verdict.other.push(format!("{what}: a bad packet was accepted")),
            (_, Some((first, again))) if again.iter().any(|receipt| receipt != first) => {
                verdict.other.push(format!("{what}: receipts differ: {first} {again:?}"));
            }
            _ => {}
        }
        if malformed && self.arrivals.iter().any(|arrival| arrival.sha256 == sent.sha256) {
            verdict.other.push(format!("{what}: a bad packet was delivered"));
        }
    }

    fn document<'a>(
        &self,
        sent: &'a Sent,
        document: &str,
        arrivals: &HashMap<(&str, &str), Vec<&Arrival>>,
        stored: &mut Vec<Stored<'a>>,
        verdict: &mut Verdict,
    ) {
        verdict.documents += 1;
        let Some(view) = self.views.get(document) else {
            verdict.lost.push(format!("item {}: document {document} is not shown", sent.item.at));
            return;
        };
        let lines = view["deliveries"].as_array().map(Vec::as_slice).unwrap_or_default();
        for receiver in &sent.item.receivers {
            verdict.deliveries += 1;
            let code = self.codes[*receiver].as_str();
            let what = format!("item {}, document {document}, receiver {code}", sent.item.at);
            let came = arrivals.get(&(document, code)).map(Vec::as_slice).unwrap_or_default();
            let Some(line) = lines.iter().find(|line| line["receiver"] == code) else {
                verdict.lost.push(format!("{what}: no delivery"));
                continue;
            };
            equal(sent, line, came, &what, verdict);
            let may_park = may_stay_parked(self.sent, sent, *receiver);
            settled(may_park, line, came, &what, verdict);
            if let Some(first) = came.iter().find(|arrival| arrival.stored) {
                let (taken_over, settled) =
                    (times(line, "handed_off").next_back(), times(line, "settled").next());
                let accepted = times(line, "accepted").next();
                let (excused, rebuilt) = (is_excused(line), times(line, "rebuilt").next().is_some());
                stored.push(Stored {
                    sent,
                    at: first.at,
                    receiver: *receiver,
                    excused,
                    rebuilt,
                    accepted,
                    taken_over,
                    settled,
                });
            }
        }
    }
}

/// Every arrival has the same ids and bytes.
fn equal(sent: &Sent, line: &Value, came: &[&Arrival], what: &str, verdict: &mut Verdict) {
    let ids: BTreeSet<&str> = came.iter().map(|arrival| arrival.delivery_id.as_str()).collect();
    if ids.iter().any(|id| line["delivery_id"] != **id) {
        verdict.unequal.push(format!("{what}: delivery ids {ids:?}, shown {}", line["delivery_id"]));
    }
    if let Some(other) = came.iter().find(|arrival| arrival.sha256 != sent.sha256) {
        verdict.unequal.push(format!("{what}: bytes {} instead of {}", other.sha256, sent.sha256));
    }
    verdict.repeats += u64::from(came.iter().filter(|arrival| arrival.stored).count() > 1);
}

/// What is shown of a delivery is so.
fn settled(may_park: bool, line: &Value, came: &[&Arrival], what: &str, verdict: &mut Verdict) {
    let state = line["state"].as_str().unwrap_or_default();
    *verdict.states.entry(state.to_owned()).or_default() += 1;
    let has = came.iter().any(|arrival| arrival.stored);
    let history = line["history"].as_array().map(Vec::as_slice).unwrap_or_default();
    let last = history.last();
    let says_why = |entry: &Value| {
        entry["state"] == state && entry["note"].as_str().is_some_and(|note| !note.is_empty())
    };
    let reason = history.iter().any(says_why);
    let last_words = last.map(|last| format!("{} {}", last["event"], last["note"])).unwrap_or_default();
    let said = |text: &str| format!("{what}: shown as {state}, {text}; {last_words}");
    match state {
        "received" if !has => verdict.wrongly_settled.push(said("but never taken")),
        "withdrawn" if came.iter().any(|arrival| arrival.stored && !says_not_taken(arrival)) => {
            verdict.wrongly_settled.push(said("but taken"));
        }
        "refused" if !came.iter().any(|arrival| matches!(arrival.answered, 400..=499)) => {
            verdict.wrongly_settled.push(said("but never refused"));
        }
        "parked" | "refused" | "given_up" | "withdrawn" if !reason => {
            verdict.wrongly_settled.push(said("without a reason"));
        }
        // Where nothing else passes, nobody can tell the document's failure from its receiver's.
        "queued" if may_park => {}
        "parked" if !may_park => verdict.lost.push(said("after it was healed")),
        "received" | "withdrawn" | "parked" => {}
        _ => verdict.lost.push(said("in the end")),
    }
}

/// Its receiver took it and said that it did not (docs/recall.md): the gateway has to believe that.
fn says_not_taken(arrival: &Arrival) -> bool {
    matches!(arrival.answered, 400..=499 | 503)
}

/// Whether a delivery may be parked, or tried again and again, in the end: poison for ever, and what refers to it.
pub(super) fn may_stay_parked(all: &[Sent], sent: &Sent, receiver: usize) -> bool {
    let poison = |sent: &Sent| sent.item.poison == Some((receiver, Lasts::ForEver));
    poison(sent) || all.iter().any(|earlier| related(sent, earlier) && poison(earlier))
}

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
fn is_excused(line: &Value) -> bool {
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
    fn order(&self, stored: &[Stored<'_>], verdict: &mut Verdict) {
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
            verdict.pairs += 1;
            if later.at >= earlier.at {
                continue;
            }
            if !related && aside.contains(&place(earlier)) || earlier.excused {
                verdict.excused += 1;
            } else if !related && self.is_pulled(later) {
                verdict.pulled += 1;
            } else if !related && (self.is_untimed(earlier, later) || is_late(earlier, later, stored)) {
                verdict.late += 1;
            } else if earlier.rebuilt || later.rebuilt {
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

/// The times of an event in a delivery's history.
fn times<'a>(line: &'a Value, event: &str) -> impl DoubleEndedIterator<Item = Timestamp> + 'a {
    let event = event.to_owned();
    let history = line["history"].as_array().map(Vec::as_slice).unwrap_or_default();
    let of_event = history.iter().filter(move |entry| entry["event"] == event.as_str());
    of_event.filter_map(|entry| entry["at"].as_str()?.parse().ok())
}

/// A status packet has no place to say how urgent it is.
fn is_urgent(sent: &Sent) -> bool {
    sent.item.priority > 0 && !matches!(sent.item.kind, Kind::Status(..))
}

/// The letter that a packet is, or is about.
fn family(sent: &Sent) -> u32 {
    match sent.item.kind {
        Kind::Revoke(of) | Kind::Update(of) | Kind::Replace(of) | Kind::Status(of, _) => of,
        Kind::Letter | Kind::Malformed(_) => sent.item.at,
    }
}

fn related(later: &Sent, earlier: &Sent) -> bool {
    match later.item.kind {
        Kind::Revoke(of) | Kind::Update(of) | Kind::Replace(of) | Kind::Status(of, _) => {
            of == earlier.item.at
        }
        Kind::Letter | Kind::Malformed(_) => false,
    }
}

#[cfg(test)]
mod tests;
