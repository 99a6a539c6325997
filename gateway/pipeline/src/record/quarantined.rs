//! What is noted of a packet that waits at an axis and was not taken.

use jiff::Timestamp;
use lienthong_schemas::ids::{PacketDigest, digest16};
use serde::{Deserialize, Serialize};

use super::SystemId;

/// A packet in quarantine. Texts of the axis and of the packet are escaped for display and cut to 200 characters.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quarantined {
    /// Where it waits.
    pub axis: SystemId,
    /// The axis's id of it.
    pub doc_id: String,
    /// In which list: `edoc` or `status`.
    pub list: String,
    /// Who sent it, by the list.
    pub from: String,
    /// Whom it is for, by the list.
    pub to: String,
    /// Since when it is here.
    pub at: Timestamp,
    /// Why: a code of the table of rejections, or `ECHO_UNMATCHED`.
    pub reason: String,
    /// The cause in words.
    pub detail: String,
    /// The axis was told `fail`, and said that it heard; else it was told nothing, or did not hear.
    pub told_fail: bool,
    /// Of the packet; `None` when it was too large to be fetched.
    pub sha256: Option<PacketDigest>,
    /// Its length.
    pub bytes: Option<u64>,
}

impl Quarantined {
    /// The name of its files, the same whenever the same entry is set aside.
    pub fn name(axis: &SystemId, doc_id: &str) -> String {
        let digest = digest16(&[b"quarantine", axis.as_str().as_bytes(), doc_id.as_bytes()]);
        digest.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}
