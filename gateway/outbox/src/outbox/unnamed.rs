//! Removing packets that nothing names: of a document whose intake was cut off before its admission was written, or that
//! another gateway handed over to a store which was lost since. They go some weeks after they came, in the way of those that
//! are kept no longer: named first, and spared when somebody asks for one.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use lienthong_pipeline::ports::Fault;
use lienthong_schemas::ids::{DocumentId, PacketDigest};

use super::Outbox;
use super::prune::elsewhere;
use crate::spool::FileSpool;
use crate::store::{FileStore, Looked};

/// How long they are kept: as long as somebody may want to look into a store that was set aside.
const KEPT: Duration = Duration::from_secs(30 * 86_400);

impl Outbox {
    /// Removes what is old enough.
    pub(super) async fn remove_unnamed(&self, store: &Arc<FileStore>) -> Result<(), Fault> {
        let before = self.options.clock.now().saturating_sub(KEPT).unwrap_or(Timestamp::MIN);
        let spool = self.spool.clone();
        let old = tokio::task::spawn_blocking(move || spool.packets_before(before)).await;
        let unnamed = self.unnamed(store, old.map_err(elsewhere)?.map_err(elsewhere)?).await?;
        if unnamed.is_empty() {
            return Ok(());
        }
        self.condemn(&unnamed).await;
        let unnamed = self.unnamed(store, unnamed).await?;
        let spool = self.spool.clone();
        let removed = tokio::task::spawn_blocking(move || removed(&spool, unnamed)).await;
        let (packets, bytes) = removed.map_err(elsewhere)?.map_err(elsewhere)?;
        self.metrics.pruned_bytes.add(bytes);
        tracing::info!(packets, bytes, "packets that no document has are removed");
        Ok(())
    }

    /// Which of these packets neither a delivery has, nor a document without one, nor an admission that the store did not
    /// take in. None while an admission cannot be read: it may have any of them.
    async fn unnamed(
        &self,
        store: &Arc<FileStore>,
        mut packets: HashSet<PacketDigest>,
    ) -> Result<HashSet<PacketDigest>, Fault> {
        if packets.is_empty() {
            return Ok(packets);
        }
        let named = self.named_elsewhere(store, &Arc::new(packets.clone()), &Arc::default()).await?;
        packets = without(packets, &named);
        let mut from = None;
        loop {
            let Looked { found, next } = self.heard(store, store.packets_of_documents(from).await)?;
            packets = without(packets, &found);
            match next {
                Some(next) => from = Some(next),
                None => break,
            }
        }
        for unknown in self.strays(store).await? {
            let spool = self.spool.clone();
            let digests = tokio::task::spawn_blocking(move || digests_of(&spool, unknown)).await;
            match digests.map_err(elsewhere)? {
                Some(named) => packets = without(packets, &named),
                None => packets.clear(),
            }
        }
        Ok(packets)
    }
}

fn without<'a>(
    mut packets: HashSet<PacketDigest>,
    named: impl IntoIterator<Item = &'a PacketDigest>,
) -> HashSet<PacketDigest> {
    for digest in named {
        packets.remove(digest);
    }
    packets
}

/// The packets of these admissions; `None` when one cannot be read.
fn digests_of(spool: &FileSpool, documents: Vec<DocumentId>) -> Option<Vec<PacketDigest>> {
    let mut digests = Vec::new();
    for document in documents {
        // One that is gone by now was removed because it is too old.
        let admission = spool.admission_of(document).ok()?;
        digests.extend(admission.map(|admission| admission.receipt.sha256));
    }
    Some(digests)
}

/// Removes those of them that nobody asked for meanwhile; how many, and their bytes.
fn removed(spool: &FileSpool, packets: HashSet<PacketDigest>) -> std::io::Result<(u64, u64)> {
    let (mut count, mut bytes) = (0, 0);
    for digest in packets {
        if let Some(freed) = spool.remove_packet(digest)? {
            count += 1;
            bytes += freed;
        }
    }
    spool.sync_removals()?;
    spool.condemn(HashSet::new());
    Ok((count, bytes))
}
