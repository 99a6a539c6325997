//! The engines with nothing around them, for measurements that ask what the store costs beside them: a whole store read
//! once, and commits of the entries that an admission makes, group by group.

use std::io;
use std::path::Path;
use std::sync::Arc;

use lienthong_pipeline::clock::SystemClock;
use lienthong_pipeline::ports::OutboxStore;
use lienthong_pipeline::record::Admission;

use crate::store::{Alone, Engine, FileStore, Keeper, until_free};

/// Key and value.
pub type Entry = (Vec<u8>, Vec<u8>);

/// The folder that the engine has below the folder of a store that never began a second generation.
const FIRST: &str = "1";

fn other(fault: impl ToString) -> io::Error {
    io::Error::other(fault.to_string())
}

/// Opens the store in a folder by the engine as it comes, without settings of ours, and reads every key and value once, as
/// it is; the bytes of all of them.
///
/// # Errors
/// The engine's.
pub fn scan(store: &Path, engine: Engine) -> io::Result<u64> {
    let mut bytes = 0;
    each(store, engine, |key, value| bytes += (key.len() + value.len()) as u64)?;
    Ok(bytes)
}

fn each(store: &Path, engine: Engine, mut look: impl FnMut(&[u8], &[u8])) -> io::Result<()> {
    let folder = store.join(FIRST);
    match engine {
        Engine::Sled => {
            until_free(&folder)?;
            for entry in sled::open(folder)?.iter() {
                let (key, value) = entry?;
                look(&key, &value);
            }
        }
        Engine::Redb => {
            use redb::{ReadableDatabase, ReadableTable};
            let db = redb::Database::open(folder.join(engine.file())).map_err(other)?;
            let table = redb::TableDefinition::<&[u8], &[u8]>::new("outbox");
            let table = db.begin_read().map_err(other)?.open_table(table).map_err(other)?;
            for entry in table.iter().map_err(other)? {
                let (key, value) = entry.map_err(other)?;
                look(key.value(), value.value());
            }
        }
    }
    Ok(())
}

/// What a store writes of an admission, as a store in this folder, which is made for it, does.
///
/// # Errors
/// The store's.
pub async fn entries_of(admission: &Admission, folder: &Path, engine: Engine) -> io::Result<Vec<Entry>> {
    let store = FileStore::open(folder, engine, Arc::new(SystemClock)).map_err(other)?;
    store.close().await.map_err(other)?;
    drop(store);
    let mut before = Vec::new();
    each(folder, engine, |key, value| before.push((key.to_vec(), value.to_vec())))?;
    let store = FileStore::open(folder, engine, Arc::new(SystemClock)).map_err(other)?;
    store.admit(admission).await.map_err(other)?;
    store.close().await.map_err(other)?;
    drop(store);
    let mut entries = Vec::new();
    each(folder, engine, |key, value| entries.push((key.to_vec(), value.to_vec())))?;
    entries.retain(|entry| !before.contains(entry));
    Ok(entries)
}

/// The same entries for another document: in keys that begin with an id there is another one, and those that end with a
/// number count on.
pub fn varied(entries: &[Entry], n: u64) -> Vec<Entry> {
    let vary = |(key, value): &Entry| {
        let mut key = key.clone();
        let id = n.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15).to_be_bytes();
        let (at, with) = match key.first() {
            Some(b'z') => return (key, value.clone()),
            // Behind the queue: a correlation key of 16 bytes and a number of 8.
            Some(b'c') => (key.len().saturating_sub(24), id),
            Some(b'd' | b'e' | b'h' | b'k' | b'm') => (2, id),
            _ => (key.len().saturating_sub(8), n.to_be_bytes()),
        };
        key.iter_mut().skip(at).zip(with).for_each(|(byte, with)| *byte ^= with);
        (key, value.clone())
    };
    entries.iter().map(vary).collect()
}

/// An engine with the settings, the memory and the barrier that the store gives it.
pub struct Commits(Alone);

impl Commits {
    /// Makes one in a folder that is there.
    ///
    /// # Errors
    /// The engine's.
    pub fn open(folder: &Path, engine: Engine) -> io::Result<Self> {
        Alone::open(folder, engine, Keeper::from(engine).cache_bytes).map(Self).map_err(other)
    }

    /// Writes entries, to be on disk after the next barrier.
    ///
    /// # Errors
    /// The engine's.
    pub fn apply(&mut self, entries: Vec<Entry>) -> io::Result<()> {
        self.0.apply(entries).map_err(other)
    }

    /// Puts on disk what was applied.
    ///
    /// # Errors
    /// The engine's.
    pub fn barrier(&mut self) -> io::Result<()> {
        self.0.barrier().map_err(other)
    }
}
