//! "Where is my document?": what one connected system may see of one document (design.md invariant 9).

use std::collections::HashSet;
use std::time::Duration;

use jiff::Timestamp;
use lienthong_schemas::edxml::{BusinessType, PacketKind, VIETNAM};
use lienthong_schemas::ids::{DeliveryId, DocumentId, StandingKey};
use lienthong_schemas::organ::OrganId;
use lienthong_schemas::safe_text::SafeText;
use serde::{Deserialize, Serialize};

use crate::directory::{Directory, Home};
use crate::late::late_since;
use crate::ports::{Fault, Ports};
use crate::record::{
    AxisCopy, Delivery, HistoryEntry, NodeName, Receipt, RecognitionKeys, Standing, State, SystemId,
};
use crate::report::LEFT_TO_THE_API;

mod anywhere;

pub use anywhere::Anywhere;

/// A document shown with more deliveries than this has only the newest line of each history: an answer stays below some
/// megabytes however many receivers there are.
const WHOLE_HISTORIES_MAX: usize = 100;

/// What a clerk reads of a delivery that is late.
const LATE: (&str, &str) = (
    "trễ: chưa đến nơi nhận, trục vẫn đang gửi hoặc chờ người trực xử lý",
    "late: it has not arrived; the gateway goes on trying, or holds it for the operator",
);

/// Who is looking.
#[derive(Clone, Copy, Debug)]
pub enum Viewer<'a> {
    /// A connected system: sees what it sent, or what is for organisations that are at home there.
    System(&'a SystemId),
    /// The operator: sees everything.
    Operator,
}

/// A document as its sender or receivers see it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct DocumentView {
    /// The receipt, as it was given.
    pub receipt: Receipt,
    /// Deliveries as they are now: all for the sender, its own for a receiver.
    pub deliveries: Vec<DeliveryView>,
    /// What axes gave that says the same; for the sender.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub copies: Vec<CopyView>,
    /// Another gateway, which accepted it: this is what it has said in `EVENTS`. That tells nothing of business states and
    /// copies.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accepted_by: Option<NodeName>,
}

/// What an axis gave that says what the document says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CopyView {
    /// As it was noted.
    #[serde(flatten)]
    pub copy: AxisCopy,
    /// What it is, for a clerk.
    pub vi: String,
    /// And in English.
    pub en: String,
}

impl CopyView {
    fn of(copy: AxisCopy) -> Self {
        let (vi, en) = copy.relation.wording();
        Self { copy, vi: vi.to_owned(), en: en.to_owned() }
    }
}

/// One delivery as it is now.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct DeliveryView {
    /// Its id.
    pub delivery_id: DeliveryId,
    /// To whom.
    pub receiver: OrganId,
    /// Transport state.
    pub state: State,
    /// That state for a clerk.
    pub state_vi: String,
    /// And in English.
    pub state_en: String,
    /// Attempts so far.
    pub attempts: u32,
    /// When the next attempt may be made, while it is queued.
    pub next_attempt: Option<Timestamp>,
    /// It should be over by now, and is not (`delivery.late_after`).
    #[serde(default)]
    pub late: bool,
    /// Since when it is late.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub late_since: Option<Timestamp>,
    /// What a clerk reads of that; absent while it is not late.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub late_vi: String,
    /// And in English.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub late_en: String,
    /// Whether the sender was told that it was given up, or cannot be told by packet or mail; absent while neither is so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub told: Option<ToldView>,
    /// The business state of the document at this receiver; of a packet of type 1 or 2 that of the document it is about.
    /// `None` for a status packet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub business: Option<BusinessView>,
    /// The newest 50 lines, oldest first; only the newest one where more than 100 deliveries are shown.
    pub history: Vec<HistoryEntry>,
}

/// Whether a sender was told of what was given up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToldView {
    /// It was.
    pub told: bool,
    /// When it was, or when that was found to be impossible.
    pub at: Timestamp,
    /// That for a clerk.
    pub vi: String,
    /// And in English.
    pub en: String,
    /// Why it could not be told; empty when it was.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub note: String,
}

impl ToldView {
    fn of(delivery: &Delivery, lines: &[HistoryEntry]) -> Option<Self> {
        let says = |line: &&HistoryEntry| matches!(line.event.as_str(), "reported" | "not_told");
        let line = lines.iter().rev().find(says).filter(|_| delivery.state == State::GivenUp)?;
        let told = line.event == "reported";
        let (vi, en) = match told {
            true => ("đã báo bên gửi là không gửi được", "the sender was told that it was given up"),
            false if line.note == LEFT_TO_THE_API => {
                ("không báo bằng gói tin hay thư", "nobody is told by packet or mail")
            }
            false => ("không báo được bên gửi", "the sender could not be told"),
        };
        let note = SafeText::new(&line.note).into_string();
        Some(Self { told, at: line.at, vi: vi.to_owned(), en: en.to_owned(), note })
    }
}

/// What the receiver has said of a document, and what it is asked (spec edxml section 6).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BusinessView {
    /// `none`, the two digits of the status code, or `withdrawn`.
    pub code: String,
    /// What a clerk reads.
    pub vi: String,
    /// And in English.
    pub en: String,
    /// When the packet came that made it so; `None` while nothing was said.
    pub since: Option<Timestamp>,
    /// What waits for the receiver's 15 or 16, the newest first.
    pub pending: Vec<PendingView>,
}

/// A question of the sender that waits for its answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PendingView {
    /// `13` for a recall; `1`, `2` or `3` for a packet of that type.
    pub code: String,
    /// What a clerk reads.
    pub vi: String,
    /// And in English.
    pub en: String,
}

impl BusinessView {
    fn of(standing: Option<Standing>) -> Self {
        let state = standing.map(|standing| standing.state).unwrap_or_default();
        let (vi, en) = state.stage().wording();
        let pending = state.open().map(|question| {
            let (vi, en) = question.wording();
            PendingView { code: question.code().to_owned(), vi: vi.to_owned(), en: en.to_owned() }
        });
        Self {
            code: state.stage().code().to_owned(),
            vi: vi.to_owned(),
            en: en.to_owned(),
            since: standing.map(|standing| standing.since),
            pending: pending.collect(),
        }
    }
}

/// Business states at these receivers, in their order; `None` for a status packet. A packet of type 1 or 2 may be about a
/// document that a body received which this receiver took over.
pub async fn business(
    ports: &Ports,
    directory: &Directory,
    keys: &RecognitionKeys,
    receivers: &[&OrganId],
) -> Result<Vec<Option<BusinessView>>, Fault> {
    let is_status = keys.kind == PacketKind::Status.id_text();
    let Some(name) = keys.document_name().filter(|_| !is_status) else {
        return Ok(vec![None; receivers.len()]);
    };
    let today = ports.clock.now().to_zoned(VIETNAM.to_time_zone()).date();
    let asks = [BusinessType::Revoke, BusinessType::Update].map(|kind| PacketKind::Document(kind).id_text());
    let bodies = receivers.iter().map(|receiver| match asks.contains(&keys.kind.as_str()) {
        true => directory.bodies(receiver, today),
        false => vec![(*receiver).clone()],
    });
    let bodies: Vec<_> = bodies.collect();
    let places = bodies.iter().flatten().map(|body| StandingKey::of(&name, body)).collect();
    let mut standings = ports.store.standings(places).await?.into_iter();
    let views = bodies.iter().map(|bodies| {
        let own: Vec<_> = standings.by_ref().take(bodies.len()).collect();
        Some(BusinessView::of(own.into_iter().flatten().next()))
    });
    Ok(views.collect())
}

/// What this gateway itself knows of a document.
enum Known {
    /// It did not accept it.
    Nothing,
    /// It did; `None`: that is nobody's of this viewer.
    Seen(Option<Box<DocumentView>>),
}

/// The view of a document that this gateway accepted, `None` when there is no such document for this viewer. A delivery that
/// is not over so long after its receipt is late.
pub async fn document(
    ports: &Ports,
    directory: &Directory,
    id: DocumentId,
    viewer: Viewer<'_>,
    late_after: Duration,
) -> Result<Option<DocumentView>, Fault> {
    match known(ports, directory, id, viewer, late_after).await? {
        Known::Nothing => Ok(None),
        Known::Seen(view) => Ok(view.map(|view| *view)),
    }
}

async fn known(
    ports: &Ports,
    directory: &Directory,
    id: DocumentId,
    viewer: Viewer<'_>,
    late_after: Duration,
) -> Result<Known, Fault> {
    let all = ports.store.deliveries_of(id).await?;
    if all.is_empty() {
        return Ok(Known::Nothing);
    }
    let Some(admission) = ports.spool.admission(id).await? else { return Ok(Known::Nothing) };
    let mut receipt = admission.receipt;
    let Some(Visible { deliveries: visible, is_all }) = visible(directory, &mut receipt, all, viewer) else {
        return Ok(Known::Seen(None));
    };
    let is_whole = visible.len() <= WHOLE_HISTORIES_MAX;
    let mut deliveries = Vec::with_capacity(visible.len());
    let receivers: Vec<_> = visible.iter().map(|delivery| &delivery.route.receiver).collect();
    let states = business(ports, directory, &admission.keys, &receivers).await?;
    for (delivery, business) in visible.into_iter().zip(states) {
        let late_since = late_since(&delivery, late_after, ports.clock.now());
        let mut history = ports.store.history(delivery.id).await?;
        let told = ToldView::of(&delivery, &history);
        if !is_whole {
            history.drain(..history.len().saturating_sub(1));
        }
        deliveries.push(DeliveryView { business, ..shown(delivery, history, told, late_since) });
    }
    let copies = match is_all {
        true => ports.spool.copies(id).await?.into_iter().map(CopyView::of).collect(),
        false => Vec::new(),
    };
    let view = DocumentView { receipt: receipt.worded(), deliveries, copies, accepted_by: None };
    Ok(Known::Seen(Some(Box::new(view))))
}

/// What a viewer may see.
struct Visible {
    deliveries: Vec<Delivery>,
    /// Because it is the sender's, or an operator looks.
    is_all: bool,
}

/// What of a document this viewer may see, and the receipt without the rest; `None`: nothing.
fn visible(
    directory: &Directory,
    receipt: &mut Receipt,
    mut deliveries: Vec<Delivery>,
    viewer: Viewer<'_>,
) -> Option<Visible> {
    let is_all = match viewer {
        Viewer::Operator => true,
        Viewer::System(system) => receipt.origin == *system || is_home(directory, &receipt.from, system),
    };
    deliveries.retain(|delivery| {
        let receiver = &delivery.route.receiver;
        is_all || matches!(viewer, Viewer::System(system) if is_home(directory, receiver, system))
    });
    let ids: HashSet<DeliveryId> = deliveries.iter().map(|delivery| delivery.id).collect();
    receipt.deliveries.retain(|line| ids.contains(&line.delivery_id));
    (!deliveries.is_empty()).then_some(Visible { deliveries, is_all })
}

fn is_home(directory: &Directory, organ: &OrganId, system: &SystemId) -> bool {
    directory.find(organ).is_some_and(|o| matches!(&o.home, Some(Home::System(home)) if home == system))
}

fn shown(
    delivery: Delivery,
    history: Vec<HistoryEntry>,
    told: Option<ToldView>,
    late_since: Option<Timestamp>,
) -> DeliveryView {
    let (vi, en) = delivery.state.wording();
    DeliveryView {
        delivery_id: delivery.id,
        receiver: delivery.route.receiver,
        state: delivery.state,
        state_vi: vi.to_owned(),
        state_en: en.to_owned(),
        attempts: delivery.attempts,
        next_attempt: (delivery.state == State::Queued).then_some(delivery.due),
        late: late_since.is_some(),
        late_since,
        late_vi: late_since.map(|_| LATE.0.to_owned()).unwrap_or_default(),
        late_en: late_since.map(|_| LATE.1.to_owned()).unwrap_or_default(),
        told,
        business: None,
        history,
    }
}
