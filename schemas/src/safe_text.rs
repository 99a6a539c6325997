//! The one type through which text from a packet is printed: logs, rejections, receipts, the terminal (invariant 8).
//! It changes only what is shown; the packet's bytes stay as they came.

use std::fmt;

use crate::text::hidden;

/// Text that cannot move a cursor, reorder a line or hide a character.
///
/// What [`hidden`] knows: control characters (line ends and tabs too), ANSI escapes, bidirectional marks and overrides, zero-width and
/// other invisible characters, and private-use characters stand as `\u{..}` with their number in hex. Everything
/// else, Vietnamese letters in either Unicode form included, is kept.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SafeText(String);

impl SafeText {
    /// Escapes a text from a packet.
    pub fn new(text: &str) -> Self {
        let mut safe = String::with_capacity(text.len());
        for c in text.chars() {
            if hidden(c).is_some() {
                safe.extend(c.escape_unicode());
            } else {
                safe.push(c);
            }
        }
        Self(safe)
    }

    /// At most `bytes_max` bytes of it: cut between characters and never inside an escape, with `…` as its last
    /// character when something was left out and three bytes are there to say so.
    #[must_use]
    pub fn cut(mut self, bytes_max: usize) -> Self {
        if self.0.len() <= bytes_max {
            return self;
        }
        let ellipsis = "…";
        let room = bytes_max.checked_sub(ellipsis.len());
        let mut end = self.0.floor_char_boundary(room.unwrap_or(bytes_max));
        if let Some(open) = self.0[..end].rfind("\\u{")
            && !self.0[open..end].contains('}')
        {
            end = open;
        } else if let Some(cut) = ["\\u", "\\"].iter().find(|s| self.0[..end].ends_with(**s))
            && self.0[end - cut.len()..].starts_with("\\u{")
        {
            end -= cut.len();
        }
        self.0.truncate(end);
        if room.is_some() {
            self.0.push_str(ellipsis);
        }
        self
    }

    /// The escaped text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The escaped text, owned.
    pub fn into_string(self) -> String {
        self.0
    }
}

impl fmt::Display for SafeText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl From<&str> for SafeText {
    fn from(text: &str) -> Self {
        Self::new(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_moves_hides_or_reorders_is_printed() {
        let hostile =
            "a\x1b[31mb\r\n\t\u{202e}c\u{200b}\u{feff}\u{e000}\u{2028}\u{ad}\u{9b}\u{fffe}\u{e0041}";
        let safe = SafeText::new(hostile).into_string();
        let expected = "a\\u{1b}[31mb\\u{d}\\u{a}\\u{9}\\u{202e}c\\u{200b}\\u{feff}\\u{e000}\\u{2028}\\u{ad}\
                        \\u{9b}\\u{fffe}\\u{e0041}";
        assert_eq!(safe, expected);
    }

    #[test]
    fn vietnamese_is_kept_in_both_unicode_forms() {
        for text in ["Thái Nguyên, V/v hỏa tốc", "Tha\u{301}i Nguye\u{302}n"] {
            assert_eq!(SafeText::new(text).as_str(), text);
        }
    }

    #[test]
    fn a_cut_never_splits_a_character_or_an_escape() {
        let text = "đ\u{202e}ờ\u{1b}x".repeat(3);
        let whole = SafeText::new(&text).into_string();
        for n in 0..whole.len() {
            let cut = SafeText::new(&text).cut(n).into_string();
            assert!(cut.len() <= n, "{n}: {cut}");
            let kept = cut.strip_suffix('…').unwrap_or(&cut);
            assert!(whole.starts_with(kept), "{n}: {cut}");
            assert_eq!(kept.matches("\\u{").count(), kept.matches('}').count(), "{n}: {cut}");
            assert!(!kept.ends_with('\\') && !kept.ends_with("\\u"), "{n}: {cut}");
        }
        assert_eq!(SafeText::new(&text).cut(whole.len()).as_str(), whole);
    }
}
