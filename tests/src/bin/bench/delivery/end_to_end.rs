//! 100 KB to one receiver: packets by HTTP, through the gateway, to the receiver's HTTP; beside a bare publish, consume and
//! post of the same bytes over the same kind of broker to the same receiver. Both sides hand over one packet at a time,
//! because a receiver gets its packets in order.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use anyhow::{Context, Result};
use bytes::Bytes;
use futures_util::StreamExt;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::SendRequest;
use measure::figures::{Spread, percentile_ms};
use measure::print;
use measure::wanted::{Verdicts, Wanted};

use super::Pairs;
use super::ground::{Ground, PATIENCE, receiver};
use super::letters::{Caller, connect, letter, submit_all};
use super::sink::{DOCUMENT, Sink};

const BYTES: u64 = 100_000;
/// Connections that submit, and publishes under way on the bare side.
const CALLERS: usize = 8;
/// Packets one after the other, for the latency.
const ONE_BY_ONE: usize = 50;

pub(super) async fn run(program: &Path, folder: &Path, pairs: Pairs, verdicts: &mut Verdicts) -> Result<()> {
    let ground = Ground::open(program, folder, 1, 0).await?;
    let count = if pairs.quick { 100 } else { 600 };
    let (mut ratios, mut rates, mut bares) = (Vec::new(), Vec::new(), Vec::new());
    let (mut ours, mut bare_ones) = (Vec::new(), Vec::new());
    for pair in 0..=pairs.count {
        let packets =
            (0..count).map(|_| letter(&[receiver(0)], BYTES, false)).collect::<Result<Vec<Bytes>>>()?;
        let rate = through_the_gateway(&ground, packets.clone()).await?;
        let bare = bare(&ground, packets).await?;
        let (one, other) = (one_by_one(&ground).await?, bare_one_by_one(&ground).await?);
        if pair == 0 {
            // The first pair warms up.
            continue;
        }
        ours.extend(one);
        bare_ones.extend(other);
        rates.push(rate);
        bares.push(bare);
        ratios.push(rate / bare);
    }
    ground.close().await?;
    let ratio = Spread::of(ratios);
    let verdict = verdicts.judge(
        &format!("end to end 100 KB, rate {}", ratio.show(2)),
        ratio.median,
        Wanted::AtLeast { must: 0.5, aim: 0.7 },
    );
    print(&format!(
        "  {count} packets, {CALLERS} callers: gateway {}/s, bare {}/s; ratio {}: {verdict}",
        Spread::of(rates).show(0),
        Spread::of(bares).show(0),
        ratio.show(2),
    ));
    let (half, bare_half) = (percentile_ms(&mut ours, 0.5), percentile_ms(&mut bare_ones, 0.5));
    print(&format!(
        "  one by one: gateway p50 {half:.1} ms, bare p50 {bare_half:.1} ms; bare to gateway {:.2} (shown)",
        bare_half / half,
    ));
    Ok(())
}

/// Packets a second from the first submission to the last arrival.
async fn through_the_gateway(ground: &Ground, packets: Vec<Bytes>) -> Result<f64> {
    let count = packets.len();
    ground.settled().await?;
    ground.sink.forget();
    let begun = Instant::now();
    submit_all(&ground.world.public, &ground.token, CALLERS, packets).await?;
    ground.sink.wait_for(count as u64, PATIENCE).await?;
    let seconds = begun.elapsed().as_secs_f64();
    ground.settled().await?;
    Ok(count as f64 / seconds)
}

/// The same of JetStream and an HTTP client with nothing around them.
async fn bare(ground: &Ground, packets: Vec<Bytes>) -> Result<f64> {
    let count = packets.len();
    ground.sink.forget();
    let mut messages = ground.bare.messages().await?;
    let mut post = Post::open(&ground.sink).await?;
    let begun = Instant::now();
    let (packets, next) = (Arc::new(packets), AtomicUsize::new(0));
    let publish = async || {
        while let Some(packet) = packets.get(next.fetch_add(1, Ordering::Relaxed)) {
            let id = format!("{:p}-{:?}", packet.as_ptr(), begun);
            ground.bare.publish(&id, packet.clone()).await?;
        }
        Ok::<_, anyhow::Error>(())
    };
    let consume = async {
        for n in 0..count {
            let message = messages.next().await.context("no message")??;
            post.send(message.body(), &n.to_string()).await?;
            message.ack().await?;
        }
        Ok(())
    };
    let publishing = futures_util::future::try_join_all((0..CALLERS).map(|_| publish()));
    tokio::try_join!(publishing, consume)?;
    Ok(count as f64 / begun.elapsed().as_secs_f64())
}

async fn one_by_one(ground: &Ground) -> Result<Vec<std::time::Duration>> {
    let mut caller = Caller::open(&ground.world.public, &ground.token).await?;
    let mut latencies = Vec::new();
    for _ in 0..ONE_BY_ONE {
        let packet = letter(&[receiver(0)], BYTES, false)?;
        let begun = Instant::now();
        let id = caller.submit(packet).await?;
        latencies.push(ground.sink.wait_for_document(&id, PATIENCE).await? - begun);
        ground.settled().await?;
    }
    Ok(latencies)
}

async fn bare_one_by_one(ground: &Ground) -> Result<Vec<std::time::Duration>> {
    let mut messages = ground.bare.messages().await?;
    let mut post = Post::open(&ground.sink).await?;
    let mut latencies = Vec::new();
    for n in 0..ONE_BY_ONE {
        let packet = letter(&[receiver(0)], BYTES, false)?;
        let begun = Instant::now();
        ground.bare.publish(&format!("{n}-{begun:?}"), packet).await?;
        let message = messages.next().await.context("no message")??;
        post.send(message.body(), "bare").await?;
        latencies.push(begun.elapsed());
        message.ack().await?;
    }
    Ok(latencies)
}

/// A connection to the sink.
struct Post {
    sender: SendRequest<Full<Bytes>>,
    address: String,
}

impl Post {
    async fn open(sink: &Sink) -> Result<Self> {
        Ok(Self { sender: connect(&sink.address).await?, address: sink.address.clone() })
    }

    async fn send(&mut self, body: Bytes, document: &str) -> Result<()> {
        let request = http::Request::post("/bare")
            .header("host", &self.address)
            .header("content-type", "application/xml")
            .header(DOCUMENT, document)
            .body(Full::new(body))?;
        self.sender.ready().await?;
        let response = self.sender.send_request(request).await?;
        anyhow::ensure!(response.status().is_success(), "the sink answers {}", response.status());
        response.into_body().collect().await?;
        Ok(())
    }
}
