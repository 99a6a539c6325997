//! The gateway's disk and clock, through the fault layer (`tests/faultfs`): what fails, and power cuts.

mod journal;
mod model;
mod names;

use std::collections::BTreeMap;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context;
use rand::SeedableRng;
use rand::rngs::StdRng;

use self::journal::Record;
use self::model::Unsynced;
use super::plan::{DiskFault, Failing, Where};

/// Words of the control file; see `faultfs::control`.
const WORDS: u64 = 512;
const RULES: u64 = 16;
const RULE_WORDS: u64 = 8;
const FIRST_RULE: u64 = 16;
const FIRST_CALL: u64 = 256;
const FIRST_FAULT: u64 = 320;
/// The slot of the rule that kills at a sync.
const KILL_SLOT: u64 = RULES - 1;
const CALLS: [&str; 12] = [
    "opened",
    "made",
    "written",
    "truncated",
    "synced",
    "folder synced",
    "range synced",
    "renamed",
    "unlinked",
    "folder made",
    "linked",
    "mapped, refused",
];
const FAULTS: [&str; 11] = [
    "EIO",
    "ENOSPC",
    "torn",
    "torn, killed",
    "short",
    "sync EIO",
    "slow",
    "killed",
    "rename EIO",
    "create ENOSPC",
    "killed at a sync",
];
/// Parts in 1,024 of a torn or short write that are done.
const PARTS: [u64; 4] = [0, 1, 500, 1_023];

/// What a power cut took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cut {
    /// Writes and truncations undone, wholly or in part.
    pub writes: u64,
    /// Names undone.
    pub names: u64,
    /// Of both, what the disk had by itself.
    pub kept: u64,
}

/// One data folder under the layer.
pub struct Disk {
    root: PathBuf,
    state: PathBuf,
    library: PathBuf,
    control: File,
    ahead: i64,
}

impl Disk {
    /// A disk for what is below `root`, but for the folder `except` in it. `state` is made; it must be on the same file
    /// system. Its clock is `ahead` seconds fast when it is right.
    ///
    /// # Errors
    /// Files cannot be made.
    pub fn make(state: &Path, root: &Path, library: &Path, ahead: i64) -> anyhow::Result<Self> {
        anyhow::ensure!(library.exists(), "{} is missing: ./drill builds it", library.display());
        std::fs::create_dir_all(state.join("graveyard"))?;
        std::fs::create_dir_all(state.join("limbo"))?;
        std::fs::create_dir_all(root)?;
        File::create(state.join("journal"))?;
        let control =
            File::options().read(true).write(true).create(true).truncate(true).open(state.join("control"))?;
        control.set_len(WORDS * 8)?;
        let (root, state, library) = (root.canonicalize()?, state.canonicalize()?, library.canonicalize()?);
        let disk = Self { root, state, library, control, ahead };
        disk.right_the_clock()?;
        Ok(disk)
    }

    /// What a process needs in its environment to run on this disk.
    pub fn environment(&self) -> Vec<(String, String)> {
        let text = |path: &Path| path.to_string_lossy().into_owned();
        vec![
            ("LD_PRELOAD".to_owned(), text(&self.library)),
            ("FAULTFS_ROOT".to_owned(), text(&self.root)),
            ("FAULTFS_STATE".to_owned(), text(&self.state)),
            ("FAULTFS_EXCEPT".to_owned(), crate::broker_scheme().to_owned()),
        ]
    }

    /// From now on this fails.
    ///
    /// # Errors
    /// The control file cannot be written; nor can it in what follows.
    pub fn arm(&self, fault: DiskFault) -> anyhow::Result<()> {
        let (kind, parameter) = match fault.failing {
            Failing::Write => (1, 0),
            Failing::Full => (2, 0),
            Failing::Torn => (3, PARTS[(fault.nth % 4) as usize]),
            Failing::TornKill => (4, PARTS[(fault.nth % 4) as usize]),
            Failing::Short => (5, PARTS[(fault.nth % 4) as usize]),
            Failing::Sync => (6, 0),
            Failing::Slow(millis) => (7, millis * 1_000),
            Failing::Kill => (8, 0),
            Failing::Rename => (9, 0),
            Failing::Create => (10, 0),
        };
        self.rule(slot(fault), [fault.place as u64, fault.nth, fault.times, parameter], kind)
    }

    /// That one does not fail any more.
    pub fn disarm_one(&self, fault: DiskFault) -> anyhow::Result<()> {
        self.set(FIRST_RULE + slot(fault) * RULE_WORDS, 0)
    }

    /// Nothing fails any more.
    pub fn disarm(&self) -> anyhow::Result<()> {
        (0..RULES).try_for_each(|slot| self.set(FIRST_RULE + slot * RULE_WORDS, 0))
    }

    /// The process dies instead of its nth sync from now on.
    pub fn kill_at_sync(&self, nth: u64) -> anyhow::Result<()> {
        self.rule(KILL_SLOT, [Where::Anywhere as u64, nth, 1, 0], 11)
    }

    /// The clock goes wrong by so many seconds.
    pub fn set_clock(&self, seconds: i64) -> anyhow::Result<()> {
        self.set(0, ((self.ahead + seconds) * 1_000_000_000).cast_unsigned())
    }

    /// The clock is right.
    pub fn right_the_clock(&self) -> anyhow::Result<()> {
        self.set_clock(0)
    }

    /// Calls seen and faults injected, by name.
    pub fn counts(&self) -> BTreeMap<String, u64> {
        let name = |of: &str, names: &[&str], first: u64| {
            let all = names.iter().zip(first..);
            all.map(|(name, at)| (format!("{of}: {name}"), self.word(at))).collect::<Vec<_>>()
        };
        let faults = name("disk", &FAULTS, FIRST_FAULT + 1);
        let counts = name("call", &CALLS, FIRST_CALL).into_iter().chain(faults);
        counts.filter(|(_, count)| *count > 0).collect()
    }

    /// The process has ended and another one is about to begin, on what the page cache has: what is durable is forgotten.
    ///
    /// # Errors
    /// The journal does not read as one, or files cannot be written.
    pub fn settle(&self) -> anyhow::Result<()> {
        let records = self.records()?;
        let unsynced = Unsynced::of(&records, &self.root);
        let kept = unsynced.records(&records);
        let draft = self.state.join("journal.new");
        std::fs::write(&draft, journal::written(&kept))?;
        std::fs::rename(draft, self.state.join("journal"))?;
        let named = unsynced.inodes(&records);
        for entry in std::fs::read_dir(self.state.join("graveyard"))? {
            let entry = entry?;
            let inode = entry.file_name().to_str().and_then(|name| name.parse().ok());
            if inode.is_some_and(|inode| named.contains(&inode)) {
                continue;
            }
            match entry.file_type()?.is_dir() {
                true => std::fs::remove_dir_all(entry.path())?,
                false => std::fs::remove_file(entry.path())?,
            }
        }
        Ok(())
    }

    /// All that is there now is durable.
    ///
    /// # Errors
    /// Files cannot be written.
    pub fn forget(&self) -> anyhow::Result<()> {
        File::create(self.state.join("journal"))?;
        for folder in ["graveyard", "limbo"] {
            let folder = self.state.join(folder);
            std::fs::remove_dir_all(&folder)?;
            std::fs::create_dir(&folder)?;
        }
        Ok(())
    }

    /// The process is dead. What it had not synced is undone; with a seed, but for what the disk wrote by itself: of each
    /// page of a file any state since the last sync, of names those up to some moment.
    ///
    /// # Errors
    /// The journal does not fit the folder, or files cannot be written.
    pub fn cut_power(&self, written: Option<u64>) -> anyhow::Result<Cut> {
        let records = self.records()?;
        let unsynced = Unsynced::of(&records, &self.root);
        let mut lot = written.map(StdRng::seed_from_u64);
        let mut cut = unsynced.undo_writes(&records, &self.root, &self.state, lot.as_mut())?;
        names::undo(&unsynced.names(&records), &self.root, &self.state, lot.as_mut(), &mut cut)?;
        self.forget()?;
        Ok(cut)
    }

    fn records(&self) -> anyhow::Result<Vec<Record>> {
        let bytes = std::fs::read(self.state.join("journal")).context("the journal")?;
        journal::read(&bytes)
    }

    fn rule(&self, slot: u64, words: [u64; 4], kind: u64) -> anyhow::Result<()> {
        let first = FIRST_RULE + slot * RULE_WORDS;
        self.set(first, 0)?;
        for (at, word) in (first + 1..).zip(words) {
            self.set(at, word)?;
        }
        self.set(first, kind)
    }

    fn set(&self, at: u64, word: u64) -> anyhow::Result<()> {
        Ok(self.control.write_all_at(&word.to_ne_bytes(), at * 8)?)
    }

    fn word(&self, at: u64) -> u64 {
        let mut bytes = [0; 8];
        let read = self.control.read_exact_at(&mut bytes, at * 8);
        read.map_or(0, |()| u64::from_ne_bytes(bytes))
    }
}

/// Rules that are armed at once have different slots, mostly.
fn slot(fault: DiskFault) -> u64 {
    (fault.nth.wrapping_mul(31) + fault.lasts) % KILL_SLOT
}

/// Builds the layer's library and says where it is.
///
/// # Errors
/// It does not build.
pub fn layer() -> anyhow::Result<PathBuf> {
    let built = Command::new(env!("CARGO"))
        .args(["build", "--quiet", "--offline", "-p", "faultfs", "--message-format", "json"])
        .current_dir(crate::workspace())
        .output()?;
    anyhow::ensure!(built.status.success(), "{}", crate::text(&built.stderr));
    let lines = crate::text(&built.stdout);
    let artifacts = lines.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    let mut files = artifacts
        .filter(|artifact| artifact["target"]["name"] == "faultfs")
        .filter_map(|artifact| artifact["filenames"][0].as_str().map(PathBuf::from));
    files.next().context("cargo built no library")
}
