//! What a bucket says, followed as it changes. A lease that ends by its age gives no sign of that: here too it ends by
//! its age. How old something is goes by this process's own steady clock from when it came; of what was there before,
//! the server's clock says how old it was. So no server's clock that is set makes what is alive look dead for long.

use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use async_nats::jetstream::Message;
use async_nats::jetstream::consumer::{DeliverPolicy, pull};
use async_nats::jetstream::stream::ConsumerErrorKind;
use futures_util::StreamExt;
use jiff::Timestamp;
use lienthong_pipeline::ports::Fault;
use lienthong_schemas::safe_text::SafeText;
use tokio::sync::watch;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use crate::bucket::{is_value, server_time};
use crate::jetstream::Link;
use crate::{PLACE, reader};

/// Keys that cannot be read, and are remembered so that each is logged once.
const UNREAD_MAX: usize = 256;
const KEY_CHARACTERS_MAX: usize = 80;
/// Two of these missing, and it is read anew.
const HEARTBEAT: Duration = Duration::from_secs(2);
/// So often it is looked whether the connection is still the same. What was there when the reading began has come by
/// then, should its end not have been seen.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Longest time to begin.
const OPEN_WAIT: Duration = Duration::from_secs(3);
const PAUSE_MIN: Duration = Duration::from_millis(100);
const PAUSE_MAX: Duration = Duration::from_secs(2);
/// The server forgets a reader that has gone away after so long.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(30);

fn fault(cause: impl std::fmt::Display) -> Fault {
    Fault::new(PLACE, cause)
}

/// A value, and when it was written, where it says so itself.
type Read<T> = Result<(T, Option<Timestamp>), Fault>;

/// How a bucket's values are read.
pub(crate) struct Reading<T> {
    pub(crate) bucket: &'static str,
    pub(crate) stream: &'static str,
    /// Which keys are followed.
    pub(crate) keys: &'static str,
    /// Keys that are kept at most.
    pub(crate) keys_max: usize,
    /// From key, revision and body; and when that was true, where it is not when it was written.
    pub(crate) read: fn(&str, u64, &[u8]) -> Read<T>,
}

/// See the module.
pub(crate) struct View<T> {
    board: Mutex<Board<T>>,
    /// The connection on which everything that is there was read, if it is still followed.
    followed_on: watch::Sender<Option<u64>>,
    /// Counts what may have changed what there is to see.
    changes: watch::Sender<u64>,
}

struct Board<T> {
    lines: BTreeMap<String, Line<T>>,
    /// Lines as they were when the reading was begun anew.
    before: BTreeMap<String, Line<T>>,
    unread: HashSet<String>,
}

#[derive(Clone)]
struct Line<T> {
    revision: u64,
    written_at: Timestamp,
    /// Since when it is true, by the server's clock.
    since: Timestamp,
    came: Instant,
    /// How old it was when it came.
    age: Duration,
    /// It was there when the reading began: entries that come later tell how old it was.
    was_there: bool,
    value: T,
}

impl<T> Line<T> {
    fn age(&self) -> Duration {
        self.age.saturating_add(self.came.elapsed())
    }
}

/// An entry that came.
struct Entry<'e> {
    key: &'e str,
    revision: u64,
    written_at: Timestamp,
    /// `None`: the key was deleted.
    body: Option<&'e [u8]>,
    was_there: bool,
}

impl<T: Clone + Send + 'static> View<T> {
    pub(crate) fn new() -> Self {
        let board = Board { lines: BTreeMap::new(), before: BTreeMap::new(), unread: HashSet::new() };
        Self {
            board: Mutex::new(board),
            followed_on: watch::Sender::new(None),
            changes: watch::Sender::new(0),
        }
    }

    /// Changes with every entry that comes, and when everything was read.
    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    fn changed(&self) {
        self.changes.send_modify(|count| *count = count.wrapping_add(1));
    }

    /// What is there, by key, each with its age, once everything was read on this connection. What is as old as
    /// `ends_after` is not there.
    pub(crate) async fn lines(&self, connection: u64, ends_after: Duration) -> Vec<(T, Duration)> {
        let mut followed_on = self.followed_on.subscribe();
        let is_ours = |followed_on: &Option<u64>| *followed_on == Some(connection);
        loop {
            // The sender is here, so this does not fail.
            drop(followed_on.wait_for(is_ours).await);
            let mut board = self.board();
            // Reading anew begins with taking that back, and then takes the lines away.
            if is_ours(&self.followed_on.borrow()) {
                board.lines.retain(|_, line| line.age() < ends_after);
                return board.lines.values().map(|line| (line.value.clone(), line.age())).collect();
            }
        }
    }

    fn board(&self) -> MutexGuard<'_, Board<T>> {
        self.board.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Follows the bucket until `closing`.
    pub(crate) async fn keep(
        self: Arc<Self>,
        reading: Reading<T>,
        link: Weak<Link>,
        closing: CancellationToken,
    ) {
        let mut pause = PAUSE_MIN;
        loop {
            let ended = tokio::select! {
                ended = self.follow(&reading, &link) => ended,
                () = closing.cancelled() => return,
            };
            let was_followed = self.followed_on.send_replace(None).is_some();
            pause = if was_followed { PAUSE_MIN } else { (pause * 2).min(PAUSE_MAX) };
            if let Err(fault) = ended {
                tracing::debug!(bucket = reading.bucket, %fault, "it is read anew");
            }
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = closing.cancelled() => return,
            }
        }
    }

    async fn follow(&self, reading: &Reading<T>, weak: &Weak<Link>) -> Result<(), Fault> {
        let link = weak.upgrade().ok_or_else(|| fault("closed"))?;
        let connection = link.connection();
        let (is_empty, mut messages) = link.entries(reading.bucket, reading.stream, reading.keys).await?;
        drop(link);
        self.begin();
        let (mut is_all, mut count) = (is_empty, 0);
        loop {
            if is_all {
                self.all_was_read(connection);
            }
            let Ok(next) = timeout(LOOK_EVERY, messages.next()).await else {
                if weak.upgrade().is_none_or(|link| link.connection() != connection) {
                    return Err(fault("another connection"));
                }
                is_all = true;
                continue;
            };
            let message = next.ok_or_else(|| fault("it ended"))?.map_err(fault)?;
            count += 1;
            is_all |= self.take_in(reading, &message, count, !is_all)?;
        }
    }

    fn all_was_read(&self, connection: u64) {
        if self.followed_on.borrow().is_none() {
            self.board().before.clear();
            self.followed_on.send_replace(Some(connection));
            self.changed();
        }
    }

    /// `true`: nothing is behind it yet.
    fn take_in(
        &self,
        reading: &Reading<T>,
        message: &Message,
        count: u64,
        was_there: bool,
    ) -> Result<bool, Fault> {
        let info = message.info().map_err(fault)?;
        if info.consumer_sequence != count {
            return Err(fault(format!("entry {} came for {count}", info.consumer_sequence)));
        }
        let key = message.subject.strip_prefix(&format!("$KV.{}.", reading.bucket)).unwrap_or_default();
        let entry = Entry {
            key,
            revision: info.stream_sequence,
            written_at: server_time(info.published.unix_timestamp_nanos()),
            body: is_value(message.headers.as_ref()).then_some(&message.payload[..]),
            was_there,
        };
        self.board().put(reading, &entry);
        self.changed();
        Ok(info.pending == 0)
    }

    /// Everything will come again.
    fn begin(&self) {
        let mut board = self.board();
        let lines = std::mem::take(&mut board.lines);
        board.before.extend(lines);
    }
}

impl<T: Clone> Board<T> {
    /// Entries come in the order of their revisions.
    fn put(&mut self, reading: &Reading<T>, entry: &Entry<'_>) {
        for line in self.lines.values_mut().filter(|line| line.was_there) {
            let by_server = between(line.since, entry.written_at);
            line.age = line.age.max(by_server.saturating_sub(line.came.elapsed()));
        }
        let was = self.lines.remove(entry.key);
        let Some(body) = entry.body else { return };
        let read = match (reading.read)(entry.key, entry.revision, body) {
            Ok(_) if was.is_none() && self.lines.len() >= reading.keys_max => {
                Err(fault(format!("more than {} keys", reading.keys_max)))
            }
            read => read,
        };
        match read {
            Ok((value, since)) => {
                self.unread.remove(entry.key);
                let line = self.line(entry, value, since);
                self.lines.insert(entry.key.to_owned(), line);
            }
            Err(fault) => self.leave_out(reading.bucket, entry.key, &fault),
        }
    }

    fn line(&mut self, entry: &Entry<'_>, value: T, since: Option<Timestamp>) -> Line<T> {
        let (revision, written_at) = (entry.revision, entry.written_at);
        let same = self.before.remove(entry.key);
        let same = same.filter(|line| line.revision == revision && line.written_at == written_at);
        same.unwrap_or_else(|| {
            let since = since.unwrap_or(written_at);
            let age = between(since, written_at);
            let (came, was_there) = (Instant::now(), entry.was_there);
            Line { revision, written_at, since, came, age, was_there, value }
        })
    }

    fn leave_out(&mut self, bucket: &str, key: &str, fault: &Fault) {
        if self.unread.len() < UNREAD_MAX && self.unread.insert(key.to_owned()) {
            let key = SafeText::new(key).cut(KEY_CHARACTERS_MAX).into_string();
            tracing::error!(bucket, key, %fault, "an entry cannot be read, and is left out");
        }
    }
}

/// How much later the second one is, if it is.
fn between(first: Timestamp, second: Timestamp) -> Duration {
    Duration::try_from(second.duration_since(first)).unwrap_or_default()
}

impl Link {
    /// The last entry of each of these keys of a bucket, and then what is written; `true`: there is none yet.
    async fn entries(&self, bucket: &str, stream: &str, keys: &str) -> Result<(bool, pull::Stream), Fault> {
        let config = pull::Config {
            filter_subject: format!("$KV.{bucket}.{keys}"),
            ..reader::from(DeliverPolicy::LastPerSubject, FORGOTTEN_AFTER)
        };
        let js = self.usable().await?;
        let opened = async {
            let consumer = js.create_consumer_on_stream(config, stream).await;
            let consumer = consumer.map_err(|error| {
                if matches!(error.kind(), ConsumerErrorKind::JetStream(_)) {
                    self.mistrust();
                }
                fault(error)
            })?;
            let is_empty = consumer.cached_info().num_pending == 0;
            let messages = consumer.stream().heartbeat(HEARTBEAT).messages().await.map_err(fault)?;
            Ok((is_empty, messages))
        };
        let opened = timeout(OPEN_WAIT, opened).await;
        opened.unwrap_or_else(|_| Err(fault(format!("reading {bucket} took too long to begin"))))
    }
}

#[cfg(test)]
mod tests;
