//! What other gateways say in `EVENTS` of deliveries that this one keeps: read to the end and on, and written down. So the
//! gateway that accepted a document knows what became of it, and tells its sender (design.md B2, B7).

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::StreamExt;
use lienthong_monitoring::Metrics;
use tokio::sync::{Notify, watch};

use crate::clock::after;
use crate::partitions::Partitions;
use crate::ports::{EventsAfter, EventsSpan, Fault, Ports};
use crate::record::{Event, EventsPlace};
use crate::settle::Settle;
use crate::tasks::Tasks;
use crate::wakes::Wakes;

/// Messages after which it is noted that they were read.
const NOTE_EVERY: u64 = 1_024;
/// Messages that are read before the others have their turn.
const CHUNK: usize = 64;
const PAUSE_FIRST: Duration = Duration::from_millis(250);
const PAUSE_MOST: Duration = Duration::from_secs(5);
/// How long somebody waits until `EVENTS` was read as far as it went when asked.
const CATCH_UP_WAIT: Duration = Duration::from_secs(30);

/// Remembers how far `EVENTS` was read. One that is lost, or is of a while ago, does no harm: events are read again.
#[async_trait]
pub trait Bookmark: Send + Sync + 'static {
    /// Where it was put last.
    async fn place(&self) -> Result<Option<EventsPlace>, Fault>;
    /// Puts it somewhere else.
    async fn put(&self, place: &EventsPlace) -> Result<(), Fault>;
    /// Takes it away: everything is read again.
    async fn forget(&self) -> Result<(), Fault>;
}

/// See the module.
pub struct Follow {
    ports: Ports,
    bookmark: Arc<dyn Bookmark>,
    settle: Settle,
    partitions: Arc<Partitions>,
    wakes: Wakes,
    reached: watch::Sender<Option<EventsPlace>>,
    anew: Notify,
}

fn fault(cause: impl std::fmt::Display) -> Fault {
    Fault::new("follow", cause)
}

impl Follow {
    /// For one of several gateways; its broker knows its name.
    pub fn new(
        ports: Ports,
        bookmark: Arc<dyn Bookmark>,
        partitions: Arc<Partitions>,
        metrics: Arc<Metrics>,
        wakes: Wakes,
    ) -> Self {
        let settle = Settle::new(ports.clone(), metrics, wakes.clone());
        Self {
            ports,
            bookmark,
            settle,
            partitions,
            wakes,
            reached: watch::Sender::default(),
            anew: Notify::new(),
        }
    }

    /// Runs until shutdown. A broker that is away is waited for, and so is a store that can come back.
    ///
    /// # Errors
    /// Only when the store has ended.
    pub async fn run(self: Arc<Self>, tasks: Tasks) -> Result<(), Fault> {
        tokio::select! {
            ended = self.keep_following() => ended,
            () = tasks.stopped() => Ok(()),
        }
    }

    async fn keep_following(&self) -> Result<(), Fault> {
        let mut pause = PAUSE_FIRST;
        loop {
            let had = self.reached.borrow().clone();
            let Err(fault) = self.follow().await;
            if fault.fatal {
                return Err(fault);
            }
            if *self.reached.borrow() != had {
                pause = PAUSE_FIRST;
            }
            tracing::warn!(%fault, pause_ms = pause.as_millis() as u64, "what other gateways say is not read on yet");
            self.ports.clock.sleep_until(after(self.ports.clock.now(), pause)).await;
            pause = (pause * 2).min(PAUSE_MOST);
        }
    }

    /// Reads on from the bookmark, for as long as nothing fails.
    async fn follow(&self) -> Result<std::convert::Infallible, Fault> {
        let span = self.ports.broker.events_span().await?;
        let begin = self.beginning(&span).await?;
        let EventsAfter { is_end, messages } = self.ports.broker.events_after(begin).await?;
        let mut place = EventsPlace { sequence: begin, ..span.last.clone() };
        if is_end {
            place.sequence = span.last.sequence.max(begin);
        }
        self.reached.send_replace(Some(place.clone()));
        let (mut chunks, mut noted) = (messages.ready_chunks(CHUNK), place.sequence);
        loop {
            let chunk = tokio::select! {
                chunk = chunks.next() => chunk.ok_or_else(|| fault("the events have ended"))?,
                () = self.anew.notified() => return Err(fault("the store is another one")),
            };
            for message in chunk {
                let message = message?;
                for event in message.followed {
                    self.take(event).await?;
                }
                place.sequence = message.sequence;
            }
            self.reached.send_replace(Some(place.clone()));
            if place.sequence.saturating_sub(noted) >= NOTE_EVERY {
                self.bookmark.put(&place).await?;
                noted = place.sequence;
            }
        }
    }

    /// Behind which message it goes on; from the beginning in another stream, or in one that was set back.
    async fn beginning(&self, span: &EventsSpan) -> Result<u64, Fault> {
        let Some(known) = self.bookmark.place().await? else { return Ok(0) };
        let is_there = known.stream == span.last.stream && known.sequence <= span.last.sequence;
        Ok(if is_there { known.sequence } else { 0 })
    }

    /// One event of another gateway. Of what is not known here nothing is written.
    async fn take(&self, event: Event) -> Result<(), Fault> {
        if let Some(after) = self.settle.follow(event).await? {
            self.partitions.check(&after);
            self.wakes.changed(&after);
        }
        Ok(())
    }

    /// The store is another one, and the bookmark was taken away: everything is read again.
    pub fn begin_anew(&self) {
        self.reached.send_replace(None);
        self.anew.notify_one();
    }

    /// Returns when all was read that `EVENTS` had when this was called.
    ///
    /// # Errors
    /// The broker is away, or it was not read so far in half a minute.
    pub async fn catch_up(&self) -> Result<(), Fault> {
        let end = self.ports.broker.events_span().await?.last;
        let mut reached = self.reached.subscribe();
        let is_there = |place: &Option<EventsPlace>| {
            place.as_ref().is_some_and(|place| place.stream == end.stream && place.sequence >= end.sequence)
        };
        let until = after(self.ports.clock.now(), CATCH_UP_WAIT);
        tokio::select! {
            biased;
            found = reached.wait_for(is_there) => found.map(drop).map_err(fault),
            () = self.ports.clock.sleep_until(until) => {
                Err(fault(format!("EVENTS is not read up to {} yet", end.sequence)))
            }
        }
    }
}
