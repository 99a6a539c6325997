//! The tasks of one process: each has a name, ends on shutdown, and its failure is seen.

use std::future::Future;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, ready};

use tokio::task::{JoinError, JoinSet};
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
    set: Arc<Mutex<Set>>,
    stop: CancellationToken,
    failed: CancellationToken,
}

type Ended = Result<Result<(), TaskFailure>, JoinError>;

#[derive(Default)]
struct Set {
    tasks: JoinSet<Result<(), TaskFailure>>,
    /// Everything was waited for: nothing may begin any more.
    closed: bool,
}

impl Set {
    fn spawn(&mut self, work: impl Future<Output = Result<(), TaskFailure>> + Send + 'static) {
        if !self.closed {
            self.tasks.spawn(work);
        }
    }
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
    /// handle is dropped. [`Tasks::join`] waits for it; once that has ended, nothing is begun and the handle says so by an
    /// error.
    pub fn complete<F>(&self, work: F) -> tokio::sync::oneshot::Receiver<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let (send, receive) = tokio::sync::oneshot::channel();
        let mut set = self.lock();
        while set.tasks.try_join_next().is_some() {}
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

    /// Waits until every task has ended, also those that others begin meanwhile, and returns the failures.
    pub async fn join(&self) -> Vec<TaskFailure> {
        let mut failures = Vec::new();
        while let Some(ended) = std::future::poll_fn(|cx| self.poll_join(cx)).await {
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

    fn poll_join(&self, cx: &mut Context<'_>) -> Poll<Option<Ended>> {
        let mut set = self.lock();
        let ended = ready!(set.tasks.poll_join_next(cx));
        set.closed |= ended.is_none();
        Poll::Ready(ended)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Set> {
        self.set.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_end_waits_for_work_begun_late_and_refuses_what_comes_after_it() {
        let tasks = Tasks::new();
        let (begin, begun) = tokio::sync::oneshot::channel::<()>();
        let (finish, finished) = tokio::sync::oneshot::channel::<()>();
        let inner = tasks.clone();
        tasks.spawn("a request", async move {
            begun.await.map_err(|_| "never begun")?;
            drop(inner.complete(finished));
            Ok::<_, &str>(())
        });
        tasks.stop();
        let mut end = Box::pin(tasks.join());
        assert!(futures_util::poll!(end.as_mut()).is_pending(), "the request is under way");
        begin.send(()).expect("it waits");
        for _ in 0..100 {
            tokio::task::yield_now().await;
            assert!(futures_util::poll!(end.as_mut()).is_pending(), "what the request began is not done");
        }
        finish.send(()).expect("it waits");
        assert!(end.await.is_empty());
        assert!(tasks.complete(async {}).await.is_err(), "nothing begins after the end");
    }
}
