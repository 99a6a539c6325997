//! What `EVENTS` says of the documents that a lost gateway had accepted, whoever said it.

use std::collections::BTreeMap;

use futures_util::StreamExt;
use jiff::Timestamp;
use lienthong_schemas::ids::{DeliveryId, DocumentId};

use crate::ports::{Fault, Left, Ports};
use crate::record::{Event, NodeName, State};

/// The documents, each with what is said of its deliveries.
pub(super) type Documents = BTreeMap<DocumentId, BTreeMap<DeliveryId, Said>>;

/// What is said of a delivery.
#[derive(Clone, Debug)]
pub(super) struct Said {
    /// As it is handed to the store.
    pub(super) left: Left,
    /// The lost one had accepted it, or kept it for another reason.
    pub(super) accepted_there: bool,
}

impl Said {
    /// Nothing yet.
    pub(super) fn nothing(at: Timestamp) -> Self {
        let left = Left { generation: 1, state: State::Queued, at, reported: false, told: false };
        Self { left, accepted_there: false }
    }

    fn note(&mut self, node: &NodeName, event: &Event) {
        let (by_node, word) =
            (event.node.as_ref().is_some_and(|life| life.node == *node), &event.entry.event);
        // An operator's word there is kept by that gateway like what it accepted.
        let keeps = matches!(word.as_str(), "accepted" | "adopted" | "rebuilt" | "requeued" | "rerouted");
        self.accepted_there |= by_node && keeps;
        let (left, state) = (&mut self.left, event.entry.state);
        if !event.outlasts((left.generation, left.state)) {
            return;
        }
        left.generation = left.generation.max(event.generation);
        if left.state != state {
            (left.state, left.at, left.reported) = (state, event.entry.at, false);
        }
        let was_told = word == "reported";
        left.reported |= was_told || word == "not_told";
        left.told |= was_told && state == State::GivenUp;
    }
}

/// The documents of which the node had accepted a delivery.
pub(super) async fn accepted_by(ports: &Ports, node: &NodeName) -> Result<Documents, Fault> {
    let mut said = Documents::new();
    let end = ports.broker.events_span().await?.last.sequence;
    let events = ports.broker.events_after(0).await?;
    if events.is_end {
        return Ok(said);
    }
    let mut messages = events.messages;
    while let Some(message) = messages.next().await {
        let message = message?;
        for event in &message.followed {
            let deliveries = said.entry(event.document).or_default();
            let nothing = || Said::nothing(event.entry.at);
            deliveries.entry(event.delivery).or_insert_with(nothing).note(node, event);
        }
        if message.sequence >= end {
            break;
        }
    }
    said.retain(|_, deliveries| deliveries.values().any(|said| said.accepted_there));
    Ok(said)
}
