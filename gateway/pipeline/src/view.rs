//! "Where is my document?": what one connected system may see of one document (design.md invariant 9).

use jiff::Timestamp;
use lienthong_schemas::ids::{DeliveryId, DocumentId};
use lienthong_schemas::organ::OrganId;
use serde::{Deserialize, Serialize};

use crate::directory::{Directory, Home};
use crate::ports::{Fault, Ports};
use crate::record::{Delivery, HistoryEntry, Receipt, State, SystemId};

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
    /// The newest 50 lines, oldest first.
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
    let mut deliveries = Vec::new();
    for delivery in all {
        let own =
            matches!(viewer, Viewer::System(system) if is_home(directory, &delivery.route.receiver, system));
        if sees_all || own {
            deliveries.push(shown(ports, delivery).await?);
        }
    }
    if deliveries.is_empty() {
        return Ok(None);
    }
    receipt.deliveries.retain(|line| deliveries.iter().any(|d| d.delivery_id == line.delivery_id));
    Ok(Some(DocumentView { receipt, deliveries }))
}

fn is_home(directory: &Directory, organ: &OrganId, system: &SystemId) -> bool {
    directory.find(organ).is_some_and(|o| matches!(&o.home, Some(Home::System(home)) if home == system))
}

async fn shown(ports: &Ports, delivery: Delivery) -> Result<DeliveryView, Fault> {
    let (vi, en) = delivery.state.wording();
    Ok(DeliveryView {
        delivery_id: delivery.id,
        receiver: delivery.route.receiver,
        state: delivery.state,
        state_vi: vi.to_owned(),
        state_en: en.to_owned(),
        attempts: delivery.attempts,
        next_attempt: (delivery.state == State::Queued).then_some(delivery.due),
        history: ports.store.history(delivery.id).await?,
    })
}
