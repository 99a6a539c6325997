//! Who of several gateways dispatches for which queues, and who of them is alive (design.md B7).

use std::time::Duration;

use async_trait::async_trait;

use super::Fault;
use crate::record::{Fence, NodeName, Partition};

/// A lease ends by itself when it was not renewed for this long.
pub const LEASE_TTL: Duration = Duration::from_secs(15);
/// How often leases are renewed, and nodes say that they are alive.
pub const RENEW_EVERY: Duration = Duration::from_secs(5);

/// What a gateway says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeWord {
    /// Its name.
    pub node: NodeName,
    /// Raised when another gateway adopts what this one accepted. One that comes back with an older epoch only drains.
    pub epoch: u64,
    /// Which store it has ([`crate::record::NodeLife`]).
    pub store: u64,
}

/// A gateway as the others see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeenNode {
    /// What it last said.
    pub word: NodeWord,
    /// Its epoch as it stands now: above that of its word since it was adopted.
    pub epoch: u64,
    /// How long ago that was, by the clock of the server that keeps it.
    pub age: Duration,
}

/// A lease as the server has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeenLease {
    /// Of which partition.
    pub partition: Partition,
    /// Who holds it.
    pub node: NodeName,
    /// Which holding it is.
    pub fence: Fence,
}

/// All that is known of nodes and leases.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// Leases that have not ended, each partition at most once.
    pub leases: Vec<SeenLease>,
    /// Every node that ever said a word, by name.
    pub nodes: Vec<SeenNode>,
}

/// Leases of partitions, and words of nodes, which all gateways see alike. Every call may fail at any time. A lease is
/// decided by the server: of two that take one partition at the same time one gets it.
#[async_trait]
pub trait Leases: Send + Sync + 'static {
    /// What is known now. It may be some seconds old, and it may leave out what ended meanwhile.
    async fn look(&self) -> Result<Seen, Fault>;
    /// Takes a partition that nobody holds, for [`LEASE_TTL`]; `None`: somebody does. The fence is above all that the
    /// partition had before.
    async fn take(&self, partition: Partition, word: &NodeWord) -> Result<Option<Fence>, Fault>;
    /// Holds it for another [`LEASE_TTL`]; `false`: this holding has ended.
    async fn renew(&self, partition: Partition, fence: Fence, word: &NodeWord) -> Result<bool, Fault>;
    /// Ends this holding, so that another may take the partition at once. That it has ended already is no fault.
    async fn release(&self, partition: Partition, fence: Fence) -> Result<(), Fault>;
    /// Says that a node is alive; returns the epoch that the server has for it then. A word with an older epoch changes
    /// neither that epoch nor anything else but that the node is alive.
    async fn say(&self, word: &NodeWord) -> Result<u64, Fault>;
    /// Raises a node's epoch from `epoch` to the next one; `None`: it is another one already, or nobody knows the node.
    async fn raise(&self, node: &NodeName, epoch: u64) -> Result<Option<u64>, Fault>;
}
