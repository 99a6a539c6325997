//! A vendor's document system as the demo and the acceptance tests meet it: takes packets over HTTP, checks headers and
//! bytes from `docs/vendor-http.md` alone, shares no code with the adapter, and keeps everything it got.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use openssl::error::ErrorStack;
use openssl::hash::MessageDigest;
use openssl::pkey::PKey;
use openssl::sign::Signer;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::sockets::{Sum, accept, answer_http, lock};

/// Stands in what is said of a body that ended too early.
const CUT: &str = "cut body";

/// One packet that was taken.
#[derive(Clone, Debug)]
pub struct Taken {
    /// `Lienthong-Delivery-Id`.
    pub delivery_id: String,
    /// `Lienthong-Document-Id`.
    pub document_id: String,
    /// `Lienthong-Receiver`.
    pub receiver: String,
    /// `Lienthong-Kind`.
    pub kind: String,
    /// SHA-256 of the bytes that came.
    pub sha256: String,
    /// Their number.
    pub bytes: u64,
    /// How often this delivery came.
    pub times: u32,
    /// Place in the order of first arrival.
    pub order: usize,
    /// Where the bytes are.
    pub file: PathBuf,
}

/// What a vendor's system has and how it behaves.
pub struct Receiver {
    name: String,
    folder: PathBuf,
    secret: Vec<u8>,
    address: SocketAddr,
    taken: watch::Sender<BTreeMap<String, Taken>>,
    complaints: Mutex<Vec<String>>,
    requests: watch::Sender<u64>,
    answer: Mutex<Option<StatusCode>>,
    open: Mutex<Option<CancellationToken>>,
}

impl Receiver {
    /// Opens a system on a free loopback port.
    pub async fn open(name: &str, folder: &Path, secret: &[u8]) -> std::io::Result<Arc<Self>> {
        std::fs::create_dir_all(folder)?;
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let receiver = Arc::new(Self {
            name: name.to_owned(),
            folder: folder.to_owned(),
            secret: secret.to_vec(),
            address: listener.local_addr()?,
            taken: watch::Sender::default(),
            complaints: Mutex::default(),
            requests: watch::Sender::default(),
            answer: Mutex::default(),
            open: Mutex::default(),
        });
        receiver.clone().serve(listener);
        Ok(receiver)
    }

    /// Where packets are to be posted.
    pub fn url(&self) -> String {
        format!("http://{}/edxml", self.address)
    }

    /// The vendor's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Switches the system off: connections are refused.
    pub fn close(&self) {
        if let Some(open) = lock(&self.open).take() {
            open.cancel();
        }
    }

    /// Switches it on again, at the same address.
    pub async fn reopen(self: &Arc<Self>) -> std::io::Result<()> {
        // The listener of before may take a moment to be dropped.
        let mut tries = 0;
        let listener = loop {
            match TcpListener::bind(self.address).await {
                Ok(listener) => break listener,
                Err(cause) if tries >= 100 => return Err(cause),
                Err(_) => tries += 1,
            }
            tokio::time::interval(Duration::from_millis(20)).tick().await;
            tokio::task::yield_now().await;
        };
        self.clone().serve(listener);
        Ok(())
    }

    /// Answers every request with this status instead of taking it; `None`: takes it.
    pub fn answer_with(&self, status: Option<u16>) {
        *lock(&self.answer) = status.and_then(|status| StatusCode::from_u16(status).ok());
    }

    /// Everything taken, by delivery id.
    pub fn taken(&self) -> BTreeMap<String, Taken> {
        self.taken.borrow().clone()
    }

    /// What was wrong with requests.
    pub fn complaints(&self) -> Vec<String> {
        lock(&self.complaints).clone()
    }

    /// Waits until a document has come, at most `wait`.
    pub async fn wait_for(&self, document_id: &str, wait: Duration) -> Option<Taken> {
        let mut taken = self.taken.subscribe();
        let find =
            |all: &BTreeMap<String, Taken>| all.values().find(|t| t.document_id == document_id).cloned();
        let found = tokio::time::timeout(wait, taken.wait_for(|all| find(all).is_some())).await;
        found.ok()?.ok().and_then(|all| find(&all))
    }

    /// Waits until this many requests have been answered, at most `wait`; `false` when they have not.
    pub async fn wait_for_requests(&self, count: u64, wait: Duration) -> bool {
        let mut requests = self.requests.subscribe();
        matches!(tokio::time::timeout(wait, requests.wait_for(|n| *n >= count)).await, Ok(Ok(_)))
    }

    fn serve(self: Arc<Self>, listener: TcpListener) {
        let open = CancellationToken::new();
        *lock(&self.open) = Some(open.clone());
        accept(listener, open, move |stream| {
            let receiver = self.clone();
            async move { answer_http(stream, async |request| Some(receiver.request(request).await)).await }
        });
    }

    async fn request(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let forced = *lock(&self.answer);
        let (status, text) = match forced {
            Some(status) => (status, "theo kịch bản / as scripted".to_owned()),
            None => match self.take(request).await {
                Ok(()) => (StatusCode::OK, "đã nhận / taken".to_owned()),
                Err((status, complaint)) => {
                    // A gateway that is killed cuts what it was sending.
                    if !complaint.contains(CUT) {
                        lock(&self.complaints).push(complaint.clone());
                    }
                    (status, complaint)
                }
            },
        };
        self.requests.send_modify(|n| *n += 1);
        let mut response = Response::new(Full::from(text));
        *response.status_mut() = status;
        response
    }

    async fn take(&self, request: Request<Incoming>) -> Result<(), (StatusCode, String)> {
        let (head, mut body) = request.into_parts();
        let broken = |status, text: &str| (status, format!("{}: {text}", self.name));
        let seconds =
            self.check_signature(&head.headers).map_err(|text| broken(StatusCode::UNAUTHORIZED, &text))?;
        let field =
            |name: &str| header(&head.headers, name).map_err(|text| broken(StatusCode::BAD_REQUEST, &text));
        let length: u64 =
            field("content-length")?.parse().map_err(|_| broken(StatusCode::BAD_REQUEST, "length"))?;
        if head.headers.contains_key("transfer-encoding") || field("content-type")? != "application/xml" {
            return Err(broken(StatusCode::BAD_REQUEST, "chunked, or of another type"));
        }
        let delivery_id = field("lienthong-delivery-id")?;
        let draft = self.folder.join(format!("{delivery_id}.{seconds}.part"));
        let io = |cause: std::io::Error| broken(StatusCode::SERVICE_UNAVAILABLE, &cause.to_string());
        let mut file = tokio::fs::File::create(&draft).await.map_err(io)?;
        let openssl = |cause: ErrorStack| broken(StatusCode::SERVICE_UNAVAILABLE, &cause.to_string());
        let mut sum = Sum::begin().map_err(openssl)?;
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|cause| broken(StatusCode::BAD_REQUEST, &format!("{CUT}: {cause}")))?;
            let Ok(chunk) = frame.into_data() else { continue };
            sum.add(&chunk).map_err(openssl)?;
            file.write_all(&chunk).await.map_err(io)?;
        }
        file.sync_all().await.map_err(io)?;
        let (sha256, bytes) = sum.end().map_err(openssl)?;
        let sha256 = hex::encode(sha256);
        if bytes != length || field("lienthong-digest")? != format!("sha-256={sha256}") {
            return Err(broken(StatusCode::INTERNAL_SERVER_ERROR, "the body is not the one announced"));
        }
        let kept = self.folder.join(&delivery_id);
        tokio::fs::rename(&draft, &kept).await.map_err(io)?;
        let (document_id, receiver) = (field("lienthong-document-id")?, field("lienthong-receiver")?);
        let kind = field("lienthong-kind")?;
        let mut changed = None;
        self.taken.send_modify(|all| {
            let order = all.len();
            let new = Taken {
                delivery_id: delivery_id.clone(),
                document_id,
                receiver,
                kind,
                sha256,
                bytes,
                times: 0,
                order,
                file: kept,
            };
            let entry = all.entry(delivery_id).or_insert_with(|| new.clone());
            entry.times += 1;
            let same =
                |t: &Taken| (t.document_id.clone(), t.receiver.clone(), t.kind.clone(), t.sha256.clone());
            if same(entry) != same(&new) {
                changed = Some(format!(
                    "{}: delivery {} came again with other content",
                    self.name, new.delivery_id
                ));
            }
        });
        match changed {
            Some(complaint) => Err((StatusCode::CONFLICT, complaint)),
            None => Ok(()),
        }
    }

    /// docs/vendor-http.md, "Canonical string"; returns `t`.
    fn check_signature(&self, headers: &HeaderMap) -> Result<i64, String> {
        let signature = header(headers, "lienthong-signature")?;
        let part = |name: &str| {
            signature
                .split(',')
                .find_map(|p| p.trim().strip_prefix(name)?.strip_prefix('='))
                .map(str::to_owned)
        };
        let (seconds, given) = (part("t").ok_or("no t")?, part("v1").ok_or("no v1")?);
        let mut canonical = format!("lienthong-signature-v1\nt:{seconds}\n");
        for name in ["delivery-id", "document-id", "digest", "sender", "receiver", "kind", "timestamp"] {
            let value = header(headers, &format!("lienthong-{name}"))?;
            canonical.push_str(&format!("lienthong-{name}:{value}\n"));
        }
        let key = PKey::hmac(&self.secret).map_err(|cause| cause.to_string())?;
        let signed = Signer::new(MessageDigest::sha256(), &key)
            .and_then(|mut signer| signer.sign_oneshot_to_vec(canonical.as_bytes()))
            .map_err(|cause| cause.to_string())?;
        let given = hex::decode(given).map_err(|_| "v1 is not hex")?;
        if given.len() != signed.len() || !openssl::memcmp::eq(&given, &signed) {
            return Err("the HMAC does not fit".to_owned());
        }
        let time: jiff::Timestamp =
            header(headers, "lienthong-timestamp")?.parse().map_err(|_| "timestamp".to_owned())?;
        let seconds: i64 = seconds.parse().map_err(|_| "t is not a number".to_owned())?;
        if time.as_second() != seconds {
            return Err("t and Lienthong-Timestamp differ".to_owned());
        }
        Ok(seconds)
    }
}

fn header(headers: &HeaderMap, name: &str) -> Result<String, String> {
    let mut values = headers.get_all(name).iter();
    match (values.next().and_then(|v| v.to_str().ok()), values.next()) {
        (Some(value), None) => Ok(value.to_owned()),
        _ => Err(format!("{name} is missing or stands twice")),
    }
}
