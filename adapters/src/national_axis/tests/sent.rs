//! What stands on the wire: the whole request of the worked example, and a signature that the other side can check.

use std::collections::BTreeMap;

use lienthong_pipeline::ports::{Adapter, FailureClass};
use lienthong_schemas::ids::PacketDigest;
use lienthong_schemas::organ::OrganId;

use super::{OK, SECRET, adapter, answer, at, consignment, endpoint, hmac, is, organ};
use crate::contract::{self, Seen};
use crate::http::peer::{Conduct, Peer, Request};
use crate::national_axis::wire::{Account, HEADER_LINE_BYTES_MAX, headers};
use crate::national_axis::{AxisEndpoint, ToHeader};
use crate::parcel::Parcel;

fn taking() -> Peer {
    Peer::start(answer("200 OK", "", OK))
}

/// The members that the request is signed over, checked as a server of this protocol does it: the HMAC over the bytes
/// that came, then each member against its header.
fn verified(request: &Request, secret: &str) -> Option<BTreeMap<String, String>> {
    let object = request.field("xroadvnpt-sign-header");
    if hmac(secret, object) != request.field("xroadvnpt-hash-header") {
        return None;
    }
    let members: BTreeMap<String, String> = serde_json::from_str(object).expect("an object of texts");
    for (name, value) in &members {
        assert_eq!(request.field(&name.to_lowercase()), value);
    }
    let position = |name: &str| object.find(&format!("\"XroadVnpt-{name}\":")).expect("a member");
    let listed: Vec<&str> = request.field("xroadvnpt-sign-header-key").split(';').collect();
    assert_eq!(listed.len(), members.len());
    assert!(listed.iter().map(|name| position(name)).is_sorted(), "one order in list and object");
    let fields = request.fields();
    let place = |name: &str| fields.iter().position(|(given, _)| *given == format!("xroadvnpt-{name}"));
    let places: Vec<usize> =
        listed.iter().map(|name| place(&name.to_lowercase()).expect("a header")).collect();
    assert!(places.is_sorted(), "the same order in headers");
    Some(members)
}

#[tokio::test]
async fn the_worked_example_is_sent_byte_for_byte() {
    let (peer, parcel) = (taking(), Parcel::of(b"<edXML/>"));
    let mut consignment = consignment(&parcel, &[organ("H01"), organ("G22")]);
    consignment.delivery.sender = organ("H55.01");
    consignment.at = "2025-01-31T20:04:05.006Z".parse().expect("a time");
    adapter(at(&peer)).deliver(&consignment).await.expect("OK");

    // Names of headers are the same in any case (RFC 9110 section 5.1); the client sends them in lower case.
    let expected = [
        "POST /truc/sendEdoc HTTP/1.1",
        "content-type: application/octet-stream",
        "xroadvnpt-systemid: demo.sys.01",
        "xroadvnpt-servicetype: eDoc",
        "xroadvnpt-messagetype: edoc",
        "xroadvnpt-hash-file: 8d55f6c7bf7cd534cf27a10e1bb5731c68279c3cb991cf4844774c685b3758",
        "xroadvnpt-from: H55.01",
        r#"xroadvnpt-to: ["H01","G22"]"#,
        "xroadvnpt-timestamp: 01022025T030405+0006",
        "xroadvnpt-content-type: application/octet-stream",
        "xroadvnpt-sign-header-key: systemid;servicetype;messagetype;hash-file;from;to;timestamp;Content-Type",
        r#"xroadvnpt-sign-header: {"XroadVnpt-systemid":"demo.sys.01","XroadVnpt-servicetype":"eDoc","XroadVnpt-messagetype":"edoc","XroadVnpt-hash-file":"8d55f6c7bf7cd534cf27a10e1bb5731c68279c3cb991cf4844774c685b3758","XroadVnpt-from":"H55.01","XroadVnpt-to":"[\"H01\",\"G22\"]","XroadVnpt-timestamp":"01022025T030405+0006","XroadVnpt-Content-Type":"application/octet-stream"}"#,
        "xroadvnpt-hash-header: 8a8cb70ab21c3836f02a1d747e6d9edaae1dd893a596234787cc6ef9589bf1ba",
        "user-agent: JAVASDKAgent/1.0.0 XRoad/VPCP",
        "xroadvnpt-version: 3.0.201608",
        "cache-control: no-cache",
        "pragma: no-cache",
        &format!("host: {}", peer.address),
        "accept: text/html, image/gif, image/jpeg, */*; q=0.2",
        "connection: keep-alive",
        "content-length: 10",
        "",
        "",
    ];
    let request = peer.only();
    assert_eq!(request.head.split("\r\n").collect::<Vec<_>>(), expected);
    assert_eq!(request.body, b"<edXML/>\r\n");
}

#[tokio::test]
async fn the_message_type_is_the_kind_of_the_packet() {
    for (kind, message_type) in [
        ("document:0", "edoc"),
        ("document:1", "edoc"),
        ("document:2", "edoc"),
        ("document:3", "edoc"),
        ("status", "status"),
    ] {
        let (peer, parcel) = (taking(), Parcel::of(b"<edXML/>"));
        let mut consignment = consignment(&parcel, &[organ("H55.15")]);
        consignment.delivery.kind = kind.into();
        adapter(at(&peer)).deliver(&consignment).await.expect("OK");
        let members = verified(&peer.only(), SECRET).expect("a signature that fits");
        assert_eq!(members["XroadVnpt-messagetype"], message_type, "{kind}");
        assert_eq!(members["XroadVnpt-servicetype"], "eDoc");
    }
    let (peer, parcel) = (taking(), Parcel::of(b"<edXML/>"));
    for kind in ["", "document", "document:4", "Status", "edoc"] {
        let mut consignment = consignment(&parcel, &[organ("H55.15")]);
        consignment.delivery.kind = kind.into();
        let failure = adapter(at(&peer)).deliver(&consignment).await.expect_err(kind);
        is(&failure, FailureClass::Packet, "bad_record");
    }
    assert!(peer.seen().is_empty());
}

#[tokio::test]
async fn the_receivers_are_exactly_those_of_the_consignment() {
    let (peer, parcel) = (taking(), Parcel::of(b"<edXML/>"));
    let adapter = adapter(at(&peer));
    for (codes, text) in [
        (&["h55.15"][..], r#"["H55.15"]"#),
        (&["G22", "H01", "000.00.15.H55"], r#"["G22","H01","000.00.15.H55"]"#),
    ] {
        let receivers: Vec<OrganId> = codes.iter().map(|code| organ(code)).collect();
        adapter.deliver(&consignment(&parcel, &receivers)).await.expect("OK");
        let request = peer.seen().pop().expect("a request");
        let members = verified(&request, SECRET).expect("a signature that fits");
        assert_eq!(members["XroadVnpt-to"], text);
        assert!(verified(&request, "another secret").is_none());
    }
}

#[tokio::test]
async fn an_axis_that_reads_the_packet_is_told_no_receivers() {
    let (peer, parcel) = (taking(), Parcel::of(b"<edXML/>"));
    let omitting = AxisEndpoint { to_header: ToHeader::Omit, ..at(&peer) };
    let receivers = [organ("MA.NOI.NHAN.1"), organ("MA.NOI.NHAN.2")];
    adapter(omitting).deliver(&consignment(&parcel, &receivers)).await.expect("OK");
    let request = peer.only();
    let members = verified(&request, SECRET).expect("a signature that fits");
    assert!(
        !members.contains_key("XroadVnpt-to") && !request.head.contains("MA.NOI.NHAN"),
        "{}",
        request.head
    );
    let listed = "systemid;servicetype;messagetype;hash-file;from;timestamp;Content-Type";
    assert_eq!(request.field("xroadvnpt-sign-header-key"), listed);
}

#[tokio::test]
async fn operations_are_appended_to_the_prefix() {
    let (peer, parcel) = (taking(), Parcel::of(b"<edXML/>"));
    for (prefix, path) in [
        ("", "/sendEdoc"),
        ("/", "/sendEdoc"),
        ("/truc", "/truc/sendEdoc"),
        ("/truc/", "/truc/sendEdoc"),
        ("/a%20b/c//", "/a%20b/c/sendEdoc"),
    ] {
        let endpoint = endpoint(format!("http://{}{prefix}", peer.address));
        adapter(endpoint).deliver(&consignment(&parcel, &[organ("H01")])).await.expect("OK");
        let request = peer.seen().pop().expect("a request");
        assert!(request.head.starts_with(&format!("POST {path} HTTP/1.1\r\n")), "{}", request.head);
    }
}

#[tokio::test]
async fn a_large_packet_is_streamed_with_its_length() {
    let packet: Vec<u8> = (0..10 * 1024 * 1024_u32).map(|i| (i % 251) as u8).collect();
    let (peer, parcel) = (taking(), Parcel::of(&packet));
    adapter(at(&peer)).deliver(&consignment(&parcel, &[organ("H01")])).await.expect("OK");
    let request = peer.only();
    assert_eq!(request.field("content-length"), "10485762");
    assert!(!request.fields().iter().any(|(name, _)| name == "transfer-encoding" || name == "expect"));
    let (body, end) = request.body.split_at(packet.len());
    assert!(body == packet && end == b"\r\n", "the packet's bytes, CR LF");
}

#[tokio::test]
async fn a_connection_serves_one_attempt() {
    // This peer serves one connection at a time, and waits until the client closes it.
    let whole = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{OK}", OK.len());
    let (peer, parcel) = (Peer::start(Conduct::Hang(whole.into_bytes())), Parcel::of(b"<edXML/>"));
    let (adapter, consignment) = (adapter(at(&peer)), consignment(&parcel, &[organ("H01")]));
    for attempts in 1..=3 {
        adapter.deliver(&consignment).await.expect("OK");
        assert_eq!(peer.seen().len(), attempts);
    }
}

#[tokio::test]
async fn the_adapter_holds_the_contract() {
    let (peer, parcel) = (taking(), Parcel::of(b"<edXML>goi</edXML>"));
    let consignment = consignment(&parcel, &[organ("H01")]);
    // The protocol carries no ids of ours; what it carries is read from the request.
    let of_ours = Seen::of(&consignment.delivery);
    let seen = || peer.seen().iter().map(|request| seen_by_axis(request, &of_ours)).collect();
    contract::holds(&adapter(at(&peer)), &consignment, seen).await;

    let (first, second) = (&peer.seen()[0], &peer.seen()[1]);
    let changed = first.fields().into_iter().zip(second.fields()).filter(|(a, b)| a != b);
    let changed: Vec<String> = changed.map(|((name, _), _)| name).collect();
    assert_eq!(changed, ["xroadvnpt-timestamp", "xroadvnpt-sign-header", "xroadvnpt-hash-header"]);
}

fn seen_by_axis(request: &Request, of_ours: &Seen) -> Seen {
    let members = verified(request, SECRET).expect("a signature that fits");
    let to: Vec<String> = serde_json::from_str(&members["XroadVnpt-to"]).expect("an array of codes");
    let [receiver] = &to[..] else { panic!("one receiver: {to:?}") };
    assert_eq!(members["XroadVnpt-messagetype"], "edoc");
    let packet = request.body.strip_suffix(b"\r\n").expect("CR LF");
    Seen {
        sender: organ(&members["XroadVnpt-from"]),
        receiver: organ(receiver),
        digest: PacketDigest::of(packet),
        bytes: packet.len() as u64,
        ..of_ours.clone()
    }
}

/// So many receivers with the longest codes that there are.
fn many(count: usize) -> Vec<OrganId> {
    (0..count).map(|n| organ(&format!("{n:0>64}"))).collect()
}

#[tokio::test]
async fn five_hundred_receivers_fit() {
    let (peer, parcel) = (taking(), Parcel::of(b"<edXML/>"));
    adapter(at(&peer)).deliver(&consignment(&parcel, &many(500))).await.expect("OK");
    let request = peer.only();
    let members = verified(&request, SECRET).expect("a signature that fits");
    let to: Vec<String> = serde_json::from_str(&members["XroadVnpt-to"]).expect("an array of codes");
    assert_eq!(to.len(), 500);
    assert!(request.head.split("\r\n").all(|line| line.len() < HEADER_LINE_BYTES_MAX));
}

#[tokio::test]
async fn more_receivers_than_a_head_holds_are_not_sent() {
    let (peer, parcel) = (taking(), Parcel::of(b"<edXML/>"));
    let mut account = Account {
        host: "truc.example".into(),
        system_id: "demo.sys.01".into(),
        secret: SECRET.into(),
        to_header: ToHeader::Send,
    };
    let most = (500..2000)
        .take_while(|count| headers(&consignment(&parcel, &many(*count)), &account).is_ok())
        .last()
        .expect("500 fit");
    let fitting = headers(&consignment(&parcel, &many(most)), &account).expect("the most that fit");
    let line = "xroadvnpt-sign-header: \r\n".len() + fitting["xroadvnpt-sign-header"].len();
    let one_more = r#"\"\","#.len() + 64;
    assert!(line <= HEADER_LINE_BYTES_MAX && HEADER_LINE_BYTES_MAX < line + one_more, "{most}: {line}");

    let too_many = consignment(&parcel, &many(most + 1));
    let failure = adapter(at(&peer)).deliver(&too_many).await.expect_err("too many");
    is(&failure, FailureClass::OneOfSeveral, "to_too_long");
    assert!(peer.seen().is_empty());

    account.to_header = ToHeader::Omit;
    headers(&too_many, &account).expect("without the list there is nothing too long");
}
