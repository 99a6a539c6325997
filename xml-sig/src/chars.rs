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
    !control && !has_noncharacter(bytes)
}

/// Whether U+FFFE or U+FFFF is in this UTF-8.
fn has_noncharacter(bytes: &[u8]) -> bool {
    memchr::memchr_iter(0xEF, bytes).any(|i| matches!(bytes.get(i + 1..i + 3), Some([0xBF, 0xBE | 0xBF])))
}

/// Where the first character stands that is no XML character.
pub(crate) fn first_odd(text: &str) -> Option<usize> {
    if all_chars(text) { None } else { text.char_indices().find(|(_, c)| !is_char(*c)).map(|(at, _)| at) }
}

/// What a text may have that asks for a closer look at its parts.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Traits {
    /// Characters that are no XML characters.
    pub(crate) odd: bool,
    /// Carriage returns.
    pub(crate) carriage_returns: bool,
}

impl Traits {
    pub(crate) fn of(text: &str) -> Self {
        // Most text has no control character but LF, and then every `b - 11` is 0x15 at least, and every `b - 10` at most
        // 0x75 in ASCII and 0xEA beyond it (no UTF-8 has a byte above 0xF4). Loops of this form are vectorised; ones
        // that compare are three times as slow.
        let low = text.bytes().fold(0xFF, |low: u8, b| low.min(b.wrapping_sub(b'\n' + 1)));
        let high = text.bytes().fold(0, |high: u8, b| high.max(b.wrapping_sub(b'\n')));
        if low >= b' ' - (b'\n' + 1) && high <= 0xF4 - b'\n' {
            let ascii = high <= 0x7F - b'\n';
            return Self { odd: !ascii && has_noncharacter(text.as_bytes()), carriage_returns: false };
        }
        let carriage_returns = memchr::memchr(b'\r', text.as_bytes()).is_some();
        Self { odd: !all_chars(text), carriage_returns }
    }
}

/// Whether `name` is an NCName (Namespaces in XML 1.0, production 4).
pub(crate) fn is_ncname(name: &str) -> bool {
    let mut chars = name.chars();
    chars.next().is_some_and(is_name_start) && chars.all(is_name_char)
}

/// What an ASCII byte may be part of: bits of [`CLASSES`].
pub(crate) mod class {
    /// A name, without the colon.
    pub(crate) const NAME: u8 = 1;
    /// The start of a name, without the colon.
    pub(crate) const NAME_START: u8 = 2;
    /// An attribute's value that means itself between quotes of either kind.
    pub(crate) const VALUE: u8 = 4;
    /// No ASCII; part of a value that means itself if it is part of an XML character.
    pub(crate) const BEYOND: u8 = 8;
}

/// The classes of each byte.
pub(crate) static CLASSES: [u8; 256] = classes();

const fn classes() -> [u8; 256] {
    let mut classes = [class::VALUE | class::BEYOND; 256];
    let mut byte = 0;
    while byte < 0x80 {
        let c = byte as u8 as char;
        let mut class = 0;
        if is_name_char(c) {
            class |= class::NAME;
        }
        if is_name_start(c) {
            class |= class::NAME_START;
        }
        if byte >= 0x20 && !matches!(c, '<' | '&' | '"' | '\'') {
            class |= class::VALUE;
        }
        classes[byte] = class;
        byte += 1;
    }
    classes
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
    fn traits_tell_carriage_returns_and_what_is_no_character() {
        for scalar in (0..0x110).chain([0xFFFD, 0xFFFE, 0xFFFF, 0x1_0000]) {
            let c = char::from_u32(scalar).unwrap();
            for text in
                [format!("{c}"), format!("{}\n{c} đ", "x".repeat(99)), format!("\n{c}{}", "~".repeat(99))]
            {
                let traits = Traits::of(&text);
                assert_eq!((traits.odd, traits.carriage_returns), (!is_char(c), c == '\r'), "{text:?}");
            }
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
