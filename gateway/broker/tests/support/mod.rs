//! A real server for the tests of this folder.
#![allow(dead_code, reason = "each test file uses some of it")]
#![allow(clippy::panic, reason = "this is test code, though not in a test function")]

pub(crate) mod cluster;
pub(crate) mod shipped;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use lienthong_broker::{
    ACK_WAIT, BrokerOptions, GuardProgram, ManagedOptions, ManagedServer, NatsBroker, Phase, ServerAddress,
    Status,
};
use lienthong_monitoring::Metrics;
use lienthong_pipeline::ports::LEASE_TTL;

pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
pub(crate) const MAX_AGE: Duration = Duration::from_secs(40 * 86_400);

/// `LIENTHONG_NATS_SERVER`, the copy that `./check` installs below `target/`, or the one in PATH.
pub(crate) fn nats_server() -> PathBuf {
    #[expect(clippy::disallowed_methods, reason = "a test's switch, not a setting")]
    if let Ok(path) = std::env::var("LIENTHONG_NATS_SERVER") {
        return PathBuf::from(path);
    }
    let installed = "../../target/tools/nats-server-2.15.1/nats-server";
    let installed = Path::new(env!("CARGO_MANIFEST_DIR")).join(installed);
    if installed.exists() {
        return installed;
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut found = std::env::split_paths(&path).map(|folder| folder.join("nats-server"));
    found.find(|program| program.exists()).unwrap_or_else(|| {
        panic!(
            "these tests need nats-server 2.12 or newer: run ./check once (it installs 2.15.1 below target/tools), \
             set LIENTHONG_NATS_SERVER, or put it into PATH"
        )
    })
}

pub(crate) const HOST: &str = env!("CARGO_BIN_EXE_lienthong-broker-testhost");

pub(crate) fn options(data: &Path) -> ManagedOptions {
    ManagedOptions {
        data_dir: data.to_owned(),
        binary: nats_server(),
        guard: GuardProgram { program: HOST.into(), first_args: vec!["broker-guard".to_owned()] },
        max_store_bytes: 1 << 28,
        store_key: None,
    }
}

pub(crate) async fn start(data: &Path) -> ManagedServer {
    let options = options(data);
    let started = tokio::task::spawn_blocking(move || ManagedServer::start(options)).await;
    started.expect("no panic").expect("the server is supervised")
}

/// Waits for a status, and returns it.
pub(crate) async fn status(server: &ManagedServer, wanted: impl FnMut(&Status) -> bool) -> Status {
    let mut watch = server.watch();
    let seen = tokio::time::timeout(PATIENCE, watch.wait_for(wanted)).await.expect("in time");
    *seen.expect("supervised")
}

/// Waits until it answers, and returns its pid.
pub(crate) async fn running(server: &ManagedServer) -> u32 {
    match status(server, |status| matches!(status.phase, Phase::Running { .. })).await.phase {
        Phase::Running { pid } => pid,
        _ => unreachable!("that is what was waited for"),
    }
}

pub(crate) fn broker_options(address: ServerAddress) -> BrokerOptions {
    let name = "test".to_owned();
    let (max_age, blob_bytes_max) = (MAX_AGE, 1 << 30);
    let metrics = Arc::new(Metrics::new("test"));
    BrokerOptions {
        address,
        name,
        node: None,
        replicas: 1,
        max_age,
        blob_bytes_max,
        store_bytes_max: None,
        ack_wait: ACK_WAIT,
        lease_ttl: LEASE_TTL,
        metrics,
    }
}

pub(crate) async fn broker(server: &ManagedServer) -> NatsBroker {
    NatsBroker::connect(&broker_options(server.address())).await.expect("settings that can work")
}

/// A client beside the broker's, to look at what the server has.
pub(crate) async fn onlooker(address: &ServerAddress) -> async_nats::jetstream::Context {
    let lienthong_broker::Auth::UserPassword { user, password } = address.auth.clone() else {
        panic!("a supervised server has a password");
    };
    let options =
        async_nats::ConnectOptions::new().user_and_password(user, password).retry_on_initial_connect();
    let servers: Vec<async_nats::ServerAddr> =
        address.urls.iter().map(|url| url.parse().expect("a url")).collect();
    async_nats::jetstream::new(options.connect(servers).await.expect("connects, or will"))
}

/// Dead, or dead and not yet collected.
pub(crate) fn is_gone(pid: u32) -> bool {
    match std::fs::read_to_string(format!("/proc/{pid}/stat")) {
        Ok(stat) => stat.rsplit(") ").next().is_some_and(|rest| rest.starts_with('Z')),
        Err(_) => true,
    }
}

/// Looks at the process list until this one is gone.
pub(crate) async fn gone(pid: u32) {
    let mut looks = tokio::time::interval(Duration::from_millis(20));
    for _ in 0..1_000 {
        looks.tick().await;
        if is_gone(pid) {
            return;
        }
    }
    panic!("process {pid} is still there");
}

pub(crate) fn signal(pid: u32, signal: rustix::process::Signal) {
    let pid = rustix::process::Pid::from_raw(pid.try_into().expect("a pid")).expect("not zero");
    rustix::process::kill_process(pid, signal).expect("sent");
}
