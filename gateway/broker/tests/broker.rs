//! The broker against a real server: what only a server shows.

mod support;

use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::time::{Duration, Instant};

use async_nats::HeaderMap;
use async_nats::jetstream::consumer::{AckPolicy, pull};
use async_nats::jetstream::stream::{self, DiscardPolicy, RetentionPolicy, StorageType};
use lienthong_broker::contract::{MemorySink, becomes_ready, next, sample};
use lienthong_broker::{
    Auth, BrokerOptions, INLINE_BYTES_MAX, ManagedOptions, ManagedServer, NatsBroker, PUBLISH_WAIT,
    ServerAddress,
};
use lienthong_pipeline::ports::Broker;
use lienthong_pipeline::record::{AdapterKind, Lane};
use lienthong_schemas::ids::PacketDigest;
use support::{MAX_AGE, broker, broker_options, onlooker, running, start};

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a folder")
}

#[tokio::test]
async fn streams_and_consumers_are_as_the_design_says() {
    let data = folder();
    let server = start(data.path()).await;
    becomes_ready(&broker(&server).await).await;

    let js = onlooker(&server.address()).await;
    for (name, subject) in [("DELIVERIES", "lt.dlv.>"), ("EVENTS", "lt.evt.>")] {
        let config = js.get_stream(name).await.expect("there").cached_info().config.clone();
        assert_eq!(config.subjects, [subject]);
        assert_eq!(config.storage, StorageType::File);
        assert_eq!(config.retention, RetentionPolicy::Limits);
        assert_eq!(config.discard, DiscardPolicy::New);
        assert_eq!((config.num_replicas, config.max_age), (1, MAX_AGE));
        assert_eq!(config.duplicate_window, Duration::from_secs(7_200));
    }
    js.get_object_store("BLOBS").await.expect("the bucket");
    let deliveries = js.get_stream("DELIVERIES").await.expect("there");
    for lane in ["u", "n"] {
        let name = format!("vendor_http-{lane}");
        let config = deliveries.consumer_info(&name).await.expect("there").config;
        assert_eq!(config.durable_name.as_deref(), Some(name.as_str()));
        assert_eq!(config.filter_subject, format!("lt.dlv.vendor_http.{lane}.>"));
        assert_eq!(config.ack_policy, AckPolicy::Explicit);
        assert_eq!((config.ack_wait, config.max_ack_pending), (Duration::from_secs(60), 256));
        assert_eq!(config.inactive_threshold, Duration::ZERO, "a durable consumer stays");
    }
}

#[tokio::test]
async fn what_somebody_changed_is_changed_back() {
    let data = folder();
    let server = start(data.path()).await;
    running(&server).await;
    let js = onlooker(&server.address()).await;
    let subjects = vec!["lt.dlv.>".to_owned()];
    let other = stream::Config { name: "DELIVERIES".to_owned(), subjects, ..Default::default() };
    let stream = js.create_stream(other).await.expect("made");
    let consumer = pull::Config {
        durable_name: Some("vendor_http-n".to_owned()),
        ack_policy: AckPolicy::Explicit,
        ..Default::default()
    };
    stream.create_consumer(consumer).await.expect("made");

    becomes_ready(&broker(&server).await).await;
    let stream = js.get_stream("DELIVERIES").await.expect("there");
    assert_eq!(stream.cached_info().config.max_age, MAX_AGE);
    let consumer = stream.consumer_info("vendor_http-n").await.expect("there").config;
    assert_eq!((consumer.filter_subject.as_str(), consumer.max_ack_pending), ("lt.dlv.vendor_http.n.>", 256));
}

#[tokio::test]
async fn what_cannot_be_changed_back_is_a_fault_that_names_it() {
    let data = folder();
    let server = start(data.path()).await;
    running(&server).await;
    let js = onlooker(&server.address()).await;
    let subjects = vec!["lt.evt.>".to_owned()];
    let storage = StorageType::Memory;
    let other = stream::Config { name: "EVENTS".to_owned(), subjects, storage, ..Default::default() };
    js.create_stream(other).await.expect("made");

    let broker = broker(&server).await;
    let mut looks = tokio::time::interval(Duration::from_millis(50));
    let said = loop {
        looks.tick().await;
        match broker.ready().await.expect_err("never ready").to_string() {
            said if said.contains("stream EVENTS") => break said,
            // It is not connected yet, or the server was slow to answer.
            _ => {}
        }
    };
    assert!(said.contains("wanted") && said.contains("got"), "{said}");
    assert!(
        broker.publish(&sample::inline(1, Lane::Normal, b"x")).await.is_err(),
        "and nothing is published"
    );
}

#[tokio::test]
async fn streams_that_vanish_are_made_again() {
    let data = folder();
    let server = start(data.path()).await;
    let broker = broker(&server).await;
    becomes_ready(&broker).await;
    let mut lane = broker.deliveries(AdapterKind::VendorHttp, Lane::Normal).await.expect("the lane");
    let (first, second) = (sample::inline(1, Lane::Normal, b"1"), sample::inline(2, Lane::Normal, b"2"));
    broker.publish(&first).await.expect("published");
    next(&mut lane).await.ack().await.expect("acknowledged");

    let js = onlooker(&server.address()).await;
    js.delete_stream("DELIVERIES").await.expect("deleted");
    let publish = async {
        let mut tries = tokio::time::interval(Duration::from_millis(50));
        while broker.publish(&second).await.is_err() {
            tries.tick().await;
        }
    };
    let both = async { tokio::join!(publish, next(&mut lane)).1 };
    let taken = tokio::time::timeout(support::PATIENCE, both).await.expect("in time");
    assert_eq!(
        taken.message().expect("reads").delivery.id,
        second.delivery.id,
        "the stream of messages goes on"
    );
}

#[tokio::test]
async fn a_message_that_cannot_be_read_is_handed_out_as_such() {
    let data = folder();
    let server = start(data.path()).await;
    let broker = broker(&server).await;
    becomes_ready(&broker).await;
    let js = onlooker(&server.address()).await;
    let mut later = HeaderMap::new();
    later.insert("Lt-Version", "3");
    let subject = "lt.dlv.vendor_http.u.H55";
    let sent = js.publish_with_headers(subject, later, "{}".into()).await.expect("sent");
    sent.await.expect("stored");
    js.publish(subject, "no headers".into()).await.expect("sent").await.expect("stored");

    let mut lane = broker.deliveries(AdapterKind::VendorHttp, Lane::Urgent).await.expect("the lane");
    for reason in ["version 3", "Lt-Version is missing"] {
        let taken = next(&mut lane).await;
        let fault = taken.message().expect_err("not readable").to_string();
        assert!(fault.contains(reason), "{fault}");
        taken.ack().await.expect("put aside");
    }
    assert_eq!(
        js.get_stream("DELIVERIES").await.expect("there").cached_info().state.messages,
        2,
        "limits retention"
    );
}

#[tokio::test]
async fn a_message_that_is_worked_on_does_not_come_again() {
    let data = folder();
    let server = start(data.path()).await;
    let ack_wait = Duration::from_secs(1);
    let options = BrokerOptions { ack_wait, ..broker_options(server.address()) };
    let broker = NatsBroker::connect(&options).await.expect("settings that can work");
    becomes_ready(&broker).await;
    let mut lane = broker.deliveries(AdapterKind::VendorHttp, Lane::Normal).await.expect("the lane");
    broker.publish(&sample::inline(1, Lane::Normal, b"1")).await.expect("published");
    let held = next(&mut lane).await;
    assert_eq!(held.patience(), ack_wait);
    let js = onlooker(&server.address()).await;
    let deliveries = js.get_stream("DELIVERIES").await.expect("there");
    let pending = async || deliveries.consumer_info("vendor_http-n").await.expect("there").num_ack_pending;
    let mut words = tokio::time::interval(ack_wait / 10);
    for _ in 0..30 {
        words.tick().await;
        held.working().await.expect("said");
        let again = futures_util::FutureExt::now_or_never(futures_util::StreamExt::next(&mut lane));
        assert!(again.is_none(), "it is held");
    }
    assert_eq!(pending().await, 1);
    held.ack().await.expect("acknowledged");
    assert_eq!(pending().await, 0);

    // Without a word it comes again.
    broker.publish(&sample::inline(2, Lane::Normal, b"2")).await.expect("published");
    let silent = next(&mut lane).await;
    let again = next(&mut lane).await;
    assert_eq!(again.message().expect("reads"), silent.message().expect("reads"));
    again.ack().await.expect("acknowledged");
}

#[tokio::test]
async fn nobody_there_is_said_at_once() {
    let data = folder();
    let server = start(data.path()).await;
    running(&server).await;
    server.stop().await;
    let began = Instant::now();
    let broker = broker(&server).await;
    assert!(broker.ready().await.is_err());
    assert!(broker.publish(&sample::inline(1, Lane::Normal, b"x")).await.is_err());
    assert!(broker.fetch_blob(PacketDigest::of(b"x"), Box::new(MemorySink::default())).await.is_err());
    assert!(began.elapsed() < PUBLISH_WAIT, "no waiting where there is nobody");
    broker.close().await;
}

#[tokio::test]
async fn wrong_credentials_never_become_ready_and_right_ones_by_url_do() {
    let data = folder();
    let server = start(data.path()).await;
    running(&server).await;
    let auth = Auth::UserPassword { user: "somebody".to_owned(), password: "else".to_owned() };
    let wrong = NatsBroker::connect(&broker_options(ServerAddress { auth, ..server.address() })).await;
    let wrong = wrong.expect("settings that could work");
    let right = broker(&server).await;
    becomes_ready(&right).await;
    assert!(wrong.ready().await.is_err());
    let mut looks = tokio::time::interval(Duration::from_millis(20));
    let said = async {
        while wrong.refusal().is_none() {
            looks.tick().await;
        }
        wrong.ready().await.expect_err("never ready").to_string()
    };
    let said = tokio::time::timeout(support::PATIENCE, said).await.expect("a refusal");
    assert!(said.contains("authorization violation"), "{said}");

    let auth = Auth::CredsFile(data.path().join("none.creds"));
    let none = NatsBroker::connect(&broker_options(ServerAddress { auth, ..server.address() })).await;
    assert!(none.err().expect("refused").to_string().contains("none.creds"));
}

#[tokio::test]
async fn a_blob_over_the_limit_is_not_fetched() {
    let data = folder();
    let server = start(data.path()).await;
    let mut options = broker_options(server.address());
    options.blob_bytes_max = 5;
    let broker = NatsBroker::connect(&options).await.expect("settings that can work");
    becomes_ready(&broker).await;
    for (packet, fits) in [(&b"12345"[..], true), (&b"123456"[..], false)] {
        let (digest, file) = (PacketDigest::of(packet), data.path().join("packet"));
        std::fs::write(&file, packet).expect("written");
        broker.put_blob(digest, packet.len() as u64, file).await.expect("put");
        let fetched = broker.fetch_blob(digest, Box::new(MemorySink::default())).await;
        assert_eq!(fetched.is_ok(), fits);
    }
}

/// `$O.BLOBS...` messages that are stored, and their bytes.
async fn blobs_stored(server: &ManagedServer) -> (u64, u64) {
    let js = onlooker(&server.address()).await;
    let state = js.get_stream("OBJ_BLOBS").await.expect("there").cached_info().state.clone();
    (state.messages, state.bytes)
}

#[tokio::test]
async fn a_removed_blob_leaves_nothing_on_the_server() {
    let data = folder();
    let server = start(data.path()).await;
    let broker = broker(&server).await;
    becomes_ready(&broker).await;
    let (kept, removed) = (vec![1; 300_000], vec![2; 300_000]);
    let file = data.path().join("packet");
    let mut before = (0, 0);
    for packet in [&kept, &removed] {
        before = blobs_stored(&server).await;
        std::fs::write(&file, packet).expect("written");
        let (digest, bytes) = (PacketDigest::of(packet), packet.len() as u64);
        broker.put_blob(digest, bytes, file.clone()).await.expect("put");
    }
    assert!(before.0 > 0 && blobs_stored(&server).await.1 > before.1 + 300_000);
    broker.remove_blob(PacketDigest::of(&removed)).await.expect("removed");
    assert_eq!(blobs_stored(&server).await, before);
    broker.fetch_blob(PacketDigest::of(&kept), Box::new(MemorySink::default())).await.expect("kept");
}

#[tokio::test]
async fn a_bucket_that_vanishes_is_made_again() {
    let data = folder();
    let server = start(data.path()).await;
    let broker = broker(&server).await;
    becomes_ready(&broker).await;
    onlooker(&server.address()).await.delete_stream("OBJ_BLOBS").await.expect("deleted");
    let file = data.path().join("packet");
    std::fs::write(&file, b"packet").expect("written");
    let put = async {
        let mut tries = tokio::time::interval(Duration::from_millis(50));
        while broker.put_blob(PacketDigest::of(b"packet"), 6, file.clone()).await.is_err() {
            tries.tick().await;
        }
    };
    tokio::time::timeout(support::PATIENCE, put).await.expect("in time");
}

#[tokio::test]
async fn ready_is_answered_from_memory_and_a_new_connection_is_looked_at() {
    let data = folder();
    let server = start(data.path()).await;
    let broker = broker(&server).await;
    becomes_ready(&broker).await;
    // Nobody publishes, and nothing says that a stream is gone: ready does not look.
    let js = onlooker(&server.address()).await;
    js.delete_stream("EVENTS").await.expect("deleted");
    for _ in 0..3 {
        broker.ready().await.expect("as remembered");
    }
    assert!(js.get_stream("EVENTS").await.is_err(), "ready made nothing");

    server.stop().await;
    let mut looks = tokio::time::interval(Duration::from_millis(20));
    while broker.ready().await.is_ok() {
        looks.tick().await;
    }
    let again = start(data.path()).await;
    becomes_ready(&broker).await;
    let js = onlooker(&again.address()).await;
    js.get_stream("EVENTS").await.expect("made again on the new connection");
}

#[tokio::test]
async fn a_closed_broker_ends_its_streams_of_messages() {
    let data = folder();
    let server = start(data.path()).await;
    let broker = broker(&server).await;
    becomes_ready(&broker).await;
    let mut lane = broker.deliveries(AdapterKind::VendorHttp, Lane::Normal).await.expect("the lane");
    broker.publish(&sample::inline(1, Lane::Normal, b"1")).await.expect("published");
    next(&mut lane).await.ack().await.expect("acknowledged");
    broker.close().await;
    let end = tokio::time::timeout(support::PATIENCE, futures_util::StreamExt::next(&mut lane)).await;
    assert!(end.expect("in time").is_none());
}

#[tokio::test]
async fn a_full_store_refuses_more_and_keeps_what_it_has() {
    let data = folder();
    let options = ManagedOptions { max_store_bytes: 1 << 20, ..support::options(data.path()) };
    let server = tokio::task::spawn_blocking(move || ManagedServer::start(options)).await.expect("no panic");
    let server = server.expect("the server is supervised");
    let broker = broker(&server).await;
    becomes_ready(&broker).await;
    let packet = vec![7; INLINE_BYTES_MAX];
    let mut stored = Vec::new();
    let fault = loop {
        let message = sample::inline(stored.len() as u32, Lane::Normal, &packet);
        match broker.publish(&message).await {
            Ok(_) => stored.push(message.delivery.id),
            Err(fault) => break fault.to_string(),
        }
        assert!(stored.len() <= 4, "more than a MiB was stored");
    };
    assert!(!stored.is_empty(), "{fault}");
    assert!(!fault.contains("too long"), "the server says why: {fault}");
    broker.ready().await.expect("its room was asked for a moment ago");
    let options = BrokerOptions { store_bytes_max: Some(1 << 20), ..broker_options(server.address()) };
    let asks = NatsBroker::connect(&options).await.expect("settings that can work");
    let mut looks = tokio::time::interval(Duration::from_millis(50));
    let said = loop {
        looks.tick().await;
        let said = asks.ready().await.expect_err("not ready").to_string();
        if said.contains("full") {
            break said;
        }
    };
    assert!(said.starts_with("broker: store ") && said.ends_with(" % full"), "{said}");
    broker.remove_blob(PacketDigest::of(&[])).await.expect("removing needs no room");
    let mut lane = broker.deliveries(AdapterKind::VendorHttp, Lane::Normal).await.expect("the lane");
    for id in stored {
        assert_eq!(next(&mut lane).await.message().expect("reads").delivery.id, id);
    }
}

#[tokio::test]
async fn an_old_server_behind_a_url_is_never_ready() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("bound");
    let url = format!("nats://{}", listener.local_addr().expect("an address"));
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("connected");
        let info = r#"INFO {"server_id":"x","version":"2.9.10","headers":true,"max_payload":1048576}"#;
        stream.write_all(format!("{info}\r\n").as_bytes()).expect("sent");
        for line in BufReader::new(stream.try_clone().expect("cloned")).lines().map_while(Result::ok) {
            if line == "PING" {
                stream.write_all(b"PONG\r\n").expect("sent");
            }
        }
    });
    let address =
        ServerAddress { urls: vec![url], auth: Auth::None, tls: false, ca: None, inbox_prefix: None };
    let broker = NatsBroker::connect(&broker_options(address)).await.expect("settings that can work");
    let mut looks = tokio::time::interval(Duration::from_millis(20));
    let said = loop {
        looks.tick().await;
        match broker.ready().await.expect_err("never ready").to_string() {
            said if said.contains("not connected") => {}
            said => break said,
        }
    };
    assert_eq!(said, "broker: nats-server 2.9.10 is too old: 2.12 or newer is needed");
    assert!(broker.publish(&sample::inline(1, Lane::Normal, b"x")).await.is_err());
}
