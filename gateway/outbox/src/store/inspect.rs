//! Looks at the keys of the tree one by one, for a check; what is wrong with one of them is in `look`. Changes nothing.

mod look;

use std::ops::Bound;
use std::sync::Arc;

use jiff::Timestamp;
use lienthong_pipeline::ports::Fault;
use lienthong_pipeline::record::Standing;
use lienthong_schemas::ids::{DeliveryId, DocumentId, StandingKey};
use serde::de::DeserializeOwned;

use self::look::{fault, unreadable};
use super::draft::Next;
use super::engine::{Reader, SharedReader};
use super::prune::Pruned;
use super::upgrade::{LAYOUT, layout};
use super::view::{DocumentRecord, ReadFault, View, unsealed};
use super::writer::Writer;
use super::{FileStore, keys, locked};
use crate::change::Record;
use crate::check::{CheckFault, FaultCode, Findings};
use crate::spool::FileSpool;

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
