//! Text of any size into Unicode, piece by piece in constant memory.

use unicode_normalization::char::canonical_combining_class;
use unicode_normalization::{IsNormalized, UnicodeNormalization, is_nfc_quick};

use super::encoding::{Encoding, Unit};

/// What a text is read from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Source {
    /// The encoding.
    pub encoding: Encoding,
    /// The bytes of the encoding stand as Latin-1 characters in text that is UTF-8 by now: what is left of old text
    /// that was pasted or converted once too often.
    pub surface: bool,
}

/// A normal form of Unicode (UAX #15).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Composed: what TCVN 6909:2001 exchanges.
    Nfc,
    /// Decomposed.
    Nfd,
}

/// What stops a conversion.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unconvertible {
    /// Bytes that mean nothing in the encoding.
    #[error("bytes {bytes:02x?} at {offset} are not {}", encoding.name())]
    Bytes {
        /// Where they begin in the input.
        offset: u64,
        /// They.
        bytes: Vec<u8>,
        /// The encoding.
        encoding: Encoding,
    },
    /// More combining marks in a row than any text has.
    #[error("more than {} bytes of combining marks before byte {offset}", Converter::MARKS_BYTES_MAX)]
    Marks {
        /// Where in the input, about.
        offset: u64,
    },
}

/// Reads an encoding and gives Unicode in one form. A byte order mark at the start is left out.
#[derive(Debug)]
pub struct Converter {
    source: Source,
    form: Form,
    /// Bytes of the input that are part of a character.
    carry: Vec<u8>,
    /// Bytes of the encoding that are part of a letter; the same as `carry` but for a surface.
    units: Vec<u8>,
    /// Offset in the input of the first of `units`.
    at: u64,
    /// Characters that following marks may change.
    pending: String,
    started: bool,
}

impl Converter {
    /// Most bytes of letter and marks that are kept waiting for more marks.
    pub const MARKS_BYTES_MAX: usize = 4096;

    /// A converter at the start of a text.
    pub fn new(source: Source, form: Form) -> Self {
        let (carry, units, pending) = (Vec::new(), Vec::new(), String::new());
        Self { source, form, carry, units, at: 0, pending, started: false }
    }

    /// Takes a piece of the input and adds what is certain by now to `out`. After an error the rest is meaningless.
    pub fn push(&mut self, bytes: &[u8], out: &mut String) -> Result<(), Unconvertible> {
        self.run(bytes, false)?;
        let whole = self.pending.char_indices().rev().find(|(_, c)| starts_anew(*c)).map_or(0, |(at, _)| at);
        let rest = self.pending.split_off(whole);
        self.put(out);
        self.pending = rest;
        if self.pending.len() > Self::MARKS_BYTES_MAX {
            return Err(Unconvertible::Marks { offset: self.at });
        }
        Ok(())
    }

    /// Takes the end of the input.
    pub fn finish(mut self, out: &mut String) -> Result<(), Unconvertible> {
        self.run(&[], true)?;
        self.put(out);
        Ok(())
    }

    fn run(&mut self, bytes: &[u8], last: bool) -> Result<(), Unconvertible> {
        if !self.source.surface {
            self.units.extend_from_slice(bytes);
            return self.read(last);
        }
        let mut input = std::mem::take(&mut self.carry);
        input.extend_from_slice(bytes);
        let mut at = 0;
        while at < input.len() {
            match Encoding::Utf8.unit(&input[at..], last) {
                Unit::Char(c, used) => {
                    at += used;
                    self.surface(c)?;
                }
                Unit::More => break,
                Unit::Bad(length) => {
                    // What is wrong before it comes first, however the input is cut.
                    self.read(false)?;
                    let bytes = input[at..at + length].to_vec();
                    let offset = self.at + self.units.iter().map(|b| width(*b)).sum::<u64>();
                    return Err(Unconvertible::Bytes { offset, bytes, encoding: Encoding::Utf8 });
                }
            }
        }
        self.carry = input.split_off(at);
        self.read(last)
    }

    /// A character of a surface: a byte, or what was Unicode all along.
    fn surface(&mut self, c: char) -> Result<(), Unconvertible> {
        match u8::try_from(c) {
            Ok(byte) => self.units.push(byte),
            Err(_) => {
                self.read(true)?;
                self.add(c);
                self.at += c.len_utf8() as u64;
            }
        }
        Ok(())
    }

    fn read(&mut self, last: bool) -> Result<(), Unconvertible> {
        let units = std::mem::take(&mut self.units);
        let mut done = 0;
        while done < units.len() {
            let rest = &units[done..];
            match self.source.encoding.unit(rest, last) {
                Unit::Char(c, used) => {
                    self.add(c);
                    done += used;
                    self.at += rest[..used].iter().map(|b| self.width(*b)).sum::<u64>();
                }
                Unit::More => break,
                Unit::Bad(length) => {
                    let (offset, encoding) = (self.at, self.source.encoding);
                    return Err(Unconvertible::Bytes { offset, bytes: rest[..length].to_vec(), encoding });
                }
            }
        }
        self.units = units;
        self.units.drain(..done);
        Ok(())
    }

    /// The bytes of input for one byte of the encoding.
    fn width(&self, byte: u8) -> u64 {
        if self.source.surface { width(byte) } else { 1 }
    }

    fn add(&mut self, c: char) {
        if self.started || c != '\u{feff}' {
            self.pending.push(c);
        }
        self.started = true;
    }

    fn put(&mut self, out: &mut String) {
        let text = std::mem::take(&mut self.pending);
        match self.form {
            _ if text.is_ascii() => out.push_str(&text),
            Form::Nfc => out.push_str(&super::fold::nfc(&text)),
            Form::Nfd => out.extend(text.nfd()),
        }
    }
}

/// The length in UTF-8 of the Latin-1 character with this number.
fn width(byte: u8) -> u64 {
    if byte < 0x80 { 1 } else { 2 }
}

/// Whether nothing before a character can change it, or be changed by it, in either form (UAX #15, section 9).
fn starts_anew(c: char) -> bool {
    c.is_ascii() || canonical_combining_class(c) == 0 && is_nfc_quick(std::iter::once(c)) == IsNormalized::Yes
}

/// A whole text, in one piece.
pub fn decode(bytes: &[u8], source: Source, form: Form) -> Result<String, Unconvertible> {
    let mut text = String::with_capacity(bytes.len());
    let mut converter = Converter::new(source, form);
    converter.push(bytes, &mut text)?;
    converter.finish(&mut text)?;
    Ok(text)
}
