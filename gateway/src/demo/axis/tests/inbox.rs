//! The gateway's own client at this axis: it holds the contract of every inbox.

use std::time::Duration;

use lienthong_adapters::contract::inbox_holds;
use lienthong_adapters::national_axis::{AxisEndpoint, NationalAxis, ToHeader};
use lienthong_pipeline::ports::Traffic;
use lienthong_pipeline::record::SystemId;

use super::*;

#[tokio::test]
async fn the_client_holds_the_contract_of_an_inbox() {
    let ground = Ground::open().await;
    let id = SystemId::parse("vpcp").expect("an id");
    let patience = Duration::from_secs(60);
    let endpoint = AxisEndpoint {
        url: ground.axis.url(),
        system_id: SYSTEM.to_owned(),
        secret: SECRET.to_vec(),
        to_header: ToHeader::Send,
        asks_after: true,
        ca_pem: None,
        connect_timeout: patience,
        timeout: patience,
        slowest_bytes_per_second: 1_000_000,
    };
    let client = NationalAxis::new([(id.clone(), endpoint)]).expect("an endpoint that works");
    let put = |traffic: Traffic, from: &str, to: &str, packet: &[u8]| {
        ground.axis.offer(traffic.as_str(), from, to, packet)
    };
    inbox_holds(&client, &id, SystemClock.now(), put).await;
    assert_eq!(ground.axis.complaints(), ["docId khong-co", "docId khong-co"]);
}
