//! Order at a receiver (design.md B6): first in, first out in each lane; urgent before normal, but never before what it
//! refers to; a document that fails alone is put aside, a receiver that fails is waited for.

use std::time::Duration;

use lienthong_adapters::contract::{failure, received};
use lienthong_pipeline::ports::FailureClass;
use lienthong_pipeline::record::{Receipt, State};
use lienthong_schemas::edxml::{BusinessType, DocumentBuilder};
use lienthong_schemas::ids::DocumentId;

use super::world::{B, C, World, letter, name_of};

const HOUR: Duration = Duration::from_secs(3600);
const STEP: Duration = Duration::from_secs(10);

/// A letter that revokes letter `of`.
fn revocation(number: u32, of: u32, to: &[&str]) -> DocumentBuilder {
    letter(number, to).business(BusinessType::Revoke, "ban hành nhầm", &name_of(of))
}

fn down(world: &World) {
    world.answer(|_, _| Err(failure(FailureClass::Receiver, "connect")));
}

fn up(world: &World) {
    world.answer(|_, _| Ok(received()));
}

/// From now on these documents fail by themselves, and others pass.
fn failing_alone(world: &World, receipts: &[&Receipt]) {
    let ids: Vec<DocumentId> = receipts.iter().map(|receipt| receipt.document_id).collect();
    world.answer(move |consignment, _| match ids.contains(&consignment.delivery.document) {
        true => Err(failure(FailureClass::Document, "http_500")),
        false => Ok(received()),
    });
}

fn ids(receipts: &[&Receipt]) -> Vec<DocumentId> {
    receipts.iter().map(|receipt| receipt.document_id).collect()
}

#[tokio::test(start_paused = true)]
async fn a_lane_is_first_in_first_out_and_the_urgent_lane_goes_first() {
    let mut world = World::new();
    down(&world);
    let head = world.send(letter(1, &[B])).await;
    world.quiet().await;
    let normal = world.send(letter(2, &[B])).await;
    let urgent = world.send(letter(3, &[B]).priority(1)).await;
    let later = world.send(letter(4, &[B])).await;
    let most_urgent = world.send(letter(5, &[B]).priority(4)).await;
    world.quiet().await;
    up(&world);
    world.advance(STEP).await;
    assert_eq!(world.tried()[1..], ids(&[&urgent, &most_urgent, &head, &normal, &later]));
}

#[tokio::test(start_paused = true)]
async fn an_urgent_packet_never_overtakes_what_it_refers_to() {
    let mut world = World::new();
    world.broker.stop();
    let unrelated = world.send(letter(1, &[B])).await;
    let document = world.send(letter(2, &[B])).await;
    let urgent = world.send(revocation(3, 2, &[B]).priority(4)).await;
    let other = world.send(letter(4, &[B]).priority(1)).await;
    world.quiet().await;
    assert!(world.tried().is_empty());
    world.broker.start();
    world.advance(STEP).await;
    let tried = world.tried();
    assert_eq!(tried.len(), 4);
    let place = |receipt: &Receipt| tried.iter().position(|id| *id == receipt.document_id);
    assert!(place(&document) < place(&urgent), "{tried:?}");
    assert!(place(&urgent) < place(&other), "one lane keeps its order: {tried:?}");
    assert!(place(&unrelated).is_some());
}

#[tokio::test(start_paused = true)]
async fn an_urgent_revocation_waits_for_its_document_when_the_broker_fails_between_them() {
    let mut world = World::new();
    down(&world);
    let document = world.send(letter(1, &[B])).await;
    world.quiet().await;
    world.broker.stop();
    let urgent = world.send(revocation(2, 1, &[B]).priority(4)).await;
    let answer = world.send(letter(3, &[B]).response_for(B, "9/X", &name_of(1), "2026/01/01")).await;
    world.advance(STEP * 100).await;
    world.broker.start();
    world.advance(STEP).await;
    assert!(world.tried().iter().all(|id| *id == document.document_id));
    up(&world);
    world.advance(STEP * 10).await;
    let tried = world.tried();
    assert_eq!(tried[tried.len() - 3..], ids(&[&document, &urgent, &answer]));
}

#[tokio::test(start_paused = true)]
async fn a_document_that_fails_three_times_while_others_pass_is_parked_with_what_refers_to_it() {
    let mut world = World::new();
    down(&world);
    let bad = world.send(letter(1, &[B])).await;
    let referring = world.send(revocation(2, 1, &[B])).await;
    let (third, fourth) = (world.send(letter(3, &[B])).await, world.send(letter(4, &[B])).await);
    let urgent = world.send(revocation(5, 1, &[B]).priority(3)).await;
    world.quiet().await;
    failing_alone(&world, &[&bad]);
    world.pass(HOUR, STEP).await;

    for receipt in [&bad, &referring, &urgent] {
        assert_eq!(world.states(receipt).await, [State::Parked]);
        let history = world.history(receipt.deliveries[0].delivery_id).await;
        assert_eq!(history.last().map(|line| line.0.as_str()), Some("parked"), "{history:?}");
    }
    for receipt in [&third, &fourth] {
        assert_eq!(world.states(receipt).await, [State::Received], "the rest goes on");
    }
    let tried = world.tried();
    let count = |receipt: &Receipt| tried.iter().filter(|id| **id == receipt.document_id).count();
    assert_eq!((count(&bad), count(&referring), count(&urgent)), (4, 0, 0), "three of its own failures");
    let because = format!("refers to parked delivery {}", bad.deliveries[0].delivery_id);
    let history = world.history(referring.deliveries[0].delivery_id).await;
    assert_eq!(history.last(), Some(&("parked".to_owned(), because)));
    assert_eq!((world.failed("document"), world.metrics.parked.value(), world.paused()), (3, 3, 0));

    let late = world.send(revocation(6, 1, &[B, C])).await;
    world.quiet().await;
    assert_eq!(
        world.states(&late).await,
        [State::Parked, State::Received],
        "parked where it refers to a parked one"
    );
    let accepted = world.metrics.accepted.value();
    assert_eq!(accepted, 6, "parked deliveries tell no sender");
}

#[tokio::test(start_paused = true)]
async fn a_document_that_fails_with_nobody_behind_it_keeps_being_tried() {
    let mut world = World::new();
    let bad = world.send(letter(1, &[B])).await;
    failing_alone(&world, &[&bad]);
    world.pass(HOUR, STEP).await;
    let tried = world.tried().len();
    assert!(tried > 20, "{tried} attempts in an hour with pauses of 80 s");
    assert_eq!(world.states(&bad).await, [State::Queued]);
    up(&world);
    world.pass(STEP * 8, STEP).await;
    assert_eq!(world.states(&bad).await, [State::Received]);
}

#[tokio::test(start_paused = true)]
async fn a_receiver_that_fails_with_every_document_is_paused_and_nothing_is_parked() {
    let mut world = World::new();
    world.answer(|_, _| Err(failure(FailureClass::Document, "http_500")));
    let mut receipts = Vec::new();
    for number in 1..=4 {
        receipts.push(world.send(letter(number, &[B])).await);
    }
    world.quiet().await;
    let mut paused = false;
    for _ in 0..360 {
        world.advance(STEP).await;
        paused |= world.paused() == 1;
    }
    assert!(paused);
    assert_eq!(world.metrics.parked.value(), 0);
    assert!(world.tried().len() < 60, "{} attempts in an hour", world.tried().len());
    let before = world.tried().len();
    up(&world);
    world.pass(HOUR, STEP).await;
    for receipt in &receipts {
        assert_eq!(world.states(receipt).await, [State::Received]);
    }
    assert_eq!(world.metrics.parked.value(), 0, "the outage was the receiver's");
    assert_eq!(world.tried()[before..].len(), 4);
}

#[tokio::test(start_paused = true)]
async fn the_head_goes_first_after_an_outage_in_which_the_probe_failed_too() {
    // The outage ends at every possible moment; only a probe already under way may pass before the head.
    for attempts in 1..12 {
        let mut world = World::new();
        let tried = std::sync::atomic::AtomicUsize::new(0);
        world.answer(move |_, _| match tried.fetch_add(1, std::sync::atomic::Ordering::Relaxed) {
            n if n < attempts => Err(failure(FailureClass::Document, "http_500")),
            _ => Ok(received()),
        });
        let first = world.send(letter(1, &[B])).await;
        let second = world.send(letter(2, &[B])).await;
        let third = world.send(letter(3, &[B])).await;
        world.pass(HOUR, STEP).await;
        for receipt in [&first, &second, &third] {
            assert_eq!(world.states(receipt).await, [State::Received], "outage of {attempts} attempts");
        }
        let tried = world.tried();
        let last = &tried[tried.len() - 3..];
        let kept = last == ids(&[&first, &second, &third]);
        let probed = last == ids(&[&second, &first, &third]) || last == ids(&[&third, &first, &second]);
        assert!(kept || probed, "outage of {attempts} attempts: {last:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_stuck_document_does_not_hold_up_its_lane_because_an_urgent_one_waits_for_it() {
    let mut world = World::new();
    down(&world);
    let bad = world.send(letter(1, &[B])).await;
    let urgent = world.send(revocation(2, 1, &[B]).priority(4)).await;
    let other = world.send(letter(3, &[B])).await;
    world.quiet().await;
    failing_alone(&world, &[&bad]);
    world.pass(HOUR, STEP).await;
    assert_eq!(world.states(&other).await, [State::Received]);
    assert_eq!(world.states(&bad).await, [State::Parked]);
    assert_eq!(world.states(&urgent).await, [State::Parked]);
}

#[tokio::test(start_paused = true)]
async fn a_stuck_urgent_document_does_not_hold_up_the_normal_lane_because_its_head_refers_to_it() {
    let mut world = World::new();
    down(&world);
    let bad = world.send(letter(1, &[B]).priority(4)).await;
    let referring = world.send(revocation(2, 1, &[B])).await;
    let (third, fourth) = (world.send(letter(3, &[B])).await, world.send(letter(4, &[B])).await);
    world.quiet().await;
    failing_alone(&world, &[&bad]);
    world.pass(HOUR, STEP).await;
    for receipt in [&third, &fourth] {
        assert_eq!(world.states(receipt).await, [State::Received], "nothing binds it to the stuck one");
    }
    for receipt in [&bad, &referring] {
        assert_eq!(world.states(receipt).await, [State::Parked]);
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_tried_for_a_stuck_document_does_not_overtake_one_that_waits_for_another_lane() {
    let mut world = World::new();
    down(&world);
    let paused = world.send(letter(1, &[B])).await;
    let document = world.send(letter(2, &[B])).await;
    let bad = world.send(letter(3, &[B]).priority(4)).await;
    let change = letter(4, &[B]).priority(4).business(BusinessType::Update, "sửa", &name_of(2));
    let change = world.send(change).await;
    let last = world.send(letter(5, &[B]).priority(4)).await;
    world.quiet().await;
    failing_alone(&world, &[&paused, &bad]);
    world.pass(HOUR, STEP).await;
    let tried = world.tried();
    let place = |receipt: &Receipt| tried.iter().position(|id| *id == receipt.document_id).expect("tried");
    assert!(place(&document) < place(&change) && place(&change) < place(&last), "{tried:?}");
    for receipt in [&document, &change, &last] {
        assert_eq!(world.states(receipt).await, [State::Received]);
    }
    assert_eq!(world.states(&bad).await, [State::Parked]);
}

#[tokio::test(start_paused = true)]
async fn two_stuck_documents_do_not_hide_from_each_other_that_others_pass() {
    let mut world = World::new();
    down(&world);
    let urgent = world.send(letter(1, &[B]).priority(4)).await;
    let of_urgent = world.send(revocation(2, 1, &[B])).await;
    let normal = world.send(letter(3, &[B])).await;
    let of_normal = world.send(revocation(4, 3, &[B])).await;
    let other = world.send(letter(5, &[B])).await;
    world.quiet().await;
    failing_alone(&world, &[&urgent, &normal]);
    world.pass(HOUR * 2, STEP).await;
    assert_eq!(world.states(&other).await, [State::Received]);
    for receipt in [&urgent, &of_urgent] {
        assert_eq!(world.states(receipt).await, [State::Parked]);
    }
    let late = world.send(letter(6, &[B])).await;
    world.pass(HOUR, STEP).await;
    for receipt in [&normal, &of_normal] {
        assert_eq!(world.states(receipt).await, [State::Parked]);
    }
    assert_eq!(world.states(&late).await, [State::Received]);
}
