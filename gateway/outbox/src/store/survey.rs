//! The one look at everything when a store is opened: every value is the one that was written, records and entries agree,
//! what has to be counted is counted, and the documents are noted, so that nobody has to ask for them one by one.
//!
//! An engine that lost a page without noticing shows some keys as they were before, and others as they are. So what each
//! record asks for is added up beside what is there, as sums of hashes: one pass, in memory that does not grow.

use std::collections::{BTreeSet, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::ops::Bound;

use lienthong_schemas::ids::{DeliveryId, DocumentId};

use super::draft::Next;
use super::engine::{Stored, Tree};
use super::keys;
use super::view::{DocumentRecord, ReadFault, View, unsealed};
use crate::change::Record;
use crate::sealed::{self, Damage, HEAD_BYTES};

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
/// The first value that is damaged, or keys that do not agree. A value that a newer program wrote is whole.
pub(super) fn survey(tree: &dyn Tree, next: Next) -> Result<Survey, ReadFault> {
    let mut look = Look { condemned: condemned(tree)?, ..Look::default() };
    for entry in tree.range((Bound::Unbounded, Bound::Unbounded)) {
        let (key, sealed) = entry?;
        sealed::look(&key, &sealed).map_err(|damage| ReadFault::Damaged(key.to_vec(), damage))?;
        match look.at(&key, &sealed) {
            Err(ReadFault::Damaged(_, Damage::Newer(_))) => look.is_newer = true,
            looked => looked?,
        }
    }
    look.end(next)
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

/// What the records ask for, and what is there.
#[derive(Default)]
struct Sums {
    entries: Sum,
    last_lines: Sum,
    names: Sum,
}

#[derive(Default)]
struct Look {
    wanted: Sums,
    found: Sums,
    condemned: HashSet<DocumentId>,
    /// Deliveries of these.
    going: HashSet<DeliveryId>,
    /// A newer program wrote some of it, so that it does not read, and nothing is compared.
    is_newer: bool,
    /// The key of a history's line, until one of another history comes: then it was the last one.
    line: Vec<u8>,
    order: u64,
    event: u64,
    pending: u64,
    unpublished: u64,
    documents: Vec<DocumentId>,
}

impl Look {
    fn at(&mut self, key: &[u8], sealed: &Stored) -> Result<(), ReadFault> {
        let prefix = key.get(..2).unwrap_or_default();
        match prefix {
            keys::DOCUMENTS => self.at_document(key, sealed)?,
            keys::DELIVERIES => self.at_record(&unsealed(key, sealed)?),
            keys::HISTORY => self.at_line(key),
            keys::NAMES => {
                if let Some((name, document, _)) = keys::name_in(key)
                    && !self.condemned.contains(&DocumentId::from_bytes(document))
                {
                    self.found.names.add((name, document));
                }
            }
            keys::EVENTS => self.event = self.event.max(keys::event_in(key).unwrap_or(0)),
            keys::OF_DOCUMENTS if keys::document_of(key).is_some_and(|id| self.condemned.contains(&id)) => {}
            _ if keys::INDEXES.contains(&prefix) => {
                self.pending += u64::from(prefix == keys::PENDING);
                self.unpublished += u64::from(prefix == keys::UNPUBLISHED);
                self.found.entries.add((key, &sealed[HEAD_BYTES..]));
            }
            _ => {}
        }
        Ok(())
    }

    fn at_document(&mut self, key: &[u8], sealed: &[u8]) -> Result<(), ReadFault> {
        let short = || ReadFault::Damaged(key.to_vec(), Damage::Short);
        let document = keys::document_in(key).ok_or_else(short)?;
        self.documents.push(document);
        let DocumentRecord { keys, .. } = unsealed(key, sealed)?;
        if self.condemned.contains(&document) {
            return Ok(());
        }
        for name in keys.names().collect::<BTreeSet<_>>() {
            self.wanted.names.add((name, *document.as_bytes()));
        }
        Ok(())
    }

    fn at_record(&mut self, record: &Record) {
        let id: DeliveryId = record.delivery.id;
        self.order = self.order.max(record.delivery.order);
        if self.condemned.contains(&record.delivery.document) {
            self.going.insert(id);
            return;
        }
        let body = format!("\"{id}\"");
        for key in keys::indexes(record) {
            self.wanted.entries.add((key.as_slice(), body.as_bytes()));
        }
        self.wanted.last_lines.add(keys::line(id, record.lines));
    }

    fn at_line(&mut self, key: &[u8]) {
        if keys::history_of(key).is_some_and(|id| self.going.contains(&id)) {
            return;
        }
        let history = |key: &[u8]| key.get(..key.len().saturating_sub(8)).map(<[u8]>::to_vec);
        if history(&self.line) != history(key) {
            self.end_of_history();
        }
        self.line = key.to_vec();
    }

    fn end_of_history(&mut self) {
        let last = std::mem::take(&mut self.line);
        if !last.is_empty() {
            self.found.last_lines.add(last);
        }
    }

    fn end(mut self, next: Next) -> Result<Survey, ReadFault> {
        self.end_of_history();
        let Self { wanted, found, .. } = &self;
        let agree = [
            (
                keys::DELIVERIES,
                wanted.entries == found.entries,
                "the records have other entries than they ask for",
            ),
            (
                keys::HISTORY,
                wanted.last_lines == found.last_lines,
                "histories end elsewhere than the records say",
            ),
            (keys::NAMES, wanted.names == found.names, "the documents have other names than they ask for"),
            (
                keys::NEXT,
                self.order < next.order && self.event < next.event,
                "numbers that are given out would be given out again",
            ),
        ];
        // What does not read cannot be compared with anything.
        let broken = agree.iter().find(|(_, agrees, _)| !agrees && !self.is_newer);
        if let Some((key, _, why)) = broken {
            return Err(ReadFault::Damaged(key.to_vec(), Damage::Disagrees(why)));
        }
        let Self { pending, unpublished, documents, .. } = self;
        Ok(Survey { pending, unpublished, documents })
    }
}
