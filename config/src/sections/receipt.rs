//! `[receipt]`: when a sender gets its receipt (design.md B2).

use crate::reading::Section;

/// What is done before the receipt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReceiptAfter {
    /// Packet and records are on this gateway's disk; the receipt says `durability: local`.
    Outbox,
    /// The broker has them too; the receipt says `durability: broker`. A broker that does not answer within 10 s makes
    /// the sender come again.
    Broker,
}

/// When a sender gets its receipt.
#[derive(Clone, Debug)]
pub struct ReceiptSettings {
    /// What is done before.
    pub after: ReceiptAfter,
}

impl ReceiptSettings {
    pub(crate) fn read(section: &mut Section<'_, '_>) -> Self {
        let choices = [("outbox", ReceiptAfter::Outbox), ("outbox+broker", ReceiptAfter::Broker)];
        Self { after: section.choice("after", &choices, ReceiptAfter::Outbox) }
    }
}
