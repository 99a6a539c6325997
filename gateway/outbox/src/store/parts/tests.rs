//! What parts change: others have their turn, and a cut between two leaves a document that the next start completes.

use std::cell::Cell;
use std::collections::HashSet;

use bytes::Bytes;
use lienthong_pipeline::ports::{OutboxStore, Spool, StoreStats};
use lienthong_schemas::ids::CorrelationKey;

use super::*;
use crate::contract::samples::*;
use crate::{Engine, open_or_rebuild, over_both_engines};

/// Document `n` to so many receivers.
fn fan_out(n: u64, count: usize) -> Admission {
    let codes: Vec<String> = (0..count).map(|code| format!("H{code}")).collect();
    admission(n, &codes.iter().map(String::as_str).collect::<Vec<_>>())
}

#[test]
fn parts_are_bounded_and_leave_nothing_out() {
    for (count, parts) in [(0, 1), (1, 1), (500, 1), (501, 2), (5_000, 10)] {
        let all: Vec<Part> = Part::of(&fan_out(1, count)).collect();
        assert_eq!(all.len(), parts, "{count}");
        let covered: Vec<usize> = all.iter().flat_map(|part| part.deliveries.clone()).collect();
        assert_eq!(covered, (0..count).collect::<Vec<_>>());
        assert!(all.iter().all(|part| part.deliveries.len() <= DELIVERIES_PER_PART));
        assert!(all.iter().rev().skip(1).all(|part| !part.is_last) && all.iter().any(|part| part.is_last));
    }
}

async fn other_changes_have_their_turn_between_parts(engine: Engine) {
    let dir = tempfile::tempdir().expect("a folder");
    let store = FileStore::open(&dir.path().join("outbox"), engine, clock()).expect("opened");
    let (large, ended) = (fan_out(1, 4 * DELIVERIES_PER_PART), Cell::new(false));
    let admitting = async {
        store.admit(&large).await.expect("admitted");
        ended.set(true);
    };
    let others = async {
        let mut turns = 0;
        while !ended.get() {
            turns += 1;
            store.admit(&admission(1 + turns, &["H02"])).await.expect("admitted");
        }
        turns
    };
    let ((), turns) = tokio::join!(admitting, others);
    assert!(turns >= 3, "{turns} turns beside four parts");
    assert_eq!(store.deliveries_of(document_id(1)).await.expect("read").len(), large.deliveries.len());
}

async fn what_is_unfit_in_a_later_part_is_refused_whole(engine: Engine) {
    let dir = tempfile::tempdir().expect("a folder");
    let store = FileStore::open(&dir.path().join("outbox"), engine, clock()).expect("opened");
    let mut unfit = fan_out(1, DELIVERIES_PER_PART + 1);
    let keys = (0..99).map(|key| CorrelationKey::of(&key.to_string()));
    unfit.deliveries[DELIVERIES_PER_PART].correlations = keys.collect();
    let fault = store.admit(&unfit).await.expect_err("too large");
    assert!(fault.cause.contains("at most") && !fault.fatal, "{fault:?}");
    assert_eq!(store.stats().await.expect("read"), StoreStats::default());
    assert_eq!(store.unsent_events(1).await.expect("read"), []);
}

async fn what_was_cut_off_between_parts_is_completed_at_the_next_start(engine: Engine) {
    let dir = tempfile::tempdir().expect("a folder");
    let (store, spool, _) = open_or_rebuild(dir.path(), engine, clock()).expect("opened");
    let whole = fan_out(1, 2 * DELIVERIES_PER_PART + 7);
    let mut incoming = spool.receive_ours().await.expect("a file");
    incoming.write(Bytes::from(packet(1))).await.expect("written");
    spool.admit(incoming.finish().await.expect("a packet"), &whole).await.expect("on disk");
    let first = Part::of(&whole).next().expect("a part");
    let admission = whole.clone();
    store.change(move |writer| writer.admit(&admission, first)).await.expect("the first part");
    let name = whole.keys.name.expect("a name");
    assert_eq!(store.known(name).await.expect("read"), [], "not known yet");
    store.close().await.expect("closed");
    drop((store, spool));

    let (store, _spool, _) = open_or_rebuild(dir.path(), engine, clock()).expect("opened again");
    assert_eq!(store.known(name).await.expect("read").len(), 1);
    let found = store.deliveries_of(document_id(1)).await.expect("read");
    assert_eq!(ids(&found), ids(&whole.deliveries));
    assert!(found.iter().is_sorted_by_key(|delivery| delivery.order));
    assert_eq!(store.stats().await.expect("read").pending, whole.deliveries.len() as u64);
    let events = store.unsent_events(usize::MAX).await.expect("read");
    let accepted: Vec<_> = events.iter().filter(|(_, event)| event.entry.event == "accepted").collect();
    let of: HashSet<_> = accepted.iter().map(|(_, event)| event.delivery).collect();
    assert_eq!((accepted.len(), of.len()), (whole.deliveries.len(), whole.deliveries.len()), "each once");
    assert_eq!(store.admit(&whole).await.expect("known"), Admitted::Existing);
}

over_both_engines! {
    #[tokio::test] other_changes_have_their_turn_between_parts;
    #[tokio::test] what_is_unfit_in_a_later_part_is_refused_whole;
    #[tokio::test] what_was_cut_off_between_parts_is_completed_at_the_next_start;
}
