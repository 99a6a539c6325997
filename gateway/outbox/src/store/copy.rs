//! A store copied key by key into another engine's files, generation by generation, as it stands, and read back.

use std::fs::File;
use std::ops::Bound;
use std::path::Path;

use super::engine::{Batch, Engine, EngineFault, Reader};
use super::generations::trees;
use super::progress::is_noted;
use super::view::View;
use super::writer::open_engine;
use super::{StoreFault, keys};
use crate::folder;
use crate::offline::OfflineFault;
use crate::sealed;

/// A batch is applied when it has so many entries,
const ENTRIES_PER_BATCH: u64 = 1_024;
/// or so many bytes.
const BYTES_PER_BATCH: usize = 1 << 20;

/// What a tree holds, to be compared with what another one holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Content {
    /// Keys.
    pub(crate) entries: u64,
    /// Bytes of keys and values.
    pub(crate) bytes: u64,
    sum: u32,
}

impl Content {
    fn add(&mut self, key: &[u8], value: &[u8]) {
        self.entries += 1;
        self.bytes += (key.len() + value.len()) as u64;
        for part in [key, value] {
            self.sum = crc32c::crc32c_append(self.sum, &(part.len() as u64).to_le_bytes());
            self.sum = crc32c::crc32c_append(self.sum, part);
        }
    }
}

/// Memory for the pages of each of the two.
const CACHE_BYTES: usize = 64 << 20;

/// Copies the store in a folder into an empty folder, for another engine. What it holds is on disk, and was read back
/// from there, when this returns; the names of its files are not.
///
/// # Errors
/// The first value that is damaged; a disk.
pub(crate) fn copy(from: &Path, engine: Engine, to: &Path, other: Engine) -> Result<Content, OfflineFault> {
    let io = |source| StoreFault::Io { path: from.to_owned(), source };
    let trees = trees(from).map_err(io)?;
    let mut all = Content::default();
    for (n, tree) in trees.iter().enumerate() {
        // The last of several may be one that was being filled; it goes at the next start.
        let may_be_unfinished = n > 0 && n + 1 == trees.len();
        let (from, to) = (from.join(tree), to.join(tree));
        let Content { entries, bytes, .. } = copy_tree(&from, engine, &to, other, may_be_unfinished)?;
        all.entries += entries;
        all.bytes += bytes;
    }
    Ok(all)
}

fn copy_tree(
    from: &Path,
    engine: Engine,
    to: &Path,
    other: Engine,
    may_be_unfinished: bool,
) -> Result<Content, OfflineFault> {
    if is_noted(from) {
        return Err(OfflineFault::Damaged("a damaged value was met, and noted, before".to_owned()));
    }
    let source = open_engine(from, engine, CACHE_BYTES)?;
    let mut content = Content::default();
    let at = |folder| move |cause| StoreFault::of_engine(folder, cause);
    let tree = source.tree().map_err(at(from))?;
    let whole_mark = View(&*tree).value::<bool>(keys::WHOLE);
    if may_be_unfinished && whole_mark.map_err(|fault| StoreFault::of_reading(from, fault))?.is_none() {
        return Ok(content);
    }
    folder::make(to).map_err(|source| StoreFault::Io { path: to.to_owned(), source })?;
    let mut target = open_engine(to, other, CACHE_BYTES)?;
    let (mut batch, mut entries, mut bytes) = (Batch::default(), 0, 0);
    for entry in tree.range((Bound::Unbounded, Bound::Unbounded)) {
        let (key, value) = entry.map_err(at(from))?;
        whole(&key, &value)?;
        content.add(&key, &value);
        bytes += key.len() + value.len();
        entries += 1;
        batch.insert(key.to_vec(), value.to_vec());
        if entries == ENTRIES_PER_BATCH || bytes >= BYTES_PER_BATCH {
            target.apply(std::mem::take(&mut batch)).and_then(|()| target.barrier()).map_err(at(to))?;
            (entries, bytes) = (0, 0);
        }
    }
    target.apply(batch).and_then(|()| target.barrier()).map_err(at(to))?;
    drop(target);
    released(to, other).map_err(|cause| at(to)(cause.into()))?;
    let copied = open_engine(to, other, CACHE_BYTES)?;
    if held(&*copied).map_err(at(to))? != content {
        return Err(OfflineFault::Unequal);
    }
    drop(copied);
    released(to, other).map_err(|cause| at(to)(cause.into()))?;
    Ok(content)
}

fn whole(key: &[u8], value: &[u8]) -> Result<(), OfflineFault> {
    let looked = sealed::look(key, value);
    looked.map(drop).map_err(|damage| OfflineFault::Damaged(format!("{}: {damage}", keys::shown(key))))
}

fn held(reader: &dyn Reader) -> Result<Content, EngineFault> {
    let (tree, mut content) = (reader.tree()?, Content::default());
    for entry in tree.range((Bound::Unbounded, Bound::Unbounded)) {
        let (key, value) = entry?;
        content.add(&key, &value);
    }
    Ok(content)
}

/// Returns when nobody has the engine's file open: an engine's own threads may let go of it a moment after it is dropped.
fn released(folder: &Path, engine: Engine) -> std::io::Result<()> {
    File::open(folder.join(engine.file()))?.lock()
}
