//! The store of tests: the same contract in memory, without indexes. What it answers is found by looking at every
//! record, so it checks the indexes of the real store. Nothing of it outlives the process.

use std::collections::{BTreeMap, HashMap};
use std::ops::RangeInclusive;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use jiff::Timestamp;
use lienthong_pipeline::ports::{
    Admitted, Clock, Fault, HandOff, Kept, Left, Listing, OnItsWay, OutboxStore, PendingReport, PerLane,
    StoreStats, Transition,
};
use lienthong_pipeline::record::{
    AdapterKind, Admission, Delivery, Event, HistoryEntry, IdempotencyKey, KnownDocument, Lane, Move, Recall,
    Standing, State, SystemId, Waiting,
};
use lienthong_schemas::ids::{CorrelationKey, DeliveryId, DocumentId, PacketDigest, StandingKey};
use lienthong_schemas::organ::ReceiverToken;

use crate::change::{self, Basis, HISTORY_LINES_MAX, KNOWN_MAX, PLACE, Record, Step};

/// See the module.
pub struct MemoryStore {
    clock: Arc<dyn Clock>,
    shelf: Mutex<Option<Shelf>>,
}

#[derive(Default)]
struct Shelf {
    documents: Vec<KnownDocument>,
    idempotency: HashMap<IdempotencyKey, (DocumentId, PacketDigest, Timestamp)>,
    records: BTreeMap<DeliveryId, Record>,
    history: BTreeMap<DeliveryId, Vec<HistoryEntry>>,
    events: BTreeMap<u64, Event>,
    standings: HashMap<StandingKey, Standing>,
    last_order: u64,
    last_event: u64,
}

impl MemoryStore {
    /// An empty store.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, shelf: Mutex::new(Some(Shelf::default())) }
    }

    fn with<T>(&self, work: impl FnOnce(&mut Shelf) -> T) -> Result<T, Fault> {
        let mut shelf: MutexGuard<'_, _> = self.shelf.lock().unwrap_or_else(PoisonError::into_inner);
        shelf.as_mut().map(work).ok_or_else(|| Fault::fatal(PLACE, "closed"))
    }
}

impl Shelf {
    fn write(&mut self, step: Step) -> Delivery {
        let id = step.after.delivery.id;
        self.last_event += u64::from(step.line.is_some());
        if let Some(event) = step.event() {
            self.events.insert(self.last_event, event);
        }
        let history = self.history.entry(id).or_default();
        history.extend(step.line);
        let old = history.len().saturating_sub(HISTORY_LINES_MAX as usize);
        history.drain(..old);
        let delivery = step.after.delivery.clone();
        self.records.insert(id, step.after);
        delivery
    }

    fn recall(&mut self, recall: &Recall, asks: &Record, accepted_at: Timestamp, now: Timestamp) {
        let earlier = recall.of.iter().map(|id| self.records.get(id).cloned()).collect();
        let number = self.last_event + 1;
        let Some(steps) = change::recalled(recall, asks, earlier, Basis::Look, now, number) else { return };
        steps.into_iter().for_each(|(_, step)| drop(self.write(step)));
        self.move_by_recall(&recall.moves, accepted_at);
    }

    /// What stands of a document beside its deliveries.
    fn make_known(&mut self, admission: &Admission) {
        let receipt = &admission.receipt;
        let (id, digest, at) = (receipt.document_id, receipt.sha256, receipt.accepted_at);
        self.documents.push(KnownDocument { id, keys: admission.keys.clone(), digest });
        if let Some(key) = admission.idempotency.clone() {
            self.idempotency.insert(key, (id, digest, at));
        }
        for change in &admission.moves {
            let after = change::moved(self.standings.get(&change.key), change, at);
            self.standings.extend(after.map(|after| (change.key, after)));
        }
    }

    fn move_by_recall(&mut self, moves: &[Move], accepted_at: Timestamp) {
        for change in moves {
            let after = change::moved_by_recall(self.standings.get(&change.key), change, accepted_at);
            self.standings.extend(after.map(|after| (change.key, after)));
        }
    }

    fn hand_off(&mut self, delivery: Delivery, asked: Option<&Recall>, now: Timestamp) -> HandOff {
        let known = self.records.get(&delivery.id);
        let new = u64::from(known.is_none());
        match change::handed_off(known, delivery, self.last_order + 1, now) {
            Err(outcome) => outcome,
            Ok((step, outcome)) => {
                self.last_order += new;
                let asks = step.after.clone();
                self.write(step);
                if let Some(recall) = asked.filter(|_| outcome == HandOff::Taken) {
                    self.recall(recall, &asks, asks.delivery.accepted_at, now);
                }
                outcome
            }
        }
    }

    fn document(&self, id: DocumentId) -> bool {
        self.documents.iter().any(|document| document.id == id)
    }

    /// What waits in a mailbox, urgent first, then in order.
    fn offered(&self, system: &SystemId, waiting: Waiting) -> Vec<Delivery> {
        let mut found = self.in_order(|record| {
            let delivery = &record.delivery;
            record.is_offered() && delivery.route.system == *system && Waiting::of(delivery) == waiting
        });
        found.sort_by_key(|delivery| delivery.lane);
        found
    }

    fn in_order(&self, wanted: impl Fn(&Record) -> bool) -> Vec<Delivery> {
        let mut found: Vec<_> = self.records.values().filter(|record| wanted(record)).collect();
        found.sort_by_key(|record| record.delivery.order);
        found.into_iter().map(|record| record.delivery.clone()).collect()
    }
}

#[async_trait]
impl OutboxStore for MemoryStore {
    async fn admit(&self, admission: &Admission) -> Result<Admitted, Fault> {
        change::check(admission)?;
        let (recalls, now) = (change::recalls(admission), self.clock.now());
        self.with(|shelf| {
            let receipt = &admission.receipt;
            let id = receipt.document_id;
            if shelf.document(id) {
                return Admitted::Existing;
            }
            shelf.make_known(admission);
            for delivery in &admission.deliveries {
                if let Some(known) = shelf.records.get(&delivery.id) {
                    let number = shelf.last_event + 1;
                    let step = change::accepted_too(known, receipt.accepted_at, number);
                    step.map(|step| shelf.write(step));
                } else {
                    shelf.last_order += 1;
                    let step = change::admitted(delivery, shelf.last_order);
                    let asks = step.after.clone();
                    shelf.write(step);
                    if let Some(recall) = recalls.get(&delivery.id) {
                        shelf.recall(recall, &asks, receipt.accepted_at, now);
                    }
                }
            }
            Admitted::Inserted
        })
    }

    async fn known(&self, name: [u8; 16]) -> Result<Vec<KnownDocument>, Fault> {
        let named = |known: &KnownDocument| known.keys.names().any(|its| its == name);
        self.with(|shelf| {
            let named: Vec<_> = shelf.documents.iter().filter(|known| named(known)).collect();
            named[named.len().saturating_sub(KNOWN_MAX)..].iter().map(|known| (*known).clone()).collect()
        })
    }

    async fn standings(&self, keys: Vec<StandingKey>) -> Result<Vec<Option<Standing>>, Fault> {
        self.with(|shelf| keys.iter().map(|key| shelf.standings.get(key).copied()).collect())
    }

    async fn status_seen(&self, status: [u8; 16]) -> Result<Option<DocumentId>, Fault> {
        self.with(|shelf| {
            let first = shelf.documents.iter().find(|known| known.keys.status == Some(status));
            first.map(|known| known.id)
        })
    }

    async fn idempotent(
        &self,
        key: &IdempotencyKey,
        not_before: Timestamp,
    ) -> Result<Option<(DocumentId, PacketDigest)>, Fault> {
        self.with(|shelf| {
            let found = shelf.idempotency.get(key).filter(|(.., at)| *at >= not_before);
            found.map(|(document, digest, _)| (*document, *digest))
        })
    }

    async fn remember(
        &self,
        key: &IdempotencyKey,
        document: DocumentId,
        digest: PacketDigest,
        at: Timestamp,
    ) -> Result<(), Fault> {
        self.with(|shelf| {
            shelf.idempotency.insert(key.clone(), (document, digest, at));
        })
    }

    async fn not_taken_over(&self, before: Timestamp, limit: usize) -> Result<Vec<Delivery>, Fault> {
        self.with(|shelf| {
            let waits = |record: &&Record| record.not_taken_over().is_some_and(|since| since < before);
            let mut found: Vec<_> = shelf.records.values().filter(waits).collect();
            found.sort_by_key(|record| (record.not_taken_over(), record.delivery.order));
            found.into_iter().take(limit).map(|record| record.delivery.clone()).collect()
        })
    }

    async fn delivery(&self, id: DeliveryId) -> Result<Option<Delivery>, Fault> {
        self.with(|shelf| shelf.records.get(&id).map(|record| record.delivery.clone()))
    }

    async fn deliveries_of(&self, id: DocumentId) -> Result<Vec<Delivery>, Fault> {
        self.with(|shelf| shelf.in_order(|record| record.delivery.document == id))
    }

    async fn history(&self, id: DeliveryId) -> Result<Vec<HistoryEntry>, Fault> {
        self.with(|shelf| shelf.history.get(&id).cloned().unwrap_or_default())
    }

    async fn unpublished_after(&self, after: PerLane, limit: usize) -> Result<Vec<Delivery>, Fault> {
        self.with(|shelf| {
            let mut found = shelf.in_order(Record::is_unpublished);
            found.retain(|delivery| delivery.order > after[delivery.lane as usize]);
            found.sort_by_key(|delivery| delivery.lane);
            found.truncate(limit);
            found
        })
    }

    async fn unsent_events(&self, limit: usize) -> Result<Vec<(u64, Event)>, Fault> {
        self.with(|shelf| shelf.events.iter().take(limit).map(|(n, event)| (*n, event.clone())).collect())
    }

    async fn unsent_span(&self) -> Result<Option<RangeInclusive<u64>>, Fault> {
        self.with(|shelf| {
            let (first, _) = shelf.events.first_key_value()?;
            let (last, _) = shelf.events.last_key_value()?;
            Some(*first..=*last)
        })
    }

    async fn events_sent(&self, numbers: Vec<u64>) -> Result<(), Fault> {
        self.with(|shelf| shelf.events.retain(|number, _| !numbers.contains(number)))
    }

    async fn hand_off(&self, delivery: Delivery) -> Result<HandOff, Fault> {
        let now = self.clock.now();
        self.with(|shelf| shelf.hand_off(delivery, None, now))
    }

    async fn hand_off_asking(&self, delivery: Delivery, recall: Recall) -> Result<HandOff, Fault> {
        let now = self.clock.now();
        self.with(|shelf| shelf.hand_off(delivery, Some(&recall), now))
    }

    async fn recalled(&self, moves: Vec<Move>, accepted_at: Timestamp) -> Result<(), Fault> {
        self.with(|shelf| shelf.move_by_recall(&moves, accepted_at))
    }

    async fn adopt(&self, delivery: Delivery, note: String) -> Result<bool, Fault> {
        let now = self.clock.now();
        self.with(|shelf| {
            let known = shelf.records.get(&delivery.id);
            let new = u64::from(known.is_none());
            let step = change::adopted(known, delivery, shelf.last_order + 1, now, &note);
            step.map(|step| {
                shelf.last_order += new;
                shelf.write(step);
            })
            .is_some()
        })
    }

    async fn adopt_document(
        &self,
        admission: Arc<Admission>,
        left: Arc<BTreeMap<DeliveryId, Left>>,
        note: String,
    ) -> Result<Option<Kept>, Fault> {
        change::check(&admission)?;
        let now = self.clock.now();
        self.with(|shelf| {
            if shelf.document(admission.receipt.document_id) {
                return None;
            }
            shelf.make_known(&admission);
            let (recalls, mut kept) = (change::recalls(&admission), Kept::default());
            for delivery in &admission.deliveries {
                let (known, left) = (shelf.records.get(&delivery.id), left.get(&delivery.id));
                let (numbers, is_new) = ((shelf.last_order + 1, shelf.last_event + 1), known.is_none());
                let step = change::taken_on(known, delivery, left, numbers, now, &note);
                shelf.last_order += u64::from(is_new);
                let after = step.map(|step| shelf.write(step));
                let goes_on = after.as_ref().is_some_and(|after| !after.state.is_final());
                kept.taken_on += u64::from(goes_on);
                kept.settled += u64::from(!goes_on);
                if after.is_some_and(|after| after.state == State::Withdrawn)
                    && let Some(recall) = recalls.get(&delivery.id)
                {
                    shelf.move_by_recall(&recall.moves, admission.receipt.accepted_at);
                }
            }
            Some(kept)
        })
    }

    async fn receivers(&self, adapter: AdapterKind) -> Result<Vec<ReceiverToken>, Fault> {
        self.with(|shelf| {
            let heads = shelf.in_order(|record| record.is_head() && record.delivery.route.adapter == adapter);
            let tokens = heads.into_iter().map(|delivery| delivery.route.queue());
            tokens.collect::<std::collections::BTreeSet<_>>().into_iter().collect()
        })
    }

    async fn heads(
        &self,
        adapter: AdapterKind,
        receiver: &ReceiverToken,
        lane: Lane,
        limit: usize,
    ) -> Result<Vec<Delivery>, Fault> {
        self.with(|shelf| {
            let mut found = shelf.in_order(|record| {
                let Delivery { route, lane: its, .. } = &record.delivery;
                record.is_head() && route.adapter == adapter && route.queue() == *receiver && *its == lane
            });
            found.truncate(limit);
            found
        })
    }

    async fn on_its_way(
        &self,
        adapter: AdapterKind,
        receiver: &ReceiverToken,
        lane: Lane,
        limit: usize,
    ) -> Result<Vec<OnItsWay>, Fault> {
        self.with(|shelf| {
            let belongs = |waits: &OnItsWay| {
                let Delivery { route, lane: its, .. } = &waits.delivery;
                route.adapter == adapter && route.queue() == *receiver && *its == lane
            };
            let mut found: Vec<_> =
                shelf.records.values().filter_map(Record::on_its_way).filter(belongs).collect();
            found.sort_by_key(|waits| waits.delivery.order);
            found.truncate(limit);
            found
        })
    }

    async fn first_correlated(
        &self,
        receiver: &ReceiverToken,
        key: CorrelationKey,
        after: Option<u64>,
    ) -> Result<Option<Delivery>, Fault> {
        self.with(|shelf| {
            let found = shelf.in_order(|record| {
                let Delivery { route, correlations, order, .. } = &record.delivery;
                let behind = after.is_none_or(|after| *order > after);
                behind && record.is_in_the_way() && route.queue() == *receiver && correlations.contains(&key)
            });
            found.into_iter().next()
        })
    }

    async fn last_correlated(
        &self,
        receiver: &ReceiverToken,
        key: CorrelationKey,
        before: u64,
    ) -> Result<Option<Delivery>, Fault> {
        self.with(|shelf| {
            let found = shelf.in_order(|record| {
                let Delivery { route, correlations, order, .. } = &record.delivery;
                let is_kin = route.queue() == *receiver && correlations.contains(&key);
                *order < before && record.is_in_the_way() && is_kin
            });
            found.into_iter().next_back()
        })
    }

    async fn offered(
        &self,
        system: &SystemId,
        waiting: Waiting,
        after: PerLane,
        limit: usize,
    ) -> Result<Vec<Delivery>, Fault> {
        self.with(|shelf| {
            let mut found = shelf.offered(system, waiting);
            found.retain(|delivery| delivery.order > after[delivery.lane as usize]);
            found.truncate(limit);
            found
        })
    }

    async fn beyond(&self, axis: &SystemId, now: Timestamp, limit: usize) -> Result<Vec<Delivery>, Fault> {
        self.with(|shelf| {
            let due = |delivery: &Delivery| delivery.asked_beyond().filter(|due| *due <= now);
            let mut found = shelf
                .in_order(|record| record.delivery.route.system == *axis && due(&record.delivery).is_some());
            found.sort_by_key(|delivery| due(delivery));
            found.truncate(limit);
            found
        })
    }

    async fn transition(
        &self,
        id: DeliveryId,
        at: Timestamp,
        change: Transition,
    ) -> Result<Option<Delivery>, Fault> {
        self.with(|shelf| {
            let known = shelf.records.get(&id)?;
            let step = change::transition(known, at, change, shelf.last_event + 1)?;
            Some(shelf.write(step))
        })
    }

    async fn list(
        &self,
        listing: Listing,
        after: Option<DeliveryId>,
        limit: usize,
    ) -> Result<Vec<Delivery>, Fault> {
        let place = |delivery: &Delivery| match listing {
            Listing::Pending => (Some(delivery.accepted_at), delivery.order),
            Listing::DeadLetters => (None, delivery.order),
        };
        self.with(|shelf| {
            let after = after.and_then(|id| shelf.records.get(&id)).map(|record| place(&record.delivery));
            let mut found = shelf.in_order(|record| change::is_listed(record, listing));
            found.sort_by_key(place);
            found.retain(|delivery| after.is_none_or(|after| place(delivery) > after));
            found.truncate(limit);
            found
        })
    }

    async fn pending_reports(&self, limit: usize) -> Result<Vec<PendingReport>, Fault> {
        self.with(|shelf| {
            let due = shelf.records.values().filter_map(|record| Some((record.report?, &record.delivery)));
            let due: BTreeMap<_, _> = due.map(|(due, delivery)| (due.number, (due.at, delivery))).collect();
            let reports = due.into_values().take(limit);
            reports.map(|(at, delivery)| PendingReport { delivery: delivery.clone(), at }).collect()
        })
    }

    async fn stats(&self) -> Result<StoreStats, Fault> {
        self.with(|shelf| {
            let pending = shelf.in_order(|record| !record.delivery.state.is_final());
            StoreStats {
                pending: pending.len() as u64,
                unpublished: shelf.in_order(Record::is_unpublished).len() as u64,
                oldest_pending: pending.iter().map(|delivery| delivery.accepted_at).min(),
            }
        })
    }

    async fn close(&self) -> Result<(), Fault> {
        self.shelf.lock().unwrap_or_else(PoisonError::into_inner).take();
        Ok(())
    }
}
