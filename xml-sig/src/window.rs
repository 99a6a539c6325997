//! Tokens that stand whole in one window of the input are cut out of it as they are: the window is checked for UTF-8
//! and odd characters once, and nothing is copied. What the window cuts, and what is wrong, is left to `driver`.

use quick_xml::parser::{ElementParser, Parser};

use crate::chars::{Traits, is_space};
use crate::error::{ReadError, XmlError, XmlFault};
use crate::events::{Place, Sink};
use crate::source::closing;
use crate::text::Run;
use crate::tokens::Tokens;

/// XML 1.0 production 19.
pub(crate) const CDATA_OPEN: &[u8] = b"<![CDATA[";
/// XML 1.0 production 21.
pub(crate) const CDATA_CLOSE: &[u8] = b"]]>";
/// `&#x10FFFF;` has 10 bytes; leading zeros are legal, but not without end.
pub(crate) const REFERENCE_BYTES: usize = 32;

impl Tokens {
    /// Takes the tokens at the front of `window` and returns how many bytes they have: all of it, or as many as stand
    /// before a token that the window cuts, before one that is wrong, or before what the sink does not want.
    pub(crate) fn window<S: Sink>(
        &mut self,
        window: &str,
        offset: u64,
        sink: &mut S,
    ) -> Result<usize, ReadError> {
        let traits = Traits::of(window);
        let mut at = 0;
        while self.wanted && at < window.len() {
            let rest = &window[at..];
            let here = offset + at as u64;
            let used = match (rest.as_bytes()[0], self.place) {
                _ if self.cdata => self.cdata_run(rest, traits, here, sink)?,
                (b'<', _) => self.markup(rest, here, sink)?,
                (b'&', Place::Inside) => self.whole_reference(rest, here, sink)?,
                (_, Place::Inside) => self.text_run(rest, traits, here, sink)?,
                _ => rest.bytes().take_while(|&b| is_space(b)).count(),
            };
            if used == 0 {
                break;
            }
            at += used;
        }
        Ok(at)
    }

    fn markup<S: Sink>(&mut self, rest: &str, offset: u64, sink: &mut S) -> Result<usize, ReadError> {
        let bytes = rest.as_bytes();
        let end = match bytes {
            [_, b'/', ..] => {
                if let Some(tag) = self.expected_end(rest) {
                    self.end(tag, offset, sink)?;
                    return Ok(tag.len());
                }
                tag_end(bytes)
            }
            [_, b'?', after @ ..] => closing(after, b"?>").map(|end| end + 2),
            [_, b'!', b'-', b'-', after @ ..] => closing(after, b"-->").map(|end| end + 4),
            [_, b'!', ..] if bytes.starts_with(CDATA_OPEN) && self.place == Place::Inside => {
                self.open_cdata();
                return Ok(CDATA_OPEN.len());
            }
            [_, b'!', ..] => None,
            _ if self.place == Place::After => None,
            _ => {
                if let Some(len) = self.scan_start_tag(rest, offset, sink)? {
                    return Ok(len);
                }
                tag_end(bytes)
            }
        };
        let Some(end) = end else { return Ok(0) };
        if end > self.limits.markup_bytes {
            return Err(XmlError { fault: XmlFault::Limit("markup_bytes"), offset }.into());
        }
        let markup = &rest[..end];
        match bytes[1] {
            b'/' => self.end_tag(markup, offset, sink)?,
            b'?' => self.instruction(markup, offset, sink)?,
            b'!' => self.comment(markup, offset, sink)?,
            _ => self.start_tag(markup, offset, sink)?,
        }
        Ok(end)
    }

    /// The end tag at the front of `rest` if it is just what it must be, as most are: it needs no search.
    fn expected_end<'r>(&self, rest: &'r str) -> Option<&'r str> {
        let qname = self.qname().as_bytes();
        let len = qname.len() + 3;
        let expected = self.place == Place::Inside
            && len <= self.limits.markup_bytes
            && rest.as_bytes()[2..].strip_prefix(qname)?.first() == Some(&b'>');
        if expected { Some(&rest[..len]) } else { None }
    }

    fn text_run<S: Sink>(
        &mut self,
        rest: &str,
        traits: Traits,
        offset: u64,
        sink: &mut S,
    ) -> Result<usize, ReadError> {
        let bytes = rest.as_bytes();
        let (end, special) = match memchr::memchr3(b'<', b'&', b'>', bytes) {
            Some(at) if bytes[at] == b'>' => {
                (memchr::memchr2(b'<', b'&', &bytes[at..]).map(|after| at + after), true)
            }
            end => (end, false),
        };
        let end = end.unwrap_or(bytes.len());
        self.text(Run { text: &rest[..end], special, traits }, offset, sink)?;
        Ok(end)
    }

    fn cdata_run<S: Sink>(
        &mut self,
        rest: &str,
        traits: Traits,
        offset: u64,
        sink: &mut S,
    ) -> Result<usize, ReadError> {
        let bytes = rest.as_bytes();
        let end = closing(bytes, CDATA_CLOSE);
        // `]` at the end of the window may begin `]]>`: it is looked at again with what follows.
        let held = || bytes.iter().rev().take(2).take_while(|&&b| b == b']').count();
        let shown = end.map_or_else(|| bytes.len() - held(), |end| end - CDATA_CLOSE.len());
        if shown > 0 {
            let text = &rest[..shown];
            let special = memchr::memchr3(b'<', b'&', b'>', text.as_bytes()).is_some();
            self.text(Run { text, special, traits }, offset, sink)?;
        }
        if end.is_some() {
            self.close_cdata();
        }
        Ok(end.unwrap_or(shown))
    }

    fn whole_reference<S: Sink>(
        &mut self,
        rest: &str,
        offset: u64,
        sink: &mut S,
    ) -> Result<usize, ReadError> {
        let Some(end) = rest.bytes().take(REFERENCE_BYTES + 1).position(|b| b == b';') else { return Ok(0) };
        self.reference(&rest[1..end], offset, sink)?;
        Ok(end + 1)
    }
}

fn tag_end(bytes: &[u8]) -> Option<usize> {
    ElementParser::default().feed(bytes).map(|at| at + 1)
}
