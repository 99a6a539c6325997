//! The gateway polls an axis: over the running program and a double of the axis, through every failure that the axis has.
//! Nothing is lost, nothing is confirmed early, and nobody gets a second copy.
#![allow(clippy::panic, reason = "this is test code, though not in test functions")]

use std::os::unix::process::ExitStatusExt;

use acceptance::axis::{Manner, ScriptedAxis};
use acceptance::{Stage, letter_to, until};
use lienthong::demo::axis::{Habits, Mail};
use lienthong::demo::world::AGENCIES;
use lienthong_schemas::edxml::{
    DocumentBuilder, StatusCode, StatusContact, StatusPacket, StatusSender, StatusSubject,
};
use lienthong_schemas::organ::OrganId;
use rustix::process::Signal;

const PROGRAM: &str = env!("CARGO_BIN_EXE_lienthong-under-test");
/// At home behind the axis.
const G91: &str = "G91";
/// At home here, and who gets what the axis has in most of these tests.
const RECEIVER: usize = 1;

const POLL: &str = "[axes.vpcp.poll]\nevery = \"1s\"\n";

/// A stage that polls an axis every second; `more` are lines of the axis's section.
async fn stage(more: &str) -> (Stage, ScriptedAxis) {
    let stage = Stage::open(PROGRAM, &[]).await;
    let axis = stage.with_axis(&[G91], &format!("{more}{POLL}")).await;
    (stage, axis)
}

/// A letter that comes from behind the axis.
fn letter(number: u32, to: &[&str]) -> DocumentBuilder {
    DocumentBuilder::new(G91, to)
        .code(&number.to_string(), "BM-VP")
        .document_id(&format!("{G91},2026/01/02,{number}/BM-VP"))
        .subject(&format!("V/v thử nghiệm số {number}"))
}

fn bytes(letter: DocumentBuilder) -> Vec<u8> {
    letter.to_bytes().expect("a letter")
}

fn sha256(bytes: &[u8]) -> String {
    openssl::sha::sha256(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn mail(axis: &ScriptedAxis, id: &str) -> Mail {
    axis.axis.mail().into_iter().find(|mail| mail.doc_id == id).expect("mail")
}

/// How often these bytes came to a receiver.
fn times(stage: &Stage, receiver: usize, sha256: &str) -> Vec<u32> {
    let taken = stage.world.receivers[receiver].taken();
    taken.values().filter(|taken| taken.sha256 == sha256).map(|taken| taken.times).collect()
}

/// Waits until the axis hears `done` of an entry, and these bytes are with the receiver, once.
async fn is_taken(stage: &Stage, axis: &ScriptedAxis, id: &str, packet: &[u8]) {
    let sum = sha256(packet);
    let done = until(async || {
        let is_here = times(stage, RECEIVER, &sum) == [1];
        (is_here && mail(axis, id).status() == "done").then_some(())
    });
    assert!(done.await.is_some(), "{:?}, {:?}", mail(axis, id).said, times(stage, RECEIVER, &sum));
    let said = mail(axis, id).said;
    assert!(said.iter().all(|word| word == "done"), "{said:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_at_the_axis_comes_to_its_receivers_byte_for_byte() {
    let (stage, axis) = stage("").await;
    let mut gateway = stage.start().await;
    let scan: Vec<u8> = (0..3_000_000_u32).map(|n| (n ^ (n >> 7)) as u8).collect();
    let large = letter(1, &[AGENCIES[1].code, G91, AGENCIES[2].code]).attach(
        "scan.bin",
        "application/octet-stream",
        std::io::Cursor::new(scan),
    );
    let large = bytes(large);
    // The axis has an entry for each receiver that is registered with us.
    let ids = [1, 2].map(|at| axis.axis.offer("edoc", G91, AGENCIES[at].code, &large));
    for id in &ids {
        is_taken(&stage, &axis, id, &large).await;
    }
    let sum = sha256(&large);
    assert!(until(async || (times(&stage, 2, &sum) == [1]).then_some(())).await.is_some());
    assert_eq!(mail(&axis, &ids[1]).said, ["done"]);
    stage.nothing_else_arrived([0, 1, 1]);
    assert_eq!(stage.metric("lienthong_axis_packets_total{outcome=\"taken\"}").await, 2.0);
    assert!(stage.metric("lienthong_axis_polled_seconds").await > 1_700_000_000.0);
    assert_eq!(axis.axis.complaints(), Vec::<String>::new());
    assert!(axis.asked().iter().all(|asked| asked.path() != "/vxp/sendEdoc"), "nothing goes back");
    assert_eq!(gateway.stop().await.expect("it stops"), Some(0));
}

/// The body of a list with one line more, or another one.
fn twice(body: &str) -> String {
    let mut list: serde_json::Value = serde_json::from_str(body).expect("JSON");
    let lines = list["data"].as_array_mut().expect("a list");
    let again = lines.clone();
    lines.extend(again);
    list.to_string()
}

fn nulls(body: &str) -> String {
    let mut list: serde_json::Value = serde_json::from_str(body).expect("JSON");
    let lines = list["data"].as_array_mut().expect("a list");
    for line in lines.iter_mut() {
        for member in ["from", "to", "status", "created_time"] {
            line[member] = serde_json::Value::Null;
        }
    }
    lines.insert(0, serde_json::Value::Null);
    lines.insert(0, serde_json::json!({ "docId": null, "from": "G91" }));
    list.to_string()
}

fn without_data(_: &str) -> String {
    r#"{"status":"OK","ErrorCode":"0","ErrorDesc":"Success"}"#.to_owned()
}

fn another_packet(_: &str) -> String {
    r#"{"status":"OK","ErrorCode":"0","ErrorDesc":"Success","data":"PGVkWE1M*="}"#.to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_failure_of_the_axis_passes_and_nothing_is_confirmed_early() {
    let (stage, axis) = stage("").await;
    let mut gateway = stage.start().await;
    let html = [("Content-Type", "text/html")];
    let both = || {
        [
            Manner::page("502 Bad Gateway", &html),
            Manner::page("500 Internal Server Error", &html),
            Manner::page("200 OK", &html),
            Manner::fail("20", "he thong ban"),
            Manner::fail("99", "khong ro"),
            Manner::Hang,
            Manner::Lost(0),
            Manner::Lost(120),
        ]
    };
    let mut rows: Vec<(&str, Manner)> = Vec::new();
    for operation in ["getReceivedEdocList", "getEdoc", "updateStatus"] {
        rows.extend(both().map(|manner| (operation, manner)));
    }
    rows.push(("getReceivedEdocList", Manner::Altered(without_data)));
    rows.push(("getEdoc", Manner::Altered(without_data)));
    rows.push(("getEdoc", Manner::Altered(another_packet)));
    for (number, (operation, manner)) in (1_u32..).zip(rows) {
        let path = format!("/vxp/{operation}");
        let before = axis.asked().len();
        let (of_manner, is_lost) = (manner.clone(), matches!(manner, Manner::Lost(_)));
        axis.behave(move |asked| if asked.path() == path { of_manner.clone() } else { Manner::Well });
        let packet = bytes(letter(number, &[AGENCIES[RECEIVER].code]));
        let id = axis.axis.offer("edoc", G91, AGENCIES[RECEIVER].code, &packet);
        let failed = until(async || {
            let asked = axis.asked();
            asked[before..]
                .iter()
                .any(|asked| asked.failed && asked.path().ends_with(operation))
                .then_some(())
        });
        assert!(failed.await.is_some(), "{operation} {manner:?} was never asked");
        let sum = sha256(&packet);
        if operation == "updateStatus" {
            // It is here, and the axis knows it only where it heard, and its answer was lost.
            assert!(until(async || (times(&stage, RECEIVER, &sum) == [1]).then_some(())).await.is_some());
            assert!(is_lost || mail(&axis, &id).said.is_empty(), "{manner:?}");
        } else {
            assert!(times(&stage, RECEIVER, &sum).is_empty(), "{operation} {manner:?}");
            assert!(mail(&axis, &id).said.is_empty(), "{operation} {manner:?}: confirmed early");
        }
        axis.is(Manner::Well);
        is_taken(&stage, &axis, &id, &packet).await;
    }
    let packets = axis.axis.mail().len();
    stage.nothing_else_arrived([0, packets, 0]);
    assert_eq!(stage.metric("lienthong_axis_quarantined").await, 0.0, "no failure is the packet's");
    assert_eq!(stage.metric("lienthong_axis_packets_total{outcome=\"taken\"}").await, packets as f64);
    assert_eq!(axis.axis.complaints(), Vec::<String>::new());
    assert_eq!(gateway.stop().await.expect("it stops"), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn odd_lines_of_a_list_hinder_no_other() {
    let (stage, axis) = stage("").await;
    let mut gateway = stage.start().await;
    for (number, alter) in (1_u32..).zip([twice, nulls] as [fn(&str) -> String; 2]) {
        axis.behave(move |asked| match asked.path() {
            "/vxp/getReceivedEdocList" => Manner::Altered(alter),
            _ => Manner::Well,
        });
        let packet = bytes(letter(number, &[AGENCIES[RECEIVER].code]));
        let id = axis.axis.offer("edoc", G91, AGENCIES[RECEIVER].code, &packet);
        is_taken(&stage, &axis, &id, &packet).await;
        assert_eq!(mail(&axis, &id).fetched, 1);
    }
    stage.metric_reaches("lienthong_axis_packets_total{outcome=\"broken\"}", 2.0).await;
    stage.nothing_else_arrived([0, 2, 0]);
    assert_eq!(gateway.stop().await.expect("it stops"), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_secret_is_an_alarm_and_no_empty_list() {
    let (stage, axis) = stage("").await;
    let file = stage.world.folder.join("axis.secret");
    let right = std::fs::read_to_string(&file).expect("the secret");
    std::fs::write(&file, "khong-phai-khoa-nay-0123456789ab").expect("written");
    let packet = bytes(letter(1, &[AGENCIES[RECEIVER].code]));
    let id = axis.axis.offer("edoc", G91, AGENCIES[RECEIVER].code, &packet);
    let mut gateway = stage.start().await;
    stage.metric_reaches("lienthong_axis_polls_total{result=\"failed\"}", 2.0).await;
    let alarm = stage.log().into_iter().any(|line| line["level"] == "ERROR" && line["code"] == "axis_15");
    assert!(alarm && mail(&axis, &id).fetched == 0);
    assert_eq!(stage.metric("lienthong_axis_polls_total{result=\"answered\"}").await, 0.0);
    std::fs::write(&file, right).expect("written");
    stage.reload(&gateway).await;
    is_taken(&stage, &axis, &id, &packet).await;
    assert_eq!(gateway.stop().await.expect("it stops"), Some(0));
}

/// The gateway dies at `point`, and is started again; what the axis has is taken once. How often it was fetched.
async fn dies_at(point: &str) -> u32 {
    let (stage, axis) = stage("").await;
    let packet = bytes(letter(1, &[AGENCIES[RECEIVER].code]));
    let id = axis.axis.offer("edoc", G91, AGENCIES[RECEIVER].code, &packet);
    let started = stage.start_with(&[("LIENTHONG_CRASH_AT", point)]).await;
    // It may die before it is seen to be ready.
    if let Ok(mut gateway) = started {
        let end = gateway.end().await.expect("it dies at the point");
        assert_eq!(end.signal(), Some(Signal::ABORT.as_raw()), "died by {end}");
    }
    let said = mail(&axis, &id).said;
    assert_eq!(said.is_empty(), point != "after-axis-confirm", "{said:?}");
    let mut gateway = stage.start().await;
    is_taken(&stage, &axis, &id, &packet).await;
    stage.nothing_else_arrived([0, 1, 0]);
    assert_eq!(gateway.stop().await.expect("it stops"), Some(0));
    mail(&axis, &id).fetched
}

#[tokio::test(flavor = "multi_thread")]
async fn a_packet_that_was_fetched_and_not_committed_is_fetched_again() {
    assert_eq!(dies_at("after-axis-fetch").await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_packet_that_was_committed_is_only_confirmed_after_a_crash() {
    assert_eq!(dies_at("after-axis-commit").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_confirmed_does_not_come_again_after_a_crash() {
    assert_eq!(dies_at("after-axis-confirm").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn local_and_national_receivers_get_one_copy_each_however_the_axis_takes_it() {
    for to_header in ["send", "omit"] {
        let (stage, axis) = stage(&format!("to_header = \"{to_header}\"\n")).await;
        let mut gateway = stage.start().await;
        let ours = || AGENCIES.iter().map(|agency| agency.code.to_owned()).collect();
        let ways = [(true, false), (true, true), (false, false), (false, true)];
        for (number, (honours_to, rewrites)) in (1_u32..).zip(ways) {
            axis.axis.behave(Habits { ours: ours(), honours_to, rewrites, ..Habits::default() });
            let before = axis.axis.mail().len();
            let packet =
                stage.signed(&format!("{number}.edxml"), letter_to(number, &[AGENCIES[1].code, G91]));
            let id = stage.accepted(&packet).await;
            stage.delivery_is(&id, G91, "handed_over").await;
            stage.delivery_is(&id, AGENCIES[1].code, "received").await;
            let comes_back = to_header == "omit" || !honours_to;
            let done = until(async || {
                let mail = axis.axis.mail();
                let is_done = mail.iter().all(|mail| mail.status() == "done");
                (is_done && mail.len() == before + usize::from(comes_back)).then_some(())
            });
            assert!(
                done.await.is_some(),
                "{to_header} {honours_to} {rewrites}: {:?}",
                axis.axis.mail().len()
            );
        }
        let came_back = axis.axis.mail().len() as f64;
        stage.metric_reaches("lienthong_axis_packets_total{outcome=\"echo\"}", came_back).await;
        assert_eq!(came_back, if to_header == "omit" { 4.0 } else { 2.0 });
        assert_eq!(axis.axis.taken().len(), 4, "each document once");
        stage.nothing_else_arrived([0, 4, 0]);
        assert_eq!(stage.metric("lienthong_axis_quarantined").await, 0.0);
        assert_eq!(gateway.stop().await.expect("it stops"), Some(0));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_status_from_the_axis_moves_the_state_of_what_was_sent_there() {
    let (stage, axis) = stage("").await;
    let mut gateway = stage.start().await;
    let id = stage.sent_to(1, &[G91]).await;
    stage.delivery_is(&id, G91, "handed_over").await;
    let from = AGENCIES[0].code;
    let organ = |code: &str| OrganId::parse(code).expect("a code");
    let status = StatusPacket {
        from: StatusSender {
            organ_id: organ(G91),
            organization_in_charge: String::new(),
            organ_name: String::new(),
            contact: StatusContact::default(),
        },
        response_for: StatusSubject {
            organ_id: organ(from),
            code: "1/UBND-VP".to_owned(),
            document_id: format!("{from},2026/01/02,1/UBND-VP"),
            promulgation_date: "2026/01/02".to_owned(),
        },
        staff: None,
        code: StatusCode::Registered,
        description: String::new(),
        timestamp: "2026-01-03T02:00:00Z".parse().expect("a time"),
    };
    let status = status.to_xml();
    let word = axis.axis.offer("status", G91, from, &status);
    stage.delivery_when(&id, G91, |line| line["business"]["code"] == "03").await;
    let sum = sha256(&status);
    let done =
        until(async || (mail(&axis, &word).said == ["done"] && times(&stage, 0, &sum) == [1]).then_some(()));
    assert!(done.await.is_some(), "{:?}", mail(&axis, &word).said);
    assert_eq!(gateway.stop().await.expect("it stops"), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_taken_is_kept_with_its_reason_and_shown() {
    let (stage, axis) = stage("").await;
    let mut gateway = stage.start().await;
    let foreign = bytes(letter_to(9, &[AGENCIES[RECEIVER].code]));
    let bad = axis.axis.offer("edoc", G91, AGENCIES[RECEIVER].code, b"<edXML>");
    let forged = axis.axis.offer("edoc", AGENCIES[0].code, AGENCIES[RECEIVER].code, &foreign);
    let packet = bytes(letter(1, &[AGENCIES[RECEIVER].code]));
    let good = axis.axis.offer("edoc", G91, AGENCIES[RECEIVER].code, &packet);
    is_taken(&stage, &axis, &good, &packet).await;
    stage.metric_reaches("lienthong_axis_quarantined", 2.0).await;
    assert_eq!(mail(&axis, &bad).said, ["fail"]);
    assert!(mail(&axis, &forged).said.is_empty(), "nothing is said of what claims to be ours");
    let shown = stage.operator(&["quarantine", "list"]);
    let list = shown["quarantined"].as_array().expect("a list");
    let of = |id: &str| list.iter().find(|note| note["doc_id"] == id).expect("a note").clone();
    assert_eq!((&of(&bad)["reason"], &of(&bad)["told_fail"]), (&"PACKET_NOT_EDXML".into(), &true.into()));
    assert_eq!(
        (&of(&forged)["reason"], &of(&forged)["told_fail"]),
        (&"ECHO_UNMATCHED".into(), &false.into())
    );
    let kept = of(&forged)["packet"].as_str().expect("a path").to_owned();
    assert_eq!(std::fs::read(kept).expect("kept"), foreign);
    assert_eq!(gateway.stop().await.expect("it stops"), Some(0));
}
