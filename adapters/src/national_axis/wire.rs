//! What is sent: parameters as headers, the signature over them, the order of the SDK. No I/O.

use http::header::{
    ACCEPT, CACHE_CONTROL, CONNECTION, CONTENT_TYPE, HOST, HeaderMap, HeaderName, HeaderValue, PRAGMA,
    USER_AGENT,
};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use lienthong_pipeline::ports::{Consignment, DeliveryFailure, FailureClass};
use lienthong_schemas::edxml::{PacketKind, VIETNAM};
use lienthong_schemas::ids::PacketDigest;
use lienthong_schemas::organ::OrganId;

use super::ToHeader;
use crate::failure::failed;
use crate::http::hmac_sha256;

/// What follows the packet in the body of `sendEdoc`; the signature does not know of it.
pub(super) const AFTER_PACKET: &[u8] = b"\r\n";

/// Longest header line, in bytes: what a server of this protocol is expected to take.
pub(super) const HEADER_LINE_BYTES_MAX: usize = 64 * 1024;

/// Largest head, in bytes: 128 KiB, of which 1 KiB is left to the request line and `Content-Length`.
const HEAD_BYTES_MAX: usize = 127 * 1024;

const PREFIX: &str = "XroadVnpt-";

/// Who we are at an axis.
pub(super) struct Account {
    pub(super) host: String,
    pub(super) system_id: String,
    pub(super) secret: Vec<u8>,
    pub(super) to_header: ToHeader,
}

/// All headers of `sendEdoc` but `Content-Length`, in the order of the SDK.
///
/// Fails as [`FailureClass::Packet`], `bad_record`, when the record's kind is none; as [`FailureClass::OursToFix`]:
/// `to_too_long`, or as [`sign`] does.
pub(super) fn headers(consignment: &Consignment, account: &Account) -> Result<HeaderMap, DeliveryFailure> {
    let delivery = &consignment.delivery;
    let message_type = match PacketKind::from_id_text(&delivery.kind) {
        Some(PacketKind::Document(_)) => "edoc",
        Some(PacketKind::Status) => "status",
        None => return Err(failed(FailureClass::Packet, "bad_record", "the delivery's kind is none")),
    };
    let to = match account.to_header {
        ToHeader::Send => Some(receivers(&consignment.receivers)),
        ToHeader::Omit => None,
    };
    let (file_hash, timestamp) = (hash_file(&delivery.digest), timestamp(consignment.at));
    let mut fields = vec![
        ("systemid", account.system_id.as_str()),
        ("servicetype", "eDoc"),
        ("messagetype", message_type),
        ("hash-file", &file_hash),
        ("from", delivery.sender.as_str()),
    ];
    fields.extend(to.as_deref().map(|to| ("to", to)));
    fields.extend([("timestamp", timestamp.as_str()), ("Content-Type", "application/octet-stream")]);

    let mut headers = sign(&account.secret, &fields)?;
    let fixed = HeaderValue::from_static;
    headers.insert(CACHE_CONTROL, fixed("no-cache"));
    headers.insert(PRAGMA, fixed("no-cache"));
    headers.insert(HOST, value(&account.host)?);
    headers.insert(ACCEPT, fixed("text/html, image/gif, image/jpeg, */*; q=0.2"));
    headers.insert(CONNECTION, fixed("keep-alive"));
    fits(&headers)?;
    Ok(headers)
}

/// All headers of an operation other than `sendEdoc` but `Content-Length`: these parameters beside those of every one.
///
/// Fails as [`sign`] does.
pub(super) fn request(
    account: &Account,
    parameters: &[(&str, &str)],
    at: Timestamp,
) -> Result<HeaderMap, DeliveryFailure> {
    let timestamp = timestamp(at);
    let mut fields = vec![("systemid", account.system_id.as_str())];
    fields.extend_from_slice(parameters);
    fields.extend([("timestamp", timestamp.as_str()), ("Content-Type", "application/json")]);
    let mut headers = sign(&account.secret, &fields)?;
    headers.insert(HOST, value(&account.host)?);
    headers.insert(CONNECTION, HeaderValue::from_static("Keep-Alive"));
    Ok(headers)
}

/// The signed header set of any operation, in this order: `Content-Type`, each parameter as it stands in `fields`, the
/// list of their names, the JSON object of them all, its HMAC, and what the SDK calls itself. `fields` holds each name
/// once, and `Content-Type`.
///
/// Fails as [`FailureClass::OursToFix`], `bad_header`, when a value fits no header unchanged: the axis compares each
/// header with the JSON, and the signature would be void.
pub(super) fn sign(secret: &[u8], fields: &[(&str, &str)]) -> Result<HeaderMap, DeliveryFailure> {
    let mut headers = HeaderMap::with_capacity(fields.len() + 11);
    if let Some((_, media_type)) = fields.iter().find(|(name, _)| *name == "Content-Type") {
        headers.insert(CONTENT_TYPE, value(media_type)?);
    }
    for (name, text) in fields {
        headers.insert(parameter(name)?, value(text)?);
    }
    let names: Vec<&str> = fields.iter().map(|(name, _)| *name).collect();
    let object = object(fields);
    let mac = hmac_sha256(secret, object.as_bytes());
    headers.insert(parameter("sign-header-key")?, value(&names.join(";"))?);
    headers.insert(parameter("sign-header")?, value(&object)?);
    headers.insert(parameter("hash-header")?, value(&mac)?);
    headers.insert(USER_AGENT, HeaderValue::from_static("JAVASDKAgent/1.0.0 XRoad/VPCP"));
    headers.insert(parameter("version")?, HeaderValue::from_static("3.0.201608"));
    Ok(headers)
}

/// The text that is signed: a compact JSON object as Gson writes it without HTML escaping.
fn object(fields: &[(&str, &str)]) -> String {
    let member = |(name, text): &(&str, &str)| format!("\"{PREFIX}{name}\":{}", quoted(text));
    let members: Vec<String> = fields.iter().map(member).collect();
    format!("{{{}}}", members.join(","))
}

/// Printable ASCII as a JSON string: only `"` and `\` are escaped.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

fn parameter(name: &str) -> Result<HeaderName, DeliveryFailure> {
    let name = format!("{PREFIX}{name}");
    name.parse().map_err(|_| bad_header(&format!("{name} is no name of a header")))
}

/// Printable ASCII without a blank at either end, which a server would take off.
fn value(text: &str) -> Result<HeaderValue, DeliveryFailure> {
    let printable = text.bytes().all(|b| b == b' ' || b.is_ascii_graphic());
    if !printable || text.trim() != text {
        return Err(bad_header(&format!("a header cannot hold {text}")));
    }
    HeaderValue::from_str(text).map_err(|error| bad_header(&error.to_string()))
}

fn bad_header(cause: &str) -> DeliveryFailure {
    failed(FailureClass::OursToFix, "bad_header", cause)
}

/// A server cuts the connection when a head is too large, which would look like trouble with the packet. Receivers one by
/// one always fit.
fn fits(headers: &HeaderMap) -> Result<(), DeliveryFailure> {
    let line =
        |(name, value): (&HeaderName, &HeaderValue)| name.as_str().len() + value.len() + ": \r\n".len();
    let (longest, all) = headers.iter().map(line).fold((0, 0), |(most, sum), len| (most.max(len), sum + len));
    if longest <= HEADER_LINE_BYTES_MAX && all <= HEAD_BYTES_MAX {
        return Ok(());
    }
    let cause = format!("too many receivers for one head: {all} bytes, the longest line {longest}");
    Err(failed(FailureClass::OneOfSeveral, "to_too_long", &cause))
}

/// The receivers as the text of a JSON array.
fn receivers(receivers: &[OrganId]) -> String {
    let codes: Vec<String> = receivers.iter().map(|code| quoted(code.as_str())).collect();
    format!("[{}]", codes.join(","))
}

/// The SHA-256 as the SDK writes it: hex without the leading zero of a byte, so that it may be shorter than 64 digits.
pub(super) fn hash_file(digest: &PacketDigest) -> String {
    digest.as_bytes().iter().map(|byte| format!("{byte:x}")).collect()
}

/// `ddMMyyyy'T'HHmmss+SSSS` in Vietnamese local time. SSSS are milliseconds; the plus sign is only a plus sign.
pub(super) fn timestamp(at: Timestamp) -> String {
    let local = at.to_zoned(TimeZone::fixed(VIETNAM)).datetime();
    format!("{}+{:04}", local.strftime("%d%m%YT%H%M%S"), local.millisecond())
}
