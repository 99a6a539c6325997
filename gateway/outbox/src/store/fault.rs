//! Why a store cannot be opened, and which of these reasons is damage.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use super::committer::said;
use super::engine::{Engine, EngineFault};
use super::view::ReadFault;
use super::{keys, progress};
use crate::sealed::Damage;

/// Why a store cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum StoreFault {
    /// The disk, permissions, or another process that has it open; the store itself may be whole.
    #[error("opening the store at {}: {source}", path.display())]
    Io {
        /// The store's folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It is damaged, and can be moved aside and built anew.
    #[error("the store at {} is damaged: {cause}", path.display())]
    Damaged {
        /// The store's folder.
        path: PathBuf,
        /// What is wrong.
        cause: String,
    },
    /// A program that came after this one wrote it.
    #[error("the store at {} has version {found}; this program reads an older one", path.display())]
    Newer {
        /// The store's folder.
        path: PathBuf,
        /// The version it has.
        found: u8,
    },
    /// Another engine than the one asked for keeps it; that one can read it.
    #[error(
        "the store at {} is kept by {}, and [outbox] engine is \"{}\"; set it back, or run `lienthong outbox migrate \
         --engine {}` first", path.display(), found.as_str(), wanted.as_str(), wanted.as_str()
    )]
    OtherEngine {
        /// The store's folder.
        path: PathBuf,
        /// The engine that wrote it.
        found: Engine,
        /// The engine asked for.
        wanted: Engine,
    },
}

impl StoreFault {
    /// Damage that was noted when it was met.
    pub(super) fn if_noted(path: &Path) -> Result<(), Self> {
        if progress::is_noted(path) {
            let cause = "what was written may not be on disk, as was noted before".to_owned();
            return Err(Self::Damaged { path: path.to_owned(), cause });
        }
        Ok(())
    }

    pub(super) fn of_engine(path: &Path, cause: EngineFault) -> Self {
        let path = path.to_owned();
        match cause {
            EngineFault::Io(source) => Self::Io { path, source },
            EngineFault::Damaged(cause) | EngineFault::Failed(cause) => Self::Damaged { path, cause },
        }
    }

    pub(super) fn of_reading(path: &Path, fault: ReadFault) -> Self {
        match fault {
            ReadFault::Engine(cause) => Self::of_engine(path, cause),
            ReadFault::Damaged(_, Damage::Newer(found)) => Self::Newer { path: path.to_owned(), found },
            ReadFault::Damaged(key, damage) => {
                Self::Damaged { path: path.to_owned(), cause: format!("{}: {damage}", keys::shown(&key)) }
            }
        }
    }
}

/// What came of work with a store; where the engine panics, the store is damaged.
pub(crate) fn caught<T, F: From<StoreFault>>(
    path: &Path,
    engine: Engine,
    work: impl FnOnce() -> Result<T, F>,
) -> Result<T, F> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        let cause = format!("{} panicked: {}", engine.as_str(), said(&*panic));
        Err(StoreFault::Damaged { path: path.to_owned(), cause }.into())
    })
}
