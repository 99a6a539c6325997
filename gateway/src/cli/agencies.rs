//! `lienthong agencies`: what connected systems ask to be registered or deleted, for an operator to decide; and what stands
//! beside the directory file. Asks the running gateway. Exit codes: 0, 1 when it is refused, 3 usage or I/O.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use jiff::Timestamp;
use lienthong_pipeline::directory::{Decided, Decision, LeftOut, Request, Why, Wish};
use lienthong_pipeline::record::SystemId;
use lienthong_schemas::organ::OrganId;

use super::reach::{At, refused};
use super::tables::{facts, json, rows, time};
use super::{CommandFault, block_on};
use crate::control::agencies::{Word, home_words};
use crate::control::client::AskFault;
use crate::rolls::view::RollView;

/// How long the gateway has to answer.
const WITHIN: std::time::Duration = std::time::Duration::from_secs(60);

#[derive(Subcommand)]
pub(super) enum AgenciesCommand {
    /// Các yêu cầu chờ duyệt, và đơn vị đã được thêm ngoài tệp danh bạ / What waits, and what stands beside the directory file
    Pending(Look),
    /// Duyệt yêu cầu của hệ thống / Agree to what a system asks for
    Approve(Decide),
    /// Từ chối yêu cầu của hệ thống / Refuse what a system asks for
    Reject(Decide),
}

#[derive(Args)]
pub(super) struct Look {
    #[command(flatten)]
    at: At,
    /// Kết quả dạng JSON / Result as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
pub(super) struct Decide {
    /// Mã của hệ thống trong [systems.<mã>] / Id of the system in the settings
    system: String,
    /// Mã định danh của đơn vị / Code of the organisation
    #[arg(value_parser = OrganId::parse)]
    code: OrganId,
    /// Lý do, được ghi lại, tối đa 200 ký tự / Why; it is recorded, at most 200 characters
    #[arg(long, value_name = "TEXT")]
    reason: String,
    /// Chỉ khi yêu cầu đang chờ là của lúc này, như đã xem; bắt buộc khi duyệt / Only if what waits is of this time, as it was shown; needed to agree
    #[arg(long, value_name = "TIME")]
    since: Option<Timestamp>,
    #[command(flatten)]
    look: Look,
}

pub(super) fn run(command: &AgenciesCommand) -> Result<ExitCode, CommandFault> {
    match command {
        AgenciesCommand::Pending(look) => look.show(|_| true),
        AgenciesCommand::Approve(decide) => decide.run(Decided::Approved),
        AgenciesCommand::Reject(decide) => decide.run(Decided::Rejected),
    }
}

impl Look {
    /// Of a settings file.
    pub(super) fn of(at: At, json: bool) -> Self {
        Self { at, json }
    }

    /// Shows the rolls that are wanted.
    pub(super) fn show(&self, wanted: impl Fn(&RollView) -> bool) -> Result<ExitCode, CommandFault> {
        self.ask(None, wanted)
    }

    /// Has something decided or done, and shows what came of it.
    pub(super) fn have(&self, what: &str, word: &Word) -> Result<ExitCode, CommandFault> {
        self.ask(Some((what, word)), |view| view.id == word.id)
    }

    fn ask(
        &self,
        word: Option<(&str, &Word)>,
        wanted: impl Fn(&RollView) -> bool,
    ) -> Result<ExitCode, CommandFault> {
        let views = block_on(async {
            let Some(client) = self.at.running().await? else { return Ok(Err(AskFault::Stopped)) };
            Ok(match word {
                None => client.get::<Vec<RollView>>("/v1/agencies", WITHIN).await,
                Some((what, word)) => client.post(&format!("/v1/agencies/{what}"), word, WITHIN).await,
            })
        })?;
        let mut views = match views {
            Ok(views) => views,
            Err(fault) => return refused(fault),
        };
        views.retain(wanted);
        if self.json {
            json(&views)?
        } else {
            views.iter().for_each(shown)
        }
        Ok(ExitCode::SUCCESS)
    }
}

impl Decide {
    fn run(&self, decided: Decided) -> Result<ExitCode, CommandFault> {
        seen(decided, self.since)?;
        let id = SystemId::parse(&self.system);
        let id = id.ok_or_else(|| CommandFault::at(&self.system, "a-z 0-9 -, 1..=32"))?;
        let word = Word { id, code: Some(self.code.clone()), since: self.since, reason: self.reason.clone() };
        self.look.have(path(decided), &word)
    }
}

/// Nobody agrees to what was not looked at.
pub(super) fn seen(decided: Decided, since: Option<Timestamp>) -> Result<(), CommandFault> {
    match (decided, since) {
        (Decided::Approved, None) => Err(CommandFault::at(
            "--since",
            "cần lúc của việc đã xem, xem lệnh pending (the time of what was looked at is needed; `pending` shows it)",
        )),
        _ => Ok(()),
    }
}

/// The last part of the address of a decision.
pub(super) const fn path(decided: Decided) -> &'static str {
    match decided {
        Decided::Approved | Decided::Taken => "approve",
        Decided::Rejected => "reject",
    }
}

fn shown(view: &RollView) {
    facts([
        ("Nơi kết nối (home)", home_words(&view.home)),
        ("Đơn vị ngoài tệp danh bạ (beside the file)", view.open.to_string()),
        ("Đã đóng (closed)", view.closed.to_string()),
        ("Lần hỏi danh sách gần nhất (last list)", time(view.synced_at)),
    ]);
    let mut lines: Vec<[String; 4]> = Vec::new();
    if let Some(pending) = &view.pending {
        lines.push([
            "chờ duyệt (waits)".to_owned(),
            String::new(),
            time(Some(pending.at)),
            format!("danh sách {} đơn vị (list of {})", pending.listed, pending.listed),
        ]);
        let plan = pending.plan.as_ref();
        lines.extend(plan.into_iter().flat_map(|plan| &plan.in_doubt).map(lost));
        for (what, codes) in plan.into_iter().flat_map(|plan| {
            [("mới (new)", &plan.opens), ("khác (changed)", &plan.changes), ("đóng (closed)", &plan.closes)]
        }) {
            lines.extend(
                codes.iter().map(|code| [what.to_owned(), code.to_string(), String::new(), String::new()]),
            );
        }
    }
    lines.extend(view.requests.iter().map(request));
    lines.extend(view.left_out.iter().map(left_out));
    lines.extend(view.decisions.iter().map(decision));
    if !lines.is_empty() {
        rows([("VIỆC", "what"), ("MÃ", "code"), ("LÚC", "at"), ("GHI CHÚ", "note")], lines);
    }
    for command in agreeing(view) {
        facts([("Để duyệt (to agree)", command)]);
    }
}

/// The commands that agree to what was shown, with its times to the last digit.
fn agreeing(view: &RollView) -> impl Iterator<Item = String> {
    let id = &view.id;
    let list = view.pending.iter().map(move |pending| {
        format!("lienthong axis approve {id} --since {} --reason \"…\" -c …", pending.at)
    });
    let requests = view.requests.iter().map(move |request| {
        format!("lienthong agencies approve {id} {} --since {} --reason \"…\" -c …", request.code, request.at)
    });
    list.chain(requests)
}

fn lost(system: &SystemId) -> [String; 4] {
    let note = "tệp danh bạ của hệ thống này hỏng, không rõ mã nào của nó (its roll is damaged: its codes are not known)";
    ["nghi ngờ (in doubt)".to_owned(), system.to_string(), String::new(), note.to_owned()]
}

fn request(request: &Request) -> [String; 4] {
    let (what, note) = match &request.wish {
        Wish::Register { name, contact, parent } => {
            let parts = [name.as_str(), contact, parent].into_iter().filter(|part| !part.is_empty());
            ("xin đăng ký (to be registered)", parts.collect::<Vec<_>>().join("; "))
        }
        Wish::Delete => ("xin xóa (to be deleted)", String::new()),
    };
    [what.to_owned(), request.code.to_string(), time(Some(request.at)), note]
}

fn left_out(one: &LeftOut) -> [String; 4] {
    let why = match one.why {
        Why::CodeTaken => {
            "mã đã có trong tệp danh bạ hoặc ở nơi khác (the code is in the file, or elsewhere)"
        }
        Why::NoWay => "nơi kết nối không nhận gói tin (its home takes no packets)",
    };
    ["bị bỏ qua (left out)".to_owned(), one.code.to_string(), String::new(), why.to_owned()]
}

fn decision(one: &Decision) -> [String; 4] {
    let what = match one.decided {
        Decided::Taken => "đã lấy (taken)",
        Decided::Approved => "đã duyệt (approved)",
        Decided::Rejected => "đã từ chối (rejected)",
    };
    let code = one.code.as_ref().map(ToString::to_string).unwrap_or_default();
    let counts = format!("+{} ~{} -{}", one.opened, one.changed, one.closed);
    let parts = [counts.as_str(), &one.operator, &one.reason].into_iter().filter(|part| !part.is_empty());
    [what.to_owned(), code, time(Some(one.at)), parts.collect::<Vec<_>>().join("; ")]
}
