//! The limits to the byte, the count through everything that may become of a packet, and what they do not hold for.

use std::fs;

use bytes::Bytes;
use lienthong_pipeline::ports::{Fault, Incoming, IncomingWriter, Spool};
use lienthong_pipeline::record::State;
use lienthong_schemas::ids::PacketDigest;
use tempfile::TempDir;
use tokio::task::JoinSet;

use super::*;
use crate::FileSpool;
use crate::contract::samples::{NOW, admission, delivery_id, document_id, packet};

const QUOTA: u64 = 1_000_000;

fn opened(limits: SpoolLimits) -> (TempDir, FileSpool) {
    let dir = tempfile::tempdir().expect("a folder");
    let spool = FileSpool::open(dir.path()).expect("opened").with_limits(limits);
    (dir, spool)
}

fn quota() -> SpoolLimits {
    SpoolLimits { quota: Some(QUOTA), disk_free_min: 0 }
}

/// More than any disk has.
fn no_disk() -> SpoolLimits {
    SpoolLimits { quota: None, disk_free_min: u64::MAX / 2 }
}

fn of(fill: u8, bytes: u64) -> Bytes {
    vec![fill; bytes as usize].into()
}

async fn written(mut writer: Box<dyn IncomingWriter>, bytes: Bytes) -> Result<Box<dyn Incoming>, Fault> {
    for chunk in bytes.chunks(100_000) {
        writer.write(Bytes::copy_from_slice(chunk)).await?;
    }
    writer.finish().await
}

async fn received(spool: &FileSpool, bytes: Bytes) -> Result<Box<dyn Incoming>, Fault> {
    written(spool.receive().await?, bytes).await
}

async fn ours(spool: &FileSpool, bytes: Bytes) -> Box<dyn Incoming> {
    let writer = spool.receive_ours().await.expect("a file");
    written(writer, bytes).await.expect("written")
}

async fn used(spool: &FileSpool) -> u64 {
    spool.usage().await.expect("numbers").bytes
}

fn lies(dir: &TempDir) -> u64 {
    ["blobs", "incoming"]
        .iter()
        .flat_map(|folder| fs::read_dir(dir.path().join(folder)).expect("a folder"))
        .map(|entry| entry.expect("an entry").metadata().expect("there").len())
        .sum()
}

fn is_full<T>(outcome: Result<T, Fault>) -> bool {
    outcome.err().is_some_and(|fault| fault.full && !fault.fatal && fault.place == "spool")
}

#[tokio::test]
async fn the_quota_itself_fits_and_one_byte_more_does_not() {
    let (dir, spool) = opened(quota());
    assert!(is_full(received(&spool, of(1, QUOTA + 1)).await));
    assert_eq!((used(&spool).await, lies(&dir)), (0, 0), "what was written is thrown away");
    let whole = received(&spool, of(1, QUOTA)).await.expect("fits");
    assert_eq!(used(&spool).await, QUOTA);
    assert!(is_full(spool.receive().await) && is_full(spool.room_for(1)));
    drop(whole);
    assert_eq!((used(&spool).await, lies(&dir)), (0, 0));
    spool.room_for(QUOTA).expect("fits");
    assert!(is_full(spool.room_for(QUOTA + 1)) && is_full(spool.room_for(u64::MAX)));
}

#[tokio::test]
async fn the_count_follows_whatever_becomes_of_a_packet() {
    let (dir, spool) = opened(quota());
    let admit = async |n| {
        let incoming = received(&spool, packet(n).into()).await.expect("fits");
        spool.admit(incoming, &admission(n, &["H02"])).await.expect("admitted");
    };
    let one = packet(1).len() as u64;
    admit(1).await;
    assert_eq!(used(&spool).await, one);
    admit(1).await;
    let (first, second) =
        (received(&spool, packet(2).into()).await, received(&spool, packet(2).into()).await);
    assert_eq!(used(&spool).await, 2 * one, "one content is one file");
    spool.adopt(first.expect("fits")).await.expect("adopted");
    drop(second);
    assert_eq!((used(&spool).await, lies(&dir)), (2 * one, 2 * one));
    // A packet of a wrong length is written anew.
    fs::write(dir.path().join("blobs").join(PacketDigest::of(&packet(2)).to_string()), b"x").expect("cut");
    drop(spool);
    let spool = FileSpool::open(dir.path()).expect("opened").with_limits(quota());
    assert_eq!(used(&spool).await, one + 1);
    spool.adopt(received(&spool, packet(2).into()).await.expect("fits")).await.expect("adopted");
    assert_eq!((used(&spool).await, lies(&dir)), (2 * one, 2 * one));
    // A writer that is cut off, and whose last chunk was not written yet.
    let mut cut = spool.receive().await.expect("a file");
    cut.write(of(3, 300_000)).await.expect("written");
    cut.write(of(3, 1)).await.expect("gathered");
    assert_eq!(used(&spool).await, 2 * one + 300_001, "counted as it comes");
    drop(cut);
    assert_eq!((used(&spool).await, lies(&dir)), (2 * one, 2 * one));
}

#[tokio::test]
async fn what_the_gateway_needs_to_go_on_is_counted_and_not_refused() {
    for limits in [quota(), no_disk()] {
        let (dir, spool) = opened(SpoolLimits::default());
        let incoming = received(&spool, packet(1).into()).await.expect("no limit yet");
        let waiting = received(&spool, packet(2).into()).await.expect("no limit yet");
        spool.adopt(ours(&spool, of(9, QUOTA)).await).await.expect("adopted");
        let spool = spool.with_limits(limits);
        assert!(is_full(spool.receive().await) && is_full(spool.room_for(1)), "{limits:?}");
        // What had come in before there was no more room is taken to its end.
        spool.admit(incoming, &admission(1, &["H02"])).await.expect("admitted");
        spool.settled(document_id(1), delivery_id(1, "H02"), State::GivenUp, NOW).await.expect("noted");
        spool.reported(document_id(1), delivery_id(1, "H02")).await.expect("noted");
        spool.closed(document_id(1), delivery_id(1, "H02")).await.expect("noted");
        drop(waiting);
        let status = ours(&spool, packet(3).into()).await;
        spool.admit(status, &admission(3, &["H02"])).await.expect("admitted");
        spool.adopt(ours(&spool, packet(4).into()).await).await.expect("adopted");
        let sum = QUOTA + [1, 3, 4].map(|n| packet(n).len() as u64).iter().sum::<u64>();
        let usage = spool.usage().await.expect("numbers");
        assert_eq!((usage.bytes, lies(&dir), usage.quota), (sum, sum, limits.quota));
        assert!(usage.disk_free > 0);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_who_write_at_once_stay_within_the_quota() {
    let (dir, spool) = opened(quota());
    let mut writers = JoinSet::new();
    for n in 0..32_u8 {
        let spool = spool.clone();
        writers.spawn(async move {
            let packet = match received(&spool, of(n, 90_000 + u64::from(n))).await {
                Ok(packet) => packet,
                Err(fault) => {
                    assert!(fault.full, "{fault:?}");
                    return 0;
                }
            };
            assert!(spool.usage().await.expect("numbers").bytes <= QUOTA);
            let bytes = packet.bytes();
            if n % 2 == 0 {
                return 0;
            }
            spool.adopt(packet).await.expect("adopted");
            bytes
        });
    }
    let kept: u64 = writers.join_all().await.into_iter().sum();
    assert!(kept <= QUOTA);
    assert_eq!((used(&spool).await, lies(&dir)), (kept, kept));
}

#[tokio::test]
async fn a_limit_that_is_raised_lets_the_same_packet_in() {
    let (_dir, spool) = opened(SpoolLimits { quota: Some(10), disk_free_min: 0 });
    assert!(is_full(received(&spool, of(1, 11)).await));
    let spool = spool.with_limits(SpoolLimits { quota: Some(11), disk_free_min: 0 });
    drop(received(&spool, of(1, 11)).await.expect("fits"));
    let spool = spool.with_limits(no_disk());
    let fault = received(&spool, of(1, 11)).await.err().expect("no disk is that large");
    assert!(fault.full && fault.cause.contains("are to stay free"), "{fault}");
    // What was free is looked at anew before anybody is refused.
    let free = spool.usage().await.expect("numbers").disk_free;
    let spool = spool.with_limits(SpoolLimits { quota: None, disk_free_min: free / 2 });
    drop(received(&spool, of(1, 11)).await.expect("fits"));
    assert!(is_full(spool.room_for(free)));
}
