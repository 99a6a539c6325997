//! Removing what is kept no longer. A packet is named before it goes; whoever asks for it from then on keeps it, so that
//! nothing is taken from a document that is just coming in.

use std::collections::HashSet;
use std::fs;
use std::io;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use jiff::Timestamp;
use lienthong_schemas::ids::{DocumentId, PacketDigest};

use super::{FileSpool, Folders, copies, locked, papers};
use crate::folder;

/// Packets that are about to go.
#[derive(Default)]
pub(super) struct Condemned {
    digests: Mutex<HashSet<PacketDigest>>,
    /// There are some; looked at without the lock.
    any: AtomicBool,
}

impl Condemned {
    /// Somebody needs this packet, or is about to rely on its being there.
    pub(super) fn ask_for(&self, digest: PacketDigest) {
        if self.any.load(Ordering::SeqCst) {
            locked(&self.digests).remove(&digest);
        }
    }
}

impl FileSpool {
    /// From now on these packets, and none but these, are about to go. Whoever asked for one before must be done with it
    /// before it is removed.
    pub(crate) fn condemn(&self, digests: HashSet<PacketDigest>) {
        let condemned = &self.folders.condemned;
        let mut waiting = locked(&condemned.digests);
        condemned.any.store(!digests.is_empty(), Ordering::SeqCst);
        *waiting = digests;
    }

    /// Packets that were last written before a time. A file of another name is none. Blocks.
    pub(crate) fn packets_before(&self, before: Timestamp) -> io::Result<HashSet<PacketDigest>> {
        let mut found = HashSet::new();
        for entry in fs::read_dir(&self.folders.blobs)? {
            let entry = entry?;
            let digest = entry.file_name().to_str().and_then(|name| name.parse::<PacketDigest>().ok());
            let Some(digest) = digest else { continue };
            let written = entry.metadata()?.modified()?;
            if Timestamp::try_from(written).is_ok_and(|written| written < before) {
                found.insert(digest);
            }
        }
        Ok(found)
    }

    /// Removes a packet that is condemned; how many bytes that freed, or `None` where somebody asked for it since. Blocks.
    pub(crate) fn remove_packet(&self, digest: PacketDigest) -> io::Result<Option<u64>> {
        // Held until the file is gone: who asks meanwhile waits, and then finds that it is.
        let mut condemned = locked(&self.folders.condemned.digests);
        if !condemned.remove(&digest) {
            return Ok(None);
        }
        let path = self.folders.blob(digest);
        let bytes = match fs::symlink_metadata(&path) {
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(Some(0)),
            found => found?.len(),
        };
        fs::remove_file(&path)?;
        self.folders.room.free(bytes);
        Ok(Some(bytes))
    }

    /// Removes what is written of a document beside its packet: the admission first, or a rebuild would take its
    /// deliveries for unsettled. Blocks.
    pub(crate) fn remove_admission(&self, id: DocumentId) -> io::Result<()> {
        gone(&self.folders.admission(id))
    }

    /// The notes beside an admission that is gone. Blocks.
    pub(crate) fn remove_notes(&self, id: DocumentId) -> io::Result<()> {
        let admission = self.folders.admission(id);
        gone(&copies::file(&admission))?;
        gone(&papers::settled_record(&admission))
    }

    /// What was removed is gone from the disk when this returns.
    pub(crate) fn sync_removals(&self) -> io::Result<()> {
        let Folders { blobs, admissions, .. } = &*self.folders;
        folder::sync(blobs)?;
        folder::sync(admissions)
    }
}

fn gone(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(cause) if cause.kind() != io::ErrorKind::NotFound => Err(cause),
        _ => Ok(()),
    }
}
