//! The way out, top to bottom: one loop an adapter. Deliver, settle, report (ARCHITECTURE.md, steps 10 to 12).
//! Receivers go in parallel, one attempt at a time each; what follows from a failure is decided here and nowhere else.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use lienthong_monitoring::{Metrics, Step};
use lienthong_schemas::ids::DeliveryId;
use lienthong_schemas::organ::ReceiverToken;
use rand::Rng;
use tokio::task::{Id, JoinError, JoinSet};
use tracing::Instrument;

use crate::crash::crash_point;
use crate::ports::{Adapter, Consignment, DeliveryFailure, FailureClass, Fault, Handover, Ports, Transition};
use crate::queue::{Next, PARK_AFTER, Queue, expiry};
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
    /// A delivery older than this is given up when its receiver fails again.
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

/// What is known of a receiver while this process lives. Pauses stand in the deliveries' `due`, too.
#[derive(Default)]
struct Receiver {
    busy: bool,
    paused_until: Option<Timestamp>,
    failures: u32,
    failed_at: Option<Timestamp>,
    probe_for: Option<DeliveryId>,
    passed_by: Option<DeliveryId>,
}

/// An attempt under way.
struct Attempt {
    receiver: ReceiverToken,
    delivery: Delivery,
    /// The stuck delivery for whose sake this one is tried.
    stuck: Option<DeliveryId>,
}

type Outcome = Result<Handover, DeliveryFailure>;

/// One adapter's loop.
pub struct Dispatch {
    ports: Ports,
    adapter: Arc<dyn Adapter>,
    policy: DispatchPolicy,
    metrics: Arc<Metrics>,
    wakes: Wakes,
    settle: Settle,
    receivers: HashMap<ReceiverToken, Receiver>,
    running: JoinSet<Outcome>,
    attempts: HashMap<Id, Attempt>,
}

impl Dispatch {
    /// The loop of one adapter.
    pub fn new(
        ports: Ports,
        adapter: Arc<dyn Adapter>,
        policy: DispatchPolicy,
        metrics: Arc<Metrics>,
        wakes: Wakes,
    ) -> Self {
        let settle = Settle::new(ports.clone(), metrics.clone(), wakes.clone());
        let (receivers, running, attempts) = (HashMap::new(), JoinSet::new(), HashMap::new());
        Self { ports, adapter, policy, metrics, wakes, settle, receivers, running, attempts }
    }

    /// Runs until shutdown, then lets attempts under way be cut: they are repeated with the same ids.
    ///
    /// # Errors
    /// Only when the store has ended.
    pub async fn run(mut self, tasks: Tasks) -> Result<(), Fault> {
        while !tasks.is_stopping() {
            self.settle.write_notes().await;
            let due = self.start_due().await?;
            tokio::select! {
                () = self.wakes.dispatch.notified() => {}
                () = self.ports.clock.sleep_until(due) => {}
                Some(ended) = self.running.join_next_with_id() => self.ended(ended).await?,
                () = tasks.stopped() => break,
            }
        }
        Ok(())
    }

    /// Starts what is due and returns when to look again.
    async fn start_due(&mut self) -> Result<Timestamp, Fault> {
        let now = self.ports.clock.now();
        let mut look_again = now.saturating_add(IDLE).unwrap_or(Timestamp::MAX);
        let waiting = self.ports.store.receivers(self.adapter.kind()).await?;
        let known: HashSet<&ReceiverToken> = waiting.iter().collect();
        let is_paused = |receiver: &Receiver| receiver.paused_until.is_some_and(|until| until > now);
        self.receivers.retain(|token, r| r.busy || is_paused(r) || known.contains(token));
        let paused = self.receivers.values().filter(|receiver| is_paused(receiver)).count();
        self.metrics.receivers_paused.of(self.adapter.kind().as_str()).set(paused as u64);
        for token in waiting {
            let receiver = self.receivers.entry(token.clone()).or_default();
            if receiver.busy {
                continue;
            }
            let due = match receiver.paused_until.filter(|until| *until > now) {
                Some(until) => Some(until),
                None => self.start(token, now).await?,
            };
            look_again = due.map_or(look_again, |due| look_again.min(due));
        }
        Ok(look_again)
    }

    /// Takes one step for a receiver; returns when to look at it again, `None` for "when something happens".
    async fn start(&mut self, token: ReceiverToken, now: Timestamp) -> Result<Option<Timestamp>, Fault> {
        let receiver = self.receivers.entry(token.clone()).or_default();
        let queue = Queue {
            store: &*self.ports.store,
            adapter: self.adapter.kind(),
            give_up_after: self.policy.give_up_after,
            failed_at: receiver.failed_at,
            probe_for: receiver.probe_for,
            passed_by: receiver.passed_by,
        };
        match queue.next(&token, self.free_lanes(), now).await? {
            Next::Attempt(delivery) => {
                self.attempt(Attempt { receiver: token, delivery: *delivery, stuck: None })
            }
            Next::Probe { delivery, stuck } => {
                self.attempt(Attempt { receiver: token, delivery: *delivery, stuck: Some(stuck) });
            }
            Next::Park { delivery, because } => {
                self.settle.park(&delivery, format!("refers to parked delivery {}", because.id)).await?;
                return Ok(Some(now));
            }
            Next::GiveUp(delivery) => {
                let note = "the receiver could not be reached within the time set".to_owned();
                self.settle.give_up(&delivery, note).await?;
                return Ok(Some(now));
            }
            Next::Wait(due) => return Ok(Some(due)),
            Next::Idle => {}
        }
        Ok(None)
    }

    /// Lanes that have a free place, urgent first; a quarter of the places is kept for urgent ones.
    fn free_lanes(&self) -> &'static [Lane] {
        let busy = self.running.len();
        let normal = self.policy.concurrent - (self.policy.concurrent / 4);
        match busy {
            busy if busy < normal => &Lane::ALL,
            busy if busy < self.policy.concurrent => &[Lane::Urgent],
            _ => &[],
        }
    }

    fn attempt(&mut self, attempt: Attempt) {
        let delivery = attempt.delivery.clone();
        self.receivers.entry(attempt.receiver.clone()).or_default().busy = true;
        if delivery.attempts > 0 {
            self.metrics.retries.of(self.adapter.kind().as_str()).inc();
        }
        let span = tracing::info_span!(
            "delivery",
            document_id = %delivery.document, delivery_id = %delivery.id,
            sender = %delivery.sender, route = %delivery.route.receiver, attempt = delivery.attempts + 1,
        );
        let (ports, adapter, metrics) = (self.ports.clone(), self.adapter.clone(), self.metrics.clone());
        let work = async move {
            let _timer = metrics.timer(Step::Deliver);
            try_once(&ports, &*adapter, &delivery).await
        };
        let id = self.running.spawn(work.instrument(span)).id();
        self.attempts.insert(id, attempt);
    }

    async fn ended(&mut self, ended: Result<(Id, Outcome), JoinError>) -> Result<(), Fault> {
        let (id, outcome) = match ended {
            Ok(ended) => ended,
            // A packet that makes an adapter panic is that document's failure, not the end of all deliveries.
            Err(panic) => {
                tracing::error!(%panic, "an attempt panicked");
                (
                    panic.id(),
                    Err(failure(FailureClass::Document, "panic", "the attempt failed inside the gateway")),
                )
            }
        };
        let Some(attempt) = self.attempts.remove(&id) else { return Ok(()) };
        let _timer = self.metrics.timer(Step::Settle);
        match outcome {
            Ok(handover) => self.delivered(&attempt, handover).await,
            Err(failure) => self.failed(&attempt, &failure).await,
        }
    }

    async fn delivered(&mut self, attempt: &Attempt, handover: Handover) -> Result<(), Fault> {
        crash_point("after-receiver-2xx");
        self.settle.finish(&attempt.delivery, handover.state, handover.note).await?;
        crash_point("after-settle");
        self.metrics.delivered.of(self.adapter.kind().as_str()).inc();
        tracing::info!(
            delivery_id = %attempt.delivery.id, document_id = %attempt.delivery.document,
            receiver = %attempt.delivery.route.receiver, state = handover.state.as_str(), "delivered",
        );
        let receiver = self.receivers.entry(attempt.receiver.clone()).or_default();
        let probe_for = if attempt.stuck.is_some() { None } else { receiver.probe_for };
        *receiver = Receiver { probe_for, passed_by: attempt.stuck, ..Receiver::default() };
        Ok(())
    }

    async fn failed(&mut self, attempt: &Attempt, failure: &DeliveryFailure) -> Result<(), Fault> {
        let delivery = &attempt.delivery;
        let adapter = self.adapter.kind().as_str();
        self.metrics.failed.of(adapter, failure.class.as_str()).inc();
        tracing::warn!(
            delivery_id = %delivery.id, document_id = %delivery.document, receiver = %delivery.route.receiver,
            class = failure.class.as_str(), code = failure.code, note = failure.note, "attempt failed",
        );
        let receiver = self.receivers.entry(attempt.receiver.clone()).or_default();
        receiver.busy = false;
        receiver.probe_for = None;
        let passed_by = receiver.passed_by.take() == Some(delivery.id);
        let note = failure.to_string();
        match failure.class {
            FailureClass::Permanent => self.settle.finish(delivery, State::Refused, note).await,
            FailureClass::Packet => self.settle.park(delivery, note).await,
            FailureClass::Document if passed_by => {
                self.settle.park(delivery, format!("fails alone while other traffic passes: {note}")).await
            }
            // A probe that fails too shows that the receiver is in trouble, not the document.
            FailureClass::Document if attempt.stuck.is_none() => self.pause_document(attempt, failure).await,
            FailureClass::OursToFix | FailureClass::Receiver | FailureClass::Document => {
                self.pause_receiver(attempt, failure).await
            }
        }
    }

    async fn pause_document(&mut self, attempt: &Attempt, failure: &DeliveryFailure) -> Result<(), Fault> {
        let failures = attempt.delivery.document_failures + 1;
        if failures >= PARK_AFTER {
            let receiver = self.receivers.entry(attempt.receiver.clone()).or_default();
            receiver.probe_for = Some(attempt.delivery.id);
        }
        let pause = self.policy.pause(failures, failure.retry_after);
        self.try_later(attempt, failure, pause).await
    }

    async fn pause_receiver(&mut self, attempt: &Attempt, failure: &DeliveryFailure) -> Result<(), Fault> {
        let now = self.ports.clock.now();
        let receiver = self.receivers.entry(attempt.receiver.clone()).or_default();
        receiver.failures = receiver.failures.saturating_add(1);
        let pause = self.policy.pause(receiver.failures, failure.retry_after);
        receiver.paused_until = now.saturating_add(pause).ok();
        if failure.class == FailureClass::OursToFix {
            tracing::error!(receiver = %attempt.receiver, code = failure.code, "ours to fix: receiver paused");
        } else {
            receiver.failed_at = Some(now);
        }
        self.try_later(attempt, failure, pause).await
    }

    /// The next attempt is after the pause, unless this one was the last that the delivery's age allows.
    async fn try_later(
        &self,
        attempt: &Attempt,
        failure: &DeliveryFailure,
        pause: Duration,
    ) -> Result<(), Fault> {
        let (delivery, now) = (&attempt.delivery, self.ports.clock.now());
        let ours_to_fix = failure.class == FailureClass::OursToFix;
        let expired = expiry(delivery, self.policy.give_up_after).is_some_and(|at| at <= now);
        if expired && !ours_to_fix {
            return self.settle.give_up(delivery, failure.to_string()).await;
        }
        let due = now.saturating_add(pause).unwrap_or(Timestamp::MAX);
        let document_fault = failure.class == FailureClass::Document && attempt.stuck.is_none();
        let change =
            Transition::AttemptFailed { due, document_fault, ours_to_fix, note: failure.to_string() };
        self.ports.store.transition(delivery.id, now, change).await?;
        self.wakes.relay.notify_one();
        Ok(())
    }
}

async fn try_once(ports: &Ports, adapter: &dyn Adapter, delivery: &Delivery) -> Outcome {
    let packet = match ports.spool.blob(delivery.digest).await {
        Ok(Some(packet)) => packet,
        Ok(None) => {
            return Err(failure(FailureClass::Packet, "blob_missing", "the blob is gone from the spool"));
        }
        // Out of file descriptors, or a disk in trouble: ours, and nobody else is to blame.
        Err(fault) => return Err(failure(FailureClass::OursToFix, "spool", &fault.to_string())),
    };
    let consignment = Consignment { delivery: delivery.clone(), packet, at: ports.clock.now() };
    adapter.deliver(&consignment).await
}

fn failure(class: FailureClass, code: &str, note: &str) -> DeliveryFailure {
    DeliveryFailure { class, code: code.to_owned(), note: note.to_owned(), retry_after: None }
}
