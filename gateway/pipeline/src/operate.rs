//! What an operator does to deliveries by hand. Who may is decided at the door (`control` in the gateway); what may be
//! done to which state is decided here. One act at a time, each written down with the operator's name and reason.
//! What an operator looks at is in `look`.

pub mod look;
mod verdict;

use std::sync::Arc;

use lienthong_monitoring::Metrics;
use lienthong_schemas::ids::{DeliveryId, DocumentId};
use lienthong_schemas::organ::OrganId;
use lienthong_schemas::safe_text::SafeText;
use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;

use crate::crash::crash_point;
use crate::ports::{Fault, Ports, Transition};
use crate::record::{Delivery, State};
use crate::settle::Settle;
use crate::wakes::Wakes;

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
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Act {
    /// Have a queued delivery tried now: its queue's pause ends.
    Retry,
    /// Send a dead letter once more, under the same id.
    Requeue,
    /// No way is left: the sender is told where it has not been, and the delivery leaves the list of dead letters.
    GiveUp,
}

impl Act {
    /// Every act.
    pub const ALL: [Self; 3] = [Self::Retry, Self::Requeue, Self::GiveUp];

    /// The name in metrics and logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Retry => "retry",
            Self::Requeue => "requeue",
            Self::GiveUp => "give_up",
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
    /// What became of the act.
    pub verdict: Verdict,
    /// The same for people.
    pub text_vi: String,
    /// And in English.
    pub text_en: String,
    /// The delivery after the act; `None` when it is unknown.
    pub delivery: Option<After>,
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
    fn new(delivery_id: DeliveryId, verdict: Verdict, delivery: Option<&Delivery>) -> Self {
        let (vi, en) = verdict.wording();
        let delivery = delivery.map(|delivery| After {
            document_id: delivery.document,
            receiver: delivery.route.receiver.clone(),
            state: delivery.state,
            generation: delivery.generation,
            closed: delivery.closed,
        });
        let (text_vi, text_en) = (vi.to_owned(), en.to_owned());
        Self { delivery_id, done: verdict.is_done(), verdict, text_vi, text_en, delivery }
    }
}

/// The operator's hands.
pub struct Operate {
    ports: Ports,
    wakes: Wakes,
    metrics: Arc<Metrics>,
    settle: Settle,
    turn: Mutex<()>,
}

type Done = Result<(Verdict, Option<Delivery>), Fault>;

impl Operate {
    /// Those of one gateway. One that is stopped has wakes that nobody waits for.
    pub fn new(ports: Ports, wakes: Wakes, metrics: Arc<Metrics>) -> Self {
        metrics.operator_acts.declare(Act::ALL.map(Act::as_str));
        let settle = Settle::new(ports.clone(), metrics.clone(), wakes.clone());
        Self { ports, wakes, metrics, settle, turn: Mutex::default() }
    }

    /// Does this to each of these deliveries, one after the other; one outcome each, in the same order.
    pub async fn act(&self, act: Act, ids: &[DeliveryId], by: &By) -> Vec<Outcome> {
        let mut outcomes = Vec::with_capacity(ids.len());
        for id in ids {
            outcomes.push(self.act_on(act, *id, by).await);
        }
        outcomes
    }

    async fn act_on(&self, act: Act, id: DeliveryId, by: &By) -> Outcome {
        let turn = self.turn.lock().await;
        self.settle.write_notes().await;
        let done = self.done(act, id, by).await;
        drop(turn);
        let outcome = match done {
            Ok((verdict, delivery)) => Outcome::new(id, verdict, delivery.as_ref()),
            Err(fault) => {
                tracing::error!(delivery_id = %id, act = act.as_str(), %fault, "an operator's act failed");
                Outcome::new(id, Verdict::Fault, None)
            }
        };
        self.log(act, by, &outcome);
        outcome
    }

    fn log(&self, act: Act, by: &By, outcome: &Outcome) {
        if outcome.done {
            self.metrics.operator_acts.of(act.as_str()).inc();
        }
        let after = outcome.delivery.as_ref();
        tracing::info!(
            operator = by.operator, reason = by.reason.as_str(), act = act.as_str(),
            delivery_id = %outcome.delivery_id, verdict = outcome.verdict.as_str(),
            document_id = after.map(|after| tracing::field::display(after.document_id)),
            receiver = after.map(|after| tracing::field::display(&after.receiver)),
            "operator's act",
        );
    }

    async fn done(&self, act: Act, id: DeliveryId, by: &By) -> Done {
        let Some(delivery) = self.ports.store.delivery(id).await? else {
            return Ok((Verdict::NotFound, None));
        };
        let (verdict, after) = match act {
            Act::Retry => self.retry(&delivery, by).await?,
            Act::Requeue => self.requeue(&delivery, by).await?,
            Act::GiveUp => self.give_up(&delivery, by).await?,
        };
        // Events to send, and for a requeue the delivery itself.
        self.wakes.relay.notify_one();
        let after = match after {
            None if matches!(verdict, Verdict::Changed | Verdict::GivenUp) => {
                self.ports.store.delivery(id).await?
            }
            None => Some(delivery),
            after => after,
        };
        Ok((verdict, after))
    }

    async fn retry(&self, delivery: &Delivery, by: &By) -> Done {
        match delivery.state {
            State::Queued if delivery.handed_off => {}
            State::Queued => return Ok((Verdict::NotTakenOver, None)),
            State::Parked | State::Refused | State::GivenUp => return Ok((Verdict::IsDeadLetter, None)),
            _ => return Ok((Verdict::WrongState, None)),
        }
        let hastened = self.hasten(delivery, by.note()).await?;
        if hastened.is_none() {
            return Ok((Verdict::Changed, None));
        }
        // Nothing overtakes in a queue, so what goes before it must not wait either.
        for earlier in look::ahead_of(&self.ports, delivery).await? {
            if earlier.state == State::Queued && earlier.due > self.ports.clock.now() {
                self.hasten(&earlier, format!("{} (before {})", by.note(), delivery.id)).await?;
            }
        }
        self.wakes.resume(delivery.route.adapter, delivery.route.queue());
        Ok((Verdict::Hastened, hastened))
    }

    async fn hasten(&self, delivery: &Delivery, note: String) -> Result<Option<Delivery>, Fault> {
        self.ports.store.transition(delivery.id, self.ports.clock.now(), Transition::Hastened { note }).await
    }

    /// First the note beside the admission, then the store, as at intake. A kill between them leaves the dead letter that
    /// it was, and the operator has had no answer; should the store be lost too, the delivery is made, as was asked. The
    /// other order could leave a delivery under way that a rebuild would take for over.
    async fn requeue(&self, delivery: &Delivery, by: &By) -> Done {
        match delivery.state {
            State::Parked | State::Refused | State::GivenUp => {}
            State::Queued => return Ok((Verdict::IsQueued, None)),
            _ => return Ok((Verdict::WrongState, None)),
        }
        if !delivery.route.has_way_out() {
            return Ok((Verdict::NoWayOut, None));
        }
        if self.ports.spool.blob(delivery.digest).await?.is_none() {
            return Ok((Verdict::BlobMissing, None));
        }
        let Delivery { id, document, .. } = *delivery;
        let _turn = self.wakes.noting.take(id).await;
        let at = self.ports.clock.now();
        self.ports.spool.settled(document, id, State::Queued, at).await?;
        crash_point("after-requeue-note");
        let requeued = self.ports.store.transition(id, at, Transition::Requeued { note: by.note() }).await?;
        if requeued.is_some() {
            return Ok((Verdict::Requeued, requeued));
        }
        // A late outcome came between; it has the last word in the spool, too.
        if let Some(now) = self.ports.store.delivery(id).await? {
            self.ports.spool.settled(document, id, now.state, at).await?;
        }
        Ok((Verdict::Changed, None))
    }

    /// An attempt may be under way: the store takes whichever outcome comes first, and the other one changes nothing. A
    /// kill between the end and the closing leaves a delivery that is given up and still listed.
    async fn give_up(&self, delivery: &Delivery, by: &By) -> Done {
        match delivery.state {
            State::Queued | State::Parked => {
                if !self.settle.give_up(delivery, by.note()).await? {
                    return Ok((Verdict::Changed, None));
                }
                self.wakes.changed(delivery);
                crash_point("after-give-up");
                let closed = self.close(delivery, by).await?;
                Ok((Verdict::GivenUp, closed))
            }
            State::GivenUp | State::Refused if delivery.closed => Ok((Verdict::ClosedBefore, None)),
            State::GivenUp | State::Refused => match self.close(delivery, by).await? {
                Some(closed) => Ok((Verdict::Closed, Some(closed))),
                None => Ok((Verdict::Changed, None)),
            },
            _ => Ok((Verdict::WrongState, None)),
        }
    }

    /// First the store: a kill before the note is written lets a rebuild list the dead letter again.
    async fn close(&self, delivery: &Delivery, by: &By) -> Result<Option<Delivery>, Fault> {
        let (change, at) = (Transition::Closed { note: by.note() }, self.ports.clock.now());
        let Delivery { id, document, .. } = *delivery;
        let _turn = self.wakes.noting.take(id).await;
        let closed = self.ports.store.transition(id, at, change).await?;
        if closed.is_some() {
            let noted = async {
                if delivery.is_dead_letter() && delivery.state.is_final() {
                    // A requeue that was cut before it reached the store may have noted otherwise.
                    self.ports.spool.settled(document, id, delivery.state, at).await?;
                }
                self.ports.spool.closed(document, id).await
            };
            if let Err(fault) = noted.await {
                tracing::error!(delivery_id = %id, %fault, "the note that a dead letter is closed is not on disk");
            }
        }
        Ok(closed)
    }
}
