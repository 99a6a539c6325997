//! A server that refuses this gateway something by its permissions: the call says why, and so do readiness and a metric.

mod support;

use std::sync::Arc;
use std::time::Duration;

use lienthong_broker::contract::{MemorySink, becomes_ready, sample};
use lienthong_broker::{BrokerOptions, NatsBroker};
use lienthong_monitoring::Metrics;
use lienthong_pipeline::ports::{Broker, Fault};
use lienthong_pipeline::record::{AdapterKind, Lane};
use lienthong_schemas::ids::PacketDigest;
use support::cluster::{Node, PASSWORD, USER, address_of, free_addresses};
use support::{PATIENCE, broker_options};

struct Stage {
    _node: Node,
    broker: NatsBroker,
    metrics: Arc<Metrics>,
    folder: tempfile::TempDir,
}

/// A server that lets the gateway publish anything but this.
async fn denying(subject: &str) -> Stage {
    let folder = tempfile::tempdir().expect("a folder");
    let [address] = free_addresses();
    let users = format!(
        "authorization {{ users: [ {{ user: \"{USER}\", password: \"{PASSWORD}\", \
         permissions: {{ publish: {{ deny: [\"{subject}\"] }} }} }} ] }}"
    );
    let mut node = Node::new(folder.path(), "strict", address, &users);
    node.start();
    let metrics = Arc::new(Metrics::new("test"));
    let options = BrokerOptions { metrics: metrics.clone(), ..broker_options(address_of([&node])) };
    let broker = NatsBroker::connect(&options).await.expect("settings that can work");
    Stage { _node: node, broker, metrics, folder }
}

fn is_explained(fault: &Fault, subject: &str) {
    let said = fault.to_string();
    assert!(said.contains("the server refuses this gateway") && said.contains(subject), "{said}");
    assert_eq!(said.matches("Permissions Violation").count(), 1, "{said}");
}

/// Asks until there is a refusal.
async fn refusal(broker: &NatsBroker) -> Fault {
    let mut looks = tokio::time::interval(Duration::from_millis(20));
    let looked = async {
        loop {
            looks.tick().await;
            if let Some(fault) = broker.refusal() {
                return fault;
            }
        }
    };
    tokio::time::timeout(PATIENCE, looked).await.expect("a refusal")
}

#[tokio::test]
async fn a_lane_that_is_refused_says_so_and_the_other_goes_on() {
    let stage = denying("lt.dlv.vendor_http.n.>").await;
    becomes_ready(&stage.broker).await;
    assert!(stage.broker.refusal().is_none());
    assert_eq!(stage.metrics.broker_refusals.value(), 0);
    let refused = stage.broker.publish(&sample::inline(1, Lane::Normal, b"1")).await;
    is_explained(&refused.expect_err("refused"), "lt.dlv.vendor_http.n.");
    stage.broker.publish(&sample::inline(2, Lane::Urgent, b"2")).await.expect("published");
    stage.broker.ready().await.expect("it is not away");
    is_explained(&refusal(&stage.broker).await, "lt.dlv.vendor_http.n.");
    assert_eq!(stage.metrics.broker_refusals.value(), 1);
}

#[tokio::test]
async fn events_and_blobs_that_are_refused_say_so() {
    let stage = denying("lt.evt.>").await;
    becomes_ready(&stage.broker).await;
    let refused = stage.broker.publish_event(&sample::event(1, 1)).await;
    is_explained(&refused.expect_err("refused"), "lt.evt.");

    let stage = denying("$O.BLOBS.>").await;
    becomes_ready(&stage.broker).await;
    let file = stage.folder.path().join("packet");
    for packet in [&b"packet"[..], b""] {
        std::fs::write(&file, packet).expect("written");
        let put = stage.broker.put_blob(PacketDigest::of(packet), packet.len() as u64, file.clone()).await;
        is_explained(&put.expect_err("refused"), "$O.BLOBS.");
    }
    let none = PacketDigest::of(b"packet");
    assert!(stage.broker.fetch_blob(none, Box::new(MemorySink::default())).await.is_err());
}

#[tokio::test]
async fn streams_that_may_not_be_made_are_why_it_is_not_ready() {
    let stage = denying("$JS.API.STREAM.CREATE.>").await;
    let mut looks = tokio::time::interval(Duration::from_millis(50));
    let looked = async {
        loop {
            looks.tick().await;
            let fault = stage.broker.ready().await.expect_err("never ready");
            if fault.cause.contains("refuses") {
                return fault;
            }
        }
    };
    let fault = tokio::time::timeout(PATIENCE, looked).await.expect("the reason");
    is_explained(&fault, "$JS.API.STREAM.CREATE.");
}

#[tokio::test]
async fn messages_that_may_not_be_pulled_are_a_refusal() {
    let stage = denying("$JS.API.CONSUMER.MSG.NEXT.>").await;
    becomes_ready(&stage.broker).await;
    let mut lane = stage
        .broker
        .deliveries(AdapterKind::VendorHttp, Lane::Normal)
        .await
        .expect("the lane, without a message");
    tokio::select! {
        _ = futures_util::StreamExt::next(&mut lane) => panic!("nothing comes"),
        fault = refusal(&stage.broker) => is_explained(&fault, "$JS.API.CONSUMER.MSG.NEXT."),
    }
}
