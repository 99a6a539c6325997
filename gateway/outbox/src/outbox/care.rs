//! What the store needs from time to time: its next generation, so that one that is damaged has little in it, and a store
//! that takes much of its disk for little is written anew (its engine may not give back what is freed).

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
/// How often what stands in it is added up, where it is large.
const ADD_UP_EVERY: Duration = Duration::from_secs(24 * 3_600);
/// Bytes up to which nobody asks what they are for.
const SIZE_MIN: u64 = 512 << 20;
/// So many bytes of disk for one that stands in the store are too many.
const BYTES_FOR_ONE: u64 = 8;

impl Outbox {
    /// Takes care of the store until shutdown. `replaced` is called whenever another store has taken the place of one that
    /// broke: whoever knows something of the old one forgets it.
    ///
    /// # Errors
    /// None; whatever fails is tried again.
    pub async fn tend(self: Arc<Self>, replaced: impl Fn() + Send + Sync, tasks: Tasks) -> Result<(), Fault> {
        let clock = self.options.clock.clone();
        let (mut look, mut add_up) = (clock.now(), Timestamp::MIN);
        while !tasks.is_stopping() {
            tokio::select! {
                Some((store, fault)) = self.broken() => tokio::select! {
                    () = self.replace(store, fault) => replaced(),
                    () = tasks.stopped() => break,
                },
                () = clock.sleep_until(look) => {
                    let looked = tokio::select! {
                        looked = self.look_after(&mut add_up) => looked,
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

    async fn look_after(&self, add_up: &mut Timestamp) -> Result<(), Fault> {
        let store = self.store()?;
        let mut generational = self.heard(&store, store.generational().await)?;
        if self.wants_another(&store, &generational, add_up).await? {
            self.heard(&store, store.rotate().await)?;
            self.metrics.outbox_rotations.inc();
            generational = self.heard(&store, store.generational().await)?;
        }
        self.metrics.outbox_generations.set(generational.count as u64);
        Ok(())
    }

    /// Whether it is time for the next generation.
    async fn wants_another(
        &self,
        store: &Arc<FileStore>,
        generational: &Generational,
        add_up: &mut Timestamp,
    ) -> Result<bool, Fault> {
        let now = self.options.clock.now();
        if after(generational.begun, self.options.rotate_every) <= now {
            return Ok(true);
        }
        if now < *add_up {
            return Ok(false);
        }
        let size = store.size_on_disk(generational).await?;
        if size < SIZE_MIN {
            return Ok(false);
        }
        *add_up = after(now, ADD_UP_EVERY);
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
