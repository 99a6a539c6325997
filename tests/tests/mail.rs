//! The e-mail adapter against a real mail system: Postfix and Dovecot, over TLS with an authority of their own.

use std::path::Path;
use std::time::Duration;

use acceptance::mail::{DOMAIN, HOST, Letter, MESSAGE_BYTES_MAX, MailSystem, PASSWORD, USER};
use acceptance::{Stage, failures, letter_to, organisation, until};
use jiff::Timestamp;
use lienthong_adapters::email::{Email, EmailEndpoint, MailSecurity, packet_bytes_max};
use lienthong_pipeline::ports::{Adapter, Addressee, Consignment, DeliveryFailure, FailureClass, Handover};
use lienthong_pipeline::record::{AdapterKind, Cover, Delivery, Lane, MailAddress, Route, State, SystemId};
use lienthong_schemas::ids::{DeliveryId, DocumentId, Operation, PacketDigest};
use lienthong_schemas::organ::OrganId;
use tempfile::TempDir;

const PROGRAM: &str = env!("CARGO_BIN_EXE_lienthong-under-test");

/// The one mailbox that is there.
const CLERK: &str = "vanthu";

const WAYS: [MailSecurity; 2] = [MailSecurity::Tls, MailSecurity::Starttls];

fn endpoint(mail: &MailSystem, security: MailSecurity) -> EmailEndpoint {
    EmailEndpoint {
        host: HOST.into(),
        port: match security {
            MailSecurity::Tls => mail.port_tls,
            MailSecurity::Starttls => mail.port_starttls,
        },
        security,
        user: USER.into(),
        password: PASSWORD.into(),
        from: MailAddress::parse(USER).expect("an address"),
        from_name: "Trục liên thông tỉnh".into(),
        ca_pem: Some(mail.ca_pem()),
        message_bytes_max: 25 * 1024 * 1024,
        connect_timeout: Duration::from_secs(30),
        timeout: Duration::from_secs(60),
        gateway_name: "Trục liên thông tỉnh".into(),
        hotline: "0208 1234 567".into(),
    }
}

/// A packet on disk, and its consignment.
struct Sent {
    consignment: Consignment,
    packet: Vec<u8>,
    _folder: TempDir,
}

/// A packet for a mailbox.
fn packet_for(mailbox: &str, packet: Vec<u8>) -> Sent {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("packet");
    std::fs::write(&file, &packet).expect("a file");
    Sent { consignment: consignment(mailbox, &packet, &file), packet, _folder: folder }
}

fn consignment(mailbox: &str, packet: &[u8], file: &Path) -> Consignment {
    let organ = |code| OrganId::parse(code).expect("a code");
    let (digest, receiver) = (PacketDigest::of(packet), organ("H55.15"));
    let document = DocumentId::derive(&organ("H55"), "H55,2026/03/01,12/UBND", "document:0", &digest);
    let at: Timestamp = "2026-08-03T02:15:30Z".parse().expect("a time");
    let system = SystemId::parse("thu-so").expect("an id");
    let delivery = Delivery {
        id: DeliveryId::derive(&document, &receiver, Operation::Deliver),
        document,
        sender: organ("H55"),
        route: Route { receiver: receiver.clone(), system, adapter: AdapterKind::Email },
        lane: Lane::Normal,
        kind: "document:0".into(),
        digest,
        bytes: packet.len() as u64,
        accepted_at: at,
        since: None,
        correlations: Vec::new(),
        reportable: true,
        state: State::Queued,
        generation: 1,
        published: 1,
        handed_off: true,
        attempts: 0,
        document_failures: 0,
        due: at,
        paused_at: None,
        elsewhere: None,
        foreign: false,
        contested: false,
        ours_to_fix: false,
        lease: None,
        may_have_arrived: false,
        order: 1,
        closed: false,
        mailbox: None,
        beyond: None,
    };
    let mailbox = MailAddress::parse(&format!("{mailbox}@{DOMAIN}")).expect("an address");
    Consignment {
        receivers: vec![receiver],
        addressee: Addressee { name: "Sở Nội vụ".into(), mailbox: Some(mailbox) },
        cover: Cover {
            code: "12/UBND".into(),
            subject: "V/v chuẩn bị kỳ họp thứ hai của Hội đồng nhân dân tỉnh khóa mới, nhiệm kỳ tới".into(),
            priority: 1,
            ..Cover::default()
        },
        delivery,
        packet: file.to_owned(),
        at,
    }
}

async fn deliver(endpoint: EmailEndpoint, sent: &Sent) -> Result<Handover, DeliveryFailure> {
    let system = sent.consignment.delivery.route.system.clone();
    let adapter = Email::new([(system, endpoint)]).expect("an endpoint that works");
    adapter.deliver(&sent.consignment).await
}

fn assert_failed(outcome: Result<Handover, DeliveryFailure>, class: FailureClass, code: &str) -> String {
    let failure = outcome.expect_err(code);
    assert_eq!((failure.class, failure.code.as_str()), (class, code), "{failure}");
    failure.note
}

/// Bytes of every value, lone dots at the beginning of lines, and no line end at the end.
fn awkward() -> Vec<u8> {
    let every: Vec<u8> = (0..=255).collect();
    let lines = "\r\n.\r\n..\n.\r\nFrom here\r\n<edXML>Trục liên thông</edXML>".as_bytes();
    [every.as_slice(), lines, every.as_slice(), lines].concat()
}

#[tokio::test]
async fn a_packet_comes_byte_for_byte_over_either_way_of_tls() {
    let Some(mail) = MailSystem::start(&[CLERK]).await else { return };
    // One that fills many lines, and one at the limit of the server.
    let largest = packet_bytes_max(MESSAGE_BYTES_MAX);
    let large: Vec<u8> = (0..largest).map(|n| (n.wrapping_mul(0x9E37_79B9) >> 11).to_le_bytes()[0]).collect();
    let mut count = 0;
    for security in WAYS {
        for packet in [awkward(), large.clone()] {
            let sent = packet_for(CLERK, packet);
            let handover = deliver(endpoint(&mail, security), &sent).await.expect("taken");
            assert_eq!(handover.state, State::HandedOver);
            assert!(handover.note.starts_with("SMTP 250 2.0.0 Ok: queued as "), "{}", handover.note);
            count += 1;
            let letters = mail.letters_come(CLERK, count).await;
            assert_is(&letters[count - 1], &sent);
        }
    }
}

/// What the clerk has is what was sent.
fn assert_is(letter: &Letter, sent: &Sent) {
    assert!(letter.packet() == sent.packet, "equal bytes");
    let delivery = &sent.consignment.delivery;
    let (document, id) = (delivery.document, delivery.id);
    assert_eq!(letter.header("message-id"), format!("<edxml.{document}.{id}@{DOMAIN}>"));
    assert_eq!(letter.header("x-lienthong-delivery-id"), id.to_string());
    assert_eq!(letter.header("auto-submitted"), "auto-generated");
    let subject = &sent.consignment.cover.subject;
    assert_eq!(letter.header("subject"), format!("[Liên thông] [khẩn] 12/UBND: {subject}"));
    assert_eq!(letter.header("return-path"), format!("<{USER}>"));
    assert!(letter.text().contains(&format!("SHA-256: {}\r\n", delivery.digest)), "{}", letter.text());
    assert!(letter.text().contains("Độ khẩn / Urgency: khẩn / urgent\r\n"), "{}", letter.text());
}

#[tokio::test]
async fn what_the_server_does_not_take_has_its_class() {
    let Some(mut mail) = MailSystem::start(&[CLERK]).await else { return };
    let sent = packet_for(CLERK, b"<edXML/>".to_vec());
    for security in WAYS {
        let ready = || endpoint(&mail, security);
        let wrong = EmailEndpoint { password: "không phải".into(), ..ready() };
        let note = assert_failed(deliver(wrong, &sent).await, FailureClass::OursToFix, "smtp_535");
        assert_eq!(note, "AUTH: 535 5.7.8", "and none of the words, which may hold the password");
        // The same server under a name that its certificate does not have.
        let misnamed = EmailEndpoint { host: "127.0.0.1".into(), ..ready() };
        assert_failed(deliver(misnamed, &sent).await, FailureClass::OursToFix, "tls_name");

        let nobody = packet_for("khong-co-ai", b"<edXML/>".to_vec());
        let note = assert_failed(deliver(ready(), &nobody).await, FailureClass::Permanent, "smtp_550");
        assert!(note.starts_with("RCPT: 550 5.1.1 <khong-co-ai@co-quan.test>"), "{note}");
    }
    let too_large = usize::try_from(MESSAGE_BYTES_MAX).expect("a length");
    let too_large = packet_for(CLERK, vec![b'x'; too_large]);
    let refused = deliver(endpoint(&mail, MailSecurity::Tls), &too_large).await;
    assert_failed(refused, FailureClass::Permanent, "size_limit");

    mail.answer_at_rcpt(CLERK, Some("451 4.3.0 hop thu dang ban"));
    let busy = deliver(endpoint(&mail, MailSecurity::Tls), &sent).await;
    let note = assert_failed(busy, FailureClass::Receiver, "smtp_451");
    assert!(note.contains("hop thu dang ban"), "{note}");
    mail.answer_at_rcpt(CLERK, None);
    deliver(endpoint(&mail, MailSecurity::Tls), &sent).await.expect("it is free again");
    let letters = mail.letters_come(CLERK, 1).await;
    assert_eq!(letters.len(), 1, "of all these one came");
    assert_is(&letters[0], &sent);
}

#[tokio::test]
async fn another_authority_is_not_trusted() {
    let Some(mail) = MailSystem::start(&[CLERK]).await else { return };
    let Some(other) = MailSystem::start(&[]).await else { return };
    let sent = packet_for(CLERK, b"<edXML/>".to_vec());
    for security in WAYS {
        let endpoint = EmailEndpoint { ca_pem: Some(other.ca_pem()), ..endpoint(&mail, security) };
        assert_failed(deliver(endpoint, &sent).await, FailureClass::OursToFix, "tls_certificate");
    }
    assert_eq!((mail.letters(CLERK).len(), mail.queued()), (0, 0));
}

#[tokio::test]
async fn while_the_mailboxes_are_away_messages_wait_at_their_server() {
    let Some(mut mail) = MailSystem::start(&[CLERK]).await else { return };
    mail.stop_store();
    let sent = packet_for(CLERK, awkward());
    let handover = deliver(endpoint(&mail, MailSecurity::Starttls), &sent).await.expect("taken");
    assert_eq!(handover.state, State::HandedOver);
    // While the server moves it from one queue to another, it may be counted twice, or not at all.
    assert!(until(async || (mail.queued() == 1).then_some(())).await.is_some(), "it waits");
    assert!(mail.letters(CLERK).is_empty());
    mail.start_store().await;
    let letters = mail.letters_come(CLERK, 1).await;
    assert_is(&letters[0], &sent);
    assert!(until(async || (mail.queued() == 0).then_some(())).await.is_some(), "nothing waits any more");
}

/// Organisations that are reached by mail: at the clerk's mailbox, at one that is busy, at one that is not there.
const BY_MAIL: [(&str, &str); 3] = [("H55.21.7", CLERK), ("H55.21.8", "ban"), ("H55.21.9", "khong-co-ai")];

/// Tells a gateway that is not started yet of this mail system.
fn introduce(stage: &Stage, mail: &MailSystem) {
    std::fs::write(stage.world.folder.join("mail.password"), PASSWORD).expect("written");
    let settings = format!(
        "\n[systems.thu]\nname = \"Thư công vụ\"\n\n[systems.thu.email]\nhost = \"{HOST}\"\nport = {}\n\
         security = \"starttls\"\nuser = \"{USER}\"\npassword_file = \"mail.password\"\nfrom = \"{USER}\"\nca = {:?}\n",
        mail.port_starttls,
        mail.ca_file(),
    );
    let entry = |(code, mailbox)| {
        let home = "home = { system = \"thu\" }";
        organisation(code, &format!("{home}\nadapter = {{ mailbox = \"{mailbox}@{DOMAIN}\" }}"))
    };
    let entries: String = BY_MAIL.into_iter().map(entry).collect();
    stage.write_more(&settings, &entries);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_packet_sent_over_http_ends_in_a_mailbox_and_nobody_answers_for_it() {
    let Some(mut mail) = MailSystem::start(&[CLERK, "ban"]).await else { return };
    mail.answer_at_rcpt("ban", Some("451 4.3.0 hop thu dang ban"));
    let stage = Stage::open(PROGRAM, &[]).await;
    introduce(&stage, &mail);
    let mut gateway = stage.start().await;

    let codes: Vec<&str> = BY_MAIL.iter().map(|(code, _)| *code).collect();
    let packet = stage.signed("1.edxml", letter_to(1, &codes).priority(4));
    let document = stage.accepted(&packet).await;
    let taken = stage.delivery_is(&document, codes[0], "handed_over").await;
    let last = taken["history"].as_array().and_then(|all| all.last()).expect("a history");
    assert_eq!(last["event"], "settled", "{taken:#}");
    assert!(last["note"].as_str().expect("a note").starts_with("SMTP 250 2.0.0 Ok: queued as "), "{last}");
    assert_eq!(taken["attempts"], 1, "{taken:#}");
    let letters = mail.letters_come(CLERK, 1).await;
    assert!(letters[0].packet() == std::fs::read(&packet).expect("the packet"), "equal bytes");
    let subject = "[Liên thông] [hỏa tốc hẹn giờ] 1/UBND-VP: V/v thử nghiệm số 1";
    assert_eq!(letters[0].header("subject"), subject);
    assert_eq!(letters[0].header("x-lienthong-document-id"), document);
    assert!(letters[0].text().contains("gateway: hợp lệ / valid\r\n"), "{}", letters[0].text());

    let refused = stage.delivery_is(&document, codes[2], "refused").await;
    let last = refused["history"].as_array().and_then(|all| all.last()).expect("a history");
    assert!(last["note"].as_str().expect("a note").starts_with("smtp_550: RCPT: 550 5.1.1 "), "{last}");
    stage.delivery_fails(&document, codes[1], "smtp_451").await;
    mail.answer_at_rcpt("ban", None);
    let late = stage.delivery_is(&document, codes[1], "handed_over").await;
    assert!(failures(&late).iter().all(|note| note.starts_with("smtp_451: RCPT: 451 4.3.0 ")), "{late:#}");
    assert_eq!(mail.letters_come("ban", 1).await.len(), 1);

    assert_eq!(stage.metric("lienthong_accepted_total").await, 1.0, "no packet of the gateway's own");
    stage.nothing_else_arrived([0, 0, 0]);
    assert_eq!(mail.letters(CLERK).len(), 1);
    assert_eq!(gateway.stop().await.expect("it ends"), Some(0));
}

/// `notify.given_up = "mail"`: a letter in the sender's mailbox, and no packet of ours.
#[tokio::test(flavor = "multi_thread")]
async fn a_sender_reads_in_its_mailbox_what_was_given_up() {
    let Some(mut mail) = MailSystem::start(&[CLERK]).await else { return };
    let settings = [
        ("delivery", "give_up_after = \"2s\""),
        ("notify", "given_up = \"mail\""),
        ("notify", "mail_system = \"thu\""),
    ];
    let stage = Stage::open(PROGRAM, &settings).await;
    introduce(&stage, &mail);
    let directory = stage.world.folder.join("directory.toml");
    let text = std::fs::read_to_string(&directory).expect("the directory");
    let contact = format!("[[organisation]]\ncontact = \"Văn thư: 0208 123 456, {CLERK}@{DOMAIN}\"\n");
    std::fs::write(&directory, text.replacen("[[organisation]]\n", &contact, 1)).expect("written");
    // At first the mailbox is busy: the letter waits, and comes once.
    mail.answer_at_rcpt(CLERK, Some("451 4.3.0 hop thu dang ban"));
    stage.world.receivers[1].close();
    let mut gateway = stage.start().await;
    let packet = stage.letter(1, &[1]);
    let document = stage.accepted(&packet).await;
    let shown = stage.all_are(&document, "given_up").await;
    assert_eq!(shown["deliveries"][0]["told"], serde_json::Value::Null, "{shown:#}");
    stage.metric_reaches("lienthong_sender_notices_total{result=\"failed\"}", 1.0).await;
    assert_eq!(gateway.stop().await.expect("it ends"), Some(0));

    // The next life begins at once, and the mailbox is free.
    mail.answer_at_rcpt(CLERK, None);
    let mut gateway = stage.start().await;
    let letters = mail.letters_come(CLERK, 1).await;
    let delivery = shown["deliveries"][0]["delivery_id"].as_str().expect("an id").to_owned();
    assert_eq!(letters[0].header("message-id"), format!("<given-up.{document}.{delivery}@{DOMAIN}>"));
    assert_eq!(letters[0].header("content-type"), "text/plain; charset=utf-8");
    let subject = letters[0].header("subject");
    assert!(subject.starts_with("[Liên thông] Không gửi được 1/UBND-VP đến "), "{subject}");
    let read = letters[0].plain();
    for said in
        ["Số, ký hiệu: 1/UBND-VP\r\n", "H55.15", "Lý do: quá thời hạn", "Reason: not deliverable", &document]
    {
        assert!(read.contains(said), "{said} in {read}");
    }
    let told = until(async || {
        let shown = stage.world.show(0, &document).await.ok()?.body;
        (shown["deliveries"][0]["told"]["told"] == true).then_some(())
    });
    assert!(told.await.is_some(), "the sender sees that it was told");
    assert_eq!(stage.metric("lienthong_accepted_total").await, 0.0, "no packet of the gateway's own");
    assert_eq!((mail.letters(CLERK).len(), mail.queued()), (1, 0), "once");
    assert_eq!(gateway.stop().await.expect("it ends"), Some(0));
}

#[tokio::test]
async fn nothing_of_a_mail_system_is_left_behind() {
    let Some(mut mail) = MailSystem::start(&[CLERK]).await else { return };
    deliver(endpoint(&mail, MailSecurity::Tls), &packet_for(CLERK, awkward())).await.expect("taken");
    mail.letters_come(CLERK, 1).await;
    let groups = mail.process_groups();
    let running = || {
        let processes = std::fs::read_dir("/proc").expect("/proc").flatten();
        let stats = processes.filter_map(|entry| std::fs::read_to_string(entry.path().join("stat")).ok());
        stats.filter(|stat| runs_in(stat, &groups)).count()
    };
    assert_eq!(groups.len(), 3);
    assert!(running() > 6, "three servers and what they have started: {}", running());
    mail.stop_store();
    drop(mail);
    assert!(until(async || (running() == 0).then_some(())).await.is_some(), "{} are left", running());
}

/// proc(5): after the name in brackets come state, parent, process group. What has ended and was not asked after by its
/// parent is not running.
fn runs_in(stat: &str, groups: &[u32]) -> bool {
    let fields: Vec<&str> =
        stat.rsplit_once(") ").map(|(_, rest)| rest.split(' ').collect()).unwrap_or_default();
    let group = fields.get(2).and_then(|group| group.parse().ok());
    fields.first() != Some(&"Z") && group.is_some_and(|group| groups.contains(&group))
}
