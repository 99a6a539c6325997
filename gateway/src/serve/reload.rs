//! Reading again while the gateway runs. When the directory, a certificate in it, an authority or a revocation list is
//! another file now: these together. On SIGHUP: the settings too, of which some sections count at once and the others
//! after a restart. All of it or nothing, with the difference in the log.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use lienthong_monitoring::Metrics;
use lienthong_pipeline::clock::after;
use lienthong_pipeline::ports::{Clock, Fault};
use lienthong_pipeline::tasks::Tasks;
use lienthong_pipeline::trust::Freshness;

use super::files::FilesSeen;
use super::settings::{self, Loaded};
use super::signals::Hangup;
use super::written::Written;
use crate::rolls::Rolls;

/// How often the files are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// How often the log says again that a revocation list is old.
const WARN_EVERY: SignedDuration = SignedDuration::from_hours(6);

/// Puts settings that were read again to use where they count at once; all of them, or none and why not.
pub(super) type Apply = Box<dyn Fn(&Loaded) -> Result<(), String> + Send + Sync>;

/// Keeps the gateway as its files say.
pub(super) struct Reload {
    /// What the gateway was started with.
    pub(super) loaded: Arc<Loaded>,
    /// Whose directory the others read organisations and authorities in: one value, so that no packet is judged by some
    /// of the old files and some of the new.
    pub(super) rolls: Arc<Rolls>,
    /// Called with settings that were read again, just before the directory is swapped.
    pub(super) apply: Apply,
    /// When to look.
    pub(super) clock: Arc<dyn Clock>,
    /// Counts reloads; shows when revocation lists end.
    pub(super) metrics: Arc<Metrics>,
    /// Asks for a reload at once.
    pub(super) hangup: Hangup,
}

/// What was read, or why not, and the files that were looked at.
type Read = (FilesSeen, Result<Loaded, Vec<String>>);

impl Reload {
    /// Runs until shutdown.
    pub(super) async fn run(mut self, tasks: Tasks) -> Result<(), Fault> {
        let started = self.loaded.written.clone();
        let mut seen = self.loaded.files.clone();
        let mut warned = self.note_lists();
        while !tasks.is_stopping() {
            let due = after(self.clock.now(), LOOK_EVERY);
            let asked = tokio::select! {
                () = self.clock.sleep_until(due) => false,
                () = self.hangup.asked() => true,
                () = tasks.stopped() => break,
            };
            let (loaded, before) = (self.loaded.clone(), seen);
            let look = tokio::task::spawn_blocking(move || look(&loaded, before, asked));
            let (now_seen, read) = look.await.map_err(|panic| Fault::new("reload", panic))?;
            seen = now_seen;
            if let Some(read) = read {
                self.take(read, asked, &started);
                warned = self.note_lists();
            }
            if self.clock.now().duration_since(warned) >= WARN_EVERY {
                warned = self.note_lists();
            }
        }
        Ok(())
    }

    fn take(&mut self, read: Result<Loaded, Vec<String>>, asked: bool, started: &Written) {
        let applied = read.and_then(|loaded| {
            if asked {
                (self.apply)(&loaded).map_err(|fault| vec![fault])?;
            }
            Ok(loaded)
        });
        match applied {
            Ok(loaded) => {
                self.tell(&loaded, started);
                self.rolls.rebase(&loaded.directory);
                self.loaded = Arc::new(loaded);
                self.metrics.directory_reloads.of("applied").inc();
                let now = u64::try_from(self.clock.now().as_second()).unwrap_or_default();
                self.metrics.last_reload.set(Duration::from_secs(now));
            }
            Err(faults) => {
                self.metrics.directory_reloads.of("refused").inc();
                tracing::error!(?faults, "reload refused; everything stays as it was");
            }
        }
    }

    /// Writes to the log what is different; ids and names of files only.
    fn tell(&self, next: &Loaded, started: &Written) {
        let before = &*self.loaded;
        let directory = before.directory.difference(&next.directory);
        let changed = |path: &PathBuf| before.trust_files.get(path) != next.trust_files.get(path);
        let mut trust: Vec<&PathBuf> = before.trust_files.keys().chain(next.trust_files.keys()).collect();
        trust.retain(|path| changed(path));
        trust.sort_unstable();
        trust.dedup();
        let ids = |section| before.written.changed_ids(&next.written, section);
        let (systems, axes, operators) = (ids("systems"), ids("axes"), ids("operators"));
        tracing::info!(?directory, ?trust, ?systems, ?axes, ?operators, "files read again");
        let keys = started.waiting_for_restart(&next.written);
        if !keys.is_empty() {
            tracing::warn!(?keys, "these settings count after a restart only");
        }
    }

    /// Shows when the first revocation list ends, and warns of those that nobody has refreshed. When it did.
    fn note_lists(&self) -> Timestamp {
        let (now, trust) = (self.clock.now(), self.loaded.directory.trust());
        let earliest = trust.earliest_next_update().map_or(0, |at| at.as_second());
        let since_epoch = Duration::from_secs(u64::try_from(earliest).unwrap_or_default());
        self.metrics.crl_next_update.set(since_epoch);
        for list in trust.revocation_lists() {
            let (set, issuer) = (list.set.as_str(), list.issuer.as_str());
            let next_update = list.dates.map(|dates| dates.next_update.to_string()).unwrap_or_default();
            match list.freshness(now) {
                Freshness::Fresh => {}
                Freshness::Old => {
                    tracing::warn!(set, issuer, next_update, "revocation list ends soon; replace it");
                }
                Freshness::Expired => {
                    tracing::error!(
                        set,
                        issuer,
                        next_update,
                        "revocation list is out of date: signatures below its issuer are not judged"
                    );
                }
                Freshness::Missing => {
                    tracing::error!(
                        set,
                        issuer,
                        "no revocation list of this authority: signatures below it are not judged"
                    );
                }
            }
        }
        now
    }
}

fn look(loaded: &Loaded, before: FilesSeen, asked: bool) -> (FilesSeen, Option<Result<Loaded, Vec<String>>>) {
    if !asked && !before.changed() {
        return (before, None);
    }
    let (mut seen, read): Read = if asked {
        settings::load_seen(&loaded.settings.file)
    } else {
        settings::read_named(loaded.settings.clone(), loaded.written.clone())
    };
    if read.is_err() {
        seen.and_those_of(&before);
    }
    (seen, Some(read))
}
