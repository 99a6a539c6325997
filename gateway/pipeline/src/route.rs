//! Step route (design.md B5): from the receivers that a packet names to the systems that are their homes.

use std::collections::BTreeSet;

use jiff::civil::Date;
use lienthong_schemas::edxml::VerifiedEnvelope;
use lienthong_schemas::edxml::{BusinessType, PacketKind};
use lienthong_schemas::organ::OrganId;
use lienthong_schemas::rejections::{Rejection, RejectionCode};

use crate::directory::{Directory, Home, Organisation, Reach};
use crate::record::{AdapterKind, Route, State, SystemId};

/// A receiver and what is to be done for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Routed {
    /// As the packet names it.
    pub named: OrganId,
    /// Where it goes.
    pub route: Route,
    /// `Queued`; `Paper` for who is not reached by packet; `Parked` for who cannot be decided without the operator.
    pub state: State,
}

/// Decides where every receiver's copy goes. Receivers in `served` are left out.
///
/// # Errors
/// The first receiver that is unknown, closed, named twice, has no line or takes only smaller packets.
pub fn route(
    directory: &Directory,
    envelope: &VerifiedEnvelope,
    bytes: u64,
    today: Date,
    served: &BTreeSet<OrganId>,
) -> Result<Vec<Routed>, Rejection> {
    let content = envelope.content();
    if content.kind == PacketKind::Status {
        let field = "edXMLHeader/MessageHeader/ResponseFor/OrganId";
        let subject = content.response_for.first().and_then(|r| r.organ_id.as_ref());
        let code = subject.ok_or_else(|| Rejection::new(RejectionCode::StatusSubjectMissing).at(field))?;
        return Ok(vec![one(directory, code, field, content.kind, bytes, today)?]);
    }
    let mut routed = Vec::with_capacity(content.to.len());
    let mut seen = BTreeSet::new();
    for (at, to) in content.to.iter().enumerate() {
        let field = format!("edXMLHeader/MessageHeader/To[{}]/OrganId", at + 1);
        let one = one(directory, &to.organ_id, &field, content.kind, bytes, today)?;
        // Two bodies that one took over are two receivers of a recall: they share a delivery, and each has its line.
        if !seen.insert(directory.find(&to.organ_id).map(|named| &named.id)) {
            return Err(refuse(RejectionCode::ReceiverRepeated, &field, &to.organ_id));
        }
        if !served.contains(&one.route.receiver) {
            routed.push(one);
        }
    }
    Ok(routed)
}

fn one(
    directory: &Directory,
    code: &OrganId,
    field: &str,
    kind: PacketKind,
    bytes: u64,
    today: Date,
) -> Result<Routed, Rejection> {
    let named = directory.find(code).ok_or_else(|| refuse(RejectionCode::ReceiverUnknown, field, code))?;
    let Some((receiver, undecided)) = open_receiver(directory, named, kind, today) else {
        let mut rejection = refuse(RejectionCode::ReceiverClosed, field, code);
        rejection.successors = open_successors(directory, named, today);
        return Err(rejection);
    };
    let state = match (undecided, receiver.reach) {
        (true, _) => State::Parked,
        (false, Reach::Paper) => State::Paper,
        (false, Reach::Electronic) => State::Queued,
    };
    // Paper has no limit in bytes, and what the operator decides on goes elsewhere.
    if state == State::Queued && receiver.accepts_max_bytes.is_some_and(|most| bytes > most) {
        return Err(refuse(RejectionCode::ReceiverLimit, field, code));
    }
    let (system, adapter) = match (&receiver.home, receiver.way, state) {
        (Some(Home::System(system) | Home::Axis(system)), Some(adapter), _) => (system.clone(), adapter),
        (_, _, State::Paper | State::Parked) => (SystemId::gateway(), AdapterKind::VendorHttp),
        _ => return Err(refuse(RejectionCode::ReceiverUnreachable, field, code)),
    };
    let route = Route { receiver: receiver.id.clone(), system, adapter };
    Ok(Routed { named: code.clone(), route, state })
}

/// The organisation that receives for `named` today. `true`: the operator has to decide. `None`: nobody does, and the
/// sender has to name another one.
fn open_receiver<'a>(
    directory: &'a Directory,
    named: &'a Organisation,
    kind: PacketKind,
    today: Date,
) -> Option<(&'a Organisation, bool)> {
    if named.is_open(today) {
        return Some((named, false));
    }
    if matches!(kind, PacketKind::Document(BusinessType::New | BusinessType::Replace)) {
        return None;
    }
    // A chain of single successors ends, because the directory refuses cycles.
    let mut at = named;
    while !at.is_open(today) {
        let [only] = at.successors.as_slice() else { return Some((named, true)) };
        let Some(next) = directory.find(only) else { return Some((named, true)) };
        at = next;
    }
    Some((at, false))
}

/// Who took over from a closed code and is open today, by way of those closed since; the successors as written when
/// none is open.
pub(crate) fn open_successors(directory: &Directory, closed: &Organisation, today: Date) -> Vec<OrganId> {
    let (mut open, mut seen) = (Vec::new(), BTreeSet::new());
    let mut waiting: Vec<&OrganId> = closed.successors.iter().rev().collect();
    while let Some(code) = waiting.pop() {
        let next = directory.find(code).filter(|next| seen.insert(&next.id));
        match next {
            Some(next) if next.is_open(today) => open.push(next.id.clone()),
            Some(next) => waiting.extend(next.successors.iter().rev()),
            None => {}
        }
    }
    if open.is_empty() { closed.successors.clone() } else { open }
}

fn refuse(code: RejectionCode, field: &str, organ: &OrganId) -> Rejection {
    Rejection::new(code).at(field).because(organ.as_str())
}
