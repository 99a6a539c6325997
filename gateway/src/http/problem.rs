//! Refusals over HTTP: RFC 9457 problems, every word of them from the one table of rejections.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use lienthong_pipeline::examine::Refused;
use lienthong_schemas::rejections::{Also, Rejection, RejectionCode};
use serde::Serialize;

/// The media type of RFC 9457.
pub const PROBLEM_JSON: &str = "application/problem+json";

/// Retry-After when there is no room (RFC 4918 section 11.5 says nothing of one), in seconds: somebody has to make some.
const FULL_RETRY_AFTER: u32 = 60;

/// A problem as it goes out. Vietnamese stands first; `code`, `type` and `field` are for programs.
#[derive(Debug, Serialize)]
struct Problem<'a> {
    r#type: String,
    title: &'a str,
    title_en: &'a str,
    status: u16,
    code: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<&'a str>,
    detail: String,
    detail_en: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    also: Vec<Further<'a>>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    successors: &'a [lienthong_schemas::organ::OrganId],
    #[serde(skip_serializing_if = "str::is_empty")]
    support: &'a str,
}

/// What else is wrong with the packet, so that its sender can mend it all at once.
#[derive(Debug, Serialize)]
struct Further<'a> {
    code: &'a str,
    title: &'a str,
    title_en: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<&'a str>,
}

impl<'a> From<&'a Also> for Further<'a> {
    fn from(also: &'a Also) -> Self {
        let row = also.code.row();
        Self {
            code: row.name,
            title: row.title_vi,
            title_en: row.title_en,
            field: also.field.as_deref(),
            detail: also.detail.as_deref(),
        }
    }
}

/// A refusal with the hotline that stands in every one of them.
pub struct Refusal {
    /// What is refused, and why.
    pub rejection: Rejection,
    /// `support.hotline`.
    pub hotline: String,
}

/// What a sender hears of a refusal: its own rejection, or "try again later" for our trouble, which is logged here and
/// nowhere else. That there is no room is the one trouble that it is told: waiting a moment does not help.
pub fn rejection_of(refused: Refused) -> Rejection {
    match refused {
        Refused::Rejected(rejection) => *rejection,
        Refused::Fault(fault) if fault.full => {
            tracing::error!(%fault, "not accepted because there is no room");
            let mut rejection = Rejection::new(RejectionCode::StorageFull);
            rejection.retry_after_seconds = Some(FULL_RETRY_AFTER);
            rejection
        }
        Refused::Fault(fault) => {
            tracing::error!(%fault, "not accepted because of our own trouble");
            try_again()
        }
    }
}

/// "Try again later".
pub fn try_again() -> Rejection {
    let mut rejection = Rejection::new(RejectionCode::TryAgainLater);
    rejection.retry_after_seconds = Some(30);
    rejection
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let row = self.rejection.code.row();
        let sentence = |rule: &str| match &self.rejection.detail {
            Some(detail) => format!("{rule} ({detail})"),
            None => rule.to_owned(),
        };
        let problem = Problem {
            r#type: format!("urn:lienthong:problem:{}", self.rejection.code.slug()),
            title: row.title_vi,
            title_en: row.title_en,
            status: row.status,
            code: row.name,
            field: self.rejection.field.as_deref(),
            detail: sentence(row.rule_vi),
            detail_en: sentence(row.rule_en),
            also: self.rejection.also.iter().map(Further::from).collect(),
            successors: &self.rejection.successors,
            support: &self.hotline,
        };
        let status = StatusCode::from_u16(row.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, axum::Json(problem)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(PROBLEM_JSON));
        if let Some(seconds) = self.rejection.retry_after_seconds {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn no_room_is_507_and_all_else_of_ours_is_503() {
        use lienthong_pipeline::ports::Fault;
        let full = Fault::full("spool", "900 of the quota of 1000 bytes are taken");
        for (fault, status, retry) in [(full, 507, "60"), (Fault::new("spool", "I/O"), 503, "30")] {
            let rejection = rejection_of(fault.into());
            let response = Refusal { rejection, hotline: "1900 0000".to_owned() }.into_response();
            assert_eq!(
                (response.status().as_u16(), &response.headers()[header::RETRY_AFTER]),
                (status, &HeaderValue::from_static(retry))
            );
            let body = axum::body::to_bytes(response.into_body(), 1 << 16).await.expect("a body");
            let text = String::from_utf8(body.to_vec()).expect("UTF-8");
            assert!(text.contains("1900 0000") && !text.contains("quota") && !text.contains("I/O"), "{text}");
        }
    }

    #[tokio::test]
    async fn a_problem_names_field_rule_and_hotline_in_both_languages() {
        let rejection = Rejection::new(RejectionCode::ReceiverUnknown).at("a/b").because("X\u{1b}");
        let response = Refusal { rejection, hotline: "1900 0000".to_owned() }.into_response();
        assert_eq!(response.status().as_u16(), RejectionCode::ReceiverUnknown.row().status);
        assert_eq!(response.headers()[header::CONTENT_TYPE], PROBLEM_JSON);
        let body = axum::body::to_bytes(response.into_body(), 1 << 16).await.expect("a body");
        let json: serde_json::Value = serde_json::from_slice(&body).expect("JSON");
        assert_eq!((json["code"].as_str(), json["field"].as_str()), (Some("RECEIVER_UNKNOWN"), Some("a/b")));
        assert_eq!(json["support"], "1900 0000");
        assert_eq!(json["type"], "urn:lienthong:problem:receiver-unknown");
        for key in ["title", "title_en", "detail", "detail_en"] {
            assert!(json[key].as_str().is_some_and(|text| !text.is_empty()), "{key}");
        }
    }
}
