//! Deliveries and events as messages: subject, headers, body. No I/O.
//! Whatever comes in is hostile: each header is read once, has a limit, and must agree with the others.

use std::str::FromStr;

use async_nats::HeaderMap;
use async_nats::header::{HeaderValue, NATS_EXPECTED_STREAM, NATS_MESSAGE_ID};
use bytes::Bytes;
use lienthong_pipeline::ports::{DeliveryMessage, Fault};
use lienthong_pipeline::record::{AdapterKind, Delivery, Event, Lane, Route, State, SystemId};
use lienthong_schemas::edxml::CORRELATIONS_MAX;
use lienthong_schemas::ids::{CorrelationKey, DeliveryId, PacketDigest};
use serde::{Deserialize, Serialize};

use crate::streams::{DELIVERIES, EVENTS};
use crate::{INLINE_BYTES_MAX, PLACE};

/// The message format of this program (design.md B1).
const VERSION: u32 = 1;
/// Longest `Lt-Kind`, in bytes of visible ASCII. With it and [`CORRELATIONS_MAX`] every delivery that is read fits into
/// a store's record of 2 KB.
const KIND_BYTES_MAX: usize = 64;
/// Longest header value that is read.
const HEADER_BYTES_MAX: usize = 4 * 1024;

/// A message ready to be published.
#[derive(Clone, Debug)]
pub(crate) struct Outgoing {
    pub(crate) subject: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// `<delivery id>:g<generation>` (design.md B1).
pub(crate) fn message_id(delivery: &Delivery) -> String {
    format!("{}:g{}", delivery.id, delivery.generation)
}

/// `lt.dlv.<adapter>.<u|n>.<receiver token>` (design.md B7).
fn subject(delivery: &Delivery) -> String {
    let (adapter, lane) = (delivery.route.adapter.as_str(), delivery.lane.token());
    format!("lt.dlv.{adapter}.{lane}.{}", delivery.route.receiver.token())
}

/// A delivery as a message.
pub(crate) fn encode(message: &DeliveryMessage) -> Result<Outgoing, Fault> {
    let delivery = &message.delivery;
    if kind(&delivery.kind).is_none() {
        return Err(fault(format!("a kind that is not 1 to {KIND_BYTES_MAX} visible characters")));
    }
    if delivery.correlations.len() > CORRELATIONS_MAX {
        return Err(fault(format!("more than {CORRELATIONS_MAX} correlations")));
    }
    if let Some(packet) = &message.inline {
        check_packet(packet, delivery.bytes, delivery.digest)?;
    }
    let correlations: Vec<String> = delivery.correlations.iter().map(ToString::to_string).collect();
    let mut headers = HeaderMap::new();
    let since = delivery.since.map(|since| ("Lt-Since", since.to_string()));
    let fields = [
        ("Lt-Version", VERSION.to_string()),
        ("Lt-Delivery-Id", delivery.id.to_string()),
        ("Lt-Document-Id", delivery.document.to_string()),
        ("Lt-Sender", delivery.sender.to_string()),
        ("Lt-Receiver", delivery.route.receiver.to_string()),
        ("Lt-System", delivery.route.system.to_string()),
        ("Lt-Adapter", delivery.route.adapter.as_str().to_owned()),
        ("Lt-Lane", delivery.lane.token().to_owned()),
        ("Lt-Kind", delivery.kind.clone()),
        ("Lt-Sha256", delivery.digest.to_string()),
        ("Lt-Bytes", delivery.bytes.to_string()),
        ("Lt-Accepted-At", delivery.accepted_at.to_string()),
        ("Lt-Generation", delivery.generation.to_string()),
        ("Lt-Correlations", correlations.join(",")),
        ("Lt-Reportable", delivery.reportable.to_string()),
        ("Lt-Inline", message.inline.is_some().to_string()),
    ];
    for (name, value) in fields.into_iter().chain(since) {
        headers.insert(name, header_value(name, &value)?);
    }
    headers.insert(NATS_MESSAGE_ID, header_value("Nats-Msg-Id", &message_id(delivery))?);
    headers.insert(NATS_EXPECTED_STREAM, DELIVERIES);
    Ok(Outgoing { subject: subject(delivery), headers, body: message.inline.clone().unwrap_or_default() })
}

/// A message as a delivery: `Queued`, published in its generation, never tried. Unknown headers are ignored.
pub(crate) fn decode(
    subject_seen: &str,
    headers: &HeaderMap,
    body: &Bytes,
) -> Result<DeliveryMessage, Fault> {
    let fields = Fields(headers);
    let version: u32 = fields.parse("Lt-Version")?;
    if version != VERSION {
        return Err(fault(format!("message version {version}, this program reads {VERSION}")));
    }
    let accepted_at = fields.parse("Lt-Accepted-At")?;
    let generation = fields.parse("Lt-Generation")?;
    let delivery = Delivery {
        id: fields.parse::<DeliveryId>("Lt-Delivery-Id")?,
        document: fields.parse("Lt-Document-Id")?,
        sender: fields.read("Lt-Sender", |text| text.to_owned().try_into().ok())?,
        route: Route {
            receiver: fields.read("Lt-Receiver", |text| text.to_owned().try_into().ok())?,
            system: fields.read("Lt-System", system)?,
            adapter: fields
                .read("Lt-Adapter", |text| AdapterKind::ALL.into_iter().find(|kind| kind.as_str() == text))?,
        },
        lane: fields.read("Lt-Lane", |text| Lane::ALL.into_iter().find(|lane| lane.token() == text))?,
        kind: fields.read("Lt-Kind", kind)?,
        digest: fields.parse("Lt-Sha256")?,
        bytes: fields.parse("Lt-Bytes")?,
        accepted_at,
        since: fields.optional("Lt-Since")?,
        correlations: fields.read("Lt-Correlations", correlations)?,
        reportable: fields.parse("Lt-Reportable")?,
        state: State::Queued,
        generation,
        published: generation,
        handed_off: false,
        attempts: 0,
        document_failures: 0,
        due: accepted_at,
        paused_at: None,
        ours_to_fix: false,
        lease: None,
        may_have_arrived: false,
        order: 0,
        closed: false,
    };
    if subject(&delivery) != subject_seen {
        return Err(fault("the subject is not that of the headers"));
    }
    if fields.text("Nats-Msg-Id")? != message_id(&delivery) {
        return Err(fault("Nats-Msg-Id is not that of the headers"));
    }
    let inline = fields.parse::<bool>("Lt-Inline")?;
    if inline {
        check_packet(body, delivery.bytes, delivery.digest)?;
    } else if !body.is_empty() {
        return Err(fault("a body where Lt-Inline says that there is none"));
    }
    Ok(DeliveryMessage { delivery, inline: inline.then(|| body.clone()) })
}

fn system(text: &str) -> Option<SystemId> {
    SystemId::parse(text).or_else(|| Some(SystemId::gateway()).filter(|gateway| gateway.as_str() == text))
}

fn kind(text: &str) -> Option<String> {
    let fits = (1..=KIND_BYTES_MAX).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic());
    fits.then(|| text.to_owned())
}

fn correlations(text: &str) -> Option<Vec<CorrelationKey>> {
    if text.is_empty() {
        return Some(Vec::new());
    }
    let keys: Vec<CorrelationKey> =
        text.split(',').take(CORRELATIONS_MAX + 1).map(|key| key.parse().ok()).collect::<Option<_>>()?;
    (keys.len() <= CORRELATIONS_MAX).then_some(keys)
}

fn check_packet(packet: &Bytes, bytes: u64, digest: PacketDigest) -> Result<(), Fault> {
    if packet.len() > INLINE_BYTES_MAX {
        return Err(fault(format!("an inline packet of more than {INLINE_BYTES_MAX} bytes")));
    }
    if packet.len() as u64 != bytes || PacketDigest::of(packet) != digest {
        return Err(fault("the inline packet is not that of the digest"));
    }
    Ok(())
}

#[derive(Serialize, Deserialize)]
struct EventBody<T> {
    version: u32,
    #[serde(flatten)]
    event: T,
}

/// An event as a message on `lt.evt.<document id>`.
pub(crate) fn encode_event(event: &Event) -> Result<Outgoing, Fault> {
    let body = serde_json::to_vec(&EventBody { version: VERSION, event }).map_err(fault)?;
    let mut headers = HeaderMap::new();
    headers.insert(NATS_MESSAGE_ID, header_value("Nats-Msg-Id", &event.id)?);
    headers.insert(NATS_EXPECTED_STREAM, EVENTS);
    Ok(Outgoing { subject: format!("lt.evt.{}", event.document), headers, body: body.into() })
}

/// The event in a message of `EVENTS`.
pub fn decode_event(body: &[u8]) -> Result<Event, Fault> {
    let body: EventBody<serde_json::Value> = serde_json::from_slice(body).map_err(fault)?;
    if body.version != VERSION {
        return Err(fault(format!("event version {}, this program reads {VERSION}", body.version)));
    }
    serde_json::from_value(body.event).map_err(fault)
}

fn fault(cause: impl std::fmt::Display) -> Fault {
    Fault::new(PLACE, cause)
}

fn header_value(name: &str, value: &str) -> Result<HeaderValue, Fault> {
    let fits = value.len() <= HEADER_BYTES_MAX;
    let value = value.parse().ok().filter(|_| fits);
    value.ok_or_else(|| fault(format!("{name}: this value cannot be a header")))
}

struct Fields<'a>(&'a HeaderMap);

impl<'a> Fields<'a> {
    fn text(&self, name: &str) -> Result<&'a str, Fault> {
        let mut values = self.0.get_all(name);
        match (values.next(), values.next()) {
            (Some(value), None) if value.as_str().len() <= HEADER_BYTES_MAX => Ok(value.as_str()),
            (Some(_), None) => Err(fault(format!("{name} is longer than {HEADER_BYTES_MAX} bytes"))),
            (Some(_), Some(_)) => Err(fault(format!("{name} stands there twice"))),
            (None, _) => Err(fault(format!("{name} is missing"))),
        }
    }

    fn read<T>(&self, name: &str, read: impl FnOnce(&str) -> Option<T>) -> Result<T, Fault> {
        read(self.text(name)?).ok_or_else(|| fault(format!("{name} cannot be read")))
    }

    /// `None` without such a header: what was never sent again has none, nor have messages of earlier programs.
    fn optional<T: FromStr>(&self, name: &str) -> Result<Option<T>, Fault> {
        self.0.get(name).map(|_| self.parse(name)).transpose()
    }

    fn parse<T: FromStr>(&self, name: &str) -> Result<T, Fault> {
        self.read(name, |text| text.parse().ok())
    }
}

#[cfg(test)]
#[path = "message_tests.rs"]
mod tests;
