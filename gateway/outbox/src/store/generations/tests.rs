//! Generations of one store answer as one tree would, whatever is written while the next one is filled, and whichever of
//! them is lost.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::path::Path;

use lienthong_pipeline::ports::{Listing, OutboxStore, Transition};
use lienthong_pipeline::record::{AdapterKind, Delivery, Lane, Move, State};
use lienthong_schemas::business_state::BusinessState;
use lienthong_schemas::ids::StandingKey;
use tempfile::TempDir;

use super::filter::Filter;
use super::layers::{Layers, Older};
use super::*;
use crate::MemoryStore;
use crate::contract::samples::*;
use crate::open::{Opened, open_or_rebuild};
use crate::store::engine::{Bounds, Engine};
use crate::store::{FileStore, Writer};

crate::over_both_engines! {
    #[tokio::test] layers_are_read_as_one_tree;
    #[tokio::test] a_store_that_rotates_answers_like_one_that_does_not;
    #[tokio::test] a_generation_that_was_not_filled_goes_and_the_one_before_goes_on;
    #[tokio::test] a_generation_that_cannot_be_made_is_given_up;
    #[tokio::test] the_oldest_generation_goes_and_nothing_with_it;
    #[tokio::test] losing_the_newest_generation_loses_nothing;
    #[tokio::test] losing_an_older_generation_loses_nothing;
    #[tokio::test] an_older_generation_that_lacks_something_is_found_out;
    #[tokio::test] a_store_of_one_tree_becomes_the_first_generation;
}

/// Steele, Lea, Flood: Fast splittable pseudorandom number generators (OOPSLA 2014).
struct Lot(u64);

impl Lot {
    fn draw(&mut self, below: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % below
    }
}

async fn layers_are_read_as_one_tree(engine: Engine) {
    let mut lot = Lot(7);
    let families = ["b|", "d|", "e|", "h|", "i|", "k|", "m|", "s|", "p|", "r|", "z|"];
    let mut key = || {
        let family = families[lot.draw(11) as usize];
        let id = "x".repeat(15) + &lot.draw(3).to_string();
        match lot.draw(3) {
            0 => format!("{family}{id}").into_bytes(),
            1 => format!("{family}{id}{}", lot.draw(4)).into_bytes(),
            _ => format!("{family}{}", lot.draw(9)).into_bytes(),
        }
    };
    let dir = tempfile::tempdir().expect("a folder");
    let mut trees = Vec::new();
    let mut model = BTreeMap::new();
    for n in 0..4 {
        let folder = dir.path().join(n.to_string());
        crate::folder::make(&folder).expect("made");
        let mut backend = engine.open(&folder, 1 << 20).expect("opened");
        let (mut batch, mut filter) = (Batch::default(), Filter::for_keys(100));
        for _ in 0..60 {
            let key = key();
            // The last one made is the newest.
            if keys::is_kept(&key) || n == 3 {
                model.insert(key.clone(), vec![n]);
            }
            filter.insert(keys::family(&key));
            batch.insert(key, vec![n]);
        }
        backend.apply(batch).expect("applied");
        backend.barrier().expect("on disk");
        trees.push((backend.reader(), Arc::new(filter)));
    }
    let (newest, _) = trees.pop().expect("four");
    let older = trees.iter().rev().map(|(reader, filter)| Older::new(filter.clone(), &**reader));
    let layers = Layers { newest: newest.tree().expect("read"), older: older.collect() };
    let model: BTreeMap<Vec<u8>, Vec<u8>> = model;
    let mut places: Vec<Vec<u8>> = (0..80).map(|_| key()).chain(model.keys().cloned()).collect();
    places.extend(families.iter().flat_map(|family| [family.as_bytes().to_vec(), b"~".to_vec(), Vec::new()]));
    for key in &places {
        assert_eq!(layers.get(key).expect("read").map(|value| value.to_vec()).as_ref(), model.get(key));
    }
    let plain = |entries: crate::store::engine::Entries<'_>| -> Vec<(Vec<u8>, Vec<u8>)> {
        let entries = entries.map(|entry| entry.expect("read"));
        entries.map(|(key, value)| (key.to_vec(), value.to_vec())).collect()
    };
    let mut bounds: Vec<Bounds<'_>> = vec![(Bound::Unbounded, Bound::Unbounded)];
    for (n, start) in places.iter().enumerate() {
        let end = &*places[(n * 7 + 3) % places.len()];
        bounds.push((Bound::Included(start), Bound::Unbounded));
        bounds.push((Bound::Unbounded, Bound::Excluded(end)));
        bounds
            .extend([Bound::Included(end), Bound::Excluded(end)].map(|end| (Bound::Excluded(&**start), end)));
        bounds
            .extend([Bound::Included(end), Bound::Excluded(end)].map(|end| (Bound::Included(&**start), end)));
    }
    let families: Vec<(Vec<u8>, Bound<Vec<u8>>)> =
        places.iter().map(|key| (key.clone(), crate::store::engine::after(key))).collect();
    bounds
        .extend(families.iter().map(|(key, end)| (Bound::Included(&**key), end.as_ref().map(Vec::as_slice))));
    for bounds in bounds {
        let within = |key: &[u8]| is_within(key, bounds);
        let mut wanted: Vec<_> = model
            .iter()
            .filter(|(key, _)| within(key))
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect();
        assert_eq!(plain(layers.range(bounds)), wanted, "{bounds:?}");
        wanted.reverse();
        assert_eq!(plain(layers.range_back(bounds)), wanted, "{bounds:?}");
    }
}

fn is_within(key: &[u8], (start, end): Bounds<'_>) -> bool {
    let after_start = match start {
        Bound::Included(start) => key >= start,
        Bound::Excluded(start) => key > start,
        Bound::Unbounded => true,
    };
    let before_end = match end {
        Bound::Included(end) => key <= end,
        Bound::Excluded(end) => key < end,
        Bound::Unbounded => true,
    };
    after_start && before_end
}

const DOCUMENTS: u64 = 24;
const RECEIVERS: [&str; 3] = ["H02", "H03", "H04"];

fn standing(n: u64) -> StandingKey {
    StandingKey::of(&[(n % 5) as u8; 16], &organ("H02"))
}

fn document(n: u64) -> lienthong_pipeline::record::Admission {
    let mut document = admission(n, &RECEIVERS);
    document.idempotency = Some(idempotency(&n.to_string()));
    document.keys.status = Some([(n % 20) as u8; 16]);
    document.keys.name = Some([(n % 7) as u8; 16]);
    document.deliveries[1].lane = Lane::Urgent;
    let state: BusinessState = "01".parse().expect("a state");
    document.moves = vec![Move { key: standing(n), state, number: n as u32 + 1 }];
    document
}

/// One change drawn by lot, made to both.
async fn step(lot: &mut Lot, stores: [&dyn OutboxStore; 2]) {
    let n = lot.draw(DOCUMENTS);
    let id = delivery_id(n, RECEIVERS[lot.draw(3) as usize]);
    let what = lot.draw(14);
    let state = State::ALL[lot.draw(State::ALL.len() as u64) as usize];
    let at = later(lot.draw(1_000) as i64);
    let note = String::new();
    let mut answers = Vec::new();
    for store in stores {
        let known = store.delivery(id).await.expect("read");
        let change = match what {
            0..3 => {
                answers.push(format!("{:?}", store.admit(&document(n)).await.expect("written")));
                continue;
            }
            3 => {
                let events = store.unsent_events(1 + n as usize).await.expect("read");
                let numbers = events.into_iter().map(|(number, _)| number).collect();
                store.events_sent(numbers).await.expect("written");
                continue;
            }
            4 => {
                let (key, digest) = (idempotency(&format!("again {n}")), delivery(n, "H02").digest);
                store.remember(&key, document_id(n), digest, at).await.expect("written");
                continue;
            }
            5..7 => {
                let Some(known) = known else { continue };
                answers.push(format!("{:?}", store.hand_off(known).await.expect("written")));
                continue;
            }
            7..9 => Transition::Published { generation: known.map_or(1, |known| known.generation) },
            9 => Transition::Reported,
            10 => Transition::Requeued { note: note.clone() },
            11 => Transition::Closed { note: note.clone() },
            12 => failed(at),
            _ => settled(state),
        };
        answers.push(format!("{:?}", store.transition(id, at, change).await.expect("written")));
    }
    if let [one, other] = &answers[..] {
        assert_eq!(one, other);
    }
}

/// All that can be asked of a store.
async fn seen(store: &dyn OutboxStore) -> Vec<String> {
    let mut seen = Vec::new();
    let sorted = |mut deliveries: Vec<Delivery>| {
        deliveries.sort_by_key(|delivery| delivery.order);
        deliveries
    };
    for n in 0..DOCUMENTS {
        seen.push(format!("{:?}", store.deliveries_of(document_id(n)).await.expect("read")));
        for receiver in RECEIVERS {
            let id = delivery_id(n, receiver);
            seen.push(format!("{:?}", store.delivery(id).await.expect("read")));
            seen.push(format!("{:?}", store.history(id).await.expect("read")));
        }
        for key in [n.to_string(), format!("again {n}")] {
            seen.push(format!("{:?}", store.idempotent(&idempotency(&key), NOW).await.expect("read")));
        }
        seen.push(format!("{:?}", store.known([(n % 7) as u8; 16]).await.expect("read")));
        seen.push(format!("{:?}", store.status_seen([(n % 20) as u8; 16]).await.expect("read")));
    }
    let standings = (0..5).map(standing).collect();
    seen.push(format!("{:?}", store.standings(standings).await.expect("read")));
    for listing in [Listing::Pending, Listing::DeadLetters] {
        seen.push(format!("{listing:?} {:?}", ids(&store.list(listing, None, 999).await.expect("read"))));
    }
    seen.push(format!("{:?}", ids(&store.unpublished(999).await.expect("read"))));
    seen.push(format!("{:?}", sorted(store.not_taken_over(later(9_999), 999).await.expect("read"))));
    seen.push(format!("{:?}", store.unsent_events(9_999).await.expect("read")));
    seen.push(format!("{:?}", store.pending_reports(999).await.expect("read")));
    seen.push(format!("{:?}", store.receivers(AdapterKind::VendorHttp).await.expect("read")));
    for receiver in RECEIVERS {
        for lane in Lane::ALL {
            let token = organ(receiver).token();
            let heads = store.heads(AdapterKind::VendorHttp, &token, lane, 999);
            seen.push(format!("{:?}", heads.await.expect("read")));
            let waits = store.on_its_way(AdapterKind::VendorHttp, &token, lane, 999);
            seen.push(format!("{:?}", waits.await.expect("read")));
        }
    }
    seen.push(format!("{:?}", store.stats().await.expect("read")));
    seen
}

async fn agree(one: &dyn OutboxStore, other: &dyn OutboxStore) {
    let (one, other) = (seen(one).await, seen(other).await);
    for (one, other) in one.iter().zip(&other) {
        assert_eq!(one, other);
    }
    assert_eq!(one.len(), other.len());
}

fn opened(dir: &TempDir, engine: Engine) -> FileStore {
    FileStore::open(&dir.path().join("outbox"), engine, clock()).expect("opened")
}

async fn a_store_that_rotates_answers_like_one_that_does_not(engine: Engine) {
    for seed in 0..6 {
        let dir = tempfile::tempdir().expect("a folder");
        let (mut store, model, mut lot) = (opened(&dir, engine), MemoryStore::new(clock()), Lot(seed));
        for round in 0..5 {
            for _ in 0..40 {
                step(&mut lot, [&store, &model]).await;
            }
            // Changes come between any two steps of a rotation.
            store.change(Writer::begin_next).await.expect("begun");
            for _ in 0..lot.draw(20) {
                step(&mut lot, [&store, &model]).await;
            }
            while store.change(Writer::forward).await.expect("forward") {
                for _ in 0..lot.draw(8) {
                    step(&mut lot, [&store, &model]).await;
                }
            }
            agree(&store, &model).await;
            if round % 2 == 1 {
                store.close().await.expect("closed");
                drop(store);
                released(&dir, engine);
                store = opened(&dir, engine);
                agree(&store, &model).await;
            }
        }
        assert_eq!(store.generational().await.expect("read").count, 6);
    }
}

/// Returns when nobody has a generation open: an engine's own threads let go of it a moment after it is dropped.
fn released(dir: &TempDir, engine: Engine) {
    for number in numbers(&dir.path().join("outbox")).expect("listed") {
        let path = dir.path().join("outbox").join(number.to_string()).join(engine.file());
        std::fs::File::open(path).expect("there").lock().expect("the lock that the engine takes");
    }
}

/// A store in every state, and what is to be seen of it.
async fn filled(dir: &TempDir, engine: Engine) -> (FileStore, MemoryStore) {
    let (store, model, mut lot) = (opened(dir, engine), MemoryStore::new(clock()), Lot(3));
    for _ in 0..300 {
        step(&mut lot, [&store, &model]).await;
    }
    (store, model)
}

async fn a_generation_that_was_not_filled_goes_and_the_one_before_goes_on(engine: Engine) {
    let dir = tempfile::tempdir().expect("a folder");
    let (store, model) = filled(&dir, engine).await;
    store.change(Writer::begin_next).await.expect("begun");
    assert!(store.change(Writer::forward).await.expect("forward"), "there is more");
    store.close().await.expect("closed");
    drop(store);
    released(&dir, engine);
    let store = opened(&dir, engine);
    agree(&store, &model).await;
    assert_eq!(store.generational().await.expect("read").count, 1);
    assert!(!dir.path().join("outbox/2").exists());
    store.rotate().await.expect("rotated");
    agree(&store, &model).await;
    // Begun once more and left so: the next one begins from the start.
    store.change(Writer::begin_next).await.expect("begun");
    store.rotate().await.expect("rotated");
    agree(&store, &model).await;
    assert_eq!(store.generational().await.expect("read").count, 3);
}

async fn a_generation_that_cannot_be_made_is_given_up(engine: Engine) {
    let dir = tempfile::tempdir().expect("a folder");
    let (store, model) = filled(&dir, engine).await;
    std::fs::write(dir.path().join("outbox/2"), "in the way").expect("written");
    std::fs::create_dir_all(dir.path().join("outbox/2.gone/for ever")).expect("made");
    let fault = store.rotate().await.expect_err("cannot be made");
    assert!(!fault.fatal, "{fault:?}");
    agree(&store, &model).await;
    std::fs::remove_dir_all(dir.path().join("outbox/2.gone")).expect("gone");
    store.rotate().await.expect("rotated");
    agree(&store, &model).await;
}

async fn the_oldest_generation_goes_and_nothing_with_it(engine: Engine) {
    let dir = tempfile::tempdir().expect("a folder");
    let (store, model) = filled(&dir, engine).await;
    let mut lot = Lot(11);
    for _ in 0..3 {
        store.rotate().await.expect("rotated");
        for _ in 0..60 {
            step(&mut lot, [&store, &model]).await;
        }
    }
    assert!(!store.drop_oldest(NOW).await.expect("looked"), "none is so old");
    for count in [3, 2, 1] {
        assert!(store.drop_oldest(later(1)).await.expect("dropped"));
        agree(&store, &model).await;
        assert_eq!(store.generational().await.expect("read").count, count);
    }
    assert!(!store.drop_oldest(later(1)).await.expect("looked"), "the newest stays");
    assert_eq!(numbers(&dir.path().join("outbox")).expect("listed"), [4]);
    store.close().await.expect("closed");
    drop(store);
    released(&dir, engine);
    agree(&opened(&dir, engine), &model).await;
}

/// A spool with documents of which some are over, some are not, and some changed after the store rotated.
async fn two_generations(dir: &Path, engine: Engine) -> Vec<Option<State>> {
    use bytes::Bytes;
    use lienthong_pipeline::ports::Spool;

    let (store, spool, _) = open_or_rebuild(dir, engine, clock()).expect("opened");
    let admit = async |n: u64| {
        let mut writer = spool.receive().await.expect("a file");
        writer.write(Bytes::from(packet(n))).await.expect("written");
        let document = admission(n, &["H02"]);
        spool.admit(writer.finish().await.expect("whole"), &document).await.expect("admitted");
        store.admit(&document).await.expect("admitted");
    };
    let settle = async |n: u64, state: State| {
        change(&store, delivery_id(n, "H02"), settled(state)).await;
        spool.settled(document_id(n), delivery_id(n, "H02"), state, NOW).await.expect("noted");
    };
    let requeue = async |n: u64| {
        spool.settled(document_id(n), delivery_id(n, "H02"), State::Queued, later(5)).await.expect("noted");
        let (id, note) = (delivery_id(n, "H02"), String::new());
        store.transition(id, later(5), Transition::Requeued { note }).await.expect("written").expect("fits");
    };
    for n in 0..8 {
        admit(n).await;
    }
    settle(0, State::Received).await;
    settle(1, State::Refused).await;
    settle(2, State::Refused).await;
    change(&store, delivery_id(2, "H02"), Transition::Closed { note: String::new() }).await;
    spool.closed(document_id(2), delivery_id(2, "H02")).await.expect("noted");
    // The disk was full just then: nothing is noted.
    change(&store, delivery_id(3, "H02"), settled(State::Received)).await;
    change(&store, delivery_id(3, "H02"), Transition::Reported).await;
    settle(7, State::GivenUp).await;
    requeue(7).await;
    store.rotate().await.expect("rotated");
    settle(4, State::Received).await;
    requeue(1).await;
    settle(7, State::Received).await;
    admit(8).await;
    admit(9).await;
    settle(9, State::Received).await;
    states(&store).await
}

async fn states(store: &FileStore) -> Vec<Option<State>> {
    let mut states = Vec::new();
    for n in 0..10 {
        let delivery = store.delivery(delivery_id(n, "H02")).await.expect("read");
        states.push(delivery.map(|delivery| delivery.state));
    }
    states
}

async fn losing_the_newest_generation_loses_nothing(engine: Engine) {
    for how in ["lost", "noted", "damaged"] {
        let dir = tempfile::tempdir().expect("a folder");
        let before = two_generations(dir.path(), engine).await;
        released_below(dir.path(), engine);
        let newest = dir.path().join("outbox/2");
        match how {
            "lost" => std::fs::remove_dir_all(&newest).expect("lost"),
            "noted" => std::fs::write(newest.join("DAMAGED"), "").expect("noted"),
            _ => spoil(&newest, engine),
        }
        let (store, spool, opened) = open_or_rebuild(dir.path(), engine, clock()).expect("opened");
        assert!(matches!(opened, Opened::Rebuilt(_)), "{how}: {opened:?}");
        assert_eq!(states(&store).await, before, "{how}");
        let check = store.check(&spool, true).await.expect("checked");
        // What ended without a note stands in the older generation.
        assert!(check.is_clean() && check.unnoted == 1, "{how}: {check:?}");
        let generation = async |n| {
            let delivery = store.delivery(delivery_id(n, "H02")).await.expect("read");
            delivery.map(|delivery| (delivery.generation > 1_000, delivery.handed_off))
        };
        for n in [1, 5, 6, 8] {
            assert_eq!(generation(n).await, Some((true, false)), "{how} {n}: the broker may know it");
        }
        assert_eq!(store.stats().await.expect("read").pending, 4, "{how}");
        assert_eq!(store.unpublished(99).await.expect("read").len(), 4, "{how}");
        let order: Vec<u64> =
            store.unpublished(99).await.expect("read").iter().map(|delivery| delivery.order).collect();
        assert!(order.is_sorted_by(|one, other| one < other), "{order:?}");
        drop((store, spool));
        released_below(dir.path(), engine);
        let (store, _, opened) = open_or_rebuild(dir.path(), engine, clock()).expect("opened");
        assert_eq!(opened, Opened::Existing, "{how}");
        assert_eq!(states(&store).await, before, "{how}");
    }
}

fn released_below(dir: &Path, engine: Engine) {
    for number in numbers(&dir.join("outbox")).expect("listed") {
        let path = dir.join("outbox").join(number.to_string()).join(engine.file());
        std::fs::File::open(path).expect("there").lock().expect("the lock that the engine takes");
    }
}

async fn losing_an_older_generation_loses_nothing(engine: Engine) {
    let dir = tempfile::tempdir().expect("a folder");
    let mut before = two_generations(dir.path(), engine).await;
    released_below(dir.path(), engine);
    spoil(&dir.path().join("outbox/1"), engine);
    let (store, spool, opened) = open_or_rebuild(dir.path(), engine, clock()).expect("opened");
    assert!(dir.path().join("outbox.broken-1").exists() && !dir.path().join("outbox/1").exists());
    assert!(
        matches!(opened, Opened::Rebuilt(rebuilt) if rebuilt.documents == 8),
        "all that only that one knew"
    );
    // It ended without a note, so it is tried once more, with the same ids.
    before[3] = Some(State::Queued);
    assert_eq!(states(&store).await, before);
    let check = store.check(&spool, true).await.expect("checked");
    assert!(check.is_clean(), "{check:?}");
}

async fn a_store_of_one_tree_becomes_the_first_generation(engine: Engine) {
    for cut in [false, true] {
        let dir = tempfile::tempdir().expect("a folder");
        let before = {
            let (store, spool, _) = open_or_rebuild(dir.path(), engine, clock()).expect("opened");
            drop((store, spool));
            two_generations(dir.path(), engine).await
        };
        released_below(dir.path(), engine);
        // As an earlier program kept it: the folder itself, or half way to the first generation.
        let root = dir.path().join("outbox");
        std::fs::remove_dir_all(&root).expect("removed");
        let (store, spool, _) = open_or_rebuild(dir.path(), engine, clock()).expect("opened");
        drop((store, spool));
        released_below(dir.path(), engine);
        let aside = dir.path().join(if cut { "outbox.upgrade" } else { "one tree" });
        std::fs::rename(root.join("1"), &aside).expect("moved");
        std::fs::remove_dir(&root).expect("empty");
        if !cut {
            std::fs::rename(&aside, &root).expect("moved");
        }
        std::fs::write(dir.path().join("FORMAT"), "lienthong 2\n").expect("written");
        let lock = crate::DataLock::acquire(dir.path()).expect("free");
        if !cut {
            assert!(
                crate::check(&lock, dir.path(), false).expect("checked").is_clean(),
                "it is read as it is"
            );
            released_path(&root.join(engine.file()));
        }
        let (store, _, opened) = open_or_rebuild(dir.path(), engine, clock()).expect("opened");
        assert_eq!(opened, Opened::Existing);
        let mut wanted = before;
        wanted[3] = Some(State::Queued);
        assert_eq!(states(&store).await, wanted);
        assert_eq!(numbers(&root).expect("listed"), [1]);
        assert_eq!(std::fs::read(dir.path().join("FORMAT")).expect("read"), b"lienthong 3\n");
    }
}

fn released_path(path: &Path) {
    std::fs::File::open(path).expect("there").lock().expect("the lock that the engine takes");
}

/// Every value of it is whole, so it is found out only when the newest one was made anew and all is still not right.
async fn an_older_generation_that_lacks_something_is_found_out(engine: Engine) {
    let dir = tempfile::tempdir().expect("a folder");
    let mut before = two_generations(dir.path(), engine).await;
    released_below(dir.path(), engine);
    let backend = engine.open(&dir.path().join("outbox/1"), 1 << 20).expect("opened");
    // It was over and dealt with, so nothing of it went on into the newest.
    let of_document = keys::of_document(document_id(2));
    let entry = {
        let tree = backend.tree().expect("read");
        let end = crate::store::engine::after(&of_document);
        let mut entries = tree.range((Bound::Included(&of_document), end.as_ref().map(Vec::as_slice)));
        entries.next().expect("there").expect("read").0.to_vec()
    };
    backend.reader().overwrite(&entry, None);
    drop(backend);
    released_below(dir.path(), engine);
    let (store, spool, opened) = open_or_rebuild(dir.path(), engine, clock()).expect("opened");
    assert!(matches!(opened, Opened::Rebuilt(rebuilt) if rebuilt.documents == 10), "all of it");
    let aside = |n: u32| dir.path().join(format!("outbox.broken-{n}"));
    assert!(aside(1).join(engine.file()).exists() && aside(2).join("1").exists() && !aside(3).exists());
    before[3] = Some(State::Queued);
    assert_eq!(states(&store).await, before);
    assert!(store.check(&spool, true).await.expect("checked").is_clean());
}
