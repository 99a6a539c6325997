//! One contract, two brokers.

mod support;

use std::path::Path;

use async_trait::async_trait;
use lienthong_broker::contract::{self, Stage};
use lienthong_broker::{ManagedServer, MemoryBroker, NatsBroker, ServerAddress, decode_events};
use lienthong_pipeline::ports::Broker;
use lienthong_pipeline::record::Event;
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
        let mut looks = tokio::time::interval(std::time::Duration::from_millis(20));
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
