//! The packet of a consignment, read in chunks on its way out: constant memory, exact length, digest checked before
//! the last chunk leaves. A damaged file is our trouble, and its receiver must not take it for whole.

use std::io::{self, Read};
use std::path::Path;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use lienthong_pipeline::ports::{Consignment, DeliveryFailure, FailureClass};
use lienthong_schemas::ids::PacketDigest;
use sha2::{Digest, Sha256};
use tokio::fs::File;
use tokio::io::{AsyncRead, ReadBuf};

use crate::failure::failed;

/// Size of one read, in bytes. With one buffer and one chunk in flight, this is what an attempt needs of memory.
const CHUNK_BYTES: usize = 64 * 1024;

/// A packet of at most this many bytes is read and checked in one go, before anything of it leaves.
const WHOLE_BYTES_MAX: u64 = 256 * 1024;

/// A packet being read.
pub(crate) struct PacketReader {
    source: Source,
    left: u64,
}

/// Where its next bytes come from.
enum Source {
    /// All of them are here, and have been checked.
    Whole(Bytes),
    /// They are read as they go.
    File(Box<Reading>),
}

struct Reading {
    file: File,
    buffer: Box<[u8]>,
    hash: Sha256,
    expected: PacketDigest,
}

impl PacketReader {
    /// Opens the packet. Fails as [`FailureClass::Packet`]: `blob_missing`, or `blob_length` when the file is not as
    /// long as the delivery says, or, of a small one, `blob_damaged`; as [`FailureClass::OursToFix`]: `blob_unreadable`.
    pub(crate) async fn open(consignment: &Consignment) -> Result<Self, DeliveryFailure> {
        let (expected, left) = (consignment.delivery.digest, consignment.delivery.bytes);
        if left <= WHOLE_BYTES_MAX {
            let path = consignment.packet.clone();
            let read = tokio::task::spawn_blocking(move || whole(&path, left, &expected));
            let bytes = read.await.map_err(|panic| unreadable(&io::Error::other(panic)))??;
            return Ok(Self { source: Source::Whole(bytes), left });
        }
        let file = File::open(&consignment.packet).await.map_err(|error| unreadable(&error))?;
        let metadata = file.metadata().await.map_err(|error| unreadable(&error))?;
        if metadata.len() != left {
            return Err(wrong_length(left, metadata.len()));
        }
        let buffer = vec![0; CHUNK_BYTES].into_boxed_slice();
        let reading = Reading { file, buffer, hash: Sha256::new(), expected };
        Ok(Self { source: Source::File(Box::new(reading)), left })
    }

    /// Bytes not yet read.
    pub(crate) fn left(&self) -> u64 {
        self.left
    }

    /// The next chunk, `None` after the last. Fails as [`FailureClass::Packet`]: `blob_length` when the file was cut
    /// under us, `blob_damaged` in place of the last chunk when the bytes are not those of the digest; as
    /// [`FailureClass::OursToFix`]: `blob_unreadable`.
    pub(crate) fn poll_chunk(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, DeliveryFailure>>> {
        if self.left == 0 {
            return Poll::Ready(None);
        }
        let room = usize::try_from(self.left).map_or(CHUNK_BYTES, |left| left.min(CHUNK_BYTES));
        let chunk = match &mut self.source {
            Source::Whole(bytes) => bytes.split_to(room),
            Source::File(reading) => {
                let mut buffer = ReadBuf::new(&mut reading.buffer[..room]);
                if let Err(error) = ready!(Pin::new(&mut reading.file).poll_read(cx, &mut buffer)) {
                    return Poll::Ready(Some(Err(unreadable(&error))));
                }
                let chunk = Bytes::copy_from_slice(buffer.filled());
                if chunk.is_empty() {
                    return Poll::Ready(Some(Err(ends_early())));
                }
                reading.hash.update(&chunk);
                let is_last = self.left == chunk.len() as u64;
                if is_last && reading.hash.finalize_reset().as_slice() != reading.expected.as_bytes() {
                    return Poll::Ready(Some(Err(damaged())));
                }
                chunk
            }
        };
        self.left -= chunk.len() as u64;
        Poll::Ready(Some(Ok(chunk)))
    }
}

/// A small packet, with the length and the digest that it is to have. Blocks.
fn whole(path: &Path, length: u64, expected: &PacketDigest) -> Result<Bytes, DeliveryFailure> {
    let file = std::fs::File::open(path).map_err(|error| unreadable(&error))?;
    let found = file.metadata().map_err(|error| unreadable(&error))?.len();
    if found != length {
        return Err(wrong_length(length, found));
    }
    let mut bytes = Vec::with_capacity(usize::try_from(length).unwrap_or(0) + 1);
    file.take(length + 1).read_to_end(&mut bytes).map_err(|error| unreadable(&error))?;
    match bytes.len() as u64 {
        read if read < length => Err(ends_early()),
        read if read > length || PacketDigest::of(&bytes) != *expected => Err(damaged()),
        _ => Ok(bytes.into()),
    }
}

fn ends_early() -> DeliveryFailure {
    failed(FailureClass::Packet, "blob_length", "the packet's file ends too early")
}

fn damaged() -> DeliveryFailure {
    let cause = "the packet's file does not have the digest that it was accepted with";
    failed(FailureClass::Packet, "blob_damaged", cause)
}

fn unreadable(error: &io::Error) -> DeliveryFailure {
    if error.kind() == io::ErrorKind::NotFound {
        return failed(FailureClass::Packet, "blob_missing", "the packet's file is not there");
    }
    // Out of file descriptors, or a disk in trouble: it may pass, and neither packet nor receiver is to blame.
    failed(FailureClass::OursToFix, "blob_unreadable", &format!("reading the packet's file: {error}"))
}

fn wrong_length(expected: u64, found: u64) -> DeliveryFailure {
    let cause = format!("the packet's file has {found} bytes, the delivery says {expected}");
    failed(FailureClass::Packet, "blob_length", &cause)
}
