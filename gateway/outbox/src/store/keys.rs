//! The keys of the one tree. A prefix says what stands under it; numbers are big-endian, so that they sort.
//! Every question that the store answers is one key, or the beginning of one range of keys:
//!
//! ```text
//! m|<document>                                   the document's keys and digest
//! e|<delivery>                                   the delivery's record
//! d|<document><order>                            its deliveries, in order
//! r|<adapter>|<queue>|<lane>|<order>             handed off and queued
//! c|<queue>|<key><order>                         queued or parked, by correlation key
//! u|<lane>|<order>                               queued and not published
//! w|<published at><order>                        queued, published, and not handed off
//! o|<adapter>|<queue>|<lane>|<order>             queued and not handed off
//! q|<system>|<d or s>|<lane>|<order>             waits in a mailbox: documents, or status packets
//! a|<axis>|<due><order>                          an axis took it, and is asked what became of it
//! p|<accepted at><order>                         not final
//! x|<order>                                      dead letters
//! n|<number>                                     outcomes that the sender has yet to be told
//! v|<number>                                     events not sent
//! h|<delivery><line>                             history
//! b|<standing>                                   a business state
//! i|<system>|<key>   k|<name><order><document>   s|<status>   recognition (design.md B3)
//! g|<document>                                   is being removed
//! z|next   z|whole   z|layout                    counters; the store was filled to its end; see `upgrade`
//! z|begun   z|left   z|pruned                    of a generation: since when it is, when another one followed; up to when
//!                                                documents may have been removed
//! ```
//!
//! Where no value is named it is the delivery's id.

use std::ops::Range;

use jiff::Timestamp;
use lienthong_pipeline::ports::Listing;
use lienthong_pipeline::record::{AdapterKind, Delivery, IdempotencyKey, Lane, SystemId, Waiting};
use lienthong_schemas::ids::{CorrelationKey, DeliveryId, DocumentId, StandingKey};
use lienthong_schemas::organ::ReceiverToken;

use crate::change::Record;

/// Longest key in bytes; an idempotency key has up to 163.
pub(super) const KEY_BYTES_MAX: usize = 256;

/// Counters: the next order, the next event.
pub(super) const NEXT: &[u8] = b"z|next";
/// Present when the store was filled to its end after it was made.
pub(super) const WHOLE: &[u8] = b"z|whole";
/// The layout that the store has; absent in the first one.
pub(super) const LAYOUT: &[u8] = b"z|layout";

/// Prefix of documents.
pub(super) const DOCUMENTS: &[u8] = b"m|";
/// When this generation began.
pub(super) const BEGUN: &[u8] = b"z|begun";
/// When another generation followed this one.
pub(super) const LEFT: &[u8] = b"z|left";
/// Documents accepted before this time may have been removed.
pub(super) const PRUNED: &[u8] = b"z|pruned";
/// Prefix of documents that are being removed.
pub(super) const CONDEMNED: &[u8] = b"g|";

/// Prefixes of what older generations are asked for, in their order. All else counts in the newest one only: what stands
/// there in an older one is as it was when that was left.
pub(super) const KEPT: [&[u8]; 8] = [b"b|", b"d|", DELIVERIES, b"h|", b"i|", b"k|", b"m|", b"s|"];
/// Bytes of a kept prefix and the id after it.
const FAMILY_BYTES: usize = 2 + 16;

/// Whether older generations are asked for a key.
pub(super) fn is_kept(key: &[u8]) -> bool {
    KEPT.iter().any(|prefix| key.starts_with(prefix))
}

/// What a kept key is looked for by: keys that are asked for together are of one family.
pub(super) fn family(key: &[u8]) -> &[u8] {
    match key.starts_with(b"i|") {
        true => key,
        false => &key[..key.len().min(FAMILY_BYTES)],
    }
}

/// Whether this is all that keys of one family, of which there may be several, begin with.
pub(super) fn is_family(start: &[u8]) -> bool {
    start.len() == FAMILY_BYTES && !start.starts_with(b"i|")
}

/// Prefix of what is found by its document.
pub(super) const OF_DOCUMENTS: &[u8] = b"d|";
/// Prefix of records.
pub(super) const DELIVERIES: &[u8] = b"e|";
/// Prefixes of all that [`indexes`] makes.
pub(super) const INDEXES: [&[u8]; 11] =
    [BEYOND, b"d|", b"r|", b"o|", b"c|", b"q|", UNPUBLISHED, NOT_TAKEN_OVER, PENDING, DEAD_LETTERS, REPORTS];

/// Prefix of what axes took and are asked about.
pub(super) const BEYOND: &[u8] = b"a|";
/// Prefix of deliveries that are not final, the oldest first.
pub(super) const PENDING: &[u8] = b"p|";
/// Prefix of what is not published.
pub(super) const UNPUBLISHED: &[u8] = b"u|";
/// Prefix of what is published and not handed off, the oldest publication first.
pub(super) const NOT_TAKEN_OVER: &[u8] = b"w|";
/// Prefix of dead letters.
pub(super) const DEAD_LETTERS: &[u8] = b"x|";
/// Prefix of outcomes to report.
pub(super) const REPORTS: &[u8] = b"n|";
/// Prefix of history.
pub(super) const HISTORY: &[u8] = b"h|";
/// Prefix of the names by which documents are known.
pub(super) const NAMES: &[u8] = b"k|";
/// Prefix of idempotency keys.
pub(super) const IDEMPOTENCY: &[u8] = b"i|";
/// Prefix of business states.
pub(super) const STANDINGS: &[u8] = b"b|";
/// Prefix of events.
pub(super) const EVENTS: &[u8] = b"v|";

fn joined(parts: &[&[u8]]) -> Vec<u8> {
    parts.concat()
}

pub(super) fn document(id: DocumentId) -> Vec<u8> {
    joined(&[DOCUMENTS, id.as_bytes()])
}

/// The document in a key below [`DOCUMENTS`].
pub(super) fn document_in(key: &[u8]) -> Option<DocumentId> {
    let id: [u8; 16] = key.strip_prefix(DOCUMENTS)?.try_into().ok()?;
    Some(DocumentId::from_bytes(id))
}

pub(super) fn condemned(id: DocumentId) -> Vec<u8> {
    joined(&[CONDEMNED, id.as_bytes()])
}

pub(super) fn delivery(id: DeliveryId) -> Vec<u8> {
    joined(&[DELIVERIES, id.as_bytes()])
}

pub(super) fn of_document(id: DocumentId) -> Vec<u8> {
    joined(&[b"d|", id.as_bytes()])
}

/// The document in a key below [`OF_DOCUMENTS`].
pub(super) fn document_of(key: &[u8]) -> Option<DocumentId> {
    key.strip_prefix(OF_DOCUMENTS)?.first_chunk().map(|id| DocumentId::from_bytes(*id))
}

pub(super) fn receivers(adapter: AdapterKind) -> Vec<u8> {
    joined(&[b"r|", adapter.as_str().as_bytes(), b"|"])
}

pub(super) fn heads(adapter: AdapterKind, receiver: &ReceiverToken, lane: Lane) -> Vec<u8> {
    in_lane('r', adapter, receiver, lane)
}

pub(super) fn on_its_way(adapter: AdapterKind, receiver: &ReceiverToken, lane: Lane) -> Vec<u8> {
    in_lane('o', adapter, receiver, lane)
}

fn in_lane(index: char, adapter: AdapterKind, receiver: &ReceiverToken, lane: Lane) -> Vec<u8> {
    let (adapter, receiver, lane) = (adapter.as_str(), receiver.as_str(), lane.token());
    format!("{index}|{adapter}|{receiver}|{lane}|").into_bytes()
}

pub(super) fn offered(system: &SystemId, waiting: Waiting, lane: Lane) -> Vec<u8> {
    format!("q|{system}|{}|{}|", waiting.token(), lane.token()).into_bytes()
}

/// Keys below [`offered`], behind an order.
pub(super) fn offered_after(system: &SystemId, waiting: Waiting, lane: Lane, after: u64) -> Range<Vec<u8>> {
    from(offered(system, waiting, lane), after.saturating_add(1))
}

fn beyond(axis: &SystemId, due: Timestamp) -> Vec<u8> {
    timed(format!("a|{axis}|").as_bytes(), due)
}

/// Keys below [`BEYOND`] of what an axis is to be asked about by this time.
pub(super) fn beyond_by(axis: &SystemId, now: Timestamp) -> Range<Vec<u8>> {
    let end = ordered(beyond(axis, now), u64::MAX);
    format!("a|{axis}|").into_bytes()..end
}

pub(super) fn correlated(receiver: &ReceiverToken, key: CorrelationKey) -> Vec<u8> {
    joined(&[b"c|", receiver.as_str().as_bytes(), b"|", key.as_bytes()])
}

/// Keys below [`correlated`], behind an order if one is given.
pub(super) fn correlated_after(
    receiver: &ReceiverToken,
    key: CorrelationKey,
    after: Option<u64>,
) -> Range<Vec<u8>> {
    let start = after.map_or(0, |after| after.saturating_add(1));
    from(correlated(receiver, key), start)
}

/// Keys below [`correlated`], before an order.
pub(super) fn correlated_before(
    receiver: &ReceiverToken,
    key: CorrelationKey,
    before: u64,
) -> Range<Vec<u8>> {
    let prefix = correlated(receiver, key);
    ordered(prefix.clone(), 0)..ordered(prefix, before)
}

pub(super) fn unpublished(lane: Lane) -> Vec<u8> {
    joined(&[UNPUBLISHED, lane.token().as_bytes(), b"|"])
}

/// Keys below [`unpublished`], behind an order.
pub(super) fn unpublished_after(lane: Lane, after: u64) -> Range<Vec<u8>> {
    from(unpublished(lane), after.saturating_add(1))
}

pub(super) fn report(number: u64) -> Vec<u8> {
    joined(&[REPORTS, &number.to_be_bytes()])
}

pub(super) fn event(number: u64) -> Vec<u8> {
    joined(&[EVENTS, &number.to_be_bytes()])
}

/// The number in a key below [`EVENTS`].
pub(super) fn event_in(key: &[u8]) -> Option<u64> {
    key.strip_prefix(EVENTS)?.first_chunk().map(|number| u64::from_be_bytes(*number))
}

pub(super) fn history(id: DeliveryId) -> Vec<u8> {
    joined(&[HISTORY, id.as_bytes()])
}

/// The delivery in a key below [`HISTORY`].
pub(super) fn history_of(key: &[u8]) -> Option<DeliveryId> {
    key.strip_prefix(HISTORY)?.first_chunk().map(|id| DeliveryId::from_bytes(*id))
}

pub(super) fn line(id: DeliveryId, line: u64) -> Vec<u8> {
    ordered(history(id), line)
}

pub(super) fn names(name: &[u8; 16]) -> Vec<u8> {
    joined(&[NAMES, name])
}

pub(super) fn name(name: &[u8; 16], order: u64, document: DocumentId) -> Vec<u8> {
    joined(&[&ordered(names(name), order), document.as_bytes()])
}

/// Name, document and order in a key below [`NAMES`].
pub(super) fn name_in(key: &[u8]) -> Option<([u8; 16], [u8; 16], u64)> {
    let (name, rest) = key.strip_prefix(NAMES)?.split_first_chunk()?;
    let (order, document) = rest.split_first_chunk()?;
    Some((*name, document.try_into().ok()?, u64::from_be_bytes(*order)))
}

pub(super) fn standing(key: StandingKey) -> Vec<u8> {
    joined(&[STANDINGS, key.as_bytes()])
}

pub(super) fn status(status: &[u8; 16]) -> Vec<u8> {
    joined(&[b"s|", status])
}

pub(super) fn idempotency(key: &IdempotencyKey) -> Vec<u8> {
    format!("i|{}|{}", key.system, key.key).into_bytes()
}

/// The business state that a key below [`STANDINGS`] is of.
pub(super) fn standing_in(key: &[u8]) -> Option<StandingKey> {
    let key: [u8; 16] = key.strip_prefix(STANDINGS)?.try_into().ok()?;
    Some(StandingKey::from_bytes(key))
}

/// System and key in a key below [`IDEMPOTENCY`].
pub(super) fn idempotency_in(key: &[u8]) -> Option<(String, String)> {
    let text = std::str::from_utf8(key.strip_prefix(IDEMPOTENCY)?).ok()?;
    text.split_once('|').map(|(system, key)| (system.to_owned(), key.to_owned()))
}

fn pending(record: &Record) -> Vec<u8> {
    ordered(timed(PENDING, record.delivery.accepted_at), record.delivery.order)
}

fn timed(prefix: &[u8], at: Timestamp) -> Vec<u8> {
    // With the sign bit turned, negative times sort before positive ones.
    let sortable = at.as_nanosecond().cast_unsigned() ^ (1 << 127);
    joined(&[prefix, &sortable.to_be_bytes()])
}

/// Where a delivery stands, or would stand, in a list.
pub(super) fn listed(listing: Listing, record: &Record) -> Vec<u8> {
    match listing {
        Listing::Pending => pending(record),
        Listing::DeadLetters => ordered(DEAD_LETTERS.to_vec(), record.delivery.order),
    }
}

/// What every key of a list begins with.
pub(super) const fn list(listing: Listing) -> &'static [u8] {
    match listing {
        Listing::Pending => PENDING,
        Listing::DeadLetters => DEAD_LETTERS,
    }
}

/// Keys below [`NOT_TAKEN_OVER`] of what was published before a time.
pub(super) fn published_before(before: Timestamp) -> Range<Vec<u8>> {
    NOT_TAKEN_OVER.to_vec()..timed(NOT_TAKEN_OVER, before)
}

/// The time in a key below [`PENDING`].
pub(super) fn accepted_at(pending: &[u8]) -> Option<Timestamp> {
    let sortable = pending.strip_prefix(PENDING)?.first_chunk::<16>()?;
    let at = (u128::from_be_bytes(*sortable) ^ (1 << 127)).cast_signed();
    Timestamp::from_nanosecond(at).ok()
}

/// The receiver in a key below [`receivers`].
pub(super) fn receiver_of(adapter: AdapterKind, key: &[u8]) -> Option<ReceiverToken> {
    let rest = key.strip_prefix(receivers(adapter).as_slice())?;
    let end = rest.iter().position(|b| *b == b'|')?;
    // A token is its own token.
    std::str::from_utf8(&rest[..end]).ok().map(ReceiverToken::of)
}

/// The first key after all of one receiver.
pub(super) fn after_receiver(adapter: AdapterKind, receiver: &ReceiverToken) -> Vec<u8> {
    joined(&[&receivers(adapter), receiver.as_str().as_bytes(), &[b'|' + 1]])
}

/// Under which keys a delivery is found, as its record stands. A change removes what only the record before it has and
/// inserts what only the record after it has, so no index can be forgotten.
pub(super) fn indexes(record: &Record) -> Vec<Vec<u8>> {
    let delivery = &record.delivery;
    let (order, receiver) = (delivery.order, delivery.route.queue());
    let mut keys = vec![ordered(of_document(delivery.document), order)];
    if !delivery.state.is_final() {
        keys.push(pending(record));
    }
    if delivery.is_dead_letter() {
        keys.push(listed(Listing::DeadLetters, record));
    }
    if record.is_unpublished() {
        keys.push(ordered(unpublished(delivery.lane), order));
    }
    keys.extend(record.not_taken_over().map(|since| ordered(timed(NOT_TAKEN_OVER, since), order)));
    if record.is_head() {
        keys.push(ordered(heads(delivery.route.adapter, &receiver, delivery.lane), order));
    }
    if delivery.is_on_its_way() {
        keys.push(ordered(on_its_way(delivery.route.adapter, &receiver, delivery.lane), order));
    }
    if record.is_offered() {
        let Delivery { route, lane, .. } = delivery;
        keys.push(ordered(offered(&route.system, Waiting::of(delivery), *lane), order));
    }
    if let Some(due) = delivery.asked_beyond() {
        keys.push(ordered(beyond(&delivery.route.system, due), order));
    }
    if record.is_in_the_way() {
        keys.extend(delivery.correlations.iter().map(|key| ordered(correlated(&receiver, *key), order)));
    }
    keys.extend(record.report.map(|due| report(due.number)));
    keys
}

/// Keys below a prefix, from an order on.
fn from(prefix: Vec<u8>, order: u64) -> Range<Vec<u8>> {
    ordered(prefix.clone(), order)..ordered(prefix, u64::MAX)
}

fn ordered(mut prefix: Vec<u8>, order: u64) -> Vec<u8> {
    prefix.extend(order.to_be_bytes());
    prefix
}

/// A key for a person: what is not printable ASCII is escaped.
pub(super) fn shown(key: &[u8]) -> String {
    key.escape_ascii().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_sort_as_keys_and_are_read_back() {
        let times = [Timestamp::MIN, Timestamp::UNIX_EPOCH, Timestamp::constant(1, 1), Timestamp::MAX];
        let mut before = Vec::new();
        for at in times {
            let key = ordered(timed(PENDING, at), 7);
            assert_eq!(accepted_at(&key), Some(at));
            assert!(before < key);
            before = key;
        }
        assert_eq!(accepted_at(b"p|short"), None);
    }

    #[test]
    fn one_receivers_keys_end_before_the_next_receivers() {
        let adapter = AdapterKind::VendorHttp;
        for (one, other) in [("H55", "H55_1"), ("H55", "H55-1"), ("A", "AA")] {
            let (one, other) = (ReceiverToken::of(one), ReceiverToken::of(other));
            let keys = |token: &ReceiverToken| {
                [Lane::Normal, Lane::Urgent].map(|lane| ordered(heads(adapter, token, lane), u64::MAX))
            };
            let (end_of_one, end_of_other) = (after_receiver(adapter, &one), after_receiver(adapter, &other));
            assert!(keys(&one).iter().all(|key| *key < end_of_one));
            assert!(keys(&other).iter().all(|key| *key < end_of_other));
            // Whichever comes first, none of its keys lies within the other's.
            assert!(keys(&one).iter().all(|key| *key < end_of_other) != (end_of_other < end_of_one));
            assert_eq!(receiver_of(adapter, &keys(&other)[0]), Some(other));
        }
    }
}
