//! Why a store cannot be opened, and which of these reasons is damage.

use std::io;
use std::path::{Path, PathBuf};

use super::engine::{Engine, EngineFault};
use super::keys;
use super::view::ReadFault;
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
