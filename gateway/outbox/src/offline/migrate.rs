//! A store moved to the other engine. The copy is made beside it under one name, gets a second name when it is whole, and
//! then the two change places; whatever a kill leaves, the old store or the new one is there and whole, and [`finish`]
//! at the next start ends what was begun.
//!
//! ```text
//! outbox.migrating    not whole; thrown away
//! outbox.migrated     whole; becomes `outbox` where there is none, and is thrown away beside an `outbox`
//! outbox.<engine>-<n> the old store, kept
//! ```
//!
//! Each generation becomes one of the same number.

use std::fs;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use lienthong_pipeline::crash::crash_point;
use serde::Serialize;

use super::{OfflineFault, at};
use crate::folder;
use crate::format;
use crate::lock::DataLock;
use crate::open::{OpenFault, STORE, free_name};
use crate::store::{Content, Engine, copy, engine_of, said};

const MIGRATING: &str = "outbox.migrating";
const MIGRATED: &str = "outbox.migrated";

/// What was moved.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Migrated {
    /// The engine before.
    pub from: &'static str,
    /// The engine now.
    pub to: &'static str,
    /// Keys that were copied and read back; 0 when it was this engine's already.
    pub entries: u64,
    /// Their bytes, with their values.
    pub bytes: u64,
    /// Where the old store is kept; nobody needs it any more.
    pub kept_at: Option<PathBuf>,
}

/// Moves the store of a gateway that is stopped to an engine. The settings must name it before the next start.
///
/// # Errors
/// There is no store; it is damaged; a disk. Then the store is as it was.
pub fn migrate(_lock: &DataLock, data_dir: &Path, to: Engine) -> Result<Migrated, OfflineFault> {
    format::look(data_dir).map_err(OpenFault::from)?;
    finish(data_dir).map_err(at(data_dir))?;
    let store = data_dir.join(STORE);
    let found = engine_of(&store).map_err(at(&store))?;
    let Some(from) = found else { return Err(OfflineFault::NoStore(store)) };
    let moved = Migrated { from: from.as_str(), to: to.as_str(), entries: 0, bytes: 0, kept_at: None };
    if from == to {
        return Ok(moved);
    }
    let making = data_dir.join(MIGRATING);
    let Content { entries, bytes, .. } = made(&store, from, &making, to).inspect_err(|_| {
        // Best effort: what is left of it is thrown away at the next start.
        drop(fs::remove_dir_all(&making));
    })?;
    crash_point("migrate-copied");
    let kept_at = change_places(data_dir, &store, &making, from).map_err(at(data_dir))?;
    Ok(Migrated { entries, bytes, kept_at: Some(kept_at), ..moved })
}

fn made(store: &Path, from: Engine, making: &Path, to: Engine) -> Result<Content, OfflineFault> {
    folder::make(making).map_err(at(making))?;
    let copied = catch_unwind(AssertUnwindSafe(|| copy(store, from, making, to)));
    let content = copied.unwrap_or_else(|panic| {
        Err(OfflineFault::Damaged(format!("an engine panicked: {}", said(&*panic))))
    })?;
    synced(making)?;
    Ok(content)
}

/// Puts what lies in a folder on disk, and the names of it.
fn synced(of: &Path) -> Result<(), OfflineFault> {
    for entry in fs::read_dir(of).map_err(at(of))? {
        let entry = entry.map_err(at(of))?;
        let path = entry.path();
        match entry.file_type().map_err(at(&path))?.is_dir() {
            true => synced(&path)?,
            false => fs::File::open(&path).and_then(|file| file.sync_all()).map_err(at(&path))?,
        }
    }
    folder::sync(of).map_err(at(of))
}

fn change_places(data_dir: &Path, store: &Path, making: &Path, from: Engine) -> io::Result<PathBuf> {
    let kept = free_name(data_dir, from.as_str())?;
    let whole = data_dir.join(MIGRATED);
    fs::rename(making, &whole)?;
    folder::sync(data_dir)?;
    crash_point("migrate-whole");
    fs::rename(store, &kept)?;
    folder::sync(data_dir)?;
    crash_point("migrate-aside");
    fs::rename(&whole, store)?;
    folder::sync(data_dir)?;
    Ok(kept)
}

/// Ends a migration that was cut off. The caller holds the data folder's lock.
pub(crate) fn finish(data_dir: &Path) -> io::Result<()> {
    let (store, whole) = (data_dir.join(STORE), data_dir.join(MIGRATED));
    gone(&data_dir.join(MIGRATING))?;
    if !is_there(&whole)? {
        return Ok(());
    }
    if is_there(&store)? {
        // The gateway goes on with the old one, so the copy would soon be wrong.
        return gone(&whole);
    }
    fs::rename(&whole, &store)?;
    folder::sync(data_dir)
}

/// Where the store lies, or would lie after [`finish`], for somebody who changes nothing.
pub(crate) fn present(data_dir: &Path) -> PathBuf {
    let (store, whole) = (data_dir.join(STORE), data_dir.join(MIGRATED));
    match (is_there(&store), is_there(&whole)) {
        (Ok(false), Ok(true)) => whole,
        _ => store,
    }
}

fn is_there(path: &Path) -> io::Result<bool> {
    match path.symlink_metadata() {
        Ok(_) => Ok(true),
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(cause) => Err(folder::at(path)(cause)),
    }
}

fn gone(path: &Path) -> io::Result<()> {
    match fs::remove_dir_all(path) {
        Err(cause) if cause.kind() != io::ErrorKind::NotFound => Err(folder::at(path)(cause)),
        _ => Ok(()),
    }
}
