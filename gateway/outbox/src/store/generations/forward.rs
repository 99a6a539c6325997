//! Beginning the next generation while the newest goes on. What is alive is copied over, some at a time; whatever is
//! written meanwhile goes to both. When all is there and on disk the next one takes over, and the one before only answers
//! for its keys. An older one goes when its time is over; what is then left in it moves into the newest first.

use jiff::Timestamp;
use lienthong_pipeline::crash::crash_point;
use lienthong_schemas::ids::DeliveryId;
use serde::Serialize;

use super::folders::{begun, take_away, take_away_folder};
use super::marks::mark_left;
use super::{Generation, Generations, Left};
use crate::change::Record;
use crate::sealed;
use crate::store::engine::{Backend, Batch, EngineFault, Keeper, Tree};
use crate::store::keys;
use crate::store::view::{ReadFault, View, unsealed};

/// Deliveries, or events, that one step copies: a commit waits for one step at most.
const CHUNK: usize = 32;
/// Keys that one step moves out of a generation which goes.
const KEYS_CHUNK: usize = 2_048;
/// What is copied: deliveries that are not final, what axes are asked about, dead letters, outcomes to report, events not
/// sent, and what is being removed. A delivery that changes comes to stand below a later one of the first four prefixes,
/// or it is written anew, to both.
const PASSES: [&[u8]; 6] =
    [keys::PENDING, keys::BEYOND, keys::DEAD_LETTERS, keys::REPORTS, keys::EVENTS, keys::CONDEMNED];

/// What came of a step.
#[derive(Debug)]
pub(in crate::store) enum Step {
    /// There is more.
    More,
    /// That was all.
    Done,
    /// The next generation could not be written, and is given up. The newest goes on as before.
    Failed(EngineFault),
    /// Nothing more may be written: which generation counts after a kill is not what is in memory.
    Broken(EngineFault),
}

/// How far the copying has come.
#[derive(Default)]
pub(in crate::store) struct Cursor {
    pass: usize,
    after: Option<Vec<u8>>,
}

/// The generation that is being filled.
pub(super) struct Next {
    generation: Generation,
    cursor: Cursor,
    fault: Option<EngineFault>,
}

impl Next {
    /// Copies a chunk; it is on disk with this.
    fn copy(&mut self, newest: &dyn Backend) -> Result<Step, ReadFault> {
        let tree = newest.tree()?;
        let Some(batch) = copied(&View(&*tree), &mut self.cursor)? else { return Ok(Step::Done) };
        let written = self.generation.apply(batch).and_then(|()| self.generation.backend.barrier());
        Ok(written.map_or_else(Step::Failed, |()| Step::More))
    }
}

impl Generations {
    /// Begins the next generation; from now on it gets all that is written.
    pub(in crate::store) fn begin_next(&mut self, keeper: Keeper, now: Timestamp) -> Result<(), EngineFault> {
        if let Some(before) = self.next.take() {
            abandon(before.generation);
        }
        let number = self.newest.number + 1;
        if self.root.join(number.to_string()).symlink_metadata().is_ok() {
            take_away_folder(&self.root.join(number.to_string()))?;
        }
        let generation = begun(&self.root, number, keeper, now)?;
        crash_point("after-generation-begun");
        self.next = Some(Next { generation, cursor: Cursor::default(), fault: None });
        Ok(())
    }

    pub(super) fn apply_to_next(&mut self, batch: &Batch) {
        if let Some(next) = self.next.as_mut().filter(|next| next.fault.is_none()) {
            next.fault = next.generation.apply(batch.clone()).err();
        }
    }

    /// Copies some of what is alive. [`Step::Done`]: the next generation has taken over.
    ///
    /// # Errors
    /// The newest cannot be read; the next one is given up.
    pub(in crate::store) fn forward(&mut self, now: Timestamp) -> Result<Step, ReadFault> {
        let Some(mut next) = self.next.take() else { return Ok(Step::Done) };
        let copied = match next.fault.take() {
            Some(fault) => Ok(Step::Failed(fault)),
            None => next.copy(&*self.newest.backend),
        };
        match copied {
            Ok(Step::More) => {
                crash_point("while-generation-filled");
                self.next = Some(next);
                Ok(Step::More)
            }
            Ok(Step::Done) => match self.marks() {
                Ok(marks) => Ok(self.take_over(next, marks, now)),
                Err(fault) => {
                    abandon(next.generation);
                    Err(fault)
                }
            },
            failed => {
                abandon(next.generation);
                failed
            }
        }
    }

    /// The numbers that go on in the next generation, and that it is filled.
    fn marks(&self) -> Result<Batch, ReadFault> {
        let mut marks = Batch::default();
        let tree = self.newest.backend.tree()?;
        for key in [keys::NEXT, keys::PRUNED] {
            if let Some(value) = tree.get(key)? {
                marks.insert(key.to_vec(), value.to_vec());
            }
        }
        marks.insert(keys::WHOLE.to_vec(), sealed_value(keys::WHOLE, &true)?);
        Ok(marks)
    }

    /// The next generation is the newest from now on.
    fn take_over(&mut self, mut next: Next, marks: Batch, now: Timestamp) -> Step {
        let written = next.generation.apply(marks).and_then(|()| next.generation.backend.barrier());
        if let Err(fault) = written {
            // Whether it counts after a kill is not known, so nothing else may be written before it is gone.
            return match take_away(next.generation) {
                Ok(()) => Step::Failed(fault),
                Err(cause) => Step::Broken(cause.into()),
            };
        }
        crash_point("after-generation-whole");
        if let Err(fault) = mark_left(&mut *self.newest.backend, now) {
            return Step::Broken(fault);
        }
        crash_point("after-generation-left");
        let before = std::mem::replace(&mut self.newest, next.generation);
        tracing::info!(number = self.newest.number, "the next generation of the store has taken over");
        self.older.insert(0, before.left());
        Step::Done
    }

    /// Copies into an empty newest generation what was alive in the one before it when that was left.
    pub(in crate::store) fn fill_from_before(&mut self, cursor: &mut Cursor) -> Result<Step, ReadFault> {
        let Some(before) = self.older.first() else { return Ok(Step::Done) };
        let tree = before.reader.tree()?;
        let Some(mut batch) = copied(&View(&*tree), cursor)? else { return Ok(Step::Done) };
        for key in [keys::NEXT, keys::PRUNED] {
            if let Some(value) = tree.get(key)? {
                batch.insert(key.to_vec(), value.to_vec());
            }
        }
        drop(tree);
        self.newest.apply(batch)?;
        Ok(Step::More)
    }

    /// Since when the oldest generation has been left, if there is one besides the newest.
    pub(in crate::store) fn oldest_left(&self) -> Result<Option<Timestamp>, ReadFault> {
        let Some(oldest) = self.older.last() else { return Ok(None) };
        View(&*oldest.reader.tree()?).value(keys::LEFT)
    }

    /// Moves some of what only the oldest generation has into the newest. [`Step::Done`]: nothing is left to move.
    pub(in crate::store) fn move_up(&mut self, cursor: &mut Cursor) -> Result<Step, ReadFault> {
        let Some((oldest, others)) = self.older.split_last() else { return Ok(Step::Done) };
        let tree = oldest.reader.tree()?;
        // With what waits for the next barrier.
        let newer = super::Layers { newest: self.newest.backend.tree()?, older: super::older(others) };
        let mut batch = Batch::default();
        while let Some(prefix) = keys::KEPT.get(cursor.pass) {
            let (mut looked_at, mut last) = (0, None);
            for entry in View(&*tree).below_after(prefix, cursor.after.as_deref()).take(KEYS_CHUNK) {
                let (key, value) = entry?;
                if newer.get(&key)?.is_none() {
                    batch.insert(key.to_vec(), value.to_vec());
                }
                looked_at += 1;
                last = Some(key.to_vec());
            }
            match last {
                Some(last) if looked_at == KEYS_CHUNK => {
                    cursor.after = Some(last);
                    break;
                }
                _ => *cursor = Cursor { pass: cursor.pass + 1, after: None },
            }
        }
        let is_done = keys::KEPT.get(cursor.pass).is_none();
        drop((tree, newer));
        self.apply(batch)?;
        Ok(if is_done { Step::Done } else { Step::More })
    }

    /// Leaves the oldest generation, everything of which the others have, to be removed.
    pub(in crate::store) fn leave_oldest(&mut self) -> Result<Option<Left>, EngineFault> {
        self.barrier()?;
        Ok(self.older.pop())
    }
}

impl Left {
    /// Removes it from the disk.
    pub(in crate::store) fn remove(self) {
        let Self { number, folder, backend, reader, .. } = self;
        drop((backend, reader));
        crash_point("before-generation-removed");
        match take_away_folder(&folder) {
            Ok(()) => tracing::info!(number, "a generation whose time is over is removed"),
            Err(cause) => tracing::warn!(number, %cause, "a generation whose time is over is removed later"),
        }
    }
}

/// One that does not count. If it cannot be removed now, the next one to begin removes it, or the next start does.
fn abandon(generation: Generation) {
    if let Err(cause) = take_away(generation) {
        tracing::warn!(%cause, "a generation that was begun cannot be removed");
    }
}

/// The next chunk of what is alive in a tree; `None` when there is no more.
fn copied(view: &View<'_>, cursor: &mut Cursor) -> Result<Option<Batch>, ReadFault> {
    while let Some(prefix) = PASSES.get(cursor.pass) {
        let mut batch = Batch::default();
        let mut last = None;
        for entry in view.below_after(prefix, cursor.after.as_deref()).take(CHUNK) {
            let (key, value) = entry?;
            match *prefix {
                keys::EVENTS | keys::CONDEMNED => batch.insert(key.to_vec(), value.to_vec()),
                _ => copy_delivery(view, unsealed(&key, &value)?, &mut batch)?,
            }
            last = Some(key.to_vec());
        }
        if last.is_some() {
            cursor.after = last;
            return Ok(Some(batch));
        }
        *cursor = Cursor { pass: cursor.pass + 1, after: None };
    }
    Ok(None)
}

/// A record, its entries and its history, as they are.
fn copy_delivery(view: &View<'_>, id: DeliveryId, batch: &mut Batch) -> Result<(), ReadFault> {
    let key = keys::delivery(id);
    let Some(value) = view.0.get(&key)? else { return Ok(()) };
    let record: Record = unsealed(&key, &value)?;
    for index in keys::indexes(&record) {
        let sealed = sealed_value(&index, &id)?;
        batch.insert(index, sealed);
    }
    for entry in view.below(&keys::history(id)) {
        let (line, value) = entry?;
        batch.insert(line.to_vec(), value.to_vec());
    }
    batch.insert(key, value.to_vec());
    Ok(())
}

fn sealed_value<T: Serialize>(key: &[u8], value: &T) -> Result<Vec<u8>, EngineFault> {
    sealed::seal(key, value).map_err(|cause| EngineFault::Failed(cause.to_string()))
}
