//! Keeps the gateway running, as an init system would, and does to it what the plan says.

use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use lienthong::cli::CommandFault;
use lienthong::demo::child::{Gateway, is_alive};
use lienthong_pipeline::clock::SystemClock;
use lienthong_pipeline::ports::Clock;
use rustix::process::Signal;
use serde_json::Value;
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::broker::send;
use super::disk::{Cut, Disk};
use super::ground::{CLOCK_AHEAD, Ground, node};
use super::plan::PowerCut;
use super::receivers::{lock, pause};
use super::tally::Tally;
use crate::{BROKER_VARIABLE, broker_program};

/// How often it is looked whether the gateway still runs.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// Starts that may fail one after the other while nothing is wrong with the disk.
const STARTS_MAX: u32 = 3;
/// How long a lost gateway says nothing before it is adopted.
const SILENT_FOR: Duration = Duration::from_secs(61);
/// How long others may be away before one of them adopts it.
const ADOPTED_WITHIN: Duration = Duration::from_secs(300);
/// How long it may take until all is on the broker.
const QUIET_WITHIN: Duration = Duration::from_secs(90);
/// How long after a delivery is published its events are, too.
const SAID_WITHIN: Duration = Duration::from_secs(5);
/// How long after its arming a power cut waits for its moment.
const MOMENT: Duration = Duration::from_secs(1);

/// The gateway and what is done to it, one at a time.
pub(super) struct Keeper {
    /// Where it runs.
    pub(super) ground: Arc<Ground>,
    /// Which of the gateways.
    at: usize,
    /// Its disk; `None` without the fault layer.
    pub(super) disk: Option<Disk>,
    /// Of each loss with its disk: what was receipted until then is on the broker, too.
    pub(super) lost: std::sync::Mutex<Vec<Option<Instant>>>,
    /// What happened.
    pub(super) tally: Arc<Tally>,
    gateway: Mutex<Option<Gateway>>,
    /// Something of the disk is armed, or was since the last heal: it may end by itself.
    pub(super) disk_is_bad: AtomicBool,
    /// It was started with a point at which it dies.
    may_abort: AtomicBool,
}

impl Keeper {
    /// Nothing runs yet.
    pub(super) fn new(ground: Arc<Ground>, at: usize, disk: Option<Disk>, tally: Arc<Tally>) -> Self {
        let (disk_is_bad, may_abort, lost) = Default::default();
        Self { ground, at, disk, lost, tally, gateway: Mutex::new(None), disk_is_bad, may_abort }
    }

    /// What the gateway's clock shows when nobody has put it wrong.
    pub(super) fn right_time(&self) -> Timestamp {
        let ahead = if self.disk.is_some() { CLOCK_AHEAD } else { 0 };
        SystemClock.now() + SignedDuration::from_secs(ahead)
    }

    /// Starts the gateway unless it runs.
    ///
    /// # Errors
    /// It does not become ready though nothing is wrong.
    pub(super) async fn start(&self) -> anyhow::Result<()> {
        let mut gateway = self.gateway.lock().await;
        self.started(&mut gateway, None).await
    }

    /// The process.
    pub(super) async fn pid(&self) -> Option<u32> {
        self.gateway.lock().await.as_ref().and_then(Gateway::pid)
    }

    /// The process of the gateway's own broker.
    pub(super) async fn broker_pid(&self) -> Option<u32> {
        let gateway = self.gateway.lock().await;
        gateway.as_ref().and_then(|gateway| self.ground.broker.own(gateway))
    }

    /// Starts it again whenever it ends, until this future is dropped.
    ///
    /// # Errors
    /// It does not become ready though nothing is wrong.
    pub(super) async fn watch(&self) -> anyhow::Result<()> {
        loop {
            pause(LOOK_EVERY).await;
            let mut gateway = self.gateway.lock().await;
            if gateway.as_ref().and_then(Gateway::pid).is_some_and(is_alive) {
                continue;
            }
            if let Some(mut ended) = gateway.take() {
                self.ended("", ended.end().await);
            }
            self.started(&mut gateway, None).await?;
        }
    }

    /// SIGKILL, a pause, a new start.
    ///
    /// # Errors
    /// See [`Keeper::start`].
    pub(super) async fn kill(&self, down: Duration) -> anyhow::Result<()> {
        let mut gateway = self.gateway.lock().await;
        killed(&mut gateway).await;
        pause(down).await;
        self.started(&mut gateway, None).await
    }

    /// SIGTERM and a new start.
    ///
    /// # Errors
    /// See [`Keeper::start`]; or it does not stop.
    pub(super) async fn restart(&self) -> anyhow::Result<()> {
        let mut gateway = self.gateway.lock().await;
        self.stopped(&mut gateway).await?;
        self.started(&mut gateway, None).await
    }

    /// SIGTERM.
    ///
    /// # Errors
    /// It does not stop, or not well though nothing is wrong.
    pub(super) async fn stop(&self) -> anyhow::Result<()> {
        let mut gateway = self.gateway.lock().await;
        self.stopped(&mut gateway).await
    }

    /// Killed, and started with a named point at which it dies; the watch starts it again.
    ///
    /// # Errors
    /// See [`Keeper::start`].
    pub(super) async fn crash_at(&self, point: &'static str) -> anyhow::Result<()> {
        let mut gateway = self.gateway.lock().await;
        killed(&mut gateway).await;
        self.started(&mut gateway, Some(point)).await
    }

    /// SIGSTOP, and SIGCONT after a while.
    pub(super) async fn freeze(&self, length: Duration) {
        let pid = self.pid().await;
        send(pid, Signal::STOP);
        pause(length).await;
        send(pid, Signal::CONT);
    }

    /// Killed; its store is deleted.
    ///
    /// # Errors
    /// See [`Keeper::start`]; or the folder cannot be removed.
    pub(super) async fn delete_store(&self) -> anyhow::Result<()> {
        let mut gateway = self.gateway.lock().await;
        killed(&mut gateway).await;
        if let Some(disk) = &self.disk {
            disk.settle()?;
        }
        let store = self.ground.data(self.at).join("outbox");
        if store.exists() {
            std::fs::remove_dir_all(store)?;
        }
        if let Some(disk) = &self.disk {
            disk.forget()?;
        }
        self.started(&mut gateway, None).await
    }

    /// Everything that was not synced is gone, then it is started again.
    ///
    /// # Errors
    /// See [`Keeper::start`]; or the journal of the layer does not fit the data folder.
    pub(super) async fn power_cut(&self, cut: PowerCut) -> anyhow::Result<()> {
        let Some(disk) = &self.disk else { return Ok(()) };
        let mut gateway = self.gateway.lock().await;
        if let (Some(nth), Some(pid)) = (cut.at_sync, gateway.as_ref().and_then(Gateway::pid)) {
            self.disk_is_bad.store(true, Ordering::SeqCst);
            disk.kill_at_sync(nth)?;
            let moment = async {
                while is_alive(pid) {
                    pause(Duration::from_millis(10)).await;
                }
            };
            drop(tokio::time::timeout(MOMENT, moment).await);
            disk.disarm()?;
        }
        send(gateway.as_ref().and_then(Gateway::pid), Signal::STOP);
        killed(&mut gateway).await;
        let lost: Cut = disk.cut_power(cut.written)?;
        self.tally.cut(&lost);
        self.started(&mut gateway, None).await
    }

    /// Killed, and its disk is gone; another gateway adopts it, and a new one starts under its name. `quiet`: first its door
    /// is closed until nothing is on that disk alone.
    ///
    /// # Errors
    /// See [`Keeper::start`]; or nobody can adopt it.
    pub(super) async fn lose(&self, quiet: bool) -> anyhow::Result<()> {
        let mut gateway = self.gateway.lock().await;
        self.started(&mut gateway, None).await?;
        let closed = if quiet { Some(self.ground.doors[self.at].write().await) } else { None };
        let covered = if quiet { self.quiet().await } else { self.covered().await };
        killed(&mut gateway).await;
        self.ground.lives[self.at].fetch_add(1, Ordering::SeqCst);
        lock(&self.lost).push(covered);
        self.tally.count(match (quiet && covered.is_some(), covered) {
            (true, _) => "gateway lost with its disk, nothing on that alone",
            (false, Some(_)) => "gateway lost with its disk, all before some seconds elsewhere",
            (false, None) => "gateway lost with its disk, with what was on that alone",
        });
        std::fs::remove_dir_all(self.ground.data(self.at))?;
        drop(closed);
        pause(SILENT_FOR).await;
        self.adopted().await?;
        self.started(&mut gateway, None).await
    }

    /// Waits until all of it is on the broker for a while; `None` when it does not come to that.
    async fn quiet(&self) -> Option<Instant> {
        let (begun, mut since) = (Instant::now(), None);
        while begun.elapsed() < QUIET_WITHIN {
            if self.unpublished().await == Some(0) {
                let since = *since.get_or_insert_with(Instant::now);
                if since.elapsed() >= SAID_WITHIN {
                    return Some(Instant::now());
                }
            } else {
                since = None;
            }
            pause(LOOK_EVERY).await;
        }
        None
    }

    /// Until when what it accepted is on the broker, if that can be said.
    async fn covered(&self) -> Option<Instant> {
        let now = Instant::now();
        let unpublished = self.unpublished().await?;
        if unpublished == 0 { now.checked_sub(SAID_WITHIN) } else { None }
    }

    async fn unpublished(&self) -> Option<u64> {
        let metrics = self.ground.worlds[self.at].metrics();
        let metrics = tokio::time::timeout(Duration::from_secs(2), metrics).await.ok()?.ok()?;
        let line = metrics.lines().find_map(|line| line.strip_prefix("lienthong_outbox_unpublished "))?;
        line.trim().parse().ok()
    }

    /// The next gateway adopts it, as soon as it can.
    async fn adopted(&self) -> anyhow::Result<()> {
        let (begun, by) = (Instant::now(), (self.at + 1) % self.ground.worlds.len());
        while begun.elapsed() < ADOPTED_WITHIN {
            let (ground, name) = (self.ground.clone(), node(self.at));
            let adopt =
                move || ground.operate(by, &["adopt", "--node", &name, "--reason", "dien tap: mat dia"]);
            let adopted = tokio::task::spawn_blocking(adopt).await?;
            if let Some(adopted) = adopted.filter(|adopted| adopted["epoch"].is_u64()) {
                let count = |what: &str| adopted[what].as_u64().unwrap_or_default();
                self.tally.counts("deliveries taken on by an adoption", count("taken_on"));
                return Ok(());
            }
            if self.never_spoke(by).await? {
                self.tally.count("gateway lost before it ever said a word");
                return Ok(());
            }
            pause(Duration::from_secs(2)).await;
        }
        anyhow::bail!("gateway {} is not adopted", self.at)
    }

    /// Whether the others have never heard of it: what it had taken in was on its disk alone, and there is nothing to adopt.
    async fn never_spoke(&self, asked: usize) -> anyhow::Result<bool> {
        let (ground, name) = (self.ground.clone(), node(self.at));
        let nodes = tokio::task::spawn_blocking(move || ground.operate(asked, &["nodes"])).await?;
        let nodes = nodes.as_ref().and_then(Value::as_array);
        Ok(nodes.is_some_and(|nodes| nodes.iter().all(|node| node["node"] != name.as_str())))
    }

    async fn stopped(&self, gateway: &mut Option<Gateway>) -> anyhow::Result<()> {
        let Some(mut running) = gateway.take() else { return Ok(()) };
        send(running.pid(), Signal::TERM);
        let status = running.end().await;
        if status.as_ref().is_ok_and(|status| !status.success()) {
            self.ended("SIGTERM: ", status);
        } else {
            status.map_err(|fault| anyhow::anyhow!(fault.0))?;
        }
        Ok(())
    }

    fn ended(&self, why: &str, status: Result<ExitStatus, CommandFault>) {
        let at_point = status.as_ref().is_ok_and(|status| status.signal() == Some(Signal::ABORT.as_raw()))
            && self.may_abort.load(Ordering::SeqCst);
        let how = status.map_or_else(|fault| fault.0, |status| status.to_string());
        if at_point {
            self.tally.count("gateway died at its point");
        } else {
            self.tally.ended_by_itself(&format!("{why}{how}"), self.disk_is_bad.load(Ordering::SeqCst));
        }
    }

    async fn started(&self, gateway: &mut Option<Gateway>, point: Option<&str>) -> anyhow::Result<()> {
        if gateway.as_ref().and_then(Gateway::pid).is_some_and(is_alive) {
            return Ok(());
        }
        let program = broker_program();
        let program = program.to_string_lossy();
        let mut failed = 0;
        loop {
            let mut environment = vec![(BROKER_VARIABLE.to_owned(), program.to_string())];
            environment.extend(point.map(|point| ("LIENTHONG_CRASH_AT".to_owned(), point.to_owned())));
            if let Some(disk) = &self.disk {
                disk.settle()?;
                environment.extend(disk.environment());
            }
            let environment: Vec<(&str, &str)> =
                environment.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
            let ground = &self.ground;
            match ground.worlds[self.at].start(&ground.program, &environment).await {
                Ok(started) => {
                    *gateway = Some(started);
                    self.may_abort.store(point.is_some(), Ordering::SeqCst);
                    self.tally.starts();
                    return Ok(());
                }
                Err(fault) => {
                    let bad = self.disk_is_bad.load(Ordering::SeqCst);
                    self.tally.start_failed(&fault.0, bad || point.is_some());
                    if point.is_some() {
                        // It died at its point before it was ready; the watch starts it without one.
                        return Ok(());
                    }
                    failed += u32::from(!bad);
                    anyhow::ensure!(failed < STARTS_MAX, "the gateway does not start: {}", fault.0);
                    pause(LOOK_EVERY).await;
                }
            }
        }
    }
}

async fn killed(gateway: &mut Option<Gateway>) {
    if let Some(mut running) = gateway.take() {
        // It may have died by itself a moment ago.
        drop(running.kill().await);
    }
}
