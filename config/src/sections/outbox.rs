//! `[outbox]`: how the store keeps what has been accepted.

use std::time::Duration;

use crate::reading::Section;
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
}

impl OutboxSettings {
    pub(crate) fn read(section: &mut Section<'_, '_>) -> Self {
        let engines = [("sled", OutboxEngine::Sled), ("redb", OutboxEngine::Redb)];
        let engine = section.choice("engine", &engines, OutboxEngine::Sled);
        let days = |n: u64| Span::new(Duration::from_secs(n * 86_400));
        Self { engine, rotate_every: section.ranged("rotate_every", days(30), days(1), days(366)).duration() }
    }
}
