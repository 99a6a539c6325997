//! What this process knows of puts: who has the turn for a digest, which chunks are under way, and which were left
//! behind by a put that failed or was dropped.

use std::collections::{HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use lienthong_pipeline::turns::Turns;
use lienthong_schemas::ids::PacketDigest;
use rand::Rng;
use rand::distr::Alphanumeric;
use tokio::sync::Notify;

/// Puts left behind that are remembered; of more than these the sweep takes care.
const LEFT_BEHIND_MAX: usize = 1_000;
/// Letters of a put's id, as other clients make them.
const NUID_LENGTH: usize = 22;

/// See the module.
#[derive(Default)]
pub(crate) struct Shelf {
    /// One at a time puts or removes the blob of a digest.
    pub(super) turns: Turns<PacketDigest>,
    puts: Mutex<Puts>,
    /// Something was left behind.
    pub(super) left: Notify,
}

#[derive(Default)]
struct Puts {
    under_way: HashSet<String>,
    left_behind: VecDeque<LeftBehind>,
}

/// Chunks that belong to nobody.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct LeftBehind {
    /// Their put.
    pub(super) nuid: String,
    /// So many were sent and are not removed. What was in flight when the put ended may be stored after a removal.
    pub(super) chunks: u64,
    /// Removals so far.
    pub(super) removals: u32,
}

impl LeftBehind {
    /// Of a put that ended, or was replaced.
    pub(super) fn new(nuid: String, chunks: u64) -> Self {
        Self { nuid, chunks, removals: 0 }
    }
}

impl Shelf {
    /// Begins a put.
    pub(super) fn begin(self: &Arc<Self>) -> Draft {
        let letters = rand::rng().sample_iter(Alphanumeric).take(NUID_LENGTH);
        let nuid: String = letters.map(char::from).collect();
        self.puts().under_way.insert(nuid.clone());
        Draft { shelf: self.clone(), nuid, sent: 0, end: End::Unnamed }
    }

    /// These chunks belong to nobody.
    pub(super) fn leave(&self, left: LeftBehind) {
        self.keep(left);
        self.left.notify_one();
    }

    /// The same without waking anybody: they could not be removed just now, or not all of them.
    pub(super) fn keep(&self, left: LeftBehind) {
        let mut puts = self.puts();
        if puts.left_behind.len() < LEFT_BEHIND_MAX {
            puts.left_behind.push_back(left);
        }
    }

    /// The oldest chunks that were left behind; whoever cannot remove them puts them back by [`Shelf::keep`].
    pub(super) fn take_left_behind(&self) -> Option<LeftBehind> {
        self.puts().left_behind.pop_front()
    }

    pub(super) fn is_under_way(&self, nuid: &str) -> bool {
        self.puts().under_way.contains(nuid)
    }

    fn puts(&self) -> MutexGuard<'_, Puts> {
        self.puts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How a put ends if it ends now.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// Nothing points to its chunks.
    Unnamed,
    /// A name was sent, and nobody knows whether it was stored: only the sweep, much later, may judge.
    Unknown,
    /// Its name is stored.
    Named,
}

/// One put under way. Dropped without a name, whether it failed or was cancelled, its chunks are noted for removal.
pub(super) struct Draft {
    shelf: Arc<Shelf>,
    pub(super) nuid: String,
    /// Chunks sent, each counted once.
    pub(super) sent: usize,
    pub(super) end: End,
}

impl Drop for Draft {
    fn drop(&mut self) {
        self.shelf.puts().under_way.remove(&self.nuid);
        if self.end == End::Unnamed {
            self.shelf.leave(LeftBehind::new(std::mem::take(&mut self.nuid), self.sent as u64));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_no_name_is_left_behind_and_what_may_have_one_is_not() {
        let shelf = Arc::new(Shelf::default());
        for (end, left) in [(End::Unnamed, true), (End::Unknown, false), (End::Named, false)] {
            let mut draft = shelf.begin();
            let nuid = draft.nuid.clone();
            assert_eq!(nuid.len(), NUID_LENGTH);
            assert!(shelf.is_under_way(&nuid));
            (draft.end, draft.sent) = (end, 3);
            drop(draft);
            assert!(!shelf.is_under_way(&nuid));
            assert_eq!(shelf.take_left_behind(), left.then_some(LeftBehind::new(nuid, 3)));
        }
    }

    #[test]
    fn no_more_is_remembered_than_the_limit() {
        let shelf = Arc::new(Shelf::default());
        for _ in 0..=LEFT_BEHIND_MAX {
            drop(shelf.begin());
        }
        let remembered = std::iter::from_fn(|| shelf.take_left_behind()).count();
        assert_eq!(remembered, LEFT_BEHIND_MAX);
    }
}
