//! Unsigned packets, all different, and callers that submit them.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use http::request::Builder;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use lienthong::demo::world::scan;
use lienthong_schemas::edxml::DocumentBuilder;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use super::ground::SENDER;

/// The next number of a packet, for all cases together.
static NUMBER: AtomicUsize = AtomicUsize::new(1);

fn document(from: &str, to: &[String], bytes: u64, urgent: bool) -> DocumentBuilder {
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let document = DocumentBuilder::new(from, to)
        .code(&number.to_string(), "UBND-DO")
        .document_id(&format!("{from},2026/01/02,{number:08}/UBND-DO"))
        .priority(if urgent { 4 } else { 0 });
    match bytes / 4 * 3 {
        0 => document,
        raw => document.attach("ban-quet.pdf", "application/pdf", scan(raw, number as u64)),
    }
}

/// A packet of about so many bytes besides its header.
pub(crate) fn letter(to: &[String], bytes: u64, urgent: bool) -> Result<Bytes> {
    Ok(document(SENDER, to, bytes, urgent).to_bytes()?.into())
}

/// The same, written to a file.
pub(crate) fn letter_to(path: &Path, to: &[String], bytes: u64) -> Result<()> {
    letter_from(path, SENDER, to, bytes)
}

/// The same of another sender.
pub(crate) fn letter_from(path: &Path, from: &str, to: &[String], bytes: u64) -> Result<()> {
    let mut out = std::io::BufWriter::with_capacity(1 << 20, std::fs::File::create(path)?);
    document(from, to, bytes, false).write_to(&mut out)?;
    std::io::Write::flush(&mut out)?;
    Ok(())
}

/// A connection over which requests go one after the other.
pub(crate) async fn connect<B>(address: &str) -> Result<SendRequest<B>>
where
    B: http_body::Body<Data = Bytes, Error: Into<Box<dyn std::error::Error + Send + Sync>>> + Send + 'static,
{
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let (sender, line) = handshake(TokioIo::new(stream)).await?;
    #[expect(clippy::disallowed_methods, reason = "a connection's own task, which ends with it")]
    drop(tokio::spawn(line));
    Ok(sender)
}

/// One connection of a sender.
pub(crate) struct Caller {
    sender: SendRequest<Full<Bytes>>,
    address: String,
    token: String,
}

impl Caller {
    /// Connects.
    pub(crate) async fn open(address: &str, token: &str) -> Result<Self> {
        Ok(Self { sender: connect(address).await?, address: address.to_owned(), token: token.to_owned() })
    }

    /// Submits a packet; the document's id.
    pub(crate) async fn submit(&mut self, packet: Bytes) -> Result<String> {
        let head = head(&self.address, &self.token).body(Full::new(packet))?;
        self.sender.ready().await?;
        let response = self.sender.send_request(head).await?;
        let status = response.status();
        let receipt = response.into_body().collect().await?.to_bytes();
        document_id(status, &receipt)
    }
}

/// The head of a submission.
pub(crate) fn head(address: &str, token: &str) -> Builder {
    http::Request::post("/api/v1/documents")
        .header("host", address)
        .header("authorization", format!("Bearer {token}"))
        .header("content-type", "application/xml")
}

/// The document's id in a receipt.
pub(crate) fn document_id(status: http::StatusCode, receipt: &[u8]) -> Result<String> {
    let receipt = String::from_utf8_lossy(receipt);
    ensure!(status == http::StatusCode::ACCEPTED, "not accepted: {status}, {receipt}");
    let receipt: serde_json::Value = serde_json::from_str(&receipt)?;
    Ok(receipt["document_id"].as_str().context("a receipt without an id")?.to_owned())
}

/// Submits all packets over so many connections.
pub(crate) async fn submit_all(
    address: &str,
    token: &str,
    callers: usize,
    packets: Vec<Bytes>,
) -> Result<()> {
    let (packets, next) = (Arc::new(packets), Arc::new(AtomicUsize::new(0)));
    let mut running = JoinSet::new();
    for _ in 0..callers {
        let mut caller = Caller::open(address, token).await?;
        let (packets, next) = (packets.clone(), next.clone());
        running.spawn(async move {
            while let Some(packet) = packets.get(next.fetch_add(1, Ordering::Relaxed)) {
                caller.submit(packet.clone()).await?;
            }
            Ok::<_, anyhow::Error>(())
        });
    }
    while let Some(ended) = running.join_next().await {
        ended??;
    }
    Ok(())
}
