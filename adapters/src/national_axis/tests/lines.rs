//! Connections that do not come about or break, TLS, and endpoints that cannot work.

use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use lienthong_pipeline::ports::{Adapter, FailureClass};
use rustls::ServerConfig;

use super::{OK, adapter, answer, at, attempt, consignment, endpoint, is, organ};
use crate::endpoint::EndpointCause;
use crate::http::authority::{Authority, BOTH};
use crate::http::peer::{Conduct, Peer};
use crate::national_axis::{AxisEndpoint, NationalAxis, SYSTEM_ID_BYTES_MAX};
use crate::parcel::{Parcel, system};

#[tokio::test]
async fn a_refused_connection_is_the_axis_in_trouble() {
    // The near end's port is taken, so nobody else listens there.
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
    let near = TcpStream::connect(listener.local_addr().expect("its address")).expect("a connection");
    let url = format!("http://{}", near.local_addr().expect("its address"));
    is(&attempt(endpoint(url)).await.expect_err("refused"), FailureClass::Receiver, "connect");
}

#[tokio::test]
async fn a_handshake_that_does_not_come_runs_into_the_connect_timeout() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
    let url = format!("https://{}", listener.local_addr().expect("its address"));
    let ca_pem = Some(Authority::make("Thử").pem());
    let short = AxisEndpoint { connect_timeout: Duration::from_millis(100), ca_pem, ..endpoint(url) };
    is(&attempt(short).await.expect_err("no handshake"), FailureClass::Receiver, "connect");
}

#[tokio::test]
async fn a_connection_that_breaks_in_the_body_counts_for_the_document() {
    let parcel = Parcel::of(&vec![b'x'; 10 * 1024 * 1024]);
    let peer = Peer::start(Conduct::CutAfter(100_000));
    let consignment = consignment(&parcel, &[organ("H01")]);
    let failure = adapter(at(&peer)).deliver(&consignment).await.expect_err("cut");
    is(&failure, FailureClass::Document, "cut_body");
}

fn over_tls(peer: &Peer, trusted: &Authority) -> AxisEndpoint {
    AxisEndpoint { ca_pem: Some(trusted.pem()), ..endpoint(format!("https://{}/truc", peer.address)) }
}

#[tokio::test]
async fn an_axis_with_the_right_certificate_gets_the_packet() {
    let authority = Authority::make("Thử một");
    let server = authority.server("127.0.0.1", true, BOTH);
    let peer = Peer::start_tls(answer("200 OK", "", OK), server);
    attempt(over_tls(&peer, &authority)).await.expect("OK");
    assert_eq!(peer.only().body, b"<edXML/>\r\n");
}

#[tokio::test]
async fn a_certificate_that_does_not_fit_is_ours_to_fix() {
    let (ours, theirs) = (Authority::make("Của ta"), Authority::make("Của họ"));
    let servers: [(Arc<ServerConfig>, &str); 3] = [
        (ours.server("truc.example", true, BOTH), "tls_name"),
        (theirs.server("127.0.0.1", true, BOTH), "tls_certificate"),
        (ours.server("127.0.0.1", false, BOTH), "tls_certificate"),
    ];
    for (server, code) in servers {
        let peer = Peer::start_tls(answer("200 OK", "", OK), server);
        let failure = attempt(over_tls(&peer, &ours)).await.expect_err("refused");
        is(&failure, FailureClass::OursToFix, code);
        assert!(peer.seen().is_empty(), "no byte of the packet leaves before the certificate is checked");
    }
}

#[tokio::test]
async fn endpoints_are_replaced_all_or_nothing() {
    let taking = || Peer::start(answer("200 OK", "", OK));
    let (first, second) = (taking(), taking());
    let adapter = adapter(at(&first));
    let parcel = Parcel::of(b"<edXML/>");
    let consignment = consignment(&parcel, &[organ("H01")]);
    let broken = AxisEndpoint { url: "ftp://x/".into(), ..at(&second) };
    let fault = adapter
        .replace([(system("truc-vpcp"), at(&second)), (system("truc-bo"), broken)])
        .expect_err("one does not work");
    assert!(fault.to_string().starts_with("national_axis endpoint of truc-bo: the URL must"), "{fault}");
    adapter.deliver(&consignment).await.expect("as before");
    assert_eq!((first.seen().len(), second.seen().len()), (1, 0));

    adapter.replace([(system("truc-vpcp"), at(&second))]).expect("it works");
    adapter.deliver(&consignment).await.expect("at the other one");
    assert_eq!((first.seen().len(), second.seen().len()), (1, 1));

    adapter.replace([]).expect("no axis is a setting, too");
    let failure = adapter.deliver(&consignment).await.expect_err("no axis");
    is(&failure, FailureClass::OursToFix, "no_endpoint");
}

#[test]
fn endpoints_that_cannot_work_are_refused() {
    let good = || endpoint("https://truc.example/api".into());
    let url = |text: &str| AxisEndpoint { url: text.into(), ..good() };
    let named = |id: &str| AxisEndpoint { system_id: id.into(), ..good() };
    for (broken, cause) in [
        (url(""), EndpointCause::Url),
        (url("truc.example/api"), EndpointCause::Url),
        (url("https://ten:mat-khau@truc.example/"), EndpointCause::Url),
        (url("https://truc.example/api?khoa=1"), EndpointCause::Prefix),
        (url("https://truc.example/api#x"), EndpointCause::Prefix),
        (named(""), EndpointCause::SystemId),
        (named("hệ thống"), EndpointCause::SystemId),
        (named("a b"), EndpointCause::SystemId),
        (named("a\r\nb: c"), EndpointCause::SystemId),
        (named(&"a".repeat(SYSTEM_ID_BYTES_MAX + 1)), EndpointCause::SystemId),
        (AxisEndpoint { secret: Vec::new(), ..good() }, EndpointCause::SecretEmpty),
        (AxisEndpoint { timeout: Duration::ZERO, ..good() }, EndpointCause::Zero),
        (AxisEndpoint { connect_timeout: Duration::ZERO, ..good() }, EndpointCause::Zero),
        (AxisEndpoint { slowest_bytes_per_second: 0, ..good() }, EndpointCause::Zero),
        (AxisEndpoint { ca_pem: Some(Vec::new()), ..good() }, EndpointCause::Ca),
    ] {
        let shown = format!("{broken:?}");
        let fault = NationalAxis::new([(system("a"), broken)]).err().expect(&shown);
        assert_eq!(fault.cause, cause, "{shown}");
    }
    let ca_pem = Some(Authority::make("Thử").pem());
    let longest =
        AxisEndpoint { system_id: "a".repeat(SYSTEM_ID_BYTES_MAX), secret: vec![b'x'], ca_pem, ..good() };
    assert!(NationalAxis::new([(system("a"), longest)]).is_ok());
}

#[test]
fn an_endpoint_is_printed_without_its_secrets() {
    let mut endpoint = endpoint("https://truc.example/api?khoa=kin".into());
    endpoint.secret = b"rat bi mat, khong in".to_vec();
    let shown = format!("{endpoint:?}");
    assert!(shown.contains("truc.example/api") && shown.contains("***"), "{shown}");
    assert!(!shown.contains("kin") && !shown.contains("bi mat") && !shown.contains("114"), "{shown}");
}
