//! Looks at the keys of the tree one by one, for a check: does the value read, does an entry lead to a record that has
//! it, is a record found under all of its keys, and has a delivery that goes on its files. Changes nothing.

use std::ops::Bound;
use std::sync::Arc;

use jiff::Timestamp;
use lienthong_pipeline::record::{HistoryEntry, Standing};
use lienthong_schemas::ids::{DeliveryId, DocumentId, StandingKey};
use serde::de::DeserializeOwned;

use super::draft::Next;
use super::engine::{Reader, SharedReader};
use super::prune::Pruned;
use super::upgrade::{LAYOUT, layout};
use super::view::{DocumentRecord, IdempotencyRecord, ReadFault, View, unsealed};
use super::writer::Writer;
use super::{FileStore, keys, locked};
use crate::change::Record;
use crate::check::{CheckFault, FaultCode, Findings};
use crate::spool::FileSpool;
use lienthong_pipeline::ports::Fault;
use lienthong_pipeline::record::Event;

/// Attempts to count while nothing changes; after these the committer counts.
const COUNT_ATTEMPTS: usize = 3;

/// What looked wrong, and has to be looked at again before it is said.
#[derive(Clone, Debug)]
pub(crate) enum Suspect {
    /// A key of the tree.
    Key(Vec<u8>),
    /// The numbers to give out next are not above these.
    Next {
        /// The highest order of a record.
        order: u64,
        /// The highest number of an event.
        event: u64,
    },
    /// The counts of pending and unpublished deliveries.
    Counts,
    /// A file of `admissions/`.
    Paper(std::ffi::OsString),
}

/// What a look-up came to.
pub(crate) enum Lookup<T> {
    Found(T),
    Absent,
    /// It is damaged, which is said where its own key is looked at, or the engine failed.
    Unreadable,
}

impl<T> Lookup<T> {
    fn of(read: Result<Option<T>, ReadFault>) -> Self {
        match read {
            Ok(Some(found)) => Self::Found(found),
            Ok(None) => Self::Absent,
            Err(_) => Self::Unreadable,
        }
    }

    fn is_absent(&self) -> bool {
        matches!(self, Self::Absent)
    }
}

/// Looks at one tree, and at the spool that belongs to it.
pub(crate) struct Inspector<'a> {
    reader: &'a dyn Reader,
    spool: &'a FileSpool,
}

/// What is counted on the way.
#[derive(Default)]
struct Highest {
    order: u64,
    event: u64,
}

type Faults = Vec<CheckFault>;

impl<'a> Inspector<'a> {
    pub(crate) fn new(reader: &'a dyn Reader, spool: &'a FileSpool) -> Self {
        Self { reader, spool }
    }

    /// Looks at the tree as it is now.
    fn look_up<T>(&self, look: impl FnOnce(View<'_>) -> Result<T, ReadFault>) -> Result<T, ReadFault> {
        look(View(&*self.reader.tree()?))
    }

    fn value<T: DeserializeOwned>(&self, key: &[u8]) -> Result<Option<T>, ReadFault> {
        self.look_up(|view| view.value(key))
    }

    /// Whether a document is in the store.
    pub(crate) fn knows(&self, id: DocumentId) -> Lookup<()> {
        Lookup::of(self.value::<DocumentRecord>(&keys::document(id)).map(|found| found.map(|_| ())))
    }

    /// The record of a delivery.
    pub(crate) fn record(&self, id: DeliveryId) -> Lookup<Record> {
        Lookup::of(self.look_up(|view| view.record(id)))
    }

    /// Documents accepted before this time may have been removed, all of them or some of what they were.
    pub(crate) fn pruned_before(&self) -> Option<Timestamp> {
        self.value::<Pruned>(keys::PRUNED).ok().flatten().map(|pruned| pruned.before)
    }

    /// A business state.
    pub(crate) fn standing(&self, key: StandingKey) -> Lookup<Standing> {
        Lookup::of(self.value(&keys::standing(key)))
    }

    /// Every key of the tree.
    pub(crate) fn look_at_all(&self, findings: &mut Findings) {
        if let Err(fault) = self.walk(findings) {
            findings.fault(unreadable(&fault));
        }
    }

    fn walk(&self, findings: &mut Findings) -> Result<(), ReadFault> {
        let layout = self.look_up(|view| layout(&view)).unwrap_or(LAYOUT);
        if layout < LAYOUT {
            let why =
                format!("layout {layout}, and this program writes {LAYOUT}; the next start indexes it anew");
            findings.fault(CheckFault::new(FaultCode::LayoutOld, keys::shown(keys::LAYOUT), why));
        }
        if let Ok(None) = self.value::<bool>(keys::WHOLE) {
            let why = "it was not filled to its end; the next start goes on";
            findings.fault(CheckFault::new(FaultCode::NotWhole, keys::shown(keys::WHOLE), why));
        }
        let mut highest = Highest::default();
        let tree = self.reader.tree()?;
        for entry in tree.range((Bound::Unbounded, Bound::Unbounded)) {
            let (key, sealed) = entry?;
            self.count(&key, &sealed, findings, &mut highest);
            let is_entry = keys::INDEXES.iter().any(|index| key.starts_with(index));
            if layout < LAYOUT && (is_entry || key.starts_with(keys::DELIVERIES)) {
                continue;
            }
            let faults = self.look(&key, &sealed);
            findings.suspect(|| Suspect::Key(key.to_vec()), faults.len());
        }
        let Highest { order, event } = highest;
        let suspect = Suspect::Next { order, event };
        let faults = self.again(&suspect);
        findings.suspect(|| suspect, faults.len());
        Ok(())
    }

    fn count(&self, key: &[u8], sealed: &[u8], findings: &mut Findings, highest: &mut Highest) {
        match key.get(..2).unwrap_or_default() {
            b"m|" => findings.check.documents += 1,
            b"e|" => {
                findings.check.deliveries += 1;
                let Ok(record) = unsealed::<Record>(key, sealed) else { return };
                findings.check.pending += u64::from(!record.delivery.state.is_final());
                highest.order = highest.order.max(record.delivery.order);
            }
            b"v|" => highest.event = highest.event.max(keys::event_in(key).unwrap_or(0)),
            _ => {}
        }
    }

    /// What is still wrong with what looked wrong.
    pub(crate) fn again(&self, suspect: &Suspect) -> Faults {
        match suspect {
            Suspect::Key(key) => {
                let looked = self.look_up(|view| {
                    let sealed = view.0.get(key)?;
                    Ok(sealed.map_or_else(Vec::new, |sealed| self.look(key, &sealed)))
                });
                looked.unwrap_or_else(|fault| vec![unreadable(&fault)])
            }
            Suspect::Next { order, event } => {
                let next = match self.value(keys::NEXT) {
                    Ok(next) => next.unwrap_or(Next { order: 1, event: 1 }),
                    // Said where the key itself is looked at.
                    Err(_) => return Vec::new(),
                };
                let mut faults = Vec::new();
                for (what, highest, next) in [("order", *order, next.order), ("event", *event, next.event)] {
                    if highest >= next {
                        let why = format!("{what} {highest} is given out, and {next} would be next");
                        faults.push(fault(FaultCode::Counter, keys::NEXT, why));
                    }
                }
                faults
            }
            Suspect::Counts | Suspect::Paper(_) => Vec::new(),
        }
    }

    /// What is wrong with one key and its value.
    fn look(&self, key: &[u8], sealed: &[u8]) -> Faults {
        let looked = match key.get(..2).unwrap_or_default() {
            b"e|" => self.look_at_record(key, sealed),
            b"m|" => unsealed::<DocumentRecord>(key, sealed).map(|_| Vec::new()),
            b"v|" => unsealed::<Event>(key, sealed).map(|_| Vec::new()),
            b"h|" => self.look_at_line(key, sealed),
            b"b|" => unsealed::<Standing>(key, sealed).map(|_| Vec::new()),
            b"i|" => {
                let named = unsealed::<IdempotencyRecord>(key, sealed);
                named.map(|record| self.look_for_document(key, record.document))
            }
            b"k|" | b"s|" => unsealed(key, sealed).map(|document| self.look_for_document(key, document)),
            b"g|" => unsealed::<DocumentId>(key, sealed).map(|_| Vec::new()),
            b"z|" => look_at_number(key, sealed),
            _ if keys::INDEXES.iter().any(|index| key.starts_with(index)) => self.look_at_entry(key, sealed),
            _ => Ok(vec![fault(FaultCode::KeyUnknown, key, "this program writes no such key")]),
        };
        looked.unwrap_or_else(|fault| vec![unreadable(&fault)])
    }

    fn look_at_record(&self, key: &[u8], sealed: &[u8]) -> Result<Faults, ReadFault> {
        let record: Record = unsealed(key, sealed)?;
        let delivery = &record.delivery;
        let mut faults = Vec::new();
        if keys::delivery(delivery.id) != key {
            faults.push(fault(FaultCode::EntryStale, key, format!("it is the record of {}", delivery.id)));
            return Ok(faults);
        }
        for index in keys::indexes(&record) {
            let found = self.value::<DeliveryId>(&index);
            if matches!(&found, Ok(found) if *found != Some(delivery.id)) {
                let why = format!("it is not found under {}", keys::shown(&index));
                faults.push(fault(FaultCode::EntryMissing, key, why));
            }
        }
        let line = keys::line(delivery.id, record.lines);
        if Lookup::of(self.value::<HistoryEntry>(&line)).is_absent() {
            let why = format!("line {} of its history is not there", record.lines);
            faults.push(fault(FaultCode::HistoryMissing, key, why));
        }
        if !delivery.state.is_final() {
            self.look_for_files(key, &record, &mut faults);
        }
        // Of a document that is being removed some keys may be gone before others.
        let condemned = keys::condemned(delivery.document);
        if !faults.is_empty() && matches!(self.value::<DocumentId>(&condemned), Ok(Some(_))) {
            faults.clear();
        }
        Ok(faults)
    }

    /// What a delivery needs to go on. One taken over from another gateway has its admission there.
    fn look_for_files(&self, key: &[u8], record: &Record, faults: &mut Faults) {
        let delivery = &record.delivery;
        let is_ours = matches!(self.knows(delivery.document), Lookup::Found(()));
        match self.spool.is_admitted(delivery.document) {
            Ok(false) if is_ours => {
                let why = format!("document {} has no admission", delivery.document);
                faults.push(fault(FaultCode::AdmissionMissing, key, why));
            }
            Ok(_) => {}
            Err(cause) => faults.push(fault(FaultCode::FileUnreadable, key, cause.to_string())),
        }
        match self.spool.blob_bytes(delivery.digest) {
            Ok(Some(bytes)) if bytes == delivery.bytes => {}
            Ok(Some(bytes)) => {
                let why = format!("packet {} has {bytes} bytes, not {}", delivery.digest, delivery.bytes);
                faults.push(fault(FaultCode::BlobLength, key, why));
            }
            Ok(None) => {
                let why = format!("packet {} is not there", delivery.digest);
                faults.push(fault(FaultCode::BlobMissing, key, why));
            }
            Err(cause) => faults.push(fault(FaultCode::FileUnreadable, key, cause.to_string())),
        }
    }

    fn look_at_entry(&self, key: &[u8], sealed: &[u8]) -> Result<Faults, ReadFault> {
        let id: DeliveryId = unsealed(key, sealed)?;
        Ok(match self.record(id) {
            Lookup::Found(record) if !keys::indexes(&record).iter().any(|has| has == key) => {
                vec![fault(FaultCode::EntryStale, key, format!("delivery {id} does not belong here"))]
            }
            Lookup::Absent => {
                vec![fault(FaultCode::EntryDangling, key, format!("there is no delivery {id}"))]
            }
            Lookup::Found(_) | Lookup::Unreadable => Vec::new(),
        })
    }

    fn look_at_line(&self, key: &[u8], sealed: &[u8]) -> Result<Faults, ReadFault> {
        unsealed::<HistoryEntry>(key, sealed)?;
        let id = key[2..].first_chunk().map(|id| DeliveryId::from_bytes(*id));
        let Some(id) = id.filter(|_| key.len() == 2 + 16 + 8) else {
            return Ok(vec![fault(FaultCode::KeyUnknown, key, "it is no line of a history")]);
        };
        let line = key[18..].first_chunk().map_or(0, |line| u64::from_be_bytes(*line));
        Ok(match self.record(id) {
            Lookup::Absent => {
                vec![fault(FaultCode::EntryDangling, key, format!("there is no delivery {id}"))]
            }
            Lookup::Found(record) if line > record.lines => {
                let why = format!("the history of {id} ends at {}", record.lines);
                vec![fault(FaultCode::EntryStale, key, why)]
            }
            Lookup::Found(_) | Lookup::Unreadable => Vec::new(),
        })
    }

    fn look_for_document(&self, key: &[u8], document: DocumentId) -> Faults {
        match self.knows(document) {
            Lookup::Absent => {
                vec![fault(FaultCode::EntryDangling, key, format!("there is no document {document}"))]
            }
            Lookup::Found(()) | Lookup::Unreadable => Vec::new(),
        }
    }
}

fn look_at_number(key: &[u8], sealed: &[u8]) -> Result<Faults, ReadFault> {
    match key {
        keys::NEXT => unsealed::<Next>(key, sealed).map(drop),
        keys::WHOLE => unsealed::<bool>(key, sealed).map(drop),
        keys::LAYOUT => unsealed::<u8>(key, sealed).map(drop),
        keys::BEGUN | keys::LEFT => unsealed::<Timestamp>(key, sealed).map(drop),
        keys::PRUNED => unsealed::<Pruned>(key, sealed).map(drop),
        _ => return Ok(vec![fault(FaultCode::KeyUnknown, key, "this program writes no such key")]),
    }?;
    Ok(Vec::new())
}

fn fault(code: FaultCode, key: &[u8], detail: impl Into<String>) -> CheckFault {
    CheckFault::new(code, keys::shown(key), detail)
}

fn unreadable(cause: &ReadFault) -> CheckFault {
    match cause {
        ReadFault::Engine(cause) => CheckFault::new(FaultCode::StoreUnreadable, "outbox", cause.to_string()),
        ReadFault::Damaged(key, damage) => fault(FaultCode::ValueDamaged, key, damage.to_string()),
    }
}

fn counted(reader: &dyn Reader) -> Result<(u64, u64), ReadFault> {
    let tree = reader.tree()?;
    let view = View(&*tree);
    let count = |prefix| -> Result<u64, ReadFault> {
        view.below(prefix).try_fold(0, |count, entry| Ok(entry.map(|_| count + 1)?))
    };
    Ok((count(keys::PENDING)?, count(keys::UNPUBLISHED)?))
}

impl Writer {
    /// [`Inspector::again`] by the one who writes, so that nothing changes meanwhile.
    pub(crate) fn look_again(&self, spool: &FileSpool, suspect: &Suspect) -> Faults {
        if !matches!(suspect, Suspect::Counts) {
            return Inspector::new(self.generations(), spool).again(suspect);
        }
        let told = self.progress().counts();
        match counted(self.generations()) {
            Ok(found) if found == told => Vec::new(),
            Ok(found) => {
                let why = format!("pending and unpublished are {found:?}, and told as {told:?}");
                vec![CheckFault::new(FaultCode::Counter, "outbox", why)]
            }
            Err(cause) => vec![unreadable(&cause)],
        }
    }
}

impl FileStore {
    /// Whoever looks at the tree.
    pub(crate) fn reader(&self) -> Result<Arc<dyn SharedReader>, Fault> {
        self.progress.check()?;
        locked(&self.readers).clone().ok_or_else(super::progress::closed)
    }

    /// Whether damage was met since the store was opened.
    pub(crate) fn is_damaged(&self) -> bool {
        self.progress.is_damaged()
    }

    /// Has the committer look; it changes nothing.
    pub(crate) async fn as_committer<T: Send + 'static>(
        &self,
        look: impl FnOnce(&Writer) -> T + Send + 'static,
    ) -> Result<T, Fault> {
        self.change(move |writer| Ok(look(writer))).await
    }

    /// Whether the counts look wrong, or change so fast that they cannot be compared without the committer.
    pub(crate) async fn miscounted(&self) -> Result<bool, Fault> {
        let (reader, progress) = (self.reader()?, self.progress.clone());
        let work = move || {
            for _ in 0..COUNT_ATTEMPTS {
                let (seen, told) = (progress.seen(), progress.counts());
                let found = counted(&*reader);
                if progress.seen() == seen {
                    return !found.is_ok_and(|found| found == told);
                }
            }
            true
        };
        tokio::task::spawn_blocking(work).await.map_err(|panic| Fault::new(crate::change::PLACE, panic))
    }
}
