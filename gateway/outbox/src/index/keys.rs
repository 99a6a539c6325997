//! The keys of the index of mailboxes. Numbers are big-endian, so that they sort.
//!
//! ```text
//! e|<delivery>                                                  what is known of it
//! q|<system>|<d or s>|<lane>|<accepted at><order><delivery>     waits: documents, or status packets
//! f|<changed at><delivery>                                      waits no longer
//! z|layout   z|read                                             of which kind this is; up to where EVENTS was read
//! ```

use jiff::Timestamp;
use lienthong_pipeline::record::{Lane, Place, Posted, State, SystemId, Waiting};
use lienthong_schemas::ids::DeliveryId;

/// The layout; of another one nothing is read.
pub(super) const LAYOUT: &[u8] = b"z|layout";
/// Up to where `EVENTS` was read.
pub(super) const READ: &[u8] = b"z|read";
/// Prefix of what waits no longer.
pub(super) const OVER: &[u8] = b"f|";
const WAITING: &str = "q|";
/// Bytes of a time, an order and an id.
const PLACE_BYTES: usize = 16 + 8 + 16;

fn sortable(at: Timestamp) -> [u8; 16] {
    // With the sign bit turned, negative times sort before positive ones.
    (at.as_nanosecond().cast_unsigned() ^ (1 << 127)).to_be_bytes()
}

pub(super) fn entry(id: DeliveryId) -> Vec<u8> {
    [b"e|", id.as_bytes().as_slice()].concat()
}

/// What every key of a list begins with.
pub(super) fn list(system: &SystemId, waiting: Waiting, lane: Lane) -> Vec<u8> {
    format!("{WAITING}{system}|{}|{}|", waiting.token(), lane.token()).into_bytes()
}

/// The key of a place in a list.
pub(super) fn place(system: &SystemId, waiting: Waiting, place: &Place) -> Vec<u8> {
    let Place { lane, accepted_at, order, delivery } = place;
    let mut key = list(system, waiting, *lane);
    key.extend(sortable(*accepted_at));
    key.extend(order.to_be_bytes());
    key.extend(delivery.as_bytes());
    key
}

/// The place that a key of a list stands for.
pub(super) fn place_in(key: &[u8], lane: Lane) -> Option<Place> {
    let place = key.get(key.len().checked_sub(PLACE_BYTES)?..)?;
    let (at, rest) = place.split_first_chunk::<16>()?;
    let (order, id) = rest.split_first_chunk::<8>()?;
    let accepted_at = (u128::from_be_bytes(*at) ^ (1 << 127)).cast_signed();
    let accepted_at = Timestamp::from_nanosecond(accepted_at).ok()?;
    let delivery = DeliveryId::from_bytes(id.try_into().ok()?);
    Some(Place { lane, accepted_at, order: u64::from_be_bytes(*order), delivery })
}

/// What every key of what was over before a time is below.
pub(super) fn over_before(before: Timestamp) -> Vec<u8> {
    [OVER, sortable(before).as_slice()].concat()
}

/// The delivery in a key below [`OVER`].
pub(super) fn over_in(key: &[u8]) -> Option<DeliveryId> {
    let id = key.strip_prefix(OVER)?.get(16..)?;
    id.try_into().ok().map(DeliveryId::from_bytes)
}

/// Under which key besides its own an entry is found.
pub(super) fn found_by(posted: &Posted) -> Vec<u8> {
    match posted.state {
        State::Offered => place(&posted.offer.system, posted.waiting(), &posted.place()),
        _ => [OVER, &sortable(posted.offer.mailbox.changed), posted.delivery.as_bytes().as_slice()].concat(),
    }
}

/// The first key of those of systems; behind one of them if it is given.
pub(super) fn systems_after(system: Option<&SystemId>) -> Vec<u8> {
    match system {
        // The character after the one that ends an id.
        Some(system) => format!("{WAITING}{system}}}").into_bytes(),
        None => WAITING.as_bytes().to_vec(),
    }
}

/// The system in a key of a list.
pub(super) fn system_in(key: &[u8]) -> Option<SystemId> {
    let rest = key.strip_prefix(WAITING.as_bytes())?;
    let end = rest.iter().position(|byte| *byte == b'|')?;
    SystemId::parse(std::str::from_utf8(&rest[..end]).ok()?)
}
