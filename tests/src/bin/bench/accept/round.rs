//! One pair: a fresh gateway takes packets, is stopped, and the same packets are committed raw in the same folder.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use lienthong::demo::child::Gateway;
use lienthong::demo::world::{Wishes, World};
use lienthong_outbox::bare::{Commits, entries_of};
use lienthong_outbox::{Engine, FileSpool};
use measure::process::cpu_of;

use super::packets::Press;
use super::{Arm, callers, raw};

/// Packets a caller sends before the clock starts, and the least in all.
const WARM_UP: (usize, usize) = (8, 64);
/// Steps whose time is told (monitoring's names).
const STEPS: [&str; 7] = ["receive", "verify", "recognise", "commit", "publish", "deliver", "settle"];

/// What the rounds of one number of callers have in common.
pub(super) struct Plan {
    pub(super) callers: usize,
    pub(super) seconds: u64,
    pub(super) open: bool,
    /// Packets of a round; found by the first one's warm-up.
    pub(super) packets: Option<usize>,
}

/// What one round found.
pub(super) struct Round {
    pub(super) gateway: Arm,
    pub(super) lean: Arm,
    pub(super) same: Arm,
    pub(super) to_lean: f64,
    pub(super) to_same: f64,
    /// Where time went in the gateway.
    pub(super) inside: String,
}

impl Round {
    pub(super) fn gateway(&mut self) -> &mut Arm {
        &mut self.gateway
    }

    pub(super) fn lean(&mut self) -> &mut Arm {
        &mut self.lean
    }

    pub(super) fn same(&mut self) -> &mut Arm {
        &mut self.same
    }
}

/// Plays a round in a folder that does not exist.
pub(super) async fn play(plan: &mut Plan, program: &Path, folder: &Path) -> Result<Round> {
    std::fs::create_dir(folder)?;
    let line = |section, line: &str| (section, line.to_owned());
    let settings =
        vec![line("listen", "uploads_per_system = 1024"), line("delivery", "retry_first = \"1s\"")];
    let wishes = Wishes { settings, ..Wishes::default() };
    let world = World::make(folder, &wishes).await?;
    if !plan.open {
        world.receivers.iter().for_each(|receiver| receiver.close());
    }
    let mut gateway = world.start(program, &[]).await?;
    let press = Press::new(&world)?;
    let token = std::fs::read_to_string(world.token_file(0))?;
    let warm = (plan.callers * WARM_UP.0).max(WARM_UP.1);
    let packets: Arc<[Bytes]> = press.packets(warm)?.into();
    let warmed = callers::send(&world.public, &token, plan.callers, &packets).await?;
    let count = *plan.packets.get_or_insert((warmed.rate() * plan.seconds as f64) as usize + 1);
    let packets: Arc<[Bytes]> = press.packets(count)?.into();
    let pids = [gateway.pid(), gateway.broker_pid(), Some(std::process::id())];

    rustix::fs::sync();
    let (before, cpu_before) = (world.metrics().await?, pids.map(cpu_seconds));
    let taken = callers::send(&world.public, &token, plan.callers, &packets).await?;
    let (after, cpu_after) = (world.metrics().await?, pids.map(cpu_seconds));
    let cpu: Vec<f64> = cpu_after.iter().zip(cpu_before).map(|(after, before)| after - before).collect();
    let inside = inside(&before, &after, &cpu, count, gateway.peak_memory());

    let data = folder.join("data");
    let admission = one_admission(&data.join("admissions"), warm + count)?;
    end(&mut gateway, &world).await?;
    let raw = |name: &str, metadata| {
        rustix::fs::sync();
        let before = cpu_seconds(Some(std::process::id()));
        let arm = raw::commit(&data.join(name), plan.callers, &packets, metadata)?;
        let cpu = (cpu_seconds(Some(std::process::id())) - before) / packets.len() as f64 * 1e3;
        anyhow::Ok((arm, format!("{cpu:.2}")))
    };
    let (lean, lean_cpu) = raw("raw-lean", raw::Metadata::Appended)?;
    let found = FileSpool::open(&data)?.admissions()?.next().context("no admission")?;
    let found = found.map_err(|damaged| anyhow::anyhow!("{damaged}"))?;
    let entries = entries_of(&found.admission, &data.join("raw-entries"), Engine::default()).await?;
    std::fs::create_dir_all(data.join("raw-same/engine"))?;
    let engine = Commits::open(&data.join("raw-same/engine"), Engine::default())?;
    let (same, same_cpu) = raw("raw-same", raw::Metadata::Same(raw::Same { admission, entries, engine }))?;
    let inside = format!("{inside}; CPU ms a packet of raw lean and raw same: {lean_cpu}, {same_cpu}");
    let (to_lean, to_same) = (taken.rate() / lean.rate(), taken.rate() / same.rate());
    Ok(Round { gateway: taken, lean, same, to_lean, to_same, inside })
}

async fn end(gateway: &mut Gateway, world: &World) -> Result<()> {
    let code = gateway.stop().await?;
    world.receivers.iter().for_each(|receiver| receiver.close());
    ensure!(code == Some(0), "the gateway ended with {code:?}, see {}", world.log.display());
    Ok(())
}

/// The bytes of one admission, after counting that there is one for each packet.
fn one_admission(folder: &Path, expected: usize) -> Result<Vec<u8>> {
    let (mut found, mut one) = (0, None);
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_none() {
            found += 1;
            one = Some(path);
        }
    }
    ensure!(found == expected, "{found} admissions on disk, {expected} packets accepted");
    Ok(std::fs::read(one.context("no admission")?)?)
}

/// Mean time of each step, and CPU time a packet.
fn inside(before: &str, after: &str, cpu: &[f64], count: usize, memory: Option<u64>) -> String {
    let mean_ms = |step: &&str| {
        let grown = |what: &str| value(after, what, step) - value(before, what, step);
        let (sum, times) = (grown("sum"), grown("count"));
        format!("{step} {:.2} ms x {times}", sum / times.max(1.0) * 1e3)
    };
    let steps: Vec<String> = STEPS.iter().map(mean_ms).collect();
    let cpu: Vec<String> = cpu.iter().map(|seconds| format!("{:.2}", seconds / count as f64 * 1e3)).collect();
    format!(
        "{}; CPU ms a packet of gateway, its broker, this program (callers and receiver): {}; VmHWM of the gateway {} MB",
        steps.join(", "),
        cpu.join(", "),
        memory.unwrap_or_default() / 1_000_000,
    )
}

fn value(metrics: &str, what: &str, step: &str) -> f64 {
    let name = format!("lienthong_step_seconds_{what}{{step=\"{step}\"}} ");
    let found = metrics.lines().find_map(|line| line.strip_prefix(&name)?.parse().ok());
    found.unwrap_or_default()
}

/// User and system time of a process.
fn cpu_seconds(pid: Option<u32>) -> f64 {
    pid.and_then(cpu_of).unwrap_or_default().as_secs_f64()
}
