//! The store of a supervised server, encrypted at rest: nothing of a packet is found in its files, a store in clear is
//! encrypted, and with another key no server is started.

mod support;

use std::path::Path;

use bytes::Bytes;
use lienthong_broker::contract::{becomes_ready, next, sample};
use lienthong_broker::{ManagedOptions, ManagedServer, NatsBroker, Phase, StoreKey, Withheld};
use lienthong_pipeline::ports::Broker;
use lienthong_pipeline::record::{AdapterKind, Lane};
use lienthong_schemas::ids::PacketDigest;
use support::{broker, broker_options, options, running};

const MARKER: &str = "noi dung cong van, khong ai duoc thay";
const KEY: &str = "3fc6b1b8a2a3ad0d6c3b8d2c5ef0c77b";

async fn start(data: &Path, key: Option<&str>) -> ManagedServer {
    let options = ManagedOptions { store_key: key.map(StoreKey::new), ..options(data) };
    let started = tokio::task::spawn_blocking(move || ManagedServer::start(options)).await;
    started.expect("no panic").expect("the settings are good")
}

/// Whether these bytes stand in any file below a folder.
fn is_found(folder: &Path, text: &str) -> bool {
    std::fs::read_dir(folder).expect("a folder").any(|entry| {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            return is_found(&path, text);
        }
        let bytes = std::fs::read(&path).expect("read");
        bytes.windows(text.len()).any(|window| window == text.as_bytes())
    })
}

/// Publishes the marker in a message and in a blob.
async fn publish(broker: &NatsBroker, data: &Path) {
    becomes_ready(broker).await;
    broker.publish(&sample::inline(1, Lane::Normal, MARKER.as_bytes())).await.expect("published");
    let (packet, file) = (MARKER.repeat(100), data.join("packet"));
    std::fs::write(&file, &packet).expect("written");
    let digest = PacketDigest::of(packet.as_bytes());
    broker.put_blob(digest, packet.len() as u64, file.clone()).await.expect("put");
    std::fs::remove_file(file).expect("removed");
}

/// Takes the message with the marker.
async fn is_delivered(broker: &NatsBroker) {
    becomes_ready(broker).await;
    let mut lane = broker.deliveries(AdapterKind::VendorHttp, Lane::Normal).await.expect("the lane");
    let message = next(&mut lane).await.message().expect("reads");
    assert_eq!(message.inline, Some(Bytes::from_static(MARKER.as_bytes())));
}

#[tokio::test]
async fn nothing_of_a_packet_is_found_in_an_encrypted_store_nor_the_key() {
    for (key, found) in [(None, true), (Some(KEY), false)] {
        let data = tempfile::tempdir().expect("a folder");
        let server = start(data.path(), key).await;
        publish(&broker(&server).await, data.path()).await;
        let pid = running(&server).await;
        let said = std::fs::read(format!("/proc/{pid}/cmdline")).expect("its command line");
        assert!(!String::from_utf8_lossy(&said).contains(KEY));
        drop(server);
        assert_eq!(is_found(data.path(), MARKER), found, "with {key:?}");
        assert!(!is_found(data.path(), KEY));
    }
}

#[tokio::test]
async fn a_store_in_clear_is_encrypted_when_there_is_a_key_and_loses_nothing() {
    let data = tempfile::tempdir().expect("a folder");
    let server = start(data.path(), None).await;
    publish(&broker(&server).await, data.path()).await;
    drop(server);
    assert!(is_found(data.path(), MARKER));
    let server = start(data.path(), Some(KEY)).await;
    is_delivered(&broker(&server).await).await;
    drop(server);
    assert!(!is_found(data.path(), MARKER));
}

#[tokio::test]
async fn no_server_is_started_on_a_store_with_another_key_and_the_right_one_opens_it_again() {
    let data = tempfile::tempdir().expect("a folder");
    let server = start(data.path(), Some(KEY)).await;
    publish(&broker(&server).await, data.path()).await;
    drop(server);
    for (key, why) in [(Some("another"), Withheld::OtherKey), (None, Withheld::NoKey)] {
        let server = start(data.path(), key).await;
        assert_eq!((server.withheld(), server.status().phase), (Some(why), Phase::Stopped));
        let broker = NatsBroker::connect(&broker_options(server.address())).await.expect("settings");
        broker.withhold(why);
        let said = [
            broker.ready().await.expect_err("never ready").to_string(),
            broker.publish(&sample::inline(2, Lane::Normal, b"2")).await.expect_err("nobody").to_string(),
        ];
        assert!(said.iter().all(|said| said.contains(&why.to_string())), "{said:?}");
        server.stop().await;
    }
    let server = start(data.path(), Some(KEY)).await;
    assert_eq!(server.withheld(), None);
    is_delivered(&broker(&server).await).await;
}
