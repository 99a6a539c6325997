//! What a round of the drill does: traffic and blows, drawn from a seed. The same seed gives the same plan; how long each
//! step takes is the machine's affair.

use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

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

/// What is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A new document.
    Letter,
    /// Another packet about the document of this item: revoked, updated or replaced.
    Revoke(u32),
    /// See [`Kind::Revoke`].
    Update(u32),
    /// See [`Kind::Revoke`].
    Replace(u32),
    /// A status packet about the document of this item, from one of its receivers, with this code.
    Status(u32, &'static str),
    /// Not a packet that may be accepted.
    Malformed(Flaw),
}

/// What is wrong with a packet that must be refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flaw {
    /// It ends too early.
    CutShort,
    /// A character was changed after it was signed.
    Tampered,
    /// It has a document type declaration.
    Declares,
}

/// How its client behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trick {
    /// As it should.
    None,
    /// The first try is abandoned after so many milliseconds.
    Abandon(u64),
    /// Two tries at once.
    Twice,
    /// Once more after the receipt.
    Again,
}

/// One submission.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// Its number.
    pub at: u32,
    /// Which client sends it.
    pub client: usize,
    /// Which agency.
    pub sender: usize,
    /// What.
    pub kind: Kind,
    /// To whom.
    pub receivers: Vec<usize>,
    /// Bytes of its attachment; 0: it has none.
    pub bytes: u64,
    /// `Priority`.
    pub priority: u8,
    /// See [`Trick`].
    pub trick: Trick,
    /// A receiver that answers it with 500, until the round is healed or for ever.
    pub poison: Option<(usize, Lasts)>,
}

/// How long poison works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lasts {
    /// Until the round is healed: then it must arrive.
    UntilHealed,
    /// For ever: it must be parked, and nothing else with it but what refers to it.
    ForEver,
}

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
            let item = item(at, &items, scope, &mut random);
            items.push(item);
        }
        let span = u64::try_from(scope.span.as_millis()).unwrap_or(u64::MAX);
        let mut blows: Vec<Timed> = (0..scope.blows)
            .map(|_| Timed { at: random.random_range(0..span), blow: blow(scope, &mut random) })
            .collect();
        blows.sort_by_key(|timed| timed.at);
        Self { items, blows }
    }
}

fn item(at: u32, before: &[Item], scope: &Scope, random: &mut StdRng) -> Item {
    let client = at as usize % CLIENTS;
    let priority = if random.random_ratio(1, 4) { random.random_range(1..=4) } else { 0 };
    let trick = match random.random_range(0..12) {
        0 => Trick::Abandon(random.random_range(1..400)),
        1 => Trick::Twice,
        2 => Trick::Again,
        _ => Trick::None,
    };
    let plain = Item {
        at,
        client,
        sender: random.random_range(0..SENDERS),
        kind: Kind::Letter,
        receivers: Vec::new(),
        bytes: size(scope.bytes_max, random),
        priority,
        trick,
        poison: None,
    };
    let letters: Vec<&Item> =
        before.iter().filter(|i| i.client == client && i.kind == Kind::Letter).collect();
    match (random.random_range(0..20), letters.last()) {
        (0, _) => malformed(plain, random),
        (1..=2, Some(letter)) => Item {
            kind: Kind::Revoke(letter.at),
            bytes: 0,
            sender: letter.sender,
            receivers: letter.receivers.clone(),
            ..plain
        },
        (3, Some(letter)) => Item {
            kind: Kind::Update(letter.at),
            sender: letter.sender,
            receivers: letter.receivers.clone(),
            ..plain
        },
        (4, Some(letter)) => Item {
            kind: Kind::Replace(letter.at),
            sender: letter.sender,
            receivers: letter.receivers.clone(),
            ..plain
        },
        (5..=6, Some(letter)) if letter.receivers.iter().any(|r| *r < SENDERS) => {
            let from = letter.receivers.iter().copied().find(|r| *r < SENDERS).unwrap_or_default();
            let code = ["01", "03", "04", "05", "06"][random.random_range(0..5)];
            Item {
                kind: Kind::Status(letter.at, code),
                bytes: 0,
                sender: from,
                receivers: vec![letter.sender],
                ..plain
            }
        }
        _ => letter(plain, random),
    }
}

fn malformed(plain: Item, random: &mut StdRng) -> Item {
    let flaw = [Flaw::CutShort, Flaw::Tampered, Flaw::Declares][random.random_range(0..3)];
    let receivers = some_receivers(plain.sender, 1, random);
    Item { kind: Kind::Malformed(flaw), receivers, trick: Trick::None, bytes: 0, ..plain }
}

fn letter(mut item: Item, random: &mut StdRng) -> Item {
    let count = match random.random_range(0..20) {
        0 => random.random_range(20..=50),
        1..=2 => random.random_range(6..20),
        3..=8 => random.random_range(2..6),
        _ => 1,
    };
    item.receivers = some_receivers(item.sender, count, random);
    if random.random_ratio(1, 14) {
        let lasts = if random.random_ratio(1, 3) { Lasts::ForEver } else { Lasts::UntilHealed };
        item.poison = item.receivers.first().map(|receiver| (*receiver, lasts));
    }
    item
}

/// Different ones, without the sender; most often those with a system of their own.
fn some_receivers(sender: usize, count: usize, random: &mut StdRng) -> Vec<usize> {
    let mut all: Vec<usize> = Vec::new();
    while all.len() < count {
        let own = all.len() < SINGLES && random.random_ratio(3, 4);
        let receiver = random.random_range(0..if own { SENDERS + SINGLES } else { RECEIVERS });
        if receiver != sender && !all.contains(&receiver) {
            all.push(receiver);
        }
    }
    all
}

fn size(most: u64, random: &mut StdRng) -> u64 {
    let bytes = match random.random_range(0..100) {
        0..=1 => random.random_range(2_000_000..20_000_000),
        2..=9 => random.random_range(250_000..2_000_000),
        10..=30 => random.random_range(20_000..250_000),
        31..=70 => random.random_range(1_000..20_000),
        _ => 0,
    };
    bytes.min(most)
}

fn blow(scope: &Scope, random: &mut StdRng) -> Blow {
    let points = [
        "after-blob-fsync",
        "after-commit",
        "after-publish",
        "after-hand-off",
        "after-receiver-2xx",
        "after-settle",
    ];
    let extent = if random.random_ratio(1, 2) { Extent::One } else { Extent::All };
    match random.random_range(0..if scope.layered { 40 } else { 22 }) {
        0..=3 => Blow::KillGateway(random.random_range(0..1_500)),
        4 => Blow::StopGateway,
        5..=6 => Blow::CrashAt(points[random.random_range(0..points.len())]),
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

fn receiver_blow(random: &mut StdRng) -> Blow {
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
