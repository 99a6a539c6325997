//! From the broker into this gateway's outbox: a message is acknowledged only after its delivery, and its packet, are
//! on this gateway's disk (design.md B7). Queues go in parallel; messages of one queue in the order of the stream.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::future::{BoxFuture, OptionFuture, join_all};
use futures_util::stream::FuturesUnordered;
use jiff::Timestamp;
use lienthong_monitoring::Metrics;
use lienthong_schemas::ids::PacketDigest;
use lienthong_schemas::organ::ReceiverToken;
use tokio::sync::Semaphore;

use crate::clock::after;
use crate::crash::crash_point;
use crate::fullness::Fullness;
use crate::partitions::Partitions;
use crate::ports::{DeliveryMessage, Fault, HandOff, Ports, Taken};
use crate::queue::ON_ITS_WAY;
use crate::record::{AdapterKind, Delivery, Fence, Lane, Recall};
use crate::tasks::Tasks;
use crate::turns::Turns;
use crate::wakes::Wakes;

mod packets;

const AGAIN_AFTER: Duration = Duration::from_secs(2);
const RETRY_AFTER: Duration = Duration::from_secs(1);
/// A packet for which there is no room comes again after this.
const ROOM_AGAIN_AFTER: Duration = Duration::from_secs(30);
/// And one whose packet is nowhere.
const PACKET_AGAIN_AFTER: Duration = Duration::from_secs(30);
/// Messages in hand at once: as many as the broker gives out without an answer.
const IN_HAND_MAX: usize = 256;
/// A message for a queue that another gateway serves comes again after this, and then mostly there.
const PASS_ON_AFTER: Duration = Duration::from_millis(200);
/// A message for an older lease of a queue that is served here comes again after this, unless its gateway publishes it for
/// this one before.
const OLD_LEASE_AGAIN_AFTER: Duration = Duration::from_secs(2);
/// A message whose predecessor another gateway was given, and gives back, comes again after this.
const EARLY_AGAIN_AFTER: Duration = Duration::from_millis(100);
/// When it is so old nobody seems to do that: the gateway that accepted it is away.
const OLD_LEASE_MAX_AGE: Duration = Duration::from_secs(60);
/// Bytes of the packets that ride along with them.
const IN_HAND_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Messages of one queue that are handed off in one barrier, at most.
const TOGETHER_MAX: usize = 16;
/// Packets fetched from the Object Store at once.
const FETCHES_AT_ONCE: usize = 2;
/// How often, in the time that a message may be held, the broker hears that it is being worked on.
const WORDS_IN_TIME: u32 = 4;

/// Takes the messages of one adapter and lane.
pub struct Takeover {
    ports: Ports,
    metrics: Arc<Metrics>,
    adapter: AdapterKind,
    lane: Lane,
    wakes: Wakes,
    fullness: Fullness,
    partitions: Arc<Partitions>,
    /// One at a time fetches a packet; the others find it here.
    fetching: Turns<PacketDigest>,
    fetches: Semaphore,
}

/// A message that was read, and the way back to the broker.
struct InHand {
    taken: Box<dyn Taken>,
    message: DeliveryMessage,
}

impl InHand {
    fn bytes(&self) -> usize {
        self.message.inline.as_ref().map_or(0, Bytes::len)
    }
}

/// A delivery, and what it asks of those before it.
type Asking = (Delivery, Option<Recall>);

/// What became of a message.
enum Outcome {
    /// It is here; now it may be forgotten there.
    Ours,
    /// It cannot be read; the accepting gateway keeps its record, and the stream keeps the message until its age limit.
    Unreadable(Fault),
    /// There is no room for its packet.
    NoRoom,
    /// Something that goes before it is not here yet.
    Early,
    /// Its packet is nowhere, and it is not over: whoever accepted it puts it there again.
    NoPacket,
}

/// Messages of one queue at the end of their hand-off, in their order.
struct Done {
    queue: ReceiverToken,
    bytes: usize,
    over: Vec<(Box<dyn Taken>, Result<Outcome, Fault>)>,
}

/// Messages in hand, by queue.
#[derive(Default)]
struct Hands<'a> {
    working: FuturesUnordered<BoxFuture<'a, Done>>,
    /// Those of each queue that wait for the one that is worked on.
    behind: HashMap<ReceiverToken, VecDeque<InHand>>,
    /// What the broker is being told.
    answering: FuturesUnordered<BoxFuture<'a, Result<(), Fault>>>,
    waiting: usize,
    /// Of packets that ride along with those worked on and those that wait.
    bytes: usize,
    /// When those that wait are spoken of next.
    word_due: Option<Timestamp>,
}

impl Hands<'_> {
    fn has_place(&self) -> bool {
        let count = self.working.len() + self.waiting + self.answering.len();
        count < IN_HAND_MAX && self.bytes < IN_HAND_BYTES_MAX
    }
}

impl Takeover {
    /// The takeover of one adapter and lane.
    pub fn new(ports: Ports, metrics: Arc<Metrics>, adapter: AdapterKind, lane: Lane, wakes: Wakes) -> Self {
        Self {
            ports,
            metrics,
            adapter,
            lane,
            wakes,
            fullness: Fullness::default(),
            partitions: Arc::new(Partitions::alone()),
            fetching: Turns::default(),
            fetches: Semaphore::new(FETCHES_AT_ONCE),
        }
    }

    /// The same, of one of several gateways.
    pub fn among(self, partitions: Arc<Partitions>) -> Self {
        Self { partitions, ..self }
    }

    /// Runs until shutdown.
    pub async fn run(self, tasks: Tasks) -> Result<(), Fault> {
        while !tasks.is_stopping() {
            tokio::select! {
                outcome = self.take_all() => outcome?,
                () = tasks.stopped() => break,
            }
        }
        Ok(())
    }

    async fn take_all(&self) -> Result<(), Fault> {
        let mut messages = match self.ports.broker.deliveries(self.adapter, self.lane).await {
            Ok(messages) => messages,
            Err(fault) => {
                tracing::warn!(%fault, adapter = self.adapter.as_str(), "no messages yet");
                self.rest().await;
                return Ok(());
            }
        };
        let mut hands = Hands::default();
        loop {
            let word: OptionFuture<_> = hands.word_due.map(|due| self.ports.clock.sleep_until(due)).into();
            tokio::select! {
                biased;
                Some(done) = hands.working.next() => self.done(&mut hands, done)?,
                Some(answered) = hands.answering.next() => ignore_broker(answered),
                Some(()) = word => self.speak_of_waiting(&mut hands).await,
                taken = messages.next(), if hands.has_place() => match taken {
                    Some(taken) => self.take(&mut hands, taken),
                    None => break,
                },
            }
        }
        // The stream ends on shutdown only; one that ends by itself must not be asked for without a pause.
        self.rest().await;
        Ok(())
    }

    async fn rest(&self) {
        let due = after(self.ports.clock.now(), RETRY_AFTER);
        self.ports.clock.sleep_until(due).await;
    }

    fn take<'a>(&'a self, hands: &mut Hands<'a>, taken: Box<dyn Taken>) {
        let mut message = match taken.message() {
            Ok(message) => message,
            Err(fault) => {
                tracing::error!(%fault, "a message that cannot be read was put aside");
                return hands.answering.push(taken.ack());
            }
        };
        let queue = message.delivery.route.queue();
        match self.partitions.fence(&queue) {
            None => return hands.answering.push(taken.again(PASS_ON_AFTER)),
            Some(held) if self.is_for_older(&*taken, &message, held) => {
                return hands.answering.push(Box::pin(self.leave_to_newer(taken, message)));
            }
            // What goes before it is lost, or it would have come by now.
            Some(_) if self.is_over(&*taken, ON_ITS_WAY) => message.after.clear(),
            Some(_) => {}
        }
        let in_hand = InHand { taken, message };
        hands.bytes += in_hand.bytes();
        match hands.behind.get_mut(&queue) {
            Some(behind) => {
                let due = after(self.ports.clock.now(), in_hand.taken.patience() / WORDS_IN_TIME);
                hands.word_due.get_or_insert(due);
                behind.push_back(in_hand);
                hands.waiting += 1;
            }
            None => {
                hands.behind.insert(queue.clone(), VecDeque::new());
                hands.working.push(Box::pin(self.work(queue, vec![in_hand])));
            }
        }
    }

    /// It was published for a lease that is over, a moment ago.
    fn is_for_older(&self, taken: &dyn Taken, message: &DeliveryMessage, held: Fence) -> bool {
        message.fence.is_some_and(|fence| fence < held) && !self.is_over(taken, OLD_LEASE_MAX_AGE)
    }

    fn is_over(&self, taken: &dyn Taken, age: Duration) -> bool {
        after(taken.stored_at(), age) <= self.ports.clock.now()
    }

    /// What goes before it at its receiver is here, or comes with it.
    async fn is_its_turn(&self, message: &DeliveryMessage, here: &[Asking]) -> Result<bool, Fault> {
        let before = message.after.iter().filter(|id| here.iter().all(|(delivery, _)| delivery.id != **id));
        let known = self.ports.store.deliveries(before.copied().collect()).await?;
        Ok(known.iter().all(Option::is_some))
    }

    /// Its gateway publishes it anew for this lease: when that has come, this one is over.
    async fn leave_to_newer(&self, taken: Box<dyn Taken>, message: DeliveryMessage) -> Result<(), Fault> {
        let known = self.ports.store.delivery(message.delivery.id).await?;
        let is_over = |known: &Delivery| {
            known.state.is_final() || known.handed_off || known.generation > message.delivery.generation
        };
        if known.as_ref().is_some_and(is_over) {
            taken.ack().await
        } else {
            taken.again(OLD_LEASE_AGAIN_AFTER).await
        }
    }

    async fn work(&self, queue: ReceiverToken, in_hand: Vec<InHand>) -> Done {
        let bytes = in_hand.iter().map(InHand::bytes).sum();
        let (taken, messages): (Vec<_>, Vec<_>) =
            in_hand.into_iter().map(|InHand { taken, message }| (taken, message)).unzip();
        let patience = taken.iter().map(|taken| taken.patience()).min().unwrap_or(RETRY_AFTER);
        let outcomes = {
            let mut handing_off = std::pin::pin!(self.hand_off(messages));
            loop {
                let word = after(self.ports.clock.now(), patience / WORDS_IN_TIME);
                tokio::select! {
                    biased;
                    outcomes = &mut handing_off => break outcomes,
                    () = self.ports.clock.sleep_until(word) => {
                        for taken in &taken {
                            ignore_broker(taken.working().await);
                        }
                    }
                }
            }
        };
        Done { queue, bytes, over: taken.into_iter().zip(outcomes).collect() }
    }

    /// Those that wait behind one that takes long are not to come again either.
    async fn speak_of_waiting(&self, hands: &mut Hands<'_>) {
        hands.word_due = None;
        for waiting in hands.behind.values().flatten() {
            ignore_broker(waiting.taken.working().await);
            let due = after(self.ports.clock.now(), waiting.taken.patience() / WORDS_IN_TIME);
            hands.word_due.get_or_insert(due);
        }
    }

    /// The broker is told what became of messages, and nobody waits for its answer: only a message that it does not know
    /// of comes again, and that does no harm.
    fn done<'a>(&'a self, hands: &mut Hands<'a>, done: Done) -> Result<(), Fault> {
        let Done { queue, bytes, over } = done;
        hands.bytes -= bytes;
        let mut behind = hands.behind.remove(&queue).unwrap_or_default();
        hands.waiting -= behind.len();
        let mut failed = false;
        for (taken, outcome) in over {
            match self.again(outcome)? {
                None => hands.answering.push(taken.ack()),
                Some(delay) => {
                    failed |= delay == AGAIN_AFTER;
                    hands.answering.push(taken.again(delay));
                }
            }
        }
        // What comes again keeps its place before those behind it; for lack of room it does not hold up what needs none.
        if failed {
            for behind in behind {
                hands.bytes -= behind.bytes();
                hands.answering.push(behind.taken.again(AGAIN_AFTER));
            }
            return Ok(());
        }
        if !behind.is_empty() {
            let next = behind.drain(..behind.len().min(TOGETHER_MAX)).collect();
            hands.waiting += behind.len();
            hands.behind.insert(queue.clone(), behind);
            hands.working.push(Box::pin(self.work(queue, next)));
        }
        Ok(())
    }

    /// After how long a message is to come again; `None`: never.
    fn again(&self, outcome: Result<Outcome, Fault>) -> Result<Option<Duration>, Fault> {
        match outcome {
            Ok(Outcome::Ours) => Ok(None),
            Ok(Outcome::Unreadable(fault)) => {
                tracing::error!(%fault, "a message that cannot be read was put aside");
                Ok(None)
            }
            Ok(Outcome::NoRoom) => Ok(Some(ROOM_AGAIN_AFTER)),
            Ok(Outcome::Early) => Ok(Some(EARLY_AGAIN_AFTER)),
            Ok(Outcome::NoPacket) => Ok(Some(PACKET_AGAIN_AFTER)),
            Err(fault) if fault.fatal => Err(fault),
            Err(fault) => {
                tracing::warn!(%fault, "not taken over yet");
                Ok(Some(AGAIN_AFTER))
            }
        }
    }

    /// Messages of one queue, in their order: those whose packets are here in one barrier, and none behind a barrier that
    /// failed.
    async fn hand_off(&self, messages: Vec<DeliveryMessage>) -> Vec<Result<Outcome, Fault>> {
        let count = messages.len();
        let (mut here, mut outcomes) = (Vec::new(), Vec::new());
        for message in messages {
            match self.is_its_turn(&message, &here).await {
                Ok(true) => {}
                other => {
                    self.hand_off_all(&mut here, &mut outcomes).await;
                    outcomes.push(other.map(|_| Outcome::Early));
                    if outcomes.iter().any(Result::is_err) {
                        break;
                    }
                    continue;
                }
            }
            let found = self.ports.spool.blob(message.delivery.digest).await;
            if let Ok(Some(_)) = found {
                here.push((message.delivery, message.recall));
                continue;
            }
            // It may take long to bring it.
            self.hand_off_all(&mut here, &mut outcomes).await;
            if outcomes.iter().any(Result::is_err) {
                break;
            }
            let brought = match found {
                Ok(_) => self.bring(&message).await,
                Err(fault) => Err(fault),
            };
            match brought {
                Ok(None) => here.push((message.delivery, message.recall)),
                Ok(Some(outcome)) => outcomes.push(Ok(outcome)),
                Err(fault) => outcomes.push(Err(fault)),
            }
            if outcomes.iter().any(Result::is_err) {
                break;
            }
        }
        self.hand_off_all(&mut here, &mut outcomes).await;
        let behind = || Err(Fault::new("takeover", "one before it was not taken over"));
        outcomes.resize_with(count, behind);
        outcomes
    }

    async fn hand_off_all(&self, here: &mut Vec<Asking>, outcomes: &mut Vec<Result<Outcome, Fault>>) {
        outcomes.extend(join_all(here.drain(..).map(|asking| self.hand_off_one(asking))).await);
    }

    async fn hand_off_one(&self, (delivery, recall): Asking) -> Result<Outcome, Fault> {
        let (id, queue, lane) = (delivery.id, delivery.route.queue(), delivery.lane);
        let asks = recall.is_some();
        let outcome = match recall {
            None => self.ports.store.hand_off(delivery).await?,
            Some(recall) => self.ports.store.hand_off_asking(delivery, recall).await?,
        };
        if asks {
            self.wakes.report.notify_one();
        }
        crash_point("after-hand-off");
        tracing::debug!(delivery_id = %id, ?outcome, "taken over");
        // Known: nobody may have been woken when it was taken, because the answer of the store did not come.
        if outcome != HandOff::Settled {
            if self.partitions.fence(&queue).is_none() {
                // It took long, and is another gateway's by now.
                self.partitions.doubt(&queue);
            }
            self.wakes.arrived(self.adapter, queue, lane);
        }
        if outcome != HandOff::Known {
            self.wakes.events.notify_one();
        }
        Ok(Outcome::Ours)
    }
}

/// An acknowledgement that did not arrive means that the message comes again, which does no harm.
fn ignore_broker(outcome: Result<(), Fault>) {
    if let Err(fault) = outcome {
        tracing::warn!(%fault, "not acknowledged; the message will come again");
    }
}
