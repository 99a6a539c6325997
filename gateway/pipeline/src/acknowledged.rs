//! Waiting for the broker: what a sender or a receiver is told only when `EVENTS` has it too. What is on disk stays there
//! whatever the broker does.

use std::time::Duration;

use crate::clock::after;
use crate::ports::{Fault, OutboxStore, Ports};
use crate::wakes::Wakes;

/// How long somebody waits for the broker before he is told to come again.
pub const BROKER_WAIT: Duration = Duration::from_secs(10);

/// Waits until `EVENTS` has every event that the store has now, and until `holds` does, which can begin to hold whenever
/// the broker has acknowledged something.
///
/// # Errors
/// It has not within [`BROKER_WAIT`]: `what` says what is on disk all the same. The store fails.
pub(crate) async fn until_acknowledged<F>(
    ports: &Ports,
    wakes: &Wakes,
    what: String,
    holds: impl Fn() -> F,
) -> Result<(), Fault>
where
    F: Future<Output = Result<bool, Fault>>,
{
    let end = after(ports.clock.now(), BROKER_WAIT);
    tokio::select! {
        outcome = until(&*ports.store, wakes, holds) => outcome,
        () = ports.clock.sleep_until(end) => {
            Err(Fault::new("broker", format!("{what}, and the broker has not acknowledged it")))
        }
    }
}

async fn until<F>(store: &dyn OutboxStore, wakes: &Wakes, holds: impl Fn() -> F) -> Result<(), Fault>
where
    F: Future<Output = Result<bool, Fault>>,
{
    let mut published = wakes.published.subscribe();
    // Events of what is waited for have no higher number.
    let last = store.unsent_span().await?.map(|span| *span.end());
    loop {
        published.mark_unchanged();
        if are_sent(store, last).await? && holds().await? {
            return Ok(());
        }
        published.changed().await.map_err(|closed| Fault::new("relay", closed))?;
    }
}

async fn are_sent(store: &dyn OutboxStore, last: Option<u64>) -> Result<bool, Fault> {
    let Some(last) = last else { return Ok(true) };
    Ok(store.unsent_span().await?.is_none_or(|span| *span.start() > last))
}
