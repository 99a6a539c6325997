//! A store that begins its next generation before the first calls, and then ever more seldom.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use jiff::Timestamp;
use lienthong_outbox::contract::samples::clock;
use lienthong_outbox::{Engine, FileStore};
use lienthong_pipeline::ports::{
    Admitted, Fault, HandOff, Kept, Left, Listing, OnItsWay, OutboxStore, PendingReport, PerLane, StoreStats,
    Transition,
};
use lienthong_pipeline::record::{
    AdapterKind, Admission, Delivery, Event, HistoryEntry, IdempotencyKey, KnownDocument, Lane, Move, Recall,
    Standing, SystemId, Waiting,
};
use lienthong_schemas::ids::{CorrelationKey, DeliveryId, DocumentId, PacketDigest, StandingKey};
use lienthong_schemas::organ::ReceiverToken;
use tempfile::TempDir;

struct Rotating {
    store: FileStore,
    calls: AtomicU64,
}

pub(crate) fn files(engine: Engine) -> (TempDir, Arc<dyn OutboxStore>) {
    let dir = tempfile::tempdir().expect("a folder");
    let store = FileStore::open(&dir.path().join("outbox"), engine, clock()).expect("opened");
    (dir, Arc::new(Rotating { store, calls: AtomicU64::new(0) }))
}

impl Rotating {
    /// The store, of which a new generation has perhaps begun.
    async fn next(&self) -> Result<&FileStore, Fault> {
        let call = self.calls.fetch_add(1, Ordering::SeqCst);
        if call < 6 || call.is_power_of_two() {
            self.store.rotate().await?;
        }
        Ok(&self.store)
    }
}

macro_rules! passed_on {
    ($(fn $name:ident(&self $(, $argument:ident: $kind:ty)*) -> $answer:ty;)*) => {
        #[async_trait]
        impl OutboxStore for Rotating {
            $(
                async fn $name(&self $(, $argument: $kind)*) -> Result<$answer, Fault> {
                    self.next().await?.$name($($argument),*).await
                }
            )*

            async fn close(&self) -> Result<(), Fault> {
                self.store.close().await
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
    fn deliveries(&self, ids: Vec<DeliveryId>) -> Vec<Option<Delivery>>;
    fn deliveries_of(&self, id: DocumentId) -> Vec<Delivery>;
    fn history(&self, id: DeliveryId) -> Vec<HistoryEntry>;
    fn unpublished_after(&self, after: PerLane, limit: usize) -> Vec<Delivery>;
    fn unsent_events(&self, limit: usize) -> Vec<(u64, Event)>;
    fn unsent_span(&self) -> Option<std::ops::RangeInclusive<u64>>;
    fn events_sent(&self, numbers: Vec<u64>) -> ();
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
