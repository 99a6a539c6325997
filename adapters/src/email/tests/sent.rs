//! What is sent: the contract of every adapter, the commands, the headers, the text for the clerk, the packet.

use lienthong_pipeline::ports::{Adapter, Consignment, Handover};
use lienthong_pipeline::record::{Cover, Lane, State};
use lienthong_schemas::ids::PacketDigest;
use lienthong_schemas::organ::OrganId;
use openssl::base64::decode_block;

use super::peer::{Say, willing};
use super::reader::{Part, text_and_packet};
use super::{Ground, PASSWORD, USER, adapter, attempt, to_mailbox};
use crate::contract::{self, Seen};
use crate::email::MailSecurity;
use crate::parcel::Parcel;

const PACKET: &[u8] =
    "<?xml version=\"1.0\"?>\r\n<edXML>Trục liên thông\u{0}\n.\n..\r\n</edXML>\n".as_bytes();

/// What somebody sees who has nothing but the message.
fn seen(message: &[u8]) -> Seen {
    let head = Part::read(message);
    let packet = text_and_packet(message).1;
    let organ = |name| OrganId::parse(&head.field(name)).expect("a code");
    Seen {
        delivery: head.field("x-lienthong-delivery-id").parse().expect("an id"),
        document: head.field("x-lienthong-document-id").parse().expect("an id"),
        sender: organ("x-lienthong-sender"),
        receiver: organ("x-lienthong-receiver"),
        kind: head.field("x-lienthong-kind"),
        digest: PacketDigest::of(&packet),
        bytes: packet.len() as u64,
    }
}

#[tokio::test]
async fn the_adapter_holds_the_contract() {
    for security in [MailSecurity::Tls, MailSecurity::Starttls] {
        let ground = Ground::of(security, willing);
        let parcel = Parcel::of(PACKET);
        let messages = || ground.peer.messages().iter().map(|message| seen(message)).collect();
        contract::holds(&adapter(ground.endpoint.clone()), &to_mailbox(&parcel), messages).await;
        assert_eq!(ground.peer.sessions().len(), 3, "one connection a message, and none without");
    }
}

#[tokio::test]
async fn one_session_says_what_is_needed_and_nothing_in_clear() {
    let parcel = Parcel::of(PACKET);
    let id = to_mailbox(&parcel).delivery.id;
    for security in [MailSecurity::Tls, MailSecurity::Starttls] {
        let ground = Ground::of(security, willing);
        let handover = attempt(ground.endpoint.clone(), &parcel).await.expect("taken");
        let note = "SMTP 250 2.0.0 Ok: queued as 4ABC".to_owned();
        assert_eq!(handover, Handover { state: State::HandedOver, note, known_as: None });
        let session = ground.peer.only();
        match security {
            MailSecurity::Tls => assert!(session.clear.is_empty()),
            MailSecurity::Starttls => assert_eq!(session.clear, ["EHLO thu.example", "STARTTLS"]),
        }
        assert_eq!(session.verbs(), ["EHLO", "AUTH", "EHLO", "MAIL", "RCPT", "DATA", "QUIT"]);
        let bytes = ground.peer.messages()[0].len();
        assert_eq!(
            session.command("MAIL"),
            format!("MAIL FROM:<truc@thu.example> SIZE={bytes} RET=HDRS ENVID={id}")
        );
        assert_eq!(session.command("RCPT"), "RCPT TO:<vanthu.snv@tinh.example> NOTIFY=FAILURE,DELAY");
        let plain = session.command("AUTH").strip_prefix("AUTH PLAIN ").expect("PLAIN");
        assert_eq!(decode_block(plain).expect("base64"), format!("\0{USER}\0{PASSWORD}").as_bytes());
    }
}

#[tokio::test]
async fn only_what_the_server_offers_is_used() {
    let bare = |event: &str| match event.split(' ').next() {
        Some("EHLO") => Say::Words(b"250-thu.example\r\n250 AUTH LOGIN\r\n".to_vec()),
        Some("AUTH") => Say::Words(b"334 VXNlcm5hbWU6\r\n".to_vec()),
        // The base64 of the user's name, then of the password.
        Some("dHJ1Y0B0aHUuZXhhbXBsZQ==") => Say::Words(b"334 UGFzc3dvcmQ6\r\n".to_vec()),
        Some(secret) if decode_block(secret).is_ok_and(|text| text == PASSWORD.as_bytes()) => {
            Say::Words(b"235 ok\r\n".to_vec())
        }
        _ => willing(event),
    };
    let ground = Ground::tls(bare);
    ground.attempt().await.expect("taken");
    let session = ground.peer.only();
    assert_eq!(session.command("AUTH"), "AUTH LOGIN");
    assert_eq!(session.command("MAIL"), "MAIL FROM:<truc@thu.example>");
    assert_eq!(session.command("RCPT"), "RCPT TO:<vanthu.snv@tinh.example>");
}

/// The one message of an attempt with this consignment.
async fn message_of(consignment: &Consignment) -> Vec<u8> {
    let ground = Ground::tls(willing);
    adapter(ground.endpoint.clone()).deliver(consignment).await.expect("taken");
    ground.peer.messages().remove(0)
}

#[tokio::test]
async fn the_headers_are_those_of_an_automatic_message() {
    let parcel = Parcel::of(PACKET);
    let consignment = to_mailbox(&parcel);
    let message = Part::read(&message_of(&consignment).await);
    let (document, id) = (consignment.delivery.document, consignment.delivery.id);
    for (name, value) in [
        ("from", "Trục liên thông tỉnh <truc@thu.example>".to_owned()),
        ("to", "Sở Nội vụ, tỉnh Thái Nguyên <vanthu.snv@tinh.example>".to_owned()),
        ("subject", "[Liên thông] [hỏa tốc] 12/UBND-VP: V/v chuẩn bị kỳ họp thứ hai".to_owned()),
        ("date", "Mon, 03 Aug 2026 02:15:30 +0000".to_owned()),
        ("message-id", format!("<edxml.{document}.{id}@thu.example>")),
        ("x-lienthong-delivery-id", id.to_string()),
        ("x-lienthong-document-id", document.to_string()),
        ("x-lienthong-digest", format!("sha-256={}", consignment.delivery.digest)),
        ("x-lienthong-sender", "G09".to_owned()),
        ("x-lienthong-receiver", "H55.15".to_owned()),
        ("x-lienthong-kind", "document:0".to_owned()),
        ("auto-submitted", "auto-generated".to_owned()),
        ("mime-version", "1.0".to_owned()),
    ] {
        assert_eq!(message.shown(name), value, "{name}");
    }
    assert_eq!(message.fields().len(), 14, "and Content-Type: {:?}", message.fields());
    let attachment = &message.parts()[1];
    assert_eq!(attachment.field("content-type"), format!("application/xml; name=\"{id}.edxml\""));
    assert_eq!(attachment.field("content-disposition"), format!("attachment; filename=\"{id}.edxml\""));
    assert_eq!(attachment.decoded(), PACKET);
}

#[tokio::test]
async fn only_the_date_differs_between_two_attempts() {
    let parcel = Parcel::of(PACKET);
    let first = to_mailbox(&parcel);
    let mut second = first.clone();
    second.at += jiff::SignedDuration::from_hours(30);
    second.delivery.attempts += 1;
    let undated = |message: Vec<u8>| {
        let text = String::from_utf8(message).expect("ASCII");
        let date = text.lines().find(|line| line.starts_with("Date: ")).expect("a date").to_owned();
        (text.replace(&date, "Date:"), date)
    };
    let (one, one_date) = undated(message_of(&first).await);
    let (two, two_date) = undated(message_of(&second).await);
    assert_eq!(one, two);
    assert_ne!(one_date, two_date);
}

#[tokio::test]
async fn the_clerk_reads_what_the_document_is() {
    let parcel = Parcel::of(PACKET);
    let consignment = to_mailbox(&parcel);
    let (text, _) = text_and_packet(&message_of(&consignment).await);
    let (document, id) = (consignment.delivery.document, consignment.delivery.id);
    for line in [
        "Kính gửi / To: Sở Nội vụ, tỉnh Thái Nguyên (H55.15)",
        "Nơi gửi / From: Ủy ban nhân dân tỉnh (G09)",
        "Số, ký hiệu / Number and notation: 12/UBND-VP",
        "Ngày ban hành / Date: 2026-03-01",
        "Trích yếu / Subject: V/v chuẩn bị kỳ họp thứ hai",
        "Loại văn bản / Type: Công văn",
        "Nghiệp vụ / Operation: văn bản mới / new document",
        "Độ khẩn / Urgency: hỏa tốc / express",
        "Bản giấy / Paper copy: không gửi bản giấy / no paper copy follows",
        "Chữ ký số, trục đã kiểm tra / Signature as checked by the gateway: hợp lệ / valid",
        &format!("Tệp đính kèm / Attachment: {id}.edxml"),
        &format!("Độ dài / Size: {} byte", PACKET.len()),
        &format!("SHA-256: {}", consignment.delivery.digest),
        &format!("Mã văn bản tại trục / Document id: {document}"),
        &format!("Mã bản chuyển / Delivery id: {id}"),
        &format!("     lienthong verify {id}.edxml"),
        "     Đường dây hỗ trợ / Hotline: 0208 1234 567",
    ] {
        assert!(text.split("\r\n").any(|found| found == line), "{line} is not in:\n{text}");
    }
    assert!(text.contains("Trục liên thông tỉnh Thái Nguyên: "), "{text}");
    assert!(
        !text.replace("\r\n", "").contains(['\r', '\n']),
        "lines end with CR LF (RFC 2046 section 4.1.1)"
    );
}

#[tokio::test]
async fn each_urgency_paper_and_signature_has_its_words() {
    let parcel = Parcel::of(PACKET);
    let mut table = vec![
        (Cover { priority: 0, ..Cover::default() }, "Độ khẩn / Urgency: thường / ordinary"),
        (Cover { priority: 1, ..Cover::default() }, "Độ khẩn / Urgency: khẩn / urgent"),
        (Cover { priority: 2, ..Cover::default() }, "Độ khẩn / Urgency: thượng khẩn / very urgent"),
        (Cover { priority: 3, ..Cover::default() }, "Độ khẩn / Urgency: hỏa tốc / express"),
        (
            Cover { priority: 4, ..Cover::default() },
            "Độ khẩn / Urgency: hỏa tốc hẹn giờ / express by a set hour",
        ),
    ];
    for (paper, line) in [
        (Some(true), "Bản giấy / Paper copy: có gửi bản giấy kèm theo / a paper copy follows"),
        (None, "Bản giấy / Paper copy: không rõ / unknown"),
    ] {
        table.push((Cover { paper_follows: paper, ..Cover::default() }, line));
    }
    for (word, line) in [
        ("absent", ": không có chữ ký trên gói tin / the packet is not signed"),
        ("unusable", ": có nhưng không dùng để kiểm tra được / there, but of no use for a check"),
        ("invalid", ": KHÔNG HỢP LỆ / INVALID"),
        ("", "Signature as checked by the gateway: không rõ / unknown"),
    ] {
        table.push((Cover { signature: word.into(), ..Cover::default() }, line));
    }
    for (cover, line) in table {
        let (text, _) = text_and_packet(&message_of(&Consignment { cover, ..to_mailbox(&parcel) }).await);
        assert!(text.contains(&format!("{line}\r\n")), "{line} is not in:\n{text}");
    }
}

#[tokio::test]
async fn without_a_cover_the_message_says_what_is_known() {
    let parcel = Parcel::of(PACKET);
    let mut consignment = Consignment { cover: Cover::default(), ..to_mailbox(&parcel) };
    consignment.delivery.lane = Lane::Urgent;
    let message = message_of(&consignment).await;
    let subject = Part::read(&message).shown("subject");
    let document = consignment.delivery.document;
    assert_eq!(subject, format!("[Liên thông] [khẩn hoặc hơn] gói tin edXML {document}"));
    let (text, _) = text_and_packet(&message);
    for line in [
        "Nơi gửi / From: G09\r\n",
        "Số, ký hiệu / Number and notation: không rõ / unknown\r\n",
        "Độ khẩn / Urgency: khẩn hoặc hơn / urgent or more\r\n",
    ] {
        assert!(text.contains(line), "{line} is not in:\n{text}");
    }
}

#[tokio::test]
async fn other_kinds_say_what_they_are() {
    let parcel = Parcel::of(PACKET);
    for (kind, mark, operation) in [
        ("document:1", "thu hồi", "thu hồi văn bản đã gửi / revocation of a document"),
        ("document:2", "cập nhật", "cập nhật văn bản đã gửi / update of a document"),
        ("document:3", "thay thế", "thay thế văn bản đã gửi / replacement of a document"),
        ("status", "trạng thái", "gói tin trạng thái / status packet"),
    ] {
        let mut consignment = to_mailbox(&parcel);
        consignment.delivery.kind = kind.into();
        let message = message_of(&consignment).await;
        assert!(
            Part::read(&message).shown("subject").starts_with(&format!("[Liên thông] [{mark}] 12/UBND-VP: "))
        );
        let (text, _) = text_and_packet(&message);
        assert!(text.contains(&format!("Nghiệp vụ / Operation: {operation}\r\n")), "{text}");
    }
    let mut status = to_mailbox(&parcel);
    status.delivery.kind = "status".into();
    status.cover = Cover { code: "/".into(), type_name: "Đã tiếp nhận".into(), ..Cover::default() };
    let message = message_of(&status).await;
    assert_eq!(Part::read(&message).shown("subject"), "[Liên thông] [trạng thái] Đã tiếp nhận");
    let (text, _) = text_and_packet(&message);
    assert!(text.contains("Trạng thái / Status: Đã tiếp nhận\r\n"), "{text}");
    assert!(text.contains("một gói tin trạng thái xử lý văn bản"), "{text}");
    assert!(!text.contains("Độ khẩn") && !text.contains("Bản giấy"), "{text}");
}

#[tokio::test]
async fn a_kind_that_nobody_knows_is_a_bad_record() {
    let parcel = Parcel::of(PACKET);
    let ground = Ground::tls(willing);
    let mut consignment = to_mailbox(&parcel);
    consignment.delivery.kind = "document:9\r\nBcc: ai@khac.example".into();
    let failure = adapter(ground.endpoint.clone()).deliver(&consignment).await.expect_err("no such kind");
    assert_eq!(failure.code, "bad_record");
    assert!(ground.peer.sessions().is_empty());
}

#[tokio::test]
async fn hostile_texts_can_neither_add_a_line_nor_hide_one() {
    let parcel = Parcel::of(PACKET);
    let injected = "a\r\nBcc: ai@khac.example\r\n\r\n.\r\nMAIL FROM:<x@y>\u{1b}[2J\u{202e}\u{0}\u{2028}";
    // Base64 of a right-to-left override, as a mail program would decode it.
    let disguised = "=?utf-8?B?4oCu?= =?utf-8?Q?=0D=0ABcc:_x?=";
    for hostile in [injected.to_owned(), disguised.to_owned(), "-".repeat(5000), "ệ\u{0302}".repeat(5000)] {
        let mut consignment = to_mailbox(&parcel);
        consignment.addressee.name = hostile.clone();
        consignment.cover = Cover {
            from_name: hostile.clone(),
            code: hostile.clone(),
            date: hostile.clone(),
            subject: hostile.clone(),
            priority: 9,
            type_name: hostile.clone(),
            paper_follows: None,
            signature: hostile.clone(),
        };
        let message = message_of(&consignment).await;
        let head = Part::read(&message);
        assert_eq!(head.fields().len(), 14, "no header is added: {:?}", head.fields());
        for name in ["subject", "to", "from"] {
            let shown = head.shown(name);
            let hides = |c: char| c.is_control() || matches!(c, '\u{202e}' | '\u{2028}');
            assert!(!shown.contains(hides), "{shown:?}");
            assert!(!shown.contains("=?"), "nothing is decoded a second time: {shown:?}");
        }
        let (text, packet) = text_and_packet(&message);
        assert_eq!(packet, PACKET);
        let lines = text.split("\r\n");
        assert!(!text.contains('\u{1b}') && !text.contains('\u{202e}'), "{text}");
        assert_eq!(lines.filter(|line| line.starts_with("Bcc:") || *line == ".").count(), 0, "{text}");
        assert_eq!(text.matches("SHA-256: ").count(), 1, "{text}");
        assert!(message.len() < 32 * 1024, "texts are cut: {}", message.len());
    }
}
