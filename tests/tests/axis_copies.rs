//! One packet for receivers here and beyond the axis, in each setting of ours and each habit of the axis: everybody gets
//! one copy, and what comes back to us is known again.

use std::sync::Arc;

use acceptance::sdk_client::SdkClient;
use acceptance::{PATIENCE, Stage, letter_to, organisation, until};
use lienthong::demo::axis::{Axis, Habits, Mail, Plan, System};
use lienthong::demo::world::AGENCIES;
use lienthong_schemas::organ::OrganId;
use tokio::net::TcpListener;

const PROGRAM: &str = env!("CARGO_BIN_EXE_lienthong-under-test");
const SECRET: &str = "truc-thu-nghiem-0123456789abcdef";
/// At home here, with a mailbox; `AGENCIES[1]` is sent to.
const WITH_MAILBOX: &str = "H55.31";
/// Behind the axis, at a system of their own.
const BEYOND: [&str; 2] = ["G91", "H91.02"];

/// The axis: this gateway's system and another one.
async fn axis(stage: &Stage) -> Arc<Axis> {
    let system = |id: &str, organisations: &[&str]| System {
        id: id.to_owned(),
        secret: SECRET.as_bytes().to_vec(),
        organisations: organisations.iter().map(|code| OrganId::parse(code).expect("a code")).collect(),
    };
    let systems = vec![system("tinh.01", &["H55"]), system("bo.02", &["G91", "H91"])];
    let habits = Habits { checks: true, ..Habits::default() };
    let plan = Plan { systems, habits, networks: Vec::new(), folder: stage.world.folder.join("truc") };
    Axis::open_at(plan, TcpListener::bind(("127.0.0.1", 0)).await.expect("a port")).expect("an axis")
}

async fn stage(to_header: &str) -> (Stage, Arc<Axis>) {
    let stage = Stage::open(PROGRAM, &[]).await;
    let axis = axis(&stage).await;
    std::fs::write(stage.world.folder.join("axis.secret"), SECRET).expect("written");
    let settings = format!(
        "\n[systems.hop-thu]\nname = \"Hộp thư\"\n[systems.hop-thu.sdk]\nsystem_id = \"xa.01\"\nsecret_file = \"axis.secret\"\n\n\
         [axes.vpcp]\nname = \"Trục thử nghiệm\"\nurl = \"{}\"\nsystem_id = \"tinh.01\"\nsecret_file = \"axis.secret\"\n\
         to_header = \"{to_header}\"\n[axes.vpcp.poll]\nevery = \"1s\"\n",
        axis.url()
    );
    let mut entries = organisation(WITH_MAILBOX, "home = { system = \"hop-thu\" }");
    for code in BEYOND {
        entries += &organisation(code, "home = { axis = \"vpcp\" }");
    }
    stage.write_more(&settings, &entries);
    (stage, axis)
}

/// What waited for a system at the axis since `before`.
fn mail_of(axis: &Axis, system: &str, before: usize) -> Vec<Mail> {
    axis.mail().split_off(before).into_iter().filter(|mail| mail.system == system).collect()
}

/// The receiver with a mailbox fetches what waits: one packet, just these bytes.
async fn is_fetched_once(client: &mut SdkClient, packet: &[u8]) {
    let list = [("servicetype", "eDoc"), ("messagetype", "edoc")];
    let waits = until(async || {
        let said = client.call("getReceivedEdocList", &list).await;
        let entries = said["data"].as_array()?.clone();
        (!entries.is_empty()).then_some(entries)
    });
    let waits = waits.await.expect("it waits");
    assert_eq!((waits.len(), &waits[0]["to"]), (1, &WITH_MAILBOX.into()), "{waits:?}");
    let id = waits[0]["docId"].as_str().expect("an id");
    let got = client.ask("POST", "getEdoc", &[("docId", id), ("filePath", ".")], b"{}").await.json();
    assert!(got["data"] == openssl::base64::encode_block(packet), "equal bytes");
    let done = client.ask("POST", "updateStatus", &[("docId", id), ("status", "done")], b"{}").await.json();
    assert_eq!(done["status"], "OK");
    assert_eq!(client.call("getReceivedEdocList", &list).await["data"].as_array().map(Vec::len), Some(0));
}

/// Sends a packet with attachments to all, and looks whom it reaches; how many copies came back to us.
async fn all_get_one(stage: &Stage, axis: &Axis, number: u32, comes_back: bool) -> usize {
    let before = axis.mail().len();
    let here = AGENCIES[1].code;
    let bytes: Vec<u8> = (0..100_000_u32).map(|n| (n ^ (n >> 7)) as u8).collect();
    let letter = letter_to(number, &[here, BEYOND[0], WITH_MAILBOX, BEYOND[1]])
        .attach("to-trinh.pdf", "application/pdf", std::io::Cursor::new(bytes.clone()))
        .attach("bang.xlsx", "application/octet-stream", std::io::Cursor::new(bytes));
    let file = stage.signed(&format!("{number}.edxml"), letter);
    let packet = std::fs::read(&file).expect("sent");
    let id = stage.accepted(&file).await;
    stage.delivery_is(&id, here, "received").await;
    for code in BEYOND {
        stage.delivery_is(&id, code, "handed_over").await;
    }
    is_fetched_once(&mut SdkClient::new(&stage.world.public, "/sdk", "xa.01", SECRET), &packet).await;
    stage.delivery_is(&id, WITH_MAILBOX, "received").await;
    let taken = stage.world.receivers[1].wait_for(&id, PATIENCE).await.expect("the vendor's system has it");
    assert_eq!((taken.times, std::fs::read(&taken.file).expect("kept") == packet), (1, true));

    let theirs: Vec<String> = mail_of(axis, "bo.02", before).into_iter().map(|mail| mail.to).collect();
    assert_eq!(theirs, BEYOND, "one copy each beyond the axis");
    let back = if comes_back { 2 } else { 0 };
    let confirmed = until(async || {
        let ours = mail_of(axis, "tinh.01", before);
        let is_over = ours.len() == back && ours.iter().all(|mail| mail.status() == "done");
        is_over.then_some(())
    });
    assert!(confirmed.await.is_some(), "{:?}", mail_of(axis, "tinh.01", before));
    back
}

#[tokio::test(flavor = "multi_thread")]
async fn everybody_gets_one_copy_in_each_setting_and_habit() {
    for to_header in ["send", "omit"] {
        let (stage, axis) = stage(to_header).await;
        let mut gateway = stage.start().await;
        let ways = [(true, false), (true, true), (false, false), (false, true)];
        let mut came_back = 0;
        for (number, (honours_to, rewrites)) in (1_u32..).zip(ways) {
            axis.adjust(|habits| (habits.honours_to, habits.rewrites) = (honours_to, rewrites));
            let comes_back = to_header == "omit" || !honours_to;
            came_back += all_get_one(&stage, &axis, number, comes_back).await;
        }
        stage.metric_reaches("lienthong_axis_packets_total{outcome=\"echo\"}", came_back as f64).await;
        for outcome in ["taken", "quarantined", "unmatched", "failed"] {
            let series = format!("lienthong_axis_packets_total{{outcome=\"{outcome}\"}}");
            assert_eq!(stage.metric(&series).await, 0.0, "{to_header}: {outcome}");
        }
        assert_eq!(stage.metric("lienthong_axis_quarantined").await, 0.0);
        assert_eq!(axis.taken().len(), 4, "one consignment a document");
        assert!(axis.taken().iter().all(|taken| taken.times == 1));
        stage.nothing_else_arrived([0, 4, 0]);
        assert_eq!(axis.complaints(), Vec::<String>::new());
        assert_eq!(gateway.stop().await.expect("it stops"), Some(0));
    }
}
