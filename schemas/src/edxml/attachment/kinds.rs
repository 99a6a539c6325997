//! What is said of a file (its MIME type, the ending of its name), compared with what it is.

use crate::edxml::file_kind::{FileKind, is_utf8};

/// Endings of ZIP archives that are meant to be seen as such: they are never unpacked.
const ARCHIVE_ENDINGS: &[&str] = &["zip", "jar", "epub", "asice", "asics", "kmz"];

/// Types that were made for the formats before OOXML, and are given to it too.
const OLD_TYPES: &[&str] =
    &["application/msword", "application/vnd.ms-excel", "application/vnd.ms-powerpoint"];

/// The ending of a file's name in lower case; empty when it has none.
pub(in crate::edxml) fn ending(name: &str) -> String {
    let ending = name.trim().rsplit_once('.').map_or("", |(_, ending)| ending);
    let plausible = ending.len() <= 10 && ending.bytes().all(|b| b.is_ascii_alphanumeric());
    if plausible { ending.to_ascii_lowercase() } else { String::new() }
}

/// A file with this ending is an archive to its receiver.
pub(in crate::edxml) fn is_archive_ending(ending: &str) -> bool {
    ARCHIVE_ENDINGS.contains(&ending)
}

/// A file with this ending is a document whose parts are in a ZIP (OOXML, ODF).
pub(in crate::edxml) fn is_document_ending(ending: &str) -> bool {
    FileKind::with_ending(ending).any(FileKind::is_document_in_zip)
}

/// A binary file whose bytes were read as UTF-8 on the way: U+FFFD stands where other bytes stood.
pub(in crate::edxml) fn is_mangled(head: &[u8]) -> bool {
    let binary = matches!(FileKind::of(head), FileKind::Pdf | FileKind::Zip | FileKind::Unknown);
    binary && memchr::memmem::find(head, "\u{fffd}".as_bytes()).is_some() && is_utf8(head)
}

/// The declared MIME type contradicts the bytes. Many senders zip single files, and call them by either type; the
/// reference library makes types of endings (`application/docx`).
pub(in crate::edxml) fn type_differs(mime: &str, name: &str, kind: FileKind) -> bool {
    let mime = mime.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    if mime.is_empty() || mime == "application/octet-stream" || kind == FileKind::Empty {
        return false;
    }
    let short = mime.strip_prefix("application/").unwrap_or_default();
    let means = |k: &FileKind| k.mime_types().contains(&mime.as_str()) || k.endings().contains(&short);
    let mut meant = FileKind::ALL.iter().filter(|k| means(k)).copied().peekable();
    if meant.peek().is_none() {
        return kind.is_zip() && !is_document_ending(&ending(name)) && !is_archive_ending(&ending(name));
    }
    let old = kind.is_zip() && OLD_TYPES.contains(&mime.as_str()) && is_document_ending(&ending(name));
    !old && !meant.any(|meant| fits(meant, kind))
}

/// The ending of a name contradicts the bytes. One that no kind has says nothing.
pub(in crate::edxml) fn ending_differs(ending: &str, kind: FileKind) -> bool {
    let mut usual = FileKind::with_ending(ending).peekable();
    kind != FileKind::Empty && usual.peek().is_some() && !usual.any(|usual| fits(usual, kind))
}

/// A file of kind `is` can be what is `meant`.
fn fits(meant: FileKind, is: FileKind) -> bool {
    meant == is
        || (meant.is_text() && is.is_text())
        // A document whose parts are in an unusual order, and an archive that holds one.
        || (meant.is_zip() && is == FileKind::Zip)
        || (meant == FileKind::Zip && is.is_zip())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_compared_with_the_bytes() {
        assert!(type_differs("application/pdf", "a.pdf", FileKind::Zip));
        assert!(type_differs("text/plain", "a.txt", FileKind::Zip));
        assert!(type_differs("application/zip", "a.txt", FileKind::Text));
        assert!(type_differs("application/x-unheard-of", "a.x", FileKind::Zip));
        assert!(type_differs("image/png; q=1", "a.png", FileKind::Jpeg));
        assert!(type_differs("application/pdf", "a.pdf", FileKind::Unknown));
        assert!(type_differs("application/doc", "a.doc", FileKind::Docx));
        for (mime, name, kind) in [
            ("application/zip", "a.txt", FileKind::Zip),
            ("application/zip", "a.docx", FileKind::Docx),
            ("application/vnd.ms-excel", "a.XLSX", FileKind::Xlsx),
            ("application/msword", "a.docx", FileKind::Zip),
            ("application/pdf", "a.pdf", FileKind::Pdf),
            (" Application/PDF ; charset=x", "a.pdf", FileKind::Pdf),
            ("application/docx", "a.docx", FileKind::Docx),
            ("application/doc", "a.doc", FileKind::Ole),
            ("text/plain", "a.txt", FileKind::TextLegacy),
            ("text/xml", "a.xml", FileKind::Edxml),
            ("application/octet-stream", "a.pdf", FileKind::Zip),
            ("", "", FileKind::Unknown),
            ("application/x-unheard-of", "a.x", FileKind::Pdf),
            ("application/pdf", "a.pdf", FileKind::Empty),
        ] {
            assert!(!type_differs(mime, name, kind), "{mime} {name} {kind}");
        }
    }

    #[test]
    fn endings_are_compared_with_the_bytes() {
        for (name, kind) in [
            ("a.pdf", FileKind::Zip),
            ("a.doc", FileKind::Docx),
            ("a.docx", FileKind::Ole),
            ("a.xls", FileKind::Html),
            ("a.pdf", FileKind::Unknown),
            ("a.txt", FileKind::Program),
        ] {
            assert!(ending_differs(&ending(name), kind), "{name} {kind}");
        }
        for (name, kind) in [
            ("a.PDF ", FileKind::Pdf),
            ("a.doc", FileKind::Rtf),
            ("a.docx", FileKind::Zip),
            ("a.zip", FileKind::Docx),
            ("a.csv", FileKind::TextLegacy),
            ("a.xml", FileKind::Edxml),
            ("a.signed", FileKind::Pdf),
            ("pdf", FileKind::Zip),
            ("a.pdf", FileKind::Empty),
            ("Công văn số 12.TTr-UBND tỉnh", FileKind::Pdf),
        ] {
            assert!(!ending_differs(&ending(name), kind), "{name} {kind}");
        }
    }

    #[test]
    fn bytes_that_were_read_as_text_are_known() {
        let mangled = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned().into_bytes();
        for bytes in [
            &b"%PDF-1.4\n%\xe2\xe3\xcf\xd3"[..],
            b"PK\x03\x04\x14\0\x08\0\xb7\xf9",
            b"\xff\xd8\xff\xe0\0\x10JFIF",
        ] {
            assert!(!is_mangled(bytes), "{}", bytes.escape_ascii());
            assert!(is_mangled(&mangled(bytes)), "{}", bytes.escape_ascii());
        }
        assert!(!is_mangled("một dấu \u{fffd} trong văn bản".as_bytes()));
    }
}
