//! An attempt is on disk before it begins: a withdrawal sees it, and a life that ends in the middle of one leaves a word
//! of it to the next.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::FutureExt;
use lienthong_adapters::contract::{failure, received};
use lienthong_pipeline::ports::{Clock, FailureClass, Transition};
use lienthong_pipeline::record::{BootId, Delivery, Fence, Receipt, State};
use lienthong_schemas::ids::DeliveryId;

use super::hooks::{Fate, hooked};
use super::world::{B, C, Setup, World, X, Y, Z, letter, taken};

const STEP: Duration = Duration::from_secs(10);
const ELSEWHERE: BootId = BootId::new(7);

fn leases(change: &Transition) -> bool {
    matches!(change, Transition::Leased { .. })
}

fn up(world: &World) {
    world.answer(|consignment, _| Ok(taken(consignment)));
}

async fn delivery(world: &World, receipt: &Receipt) -> Delivery {
    world.delivery(receipt.deliveries[0].delivery_id).await
}

async fn change(world: &World, id: DeliveryId, change: Transition) {
    let done = world.ports.store.transition(id, world.clock.now(), change).await;
    assert!(done.expect("the store answers").is_some());
}

#[tokio::test(start_paused = true)]
async fn an_attempt_is_on_disk_before_the_adapter_is_called_and_ends_with_its_outcome() {
    let (mut world, _) = hooked(Setup::default());
    let seen = Arc::new(Mutex::new(Vec::new()));
    let (at_attempt, ports) = (seen.clone(), world.ports.clone());
    world.answer(move |consignment, nth| {
        let id = consignment.delivery.id;
        let now = ports.store.delivery(id).now_or_never().expect("at once");
        let now = now.expect("it answers").expect("it is known");
        at_attempt.lock().expect("seen").push((now.lease.is_some(), now.lease == consignment.delivery.lease));
        if nth == 1 { Err(failure(FailureClass::Receiver, "connect")) } else { Ok(received()) }
    });
    let receipt = world.send(letter(1, &[B])).await;
    world.quiet().await;
    let after = delivery(&world, &receipt).await;
    assert_eq!((after.state, after.lease, after.attempts), (State::Queued, None, 1));
    world.advance(STEP).await;
    let after = delivery(&world, &receipt).await;
    assert_eq!((after.state, after.lease, after.attempts), (State::Received, None, 2));
    assert!(!after.may_have_arrived, "nobody was cut");
    assert_eq!(*seen.lock().expect("seen"), [(true, true); 2]);
}

#[tokio::test(start_paused = true)]
async fn what_lost_its_place_between_the_look_and_the_lease_is_not_attempted() {
    let (mut world, store) = hooked(Setup::default());
    world.answer(|_, _| Ok(received()));
    let (inner, mut first) = (store.inner(), true);
    store.transition.set(move |(id, change)| {
        if leases(change) && std::mem::take(&mut first) {
            let withdrawn =
                Transition::Settled { state: State::Withdrawn, note: "taken back".to_owned(), untold: false };
            let done = inner.transition(*id, jiff::Timestamp::UNIX_EPOCH, withdrawn).now_or_never();
            assert!(done.expect("at once").expect("it answers").is_some());
        }
        Fate::Passes
    });
    let gone = world.send(letter(1, &[B])).await;
    world.quiet().await;
    assert_eq!(delivery(&world, &gone).await.state, State::Withdrawn);
    let next = world.send(letter(2, &[B])).await;
    world.quiet().await;
    assert_eq!(delivery(&world, &next).await.state, State::Received);
    assert!(!world.tried().contains(&gone.document_id));
}

#[tokio::test(start_paused = true)]
async fn a_part_that_is_gone_leaves_the_others_to_go_without_it() {
    let (mut world, store) = hooked(Setup::default());
    up(&world);
    let mut nth = 0;
    store.transition.set(move |(_, change)| {
        nth += usize::from(leases(change));
        // The second part of three; and the look after it finds it gone.
        if leases(change) && nth == 2 { Fate::Vanishes } else { Fate::Passes }
    });
    let receipt = world.send(letter(1, &[X, Y, Z])).await;
    world.quiet().await;
    let sent: Vec<usize> = world.consigned().iter().map(|(_, to)| to.len()).collect();
    assert_eq!(sent, [2, 1], "what was still there after all leaves by itself");
    assert_eq!(world.states(&receipt).await, [State::HandedOver; 3]);
}

#[tokio::test(start_paused = true)]
async fn an_attempt_of_another_life_is_made_again_at_once_and_may_have_arrived() {
    let mut world = World::new();
    world.answer(|_, _| Err(failure(FailureClass::Receiver, "connect")));
    let receipt = world.send(letter(1, &[B])).await;
    let waiting = world.send(letter(2, &[C])).await;
    world.quiet().await;
    world.kill();
    // The life before this one had begun it when it ended, and its clock was ahead.
    let id = receipt.deliveries[0].delivery_id;
    let ahead = world.clock.now() + Duration::from_secs(86_400);
    let failed = Transition::AttemptFailed {
        due: ahead + STEP,
        document_fault: false,
        ours_to_fix: false,
        may_have_arrived: false,
        note: "timeout".to_owned(),
    };
    let store = world.ports.store.clone();
    assert!(store.transition(id, world.clock.now(), failed).await.expect("answers").is_some());
    change(&world, id, Transition::Leased { boot: ELSEWHERE, fence: Fence::ALONE }).await;
    up(&world);
    world.start();
    world.quiet().await;
    let after = delivery(&world, &receipt).await;
    assert_eq!((after.state, after.may_have_arrived, after.attempts), (State::Received, true, 4));
    let other = delivery(&world, &waiting).await;
    assert_eq!((other.state, other.may_have_arrived), (State::Queued, false), "its pause still holds");
    let words: Vec<String> = world.history(id).await.into_iter().map(|(event, _)| event).collect();
    assert!(!words.iter().any(|word| word.contains("lease")), "{words:?}");
    world.advance(STEP).await;
    assert_eq!(delivery(&world, &waiting).await.state, State::Received);
}

#[tokio::test(start_paused = true)]
async fn a_gateway_killed_between_lease_and_attempt_delivers_in_the_next_life() {
    for receivers in [&[B][..], &[X, Y, Z]] {
        for written in 0..=receivers.len() {
            let (mut world, store) = hooked(Setup::default());
            up(&world);
            let mut count = 0;
            store.transition.set(move |(_, change)| {
                if leases(change) {
                    count += 1;
                    return if count > written { Fate::Hangs } else { Fate::Passes };
                }
                Fate::Passes
            });
            if written == receivers.len() {
                // All are leased, and the attempt never comes back.
                world.answer(|_, _| Err(failure(FailureClass::Receiver, "never")));
                store.transition.set(|(_, change)| match change {
                    Transition::AttemptFailed { .. } => Fate::Hangs,
                    _ => Fate::Passes,
                });
            }
            let receipt = world.send(letter(1, receivers)).await;
            world.quiet().await;
            let begun: usize = {
                let mut begun = 0;
                for line in &receipt.deliveries {
                    begun += usize::from(world.delivery(line.delivery_id).await.lease.is_some());
                }
                begun
            };
            assert_eq!(begun, written, "in flight is seen in the store");
            world.kill();
            let tried = world.adapter.attempts().len();
            store.transition.clear();
            up(&world);
            world.start();
            world.quiet().await;
            let end = if receivers.len() == 1 { State::Received } else { State::HandedOver };
            assert_eq!(
                world.states(&receipt).await,
                vec![end; receivers.len()],
                "{written} of {receivers:?}"
            );
            assert_eq!(world.adapter.attempts().len(), tried + 1);
            for (n, line) in receipt.deliveries.iter().enumerate() {
                let after = world.delivery(line.delivery_id).await;
                assert_eq!((after.lease, after.may_have_arrived), (None, n < written));
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_lease_whose_word_was_lost_is_gone_on_with_in_the_same_life() {
    let (mut world, store) = hooked(Setup::default());
    let (inner, mut first) = (store.inner(), true);
    store.transition.set(move |(id, change)| {
        if leases(change) && std::mem::take(&mut first) {
            // It is written, and the answer says that it is not.
            let done = inner.transition(*id, jiff::Timestamp::UNIX_EPOCH, change.clone()).now_or_never();
            assert!(done.expect("at once").expect("it answers").is_some());
            return Fate::Fails;
        }
        Fate::Passes
    });
    let receipt = world.send(letter(1, &[B])).await;
    world.quiet().await;
    assert_eq!(world.adapter.attempts().len(), 0);
    let between = delivery(&world, &receipt).await;
    assert!(between.lease.is_some(), "it stands there, and nobody is at it");
    world.advance(STEP).await;
    let after = delivery(&world, &receipt).await;
    assert_eq!((after.state, after.attempts, after.may_have_arrived), (State::Received, 1, false));
}
