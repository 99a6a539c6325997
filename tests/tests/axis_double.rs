//! The double of the axis as the command that vendors and operators run, with clients of its protocol and with the gateway.
#![allow(clippy::panic, reason = "this is test code, though not in test functions")]

use std::path::Path;

use acceptance::double::Double;
use acceptance::sdk_client::SdkClient;
use acceptance::{Stage, letter_to, organisation, text, until};
use lienthong::demo::world::AGENCIES;
use lienthong_schemas::edxml::DocumentBuilder;
use serde_json::{Value, json};

const PROGRAM: &str = env!("CARGO_BIN_EXE_lienthong-under-test");

fn client(double: &Double, system: usize) -> SdkClient {
    let (id, secret) = &double.systems[system];
    SdkClient::new(&double.address, "/vxp", id, secret)
}

fn letter(from: &str, to: &[&str]) -> Vec<u8> {
    DocumentBuilder::new(from, to).subject("V/v thử nghiệm").to_bytes().expect("a letter")
}

async fn listed(client: &mut SdkClient, kind: &str) -> Vec<Value> {
    let list = client.call("getReceivedEdocList", &[("servicetype", "eDoc"), ("messagetype", kind)]).await;
    assert_eq!(list["status"], "OK", "{list}");
    list["data"].as_array().expect("a list").clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_file_it_is_an_axis_for_two_systems() {
    let double = Double::start(Path::new(PROGRAM), &[]).await;
    assert_eq!(double.systems.len(), 2);
    assert!(double.systems.iter().all(|(_, secret)| secret.len() == 64), "made at the start, and said");
    let (mut ours, mut theirs) = (client(&double, 0), client(&double, 1));
    let sent = ours.send(&letter("H55.15", &["G91", "H91.02"]), &[("from", "H55.15")]).await;
    let doc_id = sent["DocId"].as_str().expect("an id").to_owned();
    assert_eq!((sent["status"].as_str(), doc_id.len()), (Some("OK"), 24), "{sent}");
    let waits = listed(&mut theirs, "edoc").await;
    assert_eq!(waits.iter().map(|entry| &entry["to"]).collect::<Vec<_>>(), ["G91", "H91.02"]);
    assert_eq!(theirs.call("countReceiveEdoc", &[]).await["count"], 2);
    let id = waits[0]["docId"].as_str().expect("an id");
    let got = theirs.ask("POST", "getEdoc", &[("docId", id), ("filePath", "/tmp")], b"{}").await.json();
    assert!(got["data"].as_str().is_some_and(|data| data.len() > 1000), "{got}");
    let done = theirs.ask("POST", "updateStatus", &[("docId", id), ("status", "done")], b"{}").await.json();
    assert_eq!(done["status"], "OK");
    assert_eq!(listed(&mut theirs, "edoc").await.len(), 1);
    let became = ours.call("getSentEdocList", &[("docId", &doc_id)]).await;
    let states: Vec<_> =
        became["data"].as_array().expect("a list").iter().map(|e| &e["receiveStatus"]).collect();
    assert_eq!(states, ["done", "initial"]);
    for (to, code) in [("G91.23", "23"), ("G91.18", "18"), ("G91.19", "18"), ("H92", "18")] {
        let mut ours = client(&double, 0);
        assert_eq!(ours.send(&letter("H55", &[to]), &[("from", "H55")]).await["ErrorCode"], code, "{to}");
    }
    let mut foreign = client(&double, 0);
    assert_eq!(foreign.send(&letter("G91", &["H55"]), &[("from", "G91")]).await["ErrorCode"], "19");
    let agencies = foreign.call("getAgenciesList", &[]).await;
    assert_eq!(agencies["data"].as_array().map(Vec::len), Some(7), "the deleted one is not there");
    let taken = double.commanded("GET", "packets", "").await;
    assert_eq!(taken["packets"].as_array().map(Vec::len), Some(1));
    assert_eq!(taken["packets"][0]["receivers"], json!(["G91", "H91.02"]));
    assert_eq!(double.stop().await, Some(0));
}

#[test]
fn it_is_for_trials_and_for_this_machine_unless_told_otherwise() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("double.toml");
    let path = file.to_str().expect("a plain path");
    let system = "[[systems]]\nid = \"a\"\norganisations = [\"H55\"]\n";
    for (settings, more, said) in [
        (system.to_owned(), &[][..], "profile"),
        (format!("profile = \"production\"\n{system}"), &[], "profile"),
        (format!("profile = \"trial\"\nlisten = \"0.0.0.0:0\"\n{system}"), &[], "networks"),
        (format!("profile = \"trial\"\nnetworks = [\"10.1.2.3/8\"]\n{system}"), &[], "networks"),
        (format!("profile = \"trial\"\n{system}"), &["--control", "0.0.0.0:0"], "control"),
        (format!("profile = \"trial\"\n{system}secret = \"ngan\"\n"), &[], "secret"),
        (format!("profile = \"trial\"\n{system}{system}"), &[], "systems a"),
        (
            "profile = \"trial\"\n[[systems]]\nid = \"a\"\norganisations = []\n".to_owned(),
            &[],
            "organisations",
        ),
        (format!("profile = \"trial\"\nfoo = 1\n{system}"), &[], "foo"),
    ] {
        std::fs::write(&file, &settings).expect("written");
        let arguments = [&["axis-double", "--config", path][..], more].concat();
        let output = acceptance::run_with(Path::new(PROGRAM), &arguments, &[]);
        assert_eq!(output.status.code(), Some(3), "{settings}");
        assert!(text(&output.stderr).contains(said), "{settings}: {}", text(&output.stderr));
    }
}

/// A stage whose gateway is connected to a double, and polls it every second.
async fn connected() -> (Stage, Double) {
    let stage = Stage::open(PROGRAM, &[]).await;
    let folder = &stage.world.folder;
    let secret = "truc-thu-nghiem-0123456789abcdef";
    let settings = format!(
        "profile = \"trial\"\nfolder = \"truc\"\n\n[[systems]]\nid = \"tinh.01\"\nsecret = \"{secret}\"\norganisations = [\"H55\"]\n\n\
         [[systems]]\nid = \"bo.02\"\nsecret = \"{secret}-2\"\norganisations = [\"G91\"]\n\n\
         [[agencies]]\ncode = \"G91.23\"\nname = \"Vụ đã khóa\"\nstate = \"locked\"\n\
         [[agencies]]\ncode = \"G91.18\"\nname = \"Vụ đã xóa\"\nstate = \"deleted\"\n"
    );
    std::fs::write(folder.join("double.toml"), settings).expect("written");
    std::fs::write(folder.join("axis.secret"), secret).expect("written");
    let file = folder.join("double.toml");
    let mut double =
        Double::start(Path::new(PROGRAM), &["--config", file.to_str().expect("a plain path")]).await;
    assert_eq!(double.systems[1], ("bo.02".to_owned(), String::new()), "a secret of the file is not said");
    double.systems[1].1 = format!("{secret}-2");
    let axis = format!(
        "\n[axes.vpcp]\nname = \"Trục thử nghiệm\"\nurl = \"http://{}/vxp\"\nsystem_id = \"tinh.01\"\n\
         secret_file = \"axis.secret\"\nconnect_timeout = \"1s\"\ntimeout = \"2s\"\n\n[axes.vpcp.poll]\nevery = \"1s\"\n",
        double.address
    );
    let home = "home = { axis = \"vpcp\" }";
    stage.write_more(&axis, &["G91", "G91.23", "G91.18"].map(|code| organisation(code, home)).concat());
    (stage, double)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_gateway_sends_to_it_and_takes_what_waits_there() {
    let (stage, double) = connected().await;
    let mut gateway = stage.start().await;
    // The first request of each kind meets a fault.
    for (operation, fault) in [
        ("sendEdoc", "lost_answer"),
        ("getReceivedEdocList", "page"),
        ("getEdoc", "cut_answer"),
        ("updateStatus", "page"),
    ] {
        let fault = json!({ "operation": operation, "fault": fault, "times": 1 });
        double.commanded("POST", "faults", &fault.to_string()).await;
    }
    let packet = stage.signed("1.edxml", letter_to(1, &["G91", AGENCIES[1].code]));
    let id = stage.accepted(&packet).await;
    stage.delivery_is(&id, "G91", "handed_over").await;
    stage.delivery_is(&id, AGENCIES[1].code, "received").await;
    let taken = double.commanded("GET", "packets", "").await["packets"].clone();
    assert_eq!(taken.as_array().map(Vec::len), Some(1), "the repeat is the same: {taken}");
    assert!(taken[0]["times"].as_u64().is_some_and(|times| times >= 2));
    let sent = std::fs::read(&packet).expect("sent");
    assert_eq!(std::fs::read(taken[0]["file"].as_str().expect("a path")).expect("kept"), sent);

    // The ministry's system answers with a letter of its own.
    let mut theirs = client(&double, 1);
    let waits = listed(&mut theirs, "edoc").await;
    assert_eq!(waits.len(), 1);
    let reply = letter("G91", &[AGENCIES[1].code]);
    let said = theirs.send(&reply, &[("from", "G91"), ("messagetype", "edoc")]).await;
    assert_eq!(said["status"], "OK", "{said}");
    let came = until(async || (stage.world.receivers[1].taken().len() == 2).then_some(())).await;
    assert!(came.is_some(), "{:?}", stage.world.receivers[1].taken());
    let done = until(async || {
        let mail = double.commanded("GET", "mail", "").await["mail"].clone();
        let ours = mail.as_array()?.iter().find(|mail| mail["system"] == "tinh.01")?.clone();
        (ours["status"] == "done").then_some(ours)
    });
    let ours = done.await.expect("confirmed");
    let given = std::fs::read(ours["file"].as_str().expect("a path")).expect("kept");
    assert_ne!(given, reply, "it was written anew");
    let arrived = stage.world.receivers[1].taken();
    assert!(arrived.values().any(|taken| std::fs::read(&taken.file).expect("kept") == given));
    assert!(arrived.values().all(|taken| taken.times == 1), "{arrived:?}");
    assert_eq!(double.commanded("GET", "complaints", "").await["complaints"], json!([]));
    assert_eq!(gateway.stop().await.expect("it stops"), Some(0));
    assert_eq!(double.stop().await, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_that_is_locked_or_gone_spoils_nothing_for_the_others() {
    let (stage, double) = connected().await;
    let mut gateway = stage.start().await;
    for (number, bad, code) in [(1, "G91.23", "axis_23: "), (2, "G91.18", "axis_18: ")] {
        let id = stage.sent_to(number, &["G91", bad]).await;
        let refused = stage.delivery_is(&id, bad, "refused").await;
        let note = refused["history"].as_array().and_then(|all| all.last()).expect("a line")["note"].clone();
        assert!(note.as_str().is_some_and(|note| note.starts_with(code)), "{note}");
        let line = stage.delivery_is(&id, "G91", "handed_over").await;
        assert_eq!(line["attempts"], 2, "with the other one, and by itself: {line:#}");
    }
    let taken = double.commanded("GET", "packets", "").await["packets"].clone();
    let to: Vec<&Value> = taken.as_array().expect("a list").iter().map(|taken| &taken["to"]).collect();
    assert_eq!(to, [&json!(["G91"]), &json!(["G91"])], "{taken}");
    assert_eq!(listed(&mut client(&double, 1), "edoc").await.len(), 2);
    assert_eq!(gateway.stop().await.expect("it stops"), Some(0));
}
