//! What only a store in files can get wrong: limits of values, damage, reopening, a barrier that fails.

use std::future::Future;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::task::{Context, Poll, Waker};

use lienthong_pipeline::record::State;
use tempfile::TempDir;

use super::parts::Part;
use super::prune::Old;
use super::*;
use crate::contract::samples::*;
use crate::sealed::{HEAD_BYTES, VERSION};

crate::over_both_engines! {
    #[tokio::test] what_was_told_is_there_after_a_reopening;
    #[tokio::test] a_closed_store_can_be_opened_while_its_value_lives;
    #[tokio::test] a_store_that_is_open_elsewhere_is_not_called_damaged;
    #[tokio::test] a_store_of_the_other_engine_is_refused;
    #[tokio::test] a_value_over_two_kilobytes_is_refused_whole;
    #[tokio::test] a_key_over_its_limit_is_refused;
    #[tokio::test] a_flipped_byte_is_a_fault_that_names_the_key_and_is_noted;
    #[tokio::test] what_is_being_removed_is_not_taken_in;
    #[tokio::test] a_value_of_a_newer_program_is_no_damage;
    #[tokio::test] a_record_without_a_time_of_publication_reads;
    #[tokio::test] every_value_is_versioned_summed_and_small;
    #[tokio::test] only_the_newest_lines_of_history_are_kept;
    #[tokio::test] indexes_leave_nothing_behind;
    #[tokio::test] after_a_failed_barrier_every_call_fails_until_the_next_opening;
    #[tokio::test] keys_that_do_not_agree_are_found_at_the_opening;
    #[tokio::test] a_panic_of_the_engine_poisons_the_store;
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)] nobody_is_told_of_what_is_not_on_disk;
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)] what_is_queued_goes_under_one_barrier;
}

fn opened(engine: Engine) -> (TempDir, Arc<FileStore>) {
    let dir = tempfile::tempdir().expect("a folder");
    let store = FileStore::open(&dir.path().join("outbox"), engine, clock()).expect("opened");
    (dir, Arc::new(store))
}

fn reopened(dir: &TempDir, engine: Engine) -> FileStore {
    FileStore::open(&dir.path().join("outbox"), engine, clock()).expect("opened again")
}

/// Changes one value behind the store's back.
fn overwrite(store: &FileStore, key: &[u8], value: &[u8]) {
    store.reader().expect("open").overwrite(key, Some(value));
}

/// One value as it is stored.
fn stored(store: &FileStore, key: &[u8]) -> Vec<u8> {
    let reader = store.reader().expect("open");
    reader.tree().expect("read").get(key).expect("read").expect("there").to_vec()
}

/// All that begins with a prefix.
fn below(store: &FileStore, prefix: &[u8]) -> Vec<(Vec<u8>, Vec<u8>)> {
    let reader = store.reader().expect("open");
    let tree = reader.tree().expect("read");
    let view = View(&*tree);
    let entries = view.below(prefix).map(|entry| entry.expect("read"));
    entries.map(|(key, value)| (key.to_vec(), value.to_vec())).collect()
}

async fn what_was_told_is_there_after_a_reopening(engine: Engine) {
    let (dir, store) = opened(engine);
    let mut document = admission(1, &["H02", "H03"]);
    document.idempotency = Some(idempotency("k"));
    document.keys.status = Some([9; 16]);
    store.admit(&document).await.expect("admitted");
    let taken = taken(&*store, 2, "H02").await;
    change(&*store, taken.id, failed(later(30))).await;
    change(&*store, delivery_id(1, "H02"), settled(State::GivenUp)).await;
    let sent = store.unsent_events(1).await.expect("read")[0].0;
    store.events_sent(vec![sent]).await.expect("written");

    let look = async |store: &FileStore| {
        let receiver = organ("H02").token();
        let heads = store.heads(AdapterKind::VendorHttp, &receiver, Lane::Normal, 9);
        (
            (store.stats().await.expect("read"), heads.await.expect("read")),
            (store.unpublished(9).await.expect("read"), store.unsent_events(99).await.expect("read")),
            (store.pending_reports(9).await.expect("read"), store.history(taken.id).await.expect("read")),
            store.known(document.keys.name.expect("a name")).await.expect("read"),
            store.idempotent(&idempotency("k"), NOW).await.expect("read"),
            store.status_seen([9; 16]).await.expect("read"),
        )
    };
    let before = look(&store).await;
    assert_eq!(before.0.0.pending, 2);
    drop(store);
    let store = reopened(&dir, engine);
    assert_eq!(look(&store).await, before);
    let after = admitted(&store, 3, "H02").await;
    assert!(after.order > taken.order);
    let numbers: Vec<_> = store.unsent_events(99).await.expect("read").into_iter().map(|(n, _)| n).collect();
    assert!(numbers.is_sorted_by(|one, next| one < next), "{numbers:?}");
}

async fn a_closed_store_can_be_opened_while_its_value_lives(engine: Engine) {
    let (dir, store) = opened(engine);
    admitted(&*store, 1, "H02").await;
    store.close().await.expect("closed");
    let again = reopened(&dir, engine);
    assert!(again.delivery(delivery_id(1, "H02")).await.expect("read").is_some());
    assert_eq!(store.delivery(delivery_id(1, "H02")).await.expect_err("closed").cause, "closed");
}

async fn a_store_that_is_open_elsewhere_is_not_called_damaged(engine: Engine) {
    let (dir, _store) = opened(engine);
    let second = FileStore::open(&dir.path().join("outbox"), engine, clock());
    assert!(matches!(second.err(), Some(StoreFault::Io { .. })));
}

async fn a_store_of_the_other_engine_is_refused(engine: Engine) {
    let (dir, store) = opened(engine);
    drop(store);
    for wanted in Engine::ALL.into_iter().filter(|wanted| *wanted != engine) {
        let refused = FileStore::open(&dir.path().join("outbox"), wanted, clock()).err().expect("refused");
        assert!(matches!(refused, StoreFault::OtherEngine { found, .. } if found == engine), "{refused}");
        let advice = format!("lienthong outbox migrate --engine {}", wanted.as_str());
        assert!(refused.to_string().contains(&advice), "{refused}");
    }
    assert_eq!(
        Engine::found(&dir.path().join("outbox/1")).expect("listed"),
        [engine],
        "nothing is made there"
    );
}

async fn a_value_over_two_kilobytes_is_refused_whole(engine: Engine) {
    let (_dir, store) = opened(engine);
    let correlated = |n: usize| {
        let mut document = admission(1, &["H02", "H03"]);
        let keys = (0..n).map(|k| CorrelationKey::of(&k.to_string()));
        document.deliveries[1].correlations = keys.collect();
        document
    };
    // The limit itself: as many keys as fit, by the size of the record.
    let size = |n| {
        let delivery = correlated(n).deliveries.remove(1);
        let record = crate::change::admitted(&delivery, 2).after;
        crate::sealed::seal(b"", &record).expect("sealed").len()
    };
    let most = (0..99).rfind(|n| size(*n) <= VALUE_BYTES_MAX).expect("some fit");
    let fault = store.admit(&correlated(most + 1)).await.expect_err("too large");
    assert!(fault.cause.contains("at most 2048") && !fault.fatal, "{fault:?}");
    assert_eq!(store.delivery(delivery_id(1, "H02")).await.expect("read"), None);
    assert_eq!(store.stats().await.expect("read"), StoreStats::default());
    assert_eq!(store.admit(&correlated(most)).await.expect("admitted"), Admitted::Inserted);
}

#[test]
fn a_delivery_of_the_longest_codes_has_room_for_its_correlations() {
    let mut delivery = delivery(1, &"R".repeat(64));
    delivery.sender = organ(&"S".repeat(64));
    delivery.route.system =
        lienthong_pipeline::record::SystemId::parse(&"s".repeat(32)).expect("a system id");
    delivery.kind = "\"".repeat(64);
    (delivery.accepted_at, delivery.due) = (Timestamp::MAX, Timestamp::MAX);
    delivery.since = Some(Timestamp::MAX);
    (delivery.generation, delivery.published, delivery.bytes) = (u32::MAX, u32::MAX, u64::MAX);
    (delivery.attempts, delivery.document_failures) = (u32::MAX, u32::MAX);
    delivery.state = State::HandedOver;
    delivery.correlations = (0..16).map(|n| CorrelationKey::of(&n.to_string())).collect();
    let report = Some(crate::change::Report { at: Timestamp::MAX, number: u64::MAX });
    let (lines, published_at) = (u64::MAX, Some(Timestamp::MAX));
    let delivery = Delivery { order: u64::MAX, ..delivery };
    let record = Record { delivery, lines, report, told: true, published_at };
    assert!(crate::sealed::seal(b"", &record).expect("sealed").len() <= VALUE_BYTES_MAX);
}

async fn a_key_over_its_limit_is_refused(engine: Engine) {
    let (_dir, store) = opened(engine);
    let mut document = admission(1, &["H02"]);
    document.idempotency = Some(idempotency(&"k".repeat(keys::KEY_BYTES_MAX)));
    let fault = store.admit(&document).await.expect_err("too long");
    assert!(fault.cause.contains("at most 256"), "{fault}");
}

async fn a_flipped_byte_is_a_fault_that_names_the_key_and_is_noted(engine: Engine) {
    let (dir, store) = opened(engine);
    admitted(&*store, 1, "H02").await;
    let other = admitted(&*store, 2, "H02").await;
    let id = delivery_id(1, "H02");
    let key = keys::delivery(id);
    let whole = stored(&store, &key);
    for at in [0, 1, HEAD_BYTES, whole.len() - 1] {
        let mut broken = whole.clone();
        broken[at] ^= 0x10;
        overwrite(&store, &key, &broken);
        for fault in [
            store.delivery(id).await.expect_err("damaged"),
            store.transition(id, NOW, settled(State::Received)).await.expect_err("damaged"),
            store.deliveries_of(document_id(1)).await.expect_err("damaged"),
        ] {
            assert!(fault.cause.starts_with(&keys::shown(&key)), "{fault}");
            assert!(fault.cause.ends_with("its checksum is wrong") && !fault.fatal, "{fault:?}");
        }
    }
    // Only this record is lost; the store goes on.
    change(&*store, other.id, settled(State::Received)).await;
    overwrite(&store, &key, &whole[..3]);
    assert!(store.delivery(id).await.expect_err("damaged").cause.ends_with("it is cut short"));
    overwrite(&store, &key, &whole);
    assert!(store.delivery(id).await.expect("read").is_some());
    overwrite(&store, &key, &whole[..3]);
    drop(store);
    let again = FileStore::open(&dir.path().join("outbox"), engine, clock());
    assert!(matches!(again.err(), Some(StoreFault::Damaged { .. })));
}

async fn a_value_of_a_newer_program_is_no_damage(engine: Engine) {
    let (dir, store) = opened(engine);
    admitted(&*store, 1, "H02").await;
    let key = keys::delivery(delivery_id(1, "H02"));
    let sum = crc32c::crc32c(&[key.as_slice(), &[VERSION + 1], b"{}"].concat());
    overwrite(&store, &key, &[&[VERSION + 1], sum.to_le_bytes().as_slice(), b"{}"].concat());
    let fault = store.delivery(delivery_id(1, "H02")).await.expect_err("newer");
    assert!(fault.cause.contains("its version is 2") && !fault.fatal, "{fault:?}");
    drop(store);
    reopened(&dir, engine).stats().await.expect("open again");
}

/// Its admission may be the one that is about to go.
async fn what_is_being_removed_is_not_taken_in(engine: Engine) {
    let dir = tempfile::tempdir().expect("a folder");
    let store = reopened(&dir, engine);
    let stray = [Old { document: document_id(1), digest: None }];
    assert_eq!(store.condemn_unknown(&stray).await.expect("marked"), stray);
    let fault = store.admit(&admission(1, &["H02"])).await.expect_err("it comes again");
    assert!(!fault.fatal, "{fault:?}");
    assert_eq!(store.condemned().await.expect("read"), stray);
    store.forget(document_id(1), Vec::new()).await.expect("removed");
    assert_eq!(store.admit(&admission(1, &["H02"])).await.expect("written"), Admitted::Inserted);
    assert_eq!(store.condemn_unknown(&stray).await.expect("looked"), [], "it is none any more");
    assert!(store.old(Timestamp::MAX, None).await.expect("read").found.is_empty(), "it waits");
}

/// Written before there was a time of publication, and an index by it: it reads, and goes on.
async fn a_record_without_a_time_of_publication_reads(engine: Engine) {
    let (dir, store) = opened(engine);
    let delivery = admitted(&*store, 1, "H02").await;
    change(&*store, delivery.id, Transition::Published { generation: 1 }).await;
    let key = keys::delivery(delivery.id);
    let mut record: serde_json::Value = crate::sealed::unseal(&key, &stored(&store, &key)).expect("whole");
    let at = record.as_object_mut().expect("an object").remove("published_at");
    assert!(at.is_some());
    overwrite(&store, &key, &crate::sealed::seal(&key, &record).expect("sealed"));
    // And no entry by it.
    let (entry, _) = below(&store, keys::NOT_TAKEN_OVER).remove(0);
    store.reader().expect("open").overwrite(&entry, None);
    drop(store);
    let store = reopened(&dir, engine);
    assert_eq!(store.not_taken_over(Timestamp::MAX, 9).await.expect("read"), []);
    assert_eq!(store.hand_off(delivery).await.expect("written"), HandOff::Taken);
}

async fn every_value_is_versioned_summed_and_small(engine: Engine) {
    let (_dir, store) = opened(engine);
    let mut document = admission(1, &["H02", "H03"]);
    document.idempotency = Some(idempotency("k"));
    document.keys.status = Some([9; 16]);
    store.admit(&document).await.expect("admitted");
    let taken = taken(&*store, 2, "H02").await;
    change(&*store, taken.id, settled(State::Received)).await;
    let waiting = admitted(&*store, 3, "H02").await;
    change(&*store, waiting.id, Transition::Published { generation: 1 }).await;
    change(&*store, delivery_id(1, "H03"), settled(State::Parked)).await;
    let mut prefixes = std::collections::BTreeSet::new();
    for (key, value) in below(&store, b"") {
        assert_eq!(value[0], VERSION, "{}", keys::shown(&key));
        crate::sealed::unseal::<serde_json::Value>(&key, &value).expect("whole");
        assert!(value.len() <= VALUE_BYTES_MAX && key.len() <= keys::KEY_BYTES_MAX);
        prefixes.insert(keys::shown(&key[..2]));
    }
    let shown: Vec<_> = prefixes.iter().map(String::as_str).collect();
    assert_eq!(
        shown,
        ["c|", "d|", "e|", "h|", "i|", "k|", "m|", "n|", "o|", "p|", "s|", "u|", "v|", "w|", "x|", "z|"]
    );
}

/// As an engine that lost a page without noticing would show it: one value as it was before, or not at all.
async fn keys_that_do_not_agree_are_found_at_the_opening(engine: Engine) {
    for lost in ["e|", "d|", "p|", "w|", "x|", "c|", "h|", "k|", "z|next"] {
        for is_gone in [true, false] {
            let (dir, store) = opened(engine);
            admitted(&*store, 1, "H02").await;
            let before: std::collections::BTreeMap<_, _> =
                below(&store, lost.as_bytes()).into_iter().collect();
            let other = admitted(&*store, 2, "H02").await;
            change(&*store, delivery_id(1, "H02"), Transition::Published { generation: 1 }).await;
            change(&*store, other.id, settled(State::Parked)).await;
            let now: std::collections::BTreeMap<_, _> = below(&store, lost.as_bytes()).into_iter().collect();
            // A key whose value is another one now, or the newest one.
            let changed = now.iter().find(|(key, value)| before.get(*key).is_some_and(|was| was != *value));
            let (key, _) = changed.or(now.last_key_value()).expect("there is one");
            let harm = if is_gone { None } else { before.get(key).map(Vec::as_slice) };
            if harm == now.get(key).map(Vec::as_slice) {
                continue;
            }
            store.reader().expect("open").overwrite(key, harm);
            store.close().await.expect("closed");
            let opened = FileStore::open(&dir.path().join("outbox"), engine, clock()).err();
            assert!(matches!(opened, Some(StoreFault::Damaged { .. })), "{lost} {is_gone}: {opened:?}");
        }
    }
}

async fn only_the_newest_lines_of_history_are_kept(engine: Engine) {
    let (_dir, store) = opened(engine);
    let taken = taken(&*store, 1, "H02").await;
    for _ in 0..120 {
        change(&*store, taken.id, failed(NOW)).await;
    }
    assert_eq!(below(&store, &keys::history(taken.id)).len(), 50);
}

async fn indexes_leave_nothing_behind(engine: Engine) {
    let (_dir, store) = opened(engine);
    for n in 1..=9 {
        let taken = taken(&*store, n, "H02").await;
        change(&*store, taken.id, settled(State::Parked)).await;
        change(&*store, taken.id, requeued()).await;
        change(&*store, taken.id, Transition::Published { generation: 2 }).await;
        change(&*store, taken.id, settled(State::GivenUp)).await;
        change(&*store, taken.id, Transition::Reported).await;
        change(&*store, taken.id, Transition::Closed { note: String::new() }).await;
    }
    for prefix in ["c|", "n|", "o|", "p|", "r|", "u|", "w|", "x|"] {
        assert_eq!(below(&store, prefix.as_bytes()), [], "{prefix}");
    }
}

async fn after_a_failed_barrier_every_call_fails_until_the_next_opening(engine: Engine) {
    let dir = tempfile::tempdir().expect("a folder");
    drop(reopened(&dir, engine));
    let folder = dir.path().join("outbox/1");
    let found = generations::Found::of_one(engine::unsynced(engine, &folder), &folder);
    let writer = Writer::over(found, engine.into(), clock()).expect("opened");
    let store = FileStore::start(writer).expect("started");
    let fault = store.admit(&admission(1, &["H02"])).await.expect_err("not on disk");
    assert!(fault.cause.contains("not on disk") && fault.fatal, "{fault:?}");
    let again = [
        store.admit(&admission(2, &["H02"])).await.err(),
        store.delivery(delivery_id(1, "H02")).await.err(),
        store.stats().await.err(),
        store.close().await.err(),
    ];
    for later in again {
        let later = later.expect("failed");
        assert_eq!((later.cause, later.fatal), (fault.cause.clone(), true));
    }
    drop(store);
    reopened(&dir, engine).stats().await.expect("open again");
}

async fn a_panic_of_the_engine_poisons_the_store(engine: Engine) {
    let (dir, store) = opened(engine);
    let panic = store.change(|_| -> Result<(), Fault> { panic!("page cache") }).await;
    let fault = panic.expect_err("poisoned");
    assert!(fault.cause.contains("page cache") && fault.fatal, "{fault:?}");
    assert!(store.stats().await.expect_err("poisoned").cause.contains("page cache"));
    assert!(store.close().await.is_err());
    drop(store);
    reopened(&dir, engine).stats().await.expect("open again");
}

#[tokio::test]
async fn a_reader_waits_for_the_barrier_of_what_it_saw() {
    let progress = Progress::new(std::path::PathBuf::new(), 0, 0);
    let is_ready = |seen| {
        let ready = pin!(progress.durable(seen)).poll(&mut Context::from_waker(Waker::noop()));
        matches!(ready, Poll::Ready(Ok(())))
    };
    assert!(is_ready(0) && !progress.is_waiting());
    progress.begin(1, 1);
    progress.begin(-1, 0);
    assert!(is_ready(0) && !is_ready(1) && progress.is_waiting());
    assert_eq!((progress.seen(), progress.counts()), (0, (0, 1)));
    progress.show();
    assert_eq!(progress.seen(), 2);
    progress.reached();
    assert!(is_ready(2) && !is_ready(3) && !progress.is_waiting());
    progress.end(closed());
    progress.end(Fault::new(PLACE, "second"));
    assert_eq!(progress.check().expect_err("ended").cause, "closed");
    assert_eq!(progress.durable(0).await.expect_err("ended").cause, "closed");
}

async fn nobody_is_told_of_what_is_not_on_disk(engine: Engine) {
    let (_dir, store) = opened(engine);
    let (applied, is_applied) = oneshot::channel();
    let (looked, has_looked) = oneshot::channel();
    let (release, released) = mpsc::channel();
    let on_disk = Arc::new(AtomicBool::new(false));
    let writing = {
        let store = store.clone();
        async move {
            let work = move |writer: &mut Writer| {
                let admission = admission(1, &["H02"]);
                let outcome = writer.admit(&admission, Part::whole(&admission));
                applied.send(()).expect("heard");
                released.recv().expect("released");
                outcome
            };
            store.change(work).await.expect("admitted")
        }
    };
    let reading = {
        let (store, on_disk) = (store.clone(), on_disk.clone());
        async move {
            is_applied.await.expect("applied");
            // Nothing is known of this one, and the barrier is not waited for: that is released after it only.
            let nothing = store.met(document_id(2), Some([2; 16])).await.expect("read");
            assert!(nothing.is_nothing() && !on_disk.load(Ordering::SeqCst));
            looked.send(()).expect("heard");
            let seen = |found: bool| (found, on_disk.load(Ordering::SeqCst));
            let found = async { seen(store.delivery(delivery_id(1, "H02")).await.expect("read").is_some()) };
            let met = async { seen(!store.met(document_id(1), None).await.expect("read").is_nothing()) };
            tokio::join!(found, met)
        }
    };
    let releasing = async {
        has_looked.await.expect("looked");
        // Time for the reader to look, so that it would answer too early if it could.
        for _ in 0..200 {
            tokio::task::spawn_blocking(|| ()).await.expect("done");
        }
        on_disk.store(true, Ordering::SeqCst);
        release.send(()).expect("released");
    };
    let (outcome, (found, met), ()) = tokio::join!(writing, reading, releasing);
    assert_eq!(outcome, Admitted::Inserted);
    // Whoever sees it sees it on disk; an engine shows it with its barrier.
    for (is_seen, is_on_disk) in [found, met] {
        assert!(is_on_disk || !is_seen);
    }
}

async fn what_is_queued_goes_under_one_barrier(engine: Engine) {
    let (_dir, store) = opened(engine);
    let (entered, is_entered) = oneshot::channel();
    let (release, released) = mpsc::channel::<()>();
    let mut callers = tokio::task::JoinSet::new();
    let holder = store.clone();
    callers.spawn(async move {
        let work = move |_: &mut Writer| {
            entered.send(()).expect("heard");
            released.recv().expect("released");
            Ok(Admitted::Inserted)
        };
        holder.change(work).await.expect("held")
    });
    is_entered.await.expect("the committer is busy");
    let queue = locked(&store.changes).clone().expect("open");
    for n in 0..200 {
        let store = store.clone();
        callers.spawn(async move { store.admit(&admission(n, &["H02"])).await.expect("admitted") });
    }
    while queue.max_capacity() - queue.capacity() < 200 {
        tokio::task::yield_now().await;
    }
    drop(queue);
    let before = store.progress.barriers();
    release.send(()).expect("released");
    callers.join_all().await;
    assert_eq!(store.progress.barriers() - before, 1);
}
