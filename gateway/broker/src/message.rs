//! Deliveries as messages: subject, headers, body. No I/O. Events are in `message/events.rs`.
//!
//! A message is small, because a document for thousands of receivers makes thousands of them: what the subject and
//! Nats-Msg-Id say is not said again, and all the rest stands in one header, `Lt-Version: 2 <field> <field> ...`.
//! Whatever comes in is hostile: each header is read once, has a limit, and must agree with the others. Messages of the
//! first version, a header a field, are read too (`message/first.rs`).

use std::collections::HashSet;
use std::str::FromStr;

use async_nats::HeaderMap;
use async_nats::header::{HeaderValue, NATS_MESSAGE_ID};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use jiff::Timestamp;
use lienthong_pipeline::ports::{DeliveryMessage, Fault};
use lienthong_pipeline::record::{
    AdapterKind, Delivery, Fence, Lane, Recall, RecallAct, Route, State, SystemId,
};
use lienthong_schemas::edxml::CORRELATIONS_MAX;
use lienthong_schemas::ids::{CorrelationKey, DeliveryId, DocumentId, PacketDigest};
use lienthong_schemas::organ::OrganId;

use crate::streams::DELIVERIES;
use crate::{INLINE_BYTES_MAX, PLACE};

mod admissions;
mod events;
mod first;
mod names;

pub(crate) use admissions::{admission_subject, decode_admission, encode_admission};
pub use events::decode_events;
pub(crate) use events::{decode_followed, decode_posted, encode_events, events_subject};
pub(crate) use names::{encode_names, name_subject, read_names};

/// The message format of this program (design.md B1), and the one before it.
const VERSION: u32 = 2;
const FIRST_VERSION: u32 = 1;
const VERSION_HEADER: &str = "Lt-Version";
/// Where gateways are several: the lease that the message is for.
const LEASE_HEADER: &str = "Lt-Lease";
/// There: what is to be taken over before it.
const AFTER_HEADER: &str = "Lt-After";
/// There: what it asks of those before it.
const RECALL_HEADER: &str = "Lt-Recall";
/// One for its queue and lane, and one for each key that it shares with others.
const AFTER_MAX: usize = CORRELATIONS_MAX + 1;
/// Fields of the header, the version included.
const FIELDS: usize = 12;
/// In the place of a field that has no value.
const NOTHING: &str = "-";
/// Longest kind, in bytes of visible ASCII. With it and [`CORRELATIONS_MAX`] every delivery that is read fits into a
/// store's record of 2 KB.
const KIND_BYTES_MAX: usize = 64;
/// Longest header value that is read.
const HEADER_BYTES_MAX: usize = 4 * 1024;

/// A message ready to be published.
#[derive(Clone, Debug)]
pub(crate) struct Outgoing {
    pub(crate) subject: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    /// The stream that must store it.
    pub(crate) stream: &'static str,
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

/// A delivery as a message. That an inline packet is the one of the digest is the caller's to know, and is looked at by
/// who takes it over.
pub(crate) fn encode(message: &DeliveryMessage) -> Result<Outgoing, Fault> {
    let delivery = &message.delivery;
    if kind(&delivery.kind).is_none() {
        return Err(fault(format!("a kind that is not 1 to {KIND_BYTES_MAX} visible characters")));
    }
    if delivery.correlations.len() > CORRELATIONS_MAX {
        return Err(fault(format!("more than {CORRELATIONS_MAX} correlations")));
    }
    if let Some(packet) = &message.inline {
        check_length(packet, delivery.bytes)?;
    }
    let correlations: Vec<String> = delivery.correlations.iter().map(|key| short(key.as_bytes())).collect();
    let fields: [String; FIELDS] = [
        VERSION.to_string(),
        short(delivery.document.as_bytes()),
        delivery.sender.to_string(),
        delivery.route.receiver.to_string(),
        delivery.route.system.to_string(),
        delivery.kind.clone(),
        short(delivery.digest.as_bytes()),
        delivery.bytes.to_string(),
        delivery.accepted_at.as_nanosecond().to_string(),
        delivery.since.map_or_else(|| NOTHING.to_owned(), |since| since.as_nanosecond().to_string()),
        if correlations.is_empty() { NOTHING.to_owned() } else { correlations.join(",") },
        flags(delivery, message.inline.is_some()),
    ];
    if fields.iter().any(|field| !is_field(field)) {
        return Err(fault("a field with a blank"));
    }
    let mut headers = HeaderMap::new();
    headers.insert(VERSION_HEADER, header_value(VERSION_HEADER, &fields.join(" "))?);
    headers.insert(NATS_MESSAGE_ID, header_value("Nats-Msg-Id", &message_id(delivery))?);
    if let Some(Fence(fence)) = message.fence {
        headers.insert(LEASE_HEADER, header_value(LEASE_HEADER, &fence.to_string())?);
    }
    if !message.after.is_empty() {
        let after: Vec<String> = message.after.iter().map(|id| short(id.as_bytes())).collect();
        headers.insert(AFTER_HEADER, header_value(AFTER_HEADER, &after.join(","))?);
    }
    if let Some(recall) = &message.recall {
        headers.insert(RECALL_HEADER, header_value(RECALL_HEADER, &recall_text(delivery, recall)?)?);
    }
    let body = message.inline.clone().unwrap_or_default();
    Ok(Outgoing { subject: subject(delivery), headers, body, stream: DELIVERIES })
}

/// A message as a delivery: `Queued`, published in its generation, never tried. Unknown headers are ignored. Of an inline
/// packet only the length is checked.
pub(crate) fn decode(
    subject_seen: &str,
    headers: &HeaderMap,
    body: &Bytes,
) -> Result<DeliveryMessage, Fault> {
    let fields = Fields(headers);
    let text = fields.text(VERSION_HEADER)?;
    let number = text.split(' ').next().unwrap_or_default();
    let version: u32 = number.parse().map_err(|_| fault(format!("{VERSION_HEADER} cannot be read")))?;
    let (delivery, inline) = match version {
        VERSION => read(subject_seen, fields.text("Nats-Msg-Id")?, text)?,
        FIRST_VERSION => first::read(&fields)?,
        _ => return Err(fault(format!("message version {version}, this program reads {VERSION}"))),
    };
    if subject(&delivery) != subject_seen {
        return Err(fault("the subject is not that of the headers"));
    }
    if fields.text("Nats-Msg-Id")? != message_id(&delivery) {
        return Err(fault("Nats-Msg-Id is not that of the headers"));
    }
    if inline {
        check_length(body, delivery.bytes)?;
    } else if !body.is_empty() {
        return Err(fault("a body where the header says that there is none"));
    }
    let fence = headers.get(LEASE_HEADER).map(|_| fields.text(LEASE_HEADER)).transpose()?;
    let fence = fence.map(|text| self::number(text).map(Fence)).transpose()?;
    let after = headers.get(AFTER_HEADER).map(|_| fields.text(AFTER_HEADER)).transpose()?;
    let after = after.map_or(Some(Vec::new()), read_after).ok_or_else(|| unread(AFTER_HEADER))?;
    let recall = headers.get(RECALL_HEADER).map(|_| fields.text(RECALL_HEADER)).transpose()?;
    let recall = recall.map(|text| read_recall(delivery.id, text).ok_or_else(|| unread(RECALL_HEADER)));
    let recall = recall.transpose()?;
    Ok(DeliveryMessage { delivery, inline: inline.then(|| body.clone()), fence, after, recall })
}

/// `w` or `h`, for withdraw and hold, and the deliveries that it names: `w,<id>,<id>`.
fn recall_text(delivery: &Delivery, recall: &Recall) -> Result<String, Fault> {
    let fits = recall.by == delivery.id && !recall.of.is_empty() && recall.of.len() <= Recall::OF_MESSAGE_MAX;
    if !fits || recall.of.contains(&recall.by) {
        return Err(fault(format!(
            "a recall of none, of itself, or of more than {}",
            Recall::OF_MESSAGE_MAX
        )));
    }
    let act = match recall.act {
        RecallAct::Withdraw => "w",
        RecallAct::Hold => "h",
    };
    let named = recall.of.iter().map(|id| short(id.as_bytes()));
    Ok(std::iter::once(act.to_owned()).chain(named).collect::<Vec<_>>().join(","))
}

/// Each delivery is named once, and the one that asks is not.
fn read_recall(by: DeliveryId, text: &str) -> Option<Recall> {
    let (act, named) = text.split_once(',')?;
    let act = match act {
        "w" => RecallAct::Withdraw,
        "h" => RecallAct::Hold,
        _ => return None,
    };
    let named = named.split(',').take(Recall::OF_MESSAGE_MAX + 1);
    let of: Vec<_> = named.map(|id| long(id).map(DeliveryId::from_bytes)).collect::<Option<_>>()?;
    let each: HashSet<&DeliveryId> = of.iter().chain([&by]).collect();
    let fits = of.len() <= Recall::OF_MESSAGE_MAX && each.len() == of.len() + 1;
    fits.then_some(Recall { by, act, of, moves: Vec::new(), at_holder: true })
}

/// Ids, at most [`AFTER_MAX`].
fn read_after(text: &str) -> Option<Vec<DeliveryId>> {
    let ids: Option<Vec<DeliveryId>> =
        text.split(',').take(AFTER_MAX + 1).map(|id| long(id).map(DeliveryId::from_bytes)).collect();
    ids.filter(|ids| ids.len() <= AFTER_MAX)
}

/// The second version.
fn read(subject_seen: &str, id: &str, text: &str) -> Result<(Delivery, bool), Fault> {
    let fields: Vec<&str> = text.split(' ').take(FIELDS + 1).collect();
    let Ok(
        [_, document, sender, receiver, system, kind, digest, bytes, accepted_at, since, correlations, flags],
    ) = <[&str; FIELDS]>::try_from(fields)
    else {
        return Err(fault(format!("{VERSION_HEADER} has not {FIELDS} fields")));
    };
    let (id, generation) = id.split_once(":g").ok_or_else(|| unread("Nats-Msg-Id"))?;
    let mut tokens = subject_seen.split('.').skip(2);
    let (adapter, lane) = (tokens.next().unwrap_or_default(), tokens.next().unwrap_or_default());
    let [reportable, may_have_arrived, inline] = read_flags(flags).ok_or_else(|| unread("flags"))?;
    let delivery = fresh(Told {
        id: id.parse().map_err(|_| unread("Nats-Msg-Id"))?,
        document: DocumentId::from_bytes(long(document).ok_or_else(|| unread("document"))?),
        sender: sender.to_owned().try_into().map_err(|_| unread("sender"))?,
        receiver: receiver.to_owned().try_into().map_err(|_| unread("receiver"))?,
        system: self::system(system).ok_or_else(|| unread("system"))?,
        adapter: adapter_of(adapter).ok_or_else(|| unread("subject"))?,
        lane: lane_of(lane).ok_or_else(|| unread("subject"))?,
        kind: self::kind(kind).ok_or_else(|| unread("kind"))?,
        digest: PacketDigest::from_bytes(long(digest).ok_or_else(|| unread("digest"))?),
        bytes: number(bytes)?,
        accepted_at: time(accepted_at)?,
        since: if since == NOTHING { None } else { Some(time(since)?) },
        correlations: read_correlations(correlations).ok_or_else(|| unread("correlations"))?,
        reportable,
        generation: number(generation)?,
    });
    Ok((Delivery { may_have_arrived, ..delivery }, inline))
}

/// What a message tells of a delivery.
struct Told {
    id: DeliveryId,
    document: DocumentId,
    sender: OrganId,
    receiver: OrganId,
    system: SystemId,
    adapter: AdapterKind,
    lane: Lane,
    kind: String,
    digest: PacketDigest,
    bytes: u64,
    accepted_at: Timestamp,
    since: Option<Timestamp>,
    correlations: Vec<CorrelationKey>,
    reportable: bool,
    generation: u32,
}

fn fresh(told: Told) -> Delivery {
    Delivery {
        id: told.id,
        document: told.document,
        sender: told.sender,
        route: Route { receiver: told.receiver, system: told.system, adapter: told.adapter },
        lane: told.lane,
        kind: told.kind,
        digest: told.digest,
        bytes: told.bytes,
        accepted_at: told.accepted_at,
        since: told.since,
        correlations: told.correlations,
        reportable: told.reportable,
        state: State::Queued,
        generation: told.generation,
        published: told.generation,
        handed_off: false,
        attempts: 0,
        document_failures: 0,
        due: told.accepted_at,
        paused_at: None,
        elsewhere: None,
        foreign: false,
        contested: false,
        ours_to_fix: false,
        lease: None,
        may_have_arrived: false,
        order: 0,
        closed: false,
        mailbox: None,
        beyond: None,
    }
}

fn short(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

fn long<const BYTES: usize>(text: &str) -> Option<[u8; BYTES]> {
    URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok()
}

/// `r`: an outcome is told to the sender; `a`: an attempt may have arrived; `i`: the packet rides along.
const FLAGS: [char; 3] = ['r', 'a', 'i'];

fn flags(delivery: &Delivery, inline: bool) -> String {
    let set = [delivery.reportable, delivery.may_have_arrived, inline];
    let text: String = FLAGS.into_iter().zip(set).filter_map(|(flag, set)| set.then_some(flag)).collect();
    if text.is_empty() { NOTHING.to_owned() } else { text }
}

/// Each at most once, in their order.
fn read_flags(text: &str) -> Option<[bool; 3]> {
    let mut rest = if text == NOTHING { "" } else { text };
    let read = FLAGS.map(|flag| {
        let stripped = rest.strip_prefix(flag);
        rest = stripped.unwrap_or(rest);
        stripped.is_some()
    });
    (rest.is_empty() && !text.is_empty()).then_some(read)
}

/// Digits only: one number has one form.
fn number<T: FromStr>(text: &str) -> Result<T, Fault> {
    let digits = text.bytes().all(|b| b.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    text.parse().ok().filter(|_| digits).ok_or_else(|| unread("number"))
}

fn time(nanoseconds: &str) -> Result<Timestamp, Fault> {
    Timestamp::from_nanosecond(nanoseconds.parse().map_err(|_| unread("time"))?).map_err(|_| unread("time"))
}

fn is_field(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_graphic())
}

fn adapter_of(text: &str) -> Option<AdapterKind> {
    AdapterKind::ALL.into_iter().find(|kind| kind.as_str() == text)
}

fn lane_of(text: &str) -> Option<Lane> {
    Lane::ALL.into_iter().find(|lane| lane.token() == text)
}

fn system(text: &str) -> Option<SystemId> {
    SystemId::parse(text).or_else(|| Some(SystemId::gateway()).filter(|gateway| gateway.as_str() == text))
}

fn kind(text: &str) -> Option<String> {
    let fits = text.len() <= KIND_BYTES_MAX && is_field(text);
    fits.then(|| text.to_owned())
}

fn read_correlations(text: &str) -> Option<Vec<CorrelationKey>> {
    if text == NOTHING {
        return Some(Vec::new());
    }
    let keys = text.split(',').take(CORRELATIONS_MAX + 1);
    let keys: Vec<_> = keys.map(|key| long(key).map(CorrelationKey::from_bytes)).collect::<Option<_>>()?;
    (keys.len() <= CORRELATIONS_MAX).then_some(keys)
}

fn check_length(packet: &Bytes, bytes: u64) -> Result<(), Fault> {
    if packet.len() > INLINE_BYTES_MAX {
        return Err(fault(format!("an inline packet of more than {INLINE_BYTES_MAX} bytes")));
    }
    if packet.len() as u64 != bytes {
        return Err(fault("the inline packet has another length than the header says"));
    }
    Ok(())
}

fn fault(cause: impl std::fmt::Display) -> Fault {
    Fault::new(PLACE, cause)
}

fn unread(what: &str) -> Fault {
    fault(format!("{what} cannot be read"))
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
        read(self.text(name)?).ok_or_else(|| unread(name))
    }

    /// `None` without such a header: what was never sent again has none.
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
