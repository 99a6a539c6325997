//! Packets to 1,000 receivers of which one is dead, beside the same with all of them alive.

use std::path::Path;
use std::time::Instant;

use anyhow::Result;
use bytes::Bytes;
use measure::figures::Spread;
use measure::print;
use measure::wanted::{Verdicts, Wanted};

use super::Pairs;
use super::ground::{Ground, PATIENCE, receiver};
use super::letters::{letter, submit_all};

const RECEIVERS: usize = 1_000;
const CALLERS: usize = 4;

pub(super) async fn run(program: &Path, folder: &Path, pairs: Pairs, verdicts: &mut Verdicts) -> Result<()> {
    let (receivers, documents) = if pairs.quick { (100, 4) } else { (RECEIVERS, 4) };
    std::fs::create_dir(folder)?;
    let alive = Ground::open(program, &folder.join("alive"), receivers, 0).await?;
    let dead = Ground::open(program, &folder.join("dead"), receivers, 1).await?;
    let (mut ratios, mut rates) = (Vec::new(), Vec::new());
    for pair in 0..=pairs.few() {
        let all = rate(&alive, receivers, documents, receivers).await?;
        let one_dead = rate(&dead, receivers, documents, receivers - 1).await?;
        if pair > 0 {
            rates.push(all);
            ratios.push(one_dead / all);
        }
    }
    alive.close().await?;
    dead.close().await?;
    let ratio = Spread::of(ratios);
    let wanted = Wanted::AtLeast { must: 0.95, aim: 0.95 };
    let verdict =
        verdicts.judge(&format!("one of {receivers} dead, rate {}", ratio.show(2)), ratio.median, wanted);
    print(&format!(
        "  {documents} packets to {receivers} receivers: all alive {} deliveries/s; one dead, ratio for the others {}: {verdict}",
        Spread::of(rates).show(0),
        ratio.show(2),
    ));
    Ok(())
}

/// Deliveries a second to those who are alive, from the first submission to the last arrival.
async fn rate(ground: &Ground, receivers: usize, documents: usize, alive: usize) -> Result<f64> {
    let to: Vec<String> = (0..receivers).map(receiver).collect();
    let packets = (0..documents).map(|_| letter(&to, 3_000, false)).collect::<Result<Vec<Bytes>>>()?;
    ground.sink.forget();
    let begun = Instant::now();
    submit_all(&ground.world.public, &ground.token, CALLERS, packets).await?;
    let count = (documents * alive) as u64;
    ground.sink.wait_for(count, PATIENCE).await?;
    let seconds = begun.elapsed().as_secs_f64();
    ground.published().await?;
    Ok(count as f64 / seconds)
}
