//! Three servers, three copies: elections and restarts in mid traffic are ridden out with the same ids for as long as it
//! takes. Nothing is lost, nothing stands in a stream twice, and each queue keeps its order.
#![allow(clippy::disallowed_methods, reason = "tasks of a test end with its runtime")]

mod support;

use std::collections::{BTreeMap, HashSet};
use std::io::Read;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use async_nats::header::NATS_MESSAGE_ID;
use async_nats::jetstream::Context;
use futures_util::future::join_all;
use leases::contract::{name, partition, sees, takes, word};
use lienthong_broker::contract::{MemorySink, becomes_ready, bytes_of, next, sample};
use lienthong_broker::leases;
use lienthong_broker::{BrokerOptions, NatsBroker};
use lienthong_pipeline::ports::{Broker, DeliveryMessage, LEASE_TTL, Leases, NodeWord, Seen};
use lienthong_pipeline::record::{AdapterKind, Fence, Lane, NodeLife, OwnNode, Partition};
use lienthong_schemas::ids::PacketDigest;
use lienthong_schemas::organ::OrganId;
use support::cluster::Cluster;
use support::{broker_options, onlooker};

const QUEUES: u32 = 8;
/// Messages between two faults, at least.
const BETWEEN: u32 = 60;
const BLOB_BYTES: usize = 3 * 1024 * 1024 + 5;

/// The `number`th delivery of a queue.
fn message(queue: u32, number: u32) -> DeliveryMessage {
    let mut message = sample::inline(queue * 100_000 + number, Lane::Normal, b"packet");
    message.delivery.route.receiver = OrganId::parse(&format!("000.00.{queue:02}.H55")).expect("a code");
    message
}

fn id(message: &DeliveryMessage) -> String {
    format!("{}:g1", message.delivery.id)
}

/// What the publishers do, and when they are to end.
#[derive(Default)]
struct Traffic {
    published: AtomicU32,
    ends: AtomicBool,
}

impl Traffic {
    /// One queue: one message in flight, each repeated until it is stored. Returns how many there are.
    async fn of_queue(&self, broker: &NatsBroker, queue: u32) -> u32 {
        for number in 0.. {
            if self.ends.load(Ordering::SeqCst) {
                return number;
            }
            let message = message(queue, number);
            while broker.publish(&message).await.is_err() {
                becomes_ready(broker).await;
            }
            self.published.fetch_add(1, Ordering::SeqCst);
        }
        unreachable!("that many are never sent")
    }

    /// Blobs, one after the other. Returns how many there are.
    async fn of_blobs(&self, broker: &NatsBroker, folder: &Path) -> u8 {
        for number in 0..=u8::MAX {
            if self.ends.load(Ordering::SeqCst) {
                return number;
            }
            let (digest, bytes) = blob(number);
            let file = folder.join(format!("blob-{number}"));
            std::fs::write(&file, &bytes).expect("written");
            while broker.put_blob(digest, bytes.len() as u64, file.clone()).await.is_err() {
                becomes_ready(broker).await;
            }
        }
        unreachable!("that many are never sent")
    }

    /// Waits until some more was published.
    async fn goes_on(&self) {
        let wanted = self.published.load(Ordering::SeqCst) + BETWEEN;
        let mut looks = tokio::time::interval(Duration::from_millis(5));
        let looked = async {
            while self.published.load(Ordering::SeqCst) < wanted {
                looks.tick().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(120), looked).await.expect("traffic goes on");
    }
}

fn blob(number: u8) -> (PacketDigest, Vec<u8>) {
    let mut bytes = bytes_of(BLOB_BYTES);
    bytes[0] = number;
    (PacketDigest::of(&bytes), bytes)
}

/// The name of the node that leads a stream.
async fn leader(js: &Context, stream: &str) -> String {
    let mut looks = tokio::time::interval(Duration::from_millis(50));
    loop {
        looks.tick().await;
        let info = js.get_stream(stream).await.ok();
        let led = info.and_then(|stream| stream.cached_info().cluster.clone()?.leader);
        if let Some(leader) = led {
            return leader;
        }
    }
}

/// Message ids of a stream, by subject, in their order.
async fn stored(js: &Context) -> BTreeMap<String, Vec<String>> {
    let stream = js.get_stream("DELIVERIES").await.expect("there");
    let mut stored: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for number in 1..=stream.cached_info().state.last_sequence {
        let message = stream.get_raw_message(number).await.expect("stored");
        let id = message.headers.get(NATS_MESSAGE_ID).expect("an id").to_string();
        stored.entry(message.subject.to_string()).or_default().push(id);
    }
    stored
}

#[tokio::test(flavor = "multi_thread")]
async fn elections_and_restarts_are_ridden_out_with_the_same_ids() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut cluster = Cluster::start(folder.path());
    let options = BrokerOptions { replicas: 3, ..broker_options(cluster.address()) };
    let broker = Arc::new(NatsBroker::connect(&options).await.expect("settings that can work"));
    becomes_ready(&*broker).await;
    let traffic = Arc::new(Traffic::default());
    let publishers = (0..QUEUES).map(|queue| {
        let (traffic, broker) = (traffic.clone(), broker.clone());
        tokio::spawn(async move { traffic.of_queue(&broker, queue).await })
    });
    let publishers: Vec<_> = publishers.collect();
    let blobs = {
        let (traffic, broker, folder) = (traffic.clone(), broker.clone(), folder.path().to_owned());
        tokio::spawn(async move { traffic.of_blobs(&broker, &folder).await })
    };

    traffic.goes_on().await;
    for stream in ["DELIVERIES", "OBJ_BLOBS"] {
        let name = leader(&onlooker(&cluster.address()).await, stream).await;
        cluster.named(&name).kill();
        traffic.goes_on().await;
        cluster.named(&name).start();
        becomes_ready(&*broker).await;
    }
    cluster.nodes.iter_mut().for_each(|node| node.kill());
    cluster.nodes.iter_mut().for_each(|node| node.start());
    traffic.goes_on().await;
    for node in 0..3 {
        cluster.nodes[node].kill();
        cluster.nodes[node].start();
        becomes_ready(&*broker).await;
        traffic.goes_on().await;
    }
    traffic.ends.store(true, Ordering::SeqCst);
    let counts: Vec<u32> =
        join_all(publishers).await.into_iter().map(|count| count.expect("no panic")).collect();
    let blobs = blobs.await.expect("no panic");
    becomes_ready(&*broker).await;

    let js = onlooker(&cluster.address()).await;
    let mut wanted = BTreeMap::new();
    for (queue, count) in (0..QUEUES).zip(&counts) {
        let subject = format!("lt.dlv.vendor_http.n.000_00_{queue:02}_H55");
        let ids: Vec<String> = (0..*count).map(|number| id(&message(queue, number))).collect();
        wanted.insert(subject, ids);
    }
    let stored = stored(&js).await;
    for (subject, wanted) in &wanted {
        assert!(stored.get(subject) == Some(wanted), "{subject}: each one, once, in its order");
    }

    let mut missing: HashSet<String> = wanted.into_values().flatten().collect();
    let mut lane = broker.deliveries(AdapterKind::VendorHttp, Lane::Normal).await.expect("the lane");
    while !missing.is_empty() {
        let taken = next(&mut lane).await;
        missing.remove(&id(&taken.message().expect("reads")));
        // Not every acknowledgement is heard after an election; the message then comes again.
        drop(taken.ack().await);
    }

    for number in 0..blobs {
        let (digest, bytes) = blob(number);
        let fetched = async {
            loop {
                if let Ok(packet) = broker.fetch_blob(digest, Box::new(MemorySink::default())).await {
                    break packet;
                }
            }
        };
        let fetched = tokio::time::timeout(support::PATIENCE, fetched).await.expect("in time");
        let mut read = Vec::new();
        fetched.open().expect("opens").read_to_end(&mut read).expect("reads");
        assert!(read == bytes, "blob {number}");
    }
}

/// Each partition's lease is renewed in rounds, as gateways do, until that succeeds for all.
async fn all_are_renewed(leases: &dyn Leases, held: &[(Partition, Fence)], word: &NodeWord) {
    let renewed = async {
        let mut left = held.to_vec();
        let mut rounds = tokio::time::interval(Duration::from_millis(200));
        while !left.is_empty() {
            rounds.tick().await;
            let asked = left.iter().map(|(of, fence)| leases.renew(*of, *fence, word));
            let asked = join_all(asked).await;
            assert!(asked.iter().all(|renewed| *renewed.as_ref().unwrap_or(&true)), "nobody else took one");
            let mut asked = asked.into_iter();
            left.retain(|_| asked.next().is_none_or(|renewed| renewed.is_err()));
        }
    };
    tokio::time::timeout(LEASE_TTL, renewed).await.expect("before they end");
}

#[tokio::test(flavor = "multi_thread")]
async fn leases_outlive_a_server_and_move_only_when_they_end() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut cluster = Cluster::start(folder.path());
    let mut brokers = Vec::new();
    for node in ["a", "b"] {
        let node = Some(OwnNode::new(NodeLife { node: name(node), store: 1 }));
        let options = BrokerOptions { replicas: 3, node, ..broker_options(cluster.address()) };
        brokers.push(NatsBroker::connect(&options).await.expect("settings that can work"));
    }
    let [one, other] = [&brokers[0], &brokers[1]].map(|broker| broker.leases().expect("one of several"));
    for broker in &brokers {
        becomes_ready(broker).await;
    }
    let (a, b) = (word("a", 1), word("b", 1));
    let js = onlooker(&cluster.address()).await;
    let mut held = Vec::new();
    for of in Partition::all() {
        held.push((of, takes(&one, of, &a).await));
    }
    let is_ones = |seen: &Seen| {
        seen.leases.len() == Partition::COUNT && seen.leases.iter().all(|lease| lease.node == a.node)
    };
    sees(&other, is_ones).await;

    for _ in 0..2 {
        all_are_renewed(&one, &held, &a).await;
        let led_by = leader(&js, "KV_LEASES").await;
        cluster.named(&led_by).kill();
        all_are_renewed(&one, &held, &a).await;
        assert_eq!(other.take(partition(0), &b).await.unwrap_or_default(), None, "it is held");
        cluster.named(&led_by).start();
        for broker in &brokers {
            becomes_ready(broker).await;
        }
    }
    all_are_renewed(&one, &held, &a).await;
    sees(&other, is_ones).await;
    let begun = Instant::now();
    all_are_renewed(&one, &held[..1], &a).await;
    let (of, old) = held[0];
    let new = takes(&other, of, &b).await;
    assert!(begun.elapsed() >= LEASE_TTL, "it ended too early");
    assert!(new > old);
    let renewed = async {
        loop {
            if let Ok(renewed) = one.renew(of, old, &a).await {
                return renewed;
            }
        }
    };
    assert!(!tokio::time::timeout(support::PATIENCE, renewed).await.expect("asked"));
    let is_others = |seen: &Seen| seen.leases.iter().any(|lease| (lease.partition, lease.fence) == (of, new));
    sees(&one, is_others).await;
}
