//! Packets that do not fit what was said before them, as metrics name them.

/// A packet that was taken although it does not fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Anomaly {
    /// A status of a document that is not known.
    StatusDocumentUnknown,
    /// A status from who neither received nor sent the document.
    StatusSenderUnrelated,
    /// A status that does not follow from the state before it.
    StatusUnexpected,
    /// A packet of type 1, 2 or 3 about a document that is not known.
    ChangeDocumentUnknown,
    /// One that does not follow from the state before it.
    ChangeUnexpected,
    /// A delivery that is held: another gateway took another document under its DocumentId for its receiver.
    DocumentConflict,
    /// A document under whose DocumentId another gateway took another one.
    DocumentIdReused,
}

impl Anomaly {
    /// Every anomaly.
    pub const ALL: [Self; 7] = [
        Self::StatusDocumentUnknown,
        Self::StatusSenderUnrelated,
        Self::StatusUnexpected,
        Self::ChangeDocumentUnknown,
        Self::ChangeUnexpected,
        Self::DocumentConflict,
        Self::DocumentIdReused,
    ];

    /// The label.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::StatusDocumentUnknown => "status_document_unknown",
            Self::StatusSenderUnrelated => "status_sender_unrelated",
            Self::StatusUnexpected => "status_unexpected",
            Self::ChangeDocumentUnknown => "change_document_unknown",
            Self::ChangeUnexpected => "change_unexpected",
            Self::DocumentConflict => "document_conflict",
            Self::DocumentIdReused => "document_id_reused",
        }
    }
}
