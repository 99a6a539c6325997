//! Group commit of packets and admissions as files (design.md B2). A few workers on the blocking pool each take what
//! waits: the files of all are written, then synced; then packets are named, their folder synced, admissions named, and
//! theirs synced, and one sync of each folder serves everybody. Files that
//! are synced one behind the other share the blocks of inodes and of the folder, and most of the waiting.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Write as _};
use std::sync::{Arc, Mutex};

use lienthong_pipeline::crash::crash_point;
use lienthong_pipeline::ports::{Fault, Incoming};
use lienthong_pipeline::record::Admission;
use tokio::sync::oneshot;

use super::incoming::{IncomingFile, Temporary};
use super::shared_sync::SharedSync;
use super::{FileSpool, Folders, PLACE, fault, locked, papers};
use crate::folder;

/// Workers at once: a drive serves the syncs of several together.
const WORKERS_MAX: usize = 8;
/// Most admissions that a worker takes at once; the last one's answer waits for all of them.
const GROUP_MAX: usize = 16;

/// What waits to be committed. Those who wait are bounded by the uploads that may be under way.
#[derive(Default)]
pub(super) struct Commits {
    queue: Mutex<Queue>,
    pub(super) blobs: SharedSync,
    admissions: SharedSync,
}

#[derive(Default)]
struct Queue {
    waiting: VecDeque<Job>,
    workers: usize,
}

/// One packet and its admission. The answer is the admission that was there before, if there was one.
struct Job {
    packet: Box<dyn Incoming>,
    admission: Admission,
    tell: oneshot::Sender<io::Result<Option<Admission>>>,
}

/// A job whose files are written, and not yet synced.
struct Written {
    job: Job,
    /// `None` when `blobs/` has the packet.
    blob: Option<(Arc<IncomingFile>, File)>,
    paper: (Temporary, File),
}

/// A job whose packet has its lasting name.
struct Kept {
    job: Job,
    paper: Temporary,
}

/// A job both files of which have theirs, and the admission that was there before.
type Named = (Job, Option<Admission>);

impl From<Kept> for Job {
    fn from(kept: Kept) -> Self {
        kept.job
    }
}

impl From<Named> for Job {
    fn from(named: Named) -> Self {
        named.0
    }
}

impl FileSpool {
    /// See [`lienthong_pipeline::ports::Spool::admit`].
    pub(super) async fn commit(
        &self,
        packet: Box<dyn Incoming>,
        admission: &Admission,
    ) -> Result<Option<Admission>, Fault> {
        let (tell, told) = oneshot::channel();
        let job = Job { packet, admission: admission.clone(), tell };
        let one_more = {
            let mut queue = locked(&self.folders.commits.queue);
            queue.waiting.push_back(job);
            let one_more = queue.workers < WORKERS_MAX;
            queue.workers += usize::from(one_more);
            one_more
        };
        if one_more {
            let folders = self.folders.clone();
            // Each answer goes its own way; nobody waits for the worker.
            drop(tokio::task::spawn_blocking(move || work(&folders)));
        }
        told.await.map_err(|_| Fault::new(PLACE, "the work on this admission was broken off"))?.map_err(fault)
    }
}

/// Commits what waits, until nothing does.
fn work(folders: &Arc<Folders>) {
    let worker = Worker(&folders.commits);
    while let Some(group) = worker.take() {
        commit(folders, group);
    }
}

struct Worker<'c>(&'c Commits);

impl Worker<'_> {
    /// The next group; without one the worker has ended.
    fn take(&self) -> Option<Vec<Job>> {
        let mut queue = locked(&self.0.queue);
        let count = queue.waiting.len().min(GROUP_MAX);
        if count == 0 {
            queue.workers -= 1;
            return None;
        }
        Some(queue.waiting.drain(..count).collect())
    }
}

impl Drop for Worker<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let mut queue = locked(&self.0.queue);
            queue.workers -= 1;
            // Perhaps nobody is left to work for them: they hear that it was broken off, and come again.
            queue.waiting.clear();
        }
    }
}

fn commit(folders: &Arc<Folders>, group: Vec<Job>) {
    let written: Vec<Written> = group.into_iter().filter_map(|job| write(folders, job)).collect();
    let synced: Vec<Written> = written.into_iter().filter_map(sync).collect();
    let kept: Vec<Kept> = {
        let _turn = locked(&folders.publishing);
        synced.into_iter().filter_map(|written| keep(folders, written)).collect()
    };
    // Whoever syncs a folder makes the names of others durable, too: no admission has a name before that of its packet is
    // durable, or a power cut may leave a promise without the packet.
    let kept = durable(kept, || folders.sync_blobs());
    let named: Vec<Named> = {
        let _turn = locked(&folders.publishing);
        kept.into_iter().filter_map(|kept| name(folders, kept)).collect()
    };
    for (job, earlier) in durable(named, || folders.sync_admissions()) {
        job.answer(Ok(earlier));
    }
}

/// Those whose names are durable, after one sync for all; nobody is, when it fails.
fn durable<T: Into<Job>>(all: Vec<T>, sync: impl FnOnce() -> io::Result<()>) -> Vec<T> {
    if all.is_empty() {
        return all;
    }
    match sync() {
        Ok(()) => all,
        Err(cause) => {
            for one in all {
                one.into().answer(Err(io::Error::new(cause.kind(), cause.to_string())));
            }
            Vec::new()
        }
    }
}

impl Job {
    /// A caller that has gone away does not need the answer. One that is there finds the packet gone, or kept.
    fn answer(self, outcome: io::Result<Option<Admission>>) {
        let Self { packet, admission, tell } = self;
        drop((packet, admission));
        drop(tell.send(outcome));
    }
}

/// Both files of a job in `incoming/`, their way to the drive begun.
fn write(folders: &Arc<Folders>, job: Job) -> Option<Written> {
    let files = || {
        let paper = papers::write(&job.admission)?;
        let blob = folders.prepare(&*job.packet)?;
        let (temporary, mut file) = folders.temporary(None)?;
        file.write_all(&paper)?;
        begin_sync(&file);
        Ok((blob, (temporary, file)))
    };
    match files() {
        Ok((blob, paper)) => Some(Written { job, blob, paper }),
        Err(cause) => {
            job.answer(Err(cause));
            None
        }
    }
}

fn sync(written: Written) -> Option<Written> {
    let files = || {
        if let Some((_, file)) = &written.blob {
            file.sync_data()?;
        }
        crash_point("after-blob-fsync");
        written.paper.1.sync_data()
    };
    match files() {
        Ok(()) => Some(written),
        Err(cause) => {
            let Written { job, blob, paper } = written;
            drop((blob, paper));
            job.answer(Err(cause));
            None
        }
    }
}

/// Gives a job's packet its lasting name.
fn keep(folders: &Folders, written: Written) -> Option<Kept> {
    let Written { job, blob, paper } = written;
    let (digest, bytes) = (job.packet.digest(), job.packet.bytes());
    let kept = match blob {
        Some((blob, _)) => blob.keep(&folders.blob(digest)),
        // It was there; one that nobody needed any more may have been removed since.
        None => folders.has_blob(digest, bytes).and_then(|has| match has {
            true => Ok(()),
            false => Err(io::Error::other(format!("packet {digest} was removed just now"))),
        }),
    };
    match kept {
        Ok(()) => Some(Kept { job, paper: paper.0 }),
        Err(cause) => {
            job.answer(Err(cause));
            None
        }
    }
}

/// Gives a job's admission its lasting name, unless an earlier one has it.
fn name(folders: &Folders, kept: Kept) -> Option<Named> {
    let Kept { job, paper } = kept;
    let names = || {
        let path = folders.admission(job.admission.receipt.document_id);
        match papers::read_admission(&path) {
            // The first one stays. Its writer may not have synced the folders yet, so that is done here, too.
            Ok(Some(earlier)) => Ok(Some(earlier)),
            Ok(None) => paper.keep(&path).map(|()| None),
            Err(damaged) if !damaged.is_lost => Err(io::Error::other(damaged.to_string())),
            Err(damaged) => {
                tracing::error!(%damaged, "a damaged admission is replaced by one that came again");
                paper.keep(&path).map(|()| None)
            }
        }
    };
    match names() {
        Ok(earlier) => Some((job, earlier)),
        Err(cause) => {
            job.answer(Err(cause));
            None
        }
    }
}

impl Folders {
    /// Takes a packet under its digest.
    pub(super) fn adopt(self: &Arc<Self>, packet: &dyn Incoming) -> io::Result<()> {
        if let Some((blob, file)) = self.prepare(packet)? {
            file.sync_data()?;
            let _turn = locked(&self.publishing);
            blob.keep(&self.blob(packet.digest()))?;
        }
        self.sync_blobs()
    }

    fn sync_blobs(&self) -> io::Result<()> {
        self.commits.blobs.sync(|| folder::sync(&self.blobs))
    }

    fn sync_admissions(&self) -> io::Result<()> {
        self.commits.admissions.sync(|| folder::sync(&self.admissions))
    }

    /// The packet's file, to be synced, or `None` when `blobs/` has it.
    fn prepare(self: &Arc<Self>, packet: &dyn Incoming) -> io::Result<Option<(Arc<IncomingFile>, File)>> {
        let (digest, bytes) = (packet.digest(), packet.bytes());
        if self.has_blob(digest, bytes)? {
            return Ok(None);
        }
        let live = locked(&self.live).get(&digest).and_then(std::sync::Weak::upgrade);
        let blob = match live {
            Some(file) => file,
            None => super::incoming::copy(self, packet)?,
        };
        let file = blob.on_disk()?;
        begin_sync(&file);
        Ok(Some((blob, file)))
    }
}

/// Has the system begin to write a file that will be synced (Linux starts on it at this advice), so that syncs that follow
/// each other do not wait for each other's bytes. Without it they are only slower.
fn begin_sync(file: &File) {
    if let Err(cause) = rustix::fs::fadvise(file, 0, None, rustix::fs::Advice::DontNeed) {
        tracing::debug!(%cause, "a file is not written ahead of its sync");
    }
}
