//! sled, used the one safe way (notes: `flush` does not sync the drive): one tree, small values, and an fdatasync of our
//! own on its file. What is applied waits in memory and goes in one batch of sled's at the barrier: each such batch begins
//! a new write of the log, with threads of its own that wait for the drive.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use super::overlay::Overlay;
use super::{
    Backend, Batch, Bounds, Engine, EngineFault, Entries, Entry, Reader, SharedReader, Stored, Tree, file_in,
    is_empty,
};

/// The log, which only sled makes.
pub(super) const FILE: &str = "db";

/// sled's own background flush: its garbage collection, and a second belt.
const BACKGROUND_FLUSH_MS: u64 = 500;

/// sled holds the lock on its file until the last of its own threads is done, which is a moment after its handle is gone.
/// A folder that was closed in this process is free within that. Another process is kept out by the lock of the data
/// folder, not by this.
const LOCK_PATIENCE: Duration = Duration::from_secs(5);
const LOCK_LOOKS_EVERY: Duration = Duration::from_millis(20);

/// See the module.
pub(super) struct SledBackend {
    db: sled::Db,
    file: File,
    waiting: Batch,
}

impl SledBackend {
    /// Opens a folder.
    pub(super) fn open(folder: &Path, cache_bytes: usize) -> Result<Self, EngineFault> {
        let config = sled::Config::new()
            .path(folder)
            .cache_capacity(cache_bytes as u64)
            .flush_every_ms(Some(BACKGROUND_FLUSH_MS))
            .use_compression(false)
            .mode(sled::Mode::HighThroughput);
        until_free(folder)?;
        let db = config.open()?;
        let file = File::options().read(true).write(true).open(file_in(folder, Engine::Sled))?;
        Ok(Self { db, file, waiting: Batch::default() })
    }

    /// The same, with another file to sync.
    #[cfg(test)]
    pub(super) fn syncing(folder: &Path, file: File) -> Result<Self, EngineFault> {
        Ok(Self { file, ..Self::open(folder, 1 << 20)? })
    }
}

/// Until nobody holds the lock, or patience ends: what holds it then is told by sled itself.
#[expect(
    clippy::disallowed_methods,
    reason = "a lock of a file that is given up tells nobody; the thread is a blocking one"
)]
pub(crate) fn until_free(folder: &Path) -> io::Result<()> {
    let path = file_in(folder, Engine::Sled);
    if !fs::exists(&path)? {
        return Ok(());
    }
    let file = File::open(path)?;
    let until = Instant::now() + LOCK_PATIENCE;
    loop {
        match file.try_lock() {
            Err(TryLockError::WouldBlock) if Instant::now() < until => thread::sleep(LOCK_LOOKS_EVERY),
            Err(TryLockError::Error(cause)) => return Err(cause),
            Ok(()) | Err(TryLockError::WouldBlock) => return Ok(()),
        }
    }
}

impl From<sled::Error> for EngineFault {
    fn from(cause: sled::Error) -> Self {
        match cause {
            sled::Error::Io(cause) => cause.into(),
            cause @ sled::Error::Corruption { .. } => Self::Damaged(cause.to_string()),
            cause => Self::Failed(cause.to_string()),
        }
    }
}

impl Backend for SledBackend {
    fn apply(&mut self, batch: Batch) -> Result<(), EngineFault> {
        self.waiting.0.extend(batch.0);
        Ok(())
    }

    fn barrier(&mut self) -> Result<(), EngineFault> {
        let mut changes = sled::Batch::default();
        for (key, value) in std::mem::take(&mut self.waiting).0 {
            match value {
                Some(value) => changes.insert(key, value),
                None => changes.remove(key),
            }
        }
        self.db.apply_batch(changes)?;
        self.db.flush()?;
        // Whatever it says, it is no damage.
        self.file.sync_data().map_err(EngineFault::Io)
    }

    fn reader(&self) -> Arc<dyn SharedReader> {
        Arc::new(self.db.clone())
    }
}

impl Reader for SledBackend {
    fn tree(&self) -> Result<Box<dyn Tree + '_>, EngineFault> {
        let below: &sled::Tree = &self.db;
        Ok(Box::new(Overlay { above: &self.waiting.0, below }))
    }
}

impl Reader for sled::Db {
    fn tree(&self) -> Result<Box<dyn Tree + '_>, EngineFault> {
        let tree: &sled::Tree = self;
        Ok(Box::new(tree))
    }
}

impl SharedReader for sled::Db {
    fn is_ahead_of_disk(&self) -> bool {
        true
    }

    #[cfg(test)]
    fn overwrite(&self, key: &[u8], value: Option<&[u8]>) {
        match value {
            Some(value) => self.insert(key, value),
            None => self.remove(key),
        }
        .expect("overwritten");
    }
}

impl Tree for &sled::Tree {
    fn get(&self, key: &[u8]) -> Result<Option<Stored>, EngineFault> {
        Ok(sled::Tree::get(self, key)?.map(Stored::Sled))
    }

    fn range(&self, bounds: Bounds<'_>) -> Entries<'_> {
        if is_empty(bounds) {
            return Box::new(std::iter::empty());
        }
        Box::new(sled::Tree::range::<&[u8], _>(self, bounds).map(stored))
    }

    fn range_back(&self, bounds: Bounds<'_>) -> Entries<'_> {
        if is_empty(bounds) {
            return Box::new(std::iter::empty());
        }
        Box::new(sled::Tree::range::<&[u8], _>(self, bounds).rev().map(stored))
    }
}

fn stored(entry: sled::Result<(sled::IVec, sled::IVec)>) -> Result<Entry, EngineFault> {
    let (key, value) = entry?;
    Ok((Stored::Sled(key), Stored::Sled(value)))
}
