//! Comparing and searching: composed letters (NFC), no case, blanks collapsed. The folded forms are for comparing
//! only and are never stored or shown.

use std::borrow::Cow;

use unicode_normalization::{IsNormalized, UnicodeNormalization, is_nfc_quick};

use super::hidden::hidden;
use super::letters::vowel;

/// The composed form (UAX #15 NFC), borrowed where the text has it already.
pub fn nfc(text: &str) -> Cow<'_, str> {
    if text.is_ascii() || is_nfc_quick(text.chars()) == IsNormalized::Yes {
        return Cow::Borrowed(text);
    }
    let composed: String = text.nfc().collect();
    if composed == text { Cow::Borrowed(text) } else { Cow::Owned(composed) }
}

/// Lower case, letters composed, invisible and direction characters left out; blanks as they stand.
///
/// It goes one step past NFC: marks are sorted as Vietnamese puts them (a shape below its tone), so that `a` with
/// acute and then circumflex is the `ấ` that it looks like.
pub fn fold(text: &str) -> String {
    if text.is_ascii() {
        return text.to_ascii_lowercase();
    }
    let seen = text.chars().filter(|c| c.is_whitespace() || hidden(*c).is_none());
    let mut letters = String::with_capacity(text.len());
    let mut tones = String::new();
    for c in seen.flat_map(char::to_lowercase).nfd() {
        match c {
            '\u{302}' | '\u{306}' | '\u{31b}' => letters.push(c),
            '\u{300}'..='\u{36f}' => tones.push(c),
            _ => {
                letters.push_str(&tones);
                tones.clear();
                letters.push(c);
            }
        }
    }
    letters.push_str(&tones);
    letters.nfc().collect()
}

/// Whether two texts say the same: [`fold`]ed, and with any blanks between words.
pub fn same(a: &str, b: &str) -> bool {
    a == b || fold(a).split_whitespace().eq(fold(b).split_whitespace())
}

/// What a person typed to search for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Needle {
    text: String,
    past: Past,
}

/// What a search passes over: what the person did not type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Past {
    Nothing,
    /// "Viêt" finds "Việt".
    Tones,
    /// "viet" finds "Việt", "dong" finds "đồng".
    Marks,
}

impl Needle {
    /// A needle without tone marks finds letters with any tone, one without any Vietnamese letter finds them too.
    pub fn new(text: &str) -> Self {
        let text = collapsed(&fold(text));
        let past = if text.is_ascii() {
            Past::Marks
        } else if past_tones(&text) == text {
            Past::Tones
        } else {
            Past::Nothing
        };
        Self { text, past }
    }

    /// Whether the text holds it. An empty needle is in every text.
    pub fn is_in(&self, text: &str) -> bool {
        let text = collapsed(&fold(text));
        match self.past {
            Past::Nothing => text.contains(&self.text),
            Past::Tones => past_tones(&text).contains(&self.text),
            Past::Marks => past_marks(&text).contains(&self.text),
        }
    }
}

/// [`Needle::is_in`] for a needle that is used once.
pub fn contains(text: &str, needle: &str) -> bool {
    Needle::new(needle).is_in(text)
}

fn collapsed(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn past_tones(folded: &str) -> String {
    let is_tone = |c: &char| matches!(c, '\u{300}' | '\u{301}' | '\u{303}' | '\u{309}' | '\u{323}');
    let bare = |c| vowel(c).map_or(c, |v| v.with_tone(0).letter());
    folded.chars().filter(|c| !is_tone(c)).map(bare).collect()
}

fn past_marks(folded: &str) -> String {
    let bare = |c| match c {
        'đ' => 'd',
        _ => vowel(c).map_or(c, |v| v.base().0),
    };
    folded.chars().filter(|c| !matches!(c, '\u{300}'..='\u{36f}')).map(bare).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn composed_text_is_borrowed() {
        for text in ["", "12/STN-VP", "Cộng hòa xã hội", "naïve"] {
            assert!(matches!(nfc(text), Cow::Borrowed(_)), "{text}");
        }
        assert_eq!(nfc("Co\u{323}\u{302}ng"), "Cộng");
        assert_eq!(nfc("C\u{f4}\u{323}ng"), "Cộng");
    }

    #[test]
    fn same_is_blind_to_form_case_and_blanks() {
        for (a, b) in [
            ("Quyết định", "QUYẾT  ĐỊNH"),
            ("Quyê\u{301}t đi\u{323}nh", " quyết\tđịnh\n"),
            ("ấ", "a\u{301}\u{302}"),
            ("ấ", "A\u{302}\u{301}"),
            ("Công\u{a0}văn", "công văn"),
            ("M\u{200b}ật", "mật"),
            ("", " "),
        ] {
            assert!(same(a, b) && same(b, a), "{a} {b}");
        }
        for (a, b) in [("mật", "mất"), ("Công văn", "Côngvăn"), ("thi", "thì"), ("o", "ơ")] {
            assert!(!same(a, b) && !same(b, a), "{a} {b}");
        }
    }

    #[test]
    fn a_search_passes_over_what_was_not_typed() {
        let subject = "V/v triển khai  trục liên thông văn bản\nĐồng Nai";
        for needle in
            ["trien khai", "TRỤC LIÊN", "liên thông văn", "van ban dong nai", "triên khai", "Đông nai", ""]
        {
            assert!(contains(subject, needle), "{needle}");
        }
        assert!(contains(subject, "tru\u{323}c"), "a decomposed needle");
        assert!(contains("triê\u{309}n", "trien") && contains("triê\u{309}n", "triển"), "half composed text");
        for needle in ["triền khai", "trực", "trưc", "truc lien  tong", "liên thong", "bản đồng nài"]
        {
            assert!(!contains(subject, needle), "{needle}");
        }
    }
}
