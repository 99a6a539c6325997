//! The journal: how to undo what was not synced. Each record is appended before its call is made (that a file or folder
//! was made, after it: its inode is not known before), and what a killed process appended stays in the page cache.
//!
//! A record: `u32` [`MAGIC`], `u32` kind, `u64` length of the body, body; integers native. Bodies, of `u64` but for bytes:
//! write: inode, offset, count, length before, bytes that were there · truncate: inode, length before, length after,
//! bytes cut off · sync begun: token, inode · sync done: token · sync lost: token (the sync failed, and what was dirty is
//! taken for written) · names: token, inode of the folder whose sync makes it durable, count, and for each: inode of the
//! folder, inode before (0: none), inode after, length of the name, name · names failed: token.

use libc::c_int;

use crate::raw;

const MAGIC: u32 = 0x3130_4a46;

/// What a record is.
#[derive(Clone, Copy)]
pub(crate) enum Kind {
    Write = 1,
    Truncate = 2,
    SyncBegun = 3,
    SyncDone = 4,
    SyncLost = 5,
    Names = 6,
    NamesFailed = 7,
}

/// One name that changes: its folder, what it stood for, what it stands for.
pub(crate) struct Change<'a> {
    pub(crate) folder: u64,
    pub(crate) name: &'a [u8],
    pub(crate) before: u64,
    pub(crate) after: u64,
}

/// The open journal.
pub(crate) struct Journal {
    pub(crate) fd: c_int,
    next: u64,
}

impl Journal {
    pub(crate) fn new(fd: c_int) -> Self {
        // Tokens of one process are not those of another.
        Self { fd, next: u64::from(unsafe { libc::getpid() }.cast_unsigned()) << 32 }
    }

    pub(crate) fn token(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    pub(crate) fn append(&self, kind: Kind, numbers: &[u64], bytes: &[u8]) {
        let length = (numbers.len() * 8 + bytes.len()) as u64;
        let mut record = Vec::with_capacity(16 + numbers.len() * 8 + bytes.len());
        record.extend(MAGIC.to_ne_bytes());
        record.extend((kind as u32).to_ne_bytes());
        record.extend(length.to_ne_bytes());
        numbers.iter().for_each(|number| record.extend(number.to_ne_bytes()));
        record.extend(bytes);
        self.put(&record);
    }

    /// A change of names; the token by which it may be said to have failed.
    pub(crate) fn names(&mut self, durable_with: u64, changes: &[Change<'_>]) -> u64 {
        let token = self.token();
        let mut bytes = Vec::new();
        for change in changes {
            let numbers = [change.folder, change.before, change.after, change.name.len() as u64];
            numbers.iter().for_each(|number| bytes.extend(number.to_ne_bytes()));
            bytes.extend(change.name);
        }
        self.append(Kind::Names, &[token, durable_with, changes.len() as u64], &bytes);
        token
    }

    /// What cannot be written down must not be done.
    fn put(&self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let written = unsafe { raw::write(self.fd, bytes.as_ptr().cast(), bytes.len()) };
            match usize::try_from(written) {
                Ok(written) => bytes = &bytes[written.min(bytes.len())..],
                Err(_) if raw::errno() == libc::EINTR => {}
                Err(_) => raw::die(),
            }
        }
    }
}
