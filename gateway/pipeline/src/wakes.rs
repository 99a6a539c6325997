//! The wires between the tasks of one gateway: "there is something for you in the store". A wake that finds nothing
//! does no harm; work that nobody was woken for is found at the next start, because it stands in the store.

use std::sync::Arc;

use tokio::sync::Notify;

/// One wire for each task that reads the store.
#[derive(Clone, Debug, Default)]
pub struct Wakes {
    /// Something was committed or settled: deliveries or events to publish.
    pub relay: Arc<Notify>,
    /// Something was taken over: deliveries to hand over.
    pub dispatch: Arc<Notify>,
    /// Something was settled: senders to tell.
    pub report: Arc<Notify>,
}
