//! What a generation notes of its own life: since when it is, that it was filled to its end, and that another one has
//! followed it. What follows from that is decided in `folders`.

use std::path::Path;

use jiff::Timestamp;
use lienthong_pipeline::ports::Fault;

use crate::store::draft::{Draft, Next};
use crate::store::engine::{Backend, EngineFault};
use crate::store::view::{ReadFault, View};
use crate::store::{StoreFault, keys, upgrade};

/// What is noted of a generation.
pub(super) struct Marks {
    /// It was filled to its end.
    pub(super) is_whole: bool,
    /// Another one has followed it.
    pub(super) is_left: bool,
}

/// What is noted of the generation in a folder.
pub(super) fn marks(backend: &dyn Backend, path: &Path) -> Result<Marks, StoreFault> {
    let tree = backend.tree().map_err(|cause| StoreFault::of_engine(path, cause))?;
    let (view, read) = (View(&*tree), |fault| StoreFault::of_reading(path, fault));
    Ok(Marks {
        is_whole: view.value::<bool>(keys::WHOLE).map_err(read)? == Some(true),
        is_left: view.value::<Timestamp>(keys::LEFT).map_err(read)?.is_some(),
    })
}

/// Notes of one that is empty that this program makes it, now.
pub(super) fn mark_made(backend: &mut dyn Backend, now: Timestamp) -> Result<(), EngineFault> {
    mark(backend, |draft| {
        draft.put(keys::LAYOUT.to_vec(), &upgrade::LAYOUT)?;
        draft.put(keys::BEGUN.to_vec(), &now)
    })
}

/// A store of an earlier program begins now, as far as anybody knows.
pub(super) fn mark_begun(backend: &mut dyn Backend, now: Timestamp) -> Result<(), ReadFault> {
    let is_marked = View(&*backend.tree()?).value::<Timestamp>(keys::BEGUN)?.is_some();
    if !is_marked {
        mark(backend, |draft| draft.put(keys::BEGUN.to_vec(), &now))?;
    }
    Ok(())
}

/// Notes that another generation has followed this one.
pub(super) fn mark_left(backend: &mut dyn Backend, now: Timestamp) -> Result<(), EngineFault> {
    mark(backend, |draft| draft.put(keys::LEFT.to_vec(), &now))
}

/// Writes marks; they are on disk with this.
fn mark(
    backend: &mut dyn Backend,
    put: impl FnOnce(&mut Draft) -> Result<(), Fault>,
) -> Result<(), EngineFault> {
    let mut draft = Draft::new(Next { order: 0, event: 0 });
    put(&mut draft).map_err(|fault| EngineFault::Failed(fault.cause))?;
    backend.apply(draft.batch)?;
    backend.barrier()
}
