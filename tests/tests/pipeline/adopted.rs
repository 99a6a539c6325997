//! A gateway that was lost with its disk, for those who sent by it: receipts, repeats, and what they are told go on at the one
//! that adopts it. How deliveries go on is in `nodes.rs`.

use std::time::Duration;

use bytes::Bytes;
use lienthong_adapters::contract::{failure, received};
use lienthong_pipeline::adopt::Adopted;
use lienthong_pipeline::dispatch::DispatchPolicy;
use lienthong_pipeline::ports::FailureClass;
use lienthong_pipeline::record::{Delivery, Receipt, State};

use super::hooks::{Fate, Hook, publications};
use super::nodes::Pair;
use super::world::{A, B, C, D, Setup, World, letter};

/// Nobody is reached.
fn all_are_dead(world: &World) {
    world.answer(|_, _| Err(failure(FailureClass::Receiver, "connect")));
}

/// The first gateway adopts the second one, which was killed.
async fn adopt(pair: &mut Pair) -> Adopted {
    pair.pass(61).await;
    adopted(&pair.one, "gw-2").await
}

async fn adopted(by: &World, node: &str) -> Adopted {
    by.adopt.clone().expect("one of several").adopt(node).await.expect("adopted")
}

async fn receipt(world: &World, of: &Receipt) -> Option<Receipt> {
    let admission = world.ports.spool.admission(of.document_id).await.expect("read");
    admission.map(|admission| admission.receipt)
}

/// How many packets for the sender have this status.
fn told(world: &World, code: &str) -> usize {
    let code = format!("<edXML:StatusCode>{code}</edXML:StatusCode>");
    world.got(A).iter().filter(|packet| packet.contains(&code)).count()
}

#[tokio::test(start_paused = true)]
async fn senders_of_a_lost_gateway_are_answered_and_told_by_who_adopts_it() {
    let mut pair = Pair::new().await;
    [&pair.one, &pair.two].into_iter().for_each(all_are_dead);
    let lost = pair.two.send(letter(1, &[B, C, D])).await;
    pair.pass(3).await;
    pair.two.kill();
    assert_eq!(receipt(&pair.one, &lost).await, None);
    assert_eq!(adopt(&mut pair).await.documents, 1);
    assert_eq!(receipt(&pair.one, &lost).await.as_ref(), Some(&lost));
    let again = pair.one.accept(letter(1, &[B, C, D])).await;
    assert!(again.replayed, "what was accepted there is recognised");
    assert_eq!(again.receipt, lost);

    // C's system is never reached; the axis answers for D.
    pair.one.answer(|consignment, _| match consignment.delivery.route.receiver.as_str() {
        C => Err(failure(FailureClass::Receiver, "connect")),
        _ => Ok(received()),
    });
    let patience = DispatchPolicy { give_up_after: Duration::from_secs(90), ..Setup::default().policy };
    pair.one.reload_policies(patience.into());
    pair.pass(200).await;
    assert_eq!(pair.one.states(&lost).await, [State::Received, State::GivenUp, State::Received]);
    assert_eq!((told(&pair.one, "01"), told(&pair.one, "02")), (1, 1), "{:?}", pair.one.got(A));
    let again = adopted(&pair.one, "gw-2").await;
    assert_eq!((again.taken_on, again.documents), (0, 1), "{again:?}");
    pair.pass(30).await;
    assert_eq!((told(&pair.one, "01"), told(&pair.one, "02")), (1, 1));
}

/// The keeper was lost before it heard of the end, so nobody has told the sender.
#[tokio::test(start_paused = true)]
async fn what_was_given_up_before_the_adoption_is_told_after_it() {
    let mut pair = Pair::new().await;
    [&pair.one, &pair.two].into_iter().for_each(all_are_dead);
    let patience = DispatchPolicy { give_up_after: Duration::from_secs(30), ..Setup::default().policy };
    pair.one.reload_policies(patience.into());
    let codes = pair.codes.clone();
    let to: Vec<&str> = codes.iter().map(String::as_str).collect();
    let lost = pair.two.send(letter(1, &to)).await;
    pair.pass(3).await;
    pair.two.kill();
    pair.pass(61).await;
    let mut over = 0;
    for line in &lost.deliveries {
        let known = pair.one.ports.store.delivery(line.delivery_id).await.expect("read");
        over += usize::from(known.is_some_and(|known| known.state == State::GivenUp && known.foreign));
    }
    assert!(over > 8, "{over} given up for the other one");
    assert!(pair.one.got(A).is_empty());
    pair.one.answer(|consignment, _| match consignment.delivery.route.receiver.as_str() {
        A => Ok(received()),
        _ => Err(failure(FailureClass::Receiver, "connect")),
    });
    assert_eq!(adopt(&mut pair).await.documents, 1);
    pair.pass(60).await;
    assert!(pair.one.states(&lost).await.iter().all(|state| *state == State::GivenUp));
    assert_eq!(told(&pair.one, "02"), 40);
}

/// What `EVENTS` knows of goes on although its own message is nowhere: the packet is in that of another receiver.
#[tokio::test(start_paused = true)]
async fn a_delivery_without_a_message_is_adopted_with_its_document() {
    let hook: Hook<Delivery> = Hook::default();
    hook.set(|delivery| if delivery.route.receiver.as_str() == C { Fate::Fails } else { Fate::Passes });
    let mut pair = Pair::wrapped(publications(&hook)).await;
    let lost = pair.one.send(letter(1, &[B, C])).await;
    pair.pass(3).await;
    pair.one.kill();
    pair.pass(61).await;
    let by = adopted(&pair.two, "gw-1").await;
    assert!(by.lost.is_empty() && by.documents == 1, "{by:?}");
    pair.pass(30).await;
    assert_eq!(pair.two.states(&lost).await, [State::Received, State::Received]);
    assert_eq!(pair.two.got(C).len(), 1);
}

/// The admission is on disk, and the store does not know of it: as after a fault in the middle.
#[tokio::test(start_paused = true)]
async fn an_adoption_that_was_cut_off_goes_on() {
    let mut pair = Pair::new().await;
    [&pair.one, &pair.two].into_iter().for_each(all_are_dead);
    let packet = letter(1, &[B, C, D]).to_bytes().expect("written");
    let lost = pair.two.bring(packet.clone(), "mot").await.expect("accepted").receipt;
    pair.pass(3).await;
    pair.two.kill();
    let admission = pair.one.ports.broker.admission(lost.document_id).await.expect("asked").expect("there");
    let mut sink = pair.one.ports.spool.receive_ours().await.expect("room");
    sink.write(Bytes::from(packet)).await.expect("written");
    let packet = sink.finish().await.expect("written");
    pair.one.ports.spool.admit(packet, &admission).await.expect("kept");
    let by = adopt(&mut pair).await;
    assert_eq!((by.taken_on + by.settled, by.documents), (3, 1), "{by:?}");
    pair.one.answer(|_, _| Ok(received()));
    pair.pass(120).await;
    assert!(pair.one.states(&lost).await.iter().all(|state| *state == State::Received));
    assert_eq!(told(&pair.one, "01"), 1);
}

/// One that both had accepted is answered for here already, with this gateway's own receipt.
#[tokio::test(start_paused = true)]
async fn a_document_that_both_had_accepted_stays_as_it_is() {
    let mut pair = Pair::new().await;
    [&pair.one, &pair.two].into_iter().for_each(all_are_dead);
    let there = pair.two.send(letter(1, &[B, C])).await;
    pair.pass(2).await;
    let here = pair.one.send(letter(1, &[B, C])).await;
    pair.pass(2).await;
    pair.two.kill();
    let by = adopt(&mut pair).await;
    assert_eq!((by.taken_on, by.settled, by.documents), (0, 2, 1), "{by:?}");
    assert_ne!(here.accepted_at, there.accepted_at);
    assert_eq!(receipt(&pair.one, &here).await, Some(here));
}
