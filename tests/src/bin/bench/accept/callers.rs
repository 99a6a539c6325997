//! Callers of the gateway: each has one connection and sends its next packet when it has the receipt of the last.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::sync::Barrier;
use tokio::task::JoinSet;

use super::Arm;

/// Sends all packets; the clock runs from when every caller is connected.
pub(super) async fn send(address: &str, token: &str, callers: usize, packets: &Arc<[Bytes]>) -> Result<Arm> {
    let (next, ready) = (Arc::new(AtomicUsize::new(0)), Arc::new(Barrier::new(callers + 1)));
    let mut lines = JoinSet::new();
    let mut running = JoinSet::new();
    for _ in 0..callers {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let (sender, line) = handshake(TokioIo::new(stream)).await?;
        lines.spawn(line);
        let (next, ready, packets) = (next.clone(), ready.clone(), packets.clone());
        let head = http::Request::post("/api/v1/documents")
            .header("host", address)
            .header("authorization", format!("Bearer {token}"))
            .header("content-type", "application/xml")
            .body(())?
            .into_parts()
            .0;
        running.spawn(async move {
            ready.wait().await;
            call(sender, &head, &packets, &next).await
        });
    }
    ready.wait().await;
    let begun = Instant::now();
    let mut latencies = Vec::with_capacity(packets.len());
    while let Some(ended) = running.join_next().await {
        latencies.extend(ended??);
    }
    Ok(Arm { seconds: begun.elapsed().as_secs_f64(), latencies })
}

async fn call(
    mut sender: SendRequest<Full<Bytes>>,
    head: &http::request::Parts,
    packets: &[Bytes],
    next: &AtomicUsize,
) -> Result<Vec<std::time::Duration>> {
    let mut latencies = Vec::new();
    while let Some(packet) = packets.get(next.fetch_add(1, Ordering::Relaxed)) {
        let request = http::Request::from_parts(head.clone(), Full::new(packet.clone()));
        let begun = Instant::now();
        let response = sender.send_request(request).await?;
        let status = response.status();
        let replayed = response.headers().contains_key("idempotent-replayed");
        let receipt = response.into_body().collect().await?.to_bytes();
        latencies.push(begun.elapsed());
        let receipt = std::str::from_utf8(&receipt).context("a receipt that is no text")?;
        let taken = status == http::StatusCode::ACCEPTED && receipt.contains("\"signature\":\"valid\"");
        ensure!(taken && !replayed, "not accepted: {status}, replayed: {replayed}, {receipt}");
    }
    Ok(latencies)
}
