//! The thread that starts the supervised server, hears its output, and starts it again when it dies.
//! It lives as long as the server may: the parent-death signal belongs to the thread that forked.

use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, ChildStderr, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal as Kill};
use tokio::sync::watch;

use crate::at_rest::{self, StoreKey};
use crate::identity::Identity;
use crate::managed::{GuardProgram, Phase, Status};
use crate::probe;

/// How often the port is tried until the server answers.
const PROBE_EVERY: Duration = Duration::from_millis(50);
/// How long a server may take between SIGTERM and its end; then SIGKILL.
pub(crate) const STOP_WAIT: Duration = Duration::from_secs(10);
const BACKOFF_MIN: Duration = Duration::from_millis(100);
const BACKOFF_MAX: Duration = Duration::from_secs(10);
/// A server that has answered for this long died for another reason than its predecessor.
const STEADY: Duration = Duration::from_secs(60);
const LOG_LINE_BYTES_MAX: u64 = 4 * 1024;

/// What the thread waits for.
pub(crate) enum Signal {
    /// End the server and the thread.
    Stop,
    /// The output of the nth server ended: it is dead or as good as dead.
    OutputEnded(u64),
}

enum End {
    Stopped,
    Died { answered_for: Duration },
}

pub(crate) struct Supervisor {
    pub(crate) binary: PathBuf,
    pub(crate) guard: GuardProgram,
    pub(crate) config: PathBuf,
    pub(crate) identity: Identity,
    pub(crate) store_key: Option<StoreKey>,
    pub(crate) status: watch::Sender<Status>,
    pub(crate) sender: Sender<Signal>,
    pub(crate) signals: Receiver<Signal>,
}

impl Supervisor {
    /// The thread's body. Returns after [`Signal::Stop`], when the server is gone.
    pub(crate) fn run(self) {
        let mut backoff = BACKOFF_MIN;
        for round in 0.. {
            self.phase(Phase::Starting);
            match self.spawn(round) {
                Ok(child) => match self.watch(child, round) {
                    End::Stopped => break,
                    End::Died { answered_for } if answered_for >= STEADY => backoff = BACKOFF_MIN,
                    End::Died { .. } => {}
                },
                Err(error) => tracing::error!(%error, "nats-server could not be started"),
            }
            self.status.send_modify(|status| {
                status.phase = Phase::Waiting;
                status.restarts += 1;
            });
            if self.wait(backoff, round).is_some() {
                break;
            }
            backoff = (backoff * 2).min(BACKOFF_MAX);
        }
        self.phase(Phase::Stopped);
    }

    fn phase(&self, phase: Phase) {
        self.status.send_modify(|status| status.phase = phase);
    }

    /// Secrets stand in the config file only, but for the key of the store, which no file has; the environment, which may hold
    /// the gateway's secrets, is not passed on. The server gets a process group of its own, so that Ctrl-C at a terminal reaches the gateway first.
    fn spawn(&self, round: u64) -> std::io::Result<Child> {
        let mut child = Command::new(&self.guard.program)
            .args(&self.guard.first_args)
            .arg(std::process::id().to_string())
            .arg(&self.binary)
            .arg(&self.config)
            .env_clear()
            .envs(self.store_key.as_ref().map(|key| (at_rest::VARIABLE, key.expose())))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .process_group(0)
            .spawn()?;
        let output = child.stderr.take();
        let (sender, identity) = (self.sender.clone(), self.identity.clone());
        let reader = std::thread::Builder::new().name("nats-server-log".to_owned());
        let started = reader.spawn(move || {
            if let Some(output) = output {
                forward(output, &identity);
            }
            // The receiver is gone only when the supervisor is.
            sender.send(Signal::OutputEnded(round)).ok();
        });
        if let Err(error) = started {
            child.kill()?;
            child.wait()?;
            return Err(error);
        }
        tracing::info!(pid = child.id(), port = self.identity.port, "nats-server started");
        Ok(child)
    }

    /// From start to death. Readiness has no time limit: opening a large store takes long, and killing the server
    /// would only make it begin again.
    fn watch(&self, mut child: Child, round: u64) -> End {
        let mut answered: Option<Instant> = None;
        loop {
            if answered.is_none() && probe::hello(&self.identity).is_ok() {
                answered = Some(Instant::now());
                tracing::info!(pid = child.id(), "nats-server answers");
                self.phase(Phase::Running { pid: child.id() });
            }
            let heard = match answered {
                Some(_) => self.signals.recv().ok().or(Some(Signal::Stop)),
                None => self.hear(PROBE_EVERY),
            };
            match heard {
                None => {}
                Some(Signal::Stop) => {
                    self.end(&mut child, round);
                    return End::Stopped;
                }
                Some(Signal::OutputEnded(of)) if of != round => {}
                Some(Signal::OutputEnded(_)) => {
                    let status = reap(&mut child);
                    tracing::error!(pid = child.id(), status, "nats-server died, it is started again");
                    let answered_for = answered.map_or(Duration::ZERO, |since| since.elapsed());
                    return End::Died { answered_for };
                }
            }
        }
    }

    fn hear(&self, within: Duration) -> Option<Signal> {
        match self.signals.recv_timeout(within) {
            Ok(signal) => Some(signal),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => Some(Signal::Stop),
        }
    }

    /// `Some` when asked to stop within this time; output of servers that are gone does not matter.
    fn wait(&self, time: Duration, round: u64) -> Option<()> {
        let until = Instant::now() + time;
        loop {
            match self.hear(until.saturating_duration_since(Instant::now())) {
                Some(Signal::Stop) => return Some(()),
                Some(Signal::OutputEnded(of)) if of <= round => {}
                Some(Signal::OutputEnded(_)) | None => return None,
            }
        }
    }

    fn end(&self, child: &mut Child, round: u64) {
        let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
        if let Some(Err(error)) = pid.map(|pid| rustix::process::kill_process(pid, Kill::TERM)) {
            tracing::warn!(%error, "nats-server could not be asked to stop");
        }
        let until = Instant::now() + STOP_WAIT;
        loop {
            match self.hear(until.saturating_duration_since(Instant::now())) {
                Some(Signal::OutputEnded(of)) if of == round => break,
                None => {
                    tracing::warn!(pid = child.id(), "nats-server did not stop in time, it is killed");
                    break;
                }
                // A second wish to stop does not shorten the time that the first one gave.
                Some(_) => {}
            }
        }
        let status = reap(child);
        tracing::info!(pid = child.id(), status, "nats-server stopped");
    }
}

/// Makes sure that the child is dead, and collects it.
fn reap(child: &mut Child) -> String {
    match child.try_wait() {
        Ok(Some(status)) => return status.to_string(),
        Ok(None) => {}
        Err(error) => return error.to_string(),
    }
    // Its output has ended, so it is exiting by itself or beyond help.
    if let Err(error) = child.kill() {
        tracing::warn!(%error, "nats-server could not be killed");
    }
    child.wait().map_or_else(|error| error.to_string(), |status| status.to_string())
}

/// The server's log lines become ours, without its credentials.
fn forward(output: ChildStderr, identity: &Identity) {
    let mut output = BufReader::new(output);
    let mut line = Vec::new();
    loop {
        line.clear();
        match output.by_ref().take(LOG_LINE_BYTES_MAX).read_until(b'\n', &mut line) {
            Ok(0) | Err(_) => return,
            Ok(_) => {}
        }
        let text = String::from_utf8_lossy(&line);
        let text = text.trim_end().replace(&identity.password, "***").replace(&identity.user, "***");
        // What it cannot decrypt it leaves out, and says so in a warning only.
        let is_trouble = ["[ERR]", "[FTL]", "decrypt"].into_iter().any(|word| text.contains(word));
        if is_trouble {
            tracing::warn!(target: "nats_server", "{text:?}");
        } else {
            tracing::debug!(target: "nats_server", "{text:?}");
        }
    }
}
