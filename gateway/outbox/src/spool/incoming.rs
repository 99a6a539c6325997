//! A packet that comes in: written in bounded pieces, digested on the way, gone when nobody holds it and nobody kept it.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use lienthong_pipeline::ports::{Fault, Incoming, IncomingWriter};
use lienthong_schemas::ids::PacketDigest;
use sha2::{Digest, Sha256};

use super::room::{Charge, Claim};
use super::{FileSpool, Folders, PLACE, fault, locked};

/// Chunks are gathered up to this many bytes before one write on the blocking pool.
const GATHERED_BYTES_MAX: usize = 256 * 1024;
/// The same for many small chunks.
const GATHERED_CHUNKS_MAX: usize = 1_024;
/// Buffer of a reader.
const READ_BYTES: usize = 64 * 1024;

/// A file in `incoming/` that goes when this is dropped, unless it was kept. Removing a name does not wait for the
/// drive, so it is done in place.
pub(super) struct Temporary {
    path: PathBuf,
    kept: bool,
    /// Of a packet. A writer that is cut off holds it as long as it still writes.
    charge: Option<Arc<Charge>>,
}

impl Temporary {
    pub(super) fn new(path: PathBuf, charge: Option<Arc<Charge>>) -> Self {
        Self { path, kept: false, charge }
    }

    /// Gives the file its lasting name.
    pub(super) fn keep(mut self, path: &Path) -> io::Result<()> {
        self.rename(path)
    }

    fn rename(&mut self, path: &Path) -> io::Result<()> {
        if !self.kept {
            fs::rename(&self.path, path)?;
            path.clone_into(&mut self.path);
            self.kept = true;
            if let Some(charge) = &self.charge {
                charge.keep();
            }
        }
        Ok(())
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if self.kept {
            return;
        }
        if let Err(cause) = fs::remove_file(&self.path) {
            tracing::warn!(path = %self.path.display(), %cause, "left behind until the next start");
        }
    }
}

/// A whole packet on disk, shared by all who hold one with this digest.
pub(super) struct IncomingFile {
    digest: PacketDigest,
    bytes: u64,
    place: Mutex<Temporary>,
    folders: Arc<Folders>,
}

impl IncomingFile {
    /// The one file for this digest: this one, or the one that somebody holds already.
    fn share(folders: &Arc<Folders>, place: Temporary, digest: PacketDigest, bytes: u64) -> Arc<Self> {
        let mut live = locked(&folders.live);
        if let Some(same) = live.get(&digest).and_then(std::sync::Weak::upgrade) {
            return same;
        }
        let file = Arc::new(Self { digest, bytes, place: Mutex::new(place), folders: folders.clone() });
        live.insert(digest, Arc::downgrade(&file));
        file
    }

    pub(super) fn sync(&self) -> io::Result<()> {
        let place = locked(&self.place);
        File::options().write(true).open(&place.path)?.sync_data()
    }

    /// Moves it to `blobs/`, where all who hold it go on reading it.
    pub(super) fn keep(&self, path: &Path) -> io::Result<()> {
        let mut place = locked(&self.place);
        let replaced = match fs::symlink_metadata(path) {
            Ok(found) if !place.kept && found.is_file() => found.len(),
            Ok(_) => 0,
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => 0,
            Err(cause) => return Err(cause),
        };
        place.rename(path)?;
        self.folders.room.free(replaced);
        Ok(())
    }
}

impl Drop for IncomingFile {
    fn drop(&mut self) {
        let mut live = locked(&self.folders.live);
        if live.get(&self.digest).is_some_and(|file| file.strong_count() == 0) {
            live.remove(&self.digest);
        }
    }
}

struct Packet(Arc<IncomingFile>);

impl Incoming for Packet {
    fn digest(&self) -> PacketDigest {
        self.0.digest
    }

    fn bytes(&self) -> u64 {
        self.0.bytes
    }

    fn open(&self) -> Result<Box<dyn BufRead + Send>, Fault> {
        let place = locked(&self.0.place);
        let file = File::open(&place.path).map_err(fault)?;
        Ok(Box::new(BufReader::with_capacity(READ_BYTES, file)))
    }
}

/// What a writer has on disk.
pub(super) struct Written {
    file: File,
    hash: Sha256,
    bytes: u64,
    charge: Arc<Charge>,
}

impl Written {
    pub(super) fn new(file: File, charge: Arc<Charge>) -> Self {
        Self { file, hash: Sha256::new(), bytes: 0, charge }
    }

    fn append(&mut self, chunk: &[u8]) -> io::Result<()> {
        self.charge.take(chunk.len() as u64)?;
        self.file.write_all(chunk)?;
        self.hash.update(chunk);
        self.bytes += chunk.len() as u64;
        Ok(())
    }
}

/// Takes a packet in.
pub(super) struct FileWriter {
    spool: FileSpool,
    temporary: Temporary,
    /// Away while a write is under way; a write that failed or was cancelled does not bring it back.
    written: Option<Written>,
    gathered: Vec<Bytes>,
    gathered_bytes: usize,
}

impl FileWriter {
    /// Begins a packet in `incoming/`.
    pub(super) async fn begin(spool: FileSpool, claim: Claim) -> Result<Self, Fault> {
        let make = move |folders: &Arc<Folders>| {
            if claim == Claim::Intake {
                folders.room.check(1)?;
            }
            folders.packet(claim)
        };
        let (temporary, written) = spool.off(make).await?;
        let written = Some(written);
        Ok(Self { spool, temporary, written, gathered: Vec::new(), gathered_bytes: 0 })
    }

    async fn flush(&mut self) -> Result<Written, Fault> {
        let broken = || Fault::new(PLACE, "this packet was broken off");
        let mut written = self.written.take().ok_or_else(broken)?;
        let chunks = std::mem::take(&mut self.gathered);
        self.gathered_bytes = 0;
        let write = move |_: &Arc<Folders>| {
            chunks.iter().try_for_each(|chunk| written.append(chunk))?;
            Ok(written)
        };
        self.spool.off(write).await
    }
}

#[async_trait]
impl IncomingWriter for FileWriter {
    async fn write(&mut self, chunk: Bytes) -> Result<(), Fault> {
        if !chunk.is_empty() {
            self.gathered_bytes += chunk.len();
            self.gathered.push(chunk);
        }
        if self.gathered_bytes >= GATHERED_BYTES_MAX || self.gathered.len() >= GATHERED_CHUNKS_MAX {
            self.written = Some(self.flush().await?);
        }
        Ok(())
    }

    async fn finish(mut self: Box<Self>) -> Result<Box<dyn Incoming>, Fault> {
        let written = self.flush().await?;
        let digest = PacketDigest::from_bytes(written.hash.finalize().into());
        let Self { spool, temporary, .. } = *self;
        Ok(Box::new(Packet(IncomingFile::share(&spool.folders, temporary, digest, written.bytes))))
    }
}

/// The digest of a file, read in pieces.
pub(crate) fn digest_of(path: &Path) -> io::Result<PacketDigest> {
    let (mut file, mut hash, mut piece) = (File::open(path)?, Sha256::new(), vec![0; READ_BYTES]);
    loop {
        match file.read(&mut piece)? {
            0 => return Ok(PacketDigest::from_bytes(hash.finalize().into())),
            read => hash.update(&piece[..read]),
        }
    }
}

/// A packet that is not in our `incoming/` (it came from elsewhere): its bytes, checked, in a file of ours.
pub(super) fn copy(folders: &Arc<Folders>, packet: &dyn Incoming) -> io::Result<Arc<IncomingFile>> {
    let (temporary, mut written) = folders.packet(Claim::Ours)?;
    let mut source = packet.open().map_err(io::Error::other)?;
    let mut piece = vec![0; READ_BYTES];
    loop {
        let read = source.read(&mut piece)?;
        if read == 0 {
            break;
        }
        written.append(&piece[..read])?;
    }
    let digest = PacketDigest::from_bytes(written.hash.finalize().into());
    if (digest, written.bytes) != (packet.digest(), packet.bytes()) {
        return Err(io::Error::other(format!("a packet says it is {}, and is {digest}", packet.digest())));
    }
    Ok(IncomingFile::share(folders, temporary, digest, written.bytes))
}
