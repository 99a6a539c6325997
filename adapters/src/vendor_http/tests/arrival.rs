//! Whether a receiver may have the packet after an attempt that failed: a withdrawal counts on it.

use std::net::TcpListener;
use std::time::Duration;

use lienthong_pipeline::ports::Adapter;

use super::{adapter, answer, at, attempt, attempt_at, endpoint};
use crate::http::authority::Authority;
use crate::http::peer::{Conduct, Peer};
use crate::parcel::Parcel;
use crate::vendor_http::VendorHttpEndpoint;

const SHORT: Duration = Duration::from_millis(300);

/// A packet that no socket buffer takes whole.
fn large() -> Parcel {
    Parcel::of(&vec![b'x'; 32 * 1024 * 1024])
}

#[tokio::test]
async fn who_refused_does_not_have_it_and_who_failed_may() {
    for (may, codes) in [
        (false, &[301, 307, 400, 401, 403, 404, 408, 410, 413, 421, 422, 429, 451, 503][..]),
        (true, &[500, 501, 502, 504, 507, 511, 599, 600]),
    ] {
        for code in codes {
            let failure = attempt_at(answer(&format!("{code} x"), "", "")).await.expect_err("no 2xx");
            assert_eq!(failure.may_have_arrived, may, "{failure}");
        }
    }
}

#[tokio::test]
async fn who_was_not_reached_does_not_have_it() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
    let address = listener.local_addr().expect("its address");
    let ca_pem = Some(Authority::make("Thử").pem());
    let silent = endpoint(format!("https://{address}/"));
    let silent = VendorHttpEndpoint { connect_timeout: SHORT, ca_pem, ..silent };
    let unknown = endpoint(format!("http://{}.example/", "a".repeat(64)));
    let (ours, theirs) = (Authority::make("Của ta"), Authority::make("Của họ"));
    let server = theirs.server("127.0.0.1", true, crate::http::authority::BOTH);
    let stranger = Peer::start_tls(answer("200 OK", "", ""), server);
    let foreign = endpoint(format!("https://{}/", stranger.address));
    let foreign = VendorHttpEndpoint { ca_pem: Some(ours.pem()), ..foreign };
    for endpoint in [silent, unknown, foreign] {
        let failure = attempt(endpoint).await.expect_err("not reached");
        assert!(!failure.may_have_arrived, "{failure}");
    }
    drop(listener);
    let failure = attempt(endpoint(format!("http://{address}/"))).await.expect_err("nobody listens");
    assert!(!failure.may_have_arrived, "{failure}");
}

#[tokio::test]
async fn who_had_all_of_it_and_said_nothing_may_have_it() {
    let nothing = [
        Conduct::Answer(Vec::new()),
        Conduct::Answer(b"HTTP/1.1 20".to_vec()),
        Conduct::Answer(b"SSH-2.0-OpenSSH_9.2\r\n\r\n".to_vec()),
        Conduct::Hang(Vec::new()),
        Conduct::Hang(b"HTTP/1.1 2".to_vec()),
    ];
    for conduct in nothing {
        let peer = Peer::start(conduct);
        let failure = attempt(VendorHttpEndpoint { timeout: SHORT, ..at(&peer) }).await.expect_err("no word");
        assert!(failure.may_have_arrived, "{failure}");
    }
}

#[tokio::test]
async fn who_has_not_had_all_of_it_does_not_have_it() {
    let refusal = b"HTTP/1.1 500 x\r\nContent-Length: 0\r\n\r\n".to_vec();
    for conduct in
        [Conduct::CutAfter(100_000), Conduct::AnswerEarly(Vec::new()), Conduct::AnswerEarly(refusal)]
    {
        let (peer, parcel) = (Peer::start(conduct), large());
        let stuck = VendorHttpEndpoint { timeout: SHORT, slowest_bytes_per_second: u64::MAX, ..at(&peer) };
        let failure = adapter(stuck).deliver(&parcel.consignment()).await.expect_err("not whole");
        assert!(!failure.may_have_arrived, "{failure}");
    }
}

#[tokio::test]
async fn a_yes_that_came_too_early_may_mean_it() {
    let early = Conduct::AnswerEarly(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok".to_vec());
    let (peer, parcel) = (Peer::start(early), large());
    let failure = adapter(at(&peer)).deliver(&parcel.consignment()).await.expect_err("too early");
    assert!(failure.may_have_arrived, "{failure}");
}
