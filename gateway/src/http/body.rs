//! A request body into `incoming/`: bounded in size and in slowness, digested on the way. And an answer's body that
//! holds a place until it is written.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use futures_util::StreamExt;
use http_body::{Frame, SizeHint};
use lienthong_pipeline::examine::Refused;
use lienthong_pipeline::ports::{Incoming, IncomingWriter, Spool};
use lienthong_schemas::rejections::{Rejection, RejectionCode};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

/// What a body may be.
#[derive(Clone, Copy, Debug)]
pub struct BodyLimits {
    /// Bytes at most.
    pub bytes_max: u64,
    /// Bytes a second that must come, over each window.
    pub slowest_rate: u64,
    /// Length of a window.
    pub window: Duration,
}

/// Streams a body into the spool.
///
/// # Errors
/// Too large, too slow, cut, empty; or a fault of the spool.
pub async fn receive(
    body: Body,
    limits: &BodyLimits,
    spool: &dyn Spool,
) -> Result<Box<dyn Incoming>, Refused> {
    receive_into(body, limits, spool.receive().await?).await
}

/// Streams a body into a sink.
///
/// # Errors
/// As [`receive`].
pub async fn receive_into(
    body: Body,
    limits: &BodyLimits,
    mut sink: Box<dyn IncomingWriter>,
) -> Result<Box<dyn Incoming>, Refused> {
    let mut chunks = body.into_data_stream();
    let mut pace = Pace::new(limits);
    let mut total = 0_u64;
    while let Some(chunk) = pace.wait(chunks.next()).await? {
        let chunk = chunk.map_err(|_| Rejection::new(RejectionCode::BodyIncomplete))?;
        total += chunk.len() as u64;
        if total > limits.bytes_max {
            return Err(too_large(limits).into());
        }
        pace.came(chunk.len() as u64);
        sink.write(chunk).await?;
    }
    if total == 0 {
        return Err(Rejection::new(RejectionCode::BodyEmpty).into());
    }
    Ok(sink.finish().await?)
}

/// Takes a body within the limits and throws it away, for a sender that listens only when it has sent everything.
pub async fn discard(body: Body, limits: &BodyLimits) {
    let mut chunks = body.into_data_stream();
    let mut pace = Pace::new(limits);
    let mut total = 0_u64;
    while total <= limits.bytes_max
        && let Ok(Some(Ok(chunk))) = pace.wait(chunks.next()).await
    {
        total += chunk.len() as u64;
        pace.came(chunk.len() as u64);
    }
}

/// The refusal of a body over the limit.
pub fn too_large(limits: &BodyLimits) -> Rejection {
    Rejection::new(RejectionCode::BodyTooLarge).because(format!("max {} bytes", limits.bytes_max))
}

/// An answer that holds its place until the peer has taken it: a slow reader cannot pile up answers in memory.
pub struct Holding {
    body: Body,
    _place: OwnedSemaphorePermit,
}

impl Holding {
    /// This body, with the place that it needed.
    pub fn new(body: Body, place: OwnedSemaphorePermit) -> Self {
        Self { body, _place: place }
    }
}

impl http_body::Body for Holding {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// Counts what comes in each window. Only the time spent waiting for the sender counts, not our own disk.
struct Pace {
    needed: u64,
    window: Duration,
    came: u64,
    waited: Duration,
}

impl Pace {
    fn new(limits: &BodyLimits) -> Self {
        let needed = limits.slowest_rate.saturating_mul(limits.window.as_secs());
        Self { needed, window: limits.window, came: 0, waited: Duration::ZERO }
    }

    fn came(&mut self, bytes: u64) {
        self.came += bytes;
    }

    async fn wait<T>(&mut self, next: impl Future<Output = T>) -> Result<T, Rejection> {
        tokio::pin!(next);
        loop {
            let begun = Instant::now();
            let left = self.window.saturating_sub(self.waited);
            let outcome = tokio::time::timeout(left, next.as_mut()).await;
            self.waited += begun.elapsed();
            match outcome {
                Ok(item) => return Ok(item),
                Err(_) if self.came < self.needed => {
                    return Err(Rejection::new(RejectionCode::BodyTooSlow));
                }
                Err(_) => (self.came, self.waited) = (0, Duration::ZERO),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pace() -> Pace {
        let window = Duration::from_secs(30);
        Pace::new(&BodyLimits { bytes_max: 1, slowest_rate: 16 * 1024, window })
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_stands_still_is_refused_after_one_window() {
        let begun = Instant::now();
        let refused = pace().wait(std::future::pending::<()>()).await.expect_err("too slow");
        assert_eq!(refused.code, RejectionCode::BodyTooSlow);
        assert_eq!(begun.elapsed().as_secs(), 30);
    }

    #[tokio::test(start_paused = true)]
    async fn the_slowest_rate_itself_is_enough_and_one_byte_less_is_not() {
        for (bytes, windows) in [(30 * 16 * 1024, 2), (30 * 16 * 1024 - 1, 1)] {
            let mut pace = pace();
            pace.came(bytes);
            let begun = Instant::now();
            pace.wait(std::future::pending::<()>()).await.expect_err("too slow in the end");
            assert_eq!(begun.elapsed().as_secs(), 30 * windows);
        }
    }

    #[tokio::test]
    async fn an_answer_keeps_its_place_until_it_is_written() {
        let room = std::sync::Arc::new(tokio::sync::Semaphore::new(1));
        let place = room.clone().try_acquire_owned().expect("a place");
        let answer = Body::new(Holding::new(Body::from("an answer"), place));
        assert_eq!(http_body::Body::size_hint(&answer).exact(), Some(9), "its length is known");
        assert_eq!(room.available_permits(), 0);
        assert_eq!(axum::body::to_bytes(answer, 100).await.expect("a body"), "an answer");
        assert_eq!(room.available_permits(), 1);
    }
}
