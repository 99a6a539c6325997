//! How a stream is read from end to end by somebody who remembers where he stands: nothing is acknowledged, and the server
//! keeps nothing of it for long.

use std::time::Duration;

use async_nats::jetstream::consumer::{AckPolicy, DeliverPolicy, ReplayPolicy, pull};

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
