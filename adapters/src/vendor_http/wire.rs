//! What stands on the wire: headers, and the signature over them. No I/O.

use http::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use jiff::Timestamp;
use lienthong_pipeline::ports::{Consignment, DeliveryFailure, FailureClass};

use crate::failure::failed;
use crate::http::hmac_sha256;

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
