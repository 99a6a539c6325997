//! The blob writer against a real server: other clients of object stores read what it wrote, nothing is stored twice or
//! left behind, and outages in mid put end in a whole blob or in none.
#![allow(clippy::panic, reason = "this is test code, though not in test functions")]
#![allow(clippy::disallowed_methods, reason = "tasks of a test end with its runtime")]

mod support;

use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_nats::jetstream;
use async_nats::jetstream::object_store::ObjectMetadata;
use futures_util::StreamExt;
use lienthong_broker::contract::{MemorySink, becomes_ready, bytes_of};
use lienthong_broker::{ManagedServer, NatsBroker, Swept};
use lienthong_pipeline::ports::Broker;
use lienthong_schemas::ids::PacketDigest;
use rustix::process::Signal;
use support::cluster::{Node, PASSWORD, USER, address_of, free_addresses};
use support::{PATIENCE, broker, broker_options, onlooker, running, signal, start};
use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpStream};

const MIB: usize = 1 << 20;

struct Stage {
    data: tempfile::TempDir,
    server: ManagedServer,
    broker: Arc<NatsBroker>,
    js: jetstream::Context,
}

impl Stage {
    async fn open() -> Self {
        let data = tempfile::tempdir().expect("a folder");
        let server = start(data.path()).await;
        let broker = Arc::new(broker(&server).await);
        becomes_ready(&*broker).await;
        let js = onlooker(&server.address()).await;
        Self { data, server, broker, js }
    }

    /// A packet in a file, unlike those of other numbers.
    fn packet(&self, number: u8, length: usize) -> (PacketDigest, Vec<u8>, PathBuf) {
        packet(self.data.path(), number, length)
    }

    async fn chunks(&self) -> u64 {
        stored(&self.js, "$O.BLOBS.C.>").await
    }

    async fn names(&self) -> u64 {
        stored(&self.js, "$O.BLOBS.M.>").await
    }

    /// Looks until the bucket has so many chunks.
    async fn has_chunks(&self, wanted: u64) {
        let mut looks = tokio::time::interval(Duration::from_millis(20));
        let looked = async {
            while self.chunks().await != wanted {
                looks.tick().await;
            }
        };
        tokio::time::timeout(PATIENCE, looked).await.unwrap_or_else(|_| panic!("never {wanted} chunks"));
    }

    async fn read_by_library(&self, digest: PacketDigest) -> Vec<u8> {
        read_by_library(&self.js, digest).await
    }
}

fn packet(folder: &Path, number: u8, length: usize) -> (PacketDigest, Vec<u8>, PathBuf) {
    let mut bytes = bytes_of(length);
    if let Some(first) = bytes.first_mut() {
        *first = number;
    }
    let file = folder.join(format!("packet-{number}-{length}"));
    std::fs::write(&file, &bytes).expect("written");
    (PacketDigest::of(&bytes), bytes, file)
}

/// Messages on subjects of this form.
async fn stored(js: &jetstream::Context, filter: &str) -> u64 {
    let stream = js.get_stream("OBJ_BLOBS").await.expect("there");
    let subjects = stream.info_with_subjects(filter).await.expect("there");
    subjects.fold(0, |sum, subject| async move { sum + subject.expect("a subject").1 as u64 }).await
}

async fn read_by_library(js: &jetstream::Context, digest: PacketDigest) -> Vec<u8> {
    let bucket = js.get_object_store("BLOBS").await.expect("the bucket");
    let mut object = bucket.get(digest.to_string()).await.expect("there");
    let mut bytes = Vec::new();
    object.read_to_end(&mut bytes).await.expect("read, its digest checked");
    bytes
}

async fn fetch(broker: &NatsBroker, digest: PacketDigest) -> Vec<u8> {
    let fetched = broker.fetch_blob(digest, Box::new(MemorySink::default())).await.expect("fetched");
    let mut bytes = Vec::new();
    fetched.open().expect("opens").read_to_end(&mut bytes).expect("reads");
    bytes
}

/// A file that gives its bytes when somebody writes them.
struct Pipe(PathBuf);

impl Pipe {
    fn new(folder: &Path) -> Self {
        let path = folder.join("pipe");
        rustix::fs::mknodat(
            rustix::fs::CWD,
            &path,
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR,
            0,
        )
        .expect("a pipe");
        Self(path)
    }

    /// The end to write to; a reader must be there, or come.
    async fn writer(&self) -> std::fs::File {
        let path = self.0.clone();
        let open = move || std::fs::OpenOptions::new().write(true).open(path).expect("opened");
        tokio::task::spawn_blocking(open).await.expect("no panic")
    }
}

/// Writes off the tasks' threads, and gives the writer back.
async fn write(mut to: std::fs::File, bytes: &[u8]) -> std::fs::File {
    let bytes = bytes.to_vec();
    let work = move || to.write_all(&bytes).map(|()| to);
    tokio::task::spawn_blocking(work).await.expect("no panic").expect("written")
}

#[tokio::test]
async fn each_side_reads_what_the_other_wrote() {
    let stage = Stage::open().await;
    for (number, length) in
        [0, 1, 512 * 1024 - 1, 512 * 1024, 512 * 1024 + 1, 9 * MIB + 3].into_iter().enumerate()
    {
        let (digest, bytes, file) = stage.packet(number as u8, length);
        stage.broker.put_blob(digest, length as u64, file).await.expect("put");
        assert!(stage.read_by_library(digest).await == bytes, "{length} bytes, read by another client");
        assert!(fetch(&stage.broker, digest).await == bytes, "{length} bytes");
        let bucket = stage.js.get_object_store("BLOBS").await.expect("the bucket");
        let info = bucket.info(digest.to_string()).await.expect("there");
        assert_eq!((info.size, info.chunks), (length, length.div_ceil(512 * 1024)));
    }
    let (digest, bytes, _) = stage.packet(9, 3 * MIB + 1);
    let bucket = stage.js.get_object_store("BLOBS").await.expect("the bucket");
    let name = ObjectMetadata { name: digest.to_string(), ..ObjectMetadata::default() };
    bucket.put(name, &mut &bytes[..]).await.expect("put by another client");
    assert!(fetch(&stage.broker, digest).await == bytes);
    let before = stage.chunks().await;
    let (_, _, file) = stage.packet(9, 3 * MIB + 1);
    stage.broker.put_blob(digest, bytes.len() as u64, file).await.expect("it is there");
    assert_eq!(stage.chunks().await, before, "and is not put again");
}

#[tokio::test]
async fn puts_of_one_digest_at_once_share_one() {
    let stage = Stage::open().await;
    let (digest, bytes, file) = stage.packet(1, 5 * MIB);
    let put = || stage.broker.put_blob(digest, bytes.len() as u64, file.clone());
    futures_util::future::try_join_all((0..8).map(|_| put())).await.expect("put");
    assert_eq!((stage.chunks().await, stage.names().await), (10, 1));
    put().await.expect("it is there");
    assert_eq!((stage.chunks().await, stage.names().await), (10, 1));
}

#[tokio::test]
async fn two_gateways_that_put_one_digest_leave_one_blob() {
    let stage = Stage::open().await;
    let other = broker(&stage.server).await;
    becomes_ready(&other).await;
    for number in 0..4 {
        let (digest, bytes, file) = stage.packet(number, 2 * MIB);
        let put = |of: &NatsBroker| {
            let (of, file) = (of.clone(), file.clone());
            async move { of.put_blob(digest, 2 * MIB as u64, file).await }
        };
        let (one, two) = tokio::join!(put(&stage.broker), put(&other));
        one.and(two).expect("both are content");
        assert!(stage.read_by_library(digest).await == bytes);
        stage.has_chunks(4 * (u64::from(number) + 1)).await;
    }
}

#[tokio::test]
async fn what_is_not_its_digest_or_length_leaves_nothing() {
    let stage = Stage::open().await;
    let (digest, bytes, file) = stage.packet(1, 6 * MIB);
    let length = bytes.len() as u64;
    for (digest, length) in [(PacketDigest::of(b"other"), length), (digest, length - 1), (digest, length + 1)]
    {
        assert!(stage.broker.put_blob(digest, length, file.clone()).await.is_err());
    }
    assert!(stage.broker.put_blob(digest, length, stage.data.path().join("none")).await.is_err());
    stage.has_chunks(0).await;
    assert_eq!(stage.names().await, 0);
}

#[tokio::test]
async fn a_put_that_is_dropped_leaves_nothing() {
    let stage = Stage::open().await;
    let (digest, bytes, _) = stage.packet(1, 8 * MIB);
    let pipe = Pipe::new(stage.data.path());
    let (broker, file) = (stage.broker.clone(), pipe.0.clone());
    let put = tokio::spawn(async move { broker.put_blob(digest, 8 * MIB as u64, file).await });
    let writer = write(pipe.writer().await, &bytes[..3 * MIB + 100]).await;
    stage.has_chunks(6).await;
    assert_eq!(
        stage.broker.sweep_blobs(Duration::ZERO).await.expect("swept"),
        Swept { puts: 1, removed: 0, left: 1 },
        "a put under way is left alone"
    );
    put.abort();
    drop(writer);
    assert!(put.await.is_err_and(|end| end.is_cancelled()));
    stage.has_chunks(0).await;
    assert_eq!(stage.names().await, 0);
}

#[tokio::test]
async fn a_put_rides_out_the_death_of_its_server() {
    let stage = Stage::open().await;
    let (digest, bytes, file) = stage.packet(1, 48 * MIB);
    let (broker, length) = (stage.broker.clone(), bytes.len() as u64);
    let put = tokio::spawn(async move { broker.put_blob(digest, length, file).await });
    while stage.chunks().await < 5 {
        tokio::task::yield_now().await;
    }
    signal(running(&stage.server).await, Signal::KILL);
    tokio::time::timeout(PATIENCE, put).await.expect("in time").expect("no panic").expect("put");
    assert!(stage.read_by_library(digest).await == bytes);
    stage.has_chunks(96).await;
}

#[tokio::test]
async fn a_blob_that_lost_its_chunks_is_put_again() {
    let stage = Stage::open().await;
    let (digest, bytes, file) = stage.packet(1, 2 * MIB);
    let put = || stage.broker.put_blob(digest, bytes.len() as u64, file.clone());
    put().await.expect("put");
    let stream = stage.js.get_stream("OBJ_BLOBS").await.expect("there");
    stream.delete_message(2).await.expect("a chunk is lost");
    put().await.expect("put again");
    assert!(stage.read_by_library(digest).await == bytes);
    stage.has_chunks(4).await;
    // Another client's tombstone is no blob.
    let bucket = stage.js.get_object_store("BLOBS").await.expect("the bucket");
    bucket.delete(digest.to_string()).await.expect("deleted");
    put().await.expect("put again");
    assert!(stage.read_by_library(digest).await == bytes);
}

#[tokio::test]
async fn the_sweep_takes_what_nobody_named_and_nothing_else() {
    let stage = Stage::open().await;
    let (digest, bytes, file) = stage.packet(1, 2 * MIB);
    stage.broker.put_blob(digest, bytes.len() as u64, file).await.expect("put");
    for (nuid, chunks) in [("killed", 3), ("killedtoo", 1)] {
        for _ in 0..chunks {
            let sent = stage.js.publish(format!("$O.BLOBS.C.{nuid}"), "chunk".into()).await.expect("sent");
            sent.await.expect("stored");
        }
    }
    let day = Duration::from_secs(24 * 3600);
    let young = stage.broker.sweep_blobs(day).await.expect("swept");
    assert_eq!(young, Swept { puts: 3, removed: 0, left: 2 }, "they may still be under way elsewhere");
    let sent = stage.js.publish("$O.BLOBS.M.c3RyYW5nZQ==", "not a name".into()).await.expect("sent");
    sent.await.expect("stored");
    assert!(stage.broker.sweep_blobs(Duration::ZERO).await.is_err(), "who cannot read all names judges none");
    assert_eq!(stage.chunks().await, 8);
    let stream = stage.js.get_stream("OBJ_BLOBS").await.expect("there");
    stream.purge().filter("$O.BLOBS.M.c3RyYW5nZQ==").await.expect("purged");
    let swept = stage.broker.sweep_blobs(Duration::ZERO).await.expect("swept");
    assert_eq!(swept, Swept { puts: 3, removed: 2, left: 0 });
    assert!(stage.read_by_library(digest).await == bytes);
    let swept = stage.broker.sweep_blobs(Duration::ZERO).await.expect("swept");
    assert_eq!(swept, Swept { puts: 1, removed: 0, left: 0 });
}

/// A cable to a server that breaks each time so many more bytes have gone there.
struct Cable {
    url: String,
    cuts: Arc<AtomicU64>,
}

impl Cable {
    async fn lay(to: std::net::SocketAddr, breaks_after: Vec<u64>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("bound");
        let url = format!("nats://{}", listener.local_addr().expect("an address"));
        let cuts = Arc::new(AtomicU64::new(0));
        let counted = cuts.clone();
        tokio::spawn(async move {
            let mut breaks = breaks_after.into_iter();
            while let Ok((near, _)) = listener.accept().await {
                let Ok(far) = TcpStream::connect(to).await else { continue };
                let limit = breaks.next();
                let (near_read, mut near_write) = near.into_split();
                let (mut far_read, mut far_write) = far.into_split();
                let mut near_read = near_read.take(limit.unwrap_or(u64::MAX));
                let up = tokio::io::copy(&mut near_read, &mut far_write);
                let down = tokio::io::copy(&mut far_read, &mut near_write);
                // Both ends close when either direction ends.
                tokio::select! {
                    _ = up => {}
                    _ = down => {}
                }
                counted.fetch_add(u64::from(limit.is_some()), Ordering::SeqCst);
            }
        });
        Self { url, cuts }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cable_that_is_cut_in_mid_put_leaves_a_whole_blob() {
    let data = tempfile::tempdir().expect("a folder");
    let [address] = free_addresses();
    let user = format!("authorization {{ user: \"{USER}\", password: \"{PASSWORD}\" }}");
    let mut node = Node::new(data.path(), "alone", address, &user);
    node.start();
    let cable = Cable::lay(address, vec![2_500_000, 1_000_001, 5_700_000, 3_333_333]).await;
    let mut cut = address_of([&node]);
    let js = onlooker_when_up(&cut).await;
    cut.urls = vec![cable.url.clone()];
    let broker = NatsBroker::connect(&broker_options(cut)).await.expect("settings that can work");
    becomes_ready(&broker).await;
    let mut number = 0;
    while cable.cuts.load(Ordering::SeqCst) < 4 {
        number += 1;
        let (digest, bytes, file) = packet(data.path(), number, 8 * MIB + 11);
        let put = async {
            while broker.put_blob(digest, bytes.len() as u64, file.clone()).await.is_err() {
                becomes_ready(&broker).await;
            }
        };
        tokio::time::timeout(PATIENCE, put).await.expect("in time");
        assert!(read_by_library(&js, digest).await == bytes);
    }
    let whole = u64::from(number) * 17;
    let looked = async {
        while stored(&js, "$O.BLOBS.C.>").await != whole {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, looked).await.expect("what failed is removed");
}

/// [`onlooker`] of a server that may still be starting.
async fn onlooker_when_up(address: &lienthong_broker::ServerAddress) -> jetstream::Context {
    let broker = NatsBroker::connect(&broker_options(address.clone())).await.expect("settings that can work");
    becomes_ready(&broker).await;
    onlooker(address).await
}
