//! The adapter against an axis on a loopback port: what is sent, and what follows from each answer.

mod answers;
mod arrival;
mod fetched;
mod lines;
mod listed;
mod registered;
mod replies;
mod sent;
mod signing;

use std::time::Duration;

use lienthong_pipeline::ports::{Adapter, Consignment, DeliveryFailure, FailureClass, Handover};
use lienthong_pipeline::record::AdapterKind;
use lienthong_schemas::organ::OrganId;
use openssl::hash::MessageDigest;
use openssl::pkey::PKey;
use openssl::sign::Signer;

use super::{AxisEndpoint, NationalAxis, ToHeader};
use crate::http::peer::{Conduct, Peer};
use crate::parcel::{Parcel, system};

/// Longer than any test runs.
const PATIENCE: Duration = Duration::from_secs(60);

const SECRET: &str = "made-up-secret-key";

const OK: &str =
    r#"{"status":"OK","ErrorCode":"0","ErrorDesc":"Success","DocId":"65a0c0ffee00112233445566"}"#;

fn endpoint(url: String) -> AxisEndpoint {
    AxisEndpoint {
        url,
        system_id: "demo.sys.01".into(),
        secret: SECRET.into(),
        to_header: ToHeader::Send,
        asks_after: true,
        ca_pem: None,
        connect_timeout: PATIENCE,
        timeout: PATIENCE,
        slowest_bytes_per_second: 64 * 1024,
    }
}

fn at(peer: &Peer) -> AxisEndpoint {
    endpoint(format!("http://{}/truc", peer.address))
}

/// The adapter with one axis, `truc-vpcp`, at this endpoint.
fn adapter(endpoint: AxisEndpoint) -> NationalAxis {
    NationalAxis::new([(system("truc-vpcp"), endpoint)]).expect("an endpoint that works")
}

fn organ(code: &str) -> OrganId {
    OrganId::parse(code).expect("a code")
}

/// The parcel as a consignment for these receivers behind `truc-vpcp`.
fn consignment(parcel: &Parcel, receivers: &[OrganId]) -> Consignment {
    let mut consignment = parcel.consignment();
    let route = &mut consignment.delivery.route;
    route.adapter = AdapterKind::NationalAxis;
    route.system = system("truc-vpcp");
    route.receiver = receivers[0].clone();
    consignment.receivers = receivers.to_vec();
    consignment
}

/// An answer with this status line, more header lines and body.
fn answer(status: &str, headers: &str, body: &str) -> Conduct {
    let length = body.len();
    Conduct::Answer(
        format!("HTTP/1.1 {status}\r\n{headers}Content-Length: {length}\r\n\r\n{body}").into_bytes(),
    )
}

/// One attempt with a small packet for one receiver.
async fn attempt(endpoint: AxisEndpoint) -> Result<Handover, DeliveryFailure> {
    let parcel = Parcel::of(b"<edXML/>");
    adapter(endpoint).deliver(&consignment(&parcel, &[organ("H55.15")])).await
}

/// One attempt with a small packet for one receiver, at an axis that behaves like this.
async fn attempt_at(conduct: Conduct) -> Result<Handover, DeliveryFailure> {
    attempt(at(&Peer::start(conduct))).await
}

fn is(failure: &DeliveryFailure, class: FailureClass, code: &str) {
    assert_eq!((failure.class, failure.code.as_str()), (class, code), "{failure}");
    assert!(!failure.note.is_empty(), "{failure:?}");
}

/// HMAC-SHA256 in hex by another library than the adapter's.
fn hmac(secret: &str, text: &str) -> String {
    let key = PKey::hmac(secret.as_bytes()).expect("a key");
    let mut signer = Signer::new(MessageDigest::sha256(), &key).expect("a signer");
    hex::encode(signer.sign_oneshot_to_vec(text.as_bytes()).expect("a signature"))
}
