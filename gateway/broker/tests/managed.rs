//! The supervised server as a process: what it shows, and when it lives and dies.

mod support;

use std::io::{BufRead, BufReader};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::{Command, Stdio};

use lienthong_broker::contract::{becomes_ready, next, sample};
use lienthong_broker::{Auth, ManagedFault, ManagedServer, Phase, VersionFault};
use lienthong_pipeline::ports::Broker;
use lienthong_pipeline::record::{AdapterKind, Lane};
use rustix::process::Signal;
use support::{gone, is_gone, options, running, signal, start, status};

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a folder")
}

#[tokio::test]
async fn a_killed_server_comes_back_with_its_data() {
    let data = folder();
    let server = start(data.path()).await;
    let broker = support::broker(&server).await;
    becomes_ready(&broker).await;
    let (before, after) =
        (sample::inline(1, Lane::Normal, b"before"), sample::inline(2, Lane::Normal, b"after"));
    broker.publish(&before).await.expect("published");

    let first = running(&server).await;
    signal(first, Signal::KILL);
    let status = status(&server, |status| {
        status.restarts == 1 && matches!(status.phase, Phase::Running { pid } if pid != first)
    });
    assert_eq!(status.await.restarts, 1, "counted");
    assert!(is_gone(first));

    becomes_ready(&broker).await;
    broker.publish(&after).await.expect("published again");
    broker.publish(&before).await.expect("the repeat is known");
    let mut lane = broker.deliveries(AdapterKind::VendorHttp, Lane::Normal).await.expect("the lane");
    for expected in [before, after] {
        let taken = next(&mut lane).await;
        assert_eq!(taken.message().expect("reads").delivery.id, expected.delivery.id);
        taken.ack().await.expect("acknowledged");
    }
}

#[tokio::test]
async fn a_stopped_server_is_gone_and_comes_back_as_the_same() {
    let data = folder();
    let server = start(data.path()).await;
    let (address, pid) = (server.address(), running(&server).await);
    server.stop().await;
    assert!(is_gone(pid));
    assert_eq!(server.status().phase, Phase::Stopped);
    assert_eq!(server.status().restarts, 0, "that was no death");
    server.stop().await;
    drop(server);

    let server = start(data.path()).await;
    assert_eq!(server.address(), address);
    let pid = running(&server).await;
    drop(server);
    assert!(is_gone(pid), "dropping ends it");
}

#[tokio::test]
async fn a_server_that_does_not_stop_is_killed() {
    let data = folder();
    let server = start(data.path()).await;
    let pid = running(&server).await;
    signal(pid, Signal::STOP);
    tokio::time::timeout(support::PATIENCE, server.stop()).await.expect("within the limit");
    assert!(is_gone(pid));
}

#[tokio::test]
async fn secrets_stand_in_private_files_only() {
    let data = folder();
    let server = start(data.path()).await;
    let Auth::UserPassword { user, password } = server.address().auth else { panic!("a password") };
    let pid = running(&server).await;
    for file in ["cmdline", "environ"] {
        let text = std::fs::read(format!("/proc/{pid}/{file}")).expect("readable");
        let text = String::from_utf8_lossy(&text);
        assert!(!text.contains(&user) && !text.contains(&password), "{file}");
    }
    let nats = data.path().join("nats");
    assert_eq!(nats.metadata().expect("there").mode() & 0o777, 0o700);
    for file in ["nats-server.conf", "identity.json"] {
        let path = nats.join(file);
        assert!(std::fs::read_to_string(&path).expect("text").contains(&password), "{file}");
        assert_eq!(path.metadata().expect("there").mode() & 0o777, 0o600, "{file}");
    }
    let group = rustix::process::getpgid(rustix::process::Pid::from_raw(pid as i32)).expect("there");
    assert_eq!(group.as_raw_nonzero().get() as u32, pid, "Ctrl-C for the gateway is not for the server");
}

#[tokio::test]
async fn a_server_does_not_outlive_its_gateway() {
    let data = folder();
    let mut host = Command::new(support::HOST)
        .arg("hold")
        .arg(data.path())
        .arg(support::nats_server())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("started");
    let mut line = String::new();
    BufReader::new(host.stdout.take().expect("piped")).read_line(&mut line).expect("a line");
    let pid: u32 = line.trim().parse().expect("the server's pid");
    assert!(!is_gone(pid));
    let port = |folder: &Path| std::fs::read_to_string(folder.join("nats/identity.json")).expect("kept");
    let before = port(data.path());

    signal(host.id(), Signal::KILL);
    host.wait().expect("collected");
    // The next gateway does not wait for the dying server; it must neither lose the port nor share the store.
    let server = start(data.path()).await;
    assert!(is_gone(pid), "the store was free");
    running(&server).await;
    assert_eq!(port(data.path()), before);
    gone(pid).await;
}

#[tokio::test]
async fn the_guard_starts_nothing_for_a_dead_parent() {
    let data = folder();
    std::fs::create_dir(data.path().join("nats")).expect("made");
    let config = data.path().join("nats/none.conf");
    let not_us = (std::process::id() - 1).to_string();
    let guard = Command::new(support::HOST)
        .args(["broker-guard", &not_us])
        .arg(support::nats_server())
        .arg(config)
        .output()
        .expect("ran");
    assert!(!guard.status.success());
    assert!(String::from_utf8_lossy(&guard.stderr).contains("the gateway is gone"));
    assert!(!data.path().join("nats/lock").exists(), "it ended before anything else");
}

#[tokio::test]
async fn two_servers_never_share_a_store() {
    let data = folder();
    let server = start(data.path()).await;
    running(&server).await;
    let options = options(data.path());
    let second = tokio::task::spawn_blocking(move || ManagedServer::start(options)).await.expect("no panic");
    assert!(matches!(second, Err(ManagedFault::Busy(_))));
}

#[test]
fn an_old_server_is_refused_by_name_and_version() {
    let data = folder();
    let mut options = options(data.path());
    options.binary = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/old-nats-server");
    let fault = ManagedServer::start(options.clone()).err().expect("refused");
    assert_eq!(fault.to_string(), "nats-server 2.9.10 is too old: 2.12 or newer is needed");

    options.binary = data.path().join("nowhere");
    let fault = ManagedServer::start(options).err().expect("refused");
    assert!(matches!(fault, ManagedFault::Version(VersionFault::NotRun { .. })), "{fault}");
    assert!(!data.path().join("nats").exists(), "nothing was made");
}
