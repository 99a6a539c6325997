//! Stores as an earlier program left them.

use std::collections::BTreeMap;
use std::fs::File;
use std::ops::Bound;
use std::sync::Arc;

use lienthong_pipeline::ports::{Listing, OutboxStore, Transition};
use lienthong_pipeline::record::{AdapterKind, Beyond, State, SystemId};
use lienthong_schemas::ids::CorrelationKey;
use tempfile::TempDir;

use super::*;
use crate::contract::samples::*;
use crate::store::FileStore;
use crate::store::engine::{Engine, SharedReader, unsynced};
use crate::store::writer::open_engine;

crate::over_both_engines! {
    #[tokio::test] a_store_of_the_first_layout_is_indexed_as_if_it_were_new;
    #[tokio::test] a_change_of_another_document_is_found_by_that_ones_name;
    #[tokio::test] what_was_cut_off_is_done_at_the_next_opening;
    #[tokio::test] a_newer_layout_is_refused_and_a_damaged_record_is_damage;
}

/// The store's first generation.
fn folder(dir: &TempDir) -> std::path::PathBuf {
    dir.path().join("outbox/1")
}

fn opened(dir: &TempDir, engine: Engine) -> FileStore {
    released(dir, engine);
    FileStore::open(&dir.path().join("outbox"), engine, clock()).expect("opened")
}

/// Returns when nobody has the store open: the engine's own threads let go of it a moment after it is dropped.
fn released(dir: &TempDir, engine: Engine) {
    if let Ok(file) = File::open(folder(dir).join(engine.file())) {
        file.lock().expect("the lock that the engine takes");
    }
}

fn below_the_store(dir: &TempDir, engine: Engine) -> (Box<dyn Backend>, Arc<dyn SharedReader>) {
    released(dir, engine);
    let backend = open_engine(&folder(dir), engine, 1 << 20).expect("opened");
    let reader = backend.reader();
    (backend, reader)
}

/// Documents in every state, to a system, and to two receivers behind an axis.
async fn filled(dir: &TempDir, engine: Engine, documents: u64) {
    let store = opened(dir, engine);
    for n in 0..documents {
        let mut document = admission(n, &["H02", "H03", "H04"]);
        for delivery in document.deliveries.iter_mut().skip(1) {
            delivery.route.adapter = AdapterKind::NationalAxis;
            delivery.route.system = SystemId::parse("vpcp").expect("an id");
        }
        store.admit(&document).await.expect("admitted");
        let state = State::ALL[n as usize % State::ALL.len()];
        for receiver in ["H02", "H03"] {
            let id = delivery_id(n, receiver);
            change(&store, id, Transition::Published { generation: 1 }).await;
            let found = store.delivery(id).await.expect("read").expect("known");
            store.hand_off(found).await.expect("handed off");
            if state != State::Queued {
                change(&store, id, settled(state)).await;
            }
        }
        if state == State::Refused && n % 2 == 0 {
            change(&store, delivery_id(n, "H02"), Transition::Closed { note: String::new() }).await;
        }
    }
    store.close().await.expect("closed");
}

fn all(reader: &dyn SharedReader) -> BTreeMap<Vec<u8>, Vec<u8>> {
    let tree = reader.tree().expect("read");
    let entries = tree.range((Bound::Unbounded, Bound::Unbounded)).map(|entry| entry.expect("read"));
    entries.map(|(key, value)| (key.to_vec(), value.to_vec())).collect()
}

/// As the first layout was: no entries for dead letters, queues under the receiver's own token, no mark.
fn aged(db: &dyn SharedReader) -> BTreeMap<Vec<u8>, Vec<u8>> {
    let whole = all(db);
    for key in whole.keys().filter(|key| key.starts_with(keys::DEAD_LETTERS) || *key == keys::LAYOUT) {
        db.overwrite(key, None);
    }
    let by_axis = SystemId::parse("vpcp").expect("an id");
    for (key, value) in whole.iter().filter(|(key, _)| key.starts_with(keys::DELIVERIES)) {
        let mut record: Record = unsealed(key, value).expect("whole");
        if record.delivery.route.system != by_axis {
            continue;
        }
        let id = record.delivery.id;
        let has = keys::indexes(&record);
        record.delivery.route.adapter = AdapterKind::VendorHttp;
        let had = keys::indexes(&record);
        for key in has.iter().filter(|key| !had.contains(key)) {
            db.overwrite(key, None);
        }
        for key in had.into_iter().filter(|key| !has.contains(key) && !key.starts_with(keys::DEAD_LETTERS)) {
            let sealed = crate::sealed::seal(&key, &id).expect("sealed");
            db.overwrite(&key, Some(&sealed));
        }
    }
    let aged = all(db);
    assert!(aged != whole && !aged.contains_key(keys::LAYOUT));
    whole.into_iter().map(|(key, value)| unclear(key, value)).collect()
}

/// A record as it stands after the upgrade: what was taken over and is not over may have been tried.
fn unclear(key: Vec<u8>, value: Vec<u8>) -> (Vec<u8>, Vec<u8>) {
    if !key.starts_with(keys::DELIVERIES) {
        return (key, value);
    }
    let mut record: Record = unsealed(&key, &value).expect("whole");
    if !record.delivery.handed_off || record.delivery.state.is_final() {
        return (key, value);
    }
    record.delivery.may_have_arrived = true;
    let sealed = crate::sealed::seal(&key, &record).expect("sealed");
    (key, sealed)
}

async fn a_store_of_the_first_layout_is_indexed_as_if_it_were_new(engine: Engine) {
    const DOCUMENTS: u64 = 200;
    let dir = tempfile::tempdir().expect("a folder");
    filled(&dir, engine, DOCUMENTS).await;
    let (backend, db) = below_the_store(&dir, engine);
    let whole = aged(&*db);
    assert!(all(&*db).keys().filter(|key| key.starts_with(keys::DELIVERIES)).count() > CHUNK);
    drop((backend, db));
    let store = opened(&dir, engine);
    assert!(all(&*store.reader().expect("open")) == whole, "key by key and byte by byte");
    let tried = store.delivery(delivery_id(0, "H02")).await.expect("read").expect("known");
    assert!(tried.state == State::Queued && tried.may_have_arrived && !tried.has_not_left());
    let fresh = store.delivery(delivery_id(0, "H04")).await.expect("read").expect("known");
    assert!(fresh.has_not_left(), "nobody had taken that one over");
    let dead = store.list(Listing::DeadLetters, None, usize::MAX).await.expect("read");
    assert!(!dead.is_empty() && dead.iter().all(|delivery| delivery.is_dead_letter()));
    let parked = &dead[0];
    let first =
        store.first_correlated(&parked.route.queue(), parked.correlations[0], None).await.expect("read");
    assert!(first.is_some());
    store.close().await.expect("closed");
}

/// The second layout, as programs wrote it that did not look for a document by the name of the one that it changes.
async fn a_change_of_another_document_is_found_by_that_ones_name(engine: Engine) {
    let dir = tempfile::tempdir().expect("a folder");
    let store = opened(&dir, engine);
    let changed = admission(1, &["H02"]).keys.name.expect("a name");
    for n in 1..=4 {
        let mut document = admission(n, &["H02"]);
        document.keys.changes = (n > 1).then_some(changed);
        // It has no name of its own.
        document.keys.name = document.keys.name.filter(|_| n != 4);
        store.admit(&document).await.expect("admitted");
    }
    store.close().await.expect("closed");
    let (backend, db) = below_the_store(&dir, engine);
    let whole = all(&*db);
    let of_changed = keys::names(&changed);
    let missing: Vec<_> = whole.keys().filter(|key| key.starts_with(&of_changed)).skip(1).collect();
    assert_eq!(missing.len(), 3);
    missing.into_iter().for_each(|key| db.overwrite(key, None));
    let second = crate::sealed::seal(keys::LAYOUT, &2_u8).expect("sealed");
    db.overwrite(keys::LAYOUT, Some(&second));
    drop((backend, db));
    // It is no damage.
    let store = opened(&dir, engine);
    let known = store.known(changed).await.expect("read");
    let mut found: Vec<_> = known.iter().map(|document| document.id).collect();
    // Where nothing says when it came, it is taken for the oldest.
    assert_eq!(found.remove(0), document_id(4));
    assert_eq!(found, [1, 2, 3].map(document_id));
    let upgraded = all(&*store.reader().expect("open"));
    assert_eq!((upgraded.len(), &upgraded[keys::LAYOUT]), (whole.len(), &whole[keys::LAYOUT]));
    store.close().await.expect("closed");
}

async fn what_was_cut_off_is_done_at_the_next_opening(engine: Engine) {
    let dir = tempfile::tempdir().expect("a folder");
    filled(&dir, engine, 20).await;
    let (backend, db) = below_the_store(&dir, engine);
    let whole = aged(&*db);
    let before = all(&*db);
    drop((backend, db));
    released(&dir, engine);
    // The first batch does not come onto the disk, and nothing more is done.
    let mut backend = unsynced(engine, &folder(&dir));
    let cut = upgrade(&mut *backend, &folder(&dir));
    assert!(matches!(cut, Err(StoreFault::Io { .. })), "{cut:?}");
    let half = all(&*backend.reader());
    assert!(half != whole && !half.contains_key(keys::LAYOUT));
    assert!(half != before || !backend.reader().is_ahead_of_disk());
    drop(backend);
    released(&dir, engine);
    let (mut backend, db) = below_the_store(&dir, engine);
    upgrade(&mut *backend, &folder(&dir)).expect("done");
    assert!(all(&*db) == whole);
}

async fn a_newer_layout_is_refused_and_a_damaged_record_is_damage(engine: Engine) {
    let dir = tempfile::tempdir().expect("a folder");
    filled(&dir, engine, 3).await;
    let (backend, db) = below_the_store(&dir, engine);
    let newer = crate::sealed::seal(keys::LAYOUT, &(LAYOUT + 1)).expect("sealed");
    db.overwrite(keys::LAYOUT, Some(&newer));
    drop((backend, db));
    released(&dir, engine);
    let fault = FileStore::open(&folder(&dir), engine, clock()).err().expect("refused");
    assert!(matches!(fault, StoreFault::Newer { found, .. } if found == LAYOUT + 1), "{fault}");

    let (backend, db) = below_the_store(&dir, engine);
    db.overwrite(keys::LAYOUT, None);
    db.overwrite(&keys::delivery(delivery_id(1, "H02")), Some(b"cut"));
    drop((backend, db));
    released(&dir, engine);
    let fault = FileStore::open(&folder(&dir), engine, clock()).err().expect("refused");
    assert!(matches!(fault, StoreFault::Damaged { .. }), "{fault}");
}

#[test]
fn every_index_has_its_prefix_in_the_list() {
    let mut record =
        Record { delivery: delivery(1, "H02"), lines: 1, report: None, told: false, published_at: None };
    record.delivery.correlations.push(CorrelationKey::of("1/UBND"));
    let beyond = Beyond { doc_id: "id".to_owned(), since: NOW, due: Some(NOW), said: None };
    let mut seen = std::collections::BTreeSet::new();
    for (state, handed_off, published) in [
        (State::Queued, true, 1),
        (State::Queued, false, 1),
        (State::Queued, false, 0),
        (State::Offered, true, 1),
        (State::GivenUp, true, 1),
        (State::HandedOver, true, 1),
    ] {
        record.delivery.state = state;
        record.delivery.beyond = Some(beyond.clone());
        (record.delivery.handed_off, record.delivery.published) = (handed_off, published);
        record.published_at = (published == 1).then_some(NOW);
        record.report = (state == State::GivenUp).then_some(crate::change::Report { at: NOW, number: 1 });
        for key in keys::indexes(&record) {
            assert!(keys::INDEXES.iter().any(|prefix| key.starts_with(prefix)), "{}", keys::shown(&key));
            seen.insert(key[..2].to_vec());
        }
    }
    assert_eq!(seen.len(), keys::INDEXES.len());
}
