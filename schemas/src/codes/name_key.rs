//! What two spellings of one Vietnamese name have in common. For looking names up only; never shown, never written.

use unicode_normalization::UnicodeNormalization;

/// Characters of a name that are looked at: the longest name of a list has about a hundred.
const CHARS_MAX: usize = 300;

/// A key equal for spellings that differ in letter case, in blanks, in normal form, or in which vowel of a syllable
/// bears the tone (`thỏa thuận`, `thoả thuận`).
pub(super) fn name_key(name: &str) -> String {
    let lower: String = name.chars().take(CHARS_MAX).flat_map(char::to_lowercase).collect();
    let mut key = String::with_capacity(lower.len());
    for word in lower.split_whitespace() {
        if !key.is_empty() {
            key.push(' ');
        }
        let (tones, letters): (String, String) = word.nfd().partition(|c| is_tone(*c));
        key.extend(letters.nfc());
        key.push_str(&tones);
    }
    key
}

/// Huyền, sắc, ngã, hỏi, nặng.
fn is_tone(c: char) -> bool {
    matches!(c, '\u{300}' | '\u{301}' | '\u{303}' | '\u{309}' | '\u{323}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_one_name_have_one_key() {
        for (a, b) in [
            ("Công văn", " CÔNG\u{a0} VĂN\r\n"),
            ("Bản thỏa thuận", "Bản thoả thuận"),
            ("Giấy ủy quyền", "giấy uỷ quyền"),
            ("Quyết định", "Quyê\u{301}t đi\u{323}nh"),
        ] {
            assert_eq!(name_key(a), name_key(b), "{a}");
        }
        for (a, b) in [("Quy chế", "Quy che"), ("Báo cáo", "Bao cáo"), ("Lệnh", "Lễnh"), ("Đề án", "De án")]
        {
            assert_ne!(name_key(a), name_key(b), "{a}");
        }
        assert_eq!(name_key(" \t"), "");
    }
}
