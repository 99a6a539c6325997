//! Vendors' systems that behave as they are told, and the book of everything that came to them.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use openssl::hash::{Hasher, MessageDigest};
use tokio::time::timeout;

use super::plan::{Lasts, Manner};
use crate::socket::Socket;

/// Bytes read of a body that is to be cut.
const CUT_AFTER: usize = 700;

/// One request that came whole.
#[derive(Clone, Debug)]
pub(super) struct Arrival {
    /// Its place among all arrivals at all systems.
    pub(super) at: usize,
    /// `Lienthong-Delivery-Id`.
    pub(super) delivery_id: String,
    /// `Lienthong-Document-Id`.
    pub(super) document_id: String,
    /// `Lienthong-Receiver`.
    pub(super) receiver: String,
    /// `Lienthong-Digest`, without its name.
    pub(super) announced: String,
    /// SHA-256 of the bytes that came.
    pub sha256: String,
    /// The system has it.
    pub(super) stored: bool,
    /// What was answered; 0: nothing.
    pub(super) answered: u16,
}

/// Everything that came, and what is poison.
#[derive(Default)]
pub(super) struct Book {
    arrivals: Mutex<Vec<Arrival>>,
    /// (digest, receiver).
    poison: Mutex<HashMap<(String, String), Lasts>>,
    /// What is sent from now on was healed before it came.
    healed: AtomicBool,
    cut: Mutex<u64>,
}

impl Book {
    /// Everything that came so far.
    pub(super) fn arrivals(&self) -> Vec<Arrival> {
        lock(&self.arrivals).clone()
    }

    /// Requests that were answered otherwise than well, by answer; 0: cut or left without one.
    pub(super) fn answers(&self) -> BTreeMap<u16, u64> {
        let mut answers = BTreeMap::from([(0, *lock(&self.cut))]);
        for arrival in lock(&self.arrivals).iter() {
            *answers.entry(arrival.answered).or_default() += 1;
        }
        answers
    }

    /// This packet is answered with 500 at this receiver.
    pub(super) fn poison(&self, sha256: &str, receiver: &str, lasts: Lasts) {
        let mut poison = lock(&self.poison);
        if lasts == Lasts::ForEver || !self.healed.load(Ordering::SeqCst) {
            poison.insert((sha256.to_owned(), receiver.to_owned()), lasts);
        }
    }

    /// A round begins, in which poison works.
    pub(super) fn sicken(&self) {
        self.healed.store(false, Ordering::SeqCst);
    }

    /// Only what is poison for ever stays so, and only such can come.
    pub(super) fn heal(&self) {
        let mut poison = lock(&self.poison);
        self.healed.store(true, Ordering::SeqCst);
        poison.retain(|_, lasts| *lasts == Lasts::ForEver);
    }

    fn is_poison(&self, sha256: &str, receiver: &str) -> bool {
        lock(&self.poison).contains_key(&(sha256.to_owned(), receiver.to_owned()))
    }

    fn enter(&self, mut arrival: Arrival) {
        let mut arrivals = lock(&self.arrivals);
        arrival.at = arrivals.len();
        arrivals.push(arrival);
    }
}

/// One system.
pub(super) struct System {
    socket: Socket,
    manner: Arc<Mutex<Manner>>,
}

/// The connection is cut.
#[derive(Debug)]
struct Cut;

impl std::fmt::Display for Cut {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("cut")
    }
}

impl std::error::Error for Cut {}

impl System {
    /// Opens one that is well.
    pub(super) async fn open(book: &Arc<Book>) -> Self {
        let manner = Arc::new(Mutex::new(Manner::Well));
        let (of_socket, book) = (manner.clone(), book.clone());
        let serve = move |stream| {
            let (manner, book) = (of_socket.clone(), book.clone());
            async move {
                let service = hyper::service::service_fn(|request| {
                    let (manner, book) = (*lock(&manner), book.clone());
                    async move { answer(manner, &book, request).await }
                });
                let http = hyper::server::conn::http1::Builder::new();
                // A connection that either side cuts is part of the drill.
                drop(http.serve_connection(TokioIo::new(stream), service).await);
            }
            .boxed()
        };
        Self { socket: Socket::open(serve).await, manner }
    }

    /// Where packets are to be posted.
    pub(super) fn url(&self) -> String {
        format!("http://{}/edxml", self.socket.address())
    }

    /// Behaves like this from now on. Connections that wait for an answer are cut.
    pub(super) async fn be(&self, manner: Manner) {
        let before = std::mem::replace(&mut *lock(&self.manner), manner);
        let hung = matches!(before, Manner::Hangs | Manner::TakesAndHangs | Manner::Closed);
        if hung || manner == Manner::Closed {
            self.socket.close().await;
            if manner != Manner::Closed {
                self.socket.reopen().await;
            }
        }
    }
}

async fn answer(
    manner: Manner,
    book: &Book,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Cut> {
    let (head, mut body) = request.into_parts();
    if manner == Manner::CutsBody {
        let mut read = 0;
        while read < CUT_AFTER {
            let Some(Ok(frame)) = body.frame().await else { break };
            read += frame.into_data().map_or(0, |data| data.len());
        }
        *lock(&book.cut) += 1;
        return Err(Cut);
    }
    if let Manner::Slow(wait) = manner {
        pause(Duration::from_millis(wait)).await;
    }
    let mut hash = Hasher::new(MessageDigest::sha256()).map_err(|_| Cut)?;
    while let Some(frame) = body.frame().await {
        if let Ok(data) = frame.map_err(|_| Cut)?.into_data() {
            hash.update(&data).map_err(|_| Cut)?;
        }
    }
    let sha256 = hex(&hash.finish().map_err(|_| Cut)?);
    let mut arrival = arrival(&head.headers, sha256);
    let (stores, answers) = match manner {
        Manner::Well | Manner::Slow(_) => (true, Some(200)),
        Manner::Says(status) => (false, Some(status)),
        Manner::TakesAndSays(status) => (true, Some(status)),
        Manner::TakesAndHangs | Manner::CutsAnswer => (true, None),
        Manner::Hangs | Manner::CutsBody | Manner::Closed => (false, None),
    };
    let poisoned = book.is_poison(&arrival.sha256, &arrival.receiver);
    let broken = arrival.announced != arrival.sha256;
    let status = answers.map(|status| if poisoned || broken { 500 } else { status });
    arrival.stored = stores && !poisoned && !broken;
    arrival.answered = status.unwrap_or_default();
    book.enter(arrival);
    match status.and_then(|status| StatusCode::from_u16(status).ok()) {
        Some(status) => {
            let mut response = Response::new(Full::from("theo kịch bản / as scripted"));
            *response.status_mut() = status;
            Ok(response)
        }
        None if manner == Manner::CutsAnswer => Err(Cut),
        None => std::future::pending().await,
    }
}

fn arrival(headers: &HeaderMap, sha256: String) -> Arrival {
    let header = |name: &str| headers.get(name).and_then(|v| v.to_str().ok()).unwrap_or_default().to_owned();
    Arrival {
        at: 0,
        delivery_id: header("lienthong-delivery-id"),
        document_id: header("lienthong-document-id"),
        receiver: header("lienthong-receiver"),
        announced: header("lienthong-digest").trim_start_matches("sha-256=").to_owned(),
        sha256,
        stored: false,
        answered: 0,
    }
}

/// Lets this much time pass: what the drill does to the gateway has a length.
pub(super) async fn pause(length: Duration) {
    drop(timeout(length, std::future::pending::<()>()).await);
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The lock, also after a panic elsewhere.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sent_after_the_healing_is_poison_only_if_it_is_so_for_ever() {
        let book = Book::default();
        book.poison("a", "H55", Lasts::UntilHealed);
        book.poison("b", "H55", Lasts::ForEver);
        assert!(book.is_poison("a", "H55"));
        book.heal();
        book.poison("c", "H55", Lasts::UntilHealed);
        assert_eq!(["a", "b", "c"].map(|packet| book.is_poison(packet, "H55")), [false, true, false]);
        book.sicken();
        book.poison("d", "H55", Lasts::UntilHealed);
        assert!(book.is_poison("d", "H55"));
    }
}
