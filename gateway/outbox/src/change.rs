//! What may become of a delivery, decided without I/O: both stores write down what these functions return.
//! Each step gives the record after it and one line of history; that line is the event, too.

use jiff::Timestamp;
use lienthong_pipeline::ports::{Fault, HandOff, Listing, Transition};
use lienthong_pipeline::record::{
    Admission, Beyond, BeyondWord, Delivery, Fence, Lease, MAILBOX_FAILS_MAX, Mailbox, MailboxWord, Move,
    Standing, State,
};

mod adopted;
mod followed;
mod noted;
mod recall;
mod record;

pub(crate) use self::adopted::{adopted, taken_on};
pub use self::noted::Noted;
pub(crate) use self::noted::{is_behind, rebuilt};
pub(crate) use self::recall::{Basis, moved_at_holder, moved_by_recall, recalled, recalls};
pub(crate) use self::record::{HISTORY_LINES_MAX, Record, Report, Step};

/// Most deliveries that one admission may have (design.md B2: they go in one batch).
pub const DELIVERIES_MAX: usize = 5_000;

/// Most documents under one name that `known` answers with, the newest.
pub(crate) const KNOWN_MAX: usize = 1_000;

/// The `place` of every fault of a store.
pub(crate) const PLACE: &str = "store";

/// Whether a delivery stands in a list.
pub(crate) fn is_listed(record: &Record, listing: Listing) -> bool {
    match listing {
        Listing::Pending => !record.delivery.state.is_final(),
        Listing::DeadLetters => record.delivery.is_dead_letter(),
    }
}

/// Whether an admission is one that a store takes.
pub(crate) fn check(admission: &Admission) -> Result<(), Fault> {
    let count = admission.deliveries.len();
    if count > DELIVERIES_MAX {
        return Err(Fault::new(
            PLACE,
            format!("{count} deliveries in one admission, at most {DELIVERIES_MAX}"),
        ));
    }
    if admission.moves.len() > Move::PER_ADMISSION_MAX {
        let moves = admission.moves.len();
        let most = Move::PER_ADMISSION_MAX;
        return Err(Fault::new(PLACE, format!("{moves} moves in one admission, at most {most}")));
    }
    let id = admission.receipt.document_id;
    let mut seen = std::collections::HashSet::with_capacity(count);
    for delivery in &admission.deliveries {
        if delivery.document != id || !seen.insert(delivery.id) {
            return Err(Fault::new(PLACE, format!("delivery {} is foreign or twice in {id}", delivery.id)));
        }
    }
    recall::check(admission, &seen)
}

/// What a move makes of a business state; `None` where a later one holds already. Two have one number where the store
/// failed after the admission of the first was on disk: that one was accepted earlier, and the second did not know of it.
pub(crate) fn moved(known: Option<&Standing>, change: &Move, at: Timestamp) -> Option<Standing> {
    let holds = known.is_none_or(|known| (known.number, known.since) < (change.number, at));
    holds.then_some(Standing { state: change.state, since: at, number: change.number })
}

/// A delivery of a new document.
pub(crate) fn admitted(delivery: &Delivery, order: u64) -> Step {
    let delivery =
        Delivery { order, published: 0, handed_off: false, closed: false, since: None, ..delivery.clone() };
    let at = delivery.accepted_at;
    Record::new(delivery).step(at, "accepted", "")
}

/// A delivery that came from another gateway, and whose document is now accepted here too: this one tells the sender as
/// well. `None` where it is known as one of ours.
pub(crate) fn accepted_too(known: &Record, at: Timestamp, number: u64) -> Option<Step> {
    let mut after = known.clone();
    std::mem::replace(&mut after.delivery.foreign, false).then_some(())?;
    after.report = after.asks_for_report().then_some(Report { at, number });
    Some(after.step(at, "accepted", ""))
}

/// Takes a delivery over for dispatch; `order` is for one that the store does not know.
pub(crate) fn handed_off(
    known: Option<&Record>,
    message: Delivery,
    order: u64,
    at: Timestamp,
) -> Result<(Step, HandOff), HandOff> {
    let taken = |step| (step, HandOff::Taken);
    let generation = message.generation;
    let Some(known) = known else {
        if message.state.is_final() {
            return Err(HandOff::Settled);
        }
        let (published, foreign) = (generation, true);
        let delivery = Delivery { order, published, handed_off: true, closed: false, foreign, ..message };
        return Ok(taken(Record::new(delivery).step(at, "handed_off", "")));
    };
    let delivery = &known.delivery;
    if generation > delivery.generation {
        return taken_again(known, message, at);
    }
    if delivery.state.is_final() {
        return Err(HandOff::Settled);
    }
    if generation < delivery.generation || delivery.handed_off {
        return Err(HandOff::Known);
    }
    let mut after = known.clone();
    (after.delivery.handed_off, after.delivery.elsewhere) = (true, None);
    Ok(taken(after.step(at, "handed_off", "")))
}

/// A generation that this store has not seen: another gateway requeued or rerouted the delivery.
fn taken_again(known: &Record, message: Delivery, at: Timestamp) -> Result<(Step, HandOff), HandOff> {
    let had = &known.delivery;
    if had.state.is_final() && !may_be_requeued(had.state) {
        // Who sent it does not know of the end, and would take what was said of an older generation for old.
        let mut after = known.clone();
        (after.delivery.generation, after.delivery.published) = (message.generation, message.generation);
        return Ok((after.step(at, "settled", "it was over before"), HandOff::Settled));
    }
    let delivery = Delivery {
        state: State::Queued,
        published: message.generation,
        handed_off: true,
        attempts: had.attempts.max(message.attempts),
        document_failures: 0,
        order: had.order,
        since: message.since.max(had.since),
        closed: false,
        may_have_arrived: message.may_have_arrived || had.may_have_arrived || had.lease.is_some(),
        foreign: had.foreign,
        ..message
    };
    let again = Record { lines: known.lines, told: known.told, ..Record::new(delivery) };
    Ok((again.step(at, "handed_off", ""), HandOff::Taken))
}

const fn may_be_requeued(state: State) -> bool {
    matches!(state, State::Parked | State::GivenUp | State::Refused)
}

/// A dead letter that is over. A parked one holds up what refers to it, so it may not leave the operator's sight.
fn may_be_closed(delivery: &Delivery) -> bool {
    delivery.is_dead_letter() && delivery.state.is_final()
}

/// Applies a transition; `None` when it does not fit. `number` is the one that its event will have.
pub(crate) fn transition(known: &Record, at: Timestamp, change: Transition, number: u64) -> Option<Step> {
    let mut after = known.clone();
    let delivery = &mut after.delivery;
    let (event, note) = match change {
        Transition::Published { generation } => {
            if generation != delivery.generation || delivery.published == generation {
                return None;
            }
            delivery.published = generation;
            after.published_at = Some(at);
            ("published", String::new())
        }
        Transition::Leased { boot, fence } => {
            if !known.is_head() || delivery.lease.is_some_and(|lease| lease.boot == boot) {
                return None;
            }
            if delivery.lease.replace(Lease { boot, at, fence }).is_some() {
                delivery.attempts = delivery.attempts.saturating_add(1);
                delivery.may_have_arrived = true;
            }
            return Some(after.unsaid());
        }
        Transition::Unleased { boot } => {
            delivery.lease.take_if(|lease| lease.boot == boot)?;
            return Some(after.unsaid());
        }
        Transition::AttemptFailed { due, document_fault, ours_to_fix, may_have_arrived, note } => {
            if !known.is_head() {
                return None;
            }
            delivery.attempts = delivery.attempts.saturating_add(1);
            let failures = delivery.document_failures.saturating_add(1);
            delivery.document_failures = if document_fault { failures } else { 0 };
            delivery.due = due;
            delivery.paused_at = Some(at);
            delivery.ours_to_fix = ours_to_fix;
            delivery.lease = None;
            delivery.may_have_arrived |= may_have_arrived;
            ("attempt_failed", note)
        }
        Transition::Settled { state, note, untold } => {
            let event = settle(&mut after, state, at, number)?;
            after.report.take_if(|_| untold);
            (event, note)
        }
        Transition::Contested { note } => {
            settle(&mut after, State::Parked, at, number)?;
            after.delivery.contested = true;
            ("contested", note)
        }
        Transition::HandedOn { doc_id, note } => {
            let event = settle(&mut after, State::HandedOver, at, number)?;
            let doc_id = doc_id.as_str().to_owned();
            after.delivery.beyond = Some(Beyond { doc_id, since: at, due: Some(at), said: None });
            (event, note)
        }
        Transition::Heard { word, due, note } => match heard(&mut after, word, due, at, number)? {
            Some(event) => (event, note),
            None => return Some(after.unsaid()),
        },
        Transition::Reported => {
            after.report.take()?;
            if matches!(delivery.state, State::Withdrawn | State::Parked) {
                return Some(after.unsaid());
            }
            after.told |= delivery.state == State::GivenUp;
            ("reported", String::new())
        }
        Transition::NotTold { note } => {
            after.report.take()?;
            ("not_told", note)
        }
        Transition::Requeued { note } => {
            if !may_be_requeued(delivery.state) && known.not_taken_over().is_none() {
                return None;
            }
            if delivery.state != State::Queued {
                delivery.since = Some(at);
            }
            send_again(&mut after, at)?;
            ("requeued", note)
        }
        Transition::Moved { boot, note } => {
            if !known.may_move(boot) {
                return None;
            }
            // Whoever had its turn may have taken it from the broker, and may be about to say so.
            delivery.may_have_arrived |= delivery.lease.is_some() || !delivery.handed_off;
            send_again(&mut after, at)?;
            ("moved", note)
        }
        Transition::Followed { event } => return followed::followed(after, &event, number),
        Transition::Rerouted { route, note } => {
            let waits = delivery.state == State::Queued && delivery.lease.is_none();
            if !may_be_requeued(delivery.state) && !waits {
                return None;
            }
            delivery.route = route;
            delivery.since = Some(at);
            send_again(&mut after, at)?;
            ("rerouted", note)
        }
        Transition::Hastened { note } => {
            if !known.is_head() {
                return None;
            }
            delivery.due = delivery.due.min(at);
            delivery.paused_at = None;
            ("hastened", note)
        }
        Transition::Mailbox { word, note } => (said(&mut after, word, at, number)?, note),
        Transition::Closed { note } => {
            if !may_be_closed(delivery) {
                return None;
            }
            delivery.closed = true;
            ("closed", note)
        }
    };
    let fence = known.delivery.lease.map_or(Fence::ALONE, |lease| lease.fence);
    Some(Step { fence, ..after.step(at, event, &note) })
}

/// Back to the start of the way, in the next generation.
fn send_again(after: &mut Record, at: Timestamp) -> Option<()> {
    let delivery = &mut after.delivery;
    delivery.state = State::Queued;
    delivery.generation = delivery.generation.checked_add(1)?;
    delivery.handed_off = false;
    delivery.elsewhere = None;
    delivery.document_failures = 0;
    delivery.ours_to_fix = false;
    delivery.lease = None;
    delivery.due = at;
    delivery.paused_at = None;
    (delivery.closed, delivery.contested) = (false, false);
    after.report = None;
    after.published_at = None;
    Some(())
}

fn settle(after: &mut Record, state: State, at: Timestamp, number: u64) -> Option<&'static str> {
    let delivery = &mut after.delivery;
    if state == State::Queued || delivery.state.is_final() || delivery.state == state {
        return None;
    }
    let was_offered = delivery.state == State::Offered;
    delivery.state = state;
    delivery.lease = None;
    if state == State::Offered {
        delivery.mailbox = Some(Mailbox::new(at));
    }
    if let Some(mailbox) = &mut delivery.mailbox {
        mailbox.changed = at;
    }
    // What a mailbox offered was an attempt then.
    if !was_offered && !matches!(state, State::Parked | State::GivenUp | State::Withdrawn) {
        delivery.attempts = delivery.attempts.saturating_add(1);
    }
    after.report = after.asks_for_report().then_some(Report { at, number });
    Some(if state == State::Parked { "parked" } else { "settled" })
}

/// What an axis says of a delivery that it took: the event, if there is one; `None` where it is not asked.
fn heard(
    after: &mut Record,
    word: Option<BeyondWord>,
    due: Option<Timestamp>,
    at: Timestamp,
    number: u64,
) -> Option<Option<&'static str>> {
    after.delivery.asked_beyond()?;
    let beyond = after.delivery.beyond.as_mut()?;
    beyond.due = due;
    let is_news = word.is_some_and(|word| beyond.said.replace(word) != Some(word));
    if word == Some(BeyondWord::Done) {
        beyond.due = None;
        after.delivery.state = State::Received;
        after.report = after.asks_for_report().then_some(Report { at, number });
        return Some(Some("settled"));
    }
    let is_last = after.delivery.asked_beyond().is_none();
    Some((is_news || is_last).then_some("heard"))
}

/// What a receiver says of a delivery that waits in its mailbox; `None` where that is no news.
fn said(after: &mut Record, word: MailboxWord, at: Timestamp, number: u64) -> Option<&'static str> {
    let delivery = &mut after.delivery;
    let mailbox = delivery.mailbox.as_mut().filter(|_| delivery.state == State::Offered)?;
    mailbox.changed = at;
    match word {
        MailboxWord::Fetched => (!std::mem::replace(&mut mailbox.fetched, true)).then_some("fetched"),
        MailboxWord::Processing => {
            (!std::mem::replace(&mut mailbox.processing, true)).then_some("processing")
        }
        MailboxWord::Failed => {
            mailbox.processing = false;
            mailbox.fails = mailbox.fails.saturating_add(1);
            if mailbox.fails >= MAILBOX_FAILS_MAX {
                settle(after, State::Parked, at, number)?;
            }
            Some("fail")
        }
    }
}
