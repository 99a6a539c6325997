//! Exploring a model breadth first, and the models that are explored.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use stateright::{Checker, HasDiscoveries, Model};

use crate::cluster::{Cluster, Mutation};
use crate::properties::{self, FENCED, GOES_ON, HANDED_OFF, HOLDER, LOCAL, OVER, RECEIPT, SETTLES};

/// A model, and what is expected of it.
#[derive(Clone, Debug)]
pub struct Subject {
    /// What it is called.
    pub name: String,
    /// The model.
    pub cluster: Cluster,
    /// The property that does not hold; `None`: all hold.
    pub caught_by: Option<&'static str>,
}

/// What was found.
#[derive(Clone, Debug)]
pub struct Explored {
    /// Different states.
    pub states: usize,
    /// Steps to the farthest.
    pub depth: usize,
    /// How long it took.
    pub took: Duration,
    /// Properties that do not hold, each with the actions that lead there.
    pub broken: Vec<(&'static str, Vec<String>)>,
    /// The exception of `durability: local` occurs.
    pub loses_what_was_local: bool,
}

/// Explores it with both cores: to its last state, or up to the property that is to be broken.
pub fn explore(subject: &Subject) -> Explored {
    let begun = Instant::now();
    let until = match subject.caught_by {
        Some(property) => HasDiscoveries::AnyOf(BTreeSet::from([property])),
        None => HasDiscoveries::AnyFailures,
    };
    let checker = subject.cluster.clone().checker().threads(2).finish_when(until).spawn_bfs().join();
    let found = checker.discoveries();
    let loses_what_was_local = found.contains_key(LOCAL);
    let broken = found.into_iter().filter(|(property, _)| *property != LOCAL);
    let actions =
        |path: stateright::Path<_, _>| path.into_actions().iter().map(|a| format!("{a:?}")).collect();
    Explored {
        states: checker.unique_state_count(),
        depth: checker.max_depth(),
        took: begun.elapsed(),
        broken: broken.map(|(property, path)| (property, actions(path))).collect(),
        loses_what_was_local,
    }
}

/// The protocol as it is to be; all states of each are visited.
pub fn whole() -> [Subject; 4] {
    let holds = |name: &str, cluster| Subject { name: name.to_owned(), cluster, caught_by: None };
    [
        holds("one delivery, every fault, at most 2", Cluster::new(1, 1, 2)),
        holds("one delivery, plain faults, at most 3", Cluster::new(1, 1, 3).plain()),
        holds(
            "two documents to a receiver each, prompt, plain faults, at most 3",
            Cluster::new(2, 2, 3).parallel().plain().prompt(),
        ),
        holds(
            "two documents to both receivers, prompt, plain faults, at most 1",
            Cluster::new(2, 2, 1).plain().prompt(),
        ),
    ]
}

/// Each broken rule, with as many faults as it takes to see it.
pub fn broken() -> [Subject; 13] {
    let one = Cluster::new(1, 1, 1);
    let two = Cluster::new(1, 1, 2);
    let (one_plain, two_plain) = (one.clone().plain(), two.clone().plain());
    [
        (Mutation::AckBeforeHandOff, &one_plain, HANDED_OFF),
        (Mutation::SettleBeforeDelivery, &one_plain, properties::DELIVERED),
        (Mutation::NoFencing, &one_plain, FENCED),
        (Mutation::ReceiptBeforeCommit, &one_plain, RECEIPT),
        (Mutation::HolderWithoutReading, &one, OVER),
        (Mutation::MadeWithoutReading, &one, SETTLES),
        (Mutation::FollowIgnoresGeneration, &one, properties::KEPT),
        (Mutation::ReceivedOfItsGeneration, &one_plain, SETTLES),
        (Mutation::RepeatIsTaken, &two_plain, GOES_ON),
        (Mutation::MovesOnlyOnce, &one, GOES_ON),
        (Mutation::CommitOverwrites, &two, SETTLES),
        (Mutation::BeliefOutlivesLease, &one_plain, HOLDER),
        (Mutation::AdoptKeepsEpoch, &one, properties::DRAINS),
    ]
    .map(|(mutation, cluster, property)| Subject {
        name: format!("{mutation:?}"),
        cluster: cluster.clone().broken(mutation),
        caught_by: Some(property),
    })
}
