//! How fast a store with very many pending deliveries starts and commits, for both engines: the start beside a bare
//! opening and scan of the same files by the engine, the commits beside those of an empty store, in pairs that take turns.
//!
//! `pending [--deliveries N] [--receivers N] [--pairs N] [--seconds N] [--engine sled|redb] [--folder DIR]`

mod fill;
mod options;
mod rounds;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::sync::Arc;
use std::time::Instant;

use lienthong_outbox::{Engine, FileStore, open_or_rebuild};
use lienthong_pipeline::clock::SystemClock;
use lienthong_pipeline::ports::OutboxStore;

use self::options::{Fault, Options, print};
use self::rounds::Spread;

/// Ready within so many times the bare opening and scan.
const READY_MOST: f64 = 3.0;
/// A commit takes at most so many times as long as with an empty store.
const COMMIT_MOST: f64 = 1.3;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let done = match words[..] {
        // What this program asks itself in a process of its own.
        ["ready", engine, folder] => alone(engine, folder, ready),
        ["bare", engine, folder] => alone(engine, folder, bare),
        ref words => Options::read(words).and_then(|options| measured(&options)),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(fault) => {
            print(&format!("pending: {fault}"));
            ExitCode::from(3)
        }
    }
}

fn measured(options: &Options) -> Result<bool, Fault> {
    let folder = tempfile::Builder::new().prefix("pending-").tempdir_in(&options.folder)?;
    let mut all_reached = true;
    for engine in options.engines.iter().copied() {
        let (full, empty) = (folder.path().join("full"), folder.path().join("empty"));
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        let begun = Instant::now();
        let filled = runtime.block_on(fill::fill(&full, engine, options))?;
        print(&format!(
            "{:>4}: {} pending deliveries of {} documents, {} MB in the store; filled in {:.0} s",
            engine.as_str(),
            filled.deliveries,
            filled.documents,
            bytes_in(&full.join("outbox"))? / 1_000_000,
            begun.elapsed().as_secs_f64(),
        ));
        all_reached &= start(engine, &full, options)?;
        all_reached &= commits(engine, &full, &empty, options, &runtime)?;
        drop(runtime);
        std::fs::remove_dir_all(&full)?;
        std::fs::remove_dir_all(&empty)?;
    }
    Ok(all_reached)
}

fn start(engine: Engine, full: &Path, options: &Options) -> Result<bool, Fault> {
    let mut ratios = Vec::new();
    let (mut readies, mut bares) = (Vec::new(), Vec::new());
    for pair in 0..=options.pairs {
        let bare = asked("bare", engine, full)?;
        let ready = asked("ready", engine, full)?;
        // The first pair fills the caches of the system.
        if pair > 0 {
            ratios.push(ready / bare);
            readies.push(ready);
            bares.push(bare);
        }
    }
    let (ratio, ready, bare) = (Spread::of(ratios), Spread::of(readies), Spread::of(bares));
    let (name, verdict) = (engine.as_str(), verdict(ratio.median, READY_MOST));
    print(&format!("{name:>4}: ready {} s, bare open + scan {} s", ready.show(2), bare.show(2)));
    print(&format!("{name:>4}: start {} x, must <= {READY_MOST} {verdict}", ratio.show(2)));
    Ok(ratio.median <= READY_MOST)
}

fn commits(
    engine: Engine,
    full: &Path,
    empty: &Path,
    options: &Options,
    runtime: &tokio::runtime::Runtime,
) -> Result<bool, Fault> {
    let opened = |folder: &Path| -> Result<Arc<FileStore>, Fault> {
        Ok(Arc::new(open_or_rebuild(folder, engine, Arc::new(SystemClock))?.0))
    };
    let (full, empty) = (opened(full)?, opened(empty)?);
    let mut reached = true;
    for callers in [1, 64] {
        let mut ratios = Vec::new();
        let (mut of_full, mut of_empty) = (Vec::new(), Vec::new());
        for pair in 0..=options.pairs {
            let pace =
                |store: &Arc<FileStore>| runtime.block_on(rounds::commits(store, callers, options.seconds));
            let (among_many, alone) = (pace(&full)?, pace(&empty)?);
            if pair > 0 {
                ratios.push(alone / among_many);
                of_full.push(among_many);
                of_empty.push(alone);
            }
        }
        let (ratio, of_full, of_empty) = (Spread::of(ratios), Spread::of(of_full), Spread::of(of_empty));
        let (name, verdict) = (engine.as_str(), verdict(ratio.median, COMMIT_MOST));
        let paces = format!("full {} a second, empty {}", of_full.show(0), of_empty.show(0));
        print(&format!("{name:>4}: commits of {callers} callers: {paces}"));
        print(&format!("{name:>4}: commit {} x, must <= {COMMIT_MOST} {verdict}", ratio.show(2)));
        reached &= ratio.median <= COMMIT_MOST;
    }
    runtime.block_on(full.close()).and(runtime.block_on(empty.close()))?;
    Ok(reached)
}

const fn verdict(figure: f64, most: f64) -> &'static str {
    if figure <= most { "PASS" } else { "MISS" }
}

/// Seconds that a process of its own took for something.
fn asked(what: &str, engine: Engine, folder: &Path) -> Result<f64, Fault> {
    let program = std::env::current_exe()?;
    let output = Command::new(program).args([what, engine.as_str()]).arg(folder).output()?;
    let said = String::from_utf8_lossy(&output.stdout);
    said.trim().parse().map_err(|_| Fault::from(format!("{what}: {said}")))
}

fn alone(engine: &str, folder: &str, work: fn(Engine, PathBuf) -> Result<f64, Fault>) -> Result<bool, Fault> {
    let engine = Engine::named(engine).ok_or("an engine")?;
    print(&format!("{:.6}", work(engine, PathBuf::from(folder))?));
    Ok(true)
}

/// As the gateway opens it: also what lies in the spool is looked at.
fn ready(engine: Engine, folder: PathBuf) -> Result<f64, Fault> {
    let begun = Instant::now();
    let (store, _, opened) = open_or_rebuild(&folder, engine, Arc::new(SystemClock))?;
    let taken = begun.elapsed().as_secs_f64();
    if opened != lienthong_outbox::Opened::Existing {
        return Err(format!("{opened:?}").into());
    }
    drop(store);
    Ok(taken)
}

/// The engine alone, as it is without settings of ours: opened, and every key and value read once.
fn bare(engine: Engine, folder: PathBuf) -> Result<f64, Fault> {
    let store = folder.join("outbox/1");
    let begun = Instant::now();
    let mut bytes = 0;
    match engine {
        Engine::Sled => {
            let db = sled::open(&store)?;
            for entry in db.iter() {
                let (key, value) = entry?;
                bytes += key.len() + value.len();
            }
        }
        Engine::Redb => {
            use redb::{ReadableDatabase, ReadableTable};
            let db = redb::Database::open(store.join(engine.file()))?;
            let table = redb::TableDefinition::<&[u8], &[u8]>::new("outbox");
            for entry in db.begin_read()?.open_table(table)?.iter()? {
                let (key, value) = entry?;
                bytes += key.value().len() + value.value().len();
            }
        }
    }
    let taken = begun.elapsed().as_secs_f64();
    if bytes == 0 { Err("an empty store".into()) } else { Ok(taken) }
}

fn bytes_in(folder: &Path) -> Result<u64, Fault> {
    let mut bytes = 0;
    for entry in std::fs::read_dir(folder)? {
        bytes += entry?.metadata()?.len();
    }
    Ok(bytes)
}
