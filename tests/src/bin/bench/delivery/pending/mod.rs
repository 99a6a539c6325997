//! How fast a store with very many pending deliveries starts and commits, over both engines: the start beside a bare
//! opening and scan of the same files by the engine, each in a process of its own, and the commits beside those of an empty
//! store, in pairs that take turns.

mod fill;
mod rounds;

use std::ffi::OsString;
use std::path::Path;
use std::process::{Command, ExitCode};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use lienthong::cli::complain;
use lienthong_outbox::{Engine, FileStore, Opened, bare, open_or_rebuild};
use lienthong_pipeline::clock::SystemClock;
use lienthong_pipeline::ports::OutboxStore;
use measure::figures::Spread;
use measure::print;
use measure::wanted::{Verdicts, Wanted};

use super::Pairs;

/// What this program is asked to do in a process of its own.
const READY: &str = "store-ready";
const BARE: &str = "store-bare";
/// How long each half of a pair of commits lasts.
const LASTS: Duration = Duration::from_secs(3);
const CALLERS: [usize; 2] = [1, 64];

/// How much is filled in.
#[derive(Clone, Copy)]
struct Size {
    deliveries: u64,
    receivers: usize,
}

/// Runs such a process; `None`: this is none.
pub(crate) fn alone() -> Option<ExitCode> {
    let words: Vec<OsString> = std::env::args_os().skip(1).collect();
    let [what, engine, folder] = &words[..] else { return None };
    let work = match what.to_str()? {
        READY => ready,
        BARE => scanned,
        _ => return None,
    };
    let engine = Engine::named(engine.to_str()?)?;
    Some(match work(engine, Path::new(folder)) {
        Ok(seconds) => {
            print(&format!("{seconds:.6}"));
            ExitCode::SUCCESS
        }
        Err(fault) => {
            complain(&format!("{fault:#}"));
            ExitCode::FAILURE
        }
    })
}

/// As the gateway opens it: also what lies in the spool is looked at.
fn ready(engine: Engine, data: &Path) -> Result<f64> {
    let begun = Instant::now();
    let (store, _, opened) = open_or_rebuild(data, engine, Arc::new(SystemClock))?;
    let taken = begun.elapsed().as_secs_f64();
    ensure!(opened == Opened::Existing, "{opened:?}");
    drop(store);
    Ok(taken)
}

fn scanned(engine: Engine, data: &Path) -> Result<f64> {
    let begun = Instant::now();
    let bytes = bare::scan(&data.join("outbox"), engine)?;
    let taken = begun.elapsed().as_secs_f64();
    ensure!(bytes > 0, "an empty store");
    Ok(taken)
}

pub(super) async fn run(program: &Path, folder: &Path, pairs: Pairs, verdicts: &mut Verdicts) -> Result<()> {
    let size = Size { deliveries: if pairs.quick { 20_000 } else { 1_000_000 }, receivers: 10 };
    std::fs::create_dir(folder)?;
    for engine in Engine::ALL {
        let (full, empty) = (folder.join("full"), folder.join("empty"));
        let begun = Instant::now();
        let filled = fill::fill(&full, engine, size).await?;
        print(&format!(
            "  {}: {} pending deliveries of {} documents, {} MB in the store; filled in {:.0} s",
            engine.as_str(),
            filled.deliveries,
            filled.documents,
            bytes_in(&full.join("outbox"))? / 1_000_000,
            begun.elapsed().as_secs_f64(),
        ));
        start(program, engine, &full, pairs, verdicts)?;
        commits(engine, &full, &empty, pairs, verdicts).await?;
        std::fs::remove_dir_all(&full)?;
        std::fs::remove_dir_all(&empty)?;
    }
    Ok(())
}

fn start(program: &Path, engine: Engine, full: &Path, pairs: Pairs, verdicts: &mut Verdicts) -> Result<()> {
    let mut ratios = Vec::new();
    let (mut readies, mut bares) = (Vec::new(), Vec::new());
    for pair in 0..=pairs.few() {
        let bare = asked(program, BARE, engine, full)?;
        let ready = asked(program, READY, engine, full)?;
        // The first pair fills the caches of the system.
        if pair > 0 {
            ratios.push(ready / bare);
            readies.push(ready);
            bares.push(bare);
        }
    }
    let (ratio, name) = (Spread::of(ratios).show(2), engine.as_str());
    let wanted = Wanted::AtMost { must: 3.0, aim: None };
    let median = Spread::of(readies.iter().zip(&bares).map(|(ready, bare)| ready / bare)).median;
    let verdict = verdicts.judge(&format!("pending, start, {name}, {ratio}"), median, wanted);
    let (ready, bare) = (Spread::of(readies).show(2), Spread::of(bares).show(2));
    print(&format!("  {name}: ready {ready} s, bare open + scan {bare} s; ratio {ratio}: {verdict}"));
    Ok(())
}

async fn commits(
    engine: Engine,
    full: &Path,
    empty: &Path,
    pairs: Pairs,
    verdicts: &mut Verdicts,
) -> Result<()> {
    let opened = |data: &Path| -> Result<Arc<FileStore>> {
        Ok(Arc::new(open_or_rebuild(data, engine, Arc::new(SystemClock))?.0))
    };
    let (full, empty) = (opened(full)?, opened(empty)?);
    let name = engine.as_str();
    for callers in CALLERS {
        let mut ratios = Vec::new();
        let (mut of_full, mut of_empty) = (Vec::new(), Vec::new());
        for pair in 0..=pairs.few() {
            let among_many = rounds::commits(&full, callers, LASTS).await?;
            let alone = rounds::commits(&empty, callers, LASTS).await?;
            if pair > 0 {
                ratios.push(alone / among_many);
                of_full.push(among_many);
                of_empty.push(alone);
            }
        }
        let ratio = Spread::of(ratios);
        let wanted = Wanted::AtMost { must: 1.3, aim: None };
        let figure = format!("pending, commit, {name}, {callers} callers, {}", ratio.show(2));
        let verdict = verdicts.judge(&figure, ratio.median, wanted);
        print(&format!(
            "  {name}: commits of {callers} callers: full {} a second, empty {}; ratio of times {}: {verdict}",
            Spread::of(of_full).show(0),
            Spread::of(of_empty).show(0),
            ratio.show(2),
        ));
    }
    full.close().await?;
    empty.close().await?;
    Ok(())
}

/// Seconds that a process of its own took for something.
fn asked(program: &Path, what: &str, engine: Engine, data: &Path) -> Result<f64> {
    let output = Command::new(program).args([what, engine.as_str()]).arg(data).output()?;
    let said = String::from_utf8_lossy(&output.stdout);
    said.trim().parse().with_context(|| format!("{what}: {said}{}", String::from_utf8_lossy(&output.stderr)))
}

/// Bytes of the files in a folder and in those below it.
fn bytes_in(folder: &Path) -> Result<u64> {
    let mut bytes = 0;
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let found = entry.metadata()?;
        bytes += if found.is_dir() { bytes_in(&entry.path())? } else { found.len() };
    }
    Ok(bytes)
}
