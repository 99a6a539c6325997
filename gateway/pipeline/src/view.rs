//! "Where is my document?": what one connected system may see of one document (design.md invariant 9).

use std::collections::HashSet;

use jiff::Timestamp;
use lienthong_schemas::ids::{DeliveryId, DocumentId};
use lienthong_schemas::organ::OrganId;
use serde::{Deserialize, Serialize};

use crate::directory::{Directory, Home};
use crate::ports::{Fault, Ports};
use crate::record::{Delivery, HistoryEntry, Receipt, State, SystemId};

/// A document shown with more deliveries than this has only the newest line of each history: an answer stays below some
/// megabytes however many receivers there are.
const WHOLE_HISTORIES_MAX: usize = 100;

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
    /// The newest 50 lines, oldest first; only the newest one where more than 100 deliveries are shown.
    pub history: Vec<HistoryEntry>,
}

/// The view of a document, `None` when there is no such document for this viewer.
pub async fn document(
    ports: &Ports,
    directory: &Directory,
    id: DocumentId,
    viewer: Viewer<'_>,
) -> Result<Option<DocumentView>, Fault> {
    let all = ports.store.deliveries_of(id).await?;
    if all.is_empty() {
        return Ok(None);
    }
    let Some(admission) = ports.spool.admission(id).await? else { return Ok(None) };
    let mut receipt = admission.receipt;
    let sees_all = match viewer {
        Viewer::Operator => true,
        Viewer::System(system) => receipt.origin == *system || is_home(directory, &receipt.from, system),
    };
    let seen = |delivery: &Delivery| {
        let receiver = &delivery.route.receiver;
        sees_all || matches!(viewer, Viewer::System(system) if is_home(directory, receiver, system))
    };
    let visible: Vec<Delivery> = all.into_iter().filter(seen).collect();
    if visible.is_empty() {
        return Ok(None);
    }
    let ids: HashSet<DeliveryId> = visible.iter().map(|delivery| delivery.id).collect();
    receipt.deliveries.retain(|line| ids.contains(&line.delivery_id));
    let whole = visible.len() <= WHOLE_HISTORIES_MAX;
    let mut deliveries = Vec::with_capacity(visible.len());
    for delivery in visible {
        deliveries.push(shown(ports, delivery, whole).await?);
    }
    Ok(Some(DocumentView { receipt, deliveries }))
}

fn is_home(directory: &Directory, organ: &OrganId, system: &SystemId) -> bool {
    directory.find(organ).is_some_and(|o| matches!(&o.home, Some(Home::System(home)) if home == system))
}

async fn shown(ports: &Ports, delivery: Delivery, whole: bool) -> Result<DeliveryView, Fault> {
    let mut history = ports.store.history(delivery.id).await?;
    if !whole {
        history.drain(..history.len().saturating_sub(1));
    }
    let (vi, en) = delivery.state.wording();
    Ok(DeliveryView {
        delivery_id: delivery.id,
        receiver: delivery.route.receiver,
        state: delivery.state,
        state_vi: vi.to_owned(),
        state_en: en.to_owned(),
        attempts: delivery.attempts,
        next_attempt: (delivery.state == State::Queued).then_some(delivery.due),
        history,
    })
}
