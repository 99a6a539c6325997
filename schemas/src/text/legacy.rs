//! Tells old encodings by their spelling: under the right one the words are Vietnamese syllables. Works on the
//! "surface" of a text: each byte shown as the Latin-1 character of its number, as old text stands in packets.

use std::collections::{BTreeMap, BTreeSet};

use super::encoding::{Encoding, Unit};
use super::fold::nfc;
use super::letters::vowel;
use super::syllable::is_syllable;

/// The encodings whose surface is Latin-1.
pub(super) const SURFACES: [Encoding; 4] =
    [Encoding::Tcvn3, Encoding::Vni, Encoding::Cp1258, Encoding::Tcvn5712];

/// Most different words looked at.
const WORDS_MAX: usize = 500;

/// Longest syllable in any of [`SURFACES`]: nghiêng, and two marks.
const SYLLABLE_MAX: usize = 9;

/// The words of a surface that are not ASCII, each once, judged under each of [`SURFACES`].
#[derive(Debug, Default)]
pub(super) struct Words {
    /// How many.
    pub(super) all: usize,
    /// The verdicts, in the order of [`SURFACES`].
    pub(super) under: [Verdict; 4],
}

/// What the words are under one encoding. Abbreviations (QĐ) are not counted.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Verdict {
    /// Words that become Vietnamese syllables.
    pub(super) right: usize,
    /// Words of `right` that are not Vietnamese as they stand.
    pub(super) only_then: usize,
    /// Words that become none.
    pub(super) wrong: usize,
    /// Letters of the longest word of `only_then`.
    longest: usize,
}

impl Words {
    /// Reads the words of a surface.
    pub(super) fn of(surface: &str) -> Self {
        let mut seen = BTreeSet::new();
        for word in words(surface).filter(|w| !w.is_ascii()) {
            if seen.len() == WORDS_MAX {
                break;
            }
            seen.insert(word.to_ascii_lowercase());
        }
        let mut found = Self { all: seen.len(), ..Self::default() };
        for word in seen {
            if word.chars().nth(SYLLABLE_MAX).is_some() {
                found.under.iter_mut().for_each(|verdict| verdict.wrong += 1);
                continue;
            }
            let stands = is_syllable(&word);
            // VN1 holds all of VN3, but for the punctuation of Windows-1252.
            let vn3 = surface_as(&word, Encoding::Tcvn3);
            let both = vn3.is_some() && !word.contains(|c| ('\u{80}'..='\u{9f}').contains(&c));
            for (encoding, verdict) in SURFACES.into_iter().zip(&mut found.under) {
                match encoding {
                    Encoding::Tcvn3 => verdict.add(&word, stands, vn3.as_deref()),
                    Encoding::Tcvn5712 if both => verdict.add(&word, stands, vn3.as_deref()),
                    _ => verdict.add(&word, stands, surface_as(&word, encoding).as_deref()),
                }
            }
        }
        found
    }
}

impl Verdict {
    fn add(&mut self, word: &str, stands: bool, read: Option<&str>) {
        match read {
            Some(text) if !text.is_ascii() && is_syllable(text) => {
                self.right += 1;
                if !stands {
                    self.only_then += 1;
                    self.longest = self.longest.max(word.chars().count());
                }
            }
            Some(text) if text.chars().all(|c| c.is_alphabetic() && vowel(c).is_none()) => {}
            _ => self.wrong += 1,
        }
    }
}

/// Latin-1 signs are letters in the old encodings, so that they count as parts of words; a no-break space does not.
fn words(surface: &str) -> impl Iterator<Item = &str> {
    let in_word = |c: char| c.is_ascii_alphabetic() || ('\u{80}'..='\u{ff}').contains(&c) && c != '\u{a0}';
    surface.split(move |c| !in_word(c)).filter(|w| !w.is_empty())
}

/// A surface as text of the encoding, in NFC; `None` where it is not of that encoding. Characters beyond Latin-1 stay.
pub(super) fn surface_as(surface: &str, encoding: Encoding) -> Option<String> {
    let mut text = String::with_capacity(surface.len());
    let mut bytes = Vec::new();
    for c in surface.chars() {
        match u8::try_from(c) {
            Ok(byte) => bytes.push(byte),
            Err(_) => {
                read(&mut bytes, encoding, &mut text)?;
                text.push(c);
            }
        }
    }
    read(&mut bytes, encoding, &mut text)?;
    let has_marks = matches!(encoding, Encoding::Tcvn5712 | Encoding::Cp1258);
    Some(if has_marks { nfc(&text).into_owned() } else { text })
}

fn read(bytes: &mut Vec<u8>, encoding: Encoding, text: &mut String) -> Option<()> {
    let mut at = 0;
    while at < bytes.len() {
        match encoding.unit(&bytes[at..], true) {
            Unit::Char(c, used) => {
                text.push(c);
                at += used;
            }
            Unit::More | Unit::Bad(_) => return None,
        }
    }
    bytes.clear();
    Some(())
}

/// The old encoding whose surface a text is, if one explains most of its words and nothing else does.
///
/// Two different words must be Vietnamese in that encoding and not as they stand; or one, of three letters at least,
/// in a text whose other words are all Vietnamese.
pub(super) fn surface_encoding(text: &str) -> Option<Encoding> {
    let found = Words::of(text);
    let pairs = SURFACES.into_iter().zip(found.under).rev();
    let (encoding, verdict) = pairs.max_by_key(|(_, verdict)| verdict.only_then)?;
    let enough = match verdict.only_then {
        0 => false,
        1 => found.all == 1 && verdict.longest >= 3 && others_are_vietnamese(text),
        only_then => verdict.wrong * 3 <= verdict.right && only_then * 2 >= verdict.right,
    };
    enough.then_some(encoding)
}

fn others_are_vietnamese(text: &str) -> bool {
    let mut others = words(text).filter(|w| w.is_ascii()).peekable();
    others.peek().is_some() && others.all(is_syllable)
}

/// What a text must weigh to be VIQR, its words weighed by [`viqr_weight`].
const VIQR_WEIGHT: usize = 4;

/// Whether text of ASCII is VIQR.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Viqr {
    Yes,
    /// A third of the words could be; they are few.
    Perhaps,
    No,
}

/// It is where several different words are Vietnamese when read so, at least one with a shape (`^`, `(`, `+`), and a
/// third of all words. Words that end in a full stop, questions, apostrophes of English, addresses and formulas do
/// not make it.
pub(super) fn viqr(text: &str) -> Viqr {
    let shaped =
        text.as_bytes().windows(2).any(|pair| is_shape(pair[1]) && vowel(char::from(pair[0])).is_some());
    if !shaped {
        return Viqr::No;
    }
    let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
    for word in text.split_ascii_whitespace().take(WORDS_MAX) {
        // Dates, numbers, addresses, formulas.
        let plain = !word.bytes().any(|b| b.is_ascii_digit() || b"@/\\:=_&%#*<>".contains(&b));
        for part in word.split('-').filter(|part| part.bytes().any(|b| b.is_ascii_alphabetic())) {
            seen.insert(part, if plain { viqr_weight(part) } else { 0 });
        }
    }
    let hits = seen.values().filter(|weight| **weight > 0).count();
    let shapes = seen.values().filter(|weight| **weight > 1).count();
    match seen.values().sum::<usize>() {
        _ if shapes == 0 || hits * 3 < seen.len() => Viqr::No,
        VIQR_WEIGHT.. if hits >= 2 => Viqr::Yes,
        _ => Viqr::Perhaps,
    }
}

fn is_shape(byte: u8) -> bool {
    b"^(+".contains(&byte)
}

/// 0 for a word that is no Vietnamese syllable in VIQR or has no marks, 1 for one with a tone, 2 with a shape, 3 with
/// both.
fn viqr_weight(word: &str) -> usize {
    let word = word
        .trim_start_matches(['"', '\'', '(', '[', '{'])
        .trim_end_matches(['"', ',', ';', '!', ')', ']', '}']);
    let Some(text) = surface_as(word, Encoding::Viqr).filter(|text| !text.is_ascii()) else { return 0 };
    let text = text.trim_end_matches(['.', '?', '\'']);
    let marks = text.chars().filter_map(|c| vowel(c).filter(|_| !c.is_ascii()));
    if !is_syllable(text) || text.chars().count() < 2 {
        return 0;
    }
    let (mut shape, mut tone) = (false, false);
    for v in marks {
        shape |= !v.with_tone(0).letter().is_ascii();
        tone |= v.tone > 0;
    }
    match (shape, tone) {
        (true, true) => 3,
        // "a^n" is a power of a as well.
        (true, false) if text.chars().count() > 2 => 2,
        (false, false) if !text.starts_with(['đ', 'Đ']) => 0,
        _ => 1,
    }
}
