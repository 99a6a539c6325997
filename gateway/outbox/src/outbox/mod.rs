//! The store of a gateway that runs. Every call goes through here, so that a store that broke can be replaced while the
//! gateway goes on: calls fail meanwhile, and what they say is not fatal. `restart` replaces it, `care` does what has to be
//! done from time to time.

mod care;
mod numbers;
mod prune;
mod restart;
#[cfg(test)]
mod tests;
mod unnamed;

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use lienthong_monitoring::Metrics;
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
use tokio::sync::watch;

use crate::change::PLACE;
use crate::check::OutboxCheck;
use crate::open::{OpenFault, Opened, open_keeping};
use crate::spool::FileSpool;
use crate::store::{FileStore, Keeper};

/// How a store is kept.
#[derive(Clone)]
pub struct OutboxOptions {
    /// What keeps it.
    pub keeper: Keeper,
    /// Its time.
    pub clock: Arc<dyn Clock>,
    /// How long a generation is written before the next one begins.
    pub rotate_every: Duration,
    /// How long a document that is over is kept.
    pub keep_documents: Duration,
    /// How long an idempotency key is remembered.
    pub keep_idempotency: Duration,
}

/// See the module. Dropping it commits what is queued.
pub struct Outbox {
    data_dir: PathBuf,
    options: OutboxOptions,
    spool: FileSpool,
    metrics: Arc<Metrics>,
    phase: watch::Sender<Phase>,
}

/// The stores of one process are counted, so that what one of them numbered is not taken for another's.
type Epoch = u16;

#[derive(Clone)]
enum Phase {
    Running(Arc<FileStore>, Epoch),
    /// What is in memory and on disk may differ: nothing that this store reads back proves anything.
    Broken(Arc<FileStore>, Epoch, Fault),
    Closed,
}

impl Outbox {
    /// Opens store and spool below a data folder; see [`crate::open_or_rebuild`]. Who takes care of the store while the gateway
    /// runs is [`Outbox::tend`].
    ///
    /// # Errors
    /// See [`OpenFault`].
    pub fn open(
        data_dir: &Path,
        options: OutboxOptions,
        metrics: Arc<Metrics>,
    ) -> Result<(Self, FileSpool, Opened), OpenFault> {
        let (store, spool, opened) =
            open_keeping(data_dir, options.keeper, &options.clock, Some(options.keep_documents))?;
        metrics.outbox_up.set(1);
        let phase = watch::Sender::new(Phase::Running(Arc::new(store), 0));
        let outbox = Self { data_dir: data_dir.to_owned(), options, spool: spool.clone(), metrics, phase };
        Ok((outbox, spool, opened))
    }

    /// Checks store and spool while the gateway is at work; see [`FileStore::check`].
    ///
    /// # Errors
    /// The store is away. What is wrong is in the answer.
    pub async fn check(&self, deep: bool) -> Result<OutboxCheck, Fault> {
        let store = self.store()?;
        self.heard(&store, store.check(&self.spool, deep).await)
    }

    /// The store that runs.
    fn store(&self) -> Result<Arc<FileStore>, Fault> {
        self.store_and_epoch().map(|(store, _)| store)
    }

    fn store_and_epoch(&self) -> Result<(Arc<FileStore>, Epoch), Fault> {
        match &*self.phase.borrow() {
            Phase::Running(store, epoch) => Ok((store.clone(), *epoch)),
            Phase::Broken(.., fault) => Err(away(fault)),
            Phase::Closed => Err(Fault::fatal(PLACE, "closed")),
        }
    }

    /// The outcome of a call to this store; one that shows that the store is broken ends it.
    fn heard<T>(&self, store: &Arc<FileStore>, outcome: Result<T, Fault>) -> Result<T, Fault> {
        outcome.map_err(|fault| match fault.fatal || store.is_damaged() {
            true => self.broke(store, &fault),
            false => fault,
        })
    }

    /// The store that broke has another in its place.
    fn took_over(&self, store: FileStore) {
        let store = Arc::new(store);
        let took_over = self.phase.send_if_modified(|phase| {
            let before = match phase {
                Phase::Broken(_, epoch, _) => *epoch,
                Phase::Running(..) | Phase::Closed => return false,
            };
            *phase = Phase::Running(store.clone(), before.wrapping_add(1));
            true
        });
        if took_over {
            self.metrics.outbox_up.set(1);
            self.metrics.outbox_restarts.inc();
        }
    }

    fn broke(&self, store: &Arc<FileStore>, fault: &Fault) -> Fault {
        let first = self.phase.send_if_modified(|phase| {
            let epoch = match phase {
                Phase::Running(running, epoch) if Arc::ptr_eq(running, store) => *epoch,
                _ => return false,
            };
            *phase = Phase::Broken(store.clone(), epoch, fault.clone());
            true
        });
        if first {
            self.metrics.outbox_up.set(0);
            tracing::error!(%fault, "the store is broken; nothing is accepted until it is built anew");
        }
        match &*self.phase.borrow() {
            Phase::Closed => fault.clone(),
            Phase::Running(..) | Phase::Broken(..) => away(fault),
        }
    }
}

/// What callers hear while the store is away.
fn away(fault: &Fault) -> Fault {
    Fault::new(PLACE, format!("broken, and not yet built anew: {}", fault.cause))
}

macro_rules! passed_on {
    ($($(#[$doc:meta])* fn $name:ident(&self $(, $argument:ident: $kind:ty)*) -> $answer:ty;)*) => {
        #[async_trait]
        impl OutboxStore for Outbox {
            $(
                async fn $name(&self $(, $argument: $kind)*) -> Result<$answer, Fault> {
                    let store = self.store()?;
                    self.heard(&store, store.$name($($argument),*).await)
                }
            )*

            async fn unsent_events(&self, limit: usize) -> Result<Vec<(u64, Event)>, Fault> {
                let (store, epoch) = self.store_and_epoch()?;
                let events = self.heard(&store, store.unsent_events(limit).await)?;
                Ok(events.into_iter().map(|(number, event)| (numbers::tied(number, epoch), event)).collect())
            }

            async fn unsent_span(&self) -> Result<Option<RangeInclusive<u64>>, Fault> {
                let (store, epoch) = self.store_and_epoch()?;
                let span = self.heard(&store, store.unsent_span().await)?;
                Ok(span.map(|span| numbers::tied(*span.start(), epoch)..=numbers::tied(*span.end(), epoch)))
            }

            async fn events_sent(&self, numbers: Vec<u64>) -> Result<(), Fault> {
                let (store, epoch) = self.store_and_epoch()?;
                // Those of a store that was replaced meanwhile are other events in this one.
                let own = numbers.into_iter().filter_map(|number| numbers::of_epoch(number, epoch)).collect();
                self.heard(&store, store.events_sent(own).await)
            }

            async fn close(&self) -> Result<(), Fault> {
                match self.phase.send_replace(Phase::Closed) {
                    Phase::Running(store, _) => store.close().await,
                    // Its own end is no news; the next start builds it anew.
                    Phase::Broken(..) | Phase::Closed => Ok(()),
                }
            }
        }
    };
}

passed_on! {
    fn admit(&self, admission: &Admission) -> Admitted;
    fn known(&self, name: [u8; 16]) -> Vec<KnownDocument>;
    fn standings(&self, keys: Vec<StandingKey>) -> Vec<Option<Standing>>;
    fn status_seen(&self, status: [u8; 16]) -> Option<DocumentId>;
    fn idempotent(&self, key: &IdempotencyKey, not_before: Timestamp) -> Option<(DocumentId, PacketDigest)>;
    fn delivery(&self, id: DeliveryId) -> Option<Delivery>;
    fn met(&self, id: DocumentId, name: Option<[u8; 16]>) -> Met;
    fn deliveries(&self, ids: Vec<DeliveryId>) -> Vec<Option<Delivery>>;
    fn deliveries_of(&self, id: DocumentId) -> Vec<Delivery>;
    fn history(&self, id: DeliveryId) -> Vec<HistoryEntry>;
    fn unpublished_after(&self, after: PerLane, limit: usize) -> Vec<Delivery>;
    fn hand_off(&self, delivery: Delivery) -> HandOff;
    fn hand_off_asking(&self, delivery: Delivery, recall: Recall) -> HandOff;
    fn recalled(&self, moves: Vec<Move>, accepted_at: Timestamp) -> ();
    fn adopt(&self, delivery: Delivery, note: String) -> bool;
    fn adopt_document(&self, admission: Arc<Admission>, left: Arc<BTreeMap<DeliveryId, Left>>, note: String) -> Option<Kept>;
    fn remember(&self, key: &IdempotencyKey, document: DocumentId, digest: PacketDigest, at: Timestamp) -> ();
    fn not_taken_over(&self, before: Timestamp, limit: usize) -> Vec<Delivery>;
    fn receivers(&self, adapter: AdapterKind) -> Vec<ReceiverToken>;
    fn heads(&self, adapter: AdapterKind, receiver: &ReceiverToken, lane: Lane, limit: usize) -> Vec<Delivery>;
    fn on_its_way(&self, adapter: AdapterKind, receiver: &ReceiverToken, lane: Lane, limit: usize) -> Vec<OnItsWay>;
    fn first_correlated(&self, receiver: &ReceiverToken, key: CorrelationKey, after: Option<u64>) -> Option<Delivery>;
    fn last_correlated(&self, receiver: &ReceiverToken, key: CorrelationKey, before: u64) -> Option<Delivery>;
    fn offered(&self, system: &SystemId, waiting: Waiting, after: PerLane, limit: usize) -> Vec<Delivery>;
    fn beyond(&self, axis: &SystemId, now: Timestamp, limit: usize) -> Vec<Delivery>;
    fn transition(&self, id: DeliveryId, at: Timestamp, change: Transition) -> Option<Delivery>;
    fn list(&self, listing: Listing, after: Option<DeliveryId>, limit: usize) -> Vec<Delivery>;
    fn pending_reports(&self, limit: usize) -> Vec<PendingReport>;
    fn stats(&self) -> StoreStats;
}
