//! What a fan-out puts into the broker, beside one receiver of the same packet: measured on a real server.
#![allow(clippy::print_stdout, reason = "the figures are the point")]

use std::process::Stdio;
use std::sync::Arc;

use acceptance::{broker_program, broker_scheme, until};
use lienthong::demo::world::free_addresses;
use lienthong_broker::contract::becomes_ready;
use lienthong_broker::{ACK_WAIT, Auth, BLOB_BYTES_MAX, BrokerOptions, NatsBroker, ServerAddress};
use lienthong_monitoring::Metrics;
use lienthong_pipeline::record::State;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

use super::fan_out::many;
use super::world::{Setup, World, letter};

/// With base64 and envelope a packet of 5 MB.
const SCAN_BYTES: u64 = 3_750_000;
const RECEIVERS: usize = 500;

/// A server, and the address at which it tells its numbers.
struct Server {
    _process: Child,
    url: String,
    numbers: String,
}

impl Server {
    fn start(folder: &std::path::Path) -> Self {
        let [address, numbers]: [String; 2] = free_addresses().expect("addresses");
        let config = folder.join("server.conf");
        let store = folder.join("store");
        let text = format!(
            "listen: \"{address}\"\nhttp: \"{numbers}\"\nmax_payload: 2MB\n\
             jetstream {{ store_dir: \"{}\", sync_interval: always }}\n",
            store.display()
        );
        std::fs::write(&config, text).expect("written");
        let mut command = Command::new(broker_program());
        command.arg("-c").arg(config).stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
        let process = command.spawn().expect("the broker starts");
        Self { _process: process, url: format!("{}://{address}", broker_scheme()), numbers }
    }

    async fn broker(&self) -> NatsBroker {
        let urls = vec![self.url.clone()];
        let address = ServerAddress { urls, auth: Auth::None, tls: false, ca: None, inbox_prefix: None };
        let options = BrokerOptions {
            address,
            name: "test".to_owned(),
            node: None,
            replicas: 1,
            max_age: std::time::Duration::from_secs(86_400),
            blob_bytes_max: BLOB_BYTES_MAX,
            store_bytes_max: None,
            ack_wait: ACK_WAIT,
            lease_ttl: lienthong_pipeline::ports::LEASE_TTL,
            metrics: Arc::new(Metrics::new("test")),
        };
        let broker = NatsBroker::connect(&options).await.expect("settings that can work");
        becomes_ready(&broker).await;
        broker
    }

    /// By HTTP/1.0, so that the answer ends with the connection.
    async fn ask(&self, path: &str) -> serde_json::Value {
        let mut stream = TcpStream::connect(&self.numbers).await.expect("a connection");
        stream.write_all(format!("GET {path} HTTP/1.0\r\n\r\n").as_bytes()).await.expect("asked");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.expect("an answer");
        let (_, body) = answer.split_once("\r\n\r\n").expect("a body");
        serde_json::from_str(body).expect("numbers")
    }

    /// Bytes of a stream.
    async fn stored(&self, stream: &str) -> u64 {
        let numbers = self.ask("/jsz?streams=true").await;
        let streams = numbers["account_details"][0]["stream_detail"].as_array().expect("streams").clone();
        let found = streams.iter().find(|found| found["name"] == stream);
        found.expect("the stream")["state"]["bytes"].as_u64().expect("a number")
    }
}

/// Deliveries, events, the packet, and all that came to the server, in bytes.
async fn put_by(count: usize) -> (u64, u64, u64, u64) {
    let folder = tempfile::tempdir().expect("a folder");
    let server = Server::start(folder.path());
    let broker = server.broker().await;
    let (directory, codes) = many(count);
    let before = server.ask("/varz").await["in_bytes"].as_u64().expect("a number");
    let wrap = Box::new(move |_| Arc::new(broker.clone()) as Arc<dyn lienthong_pipeline::ports::Broker>);
    let world = World::open(Setup { directory, wrap, ..Setup::default() });
    let to: Vec<&str> = codes.iter().map(String::as_str).collect();
    let scan = std::io::Read::take(std::io::repeat(9), SCAN_BYTES);
    let receipt = world.send(letter(1, &to).attach("scan.pdf", "application/pdf", scan)).await;
    let ended = until(async || {
        let received = world.states(&receipt).await.iter().all(|state| *state == State::Received);
        let sent = world.ports.store.unsent_events(1).await.expect("read").is_empty();
        (received && sent).then_some(())
    });
    assert!(ended.await.is_some(), "everybody has it");
    let came = server.ask("/varz").await["in_bytes"].as_u64().expect("a number") - before;
    (server.stored("DELIVERIES").await, server.stored("EVENTS").await, receipt.bytes, came)
}

#[tokio::test(flavor = "multi_thread")]
async fn five_hundred_receivers_put_little_more_into_the_broker_than_one() {
    let (one, many) = (put_by(1).await, put_by(RECEIVERS).await);
    let stored = |(deliveries, events, packet, _): (u64, u64, u64, u64)| deliveries + events + packet;
    let ratio = stored(many) as f64 / stored(one) as f64;
    for (count, (deliveries, events, packet, came)) in [(1, one), (RECEIVERS, many)] {
        println!(
            "{count} receivers: deliveries {deliveries}, events {events}, packet {packet}; all that came {came}"
        );
    }
    println!("stored: {ratio:.4}; all that came: {:.4}", many.3 as f64 / one.3 as f64);
    assert!(many.0 / RECEIVERS as u64 <= 350, "{} bytes a message", many.0 / RECEIVERS as u64);
    assert!(ratio <= 1.10, "{ratio}");
}
