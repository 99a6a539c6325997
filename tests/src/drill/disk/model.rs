//! What of a journal is not durable, and how files go back to what is.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fs::File;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

use rand::Rng;
use rand::rngs::StdRng;

use super::Cut;
use super::journal::{Change, Record};

/// The disk writes pages of this size as one.
const PAGE: u64 = 4096;

/// Places in the journal of what is not durable.
pub(super) struct Unsynced {
    /// Of each file, writes and truncations, in order; of each the pages that are not durable.
    files: BTreeMap<u64, Vec<Dirty>>,
    /// Changes of names, in order.
    names: Vec<usize>,
}

/// A write or a truncation of which something is not durable.
struct Dirty {
    at: usize,
    /// Its length before is not durable either.
    length: bool,
    pages: BTreeSet<u64>,
    /// A sync failed after it: no later sync writes it, unless its page is written to again.
    lost: bool,
}

impl Unsynced {
    /// Follows a journal. `root` tells whether the last change of names was made: its process may have died before.
    pub(super) fn of(records: &[Record], root: &Path) -> Self {
        let mut found = Self { files: BTreeMap::new(), names: Vec::new() };
        // Of each token: its inode, and the place of the sync's begin.
        let mut begun: HashMap<u64, (u64, usize)> = HashMap::new();
        for (at, record) in records.iter().enumerate() {
            match record {
                Record::Write { inode, offset, count, length, .. } => {
                    let pages = offset / PAGE..(offset + count).div_ceil(PAGE);
                    let length = offset + count > *length;
                    let dirty = Dirty { at, length, pages: pages.collect(), lost: false };
                    found.files.entry(*inode).or_default().push(dirty);
                }
                Record::Truncate { inode, before, after, .. } => {
                    let pages = after / PAGE..before.div_ceil(PAGE);
                    let dirty = Dirty { at, length: true, pages: pages.collect(), lost: false };
                    found.files.entry(*inode).or_default().push(dirty);
                }
                Record::SyncBegun { token, inode } => drop(begun.insert(*token, (*inode, at))),
                Record::SyncDone { token } => {
                    if let Some((inode, until)) = begun.remove(token) {
                        found.synced(records, inode, until);
                    }
                }
                Record::SyncLost { token } => {
                    let lost = begun.remove(token).and_then(|(inode, _)| found.files.get_mut(&inode));
                    lost.into_iter().flatten().for_each(|dirty| dirty.lost = true);
                }
                Record::Names { .. } => found.names.push(at),
                Record::NamesFailed { token } => {
                    found.names.retain(
                        |at| !matches!(&records[*at], Record::Names { token: of, .. } if of == token),
                    );
                }
            }
        }
        found.drop_what_was_not_done(records, root);
        found
    }

    /// A sync of a file or folder makes durable what came before its begin.
    fn synced(&mut self, records: &[Record], inode: u64, until: usize) {
        let durable = |at: usize| {
            at < until && matches!(&records[at], Record::Names { durable_with, .. } if *durable_with == inode)
        };
        self.names.retain(|at| !durable(*at));
        let Some(all) = self.files.get_mut(&inode) else { return };
        // A page is written as it is in memory, whatever became of earlier writes to it.
        let dirty = all.iter().filter(|dirty| dirty.at < until && !dirty.lost);
        let written: BTreeSet<u64> = dirty.flat_map(|dirty| dirty.pages.iter().copied()).collect();
        for dirty in all.iter_mut().filter(|dirty| dirty.at < until) {
            dirty.pages.retain(|page| !written.contains(page));
            dirty.length = false;
        }
        all.retain(|dirty| dirty.length || !dirty.pages.is_empty());
    }

    /// The journal's last change of names may not have been made.
    fn drop_what_was_not_done(&mut self, records: &[Record], root: &Path) {
        let Some(last) = self.names.last().copied() else { return };
        let Record::Names { changes, .. } = &records[last] else { return };
        if last + 1 != records.len() {
            return;
        }
        let folders = inodes_below(root);
        let made = |change: &Change| {
            let folder = folders.get(&change.folder);
            let found = folder.and_then(|folder| std::fs::symlink_metadata(folder.join(name(change))).ok());
            found.map_or(0, |found| found.ino()) == change.after
        };
        if !changes.iter().all(made) {
            self.names.pop();
        }
    }

    /// The records that are still needed, in order.
    pub(super) fn records(&self, records: &[Record]) -> Vec<Record> {
        let writes = self.files.values().flatten().map(|dirty| dirty.at);
        let places: BTreeSet<usize> = writes.chain(self.names.iter().copied()).collect();
        let mut kept: Vec<Record> = places.iter().map(|at| records[*at].clone()).collect();
        // What a failed sync lost stays lost.
        let lost = self.files.iter().filter(|(_, all)| all.iter().any(|dirty| dirty.lost));
        for (token, (inode, _)) in (0..).zip(lost) {
            kept.extend([Record::SyncBegun { token, inode: *inode }, Record::SyncLost { token }]);
        }
        kept
    }

    /// Files whose names or bytes may have to come back.
    pub(super) fn inodes(&self, records: &[Record]) -> HashSet<u64> {
        let names =
            self.names(records).into_iter().flatten().flat_map(|change| [change.before, change.after]);
        self.files.keys().copied().chain(names).collect()
    }

    /// Changes of names that are not durable, in order.
    pub(super) fn names<'a>(&self, records: &'a [Record]) -> Vec<&'a [Change]> {
        let changes = self.names.iter().map(|at| match &records[*at] {
            Record::Names { changes, .. } => changes.as_slice(),
            _ => &[],
        });
        changes.collect()
    }

    /// Files go back.
    pub(super) fn undo_writes(
        &self,
        records: &[Record],
        root: &Path,
        state: &Path,
        mut lot: Option<&mut StdRng>,
    ) -> anyhow::Result<Cut> {
        let mut paths = inodes_below(root);
        paths.extend(inodes_below(&state.join("graveyard")));
        let mut cut = Cut::default();
        for (inode, all) in &self.files {
            // A file that has no name any more, not even in the graveyard, never had a durable one.
            let Some(path) = paths.get(inode) else { continue };
            let file = File::options().read(true).write(true).open(path)?;
            undo(&file, all, records, lot.as_deref_mut(), &mut cut)?;
        }
        Ok(cut)
    }
}

/// Undoes what is not durable in one file, the newest first; by lot, of each page the last few, and of lengths likewise.
fn undo(
    file: &File,
    all: &[Dirty],
    records: &[Record],
    mut lot: Option<&mut StdRng>,
    cut: &mut Cut,
) -> anyhow::Result<()> {
    let mut keeps: HashMap<u64, usize> = HashMap::new();
    let keeps_length = lot.as_deref_mut().map_or(0, |lot| lot.random_range(0..=all.len()));
    for (nth, dirty) in all.iter().enumerate().rev() {
        let mut whole = true;
        let mut undone = false;
        let mut is_kept = |page: u64| {
            // Up to how many of this file's writes the disk had this page.
            let most = *keeps
                .entry(page)
                .or_insert_with(|| lot.as_deref_mut().map_or(0, |lot| lot.random_range(0..=all.len())));
            nth < most
        };
        let (start, bytes, length) = match &records[dirty.at] {
            Record::Write { offset, before, length, .. } => (*offset, before, *length),
            Record::Truncate { before, after, cut, .. } => (*after, cut, *before),
            _ => continue,
        };
        for page in &dirty.pages {
            if is_kept(*page) {
                whole = false;
                continue;
            }
            undone = true;
            let from = (page * PAGE).max(start);
            let to = ((page + 1) * PAGE).min(start + bytes.len() as u64);
            if from < to {
                let part = &bytes[(from - start) as usize..(to - start) as usize];
                file.write_all_at(part, from)?;
            }
            // Beyond the old end there was nothing.
            blank(file, (page * PAGE).max(start.max(length)), (page + 1) * PAGE)?;
        }
        if dirty.length && nth >= keeps_length {
            file.set_len(length)?;
            undone = true;
        }
        cut.writes += u64::from(undone);
        cut.kept += u64::from(!whole || !undone);
    }
    Ok(())
}

/// Zeros, as far as the file reaches.
fn blank(file: &File, from: u64, to: u64) -> anyhow::Result<()> {
    let to = to.min(file.metadata()?.len());
    if from < to {
        file.write_all_at(&vec![0; (to - from) as usize], from)?;
    }
    Ok(())
}

/// Every file and folder below one, and itself, by inode.
pub(super) fn inodes_below(root: &Path) -> HashMap<u64, PathBuf> {
    let mut found = HashMap::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        if let Ok(entry) = std::fs::symlink_metadata(&folder) {
            found.insert(entry.ino(), folder.clone());
        }
        for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
            let path = entry.path();
            match entry.metadata() {
                Ok(kind) if kind.is_dir() => folders.push(path),
                Ok(kind) if kind.is_file() => drop(found.insert(kind.ino(), path)),
                _ => {}
            }
        }
    }
    found
}

/// The name as a path.
pub(super) fn name(change: &Change) -> PathBuf {
    use std::os::unix::ffi::OsStrExt;
    PathBuf::from(std::ffi::OsStr::from_bytes(&change.name))
}
