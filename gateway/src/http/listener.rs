//! The accept loop: connections in bounded number, handshake and headers in bounded time, TLS where it is asked for.
//! What is said on a connection is the routers' business (`public.rs`, `admin.rs`); how long it may stand still,
//! `patient.rs`.

use std::future::poll_fn;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use lienthong_pipeline::ports::Fault;
use lienthong_pipeline::tasks::Tasks;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tower::ServiceExt as _;

use super::patient::Patient;
use super::peers::Peers;

/// Longest request head, in bytes: the SDK names hundreds of receivers twice, up to 64 KiB a line and 128 KiB in all
/// (spec/vxp-api.md section 2).
const HEAD_BYTES_MAX: usize = 192 * 1024;
/// How long requests under way may go on after shutdown was asked for (design.md B8).
pub const GRACE: Duration = Duration::from_secs(30);
/// How long a peer may take nothing of what is written to it.
pub const WRITE_STALL_MAX: Duration = Duration::from_secs(60);
/// First and longest wait after the system had no connection to give.
const ACCEPT_WAIT_MIN: Duration = Duration::from_millis(100);
const ACCEPT_WAIT_MAX: Duration = Duration::from_secs(1);

/// Bounds of one listener.
pub struct Door {
    /// Bound already.
    pub listener: TcpListener,
    /// TLS, when the settings have a certificate.
    pub tls: Option<TlsAcceptor>,
    /// Who may connect; empty = everybody.
    pub networks: Vec<lienthong_config::Network>,
    /// Time for the handshake, and for a request's head.
    pub header_timeout: Duration,
    /// How long a peer may take nothing of what is written to it: [`WRITE_STALL_MAX`].
    pub write_stall: Duration,
    /// Connections at once. One peer address has a quarter of them, but at least 8.
    pub connections_max: usize,
}

impl Door {
    /// Serves until shutdown; then requests under way have 30 s.
    pub async fn serve(self, router: Router, tasks: Tasks) -> Result<(), Fault> {
        let Self { listener, tls, networks, header_timeout, write_stall, connections_max } = self;
        let entry = Arc::new(Entry { tls, networks, header_timeout, write_stall });
        let peers = Peers::share(connections_max);
        let room = Arc::new(Semaphore::new(connections_max));
        let mut connections = JoinSet::new();
        loop {
            let permit = tokio::select! {
                permit = room.clone().acquire_owned() => permit.map_err(|closed| Fault::new("listener", closed))?,
                () = tasks.stopped() => break,
            };
            let (stream, peer) = tokio::select! {
                accepted = accept(|cx| listener.poll_accept(cx)) => accepted,
                () = tasks.stopped() => break,
            };
            let Some(place) = peers.enter(peer.ip()) else { continue };
            let (entry, router, tasks) = (entry.clone(), router.clone(), tasks.clone());
            connections.spawn(async move {
                entry.connection(stream, peer, router, tasks).await;
                drop((place, permit));
            });
            while connections.try_join_next().is_some() {}
        }
        // Whoever comes from here on is refused at once and can go elsewhere.
        drop(listener);
        let all = async { while connections.join_next().await.is_some() {} };
        if tokio::time::timeout(GRACE, all).await.is_err() {
            tracing::warn!("connections were cut at shutdown");
        }
        Ok(())
    }
}

/// The next connection. Being out of file descriptors does not end the listener: it waits, longer each time, and says
/// so once.
pub(crate) async fn accept<T>(next: impl Fn(&mut Context<'_>) -> Poll<std::io::Result<T>>) -> T {
    let mut wait = ACCEPT_WAIT_MIN;
    loop {
        let cause = match poll_fn(&next).await {
            Ok(accepted) => return accepted,
            // A peer that left before its turn: the next one need not wait.
            Err(cause) if cause.kind() == std::io::ErrorKind::ConnectionAborted => continue,
            Err(cause) => cause,
        };
        if wait == ACCEPT_WAIT_MIN {
            tracing::warn!(%cause, "no connection can be accepted; trying again");
        }
        tokio::time::sleep(wait).await;
        wait = (wait * 2).min(ACCEPT_WAIT_MAX);
    }
}

/// What is asked of a connection.
struct Entry {
    tls: Option<TlsAcceptor>,
    networks: Vec<lienthong_config::Network>,
    header_timeout: Duration,
    write_stall: Duration,
}

impl Entry {
    async fn connection(&self, stream: TcpStream, peer: SocketAddr, router: Router, tasks: Tasks) {
        if !self.admits(peer.ip()) {
            tracing::warn!(%peer, "not in a network of insecure_networks");
            return;
        }
        if let Err(cause) = stream.set_nodelay(true) {
            tracing::debug!(%peer, %cause, "nodelay");
        }
        let stream = Patient::new(stream, self.write_stall);
        let source = Source(peer.ip().to_canonical());
        match &self.tls {
            None => http(stream, &peer, Some(source), self.header_timeout, router, tasks).await,
            Some(tls) => match tokio::time::timeout(self.header_timeout, tls.accept(stream)).await {
                Ok(Ok(stream)) => http(stream, &peer, Some(source), self.header_timeout, router, tasks).await,
                Ok(Err(cause)) => tracing::debug!(%peer, %cause, "TLS handshake"),
                Err(_) => tracing::debug!(%peer, "TLS handshake took too long"),
            },
        }
    }

    fn admits(&self, ip: IpAddr) -> bool {
        self.networks.is_empty() || ip.is_loopback() || self.networks.iter().any(|n| n.contains(ip))
    }
}

/// Where a request comes from: an extension of every request over TCP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Source(pub(crate) IpAddr);

/// Speaks HTTP/1.1 on one connection until it ends, or until shutdown and the end of the request under way. A request's
/// head has `header_timeout`.
pub(crate) async fn http<S>(
    stream: S,
    peer: &(dyn std::fmt::Display + Sync),
    source: Option<Source>,
    header_timeout: Duration,
    router: Router,
    tasks: Tasks,
) where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let marked = move |mut request: http::Request<hyper::body::Incoming>| {
        if let Some(source) = source {
            request.extensions_mut().insert(source);
        }
        request
    };
    let service = TowerToHyperService::new(router.map_request(marked));
    let connection = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(header_timeout)
        .max_buf_size(HEAD_BYTES_MAX)
        .serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = tasks.stopped() => {
            connection.as_mut().graceful_shutdown();
            connection.as_mut().await
        }
    };
    if let Err(cause) = ended {
        tracing::debug!(%peer, %cause, "connection");
    }
}

#[cfg(test)]
mod tests;
