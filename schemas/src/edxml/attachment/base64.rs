//! Base64 (RFC 4648 section 4), decoded in bulk as it passes: memory does not grow with the text.
//!
//! Some texts are not quite base64, and the national axis carries them: the reference library passes over strange
//! characters and does without padding. What every lenient reader takes for the same bytes is taken, and told
//! ([`Oddity`]). What readers disagree on is refused: data behind padding, the letters of the URL alphabet, and a text that
//! is mostly something else.

use ::base64::Engine as _;
use ::base64::alphabet;
use ::base64::engine::DecodePaddingMode;
use ::base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD, STANDARD_NO_PAD};
use memchr::{memchr, memchr3};

use super::AttachmentFault;

/// Characters decoded at once; a multiple of four.
const BATCH: usize = 16 * 1024;

/// The end of a text without its padding, whatever bits it leaves set.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::RequireNone),
);
/// One strange character in so many is taken for an accident; more are a text that is no base64.
const STRANGE_ONE_IN: u64 = 16;

/// Where decoded bytes go.
pub(super) type Take<'t> = dyn FnMut(&[u8]) -> Result<(), AttachmentFault> + 't;

/// Why a text is not the base64 of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Base64Fault {
    /// Many characters that are neither base64 nor white space.
    #[error("not base64")]
    Foreign,
    /// `-` or `_`: letters of another base64, which some readers decode and others pass over.
    #[error("a letter of the URL alphabet of base64")]
    UrlAlphabet,
    /// Data behind the padding.
    #[error("base64 goes on behind its padding")]
    Padding,
}

/// What is not quite base64, and read all the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Oddity {
    /// Characters that are neither base64 nor white space were passed over.
    #[error("characters that are not base64")]
    Characters,
    /// The last group has one character: the text was cut.
    #[error("cut off")]
    Cut,
    /// Padding is missing or more than needed, or leaves bits set that it does not use.
    #[error("wrong padding")]
    Padding,
}

/// A decoder in the middle of a text.
#[derive(Debug)]
pub(super) struct Base64Stream {
    /// Characters that wait for more: fewer than a batch.
    waiting: Vec<u8>,
    bytes: Vec<u8>,
    encoded: u64,
    /// The text is not plain: each character is looked at.
    careful: bool,
    /// `=` so far; nothing but these may follow.
    padding: u64,
    strange: u64,
    /// Bytes came out.
    gave: bool,
    odd: Option<Oddity>,
    slot: Slot,
}

/// Whether this may be, is, or is not the unfilled slot of a template.
#[derive(Debug, PartialEq, Eq)]
enum Slot {
    Start,
    Dollar,
    Placeholder,
    Data,
}

impl Base64Stream {
    /// A decoder at the start of a text.
    pub(super) fn new() -> Self {
        Self {
            waiting: Vec::with_capacity(BATCH),
            bytes: vec![0; BATCH / 4 * 3],
            encoded: 0,
            careful: false,
            padding: 0,
            strange: 0,
            gave: false,
            odd: None,
            slot: Slot::Start,
        }
    }

    /// Characters of base64 taken, white space left out.
    pub(super) fn encoded(&self) -> u64 {
        self.encoded
    }

    /// What is not quite base64 in it; the first of several.
    pub(super) fn odd(&self) -> Option<Oddity> {
        self.odd
    }

    /// No data, but the unfilled slot of a template: `${...}`.
    pub(super) fn is_placeholder(&self) -> bool {
        self.slot == Slot::Placeholder
    }

    /// Takes the next piece, cut anywhere.
    pub(super) fn push(&mut self, chunk: &[u8], take: &mut Take<'_>) -> Result<(), AttachmentFault> {
        let mut rest = chunk;
        while self.slot != Slot::Data {
            let Some(first) = rest.iter().position(|b| !is_blank(*b)) else { return Ok(()) };
            self.slot = match (&self.slot, rest[first]) {
                (Slot::Placeholder, _) => return Ok(()),
                (Slot::Start, b'$') => Slot::Dollar,
                (Slot::Dollar, b'{') => Slot::Placeholder,
                (Slot::Dollar, _) => {
                    self.strange += 1;
                    self.odd = Some(Oddity::Characters);
                    Slot::Data
                }
                _ => Slot::Data,
            };
            rest = &rest[if self.slot == Slot::Data { first } else { first + 1 }..];
        }
        self.push_data(rest, take)
    }

    /// The text has ended.
    pub(super) fn finish(&mut self, take: &mut Take<'_>) -> Result<(), AttachmentFault> {
        if self.slot == Slot::Dollar {
            return Err(Base64Fault::Foreign.into());
        }
        if !self.careful {
            // Most texts end as they should.
            let waiting = std::mem::take(&mut self.waiting);
            match STANDARD.decode_slice(&waiting, &mut self.bytes) {
                Ok(0) => {}
                Ok(length) => {
                    self.gave = true;
                    take(&self.bytes[..length])?;
                }
                Err(_) => self.sift(&waiting)?,
            }
        }
        let waiting = std::mem::take(&mut self.waiting);
        if !waiting.is_empty() {
            self.decode_end(waiting, take)?;
        }
        let nothing = self.encoded > 0 && !self.gave && !self.is_placeholder();
        if nothing || self.strange * STRANGE_ONE_IN > self.encoded {
            return Err(Base64Fault::Foreign.into());
        }
        Ok(())
    }

    /// White space is found in bulk: a text has none, or some at the end of each line.
    fn push_data(&mut self, mut rest: &[u8], take: &mut Take<'_>) -> Result<(), AttachmentFault> {
        // A carriage return comes as a character reference only: rarely.
        let returns = memchr(b'\r', rest).is_some();
        loop {
            let blank = if returns {
                rest.iter().position(|b| is_blank(*b))
            } else {
                memchr3(b'\n', b' ', b'\t', rest)
            };
            let Some(blank) = blank else { return self.push_solid(rest, take) };
            self.push_solid(&rest[..blank], take)?;
            rest = &rest[blank + 1..];
        }
    }

    /// Characters without white space: whole batches are decoded where they stand, as long as they are base64.
    fn push_solid(&mut self, mut solid: &[u8], take: &mut Take<'_>) -> Result<(), AttachmentFault> {
        self.encoded += solid.len() as u64;
        while !solid.is_empty() {
            if self.waiting.is_empty() && !self.careful && solid.len() >= BATCH {
                let (batch, rest) = solid.split_at(BATCH);
                self.decode(batch, take)?;
                solid = rest;
                continue;
            }
            let (fill, rest) = solid.split_at(solid.len().min(BATCH - self.waiting.len()));
            if self.careful {
                self.sift(fill)?;
            } else {
                self.waiting.extend_from_slice(fill);
            }
            solid = rest;
            if self.waiting.len() == BATCH {
                let mut full = std::mem::take(&mut self.waiting);
                self.decode(&full, take)?;
                if self.waiting.is_empty() {
                    full.clear();
                    self.waiting = full;
                }
            }
        }
        Ok(())
    }

    /// Decodes a whole batch, if it is base64 without padding. Else what of it is base64 waits for more.
    fn decode(&mut self, batch: &[u8], take: &mut Take<'_>) -> Result<(), AttachmentFault> {
        if !batch.ends_with(b"=")
            && let Ok(length) = STANDARD.decode_slice(batch, &mut self.bytes)
        {
            self.gave = true;
            return take(&self.bytes[..length]);
        }
        self.sift(batch)
    }

    /// Puts what of these characters is base64 to what waits, and tells what is not. From the first `=` on nothing does.
    fn sift(&mut self, characters: &[u8]) -> Result<(), AttachmentFault> {
        self.careful = true;
        for byte in characters {
            match byte {
                b'=' => self.padding += 1,
                b'-' | b'_' => return Err(Base64Fault::UrlAlphabet.into()),
                b'+' | b'/' | b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' if self.padding == 0 => {
                    self.waiting.push(*byte);
                }
                b'+' | b'/' | b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' => {
                    return Err(Base64Fault::Padding.into());
                }
                _ => {
                    self.strange += 1;
                    self.odd.get_or_insert(Oddity::Characters);
                }
            }
        }
        Ok(())
    }

    /// The last characters of the text, without padding.
    fn decode_end(&mut self, mut last: Vec<u8>, take: &mut Take<'_>) -> Result<(), AttachmentFault> {
        if last.len() % 4 == 1 {
            last.pop();
            self.odd.get_or_insert(Oddity::Cut);
        }
        let missing = (4 - last.len() as u64 % 4) % 4;
        if self.padding != missing {
            self.odd.get_or_insert(Oddity::Padding);
        }
        let length = match STANDARD_NO_PAD.decode_slice(&last, &mut self.bytes) {
            Ok(length) => length,
            Err(_) => {
                self.odd.get_or_insert(Oddity::Padding);
                LENIENT.decode_slice(&last, &mut self.bytes).map_err(|_| Base64Fault::Foreign)?
            }
        };
        self.gave |= length > 0;
        take(&self.bytes[..length])
    }
}

fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Text {
        bytes: Vec<u8>,
        encoded: u64,
        placeholder: bool,
        odd: Option<Oddity>,
    }

    fn decode<T: AsRef<[u8]>>(chunks: &[T]) -> Result<Text, AttachmentFault> {
        let mut stream = Base64Stream::new();
        let mut bytes = Vec::new();
        let mut take = |piece: &[u8]| {
            bytes.extend_from_slice(piece);
            Ok(())
        };
        chunks.iter().try_for_each(|c| stream.push(c.as_ref(), &mut take))?;
        stream.finish(&mut take)?;
        Ok(Text { encoded: stream.encoded(), placeholder: stream.is_placeholder(), odd: stream.odd(), bytes })
    }

    #[test]
    fn wrapped_and_cut_text_gives_the_same_bytes() {
        let bytes: Vec<u8> = (0..100_000u32).map(|n| (n * 7 % 251) as u8).collect();
        let text = STANDARD.encode(&bytes);
        for end in ["\r\n\t", "\n", "  ", "\t\t\n", ""] {
            let lines = text.as_bytes().chunks(76);
            let wrapped: Vec<u8> = lines.flat_map(|l| [l, end.as_bytes()].concat()).collect();
            for size in [1, 3, 4, 5, 4096, BATCH - 1, BATCH, BATCH + 1, 1 << 20] {
                let decoded = decode(&wrapped.chunks(size).collect::<Vec<_>>()).expect("base64");
                assert!(decoded.bytes == bytes, "{end:?} {size}");
                assert_eq!(decoded.encoded, text.len() as u64);
            }
        }
    }

    const SIZES: [usize; 5] = [1, 7, 4096, BATCH + 1, 1 << 20];

    fn told(text: &str) -> Vec<Result<Text, AttachmentFault>> {
        let decoded = |size| decode(&text.as_bytes().chunks(size).collect::<Vec<_>>());
        SIZES.into_iter().map(decoded).collect()
    }

    #[test]
    fn what_readers_disagree_on_is_refused() {
        let padded_batch = format!("{}AA==", "A".repeat(BATCH - 4));
        for (text, fault) in [
            ("QUJD-_==", Base64Fault::UrlAlphabet),
            ("QQ==QUJD", Base64Fault::Padding),
            ("QQ=A", Base64Fault::Padding),
            (&format!("{padded_batch}AAAA"), Base64Fault::Padding),
            ("$", Base64Fault::Foreign),
            ("QUJDQUJDQUJD!!", Base64Fault::Foreign),
            ("(scan.pdf)", Base64Fault::Foreign),
            ("x", Base64Fault::Foreign),
            ("==", Base64Fault::Foreign),
        ] {
            for told in told(text) {
                let told = told.expect_err("a fault");
                assert!(matches!(told, AttachmentFault::Base64(f) if f == fault), "{text:.40}: {told:?}");
            }
        }
    }

    #[test]
    fn what_lenient_readers_take_alike_is_taken_and_told() {
        let long = "QUJD".repeat(BATCH);
        let all = b"ABC".repeat(BATCH);
        let mut cut = all.clone();
        cut.pop();
        let cases = [
            ("QUJDQUJDQUJDQUI=".to_owned(), b"ABCABCABCAB".to_vec(), None),
            ("QUJDQUJDQUJDQUI".to_owned(), b"ABCABCABCAB".to_vec(), Some(Oddity::Padding)),
            ("QUJDQUJDQUJDQUI==".to_owned(), b"ABCABCABCAB".to_vec(), Some(Oddity::Padding)),
            ("QUJDQUJDQUJDQUJ=".to_owned(), b"ABCABCABCAB".to_vec(), Some(Oddity::Padding)),
            ("QUJDQUJDQUJDQUJDQ".to_owned(), b"ABCABCABCABC".to_vec(), Some(Oddity::Cut)),
            ("QU!JDQUJDQUJDQUJD".to_owned(), b"ABCABCABCABC".to_vec(), Some(Oddity::Characters)),
            ("$QUJDQUJDQUJDQUJD".to_owned(), b"ABCABCABCABC".to_vec(), Some(Oddity::Characters)),
            (long.clone(), all.clone(), None),
            (format!("{}đ{}", &long[..5], &long[5..]), all.clone(), Some(Oddity::Characters)),
            (format!("{}:{}", &long[..BATCH * 2 + 3], &long[BATCH * 2 + 3..]), all, Some(Oddity::Characters)),
            (long[..long.len() - 1].to_owned(), cut, Some(Oddity::Padding)),
        ];
        for (text, bytes, odd) in cases {
            for told in told(&text) {
                let told = told.expect("base64 to lenient readers");
                assert!(told.odd == odd && told.bytes == bytes, "{text:.40}: {:?}", told.odd);
            }
        }
        let padded_batch = format!("{}AA==", "A".repeat(BATCH - 4));
        for told in told(&padded_batch) {
            let told = told.expect("whole");
            assert_eq!((told.bytes.len(), told.odd), (BATCH / 4 * 3 - 2, None));
        }
    }

    #[test]
    fn an_unfilled_slot_and_an_empty_one_hold_no_bytes() {
        let slot = decode(&[" \n$", " {__StringFromFile(test.txt,,,)}"]).expect("a placeholder");
        assert!(slot.placeholder && slot.bytes.is_empty());
        let empty = decode(&[" \r\n "]).expect("nothing");
        assert!(!empty.placeholder && empty.bytes.is_empty());
    }
}
