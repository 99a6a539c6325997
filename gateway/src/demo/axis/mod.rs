//! The Government Office axis as the demo meets it: `sendEdoc` of the national SDK's protocol over HTTP/1.1. It verifies
//! signature and body by its own code, keeps the packets, and says what was wrong.

mod signed;
#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use lienthong_pipeline::clock::SystemClock;
use lienthong_pipeline::ports::Clock;
use serde_json::json;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::sync::{CancellationToken, DropGuard};

use self::signed::{Signed, unpadded};
use super::sockets::{Sum, accept, answer_http, lock};

/// What intermediaries answer when the axis behind them is away.
const BAD_GATEWAY: &str = "<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body><h1>502 Bad Gateway</h1></body>\r\n</html>\r\n";

/// Begins what is said of a body that ended too early.
const CUT: &str = "cut body";

/// One consignment: a packet and exactly the receivers that it was sent for.
#[derive(Clone, Debug)]
pub struct Consigned {
    /// The id that the axis gave it.
    pub doc_id: String,
    /// `edoc` or `status`.
    pub message_type: String,
    /// `from`.
    pub from: String,
    /// `to`, in its order.
    pub to: Vec<String>,
    /// SHA-256 of the packet.
    pub sha256: String,
    /// Its length.
    pub bytes: u64,
    /// How often it was taken.
    pub times: u32,
    /// Where the packet is.
    pub file: PathBuf,
}

/// The axis. Its consignments stand in the order in which they were first taken.
pub struct Axis {
    system_id: String,
    secret: Vec<u8>,
    folder: PathBuf,
    address: SocketAddr,
    taken: watch::Sender<Vec<Consigned>>,
    complaints: Mutex<Vec<String>>,
    away_once: AtomicBool,
    _open: DropGuard,
}

/// An answer that is no OK: its `ErrorCode`, and why.
type Failed = (&'static str, String);

impl Axis {
    /// Opens it on a free loopback port; packets go to `folder`.
    pub async fn open(system_id: &str, secret: &[u8], folder: &Path) -> std::io::Result<Arc<Self>> {
        std::fs::create_dir_all(folder)?;
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let open = CancellationToken::new();
        let axis = Arc::new(Self {
            system_id: system_id.to_owned(),
            secret: secret.to_vec(),
            folder: folder.to_owned(),
            address: listener.local_addr()?,
            taken: watch::Sender::default(),
            complaints: Mutex::default(),
            away_once: AtomicBool::default(),
            _open: open.clone().drop_guard(),
        });
        let served = Arc::downgrade(&axis);
        accept(listener, open, move |stream| {
            let axis = served.upgrade();
            async move {
                if let Some(axis) = axis {
                    answer_http(stream, |request| axis.answer(request)).await;
                }
            }
        });
        Ok(axis)
    }

    /// The prefix of its operations.
    pub fn url(&self) -> String {
        format!("http://{}/vxp", self.address)
    }

    /// The id of the system that it knows.
    pub fn system_id(&self) -> &str {
        &self.system_id
    }

    /// The next consignment is answered by an HTML page and 502, and not taken.
    pub fn be_away_once(&self) {
        self.away_once.store(true, Ordering::SeqCst);
    }

    /// What was taken.
    pub fn taken(&self) -> Vec<Consigned> {
        self.taken.borrow().clone()
    }

    /// What was wrong.
    pub fn complaints(&self) -> Vec<String> {
        lock(&self.complaints).clone()
    }

    async fn answer(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let (head, body) = request.into_parts();
        if head.method != Method::POST || head.uri.path() != "/vxp/sendEdoc" {
            self.complain(format!("{} {}", head.method, head.uri));
            return response(StatusCode::NOT_FOUND, "text/html", "<html>404</html>".to_owned());
        }
        let (code, why, doc_id) = match self.take(&head.headers, body).await {
            Ok(None) => return response(StatusCode::BAD_GATEWAY, "text/html", BAD_GATEWAY.to_owned()),
            Ok(Some(doc_id)) => ("0", "Success".to_owned(), doc_id),
            Err((code, why)) => {
                // A gateway that is killed cuts what it was sending.
                if !why.starts_with(CUT) {
                    self.complain(why.clone());
                }
                (code, why.escape_default().to_string(), String::new())
            }
        };
        let status = if code == "0" { "OK" } else { "FAIL" };
        let json = json!({ "status": status, "ErrorCode": code, "ErrorDesc": why, "DocId": doc_id });
        response(StatusCode::OK, "application/json", json.to_string())
    }

    fn complain(&self, what: String) {
        lock(&self.complaints).push(what);
    }

    /// Takes a consignment: the id given to it; `None` when the axis is away.
    async fn take(&self, headers: &HeaderMap, body: Incoming) -> Result<Option<String>, Failed> {
        let signed = Signed::verify(headers, &self.system_id, &self.secret, SystemClock.now());
        let signed = signed.map_err(|why| ("15", why))?;
        let content = |why: String| ("22", why);
        for (name, wanted) in [("servicetype", "eDoc"), ("Content-Type", "application/octet-stream")] {
            if signed.get(name).map_err(content)? != wanted {
                return Err(content(format!("{name} is not {wanted}")));
            }
        }
        let message_type = signed.get("messagetype").map_err(content)?.to_owned();
        if !matches!(message_type.as_str(), "edoc" | "status") {
            return Err(content(format!("messagetype {message_type}")));
        }
        let to = signed.receivers().map_err(content)?;
        let length = headers.get(header::CONTENT_LENGTH).and_then(|v| v.to_str().ok()?.parse().ok());
        let length: u64 = length.ok_or_else(|| content("no Content-Length".to_owned()))?;
        let (digest, bytes, draft) = self.keep(body, length).await.map_err(|why| ("21", why))?;
        if signed.get("hash-file").map_err(content)? != unpadded(&digest) {
            return Err(("21", "hash-file is not that of the packet".to_owned()));
        }
        let sha256 = hex::encode(digest);
        let from = signed.get("from").map_err(content)?.to_owned();
        if self.away_once.swap(false, Ordering::SeqCst) {
            return Ok(None);
        }
        let new = |number: usize, file: PathBuf| Consigned {
            // 24 hexadecimal digits, as the real axis gives them.
            doc_id: format!("{:.16}{number:08x}", sha256),
            message_type,
            from,
            to,
            sha256: sha256.clone(),
            bytes,
            times: 1,
            file,
        };
        self.enter(new, draft).map(Some).map_err(|cause| ("20", cause.to_string()))
    }

    fn enter(
        &self,
        new: impl FnOnce(usize, PathBuf) -> Consigned,
        draft: tempfile::TempPath,
    ) -> std::io::Result<String> {
        let mut entered = Ok(String::new());
        self.taken.send_modify(|taken| {
            let number = taken.len();
            let new = new(number, self.folder.join(number.to_string()));
            let same =
                |old: &&mut Consigned| old.sha256 == new.sha256 && old.to == new.to && old.from == new.from;
            if let Some(old) = taken.iter_mut().find(same) {
                old.times += 1;
                entered = Ok(old.doc_id.clone());
                return;
            }
            entered = draft.persist(&new.file).map_err(|cause| cause.error).map(|()| new.doc_id.clone());
            if entered.is_ok() {
                taken.push(new);
            }
        });
        entered
    }

    /// Keeps the body less its last CR LF, which must be there: digest, length, file.
    async fn keep(
        &self,
        mut body: Incoming,
        length: u64,
    ) -> Result<([u8; 32], u64, tempfile::TempPath), String> {
        let text = |cause: &dyn std::fmt::Display| cause.to_string();
        let draft = tempfile::NamedTempFile::new_in(&self.folder).map_err(|cause| text(&cause))?;
        let (file, draft) = draft.into_parts();
        let mut file = tokio::fs::File::from_std(file);
        let mut sum = Sum::begin().map_err(|cause| text(&cause))?;
        let (mut held, mut came) = (Vec::new(), 0);
        while let Some(frame) = body.frame().await {
            let Ok(piece) = frame.map_err(|cause| format!("{CUT}: {cause}"))?.into_data() else { continue };
            came += piece.len() as u64;
            held.extend_from_slice(&piece);
            let ready = held.len().saturating_sub(2);
            sum.add(&held[..ready]).map_err(|cause| text(&cause))?;
            file.write_all(&held[..ready]).await.map_err(|cause| text(&cause))?;
            held.drain(..ready);
        }
        file.flush().await.map_err(|cause| text(&cause))?;
        let (digest, bytes) = sum.end().map_err(|cause| text(&cause))?;
        if held != b"\r\n" || came != length {
            return Err(format!("{came} bytes of {length} that do not end in CR LF"));
        }
        Ok((digest, bytes, draft))
    }
}

fn response(status: StatusCode, content_type: &'static str, body: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, http::HeaderValue::from_static(content_type));
    response
}
