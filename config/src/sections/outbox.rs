//! `[outbox]`: how the store keeps what has been accepted.

use std::time::Duration;

use crate::reading::Section;
use crate::values::byte_size::ByteSize;
use crate::values::span::Span;

/// Which engine keeps the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutboxEngine {
    /// The crate `sled`: a log of pages.
    Sled,
    /// The crate `redb`: a copy-on-write B-tree in one file.
    Redb,
}

/// How the store keeps what has been accepted.
#[derive(Clone, Debug)]
pub struct OutboxSettings {
    /// What keeps it. A store of the other engine is refused at the start; `lienthong outbox migrate` changes it.
    pub engine: OutboxEngine,
    /// How long one generation of the store is written before the next one begins. One that is damaged is built anew from
    /// the spool, and the shorter it was written the sooner that is done.
    pub rotate_every: Duration,
    /// Most memory in bytes for the pages of the store; taken as they are used. Where more than this is pending, commits wait
    /// for the disk to read.
    pub cache: usize,
}

impl OutboxSettings {
    pub(crate) fn read(section: &mut Section<'_, '_>) -> Self {
        let engines = [("sled", OutboxEngine::Sled), ("redb", OutboxEngine::Redb)];
        let engine = section.choice("engine", &engines, OutboxEngine::Sled);
        let days = |n: u64| Span::new(Duration::from_secs(n * 86_400));
        let rotate_every = section.ranged("rotate_every", days(30), days(1), days(366)).duration();
        let mib = |n: u64| ByteSize::new(n << 20);
        let cache = section.ranged("cache", mib(512), mib(16), mib(64 << 10)).bytes();
        Self { engine, rotate_every, cache: usize::try_from(cache).unwrap_or(usize::MAX) }
    }
}
