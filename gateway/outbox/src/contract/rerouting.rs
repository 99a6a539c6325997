//! Sending a delivery another way: the same id and place in order, another queue, and nothing left in the one before.

use std::sync::Arc;

use lienthong_pipeline::ports::{HandOff, Listing, OutboxStore, Transition};
use lienthong_pipeline::record::{AdapterKind, BootId, Delivery, Fence, Lane, Route, State, SystemId};
use lienthong_schemas::ids::DeliveryId;

use super::samples::*;

fn mail(receiver: &str) -> Route {
    let system = SystemId::parse("post").expect("a system id");
    Route { receiver: organ(receiver), system, adapter: AdapterKind::Email }
}

fn axis(receiver: &str) -> Route {
    Route { adapter: AdapterKind::NationalAxis, ..mail(receiver) }
}

fn rerouted(route: Route) -> Transition {
    Transition::Rerouted { route, note: "by an operator".to_owned() }
}

async fn heads(store: &dyn OutboxStore, route: &Route) -> Vec<DeliveryId> {
    let (adapter, queue) = (route.adapter, route.queue());
    ids(&store.heads(adapter, &queue, Lane::Normal, 9).await.expect("read"))
}

/// From an end that can be taken back, from parked, and from queued while no attempt is under way: the next generation on
/// the new way, its age counted anew; other ends stay.
pub async fn what_stopped_or_waits_is_rerouted(store: Arc<dyn OutboxStore>) {
    let refusals = [State::HandedOver, State::Received, State::Withdrawn, State::Paper, State::Offered];
    for (n, state) in (1..).zip(refusals) {
        let delivery = taken(&*store, n, "H02").await;
        change(&*store, delivery.id, settled(state)).await;
        refuse(&*store, delivery.id, rerouted(mail("H02"))).await;
    }
    for (n, state) in (11..).zip([State::Queued, State::Parked, State::GivenUp, State::Refused]) {
        let mut before = taken(&*store, n, "H02").await;
        change(&*store, before.id, failed(later(999))).await;
        if state != State::Queued {
            before = change(&*store, before.id, settled(state)).await;
        }
        let after = change(&*store, before.id, rerouted(mail("H02"))).await;
        assert_eq!((after.id, after.order, &after.route), (before.id, before.order, &mail("H02")));
        assert_eq!((after.state, after.generation, after.published), (State::Queued, 2, 1), "{state:?}");
        assert_eq!((after.handed_off, after.closed, after.lease), (false, false, None));
        assert_eq!((after.since, after.due, after.accepted_at), (Some(NOW), NOW, before.accepted_at));
        assert_eq!(after.attempts, before.attempts.max(1), "what was tried stays counted");
        assert!(words(&*store, after.id).await.ends_with(&["rerouted".to_owned()]));
        assert!(
            store.unpublished(9).await.expect("read").contains(&after),
            "it goes through the broker again"
        );
        refuse(&*store, after.id, Transition::Published { generation: 1 }).await;
        change(&*store, after.id, Transition::Published { generation: 2 }).await;
    }
    // Before anybody published it, too.
    let fresh = admitted(&*store, 21, "H02").await;
    assert_eq!(change(&*store, fresh.id, rerouted(mail("H02"))).await.generation, 2);
}

/// What is being tried is not rerouted, in whatever life the attempt began; after it has failed, it is.
pub async fn what_is_being_tried_is_not_rerouted(store: Arc<dyn OutboxStore>) {
    let delivery = taken(&*store, 1, "H02").await;
    for boot in [1, 2].map(BootId::new) {
        change(&*store, delivery.id, Transition::Leased { boot, fence: Fence::ALONE }).await;
        refuse(&*store, delivery.id, rerouted(mail("H02"))).await;
    }
    change(&*store, delivery.id, failed(NOW)).await;
    assert_eq!(change(&*store, delivery.id, rerouted(mail("H02"))).await.generation, 2);
}

/// Nothing of it is left in the queue before; in the new one it stands by its order, and so do its keys.
pub async fn what_is_rerouted_changes_its_queue(store: Arc<dyn OutboxStore>) {
    let first = taken(&*store, 1, "H02").await;
    let mut second = admission(2, &["H03"]);
    second.deliveries[0].route = axis("H03");
    second.deliveries[0].correlations = first.correlations.clone();
    store.admit(&second).await.expect("admitted");
    let (key, old, new) = (first.correlations[0], first.route.clone(), axis("H02"));
    let queues = [&old, &new].map(Route::queue);
    assert_ne!(queues[0], queues[1]);
    let in_the_way = async |at: usize| {
        let found = store.first_correlated(&queues[at], key, None).await.expect("read");
        found.map(|found| found.id)
    };
    assert_eq!((in_the_way(0).await, in_the_way(1).await), (Some(first.id), Some(delivery_id(2, "H03"))));
    let after = change(&*store, first.id, rerouted(new.clone())).await;
    assert_eq!((in_the_way(0).await, in_the_way(1).await), (None, Some(first.id)), "by its order");
    assert_eq!((heads(&*store, &old).await, heads(&*store, &new).await), (vec![], vec![]));
    assert_eq!(store.receivers(old.adapter).await.expect("read"), []);
    change(&*store, first.id, Transition::Published { generation: 2 }).await;

    // The message of the way before, should it come now, changes nothing.
    let early = Delivery { generation: 1, ..first.clone() };
    assert_eq!(store.hand_off(early).await.expect("read"), HandOff::Known);
    assert_eq!(store.hand_off(after).await.expect("written"), HandOff::Taken);
    let other = store.delivery(delivery_id(2, "H03")).await.expect("read").expect("known");
    change(&*store, other.id, Transition::Published { generation: 1 }).await;
    assert_eq!(store.hand_off(other.clone()).await.expect("written"), HandOff::Taken);
    assert_eq!(heads(&*store, &new).await, [first.id, other.id], "in the order of their admission");
    assert_eq!(store.receivers(new.adapter).await.expect("read"), [new.queue()]);
}

/// A dead letter leaves its list, one that was closed comes back, and who was told stays told.
pub async fn a_dead_letter_that_is_rerouted_is_none_any_more(store: Arc<dyn OutboxStore>) {
    let delivery = taken(&*store, 1, "H02").await;
    change(&*store, delivery.id, settled(State::GivenUp)).await;
    change(&*store, delivery.id, Transition::Reported).await;
    change(&*store, delivery.id, Transition::Closed { note: String::new() }).await;
    assert_eq!(store.stats().await.expect("stats").pending, 0);
    change(&*store, delivery.id, rerouted(mail("H02"))).await;
    assert_eq!(store.list(Listing::DeadLetters, None, 9).await.expect("read"), []);
    assert_eq!(ids(&store.list(Listing::Pending, None, 9).await.expect("read")), [delivery.id]);
    let stats = store.stats().await.expect("stats");
    assert_eq!((stats.pending, stats.unpublished), (1, 1));
    change(&*store, delivery.id, settled(State::GivenUp)).await;
    assert_eq!(store.pending_reports(9).await.expect("read"), []);
    assert_eq!(ids(&store.list(Listing::DeadLetters, None, 9).await.expect("read")), [delivery.id]);
}
