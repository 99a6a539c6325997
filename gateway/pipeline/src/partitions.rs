//! Which queues this gateway may dispatch for, where it is one of several (design.md B7): the one place that knows of its
//! leases. What is decided about them stands in `plan`, how they are kept in `keep`, and what follows when one goes from
//! gateway to gateway in `moves`.

mod keep;
mod moves;
mod plan;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use lienthong_schemas::organ::ReceiverToken;
use tokio::sync::watch;
use tokio::time::Instant;

pub use self::keep::Keep;
pub use self::moves::Moves;
use crate::record::{Delivery, Fence, NodeLife, NodeName, OwnNode, Partition, Route, State, SystemId};

/// A gateway believes in its lease for so long after it began to renew it; the server does not give it to another one
/// before [`crate::ports::LEASE_TTL`]. What is between the two is the time that one may stand still unnoticed.
pub const BELIEVED_FOR: Duration = Duration::from_secs(10);

/// The leases of one gateway, and what it knows of those of the others.
pub struct Partitions {
    /// `None`: it is alone, and everything is its own.
    own: Option<OwnNode>,
    slots: Mutex<Vec<Slot>>,
    /// Turns under way, by partition.
    busy: Arc<Vec<AtomicU32>>,
    /// Messages being published, by partition.
    sending: Arc<Vec<AtomicU32>>,
    /// Nothing is published for these while [`Moves`] looks what is to go where.
    held_back: Vec<AtomicBool>,
    /// Changes with every holder that is seen or forgotten.
    changes: watch::Sender<u64>,
    /// Another gateway has adopted what this one accepted: it takes nothing on.
    drains: watch::Sender<bool>,
}

/// One partition.
#[derive(Clone, Debug, Default)]
struct Slot {
    held: Option<Held>,
    /// Who holds it, as last seen, this gateway or another one.
    holder: Option<Holder>,
    /// Whom the records of this gateway were sent to: [`Moves`] has done its part for that holder.
    settled_for: Option<Holder>,
    /// Something may stand here that belongs to the holder.
    doubt: bool,
}

/// A lease of this gateway.
#[derive(Clone, Copy, Debug)]
struct Held {
    fence: Fence,
    until: Instant,
    /// It is to go to another one: nothing is begun any more.
    leaving: bool,
}

/// Who holds a partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Holder {
    pub(crate) life: NodeLife,
    pub(crate) fence: Fence,
}

/// A partition whose records are not all where they should be.
#[derive(Clone, Debug)]
struct Open {
    holder: Holder,
    /// Nothing was sent to this holding of the lease yet.
    is_new: bool,
}

/// A turn of a queue, or a message to it, that is under way.
pub(crate) struct Busy {
    partition: Partition,
    counts: Arc<Vec<AtomicU32>>,
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.counts[self.partition.number()].fetch_sub(1, Ordering::SeqCst);
    }
}

impl Busy {
    fn begin(partition: Partition, counts: &Arc<Vec<AtomicU32>>) -> Self {
        counts[partition.number()].fetch_add(1, Ordering::SeqCst);
        Self { partition, counts: counts.clone() }
    }
}

impl Partitions {
    /// Of a gateway that is alone: it holds everything, and needs no lease.
    pub fn alone() -> Self {
        Self::new(None)
    }

    /// Of one of several; it holds nothing yet.
    pub fn of(node: OwnNode) -> Self {
        Self::new(Some(node))
    }

    fn new(own: Option<OwnNode>) -> Self {
        Self {
            own,
            slots: Mutex::new(vec![Slot::default(); Partition::COUNT]),
            busy: Arc::new(Partition::all().map(|_| AtomicU32::new(0)).collect()),
            sending: Arc::new(Partition::all().map(|_| AtomicU32::new(0)).collect()),
            held_back: Partition::all().map(|_| AtomicBool::new(false)).collect(),
            changes: watch::Sender::default(),
            drains: watch::Sender::default(),
        }
    }

    /// This gateway, where it is one of several.
    pub fn own(&self) -> Option<&OwnNode> {
        self.own.as_ref()
    }

    /// Another gateway has adopted what this one accepted, and this one only gives away what it has.
    pub fn drains(&self) -> bool {
        *self.drains.borrow()
    }

    /// Partitions that this gateway holds, for metrics.
    pub fn held(&self) -> usize {
        match self.own {
            None => Partition::COUNT,
            Some(_) => self.slots().iter().filter(|slot| slot.valid().is_some()).count(),
        }
    }

    /// Whether this gateway serves the queue of an axis now: it alone asks the axis for anything.
    pub fn serves_axis(&self, axis: &SystemId) -> bool {
        self.fence(&Route::queue_of_axis(axis)).is_some()
    }

    /// Who was last seen to serve it.
    pub fn server_of_axis(&self, axis: &SystemId) -> Option<NodeName> {
        let partition = Partition::of(&Route::queue_of_axis(axis));
        let slots = self.slots();
        slots[partition.number()].holder.as_ref().map(|holder| holder.life.node.clone())
    }

    /// Under which lease an attempt for this queue may begin now; `None`: under none.
    pub(crate) fn fence(&self, queue: &ReceiverToken) -> Option<Fence> {
        if self.own.is_none() {
            return Some(Fence::ALONE);
        }
        self.slots()[Partition::of(queue).number()].valid()
    }

    /// For which lease what is published for this queue is; `None`: there are none, because this gateway is alone. Where
    /// nobody is known to hold it, it is for none that there ever was, and is published again.
    pub(crate) fn published_for(&self, queue: &ReceiverToken) -> Option<Fence> {
        self.own.as_ref()?;
        let slots = self.slots();
        let settled_for = slots[Partition::of(queue).number()].settled_for.as_ref();
        Some(settled_for.map_or(Fence(0), |holder| holder.fence))
    }

    /// A turn of this queue begins; it ends when the returned value is dropped.
    pub(crate) fn begin(&self, queue: &ReceiverToken) -> Busy {
        Busy::begin(Partition::of(queue), &self.busy)
    }

    /// Messages of this queue are published, and that is written down, until the returned value is dropped; `None`: not
    /// now, because it is being looked at where the queue is served.
    pub(crate) fn begin_to_send(&self, queue: &ReceiverToken) -> Option<Busy> {
        let partition = Partition::of(queue);
        let sending = Busy::begin(partition, &self.sending);
        (!self.held_back[partition.number()].load(Ordering::SeqCst)).then_some(sending)
    }

    /// Nothing more is published for these; `true`: and nothing is just now.
    fn hold_back(&self, open: &HashMap<Partition, Open>) -> bool {
        let of = |partition: &Partition| partition.number();
        open.keys().for_each(|partition| self.held_back[of(partition)].store(true, Ordering::SeqCst));
        open.keys().all(|partition| self.sending[of(partition)].load(Ordering::SeqCst) == 0)
    }

    /// Something of this queue may have come here that is another one's by now.
    pub(crate) fn doubt(&self, queue: &ReceiverToken) {
        self.slots()[Partition::of(queue).number()].doubt = true;
        self.changed();
    }

    /// A delivery is where another gateway says that it is: whether that is where its queue is served, is looked at.
    pub(crate) fn check(&self, delivery: &Delivery) {
        let queue = delivery.route.queue();
        let is_right = {
            let slots = self.slots();
            let holder = slots[Partition::of(&queue).number()].holder.as_ref();
            holder.is_none_or(|holder| delivery.elsewhere.as_ref().is_none_or(|at| *at == holder.life))
        };
        if delivery.state == State::Queued && !is_right {
            self.doubt(&queue);
        }
    }

    /// Something of any queue may.
    fn doubt_all(&self) {
        self.slots().iter_mut().for_each(|slot| slot.doubt = true);
    }

    /// The partitions to send something to, if there is something.
    fn open(&self) -> HashMap<Partition, Open> {
        let slots = self.slots();
        let open = Partition::all().filter_map(|partition| {
            let Slot { holder, settled_for, doubt, .. } = &slots[partition.number()];
            let holder = holder.clone()?;
            let is_new = settled_for.as_ref() != Some(&holder);
            (is_new || *doubt).then_some((partition, Open { holder, is_new }))
        });
        open.collect()
    }

    /// What waited was sent there.
    fn settled_for(&self, open: &HashMap<Partition, Open>) {
        let mut slots = self.slots();
        for (partition, Open { holder, .. }) in open {
            let slot = &mut slots[partition.number()];
            (slot.settled_for, slot.doubt) = (Some(holder.clone()), false);
            self.held_back[partition.number()].store(false, Ordering::SeqCst);
        }
    }

    /// Not everything could be sent: it is looked at again.
    fn keep_in_doubt(&self, open: &HashMap<Partition, Open>) {
        let mut slots = self.slots();
        open.keys().for_each(|partition| slots[partition.number()].doubt = true);
    }

    /// Changes whenever a lease was taken, lost, or seen to go to somebody.
    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    fn changed(&self) {
        self.changes.send_modify(|count| *count += 1);
    }

    fn is_busy(&self, partition: Partition) -> bool {
        self.busy[partition.number()].load(Ordering::Acquire) > 0
    }

    fn slots(&self) -> MutexGuard<'_, Vec<Slot>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Slot {
    /// It is held, and what others said of its deliveries until it was taken has been read: nothing goes that has arrived.
    fn valid(&self) -> Option<Fence> {
        let held = self.held.filter(|held| !held.leaving && Instant::now() < held.until)?;
        let settled_for = self.settled_for.as_ref().map(|holder| holder.fence);
        (settled_for == Some(held.fence)).then_some(held.fence)
    }
}
