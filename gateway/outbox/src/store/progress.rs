//! How far the tree is on disk. A reader may see what a barrier is putting on disk; it then waits for that barrier, so
//! that nobody is told of a change that a power cut could take back.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use lienthong_pipeline::ports::Fault;
use tokio::sync::watch;

use super::engine::EngineFault;
use super::view::ReadFault;
use crate::change::PLACE;
use crate::folder;
use crate::sealed::Damage;

/// A file in the store's folder that says: this store is damaged, do not open it again.
const DAMAGED: &str = "DAMAGED";

/// Whether damage was met in the store of this folder.
pub(crate) fn is_noted(folder: &Path) -> bool {
    folder.join(DAMAGED).symlink_metadata().is_ok()
}

/// Notes durably that what is in a folder is not to be opened again.
pub(super) fn note(folder: &Path) -> io::Result<()> {
    match folder::new_file(&folder.join(DAMAGED)) {
        Err(cause) if cause.kind() != io::ErrorKind::AlreadyExists => Err(cause),
        _ => folder::sync(folder),
    }
}

#[derive(Clone, Debug)]
enum Phase {
    /// This many batches are on disk.
    Durable(u64),
    /// Nothing more comes: closed, or a barrier failed.
    Ended(Fault),
}

/// Shared by the writer and the readers.
pub(super) struct Progress {
    folder: Mutex<PathBuf>,
    damaged: AtomicBool,
    applied: AtomicU64,
    /// Of these, so many may be seen.
    shown: AtomicU64,
    phase: watch::Sender<Phase>,
    pending: AtomicU64,
    unpublished: AtomicU64,
    durable_counts: Mutex<(u64, u64)>,
    #[cfg(test)]
    barriers: AtomicU64,
}

impl Progress {
    pub(super) fn new(folder: PathBuf, pending: u64, unpublished: u64) -> Self {
        Self {
            folder: Mutex::new(folder),
            damaged: AtomicBool::new(false),
            applied: AtomicU64::new(0),
            shown: AtomicU64::new(0),
            phase: watch::Sender::new(Phase::Durable(0)),
            pending: AtomicU64::new(pending),
            unpublished: AtomicU64::new(unpublished),
            durable_counts: Mutex::new((pending, unpublished)),
            #[cfg(test)]
            barriers: AtomicU64::new(0),
        }
    }

    /// A batch is about to be applied.
    pub(super) fn begin(&self, pending: i64, unpublished: i64) {
        self.applied.fetch_add(1, Ordering::SeqCst);
        self.pending.fetch_add(pending.cast_unsigned(), Ordering::SeqCst);
        self.unpublished.fetch_add(unpublished.cast_unsigned(), Ordering::SeqCst);
    }

    /// A barrier is about to begin; whoever sees what it puts on disk will wait for it.
    pub(super) fn show(&self) {
        self.shown.store(self.applied.load(Ordering::SeqCst), Ordering::SeqCst);
    }

    /// Whether something is applied and not on disk.
    pub(super) fn is_waiting(&self) -> bool {
        matches!(*self.phase.borrow(), Phase::Durable(durable) if durable < self.applied.load(Ordering::SeqCst))
    }

    #[cfg(test)]
    pub(super) fn barriers(&self) -> u64 {
        self.barriers.load(Ordering::SeqCst)
    }

    /// Everything applied is on disk. Called by the writer, which applies nothing meanwhile.
    pub(super) fn reached(&self) {
        #[cfg(test)]
        self.barriers.fetch_add(1, Ordering::SeqCst);
        *self.durable_counts.lock().unwrap_or_else(PoisonError::into_inner) = self.counts();
        self.phase.send_replace(Phase::Durable(self.applied.load(Ordering::SeqCst)));
    }

    /// Every later call fails with this; the first one counts.
    pub(super) fn end(&self, fault: Fault) {
        self.phase.send_if_modified(|phase| {
            let runs = matches!(phase, Phase::Durable(_));
            if runs {
                *phase = Phase::Ended(fault);
            }
            runs
        });
    }

    /// The fault of a read. What is damaged is found when the store is opened anew, because everything is read then.
    pub(super) fn read_fault(&self, fault: ReadFault) -> Fault {
        let damaged = match &fault {
            ReadFault::Engine(cause) => matches!(cause, EngineFault::Damaged(_)),
            ReadFault::Damaged(_, damage) => !matches!(damage, Damage::Newer(_)),
        };
        let fault = Fault::from(fault);
        if damaged && !self.damaged.swap(true, Ordering::SeqCst) {
            tracing::error!(%fault, "the store is damaged");
        }
        fault
    }

    /// Another folder is written from now on.
    pub(super) fn moved_to(&self, folder: PathBuf) {
        *self.folder.lock().unwrap_or_else(PoisonError::into_inner) = folder;
    }

    /// Notes in the folder that is written that it is not to be opened again: it may not be on disk as it reads.
    pub(super) fn note_damage(&self, fault: &Fault) -> io::Result<()> {
        self.damaged.store(true, Ordering::SeqCst);
        let folder = self.folder.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let noted = note(&folder);
        match &noted {
            Err(cause) => tracing::error!(%fault, %cause, "the store is damaged, and that cannot be noted"),
            Ok(()) => tracing::error!(%fault, "the store is damaged, and is to be built anew"),
        }
        noted
    }

    /// Whether damage was met since the store was opened.
    pub(super) fn is_damaged(&self) -> bool {
        self.damaged.load(Ordering::SeqCst)
    }

    /// Batches that may be seen by now.
    pub(super) fn seen(&self) -> u64 {
        self.shown.load(Ordering::SeqCst)
    }

    /// Pending and unpublished deliveries on disk.
    pub(super) fn durable_counts(&self) -> (u64, u64) {
        *self.durable_counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Pending and unpublished deliveries, with what is applied and not yet on disk.
    pub(super) fn counts(&self) -> (u64, u64) {
        (self.pending.load(Ordering::SeqCst), self.unpublished.load(Ordering::SeqCst))
    }

    /// Why the store has ended, if it has.
    pub(super) fn check(&self) -> Result<(), Fault> {
        match &*self.phase.borrow() {
            Phase::Durable(_) => Ok(()),
            Phase::Ended(fault) => Err(fault.clone()),
        }
    }

    /// Waits until the first `seen` batches are on disk.
    pub(super) async fn durable(&self, seen: u64) -> Result<(), Fault> {
        let mut phase = self.phase.subscribe();
        let reached = |phase: &Phase| match phase {
            Phase::Durable(durable) => *durable >= seen,
            Phase::Ended(_) => true,
        };
        match phase.wait_for(reached).await.as_deref() {
            Ok(Phase::Ended(fault)) => Err(fault.clone()),
            Ok(Phase::Durable(_)) => Ok(()),
            Err(_) => Err(closed()),
        }
    }

    /// Waits for the end, and says why it came.
    pub(super) async fn ended(&self) -> Fault {
        match self.durable(u64::MAX).await {
            Err(fault) => fault,
            Ok(()) => closed(),
        }
    }
}

/// The fault of a call after `close`.
pub(super) fn closed() -> Fault {
    Fault::fatal(PLACE, "closed")
}
