//! What waits for us at an axis, and the word by which we take it out. `adapters::national_axis` in the program,
//! `adapters::contract::MemoryInbox` in tests.

use async_trait::async_trait;
use jiff::Timestamp;

use super::{DeliveryFailure, Fault, Incoming, IncomingWriter};
use crate::record::{BeyondWord, SystemId};

/// An axis's id of one packet for one receiver of ours: 1 to [`AxisDocId::BYTES_MAX`] visible ASCII characters.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AxisDocId(String);

impl AxisDocId {
    /// The longest id, in bytes. Real ones are UUIDs.
    pub const BYTES_MAX: usize = 128;

    /// The id that an axis wrote; `None` when it cannot be one.
    pub fn parse(text: &str) -> Option<Self> {
        let fits = (1..=Self::BYTES_MAX).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic());
        fits.then(|| Self(text.to_owned()))
    }

    /// The id's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for AxisDocId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// The two lists that an axis keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Traffic {
    /// Document packets.
    Documents,
    /// Status packets.
    Statuses,
}

impl Traffic {
    /// Both, in the order in which they are asked for: a status may be about a document that waits.
    pub const ALL: [Self; 2] = [Self::Documents, Self::Statuses];

    /// `messagetype` of the protocol.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Documents => "edoc",
            Self::Statuses => "status",
        }
    }
}

/// One line of a list. The axis says so; only the packet itself counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AxisEntry {
    /// The id by which it is fetched and confirmed.
    pub id: AxisDocId,
    /// Who sent it, as the axis writes it; may be empty.
    pub from: String,
    /// Which of our receivers it is for, as the axis writes it; may be empty.
    pub to: String,
}

/// What waits.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AxisList {
    /// In the order of the axis, each id once.
    pub entries: Vec<AxisEntry>,
    /// Lines that are none: without an id, or with one that cannot be.
    pub broken: usize,
}

/// Why a packet was not fetched.
#[derive(Clone, Debug, thiserror::Error)]
pub enum FetchFailure {
    /// The axis's side.
    #[error(transparent)]
    Axis(#[from] DeliveryFailure),
    /// It is larger than what may come in. No more of it was read.
    #[error("larger than {bytes_max} bytes")]
    TooLarge {
        /// The limit.
        bytes_max: u64,
    },
    /// Ours: the packet could not be written down.
    #[error(transparent)]
    Ours(#[from] Fault),
}

/// What an axis is told of an entry. It may be told twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Confirmation {
    /// We have it, on disk: the axis need not keep it.
    Done,
    /// We cannot take it.
    Fail,
}

impl Confirmation {
    /// `status` of the protocol.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Fail => "fail",
        }
    }
}

/// What an axis says of one receiver of a submission of ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SentEntry {
    /// The receiver, as the axis writes it; may be empty.
    pub to: String,
    /// What the receiver has said; `None` for a word that is not known.
    pub word: Option<BeyondWord>,
    /// What else the axis says of that, escaped and cut to 200 characters.
    pub note: String,
}

/// The mailboxes of our systems at axes. It tries once, as an [`super::Adapter`] does. `at` is the time of the attempt, for
/// signatures over it.
#[async_trait]
pub trait AxisInbox: Send + Sync + 'static {
    /// What waits of one kind. An answer that is no list is a failure, never an empty list.
    async fn waiting(
        &self,
        axis: &SystemId,
        traffic: Traffic,
        at: Timestamp,
    ) -> Result<AxisList, DeliveryFailure>;

    /// Writes a packet of at most `bytes_max` bytes into `sink` as it comes, and returns it whole. It goes on waiting at
    /// the axis.
    async fn fetch(
        &self,
        axis: &SystemId,
        id: &AxisDocId,
        sink: Box<dyn IncomingWriter>,
        bytes_max: u64,
        at: Timestamp,
    ) -> Result<Box<dyn Incoming>, FetchFailure>;

    /// What became of a submission of ours: an entry for each receiver.
    async fn sent(
        &self,
        axis: &SystemId,
        id: &AxisDocId,
        traffic: Traffic,
        at: Timestamp,
    ) -> Result<Vec<SentEntry>, DeliveryFailure>;

    /// Says what became of an entry.
    async fn confirm(
        &self,
        axis: &SystemId,
        id: &AxisDocId,
        word: Confirmation,
        at: Timestamp,
    ) -> Result<(), DeliveryFailure>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_short_and_visible() {
        let longest = "x".repeat(AxisDocId::BYTES_MAX);
        for good in ["6f1d-00/{}", "a", &longest] {
            assert_eq!(AxisDocId::parse(good).expect(good).as_str(), good);
        }
        for bad in ["", " ", "a b", "a\n", "é", "a\u{7f}", &format!("{longest}x")] {
            assert_eq!(AxisDocId::parse(bad), None, "{bad:?}");
        }
    }
}
