//! A day of a system that takes its packets from a mailbox.

use acceptance::sdk_client::SdkClient;
use acceptance::{Stage, letter, letter_to, organisation, signal, until};
use lienthong::demo::world::AGENCIES;
use openssl::base64::{decode_block, encode_block};
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::ground::{client, receiver, stage_with_mailbox, status_of};

const SO: &str = AGENCIES[1].code;

/// Waits until a list has so many entries; these.
pub(crate) async fn listed(sdk: &mut SdkClient, kind: &str, count: usize) -> Vec<Value> {
    let mut last = Value::Null;
    let found = until(async || {
        last = sdk.call("getReceivedEdocList", &[("servicetype", "eDoc"), ("messagetype", kind)]).await;
        // At its start a gateway does not know yet what waits, and says so.
        let list = last["data"].as_array().filter(|_| last["status"] == "OK");
        list.filter(|list| list.len() == count).cloned()
    });
    let found = found.await;
    assert!(found.is_some(), "{count} of {kind}: {last}");
    found.unwrap_or_default()
}

pub(crate) async fn sent(stage: &Stage, sdk: &mut SdkClient, number: u32) -> (String, Vec<u8>) {
    let bytes = std::fs::read(stage.letter(number, &[1])).expect("the packet");
    let answer = sdk.send(&bytes, &[("from", AGENCIES[0].code)]).await;
    (answer["DocId"].as_str().filter(|id| !id.is_empty()).expect("an id").to_owned(), bytes)
}

pub(crate) fn id_of(entry: &Value) -> String {
    entry["docId"].as_str().expect("an id").to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_packet_waits_is_fetched_and_is_done() {
    let stage = stage_with_mailbox().await;
    let mut gateway = stage.start().await;
    let (mut sender, mut sdk) = (client(&stage), receiver(&stage));
    assert_eq!(listed(&mut sdk, "edoc", 0).await, Vec::<Value>::new());
    let (document, bytes) = sent(&stage, &mut sender, 1).await;
    let entries = listed(&mut sdk, "edoc", 1).await;
    let (entry, id) = (&entries[0], id_of(&entries[0]));
    assert_ne!(id, document, "each receiver has an id of its own");
    let time = |name: &str| entry[name].as_str().filter(|text| text.len() == 19).expect("a time").to_owned();
    assert_eq!(
        *entry,
        json!({
            "docId": id, "serviceType": "eDoc", "messageType": "edoc", "created_time": time("created_time"),
            "updated_time": time("updated_time"), "from": AGENCIES[0].code, "to": SO, "status": "initial",
            "status_desc": "chờ bên nhận lấy",
        })
    );
    assert_eq!(listed(&mut sdk, "status", 0).await, Vec::<Value>::new(), "it is no status");
    let count = |answer: Value| (answer["status"].as_str().map(str::to_owned), answer["count"].as_u64());
    let one = (Some("OK".to_owned()), Some(1));
    assert_eq!(count(sdk.ask("POST", "countReceiveEdoc", &[], b"{}").await.json()), one);
    assert_eq!(count(sdk.ask("GET", "countReceiveStatus", &[], b"").await.json()).1, Some(0));

    let doc = [("docId", id.as_str()), ("filePath", "/tmp/nhan")];
    let fetched = sdk.ask("POST", "getEdoc", &doc, b"{}").await.json();
    assert_eq!(fetched["data"], encode_block(&bytes));
    assert_eq!(decode_block(fetched["data"].as_str().expect("a text")).expect("base64"), bytes, "every byte");
    let file = sdk.ask("GET", "downloadEdoc", &doc, b"").await;
    assert_eq!((file.status, file.body), (200, bytes.clone()));
    assert_eq!(listed(&mut sdk, "edoc", 1).await[0]["status"], "initial", "to fetch changes nothing");

    let mark = |status: &'static str| [("docId", id.clone()), ("status", status.to_owned())];
    let update = async |sdk: &mut SdkClient, status: &'static str| {
        let parameters = mark(status);
        let parameters: Vec<(&str, &str)> =
            parameters.iter().map(|(name, value)| (*name, value.as_str())).collect();
        sdk.ask("POST", "updateStatus", &parameters, b"{}").await.json()["ErrorCode"].clone()
    };
    assert_eq!(update(&mut sdk, "processing").await, "0");
    assert_eq!(listed(&mut sdk, "edoc", 1).await[0]["status"], "processing");
    assert_eq!(update(&mut sdk, "fail").await, "0");
    assert_eq!(listed(&mut sdk, "edoc", 1).await[0]["status"], "fail");
    let waits = sender.call("getSentEdocList", &[("docId", &document)]).await;
    assert_eq!(
        (&waits["data"][0]["receiveStatus"], &waits["data"][0]["receiverDocId"]),
        (&json!("initial"), &json!(id))
    );
    for status in ["done", "done", "fail", "processing"] {
        assert_eq!(update(&mut sdk, status).await, "0", "{status}: done is the last word, and no error");
    }
    assert_eq!(listed(&mut sdk, "edoc", 0).await, Vec::<Value>::new());
    assert_eq!(
        sdk.ask("POST", "getEdoc", &doc, b"{}").await.json()["data"],
        encode_block(&bytes),
        "it is kept"
    );
    let over = sender.call("getSentEdocList", &[("docId", &document)]).await;
    assert_eq!((&over["data"][0]["receiveStatus"], &over["data"][0]["toCode"]), (&json!("done"), &json!(SO)));
    assert!(over["data"][0]["receivedTime"].as_str().is_some_and(|time| time.len() == 19));
    assert_eq!(gateway.stop().await.expect("it stops"), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_for_a_system_is_not_there() {
    let stage = stage_with_mailbox().await;
    let mut gateway = stage.start().await;
    let (mut sender, mut sdk) = (client(&stage), receiver(&stage));
    let (document, _) = sent(&stage, &mut sender, 1).await;
    let id = id_of(&listed(&mut sdk, "edoc", 1).await[0]);
    let (none, mut answers) = ("0".repeat(32), Vec::new());
    for other in [document.as_str(), &none, "x", "../../../etc/passwd"] {
        let doc = [("docId", other), ("status", "done")];
        answers.push((
            sdk.ask("POST", "getEdoc", &doc, b"{}").await.json(),
            sdk.call("updateStatus", &doc).await,
        ));
        let file = sdk.ask("GET", "downloadEdoc", &doc, b"").await;
        assert_eq!((file.status, file.body.len()), (404, 0), "{other}");
    }
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:#?}");
    assert_eq!((&answers[0].0["ErrorCode"], &answers[0].0["data"]), (&json!("10"), &json!("")));
    // A system without a mailbox is told so, and its own ids are of no use to it there.
    for operation in ["getReceivedEdocList", "countReceiveEdoc", "getEdoc", "updateStatus"] {
        let answer = sender.call(operation, &[("docId", &id), ("status", "done")]).await;
        assert!(
            answer["ErrorDesc"].as_str().is_some_and(|words| words.contains("OPERATION_OFF")),
            "{answer}"
        );
    }
    for (status, row) in [("finished", "FIELD_INVALID"), ("", "FIELD_MISSING")] {
        let answer = sdk.call("updateStatus", &[("docId", &id), ("status", status)]).await;
        assert!(answer["ErrorDesc"].as_str().is_some_and(|words| words.contains(row)), "{answer}");
    }
    let odd = sdk.call("getReceivedEdocList", &[("messagetype", "eStatus")]).await;
    assert_eq!((&odd["ErrorCode"], &odd["data"]), (&json!("22"), &json!([])));
    // `docid` is whose name an application uses here, whatever stays of `docId`.
    let kept = sdk.call("updateStatus", &[("docId", &none), ("docid", &id), ("status", "done")]).await;
    assert_eq!(kept["status"], "OK");
    assert_eq!(listed(&mut sdk, "edoc", 0).await, Vec::<Value>::new());
    assert_eq!(gateway.stop().await.expect("it stops"), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn statuses_and_urgent_letters_have_their_places() {
    let stage = stage_with_mailbox().await;
    let mut gateway = stage.start().await;
    let (mut sender, mut sdk) = (client(&stage), receiver(&stage));
    let (first, _) = sent(&stage, &mut sender, 1).await;
    let from = ("from", AGENCIES[0].code);
    listed(&mut sdk, "edoc", 1).await;
    let urgent = std::fs::read(stage.signed("2.edxml", letter(2, &[1]).priority(4))).expect("the packet");
    assert_eq!(sender.send(&urgent, &[from]).await["status"], "OK");
    let entries = listed(&mut sdk, "edoc", 2).await;
    let data = sdk.call("getEdoc", &[("docId", &id_of(&entries[0]))]).await["data"].clone();
    assert_eq!(data, encode_block(&urgent), "urgent ahead");
    // The receiver's own word comes back to the sender, whose system takes it over HTTP.
    let word = status_of(SO, AGENCIES[0].code, &format!("{},2026/01/02,1/UBND-VP", AGENCIES[0].code));
    let answer = sdk.send(word.as_bytes(), &[("from", SO), ("messagetype", "status")]).await;
    assert_eq!(answer["status"], "OK", "{answer}");
    let said = answer["DocId"].as_str().expect("an id").to_owned();
    assert!(stage.world.receivers[0].wait_for(&said, acceptance::PATIENCE).await.is_some(), "{first}");
    // And the sender's word goes into the mailbox, among the statuses.
    let recall = status_of(AGENCIES[0].code, SO, "x");
    assert_eq!(sender.send(recall.as_bytes(), &[from, ("messagetype", "status")]).await["status"], "OK");
    let entry = &listed(&mut sdk, "status", 1).await[0];
    assert_eq!(
        (&entry["messageType"], &entry["from"], &entry["to"]),
        (&json!("status"), &json!("H55"), &json!(SO))
    );
    assert_eq!(gateway.stop().await.expect("it stops"), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_system_of_many_organisations_may_have_a_document_once() {
    const OTHER: &str = "H55.40.05";
    let stage = stage_with_mailbox().await;
    let id_line = "system_id = \"demo.sys.02\"\n";
    stage.set(id_line, &format!("{id_line}fan_in = \"system\"\n"));
    let home = format!("home = {{ system = \"{}\" }}", AGENCIES[1].system);
    stage.write_more("", &organisation(OTHER, &home));
    let mut gateway = stage.start().await;
    let (mut sender, mut sdk) = (client(&stage), receiver(&stage));
    let bytes = std::fs::read(stage.signed("1.edxml", letter_to(1, &[SO, OTHER]))).expect("the packet");
    let answer = sender.send(&bytes, &[("from", AGENCIES[0].code)]).await;
    let document = answer["DocId"].as_str().expect("an id").to_owned();
    let entry = listed(&mut sdk, "edoc", 1).await.remove(0);
    assert_eq!(entry["to"], format!("{SO},{OTHER}"));
    assert_eq!(sdk.call("countReceiveEdoc", &[]).await["count"], 2, "each receiver counts");
    let of_it = [("docId", id_of(&entry)), ("status", "done".to_owned())];
    let of_it: Vec<(&str, &str)> = of_it.iter().map(|(name, value)| (*name, value.as_str())).collect();
    assert_eq!(sdk.call("getEdoc", &of_it).await["data"], encode_block(&bytes));
    assert_eq!(sdk.call("updateStatus", &of_it).await["status"], "OK");
    assert_eq!(listed(&mut sdk, "edoc", 0).await, Vec::<Value>::new());
    let sent = sender.call("getSentEdocList", &[("docId", &document)]).await;
    let said =
        sent["data"].as_array().expect("a list").iter().map(|line| (&line["toCode"], &line["receiveStatus"]));
    let done = json!("done");
    assert_eq!(said.collect::<Vec<_>>(), [(&json!(SO), &done), (&json!(OTHER), &done)]);
    assert_eq!(gateway.stop().await.expect("it stops"), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_broker_is_away_no_list_is_empty() {
    let stage = stage_with_mailbox().await;
    let mut gateway = stage.start().await;
    let (mut sender, mut sdk) = (client(&stage), receiver(&stage));
    sent(&stage, &mut sender, 1).await;
    listed(&mut sdk, "edoc", 1).await;
    signal(gateway.broker_pid().expect("a broker"), Signal::KILL);
    let away = until(async || {
        let list = sdk.call("getReceivedEdocList", &[("messagetype", "edoc")]).await;
        (list["status"] == "FAIL").then_some(list)
    });
    let away = away.await.expect("a failure");
    assert_eq!((&away["ErrorCode"], &away["data"]), (&json!("20"), &json!([])));
    let back = until(async || {
        let list = sdk.call("getReceivedEdocList", &[("messagetype", "edoc")]).await;
        (list["status"] == "OK").then_some(list)
    });
    assert_eq!(back.await.expect("it is back")["data"].as_array().map(Vec::len), Some(1));
    assert_eq!(gateway.stop().await.expect("it stops"), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_index_of_mailboxes_is_made_anew_from_the_stream() {
    let stage = stage_with_mailbox().await;
    let mut gateway = stage.start().await;
    let (mut sender, mut sdk) = (client(&stage), receiver(&stage));
    for number in 1..=3 {
        sent(&stage, &mut sender, number).await;
        listed(&mut sdk, "edoc", number as usize).await;
    }
    let ids: Vec<String> = listed(&mut sdk, "edoc", 3).await.iter().map(id_of).collect();
    assert_eq!(sdk.call("updateStatus", &[("docId", &ids[0]), ("status", "done")]).await["status"], "OK");
    assert_eq!(gateway.stop().await.expect("it stops"), Some(0));
    let index = stage.world.folder.join("data/mailboxes");
    for damaged in [false, true] {
        assert!(index.is_dir());
        std::fs::remove_dir_all(&index).expect("removed");
        if damaged {
            std::fs::create_dir(&index).expect("made");
            std::fs::write(index.join("conf"), b"segment_size: -1").expect("written");
            std::fs::write(index.join("db"), b"no tree at all").expect("written");
        }
        let mut gateway = stage.start().await;
        let found: Vec<String> = listed(&mut sdk, "edoc", 2).await.iter().map(id_of).collect();
        assert_eq!(found, ids[1..], "in their order, and nothing that is done; damaged: {damaged}");
        assert_eq!(gateway.stop().await.expect("it stops"), Some(0));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_sees_what_waits_and_when_it_was_asked_for() {
    let stage = stage_with_mailbox().await;
    let settings = std::fs::read_to_string(&stage.world.config).expect("the settings");
    let uid = rustix::process::geteuid().as_raw();
    let viewer = format!("{settings}\n[operators.lan]\nuid = {uid}\nrole = \"viewer\"\n");
    std::fs::write(&stage.world.config, viewer).expect("written");
    let config = stage.world.config.display().to_string();
    let look = || stage.run(&["mailboxes", "--config", &config, "--json"]);
    let mut gateway = stage.start().await;
    let (mut sender, mut sdk) = (client(&stage), receiver(&stage));
    sent(&stage, &mut sender, 1).await;
    let urgent = std::fs::read(stage.signed("2.edxml", letter(2, &[1]).priority(4))).expect("the packet");
    assert_eq!(sender.send(&urgent, &[("from", AGENCIES[0].code)]).await["status"], "OK");
    let ids: Vec<String> = listed(&mut sdk, "edoc", 2).await.iter().map(id_of).collect();
    let shown = look();
    assert_eq!(shown.status.code(), Some(0), "{}", acceptance::text(&shown.stderr));
    let shown: Value = serde_json::from_slice(&shown.stdout).expect("JSON");
    let of = &shown["systems"][0];
    assert_eq!((&shown["current"], &of["system"]), (&json!(true), &json!(AGENCIES[1].system)));
    let list = |at: usize| {
        (of["lists"][at]["list"].clone(), of["lists"][at]["lane"].clone(), of["lists"][at]["waiting"].clone())
    };
    assert_eq!(list(0), (json!("documents"), json!("urgent"), json!(1)));
    assert_eq!(list(1), (json!("documents"), json!("normal"), json!(1)));
    assert!(of["lists"][0]["oldest"].is_string() && of["last_list"].is_string());
    assert_eq!((&of["last_fetch"], &of["parked"]), (&Value::Null, &json!(0)));
    for _ in 0..3 {
        assert_eq!(sdk.call("updateStatus", &[("docId", &ids[0]), ("status", "fail")]).await["status"], "OK");
    }
    sdk.call("getEdoc", &[("docId", &ids[1])]).await;
    assert_eq!(sdk.call("updateStatus", &[("docId", &ids[1]), ("status", "done")]).await["status"], "OK");
    let shown: Value = serde_json::from_slice(&look().stdout).expect("JSON");
    let of = &shown["systems"][0];
    assert_eq!((&of["lists"], &of["parked"]), (&json!([]), &json!(1)));
    assert!(of["last_fetch"].is_string());
    let table = stage.run(&["mailboxes", "--config", &config]);
    let table = acceptance::text(&table.stdout);
    assert!(table.contains(AGENCIES[1].system) && table.contains("Tạm giữ"), "{table}");
    assert_eq!(gateway.stop().await.expect("it stops"), Some(0));
    let stopped = look();
    let said = acceptance::text(&stopped.stderr);
    assert!(!stopped.status.success() && said.contains("the gateway is stopped"), "{said}");
}
