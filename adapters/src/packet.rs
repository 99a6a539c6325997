//! The packet of a consignment, read in chunks on its way out: constant memory, exact length, digest checked before
//! the last chunk leaves. A damaged file is our trouble, and its receiver must not take it for whole.

use std::io;
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

/// A packet being read.
pub(crate) struct PacketReader {
    file: File,
    buffer: Box<[u8]>,
    hash: Sha256,
    expected: PacketDigest,
    left: u64,
}

impl PacketReader {
    /// Opens the packet. Fails as [`FailureClass::Packet`]: `blob_missing`, or `blob_length` when the file is not as
    /// long as the delivery says; as [`FailureClass::OursToFix`]: `blob_unreadable`.
    pub(crate) async fn open(consignment: &Consignment) -> Result<Self, DeliveryFailure> {
        let file = File::open(&consignment.packet).await.map_err(|error| unreadable(&error))?;
        let metadata = file.metadata().await.map_err(|error| unreadable(&error))?;
        let (expected, left) = (consignment.delivery.digest, consignment.delivery.bytes);
        if metadata.len() != left {
            return Err(wrong_length(left, metadata.len()));
        }
        let buffer = vec![0; CHUNK_BYTES].into_boxed_slice();
        Ok(Self { file, buffer, hash: Sha256::new(), expected, left })
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
        let mut buffer = ReadBuf::new(&mut self.buffer[..room]);
        if let Err(error) = ready!(Pin::new(&mut self.file).poll_read(cx, &mut buffer)) {
            return Poll::Ready(Some(Err(unreadable(&error))));
        }
        let chunk = Bytes::copy_from_slice(buffer.filled());
        Poll::Ready(Some(self.account_for(chunk)))
    }

    fn account_for(&mut self, chunk: Bytes) -> Result<Bytes, DeliveryFailure> {
        if chunk.is_empty() {
            return Err(failed(FailureClass::Packet, "blob_length", "the packet's file ends too early"));
        }
        self.hash.update(&chunk);
        self.left -= chunk.len() as u64;
        if self.left == 0 && self.hash.finalize_reset().as_slice() != self.expected.as_bytes() {
            let cause = "the packet's file does not have the digest that it was accepted with";
            return Err(failed(FailureClass::Packet, "blob_damaged", cause));
        }
        Ok(chunk)
    }
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
