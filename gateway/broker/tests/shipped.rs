//! The settings that are shipped for a cluster, on three real nodes: a gateway's user can do everything that a gateway
//! does, and nothing else; nobody gets in without encryption and a known key.
#![allow(clippy::panic, reason = "this is test code, though not in a test function")]

mod support;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::time::Duration;

use async_nats::jetstream::{self, kv};
use async_trait::async_trait;
use futures_util::StreamExt;
use lienthong_broker::contract::{self, Stage, becomes_ready};
use lienthong_broker::{Auth, BrokerOptions, NatsBroker, Nkey, ServerAddress, decode_events};
use lienthong_pipeline::ports::Broker;
use lienthong_pipeline::record::Event;
use support::cluster::Node;
use support::shipped::{GATEWAY, MONITOR, Shipped};
use support::{PATIENCE, broker_options};
use tempfile::TempDir;
use tokio::sync::{Mutex, mpsc};
use tokio::time::timeout;

struct ClusterStage {
    broker: NatsBroker,
    cluster: Mutex<Shipped>,
    folder: TempDir,
}

#[async_trait]
impl Stage for ClusterStage {
    fn broker(&self) -> &dyn Broker {
        &self.broker
    }

    async fn stop(&self) {
        self.cluster.lock().await.nodes.iter_mut().for_each(Node::kill);
        let mut looks = tokio::time::interval(Duration::from_millis(20));
        while self.broker.ready().await.is_ok() {
            looks.tick().await;
        }
    }

    async fn start(&self) {
        self.cluster.lock().await.nodes.iter_mut().for_each(Node::start);
    }

    async fn events(&self, of: &Event) -> Vec<Event> {
        let (client, _) = self.cluster.lock().await.client("gw-2").await;
        let stream = jetstream::new(client).get_stream("EVENTS").await.expect("the stream");
        let mut events = Vec::new();
        for number in 1..=stream.cached_info().state.last_sequence {
            let message = stream.get_raw_message(number).await.expect("stored");
            let is_admission = message.headers.get("Lt-Admission").is_some();
            if is_admission || message.subject.starts_with("lt.evt.name.") {
                continue;
            }
            events.extend(decode_events(&message.payload).expect("reads"));
        }
        events.retain(|event| event.document == of.document);
        events
    }

    fn folder(&self) -> &Path {
        self.folder.path()
    }
}

fn options(address: ServerAddress) -> BrokerOptions {
    BrokerOptions { replicas: 3, ..broker_options(address) }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_keeps_the_contract_on_three_nodes_of_the_shipped_settings() {
    let folder = tempfile::tempdir().expect("a folder");
    let nodes = tempfile::tempdir().expect("a folder");
    let cluster = Shipped::start(nodes.path());
    let options = options(cluster.address(GATEWAY));
    let broker = NatsBroker::connect(&options).await.expect("settings");
    contract::run(&ClusterStage { broker, cluster: Mutex::new(cluster), folder }).await;
    // Not everything that is refused shows: some answers are done without.
    assert_eq!(options.metrics.broker_refusals.value(), 0);
}

/// One that the gateway has made, or one made now. Asks until the cluster has a leader and answers.
async fn bucket(js: &jetstream::Context, name: &str) -> kv::Store {
    let config = || kv::Config {
        bucket: name.to_owned(),
        history: 1,
        num_replicas: 3,
        max_age: Duration::from_secs(15),
        ..kv::Config::default()
    };
    let mut looks = tokio::time::interval(Duration::from_millis(200));
    let made = async {
        loop {
            looks.tick().await;
            if let Ok(bucket) = js.get_key_value(name).await {
                return bucket;
            }
            if let Ok(bucket) = js.create_key_value(config()).await {
                return bucket;
            }
        }
    };
    timeout(PATIENCE, made).await.expect("a bucket")
}

/// Everything that is done with a table of leases, nodes or rolls.
async fn is_of_use(bucket: &kv::Store) {
    let first = bucket.create("key", "1".into()).await.expect("created");
    assert!(bucket.create("key", "2".into()).await.is_err(), "it is there");
    let mut watch = bucket.watch_with_history(">").await.expect("watched");
    let seen = timeout(PATIENCE, watch.next()).await.expect("in time").expect("an entry");
    assert_eq!(seen.expect("reads").revision, first);
    let second = bucket.update("key", "2".into(), first).await.expect("updated");
    assert!(bucket.update("key", "3".into(), first).await.is_err(), "by an older revision");
    let entry = bucket.entry("key").await.expect("answered").expect("there");
    assert_eq!((entry.revision, entry.value.as_ref()), (second, &b"2"[..]));
    let keys: Vec<_> = bucket.keys().await.expect("asked").collect().await;
    assert_eq!(keys.len(), 1);
    bucket.delete_expect_revision("key", Some(second)).await.expect("deleted");
    bucket.purge("key").await.expect("purged");
    bucket.status().await.expect("its stream");
}

/// What the server says to a publish or a subscription that it refuses.
async fn said(heard: &mut mpsc::UnboundedReceiver<String>, subject: &str) {
    let quoted = format!("\"{subject}\"");
    let refused = async {
        loop {
            let report = heard.recv().await.expect("the client lives").to_lowercase();
            if report.contains("permissions violation") && report.contains(&quoted.to_lowercase()) {
                return;
            }
        }
    };
    timeout(PATIENCE, refused).await.unwrap_or_else(|_| panic!("{subject} is not refused"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_may_do_what_it_needs_and_nothing_else() {
    let folder = tempfile::tempdir().expect("a folder");
    let cluster = Shipped::start(folder.path());
    let broker = NatsBroker::connect(&options(cluster.address(GATEWAY))).await.expect("settings");
    becomes_ready(&broker).await;

    let (client, mut heard) = cluster.client(GATEWAY).await;
    let js = jetstream::new(client.clone());
    for name in ["LEASES", "NODES", "ROLLS"] {
        is_of_use(&bucket(&js, name).await).await;
    }
    let rolls = js.get_stream("KV_ROLLS").await.expect("its stream");
    rolls.purge().filter("$KV.ROLLS.c.vpcp.0.1.*").await.expect("parts of a roll are removed");
    assert!(heard.try_recv().is_err(), "nothing was refused up to here");
    for subject in [
        "lt.other",
        "$KV.OTHERS.key",
        "$SYS.REQ.SERVER.PING",
        "$JS.API.STREAM.CREATE.OTHER",
        "$JS.API.STREAM.DELETE.DELIVERIES",
        "$JS.API.STREAM.PURGE.EVENTS",
        "$JS.API.STREAM.PURGE.KV_LEASES",
        "$JS.API.STREAM.MSG.DELETE.EVENTS",
        "$JS.API.STREAM.SNAPSHOT.EVENTS",
        "$JS.API.CONSUMER.DELETE.DELIVERIES.email-n",
        "$JS.API.ACCOUNT.PURGE.EDOC",
        "_INBOX.gw-2.answer",
    ] {
        client.publish(subject, "".into()).await.expect("sent");
        said(&mut heard, subject).await;
    }
    for subject in ["lt.>", "$KV.>", ">", "_INBOX.gw-2.>", "_INBOX.>"] {
        let _listening = client.subscribe(subject).await.expect("sent");
        said(&mut heard, subject).await;
    }
    let stream = js.get_stream("DELIVERIES").await.expect("it is there still");
    assert_eq!(stream.cached_info().state.messages, 0);

    let (monitor, mut heard) = cluster.client(MONITOR).await;
    let looked = jetstream::new(monitor.clone()).get_stream("EVENTS").await.expect("its length");
    assert_eq!(looked.cached_info().state.messages, 0);
    for subject in [
        "lt.dlv.email.n.x",
        "$JS.API.STREAM.MSG.GET.EVENTS",
        "$JS.API.DIRECT.GET.OBJ_BLOBS",
        "$JS.API.CONSUMER.CREATE.EVENTS",
        "$JS.API.STREAM.UPDATE.EVENTS",
    ] {
        monitor.publish(subject, "".into()).await.expect("sent");
        said(&mut heard, subject).await;
    }

    let stranger = Nkey::generate().expose_seed().expect("a seed");
    for auth in [Auth::Nkey(stranger), Auth::None] {
        let address = ServerAddress { auth, ..cluster.address(GATEWAY) };
        let stranger = NatsBroker::connect(&options(address)).await.expect("settings that can be read");
        let mut looks = tokio::time::interval(Duration::from_millis(20));
        let refused = async {
            while stranger.refusal().is_none() {
                looks.tick().await;
            }
        };
        timeout(PATIENCE, refused).await.expect("refused");
        let said = stranger.refusal().expect("refused").to_string();
        assert!(said.to_lowercase().contains("authorization violation"), "{said}");
        let said = stranger.ready().await.expect_err("never ready").to_string();
        assert!(said.contains("not connected: authorization violation"), "{said}");
    }
    in_clear_is_refused(&cluster);
}

/// A client that does not encrypt is cut off before it can say who it is.
fn in_clear_is_refused(cluster: &Shipped) {
    let mut stream = TcpStream::connect(cluster.nodes[0].address).expect("connected");
    stream.set_read_timeout(Some(PATIENCE)).expect("set");
    let mut lines = BufReader::new(stream.try_clone().expect("cloned"));
    let mut info = String::new();
    lines.read_line(&mut info).expect("INFO");
    assert!(info.contains("\"tls_required\":true"), "{info}");
    stream.write_all(b"CONNECT {\"verbose\":false}\r\nPING\r\n").expect("sent");
    let mut rest = Vec::new();
    // A reset is an end as well.
    lines.read_to_end(&mut rest).ok();
    assert!(!String::from_utf8_lossy(&rest).contains("PONG"));
}
