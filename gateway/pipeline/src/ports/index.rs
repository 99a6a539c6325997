//! The index of mailboxes: what `EVENTS` says of what waits in them, kept by each gateway for all of them. It can be thrown
//! away at any time, and is then read from the stream anew.

use async_trait::async_trait;
use jiff::Timestamp;
use lienthong_schemas::ids::DeliveryId;

use super::Fault;
use crate::record::{EventsPlace, Lane, Place, Posted, SystemId, Waiting};

/// See the module. It may lose all that it has, and nothing less, and says so by [`MailboxIndex::life`].
#[async_trait]
pub trait MailboxIndex: Send + Sync + 'static {
    /// Another number than before as soon as what was there is lost: what is read after that may be an empty index.
    fn life(&self) -> u64;
    /// Up to where `EVENTS` was read; `None`: nothing of it.
    async fn read_up_to(&self) -> Result<Option<EventsPlace>, Fault>;
    /// Takes entries over, of each delivery what [is after](Posted::is_after) what is known, and notes how far `EVENTS` was
    /// read, in one batch. Nothing is taken in another life than this one, which is a fault. A kill may take back the last of
    /// these batches, never one without those after it.
    async fn take(&self, life: u64, entries: Vec<Posted>, read: Option<EventsPlace>) -> Result<(), Fault>;
    /// Throws all of it away.
    async fn clear(&self) -> Result<(), Fault>;
    /// What waits for a system, in order, behind a place; at most `limit`.
    async fn waiting(
        &self,
        system: &SystemId,
        waiting: Waiting,
        after: Option<Place>,
        limit: usize,
    ) -> Result<Vec<Place>, Fault>;
    /// How many these are, in one lane or in both, at most `most`.
    async fn count(
        &self,
        system: &SystemId,
        waiting: Waiting,
        lane: Option<Lane>,
        most: usize,
    ) -> Result<usize, Fault>;
    /// What is known of deliveries, waiting or not, in the order asked for.
    async fn entries(&self, ids: Vec<DeliveryId>) -> Result<Vec<Option<Posted>>, Fault>;
    /// The systems for which something waits; at most `limit`, behind the system `after`, by their ids.
    async fn systems(&self, after: Option<&SystemId>, limit: usize) -> Result<Vec<SystemId>, Fault>;
    /// Forgets what waits no longer and changed before a time, at most `limit`; how many these were.
    async fn forget(&self, before: Timestamp, limit: usize) -> Result<usize, Fault>;
}
