//! Turns of committing.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::Result;
use lienthong_outbox::FileStore;
use lienthong_outbox::contract::samples::admission;
use lienthong_pipeline::ports::OutboxStore;
use tokio::task::JoinSet;

/// Above every document that a store is filled with.
static NEXT: AtomicU64 = AtomicU64::new(1 << 30);

/// Admissions a second of so many callers, each of a document to one receiver, on disk when its call returns.
pub(super) async fn commits(store: &Arc<FileStore>, callers: usize, lasts: Duration) -> Result<f64> {
    let mut working = JoinSet::new();
    let begun = Instant::now();
    for _ in 0..callers {
        let store = store.clone();
        working.spawn(async move {
            let mut done = 0_u64;
            while begun.elapsed() < lasts {
                let n = NEXT.fetch_add(1, Ordering::Relaxed);
                store.admit(&admission(n, &["H100"])).await?;
                done += 1;
            }
            Ok::<u64, anyhow::Error>(done)
        });
    }
    let mut done = 0;
    while let Some(worked) = working.join_next().await {
        done += worked??;
    }
    Ok(done as f64 / begun.elapsed().as_secs_f64())
}
