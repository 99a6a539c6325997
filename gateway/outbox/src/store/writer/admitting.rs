//! Taking a document in: new, in parts, or from its admission after the store, or its newest generation, was lost.

use std::collections::BTreeMap;

use jiff::Timestamp;
use lienthong_pipeline::ports::{Admitted, Fault, Kept, Left};
use lienthong_pipeline::record::{Admission, Move, Recall, Standing, State};
use lienthong_schemas::ids::{DeliveryId, DocumentId};

use super::Writer;
use crate::change::{self, Basis, Noted, PLACE, Record};
use crate::store::draft::Draft;
use crate::store::keys;
use crate::store::parts::Part;
use crate::store::view::{DocumentRecord, IdempotencyRecord};

impl Writer {
    /// `OutboxStore::admit`, or a part of it; those before the last one leave the document unknown.
    pub(in crate::store) fn admit(&mut self, admission: &Admission, part: Part) -> Result<Admitted, Fault> {
        self.take_in(admission, part, None)
    }

    /// [`Writer::admit`] for a store that is built anew: with the states that were noted beside the admission.
    pub(crate) fn restore(
        &mut self,
        admission: &Admission,
        settled: &BTreeMap<DeliveryId, Noted>,
        epoch: u32,
    ) -> Result<Admitted, Fault> {
        self.take_in(admission, Part::whole(admission), Some((settled, epoch)))
    }

    fn take_in(
        &mut self,
        admission: &Admission,
        part: Part,
        restored: Option<(&BTreeMap<DeliveryId, Noted>, u32)>,
    ) -> Result<Admitted, Fault> {
        change::check(admission)?;
        let receipt = &admission.receipt;
        if self.knows(receipt.document_id)? {
            return match restored {
                Some((settled, epoch)) if self.is_newest_lost => self.catch_up(admission, settled, epoch),
                _ => Ok(Admitted::Existing),
            };
        }
        if restored.is_none() && self.is_condemned(receipt.document_id)? {
            // An earlier one of the same id; when it is gone this one is taken.
            return Err(Fault::new(PLACE, format!("{} is just being removed", receipt.document_id)));
        }
        let mut draft = Draft::new(self.next);
        if part.is_last {
            self.make_known(&mut draft, admission)?;
        }
        let (recalls, now) = (change::recalls(admission), self.clock.now());
        if let Some((settled, _)) = restored {
            self.move_by_recall(
                &mut draft,
                change::moved_at_holder(admission, settled),
                receipt.accepted_at,
            )?;
        }
        for delivery in admission.deliveries.get(part.deliveries).unwrap_or_default() {
            if let Some(known) = self.read(|view| view.record(delivery.id))? {
                // Another gateway admitted the same document and this one delivers it already, or an admission in parts
                // was cut off after this one.
                let step = change::accepted_too(&known, receipt.accepted_at, draft.next.event);
                step.map_or(Ok(()), |step| draft.step(Some(&known), &step))?;
                continue;
            }
            let step = change::admitted(delivery, draft.order());
            draft.step(None, &step)?;
            let mut record = step.after;
            let noted = restored.and_then(|(settled, _)| settled.get(&delivery.id));
            if let Some((_, epoch)) = restored {
                let as_admitted = Noted::as_admitted(delivery.state);
                let noted = noted.unwrap_or(&as_admitted);
                if noted.state != delivery.state || !noted.state.is_final() {
                    let rebuilt = change::rebuilt(record.clone(), noted, now, epoch, draft.next.event);
                    draft.step(Some(&record), &rebuilt)?;
                    record = rebuilt.after;
                }
            }
            if let Some(recall) = recalls.get(&delivery.id) {
                let basis = Basis::of(recall.act, noted);
                self.recall(&mut draft, recall, &record, basis, (receipt.accepted_at, now))?;
            }
        }
        self.apply(draft)?;
        self.admitted |= part.is_last;
        Ok(Admitted::Inserted)
    }

    /// `OutboxStore::adopt_document`, or a part of it.
    pub(in crate::store) fn adopt_document(
        &mut self,
        admission: &Admission,
        part: Part,
        left: &BTreeMap<DeliveryId, Left>,
        note: &str,
    ) -> Result<Option<Kept>, Fault> {
        change::check(admission)?;
        let id = admission.receipt.document_id;
        if self.knows(id)? {
            return Ok(None);
        }
        if self.is_condemned(id)? {
            return Err(Fault::new(PLACE, format!("{id} is just being removed")));
        }
        let (mut draft, mut kept, now) = (Draft::new(self.next), Kept::default(), self.clock.now());
        if part.is_last {
            self.make_known(&mut draft, admission)?;
        }
        let recalls = change::recalls(admission);
        for delivery in admission.deliveries.get(part.deliveries).unwrap_or_default() {
            let known = self.read(|view| view.record(delivery.id))?;
            let order = if known.is_none() { draft.order() } else { 0 };
            let (left, number) = (left.get(&delivery.id), draft.next.event);
            let step = change::taken_on(known.as_ref(), delivery, left, (order, number), now, note);
            let goes_on = step.as_ref().is_some_and(|step| !step.after.delivery.state.is_final());
            kept.taken_on += u64::from(goes_on);
            kept.settled += u64::from(!goes_on);
            let Some(step) = step else { continue };
            draft.step(known.as_ref(), &step)?;
            // It was decided where the document was accepted.
            if step.after.delivery.state == State::Withdrawn
                && let Some(recall) = recalls.get(&delivery.id)
            {
                self.move_by_recall(&mut draft, &recall.moves, admission.receipt.accepted_at)?;
            }
        }
        self.apply(draft)?;
        self.admitted |= part.is_last;
        Ok(Some(kept))
    }

    /// What the lost generation knew of a document that an older one has is found in the notes beside its admission.
    fn catch_up(
        &mut self,
        admission: &Admission,
        settled: &BTreeMap<DeliveryId, Noted>,
        epoch: u32,
    ) -> Result<Admitted, Fault> {
        let mut draft = Draft::new(self.next);
        let now = self.clock.now();
        for delivery in &admission.deliveries {
            let Some(known) = self.read(|view| view.record(delivery.id))? else { continue };
            let noted = settled.get(&delivery.id);
            if change::is_behind(&known, noted) {
                let anew = change::admitted(delivery, known.delivery.order).after;
                let as_admitted = Noted::as_admitted(delivery.state);
                let noted = noted.unwrap_or(&as_admitted);
                let step = change::rebuilt(anew, noted, now, epoch, draft.next.event);
                draft.step(Some(&known), &step)?;
            }
        }
        if draft.next == self.next {
            return Ok(Admitted::Existing);
        }
        self.apply(draft)?;
        Ok(Admitted::Inserted)
    }

    /// Decides what one delivery of a new document asks of those before it.
    pub(super) fn recall(
        &self,
        draft: &mut Draft,
        recall: &Recall,
        asks: &Record,
        basis: Basis,
        (accepted_at, now): (Timestamp, Timestamp),
    ) -> Result<(), Fault> {
        let earlier = recall.of.iter().map(|id| self.read(|view| view.record(*id)));
        let earlier = earlier.collect::<Result<Vec<_>, Fault>>()?;
        let steps = change::recalled(recall, asks, earlier, basis, now, draft.next.event);
        let Some(steps) = steps else { return Ok(()) };
        for (before, step) in &steps {
            draft.step(Some(before), step)?;
        }
        self.move_by_recall(draft, &recall.moves, accepted_at)
    }

    /// `OutboxStore::recalled`.
    pub(in crate::store) fn recalled(&mut self, moves: &[Move], accepted_at: Timestamp) -> Result<(), Fault> {
        let mut draft = Draft::new(self.next);
        self.move_by_recall(&mut draft, moves, accepted_at)?;
        self.apply(draft)
    }

    fn move_by_recall<'a>(
        &self,
        draft: &mut Draft,
        moves: impl IntoIterator<Item = &'a Move>,
        accepted_at: Timestamp,
    ) -> Result<(), Fault> {
        for change in moves {
            let key = keys::standing(change.key);
            let known: Option<Standing> = self.read(|view| view.value(&key))?;
            if let Some(after) = change::moved_by_recall(known.as_ref(), change, accepted_at) {
                draft.put(key, &after)?;
            }
        }
        Ok(())
    }

    /// What stands of a document beside its deliveries.
    fn make_known(&self, draft: &mut Draft, admission: &Admission) -> Result<(), Fault> {
        self.remember(draft, admission)?;
        self.move_states(draft, admission)?;
        let record = DocumentRecord { keys: admission.keys.clone(), digest: admission.receipt.sha256 };
        draft.put(keys::document(admission.receipt.document_id), &record)
    }

    /// The keys under which a repeat is recognised.
    fn remember(&self, draft: &mut Draft, admission: &Admission) -> Result<(), Fault> {
        let (receipt, known) = (&admission.receipt, &admission.keys);
        let id = receipt.document_id;
        for name in known.names() {
            draft.put(keys::name(&name, self.next.order, id), &id)?;
        }
        if let Some(status) = &known.status
            && self.read(|view| view.value::<DocumentId>(&keys::status(status)))?.is_none()
        {
            draft.put(keys::status(status), &id)?;
        }
        if let Some(key) = &admission.idempotency {
            let record = IdempotencyRecord { document: id, digest: receipt.sha256, at: receipt.accepted_at };
            draft.put(keys::idempotency(key), &record)?;
        }
        Ok(())
    }

    /// What the packet does to business states.
    fn move_states(&self, draft: &mut Draft, admission: &Admission) -> Result<(), Fault> {
        for change in &admission.moves {
            let key = keys::standing(change.key);
            let known: Option<Standing> = self.read(|view| view.value(&key))?;
            if let Some(after) = change::moved(known.as_ref(), change, admission.receipt.accepted_at) {
                draft.put(key, &after)?;
            }
        }
        Ok(())
    }
}
