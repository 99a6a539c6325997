//! `lienthong quarantine`: packets that wait at an axis and were not taken, and why. Reads the data folder, whether the
//! gateway runs or is stopped.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use lienthong_outbox::{Aside, quarantined};

use super::CommandFault;
use super::tables::{json, rows, time};

#[derive(Subcommand)]
pub(super) enum QuarantineCommand {
    /// Gói tin từ trục khác chưa nhận được / Packets of axes that were not taken
    List(List),
}

#[derive(Args)]
pub(super) struct List {
    /// Tệp cấu hình TOML / Settings file
    #[arg(short, long, value_name = "FILE")]
    config: PathBuf,
    /// Kết quả dạng JSON / Result as JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(command: &QuarantineCommand) -> Result<ExitCode, CommandFault> {
    let QuarantineCommand::List(list) = command;
    let data = crate::serve::settings::load(&list.config)?.gateway.data_dir;
    let all = quarantined(&data).map_err(|cause| CommandFault::at(data.display(), cause))?;
    if list.json {
        json(&serde_json::json!({ "quarantined": all }))?;
    } else {
        let row = |aside: &Aside| {
            let note = &aside.note;
            let told = if note.told_fail { "fail" } else { "" };
            [
                time(Some(note.at)),
                note.axis.to_string(),
                note.doc_id.clone(),
                note.from.clone(),
                note.to.clone(),
                note.reason.clone(),
                note.detail.clone(),
                told.to_owned(),
                aside.record.display().to_string(),
            ]
        };
        rows(
            [
                ("LÚC", "at"),
                ("TRỤC", "axis"),
                ("MÃ", "docId"),
                ("TỪ", "from"),
                ("ĐẾN", "to"),
                ("LÝ DO", "reason"),
                ("CHI TIẾT", "detail"),
                ("ĐÃ BÁO", "told"),
                ("TỆP", "file"),
            ],
            all.iter().map(row),
        );
    }
    Ok(ExitCode::SUCCESS)
}
