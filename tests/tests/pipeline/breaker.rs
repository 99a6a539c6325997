//! Receivers behind one system share its line: where that fails for several of them in a row, one is tried for all.

use std::time::Duration;

use lienthong_adapters::contract::{failure, received};
use lienthong_pipeline::dispatch::{DispatchPolicy, OPENS_AFTER};
use lienthong_pipeline::ports::{Clock, DeliveryFailure, FailureClass};
use lienthong_pipeline::record::{Receipt, State};
use lienthong_schemas::organ::OrganId;

use super::world::{ADAPTER, C, Setup, World, letter, organ};

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3600);
/// Receivers behind system `hai`.
const BEHIND: [&str; 8] = ["H55.61", "H55.62", "H55.63", "H55.64", "H55.65", "H55.66", "H55.67", "H55.68"];

fn setup() -> Setup {
    let entry = |code: &&str| {
        format!("[[organisation]]\norgan_id = \"{code}\"\nname = \"Xã\"\nhome = {{ system = \"hai\" }}\n")
    };
    Setup { directory: BEHIND.iter().map(entry).collect(), ..Setup::default() }
}

fn is_behind(receiver: &OrganId) -> bool {
    BEHIND.contains(&receiver.as_str())
}

/// The line to `hai` fails so, for everybody behind it; all others take everything.
fn line_fails(world: &World, with: DeliveryFailure) {
    world.answer(move |consignment, _| match is_behind(&consignment.delivery.route.receiver) {
        true => Err(with.clone()),
        false => Ok(received()),
    });
}

fn up(world: &World) {
    world.answer(|_, _| Ok(received()));
}

/// Open, half open, and the receivers that wait.
fn shown(world: &World) -> (i64, i64, i64) {
    let metrics = &world.metrics;
    (
        metrics.breakers_open.of(ADAPTER).value(),
        metrics.breakers_half_open.of(ADAPTER).value(),
        metrics.receivers_held.of(ADAPTER).value(),
    )
}

fn opened(world: &World) -> u64 {
    world.metrics.breaker_opened.of(ADAPTER).value()
}

/// A letter to each of them, one after the other.
async fn one_each(world: &mut World) -> Vec<Receipt> {
    let mut receipts = Vec::new();
    for (number, receiver) in (1..).zip(BEHIND) {
        receipts.push(world.send(letter(number, &[receiver])).await);
        world.quiet().await;
    }
    receipts
}

#[tokio::test(start_paused = true)]
async fn a_system_that_is_down_is_tried_by_one_receiver_for_all() {
    let mut world = World::open(setup());
    line_fails(&world, failure(FailureClass::Receiver, "connect"));
    let receipts = one_each(&mut world).await;
    let others = OPENS_AFTER as usize;
    assert_eq!(world.adapter.attempts().len(), others, "then nobody else is tried");
    assert_eq!((shown(&world), opened(&world)), ((1, 0, (BEHIND.len() - others) as i64), 1));
    for receipt in &receipts[others..] {
        let waiting = world.delivery(receipt.deliveries[0].delivery_id).await;
        assert_eq!((waiting.state, waiting.attempts), (State::Queued, 0));
    }
    // Pauses of the settings: 10, 20, 40, 80, 80 ... seconds.
    for (nth, pause) in [10, 20, 40, 80, 80].into_iter().enumerate() {
        let before = world.adapter.attempts().len();
        world.advance(Duration::from_secs(pause) - SECOND).await;
        assert_eq!(world.adapter.attempts().len(), before, "pause {nth}");
        world.advance(SECOND).await;
        let attempts = world.adapter.attempts();
        assert_eq!(attempts.len(), before + 1, "one for all after pause {nth}");
        if nth < BEHIND.len() - others {
            let tried = &attempts[before].seen.receiver;
            assert_eq!(tried.as_str(), BEHIND[others + nth], "whoever has waited longest");
        }
    }
    let elsewhere = world.send(letter(99, &[C])).await;
    world.quiet().await;
    assert_eq!(world.states(&elsewhere).await, [State::Received], "other systems have lines of their own");
    up(&world);
    world.advance(Duration::from_secs(80)).await;
    for receipt in &receipts {
        let delivery = world.delivery(receipt.deliveries[0].delivery_id).await;
        let paused_by_itself = delivery.attempts > 0 && delivery.state == State::Queued;
        assert!(delivery.state == State::Received || paused_by_itself, "{delivery:?}");
    }
    world.advance(Duration::from_secs(80)).await;
    for receipt in &receipts {
        assert_eq!(world.states(receipt).await, [State::Received]);
    }
    assert_eq!((shown(&world), opened(&world), world.paused()), ((0, 0, 0), 1, 0));
}

#[tokio::test(start_paused = true)]
async fn a_system_that_does_not_take_our_word_is_tried_by_one_too_and_nothing_is_given_up() {
    let mut world = World::open(setup());
    line_fails(&world, failure(FailureClass::OursToFix, "http_401"));
    let receipts = one_each(&mut world).await;
    assert_eq!((shown(&world).0, world.adapter.attempts().len()), (1, OPENS_AFTER as usize));
    world.pass(HOUR * 100, HOUR).await;
    for receipt in &receipts {
        assert_eq!(world.states(receipt).await, [State::Queued]);
    }
    assert_eq!(world.metrics.given_up.value(), 0);
    up(&world);
    world.pass(HOUR, HOUR).await;
    world.pass(HOUR, HOUR).await;
    for receipt in &receipts {
        assert_eq!(world.states(receipt).await, [State::Received]);
    }
}

#[tokio::test(start_paused = true)]
async fn what_waits_behind_a_breaker_grows_too_old_like_what_was_tried() {
    let mut world = World::open(setup());
    line_fails(&world, failure(FailureClass::Receiver, "timeout"));
    let receipts = one_each(&mut world).await;
    world.pass(HOUR * 47, HOUR).await;
    let late = world.send(letter(50, &[BEHIND[7]])).await;
    world.pass(HOUR, HOUR).await;
    for receipt in &receipts {
        assert_eq!(world.states(receipt).await, [State::GivenUp], "its line failed for two days");
    }
    assert_eq!(world.states(&late).await, [State::Queued], "its own time is not over");
    assert_eq!(world.metrics.given_up.value(), 8);
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_names_a_time_speaks_for_its_receiver_only() {
    let mut world = World::open(setup());
    let retry_after = Some(Duration::from_secs(300));
    line_fails(&world, DeliveryFailure { retry_after, ..failure(FailureClass::Receiver, "http_503") });
    one_each(&mut world).await;
    assert_eq!((world.adapter.attempts().len(), shown(&world), world.paused()), (8, (0, 0, 0), 8));
    world.advance(Duration::from_secs(299)).await;
    assert_eq!(world.adapter.attempts().len(), 8);
    world.advance(SECOND).await;
    assert_eq!(world.adapter.attempts().len(), 16, "each after the time that it named");
}

#[tokio::test(start_paused = true)]
async fn one_bad_receiver_does_not_stop_the_others_of_its_system() {
    let mut world = World::open(setup());
    world.answer(|consignment, _| match consignment.delivery.route.receiver == organ(BEHIND[0]) {
        true => Err(failure(FailureClass::Receiver, "timeout")),
        false => Ok(received()),
    });
    world.send(letter(1, &[BEHIND[0]])).await;
    world.pass(HOUR, Duration::from_secs(10)).await;
    assert_eq!((shown(&world), opened(&world)), ((0, 0, 0), 0), "alone it proves nothing about the line");
    for number in 2..20 {
        let receipt = world.send(letter(number, &[BEHIND[number as usize % 7 + 1]])).await;
        world.quiet().await;
        assert_eq!(world.states(&receipt).await, [State::Received]);
    }
}

#[tokio::test(start_paused = true)]
async fn the_operator_has_a_waiting_receiver_tried_at_once() {
    let mut world = World::open(setup());
    line_fails(&world, failure(FailureClass::Receiver, "connect"));
    let receipts = one_each(&mut world).await;
    let last = world.delivery(receipts[7].deliveries[0].delivery_id).await;
    up(&world);
    world.wakes.resume(last.route.adapter, last.route.queue());
    world.quiet().await;
    assert_eq!(world.states(&receipts[7]).await, [State::Received]);
    for receipt in &receipts[OPENS_AFTER as usize..] {
        assert_eq!(world.states(receipt).await, [State::Received], "it was tried for all");
    }
    assert_eq!(shown(&world), (0, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn after_a_restart_each_is_tried_once_more() {
    let mut world = World::open(setup());
    line_fails(&world, failure(FailureClass::Receiver, "connect"));
    one_each(&mut world).await;
    world.kill();
    world.start();
    world.quiet().await;
    let attempts = world.adapter.attempts().len();
    assert!(
        attempts > OPENS_AFTER as usize && attempts <= 8,
        "{attempts}: those without a pause of their own"
    );
    assert_eq!(shown(&world).0, 1, "and it is open again");
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_is_set_back_strands_nobody() {
    let policy = DispatchPolicy { retry_first: Duration::from_secs(60), ..Setup::default().policy };
    let mut world = World::open(Setup { policy, ..setup() });
    line_fails(&world, failure(FailureClass::Receiver, "connect"));
    let receipts = one_each(&mut world).await;
    let alone = world.send(letter(90, &[C])).await;
    world.quiet().await;
    assert_eq!(world.states(&alone).await, [State::Received]);
    let day_ago = world.clock.now() - HOUR * 24;
    world.clock.set_back(HOUR * 24);
    up(&world);
    let after = world.send(letter(91, &[C])).await;
    world.quiet().await;
    assert!(world.clock.now() <= day_ago);
    assert_eq!(world.states(&after).await, [State::Received]);
    // Pauses of 60 s and 80 s: they end as if nobody had touched the clock.
    world.pass(Duration::from_secs(160), Duration::from_secs(10)).await;
    for receipt in &receipts {
        assert_eq!(world.states(receipt).await, [State::Received]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_pause_is_no_longer_after_a_clock_was_set_back_and_the_gateway_started_again() {
    let mut world = World::new();
    world.answer(|_, _| Err(failure(FailureClass::Receiver, "connect")));
    let receipt = world.send(letter(1, &[C])).await;
    world.quiet().await;
    world.kill();
    world.clock.set_back(HOUR * 24);
    up(&world);
    let fresh = world.send(letter(2, &[C])).await;
    world.start();
    world.quiet().await;
    assert_eq!(world.states(&receipt).await, [State::Received]);
    assert_eq!(world.states(&fresh).await, [State::Received]);
}
