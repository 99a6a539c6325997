//! What the sender of a packet gets, and can show later.

use jiff::Timestamp;
use lienthong_schemas::edxml::Finding;
use lienthong_schemas::ids::{DeliveryId, DocumentId, PacketDigest};
use lienthong_schemas::organ::OrganId;
use serde::{Deserialize, Serialize};

use super::{State, SystemId};

/// What the sender gets, and can show later.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// The gateway's id of the document.
    pub document_id: DocumentId,
    /// When the document was on disk.
    pub accepted_at: Timestamp,
    /// `From/OrganId`.
    pub from: OrganId,
    /// The sender's own `DocumentId`, escaped for display; empty when the packet has none.
    pub sender_document_id: String,
    /// Packet kind, as in the document id.
    pub kind: String,
    /// SHA-256 of the bytes received.
    pub sha256: PacketDigest,
    /// Their number.
    pub bytes: u64,
    /// Which system brought it.
    pub origin: SystemId,
    /// Signature verdict: `absent`, `valid`, `unusable`, `invalid`.
    pub signature: String,
    /// Subject of the signer's certificate when valid.
    pub signer: Option<String>,
    /// What was noticed and did not hinder: stable codes, warnings first.
    pub findings: Vec<String>,
    /// Where, and in words: warnings first, at most [`Remark::KEPT_MAX`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub remarks: Vec<Remark>,
    /// `local`, or `broker` when the broker had it before the receipt.
    pub durability: String,
    /// One line a receiver.
    pub deliveries: Vec<ReceiptLine>,
}

impl Receipt {
    /// The receipt as it is shown: with the words of its remarks, which are not stored.
    #[must_use]
    pub fn worded(mut self) -> Self {
        self.remarks = self.remarks.into_iter().map(Remark::worded).collect();
        self
    }
}

/// A finding with its place. Texts from the packet are escaped for display and cut to 200 characters.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Remark {
    /// The finding's stable code.
    pub code: String,
    /// Where: an element path, `edXMLHeader/MessageHeader/To[2]/OrganId`.
    pub field: String,
    /// The value or the cause; empty where there is nothing to add.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub detail: String,
    /// `warning` or `note`; only where it is shown, as the words.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub severity: String,
    /// What a clerk reads.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub vi: String,
    /// And in English.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub en: String,
}

impl Remark {
    /// Most remarks of a receipt.
    pub const KEPT_MAX: usize = 20;

    /// With weight and words. A code of a program that came after this one has none.
    #[must_use]
    pub fn worded(mut self) -> Self {
        if let Some(finding) = Finding::from_code(&self.code) {
            let (vi, en) = finding.wording();
            finding.severity().as_str().clone_into(&mut self.severity);
            vi.clone_into(&mut self.vi);
            en.clone_into(&mut self.en);
        }
        self
    }
}

/// One receiver in a receipt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReceiptLine {
    /// The delivery.
    pub delivery_id: DeliveryId,
    /// The receiver as the packet names it.
    pub receiver: OrganId,
    /// State at the time of the receipt.
    pub state: State,
    /// That state for a clerk.
    pub state_vi: String,
}
