//! What stands on the wire: headers, the signature over them, and the meaning of an answer. No I/O.

use std::time::Duration;

use hmac::{Hmac, KeyInit, Mac};
use http::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use http::status::StatusCode;
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use lienthong_pipeline::ports::{Consignment, DeliveryFailure, FailureClass};
use sha2::Sha256;

use crate::failure::failed;

/// A receiver cannot put us off for longer than this.
pub(super) const RETRY_AFTER_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// Longest `Lienthong-Kind`, in bytes.
const KIND_BYTES_MAX: usize = 64;

const SIGNATURE: HeaderName = HeaderName::from_static("lienthong-signature");

/// The signed headers of one attempt, in the order of the canonical string.
pub(super) struct Signed {
    at: i64,
    fields: [(HeaderName, String); 7],
}

impl Signed {
    /// Fails as [`FailureClass::Packet`], `bad_record`, when the record holds what no header can.
    pub(super) fn of(consignment: &Consignment) -> Result<Self, DeliveryFailure> {
        let delivery = &consignment.delivery;
        let kind = &delivery.kind;
        if kind.is_empty() || kind.len() > KIND_BYTES_MAX || !kind.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(failed(FailureClass::Packet, "bad_record", "the delivery's kind fits no header"));
        }
        let at = consignment.at.as_second();
        let second = Timestamp::from_second(at).unwrap_or(consignment.at);
        let named = |name, value| (HeaderName::from_static(name), value);
        let fields = [
            named("lienthong-delivery-id", delivery.id.to_string()),
            named("lienthong-document-id", delivery.document.to_string()),
            named("lienthong-digest", format!("sha-256={}", delivery.digest)),
            named("lienthong-sender", delivery.sender.to_string()),
            named("lienthong-receiver", delivery.route.receiver.to_string()),
            named("lienthong-kind", kind.clone()),
            named("lienthong-timestamp", second.to_string()),
        ];
        Ok(Self { at, fields })
    }

    /// The string that the signature is made over; `docs/vendor-http.md`, "Chuỗi chuẩn".
    pub(super) fn canonical(&self) -> String {
        let head = format!("lienthong-signature-v1\nt:{}\n", self.at);
        self.fields.iter().fold(head, |text, (name, value)| text + name.as_str() + ":" + value + "\n")
    }
}

/// All headers of an attempt but `Host` and `Content-Length`.
pub(super) fn headers(consignment: &Consignment, secret: &[u8]) -> Result<HeaderMap, DeliveryFailure> {
    let signed = Signed::of(consignment)?;
    let signature = format!("t={},v1={}", signed.at, hmac_sha256(secret, signed.canonical().as_bytes()));
    let mut headers = HeaderMap::with_capacity(9);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/xml"));
    for (name, value) in signed.fields.into_iter().chain([(SIGNATURE, signature)]) {
        let value = HeaderValue::from_str(&value).map_err(|_| {
            failed(FailureClass::Packet, "bad_record", "a field of the delivery fits no header")
        })?;
        headers.insert(name, value);
    }
    Ok(headers)
}

fn hmac_sha256(secret: &[u8], text: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret).expect("HMAC takes a key of any length (RFC 2104)");
    mac.update(text);
    hex::encode(mac.finalize().into_bytes())
}

/// What follows from an answer that is not a 2xx (design.md B6), and its stable code.
pub(super) fn refusal(status: StatusCode) -> (FailureClass, String) {
    let class = match status.as_u16() {
        400 | 410 | 413 | 415 | 422 | 451 => FailureClass::Permanent,
        429 | 502..=504 => FailureClass::Receiver,
        300..=499 => FailureClass::OursToFix,
        500..=599 => FailureClass::Document,
        _ => FailureClass::Receiver,
    };
    let code = if status.is_redirection() { "redirect".into() } else { format!("http_{}", status.as_u16()) };
    (class, code)
}

/// RFC 9110 §10.2.3: seconds or an HTTP date, counted from `now`; at most [`RETRY_AFTER_MAX`]. `None` for a time that is
/// over, and for what is neither.
pub(super) fn retry_after(value: &str, now: Timestamp) -> Option<Duration> {
    let value = value.trim();
    if !value.is_empty() && value.bytes().all(|b| b.is_ascii_digit()) {
        return Some(value.parse().map_or(RETRY_AFTER_MAX, Duration::from_secs).min(RETRY_AFTER_MAX));
    }
    let wait = http_date(value)?.duration_since(now.to_zoned(TimeZone::UTC).datetime());
    Duration::try_from(wait).ok().filter(|wait| !wait.is_zero()).map(|wait| wait.min(RETRY_AFTER_MAX))
}

/// RFC 9110 §5.6.7: the fixed form, and the two old ones that a recipient must still read; all in UTC.
fn http_date(text: &str) -> Option<DateTime> {
    ["%a, %d %b %Y %H:%M:%S GMT", "%A, %d-%b-%y %H:%M:%S GMT", "%a %b %e %H:%M:%S %Y"]
        .iter()
        .find_map(|form| DateTime::strptime(form, text).ok())
}
