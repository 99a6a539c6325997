//! What an operator does to deliveries by hand. Who may is decided at the door (`control` in the gateway); what may be
//! done to which state is decided here. One act at a time, each written down with the operator's name and reason.
//! What an operator looks at is in `look`; where a delivery may go instead, in `reroute`; acts by filter, in `bulk`.

mod acts;
mod bulk;
pub mod look;
mod reroute;
mod verdict;

use std::collections::HashSet;
use std::sync::Arc;

use arc_swap::ArcSwap;
use lienthong_monitoring::Metrics;
use lienthong_schemas::ids::{DeliveryId, DocumentId};
use lienthong_schemas::organ::OrganId;
use lienthong_schemas::safe_text::SafeText;
use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;

use crate::directory::Directory;
use crate::ports::{Fault, Listing, Ports};
use crate::record::{Delivery, Route, State};
use crate::settle::Settle;
use crate::wakes::Wakes;

use look::Wanted;

pub use bulk::{PASS_MAX, Pass};
pub use reroute::Target;
pub use verdict::Verdict;

/// Longest reason, in characters.
pub const REASON_CHARS_MAX: usize = 200;

/// Why an operator acts: 1 to [`REASON_CHARS_MAX`] characters, escaped for display.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason(SafeText);

impl Reason {
    /// The reason that somebody wrote, without blanks around it; `None` when it is empty or too long.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let fits = (1..=REASON_CHARS_MAX).contains(&text.chars().take(REASON_CHARS_MAX + 1).count());
        fits.then(|| Self(SafeText::new(text)))
    }

    /// The escaped text.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

/// Who acts, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct By {
    /// The operator's name in the settings.
    pub operator: String,
    /// Why.
    pub reason: Reason,
}

impl By {
    /// The note in the history. A history line holds about 380 bytes of it; the log holds all.
    fn note(&self) -> String {
        format!("operator {}: {}", self.operator, self.reason.as_str())
    }
}

/// What an operator may do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Act {
    /// Have a queued delivery tried now: its queue's pause ends.
    Retry,
    /// Send a dead letter once more, under the same id.
    Requeue,
    /// No way is left: the sender is told where it has not been, and the delivery leaves the list of dead letters.
    GiveUp,
    /// Send it another way, under the same id.
    Reroute(Target),
}

impl Act {
    /// The name of every act, in metrics and logs.
    pub const NAMES: [&'static str; 4] = ["retry", "requeue", "give_up", "reroute"];

    /// The name in metrics and logs.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Retry => "retry",
            Self::Requeue => "requeue",
            Self::GiveUp => "give_up",
            Self::Reroute(_) => "reroute",
        }
    }
}

/// What an act changed for one delivery, or why it changed nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// The delivery that was asked about.
    pub delivery_id: DeliveryId,
    /// Whether it was done.
    pub done: bool,
    /// Nothing was done, and asked for was only what would be done: `verdict` is what would become of the act.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub dry_run: bool,
    /// What became of the act.
    pub verdict: Verdict,
    /// The same for people.
    pub text_vi: String,
    /// And in English.
    pub text_en: String,
    /// The delivery after the act, or as it is when nothing was done; `None` when it is unknown.
    pub delivery: Option<After>,
    /// The way that it goes from now on, or would go, where the act is about that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub route: Option<Route>,
    /// What keeps it from being done, where that is another delivery.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub because: Option<DeliveryId>,
    /// Related deliveries that are parked, or would be, so that they do not overtake it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parked: Vec<DeliveryId>,
}

/// A delivery after an act.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct After {
    /// The document.
    pub document_id: DocumentId,
    /// Its receiver.
    pub receiver: OrganId,
    /// Its state.
    pub state: State,
    /// Its generation.
    pub generation: u32,
    /// It is listed as a dead letter no more.
    pub closed: bool,
}

impl Outcome {
    fn new(delivery_id: DeliveryId, dry_run: bool, done: Done) -> Self {
        let Done { verdict, delivery, route, because, parked } = done;
        let (vi, en) = if dry_run { verdict.foresight() } else { verdict.wording() };
        let delivery = delivery.map(|delivery| After {
            document_id: delivery.document,
            receiver: delivery.route.receiver,
            state: delivery.state,
            generation: delivery.generation,
            closed: delivery.closed,
        });
        let (text_vi, text_en) = (vi.to_owned(), en.to_owned());
        let done = verdict.is_done() && !dry_run;
        Self { delivery_id, done, dry_run, verdict, text_vi, text_en, delivery, route, because, parked }
    }

    /// Whether it was done, or, of a dry run, would be.
    pub fn is_good(&self) -> bool {
        self.verdict.is_done()
    }
}

/// What became of one delivery.
struct Done {
    verdict: Verdict,
    delivery: Option<Delivery>,
    route: Option<Route>,
    because: Option<DeliveryId>,
    parked: Vec<DeliveryId>,
}

impl Done {
    fn of(verdict: Verdict, delivery: Option<Delivery>) -> Self {
        Self { verdict, delivery, route: None, because: None, parked: Vec::new() }
    }
}

/// The operator's hands.
pub struct Operate {
    ports: Ports,
    wakes: Wakes,
    metrics: Arc<Metrics>,
    directory: Option<Arc<ArcSwap<Directory>>>,
    settle: Settle,
    turn: Mutex<()>,
}

/// How a request is to be carried out.
struct Manner<'a> {
    by: &'a By,
    /// `Some`: nothing is done.
    dry_run: Option<DryRun<'a>>,
}

/// What a dry run knows of the deliveries that it has come past.
#[derive(Default)]
struct DryRun<'a> {
    /// Those that would be elsewhere by now.
    moved: HashSet<DeliveryId>,
    /// All that the request is about, by a filter: those of earlier pages would be elsewhere, too.
    covers: Option<(Listing, &'a Wanted)>,
}

/// The verdict, and the delivery after it; `None`: as it is by now.
type Changed = Result<(Verdict, Option<Delivery>), Fault>;

impl Operate {
    /// Those of one gateway. One that is stopped has wakes that nobody waits for.
    pub fn new(ports: Ports, wakes: Wakes, metrics: Arc<Metrics>) -> Self {
        metrics.operator_acts.declare(Act::NAMES);
        let settle = Settle::new(ports.clone(), metrics.clone(), wakes.clone());
        Self { ports, wakes, metrics, directory: None, settle, turn: Mutex::default() }
    }

    /// The same with a directory: without one nothing is rerouted.
    #[must_use]
    pub fn knowing(self, directory: Arc<ArcSwap<Directory>>) -> Self {
        Self { directory: Some(directory), ..self }
    }

    /// Does this to each of these deliveries, one after the other; one outcome each, in the same order.
    pub async fn act(&self, act: Act, ids: &[DeliveryId], by: &By) -> Vec<Outcome> {
        self.carry_out(&act, ids, &mut Manner { by, dry_run: None }).await
    }

    /// What [`Operate::act`] would do now; nothing is done, and nothing written.
    pub async fn foresee(&self, act: Act, ids: &[DeliveryId], by: &By) -> Vec<Outcome> {
        let dry_run = Some(DryRun::default());
        self.carry_out(&act, ids, &mut Manner { by, dry_run }).await
    }

    async fn carry_out(&self, act: &Act, ids: &[DeliveryId], manner: &mut Manner<'_>) -> Vec<Outcome> {
        let mut outcomes = Vec::with_capacity(ids.len());
        for id in ids {
            outcomes.push(self.act_on(act, *id, manner).await);
        }
        outcomes
    }

    async fn act_on(&self, act: &Act, id: DeliveryId, manner: &mut Manner<'_>) -> Outcome {
        let (turn, is_dry) = (self.turn.lock().await, manner.dry_run.is_some());
        if !is_dry {
            self.settle.write_notes().await;
        }
        let done = self.done(act, id, manner).await;
        drop(turn);
        let done = done.unwrap_or_else(|fault| {
            tracing::error!(delivery_id = %id, act = act.as_str(), %fault, "an operator's act failed");
            Done::of(Verdict::Fault, None)
        });
        let outcome = Outcome::new(id, is_dry, done);
        if let Some(dry_run) = manner.dry_run.as_mut().filter(|_| outcome.route.is_some()) {
            dry_run.moved.insert(id);
        }
        if !is_dry {
            self.log(act, manner.by, &outcome);
        }
        outcome
    }

    fn log(&self, act: &Act, by: &By, outcome: &Outcome) {
        if outcome.done {
            self.metrics.operator_acts.of(act.as_str()).inc();
        }
        let after = outcome.delivery.as_ref();
        let way = outcome.route.as_ref().map(ToString::to_string);
        tracing::info!(
            operator = by.operator, reason = by.reason.as_str(), act = act.as_str(),
            delivery_id = %outcome.delivery_id, verdict = outcome.verdict.as_str(),
            document_id = after.map(|after| tracing::field::display(after.document_id)),
            receiver = after.map(|after| tracing::field::display(&after.receiver)), way,
            "operator's act",
        );
    }

    async fn done(&self, act: &Act, id: DeliveryId, manner: &Manner<'_>) -> Result<Done, Fault> {
        let Some(delivery) = self.ports.store.delivery(id).await? else {
            return Ok(Done::of(Verdict::NotFound, None));
        };
        let done = match act {
            Act::Reroute(target) => self.reroute(&delivery, target, manner).await?,
            Act::Retry | Act::Requeue | Act::GiveUp => {
                let foreseen = self.foreseen(act, &delivery).await?;
                if manner.dry_run.is_some() || !foreseen.is_done() {
                    Done::of(foreseen, Some(delivery.clone()))
                } else {
                    let (verdict, after) = match act {
                        Act::Retry => self.retry(&delivery, manner.by).await?,
                        Act::Requeue => self.requeue(&delivery, manner.by).await?,
                        _ => self.give_up(&delivery, manner.by).await?,
                    };
                    Done::of(verdict, after)
                }
            }
        };
        if done.delivery.is_some() {
            if done.verdict.is_done() && manner.dry_run.is_none() {
                // Events to send, and for a requeue the delivery itself.
                self.wakes.relay.notify_one();
            }
            return Ok(done);
        }
        self.wakes.relay.notify_one();
        Ok(Done { delivery: self.ports.store.delivery(id).await?, ..done })
    }

    /// What an act would come to, if nothing happens to the delivery meanwhile.
    async fn foreseen(&self, act: &Act, delivery: &Delivery) -> Result<Verdict, Fault> {
        Ok(match (act, delivery.state) {
            (Act::Retry, State::Queued) if delivery.handed_off => Verdict::Hastened,
            (Act::Retry, State::Queued) => Verdict::NotTakenOver,
            (Act::Retry, State::Parked | State::Refused | State::GivenUp) => Verdict::IsDeadLetter,
            (Act::Requeue, State::Parked | State::Refused | State::GivenUp) => {
                if !delivery.route.has_way_out() {
                    Verdict::NoWayOut
                } else if self.ports.spool.blob(delivery.digest).await?.is_none() {
                    Verdict::BlobMissing
                } else {
                    Verdict::Requeued
                }
            }
            (Act::Requeue, State::Queued) => Verdict::IsQueued,
            (Act::GiveUp, State::Queued | State::Parked) => Verdict::GivenUp,
            (Act::GiveUp, State::GivenUp | State::Refused) if delivery.closed => Verdict::ClosedBefore,
            (Act::GiveUp, State::GivenUp | State::Refused) => Verdict::Closed,
            _ => Verdict::WrongState,
        })
    }
}
