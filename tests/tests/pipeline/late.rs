//! Parts of a consignment come through the broker one by one, and one of them may be late: the others wait for it, but
//! not for ever, and nobody else waits with them for long.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use lienthong_adapters::contract::{failure, received};
use lienthong_pipeline::ports::{Clock, FailureClass, Transition};
use lienthong_pipeline::record::{AdapterKind, Delivery, Receipt, State};
use lienthong_schemas::edxml::BusinessType;

use super::hooks::{Fate, Hook, hooked, publications};
use super::world::{B, Setup, World, X, Y, Z, letter, name_of, organ, taken};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

/// A world whose publications are decided on.
fn world(hook: &Hook<Delivery>) -> World {
    World::open(Setup { wrap: publications(hook), ..Setup::default() })
}

/// Publications to this organisation meet this fate.
fn to(hook: &Hook<Delivery>, receiver: &str, fate: Fate) {
    let receiver = organ(receiver);
    hook.set(move |delivery| if delivery.route.receiver == receiver { fate } else { Fate::Passes });
}

/// The receivers of each consignment of this document so far.
fn sent(world: &World, receipt: &Receipt) -> Vec<Vec<String>> {
    let ours = world.consigned().into_iter().filter(|(document, _)| *document == receipt.document_id);
    ours.map(|(_, to)| to).collect()
}

fn names(receivers: &[&str]) -> Vec<String> {
    receivers.iter().map(|code| (*code).to_owned()).collect()
}

#[tokio::test(start_paused = true)]
async fn a_consignment_waits_until_its_last_part_is_published_and_leaves_whole() {
    let hook = Hook::default();
    let mut world = world(&hook);
    to(&hook, Y, Fate::Fails);
    let receipt = world.send(letter(1, &[X, Y, Z])).await;
    world.pass(MINUTE, SECOND * 5).await;
    assert!(sent(&world, &receipt).is_empty());
    let states: Vec<bool> = {
        let mut handed_off = Vec::new();
        for line in &receipt.deliveries {
            handed_off.push(world.delivery(line.delivery_id).await.handed_off);
        }
        handed_off
    };
    assert_eq!(states, [true, false, true]);
    hook.clear();
    world.advance(SECOND * 5).await;
    assert_eq!(sent(&world, &receipt), [names(&[X, Y, Z])]);
    assert_eq!(world.states(&receipt).await, [State::HandedOver; 3]);
}

#[tokio::test(start_paused = true)]
async fn a_first_part_that_is_not_published_keeps_no_other_part_and_no_other_document_from_it() {
    let hook = Hook::default();
    let mut world = world(&hook);
    to(&hook, Y, Fate::Fails);
    let receipt = world.send(letter(1, &[Y, X, Z])).await;
    let other = world.send(letter(2, &[Z, Y, X])).await;
    world.quiet().await;
    for (receipt, expected) in [(&receipt, [false, true, true]), (&other, [true, false, true])] {
        for (line, expected) in receipt.deliveries.iter().zip(expected) {
            let part = world.delivery(line.delivery_id).await;
            assert_eq!(
                (part.published > 0, part.handed_off),
                (expected, expected),
                "{}",
                part.route.receiver
            );
        }
    }
    hook.clear();
    world.advance(SECOND * 5).await;
    assert_eq!(sent(&world, &receipt), [names(&[Y, X, Z])]);
    assert_eq!(sent(&world, &other), [names(&[Z, Y, X])]);
}

#[tokio::test(start_paused = true)]
async fn what_an_urgent_packet_refers_to_is_published_before_it_whoever_it_is_for() {
    let hook = Hook::default();
    let mut world = world(&hook);
    world.broker.stop();
    let document = world.send(letter(1, &[X])).await;
    let recall = letter(2, &[Y, X]).business(BusinessType::Revoke, "nhầm", &name_of(1)).priority(4);
    let recall = world.send(recall).await;
    let other = world.send(letter(3, &[Z]).priority(4)).await;
    world.quiet().await;
    let published = Arc::new(Mutex::new(Vec::new()));
    let seen = published.clone();
    hook.set(move |delivery| {
        seen.lock().expect("seen").push(delivery.id);
        Fate::Passes
    });
    world.broker.start();
    world.advance(SECOND * 5).await;
    let expected =
        [&document.deliveries[0], &recall.deliveries[0], &recall.deliveries[1], &other.deliveries[0]];
    let expected = expected.map(|line| line.delivery_id);
    assert_eq!(*published.lock().expect("published"), expected, "each once, an axis in one chain");
}

#[tokio::test(start_paused = true)]
async fn a_part_whose_message_is_lost_comes_again_and_the_consignment_leaves_whole() {
    let hook = Hook::default();
    let mut world = world(&hook);
    to(&hook, X, Fate::Vanishes);
    let receipt = world.send(letter(1, &[X, Y])).await;
    world.quiet().await;
    hook.clear();
    world.pass(MINUTE * 9, MINUTE / 2).await;
    assert!(sent(&world, &receipt).is_empty());
    world.pass(MINUTE * 4, SECOND * 10).await;
    assert_eq!(sent(&world, &receipt), [names(&[X, Y])]);
    assert_eq!(world.delivery(receipt.deliveries[0].delivery_id).await.generation, 2);
    assert_eq!(world.states(&receipt).await, [State::HandedOver; 2]);
}

#[tokio::test(start_paused = true)]
async fn others_pass_a_waiting_consignment_after_a_moment() {
    let hook = Hook::default();
    let mut world = world(&hook);
    to(&hook, Y, Fate::Fails);
    let waiting = world.send(letter(1, &[X, Y])).await;
    let other = world.send(letter(2, &[X, Z])).await;
    let recall = world.send(letter(3, &[X]).business(BusinessType::Revoke, "nhầm", &name_of(1))).await;
    let urgent = world.send(letter(4, &[Z]).priority(4)).await;
    let answer = world.send(letter(5, &[Z]).response_for(X, "3/STN-VP", &name_of(3), "2026/01/02")).await;
    world.quiet().await;
    assert_eq!(world.consigned().len(), 1, "the other lane is free: {:?}", world.consigned());
    assert_eq!(world.states(&urgent).await, [State::HandedOver]);
    world.advance(SECOND * 9).await;
    assert_eq!(world.states(&other).await, [State::Queued; 2], "first in, first out, while it may come");
    world.advance(SECOND).await;
    assert_eq!(world.states(&other).await, [State::HandedOver; 2]);
    world.pass(MINUTE * 5, SECOND * 5).await;
    assert_eq!(world.states(&recall).await, [State::Queued], "what refers to it never overtakes it");
    assert_eq!(world.states(&answer).await, [State::Queued], "nor what refers to that");
    hook.clear();
    world.advance(SECOND * 5).await;
    world.quiet().await;
    let order: Vec<_> = world.consigned().into_iter().map(|(document, _)| document).collect();
    let expected = [&urgent, &other, &waiting, &recall, &answer].map(|receipt| receipt.document_id);
    assert_eq!(order, expected);
}

#[tokio::test(start_paused = true)]
async fn a_part_that_never_comes_holds_the_others_for_a_quarter_of_an_hour() {
    let hook = Hook::default();
    let mut world = world(&hook);
    to(&hook, Y, Fate::Fails);
    let receipt = world.send(letter(1, &[X, Y, Z])).await;
    world.quiet().await;
    world.pass(MINUTE * 15 - SECOND, SECOND).await;
    assert!(sent(&world, &receipt).is_empty());
    // A failed attempt does not make them wait anew.
    world.answer(|_, _| Err(failure(FailureClass::Receiver, "connect")));
    world.advance(SECOND).await;
    assert_eq!(sent(&world, &receipt), [names(&[X, Z])]);
    world.answer(|consignment, _| Ok(taken(consignment)));
    world.advance(SECOND * 10).await;
    assert_eq!(world.states(&receipt).await, [State::HandedOver, State::Queued, State::HandedOver]);
    hook.clear();
    world.advance(SECOND * 5).await;
    assert_eq!(world.states(&receipt).await, [State::HandedOver; 3]);
    assert_eq!(sent(&world, &receipt), [names(&[X, Z]), names(&[X, Z]), names(&[Y])]);
}

#[tokio::test(start_paused = true)]
async fn a_part_whose_takeover_fails_is_waited_for() {
    let (mut world, store) = hooked(Setup::default());
    to(&store.hand_off, X, Fate::Fails);
    let receipt = world.send(letter(1, &[X, Y])).await;
    // The takeover gives the message back to the broker, which keeps real time.
    for _ in 0..30 {
        world.advance(SECOND).await;
    }
    assert!(sent(&world, &receipt).is_empty());
    store.hand_off.clear();
    for _ in 0..3 {
        world.advance(SECOND).await;
    }
    assert_eq!(sent(&world, &receipt), [names(&[X, Y])]);
}

#[tokio::test(start_paused = true)]
async fn a_part_that_is_settled_on_its_way_is_waited_for_no_more() {
    let hook = Hook::default();
    let mut world = world(&hook);
    to(&hook, Y, Fate::Fails);
    for (number, state) in [State::Parked, State::GivenUp, State::Withdrawn].into_iter().enumerate() {
        let receipt = world.send(letter(number as u32, &[X, Y])).await;
        world.quiet().await;
        assert!(sent(&world, &receipt).is_empty());
        let (id, note) = (receipt.deliveries[1].delivery_id, "by hand".to_owned());
        let change = Transition::Settled { state, note, untold: false };
        world.ports.store.transition(id, world.clock.now(), change).await.expect("the store answers");
        world.advance(SECOND * 10).await;
        assert_eq!(sent(&world, &receipt), [names(&[X])], "{state:?}");
        assert_eq!(world.states(&receipt).await, [State::HandedOver, state]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_gateway_that_starts_again_waits_for_the_late_part_too() {
    let hook = Hook::default();
    let mut world = world(&hook);
    to(&hook, Y, Fate::Fails);
    let receipt = world.send(letter(1, &[X, Y])).await;
    world.quiet().await;
    for _ in 0..3 {
        world.pass(MINUTE * 10, SECOND * 30).await;
        world.kill();
        world.start();
    }
    assert!(sent(&world, &receipt).is_empty(), "each process waits for its own quarter of an hour");
    hook.clear();
    world.advance(SECOND * 5).await;
    assert_eq!(sent(&world, &receipt), [names(&[X, Y])]);
}

#[tokio::test(start_paused = true)]
async fn what_waits_for_a_lost_document_does_not_hold_up_its_receiver() {
    let hook = Hook::default();
    let mut world = world(&hook);
    hook.set(|_| Fate::Vanishes);
    let lost = world.send(letter(1, &[B])).await;
    world.quiet().await;
    hook.clear();
    let recall = world.send(letter(2, &[B]).business(BusinessType::Revoke, "nhầm", &name_of(1))).await;
    let other = world.send(letter(3, &[B])).await;
    world.quiet().await;
    assert_eq!(world.states(&other).await, [State::Queued]);
    world.pass(SECOND * 89, SECOND).await;
    assert_eq!(world.states(&other).await, [State::Queued], "what a killed life held would have come by now");
    world.advance(SECOND).await;
    assert_eq!(world.states(&other).await, [State::Received]);
    assert_eq!(world.states(&recall).await, [State::Queued]);
    world.pass(MINUTE * 13, SECOND * 30).await;
    let expected = [&other, &lost, &recall].map(|receipt| receipt.document_id);
    assert_eq!(world.tried(), expected);
}

#[tokio::test(start_paused = true)]
async fn what_a_killed_life_held_in_its_hands_comes_at_once_and_is_not_overtaken() {
    let (mut world, store) = hooked(Setup::default());
    // It is in the broker and in the hands of this life, which has written neither down when it ends.
    store.transition.set(|_| Fate::Hangs);
    store.hand_off.set(|_| Fate::Hangs);
    let held = world.send(letter(1, &[B])).await;
    world.quiet().await;
    // Longer than a new life waits: what counts is when that one begins.
    world.pass(MINUTE * 3, MINUTE).await;
    world.kill();
    store.transition.clear();
    store.hand_off.clear();
    world.start();
    let (later, last) = (world.send(letter(2, &[B])).await, world.send(letter(3, &[B])).await);
    world.quiet().await;
    // Nobody waits for the broker's ack wait: what an earlier life had published goes once more, in a new generation.
    assert_eq!(world.tried(), [&held, &later, &last].map(|receipt| receipt.document_id));
    assert_eq!(world.delivery(held.deliveries[0].delivery_id).await.generation, 2);
}

#[tokio::test(start_paused = true)]
async fn behind_an_axis_what_is_on_its_way_holds_up_its_own_receiver_only() {
    let hook = Hook::default();
    let mut world = world(&hook);
    hook.set(|_| Fate::Vanishes);
    let lost = world.send(letter(1, &[X])).await;
    world.quiet().await;
    hook.clear();
    let others = world.send(letter(2, &[Y, Z])).await;
    let same = world.send(letter(3, &[X, Y])).await;
    world.quiet().await;
    assert_eq!(sent(&world, &others), [names(&[Y, Z])]);
    world.pass(SECOND * 89, SECOND).await;
    assert!(sent(&world, &same).is_empty());
    world.advance(SECOND).await;
    assert_eq!(sent(&world, &same), [names(&[X, Y])]);
    world.pass(MINUTE * 13, SECOND * 30).await;
    assert_eq!(sent(&world, &lost), [names(&[X])]);
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_is_set_back_does_not_hold_a_lane_for_longer() {
    let hook = Hook::default();
    let mut world = world(&hook);
    hook.set(|_| Fate::Vanishes);
    world.send(letter(1, &[B])).await;
    world.quiet().await;
    hook.clear();
    world.clock.set_back(MINUTE * 60);
    let other = world.send(letter(2, &[B])).await;
    world.quiet().await;
    world.pass(SECOND * 89, SECOND).await;
    assert_eq!(world.states(&other).await, [State::Queued]);
    world.pass(SECOND * 11, SECOND).await;
    assert_eq!(world.states(&other).await, [State::Received]);
}

#[tokio::test(start_paused = true)]
async fn what_is_tried_for_a_stuck_urgent_document_does_not_overtake_in_its_own_lane() {
    let hook = Hook::default();
    let mut world = world(&hook);
    let bad = world.send(letter(1, &[B]).priority(4)).await;
    let document = bad.document_id;
    world.answer(move |consignment, _| match consignment.delivery.document == document {
        true => Err(failure(FailureClass::Document, "http_500")),
        false => Ok(received()),
    });
    world.quiet().await;
    hook.set(|_| Fate::Vanishes);
    let lost = world.send(letter(2, &[B])).await;
    world.quiet().await;
    hook.clear();
    let later = world.send(letter(3, &[B])).await;
    world.pass(SECOND * 80, SECOND).await;
    assert_eq!(world.states(&later).await, [State::Queued], "an earlier one of its lane is on its way");
    world.pass(MINUTE * 15, SECOND * 10).await;
    for receipt in [&lost, &later] {
        assert_eq!(world.states(receipt).await, [State::Received]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_normal_packet_does_not_take_its_urgent_document_along_past_what_goes_before_it() {
    let hook = Hook::default();
    let mut world = world(&hook);
    hook.set(|_| Fate::Vanishes);
    let lost = world.send(letter(1, &[B]).priority(4)).await;
    world.quiet().await;
    hook.clear();
    let urgent = world.send(letter(2, &[B]).priority(1)).await;
    let change = letter(3, &[B]).business(BusinessType::Update, "sửa", &name_of(2));
    let change = world.send(change).await;
    let behind = world.send(letter(4, &[B])).await;
    world.pass(SECOND * 85, SECOND).await;
    for receipt in [&urgent, &change, &behind] {
        assert_eq!(world.states(receipt).await, [State::Queued]);
    }
    world.pass(SECOND * 15, SECOND).await;
    let expected = [&urgent, &change, &behind].map(|receipt| receipt.document_id);
    assert_eq!(world.tried(), expected);
    world.pass(MINUTE * 12, SECOND * 10).await;
    assert_eq!(world.states(&lost).await, [State::Received]);
}

#[tokio::test(start_paused = true)]
async fn each_dispatch_is_woken_by_its_own_takeover_only() {
    let (mut world, store) = hooked(Setup::default());
    world.quiet().await;
    for (number, receiver, woken) in [
        (1, B, AdapterKind::VendorHttp),
        (2, super::world::M, AdapterKind::Email),
        (3, X, AdapterKind::NationalAxis),
    ] {
        let before = AdapterKind::ALL.map(|kind| store.looks(kind));
        world.send(letter(number, &[receiver])).await;
        world.quiet().await;
        for (kind, before) in AdapterKind::ALL.into_iter().zip(before) {
            assert_eq!(store.looks(kind) > before, kind == woken, "{kind:?} when {woken:?} has work");
        }
    }
}
