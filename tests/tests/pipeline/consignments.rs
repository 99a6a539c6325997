//! Receivers behind one axis get a document in one consignment (design.md B5); mail and axis say no more than that they
//! took it (B6).

use std::time::Duration;

use lienthong_adapters::contract::failure;
use lienthong_pipeline::ports::{Clock, FailureClass, Transition};
use lienthong_pipeline::record::{AdapterKind, Receipt, State};
use lienthong_schemas::edxml::{BusinessType, StatusCode};

use super::log::Warnings;
use super::world::{A, AXIS, B, D, M, Setup, World, X, Y, Z, letter, name_of, organ, status, taken};

const HOUR: Duration = Duration::from_secs(3600);
const STEP: Duration = Duration::from_secs(10);

/// Behind another axis than [`X`].
const OTHER_AXIS: &str = r#"
[[organisation]]
organ_id = "G02.01"
name = "Cục Một"
home = { axis = "bo" }
[[organisation]]
organ_id = "G02.02"
name = "Cục Hai"
home = { axis = "bo" }
[[organisation]]
organ_id = "G02.03"
name = "Cục Giấy"
home = { axis = "bo" }
reach = "paper"
"#;

fn axes_are_down(world: &World) {
    world.answer(|consignment, _| match consignment.delivery.route.adapter {
        AdapterKind::NationalAxis => Err(failure(FailureClass::Receiver, "connect")),
        _ => Ok(taken(consignment)),
    });
}

fn all_take(world: &World) {
    world.answer(|consignment, _| Ok(taken(consignment)));
}

async fn settle(world: &World, receipt: &Receipt, receiver: usize, state: State) {
    let (id, note) = (receipt.deliveries[receiver].delivery_id, "by hand".to_owned());
    let change = Transition::Settled { state, note, untold: false };
    let done = world.ports.store.transition(id, world.clock.now(), change).await.expect("the store answers");
    assert!(done.is_some());
}

#[tokio::test(start_paused = true)]
async fn a_document_leaves_by_every_way_and_no_status_packet_is_made_up() {
    let mut world = World::new();
    let receipt = world.send(letter(1, &[B, X, M, Y])).await;
    world.quiet().await;
    use State::{HandedOver, Received};
    assert_eq!(world.states(&receipt).await, [Received, HandedOver, HandedOver, HandedOver]);
    assert_eq!(world.consigned(), [(receipt.document_id, vec![X.to_owned(), Y.to_owned()])]);

    let attempts = world.adapter.attempts();
    assert_eq!(attempts.len(), 3, "one each for the system, the mailbox and the axis");
    for attempt in &attempts {
        assert_eq!((attempt.seen.digest, attempt.seen.bytes), (receipt.sha256, receipt.bytes));
    }
    let mail = attempts.iter().map(|attempt| &attempt.consignment).find(|c| c.receivers == [organ(M)]);
    let mail = mail.expect("a message");
    assert_eq!(mail.addressee.name, "Xã Năm");
    assert_eq!(mail.addressee.mailbox.as_ref().map(|m| m.as_str()), Some("van-thu@xa-nam.example.vn"));
    assert_eq!((mail.cover.code.as_str(), mail.cover.signature.as_str()), ("1/STN-VP", "absent"));

    // The axis would answer for Y when Y had it; `handed_over` does not say so.
    world.pass(HOUR * 100, HOUR).await;
    assert_eq!((world.metrics.accepted.value(), world.got(A).len()), (1, 0));
    assert!(world.ports.store.pending_reports(1).await.expect("reports").is_empty());
    assert_eq!(world.ports.store.stats().await.expect("stats").pending, 0);
    assert_eq!(world.adapter.attempts().len(), 3, "handed over is over");
    for line in &receipt.deliveries[1..] {
        let last = world.history(line.delivery_id).await.pop();
        assert_eq!(last, Some(("settled".into(), "handed over in memory".into())));
    }
    assert_eq!(world.metrics.settled.of("handed_over").value(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_consignment_names_its_receivers_as_the_packet_does() {
    let mut world = World::new();
    let receipt = world.send(letter(1, &[Z, D, X, B, Y])).await;
    world.quiet().await;
    let to = [Z, X, Y].map(str::to_owned).to_vec();
    assert_eq!(world.consigned(), [(receipt.document_id, to)]);
    let attempt = world.adapter.attempts().into_iter().find(|a| a.consignment.receivers.len() == 3);
    let delivery = attempt.expect("an attempt").consignment.delivery;
    assert_eq!(delivery.id, receipt.deliveries[0].delivery_id, "the first stands for all");
}

/// Behind the axis of [`X`], under a code of before, too.
const RENAMED: &str = r#"
[[organisation]]
organ_id = "G01.04"
aliases = ["000.00.04.G01"]
name = "Bộ Bốn"
home = { axis = "vpcp" }
"#;

#[tokio::test(start_paused = true)]
async fn an_alias_in_the_packet_leaves_as_that_alias_on_every_attempt() {
    let mut world = World::open(Setup { directory: RENAMED.to_owned(), ..Setup::default() });
    axes_are_down(&world);
    let receipt = world.send(letter(1, &[X, "000.00.04.G01", Y])).await;
    world.quiet().await;
    assert_eq!(world.delivery(receipt.deliveries[1].delivery_id).await.route.receiver, organ("G01.04"));
    world.answer(|consignment, _| match consignment.receivers.len() {
        1 => Ok(taken(consignment)),
        _ => Err(failure(FailureClass::OneOfSeveral, "axis_18")),
    });
    world.advance(STEP).await;
    assert_eq!(world.states(&receipt).await, [State::HandedOver; 3]);
    let expected = [&[X, "000.00.04.G01", Y][..], &[X, "000.00.04.G01", Y], &[X], &["000.00.04.G01"], &[Y]];
    let to: Vec<Vec<String>> = world.consigned().into_iter().map(|(_, to)| to).collect();
    assert_eq!(to, expected);
}

#[tokio::test(start_paused = true)]
async fn without_an_admission_the_directory_names_the_receivers_and_a_damaged_one_is_its_documents_trouble() {
    let mut world = World::open(Setup { directory: RENAMED.to_owned(), ..Setup::default() });
    axes_are_down(&world);
    let elsewhere = world.send(letter(1, &["000.00.04.G01", X])).await;
    world.quiet().await;
    let damaged = world.send(letter(2, &["000.00.04.G01"])).await;
    let good = world.send(letter(3, &["000.00.04.G01"])).await;
    world.quiet().await;
    let admissions = world.folder.path().join("admissions");
    std::fs::remove_file(admissions.join(elsewhere.document_id.to_string())).expect("removed");
    std::fs::write(admissions.join(damaged.document_id.to_string()), "torn").expect("damaged");
    all_take(&world);
    world.pass(HOUR / 2, STEP).await;
    assert_eq!(world.states(&elsewhere).await, [State::HandedOver; 2]);
    assert_eq!(world.states(&damaged).await, [State::Parked]);
    assert_eq!(world.states(&good).await, [State::HandedOver]);
    let to: Vec<Vec<String>> = world.consigned()[1..].iter().map(|(_, to)| to.clone()).collect();
    assert_eq!(to, [&["G01.04", X][..], &["000.00.04.G01"]]);
}

#[tokio::test(start_paused = true)]
async fn each_axis_has_its_own_consignment_and_its_own_pause() {
    let mut world = World::open(Setup { directory: OTHER_AXIS.to_owned(), ..Setup::default() });
    world.answer(|consignment, _| match consignment.receivers.contains(&organ(X)) {
        true => Err(failure(FailureClass::Receiver, "connect")),
        false => Ok(taken(consignment)),
    });
    let receipt = world.send(letter(1, &[X, "G02.01", Y, "G02.02", "G02.03"])).await;
    world.quiet().await;
    use State::{HandedOver, Paper, Queued};
    assert_eq!(world.states(&receipt).await, [Queued, HandedOver, Queued, HandedOver, Paper]);
    assert_eq!(world.metrics.receivers_paused.of(AXIS).value(), 1);
    let mut consigned = world.consigned();
    consigned.sort();
    let id = receipt.document_id;
    let of = |to: [&str; 2]| (id, to.map(str::to_owned).to_vec());
    assert_eq!(consigned, [of([X, Y]), of(["G02.01", "G02.02"])]);
    all_take(&world);
    world.advance(STEP).await;
    assert_eq!(world.states(&receipt).await, [HandedOver, HandedOver, HandedOver, HandedOver, Paper]);
    assert_eq!(world.consigned().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_split_at_one_axis_leaves_the_consignment_of_the_other_whole() {
    let mut world = World::open(Setup { directory: OTHER_AXIS.to_owned(), ..Setup::default() });
    world.answer(|consignment, nth| {
        match (consignment.delivery.route.system.as_str(), consignment.receivers.len(), nth) {
            ("vpcp", 2, _) => Err(failure(FailureClass::OneOfSeveral, "axis_18")),
            ("bo", _, 1) => Err(failure(FailureClass::Receiver, "connect")),
            _ => Ok(taken(consignment)),
        }
    });
    let receipt = world.send(letter(1, &[X, Y, "G02.01", "G02.02"])).await;
    world.pass(STEP * 3, STEP).await;
    assert_eq!(world.states(&receipt).await, [State::HandedOver; 4]);
    let consigned = world.consigned();
    let sizes = |axis: &str| -> Vec<usize> {
        let here = consigned.iter().filter(|(_, to)| to[0].starts_with(axis));
        here.map(|(_, to)| to.len()).collect()
    };
    assert_eq!((sizes("G01"), sizes("G02")), (vec![2, 1, 1], vec![2, 2]));
}

#[tokio::test(start_paused = true)]
async fn more_receivers_than_one_consignment_names_leave_in_several() {
    let codes: Vec<String> = (0..501).map(|number| format!("G03.{number:03}")).collect();
    let entry = |code: &String| {
        format!("[[organisation]]\norgan_id = \"{code}\"\nname = \"Cục\"\nhome = {{ axis = \"vpcp\" }}\n")
    };
    let directory = codes.iter().map(entry).collect();
    let mut world = World::open(Setup { directory, ..Setup::default() });
    let to: Vec<&str> = codes.iter().map(String::as_str).collect();
    let receipt = world.send(letter(1, &to)).await;
    world.quiet().await;
    assert!(world.states(&receipt).await.iter().all(|state| *state == State::HandedOver));
    let consigned = world.consigned();
    assert_eq!(consigned.iter().map(|(_, to)| to.len()).collect::<Vec<_>>(), [500, 1]);
    assert_eq!(consigned.into_iter().flat_map(|(_, to)| to).collect::<Vec<_>>(), codes);

    let fits = world.send(letter(2, &to[..500])).await;
    world.quiet().await;
    assert_eq!(world.states(&fits).await.len(), 500);
    assert_eq!(world.consigned()[2..].iter().map(|(_, to)| to.len()).collect::<Vec<_>>(), [500]);
}

#[tokio::test(start_paused = true)]
async fn what_is_over_or_held_is_left_out() {
    let mut world = World::new();
    axes_are_down(&world);
    for (number, state) in
        [State::Parked, State::Refused, State::GivenUp, State::Withdrawn, State::HandedOver]
            .into_iter()
            .enumerate()
    {
        let receipt = world.send(letter(number as u32, &[X, Y, Z])).await;
        world.quiet().await;
        let before = world.consigned().len();
        settle(&world, &receipt, 0, state).await;
        all_take(&world);
        world.advance(STEP * 8).await;
        let left = vec![Y.to_owned(), Z.to_owned()];
        assert_eq!(world.consigned()[before..], [(receipt.document_id, left)], "{state:?}");
        assert_eq!(world.states(&receipt).await, [state, State::HandedOver, State::HandedOver]);
        axes_are_down(&world);
    }
}

#[tokio::test(start_paused = true)]
async fn a_part_that_is_requeued_after_the_others_goes_alone() {
    let mut world = World::new();
    axes_are_down(&world);
    let receipt = world.send(letter(1, &[X, Y])).await;
    world.quiet().await;
    settle(&world, &receipt, 1, State::Parked).await;
    all_take(&world);
    world.advance(STEP).await;
    let id = receipt.deliveries[1].delivery_id;
    let requeued = Transition::Requeued { note: "again".to_owned() };
    world
        .ports
        .store
        .transition(id, world.clock.now(), requeued)
        .await
        .expect("the store answers")
        .expect("it fits");
    world.wakes.relay.notify_one();
    world.quiet().await;
    assert_eq!(world.states(&receipt).await, [State::HandedOver; 2]);
    let consigned: Vec<Vec<String>> = world.consigned().into_iter().map(|(_, to)| to).collect();
    assert_eq!(consigned, [vec![X.to_owned(), Y.to_owned()], vec![X.to_owned()], vec![Y.to_owned()]]);
}

#[tokio::test(start_paused = true)]
async fn one_hastened_part_takes_the_others_along() {
    let mut world = World::new();
    axes_are_down(&world);
    let receipt = world.send(letter(1, &[X, Y])).await;
    world.quiet().await;
    all_take(&world);
    let (id, note) = (receipt.deliveries[1].delivery_id, "now".to_owned());
    let route = world.delivery(id).await.route;
    let change = Transition::Hastened { note };
    world
        .ports
        .store
        .transition(id, world.clock.now(), change)
        .await
        .expect("the store answers")
        .expect("it fits");
    world.quiet().await;
    assert_eq!(world.consigned().len(), 1, "the axis is paused");
    world.wakes.resume(AdapterKind::VendorHttp, route.queue());
    world.wakes.resume(AdapterKind::Email, route.queue());
    world.quiet().await;
    assert_eq!(world.consigned().len(), 1, "another adapter's queue was resumed");
    world.wakes.resume(route.adapter, route.queue());
    world.quiet().await;
    assert_eq!(world.states(&receipt).await, [State::HandedOver; 2]);
    assert_eq!(world.consigned().len(), 2);
    assert_eq!(world.metrics.receivers_paused.of(AXIS).value(), 0);
}

#[tokio::test(start_paused = true)]
async fn status_packets_and_recalls_leave_by_mail_and_axis_too() {
    let mut world = World::new();
    let answer = status(A, X, 1, StatusCode::Registered, "2026-01-05T02:00:00Z", "");
    let answer = world.bring(answer, "mot").await.expect("accepted").receipt;
    let recall = letter(2, &[M, X, Y]).business(BusinessType::Revoke, "nhầm", &name_of(1));
    let recall = world.send(recall).await;
    world.quiet().await;
    assert_eq!(world.states(&answer).await, [State::HandedOver]);
    assert_eq!(world.states(&recall).await, [State::HandedOver; 3]);
    let attempts = world.adapter.attempts();
    let kinds: Vec<(&str, usize)> =
        attempts.iter().map(|a| (a.seen.kind.as_str(), a.consignment.receivers.len())).collect();
    for expected in [("status", 1), ("document:1", 2), ("document:1", 1)] {
        assert!(kinds.contains(&expected), "{expected:?} in {kinds:?}");
    }
    assert_eq!(world.metrics.accepted.value(), 2);
}

#[tokio::test(start_paused = true)]
async fn what_leaves_in_part_is_said_each_time_and_what_leaves_whole_is_not() {
    let warnings = Warnings::listen();
    let mut world = World::open(Setup { directory: OTHER_AXIS.to_owned(), ..Setup::default() });
    let expected = |receipt: &Receipt, receivers: usize, of: usize| {
        format!("document_id={} system=vpcp receivers={receivers} of={of}", receipt.document_id)
    };
    let in_part = |heard: Vec<String>, expected: &[String]| {
        assert_eq!(heard.len(), expected.len(), "{heard:?}");
        for (heard, expected) in heard.iter().zip(expected) {
            assert!(heard.contains(expected), "{heard}, not {expected}");
        }
    };
    // Other ways, another axis and paper are no parts of it; nor is a whole one in part when it goes once more.
    axes_are_down(&world);
    let whole = world.send(letter(1, &[X, B, M, "G02.01", "G02.03", Y])).await;
    world.quiet().await;
    all_take(&world);
    world.advance(STEP).await;
    assert_eq!(world.states(&whole).await[5], State::HandedOver);
    in_part(warnings.take("leaves in part"), &[]);

    world.answer(|consignment, _| match consignment.receivers.len() {
        1 => Ok(taken(consignment)),
        _ => Err(failure(FailureClass::OneOfSeveral, "axis_23")),
    });
    let split = world.send(letter(2, &[X, Y])).await;
    world.quiet().await;
    assert_eq!(world.states(&split).await, [State::HandedOver; 2]);
    in_part(warnings.take("leaves in part"), &[expected(&split, 1, 2), expected(&split, 1, 2)]);

    axes_are_down(&world);
    let held = world.send(letter(3, &[X, Y, Z])).await;
    world.quiet().await;
    settle(&world, &held, 1, State::Parked).await;
    all_take(&world);
    world.advance(STEP).await;
    in_part(warnings.take("leaves in part"), &[expected(&held, 2, 3)]);
}
