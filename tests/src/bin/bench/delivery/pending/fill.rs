//! A store as a gateway would have it whose receivers are away: every delivery admitted, published and taken over, its
//! events sent, nothing settled. Through the store's own calls; only the admissions are laid down without their syncs.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context, Result, bail};
use lienthong_outbox::contract::samples::{admission, delivery_id, lay_down};
use lienthong_outbox::{Engine, FileStore, open_or_rebuild};
use lienthong_pipeline::clock::SystemClock;
use lienthong_pipeline::ports::{OutboxStore, Transition};
use tokio::task::JoinSet;

use super::Size;

/// Documents on their way at once.
const AT_ONCE: u64 = 256;
/// Events that are confirmed together.
const EVENTS: usize = 10_000;

/// What was filled in.
pub(super) struct Filled {
    pub(super) documents: u64,
    pub(super) deliveries: u64,
}

pub(super) async fn fill(folder: &Path, engine: Engine, size: Size) -> Result<Filled> {
    let (store, _, _) = open_or_rebuild(folder, engine, Arc::new(SystemClock))?;
    let store = Arc::new(store);
    let receivers: Arc<[String]> = (0..size.receivers).map(|n| format!("H{:03}", n + 100)).collect();
    let documents = size.deliveries / receivers.len() as u64;
    let next = Arc::new(AtomicU64::new(0));
    let mut workers = JoinSet::new();
    for _ in 0..AT_ONCE {
        let (store, next, receivers, folder) =
            (store.clone(), next.clone(), receivers.clone(), folder.to_owned());
        workers.spawn(async move {
            loop {
                let n = next.fetch_add(1, Ordering::Relaxed);
                if n >= documents {
                    return Ok::<_, anyhow::Error>(());
                }
                one(&store, &folder, n, &receivers).await?;
            }
        });
    }
    while let Some(worked) = workers.join_next().await {
        worked??;
    }
    loop {
        let numbers: Vec<u64> =
            store.unsent_events(EVENTS).await?.into_iter().map(|(number, _)| number).collect();
        if numbers.is_empty() {
            break;
        }
        store.events_sent(numbers).await?;
    }
    let pending = store.stats().await?.pending;
    store.close().await?;
    if pending != documents * receivers.len() as u64 {
        bail!("{pending} pending");
    }
    Ok(Filled { documents, deliveries: pending })
}

async fn one(store: &FileStore, folder: &Path, n: u64, receivers: &[String]) -> Result<()> {
    let codes: Vec<&str> = receivers.iter().map(String::as_str).collect();
    let document = admission(n, &codes);
    lay_down(folder, &document)?;
    store.admit(&document).await?;
    for code in codes {
        let id = delivery_id(n, code);
        let published =
            store.transition(id, document.receipt.accepted_at, Transition::Published { generation: 1 });
        let delivery = published.await?.context("it was admitted")?;
        store.hand_off(delivery).await?;
    }
    Ok(())
}
