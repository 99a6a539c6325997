//! Removing documents that are kept no longer (`retention.documents`), some at a time: the packet, unless another document
//! has it; the admission; the notes beside it; last the keys. Whatever is cut off between two of these is found by the keys
//! and goes on at the next look. Last go packets that nothing names (`unnamed`).

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use lienthong_pipeline::clock::after;
use lienthong_pipeline::crash::crash_point;
use lienthong_pipeline::ports::Fault;
use lienthong_schemas::ids::{DocumentId, PacketDigest};

use super::Outbox;
use crate::change::PLACE;
use crate::spool::FileSpool;
use crate::store::{FileStore, Looked, Old, Pruned};

/// Documents that go together.
const TOGETHER: usize = 2_000;
/// Whoever relied on a packet before it was marked is done by then.
const GRACE: Duration = Duration::from_secs(60);
/// Nothing is removed at the first look after so long a time without one: a clock that jumped would make everything old.
const LEAP: Duration = Duration::from_secs(40 * 86_400);
/// Admissions that are looked up at once.
const STRAYS_PER_LOOK: usize = 1_000;

/// From when on things are too old to be kept.
#[derive(Clone, Copy)]
struct Ages {
    documents: Timestamp,
    idempotency: Timestamp,
}

impl Outbox {
    fn ages(&self) -> Ages {
        let now = self.options.clock.now();
        let ago = |length: Duration| now.saturating_sub(length).unwrap_or(Timestamp::MIN);
        Ages { documents: ago(self.options.keep_documents), idempotency: ago(self.options.keep_idempotency) }
    }

    /// Removes what is too old to be kept, unless the clock says that it has leapt since this was last called, or this is
    /// the first time. Goes on for as long as there is something; others have their turn meanwhile. [`Outbox::tend`] calls
    /// this once a day; two at once would be in each other's way.
    ///
    /// # Errors
    /// The store is away, or the disk fails; the next call goes on.
    pub async fn prune(&self) -> Result<(), Fault> {
        let (store, ages) = (self.store()?, self.ages());
        if !self.is_time(&store, ages).await? {
            return Ok(());
        }
        self.forget(&store, ages).await?;
        let marked = self.marked_before(&store).await?;
        self.remove(&store, marked, ages).await?;
        self.remove_strays(&store, ages).await?;
        let mut from = None;
        let mut waiting = Vec::new();
        loop {
            let Looked { found, next } = self.heard(&store, store.old(ages.documents, from.take()).await)?;
            waiting.extend(found);
            while waiting.len() >= TOGETHER || (next.is_none() && !waiting.is_empty()) {
                let old: Vec<Old> = waiting.drain(..waiting.len().min(TOGETHER)).collect();
                let marked = self.heard(&store, store.condemn(&old, ages.documents).await)?;
                self.remove(&store, marked, ages).await?;
            }
            match next {
                Some(next) => from = Some(next),
                None => break,
            }
        }
        while self.heard(&store, store.drop_oldest(ages.documents).await)? {}
        self.remove_unnamed(&store).await
    }

    /// Whether things may be removed now. That this was looked at is noted in any case.
    async fn is_time(&self, store: &Arc<FileStore>, ages: Ages) -> Result<bool, Fault> {
        let now = self.options.clock.now();
        let last = self.heard(store, store.pruned().await)?;
        let leapt = last.filter(|last| now < last.at || after(last.at, LEAP) < now);
        if let Some(last) = leapt {
            tracing::warn!(last = %last.at, %now, "nothing old is removed at this look: is the clock right?");
        }
        let is_time = last.is_some() && leapt.is_none();
        let before = match last {
            Some(last) if !is_time => last.before,
            None => Timestamp::MIN,
            Some(last) => last.before.max(ages.documents),
        };
        self.heard(store, store.note_pruned(Pruned { before, at: now }).await)?;
        Ok(is_time)
    }

    /// Removes documents that are marked.
    async fn remove(&self, store: &Arc<FileStore>, marked: Vec<Old>, ages: Ages) -> Result<(), Fault> {
        for together in marked.chunks(TOGETHER) {
            let gone = self.remove_files(store, together).await?;
            let documents: Arc<HashSet<DocumentId>> = Arc::new(gone.iter().map(|old| old.document).collect());
            let mut keys = self.idempotency_keys(store, ages.idempotency, &documents).await?;
            keys.retain(|(_, document)| documents.contains(document));
            for old in &gone {
                let own = keys.iter().filter(|(_, document)| *document == old.document);
                let own = own.map(|(key, _)| key.clone()).collect();
                self.heard(store, store.forget(old.document, own).await)?;
                crash_point("while-keys-removed");
                self.metrics.pruned_documents.inc();
            }
            tracing::info!(documents = gone.len(), "documents that are kept no longer are removed");
        }
        Ok(())
    }

    /// Packets, admissions and notes, in this order: without its notes an admission would be delivered again by a store that
    /// is built anew. Which documents have none left: all but those whose packet somebody just asked for.
    async fn remove_files(&self, store: &Arc<FileStore>, old: &[Old]) -> Result<Vec<Old>, Fault> {
        let documents: Arc<HashSet<DocumentId>> = Arc::new(old.iter().map(|old| old.document).collect());
        let digests: HashSet<PacketDigest> = old.iter().filter_map(|old| old.digest).collect();
        self.condemn(&digests).await;
        let named = self.named_elsewhere(store, &Arc::new(digests), &documents).await?;
        let (spool, old) = (self.spool.clone(), old.to_vec());
        let removed = tokio::task::spawn_blocking(move || removed(&spool, old, &named)).await;
        let (gone, bytes) = removed.map_err(elsewhere)?.map_err(elsewhere)?;
        self.metrics.pruned_bytes.add(bytes);
        Ok(gone)
    }

    /// Names packets that are about to go, and waits until whoever relied on one before is done with it.
    pub(super) async fn condemn(&self, digests: &HashSet<PacketDigest>) {
        self.spool.condemn(digests.clone());
        let clock = &self.options.clock;
        clock.sleep_until(after(clock.now(), GRACE)).await;
    }

    /// Which of these packets deliveries of other documents than these have.
    pub(super) async fn named_elsewhere(
        &self,
        store: &Arc<FileStore>,
        digests: &Arc<HashSet<PacketDigest>>,
        documents: &Arc<HashSet<DocumentId>>,
    ) -> Result<HashSet<PacketDigest>, Fault> {
        let (mut named, mut from) = (HashSet::new(), None);
        loop {
            let elsewhere = store.named_elsewhere(digests.clone(), documents.clone(), from).await;
            let Looked { found, next } = self.heard(store, elsewhere)?;
            named.extend(found);
            match next {
                Some(next) => from = Some(next),
                None => return Ok(named),
            }
        }
    }

    /// Documents that were marked at an earlier look, with the packets that they still have.
    async fn marked_before(&self, store: &Arc<FileStore>) -> Result<Vec<Old>, Fault> {
        let mut marked = self.heard(store, store.condemned().await)?;
        let spool = self.spool.clone();
        let complete = move || {
            for old in marked.iter_mut().filter(|old| old.digest.is_none()) {
                let found = spool.read_admission(old.document).ok().flatten();
                old.digest = found.map(|found| found.admission.receipt.sha256);
            }
            marked
        };
        tokio::task::spawn_blocking(complete).await.map_err(elsewhere)
    }

    /// Admissions that a store which was built anew did not take in, because they are too old.
    async fn remove_strays(&self, store: &Arc<FileStore>, ages: Ages) -> Result<(), Fault> {
        for unknown in self.strays(store).await? {
            let spool = self.spool.clone();
            let before = ages.documents;
            let old = move || {
                let found = unknown.into_iter().filter_map(|id| spool.read_admission(id).ok().flatten());
                let old = found.filter(|found| found.is_old(before)).map(|found| Old {
                    document: found.admission.receipt.document_id,
                    digest: Some(found.admission.receipt.sha256),
                });
                old.collect::<Vec<_>>()
            };
            let old = tokio::task::spawn_blocking(old).await.map_err(elsewhere)?;
            let marked = self.heard(store, store.condemn_unknown(&old).await)?;
            self.remove(store, marked, ages).await?;
        }
        Ok(())
    }

    /// Documents that have an admission and are not known to the store, some at a time.
    pub(super) async fn strays(&self, store: &Arc<FileStore>) -> Result<Vec<Vec<DocumentId>>, Fault> {
        let spool = self.spool.clone();
        let names = move || Ok::<Vec<DocumentId>, std::io::Error>(spool.documents()?.flatten().collect());
        let names = tokio::task::spawn_blocking(names).await.map_err(elsewhere)?.map_err(elsewhere)?;
        let mut strays = Vec::new();
        for some in names.chunks(STRAYS_PER_LOOK) {
            strays.push(self.heard(store, store.unknown(some.to_vec()).await)?);
        }
        Ok(strays)
    }

    /// Idempotency keys whose time is over, and business states that nobody has moved for so long.
    async fn forget(&self, store: &Arc<FileStore>, ages: Ages) -> Result<(), Fault> {
        let none = Arc::default();
        let keys = self.idempotency_keys(store, ages.idempotency, &none).await?;
        let keys: Vec<Vec<u8>> = keys.into_iter().map(|(key, _)| key).collect();
        for some in keys.chunks(TOGETHER) {
            self.heard(store, store.forget_old(some.to_vec(), ages.idempotency).await)?;
        }
        let mut from = None;
        loop {
            let Looked { found, next } =
                self.heard(store, store.old_standings(ages.documents, from).await)?;
            self.heard(store, store.forget_old(found, ages.documents).await)?;
            match next {
                Some(next) => from = Some(next),
                None => return Ok(()),
            }
        }
    }

    async fn idempotency_keys(
        &self,
        store: &Arc<FileStore>,
        before: Timestamp,
        documents: &Arc<HashSet<DocumentId>>,
    ) -> Result<Vec<(Vec<u8>, DocumentId)>, Fault> {
        let (mut keys, mut from) = (Vec::new(), None);
        loop {
            let looked = store.old_idempotency(before, documents.clone(), from).await;
            let Looked { found, next } = self.heard(store, looked)?;
            keys.extend(found);
            match next {
                Some(next) => from = Some(next),
                None => return Ok(keys),
            }
        }
    }
}

/// Removes the files of these documents, but for packets that others have. Which of them have none left, and how many
/// bytes of packets that freed.
fn removed(
    spool: &FileSpool,
    old: Vec<Old>,
    named: &HashSet<PacketDigest>,
) -> std::io::Result<(Vec<Old>, u64)> {
    let (mut asked_for, mut bytes) = (HashSet::new(), 0);
    let digests: HashSet<PacketDigest> = old.iter().filter_map(|old| old.digest).collect();
    for digest in digests.difference(named) {
        match spool.remove_packet(*digest)? {
            Some(freed) => bytes += freed,
            None => drop(asked_for.insert(*digest)),
        }
        crash_point("after-packet-removed");
    }
    let may_go = |old: &Old| old.digest.is_none_or(|digest| !asked_for.contains(&digest));
    let gone: Vec<Old> = old.into_iter().filter(may_go).collect();
    for old in &gone {
        spool.remove_admission(old.document)?;
        crash_point("after-admission-removed");
    }
    spool.sync_removals()?;
    for old in &gone {
        spool.remove_notes(old.document)?;
        crash_point("after-notes-removed");
    }
    spool.sync_removals()?;
    spool.condemn(HashSet::new());
    Ok((gone, bytes))
}

pub(super) fn elsewhere(cause: impl std::fmt::Display) -> Fault {
    Fault::new(PLACE, cause)
}
