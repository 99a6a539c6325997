//! The store's trees, one folder each: `outbox/<number>/`. The newest is written; the older ones answer for keys that it
//! does not have ([`layers`]). `folders` says which of them count after a kill, `forward` begins the next one.

mod filter;
mod folders;
mod forward;
mod layers;
mod looking;
mod marks;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};

use serde::de::DeserializeOwned;

use self::filter::{Filter, Noting};
use self::layers::{Filters, Layers, Older};
use super::draft::Next as Numbers;
use super::engine::{Backend, Batch, EngineFault, Reader, SharedReader, Tree};
use super::survey::{Survey, survey};
use super::view::{ReadFault, View};
use super::{keys, progress};

pub(super) use self::folders::{Found, open, size_on_disk, trees};
pub(crate) use self::folders::{engine_of, noted, numbers, take_away_folder};
pub(super) use self::forward::{Cursor, Step};
pub(crate) use self::looking::look_at;

/// One tree.
struct Generation {
    number: u32,
    folder: PathBuf,
    backend: Box<dyn Backend>,
    filter: Filter,
}

/// One that is written no more, but for what is pruned.
pub(super) struct Left {
    number: u32,
    folder: PathBuf,
    backend: Box<dyn Backend>,
    reader: Arc<dyn SharedReader>,
    filter: Filters,
    /// Something was removed since its last barrier.
    is_touched: bool,
}

/// See the module.
pub(super) struct Generations {
    root: PathBuf,
    newest: Generation,
    /// The newest first.
    older: Vec<Left>,
    /// The one that comes after the newest: all that is written goes there, too, while it is filled.
    next: Option<forward::Next>,
    /// Whoever holds files of a generation holds this.
    token: Arc<()>,
}

impl Left {
    /// What is in memory may not be on disk.
    fn distrust(&self) {
        if let Err(cause) = progress::note(&self.folder) {
            tracing::error!(folder = %self.folder.display(), %cause, "that it is broken cannot be noted");
        }
    }
}

impl Generation {
    fn left(self) -> Left {
        let Self { number, folder, backend, filter } = self;
        let (reader, filter) = (backend.reader(), Arc::new(filter));
        Left { number, folder, backend, reader, filter, is_touched: false }
    }

    /// Applies a batch, and remembers which keys it has.
    fn apply(&mut self, batch: Batch) -> Result<(), EngineFault> {
        for key in batch.written().filter(|key| keys::is_kept(key)) {
            self.filter.insert(keys::family(key));
        }
        self.backend.apply(batch)
    }
}

impl Generations {
    /// A single tree, as it is.
    #[cfg(test)]
    pub(super) fn of_one(backend: Box<dyn Backend>, folder: &Path) -> Self {
        let newest = Generation { number: 1, folder: folder.to_owned(), backend, filter: Filter::of_all() };
        let root = folder.parent().unwrap_or(folder).to_owned();
        Self { root, newest, older: Vec::new(), next: None, token: Arc::new(()) }
    }

    /// Looks at all of it as it is read, once; every value of the older ones was looked at when they were opened.
    ///
    /// # Errors
    /// See [`survey`].
    pub(super) fn survey(&mut self, next: Numbers) -> Result<Survey, ReadFault> {
        let noted = Noting::new(&mut self.newest.filter, self.newest.backend.tree()?);
        survey(&Layers { newest: Box::new(noted), older: older(&self.older) }, next)
    }

    /// The value under a key.
    pub(super) fn value<T: DeserializeOwned>(&self, key: &[u8]) -> Result<Option<T>, ReadFault> {
        View(&*self.tree()?).value(key)
    }

    /// The folder of the newest.
    pub(super) fn folder(&self) -> &Path {
        &self.newest.folder
    }

    /// How many there are.
    pub(super) fn count(&self) -> usize {
        1 + self.older.len()
    }

    /// Applies a batch to the newest, and to the one that follows it while that is filled.
    pub(super) fn apply(&mut self, batch: Batch) -> Result<(), EngineFault> {
        self.apply_to_next(&batch);
        self.newest.apply(batch)
    }

    /// Puts all that was applied on disk. What was removed from an older generation goes first, as a key that tells of it
    /// may be removed from the newest.
    pub(super) fn barrier(&mut self) -> Result<(), EngineFault> {
        for left in self.older.iter_mut().filter(|left| left.is_touched) {
            left.backend.barrier().inspect_err(|_| left.distrust())?;
            left.is_touched = false;
        }
        self.newest.backend.barrier()
    }

    /// Removes keys from every generation that has them.
    pub(super) fn forget(&mut self, removals: Batch) -> Result<(), EngineFault> {
        for left in &mut self.older {
            let mut batch = Batch::default();
            let tree = left.backend.tree()?;
            for key in removals.keys().filter(|key| left.filter.may_have(keys::family(key))) {
                if tree.get(key)?.is_some() {
                    batch.remove(key.clone());
                }
            }
            drop(tree);
            if !batch.is_empty() {
                left.is_touched = true;
                left.backend.apply(batch).inspect_err(|_| left.distrust())?;
            }
        }
        self.apply(removals)
    }

    /// For other threads, to read; as it is until the next generation takes over.
    pub(super) fn reader(&self) -> Arc<dyn SharedReader> {
        let older = self.older.iter().map(|left| (left.filter.clone(), left.reader.clone())).collect();
        let _token = self.token.clone();
        Arc::new(Readers { newest: self.newest.backend.reader(), older, _token })
    }

    /// Counts who holds files.
    pub(super) fn held(&self) -> Weak<()> {
        Arc::downgrade(&self.token)
    }
}

impl Reader for Generations {
    fn tree(&self) -> Result<Box<dyn Tree + '_>, EngineFault> {
        Ok(Box::new(Layers { newest: self.newest.backend.tree()?, older: older(&self.older) }))
    }
}

fn older(left: &[Left]) -> Vec<Older<'_>> {
    left.iter().map(|left| Older::new(left.filter.clone(), &*left.reader)).collect()
}

/// What the threads that read have of each generation.
struct Readers {
    newest: Arc<dyn SharedReader>,
    older: Vec<(Filters, Arc<dyn SharedReader>)>,
    _token: Arc<()>,
}

impl Reader for Readers {
    fn tree(&self) -> Result<Box<dyn Tree + '_>, EngineFault> {
        let older = self.older.iter().map(|(filter, reader)| Older::new(filter.clone(), &**reader)).collect();
        Ok(Box::new(Layers { newest: self.newest.tree()?, older }))
    }
}

impl SharedReader for Readers {
    fn is_ahead_of_disk(&self) -> bool {
        self.newest.is_ahead_of_disk()
    }

    fn bytes(&self) -> Result<u64, EngineFault> {
        self.newest.bytes()
    }

    #[cfg(test)]
    fn overwrite(&self, key: &[u8], value: Option<&[u8]>) {
        self.newest.overwrite(key, value);
    }
}
