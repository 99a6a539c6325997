//! `receipt.after = "outbox+broker"` (design.md B2): a receipt is given when the broker has the document as well. What is
//! on disk stays there whatever the broker does; who is told to come again gets the same receipt then.

use lienthong_config::ReceiptAfter;
use lienthong_schemas::ids::DocumentId;

use super::{Intake, Origin};
use crate::acknowledged::until_acknowledged;
use crate::ports::Fault;
use crate::record::Delivery;

impl Intake {
    /// Waits until the broker has acknowledged what the receipt of a document promises: its packet and deliveries, and
    /// what was to be told of it.
    ///
    /// # Errors
    /// It has not within [`super::BROKER_WAIT`]; the store fails.
    pub(super) async fn until_durable(&self, document: DocumentId, origin: &Origin) -> Result<(), Fault> {
        // A status packet of our own is asked for again by its report, which the store keeps.
        let is_ours = matches!(origin, Origin::Gateway { .. });
        if is_ours || self.policy.receipt_after == ReceiptAfter::Outbox {
            return Ok(());
        }
        let what = format!("{document} is on disk");
        until_acknowledged(&self.ports, &self.wakes, what, || self.is_published(document)).await
    }

    async fn is_published(&self, document: DocumentId) -> Result<bool, Fault> {
        Ok(!self.ports.store.deliveries_of(document).await?.iter().any(Delivery::is_unpublished))
    }
}
