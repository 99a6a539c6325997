//! The wires between the tasks of one gateway: "there is something for you in the store". A wake that finds nothing
//! does no harm; work that nobody was woken for is found at the next start, because it stands in the store.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use lienthong_schemas::ids::DeliveryId;
use lienthong_schemas::organ::ReceiverToken;
use tokio::sync::{Notify, watch};

use crate::record::{AdapterKind, Delivery, Lane};
use crate::turns::Turns;

/// One wire for each task that reads the store.
#[derive(Clone, Debug, Default)]
pub struct Wakes {
    /// Something was changed: any delivery may be one to publish, and there may be events.
    pub relay: Arc<Notify>,
    /// Deliveries were committed that nobody knew before; they come after all others of their lane.
    pub(crate) admitted: Arc<Notify>,
    /// Something happened to deliveries after which none of them is to be published: there are events.
    pub(crate) events: Arc<Notify>,
    /// Something was settled: senders to tell.
    pub report: Arc<Notify>,
    /// Changes whenever the broker has acknowledged deliveries or events, and that is written down.
    pub(crate) published: Arc<watch::Sender<()>>,
    /// Whoever ends a delivery or takes its end back holds its turn until that stands both in the store and beside the
    /// admission, so that the last note is of the last change.
    pub(crate) noting: Arc<Turns<DeliveryId>>,
    dispatch: [Arc<Wire>; AdapterKind::ALL.len()],
}

/// To the dispatch of one adapter.
#[derive(Debug, Default)]
struct Wire {
    notify: Notify,
    news: Mutex<HashMap<ReceiverToken, News>>,
    replaced: AtomicBool,
}

/// What happened to one queue since its dispatch last asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct News {
    /// Something came into these lanes.
    pub(crate) arrived: [bool; 2],
    /// Something in it was ended, parked or sent elsewhere by others.
    pub(crate) changed: bool,
    /// The operator wants it tried now.
    pub(crate) resumed: bool,
}

impl Wakes {
    /// Waits for news of an adapter's queues.
    pub(crate) async fn dispatch(&self, adapter: AdapterKind) {
        self.dispatch[adapter as usize].notify.notified().await;
    }

    /// Something was taken over into this lane of a queue.
    pub(crate) fn arrived(&self, adapter: AdapterKind, queue: ReceiverToken, lane: Lane) {
        self.tell(adapter, queue, |news| news.arrived[lane as usize] = true);
    }

    /// A delivery that stood in its adapter's queue was ended, parked, withdrawn or sent elsewhere, and not by dispatch.
    pub fn changed(&self, delivery: &Delivery) {
        let route = &delivery.route;
        self.tell(route.adapter, route.queue(), |news| news.changed = true);
    }

    /// The operator wants this queue tried now: its pause ends.
    pub fn resume(&self, adapter: AdapterKind, queue: ReceiverToken) {
        self.tell(adapter, queue, |news| news.resumed = true);
    }

    /// The store is another one than before: everybody looks at it anew.
    pub fn replaced(&self) {
        self.relay.notify_one();
        self.report.notify_one();
        for wire in &self.dispatch {
            wire.replaced.store(true, Ordering::SeqCst);
            wire.notify.notify_one();
        }
    }

    /// Dispatch may serve queues that it could not serve before.
    pub(crate) fn leases_taken(&self) {
        for wire in &self.dispatch {
            wire.replaced.store(true, Ordering::SeqCst);
            wire.notify.notify_one();
        }
    }

    /// Whether the store is another one since this was last asked for an adapter.
    pub(crate) fn take_replaced(&self, adapter: AdapterKind) -> bool {
        self.dispatch[adapter as usize].replaced.swap(false, Ordering::SeqCst)
    }

    /// The news of this adapter's queues; each is told once.
    pub(crate) fn take_news(&self, adapter: AdapterKind) -> HashMap<ReceiverToken, News> {
        std::mem::take(&mut *self.dispatch[adapter as usize].locked())
    }

    fn tell(&self, adapter: AdapterKind, queue: ReceiverToken, tell: impl FnOnce(&mut News)) {
        let wire = &self.dispatch[adapter as usize];
        tell(wire.locked().entry(queue).or_default());
        wire.notify.notify_one();
    }
}

impl Wire {
    fn locked(&self) -> std::sync::MutexGuard<'_, HashMap<ReceiverToken, News>> {
        self.news.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
