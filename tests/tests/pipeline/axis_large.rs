//! A packet too large for a message, to many receivers behind one axis: what is over for all of them costs the work of one.

use std::sync::Arc;
use std::time::Duration;

use lienthong_adapters::contract::failure;
use lienthong_pipeline::ports::FailureClass;
use lienthong_pipeline::record::{AdapterKind, Receipt, State};

use super::hooks::{HookedStore, hooked};
use super::world::{A, Setup, World, letter, taken};

const STEP: Duration = Duration::from_secs(10);
const HOUR: Duration = Duration::from_secs(3600);
const RECEIVERS: usize = 60;

/// A letter to [`RECEIVERS`] behind an axis that is down, tried once; the packet is in the Object Store.
async fn tried_once() -> (World, Arc<HookedStore>, Receipt) {
    let codes: Vec<String> = (0..RECEIVERS).map(|number| format!("G03.{number:02}")).collect();
    let entry = |code: &String| {
        format!("[[organisation]]\norgan_id = \"{code}\"\nname = \"Cục\"\nhome = {{ axis = \"vpcp\" }}\n")
    };
    let directory = codes.iter().map(entry).collect();
    let (mut world, store) = hooked(Setup { directory, ..Setup::default() });
    answer(&world, Err(FailureClass::Receiver));
    let scan = std::io::Read::take(std::io::repeat(9), 300_000);
    let to: Vec<&str> = codes.iter().map(String::as_str).collect();
    let receipt = world.send(letter(1, &to).attach("scan.pdf", "application/pdf", scan)).await;
    world.quiet().await;
    assert_eq!((world.consigned().len(), blobs(&world)), (1, 1));
    (world, store, receipt)
}

/// What the axis does from now on; everybody else takes everything.
fn answer(world: &World, outcome: Result<(), FailureClass>) {
    world.answer(move |consignment, _| match (consignment.delivery.route.adapter, outcome) {
        (AdapterKind::NationalAxis, Err(class)) => Err(failure(class, "axis")),
        _ => Ok(taken(consignment)),
    });
}

fn blobs(world: &World) -> usize {
    std::fs::read_dir(world.folder.path().join("object-store")).expect("a folder").count()
}

#[tokio::test(start_paused = true)]
async fn what_ends_for_all_receivers_at_once_takes_one_look_and_the_packet_leaves_the_broker() {
    for (outcome, state) in [(Ok(()), State::HandedOver), (Err(FailureClass::Permanent), State::Refused)] {
        let (mut world, store, receipt) = tried_once().await;
        let before = store.looks_at(receipt.document_id);
        answer(&world, outcome);
        world.advance(STEP).await;
        assert_eq!(world.states(&receipt).await, [state; RECEIVERS]);
        assert_eq!(blobs(&world), 0, "{state:?}");
        let looks = store.looks_at(receipt.document_id) - before;
        assert_eq!(looks, 2, "one to bring the parts together and one to learn that all are over");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_too_old_is_given_up_for_all_receivers_at_once() {
    let (mut world, store, receipt) = tried_once().await;
    world.pass(HOUR * 47, HOUR).await;
    assert_eq!(world.states(&receipt).await, [State::Queued; RECEIVERS]);
    assert_eq!(blobs(&world), 1);
    let before = store.looks_at(receipt.document_id);
    world.advance(HOUR).await;
    assert_eq!(world.states(&receipt).await, [State::GivenUp; RECEIVERS]);
    assert_eq!(blobs(&world), 0);
    let looks = store.looks_at(receipt.document_id) - before;
    assert_eq!(looks, 2, "one to bring the parts together and one to learn that all are over");
    assert_eq!(world.metrics.given_up.value(), RECEIVERS as u64);
    world.quiet().await;
    assert_eq!(world.got(A).len(), RECEIVERS, "its sender is told of each");
}

#[tokio::test(start_paused = true)]
async fn the_packet_stays_in_the_broker_while_one_part_is_left() {
    let (mut world, _, receipt) = tried_once().await;
    let last = receipt.deliveries[RECEIVERS - 1].receiver.clone();
    let refused = last.clone();
    world.answer(move |consignment, _| match consignment.receivers.as_slice() {
        [_, _, ..] => Err(failure(FailureClass::OneOfSeveral, "axis_18")),
        [one] if *one == refused => Err(failure(FailureClass::Receiver, "connect")),
        _ => Ok(taken(consignment)),
    });
    world.advance(STEP).await;
    assert_eq!(world.states(&receipt).await[..RECEIVERS - 1], [State::HandedOver; RECEIVERS - 1]);
    assert_eq!((world.states(&receipt).await[RECEIVERS - 1], blobs(&world)), (State::Queued, 1));
    answer(&world, Ok(()));
    world.advance(STEP).await;
    assert_eq!((world.states(&receipt).await[RECEIVERS - 1], blobs(&world)), (State::HandedOver, 0));
}
