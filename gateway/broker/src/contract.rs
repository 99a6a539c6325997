//! What every broker does, as tests that both implementations pass: `run` on a stage that can cut the cable.
//! It asserts, and so is for tests only.

use std::io::{BufReader, Cursor, Read};
use std::path::Path;
use std::time::Duration;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use futures_util::stream::BoxStream;
use futures_util::{StreamExt, TryStreamExt};
use lienthong_pipeline::ports::{
    Broker, DeliveryMessage, Fault, Incoming, IncomingWriter, Publication, StoredEvents, Taken,
};
use lienthong_pipeline::record::{AdapterKind, Event, Lane, Posted, State};
use lienthong_schemas::ids::{DeliveryId, PacketDigest};

use crate::INLINE_BYTES_MAX;

mod names;
pub mod sample;

const ADAPTER: AdapterKind = AdapterKind::VendorHttp;
/// Longest wait for what must come.
const PATIENCE: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// A broker without messages, and the hand on its cable.
#[async_trait]
pub trait Stage: Send + Sync {
    /// The broker.
    fn broker(&self) -> &dyn Broker;
    /// Begins an outage, and returns when the broker's calls fail for it.
    async fn stop(&self);
    /// Ends the outage.
    async fn start(&self);
    /// The events of a document that are stored.
    async fn events(&self, of: &Event) -> Vec<Event>;
    /// A folder for files.
    fn folder(&self) -> &Path;
}

type Lanes = (BoxStream<'static, Box<dyn Taken>>, BoxStream<'static, Box<dyn Taken>>);

/// The whole contract.
pub async fn run(stage: &dyn Stage) {
    becomes_ready(stage.broker()).await;
    let broker = stage.broker();
    let urgent = broker.deliveries(ADAPTER, Lane::Urgent).await.expect("the urgent lane");
    let normal = broker.deliveries(ADAPTER, Lane::Normal).await.expect("the normal lane");
    let mut lanes = (urgent, normal);
    publishing_twice_makes_one_message(stage, &mut lanes).await;
    what_is_not_acknowledged_comes_again(stage, &mut lanes).await;
    the_next_generation_is_another_message(stage, &mut lanes).await;
    lanes_do_not_wait_for_each_other(stage, &mut lanes).await;
    a_packet_rides_along_up_to_the_limit(stage, &mut lanes).await;
    a_blob_comes_back_as_it_was(stage).await;
    a_blob_that_is_not_its_digest_is_refused(stage).await;
    a_blob_is_removed_and_may_come_again(stage).await;
    events_are_stored_once(stage).await;
    events_of_a_document_go_together(stage).await;
    what_events_say_of_mailboxes_is_read_in_order(stage).await;
    names::run(stage).await;
    an_admission_stays_beside_the_events_of_its_document(stage).await;
    an_outage_loses_nothing(stage, &mut lanes).await;
}

async fn publishing_twice_makes_one_message(stage: &dyn Stage, (_, normal): &mut Lanes) {
    let (first, second) = (sample::inline(1, Lane::Normal, b"one"), sample::inline(2, Lane::Normal, b"two"));
    for message in [&first, &first, &second] {
        stage.broker().publish(message).await.expect("published");
    }
    assert_eq!(take(normal).await, (first.delivery.id, first.inline));
    assert_eq!(take(normal).await, (second.delivery.id, second.inline), "the repeat made no message");
}

async fn what_is_not_acknowledged_comes_again(stage: &dyn Stage, (_, normal): &mut Lanes) {
    let message = sample::inline(3, Lane::Normal, b"three");
    stage.broker().publish(&message).await.expect("published");
    for _ in 0..2 {
        let taken = next(normal).await;
        assert_eq!(taken.message().expect("reads").delivery.id, message.delivery.id);
        taken.again(Duration::ZERO).await.expect("given back");
    }
    assert_eq!(take(normal).await.0, message.delivery.id);
}

async fn the_next_generation_is_another_message(stage: &dyn Stage, (_, normal): &mut Lanes) {
    let mut message = sample::inline(4, Lane::Normal, b"four");
    for generation in [1, 2] {
        message.delivery.generation = generation;
        stage.broker().publish(&message).await.expect("published");
        let taken = next(normal).await;
        let delivery = taken.message().expect("reads").delivery;
        assert_eq!((delivery.id, delivery.generation), (message.delivery.id, generation));
        assert_eq!(delivery.published, generation, "whoever reads it knows that it is published");
        taken.ack().await.expect("acknowledged");
    }
}

async fn lanes_do_not_wait_for_each_other(stage: &dyn Stage, (urgent, normal): &mut Lanes) {
    let slow = sample::inline(5, Lane::Normal, b"slow");
    let fast = sample::inline(6, Lane::Urgent, b"fast");
    stage.broker().publish(&slow).await.expect("published");
    let held = next(normal).await;
    stage.broker().publish(&fast).await.expect("published");
    assert_eq!(take(urgent).await.0, fast.delivery.id);
    held.ack().await.expect("acknowledged");
}

async fn a_packet_rides_along_up_to_the_limit(stage: &dyn Stage, (_, normal): &mut Lanes) {
    let packet = bytes_of(INLINE_BYTES_MAX);
    let at = sample::inline(7, Lane::Normal, &packet);
    stage.broker().publish(&at).await.expect("published");
    assert_eq!(take(normal).await, (at.delivery.id, at.inline));

    let over = sample::inline(8, Lane::Normal, &bytes_of(INLINE_BYTES_MAX + 1));
    assert!(stage.broker().publish(&over).await.is_err(), "one byte more must be a blob");
    let referred = DeliveryMessage { inline: None, ..over };
    stage.broker().publish(&referred).await.expect("published");
    assert_eq!(take(normal).await, (referred.delivery.id, None));
}

async fn a_blob_comes_back_as_it_was(stage: &dyn Stage) {
    for length in [0, 1, (1 << 20) + 7] {
        let packet = bytes_of(length);
        let (digest, file) = (PacketDigest::of(&packet), stage.folder().join(format!("blob-{length}")));
        std::fs::write(&file, &packet).expect("written");
        for _ in 0..2 {
            stage.broker().put_blob(digest, length as u64, file.clone()).await.expect("put");
        }
        let fetched =
            stage.broker().fetch_blob(digest, Box::new(MemorySink::default())).await.expect("fetched");
        let mut bytes = Vec::new();
        fetched.open().expect("opens").read_to_end(&mut bytes).expect("reads");
        assert!(bytes == packet, "{length} bytes come back");
        assert_eq!((fetched.digest(), fetched.bytes()), (digest, length as u64));
    }
}

async fn a_blob_that_is_not_its_digest_is_refused(stage: &dyn Stage) {
    let file = stage.folder().join("wrong");
    std::fs::write(&file, b"these bytes").expect("written");
    let digest = PacketDigest::of(b"other bytes");
    assert!(stage.broker().put_blob(digest, 11, file.clone()).await.is_err(), "another digest");
    assert!(
        stage.broker().put_blob(PacketDigest::of(b"these bytes"), 10, file).await.is_err(),
        "another length"
    );
    for digest in [digest, PacketDigest::of(b"these bytes")] {
        let fetched = stage.broker().fetch_blob(digest, Box::new(MemorySink::default())).await;
        assert!(fetched.is_err(), "a refused blob leaves nothing under its name");
    }
}

async fn a_blob_is_removed_and_may_come_again(stage: &dyn Stage) {
    let packet = bytes_of(300_000);
    let (digest, file) = (PacketDigest::of(&packet), stage.folder().join("removed"));
    std::fs::write(&file, &packet).expect("written");
    let fetch = || stage.broker().fetch_blob(digest, Box::new(MemorySink::default()));
    for _ in 0..2 {
        stage.broker().put_blob(digest, packet.len() as u64, file.clone()).await.expect("put");
        assert!(stage.broker().has_blob(digest).await.expect("looked"));
        assert_eq!(fetch().await.expect("fetched").bytes(), packet.len() as u64);
        for _ in 0..2 {
            stage.broker().remove_blob(digest).await.expect("removed, or not there");
            assert!(!stage.broker().has_blob(digest).await.expect("looked"));
        }
        assert!(fetch().await.is_err(), "it is gone");
    }
}

async fn events_are_stored_once(stage: &dyn Stage) {
    let (first, second) = (sample::event(1, 1), sample::event(1, 2));
    for event in [&first, &first, &second, &first] {
        stage.broker().publish_event(event).await.expect("published");
    }
    assert_eq!(stage.events(&first).await, [first, second]);
}

async fn events_of_a_document_go_together(stage: &dyn Stage) {
    let together: Vec<Event> = (1..=5).map(|count| sample::event(11, count)).collect();
    for _ in 0..2 {
        stage.broker().publish_events(&together).await.expect("published");
    }
    stage.broker().publish_event(&sample::event(11, 6)).await.expect("published");
    let stored = stage.events(&together[0]).await;
    assert_eq!(stored.len(), 6, "the repeat made no message");
    assert_eq!((&stored[..5], &stored[5]), (&together[..], &sample::event(11, 6)));
}

async fn what_events_say_of_mailboxes_is_read_in_order(stage: &dyn Stage) {
    let broker = stage.broker();
    let begun = broker.events_span().await.expect("a stream").last;
    assert!(begun.sequence > 0, "others have said something");
    let behind = broker.events_after(begun.sequence).await.expect("read");
    assert!(behind.is_end, "nothing is behind the last");
    let mut news = behind.messages;
    // Of three events the second is of a mailbox; a message may have several.
    let (silent, mut done) = (sample::event(20, 1), sample::offered(20, 3));
    done.entry.state = State::Received;
    let several = [sample::offered(20, 2), done.clone()];
    broker.publish_event(&silent).await.expect("published");
    broker.publish_events(&several).await.expect("published");
    let end = broker.events_span().await.expect("a stream").last;
    assert_eq!(end.stream, begun.stream);
    let posted: Vec<Posted> = several.iter().filter_map(Posted::of_event).collect();
    assert_eq!((posted.len(), posted[1].state), (2, State::Received));
    assert_eq!(read_to(&mut news, end.sequence).await, posted);
    let all = broker.events_after(0).await.expect("read");
    assert!(!all.is_end);
    let mut all = all.messages;
    assert_eq!(read_to(&mut all, end.sequence).await, posted, "from the beginning");
    let later = sample::offered(20, 4);
    broker.publish_event(&later).await.expect("published");
    for messages in [&mut news, &mut all] {
        let posted: Vec<Posted> = Posted::of_event(&later).into_iter().collect();
        assert_eq!(read_to(messages, end.sequence + 1).await, posted, "they go on");
    }
}

/// Whoever comes first, and whatever was said of the document before; readers of events pass over it.
async fn an_admission_stays_beside_the_events_of_its_document(stage: &dyn Stage) {
    let broker = stage.broker();
    let (first, said) = (sample::admission(30, 3), sample::event(30, 1));
    let document = first.receipt.document_id;
    assert_eq!(broker.admission(document).await.expect("asked"), None);
    broker.publish_event(&said).await.expect("published");
    let mut later = first.clone();
    later.receipt.durability = "broker".to_owned();
    for admission in [&first, &first, &later] {
        broker.publish_admission(admission).await.expect("there");
        assert_eq!(broker.admission(document).await.expect("asked").as_ref(), Some(&first));
    }
    // The largest that there is, and one that no message holds: that one is left out.
    let (most, over) = (sample::admission(31, 5_000), sample::admission(32, 40_000));
    for (admission, is_there) in [(most, true), (over, false)] {
        broker.publish_admission(&admission).await.expect("there, or left out");
        let found = broker.admission(admission.receipt.document_id).await.expect("asked");
        assert_eq!(found, is_there.then_some(admission));
    }
    let after = sample::event(30, 2);
    broker.publish_event(&after).await.expect("published");
    assert_eq!(stage.events(&said).await, [said.clone(), after.clone()]);
    let of = async |document| {
        let messages = broker.events_of(document).await.expect("asked");
        messages.try_concat().await.expect("read")
    };
    assert_eq!(of(document).await, [said, after], "of this document alone");
    assert_eq!(of(sample::event(31, 1).document).await, []);
    let end = broker.events_span().await.expect("a stream").last;
    let mut all = broker.events_after(0).await.expect("read").messages;
    read_to(&mut all, end.sequence).await;
}

/// What is said of mailboxes up to a number, which must come, each message behind the one before.
async fn read_to(messages: &mut BoxStream<'static, Result<StoredEvents, Fault>>, number: u64) -> Vec<Posted> {
    let (mut last, mut posted) = (0, Vec::new());
    while last < number {
        let next = tokio::time::timeout(PATIENCE, messages.next()).await.expect("a message comes");
        let message = next.expect("the stream does not end").expect("read");
        assert!(message.sequence > last, "in order");
        last = message.sequence;
        posted.extend(message.posted);
    }
    assert_eq!(last, number);
    posted
}

async fn an_outage_loses_nothing(stage: &dyn Stage, (_, normal): &mut Lanes) {
    let broker = stage.broker();
    let before = sample::inline(9, Lane::Normal, b"before");
    let after = sample::inline(10, Lane::Normal, b"after");
    assert_eq!(broker.publish(&before).await.expect("published"), Publication::New);
    let held = next(normal).await;
    stage.stop().await;

    let file = stage.folder().join("outage");
    std::fs::write(&file, b"outage").expect("written");
    let digest = PacketDigest::of(b"outage");
    assert!(broker.ready().await.is_err());
    assert!(broker.publish(&after).await.is_err());
    assert!(broker.publish_event(&sample::event(2, 1)).await.is_err());
    assert!(broker.events_span().await.is_err(), "nobody knows how far it goes");
    assert!(broker.events_after(0).await.is_err());
    let admission = sample::admission(33, 1);
    assert!(broker.publish_admission(&admission).await.is_err());
    assert!(
        broker.admission(admission.receipt.document_id).await.is_err(),
        "nobody knows whether there is one"
    );
    assert!(broker.put_blob(digest, 6, file.clone()).await.is_err());
    assert!(broker.fetch_blob(digest, Box::new(MemorySink::default())).await.is_err());
    assert!(broker.remove_blob(digest).await.is_err());
    assert!(held.ack().await.is_err(), "not acknowledged, so it may come again");

    stage.start().await;
    becomes_ready(stage.broker()).await;
    broker.publish(&after).await.expect("published after the outage");
    let again = broker.publish(&before).await.expect("repeated after the outage");
    assert_eq!(again, Publication::Repeat);
    broker.publish_event(&sample::event(2, 1)).await.expect("published after the outage");
    broker.put_blob(digest, 6, file).await.expect("put after the outage");
    // The same stream goes on. What was held may come again at once, or later.
    while take(normal).await.0 != after.delivery.id {}
    assert_eq!(stage.events(&sample::event(2, 1)).await.len(), 1);
}

/// Asks again until the broker is ready.
pub async fn becomes_ready(broker: &dyn Broker) {
    let asked = async {
        let mut looks = tokio::time::interval(LOOK_EVERY);
        loop {
            looks.tick().await;
            match broker.ready().await {
                Ok(()) => return,
                Err(fault) => tracing::debug!(%fault, "not ready yet"),
            }
        }
    };
    tokio::time::timeout(PATIENCE, asked).await.expect("the broker becomes ready");
}

/// The next message, which must come.
pub async fn next(lane: &mut BoxStream<'static, Box<dyn Taken>>) -> Box<dyn Taken> {
    let next = tokio::time::timeout(PATIENCE, lane.next()).await.expect("a message comes");
    next.expect("the stream does not end")
}

async fn take(lane: &mut BoxStream<'static, Box<dyn Taken>>) -> (DeliveryId, Option<Bytes>) {
    let taken = next(lane).await;
    let message = taken.message().expect("reads");
    taken.ack().await.expect("acknowledged");
    (message.delivery.id, message.inline)
}

/// Bytes without short repeats.
pub fn bytes_of(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at ^ (at >> 8) ^ (at >> 16)) as u8).collect()
}

/// A packet that comes in, in memory.
#[derive(Default)]
pub struct MemorySink(BytesMut);

#[async_trait]
impl IncomingWriter for MemorySink {
    async fn write(&mut self, chunk: Bytes) -> Result<(), Fault> {
        self.0.extend_from_slice(&chunk);
        Ok(())
    }

    async fn finish(self: Box<Self>) -> Result<Box<dyn Incoming>, Fault> {
        Ok(Box::new(MemoryPacket(self.0.freeze())))
    }
}

struct MemoryPacket(Bytes);

impl Incoming for MemoryPacket {
    fn digest(&self) -> PacketDigest {
        PacketDigest::of(&self.0)
    }

    fn bytes(&self) -> u64 {
        self.0.len() as u64
    }

    fn open(&self) -> Result<Box<dyn std::io::BufRead + Send>, Fault> {
        Ok(Box::new(BufReader::new(Cursor::new(self.0.clone()))))
    }
}
