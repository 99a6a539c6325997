//! The index of mailboxes in files: a tree of its own below the data folder, by the engine of the store. Nothing in it is
//! kept at any price: whatever is wrong with it, it is thrown away and read from `EVENTS` anew.

mod keys;
mod memory;
mod tree;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use jiff::Timestamp;
use lienthong_pipeline::ports::{Fault, MailboxIndex};
use lienthong_pipeline::record::{EventsPlace, Lane, Place, Posted, SystemId, Waiting};
use lienthong_schemas::ids::DeliveryId;

use self::tree::{IndexTree, TreeFault};
use crate::folder;
use crate::store::Engine;

pub use self::memory::MemoryIndex;

/// Where its faults come from.
const PLACE: &str = "mailboxes";
/// Its folder below the data folder.
const FOLDER: &str = "mailboxes";

/// See the module. It is opened when it is first asked for something.
pub struct FileIndex(Arc<Shared>);

struct Shared {
    folder: PathBuf,
    engine: Engine,
    life: AtomicU64,
    tree: Mutex<Option<IndexTree>>,
}

fn fault(cause: impl std::fmt::Display) -> Fault {
    Fault::new(PLACE, cause)
}

impl FileIndex {
    /// The index below a data folder. No other process may have it open ([`crate::DataLock`]).
    pub fn below(data_dir: &Path, engine: Engine) -> Self {
        let folder = data_dir.join(FOLDER);
        Self(Arc::new(Shared { folder, engine, life: AtomicU64::new(1), tree: Mutex::default() }))
    }

    async fn work<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut IndexTree) -> Result<T, TreeFault> + Send + 'static,
    ) -> Result<T, Fault> {
        let shared = self.0.clone();
        let done = tokio::task::spawn_blocking(move || shared.work(work)).await;
        done.map_err(fault)?
    }
}

impl Shared {
    fn work<T>(&self, work: impl FnOnce(&mut IndexTree) -> Result<T, TreeFault>) -> Result<T, Fault> {
        let mut held = self.tree.lock().unwrap_or_else(PoisonError::into_inner);
        let mut tree = match held.take() {
            Some(tree) => tree,
            None => self.open()?,
        };
        match catch_unwind(AssertUnwindSafe(|| (work(&mut tree), tree))) {
            Ok((Ok(done), tree)) => {
                *held = Some(tree);
                Ok(done)
            }
            Ok((Err(TreeFault::Refused(cause)), tree)) => {
                *held = Some(tree);
                Err(fault(cause))
            }
            Ok((Err(cause), tree)) => {
                // What was applied and is not on disk may be gone.
                self.life.fetch_add(1, Ordering::SeqCst);
                drop(tree);
                if matches!(cause, TreeFault::Damaged(_)) {
                    self.throw_away(&cause)?;
                }
                Err(fault(cause))
            }
            Err(_) => {
                self.life.fetch_add(1, Ordering::SeqCst);
                let cause = TreeFault::Damaged("its engine panicked".to_owned());
                self.throw_away(&cause)?;
                Err(fault(cause))
            }
        }
    }

    /// Opens what is there; what cannot be read, or is of another engine or layout, is thrown away.
    fn open(&self) -> Result<IndexTree, Fault> {
        let open = || {
            folder::make_durable(&self.folder).map_err(TreeFault::from)?;
            catch_unwind(AssertUnwindSafe(|| IndexTree::open(&self.folder, self.engine)))
                .unwrap_or_else(|_| Err(TreeFault::Damaged("its engine panicked".to_owned())))
        };
        match open() {
            Err(cause @ TreeFault::Damaged(_)) => {
                self.throw_away(&cause)?;
                open().map_err(fault)
            }
            opened => opened.map_err(fault),
        }
    }

    fn throw_away(&self, cause: &TreeFault) -> Result<(), Fault> {
        tracing::warn!(%cause, folder = %self.folder.display(), "the index of mailboxes is read anew from EVENTS");
        self.life.fetch_add(1, Ordering::SeqCst);
        match std::fs::remove_dir_all(&self.folder) {
            Err(cause) if cause.kind() != std::io::ErrorKind::NotFound => Err(fault(cause)),
            _ => Ok(()),
        }
    }

    fn clear(&self) -> Result<(), Fault> {
        let mut held = self.tree.lock().unwrap_or_else(PoisonError::into_inner);
        drop(held.take());
        self.throw_away(&TreeFault::Refused("it is of no use any more".to_owned()))
    }
}

#[async_trait]
impl MailboxIndex for FileIndex {
    fn life(&self) -> u64 {
        self.0.life.load(Ordering::SeqCst)
    }

    async fn read_up_to(&self) -> Result<Option<EventsPlace>, Fault> {
        self.work(|tree| tree.read_up_to()).await
    }

    async fn take(&self, life: u64, entries: Vec<Posted>, read: Option<EventsPlace>) -> Result<(), Fault> {
        let shared = self.0.clone();
        self.work(move |tree| {
            // Looked at while nobody else is at work.
            if shared.life.load(Ordering::SeqCst) != life {
                return Err(TreeFault::Refused("it is read anew".to_owned()));
            }
            tree.take(entries, read.as_ref())
        })
        .await
    }

    async fn clear(&self) -> Result<(), Fault> {
        let shared = self.0.clone();
        tokio::task::spawn_blocking(move || shared.clear()).await.map_err(fault)?
    }

    async fn waiting(
        &self,
        system: &SystemId,
        waiting: Waiting,
        after: Option<Place>,
        limit: usize,
    ) -> Result<Vec<Place>, Fault> {
        let system = system.clone();
        self.work(move |tree| tree.waiting(&system, waiting, after, limit)).await
    }

    async fn count(
        &self,
        system: &SystemId,
        waiting: Waiting,
        lane: Option<Lane>,
        most: usize,
    ) -> Result<usize, Fault> {
        let system = system.clone();
        self.work(move |tree| tree.count(&system, waiting, lane, most)).await
    }

    async fn entries(&self, ids: Vec<DeliveryId>) -> Result<Vec<Option<Posted>>, Fault> {
        self.work(move |tree| ids.into_iter().map(|id| tree.entry(id)).collect()).await
    }

    async fn systems(&self, after: Option<&SystemId>, limit: usize) -> Result<Vec<SystemId>, Fault> {
        let after = after.cloned();
        self.work(move |tree| tree.systems(after, limit)).await
    }

    async fn forget(&self, before: Timestamp, limit: usize) -> Result<usize, Fault> {
        self.work(move |tree| tree.forget(before, limit)).await
    }
}
