//! The input with its byte count: every byte that the reader consumes is counted and bounded here.

use std::io::{self, BufRead};

use quick_xml::parser::{ElementParser, Parser};

use crate::error::{ReadError, XmlError, XmlFault};

/// No piece that is looked at at once is longer, whatever the input's own buffer.
pub(crate) const CHUNK_BYTES: usize = 64 << 10;
/// Enough to tell `<![CDATA[` from other markup.
const AHEAD_BYTES: usize = 9;
/// What ends a comment (XML 1.0 production 15).
const COMMENT_CLOSE: &[u8; 3] = b"-->";
/// What ends a processing instruction (XML 1.0 production 16).
const INSTRUCTION_CLOSE: &[u8; 2] = b"?>";

/// A kind of markup and how its end is found.
pub(crate) enum Markup {
    /// A start, end or empty-element tag.
    Tag,
    /// A comment.
    Comment,
    /// A processing instruction or the XML declaration.
    Instruction,
}

/// A buffered input, its offset, and a few bytes of look-ahead.
pub(crate) struct Source<'i> {
    input: &'i mut dyn BufRead,
    ahead: [u8; AHEAD_BYTES],
    ahead_from: usize,
    ahead_to: usize,
    offset: u64,
    total_max: u64,
}

impl<'i> Source<'i> {
    pub(crate) fn new(input: &'i mut dyn BufRead, total_max: u64) -> Self {
        Self { input, ahead: [0; AHEAD_BYTES], ahead_from: 0, ahead_to: 0, offset: 0, total_max }
    }

    /// Bytes consumed so far.
    pub(crate) fn offset(&self) -> u64 {
        self.offset
    }

    /// A fault at the current offset.
    pub(crate) fn fault(&self, fault: XmlFault) -> ReadError {
        ReadError::Xml(XmlError { fault, offset: self.offset })
    }

    /// What is there, at most [`CHUNK_BYTES`]; empty at the end of the input.
    pub(crate) fn fill(&mut self) -> Result<&[u8], ReadError> {
        if self.ahead_from < self.ahead_to {
            return Ok(&self.ahead[self.ahead_from..self.ahead_to]);
        }
        let left = usize::try_from(self.total_max - self.offset).unwrap_or(usize::MAX);
        let offset = self.offset;
        let chunk = fill_input(self.input)?;
        if !chunk.is_empty() && left == 0 {
            return Err(XmlError { fault: XmlFault::Limit("total_bytes"), offset }.into());
        }
        Ok(&chunk[..chunk.len().min(CHUNK_BYTES).min(left)])
    }

    /// Takes `count` bytes of what [`Source::fill`] showed.
    pub(crate) fn consume(&mut self, count: usize) {
        self.offset += count as u64;
        if self.ahead_from < self.ahead_to {
            self.ahead_from += count;
        } else {
            self.input.consume(count);
        }
    }

    /// The next bytes, at most `count`, fewer only at the end of the input. Nothing is consumed.
    pub(crate) fn peek(&mut self, count: usize) -> Result<&[u8], ReadError> {
        debug_assert!(count <= AHEAD_BYTES);
        if self.ahead_from == self.ahead_to {
            if self.fill()?.len() >= count {
                return self.fill().map(|chunk| &chunk[..count]);
            }
            self.ahead_from = 0;
            self.ahead_to = 0;
        } else if self.ahead_from > 0 {
            self.ahead.copy_within(self.ahead_from..self.ahead_to, 0);
            self.ahead_to -= self.ahead_from;
            self.ahead_from = 0;
        }
        while self.ahead_to < count {
            let taken = self.ahead_to as u64;
            if self.offset + taken >= self.total_max {
                break;
            }
            let Some(&byte) = fill_input(self.input)?.first() else { break };
            self.input.consume(1);
            self.ahead[self.ahead_to] = byte;
            self.ahead_to += 1;
        }
        Ok(&self.ahead[..self.ahead_to.min(count)])
    }

    /// Whether what [`Source::peek`] showed ends where it does for want of bytes, and not at the limit.
    ///
    /// # Errors
    /// The input goes on past the limit, and nothing can be said of markup that the limit cuts.
    pub(crate) fn check_total(&mut self) -> Result<(), ReadError> {
        let ahead = self.ahead_to - self.ahead_from;
        let shown = self.offset + ahead as u64;
        if ahead < AHEAD_BYTES && shown == self.total_max && !fill_input(self.input)?.is_empty() {
            return Err(XmlError { fault: XmlFault::Limit("total_bytes"), offset: shown }.into());
        }
        Ok(())
    }

    /// Reads one piece of markup, from its `<` to its `>`, into `buffer`, which never grows past `max` bytes.
    pub(crate) fn markup(&mut self, kind: Markup, buffer: &mut Vec<u8>, max: usize) -> Result<(), ReadError> {
        let start = self.offset;
        buffer.clear();
        match kind {
            Markup::Tag => self.until(&mut Tag::default(), buffer, max, start),
            Markup::Comment => {
                let opening = self.peek(4)?.len();
                buffer.extend_from_slice(b"<!--");
                self.consume(opening);
                self.until(&mut Closing::new(COMMENT_CLOSE), buffer, max, start)
            }
            Markup::Instruction => {
                let opening = self.peek(2)?.len();
                buffer.extend_from_slice(b"<?");
                self.consume(opening);
                self.until(&mut Closing::new(INSTRUCTION_CLOSE), buffer, max, start)
            }
        }
    }

    fn until(
        &mut self,
        scan: &mut dyn Scan,
        buffer: &mut Vec<u8>,
        max: usize,
        start: u64,
    ) -> Result<(), ReadError> {
        loop {
            let chunk = self.fill()?;
            if chunk.is_empty() {
                return Err(XmlError { fault: XmlFault::Truncated, offset: start }.into());
            }
            let end = scan.end(chunk);
            let used = end.unwrap_or(chunk.len());
            if buffer.len() + used > max {
                return Err(XmlError { fault: XmlFault::Limit("markup_bytes"), offset: start }.into());
            }
            buffer.extend_from_slice(&chunk[..used]);
            self.consume(used);
            if end.is_some() {
                return Ok(());
            }
        }
    }
}

fn fill_input(input: &mut dyn BufRead) -> Result<&[u8], ReadError> {
    loop {
        match input.fill_buf() {
            Ok(_) => break,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error.into()),
        }
    }
    // A second call returns the same bytes; returning them from the loop would borrow `input` twice.
    Ok(input.fill_buf()?)
}

/// Finds where a piece of markup ends: one past its `>`.
trait Scan {
    fn end(&mut self, chunk: &[u8]) -> Option<usize>;
}

/// One past the first `>` in `bytes` that completes `close`, which ends in `>`.
pub(crate) fn closing(bytes: &[u8], close: &[u8]) -> Option<usize> {
    memchr::memchr_iter(b'>', bytes).map(|at| at + 1).find(|&end| bytes[..end].ends_with(close))
}

#[derive(Default)]
struct Tag(ElementParser);

impl Scan for Tag {
    fn end(&mut self, chunk: &[u8]) -> Option<usize> {
        self.0.feed(chunk).map(|at| at + 1)
    }
}

/// Ends at the first `>` that completes `close`, wherever the pieces of input are cut. quick-xml's own parser of
/// comments is not used: from two pieces that each end in `-` it takes two in a row.
struct Closing {
    close: &'static [u8],
    /// The two bytes before the next piece; zero, which ends nothing, before the first.
    last: [u8; 2],
}

impl Closing {
    /// `close` has at most three bytes, the last of them `>`.
    fn new(close: &'static [u8]) -> Self {
        Self { close, last: [0; 2] }
    }

    /// Whether `before` and what went before it end in `close` less its `>`.
    fn is_closed_by(&self, before: &[u8]) -> bool {
        let mut seen = before.iter().rev().chain(self.last.iter().rev());
        self.close.iter().rev().skip(1).all(|wanted| seen.next() == Some(wanted))
    }
}

impl Scan for Closing {
    fn end(&mut self, chunk: &[u8]) -> Option<usize> {
        let closed = memchr::memchr_iter(b'>', chunk).find(|&at| self.is_closed_by(&chunk[..at]));
        match *chunk {
            [.., one, two] => self.last = [one, two],
            [one] => self.last = [self.last[1], one],
            [] => {}
        }
        closed.map(|at| at + 1)
    }
}
