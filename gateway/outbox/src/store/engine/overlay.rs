//! Changes that wait in memory, laid over a tree that does not have them yet.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::iter::Peekable;

use super::{Bounds, EngineFault, Entries, Entry, Stored, Tree, is_empty};

/// See the module.
pub(super) struct Overlay<'a, T> {
    pub(super) above: &'a BTreeMap<Vec<u8>, Option<Vec<u8>>>,
    pub(super) below: T,
}

impl<T: Tree> Tree for Overlay<'_, T> {
    fn get(&self, key: &[u8]) -> Result<Option<Stored>, EngineFault> {
        match self.above.get(key) {
            Some(changed) => Ok(changed.clone().map(Stored::Own)),
            None => self.below.get(key),
        }
    }

    fn range(&self, bounds: Bounds<'_>) -> Entries<'_> {
        if is_empty(bounds) {
            return Box::new(std::iter::empty());
        }
        merged(self.above.range::<[u8], _>(bounds), self.below.range(bounds), |one, other| one.cmp(other))
    }

    fn range_back(&self, bounds: Bounds<'_>) -> Entries<'_> {
        if is_empty(bounds) {
            return Box::new(std::iter::empty());
        }
        let above = self.above.range::<[u8], _>(bounds).rev();
        merged(above, self.below.range_back(bounds), |one, other| other.cmp(one))
    }
}

type Change<'a> = (&'a Vec<u8>, &'a Option<Vec<u8>>);

/// Both in one order; of one key the change counts.
fn merged<'a>(
    above: impl Iterator<Item = Change<'a>> + 'a,
    below: Entries<'a>,
    order: fn(&[u8], &[u8]) -> Ordering,
) -> Entries<'a> {
    let (mut above, mut below) = (above.peekable(), below.peekable());
    let next = move || {
        loop {
            let first = match (above.peek(), below.peek()) {
                (Some((changed, _)), Some(Ok((key, _)))) => order(changed, key),
                (Some(_), None) => Ordering::Less,
                // Where the tree fails, it is said at once.
                (_, Some(_)) => Ordering::Greater,
                (None, None) => return None,
            };
            if first == Ordering::Greater {
                return below.next();
            }
            if first == Ordering::Equal {
                below.next();
            }
            if let Some(changed) = present(&mut above) {
                return Some(Ok(changed));
            }
        }
    };
    Box::new(std::iter::from_fn(next))
}

/// The next change, unless it removes its key.
fn present<'a>(above: &mut Peekable<impl Iterator<Item = Change<'a>>>) -> Option<Entry> {
    let (key, value) = above.next()?;
    value.clone().map(|value| (Stored::Own(key.clone()), Stored::Own(value)))
}
