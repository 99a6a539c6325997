//! What was taken back stays so although the store is lost, as far as the notes beside the admissions say so; what they do
//! not say may have been tried, so it is delivered, in its order (docs/recall.md).

use std::fs;

use bytes::Bytes;
use lienthong_outbox::contract::samples::*;
use lienthong_outbox::{Engine, FileSpool, FileStore, open_or_rebuild};
use lienthong_pipeline::ports::{OutboxStore, Spool, Transition};
use lienthong_pipeline::record::{Admission, BootId, Fence, Move, Recall, RecallAct, State};
use lienthong_schemas::ids::{DeliveryId, StandingKey};
use tempfile::TempDir;

lienthong_outbox::over_both_engines! {
    #[tokio::test] what_a_kill_kept_from_the_store_is_decided_at_the_next_start;
    #[tokio::test] what_is_noted_of_a_withdrawal_is_enough_for_all_of_it;
    #[tokio::test] what_nobody_noted_is_delivered_in_its_order;
    #[tokio::test] what_was_held_is_held_unless_somebody_sent_it_on;
    #[tokio::test] a_check_finds_nothing_to_blame;
}

fn opened(dir: &TempDir, engine: Engine) -> (FileStore, FileSpool) {
    let (store, spool, _) = open_or_rebuild(dir.path(), engine, clock()).expect("opened");
    (store, spool)
}

/// Puts a document on disk, and only there.
async fn write(spool: &FileSpool, admission: &Admission, n: u64) {
    let mut writer = spool.receive().await.expect("a file");
    writer.write(Bytes::from(packet(n))).await.expect("written");
    spool.admit(writer.finish().await.expect("whole"), admission).await.expect("admitted");
}

async fn admit(store: &FileStore, spool: &FileSpool, admission: &Admission, n: u64) {
    write(spool, admission, n).await;
    store.admit(admission).await.expect("admitted");
}

fn key() -> StandingKey {
    StandingKey::of(&[7; 16], &organ("H02"))
}

fn to(number: u32, text: &str) -> Move {
    Move { key: key(), number, state: text.parse().expect("a state") }
}

/// Document `n` to H02, which asks for these.
fn asking(n: u64, act: RecallAct, of: &[u64]) -> Admission {
    let number = n as u32;
    let (moves, asks) = match act {
        RecallAct::Withdraw => (vec![to(number, "none 1")], vec![to(number, "withdrawn")]),
        RecallAct::Hold => (vec![to(number, "none 13")], Vec::new()),
    };
    let of = of.iter().map(|n| id(*n)).collect();
    let recall = Recall { by: id(n), act, of, moves: asks, at_holder: false };
    Admission { moves, recalls: vec![recall], ..admission(n, &["H02"]) }
}

fn id(n: u64) -> DeliveryId {
    delivery_id(n, "H02")
}

async fn states(store: &FileStore, documents: &[u64]) -> Vec<State> {
    let mut states = Vec::new();
    for n in documents {
        states.push(store.delivery(id(*n)).await.expect("read").expect("known").state);
    }
    states
}

async fn standing(store: &FileStore) -> String {
    let found = store.standings(vec![key()]).await.expect("read")[0];
    found.map_or_else(String::new, |standing| standing.state.to_string())
}

async fn owed(store: &FileStore) -> Vec<DeliveryId> {
    let owed = store.pending_reports(9).await.expect("read");
    owed.iter().map(|owed| owed.delivery.id).collect()
}

async fn note(spool: &FileSpool, n: u64, state: State) {
    spool.settled(document_id(n), id(n), state, later(50)).await.expect("noted");
}

/// The store is lost; another one is built.
fn lose(dir: &TempDir, engine: Engine, was: (FileStore, FileSpool)) -> (FileStore, FileSpool) {
    drop(was);
    fs::remove_dir_all(dir.path().join("outbox")).expect("lost");
    opened(dir, engine)
}

/// Each as it would have been decided before the kill: by the store as it is, leases of the life before it and all.
async fn what_a_kill_kept_from_the_store_is_decided_at_the_next_start(engine: Engine) {
    for leased in [false, true] {
        let dir = tempfile::tempdir().expect("a folder");
        let (store, spool) = opened(&dir, engine);
        admit(&store, &spool, &admission(1, &["H02"]), 1).await;
        change(&store, id(1), Transition::Published { generation: 1 }).await;
        store.hand_off(store.delivery(id(1)).await.expect("read").expect("known")).await.expect("taken over");
        if leased {
            change(&store, id(1), Transition::Leased { boot: BootId::new(1), fence: Fence::ALONE }).await;
        }
        write(&spool, &asking(2, RecallAct::Withdraw, &[1]), 2).await;
        drop((store, spool));
        let (store, _spool) = opened(&dir, engine);
        let (state, business) = match leased {
            false => (State::Withdrawn, "withdrawn"),
            true => (State::Queued, "none 1"),
        };
        assert_eq!(states(&store, &[1, 2]).await, [state; 2]);
        assert_eq!(standing(&store).await, business);
        assert_eq!(owed(&store).await.len(), if leased { 0 } else { 2 });
    }
}

async fn what_is_noted_of_a_withdrawal_is_enough_for_all_of_it(engine: Engine) {
    for noted in [&[1, 2, 3][..], &[3], &[1, 2], &[3, 1]] {
        let dir = tempfile::tempdir().expect("a folder");
        let (store, spool) = opened(&dir, engine);
        for n in 1..=2 {
            admit(&store, &spool, &admission(n, &["H02"]), n).await;
        }
        admit(&store, &spool, &asking(3, RecallAct::Withdraw, &[1, 2]), 3).await;
        for n in noted {
            note(&spool, *n, State::Withdrawn).await;
        }
        let (store, _spool) = lose(&dir, engine, (store, spool));
        assert_eq!(states(&store, &[1, 2, 3]).await, [State::Withdrawn; 3], "{noted:?}");
        assert_eq!(standing(&store).await, "withdrawn", "{noted:?}");
        let wanted: Vec<_> = (1..=3).filter(|n| !noted.contains(n)).map(id).collect();
        assert_eq!(owed(&store).await, wanted, "{noted:?}: what is not noted is still owed");
    }
}

async fn what_nobody_noted_is_delivered_in_its_order(engine: Engine) {
    let dir = tempfile::tempdir().expect("a folder");
    let (store, spool) = opened(&dir, engine);
    admit(&store, &spool, &admission(1, &["H02"]), 1).await;
    admit(&store, &spool, &asking(2, RecallAct::Withdraw, &[1]), 2).await;
    let (store, _spool) = lose(&dir, engine, (store, spool));
    assert_eq!(states(&store, &[1, 2]).await, [State::Queued; 2]);
    assert_eq!(standing(&store).await, "none 1", "the receiver is asked");
    let waiting = store.unpublished(9).await.expect("read");
    assert_eq!(ids(&waiting), [id(1), id(2)]);
    assert!(waiting.iter().all(|delivery| delivery.may_have_arrived));
}

async fn what_was_held_is_held_unless_somebody_sent_it_on(engine: Engine) {
    for (notes, state) in [
        (&[(1, State::Parked), (2, State::Parked)][..], State::Parked),
        (&[(2, State::Parked)], State::Parked),
        (&[(1, State::Parked), (2, State::Parked), (1, State::Queued)], State::Queued),
        (&[(2, State::Parked), (1, State::Queued)], State::Queued),
    ] {
        let dir = tempfile::tempdir().expect("a folder");
        let (store, spool) = opened(&dir, engine);
        admit(&store, &spool, &admission(1, &["H02"]), 1).await;
        admit(&store, &spool, &asking(2, RecallAct::Hold, &[1]), 2).await;
        assert_eq!(states(&store, &[1, 2]).await, [State::Parked; 2]);
        for (n, state) in notes {
            note(&spool, *n, *state).await;
        }
        let (store, spool) = lose(&dir, engine, (store, spool));
        assert_eq!(states(&store, &[1, 2]).await, [state, State::Parked], "{notes:?}");
        admit(&store, &spool, &asking(3, RecallAct::Withdraw, &[1, 2]), 3).await;
        let wanted = match state {
            // Nothing of it had left when it was held.
            State::Parked => [State::Withdrawn; 3],
            _ => [State::Queued, State::Parked, State::Queued],
        };
        assert_eq!(states(&store, &[1, 2, 3]).await, wanted, "{notes:?}");
    }
}

/// Business states and notes of what was taken back, and of what was not.
async fn a_check_finds_nothing_to_blame(engine: Engine) {
    let dir = tempfile::tempdir().expect("a folder");
    let (store, spool) = opened(&dir, engine);
    admit(&store, &spool, &admission(1, &["H02"]), 1).await;
    admit(&store, &spool, &asking(2, RecallAct::Hold, &[1]), 2).await;
    note(&spool, 1, State::Parked).await;
    for recalled in [false, true] {
        let found = store.check(&spool, true).await.expect("checked");
        assert!(found.is_clean(), "{recalled}: {found:?}");
        if !recalled {
            admit(&store, &spool, &asking(3, RecallAct::Withdraw, &[1, 2]), 3).await;
            assert_eq!(standing(&store).await, "withdrawn");
        }
    }
    note(&spool, 3, State::Withdrawn).await;
    let found = store.check(&spool, true).await.expect("checked");
    assert!(found.is_clean() && found.unnoted == 2, "{found:?}");
}
