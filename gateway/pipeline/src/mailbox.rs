//! Mailboxes: what waits until a receiver's system fetches it by the national SDK's protocol (spec vxp-api section 7),
//! and what that system says of it. A document comes into a mailbox by the way of every other one; here is only its
//! end.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use lienthong_monitoring::Metrics;
use lienthong_schemas::ids::DeliveryId;

use crate::clock::after;
use crate::ports::{Fault, PerLane, Ports, Transition};
use crate::record::{AdapterKind, Delivery, MailboxWord, State, SystemId, Waiting};
use crate::settle::Settle;
use crate::wakes::Wakes;

/// How long `done` waits for the broker.
pub const BROKER_WAIT: Duration = Duration::from_secs(10);
/// Whoever counts stops here.
const MOST_COUNTED: usize = 100_000;

/// What a receiver's system says of a delivery in its mailbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// It is at work on it.
    Processing,
    /// It has it.
    Done,
    /// It cannot take it.
    Fail,
}

/// The mailboxes of all systems.
pub struct Mailboxes {
    ports: Ports,
    settle: Settle,
    metrics: Arc<Metrics>,
    wakes: Wakes,
}

impl Mailboxes {
    /// The mailboxes of one gateway.
    pub fn new(ports: Ports, metrics: Arc<Metrics>, wakes: Wakes) -> Self {
        let settle = Settle::new(ports.clone(), metrics.clone(), wakes.clone());
        Self { ports, settle, metrics, wakes }
    }

    /// What waits for a system, urgent first, then the oldest first; at most `limit`.
    ///
    /// # Errors
    /// The broker is away: an empty list would say that nothing waits, and nobody knows. The store fails.
    pub async fn list(
        &self,
        system: &SystemId,
        waiting: Waiting,
        limit: usize,
    ) -> Result<Vec<Delivery>, Fault> {
        self.ports.broker.ready().await?;
        self.ports.store.offered(system, waiting, PerLane::default(), limit).await
    }

    /// How many these are; of more than 100,000, that number.
    ///
    /// # Errors
    /// As [`Mailboxes::list`].
    pub async fn count(&self, system: &SystemId, waiting: Waiting) -> Result<usize, Fault> {
        self.ports.broker.ready().await?;
        self.ports.store.offered_count(system, waiting, MOST_COUNTED).await
    }

    /// A delivery that was put into this system's mailbox, over or not. What is another system's is `None`, like what
    /// does not exist.
    ///
    /// # Errors
    /// The store fails.
    pub async fn find(&self, system: &SystemId, id: DeliveryId) -> Result<Option<Delivery>, Fault> {
        let found = self.ports.store.delivery(id).await?;
        Ok(found.filter(|delivery| {
            let route = &delivery.route;
            route.adapter == AdapterKind::Mailbox && route.system == *system && delivery.mailbox.is_some()
        }))
    }

    /// The packet of such a delivery, to be sent now. Fetching changes nothing but that it is noted, once; it works as
    /// long as the packet is kept.
    ///
    /// # Errors
    /// Store and spool fail; a packet that is known and not there is one of their faults.
    pub async fn fetch(
        &self,
        system: &SystemId,
        id: DeliveryId,
    ) -> Result<Option<(Delivery, PathBuf)>, Fault> {
        let Some(delivery) = self.find(system, id).await? else { return Ok(None) };
        let packet = self.ports.spool.blob(delivery.digest).await?;
        let packet = packet.ok_or_else(|| Fault::new("spool", format!("the packet of {id} is gone")))?;
        let known = delivery.mailbox.is_some_and(|mailbox| mailbox.fetched);
        if !known && delivery.state == State::Offered {
            self.say(&delivery, MailboxWord::Fetched, String::new()).await?;
        }
        Ok(Some((delivery, packet)))
    }

    /// Takes a system's word about a delivery of its mailbox. `Done` is final, and on disk and with the broker when this
    /// returns; whatever is said after it changes nothing. `false`: there is no such delivery.
    ///
    /// # Errors
    /// The store fails; the broker does not acknowledge `Done` within [`BROKER_WAIT`]: it is on disk, and saying it again
    /// does no harm.
    pub async fn mark(
        &self,
        system: &SystemId,
        id: DeliveryId,
        mark: Mark,
        said: String,
    ) -> Result<bool, Fault> {
        let Some(delivery) = self.find(system, id).await? else { return Ok(false) };
        match mark {
            Mark::Processing => self.say(&delivery, MailboxWord::Processing, said).await?,
            Mark::Fail => self.say(&delivery, MailboxWord::Failed, said).await?,
            Mark::Done => self.done(&delivery, said).await?,
        }
        Ok(true)
    }

    async fn say(&self, delivery: &Delivery, word: MailboxWord, note: String) -> Result<(), Fault> {
        let (id, now) = (delivery.id, self.ports.clock.now());
        let failed = word == MailboxWord::Failed;
        if failed {
            tracing::warn!(delivery_id = %id, receiver = %delivery.route.receiver, note, "its receiver cannot take it");
        }
        let after = self.ports.store.transition(id, now, Transition::Mailbox { word, note }).await?;
        let Some(after) = after else { return Ok(()) };
        if after.state == State::Parked {
            tracing::error!(delivery_id = %id, receiver = %after.route.receiver, "parked: its receiver cannot take it");
            self.metrics.parked.inc();
        }
        self.wakes.events.notify_one();
        Ok(())
    }

    async fn done(&self, delivery: &Delivery, said: String) -> Result<(), Fault> {
        self.settle.write_notes().await;
        let note = if said.is_empty() { "done".to_owned() } else { said };
        let done = self.settle.finish(std::slice::from_ref(delivery), State::Received, &note).await?;
        for delivery in done {
            self.metrics.delivered.of(AdapterKind::Mailbox.as_str()).inc();
            tracing::info!(
                delivery_id = %delivery.id, document_id = %delivery.document,
                receiver = %delivery.route.receiver, state = State::Received.as_str(), "delivered",
            );
        }
        // Events of this delivery have no higher number.
        let last = self.ports.store.unsent_span().await?.map(|span| *span.end());
        let end = after(self.ports.clock.now(), BROKER_WAIT);
        tokio::select! {
            outcome = self.wakes.until_published(|| self.is_sent(last)) => outcome,
            () = self.ports.clock.sleep_until(end) => {
                Err(Fault::new("broker", format!("{} is done, and the broker has not acknowledged it", delivery.id)))
            }
        }
    }

    async fn is_sent(&self, last: Option<u64>) -> Result<bool, Fault> {
        let Some(last) = last else { return Ok(true) };
        Ok(self.ports.store.unsent_span().await?.is_none_or(|span| *span.start() > last))
    }
}
