//! Behind an axis, a parked part of one receiver is in nobody else's way, and hides nothing that is (design.md B6, Order).

use std::time::Duration;

use lienthong_adapters::contract::failure;
use lienthong_pipeline::operate::look;
use lienthong_pipeline::ports::{Clock, FailureClass, Transition};
use lienthong_pipeline::record::{Receipt, State};
use lienthong_schemas::edxml::{BusinessType, DocumentBuilder};
use lienthong_schemas::ids::{DeliveryId, DocumentId};

use super::hooks::{Fate, hooked};
use super::world::{Setup, World, X, Y, Z, letter, name_of, organ, taken};

const STEP: Duration = Duration::from_secs(10);

/// What the queue steps over, at most.
const STEP_OVER: u32 = 256;

fn revocation(number: u32, of: u32, to: &[&str]) -> DocumentBuilder {
    letter(number, to).business(BusinessType::Revoke, "ban hành nhầm", &name_of(of))
}

fn answer(number: u32, of: u32, to: &[&str]) -> DocumentBuilder {
    letter(number, to).response_for(X, &format!("{of}/STN-VP"), &name_of(of), "2026/01/02")
}

fn down(world: &World) {
    world.answer(|_, _| Err(failure(FailureClass::Receiver, "connect")));
}

fn up(world: &World) {
    world.answer(|consignment, _| Ok(taken(consignment)));
}

async fn settle(world: &World, receipt: &Receipt, receiver: usize, state: State) {
    let change = Transition::Settled { state, note: "by hand".to_owned(), untold: false };
    let id = receipt.deliveries[receiver].delivery_id;
    let done = world.ports.store.transition(id, world.clock.now(), change).await.expect("the store answers");
    assert!(done.is_some());
}

/// Those of these documents that left, in order.
fn order(world: &World, of: &[&Receipt]) -> Vec<DocumentId> {
    let documents = world.consigned().into_iter().map(|(document, _)| document);
    documents.filter(|document| of.iter().any(|receipt| receipt.document_id == *document)).collect()
}

async fn waits_for(world: &World, id: DeliveryId) -> Vec<(DeliveryId, State)> {
    let shown = look::show(&world.ports, None, id).await.expect("shown").expect("it is there");
    shown.waits_for.iter().map(|earlier| (earlier.delivery_id, earlier.state)).collect()
}

#[tokio::test(start_paused = true)]
async fn order_holds_behind_a_parked_part_however_much_stands_between() {
    let mut world = World::new();
    down(&world);
    let document = world.send(letter(1, &[X, Y])).await;
    world.quiet().await;
    settle(&world, &document, 0, State::Parked).await;
    for number in 0..70 {
        world.send(letter(10 + number, &[Z])).await;
    }
    let recall = world.send(revocation(2, 1, &[Y])).await;
    let urgent = world.send(revocation(3, 1, &[Y]).priority(4)).await;
    world.quiet().await;
    let before = world.consigned().len();
    up(&world);
    world.pass(STEP * 8, STEP).await;
    let all = [&document, &recall, &urgent];
    assert_eq!(order(&world, &all)[before..], all.map(|receipt| receipt.document_id));
}

#[tokio::test(start_paused = true)]
async fn what_is_still_on_its_way_behind_a_parked_part_is_waited_for() {
    let (mut world, store) = hooked(Setup::default());
    down(&world);
    let document = world.send(letter(1, &[X, Y])).await;
    world.quiet().await;
    settle(&world, &document, 0, State::Parked).await;
    up(&world);
    world.advance(STEP).await;
    assert_eq!(world.states(&document).await, [State::Parked, State::HandedOver]);
    store
        .hand_off
        .set(|delivery| if delivery.route.receiver == organ(Y) { Fate::Fails } else { Fate::Passes });
    let recall = world.send(revocation(2, 1, &[Y])).await;
    let urgent = world.send(answer(3, 1, &[Z]).priority(4)).await;
    world.pass(STEP * 6, STEP).await;
    assert!(world.delivery(urgent.deliveries[0].delivery_id).await.handed_off);
    assert_eq!(world.states(&urgent).await, [State::Queued], "the recall has not come yet");
    store.hand_off.clear();
    world.advance(STEP).await;
    world.quiet().await;
    let both = [&recall, &urgent];
    assert_eq!(order(&world, &both), both.map(|receipt| receipt.document_id));
}

#[tokio::test(start_paused = true)]
async fn so_many_parked_documents_are_stepped_over_and_behind_more_one_waits_for_the_operator() {
    let mut world = World::new();
    world.broker.stop();
    let mut parked = Vec::new();
    for number in 0..=STEP_OVER {
        let receipt = world.send(answer(10 + number, 1, &[X])).await;
        settle(&world, &receipt, 0, State::Parked).await;
        parked.push(receipt);
    }
    let related = world.send(revocation(2, 1, &[Y])).await;
    let other = world.send(letter(3, &[Z])).await;
    world.broker.start();
    world.pass(STEP * 4, STEP).await;
    assert_eq!(world.states(&related).await, [State::Queued], "it may hide something behind so many");
    assert_eq!(world.states(&other).await, [State::HandedOver], "who has nothing to do with it passes");
    settle(&world, &parked[7], 0, State::Withdrawn).await;
    world.pass(STEP * 2, STEP).await;
    assert_eq!(world.states(&related).await, [State::HandedOver]);
}

#[tokio::test(start_paused = true)]
async fn a_recall_is_parked_at_once_for_every_receiver_whose_document_is() {
    let codes: Vec<String> = (0..40).map(|number| format!("G03.{number:02}")).collect();
    let entry = |code: &String| {
        format!("[[organisation]]\norgan_id = \"{code}\"\nname = \"Cục\"\nhome = {{ axis = \"vpcp\" }}\n")
    };
    let directory = codes.iter().map(entry).collect();
    let mut world = World::open(Setup { directory, ..Setup::default() });
    down(&world);
    let to: Vec<&str> = codes.iter().map(String::as_str).collect();
    let document = world.send(letter(1, &to)).await;
    world.quiet().await;
    for part in (0..40).filter(|part| part % 4 != 0) {
        settle(&world, &document, part, State::Parked).await;
    }
    up(&world);
    world.pass(STEP * 2, STEP).await;
    let recall = world.send(revocation(2, 1, &to)).await;
    world.quiet().await;
    for part in 0..40 {
        let (its, line) = (document.deliveries[part].delivery_id, recall.deliveries[part].delivery_id);
        let expected = if part % 4 == 0 { State::HandedOver } else { State::Parked };
        assert_eq!(world.delivery(line).await.state, expected, "{part}");
        if expected == State::Parked {
            let because = ("parked".to_owned(), format!("refers to parked delivery {its}"));
            assert_eq!(world.history(line).await.last(), Some(&because));
        }
    }
    assert_eq!(world.consigned().last().map(|(_, to)| to.len()), Some(10), "the others in one consignment");
}

#[tokio::test(start_paused = true)]
async fn an_operator_is_shown_what_a_delivery_waits_for_and_not_what_is_parked_for_somebody_else() {
    let mut world = World::new();
    down(&world);
    let document = world.send(letter(1, &[X, Y, Z])).await;
    world.quiet().await;
    settle(&world, &document, 0, State::Parked).await;
    let recall = world.send(revocation(2, 1, &[Z])).await;
    let urgent = world.send(revocation(3, 1, &[Y]).priority(4)).await;
    world.quiet().await;
    let [_, y, _] = [0, 1, 2].map(|at| document.deliveries[at].delivery_id);
    let [recall, urgent] = [&recall, &urgent].map(|receipt| receipt.deliveries[0].delivery_id);
    assert_eq!(waits_for(&world, recall).await, [(y, State::Queued)], "the first that stands in its way");
    for part in [1, 2] {
        settle(&world, &document, part, State::Withdrawn).await;
    }
    assert_eq!(waits_for(&world, recall).await, [], "what is parked for X holds up nobody else");
    assert_eq!(waits_for(&world, urgent).await, [(recall, State::Queued)], "from the other lane");
    let own = world.send(revocation(4, 1, &[X])).await.deliveries[0].delivery_id;
    let waits = waits_for(&world, own).await;
    assert!(waits.contains(&(document.deliveries[0].delivery_id, State::Parked)), "{waits:?}");
}
