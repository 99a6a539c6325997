//! Base64 (RFC 4648 section 4) of an attachment, decoded and hashed as it passes: memory does not grow with it.

use ::base64::Engine as _;
use ::base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};

use crate::ids::PacketDigest;

/// Characters decoded at once; a multiple of four.
const BATCH: usize = 16 * 1024;
/// Decoded bytes kept to tell what the file is.
const HEAD: usize = 64;

/// What is known of an attachment after it has passed.
#[derive(Debug)]
pub(in crate::edxml) struct Decoded {
    /// Characters of base64, white space left out.
    pub(in crate::edxml) encoded: u64,
    /// Bytes decoded.
    pub(in crate::edxml) decoded: u64,
    /// SHA-256 of those.
    pub(in crate::edxml) sha256: PacketDigest,
    /// The first of those.
    pub(in crate::edxml) head: Vec<u8>,
    /// No data, but the unfilled slot of a template: `${...}`.
    pub(in crate::edxml) placeholder: bool,
}

/// Why a text is not the base64 of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(in crate::edxml) enum Base64Fault {
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
pub(in crate::edxml) struct Base64Stream {
    batch: Vec<u8>,
    bytes: Vec<u8>,
    hash: Sha256,
    encoded: u64,
    decoded: u64,
    head: Vec<u8>,
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
    pub(in crate::edxml) fn new() -> Self {
        Self {
            batch: Vec::with_capacity(BATCH),
            bytes: vec![0; BATCH / 4 * 3],
            hash: Sha256::new(),
            encoded: 0,
            decoded: 0,
            head: Vec::with_capacity(HEAD),
            padded: false,
            slot: Slot::Start,
        }
    }

    /// Takes the next piece, cut anywhere.
    pub(in crate::edxml) fn push(&mut self, chunk: &str) -> Result<(), Base64Fault> {
        for byte in chunk.bytes().filter(|b| !matches!(b, b' ' | b'\t' | b'\n' | b'\r')) {
            match (&self.slot, byte) {
                (Slot::Data, _) => self.take(byte)?,
                (Slot::Placeholder, _) => return Ok(()),
                (Slot::Start, b'$') => self.slot = Slot::Dollar,
                (Slot::Dollar, b'{') => self.slot = Slot::Placeholder,
                (Slot::Dollar, _) => return Err(Base64Fault::Character),
                (Slot::Start, _) => {
                    self.slot = Slot::Data;
                    self.take(byte)?;
                }
            }
        }
        Ok(())
    }

    /// The text has ended.
    pub(in crate::edxml) fn finish(mut self) -> Result<Decoded, Base64Fault> {
        if self.slot == Slot::Dollar {
            return Err(Base64Fault::Character);
        }
        self.decode()?;
        Ok(Decoded {
            encoded: self.encoded,
            decoded: self.decoded,
            sha256: PacketDigest::from_bytes(self.hash.finalize().into()),
            head: self.head,
            placeholder: self.slot == Slot::Placeholder,
        })
    }

    fn take(&mut self, byte: u8) -> Result<(), Base64Fault> {
        self.batch.push(byte);
        self.encoded += 1;
        if self.batch.len() == BATCH { self.decode() } else { Ok(()) }
    }

    fn decode(&mut self) -> Result<(), Base64Fault> {
        if self.batch.is_empty() {
            return Ok(());
        }
        if self.padded {
            return Err(Base64Fault::Padding);
        }
        let length = STANDARD.decode_slice(&self.batch, &mut self.bytes).map_err(|_| self.fault())?;
        let bytes = &self.bytes[..length];
        self.hash.update(bytes);
        self.decoded += length as u64;
        let room = HEAD - self.head.len();
        self.head.extend_from_slice(&bytes[..length.min(room)]);
        self.padded = self.batch.ends_with(b"=");
        self.batch.clear();
        Ok(())
    }

    fn fault(&self) -> Base64Fault {
        let alphabet = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/' | b'=');
        if !self.batch.iter().all(alphabet) {
            Base64Fault::Character
        } else if !self.batch.len().is_multiple_of(4) {
            Base64Fault::Cut
        } else {
            Base64Fault::Padding
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(chunks: &[&str]) -> Result<Decoded, Base64Fault> {
        let mut stream = Base64Stream::new();
        chunks.iter().try_for_each(|c| stream.push(c))?;
        stream.finish()
    }

    #[test]
    fn wrapped_and_cut_text_gives_the_same_bytes() {
        let bytes: Vec<u8> = (0..100_000u32).map(|n| (n * 7 % 251) as u8).collect();
        let text = STANDARD.encode(&bytes);
        let wrapped: String =
            text.as_bytes().chunks(76).map(|l| format!("{}\r\n\t", String::from_utf8_lossy(l))).collect();
        for size in [1, 3, 4, 5, 4096, 1 << 20] {
            let chunks: Vec<_> =
                wrapped.as_bytes().chunks(size).map(|c| std::str::from_utf8(c).expect("ASCII")).collect();
            let decoded = decode(&chunks).expect("base64");
            assert_eq!(decoded.sha256, PacketDigest::of(&bytes));
            assert_eq!((decoded.decoded, decoded.encoded), (100_000, text.len() as u64));
            assert_eq!(decoded.head, bytes[..HEAD]);
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
            assert_eq!(decode(&[text]).expect_err(text), fault, "{text:.40}");
        }
        assert_eq!(decode(&[&padded_batch]).expect("whole").decoded, (BATCH / 4 * 3 - 2) as u64);
    }

    #[test]
    fn an_unfilled_slot_and_an_empty_one_hold_no_bytes() {
        let slot = decode(&[" \n$", "{__StringFromFile(test.txt,,,)}"]).expect("a placeholder");
        assert!(slot.placeholder && slot.decoded == 0);
        let empty = decode(&[" \r\n "]).expect("nothing");
        assert!(!empty.placeholder && empty.decoded == 0 && empty.sha256 == PacketDigest::of(b""));
    }
}
