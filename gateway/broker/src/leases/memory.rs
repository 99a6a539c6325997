//! [`MemoryLeases`]: leases without a server, for tests of what stands on them. Time is tokio's, which tests can move.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use lienthong_pipeline::ports::{Fault, LEASE_TTL, Leases, NodeWord, Seen, SeenLease, SeenNode};
use lienthong_pipeline::record::{Fence, NodeName, Partition};
use tokio::time::Instant;

use super::Standing;
use crate::PLACE;

/// Leases in memory. Clones are the same ones, as several gateways use them.
#[derive(Clone, Default)]
pub struct MemoryLeases(Arc<Mutex<Board>>);

#[derive(Default)]
struct Board {
    stopped: bool,
    /// Leases taken.
    count: u64,
    held: BTreeMap<Partition, Held>,
    /// What is kept of each node, and when it said its last word.
    nodes: BTreeMap<NodeName, (Standing, Instant)>,
}

struct Held {
    node: NodeName,
    fence: Fence,
    until: Instant,
}

impl MemoryLeases {
    /// Nobody holds anything, and no node has said a word.
    pub fn new() -> Self {
        Self::default()
    }

    /// An outage begins: every call fails. Leases end meanwhile.
    pub fn stop(&self) {
        self.board().stopped = true;
    }

    /// The outage ends.
    pub fn start(&self) {
        self.board().stopped = false;
    }

    fn board(&self) -> MutexGuard<'_, Board> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// With what ended taken out.
    fn running(&self) -> Result<MutexGuard<'_, Board>, Fault> {
        let mut board = self.board();
        if board.stopped {
            return Err(Fault::new(PLACE, "not connected"));
        }
        let now = Instant::now();
        board.held.retain(|_, held| held.until > now);
        Ok(board)
    }
}

#[async_trait]
impl Leases for MemoryLeases {
    async fn look(&self) -> Result<Seen, Fault> {
        let board = self.running()?;
        let lease = |(partition, held): (&Partition, &Held)| SeenLease {
            partition: *partition,
            node: held.node.clone(),
            fence: held.fence,
        };
        let node = |(standing, said_at): &(Standing, Instant)| SeenNode {
            word: standing.word.clone(),
            epoch: standing.epoch,
            age: said_at.elapsed(),
        };
        Ok(Seen {
            leases: board.held.iter().map(lease).collect(),
            nodes: board.nodes.values().map(node).collect(),
        })
    }

    async fn take(&self, partition: Partition, word: &NodeWord) -> Result<Option<Fence>, Fault> {
        let mut board = self.running()?;
        if board.held.contains_key(&partition) {
            return Ok(None);
        }
        board.count += 1;
        let fence = Fence(board.count);
        let held = Held { node: word.node.clone(), fence, until: Instant::now() + LEASE_TTL };
        board.held.insert(partition, held);
        Ok(Some(fence))
    }

    async fn renew(&self, partition: Partition, fence: Fence, word: &NodeWord) -> Result<bool, Fault> {
        let mut board = self.running()?;
        let held = board.held.get_mut(&partition);
        match held.filter(|held| held.fence == fence && held.node == word.node) {
            Some(held) => held.until = Instant::now() + LEASE_TTL,
            None => return Ok(false),
        }
        Ok(true)
    }

    async fn release(&self, partition: Partition, fence: Fence) -> Result<(), Fault> {
        self.running()?.held.retain(|of, held| *of != partition || held.fence != fence);
        Ok(())
    }

    async fn say(&self, word: &NodeWord) -> Result<u64, Fault> {
        let mut board = self.running()?;
        let said = Standing::after(board.nodes.get(&word.node).map(|(standing, _)| standing), word);
        let epoch = said.epoch;
        board.nodes.insert(word.node.clone(), (said, Instant::now()));
        Ok(epoch)
    }

    async fn raise(&self, node: &NodeName, epoch: u64) -> Result<Option<u64>, Fault> {
        let mut board = self.running()?;
        let Some((standing, _)) = board.nodes.get_mut(node) else { return Ok(None) };
        let Some(raised) = standing.raised(epoch) else { return Ok(None) };
        *standing = raised;
        Ok(Some(standing.epoch))
    }
}
