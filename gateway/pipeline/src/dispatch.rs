//! The way out, top to bottom: one loop an adapter. Deliver, settle, report (ARCHITECTURE.md, steps 10 to 12).
//! Receivers go in parallel, one attempt at a time each; what follows from a failure is decided here and nowhere else.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use lienthong_monitoring::{Metrics, Step};
use lienthong_schemas::organ::ReceiverToken;
use rand::Rng;
use tokio::task::JoinSet;
use tracing::Instrument;

use crate::crash::crash_point;
use crate::ports::{Adapter, Consignment, DeliveryFailure, FailureClass, Fault, Handover, Ports, Transition};
use crate::queue::{Next, Queue};
use crate::record::{Delivery, Lane, State};
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
    busy: Option<Lane>,
    paused_until: Option<Timestamp>,
    failures: u32,
}

struct Attempt {
    receiver: ReceiverToken,
    delivery: Delivery,
    stuck: Option<Delivery>,
    outcome: Result<Handover, DeliveryFailure>,
}

/// One adapter's loop.
pub struct Dispatch {
    ports: Ports,
    adapter: Arc<dyn Adapter>,
    policy: DispatchPolicy,
    metrics: Arc<Metrics>,
    wakes: Wakes,
    receivers: HashMap<ReceiverToken, Receiver>,
    attempts: JoinSet<Result<Attempt, Fault>>,
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
        let (receivers, attempts) = (HashMap::new(), JoinSet::new());
        Self { ports, adapter, policy, metrics, wakes, receivers, attempts }
    }

    /// Runs until shutdown, then lets attempts under way be cut: they are repeated with the same ids.
    pub async fn run(mut self, tasks: Tasks) -> Result<(), Fault> {
        while !tasks.is_stopping() {
            let due = self.start_due().await?;
            tokio::select! {
                () = self.wakes.dispatch.notified() => {}
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
        let mut look_again = now.saturating_add(IDLE).unwrap_or(Timestamp::MAX);
        let waiting = self.ports.store.receivers(self.adapter.kind()).await?;
        let known: HashSet<&ReceiverToken> = waiting.iter().collect();
        self.receivers.retain(|token, receiver| {
            receiver.busy.is_some() || receiver.paused_until.is_some_and(|t| t > now) || known.contains(token)
        });
        let paused = self.receivers.values().filter(|r| r.paused_until.is_some_and(|t| t > now)).count();
        self.metrics.receivers_paused.of(self.adapter.kind().as_str()).set(paused as u64);
        for token in waiting {
            let receiver = self.receivers.entry(token.clone()).or_default();
            if receiver.busy.is_some() {
                continue;
            }
            if let Some(until) = receiver.paused_until.filter(|until| *until > now) {
                look_again = look_again.min(until);
                continue;
            }
            if let Some(due) = self.start(token, now).await? {
                look_again = look_again.min(due);
            }
        }
        Ok(look_again)
    }

    /// Takes one receiver's next steps until an attempt runs or there is nothing to do before the time returned.
    async fn start(&mut self, token: ReceiverToken, now: Timestamp) -> Result<Option<Timestamp>, Fault> {
        loop {
            let lanes = self.free_lanes();
            let queue = Queue {
                store: &*self.ports.store,
                adapter: self.adapter.kind(),
                give_up_after: self.policy.give_up_after,
            };
            match queue.next(&token, lanes, now).await? {
                Next::Attempt(delivery) => {
                    self.attempt(token, *delivery, None).await?;
                    return Ok(None);
                }
                Next::Probe { delivery, stuck } => {
                    self.attempt(token, *delivery, Some(*stuck)).await?;
                    return Ok(None);
                }
                Next::Park { delivery, because } => {
                    self.park(&delivery, format!("refers to parked delivery {}", because.id)).await?;
                }
                Next::GiveUp(delivery) => self.give_up(&delivery).await?,
                Next::Wait(due) => return Ok(Some(due)),
                Next::Idle => return Ok(None),
            }
        }
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

    async fn attempt(
        &mut self,
        receiver: ReceiverToken,
        delivery: Delivery,
        stuck: Option<Delivery>,
    ) -> Result<(), Fault> {
        self.receivers.entry(receiver.clone()).or_default().busy = Some(delivery.lane);
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
            let timer = metrics.timer(Step::Deliver);
            let outcome = try_once(&ports, &*adapter, &delivery).await?;
            drop(timer);
            Ok(Attempt { receiver, delivery, stuck, outcome })
        };
        self.attempts.spawn(work.instrument(span));
        Ok(())
    }

    async fn ended(
        &mut self,
        ended: Result<Result<Attempt, Fault>, tokio::task::JoinError>,
    ) -> Result<(), Fault> {
        let attempt = ended.map_err(|panic| Fault::new("dispatch", panic))??;
        let timer = self.metrics.timer(Step::Settle);
        let receiver = attempt.receiver.clone();
        let pause = match &attempt.outcome {
            Ok(handover) => self.settle(&attempt, handover).await?,
            Err(failure) => self.failed(&attempt, failure).await?,
        };
        drop(timer);
        self.wakes.relay.notify_one();
        let now = self.ports.clock.now();
        let state = self.receivers.entry(receiver).or_default();
        state.busy = None;
        match pause {
            Some(pause) => {
                state.failures = state.failures.saturating_add(1);
                state.paused_until = now.saturating_add(pause).ok();
            }
            None if attempt.outcome.is_ok() => *state = Receiver::default(),
            None => {}
        }
        Ok(())
    }

    /// Step settle: the outcome is written before anything else is done with this receiver.
    async fn settle(&self, attempt: &Attempt, handover: &Handover) -> Result<Option<Duration>, Fault> {
        crash_point("after-receiver-2xx");
        self.finish(&attempt.delivery, handover.state, handover.note.clone()).await?;
        crash_point("after-settle");
        self.metrics.delivered.of(self.adapter.kind().as_str()).inc();
        tracing::info!(
            delivery_id = %attempt.delivery.id, document_id = %attempt.delivery.document,
            receiver = %attempt.delivery.route.receiver, state = handover.state.as_str(), "delivered",
        );
        if let Some(stuck) = &attempt.stuck {
            self.park(stuck, "fails alone while other traffic passes".to_owned()).await?;
        }
        Ok(None)
    }

    async fn failed(&self, attempt: &Attempt, failure: &DeliveryFailure) -> Result<Option<Duration>, Fault> {
        let delivery = &attempt.delivery;
        let labels = (self.adapter.kind().as_str(), failure.class.as_str());
        self.metrics.failed.of(labels.0, labels.1).inc();
        tracing::warn!(
            delivery_id = %delivery.id, document_id = %delivery.document, receiver = %delivery.route.receiver,
            class = failure.class.as_str(), code = failure.code, note = failure.note, "attempt failed",
        );
        let note = failure.to_string();
        match failure.class {
            FailureClass::Permanent => {
                self.finish(delivery, State::Refused, note).await?;
                return Ok(None);
            }
            FailureClass::Packet => {
                self.park(delivery, note).await?;
                return Ok(None);
            }
            FailureClass::OursToFix | FailureClass::Receiver | FailureClass::Document => {}
        }
        // A probe that fails too shows that the receiver is in trouble, not the document.
        let document = failure.class == FailureClass::Document && attempt.stuck.is_none();
        let failures = if document {
            delivery.document_failures + 1
        } else {
            self.receivers.get(&attempt.receiver).map_or(1, |receiver| receiver.failures + 1)
        };
        let pause = self.policy.pause(failures, failure.retry_after);
        let now = self.ports.clock.now();
        let due = now.saturating_add(pause).unwrap_or(Timestamp::MAX);
        let ours_to_fix = failure.class == FailureClass::OursToFix;
        if ours_to_fix {
            tracing::error!(receiver = %delivery.route.receiver, code = failure.code, "ours to fix: receiver paused");
        }
        let change = Transition::AttemptFailed { due, document_fault: document, ours_to_fix, note };
        self.ports.store.transition(delivery.id, now, change).await?;
        Ok((!document).then_some(pause))
    }

    async fn give_up(&self, delivery: &Delivery) -> Result<(), Fault> {
        tracing::error!(delivery_id = %delivery.id, receiver = %delivery.route.receiver, "given up");
        self.metrics.given_up.inc();
        self.finish(delivery, State::GivenUp, "not deliverable within the time set".to_owned()).await
    }

    async fn park(&self, delivery: &Delivery, note: String) -> Result<(), Fault> {
        tracing::error!(delivery_id = %delivery.id, receiver = %delivery.route.receiver, note, "parked");
        self.metrics.parked.inc();
        let change = Transition::Settled { state: State::Parked, note };
        self.ports.store.transition(delivery.id, self.ports.clock.now(), change).await?;
        Ok(())
    }

    async fn finish(&self, delivery: &Delivery, state: State, note: String) -> Result<(), Fault> {
        let (change, now) = (Transition::Settled { state, note }, self.ports.clock.now());
        let done = self.ports.store.transition(delivery.id, now, change).await?;
        if done.is_some() {
            self.metrics.settled.of(state.as_str()).inc();
            self.ports.spool.settled(delivery.document, delivery.id, state, now).await?;
            self.wakes.report.notify_one();
        }
        Ok(())
    }
}

async fn try_once(
    ports: &Ports,
    adapter: &dyn Adapter,
    delivery: &Delivery,
) -> Result<Result<Handover, DeliveryFailure>, Fault> {
    let Some(packet) = ports.spool.blob(delivery.digest).await? else {
        let note = format!("blob {} is gone from the spool", delivery.digest);
        let (class, code) = (FailureClass::Packet, "blob_missing".to_owned());
        return Ok(Err(DeliveryFailure { class, code, note, retry_after: None }));
    };
    let consignment = Consignment { delivery: delivery.clone(), packet, at: ports.clock.now() };
    Ok(adapter.deliver(&consignment).await)
}
