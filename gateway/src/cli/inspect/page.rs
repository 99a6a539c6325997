//! The packet for a clerk: one page, Vietnamese, in the order in which a letter is read.

use std::collections::HashMap;

use lienthong_schemas::codes::{Level1, ReceiverType, SteeringType};
use lienthong_schemas::edxml::{
    Attachment, Business, BusinessType, Content, FileKind, Finding, PacketKind, Packing, Party, Remark,
    Severity, Staff, Status,
};
use lienthong_schemas::rejections::{Rejection, RejectionCode};

use super::Inspected;
use super::layout::{Page, Tone, flat};
use super::signature::Judgement;
use super::words::{date, number, priority, size, within};

/// Receivers shown; the others are counted.
const RECEIVERS_SHOWN: usize = 20;
/// Places shown of one warning; the others are counted.
const WARNING_PLACES_SHOWN: usize = 5;
/// The same of one note.
const NOTE_PLACES_SHOWN: usize = 3;
/// Entries shown of any other list.
const ENTRIES_SHOWN: usize = 50;
/// Hex digits shown of a SHA-256.
const DIGEST_SHOWN: usize = 16;

/// The page of a packet that was read.
pub(super) fn packet(seen: &Inspected, width: u16, colour: bool) -> String {
    let content = seen.envelope.claimed_content();
    let mut page = Page::new(width, colour);
    match (&content.status, content.kind) {
        (Some(status), _) => answer(&mut page, content, status),
        (None, kind) => letter(&mut page, content, kind),
    }
    if let Some(business) = &content.business {
        change(&mut page, content, business);
    }
    trace(&mut page, content);
    attachments(&mut page, seen, content);
    signature(&mut page, &seen.judgement, content);
    findings(&mut page, &seen.remarks);
    page.gap();
    page.line(&format!("Gói tin: {}", exactly(seen.source.bytes)), Tone::Plain);
    page.line(&format!("SHA-256 {}", seen.source.sha256), Tone::Plain);
    page.finish()
}

/// The page of a packet that was refused.
pub(super) fn rejected(rejection: &Rejection, width: u16, colour: bool) -> String {
    let mut page = Page::new(width, colour);
    let errors = 1 + rejection.also.len();
    page.heading(&format!("GÓI TIN KHÔNG HỢP LỆ, {errors} lỗi (refused, errors: {errors})"), Tone::Bad);
    let mut error = |at: usize, code: RejectionCode, field: Option<&str>, detail: Option<&str>| {
        let row = code.row();
        page.gap();
        page.item(&format!("{at}."), &format!("{} ({}) [{}]", row.title_vi, row.title_en, row.name));
        page.below(&field.map_or_else(String::new, |field| format!("Chỗ sai: {field}")));
        page.below(&detail.map_or_else(String::new, |detail| format!("Chi tiết: {detail}")));
        page.below(row.rule_vi);
        page.below(row.rule_en);
    };
    error(1, rejection.code, rejection.field.as_deref(), rejection.detail.as_deref());
    for (at, also) in rejection.also.iter().enumerate() {
        error(at + 2, also.code, also.field.as_deref(), also.detail.as_deref());
    }
    page.finish()
}

fn letter(page: &mut Page, content: &Content, kind: PacketKind) {
    let (vi, en) = match kind {
        PacketKind::Document(business) => business.wording(),
        PacketKind::Status => ("trạng thái", "status"),
    };
    page.heading(&format!("GÓI TIN VĂN BẢN: {} ({en})", vi.to_uppercase()), Tone::Strong);
    page.gap();
    page.list("Nơi gửi", party(&content.from));
    receivers(page, &content.to);
    page.gap();
    page.row("Số, ký hiệu", &code(content));
    let place = flat(&content.promulgation_place);
    let day = date(&content.promulgation_date);
    page.row("Ngày ban hành", &if place.is_empty() { day } else { format!("{day}, {place}") });
    page.row("Loại văn bản", &document_type(content));
    page.row("Trích yếu", &content.subject);
    if content.content_summary != content.subject {
        page.row("Nội dung", &content.content_summary);
    }
    page.row("Người ký", &signer(content));
    page.row("Độ khẩn", &urgency(content.priority));
    page.row("Hạn xử lý", &date(&content.due_date));
    let paper = content.business.as_ref().is_some_and(|business| business.paper);
    page.row("Bản giấy", if paper { "có bản giấy gửi kèm theo sau" } else { "không gửi kèm" });
    if let Some(steering) = SteeringType::of(&content.steering_type) {
        let means = steering.wording().map_or_else(String::new, |(vi, _)| format!("; thường hiểu: {vi}"));
        page.row("Loại chỉ đạo", &format!("{} (nguyên văn{means})", flat(steering.as_str())));
    }
    more(page, content);
    answers_to(page, content);
    page.gap();
    page.row("Mã văn bản", content.document_id.as_deref().unwrap_or("(không có)"));
}

/// What few packets say.
fn more(page: &mut Page, content: &Content) {
    page.list("Mục nơi nhận", shown(&content.to_places, |place| flat(place)));
    page.row("Lĩnh vực", &flat(&content.sphere));
    page.row("Người soạn", &flat(&content.typer_notation));
    page.row("Số bản phát hành", &flat(&content.promulgation_amount));
    page.row("Số trang", &flat(&content.page_amount));
    page.list("Phụ lục", shown(&content.appendixes, |appendix| flat(appendix)));
    page.row("Trả lời", &flat(&content.reply_fors));
    page.row("Văn bản liên quan", &flat(&content.reference_codes));
    page.list("Mã nhiệm vụ", shown(&content.task_codes, |task| flat(task)));
    page.row("Loại ứng dụng", &flat(&content.application_type));
}

fn answers_to(page: &mut Page, content: &Content) {
    let subjects = shown(&content.response_for, |subject| {
        let day = date(&subject.promulgation_date);
        let day = if day.is_empty() { day } else { format!(" ngày {day}") };
        let code = if subject.code.is_empty() { &subject.document_id } else { &subject.code };
        let organ = if subject.organ_text.is_empty() { "" } else { " của " };
        format!("{}{day}{organ}{}", flat(code), flat(&subject.organ_text))
    });
    page.list("Trả lời văn bản", subjects);
}

fn answer(page: &mut Page, content: &Content, status: &Status) {
    let (vi, en) = status.code.wording();
    let heading = format!("GÓI TIN TRẠNG THÁI {}: {} ({en})", status.code.digits(), vi.to_uppercase());
    page.heading(&heading, Tone::Strong);
    page.gap();
    page.list("Đơn vị báo", party(&content.from));
    let Some(subject) = content.response_for.first() else { return };
    let about = subject.organ_id.as_ref().map_or_else(String::new, |organ| within(organ, ""));
    page.row("Báo cho", &format!("{:<14} {about}", flat(&subject.organ_text)));
    page.gap();
    page.row("Về văn bản", &flat(&subject.code));
    page.row("Ngày ban hành", &date(&subject.promulgation_date));
    page.row("Mã văn bản", &subject.document_id);
    page.gap();
    page.row("Thời điểm báo", &date(&status.timestamp));
    page.row("Lý do, ý kiến", &status.description);
    page.list("Người xử lý", status.staff.iter().map(staff));
}

fn change(page: &mut Page, content: &Content, business: &Business) {
    let meant = business.document_id.as_deref().or(content.document_id.as_deref());
    match business.kind {
        BusinessType::New => {}
        BusinessType::Revoke => {
            page.heading("THU HỒI VĂN BẢN", Tone::Strong);
            page.row("Văn bản thu hồi", meant.unwrap_or("(không nêu)"));
        }
        BusinessType::Update => {
            page.heading("CẬP NHẬT VĂN BẢN", Tone::Strong);
            page.row("Văn bản cập nhật", meant.unwrap_or("(không nêu)"));
            let changed = [
                (business.document_changed, "nội dung hoặc thông tin văn bản"),
                (business.receivers_changed, "danh sách nơi nhận"),
            ];
            let changed: Vec<_> = changed.iter().filter(|(is, _)| *is).map(|(_, what)| *what).collect();
            page.row(
                "Thay đổi",
                &if changed.is_empty() { "(không nêu)".to_owned() } else { changed.join("; ") },
            );
        }
        BusinessType::Replace => {
            page.heading("THAY THẾ VĂN BẢN", Tone::Strong);
            let replaced = shown(&business.replaced, |replaced| {
                let organs = shown(&replaced.organ_ids, |organ| flat(organ)).join(", ");
                let organs = if organs.is_empty() { organs } else { format!(" (đối với {organs})") };
                format!("{}{organs}", flat(&replaced.document_id))
            });
            page.list("Văn bản thay thế", replaced);
        }
    }
    if business.kind != BusinessType::New {
        page.row("Lý do", if business.reason.is_empty() { "(không nêu)" } else { &business.reason });
    }
    for (which, label) in [
        (Some(ReceiverType::Added), "Thêm nơi nhận"),
        (Some(ReceiverType::Removed), "Bỏ nơi nhận"),
        (None, "Nơi nhận, không rõ"),
    ] {
        let these = business.receiver_changes.iter();
        let these: Vec<_> = these.filter(|c| ReceiverType::parse(&c.receiver_type) == which).collect();
        page.list(label, shown(&these, |change| named(content, &change.organ_text)));
    }
    if !business.staff.is_empty() {
        if business.kind == BusinessType::New {
            page.gap();
        }
        page.list("Đầu mối liên hệ", shown(&business.staff, staff));
    }
}

fn trace(page: &mut Page, content: &Content) {
    if content.trace.is_empty() {
        return;
    }
    page.heading("ĐƯỜNG ĐI", Tone::Strong);
    for hop in shown(&content.trace, |hop| {
        let organ = flat(&hop.organ_text);
        let organ = if organ.is_empty() { "(không ghi đơn vị)" } else { &organ };
        format!("{:<21}{organ}", date(&hop.timestamp))
    }) {
        page.line(&hop, Tone::Plain);
    }
}

fn attachments(page: &mut Page, seen: &Inspected, content: &Content) {
    let count = content.attachments.len();
    if count == 0 {
        if content.status.is_none() {
            page.heading("TỆP ĐÍNH KÈM: không có", Tone::Strong);
        }
        return;
    }
    page.heading(&format!("TỆP ĐÍNH KÈM ({count})"), Tone::Strong);
    for (at, attachment) in content.attachments.iter().enumerate() {
        let name = flat(&attachment.name);
        page.item(&format!("{}.", at + 1), if name.is_empty() { "(không có tên)" } else { &name });
        for line in about(attachment, seen.saved_in.is_some()) {
            page.below(&line);
        }
        if let (Some(folder), Some(names), false) =
            (&seen.saved_in, seen.names.get(at), attachment.placeholder)
        {
            page.below(&format!("Đã lưu: {}", folder.join(&names.file).display()));
            if let Some(archive) = &names.archive {
                page.below(&format!("Cả tệp ZIP: {}", folder.join(archive).display()));
            }
        }
    }
}

fn about(attachment: &Attachment, whole_digest: bool) -> Vec<String> {
    if attachment.placeholder {
        return vec!["Chỉ có chuỗi mẫu chưa được điền, không có dữ liệu".to_owned()];
    }
    let declared = flat(&attachment.content_type);
    let declared = if declared.is_empty() {
        "không khai báo kiểu".to_owned()
    } else {
        format!("khai báo {declared}")
    };
    let file = &attachment.file;
    let mut lines = vec![format!("{}, {}; {declared}", file.kind.wording().0, exactly(file.bytes))];
    let packed = exactly(attachment.packed.bytes);
    lines.extend(match attachment.packing {
        Packing::Bare => None,
        Packing::Zipped(1) => Some(format!("Được nén ZIP khi gửi: {packed}")),
        Packing::Zipped(levels) => Some(format!("Được nén ZIP {levels} lớp khi gửi: {packed}")),
        Packing::FirstOfSeveral(_) => {
            Some(format!("Tệp đầu tiên trong một tệp ZIP có nhiều tệp ({packed}); nơi nhận chỉ đọc tệp này"))
        }
        Packing::Unreadable => Some("Tệp ZIP không mở được, giữ nguyên".to_owned()),
    });
    let digest = file.sha256.to_string();
    let digest = if whole_digest { digest } else { format!("{}…", &digest[..DIGEST_SHOWN]) };
    lines.push(format!("SHA-256 {digest}"));
    let description = flat(&attachment.description);
    if !description.is_empty() && description != flat(&attachment.name) {
        lines.push(format!("Ghi chú: {description}"));
    }
    lines
}

fn signature(page: &mut Page, judgement: &Judgement, content: &Content) {
    page.heading("CHỮ KÝ SỐ CỦA GÓI TIN", Tone::Strong);
    let why = judgement.wording().map_or_else(String::new, |(vi, _)| vi.to_owned());
    match judgement.verdict {
        "absent" => page.line("Không có chữ ký số.", Tone::Plain),
        "wrong-namespace" => {
            let text =
                "Có phần tử Signature nhưng nằm sai không gian tên: không kiểm tra được, coi như chưa ký.";
            page.line(text, Tone::Careful);
        }
        "unusable" => page.line(&format!("KHÔNG KIỂM TRA ĐƯỢC, coi như chưa ký: {why}."), Tone::Careful),
        "invalid" => page.line(&format!("KHÔNG HỢP LỆ: {why}."), Tone::Bad),
        "intact" => {
            page.line("KHỚP NỘI DUNG; người ký CHƯA XÉT.", Tone::Careful);
            let text = "Nội dung đúng như khi ký bằng chứng thư kèm trong gói tin. Chưa xét chứng thư ấy là của ai, \
                        có thật, còn hạn hay đã bị thu hồi: thêm --ca hoặc --cert để xét.";
            page.line(text, Tone::Plain);
        }
        _ => {
            page.line("HỢP LỆ.", Tone::Good);
            let revocation = if judgement.checked.revocation { "đã xét" } else { "CHƯA xét" };
            let text = format!(
                "Nội dung khớp, chứng thư đúng với --cert, --ca đã cho; {revocation} thu hồi. Chưa xét chứng thư có \
                 phải của đơn vị gửi hay không."
            );
            page.line(&text, Tone::Plain);
        }
    }
    if judgement.sha1 {
        page.line("Dùng SHA-1, đã lỗi thời.", Tone::Careful);
    }
    if let Some(signer) = &judgement.signer {
        page.row("  Chứng thư", &signer.subject());
        page.row("  Nơi cấp", &signer.issuer());
        let day = |at: jiff::Timestamp| at.strftime("%d/%m/%Y").to_string();
        page.row("  Hiệu lực", &format!("{} đến {}", day(signer.not_before()), day(signer.not_after())));
    }
    if let Some(detail) = &judgement.detail {
        page.row("  Chi tiết", detail);
    }
    if content.attachments.iter().any(|attachment| attachment.file.kind == FileKind::Pdf) {
        page.line("Chữ ký nằm trong tệp PDF không được xét ở đây.", Tone::Plain);
    }
}

fn findings(page: &mut Page, remarks: &[Remark]) {
    let of = |severity: Severity| remarks.iter().filter(move |r| r.finding.severity() == severity);
    let groups = [
        (Severity::Warning, "CẢNH BÁO", Tone::Careful, WARNING_PLACES_SHOWN),
        (Severity::Note, "LƯU Ý", Tone::Strong, NOTE_PLACES_SHOWN),
    ];
    if remarks.is_empty() {
        page.heading("CẢNH BÁO, LƯU Ý: không có", Tone::Strong);
    }
    for (severity, heading, tone, most) in groups {
        let kinds = by_kind(of(severity));
        if kinds.is_empty() {
            continue;
        }
        page.heading(&format!("{heading} ({})", kinds.len()), tone);
        for (finding, places) in kinds {
            let code = finding.code();
            page.item("-", &format!("{} [{code}]", finding.wording().0));
            for remark in places.iter().take(most) {
                let detail = flat(&remark.detail);
                let detail = if detail.is_empty() { detail } else { format!(": {detail}") };
                page.below(&format!("{}{detail}", shortly(&remark.field)));
            }
            if places.len() > most {
                page.below(&format!("và {} chỗ khác", places.len() - most));
            }
        }
    }
}

/// A path without the steps that nearly all have.
fn shortly(field: &str) -> String {
    let field = field.strip_prefix("edXMLHeader/").unwrap_or(field);
    flat(field.strip_prefix("MessageHeader/").unwrap_or(field))
}

/// In the order in which each was seen first.
fn by_kind<'a>(remarks: impl Iterator<Item = &'a Remark>) -> Vec<(Finding, Vec<&'a Remark>)> {
    let (mut kinds, mut at): (Vec<(Finding, Vec<_>)>, HashMap<Finding, usize>) = Default::default();
    for remark in remarks {
        let at = *at.entry(remark.finding).or_insert_with(|| {
            kinds.push((remark.finding, Vec::new()));
            kinds.len() - 1
        });
        kinds[at].1.push(remark);
    }
    kinds
}

fn receivers(page: &mut Page, to: &[Party]) {
    let label = if to.len() > 1 { format!("Nơi nhận ({})", to.len()) } else { "Nơi nhận".to_owned() };
    if let [one] = to {
        return page.list(&label, party(one));
    }
    let mut lines: Vec<String> = to.iter().take(RECEIVERS_SHOWN).map(line).collect();
    if to.len() > RECEIVERS_SHOWN {
        lines.push(format!("và {} nơi nhận khác", number((to.len() - RECEIVERS_SHOWN) as u64)));
    }
    page.list(&label, lines);
}

/// An organisation in full.
fn party(party: &Party) -> Vec<String> {
    let name = flat(&party.organ_name);
    let within = within(&party.organ_id, &name);
    let within = if within.is_empty() { within } else { format!(" ({within})") };
    let contact: Vec<_> = [&party.address, &party.telephone, &party.email, &party.website]
        .iter()
        .map(|text| flat(text))
        .filter(|text| !text.is_empty())
        .collect();
    let above = flat(&party.organization_in_charge);
    vec![
        name.clone(),
        format!("Mã {}{within}", flat(&party.organ_text)),
        if above.is_empty() || above == name {
            String::new()
        } else {
            format!("Cơ quan chủ quản: {above}")
        },
        contact.join("; "),
    ]
}

/// An organisation on one line.
fn line(party: &Party) -> String {
    let name = flat(&party.organ_name);
    let within = within(&party.organ_id, &name);
    let closed = Level1::of(&party.organ_id).is_some_and(|level1| level1.valid_to.is_some());
    let name = match (name.is_empty(), closed) {
        (true, _) => within,
        (false, true) => format!("{name} ({within})"),
        (false, false) => name,
    };
    format!("{:<14} {name}", flat(&party.organ_text))
}

/// A receiver that is named by its code alone, with the name that the packet gives it elsewhere.
fn named(content: &Content, code: &str) -> String {
    let known = content.to.iter().chain([&content.from]).find(|party| party.organ_text == code);
    format!("{:<14} {}", flat(code), known.map_or_else(String::new, |party| flat(&party.organ_name)))
}

fn code(content: &Content) -> String {
    format!("{}/{}", flat(&content.code_number), flat(&content.code_notation))
}

fn document_type(content: &Content) -> String {
    let numbers: Vec<_> = [("Type", &content.document_type), ("TypeDetail", &content.document_type_detail)]
        .iter()
        .filter(|(_, number)| !number.is_empty())
        .map(|(name, number)| format!("{name} {}", flat(number)))
        .collect();
    let name = flat(&content.document_type_name);
    if numbers.is_empty() { name } else { format!("{name} ({})", numbers.join(", ")) }
}

fn signer(content: &Content) -> String {
    let signer = &content.signer;
    let parts = [&signer.full_name, &signer.position, &signer.competence].map(|text| flat(text));
    parts.into_iter().filter(|text| !text.is_empty()).collect::<Vec<_>>().join(", ")
}

fn staff(staff: &Staff) -> String {
    let parts = [&staff.name, &staff.department, &staff.mobile, &staff.email].map(|text| flat(text));
    parts.into_iter().filter(|text| !text.is_empty()).collect::<Vec<_>>().join(", ")
}

fn exactly(bytes: u64) -> String {
    if bytes < 1024 { size(bytes) } else { format!("{} ({} byte)", size(bytes), number(bytes)) }
}

/// The first entries of a list, and how many more there are.
fn shown<T>(list: &[T], show: impl Fn(&T) -> String) -> Vec<String> {
    let mut shown: Vec<String> = list.iter().take(ENTRIES_SHOWN).map(show).collect();
    if list.len() > ENTRIES_SHOWN {
        shown.push(format!("và {} mục khác", number((list.len() - ENTRIES_SHOWN) as u64)));
    }
    shown
}

/// Loud when it is urgent.
fn urgency(digit: u8) -> String {
    let name = priority(digit).0;
    if digit == 0 { name.to_owned() } else { name.to_uppercase() }
}
