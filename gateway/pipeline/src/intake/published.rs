//! `receipt.after = "outbox+broker"` (design.md B2): a receipt is given when the broker has the document as well. What is
//! on disk stays there whatever the broker does; who is told to come again gets the same receipt then.

use std::time::Duration;

use lienthong_config::ReceiptAfter;
use lienthong_schemas::ids::DocumentId;

use super::{Intake, Origin};
use crate::clock::after;
use crate::ports::Fault;
use crate::record::Delivery;

/// How long a receipt waits for the broker.
pub const BROKER_WAIT: Duration = Duration::from_secs(10);

impl Intake {
    /// Waits until the broker has acknowledged what the receipt of a document promises: its packet and deliveries, and
    /// what was to be told of it.
    ///
    /// # Errors
    /// It has not within [`BROKER_WAIT`]; the store fails.
    pub(super) async fn until_durable(&self, document: DocumentId, origin: &Origin) -> Result<(), Fault> {
        // A status packet of our own is asked for again by its report, which the store keeps.
        let is_ours = matches!(origin, Origin::Gateway { .. });
        if is_ours || self.policy.receipt_after == ReceiptAfter::Outbox {
            return Ok(());
        }
        let end = after(self.ports.clock.now(), BROKER_WAIT);
        tokio::select! {
            outcome = self.until_published(document) => outcome,
            () = self.ports.clock.sleep_until(end) => {
                Err(Fault::new("broker", format!("{document} is on disk, and the broker has not acknowledged it")))
            }
        }
    }

    async fn until_published(&self, document: DocumentId) -> Result<(), Fault> {
        // Events of this document have no higher number.
        let last = self.ports.store.unsent_span().await?.map(|span| *span.end());
        self.wakes.until_published(|| self.is_published(document, last)).await
    }

    async fn is_published(&self, document: DocumentId, last: Option<u64>) -> Result<bool, Fault> {
        if let Some(last) = last
            && let Some(span) = self.ports.store.unsent_span().await?
            && *span.start() <= last
        {
            return Ok(false);
        }
        Ok(!self.ports.store.deliveries_of(document).await?.iter().any(Delivery::is_unpublished))
    }
}
