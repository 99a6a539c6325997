//! `receipt.after = "outbox+broker"`: no receipt before the broker has the document, and nothing lost while it is away.

use std::time::Duration;

use lienthong_config::ReceiptAfter;
use lienthong_pipeline::examine::Refused;
use lienthong_pipeline::intake::BROKER_WAIT;
use lienthong_pipeline::record::{IdempotencyKey, State};

use super::agencies::system;
use super::world::{B, C, Setup, World, letter};

fn world() -> World {
    World::open(Setup { receipt_after: ReceiptAfter::Broker, ..Setup::default() })
}

#[tokio::test(start_paused = true)]
async fn a_receipt_is_given_when_the_broker_has_the_document() {
    let world = world();
    let receipt = world.send(letter(1, &[B, C])).await;
    assert_eq!(receipt.durability, "broker");
    for line in &receipt.deliveries {
        assert_eq!(world.delivery(line.delivery_id).await.published, 1);
    }
    let unsent = world.ports.store.unsent_events(100).await.expect("the store answers");
    assert!(unsent.iter().all(|(_, event)| event.entry.event != "accepted"), "{unsent:?}");
}

#[tokio::test(start_paused = true)]
async fn while_the_broker_is_away_a_sender_comes_again_and_gets_the_same_receipt() {
    let mut world = world();
    world.broker.stop();
    let bytes = letter(1, &[B]).to_bytes().expect("written");
    let key = IdempotencyKey { system: system("mot"), key: "một lần".to_owned() };
    for nth in 0..3 {
        let answered = std::cell::Cell::new(false);
        let bring = async {
            let brought = match nth {
                0 => world.bring(bytes.clone(), "mot").await,
                _ => world.bring_keyed(bytes.clone(), "mot", Some(key.clone())).await,
            };
            answered.set(true);
            brought
        };
        let time = async {
            let moment = Duration::from_millis(1);
            world.rest().await;
            world.clock.advance(BROKER_WAIT - moment);
            world.rest().await;
            assert!(!answered.get(), "it waits");
            world.clock.advance(moment);
        };
        let (brought, ()) = tokio::join!(bring, time);
        match brought.expect_err("no receipt") {
            Refused::Fault(fault) => assert!(fault.place == "broker" && !fault.fatal, "{fault}"),
            Refused::Rejected(rejection) => panic!("it is not the sender's fault: {rejection}"),
        }
    }
    assert_eq!(world.ports.store.stats().await.expect("numbers").pending, 1, "it is kept all the same");

    world.broker.start();
    world.advance(Duration::from_secs(5)).await;
    let accepted = world.bring(bytes.clone(), "mot").await.expect("accepted");
    assert!(accepted.replayed && accepted.receipt.durability == "broker");
    let by_key = world.bring_keyed(bytes, "mot", Some(key)).await.expect("accepted");
    assert_eq!(by_key.receipt, accepted.receipt);
    assert_eq!(world.states(&accepted.receipt).await, [State::Received]);
    assert_eq!(world.tried(), [accepted.receipt.document_id], "once");
}
