//! What became of a document beyond the axis, as its sender sees it: over the running gateway and the double.

use acceptance::double::Double;
use acceptance::sdk_client::SdkClient;
use acceptance::{Stage, letter_to, organisation};
use lienthong::demo::world::AGENCIES;
use serde_json::{Value, json};

const PROGRAM: &str = env!("CARGO_BIN_EXE_lienthong-under-test");
const SECRET: &str = "truc-thu-nghiem-0123456789abcdef";

/// A gateway that asks the double every second; agency 0 sends by the SDK, too.
async fn stage(more: &str) -> (Stage, Double) {
    let stage = Stage::open(PROGRAM, &[]).await;
    let folder = &stage.world.folder;
    let double = format!(
        "profile = \"trial\"\nfolder = \"truc\"\n\n[[systems]]\nid = \"tinh.01\"\nsecret = \"{SECRET}\"\norganisations = [\"H55\"]\n\n\
         [[systems]]\nid = \"bo.02\"\nsecret = \"{SECRET}\"\norganisations = [\"G91\", \"H91\"]\n"
    );
    std::fs::write(folder.join("double.toml"), double).expect("written");
    std::fs::write(folder.join("axis.secret"), SECRET).expect("written");
    let file = folder.join("double.toml");
    let double = Double::start(PROGRAM.as_ref(), &["--config", file.to_str().expect("a plain path")]).await;
    let settings = format!(
        "\n[systems.{}.sdk]\nsystem_id = \"don-vi.01\"\nsecret_file = \"axis.secret\"\nmailbox = false\n\n\
         [axes.vpcp]\nname = \"Trục thử nghiệm\"\nurl = \"http://{}/vxp\"\nsystem_id = \"tinh.01\"\n\
         secret_file = \"axis.secret\"\n\n[axes.vpcp.poll]\nevery = \"1h\"\n{more}",
        AGENCIES[0].system, double.address
    );
    let home = "home = { axis = \"vpcp\" }";
    stage.write_more(&settings, &(organisation("G91", home) + &organisation("H91.02", home)));
    (stage, double)
}

/// The receiver's system says something of what waits for this code.
async fn says(double: &Double, to: &str, status: &str) {
    let mail = double.commanded("GET", "mail", "").await["mail"].clone();
    let mail = mail.as_array().expect("mail").iter().find(|mail| mail["to"] == to).expect("one").clone();
    let id = mail["doc_id"].as_str().expect("an id");
    double.commanded("POST", &format!("mail/{id}"), &json!({ "status": status }).to_string()).await;
}

fn has_note(line: &Value, begin: &str) -> bool {
    let history = line["history"].as_array().expect("a history");
    history.iter().any(|entry| entry["note"].as_str().is_some_and(|note| note.starts_with(begin)))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sender_learns_that_a_receiver_beyond_the_axis_has_it() {
    let (stage, double) = stage("sent_every = \"1s\"\n").await;
    let mut gateway = stage.start().await;
    let packet = stage.signed("1.edxml", letter_to(1, &["G91", "H91.02"]));
    let id = stage.accepted(&packet).await;
    for code in ["G91", "H91.02"] {
        stage.delivery_when(&id, code, |line| has_note(line, "initial: DocId ")).await;
    }
    says(&double, "H91.02", "fail").await;
    let failed = stage.delivery_when(&id, "H91.02", |line| has_note(line, "fail: DocId ")).await;
    assert_eq!(failed["state"], "handed_over", "nothing is invented: {failed:#}");
    says(&double, "G91", "done").await;
    stage.delivery_is(&id, "G91", "received").await;

    // What is to be asked is not forgotten over a restart.
    assert_eq!(gateway.stop().await.expect("it stops"), Some(0));
    says(&double, "H91.02", "done").await;
    let mut gateway = stage.start().await;
    let shown = stage.all_are(&id, "received").await;
    assert!(shown["deliveries"].as_array().expect("two").iter().all(|line| has_note(line, "done: DocId ")));
    let mut client = SdkClient::new(&stage.world.public, "/sdk", "don-vi.01", SECRET);
    let sent = [("servicetype", "eDoc"), ("messagetype", "edoc"), ("docId", id.as_str())];
    let list = client.call("getSentEdocList", &sent).await;
    for entry in list["data"].as_array().expect("a list") {
        assert_eq!(entry["receiveStatus"], "done", "{list}");
        assert!(entry["receivedTime"].as_str().is_some_and(|time| time.len() == 19), "{list}");
    }
    assert_eq!(double.commanded("GET", "packets", "").await["packets"][0]["times"], 1, "sent once");
    assert_eq!(double.commanded("GET", "complaints", "").await["complaints"], json!([]));
    assert_eq!(gateway.stop().await.expect("it stops"), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_axis_that_is_not_to_be_asked_is_not_asked() {
    let (stage, double) = stage("sent_every = \"0s\"\n").await;
    // Were it asked, it would complain.
    let fault = json!({ "operation": "getSentEdocList", "fault": "page", "times": 1 });
    double.commanded("POST", "faults", &fault.to_string()).await;
    let mut gateway = stage.start().await;
    let id = stage.sent_to(1, &["G91"]).await;
    stage.delivery_is(&id, "G91", "handed_over").await;
    says(&double, "G91", "done").await;
    let other = stage.sent_to(2, &["G91"]).await;
    stage.delivery_is(&other, "G91", "handed_over").await;
    assert_eq!(double.commanded("GET", "faults", "").await["faults"].as_array().map(Vec::len), Some(1));
    assert_eq!(gateway.stop().await.expect("it stops"), Some(0));
}
