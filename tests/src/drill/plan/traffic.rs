//! What is sent in a round: new documents, and packets about those of the same client before them.

use rand::Rng;
use rand::rngs::StdRng;

use super::{CLIENTS, RECEIVERS, SENDERS, SINGLES, Scope};

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

/// The letter that a packet is, or is about.
pub(in crate::drill) fn family(item: &Item) -> u32 {
    match item.kind {
        Kind::Revoke(of) | Kind::Update(of) | Kind::Replace(of) | Kind::Status(of, _) => of,
        Kind::Letter | Kind::Malformed(_) => item.at,
    }
}

/// How long poison works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lasts {
    /// Until the round is healed: then it must arrive.
    UntilHealed,
    /// For ever: it must be parked, and nothing else with it but what refers to it.
    ForEver,
}

/// The next submission, after those `before` it.
pub(super) fn draw(at: u32, before: &[Item], scope: &Scope, random: &mut StdRng) -> Item {
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
