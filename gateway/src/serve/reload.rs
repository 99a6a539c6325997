//! The directory, read again when its file or one of its certificates changes, or on SIGHUP: all of it or nothing, with
//! the difference in the log.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use lienthong_config::Settings;
use lienthong_monitoring::Metrics;
use lienthong_pipeline::clock::after;
use lienthong_pipeline::directory::Directory;
use lienthong_pipeline::ports::{Clock, Fault};
use lienthong_pipeline::tasks::Tasks;

use super::settings::{self, FilesSeen};
use super::signals::Hangup;

/// How often the files are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// Keeps the directory as its files say.
pub(super) struct Reload {
    /// Which file.
    pub(super) settings: Arc<Settings>,
    /// Where the others read it.
    pub(super) directory: Arc<ArcSwap<Directory>>,
    /// When to look.
    pub(super) clock: Arc<dyn Clock>,
    /// Counts reloads.
    pub(super) metrics: Arc<Metrics>,
    /// The files as they were just before they were read last.
    pub(super) seen: FilesSeen,
    /// Asks for a reload at once.
    pub(super) hangup: Hangup,
}

/// A directory that was read, or why not.
type Read = Result<Directory, Vec<String>>;

impl Reload {
    /// Runs until shutdown.
    pub(super) async fn run(mut self, tasks: Tasks) -> Result<(), Fault> {
        while !tasks.is_stopping() {
            let due = after(self.clock.now(), LOOK_EVERY);
            let asked = tokio::select! {
                () = self.clock.sleep_until(due) => false,
                () = self.hangup.asked() => true,
                () = tasks.stopped() => break,
            };
            let (settings, seen) = (self.settings.clone(), std::mem::take(&mut self.seen));
            let look = tokio::task::spawn_blocking(move || look(&settings, seen, asked));
            let (seen, read) = look.await.map_err(|panic| Fault::new("reload", panic))?;
            self.seen = seen;
            if let Some(read) = read {
                self.take(read);
            }
        }
        Ok(())
    }

    fn take(&self, read: Read) {
        match read {
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

fn look(settings: &Settings, seen: FilesSeen, asked: bool) -> (FilesSeen, Option<Read>) {
    if !asked && !seen.changed() {
        return (seen, None);
    }
    let (seen, read) = settings::directory(settings);
    (seen, Some(read))
}
