//! redb: one file, one table. What is applied waits in memory and goes in one transaction at the barrier, in the order
//! of the keys; readers see only what is committed, and that is on disk.

use std::io;
use std::path::Path;
use std::sync::Arc;

use redb::{
    AccessGuard, Builder, Database, Durability, Range, ReadOnlyTable, ReadableDatabase, StorageError,
    TableDefinition, TableError,
};

use super::overlay::Overlay;
use super::{
    Backend, Batch, Bounds, Engine, EngineFault, Entries, Entry, Reader, SharedReader, Stored, Tree, file_in,
    is_empty,
};

/// The file, which only this engine makes.
pub(super) const FILE: &str = "outbox.redb";

const TABLE: TableDefinition<'static, Slice, Slice> = TableDefinition::new("outbox");

/// See the module.
pub(super) struct RedbBackend {
    db: Arc<Database>,
    waiting: Batch,
}

impl RedbBackend {
    /// Opens a folder.
    pub(super) fn open(folder: &Path, cache_bytes: usize) -> Result<Self, EngineFault> {
        let mut builder = Builder::new();
        let db = builder.set_cache_size(cache_bytes).create(file_in(folder, Engine::Redb));
        Self::over(db.map_err(fault)?)
    }

    /// The same with a file that is open.
    pub(super) fn over(db: Database) -> Result<Self, EngineFault> {
        let mut backend = Self { db: Arc::new(db), waiting: Batch::default() };
        match backend.db.begin_read().map_err(fault)?.open_table(TABLE) {
            Ok(_) => {}
            // Just made, or cut off when it was.
            Err(TableError::TableDoesNotExist(_)) => backend.barrier()?,
            Err(cause) => return Err(fault(cause)),
        }
        Ok(backend)
    }
}

impl Backend for RedbBackend {
    fn apply(&mut self, batch: Batch) -> Result<(), EngineFault> {
        self.waiting.0.extend(batch.0);
        Ok(())
    }

    fn barrier(&mut self) -> Result<(), EngineFault> {
        let mut transaction = self.db.begin_write().map_err(fault)?;
        transaction.set_durability(Durability::Immediate).map_err(fault)?;
        let mut table = transaction.open_table(TABLE).map_err(fault)?;
        for (key, value) in &self.waiting.0 {
            match value {
                Some(value) => table.insert(key.as_slice(), value.as_slice()).map(drop),
                None => table.remove(key.as_slice()).map(drop),
            }
            .map_err(fault)?;
        }
        drop(table);
        transaction.commit().map_err(fault)?;
        self.waiting.0.clear();
        Ok(())
    }

    fn reader(&self) -> Arc<dyn SharedReader> {
        Arc::new(Committed(self.db.clone()))
    }
}

impl Reader for RedbBackend {
    fn tree(&self) -> Result<Box<dyn Tree + '_>, EngineFault> {
        Ok(Box::new(Overlay { above: &self.waiting.0, below: committed(&self.db)? }))
    }
}

/// What is on disk.
struct Committed(Arc<Database>);

type Slice = &'static [u8];
type Snapshot = ReadOnlyTable<Slice, Slice>;

fn committed(db: &Database) -> Result<Snapshot, EngineFault> {
    db.begin_read().map_err(fault)?.open_table(TABLE).map_err(fault)
}

impl Reader for Committed {
    fn tree(&self) -> Result<Box<dyn Tree + '_>, EngineFault> {
        Ok(Box::new(committed(&self.0)?))
    }
}

impl SharedReader for Committed {
    fn is_ahead_of_disk(&self) -> bool {
        false
    }

    #[cfg(test)]
    fn overwrite(&self, key: &[u8], value: Option<&[u8]>) {
        let mut backend = RedbBackend { db: self.0.clone(), waiting: Batch::default() };
        backend.waiting.0.insert(key.to_vec(), value.map(<[u8]>::to_vec));
        backend.barrier().expect("overwritten");
    }
}

impl Tree for Snapshot {
    fn get(&self, key: &[u8]) -> Result<Option<Stored>, EngineFault> {
        Ok(ReadOnlyTable::get(self, key).map_err(fault)?.map(Stored::Redb))
    }

    fn range(&self, bounds: Bounds<'_>) -> Entries<'_> {
        match entries(self, bounds) {
            Ok(entries) => Box::new(entries.into_iter().flatten().map(stored)),
            Err(fault) => Box::new(std::iter::once(Err(fault))),
        }
    }

    fn range_back(&self, bounds: Bounds<'_>) -> Entries<'_> {
        match entries(self, bounds) {
            Ok(entries) => Box::new(entries.into_iter().flat_map(Iterator::rev).map(stored)),
            Err(fault) => Box::new(std::iter::once(Err(fault))),
        }
    }
}

fn entries(
    table: &Snapshot,
    bounds: Bounds<'_>,
) -> Result<Option<Range<'static, Slice, Slice>>, EngineFault> {
    if is_empty(bounds) {
        return Ok(None);
    }
    table.range::<&[u8]>(bounds).map(Some).map_err(fault)
}

type Guard = AccessGuard<'static, Slice>;

fn stored(entry: Result<(Guard, Guard), StorageError>) -> Result<Entry, EngineFault> {
    let (key, value) = entry.map_err(fault)?;
    Ok((Stored::Redb(key), Stored::Redb(value)))
}

fn fault(cause: impl Into<redb::Error>) -> EngineFault {
    match cause.into() {
        redb::Error::Io(cause) => cause.into(),
        redb::Error::Corrupted(cause) => EngineFault::Damaged(cause),
        cause @ redb::Error::DatabaseAlreadyOpen => {
            EngineFault::Io(io::Error::new(io::ErrorKind::ResourceBusy, cause.to_string()))
        }
        cause => EngineFault::Failed(cause.to_string()),
    }
}
