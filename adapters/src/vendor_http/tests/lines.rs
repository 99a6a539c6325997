//! Connections that do not come about or break, files that change under us, and endpoints that cannot work.

use std::fs::OpenOptions;
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use lienthong_pipeline::ports::{Adapter, DeliveryFailure, FailureClass};

use super::{PATIENCE, adapter, answer, at, attempt, attempt_at, endpoint};
use crate::http::authority::Authority;
use crate::http::peer::{Conduct, Peer};
use crate::parcel::{Parcel, system};
use crate::vendor_http::{EndpointCause, VendorHttpEndpoint};

fn is(failure: &DeliveryFailure, class: FailureClass, code: &str) {
    assert_eq!((failure.class, failure.code.as_str()), (class, code), "{failure}");
    assert!(
        !failure.note.is_empty() && !failure.note.contains("nhan/goi"),
        "a cause without the URL: {failure}"
    );
}

#[tokio::test]
async fn a_refused_connection_is_the_receivers_trouble() {
    // The near end's port is taken, so nobody else listens there.
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
    let near = TcpStream::connect(listener.local_addr().expect("its address")).expect("a connection");
    let url = format!("http://{}/nhan/goi", near.local_addr().expect("its address"));
    is(&attempt(endpoint(url)).await.expect_err("refused"), FailureClass::Receiver, "connect");
}

#[tokio::test]
async fn an_unknown_name_is_the_receivers_trouble() {
    // No resolver takes a label of 64 characters (RFC 1035 §2.3.4), so no question leaves this machine.
    let url = format!("http://{}.example/nhan/goi", "a".repeat(64));
    is(&attempt(endpoint(url)).await.expect_err("no such name"), FailureClass::Receiver, "dns");
}

#[tokio::test]
async fn a_receiver_that_says_nothing_runs_into_the_timeout() {
    let peer = Peer::start(Conduct::Hang(Vec::new()));
    let short = VendorHttpEndpoint { timeout: Duration::from_millis(200), ..at(&peer) };
    is(&attempt(short).await.expect_err("silence"), FailureClass::Receiver, "timeout");
    assert!(peer.seen().len() <= 1, "one attempt is at most one request");
}

#[test]
fn the_timeout_grows_with_the_packet() {
    let seconds = Duration::from_secs;
    let line = VendorHttpEndpoint {
        timeout: seconds(120),
        slowest_bytes_per_second: 65_536,
        ..endpoint("http://127.0.0.1/".into())
    };
    for (bytes, patience) in [(0, 120), (1, 121), (65_536, 121), (65_537, 122), (100 * 1024 * 1024, 1720)] {
        assert_eq!(line.patience(bytes), seconds(patience), "{bytes}");
    }
    let endless = VendorHttpEndpoint { timeout: Duration::MAX, ..line };
    assert_eq!(endless.patience(u64::MAX), Duration::MAX);
}

#[tokio::test]
async fn a_handshake_that_does_not_come_runs_into_the_connect_timeout() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
    let url = format!("https://{}/nhan/goi", listener.local_addr().expect("its address"));
    let ca_pem = Some(Authority::make("Thử").pem());
    let short = VendorHttpEndpoint { connect_timeout: Duration::from_millis(200), ca_pem, ..endpoint(url) };
    is(&attempt(short).await.expect_err("no handshake"), FailureClass::Receiver, "connect");
}

#[tokio::test]
async fn a_connection_that_breaks_in_the_body_counts_for_the_document() {
    let parcel = Parcel::of(&vec![b'x'; 10 * 1024 * 1024]);
    let peer = Peer::start(Conduct::CutAfter(100_000));
    let failure = adapter(at(&peer)).deliver(&parcel.consignment()).await.expect_err("cut");
    is(&failure, FailureClass::Document, "cut_body");
    for broken in ["", "HTTP/1.1 20", "HTTP/1.1 200 OK\r\nContent-"] {
        let failure = attempt_at(Conduct::Answer(broken.into())).await.expect_err("cut");
        is(&failure, FailureClass::Document, "cut_body");
    }
}

#[tokio::test]
async fn a_packet_that_is_cut_on_our_disk_while_it_is_sent_is_not_the_receivers_fault() {
    let parcel = Parcel::of(&vec![b'x'; 32 * 1024 * 1024]);
    let consignment = parcel.consignment();
    let peer = Arc::new(Peer::start(Conduct::AnswerEarly(Vec::new())));
    let adapter = adapter(at(&peer));
    let file = OpenOptions::new().write(true).open(&consignment.packet).expect("the packet");
    let cutting = tokio::task::spawn_blocking(move || {
        peer.release_after(|| file.set_len(31 * 1024 * 1024).expect("it is cut"))
    });
    let failure = adapter.deliver(&consignment).await.expect_err("cut");
    is(&failure, FailureClass::Packet, "blob_length");
    assert!(cutting.await.expect("it ends") <= 31 * 1024 * 1024);
}

#[tokio::test]
async fn a_packet_that_cannot_be_read_is_not_the_receivers_fault() {
    let peer = Peer::start(answer("200 OK", "", ""));
    let parcel = Parcel::of(b"<edXML/>");
    let mut consignment = parcel.consignment();
    consignment.packet.pop();
    consignment.delivery.bytes = consignment.packet.metadata().expect("a folder").len();
    let failure = adapter(at(&peer)).deliver(&consignment).await.expect_err("a folder is no packet");
    is(&failure, FailureClass::OursToFix, "blob_unreadable");
    assert!(peer.seen().is_empty());
}

#[tokio::test]
async fn endpoints_are_replaced_all_or_nothing() {
    let (first, second) = (Peer::start(answer("200 OK", "", "")), Peer::start(answer("200 OK", "", "")));
    let adapter = adapter(at(&first));
    let parcel = Parcel::of(b"<edXML/>");
    let broken = VendorHttpEndpoint { url: "ftp://x/".into(), ..at(&second) };
    let replaced = adapter.replace([(system("qlvb-mot"), at(&second)), (system("qlvb-hai"), broken)]);
    let fault = replaced.expect_err("one does not work");
    assert!(fault.to_string().starts_with("vendor_http endpoint of qlvb-hai: the URL must"), "{fault}");
    assert_eq!((fault.system, fault.cause), (system("qlvb-hai"), EndpointCause::Url));
    adapter.deliver(&parcel.consignment()).await.expect("as before");
    assert_eq!((first.seen().len(), second.seen().len()), (1, 0));

    adapter.replace([(system("qlvb-mot"), at(&second))]).expect("it works");
    adapter.deliver(&parcel.consignment()).await.expect("at the other one");
    assert_eq!((first.seen().len(), second.seen().len()), (1, 1));

    adapter.replace([]).expect("no system is a setting, too");
    let failure = adapter.deliver(&parcel.consignment()).await.expect_err("no system");
    is(&failure, FailureClass::OursToFix, "no_endpoint");
}

#[test]
fn endpoints_that_cannot_work_are_refused() {
    let good = || endpoint("https://qlvb.example/nhan".into());
    let url = |text: &str| VendorHttpEndpoint { url: text.into(), ..good() };
    let ca = |pem: &str| VendorHttpEndpoint { ca_pem: Some(pem.into()), ..good() };
    let own_ca = Some(Authority::make("Thử").pem());
    for (broken, cause) in [
        (url(""), EndpointCause::Url),
        (url("qlvb.example/nhan"), EndpointCause::Url),
        (url("file:///nhan"), EndpointCause::Url),
        (url("https://ten:mat-khau@qlvb.example/"), EndpointCause::Url),
        (url("https://ten@qlvb.example/"), EndpointCause::Url),
        (VendorHttpEndpoint { secret: vec![7; 15], ..good() }, EndpointCause::SecretShort),
        (VendorHttpEndpoint { timeout: Duration::ZERO, ..good() }, EndpointCause::Zero),
        (VendorHttpEndpoint { connect_timeout: Duration::ZERO, ..good() }, EndpointCause::Zero),
        (VendorHttpEndpoint { slowest_bytes_per_second: 0, ..good() }, EndpointCause::Zero),
        (ca(""), EndpointCause::Ca),
        (
            ca("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"),
            EndpointCause::Client(String::new()),
        ),
    ] {
        let shown = format!("{broken:?}");
        let fault = super::VendorHttp::new([(system("a"), broken)]).err().expect(&shown);
        match (&fault.cause, &cause) {
            (EndpointCause::Client(_), EndpointCause::Client(_)) => (),
            (found, wanted) => assert_eq!(found, wanted, "{shown}"),
        }
    }
    let shortest = VendorHttpEndpoint { secret: vec![7; 16], ca_pem: own_ca, ..good() };
    assert!(super::VendorHttp::new([(system("a"), shortest)]).is_ok());
}

#[test]
fn an_endpoint_is_printed_without_its_secrets() {
    let mut endpoint = endpoint("https://qlvb.example/nhan?khoa=kin".into());
    endpoint.secret = b"rat bi mat, khong in".to_vec();
    let shown = format!("{endpoint:?}");
    assert!(shown.contains("qlvb.example/nhan") && shown.contains("***"), "{shown}");
    assert!(!shown.contains("kin") && !shown.contains("bi mat") && !shown.contains("114"), "{shown}");
    assert_eq!(endpoint.timeout, PATIENCE);
}
