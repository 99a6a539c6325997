//! How much of a packet is kept in memory. Attachments are not: they are hashed as they pass.

/// Limits on what one packet may say. What is over one is refused with the field and the limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EdxmlLimits {
    /// `To` elements.
    pub receivers: usize,
    /// `Attachment` elements.
    pub attachments: usize,
    /// All other elements that may repeat, together: references, places, trace headers, replaced documents, staff.
    pub entries: usize,
    /// UTF-8 bytes of the text of one field.
    pub field_bytes: usize,
    /// UTF-8 bytes of the texts of all fields together (attachments' content is no field).
    pub text_bytes: usize,
}

impl Default for EdxmlLimits {
    fn default() -> Self {
        Self {
            receivers: 5_000,
            attachments: 1_000,
            entries: 20_000,
            field_bytes: 64 * 1024,
            text_bytes: 8 * 1024 * 1024,
        }
    }
}
