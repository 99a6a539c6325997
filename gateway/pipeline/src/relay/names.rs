//! Before anything of a document is published by one of several gateways, its name is claimed in `EVENTS` (design.md B3): of
//! two documents that two gateways took under one name, the first one there goes out, and the other one is held where it would
//! meet it. What says the same goes to each receiver once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::StreamExt;
use lienthong_monitoring::Anomaly;
use lienthong_schemas::ids::DocumentId;
use tokio::sync::OnceCell;

use super::Relay;
use crate::crash::crash_point;
use crate::names::{Earlier, Stopped, claim};
use crate::ports::Fault;
use crate::record::{Admission, Delivery, NameClaim, NameClaims, NodeName, State};

/// Documents of which is remembered what their names came to; with more all is forgotten, and asked for again.
const REMEMBERED_MAX: usize = 10_000;
/// Names of one queue that are claimed while its deliveries are published.
const AHEAD: usize = 16;
/// Writes behind a message that turned out not to be the last one.
const TRIES: u32 = 8;
/// What the note of a held delivery begins with: the refusal that its sender would have heard at one gateway.
const CONFLICT: &str = "document_conflict: ";
/// The same of one that is needed no more.
const SAME_CONTENT: &str = "same_content: ";

/// What the names of documents came to. Who asks first finds out, and the others wait.
#[derive(Default)]
pub(super) struct Names(Mutex<HashMap<DocumentId, Arc<OnceCell<Stopped>>>>);

impl Names {
    fn of(&self, document: DocumentId) -> Arc<OnceCell<Stopped>> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= REMEMBERED_MAX && !known.contains_key(&document) {
            known.clear();
        }
        known.entry(document).or_default().clone()
    }
}

impl Relay {
    /// Does the work, and claims the names of what comes next in it meanwhile: a queue does not wait for one after the other.
    pub(super) async fn with_names_ahead<T>(&self, chain: &[Delivery], work: impl Future<Output = T>) -> T {
        let documents: Vec<DocumentId> = chain
            .iter()
            .filter(|delivery| self.is_named(delivery))
            .map(|delivery| delivery.document)
            .collect();
        let ahead = async {
            // What fails is asked for again when its turn comes, and says why then.
            let asking = futures_util::stream::iter(documents).map(|document| self.name_of(document));
            asking.buffer_unordered(AHEAD).for_each(|_| std::future::ready(())).await;
            std::future::pending().await
        };
        tokio::select! {
            done = work => done,
            never = ahead => never,
        }
    }

    /// What was published before had its name; what another gateway took has it claimed there.
    fn is_named(&self, delivery: &Delivery) -> bool {
        self.partitions.own().is_some() && delivery.published == 0 && !delivery.foreign
    }

    /// Whether a delivery may go. One that meets another document is held for the operator, who may send it all the same; one
    /// whose receiver has the same is over.
    pub(super) async fn is_let_through(&self, delivery: &Delivery) -> Result<bool, Fault> {
        if !self.is_named(delivery) {
            return Ok(true);
        }
        let name = self.names.of(delivery.document);
        let stopped = name.get_or_try_init(|| self.claim_name(delivery.document)).await?;
        crash_point("after-name");
        let receiver = &delivery.route.receiver;
        if let Some(Earlier { document, node }) = stopped.served.get(receiver) {
            let note = format!(
                "{SAME_CONTENT}{node} đã nhận cùng nội dung cho nơi này: {document} (accepted there with the same content)"
            );
            self.settle.finish(std::slice::from_ref(delivery), State::Withdrawn, &note).await?;
            self.wakes.changed(delivery);
            return Ok(false);
        }
        let Some(Earlier { document, node }) = stopped.conflicts.get(receiver) else { return Ok(true) };
        // As it is on disk: another chain, or a packet that refers to it, may have come here with it a moment ago.
        let now = self.ports.store.delivery(delivery.id).await?;
        if !now.is_some_and(|now| now.is_unpublished()) {
            return Ok(false);
        }
        let lines = self.ports.store.history(delivery.id).await?;
        if lines.iter().any(|line| line.event == "contested") {
            // It was held, and somebody sends it.
            return Ok(true);
        }
        let note = format!(
            "{CONFLICT}{node} đã nhận văn bản khác cùng DocumentId cho nơi này: {document} (another document under this \
             DocumentId was accepted there for this receiver)"
        );
        self.settle.contest(delivery, note).await?;
        self.wakes.changed(delivery);
        Ok(false)
    }

    async fn name_of(&self, document: DocumentId) -> Result<(), Fault> {
        self.names.of(document).get_or_try_init(|| self.claim_name(document)).await.map(drop)
    }

    /// Says the document's name behind what others said of it. Said again after a kill it comes to the same.
    async fn claim_name(&self, document: DocumentId) -> Result<Stopped, Fault> {
        let Some(own) = self.partitions.own() else { return Ok(Stopped::default()) };
        // What was adopted has no admission here; its name was claimed by who is lost.
        let Some(admission) = self.ports.spool.admission(document).await? else {
            return Ok(Stopped::default());
        };
        let Some(name) = admission.keys.name.or(admission.keys.status) else { return Ok(Stopped::default()) };
        let from_axis = admission.from_axis;
        let own = claim_of(admission, own.name().clone());
        let mut last = NameClaims::nothing();
        for _ in 0..TRIES {
            let Some(known) = &last.claims else {
                tracing::error!(document_id = %document, "its name is not claimed: another program's word stands there");
                return Ok(Stopped::default());
            };
            let is_known = known.iter().any(|claim| claim.document == document);
            let (stopped, say) = claim(known, own.clone(), from_axis);
            match say {
                None if is_known => return Ok(self.found(document, stopped)),
                None => {
                    tracing::warn!(document_id = %document, "its name is not claimed: too much stands under it");
                    return Ok(self.found(document, stopped));
                }
                Some(say) if self.ports.broker.claim_name(name, &say, last.sequence).await? => {
                    return Ok(self.found(document, stopped));
                }
                Some(_) => last = self.ports.broker.name_claims(name).await?,
            }
        }
        Err(Fault::new("names", format!("others claim the name of {document} at the same time")))
    }

    /// Counted, and said, once for each document and life.
    fn found(&self, document: DocumentId, stopped: Stopped) -> Stopped {
        let count = |kind: Anomaly, more: usize| self.metrics.anomalies.of(kind.as_str()).add(more as u64);
        if let Some((receiver, earlier)) = stopped.conflicts.first_key_value() {
            let (kind, receivers) = (Anomaly::DocumentConflict, stopped.conflicts.len());
            count(kind, receivers);
            tracing::error!(
                kind = kind.as_str(), document_id = %document, %receiver, receivers, other = %earlier.document,
                node = %earlier.node, "held: another gateway accepted another document under its DocumentId",
            );
        }
        if let Some(earlier) = &stopped.reuses {
            let kind = Anomaly::DocumentIdReused;
            count(kind, 1);
            tracing::warn!(
                kind = kind.as_str(), document_id = %document, other = %earlier.document, node = %earlier.node,
                "DOCID_REUSED: another gateway accepted another document under its DocumentId",
            );
        }
        stopped
    }
}

fn claim_of(admission: Admission, node: NodeName) -> NameClaim {
    let Admission { receipt, deliveries, keys, .. } = admission;
    NameClaim {
        document: receipt.document_id,
        node,
        kind: keys.kind,
        digest: receipt.sha256,
        semantic: keys.semantic,
        receivers: deliveries.into_iter().map(|delivery| delivery.route.receiver).collect(),
    }
}
