//! Links between what an axis gave and a document that says the same (design.md B3): axes write packets anew, so that one
//! letter may come back, or come for each of its receivers, in other bytes. Nothing is decided by a link; it is for whoever
//! asks what became of a document.

use lienthong_schemas::ids::DocumentId;

use super::{Intake, Origin, shown};
use crate::ports::{Fault, Incoming};
use crate::record::{AxisCopy, CopyRelation, IdempotencyKey};

impl Intake {
    /// A packet that nobody new gets: it is linked where its bytes are other ones.
    pub(super) async fn link_repeat(
        &self,
        origin: &Origin,
        packet: &dyn Incoming,
        key: Option<&IdempotencyKey>,
        known: DocumentId,
    ) -> Result<(), Fault> {
        if !matches!(origin, Origin::Axis { .. }) {
            return Ok(());
        }
        let admission = self.ports.spool.admission(known).await?;
        if admission.is_none_or(|admission| admission.receipt.sha256 == packet.digest()) {
            return Ok(());
        }
        self.link(origin, packet, key, known, (CopyRelation::Repeat, None)).await
    }

    /// A packet in other bytes for further receivers: each of the two documents is linked to the other one.
    pub(super) async fn link_further(
        &self,
        origin: &Origin,
        packet: &dyn Incoming,
        key: Option<&IdempotencyKey>,
        (first, this): (DocumentId, DocumentId),
    ) -> Result<(), Fault> {
        // Another gateway may have taken the first one, and has its admission.
        if self.ports.spool.admission(first).await?.is_some() {
            self.link(origin, packet, key, first, (CopyRelation::TakenFor, Some(this))).await?;
        }
        self.link(origin, packet, key, this, (CopyRelation::CopyOf, Some(first))).await
    }

    /// Notes it beside the document, durably; nothing of what no axis gave.
    pub(super) async fn link(
        &self,
        origin: &Origin,
        packet: &dyn Incoming,
        key: Option<&IdempotencyKey>,
        to: DocumentId,
        (relation, document): (CopyRelation, Option<DocumentId>),
    ) -> Result<(), Fault> {
        let Origin::Axis { axis, .. } = origin else { return Ok(()) };
        let copy = AxisCopy {
            at: self.ports.clock.now(),
            axis: axis.clone(),
            doc_id: key.map(|key| shown(&key.key)).unwrap_or_default(),
            sha256: packet.digest(),
            bytes: packet.bytes(),
            relation,
            document,
        };
        tracing::info!(%axis, doc_id = copy.doc_id, document_id = %to, ?relation, other = ?document.map(|id| id.to_string()),
            "a packet of an axis says what a document says");
        self.ports.spool.copied(to, &copy).await
    }
}
