//! `lienthong axis ping` at our own door, by the files that docs/vendors-sdk.md gives to vendors.

use std::process::Output;

use acceptance::{Stage, text, workspace};

use crate::ground::{SECRET, client, receiver, stage_with_mailbox};
use crate::mailbox::{listed, sent};

/// A file as the page has it.
fn on_the_page(name: &str) -> String {
    let page = std::fs::read_to_string(workspace().join("docs/vendors-sdk.md")).expect("the page");
    let (_, file) = page.split_once(&format!("```toml\n# {name}\n")).expect("the file");
    file.split_once("```").expect("its end").0.to_owned()
}

fn ping(stage: &Stage, system_id: &str, secret: &str) -> Output {
    let folder = stage.world.folder.join("vendor");
    std::fs::create_dir_all(&folder).expect("a folder");
    let url = format!("http://{}/sdk", stage.world.public);
    let settings = on_the_page("thu.toml");
    assert!(settings.contains("https://truc.example.vn/sdk") && settings.contains("demo.sys.01"));
    let settings = settings.replace("https://truc.example.vn/sdk", &url).replace("demo.sys.01", system_id);
    let files = [("thu.toml", settings), ("danh-ba.toml", on_the_page("danh-ba.toml"))];
    for (name, text) in files.into_iter().chain([("khoa", secret.to_owned())]) {
        std::fs::write(folder.join(name), text).expect("written");
    }
    let output =
        stage.run(&["axis", "ping", "truc", "-c", folder.join("thu.toml").to_str().expect("a path")]);
    assert!(!folder.join("data").exists(), "nothing is made");
    output
}

#[tokio::test(flavor = "multi_thread")]
async fn a_vendor_tries_its_id_and_key_with_a_ping() {
    let stage = stage_with_mailbox().await;
    let mut gateway = stage.start().await;
    sent(&stage, &mut client(&stage), 1).await;
    let mut sdk = receiver(&stage);
    listed(&mut sdk, "edoc", 1).await;
    let well = ping(&stage, "demo.sys.02", SECRET);
    let said = text(&well.stdout);
    assert_eq!(well.status.code(), Some(0), "{}", text(&well.stderr));
    assert!(said.contains("khóa đúng") && said.contains("(documents waiting)"), "{said}");
    for (system_id, secret, why) in [
        ("demo.sys.02", "another secret, a wrong one", "axis_15"),
        ("demo.sys.99", SECRET, "axis_15"),
        ("demo.sys.01", SECRET, "OPERATION_OFF"),
    ] {
        let output = ping(&stage, system_id, secret);
        let said = text(&output.stderr);
        assert!(output.status.code() == Some(1) && said.contains(why), "{system_id}: {said}");
    }
    assert_eq!(listed(&mut sdk, "edoc", 1).await[0]["status"], "initial", "nothing is taken");
    assert_eq!(gateway.stop().await.expect("it stops"), Some(0));
    assert!(text(&ping(&stage, "demo.sys.02", SECRET).stderr).contains("connect"));
}
