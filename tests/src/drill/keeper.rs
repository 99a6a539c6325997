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
use tokio::sync::Mutex;

use super::broker::send;
use super::disk::{Cut, Disk};
use super::ground::{CLOCK_AHEAD, Ground};
use super::plan::PowerCut;
use super::receivers::pause;
use super::tally::Tally;
use crate::{BROKER_VARIABLE, broker_program};

/// How often it is looked whether the gateway still runs.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// Starts that may fail one after the other while nothing is wrong with the disk.
const STARTS_MAX: u32 = 3;
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
        let (disk_is_bad, may_abort) = Default::default();
        Self { ground, at, disk, tally, gateway: Mutex::new(None), disk_is_bad, may_abort }
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
