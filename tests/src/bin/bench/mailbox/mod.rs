//! `./bench mailbox`: the door for systems that speak the national SDK's protocol: what an entry of a list costs when few
//! packets wait and when many do, and how much memory a large packet takes on its way in and out.

mod client;
mod large;
mod listing;

use anyhow::{Context, Result, ensure};
use clap::{Args, ValueEnum};
use measure::wanted::Verdicts;
use measure::{conditions, print};

use crate::delivery::ground::Ground;

/// The system with the mailbox; its `systemid` too.
const SYSTEM: &str = "hop";
const SECRET: &str = "bench-secret-of-a-mailbox-0000001";
/// Another one, with few packets.
const OTHER: &str = "hop-vang";

#[derive(Args)]
pub(crate) struct Mailbox {
    /// Chỉ những phần này / Only these cases
    #[arg(value_enum)]
    cases: Vec<Case>,
    /// Số cặp / Pairs
    #[arg(long, default_value_t = 20)]
    pairs: usize,
    /// Ít và ngắn hơn, để xem thử / Fewer and shorter, for a look; the figures do not count
    #[arg(long)]
    quick: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Case {
    /// An entry of a list, 10,000 waiting beside 100
    Listing,
    /// A packet of 500 MB in by sendEdoc, and out by getEdoc and downloadEdoc
    Large,
}

impl Mailbox {
    pub(crate) fn run(self) -> Result<bool> {
        ensure!(self.pairs > 0, "--pairs must be at least 1");
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        // Beside the program, on the disk of the build: a temporary folder is often in memory.
        let program = lienthong::demo::child::own_program()?;
        let beside = program.parent().context("the program lies in no folder")?;
        let folder = tempfile::Builder::new().prefix("bench-mailbox-").tempdir_in(beside)?;
        conditions::tell(folder.path());
        let mut verdicts = Verdicts::default();
        for case in Case::value_variants() {
            if !self.cases.is_empty() && !self.cases.contains(case) {
                continue;
            }
            print(&format!(
                "\n{}",
                case.to_possible_value().and_then(|v| Some(v.get_help()?.to_string())).unwrap_or_default()
            ));
            conditions::tell_load("before");
            let folder = folder.path().join(format!("{case:?}"));
            let quick = self.quick;
            runtime.block_on(async {
                match case {
                    Case::Listing => listing::run(&program, &folder, self.pairs, quick, &mut verdicts).await,
                    Case::Large => large::run(&program, &folder, quick, &mut verdicts).await,
                }
            })?;
            std::fs::remove_dir_all(folder)?;
        }
        Ok(verdicts.conclude())
    }
}

/// Settings and directory of two systems with mailboxes, and the organisations behind them, so many behind each.
fn systems(folder: &std::path::Path, behind: usize) -> Result<lienthong::demo::world::Beside> {
    let mut beside = lienthong::demo::world::Beside::default();
    for system in [SYSTEM, OTHER] {
        let secret = folder.with_extension(format!("{system}-secret"));
        std::fs::write(&secret, SECRET)?;
        beside.settings += &format!(
            "\n[systems.{system}]\nname = \"Hộp thư {system}\"\n\n[systems.{system}.sdk]\nsystem_id = \"{system}\"\n\
             secret_file = \"{}\"\n",
            secret.display()
        );
        for n in 0..behind {
            beside.directory += &format!(
                "[[organisation]]\norgan_id = \"{}\"\nname = \"Nơi nhận {n} của {system}\"\nhome = {{ system = \"{system}\" \
                 }}\nsignature = \"verify-if-present\"\n\n",
                organ(system, n)
            );
        }
    }
    Ok(beside)
}

/// The code of the nth organisation behind a system.
fn organ(system: &str, n: usize) -> String {
    let province = if system == SYSTEM { "H56" } else { "H57" };
    format!("{province}.{:02}.{:02}", n / 90 + 1, n % 90 + 1)
}

/// A client of this ground's gateway.
fn client(ground: &Ground, system: &str) -> client::Client {
    client::Client::new(&ground.world.public, system, SECRET)
}
