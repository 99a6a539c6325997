//! Composed, decomposed and half composed letters.

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// How a text writes the letters that exist in one piece.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Forms<'a> {
    /// Letters in one piece that could be written in several.
    pub(super) composed: bool,
    /// The first letter with marks that exists in one piece.
    pub(super) decomposed: Option<&'a str>,
    /// Letters partly composed: ô with a dot below.
    pub(super) half: Option<&'a str>,
}

/// Most marks looked at behind one letter; no letter has more.
const MARKS_MAX: usize = 8;

/// Looks at every letter with its marks.
pub(super) fn forms(text: &str) -> Forms<'_> {
    let mut forms = Forms::default();
    let mut chars = text.char_indices().peekable();
    while let Some((start, letter)) = chars.next() {
        let mut end = start + letter.len_utf8();
        let mut marks = 0;
        while let Some((at, mark)) = chars.next_if(|(_, c)| is_combining_mark(*c)) {
            marks += 1;
            if marks <= MARKS_MAX {
                end = at + mark.len_utf8();
            }
        }
        let cluster = &text[start..end];
        if letter.is_ascii() && marks == 0 {
            continue;
        }
        let is_nfd = cluster.nfd().eq(cluster.chars());
        if cluster.nfc().eq(cluster.chars()) {
            forms.composed |= !is_nfd;
        } else if marks > 0 && is_nfd {
            forms.decomposed.get_or_insert(cluster);
        } else if marks > 0 {
            forms.half.get_or_insert(cluster);
        }
    }
    forms
}
