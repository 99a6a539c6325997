//! The message format: what goes out comes back, and what is wrong in any way does not.

use lienthong_pipeline::record::HistoryEntry;

use super::*;
use crate::contract::sample;

fn sent(message: &DeliveryMessage) -> Outgoing {
    encode(message).expect("encodes")
}

fn read(outgoing: &Outgoing) -> Result<DeliveryMessage, Fault> {
    decode(&outgoing.subject, &outgoing.headers, &outgoing.body)
}

fn with(name: &str, value: &str) -> Result<DeliveryMessage, Fault> {
    let mut outgoing = sent(&sample::inline(1, Lane::Normal, b"packet"));
    outgoing.headers.insert(name, value);
    read(&outgoing)
}

#[test]
fn a_delivery_comes_back_as_a_fresh_one() {
    let mut message = sample::inline(1, Lane::Urgent, b"packet");
    message.delivery.generation = 3;
    message.delivery.attempts = 7;
    message.delivery.handed_off = true;
    message.delivery.order = 9;
    let outgoing = sent(&message);
    assert_eq!(outgoing.subject, format!("lt.dlv.vendor_http.u.{}", message.delivery.route.receiver.token()));
    let id = outgoing.headers.get(NATS_MESSAGE_ID).map(|value| value.as_str().to_owned());
    assert_eq!(id, Some(format!("{}:g3", message.delivery.id)));

    let back = read(&outgoing).expect("reads");
    let expected = Delivery {
        published: 3,
        attempts: 0,
        handed_off: false,
        order: 0,
        due: message.delivery.accepted_at,
        ..message.delivery
    };
    assert_eq!(back.delivery, expected);
    assert_eq!(back.inline.as_deref(), Some(&b"packet"[..]));
}

#[test]
fn unknown_headers_are_ignored_and_other_versions_refused() {
    assert!(with("Lt-Later", "x").is_ok());
    let fault = with("Lt-Version", "2").expect_err("refused").to_string();
    assert!(fault.contains("version 2"), "{fault}");
    assert!(with("Lt-Version", "0").is_err());
}

#[test]
fn the_time_of_a_requeue_rides_along_and_may_be_missing() {
    let mut message = sample::inline(1, Lane::Normal, b"packet");
    assert_eq!(read(&sent(&message)).expect("reads").delivery.since, None);
    let since = "2026-01-05T01:02:03.000000004Z".parse().expect("a time");
    message.delivery.since = Some(since);
    let mut outgoing = sent(&message);
    assert_eq!(read(&outgoing).expect("reads").delivery.since, Some(since));
    outgoing.headers.append("Lt-Since", "2026-01-05T01:02:03Z");
    assert!(read(&outgoing).is_err(), "twice");
    assert!(with("Lt-Since", "yesterday").is_err());
}

#[test]
fn each_header_is_needed_once_and_readable() {
    let good = sent(&sample::inline(1, Lane::Normal, b"packet"));
    let names: Vec<String> = good.headers.iter().map(|(name, _)| name.to_string()).collect();
    assert_eq!(names.len(), 18);
    for name in names.iter().filter(|name| *name != "Nats-Expected-Stream") {
        let mut missing = HeaderMap::new();
        for (kept, values) in good.headers.iter().filter(|(kept, _)| kept.to_string() != *name) {
            missing.insert(kept.clone(), values[0].clone());
        }
        assert!(decode(&good.subject, &missing, &good.body).is_err(), "{name} missing");

        let mut twice = good.headers.clone();
        twice.append(name.as_str(), good.headers.get(name.as_str()).expect("there").clone());
        assert!(decode(&good.subject, &twice, &good.body).is_err(), "{name} twice");

        assert!(with(name, "\u{1}?").is_err(), "{name} unreadable");
        assert!(with(name, &"a".repeat(HEADER_BYTES_MAX + 1)).is_err(), "{name} too long");
    }
}

#[test]
fn headers_that_disagree_are_refused() {
    assert!(with("Lt-Receiver", "H99").is_err(), "another receiver than the subject's");
    assert!(with("Lt-Lane", "u").is_err(), "another lane than the subject's");
    assert!(with("Lt-Generation", "8").is_err(), "another generation than the message id's");
    assert!(with("Lt-Bytes", "7").is_err(), "another length than the body's");
    assert!(with("Lt-Sha256", &PacketDigest::of(b"other").to_string()).is_err(), "another digest");
    assert!(with("Lt-Inline", "false").is_err(), "a body that should not be");
}

#[test]
fn an_inline_packet_has_a_limit() {
    let at = sample::inline(1, Lane::Normal, &vec![7; INLINE_BYTES_MAX]);
    assert!(read(&sent(&at)).is_ok());
    let over = sample::inline(1, Lane::Normal, &vec![7; INLINE_BYTES_MAX + 1]);
    assert!(encode(&over).is_err());
    let mut hostile = sent(&at);
    hostile.body = over.inline.clone().expect("inline");
    hostile.headers.insert("Lt-Bytes", over.delivery.bytes.to_string());
    hostile.headers.insert("Lt-Sha256", over.delivery.digest.to_string());
    assert!(read(&hostile).is_err());
}

#[test]
fn correlations_have_a_limit() {
    let mut message = sample::inline(1, Lane::Normal, b"packet");
    let keys = |count: usize| (0..count).map(|n| CorrelationKey::of(&n.to_string())).collect();
    message.delivery.correlations = keys(CORRELATIONS_MAX);
    assert_eq!(read(&sent(&message)).expect("reads").delivery.correlations.len(), CORRELATIONS_MAX);
    let over: Vec<CorrelationKey> = keys(CORRELATIONS_MAX + 1);
    message.delivery.correlations = over.clone();
    assert!(encode(&message).is_err());
    let text: Vec<String> = over.iter().map(ToString::to_string).collect();
    assert!(with("Lt-Correlations", &text.join(",")).is_err());
}

#[test]
fn a_kind_has_a_limit() {
    let mut message = sample::inline(1, Lane::Normal, b"packet");
    for (kind, fits) in [("k".repeat(64), true), ("k".repeat(65), false), (String::new(), false)] {
        message.delivery.kind = kind.clone();
        assert_eq!(encode(&message).is_ok(), fits, "{kind}");
        assert_eq!(with("Lt-Kind", &kind).is_ok(), fits, "{kind}");
    }
}

#[test]
fn a_value_cannot_add_a_header() {
    let mut message = sample::inline(1, Lane::Normal, b"packet");
    message.delivery.kind = "0\r\nLt-Reportable: true".to_owned();
    assert!(encode(&message).is_err());
}

#[test]
fn a_document_of_the_gateway_itself_has_its_system() {
    let mut message = sample::inline(1, Lane::Normal, b"packet");
    message.delivery.route.system = SystemId::gateway();
    assert_eq!(read(&sent(&message)).expect("reads").delivery.route.system, SystemId::gateway());
    assert!(with("Lt-System", "@other").is_err());
}

#[test]
fn an_event_comes_back() {
    let event = sample::event(1, 1);
    let outgoing = encode_event(&event).expect("encodes");
    assert_eq!(outgoing.subject, format!("lt.evt.{}", event.document));
    assert_eq!(decode_event(&outgoing.body).expect("reads"), event);
    let HistoryEntry { note, .. } = &event.entry;
    assert!(!note.is_empty());

    let later =
        String::from_utf8(outgoing.body.to_vec()).expect("text").replace("\"version\":1", "\"version\":2");
    assert!(decode_event(later.as_bytes()).is_err());
    let more = later.replace("\"version\":2", "\"version\":1,\"later\":true");
    assert_eq!(decode_event(more.as_bytes()).expect("unknown fields are ignored"), event);
}
