//! One attempt at a vendor's system: the packet posted under signed headers, and what its answer means.

use async_trait::async_trait;
use jiff::Timestamp;
use lienthong_pipeline::ports::{Adapter, Consignment, DeliveryFailure, Handover};
use lienthong_pipeline::record::{AdapterKind, State, SystemId};

use super::{EndpointCause, EndpointFault, SECRET_BYTES_MIN, VendorHttpEndpoint, wire};
use crate::endpoint::Lines;
use crate::failure::note;
use crate::http::{Answer, Line, Target, url};
use crate::packet::PacketReader;

/// How much of an answer's body is read, in bytes.
const ANSWER_BYTES_MAX: usize = 4 * 1024;

/// The adapter of [`AdapterKind::VendorHttp`]. Its endpoints can be replaced while attempts run; each attempt ends with
/// the endpoint that it began with.
pub struct VendorHttp {
    lines: Lines<VendorHttpEndpoint, Vendor>,
}

impl VendorHttp {
    /// An adapter for these systems.
    pub fn new(
        endpoints: impl IntoIterator<Item = (SystemId, VendorHttpEndpoint)>,
    ) -> Result<Self, EndpointFault> {
        Ok(Self { lines: Lines::new(AdapterKind::VendorHttp, Vendor::open, endpoints)? })
    }

    /// Puts other endpoints in place of all present ones; on an error the present ones stay.
    pub fn replace(
        &self,
        endpoints: impl IntoIterator<Item = (SystemId, VendorHttpEndpoint)>,
    ) -> Result<(), EndpointFault> {
        self.lines.replace(endpoints)
    }
}

#[async_trait]
impl Adapter for VendorHttp {
    fn kind(&self) -> AdapterKind {
        AdapterKind::VendorHttp
    }

    async fn deliver(&self, consignment: &Consignment) -> Result<Handover, DeliveryFailure> {
        let vendor = self.lines.of(&consignment.delivery.route.system)?;
        let headers = wire::headers(consignment, &vendor.secret)?;
        let packet = PacketReader::open(consignment).await?;
        let answer = vendor.line.post(headers, packet, b"").await?;
        judge(answer, consignment.at).await
    }
}

/// What an answer means. The status decides, so a body that breaks off is no error.
async fn judge(mut answer: Answer, now: Timestamp) -> Result<Handover, DeliveryFailure> {
    let words = answer.read(ANSWER_BYTES_MAX).await;
    let said = answer.said(&words.text());
    if !answer.status().is_success() {
        return Err(answer.refusal(&said, now));
    }
    answer.after_the_packet(&said)?;
    Ok(Handover { state: State::Received, note: note(&said), known_as: None })
}

/// A vendor's system as it is reached.
struct Vendor {
    line: Line,
    secret: Vec<u8>,
}

impl Vendor {
    fn open(endpoint: VendorHttpEndpoint) -> Result<Self, EndpointCause> {
        let url = url(&endpoint.url)?;
        if endpoint.secret.len() < SECRET_BYTES_MIN {
            return Err(EndpointCause::SecretShort);
        }
        let line = Line::open(Target {
            url,
            ca_pem: endpoint.ca_pem.as_deref(),
            connect_timeout: endpoint.connect_timeout,
            timeout: endpoint.timeout,
            slowest_bytes_per_second: endpoint.slowest_bytes_per_second,
        })?;
        Ok(Self { line, secret: endpoint.secret })
    }
}
