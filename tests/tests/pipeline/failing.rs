//! What follows from each class of failure (design.md B6): state, history, metric, pause.

use std::time::Duration;

use lienthong_adapters::contract::{failure, received};
use lienthong_pipeline::dispatch::DispatchPolicy;
use lienthong_pipeline::ports::{Clock, DeliveryFailure, FailureClass};
use lienthong_pipeline::record::State;

use super::world::{A, ADAPTER, B, C, Setup, World, letter};

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3600);

#[tokio::test(start_paused = true)]
async fn a_permanent_failure_is_refused_at_once_and_no_status_packet_is_made() {
    let mut world = World::new();
    world.answer(|_, _| Err(failure(FailureClass::Permanent, "http_422")));
    let receipt = world.send(letter(1, &[B])).await;
    let second = world.send(letter(2, &[B])).await;
    world.quiet().await;
    assert_eq!(world.states(&receipt).await, [State::Refused]);
    assert_eq!(world.states(&second).await, [State::Refused], "the receiver is not paused by a last word");
    let last = world.history(receipt.deliveries[0].delivery_id).await.pop();
    assert_eq!(last, Some(("settled".into(), "http_422: failed in memory".into())));
    assert_eq!((world.failed("permanent"), world.metrics.settled.of("refused").value()), (2, 2));
    assert_eq!(
        (world.paused(), world.metrics.accepted.value()),
        (0, 2),
        "nothing but the two letters came in"
    );
    world.pass(HOUR * 100, HOUR).await;
    assert_eq!(world.adapter.attempts().len(), 2, "never tried again");
}

#[tokio::test(start_paused = true)]
async fn what_is_ours_to_fix_pauses_the_receiver_and_is_never_given_up_by_time() {
    let mut world = World::new();
    world.answer(|_, _| Err(failure(FailureClass::OursToFix, "http_401")));
    let first = world.send(letter(1, &[B])).await;
    world.quiet().await;
    let behind = world.send(letter(2, &[B])).await;
    let urgent = world.send(letter(3, &[B]).priority(2)).await;
    world.quiet().await;
    assert_eq!((world.failed("ours_to_fix"), world.paused(), world.adapter.attempts().len()), (1, 1, 1));
    assert!(world.delivery(first.deliveries[0].delivery_id).await.ours_to_fix);
    let last = world.history(first.deliveries[0].delivery_id).await.pop();
    assert_eq!(last, Some(("attempt_failed".into(), "http_401: failed in memory".into())));

    // Every attempt fails for days, and what only waited behind is not told to its sender as undeliverable either.
    world.pass(HOUR * 100, HOUR).await;
    for receipt in [&first, &behind, &urgent] {
        assert_eq!(world.states(receipt).await, [State::Queued]);
    }
    assert_eq!((world.metrics.given_up.value(), world.metrics.accepted.value()), (0, 3));
    world.answer(|_, _| Ok(received()));
    world.advance(HOUR).await;
    for receipt in [&first, &behind, &urgent] {
        assert_eq!(world.states(receipt).await, [State::Received]);
    }
    assert_eq!(world.paused(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_failing_receiver_is_paused_twice_as_long_each_time_up_to_the_cap() {
    let mut world = World::new();
    world.answer(|_, _| Err(failure(FailureClass::Receiver, "connect")));
    let receipt = world.send(letter(1, &[B])).await;
    world.quiet().await;
    for (nth, pause) in [10, 20, 40, 80, 80, 80].into_iter().enumerate() {
        assert_eq!((world.adapter.attempts().len(), world.paused()), (nth + 1, 1));
        let delivery = world.delivery(receipt.deliveries[0].delivery_id).await;
        assert_eq!(delivery.due, world.clock.now() + Duration::from_secs(pause));
        assert_eq!((delivery.state, delivery.attempts as usize), (State::Queued, nth + 1));
        world.advance(Duration::from_secs(pause) - SECOND).await;
        assert_eq!(world.adapter.attempts().len(), nth + 1, "not before the pause of {pause} s is over");
        world.advance(SECOND).await;
    }
    assert_eq!((world.failed("receiver"), world.metrics.retries.of(ADAPTER).value()), (7, 6));

    world.answer(|_, _| Ok(received()));
    world.advance(Duration::from_secs(80)).await;
    assert_eq!(world.states(&receipt).await, [State::Received]);
    world.answer(|_, _| Err(failure(FailureClass::Receiver, "connect")));
    let next = world.send(letter(2, &[B])).await;
    world.quiet().await;
    let due = world.delivery(next.deliveries[0].delivery_id).await.due;
    assert_eq!(due, world.clock.now() + Duration::from_secs(10), "a success forgets the failures before it");
}

#[tokio::test(start_paused = true)]
async fn the_random_part_of_a_pause_stays_within_its_bounds() {
    let policy = DispatchPolicy { jitter: 0.5, ..Setup::default().policy };
    let mut world = World::open(Setup { policy, ..Setup::default() });
    world.answer(|_, _| Err(failure(FailureClass::Receiver, "timeout")));
    let receipt = world.send(letter(1, &[B])).await;
    world.quiet().await;
    let mut exact = 0;
    for least in [10, 20, 40, 80, 80, 80, 80, 80] {
        let due = world.delivery(receipt.deliveries[0].delivery_id).await.due;
        let pause = Duration::try_from(due.duration_since(world.clock.now())).expect("ahead");
        let least = Duration::from_secs(least);
        assert!(pause >= least && pause <= least.mul_f64(1.5), "{pause:?} after {least:?}");
        exact += u32::from(pause == least);
        world.advance(pause).await;
    }
    assert!(exact < 8, "a pause has a random part");
}

#[tokio::test(start_paused = true)]
async fn retry_after_is_the_least_pause() {
    let mut world = World::new();
    let asked = |seconds| {
        let retry_after = Some(Duration::from_secs(seconds));
        DeliveryFailure { retry_after, ..failure(FailureClass::Receiver, "http_503") }
    };
    world.answer(move |_, nth| Err(asked(if nth == 1 { 300 } else { 1 })));
    let receipt = world.send(letter(1, &[B])).await;
    world.quiet().await;
    world.advance(Duration::from_secs(299)).await;
    assert_eq!(world.adapter.attempts().len(), 1);
    world.advance(SECOND).await;
    assert_eq!(world.adapter.attempts().len(), 2);
    let due = world.delivery(receipt.deliveries[0].delivery_id).await.due;
    assert_eq!(due, world.clock.now() + Duration::from_secs(20), "a shorter wish does not shorten our pause");
}

#[tokio::test(start_paused = true)]
async fn one_dead_receiver_does_not_hold_up_the_others() {
    let mut world = World::new();
    world.answer(|consignment, _| match consignment.delivery.route.receiver.as_str() {
        B => Err(failure(FailureClass::Receiver, "connect")),
        _ => Ok(received()),
    });
    for number in 1..=30 {
        let receipt = world.send(letter(number, &[B, C])).await;
        world.quiet().await;
        assert_eq!(world.states(&receipt).await, [State::Queued, State::Received]);
    }
    assert_eq!(world.adapter.attempts().len(), 31, "only the head of the dead receiver is tried");
}

#[tokio::test(start_paused = true)]
async fn a_packet_whose_copy_is_gone_is_parked_alone() {
    let mut world = World::new();
    world.answer(|_, _| Err(failure(FailureClass::Receiver, "connect")));
    let first = world.send(letter(1, &[B])).await;
    let lost = world.send(letter(2, &[B])).await;
    let third = world.send(letter(3, &[B])).await;
    world.quiet().await;
    world.lose_blob(&lost);
    world.answer(|_, _| Ok(received()));
    world.advance(Duration::from_secs(10)).await;
    assert_eq!(world.states(&first).await, [State::Received]);
    assert_eq!(world.states(&lost).await, [State::Parked]);
    assert_eq!(world.states(&third).await, [State::Received]);
    let (event, note) = world.history(lost.deliveries[0].delivery_id).await.pop().expect("a line");
    assert!(event == "parked" && note.starts_with("blob_missing: "), "{event}: {note}");
    assert_eq!((world.failed("packet"), world.metrics.parked.value(), world.paused()), (1, 1, 0));
}

#[tokio::test(start_paused = true)]
async fn a_packet_that_was_changed_on_our_disk_reaches_nobody_and_holds_up_nobody() {
    let mut world = World::new();
    world.broker.stop();
    let damaged = world.send(letter(1, &[B])).await;
    let good = world.send(letter(2, &[B])).await;
    let blob = world.folder.path().join("blobs").join(damaged.sha256.to_string());
    let length = usize::try_from(damaged.bytes).expect("small");
    std::fs::write(blob, vec![b'x'; length]).expect("overwritten");
    world.broker.start();
    world.advance(Duration::from_secs(5)).await;
    assert_eq!(world.states(&damaged).await, [State::Parked]);
    assert_eq!(world.states(&good).await, [State::Received]);
    assert_eq!(world.tried(), [good.document_id]);
}

#[tokio::test(start_paused = true)]
async fn what_is_too_old_is_given_up_while_its_receiver_is_paused() {
    let policy = DispatchPolicy { retry_max: HOUR * 24, ..Setup::default().policy };
    let mut world = World::open(Setup { policy, ..Setup::default() });
    let wish =
        DeliveryFailure { retry_after: Some(HOUR * 24), ..failure(FailureClass::Receiver, "http_503") };
    world.answer(move |consignment, _| match consignment.delivery.route.receiver.as_str() {
        A => Ok(received()),
        _ => Err(wish.clone()),
    });
    world.advance(HOUR).await;
    let receipt = world.send(letter(1, &[B])).await;
    world.quiet().await;
    world.pass(HOUR * 47, HOUR).await;
    let late = world.send(letter(2, &[B])).await;
    world.advance(Duration::from_secs(3599)).await;
    assert_eq!(world.states(&receipt).await, [State::Queued]);
    world.advance(SECOND).await;
    assert_eq!(world.states(&receipt).await, [State::GivenUp]);
    assert_eq!(world.states(&late).await, [State::Queued], "its own time is not over");
    assert_eq!((world.metrics.given_up.value(), world.metrics.settled.of("given_up").value()), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn what_grew_old_by_our_fault_is_tried_before_it_is_given_up() {
    let mut world = World::new();
    world.kill();
    let receipt = world.send(letter(1, &[B])).await;
    let second = world.send(letter(2, &[B])).await;
    world.clock.advance(HOUR * 24 * 5);
    world.start();
    world.quiet().await;
    assert_eq!(world.states(&receipt).await, [State::Received], "the gateway stood still, not the receiver");
    assert_eq!(world.states(&second).await, [State::Received]);
    assert_eq!(world.metrics.given_up.value(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_spool_that_fails_for_a_while_neither_ends_the_gateway_nor_parks_anything() {
    let mut world = World::new();
    world.answer(|_, _| Err(failure(FailureClass::Receiver, "connect")));
    let receipt = world.send(letter(1, &[B])).await;
    let other = world.send(letter(2, &[C])).await;
    world.quiet().await;
    world.answer(|_, _| Ok(received()));
    let blob = world.folder.path().join("blobs").join(receipt.sha256.to_string());
    let aside = world.folder.path().join("aside");
    std::fs::rename(&blob, &aside).expect("moved");
    std::fs::create_dir(&blob).expect("what no spool expects there");
    world.advance(Duration::from_secs(10)).await;
    assert_eq!(world.states(&receipt).await, [State::Queued]);
    assert_eq!(world.states(&other).await, [State::Received]);
    assert_eq!((world.failed("ours_to_fix"), world.paused()), (1, 1));
    std::fs::remove_dir(&blob).expect("removed");
    std::fs::rename(&aside, &blob).expect("moved back");
    world.advance(Duration::from_secs(80)).await;
    assert_eq!(world.states(&receipt).await, [State::Received]);
}
