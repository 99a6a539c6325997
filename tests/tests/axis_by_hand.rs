//! What an operator asks of an axis by hand: whether it answers, and how its agencies differ from the directory.
#![allow(clippy::panic, reason = "this is test code, though not in test functions")]

use acceptance::axis::{Manner, ScriptedAxis};
use acceptance::{Stage, text};
use lienthong::demo::axis::{Agency, Habits};
use lienthong::demo::world::AGENCIES;

const PROGRAM: &str = env!("CARGO_BIN_EXE_lienthong-under-test");

async fn stage() -> (Stage, ScriptedAxis) {
    let stage = Stage::open(PROGRAM, &[]).await;
    let axis = stage.with_axis(&["G91"], "").await;
    (stage, axis)
}

/// The axis has these agencies; G91 has the name that the directory has for it.
fn has(axis: &ScriptedAxis, codes: &[&str]) {
    let agency = |code: &&str| Agency::named(code, &format!("Đơn vị {code} (thử nghiệm)"));
    axis.axis.behave(Habits { agencies: codes.iter().map(agency).collect(), ..Habits::default() });
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ping_says_what_waits_or_what_is_wrong() {
    let (stage, axis) = stage().await;
    axis.axis.offer("edoc", "G91", AGENCIES[1].code, b"<edXML/>");
    let shown = stage.operator(&["axis", "ping", "vpcp"]);
    assert_eq!(shown, serde_json::json!({ "axis": "vpcp", "documents": 1, "statuses": 0 }));
    assert_eq!(axis.axis.mail()[0].fetched, 0, "nothing is taken");
    for (manner, code) in [
        (Manner::fail("15", "sai khoa"), "axis_15"),
        (Manner::page("502 Bad Gateway", &[("Content-Type", "text/html")]), "http_502"),
        (Manner::page("200 OK", &[("Content-Type", "text/html")]), "bad_answer"),
    ] {
        axis.is(manner);
        let output = stage.operator_says(&["axis", "ping", "vpcp"], false);
        assert_eq!(output.status.code(), Some(1), "{code}");
        assert!(text(&output.stderr).contains(code), "{}", text(&output.stderr));
    }
    let output = stage.operator_says(&["axis", "ping", "khong-co"], false);
    assert_eq!(output.status.code(), Some(3), "{}", text(&output.stderr));
}

#[tokio::test(flavor = "multi_thread")]
async fn agencies_are_compared_and_staged_and_nobody_is_moved() {
    let (stage, axis) = stage().await;
    let (file, config) = (stage.world.folder.join("moi.toml"), stage.world.config.clone());
    let path = file.to_str().expect("a plain path");
    has(&axis, &["G91", "G92", AGENCIES[0].code]);
    let shown = stage.operator(&["axis", "agencies", "vpcp", "--write", path]);
    let compared = &shown["comparison"];
    assert_eq!((&shown["listed"], &compared["same"]), (&3.into(), &1.into()), "{shown}");
    assert_eq!(compared["added"][0]["code"], "G92");
    assert_eq!(
        compared["elsewhere"],
        serde_json::json!([AGENCIES[0].code]),
        "at home here, whatever the axis says"
    );
    assert_eq!((&compared["gone"], &compared["changed"]), (&serde_json::json!([]), &serde_json::json!([])));
    // What is staged is what the directory reads.
    let entries = std::fs::read_to_string(&file).expect("written");
    stage.write_more("", &format!("\n{entries}"));
    let check = stage.run(&["config", "check", "-c", config.to_str().expect("a plain path")]);
    assert!(check.status.success(), "{}", text(&check.stdout));
    let again = stage.operator(&["axis", "agencies", "vpcp"]);
    assert_eq!(
        (&again["comparison"]["same"], &again["comparison"]["added"]),
        (&2.into(), &serde_json::json!([]))
    );

    // One of two is gone: that may be so, and somebody has to say it.
    std::fs::remove_file(&file).expect("removed");
    has(&axis, &["G92"]);
    let output = stage.operator_says(&["axis", "agencies", "vpcp", "--write", path], true);
    assert_eq!((output.status.code(), file.exists()), (Some(1), false), "{}", text(&output.stderr));
    let approved = stage.operator(&["axis", "agencies", "vpcp", "--write", path, "--approve-gone"]);
    assert_eq!(approved["comparison"]["gone"], serde_json::json!(["G91"]));
    assert!(std::fs::read_to_string(&file).expect("written").contains("# không còn (gone): G91"));
    axis.is(Manner::page("200 OK", &[("Content-Type", "text/html")]));
    let output = stage.operator_says(&["axis", "agencies", "vpcp"], false);
    assert_eq!(output.status.code(), Some(1), "a page names nobody as gone");
    assert_eq!(axis.axis.complaints(), Vec::<String>::new());
}
