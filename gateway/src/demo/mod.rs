//! `lienthong demo`: the main job, once, on real input, with the gateway as a child process and every fault of the day.
//! It ends with `demo: OK` only when every receiver has exactly the bytes it should have.

pub mod axis;
mod cast;
pub mod child;
mod cluster;
pub mod mailbox;
pub mod pki;
mod program;
pub mod receiver;
mod scenes;
mod sockets;
mod story;
pub mod world;

use std::process::ExitCode;

use clap::Args;
use tempfile::TempDir;

use crate::cli::{CommandFault, block_on, complain, print};
use cast::Cast;
use cluster::Several;
use scenes::Scenes;

#[derive(Args)]
pub(crate) struct Demo {
    /// Để trục chạy tiếp sau khi xong / Leave it running afterwards
    #[arg(long)]
    stay: bool,
    /// Thử cụm: hai trục trên ba nút nats-server / Two gateways on three broker nodes instead
    #[arg(long, conflicts_with = "stay")]
    cluster: bool,
}

impl Demo {
    pub(crate) fn run(self) -> Result<ExitCode, CommandFault> {
        block_on(self.play())
    }

    async fn play(self) -> Result<ExitCode, CommandFault> {
        let folder = tempfile::Builder::new().prefix("lienthong-demo-").tempdir();
        let folder = folder.map_err(|cause| CommandFault::at("temporary folder", cause))?;
        print("Trục liên thông văn bản: chạy thử toàn bộ / the whole job, once");
        let program = child::own_program()?;
        if self.cluster {
            let outcome = Several::perform(folder.path(), program).await;
            return Ok(end(folder, outcome, true));
        }
        let cast = Cast::gather(folder.path(), &program).await?;
        let mut scenes = Scenes::open(cast, program).await?;
        let mut outcome = scenes.play().await;
        if outcome.is_ok() && self.stay {
            print("\ndemo: OK");
            outcome = scenes.stay().await;
        }
        if outcome.is_ok() {
            outcome = scenes.close().await;
        }
        Ok(end(folder, outcome, !self.stay))
    }
}

/// Says how it ended; what failed leaves its files.
fn end(folder: TempDir, outcome: Result<(), CommandFault>, say: bool) -> ExitCode {
    match outcome {
        Ok(()) => {
            if say {
                print("\ndemo: OK");
            }
            ExitCode::SUCCESS
        }
        Err(fault) => {
            let kept = folder.keep();
            complain(&fault.0);
            print(&format!("demo: FAILED\nTệp để xem lại / files to look at: {}", kept.display()));
            ExitCode::FAILURE
        }
    }
}
