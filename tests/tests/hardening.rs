//! What a hostile peer, a full table of files or an impatient operator cannot do to the gateway.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use acceptance::{Stage, Wire, signal, until};
use lienthong::demo::child::is_alive;
use lienthong_schemas::edxml::DocumentBuilder;
use rustix::process::{Pid, Resource, Rlimit, Signal, prlimit};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

const PROGRAM: &str = env!("CARGO_BIN_EXE_lienthong-under-test");
/// Log lines with this text.
fn logged(stage: &Stage, text: &str) -> usize {
    let log = std::fs::read_to_string(&stage.world.log).expect("a log");
    log.lines().filter(|line| line.contains(text)).count()
}

/// The program with a limit of open files, soft and hard.
fn with_files(folder: &Path, files: u32) -> String {
    let script = folder.join("limited");
    std::fs::write(&script, format!("#!/bin/sh\nulimit -n {files}\nexec '{PROGRAM}' \"$@\"\n"))
        .expect("a script");
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o700)).expect("may be run");
    script.to_string_lossy().into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_leave_descriptors_for_everything_else() {
    let folder = tempfile::tempdir().expect("a folder");
    let stage = Stage::open(&with_files(folder.path(), 256), &[]).await;
    let mut gateway = stage.start().await;
    assert_eq!(logged(&stage, "more than the limit of open files allows"), 1);
    let mut held = Vec::new();
    for _ in 0..400 {
        held.push(TcpStream::connect(&stage.world.public).await.expect("the system takes it"));
    }
    let said = until(async || (logged(&stage, "a peer has too many connections") > 0).then_some(()));
    assert!(said.await.is_some(), "one address does not have them all");
    assert_eq!(stage.readyz().await.0, 200);
    // They are accepted in their order: when the last one is closed, none is left that could meet free places.
    let last = held.last_mut().expect("the last one");
    assert_eq!(last.read(&mut [0]).await.unwrap_or(0), 0, "it is closed");
    drop(held);
    let packet = stage.letter(1, &[1]);
    let id = until(async || stage.world.submit(0, &packet).await.ok()?.document_id().ok()).await;
    stage.delivered(&id.expect("there is room again"), &packet, &[1]).await;
    assert_eq!(logged(&stage, "a peer has too many connections"), 1, "said once");
    assert_eq!(gateway.stop().await.expect("it stops"), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listener_without_descriptors_waits_and_says_so_once() {
    let stage = Stage::open(PROGRAM, &[]).await;
    let mut gateway = stage.start().await;
    let pid = gateway.pid().and_then(|pid| Pid::from_raw(pid.cast_signed())).expect("a process");
    let limit = |current| Rlimit { current: Some(current), maximum: None };
    let before =
        prlimit(Some(pid), Resource::Nofile, Rlimit { maximum: hard(pid), ..limit(1) }).expect("limited");
    let mut waiting = Wire::open(&stage.world.public).await;
    let said = until(async || (logged(&stage, "no connection can be accepted") > 0).then_some(()));
    assert!(said.await.is_some(), "it is said");
    // The first waits are over: one who does not wait has written thousands of lines by now.
    let (begun, mut ticks) = (tokio::time::Instant::now(), lienthong::demo::child::ticks());
    while begun.elapsed().as_millis() < 500 {
        ticks.tick().await;
    }
    assert_eq!(logged(&stage, "no connection can be accepted"), 1);
    prlimit(Some(pid), Resource::Nofile, before).expect("as it was");
    let heard = waiting.ask("GET /api/v1/documents/x HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert_eq!(heard.status, 401, "the one that waited is served");
    assert_eq!(gateway.stop().await.expect("it stops"), Some(0));
}

fn hard(pid: Pid) -> Option<u64> {
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", pid.as_raw_nonzero())).expect("proc(5)");
    let line = limits.lines().find(|line| line.starts_with("Max open files")).expect("a line");
    line.split_whitespace().nth(4).and_then(|hard| hard.parse().ok())
}

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_comes_from_the_table_of_rejections() {
    let stage = Stage::open(PROGRAM, &[]).await;
    let mut gateway = stage.start().await;
    let token = format!("Authorization: Bearer {}\r\n", stage.token(0));
    let long = format!("/api/v1/documents/{}", "a".repeat(50_000));
    let rows = [
        ("GET", "/api/v1/documents/%ff", "", 401, "CREDENTIALS_MISSING"),
        ("GET", "/api/v1/documents/%ff", token.as_str(), 404, "NOT_FOUND"),
        ("GET", "/api/v1/documents/%00", token.as_str(), 404, "NOT_FOUND"),
        ("GET", "/api/v1/documents/", token.as_str(), 404, "NOT_FOUND"),
        ("GET", long.as_str(), token.as_str(), 404, "NOT_FOUND"),
        ("GET", "/%ff", "", 404, "NOT_FOUND"),
        ("BREW", "/api/v1/documents", "", 405, "METHOD_NOT_ALLOWED"),
        ("BREW", "/api/v1/documents/%ff", "", 405, "METHOD_NOT_ALLOWED"),
        ("OPTIONS", "*", "", 404, "NOT_FOUND"),
        ("CONNECT", "x:1", "", 404, "NOT_FOUND"),
        ("GET", "http://x/api/v1/documents/x", "", 401, "CREDENTIALS_MISSING"),
    ];
    for (method, path, more, status, code) in rows {
        let mut wire = Wire::open(&stage.world.public).await;
        let heard = wire.ask(&format!("{method} {path} HTTP/1.1\r\nHost: x\r\n{more}\r\n")).await;
        let at = &path[..path.len().min(40)];
        assert_eq!(
            (heard.status, heard.body["code"].as_str()),
            (status, Some(code)),
            "{method} {at}: {heard:?}"
        );
        assert_eq!(heard.header("content-type"), Some("application/problem+json"), "{method} {at}");
    }
    assert_eq!(gateway.stop().await.expect("it stops"), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_signal_ends_the_gateway_at_once_and_loses_nothing() {
    let stage = Stage::open(PROGRAM, &[]).await;
    let mut gateway = stage.start().await;
    stage.world.receivers[1].close();
    let packet = stage.letter(1, &[1]);
    let id = stage.accepted(&packet).await;
    let (pid, broker) = (gateway.pid().expect("a process"), gateway.broker_pid().expect("a broker"));
    // An upload that stands still holds up an orderly end for 30 s.
    let mut upload = Wire::open(&stage.world.public).await;
    let head = format!(
        "POST /api/v1/documents HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\nContent-Length: 500000\r\n\r\nx",
        stage.token(0)
    );
    upload.send(head).await;
    stage.metric_reaches("lienthong_uploads_in_flight", 1.0).await;
    signal(pid, Signal::TERM);
    assert!(until(async || (logged(&stage, "\"stopping\"") > 0).then_some(())).await.is_some());
    signal(pid, Signal::TERM);
    let begun = tokio::time::Instant::now();
    assert_eq!(gateway.ended().await.expect("it ends"), Some(1));
    assert!(begun.elapsed().as_secs() < 10, "at once: {:?}", begun.elapsed());
    assert!(until(async || (!is_alive(broker)).then_some(())).await.is_some(), "no broker is left behind");

    stage.world.receivers[1].reopen().await.expect("open again");
    let mut gateway = stage.start().await;
    stage.delivered(&id, &packet, &[1]).await;
    assert_eq!(gateway.stop().await.expect("it stops"), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reload_checks_all_that_a_start_checks() {
    let stage = Stage::open(PROGRAM, &[]).await;
    let (config, file) = (stage.world.config.clone(), stage.world.folder.join("directory.toml"));
    let certified = std::fs::read_to_string(&file).expect("a directory");
    let lines =
        certified.lines().filter(|line| !line.starts_with("certificates") && !line.starts_with("signature"));
    let plain: String = lines.map(|line| format!("{line}\n")).collect();
    let settings = std::fs::read_to_string(&config).expect("settings");
    let production = settings.replace("profile = \"trial\"", "").replace("ca = [\"pki/ca.crt\"]", "ca = []");
    let silent =
        format!("\n[systems.khong-dia-chi]\nname = \"x\"\ntoken_sha256 = [\"{}\"]\n", "0".repeat(64));
    std::fs::write(&config, production + &silent).expect("settings");
    std::fs::write(&file, &plain).expect("a directory");
    let mut gateway = stage.start().await;

    let (applied, refused) = (
        "lienthong_directory_reloads_total{result=\"applied\"}",
        "lienthong_directory_reloads_total{result=\"refused\"}",
    );
    std::fs::write(&file, &certified).expect("a directory");
    stage.metric_reaches(refused, 1.0).await;
    assert_eq!(logged(&stage, "a trial certificate needs"), 1);
    let homeless =
        "[[organisation]]\norgan_id = \"H55.30\"\nname = \"x\"\nhome = { system = \"khong-dia-chi\" }\n";
    std::fs::write(&file, format!("{plain}\n{homeless}")).expect("a directory");
    stage.metric_reaches(refused, 2.0).await;
    assert_eq!(logged(&stage, "this home takes no packets"), 1);
    assert_eq!(stage.metric(applied).await, 0.0);
    assert_eq!(gateway.stop().await.expect("it stops"), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_certificate_is_read_again() {
    let stage = Stage::open(PROGRAM, &[]).await;
    let mut gateway = stage.start().await;
    let file = &stage.world.identity(1).certificate;
    let both = [1, 0].map(|at| std::fs::read(&stage.world.identity(at).certificate).expect("a certificate"));
    std::fs::write(file, both.concat()).expect("written");
    stage.metric_reaches("lienthong_directory_reloads_total{result=\"applied\"}", 1.0).await;
    assert_eq!(gateway.stop().await.expect("it stops"), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_document_for_very_many_shows_the_newest_line_of_each() {
    let stage = Stage::open(PROGRAM, &[]).await;
    let file = stage.world.folder.join("directory.toml");
    let codes: Vec<String> = (0..101).map(|n| format!("H55.30.{n}")).collect();
    let entry = |code: &String| {
        format!(
            "[[organisation]]\norgan_id = \"{code}\"\nname = \"x\"\nhome = {{ system = \"qlvb-xa\" }}\n\n"
        )
    };
    let more: String = codes.iter().map(entry).collect();
    let old = std::fs::read_to_string(&file).expect("a directory");
    std::fs::write(&file, old + &more).expect("a directory");
    let mut gateway = stage.start().await;
    let send = async |count: usize| {
        let to: Vec<&str> = codes[..count].iter().map(String::as_str).collect();
        let letter = DocumentBuilder::new("H55", &to).document_id(&format!("H55,2026/01/02,{count}"));
        let id = stage.accepted(&stage.signed(&format!("{count}.edxml"), letter)).await;
        let shown = stage.all_are(&id, "received").await;
        let deliveries = shown["deliveries"].as_array().expect("deliveries").iter();
        let lines = deliveries.map(|d| d["history"].as_array().map_or(0, Vec::len));
        lines.collect::<Vec<_>>()
    };
    let (hundred, more) = (send(100).await, send(101).await);
    assert!(hundred.len() == 100 && hundred.iter().all(|lines| *lines > 1), "{hundred:?}");
    assert!(more.len() == 101 && more.iter().all(|lines| *lines == 1), "{more:?}");
    assert_eq!(gateway.stop().await.expect("it stops"), Some(0));
}
