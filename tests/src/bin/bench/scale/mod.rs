//! `./bench scale`: what a document costs as the directory grows. Gateways with 10, 1,000 and 10,000 agencies, each agency
//! with a system, a queue and a subject of its own, stand side by side and take the same traffic in turns; the smallest
//! is the peer of the others. `docs/scaling.md` builds on these figures.

mod round;

use std::path::Path;

use anyhow::{Context, Result, ensure};
use clap::Args;
use measure::figures::Spread;
use measure::wanted::{Verdicts, Wanted};
use measure::{conditions, print};

use self::round::{BYTES, CALLERS, Cost, Stand};

/// Agencies of each gateway; ratios are to the first.
const SIZES: [usize; 3] = [10, 1_000, 10_000];

/// What is compared: its name with its unit, digits to show, and where it stands in a cost.
type Figure = (&'static str, usize, fn(&Cost) -> f64);

/// What a document costs.
const FIGURES: [Figure; 4] = [
    ("gateway, CPU ms a document", 2, |cost| cost.gateway),
    ("broker, CPU ms a document", 2, |cost| cost.broker),
    ("both, CPU ms a document", 2, |cost| cost.gateway + cost.broker),
    ("by the clock, ms a document", 2, |cost| cost.wall),
];

#[derive(Args)]
pub(crate) struct Scale {
    /// Số vòng / Rounds; in each every gateway has its turn
    #[arg(long, default_value_t = 8)]
    pairs: usize,
    /// Ít và ngắn hơn, để xem thử / Fewer and shorter, for a look; the figures do not count
    #[arg(long)]
    quick: bool,
}

impl Scale {
    pub(crate) fn run(self) -> Result<bool> {
        ensure!(self.pairs > 0, "--pairs must be at least 1");
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        // Beside the program, on the disk of the build: a temporary folder is often in memory.
        let program = lienthong::demo::child::own_program()?;
        let beside = program.parent().context("the program lies in no folder")?;
        let folder = tempfile::Builder::new().prefix("bench-scale-").tempdir_in(beside)?;
        let documents = if self.quick { 100 } else { 1_000 };
        print(&format!(
            "scale: in each turn {documents} unsigned documents of about {} KB from one sender over {CALLERS} connections, one \
             receiver each,\n       all receivers in rotation; a turn ends when nothing is pending. Callers, receivers and \
             gateways share the cores.",
            BYTES / 1_000
        ));
        conditions::tell(folder.path());
        conditions::tell_load("before");
        let mut verdicts = Verdicts::default();
        runtime.block_on(measure(&program, folder.path(), self.pairs, documents, &mut verdicts))?;
        conditions::tell_load("after");
        Ok(verdicts.conclude())
    }
}

async fn measure(
    program: &Path,
    folder: &Path,
    pairs: usize,
    documents: usize,
    verdicts: &mut Verdicts,
) -> Result<()> {
    let mut stands = Vec::new();
    for agencies in SIZES {
        stands.push(Stand::open(program, &folder.join(agencies.to_string()), agencies).await?);
    }
    for pair in 0..=pairs {
        // There and back, so that none always follows the same one. The first round warms up.
        let turns: Vec<usize> =
            if pair % 2 == 0 { (0..SIZES.len()).collect() } else { (0..SIZES.len()).rev().collect() };
        for at in turns {
            stands[at].turn(documents, pair > 0).await?;
        }
    }
    let costs: Vec<&[Cost]> = stands.iter().map(|stand| stand.costs.as_slice()).collect();
    for figure in FIGURES {
        tell(figure, &costs, verdicts);
    }
    for stand in stands {
        print(&format!("  {}", stand.close().await?));
    }
    Ok(())
}

/// One figure of all sizes, and its ratios to the smallest, round by round; the largest is judged.
fn tell((name, digits, of): Figure, costs: &[&[Cost]], verdicts: &mut Verdicts) {
    print(&format!("\n  {name}"));
    for (agencies, cost) in SIZES.iter().zip(costs) {
        let shown = Spread::of(cost.iter().map(of)).show(digits);
        let ratio = Spread::of(cost.iter().zip(costs[0]).map(|(large, small)| of(large) / of(small)));
        let verdict = match *agencies {
            10 => "the peer".to_owned(),
            10_000 => verdicts.judge(
                &format!("{name}, {agencies} agencies beside {}: {}", SIZES[0], ratio.show(2)),
                ratio.median,
                Wanted::AtMost { must: 1.2, aim: None },
            ),
            _ => "shown".to_owned(),
        };
        print(&format!("  {agencies:>6} agencies: {shown}; ratio {}: {verdict}", ratio.show(2)));
    }
}
