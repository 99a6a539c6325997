//! The traits through which the pipeline reaches time, storage, network and receivers.
//! Each has two implementations and one contract suite (`contract.rs` beside the trait's users).

mod adapter;
mod axis;
mod broker;
mod index;
mod leases;
mod rolls;
mod spool;
mod store;

use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;

pub use self::adapter::{
    Adapter, Addressee, Consignment, DeliveryFailure, FailureClass, Handover, Notice, Notifier,
};
pub use self::axis::{
    AxisDocId, AxisEntry, AxisInbox, AxisList, Confirmation, FetchFailure, SentEntry, Traffic,
};
pub use self::broker::{Broker, DeliveryMessage, EventsAfter, EventsSpan, Publication, StoredEvents, Taken};
pub use self::index::MailboxIndex;
pub use self::leases::{LEASE_TTL, Leases, NodeWord, RENEW_EVERY, Seen, SeenLease, SeenNode};
pub use self::rolls::{RollText, RollVersion, RollVersions, SHARED_ROLL_BYTES_MAX, Shared, SharedRolls};
pub use self::spool::{Incoming, IncomingWriter, Spool, SpoolUsage};
pub use self::store::{
    Admitted, HandOff, Kept, Left, Listing, Met, OnItsWay, OutboxStore, PendingReport, PerLane, StoreStats,
    Transition,
};

/// All ports of one gateway.
#[derive(Clone)]
pub struct Ports {
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Files.
    pub spool: Arc<dyn Spool>,
    /// Metadata.
    pub store: Arc<dyn OutboxStore>,
    /// Streams.
    pub broker: Arc<dyn Broker>,
}

/// Time. `SystemClock` in the program, `ManualClock` in tests.
#[async_trait]
pub trait Clock: Send + Sync + 'static {
    /// Wall clock.
    fn now(&self) -> Timestamp;
    /// Returns when [`Clock::now`] is at or after `due`; or, where the clock is set back meanwhile, when as much time has
    /// passed as was left at the call.
    async fn sleep_until(&self, due: Timestamp);
}

/// Our own trouble: a disk, the store, the broker. Retried; a sender hears "try again later" and no more.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{place}: {cause}")]
pub struct Fault {
    /// Which of our parts.
    pub place: &'static str,
    /// What it said.
    pub cause: String,
    /// The part does not work again before the process is started anew (a store after a failed barrier).
    pub fatal: bool,
    /// There is no room: a full or nearly full disk, or the spool's quota.
    pub full: bool,
}

impl Fault {
    /// A fault of `place` that may pass.
    pub fn new(place: &'static str, cause: impl std::fmt::Display) -> Self {
        Self { place, cause: cause.to_string(), fatal: false, full: false }
    }

    /// A fault of `place` after which only a new start helps.
    pub fn fatal(place: &'static str, cause: impl std::fmt::Display) -> Self {
        Self { place, cause: cause.to_string(), fatal: true, full: false }
    }

    /// `place` has no room for more.
    pub fn full(place: &'static str, cause: impl std::fmt::Display) -> Self {
        Self { place, cause: cause.to_string(), fatal: false, full: true }
    }
}
