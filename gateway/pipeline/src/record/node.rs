//! One gateway of several: its name, and the part of the work that it holds (design.md B7).

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use lienthong_schemas::organ::ReceiverToken;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// The name of a gateway among those that share one broker: 1-32 of `[a-z0-9-]`, as the settings write it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct NodeName(String);

impl NodeName {
    /// The name that a text is; `None` when it is not one.
    pub fn parse(text: &str) -> Option<Self> {
        let fits = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        (!text.is_empty() && text.len() <= 32 && text.bytes().all(fits)).then(|| Self(text.to_owned()))
    }

    /// The name's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for NodeName {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text).ok_or("a node's name is 1-32 of a-z, 0-9 and -")
    }
}

impl From<NodeName> for String {
    fn from(name: NodeName) -> Self {
        name.0
    }
}

impl std::fmt::Display for NodeName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// One store of one gateway: of a store that is gone, and was built anew from what the gateway accepted, nobody may think
/// that it still has what it took over from others.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct NodeLife {
    /// Whose.
    pub node: NodeName,
    /// Which store it is, by a random number.
    pub store: u64,
}

/// This gateway among several, as all its parts know it: its name for good, and its store until that is another one.
#[derive(Clone, Debug)]
pub struct OwnNode {
    name: NodeName,
    store: Arc<AtomicU64>,
}

impl OwnNode {
    /// A gateway with this store.
    pub fn new(NodeLife { node: name, store }: NodeLife) -> Self {
        Self { name, store: Arc::new(AtomicU64::new(store)) }
    }

    /// Its name.
    pub fn name(&self) -> &NodeName {
        &self.name
    }

    /// With the store that it has now.
    pub fn life(&self) -> NodeLife {
        NodeLife { node: self.name.clone(), store: self.store.load(Ordering::Acquire) }
    }

    /// It has another store from now on.
    pub fn set_store(&self, store: u64) {
        self.store.store(store, Ordering::Release);
    }
}

/// One of the 64 parts into which queues fall: who holds its lease dispatches for them (design.md B7).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Partition(u8);

impl Partition {
    /// How many there are.
    pub const COUNT: usize = 64;

    /// The part of a queue: the same on every gateway and in every version, because leases are by it.
    pub fn of(queue: &ReceiverToken) -> Self {
        Self(Sha256::digest(queue.as_str().as_bytes())[0] % 64)
    }

    /// The one of this number, if there is one.
    pub fn numbered(number: usize) -> Option<Self> {
        u8::try_from(number).ok().filter(|number| usize::from(*number) < Self::COUNT).map(Self)
    }

    /// All of them, in order.
    pub fn all() -> impl Iterator<Item = Self> {
        (0..64).map(Self)
    }

    /// Its number, below [`Partition::COUNT`].
    pub fn number(self) -> usize {
        usize::from(self.0)
    }
}

impl std::fmt::Display for Partition {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:02}", self.0)
    }
}

/// Which holding of a partition's lease something was done under: later ones have higher numbers. 0 where a gateway is
/// alone and needs no lease.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Fence(pub u64);

impl Fence {
    /// Of a gateway that is alone.
    pub const ALONE: Self = Self(0);

    /// Whether it is that of a gateway that is alone.
    pub fn is_alone(&self) -> bool {
        *self == Self::ALONE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queues_fall_into_the_same_partitions_for_ever() {
        let numbers = ["H55", "G01_12_34", "AXIS-NATIONAL"]
            .map(|code| Partition::of(&ReceiverToken::of(code)).number());
        assert_eq!(numbers, [15, 34, 49]);
        let mut met = [false; Partition::COUNT];
        (0..2_000).for_each(|n| met[Partition::of(&ReceiverToken::of(&format!("H{n}"))).number()] = true);
        assert!(met.iter().all(|met| *met));
    }

    #[test]
    fn a_name_is_short_and_plain() {
        for text in ["", "Gw", "a.b", "a b", "gw_1", &"x".repeat(33)] {
            assert_eq!(NodeName::parse(text), None, "{text:?}");
        }
        assert_eq!(NodeName::parse("gw-1").map(|name| name.to_string()).as_deref(), Some("gw-1"));
    }
}
