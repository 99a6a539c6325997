//! [`MemoryRolls`]: shared rolls without a server, for tests of what stands on them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use lienthong_pipeline::directory::Roll;
use lienthong_pipeline::ports::{Fault, RollText, RollVersion, RollVersions, Shared, SharedRolls};
use lienthong_pipeline::record::SystemId;
use tokio::sync::watch;

use crate::PLACE;

/// Rolls in memory. Clones are the same ones, as several gateways use them.
#[derive(Clone)]
pub struct MemoryRolls {
    board: Arc<Mutex<Board>>,
    changes: watch::Sender<()>,
}

#[derive(Default)]
struct Board {
    stopped: bool,
    /// Writings.
    count: u64,
    rolls: BTreeMap<SystemId, (RollVersion, Shared)>,
}

impl Default for MemoryRolls {
    fn default() -> Self {
        Self { board: Arc::default(), changes: watch::Sender::new(()) }
    }
}

impl MemoryRolls {
    /// Nothing is shared.
    pub fn new() -> Self {
        Self::default()
    }

    /// An outage begins: every call fails, and who waits goes on waiting.
    pub fn stop(&self) {
        self.board().stopped = true;
    }

    /// The outage ends.
    pub fn start(&self) {
        self.board().stopped = false;
        self.changes.send_replace(());
    }

    /// Damages what stands under an id. Of `whole` it is known still which checksum it had.
    pub fn harm(&self, id: &SystemId, whole: Option<&Roll>) {
        let checksum = whole.and_then(|roll| RollText::of(roll).ok()).map(|text| text.checksum);
        {
            let mut board = self.board();
            board.count += 1;
            let version = RollVersion { revision: board.count, write: 0 };
            let damaged = Shared::Damaged { why: "harmed".to_owned(), checksum };
            board.rolls.insert(id.clone(), (version, damaged));
        }
        self.changes.send_replace(());
    }

    fn board(&self) -> MutexGuard<'_, Board> {
        self.board.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn running(&self) -> Result<MutexGuard<'_, Board>, Fault> {
        let board = self.board();
        if board.stopped { Err(Fault::new(PLACE, "not connected")) } else { Ok(board) }
    }
}

#[async_trait]
impl SharedRolls for MemoryRolls {
    async fn other_than(&self, known: Option<&RollVersions>) -> RollVersions {
        let mut changes = self.changes.subscribe();
        loop {
            if let Ok(board) = self.running() {
                let versions = board.rolls.iter().map(|(id, (version, _))| (id.clone(), *version)).collect();
                if known != Some(&versions) {
                    return versions;
                }
            }
            // The sender is here, so this does not fail.
            drop(changes.changed().await);
        }
    }

    async fn read(
        &self,
        id: &SystemId,
        known: Option<RollVersion>,
    ) -> Result<Option<(RollVersion, Shared)>, Fault> {
        let there = self.running()?.rolls.get(id).cloned();
        let there = there.unwrap_or((RollVersion::default(), Shared::Nothing));
        Ok(Some(there).filter(|(version, _)| known != Some(*version)))
    }

    async fn put(&self, id: &SystemId, after: u64, roll: &Roll) -> Result<Option<RollVersion>, Fault> {
        // What cannot be written there is refused here as well.
        RollText::of(roll)?;
        let version = {
            let mut board = self.running()?;
            if board.rolls.get(id).map_or(0, |(version, _)| version.revision) != after {
                return Ok(None);
            }
            board.count += 1;
            let version = RollVersion { revision: board.count, write: board.count };
            board.rolls.insert(id.clone(), (version, Shared::Roll(Box::new(roll.clone()))));
            version
        };
        self.changes.send_replace(());
        Ok(Some(version))
    }
}
