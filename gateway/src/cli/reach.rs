//! How operators' commands reach a gateway: over its control socket while it runs; while it is stopped, its data folder
//! is opened under the lock. Both ways give the same answers.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use clap::Args;
use lienthong_config::SETTINGS_BYTES_MAX;
use lienthong_monitoring::Metrics;
use lienthong_outbox::DataLock;
use lienthong_pipeline::directory::Directory;
use lienthong_pipeline::mailbox::Overview;
use lienthong_pipeline::operate::Operate;
use lienthong_pipeline::operate::look::{Page, Shown, Wanted};
use lienthong_pipeline::ports::Listing;
use lienthong_pipeline::view::DocumentView;
use lienthong_pipeline::wakes::Wakes;
use lienthong_schemas::ids::{DeliveryId, DocumentId};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{CommandFault, EXIT_USAGE, complain};
use crate::control::client::{AskFault, Client};
use crate::control::desk::{About, ActRequest, Desk, Outcomes, Status, Verb};
use crate::control::operators::Operators;
use crate::control::{Trouble, TroubleCode};

/// Exit code for what was refused, is not there, or is not well.
pub(super) const EXIT_REFUSED: u8 = 1;
/// How long an answer may take.
const WITHIN: Duration = Duration::from_secs(60);

/// Which gateway.
#[derive(Args, Debug)]
pub(super) struct At {
    /// Tệp cấu hình của trục / Settings file of the gateway
    #[arg(short, long, value_name = "FILE", required_unless_present = "socket")]
    config: Option<PathBuf>,
    /// Hoặc ổ điều khiển của trục đang chạy / Or the control socket of a running gateway
    #[arg(long, value_name = "PATH", conflicts_with = "config")]
    socket: Option<PathBuf>,
}

/// A gateway that answers.
pub(super) enum Reach {
    /// It runs.
    Running(Client),
    /// It is stopped, and its data folder is ours.
    Stopped(Box<Stopped>),
}

/// The data folder of a gateway that is stopped.
pub(super) struct Stopped {
    config: PathBuf,
    desk: Desk,
    operators: Operators,
    _lock: DataLock,
}

impl At {
    /// By this settings file.
    pub(super) fn of(config: &Path) -> Self {
        Self { config: Some(config.to_owned()), socket: None }
    }

    /// The gateway's settings file, when it was found by that.
    pub(super) fn config(&self) -> Option<&Path> {
        self.config.as_deref()
    }

    /// Finds the gateway.
    pub(super) async fn reach(&self) -> Result<Reach, CommandFault> {
        match (self.running().await?, &self.config) {
            (Some(client), _) => Ok(Reach::Running(client)),
            (None, Some(config)) => Ok(Reach::Stopped(Box::new(Stopped::open(config)?))),
            (None, None) => Err(CommandFault(AskFault::Stopped.to_string())),
        }
    }

    /// Finds the gateway, if it runs.
    pub(super) async fn running(&self) -> Result<Option<Client>, CommandFault> {
        let client = match (&self.socket, &self.config) {
            (Some(socket), _) => Client::at(socket),
            (None, Some(config)) => Client::of(&data_dir(config)?),
            (None, None) => {
                return Err(CommandFault("cần -c hoặc --socket (needs -c or --socket)".to_owned()));
            }
        };
        let is_there = client.is_there().await.map_err(|fault| CommandFault(fault.to_string()))?;
        Ok(is_there.then_some(client))
    }
}

/// `gateway.data_dir` alone: an operator need not be able to read the secrets that the settings name.
fn data_dir(config: &Path) -> Result<PathBuf, CommandFault> {
    let fault = |cause: &dyn std::fmt::Display| CommandFault::at(config.display(), cause);
    let mut text = String::new();
    let file = File::open(config).map_err(|cause| fault(&cause))?;
    file.take(SETTINGS_BYTES_MAX).read_to_string(&mut text).map_err(|cause| fault(&cause))?;
    let settings: toml::Table = text.parse().map_err(|cause: toml::de::Error| fault(&cause.message()))?;
    let data_dir = settings.get("gateway").and_then(|gateway| gateway.get("data_dir")?.as_str());
    let data_dir = data_dir.ok_or_else(|| fault(&"gateway.data_dir?"))?;
    Ok(config.parent().unwrap_or_else(|| Path::new(".")).join(data_dir))
}

impl Stopped {
    fn open(config: &Path) -> Result<Self, CommandFault> {
        let settings = crate::serve::settings::load(config)?;
        let (lock, ports) = crate::serve::offline(&settings)?;
        let metrics = Arc::new(Metrics::new(env!("CARGO_PKG_VERSION")));
        let about = About {
            version: env!("CARGO_PKG_VERSION"),
            node: settings.gateway.organ_id.clone(),
            name: settings.gateway.name.clone(),
            started_at: None,
        };
        let operate = Operate::new(ports.clone(), Wakes::default(), metrics.clone());
        let late_after = settings.delivery.late_after;
        let desk = Desk {
            ports,
            operate,
            directory: None,
            metrics,
            about,
            late_after,
            outbox: None,
            staged: None,
            mailboxes: None,
            adopt: None,
            anywhere: None,
        };
        let (config, operators) = (config.to_owned(), Operators::new(&settings.operators));
        Ok(Self { config, desk, operators, _lock: lock })
    }

    /// Whoever can open the data folder could do anything; the name in the history is the one in the settings.
    async fn act(&self, listing: Listing, verb: Verb, request: ActRequest) -> Result<Outcomes, Trouble> {
        let caller = self.operators.caller(rustix::process::geteuid().as_raw())?;
        caller.may_act()?;
        if verb == Verb::Retry {
            return Err(Trouble::new(
                TroubleCode::RequestInvalid,
                "trục đang dừng: khi chạy lại trục sẽ tự gửi ngay",
                "the gateway is stopped: it tries at once when it is started",
            ));
        }
        let job = request.checked(listing, verb, &caller.name)?;
        // This process has no log of its own: the line of each act goes to stderr.
        let log = lienthong_monitoring::logs::install(
            lienthong_monitoring::logs::LogFormat::Json,
            tracing::Level::INFO,
        );
        drop(log);
        if verb != Verb::Reroute {
            return self.desk.act(&self.desk.operate, job).await;
        }
        let (ports, metrics) = (self.desk.ports.clone(), self.desk.metrics.clone());
        let operate = Operate::new(ports, Wakes::default(), metrics).knowing(self.directory()?);
        self.desk.act(&operate, job).await
    }

    /// The directory of the settings, read for a command that needs it.
    fn directory(&self) -> Result<Arc<ArcSwap<Directory>>, Trouble> {
        let loaded = crate::serve::settings::load_all(&self.config).map_err(|faults| {
            let faults = faults.join("; ");
            Trouble::new(TroubleCode::Fault, format!("danh bạ có lỗi: {faults}"), "the directory has faults")
        })?;
        Ok(Arc::new(ArcSwap::from_pointee(loaded.with_rolls())))
    }
}

impl Reach {
    pub(super) async fn status(&self) -> Result<Status, AskFault> {
        match self {
            Self::Running(client) => client.get("/v1/status", WITHIN).await,
            Self::Stopped(stopped) => Ok(stopped.desk.status().await?),
        }
    }

    pub(super) async fn mailboxes(&self) -> Result<Overview, AskFault> {
        match self {
            Self::Running(client) => client.get("/v1/mailboxes", WITHIN).await,
            Self::Stopped(stopped) => Ok(stopped.desk.mailboxes().await?),
        }
    }

    pub(super) async fn list(&self, listing: Listing, wanted: &Wanted) -> Result<Page, AskFault> {
        match self {
            Self::Running(client) => client.get(&with_query(path(listing), wanted), WITHIN).await,
            Self::Stopped(stopped) => Ok(stopped.desk.list(listing, wanted).await?),
        }
    }

    pub(super) async fn delivery(&self, id: DeliveryId) -> Result<Shown, AskFault> {
        match self {
            Self::Running(client) => client.get(&format!("/v1/deliveries/{id}"), WITHIN).await,
            Self::Stopped(stopped) => Ok(stopped.desk.delivery(id).await?),
        }
    }

    pub(super) async fn document(&self, id: DocumentId) -> Result<DocumentView, AskFault> {
        match self {
            Self::Running(client) => client.get(&format!("/v1/documents/{id}"), WITHIN).await,
            Self::Stopped(stopped) => Ok(stopped.desk.document(id).await?),
        }
    }

    pub(super) async fn act(
        &self,
        listing: Listing,
        verb: Verb,
        request: ActRequest,
    ) -> Result<Outcomes, AskFault> {
        match self {
            Self::Running(client) => {
                client.post(&format!("{}/{}", path(listing), verb.word()), &request, WITHIN).await
            }
            Self::Stopped(stopped) => Ok(stopped.act(listing, verb, request).await?),
        }
    }

    /// Leaves a stopped gateway's data folder as it should be left.
    pub(super) async fn close(self) -> Result<(), CommandFault> {
        match self {
            Self::Running(_) => Ok(()),
            Self::Stopped(stopped) => {
                let closed = stopped.desk.ports.store.close().await;
                closed.map_err(|fault| CommandFault(fault.to_string()))
            }
        }
    }
}

/// Does something at a gateway and leaves it; what was refused is said on stderr.
pub(super) async fn at<T>(
    at: &At,
    work: impl AsyncFnOnce(&Reach) -> Result<T, AskFault>,
    shown: impl FnOnce(T) -> Result<ExitCode, CommandFault>,
) -> Result<ExitCode, CommandFault> {
    let reach = at.reach().await?;
    let done = work(&reach).await;
    reach.close().await?;
    match done {
        Ok(found) => shown(found),
        Err(fault) => refused(fault),
    }
}

/// The end of a command that got no answer.
pub(super) fn refused(fault: AskFault) -> Result<ExitCode, CommandFault> {
    let code = match &fault {
        AskFault::Trouble(trouble) => match trouble.code {
            TroubleCode::RequestInvalid | TroubleCode::Fault => EXIT_USAGE,
            TroubleCode::UserUnknown
            | TroubleCode::ViewerOnly
            | TroubleCode::NotFound
            | TroubleCode::Busy => EXIT_REFUSED,
        },
        AskFault::Stopped | AskFault::Wire { .. } => EXIT_USAGE,
    };
    complain(lienthong_schemas::safe_text::SafeText::new(&fault.to_string()).as_str());
    Ok(ExitCode::from(code))
}

const fn path(listing: Listing) -> &'static str {
    match listing {
        Listing::Pending => "/v1/deliveries",
        Listing::DeadLetters => "/v1/dead-letters",
    }
}

/// A path with the fields of a value that are set as its query.
fn with_query(path: &str, fields: &impl Serialize) -> String {
    let fields = serde_json::to_value(fields).unwrap_or_default();
    let pairs = fields.as_object().into_iter().flatten().filter_map(|(name, value)| {
        let text = match value {
            serde_json::Value::Null => return None,
            serde_json::Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        Some(format!("{name}={}", percent_encoded(&text)))
    });
    format!("{path}?{}", pairs.collect::<Vec<_>>().join("&"))
}

/// RFC 3986 section 2.1: everything but unreserved characters.
fn percent_encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => encoded.push(byte.into()),
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

/// The value that serde knows under this word: states and adapters on the command line.
pub(super) fn named<T: DeserializeOwned>(word: &str) -> Result<T, String> {
    let value = serde_json::Value::String(word.to_owned());
    serde_json::from_value(value).map_err(|cause| cause.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use lienthong_schemas::organ::OrganId;

    #[test]
    fn a_query_has_what_is_set_and_nothing_that_means_something_else() {
        let wanted = Wanted {
            sender: OrganId::parse("H55.01").ok(),
            state: named("parked").ok(),
            limit: Some(5),
            ..Wanted::default()
        };
        assert_eq!(with_query("/v1/x", &wanted), "/v1/x?limit=5&sender=H55.01&state=parked");
        assert_eq!(percent_encoded("a&b=c d%ệ"), "a%26b%3Dc%20d%25%E1%BB%87");
    }

    #[test]
    fn the_data_folder_is_found_without_reading_any_secret() {
        let folder = tempfile::tempdir().expect("a folder");
        let config = folder.path().join("lienthong.toml");
        let text = "[gateway]\ndata_dir = \"data\"\n[axes.vpcp]\nsecret_file = \"not here\"\n";
        std::fs::write(&config, text).expect("written");
        assert_eq!(data_dir(&config).expect("found"), folder.path().join("data"));
        for broken in ["", "[gateway]\n", "[gateway]\ndata_dir = 5\n", "[gateway"] {
            std::fs::write(&config, broken).expect("written");
            assert!(data_dir(&config).is_err(), "{broken:?}");
        }
    }
}
