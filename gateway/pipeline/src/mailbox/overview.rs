//! What an operator sees of mailboxes: how much waits for whom, since when, and when somebody last came for it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;
use lienthong_schemas::ids::DeliveryId;
use serde::{Deserialize, Serialize};

use super::{MOST_COUNTED, Mailboxes};
use crate::ports::{Fault, Listing};
use crate::record::{AdapterKind, Lane, Place, State, SystemId, Waiting};

/// Systems that are shown.
const SYSTEMS_MAX: usize = 1_000;
/// Dead letters among which those of mailboxes are looked for, and how many are read at once.
const DEAD_LETTERS_MAX: usize = 10_000;
const DEAD_LETTERS_PER_LOOK: usize = 1_000;

/// All mailboxes in which something waits or is held, or for which somebody came since the start; at most 1,000.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Overview {
    /// `EVENTS` was read to its end. `false`: the broker is away, or much is yet to be read, and more may wait.
    pub current: bool,
    /// More dead letters than 10,000: not all that is held was counted.
    pub parked_more: bool,
    /// By their ids.
    pub systems: Vec<OfSystem>,
}

/// One mailbox.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OfSystem {
    /// Whose.
    pub system: SystemId,
    /// What waits, by list and lane; those where nothing does are left out.
    pub lists: Vec<OfList>,
    /// What is held for the operator.
    pub parked: u64,
    /// When the system last got a list; `None`: not since the start.
    pub last_list: Option<Timestamp>,
    /// When it last fetched a packet.
    pub last_fetch: Option<Timestamp>,
}

/// What waits in one list and lane.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OfList {
    /// Which list.
    pub list: Waiting,
    /// Which lane.
    pub lane: Lane,
    /// How many; of more than 100,000, that number.
    pub waiting: u64,
    /// The receipt of the oldest.
    pub oldest: Option<Timestamp>,
}

/// When systems last came.
#[derive(Default)]
pub(super) struct Visits(Mutex<BTreeMap<SystemId, Visit>>);

#[derive(Clone, Copy, Default)]
struct Visit {
    list: Option<Timestamp>,
    fetch: Option<Timestamp>,
}

impl Visits {
    pub(super) fn listed(&self, system: &SystemId, at: Timestamp) {
        self.with(|visits| visits.entry(system.clone()).or_default().list = Some(at));
    }

    pub(super) fn fetched(&self, system: &SystemId, at: Timestamp) {
        self.with(|visits| visits.entry(system.clone()).or_default().fetch = Some(at));
    }

    fn with<T>(&self, work: impl FnOnce(&mut BTreeMap<SystemId, Visit>) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Mailboxes {
    /// How mailboxes are. It waits for the stream as a list does, and goes on without it.
    ///
    /// # Errors
    /// The index or the store fails.
    pub async fn overview(&self) -> Result<Overview, Fault> {
        let current = self.catch_up().await.is_ok();
        let (parked, parked_more) = self.parked().await?;
        let visits = self.visits.with(|visits| visits.clone());
        let waits = self.index.systems(None, SYSTEMS_MAX).await?;
        let all: BTreeSet<SystemId> =
            waits.into_iter().chain(parked.keys().cloned()).chain(visits.keys().cloned()).collect();
        let mut systems = Vec::new();
        for system in all.into_iter().take(SYSTEMS_MAX) {
            let visit = visits.get(&system).copied().unwrap_or_default();
            let parked = parked.get(&system).copied().unwrap_or_default();
            let lists = self.lists(&system).await?;
            systems.push(OfSystem { system, lists, parked, last_list: visit.list, last_fetch: visit.fetch });
        }
        Ok(Overview { current, parked_more, systems })
    }

    /// Sets the gauges of what waits.
    pub(super) async fn measure(&self) -> Result<(), Fault> {
        let (mut waiting, mut oldest) = ([0; Waiting::ALL.len()], None::<Timestamp>);
        for system in self.index.systems(None, SYSTEMS_MAX).await? {
            for of in self.lists(&system).await? {
                waiting[of.list as usize] += of.waiting;
                oldest = [oldest, of.oldest].into_iter().flatten().min();
            }
        }
        for list in Waiting::ALL {
            self.metrics.mailbox_waiting.of(list.as_str()).set(waiting[list as usize]);
        }
        let age = oldest.map(|at| self.ports.clock.now().duration_since(at).unsigned_abs());
        self.metrics.mailbox_oldest.set(age.unwrap_or_default());
        Ok(())
    }

    async fn lists(&self, system: &SystemId) -> Result<Vec<OfList>, Fault> {
        let mut lists = Vec::new();
        for list in Waiting::ALL {
            for lane in Lane::ALL {
                let waiting = self.index.count(system, list, Some(lane), MOST_COUNTED).await? as u64;
                if waiting > 0 {
                    let first = self.index.waiting(system, list, before(lane), 1).await?;
                    let oldest = first.first().filter(|place| place.lane == lane);
                    lists.push(OfList { list, lane, waiting, oldest: oldest.map(|place| place.accepted_at) });
                }
            }
        }
        Ok(lists)
    }

    /// What is held of each system's mailbox; `true`: there are more dead letters than were looked at.
    async fn parked(&self) -> Result<(BTreeMap<SystemId, u64>, bool), Fault> {
        let (mut parked, mut after, mut seen) = (BTreeMap::new(), None, 0);
        loop {
            let page = self.ports.store.list(Listing::DeadLetters, after, DEAD_LETTERS_PER_LOOK).await?;
            seen += page.len();
            after = page.last().map(|delivery| delivery.id);
            let is_end = page.len() < DEAD_LETTERS_PER_LOOK;
            for delivery in page {
                if delivery.state == State::Parked && delivery.route.adapter == AdapterKind::Mailbox {
                    *parked.entry(delivery.route.system).or_insert(0) += 1;
                }
            }
            if is_end || seen >= DEAD_LETTERS_MAX {
                return Ok((parked, !is_end));
            }
        }
    }
}

/// The place behind which a lane begins.
fn before(lane: Lane) -> Option<Place> {
    let end = Place {
        lane: Lane::Urgent,
        accepted_at: Timestamp::MAX,
        order: u64::MAX,
        delivery: DeliveryId::from_bytes([u8::MAX; 16]),
    };
    (lane == Lane::Normal).then_some(end)
}
