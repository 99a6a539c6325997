//! What waits in mailboxes is what `EVENTS` says: read to its end before a list is given, by whoever keeps an index, and
//! never less than what this gateway's own store still offers.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::StreamExt;
use futures_util::stream::{self, BoxStream};
use lienthong_broker::MemoryBroker;
use lienthong_config::FanIn;
use lienthong_pipeline::mailbox::{CATCH_UP_WAIT, Mark};
use lienthong_pipeline::ports::{
    Broker, DeliveryMessage, EventsAfter, EventsSpan, Fault, Incoming, IncomingWriter, MailboxIndex,
    Publication, Taken,
};
use lienthong_pipeline::record::{
    AdapterKind, Event, Fence, HistoryEntry, Lane, Mailbox, Offer, Posted, State, SystemId, Waiting,
};
use lienthong_schemas::ids::{DeliveryId, DocumentId, Operation, PacketDigest};

use super::hooks::hooked;
use super::world::{E, F, KEEP_DONE, Setup, World, letter, organ, system};

fn hop() -> SystemId {
    system("hop")
}

async fn try_list(world: &World) -> Result<Vec<DeliveryId>, Fault> {
    let items = world.mailboxes.list(&hop(), FanIn::Receiver, Waiting::Documents, 100).await?;
    let ids: Vec<DeliveryId> = items.into_iter().map(|item| item.delivery.id).collect();
    assert_eq!(world.mailboxes.count(&hop(), Waiting::Documents).await?, ids.len());
    Ok(ids)
}

async fn list(world: &World) -> Vec<DeliveryId> {
    try_list(world).await.expect("a list")
}

async fn mark(world: &World, id: DeliveryId, mark: Mark) -> Result<bool, Fault> {
    world.mailboxes.mark(&hop(), FanIn::Receiver, id, mark, "").await
}

/// Three letters in a mailbox, the first of them done.
async fn three(world: &mut World) -> [DeliveryId; 3] {
    let mut ids = Vec::new();
    for number in 1..=3 {
        ids.push(world.send(letter(number, &[E])).await.deliveries[0].delivery_id);
        world.quiet().await;
    }
    assert_eq!(list(world).await, ids);
    assert!(mark(world, ids[0], Mark::Done).await.expect("acknowledged"));
    assert_eq!(list(world).await, ids[1..]);
    ids.try_into().expect("three")
}

/// A letter that another gateway offers to the same system.
fn of_another(count: u64, state: State) -> Event {
    let (sender, receiver, digest) = (organ("H01"), organ(F), PacketDigest::of(b"elsewhere"));
    let document = DocumentId::derive(&sender, "elsewhere", "document:0", &digest);
    let delivery = DeliveryId::derive(&document, &receiver, Operation::Deliver);
    let at = "2026-01-04T23:00:00Z".parse().expect("a time");
    let offer = Offer {
        system: hop(),
        sender,
        lane: Lane::Normal,
        kind: "document:0".to_owned(),
        digest,
        bytes: 9,
        accepted_at: at,
        order: 7_000,
        generation: 1,
        mailbox: Mailbox::new(at),
    };
    let entry = HistoryEntry { at, state, event: "settled".to_owned(), attempt: 1, note: String::new() };
    let id = format!("{delivery}:{count}");
    Event {
        id,
        document,
        delivery,
        receiver,
        entry,
        generation: 1,
        node: None,
        fence: Fence::ALONE,
        offer: Some(Box::new(offer)),
    }
}

#[tokio::test(start_paused = true)]
async fn an_index_that_is_gone_is_read_anew_and_nothing_is_missing() {
    let mut world = World::new();
    let ids = three(&mut world).await;
    world.index.clear().await.expect("cleared");
    assert_eq!(list(&world).await, ids[1..], "it waits until it is read anew");
    let known = world.index.entries(ids.to_vec()).await.expect("read");
    let states = known.into_iter().map(|posted| posted.map(|posted| posted.state));
    let expected = [State::Received, State::Offered, State::Offered].map(Some);
    assert_eq!(states.collect::<Vec<_>>(), expected, "by the stream");
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_was_lost_loses_nothing_that_waits() {
    for purged in [false, true] {
        let mut world = World::new();
        let ids = three(&mut world).await;
        if purged {
            world.kill();
            world.index.clear().await.expect("cleared");
            world.broker.purge_events();
            world.start();
        } else {
            world.broker.lose_events();
        }
        world.quiet().await;
        world.advance(Duration::from_secs(10)).await;
        world.quiet().await;
        assert_eq!(list(&world).await, ids[1..], "purged: {purged}");
        let later = world.send(letter(4, &[E])).await.deliveries[0].delivery_id;
        world.quiet().await;
        assert_eq!(list(&world).await, [ids[1], ids[2], later]);
        for id in [ids[1], ids[2], later] {
            assert!(mark(&world, id, Mark::Done).await.expect("acknowledged"));
        }
        assert_eq!(list(&world).await, []);
    }
}

#[tokio::test(start_paused = true)]
async fn an_event_that_comes_once_more_brings_nothing_back() {
    let mut world = World::new();
    let ids = three(&mut world).await;
    let offered = world.broker.events().into_iter();
    let offered = offered.filter(|event| event.delivery == ids[0] && event.entry.state == State::Offered);
    let posted: Vec<Posted> = offered.filter_map(|event| Posted::of_event(&event)).collect();
    assert!(!posted.is_empty());
    // As a restart may put events together in another message, which the broker does not know.
    world.index.take(world.index.life(), posted, None).await.expect("taken");
    assert_eq!(list(&world).await, ids[1..]);
}

#[tokio::test(start_paused = true)]
async fn what_another_gateway_offers_is_listed_and_not_lost() {
    let mut world = World::new();
    let ids = three(&mut world).await;
    let event = of_another(5, State::Offered);
    world.broker.publish_event(&event).await.expect("published");
    assert_eq!(list(&world).await, [event.delivery, ids[1], ids[2]], "it came first, by its receipt");
    assert!(world.mailboxes.find(&system("ba"), event.delivery).await.expect("read").is_none());
    let fetched = world.mailboxes.fetch(&hop(), FanIn::Receiver, event.delivery).await;
    assert_eq!(fetched.expect_err("its packet is not here, nor with the broker").place, "broker");
    for word in [Mark::Done, Mark::Fail, Mark::Processing] {
        let said = mark(&world, event.delivery, word).await;
        assert_eq!(said.expect_err("nobody stands in for a packet that is not there").place, "broker");
    }
    assert_eq!(list(&world).await.len(), 3);
    world.broker.publish_event(&of_another(6, State::Received)).await.expect("published");
    assert_eq!(list(&world).await, ids[1..], "that gateway heard that it is done");
    world.kill();
    world.start();
    world.quiet().await;
    assert_eq!(list(&world).await, ids[1..]);
}

#[tokio::test(start_paused = true)]
async fn what_another_gateway_offers_is_fetched_and_done_here() {
    let mut world = World::new();
    let ids = three(&mut world).await;
    let event = of_another(5, State::Offered);
    world.broker.publish_event(&event).await.expect("published");
    let file = world.folder.path().join("of-another");
    std::fs::write(&file, b"elsewhere").expect("written");
    world.broker.put_blob(PacketDigest::of(b"elsewhere"), 9, file).await.expect("put");
    let fetched = world.mailboxes.fetch(&hop(), FanIn::Receiver, event.delivery).await.expect("fetched");
    let (_, packet) = fetched.expect("a packet");
    assert_eq!(std::fs::read(packet).expect("read"), b"elsewhere");
    assert!(mark(&world, event.delivery, Mark::Done).await.expect("acknowledged"));
    assert_eq!(list(&world).await, ids[1..]);
    let said = world.broker.events();
    let done = said.iter().rfind(|said| said.delivery == event.delivery).expect("an event");
    assert_eq!((done.entry.state, done.generation), (State::Received, 1), "for the others to follow");
    assert!(mark(&world, event.delivery, Mark::Done).await.expect("again"), "no harm");
    world.quiet().await;
}

#[tokio::test(start_paused = true)]
async fn a_store_of_before_learns_what_is_done() {
    let mut world = World::new();
    let ids = three(&mut world).await;
    // As of a copy that was taken earlier: the stream says that the second is done, and the store does not know.
    let delivery = world.delivery(ids[1]).await;
    let posted =
        Posted { state: State::Received, count: 90, ..Posted::of_delivery(&delivery).expect("a mailbox") };
    world.kill();
    world.start();
    world.index.take(world.index.life(), vec![posted], None).await.expect("taken");
    world.quiet().await;
    assert_eq!(list(&world).await, ids[2..]);
    assert_eq!(world.delivery(ids[1]).await.state, State::Received);
    let words = world.history(ids[1]).await;
    assert!(words.iter().any(|(_, note)| note == "done, as EVENTS says"), "{words:?}");
}

#[tokio::test(start_paused = true)]
async fn what_is_done_can_be_had_for_its_time_and_is_then_unknown() {
    let mut world = World::new();
    let ids = three(&mut world).await;
    let second = Duration::from_secs(1);
    world.advance(KEEP_DONE - Duration::from_secs(3600)).await;
    let fetch = async |world: &World, id| {
        world.mailboxes.fetch(&hop(), FanIn::Receiver, id).await.expect("read").is_some()
    };
    assert!(fetch(&world, ids[0]).await, "it can be had again");
    assert!(mark(&world, ids[0], Mark::Done).await.expect("taken"), "and said again");
    world.advance(Duration::from_secs(24 * 3600) + second).await;
    assert!(!fetch(&world, ids[0]).await);
    assert!(!mark(&world, ids[0], Mark::Done).await.expect("answered"), "like what never was");
    world.advance(Duration::from_secs(2 * 24 * 3600)).await;
    let known = world.index.entries(ids.to_vec()).await.expect("read");
    assert_eq!(known.iter().map(Option::is_some).collect::<Vec<_>>(), [false, true, true]);
    assert_eq!(list(&world).await, ids[1..], "what is not done never goes");
    assert!(fetch(&world, ids[1]).await);
}

#[tokio::test(start_paused = true)]
async fn a_list_reads_as_much_as_it_gives_however_much_waits() {
    let (mut world, store) = hooked(Setup::default());
    for number in 1..=60 {
        world.send(letter(number, &[E])).await;
    }
    world.quiet().await;
    assert_eq!(list(&world).await.len(), 60);
    let before = store.read_together();
    let items = world.mailboxes.list(&hop(), FanIn::Receiver, Waiting::Documents, 7).await.expect("a list");
    assert_eq!((items.len(), store.read_together() - before), (7, 7));
    world.advance(Duration::from_secs(60)).await;
    let waiting = |list| world.metrics.mailbox_waiting.of(list).value();
    assert_eq!((waiting("documents"), waiting("statuses")), (60, 0));
    assert_eq!(world.metrics.mailbox_oldest.value(), Duration::from_secs(60));
}

/// A broker that says how far `EVENTS` goes, and never what stands there; or one whose store is too full, as it says.
struct Odd {
    broker: MemoryBroker,
    is_full: bool,
}

#[async_trait]
impl Broker for Odd {
    async fn ready(&self) -> Result<(), Fault> {
        match self.is_full {
            true => Err(Fault::new("broker", "store 95 % full")),
            false => self.broker.ready().await,
        }
    }
    async fn publish(&self, message: &DeliveryMessage) -> Result<Publication, Fault> {
        self.broker.publish(message).await
    }
    async fn put_blob(
        &self,
        digest: PacketDigest,
        bytes: u64,
        file: std::path::PathBuf,
    ) -> Result<(), Fault> {
        self.broker.put_blob(digest, bytes, file).await
    }
    async fn remove_blob(&self, digest: PacketDigest) -> Result<(), Fault> {
        self.broker.remove_blob(digest).await
    }
    async fn fetch_blob(
        &self,
        digest: PacketDigest,
        sink: Box<dyn IncomingWriter>,
    ) -> Result<Box<dyn Incoming>, Fault> {
        self.broker.fetch_blob(digest, sink).await
    }
    async fn publish_event(&self, event: &Event) -> Result<(), Fault> {
        self.broker.publish_event(event).await
    }
    async fn events_span(&self) -> Result<EventsSpan, Fault> {
        self.broker.events_span().await
    }
    async fn events_after(&self, after: u64) -> Result<EventsAfter, Fault> {
        let found = self.broker.events_after(after).await?;
        let messages = if self.is_full { found.messages } else { stream::pending().boxed() };
        Ok(EventsAfter { messages, ..found })
    }
    async fn deliveries(
        &self,
        adapter: AdapterKind,
        lane: Lane,
    ) -> Result<BoxStream<'static, Box<dyn Taken>>, Fault> {
        self.broker.deliveries(adapter, lane).await
    }
}

#[tokio::test(start_paused = true)]
async fn a_list_that_cannot_be_whole_is_not_given() {
    let wrap: super::world::Wrap = Box::new(|broker| Arc::new(Odd { broker, is_full: false }));
    let mut world = World::open(Setup { wrap, ..Setup::default() });
    assert_eq!(list(&world).await, [], "nothing was ever said");
    let receipt = world.send(letter(1, &[E])).await;
    world.quiet().await;
    assert_eq!(world.states(&receipt).await, [State::Offered]);
    let asked = try_list(&world);
    let time = async {
        world.rest().await;
        world.clock.advance(CATCH_UP_WAIT + Duration::from_millis(1));
    };
    let (found, ()) = tokio::join!(asked, time);
    assert_eq!(found.expect_err("neither empty nor half").place, "mailboxes");
}

/// What is not fetched never makes room.
#[tokio::test(start_paused = true)]
async fn what_waits_is_listed_while_the_broker_takes_no_more() {
    let wrap: super::world::Wrap = Box::new(|broker| Arc::new(Odd { broker, is_full: true }));
    let mut world = World::open(Setup { wrap, ..Setup::default() });
    let receipt = world.send(letter(1, &[E])).await;
    world.quiet().await;
    assert_eq!(world.states(&receipt).await, [State::Offered]);
    let id = receipt.deliveries[0].delivery_id;
    assert_eq!(list(&world).await, [id]);
    assert!(mark(&world, id, Mark::Done).await.expect("taken"));
}
