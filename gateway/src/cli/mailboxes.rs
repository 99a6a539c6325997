//! `lienthong mailboxes`: what waits for systems that fetch, and when they last came for it.

use std::process::ExitCode;

use clap::Args;
use lienthong_pipeline::mailbox::{OfList, OfSystem, Overview};
use lienthong_pipeline::record::{Lane, Waiting};

use super::reach::{At, Reach, at};
use super::tables::{json, rows, time};
use super::{CommandFault, block_on, print};

#[derive(Args)]
pub(super) struct ShowMailboxes {
    #[command(flatten)]
    at: At,
    /// Kết quả dạng JSON / Result as JSON
    #[arg(long)]
    json: bool,
}

impl ShowMailboxes {
    pub(super) fn run(self) -> Result<ExitCode, CommandFault> {
        let shown = |overview: Overview| {
            if self.json {
                json(&overview)?;
            } else {
                table(&overview);
            }
            Ok(ExitCode::SUCCESS)
        };
        block_on(at(&self.at, async |reach: &Reach| reach.mailboxes().await, shown))
    }
}

fn table(overview: &Overview) {
    if !overview.current {
        print(
            "Chưa đọc hết EVENTS: có thể còn mục khác đang chờ. (EVENTS is not read to its end: more may wait.)",
        );
    }
    if overview.parked_more {
        print("Còn nhiều mục cần xử lý chưa được đếm. (More is held than was counted.)");
    }
    let head = [
        ("Hệ thống", "system"),
        ("Danh sách", "list"),
        ("Độ khẩn", "lane"),
        ("Đang chờ", "waiting"),
        ("Cũ nhất", "oldest"),
        ("Tạm giữ", "parked"),
        ("Hỏi lần cuối", "last list"),
        ("Lấy lần cuối", "last fetch"),
    ];
    rows(head, overview.systems.iter().flat_map(lines));
}

/// One line for each list and lane; what is the system's own stands in the first.
fn lines(of: &OfSystem) -> Vec<[String; 8]> {
    let shown = |list: &OfList| {
        let kind = match list.list {
            Waiting::Documents => "văn bản (documents)",
            Waiting::Statuses => "trạng thái (statuses)",
        };
        let lane = match list.lane {
            Lane::Urgent => "khẩn (urgent)",
            Lane::Normal => "thường (normal)",
        };
        [kind.to_owned(), lane.to_owned(), list.waiting.to_string(), time(list.oldest)]
    };
    let mut lists: Vec<[String; 4]> = of.lists.iter().map(shown).collect();
    if lists.is_empty() {
        lists.push([String::new(), String::new(), "0".to_owned(), String::new()]);
    }
    let own = |first: bool, text: String| if first { text } else { String::new() };
    let line = |(at, [kind, lane, waiting, oldest]): (usize, [String; 4])| {
        let first = at == 0;
        [
            of.system.to_string(),
            kind,
            lane,
            waiting,
            oldest,
            own(first, of.parked.to_string()),
            own(first, time(of.last_list)),
            own(first, time(of.last_fetch)),
        ]
    };
    lists.into_iter().enumerate().map(line).collect()
}
