//! One turn of one queue, top to bottom: look who is next, write down that an attempt begins, deliver, settle. What
//! follows from a failure is decided here and nowhere else; who has a turn is decided in `schedule`.

use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use futures_util::FutureExt;
use futures_util::future::{join_all, try_join_all};
use lienthong_monitoring::{Metrics, Step};
use lienthong_schemas::ids::DeliveryId;
use lienthong_schemas::organ::ReceiverToken;
use tracing::Instrument;

use crate::breaker::{Breakers, Change, Permit, Showed};
use crate::clock::after;
use crate::consign::{Memory, Together, consignment, failed, ids};
use crate::crash::crash_point;
use crate::directory::Directory;
use crate::ports::{Adapter, DeliveryFailure, FailureClass, Fault, Handover, Ports, Transition};
use crate::queue::{Next, PARK_AFTER, Queue, Referring, Standing};
use crate::record::{BootId, Delivery, Lane, State, SystemId};
use crate::retry::Policies;
use crate::schedule::{Ages, Errand, Look, Pause, Report};
use crate::settle::Settle;
use crate::tasks::Tasks;

/// An outcome that the store does not take is written again after this, and after twice as long each further time.
const WRITE_AGAIN_FIRST: Duration = Duration::from_millis(100);
const WRITE_AGAIN_MOST: Duration = Duration::from_secs(5);

/// What all turns of one adapter share.
pub(crate) struct Shared {
    pub(crate) ports: Ports,
    pub(crate) directory: Arc<ArcSwap<Directory>>,
    pub(crate) adapter: Arc<dyn Adapter>,
    pub(crate) policies: Arc<ArcSwap<Policies>>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) settle: Settle,
    pub(crate) breakers: Mutex<Breakers>,
    pub(crate) boot: BootId,
}

impl Shared {
    pub(crate) fn breakers(&self) -> MutexGuard<'_, Breakers> {
        self.breakers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn label(&self) -> &'static str {
        self.adapter.kind().as_str()
    }
}

/// What is remembered of a queue between its turns.
#[derive(Default)]
pub(crate) struct Known {
    failures: u32,
    standing: Standing,
    probe: Option<Probe>,
    memory: Memory,
}

impl Known {
    /// The store is another one: what is known of deliveries is not; what is known of the receiver is.
    pub(crate) fn forget(&mut self) {
        (self.probe, self.memory) = (None, Memory::default());
    }
}

/// Another delivery was tried in place of a stuck one, which has its turn after it.
struct Probe {
    stuck: DeliveryId,
    passed: bool,
}

/// What an attempt showed of its receiver.
enum Shown {
    /// It took or judged the packet.
    Fair,
    /// Nothing: the packet failed, not the receiver.
    Nothing,
    /// It is paused.
    Trouble { standing: Standing, pause: Duration },
}

/// One attempt that has ended.
struct Attempt {
    together: Together,
    stuck: Option<Delivery>,
    outcome: Result<Handover, DeliveryFailure>,
}

/// What is to be written of an attempt.
enum Outcome {
    Over { state: State, note: String },
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

/// A turn of one queue, of which there is one at a time.
pub(crate) struct Turn {
    pub(crate) shared: Arc<Shared>,
    pub(crate) tasks: Tasks,
    pub(crate) queue: ReceiverToken,
    pub(crate) known: Known,
}

/// A turn that is over.
pub(crate) struct Ended {
    pub(crate) queue: ReceiverToken,
    pub(crate) known: Known,
    pub(crate) outcome: Result<Report, Fault>,
}

impl Turn {
    /// The whole turn. Its future may be dropped at any point; what it had begun is then made again in the next life.
    pub(crate) async fn take(mut self, errand: Errand) -> Ended {
        let outcome = match errand {
            Errand::Serve(lane) => self.serve(lane).await,
            Errand::Ages => self.give_up_aged().await,
        };
        Ended { queue: self.queue, known: self.known, outcome }
    }

    /// One step for a lane: at most one attempt, so that the next queue has its turn.
    async fn serve(&mut self, lane: Lane) -> Result<Report, Fault> {
        let (next, more) = self.look(lane).await?;
        let now = self.shared.ports.clock.now();
        let (together, stuck) = match next {
            Next::Attempt(together) => (together, None),
            Next::Probe { together, stuck } => (together, Some(*stuck)),
            Next::Park(referring) => {
                self.park_referring(&referring).await?;
                return Ok(seen(lane, Look::Maybe));
            }
            Next::GiveUp(together) => {
                self.give_up(&together).await?;
                return Ok(seen(lane, Look::Maybe));
            }
            Next::Wait(due) if due <= now => return Ok(seen(lane, Look::Maybe)),
            Next::Wait(due) => return Ok(seen(lane, Look::Until(due))),
            Next::Held(until) => return Ok(seen(lane, Look::Waits(until))),
            Next::Idle => return Ok(seen(lane, Look::Nothing)),
        };
        let Some(system) = together.first().map(|head| head.route.system.clone()) else {
            return Ok(seen(lane, Look::Maybe));
        };
        if self.shared.breakers().ask(&system, &self.queue, now) == Permit::Wait {
            return Ok(Report { ages: Some(Ages::Unknown), ..seen(lane, Look::Held) });
        }
        let together = self.lease(together).await?;
        let Some(head) = together.first() else { return Ok(seen(lane, Look::Maybe)) };
        crash_point("after-lease");
        let left = more || head.lane != lane;
        let Some(outcome) = self.deliver(&together).await else { return Ok(seen(lane, Look::Maybe)) };
        let shown = self.settle(Attempt { together, stuck, outcome }, &system).await?;
        Ok(self.report(lane, left, &shown))
    }

    async fn look(&mut self, lane: Lane) -> Result<(Next, bool), Fault> {
        let (policies, now) = (self.shared.policies.load_full(), self.shared.ports.clock.now());
        let mut queue = self.queue(&policies);
        let next = queue.next(lane, now).await?;
        Ok((next, queue.more))
    }

    fn queue<'a>(&'a mut self, policies: &'a Policies) -> Queue<'a> {
        Queue {
            store: &*self.shared.ports.store,
            adapter: self.shared.adapter.kind(),
            token: &self.queue,
            policies,
            boot: self.shared.boot,
            standing: self.known.standing,
            breakers: &self.shared.breakers,
            probed_for: self.known.probe.as_ref().map(|probe| probe.stuck),
            memory: &mut self.known.memory,
            more: false,
        }
    }

    /// The receiver is not tried now: only what is too old goes.
    async fn give_up_aged(&mut self) -> Result<Report, Fault> {
        let (policies, now) = (self.shared.policies.load_full(), self.shared.ports.clock.now());
        let ages = match self.queue(&policies).ages(now).await? {
            Next::GiveUp(together) => {
                self.give_up(&together).await?;
                Ages::Unknown
            }
            Next::Wait(over) => Ages::At(over),
            _ => Ages::Never,
        };
        Ok(Report { ages: Some(ages), ..Report::default() })
    }

    async fn give_up(&self, together: &[Delivery]) -> Result<(), Fault> {
        self.shared.settle.give_up_all(together, "not deliverable within the time set").await.map(drop)
    }

    async fn park_referring(&self, referring: &[Referring]) -> Result<(), Fault> {
        let because = |one: &Referring| format!("refers to parked delivery {}", one.because.id);
        let park = referring.iter().map(|one| self.shared.settle.park(&one.delivery, because(one)));
        try_join_all(park).await.map(drop)
    }

    /// Before the first byte goes out, it is on disk that an attempt begins, in one barrier for all parts. Returned are
    /// those that still stood there: one that was withdrawn, or sent another way, since the look is not attempted.
    async fn lease(&self, together: Together) -> Result<Together, Fault> {
        let leased = together.into_iter().map(|part| self.lease_one(part));
        Ok(try_join_all(leased).await?.into_iter().flatten().collect())
    }

    async fn lease_one(&self, part: Delivery) -> Result<Option<Delivery>, Fault> {
        let (ports, boot) = (&self.shared.ports, self.shared.boot);
        if part.lease.is_some_and(|lease| lease.boot == boot) {
            // It was begun and the store did not say so: nobody else serves this queue.
            return Ok(Some(part));
        }
        let leased = ports.store.transition(part.id, ports.clock.now(), Transition::Leased { boot }).await?;
        Ok(leased.filter(|leased| leased.generation == part.generation))
    }

    /// `None`: the gateway stops, and the attempt was cut; it is made again with the same ids.
    async fn deliver(&self, together: &[Delivery]) -> Option<Result<Handover, DeliveryFailure>> {
        let shared = &self.shared;
        let delivery = together.first()?;
        if together.iter().any(|delivery| delivery.attempts > 0) {
            shared.metrics.retries.of(shared.label()).inc();
        }
        let span = tracing::info_span!(
            "delivery",
            document_id = %delivery.document, delivery_id = %delivery.id,
            sender = %delivery.sender, route = %delivery.route.receiver, attempt = delivery.attempts + 1,
            receivers = together.len(),
        );
        let timer = shared.metrics.timer(Step::Deliver);
        let outcome = tokio::select! {
            outcome = try_once(shared, together).instrument(span) => Some(outcome),
            () = self.tasks.stopped() => None,
        };
        drop(timer);
        outcome
    }

    /// Step settle: the outcome is written before anything else is done with this receiver.
    async fn settle(&mut self, attempt: Attempt, system: &SystemId) -> Result<Shown, Fault> {
        let timer = self.shared.metrics.timer(Step::Settle);
        let probe =
            self.known.probe.take_if(|probe| attempt.head().is_some_and(|head| head.id == probe.stuck));
        let shown = match &attempt.outcome {
            Ok(handover) => {
                self.delivered(&attempt, handover).await?;
                Shown::Fair
            }
            Err(failure) => self.failed(&attempt, failure, probe.is_some_and(|probe| probe.passed)).await?,
        };
        drop(timer);
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

    async fn delivered(&self, attempt: &Attempt, handover: &Handover) -> Result<(), Fault> {
        crash_point("after-receiver-2xx");
        let Handover { state, note } = handover.clone();
        let done = self.write(&attempt.together, &Outcome::Over { state, note }).await?;
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
        let standing = match failure.class {
            FailureClass::OneOfSeveral if together.len() > 1 => {
                self.known.memory.split(head.document);
                self.write(together, &Outcome::failed(failure, Duration::ZERO, false)).await?;
                return Ok(Shown::Fair);
            }
            FailureClass::Permanent | FailureClass::OneOfSeveral => {
                let note = failure.to_string();
                self.write(together, &Outcome::Over { state: State::Refused, note }).await?;
                return Ok(Shown::Fair);
            }
            FailureClass::Packet => {
                self.write(together, &Outcome::Parked { note: failure.to_string() }).await?;
                return Ok(Shown::Nothing);
            }
            // A probe that fails too shows that the receiver is in trouble, not the document.
            FailureClass::Document if attempt.stuck.is_none() => {
                let pause = retry.pause(head.document_failures + 1, failure.retry_after);
                self.write(together, &Outcome::failed(failure, pause, true)).await?;
                if others_pass && head.document_failures + 1 >= PARK_AFTER {
                    let note = "fails alone while other traffic passes".to_owned();
                    self.write(together, &Outcome::Parked { note }).await?;
                }
                return Ok(Shown::Nothing);
            }
            FailureClass::Document | FailureClass::Receiver => Standing::Failing,
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
        Ok(done)
    }

    async fn write_one(&self, part: &Delivery, outcome: &Outcome) -> Result<bool, Fault> {
        let settle = &self.shared.settle;
        match outcome {
            Outcome::Over { state, note } => settle.finish_one(part, *state, note.clone()).await,
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
    fn tell_breaker(&self, attempt: &Attempt, shown: &Shown, system: &SystemId) {
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

    fn report(&self, lane: Lane, left: bool, shown: &Shown) -> Report {
        let now = self.shared.ports.clock.now();
        match *shown {
            Shown::Fair if !left => Report { tried: true, ..seen(lane, Look::Nothing) },
            Shown::Fair | Shown::Nothing => Report { tried: true, ..seen(lane, Look::Maybe) },
            Shown::Trouble { pause, .. } => Report {
                tried: true,
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

fn seen(lane: Lane, look: Look) -> Report {
    Report { lane: Some((lane, look)), ..Report::default() }
}

async fn try_once(shared: &Shared, together: &[Delivery]) -> Result<Handover, DeliveryFailure> {
    let directory = shared.directory.load_full();
    let consignment = consignment(&shared.ports, &directory, together).await?;
    // A packet that makes an adapter panic is that document's failure, not the end of all deliveries.
    let attempt = AssertUnwindSafe(shared.adapter.deliver(&consignment)).catch_unwind().await;
    attempt.unwrap_or_else(|_| {
        tracing::error!(delivery_ids = ?ids(together), "the adapter panicked");
        Err(failed(FailureClass::Document, "panic", "the attempt failed inside the gateway".to_owned()))
    })
}
