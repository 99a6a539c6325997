//! The Vietnamese letters of TCVN 6909:2001: twelve vowels with six tones each, in both cases, and đ.

/// One row a vowel: bare, then with grave (huyền), acute (sắc), hook (hỏi), tilde (ngã), dot below (nặng).
pub(super) const VOWELS: [[char; 6]; 12] = [
    ['a', 'à', 'á', 'ả', 'ã', 'ạ'],
    ['ă', 'ằ', 'ắ', 'ẳ', 'ẵ', 'ặ'],
    ['â', 'ầ', 'ấ', 'ẩ', 'ẫ', 'ậ'],
    ['e', 'è', 'é', 'ẻ', 'ẽ', 'ẹ'],
    ['ê', 'ề', 'ế', 'ể', 'ễ', 'ệ'],
    ['i', 'ì', 'í', 'ỉ', 'ĩ', 'ị'],
    ['o', 'ò', 'ó', 'ỏ', 'õ', 'ọ'],
    ['ô', 'ồ', 'ố', 'ổ', 'ỗ', 'ộ'],
    ['ơ', 'ờ', 'ớ', 'ở', 'ỡ', 'ợ'],
    ['u', 'ù', 'ú', 'ủ', 'ũ', 'ụ'],
    ['ư', 'ừ', 'ứ', 'ử', 'ữ', 'ự'],
    ['y', 'ỳ', 'ý', 'ỷ', 'ỹ', 'ỵ'],
];

/// The tones' places in a row of [`VOWELS`].
pub(super) const ACUTE: usize = 2;
/// Nặng.
pub(super) const DOT: usize = 5;

/// A vowel taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Vowel {
    /// Row of [`VOWELS`].
    pub(super) row: usize,
    /// Place in the row; 0 is no tone.
    pub(super) tone: usize,
    /// A capital.
    pub(super) upper: bool,
}

/// What makes ă, â, ê, ô, ơ, ư of a letter of ASCII.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    Bare,
    Breve,
    Circumflex,
    Horn,
}

impl Vowel {
    /// The composed letter.
    pub(super) fn letter(self) -> char {
        let lower = VOWELS[self.row][self.tone];
        if self.upper { capital(lower) } else { lower }
    }

    pub(super) fn with_tone(self, tone: usize) -> Self {
        Self { tone, ..self }
    }

    /// The letter of ASCII below the marks, in its case, and its shape.
    pub(super) fn base(self) -> (char, Shape) {
        let (base, shape) = match VOWELS[self.row][0] {
            'ă' => ('a', Shape::Breve),
            'â' => ('a', Shape::Circumflex),
            'ê' => ('e', Shape::Circumflex),
            'ô' => ('o', Shape::Circumflex),
            'ơ' => ('o', Shape::Horn),
            'ư' => ('u', Shape::Horn),
            bare => (bare, Shape::Bare),
        };
        (if self.upper { base.to_ascii_uppercase() } else { base }, shape)
    }

    /// A bare vowel of ASCII put into a shape, where Vietnamese has such a letter.
    pub(super) fn shaped(self, shape: Shape) -> Option<Self> {
        let row = match (VOWELS[self.row][0], shape) {
            (_, Shape::Bare) => self.row,
            ('a', Shape::Breve) => 1,
            ('a', Shape::Circumflex) => 2,
            ('e', Shape::Circumflex) => 4,
            ('o', Shape::Circumflex) => 7,
            ('o', Shape::Horn) => 8,
            ('u', Shape::Horn) => 10,
            _ => return None,
        };
        Some(Self { row, ..self })
    }
}

/// The capital of a vowel or đ; another character as it is.
pub(super) const fn capital(lower: char) -> char {
    let n = lower as u32;
    let upper = match lower {
        'a'..='z' | 'à'..='ö' | 'ø'..='ý' => n - 0x20,
        'ă' | 'đ' | 'ĩ' | 'ũ' | 'ơ' | 'ư' => n - 1,
        'ạ'..='ỹ' if n & 1 == 1 => n - 1,
        _ => n,
    };
    match char::from_u32(upper) {
        Some(c) => c,
        None => lower,
    }
}

const FIRST: u32 = 'A' as u32;
const LATIN: u32 = 'ư' as u32 - FIRST + 1;
const TONED: u32 = 'Ạ' as u32;
const SLOTS: usize = (LATIN + 'ỹ' as u32 - TONED + 1) as usize;

const fn slot(c: char) -> Option<usize> {
    match c {
        'A'..='ư' => Some((c as u32 - FIRST) as usize),
        'Ạ'..='ỹ' => Some((LATIN + c as u32 - TONED) as usize),
        _ => None,
    }
}

/// 0 for no vowel, else 1 + row * 6 + tone, and 72 more for a capital.
const PARTS: [u8; SLOTS] = {
    let mut parts = [0; SLOTS];
    let mut at = 0;
    while at < 72 {
        let lower = VOWELS[at / 6][at % 6];
        if let (Some(small), Some(large)) = (slot(lower), slot(capital(lower))) {
            parts[small] = at as u8 + 1;
            parts[large] = at as u8 + 73;
        }
        at += 1;
    }
    parts
};

/// Takes a composed vowel apart, ASCII ones too.
pub(super) fn vowel(c: char) -> Option<Vowel> {
    let part = PARTS[slot(c)?].checked_sub(1)?;
    let lower = usize::from(part % 72);
    Some(Vowel { row: lower / 6, tone: lower % 6, upper: part >= 72 })
}

/// Whether a character is one of the 134 Vietnamese letters that ASCII lacks.
pub(super) fn is_vietnamese(c: char) -> bool {
    !c.is_ascii() && (matches!(c, 'đ' | 'Đ') || vowel(c).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_letter_comes_apart_and_together() {
        let mut letters = 0;
        for c in '\0'..='\u{ffff}' {
            letters += usize::from(is_vietnamese(c));
            let Some(parts) = vowel(c) else { continue };
            assert_eq!(parts.letter(), c);
            let (base, shape) = parts.base();
            let bare = vowel(base).expect("a vowel below the marks");
            assert_eq!(bare.shaped(shape).map(|v| v.with_tone(parts.tone).letter()), Some(c));
            assert_eq!(c.to_lowercase().next().map(capital), c.to_uppercase().next(), "{c}");
        }
        assert_eq!(letters, 134);
    }
}
