//! One contract, two brokers; another one, two kinds of leases; and one, two kinds of shared rolls.

mod support;

use std::path::Path;
use std::time::Duration;

use async_trait::async_trait;
use lienthong_broker::contract::{self, Stage};
use lienthong_broker::{
    BrokerOptions, KvLeases, KvRolls, ManagedServer, MemoryBroker, MemoryLeases, MemoryRolls, NatsBroker,
    ServerAddress, decode_events,
};
use lienthong_broker::{leases, rolls};
use lienthong_pipeline::ports::{Broker, LEASE_TTL, Leases, SharedRolls};
use lienthong_pipeline::record::{Event, NodeLife, OwnNode};
use tempfile::TempDir;
use tokio::sync::Mutex;

struct MemoryStage {
    broker: MemoryBroker,
    folder: TempDir,
    _blobs: TempDir,
}

#[async_trait]
impl Stage for MemoryStage {
    fn broker(&self) -> &dyn Broker {
        &self.broker
    }

    async fn stop(&self) {
        self.broker.stop();
    }

    async fn start(&self) {
        self.broker.start();
    }

    async fn events(&self, of: &Event) -> Vec<Event> {
        self.broker.events().into_iter().filter(|event| event.document == of.document).collect()
    }

    fn folder(&self) -> &Path {
        self.folder.path()
    }
}

#[tokio::test]
async fn the_memory_broker_keeps_the_contract() {
    let (folder, blobs) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
    let broker = MemoryBroker::new(blobs.path().to_owned());
    contract::run(&MemoryStage { broker, folder, _blobs: blobs }).await;
}

struct ServerStage {
    broker: NatsBroker,
    server: Mutex<Option<ManagedServer>>,
    address: ServerAddress,
    data: TempDir,
    folder: TempDir,
}

#[async_trait]
impl Stage for ServerStage {
    fn broker(&self) -> &dyn Broker {
        &self.broker
    }

    async fn stop(&self) {
        let server = self.server.lock().await.take().expect("it runs");
        server.stop().await;
        let mut looks = tokio::time::interval(Duration::from_millis(20));
        while self.broker.ready().await.is_ok() {
            looks.tick().await;
        }
    }

    async fn start(&self) {
        let server = support::start(self.data.path()).await;
        assert_eq!(server.address(), self.address, "port and credentials are kept");
        *self.server.lock().await = Some(server);
    }

    async fn events(&self, of: &Event) -> Vec<Event> {
        let js = support::onlooker(&self.address).await;
        let stream = js.get_stream("EVENTS").await.expect("the stream");
        let mut events = Vec::new();
        for number in 1..=stream.cached_info().state.last_sequence {
            let message = stream.get_raw_message(number).await.expect("stored");
            let is_admission = message.headers.get("Lt-Admission").is_some();
            if is_admission || message.subject.starts_with("lt.evt.name.") {
                continue;
            }
            for event in decode_events(&message.payload).expect("reads") {
                assert_eq!(message.subject.as_str(), format!("lt.evt.{}", event.document));
                events.push(event);
            }
        }
        events.retain(|event| event.document == of.document);
        events
    }

    fn folder(&self) -> &Path {
        self.folder.path()
    }
}

#[tokio::test]
async fn the_server_keeps_the_contract() {
    let (data, folder) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
    let server = support::start(data.path()).await;
    let (broker, address) = (support::broker(&server).await, server.address());
    let server = Mutex::new(Some(server));
    contract::run(&ServerStage { broker, server, address, data, folder }).await;
}

struct MemoryLeasesStage(MemoryLeases);

#[async_trait]
impl leases::contract::Stage for MemoryLeasesStage {
    fn one(&self) -> &dyn Leases {
        &self.0
    }

    fn other(&self) -> &dyn Leases {
        &self.0
    }

    fn lease_ttl(&self) -> Duration {
        LEASE_TTL
    }

    async fn stop(&self) {
        self.0.stop();
    }

    async fn start(&self) {
        self.0.start();
    }
}

#[tokio::test(start_paused = true)]
async fn memory_leases_keep_the_contract() {
    leases::contract::run(&MemoryLeasesStage(MemoryLeases::new())).await;
}

struct KvStage {
    brokers: [NatsBroker; 2],
    leases: [KvLeases; 2],
    server: Mutex<Option<ManagedServer>>,
    data: TempDir,
}

/// Shorter than what gateways use, so that nobody waits for it.
const SHORT_TTL: Duration = Duration::from_secs(4);

#[async_trait]
impl leases::contract::Stage for KvStage {
    fn one(&self) -> &dyn Leases {
        &self.leases[0]
    }

    fn other(&self) -> &dyn Leases {
        &self.leases[1]
    }

    fn lease_ttl(&self) -> Duration {
        SHORT_TTL
    }

    async fn stop(&self) {
        stop(&self.server, &self.brokers).await;
    }

    async fn start(&self) {
        *self.server.lock().await = Some(support::start(self.data.path()).await);
    }
}

/// Two gateways on one server.
async fn two_of(server: &ManagedServer) -> [NatsBroker; 2] {
    let mut brokers = Vec::new();
    for node in ["a", "b"] {
        let node = Some(OwnNode::new(NodeLife { node: leases::contract::name(node), store: 1 }));
        let options =
            BrokerOptions { node, lease_ttl: SHORT_TTL, ..support::broker_options(server.address()) };
        brokers.push(NatsBroker::connect(&options).await.expect("settings that can work"));
    }
    brokers.try_into().ok().expect("two")
}

/// Stops it, and returns when both have seen it.
async fn stop(server: &Mutex<Option<ManagedServer>>, brokers: &[NatsBroker; 2]) {
    let server = server.lock().await.take().expect("it runs");
    server.stop().await;
    let mut looks = tokio::time::interval(Duration::from_millis(20));
    for broker in brokers {
        while broker.ready().await.is_ok() {
            looks.tick().await;
        }
    }
}

#[tokio::test]
async fn leases_in_key_values_keep_the_contract() {
    let data = tempfile::tempdir().expect("a folder");
    let server = support::start(data.path()).await;
    let brokers = two_of(&server).await;
    let leases = brokers.each_ref().map(|broker| broker.leases().expect("one of several"));
    let server = Mutex::new(Some(server));
    leases::contract::run(&KvStage { brokers, leases, server, data }).await;
}

struct MemoryRollsStage(MemoryRolls);

#[async_trait]
impl rolls::contract::Stage for MemoryRollsStage {
    fn one(&self) -> &dyn SharedRolls {
        &self.0
    }

    fn other(&self) -> &dyn SharedRolls {
        &self.0
    }

    async fn stop(&self) {
        self.0.stop();
    }

    async fn start(&self) {
        self.0.start();
    }
}

#[tokio::test]
async fn memory_rolls_keep_the_contract() {
    rolls::contract::run(&MemoryRollsStage(MemoryRolls::new())).await;
}

struct KvRollsStage {
    brokers: [NatsBroker; 2],
    rolls: [KvRolls; 2],
    server: Mutex<Option<ManagedServer>>,
    data: TempDir,
}

#[async_trait]
impl rolls::contract::Stage for KvRollsStage {
    fn one(&self) -> &dyn SharedRolls {
        &self.rolls[0]
    }

    fn other(&self) -> &dyn SharedRolls {
        &self.rolls[1]
    }

    async fn stop(&self) {
        stop(&self.server, &self.brokers).await;
    }

    async fn start(&self) {
        *self.server.lock().await = Some(support::start(self.data.path()).await);
    }
}

#[tokio::test]
async fn rolls_in_key_values_keep_the_contract() {
    let data = tempfile::tempdir().expect("a folder");
    let server = support::start(data.path()).await;
    let brokers = two_of(&server).await;
    let rolls = brokers.each_ref().map(|broker| broker.rolls().expect("one of several"));
    let server = Mutex::new(Some(server));
    rolls::contract::run(&KvRollsStage { brokers, rolls, server, data }).await;
}
