//! Packets on disk: what comes in, what is kept, and what is noted beside it.

use std::io::BufRead;
use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use jiff::Timestamp;
use lienthong_schemas::ids::{DeliveryId, DocumentId, PacketDigest};

use super::{AxisDocId, Fault};
use crate::record::{Admission, AxisCopy, Quarantined, Route, State, SystemId};

/// A packet in `incoming/`: received whole, nobody vouches for it, thrown away when dropped.
pub trait Incoming: Send + Sync {
    /// SHA-256, made while the bytes came in.
    fn digest(&self) -> PacketDigest;
    /// Number of bytes.
    fn bytes(&self) -> u64;
    /// The bytes from the start; may be opened more than once.
    fn open(&self) -> Result<Box<dyn BufRead + Send>, Fault>;
}

/// A sink for a packet that is coming in.
#[async_trait]
pub trait IncomingWriter: Send {
    /// Appends.
    async fn write(&mut self, chunk: Bytes) -> Result<(), Fault>;
    /// Ends the packet. What was written is not yet durable.
    async fn finish(self: Box<Self>) -> Result<Box<dyn Incoming>, Fault>;
}

/// What the spool takes of its disk, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SpoolUsage {
    /// Packets in `blobs/` and `incoming/`.
    pub bytes: u64,
    /// What these may come to by intake; `None`: no limit but the disk.
    pub quota: Option<u64>,
    /// Free on the disk for this user.
    pub disk_free: u64,
    /// What intake leaves free of it; 0: nothing.
    pub disk_free_min: u64,
}

impl SpoolUsage {
    /// How full it is, in per cent, by what is fuller: packets of their quota, or what is to stay free of what is free on
    /// the disk. 100 and more: intake is refused.
    pub fn percent_full(&self) -> u64 {
        let of = |part: u64, whole: u64| match (part, whole) {
            (_, 0) => 100,
            (part, whole) => u64::try_from(u128::from(part) * 100 / u128::from(whole)).unwrap_or(u64::MAX),
        };
        let disk = if self.disk_free_min == 0 { 0 } else { of(self.disk_free_min, self.disk_free) };
        self.quota.map_or(0, |quota| of(self.bytes, quota)).max(disk)
    }
}

/// Packets on disk (design.md B2): `incoming/`, `blobs/`, `admissions/`.
#[async_trait]
pub trait Spool: Send + Sync + 'static {
    /// Opens a new file in `incoming/` for a packet that somebody sends us. Here, and when it is written, the spool's
    /// quota and the space to be kept free on the disk hold: [`Fault::full`] when there is no room.
    async fn receive(&self) -> Result<Box<dyn IncomingWriter>, Fault>;

    /// The same for what the gateway needs to go on: status packets of its own, packets taken over from the broker. It
    /// counts towards the quota, and only the disk itself refuses it.
    async fn receive_ours(&self) -> Result<Box<dyn IncomingWriter>, Fault>;

    /// Whether a packet of this length could come in by [`Spool::receive`] now; [`Fault::full`] if not.
    fn room_for(&self, bytes: u64) -> Result<(), Fault>;

    /// Numbers for metrics.
    async fn usage(&self) -> Result<SpoolUsage, Fault>;

    /// B2: blob and admission are fdatasynced, renamed, and both folders fsynced when this returns. Repeating it for
    /// the same document does no harm; the first admission stays, and is returned if it is not this one.
    async fn admit(
        &self,
        packet: Box<dyn Incoming>,
        admission: &Admission,
    ) -> Result<Option<Admission>, Fault>;

    /// Takes a blob that did not come through intake (fetched from the Object Store) under its digest, durably.
    async fn adopt(&self, packet: Box<dyn Incoming>) -> Result<(), Fault>;

    /// The admission of a document, `None` when there is none.
    async fn admission(&self, id: DocumentId) -> Result<Option<Admission>, Fault>;

    /// Notes durably, beside the admission, that a delivery of this document came into a state, and when.
    async fn settled(
        &self,
        document: DocumentId,
        delivery: DeliveryId,
        state: State,
        at: Timestamp,
    ) -> Result<(), Fault>;

    /// The same of a state of which nobody is told: [`Spool::settled`] and [`Spool::reported`] at once.
    async fn settled_untold(
        &self,
        document: DocumentId,
        delivery: DeliveryId,
        state: State,
        at: Timestamp,
    ) -> Result<(), Fault>;

    /// Notes durably that a delivery of this document is `Queued` again since `at`, on this way: a store that is built anew
    /// has it there, whatever is noted later. The receiver of the admission is served by it, as before.
    async fn rerouted(
        &self,
        document: DocumentId,
        delivery: DeliveryId,
        route: &Route,
        at: Timestamp,
    ) -> Result<(), Fault>;

    /// Notes durably that the report which the last state noted asked for has been admitted. A store that is built anew
    /// has every other one pending again, except that one who was told of a delivery given up is not told so again.
    async fn reported(&self, document: DocumentId, delivery: DeliveryId) -> Result<(), Fault>;

    /// Notes durably that the operator has dealt with the dead letter that the last state noted made of a delivery
    /// ([`super::Transition::Closed`]). A store that is built anew lists every other one again.
    async fn closed(&self, document: DocumentId, delivery: DeliveryId) -> Result<(), Fault>;

    /// Notes durably, beside the admission of a document, what an axis gave that says the same; once.
    async fn copied(&self, document: DocumentId, copy: &AxisCopy) -> Result<(), Fault>;

    /// What was so noted, the oldest first; at most [`AxisCopy::KEPT_MAX`].
    async fn copies(&self, document: DocumentId) -> Result<Vec<AxisCopy>, Fault>;

    /// The file of a blob, `None` when the spool does not have it.
    async fn blob(&self, digest: PacketDigest) -> Result<Option<PathBuf>, Fault>;

    /// Keeps what waits at an axis and was not taken, durably, with why; the packet too, where there is one. Again for the
    /// same entry, it takes the place of what was there; without a packet, of the note only. [`Fault::full`] when there is too much of it.
    async fn quarantine(&self, packet: Option<Arc<dyn Incoming>>, note: &Quarantined) -> Result<(), Fault>;

    /// Whether an entry of an axis is in quarantine.
    async fn is_quarantined(&self, axis: &SystemId, id: &AxisDocId) -> Result<bool, Fault>;

    /// How many are.
    async fn quarantine_count(&self) -> Result<u64, Fault>;

    /// The bytes of a blob as they are on disk; `None` when the spool has none under this digest that is at most `most`
    /// bytes long.
    async fn read(&self, digest: PacketDigest, most: u64) -> Result<Option<Bytes>, Fault>;
}
