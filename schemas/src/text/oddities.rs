//! What is odd about a text of a packet: forms, hidden characters, old encodings. Nothing is changed.

use super::encoding::Encoding;
use super::forms::{Forms, forms};
use super::hidden::{Hidden, hidden};
use super::legacy::{Viqr, surface_as, surface_encoding, viqr};
use super::letters::is_vietnamese;
use crate::edxml::Finding;
use crate::safe_text::SafeText;

/// How much of a text is looked at for an old encoding: the words of a page tell.
const HEAD_BYTES: usize = 4096;

/// Most converted text shown.
const SHOWN_BYTES: usize = 200;

/// Most different hidden characters named.
const NAMED_MAX: usize = 8;

/// The findings about a text, each with a detail: code points, or the old encoding's name and the text as it was
/// meant. Composed Vietnamese and plain ASCII have none and cost one look at each character.
pub fn oddities(text: &str) -> Vec<(Finding, String)> {
    let mut found = Vec::new();
    let look = Look::at(text);
    let legacy = look.legacy(text);
    if let Some((encoding, meant)) = &legacy {
        let meant = SafeText::new(meant).cut(SHOWN_BYTES);
        found.push((Finding::TextLegacy, format!("{}: {meant}", encoding.name())));
    }
    if look.marks {
        found.extend(form_oddity(&forms(text)));
    }
    if look.hides {
        // In an old encoding these are letters.
        let skipped = |c: char| legacy.is_some() && ('\u{80}'..='\u{ff}').contains(&c);
        for (finding, kind) in [(Finding::TextInvisible, None), (Finding::TextBidi, Some(Hidden::Bidi))] {
            let detail = named(text.chars().filter(|c| !skipped(*c) && odd(*c).is_some_and(|k| k == kind)));
            found.extend(detail.map(|detail| (finding, detail)));
        }
    }
    found
}

/// What one pass over a text sees.
#[derive(Default)]
struct Look {
    /// Combining marks.
    marks: bool,
    /// Invisible or direction characters.
    hides: bool,
    /// Latin-1 beyond ASCII.
    latin: bool,
    /// Vietnamese letters beyond Latin-1: this is Unicode.
    vietnamese: bool,
    /// Anything beyond ASCII.
    beyond_ascii: bool,
}

impl Look {
    fn at(text: &str) -> Self {
        let mut look = Self::default();
        if text.is_ascii() {
            look.hides = text.bytes().any(|b| b == 0x7f || b < b' ' && !b"\t\n\r".contains(&b));
            return look;
        }
        look.beyond_ascii = true;
        for c in text.chars().filter(|c| !c.is_ascii() || c.is_ascii_control()) {
            match c {
                '\u{80}'..='\u{ff}' => look.latin = true,
                '\u{300}'..='\u{36f}' => look.marks = true,
                _ => look.vietnamese |= is_vietnamese(c),
            }
            look.hides |= odd(c).is_some();
        }
        look
    }

    fn legacy(&self, text: &str) -> Option<(Encoding, String)> {
        let head = &text[..text.floor_char_boundary(HEAD_BYTES)];
        let encoding = if !self.beyond_ascii {
            (viqr(head) == Viqr::Yes).then_some(Encoding::Viqr)?
        } else if self.latin && !self.vietnamese && !self.marks {
            surface_encoding(head)?
        } else {
            return None;
        };
        Some((encoding, meant(head, encoding)))
    }
}

/// The text as it was meant, word by word: what is not of the encoding stays.
fn meant(text: &str, encoding: Encoding) -> String {
    let pieces = text.split_inclusive(char::is_whitespace);
    pieces.map(|piece| surface_as(piece, encoding).unwrap_or_else(|| piece.to_owned())).collect()
}

/// Why a character is odd in a packet's text: `Some(None)` for invisible. Tabs and line ends are ordinary; private
/// use is drawn, if wrongly.
fn odd(c: char) -> Option<Option<Hidden>> {
    match hidden(c)? {
        Hidden::Private => None,
        Hidden::Bidi => Some(Some(Hidden::Bidi)),
        Hidden::Invisible => Some(None),
        Hidden::Control => (!matches!(c, '\t' | '\n' | '\r' | '\u{85}')).then_some(None),
    }
}

/// `U+200B U+FEFF`: each code point once.
fn named(chars: impl Iterator<Item = char>) -> Option<String> {
    let mut seen: Vec<char> = Vec::new();
    for c in chars {
        if !seen.contains(&c) && seen.len() <= NAMED_MAX {
            seen.push(c);
        }
    }
    let more = seen.len() > NAMED_MAX;
    let mut names: Vec<String> = seen.iter().take(NAMED_MAX).map(|c| code_point(*c)).collect();
    names.extend(more.then(|| "…".to_owned()));
    (!names.is_empty()).then(|| names.join(" "))
}

fn code_point(c: char) -> String {
    format!("U+{:04X}", u32::from(c))
}

fn form_oddity(forms: &Forms<'_>) -> Option<(Finding, String)> {
    let odd = forms.half.or(forms.decomposed)?;
    let mixed = forms.half.is_some() || forms.composed;
    let finding = if mixed { Finding::TextMixedForms } else { Finding::TextDecomposed };
    let points: Vec<String> = odd.chars().map(code_point).collect();
    Some((finding, format!("{} ({})", super::fold::nfc(odd), points.join(" "))))
}
