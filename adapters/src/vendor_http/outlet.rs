//! One attempt: one connection, one POST, one answer. No retry, no redirect, no proxy, nothing left running.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock, PoisonError, RwLock};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::header::{HeaderMap, LOCATION, RETRY_AFTER};
use http_body::{Body, Frame, SizeHint};
use jiff::Timestamp;
use lienthong_pipeline::ports::{Adapter, Consignment, DeliveryFailure, FailureClass, Handover};
use lienthong_pipeline::record::{AdapterKind, State, SystemId};
use reqwest::{Certificate, Client, Response, Url};

use super::{EndpointCause, EndpointFault, SECRET_BYTES_MIN, VendorHttpEndpoint, trouble, wire};
use crate::failure::{failed, note};
use crate::packet::PacketReader;

/// How much of an answer's body is read, in bytes.
const ANSWER_BYTES_MAX: usize = 4 * 1024;

/// The adapter of [`AdapterKind::VendorHttp`]. Its endpoints can be replaced while attempts run; each attempt ends with
/// the endpoint that it began with.
pub struct VendorHttp {
    lines: RwLock<Arc<HashMap<SystemId, Arc<Line>>>>,
}

impl VendorHttp {
    /// An adapter for these systems.
    pub fn new(
        endpoints: impl IntoIterator<Item = (SystemId, VendorHttpEndpoint)>,
    ) -> Result<Self, EndpointFault> {
        Ok(Self { lines: RwLock::new(Arc::new(lines_of(endpoints)?)) })
    }

    /// Puts other endpoints in place of all present ones; on an error the present ones stay.
    pub fn replace(
        &self,
        endpoints: impl IntoIterator<Item = (SystemId, VendorHttpEndpoint)>,
    ) -> Result<(), EndpointFault> {
        let lines = Arc::new(lines_of(endpoints)?);
        *self.lines.write().unwrap_or_else(PoisonError::into_inner) = lines;
        Ok(())
    }

    fn line(&self, system: &SystemId) -> Result<Arc<Line>, DeliveryFailure> {
        let lines = Arc::clone(&self.lines.read().unwrap_or_else(PoisonError::into_inner));
        lines.get(system).cloned().ok_or_else(|| {
            let cause = format!("no vendor_http endpoint is set for the system {system}");
            failed(FailureClass::OursToFix, "no_endpoint", &cause)
        })
    }
}

#[async_trait]
impl Adapter for VendorHttp {
    fn kind(&self) -> AdapterKind {
        AdapterKind::VendorHttp
    }

    async fn deliver(&self, consignment: &Consignment) -> Result<Handover, DeliveryFailure> {
        let line = self.line(&consignment.delivery.route.system)?;
        let headers = wire::headers(consignment, &line.endpoint.secret)?;
        let packet = PacketReader::open(consignment).await?;
        let attempt = Attempt::default();
        let body = PacketBody { packet, progress: Arc::clone(&attempt.0) };
        let answer = line.post(headers, body, consignment.delivery.bytes).await;
        if let Some(fault) = attempt.0.fault.get() {
            return Err(fault.clone());
        }
        let answer = answer.map_err(trouble::sort)?;
        let whole = attempt.0.whole.load(Ordering::Acquire);
        judge(answer, whole, consignment.at).await
    }
}

/// What an answer means. `whole`: the receiver can have the whole packet.
async fn judge(answer: Response, whole: bool, now: Timestamp) -> Result<Handover, DeliveryFailure> {
    let status = answer.status();
    let headers = answer.headers().clone();
    let field = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let mut said = format!("HTTP {}", status.as_u16());
    if let (true, Some(location)) = (status.is_redirection(), field(LOCATION)) {
        said = format!("{said}, Location: {location}");
    }
    let text = words(answer).await;
    if !text.trim().is_empty() {
        said = format!("{said}: {}", text.trim());
    }
    if status.is_success() && whole {
        return Ok(Handover { state: State::Received, note: note(&said) });
    }
    if status.is_success() {
        let cause = format!("answered before it had the whole packet: {said}");
        return Err(failed(FailureClass::OursToFix, "early_answer", &cause));
    }
    let (class, code) = wire::refusal(status);
    let wait = field(RETRY_AFTER).and_then(|value| wire::retry_after(value, now));
    let retry_after = wait.filter(|_| class != FailureClass::Permanent);
    Err(DeliveryFailure { retry_after, ..failed(class, code, &said) })
}

/// The beginning of the answer's body. The status has decided already, so a body that breaks off is no error.
async fn words(mut answer: Response) -> String {
    let mut text = Vec::new();
    while let Ok(Some(chunk)) = answer.chunk().await {
        let room = ANSWER_BYTES_MAX - text.len();
        text.extend_from_slice(&chunk[..chunk.len().min(room)]);
        if text.len() == ANSWER_BYTES_MAX {
            break;
        }
    }
    String::from_utf8_lossy(&text).into_owned()
}

/// An endpoint with its client.
struct Line {
    endpoint: VendorHttpEndpoint,
    url: Url,
    client: Client,
}

impl Line {
    fn open(endpoint: VendorHttpEndpoint) -> Result<Self, EndpointCause> {
        let url = Url::parse(&endpoint.url).map_err(|_| EndpointCause::Url)?;
        let plain = url.username().is_empty() && url.password().is_none();
        if !matches!(url.scheme(), "http" | "https") || !url.has_host() || !plain {
            return Err(EndpointCause::Url);
        }
        if endpoint.secret.len() < SECRET_BYTES_MIN {
            return Err(EndpointCause::SecretShort);
        }
        let timeouts = [endpoint.connect_timeout, endpoint.timeout];
        if timeouts.contains(&Duration::ZERO) || endpoint.slowest_bytes_per_second == 0 {
            return Err(EndpointCause::Zero);
        }
        let client = client(&endpoint, url.scheme() == "https")?;
        Ok(Self { endpoint, url, client })
    }

    async fn post(&self, headers: HeaderMap, body: PacketBody, bytes: u64) -> reqwest::Result<Response> {
        self.client
            .post(self.url.clone())
            .headers(headers)
            .timeout(self.endpoint.patience(bytes))
            .body(reqwest::Body::wrap(body))
            .send()
            .await
    }
}

fn lines_of(
    endpoints: impl IntoIterator<Item = (SystemId, VendorHttpEndpoint)>,
) -> Result<HashMap<SystemId, Arc<Line>>, EndpointFault> {
    // The client takes its cryptography from the process-wide provider, and panics without one.
    if rustls::crypto::CryptoProvider::get_default().is_none() {
        drop(rustls::crypto::ring::default_provider().install_default());
    }
    let open = |(system, endpoint)| match Line::open(endpoint) {
        Ok(line) => Ok((system, Arc::new(line))),
        Err(cause) => Err(EndpointFault { adapter: AdapterKind::VendorHttp, system, cause }),
    };
    endpoints.into_iter().map(open).collect()
}

/// A connection serves one attempt: one that the receiver closed while it lay idle would look like a packet that cuts
/// connections. TLS sessions are resumed all the same.
fn client(endpoint: &VendorHttpEndpoint, tls: bool) -> Result<Client, EndpointCause> {
    let mut builder = Client::builder()
        .user_agent(concat!("lienthong/", env!("CARGO_PKG_VERSION")))
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .no_proxy()
        .http1_only()
        .pool_max_idle_per_host(0)
        .connect_timeout(endpoint.connect_timeout)
        // A receiver that has answered and stops reading does not keep the socket.
        .tcp_user_timeout(endpoint.timeout)
        .tls_version_min(reqwest::tls::Version::TLS_1_2);
    if let Some(pem) = &endpoint.ca_pem {
        let authorities = Certificate::from_pem_bundle(pem).map_err(|_| EndpointCause::Ca)?;
        if authorities.is_empty() {
            return Err(EndpointCause::Ca);
        }
        builder = builder.tls_certs_only(authorities);
    } else if !tls {
        // Without TLS no authority is needed, and a container may have none.
        builder = builder.tls_certs_only([]);
    }
    builder.build().map_err(|error| EndpointCause::Client(note(&format!("{error:?}"))))
}

/// What an attempt and its body know of each other.
#[derive(Default)]
struct Progress {
    /// The last chunk has been given to the connection.
    whole: AtomicBool,
    /// Nobody waits for the attempt any more.
    over: AtomicBool,
    /// Why the packet could not be read.
    fault: OnceLock<DeliveryFailure>,
}

/// When it is dropped, the body sends no more.
#[derive(Default)]
struct Attempt(Arc<Progress>);

impl Drop for Attempt {
    fn drop(&mut self) {
        self.0.over.store(true, Ordering::Release);
    }
}

/// The packet as a request body of exact length: sent with `Content-Length`, never chunked.
struct PacketBody {
    packet: PacketReader,
    progress: Arc<Progress>,
}

impl Body for PacketBody {
    type Data = Bytes;
    type Error = DeliveryFailure;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, DeliveryFailure>>> {
        if self.progress.over.load(Ordering::Acquire) {
            let late = failed(FailureClass::Document, "cut_body", "the attempt is over");
            return Poll::Ready(Some(Err(late)));
        }
        let Some(chunk) = ready!(self.packet.poll_chunk(cx)) else { return Poll::Ready(None) };
        match &chunk {
            Ok(_) => self.progress.whole.store(self.packet.left() == 0, Ordering::Release),
            Err(fault) => drop(self.progress.fault.set(fault.clone())),
        }
        Poll::Ready(Some(chunk.map(Frame::data)))
    }

    fn is_end_stream(&self) -> bool {
        self.packet.left() == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.packet.left())
    }
}
