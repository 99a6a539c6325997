//! Step route (design.md B5): from the receivers that a packet names to the systems that are their homes.

use std::collections::BTreeSet;

use jiff::civil::Date;
use lienthong_config::UpdateReceivers;
use lienthong_schemas::edxml::{BusinessType, Content, Finding, PacketKind};
use lienthong_schemas::organ::OrganId;
use lienthong_schemas::rejections::{Rejection, RejectionCode};

use crate::directory::{Directory, Home, Organisation, Reach};
use crate::record::{AdapterKind, Route, State, SystemId};
use crate::standing::Notice;

/// Most organisations that one packet goes to, those of its receiver list with them.
pub const RECEIVERS_MAX: usize = 5_000;

const RECEIVER_LIST: &str = "edXMLHeader/TraceHeaderList/Bussiness/BussinessDocumentInfo/ReceiverList";

/// An organisation that a packet is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Addressed<'c> {
    /// Its code in the packet.
    pub code: &'c OrganId,
    /// As written.
    pub text: &'c str,
    /// Where it stands.
    pub field: String,
    /// In the receiver list of an update: whoever cannot be reached is no reason to refuse the packet.
    is_listed: bool,
}

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

/// The organisations that a document packet is for: its `To`, and where the settings say so those that an update adds to or
/// removes from the receivers of its document; with a notice for each of these that is no code. Nobody for a status packet.
pub fn addressed(content: &Content, updates: UpdateReceivers) -> (Vec<Addressed<'_>>, Vec<Notice>) {
    let to = content.to.iter().enumerate().map(|(n, to)| Addressed {
        code: &to.organ_id,
        text: &to.organ_text,
        field: format!("edXMLHeader/MessageHeader/To[{}]/OrganId", n + 1),
        is_listed: false,
    });
    let has_list = content.kind == PacketKind::Document(BusinessType::Update)
        && updates == UpdateReceivers::ToAndReceiverList;
    let business = content.business.iter().filter(|_| has_list);
    let listed = business.flat_map(|business| &business.receiver_changes).enumerate();
    let listed = listed.filter(|(_, change)| matches!(change.receiver_type.trim(), "0" | "1"));
    let (mut all, mut notices): (Vec<_>, _) = (to.collect(), Vec::new());
    for (n, change) in listed {
        let field = format!("{RECEIVER_LIST}/Receiver[{}]/OrganId", n + 1);
        let text = &change.organ_text;
        match &change.organ_id {
            Some(code) => all.push(Addressed { code, text, field, is_listed: true }),
            None => notices.push(Notice::new(Finding::UpdateReceiverUnknown, field, text)),
        }
    }
    (all, notices)
}

/// Decides where every receiver's copy goes. Receivers in `served` are left out. Those of a receiver list who cannot be
/// reached are left out of `to`, too, each with a notice.
///
/// # Errors
/// The first receiver of `To` that is unknown, closed, named twice, or has no line; the first of all that takes only
/// smaller packets; more than [`RECEIVERS_MAX`].
pub fn route(
    directory: &Directory,
    content: &Content,
    to: &mut Vec<Addressed<'_>>,
    bytes: u64,
    today: Date,
    served: &BTreeSet<OrganId>,
) -> Result<(Vec<Routed>, Vec<Notice>), Rejection> {
    if content.kind == PacketKind::Status {
        let field = "edXMLHeader/MessageHeader/ResponseFor/OrganId";
        let subject = content.response_for.first().and_then(|r| r.organ_id.as_ref());
        let code = subject.ok_or_else(|| Rejection::new(RejectionCode::StatusSubjectMissing).at(field))?;
        return Ok((vec![one(directory, code, field, content.kind, bytes, today)?], Vec::new()));
    }
    let (mut routed, mut notices) = (Vec::with_capacity(to.len()), Vec::new());
    let (mut seen, mut kept) = (BTreeSet::new(), Vec::with_capacity(to.len()));
    for named in std::mem::take(to) {
        let one = match one(directory, named.code, &named.field, content.kind, bytes, today) {
            Err(rejection) if named.is_listed && rejection.code != RejectionCode::ReceiverLimit => {
                notices.push(Notice::new(Finding::UpdateReceiverUnknown, named.field, named.text));
                continue;
            }
            one => one?,
        };
        // Two bodies that one took over are two receivers of a recall: they share a delivery, and each has its line.
        if !seen.insert(directory.find(named.code).map(|found| &found.id)) {
            if named.is_listed {
                continue;
            }
            return Err(refuse(RejectionCode::ReceiverRepeated, &named.field, named.code));
        }
        if seen.len() > RECEIVERS_MAX {
            return Err(refuse(RejectionCode::ReceiversTooMany, &named.field, named.code));
        }
        if !served.contains(&one.route.receiver) {
            routed.push(one);
        }
        kept.push(named);
    }
    *to = kept;
    Ok((routed, notices))
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
    Some(single_successor(directory, named, today).map_or((named, true), |open| (open, false)))
}

/// `named`, or who alone took over from it, by way of those closed since; `None` when that is not decided.
pub(crate) fn single_successor<'a>(
    directory: &'a Directory,
    named: &'a Organisation,
    today: Date,
) -> Option<&'a Organisation> {
    // A chain of single successors ends, because the directory refuses cycles.
    let mut at = named;
    while !at.is_open(today) {
        let [only] = at.successors.as_slice() else { return None };
        at = directory.find(only)?;
    }
    Some(at)
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
