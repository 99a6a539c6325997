//! Names of documents: hashes under which packets that speak of one document find it (spec edxml section 6). The sender
//! is the organisation of the directory, under whichever code it wrote.

use unicode_normalization::UnicodeNormalization;

use crate::edxml::DateText;
use crate::ids::digest16;
use crate::organ::OrganId;

/// The name by (sender, `DocumentId`), compared byte by byte.
pub fn by_document_id(sender: &OrganId, document_id: &str) -> [u8; 16] {
    digest16(&[b"name", sender.as_str().as_bytes(), document_id.as_bytes()])
}

/// The name by (sender, `PromulgationDate`, number/notation), for who leaves the `DocumentId` out or writes another one.
/// Dates are compared as dates where they are some; of the code neither case, blanks nor the form of its letters count.
/// `None` where a part is missing: half a name would tie strangers together.
pub fn by_code(sender: &OrganId, date: &DateText, code: &str) -> Option<[u8; 16]> {
    let code: String = code.nfc().flat_map(char::to_lowercase).filter(|c| !c.is_whitespace()).collect();
    let code: String = code.nfc().collect();
    let (number, notation) = code.split_once('/')?;
    if number.is_empty() || notation.is_empty() || date.text.is_empty() {
        return None;
    }
    let date = date.parsed.map_or_else(|| date.text.clone(), |at| at.date().to_string());
    Some(digest16(&[b"code", sender.as_str().as_bytes(), date.as_bytes(), code.as_bytes()]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn organ(code: &str) -> OrganId {
        OrganId::parse(code).expect("a code")
    }

    #[test]
    fn a_code_is_one_in_any_case_form_and_date() {
        let name = |date: &str, code: &str| by_code(&organ("H55"), &DateText::read(date), code);
        let one = name("2026/01/02", "12/UBND-TTĐT");
        assert!(one.is_some());
        for (date, code) in [
            ("2026-01-02", "12/ubnd-ttđt"),
            ("02/01/2026", " 12 / UBND-TTĐT"),
            ("2026/01/02 08:00:00", "12/UBND-TTĐT"),
        ] {
            assert_eq!(name(date, code), one, "{date} {code}");
        }
        assert_eq!(name("2026/01/02", "1/Q\u{110}-e\u{302}\u{301}"), name("2026/01/02", "1/Qđ-\u{1ebe}"));
        let other = by_code(&organ("H56"), &DateText::read("2026/01/02"), "12/UBND-TTĐT");
        for differs in [name("2026/01/03", "12/UBND-TTĐT"), name("2026/01/02", "13/UBND-TTĐT"), other] {
            assert!(differs.is_some() && differs != one);
        }
        assert_eq!(name("2014/02/30", "1/A"), name("2014/02/30", "1/a"), "an impossible date is its text");
        assert_ne!(name("2014/02/30", "1/A"), name("2014/02/31", "1/A"));
    }

    #[test]
    fn half_a_code_is_no_name() {
        for (date, code) in
            [("", "1/A"), ("2026/01/02", ""), ("2026/01/02", "/A"), ("2026/01/02", "1/"), ("x", "1")]
        {
            assert_eq!(by_code(&organ("H55"), &DateText::read(date), code), None, "{date:?} {code:?}");
        }
    }
}
