//! A process that dies at a named point while the store begins its next generation, or removes its oldest one, loses
//! nothing.

mod child;

use std::path::Path;

use bytes::Bytes;
use lienthong_outbox::contract::samples::*;
use lienthong_outbox::{Engine, FileSpool, FileStore, Opened, open_or_rebuild};
use lienthong_pipeline::ports::{Listing, OutboxStore, Spool, Transition};
use lienthong_pipeline::record::{AdapterKind, Lane, State};

const DOCUMENTS: u64 = 280;
const RECEIVERS: [&str; 2] = ["H02", "H03"];
const TEST: &str = "a_death_at_any_point_loses_nothing";
const ENGINE: &str = "LIENTHONG_OUTBOX_TEST_ENGINE";
const POINTS: [&str; 6] = [
    "after-generation-begun",
    "while-generation-filled",
    "after-generation-whole",
    "after-generation-left",
    "before-generation-removed",
    "never",
];

#[test]
fn a_death_at_any_point_loses_nothing() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    if let Some(data_dir) = child::data_dir() {
        let name = std::env::var_os(ENGINE).and_then(|name| name.into_string().ok());
        let name = name.expect("set by the parent");
        return runtime.block_on(rotate(&data_dir, Engine::named(&name).expect("an engine")));
    }
    for engine in Engine::ALL {
        let dir = tempfile::tempdir().expect("a folder");
        let wanted = runtime.block_on(filled(dir.path(), engine));
        for point in POINTS {
            let mut command = child::command(TEST, dir.path(), "");
            command.env(ENGINE, engine.as_str()).env("LIENTHONG_CRASH_AT", point);
            let ended = command.output().expect("ended");
            assert_eq!(ended.status.success(), point == "never", "{point}: {ended:?}");
            let found = runtime.block_on(seen(dir.path(), engine, point));
            assert_eq!(found, wanted, "{engine:?}, dead {point}");
        }
    }
}

/// Begins the next generation, and removes the oldest when there are three.
async fn rotate(data_dir: &Path, engine: Engine) {
    let (store, ..) = open_or_rebuild(data_dir, engine, clock()).expect("opened");
    store.rotate().await.expect("rotated");
    child::tell(format_args!("rotated"));
    store.drop_oldest(later(1)).await.expect("dropped");
    store.close().await.expect("closed");
}

async fn filled(data_dir: &Path, engine: Engine) -> Vec<String> {
    let (store, spool, _) = open_or_rebuild(data_dir, engine, clock()).expect("opened");
    for n in 0..DOCUMENTS {
        one_document(&store, &spool, n).await;
    }
    store.close().await.expect("closed");
    drop((store, spool));
    seen(data_dir, engine, "before").await
}

async fn one_document(store: &FileStore, spool: &FileSpool, n: u64) {
    let mut writer = spool.receive().await.expect("a file");
    writer.write(Bytes::from(packet(n))).await.expect("written");
    let document = admission(n, &RECEIVERS);
    spool.admit(writer.finish().await.expect("whole"), &document).await.expect("admitted");
    store.admit(&document).await.expect("admitted");
    let id = delivery_id(n, "H02");
    if n.is_multiple_of(4) {
        return;
    }
    change(store, id, Transition::Published { generation: 1 }).await;
    store.hand_off(delivery(n, "H02")).await.expect("handed off");
    let state = match n % 4 {
        1 => return,
        2 => State::Received,
        _ => State::Refused,
    };
    change(store, id, settled(state)).await;
    spool.settled(document_id(n), id, state, NOW).await.expect("noted");
    if n % 8 == 2 {
        change(store, id, Transition::Reported).await;
        spool.reported(document_id(n), id).await.expect("noted");
    }
}

/// What the store says of everything.
async fn seen(data_dir: &Path, engine: Engine, when: &str) -> Vec<String> {
    let (store, spool, opened) = open_or_rebuild(data_dir, engine, clock()).expect("opened");
    assert_eq!(opened, Opened::Existing, "{when}");
    let check = store.check(&spool, true).await.expect("checked");
    assert!(check.is_clean(), "{when}: {check:?}");
    let mut seen = Vec::new();
    for n in 0..DOCUMENTS {
        seen.push(format!("{:?}", store.deliveries_of(document_id(n)).await.expect("read")));
        for receiver in RECEIVERS {
            seen.push(format!("{:?}", store.history(delivery_id(n, receiver)).await.expect("read")));
        }
    }
    for listing in [Listing::Pending, Listing::DeadLetters] {
        seen.push(format!("{:?}", ids(&store.list(listing, None, usize::MAX).await.expect("read"))));
    }
    seen.push(format!("{:?}", store.unsent_events(usize::MAX).await.expect("read")));
    seen.push(format!("{:?}", store.pending_reports(usize::MAX).await.expect("read")));
    seen.push(format!("{:?}", store.unpublished(usize::MAX).await.expect("read")));
    let token = organ("H02").token();
    let heads = store.heads(AdapterKind::VendorHttp, &token, Lane::Normal, usize::MAX);
    seen.push(format!("{:?}", heads.await.expect("read")));
    seen.push(format!("{:?}", store.stats().await.expect("read")));
    store.close().await.expect("closed");
    seen
}
