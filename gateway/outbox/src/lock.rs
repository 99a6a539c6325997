//! One process a data folder: `<data>/lock` is flocked (design.md B8). The lock goes with the process, however it ends.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};

use crate::folder;

/// Why the lock was not had.
#[derive(Debug, thiserror::Error)]
pub enum LockFault {
    /// Another process has it.
    #[error("the data folder {} is in use by process {holder}; stop that one first", data_dir.display())]
    Held {
        /// The data folder.
        data_dir: PathBuf,
        /// What the holder wrote down as its process id, or `unknown`.
        holder: String,
    },
    /// The file cannot be made or locked.
    #[error("locking the data folder {}: {source}", data_dir.display())]
    Io {
        /// The data folder.
        data_dir: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// The data folder is ours until this is dropped.
#[derive(Debug)]
pub struct DataLock {
    _file: File,
}

impl DataLock {
    /// Takes the lock, making the folder (0700) when there is none. Does not wait.
    ///
    /// # Errors
    /// See [`LockFault`].
    pub fn acquire(data_dir: &Path) -> Result<Self, LockFault> {
        let fault = |source: io::Error| LockFault::Io { data_dir: data_dir.to_owned(), source };
        folder::make_durable(data_dir).map_err(fault)?;
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(0o600);
        let mut file = options.open(data_dir.join("lock")).map_err(fault)?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(rustix::io::Errno::WOULDBLOCK) => {
                return Err(LockFault::Held { data_dir: data_dir.to_owned(), holder: holder(&mut file) });
            }
            Err(errno) => return Err(fault(errno.into())),
        }
        note(&mut file).map_err(fault)?;
        Ok(Self { _file: file })
    }
}

fn note(file: &mut File) -> io::Result<()> {
    file.set_len(0)?;
    file.rewind()?;
    writeln!(file, "{}", std::process::id())
}

fn holder(file: &mut File) -> String {
    let mut text = String::new();
    let read = file.take(20).read_to_string(&mut text);
    let number = read.ok().and_then(|_| text.trim().parse::<u32>().ok());
    number.map_or_else(|| "unknown".to_owned(), |number| number.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_held_lock_names_its_holder_and_is_free_after_it() {
        let dir = tempfile::tempdir().expect("a folder");
        let data = dir.path().join("new/data");
        let held = DataLock::acquire(&data).expect("free");
        let refused = DataLock::acquire(&data).expect_err("held");
        assert!(
            matches!(&refused, LockFault::Held { holder, .. } if *holder == std::process::id().to_string())
        );
        assert!(refused.to_string().contains("in use by process"), "{refused}");
        drop(held);
        DataLock::acquire(&data).expect("free again");
    }
}
