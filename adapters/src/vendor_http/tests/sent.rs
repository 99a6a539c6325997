//! What stands on the wire: one POST, exact bytes and headers, a signature that others can check.

use std::process::Command;

use lienthong_pipeline::ports::{Adapter, Consignment};
use lienthong_schemas::ids::{DeliveryId, DocumentId, PacketDigest};
use lienthong_schemas::organ::OrganId;
use openssl::hash::MessageDigest;
use openssl::pkey::PKey;
use openssl::sign::Signer;

use super::{SECRET, adapter, answer, at};
use crate::contract::{self, Seen};
use crate::http::peer::{Peer, Request};
use crate::parcel::Parcel;
use crate::vendor_http::wire;

const ORDER: [&str; 7] = [
    "lienthong-delivery-id",
    "lienthong-document-id",
    "lienthong-digest",
    "lienthong-sender",
    "lienthong-receiver",
    "lienthong-kind",
    "lienthong-timestamp",
];

/// HMAC-SHA256 by another library than the adapter's.
fn hmac(secret: &[u8], text: &str) -> String {
    let key = PKey::hmac(secret).expect("a key");
    let mut signer = Signer::new(MessageDigest::sha256(), &key).expect("a signer");
    hex::encode(signer.sign_oneshot_to_vec(text.as_bytes()).expect("a signature"))
}

/// The receiver's side of the signature, from the request alone, as `docs/vendor-http.md` tells it.
fn signature_fits(request: &Request, secret: &[u8]) -> bool {
    let (t, v1) = request.field("lienthong-signature").split_once(",v1=").expect("t and v1");
    let t = t.strip_prefix("t=").expect("t");
    let lines: String = ORDER.iter().map(|name| format!("{name}:{}\n", request.field(name))).collect();
    hmac(secret, &format!("lienthong-signature-v1\nt:{t}\n{lines}")) == v1
}

#[tokio::test]
async fn an_attempt_is_one_post_of_the_exact_bytes() {
    let packet = "<?xml version=\"1.0\"?>\r\n<edXML>Trục liên thông\u{0}</edXML>\n".as_bytes();
    let (peer, parcel) = (Peer::start(answer("200 OK", "", "")), Parcel::of(packet));
    let consignment = parcel.consignment();
    adapter(at(&peer)).deliver(&consignment).await.expect("200");

    let request = peer.only();
    assert!(request.head.starts_with("POST /nhan/goi?dv=H55 HTTP/1.1\r\n"), "{}", request.head);
    assert_eq!(request.body, packet);
    let delivery = &consignment.delivery;
    for (name, value) in [
        ("content-type", "application/xml"),
        ("content-length", &packet.len().to_string()),
        ("host", &peer.address.to_string()),
        ("user-agent", concat!("lienthong/", env!("CARGO_PKG_VERSION"))),
        ("lienthong-delivery-id", &delivery.id.to_string()),
        ("lienthong-document-id", &delivery.document.to_string()),
        ("lienthong-digest", &format!("sha-256={}", PacketDigest::of(packet))),
        ("lienthong-sender", "G09"),
        ("lienthong-receiver", "H55.15"),
        ("lienthong-kind", "document:0"),
        ("lienthong-timestamp", "2026-08-03T02:15:30Z"),
    ] {
        assert_eq!(request.field(name), value, "{name}");
    }
    let names: Vec<String> = request.fields().into_iter().map(|(name, _)| name).collect();
    assert!(!names.iter().any(|name| name == "transfer-encoding" || name == "expect"), "{names:?}");
    assert!(request.field("lienthong-signature").starts_with("t=1785723330,v1="));
}

#[tokio::test]
async fn the_signature_is_checked_with_the_request_alone() {
    let (peer, parcel) = (Peer::start(answer("204 No Content", "", "")), Parcel::of(b"<edXML/>"));
    adapter(at(&peer)).deliver(&parcel.consignment()).await.expect("204");
    let request = peer.only();
    assert!(signature_fits(&request, SECRET));
    assert!(!signature_fits(&request, b"bi mat cua mot he thong khac ..."));
    for name in ORDER {
        let value = request.field(name);
        let (from, to) = (format!("{name}: {value}"), format!("{name}: {value}0"));
        let forged = Request { head: request.head.replace(&from, &to), body: Vec::new() };
        assert_ne!(forged.head, request.head);
        assert!(!signature_fits(&forged, SECRET), "{name} is signed");
    }
}

#[tokio::test]
async fn a_large_packet_is_streamed_with_its_length() {
    let packet: Vec<u8> = (0..10 * 1024 * 1024_u32).map(|i| (i % 251) as u8).collect();
    let (peer, parcel) = (Peer::start(answer("201 Created", "", "")), Parcel::of(&packet));
    adapter(at(&peer)).deliver(&parcel.consignment()).await.expect("201");
    let request = peer.only();
    assert_eq!(request.field("content-length"), "10485760");
    assert!(request.body == packet, "the bytes are the packet's");
}

#[tokio::test]
async fn the_adapter_holds_the_contract() {
    let (peer, parcel) = (Peer::start(answer("200 OK", "", "da nhan")), Parcel::of(b"<edXML>goi</edXML>"));
    let seen = || peer.seen().iter().map(seen_by_vendor).collect();
    contract::holds(&adapter(at(&peer)), &parcel.consignment(), seen).await;

    // Headers of two attempts differ in nothing but the time and the signature over it.
    let (first, second) = (&peer.seen()[0], &peer.seen()[1]);
    let changed = first.fields().into_iter().zip(second.fields()).filter(|(a, b)| a != b);
    let changed: Vec<String> = changed.map(|((name, _), _)| name).collect();
    assert_eq!(first.fields().len(), second.fields().len());
    assert_eq!(changed, ["lienthong-timestamp", "lienthong-signature"]);
}

fn seen_by_vendor(request: &Request) -> Seen {
    let organ = |name| OrganId::parse(request.field(name)).expect("a code");
    Seen {
        delivery: request.field("lienthong-delivery-id").parse::<DeliveryId>().expect("an id"),
        document: request.field("lienthong-document-id").parse::<DocumentId>().expect("an id"),
        sender: organ("lienthong-sender"),
        receiver: organ("lienthong-receiver"),
        kind: request.field("lienthong-kind").into(),
        digest: PacketDigest::of(&request.body),
        bytes: request.body.len() as u64,
    }
}

#[tokio::test]
async fn a_kind_that_fits_no_header_is_not_sent() {
    let (peer, parcel) = (Peer::start(answer("200 OK", "", "")), Parcel::of(b"<edXML/>"));
    for kind in ["", "0\nlienthong-sender:H01", "0 1", "\u{1b}[2J", "đ", &"k".repeat(65)] {
        let mut consignment = parcel.consignment();
        consignment.delivery.kind = kind.into();
        let failure = adapter(at(&peer)).deliver(&consignment).await.expect_err(kind);
        assert_eq!(failure.code, "bad_record");
    }
    assert!(peer.seen().is_empty());
    let mut longest = parcel.consignment();
    longest.delivery.kind = "k".repeat(64);
    adapter(at(&peer)).deliver(&longest).await.expect("64 bytes fit");
}

#[test]
fn proxies_of_the_environment_are_not_used() {
    let test = "vendor_http::tests::sent::an_attempt_is_one_post_of_the_exact_bytes";
    let mut again = Command::new(std::env::current_exe().expect("this test"));
    for name in ["http_proxy", "HTTP_PROXY", "https_proxy", "all_proxy", "ALL_PROXY"] {
        again.env(name, "http://127.0.0.1:9/");
    }
    let output = again.args(["--exact", test]).output().expect("it runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    assert!(String::from_utf8_lossy(&output.stdout).contains("1 passed"));
}

#[test]
fn the_worked_example_of_the_manual_is_right() {
    let manual = include_str!("../../../../docs/vendor-http.md");
    let mut consignment: Consignment = Parcel::of(b"<edXML/>").consignment();
    consignment.delivery.id = DeliveryId::from_bytes([0x1d; 16]);
    consignment.delivery.document = DocumentId::from_bytes([0x2c; 16]);
    let secret = b"khoa-bi-mat-dung-chung-cua-vi-du";
    assert!(manual.contains(&format!("`{}`", String::from_utf8_lossy(secret))));

    let canonical = wire::Signed::of(&consignment).expect("a record").canonical();
    assert!(manual.contains(&format!("```text\n{canonical}```")), "canonical string:\n{canonical}");
    let headers = wire::headers(&consignment, secret).expect("headers");
    let listed: Vec<String> = manual.lines().map(str::to_lowercase).collect();
    for (name, value) in &headers {
        let line = format!("{name}: {}", value.to_str().expect("ASCII")).to_lowercase();
        assert!(listed.contains(&line), "the manual lacks {line}");
    }
    let signed = format!("v1={}", hmac(secret, &canonical));
    assert!(headers["lienthong-signature"].to_str().expect("ASCII").ends_with(&signed));
}
