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

/// A member that is a time, as it stands there: its form is `yyyy/MM/dd HH:mm:ss`.
fn time(entry: &Value, name: &str) -> String {
    let text = entry[name].as_str().expect("a text");
    let form: String = text.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
    assert_eq!(form, "0000/00/00 00:00:00", "{name}");
    text.to_owned()
}

/// As every known application does: the list, each packet of it, and `done`. Its id.
async fn takes(sdk: &mut SdkClient, kind: &str, parties: (&str, &str), bytes: &[u8]) -> String {
    let entries = listed(sdk, kind, 1).await;
    let (entry, id) = (&entries[0], id_of(&entries[0]));
    let (created, updated) = (time(entry, "created_time"), time(entry, "updated_time"));
    assert!(created <= updated, "{entry}");
    let whole = json!({
        "docId": id, "serviceType": "eDoc", "messageType": kind, "created_time": created, "updated_time": updated,
        "from": parties.0, "to": parties.1, "status": "initial", "status_desc": "chờ bên nhận lấy",
    });
    assert_eq!(*entry, whole);
    let count = if kind == "edoc" { "countReceiveEdoc" } else { "countReceiveStatus" };
    assert_eq!(sdk.ask("POST", count, &[], b"{}").await.json()["count"], 1);
    let packet = sdk.ask("POST", "getEdoc", &[("docId", &id), ("filePath", "/nhan")], b"{}").await.json();
    assert_eq!(packet.as_object().map(|members| members.len()), Some(4), "{packet}");
    assert_eq!(decode_block(packet["data"].as_str().expect("a text")).expect("base64"), bytes, "every byte");
    let done = sdk.ask("POST", "updateStatus", &[("docId", &id), ("status", "done")], b"{}").await.json();
    assert_eq!(done, json!({ "status": "OK", "ErrorCode": "0", "ErrorDesc": "Success" }));
    id
}

/// What became of a document with one receiver, who has it: every value.
async fn became(
    sdk: &mut SdkClient,
    kind: &str,
    ids: (&str, &str),
    parties: (&str, &str),
    says: (&str, &str),
) {
    let list = sdk.call("getSentEdocList", &[("docId", ids.0), ("messagetype", kind)]).await;
    let entry = &list["data"][0];
    let (sent, received) = (time(entry, "sentTime"), time(entry, "receivedTime"));
    assert!(sent <= received, "{entry}");
    let whole = json!({
        "status": "OK", "ErrorCode": "0", "ErrorDesc": "Success",
        "data": [{
            "serviceType": "eDoc", "messageType": kind, "senderDocId": ids.0, "receiverDocId": ids.1,
            "fromCode": parties.0, "toCode": parties.1, "title": says.0, "notation": says.1,
            "sentTime": sent, "receivedTime": received,
            "sendStatus": "done", "sendStatusDesc": "trục đã nhận",
            "receiveStatus": "done", "receiveStatusDesc": "bên nhận đã nhận",
        }],
    });
    assert_eq!(list, whole);
}

/// A line of getAgenciesList.
fn unit(code: &str, pid: &str, name: &str, mail: &str) -> Value {
    json!({ "id": code, "pid": pid, "code": code, "name": name, "mail": mail, "oldCode": "" })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_day_of_two_systems() {
    let stage = stage_with_mailboxes().await;
    stage.write_more("", "");
    let mut gateway = stage.start().await;
    let (mut one, mut two) = (client(&stage), receiver(&stage));
    let mut units = vec![unit(FROM, "", AGENCIES[0].name, "")];
    units.extend([1, 2].map(|at| unit(AGENCIES[at].code, FROM, AGENCIES[at].name, "")));
    let whole =
        |units: &[Value]| json!({ "status": "OK", "ErrorCode": "0", "ErrorDesc": "Success", "data": units });
    assert_eq!(one.call("getAgenciesList", &[]).await, whole(&units));
    // A new office of the second system: asked for, agreed to, in the lists, and it gets a letter.
    register(&mut two, NEW, "Phòng mới").await;
    assert!(!is_listed(&mut one, NEW).await, "an operator decides");
    let waiting = stage.operator(&["agencies", "pending"]);
    let at = waiting[0]["requests"][0]["at"].as_str().expect("a time");
    let system = AGENCIES[1].system;
    stage.operator(&["agencies", "approve", system, NEW, "--since", at, "--reason", "có công văn"]);
    assert!(is_listed(&mut one, NEW).await);
    units.push(unit(NEW, FROM, "Phòng mới", "vanthu@phong.vn"));
    assert_eq!(one.call("getAgenciesList", &[]).await, whole(&units));
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
    let mut words = Vec::new();
    for code in StatusCode::ALL {
        let word = word_of(TO, FROM, &name_of(1), code);
        let document = sends(&mut two, TO, "status", word.as_bytes()).await;
        words.push((document, takes(&mut one, "status", (TO, FROM), word.as_bytes()).await));
    }
    assert_eq!((sent.len(), words.len()), (4, 9));

    for (number, document, delivery) in sent {
        let (title, notation) = (format!("V/v số {number}"), format!("{number}/UBND-VP"));
        became(&mut one, "edoc", (&document, &delivery), (FROM, TO), (&title, &notation)).await;
    }
    for (document, delivery) in words {
        became(&mut two, "status", (&document, &delivery), (TO, FROM), ("", "")).await;
    }
    for (sdk, operation) in [(&mut one, "countReceiveStatus"), (&mut two, "countReceiveEdoc")] {
        assert_eq!(sdk.ask("GET", operation, &[], b"").await.json()["count"], 0);
    }
    assert_eq!(stage.metric("lienthong_accepted_total").await, 14.0);
    assert_eq!(gateway.stop().await.expect("it stops"), Some(0));
}
