//! Step publish: what is committed goes to the broker, with the same ids for as long as it takes; then the events.
//! Three loops that do not wait for each other: deliveries, events, and a look for messages that were lost.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::Timestamp;
use lienthong_monitoring::Metrics;
use lienthong_schemas::ids::{DeliveryId, DocumentId};
use lienthong_schemas::organ::ReceiverToken;
use tokio::sync::Notify;

use crate::clock::after;
use crate::partitions::Partitions;
use crate::ports::{Fault, Ports, Transition};
use crate::record::{BootId, Lane};
use crate::settle::Settle;
use crate::tasks::Tasks;
use crate::wakes::Wakes;

mod bodies;
mod chains;
mod deliveries;
mod events;
mod kin;
mod names;

/// A packet of at most this many bytes rides along in the message; a larger one goes once to the Object Store.
pub const INLINE_BYTES_MAX: u64 = 256 * 1024;

const PAUSE_FIRST: Duration = Duration::from_millis(250);
const PAUSE_MOST: Duration = Duration::from_secs(5);

/// A message that nobody took over for this long is taken for lost.
const LOST_AFTER: Duration = Duration::from_secs(600);
const LOOK_FOR_LOST_EVERY: Duration = Duration::from_secs(60);
/// Lost deliveries that are looked at in one go.
const LOST_BATCH: usize = 64;
/// Deliveries that are published anew because an earlier life had published them, at most, in one life.
const ANEW_MAX: usize = 10_000;

/// Publishes what the store says is not published.
pub struct Relay {
    ports: Ports,
    metrics: Arc<Metrics>,
    wakes: Wakes,
    settle: Settle,
    partitions: Arc<Partitions>,
    /// When this life began.
    began: Timestamp,
    /// What an earlier life had published without writing it down, and this one published anew.
    anew: Mutex<HashSet<DeliveryId>>,
    /// What was published last, by queue and lane; where gateways are several.
    last: Mutex<HashMap<(ReceiverToken, Lane), DeliveryId>>,
    /// Documents whose admissions are beside their events; where gateways are several.
    announced: Mutex<HashSet<DocumentId>>,
    boot: BootId,
    names: names::Names,
}

/// What the loop of deliveries hears.
#[derive(Default)]
struct News {
    /// There are new ones.
    admitted: Notify,
    /// Any of them may be one to publish.
    of_all: Notify,
}

/// The growing pause of a loop whose broker, or store, is away.
struct Pause(Duration);

impl Pause {
    const fn new() -> Self {
        Self(PAUSE_FIRST)
    }

    fn next(&mut self) -> Duration {
        let pause = self.0;
        self.0 = (pause * 2).min(PAUSE_MOST);
        pause
    }
}

impl Relay {
    /// The relay of one gateway.
    pub fn new(ports: Ports, metrics: Arc<Metrics>, wakes: Wakes) -> Self {
        let settle = Settle::new(ports.clone(), metrics.clone(), wakes.clone());
        let (began, anew, partitions) = (ports.clock.now(), Mutex::default(), Arc::new(Partitions::alone()));
        let (last, boot, names) = (Mutex::default(), BootId::new(0), names::Names::default());
        let announced = Mutex::default();
        Self { ports, metrics, wakes, settle, partitions, began, anew, last, announced, boot, names }
    }

    /// The same, of one of several gateways.
    pub fn among(self, partitions: Arc<Partitions>, boot: BootId) -> Self {
        Self { partitions, boot, ..self }
    }

    /// Once more, in the next generation. Among several somebody else may have had it all the same.
    fn requeued(&self, note: &str) -> Transition {
        let note = note.to_owned();
        match self.partitions.own() {
            None => Transition::Requeued { note },
            Some(_) => Transition::Moved { boot: self.boot, note },
        }
    }

    /// Runs until shutdown. A broker that is away is waited for, and so is a store that can come back; the wait never
    /// gives up.
    ///
    /// # Errors
    /// Only when the store has ended.
    pub async fn run(self, tasks: Tasks) -> Result<(), Fault> {
        let work = async {
            // What an earlier life of this gateway published and did not take over comes out of the broker only when
            // its acknowledgement is overdue; a new generation is there at once, and the old message then does no harm.
            // Among several it is sent again when the leases of that life are taken anew, here or elsewhere.
            if self.partitions.own().is_none() {
                self.look_for_lost(Duration::ZERO).await?;
            }
            let (news, events) = (News::default(), Notify::new());
            let all = (
                self.publish_deliveries(&news),
                self.publish_events(&events),
                self.keep_looking_for_lost(),
                self.wake(&news, &events),
            );
            tokio::try_join!(all.0, all.1, all.2, all.3).map(drop)
        };
        tokio::select! {
            ended = work => ended,
            () = tasks.stopped() => Ok(()),
        }
    }

    /// Whatever happens makes events; only some of it makes deliveries to publish.
    async fn wake(&self, news: &News, events: &Notify) -> Result<(), Fault> {
        loop {
            tokio::select! {
                () = self.wakes.relay.notified() => news.of_all.notify_one(),
                () = self.wakes.admitted.notified() => news.admitted.notify_one(),
                () = self.wakes.events.notified() => {}
            }
            events.notify_one();
        }
    }

    fn after(&self, wait: Duration) -> Timestamp {
        after(self.ports.clock.now(), wait)
    }

    /// Waits a moment after a fault that may pass.
    async fn rest(&self, fault: Fault, pause: &mut Pause, what: &str) -> Result<(), Fault> {
        if fault.fatal {
            return Err(fault);
        }
        let pause = pause.next();
        tracing::warn!(%fault, pause_ms = pause.as_millis() as u64, "{what}");
        self.ports.clock.sleep_until(self.after(pause)).await;
        Ok(())
    }

    async fn keep_looking_for_lost(&self) -> Result<(), Fault> {
        loop {
            self.ports.clock.sleep_until(self.after(LOOK_FOR_LOST_EVERY)).await;
            self.look_for_lost(LOST_AFTER).await?;
        }
    }

    async fn look_for_lost(&self, after: Duration) -> Result<(), Fault> {
        let mut pause = Pause::new();
        while let Err(fault) = self.requeue_lost(after).await {
            self.rest(fault, &mut pause, "not looked for lost messages yet").await?;
        }
        Ok(())
    }

    /// A delivery that the broker acknowledged and that never came out of it again: the stream is gone, or its message
    /// was put aside. It goes once more, in the next generation.
    async fn requeue_lost(&self, after: Duration) -> Result<(), Fault> {
        let now = self.ports.clock.now();
        let before = now.saturating_sub(after).unwrap_or(Timestamp::MIN);
        loop {
            let lost = self.ports.store.not_taken_over(before, LOST_BATCH).await?;
            if lost.is_empty() {
                return Ok(());
            }
            for delivery in &lost {
                tracing::warn!(delivery_id = %delivery.id, "not taken over: published again");
                let change = self.requeued("was not taken over");
                if self.ports.store.transition(delivery.id, now, change).await?.is_none() {
                    return Ok(());
                }
            }
            self.wakes.relay.notify_one();
        }
    }
}
