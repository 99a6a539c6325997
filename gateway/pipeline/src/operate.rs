//! What an operator does to deliveries by hand. Who may is decided at the door (`control` in the gateway); what may be
//! done to which state is decided here. One act at a time, each written down with the operator's name and reason.
//! What an operator looks at is in `look`.

pub mod look;

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

/// What became of an act.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It may be tried at once, and so may what goes before it.
    Hastened,
    /// On its way again in the next generation.
    Requeued,
    /// Given up and closed.
    GivenUp,
    /// It was over already; now it is closed.
    Closed,
    /// There is no such delivery.
    NotFound,
    /// It is queued: what helps is a retry.
    IsQueued,
    /// It is not queued any more: what helps is a requeue.
    IsDeadLetter,
    /// It is on its way through the broker, and goes by itself.
    NotTakenOver,
    /// Nothing is to be done for a delivery in this state.
    WrongState,
    /// It was closed before.
    ClosedBefore,
    /// The spool does not have its packet.
    BlobMissing,
    /// Something else happened to it at the same moment; look at it again.
    Changed,
    /// Our own trouble.
    Fault,
}

impl Verdict {
    /// Whether the operator got what was asked for.
    pub const fn is_done(self) -> bool {
        matches!(self, Self::Hastened | Self::Requeued | Self::GivenUp | Self::Closed)
    }

    /// The name in logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Hastened => "hastened",
            Self::Requeued => "requeued",
            Self::GivenUp => "given_up",
            Self::Closed => "closed",
            Self::NotFound => "not_found",
            Self::IsQueued => "is_queued",
            Self::IsDeadLetter => "is_dead_letter",
            Self::NotTakenOver => "not_taken_over",
            Self::WrongState => "wrong_state",
            Self::ClosedBefore => "closed_before",
            Self::BlobMissing => "blob_missing",
            Self::Changed => "changed",
            Self::Fault => "fault",
        }
    }

    /// What the operator reads, Vietnamese first.
    pub const fn wording(self) -> (&'static str, &'static str) {
        match self {
            Self::Hastened => ("sẽ gửi ngay", "will be tried now"),
            Self::Requeued => ("đã đưa lại vào hàng gửi", "on its way again"),
            Self::GivenUp => (
                "đã thôi gửi; bên gửi được báo, trừ gói tin trạng thái",
                "given up; the sender is told unless it is a status packet",
            ),
            Self::Closed => ("đã đóng, không còn trong danh sách", "closed; it is listed no more"),
            Self::NotFound => ("không có bản chuyển này", "there is no such delivery"),
            Self::IsQueued => (
                "đang trong hàng gửi: dùng deliveries retry để gửi ngay",
                "it is queued: use deliveries retry to have it tried now",
            ),
            Self::IsDeadLetter => (
                "không còn trong hàng gửi: dùng dead-letters requeue để gửi lại",
                "it is not queued any more: use dead-letters requeue to send it again",
            ),
            Self::NotTakenOver => (
                "đang qua hàng đợi tin, trục sẽ tự gửi; xem lienthong status nếu lâu",
                "it is on its way through the broker and goes by itself; see lienthong status if that takes long",
            ),
            Self::WrongState => {
                ("không có việc gì để làm ở trạng thái này", "nothing is to be done in this state")
            }
            Self::ClosedBefore => ("đã đóng từ trước", "it was closed before"),
            Self::BlobMissing => (
                "tệp gói tin không còn trong kho: đề nghị bên gửi gửi lại, rồi dùng dead-letters give-up",
                "the spool does not have its packet: ask the sender to send it again, then use dead-letters give-up",
            ),
            Self::Changed => {
                ("vừa đổi trạng thái, hãy xem lại", "its state has just changed; look at it again")
            }
            Self::Fault => ("trục có lỗi, xem nhật ký", "the gateway has a fault; see the log"),
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

    /// First the store, then the note beside the admission. A kill between them leaves a delivery that is on its way, and
    /// its outcome will be noted over the old one; if in that moment the store is lost too, it is the dead letter again
    /// that it was, and the operator has had no answer. In the other order a rebuild could send, long after, what
    /// nobody had confirmed, and the operator had closed since.
    async fn requeue(&self, delivery: &Delivery, by: &By) -> Done {
        match delivery.state {
            State::Parked | State::Refused | State::GivenUp => {}
            State::Queued => return Ok((Verdict::IsQueued, None)),
            _ => return Ok((Verdict::WrongState, None)),
        }
        if self.ports.spool.blob(delivery.digest).await?.is_none() {
            return Ok((Verdict::BlobMissing, None));
        }
        let (id, at) = (delivery.id, self.ports.clock.now());
        let requeued = self.ports.store.transition(id, at, Transition::Requeued { note: by.note() }).await?;
        crash_point("after-requeue");
        if requeued.is_none() {
            return Ok((Verdict::Changed, None));
        }
        self.settle.note_queued(delivery, at).await;
        Ok((Verdict::Requeued, requeued))
    }

    /// An attempt may be under way: the store takes whichever outcome comes first, and the other one changes nothing. A
    /// kill between the end and the closing leaves a delivery that is given up and still listed.
    async fn give_up(&self, delivery: &Delivery, by: &By) -> Done {
        match delivery.state {
            State::Queued | State::Parked => {
                if !self.settle.give_up(delivery, by.note()).await? {
                    return Ok((Verdict::Changed, None));
                }
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

    async fn close(&self, delivery: &Delivery, by: &By) -> Result<Option<Delivery>, Fault> {
        let (change, at) = (Transition::Closed { note: by.note() }, self.ports.clock.now());
        self.ports.store.transition(delivery.id, at, change).await
    }
}
