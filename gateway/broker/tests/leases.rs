//! Leases against a real server: what only a server, and others who write to it, show.

mod support;

use std::time::Duration;

use async_nats::jetstream::kv::Store;
use async_nats::jetstream::stream::{DiscardPolicy, StorageType};
use lienthong_broker::contract::becomes_ready;
use lienthong_broker::leases::contract::{name, partition, sees, takes, word};
use lienthong_broker::{BrokerOptions, KvLeases, ManagedServer, NatsBroker};
use lienthong_pipeline::ports::{LEASE_TTL, Leases};
use lienthong_pipeline::record::{Fence, NodeLife, OwnNode};
use support::cluster::{Node, PASSWORD, USER, address_of, free_addresses};
use support::{broker_options, onlooker, start};

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a folder")
}

/// A gateway of several, and its leases.
async fn gateway(server: &ManagedServer, node: &str) -> (NatsBroker, KvLeases) {
    let options = BrokerOptions {
        node: Some(OwnNode::new(NodeLife { node: name(node), store: 1 })),
        ..broker_options(server.address())
    };
    let broker = NatsBroker::connect(&options).await.expect("settings that can work");
    becomes_ready(&broker).await;
    let leases = broker.leases().expect("one of several");
    (broker, leases)
}

async fn store(server: &ManagedServer, bucket: &str) -> Store {
    onlooker(&server.address()).await.get_key_value(bucket).await.expect("there")
}

#[tokio::test]
async fn buckets_are_as_the_design_says_and_only_where_there_are_several() {
    let data = folder();
    let server = start(data.path()).await;
    let alone = support::broker(&server).await;
    becomes_ready(&alone).await;
    assert!(alone.leases().is_none() && alone.rolls().is_none());
    let js = onlooker(&server.address()).await;
    for stream in ["KV_LEASES", "KV_NODES", "KV_ROLLS"] {
        assert!(js.get_stream(stream).await.is_err(), "nobody needs {stream}");
    }

    let (_broker, _leases) = gateway(&server, "a").await;
    for (bucket, max_age) in [("LEASES", LEASE_TTL), ("NODES", Duration::ZERO), ("ROLLS", Duration::ZERO)] {
        let stream = js.get_stream(format!("KV_{bucket}")).await.expect("there");
        let config = stream.cached_info().config.clone();
        assert_eq!(config.subjects, [format!("$KV.{bucket}.>")]);
        assert_eq!((config.storage, config.discard), (StorageType::File, DiscardPolicy::New));
        assert_eq!((config.max_age, config.num_replicas), (max_age, 1));
        assert_eq!(config.max_messages_per_subject, 1);
        assert!(config.allow_direct && config.allow_rollup && config.deny_delete);
        js.get_key_value(bucket).await.expect("other clients know it for a bucket");
    }
}

#[tokio::test]
async fn what_others_wrote_is_left_out_where_it_cannot_be_read() {
    let data = folder();
    let server = start(data.path()).await;
    let (_broker, leases) = gateway(&server, "a").await;
    let (in_leases, in_nodes) = (store(&server, "LEASES").await, store(&server, "NODES").await);
    for (key, value) in [
        ("p.01", "what?".to_owned()),
        ("p.02", r#"{"version":9,"node":"b","epoch":1}"#.to_owned()),
        ("p.03", format!(r#"{{"version":1,"node":"{}","epoch":1}}"#, "b".repeat(33))),
        ("p.04", r#"{"version":1,"node":"b","epoch":1,"fence":1000000}"#.to_owned()),
        ("p.64", r#"{"version":1,"node":"b","epoch":1}"#.to_owned()),
        ("other", "x".repeat(100_000)),
        ("p.05", r#"{"version":1,"node":"b","epoch":1}"#.to_owned()),
    ] {
        in_leases.put(key, value.into()).await.expect("written");
    }
    in_nodes.put("B_C", r#"{"version":1,"epoch":1,"said":1,"store":1}"#.into()).await.expect("written");
    in_nodes.put("c", "what?".into()).await.expect("written");
    in_nodes.put("b", r#"{"version":1,"epoch":2,"said":1,"store":1}"#.into()).await.expect("written");

    let seen = sees(&leases, |seen| !seen.leases.is_empty() && !seen.nodes.is_empty()).await;
    assert_eq!((seen.leases.len(), seen.nodes.len()), (1, 1), "{seen:?}");
    assert_eq!((seen.leases[0].partition, &seen.leases[0].node), (partition(5), &name("b")));
    assert_eq!((&seen.nodes[0].word.node, seen.nodes[0].epoch), (&name("b"), 2));
    let taken = leases.take(partition(1), &word("a", 1)).await.expect("asked");
    assert_eq!(taken, None, "whoever wrote that holds it until it ends");
    let unread = leases.say(&word("c", 1)).await.expect_err("nobody knows the epoch that stands");
    assert!(unread.cause.contains("node c"), "{unread}");
    assert!(leases.raise(&name("c"), 1).await.is_err());
}

#[tokio::test]
async fn a_renewal_whose_acknowledgement_was_lost_is_found_out() {
    let data = folder();
    let server = start(data.path()).await;
    let (_broker, leases) = gateway(&server, "a").await;
    let (a, of) = (word("a", 1), partition(3));
    let fence = leases.take(of, &a).await.expect("asked").expect("it is free");
    // As the renewal wrote it.
    let written = format!(r#"{{"version":1,"node":"a","epoch":1,"fence":{}}}"#, fence.0);
    let bucket = store(&server, "LEASES").await;
    bucket.put("p.03", written.clone().into()).await.expect("written");
    assert!(leases.renew(of, fence, &a).await.expect("asked"), "it is still that holding");
    assert!(leases.renew(of, fence, &a).await.expect("asked"));
    let stored = bucket.get("p.03").await.expect("read").expect("there");
    assert_eq!(String::from_utf8_lossy(&stored), written);

    bucket.put("p.03", r#"{"version":1,"node":"b","epoch":1}"#.into()).await.expect("written");
    assert!(!leases.renew(of, fence, &a).await.expect("asked"), "it is somebody else's");
    leases.release(of, fence).await.expect("it has ended already");
    assert!(bucket.get("p.03").await.expect("read").is_some(), "and that one stays");
    bucket.purge("p.03").await.expect("purged");
    let later = leases.take(of, &a).await.expect("asked").expect("what an operator removed is free");
    assert!(later > fence);
    bucket.delete("p.03").await.expect("deleted");
    assert!(!leases.renew(of, later, &a).await.expect("asked"));
}

#[tokio::test]
async fn what_follows_the_buckets_is_begun_anew_when_it_breaks() {
    let data = folder();
    let server = start(data.path()).await;
    let (_one, one) = gateway(&server, "a").await;
    let (_other, other) = gateway(&server, "b").await;
    let (a, of) = (word("a", 1), partition(3));
    one.say(&a).await.expect("said");
    let fence = one.take(of, &a).await.expect("asked").expect("it is free");
    let is_seen = |fence: Fence| move |seen: &_| holds(seen, fence);
    sees(&other, is_seen(fence)).await;

    // Readers that the server forgets.
    let js = onlooker(&server.address()).await;
    for stream in ["KV_LEASES", "KV_NODES"] {
        let stream = js.get_stream(stream).await.expect("there");
        let readers: Vec<String> = {
            use futures_util::TryStreamExt;
            stream.consumer_names().try_collect().await.expect("listed")
        };
        assert_eq!(readers.len(), 2, "one of each gateway");
        for reader in readers {
            stream.delete_consumer(&reader).await.expect("deleted");
        }
    }
    one.release(of, fence).await.expect("released");
    let later = one.take(of, &a).await.expect("asked").expect("it is free");
    sees(&other, is_seen(later)).await;

    // Buckets that vanish are made again; words are said again.
    js.delete_stream("KV_LEASES").await.expect("deleted");
    js.delete_stream("KV_NODES").await.expect("deleted");
    let anew = takes(&one, of, &a).await;
    sees(&other, is_seen(anew)).await;
    let said = async {
        let mut tries = tokio::time::interval(Duration::from_millis(50));
        while one.say(&word("a", 4)).await.is_err() {
            tries.tick().await;
        }
    };
    tokio::time::timeout(support::PATIENCE, said).await.expect("said at last");
    sees(&other, |seen| seen.nodes.len() == 1 && seen.nodes[0].epoch == 4).await;
}

fn holds(seen: &lienthong_pipeline::ports::Seen, fence: Fence) -> bool {
    seen.leases.len() == 1 && seen.leases[0].fence == fence && seen.leases[0].node == name("a")
}

#[tokio::test]
async fn leases_that_are_refused_say_so() {
    let folder = folder();
    let [address] = free_addresses();
    let users = format!(
        "authorization {{ users: [ {{ user: \"{USER}\", password: \"{PASSWORD}\", \
         permissions: {{ publish: {{ deny: [\"$KV.LEASES.>\"] }} }} }} ] }}"
    );
    let mut node = Node::new(folder.path(), "strict", address, &users);
    node.start();
    let options = BrokerOptions {
        node: Some(OwnNode::new(NodeLife { node: name("a"), store: 1 })),
        ..broker_options(address_of([&node]))
    };
    let broker = NatsBroker::connect(&options).await.expect("settings that can work");
    becomes_ready(&broker).await;
    let leases = broker.leases().expect("one of several");
    let refused = leases.take(partition(1), &word("a", 1)).await.expect_err("refused");
    assert!(refused.cause.contains("refuses") && refused.cause.contains("$KV.LEASES.p.01"), "{refused}");
    assert_eq!(leases.say(&word("a", 1)).await.expect("said"), 1);
}
