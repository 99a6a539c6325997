//! What the store needs from time to time: its next generation, so that one that is damaged has little in it, and a store
//! that takes much of its disk for little is written anew (its engine may not give back what is freed); and that what is
//! too old goes (`prune`).

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use lienthong_pipeline::clock::after;
use lienthong_pipeline::ports::Fault;
use lienthong_pipeline::tasks::Tasks;

use super::Outbox;
use crate::store::{FileStore, Generational};

/// How often the store is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(3_600);
/// How often it is looked whether something is too old to be kept.
const PRUNE_EVERY: Duration = Duration::from_secs(24 * 3_600);
/// How often what stands in it is added up, where it is large.
const ADD_UP_EVERY: Duration = Duration::from_secs(24 * 3_600);
/// Bytes up to which nobody asks what they are for.
const SIZE_MIN: u64 = 512 << 20;
/// So many bytes of disk for one that stands in the store are too many.
const BYTES_FOR_ONE: u64 = 8;

/// When things were done last that are not done at every look.
#[derive(Default)]
struct Last {
    added_up: Option<Timestamp>,
    pruned: Option<Timestamp>,
}

/// Whether so much time has passed, or a clock was wrong then.
fn is_due(last: Option<Timestamp>, every: Duration, now: Timestamp) -> bool {
    last.is_none_or(|last| now < last || after(last, every) <= now)
}

impl Outbox {
    /// Takes care of the store until shutdown. `replaced` is called whenever another store has taken the place of one that
    /// broke: whoever knows something of the old one forgets it.
    ///
    /// # Errors
    /// None; whatever fails is tried again.
    pub async fn tend(self: Arc<Self>, replaced: impl Fn() + Send + Sync, tasks: Tasks) -> Result<(), Fault> {
        let clock = self.options.clock.clone();
        let (mut look, mut last) = (clock.now(), Last::default());
        while !tasks.is_stopping() {
            tokio::select! {
                Some((store, fault)) = self.broken() => tokio::select! {
                    () = self.replace(store, fault) => replaced(),
                    () = tasks.stopped() => break,
                },
                () = clock.sleep_until(look) => {
                    let looked = tokio::select! {
                        looked = self.look_after(&mut last) => looked,
                        _ = self.broken() => continue,
                        () = tasks.stopped() => break,
                    };
                    if let Err(fault) = looked {
                        tracing::warn!(%fault, "the store is looked after later");
                    }
                    look = after(clock.now(), LOOK_EVERY);
                }
                () = tasks.stopped() => break,
            }
        }
        Ok(())
    }

    async fn look_after(&self, last: &mut Last) -> Result<(), Fault> {
        let store = self.store()?;
        let mut generational = self.heard(&store, store.generational().await)?;
        if self.wants_another(&store, &generational, &mut last.added_up).await? {
            self.heard(&store, store.rotate().await)?;
            self.metrics.outbox_rotations.inc();
            generational = self.heard(&store, store.generational().await)?;
        }
        self.metrics.outbox_generations.set(generational.count as u64);
        let now = self.options.clock.now();
        if is_due(last.pruned, PRUNE_EVERY, now) {
            last.pruned = Some(now);
            self.prune().await?;
            let generational = self.heard(&store, store.generational().await)?;
            self.metrics.outbox_generations.set(generational.count as u64);
        }
        Ok(())
    }

    /// Whether it is time for the next generation.
    async fn wants_another(
        &self,
        store: &Arc<FileStore>,
        generational: &Generational,
        added_up: &mut Option<Timestamp>,
    ) -> Result<bool, Fault> {
        let now = self.options.clock.now();
        let (begun, every) = (generational.begun, self.options.rotate_every);
        // One that began so much later than now began by a clock that was wrong.
        if after(begun, every) <= now || after(now, every) < begun {
            return Ok(true);
        }
        if !is_due(*added_up, ADD_UP_EVERY, now) {
            return Ok(false);
        }
        let size = store.size_on_disk(generational).await?;
        if size < SIZE_MIN {
            return Ok(false);
        }
        *added_up = Some(now);
        let live = self.heard(store, store.live_bytes().await)?;
        if size < live.saturating_mul(BYTES_FOR_ONE) {
            return Ok(false);
        }
        tracing::warn!(
            size,
            live,
            "the store takes much more of its disk than stands in it, and is written anew"
        );
        Ok(true)
    }
}
