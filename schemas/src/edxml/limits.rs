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
    /// ZIP archives in each other, that of the attachment included.
    pub archive_levels: u8,
    /// Files that the directory of one archive may list.
    pub archive_entries: u64,
    /// How many times larger than its attachment what comes out of an archive may be, once it is larger than
    /// [`archive_ratio_from`](Self::archive_ratio_from). Deflate reaches 1,032; drawings and spreadsheets 50.
    pub archive_ratio: u32,
    /// Bytes out of one archive up to which the ratio does not matter: a page may begin with much white.
    pub archive_ratio_from: u64,
    /// Bytes out of all archives of the packet together.
    pub archive_bytes: u64,
}

impl Default for EdxmlLimits {
    fn default() -> Self {
        Self {
            receivers: 5_000,
            attachments: 1_000,
            entries: 20_000,
            field_bytes: 64 * 1024,
            text_bytes: 8 * 1024 * 1024,
            archive_levels: 3,
            archive_entries: 10_000,
            archive_ratio: 200,
            archive_ratio_from: 1024 * 1024,
            archive_bytes: 2 * 1024 * 1024 * 1024,
        }
    }
}
