//! The tree of an index: reading and changing it, one at a time. What is changed is seen at once, and on disk some time
//! later: a kill only sets it back.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::path::Path;

use jiff::Timestamp;
use lienthong_pipeline::record::{EventsPlace, Lane, Place, Posted, SystemId, Waiting};
use lienthong_schemas::ids::DeliveryId;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::keys;
use crate::sealed;
use crate::store::{Backend, Batch, Engine, EngineFault, Entries, Tree, key_after};

/// The layout that this program writes.
const LAYOUT: u8 = 1;
/// Memory for the engine's pages.
const CACHE_BYTES: usize = 8 << 20;
/// Changed keys after which they are put on disk; so many are held in memory.
const SYNC_EVERY: usize = 8_192;
/// Batches after which they are.
const BATCHES_PER_SYNC: usize = 64;

/// Why an index cannot do what was asked.
#[derive(Debug, thiserror::Error)]
pub(super) enum TreeFault {
    /// What is there is not what was written, or not for this program.
    #[error("{0}")]
    Damaged(String),
    /// The disk.
    #[error("{0}")]
    Io(String),
    /// Nothing is wrong with it, but it is not done.
    #[error("{0}")]
    Refused(String),
}

impl From<EngineFault> for TreeFault {
    fn from(cause: EngineFault) -> Self {
        match cause {
            EngineFault::Io(cause) => Self::Io(cause.to_string()),
            EngineFault::Damaged(cause) | EngineFault::Failed(cause) => Self::Damaged(cause),
        }
    }
}

impl From<std::io::Error> for TreeFault {
    fn from(cause: std::io::Error) -> Self {
        Self::Io(cause.to_string())
    }
}

/// See the module.
pub(super) struct IndexTree {
    backend: Box<dyn Backend>,
    /// Keys that were changed since the last barrier, and in how many batches.
    changed: usize,
    batches: usize,
}

type View<'a> = &'a dyn Tree;

fn value<T: DeserializeOwned>(tree: View<'_>, key: &[u8]) -> Result<Option<T>, TreeFault> {
    let Some(sealed) = tree.get(key)? else { return Ok(None) };
    sealed::unseal(key, &sealed).map(Some).map_err(|damage| TreeFault::Damaged(damage.to_string()))
}

fn put<T: Serialize>(batch: &mut Batch, key: Vec<u8>, value: &T) -> Result<(), TreeFault> {
    let sealed = sealed::seal(&key, value).map_err(|cause| TreeFault::Refused(cause.to_string()))?;
    batch.insert(key, sealed);
    Ok(())
}

impl IndexTree {
    pub(super) fn open(folder: &Path, engine: Engine) -> Result<Self, TreeFault> {
        if Engine::found(folder)?.iter().any(|found| *found != engine) {
            return Err(TreeFault::Damaged("another engine wrote it".to_owned()));
        }
        let backend = engine.open(folder, CACHE_BYTES)?;
        let mut index = Self { backend, changed: 0, batches: 0 };
        let tree = index.backend.tree()?;
        let (layout, is_empty) =
            (value::<u8>(&*tree, keys::LAYOUT)?, value::<EventsPlace>(&*tree, keys::READ)?.is_none());
        drop(tree);
        match layout {
            Some(LAYOUT) => {}
            None if is_empty => {
                let mut batch = Batch::default();
                put(&mut batch, keys::LAYOUT.to_vec(), &LAYOUT)?;
                index.backend.apply(batch)?;
                index.backend.barrier()?;
            }
            other => return Err(TreeFault::Damaged(format!("its layout is {other:?}"))),
        }
        Ok(index)
    }

    pub(super) fn read_up_to(&self) -> Result<Option<EventsPlace>, TreeFault> {
        value(&*self.backend.tree()?, keys::READ)
    }

    pub(super) fn entry(&self, id: DeliveryId) -> Result<Option<Posted>, TreeFault> {
        value(&*self.backend.tree()?, &keys::entry(id))
    }

    pub(super) fn take(&mut self, entries: Vec<Posted>, read: Option<&EventsPlace>) -> Result<(), TreeFault> {
        // So many messages said nothing that only their number is worth a note.
        let is_note = entries.is_empty();
        let mut newest = BTreeMap::<DeliveryId, Posted>::new();
        for posted in entries {
            if newest.get(&posted.delivery).is_none_or(|known| posted.is_after(known)) {
                newest.insert(posted.delivery, posted);
            }
        }
        let mut batch = Batch::default();
        for (id, posted) in newest {
            if let Some(known) = self.entry(id)? {
                if !posted.is_after(&known) {
                    continue;
                }
                batch.remove(keys::found_by(&known));
            }
            batch.insert(keys::found_by(&posted), Vec::new());
            put(&mut batch, keys::entry(id), &posted)?;
        }
        if let Some(read) = read {
            put(&mut batch, keys::READ.to_vec(), read)?;
        }
        self.apply(batch)?;
        if is_note { self.sync() } else { Ok(()) }
    }

    fn apply(&mut self, batch: Batch) -> Result<(), TreeFault> {
        self.changed += batch.keys().count();
        self.batches += 1;
        self.backend.apply(batch)?;
        if self.changed >= SYNC_EVERY || self.batches >= BATCHES_PER_SYNC {
            self.sync()?;
        }
        Ok(())
    }

    fn sync(&mut self) -> Result<(), TreeFault> {
        self.backend.barrier()?;
        (self.changed, self.batches) = (0, 0);
        Ok(())
    }

    pub(super) fn waiting(
        &self,
        system: &SystemId,
        waiting: Waiting,
        after: Option<Place>,
        limit: usize,
    ) -> Result<Vec<Place>, TreeFault> {
        let tree = self.backend.tree()?;
        let mut found = Vec::new();
        for lane in Lane::ALL.into_iter().filter(|lane| after.is_none_or(|after| *lane >= after.lane)) {
            let list = keys::list(system, waiting, lane);
            let behind = after.filter(|after| after.lane == lane);
            let behind = behind.map(|after| keys::place(system, waiting, &after));
            for entry in below(&*tree, &list, behind.as_deref()).take(limit - found.len()) {
                let (key, _) = entry?;
                let place = keys::place_in(&key, lane);
                found.push(place.ok_or_else(|| TreeFault::Damaged("a key of a list".to_owned()))?);
            }
        }
        Ok(found)
    }

    pub(super) fn count(
        &self,
        system: &SystemId,
        waiting: Waiting,
        lane: Option<Lane>,
        most: usize,
    ) -> Result<usize, TreeFault> {
        let (tree, mut count) = (self.backend.tree()?, 0);
        for lane in Lane::ALL.into_iter().filter(|one| lane.is_none_or(|lane| *one == lane)) {
            for entry in below(&*tree, &keys::list(system, waiting, lane), None).take(most - count) {
                entry?;
                count += 1;
            }
        }
        Ok(count)
    }

    /// One look for each system, however much waits for it.
    pub(super) fn systems(
        &self,
        mut after: Option<SystemId>,
        limit: usize,
    ) -> Result<Vec<SystemId>, TreeFault> {
        let (tree, mut found) = (self.backend.tree()?, Vec::new());
        while found.len() < limit {
            let from = keys::systems_after(after.as_ref());
            let Some(entry) = tree.range((Bound::Included(&from), Bound::Unbounded)).next() else { break };
            let (key, _) = entry?;
            let Some(system) = keys::system_in(&key) else { break };
            after = Some(system.clone());
            found.push(system);
        }
        Ok(found)
    }

    pub(super) fn forget(&mut self, before: Timestamp, limit: usize) -> Result<usize, TreeFault> {
        let (mut batch, mut count) = (Batch::default(), 0);
        let tree = self.backend.tree()?;
        let end = keys::over_before(before);
        for entry in tree.range((Bound::Included(keys::OVER), Bound::Excluded(&end))).take(limit) {
            let (key, _) = entry?;
            let id =
                keys::over_in(&key).ok_or_else(|| TreeFault::Damaged("a key of what is over".to_owned()))?;
            batch.remove(key.to_vec());
            batch.remove(keys::entry(id));
            count += 1;
        }
        drop(tree);
        self.apply(batch)?;
        Ok(count)
    }
}

/// All that begins with a prefix, in order, behind a key of them if one is given.
fn below<'a>(tree: View<'a>, prefix: &[u8], behind: Option<&[u8]>) -> Entries<'a> {
    let start = behind.map_or(Bound::Included(prefix), Bound::Excluded);
    let end = key_after(prefix);
    tree.range((start, end.as_ref().map(Vec::as_slice)))
}
