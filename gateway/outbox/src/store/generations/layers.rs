//! Several trees, the newest first, read as one. Of one key the newest tree that has it counts. Only keys below
//! [`keys::KEPT`] are looked for beyond the newest tree: all else in an older one is as it was when that one was left.

use std::cell::OnceCell;
use std::cmp::Ordering;
use std::iter::Peekable;
use std::ops::Bound;
use std::sync::Arc;

use super::filter::Filter;
use crate::store::engine::{Bounds, EngineFault, Entries, Entry, SharedReader, Stored, Tree, after};
use crate::store::keys;

/// What is asked before an older tree is.
pub(super) type Filters = Arc<Filter>;

/// An older tree.
pub(super) struct Older<'a> {
    pub(super) filter: Filters,
    pub(super) reader: &'a dyn SharedReader,
    tree: OnceCell<Box<dyn Tree + 'a>>,
}

impl<'a> Older<'a> {
    pub(super) fn new(filter: Filters, reader: &'a dyn SharedReader) -> Self {
        Self { filter, reader, tree: OnceCell::new() }
    }

    /// Opened when it is needed: most look-ups end before.
    fn tree(&self) -> Result<&dyn Tree, EngineFault> {
        if self.tree.get().is_none() {
            self.tree.set(self.reader.tree()?).ok();
        }
        self.tree.get().map(|tree| &**tree).ok_or_else(|| EngineFault::Failed("no tree".to_owned()))
    }
}

/// See the module.
pub(super) struct Layers<'a> {
    pub(super) newest: Box<dyn Tree + 'a>,
    /// The newest first.
    pub(super) older: Vec<Older<'a>>,
}

impl Tree for Layers<'_> {
    fn get(&self, key: &[u8]) -> Result<Option<Stored>, EngineFault> {
        let found = self.newest.get(key)?;
        if found.is_some() || !keys::is_kept(key) {
            return Ok(found);
        }
        for older in self.older.iter().filter(|older| older.filter.may_have(keys::family(key))) {
            let found = older.tree()?.get(key)?;
            if found.is_some() {
                return Ok(found);
            }
        }
        Ok(None)
    }

    fn range(&self, bounds: Bounds<'_>) -> Entries<'_> {
        let mut parts = kept_parts(bounds);
        let newest = self.newest.range(bounds);
        if parts.is_empty() || self.older.is_empty() {
            return newest;
        }
        parts.sort();
        self.merged(newest, parts, |tree, part| tree.range(part.bounds()), |one, other| one.cmp(other))
    }

    fn range_back(&self, bounds: Bounds<'_>) -> Entries<'_> {
        let mut parts = kept_parts(bounds);
        let newest = self.newest.range_back(bounds);
        if parts.is_empty() || self.older.is_empty() {
            return newest;
        }
        parts.sort_by(|one, other| other.cmp(one));
        self.merged(newest, parts, |tree, part| tree.range_back(part.bounds()), |one, other| other.cmp(one))
    }
}

type Look = for<'t> fn(&'t (dyn Tree + 't), &Part) -> Entries<'t>;
type Order = fn(&[u8], &[u8]) -> Ordering;

impl Layers<'_> {
    fn merged<'s>(&'s self, newest: Entries<'s>, parts: Vec<Part>, look: Look, order: Order) -> Entries<'s> {
        let mut sources = vec![newest.peekable()];
        for older in &self.older {
            let parts: Vec<Part> = parts.iter().filter(|part| older.may_have(part)).cloned().collect();
            if parts.is_empty() {
                continue;
            }
            let entries = parts.into_iter().flat_map(move |part| match older.tree() {
                Ok(tree) => look(tree, &part),
                Err(fault) => Box::new(std::iter::once(Err(fault))),
            });
            let entries: Entries<'s> = Box::new(entries);
            sources.push(entries.peekable());
        }
        Box::new(Merge { sources, order })
    }
}

/// All in one order; of one key the first source that has it counts.
struct Merge<'a> {
    sources: Vec<Peekable<Entries<'a>>>,
    order: Order,
}

impl Iterator for Merge<'_> {
    type Item = Result<Entry, EngineFault>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut first: Option<(usize, Vec<u8>)> = None;
        for (n, source) in self.sources.iter_mut().enumerate() {
            match source.peek() {
                Some(Err(_)) => return source.next(),
                Some(Ok((key, _)))
                    if first.as_ref().is_none_or(|(_, least)| (self.order)(key, least) == Ordering::Less) =>
                {
                    first = Some((n, key.to_vec()));
                }
                _ => {}
            }
        }
        let (n, least) = first?;
        for other in &mut self.sources[n + 1..] {
            if matches!(other.peek(), Some(Ok((key, _))) if **key == *least) {
                other.next();
            }
        }
        self.sources[n].next()
    }
}

/// A range of keys of one kept prefix.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Part {
    start: Vec<u8>,
    /// Nothing of it is at or before `start` where this is set.
    past_start: bool,
    end: End,
}

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
enum End {
    Before(Vec<u8>),
    With(Vec<u8>),
}

impl Part {
    fn bounds(&self) -> Bounds<'_> {
        let start =
            if self.past_start { Bound::Excluded(&*self.start) } else { Bound::Included(&*self.start) };
        let end = match &self.end {
            End::Before(end) => Bound::Excluded(&**end),
            End::With(end) => Bound::Included(&**end),
        };
        (start, end)
    }

    /// The family that all its keys are of, if they are of one.
    fn family(&self) -> Option<&[u8]> {
        let family = keys::family(&self.start);
        let ends_within = match (&self.end, after(family)) {
            (End::Before(end), Bound::Excluded(past)) => *end <= past,
            (End::With(end), Bound::Excluded(past)) => *end < past,
            (_, _) => false,
        };
        (keys::is_family(family) && ends_within).then_some(family)
    }
}

impl Older<'_> {
    fn may_have(&self, part: &Part) -> bool {
        part.family().is_none_or(|family| self.filter.may_have(family))
    }
}

/// What of a range lies below each kept prefix.
fn kept_parts(bounds: Bounds<'_>) -> Vec<Part> {
    let part = |prefix: &&'static [u8]| {
        let Bound::Excluded(past) = after(prefix) else { return None };
        let (start, past_start) = match bounds.0 {
            Bound::Included(start) if start > *prefix => (start.to_vec(), false),
            Bound::Excluded(start) if start >= *prefix => (start.to_vec(), true),
            _ => (prefix.to_vec(), false),
        };
        let end = match bounds.1 {
            Bound::Excluded(end) if end < &*past => End::Before(end.to_vec()),
            Bound::Included(end) if end < &*past => End::With(end.to_vec()),
            _ => End::Before(past),
        };
        let is_empty = match &end {
            End::Before(end) => start >= *end,
            End::With(end) => start > *end || (past_start && start == *end),
        };
        (!is_empty).then_some(Part { start, past_start, end })
    };
    keys::KEPT.iter().filter_map(part).collect()
}
