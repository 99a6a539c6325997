//! What goes wrong in a round: processes that die, receivers that misbehave, a disk and a clock that fail.

use rand::Rng;
use rand::rngs::StdRng;

use super::{SYSTEMS, Scope};

/// What a receiver does with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    /// Takes it.
    Well,
    /// Takes it after so many milliseconds.
    Slow(u64),
    /// Answers this status and does not take it.
    Says(u16),
    /// Takes it and answers this status all the same.
    TakesAndSays(u16),
    /// Takes it and never answers.
    TakesAndHangs,
    /// Never answers.
    Hangs,
    /// Reads a part of the body and cuts the connection.
    CutsBody,
    /// Takes it and cuts the connection instead of an answer.
    CutsAnswer,
    /// Refuses connections.
    Closed,
}

/// Something that goes wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Blow {
    /// SIGKILL for the gateway; it is started again after so many milliseconds.
    KillGateway(u64),
    /// SIGTERM, and a new start.
    StopGateway,
    /// The gateway is killed and started so that it dies at this named point; then it is started again.
    CrashAt(&'static str),
    /// SIGSTOP for so long.
    FreezeGateway(u64),
    /// A gateway is killed, and its disk is gone; another one adopts it. `quiet`: only once nothing is on that disk alone.
    LoseGateway {
        /// See there.
        quiet: bool,
    },
    /// SIGKILL for every gateway.
    KillGateways(u64),
    /// SIGSTOP for every gateway.
    FreezeGateways(u64),
    /// SIGKILL for a server of the broker, or for all of them, for so long.
    KillBroker(Extent, u64),
    /// SIGSTOP likewise.
    FreezeBroker(Extent, u64),
    /// A system behaves like this for so long; `None`: every system.
    Receiver(Option<usize>, Manner, u64),
    /// The gateway is killed, and its store is deleted.
    DeleteStore,
    /// The disk fails; only with the fault layer.
    Disk(DiskFault),
    /// The power goes; only with the fault layer.
    PowerCut(PowerCut),
    /// The clock is wrong by so many seconds for so many milliseconds; only with the fault layer.
    Clock(i64, u64),
}

/// One or all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// One server of a cluster, or the only one.
    One,
    /// All of them.
    All,
}

/// A folder of the data folder, or all of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Where {
    /// Anywhere.
    Anywhere = 0,
    /// `incoming/`.
    Incoming = 1,
    /// `blobs/`.
    Blobs = 2,
    /// `admissions/`.
    Admissions = 3,
    /// The store.
    Store = 4,
}

/// What the disk does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failing {
    /// A write fails with EIO.
    Write,
    /// Writes fail with ENOSPC.
    Full,
    /// A part of a write is done, then it fails.
    Torn,
    /// A part of a write is done, then the process dies.
    TornKill,
    /// A write does less than it was asked to, and says so.
    Short,
    /// A sync fails with EIO, and what it should have written is lost.
    Sync,
    /// Every write and sync takes so many milliseconds longer.
    Slow(u64),
    /// The process dies before the call.
    Kill,
    /// A rename fails with EIO.
    Rename,
    /// No file can be made: ENOSPC.
    Create,
}

/// A fault of the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DiskFault {
    /// Where.
    pub place: Where,
    /// What.
    pub failing: Failing,
    /// Which call of that kind is the first to fail, from 1.
    pub nth: u64,
    /// How many fail.
    pub times: u64,
    /// For how long at most, in milliseconds.
    pub lasts: u64,
}

/// A power cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PowerCut {
    /// The seed of what the disk wrote by itself; `None`: nothing.
    pub written: Option<u64>,
    /// It happens at the nth sync from then on, and after a second at the latest; `None`: at once.
    pub at_sync: Option<u64>,
}

/// Where a gateway can be told to die.
pub(super) const POINTS: [&str; 6] = [
    "after-blob-fsync",
    "after-commit",
    "after-publish",
    "after-hand-off",
    "after-receiver-2xx",
    "after-settle",
];

/// One of them.
pub(super) fn draw(scope: &Scope, random: &mut StdRng) -> Blow {
    let extent = if random.random_ratio(1, 2) { Extent::One } else { Extent::All };
    match random.random_range(0..if scope.layered { 40 } else { 22 }) {
        0..=3 => Blow::KillGateway(random.random_range(0..1_500)),
        4 => Blow::StopGateway,
        5..=6 => Blow::CrashAt(POINTS[random.random_range(0..POINTS.len())]),
        7 => Blow::FreezeGateway(random.random_range(100..3_000)),
        8..=9 => Blow::KillBroker(extent, random.random_range(0..4_000)),
        10 => Blow::FreezeBroker(extent, random.random_range(100..6_000)),
        11 => Blow::DeleteStore,
        12..=21 => receiver_blow(random),
        22..=28 => Blow::PowerCut(power_cut(random)),
        29..=30 if scope.jumps => Blow::Clock(jump(random), random.random_range(500..6_000)),
        _ => Blow::Disk(disk(random)),
    }
}

pub(super) fn receiver_blow(random: &mut StdRng) -> Blow {
    let statuses = [400, 401, 404, 422, 429, 500, 501, 502, 503, 504];
    let manner = match random.random_range(0..11) {
        0 => Manner::Slow(random.random_range(50..1_500)),
        1..=3 => Manner::Says(statuses[random.random_range(0..statuses.len())]),
        4 => Manner::TakesAndSays([429, 500, 502, 503][random.random_range(0..4)]),
        5 => Manner::TakesAndHangs,
        6 => Manner::Hangs,
        7 => Manner::CutsBody,
        8 => Manner::CutsAnswer,
        _ => Manner::Closed,
    };
    let who = if random.random_ratio(1, 6) { None } else { Some(random.random_range(0..SYSTEMS)) };
    Blow::Receiver(who, manner, random.random_range(300..8_000))
}

fn power_cut(random: &mut StdRng) -> PowerCut {
    let written = random.random_ratio(2, 3).then(|| random.random());
    let at_sync = random.random_ratio(3, 4).then(|| random.random_range(1..30));
    PowerCut { written, at_sync }
}

/// Minutes to days, to either side.
fn jump(random: &mut StdRng) -> i64 {
    let size = match random.random_range(0..3) {
        0 => random.random_range(1..600),
        1 => random.random_range(600..86_400),
        _ => random.random_range(86_400..10 * 86_400),
    };
    if random.random_bool(0.5) { size } else { -size }
}

fn disk(random: &mut StdRng) -> DiskFault {
    let places = [Where::Anywhere, Where::Incoming, Where::Blobs, Where::Admissions, Where::Store];
    let (failing, times) = match random.random_range(0..12) {
        0 => (Failing::Write, 1),
        1..=2 => (Failing::Full, random.random_range(1..60)),
        3 => (Failing::Torn, 1),
        4 => (Failing::TornKill, 1),
        5 => (Failing::Short, random.random_range(1..20)),
        6..=7 => (Failing::Sync, 1),
        8 => (Failing::Slow(random.random_range(1..80)), u64::MAX),
        9 => (Failing::Kill, 1),
        10 => (Failing::Rename, random.random_range(1..4)),
        _ => (Failing::Create, random.random_range(1..10)),
    };
    DiskFault {
        place: places[random.random_range(0..places.len())],
        failing,
        nth: random.random_range(1..40),
        times,
        lasts: random.random_range(300..5_000),
    }
}
