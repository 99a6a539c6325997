//! Whether a packet that takes a document back still finds it here, and what then becomes of both. Decided for one
//! receiver in the batch that takes the packet in, so that no attempt can begin between the look and the change.

use std::collections::{BTreeMap, HashMap, HashSet};

use jiff::Timestamp;
use lienthong_pipeline::ports::Fault;
use lienthong_pipeline::record::{Admission, Move, Recall, RecallAct, Standing, State};
use lienthong_schemas::ids::DeliveryId;

use super::{Noted, PLACE, Record, Report, Step};

/// How a recall is decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Basis {
    /// By the deliveries as they are.
    Look,
    /// It succeeded, as the note beside its admission says: what of it the lost store had not noted is done again.
    Succeeded,
    /// It was decided otherwise, or somebody has undone it since.
    Over,
}

impl Basis {
    /// What the note of the delivery that asks says; `None`: there is none, and nothing was decided, or nothing that
    /// anybody was told.
    pub(crate) fn of(act: RecallAct, noted: Option<&Noted>) -> Self {
        match (act, noted.map(|noted| noted.state)) {
            (_, None) => Self::Look,
            (RecallAct::Withdraw, Some(State::Withdrawn)) | (RecallAct::Hold, Some(State::Parked)) => {
                Self::Succeeded
            }
            (_, Some(_)) => Self::Over,
        }
    }
}

/// The changes that a recall makes, each with the record before it; `None` when it comes too late. `earlier` are the
/// deliveries that it names, `None` for one that the store does not know. `number` is that of the first event.
pub(crate) fn recalled(
    recall: &Recall,
    asks: &Record,
    earlier: Vec<Option<Record>>,
    basis: Basis,
    at: Timestamp,
    number: u64,
) -> Option<Vec<(Record, Step)>> {
    let earlier: Vec<Record> = match basis {
        Basis::Over => return None,
        Basis::Look => {
            earlier.into_iter().collect::<Option<Vec<_>>>().filter(|all| may_be_recalled(all, recall))?
        }
        Basis::Succeeded => earlier.into_iter().flatten().collect(),
    };
    let document = asks.delivery.document;
    let all_gone = earlier.iter().all(|record| record.delivery.state == State::Withdrawn);
    let mut steps = Vec::with_capacity(earlier.len() + 1);
    let mut step = |before: Record, state, note: &str| {
        let number = number + steps.len() as u64;
        let step = before.clone().taken_back(state, at, note, number);
        steps.push((before, step));
    };
    let (state, note) = match recall.act {
        RecallAct::Withdraw => {
            for before in earlier.into_iter().filter(|record| !record.delivery.state.is_final()) {
                step(before, State::Withdrawn, &format!("taken back by its sender in {document}"));
            }
            (State::Withdrawn, "what it takes back had not left, and was withdrawn")
        }
        RecallAct::Hold if all_gone => (State::Withdrawn, "what it asks back was withdrawn before"),
        RecallAct::Hold => {
            let again = |record: &Record| basis == Basis::Succeeded && record.delivery.since.is_some();
            let held = |record: &Record| !record.delivery.state.is_final() && !again(record);
            for before in earlier.into_iter().filter(held) {
                step(before, State::Parked, &format!("held: its sender asks for it back (13) in {document}"));
            }
            (State::Parked, "held with the document that it asks back")
        }
    };
    if basis == Basis::Look {
        step(asks.clone(), state, note);
    }
    Some(steps)
}

/// What an admission asks and is decided with it, by the delivery that asks it.
pub(crate) fn recalls(admission: &Admission) -> HashMap<DeliveryId, &Recall> {
    let here = admission.recalls.iter().filter(|recall| !recall.at_holder);
    here.map(|recall| (recall.by, recall)).collect()
}

/// What recalls that were decided elsewhere have made of business states, by what was noted of the deliveries that asked.
pub(crate) fn moved_at_holder<'a>(
    admission: &'a Admission,
    noted: &BTreeMap<DeliveryId, Noted>,
) -> impl Iterator<Item = &'a Move> {
    let succeeded = |recall: &&Recall| {
        recall.at_holder && Basis::of(recall.act, noted.get(&recall.by)) == Basis::Succeeded
    };
    admission.recalls.iter().filter(succeeded).flat_map(|recall| &recall.moves)
}

/// Nothing has gone out, or it was taken back before it did.
fn may_be_recalled(earlier: &[Record], recall: &Recall) -> bool {
    let here = |Record { delivery, .. }: &Record| {
        // Of several gateways another one may have what is being published.
        let is_here = !recall.at_holder || delivery.handed_off || delivery.state == State::Parked;
        (is_here && delivery.has_not_left()) || delivery.state == State::Withdrawn
    };
    !earlier.is_empty() && earlier.iter().all(here)
}

/// What a recall that succeeds makes of a business state, in place of the move of the same number.
pub(crate) fn moved_by_recall(known: Option<&Standing>, change: &Move, at: Timestamp) -> Option<Standing> {
    let holds = known.is_none_or(|known| (known.number, known.since) <= (change.number, at));
    holds.then_some(Standing { state: change.state, since: at, number: change.number })
}

/// Whether the recalls of an admission are ones that a store takes: each delivery asks once and is named once.
pub(super) fn check(admission: &Admission, own: &HashSet<DeliveryId>) -> Result<(), Fault> {
    let recalls = &admission.recalls;
    let asking: HashSet<DeliveryId> = recalls.iter().map(|recall| recall.by).collect();
    let named = || recalls.iter().flat_map(|recall| &recall.of);
    let (count, each) = (named().count(), named().collect::<HashSet<_>>());
    let moves = recalls.iter().map(|recall| recall.moves.len()).sum::<usize>();
    if count > Recall::NAMED_MAX || moves > Move::PER_ADMISSION_MAX {
        let most = (Recall::NAMED_MAX, Move::PER_ADMISSION_MAX);
        return Err(Fault::new(
            PLACE,
            format!("recalls of {count} deliveries and {moves} states, at most {most:?}"),
        ));
    }
    let fits = asking.is_subset(own) && asking.len() == recalls.len() && each.len() == count;
    if !fits || each.iter().any(|id| own.contains(id)) {
        let document = admission.receipt.document_id;
        return Err(Fault::new(PLACE, format!("the recalls of {document} do not fit its deliveries")));
    }
    Ok(())
}

impl Record {
    /// The state that a recall gives it, owed to the spool as a note.
    fn taken_back(mut self, state: State, at: Timestamp, note: &str, number: u64) -> Step {
        self.delivery.state = state;
        self.delivery.lease = None;
        self.delivery.closed = false;
        // It succeeded, so nothing had left; a store that is built anew did not know it by then.
        self.delivery.may_have_arrived = false;
        // Only what was accepted here has an admission to note it beside.
        self.report = (!self.delivery.foreign).then_some(Report { at, number });
        self.step(at, if state == State::Parked { "held" } else { "withdrawn" }, note)
    }
}
