//! How a stream is read from end to end by somebody who remembers where he stands: nothing is acknowledged, and the server
//! keeps nothing of it for long.

use std::time::Duration;

use async_nats::jetstream::Message;
use async_nats::jetstream::consumer::{AckPolicy, DeliverPolicy, ReplayPolicy, pull};
use futures_util::stream::{self, BoxStream};
use futures_util::{StreamExt, TryStreamExt};
use lienthong_pipeline::ports::Fault;
use tokio::time::timeout;

use crate::PLACE;

/// Longest time from one message to the next.
const NEXT_WITHIN: Duration = Duration::from_secs(15);

/// A reader that begins there. The server forgets one that has gone away after so long.
pub(crate) fn from(begin: DeliverPolicy, forgotten_after: Duration) -> pull::Config {
    pull::Config {
        deliver_policy: begin,
        ack_policy: AckPolicy::None,
        replay_policy: ReplayPolicy::Instant,
        memory_storage: true,
        num_replicas: 1,
        inactive_threshold: forgotten_after,
        ..pull::Config::default()
    }
}

/// So many messages, and then the end. Those that the stream forgets meanwhile never come: that is a fault, and nobody waits
/// for them.
pub(crate) fn first(count: usize, messages: pull::Stream) -> BoxStream<'static, Result<Message, Fault>> {
    let fault = |cause: String| Fault::new(PLACE, cause);
    let read = stream::try_unfold((messages, count), move |(mut messages, left)| async move {
        if left == 0 {
            return Ok(None);
        }
        let next = timeout(NEXT_WITHIN, messages.next()).await;
        let next = next.map_err(|_| fault("a stream did not go on while it was read".to_owned()))?;
        let next = next.ok_or_else(|| fault("a stream ended while it was read".to_owned()))?;
        let message = next.map_err(|cause| fault(cause.to_string()))?;
        Ok::<_, Fault>(Some((message, (messages, left - 1))))
    });
    read.into_stream().boxed()
}
