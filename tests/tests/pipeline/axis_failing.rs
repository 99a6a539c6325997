//! What follows behind an axis, or at a mailbox, from each class of failure (design.md B6): one attempt, one count and
//! one pause for the consignment; state and history for each receiver.

use std::time::Duration;

use lienthong_adapters::contract::failure;
use lienthong_pipeline::dispatch::DispatchPolicy;
use lienthong_pipeline::ports::{Clock, DeliveryFailure, FailureClass};
use lienthong_pipeline::record::{AdapterKind, Receipt, State};

use super::world::{A, AXIS, M, OWN, Setup, World, X, Y, Z, letter, organ, taken};

const SECOND: Duration = Duration::from_secs(1);
const STEP: Duration = Duration::from_secs(10);
const HOUR: Duration = Duration::from_secs(3600);

/// Every consignment at an axis fails so; everybody else takes everything.
fn axes_fail(world: &World, failure: DeliveryFailure) {
    world.answer(move |consignment, _| match consignment.delivery.route.adapter {
        AdapterKind::NationalAxis => Err(failure.clone()),
        _ => Ok(taken(consignment)),
    });
}

fn up(world: &World) {
    world.answer(|consignment, _| Ok(taken(consignment)));
}

fn failed(world: &World, class: &'static str) -> u64 {
    world.metrics.failed.of(AXIS, class).value()
}

fn paused(world: &World) -> i64 {
    world.metrics.receivers_paused.of(AXIS).value()
}

async fn last_lines(world: &World, receipt: &Receipt) -> Vec<(String, String)> {
    let mut lines = Vec::new();
    for line in &receipt.deliveries {
        lines.extend(world.history(line.delivery_id).await.pop());
    }
    lines
}

fn line(event: &str, note: &str) -> (String, String) {
    (event.to_owned(), note.to_owned())
}

/// The receivers of all consignments so far.
fn to(world: &World) -> Vec<Vec<String>> {
    world.consigned().into_iter().map(|(_, to)| to).collect()
}

fn names(receivers: &[&str]) -> Vec<String> {
    receivers.iter().map(|code| (*code).to_owned()).collect()
}

#[tokio::test(start_paused = true)]
async fn a_permanent_failure_refuses_every_part_once_and_tells_nobody() {
    let mut world = World::new();
    axes_fail(&world, failure(FailureClass::Permanent, "axis_21"));
    let receipt = world.send(letter(1, &[X, Y])).await;
    let next = world.send(letter(2, &[X])).await;
    world.quiet().await;
    assert_eq!(world.states(&receipt).await, [State::Refused; 2]);
    assert_eq!(last_lines(&world, &receipt).await, vec![line("settled", "axis_21: failed in memory"); 2]);
    assert_eq!(world.states(&next).await, [State::Refused], "a last word pauses nobody");
    world.pass(HOUR * 60, HOUR).await;
    assert_eq!((failed(&world, "permanent"), to(&world).len(), world.metrics.accepted.value()), (2, 2, 2));
    assert_eq!(world.metrics.settled.of("refused").value(), 3);
}

#[tokio::test(start_paused = true)]
async fn what_is_ours_to_fix_pauses_the_axis_and_gives_no_part_up() {
    let mut world = World::new();
    axes_fail(&world, failure(FailureClass::OursToFix, "axis_15"));
    let receipt = world.send(letter(1, &[X, Y])).await;
    let behind = world.send(letter(2, &[Z])).await;
    world.quiet().await;
    assert_eq!((failed(&world, "ours_to_fix"), paused(&world), to(&world).len()), (1, 1, 1));
    assert_eq!(
        last_lines(&world, &receipt).await,
        vec![line("attempt_failed", "axis_15: failed in memory"); 2]
    );
    for line in &receipt.deliveries {
        assert!(world.delivery(line.delivery_id).await.ours_to_fix);
    }
    world.pass(HOUR * 100, HOUR).await;
    assert_eq!(world.states(&receipt).await, [State::Queued; 2]);
    assert_eq!((world.metrics.given_up.value(), world.metrics.accepted.value()), (0, 2));
    up(&world);
    world.advance(HOUR).await;
    assert_eq!(world.states(&receipt).await, [State::HandedOver; 2]);
    assert_eq!((world.states(&behind).await, paused(&world)), (vec![State::HandedOver], 0));
}

#[tokio::test(start_paused = true)]
async fn an_axis_in_trouble_is_paused_once_for_all_and_longer_each_time() {
    let mut world = World::new();
    axes_fail(&world, failure(FailureClass::Receiver, "http_502"));
    let receipt = world.send(letter(1, &[X, Y, Z])).await;
    world.quiet().await;
    for (nth, pause) in [10, 20, 40, 80, 80].into_iter().enumerate() {
        assert_eq!((to(&world).len(), paused(&world)), (nth + 1, 1));
        for line in &receipt.deliveries {
            let part = world.delivery(line.delivery_id).await;
            assert_eq!(part.due, world.clock.now() + Duration::from_secs(pause));
            assert_eq!(part.attempts as usize, nth + 1, "each part has the attempt in its record");
        }
        world.advance(Duration::from_secs(pause)).await;
    }
    let retries = world.metrics.retries.of(AXIS).value();
    assert_eq!((failed(&world, "receiver"), retries), (6, 5), "an attempt counts once for all its receivers");
    let history = world.history(receipt.deliveries[2].delivery_id).await;
    assert_eq!(history.iter().filter(|(event, _)| event == "attempt_failed").count(), 6);
    let wish = Duration::from_secs(3_000);
    let asked = DeliveryFailure { retry_after: Some(wish), ..failure(FailureClass::Receiver, "http_429") };
    axes_fail(&world, asked);
    world.advance(STEP * 8).await;
    assert_eq!(world.delivery(receipt.deliveries[1].delivery_id).await.due, world.clock.now() + wish);
    up(&world);
    world.advance(wish).await;
    assert_eq!(world.states(&receipt).await, [State::HandedOver; 3]);
}

#[tokio::test(start_paused = true)]
async fn every_part_is_given_up_when_it_is_too_old_and_the_sender_is_told_of_each_once() {
    let policy = DispatchPolicy { retry_max: HOUR * 24, ..Setup::default().policy };
    let mut world = World::open(Setup { policy, ..Setup::default() });
    let asked =
        DeliveryFailure { retry_after: Some(HOUR * 24), ..failure(FailureClass::Receiver, "http_503") };
    axes_fail(&world, asked);
    world.advance(HOUR).await;
    let receipt = world.send(letter(1, &[X, Y, Z])).await;
    world.quiet().await;
    world.pass(HOUR * 47, HOUR).await;
    let late = world.send(letter(2, &[X])).await;
    world.advance(Duration::from_secs(3599)).await;
    assert_eq!(world.states(&receipt).await, [State::Queued; 3]);
    world.advance(SECOND).await;
    assert_eq!(world.states(&receipt).await, [State::GivenUp; 3]);
    assert_eq!(world.states(&late).await, [State::Queued]);
    world.pass(HOUR * 10, HOUR).await;
    let told = world.got(A);
    assert_eq!(told.len(), 3, "{told:?}");
    for (code, name) in [(X, "Bộ Một"), (Y, "Bộ Hai"), (Z, "Bộ Ba")] {
        let of = told.iter().filter(|packet| packet.contains(&format!("{name} ({code})"))).count();
        assert_eq!(of, 1, "{code}");
    }
    assert!(told.iter().all(|packet| packet.contains(&format!("<edXML:OrganId>{OWN}</edXML:OrganId>"))));
    assert_eq!((world.metrics.given_up.value(), world.metrics.accepted.value()), (3, 5));
}

#[tokio::test(start_paused = true)]
async fn a_packet_whose_copy_is_gone_is_parked_for_every_receiver() {
    let mut world = World::new();
    axes_fail(&world, failure(FailureClass::Receiver, "connect"));
    let first = world.send(letter(1, &[X])).await;
    let lost = world.send(letter(2, &[X, Y])).await;
    let last = world.send(letter(3, &[Y])).await;
    world.quiet().await;
    world.lose_blob(&lost);
    up(&world);
    world.advance(STEP).await;
    assert_eq!(world.states(&lost).await, [State::Parked; 2]);
    assert_eq!(
        (world.states(&first).await, world.states(&last).await),
        (vec![State::HandedOver], vec![State::HandedOver])
    );
    assert_eq!((failed(&world, "packet"), world.metrics.parked.value(), paused(&world)), (1, 2, 0));
}

#[tokio::test(start_paused = true)]
async fn one_refused_receiver_costs_the_others_nothing() {
    let mut world = World::new();
    world.answer(|consignment, _| match consignment.receivers.contains(&organ(Y)) {
        true => Err(failure(FailureClass::OneOfSeveral, "axis_18")),
        false => Ok(taken(consignment)),
    });
    let receipt = world.send(letter(1, &[X, Y, Z])).await;
    world.quiet().await;
    use State::{HandedOver, Refused};
    assert_eq!(world.states(&receipt).await, [HandedOver, Refused, HandedOver]);
    assert_eq!(to(&world), [names(&[X, Y, Z]), names(&[X]), names(&[Y]), names(&[Z])]);
    assert_eq!((failed(&world, "one_of_several"), paused(&world)), (2, 0));
    let refused = world.history(receipt.deliveries[1].delivery_id).await;
    assert_eq!(refused.last(), Some(&line("settled", "axis_18: failed in memory")));
    assert_eq!(refused.iter().filter(|(event, _)| event == "attempt_failed").count(), 1);

    let next = world.send(letter(2, &[X, Z])).await;
    world.quiet().await;
    assert_eq!(world.states(&next).await, [HandedOver; 2]);
    assert_eq!(to(&world)[4..], [names(&[X, Z])], "only that document is split");
    world.pass(HOUR * 60, HOUR).await;
    assert_eq!((to(&world).len(), world.metrics.accepted.value()), (5, 2));
}

#[tokio::test(start_paused = true)]
async fn a_split_that_is_forgotten_tries_the_rest_as_a_whole_once_more() {
    let mut world = World::new();
    world.answer(|consignment, _| match consignment.receivers.as_slice() {
        [_, _, ..] => Err(failure(FailureClass::OneOfSeveral, "axis_18")),
        [one] if *one == organ(X) => Ok(taken(consignment)),
        _ => Err(failure(FailureClass::Receiver, "timeout")),
    });
    let receipt = world.send(letter(1, &[X, Y, Z])).await;
    world.quiet().await;
    world.kill();
    world.answer(|consignment, _| match consignment.receivers.len() {
        1 => Ok(taken(consignment)),
        _ => Err(failure(FailureClass::OneOfSeveral, "axis_18")),
    });
    world.start();
    world.pass(STEP * 2, STEP).await;
    assert_eq!(world.states(&receipt).await, [State::HandedOver; 3]);
    let expected = [&[X, Y, Z][..], &[X], &[Y], &[Y, Z], &[Y], &[Z]].map(names);
    assert_eq!(to(&world), expected);
}

#[tokio::test(start_paused = true)]
async fn mail_that_is_refused_held_or_delayed_is_so_for_its_mailbox_only() {
    for (class, code, state) in [
        (FailureClass::Permanent, "smtp_550", State::Refused),
        (FailureClass::OursToFix, "smtp_535", State::Queued),
        (FailureClass::Receiver, "smtp_451", State::Queued),
        (FailureClass::Document, "cut_body", State::Queued),
        (FailureClass::Packet, "blob_damaged", State::Parked),
    ] {
        let mut world = World::new();
        world.answer(move |consignment, _| match consignment.delivery.route.adapter {
            AdapterKind::Email => Err(failure(class, code)),
            _ => Ok(taken(consignment)),
        });
        let receipt = world.send(letter(1, &[M, X, "H55.02"])).await;
        world.quiet().await;
        assert_eq!(world.states(&receipt).await, [state, State::HandedOver, State::Received], "{code}");
        let email = AdapterKind::Email.as_str();
        assert_eq!(world.metrics.failed.of(email, class.as_str()).value(), 1, "{code}");
        let pause = matches!(class, FailureClass::OursToFix | FailureClass::Receiver);
        assert_eq!(world.metrics.receivers_paused.of(email).value(), i64::from(pause), "{code}");
        up(&world);
        world.advance(STEP).await;
        let then = if state == State::Queued { State::HandedOver } else { state };
        assert_eq!(world.states(&receipt).await[0], then, "{code}");
        assert_eq!(world.metrics.accepted.value(), 1, "{code}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_damaged_admission_holds_up_its_own_message_only() {
    let mut world = World::new();
    world.broker.stop();
    let damaged = world.send(letter(1, &[M])).await;
    let good = world.send(letter(2, &[M])).await;
    let paper = world.folder.path().join("admissions").join(damaged.document_id.to_string());
    std::fs::write(paper, "torn").expect("damaged");
    world.broker.start();
    world.pass(HOUR / 2, STEP).await;
    assert_eq!(world.states(&good).await, [State::HandedOver]);
    assert_eq!(world.states(&damaged).await, [State::Parked]);
    let (event, note) = world.history(damaged.deliveries[0].delivery_id).await.pop().expect("a line");
    assert_eq!((event.as_str(), note.as_str()), ("parked", "fails alone while other traffic passes"));
    assert_eq!(world.got(M).len(), 1);
}
