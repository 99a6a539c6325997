//! What is noted of a delivery in the spool, beside its admission, and what a store that was lost, or a generation of it,
//! is brought to by that.

use jiff::Timestamp;
use lienthong_pipeline::record::{AdapterKind, Delivery, Mailbox, Route, State};

use super::{Record, Report, Step, may_be_closed};

/// What was noted of a delivery beside its admission.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Noted {
    /// The last state noted.
    pub state: State,
    /// When it came to be; `None` in a line of the first form.
    pub at: Option<Timestamp>,
    /// The report that this state asked for has been admitted.
    pub reported: bool,
    /// So has the one of an earlier end, which an operator took back: it was given up.
    pub told: bool,
    /// The operator has dealt with the dead letter that this state made.
    pub closed: bool,
    /// The way that the operator sent it; `None`: that of the admission.
    pub route: Option<Route>,
}

impl Noted {
    /// Of a delivery of which nothing was noted since its admission in this state.
    pub(crate) fn as_admitted(state: State) -> Self {
        Self { state, at: None, reported: false, told: false, closed: false, route: None }
    }

    /// Whether a delivery that this was noted of is over, dealt with, told of, and older than a time.
    pub(crate) fn is_old(&self, delivery: &Delivery, before: Timestamp) -> bool {
        let is_dealt_with = match self.state {
            State::Refused | State::GivenUp => self.closed,
            state => state.is_final(),
        };
        let asks = delivery.reportable && matches!(self.state, State::Received | State::GivenUp);
        is_dealt_with && (!asks || self.reported || self.is_told()) && self.at.is_none_or(|at| at < before)
    }

    /// The sender has been told that the delivery was given up. A report noted after a requeue is that of the end before.
    pub(crate) fn is_told(&self) -> bool {
        self.told || (self.reported && matches!(self.state, State::GivenUp | State::Queued))
    }
}

/// A delivery whose store was lost, after [`super::admitted`]: with the state that was noted beside its admission.
///
/// `epoch` is the number of this rebuild, higher than any generation and line before it. What still has to be delivered
/// gets it as generation, because the broker may know, and drop as a repeat, what the lost store had published. An
/// outcome that the sender had not been told by then is told under its own time; `number` is that of the event.
pub(crate) fn rebuilt(mut record: Record, noted: &Noted, at: Timestamp, epoch: u32, number: u64) -> Step {
    record.delivery.state = noted.state;
    if let Some(route) = &noted.route {
        record.delivery.route = route.clone();
    }
    // Whatever it came to there, its events are to say so to those who list the mailbox.
    if record.delivery.route.adapter == AdapterKind::Mailbox && noted.state != State::Queued {
        record.delivery.mailbox = Some(Mailbox::new(noted.at.unwrap_or(at)));
    }
    record.delivery.closed = noted.closed && may_be_closed(&record.delivery);
    record.told = noted.is_told();
    if !noted.state.is_final() {
        record.delivery.generation = epoch;
        // The lost store knew whether it had been tried. What a recall held had not been.
        record.delivery.may_have_arrived = noted.state != State::Parked || noted.at.is_none();
    }
    if noted.state == State::Queued {
        // Only a requeue and a reroute note this state.
        record.delivery.since = noted.at;
    }
    if record.asks_for_report() && !noted.reported {
        record.report = noted.at.map(|at| Report { at, number });
    }
    record.lines = u64::from(epoch);
    record.step(at, "rebuilt", "the store was built anew from the spool")
}

/// Whether a delivery may have gone on since this was left of it: by what was noted beside its admission, or because it
/// was not over. What ended without a note, because the disk was full just then, ended all the same.
pub(crate) fn is_behind(left: &Record, noted: Option<&Noted>) -> bool {
    let Delivery { state, since, closed, .. } = left.delivery;
    match noted {
        _ if !state.is_final() => true,
        None => false,
        // Only a requeue and a reroute note this; one that this record has seen is no news.
        Some(noted) if !noted.state.is_final() => noted.at.is_some() && noted.at != since,
        Some(noted) => {
            noted.state != state || noted.closed != closed || (noted.reported && left.report.is_some())
        }
    }
}
