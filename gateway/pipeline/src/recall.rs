//! What a packet takes back (docs/recall.md): which deliveries before it are meant, receiver by receiver. Whether they are
//! still here is decided by the store when it takes the packet in; here it is only foretold, for the receipt.

use std::collections::{BTreeMap, BTreeSet};

use lienthong_schemas::edxml::{BusinessType, Finding, PacketKind};
use lienthong_schemas::ids::{DeliveryId, DocumentId, StandingKey};
use lienthong_schemas::organ::OrganId;

use crate::ports::Fault;
use crate::recognise::delivery_id;
use crate::record::{Delivery, KnownDocument, Move, Recall, RecallAct, State};
use crate::route::Routed;
use crate::standing::{DOCUMENTS_MAX, Notice, Search};

/// Codes that a finding names; of more it says how many.
const NAMED_MAX: usize = 5;

const TO: &str = "edXMLHeader/MessageHeader/To";
const RESPONSE_FOR: &str = "edXMLHeader/MessageHeader/ResponseFor/OrganId";

/// A document that is taken back.
#[derive(Clone, Debug)]
pub(crate) struct Asks {
    pub(crate) act: RecallAct,
    /// Under which its packets, and those about it, are known.
    pub(crate) names: Vec<[u8; 16]>,
    /// From these receivers only, by their codes in the directory; `None`: from all that the packet is for.
    pub(crate) from: Option<BTreeSet<OrganId>>,
    /// The packet is a revocation, and should be for all who have the document.
    pub(crate) is_whole: bool,
}

/// How packets are taken back here.
#[derive(Clone, Copy, Debug)]
pub(crate) struct How {
    /// Revocations withdraw what has not left (`recall.undelivered`).
    pub(crate) withdraws: bool,
    /// [`Recall::at_holder`].
    pub(crate) at_holder: bool,
}

/// What comes of it.
#[derive(Debug, Default)]
pub(crate) struct TakenBack {
    pub(crate) recalls: Vec<Recall>,
    pub(crate) notices: Vec<Notice>,
}

/// Looks for what is taken back by a packet that is routed so. Nobody else speaks of these documents meanwhile.
/// `withdrawn` are the moves of business states, by receiver, should it succeed; `how`: what the settings make of it.
pub(crate) async fn take_back(
    asks: &Asks,
    document: DocumentId,
    routed: &[Routed],
    withdrawn: &[(OrganId, Move)],
    how: How,
    search: &Search<'_>,
) -> Result<TakenBack, Fault> {
    let documents = documents(asks, document, search).await?;
    let places = Places::of(asks, routed, search);
    let mut found = Found::default();
    // The newest documents are enough to say who has one; to take one back all of them have to be known.
    for known in documents.iter().rev().take(DOCUMENTS_MAX).rev() {
        for delivery in search.store.deliveries_of(known.id).await? {
            found.add(known, &delivery, &places, search);
        }
    }
    let mut taken_back = TakenBack::default();
    if asks.is_whole {
        taken_back.notices.extend(left_out(asks, found.holders, search).await?);
    }
    let is_wanted = how.withdraws || asks.act == RecallAct::Hold;
    if is_wanted && documents.len() <= DOCUMENTS_MAX {
        taken_back.recall(asks, document, places, found.earlier, withdrawn);
        taken_back.recalls.iter_mut().for_each(|recall| recall.at_holder = how.at_holder);
    }
    Ok(taken_back)
}

/// The packets of the document, and those about it, oldest first.
async fn documents(asks: &Asks, but: DocumentId, search: &Search<'_>) -> Result<Vec<KnownDocument>, Fault> {
    let (mut documents, mut seen) = (Vec::new(), BTreeSet::from([but]));
    for name in &asks.names {
        let known = search.store.known(*name).await?;
        documents.extend(known.into_iter().filter(|known| seen.insert(known.id)));
    }
    Ok(documents)
}

/// The deliveries of the packet that asks, and by which codes their receivers may have got the document.
struct Places {
    by_code: BTreeMap<OrganId, usize>,
    receivers: Vec<OrganId>,
    /// Whether anything is asked of this one.
    asks: Vec<bool>,
    /// The receivers that the packet names for it.
    named: Vec<Vec<OrganId>>,
}

impl Places {
    fn of(asks: &Asks, routed: &[Routed], search: &Search<'_>) -> Self {
        let (by_code, receivers) = (BTreeMap::new(), Vec::new());
        let mut places = Self { by_code, receivers, asks: Vec::new(), named: Vec::new() };
        let mut wider = Vec::new();
        for one in routed {
            let receiver = &one.route.receiver;
            let at = places.receivers.iter().position(|known| known == receiver);
            let at = at.unwrap_or_else(|| {
                places.receivers.push(receiver.clone());
                places.asks.push(false);
                places.named.push(Vec::new());
                places.receivers.len() - 1
            });
            let named = search.id_of(&one.named);
            places.asks[at] |= asks.from.as_ref().is_none_or(|from| from.contains(&named));
            places.by_code.insert(receiver.clone(), at);
            places.by_code.entry(named.clone()).or_insert(at);
            wider.extend(
                [receiver, &named].into_iter().flat_map(|code| search.bodies(code)).map(|body| (body, at)),
            );
            places.named[at].push(named);
        }
        // Who is named stands for itself before another one does that took it over.
        for (body, at) in wider {
            places.by_code.entry(body).or_insert(at);
        }
        places
    }

    /// Where the receiver of a delivery is; one that was sent another way counts for who was to have it.
    fn find(&self, delivery: &Delivery) -> Option<usize> {
        let receiver = &delivery.route.receiver;
        if delivery.id == delivery_id(delivery.document, receiver) {
            return self.by_code.get(receiver).copied();
        }
        let first = |code: &&OrganId| delivery.id == delivery_id(delivery.document, code);
        self.by_code.keys().find(first).and_then(|code| self.by_code.get(code)).copied()
    }
}

/// What stands at the places.
#[derive(Default)]
struct Found {
    /// By place: ids, oldest first, and whether the store would say now that all are here, and any waits.
    earlier: BTreeMap<usize, Earlier>,
    /// Who has the document, or is to have it, and is not asked.
    holders: BTreeSet<OrganId>,
}

struct Earlier {
    ids: Vec<DeliveryId>,
    all_here: bool,
    any_waits: bool,
}

impl Found {
    fn add(&mut self, known: &KnownDocument, delivery: &Delivery, places: &Places, search: &Search<'_>) {
        let Some(at) = places.find(delivery) else {
            if is_held(known, delivery) {
                self.holders.insert(search.id_of(&delivery.route.receiver));
            }
            return;
        };
        let new = Earlier { ids: Vec::new(), all_here: true, any_waits: false };
        let earlier = self.earlier.entry(at).or_insert(new);
        let waits = delivery.has_not_left();
        earlier.ids.push(delivery.id);
        earlier.all_here &= waits || delivery.state == State::Withdrawn;
        earlier.any_waits |= waits;
    }
}

/// Whether a delivery gives its receiver the document.
fn is_held(known: &KnownDocument, delivery: &Delivery) -> bool {
    let gives = [BusinessType::New, BusinessType::Update, BusinessType::Replace]
        .iter()
        .any(|kind| known.keys.kind == PacketKind::Document(*kind).id_text());
    let has = match delivery.state {
        State::Queued | State::Parked | State::Offered | State::HandedOver | State::Received => true,
        State::Refused | State::Withdrawn | State::GivenUp | State::Paper => delivery.may_have_arrived,
    };
    gives && has && delivery.state != State::Withdrawn
}

/// `RECALL_INCOMPLETE`: those who hold the document and were not asked to give it up, by this packet or before.
async fn left_out(
    asks: &Asks,
    holders: BTreeSet<OrganId>,
    search: &Search<'_>,
) -> Result<Option<Notice>, Fault> {
    let Some(name) = asks.names.first() else { return Ok(None) };
    let keys = holders.iter().map(|holder| StandingKey::of(name, holder)).collect();
    let standings = search.store.standings(keys).await?;
    let open = holders.into_iter().zip(standings);
    let open = open.filter(|(_, standing)| standing.is_none_or(|standing| !standing.state.is_given_up()));
    let open: Vec<OrganId> = open.map(|(holder, _)| holder).collect();
    Ok((!open.is_empty()).then(|| Notice::new(Finding::RecallIncomplete, TO, listed(&open))))
}

/// `H55.02, H55.03 (+7)`.
fn listed(codes: &[OrganId]) -> String {
    let named: Vec<&str> = codes.iter().take(NAMED_MAX).map(OrganId::as_str).collect();
    let besides = codes.len() - named.len();
    let more = if besides > 0 { format!(" (+{besides})") } else { String::new() };
    format!("{}{more}", named.join(", "))
}

impl TakenBack {
    fn recall(
        &mut self,
        asks: &Asks,
        document: DocumentId,
        places: Places,
        earlier: BTreeMap<usize, Earlier>,
        withdrawn: &[(OrganId, Move)],
    ) {
        let mut moves: BTreeMap<&OrganId, Move> =
            withdrawn.iter().map(|(receiver, change)| (receiver, *change)).collect();
        let (mut room, mut here) = (Recall::NAMED_MAX, Vec::new());
        for (at, Earlier { ids, all_here, any_waits }) in earlier {
            if !places.asks[at] || ids.len() > room {
                continue;
            }
            room -= ids.len();
            if all_here && any_waits {
                here.push(places.receivers[at].clone());
            }
            let moves = places.named[at].iter().filter_map(|named| moves.remove(named)).collect();
            let by = delivery_id(document, &places.receivers[at]);
            self.recalls.push(Recall { by, act: asks.act, of: ids, moves, at_holder: false });
        }
        let (finding, field) = match asks.act {
            RecallAct::Withdraw => (Finding::RecallUndelivered, TO),
            RecallAct::Hold => (Finding::RecallHeld, RESPONSE_FOR),
        };
        self.notices.extend((!here.is_empty()).then(|| Notice::new(finding, field, listed(&here))));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_names_some_and_counts_the_others() {
        let codes = |count: usize| -> Vec<OrganId> {
            (1..=count).map(|n| OrganId::parse(&format!("H55.0{n}")).expect("a code")).collect()
        };
        assert_eq!(listed(&codes(1)), "H55.01");
        assert_eq!(listed(&codes(5)), "H55.01, H55.02, H55.03, H55.04, H55.05");
        assert_eq!(listed(&codes(7)), "H55.01, H55.02, H55.03, H55.04, H55.05 (+2)");
    }
}
