//! The broker is away: intake goes on, the operator is told, and everything is delivered when it is back. Its own
//! broker dies with the gateway and lives again with the same port and store; one that is too old is refused.

use std::path::PathBuf;
use std::process::Stdio;

use acceptance::{
    BROKER_PROGRAM, BROKER_VARIABLE, Stage, broker_program, broker_scheme, run_with, signal, text, until,
    workspace,
};
use lienthong::demo::child::{Gateway, is_alive};
use lienthong::demo::world::free_address;
use rustix::process::Signal;
use tokio::process::{Child, Command};

const PROGRAM: &str = env!("CARGO_BIN_EXE_lienthong-under-test");

/// A broker that this test starts and stops itself.
struct ExternalBroker {
    config: PathBuf,
}

impl ExternalBroker {
    fn at(address: &str, folder: PathBuf) -> Self {
        std::fs::create_dir(&folder).expect("a folder");
        let config = folder.join("server.conf");
        let text = format!(
            "listen: \"{address}\"\nmax_payload: 2MB\njetstream {{\n  store_dir: \"{}\"\n  sync_interval: always\n}}\n",
            folder.join("store").display()
        );
        std::fs::write(&config, text).expect("written");
        Self { config }
    }

    /// From its next start on nobody may publish to this subject.
    fn deny(&self, subject: &str) {
        let mut file = std::fs::OpenOptions::new().append(true).open(&self.config).expect("settings");
        let users = format!(
            "no_auth_user: anyone\nauthorization {{ users: [ {{ user: anyone, password: anyone, permissions: \
             {{ publish: {{ deny: [\"{subject}\"] }} }} }} ] }}\n"
        );
        std::io::Write::write_all(&mut file, users.as_bytes()).expect("written");
    }

    fn start(&self) -> Child {
        let mut command = Command::new(broker_program());
        command.arg("-c").arg(&self.config).stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
        command.spawn().expect("the broker starts")
    }
}

/// `/readyz` says that documents are taken, and whether the broker answers.
async fn broker_answers(stage: &Stage, wanted: bool) {
    let mut last = None;
    let found = until(async || {
        let (status, body) = stage.readyz().await;
        assert_eq!((status, body["ready"].as_bool()), (200, Some(true)), "{body}");
        let answers = body["broker"] == "ok";
        last = Some(body);
        (answers == wanted).then_some(())
    });
    assert!(found.await.is_some(), "{last:?}");
}

/// The process of the gateway's own broker, other than `before`.
async fn own_broker(gateway: &Gateway, before: Option<u32>) -> u32 {
    let found = until(async || gateway.broker_pid().filter(|pid| Some(*pid) != before)).await;
    found.expect("a broker below the gateway")
}

async fn is_gone(pid: u32) {
    assert!(until(async || (!is_alive(pid)).then_some(())).await.is_some(), "process {pid} is still there");
}

#[tokio::test(flavor = "multi_thread")]
async fn intake_goes_on_while_an_external_broker_is_away() {
    let address = free_address().expect("an address");
    let url = format!("url = \"{}://{address}\"", broker_scheme());
    let stage = Stage::open(PROGRAM, &[("broker", &url)]).await;
    let external = ExternalBroker::at(&address, stage.world.folder.join("broker"));

    // It is not even there when the gateway starts.
    let mut gateway = stage.start().await;
    broker_answers(&stage, false).await;
    let mut sent = vec![];
    let before = stage.letter(1, &[1, 2]);
    sent.push((stage.accepted(&before).await, before));
    let mut broker = external.start();
    stage.delivered(&sent[0].0, &sent[0].1, &[1, 2]).await;
    broker_answers(&stage, true).await;

    broker.kill().await.expect("killed");
    broker_answers(&stage, false).await;
    for number in 2..7 {
        let packet = stage.letter(number, &[1, 2]);
        let answer = stage.submit(&packet).await;
        assert_eq!((answer.status, answer.body["durability"].as_str()), (202, Some("local")));
        sent.push((answer.document_id().expect("accepted"), packet));
    }
    assert_eq!(stage.metric("lienthong_outbox_unpublished").await, 10.0);
    assert_eq!(stage.metric("lienthong_broker_up").await, 0.0);
    stage.nothing_else_arrived([0, 1, 1]);

    let _broker = external.start();
    for (document_id, packet) in &sent {
        stage.delivered(document_id, packet, &[1, 2]).await;
    }
    broker_answers(&stage, true).await;
    stage.nothing_else_arrived([0, 6, 6]);
    assert_eq!(gateway.stop().await.expect("it stops"), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_external_broker_refuses_is_told_and_goes_out_once_it_may() {
    let address = free_address().expect("an address");
    let url = format!("url = \"{}://{address}\"", broker_scheme());
    let stage = Stage::open(PROGRAM, &[("broker", &url)]).await;
    let external = ExternalBroker::at(&address, stage.world.folder.join("broker"));
    let free = std::fs::read(&external.config).expect("settings");
    external.deny("lt.dlv.vendor_http.n.>");
    let mut broker = external.start();
    let mut gateway = stage.start().await;
    broker_answers(&stage, true).await;

    let packet = stage.letter(1, &[1, 2]);
    let document = stage.accepted(&packet).await;
    let told = until(async || {
        let (status, body) = stage.readyz().await;
        let said = body["broker"].as_str().unwrap_or_default().to_owned();
        assert_eq!((status, body["ready"].as_bool()), (200, Some(true)), "documents are taken: {body}");
        (said.contains("refuses this gateway") && said.contains("lt.dlv.vendor_http.n.")).then_some(())
    });
    assert!(told.await.is_some(), "{:?}", stage.readyz().await);
    assert!(stage.metric("lienthong_broker_refusals_total").await > 0.0);
    stage.nothing_else_arrived([0, 0, 0]);

    broker.kill().await.expect("killed");
    std::fs::write(&external.config, free).expect("written");
    let _broker = external.start();
    stage.delivered(&document, &packet, &[1, 2]).await;
    stage.nothing_else_arrived([0, 1, 1]);
    assert_eq!(gateway.stop().await.expect("it stops"), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_gateways_own_broker_dies_freezes_and_comes_back() {
    let stage = Stage::open(PROGRAM, &[]).await;
    let mut gateway = stage.start().await;
    broker_answers(&stage, true).await;
    let first = own_broker(&gateway, None).await;
    let identity = stage.world.folder.join("data").join(broker_scheme()).join("identity.json");
    let identity = || std::fs::read(&identity).expect("an identity");
    let kept = identity();
    let before = stage.letter(1, &[1, 2]);
    let mut sent = vec![(stage.accepted(&before).await, before)];
    stage.delivered(&sent[0].0, &sent[0].1, &[1, 2]).await;

    signal(first, Signal::KILL);
    let packet = stage.letter(2, &[1, 2]);
    sent.push((stage.accepted(&packet).await, packet));
    let second = own_broker(&gateway, Some(first)).await;
    stage.delivered(&sent[1].0, &sent[1].1, &[1, 2]).await;
    assert_eq!(identity(), kept, "name, port and credentials stay");
    assert!(stage.metric("lienthong_broker_restarts_total").await >= 1.0);

    // Frozen: it has the connection and says nothing.
    signal(second, Signal::STOP);
    broker_answers(&stage, false).await;
    let packet = stage.letter(3, &[1, 2]);
    sent.push((stage.accepted(&packet).await, packet));
    if is_alive(second) {
        signal(second, Signal::CONT);
    }
    stage.delivered(&sent[2].0, &sent[2].1, &[1, 2]).await;

    let last = own_broker(&gateway, None).await;
    gateway.kill().await.expect("SIGKILL");
    is_gone(last).await;

    let mut gateway = stage.start().await;
    let third = own_broker(&gateway, Some(last)).await;
    assert_eq!(identity(), kept, "the same across a restart of the gateway");
    let packet = stage.letter(4, &[1, 2]);
    sent.push((stage.accepted(&packet).await, packet));
    for (document_id, packet) in &sent {
        assert_eq!(stage.delivered(document_id, packet, &[1, 2]).await, [1, 1], "none came twice");
    }
    assert_eq!(gateway.stop().await.expect("it stops"), Some(0));
    is_gone(third).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_is_too_old_is_refused_by_name_and_version() {
    let stage = Stage::open(PROGRAM, &[]).await;
    let old = workspace().join("gateway/broker/tests/fixtures").join(format!("old-{BROKER_PROGRAM}"));
    let old = old.to_string_lossy();
    let config = stage.world.config.to_string_lossy();
    let output = run_with(PROGRAM.as_ref(), &["serve", "-c", &config], &[(BROKER_VARIABLE, &old)]);
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(3), "{said}");
    assert!(said.contains(BROKER_PROGRAM) && said.contains("2.9.10"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn another_master_key_starts_no_broker_and_intake_goes_on() {
    let stage = Stage::open(PROGRAM, &[]).await;
    let (right, other) = ("01".repeat(16) + &"ab".repeat(16), "02".repeat(16) + &"cd".repeat(16));
    let start =
        async |key: &str| stage.start_with(&[("LIENTHONG_MASTER_KEY", key)]).await.expect("it starts");
    let mut gateway = start(&right).await;
    let mut sent = vec![];
    let packet = stage.letter(1, &[1, 2]);
    sent.push((stage.accepted(&packet).await, packet));
    stage.delivered(&sent[0].0, &sent[0].1, &[1, 2]).await;
    assert_eq!(gateway.stop().await.expect("it stops"), Some(0));

    let mut gateway = start(&other).await;
    broker_answers(&stage, false).await;
    assert_eq!(gateway.broker_pid(), None);
    let said = stage.readyz().await.1["broker"].to_string();
    assert!(said.contains("encrypted with another master key"), "{said}");
    let packet = stage.letter(2, &[1, 2]);
    sent.push((stage.accepted(&packet).await, packet));
    stage.nothing_else_arrived([0, 1, 1]);
    assert_eq!(gateway.stop().await.expect("it stops"), Some(0));

    let mut gateway = start(&right).await;
    broker_answers(&stage, true).await;
    for (document_id, packet) in &sent {
        assert_eq!(stage.delivered(document_id, packet, &[1, 2]).await, [1, 1], "none came twice");
    }
    assert_eq!(gateway.stop().await.expect("it stops"), Some(0));
}
