//! What an operator does with a store while no gateway runs: written out, moved to the other engine and back, built anew.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Write};
use std::path::Path;

use bytes::Bytes;
use lienthong_outbox::contract::samples::*;
use lienthong_outbox::{
    DataLock, Engine, FileSpool, FileStore, OfflineFault, Opened, export, migrate, open_or_rebuild, rebuild,
};
use lienthong_pipeline::ports::{OutboxStore, Spool, Transition};
use lienthong_pipeline::record::State;
use serde_json::Value;
use tempfile::TempDir;

lienthong_outbox::over_both_engines! {
    #[tokio::test] every_delivery_is_written_out_with_its_history;
    #[tokio::test] what_cannot_be_written_out_is_a_fault;
    #[tokio::test] a_store_goes_to_the_other_engine_and_back_as_it_is;
    #[tokio::test] a_migration_that_was_cut_off_leaves_the_old_store_or_the_new_one;
    #[tokio::test] a_damaged_store_is_not_migrated_but_built_anew;
    #[tokio::test] what_the_store_lost_is_built_anew_from_the_spool;
}

const DOCUMENTS: u64 = 60;

fn other(engine: Engine) -> Engine {
    Engine::ALL.into_iter().find(|other| *other != engine).expect("there are two")
}

async fn admit(store: &FileStore, spool: &FileSpool, n: u64) {
    let mut writer = spool.receive().await.expect("a file");
    writer.write(Bytes::from(packet(n))).await.expect("written");
    let mut admitted = admission(n, &["H02", "H03"]);
    admitted.idempotency = Some(idempotency(&format!("key|{n}")));
    spool.admit(writer.finish().await.expect("whole"), &admitted).await.expect("admitted");
    store.admit(&admitted).await.expect("admitted");
}

/// A data folder in which nobody is at work: documents in several states, in two generations.
async fn filled(engine: Engine) -> TempDir {
    let dir = tempfile::tempdir().expect("a folder");
    let (store, spool, _) = open_or_rebuild(dir.path(), engine, clock()).expect("opened");
    for n in 0..DOCUMENTS {
        if n == DOCUMENTS / 2 {
            store.rotate().await.expect("rotated");
        }
        admit(&store, &spool, n).await;
        let id = delivery_id(n, "H02");
        change(&store, id, Transition::Published { generation: 1 }).await;
        if n % 3 == 0 {
            store.hand_off(delivery(n, "H02")).await.expect("handed off");
            change(&store, id, settled(State::Received)).await;
            spool.settled(document_id(n), id, State::Received, NOW).await.expect("noted");
        }
    }
    store.close().await.expect("closed");
    dir
}

fn locked(dir: &TempDir) -> DataLock {
    DataLock::acquire(dir.path()).expect("free")
}

fn exported(dir: &TempDir) -> Vec<Value> {
    let mut out = Vec::new();
    export(&locked(dir), dir.path(), &mut out).expect("written out");
    out.split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
        .map(|line| serde_json::from_slice(line).expect("each line is JSON"))
        .collect()
}

fn names(dir: &TempDir) -> BTreeSet<String> {
    let entries = fs::read_dir(dir.path()).expect("a folder");
    entries.map(|entry| entry.expect("an entry").file_name().into_string().expect("UTF-8")).collect()
}

async fn every_delivery_is_written_out_with_its_history(engine: Engine) {
    let dir = filled(engine).await;
    let lines = exported(&dir);
    let of = |kind: &str| lines.iter().filter(|line| line["kind"] == kind).collect::<Vec<_>>();
    assert_eq!(of("document").len() as u64, DOCUMENTS);
    let deliveries = of("delivery");
    assert_eq!(deliveries.len() as u64, 2 * DOCUMENTS);
    for n in 0..DOCUMENTS {
        let id = delivery_id(n, "H02").to_string();
        let line = deliveries.iter().find(|line| line["delivery"]["id"] == id.as_str()).expect("there");
        let words: Vec<_> = line["history"].as_array().expect("lines").iter().map(|l| &l["event"]).collect();
        let wanted: &[&str] = if n % 3 == 0 {
            &["accepted", "published", "handed_off", "settled"]
        } else {
            &["accepted", "published"]
        };
        assert_eq!(words, wanted);
    }
    let keys: BTreeSet<_> =
        of("idempotency").iter().map(|line| line["key"].as_str().expect("text")).collect();
    assert!(keys.len() as u64 == DOCUMENTS && keys.contains("key|7"), "{keys:?}");
    let end = lines.last().expect("a last line");
    assert_eq!(
        (&end["kind"], &end["documents"], &end["deliveries"]),
        (&"end".into(), &60.into(), &120.into())
    );
    assert_eq!(lines, exported(&dir), "nothing changes");
    let (_, _, found) = open_or_rebuild(dir.path(), engine, clock()).expect("opened");
    assert_eq!(found, Opened::Existing);
}

/// Takes a few bytes.
struct Small(usize);

impl Write for Small {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 = self.0.checked_sub(bytes.len()).ok_or(io::ErrorKind::StorageFull)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

async fn what_cannot_be_written_out_is_a_fault(engine: Engine) {
    let dir = filled(engine).await;
    let full = export(&locked(&dir), dir.path(), &mut Small(5_000)).expect_err("it does not fit");
    assert!(matches!(full, OfflineFault::Io { .. }), "{full}");
    fs::remove_dir_all(dir.path().join("outbox")).expect("lost");
    let none = export(&locked(&dir), dir.path(), &mut Vec::new()).expect_err("there is none");
    assert!(matches!(none, OfflineFault::NoStore(_)), "{none}");
    assert!(matches!(migrate(&locked(&dir), dir.path(), engine), Err(OfflineFault::NoStore(_))));
    assert!(!dir.path().join("outbox").exists(), "nobody makes one");
}

async fn a_store_goes_to_the_other_engine_and_back_as_it_is(engine: Engine) {
    let dir = filled(engine).await;
    let before = exported(&dir);
    for (from, to, kept) in
        [(engine, other(engine), true), (other(engine), engine, true), (engine, engine, false)]
    {
        let moved = migrate(&locked(&dir), dir.path(), to).expect("migrated");
        assert_eq!((moved.from, moved.to, moved.kept_at.is_some()), (from.as_str(), to.as_str(), kept));
        assert_eq!(moved.entries > 10 * DOCUMENTS, kept, "{moved:?}");
        assert_eq!(exported(&dir), before);
    }
    let aside = ["sled-1", "redb-1"].map(|name| format!("outbox.{name}"));
    assert!(aside.iter().all(|name| names(&dir).contains(name)), "{:?}", names(&dir));
    let (store, spool, found) = open_or_rebuild(dir.path(), engine, clock()).expect("opened");
    assert_eq!(found, Opened::Existing);
    assert!(store.check(&spool, true).await.expect("checked").is_clean());
    admit(&store, &spool, DOCUMENTS).await;
}

/// As a kill leaves the folders at each step; the crash drill kills the program itself there.
async fn a_migration_that_was_cut_off_leaves_the_old_store_or_the_new_one(engine: Engine) {
    let rename =
        |dir: &Path, from: &str, to: &str| fs::rename(dir.join(from), dir.join(to)).expect("renamed");
    let dir = filled(engine).await;
    let before = exported(&dir);
    let migrated = |dir: &TempDir| {
        let moved = migrate(&locked(dir), dir.path(), other(engine)).expect("migrated");
        moved.kept_at.expect("kept").file_name().expect("a name").to_str().expect("UTF-8").to_owned()
    };
    let opened = |dir: &TempDir, engine| {
        let (_, _, found) = open_or_rebuild(dir.path(), engine, clock()).expect("opened");
        assert_eq!(found, Opened::Existing);
    };
    // Cut off while it was copied.
    fs::create_dir(dir.path().join("outbox.migrating")).expect("made");
    fs::write(dir.path().join("outbox.migrating/half"), b"x").expect("written");
    opened(&dir, engine);
    assert!(!names(&dir).contains("outbox.migrating"));
    // The copy is whole, and nothing has changed its place.
    let kept = migrated(&dir);
    rename(dir.path(), "outbox", "outbox.migrated");
    rename(dir.path(), &kept, "outbox");
    opened(&dir, engine);
    assert!(!names(&dir).contains("outbox.migrated"), "the store goes on, so the copy is old");
    assert_eq!(exported(&dir), before);
    // The old one is aside, and the new one not yet in its place.
    migrated(&dir);
    rename(dir.path(), "outbox", "outbox.migrated");
    assert_eq!(exported(&dir), before, "whoever only looks finds it");
    assert!(names(&dir).contains("outbox.migrated"), "and leaves it");
    opened(&dir, other(engine));
    assert_eq!(exported(&dir), before);
}

async fn a_damaged_store_is_not_migrated_but_built_anew(engine: Engine) {
    let dir = filled(engine).await;
    fs::write(dir.path().join("outbox/1/DAMAGED"), b"").expect("noted");
    let refused = migrate(&locked(&dir), dir.path(), other(engine)).expect_err("damaged");
    assert!(matches!(refused, OfflineFault::Damaged(_)), "{refused}");
    assert!(refused.to_string().contains("lienthong outbox rebuild"), "{refused}");
    assert!(!names(&dir).contains("outbox.migrating"), "nothing is left of it");
    assert!(matches!(export(&locked(&dir), dir.path(), &mut Vec::new()), Err(OfflineFault::Damaged(_))));
    let rebuilt = rebuild(&locked(&dir), dir.path(), engine, clock()).expect("built anew");
    assert_eq!((rebuilt.documents, rebuilt.damaged), (DOCUMENTS, 0));
    migrate(&locked(&dir), dir.path(), other(engine)).expect("migrated");
    spoil(&dir.path().join("outbox/1"), other(engine));
    assert!(matches!(migrate(&locked(&dir), dir.path(), engine), Err(OfflineFault::Damaged(_))));
}

async fn what_the_store_lost_is_built_anew_from_the_spool(engine: Engine) {
    let dir = filled(engine).await;
    for n in 1..=2 {
        let rebuilt = rebuild(&locked(&dir), dir.path(), engine, clock()).expect("built anew");
        assert_eq!((rebuilt.documents, rebuilt.unsettled, rebuilt.damaged), (DOCUMENTS, 100, 0));
        assert_eq!(rebuilt.moved_to, Some(dir.path().join(format!("outbox.broken-{n}"))));
    }
    fs::remove_dir_all(dir.path().join("outbox")).expect("lost");
    let torn = dir.path().join("admissions").join(document_id(1).to_string());
    fs::write(&torn, b"1\n{").expect("torn");
    let rebuilt = rebuild(&locked(&dir), dir.path(), other(engine), clock()).expect("built anew");
    assert_eq!((rebuilt.documents, rebuilt.damaged, rebuilt.moved_to), (DOCUMENTS - 1, 1, None));
}
