//! What admitting a document writes, and what it refuses.

use std::sync::Arc;

use lienthong_pipeline::ports::{Admitted, OutboxStore, StoreStats, Transition};
use lienthong_pipeline::record::{Delivery, State};

use super::samples::*;
use crate::DELIVERIES_MAX;

/// `Admitted::Existing`: the store had this document already; nothing changed.
pub async fn a_document_is_inserted_once_and_nothing_of_it_changes(store: Arc<dyn OutboxStore>) {
    assert_eq!(store.admit(&admission(1, &["H02"])).await.expect("admitted"), Admitted::Inserted);
    let mut again = admission(1, &["H02", "H03"]);
    again.idempotency = Some(idempotency("k"));
    again.receipt.accepted_at = later(9);
    assert_eq!(store.admit(&again).await.expect("admitted"), Admitted::Existing);
    let deliveries = store.deliveries_of(document_id(1)).await.expect("read");
    assert_eq!(ids(&deliveries), [delivery_id(1, "H02")]);
    assert_eq!(store.idempotent(&idempotency("k"), later(0)).await.expect("read"), None);
    assert_eq!(store.unsent_events(9).await.expect("read").len(), 1);
}

/// The store sets `order` of each delivery; `deliveries_of` is in the order of admission.
pub async fn the_store_gives_the_order(store: Arc<dyn OutboxStore>) {
    let receivers = ["H09", "H02", "H05", "H01"];
    let mut first = admission(2, &receivers);
    first.deliveries.iter_mut().for_each(|delivery| delivery.order = 77);
    store.admit(&first).await.expect("admitted");
    store.admit(&admission(1, &receivers)).await.expect("admitted");
    let mut orders = Vec::new();
    for n in [2, 1] {
        let deliveries = store.deliveries_of(document_id(n)).await.expect("read");
        assert_eq!(ids(&deliveries), receivers.map(|receiver| delivery_id(n, receiver)));
        orders.extend(deliveries.iter().map(|delivery| delivery.order));
    }
    assert!(orders.is_sorted_by(|one, next| one < next), "{orders:?}");
}

/// More than [`DELIVERIES_MAX`] deliveries, one twice, or one of another document: nothing is written.
pub async fn what_is_unfit_is_refused_whole(store: Arc<dyn OutboxStore>) {
    let twice = admission(1, &["H02", "H03", "H02"]);
    let mut foreign = admission(1, &["H02"]);
    foreign.deliveries.push(delivery(2, "H02"));
    let codes: Vec<String> = (0..=DELIVERIES_MAX).map(|n| format!("H{n}")).collect();
    let codes: Vec<&str> = codes.iter().map(String::as_str).collect();
    for unfit in [twice, foreign, admission(1, &codes)] {
        let fault = store.admit(&unfit).await.expect_err("refused");
        assert_eq!((fault.place, fault.fatal), ("store", false), "the next document may be fit");
        assert_eq!(store.known(unfit.keys.name.expect("a name")).await.expect("read"), []);
        assert_eq!(store.stats().await.expect("read"), StoreStats::default());
    }
    assert_eq!(store.admit(&admission(1, &["H02"])).await.expect("admitted"), Admitted::Inserted);
}

/// What is final at admission (`Paper`) has a record, a history and an event, and is neither published nor dispatched.
pub async fn a_final_delivery_is_only_a_record(store: Arc<dyn OutboxStore>) {
    let mut mixed = admission(1, &["H02", "H03"]);
    mixed.deliveries[0].state = State::Paper;
    store.admit(&mixed).await.expect("admitted");
    let paper = delivery_id(1, "H02");
    assert_eq!(ids(&store.unpublished(9).await.expect("read")), [delivery_id(1, "H03")]);
    assert_eq!(words(&*store, paper).await, ["accepted"]);
    assert_eq!(store.unsent_events(9).await.expect("read")[0].1.entry.state, State::Paper);
    let found = store.delivery(paper).await.expect("read").expect("known");
    assert_eq!((found.state, found.attempts), (State::Paper, 0));
    let stats = store.stats().await.expect("read");
    assert_eq!((stats.pending, stats.unpublished), (1, 1));
    refuse(&*store, paper, settled(State::Received)).await;
    refuse(&*store, paper, requeued()).await;
}

/// A parked delivery is not published, neither parked at admission nor before its publication.
pub async fn a_parked_delivery_is_held_back_until_it_is_requeued(store: Arc<dyn OutboxStore>) {
    let mut held = admission(1, &["H02"]);
    held.deliveries[0].state = State::Parked;
    store.admit(&held).await.expect("admitted");
    let other = admitted(&*store, 2, "H02").await;
    change(&*store, other.id, settled(State::Parked)).await;
    assert_eq!(store.unpublished(9).await.expect("read"), []);
    assert_eq!(store.stats().await.expect("read").pending, 2);
    let back = change(&*store, delivery_id(1, "H02"), requeued()).await;
    assert_eq!((back.generation, back.published, back.state), (2, 0, State::Queued));
    assert_eq!(store.unpublished(9).await.expect("read"), [back]);
}

/// The limit itself is taken, in one step.
pub async fn five_thousand_receivers_go_in_one_admission(store: Arc<dyn OutboxStore>) {
    let codes: Vec<String> = (0..DELIVERIES_MAX).map(|n| format!("H{n}")).collect();
    let codes: Vec<&str> = codes.iter().map(String::as_str).collect();
    assert_eq!(store.admit(&admission(1, &codes)).await.expect("admitted"), Admitted::Inserted);
    let deliveries = store.deliveries_of(document_id(1)).await.expect("read");
    let wanted: Vec<_> = codes.iter().map(|code| delivery_id(1, code)).collect();
    assert_eq!(ids(&deliveries), wanted);
    assert_eq!(store.unpublished(usize::MAX).await.expect("read").len(), DELIVERIES_MAX);
    assert_eq!(store.unsent_events(usize::MAX).await.expect("read").len(), DELIVERIES_MAX);
    assert_eq!(store.stats().await.expect("read").pending, DELIVERIES_MAX as u64);
}

/// Nothing is known of ids that were never admitted, and nothing is written for them.
pub async fn unknown_ids_are_none(store: Arc<dyn OutboxStore>) {
    let id = delivery_id(1, "H02");
    assert_eq!(store.delivery(id).await.expect("read"), None);
    assert_eq!(store.deliveries_of(document_id(1)).await.expect("read"), []);
    assert_eq!(store.history(id).await.expect("read"), []);
    for change in [Transition::Published { generation: 1 }, settled(State::Received), Transition::Reported] {
        refuse(&*store, id, change).await;
    }
    assert_eq!(store.stats().await.expect("read"), StoreStats::default());
}

/// Two gateways received one submission: the delivery that this one took from the broker first goes on as it is.
pub async fn an_admission_keeps_what_was_handed_off_before(store: Arc<dyn OutboxStore>) {
    store.hand_off(Delivery { published: 1, ..delivery(1, "H02") }).await.expect("handed off");
    change(&*store, delivery_id(1, "H02"), settled(State::Received)).await;
    assert_eq!(store.admit(&admission(1, &["H02", "H03"])).await.expect("admitted"), Admitted::Inserted);
    let states: Vec<_> =
        store.deliveries_of(document_id(1)).await.expect("read").iter().map(|found| found.state).collect();
    assert_eq!(states, [State::Received, State::Queued]);
    assert_eq!(ids(&store.unpublished(9).await.expect("read")), [delivery_id(1, "H03")]);
}
