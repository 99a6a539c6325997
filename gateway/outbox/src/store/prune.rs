//! Finds what is kept no longer, and removes its keys: a document all of whose deliveries are over and dealt with, what its
//! sender's keys stood for, and business states that nobody has moved for as long. Everything is looked at, and removed, some
//! at a time; keys go last, so whatever is cut off is found again by them.

use std::collections::{BTreeSet, HashSet};

use jiff::Timestamp;
use lienthong_pipeline::ports::Fault;
use lienthong_pipeline::record::Standing;
use lienthong_schemas::ids::{DocumentId, PacketDigest};
use serde::Deserialize;

use super::draft::Draft;
use super::engine::Batch;
use super::view::{DocumentRecord, IdempotencyRecord, ReadFault, View, unsealed};
use super::writer::Writer;
use super::{FileStore, keys};
use crate::change::Record;

/// Keys that one look goes through.
const KEYS_PER_LOOK: usize = 2_048;
/// Deliveries whose keys one change removes.
const DELIVERIES_PER_CHANGE: usize = 100;
/// Documents that one change marks.
const DOCUMENTS_PER_CHANGE: usize = 100;

/// A document that is kept no longer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Old {
    pub(crate) document: DocumentId,
    /// Its packet; `None` where nothing tells any more.
    pub(crate) digest: Option<PacketDigest>,
}

/// Where a look goes on; `None` at the beginning.
pub(crate) type From = Option<Vec<u8>>;

/// What a look found, and where the next one goes on; `None`: that was all.
pub(crate) struct Looked<T> {
    pub(crate) found: Vec<T>,
    pub(crate) next: Option<Vec<u8>>,
}

/// When documents were last looked at, and up to when they may have been removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, Deserialize)]
pub(crate) struct Pruned {
    /// Those accepted before this time may be gone.
    pub(crate) before: Timestamp,
    /// When they were looked at.
    pub(crate) at: Timestamp,
}

/// What of a record tells whose packet it is.
#[derive(Deserialize)]
struct Slim {
    delivery: SlimDelivery,
}

#[derive(Deserialize)]
struct SlimDelivery {
    document: DocumentId,
    digest: PacketDigest,
}

/// Whether a delivery is over, dealt with, told of, and older than a time.
fn is_old(record: &Record, before: Timestamp) -> bool {
    let delivery = &record.delivery;
    delivery.state.is_final()
        && !delivery.is_dead_letter()
        && record.report.is_none()
        && delivery.tried_since() < before
}

impl View<'_> {
    /// The document, when it is kept no longer.
    fn old(&self, document: DocumentId, before: Timestamp) -> Result<Option<Old>, ReadFault> {
        let mut old: Option<Old> = None;
        for entry in self.below(&keys::of_document(document)) {
            let (key, sealed) = entry?;
            let id = unsealed(&key, &sealed)?;
            let Some(record) = self.record(id)? else { continue };
            if !is_old(&record, before) {
                return Ok(None);
            }
            old = Some(Old { document, digest: Some(record.delivery.digest) });
        }
        Ok(old)
    }

    /// Entries below a prefix, from a place.
    fn some(
        &self,
        prefix: &[u8],
        from: &From,
        mut look: impl FnMut(&[u8], &[u8]) -> Result<(), ReadFault>,
    ) -> Result<Option<Vec<u8>>, ReadFault> {
        let (mut count, mut last) = (0, None);
        for entry in self.below_after(prefix, from.as_deref()).take(KEYS_PER_LOOK) {
            let (key, value) = entry?;
            look(&key, &value)?;
            count += 1;
            last = Some(key.to_vec());
        }
        Ok(last.filter(|_| count == KEYS_PER_LOOK))
    }
}

impl FileStore {
    /// Documents kept no longer, of some.
    pub(crate) async fn old(&self, before: Timestamp, from: From) -> Result<Looked<Old>, Fault> {
        let look = move |view: View<'_>| {
            let mut documents = BTreeSet::new();
            let next = view.some(keys::OF_DOCUMENTS, &from, |key, _| {
                documents.extend(keys::document_of(key));
                Ok(())
            })?;
            let found = documents.into_iter().map(|document| view.old(document, before));
            let found = found.filter_map(Result::transpose).collect::<Result<_, _>>()?;
            Ok(Looked { found, next })
        };
        self.read(look).await
    }

    /// Documents that were marked to be removed.
    pub(crate) async fn condemned(&self) -> Result<Vec<Old>, Fault> {
        let look = |view: View<'_>| {
            let mut found = Vec::new();
            view.some(keys::CONDEMNED, &None, |key, sealed| {
                let document: DocumentId = unsealed(key, sealed)?;
                if let Some(old) = view.old(document, Timestamp::MAX)? {
                    found.push(old);
                } else if view.below(&keys::of_document(document)).next().is_none() {
                    // Its deliveries are gone already, or it had none.
                    let own = view.value::<DocumentRecord>(&keys::document(document))?;
                    found.push(Old { document, digest: own.map(|record| record.digest) });
                }
                Ok(())
            })?;
            Ok(found)
        };
        self.read(look).await
    }

    /// Marks these of them that are still to go; from now on nothing happens to them any more.
    pub(crate) async fn condemn(&self, old: &[Old], before: Timestamp) -> Result<Vec<Old>, Fault> {
        self.mark(old, move |writer, one| writer.read(|view| view.old(one.document, before))).await
    }

    /// Marks these of them that the store does not know; from now on it takes none of them in.
    pub(crate) async fn condemn_unknown(&self, old: &[Old]) -> Result<Vec<Old>, Fault> {
        self.mark(old, |writer, one| Ok((!writer.knows(one.document)?).then_some(one))).await
    }

    /// Marks what `still` leaves of these documents.
    async fn mark(
        &self,
        old: &[Old],
        still: impl Fn(&Writer, Old) -> Result<Option<Old>, Fault> + Copy + Send + 'static,
    ) -> Result<Vec<Old>, Fault> {
        let mut marked = Vec::new();
        for some in old.chunks(DOCUMENTS_PER_CHANGE) {
            let some = some.to_vec();
            marked.extend(self.change(move |writer| writer.mark(some, still)).await?);
        }
        Ok(marked)
    }

    /// Removes all keys of a document that is marked.
    pub(crate) async fn forget(&self, document: DocumentId, remembered: Vec<Vec<u8>>) -> Result<(), Fault> {
        self.change(move |writer| writer.forget_keys(remembered)).await?;
        while self.change(move |writer| writer.forget_some(document)).await? {
            tokio::task::yield_now().await;
        }
        Ok(())
    }

    /// Which of these packets documents other than these have, of some.
    pub(crate) async fn named_elsewhere(
        &self,
        digests: std::sync::Arc<HashSet<PacketDigest>>,
        documents: std::sync::Arc<HashSet<DocumentId>>,
        from: From,
    ) -> Result<Looked<PacketDigest>, Fault> {
        let look = move |key: &[u8], sealed: &[u8]| {
            let Slim { delivery } = unsealed(key, sealed)?;
            let is_named = digests.contains(&delivery.digest) && !documents.contains(&delivery.document);
            Ok(is_named.then_some(delivery.digest))
        };
        self.looked(keys::DELIVERIES, from, look).await
    }

    /// The packets of documents, those without a delivery among them, of some.
    pub(crate) async fn packets_of_documents(&self, from: From) -> Result<Looked<PacketDigest>, Fault> {
        let look = |key: &[u8], sealed: &[u8]| {
            let record: DocumentRecord = unsealed(key, sealed)?;
            Ok(Some(record.digest))
        };
        self.looked(keys::DOCUMENTS, from, look).await
    }

    /// Idempotency keys older than a time, or of these documents, of some.
    pub(crate) async fn old_idempotency(
        &self,
        before: Timestamp,
        documents: std::sync::Arc<HashSet<DocumentId>>,
        from: From,
    ) -> Result<Looked<(Vec<u8>, DocumentId)>, Fault> {
        let look = move |key: &[u8], sealed: &[u8]| {
            let record: IdempotencyRecord = unsealed(key, sealed)?;
            let is_old = record.at < before || documents.contains(&record.document);
            Ok(is_old.then(|| (key.to_vec(), record.document)))
        };
        self.looked(keys::IDEMPOTENCY, from, look).await
    }

    /// Business states that have not moved since a time, of some.
    pub(crate) async fn old_standings(
        &self,
        before: Timestamp,
        from: From,
    ) -> Result<Looked<Vec<u8>>, Fault> {
        let look = move |key: &[u8], sealed: &[u8]| {
            let standing: Standing = unsealed(key, sealed)?;
            Ok((standing.since < before).then(|| key.to_vec()))
        };
        self.looked(keys::STANDINGS, from, look).await
    }

    /// What a look finds in entries below a prefix, of some.
    async fn looked<T: Send + 'static>(
        &self,
        prefix: &'static [u8],
        from: From,
        look: impl Fn(&[u8], &[u8]) -> Result<Option<T>, ReadFault> + Send + 'static,
    ) -> Result<Looked<T>, Fault> {
        let look = move |view: View<'_>| {
            let mut found = Vec::new();
            let next = view.some(prefix, &from, |key, sealed| {
                found.extend(look(key, sealed)?);
                Ok(())
            })?;
            Ok(Looked { found, next })
        };
        self.read(look).await
    }

    /// Removes these keys, unless what stands there has moved since they were looked at.
    pub(crate) async fn forget_old(&self, keys: Vec<Vec<u8>>, before: Timestamp) -> Result<(), Fault> {
        self.change(move |writer| writer.forget_old(keys, before)).await
    }

    /// When documents were last looked at.
    pub(crate) async fn pruned(&self) -> Result<Option<Pruned>, Fault> {
        self.read(|view| view.value(keys::PRUNED)).await
    }

    /// Documents are looked at now.
    pub(crate) async fn note_pruned(&self, pruned: Pruned) -> Result<(), Fault> {
        self.change(move |writer| writer.note_pruned(&pruned)).await
    }

    /// Of these documents the ones that the store does not know.
    pub(crate) async fn unknown(&self, documents: Vec<DocumentId>) -> Result<Vec<DocumentId>, Fault> {
        let look = move |view: View<'_>| {
            let mut unknown = Vec::new();
            for document in documents {
                if view.value::<DocumentRecord>(&keys::document(document))?.is_none() {
                    unknown.push(document);
                }
            }
            Ok(unknown)
        };
        self.read(look).await
    }
}

impl Writer {
    fn mark(
        &mut self,
        old: Vec<Old>,
        still: impl Fn(&Self, Old) -> Result<Option<Old>, Fault>,
    ) -> Result<Vec<Old>, Fault> {
        let mut draft = Draft::new(self.next());
        let mut marked = Vec::new();
        for one in old {
            if let Some(one) = still(self, one)? {
                draft.put(keys::condemned(one.document), &one.document)?;
                marked.push(one);
            }
        }
        self.apply(draft)?;
        Ok(marked)
    }

    /// Whether a document is being removed.
    pub(super) fn is_condemned(&self, document: DocumentId) -> Result<bool, Fault> {
        Ok(self.read(|view| view.value::<DocumentId>(&keys::condemned(document)))?.is_some())
    }

    /// Removes the keys of some deliveries of a document that is marked, or, when there are none, its own. Whether there is
    /// more.
    fn forget_some(&mut self, document: DocumentId) -> Result<bool, Fault> {
        let (batch, more) = self.read(|view| removals(&view, document))?;
        self.forget(batch)?;
        Ok(more)
    }

    fn forget_keys(&mut self, keys: Vec<Vec<u8>>) -> Result<(), Fault> {
        let mut batch = Batch::default();
        keys.into_iter().for_each(|key| batch.remove(key));
        self.forget(batch)
    }

    fn forget_old(&mut self, keys: Vec<Vec<u8>>, before: Timestamp) -> Result<(), Fault> {
        let still = self.read(|view| {
            let mut still = Vec::new();
            for key in keys {
                let at = match key.starts_with(keys::STANDINGS) {
                    true => view.value::<Standing>(&key)?.map(|standing| standing.since),
                    false => view.value::<IdempotencyRecord>(&key)?.map(|record| record.at),
                };
                still.extend(at.filter(|at| *at < before).map(|_| key));
            }
            Ok(still)
        })?;
        self.forget_keys(still)
    }

    /// Notes that documents accepted before a time were left out, and may still lie in the spool.
    pub(crate) fn note_left_out(&mut self, before: Timestamp) -> Result<(), Fault> {
        let known = self.read(|view| view.value::<Pruned>(keys::PRUNED))?;
        let at = known.map_or(Timestamp::MIN, |known| known.at);
        let before = known.map_or(before, |known| known.before.max(before));
        self.note_pruned(&Pruned { before, at })
    }

    fn note_pruned(&mut self, pruned: &Pruned) -> Result<(), Fault> {
        let mut draft = Draft::new(self.next());
        draft.put(keys::PRUNED.to_vec(), pruned)?;
        self.apply(draft)
    }

    fn forget(&mut self, batch: Batch) -> Result<(), Fault> {
        if batch.is_empty() {
            return Ok(());
        }
        self.progress.begin(0, 0);
        let forgotten = self.generations.forget(batch);
        forgotten.map_err(|cause| self.fail(&cause))
    }
}

/// Keys of some deliveries of a document; of the document itself when it has none. Whether there is more.
fn removals(view: &View<'_>, document: DocumentId) -> Result<(Batch, bool), ReadFault> {
    let mut batch = Batch::default();
    for entry in view.below(&keys::of_document(document)).take(DELIVERIES_PER_CHANGE) {
        let (key, sealed) = entry?;
        let id = unsealed(&key, &sealed)?;
        batch.remove(key.to_vec());
        if let Some(record) = view.record(id)? {
            keys::indexes(&record).into_iter().for_each(|index| batch.remove(index));
        }
        for line in view.below(&keys::history(id)) {
            batch.remove(line?.0.to_vec());
        }
        batch.remove(keys::delivery(id));
    }
    if !batch.is_empty() {
        return Ok((batch, true));
    }
    if let Some(record) = view.value::<DocumentRecord>(&keys::document(document))? {
        for name in record.keys.names() {
            for entry in view.below(&keys::names(&name)) {
                let (key, sealed) = entry?;
                if unsealed::<DocumentId>(&key, &sealed)? == document {
                    batch.remove(key.to_vec());
                }
            }
        }
        if let Some(status) = record.keys.status {
            let key = keys::status(&status);
            if view.value::<DocumentId>(&key)? == Some(document) {
                batch.remove(key);
            }
        }
        batch.remove(keys::document(document));
    }
    batch.remove(keys::condemned(document));
    Ok((batch, false))
}
