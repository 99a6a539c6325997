//! Why an operator gets no answer: said in both languages, with a stable code for programs.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use lienthong_pipeline::operate::look::PageFault;
use lienthong_pipeline::ports::Fault;
use serde::{Deserialize, Serialize};

/// What is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum TroubleCode {
    /// The settings name no operator with the peer's user id.
    UserUnknown,
    /// A viewer may look and not act.
    ViewerOnly,
    /// The request cannot be read, or asks for too much.
    RequestInvalid,
    /// There is nothing under this id or address.
    NotFound,
    /// The same long work is under way for somebody else.
    Busy,
    /// Our own trouble.
    Fault,
}

impl TroubleCode {
    /// The HTTP status that it travels with.
    pub const fn status(self) -> StatusCode {
        match self {
            Self::UserUnknown | Self::ViewerOnly => StatusCode::FORBIDDEN,
            Self::RequestInvalid => StatusCode::BAD_REQUEST,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::Busy => StatusCode::CONFLICT,
            Self::Fault => StatusCode::SERVICE_UNAVAILABLE,
        }
    }
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{text_vi} ({text_en})")]
pub struct Trouble {
    /// For programs.
    pub code: TroubleCode,
    /// For people.
    pub text_vi: String,
    /// And in English.
    pub text_en: String,
}

impl Trouble {
    /// A trouble in both languages.
    pub fn new(code: TroubleCode, vi: impl Into<String>, en: impl Into<String>) -> Self {
        Self { code, text_vi: vi.into(), text_en: en.into() }
    }

    /// There is no such thing.
    pub fn not_found(vi: &str, en: &str) -> Self {
        Self::new(TroubleCode::NotFound, format!("không có {vi} này"), format!("there is no such {en}"))
    }

    /// The request cannot be used, because.
    pub fn invalid(why: impl std::fmt::Display) -> Self {
        let (vi, en) = (format!("yêu cầu không hợp lệ: {why}"), format!("the request is not valid: {why}"));
        Self::new(TroubleCode::RequestInvalid, vi, en)
    }
}

impl From<Fault> for Trouble {
    /// An operator may know what our trouble is; the log has it from here.
    fn from(fault: Fault) -> Self {
        tracing::error!(%fault, "an operator got no answer");
        Self::new(
            TroubleCode::Fault,
            format!("trục có lỗi: {fault}"),
            format!("the gateway has a fault: {fault}"),
        )
    }
}

impl From<PageFault> for Trouble {
    fn from(fault: PageFault) -> Self {
        match fault {
            PageFault::AfterUnknown => Self::not_found("bản chuyển (after)", "delivery (after)"),
            PageFault::Fault(fault) => fault.into(),
        }
    }
}

impl IntoResponse for Trouble {
    fn into_response(self) -> Response {
        (self.code.status(), axum::Json(self)).into_response()
    }
}
