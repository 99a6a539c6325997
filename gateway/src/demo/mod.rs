//! `lienthong demo`: the main job, once, on real input, with the gateway as a child process and every fault of the day.
//! It ends with `demo: OK` only when every receiver has exactly the bytes it should have.

pub mod axis;
mod cast;
pub mod child;
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

use crate::cli::{CommandFault, block_on, complain, print};
use cast::Cast;
use scenes::Scenes;

#[derive(Args)]
pub(crate) struct Demo {
    /// Để trục chạy tiếp sau khi xong / Leave it running afterwards
    #[arg(long)]
    stay: bool,
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
        if let Err(fault) = outcome {
            let kept = folder.keep();
            complain(&fault.0);
            print(&format!("demo: FAILED\nTệp để xem lại / files to look at: {}", kept.display()));
            return Ok(ExitCode::FAILURE);
        }
        if !self.stay {
            print("\ndemo: OK");
        }
        Ok(ExitCode::SUCCESS)
    }
}
