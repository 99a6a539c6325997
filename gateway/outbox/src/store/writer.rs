//! The only writer of the tree. Each change is read, decided and applied as one batch; the barrier then puts all that
//! was applied on disk. Runs in one thread, so nothing changes between reading and applying.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, Weak};

use jiff::Timestamp;
use lienthong_pipeline::ports::{Admitted, Clock, Fault, HandOff, Transition};
use lienthong_pipeline::record::{Admission, Delivery, Recall, Standing};
use lienthong_schemas::ids::{DeliveryId, DocumentId};

use super::draft::{Draft, Next};
use super::engine::{Backend, Engine, Reader, SharedReader};
use super::generations::{self, Generations};
use super::parts::Part;
use super::progress::Progress;
use super::survey::Survey;
use super::view::{DocumentRecord, IdempotencyRecord, ReadFault, View};
use super::{StoreFault, keys};
use crate::change::{self, Basis, Noted, PLACE, Record, Step};

/// Opens the engine's files in a folder; another engine's are not touched.
pub(super) fn open_engine(
    folder: &Path,
    engine: Engine,
    cache_bytes: usize,
) -> Result<Box<dyn Backend>, StoreFault> {
    let path = || folder.to_owned();
    let found = Engine::found(folder).map_err(|source| StoreFault::Io { path: path(), source })?;
    if let Some(found) = found.into_iter().find(|found| *found != engine) {
        return Err(StoreFault::OtherEngine { path: path(), found, wanted: engine });
    }
    engine.open(folder, cache_bytes).map_err(|cause| StoreFault::of_engine(folder, cause))
}

/// Who reads on other threads: another tree when another generation takes over, before anything is written there.
pub(super) type Readers = Arc<Mutex<Option<Arc<dyn SharedReader>>>>;

/// See the module.
pub(crate) struct Writer {
    pub(super) engine: Engine,
    pub(super) generations: Generations,
    pub(super) readers: Readers,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) progress: Arc<Progress>,
    next: Next,
    documents: Vec<DocumentId>,
    waiting_bytes: usize,
    admitted: bool,
    broken: Option<Fault>,
    is_newest_lost: bool,
    /// A test's disk.
    #[cfg(any(test, feature = "contract"))]
    pub(super) fail_barriers: bool,
}

impl Writer {
    /// Opens the store in a folder, or makes one there; one of an older layout is brought to this one. Every value is read.
    pub(crate) fn open(folder: &Path, engine: Engine, clock: Arc<dyn Clock>) -> Result<Self, StoreFault> {
        let found = generations::open(folder, engine, clock.now())?;
        Self::over(found, engine, clock)
    }

    /// The same with generations that are open.
    pub(super) fn over(
        found: generations::Found,
        engine: Engine,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, StoreFault> {
        let generations::Found { mut generations, is_newest_lost } = found;
        let folder = generations.folder().to_owned();
        let fault = |fault| StoreFault::of_reading(&folder, fault);
        let next = generations.value(keys::NEXT).map_err(fault)?.unwrap_or(Next { order: 1, event: 1 });
        let Survey { pending, unpublished, documents } = generations.survey(next).map_err(fault)?;
        let progress = Arc::new(Progress::new(folder, pending, unpublished));
        let readers = Arc::new(Mutex::new(Some(generations.reader())));
        Ok(Self {
            engine,
            generations,
            readers,
            clock,
            progress,
            next,
            documents,
            waiting_bytes: 0,
            admitted: false,
            broken: None,
            is_newest_lost,
            #[cfg(any(test, feature = "contract"))]
            fail_barriers: false,
        })
    }

    /// The documents that were there when the store was opened, in the order of their ids; once.
    pub(crate) fn take_documents(&mut self) -> Vec<DocumentId> {
        std::mem::take(&mut self.documents)
    }

    /// For other threads, to read.
    pub(super) fn readers(&self) -> Readers {
        self.readers.clone()
    }

    /// Counts who holds the files.
    pub(super) fn held(&self) -> Weak<()> {
        self.generations.held()
    }

    /// The tree with all that is applied.
    pub(super) fn generations(&self) -> &Generations {
        &self.generations
    }

    /// Shared with readers.
    pub(super) fn progress(&self) -> Arc<Progress> {
        self.progress.clone()
    }

    /// Bytes applied since the last barrier.
    pub(crate) fn waiting_bytes(&self) -> usize {
        self.waiting_bytes
    }

    /// Whether the engine failed; then nothing more may be written.
    pub(crate) fn is_broken(&self) -> bool {
        self.broken.is_some()
    }

    /// Whether a document was admitted since this was last asked.
    pub(super) fn took_admission(&mut self) -> bool {
        std::mem::take(&mut self.admitted)
    }

    /// `OutboxStore::admit`, or a part of it; those before the last one leave the document unknown.
    pub(super) fn admit(&mut self, admission: &Admission, part: Part) -> Result<Admitted, Fault> {
        self.take_in(admission, part, None)
    }

    /// [`Writer::admit`] for a store that is built anew: with the states that were noted beside the admission.
    pub(crate) fn restore(
        &mut self,
        admission: &Admission,
        settled: &BTreeMap<DeliveryId, Noted>,
        epoch: u32,
    ) -> Result<Admitted, Fault> {
        self.take_in(admission, Part::whole(admission), Some((settled, epoch)))
    }

    fn take_in(
        &mut self,
        admission: &Admission,
        part: Part,
        restored: Option<(&BTreeMap<DeliveryId, Noted>, u32)>,
    ) -> Result<Admitted, Fault> {
        change::check(admission)?;
        let receipt = &admission.receipt;
        if self.knows(receipt.document_id)? {
            return match restored {
                Some((settled, epoch)) if self.is_newest_lost => self.catch_up(admission, settled, epoch),
                _ => Ok(Admitted::Existing),
            };
        }
        let mut draft = Draft::new(self.next);
        if part.is_last {
            self.remember(&mut draft, admission)?;
            self.move_states(&mut draft, admission)?;
            let record = DocumentRecord { keys: admission.keys.clone(), digest: receipt.sha256 };
            draft.put(keys::document(receipt.document_id), &record)?;
        }
        let (recalls, now) = (change::recalls(admission), self.clock.now());
        for delivery in admission.deliveries.get(part.deliveries).unwrap_or_default() {
            if self.read(|view| view.record(delivery.id))?.is_some() {
                // Another gateway admitted the same document and this one delivers it already, or an admission in parts
                // was cut off after this one.
                continue;
            }
            let step = change::admitted(delivery, draft.order());
            draft.step(None, &step)?;
            let mut record = step.after;
            let noted = restored.and_then(|(settled, _)| settled.get(&delivery.id));
            if let Some((_, epoch)) = restored {
                let as_admitted = Noted::as_admitted(delivery.state);
                let noted = noted.unwrap_or(&as_admitted);
                if noted.state != delivery.state || !noted.state.is_final() {
                    let rebuilt = change::rebuilt(record.clone(), noted, now, epoch, draft.next.event);
                    draft.step(Some(&record), &rebuilt)?;
                    record = rebuilt.after;
                }
            }
            if let Some(recall) = recalls.get(&delivery.id) {
                let basis = Basis::of(recall.act, noted);
                self.recall(&mut draft, recall, &record, basis, (receipt.accepted_at, now))?;
            }
        }
        self.apply(draft)?;
        self.admitted |= part.is_last;
        Ok(Admitted::Inserted)
    }

    /// What the lost generation knew of a document that an older one has is found in the notes beside its admission.
    fn catch_up(
        &mut self,
        admission: &Admission,
        settled: &BTreeMap<DeliveryId, Noted>,
        epoch: u32,
    ) -> Result<Admitted, Fault> {
        let mut draft = Draft::new(self.next);
        let now = self.clock.now();
        for delivery in &admission.deliveries {
            let Some(known) = self.read(|view| view.record(delivery.id))? else { continue };
            let noted = settled.get(&delivery.id);
            if change::is_behind(&known, noted) {
                let anew = change::admitted(delivery, known.delivery.order).after;
                let as_admitted = Noted::as_admitted(delivery.state);
                let noted = noted.unwrap_or(&as_admitted);
                let step = change::rebuilt(anew, noted, now, epoch, draft.next.event);
                draft.step(Some(&known), &step)?;
            }
        }
        if draft.next == self.next {
            return Ok(Admitted::Existing);
        }
        self.apply(draft)?;
        Ok(Admitted::Inserted)
    }

    /// Decides what one delivery of a new document asks of those before it.
    fn recall(
        &self,
        draft: &mut Draft,
        recall: &Recall,
        asks: &Record,
        basis: Basis,
        (accepted_at, now): (Timestamp, Timestamp),
    ) -> Result<(), Fault> {
        let earlier = recall.of.iter().map(|id| self.read(|view| view.record(*id)));
        let earlier = earlier.collect::<Result<Vec<_>, Fault>>()?;
        let steps = change::recalled(recall, asks, earlier, basis, now, draft.next.event);
        let Some(steps) = steps else { return Ok(()) };
        for (before, step) in &steps {
            draft.step(Some(before), step)?;
        }
        for change in &recall.moves {
            let key = keys::standing(change.key);
            let known: Option<Standing> = self.read(|view| view.value(&key))?;
            if let Some(after) = change::moved_by_recall(known.as_ref(), change, accepted_at) {
                draft.put(key, &after)?;
            }
        }
        Ok(())
    }

    /// The keys under which a repeat is recognised.
    fn remember(&self, draft: &mut Draft, admission: &Admission) -> Result<(), Fault> {
        let (receipt, known) = (&admission.receipt, &admission.keys);
        let id = receipt.document_id;
        for name in known.names() {
            draft.put(keys::name(&name, self.next.order, id), &id)?;
        }
        if let Some(status) = &known.status
            && self.read(|view| view.value::<DocumentId>(&keys::status(status)))?.is_none()
        {
            draft.put(keys::status(status), &id)?;
        }
        if let Some(key) = &admission.idempotency {
            let record = IdempotencyRecord { document: id, digest: receipt.sha256, at: receipt.accepted_at };
            draft.put(keys::idempotency(key), &record)?;
        }
        Ok(())
    }

    /// What the packet does to business states.
    fn move_states(&self, draft: &mut Draft, admission: &Admission) -> Result<(), Fault> {
        for change in &admission.moves {
            let key = keys::standing(change.key);
            let known: Option<Standing> = self.read(|view| view.value(&key))?;
            if let Some(after) = change::moved(known.as_ref(), change, admission.receipt.accepted_at) {
                draft.put(key, &after)?;
            }
        }
        Ok(())
    }

    /// `OutboxStore::remember`.
    pub(super) fn remember_key(&mut self, key: Vec<u8>, record: &IdempotencyRecord) -> Result<(), Fault> {
        let mut draft = Draft::new(self.next);
        draft.put(key, record)?;
        self.apply(draft)
    }

    /// `OutboxStore::hand_off`.
    pub(super) fn hand_off(&mut self, message: Delivery) -> Result<HandOff, Fault> {
        let known = self.read(|view| view.record(message.id))?;
        let mut draft = Draft::new(self.next);
        let order = if known.is_none() { draft.order() } else { 0 };
        match change::handed_off(known.as_ref(), message, order, self.clock.now()) {
            Err(outcome) => Ok(outcome),
            Ok(step) => {
                if known.is_some() && self.is_condemned(step.after.delivery.document)? {
                    return Ok(HandOff::Settled);
                }
                draft.step(known.as_ref(), &step)?;
                self.apply(draft)?;
                Ok(HandOff::Taken)
            }
        }
    }

    /// `OutboxStore::transition`.
    pub(super) fn transition(
        &mut self,
        id: DeliveryId,
        at: Timestamp,
        change: Transition,
    ) -> Result<Option<Delivery>, Fault> {
        let Some(known) = self.read(|view| view.record(id))? else { return Ok(None) };
        let Some(step) = change::transition(&known, at, change, self.next.event) else { return Ok(None) };
        if known.delivery.state.is_final() && self.is_condemned(known.delivery.document)? {
            return Ok(None);
        }
        self.write(&known, step).map(Some)
    }

    fn write(&mut self, known: &Record, step: Step) -> Result<Delivery, Fault> {
        let mut draft = Draft::new(self.next);
        draft.step(Some(known), &step)?;
        self.apply(draft)?;
        Ok(step.after.delivery)
    }

    /// The numbers to give out next.
    pub(super) fn next(&self) -> Next {
        self.next
    }

    /// `OutboxStore::events_sent`.
    pub(super) fn events_sent(&mut self, numbers: &[u64]) -> Result<(), Fault> {
        if numbers.is_empty() {
            return Ok(());
        }
        let mut draft = Draft::new(self.next);
        numbers.iter().for_each(|number| draft.remove(keys::event(*number)));
        self.apply(draft)
    }

    /// Whether the store knows a document.
    pub(crate) fn knows(&self, id: DocumentId) -> Result<bool, Fault> {
        Ok(self.read(|view| view.value::<DocumentRecord>(&keys::document(id)))?.is_some())
    }

    /// Whether the store was filled to its end after it was made.
    pub(crate) fn is_whole(&self) -> Result<bool, StoreFault> {
        let whole = self.look(|view| view.value::<bool>(keys::WHOLE));
        whole
            .map(|whole| whole == Some(true))
            .map_err(|fault| StoreFault::of_reading(self.generations.folder(), fault))
    }

    /// The folder that is written.
    pub(crate) fn folder(&self) -> &Path {
        self.generations.folder()
    }

    /// The newest generation was lost: deliveries that the older ones know may have gone on since.
    pub(crate) fn is_newest_lost(&self) -> bool {
        self.is_newest_lost
    }

    /// Whether nothing was ever written.
    pub(crate) fn is_empty(&self) -> Result<bool, Fault> {
        Ok(self.read(|view| view.value::<Next>(keys::NEXT))?.is_none())
    }

    /// Notes that the store has been filled to its end.
    pub(crate) fn mark_whole(&mut self) -> Result<(), Fault> {
        let mut draft = Draft::new(self.next);
        draft.put(keys::WHOLE.to_vec(), &true)?;
        self.apply(draft)?;
        self.barrier()
    }

    pub(super) fn read<T>(&self, look: impl FnOnce(View<'_>) -> Result<T, ReadFault>) -> Result<T, Fault> {
        self.look(look).map_err(|fault| self.progress.read_fault(fault))
    }

    fn look<T>(&self, look: impl FnOnce(View<'_>) -> Result<T, ReadFault>) -> Result<T, ReadFault> {
        look(View(&*self.generations.tree()?))
    }

    pub(super) fn apply(&mut self, mut draft: Draft) -> Result<(), Fault> {
        if draft.next != self.next {
            let next = draft.next;
            draft.put(keys::NEXT.to_vec(), &next)?;
        }
        self.progress.begin(draft.pending, draft.unpublished);
        let applied = self.generations.apply(draft.batch);
        applied.map_err(|cause| self.fail(&cause))?;
        self.next = draft.next;
        self.waiting_bytes += draft.bytes;
        Ok(())
    }

    /// Puts everything applied on disk.
    pub(crate) fn barrier(&mut self) -> Result<(), Fault> {
        if let Some(fault) = &self.broken {
            return Err(fault.clone());
        }
        #[cfg(any(test, feature = "contract"))]
        if self.fail_barriers {
            return Err(self.fail(&"a test's disk"));
        }
        if !self.progress.is_waiting() {
            return Ok(());
        }
        let synced = self.generations.barrier();
        synced.map_err(|cause| self.fail(&cause))?;
        self.waiting_bytes = 0;
        self.progress.reached();
        Ok(())
    }

    pub(super) fn fail(&mut self, cause: &dyn std::fmt::Display) -> Fault {
        let fault = Fault::fatal(PLACE, format!("not on disk, and closed until the next start: {cause}"));
        self.broken.get_or_insert(fault).clone()
    }
}
