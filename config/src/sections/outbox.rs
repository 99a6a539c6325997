//! `[outbox]`: how the store keeps what has been accepted.

use crate::reading::Section;

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
}

impl OutboxSettings {
    pub(crate) fn read(section: &mut Section<'_, '_>) -> Self {
        let engines = [("sled", Some(OutboxEngine::Sled)), ("redb", Some(OutboxEngine::Redb))];
        Self { engine: section.choice("engine", &engines, OutboxEngine::Sled) }
    }
}
