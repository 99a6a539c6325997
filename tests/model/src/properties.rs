//! What always holds, and that everything comes to its end once faults have ceased.

use stateright::Property;

use crate::cluster::Cluster;
use crate::state::{Attempt, Decided, Delivery, GENERATIONS, Life, RECEIVERS, Standing, State, bit};
use crate::step::Step;

/// Rounds after which what still goes on is taken for endless.
const ROUNDS_MAX: usize = 200;

/// No receipt without a commit.
pub const RECEIPT: &str = "a receipt follows its commit";
/// A final `received` is what the receiver itself says.
pub const DELIVERED: &str = "what is settled is delivered";
/// At most one gateway believes in a lease, and the server agrees.
pub const HOLDER: &str = "one gateway holds a partition";
/// The lease was checked.
pub const FENCED: &str = "who attempts believes in its lease";
/// Nothing is attempted again for lack of reading.
pub const OVER: &str = "what was over when the lease was taken is not attempted";
/// A message that the broker forgot is on a disk, or was.
pub const HANDED_OFF: &str = "what is acknowledged is handed off";
/// Who was adopted drains.
pub const DRAINS: &str = "who was adopted holds no lease";
/// Generations do not grow for ever.
pub const BOUNDED: &str = "a delivery comes to few generations";
/// A receipt is a promise.
pub const KEPT: &str = "nothing vanishes";
/// Once faults cease, and dead gateways are started or adopted.
pub const SETTLES: &str = "without further faults everything is settled";
/// While the dead stay dead.
pub const GOES_ON: &str = "what the living know of does not wait for the dead";
/// Receipts of `durability: local` do lose: the exception is met, not only written down.
pub const LOCAL: &str = "a lost disk loses what was nowhere else";

/// All of them.
pub(crate) fn all() -> Vec<Property<Cluster>> {
    vec![
        Property::always(RECEIPT, |_, state: &State| {
            state.documents.iter().all(|document| document.committed || !document.receipt)
        }),
        Property::always(DELIVERED, |_, state: &State| state.deliveries.iter().all(is_delivered)),
        Property::always(HOLDER, |_, state: &State| {
            state.leases.iter().all(|lease| {
                (0..2_u8).all(|node| !lease.believes[node as usize] || lease.holder == Some(node))
            })
        }),
        Property::always(FENCED, |_, state: &State| none_attempts(state, Attempt::Unfenced)),
        Property::always(OVER, |_, state: &State| none_attempts(state, Attempt::Needless)),
        Property::always(HANDED_OFF, |_, state: &State| {
            state.deliveries.iter().all(|delivery| delivery.seen & !delivery.waiting & !delivery.taken == 0)
        }),
        Property::always(DRAINS, |_, state: &State| {
            let serves = |node: usize| state.leases.iter().any(|lease| lease.believes[node]);
            (0..2).all(|node| !state.nodes[node].old || !serves(node))
        }),
        Property::always(BOUNDED, |_, state: &State| !is_past(state)),
        Property::always(KEPT, |cluster: &Cluster, state: &State| {
            cluster.carried().all(|at| is_kept(state, at))
        }),
        Property::always(SETTLES, settles),
        Property::always(GOES_ON, goes_on),
        Property::sometimes(LOCAL, |_, state: &State| {
            state.deliveries.iter().any(|delivery| delivery.excepted)
        }),
    ]
}

/// Whether a delivery came to more generations than are modelled.
pub(crate) fn is_past(state: &State) -> bool {
    let records = state.deliveries.iter().flat_map(|delivery| &delivery.records);
    records.map(|record| record.generation).any(|generation| generation >= GENERATIONS)
}

fn none_attempts(state: &State, kind: Attempt) -> bool {
    state.deliveries.iter().flat_map(|delivery| &delivery.records).all(|record| record.attempt != kind)
}

fn is_delivered(delivery: &Delivery) -> bool {
    let says = delivery.records.iter().any(|record| record.state == Standing::Received);
    delivery.received || !says && delivery.events.received == 0
}

/// What a receipt stands for is received or given up, or somebody can still bring it there.
fn is_kept(state: &State, at: usize) -> bool {
    let delivery = &state.deliveries[at];
    if !state.documents[at / RECEIVERS].receipt || is_over(delivery) {
        return true;
    }
    let on_disk = delivery.records.iter().any(|record| record.is_queued());
    let is_lost = |node: &usize| state.nodes[*node].life == Life::Lost;
    let adoptable = (0..2).filter(is_lost).any(|node| delivery.named & bit(node as u8) != 0);
    on_disk || delivery.waiting != 0 || adoptable
}

fn is_over(delivery: &Delivery) -> bool {
    delivery.received || delivery.excepted || delivery.decided == Decided::GivenUp
}

fn settles(cluster: &Cluster, state: &State) -> bool {
    let Some(end) = rest(cluster, *state, |_| true) else { return false };
    cluster.carried().all(|at| {
        let delivery = &end.deliveries[at];
        let promised = end.documents[at / RECEIVERS].receipt;
        let known = delivery.records.iter().all(|record| !record.is_queued());
        known && (!promised || is_over(delivery))
    })
}

fn goes_on(cluster: &Cluster, state: &State) -> bool {
    let serving = |node: &usize| cluster.serves(state, *node) && !state.nodes[*node].adopted;
    if (0..2).filter(serving).count() == 0 {
        return true;
    }
    // Who was adopted stays so: what is read of it later is kept as well.
    let alone = |step: &Step| match step {
        Step::Restart { .. } => false,
        Step::Adopt { dead } => state.nodes[*dead].adopted,
        _ => true,
    };
    let (mut read, Some(end)) = (*state, rest(cluster, *state, alone)) else { return false };
    (0..2).filter(serving).for_each(|node| {
        cluster.follow_all(&mut read, node);
    });
    cluster.carried().all(|at| {
        let delivery = &read.deliveries[at];
        let known = (0..2).filter(serving).any(|node| delivery.records[node].is_queued());
        !known && delivery.waiting == 0 || is_over(&end.deliveries[at])
    })
}

/// All steps that gateways take by themselves, round after round, until there is none; `None`: that never comes.
fn rest(cluster: &Cluster, mut state: State, may: impl Fn(&Step) -> bool) -> Option<State> {
    let by_people = |step: &Step| matches!(step, Step::Commit { .. } | Step::SendAgain { .. });
    for _ in 0..ROUNDS_MAX {
        let before = state;
        for step in cluster.steps.iter().filter(|step| may(step) && !by_people(step)) {
            cluster.step(&mut state, *step);
        }
        if state == before {
            return Some(state);
        }
    }
    None
}
