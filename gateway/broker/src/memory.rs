//! [`MemoryBroker`]: the broker port without a server, for tests of what stands on it. It speaks the same message
//! format, and passes the same contract.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::{self, BoxStream};
use jiff::Timestamp;
use lienthong_pipeline::ports::{
    Broker, DeliveryMessage, EventsAfter, EventsSpan, Fault, Incoming, IncomingWriter, Publication,
    StoredEvents, Taken,
};
use lienthong_pipeline::record::{
    AdapterKind, Admission, Event, EventsPlace, Lane, NameClaim, NameClaims, NodeLife, NodeName, OwnNode,
    Posted,
};
use lienthong_schemas::ids::{DocumentId, PacketDigest};
use tokio::io::AsyncWriteExt;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::blobs::{self, Checked};
use crate::message::{self, Outgoing};
use crate::streams::ACK_WAIT;
use crate::{BLOB_BYTES_MAX, PLACE, admissions};

mod names;

/// A server hands out in turns: what one gateway gave back another one gets, if it asks so soon after.
const OTHERS_FIRST: Duration = Duration::from_millis(50);

/// A broker in memory, its blobs in a folder. It can be stopped and started like a server.
#[derive(Clone)]
pub struct MemoryBroker {
    shared: Arc<Shared>,
    /// The gateway that uses it, where it is one of several.
    node: Option<OwnNode>,
}

struct Shared {
    folder: PathBuf,
    board: Mutex<Board>,
    changed: Notify,
}

struct Board {
    running: bool,
    closed: bool,
    /// Nats-Msg-Ids and event ids seen.
    seen: HashSet<String>,
    waiting: Vec<Entry>,
    /// Every message of `DELIVERIES`, acknowledged or not.
    stored: Vec<Outgoing>,
    /// Which stream of events it is, the number of its last one, and those that are there.
    stream: u32,
    last_event: u64,
    events: Vec<(u64, Stored)>,
    /// Beside them; readers of events pass over these.
    admissions: HashMap<DocumentId, Outgoing>,
    count: u64,
}

/// One message of `EVENTS`.
enum Stored {
    Event(Event),
    /// Its subject, and what it says of a name.
    Name(String, Bytes),
}

impl Stored {
    fn event(&self) -> Option<&Event> {
        match self {
            Self::Event(event) => Some(event),
            Self::Name(..) => None,
        }
    }
}

struct Entry {
    number: u64,
    prefix: String,
    outgoing: Outgoing,
    visible: Instant,
    /// Who gave it back last: the others get it first.
    given_back_by: Option<NodeName>,
    /// There is no clock here: that of the delivery.
    stored_at: Timestamp,
}

impl Entry {
    /// When this gateway may get it.
    fn visible_to(&self, own: Option<&NodeName>) -> Instant {
        let gave_it_back = own.is_some() && self.given_back_by.as_ref() == own;
        if gave_it_back { self.visible + OTHERS_FIRST } else { self.visible }
    }
}

fn fault(cause: impl std::fmt::Display) -> Fault {
    Fault::new(PLACE, cause)
}

fn prefix(adapter: AdapterKind, lane: Lane) -> String {
    format!("lt.dlv.{}.{}.", adapter.as_str(), lane.token())
}

impl MemoryBroker {
    /// A running broker without messages. `folder` must exist, and be this broker's alone.
    pub fn new(folder: PathBuf) -> Self {
        let board = Board {
            running: true,
            closed: false,
            seen: HashSet::new(),
            waiting: Vec::new(),
            stored: Vec::new(),
            stream: 1,
            last_event: 0,
            events: Vec::new(),
            admissions: HashMap::new(),
            count: 0,
        };
        let shared = Arc::new(Shared { folder, board: Mutex::new(board), changed: Notify::new() });
        Self { shared, node: None }
    }

    /// The same broker, as another gateway of several uses it.
    pub fn of_node(&self, node: OwnNode) -> Self {
        Self { shared: self.shared.clone(), node: Some(node) }
    }

    fn life(&self) -> Option<NodeLife> {
        self.node.as_ref().map(OwnNode::life)
    }

    /// An outage begins: calls fail, streams of messages wait.
    pub fn stop(&self) {
        self.shared.board().running = false;
        self.shared.changed.notify_waiters();
    }

    /// The outage ends; nothing was lost.
    pub fn start(&self) {
        self.shared.board().running = true;
        self.shared.changed.notify_waiters();
    }

    /// The messages that wait are gone, as if somebody had acknowledged them; what was seen stays seen.
    pub fn forget_deliveries(&self) {
        self.shared.board().waiting.clear();
    }

    /// Ends all streams of messages.
    pub fn close(&self) {
        self.shared.board().closed = true;
        self.shared.changed.notify_waiters();
    }

    /// All events, in the order in which they came.
    pub fn events(&self) -> Vec<Event> {
        self.shared.board().events.iter().filter_map(|(_, stored)| stored.event().cloned()).collect()
    }

    /// The stream of events is gone, and another one there; what was in it is not known any more.
    pub fn lose_events(&self) {
        let mut board = self.shared.board();
        let events = std::mem::take(&mut board.events);
        let ids: Vec<&String> = events.iter().filter_map(|(_, stored)| Some(&stored.event()?.id)).collect();
        board.seen.retain(|id| !ids.contains(&id));
        board.admissions.clear();
        (board.stream, board.last_event) = (board.stream + 1, 0);
        drop(board);
        self.shared.changed.notify_waiters();
    }

    /// The stream keeps none of the events that it has.
    pub fn purge_events(&self) {
        let mut board = self.shared.board();
        board.events.clear();
        board.admissions.clear();
    }

    /// Messages that are not acknowledged.
    pub fn waiting(&self) -> usize {
        self.shared.board().waiting.len()
    }
}

impl Shared {
    fn board(&self) -> MutexGuard<'_, Board> {
        self.board.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn running(&self) -> Result<MutexGuard<'_, Board>, Fault> {
        let board = self.board();
        if board.running && !board.closed { Ok(board) } else { Err(fault("not connected")) }
    }

    /// The next event behind a number of this stream; a fault when that cannot be known any more, `None` when closed.
    async fn next_event(
        &self,
        stream: u32,
        after: u64,
        own: Option<&NodeName>,
    ) -> Option<Result<StoredEvents, Fault>> {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            {
                let board = self.board();
                if board.closed {
                    return None;
                }
                if !board.running || board.stream != stream {
                    return Some(Err(fault("not connected")));
                }
                let behind = board.events.partition_point(|(number, _)| *number <= after);
                if let Some((number, stored)) = board.events.get(behind) {
                    let event = stored.event();
                    let posted = event.and_then(Posted::of_event).into_iter().collect();
                    let by_another = |event: &&Event| {
                        let node = event.node.as_ref().map(|life| &life.node);
                        node.is_some() && own.is_some() && node != own
                    };
                    let followed = event.filter(by_another).cloned().into_iter().collect();
                    return Some(Ok(StoredEvents { sequence: *number, posted, followed }));
                }
            }
            changed.await;
        }
    }

    fn blob(&self, digest: PacketDigest) -> PathBuf {
        self.folder.join(digest.to_string())
    }

    /// The next message of a lane, `None` when closed.
    async fn next(self: &Arc<Self>, prefix: &str, own: Option<&NodeName>) -> Option<Box<dyn Taken>> {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            // From here on no change is missed.
            changed.as_mut().enable();
            let due = match self.take(prefix, own) {
                Take::Closed => return None,
                Take::Message(taken) => return Some(Box::new(taken)),
                Take::NotBefore(due) => due,
            };
            match due {
                Some(due) => tokio::select! {
                    () = changed => {}
                    () = tokio::time::sleep_until(due) => {}
                },
                None => changed.await,
            }
        }
    }

    fn take(self: &Arc<Self>, prefix: &str, own: Option<&NodeName>) -> Take {
        let mut board = self.board();
        if board.closed {
            return Take::Closed;
        }
        if !board.running {
            return Take::NotBefore(None);
        }
        let now = Instant::now();
        let mut lane = board.waiting.iter_mut().filter(|entry| entry.prefix == prefix);
        if let Some(entry) = lane.find(|entry| entry.visible_to(own) <= now) {
            entry.visible = now + ACK_WAIT;
            let (number, outgoing, stored_at) = (entry.number, entry.outgoing.clone(), entry.stored_at);
            let (shared, own) = (self.clone(), own.cloned());
            return Take::Message(MemoryTaken { shared, number, outgoing, stored_at, own });
        }
        let lane = board.waiting.iter().filter(|entry| entry.prefix == prefix);
        Take::NotBefore(lane.map(|entry| entry.visible_to(own)).min())
    }
}

enum Take {
    Closed,
    Message(MemoryTaken),
    NotBefore(Option<Instant>),
}

struct MemoryTaken {
    shared: Arc<Shared>,
    number: u64,
    outgoing: Outgoing,
    stored_at: Timestamp,
    own: Option<NodeName>,
}

#[async_trait]
impl Taken for MemoryTaken {
    fn message(&self) -> Result<DeliveryMessage, Fault> {
        message::decode(&self.outgoing.subject, &self.outgoing.headers, &self.outgoing.body)
    }

    fn patience(&self) -> Duration {
        ACK_WAIT
    }

    fn stored_at(&self) -> Timestamp {
        self.stored_at
    }

    async fn working(&self) -> Result<(), Fault> {
        let mut board = self.shared.running()?;
        for entry in board.waiting.iter_mut().filter(|entry| entry.number == self.number) {
            entry.visible = Instant::now() + ACK_WAIT;
        }
        Ok(())
    }

    async fn ack(self: Box<Self>) -> Result<(), Fault> {
        self.shared.running()?.waiting.retain(|entry| entry.number != self.number);
        Ok(())
    }

    async fn again(self: Box<Self>, delay: Duration) -> Result<(), Fault> {
        let mut board = self.shared.running()?;
        for entry in board.waiting.iter_mut().filter(|entry| entry.number == self.number) {
            entry.visible = Instant::now() + delay;
            entry.given_back_by.clone_from(&self.own);
        }
        drop(board);
        self.shared.changed.notify_waiters();
        Ok(())
    }
}

#[async_trait]
impl Broker for MemoryBroker {
    async fn ready(&self) -> Result<(), Fault> {
        self.shared.running().map(|_| ())
    }

    async fn publish(&self, message: &DeliveryMessage) -> Result<Publication, Fault> {
        let outgoing = message::encode(message)?;
        let mut board = self.shared.running()?;
        let is_new = board.seen.insert(message::message_id(&message.delivery));
        if is_new {
            board.count += 1;
            let (number, visible, stored_at) = (board.count, Instant::now(), message.delivery.accepted_at);
            let prefix = prefix(message.delivery.route.adapter, message.delivery.lane);
            board.stored.push(outgoing.clone());
            let given_back_by = None;
            board.waiting.push(Entry { number, prefix, outgoing, visible, given_back_by, stored_at });
        }
        drop(board);
        self.shared.changed.notify_waiters();
        Ok(if is_new { Publication::New } else { Publication::Repeat })
    }

    async fn put_blob(&self, digest: PacketDigest, bytes: u64, file: PathBuf) -> Result<(), Fault> {
        drop(self.shared.running()?);
        let blob = self.shared.blob(digest);
        if tokio::fs::metadata(&blob).await.is_ok_and(|there| there.len() == bytes) {
            return Ok(());
        }
        let number = {
            let mut board = self.shared.board();
            board.count += 1;
            board.count
        };
        let half = blob.with_extension(format!("part{number}"));
        let mut from = Checked::new(tokio::fs::File::open(file).await.map_err(fault)?, digest, bytes);
        let mut to = tokio::fs::File::create(&half).await.map_err(fault)?;
        tokio::io::copy(&mut from, &mut to).await.map_err(fault)?;
        to.flush().await.map_err(fault)?;
        tokio::fs::rename(half, blob).await.map_err(fault)
    }

    async fn has_blob(&self, digest: PacketDigest) -> Result<bool, Fault> {
        drop(self.shared.running()?);
        tokio::fs::try_exists(self.shared.blob(digest)).await.map_err(fault)
    }

    async fn remove_blob(&self, digest: PacketDigest) -> Result<(), Fault> {
        drop(self.shared.running()?);
        match tokio::fs::remove_file(self.shared.blob(digest)).await {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(fault(error)),
            _ => Ok(()),
        }
    }

    async fn fetch_blob(
        &self,
        digest: PacketDigest,
        sink: Box<dyn IncomingWriter>,
    ) -> Result<Box<dyn Incoming>, Fault> {
        drop(self.shared.running()?);
        let not_there = |error| fault(format!("{digest}: {error}"));
        let file = tokio::fs::File::open(self.shared.blob(digest)).await.map_err(not_there)?;
        let bytes = file.metadata().await.map_err(fault)?.len();
        if bytes > BLOB_BYTES_MAX {
            return Err(fault(format!("{digest}: {bytes} bytes, the limit is {BLOB_BYTES_MAX}")));
        }
        blobs::pour(Checked::new(file, digest, bytes), sink).await
    }

    async fn publish_event(&self, event: &Event) -> Result<(), Fault> {
        message::encode_events(std::slice::from_ref(event), self.life())?;
        let by = self.life().map(|life| format!("@{}.{:x}", life.node, life.store)).unwrap_or_default();
        let mut board = self.shared.running()?;
        if board.seen.insert(format!("{}{by}", event.id)) {
            board.last_event += 1;
            let number = board.last_event;
            board.events.push((number, Stored::Event(Event { node: self.life(), ..event.clone() })));
        }
        drop(board);
        self.shared.changed.notify_waiters();
        Ok(())
    }

    async fn name_claims(&self, name: [u8; 16]) -> Result<NameClaims, Fault> {
        self.read_name(name)
    }

    async fn claim_name(&self, name: [u8; 16], claims: &[NameClaim], after: u64) -> Result<bool, Fault> {
        self.write_name(name, claims, after)
    }

    async fn publish_admission(&self, admission: &Admission) -> Result<(), Fault> {
        let outgoing = match message::encode_admission(admission) {
            Ok(outgoing) => outgoing,
            Err(fault) => {
                admissions::left_out(admission, &fault);
                return Ok(());
            }
        };
        self.shared.running()?.admissions.entry(admission.receipt.document_id).or_insert(outgoing);
        Ok(())
    }

    async fn admission(&self, document: DocumentId) -> Result<Option<Admission>, Fault> {
        let found = self.shared.running()?.admissions.get(&document).cloned();
        Ok(found.and_then(|found| admissions::unpacked(document, &found.headers, &found.body)))
    }

    async fn events_of(
        &self,
        document: DocumentId,
    ) -> Result<BoxStream<'static, Result<Vec<Event>, Fault>>, Fault> {
        let board = self.shared.running()?;
        let events = board.events.iter().filter_map(|(_, stored)| stored.event());
        let of_document: Vec<_> = events.filter(|event| event.document == document).cloned().collect();
        Ok(stream::iter(of_document.into_iter().map(|event| Ok(vec![event]))).boxed())
    }

    async fn events_span(&self) -> Result<EventsSpan, Fault> {
        let board = self.shared.running()?;
        let first = board.events.first().map_or(board.last_event + 1, |(number, _)| *number);
        let last = EventsPlace { stream: board.stream.to_string(), sequence: board.last_event };
        Ok(EventsSpan { first, last })
    }

    async fn events_after(&self, after: u64) -> Result<EventsAfter, Fault> {
        let board = self.shared.running()?;
        let (stream, is_end) = (board.stream, board.events.last().is_none_or(|(number, _)| *number <= after));
        drop(board);
        let own = self.node.as_ref().map(|node| node.name().clone());
        let reader = Some((self.shared.clone(), own, after));
        let messages = stream::unfold(reader, move |of| async move {
            let (shared, own, after) = of?;
            let next = shared.next_event(stream, after, own.as_ref()).await?;
            let after = next.as_ref().ok().map(|message| message.sequence);
            Some((next, after.map(|after| (shared, own, after))))
        });
        Ok(EventsAfter { is_end, messages: messages.boxed() })
    }

    async fn stored_deliveries(&self) -> Result<BoxStream<'static, Result<DeliveryMessage, Fault>>, Fault> {
        let stored = self.shared.running()?.stored.clone();
        let read = |sent: Outgoing| message::decode(&sent.subject, &sent.headers, &sent.body);
        Ok(stream::iter(stored.into_iter().map(read)).boxed())
    }

    async fn deliveries(
        &self,
        adapter: AdapterKind,
        lane: Lane,
    ) -> Result<BoxStream<'static, Box<dyn Taken>>, Fault> {
        let own = self.node.as_ref().map(|node| node.name().clone());
        let of = (self.shared.clone(), prefix(adapter, lane), own);
        Ok(stream::unfold(of, |(shared, prefix, own)| async move {
            let taken = shared.next(&prefix, own.as_ref()).await?;
            Some((taken, (shared, prefix, own)))
        })
        .boxed())
    }
}
