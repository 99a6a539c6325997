//! Which folders of generations there are, and which of them count. A generation counts when it was filled to its end;
//! the one that it followed is marked as left after that and before anything else is written. So after a kill:
//!
//! - the highest is not filled, and another one is not left: it was being filled. It goes, and comes again.
//! - the highest is left: the one after it was lost, and is built anew.

use std::fs;
use std::io;
use std::ops::Bound;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;

use super::filter::{Filter, Noting};
use super::forward::{Cursor, Step};
use super::marks::{Marks, mark_begun, mark_left, mark_made, marks};
use super::{Generation, Generations};
use crate::folder;
use crate::sealed;
use crate::store::engine::{Engine, EngineFault, Keeper, Tree};
use crate::store::view::ReadFault;
use crate::store::{StoreFault, caught, progress, upgrade};

/// Memory for the pages of each older generation, which is asked seldom.
pub(super) const CACHE_BYTES_LEFT: usize = 4 << 20;
/// Keys that the filter of a generation which begins has room for: a month of 100,000 documents.
const KEYS_AT_FIRST: u64 = 3_000_000;
/// Bytes on disk that a key takes, roughly, for the size of a filter.
const BYTES_PER_KEY: u64 = 256;
/// The end of the name of a folder that is being removed.
const GONE: &str = "gone";

/// The generations that count.
pub(in crate::store) struct Found {
    pub(in crate::store) generations: Generations,
    /// The newest was lost; the one that there is now has only what was alive when that one began.
    pub(in crate::store) is_newest_lost: bool,
}

impl Found {
    /// A single tree that is empty.
    #[cfg(test)]
    pub(in crate::store) fn of_one(backend: Box<dyn crate::store::engine::Backend>, folder: &Path) -> Self {
        Self { generations: Generations::of_one(backend, folder), is_newest_lost: false }
    }
}

struct Opened {
    generation: Generation,
    marks: Marks,
}

/// Opens the generations below `root`, or makes the first one there. Every value of the older ones is read, and its
/// checksum made; the newest one is still to be looked at.
pub(in crate::store) fn open(root: &Path, keeper: Keeper, now: Timestamp) -> Result<Found, StoreFault> {
    let io = |source| StoreFault::Io { path: root.to_owned(), source };
    folder::make_durable(root).map_err(io)?;
    into_generations(root).map_err(io)?;
    remove_gone(root).map_err(io)?;
    let numbers = numbers(root).map_err(io)?;
    let highest = numbers.last().copied().unwrap_or(0);
    let (mut newest, mut older) = (None, Vec::new());
    for number in numbers.iter().rev().copied() {
        let is_first = newest.is_none() && older.is_empty();
        let opened = open_one(root, number, keeper, is_first, now)?;
        if number == highest && !opened.marks.is_whole && numbers.len() > 1 {
            tracing::warn!(number, "a generation that was not filled to its end is removed");
            take_away(opened.generation).map_err(io)?;
        } else if is_first && !opened.marks.is_left {
            newest = Some(opened.generation);
        } else {
            older.push(left(opened, keeper.engine, now)?);
        }
    }
    let is_newest_lost = newest.is_none() && !older.is_empty();
    let newest = match newest {
        Some(newest) => newest,
        None => begun(root, highest + 1, keeper, now)
            .map_err(|cause| StoreFault::of_engine(&root.join((highest + 1).to_string()), cause))?,
    };
    let mut generations =
        Generations { root: root.to_owned(), newest, older, next: None, token: Arc::new(()) };
    if is_newest_lost {
        let path = generations.folder().to_owned();
        refilled(&mut generations).map_err(|fault| StoreFault::of_reading(&path, fault))?;
    }
    Ok(Found { generations, is_newest_lost })
}

/// Brings what was alive when the newest generation began into the one that takes the place of a lost one.
fn refilled(generations: &mut Generations) -> Result<(), ReadFault> {
    let mut cursor = Cursor::default();
    while let Step::More = generations.fill_from_before(&mut cursor)? {
        generations.barrier()?;
    }
    Ok(())
}

/// A generation that a later one has followed: that is noted, if a kill came between. All of it is read.
fn left(mut opened: Opened, engine: Engine, now: Timestamp) -> Result<super::Left, StoreFault> {
    let path = opened.generation.folder.clone();
    if !opened.marks.is_left {
        let marked = mark_left(&mut *opened.generation.backend, now);
        marked.map_err(|cause| StoreFault::of_engine(&path, cause))?;
    }
    caught(&path, engine, || {
        let Generation { backend, filter, .. } = &mut opened.generation;
        let tree = backend.tree().map_err(|cause| StoreFault::of_engine(&path, cause))?;
        read_all(&Noting::new(filter, tree)).map_err(|fault| StoreFault::of_reading(&path, fault))?;
        Ok(opened.generation.left())
    })
}

/// Makes every checksum. A value that a newer program wrote is whole.
fn read_all(tree: &dyn Tree) -> Result<(), ReadFault> {
    for entry in tree.range((Bound::Unbounded, Bound::Unbounded)) {
        let (key, value) = entry?;
        sealed::look(&key, &value).map_err(|damage| ReadFault::Damaged(key.to_vec(), damage))?;
    }
    Ok(())
}

/// The folders below a store that hold a tree each, the lowest number first; the store's own, which has no name there,
/// where an earlier program kept it. None where there is no store.
pub(in crate::store) fn trees(root: &Path) -> io::Result<Vec<PathBuf>> {
    if !fs::exists(root)? {
        return Ok(Vec::new());
    }
    if is_of_one_tree(root)? {
        return Ok(vec![PathBuf::new()]);
    }
    Ok(numbers(root)?.into_iter().map(|number| number.to_string().into()).collect())
}

/// The engine that keeps a store; `None` where there is none.
pub(crate) fn engine_of(root: &Path) -> io::Result<Option<Engine>> {
    for tree in trees(root)? {
        if let Some(engine) = Engine::found(&root.join(tree))?.first() {
            return Ok(Some(*engine));
        }
    }
    Ok(None)
}

/// The folder of a generation that was noted as broken, if there is one.
pub(crate) fn noted(root: &Path) -> io::Result<Option<PathBuf>> {
    let folders = numbers(root)?.into_iter().map(|number| root.join(number.to_string()));
    Ok(folders.into_iter().find(|folder| progress::is_noted(folder)))
}

/// The numbers there are, the lowest first.
pub(crate) fn numbers(root: &Path) -> io::Result<Vec<u32>> {
    let mut numbers = Vec::new();
    for entry in fs::read_dir(root)? {
        let entry = entry?;
        let number = entry.file_name().to_str().and_then(number_of);
        if entry.file_type()?.is_dir() {
            numbers.extend(number);
        }
    }
    numbers.sort_unstable();
    Ok(numbers)
}

fn number_of(name: &str) -> Option<u32> {
    name.parse().ok().filter(|number: &u32| *number > 0 && number.to_string() == name)
}

/// A new generation, not yet filled.
pub(super) fn begun(
    root: &Path,
    number: u32,
    keeper: Keeper,
    now: Timestamp,
) -> Result<Generation, EngineFault> {
    let path = root.join(number.to_string());
    folder::make(&path)?;
    let mut backend = keeper.engine.open(&path, keeper.cache_bytes)?;
    mark_made(&mut *backend, now)?;
    folder::sync(&path)?;
    folder::sync(root)?;
    Ok(Generation { number, folder: path, backend, filter: Filter::for_keys(KEYS_AT_FIRST) })
}

/// Opens one, and brings it to the present layout. What panics is damaged.
fn open_one(
    root: &Path,
    number: u32,
    keeper: Keeper,
    is_first: bool,
    now: Timestamp,
) -> Result<Opened, StoreFault> {
    let path = root.join(number.to_string());
    caught(&path, keeper.engine, || opened(&path, number, keeper, is_first, now))
}

fn opened(
    path: &Path,
    number: u32,
    keeper: Keeper,
    is_first: bool,
    now: Timestamp,
) -> Result<Opened, StoreFault> {
    StoreFault::if_noted(path)?;
    let (cache, keys_at_first) =
        if is_first { (keeper.cache_bytes, KEYS_AT_FIRST) } else { (CACHE_BYTES_LEFT, 0) };
    let io = |source| StoreFault::Io { path: path.to_owned(), source };
    let mut backend = crate::store::writer::open_engine(path, keeper.engine, cache)?;
    folder::sync(path).map_err(io)?;
    upgrade::upgrade(&mut *backend, path)?;
    mark_begun(&mut *backend, now).map_err(|fault| StoreFault::of_reading(path, fault))?;
    let filter = Filter::for_keys((size_on_disk(path).map_err(io)? / BYTES_PER_KEY).max(keys_at_first));
    let marks = marks(&*backend, path)?;
    let generation = Generation { number, folder: path.to_owned(), backend, filter };
    Ok(Opened { generation, marks })
}

/// Bytes of the files of a folder.
pub(in crate::store) fn size_on_disk(folder: &Path) -> io::Result<u64> {
    let mut bytes = 0;
    for entry in fs::read_dir(folder)? {
        let found = match entry?.metadata() {
            // The engine tidies up its own files.
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => continue,
            found => found?,
        };
        if found.is_file() {
            bytes += found.len();
        }
    }
    Ok(bytes)
}

/// A store of one tree, as earlier programs kept it, becomes the first generation. A kill in between does no harm.
fn into_generations(root: &Path) -> io::Result<()> {
    let aside = root.with_extension("upgrade");
    let above = root.parent().unwrap_or(Path::new("."));
    if is_of_one_tree(root)? {
        fs::rename(root, &aside)?;
        folder::sync(above)?;
        tracing::warn!(store = %root.display(), "the store of an earlier program becomes the first generation");
    }
    if !fs::exists(&aside)? {
        return Ok(());
    }
    folder::make_durable(root)?;
    fs::rename(&aside, root.join("1"))?;
    folder::sync(root)?;
    folder::sync(above)
}

/// Whether the files of an engine lie in this folder itself.
pub(super) fn is_of_one_tree(root: &Path) -> io::Result<bool> {
    Ok(progress::is_noted(root) || !Engine::found(root)?.is_empty())
}

/// Removes a generation. Nothing of it counts once its name is gone, and then nothing that is cut off matters.
pub(super) fn take_away(generation: Generation) -> io::Result<()> {
    let Generation { folder: path, backend, .. } = generation;
    drop(backend);
    take_away_folder(&path)
}

pub(crate) fn take_away_folder(path: &Path) -> io::Result<()> {
    let gone = path.with_extension(GONE);
    fs::rename(path, &gone)?;
    path.parent().map_or(Ok(()), folder::sync)?;
    if let Err(cause) = fs::remove_dir_all(&gone) {
        tracing::warn!(path = %gone.display(), %cause, "removed at the next start");
    }
    Ok(())
}

/// What was being removed when the process ended.
fn remove_gone(root: &Path) -> io::Result<()> {
    for entry in fs::read_dir(root)? {
        let path: PathBuf = entry?.path();
        if path.extension().is_some_and(|extension| extension == GONE) {
            fs::remove_dir_all(&path)?;
        }
    }
    Ok(())
}
