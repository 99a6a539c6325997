//! The encodings before TCVN 6909, letter by letter: bytes to characters and back. Sources of the tables:
//! `schemas/data/encodings/README.md`.

use std::sync::LazyLock;

use super::letters::{Shape, VOWELS, Vowel, capital, vowel};

/// How a text is encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Encoding {
    /// TCVN 6909:2001 in UTF-8, in whatever form (NFC, NFD).
    Utf8,
    /// UTF-16, little end first.
    Utf16Le,
    /// UTF-16, big end first.
    Utf16Be,
    /// TCVN 5712:1993 VN3, known as TCVN3 or ABC (`.Vn` fonts). It has no capitals with tones.
    Tcvn3,
    /// The same set in `.Vn…H` fonts, which draw every letter as a capital.
    Tcvn3Capitals,
    /// TCVN 5712:1993 VN1: VN3 with all capitals, some of them in places of control characters.
    Tcvn5712,
    /// VNI for Windows (`VNI-` fonts): a letter, then a byte for its marks.
    Vni,
    /// RFC 1456: a letter, then its marks in ASCII.
    Viqr,
    /// Windows-1258: some letters composed, tones behind.
    Cp1258,
}

/// The first unit of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unit {
    /// A character and the bytes that it takes.
    Char(char, usize),
    /// It cannot be told without more bytes.
    More,
    /// So many bytes that mean nothing in this encoding.
    Bad(usize),
}

impl Encoding {
    /// The name that people know.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Utf8 => "UTF-8",
            Self::Utf16Le => "UTF-16LE",
            Self::Utf16Be => "UTF-16BE",
            Self::Tcvn3 => "TCVN3",
            Self::Tcvn3Capitals => "TCVN3 (.Vn…H)",
            Self::Tcvn5712 => "TCVN 5712 VN1",
            Self::Vni => "VNI",
            Self::Viqr => "VIQR",
            Self::Cp1258 => "CP1258",
        }
    }

    /// Reads one character; `last` says that no bytes follow these, which are not empty.
    pub(super) fn unit(self, bytes: &[u8], last: bool) -> Unit {
        match self {
            Self::Utf8 => utf8(bytes, last),
            Self::Utf16Le => utf16(bytes, last, u16::from_le_bytes),
            Self::Utf16Be => utf16(bytes, last, u16::from_be_bytes),
            Self::Tcvn3 => one(tcvn3(bytes[0])),
            Self::Tcvn3Capitals => one(tcvn3(bytes[0]).map(capital)),
            Self::Tcvn5712 => one(Some(tcvn5712(bytes[0]))),
            Self::Vni => vni(bytes, last),
            Self::Viqr => viqr(bytes, last),
            Self::Cp1258 => {
                one(Some(CP1258[usize::from(bytes[0])]).filter(|c| !('\u{80}'..='\u{9f}').contains(c)))
            }
        }
    }

    /// Writes one character of composed text; `None` where the encoding lacks it. VIQR, whose marks are ASCII, needs
    /// what stands before: see [`super::encode`].
    pub(super) fn bytes_of(self, c: char, out: &mut Vec<u8>) -> Option<()> {
        match self {
            Self::Utf8 => out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
            Self::Utf16Le => c.encode_utf16(&mut [0; 2]).iter().for_each(|u| out.extend(u.to_le_bytes())),
            Self::Utf16Be => c.encode_utf16(&mut [0; 2]).iter().for_each(|u| out.extend(u.to_be_bytes())),
            Self::Tcvn3 => out.push(place_of(c, tcvn3)?),
            Self::Tcvn3Capitals => out.push(place_of(c, |b| tcvn3(b).map(capital))?),
            Self::Tcvn5712 => out.push(place_of(c, |b| Some(tcvn5712(b)))?),
            Self::Vni => to_vni(c, out)?,
            Self::Viqr => to_viqr(c, out)?,
            Self::Cp1258 => to_cp1258(c, out)?,
        }
        Some(())
    }
}

fn one(c: Option<char>) -> Unit {
    c.map_or(Unit::Bad(1), |c| Unit::Char(c, 1))
}

/// The byte of a character in an encoding of one byte a character; ASCII first, so that it stands for itself.
fn place_of(c: char, table: impl Fn(u8) -> Option<char>) -> Option<u8> {
    match u8::try_from(c) {
        Ok(byte) if byte < 0x80 && table(byte) == Some(c) => Some(byte),
        _ => (0..=0xff).find(|byte| table(*byte) == Some(c)),
    }
}

fn utf8(bytes: &[u8], last: bool) -> Unit {
    let head = &bytes[..bytes.len().min(4)];
    let (text, fault) = match std::str::from_utf8(head) {
        Ok(text) => (text, None),
        Err(fault) => {
            (std::str::from_utf8(&head[..fault.valid_up_to()]).unwrap_or_default(), fault.error_len())
        }
    };
    match (text.chars().next(), fault) {
        (Some(c), _) => Unit::Char(c, c.len_utf8()),
        (None, Some(length)) => Unit::Bad(length),
        (None, None) if last => Unit::Bad(bytes.len()),
        (None, None) => Unit::More,
    }
}

fn utf16(bytes: &[u8], last: bool, unit: fn([u8; 2]) -> u16) -> Unit {
    let units = bytes.chunks_exact(2).take(2).map(|pair| unit([pair[0], pair[1]]));
    let mut units = units.fuse();
    match (units.next(), units.next()) {
        (None, _) | (Some(0xd800..=0xdbff), None) if !last => Unit::More,
        (None, _) => Unit::Bad(bytes.len()),
        (Some(first), second) => match char::decode_utf16(std::iter::once(first).chain(second)).next() {
            Some(Ok(c)) => Unit::Char(c, 2 * c.len_utf16()),
            _ => Unit::Bad(2),
        },
    }
}

/// TCVN 5712:1993 VN1 from 0x80.
#[rustfmt::skip]
const VN1: [char; 128] = [
    'À', 'Ả', 'Ã', 'Á', 'Ạ', 'Ặ', 'Ậ', 'È',
    'Ẻ', 'Ẽ', 'É', 'Ẹ', 'Ệ', 'Ì', 'Ỉ', 'Ĩ',
    'Í', 'Ị', 'Ò', 'Ỏ', 'Õ', 'Ó', 'Ọ', 'Ộ',
    'Ờ', 'Ở', 'Ỡ', 'Ớ', 'Ợ', 'Ù', 'Ủ', 'Ũ',
    '\u{a0}', 'Ă', 'Â', 'Ê', 'Ô', 'Ơ', 'Ư', 'Đ',
    'ă', 'â', 'ê', 'ô', 'ơ', 'ư', 'đ', 'Ằ',
    '\u{300}', '\u{309}', '\u{303}', '\u{301}', '\u{323}', 'à', 'ả', 'ã',
    'á', 'ạ', 'Ẳ', 'ằ', 'ẳ', 'ẵ', 'ắ', 'Ẵ',
    'Ắ', 'Ầ', 'Ẩ', 'Ẫ', 'Ấ', 'Ề', 'ặ', 'ầ',
    'ẩ', 'ẫ', 'ấ', 'ậ', 'è', 'Ể', 'ẻ', 'ẽ',
    'é', 'ẹ', 'ề', 'ể', 'ễ', 'ế', 'ệ', 'ì',
    'ỉ', 'Ễ', 'Ế', 'Ồ', 'ĩ', 'í', 'ị', 'ò',
    'Ổ', 'ỏ', 'õ', 'ó', 'ọ', 'ồ', 'ổ', 'ỗ',
    'ố', 'ộ', 'ờ', 'ở', 'ỡ', 'ớ', 'ợ', 'ù',
    'Ỗ', 'ủ', 'ũ', 'ú', 'ụ', 'ừ', 'ử', 'ữ',
    'ứ', 'ự', 'ỳ', 'ỷ', 'ỹ', 'ý', 'ỵ', 'Ố',
];

const fn tcvn5712(byte: u8) -> char {
    match byte {
        0x01 => 'Ú',
        0x02 => 'Ụ',
        0x04 => 'Ừ',
        0x05 => 'Ử',
        0x06 => 'Ữ',
        0x11 => 'Ứ',
        0x12 => 'Ự',
        0x13 => 'Ỳ',
        0x14 => 'Ỷ',
        0x15 => 'Ỹ',
        0x16 => 'Ý',
        0x17 => 'Ỵ',
        0x00..=0x7f => byte as char,
        _ => VN1[byte as usize - 0x80],
    }
}

/// VN3 is VN1 without combining marks and capitals with tones. Its fonts lie over Windows-1252, whose quotes and
/// dashes writers used.
fn tcvn3(byte: u8) -> Option<char> {
    match byte {
        0x00..=0x7f => Some(char::from(byte)),
        0x80..=0x9f => punctuation(byte),
        0xa0 => Some('\u{a0}'),
        _ => {
            let c = VN1[usize::from(byte) - 0x80];
            let has = c == 'Đ' || vowel(c).is_some_and(|v| v.tone == 0 || !v.upper) || c == 'đ';
            has.then_some(c)
        }
    }
}

/// Quotes, dashes, bullet and dots of Windows-1252 between 0x80 and 0x9f.
const fn punctuation(byte: u8) -> Option<char> {
    Some(match byte {
        0x80 => '€',
        0x82 => '‚',
        0x84 => '„',
        0x85 => '…',
        0x8b => '‹',
        0x91 => '‘',
        0x92 => '’',
        0x93 => '“',
        0x94 => '”',
        0x95 => '•',
        0x96 => '–',
        0x97 => '—',
        0x99 => '™',
        0x9b => '›',
        _ => return None,
    })
}

/// The marks of VNI behind a letter in lower case: shape and tone.
const VNI_MARKS: [(u8, Shape, usize); 17] = [
    (0xf8, Shape::Bare, 1),
    (0xf9, Shape::Bare, 2),
    (0xfb, Shape::Bare, 3),
    (0xf5, Shape::Bare, 4),
    (0xef, Shape::Bare, 5),
    (0xe2, Shape::Circumflex, 0),
    (0xe0, Shape::Circumflex, 1),
    (0xe1, Shape::Circumflex, 2),
    (0xe5, Shape::Circumflex, 3),
    (0xe3, Shape::Circumflex, 4),
    (0xe4, Shape::Circumflex, 5),
    (0xea, Shape::Breve, 0),
    (0xe8, Shape::Breve, 1),
    (0xe9, Shape::Breve, 2),
    (0xfa, Shape::Breve, 3),
    (0xfc, Shape::Breve, 4),
    (0xeb, Shape::Breve, 5),
];

/// The letters of VNI that are one byte, in lower case.
const VNI_LETTERS: [(u8, char); 9] = [
    (0xec, 'ì'),
    (0xed, 'í'),
    (0xe6, 'ỉ'),
    (0xf3, 'ĩ'),
    (0xf2, 'ị'),
    (0xf4, 'ơ'),
    (0xf6, 'ư'),
    (0xee, 'ỵ'),
    (0xf1, 'đ'),
];

/// A vowel that VNI writes with a mark: all of ASCII but i, which has bytes of its own; ơ and ư take tones only.
fn takes_vni_mark(letter: char, shape: Shape, tone: usize) -> Option<Vowel> {
    let v = vowel(letter)?;
    let fits = match (VOWELS[v.row][0], shape) {
        ('i', _) => false,
        ('y', Shape::Bare) => tone != 5,
        ('ơ' | 'ư', Shape::Bare) | ('a' | 'e' | 'o' | 'u', _) => v.tone == 0,
        _ => false,
    };
    if fits { v.shaped(shape).map(|v| v.with_tone(tone)) } else { None }
}

fn vni(bytes: &[u8], last: bool) -> Unit {
    let first = bytes[0];
    let letter = match first {
        0x00..=0x7f => char::from(first),
        0x80..=0x9f => return one(punctuation(first)),
        // Signs of Windows-1252: ° § © and their like.
        0xa0..=0xbf => return Unit::Char(char::from(first), 1),
        _ => {
            let upper = first & 0x20 == 0;
            match VNI_LETTERS.iter().find(|(byte, _)| *byte == first | 0x20) {
                Some((_, letter)) => {
                    if upper {
                        capital(*letter)
                    } else {
                        *letter
                    }
                }
                None => return Unit::Bad(1),
            }
        }
    };
    if !matches!(vowel(letter), Some(v) if v.tone == 0) {
        return Unit::Char(letter, 1);
    }
    let Some(next) = bytes.get(1) else {
        return if last { Unit::Char(letter, 1) } else { Unit::More };
    };
    let mark = VNI_MARKS.iter().find(|(byte, ..)| *next >= 0xc0 && *byte == next | 0x20);
    match mark.and_then(|(_, shape, tone)| takes_vni_mark(letter, *shape, *tone)) {
        Some(marked) => Unit::Char(marked.letter(), 2),
        None => Unit::Char(letter, 1),
    }
}

fn to_vni(c: char, out: &mut Vec<u8>) -> Option<()> {
    let lower = c.to_lowercase().next()?;
    let case = |byte: u8| if lower == c { byte } else { byte & !0x20 };
    if c.is_ascii() || ('\u{a0}'..='\u{bf}').contains(&c) {
        out.push(u8::try_from(c).ok()?);
    } else if let Some((byte, _)) = VNI_LETTERS.iter().find(|(_, letter)| *letter == lower) {
        out.push(case(*byte));
    } else if let Some(v) = vowel(c) {
        let (base, shape) = v.base();
        let horned =
            VNI_LETTERS.iter().find(|(_, letter)| shape == Shape::Horn && *letter == VOWELS[v.row][0]);
        let (first, shape) = match horned {
            Some((byte, _)) => (case(*byte), Shape::Bare),
            None => (u8::try_from(base).ok()?, shape),
        };
        let mark = VNI_MARKS.iter().find(|(_, s, tone)| *s == shape && *tone == v.tone)?;
        out.extend([first, case(mark.0)]);
    } else {
        out.push((0x80..=0x9f).find(|byte| punctuation(*byte) == Some(c))?);
    }
    Some(())
}

/// A mark of VIQR: shape or tone.
fn viqr_mark(byte: u8) -> Option<(Shape, usize)> {
    Some(match byte {
        b'(' => (Shape::Breve, 0),
        b'^' => (Shape::Circumflex, 0),
        b'+' => (Shape::Horn, 0),
        b'`' => (Shape::Bare, 1),
        b'\'' => (Shape::Bare, 2),
        b'?' => (Shape::Bare, 3),
        b'~' => (Shape::Bare, 4),
        b'.' => (Shape::Bare, 5),
        _ => return None,
    })
}

/// What a mark of VIQR makes of a letter. Shapes stand before tones, one of each.
pub(super) fn viqr_marked(letter: char, mark: u8) -> Option<char> {
    let (shape, tone) = viqr_mark(mark)?;
    let v = vowel(letter).filter(|v| v.tone == 0)?;
    match shape {
        Shape::Bare => Some(v.with_tone(tone).letter()),
        _ if letter.is_ascii() => v.shaped(shape).map(Vowel::letter),
        _ => None,
    }
}

/// What a backslash makes literal.
fn viqr_escapable(byte: u8) -> bool {
    viqr_mark(byte).is_some() || matches!(byte, b'd' | b'D' | b'\\')
}

fn viqr(bytes: &[u8], last: bool) -> Unit {
    let first = bytes[0];
    let next = bytes.get(1).copied();
    match (first, next) {
        (0x80.., _) => Unit::Bad(1),
        (b'\\' | b'd' | b'D', None) if !last => Unit::More,
        (b'\\', Some(byte)) if viqr_escapable(byte) => Unit::Char(char::from(byte), 2),
        (b'd', Some(b'd')) => Unit::Char('đ', 2),
        (b'D', Some(b'd' | b'D')) | (b'd', Some(b'D')) => Unit::Char('Đ', 2),
        _ => {
            let mut letter = char::from(first);
            let mut used = 1;
            while let Some(mark) = bytes.get(used) {
                match viqr_marked(letter, *mark) {
                    Some(marked) => letter = marked,
                    None => return Unit::Char(letter, used),
                }
                used += 1;
            }
            let more = !last && vowel(letter).is_some_and(|v| v.tone == 0);
            if more { Unit::More } else { Unit::Char(letter, used) }
        }
    }
}

fn to_viqr(c: char, out: &mut Vec<u8>) -> Option<()> {
    match c {
        'đ' => out.extend(*b"dd"),
        'Đ' => out.extend(*b"DD"),
        _ if c.is_ascii() => out.push(u8::try_from(c).ok()?),
        _ => {
            let v = vowel(c)?;
            let (base, shape) = v.base();
            out.push(u8::try_from(base).ok()?);
            let marks = *b"(^+`'?~.";
            let is = |s, t| move |mark: &u8| viqr_mark(*mark) == Some((s, t));
            out.extend(marks.into_iter().filter(|m| shape != Shape::Bare && is(shape, 0)(m)));
            out.extend(marks.into_iter().filter(|m| v.tone > 0 && is(Shape::Bare, v.tone)(m)));
        }
    }
    Some(())
}

/// Windows-1258 by byte, as the WHATWG Encoding Standard has it; its tones are combining marks.
static CP1258: LazyLock<[char; 256]> = LazyLock::new(|| {
    std::array::from_fn(|n| {
        let byte = [u8::try_from(n).unwrap_or_default()];
        let decoded = encoding_rs::WINDOWS_1258.decode_without_bom_handling(&byte).0;
        decoded.chars().next().unwrap_or(char::REPLACEMENT_CHARACTER)
    })
});

fn to_cp1258(c: char, out: &mut Vec<u8>) -> Option<()> {
    let place = |c: char| {
        let c = (c.is_ascii() || !('\u{80}'..='\u{9f}').contains(&c)).then_some(c)?;
        (0..=0xff_u8).find(|byte| CP1258[usize::from(*byte)] == c)
    };
    match vowel(c) {
        Some(v) if v.tone > 0 => {
            let mark = ['\u{300}', '\u{301}', '\u{309}', '\u{303}', '\u{323}'][v.tone - 1];
            out.extend([place(v.with_tone(0).letter())?, place(mark)?]);
        }
        _ => out.push(place(c)?),
    }
    Some(())
}
