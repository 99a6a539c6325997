//! One batch in the making: what a change writes and removes, its sizes checked, its counters kept aside until it is
//! applied.

use lienthong_pipeline::ports::Fault;
use lienthong_schemas::ids::DeliveryId;
use serde::{Deserialize, Serialize};

use super::engine::Batch;
use super::keys;
use crate::change::{HISTORY_LINES_MAX, PLACE, Record, Step};
use crate::sealed;

/// Longest value in bytes when written down (notes: sled keeps values of this size in its log, never in files that it
/// does not sync).
pub const VALUE_BYTES_MAX: usize = 2_048;

/// The numbers that the store gives out next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Next {
    /// Of the next delivery.
    pub(super) order: u64,
    /// Of the next event.
    pub(super) event: u64,
}

/// A batch, and what applying it does to the counters.
pub(super) struct Draft {
    pub(super) batch: Batch,
    pub(super) next: Next,
    pub(super) bytes: usize,
    pub(super) pending: i64,
    pub(super) unpublished: i64,
}

impl Draft {
    pub(super) fn new(next: Next) -> Self {
        Self { batch: Batch::default(), next, bytes: 0, pending: 0, unpublished: 0 }
    }

    /// Writes a value.
    ///
    /// # Errors
    /// The key is longer than [`keys::KEY_BYTES_MAX`] or the value than [`VALUE_BYTES_MAX`].
    pub(super) fn put<T: Serialize>(&mut self, key: Vec<u8>, value: &T) -> Result<(), Fault> {
        let fault = |cause: String| Fault::new(PLACE, format!("{}: {cause}", keys::shown(&key)));
        let sealed = sealed::seal(&key, value).map_err(|cause| fault(cause.to_string()))?;
        if key.len() > keys::KEY_BYTES_MAX {
            return Err(fault(format!("a key of {} bytes, at most {}", key.len(), keys::KEY_BYTES_MAX)));
        }
        if sealed.len() > VALUE_BYTES_MAX {
            return Err(fault(format!("a value of {} bytes, at most {VALUE_BYTES_MAX}", sealed.len())));
        }
        self.bytes += key.len() + sealed.len();
        self.batch.insert(key, sealed);
        Ok(())
    }

    pub(super) fn remove(&mut self, key: Vec<u8>) {
        self.bytes += key.len();
        self.batch.remove(key);
    }

    /// Gives out an order.
    pub(super) fn order(&mut self) -> u64 {
        let order = self.next.order;
        self.next.order += 1;
        order
    }

    /// Writes one step: record, indexes, history line and event.
    pub(super) fn step(&mut self, before: Option<&Record>, step: &Step) -> Result<(), Fault> {
        let after = &step.after;
        let id = after.delivery.id;
        self.put(keys::delivery(id), after)?;
        self.reindex(before, after)?;
        let Some(line) = &step.line else { return Ok(()) };
        self.put(keys::line(id, after.lines), line)?;
        if let Some(old) = after.lines.checked_sub(HISTORY_LINES_MAX) {
            self.remove(keys::line(id, old));
        }
        if let Some(event) = step.event() {
            self.put(keys::event(self.next.event), &event)?;
        }
        // What is followed makes no event, and the report that it asks for has the number all the same.
        self.next.event += 1;
        Ok(())
    }

    fn reindex(&mut self, before: Option<&Record>, after: &Record) -> Result<(), Fault> {
        let had = before.map(keys::indexes).unwrap_or_default();
        let has = keys::indexes(after);
        for key in had.iter().filter(|key| !has.contains(key)) {
            self.count(key, -1);
            self.remove(key.clone());
        }
        let id: DeliveryId = after.delivery.id;
        for key in has.iter().filter(|key| !had.contains(key)) {
            self.count(key, 1);
            self.put(key.clone(), &id)?;
        }
        Ok(())
    }

    fn count(&mut self, key: &[u8], by: i64) {
        if key.starts_with(keys::PENDING) {
            self.pending += by;
        }
        if key.starts_with(keys::UNPUBLISHED) {
            self.unpublished += by;
        }
    }
}
