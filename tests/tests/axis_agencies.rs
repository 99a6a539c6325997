//! Who an axis says is registered there, staged beside the operator's directory file by the running gateway.
#![allow(clippy::panic, reason = "this is test code, though not in test functions")]

use acceptance::axis::{Manner, ScriptedAxis, is_sent};
use acceptance::{Stage, letter_to, organisation, text};
use lienthong::demo::axis::{Agency, Habits};
use lienthong::demo::world::AGENCIES;
use serde_json::{Value, json};

const PROGRAM: &str = env!("CARGO_BIN_EXE_lienthong-under-test");

/// The axis has these agencies; G91 has the name that the directory has for it.
fn has(axis: &ScriptedAxis, codes: &[&str]) {
    let agency = |code: &&str| Agency::named(code, &format!("Đơn vị {code} (thử nghiệm)"));
    axis.axis.behave(Habits { agencies: codes.iter().map(agency).collect(), ..Habits::default() });
}

async fn stage(codes: &[&str], more: &str) -> (Stage, ScriptedAxis) {
    let stage = Stage::open(PROGRAM, &[]).await;
    let axis = stage.with_axis(&["G91"], more).await;
    has(&axis, codes);
    (stage, axis)
}

/// What the running gateway has of the axis.
fn staged(stage: &Stage) -> Value {
    stage.operator(&["axis", "agencies", "vpcp", "--pending"])[0].clone()
}

/// What a letter to this code is refused for.
async fn refusal(stage: &Stage, number: u32, code: &str) -> (u16, Value) {
    let packet = stage.signed(&format!("{number}.edxml"), letter_to(number, &[code]));
    let answer = stage.submit(&packet).await;
    (answer.status, answer.body["code"].clone())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_is_staged_and_who_is_gone_waits_for_an_operator() {
    let (stage, axis) = stage(&["G91", "G92", AGENCIES[1].code], "\n[axes.vpcp.agencies]\n").await;
    let mut gateway = stage.start().await;
    stage.metric_reaches("lienthong_axis_syncs_total{result=\"taken\"}", 1.0).await;
    let document = stage.sent_to(1, &["G92"]).await;
    stage.delivery_is(&document, "G92", "handed_over").await;
    stage.reload(&gateway).await;
    let document = stage.sent_to(2, &["G92", AGENCIES[1].code]).await;
    stage.delivery_is(&document, "G92", "handed_over").await;
    stage.delivery_is(&document, AGENCIES[1].code, "received").await;
    let view = staged(&stage);
    assert_eq!((&view["open"], &view["closed"], &view["pending"]), (&json!(1), &json!(0), &Value::Null));
    assert_eq!(
        (&view["decisions"][0]["decided"], &view["home"]),
        (&json!("taken"), &json!({ "axis": "vpcp" }))
    );

    // The one that was staged is gone: nothing happens until somebody says that it is so.
    has(&axis, &["G93"]);
    let view = &stage.operator(&["axis", "sync", "vpcp"])[0];
    let plan = &view["pending"]["plan"];
    assert_eq!((&plan["closes"], &plan["opens"]), (&json!(["G92"]), &json!(["G93"])));
    assert_eq!(plan["in_file"], json!(["G91"]), "the operator's own");
    assert_eq!(stage.metric("lienthong_agency_lists_waiting").await, 1.0);
    assert_eq!(refusal(&stage, 3, "G93").await, (422, json!("RECEIVER_UNKNOWN")));
    let of_another = ["axis", "reject", "vpcp", "--since", "2020-01-01T00:00:00Z", "--reason", "x"];
    let not_seen = stage.operator_says(&of_another, false);
    assert_eq!(not_seen.status.code(), Some(1), "another list waits: {}", text(&not_seen.stderr));
    let at = view["pending"]["at"].as_str().expect("a time");
    stage.operator(&["axis", "reject", "vpcp", "--since", at, "--reason", "danh sách thiếu"]);
    let again = ["axis", "approve", "vpcp", "--since", at, "--reason", "x"];
    let again = stage.operator_says(&again, false);
    assert_eq!(again.status.code(), Some(1), "nothing waits: {}", text(&again.stderr));
    let document = stage.sent_to(4, &["G92"]).await;
    stage.delivery_is(&document, "G92", "handed_over").await;
    axis.is(Manner::page("200 OK", &[("Content-Type", "text/html")]));
    let output = stage.operator_says(&["axis", "sync", "vpcp"], false);
    assert_eq!(output.status.code(), Some(1), "a page names nobody as gone: {}", text(&output.stderr));
    axis.is(Manner::Well);
    // A folder where the draft of the roll would be.
    let draft = stage.world.folder.join("data/directory/vpcp.json.draft");
    std::fs::create_dir(&draft).expect("made");
    let output = stage.operator_says(&["axis", "sync", "vpcp"], false);
    assert_eq!(output.status.code(), Some(3), "{}", text(&output.stdout));
    assert!(text(&output.stderr).contains("vpcp.json.draft"), "why: {}", text(&output.stderr));
    std::fs::remove_dir(&draft).expect("removed");
    let view = &stage.operator(&["axis", "sync", "vpcp"])[0];
    let at = view["pending"]["at"].as_str().expect("a time");
    let of_this_second = format!("{}Z", at.split_once('.').expect("parts of a second").0);
    let blind = ["axis", "approve", "vpcp", "--since", &of_this_second, "--reason", "x"];
    assert_eq!(stage.operator_says(&blind, false).status.code(), Some(1), "another of the same second");
    let view = &stage.operator(&["axis", "approve", "vpcp", "--since", at, "--reason", "đã hỏi VPCP"])[0];
    let last = &view["decisions"].as_array().and_then(|all| all.last()).expect("a decision");
    assert_eq!(
        [&last["decided"], &last["operator"], &last["reason"]],
        ["approved", "van-hanh", "đã hỏi VPCP"].map(|text| json!(text)).each_ref()
    );
    assert_eq!(refusal(&stage, 5, "G92").await, (422, json!("RECEIVER_CLOSED")));
    stage.sent_to(6, &["G93"]).await;

    assert_eq!(gateway.stop().await.expect("it stops"), Some(0));
    stage.write_more("", &organisation("G92", "home = { axis = \"vpcp\" }"));
    let mut gateway = stage.start().await;
    stage.sent_to(7, &["G93"]).await;
    stage.sent_to(8, &["G92"]).await;
    let left = &staged(&stage)["left_out"][0];
    assert_eq!((&left["code"], &left["why"]), (&json!("G92"), &json!("code_taken")), "the file wins");
    assert_eq!(gateway.stop().await.expect("it stops"), Some(0));
    assert_eq!(axis.axis.complaints(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_roll_is_set_aside_and_a_newer_one_is_not_touched() {
    let (stage, axis) = stage(&["G91", "G92"], "\n[axes.vpcp.agencies]\n").await;
    let mut gateway = stage.start().await;
    stage.metric_reaches("lienthong_axis_syncs_total{result=\"taken\"}", 1.0).await;
    assert_eq!(gateway.stop().await.expect("it stops"), Some(0));
    let file = stage.world.folder.join("data/directory/vpcp.json");
    let written = std::fs::read_to_string(&file).expect("a roll");
    std::fs::write(&file, written.replace("G92", "G99")).expect("written");
    let mut gateway = stage.start().await;
    assert!(file.with_extension("json.broken").exists());
    let is_loud = |line: &Value| {
        line["level"] == "ERROR" && line["message"].as_str().is_some_and(|m| m.contains("damaged"))
    };
    assert!(stage.log().iter().any(is_loud));
    // None is staged, so the axis is asked at once.
    stage.metric_reaches("lienthong_axis_syncs_total{result=\"taken\"}", 1.0).await;
    stage.sent_to(1, &["G92", "G91"]).await;
    assert_eq!(gateway.stop().await.expect("it stops"), Some(0));
    std::fs::write(&file, "{\"version\":2}").expect("written");
    let refused = stage.start_with(&[]).await.map(drop).expect_err("of a newer program");
    assert!(refused.to_string().contains("version"), "{refused}");
    assert_eq!(std::fs::read_to_string(&file).expect("there"), "{\"version\":2}");
    assert_eq!(axis.axis.complaints(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_that_an_axis_does_not_know_is_refused_only_when_its_list_says_so_too() {
    // Nothing is staged here: the list is asked for when it is needed.
    let (stage, axis) = stage(&["G91"], "").await;
    let mut gateway = stage.start().await;
    axis.behave(|asked| if is_sent(asked) { Manner::fail("18", "chua biet") } else { Manner::Well });
    let listed = stage.sent_to(1, &["G91"]).await;
    stage.delivery_fails(&listed, "G91", "axis_18").await;
    axis.is(Manner::Well);
    stage.delivery_is(&listed, "G91", "handed_over").await;
    has(&axis, &[]);
    axis.behave(|asked| if is_sent(asked) { Manner::fail("18", "danh sách rỗng") } else { Manner::Well });
    let listed = stage.sent_to(3, &["G91"]).await;
    stage.delivery_fails(&listed, "G91", "axis_18").await;
    has(&axis, &["G91"]);
    axis.is(Manner::Well);
    stage.delivery_is(&listed, "G91", "handed_over").await;
    has(&axis, &["G92"]);
    axis.behave(|asked| if is_sent(asked) { Manner::fail("18", "khong co") } else { Manner::Well });
    let unlisted = stage.sent_to(2, &["G91"]).await;
    let line = stage.delivery_is(&unlisted, "G91", "refused").await;
    assert_eq!((&line["attempts"], stage.metric("lienthong_agency_lists_waiting").await), (&json!(1), 0.0));
    assert_eq!(gateway.stop().await.expect("it stops"), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_has_no_list_staged_and_a_list_that_would_wait_refuses_nobody() {
    let (stage, axis) = stage(&["G91", "G92"], "\n[axes.vpcp.agencies]\n").await;
    let mut gateway = stage.start().await;
    stage.metric_reaches("lienthong_axis_syncs_total{result=\"taken\"}", 1.0).await;
    // The second list lacks most of those who are staged: an operator would be asked.
    for (number, list) in [(1, &["G91", "G92", "G93"][..]), (2, &["G91", "G93"])] {
        has(&axis, list);
        axis.behave(|asked| if is_sent(asked) { Manner::fail("18", "chua biet") } else { Manner::Well });
        let document = stage.sent_to(number, &["G92"]).await;
        stage.delivery_fails(&document, "G92", "axis_18").await;
        let view = staged(&stage);
        assert_eq!((&view["open"], &view["pending"]), (&json!(1), &Value::Null), "{number}");
        has(&axis, &["G91", "G92"]);
        axis.is(Manner::Well);
        stage.delivery_is(&document, "G92", "handed_over").await;
    }
    assert_eq!(stage.metric("lienthong_axis_syncs_total{result=\"taken\"}").await, 1.0);
    assert_eq!(gateway.stop().await.expect("it stops"), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_axis_has_one_list_only_when_it_says_so() {
    let (stage, axis) = stage(&["G91", "G92"], "\n[axes.vpcp.agencies]\n").await;
    let newer = |manner: Manner| {
        axis.behave(move |asked| match asked.path() {
            "/vxp/getAgenciesListQD20" => manner.clone(),
            _ => Manner::Well,
        });
    };
    newer(Manner::fail("99", "loi"));
    let mut gateway = stage.start().await;
    stage.metric_reaches("lienthong_axis_syncs_total{result=\"failed\"}", 1.0).await;
    let page = |status| Manner::page(status, &[("Content-Type", "text/html")]);
    let none = [Manner::fail("10", "khong co ham"), page("404 Not Found")];
    for (manner, passes) in
        [Manner::fail("21", "loi"), page("500 Internal Server Error"), page("403 Forbidden")]
            .map(|manner| (manner, false))
            .into_iter()
            .chain(none.map(|manner| (manner, true)))
    {
        newer(manner);
        let output = stage.operator_says(&["axis", "sync", "vpcp"], false);
        assert_eq!(output.status.success(), passes, "{}", text(&output.stderr));
        assert_eq!(staged(&stage)["open"] == json!(1), passes);
    }
    assert_eq!(gateway.stop().await.expect("it stops"), Some(0));
}
