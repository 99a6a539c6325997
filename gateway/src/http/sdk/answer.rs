//! Answers as the SDK reads them (spec/vxp-api.md section 6): JSON in ASCII, never a null, HTTP 200 whatever happened; the
//! words of a failure from the one table of rejections.

use std::fmt::Write as _;

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use lienthong_schemas::rejections::Rejection;
use serde_json::{Map, Value};

use super::operation::Shape;

/// `ErrorCode` of what the table has no code for: trouble on our side.
const OURS: &str = "20";

/// One answer.
#[derive(Debug)]
pub(super) struct Answer(Map<String, Value>);

impl Answer {
    /// Success, without further members yet.
    pub(super) fn ok() -> Self {
        Self::of("OK", "0", "Success")
    }

    /// A failure of an operation, with the members that the SDK needs even then.
    pub(super) fn failed(shape: Shape, rejection: &Rejection, hotline: &str) -> Self {
        let code = rejection.code.row().sdk;
        let answer = Self::of("FAIL", if code.is_empty() { OURS } else { code }, &words(rejection, hotline));
        match shape {
            Shape::DocId => answer.with("DocId", ""),
            Shape::List => answer.with("data", Vec::<Value>::new()),
            Shape::Text => answer.with("data", ""),
            Shape::Plain | Shape::File => answer,
        }
    }

    fn of(status: &str, code: &str, words: &str) -> Self {
        let members = [("status", status), ("ErrorCode", code), ("ErrorDesc", words)];
        Self(members.into_iter().map(|(name, text)| (name.to_owned(), text.into())).collect())
    }

    /// With a further member.
    pub(super) fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.0.insert(name.to_owned(), value.into());
        self
    }

    /// The text of it.
    pub(super) fn text(&self) -> String {
        ascii(&Value::Object(self.0.clone()).to_string())
    }
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        let mut response = Response::new(Body::from(self.text()));
        let json = HeaderValue::from_static("application/json;charset=UTF-8");
        response.headers_mut().insert(header::CONTENT_TYPE, json);
        response
    }
}

/// The failure of a download: any body would be taken for the file.
pub(super) fn no_file(rejection: &Rejection) -> Response {
    let status = StatusCode::from_u16(rejection.code.row().status);
    status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR).into_response()
}

/// JSON with every character beyond ASCII escaped: the SDK reads answers in whatever encoding its machine has. Such
/// characters stand in texts only.
fn ascii(json: &str) -> String {
    let mut text = String::with_capacity(json.len() + json.len() / 8);
    for c in json.chars() {
        if c.is_ascii() {
            text.push(c);
            continue;
        }
        for unit in c.encode_utf16(&mut [0; 2]) {
            // Writing to a String does not fail.
            write!(text, "\\u{unit:04x}").unwrap_or_default();
        }
    }
    text
}

/// What is wrong, where, and whom to ask: one line, Vietnamese, with the code that operators search for.
fn words(rejection: &Rejection, hotline: &str) -> String {
    let row = rejection.code.row();
    let mut words = format!("{}: {}", row.title_vi, row.rule_vi);
    let mut add = |text: String| words.push_str(&text);
    add(match (&rejection.field, &rejection.detail) {
        (Some(field), Some(detail)) => format!(" [{} {field}: {detail}]", row.name),
        (Some(field), None) => format!(" [{} {field}]", row.name),
        (None, Some(detail)) => format!(" [{}: {detail}]", row.name),
        (None, None) => format!(" [{}]", row.name),
    });
    for also in &rejection.also {
        let place = also.field.as_deref().map(|field| format!(" {field}")).unwrap_or_default();
        add(format!(" [{}{place}]", also.code.row().name));
    }
    if !rejection.successors.is_empty() {
        let codes: Vec<&str> = rejection.successors.iter().map(|code| code.as_str()).collect();
        add(format!(" Đơn vị kế thừa: {}.", codes.join(", ")));
    }
    if !hotline.is_empty() {
        add(format!(" Hỗ trợ: {hotline}"));
    }
    words
}

#[cfg(test)]
mod tests {
    use lienthong_schemas::rejections::RejectionCode;

    use super::super::operation::Operation;
    use super::*;

    #[test]
    fn an_answer_is_ascii_and_says_the_same() {
        let answer = Answer::ok().with("title", "Công văn \"số 1\"\\ 𝔘\u{7f}\n");
        let text = answer.text();
        assert!(text.bytes().all(|b| (b' '..=b'\x7f').contains(&b)), "{text}");
        assert!(text.contains("C\\u00f4ng v\\u0103n") && text.contains("\\ud835\\udd18"), "{text}");
        let back: Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!(back["title"], "Công văn \"số 1\"\\ 𝔘\u{7f}\n");
        assert_eq!(
            (&back["status"], &back["ErrorCode"], &back["ErrorDesc"]),
            (&"OK".into(), &"0".into(), &"Success".into())
        );
    }

    #[test]
    fn every_failure_has_a_code_of_the_vocabulary_and_the_members_of_its_operation() {
        for code in RejectionCode::ALL {
            for operation in Operation::ALL {
                let rejection = Rejection::new(*code).at("a").because("b");
                let text = Answer::failed(operation.shape(), &rejection, "1900").text();
                let json: Value = serde_json::from_str(&text).expect("JSON");
                assert_eq!(json["status"], "FAIL");
                let error = json["ErrorCode"].as_str().expect("a text");
                assert!(["10", "15", "18", "19", "20", "21", "22", "23"].contains(&error), "{error}");
                let words = json["ErrorDesc"].as_str().expect("a text");
                assert!(words.contains(code.row().name) && words.contains("1900"), "{words}");
                assert!(json.as_object().expect("an object").values().all(|value| !value.is_null()));
                match operation {
                    Operation::SendEdoc => assert_eq!(json["DocId"], ""),
                    Operation::GetEdoc => assert_eq!(json["data"], ""),
                    operation if operation.shape() == Shape::List => {
                        assert_eq!(json["data"], Value::Array(Vec::new()))
                    }
                    _ => assert_eq!(json.get("data"), None),
                }
            }
        }
    }

    #[test]
    fn successors_and_further_errors_are_named() {
        let mut rejection = Rejection::new(RejectionCode::ReceiverClosed);
        rejection.successors = vec![lienthong_schemas::organ::OrganId::parse("H55.16").expect("a code")];
        let further = Rejection::of_all([rejection, Rejection::new(RejectionCode::FieldMissing).at("To")])
            .expect("one");
        let words = words(&further, "");
        assert!(
            words.contains("H55.16") && words.contains("[FIELD_MISSING To]") && !words.contains("Hỗ trợ"),
            "{words}"
        );
    }
}
