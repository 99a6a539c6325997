//! `lienthong status`: how the gateway is, in one look.

use std::process::ExitCode;

use clap::Args;

use super::reach::{At, Reach, at};
use super::tables::{facts, json, time};
use super::{CommandFault, block_on};
use crate::control::desk::Status;

#[derive(Args)]
pub(super) struct ShowStatus {
    #[command(flatten)]
    at: At,
    /// Kết quả dạng JSON / Result as JSON
    #[arg(long)]
    json: bool,
}

impl ShowStatus {
    pub(super) fn run(self) -> Result<ExitCode, CommandFault> {
        let shown = |status: Status| {
            if self.json {
                json(&status)?
            } else {
                table(&status)
            }
            Ok(ExitCode::SUCCESS)
        };
        block_on(at(&self.at, async |reach: &Reach| reach.status().await, shown))
    }
}

fn table(status: &Status) {
    let running = match status.uptime_seconds {
        Some(seconds) => {
            format!("đang chạy {} từ (running since) {}", lasting(seconds), time(status.started_at))
        }
        None => "đang dừng (stopped)".to_owned(),
    };
    let more = if status.dead_letters_more { "+" } else { "" };
    let paused: Vec<String> =
        status.paused.iter().map(|(adapter, paused)| format!("{adapter} {paused}")).collect();
    facts([
        ("Trục (gateway)", format!("{} {}", status.node, status.name)),
        ("Phiên bản (version)", status.version.clone()),
        ("Tình trạng (is)", running),
        ("Hàng đợi tin (broker)", status.broker.clone()),
        ("Chưa xong (pending)", status.pending.to_string()),
        ("Chưa vào hàng đợi tin (unpublished)", status.unpublished.to_string()),
        ("Cũ nhất (oldest pending)", time(status.oldest_pending)),
        ("Cần xử lý (dead letters)", format!("{}{more}", status.dead_letters)),
        ("Tạm dừng (paused queues)", paused.join(", ")),
        (
            "Đơn vị trong danh bạ (organisations)",
            status.organisations.map(|n| n.to_string()).unwrap_or_default(),
        ),
        ("Kho (spool)", spool(status)),
        ("Nạp lại lần cuối (last reload)", time(status.last_reload)),
        (
            "Nạp lại danh bạ (reloads)",
            format!(
                "{} được nhận (applied), {} bị từ chối (refused)",
                status.reloads_applied, status.reloads_refused
            ),
        ),
    ]);
}

fn spool(status: &Status) -> String {
    let shown = |bytes: Option<u64>| {
        bytes.map_or_else(|| "?".to_owned(), |bytes| format!("{} MB", bytes / 1_000_000))
    };
    let quota = status.spool_quota.map_or_else(String::new, |_| format!("/ {} ", shown(status.spool_quota)));
    format!(
        "{} {quota}trên đĩa, còn trống (used; disk free) {}",
        shown(status.spool_bytes),
        shown(status.disk_free)
    )
}

/// Days, hours, minutes.
fn lasting(seconds: u64) -> String {
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60);
    match (days, hours) {
        (0, 0) => format!("{minutes}m"),
        (0, _) => format!("{hours}h{minutes:02}m"),
        _ => format!("{days}d{hours:02}h{minutes:02}m"),
    }
}

#[cfg(test)]
mod tests {
    use super::lasting;

    #[test]
    fn uptime_is_told_in_its_largest_units() {
        let told = [59, 60, 3_600, 86_399, 86_400, 90_061].map(lasting);
        assert_eq!(told, ["0m", "1m", "1h00m", "23h59m", "1d00h00m", "1d01h01m"]);
    }
}
