//! A packet of scans by the SDK's protocol, in and out: the gateway never holds it whole.

use acceptance::{letter, until};
use lienthong::demo::world::{AGENCIES, scan};
use openssl::sha::sha256;

use crate::ground::{client, receiver, stage_with_mailbox};

/// Bytes of the scans; the packet is a third larger, and what the SDK fetches a third larger again.
const SCANS: u64 = 60 << 20;
/// What the gateway may take besides what it has before, in bytes: much less than any of these.
const GROWTH_MAX: u64 = 40 << 20;

#[tokio::test(flavor = "multi_thread")]
async fn a_large_packet_goes_in_and_out_in_constant_memory() {
    let stage = stage_with_mailbox().await;
    let packet =
        stage.signed("large.edxml", letter(1, &[1]).attach("scan.pdf", "application/pdf", scan(SCANS, 7)));
    let bytes = std::fs::read(&packet).expect("the packet");
    assert!(bytes.len() as u64 > SCANS);
    let digest = sha256(&bytes);
    let mut gateway = stage.start().await;
    let (mut sender, mut sdk) = (client(&stage), receiver(&stage));
    sdk.call("getReceivedEdocList", &[]).await;
    let before = gateway.peak_memory().expect("VmHWM");
    let answer = sender.send(&bytes, &[("from", AGENCIES[0].code)]).await;
    assert_eq!(answer["status"], "OK", "{answer}");
    let listed = until(async || {
        let list = sdk.call("getReceivedEdocList", &[("messagetype", "edoc")]).await;
        list["data"][0]["docId"].as_str().map(str::to_owned)
    });
    let id = listed.await.expect("it waits");
    let doc = [("docId", id.as_str())];
    let data = sdk.ask("POST", "getEdoc", &doc, b"{}").await.json()["data"].take();
    let fetched = openssl::base64::decode_block(data.as_str().expect("a text")).expect("base64");
    assert_eq!(sha256(&fetched), digest, "every byte");
    let file = sdk.ask("GET", "downloadEdoc", &doc, b"").await;
    assert_eq!((file.body.len(), sha256(&file.body)), (bytes.len(), digest));
    let grown = gateway.peak_memory().expect("VmHWM").saturating_sub(before);
    assert!(grown < GROWTH_MAX, "it took {grown} bytes more");
    assert_eq!(gateway.stop().await.expect("it stops"), Some(0));
}
