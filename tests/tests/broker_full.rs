//! The broker's account is full: publishing waits and says why, intake goes on until the spool is full too, and when there is
//! room again everything is delivered. Nothing is dropped anywhere.

use std::path::PathBuf;
use std::process::Stdio;

use acceptance::{Stage, broker_program, broker_scheme, letter, until};
use lienthong::demo::world::{free_address, scan};
use tokio::process::{Child, Command};

const PROGRAM: &str = env!("CARGO_BIN_EXE_lienthong-under-test");

/// Bytes of an attachment: with it a packet still rides along in its message.
const SCAN_BYTES: u64 = 100_000;
/// Of so many packets the broker has no room for all.
const QUOTA: &str = "6MB";
/// More packets than the quota takes.
const LETTERS_MAX: u32 = 60;

/// A broker whose account has this much room.
struct Broker {
    config: PathBuf,
    address: String,
}

impl Broker {
    fn start(&self, max_file: &str) -> Child {
        let store = self.config.with_extension("store");
        let text = format!(
            "listen: \"{}\"\nmax_payload: 2MB\nno_auth_user: anyone\n\
             accounts {{ EDOC {{ jetstream {{ max_file: {max_file} }}, users: [ {{ user: anyone, password: anyone }} ] }} }}\n\
             jetstream {{ store_dir: \"{}\", sync_interval: always }}\n",
            self.address,
            store.display()
        );
        std::fs::write(&self.config, text).expect("written");
        let mut command = Command::new(broker_program());
        command.arg("-c").arg(&self.config).stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
        command.spawn().expect("the broker starts")
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_broker_holds_back_until_there_is_room_and_loses_nothing() {
    let address = free_address().expect("an address");
    let url = format!("url = \"{}://{address}\"", broker_scheme());
    let stage = Stage::open(PROGRAM, &[("broker", &url)]).await;
    let settings = std::fs::read_to_string(&stage.world.config).expect("the settings");
    std::fs::write(&stage.world.config, format!("{settings}\n[spool]\nquota = \"{QUOTA}\"\n"))
        .expect("written");
    let broker = Broker { config: stage.world.folder.join("broker.conf"), address };
    let mut small = broker.start("3MB");
    let mut gateway = stage.start().await;

    let mut accepted = Vec::new();
    let refused = loop {
        let number = accepted.len() as u32 + 1;
        assert!(number <= LETTERS_MAX, "the spool takes them all");
        let document =
            letter(number, &[1]).attach("a.pdf", "application/pdf", scan(SCAN_BYTES, number.into()));
        let packet = stage.signed(&format!("{number}.edxml"), document);
        let answer = stage.submit(&packet).await;
        if answer.status != 202 {
            break answer;
        }
        accepted.push((answer.document_id().expect("a receipt"), packet));
    };
    assert_eq!((refused.status, refused.body["code"].as_str()), (507, Some("STORAGE_FULL")), "{refused:?}");

    let said = until(async || {
        let (status, body) = stage.readyz().await;
        assert_eq!(status, 200, "senders are told by 507, not cut off: {body}");
        body["broker"].as_str().is_some_and(|said| said.contains("% full")).then_some(())
    });
    assert!(said.await.is_some(), "{:?}", stage.readyz().await);
    let waiting = stage.metric("lienthong_outbox_unpublished").await;
    let arrived = stage.world.receivers[1].taken().len();
    assert!(waiting >= 1.0 && arrived >= 1 && arrived < accepted.len(), "{waiting} wait, {arrived} arrived");
    stage.metric_reaches("lienthong_outbox_pending", (accepted.len() - arrived) as f64).await;

    small.kill().await.expect("killed");
    let _large = broker.start("100MB");
    for (document_id, packet) in &accepted {
        assert_eq!(stage.delivered(document_id, packet, &[1]).await, [1], "none came twice");
    }
    stage.nothing_else_arrived([0, accepted.len(), 0]);
    stage.metric_reaches("lienthong_outbox_unpublished", 0.0).await;
    let again = until(async || (stage.readyz().await.1["broker"] == "ok").then_some(()));
    assert!(again.await.is_some(), "{:?}", stage.readyz().await);
    assert_eq!(gateway.stop().await.expect("it stops"), Some(0));
}
