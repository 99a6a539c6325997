//! `lienthong demo`: the main job, once, on real input, with the gateway as a child process and every fault of the day.
//! It ends with `demo: OK` only when every receiver has exactly the bytes it should have.

pub mod axis;
pub mod child;
pub mod mailbox;
pub mod pki;
pub mod receiver;
mod scenes;
mod sockets;
mod story;
pub mod world;

use std::process::ExitCode;

use clap::Args;

use crate::cli::{CommandFault, block_on, print};
use scenes::Scenes;
use world::{AGENCIES, Wishes, World};

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
        let wishes =
            Wishes { settings: vec![("delivery", "retry_first = \"1s\"".to_owned())], ..Wishes::default() };
        let world = World::make(folder.path(), &wishes).await?;
        let mut scenes = Scenes::open(world).await?;
        if let Err(fault) = scenes.play().await {
            let kept = folder.keep();
            print(&format!("demo: FAILED\nTệp để xem lại / files to look at: {}", kept.display()));
            return Err(fault);
        }
        print("\ndemo: OK");
        if self.stay {
            scenes.stay().await?;
        }
        scenes.close().await?;
        Ok(ExitCode::SUCCESS)
    }
}

/// Names of the receivers, for the table's head.
fn receiver_names() -> [&'static str; 3] {
    [AGENCIES[0].code, AGENCIES[1].code, AGENCIES[2].code]
}
