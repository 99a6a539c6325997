//! JetStream: streams, publishing, consuming, and the supervised `nats-server`.
//! [`NatsBroker`] is the broker port over a server, [`ManagedServer`] a server of the gateway's own.

mod admissions;
mod at_rest;
#[cfg(feature = "bare")]
mod bare;
mod behind;
mod blobs;
mod bucket;
mod connect;
pub mod contract;
mod events;
mod guard;
mod identity;
mod jetstream;
pub mod leases;
mod managed;
mod memory;
mod message;
mod names;
mod nkey;
mod probe;
mod pull;
mod reader;
mod refusals;
pub mod rolls;
mod room;
mod stored;
mod streams;
mod supervisor;
mod version;
mod view;

pub use at_rest::{StoreKey, Withheld};
#[cfg(feature = "bare")]
pub use bare::{Bare, BareMessage};
pub use blobs::Swept;
pub use connect::{Auth, ServerAddress};
pub use guard::guard_main;
pub use jetstream::{BrokerOptions, NatsBroker, PUBLISH_WAIT};
pub use leases::{KvLeases, MemoryLeases};
pub use managed::program_on_path;
pub use managed::{GuardProgram, ManagedFault, ManagedOptions, ManagedServer, Phase, Status};
pub use memory::MemoryBroker;
pub use message::decode_events;
pub use nkey::Nkey;
pub use rolls::{KvRolls, MemoryRolls};
pub use streams::ACK_WAIT;
pub use version::{OLDEST_SERVER, VersionFault};

/// Largest packet that rides along in its message, in bytes; a larger one goes to the Object Store (design.md A fact 6).
pub const INLINE_BYTES_MAX: usize = lienthong_pipeline::relay::INLINE_BYTES_MAX as usize;
/// Largest blob that is fetched unless the settings say less, in bytes.
pub const BLOB_BYTES_MAX: u64 = 1 << 30;

/// Where this crate's faults come from.
const PLACE: &str = "broker";
