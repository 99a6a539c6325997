//! The durable outbox in files: metadata only, one tree, one batch a change, one committer thread, and a sync of the
//! drive before anybody is told. `keys` shows what is where, `writer` how it changes, `engine` what keeps it.

mod committer;
mod copy;
mod draft;
mod engine;
mod fault;
mod generations;
mod inspect;
mod keys;
mod lines;
mod parts;
mod progress;
mod prune;
mod rotate;
mod survey;
#[cfg(test)]
mod tests;
mod upgrade;
mod view;
mod writer;

use std::collections::BTreeMap;
use std::io;
use std::ops::RangeInclusive;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::thread::JoinHandle;

use async_trait::async_trait;
use jiff::Timestamp;
use lienthong_pipeline::ports::{
    Admitted, Clock, Fault, HandOff, Kept, Left, Listing, Met, OnItsWay, OutboxStore, PendingReport, PerLane,
    StoreStats, Transition,
};
use lienthong_pipeline::record::{
    AdapterKind, Admission, Delivery, Event, HistoryEntry, IdempotencyKey, KnownDocument, Lane, Move, Recall,
    Standing, SystemId, Waiting,
};
use lienthong_schemas::ids::{CorrelationKey, DeliveryId, DocumentId, PacketDigest, StandingKey};
use lienthong_schemas::organ::ReceiverToken;
use tokio::sync::{mpsc, oneshot};

pub use draft::VALUE_BYTES_MAX;
#[cfg(test)]
pub(crate) use engine::SharedReader;
#[cfg(feature = "bare")]
pub(crate) use engine::{Alone, until_free};
pub(crate) use engine::{Backend, Batch, EngineFault, Entries, Tree, after as key_after};
pub use engine::{Engine, Keeper};
pub use fault::StoreFault;

pub(crate) use committer::said;
pub(crate) use copy::{Content, copy};
pub(crate) use fault::caught;
pub(crate) use generations::{engine_of, look_at, noted, numbers, take_away_folder};
pub(crate) use inspect::{Inspector, Lookup, Suspect};
pub(crate) use lines::{Line, lines};
pub(crate) use prune::{Looked, Old, Pruned};
pub(crate) use rotate::Generational;
pub(crate) use writer::Writer;

use self::writer::Readers;

use self::committer::{Change, QUEUE_MAX};
use self::progress::{Progress, closed};
use self::view::{IdempotencyRecord, ReadFault, View};
use crate::change::{PLACE, Record};

/// Most records that are read in the thread of whoever asks.
const FEW: usize = 64;

/// What a look found, and how many batches it may have seen.
struct Seen<T> {
    found: Result<T, Fault>,
    batches: u64,
}

/// The store in the program. Dropping it commits what is queued.
pub struct FileStore {
    changes: Mutex<Option<mpsc::Sender<Change>>>,
    readers: Readers,
    held: Weak<()>,
    progress: Arc<Progress>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl FileStore {
    /// Opens the store in a folder, or makes one there. Blocks; no other process may have it open.
    ///
    /// # Errors
    /// See [`StoreFault`]. A panic of the engine comes through; [`crate::open_or_rebuild`] catches it.
    pub fn open(folder: &Path, keeper: impl Into<Keeper>, clock: Arc<dyn Clock>) -> Result<Self, StoreFault> {
        let writer = Writer::open(folder, keeper.into(), clock)?;
        Self::start(writer).map_err(|source| StoreFault::Io { path: folder.to_owned(), source })
    }

    pub(crate) fn start(mut writer: Writer) -> io::Result<Self> {
        writer.take_documents();
        let (changes, queue) = mpsc::channel(QUEUE_MAX);
        let (readers, held, progress) = (writer.readers(), writer.held(), writer.progress());
        let thread = std::thread::Builder::new().name("outbox-committer".to_owned());
        let thread = thread.spawn(move || committer::run(writer, queue))?;
        let (changes, thread) = (Mutex::new(Some(changes)), Mutex::new(Some(thread)));
        Ok(Self { changes, readers, held, progress, thread })
    }

    /// Has the committer make a change; returns when it is on disk.
    async fn change<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Writer) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, Fault> {
        self.progress.check()?;
        let changes = locked(&self.changes).clone().ok_or_else(closed)?;
        let (tell, told) = oneshot::channel();
        let change: Change = Box::new(move |writer| {
            let done = work(writer);
            // A caller that has gone away does not need the answer; the change stands.
            Box::new(move |barrier| drop(tell.send(barrier.and(done))))
        });
        let sent = changes.send(change).await;
        drop(changes);
        match (sent, told.await) {
            (Ok(()), Ok(done)) => done,
            _ => Err(self.progress.ended().await),
        }
    }

    /// Reads on the blocking pool; returns when what was read is on disk.
    async fn read<T: Send + 'static>(
        &self,
        look: impl FnOnce(View<'_>) -> Result<T, ReadFault> + Send + 'static,
    ) -> Result<T, Fault> {
        let reading = self.reading(look)?;
        let seen = tokio::task::spawn_blocking(reading).await.map_err(|panic| Fault::new(PLACE, panic))?;
        self.on_disk(seen).await
    }

    /// The same in the caller's thread, for [`FEW`] records at most: to change threads twice costs more than they do.
    async fn read_few<T>(&self, look: impl FnOnce(View<'_>) -> Result<T, ReadFault>) -> Result<T, Fault> {
        let seen = self.see(look)?;
        self.on_disk(seen).await
    }

    /// Reads `limit` records at most, and returns at once: whoever asks acts on it by a change alone, which is on disk after
    /// all that was applied before it.
    async fn glance<T: Send + 'static>(
        &self,
        limit: usize,
        look: impl FnOnce(View<'_>) -> Result<T, ReadFault> + Send + 'static,
    ) -> Result<T, Fault> {
        if limit <= FEW {
            return self.see(look)?.found;
        }
        let reading = self.reading(look)?;
        tokio::task::spawn_blocking(reading).await.map_err(|panic| Fault::new(PLACE, panic))?.found
    }

    /// One look, in this thread. An engine that panics is a fault as any other.
    fn see<T>(&self, look: impl FnOnce(View<'_>) -> Result<T, ReadFault>) -> Result<Seen<T>, Fault> {
        let reading = self.reading(look)?;
        catch_unwind(AssertUnwindSafe(reading)).map_err(|panic| Fault::new(PLACE, said(&*panic)))
    }

    fn reading<T, Look>(&self, look: Look) -> Result<impl FnOnce() -> Seen<T> + use<T, Look>, Fault>
    where
        Look: FnOnce(View<'_>) -> Result<T, ReadFault>,
    {
        let (reader, progress) = (self.reader()?, self.progress.clone());
        Ok(move || {
            let found = reader.tree().map_err(ReadFault::Engine).and_then(|tree| look(View(&*tree)));
            let batches = if reader.is_ahead_of_disk() { progress.seen() } else { 0 };
            Seen { found: found.map_err(|fault| progress.read_fault(fault)), batches }
        })
    }

    async fn on_disk<T>(&self, seen: Seen<T>) -> Result<T, Fault> {
        self.progress.durable(seen.batches).await?;
        seen.found
    }

    /// Notes durably that what this store reads back proves nothing, so that it is built anew whenever it is opened.
    pub(crate) fn note_damage(&self, fault: &Fault) -> io::Result<()> {
        self.progress.note_damage(fault)
    }

    /// Whether nobody holds the files of a store that was closed any more.
    pub(crate) fn is_released(&self) -> bool {
        self.held.strong_count() == 0
    }

    /// From now on every barrier fails.
    #[cfg(any(test, feature = "contract"))]
    pub async fn fail_barriers(&self) {
        self.change(|writer| {
            writer.fail_barriers = true;
            Ok(())
        })
        .await
        .expect_err("its own barrier fails");
    }

    /// What stands of a delivery is not what was written.
    #[cfg(test)]
    pub(crate) async fn damage(&self, id: DeliveryId) {
        let reader = self.reader().expect("open");
        let damage = move || reader.overwrite(&keys::delivery(id), Some(b"damaged"));
        tokio::task::spawn_blocking(damage).await.expect("overwritten");
    }

    /// Lets the committer end, waits for it, and lets go of the files.
    fn end(&self) {
        drop(locked(&self.changes).take());
        let thread = locked(&self.thread).take();
        let reader = locked(&self.readers).take();
        let ended = catch_unwind(AssertUnwindSafe(move || {
            let joined = thread.map(JoinHandle::join);
            drop(reader);
            joined
        }));
        if !matches!(ended, Ok(None | Some(Ok(())))) {
            tracing::error!("the outbox did not end well; it recovers at the next start");
        }
    }
}

impl Drop for FileStore {
    fn drop(&mut self) {
        self.end();
    }
}

#[async_trait]
impl OutboxStore for FileStore {
    async fn admit(&self, admission: &Admission) -> Result<Admitted, Fault> {
        self.admit_in_parts(admission).await
    }

    async fn known(&self, name: [u8; 16]) -> Result<Vec<KnownDocument>, Fault> {
        self.read(move |view| view.known(&name)).await
    }

    async fn standings(&self, keys: Vec<StandingKey>) -> Result<Vec<Option<Standing>>, Fault> {
        self.read(move |view| keys.iter().map(|key| view.value(&keys::standing(*key))).collect()).await
    }

    async fn status_seen(&self, status: [u8; 16]) -> Result<Option<DocumentId>, Fault> {
        self.read_few(move |view| view.value(&keys::status(&status))).await
    }

    async fn idempotent(
        &self,
        key: &IdempotencyKey,
        not_before: Timestamp,
    ) -> Result<Option<(DocumentId, PacketDigest)>, Fault> {
        let key = keys::idempotency(key);
        let found = self.read_few(move |view| view.value::<IdempotencyRecord>(&key)).await?;
        let young = found.filter(|record| record.at >= not_before);
        Ok(young.map(|record| (record.document, record.digest)))
    }

    async fn delivery(&self, id: DeliveryId) -> Result<Option<Delivery>, Fault> {
        let record = self.read_few(move |view| view.record(id)).await?;
        Ok(record.map(|record| record.delivery))
    }

    async fn met(&self, id: DocumentId, name: Option<[u8; 16]>) -> Result<Met, Fault> {
        let look = move |view: View<'_>| {
            let deliveries = view.deliveries(&keys::of_document(id), usize::MAX, |_| true)?;
            let namesakes = name.map(|name| view.known(&name)).transpose()?.unwrap_or_default();
            Ok(Met { deliveries, namesakes })
        };
        // Mostly nothing is known, and then there is nothing to wait for: it will only be followed by a change.
        let unknown = move |view: View<'_>| {
            let is_empty = |prefix: &[u8]| view.below(prefix).next().is_none();
            Ok(is_empty(&keys::of_document(id)) && name.is_none_or(|name| is_empty(&keys::names(&name))))
        };
        match self.see(unknown)?.found? {
            true => Ok(Met::default()),
            false => self.read(look).await,
        }
    }

    async fn deliveries(&self, ids: Vec<DeliveryId>) -> Result<Vec<Option<Delivery>>, Fault> {
        let find = |view: &View<'_>, id| Ok(view.record(id)?.map(|record| record.delivery));
        self.read(move |view| ids.into_iter().map(|id| find(&view, id)).collect()).await
    }

    async fn deliveries_of(&self, id: DocumentId) -> Result<Vec<Delivery>, Fault> {
        self.read(move |view| view.deliveries(&keys::of_document(id), usize::MAX, |_| true)).await
    }

    async fn history(&self, id: DeliveryId) -> Result<Vec<HistoryEntry>, Fault> {
        self.read_few(move |view| view.history(id)).await
    }

    async fn unpublished_after(&self, after: PerLane, limit: usize) -> Result<Vec<Delivery>, Fault> {
        let ranges = Lane::ALL.map(|lane| keys::unpublished_after(lane, after[lane as usize]));
        self.read(move |view| view.within_each(ranges, limit, Record::is_unpublished)).await
    }

    async fn unsent_events(&self, limit: usize) -> Result<Vec<(u64, Event)>, Fault> {
        self.read(move |view| view.events(limit)).await
    }

    async fn unsent_span(&self) -> Result<Option<RangeInclusive<u64>>, Fault> {
        self.read_few(|view| view.event_span()).await
    }

    async fn events_sent(&self, numbers: Vec<u64>) -> Result<(), Fault> {
        self.change(move |writer| writer.events_sent(&numbers)).await
    }

    async fn hand_off(&self, delivery: Delivery) -> Result<HandOff, Fault> {
        self.change(move |writer| writer.hand_off(delivery, None)).await
    }

    async fn hand_off_asking(&self, delivery: Delivery, recall: Recall) -> Result<HandOff, Fault> {
        self.change(move |writer| writer.hand_off(delivery, Some(&recall))).await
    }

    async fn recalled(&self, moves: Vec<Move>, accepted_at: Timestamp) -> Result<(), Fault> {
        self.change(move |writer| writer.recalled(&moves, accepted_at)).await
    }

    async fn adopt(&self, delivery: Delivery, note: String) -> Result<bool, Fault> {
        self.change(move |writer| writer.adopt(delivery, &note)).await
    }

    async fn adopt_document(
        &self,
        admission: Arc<Admission>,
        left: Arc<BTreeMap<DeliveryId, Left>>,
        note: String,
    ) -> Result<Option<Kept>, Fault> {
        self.adopt_in_parts(admission, left, note).await
    }

    async fn remember(
        &self,
        key: &IdempotencyKey,
        document: DocumentId,
        digest: PacketDigest,
        at: Timestamp,
    ) -> Result<(), Fault> {
        let (key, record) = (keys::idempotency(key), IdempotencyRecord { document, digest, at });
        self.change(move |writer| writer.remember_key(key, &record)).await
    }

    async fn not_taken_over(&self, before: Timestamp, limit: usize) -> Result<Vec<Delivery>, Fault> {
        self.read(move |view| view.not_taken_over(before, limit)).await
    }

    async fn receivers(&self, adapter: AdapterKind) -> Result<Vec<ReceiverToken>, Fault> {
        self.read(move |view| view.receivers(adapter)).await
    }

    async fn heads(
        &self,
        adapter: AdapterKind,
        receiver: &ReceiverToken,
        lane: Lane,
        limit: usize,
    ) -> Result<Vec<Delivery>, Fault> {
        let prefix = keys::heads(adapter, receiver, lane);
        self.glance(limit, move |view| view.deliveries(&prefix, limit, Record::is_head)).await
    }

    async fn on_its_way(
        &self,
        adapter: AdapterKind,
        receiver: &ReceiverToken,
        lane: Lane,
        limit: usize,
    ) -> Result<Vec<OnItsWay>, Fault> {
        let prefix = keys::on_its_way(adapter, receiver, lane);
        let waits = |record: &Record| record.delivery.is_on_its_way();
        let found = self.glance(limit, move |view| view.indexed(&prefix, limit, waits)).await?;
        Ok(found.iter().filter_map(Record::on_its_way).collect())
    }

    async fn first_correlated(
        &self,
        receiver: &ReceiverToken,
        key: CorrelationKey,
        after: Option<u64>,
    ) -> Result<Option<Delivery>, Fault> {
        let range = keys::correlated_after(receiver, key, after);
        self.glance(1, move |view| view.first(range, Record::is_in_the_way)).await
    }

    async fn last_correlated(
        &self,
        receiver: &ReceiverToken,
        key: CorrelationKey,
        before: u64,
    ) -> Result<Option<Delivery>, Fault> {
        let range = keys::correlated_before(receiver, key, before);
        self.glance(1, move |view| view.last(range, Record::is_in_the_way)).await
    }

    async fn offered(
        &self,
        system: &SystemId,
        waiting: Waiting,
        after: PerLane,
        limit: usize,
    ) -> Result<Vec<Delivery>, Fault> {
        let ranges = Lane::ALL.map(|lane| keys::offered_after(system, waiting, lane, after[lane as usize]));
        self.read(move |view| view.within_each(ranges, limit, Record::is_offered)).await
    }

    async fn beyond(&self, axis: &SystemId, now: Timestamp, limit: usize) -> Result<Vec<Delivery>, Fault> {
        let range = keys::beyond_by(axis, now);
        let is_due = move |record: &Record| record.delivery.asked_beyond().is_some_and(|due| due <= now);
        self.read(move |view| view.within(range, limit, is_due)).await
    }

    async fn transition(
        &self,
        id: DeliveryId,
        at: Timestamp,
        change: Transition,
    ) -> Result<Option<Delivery>, Fault> {
        self.change(move |writer| writer.transition(id, at, change)).await
    }

    async fn list(
        &self,
        listing: Listing,
        after: Option<DeliveryId>,
        limit: usize,
    ) -> Result<Vec<Delivery>, Fault> {
        self.read(move |view| view.page(listing, after, limit)).await
    }

    async fn pending_reports(&self, limit: usize) -> Result<Vec<PendingReport>, Fault> {
        match limit <= FEW {
            true => self.read_few(move |view| view.reports(limit)).await,
            false => self.read(move |view| view.reports(limit)).await,
        }
    }

    async fn stats(&self) -> Result<StoreStats, Fault> {
        let progress = self.progress.clone();
        let look = move |view: View<'_>| {
            let (pending, unpublished) = progress.durable_counts();
            Ok(StoreStats { pending, unpublished, oldest_pending: view.oldest_pending()? })
        };
        self.read(look).await
    }

    async fn close(&self) -> Result<(), Fault> {
        let (changes, thread) = (locked(&self.changes).take(), locked(&self.thread).take());
        drop(changes);
        let ended = self.progress.ended().await;
        let reader = locked(&self.readers).take();
        let work = move || {
            let joined = thread.map(JoinHandle::join);
            drop(reader);
            joined
        };
        let joined = tokio::task::spawn_blocking(work).await.map_err(|panic| Fault::new(PLACE, panic))?;
        match joined {
            Some(Err(_)) => Err(Fault::fatal(PLACE, "the committer panicked")),
            _ if ended.cause == closed().cause => Ok(()),
            _ => Err(ended),
        }
    }
}

/// What these locks guard is replaced whole, so a panic of another holder leaves nothing half done.
fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
