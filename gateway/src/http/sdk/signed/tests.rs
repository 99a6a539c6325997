//! The worked examples of spec/vxp-api.md section 10, and requests that are not what they say.

use axum::http::{HeaderName, HeaderValue};

use super::*;

const SECRET: &[u8] = b"made-up-secret-key";
const BASE: [(&str, &str); 3] = [
    ("systemid", "demo.sys.01"),
    ("timestamp", "01022025T030405+0006"),
    ("Content-Type", "application/json"),
];

/// Sign-header and hash-header of the three examples, as they stand there.
const EXAMPLES: [(&str, &str); 3] = [
    (
        r#"{"XroadVnpt-systemid":"demo.sys.01","XroadVnpt-servicetype":"eDoc","XroadVnpt-messagetype":"edoc","XroadVnpt-timestamp":"01022025T030405+0006","XroadVnpt-Content-Type":"application/json"}"#,
        "da284728c4275fe1c420b23026c11100c6e4f0c80c446bfd165b03c57f879706",
    ),
    (
        r#"{"XroadVnpt-systemid":"demo.sys.01","XroadVnpt-servicetype":"eDoc","XroadVnpt-messagetype":"edoc","XroadVnpt-hash-file":"8d55f6c7bf7cd534cf27a10e1bb5731c68279c3cb991cf4844774c685b3758","XroadVnpt-from":"H55.01","XroadVnpt-to":"[\"H01\",\"G22\"]","XroadVnpt-timestamp":"01022025T030405+0006","XroadVnpt-Content-Type":"application/octet-stream"}"#,
        "8a8cb70ab21c3836f02a1d747e6d9edaae1dd893a596234787cc6ef9589bf1ba",
    ),
    (
        r#"{"XroadVnpt-systemid":"demo.sys.01","XroadVnpt-docId":"d-1","XroadVnpt-timestamp":"01022025T030405+0006","XroadVnpt-Content-Type":"application/json","XroadVnpt-status":"done"}"#,
        "fb008e6c8e1844b02551cdf6f7bad1e2b01808350270eda8078aeb4640fbb808",
    ),
];

fn now() -> Timestamp {
    "2026-11-22T08:00:00Z".parse().expect("a time")
}

fn put(headers: &mut HeaderMap, name: &str, value: &[u8]) {
    let name: HeaderName = name.parse().expect("a name");
    headers.append(name, HeaderValue::from_bytes(value).expect("a value"));
}

/// The headers of a text that is signed, its members beside it.
fn headers_of(text: &str, mac: &str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let members: serde_json::Map<String, serde_json::Value> = serde_json::from_str(text).unwrap_or_default();
    for (name, value) in &members {
        put(&mut headers, name, value.as_str().unwrap_or_default().as_bytes());
    }
    put(&mut headers, "XroadVnpt-sign-header", text.as_bytes());
    put(&mut headers, "XroadVnpt-hash-header", mac.as_bytes());
    headers
}

fn mac(text: &str) -> String {
    let key = PKey::hmac(SECRET).expect("a key");
    let mut signer = Signer::new(MessageDigest::sha256(), &key).expect("a signer");
    hex::encode(signer.sign_oneshot_to_vec(text.as_bytes()).expect("signed"))
}

fn text(parameters: &[(&str, &str)]) -> String {
    let members = parameters
        .iter()
        .map(|(name, value)| format!("\"XroadVnpt-{name}\":{}", serde_json::Value::from(*value)));
    format!("{{{}}}", members.collect::<Vec<_>>().join(","))
}

fn signed(text: &str) -> HeaderMap {
    headers_of(text, &mac(text))
}

fn asked(headers: &HeaderMap) -> Result<Parameters, String> {
    let claim = Claim::read(headers).ok_or("no claim")?;
    if !claim.is_signed_by(SECRET) {
        return Err("not signed".to_owned());
    }
    claim.parameters(now()).map_err(|unfit| unfit.to_string())
}

fn value(parameters: &Parameters, name: &str) -> Option<String> {
    parameters.get(name).expect("one value").map(str::to_owned)
}

#[test]
fn the_worked_examples_are_signed_and_say_what_they_say() {
    let [list, send, update] = EXAMPLES.map(|(text, mac)| asked(&headers_of(text, mac)).expect("signed"));
    assert_eq!(value(&list, "messagetype").as_deref(), Some("edoc"));
    assert_eq!(value(&send, "to").as_deref(), Some(r#"["H01","G22"]"#));
    assert_eq!(value(&send, "from").as_deref(), Some("H55.01"));
    assert_eq!(
        (value(&update, "docid").as_deref(), value(&update, "status").as_deref()),
        (Some("d-1"), Some("done"))
    );
    for (text, mac) in EXAMPLES {
        assert!(asked(&headers_of(text, &mac.to_uppercase())).is_ok(), "upper-case digits");
        let headers = headers_of(text, mac);
        let claim = Claim::read(&headers).expect("a claim");
        assert!(!claim.is_signed_by(b"made-up-secret-kez") && !claim.is_signed_by(b""));
        let changed = headers_of(&text.replace("demo.sys.01", "demo.sys.02"), mac);
        assert_eq!(asked(&changed).expect_err("changed"), "not signed");
        let one_digit = format!("{}{}", if mac.starts_with('0') { '1' } else { '0' }, &mac[1..]);
        assert_eq!(asked(&headers_of(text, &one_digit)).expect_err("changed"), "not signed");
    }
}

#[test]
fn what_is_not_signed_is_not_read() {
    let text = text(&BASE);
    let mut headers = signed(&text);
    put(&mut headers, "XroadVnpt-docId", b"a-foreign-one");
    put(&mut headers, "XroadVnpt-status", b"done");
    let parameters = asked(&headers).expect("signed");
    assert_eq!((value(&parameters, "docId"), value(&parameters, "status")), (None, None));
}

#[test]
fn a_header_that_differs_from_what_is_signed_is_refused() {
    let signed_text = text(&[&BASE[..], &[("docId", "one")]].concat());
    let mut other = signed(&signed_text);
    other.insert("xroadvnpt-docid", HeaderValue::from_static("two"));
    assert!(asked(&other).expect_err("differs").starts_with("XroadVnpt-docId: not the value"));
    other.remove("xroadvnpt-docid");
    assert!(asked(&other).expect_err("missing").starts_with("XroadVnpt-docId: not the value"));
    let mut other = signed(&signed_text);
    other.insert("xroadvnpt-systemid", HeaderValue::from_static("demo.sys.02"));
    assert!(asked(&other).expect_err("another system").contains("systemid"));
    put(&mut other, "XroadVnpt-systemid", b"demo.sys.01");
    assert_eq!(asked(&other).expect_err("twice"), "no claim");
}

#[test]
fn spellings_of_a_name_are_one_and_what_stays_from_earlier_calls_does_not_confuse() {
    let with = |more: &[(&str, &str)]| asked(&signed(&text(&[&BASE[..], more].concat()))).expect("signed");
    assert_eq!(value(&with(&[("DOCID", "one")]), "docId").as_deref(), Some("one"));
    let both = with(&[("docid", "stale"), ("docId", "now")]);
    assert_eq!(value(&both, "docId").as_deref(), Some("now"));
    assert_eq!(value(&both, "docid").as_deref(), Some("stale"), "whose name this is reads it");
    let same = with(&[("DocId", "one"), ("DOCID", "one")]);
    assert_eq!(value(&same, "docId").as_deref(), Some("one"));
    let unclear = with(&[("DocId", "one"), ("DOCID", "two")]);
    assert!(unclear.get("docId").is_err());
    assert_eq!(value(&with(&[("to", "")]), "to"), None, "empty is not given");
}

#[test]
fn names_of_headers_have_no_case_and_values_lose_the_blanks_around_them() {
    let text = text(&[&BASE[..], &[("from", " H55 ")]].concat());
    let mut headers = signed(&text);
    headers.insert("xroadvnpt-from", HeaderValue::from_static("H55"));
    assert_eq!(value(&asked(&headers).expect("signed"), "from").as_deref(), Some("H55"));
}

#[test]
fn a_timestamp_may_be_as_old_as_the_program_and_not_from_the_future() {
    let at = |timestamp: &str| {
        let text = text(&[("systemid", "demo.sys.01"), ("timestamp", timestamp)]);
        asked(&signed(&text)).map(drop)
    };
    for fine in ["01011999T000000+0000", "22112026T150000+9999", "23112026T145959+0001"] {
        assert_eq!(at(fine), Ok(()), "{fine}");
    }
    for wrong in [
        "23112026T150001+0000",
        "31129999T235959+0000",
        "32012026T000000+0000",
        "22112026T150000",
        "22112026T150000+7",
        "22112026 150000+0000",
        "2026-11-22T15:00:00+0700",
        "",
        "+",
    ] {
        assert!(at(wrong).is_err_and(|cause| cause.contains("timestamp")), "{wrong}");
    }
    let without = text(&[("systemid", "demo.sys.01")]);
    assert!(asked(&signed(&without)).is_err());
    let without = text(&[("timestamp", "22112026T150000+0000")]);
    let mut headers = signed(&without);
    put(&mut headers, "XroadVnpt-systemid", b"demo.sys.01");
    assert!(asked(&headers).expect_err("not signed").contains("systemid"));
}

#[test]
fn only_an_object_of_texts_can_be_signed() {
    let many: Vec<(String, &str)> = (0..65).map(|n| (format!("p{n}"), "x")).collect();
    let many: Vec<(&str, &str)> = many.iter().map(|(name, value)| (name.as_str(), *value)).collect();
    let base = text(&BASE);
    let open = &base[..base.len() - 1];
    for odd in [
        "",
        "null",
        "[]",
        "\"x\"",
        "{",
        "{}x",
        &text(&many),
        &format!("{open},\"XroadVnpt-docId\":null}}"),
        &format!("{open},\"XroadVnpt-docId\":1}}"),
        &format!("{open},\"XroadVnpt-docId\":[\"a\"]}}"),
        &format!("{open},\"XroadVnpt-systemid\":\"demo.sys.01\"}}"),
        &format!("{open},\"Host\":\"a\"}}"),
        &format!("{open},\"\":\"a\"}}"),
        &format!("{open},\"é\":\"a\"}}"),
        &format!("{base} {base}"),
    ] {
        let mut headers = signed(&base);
        headers.insert(
            "xroadvnpt-sign-header",
            HeaderValue::from_str(odd).unwrap_or(HeaderValue::from_static("x")),
        );
        headers.insert("xroadvnpt-hash-header", HeaderValue::from_str(&mac(odd)).expect("hex"));
        assert!(asked(&headers).is_err(), "{odd}");
    }
}

#[test]
fn a_claim_has_all_its_parts_once() {
    let text = text(&BASE);
    for name in ["xroadvnpt-systemid", "xroadvnpt-sign-header", "xroadvnpt-hash-header"] {
        let mut headers = signed(&text);
        headers.remove(name);
        assert!(Claim::read(&headers).is_none(), "{name}");
        let mut headers = signed(&text);
        let value = headers[name].clone();
        put(&mut headers, name, value.as_bytes());
        assert!(Claim::read(&headers).is_none(), "{name} twice");
    }
    let long = "ab".repeat(33);
    for mac in ["", "zz", &"0".repeat(63), long.as_str()] {
        assert!(Claim::read(&headers_of(&text, mac)).is_none(), "{mac}");
    }
}
