//! What the container files say, as far as it can be tried without an engine: the broker's configuration starts three real
//! nodes and the gateway works over them; the settings load; nothing has a default password. `./check` lints the files.
#![allow(clippy::panic, clippy::print_stdout, reason = "this is test code, though not in test functions")]

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use acceptance::{Stage, broker_program, broker_scheme, workspace};
use lienthong::demo::world::free_addresses;
use lienthong_config::{Environment, Settings};

const PROGRAM: &str = env!("CARGO_BIN_EXE_lienthong-under-test");
const BROKER_PASSWORD: &str = "b-throw-away";
const CLUSTER_PASSWORD: &str = "c-throw-away";

/// Three nodes on loopback, of the shipped configuration; ended when dropped.
struct Cluster {
    nodes: Vec<Child>,
    urls: String,
    logs: Vec<PathBuf>,
}

impl Cluster {
    fn start(folder: &Path) -> Self {
        let addresses: [String; 9] = free_addresses().expect("addresses");
        let [clients, routes, http] = [0, 3, 6].map(|at| &addresses[at..at + 3]);
        let route = |address: &String| format!("{}://route:{CLUSTER_PASSWORD}@{address}", broker_scheme());
        let all: Vec<String> = routes.iter().map(route).collect();
        let (mut nodes, mut logs) = (Vec::new(), Vec::new());
        for at in 0..3 {
            let log = folder.join(format!("node-{at}.log"));
            let child = Command::new(broker_program())
                .arg(format!(
                    "--config={}",
                    workspace().join("config/examples/compose/broker.conf").display()
                ))
                .args([format!("--name=broker-{at}"), format!("--routes={}", all.join(","))])
                .args(["--addr=127.0.0.1".to_owned(), format!("--port={}", port(&clients[at]))])
                .arg(format!("--store_dir={}", folder.join(format!("node-{at}")).display()))
                .arg(format!("--cluster={}://{}", broker_scheme(), routes[at]))
                .arg(format!("--http_port={}", port(&http[at])))
                .envs([("BROKER_PASSWORD", BROKER_PASSWORD), ("CLUSTER_PASSWORD", CLUSTER_PASSWORD)])
                .stdout(Stdio::null())
                .stderr(File::create(&log).expect("a log"))
                .spawn();
            nodes.push(child.expect("a node"));
            logs.push(log);
        }
        let url = |address: &String| format!("{}://{address}", broker_scheme());
        let urls: Vec<String> = clients.iter().map(url).collect();
        Self { nodes, urls: urls.join(","), logs }
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        for (node, log) in self.nodes.iter_mut().zip(&self.logs) {
            let ended = node.kill().and_then(|()| node.wait());
            if std::thread::panicking() {
                println!("{ended:?}, its log:\n{}", fs::read_to_string(log).unwrap_or_default());
            }
        }
    }
}

/// The port of an address.
fn port(address: &str) -> &str {
    address.rsplit(':').next().unwrap_or_default()
}

#[tokio::test]
async fn a_document_passes_over_the_three_broker_nodes_of_compose() {
    let folder = tempfile::Builder::new().prefix("lienthong-test-").tempdir().expect("a folder");
    let mut cluster = Cluster::start(folder.path());
    let url = format!("url = \"{}\"", cluster.urls);
    let settings = [("broker", url.as_str()), ("broker", "user = \"lienthong\""), ("broker", "replicas = 3")];
    let stage = Stage::open(PROGRAM, &settings).await;
    let gateway = stage.start_with(&[("LIENTHONG_BROKER_PASSWORD", BROKER_PASSWORD)]).await;
    let mut gateway = gateway.unwrap_or_else(|fault| panic!("{fault}"));
    let packet = stage.letter(1, &[1, 2]);
    let document = stage.accepted(&packet).await;
    assert_eq!(stage.delivered(&document, &packet, &[1, 2]).await, [1, 1]);

    // Two of three are a majority: the loss of one node stops nothing.
    let lost = cluster.nodes.first_mut().expect("a node");
    lost.kill().and_then(|()| lost.wait()).expect("killed");
    let packet = stage.letter(2, &[1, 2]);
    let document = stage.accepted(&packet).await;
    stage.delivered(&document, &packet, &[1, 2]).await;
    gateway.stop().await.expect("in order");
}

#[test]
fn the_settings_of_compose_load() {
    let folder = tempfile::tempdir().expect("a folder");
    let examples = workspace().join("config/examples/compose");
    let text = fs::read_to_string(examples.join("lienthong.toml")).expect("the settings");
    let secrets = folder.path().display();
    let text = text.replace("/run/secrets/", &format!("{secrets}/"));
    for (name, content) in [
        ("lienthong.toml", text),
        ("directory.toml", fs::read_to_string(examples.join("directory.toml")).expect("the directory")),
        ("master-key", "0123456789abcdef".repeat(4)),
        ("tls-cert.pem", String::new()),
        ("tls-key.pem", String::new()),
    ] {
        fs::write(folder.path().join(name), content).expect("written");
    }
    let environment = Environment::empty().with("LIENTHONG_BROKER_PASSWORD", BROKER_PASSWORD);
    let settings = folder.path().join("lienthong.toml");
    Settings::load(&settings, &environment).unwrap_or_else(|faults| panic!("{faults:#?}"));
    let faults = Settings::load(&settings, &Environment::empty()).expect_err("no password, no start");
    assert!(faults.iter().any(|fault| fault.to_string().contains("password is missing")), "{faults:?}");
}

#[test]
fn no_password_has_a_default() {
    let compose = fs::read_to_string(workspace().join("compose.yaml")).expect("compose.yaml");
    let lines: Vec<&str> = compose.lines().filter(|line| !line.trim_start().starts_with('#')).collect();
    for line in lines.iter().filter(|line| line.contains("PASSWORD")) {
        let value = line.split_once("${").map_or("", |(_, value)| value);
        assert!(value.contains(":?set ") && !line.contains(":-"), "{line}");
    }
    assert!(lines.iter().any(|line| line.contains("LIENTHONG_BROKER_PASSWORD: ${BROKER_PASSWORD:?")));
    let broker =
        fs::read_to_string(workspace().join("config/examples/compose/broker.conf")).expect("broker.conf");
    for line in broker.lines().filter(|line| line.contains("password:")) {
        assert!(line.contains("password: $"), "{line}");
    }
}

#[test]
fn the_image_is_built_and_run_as_the_demo_is() {
    let read = |name: &str| fs::read_to_string(workspace().join(name)).expect(name);
    let (image, demo) = (read("Dockerfile"), read("demo"));
    let build = "cargo build --quiet --locked --release -p lienthong";
    assert!(image.contains(build) && demo.contains(build), "one command builds both");
    let user = image.lines().rfind(|line| line.starts_with("USER ")).expect("a user");
    assert!(user != "USER root" && user != "USER 0", "{user}");
    assert!(image.contains("HEALTHCHECK ") && image.contains("\"health\""));
    let (pinned, version_key) = (read(".ci/setup.sh"), format!("{}_version=", broker_scheme()));
    let version = pinned.lines().find_map(|line| line.strip_prefix(version_key.as_str())).expect("a version");
    for file in [&image, &read("compose.yaml")] {
        assert!(file.contains(&format!("{}:{version}-alpine", broker_scheme())), "one version everywhere");
    }
}
