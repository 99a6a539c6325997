//! What an operator sends again: how long it is tried, and that its sender is not told the same twice.

use lienthong_schemas::edxml::BusinessType;

use super::*;
use crate::pipeline::world::{Setup, name_of, taken};

/// B is dead, everybody else takes everything.
fn b_is_dead(world: &World) {
    world.answer(|consignment, _| match consignment.delivery.route.receiver.as_str() {
        B => Err(failure(FailureClass::Receiver, "connect")),
        _ => Ok(taken(consignment)),
    });
}

#[tokio::test(start_paused = true)]
async fn what_is_sent_again_after_it_was_given_up_has_its_whole_time_anew() {
    let mut world = World::new();
    b_is_dead(&world);
    let receipt = world.send(letter(1, &[B])).await;
    world.pass(HOUR * 49, HOUR / 2).await;
    let id = receipt.deliveries[0].delivery_id;
    assert_eq!(world.delivery(id).await.state, State::GivenUp);
    let tries = world.delivery(id).await.attempts;
    assert_eq!(act(&world, Act::Requeue, id).await.verdict, Verdict::Requeued);
    world.pass(HOUR * 47, HOUR / 2).await;
    let delivery = world.delivery(id).await;
    assert_eq!((delivery.state, delivery.generation), (State::Queued, 2));
    assert!(delivery.attempts > tries + 1, "{} attempts", delivery.attempts - tries);
    world.pass(HOUR * 2, HOUR / 2).await;
    assert_eq!(world.delivery(id).await.state, State::GivenUp, "and not more than that");

    assert_eq!(act(&world, Act::Requeue, id).await.verdict, Verdict::Requeued);
    world.advance(SECOND).await;
    world.answer(|_, _| Ok(received()));
    world.pass(SECOND * 80, SECOND * 10).await;
    assert_eq!(world.delivery(id).await.state, State::Received);
}

#[tokio::test(start_paused = true)]
async fn what_is_sent_again_to_a_paused_receiver_waits_for_it_and_hides_nobody_behind_it() {
    let mut world = World::new();
    b_is_dead(&world);
    let old = world.send(letter(1, &[B])).await;
    world.pass(HOUR * 40, HOUR / 2).await;
    let young = world.send(letter(2, &[B])).await;
    world.pass(HOUR * 9, HOUR / 2).await;
    let id = old.deliveries[0].delivery_id;
    let before = world.delivery(id).await;
    assert_eq!((before.state, world.states(&young).await), (State::GivenUp, vec![State::Queued]));
    assert_eq!(world.paused(), 1);
    assert_eq!(act(&world, Act::Requeue, id).await.verdict, Verdict::Requeued);
    world.quiet().await;
    let delivery = world.delivery(id).await;
    assert_eq!((delivery.state, delivery.attempts), (State::Queued, before.attempts), "not over untried");
    world.pass(HOUR * 40, HOUR / 2).await;
    assert_eq!(
        (world.states(&old).await, world.states(&young).await),
        (vec![State::Queued], vec![State::GivenUp])
    );
}

#[tokio::test(start_paused = true)]
async fn who_was_told_that_nothing_came_through_is_not_told_again_after_a_requeue() {
    let mut world = World::new();
    b_is_dead(&world);
    let receipt = world.send(letter(1, &[B])).await;
    world.pass(HOUR * 49, HOUR / 2).await;
    let id = receipt.deliveries[0].delivery_id;
    assert_eq!((world.delivery(id).await.state, world.got(A).len()), (State::GivenUp, 1));
    assert_eq!(act(&world, Act::Requeue, id).await.verdict, Verdict::Requeued);
    world.pass(HOUR * 49, HOUR / 2).await;
    assert_eq!((world.delivery(id).await.state, world.got(A).len()), (State::GivenUp, 1), "by time");
    assert_eq!(act(&world, Act::Requeue, id).await.verdict, Verdict::Requeued);
    assert_eq!(act(&world, Act::GiveUp, id).await.verdict, Verdict::GivenUp);
    world.quiet().await;
    assert_eq!(world.got(A).len(), 1, "by hand: {:?}", world.got(A));
    assert_eq!(world.metrics.accepted.value(), 2, "the letter and one 02");
}

/// A district that ended; two took over.
const CLOSED: &str = r#"
[[organisation]]
organ_id = "H55.30"
name = "Huyện Ba Mươi"
valid_to = "2025-06-30"
successors = ["H55.02", "H55.03"]
"#;

#[tokio::test(start_paused = true)]
async fn what_has_no_way_out_is_not_sent_again_and_its_sender_can_be_told() {
    let mut world = World::open(Setup { directory: CLOSED.to_owned(), ..Setup::default() });
    let revoked = letter(2, &["H55.30"]).business(BusinessType::Revoke, "nhầm", &name_of(1));
    let receipt = world.send(revoked).await;
    world.quiet().await;
    let id = receipt.deliveries[0].delivery_id;
    assert_eq!(world.states(&receipt).await, [State::Parked]);
    let before = world.history(id).await;
    let outcome = act(&world, Act::Requeue, id).await;
    assert_eq!((outcome.verdict, outcome.done), (Verdict::NoWayOut, false));
    assert_eq!(after(&outcome), (State::Parked, 1, false));
    assert!(outcome.text_vi.contains("give-up") && outcome.text_en.contains("give-up"));
    world.quiet().await;
    assert_eq!((world.history(id).await, world.adapter.attempts().len()), (before, 0));
    assert_eq!(act(&world, Act::GiveUp, id).await.verdict, Verdict::GivenUp);
    world.quiet().await;
    assert_eq!(world.got(A).len(), 1);
    assert_eq!(act(&world, Act::Requeue, id).await.verdict, Verdict::NoWayOut, "not then, either");
}
