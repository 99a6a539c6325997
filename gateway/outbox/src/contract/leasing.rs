//! Attempts that are under way, and those that a life of the gateway left behind.

use std::sync::Arc;

use lienthong_pipeline::ports::{OutboxStore, Transition};
use lienthong_pipeline::record::{BootId, Delivery, Fence, Lane, Lease, State};

use super::samples::*;

const THIS: BootId = BootId::new(1);
const NEXT: BootId = BootId::new(2);

fn leased(boot: BootId) -> Transition {
    Transition::Leased { boot, fence: Fence::ALONE }
}

async fn now(store: &dyn OutboxStore, delivery: &Delivery) -> Delivery {
    store.delivery(delivery.id).await.expect("read").expect("known")
}

/// `Leased` fits what is handed off and queued, once a life; it is seen by everybody, and leaves no line and no event.
pub async fn an_attempt_begins_once_in_a_life(store: Arc<dyn OutboxStore>) {
    let waiting = admitted(&*store, 1, "H02").await;
    refuse(&*store, waiting.id, leased(THIS)).await;
    let delivery = taken(&*store, 2, "H02").await;
    let (lines, events) =
        (words(&*store, delivery.id).await, store.unsent_events(usize::MAX).await.expect("read"));
    let begun = store.transition(delivery.id, later(7), leased(THIS)).await.expect("written").expect("fits");
    let lease = Some(Lease { boot: THIS, at: later(7), fence: Fence::ALONE });
    assert_eq!(begun, Delivery { lease, ..delivery.clone() }, "nothing else is another");
    assert_eq!(now(&*store, &delivery).await, begun);
    let heads = store.heads(delivery.route.adapter, &delivery.route.queue(), Lane::Normal, 9).await;
    assert_eq!(heads.expect("read"), [begun], "it keeps its place");
    assert_eq!(words(&*store, delivery.id).await, lines);
    assert_eq!(store.unsent_events(usize::MAX).await.expect("read"), events);
    refuse(&*store, delivery.id, leased(THIS)).await;
    // It does not begin after all: nothing is left of it, and it may begin anew.
    refuse(&*store, delivery.id, Transition::Unleased { boot: NEXT }).await;
    assert_eq!(change(&*store, delivery.id, Transition::Unleased { boot: THIS }).await, delivery);
    refuse(&*store, delivery.id, Transition::Unleased { boot: THIS }).await;
    assert_eq!(words(&*store, delivery.id).await, lines);
    assert_eq!(store.unsent_events(usize::MAX).await.expect("read"), events);
    let again = change(&*store, delivery.id, leased(THIS)).await;
    assert!(!again.may_have_arrived && again.attempts == 0);
    for (n, state) in
        [State::Parked, State::Offered, State::Received, State::Withdrawn].into_iter().enumerate()
    {
        let delivery = taken(&*store, 10 + n as u64, "H02").await;
        change(&*store, delivery.id, settled(state)).await;
        refuse(&*store, delivery.id, leased(THIS)).await;
    }
}

/// Every outcome ends the attempt; the next one begins anew. A way is not changed under an attempt.
pub async fn an_attempt_ends_with_its_outcome(store: Arc<dyn OutboxStore>) {
    let failed_word = |may_have_arrived| Transition::AttemptFailed {
        due: NOW,
        document_fault: false,
        ours_to_fix: false,
        may_have_arrived,
        note: "timeout".to_owned(),
    };
    let delivery = taken(&*store, 1, "H02").await;
    for (n, (says, then)) in [(false, false), (true, true), (false, true)].into_iter().enumerate() {
        change(&*store, delivery.id, leased(THIS)).await;
        let rerouted = Transition::Rerouted { route: delivery.route.clone(), note: "another way".to_owned() };
        refuse(&*store, delivery.id, rerouted).await;
        let after = change(&*store, delivery.id, failed_word(says)).await;
        assert_eq!((after.lease, after.attempts as usize), (None, n + 1));
        assert_eq!(after.may_have_arrived, then, "what may have arrived stays so");
    }
    for (n, state) in [State::Received, State::Refused, State::Parked, State::GivenUp].into_iter().enumerate()
    {
        let delivery = taken(&*store, 10 + n as u64, "H02").await;
        change(&*store, delivery.id, leased(THIS)).await;
        let after = change(&*store, delivery.id, settled(state)).await;
        assert_eq!((after.lease, after.state), (None, state));
        if state == State::Parked {
            let again = change(&*store, delivery.id, requeued()).await;
            assert_eq!((again.lease, again.handed_off), (None, false));
        }
    }
}

/// An attempt of an earlier life was cut: it counts, and the receiver may have the packet.
pub async fn an_attempt_of_another_life_is_void(store: Arc<dyn OutboxStore>) {
    let delivery = taken(&*store, 1, "H02").await;
    let first = change(&*store, delivery.id, leased(THIS)).await;
    assert_eq!((first.attempts, first.may_have_arrived), (0, false));
    let second = store.transition(delivery.id, later(9), leased(NEXT)).await.expect("written").expect("fits");
    assert_eq!((second.attempts, second.may_have_arrived), (1, true));
    assert_eq!(second.lease, Some(Lease { boot: NEXT, at: later(9), fence: Fence::ALONE }));
    refuse(&*store, delivery.id, leased(NEXT)).await;
    let failed = change(&*store, delivery.id, failed(NOW)).await;
    assert_eq!((failed.attempts, failed.may_have_arrived, failed.lease), (2, true, None));
}

/// A failure begins a pause; whoever hastens or sends it again ends it.
pub async fn a_pause_has_a_beginning_and_an_end(store: Arc<dyn OutboxStore>) {
    let delivery = taken(&*store, 1, "H02").await;
    assert_eq!(delivery.paused_at, None);
    let paused = change(&*store, delivery.id, failed(later(60))).await;
    assert_eq!((paused.due, paused.paused_at), (later(60), Some(NOW)));
    for (at, due) in [(-1, true), (0, false), (59, false), (60, true)] {
        assert_eq!(paused.is_due(later(at)), due, "{at} s after");
    }
    let note = "by an operator".to_owned();
    let hastened = change(&*store, delivery.id, Transition::Hastened { note }).await;
    assert_eq!((hastened.due, hastened.paused_at), (NOW, None));
    change(&*store, delivery.id, failed(later(60))).await;
    change(&*store, delivery.id, settled(State::Parked)).await;
    let again = change(&*store, delivery.id, requeued()).await;
    assert_eq!(again.paused_at, None);
    assert!(again.is_due(later(-9_999)), "what has not failed is not paused, whatever the clock says");
}
