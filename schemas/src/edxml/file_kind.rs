//! What a file is by its first bytes, whatever is said of it. One row a kind; endings and MIME types from the IANA
//! registry of media types and from what agencies' software writes; magic bytes from the formats' own specifications.

macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident $code:literal $vi:literal $en:literal [$($mime:literal),*] [$($ending:literal),*];)*) => {
        /// A kind of file that agencies send.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum FileKind {
            $($(#[$doc])* $kind,)*
        }

        impl FileKind {
            /// Every kind.
            pub const ALL: &[Self] = &[$(Self::$kind),*];

            /// The stable word: `docx`.
            pub const fn code(self) -> &'static str {
                match self { $(Self::$kind => $code,)* }
            }

            /// What a clerk reads, Vietnamese and English.
            pub const fn wording(self) -> (&'static str, &'static str) {
                match self { $(Self::$kind => ($vi, $en),)* }
            }

            /// Its MIME types in lower case, the proper one first; none where nothing is known.
            pub const fn mime_types(self) -> &'static [&'static str] {
                match self { $(Self::$kind => &[$($mime),*],)* }
            }

            /// The endings of names that such files usually have, in lower case, the proper one first.
            pub const fn endings(self) -> &'static [&'static str] {
                match self { $(Self::$kind => &[$($ending),*],)* }
            }
        }
    };
}

kinds! {
    /// Nothing.
    Empty "empty" "Tệp rỗng" "Empty" [] [];
    /// PDF (ISO 32000).
    Pdf "pdf" "Tài liệu PDF" "PDF document" ["application/pdf", "application/x-pdf"] ["pdf"];
    /// Office Open XML text (ECMA-376).
    Docx "docx" "Văn bản Word" "Word document"
        ["application/vnd.openxmlformats-officedocument.wordprocessingml.document",
         "application/vnd.ms-word.document.macroenabled.12"]
        ["docx", "docm", "dotx", "dotm"];
    /// Office Open XML spreadsheet.
    Xlsx "xlsx" "Bảng tính Excel" "Excel spreadsheet"
        ["application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
         "application/vnd.ms-excel.sheet.macroenabled.12"]
        ["xlsx", "xlsm", "xltx", "xltm"];
    /// Office Open XML slides.
    Pptx "pptx" "Trình chiếu PowerPoint" "PowerPoint slides"
        ["application/vnd.openxmlformats-officedocument.presentationml.presentation"]
        ["pptx", "pptm", "ppsx", "potx"];
    /// OpenDocument text (ISO/IEC 26300).
    Odt "odt" "Văn bản OpenDocument" "OpenDocument text" ["application/vnd.oasis.opendocument.text"] ["odt", "ott"];
    /// OpenDocument spreadsheet.
    Ods "ods" "Bảng tính OpenDocument" "OpenDocument spreadsheet"
        ["application/vnd.oasis.opendocument.spreadsheet"] ["ods", "ots"];
    /// OpenDocument slides.
    Odp "odp" "Trình chiếu OpenDocument" "OpenDocument slides"
        ["application/vnd.oasis.opendocument.presentation"] ["odp", "otp"];
    /// A book (EPUB 3).
    Epub "epub" "Sách điện tử EPUB" "EPUB book" ["application/epub+zip"] ["epub"];
    /// A ZIP archive of other content.
    Zip "zip" "Tệp nén ZIP" "ZIP archive"
        ["application/zip", "application/x-zip-compressed", "application/x-zip", "application/java-archive",
         "application/vnd.etsi.asic-e+zip"]
        ["zip", "jar", "asice", "asics", "kmz"];
    /// A RAR archive.
    Rar "rar" "Tệp nén RAR" "RAR archive"
        ["application/vnd.rar", "application/x-rar-compressed", "application/x-rar", "application/rar"] ["rar"];
    /// A 7z archive.
    SevenZip "7z" "Tệp nén 7z" "7z archive" ["application/x-7z-compressed"] ["7z"];
    /// Something in gzip (RFC 1952).
    Gzip "gzip" "Tệp nén gzip" "gzip archive"
        ["application/gzip", "application/x-gzip", "application/x-compressed-tar"] ["gz", "tgz"];
    /// A compound file (MS-CFB): Word, Excel and PowerPoint up to 2003, and newer ones with a password.
    Ole "ole" "Tài liệu Office cũ (doc, xls, ppt)" "Old Office document (doc, xls, ppt)"
        ["application/msword", "application/vnd.ms-excel", "application/vnd.ms-powerpoint",
         "application/vnd.ms-outlook", "application/vnd.visio", "application/x-ole-storage"]
        ["doc", "xls", "ppt", "dot", "xlt", "pps", "msg", "vsd", "mpp", "wps"];
    /// Rich Text Format; some software gives it the ending of Word's old format.
    Rtf "rtf" "Văn bản RTF" "Rich Text" ["application/rtf", "text/rtf", "application/msword"] ["rtf", "doc"];
    /// JPEG.
    Jpeg "jpeg" "Ảnh JPEG" "JPEG image" ["image/jpeg", "image/jpg", "image/pjpeg"] ["jpg", "jpeg", "jpe", "jfif"];
    /// PNG.
    Png "png" "Ảnh PNG" "PNG image" ["image/png", "image/x-png"] ["png"];
    /// GIF.
    Gif "gif" "Ảnh GIF" "GIF image" ["image/gif"] ["gif"];
    /// TIFF, as scanners write.
    Tiff "tiff" "Ảnh TIFF" "TIFF image" ["image/tiff", "image/tif"] ["tif", "tiff"];
    /// BMP.
    Bmp "bmp" "Ảnh BMP" "BMP image" ["image/bmp", "image/x-ms-bmp", "image/x-bmp"] ["bmp", "dib"];
    /// An edXML packet.
    Edxml "edxml" "Gói tin edXML" "edXML packet" ["application/xml", "text/xml"] ["edxml", "xml"];
    /// HTML.
    Html "html" "Trang HTML" "HTML page" ["text/html", "application/xhtml+xml"] ["html", "htm", "xhtml"];
    /// Another XML document.
    Xml "xml" "Tệp XML" "XML document"
        ["application/xml", "text/xml", "image/svg+xml"] ["xml", "xsd", "xsl", "xslt", "svg"];
    /// A CMS signature, with what it signs or without (RFC 5652).
    SignedData "p7m" "Dữ liệu ký số PKCS#7" "PKCS #7 signed data"
        ["application/pkcs7-mime", "application/pkcs7-signature", "application/x-pkcs7-mime",
         "application/x-pkcs7-signature"]
        ["p7m", "p7s", "p7b", "p7c"];
    /// A program for Windows or DOS.
    Program "exe" "Chương trình Windows" "Windows program"
        ["application/vnd.microsoft.portable-executable", "application/x-msdownload", "application/x-dosexec"]
        ["exe", "dll", "scr", "com", "cpl", "sys", "ocx"];
    /// A program for Linux.
    Elf "elf" "Chương trình Linux" "Linux program" ["application/x-executable", "application/x-sharedlib"]
        ["elf", "so"];
    /// Commands that a shell or an interpreter carries out.
    Script "script" "Tệp lệnh (script)" "Script" ["text/x-shellscript", "application/x-sh"]
        ["sh", "bat", "cmd", "ps1", "vbs", "vbe", "js", "jse", "wsf", "hta", "py", "pl"];
    /// A Windows shortcut (MS-SHLLINK), which can start anything.
    Shortcut "lnk" "Lối tắt Windows" "Windows shortcut" ["application/x-ms-shortcut"] ["lnk"];
    /// Text in Unicode.
    Text "text" "Văn bản thuần (Unicode)" "Plain text (Unicode)"
        ["text/plain", "text/csv", "application/json", "text/markdown"]
        ["txt", "csv", "log", "json", "md", "sql", "ini", "tsv", "eml"];
    /// Text in another encoding, TCVN3 or VNI perhaps.
    TextLegacy "text-legacy" "Văn bản thuần, bảng mã cũ" "Plain text, not Unicode"
        ["text/plain", "text/csv"] ["txt", "csv", "log", "sql", "ini", "tsv", "eml"];
    /// None of the others.
    Unknown "unknown" "Không rõ" "Unknown" [] [];
}

/// Bytes that a file of this kind begins with. Where one row is the beginning of another, the longer is first.
const MAGIC: &[(&[u8], FileKind)] = &[
    (b"%PDF-", FileKind::Pdf),
    (b"PK\x03\x04", FileKind::Zip),
    (b"PK\x05\x06", FileKind::Zip),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", FileKind::Ole),
    (b"{\\rtf", FileKind::Rtf),
    (b"\xff\xd8\xff", FileKind::Jpeg),
    (b"\x89PNG\r\n\x1a\n", FileKind::Png),
    (b"GIF87a", FileKind::Gif),
    (b"GIF89a", FileKind::Gif),
    (b"II*\0", FileKind::Tiff),
    (b"MM\0*", FileKind::Tiff),
    (b"Rar!\x1a\x07", FileKind::Rar),
    (b"7z\xbc\xaf\x27\x1c", FileKind::SevenZip),
    (b"\x1f\x8b\x08", FileKind::Gzip),
    (b"\x7fELF", FileKind::Elf),
    (b"\x4c\0\0\0\x01\x14\x02\0", FileKind::Shortcut),
    (b"-----BEGIN PKCS7-----", FileKind::SignedData),
    (b"-----BEGIN CMS-----", FileKind::SignedData),
    (b"#!", FileKind::Script),
];

/// id-signedData, 1.2.840.113549.1.7.2, as DER.
const SIGNED_DATA: &[u8] = b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x02";

/// What the first file of some archives says that they are.
const MIMETYPE: &[(&[u8], FileKind)] = &[
    (b"application/vnd.oasis.opendocument.text", FileKind::Odt),
    (b"application/vnd.oasis.opendocument.spreadsheet", FileKind::Ods),
    (b"application/vnd.oasis.opendocument.presentation", FileKind::Odp),
    (b"application/epub+zip", FileKind::Epub),
];

/// Marks of OOXML: in the list of types, which should be its first file, and the names of parts.
const OOXML: &[(&[u8], FileKind)] = &[
    (b"wordprocessingml.document.main", FileKind::Docx),
    (b"spreadsheetml.sheet.main", FileKind::Xlsx),
    (b"presentationml.presentation.main", FileKind::Pptx),
    (b"word/document.xml", FileKind::Docx),
    (b"xl/workbook.", FileKind::Xlsx),
    (b"ppt/presentation.xml", FileKind::Pptx),
];

impl FileKind {
    /// Bytes of a file that are enough for [`FileKind::of`].
    pub const HEAD_BYTES: usize = 4096;

    /// The kind of a file that begins so. A ZIP is told apart only by [`FileKind::of_zip`].
    pub fn of(head: &[u8]) -> Self {
        if head.is_empty() {
            return Self::Empty;
        }
        if let Some((_, kind)) = MAGIC.iter().find(|(magic, _)| head.starts_with(magic)) {
            return *kind;
        }
        if is_signed_data(head) {
            return Self::SignedData;
        }
        if is_program(head) {
            return Self::Program;
        }
        if is_bitmap(head) {
            return Self::Bmp;
        }
        match text_kind(head) {
            // Readers of PDF look for its mark in the first 1,024 bytes (ISO 32000-1 annex H 3.4.1).
            Self::Text | Self::TextLegacy | Self::Unknown
                if memchr::memmem::find(&head[..head.len().min(1024)], b"%PDF-1.").is_some() =>
            {
                Self::Pdf
            }
            kind => kind,
        }
    }

    /// The kind of a ZIP of several files, by the beginning of the first and the bytes of the directory.
    pub fn of_zip(first: &[u8], directory: &[u8]) -> Self {
        let kind = |rows: &[(&[u8], Self)], fits: &dyn Fn(&[u8]) -> bool| {
            rows.iter().find(|(mark, _)| fits(mark)).map(|(_, kind)| *kind)
        };
        let holds = |bytes: &[u8]| {
            let finder = |mark: &[u8]| memchr::memmem::find(bytes, mark).is_some();
            kind(OOXML, &finder)
        };
        let said = kind(MIMETYPE, &|mark| first.starts_with(mark));
        let listed = || (text_kind(first) == Self::Xml).then(|| holds(first)).flatten();
        said.or_else(listed).or_else(|| holds(directory)).unwrap_or(Self::Zip)
    }

    /// Whether it can be run: it has no place among documents.
    pub const fn is_program(self) -> bool {
        matches!(self, Self::Program | Self::Elf | Self::Script | Self::Shortcut)
    }

    /// Whether it is a ZIP by its bytes, whatever it is used for.
    pub const fn is_zip(self) -> bool {
        self.is_document_in_zip() || matches!(self, Self::Zip)
    }

    /// Whether it is a document whose parts are in a ZIP.
    pub const fn is_document_in_zip(self) -> bool {
        matches!(self, Self::Docx | Self::Xlsx | Self::Pptx | Self::Odt | Self::Ods | Self::Odp | Self::Epub)
    }

    /// Whether it is characters.
    pub const fn is_text(self) -> bool {
        matches!(self, Self::Text | Self::TextLegacy | Self::Xml | Self::Html | Self::Edxml | Self::Script)
    }

    /// The kinds that have this ending, which is in lower case.
    pub fn with_ending(ending: &str) -> impl Iterator<Item = Self> {
        Self::ALL.iter().copied().filter(move |kind| kind.endings().contains(&ending))
    }
}

impl std::fmt::Display for FileKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.code())
    }
}

fn is_signed_data(head: &[u8]) -> bool {
    head[0] == 0x30 && memchr::memmem::find(&head[..head.len().min(24)], SIGNED_DATA).is_some()
}

/// `MZ`, and no text: the header of a DOS program has zeros in its first 64 bytes.
fn is_program(head: &[u8]) -> bool {
    head.starts_with(b"MZ") && head.len() >= 28 && head[..head.len().min(64)].contains(&0)
}

/// `BM`, two words that are zero, and an offset behind the header.
fn is_bitmap(head: &[u8]) -> bool {
    head.starts_with(b"BM") && head.len() >= 18 && head[6..10] == [0; 4] && head[12..14] == [0; 2]
}

fn text_kind(head: &[u8]) -> FileKind {
    if head.starts_with(b"\xff\xfe") || head.starts_with(b"\xfe\xff") {
        return FileKind::Text;
    }
    if head.iter().any(|b| *b < 0x20 && !matches!(b, b'\t' | b'\n' | b'\r' | 0x0c) || *b == 0x7f) {
        return FileKind::Unknown;
    }
    let text = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head).trim_ascii_start();
    let begins = |mark: &[u8]| text.len() >= mark.len() && text[..mark.len()].eq_ignore_ascii_case(mark);
    let holds = |mark: &[u8]| memchr::memmem::find(text, mark).is_some();
    if begins(b"<!doctype html") || begins(b"<html") || (begins(b"<?xml") && holds(b"<html")) {
        FileKind::Html
    } else if begins(b"<") && holds(super::NAMESPACE.as_bytes()) {
        FileKind::Edxml
    } else if begins(b"<?xml") || begins(b"<svg") {
        FileKind::Xml
    } else if begins(b"@echo off") {
        FileKind::Script
    } else if is_utf8(head) {
        FileKind::Text
    } else {
        FileKind::TextLegacy
    }
}

/// UTF-8 whose last character may be cut off.
pub(super) fn is_utf8(head: &[u8]) -> bool {
    match std::str::from_utf8(head) {
        Ok(_) => true,
        Err(fault) => fault.error_len().is_none() && fault.valid_up_to() > 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_whole() {
        let mut codes: Vec<_> = FileKind::ALL.iter().map(|k| k.code()).collect();
        codes.sort_unstable();
        codes.dedup();
        assert_eq!(codes.len(), FileKind::ALL.len());
        for kind in FileKind::ALL {
            let (vi, en) = kind.wording();
            assert!(!vi.is_empty() && !en.is_empty(), "{kind}");
            for word in kind.mime_types().iter().chain(kind.endings()) {
                assert_eq!(*word, word.to_ascii_lowercase(), "{kind}");
            }
        }
    }

    #[test]
    fn files_are_known_by_their_first_bytes() {
        let program = [b"MZ\x90\0\x03\0\0\0".as_slice(), &[0; 56]].concat();
        let bitmap = b"BM\x36\x10\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0";
        let signed = b"\x30\x80\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x02\xa0\x80";
        let long = b"\x30\x82\x10\x00\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x02\xa0\x82";
        let cut = &"Kính gửi: Sở Nội vụ ệ".as_bytes()[..26];
        let packet = format!("<?xml version=\"1.0\"?>\n<edXML xmlns=\"{}\">", crate::edxml::NAMESPACE);
        let cases: &[(&[u8], FileKind)] = &[
            (b"", FileKind::Empty),
            (b"%PDF-1.7\n%\xe2\xe3", FileKind::Pdf),
            (b"\r\nrubbish\x01%PDF-1.4", FileKind::Pdf),
            (b"PK\x03\x04\x14", FileKind::Zip),
            (b"PK\x05\x06\0\0", FileKind::Zip),
            (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1\0", FileKind::Ole),
            (b"{\\rtf1\\ansi", FileKind::Rtf),
            (b"\xff\xd8\xff\xe0\0\x10JFIF", FileKind::Jpeg),
            (b"\x89PNG\r\n\x1a\n\0\0", FileKind::Png),
            (b"GIF89a\x01", FileKind::Gif),
            (b"II*\0\x08", FileKind::Tiff),
            (b"MM\0*\0", FileKind::Tiff),
            (bitmap, FileKind::Bmp),
            (b"BM la Ban Mai, khong phai anh", FileKind::Text),
            (b"Rar!\x1a\x07\x01\0", FileKind::Rar),
            (b"7z\xbc\xaf\x27\x1c\0\x04", FileKind::SevenZip),
            (b"\x1f\x8b\x08\0", FileKind::Gzip),
            (&program, FileKind::Program),
            (b"MZ la viet tat", FileKind::Text),
            (b"\x7fELF\x02\x01", FileKind::Elf),
            (b"#!/bin/sh\nrm", FileKind::Script),
            (b"@ECHO OFF\r\ndel", FileKind::Script),
            (b"\x4c\0\0\0\x01\x14\x02\0\0", FileKind::Shortcut),
            (signed, FileKind::SignedData),
            (long, FileKind::SignedData),
            (b"-----BEGIN PKCS7-----\n", FileKind::SignedData),
            (b"<!DOCTYPE HTML>\n<p>", FileKind::Html),
            (b"  <html lang=\"vi\">", FileKind::Html),
            (packet.as_bytes(), FileKind::Edxml),
            (b"\xef\xbb\xbf<?xml version=\"1.0\"?><a/>", FileKind::Xml),
            (cut, FileKind::Text),
            (b"\xff\xfeK\0\xed\0", FileKind::Text),
            (b"C\xa9ng v\xa8n s\xe8 12", FileKind::TextLegacy),
            (b"\0\x01\x02\x03", FileKind::Unknown),
        ];
        for (head, kind) in cases {
            assert_eq!(FileKind::of(head), *kind, "{}", head.escape_ascii());
        }
    }

    #[test]
    fn a_zip_is_known_by_its_first_file_or_its_directory() {
        let types = b"<?xml version=\"1.0\"?><Override ContentType=\"application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml\"/>";
        assert_eq!(FileKind::of_zip(types, b""), FileKind::Xlsx);
        assert_eq!(FileKind::of_zip(b"application/vnd.oasis.opendocument.text", b""), FileKind::Odt);
        assert_eq!(FileKind::of_zip(b"<xml/>", b"PK\x01\x02..word/document.xmlPK"), FileKind::Docx);
        assert_eq!(FileKind::of_zip(b"%PDF-1.4", b"a.pdf"), FileKind::Zip);
        assert_eq!(FileKind::of_zip(b"about word/document.xml", b"a.txt"), FileKind::Zip);
    }
}
