//! The mailbox of a system: what waits for it, the packets, and what it says of them.

use std::path::Path;

use axum::body::Body;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures_util::stream;
use lienthong_pipeline::mailbox::{Item, Mark};
use lienthong_pipeline::ports::Fault;
use lienthong_pipeline::record::Waiting;
use lienthong_schemas::organ::OrganId;
use lienthong_schemas::rejections::{Rejection, RejectionCode};
use lienthong_schemas::safe_text::SafeText;
use serde_json::{Value, json};
use tokio::fs::File;
use tokio::io::AsyncReadExt;

use super::answer::Answer;
use super::sent::{message_type, time};
use super::{Asked, Sdk, no_document};
use crate::http::body::Holding;
use crate::http::problem::rejection_of;

/// Entries of one list. What comes after them stands in the next one, when these are done.
const LISTED_MAX: usize = 1_000;
/// Bytes of a packet that are held at once; a multiple of three, so that each piece is base64 by itself.
const PIECE: usize = 192 * 1024;
/// Longest description that a receiver gives, in bytes after escaping.
const SAID_BYTES_MAX: usize = 200;

/// What stands before and behind the packet in the answer of getEdoc.
const BEFORE: &str = r#"{"status":"OK","ErrorCode":"0","ErrorDesc":"Success","data":""#;
const BEHIND: &str = "\"}";

impl Sdk {
    /// getReceivedEdocList.
    pub(super) async fn received(&self, asked: &Asked) -> Result<Response, Rejection> {
        with_mailbox(asked)?;
        let waiting = match asked.get("messagetype")? {
            None => Waiting::Documents,
            Some(word) if word.eq_ignore_ascii_case("edoc") => Waiting::Documents,
            Some(word) if word.eq_ignore_ascii_case("status") => Waiting::Statuses,
            Some(_) => return Err(Rejection::new(RejectionCode::FieldInvalid).at("XroadVnpt-messagetype")),
        };
        let system = &asked.account.system;
        let look = self.public.guests.load().look(system)?;
        let list =
            self.mailboxes.list(system, asked.account.fan_in, waiting, LISTED_MAX).await.map_err(ours)?;
        let entries: Vec<Value> = list.iter().map(entry).collect();
        let answer = Answer::ok().with("data", entries).into_response();
        Ok(answer.map(|body| Body::new(Holding::new(body, look))))
    }

    /// countReceiveEdoc, countReceiveStatus.
    pub(super) async fn count(&self, asked: &Asked, waiting: Waiting) -> Result<Response, Rejection> {
        with_mailbox(asked)?;
        let count = self.mailboxes.count(&asked.account.system, waiting).await.map_err(ours)?;
        Ok(Answer::ok().with("count", count).into_response())
    }

    /// getEdoc and downloadEdoc: the packet as base64 in JSON, or as it is.
    pub(super) async fn fetch(&self, asked: &Asked, in_json: bool) -> Result<Response, Rejection> {
        with_mailbox(asked)?;
        let (id, system) = (asked.delivery("docId")?, &asked.account.system);
        let look = self.public.guests.load().look(system)?;
        let found = self.mailboxes.fetch(system, asked.account.fan_in, id).await.map_err(ours)?;
        let (delivery, path) = found.ok_or_else(no_document)?;
        let file = open(&path, delivery.bytes).await.map_err(ours)?;
        let (body, length, media) = match in_json {
            true => (encoded(file), encoded_length(delivery.bytes), "application/json;charset=UTF-8"),
            false => (plain(file), delivery.bytes, "application/octet-stream"),
        };
        let mut response = Response::new(Body::new(Holding::new(body, look)));
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_LENGTH, length.into());
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media));
        Ok(response)
    }

    /// updateStatus. Applications write `docid` here and `docId` in other calls of the same object, which never forgets a
    /// parameter: here the former counts.
    pub(super) async fn update(&self, asked: &Asked) -> Result<Response, Rejection> {
        with_mailbox(asked)?;
        let id = asked.delivery("docid")?;
        let field = "XroadVnpt-status";
        let word =
            asked.get("status")?.ok_or_else(|| Rejection::new(RejectionCode::FieldMissing).at(field))?;
        let mark = match word.to_ascii_lowercase().as_str() {
            "processing" => Mark::Processing,
            "done" => Mark::Done,
            "fail" => Mark::Fail,
            _ => return Err(Rejection::new(RejectionCode::FieldInvalid).at(field).because(word)),
        };
        let said = asked.get("description")?.unwrap_or_default();
        let said = SafeText::new(said).cut(SAID_BYTES_MAX).into_string();
        let known = self
            .mailboxes
            .mark(&asked.account.system, asked.account.fan_in, id, mark, &said)
            .await
            .map_err(ours)?;
        if known { Ok(Answer::ok().into_response()) } else { Err(no_document()) }
    }
}

fn ours(fault: Fault) -> Rejection {
    rejection_of(fault.into())
}

/// A system without a mailbox would wait for ever.
fn with_mailbox(asked: &Asked) -> Result<(), Rejection> {
    if asked.account.mailbox {
        return Ok(());
    }
    Err(Rejection::new(RejectionCode::OperationOff).at("sdk.mailbox").because("no mailbox"))
}

fn entry(item: &Item) -> Value {
    let Item { delivery, receivers } = item;
    let mailbox = delivery.mailbox;
    let (status, words) = match mailbox {
        Some(mailbox) if mailbox.fails > 0 => ("fail", "bên nhận báo lỗi"),
        Some(mailbox) if mailbox.processing => ("processing", "bên nhận đang xử lý"),
        _ => ("initial", delivery.state.wording().0),
    };
    json!({
        "docId": delivery.id.to_string(),
        "serviceType": "eDoc",
        "messageType": message_type(&delivery.kind),
        "created_time": time(mailbox.map_or(delivery.accepted_at, |mailbox| mailbox.since)),
        "updated_time": time(mailbox.map_or(delivery.accepted_at, |mailbox| mailbox.changed)),
        "from": delivery.sender.as_str(),
        "to": receivers.iter().map(OrganId::as_str).collect::<Vec<_>>().join(","),
        "status": status,
        "status_desc": words,
    })
}

/// The packet's file, which must be as long as it was.
async fn open(path: &Path, bytes: u64) -> Result<File, Fault> {
    let fault = |cause: &dyn std::fmt::Display| Fault::new("spool", cause);
    let file = File::open(path).await.map_err(|cause| fault(&cause))?;
    let length = file.metadata().await.map_err(|cause| fault(&cause))?.len();
    if length != bytes {
        return Err(fault(&format!("a packet of {bytes} bytes has {length}")));
    }
    Ok(file)
}

/// The bytes of a file, each piece as full as it can be.
fn pieces(file: File) -> impl stream::Stream<Item = std::io::Result<Bytes>> {
    stream::try_unfold(file, |mut file| async move {
        let mut piece = Vec::with_capacity(PIECE);
        while piece.len() < PIECE {
            let room = (PIECE - piece.len()) as u64;
            if (&mut file).take(room).read_buf(&mut piece).await? == 0 {
                break;
            }
        }
        Ok((!piece.is_empty()).then(|| (Bytes::from(piece), file)))
    })
}

fn plain(file: File) -> Body {
    Body::from_stream(pieces(file))
}

fn encoded(file: File) -> Body {
    use futures_util::{StreamExt, TryStreamExt};
    let before = stream::iter([Ok(Bytes::from_static(BEFORE.as_bytes()))]);
    let behind = stream::iter([Ok(Bytes::from_static(BEHIND.as_bytes()))]);
    let packet = pieces(file).map_ok(|piece| Bytes::from(STANDARD.encode(piece)));
    Body::from_stream(before.chain(packet).chain(behind))
}

fn encoded_length(bytes: u64) -> u64 {
    (BEFORE.len() + BEHIND.len()) as u64 + bytes.div_ceil(3) * 4
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_packet_of_any_length_is_whole_in_either_form() {
        for length in [0, 1, 2, 3, PIECE - 1, PIECE, PIECE + 1, 3 * PIECE + 2] {
            let bytes: Vec<u8> = (0..length).map(|n| u8::try_from(n % 251).expect("a byte")).collect();
            let kept = tempfile::NamedTempFile::new().expect("a file");
            std::fs::write(kept.path(), &bytes).expect("written");
            let file = || open(kept.path(), length as u64);
            let whole =
                axum::body::to_bytes(plain(file().await.expect("opened")), usize::MAX).await.expect("read");
            assert_eq!(whole, bytes);
            let json =
                axum::body::to_bytes(encoded(file().await.expect("opened")), usize::MAX).await.expect("read");
            assert_eq!(json.len() as u64, encoded_length(length as u64), "{length}");
            let json: Value = serde_json::from_slice(&json).expect("JSON");
            assert_eq!(STANDARD.decode(json["data"].as_str().expect("a text")).expect("base64"), bytes);
            assert!(open(kept.path(), length as u64 + 1).await.is_err(), "another length");
        }
    }
}
