//! Answers as the protocol has them: JSON in ASCII, HTTP 200 whatever happened; packets as they are read from disk.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures_util::stream::{self, BoxStream, StreamExt};
use http::{HeaderValue, Response, StatusCode, header};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::Frame;
use lienthong_pipeline::clock::{SystemClock, after};
use lienthong_pipeline::ports::Clock;
use serde_json::{Value, json};
use tokio::io::AsyncReadExt;

use super::operation::{Operation, Shape};

/// What is sent.
pub(super) type Body = UnsyncBoxBody<Bytes, io::Error>;

/// Bytes of a packet that are held at a time; a multiple of three.
const PIECE_BYTES: usize = 48 * 1024;
/// What was sent before a cut gets so long to leave.
const BEFORE_A_CUT: Duration = Duration::from_millis(50);

/// What an operation that was done answers.
#[derive(Debug)]
pub(super) enum Answer {
    /// An object.
    Json(Value),
    /// An OK with this packet in `data`.
    Packet(PathBuf),
    /// This packet, as it is.
    File(PathBuf),
}

/// The members that every answer has, and these.
pub(super) fn ok(more: Value) -> Value {
    let mut all = json!({ "status": "OK", "ErrorCode": "0", "ErrorDesc": "Success" });
    if let (Some(all), Value::Object(more)) = (all.as_object_mut(), more) {
        all.extend(more);
    }
    all
}

/// A refusal, with the members that clients need even then; `None`: no body at all.
pub(super) fn failed(operation: Operation, code: &str, why: &str) -> Option<Value> {
    let mut failed = json!({ "status": "FAIL", "ErrorCode": code, "ErrorDesc": why });
    match operation.shape() {
        Shape::DocId => failed["DocId"] = "".into(),
        Shape::List => failed["data"] = Value::Array(Vec::new()),
        Shape::Text => failed["data"] = "".into(),
        Shape::Plain => {}
        Shape::File => return None,
    }
    Some(failed)
}

/// A short body.
pub(super) fn short(status: StatusCode, content_type: &'static str, body: String) -> Response<Body> {
    let mut response = Response::new(Full::from(body).map_err(|never| match never {}).boxed_unsync());
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

impl Answer {
    /// The answer as it is sent; `is_cut`: half of its body, and then the connection breaks.
    pub(super) async fn send(self, is_cut: bool) -> io::Result<Response<Body>> {
        let json = "application/json;charset=UTF-8";
        let (content_type, pieces, bytes) = match self {
            Self::Json(said) => {
                let text = ascii(&said.to_string());
                let bytes = text.len() as u64;
                (json, stream::iter([Ok(Bytes::from(text))]).boxed(), bytes)
            }
            Self::File(path) => {
                let (pieces, bytes) = packet(&path, false).await?;
                ("application/octet-stream", pieces, bytes)
            }
            Self::Packet(path) => {
                let (pieces, bytes) = packet(&path, true).await?;
                let around = ok(json!({ "data": "" })).to_string();
                let (before, after) = around.split_once(r#""data":""#).unwrap_or((&around, ""));
                let before = Bytes::from(format!("{before}\"data\":\""));
                let after = Bytes::from(after.to_owned());
                let length = (before.len() + after.len()) as u64 + bytes;
                let pieces = stream::iter([Ok(before)]).chain(pieces).chain(stream::iter([Ok(after)]));
                (json, pieces.boxed(), length)
            }
        };
        let pieces = if is_cut { cut(pieces, bytes / 2) } else { pieces };
        let body = StreamBody::new(pieces.map(|piece| piece.map(Frame::data)));
        let mut response = Response::new(body.boxed_unsync());
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
        response.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(bytes));
        Ok(response)
    }
}

type Pieces = BoxStream<'static, io::Result<Bytes>>;

/// A packet piece by piece, and how long all of it is; `encode`: as base64.
async fn packet(path: &Path, encode: bool) -> io::Result<(Pieces, u64)> {
    let file = tokio::fs::File::open(path).await?;
    let bytes = file.metadata().await?.len();
    let pieces = stream::try_unfold(file, move |mut file| async move {
        let mut piece = Vec::with_capacity(PIECE_BYTES);
        (&mut file).take(PIECE_BYTES as u64).read_to_end(&mut piece).await?;
        if piece.is_empty() {
            return Ok(None);
        }
        let piece = if encode { STANDARD.encode(piece).into_bytes() } else { piece };
        Ok(Some((Bytes::from(piece), file)))
    });
    let length = if encode { bytes.div_ceil(3) * 4 } else { bytes };
    Ok((pieces.boxed(), length))
}

/// So many bytes of it, and then a fault.
fn cut(pieces: Pieces, bytes: u64) -> Pieces {
    let left = stream::try_unfold((pieces, bytes), |(mut pieces, left)| async move {
        if left == 0 {
            SystemClock.sleep_until(after(SystemClock.now(), BEFORE_A_CUT)).await;
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
        let Some(piece) = pieces.next().await.transpose()? else { return Ok(None) };
        let fits = usize::try_from(left).map_or(piece.len(), |left| left.min(piece.len()));
        Ok(Some((piece.slice(..fits), (pieces, left - fits as u64))))
    });
    left.boxed()
}

/// JSON with every character beyond ASCII escaped; such characters stand in texts only.
fn ascii(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    for c in json.chars() {
        if c.is_ascii() {
            text.push(c);
        } else {
            let units =
                c.encode_utf16(&mut [0; 2]).iter().map(|unit| format!("\\u{unit:04x}")).collect::<String>();
            text.push_str(&units);
        }
    }
    text
}
