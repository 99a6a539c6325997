//! How full the server's store is: asked seldom, remembered between, and never in the way of a publish.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_nats::jetstream::account::Account;
use async_nats::jetstream::context::Context;
use lienthong_pipeline::ports::Fault;
use tokio::time::{Instant, timeout};

use crate::PLACE;

/// The server is asked at most this often, while there is room.
const ASK_EVERY: Duration = Duration::from_secs(30);
/// And this often when there is none, or a publish was refused for want of it.
const ASK_AGAIN: Duration = Duration::from_secs(2);
/// Longest wait for its answer; then the last one counts.
const ANSWER_WAIT: Duration = Duration::from_secs(2);
/// A store fuller than this, in per cent, is trouble: a full one takes nothing, not even events.
const FULL_PERCENT: u64 = 90;

pub(crate) struct Room {
    /// The server's own limit in bytes, where it is known.
    bytes_max: Option<u64>,
    known: Mutex<Known>,
}

#[derive(Clone, Copy, Default)]
struct Known {
    asked: Option<Instant>,
    percent: u64,
    /// A publish was refused for want of room since it was asked.
    doubted: bool,
}

impl Room {
    pub(crate) fn new(bytes_max: Option<u64>) -> Self {
        Self { bytes_max, known: Mutex::default() }
    }

    /// A fault when the store is fuller than [`FULL_PERCENT`], as far as is known.
    pub(crate) async fn check(&self, js: &Context) -> Result<(), Fault> {
        if self.is_due() {
            match timeout(ANSWER_WAIT, js.query_account()).await {
                Ok(Ok(account)) => self.known().percent = percent(&account, self.bytes_max),
                Ok(Err(error)) => tracing::debug!(%error, "the store's room is not known"),
                Err(_) => tracing::debug!("the store's room is not told in time"),
            }
        }
        let Known { percent, .. } = *self.known();
        if percent > FULL_PERCENT {
            return Err(Fault::new(PLACE, format!("store {percent} % full")));
        }
        Ok(())
    }

    /// The server refused something for want of room.
    pub(crate) fn doubt(&self) {
        self.known().doubted = true;
    }

    /// Whether this caller is to ask; callers meanwhile go by what is known.
    fn is_due(&self) -> bool {
        let mut known = self.known();
        let pause = if known.doubted || known.percent > FULL_PERCENT { ASK_AGAIN } else { ASK_EVERY };
        let due = known.asked.is_none_or(|asked| asked.elapsed() >= pause);
        if due {
            known.asked = Some(Instant::now());
            known.doubted = false;
        }
        due
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Of the account's limit or the server's, whichever is less; 0 when there is none.
fn percent(account: &Account, bytes_max: Option<u64>) -> u64 {
    let limit = account.limits.max_storage.and_then(|limit| u64::try_from(limit).ok());
    match limit.into_iter().chain(bytes_max).filter(|limit| *limit > 0).min() {
        Some(limit) => account.storage.saturating_mul(100) / limit,
        None => 0,
    }
}
