//! Packets and admissions as files (design.md B2): `incoming/` is thrown away at start-up, `blobs/<sha256>` holds exact
//! bytes, `admissions/<document id>` what was promised for them. Everything that blocks runs on the blocking pool.

mod commits;
mod copies;
mod incoming;
mod papers;
mod quarantine;
mod removal;
mod room;
mod shared_sync;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use async_trait::async_trait;
use bytes::Bytes;
use jiff::Timestamp;
use lienthong_pipeline::ports::{AxisDocId, Fault, Incoming, IncomingWriter, Spool, SpoolUsage};
use lienthong_pipeline::record::{Admission, AxisCopy, Quarantined, Route, State, SystemId};
use lienthong_schemas::ids::{DeliveryId, DocumentId, PacketDigest};
use tokio::sync::Semaphore;

use self::commits::Commits;
use self::incoming::{FileWriter, IN_MEMORY_BYTES_MAX, IncomingFile, Temporary};
use self::removal::Condemned;
use self::room::{Charge, Claim, Room, is_full};
use crate::folder;

pub(crate) use incoming::digest_of;
pub(crate) use papers::Notes;
pub use papers::{ADMISSION_BYTES_MAX, Admissions, Damaged, Found};
pub use quarantine::{Aside, QUARANTINED_MAX, quarantined};
pub use room::SpoolLimits;

/// The `place` of every fault of the spool.
const PLACE: &str = "spool";
/// Locks that appends to settled records share; more documents than this are settled at once only in rare turns.
const STRIPES: usize = 64;

/// The spool in the program.
#[derive(Clone)]
pub struct FileSpool {
    folders: Arc<Folders>,
}

/// Where things are, and who is at work there.
struct Folders {
    incoming: PathBuf,
    blobs: PathBuf,
    admissions: PathBuf,
    room: Arc<Room>,
    names: AtomicU64,
    /// Packets in `incoming/` that somebody still holds. One digest is one content, so one file serves all.
    live: Mutex<HashMap<PacketDigest, Weak<IncomingFile>>>,
    publishing: Mutex<()>,
    commits: Commits,
    condemned: Condemned,
    /// Bytes that packets may hold in memory until they are admitted.
    memory: Arc<Semaphore>,
    settling: [Mutex<()>; STRIPES],
}

impl FileSpool {
    /// Opens the spool below a data folder, making its folders (0700), empties `incoming/` and counts the bytes of
    /// `blobs/`. Without limits, see [`FileSpool::with_limits`]. Blocks; the caller holds [`crate::DataLock`].
    ///
    /// # Errors
    /// A folder cannot be made, read or emptied.
    pub fn open(data_dir: &Path) -> io::Result<Self> {
        let [incoming, blobs, admissions] = folders(data_dir);
        for path in [&incoming, &blobs, &admissions] {
            folder::make(path).map_err(folder::at(path))?;
        }
        // A life that was killed may have left names that are not on disk: a power cut would take them back after this life
        // has relied on them.
        for path in [&blobs, &admissions, data_dir] {
            folder::sync(path).map_err(folder::at(path))?;
        }
        empty(&incoming).map_err(folder::at(&incoming))?;
        let room = Room::measure(&blobs).map_err(folder::at(&blobs))?;
        Ok(Self::at(data_dir, room))
    }

    /// The spool below a data folder as it is, for somebody who only looks: nothing is made, emptied or counted.
    pub(crate) fn look_at(data_dir: &Path) -> Self {
        Self::at(data_dir, Room::unmeasured(data_dir))
    }

    fn at(data_dir: &Path, room: Room) -> Self {
        let [incoming, blobs, admissions] = folders(data_dir);
        let folders = Folders {
            incoming,
            blobs,
            admissions,
            room: Arc::new(room),
            names: AtomicU64::new(0),
            live: Mutex::default(),
            publishing: Mutex::default(),
            commits: Commits::default(),
            condemned: Condemned::default(),
            memory: Arc::new(Semaphore::new(IN_MEMORY_BYTES_MAX)),
            settling: std::array::from_fn(|_| Mutex::default()),
        };
        Self { folders: Arc::new(folders) }
    }

    /// From now on intake stays within these limits.
    #[must_use]
    pub fn with_limits(self, limits: SpoolLimits) -> Self {
        self.folders.room.limit(limits);
        self
    }

    /// Every admission, one file at a time and in no order, with the states noted beside it. Blocks.
    ///
    /// # Errors
    /// The folder cannot be listed. A damaged file is an item, not an end.
    pub fn admissions(&self) -> io::Result<Admissions> {
        Admissions::list(&self.folders.admissions)
    }

    /// [`FileSpool::admissions`] that have a delivery which is not settled.
    pub fn unsettled_admissions(&self) -> io::Result<impl Iterator<Item = Result<Found, Damaged>> + use<>> {
        let all = self.admissions()?;
        Ok(all.filter(|found| found.as_ref().map_or(true, |found| found.unsettled() > 0)))
    }

    /// The ids of all documents that have an admission, by the names of the files.
    pub(crate) fn documents(&self) -> io::Result<impl Iterator<Item = Result<DocumentId, Damaged>> + use<>> {
        papers::documents(&self.folders.admissions)
    }

    /// The admission of one document. Blocks.
    pub(crate) fn read_admission(&self, id: DocumentId) -> Result<Option<Found>, Damaged> {
        papers::read(&self.folders.admission(id))
    }

    /// Where admissions and the notes beside them lie.
    pub(crate) fn admissions_folder(&self) -> &Path {
        &self.folders.admissions
    }

    /// Where packets lie.
    pub(crate) fn blobs_folder(&self) -> &Path {
        &self.folders.blobs
    }

    /// The admission of one document without its notes. Blocks.
    pub(crate) fn admission_of(&self, id: DocumentId) -> Result<Option<Admission>, Damaged> {
        papers::read_admission(&self.folders.admission(id))
    }

    /// What is noted beside the admission of a document, whether or not that is there. Blocks.
    pub(crate) fn notes(&self, id: DocumentId) -> io::Result<Notes> {
        papers::notes(&self.folders.admission(id))
    }

    /// Whether a document has an admission, by name alone. Blocks.
    pub(crate) fn is_admitted(&self, id: DocumentId) -> io::Result<bool> {
        Ok(length(&self.folders.admission(id))?.is_some())
    }

    /// The length of a packet, `None` when it is not there. Blocks.
    pub(crate) fn blob_bytes(&self, digest: PacketDigest) -> io::Result<Option<u64>> {
        length(&self.folders.blob(digest))
    }

    async fn off<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Arc<Folders>) -> io::Result<T> + Send + 'static,
    ) -> Result<T, Fault> {
        let folders = self.folders.clone();
        let done = tokio::task::spawn_blocking(move || work(&folders)).await;
        done.map_err(|panic| Fault::new(PLACE, panic))?.map_err(fault)
    }
}

/// The bytes of an admission's file.
#[cfg(any(test, feature = "contract"))]
pub(crate) fn paper(admission: &Admission) -> io::Result<Vec<u8>> {
    papers::write(admission)
}

impl Folders {
    fn admission(&self, id: DocumentId) -> PathBuf {
        self.admissions.join(id.to_string())
    }

    fn blob(&self, digest: PacketDigest) -> PathBuf {
        self.blobs.join(digest.to_string())
    }

    /// A name in `incoming/` that nothing has.
    fn temporary(&self, charge: Option<Arc<Charge>>) -> io::Result<(Temporary, fs::File)> {
        let name = self.names.fetch_add(1, Ordering::Relaxed);
        let path = self.incoming.join(format!("{name:016x}"));
        let file = folder::new_file(&path).map_err(folder::at(&path))?;
        Ok((Temporary::new(path, charge), file))
    }

    /// By name and length alone. A copy that comes in again does not heal bytes that rotted on the disk, and that is
    /// accepted: to know, each repeat of a document and each further receiver's copy would have to read a blob of up to
    /// 100 MB again. Whoever sends the bytes on checks their digest, and parks the delivery when it is wrong.
    fn has_blob(&self, digest: PacketDigest, bytes: u64) -> io::Result<bool> {
        self.condemned.ask_for(digest);
        Ok(length(&self.blob(digest))? == Some(bytes))
    }

    fn read(&self, digest: PacketDigest, most: u64) -> io::Result<Option<Bytes>> {
        self.condemned.ask_for(digest);
        let file = match fs::File::open(self.blob(digest)) {
            Ok(file) => file,
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(cause) => return Err(cause),
        };
        let bytes = file.metadata()?.len().min(most);
        let mut body = Vec::with_capacity(usize::try_from(bytes).unwrap_or_default() + 1);
        io::Read::read_to_end(&mut io::Read::take(file, most.saturating_add(1)), &mut body)?;
        Ok((body.len() as u64 <= most).then(|| body.into()))
    }

    /// The turn of who writes beside the admission of a document.
    fn turn(&self, document: DocumentId) -> std::sync::MutexGuard<'_, ()> {
        locked(&self.settling[usize::from(document.as_bytes()[0]) % STRIPES])
    }

    fn note(&self, document: DocumentId, delivery: DeliveryId, lines: &[papers::Line]) -> io::Result<()> {
        let _turn = self.turn(document);
        papers::append_settled(&self.admission(document), delivery, lines)
    }
}

#[async_trait]
impl Spool for FileSpool {
    async fn receive(&self) -> Result<Box<dyn IncomingWriter>, Fault> {
        self.folders.room.check(1).map_err(fault)?;
        Ok(Box::new(FileWriter::new(self.clone(), Claim::Intake)))
    }

    async fn receive_ours(&self) -> Result<Box<dyn IncomingWriter>, Fault> {
        Ok(Box::new(FileWriter::new(self.clone(), Claim::Ours)))
    }

    fn room_for(&self, bytes: u64) -> Result<(), Fault> {
        self.folders.room.check(bytes).map_err(fault)
    }

    async fn usage(&self) -> Result<SpoolUsage, Fault> {
        self.off(|folders| folders.room.usage()).await
    }

    async fn admit(
        &self,
        packet: Box<dyn Incoming>,
        admission: &Admission,
    ) -> Result<Option<Admission>, Fault> {
        self.commit(packet, admission).await
    }

    async fn adopt(&self, packet: Box<dyn Incoming>) -> Result<(), Fault> {
        self.off(move |folders| folders.adopt(&*packet)).await
    }

    async fn admission(&self, id: DocumentId) -> Result<Option<Admission>, Fault> {
        let read = move |folders: &Arc<Folders>| {
            papers::read_admission(&folders.admission(id))
                .map_err(|damaged| io::Error::other(damaged.to_string()))
        };
        self.off(read).await
    }

    async fn settled(
        &self,
        document: DocumentId,
        delivery: DeliveryId,
        state: State,
        at: Timestamp,
    ) -> Result<(), Fault> {
        let line = papers::Line::State(state, Some(at));
        self.off(move |folders| folders.note(document, delivery, &[line])).await
    }

    async fn settled_untold(
        &self,
        document: DocumentId,
        delivery: DeliveryId,
        state: State,
        at: Timestamp,
    ) -> Result<(), Fault> {
        let lines = [papers::Line::State(state, Some(at)), papers::Line::Reported];
        self.off(move |folders| folders.note(document, delivery, &lines)).await
    }

    async fn rerouted(
        &self,
        document: DocumentId,
        delivery: DeliveryId,
        route: &Route,
        at: Timestamp,
    ) -> Result<(), Fault> {
        let line = papers::Line::Rerouted(route.clone(), at);
        self.off(move |folders| folders.note(document, delivery, &[line])).await
    }

    async fn reported(&self, document: DocumentId, delivery: DeliveryId) -> Result<(), Fault> {
        self.off(move |folders| folders.note(document, delivery, &[papers::Line::Reported])).await
    }

    async fn closed(&self, document: DocumentId, delivery: DeliveryId) -> Result<(), Fault> {
        self.off(move |folders| folders.note(document, delivery, &[papers::Line::Closed])).await
    }

    async fn copied(&self, document: DocumentId, copy: &AxisCopy) -> Result<(), Fault> {
        let copy = copy.clone();
        self.off(move |folders| folders.note_copy(document, &copy)).await
    }

    async fn copies(&self, document: DocumentId) -> Result<Vec<AxisCopy>, Fault> {
        self.off(move |folders| copies::read(&folders.admission(document))).await
    }

    async fn blob(&self, digest: PacketDigest) -> Result<Option<PathBuf>, Fault> {
        // One name looked up: to change threads twice would cost more.
        self.folders.condemned.ask_for(digest);
        let path = self.folders.blob(digest);
        match fs::symlink_metadata(&path) {
            Ok(found) if found.is_file() => Ok(Some(path)),
            Ok(_) => Err(fault(io::Error::other(format!("{} is not a file", path.display())))),
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(cause) => Err(fault(cause)),
        }
    }

    async fn quarantine(&self, packet: Option<Arc<dyn Incoming>>, note: &Quarantined) -> Result<(), Fault> {
        let note = note.clone();
        self.off(move |folders| folders.quarantine(packet.as_deref(), &note)).await
    }

    async fn is_quarantined(&self, axis: &SystemId, id: &AxisDocId) -> Result<bool, Fault> {
        let name = Quarantined::name(axis, id.as_str());
        self.off(move |folders| folders.is_quarantined(&name)).await
    }

    async fn quarantine_count(&self) -> Result<u64, Fault> {
        self.off(|folders| folders.quarantine_count()).await
    }

    async fn read(&self, digest: PacketDigest, most: u64) -> Result<Option<Bytes>, Fault> {
        self.off(move |folders| folders.read(digest, most)).await
    }
}

/// A fault of the spool; whether there is no room is told from the error, the disk's or our own.
fn fault(cause: io::Error) -> Fault {
    if is_full(&cause) { Fault::full(PLACE, cause) } else { Fault::new(PLACE, cause) }
}

fn folders(data_dir: &Path) -> [PathBuf; 3] {
    ["incoming", "blobs", "admissions"].map(|name| data_dir.join(name))
}

/// The length of a file; `None` when there is no file of this name.
fn length(path: &Path) -> io::Result<Option<u64>> {
    match fs::symlink_metadata(path) {
        Ok(found) => Ok(found.is_file().then_some(found.len())),
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(cause) => Err(cause),
    }
}

/// Removes all that is in a folder.
fn empty(path: &Path) -> io::Result<()> {
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            fs::remove_dir_all(entry.path())?;
        } else {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// What these locks guard is changed in one step, so a panic of another holder leaves nothing half done.
fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
