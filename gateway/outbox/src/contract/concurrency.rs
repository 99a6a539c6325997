//! Many callers at once, and the end.

use std::collections::BTreeSet;
use std::sync::Arc;

use lienthong_pipeline::ports::{Admitted, Listing, OutboxStore};
use lienthong_pipeline::record::{AdapterKind, Lane, State};
use lienthong_schemas::ids::{CorrelationKey, PacketDigest};
use tokio::task::JoinSet;

use super::samples::*;

const CALLERS: u64 = 64;

/// 64 tasks admit the same document: exactly one inserts it, and whoever hears of it finds it.
pub async fn one_of_many_admits_a_document(store: Arc<dyn OutboxStore>) {
    let mut callers = JoinSet::new();
    for _ in 0..CALLERS {
        let store = store.clone();
        callers.spawn(async move {
            let outcome = store.admit(&admission(1, &["H02"])).await.expect("admitted");
            assert!(store.delivery(delivery_id(1, "H02")).await.expect("read").is_some());
            outcome
        });
    }
    let outcomes = callers.join_all().await;
    let inserted = outcomes.iter().filter(|outcome| **outcome == Admitted::Inserted).count();
    assert_eq!((outcomes.len() as u64, inserted), (CALLERS, 1));
    assert_eq!(store.unsent_events(9).await.expect("read").len(), 1);
    assert_eq!(store.stats().await.expect("read").pending, 1);
}

/// 64 tasks settle one delivery, each in its own way: one outcome stands, and one line.
pub async fn one_of_many_settles_a_delivery(store: Arc<dyn OutboxStore>) {
    let delivery = taken(&*store, 1, "H02").await;
    let mut callers = JoinSet::new();
    for n in 0..CALLERS {
        let (store, id) = (store.clone(), delivery.id);
        let state = if n % 2 == 0 { State::Received } else { State::Refused };
        callers.spawn(async move { store.transition(id, NOW, settled(state)).await.expect("written") });
    }
    let settled: Vec<_> = callers.join_all().await.into_iter().flatten().collect();
    assert_eq!(settled.len(), 1);
    assert_eq!(store.delivery(delivery.id).await.expect("read"), settled.into_iter().next());
    assert_eq!(store.history(delivery.id).await.expect("read").len(), 4);
}

/// Documents admitted at once: every delivery has an order of its own, and nothing is missing from any list.
pub async fn documents_admitted_at_once_all_have_their_own_order(store: Arc<dyn OutboxStore>) {
    let mut callers = JoinSet::new();
    for n in 0..CALLERS {
        let store = store.clone();
        callers.spawn(async move { store.admit(&admission(n, &["H02", "H03"])).await.expect("admitted") });
    }
    assert!(callers.join_all().await.iter().all(|outcome| *outcome == Admitted::Inserted));
    let found = store.unpublished(usize::MAX).await.expect("read");
    let orders: BTreeSet<u64> = found.iter().map(|delivery| delivery.order).collect();
    assert_eq!(orders.len() as u64, 2 * CALLERS);
    let numbers: BTreeSet<u64> =
        store.unsent_events(usize::MAX).await.expect("read").iter().map(|(number, _)| *number).collect();
    assert_eq!(numbers.len() as u64, 2 * CALLERS);
}

/// `close` ends the store after what is queued; later calls fail.
pub async fn after_close_every_call_fails(store: Arc<dyn OutboxStore>) {
    let delivery = taken(&*store, 1, "H02").await;
    store.close().await.expect("closed");
    let (id, token) = (delivery.id, organ("H02").token());
    let key = CorrelationKey::of("1/UBND");
    let adapter = AdapterKind::VendorHttp;
    let faults = [
        store.admit(&admission(2, &["H02"])).await.err(),
        store.known([0; 16]).await.err(),
        store.status_seen([0; 16]).await.err(),
        store.idempotent(&idempotency("k"), NOW).await.err(),
        store.delivery(id).await.err(),
        store.deliveries_of(document_id(1)).await.err(),
        store.history(id).await.err(),
        store.unpublished(1).await.err(),
        store.unsent_events(1).await.err(),
        store.unsent_span().await.err(),
        store.events_sent(vec![1]).await.err(),
        store.hand_off(delivery).await.err(),
        store.remember(&idempotency("k"), document_id(1), PacketDigest::of(b""), NOW).await.err(),
        store.not_taken_over(NOW, 1).await.err(),
        store.receivers(adapter).await.err(),
        store.heads(adapter, &token, Lane::Normal, 1).await.err(),
        store.on_its_way(adapter, &token, Lane::Normal, 1).await.err(),
        store.first_correlated(&token, key, None).await.err(),
        store.last_correlated(&token, key, 1).await.err(),
        store.transition(id, NOW, settled(State::Received)).await.err(),
        store.list(Listing::Pending, None, 1).await.err(),
        store.pending_reports(1).await.err(),
        store.stats().await.err(),
    ];
    for (n, fault) in faults.into_iter().enumerate() {
        let fault = fault.expect("failed");
        assert_eq!((fault.place, fault.fatal), ("store", true), "call {n}");
    }
}
