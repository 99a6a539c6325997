//! TLS: whose certificate is taken, and what follows when it is not.

use std::sync::Arc;

use lienthong_pipeline::ports::{Adapter, DeliveryFailure, FailureClass};
use rustls::{ServerConfig, version};

use super::{answer, attempt, endpoint};
use crate::http::authority::{Authority, BOTH};
use crate::http::peer::{Conduct, Peer};
use crate::parcel::{Parcel, system};
use crate::vendor_http::{EndpointCause, VendorHttp, VendorHttpEndpoint};

fn over_tls(peer: &Peer, trusted: &Authority) -> VendorHttpEndpoint {
    let url = format!("https://{}/nhan/goi", peer.address);
    VendorHttpEndpoint { ca_pem: Some(trusted.pem()), ..endpoint(url) }
}

#[tokio::test]
async fn a_receiver_with_the_right_certificate_gets_the_packet() {
    let authority = Authority::make("Thử một");
    for versions in [BOTH, &[&version::TLS12], &[&version::TLS13]] {
        let server = authority.server("127.0.0.1", true, versions);
        let peer = Peer::start_tls(answer("200 OK", "", "xong"), server);
        let handover = attempt(over_tls(&peer, &authority)).await.expect("200");
        assert_eq!(handover.note, "HTTP 200: xong");
        assert_eq!(peer.only().body, b"<edXML/>");
    }
}

/// A failed handshake with this server: nothing was sent.
async fn refused(server: Arc<ServerConfig>, trusted: &Authority) -> DeliveryFailure {
    let peer = Peer::start_tls(answer("200 OK", "", ""), server);
    let failure = attempt(over_tls(&peer, trusted)).await.expect_err("refused");
    assert!(peer.seen().is_empty(), "no byte of the packet leaves before the certificate is checked");
    failure
}

#[tokio::test]
async fn a_certificate_for_another_name_is_ours_to_fix() {
    let authority = Authority::make("Thử hai");
    for name in ["qlvb.example", "127.0.0.2"] {
        let failure = refused(authority.server(name, true, BOTH), &authority).await;
        assert_eq!(
            (failure.class, failure.code.as_str()),
            (FailureClass::OursToFix, "tls_name"),
            "{failure}"
        );
    }
}

#[tokio::test]
async fn a_certificate_that_is_not_trusted_is_ours_to_fix() {
    let (ours, theirs) = (Authority::make("Của ta"), Authority::make("Của họ"));
    let unknown = refused(theirs.server("127.0.0.1", true, BOTH), &ours).await;
    let namesake = refused(Authority::make("Của ta").server("127.0.0.1", true, BOTH), &ours).await;
    let run_out = refused(ours.server("127.0.0.1", false, BOTH), &ours).await;
    for failure in [unknown, namesake, run_out] {
        assert_eq!(
            (failure.class, failure.code.as_str()),
            (FailureClass::OursToFix, "tls_certificate"),
            "{failure}"
        );
        assert!(failure.note.contains("certificate"), "{failure}");
    }
}

#[tokio::test]
async fn without_an_authority_of_its_own_the_platforms_are_asked() {
    let peer =
        Peer::start_tls(answer("200 OK", "", ""), Authority::make("Lạ").server("127.0.0.1", true, BOTH));
    let plain = VendorHttpEndpoint { ca_pem: None, ..over_tls(&peer, &Authority::make("Khác")) };
    let adapter = match VendorHttp::new([(system("qlvb-mot"), plain)]) {
        Ok(adapter) => adapter,
        Err(fault) => {
            assert!(matches!(fault.cause, EndpointCause::Client(_)), "{fault}");
            println!("SKIPPED: the platform has no certificate authorities");
            return;
        }
    };
    let failure = adapter.deliver(&Parcel::of(b"<edXML/>").consignment()).await.expect_err("not trusted");
    assert_eq!(failure.code, "tls_certificate");
    assert!(peer.seen().is_empty());
}

#[tokio::test]
async fn a_broken_handshake_is_the_receivers_trouble() {
    // Plain HTTP on the port: what comes back is no TLS record, or nothing.
    let authority = Authority::make("Thử ba");
    for bytes in ["HTTP/1.1 400 Bad Request\r\n\r\n", ""] {
        let peer = Peer::start(Conduct::Greet(bytes.into()));
        let failure = attempt(over_tls(&peer, &authority)).await.expect_err("no TLS");
        assert_eq!((failure.class, failure.code.as_str()), (FailureClass::Receiver, "tls"), "{failure}");
    }
}
