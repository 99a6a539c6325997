//! The gateway dies at each named point, and by SIGKILL at any: after a restart every accepted document is with every
//! receiver, byte for byte, and repeats have equal ids.
#![allow(clippy::panic, reason = "this is test code, though not in test functions")]

use std::collections::BTreeMap;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::time::Duration;

use acceptance::{PATIENCE, Stage};
use lienthong::demo::child::Gateway;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use rustix::process::Signal;

const PROGRAM: &str = env!("CARGO_BIN_EXE_lienthong-under-test");
const RECEIVERS: [usize; 2] = [1, 2];
/// Documents at each named point.
const DOCUMENTS: u32 = 3;
const KILLS: u32 = 6;
const DOCUMENTS_A_KILL: u32 = 7;

/// What was sent, and the receipt of what was answered.
#[derive(Default)]
struct Sent {
    receipts: BTreeMap<u32, serde_json::Value>,
    packets: BTreeMap<u32, PathBuf>,
}

impl Sent {
    /// Submits every packet that has no receipt. A gateway that is gone gives no answer.
    async fn submit_all(&mut self, stage: &Stage) {
        for (number, packet) in &self.packets {
            if self.receipts.contains_key(number) {
                continue;
            }
            if let Ok(answer) = stage.world.submit(0, packet).await {
                assert_eq!(answer.status, 202, "{}", answer.body);
                self.receipts.insert(*number, answer.body);
            }
        }
    }

    /// Everything has arrived, once for each receiver, and the receipts still hold. How often each delivery came.
    async fn all_arrived(&self, stage: &Stage) -> Vec<u32> {
        let mut times = Vec::new();
        for (number, packet) in &self.packets {
            let receipt = &self.receipts[number];
            let document_id = receipt["document_id"].as_str().expect("an id");
            times.extend(stage.delivered(document_id, packet, &RECEIVERS).await);
            let again = stage.submit(packet).await;
            assert!(again.replayed, "a repeat begins nothing");
            assert_eq!(&again.body, receipt, "the receipt of before");
        }
        let ids: std::collections::BTreeSet<_> =
            self.receipts.values().map(|receipt| receipt["document_id"].as_str()).collect();
        assert_eq!(ids.len(), self.packets.len(), "one document for each packet");
        stage.nothing_else_arrived([0, self.packets.len(), self.packets.len()]);
        times
    }
}

/// The gateway dies at `point`, is started again, and everything ends well. How often each delivery came.
async fn dies_at(point: &str) -> Vec<u32> {
    let stage = Stage::open(PROGRAM, &[]).await;
    let mut sent = Sent::default();
    for number in 0..DOCUMENTS {
        sent.packets.insert(number, stage.letter(number, &RECEIVERS));
    }
    let started = stage.start_with(&[("LIENTHONG_CRASH_AT", point)]).await;
    let mut gateway = started.unwrap_or_else(|fault| panic!("{fault}"));
    sent.submit_all(&stage).await;
    let end = gateway.end().await.expect("it dies at the point");
    assert_eq!(end.signal(), Some(Signal::ABORT.as_raw()), "died by {end}");

    let mut gateway = stage.start().await;
    sent.submit_all(&stage).await;
    assert_eq!(sent.receipts.len(), sent.packets.len(), "everything is accepted now");
    let times = sent.all_arrived(&stage).await;
    assert_eq!(gateway.stop().await.expect("it stops"), Some(0));
    times
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_after_the_blob_is_on_disk() {
    dies_at("after-blob-fsync").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_after_the_commit() {
    dies_at("after-commit").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_after_the_publication() {
    dies_at("after-publish").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_after_the_hand_off() {
    dies_at("after-hand-off").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_after_an_attempt_was_written_down_and_before_it_was_made() {
    dies_at("after-lease").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_receiver_took_comes_again_with_equal_ids() {
    let times = dies_at("after-receiver-2xx").await;
    assert!(times.iter().any(|times| *times >= 2), "the one that was taken and not settled: {times:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_settled_does_not_come_again() {
    let times = dies_at("after-settle").await;
    assert!(times.contains(&1), "the one that was settled: {times:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_or_doubled_by_kills_at_any_moment() {
    let seed: u64 = rand::rng().random();
    println!("seed {seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let stage = Stage::open(PROGRAM, &[]).await;
    let mut sent = Sent::default();
    for kill in 0..KILLS {
        let mut gateway: Gateway = stage.start().await;
        for number in kill * DOCUMENTS_A_KILL..(kill + 1) * DOCUMENTS_A_KILL {
            sent.packets.insert(number, stage.letter(number, &RECEIVERS));
        }
        let moment = Duration::from_micros(random.random_range(1_000..600_000));
        // The submissions are cut where they stand; what got no answer is sent again.
        drop(tokio::time::timeout(moment, sent.submit_all(&stage)).await);
        gateway.kill().await.expect("SIGKILL");
    }
    let mut gateway = stage.start().await;
    tokio::time::timeout(PATIENCE, sent.submit_all(&stage)).await.expect("in time");
    assert_eq!(sent.receipts.len(), sent.packets.len(), "everything is accepted in the end");
    sent.all_arrived(&stage).await;
    assert_eq!(gateway.stop().await.expect("it stops"), Some(0));
}
