//! What an entry of a list costs: two systems at one gateway, one with 100 packets waiting and one with 10,000, asked in
//! turns. A list has so many entries at most; both are asked for it over a connection of its own, as the SDK asks.

use std::path::Path;
use std::time::Instant;

use anyhow::{Result, bail, ensure};
use measure::figures::Spread;
use measure::print;
use measure::wanted::{Verdicts, Wanted};

use super::client::Client;
use super::{OTHER, SYSTEM, client, organ, systems};
use crate::delivery::ground::{Ground, PATIENCE};
use crate::delivery::letters::{letter, submit_all};

/// Receivers of one packet.
const BEHIND: usize = 100;
const CALLERS: usize = 8;

pub(super) async fn run(
    program: &Path,
    folder: &Path,
    pairs: usize,
    quick: bool,
    verdicts: &mut Verdicts,
) -> Result<()> {
    let ground = Ground::open_beside(program, folder, systems(folder, BEHIND)?).await?;
    let (few, many) = (BEHIND, if quick { 1_000 } else { 10_000 });
    let full = client(&ground, SYSTEM);
    let sparse = client(&ground, OTHER);
    for (system, count) in [(OTHER, few), (SYSTEM, many)] {
        let to: Vec<String> = (0..BEHIND).map(|n| organ(system, n)).collect();
        let packets = (0..count / BEHIND).map(|_| letter(&to, 1_000, false)).collect::<Result<_>>()?;
        submit_all(&ground.world.public, &ground.token, CALLERS, packets).await?;
    }
    waiting(&full, many).await?;
    waiting(&sparse, few).await?;
    let (mut ratios, mut of_few, mut of_many) = (Vec::new(), Vec::new(), Vec::new());
    for pair in 0..=pairs {
        let (one, other) = (per_entry(&sparse, few).await?, per_entry(&full, many).await?);
        if pair > 0 {
            ratios.push(other / one);
            of_few.push(one);
            of_many.push(other);
        }
    }
    ground.close().await?;
    let ratio = Spread::of(ratios);
    let verdict = verdicts.judge(
        &format!("an entry with {many} waiting beside {few}: {}", ratio.show(2)),
        ratio.median,
        Wanted::AtMost { must: 1.2, aim: Some(1.0) },
    );
    print(&format!(
        "  an entry: {} us with {few} waiting, {} us with {many}; ratio {}: {verdict}",
        Spread::of(of_few).show(1),
        Spread::of(of_many).show(1),
        ratio.show(2),
    ));
    Ok(())
}

/// Waits until so many packets wait.
async fn waiting(client: &Client, count: usize) -> Result<()> {
    let begun = Instant::now();
    let mut ticks = lienthong::demo::child::ticks();
    while begun.elapsed() < PATIENCE {
        ticks.tick().await;
        let answer = client.json("countReceiveEdoc", &[], None).await?;
        if answer["count"].as_u64() == Some(count as u64) {
            return Ok(());
        }
    }
    bail!("{count} packets are not in the mailbox")
}

/// Microseconds for each entry of one list.
async fn per_entry(client: &Client, waiting: usize) -> Result<f64> {
    let begun = Instant::now();
    let entries = client.list().await?.len();
    let took = begun.elapsed();
    ensure!(entries > 0 && entries <= waiting, "{entries} of {waiting}");
    Ok(took.as_secs_f64() * 1e6 / entries as f64)
}
