//! Shared rolls against a real server: what only a server, and others who write to it, show.

mod support;

use async_nats::jetstream::kv::Store;
use futures_util::TryStreamExt;
use lienthong_broker::leases::contract::name;
use lienthong_broker::rolls::contract::{becomes_ready, id, read, roll, sees};
use lienthong_broker::{BrokerOptions, KvRolls, ManagedServer, NatsBroker};
use lienthong_pipeline::ports::{RollText, RollVersion, Shared, SharedRolls};
use lienthong_pipeline::record::{NodeLife, OwnNode};
use support::{broker_options, onlooker, start};

/// Enough for several chunks.
const SOME: usize = 4_000;

async fn gateway(server: &ManagedServer, node: &str) -> (NatsBroker, KvRolls) {
    let options = BrokerOptions {
        node: Some(OwnNode::new(NodeLife { node: name(node), store: 1 })),
        ..broker_options(server.address())
    };
    let broker = NatsBroker::connect(&options).await.expect("settings that can work");
    let rolls = broker.rolls().expect("one of several");
    becomes_ready(&rolls).await;
    (broker, rolls)
}

async fn bucket(server: &ManagedServer) -> Store {
    onlooker(&server.address()).await.get_key_value("ROLLS").await.expect("there")
}

/// What the bucket's stream has.
async fn subjects(server: &ManagedServer) -> Vec<String> {
    let stream = onlooker(&server.address()).await.get_stream("KV_ROLLS").await.expect("there");
    let found = stream.info_with_subjects("$KV.ROLLS.>").await.expect("asked");
    let mut found: Vec<String> = found.map_ok(|(subject, _)| subject).try_collect().await.expect("listed");
    found.sort();
    found
}

#[tokio::test]
async fn what_earlier_writings_left_is_removed() {
    let data = tempfile::tempdir().expect("a folder");
    let server = start(data.path()).await;
    let (_broker, rolls) = gateway(&server, "a").await;
    let first = rolls.put(&id("vpcp"), 0, &roll("vpcp", SOME, "một")).await.expect("asked").expect("put");
    let of_first = subjects(&server).await;
    assert!(of_first.len() >= 3, "several chunks and a head: {of_first:?}");
    rolls.put(&id("bac"), 0, &roll("bac", 1, "x")).await.expect("asked").expect("put");
    // A gateway that died before its head, one that is about to write it, and one whose head came too late.
    let bucket = bucket(&server).await;
    let (dead, late) =
        ("c.vpcp.0.00000000000000aa.0", format!("c.vpcp.{}.00000000000000bb.0", first.revision));
    for chunk in [dead, &late] {
        bucket.put(chunk, "x".into()).await.expect("written");
    }
    let behind = rolls.put(&id("vpcp"), first.revision, &roll("vpcp", 1, "hai")).await;
    let second = behind.expect("asked").expect("put");
    let under_way = format!("c.vpcp.{}.00000000000000cc.0", second.revision);
    bucket.put(&under_way, "x".into()).await.expect("written");
    let too_late = rolls.put(&id("vpcp"), first.revision, &roll("vpcp", SOME, "ba")).await.expect("asked");
    assert_eq!(too_late, None);
    let left = subjects(&server).await;
    assert_eq!(
        left.len(),
        5,
        "two rolls of a head and a chunk each, and what may still come to count: {left:?}"
    );
    assert!(left.contains(&format!("$KV.ROLLS.{under_way}")), "{left:?}");
    rolls.put(&id("vpcp"), second.revision, &roll("vpcp", 2, "ba")).await.expect("asked").expect("put");
    let left = subjects(&server).await;
    assert_eq!(left.len(), 4, "what was under way comes too late now: {left:?}");
}

#[tokio::test]
async fn what_is_damaged_is_said_and_what_is_newer_is_not_touched() {
    let data = tempfile::tempdir().expect("a folder");
    let server = start(data.path()).await;
    let (_one, one) = gateway(&server, "a").await;
    let (_other, other) = gateway(&server, "b").await;
    let bucket = bucket(&server).await;
    let whole = roll("vpcp", SOME, "một");
    let checksum = Some(RollText::of(&whole).expect("a text").checksum);
    let mut last = one.put(&id("vpcp"), 0, &whole).await.expect("asked").expect("put");

    let chunk = format!("c.vpcp.0.{:016x}.1", last.write);
    for harm in ["other", ""] {
        match harm {
            "" => bucket.purge(&chunk).await.expect("purged"),
            harm => drop(bucket.put(&chunk, harm.into()).await.expect("written")),
        }
        let (version, found) = read(&other, "vpcp").await;
        let Shared::Damaged { checksum: known, .. } = found else { panic!("it is damaged: {found:?}") };
        assert_eq!((version, &known), (last, &checksum), "its head says what it was");
    }
    last = other.put(&id("vpcp"), last.revision, &whole).await.expect("asked").expect("put over it");
    assert_eq!(read(&one, "vpcp").await, (last, Shared::Roll(Box::new(whole.clone()))));

    for head in ["what?", "", r#"{"version":1}"#] {
        let revision = bucket.put("h.vpcp", head.into()).await.expect("written");
        let broken = RollVersion { revision, write: 0 };
        sees(&one, |seen| seen.get(&id("vpcp")) == Some(&broken)).await;
        let (version, found) = read(&one, "vpcp").await;
        assert!(version == broken && matches!(found, Shared::Damaged { checksum: None, .. }), "{found:?}");
        assert_eq!(one.read(&id("vpcp"), Some(broken)).await.expect("asked"), None, "that is known");
    }
    bucket.delete("h.vpcp").await.expect("deleted");
    sees(&one, |seen| seen.is_empty()).await;
    let (gone, found) = read(&one, "vpcp").await;
    assert_eq!(found, Shared::Nothing);
    one.put(&id("vpcp"), gone.revision, &whole).await.expect("asked").expect("put where there was one");

    let newer = bucket.put("h.vpcp", r#"{"version":2,"parts":[]}"#.into()).await.expect("written");
    sees(&one, |seen| seen.get(&id("vpcp")).is_some_and(|version| version.revision == newer)).await;
    let refused = one.read(&id("vpcp"), None).await.expect_err("a newer program's");
    assert!(refused.cause.contains("version 2"), "{refused}");
    // What is no roll's key is nobody's.
    bucket.put("h.Not_an_id", "x".into()).await.expect("written");
    one.put(&id("bac"), 0, &whole).await.expect("asked").expect("put");
    let seen = sees(&one, |seen| seen.contains_key(&id("bac"))).await;
    assert_eq!(seen.len(), 2, "{seen:?}");
}

#[tokio::test]
async fn a_bucket_that_vanishes_is_seen_as_empty() {
    let data = tempfile::tempdir().expect("a folder");
    let server = start(data.path()).await;
    let (_broker, rolls) = gateway(&server, "a").await;
    let whole = roll("vpcp", 1, "một");
    let before = rolls.put(&id("vpcp"), 0, &whole).await.expect("asked").expect("put");
    sees(&rolls, |seen| seen.len() == 1).await;
    onlooker(&server.address()).await.delete_stream("KV_ROLLS").await.expect("deleted");
    sees(&rolls, |seen| seen.is_empty()).await;
    becomes_ready(&rolls).await;
    let after = rolls.put(&id("vpcp"), 0, &whole).await.expect("asked").expect("put");
    assert_eq!(after.revision, before.revision, "the same numbers again");
    assert_ne!(after, before, "and another writing");
}
