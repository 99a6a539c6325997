//! `lienthong axis`: what an operator asks of an axis by hand: whether it answers, and who is registered there; and what the
//! running gateway staged of that. Exit codes: 0, 1 when the axis refuses or somebody has to decide, 3 usage or I/O.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use jiff::Timestamp;
use lienthong_adapters::national_axis::{NationalAxis, Register};
use lienthong_pipeline::clock::SystemClock;
use lienthong_pipeline::directory::{Agency, Comparison, Decided, Joined, joined};
use lienthong_pipeline::ports::{AxisInbox, Clock, DeliveryFailure, Traffic};
use lienthong_pipeline::record::SystemId;
use lienthong_schemas::edxml::VIETNAM;

use super::agencies::{Look, path, seen};
use super::reach::EXIT_REFUSED;
use super::tables::{facts, json, rows};
use super::{CommandFault, block_on, complain};
use crate::control::agencies::Word;
use crate::serve::settings::{Loaded, load_all};

#[derive(Subcommand)]
pub(super) enum AxisCommand {
    /// Trục có trả lời không, khóa có đúng không / Whether an axis answers, and the secret is right
    Ping(At),
    /// So danh sách đơn vị của trục với danh bạ / Compare the axis's agencies with the directory
    Agencies(Compare),
    /// Bảo trục tỉnh lấy danh sách đơn vị ngay / Have the running gateway stage the axis's agencies now
    Sync(Ask),
    /// Duyệt danh sách đơn vị đang chờ / Agree to a list of agencies that waits
    Approve(Decide),
    /// Từ chối danh sách đơn vị đang chờ / Refuse a list of agencies that waits
    Reject(Decide),
}

#[derive(Args)]
pub(super) struct At {
    /// Mã của trục trong [axes.<mã>] / Id of the axis in the settings
    axis: String,
    /// Tệp cấu hình TOML / Settings file
    #[arg(short, long, value_name = "FILE")]
    config: PathBuf,
    /// Kết quả dạng JSON / Result as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
pub(super) struct Ask {
    /// Mã của trục trong [axes.<mã>] / Id of the axis in the settings
    axis: String,
    #[command(flatten)]
    look: Look,
}

#[derive(Args)]
pub(super) struct Decide {
    #[command(flatten)]
    ask: Ask,
    /// Lý do, được ghi lại, tối đa 200 ký tự / Why; it is recorded, at most 200 characters
    #[arg(long, value_name = "TEXT")]
    reason: String,
    /// Chỉ khi danh sách đang chờ là của lúc này, như đã xem; bắt buộc khi duyệt / Only if the list that waits is of this time, as it was shown; needed to agree
    #[arg(long, value_name = "TIME")]
    since: Option<Timestamp>,
}

#[derive(Args)]
pub(super) struct Compare {
    #[command(flatten)]
    at: At,
    /// Ghi các mục danh bạ cho đơn vị mới ra tệp / Write directory entries of new agencies to a file
    #[arg(long, value_name = "FILE")]
    write: Option<PathBuf>,
    /// Đồng ý dù trên 5 % đơn vị không còn trong danh sách / Go on although more than 5 % are gone
    #[arg(long)]
    approve_gone: bool,
    /// Chỉ xem trục tỉnh đang chạy đã lấy gì, gì chờ duyệt / Only what the running gateway has staged, and what waits
    #[arg(long, conflicts_with_all = ["write", "approve_gone"])]
    pending: bool,
}

pub(super) fn run(command: &AxisCommand) -> Result<ExitCode, CommandFault> {
    match command {
        AxisCommand::Ping(at) => at.ping(),
        AxisCommand::Agencies(compare) if compare.pending => compare.staged(),
        AxisCommand::Agencies(compare) => compare.run(),
        AxisCommand::Sync(ask) => ask.have("sync", "", None),
        AxisCommand::Approve(decide) => decide.run(Decided::Approved),
        AxisCommand::Reject(decide) => decide.run(Decided::Rejected),
    }
}

impl Ask {
    fn have(&self, what: &str, reason: &str, since: Option<Timestamp>) -> Result<ExitCode, CommandFault> {
        let word = Word { id: id_of(&self.axis)?, code: None, since, reason: reason.to_owned() };
        self.look.have(what, &word)
    }
}

impl Decide {
    fn run(&self, decided: Decided) -> Result<ExitCode, CommandFault> {
        seen(decided, self.since)?;
        self.ask.have(path(decided), &self.reason, self.since)
    }
}

fn id_of(axis: &str) -> Result<SystemId, CommandFault> {
    SystemId::parse(axis).ok_or_else(|| CommandFault::at(axis, "a-z 0-9 -, 1..=32"))
}

impl At {
    fn open(&self) -> Result<(Loaded, SystemId, NationalAxis), CommandFault> {
        crate::serve::install_crypto();
        let loaded = load_all(&self.config).map_err(|faults| CommandFault(faults.join("\n")))?;
        let id = SystemId::parse(&self.axis).filter(|id| loaded.settings.axes.contains_key(id.as_str()));
        let id =
            id.ok_or_else(|| CommandFault::at(format!("axes.{}", self.axis), "không có (no such axis)"))?;
        let endpoint =
            crate::serve::axis_endpoint(&loaded.settings.axes[id.as_str()]).map_err(CommandFault)?;
        let client = NationalAxis::new([(id.clone(), endpoint)]);
        Ok((loaded, id, client.map_err(|fault| CommandFault(fault.to_string()))?))
    }

    /// Looks at both lists. Nothing is fetched.
    fn ping(&self) -> Result<ExitCode, CommandFault> {
        let (_, id, client) = self.open()?;
        let waiting = |traffic| {
            let (id, client) = (&id, &client);
            async move { Ok(client.waiting(id, traffic, SystemClock.now()).await.map(|list| list.entries.len())) }
        };
        let counts = block_on(async {
            Ok::<_, CommandFault>([waiting(Traffic::Documents).await?, waiting(Traffic::Statuses).await?])
        })?;
        let [documents, statuses] = match counts {
            [Ok(documents), Ok(statuses)] => [documents, statuses],
            [Err(failure), _] | [_, Err(failure)] => return Ok(refused(&failure)),
        };
        if self.json {
            json(&serde_json::json!({ "axis": id, "documents": documents, "statuses": statuses }))?;
        } else {
            facts([
                ("Trục (axis)", format!("{id} trả lời, khóa đúng (answers, the secret is right)")),
                ("Văn bản đang chờ (documents waiting)", documents.to_string()),
                ("Trạng thái đang chờ (statuses waiting)", statuses.to_string()),
            ]);
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn refused(failure: &DeliveryFailure) -> ExitCode {
    complain(&failure.to_string());
    ExitCode::from(EXIT_REFUSED)
}

impl Compare {
    fn staged(&self) -> Result<ExitCode, CommandFault> {
        let id = id_of(&self.at.axis)?;
        Look::of(super::reach::At::of(&self.at.config), self.at.json).show(|view| view.id == id)
    }

    fn run(&self) -> Result<ExitCode, CommandFault> {
        let (loaded, id, client) = self.at.open()?;
        let ask = async {
            let now = SystemClock.now();
            let current = client.agencies(&id, Register::Current, now).await;
            // Axes before SDK 2.0.1 have no such list.
            let newer = client.agencies(&id, Register::Qd20, now).await;
            Ok::<_, CommandFault>((current, newer))
        };
        let (current, newer) = match block_on(ask)? {
            (Err(failure), _) => return Ok(refused(&failure)),
            (Ok(current), newer) => (current, newer),
        };
        if let Err(failure) = &newer {
            complain(&format!("getAgenciesListQD20: {failure}"));
        }
        let newer = newer.unwrap_or_default();
        let broken = current.broken + newer.broken;
        let Joined { agencies, unclear } = joined(current.agencies, newer.agencies);
        let today = SystemClock.now().to_zoned(VIETNAM.to_time_zone()).date();
        let mut comparison = Comparison::of(&loaded.with_rolls(), &id, &agencies, today);
        comparison.ambiguous.extend(unclear);
        let waits = comparison.needs_approval() && !self.approve_gone;
        if self.at.json {
            json(&serde_json::json!({
                "axis": id, "listed": agencies.len(), "broken": broken, "waits_for_approval": waits,
                "comparison": comparison,
            }))?;
        } else {
            shown(&comparison, agencies.len(), broken);
        }
        if waits {
            complain(
                "trên 5 % đơn vị không còn trong danh sách, chờ duyệt: --approve-gone (more than 5 % are gone: not written)",
            );
            return Ok(ExitCode::from(EXIT_REFUSED));
        }
        if let Some(file) = &self.write {
            let staged = staged(&comparison, &id);
            std::fs::write(file, staged).map_err(|cause| CommandFault::at(file.display(), cause))?;
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn codes(agency: &Agency) -> String {
    let other: Vec<String> = agency.other.iter().map(ToString::to_string).collect();
    other.join(" ")
}

fn shown(comparison: &Comparison, listed: usize, broken: usize) {
    facts([
        ("Trong danh sách của trục (listed)", listed.to_string()),
        ("Dòng hỏng (broken lines)", broken.to_string()),
        ("Giống danh bạ (the same)", comparison.same.to_string()),
        ("Ở nơi khác, giữ nguyên (elsewhere, left as they are)", comparison.elsewhere.len().to_string()),
    ]);
    let line = |what: &str, code: String, agency: Option<&Agency>| {
        [
            what.to_owned(),
            code,
            agency.map(codes).unwrap_or_default(),
            agency.map_or_else(String::new, |a| a.name.clone()),
        ]
    };
    let added = comparison.added.iter().map(|one| line("mới (new)", one.code.to_string(), Some(one)));
    let changed =
        comparison.changed.iter().map(|(id, one)| line("khác (changed)", id.to_string(), Some(one)));
    let back = comparison.back.iter().map(|(id, one)| line("trở lại (back)", id.to_string(), Some(one)));
    let gone = comparison.gone.iter().map(|id| line("không còn (gone)", id.to_string(), None));
    let odd = comparison.ambiguous.iter().map(|one| line("lẫn (ambiguous)", one.code.to_string(), Some(one)));
    let all: Vec<_> = added.chain(changed).chain(back).chain(gone).chain(odd).collect();
    if !all.is_empty() {
        rows([("VIỆC", "what"), ("MÃ", "code"), ("MÃ KHÁC", "other codes"), ("TÊN", "name")], all);
    }
}

/// Entries for the directory, and what is to be looked at by hand, as comments.
fn staged(comparison: &Comparison, axis: &SystemId) -> String {
    let mut text = String::new();
    for agency in &comparison.added {
        let quoted = |text: &str| toml::Value::from(text).to_string();
        let other: Vec<String> = agency.other.iter().map(|code| quoted(code.as_str())).collect();
        let name = if agency.name.is_empty() { agency.code.as_str() } else { &agency.name };
        let _never_fails = write!(
            text,
            "[[organisation]]\norgan_id = {}\naliases = [{}]\nname = {}\nhome = {{ axis = {} }}\n\n",
            quoted(agency.code.as_str()),
            other.join(", "),
            quoted(name),
            quoted(axis.as_str()),
        );
    }
    for (id, agency) in &comparison.changed {
        text += &format!("# khác (changed): {id}: {} {} {}\n", agency.code, codes(agency), agency.name);
    }
    for id in &comparison.gone {
        text += &format!("# không còn (gone): {id}\n");
    }
    text
}
