//! One packet of 500 MB into a mailbox and out again: how much the gateway's memory grows.

use std::io::Read as _;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use bytes::{Bytes, BytesMut};
use futures_util::stream;
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use measure::print;
use measure::wanted::{Verdicts, Wanted};
use openssl::sha::Sha256;
use tokio::io::AsyncReadExt;

use super::client::{Body, Client};
use super::{OTHER, SYSTEM, client, organ, systems};
use crate::delivery::giant::kib;
use crate::delivery::ground::Ground;
use crate::delivery::letters::letter_from;

const BYTES: u64 = 500_000_000;
const CHUNK: usize = 256 * 1024;

pub(super) async fn run(program: &Path, folder: &Path, quick: bool, verdicts: &mut Verdicts) -> Result<()> {
    let ground = Ground::open_beside(program, folder, systems(folder, 1)?).await?;
    let bytes = if quick { BYTES / 10 } else { BYTES };
    let (sender, receiver) = (client(&ground, OTHER), client(&ground, SYSTEM));
    let pid = ground.pid()?;
    let mut before = 0;
    // A small one first: what the first packet of all takes is not the size's.
    for (name, bytes) in [("warm.edxml", 300_000), ("large.edxml", bytes)] {
        let file = folder.join(name);
        letter_from(&file, &organ(OTHER, 0), &[organ(SYSTEM, 0)], bytes)?;
        // "5" resets the peak (proc(5), clear_refs).
        std::fs::write(format!("/proc/{pid}/clear_refs"), "5")?;
        before = kib(pid, "VmRSS:")?;
        through(&sender, &receiver, &file).await?;
    }
    let peak = kib(pid, "VmHWM:")?;
    ground.close().await?;
    let growth = peak.saturating_sub(before) as f64 * 1024.0 / 1e6;
    let wanted = Wanted::AtMost { must: 64.0, aim: Some(32.0) };
    let verdict = verdicts.judge(&format!("500 MB in and out, growth {growth:.1} MB"), growth, wanted);
    print(&format!(
        "  {bytes} bytes: growth {growth:.1} MB above {:.1} MB: {verdict}",
        before as f64 * 1024.0 / 1e6
    ));
    Ok(())
}

/// By sendEdoc into the mailbox, out by both ways, and done.
async fn through(sender: &Client, receiver: &Client, file: &Path) -> Result<()> {
    let length = file.metadata()?.len();
    let hash = unpadded(&digest(file)?);
    let from = organ(OTHER, 0);
    let parameters =
        [("from", from.as_str()), ("servicetype", "eDoc"), ("messagetype", "edoc"), ("hash-file", &hash)];
    // The SDK ends every file with CR LF (section 4 there).
    let body = with_line_end(file).await?;
    sender.json("sendEdoc", &parameters, Some((length + 2, body))).await?;
    let id = arrived(receiver).await?;
    let asked = [("docId", id.as_str()), ("filePath", "/tmp")];
    let json = counted(receiver.ask("getEdoc", &asked, None).await?).await?;
    ensure!(json > length.div_ceil(3) * 4, "{json} bytes of JSON for {length}");
    let plain = counted(receiver.ask("downloadEdoc", &asked, None).await?).await?;
    ensure!(plain == length, "{plain} bytes of {length}");
    receiver.json("updateStatus", &[("docid", &id), ("status", "done")], None).await?;
    Ok(())
}

async fn arrived(receiver: &Client) -> Result<String> {
    let begun = std::time::Instant::now();
    let mut ticks = lienthong::demo::child::ticks();
    while begun.elapsed() < crate::delivery::ground::PATIENCE {
        ticks.tick().await;
        if let Some(entry) = receiver.list().await?.first() {
            return Ok(entry["docId"].as_str().context("an entry without an id")?.to_owned());
        }
    }
    anyhow::bail!("the packet is not in the mailbox")
}

async fn counted(mut body: hyper::body::Incoming) -> Result<u64> {
    let mut count = 0;
    while let Some(frame) = body.frame().await {
        count += frame?.data_ref().map_or(0, |data| data.len() as u64);
    }
    Ok(count)
}

async fn with_line_end(file: &Path) -> Result<Body> {
    let opened = tokio::fs::File::open(file).await?;
    let chunks = stream::try_unfold(Some(opened), |file| async move {
        let Some(mut file) = file else { return Ok::<_, std::io::Error>(None) };
        let mut chunk = BytesMut::with_capacity(CHUNK);
        let read = file.read_buf(&mut chunk).await?;
        Ok(Some(match read {
            0 => (Frame::data(Bytes::from_static(b"\r\n")), None),
            _ => (Frame::data(chunk.freeze()), Some(file)),
        }))
    });
    Ok(BodyExt::boxed_unsync(StreamBody::new(Box::pin(chunks))))
}

fn digest(file: &Path) -> Result<[u8; 32]> {
    let (mut hash, mut file) = (Sha256::new(), std::fs::File::open(file)?);
    let mut buffer = vec![0; CHUNK];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(hash.finish()),
            read => hash.update(&buffer[..read]),
        }
    }
}

/// As the SDK writes a digest: each byte without its leading zero (section 3 there).
fn unpadded(digest: &[u8]) -> String {
    digest.iter().map(|byte| format!("{byte:x}")).collect()
}
