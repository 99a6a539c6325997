//! What a file is by its first bytes, whatever is said of it.

/// A kind of file that agencies send.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FileKind {
    /// Nothing.
    Empty,
    /// PDF (ISO 32000).
    Pdf,
    /// A ZIP archive of unknown content.
    Zip,
    /// None of the others.
    Unknown,
}

impl FileKind {
    /// The kind of a file that begins so.
    pub fn of(head: &[u8]) -> Self {
        match head {
            [] => Self::Empty,
            _ if head.starts_with(b"%PDF-") => Self::Pdf,
            _ if head.starts_with(b"PK\x03\x04") => Self::Zip,
            _ => Self::Unknown,
        }
    }
}
