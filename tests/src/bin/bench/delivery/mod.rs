//! `./bench delivery`: what the gateway does with packets from receipt to receiver, case by case, each beside what the
//! same machine does without it or without the load, in interleaved pairs.

mod dead;
mod end_to_end;
mod fan_out;
pub(crate) mod giant;
pub(crate) mod ground;
pub(crate) mod letters;
mod pending;
mod sink;
mod urgent;

use anyhow::{Context, Result, ensure};
use clap::{Args, ValueEnum};
use measure::wanted::Verdicts;
use measure::{conditions, print};

pub(crate) use pending::alone as store_alone;

use crate::accept;

#[derive(Args)]
pub(crate) struct Delivery {
    /// Chỉ những phần này / Only these cases
    #[arg(value_enum)]
    cases: Vec<Case>,
    /// Số cặp / Pairs
    #[arg(long, default_value_t = 5)]
    pairs: usize,
    /// Ít và ngắn hơn, để xem thử / Fewer and shorter, for a look; the figures do not count
    #[arg(long)]
    quick: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Case {
    /// Durable accepts of 10 KB packets, 64 callers, beside raw commits
    Accept,
    /// End to end 100 KB, one receiver, beside bare JetStream and HTTP
    EndToEnd,
    /// 5 MB to 500 receivers, beside one
    FanOut,
    /// An urgent packet behind 10,000 normal ones, beside idle
    Urgent,
    /// 1,000,000 pending deliveries: start beside a bare scan, commits beside an empty store
    Pending,
    /// One receiver of 1,000 dead, beside all alive
    Dead,
    /// A packet of 1 GB
    Giant,
}

/// How often pairs are measured.
#[derive(Clone, Copy)]
pub(crate) struct Pairs {
    count: usize,
    quick: bool,
}

impl Pairs {
    /// For cases that take long.
    fn few(self) -> usize {
        if self.quick { 1 } else { self.count.div_ceil(2) }
    }
}

impl Delivery {
    pub(crate) fn run(self) -> Result<bool> {
        ensure!(self.pairs > 0, "--pairs must be at least 1");
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        // Beside the program, on the disk of the build: a temporary folder is often in memory.
        let program = lienthong::demo::child::own_program()?;
        let beside = program.parent().context("the program lies in no folder")?;
        let folder = tempfile::Builder::new().prefix("bench-delivery-").tempdir_in(beside)?;
        conditions::tell(folder.path());
        let (mut verdicts, pairs) = (Verdicts::default(), Pairs { count: self.pairs, quick: self.quick });
        let all = Case::value_variants();
        for case in all.iter().filter(|case| self.cases.is_empty() || self.cases.contains(case)) {
            print(&format!(
                "\n{}",
                case.to_possible_value().and_then(|v| Some(v.get_help()?.to_string())).unwrap_or_default()
            ));
            conditions::tell_load("before");
            let folder = folder.path().join(format!("{case:?}"));
            let (program, folder) = (&*program, &*folder);
            runtime.block_on(async {
                match case {
                    Case::Accept => accept::judged(program, folder, self.pairs, &mut verdicts).await,
                    Case::EndToEnd => end_to_end::run(program, folder, pairs, &mut verdicts).await,
                    Case::FanOut => fan_out::run(program, folder, pairs, &mut verdicts).await,
                    Case::Urgent => urgent::run(program, folder, pairs, &mut verdicts).await,
                    Case::Pending => pending::run(program, folder, pairs, &mut verdicts).await,
                    Case::Dead => dead::run(program, folder, pairs, &mut verdicts).await,
                    Case::Giant => giant::run(program, folder, pairs, &mut verdicts).await,
                }
            })?;
            std::fs::remove_dir_all(folder)?;
        }
        Ok(verdicts.conclude())
    }
}
