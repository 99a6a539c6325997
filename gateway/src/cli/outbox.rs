//! `lienthong outbox check`: whether store and spool are whole and agree. Changes nothing, whether the gateway runs or is
//! stopped. Exit codes: 0 clean, 1 faults, 3 usage or I/O. The others, of `offline`, need a gateway that is stopped.

mod offline;

use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Subcommand};
use lienthong_outbox::{DataLock, OutboxCheck};

use super::reach::{At, EXIT_REFUSED, refused};
use super::tables::{facts, json, rows};
use super::{CommandFault, block_on};
use crate::control::client::AskFault;

/// How long a check of a running gateway may take: every packet may be read.
const WITHIN: Duration = Duration::from_secs(24 * 3600);

#[derive(Subcommand)]
pub(super) enum OutboxCommand {
    /// Kiểm tra, không sửa gì / Check; changes nothing
    Check(Check),
    /// Xuất kho ra từng dòng JSON / Write the store out as lines of JSON
    Export(offline::Export),
    /// Chuyển kho sang cách lưu khác / Move the store to the other engine
    Migrate(offline::Migrate),
    /// Dựng lại kho từ các bản tiếp nhận / Build the store anew from the admissions
    Rebuild(offline::Rebuild),
}

#[derive(Args)]
pub(super) struct Check {
    #[command(flatten)]
    at: At,
    /// Đọc lại từng gói tin / Read every packet
    #[arg(long)]
    deep: bool,
    /// Kết quả dạng JSON / Result as JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(command: &OutboxCommand) -> Result<ExitCode, CommandFault> {
    let check = match command {
        OutboxCommand::Check(check) => check,
        OutboxCommand::Export(export) => return export.run(),
        OutboxCommand::Migrate(migrate) => return migrate.run(),
        OutboxCommand::Rebuild(rebuild) => return rebuild.run(),
    };
    match block_on(check.made())? {
        Ok(found) => check.shown(&found),
        Err(fault) => refused(fault),
    }
}

impl Check {
    async fn made(&self) -> Result<Result<OutboxCheck, AskFault>, CommandFault> {
        if let Some(client) = self.at.running().await? {
            return Ok(client.get(&format!("/v1/outbox/check?deep={}", self.deep), WITHIN).await);
        }
        let Some(config) = self.at.config() else { return Ok(Err(AskFault::Stopped)) };
        let data = crate::serve::settings::load(config)?.gateway.data_dir;
        let deep = self.deep;
        let work = move || {
            let at_data = |cause: &dyn std::fmt::Display| CommandFault::at(data.display(), cause);
            let lock = DataLock::acquire(&data).map_err(|cause| at_data(&cause))?;
            lienthong_outbox::check(&lock, &data, deep).map_err(|cause| at_data(&cause))
        };
        let checked = tokio::task::spawn_blocking(work).await;
        checked.map_err(|panic| CommandFault::at("check", panic))?.map(Ok)
    }

    fn shown(&self, found: &OutboxCheck) -> Result<ExitCode, CommandFault> {
        if self.json {
            json(found)?
        } else {
            table(found)
        }
        Ok(if found.is_clean() { ExitCode::SUCCESS } else { ExitCode::from(EXIT_REFUSED) })
    }
}

fn table(found: &OutboxCheck) {
    let faults = found.faults.len() as u64 + found.more_faults;
    let verdict = match faults {
        0 => "toàn vẹn (clean)".to_owned(),
        _ => format!("{faults} lỗi (faults)"),
    };
    facts([
        ("Kết quả (result)", verdict),
        ("Văn bản (documents)", found.documents.to_string()),
        ("Bản chuyển (deliveries)", found.deliveries.to_string()),
        ("Chưa xong (pending)", found.pending.to_string()),
        ("Kết quả chưa ghi bên bản tiếp nhận (unnoted)", found.unnoted.to_string()),
        ("Gói tin (packets)", format!("{}  {} byte", found.blobs, found.bytes)),
    ]);
    if faults > 0 {
        let code = |code| serde_json::to_value(code).ok().and_then(|word| word.as_str().map(str::to_owned));
        let row = |fault: &lienthong_outbox::CheckFault| {
            [code(fault.code).unwrap_or_default(), fault.place.clone(), fault.detail.clone()]
        };
        rows([("LỖI", "fault"), ("CHỖ", "place"), ("CHI TIẾT", "detail")], found.faults.iter().map(row));
    }
}
