//! The gateway as a child process, as an operator would run it; and what /proc says of it and its broker.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use tokio::process::{Child, Command};
use tokio::time::{Instant, MissedTickBehavior, interval};

use crate::cli::CommandFault;

/// How long a gateway may take to become ready.
const READY_WITHIN: Duration = Duration::from_secs(60);
/// How often something is looked at that cannot be waited for.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// `lienthong serve` as a child.
pub struct Gateway {
    child: Child,
    admin: String,
}

impl Gateway {
    /// Starts `program serve -c config`, with more environment, its log appended to `log`; returns when `/readyz` says
    /// so.
    pub async fn start(
        program: &Path,
        config: &Path,
        log: &Path,
        admin: &str,
        environment: &[(&str, &str)],
    ) -> Result<Self, CommandFault> {
        let at_log = |cause| CommandFault::at(log.display(), cause);
        let output = File::options().create(true).append(true).open(log).map_err(at_log)?;
        let child = Command::new(program)
            .args(["serve", "-c"])
            .arg(config)
            .envs(environment.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(output)
            .kill_on_drop(true)
            .spawn()
            .map_err(|cause| CommandFault::at(program.display(), cause))?;
        let mut gateway = Self { child, admin: admin.to_owned() };
        gateway.wait_ready(log).await?;
        Ok(gateway)
    }

    async fn wait_ready(&mut self, log: &Path) -> Result<(), CommandFault> {
        crate::serve::install_crypto();
        let client = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(5)).build();
        let client = client.map_err(|cause| CommandFault::at("HTTP", cause))?;
        let address = format!("http://{}/readyz", self.admin);
        let said = |what: &str| {
            let log = std::fs::read_to_string(log).unwrap_or_default();
            let last: Vec<&str> = log.lines().rev().take(20).collect();
            let last: Vec<&str> = last.into_iter().rev().collect();
            CommandFault(format!("{what}; log:\n{}", last.join("\n")))
        };
        let ready = async || client.get(&address).send().await.is_ok_and(|r| r.status().is_success());
        let begun = Instant::now();
        let mut ticks = ticks();
        while begun.elapsed() < READY_WITHIN {
            ticks.tick().await;
            if let Ok(Some(status)) = self.child.try_wait() {
                return Err(said(&format!("the gateway ended at start: {status}")));
            }
            if ready().await {
                return Ok(());
            }
        }
        Err(said("the gateway did not become ready"))
    }

    /// Its process.
    pub fn pid(&self) -> Option<u32> {
        self.child.id()
    }

    /// SIGKILL, and waits until it is gone.
    pub async fn kill(&mut self) -> Result<(), CommandFault> {
        self.child.kill().await.map_err(|cause| CommandFault::at("kill", cause))
    }

    /// SIGTERM, and waits until it is gone; its exit code.
    pub async fn stop(&mut self) -> Result<Option<i32>, CommandFault> {
        if let Some(pid) = self.child.id().and_then(|pid| rustix::process::Pid::from_raw(pid.cast_signed())) {
            let sent = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
            sent.map_err(|cause| CommandFault::at("SIGTERM", cause))?;
        }
        self.ended().await
    }

    /// Waits until it has ended by itself; its exit code, `None` for a signal.
    pub async fn ended(&mut self) -> Result<Option<i32>, CommandFault> {
        self.end().await.map(|status| status.code())
    }

    /// The same, with the signal that ended it.
    pub async fn end(&mut self) -> Result<ExitStatus, CommandFault> {
        let ended = tokio::time::timeout(READY_WITHIN, self.child.wait()).await;
        let ended = ended.map_err(|_| CommandFault("the gateway does not end".to_owned()))?;
        ended.map_err(|cause| CommandFault::at("wait", cause))
    }

    /// Largest memory it ever had, in bytes (`VmHWM` of proc(5)).
    pub fn peak_memory(&self) -> Option<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid()?)).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
        Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? * 1024)
    }

    /// The broker that it supervises: its child process.
    pub fn broker_pid(&self) -> Option<u32> {
        let own = self.pid()?;
        let processes = std::fs::read_dir("/proc").ok()?.flatten();
        let pids = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
        pids.into_iter().find(|pid| parent(*pid) == Some(own))
    }
}

/// The parent of a process that is not a zombie (proc(5), `stat`: state and ppid follow the name in parentheses).
fn parent(pid: u32) -> Option<u32> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    let state = fields.next()?;
    let parent = fields.next()?.parse().ok()?;
    (state != "Z").then_some(parent)
}

/// Whether a process is there and not a zombie.
pub fn is_alive(pid: u32) -> bool {
    parent(pid).is_some()
}

/// A bounded look at what cannot be waited for.
pub fn ticks() -> tokio::time::Interval {
    let mut ticks = interval(LOOK_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}

/// The program that runs now.
pub fn own_program() -> Result<PathBuf, CommandFault> {
    std::env::current_exe().map_err(|cause| CommandFault::at("own program", cause))
}
