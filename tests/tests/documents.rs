//! What happens to packets at the door: recognised, refused by code and field, shown to whom they concern, and their
//! status packets (design.md B3, B5, B6).

use std::path::{Path, PathBuf};
use std::sync::Arc;

use acceptance::{PATIENCE, Stage, letter};
use jiff::Timestamp;
use lienthong::demo::world::{AGENCIES, Answer};
use lienthong_schemas::edxml::{
    DocumentBuilder, StatusCode, StatusContact, StatusPacket, StatusSender, StatusSubject,
};
use lienthong_schemas::organ::OrganId;
use serde_json::Value;
use tokio::sync::Barrier;
use tokio::task::JoinSet;

const PROGRAM: &str = env!("CARGO_BIN_EXE_lienthong-under-test");
const AT_ONCE: usize = 16;

/// The answer is this refusal, about this field.
fn is_refused(answer: &Answer, status: u16, code: &str, field: Option<&str>) {
    let said = (answer.status, answer.body["code"].as_str(), answer.body["field"].as_str());
    assert_eq!(said, (status, Some(code), field), "{}", answer.body);
}

/// Receivers in a receipt.
fn receivers(receipt: &Value) -> Vec<&str> {
    let lines = receipt["deliveries"].as_array().expect("deliveries");
    lines.iter().map(|line| line["receiver"].as_str().expect("a receiver")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn one_packet_submitted_many_times_at_once_is_one_document() {
    let stage = Arc::new(Stage::open(PROGRAM, &[("listen", "uploads_per_system = 32")]).await);
    let mut gateway = stage.start().await;
    let packet = stage.letter(1, &[1, 2]);
    let (barrier, mut tasks) = (Arc::new(Barrier::new(AT_ONCE)), JoinSet::new());
    for at in 0..AT_ONCE {
        let (stage, packet, barrier) = (stage.clone(), packet.clone(), barrier.clone());
        tasks.spawn(async move {
            barrier.wait().await;
            let key = format!("key-{at}");
            // Half of them are retries by key, half come without.
            let headers = [("Idempotency-Key", key.as_str())];
            let headers = if at % 2 == 0 { &headers[..] } else { &[] };
            stage.world.submit_with(0, &packet, headers).await.expect("an answer")
        });
    }
    let answers = tasks.join_all().await;
    for answer in &answers {
        assert_eq!(answer.status, 202, "{}", answer.body);
        assert_eq!(answer.body, answers[0].body, "one receipt");
    }
    assert_eq!(answers.iter().filter(|answer| !answer.replayed).count(), 1, "one beginning");
    let id = answers[0].document_id().expect("accepted");
    assert_eq!(stage.delivered(&id, &packet, &[1, 2]).await, [1, 1]);
    let later = stage.submit(&packet).await;
    assert_eq!((later.replayed, &later.body), (true, &answers[0].body), "and later still");
    assert_eq!(stage.metric("lienthong_accepted_total").await, 1.0);
    stage.nothing_else_arrived([0, 1, 1]);
    assert_eq!(gateway.stop().await.expect("it stops"), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_document_number_stands_for_one_content() {
    let stage = Stage::open(PROGRAM, &[]).await;
    let mut gateway = stage.start().await;
    let first = stage.signed("first.edxml", letter(1, &[1]));
    let first_id = stage.accepted(&first).await;
    stage.delivered(&first_id, &first, &[1]).await;

    // Equal content, one receiver more: only that one is served.
    let wider = stage.signed("wider.edxml", letter(1, &[1, 2]));
    let answer = stage.submit(&wider).await;
    let wider_id = answer.document_id().expect("accepted");
    assert!(!answer.replayed && wider_id != first_id, "{}", answer.body);
    assert_eq!(receivers(&answer.body), [AGENCIES[2].code]);
    stage.delivered(&wider_id, &wider, &[2]).await;

    // Other content: refused where a receiver has the first, taken where nobody has it.
    let other = || letter(1, &[1]).subject("V/v một việc khác");
    let conflict = stage.submit(&stage.signed("other.edxml", other())).await;
    is_refused(&conflict, 409, "DOCUMENT_CONFLICT", Some("edXMLHeader/MessageHeader/To[1]/OrganId"));
    let detail = conflict.body["detail"].as_str().expect("a text");
    assert!(detail.contains("BussinessDocType 2"), "the way out: {detail}");
    let fresh = stage.submit(&stage.signed("two.edxml", letter(2, &[1]))).await;
    assert_eq!(fresh.status, 202);
    let elsewhere = letter(2, &[2]).subject("V/v một việc khác");
    let answer = stage.submit(&stage.signed("elsewhere.edxml", elsewhere)).await;
    let findings = answer.body["findings"].as_array().cloned().unwrap_or_default();
    assert!(answer.status == 202 && findings.contains(&"DOCID_REUSED".into()), "{}", answer.body);
    for answer in [&fresh, &answer] {
        stage.all_are(&answer.document_id().expect("accepted"), "received").await;
    }
    stage.nothing_else_arrived([0, 2, 2]);
    assert_eq!(gateway.stop().await.expect("it stops"), Some(0));
}

/// The packet with one thing changed after it was signed.
fn tampered(stage: &Stage, number: u32) -> PathBuf {
    let genuine = std::fs::read_to_string(stage.letter(number, &[1])).expect("the packet");
    let changed = genuine.replace("thử nghiệm số", "thử  nghiệm số");
    assert_ne!(genuine, changed);
    let path = stage.world.folder.join("tampered.edxml");
    std::fs::write(&path, changed).expect("written");
    path
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_name_code_and_field_and_leave_nothing_behind() {
    let stage = Stage::open(PROGRAM, &[]).await;
    let mut gateway = stage.start().await;
    let submit =
        async |agency: usize, packet: &Path| stage.world.submit(agency, packet).await.expect("an answer");
    let header = |name: &str| format!("edXMLHeader/MessageHeader/{name}/OrganId");
    let letter_of = |number: u32| stage.letter(number, &[1]);

    let foreign_door = submit(1, &letter_of(1)).await;
    is_refused(&foreign_door, 403, "SENDER_NOT_YOURS", Some(&header("From")));
    let unknown = stage.signed("unknown.edxml", DocumentBuilder::new("H55", &["H99.99"]));
    is_refused(&submit(0, &unknown).await, 422, "RECEIVER_UNKNOWN", Some(&header("To[1]")));
    let second = stage.signed("second.edxml", DocumentBuilder::new("H55", &["H55.15", "H99.99"]));
    is_refused(&submit(0, &second).await, 422, "RECEIVER_UNKNOWN", Some(&header("To[2]")));
    let unsigned = stage.world.unsigned("unsigned.edxml", letter(2, &[1])).expect("a packet");
    let answer = submit(0, &unsigned).await;
    assert_eq!((answer.status, answer.body["code"].as_str()), (422, Some("SIGNATURE_MISSING")));
    let answer = submit(0, &tampered(&stage, 3)).await;
    assert_eq!((answer.status, answer.body["code"].as_str()), (422, Some("SIGNATURE_INVALID")));
    let foreign = stage.world.packet("foreign.edxml", letter(4, &[1]), 1).expect("a packet");
    let answer = submit(0, &foreign).await;
    assert_eq!((answer.status, answer.body["code"].as_str()), (422, Some("SIGNER_NOT_TRUSTED")));

    assert_eq!(stage.metric("lienthong_accepted_total").await, 0.0);
    for folder in ["incoming", "blobs", "admissions"] {
        let left = std::fs::read_dir(stage.world.folder.join("data").join(folder)).expect("a folder");
        assert_eq!(left.count(), 0, "nothing is left in {folder}");
    }
    // The genuine forms of what was refused are taken.
    for number in [1, 3] {
        stage.all_are(&stage.accepted(&letter_of(number)).await, "received").await;
    }
    stage.nothing_else_arrived([0, 2, 0]);
    assert_eq!(gateway.stop().await.expect("it stops"), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_document_is_shown_to_its_sender_and_receivers_only() {
    let stage = Stage::open(PROGRAM, &[]).await;
    let mut gateway = stage.start().await;
    let (both, one) = (stage.letter(1, &[1, 2]), stage.letter(2, &[1]));
    let (both, one) = (stage.accepted(&both).await, stage.accepted(&one).await);
    let to_sender = stage.all_are(&both, "received").await;
    assert_eq!(receivers(&to_sender), [AGENCIES[1].code, AGENCIES[2].code]);
    for delivery in to_sender["deliveries"].as_array().expect("deliveries") {
        let history = delivery["history"].as_array().expect("a history");
        let events: Vec<&str> = history.iter().filter_map(|line| line["event"].as_str()).collect();
        assert_eq!(events.first(), Some(&"accepted"), "{events:?}");
        assert_eq!(history.last().expect("a line")["state"], "received", "{events:?}");
        assert!(events.contains(&"published") && events.contains(&"handed_off"), "{events:?}");
        assert_eq!(delivery["state_vi"], "bên nhận đã nhận");
        assert_eq!(delivery["attempts"], 1);
    }
    for agency in [1, 2] {
        let shown = stage.world.show(agency, &both).await.expect("an answer");
        assert_eq!(shown.status, 200, "{}", shown.body);
        assert_eq!(receivers(&shown.body), [AGENCIES[agency].code], "its own line only");
        assert_eq!(receivers(&shown.body["receipt"]), [AGENCIES[agency].code]);
    }
    assert_eq!(stage.world.show(1, &one).await.expect("an answer").status, 200);
    let hidden = stage.world.show(2, &one).await.expect("an answer");
    let absent = stage.world.show(2, &"0".repeat(32)).await.expect("an answer");
    is_refused(&hidden, 404, "NOT_FOUND", Some("id"));
    assert_eq!(hidden.body, absent.body, "no difference between hidden and absent");
    assert_eq!(gateway.stop().await.expect("it stops"), Some(0));
}

/// What agency 1 answers about a letter of agency 0.
fn registration_of(number: u32) -> StatusPacket {
    let organ = |at: usize| OrganId::parse(AGENCIES[at].code).expect("a code");
    StatusPacket {
        from: StatusSender {
            organ_id: organ(1),
            organization_in_charge: String::new(),
            organ_name: AGENCIES[1].name.to_owned(),
            contact: StatusContact::default(),
        },
        response_for: StatusSubject {
            organ_id: organ(0),
            code: format!("{number}/UBND-VP"),
            document_id: format!("{},2026/01/02,{number}/UBND-VP", AGENCIES[0].code),
            promulgation_date: "2026/01/02".to_owned(),
        },
        staff: None,
        code: StatusCode::Registered,
        description: "Đã tiếp nhận".to_owned(),
        timestamp: "2026-01-03T01:00:00Z".parse::<Timestamp>().expect("a time"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_goes_back_to_the_sender_of_the_document() {
    let stage = Stage::open(PROGRAM, &[]).await;
    let mut gateway = stage.start().await;
    let document = stage.accepted(&stage.letter(1, &[1])).await;
    stage.all_are(&document, "received").await;
    let file = stage.world.folder.join("status.edxml");
    std::fs::write(&file, registration_of(1).to_xml()).expect("written");
    let answer = stage.world.submit(1, &file).await.expect("an answer");
    let id = answer.document_id().expect("accepted");
    assert_eq!(receivers(&answer.body), [AGENCIES[0].code], "routed by ResponseFor/OrganId");
    let taken = stage.world.receivers[0].wait_for(&id, PATIENCE).await.expect("it comes");
    assert_eq!(taken.kind, "status");
    assert_eq!(std::fs::read(&taken.file).expect("kept"), std::fs::read(&file).expect("sent"));
    let again = stage.world.submit(1, &file).await.expect("an answer");
    assert!(again.replayed, "{}", again.body);
    // Nobody speaks for others: the sender of a status packet is checked like any other.
    let foreign = stage.world.submit(2, &file).await.expect("an answer");
    assert_eq!((foreign.status, foreign.body["code"].as_str()), (403, Some("SENDER_NOT_YOURS")));
    stage.all_are(&id, "received").await;
    stage.nothing_else_arrived([1, 1, 0]);
    assert_eq!(gateway.stop().await.expect("it stops"), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_axis_answers_once_where_the_directory_says_so_and_nothing_loops() {
    let stage = Stage::open(PROGRAM, &[]).await;
    let file = stage.world.folder.join("directory.toml");
    let mut directory = std::fs::read_to_string(&file).expect("the directory");
    // The sender's system does not answer either: a status packet about a status packet would come from this.
    for code in [AGENCIES[0].code, AGENCIES[2].code] {
        let line = format!("organ_id = \"{code}\"\n");
        assert!(directory.contains(&line), "{directory}");
        directory = directory.replace(&line, &format!("{line}answers = \"axis-on-behalf\"\n"));
    }
    std::fs::write(&file, directory).expect("written");
    let mut gateway = stage.start().await;
    for number in 1..3 {
        let document = stage.accepted(&stage.letter(number, &[1, 2])).await;
        stage.all_are(&document, "received").await;
        // One 01 for the receiver that the axis answers for, none for the other. A loop would add to them.
        stage.metric_reaches("lienthong_settled_total{state=\"received\"}", f64::from(3 * number)).await;
        stage.metric_reaches("lienthong_accepted_total", f64::from(2 * number)).await;
    }
    let statuses = stage.world.receivers[0].taken();
    for taken in statuses.values() {
        let text = std::fs::read_to_string(&taken.file).expect("kept");
        assert_eq!((taken.kind.as_str(), taken.receiver.as_str()), ("status", AGENCIES[0].code));
        assert!(text.contains(">Trục liên thông báo thay:"), "{text}");
        assert!(text.contains(">01<") && text.contains(AGENCIES[2].code), "{text}");
    }
    assert_eq!(stage.metric("lienthong_outbox_pending").await, 0.0);
    assert_eq!(stage.metric("lienthong_accepted_total").await, 4.0);
    stage.nothing_else_arrived([2, 2, 2]);
    assert_eq!(gateway.stop().await.expect("it stops"), Some(0));
}
