//! Compares every receipt with what each receiver got, and says what is wrong.

mod loss;
mod order;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::RangeInclusive;

use jiff::Timestamp;
use serde_json::Value;

use super::clients::{Giver, Sent};
use super::plan::{Kind, Lasts};
use super::receivers::Arrival;
pub(super) use loss::{Losses, owes};
use order::{family, is_excused, times};

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
    /// There were several gateways: of order only what is about one document, of one sender, by one gateway is judged.
    pub several: bool,
    /// Deliveries of local receipts that nobody but a gateway that was lost with its disk knew of.
    pub only_on_a_lost_disk: u64,
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
        self.several |= other.several;
        self.only_on_a_lost_disk += other.only_on_a_lost_disk;
    }
}

/// What is shown of documents, by gateway and document id.
pub(super) type Views = HashMap<(usize, String), Value>;

/// One round: what was sent, what is shown of each document in the end (`None`: it is not there), what came.
pub(super) struct Case<'a> {
    /// What was sent.
    pub(super) sent: &'a [Sent],
    /// By gateway and document id: what those that gave a receipt show.
    pub(super) views: &'a Views,
    /// Everything that came since the world began.
    pub(super) arrivals: &'a [Arrival],
    /// Gateways that were lost with their disks.
    pub(super) lost: &'a Losses,
    /// Codes of receivers.
    pub(super) codes: &'a [String],
    /// Only items from this number on are looked at for their order: all before it was over before the first of them.
    pub(super) round_from: u32,
    /// There are several gateways; see [`Verdict::several`].
    pub(super) several: bool,
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
        let mut verdict = Verdict { several: self.several, ..Verdict::default() };
        let mut by_delivery: HashMap<(&str, &str), Vec<&Arrival>> = HashMap::new();
        for arrival in self.arrivals {
            by_delivery.entry((&arrival.document_id, &arrival.receiver)).or_default().push(arrival);
        }
        let mut stored = Vec::new();
        for sent in self.sent {
            self.receipts(sent, &mut verdict);
            let Some(document) = sent.document_id() else { continue };
            for (nth, giver) in sent.givers().into_iter().enumerate() {
                let mut own = Verdict::default();
                let mut shown = Vec::new();
                match self.lost.get(&giver.seat()) {
                    Some(covered) => {
                        self.after_loss(sent, (giver.at, *covered), document, &by_delivery, &mut own);
                    }
                    None => {
                        self.document(sent, giver.gateway, document, &by_delivery, &mut shown, &mut own);
                    }
                }
                if nth > 0 {
                    // It is counted once; what is wrong at another gateway is wrong.
                    let Verdict { lost, wrongly_settled, unequal, .. } = own;
                    own = Verdict { lost, wrongly_settled, unequal, ..Verdict::default() };
                } else {
                    stored.append(&mut shown);
                }
                verdict.add(own);
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
            (_, Some(_)) if differ(sent) => {
                verdict
                    .other
                    .push(format!("{what}: receipts differ: {:?} by {:?}", sent.receipts, sent.given_by));
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
        gateway: usize,
        document: &str,
        arrivals: &HashMap<(&str, &str), Vec<&Arrival>>,
        stored: &mut Vec<Stored<'a>>,
        verdict: &mut Verdict,
    ) {
        verdict.documents += 1;
        let Some(view) = self.views.get(&(gateway, document.to_owned())) else {
            let what =
                format!("item {}: document {document} is not shown by gateway {gateway}", sent.item.at);
            verdict.lost.push(what);
            return;
        };
        let lines = view["deliveries"].as_array().map(Vec::as_slice).unwrap_or_default();
        for receiver in &sent.item.receivers {
            verdict.deliveries += 1;
            let code = self.codes[*receiver].as_str();
            let by = if self.several { format!(", gateway {gateway}") } else { String::new() };
            let what = format!("item {}, document {document}, receiver {code}{by}", sent.item.at);
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

/// One gateway gives one receipt, and all give it for one document.
fn differ(sent: &Sent) -> bool {
    let given: Vec<((usize, u32), &Value)> =
        sent.given_by.iter().map(Giver::seat).zip(&sent.receipts).collect();
    let (_, first) = given[0];
    let same = |(by, receipt): &((usize, u32), &Value)| {
        let own = given.iter().find(|(giver, _)| giver == by);
        own.is_some_and(|(_, own)| own == receipt) && receipt["document_id"] == first["document_id"]
    };
    !given.iter().all(same)
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
