//! Mailboxes: what waits until a receiver's system fetches it by the national SDK's protocol (spec vxp-api section 7),
//! and what that system says of it. A document comes into a mailbox by the way of every other one; here is only its
//! end.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::try_join_all;
use lienthong_config::FanIn;
use lienthong_monitoring::Metrics;
use lienthong_schemas::ids::DeliveryId;
use lienthong_schemas::organ::OrganId;

use crate::acknowledged::until_acknowledged;
use crate::clock::after;
use crate::consign::ids;
use crate::ports::{Fault, MailboxIndex, Ports, Transition};
use crate::record::{AdapterKind, Delivery, Mailbox, MailboxWord, Place, State, SystemId, Waiting};
use crate::settle::Settle;
use crate::wakes::Wakes;

mod feed;
mod overview;

use self::feed::Feed;
use self::overview::Visits;

pub use self::feed::CATCH_UP_WAIT;
pub use self::overview::{OfList, OfSystem, Overview};

/// A document that comes once for several receivers waits so long, at most, for those that are still on their way to the
/// mailbox.
pub const PARTS_WAIT: Duration = Duration::from_secs(60);
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

/// What waits in a mailbox under one id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// The delivery whose id it has; the first one, where it is for several receivers.
    pub delivery: Delivery,
    /// Whom it is for.
    pub receivers: Vec<OrganId>,
}

/// How mailboxes are kept.
#[derive(Clone, Copy, Debug)]
pub struct MailboxPolicy {
    /// How long what is over can still be had, and asked about: after that it is like what never was.
    pub keep_done: Duration,
}

/// The mailboxes of all systems. What waits in them is what `EVENTS` says ([`MailboxIndex`]), of whichever gateway; what
/// becomes of it is decided by the store that has the delivery.
pub struct Mailboxes {
    ports: Ports,
    index: Arc<dyn MailboxIndex>,
    policy: MailboxPolicy,
    settle: Settle,
    metrics: Arc<Metrics>,
    wakes: Wakes,
    feed: Feed,
    visits: Visits,
}

impl Mailboxes {
    /// The mailboxes of one gateway. [`Mailboxes::run`] is what fills their index.
    pub fn new(
        ports: Ports,
        index: Arc<dyn MailboxIndex>,
        policy: MailboxPolicy,
        metrics: Arc<Metrics>,
        wakes: Wakes,
    ) -> Self {
        let settle = Settle::new(ports.clone(), metrics.clone(), wakes.clone());
        Self {
            ports,
            index,
            policy,
            settle,
            metrics,
            wakes,
            feed: Feed::default(),
            visits: Visits::default(),
        }
    }

    /// What waits for a system, urgent first, then the oldest first; at most `limit`.
    ///
    /// # Errors
    /// The broker is away, or what it says is not read to its end within [`CATCH_UP_WAIT`]: an empty list would say that
    /// nothing waits, and nobody knows. The store fails.
    pub async fn list(
        &self,
        system: &SystemId,
        fan_in: FanIn,
        waiting: Waiting,
        limit: usize,
    ) -> Result<Vec<Item>, Fault> {
        let life = self.in_step(system, waiting).await?;
        let found = self.found(system, waiting, limit).await?;
        self.still(life)?;
        self.visits.listed(system, self.ports.clock.now());
        match fan_in {
            FanIn::Receiver => Ok(found.into_iter().map(Item::of).collect()),
            FanIn::System => {
                let is_cut = found.len() == limit;
                self.whole(system, joined(found, is_cut)).await
            }
        }
    }

    /// What the index lists, less what the store knows to be over already.
    async fn found(&self, system: &SystemId, waiting: Waiting, limit: usize) -> Result<Vec<Delivery>, Fault> {
        let (mut found, mut after) = (Vec::new(), None);
        loop {
            let asked = limit - found.len();
            let places = self.index.waiting(system, waiting, after, asked).await?;
            after = places.last().copied();
            let is_end = places.len() < asked;
            found.extend(self.as_they_are(system, places).await?);
            if is_end || found.len() == limit {
                return Ok(found);
            }
        }
    }

    /// Deliveries that wait by the index, as this gateway's store has them, if it does.
    async fn as_they_are(&self, system: &SystemId, places: Vec<Place>) -> Result<Vec<Delivery>, Fault> {
        let ids: Vec<DeliveryId> = places.iter().map(|place| place.delivery).collect();
        let own = self.ports.store.deliveries(ids.clone()).await?;
        let (mut found, mut elsewhere) = (Vec::new(), Vec::new());
        for (at, (id, own)) in ids.into_iter().zip(own).enumerate() {
            match own {
                Some(own) if own.mailbox.is_some() => {
                    if own.state == State::Offered && is_here(&own, system) {
                        found.push((at, own));
                    }
                }
                // A store that was built anew has forgotten that it was offered, and will offer it again.
                Some(own) if own.state != State::Queued => {}
                _ => elsewhere.push((at, id)),
            }
        }
        if !elsewhere.is_empty() {
            let ids = elsewhere.iter().map(|(_, id)| *id).collect();
            let posted = self.index.entries(ids).await?;
            let posted = elsewhere.into_iter().zip(posted);
            let waits = posted.filter_map(|((at, _), posted)| Some((at, posted?)));
            let waits = waits.filter(|(_, posted)| posted.waits_for(system));
            found.extend(waits.map(|(at, posted)| (at, posted.delivery())));
            found.sort_by_key(|(at, _)| *at);
        }
        Ok(found.into_iter().map(|(_, delivery)| delivery).collect())
    }

    /// Those of which no receiver is still on its way to the mailbox, or that have waited for it.
    async fn whole(&self, system: &SystemId, items: Vec<Item>) -> Result<Vec<Item>, Fault> {
        let now = self.ports.clock.now();
        let mut whole = Vec::new();
        for item in items {
            let young = item.delivery.mailbox.is_some_and(|mailbox| now < after(mailbox.since, PARTS_WAIT));
            if !young || !self.is_coming(system, &item.delivery).await? {
                whole.push(item);
            }
        }
        Ok(whole)
    }

    async fn is_coming(&self, system: &SystemId, delivery: &Delivery) -> Result<bool, Fault> {
        let all = self.ports.store.deliveries_of(delivery.document).await?;
        Ok(all.iter().any(|part| is_here(part, system) && part.state == State::Queued))
    }

    /// The deliveries that an id stands for: those of its document that were put into this mailbox.
    async fn parts(
        &self,
        system: &SystemId,
        fan_in: FanIn,
        delivery: &Delivery,
    ) -> Result<Vec<Delivery>, Fault> {
        if fan_in == FanIn::Receiver {
            return Ok(vec![delivery.clone()]);
        }
        let mut all = self.ports.store.deliveries_of(delivery.document).await?;
        all.retain(|part| is_here(part, system));
        let posted = self.index.entries(all.iter().map(|part| part.id).collect()).await?;
        let known = all.into_iter().zip(posted);
        let known = known.filter(|(part, posted)| part.mailbox.is_some() || posted.is_some());
        Ok(known.map(|(part, _)| part).collect())
    }

    /// How many deliveries wait, for whatever receiver; of more than 100,000, that number.
    ///
    /// # Errors
    /// As [`Mailboxes::list`].
    pub async fn count(&self, system: &SystemId, waiting: Waiting) -> Result<usize, Fault> {
        let life = self.in_step(system, waiting).await?;
        let count = self.index.count(system, waiting, None, MOST_COUNTED).await?;
        self.still(life)?;
        Ok(count)
    }

    /// A delivery that was put into this system's mailbox, over or not; what is over for longer than
    /// [`MailboxPolicy::keep_done`] is not there. What is another system's is `None`, like what does not exist, and is looked
    /// for in the same way.
    ///
    /// # Errors
    /// The store or the index fails.
    pub async fn find(&self, system: &SystemId, id: DeliveryId) -> Result<Option<Delivery>, Fault> {
        Ok(self.known(system, id).await?.map(|(delivery, _)| delivery))
    }

    /// The same; `true`: it is in this gateway's store. What another gateway has just offered, and maybe listed, is known here
    /// when `EVENTS` was read that far.
    async fn known(&self, system: &SystemId, id: DeliveryId) -> Result<Option<(Delivery, bool)>, Fault> {
        if let Some(found) = self.known_by_now(system, id).await? {
            return Ok(Some(found));
        }
        self.catch_up().await?;
        self.known_by_now(system, id).await
    }

    async fn known_by_now(
        &self,
        system: &SystemId,
        id: DeliveryId,
    ) -> Result<Option<(Delivery, bool)>, Fault> {
        let own = self.ports.store.delivery(id).await?;
        let posted = self.index.entries(vec![id]).await?.pop().flatten();
        let posted = posted.filter(|posted| posted.offer.system == *system);
        let found = match (own, posted) {
            (Some(own), _) if !is_here(&own, system) => None,
            (Some(own), _) if own.mailbox.is_some() => Some((own, true)),
            (Some(own), Some(posted)) => {
                Some((Delivery { mailbox: Some(posted.offer.mailbox), ..own }, true))
            }
            (None, Some(posted)) => Some((posted.delivery(), false)),
            (_, None) => None,
        };
        Ok(found.filter(|(delivery, _)| self.is_kept(delivery)))
    }

    fn is_kept(&self, delivery: &Delivery) -> bool {
        let now = self.ports.clock.now();
        let kept = |mailbox: Mailbox| now < after(mailbox.changed, self.policy.keep_done);
        !delivery.state.is_final() || delivery.mailbox.is_some_and(kept)
    }

    /// The packet of such a delivery, to be sent now. Fetching changes nothing but that it is noted, once; it works as
    /// long as the packet is kept.
    ///
    /// # Errors
    /// Store, spool and broker fail; a packet that is known and not there is one of their faults.
    pub async fn fetch(
        &self,
        system: &SystemId,
        fan_in: FanIn,
        id: DeliveryId,
    ) -> Result<Option<(Delivery, PathBuf)>, Fault> {
        let Some(delivery) = self.find(system, id).await? else { return Ok(None) };
        let packet = self.packet(&delivery).await?;
        let is_news = |part: &&Delivery| {
            part.state == State::Offered && part.mailbox.is_some_and(|mailbox| !mailbox.fetched)
        };
        let parts = self.parts(system, fan_in, &delivery).await?;
        let said = parts.iter().filter(is_news).map(|part| self.say(part, MailboxWord::Fetched, ""));
        try_join_all(said).await?;
        self.visits.fetched(system, self.ports.clock.now());
        Ok(Some((delivery, packet)))
    }

    /// The packet on this gateway's disk, brought here where only another one has it.
    async fn packet(&self, delivery: &Delivery) -> Result<PathBuf, Fault> {
        let (digest, spool) = (delivery.digest, &self.ports.spool);
        if let Some(packet) = spool.blob(digest).await? {
            return Ok(packet);
        }
        let brought = self.ports.broker.fetch_blob(digest, spool.receive_ours().await?).await?;
        spool.adopt(brought).await?;
        let packet = spool.blob(digest).await?;
        packet.ok_or_else(|| Fault::new("spool", format!("the packet of {} is gone", delivery.id)))
    }

    /// What another gateway offers is offered here too, where the system says something of it; the others follow. Its
    /// packet comes along, because whoever has a delivery has its packet.
    async fn stand_in(&self, posted: Delivery) -> Result<(), Fault> {
        self.packet(&posted).await?;
        self.ports.store.hand_off(posted).await.map(drop)
    }

    /// Takes a system's word about what is in its mailbox under an id. `Done` is final, and on disk and with the broker when
    /// this returns, and so is the `Fail` that parks it; whatever is said after it changes nothing. `false`: there is no such
    /// delivery.
    ///
    /// # Errors
    /// The store fails; the packet of what another gateway offers is not to be had; the broker does not acknowledge within
    /// [`crate::intake::BROKER_WAIT`] what ends the wait: it is on disk, and saying it again does no harm.
    pub async fn mark(
        &self,
        system: &SystemId,
        fan_in: FanIn,
        id: DeliveryId,
        mark: Mark,
        said: &str,
    ) -> Result<bool, Fault> {
        let Some((delivery, is_own)) = self.known(system, id).await? else { return Ok(false) };
        if !is_own {
            self.stand_in(delivery.clone()).await?;
        }
        let parts = self.parts(system, fan_in, &delivery).await?;
        let word = match mark {
            Mark::Processing => MailboxWord::Processing,
            Mark::Fail => MailboxWord::Failed,
            Mark::Done => {
                self.done(&parts, said).await?;
                return Ok(true);
            }
        };
        let states = try_join_all(parts.iter().map(|part| self.say(part, word, said))).await?;
        // Parked before, it may not have been acknowledged then.
        let was_parked = word == MailboxWord::Failed && parts.iter().any(|part| part.state == State::Parked);
        if was_parked || states.contains(&Some(State::Parked)) {
            // It leaves the list, and every gateway's list.
            self.acknowledged(&parts).await?;
        }
        Ok(true)
    }

    /// Writes a word down; the state after it, where it was news.
    async fn say(&self, delivery: &Delivery, word: MailboxWord, note: &str) -> Result<Option<State>, Fault> {
        let (id, now) = (delivery.id, self.ports.clock.now());
        if word == MailboxWord::Failed {
            tracing::warn!(delivery_id = %id, receiver = %delivery.route.receiver, note, "its receiver cannot take it");
        }
        let after =
            self.ports.store.transition(id, now, Transition::Mailbox { word, note: note.to_owned() }).await?;
        let Some(after) = after else { return Ok(None) };
        if after.state == State::Parked {
            tracing::error!(delivery_id = %id, receiver = %after.route.receiver, "parked: its receiver cannot take it");
            self.metrics.parked.inc();
        }
        self.wakes.events.notify_one();
        Ok(Some(after.state))
    }

    async fn done(&self, parts: &[Delivery], said: &str) -> Result<(), Fault> {
        self.settle.write_notes().await;
        let note = if said.is_empty() { "done" } else { said };
        let done = self.settle.finish(parts, State::Received, note).await?;
        for delivery in done {
            self.metrics.delivered.of(AdapterKind::Mailbox.as_str()).inc();
            tracing::info!(
                delivery_id = %delivery.id, document_id = %delivery.document,
                receiver = %delivery.route.receiver, state = State::Received.as_str(), "delivered",
            );
        }
        self.acknowledged(parts).await
    }

    async fn acknowledged(&self, parts: &[Delivery]) -> Result<(), Fault> {
        let what = format!("the word on {:?} is on disk", ids(parts));
        until_acknowledged(&self.ports, &self.wakes, what, || std::future::ready(Ok(true))).await
    }
}

impl Item {
    fn of(delivery: Delivery) -> Self {
        let receivers = vec![delivery.route.receiver.clone()];
        Self { delivery, receivers }
    }
}

/// Whether a delivery's way is through this system's mailbox.
fn is_here(delivery: &Delivery, system: &SystemId) -> bool {
    delivery.route.adapter == AdapterKind::Mailbox && delivery.route.system == *system
}

/// One item for each document, in the order of their first deliveries. `is_cut`: more wait than these, and the last document
/// may go on there; it comes in the next list, whole.
fn joined(found: Vec<Delivery>, is_cut: bool) -> Vec<Item> {
    let (mut items, mut places): (Vec<Item>, HashMap<_, usize>) = (Vec::new(), HashMap::new());
    let last = found.last().map(|delivery| delivery.document);
    for delivery in found {
        match places.get(&delivery.document) {
            Some(place) => items[*place].receivers.push(delivery.route.receiver),
            None => {
                places.insert(delivery.document, items.len());
                items.push(Item::of(delivery));
            }
        }
    }
    if is_cut && items.len() > 1 {
        items.retain(|item| Some(item.delivery.document) != last);
    }
    items
}
