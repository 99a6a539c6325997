//! One turn of one queue, top to bottom: look who is next, write down that an attempt begins, deliver, settle. Who has a
//! turn is decided in `schedule`, what follows from an attempt in `outcome`.

mod outcome;
mod run;
mod unlisted;

use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwap;
use futures_util::FutureExt;
use futures_util::future::try_join_all;
use jiff::Timestamp;
use lienthong_monitoring::{Metrics, Step};
use lienthong_schemas::ids::DeliveryId;
use lienthong_schemas::organ::ReceiverToken;
use tracing::Instrument;

use self::outcome::Attempt;
pub(crate) use self::run::Call;
use self::run::Run;
use crate::axis_lists::AxisLists;
use crate::breaker::{Breakers, Permit};
use crate::consign::{Memory, Together, consignment, failed, ids};
use crate::crash::crash_point;
use crate::directory::Directory;
use crate::partitions::Partitions;
use crate::ports::{Adapter, DeliveryFailure, FailureClass, Fault, Handover, Ports, Transition};
use crate::queue::{Next, Queue, Referring, Standing};
use crate::record::{BootId, Delivery, Lane};
use crate::retry::Policies;
use crate::schedule::{Ages, Errand, Look, Report};
use crate::settle::Settle;
use crate::tasks::Tasks;

/// What all turns of one adapter share.
pub(crate) struct Shared {
    pub(crate) ports: Ports,
    pub(crate) directory: Arc<ArcSwap<Directory>>,
    pub(crate) adapter: Arc<dyn Adapter>,
    pub(crate) policies: Arc<ArcSwap<Policies>>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) settle: Arc<Settle>,
    pub(crate) breakers: Mutex<Breakers>,
    pub(crate) lists: Arc<AxisLists>,
    pub(crate) partitions: Arc<Partitions>,
    pub(crate) boot: BootId,
    pub(crate) began: Timestamp,
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

/// A turn of one queue, of which there is one at a time.
pub(crate) struct Turn {
    pub(crate) shared: Arc<Shared>,
    pub(crate) tasks: Tasks,
    pub(crate) queue: ReceiverToken,
    pub(crate) known: Known,
    pub(crate) called: Call,
    pub(crate) most: u32,
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
        let _busy = self.shared.partitions.begin(&self.queue);
        let outcome = match errand {
            // Another gateway serves it; should this one have it again, all queues are looked for.
            _ if !self.is_served_here() => Ok(match errand {
                Errand::Serve(lane) => seen(lane, Look::Nothing),
                Errand::Ages => Report { ages: Some(Ages::Never), ..Report::default() },
            }),
            Errand::Serve(lane) => self.serve(lane).await,
            Errand::Ages => self.give_up_aged().await,
        };
        Ended { queue: self.queue, known: self.known, outcome }
    }

    fn is_served_here(&self) -> bool {
        self.shared.partitions.fence(&self.queue).is_some()
    }

    /// One step for a lane: one attempt, or a run of a few small packets, so that the next queue has its turn.
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
        let permit = self.shared.breakers().ask(&system, &self.queue, now);
        if permit == Permit::Wait {
            return Ok(Report { ages: Some(Ages::Unknown), ..seen(lane, Look::Held) });
        }
        if more
            && stuck.is_none()
            && let [head] = &together[..]
            && let Some((following, more)) = self.following(head, lane, permit).await?
        {
            let together = [together, following].concat();
            let leased = match self.lease(together.clone()).await {
                Ok(leased) => leased,
                Err(fault) => {
                    // Some may have been; none of them leaves now. A store that does not say so either is asked again.
                    run::stay(&self.shared, &together).await.ok();
                    return Err(fault);
                }
            };
            crash_point("after-lease");
            let Run { tried, shown, left } = self.run(leased).await?;
            let Some(shown) = shown.filter(|_| tried > 0) else { return Ok(seen(lane, Look::Maybe)) };
            return Ok(self.report(lane, left || more, tried, &shown));
        }
        let together = self.lease(together).await?;
        let Some(head) = together.first() else { return Ok(seen(lane, Look::Maybe)) };
        crash_point("after-lease");
        let left = more || head.lane != lane;
        if !self.is_served_here() {
            run::stay(&self.shared, &together).await?;
            return Ok(seen(lane, Look::Maybe));
        }
        let Some(outcome) = self.deliver(&together).await else { return Ok(seen(lane, Look::Maybe)) };
        let shown = self.settle(Attempt { together, stuck, outcome }, &system).await?;
        Ok(self.report(lane, left, 1, &shown))
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
            began: self.shared.began,
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
        // Another gateway may have the queue by now: then nothing leaves from here.
        let Some(fence) = self.shared.partitions.fence(&self.queue) else { return Ok(None) };
        if part.lease.is_some_and(|lease| lease.boot == boot) {
            // It was begun and the store did not say so: nobody else serves this queue.
            return Ok(Some(part));
        }
        let leased =
            ports.store.transition(part.id, ports.clock.now(), Transition::Leased { boot, fence }).await?;
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
