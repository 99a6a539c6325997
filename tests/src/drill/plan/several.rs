//! What goes wrong where several gateways share a broker: one or all of them die, or stand still for longer than their
//! leases last, so that the others take these.

use rand::Rng;
use rand::rngs::StdRng;

use super::blows::{POINTS, receiver_blow};
use super::{Blow, Extent};

/// Longer than leases last, in milliseconds.
const PAUSE: std::ops::Range<u64> = 20_000..40_000;

/// One of them.
pub(super) fn draw(random: &mut StdRng) -> Blow {
    let extent = if random.random_ratio(1, 2) { Extent::One } else { Extent::All };
    match random.random_range(0..24) {
        0..=2 => Blow::KillGateway(random.random_range(0..1_500)),
        3..=4 => Blow::KillGateway(random.random_range(PAUSE)),
        5 => Blow::KillGateways(random.random_range(0..5_000)),
        6 => Blow::StopGateway,
        7..=9 => Blow::CrashAt(POINTS[random.random_range(0..POINTS.len())]),
        10 => Blow::FreezeGateway(random.random_range(100..3_000)),
        11..=13 => Blow::FreezeGateway(random.random_range(PAUSE)),
        14 => Blow::FreezeGateways(random.random_range(PAUSE)),
        15..=16 => Blow::KillBroker(extent, random.random_range(0..4_000)),
        17 => Blow::FreezeBroker(extent, random.random_range(100..6_000)),
        _ => receiver_blow(random),
    }
}
