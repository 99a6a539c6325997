//! A sender takes its letter back (docs/recall.md), with the real program: one that has not left goes nowhere, one that is
//! under way is followed by its revocation.

use acceptance::{Asked, Stage, letter_to};
use lienthong::demo::world::AGENCIES;
use lienthong_schemas::edxml::{
    BusinessType, DocumentBuilder, StatusCode, StatusContact, StatusPacket, StatusSender, StatusSubject,
};
use lienthong_schemas::organ::OrganId;
use serde_json::Value;

const PROGRAM: &str = env!("CARGO_BIN_EXE_lienthong-under-test");
const SO: &str = AGENCIES[1].code;
const XA: &str = AGENCIES[2].code;

fn name_of(number: u32) -> String {
    format!("{},2026/01/02,{number}/UBND-VP", AGENCIES[0].code)
}

/// A revocation of letter 1.
fn revocation(number: u32, codes: &[&str]) -> DocumentBuilder {
    letter_to(number, codes).business(BusinessType::Revoke, "gửi nhầm", &name_of(1))
}

async fn revoked(stage: &Stage, number: u32, codes: &[&str]) -> (String, Vec<String>) {
    let answer = stage.submit(&stage.signed(&format!("{number}.edxml"), revocation(number, codes))).await;
    assert_eq!(answer.status, 202, "{:#}", answer.body);
    let findings = answer.body["findings"].as_array().into_iter().flatten();
    let recalls = findings.filter_map(Value::as_str).filter(|code| code.starts_with("RECALL_"));
    let recalls = recalls.map(str::to_owned).collect();
    (answer.document_id().expect("a receipt"), recalls)
}

fn last_note(line: &Value) -> &str {
    let last = line["history"].as_array().and_then(|all| all.last());
    last.and_then(|last| last["note"].as_str()).expect("a note")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_letter_to_who_is_away_goes_nowhere_once_it_is_revoked() {
    let stage = Stage::open(PROGRAM, &[]).await;
    stage.write_more("", "");
    let mut gateway = stage.start().await;
    stage.world.receivers[2].close();
    let letter = stage.sent_to(1, &[SO, XA]).await;
    stage.delivery_is(&letter, SO, "received").await;
    let is_away = |line: &Value| line["attempts"].as_u64().is_some_and(|attempts| attempts > 0);
    stage.delivery_when(&letter, XA, is_away).await;

    let (revocation, told) = revoked(&stage, 2, &[SO, XA]).await;
    assert_eq!(told, ["RECALL_UNDELIVERED"]);
    stage.delivery_is(&revocation, SO, "received").await;
    let line = stage.delivery_is(&revocation, XA, "withdrawn").await;
    assert_eq!(last_note(&line), "what it takes back had not left, and was withdrawn");
    let line = stage.delivery_is(&letter, XA, "withdrawn").await;
    assert_eq!(last_note(&line), format!("taken back by its sender in {revocation}"));
    assert_eq!((&line["state_vi"], &line["business"]["code"]), (&"đã thu hồi".into(), &"withdrawn".into()));
    stage.metric_reaches("lienthong_settled_total{state=\"withdrawn\"}", 2.0).await;
    assert!(stage.operator_says(&["outbox", "check"], true).status.success());

    // It stays so, whatever is lost, and who comes back gets what is sent then, and nothing else.
    assert_eq!(gateway.stop().await.expect("it stops"), Some(0));
    std::fs::remove_dir_all(stage.world.folder.join("data/outbox")).expect("the store is lost");
    let mut gateway = stage.start().await;
    stage.world.receivers[2].reopen().await.expect("it is back");
    let other = stage.sent_to(3, &[XA]).await;
    stage.delivery_is(&other, XA, "received").await;
    for withdrawn in [&letter, &revocation] {
        stage.delivery_is(withdrawn, XA, "withdrawn").await;
    }
    stage.nothing_else_arrived([0, 2, 1]);
    assert_eq!(gateway.stop().await.expect("it stops"), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_letter_under_way_is_followed_by_its_revocation() {
    let stage = Stage::open(PROGRAM, &[]).await;
    let vendor = stage.with_scripted_vendor(1).await;
    let mut gateway = stage.start().await;
    vendor.is_silent(true);
    let letter = stage.sent_to(1, &[SO]).await;
    vendor.asked(1).await;
    let (after, told) = revoked(&stage, 2, &[SO]).await;
    assert_eq!(told, [""; 0], "nobody can say whether it has it");
    // Urgent, and for the same receiver: it would be next if the letter did not come first.
    let urgent = revocation(3, &[SO]).priority(3);
    let urgent = stage.accepted(&stage.signed("3.edxml", urgent)).await;
    assert_eq!(vendor.asked(1).await.len(), 1, "one after the other");
    vendor.is_silent(false);
    for id in [&letter, &after, &urgent] {
        stage.delivery_is(id, SO, "received").await;
    }
    let order: Vec<_> = vendor.asked(3).await.iter().map(document_of).collect();
    assert_eq!(order[0], letter, "{order:?}");
    assert_eq!(order.len(), 3, "each once");
    assert_eq!(gateway.stop().await.expect("it stops"), Some(0));
}

fn document_of(asked: &Asked) -> String {
    asked.header("lienthong-document-id").expect("a document").to_owned()
}

/// A packet of status 13: the sender of letter 1 asks a receiver to give it back.
fn asks_back(receiver: &str) -> Vec<u8> {
    let organ = |code: &str| OrganId::parse(code).expect("a code");
    let packet = StatusPacket {
        from: StatusSender {
            organ_id: organ(AGENCIES[0].code),
            organization_in_charge: String::new(),
            organ_name: String::new(),
            contact: StatusContact::default(),
        },
        response_for: StatusSubject {
            organ_id: organ(receiver),
            code: "1/UBND-VP".to_owned(),
            document_id: name_of(1),
            promulgation_date: "2026/01/02".to_owned(),
        },
        staff: None,
        code: StatusCode::RecallAsked,
        description: "gửi nhầm".to_owned(),
        timestamp: "2026-01-02T03:04:05Z".parse().expect("a time"),
    };
    packet.to_xml()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_letter_asked_back_is_held_until_somebody_decides() {
    let stage = Stage::open(PROGRAM, &[]).await;
    stage.write_more("", "");
    let mut gateway = stage.start().await;
    stage.world.receivers[2].answer_with(Some(503));
    let letter = stage.sent_to(1, &[XA]).await;
    let is_away = |line: &Value| line["attempts"].as_u64().is_some_and(|attempts| attempts > 0);
    stage.delivery_when(&letter, XA, is_away).await;
    let file = stage.world.folder.join("13.edxml");
    std::fs::write(&file, asks_back(XA)).expect("written");
    let packet = stage.world.sign("13-signed.edxml", &file, 0).unwrap_or(file);
    let answer = stage.submit(&packet).await;
    assert_eq!(answer.status, 202, "{:#}", answer.body);
    let told = answer.body["findings"].as_array().into_iter().flatten().any(|code| code == "RECALL_HELD");
    assert!(told, "{:#}", answer.body);
    let asked = answer.document_id().unwrap_or_else(|fault| panic!("{fault}"));
    let line = stage.delivery_is(&letter, XA, "parked").await;
    assert!(last_note(&line).contains("asks for it back (13)"), "{line:#}");
    let other = stage.delivery_is(&asked, XA, "parked").await;
    let held = [&line, &other].map(|line| line["delivery_id"].as_str().expect("an id").to_owned());
    let mut dead = stage.dead_letters();
    dead.sort();
    let mut both = held.to_vec();
    both.sort();
    assert_eq!(dead, both);

    stage.world.receivers[2].answer_with(None);
    let mut requeue = vec!["dead-letters", "requeue"];
    requeue.extend(held.iter().map(String::as_str));
    requeue.extend(["--reason", "cứ gửi"]);
    stage.operator(&requeue);
    for id in [&letter, &asked] {
        stage.delivery_is(id, XA, "received").await;
    }
    assert_eq!(gateway.stop().await.expect("it stops"), Some(0));
}
