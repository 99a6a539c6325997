//! The one thread that writes, with group commit: it takes what is queued, applies each as its own batch, makes one
//! barrier for all, and only then answers.

use std::panic::{AssertUnwindSafe, catch_unwind};

use lienthong_pipeline::crash::crash_point;
use lienthong_pipeline::ports::Fault;
use tokio::sync::mpsc;

use super::progress::closed;
use super::writer::Writer;
use crate::change::PLACE;

/// Most changes under one barrier.
const GROUP_MAX: usize = 1_024;
/// No further change joins a group of this many bytes.
const GROUP_BYTES_MAX: usize = 32 << 20;
/// Changes that may wait for the thread; more wait at their callers.
pub(super) const QUEUE_MAX: usize = 1_024;

/// Tells one caller what came of its change; called after the barrier, with the barrier's outcome.
pub(super) type Answer = Box<dyn FnOnce(Result<(), Fault>) + Send>;
/// One change: applied when it is called, answered later.
pub(super) type Change = Box<dyn FnOnce(&mut Writer) -> Answer + Send>;

/// Works until the queue is closed and empty, or a barrier fails.
pub(super) fn run(mut writer: Writer, mut changes: mpsc::Receiver<Change>) {
    let progress = writer.progress();
    let served = catch_unwind(AssertUnwindSafe(|| serve(&mut writer, &mut changes)));
    let fault = match served {
        Ok(Ok(())) => closed(),
        Ok(Err(fault)) => fault,
        Err(panic) => Fault::fatal(PLACE, format!("the engine panicked: {}", said(&*panic))),
    };
    // Callers whose answers were dropped wait for this.
    progress.end(fault);
}

fn serve(writer: &mut Writer, changes: &mut mpsc::Receiver<Change>) -> Result<(), Fault> {
    while let Some(first) = changes.blocking_recv() {
        let mut answers = Vec::new();
        let mut next = Some(first);
        while let Some(change) = next.take() {
            answers.push(change(writer));
            let room = answers.len() < GROUP_MAX && writer.waiting_bytes() < GROUP_BYTES_MAX;
            if room && !writer.is_broken() {
                next = changes.try_recv().ok();
            }
        }
        let barrier = writer.barrier();
        if writer.took_admission() && barrier.is_ok() {
            crash_point("after-commit");
        }
        if let Err(fault) = &barrier {
            tracing::error!(%fault, "the outbox is closed");
            writer.progress().end(fault.clone());
        }
        for answer in answers {
            answer(barrier.clone());
        }
        barrier?;
    }
    Ok(())
}

/// What a panic said.
pub(crate) fn said(panic: &(dyn std::any::Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no words")
}
