//! What a clerk reads of a packet before opening it: the subject and the text of a message, Vietnamese first. Texts of the
//! cover come from the packet: each is one line, escaped and cut, whatever stands in it.

use std::fmt::Write;

use lienthong_pipeline::ports::Consignment;
use lienthong_pipeline::record::{Cover, Lane};
use lienthong_schemas::edxml::{BusinessType, PacketKind};

use super::EmailEndpoint;
use super::wire::file_name;
use crate::failure::note;

/// A text of two languages.
type Words = (&'static str, &'static str);

const UNKNOWN: Words = ("không rõ", "unknown");

/// The words about one consignment.
pub(super) struct Letter<'a> {
    consignment: &'a Consignment,
    kind: PacketKind,
    endpoint: &'a EmailEndpoint,
}

impl<'a> Letter<'a> {
    pub(super) fn new(consignment: &'a Consignment, kind: PacketKind, endpoint: &'a EmailEndpoint) -> Self {
        Self { consignment, kind, endpoint }
    }

    /// `[Liên thông] [hỏa tốc] 12/UBND-VP: V/v ...`
    pub(super) fn subject(&self) -> String {
        let cover = &self.consignment.cover;
        let mut subject = "[Liên thông]".to_owned();
        if let Some(mark) = self.mark() {
            write!(subject, " [{mark}]").ok();
        }
        let code = known(&cover.code);
        let what = match self.kind {
            PacketKind::Status => known(&cover.type_name),
            PacketKind::Document(_) => known(&cover.subject),
        };
        match (code, what) {
            (Some(code), Some(what)) => write!(subject, " {code}: {what}"),
            (Some(one), None) | (None, Some(one)) => write!(subject, " {one}"),
            (None, None) => write!(subject, " gói tin edXML {}", self.consignment.delivery.document),
        }
        .ok();
        in_header(&subject)
    }

    /// What must be seen in a list of messages.
    fn mark(&self) -> Option<&'static str> {
        match self.kind {
            PacketKind::Status => Some("trạng thái"),
            PacketKind::Document(BusinessType::Revoke) => Some("thu hồi"),
            PacketKind::Document(BusinessType::Update) => Some("cập nhật"),
            PacketKind::Document(BusinessType::Replace) => Some("thay thế"),
            PacketKind::Document(BusinessType::New) => {
                Some(self.urgency().0).filter(|words| *words != "thường")
            }
        }
    }

    /// The text, in lines ended by CR LF.
    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        self.greet(&mut text);
        self.describe(&mut text);
        self.identify(&mut text);
        self.instruct(&mut text);
        text.replace('\n', "\r\n")
    }

    fn greet(&self, text: &mut String) {
        let Consignment { addressee, delivery, .. } = self.consignment;
        let gateway = shown(&self.endpoint.gateway_name).unwrap_or_default();
        let name = shown(&addressee.name).unwrap_or_default();
        let (vi, en) = match self.kind {
            PacketKind::Document(_) => ("một văn bản điện tử", "an electronic document"),
            PacketKind::Status => {
                ("một gói tin trạng thái xử lý văn bản", "a status packet about a document")
            }
        };
        writeln!(text, "Kính gửi / To: {name} ({})\n", delivery.route.receiver).ok();
        writeln!(
            text,
            "{gateway}: trục liên thông chuyển đến quý đơn vị {vi}, ở tệp đính kèm (gói tin edXML)."
        )
        .ok();
        writeln!(text, "{gateway}: the gateway hands you {en}, attached as an edXML packet.\n").ok();
    }

    fn describe(&self, text: &mut String) {
        let cover = &self.consignment.cover;
        let mut line = |vi: &str, en: &str, value: Option<String>| {
            let value = value.unwrap_or_else(|| both(UNKNOWN));
            writeln!(text, "{vi} / {en}: {value}").ok();
        };
        let sender = &self.consignment.delivery.sender;
        let from = shown(&cover.from_name).map_or(sender.to_string(), |name| format!("{name} ({sender})"));
        line("Nơi gửi", "From", Some(from));
        line("Số, ký hiệu", "Number and notation", known(&cover.code));
        line("Ngày ban hành", "Date", known(&cover.date));
        line("Nghiệp vụ", "Operation", Some(both(operation(self.kind))));
        if self.kind == PacketKind::Status {
            line("Trạng thái", "Status", known(&cover.type_name));
        } else {
            line("Trích yếu", "Subject", known(&cover.subject));
            line("Loại văn bản", "Type", known(&cover.type_name));
            line("Độ khẩn", "Urgency", Some(both(self.urgency())));
            line("Bản giấy", "Paper copy", Some(both(paper(cover))));
        }
        line(
            "Chữ ký số, trục đã kiểm tra",
            "Signature as checked by the gateway",
            Some(both(signature(cover))),
        );
    }

    fn identify(&self, text: &mut String) {
        let delivery = &self.consignment.delivery;
        let file = file_name(self.consignment);
        writeln!(text, "\nTệp đính kèm / Attachment: {file}").ok();
        writeln!(text, "Độ dài / Size: {} byte", delivery.bytes).ok();
        writeln!(text, "SHA-256: {}", delivery.digest).ok();
        writeln!(text, "Mã văn bản tại trục / Document id: {}", delivery.document).ok();
        writeln!(text, "Mã bản chuyển / Delivery id: {}", delivery.id).ok();
    }

    fn instruct(&self, text: &mut String) {
        let file = file_name(self.consignment);
        let hotline = shown(&self.endpoint.hotline).unwrap_or_else(|| both(UNKNOWN));
        let lines = [
            "\nCách kiểm tra / How to verify:".to_owned(),
            "1. Lưu nguyên tệp đính kèm; SHA-256 của tệp phải đúng như trên.".to_owned(),
            "   Save the attachment as it is; its SHA-256 must be the one above.".to_owned(),
            format!("     Windows: certutil -hashfile {file} SHA256"),
            format!("     Linux: sha256sum {file}"),
            "2. Kiểm tra chữ ký số / Verify the signature:".to_owned(),
            format!("     lienthong verify {file}"),
            "3. Thư điện tử có thể bị giả mạo: nếu nghi ngờ, gọi trục, đọc mã văn bản và SHA-256.".to_owned(),
            "   Mail can be forged: in doubt call the gateway and read out document id and SHA-256."
                .to_owned(),
            format!("     Đường dây hỗ trợ / Hotline: {hotline}"),
            "\nCùng một mã bản chuyển có thể đến hai lần: chỉ vào sổ một lần.".to_owned(),
            "The same delivery id may come twice: register it once.".to_owned(),
            "Thư này do máy gửi, xin đừng trả lời. / This is an automatic message; please do not reply."
                .to_owned(),
        ];
        *text += &lines.join("\n");
        text.push('\n');
    }

    /// A document that another gateway took in has no cover here: then its lane says as much as is known.
    fn urgency(&self) -> Words {
        let cover = &self.consignment.cover;
        match (cover.priority, self.consignment.delivery.lane) {
            (0, Lane::Urgent) => ("khẩn hoặc hơn", "urgent or more"),
            (0, Lane::Normal) => ("thường", "ordinary"),
            (1, _) => ("khẩn", "urgent"),
            (2, _) => ("thượng khẩn", "very urgent"),
            (3, _) => ("hỏa tốc", "express"),
            (4, _) => ("hỏa tốc hẹn giờ", "express by a set hour"),
            _ => UNKNOWN,
        }
    }
}

fn operation(kind: PacketKind) -> Words {
    match kind {
        PacketKind::Document(BusinessType::New) => ("văn bản mới", "new document"),
        PacketKind::Document(BusinessType::Revoke) => ("thu hồi văn bản đã gửi", "revocation of a document"),
        PacketKind::Document(BusinessType::Update) => ("cập nhật văn bản đã gửi", "update of a document"),
        PacketKind::Document(BusinessType::Replace) => {
            ("thay thế văn bản đã gửi", "replacement of a document")
        }
        PacketKind::Status => ("gói tin trạng thái", "status packet"),
    }
}

fn paper(cover: &Cover) -> Words {
    match cover.paper_follows {
        Some(true) => ("có gửi bản giấy kèm theo", "a paper copy follows"),
        Some(false) => ("không gửi bản giấy", "no paper copy follows"),
        None => UNKNOWN,
    }
}

/// design.md B4.
fn signature(cover: &Cover) -> Words {
    match cover.signature.as_str() {
        "valid" => ("hợp lệ", "valid"),
        "absent" => ("không có chữ ký trên gói tin", "the packet is not signed"),
        "unusable" => ("có nhưng không dùng để kiểm tra được", "there, but of no use for a check"),
        "invalid" => ("KHÔNG HỢP LỆ", "INVALID"),
        _ => UNKNOWN,
    }
}

fn both((vi, en): Words) -> String {
    format!("{vi} / {en}")
}

/// A text as one escaped line of at most 200 characters and 400 bytes; `None` when it is blank.
pub(super) fn shown(text: &str) -> Option<String> {
    Some(note(text)).filter(|text| !text.is_empty())
}

/// The same for what a cover may not have: `/` is a number without number and notation.
pub(super) fn known(text: &str) -> Option<String> {
    shown(text).filter(|text| text != "/")
}

/// A text as it may stand in a header. The encoder leaves words of plain ASCII as they are, so one that looks like an
/// encoded word (RFC 2047 section 2) would be decoded by the reader, after all escaping, into whatever its author wants.
pub(super) fn in_header(text: &str) -> String {
    note(text).replace("=?", "=\\u{3f}")
}
