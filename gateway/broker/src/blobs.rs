//! Packets in the Object Store, named by their digest. Streamed both ways in constant memory, and laid out as every
//! client of object stores expects it: chunks under a subject of their own, then a name that points to them.

use std::pin::Pin;
use std::task::{self, Poll, ready};
use std::time::Duration;

use async_nats::jetstream::object_store::{Object, ObjectInfo, ObjectStore};
use async_nats::jetstream::stream::{LastRawMessageErrorKind, Stream};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE;
use bytes::BytesMut;
use lienthong_pipeline::ports::{Fault, Incoming, IncomingWriter};
use lienthong_schemas::ids::PacketDigest;
use sha2::{Digest, Sha256};
use tokio::io::{AsyncRead, AsyncReadExt, ReadBuf};

use crate::PLACE;
use crate::jetstream::Link;
use crate::streams::BLOBS;

mod put;
mod shelf;
mod sweep;

pub(crate) use put::{is_full, put};
pub(crate) use shelf::Shelf;
pub use sweep::Swept;
pub(crate) use sweep::keep;
pub(crate) use sweep::sweep;

/// Bytes read at a time while fetching.
const READ_BYTES: usize = 128 * 1024;
/// Longest pause between two chunks while fetching. A blob whose chunks are lost would be waited for without end.
const CHUNK_WAIT: Duration = Duration::from_secs(15);

fn fault(cause: impl std::fmt::Display) -> Fault {
    Fault::new(PLACE, cause)
}

/// The subject of a blob's name.
fn name_subject(digest: PacketDigest) -> String {
    format!("$O.{BLOBS}.M.{}", URL_SAFE.encode(digest.to_string()))
}

/// The subject of the chunks of one put.
fn chunks_subject(nuid: &str) -> String {
    format!("$O.{BLOBS}.C.{nuid}")
}

/// What the leader of the bucket has under a name, with the number that its message has in the stream.
async fn named(bucket: &Stream, digest: PacketDigest) -> Result<Option<(u64, ObjectInfo)>, Fault> {
    match bucket.get_last_raw_message_by_subject(&name_subject(digest)).await {
        Ok(found) => {
            let info = serde_json::from_slice(&found.payload)
                .map_err(|error| fault(format!("the name of {digest} cannot be read: {error}")))?;
            Ok(Some((found.sequence, info)))
        }
        Err(error) if error.kind() == LastRawMessageErrorKind::NoMessageFound => Ok(None),
        Err(error) => Err(fault(error)),
    }
}

/// Whether it has a name, and so all its bytes.
pub(crate) async fn is_there(link: &Link, digest: PacketDigest) -> Result<bool, Fault> {
    let bucket = link.bucket().await?;
    Ok(named(&bucket, digest).await?.is_some())
}

/// Takes a blob out: its name first, so that a removal that was cut off leaves no name without bytes, then its chunks.
/// Purging needs no room in the store, unlike the tombstone that the library's own removal writes.
pub(crate) async fn remove(link: &Link, digest: PacketDigest) -> Result<(), Fault> {
    let _turn = link.shelf.turns.take(digest).await;
    let bucket = link.bucket().await?;
    let Some((_, info)) = named(&bucket, digest).await? else { return Ok(()) };
    for subject in [name_subject(digest), chunks_subject(&info.nuid)] {
        bucket.purge().filter(subject).await.map_err(fault)?;
    }
    Ok(())
}

/// Writes a blob into `sink`, and returns it when length and digest are right.
pub(crate) async fn fetch(
    bucket: &ObjectStore,
    digest: PacketDigest,
    bytes_max: u64,
    sink: Box<dyn IncomingWriter>,
) -> Result<Box<dyn Incoming>, Fault> {
    let object: Object =
        bucket.get(digest.to_string()).await.map_err(|error| fault(format!("{digest}: {error}")))?;
    let bytes = object.info().size as u64;
    if bytes > bytes_max {
        return Err(fault(format!("{digest}: {bytes} bytes, the limit is {bytes_max}")));
    }
    pour(Checked::new(object, digest, bytes), sink).await
}

/// Writes all of a reader into `sink`.
pub(crate) async fn pour(
    mut from: Checked<impl AsyncRead + Unpin>,
    mut sink: Box<dyn IncomingWriter>,
) -> Result<Box<dyn Incoming>, Fault> {
    let mut buffer = BytesMut::new();
    loop {
        buffer.reserve(READ_BYTES);
        let read = tokio::time::timeout(CHUNK_WAIT, from.read_buf(&mut buffer)).await;
        let count = read.map_err(|_| fault("a blob does not go on"))?.map_err(fault)?;
        if count == 0 {
            break;
        }
        sink.write(buffer.split().freeze()).await?;
    }
    let packet = sink.finish().await?;
    if packet.digest() != from.digest {
        return Err(fault("a blob was written with another digest"));
    }
    Ok(packet)
}

/// A reader that ends with an error when what it read is not what was announced, so that the wrong bytes are never
/// taken for the whole.
pub(crate) struct Checked<R> {
    inner: R,
    hash: Sha256,
    digest: PacketDigest,
    left: u64,
}

impl<R> Checked<R> {
    pub(crate) fn new(inner: R, digest: PacketDigest, bytes: u64) -> Self {
        Self { inner, hash: Sha256::new(), digest, left: bytes }
    }

    fn take_in(&mut self, read: &[u8]) -> std::io::Result<()> {
        let wrong = |what| Err(std::io::Error::new(std::io::ErrorKind::InvalidData, what));
        if read.is_empty() {
            let digest = PacketDigest::from_bytes(self.hash.clone().finalize().into());
            return match (self.left, digest == self.digest) {
                (0, true) => Ok(()),
                (0, false) => wrong("the bytes have another digest"),
                _ => wrong("the bytes end too early"),
            };
        }
        self.left = match self.left.checked_sub(read.len() as u64) {
            Some(left) => left,
            None => return wrong("there are more bytes than announced"),
        };
        self.hash.update(read);
        Ok(())
    }
}

impl<R: AsyncRead + Unpin> AsyncRead for Checked<R> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut task::Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.inner).poll_read(context, buffer))?;
        let taken = self.take_in(&buffer.filled()[before..]);
        if taken.is_err() {
            // A reader that fails has read nothing.
            buffer.set_filled(before);
        }
        Poll::Ready(taken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn read(bytes: &[u8], announced: &[u8]) -> std::io::Result<Vec<u8>> {
        let mut checked = Checked::new(bytes, PacketDigest::of(announced), announced.len() as u64);
        let mut all = Vec::new();
        checked.read_to_end(&mut all).await?;
        Ok(all)
    }

    #[tokio::test]
    async fn only_the_announced_bytes_are_read_to_the_end() {
        assert_eq!(read(b"packet", b"packet").await.ok().as_deref(), Some(&b"packet"[..]));
        assert!(read(b"packes", b"packet").await.is_err());
        assert!(read(b"packe", b"packet").await.is_err());
        assert!(read(b"packets", b"packet").await.is_err());
        assert!(read(b"", b"").await.is_ok());
    }
}
