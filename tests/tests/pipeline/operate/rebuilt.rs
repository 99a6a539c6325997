//! The same over the store on disk, which is lost afterwards and built anew from the spool.

use std::path::PathBuf;

use lienthong_outbox::{Engine, open_or_rebuild};
use lienthong_pipeline::operate::Target;
use lienthong_pipeline::record::{Delivery, Route};
use tempfile::TempDir;
use tokio::time::Instant;

use super::*;
use crate::pipeline::world::{Setup, clock, new_folder, organ, system};

async fn on_disk(folder: TempDir) -> World {
    let clock = clock();
    let (data, time) = (folder.path().to_owned(), clock.clone());
    let opening = tokio::task::spawn_blocking(move || open_or_rebuild(&data, Engine::default(), time));
    let (store, spool, _) = opening.await.expect("it ends").expect("opened");
    World::over(Setup::default(), clock, folder, Arc::new(store), Arc::new(spool))
}

/// Waits, in real time, until a delivery is as it should be.
async fn until(world: &World, id: DeliveryId, is: impl Fn(&Delivery) -> bool) {
    let end = Instant::now() + Duration::from_secs(60);
    while !is(&world.delivery(id).await) {
        assert!(Instant::now() < end, "{:?}", world.delivery(id).await);
        tokio::task::yield_now().await;
    }
}

/// A gateway with one letter to B, refused, in which nothing moves any more.
async fn with_a_refused_one() -> (World, DeliveryId) {
    let folder = new_folder();
    let mut world = on_disk(folder).await;
    world.answer(|_, _| Err(failure(FailureClass::Permanent, "http_410")));
    let id = world.send(letter(1, &[B])).await.deliveries[0].delivery_id;
    until(&world, id, |delivery| delivery.state == State::Refused).await;
    noted(&world, id, " refused ").await;
    world.kill();
    (world, id)
}

/// Waits, in real time, until this stands in a note beside a delivery's admission: it is written after the store has it.
async fn noted(world: &World, id: DeliveryId, what: &str) {
    let document = world.delivery(id).await.document;
    let notes = world.folder.path().join("admissions").join(format!("{document}.settled"));
    let end = Instant::now() + Duration::from_secs(60);
    while !std::fs::read_to_string(&notes).is_ok_and(|notes| notes.contains(what)) {
        assert!(Instant::now() < end, "it is noted");
        tokio::task::yield_now().await;
    }
}

/// Another process opens what this one leaves; with `lost`, without the store.
async fn again(mut world: World, lost: bool) -> World {
    world.kill();
    world.ports.store.close().await.expect("closed");
    let folder = world.into_folder();
    std::fs::remove_dir_all(folder.path().join("object-store")).expect("another broker comes");
    if lost {
        std::fs::remove_dir_all(folder.path().join("outbox")).expect("lost");
    }
    on_disk(folder).await
}

#[tokio::test]
async fn what_was_requeued_is_delivered_after_a_rebuild() {
    let (world, id) = with_a_refused_one().await;
    assert_eq!(act(&world, Act::Requeue, id).await.verdict, Verdict::Requeued);
    let world = again(world, true).await;
    until(&world, id, |delivery| delivery.state == State::Received).await;
    let Delivery { generation, since, .. } = world.delivery(id).await;
    assert_eq!(since, Some(world.ports.clock.now()), "its age counts from the requeue");
    assert!(generation > 2, "above every generation before it: {generation}");
    assert!(world.adapter.attempts().iter().all(|attempt| attempt.seen.delivery == id));
}

/// What a kill after the first of the two writes of a requeue leaves.
async fn cut(world: &World, id: DeliveryId) {
    let (document, now) = (world.delivery(id).await.document, world.ports.clock.now());
    world.ports.spool.settled(document, id, State::Queued, now).await.expect("noted");
}

#[tokio::test]
async fn a_requeue_that_was_cut_loses_nothing_with_the_store_or_without() {
    let (world, id) = with_a_refused_one().await;
    cut(&world, id).await;
    let world = again(world, false).await;
    assert_eq!(world.delivery(id).await.state, State::Refused);
    assert_eq!(dead_letters(&world.ports).await, [id], "the operator sees that nothing was done");
    assert_eq!(act(&world, Act::Requeue, id).await.verdict, Verdict::Requeued);
    until(&world, id, |delivery| delivery.state == State::Received).await;

    let (world, id) = with_a_refused_one().await;
    cut(&world, id).await;
    let world = again(world, true).await;
    until(&world, id, |delivery| delivery.state == State::Received).await;

    // Closed instead of requeued: that is the last word.
    let (world, id) = with_a_refused_one().await;
    cut(&world, id).await;
    assert_eq!(act(&world, Act::GiveUp, id).await.verdict, Verdict::Closed);
    let world = again(world, true).await;
    let delivery = world.delivery(id).await;
    assert_eq!((delivery.state, delivery.closed), (State::Refused, true));
    assert!(dead_letters(&world.ports).await.is_empty());
}

#[tokio::test]
async fn what_was_given_up_stays_so_and_closed_after_a_rebuild() {
    let (mut world, id) = with_a_refused_one().await;
    assert_eq!(act(&world, Act::Requeue, id).await.verdict, Verdict::Requeued);
    assert_eq!(act(&world, Act::GiveUp, id).await.verdict, Verdict::GivenUp, "before anybody published it");
    world.start();
    let end = Instant::now() + Duration::from_secs(60);
    while world.got(A).is_empty() {
        assert!(Instant::now() < end, "its sender is told");
        tokio::task::yield_now().await;
    }
    let world = again(world, true).await;
    let delivery = world.delivery(id).await;
    assert_eq!((delivery.state, delivery.closed), (State::GivenUp, true));
}

/// As [`with_a_refused_one`], but given up, and everything of it noted.
async fn with_a_given_up_one_whose_sender_was_told() -> (World, DeliveryId) {
    let (mut world, id) = with_a_refused_one().await;
    assert_eq!(act(&world, Act::Requeue, id).await.verdict, Verdict::Requeued);
    world.answer(|consignment, _| match consignment.delivery.route.receiver.as_str() {
        B => Err(failure(FailureClass::Receiver, "connect")),
        _ => Ok(received()),
    });
    world.start();
    until(&world, id, |delivery| delivery.attempts == 2).await;
    world.clock.advance(HOUR * 49);
    until(&world, id, |delivery| delivery.state == State::GivenUp).await;
    let document = world.delivery(id).await.document;
    let notes = world.folder.path().join("admissions").join(format!("{document}.settled"));
    let end = Instant::now() + Duration::from_secs(60);
    while !std::fs::read_to_string(&notes).expect("notes").contains(" reported ") {
        assert!(Instant::now() < end, "its sender is told");
        tokio::task::yield_now().await;
    }
    world.kill();
    (world, id)
}

#[tokio::test]
async fn a_requeue_that_was_cut_and_then_closed_stays_given_up_and_told() {
    let (world, id) = with_a_given_up_one_whose_sender_was_told().await;
    cut(&world, id).await;
    assert_eq!(act(&world, Act::GiveUp, id).await.verdict, Verdict::Closed);
    let mut world = again(world, true).await;
    world.kill();
    let delivery = world.delivery(id).await;
    assert_eq!((delivery.state, delivery.closed), (State::GivenUp, true));
    assert!(world.ports.store.pending_reports(9).await.expect("read").is_empty());
}

#[tokio::test]
async fn who_was_told_before_the_store_was_lost_is_not_told_again_after_a_requeue() {
    let (world, id) = with_a_given_up_one_whose_sender_was_told().await;
    assert_eq!(act(&world, Act::Requeue, id).await.verdict, Verdict::Requeued);
    let mut world = again(world, true).await;
    world.kill();
    assert_eq!(act(&world, Act::GiveUp, id).await.verdict, Verdict::GivenUp);
    assert!(world.ports.store.pending_reports(9).await.expect("read").is_empty(), "told once for life");
}

/// A gateway whose letter to B is refused while no note can be written beside its admission. Where the notes will be.
async fn with_a_refused_one_that_is_not_noted() -> (World, DeliveryId, PathBuf) {
    let folder = new_folder();
    let world = on_disk(folder).await;
    let admissions = world.folder.path().join("admissions");
    let beside = move |document| admissions.join(format!("{document}.settled"));
    let block = beside.clone();
    world.answer(move |consignment, nth| match consignment.delivery.route.receiver.as_str() {
        B if nth > 1 => Err(failure(FailureClass::Receiver, "connect")),
        B => {
            // No line can be written while a folder has the file's name.
            std::fs::create_dir(block(consignment.delivery.document)).expect("blocked");
            Err(failure(FailureClass::Permanent, "http_410"))
        }
        _ => Ok(received()),
    });
    let receipt = world.send(letter(1, &[B])).await;
    let id = receipt.deliveries[0].delivery_id;
    until(&world, id, |delivery| delivery.state == State::Refused).await;
    after_it(&world, 2).await;
    (world, id, beside(receipt.document_id))
}

/// Returns when whoever tries deliveries has ended what it was at, and has tried another one.
async fn after_it(world: &World, number: u32) {
    let other = world.send(letter(number, &[C])).await.deliveries[0].delivery_id;
    until(world, other, |delivery| delivery.state == State::Received).await;
}

#[tokio::test]
async fn a_note_that_comes_late_does_not_undo_a_requeue() {
    let (world, id, notes) = with_a_refused_one_that_is_not_noted().await;
    std::fs::remove_dir(&notes).expect("unblocked");
    assert_eq!(act(&world, Act::Requeue, id).await.verdict, Verdict::Requeued);
    until(&world, id, |delivery| delivery.attempts == 2).await;
    after_it(&world, 3).await;
    let written = std::fs::read_to_string(&notes).expect("notes");
    // The gateway may have come to the refusal once more before it was requeued; not after that.
    let requeued = written.find(" queued ").expect("the requeue is noted");
    assert!(!written[requeued..].contains(" refused "), "{written}");
    let world = again(world, true).await;
    assert_ne!(world.delivery(id).await.state, State::Refused, "nobody said so since the requeue");
    until(&world, id, |delivery| delivery.state == State::Received).await;
}

#[tokio::test]
async fn a_note_that_comes_late_is_of_what_is_so_by_then() {
    let (world, id, notes) = with_a_refused_one_that_is_not_noted().await;
    assert_eq!(act(&world, Act::GiveUp, id).await.verdict, Verdict::Closed);
    std::fs::remove_dir(&notes).expect("unblocked");
    after_it(&world, 3).await;
    after_it(&world, 4).await;
    let world = again(world, true).await;
    let delivery = world.delivery(id).await;
    assert_eq!((delivery.state, delivery.closed), (State::Refused, true));
}

fn to_c() -> Act {
    Act::Reroute(Target::Receiver(organ(C)))
}

fn way(delivery: &Delivery) -> (&str, &str) {
    (delivery.route.receiver.as_str(), delivery.route.system.as_str())
}

#[tokio::test]
async fn what_was_rerouted_goes_its_new_way_after_a_rebuild() {
    let (world, id) = with_a_refused_one().await;
    assert_eq!(act(&world, to_c(), id).await.verdict, Verdict::Rerouted);
    let world = again(world, true).await;
    until(&world, id, |delivery| delivery.state == State::Received).await;
    let delivery = world.delivery(id).await;
    assert_eq!((way(&delivery), delivery.since), ((C, "ba"), Some(world.ports.clock.now())));
    assert!(world.adapter.attempts().iter().all(|attempt| attempt.seen.receiver == organ(C)));
    noted(&world, id, " received ").await;
    // It stays there whatever is noted later.
    let mut world = again(world, true).await;
    world.kill();
    let delivery = world.delivery(id).await;
    assert_eq!((way(&delivery), delivery.state), ((C, "ba"), State::Received));
}

/// What a kill after the note and before the store leaves: the dead letter that it was, and with the store lost as well,
/// a delivery on its new way, as was asked.
#[tokio::test]
async fn a_reroute_that_was_cut_loses_nothing_with_the_store_or_without() {
    let cut = async |world: &World, id| {
        let (delivery, now) = (world.delivery(id).await, world.ports.clock.now());
        let route = Route { receiver: organ(C), system: system("ba"), adapter: delivery.route.adapter };
        world.ports.spool.rerouted(delivery.document, id, &route, now).await.expect("noted");
    };
    let (world, id) = with_a_refused_one().await;
    cut(&world, id).await;
    let world = again(world, false).await;
    let delivery = world.delivery(id).await;
    assert_eq!((way(&delivery), delivery.state), ((B, "hai"), State::Refused));
    assert_eq!(dead_letters(&world.ports).await, [id], "the operator sees that nothing was done");
    assert_eq!(act(&world, to_c(), id).await.verdict, Verdict::Rerouted);
    until(&world, id, |delivery| delivery.state == State::Received).await;
    assert_eq!(way(&world.delivery(id).await), (C, "ba"));

    let (world, id) = with_a_refused_one().await;
    cut(&world, id).await;
    let world = again(world, true).await;
    until(&world, id, |delivery| delivery.state == State::Received).await;
    assert_eq!(way(&world.delivery(id).await), (C, "ba"));
}
