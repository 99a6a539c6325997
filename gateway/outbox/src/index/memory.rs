//! [`MemoryIndex`]: the index of mailboxes in memory, for tests of what stands on it.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use jiff::Timestamp;
use lienthong_pipeline::ports::{Fault, MailboxIndex};
use lienthong_pipeline::record::{EventsPlace, Lane, Place, Posted, State, SystemId, Waiting};
use lienthong_schemas::ids::DeliveryId;

use super::fault;

/// See the module.
#[derive(Default)]
pub struct MemoryIndex(Mutex<Shelf>);

#[derive(Default)]
struct Shelf {
    life: u64,
    entries: BTreeMap<DeliveryId, Posted>,
    read: Option<EventsPlace>,
}

impl MemoryIndex {
    fn with<T>(&self, work: impl FnOnce(&mut Shelf) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Shelf {
    fn list(&self, system: &SystemId, waiting: Waiting) -> Vec<Place> {
        let all = self.entries.values();
        let here = all.filter(|posted| posted.waits_for(system) && posted.waiting() == waiting);
        let mut places: Vec<Place> = here.map(Posted::place).collect();
        places.sort_unstable();
        places
    }
}

#[async_trait]
impl MailboxIndex for MemoryIndex {
    fn life(&self) -> u64 {
        self.with(|shelf| shelf.life)
    }

    async fn read_up_to(&self) -> Result<Option<EventsPlace>, Fault> {
        Ok(self.with(|shelf| shelf.read.clone()))
    }

    async fn take(&self, life: u64, entries: Vec<Posted>, read: Option<EventsPlace>) -> Result<(), Fault> {
        self.with(|shelf| {
            if shelf.life != life {
                return Err(fault("it is read anew"));
            }
            for posted in entries {
                if shelf.entries.get(&posted.delivery).is_none_or(|known| posted.is_after(known)) {
                    shelf.entries.insert(posted.delivery, posted);
                }
            }
            if read.is_some() {
                shelf.read = read;
            }
            Ok(())
        })
    }

    async fn clear(&self) -> Result<(), Fault> {
        self.with(|shelf| *shelf = Shelf { life: shelf.life + 1, ..Shelf::default() });
        Ok(())
    }

    async fn waiting(
        &self,
        system: &SystemId,
        waiting: Waiting,
        after: Option<Place>,
        limit: usize,
    ) -> Result<Vec<Place>, Fault> {
        let mut places = self.with(|shelf| shelf.list(system, waiting));
        places.retain(|place| after.is_none_or(|after| *place > after));
        places.truncate(limit);
        Ok(places)
    }

    async fn count(
        &self,
        system: &SystemId,
        waiting: Waiting,
        lane: Option<Lane>,
        most: usize,
    ) -> Result<usize, Fault> {
        let mut places = self.with(|shelf| shelf.list(system, waiting));
        places.retain(|place| lane.is_none_or(|lane| place.lane == lane));
        Ok(places.len().min(most))
    }

    async fn entries(&self, ids: Vec<DeliveryId>) -> Result<Vec<Option<Posted>>, Fault> {
        Ok(self.with(|shelf| ids.iter().map(|id| shelf.entries.get(id).cloned()).collect()))
    }

    async fn systems(&self, after: Option<&SystemId>, limit: usize) -> Result<Vec<SystemId>, Fault> {
        // As keys sort in which another character follows the id.
        let key = |system: &SystemId| format!("{system}|");
        let mut found: Vec<SystemId> = self.with(|shelf| {
            let waits = shelf.entries.values().filter(|posted| posted.state == State::Offered);
            waits.map(|posted| posted.offer.system.clone()).collect()
        });
        found.sort_by_key(key);
        found.dedup();
        found.retain(|system| after.is_none_or(|after| key(system) > key(after)));
        found.truncate(limit);
        Ok(found)
    }

    async fn forget(&self, before: Timestamp, limit: usize) -> Result<usize, Fault> {
        self.with(|shelf| {
            let over = shelf.entries.values();
            let over =
                over.filter(|posted| posted.state != State::Offered && posted.offer.mailbox.changed < before);
            let over: Vec<DeliveryId> = over.take(limit).map(|posted| posted.delivery).collect();
            over.iter().for_each(|id| drop(shelf.entries.remove(id)));
            Ok(over.len())
        })
    }
}
