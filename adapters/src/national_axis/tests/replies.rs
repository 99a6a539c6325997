//! What the axis says in its JSON: each code, and all that is no answer of an axis.

use lienthong_pipeline::ports::{Adapter, AxisDocId, FailureClass, Handover};
use lienthong_pipeline::record::State;

use super::{OK, adapter, answer, at, attempt_at, consignment, is, organ};
use crate::http::peer::Peer;
use crate::parcel::Parcel;

const DOC_ID: &str = "65a0c0ffee00112233445566";

fn fail(code: &str) -> String {
    format!(r#"{{"status":"FAIL","ErrorCode":{code},"ErrorDesc":"vì thế","DocId":""}}"#)
}

#[tokio::test]
async fn ok_means_handed_over() {
    let number = OK.replace(r#""0""#, "0");
    let pretty = OK.replace(',', ",\r\n  ");
    let without_text = OK.replace(r#""ErrorDesc":"Success","#, "");
    let with_more = OK.replace('}', r#","extra":{"a":[1,{"b":null}]}}"#);
    for status in ["200 OK", "201 Created"] {
        for body in [OK, &number, &pretty, &without_text, &with_more] {
            let handover = attempt_at(answer(status, "", body)).await.expect(body);
            assert_eq!(handover.state, State::HandedOver);
            let said = format!("DocId {DOC_ID}; HTTP {}: {{", &status[..3]);
            assert!(handover.note.starts_with(&said), "{}", handover.note);
        }
    }
    let note = format!("DocId {DOC_ID}; HTTP 200: {OK}");
    let handover = attempt_at(answer("200 OK", "", OK)).await.expect("OK");
    let known_as = AxisDocId::parse(DOC_ID);
    assert_eq!(handover, Handover { state: State::HandedOver, note, known_as });
}

#[tokio::test]
async fn each_code_has_its_class() {
    use FailureClass::{Document, OneOfSeveral, OursToFix, Permanent, Receiver};
    let unlisted = |one_of_several| FailureClass::Unlisted { one_of_several };
    let parcel = Parcel::of(b"<edXML/>");
    let one = consignment(&parcel, &[organ("H01")]);
    let two = consignment(&parcel, &[organ("H01"), organ("G22")]);
    for (code, alone, together) in [
        ("10", Permanent, Permanent),
        ("21", Permanent, Permanent),
        ("22", Permanent, Permanent),
        ("18", unlisted(false), unlisted(true)),
        ("23", Permanent, OneOfSeveral),
        ("15", OursToFix, OursToFix),
        ("19", OursToFix, OursToFix),
        ("20", Receiver, Receiver),
        ("1", Document, Document),
        ("99", Document, Document),
        ("100", Document, Document),
    ] {
        // As text and as a number; inside a success and inside an HTTP error, whatever that error is.
        for body in [fail(&format!("{code:?}")), fail(code)] {
            for status in ["200 OK", "201 x", "202 x", "400 x", "401 x", "429 x", "500 x", "502 x"] {
                let adapter = adapter(at(&Peer::start(answer(status, "", &body))));
                for (consignment, class) in [(&one, alone), (&two, together)] {
                    let failure = adapter.deliver(consignment).await.expect_err(&body);
                    is(&failure, class, &format!("axis_{code}"));
                    let said = format!("vì thế; HTTP {}: {{\"status\":\"FAIL\"", &status[..3]);
                    assert!(failure.note.starts_with(&said), "{failure}");
                }
            }
        }
    }
}

#[tokio::test]
async fn a_code_is_compared_as_text() {
    for (code, name) in [
        (r#""018""#, "axis_018"),
        ("18.0", "axis_18.0"),
        ("-18", "axis_-18"),
        (r#"" 18""#, "axis_unknown"),
        (r#""00""#, "axis_00"),
        (r#""""#, "axis_unknown"),
        (r#""\u001b[2J""#, "axis_unknown"),
        (r#""aaaaaaaaaaaaaaaa""#, "axis_aaaaaaaaaaaaaaaa"),
        (r#""aaaaaaaaaaaaaaaaa""#, "axis_unknown"),
    ] {
        let failure = attempt_at(answer("200 OK", "", &fail(code))).await.expect_err(code);
        is(&failure, FailureClass::Document, name);
    }
}

#[tokio::test]
async fn a_failure_needs_no_more_than_its_status_and_code() {
    let failure =
        attempt_at(answer("200 OK", "", r#"{"status":"FAIL","ErrorCode":22}"#)).await.expect_err("22");
    is(&failure, FailureClass::Permanent, "axis_22");
    assert_eq!(failure.note, r#"HTTP 200: {"status":"FAIL","ErrorCode":22}"#);
    let said =
        attempt_at(answer("200 OK", "", r#"{"status":"FAIL","ErrorCode":22,"ErrorDesc":"G\u00f3i sai"}"#));
    assert!(said.await.expect_err("22").note.starts_with("Gói sai; HTTP 200: {"));
}

/// Bodies that come with a 200 and are no answer of an axis.
fn no_answers() -> Vec<String> {
    let swap = |from: &str, to: &str| {
        assert!(OK.contains(from));
        OK.replace(from, to)
    };
    let doc_id = format!(r#""DocId":"{DOC_ID}""#);
    let deep = |levels| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
    let mut bodies: Vec<String> = [
        "",
        " \r\n",
        "OK",
        "null",
        "0",
        "[]",
        "{}",
        "\"OK\"",
        "<html><h1>200 OK</h1></html>",
        r#"{"status":"OK"}"#,
        r#"{"status":"OK","ErrorCode":"0"}"#,
        r#"{"status":"FAIL"}"#,
        r#"{"ErrorCode":"18"}"#,
        r#"{"status":"fail","ErrorCode":"18","ErrorDesc":"","DocId":""}"#,
        r#"{"status":"FAIL","ErrorCode":"0","ErrorDesc":"Success","DocId":"x"}"#,
        r#"{"status":"FAIL","ErrorCode":null,"ErrorDesc":"x","DocId":""}"#,
        r#"{"status":"FAIL","ErrorCode":["18"],"ErrorDesc":"x","DocId":""}"#,
    ]
    .map(String::from)
    .into();
    bodies.extend([
        swap(r#""OK""#, r#""ok""#),
        swap(r#""OK""#, r#""OK ""#),
        swap(r#""OK""#, r#""SUCCESS""#),
        swap(r#""OK""#, "true"),
        swap(r#""OK""#, "null"),
        swap(r#""status""#, r#""Status""#),
        swap(r#""0""#, r#""18""#),
        swap(r#""0""#, "18"),
        swap(r#""0""#, "0.0"),
        swap(r#""0""#, "-0"),
        swap(r#""0""#, r#""00""#),
        swap(r#""0""#, r#"" 0""#),
        swap(r#""0""#, r#""""#),
        swap(r#""0""#, "null"),
        swap(r#""0""#, "false"),
        swap(r#""ErrorCode""#, r#""errorCode""#),
        swap(r#""Success""#, "null"),
        swap(r#""Success""#, r#"["Success"]"#),
        swap(&doc_id, r#""DocId":"""#),
        swap(&doc_id, r#""DocId":" ""#),
        swap(&doc_id, r#""DocId":null"#),
        swap(&doc_id, r#""DocId":17"#),
        swap(&doc_id, r#""docId":"x""#),
        swap("}", r#","status":"OK"}"#),
        swap("}", r#","status":"FAIL"}"#),
        swap("}", r#","ErrorCode":"18"}"#),
        swap("}", r#","ErrorC\u006fde":"0"}"#),
        swap("}", r#","x":1,"x":1}"#),
        swap("}", &format!(r#","x":{}}}"#, deep(200))),
        swap("}", &format!(r#","x":{}}}"#, deep(30_000))),
        deep(30_000),
        "[".repeat(60_000),
        swap("}", ""),
        OK[..OK.len() / 2].to_owned(),
        format!("{OK}{OK}"),
        format!("{OK}<!-- cache -->"),
        format!("\u{feff}{OK}"),
        format!("[{OK}]"),
        swap("Success", "\u{1}"),
    ]);
    bodies
}

#[tokio::test]
async fn what_is_not_said_exactly_is_no_answer() {
    for body in no_answers() {
        let failure = attempt_at(answer("200 OK", "", &body)).await.expect_err(&body);
        is(&failure, FailureClass::Receiver, "bad_answer");
        assert!(failure.note.starts_with("HTTP 200"), "{failure}");
    }
    for status in ["202 Accepted", "203 x", "204 No Content", "206 x", "299 x"] {
        let failure = attempt_at(answer(status, "", OK)).await.expect_err("only 200 and 201 are the axis's");
        is(&failure, FailureClass::Receiver, "bad_answer");
    }
}

#[tokio::test]
async fn an_answer_has_a_longest_length() {
    let of_length = |length: usize| {
        let blanks = " ".repeat(length - OK.len());
        answer("200 OK", "", &format!("{OK}{blanks}"))
    };
    attempt_at(of_length(64 * 1024)).await.expect("64 KiB");
    let failure = attempt_at(of_length(64 * 1024 + 1)).await.expect_err("one byte more");
    is(&failure, FailureClass::Receiver, "bad_answer");
}

#[tokio::test]
async fn an_error_with_something_else_than_a_refusal_counts_by_its_status() {
    for body in no_answers().iter().map(String::as_str).chain([OK]) {
        let failure = attempt_at(answer("500 x", "", body)).await.expect_err("500");
        is(&failure, FailureClass::Document, "http_500");
    }
    let location = "Location: http://127.0.0.1:9/\r\n";
    let failure = attempt_at(answer("302 x", location, &fail("22"))).await.expect_err("302");
    is(&failure, FailureClass::OursToFix, "redirect");
}

#[tokio::test]
async fn hostile_words_are_cut_and_escaped() {
    let doc_id = format!("\\u001b[2J{}", "x".repeat(60_000));
    for body in [OK.replace(DOC_ID, &doc_id), fail("22").replace("vì thế", &doc_id)] {
        let note = match attempt_at(answer("200 OK", "", &body)).await {
            Ok(handover) => handover.note,
            Err(failure) => failure.note,
        };
        assert!(note.contains("\\u{1b}[2Jxxx"), "{note}");
        assert!(note.chars().count() <= 200 && !note.chars().any(char::is_control), "{note:?}");
    }
}
