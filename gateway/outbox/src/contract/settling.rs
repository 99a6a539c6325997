//! Attempts, ends, requeues and reports.

use std::sync::Arc;

use lienthong_pipeline::ports::{HandOff, OutboxStore, PendingReport, Transition};
use lienthong_pipeline::record::{Delivery, State};
use lienthong_schemas::ids::CorrelationKey;

use super::samples::*;

const FINAL: [State; 6] =
    [State::HandedOver, State::Received, State::Refused, State::Withdrawn, State::GivenUp, State::Paper];

/// `AttemptFailed` fits only what is queued and handed off; it counts, and a failure that is not the document's
/// begins the document's count anew.
pub async fn an_attempt_fails_only_while_it_is_ours(store: Arc<dyn OutboxStore>) {
    let waiting = admitted(&*store, 1, "H02").await;
    refuse(&*store, waiting.id, failed(later(5))).await;
    let delivery = taken(&*store, 2, "H02").await;
    let fault = |document_fault, ours_to_fix| Transition::AttemptFailed {
        due: later(60),
        document_fault,
        ours_to_fix,
        may_have_arrived: false,
        note: "http_500".to_owned(),
    };
    for (n, (document, ours, failures)) in
        [(true, false, 1), (true, false, 2), (false, true, 0), (true, false, 1)].into_iter().enumerate()
    {
        let changed = change(&*store, delivery.id, fault(document, ours)).await;
        assert_eq!((changed.attempts, changed.document_failures), (n as u32 + 1, failures));
        assert_eq!((changed.due, changed.ours_to_fix), (later(60), ours));
        assert_eq!((changed.state, changed.handed_off), (State::Queued, true));
    }
    for (n, state) in [State::Parked, State::Offered, State::Received].into_iter().enumerate() {
        let delivery = taken(&*store, 10 + n as u64, "H02").await;
        change(&*store, delivery.id, settled(state)).await;
        refuse(&*store, delivery.id, failed(later(5))).await;
    }
}

/// From queued, offered or parked to any state but queued; a final state stays, and what does not change is not written.
pub async fn a_delivery_settles_once(store: Arc<dyn OutboxStore>) {
    let mut n = 0;
    for way in [None, Some(State::Offered), Some(State::Parked)] {
        for end in FINAL {
            n += 1;
            let delivery = taken(&*store, n, "H02").await;
            refuse(&*store, delivery.id, settled(State::Queued)).await;
            if let Some(state) = way {
                assert_eq!(change(&*store, delivery.id, settled(state)).await.state, state);
                refuse(&*store, delivery.id, settled(State::Queued)).await;
                refuse(&*store, delivery.id, settled(state)).await;
            }
            assert_eq!(change(&*store, delivery.id, settled(end)).await.state, end);
            let history = store.history(delivery.id).await.expect("read");
            let last = history.last().expect("a line");
            assert_eq!((last.state, last.event.as_str()), (end, "settled"));
            assert_eq!(last.note, format!("became {}", end.as_str()));
            for state in FINAL.into_iter().chain([State::Parked, State::Offered]) {
                refuse(&*store, delivery.id, settled(state)).await;
            }
        }
    }
    let parked = admitted(&*store, 99, "H02").await;
    change(&*store, parked.id, settled(State::Parked)).await;
    assert_eq!(words(&*store, parked.id).await, ["accepted", "parked"]);
}

/// What is held for another document's sake is parked, and holds nothing up; sent again, it has its place as before.
pub async fn what_is_contested_is_parked_and_in_nobodys_way(store: Arc<dyn OutboxStore>) {
    let key = CorrelationKey::of("contested");
    let mut admission = admission(1, &["H02"]);
    admission.deliveries[0].correlations = vec![key];
    store.admit(&admission).await.expect("admitted");
    let (id, queue) = (admission.deliveries[0].id, admission.deliveries[0].route.queue());
    let first = async || store.first_correlated(&queue, key, None).await.expect("read").map(|first| first.id);
    assert_eq!(first().await, Some(id));
    let contested = || Transition::Contested { note: "document_conflict: another one is there".to_owned() };
    let held = change(&*store, id, contested()).await;
    assert!(held.state == State::Parked && held.contested && held.is_dead_letter());
    assert_eq!(first().await, None);
    assert_eq!(words(&*store, id).await, ["accepted", "contested"]);
    refuse(&*store, id, contested()).await;
    let again = change(&*store, id, requeued()).await;
    assert!(again.state == State::Queued && !again.contested && again.is_unpublished());
    assert_eq!(first().await, Some(id));
    // Parked for another reason it is in the way.
    change(&*store, id, settled(State::Parked)).await;
    assert_eq!(first().await, Some(id));
    assert_eq!(change(&*store, id, settled(State::GivenUp)).await.state, State::GivenUp);
}

/// An end that came of an attempt counts as one; parking, giving up and withdrawing do not.
pub async fn attempts_count_what_was_begun(store: Arc<dyn OutboxStore>) {
    for (n, state) in FINAL.into_iter().chain([State::Offered, State::Parked]).enumerate() {
        let delivery = taken(&*store, n as u64 + 1, "H02").await;
        change(&*store, delivery.id, failed(NOW)).await;
        let settled = change(&*store, delivery.id, settled(state)).await;
        let none = matches!(state, State::Parked | State::GivenUp | State::Withdrawn);
        assert_eq!(settled.attempts, if none { 1 } else { 2 }, "{state:?}");
    }
}

/// Requeued from parked, given up or refused, and only from these: the next generation, not handed off, unpublished.
pub async fn only_what_stopped_is_requeued(store: Arc<dyn OutboxStore>) {
    let waiting = taken(&*store, 1, "H02").await;
    refuse(&*store, waiting.id, requeued()).await;
    for (n, state) in FINAL.into_iter().chain([State::Offered, State::Parked]).enumerate() {
        let delivery = taken(&*store, n as u64 + 2, "H02").await;
        let document_fault = true;
        let change_of = |note| Transition::AttemptFailed {
            due: later(999),
            document_fault,
            ours_to_fix: true,
            may_have_arrived: false,
            note,
        };
        change(&*store, delivery.id, change_of(String::new())).await;
        let before = change(&*store, delivery.id, settled(state)).await;
        if !matches!(state, State::Parked | State::GivenUp | State::Refused) {
            refuse(&*store, delivery.id, requeued()).await;
            continue;
        }
        let back = change(&*store, delivery.id, requeued()).await;
        assert_eq!((back.state, back.generation, back.published), (State::Queued, 2, 1));
        assert_eq!((back.handed_off, back.document_failures, back.ours_to_fix), (false, 0, false));
        assert_eq!((back.due, back.order, back.attempts), (NOW, before.order, before.attempts));
        assert_eq!((before.since, back.since), (None, Some(NOW)), "its age counts anew");
        assert_eq!(store.unpublished(9).await.expect("read"), std::slice::from_ref(&back));
        assert!(words(&*store, back.id).await.ends_with(&["requeued".to_owned()]));
        change(&*store, back.id, Transition::Published { generation: 2 }).await;
    }
}

/// Deliveries settled as received or given up, reportable and not untold, and not yet reported: in the order in which they ended.
pub async fn outcomes_are_reported_once(store: Arc<dyn OutboxStore>) {
    let mut quiet = admission(50, &["H02"]);
    quiet.deliveries[0].reportable = false;
    store.admit(&quiet).await.expect("admitted");
    change(&*store, delivery_id(50, "H02"), settled(State::GivenUp)).await;
    let answers_itself = taken(&*store, 51, "H02").await;
    let (state, note) = (State::Received, String::new());
    change(&*store, answers_itself.id, Transition::Settled { state, note, untold: true }).await;
    refuse(&*store, answers_itself.id, Transition::Reported).await;
    for (n, state) in FINAL.into_iter().enumerate() {
        let delivery = taken(&*store, 9 - n as u64, "H02").await;
        refuse(&*store, delivery.id, Transition::Reported).await;
        let at = later(100 + n as i64);
        store.transition(delivery.id, at, settled(state)).await.expect("written").expect("fits");
        if !matches!(state, State::Received | State::GivenUp) {
            refuse(&*store, delivery.id, Transition::Reported).await;
        }
    }
    let (received, given_up) = (delivery_id(8, "H02"), delivery_id(5, "H02"));
    let report = async |id, at| {
        let delivery = store.delivery(id).await.expect("read").expect("known");
        PendingReport { delivery, at: later(at) }
    };
    let wanted = [report(received, 101).await, report(given_up, 104).await];
    assert_eq!(store.pending_reports(9).await.expect("read"), wanted);
    assert_eq!(store.pending_reports(1).await.expect("read"), wanted[..1]);
    assert_eq!(store.pending_reports(0).await.expect("read"), []);

    assert_eq!(change(&*store, received, Transition::Reported).await.state, State::Received);
    refuse(&*store, received, Transition::Reported).await;
    assert_eq!(store.pending_reports(9).await.expect("read"), wanted[1..]);
    change(&*store, given_up, requeued()).await;
    assert_eq!(store.pending_reports(9).await.expect("read"), []);
    refuse(&*store, given_up, Transition::Reported).await;
    change(&*store, given_up, settled(State::GivenUp)).await;
    assert_eq!(store.pending_reports(9).await.expect("read").len(), 1, "nobody was told of the first time");
}

/// That a delivery was given up is reported once for life, whoever requeues it; that it was received later, is too.
pub async fn who_was_told_of_a_given_up_one_is_not_told_again(store: Arc<dyn OutboxStore>) {
    let (here, elsewhere) = (taken(&*store, 1, "H02").await, taken(&*store, 2, "H02").await);
    for id in [here.id, elsewhere.id] {
        change(&*store, id, settled(State::GivenUp)).await;
        change(&*store, id, Transition::Reported).await;
    }
    change(&*store, here.id, requeued()).await;
    let again = Delivery { generation: 2, ..elsewhere.clone() };
    assert_eq!(store.hand_off(again).await.expect("written"), HandOff::Taken);
    for id in [here.id, elsewhere.id] {
        change(&*store, id, settled(State::GivenUp)).await;
        assert_eq!(store.pending_reports(9).await.expect("read"), []);
        refuse(&*store, id, Transition::Reported).await;
        change(&*store, id, requeued()).await;
        change(&*store, id, settled(State::Received)).await;
        assert_eq!(store.pending_reports(9).await.expect("read").len(), 1);
        change(&*store, id, Transition::Reported).await;
    }
}

/// A report that cannot be made is asked for no more, and again when the delivery is given up anew.
pub async fn who_cannot_be_told_is_told_the_next_time(store: Arc<dyn OutboxStore>) {
    let delivery = taken(&*store, 1, "H02").await;
    let not_told = || Transition::NotTold { note: "no_address".to_owned() };
    refuse(&*store, delivery.id, not_told()).await;
    change(&*store, delivery.id, settled(State::GivenUp)).await;
    assert_eq!(change(&*store, delivery.id, not_told()).await.state, State::GivenUp);
    assert_eq!(store.pending_reports(9).await.expect("read"), []);
    assert!(words(&*store, delivery.id).await.ends_with(&["not_told".to_owned()]));
    refuse(&*store, delivery.id, not_told()).await;
    change(&*store, delivery.id, requeued()).await;
    change(&*store, delivery.id, settled(State::GivenUp)).await;
    assert_eq!(store.pending_reports(9).await.expect("read").len(), 1);
}
