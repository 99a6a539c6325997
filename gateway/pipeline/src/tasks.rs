//! The tasks of one process: each has a name, ends on shutdown, and its failure is seen.

use std::future::Future;
use std::sync::{Arc, Mutex};

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// How a task ended before it was told to.
#[derive(Debug, Clone, thiserror::Error)]
#[error("task {name} ended: {cause}")]
pub struct TaskFailure {
    /// The task's name.
    pub name: String,
    /// Its error or panic.
    pub cause: String,
}

/// Starts tasks and waits for them. Clones share one set.
#[derive(Clone, Default)]
pub struct Tasks {
    set: Arc<Mutex<JoinSet<Result<(), TaskFailure>>>>,
    stop: CancellationToken,
    failed: CancellationToken,
}

impl Tasks {
    /// An empty set.
    pub fn new() -> Self {
        Self::default()
    }

    /// Starts a task that should run until [`Tasks::stop`]; when it returns an error or panics, the whole process is
    /// asked to stop ([`Tasks::failed`]), because a gateway with a dead part would silently keep documents.
    pub fn spawn<F, E>(&self, name: &str, task: F)
    where
        F: Future<Output = Result<(), E>> + Send + 'static,
        E: std::fmt::Display + Send + 'static,
    {
        let name = name.to_owned();
        let failed = self.failed.clone().drop_guard();
        let work = async move {
            let outcome = task.await;
            match outcome {
                Ok(()) => {
                    failed.disarm();
                    Ok(())
                }
                Err(cause) => {
                    tracing::error!(task = name, %cause, "task failed");
                    drop(failed);
                    Err(TaskFailure { name, cause: cause.to_string() })
                }
            }
        };
        self.lock().spawn(work);
    }

    /// Starts work that nobody may cancel half way: its result comes back through the handle, and it goes on when the
    /// handle is dropped.
    pub fn complete<F>(&self, work: F) -> tokio::sync::oneshot::Receiver<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let (send, receive) = tokio::sync::oneshot::channel();
        let mut set = self.lock();
        while set.try_join_next().is_some() {}
        set.spawn(async move {
            // The one who asked may be gone; the work counts, not the answer.
            drop(send.send(work.await));
            Ok(())
        });
        receive
    }

    /// Asks every task to end.
    pub fn stop(&self) {
        self.stop.cancel();
    }

    /// Resolves when tasks should end.
    pub async fn stopped(&self) {
        self.stop.cancelled().await;
    }

    /// Whether tasks should end.
    pub fn is_stopping(&self) -> bool {
        self.stop.is_cancelled()
    }

    /// Resolves when a task has failed.
    pub async fn failed(&self) {
        self.failed.cancelled().await;
    }

    /// Waits until every task has ended and returns the failures.
    pub async fn join(&self) -> Vec<TaskFailure> {
        let mut set = std::mem::take(&mut *self.lock());
        let mut failures = Vec::new();
        while let Some(ended) = set.join_next().await {
            match ended {
                Ok(Ok(())) => {}
                Ok(Err(failure)) => failures.push(failure),
                Err(panic) => {
                    failures.push(TaskFailure { name: "unknown".to_owned(), cause: panic.to_string() });
                }
            }
        }
        failures
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, JoinSet<Result<(), TaskFailure>>> {
        self.set.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}
