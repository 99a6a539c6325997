//! The broker of a drill: the gateway's own, one beside it, or a cluster of three; and how its servers die.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use lienthong::demo::child::{Gateway, is_alive};
use lienthong::demo::world::free_addresses;
use rustix::process::Signal;
use tokio::process::{Child, Command};
use tokio::sync::Mutex;

use super::plan::Extent;
use super::receivers::pause;
use crate::{broker_program, broker_scheme};

/// Which broker a drill has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BrokerKind {
    /// The one that the gateway supervises.
    Managed,
    /// One server beside the gateway.
    Single,
    /// Three servers, three copies of each stream.
    Cluster,
}

/// Servers beside the gateway; none when it has its own.
pub(super) struct Broker {
    servers: Vec<Server>,
}

struct Server {
    address: String,
    config: PathBuf,
    child: Mutex<Option<Child>>,
}

impl Broker {
    /// Writes what servers need.
    ///
    /// # Errors
    /// Files or ports cannot be had.
    pub(super) fn make(kind: BrokerKind, folder: &Path) -> anyhow::Result<Self> {
        let count = match kind {
            BrokerKind::Managed => 0,
            BrokerKind::Single => 1,
            BrokerKind::Cluster => 3,
        };
        let addresses: [String; 6] = free_addresses().map_err(|fault| anyhow::anyhow!(fault.0))?;
        let (clients, routes) = addresses.split_at(3);
        let mut servers = Vec::new();
        for at in 0..count {
            let home = folder.join(format!("broker-{at}"));
            std::fs::create_dir(&home)?;
            let config = home.join("server.conf");
            let mut text = format!(
                "server_name: \"drill-{at}\"\nlisten: \"{}\"\nmax_payload: 2MB\njetstream {{\n  store_dir: \"{}\"\n  \
                 sync_interval: always\n}}\n",
                clients[at],
                home.join("store").display()
            );
            if count > 1 {
                let scheme = broker_scheme();
                let peers: Vec<String> = routes.iter().map(|route| format!("{scheme}://{route}")).collect();
                text += &format!(
                    "cluster {{\n  name: \"drill\"\n  listen: \"{}\"\n  routes: [{}]\n}}\n",
                    routes[at],
                    peers.join(", ")
                );
            }
            std::fs::write(&config, text)?;
            servers.push(Server { address: clients[at].clone(), config, child: Mutex::new(None) });
        }
        Ok(Self { servers })
    }

    /// Lines of the settings' section.
    pub(super) fn settings(&self) -> Vec<String> {
        if self.servers.is_empty() {
            return Vec::new();
        }
        let urls: Vec<String> =
            self.servers.iter().map(|server| format!("{}://{}", broker_scheme(), server.address)).collect();
        vec![format!("url = \"{}\"", urls.join(",")), format!("replicas = {}", self.servers.len())]
    }

    /// Starts every server that does not run, and lets frozen ones go on.
    pub(super) async fn start(&self) {
        for server in &self.servers {
            server.start().await;
            send(server.pid().await, Signal::CONT);
        }
    }

    /// SIGKILL; they are started again after `down`. `chosen` says which one. How many were killed.
    pub(super) async fn kill(
        &self,
        extent: Extent,
        chosen: usize,
        gateway: Option<u32>,
        down: Duration,
    ) -> u64 {
        if self.servers.is_empty() {
            return u64::from(send(gateway, Signal::KILL));
        }
        let hit = self.hit(extent, chosen);
        for server in &hit {
            if let Some(child) = server.child.lock().await.as_mut() {
                drop(child.kill().await);
            }
        }
        pause(down).await;
        for server in &hit {
            server.start().await;
        }
        hit.len() as u64
    }

    /// SIGSTOP, and SIGCONT after `length`. How many were frozen.
    pub(super) async fn freeze(
        &self,
        extent: Extent,
        chosen: usize,
        gateway: Option<u32>,
        length: Duration,
    ) -> u64 {
        let mut pids = Vec::new();
        for server in self.hit(extent, chosen) {
            pids.extend(server.pid().await);
        }
        if self.servers.is_empty() {
            pids.extend(gateway);
        }
        pids.retain(|pid| send(Some(*pid), Signal::STOP));
        pause(length).await;
        pids.iter().filter(|pid| send(Some(**pid), Signal::CONT)).count() as u64
    }

    /// The process of the gateway's own broker, when it has one.
    pub(super) fn own(&self, gateway: &Gateway) -> Option<u32> {
        if self.servers.is_empty() { gateway.broker_pid() } else { None }
    }

    fn hit(&self, extent: Extent, chosen: usize) -> Vec<&Server> {
        match extent {
            Extent::All => self.servers.iter().collect(),
            Extent::One => {
                self.servers.iter().cycle().skip(chosen % self.servers.len().max(1)).take(1).collect()
            }
        }
    }
}

impl Server {
    async fn start(&self) {
        let mut child = self.child.lock().await;
        if child.as_ref().and_then(Child::id).is_some_and(is_alive) {
            return;
        }
        let mut command = Command::new(broker_program());
        command.arg("-c").arg(&self.config).stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
        *child = Some(command.spawn().expect("the broker starts"));
    }

    async fn pid(&self) -> Option<u32> {
        self.child.lock().await.as_ref().and_then(Child::id)
    }
}

/// A signal to a process that may be gone; `false` when it is.
pub(super) fn send(pid: Option<u32>, signal: Signal) -> bool {
    let pid = pid.and_then(|pid| rustix::process::Pid::from_raw(pid.cast_signed()));
    pid.is_some_and(|pid| rustix::process::kill_process(pid, signal).is_ok())
}
