//! The door for systems that speak the national SDK's protocol (spec/vxp-api.md): they change one address and are
//! connected. docs/vendors-sdk.md is what their vendors read.

mod accounts;
mod agencies;
mod answer;
mod file;
mod guard;
mod mailbox;
mod operation;
mod register;
mod sent;
mod signed;
mod submit;

use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::request::Parts;
use axum::http::{Method, Request};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use bytes::Bytes;
use http_body::Body as _;
use jiff::civil::Date;
use lienthong_outbox::KeptFile;
use lienthong_pipeline::clock::after;
use lienthong_pipeline::mailbox::Mailboxes;
use lienthong_pipeline::ports::Fault;
use lienthong_pipeline::record::Waiting;
use lienthong_pipeline::tasks::Tasks;
use lienthong_schemas::edxml::VIETNAM;
use lienthong_schemas::ids::{DeliveryId, DocumentId};
use lienthong_schemas::organ::OrganId;
use lienthong_schemas::rejections::{Rejection, RejectionCode};

pub use self::accounts::{Account, Accounts};

use self::answer::{Answer, no_file};
use self::guard::{Caller, Guard};
use self::operation::{Operation, Shape};
use self::signed::{Claim, Parameters, Unfit};
use super::body::{BodyLimits, Holding, discard};
use super::listener::Source;
use super::problem::rejection_of;
use super::public::{Public, announced};
use crate::rolls::Rolls;

/// The file below the data folder that says where systems came from.
const SEEN: &str = "sdk-sources";
/// Largest body of an operation that takes no packet, in bytes; and the longest wait for it.
const SMALL_BODY_BYTES_MAX: usize = 64 * 1024;
const SMALL_BODY_WAIT: Duration = Duration::from_secs(10);
/// Most that is taken of a packet whose sender is not let in, in bytes, and for how long: the SDK sends all of it before it
/// listens, and would hear of a broken connection, and not why.
const UNHEARD_BYTES_MAX: u64 = 16 << 20;
const UNHEARD_WAIT: Duration = Duration::from_secs(10);

/// Everything that a request needs.
pub struct Sdk {
    /// What it shares with the other door.
    pub public: Arc<Public>,
    /// Who speaks the protocol.
    pub accounts: Arc<ArcSwap<Accounts>>,
    /// Our own code.
    pub own: OrganId,
    /// What waits for them.
    pub mailboxes: Arc<Mailboxes>,
    /// What systems register.
    pub rolls: Arc<Rolls>,
    /// Nobody on the way can read or change a body: it comes over TLS, or does not leave this machine.
    pub is_guarded: bool,
    prefix: String,
    guard: Guard,
    kept: Option<KeptFile>,
}

impl Sdk {
    /// The door behind this path, such as `/sdk`.
    pub fn new(
        public: Arc<Public>,
        accounts: Arc<ArcSwap<Accounts>>,
        own: OrganId,
        mailboxes: Arc<Mailboxes>,
        rolls: Arc<Rolls>,
        is_guarded: bool,
        prefix: String,
    ) -> Self {
        let (guard, kept) = (Guard::default(), None);
        Self { public, accounts, own, mailboxes, rolls, is_guarded, prefix, guard, kept }
    }
}

impl Sdk {
    /// It remembers where systems came from, over restarts. Blocks a moment.
    ///
    /// # Errors
    /// The file cannot be read, or is of a later program.
    pub fn remembering(mut self, data_dir: &Path) -> io::Result<Self> {
        let kept = KeptFile::below(data_dir, SEEN);
        self.guard = Guard::remembering(kept.read()?.unwrap_or_default());
        self.kept = Some(kept);
        Ok(self)
    }

    /// Writes down what is to be remembered, until shutdown. What a disk does not take goes with the next
    /// change; nobody waits.
    ///
    /// # Errors
    /// None; it is a task like others.
    pub async fn keep_remembering(self: Arc<Self>, tasks: Tasks) -> Result<(), Fault> {
        let Some(kept) = self.kept.clone() else { return Ok(()) };
        loop {
            let stops = tokio::select! {
                () = self.guard.changed() => false,
                () = tasks.stopped() => true,
            };
            let (kept, remembered) = (kept.clone(), self.guard.remembered());
            let written = tokio::task::spawn_blocking(move || kept.write(&remembered)).await;
            let written = written.map_err(io::Error::other).flatten();
            if let Err(cause) = written {
                tracing::warn!(%cause, "where systems came from is not written down");
            }
            if stops {
                return Ok(());
            }
        }
    }
}

/// Its routes: whatever stands behind the prefix, a second slash with it, which some settings of the SDK make.
pub fn router(sdk: Arc<Sdk>) -> Router {
    let path = format!("{}/{{*operation}}", sdk.prefix);
    Router::new().route(&path, any(answer)).with_state(sdk)
}

/// A system that asks, and what it asks.
struct Asked {
    account: Account,
    parameters: Parameters,
}

impl Asked {
    /// A parameter; `None` without it.
    fn get(&self, name: &str) -> Result<Option<&str>, Rejection> {
        self.parameters.get(name).map_err(refused)
    }

    /// The id of a document; what is no id is one that nobody has.
    fn document(&self, name: &str) -> Result<DocumentId, Rejection> {
        self.id(name)?.parse().map_err(|_| no_document())
    }

    /// The id of a delivery, in the same way.
    fn delivery(&self, name: &str) -> Result<DeliveryId, Rejection> {
        self.id(name)?.parse().map_err(|_| no_document())
    }

    fn id(&self, name: &str) -> Result<&str, Rejection> {
        self.get(name)?.ok_or_else(|| Rejection::new(RejectionCode::FieldMissing).at("XroadVnpt-docId"))
    }
}

async fn answer(State(sdk): State<Arc<Sdk>>, request: Request<Body>) -> Response {
    let path = request.uri().path();
    let path = path.strip_prefix(sdk.prefix.as_str()).unwrap_or(path).trim_start_matches('/').to_owned();
    let operation = Operation::at(&path);
    let outcome = match operation {
        Some(operation) => sdk.answer(operation, request).await,
        None => Err(Rejection::new(RejectionCode::NotFound).at(path)),
    };
    let label = operation.map_or("other", Operation::label);
    let word = if outcome.is_ok() { "ok" } else { "fail" };
    sdk.public.metrics.sdk_calls.of(label, word).inc();
    outcome
        .unwrap_or_else(|rejection| sdk.refuse(operation.map_or(Shape::Plain, Operation::shape), &rejection))
}

impl Sdk {
    async fn answer(&self, operation: Operation, request: Request<Body>) -> Result<Response, Rejection> {
        if !matches!(*request.method(), Method::GET | Method::POST) {
            return Err(Rejection::new(RejectionCode::MethodNotAllowed));
        }
        let (head, body) = request.into_parts();
        let asked = match self.authenticate(&head).await {
            Ok(asked) => asked,
            Err(rejection) => {
                // Who guesses is cut off.
                if operation == Operation::SendEdoc && rejection.code != RejectionCode::AttemptsTooMany {
                    self.let_speak(&head, body).await;
                }
                return Err(rejection);
            }
        };
        if operation == Operation::SendEdoc {
            return self.submit(&asked, &head.headers, body).await;
        }
        let body = small(body).await?;
        match operation {
            Operation::GetAgenciesList | Operation::GetAgenciesListQd20 => self.agencies(operation, &asked),
            Operation::GetSynchronizeUnit => self.own_unit(&asked),
            Operation::GetSentEdocList => self.sent(&asked).await,
            Operation::GetReceivedEdocList => self.received(&asked).await,
            Operation::CountReceiveEdoc => self.count(&asked, Waiting::Documents).await,
            Operation::CountReceiveStatus => self.count(&asked, Waiting::Statuses).await,
            Operation::GetEdoc => self.fetch(&asked, true).await,
            Operation::DownloadEdoc => self.fetch(&asked, false).await,
            Operation::UpdateStatus => self.update(&asked).await,
            Operation::RegisterAgency | Operation::DeleteAgency => {
                self.register(operation, &asked, body).await
            }
            Operation::SendEdoc | Operation::DownloadEdoc2 => {
                Err(Rejection::new(RejectionCode::OperationOff))
            }
        }
    }

    /// Throws a packet away that is not larger than [`UNHEARD_BYTES_MAX`].
    async fn let_speak(&self, head: &Parts, body: Body) {
        if announced(&head.headers).is_some_and(|bytes| bytes <= UNHEARD_BYTES_MAX) {
            let limits = BodyLimits { bytes_max: UNHEARD_BYTES_MAX, ..self.public.limits };
            let _over_in_time = tokio::time::timeout(UNHEARD_WAIT, discard(body, &limits)).await;
        }
    }

    fn agencies(&self, operation: Operation, asked: &Asked) -> Result<Response, Rejection> {
        let look = self.public.guests.load().look(&asked.account.system)?;
        let directory = self.public.directory.load();
        let units = match operation {
            Operation::GetAgenciesListQd20 => agencies::list_qd20(&directory, self.today()),
            _ => agencies::list(&directory, self.today()),
        };
        let answer = Answer::ok().with("data", units).into_response();
        Ok(answer.map(|body| Body::new(Holding::new(body, look))))
    }

    fn own_unit(&self, asked: &Asked) -> Result<Response, Rejection> {
        let directory = self.public.directory.load();
        let unit = agencies::own_unit(&directory, &asked.account.system, &self.own, self.today());
        let unit =
            unit.ok_or_else(|| Rejection::new(RejectionCode::SenderUnknown).at("XroadVnpt-systemid"))?;
        Ok(Answer::ok().with("data", unit).into_response())
    }

    async fn sent(&self, asked: &Asked) -> Result<Response, Rejection> {
        let id = asked.document("docId")?;
        let system = &asked.account.system;
        let look = self.public.guests.load().look(system)?;
        let directory = self.public.directory.load_full();
        let entries = sent::list(&self.public.ports, &directory, system, id).await;
        let entries = entries.map_err(|fault| rejection_of(fault.into()))?.ok_or_else(no_document)?;
        let answer = Answer::ok().with("data", entries).into_response();
        Ok(answer.map(|body| Body::new(Holding::new(body, look))))
    }

    /// The day it is in Vietnam.
    fn today(&self) -> Date {
        self.public.ports.clock.now().to_zoned(VIETNAM.to_time_zone()).date()
    }

    /// Who asks, by the signed headers (section 2 there). Who is not known hears the same, and waits as long, as who has the
    /// wrong secret.
    async fn authenticate(&self, head: &Parts) -> Result<Asked, Rejection> {
        // Without an address there is one that nobody has: all such are counted together.
        let source =
            head.extensions.get::<Source>().map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |source| source.0);
        let missing = || Rejection::new(RejectionCode::CredentialsMissing).at("XroadVnpt-hash-header");
        let claim = Claim::read(&head.headers).ok_or_else(missing)?;
        let accounts = self.accounts.load_full();
        let (claimed, now) = (claim.system_id, self.public.ports.clock.now());
        let account = accounts.find(claimed);
        let is_named = account.is_some_and(|account| account.names(source));
        let caller =
            Caller { claimed, system: account.map(|account| &account.system), is_named, address: source };
        if !self.guard.hears(caller, now) {
            return Err(Rejection::new(RejectionCode::AttemptsTooMany));
        }
        let signer = accounts.signer_of(&claim);
        let allowed = signer.filter(|account| account.allows(source));
        let Some(account) = allowed else {
            if let Some(account) = signer {
                tracing::warn!(system = %account.system, %source, "a right signature from outside allowed_cidrs");
            }
            let wait = self.guard.failed(caller, now);
            if !wait.is_zero() {
                self.public.ports.clock.sleep_until(after(now, wait)).await;
            }
            return Err(Rejection::new(RejectionCode::CredentialsUnknown));
        };
        if self.guard.came(&account.system, source) {
            tracing::warn!(system = %account.system, %source, "a system comes from an address that it has not used before");
            self.public.metrics.sdk_new_sources.inc();
        }
        let parameters = claim.parameters(now).map_err(refused)?;
        Ok(Asked { account: account.clone(), parameters })
    }

    fn refuse(&self, shape: Shape, rejection: &Rejection) -> Response {
        self.public.note_refused(rejection);
        match shape {
            Shape::File => no_file(rejection),
            _ => Answer::failed(shape, rejection, &self.public.guests.load().hotline).into_response(),
        }
    }
}

/// What is not there, and what is not for this system, alike.
fn no_document() -> Rejection {
    Rejection::new(RejectionCode::NotFound).at("XroadVnpt-docId")
}

/// The signature is right, and the request is not what is signed.
fn refused(unfit: Unfit) -> Rejection {
    Rejection::new(RejectionCode::CredentialsUnknown).at(unfit.header).because(unfit.cause)
}

/// Takes a body that says little or nothing: with it the connection can be used again.
async fn small(body: Body) -> Result<Bytes, Rejection> {
    if body.is_end_stream() {
        return Ok(Bytes::new());
    }
    let read = axum::body::to_bytes(body, SMALL_BODY_BYTES_MAX);
    let read = tokio::time::timeout(SMALL_BODY_WAIT, read).await;
    let read = read.map_err(|_| Rejection::new(RejectionCode::BodyTooSlow))?;
    read.map_err(|_| Rejection::new(RejectionCode::BodyTooLarge))
}
