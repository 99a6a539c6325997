//! Turns of committing, and what came of them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use lienthong_outbox::FileStore;
use lienthong_outbox::contract::samples::admission;
use lienthong_pipeline::ports::OutboxStore;
use tokio::task::JoinSet;

use crate::options::Fault;

/// Above every document that a store is filled with.
static NEXT: AtomicU64 = AtomicU64::new(1 << 40);

/// Admissions a second of so many callers, each of a document to one receiver, on disk when its call returns.
pub(crate) async fn commits(store: &Arc<FileStore>, callers: usize, lasts: Duration) -> Result<f64, Fault> {
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
            Ok::<u64, Fault>(done)
        });
    }
    let mut done = 0;
    while let Some(worked) = working.join_next().await {
        done += worked??;
    }
    Ok(done as f64 / begun.elapsed().as_secs_f64())
}

/// Middle, least and greatest.
pub(crate) struct Spread {
    pub(crate) median: f64,
    least: f64,
    most: f64,
}

impl Spread {
    pub(crate) fn of(mut figures: Vec<f64>) -> Self {
        figures.sort_by(f64::total_cmp);
        let at = |index: usize| figures.get(index).copied().unwrap_or_default();
        let last = figures.len().saturating_sub(1);
        Self { median: f64::midpoint(at(last / 2), at(figures.len() / 2)), least: at(0), most: at(last) }
    }

    pub(crate) fn show(&self, digits: usize) -> String {
        format!("{:.digits$} ({:.digits$} to {:.digits$})", self.median, self.least, self.most)
    }
}
