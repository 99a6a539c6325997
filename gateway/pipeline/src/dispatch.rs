//! The way out, top to bottom: one loop an adapter. Deliver, settle, report (ARCHITECTURE.md, steps 10 to 12).
//! Receivers go in parallel, one attempt at a time each; what follows from a failure is decided here and nowhere else.

use std::collections::{HashMap, HashSet};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use futures_util::FutureExt;
use futures_util::future::try_join_all;
use jiff::Timestamp;
use lienthong_monitoring::{Metrics, Step};
use lienthong_schemas::ids::DeliveryId;
use lienthong_schemas::organ::ReceiverToken;
use rand::Rng;
use tokio::task::JoinSet;
use tracing::Instrument;

use crate::clock::after;
use crate::consign::{Memory, Together, consignment, failed, ids};
use crate::crash::crash_point;
use crate::directory::Directory;
use crate::ports::{Adapter, DeliveryFailure, FailureClass, Fault, Handover, Ports, Transition};
use crate::queue::{Next, PARK_AFTER, Queue, Referring, Standing};
use crate::record::{Delivery, Lane, State};
use crate::settle::Settle;
use crate::tasks::Tasks;
use crate::wakes::Wakes;

/// How deliveries are tried; from the settings.
#[derive(Clone, Copy, Debug)]
pub struct DispatchPolicy {
    /// Pause after the first failure; doubled after each further one.
    pub retry_first: Duration,
    /// Longest pause.
    pub retry_max: Duration,
    /// Age at which a delivery is given up.
    pub give_up_after: Duration,
    /// Attempts at once; a quarter of them only for the urgent lane.
    pub concurrent: usize,
    /// Part of a pause that is random, 0.0 to 1.0, so that receivers are not all tried at one moment.
    pub jitter: f64,
}

impl DispatchPolicy {
    fn pause(&self, failures: u32, asked: Option<Duration>) -> Duration {
        let doubled = self.retry_first.saturating_mul(1_u32 << failures.saturating_sub(1).min(20));
        let pause = doubled.min(self.retry_max);
        let jitter = pause.mul_f64(self.jitter.clamp(0.0, 1.0) * rand::rng().random::<f64>());
        (pause + jitter).max(asked.unwrap_or_default())
    }
}

/// Far enough to mean "until woken".
const IDLE: Duration = Duration::from_secs(3600);

#[derive(Default)]
struct Receiver {
    busy: bool,
    paused_until: Option<Timestamp>,
    failures: u32,
    standing: Standing,
    probe: Option<Probe>,
    memory: Memory,
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
    receiver: ReceiverToken,
    together: Together,
    stuck: Option<Delivery>,
    outcome: Result<Handover, DeliveryFailure>,
}

/// One adapter's loop. A receiver here is a queue ([`crate::record::Route::queue`]).
pub struct Dispatch {
    ports: Ports,
    directory: Arc<ArcSwap<Directory>>,
    adapter: Arc<dyn Adapter>,
    policy: DispatchPolicy,
    metrics: Arc<Metrics>,
    wakes: Wakes,
    settle: Settle,
    receivers: HashMap<ReceiverToken, Receiver>,
    attempts: JoinSet<Attempt>,
}

impl Dispatch {
    /// The loop of one adapter.
    pub fn new(
        ports: Ports,
        directory: Arc<ArcSwap<Directory>>,
        adapter: Arc<dyn Adapter>,
        policy: DispatchPolicy,
        metrics: Arc<Metrics>,
        wakes: Wakes,
    ) -> Self {
        let settle = Settle::new(ports.clone(), metrics.clone(), wakes.clone());
        let (receivers, attempts) = (HashMap::new(), JoinSet::new());
        Self { ports, directory, adapter, policy, metrics, wakes, settle, receivers, attempts }
    }

    /// Runs until shutdown, then lets attempts under way be cut: they are repeated with the same ids.
    pub async fn run(mut self, tasks: Tasks) -> Result<(), Fault> {
        while !tasks.is_stopping() {
            self.settle.write_notes().await;
            let due = self.start_due().await?;
            tokio::select! {
                () = self.wakes.dispatch(self.adapter.kind()).notified() => {}
                () = self.ports.clock.sleep_until(due) => {}
                Some(ended) = self.attempts.join_next() => self.ended(ended).await?,
                () = tasks.stopped() => break,
            }
        }
        Ok(())
    }

    /// Starts what is due and returns when to look again.
    async fn start_due(&mut self) -> Result<Timestamp, Fault> {
        let now = self.ports.clock.now();
        let mut look_again = after(now, IDLE);
        for token in self.wakes.take_resumed(self.adapter.kind()) {
            self.receivers.entry(token).or_default().paused_until = None;
        }
        let waiting = self.ports.store.receivers(self.adapter.kind()).await?;
        let known: HashSet<&ReceiverToken> = waiting.iter().collect();
        self.receivers.retain(|token, receiver| {
            receiver.busy || receiver.paused_until.is_some_and(|t| t > now) || known.contains(token)
        });
        let paused = self.receivers.values().filter(|r| r.paused_until.is_some_and(|t| t > now)).count();
        self.metrics.receivers_paused.of(self.adapter.kind().as_str()).set(paused as u64);
        for token in waiting {
            if self.receivers.entry(token.clone()).or_default().busy {
                continue;
            }
            if let Some(due) = self.start(token, now).await? {
                look_again = look_again.min(due);
            }
        }
        Ok(look_again)
    }

    /// Takes one step for a receiver; returns when to look at it again, `None` for "when something happens".
    async fn start(&mut self, token: ReceiverToken, now: Timestamp) -> Result<Option<Timestamp>, Fault> {
        let lanes = self.free_lanes();
        let receiver = self.receivers.entry(token.clone()).or_default();
        let mut queue = Queue {
            store: &*self.ports.store,
            adapter: self.adapter.kind(),
            token: &token,
            give_up_after: self.policy.give_up_after,
            standing: receiver.standing,
            probed_for: receiver.probe.as_ref().map(|probe| probe.stuck),
            memory: &mut receiver.memory,
        };
        let next = match receiver.paused_until.filter(|until| *until > now) {
            Some(until) => queue.next_while_paused(until, now).await?,
            None => queue.next(lanes, now).await?,
        };
        match next {
            Next::Attempt(together) => self.attempt(token, together, None),
            Next::Probe { together, stuck } => self.attempt(token, together, Some(*stuck)),
            Next::Park(referring) => {
                let park = async |one: &Referring| {
                    let note = format!("refers to parked delivery {}", one.because.id);
                    self.settle.park(&one.delivery, note).await
                };
                try_join_all(referring.iter().map(park)).await?;
                return Ok(Some(now));
            }
            Next::GiveUp(together) => {
                self.settle.give_up_all(&together, "not deliverable within the time set").await?;
                return Ok(Some(now));
            }
            Next::Wait(due) => return Ok(Some(due)),
            Next::Idle => {}
        }
        Ok(None)
    }

    /// Lanes that have a free place, urgent first; a quarter of the places is kept for urgent ones.
    fn free_lanes(&self) -> &'static [Lane] {
        let busy = self.attempts.len();
        let normal = self.policy.concurrent - (self.policy.concurrent / 4);
        match busy {
            busy if busy < normal => &Lane::ALL,
            busy if busy < self.policy.concurrent => &[Lane::Urgent],
            _ => &[],
        }
    }

    fn attempt(&mut self, receiver: ReceiverToken, together: Together, stuck: Option<Delivery>) {
        let Some(delivery) = together.first() else { return };
        self.receivers.entry(receiver.clone()).or_default().busy = true;
        if together.iter().any(|delivery| delivery.attempts > 0) {
            self.metrics.retries.of(self.adapter.kind().as_str()).inc();
        }
        let span = tracing::info_span!(
            "delivery",
            document_id = %delivery.document, delivery_id = %delivery.id,
            sender = %delivery.sender, route = %delivery.route.receiver, attempt = delivery.attempts + 1,
            receivers = together.len(),
        );
        let (ports, adapter, metrics) = (self.ports.clone(), self.adapter.clone(), self.metrics.clone());
        let directory = self.directory.load_full();
        let work = async move {
            let timer = metrics.timer(Step::Deliver);
            let outcome = try_once(&ports, &directory, &*adapter, &together).await;
            drop(timer);
            Attempt { receiver, together, stuck, outcome }
        };
        self.attempts.spawn(work.instrument(span));
    }

    async fn ended(&mut self, ended: Result<Attempt, tokio::task::JoinError>) -> Result<(), Fault> {
        let attempt = ended.map_err(|panic| Fault::new("dispatch", panic))?;
        let timer = self.metrics.timer(Step::Settle);
        let receiver = self.receivers.entry(attempt.receiver.clone()).or_default();
        receiver.busy = false;
        let probe = receiver.probe.take_if(|probe| attempt.head().is_some_and(|head| head.id == probe.stuck));
        let shown = match &attempt.outcome {
            Ok(handover) => {
                self.delivered(&attempt, handover).await?;
                Shown::Fair
            }
            Err(failure) => self.failed(&attempt, failure, probe.is_some_and(|probe| probe.passed)).await?,
        };
        drop(timer);
        self.wakes.relay.notify_one();
        self.learn(attempt, &shown);
        Ok(())
    }

    fn learn(&mut self, attempt: Attempt, shown: &Shown) {
        let now = self.ports.clock.now();
        let receiver = self.receivers.entry(attempt.receiver).or_default();
        match *shown {
            Shown::Fair => (receiver.failures, receiver.standing) = (0, Standing::Fair),
            Shown::Nothing => {}
            Shown::Trouble { standing, pause } => {
                receiver.failures = receiver.failures.saturating_add(1);
                receiver.paused_until = now.saturating_add(pause).ok();
                receiver.standing = standing;
            }
        }
        let tells = attempt.outcome.is_ok() || matches!(shown, Shown::Trouble { .. });
        if let Some(stuck) = attempt.stuck.filter(|_| tells) {
            receiver.probe = Some(Probe { stuck: stuck.id, passed: attempt.outcome.is_ok() });
        }
    }

    /// Step settle: the outcome is written before anything else is done with this receiver.
    async fn delivered(&self, attempt: &Attempt, handover: &Handover) -> Result<(), Fault> {
        crash_point("after-receiver-2xx");
        let done = self.settle.finish(&attempt.together, handover.state, &handover.note).await?;
        crash_point("after-settle");
        for delivery in done {
            self.metrics.delivered.of(self.adapter.kind().as_str()).inc();
            tracing::info!(
                delivery_id = %delivery.id, document_id = %delivery.document,
                receiver = %delivery.route.receiver, state = handover.state.as_str(), "delivered",
            );
        }
        Ok(())
    }

    async fn park(&self, together: &[Delivery], note: &str) -> Result<(), Fault> {
        try_join_all(together.iter().map(|delivery| self.settle.park(delivery, note.to_owned())))
            .await
            .map(drop)
    }

    /// What follows from a failure. `others_pass`: since its last failure another one was taken in its place.
    async fn failed(
        &mut self,
        attempt: &Attempt,
        failure: &DeliveryFailure,
        others_pass: bool,
    ) -> Result<Shown, Fault> {
        let (together, Some(head)) = (&attempt.together, attempt.head()) else { return Ok(Shown::Nothing) };
        let labels = (self.adapter.kind().as_str(), failure.class.as_str());
        self.metrics.failed.of(labels.0, labels.1).inc();
        tracing::warn!(
            delivery_ids = ?ids(together), document_id = %head.document, receiver = %head.route.receiver,
            class = failure.class.as_str(), code = failure.code, note = failure.note, "attempt failed",
        );
        let standing = match failure.class {
            FailureClass::OneOfSeveral if together.len() > 1 => {
                self.receivers.entry(attempt.receiver.clone()).or_default().memory.split(head.document);
                self.try_again(together, failure, Duration::ZERO, false).await?;
                return Ok(Shown::Fair);
            }
            FailureClass::Permanent | FailureClass::OneOfSeveral => {
                self.settle.finish(together, State::Refused, &failure.to_string()).await?;
                return Ok(Shown::Fair);
            }
            FailureClass::Packet => {
                self.park(together, &failure.to_string()).await?;
                return Ok(Shown::Nothing);
            }
            // A probe that fails too shows that the receiver is in trouble, not the document.
            FailureClass::Document if attempt.stuck.is_none() => {
                let pause = self.policy.pause(head.document_failures + 1, failure.retry_after);
                self.try_again(together, failure, pause, true).await?;
                if others_pass && head.document_failures + 1 >= PARK_AFTER {
                    self.park(together, "fails alone while other traffic passes").await?;
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
        let failures = self.receivers.get(&attempt.receiver).map_or(1, |receiver| receiver.failures + 1);
        let pause = self.policy.pause(failures, failure.retry_after);
        self.try_again(together, failure, pause, false).await?;
        Ok(Shown::Trouble { standing, pause })
    }

    /// Writes a failed attempt down.
    async fn try_again(
        &self,
        together: &[Delivery],
        failure: &DeliveryFailure,
        pause: Duration,
        document_fault: bool,
    ) -> Result<(), Fault> {
        let now = self.ports.clock.now();
        let failed = |delivery: &Delivery| {
            let change = Transition::AttemptFailed {
                due: after(now, pause),
                document_fault,
                ours_to_fix: failure.class == FailureClass::OursToFix,
                may_have_arrived: failure.may_have_arrived,
                note: failure.to_string(),
            };
            self.ports.store.transition(delivery.id, now, change)
        };
        try_join_all(together.iter().map(failed)).await.map(drop)
    }
}

impl Attempt {
    fn head(&self) -> Option<&Delivery> {
        self.together.first()
    }
}

async fn try_once(
    ports: &Ports,
    directory: &Directory,
    adapter: &dyn Adapter,
    together: &[Delivery],
) -> Result<Handover, DeliveryFailure> {
    let consignment = consignment(ports, directory, together).await?;
    // A packet that makes an adapter panic is that document's failure, not the end of all deliveries.
    let attempt = AssertUnwindSafe(adapter.deliver(&consignment)).catch_unwind().await;
    attempt.unwrap_or_else(|_| {
        tracing::error!(delivery_ids = ?ids(together), "the adapter panicked");
        Err(failed(FailureClass::Document, "panic", "the attempt failed inside the gateway".to_owned()))
    })
}
