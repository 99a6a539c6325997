//! `./bench`: measures the release build from the outside, always beside what the same machine can do at best, in
//! interleaved pairs. Started as `serve` or `broker-guard` this program is the gateway itself, so that what is measured
//! was built in one go, without crash points. `./bench xml-sig` is a program of its own, in `tests/measure`.

mod accept;
mod delivery;
mod mailbox;
mod scale;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use lienthong::cli::{EXIT_USAGE, complain};

/// The allocator of the program that is measured.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

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
    /// Từ biên nhận đến nơi nhận, từng phần / From receipt to receiver, case by case
    Delivery(delivery::Delivery),
    /// Hộp thư cho hệ thống dùng SDK: danh sách và gói tin lớn / Mailboxes of systems that speak the SDK's protocol: lists, and large packets
    Mailbox(mailbox::Mailbox),
    /// Chi phí mỗi văn bản khi danh bạ lớn dần / What a document costs with 10, 1,000 and 10,000 agencies
    Scale(scale::Scale),
}

fn main() -> ExitCode {
    let first = std::env::args_os().nth(1);
    if first.is_some_and(|first| first == "serve" || first == "broker-guard") {
        return lienthong::cli::main();
    }
    if let Some(done) = delivery::store_alone() {
        return done;
    }
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let code = if error.use_stderr() { EXIT_USAGE } else { 0 };
            return ExitCode::from(error.print().map_or(EXIT_USAGE, |()| code));
        }
    };
    let outcome = match cli.benchmark {
        Benchmark::Accept(accept) => accept.run().map(|()| true),
        Benchmark::Delivery(delivery) => delivery.run(),
        Benchmark::Mailbox(mailbox) => mailbox.run(),
        Benchmark::Scale(scale) => scale.run(),
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(fault) => {
            complain(&format!("bench: {fault:#}"));
            ExitCode::from(EXIT_USAGE)
        }
    }
}
