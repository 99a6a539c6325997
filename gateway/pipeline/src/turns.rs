//! One at a time for each key: two packets that could be the same document are recognised and committed in turn, and so
//! are two changes of one delivery noted.

use std::collections::HashMap;
use std::fmt;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::OwnedMutexGuard;

/// Locks by key; a key nobody holds or waits for takes no memory.
pub struct Turns<K: Eq + Hash + Clone> {
    keys: Arc<Mutex<HashMap<K, Arc<tokio::sync::Mutex<()>>>>>,
}

impl<K: Eq + Hash + Clone> Default for Turns<K> {
    fn default() -> Self {
        Self { keys: Arc::default() }
    }
}

impl<K: Eq + Hash + Clone> fmt::Debug for Turns<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Turns").finish_non_exhaustive()
    }
}

/// The turn of a key, until dropped.
pub struct Turn<K: Eq + Hash + Clone> {
    key: K,
    held: Option<OwnedMutexGuard<()>>,
    keys: Arc<Mutex<HashMap<K, Arc<tokio::sync::Mutex<()>>>>>,
}

impl<K: Eq + Hash + Clone> Turns<K> {
    /// Waits for the turn of `key`.
    pub async fn take(&self, key: K) -> Turn<K> {
        let lock = {
            let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
            keys.entry(key.clone()).or_default().clone()
        };
        let mut turn = Turn { key, held: None, keys: self.keys.clone() };
        turn.held = Some(lock.lock_owned().await);
        turn
    }

    /// The turns of several keys, one after the other. All who want several give them in ascending order: then nobody
    /// waits for who waits for it.
    pub async fn take_all(&self, ascending: impl IntoIterator<Item = K>) -> Vec<Turn<K>> {
        let mut turns = Vec::new();
        for key in ascending {
            turns.push(self.take(key).await);
        }
        turns
    }

    /// The turn of `key` if nobody has it.
    pub fn try_take(&self, key: K) -> Option<Turn<K>> {
        let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        let held = keys.entry(key.clone()).or_default().clone().try_lock_owned().ok()?;
        drop(keys);
        Some(Turn { key, held: Some(held), keys: self.keys.clone() })
    }
}

impl<K: Eq + Hash + Clone> Drop for Turn<K> {
    fn drop(&mut self) {
        let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        drop(self.held.take());
        // Ours was the last but the map's own: whoever waits holds a count too.
        if keys.get(&self.key).is_some_and(|lock| Arc::strong_count(lock) == 1) {
            keys.remove(&self.key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_key_is_held_by_one_and_forgotten_after() {
        let turns = Turns::default();
        let first = turns.take("a").await;
        assert!(turns.try_take("a").is_none());
        assert!(turns.try_take("b").is_some());
        drop(first);
        assert!(turns.try_take("a").is_some());
        assert!(turns.keys.lock().expect("keys").is_empty());
    }

    #[tokio::test]
    async fn a_waiter_that_gives_up_leaves_nothing_behind() {
        let turns = Turns::default();
        let first = turns.take("a").await;
        {
            let mut waiting = Box::pin(turns.take("a"));
            assert!(futures_util::poll!(waiting.as_mut()).is_pending());
        }
        drop(first);
        assert!(turns.keys.lock().expect("keys").is_empty());
    }
}
