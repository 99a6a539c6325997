//! Puts a packet into the bucket: a window of chunks in flight, then the name. The chunks of one put lie in the stream
//! in their order, each once, or nothing ever points to them; a name that is there is not given again.

use std::collections::VecDeque;
use std::error::Error;
use std::future::IntoFuture;
use std::path::Path;
use std::pin::Pin;
use std::time::Duration;

use async_nats::HeaderMap;
use async_nats::header::{NATS_EXPECTED_LAST_SUBJECT_SEQUENCE, NATS_MESSAGE_ID, NATS_ROLLUP};
use async_nats::jetstream::context::{PublishError, PublishErrorKind};
use async_nats::jetstream::object_store::{ObjectInfo, ObjectOptions};
use async_nats::jetstream::publish::PublishAck;
use async_nats::jetstream::stream::Stream;
use async_nats::jetstream::{self, ErrorCode};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE;
use bytes::{Bytes, BytesMut};
use futures_util::FutureExt;
use lienthong_pipeline::ports::Fault;
use lienthong_schemas::ids::PacketDigest;
use tokio::fs::File;
use tokio::io::AsyncReadExt;
use tokio::sync::SemaphorePermit;
use tokio::time::{Instant, sleep};

use super::shelf::{Draft, End, LeftBehind};
use super::{Checked, chunks_subject, fault, name_subject, named};
use crate::jetstream::{Link, weight};
use crate::streams::BLOBS;

/// Bytes of one put that are in flight at most, beside what all publishes together may have in flight.
const WINDOW_BYTES: usize = 4 * 1024 * 1024;
/// Bytes of a chunk on a single server, where each chunk costs a sync of its drive.
const CHUNK_BYTES: usize = 512 * 1024;
/// Bytes of a chunk on a cluster, where the copies are made chunk by chunk.
const CHUNK_BYTES_REPLICATED: usize = 128 * 1024;
/// What a server must take beside the chunk: subject and headers.
const CHUNK_ROOM: usize = 4 * 1024;
/// A put that gets no chunk stored for this long ends; the caller begins another one.
const STALL_WAIT: Duration = Duration::from_secs(30);
const AGAIN_FIRST: Duration = Duration::from_millis(100);
const AGAIN_MOST: Duration = Duration::from_secs(2);
/// Puts that are begun anew because an outage left a chunk before an earlier one.
const LAYOUTS_MAX: usize = 3;

/// Puts a file under its digest, unless it is there already, whole and with this length. One at a time of this process
/// puts a digest; another one finds it there. Of two gateways that put the same, the first one's name holds.
pub(crate) async fn put(link: &Link, digest: PacketDigest, bytes: u64, file: &Path) -> Result<(), Fault> {
    let _turn = link.shelf.turns.take(digest).await;
    let bucket = link.bucket().await?;
    let there = named(&bucket, digest).await?;
    if let Some((_, info)) = &there {
        if is_whole(&bucket, info, bytes).await? {
            return Ok(());
        }
        if !info.deleted {
            tracing::warn!(blob = %digest, size = info.size, bytes, "a blob that is not whole is replaced");
        }
    }
    for _ in 0..LAYOUTS_MAX {
        let mut put = Put { link, draft: link.shelf.begin(), last: 0 };
        if put.write(Checked::new(File::open(file).await.map_err(fault)?, digest, bytes)).await?
            && put.is_stored(&bucket).await?
        {
            return put.name(&bucket, digest, bytes, there).await;
        }
        tracing::warn!(blob = %digest, "an outage mixed up the chunks of a blob; it is put again");
    }
    Err(fault("the chunks of a blob do not come to lie in their order"))
}

/// Whether a name points to this many bytes, and all chunks of it are there.
async fn is_whole(bucket: &Stream, info: &ObjectInfo, bytes: u64) -> Result<bool, Fault> {
    let fits = !info.deleted && info.size as u64 == bytes;
    Ok(fits && (info.chunks == 0 || count(bucket, &info.nuid).await? == info.chunks))
}

/// How many chunks of one put are stored.
async fn count(bucket: &Stream, nuid: &str) -> Result<usize, Fault> {
    let subject = chunks_subject(nuid);
    let mut info = bucket.info_with_subjects(&subject).await.map_err(fault)?;
    let found = futures_util::StreamExt::next(&mut info).await.transpose().map_err(fault)?;
    Ok(found.map_or(0, |(_, count)| count))
}

type Stored = Pin<Box<dyn Future<Output = Result<PublishAck, PublishError>> + Send>>;

/// A chunk that was sent, and its share of the bytes in flight.
struct Chunk<'a> {
    number: usize,
    body: Bytes,
    stored: Stored,
    _share: SemaphorePermit<'a>,
}

/// One try, under chunks of its own.
struct Put<'a> {
    link: &'a Link,
    draft: Draft,
    /// Where the last chunk that is known to be stored stands in the stream.
    last: u64,
}

impl<'a> Put<'a> {
    /// Sends all bytes, in windows; `false` when a chunk came to lie before an earlier one.
    async fn write(&mut self, mut from: Checked<File>) -> Result<bool, Fault> {
        let size = self.link.chunk_bytes();
        let mut window: VecDeque<Chunk<'a>> = VecDeque::new();
        let (mut in_window, mut read) = (0, None);
        let (mut ended, mut doubted) = (false, false);
        loop {
            // In doubt, nothing more is sent before the window is empty: the next chunk has to lie behind those in it.
            if read.is_none() && !ended && !doubted && in_window < WINDOW_BYTES {
                let chunk = next_chunk(&mut from, size).await?;
                ended = chunk.is_empty();
                read = Some(chunk).filter(|chunk| !chunk.is_empty());
            }
            if !doubted && let Some(body) = read.take() {
                match self.share(body.len(), window.is_empty()).await? {
                    Some(share) => {
                        in_window += body.len();
                        window.push_back(self.send(body, share).await?);
                        continue;
                    }
                    None => read = Some(body),
                }
            }
            let Some(chunk) = window.pop_front() else { return Ok(true) };
            in_window -= chunk.body.len();
            if !self.settle(chunk, &mut doubted).await? {
                return Ok(false);
            }
            doubted &= !window.is_empty();
        }
    }

    /// A share of what may be in flight. Who holds some already does not wait for more: each might wait for the others.
    async fn share(&self, bytes: usize, waits: bool) -> Result<Option<SemaphorePermit<'a>>, Fault> {
        let (places, weight) = (&self.link.in_flight, weight(bytes));
        match waits {
            true => places.acquire_many(weight).await.map(Some).map_err(fault),
            false => Ok(places.try_acquire_many(weight).ok()),
        }
    }

    async fn send(&mut self, body: Bytes, share: SemaphorePermit<'a>) -> Result<Chunk<'a>, Fault> {
        let number = self.draft.sent;
        self.draft.sent += 1;
        let stored = self.publish(number, body.clone()).await?;
        Ok(Chunk { number, body, stored, _share: share })
    }

    /// The same chunk has the same id each time, so that it is stored once however often it is sent.
    async fn publish(&self, number: usize, body: Bytes) -> Result<Stored, Fault> {
        let mut headers = HeaderMap::new();
        headers.insert(NATS_MESSAGE_ID, format!("{}:{number}", self.draft.nuid));
        let sent = self.link.js.publish_with_headers(chunks_subject(&self.draft.nuid), headers, body).await;
        Ok(sent.map_err(fault)?.into_future())
    }

    /// Waits until a chunk is stored, and sends it again as long as it takes, up to [`STALL_WAIT`]. After one that was
    /// lost the others of the window are in doubt: they are waited for one at a time.
    async fn settle(&mut self, chunk: Chunk<'a>, doubted: &mut bool) -> Result<bool, Fault> {
        let Chunk { number, body, mut stored, _share } = chunk;
        let first = match *doubted {
            true => (&mut stored).now_or_never(),
            false => Some(self.link.heed(&chunks_subject(&self.draft.nuid), &mut stored).await?),
        };
        let acknowledged = match first {
            Some(Ok(stored)) => stored,
            other => {
                *doubted = true;
                self.again(number, &body, other.and_then(Result::err)).await?
            }
        };
        let in_order = acknowledged.sequence > self.last;
        self.last = acknowledged.sequence;
        Ok(in_order)
    }

    async fn again(
        &self,
        number: usize,
        body: &Bytes,
        mut error: Option<PublishError>,
    ) -> Result<PublishAck, Fault> {
        let (begun, mut pause) = (Instant::now(), AGAIN_FIRST);
        loop {
            if let Some(error) = error.take() {
                self.link.judge(&error);
                if is_lasting(&error) || begun.elapsed() > STALL_WAIT {
                    return Err(fault(error));
                }
                tracing::debug!(%error, number, "a chunk is sent again");
                sleep(pause).await;
                pause = (pause * 2).min(AGAIN_MOST);
            }
            // The connection may be away: it comes back, or the put has stalled.
            if let Err(away) = self.link.usable().await {
                if begun.elapsed() > STALL_WAIT {
                    return Err(away);
                }
                sleep(pause).await;
                pause = (pause * 2).min(AGAIN_MOST);
                continue;
            }
            let stored = self.publish(number, body.clone()).await?;
            match self.link.heed(&chunks_subject(&self.draft.nuid), stored).await? {
                Ok(stored) => return Ok(stored),
                Err(again) => error = Some(again),
            }
        }
    }

    /// Whether the stream has every chunk: one that was made anew meanwhile has lost the first ones.
    async fn is_stored(&self, bucket: &Stream) -> Result<bool, Fault> {
        Ok(self.draft.sent == 0 || count(bucket, &self.draft.nuid).await? == self.draft.sent)
    }

    /// Gives the name, unless somebody else gave one since `there` was read.
    async fn name(
        mut self,
        bucket: &Stream,
        digest: PacketDigest,
        bytes: u64,
        there: Option<(u64, ObjectInfo)>,
    ) -> Result<(), Fault> {
        let info = self.info(digest, bytes)?;
        let body = Bytes::from(serde_json::to_vec(&info).map_err(fault)?);
        let before = there.as_ref().map_or(0, |(sequence, _)| *sequence);
        let mut headers = HeaderMap::new();
        headers.insert(NATS_ROLLUP, "sub");
        headers.insert(NATS_MESSAGE_ID, format!("{}:name", self.draft.nuid));
        headers.insert(NATS_EXPECTED_LAST_SUBJECT_SEQUENCE, before.to_string());
        let (begun, mut pause) = (Instant::now(), AGAIN_FIRST);
        loop {
            self.draft.end = End::Unknown;
            let sent = self.link.js.publish_with_headers(name_subject(digest), headers.clone(), body.clone());
            let stored = match sent.await {
                Ok(stored) => self.link.heed(&name_subject(digest), stored.into_future()).await?,
                Err(error) => Err(error),
            };
            match stored {
                Ok(_) => break,
                Err(error) if error.kind() == PublishErrorKind::WrongLastSequence => {
                    return self.was_named(bucket, digest, bytes).await;
                }
                Err(error) => {
                    self.link.judge(&error);
                    if is_lasting(&error) || begun.elapsed() > STALL_WAIT {
                        return Err(fault(error));
                    }
                }
            }
            sleep(pause).await;
            pause = (pause * 2).min(AGAIN_MOST);
        }
        self.draft.end = End::Named;
        if let Some((_, old)) = there.filter(|(_, old)| !old.nuid.is_empty()) {
            self.link.shelf.leave(LeftBehind::new(old.nuid, old.chunks as u64));
        }
        Ok(())
    }

    /// The name was given meanwhile: by us, where the answer was lost, or by another gateway.
    async fn was_named(&mut self, bucket: &Stream, digest: PacketDigest, bytes: u64) -> Result<(), Fault> {
        let Some((_, info)) = named(bucket, digest).await? else {
            return Err(fault(format!("{digest} was named, and is not there")));
        };
        let ours = info.nuid == self.draft.nuid;
        self.draft.end = if ours { End::Named } else { End::Unnamed };
        if ours || is_whole(bucket, &info, bytes).await? {
            return Ok(());
        }
        Err(fault(format!("{digest} was named meanwhile, and is not whole")))
    }

    fn info(&self, digest: PacketDigest, bytes: u64) -> Result<ObjectInfo, Fault> {
        let max_chunk_size = Some(self.link.chunk_bytes());
        Ok(ObjectInfo {
            name: digest.to_string(),
            description: None,
            metadata: std::collections::HashMap::default(),
            headers: None,
            options: Some(ObjectOptions { link: None, max_chunk_size }),
            bucket: BLOBS.to_owned(),
            nuid: self.draft.nuid.clone(),
            size: usize::try_from(bytes).map_err(fault)?,
            chunks: self.draft.sent,
            modified: None,
            digest: Some(format!("SHA-256={}", URL_SAFE.encode(digest.as_bytes()))),
            deleted: false,
        })
    }
}

impl Link {
    /// Bytes of one chunk on this server.
    fn chunk_bytes(&self) -> usize {
        let wanted = if self.shape.replicas > 1 { CHUNK_BYTES_REPLICATED } else { CHUNK_BYTES };
        let most = self.client.try_server_info().map_or(wanted, |info| info.max_payload);
        wanted.min(most.saturating_sub(CHUNK_ROOM)).max(1)
    }
}

/// The next chunk, full but for the last one; empty at the end, where length and digest were as announced.
async fn next_chunk(from: &mut Checked<File>, size: usize) -> Result<Bytes, Fault> {
    let mut chunk = BytesMut::with_capacity(size);
    while chunk.len() < size {
        let mut rest = (&mut *from).take((size - chunk.len()) as u64);
        if rest.read_buf(&mut chunk).await.map_err(fault)? == 0 {
            break;
        }
    }
    Ok(chunk.freeze())
}

/// No use in sending it again now: the store is full, or what we send is not what the server takes.
fn is_lasting(error: &PublishError) -> bool {
    error.kind() == PublishErrorKind::MaxPayloadExceeded || is_full(error)
}

/// The server has no room for it.
pub(crate) fn is_full(error: &PublishError) -> bool {
    let answer = error.source().and_then(|source| source.downcast_ref::<jetstream::Error>());
    let full = [
        ErrorCode::INSUFFICIENT_RESOURCES,
        ErrorCode::ACCOUNT_RESOURCES_EXCEEDED,
        ErrorCode::STORAGE_RESOURCES_EXCEEDED,
        ErrorCode::STREAM_STORE_FAILED,
    ];
    answer.is_some_and(|answer| full.contains(&answer.error_code()))
}
