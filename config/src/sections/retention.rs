//! `[retention]`: how long things are remembered.

use std::time::Duration;

use crate::reading::Section;
use crate::values::span::Span;

/// How long things are remembered.
#[derive(Clone, Debug)]
pub struct RetentionSettings {
    /// For this long a repeated request with the same idempotency key gets the same receipt.
    pub idempotency: Duration,
    /// A document all of whose deliveries are over is kept for this long: packet, receipt, history, and the keys by which
    /// a repeat is recognised. What somebody has still to deal with is kept until then. At least `idempotency`, and at
    /// least 30 days more than a delivery is tried.
    pub documents: Duration,
    /// What is over in a mailbox, done mostly, can be fetched again for this long, as long as its document is kept; after
    /// that its id is like one that never was.
    pub mailboxes: Duration,
}

impl RetentionSettings {
    pub(crate) fn read(section: &mut Section<'_, '_>) -> Self {
        let days = |n: u64| Span::new(Duration::from_secs(n * 86_400));
        let idempotency = section.ranged("idempotency", days(30), days(1), days(3_650));
        let documents = section.ranged("documents", days(730).max(idempotency), days(1), days(36_500));
        let mailboxes = section.ranged("mailboxes", days(90), days(1), days(36_500));
        let (idempotency, documents) = (idempotency.duration(), documents.duration());
        Self { idempotency, documents, mailboxes: mailboxes.duration() }
    }
}
