//! Whole texts from and to an encoding.

use super::encoding::{Encoding, viqr_marked};
use super::fold::nfc;

/// A character that an encoding does not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{encoding:?} has no {character:?} (byte {offset} of the composed text)")]
pub struct Unencodable {
    /// The encoding.
    pub encoding: Encoding,
    /// The character.
    pub character: char,
    /// Where it begins in the composed (NFC) text, in bytes.
    pub offset: usize,
}

/// Text in an encoding. It is composed first, so that either form of Unicode gives the same bytes, and reading them
/// again gives the composed text.
///
/// TCVN3 has no capitals with tones and refuses them; what is set in `.Vn…H` fonts ([`Encoding::Tcvn3Capitals`]) is
/// capitals only.
pub fn encode(text: &str, encoding: Encoding) -> Result<Vec<u8>, Unencodable> {
    let text = nfc(text);
    let mut bytes = Vec::with_capacity(text.len());
    // What a following mark of VIQR would change.
    let mut open: Option<char> = None;
    for (offset, character) in text.char_indices() {
        if encoding == Encoding::Viqr {
            open = viqr_escaped(open, character, &mut bytes);
        }
        encoding.bytes_of(character, &mut bytes).ok_or(Unencodable { encoding, character, offset })?;
    }
    Ok(bytes)
}

/// Writes the backslash that keeps a character from being read as a mark of the one before, or the one before from
/// taking a mark of this one; what it leaves open.
fn viqr_escaped(open: Option<char>, c: char, out: &mut Vec<u8>) -> Option<char> {
    if matches!((open, c), (Some('d' | 'D'), 'đ' | 'Đ')) {
        // The letter before would take the first `d` of this one; it is the one byte that was written last.
        out.insert(out.len().saturating_sub(1), b'\\');
    }
    let byte = u8::try_from(c).ok().filter(u8::is_ascii);
    let is_mark = |byte: u8| match open {
        Some('d' | 'D') if matches!(byte, b'd' | b'D') => true,
        Some(letter) => viqr_marked(letter, byte).is_some(),
        None => false,
    };
    let escaped = byte.is_some_and(|byte| byte == b'\\' || is_mark(byte));
    if escaped {
        out.push(b'\\');
    }
    (!escaped).then_some(c)
}
