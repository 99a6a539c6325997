//! One attempt at an axis: the packet sent with `sendEdoc`, and what its answer means.

use async_trait::async_trait;
use http::status::StatusCode;
use jiff::Timestamp;
use lienthong_pipeline::ports::{Adapter, AxisDocId, Consignment, DeliveryFailure, FailureClass, Handover};
use lienthong_pipeline::record::{AdapterKind, State, SystemId};
use reqwest::Url;

use super::reply::{self, Reply};
use super::wire::{self, Account};
use super::{AxisEndpoint, SYSTEM_ID_BYTES_MAX, ToHeader};
use crate::endpoint::{EndpointCause, EndpointFault, Lines};
use crate::failure::note;
use crate::http::{Answer, End, Line, Target, url};
use crate::packet::PacketReader;

/// Longest answer, in bytes. A real one has some hundred.
pub(super) const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// The adapter of [`AdapterKind::NationalAxis`]. Its endpoints can be replaced while attempts run; each attempt ends with
/// the endpoint that it began with.
pub struct NationalAxis {
    pub(super) lines: Lines<AxisEndpoint, Axis>,
}

impl NationalAxis {
    /// An adapter for these axes.
    ///
    /// # Errors
    /// The first endpoint that cannot work.
    pub fn new(endpoints: impl IntoIterator<Item = (SystemId, AxisEndpoint)>) -> Result<Self, EndpointFault> {
        Ok(Self { lines: Lines::new(AdapterKind::NationalAxis, Axis::open, endpoints)? })
    }

    /// Puts other endpoints in place of all present ones; on an error the present ones stay.
    ///
    /// # Errors
    /// The first endpoint that cannot work.
    pub fn replace(
        &self,
        endpoints: impl IntoIterator<Item = (SystemId, AxisEndpoint)>,
    ) -> Result<(), EndpointFault> {
        self.lines.replace(endpoints)
    }
}

#[async_trait]
impl Adapter for NationalAxis {
    fn kind(&self) -> AdapterKind {
        AdapterKind::NationalAxis
    }

    async fn deliver(&self, consignment: &Consignment) -> Result<Handover, DeliveryFailure> {
        let axis = self.lines.of(&consignment.delivery.route.system)?;
        let headers = wire::headers(consignment, &axis.account)?;
        let packet = PacketReader::open(consignment).await?;
        let answer = axis.line.post(headers, packet, wire::AFTER_PACKET).await?;
        let splits = consignment.receivers.len() > 1 && axis.account.to_header == ToHeader::Send;
        let handover = judge(answer, splits, consignment.at).await?;
        Ok(Handover { known_as: handover.known_as.filter(|_| axis.asks_after), ..handover })
    }
}

/// What an answer means. The axis says most of it in its JSON, whatever the HTTP status; the status counts for what is
/// not from the axis. `splits`: there are several receivers, and the axis can be told to serve them one by one.
async fn judge(mut answer: Answer, splits: bool, now: Timestamp) -> Result<Handover, DeliveryFailure> {
    let words = answer.read(ANSWER_BYTES_MAX + 1).await;
    let said = answer.said(&words.text());
    let status = answer.status();
    let reply = match words.end {
        End::Whole => reply::read(&words.bytes),
        End::Full | End::Broken(_) => None,
    };
    match (reply, words.end) {
        (Some(Reply::Taken { doc_id }), _) if matches!(status, StatusCode::OK | StatusCode::CREATED) => {
            answer.after_the_packet(&said)?;
            let note = note(&format!("DocId {doc_id}; {said}"));
            Ok(Handover { state: State::HandedOver, note, known_as: AxisDocId::parse(&doc_id) })
        }
        (Some(Reply::Refused { code, description }), _) if !status.is_redirection() => {
            let cause = if description.trim().is_empty() { said } else { format!("{description}; {said}") };
            Err(answer.put_off(reply::failure(&code, splits, &cause), now))
        }
        _ if !status.is_success() => Err(answer.refusal(&said, now)),
        (_, End::Broken(cause)) => {
            Err(DeliveryFailure { note: note(&format!("{}; {said}", cause.note)), ..cause })
        }
        _ => Err(answer.no_word(FailureClass::Receiver, "bad_answer", &said)),
    }
}

/// An axis as it is reached.
pub(super) struct Axis {
    pub(super) line: Line,
    pub(super) account: Account,
    asks_after: bool,
    prefix: Url,
}

impl Axis {
    fn open(endpoint: AxisEndpoint) -> Result<Self, EndpointCause> {
        let mut url = url(&endpoint.url)?;
        if url.query().is_some() || url.fragment().is_some() {
            return Err(EndpointCause::Prefix);
        }
        let prefix = url.clone();
        url = operation(&prefix, "sendEdoc");
        let id = endpoint.system_id.as_bytes();
        if id.is_empty() || id.len() > SYSTEM_ID_BYTES_MAX || !id.iter().all(u8::is_ascii_graphic) {
            return Err(EndpointCause::SystemId);
        }
        if endpoint.secret.is_empty() {
            return Err(EndpointCause::SecretEmpty);
        }
        let account = Account {
            host: url.authority().to_owned(),
            system_id: endpoint.system_id,
            secret: endpoint.secret,
            to_header: endpoint.to_header,
        };
        let line = Line::open(Target {
            url,
            ca_pem: endpoint.ca_pem.as_deref(),
            connect_timeout: endpoint.connect_timeout,
            timeout: endpoint.timeout,
            slowest_bytes_per_second: endpoint.slowest_bytes_per_second,
        })?;
        Ok(Self { line, account, asks_after: endpoint.asks_after, prefix })
    }

    /// Where an operation is asked for.
    pub(super) fn operation(&self, name: &str) -> Url {
        operation(&self.prefix, name)
    }
}

fn operation(prefix: &Url, name: &str) -> Url {
    let mut url = prefix.clone();
    url.set_path(&format!("{}/{name}", prefix.path().trim_end_matches('/')));
    url
}
