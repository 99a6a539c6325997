//! `getEdoc`: a packet as base64 in the member `data` of a JSON object. It is decoded as it comes; what is left of the
//! answer is small, and is read as every other answer. No I/O, and memory constant in the packet's size.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// Longest answer without what stands in `data`, in bytes.
pub(super) const REST_BYTES_MAX: usize = 64 * 1024;

/// The answer is no packet in JSON: what is wrong with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Odd(pub(super) &'static str);

/// Takes an answer apart. It follows strings and brackets only: whether the rest is proper JSON, with `data` once, is for
/// who reads [`Unwrap::rest`].
#[derive(Default)]
pub(super) struct Unwrap {
    place: Place,
    depth: u32,
    /// At the outermost level, behind a colon.
    is_value: bool,
    /// The name that was read last at the outermost level.
    name: Vec<u8>,
    rest: Vec<u8>,
    text: Text,
}

#[derive(Default)]
enum Place {
    #[default]
    Outside,
    /// In a text that stays as it is.
    Quoted { is_name: bool, is_escaped: bool },
    /// In `data`.
    Data,
    /// Behind a backslash there.
    Escape,
    /// In `\uXXXX` there: digits so far, and their value.
    Unicode(u8, u32),
}

impl Unwrap {
    /// Takes the next bytes of the answer; what they give of the packet is appended to `packet`.
    pub(super) fn push(&mut self, mut bytes: &[u8], packet: &mut Vec<u8>) -> Result<(), Odd> {
        while let Some(&first) = bytes.first() {
            let taken = match self.place {
                Place::Data => self.data(bytes)?,
                Place::Escape | Place::Unicode(..) => self.escaped(first).map(|()| 1)?,
                Place::Outside | Place::Quoted { .. } => self.around(first).map(|()| 1)?,
            };
            bytes = &bytes[taken..];
        }
        self.text.decode(packet)
    }

    /// The answer without the packet, when all of it has come.
    pub(super) fn rest(self) -> Result<Vec<u8>, Odd> {
        if !self.text.held.is_empty() {
            return Err(Odd("base64 that is cut off"));
        }
        Ok(self.rest)
    }

    /// What has come of the answer around the packet.
    pub(super) fn so_far(&self) -> &[u8] {
        &self.rest
    }

    fn around(&mut self, byte: u8) -> Result<(), Odd> {
        if self.rest.len() == REST_BYTES_MAX {
            return Err(Odd("too long for an answer"));
        }
        self.rest.push(byte);
        match &mut self.place {
            Place::Quoted { is_escaped, .. } if *is_escaped => *is_escaped = false,
            Place::Quoted { is_escaped, .. } if byte == b'\\' => *is_escaped = true,
            Place::Quoted { .. } if byte == b'"' => self.place = Place::Outside,
            Place::Quoted { is_name: true, .. } => self.name.push(byte),
            Place::Quoted { .. } => {}
            _ => self.between(byte),
        }
        Ok(())
    }

    fn between(&mut self, byte: u8) {
        let outermost = self.depth == 1;
        match byte {
            b'"' if outermost && self.is_value && self.name == b"data" => self.place = Place::Data,
            b'"' => {
                let is_name = outermost && !self.is_value;
                if is_name {
                    self.name.clear();
                }
                self.place = Place::Quoted { is_name, is_escaped: false };
            }
            b'{' | b'[' => self.depth += 1,
            b'}' | b']' => self.depth = self.depth.saturating_sub(1),
            b':' if outermost => self.is_value = true,
            b',' if outermost => self.is_value = false,
            _ => {}
        }
    }

    /// As much as stands in `data` without a break; how many bytes that was.
    fn data(&mut self, bytes: &[u8]) -> Result<usize, Odd> {
        let run = bytes.iter().position(|b| matches!(b, b'"' | b'\\' | b'\r' | b'\n')).unwrap_or(bytes.len());
        self.text.held.extend_from_slice(&bytes[..run]);
        match bytes.get(run) {
            None => return Ok(run),
            Some(b'"') => {
                self.place = Place::Outside;
                self.rest.push(b'"');
            }
            Some(b'\\') => self.place = Place::Escape,
            // A line break as it is: no JSON, and it does no harm.
            Some(_) => {}
        }
        Ok(run + 1)
    }

    fn escaped(&mut self, byte: u8) -> Result<(), Odd> {
        let (digits, value) = match self.place {
            Place::Unicode(digits, value) => (digits, value),
            _ => {
                self.place = Place::Data;
                match byte {
                    b'/' => self.text.held.push(b'/'),
                    b'n' | b'r' => {}
                    b'u' => self.place = Place::Unicode(0, 0),
                    _ => return Err(Odd("an escape that is no base64")),
                }
                return Ok(());
            }
        };
        let digit = char::from(byte).to_digit(16).ok_or(Odd("an escape that is none"))?;
        let value = value << 4 | digit;
        self.place = Place::Unicode(digits + 1, value);
        if digits == 3 {
            self.place = Place::Data;
            match u8::try_from(value) {
                Ok(b'\r' | b'\n') => {}
                Ok(byte) if byte.is_ascii() => self.text.held.push(byte),
                _ => return Err(Odd("a character that is no base64")),
            }
        }
        Ok(())
    }
}

/// Base64 that is not yet decoded.
#[derive(Default)]
struct Text {
    held: Vec<u8>,
    /// It was padded: nothing follows.
    is_padded: bool,
}

impl Text {
    fn decode(&mut self, packet: &mut Vec<u8>) -> Result<(), Odd> {
        let whole = self.held.len() / 4 * 4;
        if whole == 0 {
            return Ok(());
        }
        if self.is_padded {
            return Err(Odd("base64 behind its end"));
        }
        let decoded = STANDARD.decode_vec(&self.held[..whole], packet);
        decoded.map_err(|_| Odd("not base64"))?;
        self.is_padded = self.held[whole - 1] == b'=';
        self.held.drain(..whole);
        Ok(())
    }
}
