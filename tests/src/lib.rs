//! The ground of the acceptance tests: agencies, receivers, packets, and the gateway under test as a child process.
//! A failing test prints the end of the gateway's log.
#![allow(clippy::panic, clippy::print_stdout, reason = "this is test code, though not in test functions")]

pub mod axis;
pub mod double;
pub mod drill;
pub mod hostile;
mod http_peer;
pub mod mail;
mod outward;
pub mod sdk_client;
pub mod smtp;
mod socket;
mod wire;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use lienthong::cli::CommandFault;
use lienthong::demo::child::{self, Gateway};
use lienthong::demo::world::{AGENCIES, Answer, Wishes, World, digest};
use lienthong_schemas::edxml::DocumentBuilder;
use serde_json::Value;
use tempfile::TempDir;
use tokio::time::Instant;

pub use http_peer::{Asked, ScriptedHttp, answer};
pub use outward::*;
pub use wire::{Heard, Wire};

/// How long anything may take that must happen. A message that a killed gateway had taken comes again after 60 s.
pub const PATIENCE: Duration = Duration::from_secs(150);
/// The file name of the broker's program, which stands in messages about it.
pub const BROKER_PROGRAM: &str = "nats-server";
/// The setting of that program in the environment.
pub const BROKER_VARIABLE: &str = "LIENTHONG_NATS_SERVER";

/// One world and the program that is tested in it.
pub struct Stage {
    /// Agencies 0 (sends), 1 and 2, their systems and files.
    pub world: World,
    program: PathBuf,
    broker_program: String,
    _folder: TempDir,
}

impl Stage {
    /// A world with these lines in sections of the settings. Retries come fast.
    pub async fn open(program: &str, settings: &[(&'static str, &str)]) -> Self {
        let folder = tempfile::Builder::new().prefix("lienthong-test-").tempdir().expect("a folder");
        let fast = [("delivery", "retry_first = \"100ms\"")];
        let settings = settings.iter().chain(&fast).map(|(section, line)| (*section, (*line).to_owned()));
        let wishes = Wishes { settings: settings.collect(), directory: String::new() };
        let world = World::make(folder.path(), &wishes).await.expect("a world");
        let broker_program = broker_program().to_string_lossy().into_owned();
        Self { world, program: program.into(), broker_program, _folder: folder }
    }

    /// Starts the gateway; returns when it is ready.
    pub async fn start(&self) -> Gateway {
        self.start_with(&[]).await.unwrap_or_else(|fault| panic!("{fault}"))
    }

    /// The same with more environment, and the fault when it does not become ready.
    pub async fn start_with(&self, environment: &[(&str, &str)]) -> Result<Gateway, CommandFault> {
        let mut all = vec![(BROKER_VARIABLE, self.broker_program.as_str())];
        all.extend(environment);
        self.world.start(&self.program, &all).await
    }

    /// Runs the program with arguments to its end.
    pub fn run(&self, arguments: &[&str]) -> Output {
        run_with(&self.program, arguments, &[(BROKER_VARIABLE, &self.broker_program)])
    }

    /// A signed letter of agency 0.
    pub fn letter(&self, number: u32, receivers: &[usize]) -> PathBuf {
        self.signed(&format!("{number}.edxml"), letter(number, receivers))
    }

    /// A packet signed by agency 0.
    pub fn signed(&self, name: &str, document: DocumentBuilder) -> PathBuf {
        self.world.packet(name, document, 0).unwrap_or_else(|fault| panic!("{fault}"))
    }

    /// Submits from agency 0 and expects any answer.
    pub async fn submit(&self, packet: &Path) -> Answer {
        self.world.submit(0, packet).await.unwrap_or_else(|fault| panic!("{fault}"))
    }

    /// Submits from agency 0 and expects a receipt; the document's id.
    pub async fn accepted(&self, packet: &Path) -> String {
        self.submit(packet).await.document_id().unwrap_or_else(|fault| panic!("{fault}"))
    }

    /// Waits until agency 0 sees every delivery of its document in `state`; the document as it is shown then.
    pub async fn all_are(&self, document_id: &str, state: &str) -> Value {
        let mut last = Value::Null;
        let found = until(async || {
            last = self.world.show(0, document_id).await.ok()?.body;
            let deliveries = last["deliveries"].as_array()?;
            deliveries.iter().all(|d| d["state"] == state).then(|| last.clone())
        });
        let found = found.await;
        found.unwrap_or_else(|| panic!("{document_id} is not {state} everywhere: {last}"))
    }

    /// Waits until a document is `received` by all, and compares every byte. How often each receiver got it.
    pub async fn delivered(&self, document_id: &str, packet: &Path, receivers: &[usize]) -> Vec<u32> {
        let shown = self.all_are(document_id, "received").await;
        let sent = digest(packet).expect("the packet");
        let mut times = Vec::new();
        for &at in receivers {
            let found = self.world.receivers[at].wait_for(document_id, PATIENCE).await;
            let taken = found.unwrap_or_else(|| panic!("{document_id} is not at {}", AGENCIES[at].code));
            assert_eq!((taken.sha256.as_str(), taken.bytes), (sent.0.as_str(), sent.1), "equal bytes");
            assert_eq!(digest(&taken.file).expect("kept"), sent, "equal bytes on the receiver's disk");
            let deliveries = shown["deliveries"].as_array().expect("deliveries");
            let line = deliveries.iter().find(|line| line["receiver"] == AGENCIES[at].code);
            assert_eq!(line.expect("a line")["delivery_id"], taken.delivery_id.as_str(), "one id for life");
            times.push(taken.times);
        }
        times
    }

    /// Each receiver has exactly so many deliveries, and nothing to complain of.
    pub fn nothing_else_arrived(&self, counts: [usize; 3]) {
        for (receiver, count) in self.world.receivers.iter().zip(counts) {
            assert_eq!(receiver.taken().len(), count, "{}: {:#?}", receiver.name(), receiver.taken());
            assert!(receiver.complaints().is_empty(), "{:?}", receiver.complaints());
        }
    }

    /// The value of a series in `/metrics`, 0 when it is not there.
    pub async fn metric(&self, series: &str) -> f64 {
        let text = self.world.metrics().await.unwrap_or_else(|fault| panic!("{fault}"));
        let mut lines = text.lines().filter_map(|line| line.rsplit_once(' '));
        lines.find(|(name, _)| *name == series).map_or(0.0, |(_, value)| value.parse().expect("a number"))
    }

    /// Waits until a series has reached a value.
    pub async fn metric_reaches(&self, series: &str, value: f64) {
        let reached = until(async || (self.metric(series).await >= value).then_some(())).await;
        assert!(reached.is_some(), "{series} is {} and not {value}", self.metric(series).await);
    }

    /// `/readyz`: status and body.
    pub async fn readyz(&self) -> (u16, Value) {
        let mut wire = Wire::open(&self.world.admin).await;
        let heard = wire.ask("GET /readyz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await;
        (heard.status, heard.body)
    }

    /// The token of an agency's system.
    pub fn token(&self, agency: usize) -> String {
        std::fs::read_to_string(self.world.token_file(agency)).expect("a token")
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = std::fs::read_to_string(&self.world.log).unwrap_or_default();
            let lines: Vec<&str> = log.lines().collect();
            println!("the gateway's log ends:\n{}", lines[lines.len().saturating_sub(40)..].join("\n"));
        }
    }
}

/// A letter of agency 0 with a number of its own.
pub fn letter(number: u32, receivers: &[usize]) -> DocumentBuilder {
    let to: Vec<&str> = receivers.iter().map(|&at| AGENCIES[at].code).collect();
    let from = AGENCIES[0].code;
    DocumentBuilder::new(from, &to)
        .code(&number.to_string(), "UBND-VP")
        .document_id(&format!("{from},2026/01/02,{number}/UBND-VP"))
        .subject(&format!("V/v thử nghiệm số {number}"))
}

/// Looks again and again until there is something to see, at most [`PATIENCE`].
pub async fn until<T>(mut look: impl AsyncFnMut() -> Option<T>) -> Option<T> {
    let (begun, mut ticks) = (Instant::now(), child::ticks());
    while begun.elapsed() < PATIENCE {
        ticks.tick().await;
        if let Some(seen) = look().await {
            return Some(seen);
        }
    }
    None
}

/// Sends a signal to a process.
pub fn signal(pid: u32, signal: rustix::process::Signal) {
    let pid = rustix::process::Pid::from_raw(pid.cast_signed()).expect("a pid");
    rustix::process::kill_process(pid, signal).expect("the process is there");
}

/// Runs a program to its end.
pub fn run_with(program: &Path, arguments: &[&str], environment: &[(&str, &str)]) -> Output {
    let command = Command::new(program).args(arguments).envs(environment.iter().copied()).output();
    command.unwrap_or_else(|cause| panic!("{}: {cause}", program.display()))
}

/// What a program wrote.
pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The broker's program: from the environment, the copy that `./check` puts below `target/`, or the one in PATH.
pub fn broker_program() -> PathBuf {
    if let Some(path) = std::env::var_os(BROKER_VARIABLE) {
        return path.into();
    }
    let installed = workspace().join("target/tools/nats-server-2.15.1/nats-server");
    if installed.exists() {
        return installed;
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).map(|folder| folder.join(BROKER_PROGRAM)).find(|p| p.exists());
    found.unwrap_or_else(|| {
        panic!("{BROKER_PROGRAM} 2.12 or newer is needed: run ./check once, it installs one")
    })
}

/// The broker's name as its URLs and its folder below the data folder have it.
pub fn broker_scheme() -> &'static str {
    BROKER_PROGRAM.split('-').next().unwrap_or_default()
}

/// The folder of the workspace.
pub fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("a workspace").to_owned()
}
