//! Publishing, hand-off, and what a receiver's queue looks like.

use std::sync::Arc;

use lienthong_pipeline::ports::{HandOff, OutboxStore, Transition};
use lienthong_pipeline::record::{AdapterKind, Delivery, Lane, State};
use lienthong_schemas::ids::{CorrelationKey, DeliveryId};

use super::samples::*;

const ADAPTER: AdapterKind = AdapterKind::VendorHttp;

/// The urgent lane first, then by order, at most `limit`.
pub async fn unpublished_is_urgent_first_and_then_by_order(store: Arc<dyn OutboxStore>) {
    for n in 1..=6 {
        let mut document = admission(n, &["H02"]);
        document.deliveries[0].lane = if n % 3 == 0 { Lane::Urgent } else { Lane::Normal };
        store.admit(&document).await.expect("admitted");
    }
    let wanted = [3, 6, 1, 2, 4, 5].map(|n| delivery_id(n, "H02"));
    for limit in 0..=7 {
        let found = store.unpublished(limit).await.expect("read");
        assert_eq!(ids(&found), wanted[..limit.min(6)]);
    }
    let all = store.unpublished(9).await.expect("read");
    for (urgent, normal) in [(0, 0), (0, 2), (1, 0), (1, 2), (2, 4), (2, 0), (0, 4)] {
        let order = |seen: &[Delivery]| seen.last().map_or(0, |delivery| delivery.order);
        let after = [order(&all[..urgent]), order(&all[2..2 + normal])];
        let left = [&all[urgent..2], &all[2 + normal..]].concat();
        for limit in [1, 3, 9] {
            let found = store.unpublished_after(after, limit).await.expect("read");
            assert_eq!(found, left[..limit.min(left.len())], "{after:?}");
        }
    }
}

/// `Published` fits once, in the present generation; it also fits when the delivery was settled meanwhile.
pub async fn published_counts_only_for_its_generation(store: Arc<dyn OutboxStore>) {
    let delivery = admitted(&*store, 1, "H02").await;
    let published = |generation| Transition::Published { generation };
    for unfit in [0, 2] {
        refuse(&*store, delivery.id, published(unfit)).await;
    }
    assert_eq!(change(&*store, delivery.id, published(1)).await.published, 1);
    assert_eq!(store.unpublished(9).await.expect("read"), []);
    refuse(&*store, delivery.id, published(1)).await;

    change(&*store, delivery.id, settled(State::Refused)).await;
    change(&*store, delivery.id, requeued()).await;
    refuse(&*store, delivery.id, published(1)).await;
    assert_eq!(ids(&store.unpublished(9).await.expect("read")), [delivery.id]);
    store.hand_off(Delivery { generation: 2, ..delivery.clone() }).await.expect("handed off");
    change(&*store, delivery.id, settled(State::Received)).await;
    assert_eq!(store.unpublished(9).await.expect("read"), []);
    let late = change(&*store, delivery.id, published(2)).await;
    assert_eq!((late.state, late.published), (State::Received, 2));
}

async fn published_at(store: &dyn OutboxStore, n: u64, at: i64) -> Delivery {
    let delivery = admitted(store, n, "H02").await;
    let published = Transition::Published { generation: 1 };
    store.transition(delivery.id, later(at), published).await.expect("written").expect("fits")
}

async fn waiting(store: &dyn OutboxStore, before: i64) -> Vec<DeliveryId> {
    ids(&store.not_taken_over(later(before), usize::MAX).await.expect("read"))
}

/// `not_taken_over`: published before a time, by time of publication; hand-off and every end take it out.
pub async fn what_nobody_takes_over_is_found_by_its_publication(store: Arc<dyn OutboxStore>) {
    admitted(&*store, 9, "H02").await;
    for (n, at) in [(1, 40), (2, 10), (3, 30), (4, 20), (5, 20)] {
        published_at(&*store, n, at).await;
    }
    let id = |n| delivery_id(n, "H02");
    assert_eq!(waiting(&*store, 10).await, [], "not at the time, before it");
    assert_eq!(waiting(&*store, 21).await, [2, 4, 5].map(id));
    assert_eq!(waiting(&*store, 99).await, [2, 4, 5, 3, 1].map(id));
    for limit in 0..=2 {
        let found = store.not_taken_over(later(99), limit).await.expect("read");
        assert_eq!(ids(&found), [2, 4].map(id)[..limit]);
    }
    let found = store.delivery(id(4)).await.expect("read").expect("known");
    assert_eq!(store.hand_off(found).await.expect("written"), HandOff::Taken);
    change(&*store, id(2), settled(State::Parked)).await;
    change(&*store, id(5), settled(State::Withdrawn)).await;
    assert_eq!(waiting(&*store, 99).await, [3, 1].map(id));
    change(&*store, id(2), requeued()).await;
    assert_eq!(waiting(&*store, 99).await, [3, 1].map(id), "it is not published");
    let foreign = Delivery { published: 1, ..delivery(7, "H02") };
    store.hand_off(foreign).await.expect("handed off");
    assert_eq!(waiting(&*store, 99).await, [3, 1].map(id));
}

/// Requeued from queued only when published and not handed off: the next generation, not published; the message of the
/// earlier one, should it come after all, is known.
pub async fn what_nobody_takes_over_is_published_anew(store: Arc<dyn OutboxStore>) {
    let unpublished = admitted(&*store, 1, "H02").await;
    refuse(&*store, unpublished.id, requeued()).await;
    let taken = taken(&*store, 2, "H02").await;
    refuse(&*store, taken.id, requeued()).await;

    let lost = published_at(&*store, 3, 10).await;
    let back = change(&*store, lost.id, requeued()).await;
    assert_eq!((back.state, back.generation, back.published, back.handed_off), (State::Queued, 2, 1, false));
    assert_eq!((back.since, back.tried_since()), (None, lost.accepted_at), "its age is what it was");
    assert_eq!(ids(&store.unpublished(9).await.expect("read")), [unpublished.id, lost.id]);
    assert_eq!(waiting(&*store, 99).await, []);
    refuse(&*store, lost.id, requeued()).await;
    assert_eq!(store.hand_off(lost).await.expect("written"), HandOff::Known);
    let published = Transition::Published { generation: 2 };
    store.transition(back.id, later(50), published).await.expect("written").expect("fits");
    assert_eq!(waiting(&*store, 50).await, []);
    assert_eq!(waiting(&*store, 51).await, [back.id]);
    let again = store.delivery(back.id).await.expect("read").expect("known");
    assert_eq!(store.hand_off(again).await.expect("written"), HandOff::Taken);
}

/// Known ones are marked, once; an older generation is known.
pub async fn a_delivery_is_handed_off_once(store: Arc<dyn OutboxStore>) {
    let delivery = admitted(&*store, 1, "H02").await;
    assert_eq!(store.hand_off(delivery.clone()).await.expect("written"), HandOff::Taken);
    assert_eq!(store.hand_off(delivery.clone()).await.expect("written"), HandOff::Known);
    let found = store.delivery(delivery.id).await.expect("read").expect("known");
    assert_eq!(found, Delivery { handed_off: true, ..delivery.clone() });
    assert_eq!(words(&*store, delivery.id).await, ["accepted", "handed_off"]);

    change(&*store, delivery.id, settled(State::GivenUp)).await;
    let requeued = change(&*store, delivery.id, requeued()).await;
    assert!(!requeued.handed_off);
    assert_eq!(store.hand_off(delivery).await.expect("written"), HandOff::Known);
    assert_eq!(store.receivers(ADAPTER).await.expect("read"), []);
    assert_eq!(store.hand_off(requeued).await.expect("written"), HandOff::Taken);
}

/// Already settled: nothing to do, and nothing is written.
pub async fn a_settled_delivery_is_not_handed_off(store: Arc<dyn OutboxStore>) {
    for (n, state) in [(1, State::Withdrawn), (2, State::Received), (3, State::GivenUp)] {
        let delivery = admitted(&*store, n, "H02").await;
        change(&*store, delivery.id, settled(state)).await;
        assert_eq!(store.hand_off(delivery.clone()).await.expect("written"), HandOff::Settled);
        assert_eq!(words(&*store, delivery.id).await, ["accepted", "settled"]);
    }
    let foreign = Delivery { state: State::Withdrawn, ..delivery(4, "H02") };
    assert_eq!(store.hand_off(foreign.clone()).await.expect("written"), HandOff::Settled);
    assert_eq!(store.delivery(foreign.id).await.expect("read"), None);
}

/// A delivery of another gateway is stored: its order is this store's, and it counts as published.
pub async fn a_foreign_delivery_is_taken_in(store: Arc<dyn OutboxStore>) {
    let before = admitted(&*store, 1, "H02").await;
    let foreign = Delivery { generation: 3, order: 999, ..delivery(2, "H02") };
    assert_eq!(store.hand_off(foreign.clone()).await.expect("written"), HandOff::Taken);
    assert_eq!(store.hand_off(foreign.clone()).await.expect("written"), HandOff::Known);
    let after = admitted(&*store, 3, "H02").await;
    let found = store.delivery(foreign.id).await.expect("read").expect("known");
    assert!(before.order < found.order && found.order < after.order);
    assert_eq!(
        found,
        Delivery { order: found.order, handed_off: true, published: 3, foreign: true, ..foreign.clone() }
    );
    assert_eq!(ids(&store.unpublished(9).await.expect("read")), [before.id, after.id]);
    assert_eq!(store.heads(ADAPTER, &organ("H02").token(), Lane::Normal, 9).await.expect("read"), [found]);
    assert_eq!(words(&*store, foreign.id).await, ["handed_off"]);
    assert_eq!(store.stats().await.expect("read").pending, 3);
}

/// Requeued or rerouted by another gateway: the message's route counts, the order stays; what was received stays so.
pub async fn a_newer_generation_is_taken_again(store: Arc<dyn OutboxStore>) {
    let (first, second) = (delivery(1, "H02"), delivery(2, "H02"));
    for foreign in [&first, &second] {
        store.hand_off(foreign.clone()).await.expect("handed off");
    }
    let had = change(&*store, first.id, settled(State::GivenUp)).await;
    let mut again = Delivery { generation: 2, since: Some(later(7)), ..first.clone() };
    again.route.receiver = organ("H09");
    assert_eq!(store.hand_off(again.clone()).await.expect("written"), HandOff::Taken);
    let found = store.delivery(first.id).await.expect("read").expect("known");
    assert_eq!((found.state, found.generation, found.published), (State::Queued, 2, 2));
    assert_eq!((found.order, found.handed_off, found.since), (had.order, true, Some(later(7))));
    let heads = async |code| store.heads(ADAPTER, &organ(code).token(), Lane::Normal, 9).await.expect("read");
    assert_eq!(ids(&heads("H09").await), [first.id]);
    assert_eq!(ids(&heads("H02").await), [second.id]);
    assert_eq!(store.pending_reports(9).await.expect("read"), []);

    change(&*store, second.id, settled(State::Received)).await;
    let again = Delivery { generation: 2, ..second };
    assert_eq!(store.hand_off(again).await.expect("written"), HandOff::Settled);
}

/// `receivers` and `heads`: handed off and queued, one receiver, one lane, in order, at most `limit`.
pub async fn heads_are_by_adapter_receiver_lane_and_order(store: Arc<dyn OutboxStore>) {
    let mut wanted: std::collections::BTreeMap<(&str, Lane), Vec<DeliveryId>> = Default::default();
    let codes = ["H02", "H02.1", "H02-1", "A"];
    for n in 1..=16_u64 {
        let code = codes[n as usize % 4];
        let lane = Lane::ALL[n as usize / 4 % 2];
        let mut document = admission(n, &[code]);
        document.deliveries[0].lane = lane;
        store.admit(&document).await.expect("admitted");
        wanted.entry((code, lane)).or_default().push(delivery_id(n, code));
    }
    assert_eq!(store.receivers(ADAPTER).await.expect("read"), []);
    for n in (1..=16_u64).rev() {
        let found = store.delivery(delivery_id(n, codes[n as usize % 4])).await.expect("read");
        store.hand_off(found.expect("known")).await.expect("handed off");
    }
    let mut receivers = store.receivers(ADAPTER).await.expect("read");
    receivers.sort();
    let mut tokens = codes.map(|code| organ(code).token());
    tokens.sort();
    assert_eq!(receivers, tokens);
    for ((code, lane), wanted) in &wanted {
        for limit in 0..=3 {
            let found = store.heads(ADAPTER, &organ(code).token(), *lane, limit).await.expect("read");
            assert_eq!(ids(&found), wanted[..limit.min(2)], "{code} {lane:?}");
        }
    }
    for id in wanted.iter().filter(|((code, _), _)| *code == "H02").flat_map(|(_, ids)| ids) {
        change(&*store, *id, settled(State::Parked)).await;
    }
    let receivers = store.receivers(ADAPTER).await.expect("read");
    assert!(receivers.len() == 3 && !receivers.contains(&organ("H02").token()), "{receivers:?}");
}

/// `on_its_way`: by queue and lane, in order, published or not, until it is handed off or ended; since its publication, or
/// as long as its age counts.
pub async fn what_is_on_its_way_is_found_in_its_lane(store: Arc<dyn OutboxStore>) {
    for n in 1..=5_u64 {
        let mut document = admission(n, &["H02", "H03"]);
        for delivery in &mut document.deliveries {
            delivery.lane = if n == 2 { Lane::Urgent } else { Lane::Normal };
        }
        store.admit(&document).await.expect("admitted");
    }
    let (id, queue) = (|n| delivery_id(n, "H02"), organ("H02").token());
    let found = async |lane, limit| {
        let found = store.on_its_way(ADAPTER, &queue, lane, limit).await.expect("read");
        found.into_iter().map(|one| (one.delivery.id, one.since)).collect::<Vec<_>>()
    };
    let accepted = |n| (id(n), admission(n, &["H02"]).receipt.accepted_at);
    assert_eq!(found(Lane::Normal, 9).await, [1, 3, 4, 5].map(accepted));
    assert_eq!(found(Lane::Normal, 2).await, [1, 3].map(accepted));
    assert_eq!(found(Lane::Normal, 0).await, []);
    assert_eq!(found(Lane::Urgent, 9).await, [accepted(2)]);
    let elsewhere = store.on_its_way(AdapterKind::Email, &queue, Lane::Normal, 9).await.expect("read");
    assert_eq!(elsewhere, []);

    let published = Transition::Published { generation: 1 };
    store.transition(id(4), later(40), published).await.expect("written").expect("fits");
    assert_eq!(found(Lane::Normal, 9).await[2], (id(4), later(40)));
    let found_4 = store.delivery(id(4)).await.expect("read").expect("known");
    assert_eq!(store.hand_off(found_4).await.expect("written"), HandOff::Taken);
    change(&*store, id(1), settled(State::Parked)).await;
    change(&*store, id(3), settled(State::Withdrawn)).await;
    assert_eq!(found(Lane::Normal, 9).await, [accepted(5)]);
    change(&*store, id(1), requeued()).await;
    let since = store.delivery(id(1)).await.expect("read").expect("known").tried_since();
    assert_eq!(found(Lane::Normal, 9).await, [(id(1), since), accepted(5)]);
}

/// `first_correlated`: the first in order of either lane, published or not, while it is queued or parked.
pub async fn the_first_of_a_correlation_is_of_either_lane(store: Arc<dyn OutboxStore>) {
    let (shared, receiver) = (CorrelationKey::of("chung"), organ("H02").token());
    for n in 1..=4_u64 {
        let mut document = admission(n, &["H02", "H03"]);
        for delivery in &mut document.deliveries {
            delivery.lane = Lane::ALL[n as usize % 2];
            delivery.correlations.extend([shared, shared]);
        }
        store.admit(&document).await.expect("admitted");
    }
    let id = |n| delivery_id(n, "H02");
    let first = async || {
        let first = store.first_correlated(&receiver, shared, None).await.expect("read");
        first.map(|delivery| delivery.id)
    };
    assert_eq!(first().await, Some(id(1)));
    change(&*store, id(1), Transition::Published { generation: 1 }).await;
    assert_eq!(first().await, Some(id(1)));
    change(&*store, id(1), settled(State::Parked)).await;
    assert_eq!(first().await, Some(id(1)));
    change(&*store, id(2), settled(State::Received)).await;
    change(&*store, id(1), settled(State::Withdrawn)).await;
    assert_eq!(first().await, Some(id(3)));
    change(&*store, id(3), settled(State::Offered)).await;
    assert_eq!(first().await, Some(id(4)));
    change(&*store, id(4), settled(State::Refused)).await;
    assert_eq!(first().await, None);
    change(&*store, id(4), requeued()).await;
    assert_eq!(first().await, Some(id(4)));
    let own = store.first_correlated(&receiver, CorrelationKey::of("4/UBND"), None).await.expect("read");
    assert_eq!(own.map(|delivery| delivery.id), Some(id(4)));
    let other = store.first_correlated(&organ("H03").token(), shared, None).await.expect("read");
    assert_eq!(other.map(|delivery| delivery.id), Some(delivery_id(1, "H03")));
}

/// `first_correlated` with `after`: the next one behind an order, whether or not something stands at that order; and
/// `last_correlated`, the other way.
pub async fn what_shares_a_key_is_found_one_behind_the_other(store: Arc<dyn OutboxStore>) {
    let (shared, receiver) = (CorrelationKey::of("chung"), organ("H02").token());
    let mut orders = Vec::new();
    for n in 1..=5_u64 {
        let mut document = admission(n, &["H02", "H03"]);
        for delivery in &mut document.deliveries {
            delivery.lane = Lane::ALL[n as usize % 2];
            // The third has nothing to do with the others.
            delivery.correlations.extend((n != 3).then_some(shared));
        }
        store.admit(&document).await.expect("admitted");
        orders.push(store.delivery(delivery_id(n, "H02")).await.expect("read").expect("known").order);
    }
    let behind = async |after| {
        let next = store.first_correlated(&receiver, shared, after).await.expect("read");
        next.map(|delivery| (delivery.order, delivery.id))
    };
    let at = |n: usize| Some((orders[n - 1], delivery_id(n as u64, "H02")));
    change(&*store, delivery_id(2, "H02"), settled(State::Parked)).await;
    for (after, next) in [
        (None, at(1)),
        (Some(0), at(1)),
        (Some(orders[0] - 1), at(1)),
        (Some(orders[0]), at(2)),
        (Some(orders[1]), at(4)),
        (Some(orders[2]), at(4)),
        (Some(orders[3]), at(5)),
        (Some(orders[4]), None),
        (Some(u64::MAX - 1), None),
        (Some(u64::MAX), None),
    ] {
        assert_eq!(behind(after).await, next, "after {after:?}");
    }
    let ahead = async |before| {
        let last = store.last_correlated(&receiver, shared, before).await.expect("read");
        last.map(|delivery| (delivery.order, delivery.id))
    };
    for (before, last) in [
        (0, None),
        (orders[0], None),
        (orders[0] + 1, at(1)),
        (orders[1], at(1)),
        (orders[3], at(2)),
        (orders[4], at(4)),
        (u64::MAX, at(5)),
    ] {
        assert_eq!(ahead(before).await, last, "before {before}");
    }
    change(&*store, delivery_id(4, "H02"), settled(State::Refused)).await;
    assert_eq!(behind(Some(orders[0])).await, at(2));
    assert_eq!(behind(Some(orders[1])).await, at(5), "what is over stands in nobody's way");
    assert_eq!(ahead(orders[4]).await, at(2), "nor does it here");
    change(&*store, delivery_id(1, "H02"), settled(State::Received)).await;
    assert_eq!(behind(Some(orders[0])).await, at(2), "where nothing stands any more");
}
