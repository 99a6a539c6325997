//! How the index of mailboxes is filled: `EVENTS` is read to its end and on, whichever gateway wrote it. Before a list is
//! given, the index has all that the stream had when it was asked for, and what this gateway's own store offers.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use tokio::sync::{Mutex, Notify, watch};

use super::{Mailboxes, State};
use crate::clock::after;
use crate::ports::{EventsAfter, EventsSpan, Fault, PerLane};
use crate::record::{Delivery, EventsPlace, Posted, SystemId, Waiting};
use crate::tasks::Tasks;

/// How long a list waits until the index has what the stream had when it was asked for.
pub const CATCH_UP_WAIT: Duration = Duration::from_secs(5);
/// Messages that go into the index together.
const CHUNK: usize = 256;
/// Messages that say nothing of mailboxes, after which it is noted that they were read.
const NOTE_EVERY: u64 = 4_096;
/// Deliveries of the store that are compared with the index at once.
const PAGE: usize = 1_000;
/// Pauses of a reader whose broker, or disk, is away.
const PAUSE_FIRST: Duration = Duration::from_millis(250);
const PAUSE_MOST: Duration = Duration::from_secs(5);
/// How often what waits is counted.
const MEASURE_EVERY: Duration = Duration::from_secs(60);
/// How often entries that are kept no longer are looked for; and how many go at once.
const FORGET_EVERY: Duration = Duration::from_secs(24 * 3600);
const FORGET_AT_ONCE: usize = 1_000;

/// What the reader and those who wait for it share.
#[derive(Default)]
pub(super) struct Feed {
    /// Somebody has a mailbox: before that nothing is read.
    wanted: watch::Sender<bool>,
    reached: watch::Sender<Option<Reached>>,
    /// The stream is to be looked at anew.
    doubt: Notify,
    merged: Mutex<Merged>,
}

/// What the index has.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Reached {
    life: u64,
    place: EventsPlace,
}

/// The lists that were compared with the store in one life of the index.
#[derive(Default)]
struct Merged {
    life: u64,
    lists: HashSet<(SystemId, Waiting)>,
}

fn fault(cause: impl std::fmt::Display) -> Fault {
    Fault::new("mailboxes", cause)
}

impl Mailboxes {
    /// There are mailboxes: `EVENTS` is read from now on. The first list of one begins it, too.
    pub fn begin(&self) {
        self.feed.wanted.send_if_modified(|wanted| !std::mem::replace(wanted, true));
    }

    /// Reads `EVENTS` until shutdown. A broker that is away, or a disk, is waited for.
    ///
    /// # Errors
    /// None; it is a task like others.
    pub async fn run(self: Arc<Self>, tasks: Tasks) -> Result<(), Fault> {
        let work = async {
            let mut wanted = self.feed.wanted.subscribe();
            wanted.wait_for(|wanted| *wanted).await.map_err(fault)?;
            let (never, ..) =
                tokio::join!(self.keep_following(), self.keep_forgetting(), self.keep_measuring());
            never
        };
        tokio::select! {
            ended = work => ended,
            () = tasks.stopped() => Ok(()),
        }
    }

    async fn keep_following(&self) -> Result<(), Fault> {
        let mut pause = PAUSE_FIRST;
        loop {
            let had = self.feed.reached.borrow().clone();
            let Err(fault) = self.follow().await else { continue };
            if *self.feed.reached.borrow() != had {
                pause = PAUSE_FIRST;
            }
            tracing::warn!(%fault, pause_ms = pause.as_millis() as u64, "what waits in mailboxes is not read on yet");
            self.ports.clock.sleep_until(after(self.ports.clock.now(), pause)).await;
            pause = (pause * 2).min(PAUSE_MOST);
        }
    }

    /// Reads on from where the index stands, for as long as nothing fails.
    async fn follow(&self) -> Result<(), Fault> {
        let span = self.ports.broker.events_span().await?;
        let (life, begin) = self.beginning(&span).await?;
        let EventsAfter { is_end, messages } = self.ports.broker.events_after(begin).await?;
        let mut place = EventsPlace { sequence: begin, ..span.last.clone() };
        if is_end {
            place.sequence = span.last.sequence.max(begin);
        }
        self.reach(life, &place);
        let (mut chunks, mut noted) = (messages.ready_chunks(CHUNK), begin);
        loop {
            let chunk = tokio::select! {
                chunk = chunks.next() => chunk.ok_or_else(|| fault("the events have ended"))?,
                () = self.feed.doubt.notified() => return Ok(()),
            };
            let (mut posted, mut ended) = (Vec::new(), None);
            for message in chunk {
                match message {
                    Ok(message) => {
                        place.sequence = message.sequence;
                        posted.extend(message.posted);
                    }
                    Err(fault) => ended = ended.or(Some(fault)),
                }
            }
            if !posted.is_empty() || place.sequence.saturating_sub(noted) >= NOTE_EVERY {
                self.index.take(life, posted, Some(place.clone())).await?;
                noted = place.sequence;
            }
            self.reach(life, &place);
            if let Some(fault) = ended {
                return Err(fault);
            }
        }
    }

    /// The life of the index, and behind which message it goes on. What another stream said, or this one before it was
    /// set back, is thrown away; what was removed before it was read may have been the end of something, and cannot be had.
    async fn beginning(&self, span: &EventsSpan) -> Result<(u64, u64), Fault> {
        let life = self.index.life();
        let Some(known) = self.index.read_up_to().await? else { return Ok((life, 0)) };
        if known.stream != span.last.stream || known.sequence > span.last.sequence {
            tracing::warn!(
                ?known,
                ?span,
                "EVENTS is another stream, or was set back: mailboxes are read anew"
            );
            self.index.clear().await?;
            return Ok((self.index.life(), 0));
        }
        if known.sequence.saturating_add(1) < span.first {
            tracing::warn!(?known, ?span, "events were removed before they were read here");
            self.feed.merged.lock().await.lists.clear();
        }
        Ok((life, known.sequence))
    }

    fn reach(&self, life: u64, place: &EventsPlace) {
        self.feed.reached.send_replace(Some(Reached { life, place: place.clone() }));
    }

    async fn keep_measuring(&self) {
        loop {
            if let Err(fault) = self.measure().await {
                tracing::debug!(%fault, "what waits in mailboxes is not measured");
            }
            self.ports.clock.sleep_until(after(self.ports.clock.now(), MEASURE_EVERY)).await;
        }
    }

    async fn keep_forgetting(&self) {
        loop {
            let now = self.ports.clock.now();
            let before = now.saturating_sub(self.policy.keep_done).unwrap_or(jiff::Timestamp::MIN);
            loop {
                match self.index.forget(before, FORGET_AT_ONCE).await {
                    Ok(FORGET_AT_ONCE) => {}
                    Ok(_) => break,
                    Err(fault) => {
                        tracing::warn!(%fault, "what is over in mailboxes is not forgotten yet");
                        break;
                    }
                }
            }
            self.ports.clock.sleep_until(after(now, FORGET_EVERY)).await;
        }
    }

    /// Returns when the index has what `EVENTS` has now, and what the store offers to this system; in which life.
    ///
    /// # Errors
    /// The broker is away, or the index is not so far within [`CATCH_UP_WAIT`].
    pub(super) async fn in_step(&self, system: &SystemId, waiting: Waiting) -> Result<u64, Fault> {
        // Not whether the broker is ready for everything: streams that are being looked at are waited for, and what waits is
        // given while the store is too full to take more, or it could never be fetched and make room.
        let life = self.catch_up().await?;
        self.merge(life, system, waiting).await?;
        Ok(life)
    }

    /// What was read in this life is all that there was to read.
    pub(super) fn still(&self, life: u64) -> Result<(), Fault> {
        if self.index.life() == life {
            return Ok(());
        }
        Err(fault("the index of mailboxes is read anew"))
    }

    pub(super) async fn catch_up(&self) -> Result<u64, Fault> {
        self.begin();
        let end = self.ports.broker.events_span().await?.last;
        let mut reached = self.feed.reached.subscribe();
        let (life, stream) = (self.index.life(), &end.stream);
        let is_other = |reached: &Reached| reached.life != life || reached.place.stream != *stream;
        if reached.borrow().as_ref().is_some_and(is_other) {
            self.feed.doubt.notify_one();
        }
        let is_there = |reached: &Option<Reached>| {
            let Some(Reached { life, place }) = reached else { return false };
            *life == self.index.life() && place.stream == end.stream && place.sequence >= end.sequence
        };
        let until = after(self.ports.clock.now(), CATCH_UP_WAIT);
        tokio::select! {
            biased;
            found = reached.wait_for(is_there) => {
                let found = found.map_err(fault)?;
                found.as_ref().map(|reached| reached.life).ok_or_else(|| fault("nothing is read"))
            }
            () = self.ports.clock.sleep_until(until) => {
                self.feed.doubt.notify_one();
                Err(fault(format!("EVENTS is not read up to {} yet", end.sequence)))
            }
        }
    }

    /// Puts into the index what the store offers and the stream says no more, or never said so that it can be listed: it was
    /// lost, it is older than the stream keeps, or an earlier program wrote it. Once in each life of the index.
    async fn merge(&self, life: u64, system: &SystemId, waiting: Waiting) -> Result<(), Fault> {
        let mut merged = self.feed.merged.lock().await;
        if merged.life != life {
            *merged = Merged { life, lists: HashSet::new() };
        }
        let list = (system.clone(), waiting);
        if merged.lists.contains(&list) {
            return Ok(());
        }
        let mut behind = PerLane::default();
        loop {
            let page = self.ports.store.offered(system, waiting, behind, PAGE).await?;
            for delivery in &page {
                behind[delivery.lane as usize] = delivery.order;
            }
            self.merge_page(life, &page).await?;
            if page.len() < PAGE {
                break;
            }
        }
        merged.lists.insert(list);
        Ok(())
    }

    async fn merge_page(&self, life: u64, page: &[Delivery]) -> Result<(), Fault> {
        let known = self.index.entries(page.iter().map(|delivery| delivery.id).collect()).await?;
        let mut missing = Vec::new();
        for (delivery, known) in page.iter().zip(known) {
            match known {
                // Nothing comes after this: the store is one of before.
                Some(known) if known.state == State::Received => {
                    let note = "done, as EVENTS says";
                    self.settle.finish(std::slice::from_ref(delivery), State::Received, note).await?;
                }
                Some(known) if known.offer.generation >= delivery.generation => {}
                _ => missing.extend(Posted::of_delivery(delivery)),
            }
        }
        if missing.is_empty() {
            return Ok(());
        }
        tracing::info!(count = missing.len(), "EVENTS does not say what waits in a mailbox; the store does");
        self.index.take(life, missing, None).await
    }
}
