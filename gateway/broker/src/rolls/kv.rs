//! [`KvRolls`]: rolls in one key-value bucket. The chunks of a writing are put first, under keys that no other writing has,
//! and then its head, which counts only behind the head that it was to follow: so there is always one whole roll. What a
//! writing leaves behind it is removed by the next one that succeeds.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use futures_util::stream::iter;
use futures_util::{StreamExt, TryStreamExt};
use lienthong_pipeline::directory::Roll;
use lienthong_pipeline::ports::{Fault, RollText, RollVersion, RollVersions, Shared, SharedRolls};
use lienthong_pipeline::record::SystemId;
use rand::Rng;
use tokio::time::timeout;
use tokio_util::sync::DropGuard;

use super::head::{self, CHUNK_BYTES, HEADS, Head, NoHead};
use crate::PLACE;
use crate::bucket::{Bucket, Entry};
use crate::jetstream::{Link, PUBLISH_WAIT, weight};
use crate::streams::{KV_ROLLS, ROLLS};
use crate::view::{Reading, View};

/// Systems and axes that have a roll, at most.
const ROLLS_MAX: usize = 4_096;
/// Chunks that are put or read at once.
const AT_ONCE: usize = 8;
/// Readings of a roll while others write it.
const TRIES: u32 = 8;
/// Chunks of one id that are looked at; more are looked at after the next writing.
const LEFT_MAX: usize = 10_000;

fn fault(cause: impl std::fmt::Display) -> Fault {
    Fault::new(PLACE, cause)
}

/// Rolls over the connection of a [`crate::NatsBroker`]. It follows the bucket until it is dropped.
pub struct KvRolls {
    link: Arc<Link>,
    bucket: Bucket,
    seen: Arc<View<(SystemId, RollVersion)>>,
    _ends_following: DropGuard,
}

/// What the chunks of a head come to.
enum Body {
    Whole(Bytes),
    /// One is missing, or they are not what the head says.
    Not(String),
}

impl KvRolls {
    pub(crate) fn new(link: &Arc<Link>) -> Self {
        let closing = link.closing.child_token();
        let seen = Arc::new(View::new());
        let reading = Reading {
            bucket: ROLLS,
            stream: KV_ROLLS,
            keys: HEADS,
            keys_max: ROLLS_MAX,
            read: |key, revision, body| {
                let id = head::id(key).ok_or_else(|| fault("no roll's key"))?;
                Ok(((id, RollVersion { revision, write: write_of(body) }), None))
            },
        };
        #[expect(
            clippy::disallowed_methods,
            reason = "it ends with the link, or before; what fails is tried again"
        )]
        tokio::spawn(seen.clone().keep(reading, Arc::downgrade(link), closing.clone()));
        let bucket = Bucket { link: link.clone(), name: ROLLS, stream: KV_ROLLS };
        Self { link: link.clone(), bucket, seen, _ends_following: closing.drop_guard() }
    }

    /// One call to the server, within its time.
    async fn within<T>(call: impl Future<Output = Result<T, Fault>>) -> Result<T, Fault> {
        timeout(PUBLISH_WAIT, call).await.unwrap_or_else(|_| Err(fault("the server takes too long")))
    }

    async fn last(&self, key: &str) -> Result<Option<Entry>, Fault> {
        Self::within(self.bucket.last(key)).await
    }

    async fn put_entry(&self, key: &str, value: Bytes, after: u64) -> Result<Option<u64>, Fault> {
        Self::within(self.bucket.put(key, Some(value), after)).await
    }

    async fn put_chunks(&self, id: &SystemId, head: &Head, json: &Bytes) -> Result<(), Fault> {
        let chunks = head.chunks(id).enumerate().map(|(number, key)| {
            let from = number * CHUNK_BYTES;
            (key, json.slice(from..json.len().min(from + CHUNK_BYTES)))
        });
        let put = |(key, chunk): (String, Bytes)| async move {
            let _place = self.link.in_flight.acquire_many(weight(chunk.len())).await.map_err(fault)?;
            let stored = self.put_entry(&key, chunk, 0).await?;
            stored.map(drop).ok_or_else(|| fault(format!("{key} is there already")))
        };
        iter(chunks).map(put).buffer_unordered(AT_ONCE).try_collect().await
    }

    async fn body(&self, id: &SystemId, head: &Head) -> Result<Body, Fault> {
        let ask = |key: String| async move { self.last(&key).await.map(|entry| (key, entry)) };
        let mut chunks = iter(head.chunks(id)).map(ask).buffered(AT_ONCE);
        let mut body = BytesMut::with_capacity(head.bytes);
        while let Some((key, entry)) = chunks.try_next().await? {
            let chunk = entry.and_then(|entry| entry.value);
            let Some(chunk) = chunk.filter(|chunk| body.len() + chunk.len() <= head.bytes) else {
                return Ok(Body::Not(format!("{key} is not what it was")));
            };
            body.extend_from_slice(&chunk);
        }
        let is_whole = RollText::checksum(&body) == head.sha256;
        Ok(if is_whole { Body::Whole(body.freeze()) } else { Body::Not("its checksum is wrong".to_owned()) })
    }

    async fn read_now(
        &self,
        id: &SystemId,
        known: Option<RollVersion>,
    ) -> Result<Option<(RollVersion, Shared)>, Fault> {
        let key = head::key(id);
        let mut broken = None;
        for _ in 0..TRIES {
            let Some(Entry { revision, value, .. }) = self.last(&key).await? else {
                let none = RollVersion::default();
                return Ok(Some((none, Shared::Nothing)).filter(|_| known != Some(none)));
            };
            let write = value.as_deref().map_or(0, write_of);
            let version = RollVersion { revision, write };
            if known == Some(version) {
                return Ok(None);
            }
            let Some(value) = value else { return Ok(Some((version, Shared::Nothing))) };
            let head = match Head::read(&value) {
                Ok(head) => head,
                Err(NoHead::Newer(fault)) => return Err(fault),
                Err(NoHead::Damaged(why)) => {
                    return Ok(Some((version, Shared::Damaged { why, checksum: None })));
                }
            };
            let checksum = Some(head.sha256.clone());
            let why = match self.body(id, &head).await? {
                Body::Whole(body) => match serde_json::from_slice(&body) {
                    Ok(roll) => return Ok(Some((version, Shared::Roll(Box::new(roll))))),
                    Err(cause) => cause.to_string(),
                },
                Body::Not(why) => why,
            };
            // The chunks of a head are removed when another one took its place.
            if broken.replace(version) == Some(version) {
                return Ok(Some((version, Shared::Damaged { why, checksum })));
            }
        }
        Err(fault(format!("others write the roll of {id} all the time")))
    }

    async fn put_now(&self, id: &SystemId, after: u64, roll: &Roll) -> Result<Option<RollVersion>, Fault> {
        let RollText { json, checksum } = RollText::of(roll)?;
        let key = head::key(id);
        // Nothing is put that could not count.
        if self.last(&key).await?.map_or(0, |entry| entry.revision) != after {
            return Ok(None);
        }
        let write = rand::rng().random_range(1..=u64::MAX);
        let head = Head::new(write, after, json.len(), checksum);
        self.put_chunks(id, &head, &json).await?;
        let put = match self.put_entry(&key, head.written()?, after).await {
            Ok(put) => put,
            // It may stand there all the same.
            Err(fault) => {
                let there = self
                    .last(&key)
                    .await?
                    .filter(|there| there.value.as_deref().is_some_and(|body| write_of(body) == write));
                Some(there.ok_or(fault)?.revision)
            }
        };
        if let Err(fault) = self.remove_left(id, put.unwrap_or(after), write, put.is_some()).await {
            tracing::debug!(%id, %fault, "what earlier writings of a roll left is not removed yet");
        }
        Ok(put.map(|revision| RollVersion { revision, write }))
    }

    /// Removes the chunks of writings that cannot count any more: those that were to follow a head before `revision`, but
    /// for the one that is it. Of a writing that came too late, its own.
    async fn remove_left(&self, id: &SystemId, revision: u64, write: u64, counts: bool) -> Result<(), Fault> {
        let js = self.link.usable().await?;
        let stream = js.get_stream_no_info(KV_ROLLS).await.map_err(fault)?;
        let before = format!("$KV.{ROLLS}.");
        let listed = async {
            let chunks = stream.info_with_subjects(format!("{before}{}", head::all_chunks(id))).await;
            let chunks = chunks.map_err(fault)?.take(LEFT_MAX);
            chunks.map_ok(|(subject, _)| subject).try_collect::<Vec<String>>().await.map_err(fault)
        };
        let subjects = Self::within(listed).await?;
        let keys = subjects.iter().filter_map(|subject| subject.strip_prefix(&before));
        let mut left: BTreeSet<(u64, u64)> = keys.filter_map(head::writing).collect();
        left.retain(|(after, of)| if counts { *after < revision && *of != write } else { *of == write });
        for (after, of) in left {
            let chunks = format!("{before}{}.*", Head::chunks_of(id, after, of));
            let removed = async { stream.purge().filter(chunks).await.map_err(fault) };
            Self::within(removed).await?;
        }
        Ok(())
    }
}

/// The writing that a head names; 0 where it cannot be read.
fn write_of(body: &[u8]) -> u64 {
    Head::read(body).map_or(0, |head| head.write)
}

#[async_trait]
impl SharedRolls for KvRolls {
    async fn other_than(&self, known: Option<&RollVersions>) -> RollVersions {
        let mut changes = self.seen.changes();
        loop {
            changes.borrow_and_update();
            let connection = self.link.connection();
            tokio::select! {
                lines = self.seen.lines(connection, Duration::MAX) => {
                    let versions: RollVersions = lines.into_iter().map(|(line, _)| line).collect();
                    if known != Some(&versions) {
                        return versions;
                    }
                    // The sender is here, so this does not fail.
                    drop(changes.changed().await);
                }
                changed = changes.changed() => drop(changed),
            }
        }
    }

    async fn read(
        &self,
        id: &SystemId,
        known: Option<RollVersion>,
    ) -> Result<Option<(RollVersion, Shared)>, Fault> {
        self.link.explained(self.read_now(id, known)).await
    }

    async fn put(&self, id: &SystemId, after: u64, roll: &Roll) -> Result<Option<RollVersion>, Fault> {
        self.link.explained(self.put_now(id, after, roll)).await
    }
}
