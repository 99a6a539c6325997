//! What the judge says of receipts of a gateway that was lost with its disk: nobody shows those documents any more, but what
//! the broker knew of them has to arrive.

use std::collections::{BTreeSet, HashMap};

use tokio::time::Instant;

use super::super::clients::Sent;
use super::super::plan::Kind;
use super::super::receivers::Arrival;
use super::{Case, Verdict, family, may_stay_parked};

/// Gateways in a life that ended with their disk; what they had receipted until then was on the broker, too.
pub(in crate::drill) type Losses = HashMap<(usize, u32), Option<Instant>>;

/// Whether a delivery of a lost gateway's receipt has to arrive all the same.
pub(in crate::drill) fn owes(
    all: &[Sent],
    sent: &Sent,
    receiver: usize,
    at: Instant,
    covered: Option<Instant>,
) -> bool {
    let was_there = covered.is_some_and(|covered| at <= covered);
    was_there && !may_be_withdrawn(all, sent) && !may_stay_parked(all, sent, receiver)
}

/// It may have been taken back, or have taken back what it is about, and the gateway that knew is lost.
fn may_be_withdrawn(all: &[Sent], sent: &Sent) -> bool {
    let asks_back = |other: &Sent| {
        matches!(other.item.kind, Kind::Revoke(_) | Kind::Status(..)) && family(other) == family(sent)
    };
    all.iter().any(asks_back)
}

impl Case<'_> {
    pub(super) fn after_loss(
        &self,
        sent: &Sent,
        (at, covered): (Instant, Option<Instant>),
        document: &str,
        arrivals: &HashMap<(&str, &str), Vec<&Arrival>>,
        verdict: &mut Verdict,
    ) {
        verdict.documents += 1;
        for receiver in &sent.item.receivers {
            verdict.deliveries += 1;
            let code = self.codes[*receiver].as_str();
            let what =
                format!("item {}, document {document}, receiver {code}, of a lost gateway", sent.item.at);
            let came = arrivals.get(&(document, code)).map(Vec::as_slice).unwrap_or_default();
            let ids: BTreeSet<&str> = came.iter().map(|arrival| arrival.delivery_id.as_str()).collect();
            if ids.len() > 1 || came.iter().any(|arrival| arrival.sha256 != sent.sha256) {
                verdict.unequal.push(format!("{what}: {came:?}"));
            }
            let has = came.iter().filter(|arrival| arrival.stored).count();
            verdict.repeats += u64::from(has > 1);
            let state = if has > 0 {
                "arrived, of a lost gateway"
            } else if owes(self.sent, sent, *receiver, at, covered) {
                verdict.lost.push(format!("{what}: did not arrive"));
                "missing, of a lost gateway"
            } else if may_be_withdrawn(self.sent, sent) || may_stay_parked(self.sent, sent, *receiver) {
                "withdrawn or parked, of a lost gateway"
            } else {
                verdict.only_on_a_lost_disk += 1;
                "only on a lost disk"
            };
            *verdict.states.entry(state.to_owned()).or_default() += 1;
        }
    }
}
