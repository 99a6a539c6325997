//! SIGKILL at any moment, also while the store begins its next generation: whatever the gateway had been told is done is
//! still done at the next start.

#![allow(clippy::print_stdout, reason = "a failed run tells its seed and its rounds")]

mod child;

use std::collections::BTreeMap;
use std::hash::{BuildHasher, Hasher};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;

use bytes::Bytes;
use lienthong_outbox::contract::samples::*;
use lienthong_outbox::{Engine, FileSpool, FileStore, Opened, Rebuilt, open_or_rebuild};
use lienthong_pipeline::ports::{OutboxStore, Spool, Transition};
use lienthong_pipeline::record::{AdapterKind, Delivery, Lane, State};
use tokio::task::JoinSet;

const ROUNDS: u64 = 6;
/// Tells the child which start of it this is, so that it takes new documents.
const ROUND: &str = "LIENTHONG_OUTBOX_TEST_ROUND";
const DOCUMENTS_PER_ROUND: u64 = 1_000_000;
const WORKERS: u64 = 16;
/// Documents of a round after which the store begins its next generation.
const ROTATE_AFTER: [u64; 2] = [10, 90];
const RECEIVERS: [&str; 3] = ["H02", "H03", "H04"];

#[test]
fn nothing_acknowledged_is_lost_at_a_kill_with_sled() {
    killed_again_and_again("nothing_acknowledged_is_lost_at_a_kill_with_sled", Engine::Sled);
}

#[test]
fn nothing_acknowledged_is_lost_at_a_kill_with_redb() {
    killed_again_and_again("nothing_acknowledged_is_lost_at_a_kill_with_redb", Engine::Redb);
}

#[expect(clippy::print_stdout, reason = "a run by lot says its seed")]
fn killed_again_and_again(test: &str, engine: Engine) {
    if let Some(data_dir) = child::data_dir() {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().expect("a runtime");
        return runtime.block_on(work(&data_dir, engine, round()));
    }
    let seed = std::collections::hash_map::RandomState::new().build_hasher().finish();
    println!("seed {seed}");
    let dir = tempfile::tempdir().expect("a folder");
    let mut told = BTreeMap::new();
    for round in 0..ROUNDS {
        let lines = 20 + splitmix(seed.wrapping_add(round)) % 1_500;
        let before = told.len();
        kill_after(test, dir.path(), round, lines, &mut told);
        println!("round {round}: killed after {lines} lines, {} deliveries new", told.len() - before);
        assert!(told.len() > before, "the child did nothing");
        check(dir.path(), engine, &told);
    }
}

/// Steele, Lea, Flood: Fast splittable pseudorandom number generators (OOPSLA 2014).
fn splitmix(seed: u64) -> u64 {
    let z = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Document and receiver, and how far it was said to have come.
type Told = BTreeMap<(u64, String), usize>;

const STEPS: [&str; 5] = ["admitted", "published", "handed_off", "failed", "settled"];

fn kill_after(test: &str, data_dir: &Path, round: u64, lines: u64, told: &mut Told) {
    let mut command = child::command(test, data_dir, "");
    let mut process = command.env(ROUND, round.to_string()).stdout(Stdio::piped()).spawn().expect("started");
    let output = BufReader::new(process.stdout.take().expect("piped")).lines();
    let mut seen = 0;
    // What is still in the pipe after the kill was said before it, and counts.
    for line in output {
        let line = line.expect("UTF-8");
        let words: Vec<&str> = line.split(' ').collect();
        let ["told", n, receiver, step] = words[..] else { continue };
        let step = STEPS.iter().position(|known| *known == step).expect("a step");
        told.insert((n.parse().expect("a number"), receiver.to_owned()), step);
        seen += 1;
        if seen == lines {
            process.kill().expect("killed");
        }
    }
    assert!(!process.wait().expect("ended").success(), "the child ended by itself");
}

fn check(data_dir: &Path, engine: Engine, told: &Told) {
    let (store, spool, opened) = open_or_rebuild(data_dir, engine, clock()).expect("opened");
    // An admission on disk whose batch the kill forestalled is admitted now; nothing is damaged.
    let undamaged = match &opened {
        Opened::Existing => true,
        Opened::Rebuilt(rebuilt) => {
            let Rebuilt { documents, damaged, moved_to, .. } = rebuilt;
            *documents <= WORKERS && *damaged == 0 && moved_to.is_none()
        }
        Opened::Fresh => false,
    };
    assert!(undamaged, "{opened:?}");
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    runtime.block_on(async {
        let mut heads = 0;
        for ((n, receiver), step) in told {
            let found = store.delivery(delivery_id(*n, receiver)).await.expect("whole").expect("there");
            let reached = steps_of(&found);
            assert!(reached >= *step, "{n} {receiver}: told {}, found {found:?}", STEPS[*step]);
            let events = words(&store, found.id).await;
            assert!(events.len() > *step, "{events:?}");
            assert!(spool.blob(found.digest).await.expect("read").is_some());
            assert_eq!(
                spool.admission(document_id(*n)).await.expect("whole").map(|a| a.deliveries.len()),
                Some(3)
            );
            heads += usize::from(found.handed_off && found.state == State::Queued);
        }
        let mut listed = 0;
        for receiver in RECEIVERS {
            let token = organ(receiver).token();
            let queue = store.heads(AdapterKind::VendorHttp, &token, Lane::Normal, usize::MAX);
            listed += queue.await.expect("whole").len();
        }
        // What was killed before it was told may be there, too.
        assert!(listed >= heads, "{listed} of {heads}");
    });
}

fn steps_of(delivery: &Delivery) -> usize {
    match delivery {
        Delivery { state: State::Received, .. } => 4,
        Delivery { attempts: 1.., .. } => 3,
        Delivery { handed_off: true, .. } => 2,
        Delivery { published: 1.., .. } => 1,
        _ => 0,
    }
}

fn round() -> u64 {
    let round = std::env::var_os(ROUND).and_then(|round| round.into_string().ok());
    round.expect("set by the parent").parse().expect("a number")
}

/// The child: goes on until it is killed.
async fn work(data_dir: &Path, engine: Engine, round: u64) {
    let (store, spool, _) = open_or_rebuild(data_dir, engine, clock()).expect("opened");
    let store = Arc::new(store);
    let first = round * DOCUMENTS_PER_ROUND;
    let mut workers = JoinSet::new();
    let rotating = store.clone();
    workers.spawn(async move {
        // The kill comes before, while, or after the next generation is filled.
        for documents in ROTATE_AFTER {
            let mut known = 0;
            while known < documents {
                let last = delivery_id(first + known, RECEIVERS[0]);
                known += u64::from(rotating.delivery(last).await.expect("read").is_some());
            }
            rotating.rotate().await.expect("rotated");
        }
    });
    for worker in 0..WORKERS {
        let (store, spool) = (store.clone(), spool.clone());
        workers.spawn(async move {
            for n in (first + worker..).step_by(WORKERS as usize) {
                one_document(&store, &spool, n).await;
            }
        });
    }
    workers.join_all().await;
}

async fn one_document(store: &FileStore, spool: &FileSpool, n: u64) {
    let mut writer = spool.receive().await.expect("a file");
    writer.write(Bytes::from(packet(n))).await.expect("written");
    let admitted = admission(n, &RECEIVERS);
    spool.admit(writer.finish().await.expect("whole"), &admitted).await.expect("admitted");
    store.admit(&admitted).await.expect("admitted");
    for receiver in RECEIVERS {
        child::tell(format_args!("{n} {receiver} admitted"));
    }
    for (part, receiver) in RECEIVERS.into_iter().enumerate().take((n % 4) as usize) {
        let id = delivery_id(n, receiver);
        change(store, id, Transition::Published { generation: 1 }).await;
        child::tell(format_args!("{n} {receiver} published"));
        store.hand_off(delivery(n, receiver)).await.expect("handed off");
        child::tell(format_args!("{n} {receiver} handed_off"));
        if part > 0 {
            change(store, id, failed(NOW)).await;
            child::tell(format_args!("{n} {receiver} failed"));
            change(store, id, settled(State::Received)).await;
            child::tell(format_args!("{n} {receiver} settled"));
        }
    }
}
