//! Who is to hold which partition: each gateway decides alike from what all see, and so they agree without a word. Pure.

use std::time::Duration;

use sha2::{Digest, Sha256};

use crate::ports::{LEASE_TTL, Seen, SeenNode};
use crate::record::{NodeName, Partition};

/// A gateway that has come gets its part after it was seen for so long: one that starts and ends at once moves nothing.
pub(super) const SETTLED_AFTER: Duration = Duration::from_secs(5);

/// What to do about leases now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Plan {
    /// Nobody holds them, and they are for this gateway.
    pub(super) take: Vec<Partition>,
    /// This gateway holds them, and they are for another one.
    pub(super) leave: Vec<Partition>,
}

/// Whether a node is there, and takes part.
pub(super) fn is_alive(node: &SeenNode) -> bool {
    node.age < LEASE_TTL && node.word.epoch == node.epoch
}

/// What `own` is to do, when these of the others are alive.
pub(super) fn plan(seen: &Seen, own: &NodeName, others: &[NodeName]) -> Plan {
    let mut plan = Plan::default();
    for partition in Partition::all() {
        let holder = seen.leases.iter().find(|lease| lease.partition == partition).map(|lease| &lease.node);
        let is_for_own = preferred(partition, own, others) == own;
        match holder {
            None if is_for_own => plan.take.push(partition),
            Some(holder) if holder == own && !is_for_own => plan.leave.push(partition),
            _ => {}
        }
    }
    plan
}

/// The highest of all: when one comes or goes, only its own part moves (rendezvous hashing; Thaler and Ravishankar, 1998).
fn preferred<'n>(partition: Partition, own: &'n NodeName, others: &'n [NodeName]) -> &'n NodeName {
    let weight = |node: &NodeName| {
        let digest = Sha256::new().chain_update(node.as_str()).chain_update([0, partition.number() as u8]);
        (<[u8; 32]>::from(digest.finalize()), node.clone())
    };
    others.iter().chain([own]).max_by_key(|node| weight(node)).unwrap_or(own)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ports::SeenLease;
    use crate::record::Fence;

    fn node(name: &str) -> NodeName {
        NodeName::parse(name).expect("a name")
    }

    fn held_by(name: &str, partitions: &[Partition]) -> Seen {
        let lease =
            |partition: &Partition| SeenLease { partition: *partition, node: node(name), fence: Fence(1) };
        Seen { leases: partitions.iter().map(lease).collect(), nodes: Vec::new() }
    }

    #[test]
    fn two_share_what_is_free_and_never_want_the_same() {
        let (a, b) = (node("a"), node("b"));
        let of_a = plan(&Seen::default(), &a, std::slice::from_ref(&b));
        let of_b = plan(&Seen::default(), &b, std::slice::from_ref(&a));
        let mut all = [of_a.take.clone(), of_b.take.clone()].concat();
        all.sort();
        assert_eq!(all, Partition::all().collect::<Vec<_>>());
        assert!(of_a.take.len() > 16 && of_b.take.len() > 16, "{} and {}", of_a.take.len(), of_b.take.len());
    }

    #[test]
    fn one_that_comes_gets_its_part_and_only_that_moves() {
        let (a, b, c) = (node("a"), node("b"), node("c"));
        let all: Vec<Partition> = Partition::all().collect();
        assert_eq!(plan(&held_by("a", &all), &a, &[]), Plan::default());
        let leave = plan(&held_by("a", &all), &a, std::slice::from_ref(&b)).leave;
        assert_eq!(leave, plan(&Seen::default(), &b, std::slice::from_ref(&a)).take);
        let alone = plan(&Seen::default(), &a, std::slice::from_ref(&b)).take;
        let leave = plan(&held_by("a", &alone), &a, &[b.clone(), c.clone()]).leave;
        let of_c = plan(&Seen::default(), &c, &[a, b]).take;
        assert!(leave.iter().all(|partition| of_c.contains(partition)));
    }

    #[test]
    fn what_another_holds_is_left_alone() {
        let all: Vec<Partition> = Partition::all().collect();
        assert_eq!(plan(&held_by("b", &all), &node("a"), &[]), Plan::default(), "it ends by itself");
    }
}
