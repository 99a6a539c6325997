//! Lists of agencies, and what became of a document.

use acceptance::Stage;
use acceptance::sdk_client::SdkClient;
use lienthong::demo::world::AGENCIES;
use serde_json::{Value, json};

use crate::ground::{NEXT_SECRET, SYSTEM_ID, client, receiver, stage, stage_with_mailboxes};
use crate::mailbox::{id_of, listed, sent};

fn unit(agency: usize, pid: &str) -> Value {
    let code = AGENCIES[agency].code;
    json!({ "id": code, "pid": pid, "code": code, "name": AGENCIES[agency].name, "mail": "", "oldCode": "" })
}

#[tokio::test(flavor = "multi_thread")]
async fn the_lists_of_agencies_are_those_of_the_directory() {
    let stage = stage("").await;
    let mut gateway = stage.start().await;
    let mut sdk = client(&stage);
    let units = json!([unit(0, ""), unit(1, "H55"), unit(2, "H55")]);
    let whole = json!({ "status": "OK", "ErrorCode": "0", "ErrorDesc": "Success", "data": units });
    assert_eq!(sdk.call("getAgenciesList", &[]).await, whole);
    // Both slashes, both methods, a body that says nothing, and what stays from earlier calls.
    assert_eq!(sdk.call("/getAgenciesList", &[("pcode", "H55"), ("docId", "x")]).await, whole);
    assert_eq!(sdk.ask("GET", "getAgenciesList", &[], b"").await.json(), whole);
    assert_eq!(sdk.ask("POST", "getAgenciesList", &[], b"{}").await.json(), whole);
    let units = sdk.call("getAgenciesListQD20", &[("level", "1")]).await;
    let first = json!({ "id": "H55", "code": "H55", "name": AGENCIES[0].name, "mail": "", "code102": "" });
    assert_eq!((units["data"].as_array().map(Vec::len), &units["data"][0]), (Some(3), &first));
    let own = sdk.call("getSynchronizeUnit", &[]).await;
    assert_eq!(
        own["data"],
        json!({
            "id": "H55", "pid": "", "code": "H55", "name": AGENCIES[0].name, "mail": "", "centerCode": "H55.TRUC",
            "version": 1, "deleted": false, "modifyDate": "", "isAgency": true,
        })
    );
    let mut changing = SdkClient { secret: NEXT_SECRET.to_owned(), ..client(&stage) };
    assert_eq!(changing.call("getAgenciesList", &[]).await, whole, "both secrets count");
    assert_eq!(stage.metric("lienthong_sdk_new_sources_total").await, 1.0);
    let calls = "lienthong_sdk_calls_total{operation=\"get_agencies_list\",outcome=\"ok\"}";
    assert_eq!(stage.metric(calls).await, 5.0);
    assert_eq!(gateway.stop().await.expect("it stops"), Some(0));
}

/// A document of agency 0, submitted at the other door.
async fn submitted(stage: &Stage, number: u32, receivers: &[usize]) -> String {
    stage.accepted(&stage.letter(number, receivers)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sender_sees_what_became_of_its_document_and_nobody_else_does() {
    let stage = stage("").await;
    let mut gateway = stage.start().await;
    let mut sdk = client(&stage);
    let id = submitted(&stage, 7, &[1, 2]).await;
    let shown = stage.all_are(&id, "received").await;
    let list = sdk
        .call("getSentEdocList", &[("servicetype", "eDoc"), ("messagetype", "edoc"), ("docId", &id)])
        .await;
    let entries = list["data"].as_array().expect("entries");
    assert_eq!((list["status"].as_str(), entries.len()), (Some("OK"), 2));
    for (at, entry) in entries.iter().enumerate() {
        let line = &shown["deliveries"][at];
        let time = |name: &str| entry[name].as_str().expect("a text").to_owned();
        for name in ["sentTime", "receivedTime"] {
            let text = time(name);
            let form: String = text.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
            assert_eq!(form, "0000/00/00 00:00:00", "{name}");
        }
        let expected = json!({
            "serviceType": "eDoc", "messageType": "edoc", "senderDocId": id, "receiverDocId": line["delivery_id"],
            "fromCode": "H55", "toCode": AGENCIES[at + 1].code, "title": "V/v thử nghiệm số 7", "notation": "7/UBND-VP",
            "sentTime": time("sentTime"), "receivedTime": time("receivedTime"),
            "sendStatus": "done", "sendStatusDesc": "trục đã nhận",
            "receiveStatus": "done", "receiveStatusDesc": "bên nhận đã nhận",
        });
        assert_eq!(*entry, expected);
    }

    // What is not there and what is another's: one answer, though this system receives the second.
    let foreign = stage.world.packet("f.edxml", foreign_letter(), 1).expect("signed");
    let foreign = stage.world.submit(1, &foreign).await.expect("an answer").document_id().expect("accepted");
    let mut answers = Vec::new();
    for other in [foreign.as_str(), &"0".repeat(32), "../../etc", "x"] {
        answers.push(sdk.call("getSentEdocList", &[("docId", other)]).await);
    }
    let first = &answers[0];
    assert_eq!(
        (&first["status"], &first["ErrorCode"], &first["data"]),
        (&json!("FAIL"), &json!("10"), &json!([]))
    );
    assert!(answers.iter().all(|answer| answer == first), "{answers:#?}");
    sdk.unset("docId");
    let without = sdk.call("getSentEdocList", &[]).await;
    assert!(
        without["ErrorDesc"].as_str().is_some_and(|words| words.contains("FIELD_MISSING XroadVnpt-docId"))
    );
    assert_eq!(gateway.stop().await.expect("it stops"), Some(0));
}

fn foreign_letter() -> lienthong_schemas::edxml::DocumentBuilder {
    let (from, to) = (AGENCIES[1].code, AGENCIES[0].code);
    lienthong_schemas::edxml::DocumentBuilder::new(from, &[to])
        .code("1", "SO")
        .document_id("H55.15,2026/01/02,1/SO")
}

/// What calls before may have left in a service object, which keeps it for life.
const LEFT: [(&str, &str); 15] = [
    ("servicetype", "x"),
    ("messagetype", "x"),
    ("fromDate", "x"),
    ("toDate", "2026/01/01"),
    ("docId", "x"),
    ("docid", "y"),
    ("status", "x"),
    ("description", "x"),
    ("filePath", "/x"),
    ("from", "x y"),
    ("to", "[\"H99\"]"),
    ("hash-file", "x"),
    ("AgencyCode", "x"),
    ("level", "x"),
    ("pcode", "x"),
];

#[tokio::test(flavor = "multi_thread")]
async fn what_reads_takes_either_method_and_minds_its_own_parameters_only() {
    let stage = stage_with_mailboxes().await;
    let mut gateway = stage.start().await;
    let (document, bytes) = sent(&stage, &mut client(&stage), 1).await;
    let id = id_of(&listed(&mut receiver(&stage), "edoc", 1).await[0]);
    let (of_it, waits) = ([("docId", id.as_str())], [("servicetype", "eDoc"), ("messagetype", "edoc")]);
    let of_sent = [("docId", document.as_str()), ("messagetype", "edoc")];
    type Own<'p> = &'p [(&'p str, &'p str)];
    let reads: [(&str, SdkClient, Own<'_>); 9] = [
        ("getAgenciesList", receiver(&stage), &[]),
        ("getAgenciesListQD20", receiver(&stage), &[]),
        ("getSynchronizeUnit", receiver(&stage), &[]),
        ("getReceivedEdocList", receiver(&stage), &waits),
        ("countReceiveEdoc", receiver(&stage), &[]),
        ("countReceiveStatus", receiver(&stage), &[]),
        ("getSentEdocList", client(&stage), &of_sent),
        ("getEdoc", receiver(&stage), &of_it),
        ("downloadEdoc", receiver(&stage), &of_it),
    ];
    for (operation, new, own) in reads {
        let plain = new.clone().ask("POST", operation, own, b"").await;
        match operation {
            "downloadEdoc" => assert_eq!(plain.body, bytes),
            _ => assert_eq!(plain.json()["status"], "OK", "{operation}"),
        }
        for (method, body) in [("GET", ""), ("POST", ""), ("POST", "{}")] {
            let mut kept = new.clone();
            for (name, value) in LEFT {
                kept.set(name, value);
            }
            let answer = kept.ask(method, operation, own, body.as_bytes()).await;
            assert_eq!((answer.status, &answer.body), (200, &plain.body), "{method} {operation} {body}");
        }
    }
    assert_eq!(gateway.stop().await.expect("it stops"), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_count_at_once_when_they_are_read_again() {
    let stage = stage("").await;
    let mut gateway = stage.start().await;
    let mut sdk = SdkClient { secret: "a-third-made-up-secret".to_owned(), ..client(&stage) };
    assert_eq!(sdk.call("getAgenciesList", &[]).await["ErrorCode"], "15");
    std::fs::write(stage.world.folder.join("sdk.next"), "a-third-made-up-secret\n").expect("written");
    stage.reload(&gateway).await;
    assert_eq!(sdk.call("getAgenciesList", &[]).await["status"], "OK");
    let mut old = SdkClient { secret: NEXT_SECRET.to_owned(), ..client(&stage) };
    assert_eq!(old.call("getAgenciesList", &[]).await["ErrorCode"], "15", "{SYSTEM_ID} has another one");
    assert_eq!(gateway.stop().await.expect("it stops"), Some(0));
}
