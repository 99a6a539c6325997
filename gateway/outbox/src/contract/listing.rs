//! Lists for the operator, what an operator does to a delivery, and queues that receivers share.

use std::sync::Arc;

use lienthong_pipeline::ports::{Listing, OutboxStore, Transition};
use lienthong_pipeline::record::{AdapterKind, Admission, Delivery, Lane, State, SystemId};
use lienthong_schemas::ids::{CorrelationKey, DeliveryId};

use super::samples::*;

const LISTINGS: [Listing; 2] = [Listing::Pending, Listing::DeadLetters];

fn hastened() -> Transition {
    Transition::Hastened { note: "operator a: now".to_owned() }
}

fn closed() -> Transition {
    Transition::Closed { note: "operator a: sent on paper".to_owned() }
}

fn id(n: u64) -> DeliveryId {
    delivery_id(n, "H02")
}

async fn listed(
    store: &dyn OutboxStore,
    listing: Listing,
    after: Option<DeliveryId>,
    limit: usize,
) -> Vec<DeliveryId> {
    ids(&store.list(listing, after, limit).await.expect("read"))
}

/// All pages of a list, `limit` at a time.
async fn paged(store: &dyn OutboxStore, listing: Listing, limit: usize) -> Vec<DeliveryId> {
    let (mut all, mut after) = (Vec::new(), None);
    loop {
        let page = listed(store, listing, after, limit).await;
        assert!(page.len() <= limit, "{page:?}");
        let Some(last) = page.last() else { return all };
        after = Some(*last);
        all.extend(page);
    }
}

/// Pending by the age of the document and then by order, dead letters by order; parked ones stand in both.
pub async fn lists_have_their_order_and_their_limits(store: Arc<dyn OutboxStore>) {
    for listing in LISTINGS {
        assert_eq!(listed(&*store, listing, None, 9).await, []);
    }
    // Admitted in another order than accepted; 5 and 6 in the same second.
    for n in [4, 1, 6, 5, 3, 2] {
        let mut document = admission(n, &["H02", "H03"]);
        let at = later(n.min(5) as i64);
        document.receipt.accepted_at = at;
        document.deliveries.iter_mut().for_each(|delivery| delivery.accepted_at = at);
        store.admit(&document).await.expect("admitted");
    }
    let ends = [
        (1, State::Parked),
        (2, State::Refused),
        (3, State::GivenUp),
        (4, State::Received),
        (5, State::Withdrawn),
    ];
    for (n, state) in ends {
        change(&*store, id(n), settled(state)).await;
    }
    let other = |n| delivery_id(n, "H03");
    let pending = [id(1), other(1), other(2), other(3), other(4), id(6), other(6), other(5)];
    let dead = [id(1), id(3), id(2)];
    for limit in 1..=9 {
        assert_eq!(paged(&*store, Listing::Pending, limit).await, pending, "{limit}");
        assert_eq!(paged(&*store, Listing::DeadLetters, limit).await, dead, "{limit}");
    }
    for listing in LISTINGS {
        assert_eq!(listed(&*store, listing, None, 0).await, []);
        assert_eq!(listed(&*store, listing, Some(id(1)), 0).await, []);
        assert_eq!(listed(&*store, listing, None, 1).await, [id(1)]);
    }
    let whole = store.list(Listing::DeadLetters, None, 9).await.expect("read");
    assert_eq!(whole[1], store.delivery(id(3)).await.expect("read").expect("known"), "as it is");
}

/// Whatever leaves or joins a list between two pages, the others are told once.
pub async fn a_page_goes_on_although_what_it_began_after_is_gone(store: Arc<dyn OutboxStore>) {
    for n in 1..=6 {
        admitted(&*store, n, "H02").await;
        change(&*store, id(n), settled(if n == 3 { State::Parked } else { State::Refused })).await;
    }
    let page = listed(&*store, Listing::DeadLetters, None, 2).await;
    assert_eq!(page, [1, 2].map(id));
    change(&*store, id(2), closed()).await;
    change(&*store, id(4), requeued()).await;
    change(&*store, id(3), settled(State::GivenUp)).await;
    change(&*store, id(1), requeued()).await;
    assert_eq!(listed(&*store, Listing::DeadLetters, Some(id(2)), 2).await, [3, 5].map(id));
    // What comes back stands where it stood.
    change(&*store, id(4), settled(State::Refused)).await;
    assert_eq!(listed(&*store, Listing::DeadLetters, Some(id(3)), 9).await, [4, 5, 6].map(id));
    change(&*store, id(6), closed()).await;
    assert_eq!(listed(&*store, Listing::DeadLetters, Some(id(6)), 9).await, []);
    assert_eq!(listed(&*store, Listing::DeadLetters, None, 9).await, [3, 4, 5].map(id));
    // One that never was in this list has a place there, too; one that nobody knows has none.
    assert_eq!(listed(&*store, Listing::DeadLetters, Some(id(1)), 1).await, [id(3)]);
    assert_eq!(listed(&*store, Listing::Pending, Some(id(6)), 9).await, []);
    assert_eq!(listed(&*store, Listing::Pending, Some(id(99)), 9).await, [id(1)]);
}

/// `Closed` fits what is over and in need of somebody, once; it changes nothing but the list. A requeue takes it back.
pub async fn a_dead_letter_is_closed_once_and_until_it_is_requeued(store: Arc<dyn OutboxStore>) {
    let all = State::ALL.into_iter().filter(|state| *state != State::Queued);
    for (n, state) in (1..).zip(all) {
        taken(&*store, n, "H02").await;
        refuse(&*store, id(n), closed()).await;
        let before = change(&*store, id(n), settled(state)).await;
        if !matches!(state, State::Refused | State::GivenUp) {
            refuse(&*store, id(n), closed()).await;
            continue;
        }
        assert!(listed(&*store, Listing::DeadLetters, None, 99).await.contains(&id(n)));
        let after = change(&*store, id(n), closed()).await;
        assert_eq!(after, Delivery { closed: true, ..before });
        assert!(!after.is_dead_letter());
        assert!(!listed(&*store, Listing::DeadLetters, None, 99).await.contains(&id(n)));
        refuse(&*store, id(n), closed()).await;
        refuse(&*store, id(n), settled(State::Received)).await;
        let back = change(&*store, id(n), requeued()).await;
        assert_eq!((back.closed, back.state, back.generation), (false, State::Queued, 2));
        assert!(words(&*store, id(n)).await.ends_with(&["closed".to_owned(), "requeued".to_owned()]));
        change(&*store, id(n), settled(state)).await;
        assert!(listed(&*store, Listing::DeadLetters, None, 99).await.contains(&id(n)), "{state:?}");
    }
}

/// Given up by the operator, and then closed: the sender is still to be told, once.
pub async fn what_is_given_up_and_closed_is_still_reported(store: Arc<dyn OutboxStore>) {
    for (n, state) in [(1, State::Parked), (2, State::Queued)] {
        taken(&*store, n, "H02").await;
        if state == State::Parked {
            change(&*store, id(n), settled(state)).await;
        }
        change(&*store, id(n), settled(State::GivenUp)).await;
        change(&*store, id(n), closed()).await;
        let pending = store.pending_reports(9).await.expect("read");
        assert_eq!((pending.len(), pending[0].delivery.id), (1, id(n)));
        assert!(change(&*store, id(n), Transition::Reported).await.closed);
        refuse(&*store, id(n), Transition::Reported).await;
        // What an attempt that was under way brings now comes too late.
        refuse(&*store, id(n), settled(State::Received)).await;
        refuse(&*store, id(n), failed(NOW)).await;
    }
}

/// What another gateway requeued is open again, whatever its message says.
pub async fn a_newer_generation_is_not_closed(store: Arc<dyn OutboxStore>) {
    let message = Delivery { closed: true, ..delivery(1, "H02") };
    store.hand_off(message.clone()).await.expect("handed off");
    assert!(!store.delivery(id(1)).await.expect("read").expect("known").closed);
    change(&*store, id(1), settled(State::GivenUp)).await;
    change(&*store, id(1), closed()).await;
    store.hand_off(Delivery { generation: 2, ..message }).await.expect("handed off");
    let found = store.delivery(id(1)).await.expect("read").expect("known");
    assert_eq!((found.state, found.generation, found.closed), (State::Queued, 2, false));
    let mut closed = admission(2, &["H02"]);
    closed.deliveries[0].closed = true;
    store.admit(&closed).await.expect("admitted");
    assert!(!store.delivery(id(2)).await.expect("read").expect("known").closed);
}

/// `Hastened` fits what is queued and handed off: due now, unless it was due before; it counts nothing.
pub async fn only_what_waits_for_its_attempt_is_hastened(store: Arc<dyn OutboxStore>) {
    admitted(&*store, 1, "H02").await;
    refuse(&*store, id(1), hastened()).await;
    change(&*store, id(1), Transition::Published { generation: 1 }).await;
    refuse(&*store, id(1), hastened()).await;
    for (n, state) in (2..).zip(State::ALL.into_iter().filter(|state| *state != State::Queued)) {
        taken(&*store, n, "H02").await;
        change(&*store, id(n), settled(state)).await;
        refuse(&*store, id(n), hastened()).await;
    }
    refuse(&*store, id(999), hastened()).await;
    taken(&*store, 50, "H02").await;
    let before = change(&*store, id(50), failed(later(900))).await;
    let after = change(&*store, id(50), hastened()).await;
    assert_eq!(after, Delivery { due: NOW, paused_at: None, ..before.clone() });
    assert_eq!(
        ids(&store
            .heads(AdapterKind::VendorHttp, &organ("H02").token(), Lane::Normal, 9)
            .await
            .expect("read")),
        [id(50)]
    );
    let at = later(5);
    let again = store.transition(id(50), at, hastened()).await.expect("written").expect("fits");
    assert_eq!(again.due, NOW, "it was due before");
    assert!(words(&*store, id(50)).await.ends_with(&["hastened".to_owned(), "hastened".to_owned()]));
}

fn by_axis(n: u64, receivers: &[&str], axis: &str) -> Admission {
    let mut document = admission(n, receivers);
    for delivery in &mut document.deliveries {
        delivery.route.adapter = AdapterKind::NationalAxis;
        delivery.route.system = SystemId::parse(axis).expect("an id");
        delivery.correlations.push(CorrelationKey::of("chung"));
    }
    document
}

/// Receivers behind one axis wait in one queue, by order; another axis, and a receiver of the axis's name, in theirs.
pub async fn receivers_behind_an_axis_share_a_queue(store: Arc<dyn OutboxStore>) {
    let axis = AdapterKind::NationalAxis;
    store.admit(&by_axis(1, &["H02", "H03"], "vpcp")).await.expect("admitted");
    store.admit(&by_axis(2, &["H03"], "khac")).await.expect("admitted");
    store.admit(&by_axis(3, &["H03", "H04"], "vpcp")).await.expect("admitted");
    let mut direct = admission(4, &["H03", "AXIS-VPCP"]);
    direct.deliveries.iter_mut().for_each(|delivery| delivery.correlations.push(CorrelationKey::of("chung")));
    store.admit(&direct).await.expect("admitted");
    assert_eq!(store.receivers(axis).await.expect("read"), []);
    let all = [(1, "H02"), (1, "H03"), (2, "H03"), (3, "H03"), (3, "H04"), (4, "H03"), (4, "AXIS-VPCP")];
    let mut queues = std::collections::BTreeMap::new();
    for (n, receiver) in all.into_iter().rev() {
        let found = store.delivery(delivery_id(n, receiver)).await.expect("read").expect("known");
        queues.insert((n, receiver), found.route.queue());
        store.hand_off(found).await.expect("handed off");
    }
    let (vpcp, khac, direct) = (&queues[&(1, "H02")], &queues[&(2, "H03")], &queues[&(4, "H03")]);
    assert!(vpcp != khac && vpcp != direct && khac != direct);
    let mut receivers = store.receivers(axis).await.expect("read");
    receivers.sort();
    let mut wanted = [vpcp.clone(), khac.clone()];
    wanted.sort();
    assert_eq!(receivers, wanted);
    let heads = async |queue| ids(&store.heads(axis, queue, Lane::Normal, 9).await.expect("read"));
    let at_vpcp = [(1, "H02"), (1, "H03"), (3, "H03"), (3, "H04")].map(|(n, to)| delivery_id(n, to));
    assert_eq!(heads(vpcp).await, at_vpcp);
    assert_eq!(heads(khac).await, [delivery_id(2, "H03")]);
    assert_eq!(heads(direct).await, []);
    let shared = CorrelationKey::of("chung");
    let first = async |queue| {
        let first = store.first_correlated(queue, shared, None).await.expect("read");
        first.map(|delivery| delivery.id)
    };
    assert_eq!(first(vpcp).await, Some(at_vpcp[0]));
    change(&*store, at_vpcp[0], settled(State::HandedOver)).await;
    assert_eq!(first(vpcp).await, Some(at_vpcp[1]), "another receiver's goes before what refers to it");
    assert_eq!(first(khac).await, Some(delivery_id(2, "H03")));
    assert_eq!(first(direct).await, Some(delivery_id(4, "H03")));
    change(&*store, at_vpcp[1], settled(State::HandedOver)).await;
    assert_eq!(heads(vpcp).await, at_vpcp[2..]);
}
