//! The rolls of the directory where gateways are several: all of them have one and the same.

use std::collections::BTreeMap;

use async_trait::async_trait;
use bytes::Bytes;
use sha2::{Digest, Sha256};

use super::Fault;
use crate::directory::Roll;
use crate::record::SystemId;

/// Longest roll that is shared, in bytes as JSON.
pub const SHARED_ROLL_BYTES_MAX: usize = 128 << 20;

/// Which writing of a roll it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RollVersion {
    /// The number by which whoever keeps it counts; 0: nothing was written.
    pub revision: u64,
    /// Drawn by whoever wrote it: one that is kept anew from its beginning has the same numbers again. 0 where what stands
    /// there cannot be read, or nothing does.
    pub write: u64,
}

/// What is shared under an id.
#[derive(Clone, Debug, PartialEq)]
pub enum Shared {
    /// Nothing, or no longer.
    Nothing,
    /// A roll.
    Roll(Box<Roll>),
    /// Something that is no roll, or no longer whole.
    Damaged {
        /// What is wrong with it.
        why: String,
        /// The checksum that it should have, where that can be read; see [`RollText`].
        checksum: Option<String>,
    },
}

/// All that is shared: the last writing of each id.
pub type RollVersions = BTreeMap<SystemId, RollVersion>;

/// One roll for each axis or system, which all gateways see alike. Every call may fail at any time, but for
/// [`SharedRolls::other_than`], which waits. A reader gets a roll whole or not at all.
#[async_trait]
pub trait SharedRolls: Send + Sync + 'static {
    /// What is shared now, as soon as it is not this; `None`: whatever it is. Waits for as long as that takes, outages with
    /// it. It may be a moment old.
    async fn other_than(&self, known: Option<&RollVersions>) -> RollVersions;
    /// What stands under an id now; `None`: what is known does still. A roll of a newer program is a fault.
    async fn read(
        &self,
        id: &SystemId,
        known: Option<RollVersion>,
    ) -> Result<Option<(RollVersion, Shared)>, Fault>;
    /// Puts a roll behind the writing with this revision; `None`: that is not the last one, and nothing was changed. After a
    /// fault it may stand there or not.
    async fn put(&self, id: &SystemId, after: u64, roll: &Roll) -> Result<Option<RollVersion>, Fault>;
}

/// A roll as it is shared.
pub struct RollText {
    /// As JSON; the same roll has the same.
    pub json: Bytes,
    /// SHA-256 of that.
    pub checksum: String,
}

impl RollText {
    /// That of a roll.
    ///
    /// # Errors
    /// It is longer than [`SHARED_ROLL_BYTES_MAX`].
    pub fn of(roll: &Roll) -> Result<Self, Fault> {
        let json = serde_json::to_vec(roll).map_err(|cause| Fault::new("rolls", cause))?;
        if json.len() > SHARED_ROLL_BYTES_MAX {
            return Err(Fault::new("rolls", format!("a roll of {} bytes", json.len())));
        }
        Ok(Self { checksum: Self::checksum(&json), json: json.into() })
    }

    /// The checksum of a roll's text.
    pub fn checksum(json: &[u8]) -> String {
        Sha256::digest(json).iter().map(|byte| format!("{byte:02x}")).collect()
    }
}
