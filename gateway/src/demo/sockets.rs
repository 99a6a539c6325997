//! What the receiving peers of the demo have in common: an accept loop that ends by a token, and the digest of what came.

use std::sync::{Mutex, MutexGuard, PoisonError};

use http::{Request, Response};
use hyper::body::{Body, Incoming};
use hyper_util::rt::TokioIo;
use openssl::error::ErrorStack;
use openssl::hash::{Hasher, MessageDigest};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// Serves every connection of `listener` until `open` is cancelled; then all of them are cut.
pub(super) fn accept<F>(
    listener: TcpListener,
    open: CancellationToken,
    serve: impl Fn(TcpStream) -> F + Send + 'static,
) where
    F: Future<Output = ()> + Send + 'static,
{
    #[expect(clippy::disallowed_methods, reason = "a peer of the gateway, ended by its own token")]
    drop(tokio::spawn(async move {
        let mut connections = JoinSet::new();
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                () = open.cancelled() => break,
            };
            let Ok((stream, _)) = accepted else { break };
            while connections.try_join_next().is_some() {}
            connections.spawn(serve(stream));
        }
        connections.shutdown().await;
    }));
}

/// Answers HTTP/1.1 requests on one connection until either side ends it; no answer cuts it.
pub(super) async fn answer_http<F, B>(stream: TcpStream, answer: impl Fn(Request<Incoming>) -> F)
where
    F: Future<Output = Option<Response<B>>>,
    B: Body + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let service = hyper::service::service_fn(|request| {
        let answered = answer(request);
        async move { answered.await.ok_or_else(|| std::io::Error::from(std::io::ErrorKind::ConnectionAborted)) }
    });
    let served =
        hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
    // A connection cut by the gateway's end is part of the play.
    drop(served);
}

/// SHA-256 of bytes that come in pieces, and their number. By openssl: the gateway's own comes from elsewhere.
#[derive(Clone)]
pub(super) struct Sum {
    hash: Hasher,
    bytes: u64,
}

impl Sum {
    pub(super) fn begin() -> Result<Self, ErrorStack> {
        Ok(Self { hash: Hasher::new(MessageDigest::sha256())?, bytes: 0 })
    }

    pub(super) fn add(&mut self, piece: &[u8]) -> Result<(), ErrorStack> {
        self.bytes += piece.len() as u64;
        self.hash.update(piece)
    }

    pub(super) fn end(mut self) -> Result<([u8; 32], u64), ErrorStack> {
        let digest = self.hash.finish()?;
        let mut sha256 = [0; 32];
        sha256.copy_from_slice(&digest);
        Ok((sha256, self.bytes))
    }
}

/// The lock, also after a panic elsewhere.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
