//! The other end of the control socket: one question a connection, in bounded time and size.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request};
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::rt::TokioIo;
use serde::de::DeserializeOwned;
use tokio::net::UnixStream;

use super::{SOCKET, Trouble};

/// Largest answer read, in bytes: a document with 5,000 deliveries has about 4 MB.
const ANSWER_BYTES_MAX: usize = 32 << 20;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum AskFault {
    /// Nobody listens: the gateway is stopped.
    #[error("trục đang dừng (the gateway is stopped)")]
    Stopped,
    /// The gateway said no.
    #[error(transparent)]
    Trouble(#[from] Trouble),
    /// The socket cannot be used, or what came from it.
    #[error("{}: {cause}", path.display())]
    Wire {
        /// The socket.
        path: PathBuf,
        /// What went wrong.
        cause: String,
    },
}

/// Asks the gateway of one data folder.
#[derive(Clone, Debug)]
pub struct Client {
    path: PathBuf,
}

impl Client {
    /// For the gateway of this data folder.
    pub fn of(data_dir: &Path) -> Self {
        Self { path: data_dir.join(SOCKET) }
    }

    /// For the gateway behind this socket.
    pub fn at(socket: &Path) -> Self {
        Self { path: socket.to_owned() }
    }

    /// Whether a gateway listens.
    ///
    /// # Errors
    /// The socket is there and cannot be used: it is not ours to open.
    pub async fn is_there(&self) -> Result<bool, AskFault> {
        match self.connect().await {
            Ok(_) => Ok(true),
            Err(AskFault::Stopped) => Ok(false),
            Err(fault) => Err(fault),
        }
    }

    /// Asks for something.
    ///
    /// # Errors
    /// See [`AskFault`].
    pub async fn get<T: DeserializeOwned>(&self, path: &str, within: Duration) -> Result<T, AskFault> {
        self.ask(Method::GET, path, Bytes::new(), within).await
    }

    /// Has something done.
    ///
    /// # Errors
    /// See [`AskFault`].
    pub async fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl serde::Serialize,
        within: Duration,
    ) -> Result<T, AskFault> {
        let body = serde_json::to_vec(body).map_err(|cause| self.wire(cause))?;
        self.ask(Method::POST, path, body.into(), within).await
    }

    async fn ask<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Bytes,
        within: Duration,
    ) -> Result<T, AskFault> {
        let answer = tokio::time::timeout(within, self.exchange(method, path, body)).await;
        let (is_good, bytes) = answer.map_err(|_| self.wire("không trả lời kịp (no answer in time)"))??;
        if is_good {
            return serde_json::from_slice(&bytes).map_err(|cause| self.wire(cause));
        }
        let trouble: Trouble = serde_json::from_slice(&bytes).map_err(|cause| self.wire(cause))?;
        Err(trouble.into())
    }

    async fn exchange(&self, method: Method, path: &str, body: Bytes) -> Result<(bool, Bytes), AskFault> {
        let stream = self.connect().await?;
        let handshake = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await;
        let (mut sender, connection) = handshake.map_err(|cause| self.wire(cause))?;
        let request = Request::builder().method(method).uri(path).header("host", "control");
        let request = request.body(Full::new(body)).map_err(|cause| self.wire(cause))?;
        let exchange = async {
            let response = sender.send_request(request).await.map_err(|cause| self.wire(cause))?;
            let is_good = response.status().is_success();
            let body = Limited::new(response.into_body(), ANSWER_BYTES_MAX).collect().await;
            Ok((is_good, body.map_err(|cause| self.wire(cause))?.to_bytes()))
        };
        tokio::pin!(exchange, connection);
        tokio::select! {
            answer = exchange.as_mut() => answer,
            // The end of the connection may be seen before the end of the answer that it brought.
            _ = connection.as_mut() => exchange.await,
        }
    }

    async fn connect(&self) -> Result<UnixStream, AskFault> {
        UnixStream::connect(&self.path).await.map_err(|cause| match cause.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => AskFault::Stopped,
            _ => self.wire(cause),
        })
    }

    fn wire(&self, cause: impl std::fmt::Display) -> AskFault {
        AskFault::Wire { path: self.path.clone(), cause: cause.to_string() }
    }
}
