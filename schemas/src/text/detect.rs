//! Which encoding a text is in, told by its first bytes. What is not certain is refused: a wrong guess would be
//! written down as if somebody had meant it.

use super::converter::Source;
use super::encoding::Encoding;
use super::legacy::{SURFACES, Verdict, Viqr, Words, surface_encoding, viqr};

/// How much of a text tells; more is not looked at.
pub const DETECT_BYTES_MAX: usize = 64 << 10;

/// An encoding that was recognised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Detected {
    /// What to read the text as.
    pub source: Source,
    /// How certain.
    pub confidence: Confidence,
}

/// How certain a detection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Confidence {
    /// The words tell: they are Vietnamese in this encoding and in no other.
    Likely,
    /// A byte order mark, valid UTF-8 or ASCII.
    Certain,
}

/// Why no encoding is named.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Undetected {
    /// There are zero bytes: no text, or UTF-16 without a byte order mark.
    #[error("not a text")]
    Binary,
    /// In no encoding the words are Vietnamese.
    #[error("no encoding fits")]
    Unknown,
    /// Several encodings fit.
    #[error("several encodings fit")]
    Ambiguous(Vec<Encoding>),
}

/// Tells the encoding of a text by its first bytes, [`DETECT_BYTES_MAX`] of them at most.
pub fn detect(head: &[u8]) -> Result<Detected, Undetected> {
    let cut = head.len() >= DETECT_BYTES_MAX;
    let head = &head[..head.len().min(DETECT_BYTES_MAX)];
    if let Some(encoding) = marked(head) {
        return Ok(certain(encoding));
    }
    if head.contains(&0) {
        return Err(Undetected::Binary);
    }
    match utf8(head, cut) {
        Some(text) if text.is_ascii() => match viqr(text) {
            Viqr::Yes => Ok(likely(Encoding::Viqr, false)),
            Viqr::Perhaps => Err(Undetected::Ambiguous(vec![Encoding::Utf8, Encoding::Viqr])),
            Viqr::No => Ok(certain(Encoding::Utf8)),
        },
        Some(text) => Ok(surface_encoding(text).map_or(certain(Encoding::Utf8), |e| likely(e, true))),
        None => by_words(head, cut),
    }
}

/// What to read a text as whose encoding a person named: its bytes, or its surface where it is valid UTF-8 beyond
/// ASCII, which old text never is.
pub fn source_of(encoding: Encoding, head: &[u8]) -> Source {
    let cut = head.len() >= DETECT_BYTES_MAX;
    let old = !matches!(encoding, Encoding::Utf8 | Encoding::Utf16Le | Encoding::Utf16Be);
    Source { encoding, surface: old && utf8(head, cut).is_some_and(|text| !text.is_ascii()) }
}

fn certain(encoding: Encoding) -> Detected {
    Detected { source: Source { encoding, surface: false }, confidence: Confidence::Certain }
}

fn likely(encoding: Encoding, surface: bool) -> Detected {
    Detected { source: Source { encoding, surface }, confidence: Confidence::Likely }
}

fn marked(head: &[u8]) -> Option<Encoding> {
    match head {
        [0xef, 0xbb, 0xbf, rest @ ..] => {
            // A mark does not make old letters behind it new ones.
            let text = std::str::from_utf8(rest).ok();
            text.is_none_or(|text| surface_encoding(text).is_none()).then_some(Encoding::Utf8)
        }
        [0xff, 0xfe, ..] => Some(Encoding::Utf16Le),
        [0xfe, 0xff, ..] => Some(Encoding::Utf16Be),
        _ => None,
    }
}

/// The head as UTF-8; a character that is cut off at its end is left out.
fn utf8(head: &[u8], cut: bool) -> Option<&str> {
    match std::str::from_utf8(head) {
        Ok(text) => Some(text),
        Err(fault) if cut && fault.error_len().is_none() => {
            std::str::from_utf8(&head[..fault.valid_up_to()]).ok()
        }
        Err(_) => None,
    }
}

fn by_words(head: &[u8], cut: bool) -> Result<Detected, Undetected> {
    let end =
        if cut { head.iter().rposition(u8::is_ascii_whitespace).unwrap_or(head.len()) } else { head.len() };
    let surface: String = head[..end].iter().map(|b| char::from(*b)).collect();
    let found = Words::of(&surface);
    let mut fitting: Vec<(Encoding, Verdict)> =
        SURFACES.into_iter().zip(found.under).filter(|(_, verdict)| fits(verdict)).collect();
    one_of_tcvn(&mut fitting, head);
    fitting.sort_by_key(|(_, verdict)| std::cmp::Reverse(verdict.right));
    match fitting[..] {
        [] => Err(Undetected::Unknown),
        [(encoding, best), ref others @ ..]
            if best.right >= 2 && others.first().is_none_or(|(_, next)| next.right * 3 <= best.right * 2) =>
        {
            Ok(likely(encoding, false))
        }
        _ => Err(Undetected::Ambiguous(fitting.into_iter().map(|(encoding, _)| encoding).collect())),
    }
}

/// Three words in four become Vietnamese, and some are nothing but that. The others may be Vietnamese as Latin-1 too:
/// VNI and Windows-1258 share letters with it.
fn fits(verdict: &Verdict) -> bool {
    verdict.only_then > 0 && verdict.only_then * 4 >= verdict.right && verdict.wrong * 3 <= verdict.right
}

/// VN1 holds all of VN3: it is VN1 where that reads more words, or where its capitals in places of control characters
/// are used.
fn one_of_tcvn(fitting: &mut Vec<(Encoding, Verdict)>, head: &[u8]) {
    let right =
        |wanted| fitting.iter().find(|(encoding, _)| *encoding == wanted).map(|(_, verdict)| verdict.right);
    if let (Some(vn1), Some(vn3)) = (right(Encoding::Tcvn5712), right(Encoding::Tcvn3)) {
        let controls = head.iter().any(|b| matches!(b, 0x01 | 0x02 | 0x04..=0x06 | 0x11..=0x17));
        let lesser = if vn1 > vn3 || controls { Encoding::Tcvn3 } else { Encoding::Tcvn5712 };
        fitting.retain(|(encoding, _)| *encoding != lesser);
    }
}
