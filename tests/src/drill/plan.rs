//! What a round of the drill does: traffic and blows, drawn from a seed. The same seed gives the same plan; how long each
//! step takes is the machine's affair.

mod blows;
mod several;
mod traffic;

use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

pub(super) use blows::{Blow, Extent, Manner, PowerCut};
pub use blows::{DiskFault, Failing, Where};
pub(super) use traffic::{Flaw, Item, Kind, Lasts, Trick, family};

/// Agencies that send. Their certificates are the only ones there are.
pub(super) const SENDERS: usize = 3;
/// Organisations with a system of their own.
pub(super) const SINGLES: usize = 9;
/// Further organisations that share one system.
pub(super) const SHARED: usize = 40;
/// Everybody who receives: senders, singles, shared.
pub(super) const RECEIVERS: usize = SENDERS + SINGLES + SHARED;
/// Systems: one each, and the shared one.
pub(super) const SYSTEMS: usize = SENDERS + SINGLES + 1;
/// Sequences of submissions: what one of them sends follows the receipt of what it sent before.
pub(super) const CLIENTS: usize = 6;

/// A blow and its time in milliseconds from the start of the round.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timed {
    /// When.
    pub at: u64,
    /// What.
    pub blow: Blow,
}

/// What may be in a plan.
#[derive(Clone, Copy, Debug)]
pub struct Scope {
    /// Length of the traffic.
    pub span: Duration,
    /// Number of submissions.
    pub items: u32,
    /// Largest attachment.
    pub bytes_max: u64,
    /// Number of blows.
    pub blows: u32,
    /// The gateway runs on the fault layer.
    pub layered: bool,
    /// Clock jumps of days, too.
    pub jumps: bool,
    /// Gateways that share the broker.
    pub gateways: usize,
}

impl Scope {
    /// What `./drill` plays.
    pub const LONG: Self = Self {
        span: Duration::from_secs(25),
        items: 150,
        bytes_max: 20_000_000,
        blows: 24,
        layered: true,
        jumps: true,
        gateways: 1,
    };
    /// What `./drill --gateways 2` plays: long enough that leases move.
    pub const SEVERAL: Self = Self {
        span: Duration::from_secs(60),
        items: 200,
        bytes_max: 3_000_000,
        blows: 20,
        layered: false,
        jumps: false,
        gateways: 2,
    };
    /// What `./check` has time for.
    pub const SHORT: Self = Self {
        span: Duration::from_secs(12),
        items: 60,
        bytes_max: 3_000_000,
        blows: 14,
        layered: true,
        jumps: true,
        gateways: 1,
    };
}

fn draw(scope: &Scope, random: &mut StdRng) -> Blow {
    if scope.gateways > 1 { several::draw(random) } else { blows::draw(scope, random) }
}

/// Traffic and blows of a round.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Submissions, in order for each client.
    pub items: Vec<Item>,
    /// Blows, by time.
    pub blows: Vec<Timed>,
}

impl Plan {
    /// Draws a plan. Its items are numbered from `base`.
    pub fn draw(seed: u64, base: u32, scope: &Scope) -> Self {
        let mut random = StdRng::seed_from_u64(seed);
        let mut items = Vec::new();
        for at in base..base + scope.items {
            let item = traffic::draw(at, &items, scope, &mut random);
            items.push(item);
        }
        let span = u64::try_from(scope.span.as_millis()).unwrap_or(u64::MAX);
        let mut blows: Vec<Timed> = (0..scope.blows)
            .map(|_| Timed { at: random.random_range(0..span), blow: draw(scope, &mut random) })
            .collect();
        if scope.gateways > 1 && random.random_ratio(2, 3) {
            let (at, quiet) = (random.random_range(span / 5..span / 2), random.random_bool(0.5));
            blows.push(Timed { at, blow: Blow::LoseGateway { quiet } });
        }
        blows.sort_by_key(|timed| timed.at);
        Self { items, blows }
    }
}
