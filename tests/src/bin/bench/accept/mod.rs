//! `./bench accept`: signed 10 KB packets through the door of a gateway that runs as a child process, every one
//! committed and receipted, beside raw commits of the same bytes in the same folder (`raw.rs`).

mod callers;
mod packets;
mod raw;
mod round;

use std::path::Path;

use anyhow::{Context, Result, ensure};
use clap::{Args, ValueEnum};
use lienthong_config::Environment;
use lienthong_config::environment::NATS_SERVER;
use measure::figures::{Spread, percentile_ms};
use measure::wanted::{Verdicts, Wanted};
use measure::{conditions, print};

use self::packets::PACKET_BYTES;
use self::round::{Plan, Round};

#[derive(Args)]
pub(crate) struct Accept {
    /// Số bên gửi đồng thời / Callers at once, one connection each
    #[arg(long, value_delimiter = ',', default_values_t = [1, 64])]
    callers: Vec<usize>,
    /// Số cặp / Pairs
    #[arg(long, default_value_t = 5)]
    pairs: usize,
    /// Số giây mỗi lượt / Seconds of the gateway's half of a pair
    #[arg(long, default_value_t = 3)]
    seconds: u64,
    /// Bên nhận mở hay đóng / Whether the receiver of the packets takes them meanwhile
    #[arg(long, value_enum, default_value_t = Receivers::Open)]
    receivers: Receivers,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Receivers {
    /// The receiver takes each packet and syncs it to the same disk: the whole gateway is at work.
    Open,
    /// The receiver refuses connections: packets go as far as the broker.
    Closed,
}

/// One way to take packets, in one round.
pub(crate) struct Arm {
    /// From the start of all callers to the end of the last.
    pub(crate) seconds: f64,
    /// How long each packet took.
    pub(crate) latencies: Vec<std::time::Duration>,
}

impl Arm {
    fn rate(&self) -> f64 {
        self.latencies.len() as f64 / self.seconds
    }
}

impl Accept {
    pub(crate) fn run(self) -> Result<()> {
        ensure!(self.pairs > 0 && self.seconds > 0, "--pairs and --seconds must be at least 1");
        ensure!(self.callers.iter().all(|n| (1..=512).contains(n)), "--callers must be from 1 to 512");
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        // Beside the program, on the disk of the build: a temporary folder is often in memory.
        let program = lienthong::demo::child::own_program()?;
        let beside = program.parent().context("the program lies in no folder")?;
        let folder = tempfile::Builder::new().prefix("bench-accept-").tempdir_in(beside)?;
        self.explain();
        conditions::tell(folder.path());
        print(&format!("broker: {}", broker()));
        for callers in &self.callers {
            conditions::tell_load("before");
            let open = self.receivers == Receivers::Open;
            let mut plan = Plan { callers: *callers, seconds: self.seconds, open, packets: None };
            let mut rounds = Vec::new();
            for number in 1..=self.pairs {
                let folder = folder.path().join(format!("{callers}-{number}"));
                let round = runtime.block_on(round::play(&mut plan, &program, &folder))?;
                print(&format!("{callers:>3} callers, pair {number}: {}", line(&round)));
                rounds.push(round);
            }
            summary(*callers, rounds);
            conditions::tell_load("after");
        }
        Ok(())
    }

    fn explain(&self) {
        let receivers = match self.receivers {
            Receivers::Open => "open: it takes each packet meanwhile and syncs it to the same disk",
            Receivers::Closed => "closed: packets go as far as the broker, attempts fail",
        };
        print(&format!(
            "accept: packets of {PACKET_BYTES} bytes, all different, signed beforehand (RSA-2048, SHA-256), one receiver \
             each\n\
             gateway:  POST over HTTP on loopback to a child process of this release build, one connection a caller; an \
             accept is a\n          202 with a valid signature in its receipt, and an admission on disk; the broker is \
             its own; the receiver\n          is {receivers}\n\
             raw lean: a thread a caller: file of the same bytes written, fdatasynced, renamed; folder fsynced; then \
             {} bytes of\n          metadata through one committer that appends and fdatasyncs for all who wait (group \
             commit)\n\
             raw same: two files, packet and admission, fdatasynced and renamed, two folders fsynced (design.md B2); \
             then the\n          entries of an admission, varied, into the engine of the store with its barrier\n\
             The halves of a pair follow each other: gateway, raw lean, raw same; the gateway of a pair is fresh, \
             warmed up, and\n\
             stopped before the raw halves. Callers, receivers and gateway share the cores.",
            raw::METADATA_BYTES
        ));
    }
}

/// 64 callers, for `./bench delivery`: what is asked of the rate beside raw commits of equal files and metadata, with the
/// whole gateway at work; and, for comparison, with the receiver closed.
pub(crate) async fn judged(
    program: &Path,
    folder: &Path,
    pairs: usize,
    verdicts: &mut Verdicts,
) -> Result<()> {
    std::fs::create_dir(folder)?;
    for (open, word) in [(true, "open"), (false, "closed")] {
        let mut plan = Plan { callers: 64, seconds: 3, open, packets: None };
        let mut rounds = Vec::new();
        for number in 1..=pairs {
            rounds.push(round::play(&mut plan, program, &folder.join(format!("{word}-{number}"))).await?);
        }
        let same = Spread::of(rounds.iter().map(|round| round.to_same));
        let rates = |arm: fn(&mut Round) -> &mut Arm, rounds: &mut [Round]| {
            Spread::of(rounds.iter_mut().map(|round| arm(round).rate())).show(0)
        };
        let (ours, raw) = (rates(Round::gateway, &mut rounds), rates(Round::same, &mut rounds));
        let verdict = match open {
            true => verdicts.judge(
                &format!("durable accepts, 64 callers, {}", same.show(2)),
                same.median,
                Wanted::AtLeast { must: 0.6, aim: 0.8 },
            ),
            false => "shown".to_owned(),
        };
        print(&format!(
            "  receiver {word}: gateway {ours}/s, raw {raw}/s; ratio {}: {verdict}",
            same.show(2)
        ));
        print(&format!("  {}", rounds.last().map_or("", |round| &round.inside)));
    }
    Ok(())
}

/// The broker's program by its own word.
fn broker() -> String {
    let environment = Environment::of_process();
    let Some(program) = environment.value(NATS_SERVER) else { return format!("{NATS_SERVER} is not set") };
    let said = std::process::Command::new(program).arg("--version").output();
    said.map_or_else(
        |cause| cause.to_string(),
        |said| String::from_utf8_lossy(&said.stdout).trim().to_owned(),
    )
}

fn line(round: &Round) -> String {
    let (gateway, lean, same) = (round.gateway.rate(), round.lean.rate(), round.same.rate());
    format!(
        "{} packets; gateway {gateway:.0}/s, raw lean {lean:.0}/s, raw same {same:.0}/s; ratio {:.2} and {:.2}",
        round.gateway.latencies.len(),
        gateway / lean,
        gateway / same,
    )
}

fn summary(callers: usize, mut rounds: Vec<Round>) {
    let table = [
        ("gateway", Round::gateway as fn(&mut Round) -> &mut Arm),
        ("raw lean", Round::lean),
        ("raw same", Round::same),
    ];
    for (name, arm) in table {
        let rates = Spread::of(rounds.iter_mut().map(|round| arm(round).rate()));
        let latencies = rounds.iter_mut().flat_map(|round| std::mem::take(&mut arm(round).latencies));
        let mut latencies: Vec<_> = latencies.collect();
        let (half, most) = (percentile_ms(&mut latencies, 0.5), percentile_ms(&mut latencies, 0.99));
        let rate = rates.show(0);
        print(&format!("{callers:>3} callers, {name}: {rate} a second; p50 {half:.2} ms, p99 {most:.2} ms"));
    }
    let lean = Spread::of(rounds.iter().map(|round| round.to_lean)).show(2);
    let same = Spread::of(rounds.iter().map(|round| round.to_same)).show(2);
    print(&format!("{callers:>3} callers, gateway to raw lean: {lean}; to raw same: {same} (median, range)"));
    print(&format!(
        "{callers:>3} callers, in the gateway, last pair: {}",
        rounds.last().map_or("", |r| &r.inside)
    ));
}
