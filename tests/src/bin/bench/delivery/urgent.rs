//! How long an urgent packet takes to its receiver while 10,000 normal ones wait for the same receiver, beside an idle
//! gateway.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use bytes::Bytes;
use measure::figures::{Spread, percentile_ms};
use measure::print;
use measure::wanted::{Verdicts, Wanted};

use super::Pairs;
use super::ground::{Ground, PATIENCE, receiver};
use super::letters::{Caller, letter, submit_all};

const BEHIND: usize = 10_000;
const CALLERS: usize = 32;

pub(super) async fn run(program: &Path, folder: &Path, pairs: Pairs, verdicts: &mut Verdicts) -> Result<()> {
    let ground = Ground::open(program, folder, 1, 0).await?;
    let (behind, samples) = if pairs.quick { (1_000, 30) } else { (BEHIND, 200) };
    let (mut ratios, mut shown) = (Vec::new(), String::new());
    for _ in 0..pairs.few() {
        let mut idle = latencies(&ground, samples).await?;
        ground.sink.forget();
        ground.sink.set_open(false);
        let normal = (0..behind).map(|_| letter(&[receiver(0)], 0, false)).collect::<Result<Vec<Bytes>>>()?;
        submit_all(&ground.world.public, &ground.token, CALLERS, normal).await?;
        ground.published().await?;
        ground.sink.set_open(true);
        // The one whose answer was kept back comes first.
        ground.sink.wait_for(1, PATIENCE).await?;
        let mut busy = latencies(&ground, samples).await?;
        let left = behind as u64 + samples as u64 - ground.sink.taken();
        ensure!(left > 0, "the normal packets were over before the urgent ones");
        let of = |all: &mut [Duration]| (percentile_ms(all, 0.5), percentile_ms(all, 0.99));
        let ((half, most), (busy_half, busy_most)) = (of(&mut idle), of(&mut busy));
        shown = format!(
            "idle p50 {half:.1} p99 {most:.1} ms, behind p50 {busy_half:.1} p99 {busy_most:.1} ms, {left} normal left"
        );
        ratios.push(busy_most / most);
        ground.sink.wait_for(behind as u64 + samples as u64, PATIENCE).await?;
        ground.settled().await?;
    }
    ground.close().await?;
    let ratio = Spread::of(ratios);
    let wanted = Wanted::AtMost { must: 3.0, aim: Some(1.5) };
    let verdict =
        verdicts.judge(&format!("urgent behind {behind}, p99 {}", ratio.show(2)), ratio.median, wanted);
    print(&format!(
        "  {samples} urgent packets, one by one, behind {behind}: {shown}; ratio of p99 {}: {verdict}",
        ratio.show(2)
    ));
    Ok(())
}

/// From submission to arrival, one urgent packet after the other.
async fn latencies(ground: &Ground, samples: usize) -> Result<Vec<Duration>> {
    let mut caller = Caller::open(&ground.world.public, &ground.token).await?;
    let mut latencies = Vec::with_capacity(samples);
    for _ in 0..samples {
        let packet = letter(&[receiver(0)], 0, true)?;
        let begun = Instant::now();
        let id = caller.submit(packet).await?;
        latencies.push(ground.sink.wait_for_document(&id, PATIENCE).await? - begun);
    }
    Ok(latencies)
}
