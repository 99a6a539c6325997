//! The true type of a file that we write, from the ending of its name and its first bytes, and what a ZIP may be called.
//! Both go by the tables of the reader ([`FileKind`], `attachment::kinds`), so that it agrees.

use crate::edxml::attachment::kinds::{ending, ending_differs, is_archive_ending, is_document_ending};
use crate::edxml::file_kind::FileKind;

/// Bytes of a file looked at.
pub(super) const HEAD_BYTES: usize = FileKind::HEAD_BYTES;

/// The types of endings whose kind stands for several formats: IANA's registry of media types.
const FORMATS: &[(&str, &str)] = &[
    ("xls", "application/vnd.ms-excel"),
    ("xlt", "application/vnd.ms-excel"),
    ("ppt", "application/vnd.ms-powerpoint"),
    ("pps", "application/vnd.ms-powerpoint"),
    ("msg", "application/vnd.ms-outlook"),
    ("vsd", "application/vnd.visio"),
    ("docm", "application/vnd.ms-word.document.macroenabled.12"),
    ("dotx", "application/vnd.openxmlformats-officedocument.wordprocessingml.template"),
    ("xlsm", "application/vnd.ms-excel.sheet.macroenabled.12"),
    ("xltx", "application/vnd.openxmlformats-officedocument.spreadsheetml.template"),
    ("pptm", "application/vnd.ms-powerpoint.presentation.macroenabled.12"),
    ("jar", "application/java-archive"),
    ("asice", "application/vnd.etsi.asic-e+zip"),
    ("csv", "text/csv"),
    ("json", "application/json"),
    ("svg", "image/svg+xml"),
    ("p7s", "application/pkcs7-signature"),
];

/// A file of no type that we know, or of another one than its name says.
const UNKNOWN: &str = "application/octet-stream";

/// Whether bytes begin as a ZIP does.
pub(super) fn is_zip(head: &[u8]) -> bool {
    FileKind::of(head).is_zip()
}

/// Whether receivers leave a ZIP of this name as it is.
pub(super) fn is_zip_name(name: &str) -> bool {
    let ending = ending(name);
    is_archive_ending(&ending) || is_document_ending(&ending)
}

/// The type of a file of this name that begins so. A name that the bytes contradict says nothing.
pub(super) fn media_type(name: &str, head: &[u8]) -> &'static str {
    let (ending, kind) = (ending(name), FileKind::of(head));
    if kind == FileKind::Empty || ending_differs(&ending, kind) {
        return UNKNOWN;
    }
    if let Some((_, media_type)) = FORMATS.iter().find(|(format, _)| *format == ending) {
        return media_type;
    }
    let usual = || FileKind::with_ending(&ending);
    let meant = usual().find(|usual| *usual == kind).or_else(|| usual().next());
    meant.unwrap_or(kind).mime_types().first().copied().unwrap_or(UNKNOWN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_is_that_of_name_and_bytes() {
        const OLE: &[u8] = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1 and more";
        for (name, head, media_type_meant) in [
            ("Công văn.PDF", &b"%PDF-1.7"[..], "application/pdf"),
            ("a.pdf", b"PK\x03\x04....", UNKNOWN),
            ("a.zip", b"PK\x05\x06....", "application/zip"),
            ("a.zip", b"hello", UNKNOWN),
            ("a.zip", b"", UNKNOWN),
            ("a.tar.txt", b"x", "text/plain"),
            ("a.csv", b"x,y", "text/csv"),
            ("a.doc", OLE, "application/msword"),
            ("a.doc", b"{\\rtf1", "application/rtf"),
            ("a.xls", OLE, "application/vnd.ms-excel"),
            (
                "a.docx",
                b"PK\x03\x04",
                "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
            ),
            ("a.docm", b"PK\x03\x04", "application/vnd.ms-word.document.macroenabled.12"),
            ("quét", b"%PDF-1.7", "application/pdf"),
            ("a.khac", b"\0\x01\x02", UNKNOWN),
        ] {
            assert_eq!(media_type(name, head), media_type_meant, "{name}");
        }
        assert!(
            is_zip_name("a.DOCX") && is_zip_name("a.jar") && !is_zip_name("a.doc") && !is_zip_name("zip")
        );
    }

    #[test]
    fn only_a_zip_is_called_one() {
        for ending in FileKind::ALL.iter().flat_map(|kind| kind.endings()) {
            for head in [&b"%PDF-1.7"[..], b"text", b"", b"\0\x01", b"\x1f\x8b\x08"] {
                assert_ne!(media_type(&format!("a.{ending}"), head), "application/zip", "{ending}");
            }
        }
    }
}
