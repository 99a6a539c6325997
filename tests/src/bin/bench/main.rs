//! `./bench`: measures the release build from the outside, always beside what the same machine can do at best, in
//! interleaved pairs. Started as `serve` or `broker-guard` this program is the gateway itself, so that what is measured
//! was built in one go, without crash points.

mod accept;
mod conditions;
mod figures;
mod verify;

use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};
use lienthong::cli::{EXIT_USAGE, complain, print};

#[derive(Parser)]
#[command(
    name = "bench",
    about = "Đo bản release, từng cặp xen kẽ, bên cạnh mức tốt nhất của máy / Measures the release build in interleaved pairs"
)]
struct Cli {
    #[command(subcommand)]
    benchmark: Benchmark,
}

#[derive(Subcommand)]
enum Benchmark {
    /// Nhận gói tin 10 KB bền vững qua HTTP, cạnh ghi đĩa thuần / Durable accepts of signed 10 KB packets over HTTP, beside raw commits
    Accept(accept::Accept),
    /// Kiểm tra chữ ký, cạnh SHA-256 và một phép RSA / Signature verification of 10 KB to 100 MB, beside SHA-256 and one RSA verify
    Verify(verify::Verify),
    /// Tên các phép đo / The names of the benchmarks
    List,
}

fn main() -> ExitCode {
    let first = std::env::args_os().nth(1);
    if first.is_some_and(|first| first == "serve" || first == "broker-guard") {
        return lienthong::cli::main();
    }
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let code = if error.use_stderr() { EXIT_USAGE } else { 0 };
            return ExitCode::from(error.print().map_or(EXIT_USAGE, |()| code));
        }
    };
    let outcome = match cli.benchmark {
        Benchmark::Accept(accept) => accept.run(),
        Benchmark::Verify(verify) => verify.run(),
        Benchmark::List => {
            list();
            Ok(())
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(fault) => {
            complain(&format!("bench: {fault:#}"));
            ExitCode::from(EXIT_USAGE)
        }
    }
}

fn list() {
    for command in Cli::command().get_subcommands().filter(|command| command.get_name() != "list") {
        let about = command.get_about().map(ToString::to_string).unwrap_or_default();
        print(&format!("{:<8} {about}", command.get_name()));
    }
}
