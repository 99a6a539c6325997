//! Each fault is found, in a store that is open and in one that is not; nothing else is, whatever goes on meanwhile; and
//! nothing is changed.

use std::collections::BTreeMap;
use std::fs;
use std::ops::Bound;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use lienthong_pipeline::ports::{OutboxStore, Spool, Transition};
use lienthong_pipeline::record::{
    AdapterKind, AxisCopy, CopyRelation, Delivery, Move, Route, Standing, State, SystemId,
};
use lienthong_schemas::ids::{PacketDigest, StandingKey};
use tempfile::TempDir;
use tokio::task::JoinSet;

use super::*;
use crate::contract::samples::*;
use crate::open_or_rebuild;
use crate::store::{Engine, SharedReader};

crate::over_both_engines! {
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)] a_whole_outbox_is_clean_and_stays_as_it_is;
    #[tokio::test] an_outcome_that_is_not_noted_is_counted_and_no_fault;
    #[tokio::test] a_move_that_the_store_refused_at_first_is_no_fault;
    #[tokio::test(start_paused = true)] every_fault_is_found_while_the_store_is_open_and_when_it_is_not;
    #[tokio::test(start_paused = true)] a_way_that_is_not_noted_is_found_and_a_cut_reroute_is_no_fault;
    #[tokio::test] rotten_bytes_are_found_by_a_deep_check_only;
    #[tokio::test(start_paused = true)] an_admission_and_a_delivery_that_the_store_lacks_are_found;
    #[tokio::test(start_paused = true)] more_faults_than_are_listed_are_counted;
    #[tokio::test] a_store_that_is_gone_damaged_or_old_is_said_to_be_so;
    #[tokio::test] damage_that_was_met_is_told_by_an_open_store;
    #[tokio::test] a_closed_store_is_not_checked;
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)] what_goes_on_meanwhile_is_no_fault;
}

struct Ground {
    dir: TempDir,
    store: Arc<FileStore>,
    spool: FileSpool,
}

fn ground(engine: Engine) -> Ground {
    let dir = tempfile::tempdir().expect("a folder");
    let (store, spool, _) = open_or_rebuild(dir.path(), engine, clock()).expect("opened");
    Ground { dir, store: Arc::new(store), spool }
}

/// The business state of document `n` somewhere.
fn standing_key(n: u64) -> StandingKey {
    StandingKey::of(&[n.to_be_bytes(); 2].concat().try_into().expect("16 bytes"), &organ("H02"))
}

async fn admit(store: &FileStore, spool: &FileSpool, n: u64, receivers: &[&str]) {
    let mut writer = spool.receive().await.expect("a file");
    writer.write(Bytes::from(packet(n))).await.expect("written");
    let mut admitted = admission(n, receivers);
    // One document moves on as the others come, and one is at each of them.
    let states = ["01", "03", "04", "05", "04", "05", "04", "05", "06"];
    let state = states[n as usize % states.len()].parse().expect("a state");
    let own = Move { key: standing_key(n), number: 1, state };
    admitted.moves = vec![Move { key: standing_key(u64::MAX), number: n as u32 + 1, state }, own];
    spool.admit(writer.finish().await.expect("whole"), &admitted).await.expect("admitted");
    store.admit(&admitted).await.expect("admitted");
}

/// Published, handed off, and ended as a dispatch does it.
async fn end(store: &FileStore, spool: &FileSpool, n: u64, receiver: &str, state: State) {
    let id = delivery_id(n, receiver);
    change(store, id, Transition::Published { generation: 1 }).await;
    let found = store.delivery(id).await.expect("read").expect("known");
    store.hand_off(found).await.expect("handed off");
    if state == State::Queued {
        return;
    }
    change(store, id, settled(state)).await;
    if state != State::Parked {
        spool.settled(document_id(n), id, state, NOW).await.expect("noted");
    }
}

/// What an axis gave back.
fn copy() -> AxisCopy {
    AxisCopy {
        at: NOW,
        axis: SystemId::parse("vpcp").expect("an id"),
        doc_id: "1".to_owned(),
        sha256: PacketDigest::of(b"other bytes"),
        bytes: 11,
        relation: CopyRelation::Echo,
        document: None,
    }
}

const RECEIVERS: [&str; 2] = ["H02", "H03"];

impl Ground {
    /// Nine documents, one in each state, and one delivery of another gateway.
    async fn filled(engine: Engine) -> Self {
        let ground = ground(engine);
        for (n, state) in (1..).zip(State::ALL) {
            admit(&ground.store, &ground.spool, n, &RECEIVERS).await;
            end(&ground.store, &ground.spool, n, "H02", state).await;
        }
        ground.spool.copied(document_id(3), &copy()).await.expect("noted");
        let foreign = Delivery { published: 1, ..delivery(90, "H02") };
        let mut writer = ground.spool.receive_ours().await.expect("a file");
        writer.write(Bytes::from(packet(90))).await.expect("written");
        ground.spool.adopt(writer.finish().await.expect("whole")).await.expect("adopted");
        ground.store.hand_off(foreign).await.expect("handed off");
        ground
    }

    async fn checked(&self, deep: bool) -> OutboxCheck {
        self.store.check(&self.spool, deep).await.expect("checked")
    }

    /// The same by somebody who stops the gateway first; the same ground, opened again.
    async fn stopped(self, work: impl FnOnce(&Path)) -> (OutboxCheck, TempDir) {
        let Self { dir, store, spool } = self;
        store.close().await.expect("closed");
        drop((store, spool));
        work(dir.path());
        let lock = DataLock::acquire(dir.path()).expect("free");
        let before = files(dir.path());
        let found = check(&lock, dir.path(), true).expect("checked");
        assert!(files(dir.path()) == before, "a file of the spool changed");
        (found, dir)
    }

    /// The tree, to read and to harm.
    fn tree(&self) -> Tree {
        Tree(self.store.reader().expect("open"))
    }

    fn admission(&self, n: u64) -> PathBuf {
        self.dir.path().join("admissions").join(document_id(n).to_string())
    }

    fn blob(&self, n: u64) -> PathBuf {
        self.dir.path().join("blobs").join(PacketDigest::of(&packet(n)).to_string())
    }
}

struct Tree(Arc<dyn SharedReader>);

impl Tree {
    fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        self.0.tree().expect("read").get(key).expect("read").map(|value| value.to_vec())
    }

    fn insert(&self, key: &[u8], value: &[u8]) {
        self.0.overwrite(key, Some(value));
    }

    fn remove(&self, key: &[u8]) {
        self.0.overwrite(key, None);
    }

    fn all(&self) -> BTreeMap<Vec<u8>, Vec<u8>> {
        let tree = self.0.tree().expect("read");
        let entries = tree.range((Bound::Unbounded, Bound::Unbounded)).map(|entry| entry.expect("read"));
        entries.map(|(key, value)| (key.to_vec(), value.to_vec())).collect()
    }

    /// Keys of a kind.
    fn keys(&self, prefix: &[u8]) -> Vec<Vec<u8>> {
        self.all().into_keys().filter(|key| key.starts_with(prefix)).collect()
    }
}

/// What lies in the spool, and `FORMAT`.
fn files(data_dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for folder in ["admissions", "blobs", "incoming", ""] {
        for entry in fs::read_dir(data_dir.join(folder)).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_file() {
                found.insert(path.clone(), fs::read(path).expect("read"));
            }
        }
    }
    found
}

fn codes(found: &OutboxCheck) -> Vec<FaultCode> {
    let mut codes: Vec<_> = found.faults.iter().map(|fault| fault.code).collect();
    codes.sort();
    codes
}

async fn a_whole_outbox_is_clean_and_stays_as_it_is(engine: Engine) {
    let ground = Ground::filled(engine).await;
    let (before, kept) = (ground.tree().all(), files(ground.dir.path()));
    let bytes = (1..=9).chain([90]).map(|n| packet(n).len() as u64).sum();
    let wanted =
        OutboxCheck { documents: 9, deliveries: 19, pending: 13, blobs: 10, bytes, ..OutboxCheck::default() };
    for deep in [false, true] {
        assert_eq!(ground.checked(deep).await, wanted);
    }
    assert!(ground.tree().all() == before && files(ground.dir.path()) == kept);
    let (found, _dir) = ground.stopped(|_| ()).await;
    assert_eq!(found, wanted);
}

/// A kill between the store's batch and the note: an attempt may be repeated after a rebuild, and that is no fault.
async fn an_outcome_that_is_not_noted_is_counted_and_no_fault(engine: Engine) {
    let ground = Ground::filled(engine).await;
    change(&*ground.store, delivery_id(1, "H02"), settled(State::Received)).await;
    let found = ground.checked(false).await;
    assert!(found.is_clean() && found.unnoted == 1, "{found:?}");
}

async fn a_move_that_the_store_refused_at_first_is_no_fault(engine: Engine) {
    let ground = ground(engine);
    // The first was on disk, then the second was taken, and the first came again: both knew of no move before.
    for (n, to) in [(2, "03"), (1, "01")] {
        let mut writer = ground.spool.receive().await.expect("a file");
        writer.write(Bytes::from(packet(n))).await.expect("written");
        let mut admitted = admission(n, &["H02"]);
        let state = to.parse().expect("a state");
        admitted.moves = vec![Move { key: standing_key(7), number: 1, state }];
        ground.spool.admit(writer.finish().await.expect("whole"), &admitted).await.expect("admitted");
        ground.store.admit(&admitted).await.expect("admitted");
    }
    let found = ground.checked(false).await;
    assert!(found.is_clean(), "{found:?}");
}

fn standing_at(n: u64) -> Vec<u8> {
    [b"b|", &standing_key(n).as_bytes()[..]].concat()
}

/// What document `number` - 1 made of the state that all of them move.
fn standing(state: &str, number: u32) -> Standing {
    let since = NOW + jiff::SignedDuration::from_secs(i64::from(number) - 1);
    Standing { state: state.parse().expect("a state"), since, number }
}

type Harm = fn(&Ground);

/// Each harm, and what is said of it. Where a value is harmed, whoever refers to it is not blamed.
const HARMS: [(&str, Harm, &[FaultCode]); 26] = [
    ("a value cut short", |g| put(g, &key(g, b"e|", 3), b"cut"), &[FaultCode::ValueDamaged]),
    ("a value flipped", |g| flip(g, &key(g, b"m|", 3)), &[FaultCode::ValueDamaged]),
    ("an entry flipped", |g| flip(g, &key(g, b"p|", 3)), &[FaultCode::ValueDamaged]),
    ("a line flipped", |g| flip(g, &key(g, b"h|", 3)), &[FaultCode::ValueDamaged]),
    ("a business state flipped", |g| flip(g, &key(g, b"b|", 3)), &[FaultCode::ValueDamaged]),
    ("a business state gone", |g| g.tree().remove(&standing_at(5)), &[FaultCode::StandingDiffers]),
    (
        "a business state before its last move",
        |g| sealed(g, &standing_at(u64::MAX), &standing("06", 9)),
        &[FaultCode::StandingDiffers],
    ),
    (
        "a business state that nobody said",
        |g| sealed(g, &standing_at(3), &standing("06", 1)),
        &[FaultCode::StandingDiffers],
    ),
    ("a key of somebody else", |g| put(g, b"y|1", b"x"), &[FaultCode::KeyUnknown]),
    ("a dead letter's entry gone", |g| g.tree().remove(&key(g, b"x|", 0)), &[FaultCode::EntryMissing]),
    ("a correlation's entry gone", |g| g.tree().remove(&key(g, b"c|", 0)), &[FaultCode::EntryMissing]),
    (
        "a delivery's place in its document gone",
        |g| g.tree().remove(&key(g, b"d|", 0)),
        &[FaultCode::EntryMissing],
    ),
    (
        "an entry of a record that is elsewhere",
        |g| entry(g, b"x|\0\0\0\0\0\0\0\x63"),
        &[FaultCode::EntryStale],
    ),
    (
        "an entry of nobody",
        |g| sealed(g, b"x|\0\0\0\0\0\0\0\x64", &delivery_id(77, "H02")),
        &[FaultCode::EntryDangling],
    ),
    (
        "a status key of nobody",
        |g| sealed(g, b"s|0123456789abcdef", &document_id(77)),
        &[FaultCode::EntryDangling],
    ),
    ("the last line of a history gone", last_line_gone, &[FaultCode::HistoryMissing]),
    (
        "numbers that are given out again",
        |g| sealed(g, b"z|next", &BTreeMap::from([("order", 5), ("event", 5)])),
        &[FaultCode::Counter, FaultCode::Counter],
    ),
    (
        "a packet gone",
        |g| fs::remove_file(g.blob(1)).expect("removed"),
        &[FaultCode::BlobMissing, FaultCode::BlobMissing],
    ),
    ("a packet cut", |g| fs::write(g.blob(90), b"x").expect("cut"), &[FaultCode::BlobLength]),
    (
        "an admission gone",
        |g| fs::remove_file(g.admission(3)).expect("removed"),
        &[FaultCode::AdmissionMissing],
    ),
    (
        "an admission torn",
        |g| fs::write(g.admission(4), b"1\n{").expect("torn"),
        &[FaultCode::AdmissionDamaged],
    ),
    (
        "a note torn",
        |g| fs::write(g.admission(9).with_extension("settled"), b"2 x").expect("torn"),
        &[FaultCode::NoteDamaged],
    ),
    (
        "a list of copies torn",
        |g| fs::write(g.admission(3).with_extension("copies"), b"[{").expect("torn"),
        &[FaultCode::NoteDamaged],
    ),
    ("a note that says otherwise", |g| contradicted(g), &[FaultCode::NoteDiffers]),
    (
        "a file that is not ours",
        |g| fs::write(g.dir.path().join("blobs/notes.txt"), b"x").expect("made"),
        &[FaultCode::FileForeign],
    ),
    (
        "another file that is not ours",
        |g| fs::write(g.dir.path().join("admissions/\u{1b}[2J"), b"x").expect("made"),
        &[FaultCode::FileForeign],
    ),
];

/// The nth key of a kind.
fn key(ground: &Ground, prefix: &[u8], nth: usize) -> Vec<u8> {
    ground.tree().keys(prefix).swap_remove(nth)
}

fn put(ground: &Ground, key: &[u8], value: &[u8]) {
    ground.tree().insert(key, value);
}

fn flip(ground: &Ground, key: &[u8]) {
    let mut value = ground.tree().get(key).expect("there");
    *value.last_mut().expect("not empty") ^= 1;
    put(ground, key, &value);
}

fn sealed<T: Serialize>(ground: &Ground, key: &[u8], value: &T) {
    put(ground, key, &crate::sealed::seal(key, value).expect("sealed"));
}

fn entry(ground: &Ground, key: &[u8]) {
    sealed(ground, key, &delivery_id(1, "H02"));
}

fn last_line_gone(ground: &Ground) {
    let id = delivery_id(1, "H02");
    let lines = ground.tree().keys(&[b"h|", id.as_bytes().as_slice()].concat());
    ground.tree().remove(lines.last().expect("a line"));
}

fn contradicted(ground: &Ground) {
    let text = format!("1 {} refused", delivery_id(1, "H02"));
    let line = format!("{text} {:08x}\n", crc32c::crc32c(text.as_bytes()));
    fs::write(ground.admission(1).with_extension("settled"), line).expect("noted");
}

async fn every_fault_is_found_while_the_store_is_open_and_when_it_is_not(engine: Engine) {
    for (what, harm, wanted) in HARMS {
        let ground = Ground::filled(engine).await;
        harm(&ground);
        let found = ground.checked(false).await;
        assert_eq!((codes(&found), found.more_faults), (wanted.to_vec(), 0), "{what}: {found:#?}");
        for fault in &found.faults {
            let text = format!("{}{}", fault.place, fault.detail);
            assert!(
                !fault.place.is_empty() && !fault.detail.is_empty() && !text.contains('\u{1b}'),
                "{fault:?}"
            );
        }
        assert!(!ground.dir.path().join("outbox/1/DAMAGED").exists(), "{what}: a check writes nothing");
        let (stopped, _dir) = ground.stopped(|_| ()).await;
        let deep: Vec<_> =
            codes(&stopped).into_iter().filter(|code| *code != FaultCode::BlobDamaged).collect();
        assert_eq!(deep, wanted, "{what}: {stopped:#?}");
    }
}

/// A reroute is noted first: one that was cut is done should the store be lost; one that is not noted would be undone.
async fn a_way_that_is_not_noted_is_found_and_a_cut_reroute_is_no_fault(engine: Engine) {
    let ground = Ground::filled(engine).await;
    let clean = ground.checked(false).await;
    assert!(clean.is_clean(), "{clean:#?}");
    let system = SystemId::parse("post").expect("an id");
    let route = Route { receiver: organ("H02"), system, adapter: AdapterKind::Email };
    let (document, id) = (document_id(1), delivery_id(1, "H02"));
    ground.spool.rerouted(document, id, &route, NOW).await.expect("noted");
    let cut = ground.checked(false).await;
    assert!(cut.is_clean() && cut.unnoted == clean.unnoted + 1, "{cut:#?}");
    let rerouted = |route| Transition::Rerouted { route, note: String::new() };
    change(&*ground.store, id, rerouted(route.clone())).await;
    let whole = ground.checked(false).await;
    assert!(whole.is_clean() && whole.unnoted == clean.unnoted, "{whole:#?}");
    change(&*ground.store, delivery_id(1, "H03"), rerouted(route)).await;
    assert_eq!(codes(&ground.checked(false).await), [FaultCode::NoteDiffers]);
}

async fn rotten_bytes_are_found_by_a_deep_check_only(engine: Engine) {
    let ground = Ground::filled(engine).await;
    let mut bytes = packet(4);
    bytes[3] ^= 1;
    fs::write(ground.blob(4), bytes).expect("rotten");
    assert!(ground.checked(false).await.is_clean());
    assert_eq!(codes(&ground.checked(true).await), [FaultCode::BlobDamaged]);
}

async fn an_admission_and_a_delivery_that_the_store_lacks_are_found(engine: Engine) {
    let ground = Ground::filled(engine).await;
    let mut writer = ground.spool.receive().await.expect("a file");
    writer.write(Bytes::from(packet(50))).await.expect("written");
    ground
        .spool
        .admit(writer.finish().await.expect("whole"), &admission(50, &["H02"]))
        .await
        .expect("admitted");
    assert_eq!(codes(&ground.checked(false).await), [FaultCode::AdmissionUnknown]);
    ground.store.admit(&admission(50, &[])).await.expect("admitted");
    assert_eq!(codes(&ground.checked(false).await), [FaultCode::DeliveryMissing]);
}

async fn more_faults_than_are_listed_are_counted(engine: Engine) {
    let ground = ground(engine);
    let many: Vec<String> = (0..SUSPECTS_MAX + 50).map(|n| format!("y|{n}")).collect();
    many.iter().for_each(|key| put(&ground, key.as_bytes(), b"x"));
    let found = ground.checked(false).await;
    assert_eq!((found.faults.len(), found.more_faults), (FAULTS_MAX, (many.len() - FAULTS_MAX) as u64));

    let codes: Vec<String> = (0..OF_ONE as usize + 5).map(|n| format!("H{n}")).collect();
    let receivers: Vec<&str> = codes.iter().map(String::as_str).collect();
    let ground = super::tests::ground(engine);
    let mut writer = ground.spool.receive().await.expect("a file");
    writer.write(Bytes::from(packet(1))).await.expect("written");
    ground
        .spool
        .admit(writer.finish().await.expect("whole"), &admission(1, &receivers))
        .await
        .expect("admitted");
    ground.store.admit(&admission(1, &[])).await.expect("admitted");
    let found = ground.checked(false).await;
    assert_eq!(found.faults.len(), OF_ONE as usize);
    assert!(found.faults.last().is_some_and(|last| last.detail.ends_with("(and 5 more of this document)")));
}

/// As in `files`.
const OF_ONE: u64 = 20;

async fn a_store_that_is_gone_damaged_or_old_is_said_to_be_so(engine: Engine) {
    let stopped = async |work: &dyn Fn(&Path)| Ground::filled(engine).await.stopped(work).await;
    let store = |dir: &Path| dir.join("outbox/1");
    let (found, dir) = stopped(&|dir| fs::remove_dir_all(store(dir)).expect("removed")).await;
    assert_eq!(codes(&found), [FaultCode::StoreMissing]);
    assert_eq!(
        (found.blobs, store(dir.path()).exists()),
        (10, false),
        "the files are looked at all the same"
    );
    let (found, _) = stopped(&|dir| spoil(&store(dir), engine)).await;
    assert_eq!(codes(&found), [FaultCode::StoreUnreadable]);
    let (found, _) = stopped(&|dir| fs::write(store(dir).join("DAMAGED"), b"").expect("noted")).await;
    assert_eq!(codes(&found), [FaultCode::StoreUnreadable]);

    let ground = Ground::filled(engine).await;
    ground.tree().remove(b"z|layout");
    ground.tree().remove(&key(&ground, b"x|", 0));
    let (found, dir) = ground.stopped(|_| ()).await;
    assert_eq!(codes(&found), [FaultCode::LayoutOld], "{found:?}");
    let (store, spool, _) = open_or_rebuild(dir.path(), engine, clock()).expect("opened");
    assert!(store.check(&spool, true).await.expect("checked").is_clean());

    fs::write(dir.path().join("FORMAT"), "lienthong 4\n").expect("written");
    drop((store, spool));
    let lock = DataLock::acquire(dir.path()).expect("free");
    assert!(matches!(check(&lock, dir.path(), false), Err(OpenFault::Format(_))));
    fs::remove_file(dir.path().join("FORMAT")).expect("removed");
    assert!(matches!(check(&lock, dir.path(), false), Err(OpenFault::Format(_))), "no data folder");
    assert!(!dir.path().join("FORMAT").exists());
}

async fn damage_that_was_met_is_told_by_an_open_store(engine: Engine) {
    let ground = Ground::filled(engine).await;
    let damaged = key(&ground, b"e|", 0);
    let whole = ground.tree().get(&damaged).expect("there");
    flip(&ground, &damaged);
    for n in 1..=9 {
        drop(ground.store.deliveries_of(document_id(n)).await);
    }
    ground.tree().insert(&damaged, &whole);
    assert_eq!(codes(&ground.checked(false).await), [FaultCode::DamageNoted]);
}

async fn a_closed_store_is_not_checked(engine: Engine) {
    let ground = ground(engine);
    ground.store.close().await.expect("closed");
    assert!(ground.store.check(&ground.spool, false).await.expect_err("closed").fatal);
}

async fn what_goes_on_meanwhile_is_no_fault(engine: Engine) {
    let ground = ground(engine);
    let stop = Arc::new(AtomicBool::new(false));
    let mut workers = JoinSet::new();
    for worker in 0..8_u64 {
        let (store, spool, stop) = (ground.store.clone(), ground.spool.clone(), stop.clone());
        workers.spawn(async move {
            let mut n = worker;
            while !stop.load(Ordering::SeqCst) {
                admit(&store, &spool, n, &RECEIVERS).await;
                end(&store, &spool, n, "H02", State::ALL[n as usize % State::ALL.len()]).await;
                n += 8;
            }
            n / 8
        });
    }
    let (mut seen, mut checks) = (0, 0);
    while seen < 500 || checks < 6 {
        let found = ground.checked(true).await;
        assert!(found.is_clean(), "{found:#?}");
        (seen, checks) = (found.documents, checks + 1);
    }
    stop.store(true, Ordering::SeqCst);
    let made: u64 = workers.join_all().await.into_iter().sum();
    assert!(made >= seen, "{seen} of {made}");
    let found = ground.checked(true).await;
    assert_eq!((found.documents, found.deliveries, found.is_clean()), (made, 2 * made, true));
}
