//! A line to one endpoint: its URL with the client that sends there, and how much time an attempt has.

use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, HeaderMap};
use lienthong_pipeline::ports::{DeliveryFailure, FailureClass};
use reqwest::{Certificate, Client, Url};
use tokio::time::Instant;

use super::answer::Answer;
use super::body::{Attempt, PacketBody};
use super::trouble;
use crate::endpoint::EndpointCause;
use crate::failure::{failed, note};
use crate::packet::PacketReader;

/// The URL of an endpoint: `http` or `https`, with a host, without user name and password.
pub(crate) fn url(text: &str) -> Result<Url, EndpointCause> {
    let url = Url::parse(text).map_err(|_| EndpointCause::Url)?;
    let plain = url.username().is_empty() && url.password().is_none();
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() || !plain {
        return Err(EndpointCause::Url);
    }
    Ok(url)
}

/// How long an attempt with a body of this many bytes may take, connection and answer included.
pub(crate) fn patience(timeout: Duration, slowest_bytes_per_second: u64, body_bytes: u64) -> Duration {
    timeout.saturating_add(Duration::from_secs(body_bytes.div_ceil(slowest_bytes_per_second.max(1))))
}

/// What every endpoint over HTTP says of how it is reached.
pub(crate) struct Target<'e> {
    /// Where the POST goes.
    pub(crate) url: Url,
    /// The certificate authorities to trust; they replace the platform's.
    pub(crate) ca_pem: Option<&'e [u8]>,
    /// For name resolution, TCP and TLS together.
    pub(crate) connect_timeout: Duration,
    /// For a whole attempt with an empty body.
    pub(crate) timeout: Duration,
    /// What the body adds to that: its length / this.
    pub(crate) slowest_bytes_per_second: u64,
}

/// A target with its client.
pub(crate) struct Line {
    url: Url,
    client: Client,
    timeout: Duration,
    slowest_bytes_per_second: u64,
}

impl Line {
    pub(crate) fn open(target: Target<'_>) -> Result<Self, EndpointCause> {
        let timeouts = [target.connect_timeout, target.timeout];
        if timeouts.contains(&Duration::ZERO) || target.slowest_bytes_per_second == 0 {
            return Err(EndpointCause::Zero);
        }
        let client = client(&target)?;
        let Target { url, timeout, slowest_bytes_per_second, .. } = target;
        Ok(Self { url, client, timeout, slowest_bytes_per_second })
    }

    /// Posts the packet and then `tail`, under a `Content-Length` of both; returns with the head of the answer. Trouble
    /// with the packet's file comes before whatever the other side says.
    pub(crate) async fn post(
        &self,
        headers: HeaderMap,
        packet: PacketReader,
        tail: &'static [u8],
    ) -> Result<Answer, DeliveryFailure> {
        let attempt = Attempt::default();
        let body = PacketBody::new(packet, tail, &attempt);
        let request = self
            .client
            .post(self.url.clone())
            .headers(headers)
            .timeout(patience(self.timeout, self.slowest_bytes_per_second, body.left()))
            .body(reqwest::Body::wrap(body));
        let answer = request.send().await;
        if let Some(fault) = attempt.fault() {
            return Err(fault.clone());
        }
        let answer = answer.map_err(|error| trouble::sort(error, attempt.whole()))?;
        Ok(Answer::new(answer, attempt))
    }

    /// Posts a few bytes to another place of the same endpoint; returns with the head of the answer, whose body is at most
    /// `answer_bytes` long. Whoever keeps it back for longer than an attempt with an empty body may take, or sends more
    /// slowly than the slowest that is allowed, is cut off.
    pub(crate) async fn ask(
        &self,
        url: Url,
        mut headers: HeaderMap,
        body: &'static str,
        answer_bytes: u64,
    ) -> Result<Paced, DeliveryFailure> {
        // An empty body would go without it.
        headers.insert(CONTENT_LENGTH, body.len().into());
        let (timeout, slowest) = (self.timeout, self.slowest_bytes_per_second);
        let patience = patience(timeout, slowest, answer_bytes);
        let request = self.client.post(url).headers(headers).timeout(patience).body(body);
        let begun = Instant::now();
        let answer = tokio::time::timeout(timeout, request.send()).await.map_err(|_| slow(0))?;
        let answer = answer.map_err(|error| trouble::sort(error, false))?;
        let answer = Answer::new(answer, Attempt::default());
        Ok(Paced { answer, begun, came: 0, timeout, slowest_bytes_per_second: slowest })
    }
}

/// An answer that has to come at a pace.
pub(crate) struct Paced {
    /// Its head.
    pub(crate) answer: Answer,
    begun: Instant,
    came: u64,
    timeout: Duration,
    slowest_bytes_per_second: u64,
}

impl Paced {
    /// The next bytes of its body; `None` at its end.
    pub(crate) async fn chunk(&mut self) -> Result<Option<Bytes>, DeliveryFailure> {
        let by = self.begun + patience(self.timeout, self.slowest_bytes_per_second, self.came);
        let chunk = tokio::time::timeout_at(by, self.answer.chunk()).await.map_err(|_| slow(self.came))??;
        self.came += chunk.as_ref().map_or(0, |chunk| chunk.len() as u64);
        Ok(chunk)
    }
}

fn slow(came: u64) -> DeliveryFailure {
    failed(FailureClass::Receiver, "timeout", &format!("{came} bytes of an answer came in time"))
}

/// A connection serves one attempt: one that the receiver closed while it lay idle would look like a packet that cuts
/// connections. TLS sessions are resumed all the same.
fn client(target: &Target<'_>) -> Result<Client, EndpointCause> {
    // The client takes its cryptography from the process-wide provider, and panics without one.
    if rustls::crypto::CryptoProvider::get_default().is_none() {
        drop(rustls::crypto::ring::default_provider().install_default());
    }
    let mut builder = Client::builder()
        .user_agent(concat!("lienthong/", env!("CARGO_PKG_VERSION")))
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .no_proxy()
        .http1_only()
        .pool_max_idle_per_host(0)
        .connect_timeout(target.connect_timeout)
        // A receiver that has answered and stops reading does not keep the socket.
        .tcp_user_timeout(target.timeout)
        .tls_version_min(reqwest::tls::Version::TLS_1_2);
    if let Some(pem) = target.ca_pem {
        let authorities = Certificate::from_pem_bundle(pem).map_err(|_| EndpointCause::Ca)?;
        if authorities.is_empty() {
            return Err(EndpointCause::Ca);
        }
        builder = builder.tls_certs_only(authorities);
    } else if target.url.scheme() != "https" {
        // Without TLS no authority is needed, and a container may have none.
        builder = builder.tls_certs_only([]);
    }
    builder.build().map_err(|error| EndpointCause::Client(note(&format!("{error:?}"))))
}
