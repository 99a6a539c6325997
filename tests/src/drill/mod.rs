//! `./drill`: real processes, seeded traffic, seeded faults; in the end every receipt is compared with what each receiver
//! got. Rounds of traffic under faults, healing, settling and judging, in worlds that begin with an empty disk.

mod broker;
mod clients;
mod disk;
mod ground;
mod judge;
mod keeper;
mod patience;
mod plan;
mod receivers;
mod round;
mod strike;
mod tally;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

pub use broker::BrokerKind;
pub use disk::{Cut, Disk, layer};
use ground::Ground;
pub use judge::Verdict;
use keeper::Keeper;
pub use plan::{DiskFault, Failing, Plan, Scope, Where};
use round::Act;
use tally::Tally;

/// Rounds in one world, at most: its disk is then thrown away.
const ROUNDS_A_WORLD: u32 = 4;
/// Numbers of items of one round are below this.
const ITEMS_A_ROUND: u32 = 1_000;

/// What to do.
#[derive(Clone, Debug)]
pub struct Options {
    /// Everything follows from it but the machine's speed.
    pub seed: u64,
    /// No round begins after so long.
    pub length: Duration,
    /// Rounds at most.
    pub rounds: u32,
    /// The gateway, with named points of death.
    pub program: PathBuf,
    /// The layer that makes disks fail; `None`: the disk is well.
    pub layer: Option<PathBuf>,
    /// Brokers of the worlds, in turn.
    pub brokers: Vec<BrokerKind>,
    /// Engines of their stores, in turn, so that each meets each broker; `None`: the default one.
    pub engines: Vec<Option<String>>,
    /// What a round may have.
    pub scope: Scope,
    /// Round after round is healed by a new start of the gateway; else now and then.
    pub heal_by_start: bool,
}

/// What came of it.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// Receipts against receivers.
    pub verdict: Verdict,
    /// What was done, by name.
    pub counts: BTreeMap<String, u64>,
    /// Rounds that ended.
    pub rounds: u32,
    /// How long it took.
    pub took: Duration,
    /// Where logs and data of a failed world lie.
    pub kept: Option<PathBuf>,
}

/// Runs until something is wrong or the time is over. Prints a line for each round.
///
/// # Errors
/// The drill itself cannot go on.
pub async fn run(options: &Options) -> anyhow::Result<Outcome> {
    let begun = Instant::now();
    let mut outcome = Outcome::default();
    let mut world = 0;
    while outcome.rounds < options.rounds && begun.elapsed() < options.length && outcome.verdict.is_good() {
        let kind = options.brokers[world as usize % options.brokers.len()];
        let engine = &options.engines
            [(world as usize + world as usize / options.brokers.len()) % options.engines.len()];
        one_world(options, kind, engine.as_deref(), begun, &mut outcome).await?;
        world += 1;
    }
    outcome.took = begun.elapsed();
    Ok(outcome)
}

async fn one_world(
    options: &Options,
    kind: BrokerKind,
    engine: Option<&str>,
    begun: Instant,
    outcome: &mut Outcome,
) -> anyhow::Result<()> {
    let folder = tempfile::Builder::new().prefix("lienthong-drill-").tempdir()?;
    let place = folder.path().canonicalize()?;
    let ground =
        Arc::new(Ground::make(&place, &options.program, kind, engine, options.scope.gateways).await?);
    let disk = options
        .layer
        .as_ref()
        .map(|layer| Disk::make(&place.join("disk"), &ground.data(0), layer, ground::CLOCK_AHEAD))
        .transpose()?;
    let tally = Arc::new(Tally::default());
    let mut keepers = vec![Keeper::new(ground.clone(), 0, disk, tally.clone())];
    let further = 1..options.scope.gateways;
    keepers.extend(further.map(|at| Keeper::new(ground.clone(), at, None, tally.clone())));
    let mut act = Act::new(keepers.into_iter().map(Arc::new).collect());
    println!("a world with broker {kind:?}, engine {}", engine.unwrap_or("by default"));
    let played = play(options, kind, begun, outcome.rounds, &mut act).await;
    let (rounds, mut verdict) = match played {
        Ok(done) => done,
        Err(fault) => {
            println!("kept: {}", folder.keep().display());
            return Err(fault);
        }
    };
    outcome.rounds += rounds;
    verdict.other.extend(tally.take_complaints());
    let good = verdict.is_good();
    outcome.verdict.add(verdict);
    for (name, count) in act.counts() {
        *outcome.counts.entry(name).or_default() += count;
    }
    act.end().await;
    if !good {
        act.tell(&place)?;
        outcome.kept = Some(folder.keep());
    }
    Ok(())
}

/// Rounds of one world, and the verdict over all of them.
async fn play(
    options: &Options,
    kind: BrokerKind,
    begun: Instant,
    done: u32,
    act: &mut Act,
) -> anyhow::Result<(u32, Verdict)> {
    let mut verdict = Verdict::default();
    let mut rounds = 0;
    act.begin().await?;
    while rounds < ROUNDS_A_WORLD
        && done + rounds < options.rounds
        && begun.elapsed() < options.length
        && verdict.is_good()
    {
        let number = done + rounds;
        let seed = options.seed.wrapping_add(u64::from(number).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let plan = Plan::draw(seed, number * ITEMS_A_ROUND, &options.scope);
        let started = Instant::now();
        verdict = act.round(&plan, seed, options.scope.span, options.heal_by_start).await?;
        rounds += 1;
        println!(
            "round {number} ({kind:?}): {} documents, {} deliveries so far, {} blows, {:.0} s: {}",
            verdict.documents,
            verdict.deliveries,
            plan.blows.len(),
            started.elapsed().as_secs_f64(),
            if verdict.is_good() { "good" } else { "WRONG" }
        );
    }
    Ok((rounds, verdict))
}

impl Outcome {
    /// Nothing is wrong.
    pub fn is_good(&self) -> bool {
        self.verdict.is_good()
    }

    /// The sum, for people.
    pub fn text(&self) -> String {
        let verdict = &self.verdict;
        let mut lines = vec![format!(
            "{} rounds in {:.0} s; {} documents, {} deliveries, {} came more than once",
            self.rounds,
            self.took.as_secs_f64(),
            verdict.documents,
            verdict.deliveries,
            verdict.repeats
        )];
        lines.push(format!("in the end: {}", joined(&verdict.states)));
        lines.push(format!("done to it: {}", joined(&self.counts)));
        lines.push(format!(
            "order: {} pairs; otherwise {} by recorded failures, {} taken along by urgent ones, {} late out of the \
             broker, {} without a record since a store was built anew",
            verdict.pairs, verdict.excused, verdict.pulled, verdict.late, verdict.unrecorded
        ));
        if verdict.several {
            let count = verdict.only_on_a_lost_disk;
            lines.push(format!(
                "deliveries of local receipts that were only on the lost disk of a gateway: {count}"
            ));
            lines.push(
                "order, of several gateways: only of packets about one document that one sender sent to one of them"
                    .to_owned(),
            );
        }
        lines.push(format!(
            "lost {}, wrongly settled {}, unequal repeats {}, out of order {}, other {}",
            verdict.lost.len(),
            verdict.wrongly_settled.len(),
            verdict.unequal.len(),
            verdict.disordered.len(),
            verdict.other.len()
        ));
        lines.extend(verdict.complaints().into_iter().take(40));
        lines.extend(self.kept.iter().map(|kept| format!("kept: {}", kept.display())));
        lines.join("\n")
    }
}

fn joined(counts: &BTreeMap<String, u64>) -> String {
    let parts: Vec<String> = counts.iter().map(|(name, count)| format!("{name} {count}")).collect();
    parts.join(", ")
}
