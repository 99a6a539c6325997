//! Letters to senders about what could not be delivered: plain text, no packet. Texts of the cover come from the packet:
//! each is one line, escaped and cut, whatever stands in it. The same on every attempt.

use std::fmt::Write;
use std::time::SystemTime;

use async_trait::async_trait;
use jiff::Timestamp;
use lettre::message::header::{Date, HeaderName, HeaderValue, Headers};
use lienthong_pipeline::ports::{DeliveryFailure, Notice, Notifier};
use lienthong_schemas::edxml::VIETNAM;
use lienthong_schemas::organ::OrganId;

use super::letter::{in_header, known, shown};
use super::session::Submission;
use super::wire::{self, Message};
use super::{Email, EmailEndpoint};
use crate::failure::note;

#[async_trait]
impl Notifier for Email {
    async fn notify(&self, notice: &Notice) -> Result<String, DeliveryFailure> {
        let system = self.lines.of(&notice.system)?;
        let message = Message::plain(headers(notice, &system.endpoint), &text(notice, &system.endpoint));
        let submission = Submission {
            from: wire::address(&system.endpoint.from),
            to: wire::address(&notice.mailbox),
            id: notice.delivery,
            message: &message,
        };
        let said = system.server.submit(&submission).await?;
        Ok(note(&format!("SMTP {said}")))
    }
}

fn headers(notice: &Notice, endpoint: &EmailEndpoint) -> Headers {
    let mut headers = wire::to_and_from(endpoint, &notice.sender.1, &notice.mailbox, &subject(notice));
    headers.set(Date::new(SystemTime::from(notice.given_up_at)));
    let domain = wire::split(&endpoint.from).1;
    let plain = [
        // Not that of the packet's own letter, should its receiver be at the same mail system.
        ("Message-ID", format!("<given-up.{}.{}@{domain}>", notice.document, notice.delivery)),
        ("X-Lienthong-Delivery-Id", notice.delivery.to_string()),
        ("X-Lienthong-Document-Id", notice.document.to_string()),
        // RFC 3834 section 5: no automatic answer to this.
        ("Auto-Submitted", "auto-generated".to_owned()),
    ];
    for (name, value) in plain {
        headers.insert_raw(HeaderValue::new(HeaderName::new_from_ascii_str(name), value));
    }
    headers
}

/// `[Liên thông] Không gửi được 12/UBND-VP đến Sở Nội vụ`
fn subject(notice: &Notice) -> String {
    let what = known(&notice.cover.code).unwrap_or_else(|| "văn bản".to_owned());
    in_header(&format!("[Liên thông] Không gửi được {what} đến {}", named(&notice.receiver)))
}

fn named((code, name): &(OrganId, String)) -> String {
    shown(name).map_or_else(|| code.to_string(), |name| format!("{name} ({code})"))
}

/// In Vietnam's time, as everywhere in packets (design.md B8).
fn time(at: Timestamp) -> String {
    at.to_zoned(VIETNAM.to_time_zone()).strftime("%H:%M %d/%m/%Y").to_string()
}

/// The text, in lines ended by CR LF: Vietnamese, then the same in English.
fn text(notice: &Notice, endpoint: &EmailEndpoint) -> String {
    let gateway = shown(&endpoint.gateway_name).unwrap_or_default();
    let hotline = shown(&endpoint.hotline);
    let (why_vi, why_en, failure) = &notice.why;
    let mut text = format!("Kính gửi: {}\n\n", named(&notice.sender));
    writeln!(
        text,
        "{gateway}: trục liên thông không gửi được văn bản dưới đây đến nơi nhận, và đã thôi gửi.\n"
    )
    .ok();
    let unknown = "không rõ";
    facts(
        &mut text,
        [
            ("Số, ký hiệu", known(&notice.cover.code).unwrap_or_else(|| unknown.to_owned())),
            ("Ngày ban hành", known(&notice.cover.date).unwrap_or_else(|| unknown.to_owned())),
            ("Trích yếu", known(&notice.cover.subject).unwrap_or_else(|| unknown.to_owned())),
            ("Nơi nhận chưa nhận được", named(&notice.receiver)),
            ("Trục đã chuyển sang", notice.rerouted_to.as_ref().map(named).unwrap_or_default()),
            ("Trục tiếp nhận lúc", time(notice.accepted_at)),
            ("Thôi gửi lúc", time(notice.given_up_at)),
            ("Lý do", (*why_vi).to_owned()),
            ("Lỗi lần gửi cuối", shown(failure).unwrap_or_else(|| "không có".to_owned())),
            ("Mã văn bản tại trục", notice.document.to_string()),
            ("Mã bản chuyển", notice.delivery.to_string()),
        ],
    );
    text += "\nTrục không có xác nhận nào của nơi nhận là đã nhận văn bản này. Đề nghị quý đơn vị liên hệ nơi nhận và gửi \
             lại, hoặc gửi bản giấy.\n";
    if let Some(hotline) = &hotline {
        writeln!(text, "Đường dây hỗ trợ của trục: {hotline}").ok();
    }
    text += "Thư này do máy gửi, không kèm gói tin; xin đừng trả lời.\n\n----\n\n";
    english(&mut text, notice, &gateway, hotline.as_deref(), (why_en, failure));
    text.replace('\n', "\r\n")
}

fn english(text: &mut String, notice: &Notice, gateway: &str, hotline: Option<&str>, why: (&str, &str)) {
    let unknown = "unknown";
    writeln!(
        text,
        "{gateway}: the gateway could not deliver the document below to its receiver, and has given up.\n"
    )
    .ok();
    facts(
        text,
        [
            ("Number and notation", known(&notice.cover.code).unwrap_or_else(|| unknown.to_owned())),
            ("Date", known(&notice.cover.date).unwrap_or_else(|| unknown.to_owned())),
            ("Subject", known(&notice.cover.subject).unwrap_or_else(|| unknown.to_owned())),
            ("Receiver that was not reached", named(&notice.receiver)),
            ("Sent instead to", notice.rerouted_to.as_ref().map(named).unwrap_or_default()),
            ("Accepted by the gateway at", time(notice.accepted_at)),
            ("Given up at", time(notice.given_up_at)),
            ("Reason", why.0.to_owned()),
            ("Last failure", shown(why.1).unwrap_or_else(|| "none".to_owned())),
            ("Document id", notice.document.to_string()),
            ("Delivery id", notice.delivery.to_string()),
        ],
    );
    *text += "\nThe gateway has no word from the receiver that it has this document. Please ask the receiver, and send it \
              again or on paper.\n";
    if let Some(hotline) = hotline {
        writeln!(text, "Hotline of the gateway: {hotline}").ok();
    }
    *text += "This is an automatic message without a packet; please do not reply.\n";
}

/// What is empty is left out.
fn facts<const N: usize>(text: &mut String, facts: [(&str, String); N]) {
    for (label, value) in facts.into_iter().filter(|(_, value)| !value.is_empty()) {
        writeln!(text, "{label}: {value}").ok();
    }
}
