//! What an axis gave that says what a document of ours says, in the same bytes or in others: axes write packets anew.

use jiff::Timestamp;
use lienthong_schemas::ids::{DocumentId, PacketDigest};
use serde::{Deserialize, Serialize};

use super::SystemId;

/// Such a packet. Noted beside the admission of the document, once however often it comes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AxisCopy {
    /// When it came.
    pub at: Timestamp,
    /// Which axis gave it.
    pub axis: SystemId,
    /// The axis's id of it, escaped for display; empty where the axis was told that it is not taken.
    pub doc_id: String,
    /// Of its bytes.
    pub sha256: PacketDigest,
    /// Their number.
    pub bytes: u64,
    /// What it is to the document.
    pub relation: CopyRelation,
    /// The other document, where there are two.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub document: Option<DocumentId>,
}

/// What a packet of an axis is to a document that says the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CopyRelation {
    /// We sent the document to that axis, and it came back.
    Echo,
    /// The document in other bytes, for receivers that had it: it was not delivered again.
    Repeat,
    /// The document in other bytes, for further receivers: it was taken as the other document.
    TakenFor,
    /// It is this document, and says in other bytes what the other one said.
    CopyOf,
}

impl AxisCopy {
    /// Most that are noted of one document; the oldest go first.
    pub const KEPT_MAX: usize = 20;

    /// Whether this is noted already.
    pub fn is(&self, other: &Self) -> bool {
        let key = |copy: &Self| (copy.relation, copy.document, copy.sha256, copy.bytes);
        key(self) == key(other) && (&self.axis, &self.doc_id) == (&other.axis, &other.doc_id)
    }
}

impl CopyRelation {
    /// Vietnamese and English for a clerk.
    pub const fn wording(self) -> (&'static str, &'static str) {
        match self {
            Self::Echo => (
                "bản trục gửi trả lại văn bản này, không chuyển tiếp",
                "this document as the axis gave it back; it was not delivered",
            ),
            Self::Repeat => (
                "cùng nội dung, khác byte, cho nơi đã nhận; không chuyển lần nữa",
                "the same in other bytes, for receivers that had it; not delivered again",
            ),
            Self::TakenFor => (
                "cùng nội dung, khác byte, cho nơi chưa nhận; nhận thành văn bản kia",
                "the same in other bytes, for further receivers; taken as the other document",
            ),
            Self::CopyOf => (
                "văn bản này cùng nội dung với văn bản kia, khác byte",
                "this document says in other bytes what the other one said",
            ),
        }
    }
}
