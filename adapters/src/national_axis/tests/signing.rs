//! The signed header set: the values that the SDK itself produced, and what cannot be signed.

use http::header::HeaderMap;
use jiff::Timestamp;
use lienthong_pipeline::ports::FailureClass;
use lienthong_schemas::ids::PacketDigest;

use super::{SECRET, hmac, is};
use crate::national_axis::wire::{hash_file, sign, timestamp};

const SYSTEM: (&str, &str) = ("systemid", "demo.sys.01");
const TIME: (&str, &str) = ("timestamp", "01022025T030405+0006");
const JSON: (&str, &str) = ("Content-Type", "application/json");

fn field<'h>(headers: &'h HeaderMap, name: &str) -> &'h str {
    headers[name].to_str().expect("ASCII")
}

/// Signs and compares with what the SDK wrote.
fn assert_signed(fields: &[(&str, &str)], key: &str, object: &str, mac: &str) {
    let headers = sign(SECRET.as_bytes(), fields).expect("they can be signed");
    assert_eq!(field(&headers, "xroadvnpt-sign-header-key"), key);
    assert_eq!(field(&headers, "xroadvnpt-sign-header"), object);
    assert_eq!(field(&headers, "xroadvnpt-hash-header"), mac);
    assert_eq!(hmac(SECRET, object), mac, "the example itself");
    for (name, value) in fields {
        assert_eq!(field(&headers, &format!("xroadvnpt-{name}")), *value);
    }
    assert_eq!(field(&headers, "content-type"), field(&headers, "xroadvnpt-content-type"));
}

#[test]
fn a_list_of_received_packets_is_signed_as_the_sdk_does() {
    assert_signed(
        &[SYSTEM, ("servicetype", "eDoc"), ("messagetype", "edoc"), TIME, JSON],
        "systemid;servicetype;messagetype;timestamp;Content-Type",
        r#"{"XroadVnpt-systemid":"demo.sys.01","XroadVnpt-servicetype":"eDoc","XroadVnpt-messagetype":"edoc","XroadVnpt-timestamp":"01022025T030405+0006","XroadVnpt-Content-Type":"application/json"}"#,
        "da284728c4275fe1c420b23026c11100c6e4f0c80c446bfd165b03c57f879706",
    );
}

#[test]
fn a_sending_is_signed_as_the_sdk_does() {
    let file_hash = hash_file(&PacketDigest::of(b"<edXML/>"));
    assert_eq!(file_hash, "8d55f6c7bf7cd534cf27a10e1bb5731c68279c3cb991cf4844774c685b3758");
    assert_signed(
        &[
            SYSTEM,
            ("servicetype", "eDoc"),
            ("messagetype", "edoc"),
            ("hash-file", &file_hash),
            ("from", "H55.01"),
            ("to", r#"["H01","G22"]"#),
            TIME,
            ("Content-Type", "application/octet-stream"),
        ],
        "systemid;servicetype;messagetype;hash-file;from;to;timestamp;Content-Type",
        r#"{"XroadVnpt-systemid":"demo.sys.01","XroadVnpt-servicetype":"eDoc","XroadVnpt-messagetype":"edoc","XroadVnpt-hash-file":"8d55f6c7bf7cd534cf27a10e1bb5731c68279c3cb991cf4844774c685b3758","XroadVnpt-from":"H55.01","XroadVnpt-to":"[\"H01\",\"G22\"]","XroadVnpt-timestamp":"01022025T030405+0006","XroadVnpt-Content-Type":"application/octet-stream"}"#,
        "8a8cb70ab21c3836f02a1d747e6d9edaae1dd893a596234787cc6ef9589bf1ba",
    );
}

#[test]
fn a_status_update_is_signed_as_the_sdk_does() {
    assert_signed(
        &[SYSTEM, ("docId", "d-1"), TIME, JSON, ("status", "done")],
        "systemid;docId;timestamp;Content-Type;status",
        r#"{"XroadVnpt-systemid":"demo.sys.01","XroadVnpt-docId":"d-1","XroadVnpt-timestamp":"01022025T030405+0006","XroadVnpt-Content-Type":"application/json","XroadVnpt-status":"done"}"#,
        "fb008e6c8e1844b02551cdf6f7bad1e2b01808350270eda8078aeb4640fbb808",
    );
}

#[test]
fn only_quotes_and_backslashes_are_escaped() {
    let odd = r#"a/b<c>&'=d "e" \f~ !"#;
    let headers = sign(SECRET.as_bytes(), &[("x", odd)]).expect("it can be signed");
    assert_eq!(field(&headers, "xroadvnpt-x"), odd);
    let object = r#"{"XroadVnpt-x":"a/b<c>&'=d \"e\" \\f~ !"}"#;
    assert_eq!(field(&headers, "xroadvnpt-sign-header"), object);
    assert_eq!(field(&headers, "xroadvnpt-hash-header"), hmac(SECRET, object));
    assert!(!headers.contains_key("content-type"), "there is none to repeat");
}

#[test]
fn what_a_header_would_change_is_not_signed() {
    for value in ["Sở Y tế", "é", "a\r\nb: c", "a\tb", "a\u{0}", "\u{7f}", " a", "a "] {
        let failure = sign(SECRET.as_bytes(), &[("x", value)]).expect_err(value);
        is(&failure, FailureClass::OursToFix, "bad_header");
        assert!(!failure.note.chars().any(char::is_control), "{failure:?}");
    }
    let failure = sign(SECRET.as_bytes(), &[("tên", "x")]).expect_err("no name of a header");
    is(&failure, FailureClass::OursToFix, "bad_header");
}

#[test]
fn a_hash_loses_the_leading_zero_of_each_byte() {
    let mut bytes = [0xab; 32];
    bytes[..5].copy_from_slice(&[0x00, 0x0f, 0x10, 0xff, 0x01]);
    assert_eq!(hash_file(&PacketDigest::from_bytes(bytes)), format!("0f10ff1{}", "ab".repeat(27)));
    assert_eq!(hash_file(&PacketDigest::from_bytes([0; 32])), "0".repeat(32));
}

#[test]
fn a_timestamp_is_vietnamese_local_time_with_milliseconds() {
    for (at, text) in [
        ("2025-01-31T20:04:05.006Z", "01022025T030405+0006"),
        ("2026-12-31T17:00:00Z", "01012027T000000+0000"),
        ("2026-12-31T16:59:59.999999999Z", "31122026T235959+0999"),
        ("2024-02-28T17:30:00.1Z", "29022024T003000+0100"),
    ] {
        assert_eq!(timestamp(at.parse::<Timestamp>().expect("a time")), text);
    }
}
