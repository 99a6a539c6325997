//! The directory, read again when its file changes or on SIGHUP: all of it or nothing, with the difference in the log.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwap;
use lienthong_config::Settings;
use lienthong_monitoring::Metrics;
use lienthong_pipeline::directory::Directory;
use lienthong_pipeline::ports::{Clock, Fault};
use lienthong_pipeline::tasks::Tasks;

use super::{settings, signals};

/// How often the file is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// Keeps the directory as its file says.
pub struct Reload {
    /// Which file.
    pub settings: Arc<Settings>,
    /// Where the others read it.
    pub directory: Arc<ArcSwap<Directory>>,
    /// When to look.
    pub clock: Arc<dyn Clock>,
    /// Counts reloads.
    pub metrics: Arc<Metrics>,
    /// The file as it was when it was read last.
    pub seen: Option<(SystemTime, u64)>,
}

/// Time of change and length of a file; `None` when it cannot be looked at.
pub fn stamp(file: &Path) -> Option<(SystemTime, u64)> {
    let metadata = std::fs::metadata(file).ok()?;
    Some((metadata.modified().ok()?, metadata.len()))
}

impl Reload {
    /// Runs until shutdown.
    pub async fn run(mut self, tasks: Tasks) -> Result<(), Fault> {
        while !tasks.is_stopping() {
            let due = self.clock.now().saturating_add(LOOK_EVERY).unwrap_or(jiff::Timestamp::MAX);
            let asked = tokio::select! {
                () = self.clock.sleep_until(due) => false,
                () = signals::asked_to_reload() => true,
                () = tasks.stopped() => break,
            };
            let found = stamp(&self.settings.directory.file);
            if asked || found != self.seen {
                self.seen = found;
                self.reload();
            }
        }
        Ok(())
    }

    fn reload(&self) {
        match settings::directory(&self.settings) {
            Ok(directory) => {
                let difference = self.directory.load().difference(&directory);
                self.directory.store(Arc::new(directory));
                self.metrics.directory_reloads.of("applied").inc();
                tracing::info!(?difference, "directory read again");
            }
            Err(faults) => {
                self.metrics.directory_reloads.of("refused").inc();
                tracing::error!(?faults, "directory refused; the old one stays");
            }
        }
    }
}
