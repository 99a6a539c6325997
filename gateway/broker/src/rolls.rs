//! The rolls of the directory that all gateways share: [`KvRolls`] in a key-value bucket of the server, [`MemoryRolls`]
//! without a server. One contract holds for both.

pub mod contract;
mod head;
mod kv;
mod memory;

pub use kv::KvRolls;
pub use memory::MemoryRolls;
