//! What an operator has done to deliveries: by ids, or page by page to all that a filter names.

use std::collections::BTreeMap;
use std::process::ExitCode;

use clap::Args;
use lienthong_pipeline::operate::look::Wanted;
use lienthong_pipeline::operate::{Outcome, PASS_MAX, Target};
use lienthong_pipeline::ports::Listing;
use lienthong_pipeline::record::SystemId;
use lienthong_schemas::ids::DeliveryId;
use lienthong_schemas::organ::OrganId;
use serde::Serialize;

use super::deliveries::Filter;
use super::reach::{At, EXIT_REFUSED, Reach, refused};
use super::tables::{json, rows};
use super::{CommandFault, block_on, complain};
use crate::control::IDS_MAX;
use crate::control::client::AskFault;
use crate::control::desk::{ActRequest, Outcomes, Verb};

/// Most deliveries that one command does something to.
const LIMIT_MAX: i64 = 100_000;

/// Something to do to deliveries.
#[derive(Args)]
pub(super) struct Request {
    #[command(flatten)]
    at: At,
    /// Mã các bản chuyển; hoặc dùng bộ lọc / The deliveries' ids; or use a filter
    #[arg(value_name = "ID")]
    ids: Vec<DeliveryId>,
    #[command(flatten)]
    filter: Filter,
    /// Mọi bản chuyển mà bộ lọc cho qua, không chỉ trang đầu / All that the filter lets pass, not only the first page
    #[arg(long)]
    all: bool,
    /// Số bản chuyển tối đa / Deliveries at most
    #[arg(long, value_parser = clap::value_parser!(i64).range(1..=LIMIT_MAX))]
    limit: Option<i64>,
    /// Chỉ nói sẽ làm gì, không làm / Only say what would be done
    #[arg(long)]
    dry_run: bool,
    /// Lý do, ghi vào lịch sử và nhật ký, tối đa 200 ký tự / Why; goes to history and log, at most 200 characters
    #[arg(long, value_name = "TEXT", required_unless_present = "dry_run")]
    reason: Option<String>,
    /// Kết quả dạng JSON / Result as JSON
    #[arg(long)]
    json: bool,
}

/// Another way for deliveries. Without `--to-receiver` and `--via` the directory decides.
#[derive(Args)]
pub(super) struct Reroute {
    /// Giao cho đơn vị khác, tại nơi kết nối của nó / To another organisation, at its home
    #[arg(long, value_name = "CODE", value_parser = OrganId::parse, conflicts_with = "via")]
    to_receiver: Option<OrganId>,
    /// Qua hệ thống hoặc trục khác / By another connected system or axis
    #[arg(long, value_name = "ID")]
    via: Option<String>,
    #[command(flatten)]
    request: Request,
}

impl Reroute {
    /// Has it done.
    pub(super) fn run(self, listing: Listing) -> Result<ExitCode, CommandFault> {
        let to = match (self.to_receiver, self.via) {
            (Some(receiver), _) => Target::Receiver(receiver),
            (None, Some(via)) => {
                let system = SystemId::parse(&via);
                Target::Via(system.ok_or_else(|| CommandFault::at("--via", "a-z 0-9 -, 1..=32"))?)
            }
            (None, None) => Target::Directory,
        };
        self.request.work(listing, Verb::Reroute, Some(to))
    }
}

/// What came of it.
#[derive(Default, Serialize)]
struct Report {
    outcomes: Vec<Outcome>,
    summary: Summary,
    /// The filter lets more pass than was asked for.
    more: bool,
}

#[derive(Default, Serialize)]
struct Summary {
    dry_run: bool,
    done: usize,
    refused: usize,
    by_verdict: BTreeMap<&'static str, usize>,
}

impl Request {
    /// Has it done; exit code 0 only when everything was done, or would be.
    pub(super) fn run(self, listing: Listing, verb: Verb) -> Result<ExitCode, CommandFault> {
        self.work(listing, verb, None)
    }

    fn work(self, listing: Listing, verb: Verb, to: Option<Target>) -> Result<ExitCode, CommandFault> {
        self.check()?;
        block_on(async {
            let reach = self.at.reach().await?;
            let (report, cut) = self.carry_out(&reach, listing, verb, to).await;
            reach.close().await?;
            self.tell(report, cut)
        })
    }

    fn check(&self) -> Result<(), CommandFault> {
        let by_filter = self.all || !self.filter.is_empty();
        let fault = match (self.ids.is_empty(), by_filter, self.limit) {
            (true, false, _) => "cần ID, hoặc bộ lọc, hoặc --all (needs ids, a filter, or --all)",
            (false, true, _) => "ID hoặc bộ lọc, không cùng lúc (ids or a filter, not both)",
            (false, _, Some(_)) => "--limit chỉ dùng với bộ lọc (--limit goes with a filter)",
            (true, _, Some(limit)) if !self.all && limit > PASS_MAX as i64 => {
                "nhiều hơn một trang thì cần --all (more than one page needs --all)"
            }
            _ => return Ok(()),
        };
        Err(CommandFault(fault.to_owned()))
    }

    /// Everything that was done, and what cut it short.
    async fn carry_out(
        &self,
        reach: &Reach,
        listing: Listing,
        verb: Verb,
        to: Option<Target>,
    ) -> (Report, Option<AskFault>) {
        let mut report = Report::default();
        let request = |ids: &[DeliveryId], filter| ActRequest {
            ids: ids.to_vec(),
            filter,
            to: to.clone(),
            reason: self.reason.clone().unwrap_or_else(|| "dry run".to_owned()),
            dry_run: self.dry_run,
        };
        for ids in self.ids.chunks(IDS_MAX) {
            match reach.act(listing, verb, request(ids, None)).await {
                Ok(done) => report.outcomes.extend(done.outcomes),
                Err(fault) => return (report, Some(fault)),
            }
        }
        if !self.ids.is_empty() {
            return (report, None);
        }
        let most = if self.all { LIMIT_MAX } else { PASS_MAX as i64 };
        let most = usize::try_from(self.limit.unwrap_or(most)).unwrap_or(PASS_MAX);
        let mut wanted = self.filter.wanted();
        loop {
            let limit = Some((most - report.outcomes.len()).min(PASS_MAX));
            let page = Wanted { limit, ..wanted.clone() };
            match reach.act(listing, verb, request(&[], Some(page))).await {
                Ok(Outcomes { outcomes, next, as_of }) => {
                    report.outcomes.extend(outcomes);
                    (wanted.after, wanted.as_of) = (next, as_of);
                }
                Err(fault) => return (report, Some(fault)),
            }
            if wanted.after.is_none() || report.outcomes.len() >= most {
                report.more = wanted.after.is_some();
                return (report, None);
            }
        }
    }

    fn tell(&self, mut report: Report, cut: Option<AskFault>) -> Result<ExitCode, CommandFault> {
        report.summary.dry_run = self.dry_run;
        for outcome in &report.outcomes {
            let count =
                if outcome.is_good() { &mut report.summary.done } else { &mut report.summary.refused };
            *count += 1;
            *report.summary.by_verdict.entry(outcome.verdict.as_str()).or_default() += 1;
        }
        // What got no answer at all is said on stderr alone.
        if cut.is_none() || !report.outcomes.is_empty() {
            if self.json { json(&report)? } else { shown(&report) }
        }
        match cut {
            Some(fault) => refused(fault),
            None if report.summary.refused == 0 => Ok(ExitCode::SUCCESS),
            None => Ok(ExitCode::from(EXIT_REFUSED)),
        }
    }
}

fn shown(report: &Report) {
    let head = [
        ("BẢN CHUYỂN", "delivery"),
        ("KẾT QUẢ", "outcome"),
        ("TRẠNG THÁI", "state"),
        ("THẾ HỆ", "generation"),
        ("ĐƯỜNG GỬI", "way"),
    ];
    let row = |outcome: &Outcome| {
        let after = outcome.delivery.as_ref();
        [
            outcome.delivery_id.to_string(),
            words(outcome),
            after.map(|after| after.state.wording().0.to_owned()).unwrap_or_default(),
            after.map(|after| after.generation.to_string()).unwrap_or_default(),
            outcome.route.as_ref().map(ToString::to_string).unwrap_or_default(),
        ]
    };
    if report.outcomes.is_empty() {
        complain("không có bản chuyển nào phù hợp (nothing fits)");
        return;
    }
    rows(head, report.outcomes.iter().map(row));
    let Summary { dry_run, done, refused, by_verdict } = &report.summary;
    let verdicts: Vec<String> =
        by_verdict.iter().map(|(verdict, count)| format!("{verdict} {count}")).collect();
    let verdicts = verdicts.join(", ");
    complain(&match dry_run {
        true => format!(
            "chưa làm gì; sẽ làm {done}, không làm được {refused} (nothing done; would be {done}, refused {refused}): {verdicts}"
        ),
        false => {
            format!("đã làm {done}, không làm được {refused} (done {done}, refused {refused}): {verdicts}")
        }
    });
    if report.more {
        complain("còn nữa: dùng --all, hoặc chạy lại (there are more: use --all, or run it again)");
    }
}

/// The outcome in words, with the other deliveries that it is about.
fn words(outcome: &Outcome) -> String {
    let mut words = format!("{} ({})", outcome.text_vi, outcome.text_en);
    if let Some(because) = outcome.because {
        words += &format!("; {because}");
    }
    for parked in &outcome.parked {
        words += &format!("; tạm giữ vì liên quan (held, being related): {parked}");
    }
    words
}
