//! Which keys an older generation may have. A look-up of a document that nobody knows would else ask every generation;
//! this answers "surely not" for nearly all of them from memory (Bloom, CACM 13(7), 1970).

use std::cell::RefCell;
use std::hash::{DefaultHasher, Hash, Hasher};

use crate::store::engine::{Bounds, EngineFault, Entries, Stored, Tree};
use crate::store::keys;

/// Bits for a key: with four probes about one look-up in forty goes to the tree for nothing.
const BITS_PER_KEY: u64 = 9;
const PROBES: u64 = 4;
/// Smallest filter, 8 KiB.
const BITS_MIN: u64 = 1 << 16;
/// Largest filter, 32 MiB; a generation of more keys is only asked more often.
const BITS_MAX: u64 = 1 << 28;

/// See the module.
pub(super) struct Filter {
    words: Vec<u64>,
}

impl Filter {
    /// Room for so many keys; with more of them it is right less often.
    pub(super) fn for_keys(keys: u64) -> Self {
        let bits = keys.saturating_mul(BITS_PER_KEY).clamp(BITS_MIN, BITS_MAX).next_power_of_two();
        Self { words: vec![0; (bits / 64) as usize] }
    }

    /// Says of every key that it may be there.
    pub(super) fn of_all() -> Self {
        Self { words: vec![u64::MAX; (BITS_MIN / 64) as usize] }
    }

    /// Remembers a key.
    pub(super) fn insert(&mut self, key: &[u8]) {
        for bit in probes(key, self.bits()) {
            self.words[(bit / 64) as usize] |= 1 << (bit % 64);
        }
    }

    /// `false`: it was not inserted.
    pub(super) fn may_have(&self, key: &[u8]) -> bool {
        probes(key, self.bits()).all(|bit| self.words[(bit / 64) as usize] & (1 << (bit % 64)) != 0)
    }

    fn bits(&self) -> u64 {
        self.words.len() as u64 * 64
    }
}

/// A tree whose keys a filter remembers as they are gone through.
pub(super) struct Noting<'a> {
    tree: Box<dyn Tree + 'a>,
    noted: RefCell<Noted<'a>>,
}

struct Noted<'a> {
    filter: &'a mut Filter,
    family: Vec<u8>,
}

impl<'a> Noting<'a> {
    pub(super) fn new(filter: &'a mut Filter, tree: Box<dyn Tree + 'a>) -> Self {
        Self { tree, noted: RefCell::new(Noted { filter, family: Vec::new() }) }
    }

    fn each<'t>(&'t self, entries: Entries<'t>) -> Entries<'t> {
        Box::new(entries.inspect(|entry| {
            if let Ok((key, _)) = entry {
                self.noted.borrow_mut().note(key);
            }
        }))
    }
}

impl Noted<'_> {
    /// Keys of one family come one after the other.
    fn note(&mut self, key: &[u8]) {
        let family = keys::family(key);
        if keys::is_kept(key) && family != self.family {
            self.filter.insert(family);
            self.family.clear();
            self.family.extend_from_slice(family);
        }
    }
}

impl Tree for Noting<'_> {
    fn get(&self, key: &[u8]) -> Result<Option<Stored>, EngineFault> {
        self.tree.get(key)
    }

    fn range(&self, bounds: Bounds<'_>) -> Entries<'_> {
        self.each(self.tree.range(bounds))
    }

    fn range_back(&self, bounds: Bounds<'_>) -> Entries<'_> {
        self.each(self.tree.range_back(bounds))
    }
}

/// The bits of a key (Kirsch and Mitzenmacher: Less hashing, same performance, ESA 2006). `bits` is a power of two.
fn probes(key: &[u8], bits: u64) -> impl Iterator<Item = u64> {
    let mut hasher = DefaultHasher::new();
    key.hash(&mut hasher);
    let (first, step) = (hasher.finish(), hasher.finish().rotate_left(32) | 1);
    (0..PROBES).map(move |n| first.wrapping_add(n.wrapping_mul(step)) & (bits - 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_inserted_is_found_and_little_else() {
        let mut filter = Filter::for_keys(100_000);
        let key = |n: u32| format!("m|{n:08}").into_bytes();
        (0..100_000).for_each(|n| filter.insert(&key(n)));
        assert!((0..100_000).all(|n| filter.may_have(&key(n))));
        let wrong = (100_000..200_000).filter(|n| filter.may_have(&key(*n))).count();
        assert!(wrong < 4_000, "{wrong} of 100,000");
        let empty = Filter::for_keys(0);
        assert!(!(0..1_000).any(|n| empty.may_have(&key(n))));
    }
}
