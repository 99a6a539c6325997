//! The broker goes away and comes back, repeats itself, or our own disk lost something: nothing is lost or done twice.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use lienthong_adapters::contract::{failure, received};
use lienthong_broker::MemoryBroker;
use lienthong_pipeline::ports::{
    Broker, DeliveryMessage, EventsAfter, EventsSpan, FailureClass, Fault, Incoming, IncomingWriter,
    Publication, Taken,
};
use lienthong_pipeline::record::{AdapterKind, Event, Lane, State};
use lienthong_schemas::ids::PacketDigest;

use super::world::{B, C, D, Setup, World, Wrap, letter};

#[tokio::test(start_paused = true)]
async fn what_comes_in_while_the_broker_is_away_is_delivered_afterwards_under_the_same_ids() {
    let mut world = World::new();
    world.broker.stop();
    let mut receipts = Vec::new();
    for number in 1..=20 {
        receipts.push(world.send(letter(number, &[B, C])).await);
        world.advance(Duration::from_secs(7)).await;
    }
    let stats = world.ports.store.stats().await.expect("stats");
    assert_eq!((stats.pending, stats.unpublished, world.adapter.attempts().len()), (40, 40, 0));
    world.broker.start();
    world.advance(Duration::from_secs(5)).await;
    for receipt in &receipts {
        assert_eq!(world.states(receipt).await, [State::Received, State::Received]);
        for line in &receipt.deliveries {
            let attempts = world.adapter.attempts();
            let own = attempts.iter().filter(|attempt| attempt.seen.delivery == line.delivery_id);
            let own: Vec<_> = own.map(|attempt| &attempt.seen).collect();
            assert_eq!(own.len(), 1);
            assert_eq!((own[0].document, own[0].digest), (receipt.document_id, receipt.sha256));
        }
    }
    assert_eq!(world.broker.waiting(), 0);
    let events = world.broker.events();
    let settled = events.iter().filter(|event| event.entry.event == "settled").count();
    assert_eq!(settled, 40, "the stream of events has every outcome once");
    assert!(world.ports.store.unsent_events(1).await.expect("events").is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_large_packet_goes_once_to_the_object_store_and_whole_to_each_receiver() {
    let mut world = World::new();
    let scan = std::io::Read::take(std::io::repeat(9), 700_000);
    world.answer(|consignment, _| match consignment.delivery.route.receiver.as_str() {
        D => Err(failure(FailureClass::Receiver, "connect")),
        _ => Ok(received()),
    });
    let receipt = world.send(letter(1, &[B, C, D]).attach("scan.pdf", "application/pdf", scan)).await;
    world.quiet().await;
    assert_eq!(world.states(&receipt).await, [State::Received, State::Received, State::Queued]);
    assert_eq!(stored_blobs(&world), [receipt.sha256.to_string()]);
    world.answer(|_, _| Ok(received()));
    world.advance(Duration::from_secs(60)).await;
    assert_eq!(world.states(&receipt).await, [State::Received; 3]);
    assert!(stored_blobs(&world).is_empty(), "it leaves with its last delivery");
    let attempts = world.adapter.attempts();
    let own = attempts.iter().filter(|attempt| attempt.seen.document == receipt.document_id);
    assert!(own.map(|attempt| attempt.seen.bytes).all(|bytes| bytes == receipt.bytes));
}

fn stored_blobs(world: &World) -> Vec<String> {
    let stored = std::fs::read_dir(world.folder.path().join("object-store")).expect("a folder");
    stored.map(|entry| entry.expect("an entry").file_name().into_string().expect("a name")).collect()
}

#[tokio::test(start_paused = true)]
async fn a_packet_lost_before_it_was_published_is_parked_and_the_others_go_on() {
    let mut world = World::new();
    world.broker.stop();
    let first = world.send(letter(1, &[B])).await;
    // Its failure makes the relay rest, so that it reads nothing of the others now.
    world.quiet().await;
    let lost = world.send(letter(2, &[B, C])).await;
    let scan = std::io::Read::take(std::io::repeat(9), 700_000);
    let lost_scan = world.send(letter(3, &[B]).attach("scan.pdf", "application/pdf", scan)).await;
    let last = world.send(letter(4, &[B, C])).await;
    world.lose_blob(&lost);
    world.lose_blob(&lost_scan);
    world.broker.start();
    world.advance(Duration::from_secs(5)).await;
    assert_eq!(world.states(&first).await, [State::Received]);
    assert_eq!(world.states(&lost).await, [State::Parked, State::Parked]);
    assert_eq!(world.states(&lost_scan).await, [State::Parked]);
    assert_eq!(world.states(&last).await, [State::Received, State::Received]);
    assert_eq!(world.metrics.parked.value(), 3);
    let parked = world.broker.events().iter().filter(|event| event.entry.event == "parked").count();
    assert_eq!(parked, 3, "what was parked stands in the stream of events");
}

/// A broker that gives every message twice, as one does whose acknowledgement was lost.
struct Repeating(MemoryBroker);

struct Once {
    message: Box<dyn Taken>,
    broker: MemoryBroker,
    seen: Arc<std::sync::Mutex<std::collections::HashSet<String>>>,
}

#[async_trait]
impl Taken for Once {
    fn message(&self) -> Result<DeliveryMessage, Fault> {
        self.message.message()
    }
    fn patience(&self) -> Duration {
        self.message.patience()
    }
    fn stored_at(&self) -> jiff::Timestamp {
        self.message.stored_at()
    }
    async fn working(&self) -> Result<(), Fault> {
        self.message.working().await
    }
    async fn ack(self: Box<Self>) -> Result<(), Fault> {
        let id = self.message.message()?.delivery.id.to_string();
        if self.seen.lock().expect("ids").insert(id) {
            return self.message.again(Duration::ZERO).await;
        }
        assert!(self.broker.waiting() > 0);
        self.message.ack().await
    }
    async fn again(self: Box<Self>, delay: Duration) -> Result<(), Fault> {
        self.message.again(delay).await
    }
}

#[async_trait]
impl Broker for Repeating {
    async fn ready(&self) -> Result<(), Fault> {
        self.0.ready().await
    }
    async fn publish(&self, message: &DeliveryMessage) -> Result<Publication, Fault> {
        self.0.publish(message).await
    }
    async fn put_blob(&self, digest: PacketDigest, bytes: u64, file: PathBuf) -> Result<(), Fault> {
        self.0.put_blob(digest, bytes, file).await
    }
    async fn remove_blob(&self, digest: PacketDigest) -> Result<(), Fault> {
        self.0.remove_blob(digest).await
    }
    async fn fetch_blob(
        &self,
        digest: PacketDigest,
        sink: Box<dyn IncomingWriter>,
    ) -> Result<Box<dyn Incoming>, Fault> {
        self.0.fetch_blob(digest, sink).await
    }
    async fn publish_event(&self, event: &Event) -> Result<(), Fault> {
        self.0.publish_event(event).await
    }
    async fn events_span(&self) -> Result<EventsSpan, Fault> {
        self.0.events_span().await
    }
    async fn events_after(&self, after: u64) -> Result<EventsAfter, Fault> {
        self.0.events_after(after).await
    }
    async fn deliveries(
        &self,
        adapter: AdapterKind,
        lane: Lane,
    ) -> Result<BoxStream<'static, Box<dyn Taken>>, Fault> {
        let (broker, seen) = (self.0.clone(), Arc::default());
        let messages = self.0.deliveries(adapter, lane).await?;
        let once = move |message| {
            let (broker, seen) = (broker.clone(), Arc::clone(&seen));
            Box::new(Once { message, broker, seen }) as Box<dyn Taken>
        };
        Ok(messages.map(once).boxed())
    }
}

#[tokio::test(start_paused = true)]
async fn a_message_that_the_broker_repeats_does_no_harm() {
    let wrap: Wrap = Box::new(|broker| Arc::new(Repeating(broker)));
    let mut world = World::open(Setup { wrap, ..Setup::default() });
    let mut receipts = Vec::new();
    for number in 1..=10 {
        receipts.push(world.send(letter(number, &[B, C]).priority((number % 2) as u8)).await);
    }
    world.quiet().await;
    for receipt in &receipts {
        assert_eq!(world.states(receipt).await, [State::Received, State::Received]);
        let history = world.history(receipt.deliveries[0].delivery_id).await;
        assert_eq!(history.iter().filter(|(event, _)| event == "handed_off").count(), 1, "{history:?}");
    }
    assert_eq!((world.adapter.attempts().len(), world.broker.waiting()), (20, 0));
}
