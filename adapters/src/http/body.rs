//! The packet as a request body of exact length, and what an attempt and its body know of each other.

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use lienthong_pipeline::ports::{DeliveryFailure, FailureClass};

use crate::failure::failed;
use crate::packet::PacketReader;

#[derive(Default)]
struct Progress {
    /// The last byte has been given to the connection.
    whole: AtomicBool,
    /// Nobody waits for the attempt any more.
    over: AtomicBool,
    /// Why the packet could not be read.
    fault: OnceLock<DeliveryFailure>,
}

/// An attempt that is being made. When it is dropped, its body sends no more.
#[derive(Default)]
pub(super) struct Attempt(Arc<Progress>);

impl Attempt {
    /// The receiver can have the whole body.
    pub(super) fn whole(&self) -> bool {
        self.0.whole.load(Ordering::Acquire)
    }

    /// Why the packet could not be read.
    pub(super) fn fault(&self) -> Option<&DeliveryFailure> {
        self.0.fault.get()
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        self.0.over.store(true, Ordering::Release);
    }
}

/// A packet and the bytes that follow it: sent with `Content-Length`, never chunked.
pub(super) struct PacketBody {
    packet: PacketReader,
    tail: &'static [u8],
    progress: Arc<Progress>,
}

impl PacketBody {
    pub(super) fn new(packet: PacketReader, tail: &'static [u8], attempt: &Attempt) -> Self {
        Self { packet, tail, progress: Arc::clone(&attempt.0) }
    }

    /// Bytes not yet given to the connection.
    pub(super) fn left(&self) -> u64 {
        self.packet.left() + self.tail.len() as u64
    }

    /// The next chunk of the packet; after its last one, and only when its digest was right, the tail.
    fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, DeliveryFailure>>> {
        if let Some(chunk) = ready!(self.packet.poll_chunk(cx)) {
            return Poll::Ready(Some(chunk));
        }
        let tail = std::mem::take(&mut self.tail);
        Poll::Ready((!tail.is_empty()).then(|| Ok(Bytes::from_static(tail))))
    }
}

impl Body for PacketBody {
    type Data = Bytes;
    type Error = DeliveryFailure;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, DeliveryFailure>>> {
        if self.progress.over.load(Ordering::Acquire) {
            let late = failed(FailureClass::Document, "cut_body", "the attempt is over");
            return Poll::Ready(Some(Err(late)));
        }
        let Some(chunk) = ready!(self.poll_chunk(cx)) else { return Poll::Ready(None) };
        match &chunk {
            Ok(_) => self.progress.whole.store(self.left() == 0, Ordering::Release),
            Err(fault) => drop(self.progress.fault.set(fault.clone())),
        }
        Poll::Ready(Some(chunk.map(Frame::data)))
    }

    fn is_end_stream(&self) -> bool {
        self.left() == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left())
    }
}
