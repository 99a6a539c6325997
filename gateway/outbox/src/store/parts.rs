//! A document for very many receivers, admitted in parts, so that other changes have their turn between them: each part
//! is a batch and a barrier of its own. The document's own record comes with the last part. If this is cut off before,
//! the document is unknown, and the next start admits what is missing of it from its admission in the spool.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use lienthong_pipeline::crash::crash_point;
use lienthong_pipeline::ports::{Admitted, Fault, Kept, Left};
use lienthong_pipeline::record::Admission;
use lienthong_schemas::ids::DeliveryId;

use super::FileStore;
use super::draft::{Draft, Next};
use crate::change::{self, PLACE};

/// Deliveries that one batch admits at most.
pub(super) const DELIVERIES_PER_PART: usize = 500;

/// Which deliveries of an admission a batch admits.
#[derive(Clone, Debug)]
pub(super) struct Part {
    pub(super) deliveries: Range<usize>,
    pub(super) is_last: bool,
}

impl Part {
    /// All of them at once.
    pub(super) fn whole(admission: &Admission) -> Self {
        Self { deliveries: 0..admission.deliveries.len(), is_last: true }
    }

    /// The parts of an admission, at least one.
    fn of(admission: &Admission) -> impl Iterator<Item = Self> + use<> {
        let count = admission.deliveries.len();
        let parts = count.div_ceil(DELIVERIES_PER_PART).max(1);
        (1..=parts).map(move |part| Self {
            deliveries: (part - 1) * DELIVERIES_PER_PART..(part * DELIVERIES_PER_PART).min(count),
            is_last: part == parts,
        })
    }
}

impl FileStore {
    /// `OutboxStore::admit`.
    pub(super) async fn admit_in_parts(&self, admission: &Admission) -> Result<Admitted, Fault> {
        let admission = Arc::new(admission.clone());
        check_parts(&admission).await?;
        for part in Part::of(&admission) {
            let (admission, is_last) = (admission.clone(), part.is_last);
            let admitted = self.change(move |writer| writer.admit(&admission, part)).await?;
            if is_last || admitted == Admitted::Existing {
                return Ok(admitted);
            }
            crash_point("between-parts");
        }
        Err(Fault::new(PLACE, "an admission without a last part"))
    }

    /// `OutboxStore::adopt_document`.
    pub(super) async fn adopt_in_parts(
        &self,
        admission: Arc<Admission>,
        left: Arc<BTreeMap<DeliveryId, Left>>,
        note: String,
    ) -> Result<Option<Kept>, Fault> {
        check_parts(&admission).await?;
        let mut all = Kept::default();
        for part in Part::of(&admission) {
            let (admission, left, note) = (admission.clone(), left.clone(), note.clone());
            let kept =
                self.change(move |writer| writer.adopt_document(&admission, part, &left, &note)).await?;
            let Some(kept) = kept else { return Ok(None) };
            all.taken_on += kept.taken_on;
            all.settled += kept.settled;
            crash_point("between-parts");
        }
        Ok(Some(all))
    }
}

/// [`check`] of what is admitted in several parts; one part checks itself.
async fn check_parts(admission: &Arc<Admission>) -> Result<(), Fault> {
    if admission.deliveries.len() <= DELIVERIES_PER_PART {
        return Ok(());
    }
    let admission = admission.clone();
    let checked = tokio::task::spawn_blocking(move || check(&admission)).await;
    checked.map_err(|panic| Fault::new(PLACE, panic))?
}

/// What is unfit is refused whole, so it is looked at before the first part is written.
fn check(admission: &Admission) -> Result<(), Fault> {
    change::check(admission)?;
    let mut draft = Draft::new(Next { order: u64::MAX / 2, event: u64::MAX / 2 });
    admission.deliveries.iter().try_for_each(|delivery| {
        let step = change::admitted(delivery, draft.order());
        draft.step(None, &step)
    })
}

#[cfg(test)]
mod tests;
