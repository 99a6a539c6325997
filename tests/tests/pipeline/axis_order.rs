//! Order behind an axis (design.md B6): one queue for all its receivers, first in, first out in each lane; a document
//! that fails alone is parked whole; what is parked holds up what refers to it for the same receiver, and nothing else.

use std::time::Duration;

use lienthong_adapters::contract::failure;
use lienthong_pipeline::ports::{Clock, FailureClass, Transition};
use lienthong_pipeline::record::{AdapterKind, Receipt, State};
use lienthong_schemas::edxml::{BusinessType, DocumentBuilder};
use lienthong_schemas::ids::DocumentId;

use super::world::{AXIS, B, Setup, World, X, Y, Z, letter, name_of, taken};

const HOUR: Duration = Duration::from_secs(3600);
const STEP: Duration = Duration::from_secs(10);

fn revocation(number: u32, of: u32, to: &[&str]) -> DocumentBuilder {
    letter(number, to).business(BusinessType::Revoke, "ban hành nhầm", &name_of(of))
}

fn down(world: &World) {
    world.answer(|_, _| Err(failure(FailureClass::Receiver, "connect")));
}

fn up(world: &World) {
    world.answer(|consignment, _| Ok(taken(consignment)));
}

/// From now on these documents fail by themselves, and others pass.
fn failing_alone(world: &World, receipts: &[&Receipt]) {
    let ids: Vec<DocumentId> = receipts.iter().map(|receipt| receipt.document_id).collect();
    world.answer(move |consignment, _| match ids.contains(&consignment.delivery.document) {
        true => Err(failure(FailureClass::Document, "cut_body")),
        false => Ok(taken(consignment)),
    });
}

fn consigned(receipt: &Receipt, to: &[&str]) -> (DocumentId, Vec<String>) {
    (receipt.document_id, to.iter().map(|code| (*code).to_owned()).collect())
}

async fn park(world: &World, receipt: &Receipt, receiver: usize) {
    let change = Transition::Settled { state: State::Parked, note: "by hand".to_owned(), untold: false };
    let id = receipt.deliveries[receiver].delivery_id;
    let done = world.ports.store.transition(id, world.clock.now(), change).await.expect("the store answers");
    assert!(done.is_some());
}

#[tokio::test(start_paused = true)]
async fn an_axis_is_first_in_first_out_for_all_its_receivers_and_urgent_ones_go_first() {
    let mut world = World::new();
    down(&world);
    let head = world.send(letter(1, &[X, Y])).await;
    world.quiet().await;
    let second = world.send(letter(2, &[Y])).await;
    let third = world.send(letter(3, &[Z, X])).await;
    let urgent = world.send(letter(4, &[Y, Z]).priority(2)).await;
    let fourth = world.send(letter(5, &[X])).await;
    world.quiet().await;
    assert_eq!(world.consigned().len(), 1, "one pause for the axis");
    up(&world);
    world.advance(STEP).await;
    let expected = [
        consigned(&urgent, &[Y, Z]),
        consigned(&head, &[X, Y]),
        consigned(&second, &[Y]),
        consigned(&third, &[Z, X]),
        consigned(&fourth, &[X]),
    ];
    assert_eq!(world.consigned()[1..], expected);
}

#[tokio::test(start_paused = true)]
async fn related_documents_never_overtake_each_other_at_an_axis_whoever_their_receivers_are() {
    let mut world = World::new();
    down(&world);
    let document = world.send(letter(1, &[X, Y])).await;
    world.quiet().await;
    let urgent = world.send(revocation(2, 1, &[Y, Z]).priority(4)).await;
    let answer = letter(3, &[Z]).priority(1).response_for(X, "1/STN-VP", &name_of(1), "2026/01/02");
    let answer = world.send(answer).await;
    let other = world.send(letter(4, &[X])).await;
    world.quiet().await;
    up(&world);
    world.pass(STEP * 8, STEP).await;
    let order: Vec<DocumentId> = world.consigned()[1..].iter().map(|(document, _)| *document).collect();
    assert_eq!(order, [&document, &urgent, &answer, &other].map(|receipt| receipt.document_id));
}

#[tokio::test(start_paused = true)]
async fn a_parked_part_holds_up_its_own_receiver_only() {
    let mut world = World::new();
    down(&world);
    let document = world.send(letter(1, &[X, Y])).await;
    world.quiet().await;
    park(&world, &document, 0).await;
    up(&world);
    let recall = world.send(revocation(2, 1, &[X, Y, Z])).await;
    world.pass(STEP * 8, STEP).await;
    use State::{HandedOver, Parked};
    assert_eq!(world.states(&document).await, [Parked, HandedOver], "siblings go on");
    assert_eq!(world.states(&recall).await, [Parked, HandedOver, HandedOver]);
    let because = format!("refers to parked delivery {}", document.deliveries[0].delivery_id);
    let history = world.history(recall.deliveries[0].delivery_id).await;
    assert_eq!(history.last(), Some(&("parked".to_owned(), because)));
    let expected = [consigned(&document, &[Y]), consigned(&recall, &[Y, Z])];
    assert_eq!(world.consigned()[1..], expected);
    assert_eq!(world.metrics.parked.value(), 1, "the one by hand is not counted here");
}

#[tokio::test(start_paused = true)]
async fn what_is_queued_behind_a_parked_part_is_not_overtaken_either() {
    let mut world = World::new();
    down(&world);
    let document = world.send(letter(1, &[X, Y])).await;
    world.quiet().await;
    park(&world, &document, 0).await;
    // Both refer to the document; the parked part stands before them, and the second is in the faster lane.
    let recall = world.send(revocation(2, 1, &[Y])).await;
    let urgent = world.send(revocation(3, 1, &[Y]).priority(4)).await;
    world.quiet().await;
    up(&world);
    world.pass(STEP * 8, STEP).await;
    let order: Vec<DocumentId> = world.consigned()[1..].iter().map(|(document, _)| *document).collect();
    assert_eq!(order, [&document, &recall, &urgent].map(|receipt| receipt.document_id));
}

#[tokio::test(start_paused = true)]
async fn a_consignment_that_fails_three_times_while_others_pass_is_parked_whole() {
    let mut world = World::new();
    down(&world);
    let bad = world.send(letter(1, &[X, Y])).await;
    let recall = world.send(revocation(2, 1, &[X, Y, Z])).await;
    let other = world.send(letter(3, &[X])).await;
    let last = world.send(letter(4, &[Y, Z])).await;
    world.quiet().await;
    failing_alone(&world, &[&bad]);
    world.pass(HOUR, STEP).await;
    use State::{HandedOver, Parked};
    assert_eq!(world.states(&bad).await, [Parked; 2]);
    assert_eq!(world.states(&recall).await, [Parked, Parked, HandedOver], "Z never got the bad one");
    assert_eq!(world.states(&other).await, [HandedOver]);
    assert_eq!(world.states(&last).await, [HandedOver; 2]);
    let tried: Vec<Vec<String>> =
        world.consigned().into_iter().filter(|(id, _)| *id == bad.document_id).map(|(_, to)| to).collect();
    assert_eq!(
        tried,
        vec![vec![X.to_owned(), Y.to_owned()]; 4],
        "the axis was down once, then it failed three times"
    );
    for line in &bad.deliveries {
        let history = world.history(line.delivery_id).await;
        let failed = history.iter().filter(|(event, _)| event == "attempt_failed").count();
        let last = ("parked".to_owned(), "fails alone while other traffic passes".to_owned());
        assert_eq!((failed, history.last()), (4, Some(&last)));
    }
    assert_eq!(
        world.metrics.failed.of(AXIS, "document").value(),
        3,
        "an attempt counts once for all its receivers"
    );
    assert_eq!(world.metrics.parked.value(), 4);
    assert_eq!(world.metrics.accepted.value(), 4, "what is parked tells nobody");
}

#[tokio::test(start_paused = true)]
async fn a_consignment_of_many_receivers_does_not_hide_that_others_pass() {
    let codes: Vec<String> = (0..70).map(|number| format!("G03.{number:02}")).collect();
    let entry = |code: &String| {
        format!("[[organisation]]\norgan_id = \"{code}\"\nname = \"Cục\"\nhome = {{ axis = \"vpcp\" }}\n")
    };
    let directory = codes.iter().map(entry).collect();
    let mut world = World::open(Setup { directory, ..Setup::default() });
    down(&world);
    let to: Vec<&str> = codes.iter().map(String::as_str).collect();
    let bad = world.send(letter(1, &to)).await;
    let other = world.send(letter(2, &[X])).await;
    world.quiet().await;
    failing_alone(&world, &[&bad]);
    world.pass(HOUR / 2, STEP).await;
    assert_eq!(world.states(&other).await, [State::HandedOver]);
    assert!(world.states(&bad).await.iter().all(|state| *state == State::Parked));
}

#[tokio::test(start_paused = true)]
async fn a_part_of_a_stuck_consignment_is_no_probe_for_it() {
    let mut world = World::new();
    let bad = world.send(letter(1, &[X, Y])).await;
    failing_alone(&world, &[&bad]);
    world.pass(HOUR / 4, STEP).await;
    assert_eq!(world.states(&bad).await, [State::Queued; 2], "nobody passes, so nobody knows");
    assert_eq!(world.metrics.receivers_paused.of(AXIS).value(), 0, "the axis was not blamed");
    let other = world.send(letter(2, &[X])).await;
    world.pass(HOUR / 4, STEP).await;
    assert_eq!(world.states(&other).await, [State::HandedOver]);
    assert_eq!(world.states(&bad).await, [State::Parked; 2]);
}

#[tokio::test(start_paused = true)]
async fn parts_tried_one_by_one_fail_and_are_parked_one_by_one() {
    let mut world = World::new();
    world.answer(|consignment, _| match consignment.receivers.as_slice() {
        [_, _, ..] => Err(failure(FailureClass::OneOfSeveral, "axis_23")),
        [one] if one.as_str() == Y => Err(failure(FailureClass::Document, "axis_99")),
        _ => Ok(taken(consignment)),
    });
    let receipt = world.send(letter(1, &[X, Y, Z])).await;
    world.quiet().await;
    let other = world.send(letter(2, &[X])).await;
    world.pass(HOUR, STEP).await;
    use State::{HandedOver, Parked};
    assert_eq!(world.states(&receipt).await, [HandedOver, Parked, HandedOver]);
    assert_eq!(world.states(&other).await, [HandedOver]);
}

/// [`B`] receives by mail from now on.
const MOVED: &str = r#"
[[organisation]]
organ_id = "H55.60"
name = "Sở Dời"
home = { system = "thu" }
adapter = { mailbox = "van-thu@so-doi.example.vn" }
"#;

#[tokio::test(start_paused = true)]
async fn what_follows_to_a_new_home_waits_for_what_goes_to_the_former_one() {
    let before = MOVED.replace("home = { system = \"thu\" }", "home = { system = \"hai\" }");
    let before: String =
        before.lines().filter(|line| !line.starts_with("adapter")).map(|l| format!("{l}\n")).collect();
    let mut world = World::open(Setup { directory: before, ..Setup::default() });
    down(&world);
    let document = world.send(letter(1, &["H55.60"])).await;
    world.quiet().await;
    world.reload(MOVED);
    world.answer(|consignment, _| match consignment.delivery.route.adapter {
        AdapterKind::VendorHttp => Err(failure(FailureClass::Receiver, "connect")),
        _ => Ok(taken(consignment)),
    });
    let recall = world.send(revocation(2, 1, &["H55.60"])).await;
    let other = world.send(letter(3, &["H55.60"])).await;
    world.pass(HOUR / 4, STEP).await;
    assert_eq!(world.states(&other).await, [State::HandedOver], "it has nothing to do with them");
    assert_eq!(
        (world.states(&document).await, world.states(&recall).await),
        (vec![State::Queued], vec![State::Queued])
    );
    up(&world);
    world.pass(STEP * 10, STEP).await;
    assert_eq!(world.states(&document).await, [State::Received], "it keeps its route");
    assert_eq!(world.states(&recall).await, [State::HandedOver]);
    let ways: Vec<(DocumentId, AdapterKind)> = world
        .adapter
        .attempts()
        .into_iter()
        .map(|attempt| (attempt.seen.document, attempt.consignment.delivery.route.adapter))
        .collect();
    assert!(!ways.contains(&(document.document_id, AdapterKind::Email)), "by its own route only");
    assert_eq!(ways.last(), Some(&(recall.document_id, AdapterKind::Email)));
    assert_eq!(world.got(B).len(), 0);
}
