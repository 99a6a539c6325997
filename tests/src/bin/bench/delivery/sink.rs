//! Receivers as light as they can be: one listener takes the packets of all of them, reads each to its end and answers
//! 200. What came, and when, is remembered by document.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::sync::watch;

/// The header that names a document; the bare side of a pair sends it, too.
pub(super) const DOCUMENT: &str = "lienthong-document-id";

/// See the module.
pub(crate) struct Sink {
    /// `host:port`.
    pub(super) address: String,
    taken: watch::Sender<u64>,
    first: Mutex<HashMap<String, Instant>>,
    open: watch::Sender<bool>,
}

impl Sink {
    /// Opens it on a free port. It serves as long as the process lives.
    pub(super) async fn open() -> Result<Arc<Self>> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let sink = Arc::new(Self {
            address: listener.local_addr()?.to_string(),
            taken: watch::Sender::default(),
            first: Mutex::default(),
            open: watch::Sender::new(true),
        });
        let served = sink.clone();
        #[expect(clippy::disallowed_methods, reason = "a peer of the gateway, which ends with the program")]
        drop(tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let sink = served.clone();
                let service = service_fn(move |request| {
                    let sink = sink.clone();
                    async move { Ok::<_, Infallible>(sink.answer(request).await) }
                });
                // A delay of some milliseconds would be this side's, not the gateway's.
                drop(stream.set_nodelay(true));
                let line = hyper::server::conn::http1::Builder::new()
                    .serve_connection(TokioIo::new(stream), service);
                drop(tokio::spawn(line));
            }
        }));
        Ok(sink)
    }

    /// Takes packets, or keeps its answers back until it is open again: what refused would be tried again meanwhile.
    pub(super) fn set_open(&self, open: bool) {
        self.open.send_replace(open);
    }

    /// Forgets what came.
    pub(crate) fn forget(&self) {
        self.taken.send_replace(0);
        self.locked().clear();
    }

    /// Packets that came since.
    pub(super) fn taken(&self) -> u64 {
        *self.taken.borrow()
    }

    /// When a document first came.
    pub(super) fn first(&self, document_id: &str) -> Option<Instant> {
        self.locked().get(document_id).copied()
    }

    /// Waits until so many packets have come.
    ///
    /// # Errors
    /// They have not within `wait`.
    pub(crate) async fn wait_for(&self, count: u64, wait: Duration) -> Result<()> {
        let mut taken = self.taken.subscribe();
        let waited = tokio::time::timeout(wait, taken.wait_for(|n| *n >= count)).await;
        ensure!(waited.is_ok(), "{} of {count} packets came within {wait:?}", self.taken());
        Ok(())
    }

    /// Waits until a document has come.
    ///
    /// # Errors
    /// It has not within `wait`.
    pub(super) async fn wait_for_document(&self, id: &str, wait: Duration) -> Result<Instant> {
        let mut taken = self.taken.subscribe();
        let waited = tokio::time::timeout(wait, taken.wait_for(|_| self.first(id).is_some())).await;
        ensure!(waited.is_ok(), "document {id} did not come within {wait:?}");
        Ok(self.first(id).unwrap_or_else(Instant::now))
    }

    async fn answer(&self, request: Request<Incoming>) -> Response<Empty<Bytes>> {
        let (head, mut body) = request.into_parts();
        let mut whole = true;
        while let Some(frame) = body.frame().await {
            whole &= frame.is_ok();
        }
        let mut answer = Response::new(Empty::new());
        let mut open = self.open.subscribe();
        if !whole || open.wait_for(|open| *open).await.is_err() {
            *answer.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
            return answer;
        }
        let document = head.headers.get(DOCUMENT).and_then(|id| id.to_str().ok()).unwrap_or_default();
        self.locked().entry(document.to_owned()).or_insert_with(Instant::now);
        self.taken.send_modify(|n| *n += 1);
        answer
    }

    fn locked(&self) -> std::sync::MutexGuard<'_, HashMap<String, Instant>> {
        self.first.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
