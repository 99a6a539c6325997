//! The strict driver: turns bytes into events, one pass. Whole tokens are taken out of the window that the input shows
//! (`window`); what a window cuts is gathered here, token by token. Both end in the rules of `tokens`.

use std::io::BufRead;

use crate::chars::is_space;
use crate::error::{ReadError, XmlError, XmlFault};
use crate::events::{Place, Sink};
use crate::reader::ReadOptions;
use crate::source::{Markup, Source};
use crate::text::Run;
use crate::tokens::{Tokens, check_declaration};
use crate::window::{CDATA_CLOSE, CDATA_OPEN, REFERENCE_BYTES};

/// How a document was read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Outcome {
    /// A given namespace binding was needed.
    pub(crate) repaired: bool,
    /// Bytes read.
    pub(crate) bytes: u64,
}

/// One reading of one document.
pub(crate) struct Drive<'i> {
    source: Source<'i>,
    tokens: Tokens,
    buffer: Vec<u8>,
}

impl<'i> Drive<'i> {
    pub(crate) fn new(input: &'i mut dyn BufRead, options: &ReadOptions<'_>) -> Result<Self, ReadError> {
        let source = Source::new(input, options.limits.total_bytes);
        let tokens = Tokens::new(options).map_err(|fault| source.fault(fault))?;
        Ok(Self { source, tokens, buffer: Vec::new() })
    }

    /// Reads to the end, or as far as the sink wants.
    pub(crate) fn run<S: Sink>(mut self, sink: &mut S) -> Result<Outcome, ReadError> {
        self.begin()?;
        while self.tokens.wanted {
            let offset = self.source.offset();
            let shown = self.source.fill()?;
            if shown.is_empty() {
                return self.finish();
            }
            // A token goes past the window that cuts it, so each byte is in one window and at most one cut token.
            let (mut used, len) = (0, shown.len());
            if self.tokens.text.carried() == 0 {
                used = self.tokens.window(valid_prefix(shown), offset, sink)?;
                self.source.consume(used);
            }
            if used < len && self.tokens.wanted {
                self.step(sink)?;
            }
        }
        Ok(self.outcome())
    }

    fn outcome(&self) -> Outcome {
        Outcome { repaired: self.tokens.given_used(), bytes: self.source.offset() }
    }

    fn finish(self) -> Result<Outcome, ReadError> {
        let carried = self.tokens.text.carried() as u64;
        match self.tokens.place {
            _ if carried > 0 => {
                Err(XmlError { fault: XmlFault::NotUtf8, offset: self.source.offset() - carried }.into())
            }
            Place::Before => Err(self.source.fault(XmlFault::NotOneDocument)),
            Place::Inside => Err(self.source.fault(XmlFault::Truncated)),
            Place::After => Ok(self.outcome()),
        }
    }

    /// Byte order mark, foreign encodings, XML declaration.
    fn begin(&mut self) -> Result<(), ReadError> {
        match self.source.peek(3)? {
            [0xEF, 0xBB, 0xBF] => self.source.consume(3),
            [0xFE, 0xFF, ..] | [0xFF, 0xFE, ..] | [0, b'<', ..] | [b'<', 0, ..] | [0, 0, ..] => {
                return Err(self.source.fault(XmlFault::Encoding));
            }
            _ => {}
        }
        let start = self.source.peek(6)?;
        if !start.starts_with(b"<?xml") || !start.get(5).is_some_and(|&b| is_space(b)) {
            return Ok(());
        }
        let offset = self.source.offset();
        self.read_markup(Markup::Instruction)?;
        let declaration = utf8(&self.buffer, offset)?;
        check_declaration(declaration, &self.tokens.limits).map_err(|fault| XmlError { fault, offset }.into())
    }

    /// Takes one token that the window cut, or finds what is wrong with it.
    fn step<S: Sink>(&mut self, sink: &mut S) -> Result<(), ReadError> {
        let Some(&byte) = self.source.fill()?.first() else { return Ok(()) };
        let inside = self.tokens.place == Place::Inside;
        match byte {
            _ if self.tokens.text.carried() > 0 => self.byte(byte, sink),
            b']' if self.tokens.cdata => self.bracket(sink),
            _ if self.tokens.cdata => self.byte(byte, sink),
            b'<' => self.markup(sink),
            b'&' if inside => self.reference(sink),
            _ if inside => self.byte(byte, sink),
            _ => Err(self.source.fault(XmlFault::NotOneDocument)),
        }
    }

    /// A byte of a character that the window cut, or that is none.
    fn byte<S: Sink>(&mut self, byte: u8, sink: &mut S) -> Result<(), ReadError> {
        let offset = self.source.offset();
        self.source.consume(1);
        self.tokens.byte(byte, offset, sink)
    }

    fn markup<S: Sink>(&mut self, sink: &mut S) -> Result<(), ReadError> {
        let offset = self.source.offset();
        let ahead = self.source.peek(CDATA_OPEN.len())?;
        let (kind, take): (_, fn(&mut Tokens, &str, u64, &mut S) -> _) = match ahead {
            [b'<', b'/', ..] => (Markup::Tag, Tokens::end_tag),
            [b'<', b'?', ..] => (Markup::Instruction, Tokens::instruction),
            [b'<', b'!', b'-', b'-', ..] => (Markup::Comment, Tokens::comment),
            _ if ahead == CDATA_OPEN && self.tokens.place == Place::Inside => {
                self.source.consume(CDATA_OPEN.len());
                self.tokens.open_cdata();
                return Ok(());
            }
            _ if ahead == CDATA_OPEN => return Err(self.source.fault(XmlFault::NotOneDocument)),
            [b'<', b'!', b'D' | b'd', ..] => return Err(self.source.fault(XmlFault::Doctype)),
            [b'<', b'!', ..] => {
                self.source.check_total()?;
                return Err(self.source.fault(XmlFault::Markup));
            }
            _ if self.tokens.place == Place::After => {
                self.source.check_total()?;
                return Err(self.source.fault(XmlFault::NotOneDocument));
            }
            _ => (Markup::Tag, Tokens::start_tag),
        };
        self.read_markup(kind)?;
        take(&mut self.tokens, utf8(&self.buffer, offset)?, offset, sink)
    }

    /// A `]` of a CDATA section: the first of `]]>`, or text.
    fn bracket<S: Sink>(&mut self, sink: &mut S) -> Result<(), ReadError> {
        let offset = self.source.offset();
        if self.source.peek(CDATA_CLOSE.len())? == CDATA_CLOSE {
            self.source.consume(CDATA_CLOSE.len());
            self.tokens.close_cdata();
            return Ok(());
        }
        self.source.consume(1);
        self.tokens.text(Run::plain("]"), offset, sink)
    }

    fn reference<S: Sink>(&mut self, sink: &mut S) -> Result<(), ReadError> {
        let offset = self.source.offset();
        let fault = |fault| ReadError::Xml(XmlError { fault, offset });
        self.buffer.clear();
        loop {
            let Some(&byte) = self.source.fill()?.first() else { return Err(fault(XmlFault::Truncated)) };
            self.source.consume(1);
            match byte {
                b';' => break,
                _ if self.buffer.len() >= REFERENCE_BYTES => return Err(fault(XmlFault::Reference)),
                _ => self.buffer.push(byte),
            }
        }
        let name = std::str::from_utf8(&self.buffer[1..]).map_err(|_| fault(XmlFault::Reference))?;
        self.tokens.reference(name, offset, sink)
    }

    fn read_markup(&mut self, kind: Markup) -> Result<(), ReadError> {
        self.source.markup(kind, &mut self.buffer, self.tokens.limits.markup_bytes)
    }
}

fn utf8(bytes: &[u8], offset: u64) -> Result<&str, ReadError> {
    std::str::from_utf8(bytes).map_err(|_| XmlError { fault: XmlFault::NotUtf8, offset }.into())
}

/// As much of `bytes` as is UTF-8.
fn valid_prefix(bytes: &[u8]) -> &str {
    let bytes = whole_characters(bytes);
    let valid = match std::str::from_utf8(bytes) {
        Ok(text) => return text,
        Err(error) => error.valid_up_to(),
    };
    std::str::from_utf8(&bytes[..valid]).unwrap_or_default()
}

/// `bytes` without a character at its end that is cut: many a window ends in one, and is not to be checked twice for it.
fn whole_characters(bytes: &[u8]) -> &[u8] {
    for back in 1..=bytes.len().min(3) {
        let len = match bytes[bytes.len() - back] {
            0x80..0xC0 => continue,
            0xC0..0xE0 => 2,
            0xE0..0xF0 => 3,
            0xF0.. => 4,
            _ => 1,
        };
        return if back < len { &bytes[..bytes.len() - back] } else { bytes };
    }
    bytes
}

#[cfg(test)]
mod tests;
