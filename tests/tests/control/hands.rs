//! What an operator does while the gateway runs.

use acceptance::{letter, text, until};
use serde_json::Value;

use crate::{HARMLESS, HOSTILE, Hands};

/// The gateway's log lines about acts.
fn acts(log: &str) -> Vec<Value> {
    let lines =
        log.lines().map(|line| serde_json::from_str::<Value>(line).expect("each line is one JSON object"));
    lines.filter(|line| line["message"] == "operator's act").collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_letter_is_listed_shown_and_sent_again_under_its_id() {
    let hands = Hands::open().await;
    let stage = &hands.stage;
    let mut gateway = stage.start().await;
    stage.world.receivers[1].answer_with(Some(410));
    let packet = stage.signed("1.edxml", letter(1, &[1]).subject("V/v \u{9b}2J\u{202e}gì đó"));
    let document = stage.accepted(&packet).await;
    stage.all_are(&document, "refused").await;
    let id = hands.delivery_of(&document).await;

    let page = hands.json(0, &["dead-letters", "list", "--state", "refused", "--adapter", "vendor_http"]);
    let line = &page["deliveries"][0];
    assert_eq!(
        (line["delivery_id"].as_str(), line["receiver"].as_str()),
        (Some(id.as_str()), Some("H55.15"))
    );
    assert!(line["last"]["note"].as_str().expect("a note").starts_with("http_410"), "{line}");
    assert_eq!((page["deliveries"].as_array().map(Vec::len), &page["next"]), (Some(1), &Value::Null));
    for filter in [["--state", "parked"], ["--receiver", "H55.21"], ["--sender", "H55.15"], ["--after", &id]]
    {
        let page = hands.json(0, &[&["dead-letters", "list"], &filter[..]].concat());
        assert_eq!(page["deliveries"].as_array().map(Vec::len), Some(0), "{filter:?}");
    }
    assert!(hands.listed("deliveries").is_empty(), "it is over");
    let table = text(&hands.run(&["dead-letters", "list"]).stdout);
    assert!(table.contains(&id) && table.contains("bên nhận từ chối"), "{table}");

    let shown = hands.json(0, &["dead-letters", "show", &id]);
    assert_eq!(shown["document"]["subject"], "V/v \\u{9b}2J\\u{202e}gì đó");
    assert_eq!((&shown["packet_here"], &shown["home_now"]), (&Value::Bool(true), &Value::Null));
    let table = text(&hands.run(&["deliveries", "show", &id]).stdout);
    assert!(table.contains("V/v \\u{9b}2J\\u{202e}gì đó") && table.contains("http_410"), "{table}");
    let view = hands.run(&["documents", "show", &document]);
    assert_eq!(view.status.code(), Some(0), "{}", text(&view.stderr));
    let view: Value = serde_json::from_slice(&view.stdout).expect("JSON");
    assert_eq!(view["receipt"]["document_id"], document.as_str());

    let retried = hands.json(1, &["deliveries", "retry", &id, "--reason", "x"]);
    assert_eq!(retried["outcomes"][0]["verdict"], "is_dead_letter", "{retried}");
    stage.world.receivers[1].answer_with(None);
    let nobody = "0".repeat(32);
    let requeued = hands.json(1, &["dead-letters", "requeue", &id, &nobody, "--reason", HOSTILE]);
    let outcome = &requeued["outcomes"][0];
    assert_eq!((&outcome["done"], outcome["verdict"].as_str()), (&Value::Bool(true), Some("requeued")));
    assert_eq!(
        (&outcome["delivery"]["state"], &outcome["delivery"]["generation"]),
        (&"queued".into(), &2.into())
    );
    assert_eq!(requeued["outcomes"][1]["verdict"], "not_found", "each has its own");
    stage.delivered(&document, &packet, &[1]).await;
    stage.nothing_else_arrived([0, 1, 0]);
    assert_eq!(stage.world.receivers[1].taken().keys().collect::<Vec<_>>(), [&id], "the same id");
    assert!(hands.listed("dead-letters").is_empty());

    let note = format!("operator lan: {HARMLESS}");
    let shown = hands.json(0, &["deliveries", "show", &id]);
    let lines = shown["history"].as_array().expect("a history");
    let of = |event: &str| lines.iter().filter(|line| line["event"] == event).collect::<Vec<_>>();
    assert_eq!((of("requeued").len(), of("requeued")[0]["note"].as_str()), (1, Some(note.as_str())));
    let done: Vec<Value> =
        acts(&hands.log()).into_iter().filter(|line| line["verdict"] == "requeued").collect();
    assert_eq!(done.len(), 1);
    assert_eq!((done[0]["operator"].as_str(), done[0]["reason"].as_str()), (Some("lan"), Some(HARMLESS)));
    assert_eq!(
        (done[0]["act"].as_str(), done[0]["delivery_id"].as_str()),
        (Some("requeue"), Some(id.as_str()))
    );
    assert_eq!(stage.metric("lienthong_operator_acts_total{act=\"requeue\"}").await, 1.0);
    assert_eq!(stage.metric("lienthong_operator_acts_total{act=\"retry\"}").await, 0.0);
    let again = hands.json(1, &["dead-letters", "requeue", &id, "--reason", "x"]);
    assert_eq!(again["outcomes"][0]["verdict"], "wrong_state");
    assert_eq!(gateway.stop().await.expect("it stops"), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retry_ends_a_long_pause_at_once() {
    let hands = Hands::open().await;
    let long = |text: String| {
        text.replace("\"100ms\"", "\"1h\"").replace("retry_max = \"2s\"", "retry_max = \"2h\"")
    };
    hands.settings(long);
    let stage = &hands.stage;
    let mut gateway = stage.start().await;
    stage.world.receivers[1].close();
    let packet = stage.letter(1, &[1]);
    let document = stage.accepted(&packet).await;
    stage.metric_reaches("lienthong_receivers_paused{adapter=\"vendor_http\"}", 1.0).await;
    let behind = stage.letter(2, &[1]);
    let second = stage.accepted(&behind).await;
    let taken_over = until(async || {
        let shown = hands.json(0, &["deliveries", "show", &hands.delivery_of(&second).await]);
        (shown["delivery"]["handed_off"] == true).then_some(shown)
    });
    let shown = taken_over.await.expect("taken over");
    let first_id = hands.delivery_of(&document).await;
    assert_eq!(shown["waits_for"][0]["delivery_id"], first_id.as_str(), "{shown}");
    assert_eq!(hands.listed("deliveries").len(), 2);

    let status = hands.json(0, &["status"]);
    assert_eq!((&status["running"], &status["broker"]), (&Value::Bool(true), &"ok".into()), "{status}");
    assert_eq!((&status["pending"], &status["paused"]["vendor_http"]), (&2.into(), &1.into()), "{status}");
    assert_eq!((&status["dead_letters"], &status["organisations"]), (&0.into(), &3.into()), "{status}");
    assert!(status["oldest_pending"].is_string() && status["spool_bytes"].as_u64() > Some(0), "{status}");
    let table = text(&hands.run(&["status"]).stdout);
    assert!(table.contains("đang chạy") && table.contains("vendor_http 1"), "{table}");

    stage.world.receivers[1].reopen().await.expect("open again");
    let second_id = hands.delivery_of(&second).await;
    let retried = hands.json(0, &["deliveries", "retry", &second_id, "--reason", "bên nhận đã chạy lại"]);
    assert_eq!(retried["outcomes"][0]["verdict"], "hastened");
    stage.delivered(&document, &packet, &[1]).await;
    stage.delivered(&second, &behind, &[1]).await;
    let order = |id: &str| stage.world.receivers[1].taken()[id].order;
    assert!(order(&first_id) < order(&second_id), "nothing overtakes");
    let shown = hands.json(0, &["deliveries", "show", &second_id]);
    let lines = shown["history"].as_array().expect("a history");
    let hastened = lines.iter().find(|line| line["event"] == "hastened").expect("a line");
    assert_eq!(hastened["note"], "operator lan: bên nhận đã chạy lại");
    assert_eq!(gateway.stop().await.expect("it stops"), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sender_of_a_parked_one_that_is_given_up_is_told_once() {
    let hands = Hands::open().await;
    let stage = &hands.stage;
    let mut gateway = stage.start().await;
    stage.world.receivers[1].close();
    let packet = stage.letter(1, &[1]);
    let document = stage.accepted(&packet).await;
    stage.metric_reaches("lienthong_retries_total{adapter=\"vendor_http\"}", 1.0).await;
    let (digest, _) = lienthong::demo::world::digest(&packet).expect("the packet");
    std::fs::remove_file(hands.data().join("blobs").join(digest)).expect("it was there");
    stage.all_are(&document, "parked").await;
    let id = hands.delivery_of(&document).await;
    assert_eq!(hands.listed("dead-letters"), [id.as_str()]);
    assert_eq!(hands.listed("deliveries"), [id.as_str()], "it is not over either");
    let checked = hands.json(1, &["outbox", "check"]);
    assert_eq!(checked["faults"][0]["code"], "blob_missing", "{checked}");
    let missing = hands.json(1, &["dead-letters", "requeue", &id, "--reason", "x"]);
    assert_eq!(missing["outcomes"][0]["verdict"], "blob_missing", "{missing}");

    let given_up = hands.json(0, &["dead-letters", "give-up", &id, "--reason", "gói tin đã mất"]);
    assert_eq!(given_up["outcomes"][0]["verdict"], "given_up");
    assert!(hands.listed("dead-letters").is_empty() && !hands.listed("deliveries").contains(&id));
    let told = until(async || (!stage.world.receivers[0].taken().is_empty()).then_some(())).await;
    assert!(told.is_some(), "its sender is told");
    let again = hands.json(1, &["dead-letters", "give-up", &id, "--reason", "x"]);
    assert_eq!(again["outcomes"][0]["verdict"], "closed_before");

    // What is accepted after it has gone all the way by now, and nothing else came with it.
    let next = stage.letter(2, &[2]);
    let next_id = stage.accepted(&next).await;
    stage.delivered(&next_id, &next, &[2]).await;
    stage.nothing_else_arrived([1, 0, 1]);
    for taken in stage.world.receivers[0].taken().values() {
        let status = std::fs::read_to_string(&taken.file).expect("kept");
        assert_eq!(taken.kind, "status");
        assert!(status.contains(">02<") && status.contains("H55.15"), "{status}");
    }
    assert_eq!(hands.json(0, &["outbox", "check", "--deep"])["faults"], Value::Array(Vec::new()));
    let clean = text(&hands.run(&["outbox", "check"]).stdout);
    assert!(clean.contains("toàn vẹn"), "{clean}");
    assert_eq!(gateway.stop().await.expect("it stops"), Some(0));
}
