//! The true type of a file, from the ending of its name and its first bytes, and what a ZIP may be called.
//! Types: IANA's registry of media types, and for the endings the usual ones of office programs.

/// Bytes of a file looked at.
pub(super) const HEAD_BYTES: usize = 8;

/// Ending and type. The types that are ZIPs inside are marked: bytes that are a ZIP may only bear these endings.
const TYPES: &[(&str, &str, bool)] = &[
    ("pdf", "application/pdf", false),
    ("doc", "application/msword", false),
    ("xls", "application/vnd.ms-excel", false),
    ("ppt", "application/vnd.ms-powerpoint", false),
    ("rtf", "application/rtf", false),
    ("txt", "text/plain", false),
    ("csv", "text/csv", false),
    ("xml", "application/xml", false),
    ("edxml", "application/xml", false),
    ("json", "application/json", false),
    ("htm", "text/html", false),
    ("html", "text/html", false),
    ("jpg", "image/jpeg", false),
    ("jpeg", "image/jpeg", false),
    ("png", "image/png", false),
    ("gif", "image/gif", false),
    ("tif", "image/tiff", false),
    ("tiff", "image/tiff", false),
    ("zip", "application/zip", true),
    ("jar", "application/java-archive", true),
    ("epub", "application/epub+zip", true),
    ("docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document", true),
    ("docm", "application/vnd.ms-word.document.macroenabled.12", true),
    ("dotx", "application/vnd.openxmlformats-officedocument.wordprocessingml.template", true),
    ("xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", true),
    ("xlsm", "application/vnd.ms-excel.sheet.macroenabled.12", true),
    ("pptx", "application/vnd.openxmlformats-officedocument.presentationml.presentation", true),
    ("pptm", "application/vnd.ms-powerpoint.presentation.macroenabled.12", true),
    ("odt", "application/vnd.oasis.opendocument.text", true),
    ("ods", "application/vnd.oasis.opendocument.spreadsheet", true),
    ("odp", "application/vnd.oasis.opendocument.presentation", true),
];

/// A file of no type that we know.
const UNKNOWN: &str = "application/octet-stream";

/// Whether bytes begin as a ZIP does: with an entry, or empty (APPNOTE 4.3).
pub(super) fn is_zip(head: &[u8]) -> bool {
    head.starts_with(b"PK\x03\x04") || head.starts_with(b"PK\x05\x06")
}

/// Whether a name may be a ZIP's.
pub(super) fn is_zip_name(name: &str) -> bool {
    row(name).is_some_and(|(_, _, zip)| *zip)
}

/// The type of a file of this name that begins so. A name that the bytes contradict says nothing.
pub(super) fn media_type(name: &str, head: &[u8]) -> &'static str {
    match row(name) {
        Some((_, _, true)) if !is_zip(head) => UNKNOWN,
        Some((_, "application/pdf", _)) if !head.starts_with(b"%PDF-") => UNKNOWN,
        Some((_, media_type, _)) => media_type,
        None => UNKNOWN,
    }
}

fn row(name: &str) -> Option<&'static (&'static str, &'static str, bool)> {
    let (_, ending) = name.trim().rsplit_once('.')?;
    TYPES.iter().find(|row| row.0.eq_ignore_ascii_case(ending))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_is_that_of_name_and_bytes() {
        assert_eq!(media_type("Công văn.PDF", b"%PDF-1.7"), "application/pdf");
        assert_eq!(media_type("a.pdf", b"PK\x03\x04...."), UNKNOWN);
        assert_eq!(media_type("a.zip", b"PK\x05\x06...."), "application/zip");
        assert_eq!(media_type("a.zip", b"hello"), UNKNOWN, "never application/zip of anything else");
        assert_eq!(media_type("a.tar.txt", b"x"), "text/plain");
        assert_eq!(media_type("pdf", b"%PDF-1.7"), UNKNOWN);
        assert!(is_zip_name("a.DOCX") && !is_zip_name("a.doc") && !is_zip_name("zip"));
    }
}
