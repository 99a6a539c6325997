//! `./drill`: see `acceptance::drill`. The gateway that it tests is `lienthong-under-test` beside it, the fault layer the
//! shared library that lies there.
#![allow(clippy::print_stdout, reason = "its result is what it prints")]

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use acceptance::drill::{BrokerKind, Options, Scope, run};
use clap::Parser;
use rand::Rng;

#[derive(Parser)]
#[command(
    name = "drill",
    about = "Diễn tập: tiến trình thật, sự cố theo hạt giống, đối chiếu mọi biên nhận / Real processes, seeded faults, every receipt compared"
)]
struct Cli {
    /// Số phút / Minutes
    #[arg(long, default_value_t = 3)]
    minutes: u64,
    /// Hạt giống / Seed; the same one gives the same plan
    #[arg(long)]
    seed: Option<u64>,
    /// Một loại broker: managed, single, cluster; mặc định: lần lượt / One kind of broker; else in turn
    #[arg(long, value_parser = broker)]
    broker: Option<BrokerKind>,
    /// Bộ máy lưu trữ, như trong cấu hình; mặc định: mặc định của cấu hình / One engine of the store, as settings name it; several: in turn
    #[arg(long)]
    engine: Vec<String>,
    /// Không dùng lớp làm hỏng đĩa / Without the layer that makes the disk fail
    #[arg(long)]
    no_layer: bool,
    /// Không làm sai đồng hồ / Without a wrong clock
    #[arg(long)]
    no_jumps: bool,
    /// Vòng ngắn như trong ./check / Short rounds, as in ./check
    #[arg(long)]
    short: bool,
    /// Số trục dùng chung một broker; từ 2 trở lên: không có lớp làm hỏng đĩa / Gateways that share a broker; 2 or more: without the fault layer
    #[arg(long, default_value_t = 1)]
    gateways: usize,
    /// Số vòng tối đa / Rounds at most
    #[arg(long, default_value_t = u32::MAX)]
    rounds: u32,
}

fn broker(name: &str) -> Result<BrokerKind, String> {
    match name {
        "managed" => Ok(BrokerKind::Managed),
        "single" => Ok(BrokerKind::Single),
        "cluster" => Ok(BrokerKind::Cluster),
        _ => Err("managed, single, cluster".to_owned()),
    }
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    match play(&cli) {
        Ok(code) => code,
        Err(fault) => {
            println!("drill: {fault:#}");
            ExitCode::FAILURE
        }
    }
}

fn play(cli: &Cli) -> anyhow::Result<ExitCode> {
    let beside: PathBuf = std::env::current_exe()?.parent().map(PathBuf::from).unwrap_or_default();
    let seed = cli.seed.unwrap_or_else(|| rand::rng().random_range(0..1 << 32));
    println!("drill: seed {seed}");
    anyhow::ensure!(cli.gateways > 0, "--gateways 0");
    let several = cli.gateways > 1;
    anyhow::ensure!(
        !several || cli.broker != Some(BrokerKind::Managed),
        "a managed broker is one gateway's own"
    );
    let scope = match (several, cli.short) {
        (true, _) => Scope { gateways: cli.gateways, ..Scope::SEVERAL },
        (false, true) => Scope::SHORT,
        (false, false) => Scope::LONG,
    };
    let layered = !cli.no_layer && !several;
    let options = Options {
        seed,
        length: Duration::from_secs(cli.minutes * 60),
        rounds: cli.rounds,
        program: beside.join("lienthong-under-test"),
        layer: layered.then(|| beside.join("libfaultfs.so")),
        brokers: cli.broker.map_or_else(
            || {
                let own = (!several).then_some(BrokerKind::Managed);
                own.into_iter().chain([BrokerKind::Single, BrokerKind::Cluster]).collect()
            },
            |one| vec![one],
        ),
        engines: match cli.engine.as_slice() {
            [] => vec![None],
            some => some.iter().cloned().map(Some).collect(),
        },
        scope: Scope { layered, jumps: !cli.no_jumps, ..scope },
        heal_by_start: cli.short,
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let outcome = runtime.block_on(run(&options))?;
    println!("{}", outcome.text());
    if outcome.is_good() {
        println!("drill: OK (seed {seed})");
        return Ok(ExitCode::SUCCESS);
    }
    println!("drill: FAILED (seed {seed})");
    Ok(ExitCode::FAILURE)
}
