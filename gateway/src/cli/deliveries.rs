//! `lienthong deliveries`: what is on its way, why it is not there yet, and the wish to have it tried now.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use lienthong_pipeline::operate::look::{Line, PAGE_MAX, Page, Shown, Wanted};
use lienthong_pipeline::operate::{Act, Outcome};
use lienthong_pipeline::ports::Listing;
use lienthong_pipeline::record::{AdapterKind, Remark, State};
use lienthong_schemas::ids::DeliveryId;
use lienthong_schemas::organ::OrganId;

use super::reach::{At, EXIT_REFUSED, Reach, at, named};
use super::tables::{facts, json, rows, time};
use super::{CommandFault, block_on, complain};
use crate::control::client::AskFault;
use crate::control::desk::ActRequest;

/// Most deliveries that one command lists.
const LIMIT_MAX: i64 = 10_000;

#[derive(Subcommand)]
pub(super) enum DeliveriesCommand {
    /// Các bản chuyển chưa xong / Deliveries that are not over
    List(List),
    /// Một bản chuyển: văn bản, đường đi, lịch sử / One delivery: document, route, history
    Show(Show),
    /// Gửi ngay, không chờ hết thời gian tạm dừng / Try now, without waiting for the end of a pause
    Retry(Request),
}

/// Which deliveries of a list.
#[derive(Args)]
pub(super) struct List {
    #[command(flatten)]
    at: At,
    /// Mã nơi gửi / Code of the sender
    #[arg(long, value_name = "CODE", value_parser = OrganId::parse)]
    sender: Option<OrganId>,
    /// Mã nơi nhận / Code of the receiver
    #[arg(long, value_name = "CODE", value_parser = OrganId::parse)]
    receiver: Option<OrganId>,
    /// Trạng thái / State: queued, offered, parked, refused, given_up
    #[arg(long, value_parser = named::<State>)]
    state: Option<State>,
    /// Đường đi / Way out: vendor_http, email, national_axis
    #[arg(long, value_parser = named::<AdapterKind>)]
    adapter: Option<AdapterKind>,
    /// Số dòng tối đa / Lines at most
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(i64).range(1..=LIMIT_MAX))]
    limit: i64,
    /// Bắt đầu sau bản chuyển này / Begin after this delivery
    #[arg(long, value_name = "ID")]
    after: Option<DeliveryId>,
    /// Kết quả dạng JSON / Result as JSON
    #[arg(long)]
    json: bool,
}

/// One delivery.
#[derive(Args)]
pub(super) struct Show {
    #[command(flatten)]
    at: At,
    /// Mã bản chuyển / The delivery's id
    id: DeliveryId,
    /// Kết quả dạng JSON / Result as JSON
    #[arg(long)]
    json: bool,
}

/// Something to do to deliveries.
#[derive(Args)]
pub(super) struct Request {
    #[command(flatten)]
    at: At,
    /// Mã các bản chuyển / The deliveries' ids
    #[arg(required = true, value_name = "ID")]
    ids: Vec<DeliveryId>,
    /// Lý do, ghi vào lịch sử và nhật ký, tối đa 200 ký tự / Why; goes to history and log, at most 200 characters
    #[arg(long, value_name = "TEXT")]
    reason: String,
    /// Kết quả dạng JSON / Result as JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(command: DeliveriesCommand) -> Result<ExitCode, CommandFault> {
    match command {
        DeliveriesCommand::List(list) => list.run(Listing::Pending),
        DeliveriesCommand::Show(show) => show.run(),
        DeliveriesCommand::Retry(request) => request.run(Act::Retry),
    }
}

impl List {
    /// Lists them.
    pub(super) fn run(self, listing: Listing) -> Result<ExitCode, CommandFault> {
        block_on(at(
            &self.at,
            async |reach: &Reach| self.pages(reach, listing).await,
            |page| self.shown(&page),
        ))
    }

    /// Page after page, until there are enough.
    async fn pages(&self, reach: &Reach, listing: Listing) -> Result<Page, AskFault> {
        let limit = usize::try_from(self.limit).unwrap_or(PAGE_MAX);
        let mut whole = Page { deliveries: Vec::new(), next: self.after };
        loop {
            let wanted = Wanted {
                sender: self.sender.clone(),
                receiver: self.receiver.clone(),
                state: self.state,
                adapter: self.adapter,
                after: whole.next,
                limit: Some((limit - whole.deliveries.len()).min(PAGE_MAX)),
            };
            let page = reach.list(listing, &wanted).await?;
            whole.deliveries.extend(page.deliveries);
            whole.next = page.next;
            if whole.next.is_none() || whole.deliveries.len() >= limit {
                return Ok(whole);
            }
        }
    }

    fn shown(&self, page: &Page) -> Result<ExitCode, CommandFault> {
        if self.json {
            json(page)?;
            return Ok(ExitCode::SUCCESS);
        }
        let head = [
            ("BẢN CHUYỂN", "delivery"),
            ("NƠI GỬI", "sender"),
            ("NƠI NHẬN", "receiver"),
            ("ĐƯỜNG ĐI", "way"),
            ("TRẠNG THÁI", "state"),
            ("LẦN GỬI", "attempts"),
            ("TIẾP NHẬN", "accepted"),
            ("GỬI LẠI", "next attempt"),
            ("GHI CHÚ", "note"),
        ];
        rows(head, page.deliveries.iter().map(row));
        if let Some(next) = page.next {
            complain(&format!("còn nữa (there are more): --after {next}"));
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn row(line: &Line) -> [String; 9] {
    [
        line.delivery_id.to_string(),
        line.sender.to_string(),
        line.receiver.to_string(),
        line.adapter.as_str().to_owned(),
        line.state_vi.clone(),
        line.attempts.to_string(),
        time(Some(line.accepted_at)),
        time(line.next_attempt),
        line.last.as_ref().map(|last| last.note.clone()).unwrap_or_default(),
    ]
}

impl Show {
    /// Shows it.
    pub(super) fn run(self) -> Result<ExitCode, CommandFault> {
        let shown = |shown: Shown| {
            if self.json {
                json(&shown)?
            } else {
                table(&shown)
            }
            Ok(ExitCode::SUCCESS)
        };
        block_on(at(&self.at, async |reach: &Reach| reach.delivery(self.id).await, shown))
    }
}

fn table(shown: &Shown) {
    let line = &shown.delivery;
    let face = shown.document.as_ref();
    let said =
        |pick: fn(&lienthong_pipeline::operate::look::Face) -> String| face.map(pick).unwrap_or_default();
    let yes = |yes: bool, text: &str| if yes { text.to_owned() } else { String::new() };
    facts([
        ("Bản chuyển (delivery)", line.delivery_id.to_string()),
        ("Văn bản (document)", line.document_id.to_string()),
        ("Mã của nơi gửi (sender's id)", said(|face| face.sender_document_id.clone())),
        ("Số, ký hiệu, ngày (number, date)", said(|face| format!("{}  {}", face.code, face.date))),
        ("Trích yếu (subject)", said(|face| face.subject.clone())),
        ("Nơi gửi (sender)", format!("{}  {}", line.sender, said(|face| face.from_name.clone()))),
        ("Nơi nhận (receiver)", line.receiver.to_string()),
        ("Đường đi (way)", format!("{} {}", line.adapter.as_str(), line.system)),
        ("Danh bạ nay ghi (directory now)", shown.home_now.clone().unwrap_or_default()),
        ("Trạng thái (state)", format!("{} ({})", line.state_vi, line.state_en)),
        ("Nơi nhận báo (business state)", business(shown)),
        ("Lần gửi (attempts)", line.attempts.to_string()),
        ("Thế hệ (generation)", line.generation.to_string()),
        ("Tiếp nhận (accepted)", time(Some(line.accepted_at))),
        ("Gửi lại lúc (next attempt)", time(line.next_attempt)),
        ("Lỗi phía trục (ours to fix)", yes(line.ours_to_fix, "có (yes)")),
        ("Đã đóng (closed)", yes(line.closed, "có (yes)")),
        ("Gói tin (packet)", format!("sha256 {}  {} byte", shown.sha256, shown.bytes)),
        ("Gói tin trong kho (in the spool)", yes(!shown.packet_here, "KHÔNG CÒN (GONE)")),
        (
            "Chữ ký (signature)",
            said(|face| format!("{}  {}", face.signature, face.signer.clone().unwrap_or_default())),
        ),
        ("Lưu ý (findings)", said(|face| face.findings.join(", "))),
        ("Chi tiết lưu ý (remarks)", said(|face| remarks(&face.remarks))),
        ("Chờ sau (waits for)", waits_for(shown)),
    ]);
    let head =
        [("LÚC", "at"), ("VIỆC", "event"), ("TRẠNG THÁI", "state"), ("LẦN", "attempt"), ("GHI CHÚ", "note")];
    rows(
        head,
        shown.history.iter().map(|entry| {
            let state = entry.state.wording().0.to_owned();
            [time(Some(entry.at)), entry.event.clone(), state, entry.attempt.to_string(), entry.note.clone()]
        }),
    );
}

/// What the receiver has said, and what it has yet to answer.
fn business(shown: &Shown) -> String {
    let Some(business) = &shown.business else { return String::new() };
    let since = business.since.map(|since| format!("  từ (since) {}", time(Some(since)))).unwrap_or_default();
    let state = format!("{}  {} ({}){since}", business.code, business.vi, business.en);
    let pending = business.pending.iter().map(|pending| format!("{} ({})", pending.vi, pending.en));
    std::iter::once(state).chain(pending).collect::<Vec<_>>().join("\n")
}

fn remarks(remarks: &[Remark]) -> String {
    let lines = remarks.iter().map(|remark| {
        let detail = if remark.detail.is_empty() { String::new() } else { format!(": {}", remark.detail) };
        format!("{} {} ({}) {}{detail}", remark.code, remark.vi, remark.en, remark.field)
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn waits_for(shown: &Shown) -> String {
    let lines = shown.waits_for.iter().map(|earlier| {
        let why =
            if earlier.related { "văn bản liên quan (related)" } else { "đến trước (came first)" };
        let state = earlier.state.wording().0;
        format!("{} {state}, {why} {}", earlier.delivery_id, time(earlier.next_attempt))
    });
    lines.collect::<Vec<_>>().join("\n")
}

impl Request {
    /// Has it done; exit code 0 only when everything was done.
    pub(super) fn run(self, act: Act) -> Result<ExitCode, CommandFault> {
        let request = ActRequest { ids: self.ids, reason: self.reason };
        let shown = |done: crate::control::desk::Outcomes| {
            if self.json {
                json(&done)?
            } else {
                outcomes(&done.outcomes)
            }
            let all = done.outcomes.iter().all(|outcome| outcome.done);
            Ok(if all { ExitCode::SUCCESS } else { ExitCode::from(EXIT_REFUSED) })
        };
        block_on(at(&self.at, async move |reach: &Reach| reach.act(act, request).await, shown))
    }
}

fn outcomes(outcomes: &[Outcome]) {
    let head = [
        ("BẢN CHUYỂN", "delivery"),
        ("KẾT QUẢ", "outcome"),
        ("TRẠNG THÁI", "state"),
        ("THẾ HỆ", "generation"),
    ];
    let row = |outcome: &Outcome| {
        let after = outcome.delivery.as_ref();
        [
            outcome.delivery_id.to_string(),
            format!("{} ({})", outcome.text_vi, outcome.text_en),
            after.map(|after| after.state.wording().0.to_owned()).unwrap_or_default(),
            after.map(|after| after.generation.to_string()).unwrap_or_default(),
        ]
    };
    rows(head, outcomes.iter().map(row));
}
