//! `[recall]`: what becomes of a document that its sender takes back before it has left; docs/recall.md.

use crate::reading::Section;

/// What a revocation does that meets a delivery which has not left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Undelivered {
    /// Both are withdrawn, and the receiver hears of neither.
    Withdraw,
    /// Both are delivered, one after the other.
    Deliver,
}

/// What becomes of a document that its sender takes back.
#[derive(Clone, Debug)]
pub struct RecallSettings {
    /// For what has not left.
    pub undelivered: Undelivered,
}

impl RecallSettings {
    pub(crate) fn read(section: &mut Section<'_, '_>) -> Self {
        let choices = [("withdraw", Undelivered::Withdraw), ("deliver", Undelivered::Deliver)];
        Self { undelivered: section.choice("undelivered", &choices, Undelivered::Withdraw) }
    }
}
