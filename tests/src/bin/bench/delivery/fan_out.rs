//! 5 MB to 500 receivers, beside the same to one: what the broker stores more, of all streams together.

use std::path::Path;

use anyhow::{Result, ensure};
use measure::figures::Spread;
use measure::print;
use measure::wanted::{Verdicts, Wanted};

use super::Pairs;
use super::ground::{Ground, PATIENCE, receiver};
use super::letters::{Caller, letter};

const BYTES: u64 = 5_000_000;
const RECEIVERS: usize = 500;

pub(super) async fn run(program: &Path, folder: &Path, pairs: Pairs, verdicts: &mut Verdicts) -> Result<()> {
    let ground = Ground::open(program, folder, RECEIVERS, 0).await?;
    let all: Vec<String> = (0..RECEIVERS).map(receiver).collect();
    let (mut ratios, mut last) = (Vec::new(), (0, 0));
    for _ in 0..pairs.few() {
        let one = stored_by(&ground, &all[..1]).await?;
        let many = stored_by(&ground, &all).await?;
        ratios.push(many as f64 / one as f64);
        last = (one, many);
    }
    ground.close().await?;
    let ratio = Spread::of(ratios);
    let wanted = Wanted::AtMost { must: 1.1, aim: Some(1.02) };
    let verdict = verdicts.judge(&format!("fan-out, broker bytes {}", ratio.show(3)), ratio.median, wanted);
    print(&format!(
        "  broker stores {} bytes for one receiver, {} for {RECEIVERS} (peaks of deliveries, events and packets); ratio \
         {}: {verdict}",
        last.0,
        last.1,
        ratio.show(3),
    ));
    Ok(())
}

/// The greatest growth of what the broker stores, from the submission until everything is over. A packet leaves the broker
/// with its last delivery, so growth at the end alone would not count it.
async fn stored_by(ground: &Ground, to: &[String]) -> Result<u64> {
    ground.settled().await?;
    ground.sink.forget();
    // The packet leaves the broker with its last delivery; until then the receivers answer nothing, so that all of it is there.
    ground.sink.set_open(false);
    let before = ground.bare.stored().await?;
    let mut caller = Caller::open(&ground.world.public, &ground.token).await?;
    caller.submit(letter(to, BYTES, false)?).await?;
    ground.published().await?;
    let mut peak = before;
    let mut ticks = lienthong::demo::child::ticks();
    let begun = std::time::Instant::now();
    // All deliveries are there; their events are when the growth stands still for a second.
    let mut still = 0;
    while still < 20 && begun.elapsed() < PATIENCE {
        ticks.tick().await;
        let stored = ground.bare.stored().await?;
        still = if stored > peak { 0 } else { still + 1 };
        peak = peak.max(stored);
    }
    ground.sink.set_open(true);
    ground.sink.wait_for(to.len() as u64, PATIENCE).await?;
    ground.settled().await?;
    // What was stored after the peak: outcomes of the last attempts. The packet itself goes a moment after them.
    let mut kept_after_the_packet = BYTES;
    while kept_after_the_packet >= BYTES {
        ensure!(begun.elapsed() < PATIENCE, "the packet does not leave the broker");
        ticks.tick().await;
        kept_after_the_packet = ground.bare.stored().await?.saturating_sub(before);
    }
    Ok((peak - before).max(BYTES + kept_after_the_packet))
}
