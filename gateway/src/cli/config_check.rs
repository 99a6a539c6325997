//! `lienthong config check`: everything that is wrong in settings, directory and the files they name, at once.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Subcommand;

use super::{CommandFault, print};
use crate::serve::settings;

#[derive(Subcommand)]
pub(super) enum ConfigCommand {
    /// Kiểm tra cấu hình, liệt kê mọi lỗi / Check the settings and list everything wrong
    Check {
        /// Tệp cấu hình TOML / Settings file
        #[arg(short, long, value_name = "FILE")]
        config: PathBuf,
    },
}

pub(super) fn run(command: &ConfigCommand) -> Result<ExitCode, CommandFault> {
    let ConfigCommand::Check { config } = command;
    match settings::load_all(config) {
        Ok(loaded) => {
            let organisations = loaded.directory.organisations().len();
            print(&format!(
                "cấu hình hợp lệ: {} hệ thống, {organisations} đơn vị (settings are good: {} systems, {organisations} \
                 organisations)",
                loaded.settings.systems.len(),
                loaded.settings.systems.len(),
            ));
            Ok(ExitCode::SUCCESS)
        }
        Err(faults) => {
            for fault in &faults {
                print(fault);
            }
            Err(CommandFault(format!("{} lỗi cấu hình ({} faults)", faults.len(), faults.len())))
        }
    }
}
