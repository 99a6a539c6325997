//! Deliveries and events share the relay: every document makes events, and neither holds up the other.

use std::time::Duration;

use lienthong_pipeline::record::State;

use super::hooks::{Fate, Hook, publications};
use super::watched::Watch;
use super::world::{B, C, Setup, World, letter};

#[tokio::test(start_paused = true)]
async fn events_that_do_not_go_hold_up_no_delivery() {
    let watch = Watch::new();
    let mut world = World::open(Setup { wrap: watch.wrap(), ..Setup::default() });
    watch.hold_events(true);
    let mut receipts = Vec::new();
    for number in 1..=100 {
        receipts.push(world.send(letter(number, &[B, C])).await);
    }
    world.quiet().await;
    for receipt in &receipts {
        assert_eq!(world.states(receipt).await, [State::Received; 2]);
    }
    assert_eq!((watch.event_messages(), world.broker.events().len()), (0, 0));
    watch.hold_events(false);
    world.advance(Duration::from_secs(5)).await;
    assert!(world.ports.store.unsent_events(1).await.expect("events").is_empty());
    let settled = world.broker.events().iter().filter(|event| event.entry.event == "settled").count();
    assert_eq!(settled, 200);
}

#[tokio::test(start_paused = true)]
async fn a_delivery_that_does_not_go_holds_up_no_event_and_no_other_queue() {
    let hook = Hook::default();
    let mut world = World::open(Setup { wrap: publications(&hook), ..Setup::default() });
    hook.set(|delivery: &lienthong_pipeline::record::Delivery| match delivery.route.receiver.as_str() {
        B => Fate::Hangs,
        _ => Fate::Passes,
    });
    let mut receipts = Vec::new();
    for number in 1..=20 {
        receipts.push(world.send(letter(number, &[B, C])).await);
    }
    world.quiet().await;
    for receipt in &receipts {
        assert_eq!(world.states(receipt).await, [State::Queued, State::Received]);
    }
    assert!(world.ports.store.unsent_events(1).await.expect("events").is_empty());
}
