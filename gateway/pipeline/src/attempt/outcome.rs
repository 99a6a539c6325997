//! What follows from an attempt: its outcome is written, again and again until the store takes it, and what it showed of
//! the receiver, and of the line to its system, is kept in mind. Who is paused or parked is decided here and nowhere else.

use std::time::Duration;

use futures_util::future::join_all;
use lienthong_monitoring::Step;

use super::{Probe, Turn, seen};
use crate::breaker::{Change, Showed};
use crate::clock::after;
use crate::consign::{Together, ids};
use crate::crash::crash_point;
use crate::ports::{DeliveryFailure, FailureClass, Fault, Handover, Transition};
use crate::queue::{PARK_AFTER, Standing};
use crate::record::{Delivery, Lane, State, SystemId};
use crate::report::untold;
use crate::schedule::{Ages, Look, Pause, Report};

/// An outcome that the store does not take is written again after this, and after twice as long each further time.
const WRITE_AGAIN_FIRST: Duration = Duration::from_millis(100);
const WRITE_AGAIN_MOST: Duration = Duration::from_secs(5);

/// What an attempt showed of its receiver.
pub(super) enum Shown {
    /// It took or judged the packet.
    Fair,
    /// Nothing: the packet failed, not the receiver.
    Nothing,
    /// It is paused.
    Trouble { standing: Standing, pause: Duration },
}

/// One attempt that has ended.
pub(super) struct Attempt {
    pub(super) together: Together,
    pub(super) stuck: Option<Delivery>,
    pub(super) outcome: Result<Handover, DeliveryFailure>,
}

/// What is to be written of an attempt.
enum Outcome {
    Over { end: Transition },
    Parked { note: String },
    Failed { pause: Duration, document_fault: bool, ours_to_fix: bool, may_have_arrived: bool, note: String },
}

impl Outcome {
    /// Nothing more happens by itself.
    fn is_end(&self) -> bool {
        matches!(self, Self::Over { .. })
    }

    fn failed(failure: &DeliveryFailure, pause: Duration, document_fault: bool) -> Self {
        Self::Failed {
            pause,
            document_fault,
            ours_to_fix: failure.class == FailureClass::OursToFix,
            may_have_arrived: failure.may_have_arrived,
            note: failure.to_string(),
        }
    }
}

impl Turn {
    /// Step settle: the outcome is written before anything else is done with this receiver.
    pub(super) async fn settle(&mut self, attempt: Attempt, system: &SystemId) -> Result<Shown, Fault> {
        let probe =
            self.known.probe.take_if(|probe| attempt.head().is_some_and(|head| head.id == probe.stuck));
        let shown = match &attempt.outcome {
            Ok(handover) => {
                self.delivered(&attempt, handover).await?;
                Shown::Fair
            }
            Err(failure) => self.failed(&attempt, failure, probe.is_some_and(|probe| probe.passed)).await?,
        };
        self.tell_breaker(&attempt, &shown, system);
        match shown {
            Shown::Fair => (self.known.failures, self.known.standing) = (0, Standing::Fair),
            Shown::Nothing => {}
            Shown::Trouble { standing, .. } => {
                self.known.failures = self.known.failures.saturating_add(1);
                self.known.standing = standing;
            }
        }
        let tells = attempt.outcome.is_ok() || matches!(shown, Shown::Trouble { .. });
        if let Some(stuck) = attempt.stuck.filter(|_| tells) {
            self.known.probe = Some(Probe { stuck: stuck.id, passed: attempt.outcome.is_ok() });
        }
        Ok(shown)
    }

    /// Its receiver took it.
    pub(super) async fn delivered(&self, attempt: &Attempt, handover: &Handover) -> Result<(), Fault> {
        crash_point("after-receiver-2xx");
        let Handover { state, note, known_as } = handover.clone();
        let end = match known_as.filter(|_| state == State::HandedOver) {
            Some(doc_id) => Transition::HandedOn { doc_id, note },
            None => Transition::Settled { state, note, untold: false },
        };
        let done = self.write(&attempt.together, &Outcome::Over { end }).await?;
        crash_point("after-settle");
        for delivery in done {
            self.shared.metrics.delivered.of(self.shared.label()).inc();
            tracing::info!(
                delivery_id = %delivery.id, document_id = %delivery.document,
                receiver = %delivery.route.receiver, state = handover.state.as_str(), "delivered",
            );
        }
        Ok(())
    }

    /// What follows from a failure. `others_pass`: since its last failure another one was taken in its place.
    async fn failed(
        &mut self,
        attempt: &Attempt,
        failure: &DeliveryFailure,
        others_pass: bool,
    ) -> Result<Shown, Fault> {
        let (together, Some(head)) = (&attempt.together, attempt.head()) else { return Ok(Shown::Nothing) };
        self.shared.metrics.failed.of(self.shared.label(), failure.class.as_str()).inc();
        tracing::warn!(
            delivery_ids = ?ids(together), document_id = %head.document, receiver = %head.route.receiver,
            class = failure.class.as_str(), code = failure.code, note = failure.note, "attempt failed",
        );
        let retry = self.shared.policies.load().of(&head.route.system);
        let is_unlisted = matches!(failure.class, FailureClass::Unlisted { .. });
        let standing = match self.class_of(together, failure).await {
            FailureClass::OneOfSeveral if together.len() > 1 => {
                self.known.memory.split(head.document);
                self.write(together, &Outcome::failed(failure, Duration::ZERO, false)).await?;
                return Ok(Shown::Fair);
            }
            FailureClass::Permanent | FailureClass::OneOfSeveral => {
                let end =
                    Transition::Settled { state: State::Refused, note: failure.to_string(), untold: false };
                self.write(together, &Outcome::Over { end }).await?;
                return Ok(Shown::Fair);
            }
            FailureClass::Packet => {
                self.write(together, &Outcome::Parked { note: failure.to_string() }).await?;
                return Ok(Shown::Nothing);
            }
            // A probe that fails too shows that the receiver is in trouble, not the document; one whose receiver an axis does
            // not know shows nothing.
            FailureClass::Document if attempt.stuck.is_none() || is_unlisted => {
                let pause = retry.pause(head.document_failures + 1, failure.retry_after);
                self.write(together, &Outcome::failed(failure, pause, true)).await?;
                if others_pass && head.document_failures + 1 >= PARK_AFTER {
                    let note = "fails alone while other traffic passes".to_owned();
                    self.write(together, &Outcome::Parked { note }).await?;
                }
                return Ok(Shown::Nothing);
            }
            FailureClass::Document | FailureClass::Receiver | FailureClass::Unlisted { .. } => {
                Standing::Failing
            }
            FailureClass::OursToFix => {
                let receiver = &head.route.receiver;
                tracing::error!(%receiver, code = failure.code, "ours to fix: receiver paused");
                Standing::OursToFix
            }
        };
        let pause = retry.pause(self.known.failures.saturating_add(1), failure.retry_after);
        self.write(together, &Outcome::failed(failure, pause, false)).await?;
        Ok(Shown::Trouble { standing, pause })
    }

    /// Writes an outcome, again and again until the store takes it: what a receiver said is never dropped while this life
    /// lasts. Returned are those that were not over already.
    async fn write<'a>(
        &self,
        together: &'a [Delivery],
        outcome: &Outcome,
    ) -> Result<Vec<&'a Delivery>, Fault> {
        let timer = self.shared.metrics.timer(Step::Settle);
        let (mut left, mut done) = (together.iter().collect::<Vec<_>>(), Vec::new());
        let mut wait = WRITE_AGAIN_FIRST;
        loop {
            let written = join_all(left.iter().map(|part| self.write_one(part, outcome))).await;
            let mut fault = None;
            let mut again = Vec::new();
            for (part, written) in left.into_iter().zip(written) {
                match written {
                    Ok(true) => done.push(part),
                    Ok(false) => {}
                    Err(cause) => {
                        again.push(part);
                        fault = Some(cause);
                    }
                }
            }
            let Some(fault) = fault else { break };
            if fault.fatal {
                return Err(fault);
            }
            tracing::error!(%fault, queue = %self.queue, "an outcome is not on disk yet");
            let clock = &self.shared.ports.clock;
            tokio::select! {
                () = clock.sleep_until(after(clock.now(), wait)) => {}
                () = self.tasks.stopped() => return Err(fault),
            }
            (left, wait) = (again, (wait * 2).min(WRITE_AGAIN_MOST));
        }
        self.shared.settle.tell(&done, outcome.is_end()).await;
        drop(timer);
        Ok(done)
    }

    async fn write_one(&self, part: &Delivery, outcome: &Outcome) -> Result<bool, Fault> {
        let settle = &self.shared.settle;
        match outcome {
            Outcome::Over { end } => {
                let mut end = end.clone();
                if let Transition::Settled { state, untold: nobody_is_told, .. } = &mut end {
                    *nobody_is_told = untold(&self.shared.directory.load(), part, *state);
                }
                settle.finish_one_and_note(part, end, &self.tasks).await
            }
            Outcome::Parked { note } => settle.park_one(part, note.clone()).await,
            Outcome::Failed { pause, document_fault, ours_to_fix, may_have_arrived, note } => {
                let now = self.shared.ports.clock.now();
                let change = Transition::AttemptFailed {
                    due: after(now, *pause),
                    document_fault: *document_fault,
                    ours_to_fix: *ours_to_fix,
                    may_have_arrived: *may_have_arrived,
                    note: note.clone(),
                };
                Ok(self.shared.ports.store.transition(part.id, now, change).await?.is_some())
            }
        }
    }

    /// What this attempt says of the line to its system. An answer that names a time speaks for its receiver only.
    pub(super) fn tell_breaker(&self, attempt: &Attempt, shown: &Shown, system: &SystemId) {
        let named_a_time = attempt.outcome.as_ref().is_err_and(|failure| failure.retry_after.is_some());
        let showed = match shown {
            Shown::Fair => Showed::Works,
            Shown::Nothing => Showed::Nothing,
            Shown::Trouble { standing: Standing::Failing, .. } if named_a_time => Showed::Nothing,
            Shown::Trouble { standing, .. } => Showed::Fails(*standing),
        };
        let retry = self.shared.policies.load().of(system);
        let now = self.shared.ports.clock.now();
        let change = self.shared.breakers().tell(system, &self.queue, showed, &retry, now);
        let adapter = self.shared.label();
        match change {
            Some(Change::Opened { until, first }) => {
                if first {
                    self.shared.metrics.breaker_opened.of(adapter).inc();
                }
                tracing::error!(%system, adapter, %until, first, "breaker open: nobody behind it is tried");
            }
            Some(Change::Closed) => tracing::info!(%system, adapter, "breaker closed"),
            None => {}
        }
    }

    pub(super) fn report(&self, lane: Lane, left: bool, tried: u32, shown: &Shown) -> Report {
        let now = self.shared.ports.clock.now();
        match *shown {
            Shown::Fair if !left => Report { tried, ..seen(lane, Look::Nothing) },
            Shown::Fair | Shown::Nothing => Report { tried, ..seen(lane, Look::Maybe) },
            Shown::Trouble { pause, .. } => Report {
                tried,
                pause: Some(Pause { since: now, until: after(now, pause) }),
                ages: Some(Ages::Unknown),
                ..seen(lane, Look::Maybe)
            },
        }
    }
}

impl Attempt {
    fn head(&self) -> Option<&Delivery> {
        self.together.first()
    }
}
