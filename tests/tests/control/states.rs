//! What receivers say of a document, and what is odd about it, as senders and operators see it: in the receipt, over the
//! API, and on the command line.

use std::path::PathBuf;

use lienthong::demo::world::AGENCIES;
use lienthong_schemas::edxml::{StatusCode, StatusContact, StatusPacket, StatusSender, StatusSubject};
use lienthong_schemas::organ::OrganId;

use super::super::*;

/// A word of one agency to another about the first letter of agency 0.
fn word(stage: &Stage, from: usize, to: usize, code: StatusCode, second: u32) -> PathBuf {
    let organ = |at: usize| OrganId::parse(AGENCIES[at].code).expect("a code");
    let packet = StatusPacket {
        from: StatusSender {
            organ_id: organ(from),
            organization_in_charge: String::new(),
            organ_name: AGENCIES[from].name.to_owned(),
            contact: StatusContact::default(),
        },
        response_for: StatusSubject {
            organ_id: organ(to),
            code: "1/UBND-VP".to_owned(),
            document_id: format!("{},2026/01/02,1/UBND-VP", AGENCIES[0].code),
            promulgation_date: "2026/01/02".to_owned(),
        },
        staff: None,
        code,
        description: "vì gửi nhầm".to_owned(),
        timestamp: format!("2026-01-03T01:00:{second:02}Z").parse().expect("a time"),
    };
    let file = stage.world.folder.join(format!("{from}-{code}-{second}.edxml"));
    std::fs::write(&file, packet.to_xml()).expect("written");
    file
}

async fn say(stage: &Stage, from: usize, to: usize, code: StatusCode, second: u32) -> Value {
    let file = word(stage, from, to, code, second);
    let answer = stage.world.submit(from, &file).await.expect("an answer");
    assert_eq!(answer.status, 202, "{}", answer.body);
    answer.body
}

fn codes(findings: &Value) -> Vec<&str> {
    findings.as_array().expect("findings").iter().map(|code| code.as_str().expect("a code")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn states_and_remarks_stand_in_receipt_api_and_commands() {
    let hands = Hands::open().await;
    let stage = &hands.stage;
    let mut gateway = stage.start().await;
    let packet = stage.letter(1, &[1, 2]);
    let answer = stage.submit(&packet).await;
    let document = answer.document_id().expect("accepted");
    stage.all_are(&document, "received").await;

    let fits = say(stage, 1, 0, StatusCode::Registered, 1).await;
    assert!(!codes(&fits["findings"]).contains(&"STATUS_UNEXPECTED"), "{fits}");
    let late = say(stage, 1, 0, StatusCode::Refused, 2).await;
    assert!(codes(&late["findings"]).contains(&"STATUS_UNEXPECTED"), "{late}");
    let remarks = late["remarks"].as_array().expect("remarks");
    let remark =
        remarks.iter().find(|remark| remark["code"] == "STATUS_UNEXPECTED").expect("it is explained");
    assert_eq!(remark["severity"], "warning");
    assert_eq!(remark["field"], "edXMLHeader/MessageHeader/StatusCode");
    assert_eq!(remark["detail"], "03 → 02");
    assert_eq!(remark["vi"], "Trạng thái không đúng trình tự");
    assert_eq!(remark["en"], "The status does not follow from the state before it");
    let recall = say(stage, 0, 2, StatusCode::RecallAsked, 3).await;
    assert!(!codes(&recall["findings"]).contains(&"STATUS_UNEXPECTED"), "{recall}");

    // The API, to the sender and to a receiver.
    let shown = stage.world.show(0, &document).await.expect("an answer").body;
    let lines = shown["deliveries"].as_array().expect("deliveries");
    let business = |at: usize| {
        let line = lines.iter().find(|line| line["receiver"] == AGENCIES[at].code).expect("a line");
        line["business"].clone()
    };
    assert_eq!((&business(1)["code"], &business(1)["vi"]), (&"02".into(), &"từ chối tiếp nhận".into()));
    assert_eq!(business(1)["en"], "refused");
    assert!(business(1)["since"].as_str().is_some_and(|since| since.ends_with('Z')), "{shown}");
    assert_eq!(business(2)["code"], "none");
    assert_eq!(business(2)["pending"][0]["code"], "13");
    assert_eq!(business(2)["pending"][0]["vi"], "chờ trả lời yêu cầu lấy lại");
    let own = stage.world.show(2, &document).await.expect("an answer").body;
    assert_eq!(own["deliveries"].as_array().map(Vec::len), Some(1));
    assert_eq!(own["deliveries"][0]["business"], business(2));
    let status = late["document_id"].as_str().expect("an id");
    let of_status = stage.world.show(0, status).await.expect("an answer").body;
    assert!(of_status["deliveries"][0].get("business").is_none(), "{of_status}");
    assert_eq!(of_status["receipt"]["remarks"], late["remarks"], "as it was given");

    // The commands.
    let by_operator = hands.json_of(&["documents", "show", &document]);
    assert_eq!(by_operator["deliveries"], shown["deliveries"]);
    let delivery = lines[0]["delivery_id"].as_str().expect("an id");
    let one = hands.json(0, &["deliveries", "show", delivery]);
    assert_eq!(one["business"], business(1));
    let page = text(&hands.run(&["deliveries", "show", delivery]).stdout);
    assert!(page.contains("02  từ chối tiếp nhận (refused)"), "{page}");
    let answered = of_status["deliveries"][0]["delivery_id"].as_str().expect("an id");
    let page = text(&hands.run(&["deliveries", "show", answered]).stdout);
    assert!(page.contains("STATUS_UNEXPECTED Trạng thái không đúng trình tự"), "{page}");
    assert!(page.contains("edXMLHeader/MessageHeader/StatusCode: 03 → 02"), "{page}");

    assert_eq!(stage.metric("lienthong_anomalies_total{kind=\"status_unexpected\"}").await, 1.0);
    assert_eq!(gateway.stop().await.expect("it stops"), Some(0));
    // And while it is stopped.
    let stopped = hands.json_of(&["documents", "show", &document]);
    let states = |shown: &Value| {
        let lines = shown["deliveries"].as_array().expect("deliveries");
        lines.iter().map(|line| line["business"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(states(&stopped), states(&shown));
}

impl Hands {
    /// The JSON of a command that prints nothing else.
    fn json_of(&self, words: &[&str]) -> Value {
        let output = self.run(words);
        serde_json::from_slice(&output.stdout).expect("JSON")
    }
}
