//! sendEdoc: packets in every form in which they come, to whom they go, and what is said of those that are not taken.

use acceptance::sdk_client::{Raw, SdkClient, exchange, hash_file};
use acceptance::{Stage, letter};
use lienthong::demo::world::AGENCIES;
use lienthong_schemas::edxml::DocumentBuilder;
use openssl::base64::encode_block;
use openssl::sha::sha256;
use serde_json::{Value, json};

use crate::ground::{client, stage, status_of};

const SO: &str = AGENCIES[1].code;
const XA: &str = AGENCIES[2].code;

/// The words of a failure with this code and row.
fn is_refused(answer: &Value, code: &str, row: &str) {
    assert_eq!(
        (answer["status"].as_str(), answer["ErrorCode"].as_str()),
        (Some("FAIL"), Some(code)),
        "{answer}"
    );
    assert_eq!(answer["DocId"], "", "it is there, and empty");
    let words = answer["ErrorDesc"].as_str().expect("words");
    assert!(words.contains(&format!("[{row}")) && words.contains("0208 000 000"), "{words}");
}

fn taken(answer: &Value) -> String {
    assert_eq!(answer["status"], "OK", "{answer}");
    let id = answer["DocId"].as_str().expect("an id").to_owned();
    assert!(id.len() == 32 && id.bytes().all(|b| b.is_ascii_hexdigit()), "{id}");
    id
}

fn file(stage: &Stage, number: u32, receivers: &[usize]) -> Vec<u8> {
    std::fs::read(stage.letter(number, receivers)).expect("the packet")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_packet_arrives_as_it_was_whatever_form_it_came_in() {
    let stage = stage("").await;
    let mut gateway = stage.start().await;
    let mut sdk = client(&stage);
    let from = ("from", AGENCIES[0].code);
    let packet = stage.letter(1, &[1, 2]);
    let bytes = std::fs::read(&packet).expect("the packet");
    let id = taken(&sdk.send(&bytes, &[from]).await);
    assert_eq!(stage.delivered(&id, &packet, &[1, 2]).await, [1, 1]);
    assert_eq!(taken(&sdk.send(&bytes, &[from]).await), id, "a repeat");
    assert_eq!(stage.submit(&packet).await.document_id().expect("taken"), id, "one document at both doors");

    // The digest with all its digits; of the body with its line end; base64 of the packet; no line end behind it.
    let padded = |bytes: &[u8]| sha256(bytes).iter().map(|b| format!("{b:02x}")).collect::<String>();
    for number in 2..7 {
        let packet = stage.letter(number, &[1]);
        let mut bytes = std::fs::read(&packet).expect("the packet");
        bytes.truncate(bytes.trim_ascii_end().len());
        std::fs::write(&packet, &bytes).expect("written");
        let with_end = [bytes.as_slice(), b"\r\n"].concat();
        let base64 = encode_block(&bytes).into_bytes();
        let (body, hash) = match number {
            2 => (with_end.clone(), padded(&bytes)),
            3 => (with_end.clone(), padded(&with_end)),
            4 => ([&base64, b"\r\n".as_slice()].concat(), hash_file(&base64)),
            5 => (base64.chunks(76).flat_map(|line| [line, b"\r\n"].concat()).collect(), String::new()),
            _ => (bytes.clone(), hash_file(&bytes)),
        };
        let hash =
            if hash.is_empty() { hash_file(body.strip_suffix(b"\r\n").expect("a line end")) } else { hash };
        let id = taken(&sdk.send_as(&body, &[from, ("hash-file", &hash)]).await.json());
        stage.delivered(&id, &packet, &[1]).await;
    }
    stage.nothing_else_arrived([0, 6, 1]);
    assert_eq!(gateway.stop().await.expect("it stops"), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_packet_goes_to_those_of_its_receivers_that_are_named() {
    let stage = stage("").await;
    let mut gateway = stage.start().await;
    let mut sdk = client(&stage);
    let from = ("from", AGENCIES[0].code);
    let packet = stage.letter(1, &[1, 2]);
    let bytes = std::fs::read(&packet).expect("the packet");
    let to = |codes: &[&str]| Value::from(codes.to_vec()).to_string();
    let first = taken(&sdk.send(&bytes, &[from, ("to", &to(&[SO]))]).await);
    assert_eq!(taken(&sdk.send(&bytes, &[from, ("to", &to(&[SO]))]).await), first);
    stage.delivered(&first, &packet, &[1]).await;
    stage.nothing_else_arrived([0, 1, 0]);
    let second = taken(&sdk.send(&bytes, &[from, ("to", &to(&[XA, SO]))]).await);
    stage.delivered(&second, &packet, &[2]).await;
    stage.nothing_else_arrived([0, 1, 1]);
    let list = sdk.call("getSentEdocList", &[("docId", &first)]).await;
    assert_eq!((list["data"].as_array().map(Vec::len), &list["data"][0]["toCode"]), (Some(1), &json!(SO)));
    is_refused(&sdk.send(&bytes, &[from, ("to", &to(&[SO, "G22"]))]).await, "18", "RECEIVER_NOT_IN_PACKET");
    is_refused(&sdk.send(&bytes, &[from, ("to", "[]")]).await, "18", "RECEIVER_MISSING");
    for odd in ["null", "{}", "[null]", "[1]", "H55.15", "[\"H55.15\""] {
        is_refused(&sdk.send(&bytes, &[from, ("to", odd)]).await, "22", "FIELD_INVALID");
    }
    sdk.unset("to");
    taken(&sdk.send(&bytes, &[from]).await);
    stage.nothing_else_arrived([0, 1, 1]);
    assert_eq!(gateway.stop().await.expect("it stops"), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_taken_is_told_by_its_code() {
    let stage = stage("").await;
    let mut gateway = stage.start().await;
    let mut sdk = client(&stage);
    let from = ("from", AGENCIES[0].code);
    let good = file(&stage, 1, &[1]);
    let mut changed = good.clone();
    let at = changed.windows(2).rposition(|two| two == b"</").expect("an end");
    changed.insert(at, b' ');
    is_refused(
        &sdk.send_as(&changed, &[from, ("hash-file", &hash_file(&good))]).await.json(),
        "10",
        "HASH_MISMATCH",
    );
    is_refused(&sdk.send(&changed, &[from]).await, "10", "SIGNATURE_INVALID");
    is_refused(&sdk.send(b"<edXML/>", &[from]).await, "22", "PACKET_NOT_EDXML");
    is_refused(&sdk.send(b"hello", &[from]).await, "10", "XML_MALFORMED");
    is_refused(&sdk.send(b"", &[from]).await, "10", "BODY_EMPTY");
    is_refused(&sdk.send_as(b"", &[from]).await.json(), "10", "BODY_EMPTY");
    is_refused(&sdk.send(&good, &[("from", SO)]).await, "19", "SENDER_NOT_YOURS");
    is_refused(&sdk.send(&good, &[("from", "H99")]).await, "19", "SENDER_NOT_YOURS");
    is_refused(&sdk.send(&good, &[("from", "á b")]).await, "19", "SENDER_UNKNOWN");
    let theirs = DocumentBuilder::new(SO, &[AGENCIES[0].code]).code("1", "SO").document_id("x");
    let theirs = std::fs::read(stage.world.packet("theirs.edxml", theirs, 1).expect("signed")).expect("read");
    is_refused(&sdk.send(&theirs, &[("from", SO)]).await, "19", "SENDER_NOT_YOURS");
    let nobody = DocumentBuilder::new(AGENCIES[0].code, &["H77.99"]).code("1", "UB").document_id("y");
    let nobody = std::fs::read(stage.signed("nobody.edxml", nobody)).expect("read");
    is_refused(&sdk.send(&nobody, &[from]).await, "18", "RECEIVER_UNKNOWN");
    let unsigned =
        std::fs::read(stage.world.unsigned("u.edxml", letter(2, &[1])).expect("written")).expect("read");
    is_refused(&sdk.send(&unsigned, &[from]).await, "10", "SIGNATURE_MISSING");
    sdk.unset("from");
    is_refused(&sdk.send(&good, &[]).await, "22", "FIELD_MISSING");
    sdk.unset("hash-file");
    is_refused(&sdk.send_as(&good, &[from]).await.json(), "10", "HASH_MISMATCH");
    stage.nothing_else_arrived([0, 0, 0]);
    assert_eq!(stage.metric("lienthong_accepted_total").await, 0.0);
    assert_eq!(stage.metric("lienthong_uploads_in_flight").await, 0.0);
    assert_eq!(gateway.stop().await.expect("it stops"), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn software_without_a_digest_may_be_let_in_and_is_checked_where_it_has_one() {
    let stage = stage("hash_file = \"optional\"\n").await;
    let mut gateway = stage.start().await;
    let mut sdk = client(&stage);
    let (from, good) = (("from", AGENCIES[0].code), file(&stage, 1, &[1]));
    is_refused(&sdk.send_as(&good, &[from, ("hash-file", "0")]).await.json(), "10", "HASH_MISMATCH");
    sdk.unset("hash-file");
    taken(&sdk.send_as(&good, &[from]).await.json());
    assert_eq!(gateway.stop().await.expect("it stops"), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn messagetype_is_only_said_and_the_packet_is_what_it_is() {
    let stage = stage("").await;
    let mut gateway = stage.start().await;
    let mut sdk = client(&stage);
    let from = ("from", AGENCIES[0].code);
    let letter = taken(&sdk.send(&file(&stage, 1, &[1]), &[from, ("messagetype", "status")]).await);
    assert!(stage.log().iter().any(|line| {
        line["message"] == "accepted, and messagetype said something else"
            && line["document_id"] == letter.as_str()
    }));
    // A status packet about what agency 1 sent.
    let theirs =
        DocumentBuilder::new(SO, &[AGENCIES[0].code]).code("1", "SO").document_id("H55.15,2026/01/02,1/SO");
    let theirs = stage.world.packet("theirs.edxml", theirs, 1).expect("signed");
    stage.world.submit(1, &theirs).await.expect("an answer").document_id().expect("accepted");
    let word = status_of(AGENCIES[0].code, SO, "H55.15,2026/01/02,1/SO");
    let id = taken(&sdk.send(word.as_bytes(), &[from, ("messagetype", "status")]).await);
    stage.all_are(&id, "received").await;
    let list = sdk.call("getSentEdocList", &[("docId", &id)]).await;
    let entry = &list["data"][0];
    assert_eq!((&entry["messageType"], &entry["toCode"]), (&json!("status"), &json!(SO)));
    assert_eq!(gateway.stop().await.expect("it stops"), Some(0));
}

/// A submission as another HTTP client would make it.
async fn by_hand(sdk: &SdkClient, more: &str, body: &[u8]) -> Raw {
    let head = sdk.head("POST", "sendEdoc") + &format!("Host: x\r\n{more}\r\n");
    exchange(&sdk.address, &[head.as_bytes(), body].concat()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn other_clients_may_send_chunks_and_none_may_stop_half_way() {
    let stage = stage("").await;
    let mut gateway = stage.start().await;
    let mut sdk = client(&stage);
    let good = file(&stage, 1, &[1]);
    let hash = hash_file(&good);
    for (name, value) in [("Content-Type", "application/octet-stream"), ("from", "H55"), ("hash-file", &hash)]
    {
        sdk.set(name, value);
    }
    let (one, two) = good.split_at(good.len() / 2);
    let chunk = |bytes: &[u8]| [format!("{:x}\r\n", bytes.len()).as_bytes(), bytes, b"\r\n"].concat();
    let chunks = [chunk(one), chunk(two), chunk(b"\r"), chunk(b"\n"), b"0\r\n\r\n".to_vec()].concat();
    let id = taken(&by_hand(&sdk, "Transfer-Encoding: chunked\r\n", &chunks).await.json());
    let known = format!("Content-Length: {}\r\nConnection: close\r\n", good.len() + 2);
    let repeat = by_hand(&sdk, &known, &[good.as_slice(), b"\r\n"].concat()).await;
    assert_eq!(taken(&repeat.json()), id);
    // A body that is announced and does not come, and one that nobody would take.
    let mut wire = acceptance::Wire::open(&stage.world.public).await;
    wire.send((sdk.head("POST", "sendEdoc") + &format!("Host: x\r\n{known}\r\n")).as_bytes()).await;
    wire.send(one).await;
    drop(wire);
    let large = "Content-Length: 999999999999\r\nConnection: close\r\n";
    let refused = by_hand(&sdk, large, b"<").await;
    assert!(refused.status == 0 || refused.status == 200, "{refused:?}");
    stage.all_are(&id, "received").await;
    stage.nothing_else_arrived([0, 1, 0]);
    assert_eq!(gateway.stop().await.expect("it stops"), Some(0));
}
