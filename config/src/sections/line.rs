//! What every line to another system has: an id, an address, times.

use std::time::Duration;

use crate::environment::SecretOf;
use crate::fault::{FaultCode, Rule};
use crate::reading::Section;
use crate::values::span::Span;
use crate::values::url::HttpUrl;

/// Longest id of a system or an axis, in bytes.
pub const SYSTEM_ID_BYTES_MAX: usize = 32;

/// Whether a system or an axis can have this id.
pub(crate) fn is_id(id: &str) -> bool {
    let fits = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    (1..=SYSTEM_ID_BYTES_MAX).contains(&id.len()) && id.bytes().all(fits)
}

/// The ids of the tables in this section, bad ones noted.
pub(crate) fn ids(section: &mut Section<'_, '_>) -> Vec<String> {
    let ids = section.names();
    for id in ids.iter().filter(|id| !is_id(id)) {
        let rule = Rule::new(
            "tên mục chỉ gồm a-z, 0-9, dấu gạch nối, tối đa 32 ký tự",
            "the id has a-z, 0-9 and hyphens only, at most 32",
        );
        section.fault(id, FaultCode::WrongType, rule);
    }
    ids
}

/// Notes every variable for a secret that belongs to none of these ids: it was probably meant for one of them.
pub(crate) fn strange_variables(kind: SecretOf, ids: &[String], section: &mut Section<'_, '_>) {
    let known: Vec<String> = ids.iter().map(|id| kind.variable(id)).collect();
    let strangers = section.environment().secrets_of(kind).filter(|name| !known.iter().any(|k| k == name));
    for variable in strangers {
        let rule = Rule::new(
            format!("biến môi trường {variable} không ứng với mục nào"),
            format!("the variable {variable} belongs to nothing here"),
        );
        section.fault(variable, FaultCode::UnknownKey, rule);
    }
}

/// `url` and `insecure_http`: an address beyond this machine is encrypted unless the writer insists.
pub(crate) fn url(section: &mut Section<'_, '_>) -> Option<HttpUrl> {
    let url: Option<HttpUrl> = section.required("url");
    let insecure = section.read("insecure_http").unwrap_or(false);
    if url.as_ref().is_some_and(|url| !url.is_https() && !url.is_loopback() && !insecure) {
        section.contradiction(
            "url",
            "phải là https://, trừ khi khai insecure_http = true",
            "must be https://, unless insecure_http = true",
        );
    }
    url
}

/// Longest `system_id`, in bytes.
pub const SDK_SYSTEM_ID_BYTES_MAX: usize = 256;

/// `system_id`, as the SDK's protocol names a system: the value of a header, where only ASCII survives.
pub(crate) fn sdk_system_id(section: &mut Section<'_, '_>) -> Option<String> {
    let text = section.required_text("system_id", SDK_SYSTEM_ID_BYTES_MAX)?;
    if text.bytes().all(|b| b.is_ascii_graphic()) {
        return Some(text);
    }
    let rule = Rule::new("chỉ gồm chữ ASCII, không có dấu cách", "ASCII without blanks");
    section.fault("system_id", FaultCode::WrongType, rule);
    None
}

/// Longest waits on a line.
pub(crate) struct Waits {
    /// For a connection.
    pub(crate) connect: Duration,
    /// For one attempt, less what the packet's size adds; at most `delivery.attempt_timeout`.
    pub(crate) whole: Duration,
}

/// `connect_timeout` and `timeout`.
pub(crate) fn waits(section: &mut Section<'_, '_>) -> Waits {
    let seconds = |n| Span::new(Duration::from_secs(n));
    let connect = section.ranged("connect_timeout", seconds(10), seconds(1), seconds(300));
    let whole = section.ranged("timeout", seconds(120), seconds(1), seconds(3_600));
    if connect > whole {
        section.contradiction("connect_timeout", "dài hơn timeout", "longer than timeout");
    }
    Waits { connect: connect.duration(), whole: whole.duration() }
}
