//! The least that a durable accept can cost on this disk: the same bytes into files, synced and named in the order of the
//! spool, and metadata by one committer for all who wait: appended, or as the same entries into the engine of the store.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Barrier;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use bytes::Bytes;

use lienthong_outbox::bare::{Commits, Entry, varied};

use super::Arm;

/// Metadata of one packet: what the outbox writes of a document with one receiver, about.
pub(super) const METADATA_BYTES: usize = 2_048;
/// Most commits under one sync, as in the outbox.
const GROUP_MAX: usize = 1_024;

/// What is written of a packet beside its file.
pub(super) enum Metadata {
    /// So many bytes, appended to a file.
    Appended,
    /// An admission beside the packet, and entries in an engine.
    Same(Same),
}

/// What the gateway writes of a packet.
pub(super) struct Same {
    /// The admission's file.
    pub(super) admission: Vec<u8>,
    /// What the store writes.
    pub(super) entries: Vec<Entry>,
    /// In an engine that is empty.
    pub(super) engine: Commits,
}

/// Where files go, and whether each packet has an admission beside it.
struct Folders<'a> {
    incoming: PathBuf,
    blobs: PathBuf,
    admissions: PathBuf,
    admission: Option<&'a [u8]>,
}

/// Commits all packets below a folder, in `callers` threads.
pub(super) fn commit(folder: &Path, callers: usize, packets: &[Bytes], metadata: Metadata) -> Result<Arm> {
    let [incoming, blobs, admissions] = ["incoming", "blobs", "admissions"].map(|name| folder.join(name));
    for folder in [&incoming, &blobs, &admissions] {
        fs::create_dir_all(folder)?;
    }
    let (admission, store) = match metadata {
        Metadata::Appended => (None, Store::File(File::create_new(folder.join("store"))?)),
        Metadata::Same(Same { admission, entries, engine }) => {
            (Some(admission), Store::Engine { engine, entries, next: 0 })
        }
    };
    let folders = Folders { incoming, blobs, admissions, admission: admission.as_deref() };
    let (next, ready) = (AtomicUsize::new(0), Barrier::new(callers + 1));
    let (commits, queue) = sync_channel(GROUP_MAX);
    std::thread::scope(|scope| {
        let committer = scope.spawn(move || serve(store, &queue));
        let (folders, next, ready) = (&folders, &next, &ready);
        let start = |commits: SyncSender<Sender<()>>| {
            scope.spawn(move || {
                ready.wait();
                call(folders, packets, next, &commits)
            })
        };
        let running: Vec<_> = (0..callers).map(|_| start(commits.clone())).collect();
        drop(commits);
        ready.wait();
        let begun = Instant::now();
        let mut latencies = Vec::with_capacity(packets.len());
        for thread in running {
            latencies.extend(thread.join().ok().context("a caller panicked")??);
        }
        let seconds = begun.elapsed().as_secs_f64();
        committer.join().ok().context("the committer panicked")??;
        Ok(Arm { seconds, latencies })
    })
}

fn call(
    folders: &Folders<'_>,
    packets: &[Bytes],
    next: &AtomicUsize,
    commits: &SyncSender<Sender<()>>,
) -> Result<Vec<Duration>> {
    let mut latencies = Vec::new();
    loop {
        let number = next.fetch_add(1, Ordering::Relaxed);
        let Some(packet) = packets.get(number) else { return Ok(latencies) };
        let begun = Instant::now();
        folders.put(number, packet)?;
        let (tell, told) = channel();
        commits.send(tell).ok().context("the committer ended")?;
        told.recv()?;
        latencies.push(begun.elapsed());
    }
}

impl Folders<'_> {
    fn put(&self, number: usize, packet: &[u8]) -> io::Result<()> {
        let name = format!("{number:032x}");
        let blob = self.write(&name, packet)?;
        let admission = match self.admission {
            Some(bytes) => Some(self.write(&format!("{name}.admission"), bytes)?),
            None => None,
        };
        fs::rename(blob, self.blobs.join(&name))?;
        if let Some(admission) = &admission {
            fs::rename(admission, self.admissions.join(&name))?;
        }
        File::open(&self.blobs)?.sync_all()?;
        if admission.is_some() {
            File::open(&self.admissions)?.sync_all()?;
        }
        Ok(())
    }

    fn write(&self, name: &str, bytes: &[u8]) -> io::Result<PathBuf> {
        let path = self.incoming.join(name);
        let mut file = OpenOptions::new().write(true).create_new(true).open(&path)?;
        file.write_all(bytes)?;
        file.sync_data()?;
        Ok(path)
    }
}

/// Where metadata goes.
enum Store {
    File(File),
    Engine { engine: Commits, entries: Vec<Entry>, next: u64 },
}

impl Store {
    fn put(&mut self, count: usize) -> io::Result<()> {
        match self {
            Self::File(file) => {
                file.write_all(&[0x6C; METADATA_BYTES].repeat(count))?;
                file.sync_data()
            }
            Self::Engine { engine, entries, next } => {
                for _ in 0..count {
                    *next += 1;
                    engine.apply(varied(entries, *next))?;
                }
                engine.barrier()
            }
        }
    }
}

fn serve(mut store: Store, queue: &Receiver<Sender<()>>) -> io::Result<()> {
    while let Ok(first) = queue.recv() {
        let waiting: Vec<_> = std::iter::once(first).chain(queue.try_iter().take(GROUP_MAX - 1)).collect();
        store.put(waiting.len())?;
        for caller in waiting {
            caller.send(()).map_err(io::Error::other)?;
        }
    }
    Ok(())
}
