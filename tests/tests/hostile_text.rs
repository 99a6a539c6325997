//! A packet, and peers, whose words try to drive terminals, break lines and forge headers: log, command line, mail, API and
//! metrics show them escaped (design.md invariant 8), and every delivery ends as if they had said something decent.

use std::path::PathBuf;

use acceptance::axis::Manner;
use acceptance::hostile::{
    ANSI, INJECTED, NASTY, hostile, is_clean, is_clean_json, is_clean_output, with_strange_algorithm,
};
use acceptance::smtp::{self, Point, ScriptedSmtp};
use acceptance::{Stage, answer, failures, letter_to, text};
use lienthong::demo::mailbox::Mailbox;
use lienthong::demo::world::AGENCIES;
use serde_json::Value;

const PROGRAM: &str = env!("CARGO_BIN_EXE_lienthong-under-test");
const VENDOR: &str = AGENCIES[1].code;
const MAILBOX: &str = "H55.21.7";
const CHECKED: &str = "H55.21.9";
const BEHIND: &str = "G91";

/// Every command that shows a delivery, its document or the gateway, as a table and for programs.
fn commands_are_clean(stage: &Stage, document: &str, deliveries: &[String]) {
    let mut commands: Vec<Vec<&str>> =
        vec![vec!["deliveries", "list"], vec!["dead-letters", "list"], vec!["status"]];
    for id in deliveries {
        commands.push(vec!["deliveries", "show", id]);
        commands.push(vec!["dead-letters", "show", id]);
    }
    for command in &commands {
        for json in [false, true] {
            let output = stage.operator_says(command, json);
            assert!(output.status.success(), "{command:?}: {}", text(&output.stderr));
            is_clean_output(&format!("{command:?}, json {json}"), &output);
            if json {
                is_clean_json(
                    &format!("{command:?}"),
                    &serde_json::from_slice(&output.stdout).expect("JSON"),
                );
            }
        }
    }
    let (url, token) = (format!("http://{}", stage.world.public), stage.world.token_file(0));
    let (config, token) = (stage.world.config.to_str().expect("plain"), token.to_str().expect("plain"));
    for command in [
        vec!["documents", "show", document, "-c", config],
        vec!["documents", "show", document, "--url", &url, "--token-file", token],
    ] {
        let output = stage.run(&command);
        assert!(output.status.success(), "{command:?}: {}", text(&output.stderr));
        is_clean_output(&format!("{command:?}"), &output);
        is_clean_json("documents show", &serde_json::from_slice(&output.stdout).expect("JSON"));
    }
}

/// Log and metrics so far.
async fn log_and_metrics_are_clean(stage: &Stage) {
    let log = std::fs::read_to_string(&stage.world.log).expect("the log, in UTF-8");
    is_clean("the log", &log);
    for line in stage.log() {
        is_clean_json("the log", &line);
        assert!(line["timestamp"].is_string() && line["level"].is_string(), "a line of our own: {line}");
    }
    let metrics = stage.world.metrics().await.expect("metrics");
    is_clean("the metrics", &metrics);
    for word in ["ke-gian", "Bcc", "31m", "X-Id", "don vi"] {
        assert!(!metrics.contains(word), "no label comes from input: {word}");
    }
}

/// A message has the headers that it must have and no others, in plain ASCII, and its text is clean.
fn message_is_clean(message: &smtp::Came) {
    assert!(message.text.bytes().all(|b| matches!(b, b'\r' | b'\n' | b' '..=b'~')), "ASCII only");
    assert!(!message.text.replace("\r\n", "").contains(['\r', '\n']), "every line ends in CR LF");
    let head = message.text.split("\r\n\r\n").next().expect("a head");
    let fields = head.split("\r\n").filter(|line| !line.starts_with([' ', '\t']));
    let mut names: Vec<&str> = fields.map(|line| line.split(':').next().unwrap_or_default()).collect();
    names.sort_unstable();
    let expected = [
        "Auto-Submitted",
        "Content-Type",
        "Date",
        "From",
        "MIME-Version",
        "Message-ID",
        "Subject",
        "To",
        "X-Lienthong-Delivery-Id",
        "X-Lienthong-Digest",
        "X-Lienthong-Document-Id",
        "X-Lienthong-Kind",
        "X-Lienthong-Receiver",
        "X-Lienthong-Sender",
    ];
    assert_eq!(names, expected, "{head}");
    assert!(
        !message.header("Subject").contains("=?utf-8?B?DQpCY2M6IHhA?="),
        "no encoded word of the sender's"
    );
}

/// A world in which every peer can be told what to say.
struct Scene {
    stage: Stage,
    vendor: acceptance::ScriptedHttp,
    axis: acceptance::axis::ScriptedAxis,
    smtp: ScriptedSmtp,
    checked: std::sync::Arc<Mailbox>,
}

impl Scene {
    async fn open() -> Self {
        let stage = Stage::open(PROGRAM, &[]).await;
        let axis = stage.with_axis(&[BEHIND], "").await;
        let smtp = stage.with_mail(&[MAILBOX]).await;
        let checked = stage.with_checked_mail(CHECKED).await;
        let vendor = stage.with_scripted_vendor(1).await;
        // The directory is the operator's own, and yet its names go into headers and tables.
        let file = stage.world.folder.join("directory.toml");
        let text = std::fs::read_to_string(&file).expect("the directory");
        let name = format!("Đơn vị {MAILBOX} (thử nghiệm)");
        assert!(text.contains(&name), "{text}");
        let nasty = "Xã \\u009b31m\\u202e\\r\\nBcc: ke-gian@xa.example.vn\\u0085";
        std::fs::write(&file, text.replace(&name, nasty)).expect("written");
        Self { stage, vendor, axis, smtp, checked }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hostile_packet_is_carried_exactly_and_shown_harmlessly() {
    let Scene { stage, vendor: _content, axis, smtp, checked } = Scene::open().await;
    let mut gateway = stage.start().await;
    let codes = [VENDOR, MAILBOX, CHECKED, BEHIND];
    let packet = stage.signed("hostile.edxml", hostile(1, &codes));
    let bytes = std::fs::read(&packet).expect("the packet");
    assert!(String::from_utf8_lossy(&bytes).contains(NASTY), "the packet is as nasty as it can be");

    let answer = stage.submit(&packet).await;
    let id = answer.document_id().expect("what XML lets through is carried");
    is_clean_json("the receipt", &answer.body);
    assert!(
        answer.body["sender_document_id"].as_str().is_some_and(|id| id.contains("\\u{9b}31m")),
        "visible"
    );
    stage.delivery_is(&id, VENDOR, "received").await;
    for code in [MAILBOX, CHECKED, BEHIND] {
        stage.delivery_is(&id, code, "handed_over").await;
    }
    let shown = stage.world.show(0, &id).await.expect("an answer").body;
    is_clean_json("the document", &shown);
    let lines = shown["deliveries"].as_array().expect("deliveries").iter();
    let deliveries: Vec<String> =
        lines.map(|line| line["delivery_id"].as_str().expect("an id").to_owned()).collect();
    commands_are_clean(&stage, &id, &deliveries);
    // They show that something is there, and what.
    let face = stage.operator(&["deliveries", "show", &deliveries[0]])["document"].clone();
    assert!(face["subject"].as_str().is_some_and(|text| text.contains("\\u{9b}31m") && text.ends_with('…')));

    let came = smtp.came().pop().expect("a message");
    message_is_clean(&came);
    assert_eq!(came.packet(), bytes, "not one byte of the packet is changed");
    let kept = checked.taken().into_values().next().expect("a message");
    is_clean("the subject", &kept.letter.subject);
    assert!(!kept.letter.subject.contains('\n'));
    is_clean("the text", &kept.letter.text.replace("\r\n", "\n"));
    assert!(!kept.letter.text.lines().any(|line| line.starts_with("Bcc:")), "{}", kept.letter.text);
    assert_eq!(std::fs::read(&kept.file).expect("kept"), bytes);
    let consigned = axis.axis.taken().pop().expect("a consignment");
    assert_eq!(std::fs::read(&consigned.file).expect("kept"), bytes);
    assert_eq!((checked.complaints(), axis.axis.complaints()), (Vec::<String>::new(), Vec::new()));
    log_and_metrics_are_clean(&stage).await;
    assert_eq!(gateway.stop().await.expect("it stops"), Some(0));
    is_clean_output("documents show", &stage.operator_says(&["deliveries", "show", &deliveries[1]], false));
    log_and_outbox_are_clean(&stage);
}

/// After the end: the log to its last line, and the check of the store.
fn log_and_outbox_are_clean(stage: &Stage) {
    is_clean("the log", &std::fs::read_to_string(&stage.world.log).expect("the log"));
    for json in [false, true] {
        let output = stage.operator_says(&["outbox", "check"], json);
        assert!(output.status.success(), "{}", text(&output.stderr));
        is_clean_output("outbox check", &output);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_hostile_peers_answer_is_shown_harmlessly() {
    let Scene { stage, vendor, axis, smtp, checked: _content } = Scene::open().await;
    let words = format!("{ANSI}{NASTY}\r\nBcc: ke-gian@xa.example.vn\r\n{{\"level\":\"ERROR\"}}\r\n");
    let said = |status: &str| answer(status, &[("Location", "/\u{9b}31m\u{202e}")], &words);
    let one_line = words.replace("\r\n", " ");
    let reply = |code: &str| format!("{code}-{one_line}\r\n{code} \u{1b}[2J\u{202e}{}", "x".repeat(3_000));
    let mut gateway = stage.start().await;

    vendor.says(said("503 Service Unavailable"));
    smtp.at(Point::Rcpt, smtp::Manner::Say(reply("451")));
    axis.is(Manner::fail("20", &words));
    let id = stage.sent_to(1, &[VENDOR, MAILBOX, BEHIND]).await;
    let rows = [(VENDOR, "http_503"), (MAILBOX, "smtp_451"), (BEHIND, "axis_20")];
    for (receiver, code) in rows {
        let line = stage.delivery_fails(&id, receiver, code).await;
        is_clean_json(receiver, &line);
        assert!(failures(&line).iter().any(|note| note.contains("\\u{")), "something is seen: {line:#}");
    }
    let ids = |shown: &Value| -> Vec<String> {
        let lines = shown["deliveries"].as_array().expect("deliveries").iter();
        lines.map(|line| line["delivery_id"].as_str().expect("an id").to_owned()).collect()
    };
    let shown = stage.world.show(0, &id).await.expect("an answer").body;
    commands_are_clean(&stage, &id, &ids(&shown));
    // An error code is a word of ours in logs and metrics, so it is not whatever the axis calls it.
    axis.is(Manner::fail("9\u{1b}[31m\u{202e}", &words));
    stage.delivery_fails(&id, BEHIND, "axis_unknown").await;

    // For good: the last word is kept as a dead letter's.
    vendor.says(said("422 Unprocessable"));
    smtp.at(Point::Message, smtp::Manner::Say(reply("554")));
    axis.is(Manner::fail("22", &words));
    let shown = stage.all_are(&id, "refused").await;
    is_clean_json("the document", &shown);
    commands_are_clean(&stage, &id, &ids(&shown));
    assert_eq!(stage.dead_letters().len(), 3);

    // And where they agree, and where they send us elsewhere.
    vendor.says(said("200 OK"));
    smtp.at(Point::Message, smtp::Manner::Say(reply("250")));
    let body = serde_json::json!({ "status": "OK", "ErrorCode": "0", "ErrorDesc": words, "DocId": words });
    axis.is(Manner::Say(answer("200 OK", &[], &body.to_string())));
    let agreed = stage.sent_to(2, &[VENDOR, MAILBOX, BEHIND]).await;
    stage.delivery_is(&agreed, VENDOR, "received").await;
    stage.delivery_is(&agreed, MAILBOX, "handed_over").await;
    let line = stage.delivery_is(&agreed, BEHIND, "handed_over").await;
    is_clean_json(BEHIND, &line);
    vendor.says(said("302 Found"));
    axis.is(Manner::Say(said("302 Found")));
    let elsewhere = stage.sent_to(3, &[VENDOR, BEHIND]).await;
    for receiver in [VENDOR, BEHIND] {
        is_clean_json(receiver, &stage.delivery_fails(&elsewhere, receiver, "redirect").await);
    }
    for id in [&agreed, &elsewhere] {
        let shown = stage.world.show(0, id).await.expect("an answer").body;
        is_clean_json("the document", &shown);
        commands_are_clean(&stage, id, &ids(&shown));
    }
    log_and_metrics_are_clean(&stage).await;
    gateway.kill().await.expect("killed");
    is_clean("the log", &std::fs::read_to_string(&stage.world.log).expect("the log"));
}

/// The packet signed by agency 0, or as it is when that cannot be.
fn signed_or_not(stage: &Stage, packet: PathBuf) -> PathBuf {
    let plain = |path: &std::path::Path| path.to_str().expect("a plain path").to_owned();
    let signed = packet.with_extension("signed");
    let identity = stage.world.identity(0);
    let (from, to) = (plain(&packet), plain(&signed));
    let (key, certificate) = (plain(&identity.key), plain(&identity.certificate));
    let output = stage.run(&["sign", &from, "--key", &key, "--cert", &certificate, "-o", &to]);
    is_clean_output("sign", &output);
    if output.status.success() { signed } else { packet }
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_of_hostile_packets_are_harmless() {
    let stage = Stage::open(PROGRAM, &[]).await;
    let mut gateway = stage.start().await;
    let organ = |code: &str| format!("<edXML:OrganId>{code}</edXML:OrganId>");
    let letter = |number: u32| letter_to(number, &[VENDOR]);
    let raw = |number: u32, old: &str, new: &str| letter(number).with_raw(old, new);
    let rows = [
        raw(1, &organ(VENDOR), &organ(&format!("{NASTY}{INJECTED}"))),
        raw(2, &organ("H55"), &organ(&format!("H55{NASTY}"))),
        raw(3, "<edXML:Subject>", &format!("<edXML:\u{2f8}{}>", "x".repeat(10))),
        raw(4, "<edXML:Subject>", &format!("<edXML:Subject {NASTY}=\"1\">")),
        raw(5, "<edXML:OtherInfo>", &format!("<edXML:OtherInfo><edXML:Priority>{NASTY}</edXML:Priority>")),
        raw(6, "<edXML:Priority>0<", &format!("<edXML:Priority>{NASTY}{INJECTED}<")),
        raw(
            7,
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>",
            &format!("<?xml version=\"1.0\" encoding=\"{NASTY}\"?>"),
        ),
        letter(8).type_name(&format!("Tuyệt mật {NASTY}")),
        letter(9).trace(&format!("H55.TRUC{NASTY}"), NASTY).date(NASTY).due_date(NASTY),
    ];
    let (url, token) = (format!("http://{}", stage.world.public), stage.world.token_file(0));
    let token = token.to_str().expect("plain");
    let mut packets: Vec<PathBuf> = Vec::new();
    for (number, document) in rows.into_iter().enumerate() {
        let packet = stage.world.unsigned(&format!("{number}.edxml"), document).expect("a packet");
        // What can be signed is, so that it comes as far as it can.
        packets.push(signed_or_not(&stage, packet));
    }
    packets.push(with_strange_algorithm(&stage));
    let mut refused = 0;
    for signed in packets {
        let name = signed.display().to_string();
        let answer = stage.submit(&signed).await;
        is_clean_json(&name, &answer.body);
        refused += usize::from(answer.status >= 400);
        let file = signed.to_str().expect("plain");
        let certificate = stage.world.identity(0).certificate.to_str().expect("plain").to_owned();
        for command in [
            vec!["send", file, "--url", &url, "--token-file", token],
            vec!["inspect", file],
            vec!["inspect", file, "--json"],
            vec!["verify", file, "--cert", &certificate],
            vec!["verify", file, "--cert", &certificate, "--json"],
        ] {
            is_clean_output(&format!("{name}: {command:?}"), &stage.run(&command));
        }
    }
    assert!(refused >= 8, "only {refused} were refused");
    log_and_metrics_are_clean(&stage).await;
    assert_eq!(gateway.stop().await.expect("it stops"), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_with_hostile_heads_leave_no_mark() {
    let stage = Stage::open(PROGRAM, &[]).await;
    let mut gateway = stage.start().await;
    let token = stage.token(0);
    for (path, more) in [
        ("/api/v1/documents/%1b%5b31m%c2%9b%e2%80%ae".to_owned(), String::new()),
        (format!("/{NASTY}"), String::new()),
        ("/api/v1/documents".to_owned(), format!("Idempotency-Key: {NASTY}\r\n")),
        ("/api/v1/documents".to_owned(), "Content-Type: \u{9b}31m\u{202e}\r\n".to_owned()),
        ("/api/v1/documents".to_owned(), format!("Authorization: Bearer {NASTY}\r\n")),
        ("/api/v1/documents".to_owned(), "X-\u{1b}[31m: 1\r\n".to_owned()),
    ] {
        for method in ["GET", "POST", "\u{1b}[31m"] {
            let authorization = if more.contains("Authorization") {
                String::new()
            } else {
                format!("Authorization: Bearer {token}\r\n")
            };
            let head = format!(
                "{method} {path} HTTP/1.1\r\nHost: x\r\n{authorization}{more}Content-Length: 0\r\n\r\n"
            );
            let heard = acceptance::Wire::open(&stage.world.public).await.ask(&head).await;
            assert!(heard.status == 0 || (400..500).contains(&heard.status), "{heard:?}");
            is_clean("the head", &heard.head.replace("\r\n", "\n"));
            is_clean_json("the body", &heard.body);
        }
    }
    log_and_metrics_are_clean(&stage).await;
    assert_eq!(gateway.stop().await.expect("it stops"), Some(0));
}
