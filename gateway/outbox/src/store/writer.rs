//! The only writer of the tree. Each change is read, decided and applied as one batch; the barrier then puts all that
//! was applied on disk. Runs in one thread, so nothing changes between reading and applying.

mod admitting;

use std::path::Path;
use std::sync::{Arc, Mutex, Weak};

use jiff::Timestamp;
use lienthong_pipeline::ports::{Clock, Fault, HandOff, Transition};
use lienthong_pipeline::record::{Delivery, Recall};
use lienthong_schemas::ids::{DeliveryId, DocumentId};

use super::draft::{Draft, Next};
use super::engine::{Backend, Engine, Keeper, Reader, SharedReader};
use super::generations::{self, Generations};
use super::progress::Progress;
use super::survey::Survey;
use super::view::{DocumentRecord, IdempotencyRecord, ReadFault, View};
use super::{StoreFault, keys};
use crate::change::{self, Basis, PLACE, Record, Step};

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
    pub(super) keeper: Keeper,
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
    pub(crate) fn open(folder: &Path, keeper: Keeper, clock: Arc<dyn Clock>) -> Result<Self, StoreFault> {
        let found = generations::open(folder, keeper, clock.now())?;
        Self::over(found, keeper, clock)
    }

    /// The same with generations that are open.
    pub(super) fn over(
        found: generations::Found,
        keeper: Keeper,
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
            keeper,
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

    /// `OutboxStore::remember`.
    pub(super) fn remember_key(&mut self, key: Vec<u8>, record: &IdempotencyRecord) -> Result<(), Fault> {
        let mut draft = Draft::new(self.next);
        draft.put(key, record)?;
        self.apply(draft)
    }

    /// `OutboxStore::hand_off`, and `OutboxStore::hand_off_asking`.
    pub(super) fn hand_off(&mut self, message: Delivery, asked: Option<&Recall>) -> Result<HandOff, Fault> {
        let known = self.read(|view| view.record(message.id))?;
        let mut draft = Draft::new(self.next);
        let order = if known.is_none() { draft.order() } else { 0 };
        let now = self.clock.now();
        match change::handed_off(known.as_ref(), message, order, now) {
            Err(outcome) => Ok(outcome),
            Ok((step, outcome)) => {
                if known.is_some() && self.is_condemned(step.after.delivery.document)? {
                    return Ok(HandOff::Settled);
                }
                draft.step(known.as_ref(), &step)?;
                if let Some(recall) = asked.filter(|_| outcome == HandOff::Taken) {
                    let accepted_at = step.after.delivery.accepted_at;
                    self.recall(&mut draft, recall, &step.after, Basis::Look, (accepted_at, now))?;
                }
                self.apply(draft)?;
                Ok(outcome)
            }
        }
    }

    /// `OutboxStore::adopt`.
    pub(super) fn adopt(&mut self, lost: Delivery, note: &str) -> Result<bool, Fault> {
        let known = self.read(|view| view.record(lost.id))?;
        let mut draft = Draft::new(self.next);
        let order = if known.is_none() { draft.order() } else { 0 };
        let Some(step) = change::adopted(known.as_ref(), lost, order, self.clock.now(), note) else {
            return Ok(false);
        };
        draft.step(known.as_ref(), &step)?;
        self.apply(draft)?;
        Ok(true)
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
        self.progress.show();
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
