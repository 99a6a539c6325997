//! A packet that comes in: written in bounded pieces, or held in memory when it is small, digested on the way, gone when
//! nobody holds it and nobody kept it.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Cursor, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use lienthong_pipeline::ports::{Fault, Incoming, IncomingWriter};
use lienthong_schemas::ids::PacketDigest;
use sha2::{Digest, Sha256};
use tokio::sync::OwnedSemaphorePermit;

use super::room::{Charge, Claim};
use super::{FileSpool, Folders, fault, locked};

/// Chunks are gathered up to this many bytes before one write on the blocking pool. A packet that is no longer stays in
/// memory, and its file is written when it is admitted.
const GATHERED_BYTES_MAX: usize = 256 * 1024;
/// The same for many small chunks.
const GATHERED_CHUNKS_MAX: usize = 1_024;
/// Most bytes of whole packets in memory, of all together; further ones go to files.
pub(super) const IN_MEMORY_BYTES_MAX: usize = 32 << 20;
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

/// A whole packet, shared by all who hold one with this digest.
pub(super) struct IncomingFile {
    digest: PacketDigest,
    bytes: u64,
    place: Mutex<Place>,
    /// Counted until nobody holds it, or it is kept.
    charge: Arc<Charge>,
    folders: Arc<Folders>,
}

/// Where a packet is.
enum Place {
    Memory(Arc<InMemory>),
    File(Temporary),
}

/// A small packet, and the memory that it was given.
struct InMemory {
    bytes: Vec<u8>,
    _place: OwnedSemaphorePermit,
}

/// For a reader, which may go on after the packet has come into a file.
struct Shared(Arc<InMemory>);

impl AsRef<[u8]> for Shared {
    fn as_ref(&self) -> &[u8] {
        &self.0.bytes
    }
}

impl IncomingFile {
    /// The one place for this digest: this one, or the one that somebody holds already.
    fn share(
        folders: &Arc<Folders>,
        place: Place,
        charge: Arc<Charge>,
        packet: (PacketDigest, u64),
    ) -> Arc<Self> {
        let mut live = locked(&folders.live);
        let (digest, bytes) = packet;
        if let Some(same) = live.get(&digest).and_then(std::sync::Weak::upgrade) {
            return same;
        }
        let file =
            Arc::new(Self { digest, bytes, place: Mutex::new(place), charge, folders: folders.clone() });
        live.insert(digest, Arc::downgrade(&file));
        file
    }

    /// Its file, to be synced; written by now if it was in memory.
    pub(super) fn on_disk(&self) -> io::Result<File> {
        let mut place = locked(&self.place);
        let packet = match &*place {
            Place::Memory(packet) => packet.clone(),
            Place::File(file) => return File::options().write(true).open(&file.path),
        };
        let (temporary, mut file) = self.folders.temporary(Some(self.charge.clone()))?;
        file.write_all(&packet.bytes)?;
        *place = Place::File(temporary);
        Ok(file)
    }

    /// Moves it to `blobs/`, where all who hold it go on reading it.
    pub(super) fn keep(&self, path: &Path) -> io::Result<()> {
        let mut place = locked(&self.place);
        let Place::File(place) = &mut *place else {
            return Err(io::Error::other("a packet that is not on disk cannot be kept"));
        };
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
        match &*locked(&self.0.place) {
            Place::Memory(packet) => Ok(Box::new(Cursor::new(Shared(packet.clone())))),
            Place::File(place) => {
                let file = File::open(&place.path).map_err(fault)?;
                Ok(Box::new(BufReader::with_capacity(READ_BYTES, file)))
            }
        }
    }
}

/// What a writer has on disk.
struct Written {
    temporary: Temporary,
    file: File,
    hash: Sha256,
}

impl Written {
    /// A file for what is digested already, and for what follows.
    fn begin(folders: &Folders, charge: &Arc<Charge>, hash: Sha256, chunks: &[Bytes]) -> io::Result<Self> {
        let (temporary, mut file) = folders.temporary(Some(charge.clone()))?;
        chunks.iter().try_for_each(|chunk| file.write_all(chunk))?;
        Ok(Self { temporary, file, hash })
    }

    fn append(&mut self, chunk: &[u8]) -> io::Result<()> {
        self.file.write_all(chunk)?;
        self.hash.update(chunk);
        Ok(())
    }
}

/// Takes a packet in.
pub(super) struct FileWriter {
    spool: FileSpool,
    charge: Arc<Charge>,
    bytes: u64,
    stage: Stage,
    gathered: Vec<Bytes>,
    gathered_bytes: usize,
}

enum Stage {
    /// All of it is gathered, and digested.
    Memory(Sha256),
    /// What was gathered before is there.
    File(Written),
    /// A write is under way, or one failed or was cancelled.
    Broken,
}

impl FileWriter {
    /// Begins a packet; nothing is on disk yet.
    pub(super) fn new(spool: FileSpool, claim: Claim) -> Self {
        let charge = Charge::new(&spool.folders.room, claim);
        let stage = Stage::Memory(Sha256::new());
        Self { spool, charge, bytes: 0, stage, gathered: Vec::new(), gathered_bytes: 0 }
    }

    /// Brings what is gathered to disk.
    async fn flush(&mut self) -> Result<Written, Fault> {
        let stage = std::mem::replace(&mut self.stage, Stage::Broken);
        let chunks = std::mem::take(&mut self.gathered);
        self.gathered_bytes = 0;
        let charge = self.charge.clone();
        let write = move |folders: &Arc<Folders>| match stage {
            Stage::Memory(hash) => Written::begin(folders, &charge, hash, &chunks),
            Stage::File(mut written) => {
                chunks.iter().try_for_each(|chunk| written.append(chunk))?;
                Ok(written)
            }
            Stage::Broken => Err(io::Error::other("this packet was broken off")),
        };
        self.spool.off(write).await
    }

    fn gathered_too_much(&self) -> bool {
        self.gathered_bytes > GATHERED_BYTES_MAX || self.gathered.len() >= GATHERED_CHUNKS_MAX
    }

    /// Memory for all of the packet, unless it goes to disk.
    fn memory(&self) -> Option<OwnedSemaphorePermit> {
        let bytes = u32::try_from(self.gathered_bytes).ok()?;
        let memory = self.spool.folders.memory.clone();
        matches!(self.stage, Stage::Memory(_)).then(|| memory.try_acquire_many_owned(bytes).ok())?
    }
}

#[async_trait]
impl IncomingWriter for FileWriter {
    async fn write(&mut self, chunk: Bytes) -> Result<(), Fault> {
        if !chunk.is_empty() {
            self.charge.take(chunk.len() as u64).map_err(fault)?;
            self.bytes += chunk.len() as u64;
            if let Stage::Memory(hash) = &mut self.stage {
                hash.update(&chunk);
            }
            self.gathered_bytes += chunk.len();
            self.gathered.push(chunk);
        }
        if self.gathered_too_much() {
            self.stage = Stage::File(self.flush().await?);
        }
        Ok(())
    }

    async fn finish(mut self: Box<Self>) -> Result<Box<dyn Incoming>, Fault> {
        let (place, hash) = match (self.memory(), &mut self.stage) {
            (Some(place), Stage::Memory(hash)) => {
                let packet = InMemory { bytes: self.gathered.concat(), _place: place };
                (Place::Memory(Arc::new(packet)), std::mem::take(hash))
            }
            _ => {
                let written = self.flush().await?;
                (Place::File(written.temporary), written.hash)
            }
        };
        let digest = PacketDigest::from_bytes(hash.finalize().into());
        let Self { spool, charge, bytes, .. } = *self;
        Ok(Box::new(Packet(IncomingFile::share(&spool.folders, place, charge, (digest, bytes)))))
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
    let charge = Charge::new(&folders.room, Claim::Ours);
    let mut written = Written::begin(folders, &charge, Sha256::new(), &[])?;
    let mut source = packet.open().map_err(io::Error::other)?;
    let (mut piece, mut bytes) = (vec![0; READ_BYTES], 0);
    loop {
        let read = source.read(&mut piece)?;
        if read == 0 {
            break;
        }
        charge.take(read as u64)?;
        written.append(&piece[..read])?;
        bytes += read as u64;
    }
    let digest = PacketDigest::from_bytes(written.hash.finalize().into());
    if (digest, bytes) != (packet.digest(), packet.bytes()) {
        return Err(io::Error::other(format!("a packet says it is {}, and is {digest}", packet.digest())));
    }
    Ok(IncomingFile::share(folders, Place::File(written.temporary), charge, (digest, bytes)))
}
