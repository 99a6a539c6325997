//! What is too old to be kept goes, whole, and nothing else does: not what somebody has still to deal with, not what a
//! younger document needs, and nothing at all by a clock that leapt. A process that dies while it removes goes on later.

mod child;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use lienthong_monitoring::Metrics;
use lienthong_outbox::contract::samples::*;
use lienthong_outbox::{Engine, FileSpool, Opened, Outbox, OutboxOptions, open_or_rebuild};
use lienthong_pipeline::clock::ManualClock;
use lienthong_pipeline::ports::{Admitted, Clock, OutboxStore, Spool, Transition};
use lienthong_pipeline::record::{Admission, State};
use lienthong_schemas::ids::PacketDigest;
use tempfile::TempDir;

lienthong_outbox::over_both_engines! {
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)] what_is_over_and_old_goes_and_nothing_else;
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)] a_packet_that_somebody_just_asked_for_stays_till_the_next_look;
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)] a_clock_that_leaps_makes_nothing_old;
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)] a_store_that_was_lost_does_not_bring_back_what_is_too_old;
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)] a_packet_that_nothing_names_goes_when_nobody_asks_for_it;
}

const DAY: Duration = Duration::from_secs(86_400);
const DAYS_KEPT: u32 = 100;
const DAYS_OF_KEYS: u32 = 30;
/// Less than what is taken for a leap.
const STEP: u32 = 35;

/// A gateway's store and spool, and their time.
struct Ground {
    outbox: Outbox,
    spool: FileSpool,
    clock: Arc<ManualClock>,
    metrics: Arc<Metrics>,
    opened: Opened,
}

impl Ground {
    fn open(data_dir: &Path, engine: Engine, clock: Arc<ManualClock>) -> Self {
        let options = OutboxOptions {
            keeper: engine.into(),
            clock: clock.clone(),
            rotate_every: DAY * 30,
            keep_documents: DAY * DAYS_KEPT,
            keep_idempotency: DAY * DAYS_OF_KEYS,
        };
        let metrics = Arc::new(Metrics::new("0.0.0-test"));
        let (outbox, spool, opened) = Outbox::open(data_dir, options, metrics.clone()).expect("opened");
        Self { outbox, spool, clock, metrics, opened }
    }

    /// Looks once, and lets time pass for as long as that waits.
    async fn prune(&self) {
        let mut prune = std::pin::pin!(self.outbox.prune());
        loop {
            tokio::select! {
                biased;
                pruned = &mut prune => return pruned.expect("pruned"),
                _ = tokio::task::spawn_blocking(|| ()) => self.clock.advance(Duration::from_secs(1)),
            }
        }
    }

    /// So many steps of days, with a look after each.
    async fn pass(&self, steps: u32) {
        for _ in 0..steps {
            self.clock.advance(DAY * STEP);
            self.prune().await;
        }
    }

    async fn is_known(&self, n: u64) -> bool {
        self.outbox.delivery(delivery_id(n, "H02")).await.expect("read").is_some()
    }

    async fn has_packet(&self, n: u64) -> bool {
        self.spool.blob(PacketDigest::of(&packet(n))).await.expect("looked").is_some()
    }

    async fn is_clean(&self) {
        let check = self.outbox.check(true).await.expect("checked");
        assert!(check.is_clean(), "{check:?}");
    }
}

async fn admit(store: &dyn OutboxStore, spool: &FileSpool, admission: &Admission, packet: Vec<u8>) {
    let mut writer = spool.receive().await.expect("a file");
    writer.write(Bytes::from(packet)).await.expect("written");
    spool.admit(writer.finish().await.expect("whole"), admission).await.expect("admitted");
    store.admit(admission).await.expect("admitted");
}

fn document(n: u64, receivers: &[&str]) -> Admission {
    let mut document = admission(n, receivers);
    document.idempotency = Some(idempotency(&n.to_string()));
    document.keys.status = Some([n as u8; 16]);
    document
}

/// How far a delivery came.
#[derive(Clone, Copy, PartialEq)]
enum Came {
    Waits,
    To(State),
    /// And its sender was told, or an operator closed it.
    Through(State),
}

async fn come(store: &dyn OutboxStore, spool: &FileSpool, n: u64, came: Came) {
    let id = delivery_id(n, "H02");
    let (Came::To(state) | Came::Through(state)) = came else { return };
    change(store, id, Transition::Published { generation: 1 }).await;
    store.hand_off(delivery(n, "H02")).await.expect("handed off");
    change(store, id, settled(state)).await;
    spool.settled(document_id(n), id, state, NOW).await.expect("noted");
    if came == Came::To(state) {
        return;
    }
    if state == State::Received {
        change(store, id, Transition::Reported).await;
        spool.reported(document_id(n), id).await.expect("noted");
    } else if state == State::Refused {
        change(store, id, Transition::Closed { note: String::new() }).await;
        spool.closed(document_id(n), id).await.expect("noted");
    }
}

/// What becomes of the documents, and whether they go.
const DOCUMENTS: [(Came, bool); 8] = [
    (Came::Through(State::Received), true),
    (Came::To(State::Received), false),
    (Came::Waits, false),
    (Came::To(State::Parked), false),
    (Came::To(State::Refused), false),
    (Came::Through(State::Refused), true),
    (Came::Through(State::Withdrawn), true),
    // One of its two receivers has not got it.
    (Came::Through(State::Received), false),
];
/// Has the packet of the one that waits.
const SHARES: u64 = 8;

/// All of these, in one generation or, with `rotates`, the first half of them in one that is left.
async fn filled(data_dir: &Path, engine: Engine, rotates: bool) {
    let (store, spool, _) = open_or_rebuild(data_dir, engine, clock()).expect("opened");
    for (n, (came, _)) in (0..).zip(DOCUMENTS) {
        let receivers: &[&str] = if n == 7 { &["H02", "H03"] } else { &["H02"] };
        admit(&store, &spool, &document(n, receivers), packet(n)).await;
        come(&store, &spool, n, came).await;
        if rotates && n == 4 {
            store.rotate().await.expect("rotated");
        }
    }
    let mut shares = document(SHARES, &["H02"]);
    let digest = PacketDigest::of(&packet(2));
    shares.receipt.sha256 = digest;
    shares.deliveries[0].digest = digest;
    admit(&store, &spool, &shares, packet(2)).await;
    come(&store, &spool, SHARES, Came::Through(State::Received)).await;
    store.close().await.expect("closed");
}

async fn what_went_is_gone(ground: &Ground) {
    for (n, goes) in (0..).zip(DOCUMENTS.map(|(_, goes)| goes)).chain([(SHARES, true)]) {
        assert_eq!(ground.is_known(n).await, !goes, "{n}");
        let name = admission(n, &[]).keys.name.expect("a name");
        assert_eq!(ground.outbox.known(name).await.expect("read").is_empty(), goes, "{n}");
        assert_eq!(ground.outbox.status_seen([n as u8; 16]).await.expect("read").is_none(), goes, "{n}");
        let history = ground.outbox.history(delivery_id(n, "H02")).await.expect("read");
        assert_eq!(history.is_empty(), goes, "{n}");
        assert_eq!(ground.spool.admission(document_id(n)).await.expect("read").is_none(), goes, "{n}");
        assert!(n == SHARES || ground.has_packet(n).await != goes, "{n}");
    }
    assert!(ground.has_packet(2).await, "another document needs it");
    ground.is_clean().await;
}

async fn what_is_over_and_old_goes_and_nothing_else(engine: Engine) {
    for rotates in [false, true] {
        let dir = tempfile::tempdir().expect("a folder");
        filled(dir.path(), engine, rotates).await;
        let ground = Ground::open(dir.path(), engine, clock());
        let bytes = ground.spool.usage().await.expect("read").bytes;
        ground.prune().await;
        ground.pass(2).await;
        for n in 0..9 {
            assert!(ground.is_known(n).await, "{n} is not old enough");
            let key = ground.outbox.idempotent(&idempotency(&n.to_string()), NOW).await.expect("read");
            assert_eq!(key, None, "{n}: its key is");
        }
        let young = document(20, &["H02"]);
        admit(&ground.outbox, &ground.spool, &young, packet(20)).await;
        let at = ground.clock.now();
        let digest = PacketDigest::of(&packet(20));
        ground.outbox.remember(&idempotency("again"), document_id(20), digest, at).await.expect("written");
        ground.pass(1).await;
        what_went_is_gone(&ground).await;
        assert_eq!(ground.metrics.pruned_documents.value(), 4);
        let freed: usize = [0, 5, 6].map(|n| packet(n).len()).iter().sum();
        assert_eq!(ground.metrics.pruned_bytes.value(), freed as u64);
        let room = ground.spool.usage().await.expect("read").bytes;
        assert_eq!(room, bytes + packet(20).len() as u64 - freed as u64, "what went leaves room");
        ground.pass(3).await;
        assert_eq!(dir.path().join("outbox/1").exists(), !rotates, "what only it had went or moved");
        what_went_is_gone(&ground).await;
        // Whoever sends it once more begins anew.
        admit(&ground.outbox, &ground.spool, &document(0, &["H02"]), packet(0)).await;
        assert!(ground.is_known(0).await && ground.has_packet(0).await);
        assert_eq!(ground.outbox.admit(&document(2, &["H02"])).await.expect("known"), Admitted::Existing);
        ground.outbox.close().await.expect("closed");
        let clock = ground.clock.clone();
        drop(ground);
        let ground = Ground::open(dir.path(), engine, clock);
        assert_eq!(ground.opened, Opened::Existing);
        ground.is_clean().await;
    }
}

async fn a_packet_that_somebody_just_asked_for_stays_till_the_next_look(engine: Engine) {
    let dir = tempfile::tempdir().expect("a folder");
    filled(dir.path(), engine, false).await;
    let ground = Ground::open(dir.path(), engine, clock());
    ground.prune().await;
    ground.pass(2).await;
    ground.clock.advance(DAY * STEP);
    {
        let mut prune = std::pin::pin!(ground.outbox.prune());
        loop {
            tokio::select! {
                biased;
                pruned = &mut prune => break pruned.expect("pruned"),
                has = ground.has_packet(0) => assert!(has, "each time that it is asked for"),
            }
            ground.clock.advance(Duration::from_secs(1));
        }
    }
    assert!(ground.is_known(0).await && ground.has_packet(0).await);
    assert!(ground.spool.admission(document_id(0)).await.expect("read").is_some());
    assert!(!ground.is_known(5).await && !ground.has_packet(5).await, "the others went");
    ground.is_clean().await;
    ground.clock.advance(DAY);
    ground.prune().await;
    what_went_is_gone(&ground).await;
}

async fn a_clock_that_leaps_makes_nothing_old(engine: Engine) {
    let dir = tempfile::tempdir().expect("a folder");
    filled(dir.path(), engine, false).await;
    let ground = Ground::open(dir.path(), engine, clock());
    ground.prune().await;
    ground.clock.advance(DAY * 4_000);
    ground.prune().await;
    assert!(ground.is_known(0).await && ground.has_packet(0).await);
    // It was right: from the next look on things are as old as they are.
    ground.clock.advance(DAY);
    ground.prune().await;
    assert!(!ground.is_known(0).await && !ground.has_packet(0).await);
}

async fn a_store_that_was_lost_does_not_bring_back_what_is_too_old(engine: Engine) {
    let dir = tempfile::tempdir().expect("a folder");
    filled(dir.path(), engine, false).await;
    std::fs::remove_dir_all(dir.path().join("outbox")).expect("lost");
    let clock = clock();
    clock.advance(DAY * (DAYS_KEPT + 1));
    let ground = Ground::open(dir.path(), engine, clock);
    for (n, goes) in (0..).zip(DOCUMENTS.map(|(_, goes)| goes)).chain([(SHARES, true)]) {
        assert_eq!(ground.is_known(n).await, !goes, "{n}");
    }
    ground.is_clean().await;
    assert!(ground.has_packet(0).await, "it still lies in the spool");
    ground.prune().await;
    ground.clock.advance(DAY);
    ground.prune().await;
    what_went_is_gone(&ground).await;
}

/// A packet whose intake was cut off before its admission was written, so many days before now.
async fn cut_off(ground: &Ground, n: u64, days: u32) {
    let mut writer = ground.spool.receive().await.expect("a file");
    writer.write(Bytes::from(packet(n))).await.expect("written");
    ground.spool.adopt(writer.finish().await.expect("whole")).await.expect("kept");
    let path = ground.spool.blob(PacketDigest::of(&packet(n))).await.expect("looked").expect("there");
    let written = ground.clock.now() - DAY * days;
    let file = std::fs::File::options().write(true).open(path).expect("opened");
    file.set_modified(written.into()).expect("dated");
}

async fn a_packet_that_nothing_names_goes_when_nobody_asks_for_it(engine: Engine) {
    let [old, young, admitted, bare, stray, foreign] = [30, 31, 32, 33, 34, 35];
    let dir = tempfile::tempdir().expect("a folder");
    let ground = Ground::open(dir.path(), engine, clock());
    ground.prune().await;
    for n in [old, admitted, bare, stray, foreign] {
        cut_off(&ground, n, 31).await;
    }
    cut_off(&ground, young, 29).await;
    std::fs::write(dir.path().join("blobs/notes.txt"), "an operator's own").expect("written");
    let used = ground.spool.usage().await.expect("read").bytes;
    // They came again since, and their packets were there: with a delivery, with none, not yet known to the store, and
    // handed over by another gateway.
    admit(&ground.outbox, &ground.spool, &document(admitted, &["H02"]), packet(admitted)).await;
    admit(&ground.outbox, &ground.spool, &document(bare, &[]), packet(bare)).await;
    let mut writer = ground.spool.receive().await.expect("a file");
    writer.write(Bytes::from(packet(stray))).await.expect("written");
    let paper = document(stray, &["H02"]);
    ground.spool.admit(writer.finish().await.expect("whole"), &paper).await.expect("admitted");
    ground.outbox.hand_off(delivery(foreign, "H02")).await.expect("handed off");
    ground.prune().await;
    assert!(!ground.has_packet(old).await, "nothing names it");
    for n in [young, admitted, bare, stray, foreign] {
        assert!(ground.has_packet(n).await, "{n}");
    }
    assert!(dir.path().join("blobs/notes.txt").exists(), "no packet");
    assert_eq!(ground.metrics.pruned_bytes.value(), packet(old).len() as u64);
    assert_eq!(ground.spool.usage().await.expect("read").bytes, used - packet(old).len() as u64);
    ground.clock.advance(DAY * 2);
    let mut asked = true;
    {
        let mut prune = std::pin::pin!(ground.outbox.prune());
        loop {
            tokio::select! {
                biased;
                pruned = &mut prune => break pruned.expect("pruned"),
                has = ground.has_packet(young) => asked &= has,
            }
            ground.clock.advance(Duration::from_secs(1));
        }
    }
    assert!(asked && ground.has_packet(young).await, "somebody asked for it");
    ground.clock.advance(DAY);
    ground.prune().await;
    assert!(!ground.has_packet(young).await, "and nobody does any more");
}

const TEST: &str = "a_death_while_removing_leaves_nothing_half_done";
const ENGINE: &str = "LIENTHONG_OUTBOX_TEST_ENGINE";
const POINTS: [&str; 4] =
    ["after-packet-removed", "after-admission-removed", "after-notes-removed", "while-keys-removed"];

#[test]
fn a_death_while_removing_leaves_nothing_half_done() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_time().build();
    let runtime = runtime.expect("a runtime");
    if let Some(data_dir) = child::data_dir() {
        let name = std::env::var_os(ENGINE).and_then(|name| name.into_string().ok());
        let engine = Engine::named(&name.expect("set by the parent")).expect("an engine");
        return runtime.block_on(async {
            let ground = Ground::open(&data_dir, engine, clock());
            ground.prune().await;
            ground.pass(3).await;
            child::tell(format_args!("that all was removed"));
        });
    }
    for engine in Engine::ALL {
        for point in POINTS {
            for is_lost in [false, true] {
                let dir = tempfile::tempdir().expect("a folder");
                runtime.block_on(filled(dir.path(), engine, true));
                let mut command = child::command(TEST, dir.path(), "");
                command.env(ENGINE, engine.as_str()).env("LIENTHONG_CRASH_AT", point);
                let ended = command.output().expect("ended");
                assert!(!ended.status.success(), "{point}: {ended:?}");
                runtime.block_on(goes_on(&dir, engine, is_lost));
            }
        }
    }
}

/// After a death, with the store as it was left or without one.
async fn goes_on(dir: &TempDir, engine: Engine, is_lost: bool) {
    if is_lost {
        std::fs::remove_dir_all(dir.path().join("outbox")).expect("lost");
    }
    let clock = clock();
    clock.advance(DAY * STEP * 3);
    let ground = Ground::open(dir.path(), engine, clock);
    assert_eq!(ground.opened == Opened::Existing, !is_lost, "{:?}", ground.opened);
    ground.is_clean().await;
    // What waits is all that waited: 2, 3, and the second receiver of 7.
    assert_eq!(ground.outbox.stats().await.expect("read").pending, 3);
    ground.prune().await;
    ground.clock.advance(DAY);
    ground.prune().await;
    what_went_is_gone(&ground).await;
    let left = std::fs::read_dir(dir.path().join("admissions")).expect("listed");
    let mut left: Vec<_> = left.map(|entry| entry.expect("an entry").file_name()).collect();
    left.retain(|name| !name.to_string_lossy().ends_with(".settled"));
    assert_eq!(left.len(), 5, "{left:?}");
}
