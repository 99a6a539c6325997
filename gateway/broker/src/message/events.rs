//! Events as messages: those of one document that go together stand in one message, each as short as it can be.

use async_nats::HeaderMap;
use async_nats::header::NATS_MESSAGE_ID;
use jiff::Timestamp;
use lienthong_pipeline::ports::Fault;
use lienthong_pipeline::record::{Event, Fence, HistoryEntry, NodeLife, NodeName, Offer, Posted, State};
use lienthong_schemas::ids::{DeliveryId, DocumentId, Operation};
use lienthong_schemas::organ::OrganId;
use serde::{Deserialize, Serialize};

use super::{FIRST_VERSION, Outgoing, VERSION, fault, header_value, kind, system};
use crate::streams::EVENTS;

/// Present where a message says something of mailboxes, so that all others need not be read for them.
const OFFERS_HEADER: &str = "Lt-Offers";
/// The gateway that wrote a message, where it is one of several.
const NODE_HEADER: &str = "Lt-Node";
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
    /// The gateway that they happened on, where it is one of several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    node: Option<NodeLife>,
    /// The deliveries' generations, of each event, in their order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    generations: Vec<u32>,
    /// Leases, by the place in `events` of what was done under them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    fences: Vec<(usize, Fence)>,
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

/// `lt.evt.<document id>`.
pub(crate) fn events_subject(document: DocumentId) -> String {
    format!("lt.evt.{document}")
}

/// Events of one document as a message on `lt.evt.<document id>`, at least one.
pub(crate) fn encode_events(events: &[Event], node: Option<NodeLife>) -> Result<Outgoing, Fault> {
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
    let (generations, fences) = match &node {
        None => (Vec::new(), Vec::new()),
        Some(_) => {
            let fences = events.iter().map(|event| event.fence).enumerate();
            let fences = fences.filter(|(_, fence)| !fence.is_alone()).collect();
            (events.iter().map(|event| event.generation).collect(), fences)
        }
    };
    let (document, node_of) = (first.document, node.clone());
    let together = Together {
        version: VERSION,
        document,
        from,
        events: lines,
        offers,
        node: node_of,
        generations,
        fences,
    };
    let id = match events.len() {
        1 => first.id.clone(),
        count => format!("{}+{count}-{}", first.id, last.id),
    };
    let mut headers = HeaderMap::new();
    // Each gateway counts the events of a delivery by itself.
    let by = node.as_ref().map(|life| format!("@{}.{:x}", life.node, life.store)).unwrap_or_default();
    let id = format!("{id}{by}");
    headers.insert(NATS_MESSAGE_ID, header_value("Nats-Msg-Id", &id)?);
    if let Some(node) = node {
        headers.insert(NODE_HEADER, header_value(NODE_HEADER, node.node.as_str())?);
    }
    if says_offers {
        headers.insert(OFFERS_HEADER, header_value(OFFERS_HEADER, "1")?);
    }
    let body = serde_json::to_vec(&together).map_err(fault)?.into();
    Ok(Outgoing { subject: events_subject(first.document), headers, body, stream: EVENTS })
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
            let Together { document, from, events, offers, node, generations, fences, .. } =
                serde_json::from_slice(body).map_err(fault)?;
            let most = events.len();
            if most > EVENTS_MAX || offers.len() > most || generations.len() > most || fences.len() > most {
                return Err(fault(format!(
                    "more than {EVENTS_MAX} events, or more said of them than they are"
                )));
            }
            let events = events.into_iter().map(|line| event(document, from, line));
            let mut events: Vec<Event> = events.collect::<Result<_, _>>()?;
            for (event, generation) in events.iter_mut().zip(generations) {
                event.generation = generation;
            }
            for (at, fence) in fences {
                events.get_mut(at).ok_or_else(|| fault("a lease of no event"))?.fence = fence;
            }
            events.iter_mut().for_each(|event| event.node.clone_from(&node));
            with_offers(events, offers)
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

/// What another gateway than `own` wrote; nothing where there is no `own`, because then nobody follows.
pub(crate) fn decode_followed(
    headers: Option<&HeaderMap>,
    body: &[u8],
    own: Option<&NodeName>,
) -> Result<Vec<Event>, Fault> {
    let written_by = headers.and_then(|headers| headers.get(NODE_HEADER));
    let (Some(own), Some(node)) = (own, written_by) else { return Ok(Vec::new()) };
    if node.as_str() == own.as_str() { Ok(Vec::new()) } else { decode_events(body) }
}

fn event(document: DocumentId, from: i128, line: Line) -> Result<Event, Fault> {
    let Line(receiver, count, after, state, event, attempt, note, delivery) = line;
    let at = from.checked_add(after).and_then(|at| Timestamp::from_nanosecond(at).ok());
    let at = at.ok_or_else(|| fault("a time of an event cannot be read"))?;
    let usual = || DeliveryId::derive(&document, &receiver, Operation::Deliver);
    let delivery = delivery.unwrap_or_else(usual);
    let entry = HistoryEntry { at, state, event, attempt, note };
    let (id, generation, node, fence) = (format!("{delivery}:{count}"), 0, None, Fence::ALONE);
    Ok(Event { id, document, delivery, receiver, entry, generation, node, fence, offer: None })
}
