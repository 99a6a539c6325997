//! Base64 (RFC 4648 section 4), decoded in bulk as it passes: memory does not grow with the text.

use ::base64::Engine as _;
use ::base64::engine::general_purpose::STANDARD;
use memchr::{memchr, memchr3};

use super::AttachmentFault;

/// Characters decoded at once; a multiple of four.
const BATCH: usize = 16 * 1024;

/// Where decoded bytes go.
pub(super) type Take<'t> = dyn FnMut(&[u8]) -> Result<(), AttachmentFault> + 't;

/// Why a text is not the base64 of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Base64Fault {
    /// A character that is neither base64 nor white space.
    #[error("a character that is not base64")]
    Character,
    /// The last group is short: the text was cut.
    #[error("the base64 text is cut off")]
    Cut,
    /// Padding before the end, or bits set that the padding leaves unused.
    #[error("wrong base64 padding")]
    Padding,
}

/// A decoder in the middle of a text.
#[derive(Debug)]
pub(super) struct Base64Stream {
    /// Characters that wait for more: fewer than a batch.
    waiting: Vec<u8>,
    bytes: Vec<u8>,
    encoded: u64,
    padded: bool,
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
            padded: false,
            slot: Slot::Start,
        }
    }

    /// Characters of base64 taken, white space left out.
    pub(super) fn encoded(&self) -> u64 {
        self.encoded
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
                (Slot::Dollar, _) => return Err(Base64Fault::Character.into()),
                _ => Slot::Data,
            };
            rest = &rest[if self.slot == Slot::Data { first } else { first + 1 }..];
        }
        self.push_data(rest, take)
    }

    /// The text has ended.
    pub(super) fn finish(&mut self, take: &mut Take<'_>) -> Result<(), AttachmentFault> {
        if self.slot == Slot::Dollar {
            return Err(Base64Fault::Character.into());
        }
        let waiting = std::mem::take(&mut self.waiting);
        self.decode(&waiting, take)
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

    /// Characters without white space: whole batches are decoded where they stand.
    fn push_solid(&mut self, mut solid: &[u8], take: &mut Take<'_>) -> Result<(), AttachmentFault> {
        self.encoded += solid.len() as u64;
        if !self.waiting.is_empty() {
            let (fill, rest) = solid.split_at(solid.len().min(BATCH - self.waiting.len()));
            self.waiting.extend_from_slice(fill);
            if self.waiting.len() < BATCH {
                return Ok(());
            }
            let mut full = std::mem::take(&mut self.waiting);
            self.decode(&full, take)?;
            full.clear();
            self.waiting = full;
            solid = rest;
        }
        let mut batches = solid.chunks_exact(BATCH);
        for batch in &mut batches {
            self.decode(batch, take)?;
        }
        self.waiting.extend_from_slice(batches.remainder());
        Ok(())
    }

    fn decode(&mut self, batch: &[u8], take: &mut Take<'_>) -> Result<(), AttachmentFault> {
        if batch.is_empty() {
            return Ok(());
        }
        if self.padded {
            return Err(Base64Fault::Padding.into());
        }
        let length = STANDARD.decode_slice(batch, &mut self.bytes).map_err(|_| fault(batch))?;
        self.padded = batch.ends_with(b"=");
        take(&self.bytes[..length])
    }
}

fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}

fn fault(batch: &[u8]) -> Base64Fault {
    let alphabet = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/' | b'=');
    if !batch.iter().all(alphabet) {
        Base64Fault::Character
    } else if !batch.len().is_multiple_of(4) {
        Base64Fault::Cut
    } else {
        Base64Fault::Padding
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Text {
        bytes: Vec<u8>,
        encoded: u64,
        placeholder: bool,
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
        Ok(Text { encoded: stream.encoded(), placeholder: stream.is_placeholder(), bytes })
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

    #[test]
    fn what_is_not_whole_base64_is_refused() {
        let padded_batch = format!("{}AA==", "A".repeat(BATCH - 4));
        for (text, fault) in [
            ("QUJ!", Base64Fault::Character),
            ("QUJD-_==", Base64Fault::Character),
            ("QUJDđ", Base64Fault::Character),
            ("$QUJ", Base64Fault::Character),
            ("$", Base64Fault::Character),
            ("QUJDQ", Base64Fault::Cut),
            ("QUI", Base64Fault::Cut),
            ("QQ==QUJD", Base64Fault::Padding),
            ("Q===", Base64Fault::Padding),
            ("QR==", Base64Fault::Padding),
            (&format!("{padded_batch}AAAA"), Base64Fault::Padding),
        ] {
            for size in [1, 7, 1 << 20] {
                let chunks: Vec<_> = text.as_bytes().chunks(size).collect();
                let told = decode(&chunks).err().expect("a fault");
                assert!(matches!(told, AttachmentFault::Base64(f) if f == fault), "{text:.40}: {told:?}");
            }
        }
        assert_eq!(decode(&[&padded_batch]).expect("whole").bytes.len(), BATCH / 4 * 3 - 2);
    }

    #[test]
    fn an_unfilled_slot_and_an_empty_one_hold_no_bytes() {
        let slot = decode(&[" \n$", " {__StringFromFile(test.txt,,,)}"]).expect("a placeholder");
        assert!(slot.placeholder && slot.bytes.is_empty());
        let empty = decode(&[" \r\n "]).expect("nothing");
        assert!(!empty.placeholder && empty.bytes.is_empty());
    }
}
