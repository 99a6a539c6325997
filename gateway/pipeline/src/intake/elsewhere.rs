//! What other gateways took under the name of a packet (design.md B3), so that a sender hears here what it would hear there.
//! It is a look, and no promise: what is not seen here, because the broker is away or the other one has not said it yet, is
//! found before the document is published (`relay/names.rs`).

use std::time::Duration;

use lienthong_schemas::edxml::Content;
use tokio::time::timeout;

use super::{Intake, Origin};
use crate::recognise::compared_by;
use crate::record::{NameClaim, RecognitionKeys};

/// A sender waits no longer for it.
const LOOK_WAIT: Duration = Duration::from_secs(1);

impl Intake {
    /// Nothing where this gateway is alone, or does not hear of it in time.
    pub(super) async fn elsewhere(
        &self,
        content: &Content,
        keys: &RecognitionKeys,
        origin: &Origin,
    ) -> Vec<NameClaim> {
        let Some(name) = compared_by(content, keys, origin).filter(|_| self.partitions.own().is_some())
        else {
            return Vec::new();
        };
        match timeout(LOOK_WAIT, self.ports.broker.name_claims(name)).await {
            Ok(Ok(found)) => found.claims.unwrap_or_default(),
            Ok(Err(fault)) => {
                tracing::info!(%fault, "not known what other gateways took under this name");
                Vec::new()
            }
            Err(_) => {
                tracing::info!("not heard in time what other gateways took under this name");
                Vec::new()
            }
        }
    }
}
