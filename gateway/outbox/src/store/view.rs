//! Reading the tree. Every range is bounded by its prefix and by a limit; nothing walks over all deliveries.
//! An index entry and its record are two reads: whoever follows one checks that the record still belongs there.

use std::ops::{Bound, Range, RangeInclusive};

use jiff::Timestamp;
use lienthong_pipeline::ports::{Fault, Listing, PendingReport};
use lienthong_pipeline::record::{
    AdapterKind, Delivery, Event, HistoryEntry, KnownDocument, RecognitionKeys,
};
use lienthong_schemas::ids::{DeliveryId, DocumentId, PacketDigest};
use lienthong_schemas::organ::ReceiverToken;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::engine::{self, Bounds, EngineFault, Entries, Tree};
use super::keys;
use crate::change::{self, HISTORY_LINES_MAX, KNOWN_MAX, PLACE, Record};
use crate::sealed::{self, Damage};

/// What stands under a document's key.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct DocumentRecord {
    pub(super) keys: RecognitionKeys,
    pub(super) digest: PacketDigest,
}

/// What stands under an idempotency key.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct IdempotencyRecord {
    pub(super) document: DocumentId,
    pub(super) digest: PacketDigest,
    pub(super) at: Timestamp,
}

/// Why a value could not be had.
#[derive(Debug)]
pub(super) enum ReadFault {
    /// The engine failed.
    Engine(EngineFault),
    /// The value under this key is not the one that was written.
    Damaged(Vec<u8>, Damage),
}

impl From<ReadFault> for Fault {
    fn from(fault: ReadFault) -> Self {
        match fault {
            ReadFault::Engine(cause) => Self::new(PLACE, cause),
            ReadFault::Damaged(key, damage) => Self::new(PLACE, format!("{}: {damage}", keys::shown(&key))),
        }
    }
}

impl From<EngineFault> for ReadFault {
    fn from(cause: EngineFault) -> Self {
        Self::Engine(cause)
    }
}

/// The tree, to read from.
pub(super) struct View<'a>(pub(super) &'a dyn Tree);

impl View<'_> {
    pub(super) fn value<T: DeserializeOwned>(&self, key: &[u8]) -> Result<Option<T>, ReadFault> {
        self.0.get(key)?.map(|sealed| unsealed(key, &sealed)).transpose()
    }

    /// All that begins with a prefix, in order.
    pub(super) fn below(&self, prefix: &[u8]) -> Entries<'_> {
        self.below_after(prefix, None)
    }

    /// The same behind a key of them, if one is given.
    pub(super) fn below_after(&self, prefix: &[u8], after: Option<&[u8]>) -> Entries<'_> {
        let start = after.map_or(Bound::Included(prefix), Bound::Excluded);
        let end = engine::after(prefix);
        self.0.range((start, end.as_ref().map(Vec::as_slice)))
    }

    fn newest_below(&self, prefix: &[u8]) -> Entries<'_> {
        let end = engine::after(prefix);
        self.0.range_back((Bound::Included(prefix), end.as_ref().map(Vec::as_slice)))
    }

    pub(super) fn record(&self, id: DeliveryId) -> Result<Option<Record>, ReadFault> {
        self.value(&keys::delivery(id))
    }

    /// Records that an index names, in its order, of those that `belong` there.
    pub(super) fn indexed(
        &self,
        prefix: &[u8],
        limit: usize,
        belongs: impl Fn(&Record) -> bool,
    ) -> Result<Vec<Record>, ReadFault> {
        self.followed(self.below(prefix), limit, belongs)
    }

    /// Queued, acknowledged by the broker before a time, and not handed off.
    pub(super) fn not_taken_over(&self, before: Timestamp, limit: usize) -> Result<Vec<Delivery>, ReadFault> {
        let belongs = |record: &Record| record.not_taken_over().is_some_and(|since| since < before);
        self.within(keys::published_before(before), limit, belongs)
    }

    /// A page of a list. A delivery that left the list meanwhile still marks where the page begins.
    pub(super) fn page(
        &self,
        listing: Listing,
        after: Option<DeliveryId>,
        limit: usize,
    ) -> Result<Vec<Delivery>, ReadFault> {
        let prefix = keys::list(listing);
        let after = match after {
            Some(id) => self.record(id)?.map(|record| keys::listed(listing, &record)),
            None => None,
        };
        let index = self.below_after(prefix, after.as_deref());
        let found = self.followed(index, limit, |record| change::is_listed(record, listing))?;
        Ok(found.into_iter().map(|record| record.delivery).collect())
    }

    fn followed(
        &self,
        index: Entries<'_>,
        limit: usize,
        belongs: impl Fn(&Record) -> bool,
    ) -> Result<Vec<Record>, ReadFault> {
        let mut found = Vec::new();
        if limit == 0 {
            return Ok(found);
        }
        for entry in index {
            let (key, sealed) = entry?;
            let id: DeliveryId = unsealed(&key, &sealed)?;
            let Some(record) = self.record(id)?.filter(&belongs) else { continue };
            found.push(record);
            if found.len() == limit {
                break;
            }
        }
        Ok(found)
    }

    pub(super) fn deliveries(
        &self,
        prefix: &[u8],
        limit: usize,
        belongs: impl Fn(&Record) -> bool,
    ) -> Result<Vec<Delivery>, ReadFault> {
        Ok(self.indexed(prefix, limit, belongs)?.into_iter().map(|record| record.delivery).collect())
    }

    /// The same within a range of an index.
    pub(super) fn within(
        &self,
        range: Range<Vec<u8>>,
        limit: usize,
        belongs: impl Fn(&Record) -> bool,
    ) -> Result<Vec<Delivery>, ReadFault> {
        let found = self.followed(self.0.range(bounds(&range)), limit, belongs)?;
        Ok(found.into_iter().map(|record| record.delivery).collect())
    }

    /// The same within several ranges, one behind the other.
    pub(super) fn within_each(
        &self,
        ranges: impl IntoIterator<Item = Range<Vec<u8>>>,
        limit: usize,
        belongs: impl Fn(&Record) -> bool,
    ) -> Result<Vec<Delivery>, ReadFault> {
        let mut found = Vec::new();
        for range in ranges {
            found.extend(self.within(range, limit - found.len(), &belongs)?);
        }
        Ok(found)
    }

    /// The first that an index names within `range`, of those that `belong` there.
    pub(super) fn first(
        &self,
        range: Range<Vec<u8>>,
        belongs: impl Fn(&Record) -> bool,
    ) -> Result<Option<Delivery>, ReadFault> {
        Ok(self.within(range, 1, belongs)?.pop())
    }

    /// The last one of these.
    pub(super) fn last(
        &self,
        range: Range<Vec<u8>>,
        belongs: impl Fn(&Record) -> bool,
    ) -> Result<Option<Delivery>, ReadFault> {
        let found = self.followed(self.0.range_back(bounds(&range)), 1, belongs)?;
        Ok(found.into_iter().map(|record| record.delivery).next())
    }

    /// The newest [`KNOWN_MAX`], oldest first.
    pub(super) fn known(&self, name: &[u8; 16]) -> Result<Vec<KnownDocument>, ReadFault> {
        let mut found = Vec::new();
        for entry in self.newest_below(&keys::names(name)).take(KNOWN_MAX) {
            let (key, sealed) = entry?;
            let id: DocumentId = unsealed(&key, &sealed)?;
            let document: Option<DocumentRecord> = self.value(&keys::document(id))?;
            found.extend(document.map(|record| KnownDocument {
                id,
                keys: record.keys,
                digest: record.digest,
            }));
        }
        found.reverse();
        Ok(found)
    }

    pub(super) fn history(&self, id: DeliveryId) -> Result<Vec<HistoryEntry>, ReadFault> {
        let mut newest_first = Vec::new();
        for entry in self.newest_below(&keys::history(id)).take(HISTORY_LINES_MAX as usize) {
            let (key, sealed) = entry?;
            newest_first.push(unsealed(&key, &sealed)?);
        }
        newest_first.reverse();
        Ok(newest_first)
    }

    pub(super) fn events(&self, limit: usize) -> Result<Vec<(u64, Event)>, ReadFault> {
        let mut found = Vec::new();
        for entry in self.below(keys::EVENTS).take(limit) {
            let (key, sealed) = entry?;
            found.push((event_number(&key)?, unsealed(&key, &sealed)?));
        }
        Ok(found)
    }

    /// The numbers of the first event and the last.
    pub(super) fn event_span(&self) -> Result<Option<RangeInclusive<u64>>, ReadFault> {
        let Some(first) = self.below(keys::EVENTS).next().transpose()? else { return Ok(None) };
        let Some(last) = self.newest_below(keys::EVENTS).next().transpose()? else { return Ok(None) };
        Ok(Some(event_number(&first.0)?..=event_number(&last.0)?))
    }

    /// One look-up for each receiver that has something, however much it has.
    pub(super) fn receivers(&self, adapter: AdapterKind) -> Result<Vec<ReceiverToken>, ReadFault> {
        let mut found = Vec::new();
        let mut from = keys::receivers(adapter);
        while let Some(entry) = self.0.range((Bound::Included(&from), Bound::Unbounded)).next() {
            let (key, _) = entry?;
            let Some(receiver) = keys::receiver_of(adapter, &key) else { break };
            from = keys::after_receiver(adapter, &receiver);
            found.push(receiver);
        }
        Ok(found)
    }

    pub(super) fn reports(&self, limit: usize) -> Result<Vec<PendingReport>, ReadFault> {
        let records = self.indexed(keys::REPORTS, limit, |record| record.report.is_some())?;
        let report = |record: Record| {
            let at = record.report?.at;
            Some(PendingReport { delivery: record.delivery, at })
        };
        Ok(records.into_iter().filter_map(report).collect())
    }

    pub(super) fn oldest_pending(&self) -> Result<Option<Timestamp>, ReadFault> {
        let first = self.below(keys::PENDING).next().transpose()?;
        Ok(first.and_then(|(key, _)| keys::accepted_at(&key)))
    }
}

fn bounds(range: &Range<Vec<u8>>) -> Bounds<'_> {
    (Bound::Included(&range.start), Bound::Excluded(&range.end))
}

/// The value that was stored under `key`.
pub(super) fn unsealed<T: DeserializeOwned>(key: &[u8], sealed: &[u8]) -> Result<T, ReadFault> {
    sealed::unseal(key, sealed).map_err(|damage| ReadFault::Damaged(key.to_vec(), damage))
}

/// The number in a key below [`keys::EVENTS`].
fn event_number(key: &[u8]) -> Result<u64, ReadFault> {
    keys::event_in(key).ok_or_else(|| ReadFault::Damaged(key.to_vec(), Damage::Short))
}
