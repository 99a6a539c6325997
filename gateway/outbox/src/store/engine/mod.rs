//! What a store needs of the engine beneath it: one ordered tree of keys and values, changed a batch at a time by one
//! writer, and a barrier that puts on disk all that was applied. `sled` and `redb` are the two; both pass `tests`.

mod overlay;
mod redb;
mod sled;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::io;
use std::ops::{Bound, Deref};
use std::path::{Path, PathBuf};
use std::sync::Arc;

#[cfg(test)]
pub(super) use self::tests::unsynced;

#[cfg(feature = "bare")]
pub(crate) use self::sled::until_free;

use self::redb::RedbBackend;
use self::sled::SledBackend;

/// Memory for pages, where nobody says how much.
pub(crate) const CACHE_BYTES: usize = 512 << 20;

/// Which engine keeps the store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Engine {
    /// A log of pages (crate `sled`).
    #[default]
    Sled,
    /// A copy-on-write B-tree in one file (crate `redb`).
    Redb,
}

impl Engine {
    /// Every one.
    pub const ALL: [Self; 2] = [Self::Sled, Self::Redb];

    /// Its name, as the settings have it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sled => "sled",
            Self::Redb => "redb",
        }
    }

    /// The engine of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|engine| engine.as_str() == name)
    }

    /// The file that only this engine makes in a store's folder.
    pub const fn file(self) -> &'static str {
        match self {
            Self::Sled => sled::FILE,
            Self::Redb => redb::FILE,
        }
    }

    /// The engines that wrote something into a store's folder; none where there is no store.
    pub(crate) fn found(folder: &Path) -> io::Result<Vec<Self>> {
        let mut found = Vec::new();
        for engine in Self::ALL {
            match folder.join(engine.file()).symlink_metadata() {
                Ok(_) => found.push(engine),
                Err(cause) if cause.kind() == io::ErrorKind::NotFound => {}
                Err(cause) => return Err(cause),
            }
        }
        Ok(found)
    }

    /// Opens the engine's files in a folder that is there, or makes them. Their names are not synced. Its pages take up to
    /// `cache_bytes` of memory.
    pub(crate) fn open(self, folder: &Path, cache_bytes: usize) -> Result<Box<dyn Backend>, EngineFault> {
        Ok(match self {
            Self::Sled => Box::new(SledBackend::open(folder, cache_bytes)?),
            Self::Redb => Box::new(RedbBackend::open(folder, cache_bytes)?),
        })
    }
}

/// An engine, and what it is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keeper {
    /// What keeps the store.
    pub engine: Engine,
    /// Memory in bytes for the pages of what is written, the newest generation. What is older, and asked seldom, has a
    /// little of its own.
    pub cache_bytes: usize,
}

impl From<Engine> for Keeper {
    /// With as much memory as the setting `[outbox] cache` gives where it is not set.
    fn from(engine: Engine) -> Self {
        Self { engine, cache_bytes: CACHE_BYTES }
    }
}

/// Why an engine could not do what was asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum EngineFault {
    /// The disk or the system; what is stored may be whole.
    #[error("{0}")]
    Io(io::Error),
    /// What is stored is not what was written.
    #[error("{0}")]
    Damaged(String),
    /// The engine cannot go on for a reason of its own.
    #[error("{0}")]
    Failed(String),
}

impl From<io::Error> for EngineFault {
    fn from(cause: io::Error) -> Self {
        use io::ErrorKind::{InvalidData, InvalidInput, UnexpectedEof};
        // By these an engine says that a file does not hold what it should, not that it cannot be read.
        match cause.kind() {
            UnexpectedEof | InvalidData | InvalidInput => Self::Damaged(cause.to_string()),
            _ => Self::Io(cause),
        }
    }
}

/// Bytes that an engine handed out, without a copy where it can.
pub(crate) enum Stored {
    Sled(::sled::IVec),
    Redb(::redb::AccessGuard<'static, &'static [u8]>),
    Own(Vec<u8>),
}

impl Deref for Stored {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Sled(bytes) => bytes,
            Self::Redb(guard) => guard.value(),
            Self::Own(bytes) => bytes,
        }
    }
}

/// Where a range begins and ends.
pub(crate) type Bounds<'a> = (Bound<&'a [u8]>, Bound<&'a [u8]>);
/// A key and its value.
pub(crate) type Entry = (Stored, Stored);
/// Keys with their values, in the order asked for.
pub(crate) type Entries<'a> = Box<dyn Iterator<Item = Result<Entry, EngineFault>> + 'a>;

/// The tree, to read from.
pub(crate) trait Tree {
    /// The value under a key.
    fn get(&self, key: &[u8]) -> Result<Option<Stored>, EngineFault>;
    /// The entries of a range, the lowest key first; none where it ends before it begins.
    fn range(&self, bounds: Bounds<'_>) -> Entries<'_>;
    /// The same, the highest key first.
    fn range_back(&self, bounds: Bounds<'_>) -> Entries<'_>;
}

/// Whoever can look at the tree as it is now.
pub(crate) trait Reader {
    /// The tree. Whether it stands still while it is looked at is the engine's affair: who follows an entry to another
    /// key checks that the two still belong together.
    fn tree(&self) -> Result<Box<dyn Tree + '_>, EngineFault>;
}

/// A [`Reader`] for other threads than the writer's.
pub(crate) trait SharedReader: Reader + Send + Sync {
    /// Whether it sees what a barrier is putting on disk.
    fn is_ahead_of_disk(&self) -> bool;
    /// Bytes of all keys and values; reads them all.
    fn bytes(&self) -> Result<u64, EngineFault> {
        let tree = self.tree()?;
        let mut entries = tree.range((Bound::Unbounded, Bound::Unbounded));
        entries.try_fold(0, |bytes, entry| entry.map(|(key, value)| bytes + (key.len() + value.len()) as u64))
    }
    /// Writes one value, or removes it, past the store, and returns when others see it.
    #[cfg(test)]
    fn overwrite(&self, key: &[u8], value: Option<&[u8]>);
}

/// An engine at work. As a [`Reader`] it sees all that it applied.
pub(crate) trait Backend: Reader + Send {
    /// Applies a batch, all or nothing. It is on disk after the next [`Backend::barrier`]; before that, a kill leaves the
    /// whole batch or nothing of it, and none of a later one without it.
    fn apply(&mut self, batch: Batch) -> Result<(), EngineFault>;
    /// Puts all that was applied on disk. After an error nothing may be written any more.
    fn barrier(&mut self) -> Result<(), EngineFault>;
    /// For the threads that read.
    fn reader(&self) -> Arc<dyn SharedReader>;
}

/// Changes that belong together: a new value for a key, or `None` where it goes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Batch(BTreeMap<Vec<u8>, Option<Vec<u8>>>);

impl Batch {
    /// Writes a value; the last one said for a key counts.
    pub(crate) fn insert(&mut self, key: Vec<u8>, value: Vec<u8>) {
        self.0.insert(key, Some(value));
    }

    /// Removes a value.
    pub(crate) fn remove(&mut self, key: Vec<u8>) {
        self.0.insert(key, None);
    }

    /// Whether it changes nothing.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Every key that it changes.
    pub(crate) fn keys(&self) -> impl Iterator<Item = &Vec<u8>> {
        self.0.keys()
    }

    /// The keys that have a value after it.
    pub(super) fn written(&self) -> impl Iterator<Item = &Vec<u8>> {
        self.0.iter().filter_map(|(key, value)| value.as_ref().map(|_| key))
    }
}

/// An engine with nothing around it.
#[cfg(feature = "bare")]
pub(crate) struct Alone(Box<dyn Backend>);

#[cfg(feature = "bare")]
impl Alone {
    /// With the settings that the store gives it, in a folder that is there.
    pub(crate) fn open(folder: &Path, engine: Engine, cache_bytes: usize) -> Result<Self, EngineFault> {
        engine.open(folder, cache_bytes).map(Self)
    }

    /// See [`Backend::apply`].
    pub(crate) fn apply(&mut self, entries: Vec<(Vec<u8>, Vec<u8>)>) -> Result<(), EngineFault> {
        let entries = entries.into_iter().map(|(key, value)| (key, Some(value)));
        self.0.apply(Batch(entries.collect()))
    }

    /// See [`Backend::barrier`].
    pub(crate) fn barrier(&mut self) -> Result<(), EngineFault> {
        self.0.barrier()
    }
}

/// The first key after all that begin with a prefix; no bound where there is none.
pub(crate) fn after(prefix: &[u8]) -> Bound<Vec<u8>> {
    let mut after = prefix.to_vec();
    while let Some(last) = after.pop() {
        if last < u8::MAX {
            after.push(last + 1);
            return Bound::Excluded(after);
        }
    }
    Bound::Unbounded
}

/// Whether no key lies between two bounds.
fn is_empty(bounds: Bounds<'_>) -> bool {
    match bounds {
        (Bound::Included(start), Bound::Included(end)) => start > end,
        (Bound::Included(start), Bound::Excluded(end)) => start >= end,
        (Bound::Excluded(start), Bound::Included(end) | Bound::Excluded(end)) => start >= end,
        (Bound::Unbounded, _) | (_, Bound::Unbounded) => false,
    }
}

/// The path of an engine's file.
fn file_in(folder: &Path, engine: Engine) -> PathBuf {
    folder.join(engine.file())
}
