//! What comes from other gateways: it is left in the broker while there is no room, is not given out twice while it is
//! worked on, and is fetched once.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use lienthong_broker::contract::sample;
use lienthong_outbox::{FileSpool, MemoryStore, SpoolLimits};
use lienthong_pipeline::ports::{Broker, Clock, DeliveryMessage};
use lienthong_pipeline::record::{Delivery, Event, Fence, HistoryEntry, Lane, State};
use lienthong_schemas::ids::{DeliveryId, Operation};

use super::agencies::organ;
use super::hooks::{Fate, hooked};
use super::watched::Watch;
use super::world::{ADAPTER, B, C, Setup, World, clock, letter, new_folder};

/// A delivery of another gateway, its packet inline.
fn foreign(number: u32, receiver: &str, packet: &[u8]) -> DeliveryMessage {
    let mut message = sample::inline(number, Lane::Normal, packet);
    let delivery = &mut message.delivery;
    delivery.route.receiver = organ(receiver);
    delivery.accepted_at = "2026-01-05T00:59:00Z".parse().expect("a time");
    delivery.due = delivery.accepted_at;
    delivery.id = DeliveryId::derive(&delivery.document, &delivery.route.receiver, Operation::Deliver);
    message
}

/// The same with its packet in the Object Store.
async fn foreign_blob(world: &World, number: u32, receiver: &str, packet: &[u8]) -> DeliveryMessage {
    let message = foreign(number, receiver, packet);
    let file = world.folder.path().join(format!("foreign-{number}"));
    std::fs::write(&file, packet).expect("written");
    world.broker.put_blob(message.delivery.digest, packet.len() as u64, file).await.expect("put");
    DeliveryMessage { inline: None, ..message }
}

/// Lets both clocks go on: the gateway's, and the broker's, which is tokio's.
async fn pass(world: &mut World, seconds: u64) {
    for _ in 0..seconds {
        // This moves tokio's clock by a second.
        world.advance(Duration::from_secs(1)).await;
    }
}

async fn is_here(world: &World, message: &DeliveryMessage) -> bool {
    let found = world.ports.store.delivery(message.delivery.id).await.expect("the store answers");
    found.is_some_and(|delivery| delivery.handed_off)
}

#[tokio::test(start_paused = true)]
async fn without_room_packets_of_others_stay_in_the_broker_and_ours_go_on() {
    let (clock, folder) = (clock(), new_folder());
    let spool = FileSpool::open(folder.path()).expect("a spool");
    let store = Arc::new(MemoryStore::new(clock.clone()));
    let mut world = World::over(Setup::default(), clock, folder, store, Arc::new(spool.clone()));
    let limit = |quota| drop(spool.clone().with_limits(SpoolLimits { quota: Some(quota), disk_free_min: 0 }));
    let paused = |world: &World| world.metrics.takeover_paused.of(ADAPTER).value();

    let before = foreign(1, B, b"before");
    world.broker.publish(&before).await.expect("published");
    world.quiet().await;
    assert!(is_here(&world, &before).await);
    assert_eq!(paused(&world), 0);

    let scan = std::io::Read::take(std::io::repeat(9), 90_000);
    world.send(letter(1, &[C]).attach("scan.pdf", "application/pdf", scan)).await;
    world.quiet().await;
    let used = world.ports.spool.usage().await.expect("numbers").bytes;
    limit(used * 100 / 82);
    let (one, other) = (foreign(2, B, b"no room for this"), foreign(3, C, b"nor for this"));
    for message in [&one, &other] {
        world.broker.publish(message).await.expect("published");
    }
    let ours = world.send(letter(2, &[B, C])).await;
    world.quiet().await;
    assert_eq!(world.states(&ours).await, [State::Received; 2], "what is here already goes on");
    assert!(!is_here(&world, &one).await && !is_here(&world, &other).await);
    assert_eq!((paused(&world), world.broker.waiting()), (1, 2), "back-pressure stays in the stream");

    let used = world.ports.spool.usage().await.expect("numbers").bytes;
    limit(used * 100 / 78);
    pass(&mut world, 40).await;
    assert_eq!((paused(&world), world.broker.waiting()), (1, 2), "not yet: 75 per cent");
    limit(used * 100 / 74);
    pass(&mut world, 40).await;
    assert!(is_here(&world, &one).await && is_here(&world, &other).await);
    assert_eq!((paused(&world), world.broker.waiting()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_disk_that_is_nearly_full_is_no_room_either() {
    let (clock, folder) = (clock(), new_folder());
    let spool = FileSpool::open(folder.path()).expect("a spool");
    let store = Arc::new(MemoryStore::new(clock.clone()));
    let mut world = World::over(Setup::default(), clock, folder, store, Arc::new(spool.clone()));
    let limit = |disk_free_min| drop(spool.clone().with_limits(SpoolLimits { quota: None, disk_free_min }));
    // No disk has so much.
    limit(1 << 60);
    let message = foreign(1, B, b"packet");
    world.broker.publish(&message).await.expect("published");
    pass(&mut world, 65).await;
    assert!(!is_here(&world, &message).await);
    limit(1);
    pass(&mut world, 35).await;
    assert!(is_here(&world, &message).await);
}

#[tokio::test(start_paused = true)]
async fn a_packet_that_takes_long_is_not_given_out_again_nor_what_waits_behind_it() {
    let watch = Watch::holding(0);
    let mut world = World::open(Setup { wrap: watch.wrap(), ..Setup::default() });
    let slow = foreign_blob(&world, 1, B, &[7; 300_000]).await;
    let (behind, other) = (foreign(2, B, b"behind"), foreign(3, C, b"other"));
    for message in [&slow, &behind, &other] {
        world.broker.publish(message).await.expect("published");
    }
    pass(&mut world, 300).await;
    assert_eq!((watch.fetches(), watch.taken()), (1, 3), "each came once");
    assert!(!is_here(&world, &slow).await && !is_here(&world, &behind).await);
    assert!(is_here(&world, &other).await, "another queue does not wait");
    watch.let_blob();
    world.quiet().await;
    let slow = world.delivery(slow.delivery.id).await;
    let behind = world.delivery(behind.delivery.id).await;
    assert!(slow.handed_off && behind.handed_off && slow.order < behind.order);
    assert_eq!((watch.fetches(), watch.taken(), world.broker.waiting()), (1, 3, 0));
}

#[tokio::test(start_paused = true)]
async fn a_receiver_whose_messages_wait_leaves_room_for_others() {
    let (mut world, store) = hooked(Setup::default());
    let stuck = organ(B);
    store.hand_off.set(move |delivery| match delivery.route.receiver == stuck {
        true => Fate::Hangs,
        false => Fate::Passes,
    });
    let waiting: Vec<_> = (0..60).map(|number| foreign(number, B, b"waits")).collect();
    let other = foreign(99, C, b"passes");
    for message in waiting.iter().chain([&other]) {
        world.broker.publish(message).await.expect("published");
    }
    world.quiet().await;
    assert!(is_here(&world, &other).await, "whatever stands before it in the stream");
    assert!(!is_here(&world, &waiting[0]).await);
}

#[tokio::test(start_paused = true)]
async fn a_packet_for_several_receivers_is_fetched_once() {
    let watch = Watch::holding(0);
    let mut world = World::open(Setup { wrap: watch.wrap(), ..Setup::default() });
    let first = foreign_blob(&world, 1, B, &[7; 300_000]).await;
    let mut second = first.clone();
    second.delivery.route.receiver = organ(C);
    second.delivery.id =
        DeliveryId::derive(&second.delivery.document, &second.delivery.route.receiver, Operation::Deliver);
    for message in [&first, &second] {
        world.broker.publish(message).await.expect("published");
    }
    world.quiet().await;
    assert_eq!((watch.fetches(), watch.taken()), (1, 2));
    watch.let_blob();
    world.quiet().await;
    assert!(is_here(&world, &first).await && is_here(&world, &second).await);
    assert_eq!(watch.fetches(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_inline_packet_that_is_not_its_digest_is_put_aside() {
    let mut world = World::new();
    let mut forged = foreign(1, B, b"packet");
    forged.inline = Some(Bytes::from_static(b"forged"));
    let good = foreign(2, B, b"another");
    for message in [&forged, &good] {
        world.broker.publish(message).await.expect("published");
    }
    world.quiet().await;
    assert!(!is_here(&world, &forged).await && is_here(&world, &good).await);
    assert_eq!(world.broker.waiting(), 0, "it holds nobody up");
}

fn said(message: &DeliveryMessage, generation: u32, state: State) -> Event {
    let Delivery { id, document, accepted_at, ref route, .. } = message.delivery;
    let (event, note) = ("settled".to_owned(), String::new());
    Event {
        id: format!("{id}:{generation}"),
        document,
        delivery: id,
        receiver: route.receiver.clone(),
        entry: HistoryEntry { at: accepted_at, state, event, attempt: 1, note },
        generation,
        node: None,
        fence: Fence::ALONE,
        offer: None,
    }
}

#[tokio::test(start_paused = true)]
async fn a_message_whose_packet_is_nowhere_is_over_or_holds_nobody_up() {
    let mut world = World::new();
    let lost =
        |number| DeliveryMessage { inline: None, ..foreign(number, B, format!("{number}").as_bytes()) };
    let over = lost(1);
    world.broker.publish_event(&said(&over, 1, State::Received)).await.expect("said");
    world.broker.publish(&over).await.expect("published");
    world.quiet().await;
    assert_eq!(world.broker.waiting(), 0, "there is nothing to do");
    assert!(!is_here(&world, &over).await);

    // An older generation was given up, and this one is news.
    let sent_again = DeliveryMessage {
        delivery: Delivery { generation: 2, accepted_at: world.clock.now(), ..lost(2).delivery },
        ..lost(2)
    };
    world.broker.publish_event(&said(&sent_again, 1, State::GivenUp)).await.expect("said");
    let behind = foreign(3, B, b"behind it");
    for message in [&sent_again, &behind] {
        world.broker.publish(message).await.expect("published");
    }
    pass(&mut world, 120).await;
    assert!(is_here(&world, &behind).await);
    assert_eq!(world.broker.waiting(), 1, "it waits for its packet");
    let file = world.folder.path().join("found");
    std::fs::write(&file, "2").expect("written");
    world.broker.put_blob(sent_again.delivery.digest, 1, file).await.expect("put");
    pass(&mut world, 31).await;
    assert!(is_here(&world, &sent_again).await);
    assert_eq!(world.broker.waiting(), 0);
}
