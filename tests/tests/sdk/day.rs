//! A working day of two systems that have the SDK built in and nothing else: agencies, a letter of each business type,
//! every status, and the lists of both at its end.

use acceptance::sdk_client::SdkClient;
use acceptance::{letter, letter_to};
use lienthong::demo::world::AGENCIES;
use lienthong_schemas::edxml::{BusinessType, StatusCode};
use openssl::base64::decode_block;
use serde_json::{Value, json};

use crate::ground::{client, receiver, stage_with_mailboxes, word_of};
use crate::mailbox::{id_of, listed};
use crate::register::{is_listed, register};

const FROM: &str = AGENCIES[0].code;
const TO: &str = AGENCIES[1].code;
const NEW: &str = "H55.40.01";

fn name_of(number: u32) -> String {
    format!("{FROM},2026/01/02,{number}/UBND-VP")
}

/// Sends a packet; the document's id.
async fn sends(sdk: &mut SdkClient, from: &str, kind: &str, bytes: &[u8]) -> String {
    let answer = sdk.send(bytes, &[("from", from), ("messagetype", kind)]).await;
    assert_eq!(answer["status"], "OK", "{answer}");
    answer["DocId"].as_str().expect("an id").to_owned()
}

/// As every known application does: the list, each packet of it, and `done`. Its id.
async fn takes(sdk: &mut SdkClient, kind: &str, parties: (&str, &str), bytes: &[u8]) -> String {
    let entries = listed(sdk, kind, 1).await;
    let (entry, id) = (&entries[0], id_of(&entries[0]));
    let shown = ["serviceType", "messageType", "from", "to", "status"].map(|name| entry[name].clone());
    assert_eq!(shown, ["eDoc", kind, parties.0, parties.1, "initial"].map(Value::from));
    let count = if kind == "edoc" { "countReceiveEdoc" } else { "countReceiveStatus" };
    assert_eq!(sdk.ask("POST", count, &[], b"{}").await.json()["count"], 1);
    let packet = sdk.ask("POST", "getEdoc", &[("docId", &id), ("filePath", "/nhan")], b"{}").await.json();
    assert_eq!(decode_block(packet["data"].as_str().expect("a text")).expect("base64"), bytes, "every byte");
    let done = sdk.ask("POST", "updateStatus", &[("docId", &id), ("status", "done")], b"{}").await.json();
    assert_eq!(done, json!({ "status": "OK", "ErrorCode": "0", "ErrorDesc": "Success" }));
    id
}

#[tokio::test(flavor = "multi_thread")]
async fn a_day_of_two_systems() {
    let stage = stage_with_mailboxes().await;
    stage.write_more("", "");
    let mut gateway = stage.start().await;
    let (mut one, mut two) = (client(&stage), receiver(&stage));
    let agencies = one.call("getAgenciesList", &[]).await;
    let codes: Vec<&str> =
        agencies["data"].as_array().expect("a list").iter().filter_map(|a| a["code"].as_str()).collect();
    assert!(codes.contains(&FROM) && codes.contains(&TO), "{codes:?}");
    // A new office of the second system: asked for, agreed to, in the lists, and it gets a letter.
    register(&mut two, NEW, "Phòng mới").await;
    assert!(!is_listed(&mut one, NEW).await, "an operator decides");
    stage.operator(&["agencies", "approve", AGENCIES[1].system, NEW, "--reason", "có công văn"]);
    assert!(is_listed(&mut one, NEW).await);
    let office = letter_to(90, &[NEW]);
    let bytes = std::fs::read(stage.signed("90.edxml", office)).expect("the packet");
    sends(&mut one, FROM, "edoc", &bytes).await;
    takes(&mut two, "edoc", (FROM, NEW), &bytes).await;

    let mut sent = Vec::new();
    for (number, kind) in (1..).zip(BusinessType::ALL) {
        let letter = letter(number, &[1]).subject(&format!("V/v số {number}"));
        let letter = match kind {
            BusinessType::New => letter,
            BusinessType::Revoke | BusinessType::Update => letter.business(kind, "nội dung sai", &name_of(1)),
            BusinessType::Replace => letter.replaces("nội dung sai", &[name_of(1)]),
        };
        let bytes = std::fs::read(stage.signed(&format!("{number}.edxml"), letter)).expect("the packet");
        let document = sends(&mut one, FROM, "edoc", &bytes).await;
        let delivery = takes(&mut two, "edoc", (FROM, TO), &bytes).await;
        sent.push((number, document, delivery));
    }
    for code in StatusCode::ALL {
        let word = word_of(TO, FROM, &name_of(1), code);
        sends(&mut two, TO, "status", word.as_bytes()).await;
        takes(&mut one, "status", (TO, FROM), word.as_bytes()).await;
    }

    for (number, document, delivery) in sent {
        let list = one.call("getSentEdocList", &[("docId", &document), ("messagetype", "edoc")]).await;
        let entry = &list["data"][0];
        let shown = [
            "senderDocId",
            "receiverDocId",
            "fromCode",
            "toCode",
            "title",
            "notation",
            "sendStatus",
            "receiveStatus",
        ];
        let (title, notation) = (format!("V/v số {number}"), format!("{number}/UBND-VP"));
        let expected = [&document, &delivery, FROM, TO, &title, &notation, "done", "done"];
        assert_eq!(shown.map(|name| entry[name].clone()), expected.map(|text: &str| Value::from(text)));
    }
    for (sdk, operation) in [(&mut one, "countReceiveStatus"), (&mut two, "countReceiveEdoc")] {
        assert_eq!(sdk.ask("GET", operation, &[], b"").await.json()["count"], 0);
    }
    assert_eq!(stage.metric("lienthong_accepted_total").await, 14.0);
    assert_eq!(gateway.stop().await.expect("it stops"), Some(0));
}
