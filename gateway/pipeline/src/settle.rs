//! Step settle: an outcome is written before anything else is done with it, and what depends on it is told. Who is
//! settled how is decided in `dispatch`.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::future::join_all;
use jiff::Timestamp;
use lienthong_monitoring::Metrics;
use lienthong_schemas::ids::{DeliveryId, DocumentId};
use tokio::sync::Semaphore;

use crate::crash::crash_point;
use crate::ports::{Fault, Ports, Transition};
use crate::record::{Delivery, Event, RecognitionKeys, State};
use crate::relay::INLINE_BYTES_MAX;
use crate::tasks::Tasks;
use crate::turns::Turn;
use crate::wakes::Wakes;

/// Notes for the spool that are kept until it takes them; more than these are left to a rebuild, which may then repeat
/// an attempt with the same ids (design.md B2).
const NOTES_MAX: usize = 10_000;

/// Documents with a large packet that are remembered; when there are more, all are forgotten and looked at anew.
const REMEMBERED_MAX: usize = 10_000;

/// Notes that are written while their queues go on; further ones are waited for.
const NOTES_AT_ONCE: usize = 64;

#[derive(Clone, Copy)]
struct Note {
    document: DocumentId,
    delivery: DeliveryId,
    generation: u32,
    state: State,
    at: Timestamp,
    untold: bool,
}

/// Writes outcomes.
pub(crate) struct Settle {
    ports: Ports,
    metrics: Arc<Metrics>,
    wakes: Wakes,
    notes: Mutex<Vec<Note>>,
    at_once: Arc<Semaphore>,
    /// Of documents with a large packet, the last delivery that was seen under way.
    under_way: Mutex<HashMap<DocumentId, DeliveryId>>,
}

impl Settle {
    pub(crate) fn new(ports: Ports, metrics: Arc<Metrics>, wakes: Wakes) -> Self {
        let at_once = Arc::new(Semaphore::new(NOTES_AT_ONCE));
        Self { ports, metrics, wakes, notes: Mutex::default(), at_once, under_way: Mutex::default() }
    }

    /// These deliveries of one document are over. Returned are those that were not so already; for the others nothing is
    /// written.
    pub(crate) async fn finish<'a>(
        &self,
        together: &'a [Delivery],
        state: State,
        note: &str,
    ) -> Result<Vec<&'a Delivery>, Fault> {
        // Each comes to its end, notes included, whatever becomes of the others.
        let all = join_all(together.iter().map(|part| self.finish_one(part, state, note.to_owned()))).await;
        let mut done = Vec::new();
        for (part, finished) in together.iter().zip(all) {
            done.extend(finished?.then_some(part));
        }
        self.tell(&done, true).await;
        Ok(done)
    }

    /// One of them; `false`: it was over already. [`Settle::tell`] is to follow.
    pub(crate) async fn finish_one(
        &self,
        delivery: &Delivery,
        state: State,
        note: String,
    ) -> Result<bool, Fault> {
        let end = Transition::Settled { state, note, untold: false };
        let Some((note, _turn)) = self.end(delivery, end).await? else { return Ok(false) };
        self.note(note).await;
        Ok(true)
    }

    /// The same, and its note is written while the queue goes on: it is for a rebuild of the store only.
    pub(crate) async fn finish_one_and_note(
        self: &Arc<Self>,
        delivery: &Delivery,
        end: Transition,
        tasks: &Tasks,
    ) -> Result<bool, Fault> {
        let Some((note, turn)) = self.end(delivery, end).await? else { return Ok(false) };
        let place = self.at_once.clone().acquire_owned().await.ok();
        let settle = self.clone();
        // Nobody waits for it but the end of the process, and whoever changes the delivery next.
        drop(tasks.complete(async move {
            settle.note(note).await;
            drop((turn, place));
        }));
        Ok(true)
    }

    /// What an axis says of a delivery that it took; `None`: it is not asked about that any more.
    pub(crate) async fn heard(&self, delivery: &Delivery, heard: Transition) -> Result<Option<State>, Fault> {
        let turn = self.wakes.noting.take(delivery.id).await;
        let at = self.ports.clock.now();
        let Some(after) = self.ports.store.transition(delivery.id, at, heard).await? else { return Ok(None) };
        let is_end = after.state != delivery.state;
        if is_end {
            self.metrics.settled.of(after.state.as_str()).inc();
            let Delivery { id, document, generation, state, .. } = after;
            self.note(Note { document, delivery: id, generation, state, at, untold: false }).await;
        }
        drop(turn);
        self.tell(&[delivery], is_end).await;
        Ok(Some(after.state))
    }

    /// What another gateway says of a delivery that this one keeps; `None`: it is not known here, or that is no news.
    pub(crate) async fn follow(&self, event: Event) -> Result<Option<Delivery>, Fault> {
        let turn = self.wakes.noting.take(event.delivery).await;
        let (at, id) = (event.entry.at, event.delivery);
        let change = Transition::Followed { event: Box::new(event) };
        let Some(after) = self.ports.store.transition(id, at, change).await? else { return Ok(None) };
        let Delivery { document, generation, state, .. } = after;
        let is_over = state.is_final();
        // Only what was accepted here has an admission to note it beside.
        if is_over && !after.foreign {
            self.note(Note { document, delivery: id, generation, state, at, untold: false }).await;
        }
        drop(turn);
        self.tell(&[&after], is_over).await;
        Ok(Some(after))
    }

    /// Ends it in the store; `None`: it was over already. Returned is what is yet to be noted beside the admission, and the
    /// turn that keeps others from ending it, or taking its end back, meanwhile.
    async fn end(
        &self,
        delivery: &Delivery,
        end: Transition,
    ) -> Result<Option<(Note, Turn<DeliveryId>)>, Fault> {
        let turn = self.wakes.noting.take(delivery.id).await;
        let (at, untold) = (self.ports.clock.now(), matches!(end, Transition::Settled { untold: true, .. }));
        let Some(after) = self.ports.store.transition(delivery.id, at, end).await? else {
            return Ok(None);
        };
        let Delivery { id, document, generation, state, .. } = after;
        self.metrics.settled.of(state.as_str()).inc();
        Ok(Some((Note { document, delivery: id, generation, state, at, untold }, turn)))
    }

    /// Wakes whoever has to do with what was written of these deliveries of one document.
    pub(crate) async fn tell(&self, done: &[&Delivery], over: bool) {
        if let Some(delivery) = done.first().filter(|_| over) {
            self.wakes.report.notify_one();
            self.remove_blob_after(delivery).await;
        }
        self.wakes.events.notify_one();
    }

    /// The delivery is held for the operator.
    pub(crate) async fn park(&self, delivery: &Delivery, note: String) -> Result<(), Fault> {
        self.park_one(delivery, note).await?;
        self.wakes.events.notify_one();
        Ok(())
    }

    /// The same without a word to anybody; `false`: it was parked, or over, already.
    pub(crate) async fn park_one(&self, delivery: &Delivery, note: String) -> Result<bool, Fault> {
        tracing::error!(delivery_id = %delivery.id, receiver = %delivery.route.receiver, note, "parked");
        let change = Transition::Settled { state: State::Parked, note, untold: false };
        self.hold(delivery, change).await
    }

    /// The delivery is held for the operator, because its receiver is to have another document in its place.
    pub(crate) async fn contest(&self, delivery: &Delivery, note: String) -> Result<(), Fault> {
        tracing::error!(delivery_id = %delivery.id, receiver = %delivery.route.receiver, note, "held");
        self.hold(delivery, Transition::Contested { note }).await?;
        self.wakes.events.notify_one();
        Ok(())
    }

    async fn hold(&self, delivery: &Delivery, change: Transition) -> Result<bool, Fault> {
        let done = self.ports.store.transition(delivery.id, self.ports.clock.now(), change).await?;
        if done.is_some() {
            self.metrics.parked.inc();
        }
        Ok(done.is_some())
    }

    /// The operator sees no way for this delivery; its sender is told. `false`: it was over already.
    pub(crate) async fn give_up(&self, delivery: &Delivery, note: String) -> Result<bool, Fault> {
        Ok(self.give_up_all(std::slice::from_ref(delivery), &note).await? > 0)
    }

    /// There is no way for these deliveries of one document, and their sender is told of each. Returned is how many were
    /// not over already.
    pub(crate) async fn give_up_all(&self, together: &[Delivery], note: &str) -> Result<usize, Fault> {
        let done = self.finish(together, State::GivenUp, note).await?;
        for delivery in &done {
            tracing::error!(delivery_id = %delivery.id, receiver = %delivery.route.receiver, "given up");
            self.metrics.given_up.inc();
        }
        Ok(done.len())
    }

    /// Notes beside its admission that a recall took this delivery back: the store decided it, and owes the note until then.
    pub(crate) async fn note_recalled(&self, recalled: &Delivery, at: Timestamp) -> Result<(), Fault> {
        let Delivery { id, document, generation, state, .. } = *recalled;
        let _turn = self.wakes.noting.take(id).await;
        let now = self.ports.store.delivery(id).await?;
        if now.is_none_or(|now| (now.state, now.generation) != (state, generation)) {
            return Ok(());
        }
        self.ports.spool.settled(document, id, state, at).await?;
        crash_point("after-recall-note");
        let change = Transition::Reported;
        let Some(after) = self.ports.store.transition(id, self.ports.clock.now(), change).await? else {
            return Ok(());
        };
        if after.state != state {
            // Held a moment ago, and withdrawn since.
            self.ports.spool.settled(document, id, after.state, at).await?;
        }
        tracing::info!(
            delivery_id = %id, document_id = %document, receiver = %after.route.receiver,
            state = after.state.as_str(), "taken back before it left",
        );
        self.wakes.changed(&after);
        match after.state {
            State::Parked => self.metrics.parked.inc(),
            state => self.metrics.settled.of(state.as_str()).inc(),
        }
        self.remove_blob_after(&after).await;
        Ok(())
    }

    /// Whether there is something that the spool did not take.
    pub(crate) fn has_notes(&self) -> bool {
        !self.locked().is_empty()
    }

    /// Tries once more to write what the spool did not take, up to the first that it does not take now either.
    pub(crate) async fn write_notes(&self) {
        let mut waiting = std::mem::take(&mut *self.locked()).into_iter();
        while let Some(note) = waiting.next() {
            if !self.write(note).await {
                self.locked().extend(waiting);
                return;
            }
        }
    }

    /// A note that comes late is written as the store has it now: a delivery that was sent again since has newer notes,
    /// and a rebuild must not take it for over; one that was closed since stays so. `false`: it is kept.
    async fn write(&self, note: Note) -> bool {
        let Note { document, delivery, generation, state, .. } = note;
        let _turn = self.wakes.noting.take(delivery).await;
        let now = match self.ports.store.delivery(delivery).await {
            Ok(Some(now)) if (now.state, now.generation) == (state, generation) => now,
            Ok(_) => {
                tracing::debug!(delivery_id = %delivery, "the settled note is out of date");
                return true;
            }
            Err(_) => {
                self.keep(note);
                return false;
            }
        };
        let written = self.note(note).await;
        if written
            && now.closed
            && let Err(fault) = self.ports.spool.closed(document, delivery).await
        {
            tracing::error!(delivery_id = %delivery, %fault, "the note that a dead letter is closed is not on disk");
        }
        written
    }

    /// The store has the outcome already; the note is for a rebuild of the store, so a full disk must not stop
    /// deliveries because of it. `false`: it is kept.
    async fn note(&self, note: Note) -> bool {
        let Note { document, delivery, state, at, untold, .. } = note;
        let written = match untold {
            true => self.ports.spool.settled_untold(document, delivery, state, at).await,
            false => self.ports.spool.settled(document, delivery, state, at).await,
        };
        if let Err(fault) = &written {
            tracing::error!(delivery_id = %note.delivery, %fault, "the settled note is not on disk yet");
            self.keep(note);
        }
        written.is_ok()
    }

    fn keep(&self, note: Note) {
        let mut notes = self.locked();
        if notes.len() < NOTES_MAX {
            notes.push(note);
        }
    }

    /// A large packet leaves the Object Store with its last delivery, or the broker's disk would only fill. A later
    /// requeue puts it there again from the spool. To know it costs a look at all deliveries of the document; between two
    /// of these, one at the last that was under way.
    async fn remove_blob_after(&self, delivery: &Delivery) {
        // The gateway that accepted it knows all its receivers; one that only delivers some does not.
        if delivery.bytes <= INLINE_BYTES_MAX || delivery.foreign {
            return;
        }
        let (document, store) = (delivery.document, &self.ports.store);
        let known = self.under_way().get(&document).copied();
        if let Some(known) = known
            && let Ok(Some(known)) = store.delivery(known).await
            && !known.state.is_final()
        {
            return;
        }
        let removed = match store.deliveries_of(document).await {
            Ok(all) => match all.iter().rfind(|delivery| !delivery.state.is_final()) {
                Some(last) => return self.remember_under_way(document, last.id),
                None => {
                    self.under_way().remove(&document);
                    self.remove_blob_of(delivery).await
                }
            },
            Err(fault) => Err(fault),
        };
        if let Err(fault) = removed {
            tracing::warn!(%fault, digest = %delivery.digest, "a blob stays in the broker until its age limit");
        }
    }

    /// Removes the packet of a document that is over, unless another document of the same bytes is under way: they were
    /// sent in once for each receiver. Another gateway takes it from there, and the last of them removes it.
    async fn remove_blob_of(&self, delivery: &Delivery) -> Result<(), Fault> {
        let Ports { store, spool, broker, .. } = &self.ports;
        let keys = spool.admission(delivery.document).await?.map(|admission| admission.keys);
        for name in keys.iter().flat_map(RecognitionKeys::names) {
            for twin in store.known(name).await? {
                if twin.digest == delivery.digest
                    && twin.id != delivery.document
                    && store.deliveries_of(twin.id).await?.iter().any(|one| !one.state.is_final())
                {
                    return Ok(());
                }
            }
        }
        broker.remove_blob(delivery.digest).await
    }

    fn remember_under_way(&self, document: DocumentId, delivery: DeliveryId) {
        let mut under_way = self.under_way();
        if under_way.len() >= REMEMBERED_MAX {
            under_way.clear();
        }
        under_way.insert(document, delivery);
    }

    fn under_way(&self) -> std::sync::MutexGuard<'_, HashMap<DocumentId, DeliveryId>> {
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn locked(&self) -> std::sync::MutexGuard<'_, Vec<Note>> {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
