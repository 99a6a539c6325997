//! Events as messages: those of one document that go together stand in one message, each as short as it can be.

use async_nats::HeaderMap;
use async_nats::header::NATS_MESSAGE_ID;
use jiff::Timestamp;
use lienthong_pipeline::ports::Fault;
use lienthong_pipeline::record::{Event, HistoryEntry, Offer, Posted, State};
use lienthong_schemas::ids::{DeliveryId, DocumentId, Operation};
use lienthong_schemas::organ::OrganId;
use serde::{Deserialize, Serialize};

use super::{FIRST_VERSION, Outgoing, VERSION, fault, header_value, kind, system};
use crate::streams::EVENTS;

/// Present where a message says something of mailboxes, so that all others need not be read for them.
const OFFERS_HEADER: &str = "Lt-Offers";
/// Most events that are read from one message.
const EVENTS_MAX: usize = 10_000;

/// What stands in front of every version.
#[derive(Deserialize)]
struct Head {
    version: u32,
}

#[derive(Serialize, Deserialize)]
struct Together {
    version: u32,
    document: DocumentId,
    /// Of the first event, in nanoseconds.
    from: i128,
    events: Vec<Line>,
    /// Of events of deliveries that were put into mailboxes, by their place in `events`. Programs of before do not look here.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    offers: Vec<(usize, Offer)>,
}

/// Receiver, count of the delivery's events, nanoseconds after `from`, state, event, attempt, note, and the delivery
/// where it is not the one of the document and the receiver.
#[derive(Serialize, Deserialize)]
struct Line(OrganId, u64, i128, State, String, u32, String, Option<DeliveryId>);

#[derive(Deserialize)]
struct First {
    #[serde(flatten)]
    event: Event,
}

/// Events of one document as a message on `lt.evt.<document id>`, at least one.
pub(crate) fn encode_events(events: &[Event]) -> Result<Outgoing, Fault> {
    let (Some(first), Some(last)) = (events.first(), events.last()) else { return Err(fault("no events")) };
    if events.iter().any(|event| event.document != first.document) || events.len() > EVENTS_MAX {
        return Err(fault(format!("events of several documents, or more than {EVENTS_MAX}")));
    }
    let from = first.entry.at.as_nanosecond();
    let lines = events.iter().map(|event| line(event, from)).collect::<Result<_, _>>()?;
    let offers = events.iter().enumerate();
    let offers: Vec<_> =
        offers.filter_map(|(at, event)| Some((at, (**event.offer.as_ref()?).clone()))).collect();
    let says_offers = !offers.is_empty();
    let together = Together { version: VERSION, document: first.document, from, events: lines, offers };
    let id = match events.len() {
        1 => first.id.clone(),
        count => format!("{}+{count}-{}", first.id, last.id),
    };
    let mut headers = HeaderMap::new();
    headers.insert(NATS_MESSAGE_ID, header_value("Nats-Msg-Id", &id)?);
    if says_offers {
        headers.insert(OFFERS_HEADER, header_value(OFFERS_HEADER, "1")?);
    }
    let body = serde_json::to_vec(&together).map_err(fault)?.into();
    Ok(Outgoing { subject: format!("lt.evt.{}", first.document), headers, body, stream: EVENTS })
}

fn line(event: &Event, from: i128) -> Result<Line, Fault> {
    let count = event.id.strip_prefix(&format!("{}:", event.delivery)).and_then(|count| count.parse().ok());
    let count = count.ok_or_else(|| fault(format!("{} is no id of an event", event.id)))?;
    let usual = DeliveryId::derive(&event.document, &event.receiver, Operation::Deliver) == event.delivery;
    let HistoryEntry { at, state, event: word, attempt, note } = event.entry.clone();
    let delivery = (!usual).then_some(event.delivery);
    let after = at.as_nanosecond() - from;
    Ok(Line(event.receiver.clone(), count, after, state, word, attempt, note, delivery))
}

/// The events in a message of `EVENTS`, in their order.
///
/// # Errors
/// The message is of a later version, or none of ours.
pub fn decode_events(body: &[u8]) -> Result<Vec<Event>, Fault> {
    let Head { version } = serde_json::from_slice(body).map_err(fault)?;
    match version {
        FIRST_VERSION => {
            let First { event } = serde_json::from_slice(body).map_err(fault)?;
            Ok(vec![event])
        }
        VERSION => {
            let Together { document, from, events, offers, .. } =
                serde_json::from_slice(body).map_err(fault)?;
            if events.len() > EVENTS_MAX || offers.len() > events.len() {
                return Err(fault(format!("more than {EVENTS_MAX} events, or more offers than events")));
            }
            let events = events.into_iter().map(|line| event(document, from, line));
            with_offers(events.collect::<Result<_, _>>()?, offers)
        }
        _ => Err(fault(format!("event version {version}, this program reads {VERSION}"))),
    }
}

fn with_offers(mut events: Vec<Event>, offers: Vec<(usize, Offer)>) -> Result<Vec<Event>, Fault> {
    for (at, offer) in offers {
        if kind(&offer.kind).is_none() || system(offer.system.as_str()).is_none() {
            return Err(fault("an offer of no kind, or to no system"));
        }
        let event = events.get_mut(at).ok_or_else(|| fault("an offer of no event"))?;
        event.offer = Some(Box::new(offer));
    }
    Ok(events)
}

/// What a message of `EVENTS` says of mailboxes; one that says nothing is not read.
pub(crate) fn decode_posted(headers: Option<&HeaderMap>, body: &[u8]) -> Result<Vec<Posted>, Fault> {
    if headers.is_none_or(|headers| headers.get(OFFERS_HEADER).is_none()) {
        return Ok(Vec::new());
    }
    Ok(decode_events(body)?.iter().filter_map(Posted::of_event).collect())
}

fn event(document: DocumentId, from: i128, line: Line) -> Result<Event, Fault> {
    let Line(receiver, count, after, state, event, attempt, note, delivery) = line;
    let at = from.checked_add(after).and_then(|at| Timestamp::from_nanosecond(at).ok());
    let at = at.ok_or_else(|| fault("a time of an event cannot be read"))?;
    let usual = || DeliveryId::derive(&document, &receiver, Operation::Deliver);
    let delivery = delivery.unwrap_or_else(usual);
    let entry = HistoryEntry { at, state, event, attempt, note };
    Ok(Event { id: format!("{delivery}:{count}"), document, delivery, receiver, entry, offer: None })
}
