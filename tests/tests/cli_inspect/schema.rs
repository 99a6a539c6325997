//! The JSON form against `docs/inspect.schema.json`: the part of JSON Schema (2020-12) that the file uses, and stricter than
//! it: there is no key that the schema does not describe.

use std::sync::LazyLock;

use acceptance::workspace;
use serde_json::{Map, Value};

use super::{corpus, json, packet, plain};

static SCHEMA: LazyLock<Value> = LazyLock::new(|| {
    let text = std::fs::read_to_string(workspace().join("docs/inspect.schema.json")).expect("the schema");
    serde_json::from_str(&text).expect("JSON")
});

/// Words that say nothing about a value.
const WORDS: [&str; 4] = ["$schema", "$defs", "title", "description"];

/// Fails where a value is not as the schema says.
pub(crate) fn holds(shown: &Value) {
    let named = if shown.get("rejected").is_some() { "refused" } else { "read" };
    // The one of the two that it must be, so that a failure tells where.
    if let Err(why) = check(&SCHEMA["$defs"][named], shown, named) {
        panic!("{why}");
    }
    check(&SCHEMA, shown, "").unwrap_or_else(|why| panic!("{why}"));
}

fn check(schema: &Value, value: &Value, at: &str) -> Result<(), String> {
    let rules = schema.as_object().ok_or_else(|| format!("{at}: no schema"))?;
    for (rule, wanted) in rules.iter().filter(|(rule, _)| !WORDS.contains(&rule.as_str())) {
        let holds = match rule.as_str() {
            "$ref" => {
                let name =
                    wanted.as_str().and_then(|r| r.strip_prefix("#/$defs/")).expect("a local reference");
                check(SCHEMA["$defs"].get(name).expect(name), value, at)?;
                true
            }
            "anyOf" => {
                let tried: Vec<_> = list(wanted).iter().map(|one| check(one, value, at)).collect();
                if tried.iter().all(Result::is_err) {
                    return Err(tried.into_iter().filter_map(Result::err).collect::<Vec<_>>().join("; "));
                }
                true
            }
            "type" => match wanted {
                Value::Array(types) => types.iter().any(|t| is(value, t)),
                one => is(value, one),
            },
            "const" => value == wanted,
            "enum" => list(wanted).contains(value),
            "minimum" => value.as_f64().is_none_or(|number| number >= wanted.as_f64().expect("a number")),
            "maximum" => value.as_f64().is_none_or(|number| number <= wanted.as_f64().expect("a number")),
            "minItems" => list(value).len() as u64 >= wanted.as_u64().expect("a number"),
            "pattern" => {
                matches_pattern(wanted.as_str().expect("a text"), value.as_str().unwrap_or_default())
            }
            "items" => {
                for (n, item) in value.as_array().into_iter().flatten().enumerate() {
                    check(wanted, item, &format!("{at}[{n}]"))?;
                }
                true
            }
            "required" => list(wanted).iter().all(|key| value.get(key.as_str().expect("a key")).is_some()),
            "properties" => {
                let known = wanted.as_object().expect("properties");
                for (key, value) in value.as_object().unwrap_or(&Map::new()) {
                    let schema = known.get(key).ok_or_else(|| format!("{at}: the schema has no {key:?}"))?;
                    check(schema, value, &format!("{at}.{key}"))?;
                }
                true
            }
            other => panic!("{at}: this test does not know {other:?}"),
        };
        if !holds {
            return Err(format!("{at}: {rule} {wanted} and not {value}"));
        }
    }
    Ok(())
}

fn is(value: &Value, wanted: &Value) -> bool {
    match wanted.as_str().expect("a type") {
        "null" => value.is_null(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_u64() || value.is_i64(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        other => panic!("no type {other:?}"),
    }
}

/// The two patterns of the schema.
fn matches_pattern(pattern: &str, text: &str) -> bool {
    match pattern {
        "^[0-9a-f]{64}$" => text.len() == 64 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')),
        "^[A-Z0-9_]+$" => {
            !text.is_empty()
                && text.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_')
        }
        other => panic!("this test does not know {other:?}"),
    }
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

#[test]
fn every_corpus_packet_is_shown_as_the_schema_says() {
    for path in corpus() {
        let shown = json(&[plain(&path)]);
        let garbage = path.file_stem().is_some_and(|name| name == "edoc-new-leading-garbage");
        assert_eq!(shown.get("rejected").is_some(), garbage, "{}", path.display());
    }
}

#[test]
fn every_key_of_a_full_packet_is_filled() {
    let shown = json(&[plain(&packet("document.edxml"))]);
    assert_eq!(shown["number"], "15/STN-VP");
    assert_eq!(shown["to"][1]["level1"]["successors"][0], "H55", "a closed code");
    assert_eq!(
        (&shown["promulgation_date"], &shown["promulgation_date_iso"]),
        (&"2026/01/02".into(), &"2026-01-02".into())
    );
    assert_eq!(shown["priority_vi"], "hỏa tốc");
    assert_eq!(shown["signer"]["position"], "PHÓ GIÁM ĐỐC");
    assert_eq!(shown["business"]["paper"], true);
    assert_eq!(shown["trace"][1]["timestamp_iso"], "2026-01-02T08:00:05");
    assert_eq!(shown["attachments"][0]["type"], "pdf");
    assert_eq!(shown["attachments"][1]["reference"], 1);
    assert_eq!(shown["manifest"][1]["description"], "Tệp số 2");
    let status = json(&[plain(&packet("status.edxml"))]);
    assert_eq!((&status["kind"], &status["status"]["code"]), (&"status".into(), &"02".into()));
    assert_eq!(status["status"]["staff"]["department"], "Văn thư");
    let revocation = json(&[plain(&packet("revocation.edxml"))]);
    assert_eq!((&revocation["business"]["type"], &revocation["kind"]), (&"1".into(), &"document:1".into()));
}
