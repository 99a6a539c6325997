//! What an operator relies on: metrics that move, a directory that is read again, and an end that loses nothing.

use std::io::Write;
use std::process::{Command, Stdio};

use acceptance::{Stage, Wire, letter, signal, text, until};
use lienthong_schemas::edxml::DocumentBuilder;
use rustix::process::Signal;

const PROGRAM: &str = env!("CARGO_BIN_EXE_lienthong-under-test");

#[tokio::test(flavor = "multi_thread")]
async fn metrics_move_and_promtool_has_nothing_to_say() {
    let stage = Stage::open(PROGRAM, &[]).await;
    let mut gateway = stage.start().await;
    stage.world.receivers[2].answer_with(Some(503));
    let id = stage.accepted(&stage.letter(1, &[1, 2])).await;
    let unsigned = stage.world.unsigned("u.edxml", letter(2, &[1])).expect("a packet");
    assert_eq!(stage.submit(&unsigned).await.status, 422);
    stage.metric_reaches("lienthong_delivered_total{adapter=\"vendor_http\"}", 1.0).await;
    stage.metric_reaches("lienthong_retries_total{adapter=\"vendor_http\"}", 1.0).await;
    assert_eq!(stage.metric("lienthong_outbox_pending").await, 1.0);
    assert!(stage.metric("lienthong_oldest_pending_seconds").await > 0.0);
    let failed = "lienthong_failed_attempts_total{adapter=\"vendor_http\",class=\"receiver\"}";
    assert!(stage.metric(failed).await >= 2.0);
    stage.world.receivers[2].answer_with(None);
    stage.all_are(&id, "received").await;
    stage.metric_reaches("lienthong_delivered_total{adapter=\"vendor_http\"}", 2.0).await;
    assert_eq!(stage.metric("lienthong_accepted_total").await, 1.0);
    assert_eq!(stage.metric("lienthong_refused_total{code=\"signature_missing\"}").await, 1.0);
    assert_eq!(stage.metric("lienthong_outbox_pending").await, 0.0);
    assert_eq!(stage.metric("lienthong_oldest_pending_seconds").await, 0.0);
    for step in ["receive", "verify", "recognise", "route", "commit", "publish", "deliver", "settle"] {
        let count = format!("lienthong_step_seconds_count{{step=\"{step}\"}}");
        assert!(stage.metric(&count).await >= 1.0, "{step} is measured");
    }
    promtool(&stage.world.metrics().await.expect("metrics"));
    assert_eq!(gateway.stop().await.expect("it stops"), Some(0));
}

fn promtool(metrics: &str) {
    let child = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut child = child.expect("this test needs promtool (Debian package prometheus; ./check installs it)");
    child.stdin.take().expect("piped").write_all(metrics.as_bytes()).expect("promtool reads");
    let output = child.wait_with_output().expect("promtool ends");
    let said = text(&output.stdout) + &text(&output.stderr);
    assert!(output.status.success() && said.trim().is_empty(), "promtool: {said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_directory_is_read_again_whole_or_not_at_all() {
    let stage = Stage::open(PROGRAM, &[]).await;
    let mut gateway = stage.start().await;
    let file = stage.world.folder.join("directory.toml");
    let old = std::fs::read_to_string(&file).expect("the directory");
    let to_new = |number: u32| {
        let document =
            DocumentBuilder::new("H55", &["H55.30"]).document_id(&format!("H55,2026/01/02,{number}"));
        stage.signed(&format!("{number}.edxml"), document)
    };
    let answer = stage.submit(&to_new(1)).await;
    assert_eq!(answer.body["code"], "RECEIVER_UNKNOWN");

    let more =
        "[[organisation]]\norgan_id = \"H55.30\"\nname = \"Sở mới\"\nhome = { system = \"qlvb-xa\" }\n";
    std::fs::write(&file, format!("{old}\n{more}")).expect("written");
    stage.metric_reaches("lienthong_directory_reloads_total{result=\"applied\"}", 1.0).await;
    let id = stage.accepted(&to_new(2)).await;
    stage.all_are(&id, "received").await;

    // Broken: one organisation with two homes. What was read before stays.
    let broken = format!("{old}\n{more}\n{}", more.replace("qlvb-xa", "qlvb-so"));
    std::fs::write(&file, broken).expect("written");
    stage.metric_reaches("lienthong_directory_reloads_total{result=\"refused\"}", 1.0).await;
    let id = stage.accepted(&to_new(3)).await;
    stage.all_are(&id, "received").await;
    assert_eq!(stage.metric("lienthong_directory_reloads_total{result=\"applied\"}").await, 1.0);

    std::fs::write(&file, &old).expect("written");
    stage.metric_reaches("lienthong_directory_reloads_total{result=\"applied\"}", 2.0).await;
    assert_eq!(stage.submit(&to_new(4)).await.body["code"], "RECEIVER_UNKNOWN");
    stage.nothing_else_arrived([0, 0, 2]);
    assert_eq!(gateway.stop().await.expect("it stops"), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_and_the_hotline_are_changed_without_a_stop() {
    let stage = Stage::open(PROGRAM, &[]).await;
    let mut gateway = stage.start().await;
    let (old, new) = (stage.token(0), "a-throw-away-token-that-is-new");
    let hash = |token: &str| lienthong_schemas::ids::PacketDigest::of(token.trim().as_bytes()).to_string();
    let text = std::fs::read_to_string(&stage.world.config).expect("the settings");
    assert!(text.contains(&hash(&old)) && text.contains("0208 000 000"));
    let text = text.replace(&hash(&old), &hash(new)).replace("0208 000 000", "0208 111 111");
    std::fs::write(&stage.world.config, text).expect("other settings");
    let reloads = "lienthong_directory_reloads_total{result=\"applied\"}";
    let before = stage.metric(reloads).await;
    signal(gateway.pid().expect("it runs"), Signal::HUP);
    stage.metric_reaches(reloads, before + 1.0).await;

    let refused = stage.submit(&stage.letter(1, &[1])).await;
    assert_eq!((refused.status, refused.body["support"].as_str()), (401, Some("0208 111 111")));
    std::fs::write(stage.world.token_file(0), new).expect("the sender's new token");
    let packet = stage.letter(2, &[1]);
    let id = stage.accepted(&packet).await;
    stage.delivered(&id, &packet, &[1]).await;
    gateway.stop().await.expect("in order");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_waits_for_an_upload_and_nothing_accepted_is_lost() {
    let stage = Stage::open(PROGRAM, &[]).await;
    let mut gateway = stage.start().await;
    stage.world.receivers[1].close();
    let waiting = stage.letter(1, &[1]);
    let waiting_id = stage.accepted(&waiting).await;

    let packet = stage.letter(2, &[1]);
    let bytes = std::fs::read(&packet).expect("the packet");
    let mut wire = Wire::open(&stage.world.public).await;
    let head = format!(
        "POST /api/v1/documents HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\nContent-Length: {}\r\n\r\n",
        stage.token(0),
        bytes.len()
    );
    wire.send(head).await;
    wire.send(&bytes[..1000]).await;
    stage.metric_reaches("lienthong_uploads_in_flight", 1.0).await;
    let upload = async {
        let stopping = until(async || {
            let log = std::fs::read_to_string(&stage.world.log).ok()?;
            log.contains("\"stopping\"").then_some(())
        });
        assert!(stopping.await.is_some(), "SIGTERM is noticed");
        let refused = until(async || stage.world.submit(0, &waiting).await.err());
        assert!(refused.await.is_some(), "no new work");
        wire.send(&bytes[1000..]).await;
        wire.answer().await
    };
    let (code, heard) = tokio::join!(gateway.stop(), upload);
    assert_eq!(code.expect("it stops"), Some(0));
    assert_eq!(heard.status, 202, "{heard:?}");
    let upload_id = heard.body["document_id"].as_str().expect("an id").to_owned();

    stage.world.receivers[1].reopen().await.expect("open again");
    let mut gateway = stage.start().await;
    stage.delivered(&waiting_id, &waiting, &[1]).await;
    stage.delivered(&upload_id, &packet, &[1]).await;
    stage.nothing_else_arrived([0, 2, 0]);
    assert_eq!(gateway.stop().await.expect("it stops"), Some(0));
}
