//! What another gateway has said of a delivery in `EVENTS`, and what that makes of the record that is kept here until it
//! is over (design.md B7). A generation that is older than the one here says nothing, because this gateway sent it again
//! since; but that a receiver has it holds for good.

use lienthong_pipeline::record::{Delivery, Event, NodeLife, State};

use super::{Record, Report, Step, may_be_requeued, settle};

/// The step that follows an event of another gateway; `None` where it is no news.
pub(super) fn followed(mut after: Record, event: &Event, number: u64) -> Option<Step> {
    let node = event.node.as_ref()?;
    // Whoever has it has it, however often it was sent again meanwhile.
    let is_there_for_good = matches!(event.entry.state, State::Received | State::Withdrawn);
    let is_older = event.generation < after.delivery.generation;
    if event.generation == 0 || (is_older && !is_there_for_good) {
        return None;
    }
    let entry = &event.entry;
    match entry.state {
        State::Queued => waits(&mut after, event, node)?,
        state => stands(&mut after, event, state, node, number)?,
    }
    let attempts = &mut after.delivery.attempts;
    *attempts = (*attempts).max(entry.attempt);
    let note = if entry.note.is_empty() {
        format!("[{}]", node.node)
    } else {
        format!("[{}] {}", node.node, entry.note)
    };
    Some(Step { is_followed: true, ..after.step(entry.at, &entry.event, &note) })
}

/// It waits there.
fn waits(after: &mut Record, event: &Event, node: &NodeLife) -> Option<()> {
    let is_newer = event.generation > after.delivery.generation;
    if is_newer {
        if after.delivery.state.is_final() && !may_be_requeued(after.delivery.state) {
            return None;
        }
        let delivery = &mut after.delivery;
        delivery.may_have_arrived |= delivery.lease.is_some() || !delivery.handed_off;
        (delivery.state, delivery.generation) = (State::Queued, event.generation);
        (delivery.published, delivery.handed_off) = (event.generation, false);
        (delivery.lease, delivery.elsewhere) = (None, None);
        (delivery.closed, delivery.contested) = (false, false);
        (after.report, after.published_at) = (None, Some(event.entry.at));
    }
    let delivery = &mut after.delivery;
    if delivery.state != State::Queued || delivery.handed_off {
        return None;
    }
    match event.entry.event.as_str() {
        "handed_off" => {
            // What was never written down as published was, if somebody has it.
            delivery.published = event.generation;
            delivery.elsewhere = Some(node.clone());
        }
        "attempt_failed" => {
            delivery.published = event.generation;
            delivery.elsewhere = Some(node.clone());
            delivery.may_have_arrived = true;
        }
        _ if is_newer => {}
        _ => return None,
    }
    Some(())
}

/// It came to this there.
fn stands(after: &mut Record, event: &Event, state: State, node: &NodeLife, number: u64) -> Option<()> {
    let Delivery { state: had, .. } = after.delivery;
    // An axis that took it says later what became of it.
    let goes_on = had == State::HandedOver && matches!(state, State::Received | State::Refused);
    if had == state || (had.is_final() && !goes_on) {
        return None;
    }
    let delivery = &mut after.delivery;
    delivery.generation = delivery.generation.max(event.generation);
    delivery.published = delivery.generation;
    delivery.elsewhere = Some(node.clone());
    delivery.contested = state == State::Parked && event.entry.event == "contested";
    if let Some(offer) = &event.offer {
        delivery.mailbox = Some(offer.mailbox);
    }
    if goes_on {
        delivery.state = state;
        let asks = after.asks_for_report();
        after.report = asks.then_some(Report { at: event.entry.at, number });
        return Some(());
    }
    let (attempts, mailbox) = (delivery.attempts, delivery.mailbox);
    settle(after, state, event.entry.at, number)?;
    (after.delivery.attempts, after.delivery.mailbox) = (attempts, mailbox);
    if matches!(event.entry.event.as_str(), "withdrawn" | "held") && !after.delivery.foreign {
        // The holder decided a recall, which the spool has yet to know.
        after.report = Some(Report { at: event.entry.at, number });
    }
    Some(())
}
