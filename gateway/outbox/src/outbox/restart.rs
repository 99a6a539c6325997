//! A store that broke is replaced in the process. A barrier that failed may have lost pages that the kernel takes for
//! clean (design.md A fact 4), so what the store reads back proves nothing: it is noted as broken, closed, set aside and
//! built anew from the admissions and the notes beside them, with growing pauses for as long as it takes.

use std::sync::Arc;
use std::time::Duration;

use lienthong_pipeline::clock::after;
use lienthong_pipeline::ports::{Fault, OutboxStore};

use super::{Outbox, Phase};
use crate::open::{Opened, open_store};
use crate::store::FileStore;

/// Before the first attempt: what was settled just before has time to be noted beside its admission.
const PAUSE_FIRST: Duration = Duration::from_secs(1);
const PAUSE_MOST: Duration = Duration::from_secs(60);

impl Outbox {
    /// Waits for the store to break.
    pub(super) async fn broken(&self) -> Option<(Arc<FileStore>, Fault)> {
        let mut phase = self.phase.subscribe();
        let phase = phase.wait_for(|phase| matches!(phase, Phase::Broken(..))).await;
        match phase.as_deref() {
            Ok(Phase::Broken(store, _, fault)) => Some((store.clone(), fault.clone())),
            _ => None,
        }
    }

    /// Returns when another store runs.
    pub(super) async fn replace(&self, broken: Arc<FileStore>, fault: Fault) {
        let clock = &self.options.clock;
        let (mut pause, mut is_noted) = (PAUSE_FIRST, false);
        loop {
            // Until this is on disk, a start after a kill would trust the store.
            is_noted = is_noted || self.is_noted(&broken, &fault).await;
            // It has ended by itself; this waits for its thread, and lets go of its files. Its fault is known.
            broken.close().await.ok();
            clock.sleep_until(after(clock.now(), pause)).await;
            let built = match (is_noted, broken.is_released()) {
                (true, true) => self.build().await,
                (true, false) => Err("somebody still reads the broken one".to_owned()),
                (false, _) => Err("that it is broken is not noted on disk".to_owned()),
            };
            match built {
                Ok((store, opened)) => {
                    tracing::warn!(?opened, "the store was built anew, and documents are taken again");
                    return self.took_over(store);
                }
                Err(cause) => tracing::error!(cause, ?pause, "the store cannot be built anew yet"),
            }
            pause = (pause * 2).min(PAUSE_MOST);
        }
    }

    async fn is_noted(&self, broken: &Arc<FileStore>, fault: &Fault) -> bool {
        let (broken, fault) = (broken.clone(), fault.clone());
        tokio::task::spawn_blocking(move || broken.note_damage(&fault)).await.is_ok_and(|noted| noted.is_ok())
    }

    async fn build(&self) -> Result<(FileStore, Opened), String> {
        let (data_dir, spool, options) = (self.data_dir.clone(), self.spool.clone(), self.options.clone());
        let build = move || {
            open_store(&data_dir, &spool, options.keeper, &options.clock, Some(options.keep_documents))
        };
        let built = tokio::task::spawn_blocking(build).await.map_err(|panic| panic.to_string())?;
        built.map_err(|fault| fault.to_string())
    }
}
