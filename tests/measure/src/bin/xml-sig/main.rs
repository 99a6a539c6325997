//! `./bench xml-sig`: what verifying XML signatures costs, each case beside the least that the same machine needs for it,
//! measured in turns. The cases and what they must reach are those of the crate's README.

mod cases;
mod documents;
mod engine;
mod keys;
mod least;
mod peers;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result, ensure};
use clap::{Parser, ValueEnum};
use measure::turns::Turns;
use measure::{conditions, print};

use self::cases::Bench;
use self::peers::Peers;

/// Like the other commands of the program: they ended with a fault.
const EXIT_FAULT: u8 = 2;

#[derive(Parser)]
#[command(
    name = "xml-sig",
    about = "Đo chữ ký XML, từng cặp xen kẽ, bên cạnh mức tốt nhất của máy / Measures XML signatures in interleaved pairs, beside the least that the machine needs"
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
    /// Không đo các chương trình khác / Without the other engines
    #[arg(long)]
    no_peers: bool,
    /// Chương trình của xml-sig/oracles / The program of xml-sig/oracles, if it was built elsewhere
    #[arg(long, value_name = "FILE")]
    oracles: Option<PathBuf>,
    /// One verification of the document in this folder, streamed, and how far the peak of memory rose.
    #[arg(long, hide = true, value_name = "FOLDER")]
    growth: Option<PathBuf>,
}

/// The cases.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
enum Case {
    /// 100 MB, one attachment, streamed from a file
    Streamed,
    /// 100 MB, from memory
    Memory,
    /// 10 KB, verifies per CPU-second
    Small,
    /// 10 MB of dense tags
    Dense,
    /// 100 MB with a wrong SignatureValue
    Wrong,
}

fn main() -> ExitCode {
    match run(Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(fault) => {
            print(&format!("bench: {fault:#}"));
            ExitCode::from(EXIT_FAULT)
        }
    }
}

fn run(cli: Cli) -> Result<()> {
    if let Some(folder) = &cli.growth {
        return cases::print_growth(folder);
    }
    ensure!(cli.pairs > 0, "--pairs must be at least 1");
    let turns = if cli.quick { Turns::quick() } else { Turns::full(cli.pairs) };
    // Beside the program, on the disk of the build: a temporary folder is often in memory.
    let program = std::env::current_exe()?;
    let beside = program.parent().context("the program lies in no folder")?;
    let folder = tempfile::Builder::new().prefix("bench-xml-sig-").tempdir_in(beside)?;
    print(
        "xml-sig: signed documents (RSA-2048 unless said otherwise, SHA-256, Canonical XML 1.0, URI=\"\", certificate in \
         KeyInfo, signer pinned)\n\
         ours:  locate and verify, nobody looks on; streamed: two reads of the file in pieces of 64 KiB; one thread\n\
         least: what the case names, over the same bytes in memory; ours and least take turns, ratios are of one turn\n\
         ratio: of wall-clock times, median (least to most); beside it the median of CPU times",
    );
    conditions::tell(folder.path());
    print(&format!("openssl: {}; {turns}", openssl::version::version()));
    conditions::tell_load("before");
    let peers = if cli.no_peers { None } else { Some(Peers::find(folder.path(), cli.oracles)?) };
    let mut bench = Bench::new(folder.path(), turns, peers)?;
    for case in Case::value_variants() {
        if cli.cases.is_empty() || cli.cases.contains(case) {
            bench.measure(*case)?;
        }
    }
    conditions::tell_load("after");
    bench.conclude();
    Ok(())
}
