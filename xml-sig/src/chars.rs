//! Character classes of XML 1.0 (fifth edition): what a name may hold, what text may hold.

/// XML white space (production 3).
pub(crate) const fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}

/// Production 2.
pub(crate) const fn is_char(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | '\u{20}'..='\u{D7FF}' | '\u{E000}'..='\u{FFFD}' | '\u{10000}'..='\u{10FFFF}')
}

/// Whether every character of `text` is an XML character. It is UTF-8 already, so only control characters, U+FFFE and
/// U+FFFF are left to find.
pub(crate) fn all_chars(text: &str) -> bool {
    let bytes = text.as_bytes();
    let control = bytes.iter().fold(false, |bad, &b| bad | ((b < 0x20) & !is_space(b)));
    !control
        && !memchr::memchr_iter(0xEF, bytes)
            .any(|i| matches!(bytes.get(i + 1..i + 3), Some([0xBF, 0xBE | 0xBF])))
}

/// Whether `bytes` are ASCII text that means itself: no control character but TAB and LF, no `>`. (`<` and `&` never
/// get here.) One pass without branches, so that it is vectorised.
pub(crate) fn is_plain(bytes: &[u8]) -> bool {
    let odd = |b: u8| ((b < 0x20) & (b != b'\n') & (b != b'\t')) | (b >= 0x80) | (b == b'>');
    !bytes.iter().fold(false, |bad, &b| bad | odd(b))
}

/// Whether `name` is an NCName (Namespaces in XML 1.0, production 4).
pub(crate) fn is_ncname(name: &str) -> bool {
    let mut chars = name.chars();
    chars.next().is_some_and(is_name_start) && chars.all(is_name_char)
}

/// Production 4 without the colon.
const fn is_name_start(c: char) -> bool {
    matches!(c, 'a'..='z' | 'A'..='Z' | '_'
        | '\u{C0}'..='\u{D6}' | '\u{D8}'..='\u{F6}' | '\u{F8}'..='\u{2FF}' | '\u{370}'..='\u{37D}'
        | '\u{37F}'..='\u{1FFF}' | '\u{200C}'..='\u{200D}' | '\u{2070}'..='\u{218F}' | '\u{2C00}'..='\u{2FEF}'
        | '\u{3001}'..='\u{D7FF}' | '\u{F900}'..='\u{FDCF}' | '\u{FDF0}'..='\u{FFFD}'
        | '\u{10000}'..='\u{EFFFF}')
}

/// Production 4a without the colon.
const fn is_name_char(c: char) -> bool {
    is_name_start(c)
        || matches!(c, '-' | '.' | '0'..='9' | '\u{B7}' | '\u{300}'..='\u{36F}' | '\u{203F}'..='\u{2040}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_ncnames() {
        for good in ["a", "_", "đơn", "a-1.b", "A\u{B7}"] {
            assert!(is_ncname(good), "{good}");
        }
        for bad in ["", "1a", "-a", "a:b", "a b", "a\u{D7}", "\u{B7}a", "a/"] {
            assert!(!is_ncname(bad), "{bad}");
        }
    }

    #[test]
    fn noncharacters_and_controls_are_no_xml_characters() {
        assert!(all_chars("a\t\n\r \u{7F}\u{85}\u{FFFD}\u{FEFF}\u{1FFFE}"));
        for bad in ["\0", "\u{1}", "\u{1F}", "a\u{FFFE}", "\u{FFFF}b"] {
            assert!(!all_chars(bad), "{bad:?}");
        }
    }
}
