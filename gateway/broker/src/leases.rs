//! Who of several gateways holds which partition, and who of them is alive (design.md B7): [`KvLeases`] over key-value
//! buckets of the server, [`MemoryLeases`] without a server. One contract holds for both.

use lienthong_pipeline::ports::NodeWord;

pub mod contract;
mod kv;
mod memory;
mod value;

pub use kv::KvLeases;
pub use memory::MemoryLeases;

/// What is kept of a node.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Standing {
    /// What it last said.
    word: NodeWord,
    /// Never lowered, and never below that of the word.
    epoch: u64,
}

impl Standing {
    /// What is kept after a word. Of one with an older epoch nothing is kept but that it was said.
    fn after(before: Option<&Self>, word: &NodeWord) -> Self {
        match before {
            Some(before) if word.epoch < before.epoch => before.clone(),
            _ => Self { word: word.clone(), epoch: word.epoch },
        }
    }

    /// The same with the next epoch, if this is still the one.
    fn raised(&self, epoch: u64) -> Option<Self> {
        let next = epoch.checked_add(1).filter(|_| self.epoch == epoch)?;
        Some(Self { word: self.word.clone(), epoch: next })
    }
}
