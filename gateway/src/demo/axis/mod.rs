//! The Government Office axis as the demo meets it: the national SDK's protocol over HTTP/1.1. It verifies signature and
//! body by its own code, keeps the packets, has a mailbox for the system that it knows, and says what was wrong.

mod post;
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
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::sync::{CancellationToken, DropGuard};

pub use self::post::{Habits, Mail};
use self::post::{Post, ok};
use self::signed::{Signed, unpadded};
use super::sockets::{Sum, accept, answer_http, lock};

/// What intermediaries answer when the axis behind them is away.
const BAD_GATEWAY: &str = "<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body><h1>502 Bad Gateway</h1></body>\r\n</html>\r\n";

/// Begins what is said of a body that ended too early.
const CUT: &str = "cut body";

/// What `updateStatus` and `getEdoc` send as their body.
const LITTLE_BYTES_MAX: usize = 1024;

/// One consignment: a packet and exactly the receivers that it was sent for.
#[derive(Clone, Debug)]
pub struct Consigned {
    /// The id that the axis gave it.
    pub doc_id: String,
    /// `edoc` or `status`.
    pub message_type: String,
    /// `from`.
    pub from: String,
    /// `to`, in its order; empty where the axis was told none.
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
    post: Mutex<Post>,
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
            post: Mutex::default(),
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
        let operation = head.uri.path().strip_prefix("/vxp/").unwrap_or_default().to_owned();
        let answered = match (&head.method, operation.as_str()) {
            (&Method::POST, "sendEdoc") => match self.take(&head.headers, body).await {
                Ok(None) => {
                    return response(StatusCode::BAD_GATEWAY, "text/html", BAD_GATEWAY.to_owned());
                }
                Ok(Some(doc_id)) => Ok(ok(json!({ "DocId": doc_id }))),
                Err(failed) => Err(failed),
            },
            (&Method::GET | &Method::POST, name) if is_operation(name) => {
                self.perform(&operation, &head.headers, body).await
            }
            _ => {
                self.complain(format!("{} {}", head.method, head.uri));
                return response(StatusCode::NOT_FOUND, "text/html", "<html>404</html>".to_owned());
            }
        };
        let json = answered.unwrap_or_else(|(code, why)| {
            // A gateway that is killed cuts what it was sending.
            if !why.starts_with(CUT) {
                self.complain(why.clone());
            }
            let why = why.escape_default().to_string();
            let mut failed = json!({ "status": "FAIL", "ErrorCode": code, "ErrorDesc": why });
            let more = if operation == "sendEdoc" { "DocId" } else { "data" };
            failed[more] = Value::from("");
            failed
        });
        response(StatusCode::OK, "application/json", json.to_string())
    }

    /// Everything but `sendEdoc`: parameters come in signed headers, and the body says nothing.
    async fn perform(&self, operation: &str, headers: &HeaderMap, body: Incoming) -> Result<Value, Failed> {
        let now = SystemClock.now();
        let signed =
            Signed::verify(headers, &self.system_id, &self.secret, now).map_err(|why| ("15", why))?;
        let body = http_body_util::Limited::new(body, LITTLE_BYTES_MAX).collect().await;
        let body = body.map_err(|cause| ("21", format!("{CUT}: {cause}")))?.to_bytes();
        let content = |why: String| ("22", why);
        let wanted: &[u8] = if matches!(operation, "getEdoc" | "updateStatus") { b"{}" } else { b"" };
        if body != wanted || signed.get("Content-Type").map_err(content)? != "application/json" {
            return Err(content(format!("{operation} with a body of {} bytes", body.len())));
        }
        let get = |name: &str| signed.get(name).map_err(content);
        match operation {
            "getEdoc" => self.edoc(get("docId")?),
            "updateStatus" => self.update(get("docId")?, get("status")?),
            "getAgenciesList" | "getAgenciesListQD20" => Ok(self.agencies()),
            _ if get("servicetype")? != "eDoc" => Err(content("servicetype is not eDoc".to_owned())),
            "getReceivedEdocList" => match get("messagetype")? {
                kind @ ("edoc" | "status") => Ok(self.received(kind, now)),
                other => Err(content(format!("messagetype {other}"))),
            },
            _ => self.sent(get("docId")?, now),
        }
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
        let to = signed.receivers().map_err(content)?.unwrap_or_default();
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
        let (doc_id, is_new) = self.enter(new, draft).map_err(|cause| ("20", cause.to_string()))?;
        let taken = self.taken();
        if let Some(consigned) = taken.iter().find(|consigned| is_new && consigned.doc_id == doc_id) {
            self.distribute(consigned)?;
        }
        Ok(Some(doc_id))
    }

    /// The id of a consignment, and whether it is new.
    fn enter(
        &self,
        new: impl FnOnce(usize, PathBuf) -> Consigned,
        draft: tempfile::TempPath,
    ) -> std::io::Result<(String, bool)> {
        let mut entered = Ok((String::new(), false));
        self.taken.send_modify(|taken| {
            let number = taken.len();
            let new = new(number, self.folder.join(number.to_string()));
            let same =
                |old: &&mut Consigned| old.sha256 == new.sha256 && old.to == new.to && old.from == new.from;
            if let Some(old) = taken.iter_mut().find(same) {
                old.times += 1;
                entered = Ok((old.doc_id.clone(), false));
                return;
            }
            let kept = draft.persist(&new.file).map_err(|cause| cause.error);
            entered = kept.map(|()| (new.doc_id.clone(), true));
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

fn is_operation(name: &str) -> bool {
    matches!(
        name,
        "getReceivedEdocList"
            | "getSentEdocList"
            | "getEdoc"
            | "updateStatus"
            | "getAgenciesList"
            | "getAgenciesListQD20"
    )
}

fn response(status: StatusCode, content_type: &'static str, body: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, http::HeaderValue::from_static(content_type));
    response
}
