//! A store that fails for a while: nothing ends, nothing that a receiver said is dropped, and nothing is sent that is
//! not on disk.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::FutureExt;
use lienthong_adapters::contract::{failure, received};
use lienthong_pipeline::ports::{FailureClass, HandOff, Transition};
use lienthong_pipeline::record::{AdapterKind, Receipt, State};

use super::hooks::{Fate, HookedStore, hooked};
use super::world::{B, C, D, M, Setup, World, X, Y, letter, taken};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

/// Changes of this kind fail while the flag is up.
fn failing(store: &HookedStore, which: fn(&Transition) -> bool) -> Arc<AtomicBool> {
    let away = Arc::new(AtomicBool::new(true));
    let flag = away.clone();
    store.transition.set(move |(_, change)| match which(change) && flag.load(Ordering::Relaxed) {
        true => Fate::Fails,
        false => Fate::Passes,
    });
    away
}

fn attempts_of(world: &World, receipt: &Receipt) -> usize {
    world.tried().iter().filter(|id| **id == receipt.document_id).count()
}

#[tokio::test(start_paused = true)]
async fn what_a_receiver_said_is_written_when_the_store_is_back() {
    let outcomes =
        |change: &Transition| matches!(change, Transition::Settled { .. } | Transition::AttemptFailed { .. });
    for (class, end) in [
        (None, State::HandedOver),
        (Some(FailureClass::Permanent), State::Refused),
        (Some(FailureClass::Packet), State::Parked),
        (Some(FailureClass::Receiver), State::HandedOver),
    ] {
        let (mut world, store) = hooked(Setup::default());
        world.answer(move |consignment, nth| match class {
            Some(class) if nth == 1 => Err(failure(class, "code")),
            _ => Ok(taken(consignment)),
        });
        let away = failing(&store, outcomes);
        let receipt = world.send(letter(1, &[X, Y])).await;
        let mail = world.send(letter(2, &[M])).await;
        world.quiet().await;
        world.pass(MINUTE, SECOND).await;
        assert_eq!(
            (attempts_of(&world, &receipt), attempts_of(&world, &mail)),
            (1, 1),
            "{class:?}: not sent again"
        );
        assert_eq!(world.states(&receipt).await, [State::Queued; 2]);
        away.store(false, Ordering::Relaxed);
        world.pass(MINUTE, SECOND).await;
        assert_eq!(world.states(&receipt).await, [end; 2], "{class:?}");
        let again = usize::from(class == Some(FailureClass::Receiver));
        assert_eq!(attempts_of(&world, &receipt), 1 + again, "{class:?}");
        let parts = world.delivery(receipt.deliveries[1].delivery_id).await;
        let begun = if end == State::Parked { 0 } else { 1 + again };
        assert_eq!(parts.attempts as usize, begun, "{class:?}: each attempt is counted once");
    }
}

#[tokio::test(start_paused = true)]
async fn a_part_that_was_written_is_not_written_again_with_the_others() {
    let (mut world, store) = hooked(Setup::default());
    world.answer(|consignment, nth| match nth {
        1 => Err(failure(FailureClass::Receiver, "timeout")),
        _ => Ok(taken(consignment)),
    });
    let mut failures = 0;
    store.transition.set(move |(_, change)| {
        failures += usize::from(matches!(change, Transition::AttemptFailed { .. }));
        // The second part's is taken at its third try.
        if matches!(change, Transition::AttemptFailed { .. }) && [2, 3].contains(&failures) {
            return Fate::Fails;
        }
        Fate::Passes
    });
    let receipt = world.send(letter(1, &[X, Y])).await;
    world.pass(MINUTE, SECOND).await;
    assert_eq!(world.states(&receipt).await, [State::HandedOver; 2]);
    for line in &receipt.deliveries {
        assert_eq!(world.delivery(line.delivery_id).await.attempts, 2);
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_goes_out_while_it_cannot_be_written_that_it_does() {
    let (mut world, store) = hooked(Setup::default());
    let away = failing(&store, |change| matches!(change, Transition::Leased { .. }));
    let mut receipts = Vec::new();
    for (number, receiver) in (1..).zip([B, C, M, X]) {
        receipts.push(world.send(letter(number, &[receiver])).await);
    }
    world.pass(MINUTE, SECOND).await;
    assert_eq!(world.adapter.attempts().len(), 0);
    away.store(false, Ordering::Relaxed);
    world.answer(|consignment, _| Ok(taken(consignment)));
    world.pass(SECOND * 6, SECOND).await;
    for receipt in &receipts {
        assert!(world.states(receipt).await[0].is_final());
    }
    assert_eq!(world.adapter.attempts().len(), 4);
}

#[tokio::test(start_paused = true)]
async fn a_store_that_cannot_be_read_is_asked_again_and_what_came_meanwhile_is_found() {
    let (mut world, store) = hooked(Setup::default());
    world.quiet().await;
    let away = Arc::new(AtomicBool::new(true));
    let flag = away.clone();
    store.look.set(move |_| if flag.load(Ordering::Relaxed) { Fate::Fails } else { Fate::Passes });
    let first = world.send(letter(1, &[B])).await;
    world.pass(MINUTE, SECOND).await;
    let second = world.send(letter(2, &[C]).priority(2)).await;
    world.pass(MINUTE, SECOND).await;
    assert!(world.tried().is_empty());
    let asked = store.looks(AdapterKind::VendorHttp);
    assert!(asked < 60, "{asked} looks in two minutes: it rests between them");
    away.store(false, Ordering::Relaxed);
    world.pass(SECOND * 6, SECOND).await;
    for receipt in [&first, &second] {
        assert_eq!(world.states(receipt).await, [State::Received]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_word_that_was_lost_is_made_good_by_the_next_look_for_all() {
    let (mut world, store) = hooked(Setup::default());
    world.answer(|_, _| Ok(received()));
    // The hand-off is written, and the answer says that it is not; then the message does not come again for long.
    let (inner, mut first) = (store.inner(), true);
    store.hand_off.set(move |delivery| {
        if std::mem::take(&mut first) {
            let taken = inner.hand_off(delivery.clone()).now_or_never();
            assert_eq!(taken.expect("at once").expect("it answers"), HandOff::Taken);
            return Fate::Hangs;
        }
        Fate::Passes
    });
    let receipt = world.send(letter(1, &[B])).await;
    world.quiet().await;
    assert!(world.delivery(receipt.deliveries[0].delivery_id).await.handed_off);
    assert!(world.tried().is_empty(), "nobody was woken");
    world.pass(MINUTE * 11, MINUTE).await;
    assert_eq!(world.states(&receipt).await, [State::Received]);
}

#[tokio::test(start_paused = true)]
async fn a_wake_costs_a_look_at_what_changed_however_much_waits() {
    let (mut world, store) = hooked(Setup::default());
    world.answer(|_, _| Err(failure(FailureClass::Receiver, "connect")));
    for (number, receiver) in (1..).zip([B, D].iter().cycle().take(40)) {
        world.send(letter(number, &[receiver])).await;
    }
    world.quiet().await;
    world.answer(|consignment, _| match consignment.delivery.route.receiver.as_str() {
        C => Ok(received()),
        _ => Err(failure(FailureClass::Receiver, "connect")),
    });
    for number in 100..110 {
        let before = store.looks(AdapterKind::VendorHttp);
        let receipt = world.send(letter(number, &[C])).await;
        world.quiet().await;
        assert_eq!(world.states(&receipt).await, [State::Received]);
        assert_eq!(store.looks(AdapterKind::VendorHttp) - before, 1, "one look for one delivery");
    }
}
