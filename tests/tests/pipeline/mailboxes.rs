//! Mailboxes (design.md B6, spec vxp-api section 7): what is offered, who sees it, and what its receiver says of it.

use std::sync::Arc;
use std::time::Duration;

use lienthong_adapters::contract::failure;
use lienthong_config::FanIn;
use lienthong_pipeline::intake::BROKER_WAIT;
use lienthong_pipeline::mailbox::{Item, Mailboxes, Mark, PARTS_WAIT};
use lienthong_pipeline::operate::{Act, By, Operate, Reason};
use lienthong_pipeline::ports::FailureClass;
use lienthong_pipeline::record::{Delivery, MAILBOX_FAILS_MAX, Receipt, State, SystemId, Waiting};
use lienthong_schemas::edxml::StatusCode;

use super::world::{A, B, E, F, World, letter, organ, status, system, taken};

fn hop() -> SystemId {
    system("hop")
}

fn mailboxes(world: &World) -> Arc<Mailboxes> {
    world.mailboxes.clone()
}

async fn listed(world: &World, waiting: Waiting) -> Vec<Delivery> {
    let items = mailboxes(world).list(&hop(), FanIn::Receiver, waiting, 100).await.expect("a list");
    let found: Vec<Delivery> = items.into_iter().map(|item| item.delivery).collect();
    assert_eq!(mailboxes(world).count(&hop(), waiting).await.expect("a number"), found.len());
    found
}

async fn marked(world: &World, delivery: &Delivery, mark: Mark) -> bool {
    mailboxes(world).mark(&hop(), FanIn::Receiver, delivery.id, mark, "").await.expect("taken")
}

async fn words(world: &World, receipt: &Receipt) -> Vec<String> {
    let lines = world.history(receipt.deliveries[0].delivery_id).await;
    lines.into_iter().map(|(word, _)| word).collect()
}

#[tokio::test(start_paused = true)]
async fn a_document_waits_in_its_mailbox_until_it_is_done() {
    let mut world = World::new();
    let receipt = world.send(letter(1, &[E])).await;
    world.quiet().await;
    assert_eq!(world.states(&receipt).await, [State::Offered]);
    let found = listed(&world, Waiting::Documents).await;
    assert_eq!(found.len(), 1);
    assert_eq!(listed(&world, Waiting::Statuses).await, []);
    let (delivery, path) = mailboxes(&world)
        .fetch(&hop(), FanIn::Receiver, found[0].id)
        .await
        .expect("read")
        .expect("its packet");
    assert_eq!(std::fs::read(path).expect("a file"), letter(1, &[E]).to_bytes().expect("written"));
    assert_eq!(listed(&world, Waiting::Documents).await.len(), 1, "to fetch changes nothing");
    assert!(marked(&world, &delivery, Mark::Processing).await);
    for _ in 0..2 {
        assert!(marked(&world, &delivery, Mark::Done).await, "it may be said again");
    }
    assert_eq!(world.states(&receipt).await, [State::Received]);
    assert_eq!(listed(&world, Waiting::Documents).await, []);
    assert!(
        marked(&world, &delivery, Mark::Fail).await,
        "what comes after the end is heard and changes nothing"
    );
    assert_eq!(world.states(&receipt).await, [State::Received]);
    assert!(
        mailboxes(&world).fetch(&hop(), FanIn::Receiver, delivery.id).await.expect("read").is_some(),
        "it can be had again"
    );
    world.quiet().await;
    let words = words(&world, &receipt).await;
    assert_eq!(words[words.len() - 5..], ["settled", "fetched", "processing", "settled", "reported"]);
    assert_eq!(world.metrics.delivered.of("mailbox").value(), 1 + 1, "offered by dispatch, and done");
}

#[tokio::test(start_paused = true)]
async fn nobody_else_sees_what_is_in_a_mailbox() {
    let mut world = World::new();
    let receipt = world.send(letter(1, &[E, B])).await;
    world.quiet().await;
    let boxes = mailboxes(&world);
    let [offered, elsewhere] = [0, 1].map(|n| receipt.deliveries[n].delivery_id);
    assert!(boxes.find(&hop(), offered).await.expect("read").is_some());
    assert!(boxes.find(&hop(), elsewhere).await.expect("read").is_none(), "it went to another system");
    for other in ["mot", "hai", "ba"].map(system) {
        assert!(boxes.find(&other, offered).await.expect("read").is_none());
        assert!(boxes.fetch(&other, FanIn::System, offered).await.expect("read").is_none());
        assert!(!boxes.mark(&other, FanIn::System, offered, Mark::Done, "").await.expect("answered"));
        assert_eq!(boxes.list(&other, FanIn::Receiver, Waiting::Documents, 9).await.expect("a list"), []);
    }
    assert_eq!(world.states(&receipt).await, [State::Offered, State::Received]);
}

#[tokio::test(start_paused = true)]
async fn urgent_ones_and_status_packets_stand_where_they_belong() {
    let mut world = World::new();
    for number in 1..=3 {
        let letter = letter(number, &[E]);
        world.send(if number == 2 { letter.priority(3) } else { letter }).await;
        world.quiet().await;
    }
    let from_b = status(E, A, 1, StatusCode::Registered, "2026-01-05T01:00:00Z", "");
    world.bring(from_b, "hop").await.expect("a status packet of its own");
    let to_f = status(A, F, 9, StatusCode::Registered, "2026-01-05T01:00:00Z", "");
    world.bring(to_f, "mot").await.expect("a status packet to it");
    world.quiet().await;
    let lanes = |found: &[Delivery]| found.iter().map(|one| one.lane.token()).collect::<Vec<_>>().concat();
    assert_eq!(lanes(&listed(&world, Waiting::Documents).await), "unn");
    let statuses = listed(&world, Waiting::Statuses).await;
    assert_eq!(statuses.len(), 1);
    assert_eq!(statuses[0].route.receiver.as_str(), F);
}

#[tokio::test(start_paused = true)]
async fn an_axis_that_answers_for_its_receiver_does_so_when_it_is_done() {
    let mut world = World::new();
    world.send(letter(1, &[F])).await;
    world.quiet().await;
    assert_eq!(world.got(A).len(), 0, "offered is not received");
    let found = listed(&world, Waiting::Documents).await;
    marked(&world, &found[0], Mark::Done).await;
    world.quiet().await;
    assert_eq!(world.got(A).len(), 1);
    assert!(world.got(A)[0].contains("<edXML:StatusCode>01</edXML:StatusCode>"));
}

#[tokio::test(start_paused = true)]
async fn what_a_receiver_cannot_take_comes_to_the_operator_and_may_be_offered_again() {
    let mut world = World::new();
    let receipt = world.send(letter(1, &[E])).await;
    world.quiet().await;
    for fails in 1..=MAILBOX_FAILS_MAX {
        let found = listed(&world, Waiting::Documents).await;
        assert_eq!(found.len(), 1, "after {} fails", fails - 1);
        marked(&world, &found[0], Mark::Fail).await;
    }
    assert_eq!(world.states(&receipt).await, [State::Parked]);
    assert_eq!(listed(&world, Waiting::Documents).await, []);
    let delivery = world.delivery(receipt.deliveries[0].delivery_id).await;
    assert!(
        mailboxes(&world).fetch(&hop(), FanIn::Receiver, delivery.id).await.expect("read").is_some(),
        "it can still be had"
    );
    let operate = Operate::new(world.ports.clone(), world.wakes.clone(), world.metrics.clone());
    let by =
        By { operator: "lan".to_owned(), reason: Reason::parse("đã sửa bên nhận").expect("a reason") };
    let outcomes = operate.act(Act::Requeue, &[delivery.id], &by).await;
    assert!(outcomes[0].done, "{outcomes:?}");
    world.quiet().await;
    let found = listed(&world, Waiting::Documents).await;
    assert_eq!(found[0].mailbox.map(|mailbox| mailbox.fails), Some(0));
    marked(&world, &found[0], Mark::Done).await;
    assert_eq!(world.states(&receipt).await, [State::Received]);
}

#[tokio::test(start_paused = true)]
async fn without_the_broker_no_list_is_given_and_nothing_is_said_to_be_done() {
    let mut world = World::new();
    let receipt = world.send(letter(1, &[E])).await;
    world.quiet().await;
    let found = listed(&world, Waiting::Documents).await;
    world.broker.stop();
    assert!(
        mailboxes(&world).list(&hop(), FanIn::Receiver, Waiting::Documents, 9).await.is_err(),
        "an empty list would be a lie"
    );
    assert!(mailboxes(&world).count(&hop(), Waiting::Documents).await.is_err());
    let boxes = mailboxes(&world);
    let system = hop();
    let said = boxes.mark(&system, FanIn::Receiver, found[0].id, Mark::Done, "");
    let time = async {
        world.rest().await;
        world.clock.advance(BROKER_WAIT + Duration::from_millis(1));
    };
    let (said, ()) = tokio::join!(said, time);
    assert_eq!(said.expect_err("not with the broker").place, "broker");
    assert_eq!(world.states(&receipt).await, [State::Received], "it is on disk all the same");
    world.broker.start();
    world.pass(Duration::from_secs(60), Duration::from_secs(5)).await;
    assert!(marked(&world, &found[0], Mark::Done).await);
}

#[tokio::test(start_paused = true)]
async fn mailboxes_are_there_again_after_a_kill() {
    let mut world = World::new();
    let receipt = world.send(letter(1, &[E])).await;
    world.quiet().await;
    world.kill();
    world.start();
    world.quiet().await;
    let found = listed(&world, Waiting::Documents).await;
    assert_eq!(found.len(), 1);
    marked(&world, &found[0], Mark::Done).await;
    assert_eq!(world.states(&receipt).await, [State::Received]);
}

async fn once_for_all(world: &World) -> Vec<Item> {
    mailboxes(world).list(&hop(), FanIn::System, Waiting::Documents, 100).await.expect("a list")
}

#[tokio::test(start_paused = true)]
async fn a_document_for_several_of_a_system_may_come_once() {
    let mut world = World::new();
    let both = world.send(letter(1, &[F, B, E])).await;
    world.send(letter(2, &[E])).await;
    world.quiet().await;
    assert_eq!(listed(&world, Waiting::Documents).await.len(), 3);
    let items = once_for_all(&world).await;
    assert_eq!(items.len(), 2);
    assert_eq!(items[0].receivers, [organ(F), organ(E)]);
    let (id, boxes) = (items[0].delivery.id, mailboxes(&world));
    boxes.fetch(&hop(), FanIn::System, id).await.expect("read").expect("its packet");
    assert!(boxes.mark(&hop(), FanIn::System, id, Mark::Done, "").await.expect("taken"));
    assert_eq!(world.states(&both).await, [State::Received; 3]);
    assert_eq!(once_for_all(&world).await.len(), 1);
    for receiver in [0, 2] {
        let words = world.history(both.deliveries[receiver].delivery_id).await;
        assert!(words.iter().any(|(word, _)| word == "fetched"), "{words:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn who_gets_a_document_once_waits_a_little_for_its_last_receiver() {
    let mut world = World::new();
    world.answer(|consignment, _| match consignment.delivery.route.receiver.as_str() {
        E => Err(failure(FailureClass::OursToFix, "blob_unreadable")),
        _ => Ok(taken(consignment)),
    });
    let receipt = world.send(letter(1, &[F, E])).await;
    world.quiet().await;
    assert_eq!(world.states(&receipt).await, [State::Offered, State::Queued]);
    assert_eq!(once_for_all(&world).await, [], "the other one may come in a moment");
    world.advance(PARTS_WAIT).await;
    let items = once_for_all(&world).await;
    assert_eq!((items.len(), &items[0].receivers), (1, &vec![organ(F)]));
    world.answer(|consignment, _| Ok(taken(consignment)));
    world.pass(Duration::from_secs(120), Duration::from_secs(10)).await;
    assert_eq!(once_for_all(&world).await[0].receivers, [organ(F), organ(E)]);
}
