//! Start-up: the format is checked, the store opened, and whatever document it does not know is taken from the
//! admissions, so that losing the store loses nothing (design.md B2).

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use lienthong_pipeline::ports::{Admitted, Clock, Fault};

use crate::folder;
use crate::format::{self, FormatFault};
use crate::offline;
use crate::spool::{FileSpool, Found};
use crate::store::{FileStore, Keeper, StoreFault, Writer, caught, noted, numbers, take_away_folder};

/// The store's folder below the data folder.
pub(crate) const STORE: &str = "outbox";
/// Stores of one kind kept aside; beyond that somebody has to look.
const ASIDE_MAX: u32 = 1_000;
/// A barrier after so many admissions while the store is filled.
const ADMISSIONS_PER_BARRIER: usize = 256;
/// And after so many bytes.
const BYTES_PER_BARRIER: usize = 32 << 20;

/// What was found at start-up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Opened {
    /// A new data folder.
    Fresh,
    /// The store as it was left.
    Existing,
    /// The store was new, lost or damaged, or lacked a document, and was filled from the admissions.
    Rebuilt(Rebuilt),
}

/// What building the store anew came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rebuilt {
    /// Documents taken from admissions.
    pub documents: u64,
    /// Deliveries among them that are not settled and go on.
    pub unsettled: u64,
    /// Files and lines that were torn or damaged, each logged with its path, and left out.
    pub damaged: u64,
    /// Where the damaged store was moved to.
    pub moved_to: Option<PathBuf>,
}

/// Why the data folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum OpenFault {
    /// See [`FormatFault`].
    #[error(transparent)]
    Format(#[from] FormatFault),
    /// The spool's folders.
    #[error("opening the spool: {0}")]
    Spool(io::Error),
    /// See [`StoreFault`]; damage is here only when a store just made is damaged.
    #[error(transparent)]
    Store(#[from] StoreFault),
    /// A damaged store cannot be moved aside.
    #[error("moving the damaged store aside: {0}")]
    MoveAside(io::Error),
    /// A migration that was cut off cannot be ended.
    #[error("ending a migration that was cut off: {0}")]
    Migration(io::Error),
    /// Filling the store failed; it is tried again at the next start.
    #[error("filling the store from the admissions: {0}")]
    Rebuild(Fault),
}

/// Opens the store and the spool below a data folder. A store that is damaged (its engine says so, or panics) is moved to
/// `outbox.broken-<n>`; then every admission that the store does not know is admitted again. Blocks, as
/// long as reading all of the store takes; the caller holds [`crate::DataLock`].
///
/// # Errors
/// See [`OpenFault`].
pub fn open_or_rebuild(
    data_dir: &Path,
    keeper: impl Into<Keeper>,
    clock: Arc<dyn Clock>,
) -> Result<(FileStore, FileSpool, Opened), OpenFault> {
    open_keeping(data_dir, keeper.into(), &clock, None)
}

/// The same; documents that are over and dealt with, and older than `keep`, are not taken from their admissions again.
///
/// # Errors
/// See [`OpenFault`].
pub fn open_keeping(
    data_dir: &Path,
    keeper: Keeper,
    clock: &Arc<dyn Clock>,
    keep: Option<Duration>,
) -> Result<(FileStore, FileSpool, Opened), OpenFault> {
    folder::make_durable(data_dir).map_err(OpenFault::Spool)?;
    format::check(data_dir)?;
    offline::finish(data_dir).map_err(OpenFault::Migration)?;
    let spool = FileSpool::open(data_dir).map_err(OpenFault::Spool)?;
    let (store, opened) = open_store(data_dir, &spool, keeper, clock, keep)?;
    Ok((store, spool, opened))
}

/// The same for the store alone.
pub(crate) fn open_store(
    data_dir: &Path,
    spool: &FileSpool,
    keeper: Keeper,
    clock: &Arc<dyn Clock>,
    keep: Option<Duration>,
) -> Result<(FileStore, Opened), OpenFault> {
    let store = data_dir.join(STORE);
    let before = keep.map(|keep| clock.now().saturating_sub(keep).unwrap_or(Timestamp::MIN));
    let (mut moved_to, mut blame) = (None, Blame::default());
    let (writer, opened) = loop {
        match open_and_fill(&store, keeper, spool, clock, (before, moved_to.clone())) {
            Err(fault) => {
                let broken = to_blame(&fault, &store);
                let Some(broken) = broken.and_then(|broken| blame.is_for(broken, &store)) else {
                    return Err(fault);
                };
                let aside = move_aside(data_dir, &broken).map_err(OpenFault::MoveAside)?;
                tracing::error!(%fault, moved_to = %aside.display(), "damaged; what was in it is built anew");
                moved_to = Some(aside);
            }
            Ok(done) => break done,
        }
    };
    let started = FileStore::start(writer);
    let started = started.map_err(|source| StoreFault::Io { path: store, source })?;
    Ok((started, opened))
}

fn open_and_fill(
    store: &Path,
    keeper: Keeper,
    spool: &FileSpool,
    clock: &Arc<dyn Clock>,
    (before, moved_to): (Option<Timestamp>, Option<PathBuf>),
) -> Result<(Writer, Opened), OpenFault> {
    caught(store, keeper.engine, || {
        let mut writer = Writer::open(store, keeper, clock.clone())?;
        let was_cut_off = !writer.is_whole()? && !writer.is_newest_lost();
        if was_cut_off && !writer.is_empty().map_err(OpenFault::Rebuild)? {
            // Filling was cut off, perhaps by a disk that failed: what is there proves nothing.
            let unfinished = writer.folder().to_owned();
            drop(writer);
            take_away_folder(&unfinished).map_err(OpenFault::MoveAside)?;
            writer = Writer::open(store, keeper, clock.clone())?;
        }
        let opened = fill(spool, &mut writer, &**clock, (before, moved_to))?;
        Ok((writer, opened))
    })
}

/// The generation of which the engine, or a checksum, says that it is not what was written; a disk that is full, or a
/// store that is open elsewhere, is no reason to build it anew.
fn to_blame(fault: &OpenFault, store: &Path) -> Option<PathBuf> {
    match fault {
        OpenFault::Store(StoreFault::Damaged { path, .. }) if path != store => Some(path.clone()),
        // Filling it made the engine panic.
        OpenFault::Store(StoreFault::Damaged { .. }) => {
            let newest = numbers(store).ok()?.pop()?;
            Some(store.join(newest.to_string()))
        }
        _ => noted(store).ok()?,
    }
}

/// Who was set aside already.
#[derive(Default)]
struct Blame {
    newest: bool,
    all: bool,
}

impl Blame {
    /// What is set aside. The newest generation is made anew from the others and the admissions; if it is damaged once
    /// more, they are to blame, too. `None`: even a store that was just made is damaged.
    fn is_for(&mut self, broken: PathBuf, store: &Path) -> Option<PathBuf> {
        let newest = numbers(store).ok().and_then(|numbers| numbers.last().copied());
        let is_newest = newest.is_some_and(|newest| broken == store.join(newest.to_string()));
        if self.all {
            return None;
        }
        self.all = is_newest && self.newest;
        self.newest |= is_newest;
        Some(if self.all { store.to_owned() } else { broken })
    }
}

/// A name below the data folder for a store that is kept aside.
pub(crate) fn free_name(data_dir: &Path, why: &str) -> io::Result<PathBuf> {
    let names = (1..=ASIDE_MAX).map(|n| data_dir.join(format!("{STORE}.{why}-{n}")));
    let mut free = names.filter(|path| path.symlink_metadata().is_err());
    free.next().ok_or_else(|| io::Error::other(format!("{ASIDE_MAX} are kept already")))
}

/// Moves a store aside, durably; where to.
pub(crate) fn move_aside(data_dir: &Path, store: &Path) -> io::Result<PathBuf> {
    let to = free_name(data_dir, "broken")?;
    std::fs::rename(store, &to)?;
    folder::sync(data_dir)?;
    Ok(to)
}

/// Admits what the store does not know. That also finds what a store lost without saying so: after damage to the end of
/// its log, sled opens as if that had never been written.
fn fill(
    spool: &FileSpool,
    writer: &mut Writer,
    clock: &dyn Clock,
    (before, moved_to): (Option<Timestamp>, Option<PathBuf>),
) -> Result<Opened, OpenFault> {
    let whole = writer.is_whole()?;
    let rebuilt = Rebuilt { moved_to, ..rebuild(spool, writer, epoch(clock), before)? };
    if !whole {
        writer.mark_whole().map_err(OpenFault::Rebuild)?;
    }
    let Rebuilt { documents, unsettled, damaged, moved_to } = &rebuilt;
    if *documents == 0 && moved_to.is_none() && (*damaged == 0 || whole) {
        return Ok(if whole { Opened::Existing } else { Opened::Fresh });
    }
    tracing::warn!(documents, unsettled, damaged, "the store was filled from the admissions");
    Ok(Opened::Rebuilt(rebuilt))
}

/// The number of a rebuild, above every generation before it: seconds since 1970. Room is left for requeues.
fn epoch(clock: &dyn Clock) -> u32 {
    const LAST: i64 = u32::MAX as i64 - 1_000_000;
    u32::try_from(clock.now().as_second().clamp(2, LAST)).unwrap_or(2)
}

/// Admits again, in the order of acceptance, what the store does not know, with the states noted beside it. Holds one id
/// for each document in memory, and one time for each that is unknown.
fn rebuild(
    spool: &FileSpool,
    writer: &mut Writer,
    epoch: u32,
    before: Option<Timestamp>,
) -> Result<Rebuilt, OpenFault> {
    let (mut rebuilt, mut too_old) = (Rebuilt::default(), 0_u64);
    let mut order = Vec::new();
    let known = writer.take_documents();
    for id in spool.documents().map_err(OpenFault::Spool)? {
        match id {
            Ok(id) if !writer.is_newest_lost() && known.binary_search(&id).is_ok() => {}
            Ok(id) => match spool.read_admission(id) {
                Ok(found) => order.extend(found.map(|found| (found.admission.receipt.accepted_at, id))),
                Err(damaged) => rebuilt.leave_out(1, &damaged),
            },
            Err(damaged) => rebuilt.leave_out(1, &damaged),
        }
    }
    drop(known);
    order.sort_unstable();
    for (n, (_, id)) in order.iter().enumerate() {
        match spool.read_admission(*id) {
            Ok(Some(found)) if before.is_some_and(|before| found.is_old(before)) => too_old += 1,
            Ok(Some(found)) => restore(writer, &found, epoch, &mut rebuilt)?,
            Ok(None) => {}
            Err(damaged) => rebuilt.leave_out(1, &damaged),
        }
        if n % ADMISSIONS_PER_BARRIER == 0 || writer.waiting_bytes() >= BYTES_PER_BARRIER {
            writer.barrier().map_err(OpenFault::Rebuild)?;
        }
    }
    if let Some(before) = before.filter(|_| too_old > 0) {
        tracing::info!(too_old, "admissions are kept no longer, and are not taken into the store again");
        writer.note_left_out(before).map_err(OpenFault::Rebuild)?;
    }
    writer.barrier().map_err(OpenFault::Rebuild)?;
    Ok(rebuilt)
}

fn restore(writer: &mut Writer, found: &Found, epoch: u32, rebuilt: &mut Rebuilt) -> Result<(), OpenFault> {
    let id = found.admission.receipt.document_id;
    if found.lines_damaged > 0 {
        rebuilt.leave_out(found.lines_damaged as u64, &format!("settled record of {id}"));
    }
    match writer.restore(&found.admission, &found.settled, epoch) {
        Ok(Admitted::Inserted) => {
            rebuilt.documents += 1;
            rebuilt.unsettled += found.unsettled();
        }
        Ok(Admitted::Existing) => {}
        Err(fault) if writer.is_broken() => return Err(OpenFault::Rebuild(fault)),
        Err(fault) => rebuilt.leave_out(1, &fault),
    }
    Ok(())
}

impl Rebuilt {
    fn leave_out(&mut self, count: u64, what: &dyn std::fmt::Display) {
        tracing::error!(%what, count, "damaged, and left out");
        self.damaged += count;
    }
}
