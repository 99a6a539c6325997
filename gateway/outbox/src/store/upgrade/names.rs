//! Names by which a document is to be found, and is not, because the program that took it in did not know of them.

use std::collections::BTreeSet;

use lienthong_schemas::ids::DocumentId;

use super::StepFault;
use crate::sealed::Damage;
use crate::store::draft::Draft;
use crate::store::keys;
use crate::store::view::{DocumentRecord, ReadFault, View, unsealed};

/// The names of a document under which it does not stand; it gets the place that it has under the others, or the first.
pub(super) fn add_missing(
    view: &View<'_>,
    key: &[u8],
    sealed: &[u8],
    draft: &mut Draft,
) -> Result<u64, StepFault> {
    let short = || ReadFault::Damaged(key.to_vec(), Damage::Short);
    let document = keys::document_in(key).ok_or_else(short)?;
    let DocumentRecord { keys: known, .. } = unsealed(key, sealed)?;
    let (mut missing, mut order) = (Vec::new(), 0);
    for name in known.names().collect::<BTreeSet<_>>() {
        match order_under(view, &name, document)? {
            Some(found) => order = found,
            None => missing.push(name),
        }
    }
    for name in &missing {
        draft.put(keys::name(name, order, document), &document).map_err(StepFault::Write)?;
    }
    Ok(missing.len() as u64)
}

/// The place of a document among those of one name, if it stands there.
fn order_under(view: &View<'_>, name: &[u8; 16], document: DocumentId) -> Result<Option<u64>, ReadFault> {
    for entry in view.below(&keys::names(name)) {
        let (key, _) = entry?;
        if let Some((_, found, order)) = keys::name_in(&key)
            && found == *document.as_bytes()
        {
            return Ok(Some(order));
        }
    }
    Ok(None)
}
