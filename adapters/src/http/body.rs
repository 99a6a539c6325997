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

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;
    use crate::parcel::Parcel;

    async fn body(bytes: &[u8], tail: &'static [u8]) -> (PacketBody, Attempt) {
        let (parcel, attempt) = (Parcel::of(bytes), Attempt::default());
        let packet = PacketReader::open(&parcel.consignment()).await.expect("a packet");
        (PacketBody::new(packet, tail, &attempt), attempt)
    }

    async fn frame(body: &mut PacketBody) -> Option<Result<Bytes, DeliveryFailure>> {
        let frame = poll_fn(|cx| Pin::new(&mut *body).poll_frame(cx)).await;
        frame.map(|frame| frame.map(|data| data.into_data().expect("data")))
    }

    #[tokio::test]
    async fn a_body_is_whole_with_its_last_byte_and_not_before() {
        for (bytes, tail) in [(150_000, &b""[..]), (150_000, b"\r\n"), (1, b"\r\n"), (0, b"\r\n")] {
            let packet = vec![b'x'; bytes];
            let (mut body, attempt) = body(&packet, tail).await;
            let mut sent = Vec::new();
            assert_eq!(body.size_hint().exact(), Some((bytes + tail.len()) as u64));
            while !body.is_end_stream() {
                assert!(!attempt.whole(), "{} of {bytes} bytes", sent.len());
                sent.extend(frame(&mut body).await.expect("there is more").expect("it can be read"));
                assert_eq!(body.size_hint().exact(), Some((bytes + tail.len() - sent.len()) as u64));
            }
            assert!(attempt.whole() && sent == [&packet, tail].concat());
            assert!(frame(&mut body).await.is_none());
        }
    }

    #[tokio::test]
    async fn nothing_follows_a_packet_that_is_damaged() {
        let parcel = Parcel::of(&vec![b'x'; 300_000]);
        let mut consignment = parcel.consignment();
        consignment.delivery.digest = lienthong_schemas::ids::PacketDigest::of(b"another packet");
        let attempt = Attempt::default();
        let packet = PacketReader::open(&consignment).await.expect("a file");
        let mut body = PacketBody::new(packet, b"\r\n", &attempt);
        let failure = loop {
            match frame(&mut body).await.expect("a frame") {
                Ok(chunk) => assert!(!chunk.is_empty() && body.left() > 2, "not to its end"),
                Err(failure) => break failure,
            }
        };
        assert_eq!((failure.code.as_str(), attempt.fault()), ("blob_damaged", Some(&failure)));
        assert!(!attempt.whole());
    }

    #[tokio::test]
    async fn a_small_packet_that_is_damaged_does_not_leave() {
        let parcel = Parcel::of(b"<edXML/>");
        let mut consignment = parcel.consignment();
        consignment.delivery.digest = lienthong_schemas::ids::PacketDigest::of(b"another packet");
        let failure = PacketReader::open(&consignment).await.err().expect("damaged");
        assert_eq!((failure.class, failure.code.as_str()), (FailureClass::Packet, "blob_damaged"));
    }

    #[tokio::test]
    async fn a_body_ends_with_its_attempt() {
        let (mut body, attempt) = body(&vec![b'x'; 150_000], b"\r\n").await;
        frame(&mut body).await.expect("a frame").expect("it can be read");
        drop(attempt);
        assert_eq!(frame(&mut body).await.expect("a frame").expect_err("over").code, "cut_body");
    }
}
