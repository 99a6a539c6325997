//! The wires between the tasks of one gateway: "there is something for you in the store". A wake that finds nothing
//! does no harm; work that nobody was woken for is found at the next start, because it stands in the store.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use lienthong_schemas::ids::DeliveryId;
use lienthong_schemas::organ::ReceiverToken;
use tokio::sync::Notify;

use crate::record::AdapterKind;
use crate::turns::Turns;

/// One wire for each task that reads the store.
#[derive(Clone, Debug, Default)]
pub struct Wakes {
    /// Something was committed or settled: deliveries or events to publish.
    pub relay: Arc<Notify>,
    /// Something was settled: senders to tell.
    pub report: Arc<Notify>,
    /// Whoever ends a delivery or takes its end back holds its turn until that stands both in the store and beside the
    /// admission, so that the last note is of the last change.
    pub(crate) noting: Arc<Turns<DeliveryId>>,
    dispatch: [Arc<Notify>; AdapterKind::ALL.len()],
    resumed: Arc<Mutex<HashSet<(AdapterKind, ReceiverToken)>>>,
}

impl Wakes {
    /// Something was taken over: deliveries for this adapter to hand over.
    pub fn dispatch(&self, adapter: AdapterKind) -> &Notify {
        &self.dispatch[adapter as usize]
    }

    /// The store is another one than before: everybody looks at it anew.
    pub fn everybody(&self) {
        self.relay.notify_one();
        self.report.notify_one();
        self.dispatch.iter().for_each(|adapter| adapter.notify_one());
    }

    /// The operator wants this queue tried now: its pause ends.
    pub fn resume(&self, adapter: AdapterKind, queue: ReceiverToken) {
        self.locked().insert((adapter, queue));
        self.dispatch(adapter).notify_one();
    }

    /// The queues of this adapter that are to be tried now; each is named once.
    pub(crate) fn take_resumed(&self, adapter: AdapterKind) -> Vec<ReceiverToken> {
        let mut resumed = self.locked();
        let (ours, others) = resumed.drain().partition(|(of, _)| *of == adapter);
        *resumed = others;
        let ours: HashSet<(AdapterKind, ReceiverToken)> = ours;
        ours.into_iter().map(|(_, queue)| queue).collect()
    }

    fn locked(&self) -> std::sync::MutexGuard<'_, HashSet<(AdapterKind, ReceiverToken)>> {
        self.resumed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
