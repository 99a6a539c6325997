//! What is done with a store while no gateway runs, on an operator's word: written out, moved to the other engine, built
//! anew. Whoever calls holds the data folder's lock.

mod export;
mod migrate;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use lienthong_pipeline::ports::Clock;

pub use self::export::{Exported, export};
pub use self::migrate::{Migrated, migrate};
pub(crate) use self::migrate::{finish, present};
use crate::format;
use crate::lock::DataLock;
use crate::open::{self, OpenFault, Opened, Rebuilt, open_or_rebuild};
use crate::store::{Engine, StoreFault};

/// Why something was not done with a store; the store is as it was.
#[derive(Debug, thiserror::Error)]
pub enum OfflineFault {
    /// The data folder or the store cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenFault),
    /// There is no store.
    #[error("there is no store in {}", .0.display())]
    NoStore(PathBuf),
    /// A value of it is not the one that was written; `rebuild` makes a store that is whole.
    #[error("the store is damaged ({0}); run `lienthong outbox rebuild`")]
    Damaged(String),
    /// A file cannot be read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// Which one.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// What was written out does not read back as it was.
    #[error("the copy does not read back as it was written; the disk is not to be trusted")]
    Unequal,
}

impl From<StoreFault> for OfflineFault {
    fn from(fault: StoreFault) -> Self {
        match fault {
            StoreFault::Damaged { cause, .. } => Self::Damaged(cause),
            fault => Self::Open(fault.into()),
        }
    }
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> OfflineFault + '_ {
    |source| OfflineFault::Io { path: path.to_owned(), source }
}

/// Moves the store aside, whatever it is like, and builds one with this engine from the admissions. What only the store
/// knew is lost: attempts, pauses, what may have arrived, and outcomes that were not yet noted beside their admission.
///
/// # Errors
/// See [`OpenFault`]. When it is cut off, the next start or the next call goes on.
pub fn rebuild(
    _lock: &DataLock,
    data_dir: &Path,
    engine: Engine,
    clock: Arc<dyn Clock>,
) -> Result<Rebuilt, OpenFault> {
    format::look(data_dir)?;
    finish(data_dir).map_err(OpenFault::MoveAside)?;
    let store = data_dir.join(open::STORE);
    let aside = match store.symlink_metadata() {
        Ok(_) => Some(open::move_aside(data_dir, &store).map_err(OpenFault::MoveAside)?),
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => None,
        Err(cause) => return Err(OpenFault::MoveAside(cause)),
    };
    let (store, _, opened) = open_or_rebuild(data_dir, engine, clock)?;
    drop(store);
    let rebuilt = match opened {
        Opened::Rebuilt(rebuilt) => rebuilt,
        Opened::Fresh | Opened::Existing => Rebuilt::default(),
    };
    Ok(Rebuilt { moved_to: rebuilt.moved_to.or(aside), ..rebuilt })
}
