//! Chunks that nobody named: those of puts of this process that failed go at once, those of a process that was killed
//! when they are a day old. A name, once given, is never taken away here.

use std::collections::HashSet;
use std::sync::{Arc, Weak};
use std::time::Duration;

use async_nats::jetstream::object_store::ObjectInfo;
use async_nats::jetstream::stream::{LastRawMessageErrorKind, Stream};
use futures_util::{StreamExt, TryStreamExt};
use lienthong_pipeline::clock::SystemClock;
use lienthong_pipeline::ports::{Clock, Fault};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::{Shelf, chunks_subject, fault};
use crate::jetstream::Link;
use crate::streams::BLOBS;

/// Chunks without a name are left alone so long: their put may still be under way at another gateway.
const ORPHAN_AGE: Duration = Duration::from_secs(24 * 3600);
/// The first sweep is so long after the start, so that it does not meet everything else that happens then.
const FIRST_AFTER: Duration = Duration::from_secs(10 * 60);
const EVERY: Duration = Duration::from_secs(6 * 3600);
/// Removing what a failed put left is tried again after this.
const AGAIN_AFTER: Duration = Duration::from_secs(5);
/// Removals of what one put left, of whose chunks not all were met; some may never have been stored.
const REMOVALS_MAX: u32 = 6;
/// Puts and names looked at in one sweep.
const LOOK_MAX: usize = 100_000;
/// Puts removed in one sweep.
const REMOVE_MAX: u64 = 1_000;
/// Names asked for at once.
const ASK_AT_ONCE: usize = 16;

/// What one sweep found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// Puts whose chunks are in the bucket.
    pub puts: u64,
    /// Of these, removed: nobody had named them, and their last chunk was old enough.
    pub removed: u64,
    /// Of these, without a name and left: too young, under way here, or more than one sweep removes.
    pub left: u64,
}

/// Removes what was left behind, and sweeps from time to time. Ends with the link.
pub(crate) async fn keep(link: Weak<Link>, shelf: Arc<Shelf>, closing: CancellationToken) {
    let (mut next, mut again) = (Instant::now() + FIRST_AFTER, None);
    loop {
        let wake = again.map_or(next, |again| next.min(again));
        tokio::select! {
            () = closing.cancelled() => return,
            () = shelf.left.notified() => {}
            () = sleep_until(wake) => {}
        }
        let Some(link) = link.upgrade() else { return };
        let work = async {
            let stays = link.remove_left_behind().await.unwrap_or_else(|fault| {
                tracing::debug!(%fault, "what a failed put left stays for now");
                true
            });
            again = stays.then(|| Instant::now() + AGAIN_AFTER);
            if Instant::now() >= next {
                next = Instant::now() + EVERY;
                if let Err(fault) = sweep(&link, ORPHAN_AGE).await {
                    tracing::warn!(%fault, "the object store was not swept");
                }
            }
        };
        tokio::select! {
            () = closing.cancelled() => return,
            () = work => {}
        }
    }
}

impl Link {
    /// `true`: not all of it is gone yet.
    async fn remove_left_behind(&self) -> Result<bool, Fault> {
        let mut later = Vec::new();
        let outcome = loop {
            let Some(mut left) = self.shelf.take_left_behind() else { break Ok(()) };
            let removed = async {
                let bucket = self.bucket().await?;
                bucket.purge().filter(chunks_subject(&left.nuid)).await.map_err(fault)
            };
            let purged = match removed.await {
                Ok(purged) => purged.purged,
                Err(fault) => {
                    later.push(left);
                    break Err(fault);
                }
            };
            if purged > 0 {
                self.removed(&left.nuid, purged);
            }
            (left.chunks, left.removals) = (left.chunks.saturating_sub(purged), left.removals + 1);
            if left.chunks > 0 && left.removals < REMOVALS_MAX {
                later.push(left);
            }
        };
        let again = !later.is_empty();
        later.into_iter().for_each(|left| self.shelf.keep(left));
        outcome.map(|()| again)
    }

    fn removed(&self, nuid: &str, chunks: u64) {
        self.metrics.blobs_swept.inc();
        tracing::info!(nuid, chunks, "chunks that nobody named were removed from the object store");
    }
}

/// One look at all chunks.
pub(crate) async fn sweep(link: &Link, older_than: Duration) -> Result<Swept, Fault> {
    let bucket = link.bucket().await?;
    // Chunks first: a put that ends meanwhile is then among the names.
    let puts = subjects(&bucket, &format!("$O.{BLOBS}.C.>")).await?;
    let mut swept = Swept { puts: puts.len() as u64, ..Swept::default() };
    if puts.is_empty() {
        return Ok(swept);
    }
    let names = named_puts(&bucket).await?;
    for subject in puts {
        let nuid = subject.rsplit('.').next().unwrap_or_default();
        if names.contains(nuid) {
            continue;
        }
        let may_go = !link.shelf.is_under_way(nuid)
            && swept.removed < REMOVE_MAX
            && is_older(&bucket, &subject, older_than).await?;
        if may_go {
            let purged = bucket.purge().filter(&subject).await.map_err(fault)?;
            swept.removed += 1;
            link.removed(nuid, purged.purged);
        } else {
            swept.left += 1;
        }
    }
    tracing::info!(swept.puts, swept.removed, swept.left, "the object store was swept");
    Ok(swept)
}

/// Subjects that have messages.
///
/// # Errors
/// More than [`LOOK_MAX`]: whoever does not see all names must not judge.
async fn subjects(bucket: &Stream, filter: &str) -> Result<Vec<String>, Fault> {
    let found = bucket.info_with_subjects(filter).await.map_err(fault)?;
    let found: Vec<String> =
        found.take(LOOK_MAX + 1).map_ok(|(subject, _)| subject).try_collect().await.map_err(fault)?;
    if found.len() > LOOK_MAX {
        return Err(fault(format!("more than {LOOK_MAX} subjects in {filter}")));
    }
    Ok(found)
}

/// The puts that a name points to. Each name is asked of the bucket's leader; one that cannot be read ends the sweep.
async fn named_puts(bucket: &Stream) -> Result<HashSet<String>, Fault> {
    let names = subjects(bucket, &format!("$O.{BLOBS}.M.>")).await?;
    let ask = |name: String| async move {
        match bucket.get_last_raw_message_by_subject(&name).await {
            Ok(found) => {
                let info: ObjectInfo = serde_json::from_slice(&found.payload).map_err(fault)?;
                Ok(Some(info.nuid))
            }
            // Removed since it was listed.
            Err(error) if error.kind() == LastRawMessageErrorKind::NoMessageFound => Ok(None),
            Err(error) => Err(fault(error)),
        }
    };
    let asked = futures_util::stream::iter(names).map(ask).buffer_unordered(ASK_AT_ONCE);
    asked.try_filter_map(|nuid| async { Ok(nuid) }).try_collect().await
}

async fn is_older(bucket: &Stream, subject: &str, age: Duration) -> Result<bool, Fault> {
    match bucket.get_last_raw_message_by_subject(subject).await {
        Ok(last) => {
            let now = SystemClock.now().as_second();
            let limit = now.saturating_sub(i64::try_from(age.as_secs()).unwrap_or(i64::MAX));
            Ok(last.time.unix_timestamp() <= limit)
        }
        Err(error) if error.kind() == LastRawMessageErrorKind::NoMessageFound => Ok(false),
        Err(error) => Err(fault(error)),
    }
}
