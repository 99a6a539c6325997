//! The generations of a store that is not open, for somebody who looks and changes nothing.

use std::path::Path;
use std::sync::Arc;

use super::filter::Filter;
use super::folders::{CACHE_BYTES_LEFT, trees};
use super::marks::{Marks, marks};
use super::{Generation, Generations};
use crate::store::StoreFault;
use crate::store::engine::{Backend, Engine, Reader};
use crate::store::writer::open_engine;

/// All that counts, read as one; `None` when there is no store. Nothing is removed or marked.
///
/// # Errors
/// See [`StoreFault`].
pub(crate) fn look_at(root: &Path) -> Result<Option<Box<dyn Reader>>, StoreFault> {
    let trees = trees(root).map_err(|source| StoreFault::Io { path: root.to_owned(), source })?;
    let (mut newest, mut older) = (None, Vec::new());
    for (n, tree) in trees.iter().rev().enumerate() {
        let path = root.join(tree);
        let backend = looked_at(&path)?;
        let Marks { is_whole, is_left } = marks(&*backend, &path)?;
        if n == 0 && !is_whole && trees.len() > 1 {
            // It was being filled, and goes at the next start.
            continue;
        }
        let number = (trees.len() - n) as u32;
        let generation = Generation { number, folder: path, backend, filter: Filter::of_all() };
        if newest.is_none() && older.is_empty() && !is_left {
            newest = Some(generation);
        } else {
            older.push(generation.left());
        }
    }
    match newest {
        Some(newest) => {
            let (root, token) = (root.to_owned(), Arc::new(()));
            Ok(Some(Box::new(Generations { root, newest, older, next: None, token })))
        }
        None if older.is_empty() => Ok(None),
        None => {
            let cause = "its newest generation is lost, and is built anew".to_owned();
            Err(StoreFault::Damaged { path: root.to_owned(), cause })
        }
    }
}

fn looked_at(path: &Path) -> Result<Box<dyn Backend>, StoreFault> {
    StoreFault::if_noted(path)?;
    let found = Engine::found(path).map_err(|source| StoreFault::Io { path: path.to_owned(), source })?;
    let engine = found.first().copied().ok_or_else(|| {
        let cause = "there is nothing in it".to_owned();
        StoreFault::Damaged { path: path.to_owned(), cause }
    })?;
    open_engine(path, engine, CACHE_BYTES_LEFT)
}
