//! How much the spool may take of its disk: a quota over the packets in `blobs/` and `incoming/`, and space that is to
//! be kept free for everything else that the gateway writes (the store, admissions, notes, a broker of its own). Both
//! hold for intake only: what goes on with documents taken in before is counted, and refused by the disk alone.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use lienthong_pipeline::ports::SpoolUsage;

use super::locked;

/// How long a look at the free space counts: a burst of small packets asks the system once.
const LOOK_COUNTS: Duration = Duration::from_millis(500);

/// What intake may take of the disk, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SpoolLimits {
    /// Packets in `blobs/` and `incoming/` together; `None`: no limit but the disk.
    pub quota: Option<u64>,
    /// What is to stay free on the disk.
    pub disk_free_min: u64,
}

/// For whom bytes are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Claim {
    /// For a sender: within the limits.
    Intake,
    /// For the gateway itself: counted only.
    Ours,
}

/// See the module.
pub(super) struct Room {
    disk: PathBuf,
    limits: Mutex<SpoolLimits>,
    used: AtomicU64,
    looked: Mutex<Option<(Instant, u64)>>,
}

impl Room {
    /// Counts what lies in `blobs`; `incoming/` is empty.
    pub(super) fn measure(blobs: &Path) -> io::Result<Self> {
        let mut used = 0_u64;
        for entry in fs::read_dir(blobs)? {
            let found = entry?.metadata()?;
            used = used.saturating_add(if found.is_file() { found.len() } else { 0 });
        }
        let room = Self::unmeasured(blobs);
        room.used.store(used, Ordering::SeqCst);
        Ok(room)
    }

    /// Nothing counted yet.
    pub(super) fn unmeasured(disk: &Path) -> Self {
        let (limits, looked) = (Mutex::default(), Mutex::default());
        Self { disk: disk.to_owned(), limits, used: AtomicU64::new(0), looked }
    }

    /// From now on these hold.
    pub(super) fn limit(&self, limits: SpoolLimits) {
        *locked(&self.limits) = limits;
    }

    /// Whether intake could write so many bytes now.
    pub(super) fn check(&self, bytes: u64) -> io::Result<()> {
        let limits = *locked(&self.limits);
        self.check_disk(limits, bytes)?;
        within(limits, self.used.load(Ordering::SeqCst), bytes)
    }

    /// Numbers for metrics.
    pub(super) fn usage(&self) -> io::Result<SpoolUsage> {
        let limits = *locked(&self.limits);
        let disk_free = self.look()?;
        let SpoolLimits { quota, disk_free_min } = limits;
        Ok(SpoolUsage { bytes: self.used.load(Ordering::SeqCst), quota, disk_free, disk_free_min })
    }

    /// A file that is gone from `blobs/`.
    pub(super) fn free(&self, bytes: u64) {
        // The closure always gives a number, so this cannot fail.
        let less = |used: u64| Some(used.saturating_sub(bytes));
        let _before = self.used.fetch_update(Ordering::SeqCst, Ordering::SeqCst, less);
    }

    fn take(&self, claim: Claim, bytes: u64) -> io::Result<()> {
        if claim == Claim::Ours {
            self.used.fetch_add(bytes, Ordering::SeqCst);
            return Ok(());
        }
        let limits = *locked(&self.limits);
        self.check_disk(limits, bytes)?;
        // Two who write at once must not both have the last bytes.
        let more = |used| within(limits, used, bytes).is_ok().then(|| used + bytes);
        match self.used.fetch_update(Ordering::SeqCst, Ordering::SeqCst, more) {
            Ok(_) => Ok(()),
            Err(used) => within(limits, used, bytes),
        }
    }

    /// A look that is some time old lets bytes in; only a fresh one refuses them.
    fn check_disk(&self, limits: SpoolLimits, bytes: u64) -> io::Result<()> {
        let wanted = limits.disk_free_min.saturating_add(bytes);
        let lately = locked(&self.looked).filter(|(at, _)| at.elapsed() < LOOK_COUNTS);
        if lately.is_some_and(|(_, free)| free >= wanted) {
            return Ok(());
        }
        let free = self.look()?;
        if free >= wanted {
            return Ok(());
        }
        let why = format!("{free} bytes are free on the disk, and {} are to stay free", limits.disk_free_min);
        Err(io::Error::new(io::ErrorKind::StorageFull, why))
    }

    fn look(&self) -> io::Result<u64> {
        let found = rustix::fs::statvfs(&self.disk)?;
        let free = found.f_bavail.saturating_mul(found.f_frsize);
        *locked(&self.looked) = Some((Instant::now(), free));
        Ok(free)
    }
}

fn within(limits: SpoolLimits, used: u64, bytes: u64) -> io::Result<()> {
    match limits.quota {
        Some(quota) if used.saturating_add(bytes) > quota => {
            let why = format!("{used} of the quota of {quota} bytes are taken");
            Err(io::Error::new(io::ErrorKind::QuotaExceeded, why))
        }
        _ => Ok(()),
    }
}

/// Whether this error says that there is no room: the disk's (ENOSPC, EDQUOT) or a limit of ours.
pub(super) fn is_full(cause: &io::Error) -> bool {
    matches!(cause.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

/// The bytes of one file, counted until it is gone.
pub(super) struct Charge {
    room: Arc<Room>,
    claim: Claim,
    bytes: AtomicU64,
}

impl Charge {
    pub(super) fn new(room: &Arc<Room>, claim: Claim) -> Arc<Self> {
        Arc::new(Self { room: room.clone(), claim, bytes: AtomicU64::new(0) })
    }

    /// Counts bytes before they are written.
    pub(super) fn take(&self, bytes: u64) -> io::Result<()> {
        self.room.take(self.claim, bytes)?;
        self.bytes.fetch_add(bytes, Ordering::SeqCst);
        Ok(())
    }

    /// The file stays, and its bytes stay counted.
    pub(super) fn keep(&self) {
        self.bytes.store(0, Ordering::SeqCst);
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.room.free(*self.bytes.get_mut());
    }
}

#[cfg(test)]
mod tests;
