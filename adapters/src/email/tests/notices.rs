//! Letters to senders about what could not be delivered: their contract, what they say, and what follows from answers.

use lienthong_pipeline::ports::{FailureClass, Notice, Notifier};

use super::peer::willing;
use super::reader::Part;
use super::{Ground, PASSWORD, adapter, at};
use crate::contract::{self, SeenNotice};
use crate::email::MailSecurity;
use crate::parcel::notice;

fn seen(message: &[u8]) -> SeenNotice {
    let message = Part::read(message);
    let to = message.shown("to");
    let address = to.split_once('<').and_then(|(_, rest)| rest.strip_suffix('>')).expect("an address");
    SeenNotice {
        id: message.field("message-id"),
        to: super::mailbox(address),
        text: String::from_utf8(message.decoded()).expect("UTF-8"),
    }
}

#[tokio::test]
async fn the_adapter_tells_senders_as_the_contract_says() {
    for security in [MailSecurity::Tls, MailSecurity::Starttls] {
        let ground = Ground::of(security, willing);
        let letters = || ground.peer.messages().iter().map(|message| seen(message)).collect();
        contract::tells(&adapter(ground.endpoint.clone()), &notice("thu-mot"), letters).await;
    }
}

#[tokio::test]
async fn a_letter_is_plain_dated_by_the_end_and_the_same_every_time() {
    let ground = Ground::tls(willing);
    let email = adapter(ground.endpoint.clone());
    let notice = notice("thu-mot");
    for _ in 0..2 {
        email.notify(&notice).await.expect("taken");
    }
    let messages = ground.peer.messages();
    assert_eq!(messages[0], messages[1], "byte for byte");
    let message = Part::read(&messages[0]);
    let (document, delivery) = (notice.document, notice.delivery);
    for (name, value) in [
        ("from", "Trục liên thông tỉnh <truc@thu.example>".to_owned()),
        ("to", "Ủy ban nhân dân tỉnh <vanthu@ubnd.example>".to_owned()),
        ("subject", "[Liên thông] Không gửi được 12/UBND-VP đến Sở Nội vụ (H55.15)".to_owned()),
        ("date", "Mon, 10 Aug 2026 02:15:00 +0000".to_owned()),
        ("message-id", format!("<given-up.{document}.{delivery}@thu.example>")),
        ("x-lienthong-delivery-id", delivery.to_string()),
        ("x-lienthong-document-id", document.to_string()),
        ("auto-submitted", "auto-generated".to_owned()),
        ("mime-version", "1.0".to_owned()),
        ("content-type", "text/plain; charset=utf-8".to_owned()),
    ] {
        assert_eq!(message.shown(name), value, "{name}");
    }
    assert_eq!(message.fields().len(), 11, "and the encoding: {:?}", message.fields());
    let text = String::from_utf8(message.decoded()).expect("UTF-8");
    let lines: Vec<&str> = text.split("\r\n").collect();
    assert!(lines.iter().all(|line| !line.contains(['\r', '\n'])));
    for line in [
        "Kính gửi: Ủy ban nhân dân tỉnh (G09)",
        "Số, ký hiệu: 12/UBND-VP",
        "Ngày ban hành: 2026-03-01",
        "Trích yếu: V/v chuẩn bị kỳ họp thứ hai",
        "Nơi nhận chưa nhận được: Sở Nội vụ (H55.15)",
        "Trục tiếp nhận lúc: 09:15 03/08/2026",
        "Thôi gửi lúc: 09:15 10/08/2026",
        "Lý do: quá thời hạn",
        "Lỗi lần gửi cuối: connect: nobody listens",
        "Đường dây hỗ trợ của trục: 0208 1234 567",
        "Receiver that was not reached: Sở Nội vụ (H55.15)",
        "Reason: too late",
        "Last failure: connect: nobody listens",
    ] {
        assert!(lines.contains(&line), "{line} in {text}");
    }
    assert!(!text.contains("Trục đã chuyển sang") && !text.contains("Sent instead"), "{text}");
    let session = &ground.peer.sessions()[0];
    assert_eq!(session.command("RCPT"), "RCPT TO:<vanthu@ubnd.example> NOTIFY=FAILURE,DELAY");
    let bytes = messages[0].len();
    assert!(session.command("MAIL").contains(&format!("SIZE={bytes} ")), "{}", session.command("MAIL"));
}

#[tokio::test]
async fn a_letter_says_who_got_it_instead() {
    let ground = Ground::tls(willing);
    let organ = lienthong_schemas::organ::OrganId::parse("H55.16").expect("a code");
    let rerouted = Notice { rerouted_to: Some((organ, "Sở Y tế".into())), ..notice("thu-mot") };
    adapter(ground.endpoint.clone()).notify(&rerouted).await.expect("taken");
    let text = seen(&ground.peer.messages()[0]).text;
    for line in ["Trục đã chuyển sang: Sở Y tế (H55.16)\r\n", "Sent instead to: Sở Y tế (H55.16)\r\n"]
    {
        assert!(text.contains(line), "{line} in {text}");
    }
}

#[tokio::test]
async fn nothing_in_a_packet_writes_a_header_or_a_line() {
    let ground = Ground::tls(willing);
    let mut notice = notice("thu-mot");
    let hostile = "a\r\nBcc: x@y.example\r\n\r\n.\r\nQUIT\u{1b}[2J\u{202e}=?utf-8?b?QQ==?=";
    notice.cover.code = hostile.into();
    notice.cover.subject = hostile.into();
    notice.receiver.1 = hostile.into();
    notice.sender.1 = hostile.into();
    notice.why.2 = hostile.into();
    adapter(ground.endpoint.clone()).notify(&notice).await.expect("taken");
    let message = Part::read(&ground.peer.messages()[0]);
    assert_eq!(message.fields().len(), 11, "{:?}", message.fields());
    let text = String::from_utf8(message.decoded()).expect("UTF-8");
    assert!(!text.contains("\nBcc") && !text.contains(['\u{1b}', '\u{202e}']), "{text:?}");
    notice.cover = lienthong_pipeline::record::Cover::default();
    notice.receiver.1.clear();
    notice.why.2.clear();
    let bare = Ground::tls(willing);
    adapter(bare.endpoint.clone()).notify(&notice).await.expect("taken");
    let message = Part::read(&bare.peer.messages()[0]);
    assert_eq!(message.shown("subject"), "[Liên thông] Không gửi được văn bản đến H55.15");
    let text = String::from_utf8(message.decoded()).expect("UTF-8");
    assert!(text.contains("Số, ký hiệu: không rõ") && text.contains("Last failure: none"), "{text}");
}

#[tokio::test]
async fn what_a_server_refuses_for_good_is_told_from_what_may_pass() {
    for (verb, words, class, code) in [
        ("RCPT", "550 5.1.1 no such user\r\n", FailureClass::Permanent, "smtp_550"),
        ("RCPT", "450 4.2.0 greylisted\r\n", FailureClass::Receiver, "smtp_450"),
        ("AUTH", "535 5.7.8 no\r\n", FailureClass::OursToFix, "smtp_535"),
        (".", "451 4.3.0 later\r\n", FailureClass::Document, "smtp_451"),
        (".", "554 5.7.1 spam\r\n", FailureClass::Permanent, "smtp_554"),
    ] {
        let ground = Ground::tls(at(verb, words));
        let failure = adapter(ground.endpoint.clone()).notify(&notice("thu-mot")).await.expect_err(verb);
        assert_eq!((failure.class, failure.code.as_str()), (class, code), "{verb}");
        assert!(!failure.note.contains(PASSWORD));
    }
}
