//! What becomes of deliveries of a gateway that is lost, at the one that adopts it.

use jiff::Timestamp;
use lienthong_pipeline::ports::Left;
use lienthong_pipeline::record::{Delivery, State};

use super::{Record, Report, Step, send_again};

/// Keeps what a lost gateway had accepted; `order` is for a delivery that the store does not know.
pub(crate) fn adopted(
    known: Option<&Record>,
    lost: Delivery,
    order: u64,
    at: Timestamp,
    note: &str,
) -> Option<Step> {
    let generation = lost.generation;
    let mut after = match known {
        Some(known) if known.delivery.state.is_final() || !known.delivery.foreign => return None,
        Some(known) => known.clone(),
        None => Record::new(Delivery {
            order,
            published: generation,
            handed_off: false,
            // The lost one may have tried it.
            may_have_arrived: true,
            closed: false,
            ..lost
        }),
    };
    after.delivery.foreign = false;
    is_beyond(&mut after.delivery, generation);
    if after.delivery.state == State::Queued && !after.delivery.handed_off {
        send_again(&mut after, at)?;
    }
    Some(after.step(at, "adopted", note))
}

/// Whoever sends it again uses a number that nobody has used: the broker takes nothing twice under one.
fn is_beyond(delivery: &mut Delivery, generation: u32) {
    if delivery.generation < generation {
        (delivery.generation, delivery.published) = (generation, generation);
    }
}

/// The same of a document whose admission is there, so that this gateway tells its sender: also of what is over. `None`:
/// it is kept here already. `number` is that of the event.
pub(crate) fn taken_on(
    known: Option<&Record>,
    admitted: &Delivery,
    left: Option<&Left>,
    (order, number): (u64, u64),
    at: Timestamp,
    note: &str,
) -> Option<Step> {
    let generation = left.map_or(0, |left| left.generation).max(admitted.generation);
    let state = left.map_or(admitted.state, |left| left.state);
    let over = match known {
        Some(known) if !known.delivery.foreign => return None,
        Some(known) if known.delivery.state.is_final() => Some(known.clone()),
        None if state.is_final() || state == State::Parked => Some(Record::new(Delivery {
            order,
            state,
            generation,
            published: generation,
            handed_off: false,
            // The lost one may have tried what an operator now holds.
            may_have_arrived: left.is_some() && state != State::Parked,
            closed: false,
            ..admitted.clone()
        })),
        _ => None,
    };
    let Some(mut after) = over else {
        let lost = Delivery { state: State::Queued, generation, ..admitted.clone() };
        let mut step = adopted(known, lost, order, at, note)?;
        step.after.told = left.is_some_and(|left| left.told);
        return Some(step);
    };
    after.delivery.foreign = false;
    is_beyond(&mut after.delivery, generation);
    after.told |= left.is_some_and(|left| left.told);
    // Of what this one delivered itself it may know an end that is not in what was read.
    let reported = left.is_some_and(|left| left.reported && left.state == after.delivery.state);
    let since = left.filter(|left| left.state == after.delivery.state).map_or(at, |left| left.at);
    after.report = (after.asks_for_report() && !reported).then_some(Report { at: since, number });
    Some(after.step(at, "adopted", note))
}
