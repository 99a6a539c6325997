//! What the gateway keeps on its own disk: the durable outbox and the spool of packets (design.md B1, B2).
//!
//! Read `open` (start-up, and building the store anew), `store` (one tree, one committer, two engines), `spool`
//! (packets and admissions as files), `change` (what a transition may do, without any I/O), `check` (is all of it whole),
//! `outbox` (the store of a gateway that runs), `offline` (what is done with a store while none runs).

mod bookmark;
mod change;
mod check;
mod folder;
mod format;
mod index;
mod kept;
mod lock;
mod memory;
mod offline;
mod open;
mod outbox;
mod rolls;
mod sealed;
mod spool;
mod store;

#[cfg(feature = "bare")]
pub mod bare;
#[cfg(feature = "contract")]
pub mod contract;

pub use bookmark::{BOOKMARK_FILE, FileBookmark, MemoryBookmark};
pub use change::{DELIVERIES_MAX, Noted};
pub use check::{CheckFault, FAULTS_MAX, FaultCode, OutboxCheck, check};
pub use format::FormatFault;
pub use index::{FileIndex, MemoryIndex};
pub use kept::{KEPT_BYTES_MAX, KeptFile};
pub use lock::{DataLock, LockFault};
pub use memory::MemoryStore;
pub use offline::{Exported, Migrated, OfflineFault, export, migrate, rebuild};
pub use open::{OpenFault, Opened, Rebuilt, open_keeping, open_or_rebuild};
pub use outbox::{Outbox, OutboxOptions};
pub use rolls::{ROLL_BYTES_MAX, RollFault, RollFiles};
pub use spool::{
    ADMISSION_BYTES_MAX, Admissions, Aside, Damaged, FileSpool, Found, QUARANTINED_MAX, SpoolLimits,
    quarantined,
};
pub use store::{Engine, FileStore, Keeper, StoreFault, VALUE_BYTES_MAX};
