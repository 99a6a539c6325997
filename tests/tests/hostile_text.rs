//! A packet, and peers, whose words try to drive terminals, break lines and forge headers: log, command line, mail, API and
//! metrics show them escaped (design.md invariant 8), and every delivery ends as if they had said something decent.

#![allow(clippy::panic, clippy::print_stdout, reason = "this is test code, though not in test functions")]

use std::path::PathBuf;
use std::process::Output;

use acceptance::axis::Manner;
use acceptance::smtp::{self, Point, ScriptedSmtp};
use acceptance::{Stage, answer, failures, letter_to, text, workspace};
use lienthong::demo::mailbox::Mailbox;
use lienthong::demo::world::AGENCIES;
use lienthong_schemas::edxml::DocumentBuilder;
use serde_json::Value;

const PROGRAM: &str = env!("CARGO_BIN_EXE_lienthong-under-test");
const VENDOR: &str = AGENCIES[1].code;
const MAILBOX: &str = "H55.21.7";
const CHECKED: &str = "H55.21.9";
const BEHIND: &str = "G91";

/// What XML 1.0 lets through: control characters of ISO 6429 that begin and end a terminal's command, line ends of every
/// kind, bidirectional overrides, what is not seen at all, and text that only looks like a command.
const NASTY: &str = "\u{9b}31m\u{9b}2J\u{85}[31m\u{2028}\u{2029}\u{202e}\u{2066}\u{2069}\u{200b}\u{200f}\u{feff}\u{ad}\
                     \u{7f}\t\u{e0041}=?utf-8?B?DQpCY2M6IHhA?=";
/// The same with a line end and a header behind it, as character references: written out, XML would make one LF of them.
const INJECTED: &str = "&#13;&#10;Bcc: ke-gian@xa.example.vn&#13;&#10;&#13;&#10;&lt;script&gt;";
/// What peers may say besides: they are not bound to XML.
const ANSI: &str = "\u{1b}[31m\u{1b}]0;x\u{7}\u{8}\u{0}";

/// Characters that move a cursor, break a line, reorder or hide others; a list of our own, not the gateway's.
fn is_raw(c: char) -> bool {
    let hidden = [0xad, 0x34f, 0x61c, 0x115f, 0x1160, 0x180e, 0x3164, 0xfeff, 0xffa0];
    let ranges = [(0x200b, 0x200f), (0x2028, 0x202e), (0x2060, 0x206f), (0xfff9, 0xfffb), (0xe0000, 0xe007f)];
    let n = u32::from(c);
    c.is_control() || hidden.contains(&n) || ranges.iter().any(|(first, last)| (*first..=*last).contains(&n))
}

/// Fails when a text has one of these in it, but for the line ends of the text itself.
fn is_clean(what: &str, said: &str) {
    if let Some(at) = said.find(|c| c != '\n' && is_raw(c)) {
        let begin = said.floor_char_boundary(at.saturating_sub(80));
        let end = said.ceil_char_boundary((at + 40).min(said.len()));
        panic!("{what} has {:?} in {:?}", said[at..].chars().next(), &said[begin..end]);
    }
}

/// The same for every text and every key of a JSON value, where not even a line end may be.
fn is_clean_json(what: &str, value: &Value) {
    match value {
        Value::String(text) => {
            is_clean(what, text);
            assert!(!text.contains('\n'), "{what} has a line end in {text:?}");
        }
        Value::Array(list) => list.iter().for_each(|value| is_clean_json(what, value)),
        Value::Object(map) => {
            for (key, value) in map {
                is_clean(what, key);
                is_clean_json(&format!("{what}.{key}"), value);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// What a command wrote, on either side.
fn is_clean_output(what: &str, output: &Output) {
    for bytes in [&output.stdout, &output.stderr] {
        let said = std::str::from_utf8(bytes).unwrap_or_else(|cause| panic!("{what}: {cause}"));
        is_clean(what, said);
    }
}

/// A letter that is hostile wherever a sender writes freely.
fn hostile(number: u32, codes: &[&str]) -> DocumentBuilder {
    let long = "đ".repeat(15_000);
    let from = AGENCIES[0].code;
    let leaf = |name: &str| format!("<edXML:{name}>{NASTY}{INJECTED}{name}</edXML:{name}>");
    let organ = |code: &str| format!("<edXML:OrganId>{code}</edXML:OrganId>");
    let named = |code: &str| organ(code) + &leaf("OrganName");
    let document = letter_to(number, codes)
        .subject("SUBJECT")
        .document_id(&format!("{NASTY}\r\nX-Id: {number}"))
        .code(&format!("{number}{NASTY}"), &format!("UBND-VP{NASTY}\r\nX-Code: 1"))
        .type_name(&format!("Công văn{NASTY}\r\nX-Type: 1"))
        .response_for(from, &format!("7{NASTY}"), &format!("H55,2025/01/02,{NASTY}"), NASTY)
        .attach(&format!("{NASTY}\r\n../../x.pdf"), &format!("application/pdf{NASTY}"), &b"%PDF-1.7"[..]);
    document
        .with_raw(">SUBJECT<", &format!(">V/v {NASTY}{INJECTED}{long}<"))
        .with_raw(&organ(from), &named(from))
        .with_raw(&organ(codes[0]), &named(codes[0]))
        .with_raw("Người ký thử nghiệm", &format!("Người ký{NASTY}{INJECTED}"))
        .with_raw(">Giám đốc<", &format!(">Giám đốc{NASTY}<"))
}

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

/// Every file of a folder of the corpus.
fn corpus(folder: &str) -> Option<Vec<PathBuf>> {
    let folder = workspace().join("../shared/corpus").join(folder);
    let files = std::fs::read_dir(folder).ok()?;
    Some(files.map(|entry| entry.expect("an entry").path()).filter(|path| path.is_file()).collect())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_corpus_is_shown_harmlessly() {
    let (Some(packets), Some(attacks)) = (corpus("edxml"), corpus("xmldsig/attacks")) else {
        println!("SKIPPED: corpus absent");
        return;
    };
    let stage = Stage::open(PROGRAM, &[]).await;
    let mut gateway = stage.start().await;
    let certificate = stage.world.identity(0).certificate.to_str().expect("plain").to_owned();
    let files: Vec<_> =
        packets.iter().chain(&attacks).filter(|path| path.extension().is_some_and(|e| e != "md")).collect();
    assert!(files.len() > 60, "{} files", files.len());
    for path in files {
        let file = path.to_str().expect("a plain path");
        for command in [
            vec!["inspect", file],
            vec!["inspect", file, "--json"],
            vec!["verify", file, "--cert", &certificate, "--json"],
        ] {
            is_clean_output(&format!("{command:?}"), &stage.run(&command));
        }
        is_clean_json(file, &stage.submit(path).await.body);
    }
    log_and_metrics_are_clean(&stage).await;
    assert_eq!(gateway.stop().await.expect("it stops"), Some(0));
}

/// A signed letter whose signature names an algorithm that does not exist, and more.
fn with_strange_algorithm(stage: &Stage) -> PathBuf {
    let packet = stage.signed("hostile.edxml", hostile(20, &[VENDOR]));
    let genuine = std::fs::read_to_string(&packet).expect("the packet");
    let algorithm = "Algorithm=\"http://www.w3.org/2001/04/xmldsig-more#";
    let at = genuine.find(algorithm).expect("a signature algorithm") + "Algorithm=\"".len();
    let strange = stage.world.folder.join("strange.edxml");
    let text = format!("{}{NASTY}{INJECTED}{}", &genuine[..at], &genuine[at..]);
    std::fs::write(&strange, text).expect("written");
    strange
}

#[tokio::test(flavor = "multi_thread")]
async fn inspect_and_verify_escape_every_word_of_a_packet() {
    let stage = Stage::open(PROGRAM, &[]).await;
    let strange = with_strange_algorithm(&stage);
    let plain = |path: &std::path::Path| path.to_str().expect("a plain path").to_owned();
    let (certificate, ca) =
        (plain(&stage.world.identity(0).certificate), plain(&stage.world.folder.join("pki/ca.crt")));
    for (file, code) in [(plain(&stage.world.folder.join("hostile.edxml")), 0), (plain(&strange), 2)] {
        let trust = ["--cert", &certificate, "--ca", &ca];
        for more in [[].as_slice(), &["--json"]] {
            let output = stage.run(&[&["inspect", &file], more].concat());
            assert!(output.status.success(), "{}", text(&output.stderr));
            is_clean_output("inspect", &output);
            let said = text(&output.stdout);
            assert!(said.contains("u{9b}31m") && said.contains("u{202e}"), "shown, and escaped: {said:.300}");
            let output = stage.run(&[&["verify", &file], trust.as_slice(), more].concat());
            assert_eq!(output.status.code(), Some(code), "{}", text(&output.stdout));
            is_clean_output("verify", &output);
            if !more.is_empty() {
                is_clean_json("verify", &serde_json::from_slice(&output.stdout).expect("JSON"));
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_answers_in_the_gateways_place_is_shown_harmlessly() {
    let stage = Stage::open(PROGRAM, &[]).await;
    let stranger = stage.with_scripted_vendor(1).await;
    let url = stranger.url().replace("/edxml", "");
    let (token, packet) = (stage.world.token_file(0), stage.signed("1.edxml", letter_to(1, &[VENDOR])));
    let (token, packet) = (token.to_str().expect("plain"), packet.to_str().expect("plain"));
    let words = format!("{ANSI}{NASTY}\r\n");
    let json = serde_json::json!({ (words.clone()): [words.clone(), { "document_id": words.clone() }] });
    let id = "0".repeat(32);
    for (status, code) in [("200 OK", 0), ("502 Bad Gateway", 1)] {
        for body in [json.to_string(), words.clone()] {
            stranger.says(answer(status, &[("Content-Type", "application/json")], &body));
            for command in [vec!["documents", "show", &id], vec!["send", packet]] {
                let output =
                    stage.run(&[command.as_slice(), &["--url", &url, "--token-file", token]].concat());
                assert_eq!(output.status.code(), Some(code), "{}", text(&output.stderr));
                is_clean_output(command[0], &output);
                let said = text(&output.stdout) + &text(&output.stderr);
                assert!(said.contains("u{9b}31m"), "shown, and escaped: {said}");
            }
        }
    }
}
