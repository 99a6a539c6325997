//! One packet of 1 GB, from a sender's HTTP to a receiver's: how much the gateway's memory grows.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use bytes::{Bytes, BytesMut};
use futures_util::stream;
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use measure::print;
use measure::wanted::{Verdicts, Wanted};
use tokio::io::AsyncReadExt;

use super::Pairs;
use super::ground::{Ground, PATIENCE, receiver};
use super::letters::{connect, document_id, head, letter_to};

const BYTES: u64 = 1_000_000_000;
const CHUNK: usize = 256 * 1024;

pub(super) async fn run(program: &Path, folder: &Path, pairs: Pairs, verdicts: &mut Verdicts) -> Result<()> {
    let ground = Ground::open(program, folder, 1, 0).await?;
    let bytes = if pairs.quick { BYTES / 10 } else { BYTES };
    let file = folder.join("giant.edxml");
    // A small one first: what the first packet of all takes is not the size's.
    for (name, bytes) in [("warm.edxml", 300_000), ("giant.edxml", bytes)] {
        let file = folder.join(name);
        letter_to(&file, &[receiver(0)], bytes)?;
    }
    deliver(&ground, &folder.join("warm.edxml")).await?;
    let pid = ground.pid()?;
    // "5" resets the peak (proc(5), clear_refs).
    std::fs::write(format!("/proc/{pid}/clear_refs"), "5")?;
    let before = kib(pid, "VmRSS:")?;
    let begun = std::time::Instant::now();
    deliver(&ground, &file).await?;
    let (seconds, peak) = (begun.elapsed().as_secs_f64(), kib(pid, "VmHWM:")?);
    let length = file.metadata()?.len();
    ground.close().await?;
    let growth = peak.saturating_sub(before) as f64 * 1024.0 / 1e6;
    let wanted = Wanted::AtMost { must: 64.0, aim: Some(32.0) };
    let verdict = verdicts.judge(&format!("1 GB, growth {growth:.1} MB"), growth, wanted);
    print(&format!(
        "  {length} bytes in {seconds:.1} s: growth {growth:.1} MB above {:.1} MB: {verdict}",
        before as f64 * 1024.0 / 1e6
    ));
    Ok(())
}

async fn deliver(ground: &Ground, file: &Path) -> Result<()> {
    let mut sender = connect(&ground.world.public).await?;
    let opened = tokio::fs::File::open(file).await?;
    let length = opened.metadata().await?.len();
    let chunks = stream::try_unfold(opened, |mut file| async move {
        let mut chunk = BytesMut::with_capacity(CHUNK);
        let read = file.read_buf(&mut chunk).await?;
        Ok::<_, std::io::Error>((read > 0).then(|| (Frame::data(Bytes::from(chunk)), file)))
    });
    let body = BodyExt::boxed_unsync(StreamBody::new(Box::pin(chunks)));
    let request = head(&ground.world.public, &ground.token).header("content-length", length).body(body)?;
    let response = sender.send_request(request).await?;
    let status = response.status();
    let receipt = response.into_body().collect().await?.to_bytes();
    let id = document_id(status, &receipt)?;
    ground.sink.wait_for_document(&id, PATIENCE).await?;
    ground.settled().await?;
    ensure!(ground.sink.first(&id).is_some(), "it came");
    Ok(())
}

/// A line of proc(5), `status`, in KiB.
pub(crate) fn kib(pid: u32, what: &str) -> Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix(what)).context("no such line")?;
    Ok(line.trim().trim_end_matches(" kB").parse()?)
}
