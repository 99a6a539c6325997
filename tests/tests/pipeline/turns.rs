//! Deliveries and events share the relay: every document makes events, and they must not hold up deliveries.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::stream::BoxStream;
use lienthong_broker::MemoryBroker;
use lienthong_pipeline::ports::{Broker, DeliveryMessage, Fault, Incoming, IncomingWriter, Taken};
use lienthong_pipeline::record::{AdapterKind, Event, Lane, State};
use lienthong_schemas::ids::PacketDigest;

use super::world::{B, Setup, World, Wrap, letter};

/// More than the relay publishes in one turn.
const DOCUMENTS: usize = 100;
/// Events that may go in a row while deliveries wait: fewer than the documents make at admission.
const EVENTS_IN_A_ROW_MAX: usize = 64;

/// A broker that gives up when events keep deliveries waiting.
struct Impatient {
    broker: MemoryBroker,
    published: AtomicUsize,
    events_in_a_row: AtomicUsize,
}

#[async_trait]
impl Broker for Impatient {
    async fn ready(&self) -> Result<(), Fault> {
        self.broker.ready().await
    }
    async fn publish(&self, message: &DeliveryMessage) -> Result<(), Fault> {
        self.broker.publish(message).await?;
        self.published.fetch_add(1, Ordering::SeqCst);
        self.events_in_a_row.store(0, Ordering::SeqCst);
        Ok(())
    }
    async fn put_blob(&self, digest: PacketDigest, bytes: u64, file: PathBuf) -> Result<(), Fault> {
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
        let in_a_row = self.events_in_a_row.fetch_add(1, Ordering::SeqCst);
        if self.published.load(Ordering::SeqCst) < DOCUMENTS && in_a_row >= EVENTS_IN_A_ROW_MAX {
            self.broker.close();
        }
        self.broker.publish_event(event).await
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
async fn events_do_not_hold_up_deliveries() {
    let wrap: Wrap = Box::new(|broker| {
        let (published, events_in_a_row) = (AtomicUsize::new(0), AtomicUsize::new(0));
        Arc::new(Impatient { broker, published, events_in_a_row })
    });
    let mut world = World::open(Setup { wrap, ..Setup::default() });
    world.broker.stop();
    let mut receipts = Vec::new();
    for number in 1..=DOCUMENTS as u32 {
        receipts.push(world.send(letter(number, &[B])).await);
    }
    world.broker.start();
    world.advance(Duration::from_secs(5)).await;
    for receipt in &receipts {
        assert_eq!(world.states(receipt).await, [State::Received]);
    }
    assert!(world.ports.store.unsent_events(1).await.expect("events").is_empty());
}
