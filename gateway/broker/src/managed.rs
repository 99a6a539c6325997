//! A `nats-server` of the gateway's own: started below `<data>/nats/`, watched, started again when it dies, and gone
//! when the gateway is gone. How it is watched: `supervisor.rs`.

use std::ffi::OsString;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::fs::{FlockOperation, Mode, OFlags};
use tokio::sync::watch;

use crate::at_rest::{self, StoreKey, Withheld};
use crate::connect::{Auth, ServerAddress};
use crate::guard::LOCK_FILE;
use crate::identity::Identity;
use crate::supervisor::{Signal, Supervisor};
use crate::version::{self, VersionFault};

/// How long the start waits for an earlier server on the same folder to be gone.
const PREDECESSOR_WAIT: Duration = Duration::from_secs(5);

/// The program that calls [`crate::guard_main`]: the gateway itself with its hidden subcommand.
#[derive(Clone, Debug)]
pub struct GuardProgram {
    /// Its path.
    pub program: PathBuf,
    /// What comes before the guard's own arguments, as `broker-guard`.
    pub first_args: Vec<String>,
}

/// The `nats-server` that the system would run by its name; just the name when there is none, so that the start says
/// what is missing.
pub fn program_on_path() -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut programs = std::env::split_paths(&path).map(|folder| folder.join("nats-server"));
    programs.find(|program| program.is_file()).unwrap_or_else(|| PathBuf::from("nats-server"))
}

/// How a server is supervised.
#[derive(Clone, Debug)]
pub struct ManagedOptions {
    /// The gateway's data folder; the server lives in `nats/` below it.
    pub data_dir: PathBuf,
    /// The path of the `nats-server` program, 2.12 or newer. A path and not a bare name: PATH is not asked.
    pub binary: PathBuf,
    /// What stands between the gateway and the server.
    pub guard: GuardProgram,
    /// How much the server may store, in bytes.
    pub max_store_bytes: u64,
    /// What its store is encrypted with at rest; `None`: not at all.
    pub store_key: Option<StoreKey>,
}

/// Why a server could not be supervised.
#[derive(Debug, thiserror::Error)]
pub enum ManagedFault {
    /// The program is too old, or none.
    #[error(transparent)]
    Version(#[from] VersionFault),
    /// Files in the data folder.
    #[error("preparing {folder}: {source}")]
    Folder {
        /// Which folder.
        folder: String,
        /// What the system said.
        source: io::Error,
    },
    /// Another server still works on this folder.
    #[error("another nats-server still runs on {0}")]
    Busy(String),
    /// No thread could be started.
    #[error("starting the supervisor: {0}")]
    Thread(io::Error),
}

/// What the supervised server is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Started, does not answer yet.
    Starting,
    /// Answers.
    Running {
        /// Its process.
        pid: u32,
    },
    /// Died; waits to be started again.
    Waiting,
    /// Ended by us, or never started.
    Stopped,
}

/// Phase and count of restarts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Status {
    /// What it is doing.
    pub phase: Phase,
    /// How often it was started again since [`ManagedServer::start`].
    pub restarts: u64,
}

/// A supervised server. Dropping it ends the server, and blocks until it is gone (10 s at most, then SIGKILL).
pub struct ManagedServer {
    address: ServerAddress,
    status: watch::Receiver<Status>,
    signals: mpsc::Sender<Signal>,
    thread: Option<JoinHandle<()>>,
    withheld: Option<Withheld>,
}

impl ManagedServer {
    /// Checks the program, settles port and credentials, and starts the supervising thread. Does not wait for the
    /// server to answer. Nothing is started when the store's key is not the one of before: [`ManagedServer::withheld`] says so
    /// then. Blocks for file work, the program's `--version`, and a dying predecessor (5 s at most).
    ///
    /// Port and credentials stay the same for the life of this value, and across starts unless somebody else has the
    /// port.
    pub fn start(options: ManagedOptions) -> Result<Self, ManagedFault> {
        let version = version::check_program(&options.binary)?;
        let folder = options.data_dir.join("nats");
        let at = |source| ManagedFault::Folder { folder: folder.display().to_string(), source };
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder).map_err(at)?;
        let folder = folder.canonicalize().map_err(at)?;
        let at = |source| ManagedFault::Folder { folder: folder.display().to_string(), source };
        wait_for_predecessor(&folder)?;
        let identity = Identity::settle(&folder).map_err(at)?;
        let encrypted = options.store_key.is_some();
        let config = identity.write_config(&folder, options.max_store_bytes, encrypted).map_err(at)?;
        let withheld = at_rest::settle(&folder, options.store_key.as_ref()).map_err(at)?.err();

        let address = ServerAddress {
            urls: vec![format!("nats://127.0.0.1:{}", identity.port)],
            auth: Auth::UserPassword { user: identity.user.clone(), password: identity.password.clone() },
            tls: false,
            ca: None,
            inbox_prefix: None,
        };
        let (sender, signals) = mpsc::channel();
        if withheld.is_some() {
            let (_, status) = watch::channel(Status { phase: Phase::Stopped, restarts: 0 });
            return Ok(Self { address, status, signals: sender, thread: None, withheld });
        }
        tracing::info!(version, port = identity.port, encrypted, "supervising a nats-server");
        let (status_sender, status) = watch::channel(Status { phase: Phase::Starting, restarts: 0 });
        let supervisor = Supervisor {
            binary: options.binary,
            guard: options.guard,
            config,
            identity,
            store_key: options.store_key,
            status: status_sender,
            sender: sender.clone(),
            signals,
        };
        let thread = std::thread::Builder::new().name("nats-supervisor".to_owned());
        let thread = thread.spawn(move || supervisor.run()).map_err(ManagedFault::Thread)?;
        Ok(Self { address, status, signals: sender, thread: Some(thread), withheld })
    }

    /// Why no server was started on this store.
    pub fn withheld(&self) -> Option<Withheld> {
        self.withheld
    }

    /// How to connect to it.
    pub fn address(&self) -> ServerAddress {
        self.address.clone()
    }

    /// What it is doing now.
    pub fn status(&self) -> Status {
        *self.status.borrow()
    }

    /// Changes of its status, for metrics and tests.
    pub fn watch(&self) -> watch::Receiver<Status> {
        self.status.clone()
    }

    /// Asks the server to end (SIGTERM, after 10 s SIGKILL) and returns when it is gone. May be called twice.
    pub async fn stop(&self) {
        self.ask_to_stop();
        let mut status = self.status.clone();
        // An error means that the thread is gone, and with it the server.
        status.wait_for(|status| status.phase == Phase::Stopped).await.ok();
    }

    fn ask_to_stop(&self) {
        // Nobody listens when it has stopped already.
        self.signals.send(Signal::Stop).ok();
    }
}

impl Drop for ManagedServer {
    fn drop(&mut self) {
        self.ask_to_stop();
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the supervisor of nats-server panicked");
        }
    }
}

/// After a kill of the gateway its server may be dying still; the lock that it inherited tells when it is gone.
fn wait_for_predecessor(folder: &Path) -> Result<(), ManagedFault> {
    let at = |source| ManagedFault::Folder { folder: folder.display().to_string(), source };
    let path: OsString = folder.join(LOCK_FILE).into_os_string();
    let flags = OFlags::CREATE | OFlags::RDWR | OFlags::CLOEXEC;
    let lock = rustix::fs::open(&path, flags, Mode::RUSR | Mode::WUSR).map_err(|error| at(error.into()))?;
    if rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive).is_ok() {
        return Ok(());
    }
    let (done, gone) = mpsc::channel();
    let waiter = std::thread::Builder::new().name("nats-predecessor".to_owned());
    waiter
        .spawn(move || {
            let outcome = rustix::fs::flock(&lock, FlockOperation::LockExclusive);
            drop(lock);
            // Nobody listens after the time limit.
            done.send(outcome).ok();
        })
        .map_err(ManagedFault::Thread)?;
    match gone.recv_timeout(PREDECESSOR_WAIT) {
        Ok(outcome) => outcome.map_err(|error| at(error.into())),
        Err(_) => Err(ManagedFault::Busy(folder.display().to_string())),
    }
}
