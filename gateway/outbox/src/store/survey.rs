//! The one look at everything when a store is opened: every value is the one that was written, records and entries agree,
//! what has to be counted is counted, and the documents are noted, so that nobody has to ask for them one by one.
//!
//! An engine that lost a page without noticing shows some keys as they were before, and others as they are. So what each
//! record asks for is added up beside what is there, as sums of hashes: one pass, in memory that does not grow.
//! Most of the time goes into reading records, so a second thread does that.

use std::collections::{BTreeSet, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::ops::Bound;
use std::panic::resume_unwind;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use lienthong_schemas::ids::{DeliveryId, DocumentId};

use super::draft::Next;
use super::engine::{EngineFault, Tree};
use super::keys;
use super::view::{DocumentRecord, ReadFault, View, unsealed};
use crate::change::Record;
use crate::sealed::{self, Damage, HEAD_BYTES};

/// Bytes that are given to the second thread at a time, about, and how often that may be while it is busy.
const COPIED_BYTES: usize = 128 << 10;
const COPIES_AHEAD: usize = 4;

/// What was found.
pub(super) struct Survey {
    /// Deliveries that are not in a final state.
    pub(super) pending: u64,
    /// Deliveries that the broker has not acknowledged.
    pub(super) unpublished: u64,
    /// Every document, in the order of their ids; 16 bytes of memory for each.
    pub(super) documents: Vec<DocumentId>,
}

/// Looks at every key once. `next` are the numbers that will be given out.
///
/// # Errors
/// A value that is damaged, or keys that do not agree. A value that a newer program wrote is whole.
pub(super) fn survey(tree: &dyn Tree, next: Next) -> Result<Survey, ReadFault> {
    let condemned = condemned(tree)?;
    thread::scope(|scope| {
        let (to_read, copied) = sync_channel(COPIES_AHEAD);
        let reader = thread::Builder::new().name("outbox-survey".to_owned());
        let reading = reader.spawn_scoped(scope, || Records::read(&condemned, copied));
        let reading = reading.map_err(EngineFault::from)?;
        let look = Look::at_all(tree, &condemned, to_read);
        let records = reading.join().unwrap_or_else(|panic| resume_unwind(panic))?;
        records.compared(&look?, next)
    })
}

/// Documents that are being removed: some of their keys may be gone.
fn condemned(tree: &dyn Tree) -> Result<HashSet<DocumentId>, ReadFault> {
    let view = View(tree);
    let marked = view.below(keys::CONDEMNED).map(|entry| {
        let (key, sealed) = entry?;
        unsealed(&key, &sealed)
    });
    marked.collect()
}

/// A sum over things in any order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Sum(u64);

impl Sum {
    fn add(&mut self, thing: impl Hash) {
        let mut hash = DefaultHasher::new();
        thing.hash(&mut hash);
        self.0 = self.0.wrapping_add(hash.finish());
    }
}

/// What the records ask for.
#[derive(Default)]
struct Sums {
    entries: Sum,
    last_lines: Sum,
    names: Sum,
}

/// What there is besides records and documents.
#[derive(Default)]
struct Look {
    entries: Sum,
    names: Sum,
    event: u64,
    pending: u64,
    unpublished: u64,
}

/// What records and documents say; histories are compared here, because some of them belong to records that are going.
#[derive(Default)]
struct Records {
    wanted: Sums,
    last_lines: Sum,
    /// Deliveries of documents that are being removed.
    going: HashSet<DeliveryId>,
    /// A newer program wrote some of it, so that it does not read, and nothing is compared.
    is_newer: bool,
    order: u64,
    documents: Vec<DocumentId>,
}

/// Keys and their values for the second thread, one behind the other.
#[derive(Default)]
struct Copied {
    bytes: Vec<u8>,
    /// Where each key ends, and its value.
    ends: Vec<(usize, usize)>,
}

impl Copied {
    fn push(&mut self, key: &[u8], value: &[u8]) {
        self.bytes.extend_from_slice(key);
        let end_of_key = self.bytes.len();
        self.bytes.extend_from_slice(value);
        self.ends.push((end_of_key, self.bytes.len()));
    }

    fn entries(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        let starts = std::iter::once(0).chain(self.ends.iter().map(|(_, end)| *end));
        starts.zip(&self.ends).map(|(start, (key, end))| (&self.bytes[start..*key], &self.bytes[*key..*end]))
    }
}

impl Look {
    /// Goes through the tree. Records, documents and the last lines of histories are read and checked by whoever has the
    /// other end of `records`; when that listens no more, it ends.
    fn at_all(
        tree: &dyn Tree,
        condemned: &HashSet<DocumentId>,
        records: SyncSender<Copied>,
    ) -> Result<Self, ReadFault> {
        let (mut look, mut copied) = (Self::default(), Copied::default());
        // The key of a history's line, until one of another history comes: then it was the last one.
        let mut line = Vec::new();
        for entry in tree.range((Bound::Unbounded, Bound::Unbounded)) {
            let (key, sealed) = entry?;
            let prefix = key.get(..2).unwrap_or_default();
            if !line.is_empty() && history(&line) != history(&key) {
                copied.push(&line, &[]);
                line.clear();
            }
            if prefix == keys::DELIVERIES || prefix == keys::DOCUMENTS {
                copied.push(&key, &sealed);
            } else {
                sealed::look(&key, &sealed).map_err(|damage| ReadFault::Damaged(key.to_vec(), damage))?;
                look.at(&key, &sealed, condemned);
            }
            if prefix == keys::HISTORY {
                line.clear();
                line.extend_from_slice(&key);
            }
            if copied.bytes.len() >= COPIED_BYTES && records.send(std::mem::take(&mut copied)).is_err() {
                return Ok(look);
            }
        }
        if !line.is_empty() {
            copied.push(&line, &[]);
        }
        // Whoever listens no more has found damage, and says so.
        records.send(copied).ok();
        Ok(look)
    }

    fn at(&mut self, key: &[u8], sealed: &[u8], condemned: &HashSet<DocumentId>) {
        match key.get(..2).unwrap_or_default() {
            keys::NAMES => {
                if let Some((name, document, _)) = keys::name_in(key)
                    && !condemned.contains(&DocumentId::from_bytes(document))
                {
                    self.names.add((name, document));
                }
            }
            keys::EVENTS => self.event = self.event.max(keys::event_in(key).unwrap_or(0)),
            keys::OF_DOCUMENTS if keys::document_of(key).is_some_and(|id| condemned.contains(&id)) => {}
            prefix if keys::INDEXES.contains(&prefix) => {
                self.pending += u64::from(prefix == keys::PENDING);
                self.unpublished += u64::from(prefix == keys::UNPUBLISHED);
                self.entries.add((key, &sealed[HEAD_BYTES..]));
            }
            _ => {}
        }
    }
}

/// The history that a key is a line of; of a key of another kind it says nothing.
fn history(line: &[u8]) -> &[u8] {
    &line[..line.len().saturating_sub(8)]
}

impl Records {
    /// Reads all that comes.
    fn read(condemned: &HashSet<DocumentId>, copied: Receiver<Copied>) -> Result<Self, ReadFault> {
        let mut records = Self::default();
        for copied in copied {
            for (key, sealed) in copied.entries() {
                match records.at(key, sealed, condemned) {
                    Err(ReadFault::Damaged(_, Damage::Newer(_))) => records.is_newer = true,
                    read => read?,
                }
            }
        }
        Ok(records)
    }

    fn at(&mut self, key: &[u8], sealed: &[u8], condemned: &HashSet<DocumentId>) -> Result<(), ReadFault> {
        match key.get(..2).unwrap_or_default() {
            keys::DOCUMENTS => self.at_document(key, sealed, condemned),
            keys::DELIVERIES => {
                self.at_record(&unsealed(key, sealed)?, condemned);
                Ok(())
            }
            _ => {
                // Records come before histories.
                if keys::history_of(key).is_none_or(|id| !self.going.contains(&id)) {
                    self.last_lines.add(key);
                }
                Ok(())
            }
        }
    }

    fn at_document(
        &mut self,
        key: &[u8],
        sealed: &[u8],
        condemned: &HashSet<DocumentId>,
    ) -> Result<(), ReadFault> {
        let short = || ReadFault::Damaged(key.to_vec(), Damage::Short);
        let document = keys::document_in(key).ok_or_else(short)?;
        self.documents.push(document);
        let DocumentRecord { keys, .. } = unsealed(key, sealed)?;
        if condemned.contains(&document) {
            return Ok(());
        }
        for name in keys.names().collect::<BTreeSet<_>>() {
            self.wanted.names.add((name, *document.as_bytes()));
        }
        Ok(())
    }

    fn at_record(&mut self, record: &Record, condemned: &HashSet<DocumentId>) {
        let id: DeliveryId = record.delivery.id;
        self.order = self.order.max(record.delivery.order);
        if condemned.contains(&record.delivery.document) {
            self.going.insert(id);
            return;
        }
        let body = format!("\"{id}\"");
        for key in keys::indexes(record) {
            self.wanted.entries.add((key.as_slice(), body.as_bytes()));
        }
        self.wanted.last_lines.add(keys::line(id, record.lines).as_slice());
    }

    /// Whether they ask for what there is, and for no more.
    fn compared(self, look: &Look, next: Next) -> Result<Survey, ReadFault> {
        let Self { wanted, last_lines, .. } = &self;
        let agree = [
            (
                keys::DELIVERIES,
                wanted.entries == look.entries,
                "the records have other entries than they ask for",
            ),
            (keys::HISTORY, wanted.last_lines == *last_lines, "histories end elsewhere than the records say"),
            (keys::NAMES, wanted.names == look.names, "the documents have other names than they ask for"),
            (
                keys::NEXT,
                self.order < next.order && look.event < next.event,
                "numbers that are given out would be given out again",
            ),
        ];
        // What does not read cannot be compared with anything.
        let broken = agree.iter().find(|(_, agrees, _)| !agrees && !self.is_newer);
        if let Some((key, _, why)) = broken {
            return Err(ReadFault::Damaged(key.to_vec(), Damage::Disagrees(why)));
        }
        let Look { pending, unpublished, .. } = *look;
        Ok(Survey { pending, unpublished, documents: self.documents })
    }
}
