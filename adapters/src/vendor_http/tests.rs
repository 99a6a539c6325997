//! The adapter against a receiving system on a loopback port: what is sent, and what follows from each answer.

mod answers;
mod arrival;
mod lines;
mod sent;
mod tls;

use std::time::Duration;

use lienthong_pipeline::ports::{Adapter, DeliveryFailure, Handover};

use super::{VendorHttp, VendorHttpEndpoint};
use crate::endpoint::SLOWEST_BYTES_PER_SECOND;
use crate::http::peer::{Conduct, Peer};
use crate::parcel::{Parcel, system};

const SECRET: &[u8] = b"bi mat cua kiem thu, 32 byte ...";

/// Longer than any test runs.
const PATIENCE: Duration = Duration::from_secs(60);

fn endpoint(url: String) -> VendorHttpEndpoint {
    VendorHttpEndpoint {
        url,
        secret: SECRET.to_vec(),
        ca_pem: None,
        connect_timeout: PATIENCE,
        timeout: PATIENCE,
        slowest_bytes_per_second: SLOWEST_BYTES_PER_SECOND,
    }
}

fn at(peer: &Peer) -> VendorHttpEndpoint {
    endpoint(format!("http://{}/nhan/goi?dv=H55", peer.address))
}

/// The adapter with one system, `qlvb-mot`, at this endpoint.
fn adapter(endpoint: VendorHttpEndpoint) -> VendorHttp {
    VendorHttp::new([(system("qlvb-mot"), endpoint)]).expect("an endpoint that works")
}

/// An answer with this status line, more header lines and body.
fn answer(status: &str, headers: &str, body: &str) -> Conduct {
    let length = body.len();
    Conduct::Answer(
        format!("HTTP/1.1 {status}\r\n{headers}Content-Length: {length}\r\n\r\n{body}").into_bytes(),
    )
}

/// One attempt with a small packet.
async fn attempt(endpoint: VendorHttpEndpoint) -> Result<Handover, DeliveryFailure> {
    adapter(endpoint).deliver(&Parcel::of(b"<edXML/>").consignment()).await
}

/// One attempt with a small packet, at a peer that behaves like this.
async fn attempt_at(conduct: Conduct) -> Result<Handover, DeliveryFailure> {
    attempt(at(&Peer::start(conduct))).await
}
