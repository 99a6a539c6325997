//! What only the sled store can get wrong: limits of values, damage, reopening, a barrier that fails.

use std::future::Future;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::task::{Context, Poll, Waker};

use lienthong_pipeline::record::State;
use tempfile::TempDir;

use super::*;
use crate::contract::samples::*;
use crate::sealed::{HEAD_BYTES, VERSION};

fn opened() -> (TempDir, Arc<SledStore>) {
    let dir = tempfile::tempdir().expect("a folder");
    let store = SledStore::open(&dir.path().join("outbox"), clock()).expect("opened");
    (dir, Arc::new(store))
}

fn reopened(dir: &TempDir) -> SledStore {
    SledStore::open(&dir.path().join("outbox"), clock()).expect("opened again")
}

/// Changes one value behind the store's back.
async fn overwrite(store: &SledStore, key: Vec<u8>, value: Vec<u8>) {
    let db = locked(&store.db).clone().expect("open");
    db.insert(key, value).expect("overwritten");
}

#[tokio::test]
async fn what_was_told_is_there_after_a_reopening() {
    let (dir, store) = opened();
    let mut document = admission(1, &["H02", "H03"]);
    document.idempotency = Some(idempotency("k"));
    document.keys.status = Some([9; 16]);
    store.admit(&document).await.expect("admitted");
    let taken = taken(&*store, 2, "H02").await;
    change(&*store, taken.id, failed(later(30))).await;
    change(&*store, delivery_id(1, "H02"), settled(State::GivenUp)).await;
    let sent = store.unsent_events(1).await.expect("read")[0].0;
    store.events_sent(vec![sent]).await.expect("written");

    let look = async |store: &SledStore| {
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
    let store = reopened(&dir);
    assert_eq!(look(&store).await, before);
    let after = admitted(&store, 3, "H02").await;
    assert!(after.order > taken.order);
    let numbers: Vec<_> = store.unsent_events(99).await.expect("read").into_iter().map(|(n, _)| n).collect();
    assert!(numbers.is_sorted_by(|one, next| one < next), "{numbers:?}");
}

#[tokio::test]
async fn a_closed_store_can_be_opened_while_its_value_lives() {
    let (dir, store) = opened();
    admitted(&*store, 1, "H02").await;
    store.close().await.expect("closed");
    let again = reopened(&dir);
    assert!(again.delivery(delivery_id(1, "H02")).await.expect("read").is_some());
    assert_eq!(store.delivery(delivery_id(1, "H02")).await.expect_err("closed").cause, "closed");
}

#[test]
fn a_store_that_is_open_elsewhere_is_not_called_damaged() {
    let (dir, _store) = opened();
    let second = SledStore::open(&dir.path().join("outbox"), clock());
    assert!(matches!(second.err(), Some(StoreFault::Io { .. })));
}

#[tokio::test]
async fn a_value_over_two_kilobytes_is_refused_whole() {
    let (_dir, store) = opened();
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

#[tokio::test]
async fn a_key_over_its_limit_is_refused() {
    let (_dir, store) = opened();
    let mut document = admission(1, &["H02"]);
    document.idempotency = Some(idempotency(&"k".repeat(keys::KEY_BYTES_MAX)));
    let fault = store.admit(&document).await.expect_err("too long");
    assert!(fault.cause.contains("at most 256"), "{fault}");
}

#[tokio::test]
async fn a_flipped_byte_is_a_fault_that_names_the_key_and_is_noted() {
    let (dir, store) = opened();
    admitted(&*store, 1, "H02").await;
    let other = admitted(&*store, 2, "H02").await;
    let id = delivery_id(1, "H02");
    let key = keys::delivery(id);
    let whole = locked(&store.db).clone().expect("open").get(&key).expect("read").expect("there").to_vec();
    for at in [0, 1, HEAD_BYTES, whole.len() - 1] {
        let mut broken = whole.clone();
        broken[at] ^= 0x10;
        overwrite(&store, key.clone(), broken).await;
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
    overwrite(&store, key.clone(), whole[..3].to_vec()).await;
    assert!(store.delivery(id).await.expect_err("damaged").cause.ends_with("it is cut short"));
    overwrite(&store, key, whole).await;
    assert!(store.delivery(id).await.expect("read").is_some());
    drop(store);
    let again = SledStore::open(&dir.path().join("outbox"), clock());
    assert!(matches!(again.err(), Some(StoreFault::Damaged { .. })));
}

#[tokio::test]
async fn a_value_of_a_newer_program_is_no_damage() {
    let (dir, store) = opened();
    admitted(&*store, 1, "H02").await;
    let key = keys::delivery(delivery_id(1, "H02"));
    let sum = crc32c::crc32c(&[key.as_slice(), &[VERSION + 1], b"{}"].concat());
    overwrite(&store, key, [&[VERSION + 1], sum.to_le_bytes().as_slice(), b"{}"].concat()).await;
    let fault = store.delivery(delivery_id(1, "H02")).await.expect_err("newer");
    assert!(fault.cause.contains("its version is 2") && !fault.fatal, "{fault:?}");
    drop(store);
    reopened(&dir).stats().await.expect("open again");
}

/// Written before there was a time of publication, and an index by it: it reads, and goes on.
#[tokio::test]
async fn a_record_without_a_time_of_publication_reads() {
    let (dir, store) = opened();
    let delivery = admitted(&*store, 1, "H02").await;
    change(&*store, delivery.id, Transition::Published { generation: 1 }).await;
    let key = keys::delivery(delivery.id);
    let db = locked(&store.db).clone().expect("open");
    let sealed = db.get(&key).expect("read").expect("there");
    let mut record: serde_json::Value = crate::sealed::unseal(&key, &sealed).expect("whole");
    let at = record.as_object_mut().expect("an object").remove("published_at");
    assert!(at.is_some());
    overwrite(&store, key.clone(), crate::sealed::seal(&key, &record).expect("sealed")).await;
    drop((db, store));
    let store = reopened(&dir);
    assert_eq!(store.not_taken_over(Timestamp::MAX, 9).await.expect("read"), []);
    assert_eq!(store.hand_off(delivery).await.expect("written"), HandOff::Taken);
}

#[tokio::test]
async fn every_value_is_versioned_summed_and_small() {
    let (_dir, store) = opened();
    let mut document = admission(1, &["H02", "H03"]);
    document.idempotency = Some(idempotency("k"));
    document.keys.status = Some([9; 16]);
    store.admit(&document).await.expect("admitted");
    let taken = taken(&*store, 2, "H02").await;
    change(&*store, taken.id, settled(State::Received)).await;
    let waiting = admitted(&*store, 3, "H02").await;
    change(&*store, waiting.id, Transition::Published { generation: 1 }).await;
    change(&*store, delivery_id(1, "H03"), settled(State::Parked)).await;
    let db = locked(&store.db).clone().expect("open");
    let mut prefixes = std::collections::BTreeSet::new();
    for entry in db.iter() {
        let (key, value) = entry.expect("read");
        assert_eq!(value[0], VERSION, "{}", keys::shown(&key));
        crate::sealed::unseal::<serde_json::Value>(&key, &value).expect("whole");
        assert!(value.len() <= VALUE_BYTES_MAX && key.len() <= keys::KEY_BYTES_MAX);
        prefixes.insert(keys::shown(&key[..2]));
    }
    let shown: Vec<_> = prefixes.iter().map(String::as_str).collect();
    assert_eq!(
        shown,
        ["c|", "d|", "e|", "h|", "i|", "k|", "m|", "n|", "p|", "s|", "u|", "v|", "w|", "x|", "z|"]
    );
    assert_eq!(db.tree_names().len(), 1, "one tree");
}

#[tokio::test]
async fn only_the_newest_lines_of_history_are_kept() {
    let (_dir, store) = opened();
    let taken = taken(&*store, 1, "H02").await;
    for _ in 0..120 {
        change(&*store, taken.id, failed(NOW)).await;
    }
    let db = locked(&store.db).clone().expect("open");
    assert_eq!(db.scan_prefix(keys::history(taken.id)).count(), 50);
}

#[tokio::test]
async fn indexes_leave_nothing_behind() {
    let (_dir, store) = opened();
    for n in 1..=9 {
        let taken = taken(&*store, n, "H02").await;
        change(&*store, taken.id, settled(State::Parked)).await;
        change(&*store, taken.id, requeued()).await;
        change(&*store, taken.id, Transition::Published { generation: 2 }).await;
        change(&*store, taken.id, settled(State::GivenUp)).await;
        change(&*store, taken.id, Transition::Reported).await;
        change(&*store, taken.id, Transition::Closed { note: String::new() }).await;
    }
    let db = locked(&store.db).clone().expect("open");
    for prefix in ["c|", "n|", "p|", "r|", "u|", "w|", "x|"] {
        assert_eq!(db.scan_prefix(prefix).count(), 0, "{prefix}");
    }
}

#[tokio::test]
async fn after_a_failed_barrier_every_call_fails_until_the_next_opening() {
    let dir = tempfile::tempdir().expect("a folder");
    let mut writer = Writer::open(&dir.path().join("outbox"), clock()).expect("opened");
    // A socket cannot be synced: fdatasync says EINVAL.
    let (socket, _other) = UnixStream::pair().expect("a pair");
    writer.file = std::fs::File::from(OwnedFd::from(socket));
    let store = SledStore::start(writer).expect("started");
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
    reopened(&dir).stats().await.expect("open again");
}

#[tokio::test]
async fn a_panic_of_the_engine_poisons_the_store() {
    let (dir, store) = opened();
    let panic = store.change(|_| -> Result<(), Fault> { panic!("page cache") }).await;
    let fault = panic.expect_err("poisoned");
    assert!(fault.cause.contains("page cache") && fault.fatal, "{fault:?}");
    assert!(store.stats().await.expect_err("poisoned").cause.contains("page cache"));
    assert!(store.close().await.is_err());
    drop(store);
    reopened(&dir).stats().await.expect("open again");
}

#[tokio::test]
async fn a_reader_waits_for_the_barrier_of_what_it_saw() {
    let progress = Progress::new(PathBuf::new(), 0, 0);
    let is_ready = |seen| {
        let ready = pin!(progress.durable(seen)).poll(&mut Context::from_waker(Waker::noop()));
        matches!(ready, Poll::Ready(Ok(())))
    };
    assert!(is_ready(0) && !progress.is_waiting());
    progress.begin(1, 1);
    progress.begin(-1, 0);
    assert!(is_ready(0) && !is_ready(1) && progress.is_waiting());
    assert_eq!((progress.seen(), progress.counts()), (2, (0, 1)));
    progress.reached();
    assert!(is_ready(2) && !is_ready(3) && !progress.is_waiting());
    progress.end(closed());
    progress.end(Fault::new(PLACE, "second"));
    assert_eq!(progress.check().expect_err("ended").cause, "closed");
    assert_eq!(progress.durable(0).await.expect_err("ended").cause, "closed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_is_told_of_what_is_not_on_disk() {
    let (_dir, store) = opened();
    let (applied, is_applied) = oneshot::channel();
    let (release, released) = mpsc::channel();
    let on_disk = Arc::new(AtomicBool::new(false));
    let writing = {
        let store = store.clone();
        async move {
            let work = move |writer: &mut Writer| {
                let outcome = writer.admit(&admission(1, &["H02"]));
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
            let found = store.delivery(delivery_id(1, "H02")).await.expect("read");
            (found.is_some(), on_disk.load(Ordering::SeqCst))
        }
    };
    let releasing = async {
        // Time for the reader to look, so that it would answer too early if it could.
        for _ in 0..200 {
            tokio::task::spawn_blocking(|| ()).await.expect("done");
        }
        on_disk.store(true, Ordering::SeqCst);
        release.send(()).expect("released");
    };
    let (outcome, read, ()) = tokio::join!(writing, reading, releasing);
    assert_eq!((outcome, read), (Admitted::Inserted, (true, true)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_queued_goes_under_one_barrier() {
    let (_dir, store) = opened();
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
