//! `lienthong deliveries`: what is on its way, and why it is not there yet. What may be done about it is in `acts`.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use jiff::Timestamp;
use lienthong_config::Span;
use lienthong_pipeline::clock::SystemClock;
use lienthong_pipeline::operate::look::{Brief, Line, PAGE_MAX, Page, Shown, Wanted};
use lienthong_pipeline::ports::{Clock, Listing};
use lienthong_pipeline::record::{AdapterKind, Remark, State, SystemId};
use lienthong_schemas::ids::{DeliveryId, DocumentId};
use lienthong_schemas::organ::OrganId;

use super::acts::{Request, Reroute};
use super::reach::{At, Reach, at, named};
use super::tables::{facts, json, rows, time};
use super::{CommandFault, block_on, complain};
use crate::control::client::AskFault;
use crate::control::desk::Verb;

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
    /// Gửi theo đường khác với cùng mã / Send another way under the same id
    Reroute(Reroute),
    /// Thôi gửi; bên gửi được báo một lần / Give up; the sender is told once
    GiveUp(Request),
}

/// What deliveries of a list must be.
#[derive(Args)]
pub(super) struct Filter {
    /// Mã nơi gửi / Code of the sender
    #[arg(long, value_name = "CODE", value_parser = OrganId::parse)]
    sender: Option<OrganId>,
    /// Mã nơi nhận / Code of the receiver
    #[arg(long, value_name = "CODE", value_parser = OrganId::parse)]
    receiver: Option<OrganId>,
    /// Trạng thái / State: queued, offered, parked, refused, given_up
    #[arg(long, value_parser = named::<State>)]
    state: Option<State>,
    /// Đường đi / Way out: vendor_http, email, national_axis, mailbox
    #[arg(long, value_parser = named::<AdapterKind>)]
    adapter: Option<AdapterKind>,
    /// Hệ thống hoặc trục trên đường đi / System or axis of the way
    #[arg(long, value_name = "ID", value_parser = system)]
    system: Option<SystemId>,
    /// Của văn bản này / Of this document
    #[arg(long, value_name = "ID")]
    document: Option<DocumentId>,
    /// Mã lỗi hoặc chữ trong lý do, trong lần hỏng cuối / Code or words of the reason or of the last failure
    #[arg(long, value_name = "WORD")]
    reason_code: Option<String>,
    /// Tiếp nhận đã quá (30m, 2d) / Accepted longer ago than this
    #[arg(long, value_name = "SPAN")]
    older_than: Option<Span>,
    /// Tiếp nhận chưa quá / Accepted no longer ago than this
    #[arg(long, value_name = "SPAN")]
    newer_than: Option<Span>,
    /// Chỉ bản chuyển bị trễ / Only late ones (delivery.late_after)
    #[arg(long)]
    late: bool,
}

impl Filter {
    /// Whether it lets everything pass.
    pub(super) fn is_empty(&self) -> bool {
        self.wanted() == Wanted::default()
    }

    /// As it is asked for.
    pub(super) fn wanted(&self) -> Wanted {
        let now = SystemClock.now();
        let ago = |span: &Option<Span>| {
            span.map(|span| now.saturating_sub(span.duration()).unwrap_or(Timestamp::MIN))
        };
        Wanted {
            sender: self.sender.clone(),
            receiver: self.receiver.clone(),
            state: self.state,
            adapter: self.adapter,
            system: self.system.clone(),
            document: self.document,
            reason: self.reason_code.clone(),
            accepted_before: ago(&self.older_than),
            accepted_after: ago(&self.newer_than),
            late: self.late.then_some(true),
            ..Wanted::default()
        }
    }
}

fn system(text: &str) -> Result<SystemId, String> {
    SystemId::parse(text).ok_or_else(|| "a-z 0-9 -, 1..=32".to_owned())
}

/// Which deliveries of a list.
#[derive(Args)]
pub(super) struct List {
    #[command(flatten)]
    at: At,
    #[command(flatten)]
    filter: Filter,
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

pub(super) fn run(command: DeliveriesCommand) -> Result<ExitCode, CommandFault> {
    match command {
        DeliveriesCommand::List(list) => list.run(Listing::Pending),
        DeliveriesCommand::Show(show) => show.run(),
        DeliveriesCommand::Retry(request) => request.run(Listing::Pending, Verb::Retry),
        DeliveriesCommand::Reroute(reroute) => reroute.run(Listing::Pending),
        DeliveriesCommand::GiveUp(request) => request.run(Listing::Pending, Verb::GiveUp),
    }
}

impl List {
    /// Lists them.
    pub(super) fn run(self, listing: Listing) -> Result<ExitCode, CommandFault> {
        block_on(at(
            &self.at,
            async |reach: &Reach| self.pages(reach, listing).await,
            |page| self.shown(listing, &page),
        ))
    }

    /// Page after page, until there are enough.
    async fn pages(&self, reach: &Reach, listing: Listing) -> Result<Page, AskFault> {
        let limit = usize::try_from(self.limit).unwrap_or(PAGE_MAX);
        let mut whole = Page { deliveries: Vec::new(), next: self.after };
        let filter = self.filter.wanted();
        loop {
            let left = (limit - whole.deliveries.len()).min(PAGE_MAX);
            let wanted = Wanted { after: whole.next, limit: Some(left), ..filter.clone() };
            let page = reach.list(listing, &wanted).await?;
            whole.deliveries.extend(page.deliveries);
            whole.next = page.next;
            if whole.next.is_none() || whole.deliveries.len() >= limit {
                return Ok(whole);
            }
        }
    }

    fn shown(&self, listing: Listing, page: &Page) -> Result<ExitCode, CommandFault> {
        if self.json {
            json(page)?;
            return Ok(ExitCode::SUCCESS);
        }
        match listing {
            Listing::Pending => pending(page),
            Listing::DeadLetters => dead_letters(page),
        }
        if let Some(next) = page.next {
            complain(&format!("còn nữa (there are more): --after {next}"));
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn pending(page: &Page) {
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
}

fn dead_letters(page: &Page) {
    let head = [
        ("BẢN CHUYỂN", "delivery"),
        ("SỐ, KÝ HIỆU", "number"),
        ("TRÍCH YẾU", "subject"),
        ("NƠI GỬI", "sender"),
        ("NƠI NHẬN", "receiver"),
        ("TRẠNG THÁI", "state"),
        ("TỪ LÚC", "since"),
        ("LẦN GỬI", "attempts"),
        ("LÝ DO", "reason"),
        ("AI XỬ LÝ", "who may fix it"),
    ];
    rows(head, page.deliveries.iter().map(dead_letter));
}

fn dead_letter(line: &Line) -> [String; 10] {
    let face = |pick: fn(&Brief) -> &String| line.document.as_ref().map(|face| pick(face).clone());
    [
        line.delivery_id.to_string(),
        face(|face| &face.code).unwrap_or_default(),
        face(|face| &face.subject).unwrap_or_default(),
        line.sender.to_string(),
        line.receiver.to_string(),
        line.state_vi.clone(),
        time(line.since),
        line.attempts.to_string(),
        why(line),
        line.fix_by_vi.clone(),
    ]
}

fn why(line: &Line) -> String {
    let texts = [&line.reason, &line.last_failure];
    let texts: Vec<&str> = texts.into_iter().map(String::as_str).filter(|text| !text.is_empty()).collect();
    texts.join("; ")
}

fn row(line: &Line) -> [String; 9] {
    [
        line.delivery_id.to_string(),
        line.sender.to_string(),
        line.receiver.to_string(),
        line.adapter.as_str().to_owned(),
        line.late_since.map_or_else(|| line.state_vi.clone(), |_| format!("{} (TRỄ)", line.state_vi)),
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
        ("Từ lúc (since)", time(line.since)),
        ("Trễ từ (late since)", time(line.late_since)),
        ("Lý do (reason)", why(line)),
        ("Ai xử lý (who may fix it)", both(&line.fix_by_vi, &line.fix_by_en)),
        ("Nơi nhận báo (business state)", business(shown)),
        ("Lần gửi (attempts)", line.attempts.to_string()),
        ("Thế hệ (generation)", line.generation.to_string()),
        ("Tiếp nhận (accepted)", time(Some(line.accepted_at))),
        ("Gửi lại lúc (next attempt)", time(line.next_attempt)),
        ("Lỗi phía trục (ours to fix)", yes(line.ours_to_fix, "có (yes)")),
        (
            "Có thể đã đến (may have arrived)",
            yes(line.may_have_arrived, "có: một lần gửi bị ngắt giữa chừng (yes: an attempt was cut)"),
        ),
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

fn both(vi: &str, en: &str) -> String {
    if vi.is_empty() { String::new() } else { format!("{vi} ({en})") }
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
