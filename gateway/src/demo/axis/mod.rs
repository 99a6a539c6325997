//! The Government Office axis as a trial meets it: the national SDK's protocol over HTTP/1.1, for any number of systems. It
//! verifies signature and body by its own code, keeps the packets on disk, has a mailbox for each system, says what was
//! wrong, and fails on command. `lienthong axis-double` is this; so is the axis of the demo and of the tests.

mod answer;
mod control;
mod faults;
mod operation;
mod plan;
mod post;
mod register;
mod rewrite;
mod signed;
mod take;
#[cfg(test)]
mod tests;
mod zip;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use http::request::Parts;
use http::{Method, Request, Response, StatusCode};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use lienthong_config::Network;
use lienthong_pipeline::clock::{SystemClock, after};
use lienthong_pipeline::ports::Clock;
use tokio::net::TcpListener;
use tokio_util::sync::{CancellationToken, DropGuard};

use self::answer::{Answer, Body, failed, short};
pub use self::control::Control;
use self::faults::altered;
pub use self::faults::{FAULTS_MAX, Fault, Manner, SLOW_MAX_MILLISECONDS};
pub use self::operation::Operation;
pub use self::plan::{Agency, AgencyState, Habits, System};
use self::post::Post;
pub use self::post::{Consigned, Mail};
use self::signed::Signed;
use super::sockets::{accept, answer_http, lock};

/// What intermediaries answer when the axis behind them is away.
const BAD_GATEWAY: &str = "<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body><h1>502 Bad Gateway</h1></body>\r\n</html>\r\n";
/// Begins what is said of a body that ended too early.
const CUT: &str = "cut body";
/// What operations without a packet send as their body, at most.
const LITTLE_BYTES_MAX: usize = 64 * 1024;
/// The path before the names of operations.
const PREFIX: &str = "/vxp/";

/// An axis that is to be.
pub struct Plan {
    /// Who is connected to it.
    pub systems: Vec<System>,
    /// How it begins.
    pub habits: Habits,
    /// Who may connect, beside this machine.
    pub networks: Vec<Network>,
    /// Where packets are kept; made where it is not there.
    pub folder: PathBuf,
}

/// The axis. Its consignments stand in the order in which they were first taken.
pub struct Axis {
    systems: Vec<System>,
    networks: Vec<Network>,
    folder: PathBuf,
    address: SocketAddr,
    seed: u64,
    post: Mutex<Post>,
    _open: DropGuard,
}

/// An answer that is no OK: its `ErrorCode`, and why.
type Failed = (&'static str, String);

impl Axis {
    /// Opens one with one system, for which anything goes, on a free loopback port; packets go to `folder`.
    pub async fn open(system_id: &str, secret: &[u8], folder: &Path) -> std::io::Result<Arc<Self>> {
        let system = System { id: system_id.to_owned(), secret: secret.to_vec(), organisations: Vec::new() };
        let (systems, folder) = (vec![system], folder.to_owned());
        let plan = Plan { systems, habits: Habits::default(), networks: Vec::new(), folder };
        Self::open_at(plan, TcpListener::bind(("127.0.0.1", 0)).await?)
    }

    /// Opens one as planned, behind this listener. It is closed when the last handle is dropped.
    pub fn open_at(plan: Plan, listener: TcpListener) -> std::io::Result<Arc<Self>> {
        std::fs::create_dir_all(&plan.folder)?;
        let open = CancellationToken::new();
        let axis = Arc::new(Self {
            systems: plan.systems,
            networks: plan.networks,
            folder: plan.folder,
            address: listener.local_addr()?,
            seed: rand::random(),
            post: Mutex::new(Post { habits: plan.habits, ..Post::default() }),
            _open: open.clone().drop_guard(),
        });
        let served = Arc::downgrade(&axis);
        accept(listener, open, move |stream| {
            let axis = served.upgrade();
            async move {
                let Some(axis) = axis else { return };
                let may = stream.peer_addr().is_ok_and(|peer| axis.admits(peer));
                if may {
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

    /// The id of the first system that it knows.
    pub fn system_id(&self) -> &str {
        self.systems.first().map_or("", |system| &system.id)
    }

    /// From now on this goes wrong; `false`: too much is wrong already.
    pub fn fail(&self, fault: Fault) -> bool {
        self.post().faults.add(fault)
    }

    /// What goes wrong now, and for how many requests more.
    pub fn faults(&self) -> Vec<Fault> {
        self.post().faults.all().to_vec()
    }

    /// Nothing more goes wrong.
    pub fn be_well(&self) {
        self.post().faults.clear();
    }

    /// The next consignment is answered by an HTML page and 502, and not taken.
    pub fn be_away_once(&self) {
        let fault = Fault::of(Operation::SendEdoc, Manner::Page { http: 502 });
        self.fail(Fault { times: Some(1), ..fault });
    }

    /// What was taken.
    pub fn taken(&self) -> Vec<Consigned> {
        self.post().taken.clone()
    }

    /// What was wrong.
    pub fn complaints(&self) -> Vec<String> {
        self.post().complaints.clone()
    }

    fn post(&self) -> MutexGuard<'_, Post> {
        lock(&self.post)
    }

    fn admits(&self, peer: SocketAddr) -> bool {
        let address = peer.ip().to_canonical();
        address.is_loopback() || self.networks.iter().any(|network| network.contains(address))
    }

    /// One request; `None`: the connection is cut.
    async fn answer(&self, request: Request<Incoming>) -> Option<Response<Body>> {
        let (head, mut body) = request.into_parts();
        let exact = self.post().habits.exact;
        let name = head.uri.path().strip_prefix(PREFIX).unwrap_or_default();
        let name = if exact { name } else { name.trim_start_matches('/') };
        let operation = Operation::named(name).filter(|operation| {
            head.method == Method::POST || (head.method == Method::GET && !operation.has_own_body())
        });
        let Some(operation) = operation else {
            self.complain(format!("{} {}", head.method, head.uri));
            return Some(short(StatusCode::NOT_FOUND, "text/html", "<html>404</html>".to_owned()));
        };
        let manner = self.post().faults.next(operation);
        if let Some(manner) = &manner
            && let Some(instead) = instead(manner, operation, &head, &mut body).await
        {
            return instead.0;
        }
        let done = self.perform(operation, &head, body).await;
        self.say_of(operation, done, manner).await
    }

    /// The answer to what was done, or the refusal.
    async fn say_of(
        &self,
        operation: Operation,
        done: Result<Answer, Failed>,
        manner: Option<Manner>,
    ) -> Option<Response<Body>> {
        let answer = match done {
            Ok(answer) => answer,
            Err((code, why)) => {
                // A gateway that is killed cuts what it was sending.
                if !why.starts_with(CUT) {
                    self.complain(why.clone());
                }
                match failed(operation, code, &why.escape_default().to_string()) {
                    Some(said) => Answer::Json(said),
                    None => return Some(short(StatusCode::OK, "application/octet-stream", String::new())),
                }
            }
        };
        let (mut answer, mut is_cut) = (answer, false);
        match &manner {
            Some(Manner::LostAnswer) => return None,
            Some(Manner::CutAnswer) => is_cut = true,
            Some(Manner::Slow { milliseconds }) => {
                let wait = Duration::from_millis(*milliseconds);
                SystemClock.sleep_until(after(SystemClock.now(), wait)).await;
            }
            Some(manner) => answer = altered(answer, manner),
            None => {}
        }
        answer.send(is_cut).await.map_err(|cause| self.complain(cause.to_string())).ok()
    }

    async fn perform(&self, operation: Operation, head: &Parts, body: Incoming) -> Result<Answer, Failed> {
        let (now, exact) = (SystemClock.now(), self.post().habits.exact);
        let system_of = |id: &str| self.systems.iter().find(|system| system.id == id);
        let secret_of = |id: &str| system_of(id).map(|system| system.secret.as_slice());
        let signed = Signed::verify(&head.headers, secret_of, exact, now).map_err(|why| ("15", why))?;
        let content = |why: String| ("22", why);
        let id = signed.get("systemid").map_err(content)?.to_owned();
        let system = self.systems.iter().position(|system| system.id == id).unwrap_or_default();
        if operation == Operation::SendEdoc {
            return self.take(&signed, system, &head.headers, body).await;
        }
        let body = http_body_util::Limited::new(body, LITTLE_BYTES_MAX).collect().await;
        let body = body.map_err(|cause| ("21", format!("{CUT}: {cause}")))?.to_bytes();
        if exact && !operation.has_own_body() {
            let wanted = if head.method == Method::GET { "" } else { operation.body() };
            if body != wanted || signed.get("Content-Type").map_err(content)? != "application/json" {
                return Err(content(format!("{} with a body of {} bytes", operation.as_str(), body.len())));
            }
        }
        self.look(operation, &signed, (&id, system), &body)
    }

    /// Everything but `sendEdoc`: parameters come in signed headers.
    fn look(
        &self,
        operation: Operation,
        signed: &Signed,
        (id, system): (&str, usize),
        body: &[u8],
    ) -> Result<Answer, Failed> {
        let get = |name: &str| signed.get(name).map_err(|why| ("22", why));
        let doc_id = || get("docId").or_else(|_| get("docid"));
        match operation {
            Operation::SendEdoc => Err(("20", "taken elsewhere".to_owned())),
            Operation::GetReceivedEdocList | Operation::GetSentEdocList if get("servicetype")? != "eDoc" => {
                Err(("22", "servicetype is not eDoc".to_owned()))
            }
            Operation::GetReceivedEdocList => match get("messagetype")? {
                kind @ ("edoc" | "status") => Ok(self.received(id, kind)),
                other => Err(("22", format!("messagetype {other}"))),
            },
            Operation::GetSentEdocList => self.sent(id, doc_id()?),
            Operation::GetEdoc => self.fetched(id, doc_id()?).map(Answer::Packet),
            Operation::DownloadEdoc => self.fetched(id, doc_id()?).map(Answer::File),
            Operation::UpdateStatus => self.update(id, doc_id()?, get("status")?),
            Operation::CountReceiveEdoc => Ok(self.count(id, "edoc")),
            Operation::CountReceiveStatus => Ok(self.count(id, "status")),
            Operation::GetAgenciesList => Ok(self.agencies(false)),
            Operation::GetAgenciesListQd20 => Ok(self.agencies(true)),
            Operation::GetSynchronizeUnit => self.unit(system),
            Operation::RegisterAgency => self.register(system, body),
            Operation::DeleteAgency => self.unregister(system, get("AgencyCode")?),
        }
    }
}

/// What is said, and perhaps nothing.
struct Instead(Option<Response<Body>>);

/// What happens instead of the operation; `None`: that is done all the same.
async fn instead(
    manner: &Manner,
    operation: Operation,
    head: &Parts,
    body: &mut Incoming,
) -> Option<Instead> {
    if *manner == Manner::CutBody {
        let length =
            head.headers.get(http::header::CONTENT_LENGTH).and_then(|v| v.to_str().ok()?.parse().ok());
        read(body, length.unwrap_or(0) / 2).await;
        return Some(Instead(None));
    }
    let status = |http: u16| StatusCode::from_u16(http).unwrap_or(StatusCode::BAD_GATEWAY);
    let said = match manner {
        Manner::Status { http } => short(status(*http), "text/plain", String::new()),
        Manner::Page { http } => {
            let page = BAD_GATEWAY.replace("502 Bad Gateway", &status(*http).to_string());
            short(status(*http), "text/html", page)
        }
        Manner::Code { code } => {
            let said = failed(operation, code, "theo lenh / as commanded");
            let text = said.map(|said| said.to_string()).unwrap_or_default();
            short(StatusCode::OK, "application/json;charset=UTF-8", text)
        }
        Manner::Hang => {
            read(body, u64::MAX).await;
            std::future::pending().await
        }
        _ => return None,
    };
    read(body, u64::MAX).await;
    Some(Instead(Some(said)))
}

/// Reads a body up to so many bytes, for nothing.
async fn read(body: &mut Incoming, bytes: u64) {
    let mut came = 0;
    while came < bytes {
        let Some(Ok(frame)) = body.frame().await else { return };
        came += frame.data_ref().map_or(0, |piece| piece.len() as u64);
    }
}
