//! Pauses and patience of single lines, and others after a reload.

use std::time::Duration;

use lienthong_adapters::contract::{failure, received};
use lienthong_pipeline::dispatch::{DispatchPolicy, LinePolicy, Policies};
use lienthong_pipeline::ports::{Clock, FailureClass};
use lienthong_pipeline::record::{Receipt, State};

use super::world::{A, B, C, Setup, World, letter, system};

const HOUR: Duration = Duration::from_secs(3600);

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// The pause that the one delivery of this document is in.
async fn pause(world: &World, receipt: &Receipt) -> Duration {
    let due = world.delivery(receipt.deliveries[0].delivery_id).await.due;
    Duration::try_from(due.duration_since(world.clock.now())).expect("ahead")
}

#[tokio::test(start_paused = true)]
async fn a_line_has_pauses_and_patience_of_its_own() {
    let mut world = World::new();
    let own = LinePolicy {
        retry_first: Some(seconds(100)),
        retry_max: Some(seconds(150)),
        give_up_after: Some(HOUR),
    };
    let lines = [(system("hai"), own)].into();
    world.reload_policies(Policies { all: Setup::default().policy, lines });
    world.answer(|consignment, _| match consignment.delivery.route.receiver.as_str() {
        A => Ok(received()),
        _ => Err(failure(FailureClass::Receiver, "connect")),
    });
    let (here, there) = (world.send(letter(1, &[B])).await, world.send(letter(2, &[C])).await);
    world.quiet().await;
    assert_eq!((pause(&world, &here).await, pause(&world, &there).await), (seconds(100), seconds(10)));
    world.advance(seconds(100)).await;
    assert_eq!((pause(&world, &here).await, pause(&world, &there).await), (seconds(150), seconds(20)));
    world.pass(HOUR, seconds(50)).await;
    assert_eq!(world.states(&here).await, [State::GivenUp]);
    assert_eq!(world.states(&there).await, [State::Queued]);
    world.pass(HOUR * 47, HOUR).await;
    assert_eq!(world.states(&there).await, [State::GivenUp]);
}

#[tokio::test(start_paused = true)]
async fn other_pauses_count_from_the_next_attempt_after_a_reload() {
    let mut world = World::new();
    world.answer(|_, _| Err(failure(FailureClass::Receiver, "connect")));
    let receipt = world.send(letter(1, &[B])).await;
    world.quiet().await;
    let policy = DispatchPolicy { retry_first: seconds(1), retry_max: seconds(3), ..Setup::default().policy };
    world.reload_policies(policy.into());
    assert_eq!(pause(&world, &receipt).await, seconds(10), "one that runs is left alone");
    world.advance(seconds(10)).await;
    assert_eq!(pause(&world, &receipt).await, seconds(2));
    world.advance(seconds(2)).await;
    assert_eq!(pause(&world, &receipt).await, seconds(3));
}
