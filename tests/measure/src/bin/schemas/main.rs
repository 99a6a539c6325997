//! `./bench schemas`: what reading edXML packets costs, each case beside the least that the same machine needs for it,
//! measured in turns; and what bombs cost. What is asked for ("must") is that of the issue; a miss ends in exit code 1.

mod cases;
mod engine;
mod least;
#[path = "../../../../../schemas/tests/made/mod.rs"]
#[allow(dead_code, reason = "shared with the tests of the crate, which need more of it")]
mod made;
mod packets;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result, ensure};
use clap::{Parser, ValueEnum};
use measure::turns::Turns;
use measure::{conditions, print};

use self::cases::Bench;
use self::packets::Long;

/// A figure was missed that must be reached.
const EXIT_MISSED: u8 = 1;
/// Like the other commands of the program: they ended with a fault.
const EXIT_FAULT: u8 = 2;

#[derive(Parser)]
#[command(
    name = "schemas",
    about = "Đo việc đọc gói tin edXML, từng cặp xen kẽ, bên cạnh mức tốt nhất của máy / Measures the reading of edXML packets in interleaved pairs, beside the least that the machine needs"
)]
struct Cli {
    /// Chỉ đo các trường hợp này / These cases only
    #[arg(long, value_enum, value_delimiter = ',')]
    cases: Vec<Case>,
    /// Số cặp / Pairs
    #[arg(long, default_value_t = 9)]
    pairs: usize,
    /// Chạy nhanh: 3 cặp ngắn / A short run: 3 short pairs, for a look; its figures prove little
    #[arg(long)]
    quick: bool,
    /// One reading of a long packet, written meanwhile, and how far the peak of memory rose.
    #[arg(long, hide = true, value_enum)]
    growth_long: Option<Long>,
    /// One reading of the packet in this file, and how far the peak of memory rose.
    #[arg(long, hide = true, value_name = "FILE")]
    growth_file: Option<PathBuf>,
}

/// The cases.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
enum Case {
    /// 1 GB, streamed: memory
    Long,
    /// 10 MB, one attachment, from memory
    Attachment,
    /// Packets made to cost much
    Bombs,
    /// Packets full of what is odd
    Crowds,
    /// 10 KB, packets per CPU-second
    Small,
}

fn main() -> ExitCode {
    match run(Cli::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(EXIT_MISSED),
        Err(fault) => {
            print(&format!("bench: {fault:#}"));
            ExitCode::from(EXIT_FAULT)
        }
    }
}

fn run(cli: Cli) -> Result<bool> {
    if let Some(long) = cli.growth_long {
        return engine::print_growth_of_long(long).map(|()| true);
    }
    if let Some(file) = &cli.growth_file {
        return engine::print_growth_of_file(file).map(|()| true);
    }
    ensure!(cli.pairs > 0, "--pairs must be at least 1");
    let turns = if cli.quick { Turns::quick() } else { Turns::full(cli.pairs) };
    // Beside the program, on the disk of the build: a temporary folder is often in memory.
    let program = std::env::current_exe()?;
    let beside = program.parent().context("the program lies in no folder")?;
    let folder = tempfile::Builder::new().prefix("bench-schemas-").tempdir_in(beside)?;
    print(
        "schemas: edXML packets, unsigned\n\
         ours:  read_envelope: strict XML, every field, attachments decoded, hashed, ZIPs unpacked; one thread\n\
         least: what the case names, over the same bytes in memory; ours and least take turns, ratios are of one turn\n\
         ratio: of wall-clock times, median (least to most); beside it the median of CPU times",
    );
    conditions::tell(folder.path());
    print(&format!("{turns}"));
    conditions::tell_load("before");
    let mut bench = Bench::new(folder.path(), turns);
    for case in Case::value_variants() {
        if cli.cases.is_empty() || cli.cases.contains(case) {
            bench.measure(*case)?;
        }
    }
    conditions::tell_load("after");
    Ok(bench.conclude())
}
