//! What a file is by its first bytes, compared with what is said of it.

/// A ZIP local file header (APPNOTE 4.3.7).
pub(in crate::edxml) fn looks_zip(head: &[u8]) -> bool {
    head.starts_with(b"PK\x03\x04")
}

/// A binary file whose bytes were read as UTF-8 on the way: U+FFFD stands where other bytes stood.
pub(in crate::edxml) fn is_mangled(head: &[u8]) -> bool {
    (looks_zip(head) || head.starts_with(b"%PDF")) && head.windows(3).any(|w| w == [0xef, 0xbf, 0xbd])
}

/// The declared type contradicts the bytes. Many senders zip single files, and call them by either type.
pub(in crate::edxml) fn contradicts(content_type: &str, name: &str, head: &[u8]) -> bool {
    let declared = content_type.to_ascii_lowercase();
    let zip = looks_zip(head);
    match declared.as_str() {
        "" | "application/octet-stream" => false,
        "application/zip" | "application/x-zip-compressed" => !zip,
        "application/pdf" => !head.starts_with(b"%PDF"),
        _ => zip && !is_zip_family(name),
    }
}

/// File types that are ZIP archives themselves.
fn is_zip_family(name: &str) -> bool {
    let extension = name.rsplit_once('.').map_or("", |(_, e)| e.trim());
    let family =
        ["zip", "jar", "docx", "docm", "dotx", "xlsx", "xlsm", "pptx", "odt", "ods", "odp", "epub", "asice"];
    family.iter().any(|e| extension.eq_ignore_ascii_case(e))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_compared_with_the_first_bytes() {
        assert!(contradicts("application/pdf", "a.pdf", b"PK\x03\x04"));
        assert!(contradicts("text/plain", "a.txt", b"PK\x03\x04"));
        assert!(contradicts("application/zip", "a.txt", b"plain"));
        assert!(!contradicts("application/zip", "a.txt", b"PK\x03\x04"));
        assert!(!contradicts("application/vnd.ms-excel", "a.XLSX", b"PK\x03\x04"));
        assert!(!contradicts("application/pdf", "a.pdf", b"%PDF-1.4"));
        assert!(is_mangled(b"%PDF-1.4\n%\xef\xbf\xbd\xef\xbf\xbd"));
        assert!(!is_mangled(b"%PDF-1.4\n%\xe2\xe3\xcf\xd3"));
    }
}
