//! Several gateways on one broker, as real processes: restarts one after the other under load, one that is lost with its
//! disk, and the rolls of the directory, which all have alike. What the protocol does in every order is in `pipeline/nodes.rs` and in `tests/model`.

use std::collections::BTreeMap;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Output, Stdio};

use acceptance::axis::ScriptedAxis;
use acceptance::{
    BROKER_VARIABLE, Stage, broker_program, broker_scheme, letter, letter_to, run_with, text, until,
};
use lienthong::demo::axis::{Agency, Habits};
use lienthong::demo::child::Gateway;
use lienthong::demo::world::{World, free_address, free_addresses, scan};
use rustix::process::Signal;
use serde_json::Value;
use tokio::process::{Child, Command};

const PROGRAM: &str = env!("CARGO_BIN_EXE_lienthong-under-test");
const NAMES: [&str; 2] = ["gw-1", "gw-2"];
/// So often who sends tries both, before it is a refusal.
const TRIES: usize = 5;

/// Two gateways with the same directory, systems and secrets, and their broker.
struct Pair {
    stage: Stage,
    worlds: [World; 2],
    address: String,
    broker: Child,
}

impl Pair {
    async fn open() -> Self {
        let (stage, address) = Self::first().await;
        Self::of(stage, address)
    }

    /// The first gateway, and where the broker is to be.
    async fn first() -> (Stage, String) {
        let address = free_address().expect("an address");
        let uid = rustix::process::getuid().as_raw();
        let lines = format!(
            "url = \"{}://{address}\"\n\n[cluster]\nnode = \"{}\"\n\n[operators.lan]\nuid = {uid}\n\
             role = \"operator\"\n\n[receipt]\nafter = \"outbox+broker\"\n",
            broker_scheme(),
            NAMES[0]
        );
        (Stage::open(PROGRAM, &[("broker", &lines)]).await, address)
    }

    /// The same with another one like it.
    fn of(stage: Stage, address: String) -> Self {
        let first = stage.world.clone();
        let [public, admin] = free_addresses().expect("addresses");
        let settings = std::fs::read_to_string(&first.config).expect("settings");
        let settings = settings
            .replace(NAMES[0], NAMES[1])
            .replace("data_dir = \"data\"", "data_dir = \"data-2\"")
            .replace(&first.public, &public)
            .replace(&first.admin, &admin);
        let (config, log) = (first.folder.join("second.toml"), first.folder.join("second.log"));
        std::fs::write(&config, settings).expect("written");
        let mut second = first.clone();
        (second.config, second.log, second.public, second.admin) = (config, log, public, admin);
        let broker = broker(&address, first.folder.join("broker"));
        Self { stage, worlds: [first, second], address, broker }
    }

    /// What an operator's command at this gateway says.
    fn says(&self, at: usize, arguments: &[&str]) -> Output {
        let config = self.worlds[at].config.to_str().expect("a plain path");
        run_with(PROGRAM.as_ref(), &[arguments, &["--json", "-c", config]].concat(), &[])
    }

    /// What a gateway has of the axis's list.
    fn roll(&self, at: usize) -> Value {
        let said = self.says(at, &["axis", "agencies", "vpcp", "--pending"]);
        serde_json::from_slice::<Value>(&said.stdout).map(|all| all[0].clone()).unwrap_or_default()
    }

    /// Waits until both have it so.
    async fn both_have(&self, is_so: impl Fn(&Value) -> bool) -> Value {
        let found = until(async || {
            let [one, other] = [self.roll(0), self.roll(1)];
            (is_so(&one) && one == other).then_some(one)
        });
        let found = found.await;
        assert!(found.is_some(), "{} and {}", self.roll(0), self.roll(1));
        found.unwrap_or_default()
    }

    /// Has the axis asked by the one of both that serves it, which the other one names; who that is.
    async fn sync(&self) -> usize {
        let asked = until(async || {
            let said = [0, 1].map(|at| self.says(at, &["axis", "sync", "vpcp"]));
            let serving = said.iter().position(|said| said.status.success())?;
            let other = text(&said[1 - serving].stderr);
            assert!(other.contains(&format!("nút {}", NAMES[serving])), "{other}");
            Some(serving)
        });
        asked.await.expect("one of them asks the axis")
    }

    /// What becomes of a letter to this code at a gateway.
    async fn routes(&self, at: usize, number: u32, code: &str) -> (u16, Value) {
        let packet = self.stage.signed(&format!("{number}.edxml"), letter_to(number, &[code]));
        let answer = self.worlds[at].submit(0, &packet).await.expect("asked");
        (answer.status, answer.body["code"].clone())
    }

    async fn start(&self, at: usize) -> Gateway {
        self.start_to_die_at(at, "").await
    }

    /// The same, and it dies when it comes to this point.
    async fn start_to_die_at(&self, at: usize, point: &str) -> Gateway {
        let program = broker_program().to_string_lossy().into_owned();
        let environment = [(BROKER_VARIABLE, &*program), ("LIENTHONG_CRASH_AT", point)];
        let started = self.worlds[at].start(PROGRAM.as_ref(), &environment).await;
        started.map_err(|fault| fault.0).expect("it starts")
    }

    /// What the first one says when it is to adopt the second.
    fn adopt(&self) -> Output {
        self.says(0, &["adopt", "--node", NAMES[1], "--reason", "mất máy"])
    }

    /// Both run, and share all partitions.
    async fn start_both(&self) -> [Gateway; 2] {
        let both = [self.start(0).await, self.start(1).await];
        self.shared().await;
        both
    }

    async fn shared(&self) {
        let shared = until(async || {
            let held = [
                self.metric(0, "lienthong_partitions_held").await,
                self.metric(1, "lienthong_partitions_held").await,
            ];
            (held.iter().sum::<u64>() == 64 && held.iter().all(|held| *held > 16)).then_some(())
        });
        assert!(shared.await.is_some(), "64 partitions are shared");
    }

    async fn metric(&self, at: usize, series: &str) -> u64 {
        let metrics = self.worlds[at].metrics().await.unwrap_or_default();
        let mut lines = metrics.lines().filter_map(|line| line.rsplit_once(' '));
        let value = lines.find(|(name, _)| *name == series).map(|(_, value)| value.to_owned());
        value.and_then(|value| value.parse::<f64>().ok()).map_or(0, |value| value as u64)
    }

    /// Waits until the gateway that accepted it shows it as received by all.
    async fn all_received(&self, at: usize, document: &str) {
        let mut last = Value::Null;
        let received = until(async || {
            last = self.worlds[at].show(0, document).await.ok()?.body;
            let deliveries = last["deliveries"].as_array()?;
            deliveries.iter().all(|delivery| delivery["state"] == "received").then_some(())
        });
        assert!(received.await.is_some(), "{document} is not received: {last}");
    }

    /// How often each receiver took each document, which must be one delivery.
    fn taken(&self) -> BTreeMap<(usize, String), u32> {
        let mut taken = BTreeMap::new();
        for at in [1, 2] {
            for one in self.stage.world.receivers[at].taken().into_values() {
                let before = taken.insert((at, one.document_id.clone()), one.times);
                assert_eq!(before, None, "{} came under two ids", one.document_id);
            }
        }
        taken
    }
}

fn broker(address: &str, folder: PathBuf) -> Child {
    std::fs::create_dir_all(&folder).expect("a folder");
    let (config, store) = (folder.join("server.conf"), folder.join("store"));
    let settings = format!(
        "listen: \"{address}\"\nmax_payload: 2MB\njetstream {{\n  store_dir: \"{}\"\n  sync_interval: always\n}}\n",
        store.display()
    );
    std::fs::write(&config, settings).expect("written");
    let mut command = Command::new(broker_program());
    command.arg("-c").arg(&config).stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
    command.spawn().expect("the broker starts")
}

#[tokio::test(flavor = "multi_thread")]
async fn restarts_one_after_the_other_under_load_lose_nothing() {
    let pair = Pair::open().await;
    let mut gateways = pair.start_both().await.map(Some);
    let (mut number, mut accepted) = (0, Vec::new());
    for stopped in [0, 1] {
        let running = 1 - stopped;
        let mut gateway = gateways[stopped].take().expect("it runs");
        let stopping = gateway.stop();
        tokio::pin!(stopping);
        let mut ended = None;
        // Whoever sends tries the one, and then the other; neither refuses what it does not take.
        while ended.is_none() || number % 12 != 0 {
            number += 1;
            let packet = pair.stage.letter(number, &[1, 2]);
            let mut answer = None;
            for at in [stopped, running].repeat(TRIES) {
                answer = match pair.worlds[at].submit(0, &packet).await {
                    Ok(answer) if answer.status == 202 => Some((at, answer)),
                    // The broker's word did not come in time: the same bytes again get the same receipt.
                    Ok(answer) if answer.status == 503 => continue,
                    Ok(answer) => panic!("{} {}", answer.status, answer.body),
                    // It is going, or gone.
                    Err(_) => continue,
                };
                break;
            }
            let (at, answer) = answer.expect("one of them takes it");
            accepted.push((at, answer.document_id().expect("a receipt")));
            tokio::select! {
                code = &mut stopping, if ended.is_none() => ended = Some(code.expect("it ends")),
                () = std::future::ready(()) => {}
            }
        }
        assert_eq!(ended, Some(Some(0)), "it ends well");
        gateways[stopped] = Some(pair.start(stopped).await);
        pair.shared().await;
    }
    for (at, document) in &accepted {
        pair.all_received(*at, document).await;
    }
    let taken = pair.taken();
    assert_eq!(taken.len(), accepted.len() * 2);
    for gateway in gateways.iter_mut().flatten() {
        assert_eq!(gateway.stop().await.expect("it ends"), Some(0));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_is_lost_with_its_disk_is_adopted() {
    let pair = Pair::open().await;
    let [mut first, mut second] = pair.start_both().await;
    for at in [1, 2] {
        pair.stage.world.receivers[at].close();
    }
    let mut documents = Vec::new();
    for number in 1..=8 {
        let packet = pair.stage.letter(number, &[1, 2]);
        documents
            .push(pair.worlds[1].submit(0, &packet).await.expect("asked").document_id().expect("a receipt"));
    }
    let large = letter(9, &[1, 2]).attach("scan.pdf", "application/pdf", scan(700_000, 9));
    let large = pair.stage.signed("9.edxml", large);
    documents.push(pair.worlds[1].submit(0, &large).await.expect("asked").document_id().expect("a receipt"));
    // With receipts after the broker has it, whatever was receipted can be adopted.
    second.kill().await.expect("killed");
    let (disk, gone) = (pair.worlds[1].folder.join("data-2"), pair.worlds[1].folder.join("lost"));
    std::fs::rename(&disk, &gone).expect("its disk is gone");

    let refused = pair.adopt();
    assert_eq!(refused.status.code(), Some(1), "{}", text(&refused.stderr));
    assert!(text(&refused.stderr).contains("60"), "{}", text(&refused.stderr));
    let adopted =
        until(async || Some(pair.adopt()).filter(|ended| ended.status.success())).await.expect("adopted");
    let adopted: Value = serde_json::from_slice(&adopted.stdout).expect("JSON");
    assert_eq!(adopted["lost"], serde_json::json!({}), "{adopted}");
    assert_eq!(
        adopted["taken_on"].as_u64().expect("a count") + adopted["settled"].as_u64().expect("a count"),
        18
    );
    for at in [1, 2] {
        pair.stage.world.receivers[at].reopen().await.expect("open again");
        for document in &documents {
            let found = pair.stage.world.receivers[at].wait_for(document, acceptance::PATIENCE).await;
            assert!(found.is_some(), "{document}: {:?}", pair.stage.world.receivers[at].complaints());
        }
    }
    assert_eq!(pair.taken().len(), 18);
    assert_eq!(adopted["documents"].as_u64(), Some(9), "{adopted}");
    // Whoever asks where a document is asks here from now on, and hears what its receipt said.
    for document in &documents {
        pair.all_received(0, document).await;
    }
    // The disk is found again: nobody sends documents there any more.
    std::fs::rename(&gone, &disk).expect("found");
    let mut found = Command::new(PROGRAM);
    found.arg("serve").arg("-c").arg(&pair.worlds[1].config).stdout(Stdio::null()).stderr(Stdio::null());
    let mut found = found.kill_on_drop(true).spawn().expect("it starts");
    let drains = until(async || {
        let said = pair.worlds[1].readiness().await.ok()?;
        said["node"].as_str()?.contains("drains").then_some(said)
    });
    let said = drains.await.expect("it knows");
    assert_eq!((&said["ready"], &said["outbox"]), (&Value::Bool(false), &Value::from("ok")), "{said}");
    found.kill().await.expect("killed");
    std::fs::remove_dir_all(&disk).expect("emptied");
    // A new machine under the old name begins where the adoption left its name, and shares the work.
    let mut anew = pair.start(1).await;
    pair.shared().await;
    let after = pair.worlds[1].submit(0, &pair.stage.letter(10, &[1, 2])).await.expect("asked");
    pair.all_received(1, &after.document_id().expect("a receipt")).await;
    for gateway in [&mut first, &mut anew] {
        assert_eq!(gateway.stop().await.expect("it ends"), Some(0));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_document_is_shown_at_every_gateway_to_the_same_people() {
    let mut pair = Pair::open().await;
    let [mut first, mut second] = pair.start_both().await;
    let answer = pair.worlds[0].submit(0, &pair.stage.letter(1, &[1])).await.expect("asked");
    let document = answer.document_id().expect("a receipt");
    // The other one hears of the end a moment later, as the first one does.
    pair.all_received(1, &document).await;
    let [there, here] = [
        pair.worlds[0].show(0, &document).await.expect("asked").body,
        pair.worlds[1].show(0, &document).await.expect("asked").body,
    ];
    assert_eq!(here["receipt"], there["receipt"]);
    assert_eq!((&here["accepted_by"], &there["accepted_by"]), (&Value::from(NAMES[0]), &Value::Null));
    let by_receiver = pair.worlds[1].show(1, &document).await.expect("asked");
    assert_eq!((by_receiver.status, &by_receiver.body["receipt"]), (200, &there["receipt"]));
    let nobodys = "0".repeat(32);
    for (agency, id) in [(2, &document), (0, &nobodys), (0, &"x".to_owned())] {
        let answer = pair.worlds[1].show(agency, id).await.expect("asked");
        assert_eq!((answer.status, &answer.body["code"]), (404, &Value::from("NOT_FOUND")), "{id}");
    }
    let config = pair.worlds[1].config.to_string_lossy().into_owned();
    let shown = run_with(PROGRAM.as_ref(), &["documents", "show", &document, "-c", &config], &[]);
    let shown: Value = serde_json::from_slice(&shown.stdout).expect("JSON");
    assert_eq!((&shown["receipt"], &shown["accepted_by"]), (&there["receipt"], &Value::from(NAMES[0])));

    // Nobody knows but the broker, while the first one is away; and without that it is not known that there is none.
    first.kill().await.expect("killed");
    assert_eq!(pair.worlds[1].show(0, &document).await.expect("asked").status, 200);
    pair.broker.kill().await.expect("killed");
    for id in [&document, &nobodys] {
        let answer = pair.worlds[1].show(0, id).await.expect("asked");
        assert_eq!((answer.status, &answer.body["code"]), (503, &Value::from("TRY_AGAIN_LATER")), "{id}");
    }
    assert_eq!(second.stop().await.expect("it ends"), Some(0));
}

async fn died(gateway: &mut Gateway) {
    let end = gateway.end().await.expect("it dies at the point");
    assert_eq!(end.signal(), Some(Signal::ABORT.as_raw()), "died by {end}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_dies_while_it_adopts_goes_on_afterwards() {
    let pair = Pair::open().await;
    let mut first = pair.start_to_die_at(0, "adopt-noted").await;
    let mut second = pair.start_to_die_at(1, "after-name").await;
    pair.shared().await;
    for at in [1, 2] {
        pair.stage.world.receivers[at].close();
    }
    let packets: Vec<_> = (1..=4).map(|number| pair.stage.letter(number, &[1, 2])).collect();
    // Its name is claimed, and nothing of it published.
    let unsure = pair.worlds[1].submit(0, &packets[0]).await;
    assert!(unsure.is_err() || unsure.is_ok_and(|answer| answer.status != 202));
    died(&mut second).await;
    let mut second = pair.start(1).await;
    let mut documents = Vec::new();
    for packet in &packets {
        let answer = pair.worlds[1].submit(0, packet).await.expect("asked");
        documents.push(answer.document_id().expect("a receipt"));
    }
    second.kill().await.expect("killed");
    std::fs::remove_dir_all(pair.worlds[1].folder.join("data-2")).expect("its disk is gone");

    let begun = until(async || Some(pair.adopt()).filter(|ended| !text(&ended.stderr).contains("60")));
    assert!(!begun.await.expect("it has been silent for long").status.success());
    died(&mut first).await;
    let mut first = pair.start_to_die_at(0, "adopt-admitted").await;
    assert!(!pair.adopt().status.success());
    died(&mut first).await;
    let mut first = pair.start(0).await;
    let adopted = pair.adopt();
    let adopted: Value = serde_json::from_slice(&adopted.stdout).expect("JSON");
    assert_eq!((&adopted["lost"], &adopted["documents"]), (&serde_json::json!({}), &Value::from(4)));
    for at in [1, 2] {
        pair.stage.world.receivers[at].reopen().await.expect("open again");
    }
    for document in &documents {
        pair.all_received(0, document).await;
    }
    assert_eq!(pair.taken().len(), 8);
    assert_eq!(first.stop().await.expect("it ends"), Some(0));
}

/// The axis has these agencies besides the one of the directory file.
fn lists(axis: &ScriptedAxis, codes: &[&str]) {
    let agency = |code: &&str| Agency::named(code, &format!("Đơn vị {code} (thử nghiệm)"));
    let agencies = ["G91"].iter().chain(codes).map(agency).collect();
    axis.axis.behave(Habits { agencies, ..Habits::default() });
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_operator_decides_at_one_gateway_counts_at_all() {
    let (stage, address) = Pair::first().await;
    let axis = stage.with_axis(&["G91"], "\n[axes.vpcp.agencies]\n").await;
    lists(&axis, &["G92", "G93", "G94"]);
    let mut pair = Pair::of(stage, address);
    let [mut first, mut second] = pair.start_both().await;
    pair.both_have(|roll| roll["open"] == 3).await;
    let series = "lienthong_axis_syncs_total{result=\"taken\"}";
    let taken = [pair.metric(0, series).await, pair.metric(1, series).await];
    assert_eq!(taken.iter().sum::<u64>(), 1, "one of them asked: {taken:?}");

    // Most are gone: one gateway asks, and the operator of the other one decides.
    lists(&axis, &["G95"]);
    let serving = pair.sync().await;
    let waits = pair.both_have(|roll| roll["pending"].is_object()).await;
    let since = waits["pending"]["at"].as_str().expect("a time");
    let approve = ["axis", "approve", "vpcp", "--since", since, "--reason", "đã hỏi VPCP"];
    for at in [0, 1] {
        assert_eq!(pair.routes(at, 1, "G95").await.0, 422, "nobody has decided");
    }
    // While the cluster is away nobody decides, at either of them.
    pair.broker.kill().await.expect("killed");
    for gateway in [0, 1] {
        let refused = pair.says(gateway, &approve);
        assert_eq!(refused.status.code(), Some(3), "{}", text(&refused.stdout));
        let why = text(&refused.stderr);
        assert!(why.contains("cụm không trả lời") && why.contains("thử lại"), "{why}");
    }
    pair.broker = broker(&pair.address, pair.worlds[0].folder.join("broker"));
    let approved = until(async || {
        let said = pair.says(1 - serving, &approve);
        (said.status.success()).then_some(())
    });
    assert!(approved.await.is_some(), "{}", text(&pair.says(1 - serving, &approve).stderr));
    let decided = pair.both_have(|roll| roll["open"] == 1 && roll["pending"].is_null()).await;
    assert_eq!(decided["closed"], 3, "{decided}");
    let again = pair.says(serving, &approve);
    assert_eq!(again.status.code(), Some(1), "it is decided: {}", text(&again.stderr));
    for at in [0, 1] {
        assert_eq!(pair.routes(at, 2, "G95").await.0, 202);
        assert_eq!(pair.routes(at, 3, "G92").await, (422, "RECEIVER_CLOSED".into()));
    }

    // Who was away meanwhile learns of it when it is back.
    assert_eq!(second.stop().await.expect("it ends"), Some(0));
    lists(&axis, &["G95", "G96"]);
    let asked = until(async || pair.says(0, &["axis", "sync", "vpcp"]).status.success().then_some(()));
    assert!(asked.await.is_some(), "it serves the axis now");
    assert_eq!(pair.routes(0, 4, "G96").await.0, 202);
    let mut second = pair.start(1).await;
    pair.both_have(|roll| roll["open"] == 2).await;
    assert_eq!(pair.routes(1, 5, "G96").await.0, 202);
    for gateway in [&mut first, &mut second] {
        assert_eq!(gateway.stop().await.expect("it ends"), Some(0));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_documents_under_one_id_at_two_gateways_each_receiver_gets_one() {
    let pair = Pair::open().await;
    let mut gateways = pair.start_both().await;
    let submit = async |at: usize, number: u32, subject: &str| {
        let packet = letter(number, &[1, 2]).subject(subject);
        let packet = pair.stage.signed(&format!("{number}-{at}.edxml"), packet);
        pair.worlds[at].submit(0, &packet).await.expect("asked")
    };
    let mut taken = Vec::new();
    for number in 1..=8 {
        let (one, two) = tokio::join!(submit(0, number, "V/v việc này"), submit(1, number, "V/v việc khác"));
        let answers = [(0, one), (1, two)];
        assert!(answers.iter().any(|(_, answer)| answer.status == 202));
        for (at, answer) in answers {
            match answer.status {
                202 => taken.push((at, answer.document_id().expect("a receipt"))),
                status => assert_eq!(status, 409, "{}", answer.body),
            }
        }
    }
    let mut received = 0;
    for (at, document) in &taken {
        let mut last = Value::Null;
        let over = until(async || {
            last = pair.worlds[*at].show(0, document).await.ok()?.body;
            let states = last["deliveries"].as_array()?.iter().map(|delivery| delivery["state"].clone());
            let states: Vec<Value> = states.collect();
            let is = |state: &str| states.iter().all(|found| *found == *state);
            (is("received") || is("parked")).then(|| is("received"))
        });
        match over.await {
            Some(true) => received += 1,
            Some(false) => assert!(last.to_string().contains("document_conflict: gw-"), "{last}"),
            None => panic!("{document} is neither received nor held: {last}"),
        }
    }
    assert_eq!((received, pair.taken().len()), (8, 16), "each once, whichever it is");
    // Once it is known, it is answered at the door.
    let (first, other) =
        (submit(0, 20, "V/v việc này").await, async || submit(1, 20, "V/v việc khác").await);
    pair.all_received(0, &first.document_id().expect("a receipt")).await;
    assert_eq!(other().await.status, 409);
    for gateway in &mut gateways {
        assert_eq!(gateway.stop().await.expect("it ends"), Some(0));
    }
}
