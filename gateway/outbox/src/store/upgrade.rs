//! Stores that an earlier program wrote: its records read, but not all of the index entries of [`keys::indexes`] are
//! there, and some may stand under keys of before. Every entry is made anew once, in small batches; the mark is written
//! last, so what is cut off begins again at the next opening and does no harm.

mod names;

use std::path::Path;

use lienthong_pipeline::ports::Fault;
use lienthong_schemas::ids::DeliveryId;

use super::draft::{Draft, Next};
use super::engine::Backend;
use super::view::{ReadFault, View, unsealed};
use super::{StoreFault, keys};
use crate::change::Record;

/// The layout that this program writes. 1, which has no mark: no entries for dead letters, queues named by receiver. 2:
/// documents are not found by the name of the one that they change; no entries for what is on its way; nothing says of an
/// attempt whether the receiver may have the packet. 3: no entries for what waits in mailboxes, of which there were none.
pub(super) const LAYOUT: u8 = 4;
/// Keys looked at for one batch.
const CHUNK: usize = 512;

/// The layout of a store; a store that has just been made has the first one, too.
pub(super) fn layout(view: &View<'_>) -> Result<u8, ReadFault> {
    Ok(view.value(keys::LAYOUT)?.unwrap_or(1))
}

/// Brings the store to [`LAYOUT`].
///
/// # Errors
/// It is of a newer layout; a record or an entry is damaged; the disk.
pub(super) fn upgrade(backend: &mut dyn Backend, folder: &Path) -> Result<(), StoreFault> {
    let tree = backend.tree().map_err(|cause| StoreFault::of_engine(folder, cause))?;
    let found = layout(&View(&*tree)).map_err(|fault| StoreFault::of_reading(folder, fault))?;
    drop(tree);
    if found > LAYOUT {
        return Err(StoreFault::Newer { path: folder.to_owned(), found });
    }
    if found == LAYOUT {
        return Ok(());
    }
    let mut work = Upgrade { backend, folder };
    let mut removed = 0;
    for index in keys::INDEXES {
        removed += work.each(index, remove_stale)?;
    }
    let added = work.each(keys::DELIVERIES, add_missing)? + work.each(keys::DOCUMENTS, names::add_missing)?;
    let unclear = work.each(keys::DELIVERIES, note_unclear)?;
    let mut mark = Draft::new(Next { order: 0, event: 0 });
    mark.put(keys::LAYOUT.to_vec(), &LAYOUT).map_err(|fault| work.failed(&fault))?;
    work.write(mark)?;
    if removed + added + unclear > 0 {
        tracing::warn!(
            from = found,
            to = LAYOUT,
            added,
            removed,
            unclear,
            "the store was brought up to date"
        );
    }
    Ok(())
}

struct Upgrade<'a> {
    backend: &'a mut dyn Backend,
    folder: &'a Path,
}

/// Looks at one key and its value, and drafts what has to change; how many entries these are.
type Step = fn(&View<'_>, &[u8], &[u8], &mut Draft) -> Result<u64, StepFault>;

enum StepFault {
    Read(ReadFault),
    Write(Fault),
}

impl From<ReadFault> for StepFault {
    fn from(fault: ReadFault) -> Self {
        Self::Read(fault)
    }
}

impl Upgrade<'_> {
    /// Takes a step for every key that begins with `prefix`, a chunk at a time.
    fn each(&mut self, prefix: &[u8], step: Step) -> Result<u64, StoreFault> {
        let (mut after, mut changed) = (None::<Vec<u8>>, 0);
        loop {
            let mut draft = Draft::new(Next { order: 0, event: 0 });
            let (mut in_chunk, mut last) = (0, None);
            let tree = self.backend.tree().map_err(|cause| StoreFault::of_engine(self.folder, cause))?;
            let view = View(&*tree);
            for entry in view.below_after(prefix, after.as_deref()).take(CHUNK) {
                let (key, sealed) = entry.map_err(|cause| StoreFault::of_engine(self.folder, cause))?;
                in_chunk += step(&view, &key, &sealed, &mut draft).map_err(|fault| match fault {
                    StepFault::Read(fault) => StoreFault::of_reading(self.folder, fault),
                    StepFault::Write(fault) => self.failed(&fault),
                })?;
                last = Some(key.to_vec());
            }
            drop(tree);
            let Some(last) = last else { return Ok(changed) };
            if in_chunk > 0 {
                self.write(draft)?;
                changed += in_chunk;
            }
            after = Some(last);
        }
    }

    fn write(&mut self, draft: Draft) -> Result<(), StoreFault> {
        let written = self.backend.apply(draft.batch).and_then(|()| self.backend.barrier());
        written.map_err(|cause| StoreFault::of_engine(self.folder, cause))
    }

    fn failed(&self, fault: &Fault) -> StoreFault {
        StoreFault::Io { path: self.folder.to_owned(), source: std::io::Error::other(fault.to_string()) }
    }
}

/// An entry that its record does not have.
fn remove_stale(view: &View<'_>, key: &[u8], sealed: &[u8], draft: &mut Draft) -> Result<u64, StepFault> {
    let id: DeliveryId = unsealed(key, sealed)?;
    let record = view.record(id)?;
    if record.is_some_and(|record| keys::indexes(&record).iter().any(|has| has == key)) {
        return Ok(0);
    }
    draft.remove(key.to_vec());
    Ok(1)
}

/// The entries of a record that are not there.
fn add_missing(view: &View<'_>, key: &[u8], sealed: &[u8], draft: &mut Draft) -> Result<u64, StepFault> {
    let record: Record = unsealed(key, sealed)?;
    let mut added = 0;
    for index in keys::indexes(&record) {
        if view.value::<DeliveryId>(&index)? != Some(record.delivery.id) {
            draft.put(index, &record.delivery.id).map_err(StepFault::Write)?;
            added += 1;
        }
    }
    Ok(added)
}

/// A delivery that may have been tried by a program that did not note how its attempts ended: to take it back unseen
/// could leave its receiver with a document that was revoked.
fn note_unclear(_: &View<'_>, key: &[u8], sealed: &[u8], draft: &mut Draft) -> Result<u64, StepFault> {
    let mut record: Record = unsealed(key, sealed)?;
    let delivery = &mut record.delivery;
    let tried = delivery.handed_off || delivery.attempts > 0;
    if delivery.state.is_final() || !tried || delivery.may_have_arrived {
        return Ok(0);
    }
    delivery.may_have_arrived = true;
    draft.put(key.to_vec(), &record).map_err(StepFault::Write)?;
    Ok(1)
}

#[cfg(test)]
mod tests;
