//! The strict driver: turns bytes into events, one pass, and checks everything that quick-xml is lenient about. The
//! events are those of `events`, which are richer than what an [`crate::Observer`] sees.

use std::io::BufRead;

use crate::c14n::recycle;
use crate::chars::{all_chars, is_ncname, is_space};
use crate::error::{ReadError, XmlError, XmlFault};
use crate::events::{End, Open, Place, Sink, TextForm};
use crate::limits::Limits;
use crate::reader::{Attribute, Name, ReadOptions, StartTag};
use crate::scope::{Origin, Scope, split};
use crate::source::{Markup, Source};
use crate::tag::{self, Split};
use crate::text::{Refusal, TextState, Within, normalise_line_ends};

const CDATA_OPEN: &[u8] = b"<![CDATA[";
const CDATA_CLOSE: &[u8] = b"]]>";
/// `&#x10FFFF;` has 10 bytes; leading zeros are legal, but not without end.
const REFERENCE_BYTES: usize = 32;
/// XML 1.0 production 3.
const SPACE: [char; 4] = [' ', '\t', '\r', '\n'];

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
    limits: Limits,
    scope: Scope,
    place: Place,
    buffer: Vec<u8>,
    scratch: String,
    split: Split,
    text: TextState,
    attributes: Vec<Attribute<'static>>,
    wanted: bool,
}

impl<'i> Drive<'i> {
    pub(crate) fn new(input: &'i mut dyn BufRead, options: &ReadOptions<'_>) -> Result<Self, ReadError> {
        let mut scope = Scope::new(options.limits);
        let source = Source::new(input, options.limits.total_bytes);
        for (prefix, uri) in options.initial_namespaces {
            let named = prefix.is_empty() || is_ncname(prefix);
            if !named {
                return Err(source.fault(XmlFault::NamespaceDeclaration));
            }
            scope.declare(prefix, uri, Origin::Given).map_err(|fault| source.fault(fault))?;
        }
        Ok(Self {
            source,
            limits: options.limits.clone(),
            scope,
            place: Place::Before,
            buffer: Vec::new(),
            scratch: String::new(),
            split: Split::default(),
            text: TextState::default(),
            attributes: Vec::new(),
            wanted: true,
        })
    }

    /// Reads to the end, or as far as the sink wants.
    pub(crate) fn run<S: Sink>(mut self, sink: &mut S) -> Result<Outcome, ReadError> {
        self.begin()?;
        while let Some(&byte) = self.source.peek(1)?.first() {
            if !self.wanted {
                return Ok(self.outcome());
            }
            match (byte, self.place) {
                (b'<', _) => self.markup(sink)?,
                (b'&', Place::Inside) => self.reference(sink)?,
                (_, Place::Inside) => self.run_of_text(sink)?,
                _ => self.outer_space()?,
            }
        }
        match self.place {
            Place::Before => Err(self.source.fault(XmlFault::NotOneDocument)),
            Place::Inside => Err(self.source.fault(XmlFault::Truncated)),
            Place::After => Ok(self.outcome()),
        }
    }

    fn outcome(&self) -> Outcome {
        Outcome { repaired: self.scope.given_used(), bytes: self.source.offset() }
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
        let inside = between(declaration, "<?xml", "?>");
        let checked =
            inside.ok_or(XmlFault::Declaration).and_then(|inside| check_declaration(inside, &self.limits));
        checked.map_err(|fault| XmlError { fault, offset }.into())
    }

    fn markup<S: Sink>(&mut self, sink: &mut S) -> Result<(), ReadError> {
        let ahead = self.source.peek(CDATA_OPEN.len())?;
        match ahead {
            [b'<', b'/', ..] => self.end_tag(sink),
            [b'<', b'?', ..] => self.instruction(sink),
            [b'<', b'!', b'-', b'-', ..] => self.comment(sink),
            _ if ahead == CDATA_OPEN => self.cdata(sink),
            [b'<', b'!', b'D' | b'd', ..] => Err(self.source.fault(XmlFault::Doctype)),
            [b'<', b'!', ..] => Err(self.source.fault(XmlFault::Markup)),
            _ => self.start_tag(sink),
        }
    }

    fn start_tag<S: Sink>(&mut self, sink: &mut S) -> Result<(), ReadError> {
        let offset = self.source.offset();
        if self.place == Place::After {
            return Err(self.source.fault(XmlFault::NotOneDocument));
        }
        self.read_markup(Markup::Tag)?;
        let offset_end = self.source.offset();
        let at = |fault| ReadError::Xml(XmlError { fault, offset });
        let tag = utf8(&self.buffer, offset)?;
        let written = between(tag, "<", ">").ok_or(XmlFault::Markup).map_err(at)?;
        let (inside, empty) = match written.strip_suffix('/') {
            Some(inside) => (inside, true),
            None => (written, false),
        };
        let qname = self.split.split(inside, &self.limits).map_err(at)?;
        self.scope.open(qname).map_err(at)?;
        self.place = Place::Inside;
        bind(&mut self.scope, &self.split, inside).map_err(at)?;

        let mut attributes = recycle(std::mem::take(&mut self.attributes));
        for (qname, value) in self.split.attributes(inside) {
            if declared_prefix(qname).is_none() {
                let (prefix, local) = split(qname).map_err(at)?;
                let namespace = if prefix.is_empty() { "" } else { self.scope.uri(prefix) };
                attributes.push(Attribute { name: Name { prefix, local, namespace }, value });
            }
        }
        if has_duplicates(&attributes) {
            return Err(at(XmlFault::DuplicateAttribute));
        }
        let depth = self.scope.depth();
        let name = self.scope.name();
        let tag = StartTag { name, attributes: &attributes, depth, offset };
        sink.start(&Open { tag, scope: &self.scope, empty, offset_end })?;
        if empty {
            sink.end(&End { name, depth, offset, offset_end })?;
            self.wanted = sink.wants_more();
        }
        self.attributes = recycle(attributes);
        if empty {
            self.close();
        }
        Ok(())
    }

    fn end_tag<S: Sink>(&mut self, sink: &mut S) -> Result<(), ReadError> {
        let offset = self.source.offset();
        self.read_markup(Markup::Tag)?;
        let offset_end = self.source.offset();
        let inside = between(utf8(&self.buffer, offset)?, "</", ">");
        let qname = inside.map(|inside| inside.trim_end_matches(SPACE));
        if self.place != Place::Inside || qname != Some(self.scope.qname()) {
            return Err(XmlError { fault: XmlFault::EndTag, offset }.into());
        }
        sink.end(&End { name: self.scope.name(), depth: self.scope.depth(), offset, offset_end })?;
        self.wanted = sink.wants_more();
        self.close();
        Ok(())
    }

    fn close(&mut self) {
        self.scope.close();
        if self.scope.depth() == 0 {
            self.place = Place::After;
        }
    }

    fn comment<S: Sink>(&mut self, sink: &mut S) -> Result<(), ReadError> {
        let offset = self.source.offset();
        self.read_markup(Markup::Comment)?;
        let comment = utf8(&self.buffer, offset)?;
        let at = |fault| ReadError::Xml(XmlError { fault, offset });
        let inside = between(comment, "<!--", "-->").ok_or(XmlFault::Comment).map_err(at)?;
        if inside.contains("--") || inside.ends_with('-') {
            return Err(at(XmlFault::Comment));
        }
        if !all_chars(inside) {
            return Err(at(XmlFault::Character));
        }
        normalise_line_ends(inside, &mut self.scratch);
        sink.comment(&self.scratch, self.place)
    }

    fn instruction<S: Sink>(&mut self, sink: &mut S) -> Result<(), ReadError> {
        let offset = self.source.offset();
        self.read_markup(Markup::Instruction)?;
        let instruction = utf8(&self.buffer, offset)?;
        let at = |fault| ReadError::Xml(XmlError { fault, offset });
        let inside = between(instruction, "<?", "?>").ok_or(XmlFault::Instruction).map_err(at)?;
        let target_len = inside.bytes().position(is_space).unwrap_or(inside.len());
        let (target, data) = inside.split_at(target_len);
        if target.len() > self.limits.name_bytes {
            return Err(at(XmlFault::Limit("name_bytes")));
        }
        if target.eq_ignore_ascii_case("xml") {
            return Err(at(XmlFault::Declaration));
        }
        if !is_ncname(target) {
            return Err(at(XmlFault::Instruction));
        }
        if !all_chars(data) {
            return Err(at(XmlFault::Character));
        }
        normalise_line_ends(data.trim_start_matches(SPACE), &mut self.scratch);
        sink.instruction(target, &self.scratch, self.place)
    }

    fn run_of_text<S: Sink>(&mut self, sink: &mut S) -> Result<(), ReadError> {
        loop {
            let offset = self.source.offset();
            let chunk = self.source.fill()?;
            let end = memchr::memchr2(b'<', b'&', chunk);
            let run = &chunk[..end.unwrap_or(chunk.len())];
            let used = run.len();
            let over = end.is_some() || chunk.is_empty();
            if !run.is_empty() {
                self.text
                    .take(run, Within::Text, &mut |text, form| sink.text(text, form))
                    .map_err(|refusal| refused(refusal, offset))?;
            }
            self.source.consume(used);
            if over {
                return self.text.finish().map_err(|fault| self.source.fault(fault));
            }
        }
    }

    fn cdata<S: Sink>(&mut self, sink: &mut S) -> Result<(), ReadError> {
        if self.place != Place::Inside {
            return Err(self.source.fault(XmlFault::NotOneDocument));
        }
        self.source.consume(CDATA_OPEN.len());
        loop {
            // `]` at the end of a chunk may begin `]]>`: look again with what follows.
            let offset = self.source.offset();
            let (used, shown, over) = match self.source.fill()? {
                [b']', rest @ ..] if rest.len() < 2 => match self.source.peek(3)? {
                    CDATA_CLOSE => (3, 0, true),
                    ahead if ahead.len() < 3 => return Err(self.source.fault(XmlFault::Truncated)),
                    _ => (1, 1, false),
                },
                [] => return Err(self.source.fault(XmlFault::Truncated)),
                chunk => match memchr::memmem::find(chunk, CDATA_CLOSE) {
                    Some(at) => (at + 3, at, true),
                    None => {
                        let held = chunk.iter().rev().take(2).take_while(|&&b| b == b']').count();
                        let shown = (chunk.len() - held).max(1);
                        (shown, shown, false)
                    }
                },
            };
            if shown > 0 {
                let chunk = self.source.fill()?;
                self.text
                    .take(&chunk[..shown], Within::Cdata, &mut |text, form| sink.text(text, form))
                    .map_err(|refusal| refused(refusal, offset))?;
            }
            self.source.consume(used);
            if over {
                return self.text.finish().map_err(|fault| self.source.fault(fault));
            }
        }
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
        let c = tag::reference(name).map_err(fault)?;
        sink.text(c.encode_utf8(&mut [0; 4]), TextForm::Mixed)
    }

    fn outer_space(&mut self) -> Result<(), ReadError> {
        let chunk = self.source.fill()?;
        let count = chunk.iter().take_while(|&&b| is_space(b)).count();
        if count == 0 {
            return Err(self.source.fault(XmlFault::NotOneDocument));
        }
        self.source.consume(count);
        Ok(())
    }

    fn read_markup(&mut self, kind: Markup) -> Result<(), ReadError> {
        self.source.markup(kind, &mut self.buffer, self.limits.markup_bytes)
    }
}

/// Declares a tag's namespaces and resolves its prefixes.
fn bind(scope: &mut Scope, split_tag: &Split, inside: &str) -> Result<(), XmlFault> {
    for (qname, value) in split_tag.attributes(inside) {
        if let Some(prefix) = declared_prefix(qname) {
            if !prefix.is_empty() && !is_ncname(prefix) || qname == "xmlns:" {
                return Err(XmlFault::Name);
            }
            scope.declare(prefix, value, Origin::Declared)?;
        }
    }
    scope.resolve_element()?;
    for (qname, _) in split_tag.attributes(inside) {
        if declared_prefix(qname).is_none() {
            let (prefix, _) = split(qname)?;
            if !prefix.is_empty() {
                scope.use_prefix(prefix)?;
            }
        }
    }
    Ok(())
}

/// The prefix that an attribute of this name declares, if it is a namespace declaration.
fn declared_prefix(qname: &str) -> Option<&str> {
    match qname.strip_prefix("xmlns")? {
        "" => Some(""),
        rest => rest.strip_prefix(':'),
    }
}

fn has_duplicates(attributes: &[Attribute<'_>]) -> bool {
    if attributes.len() <= 8 {
        let twice = |(at, one): (usize, &Attribute<'_>)| {
            attributes[..at].iter().any(|two| two.name.is(one.name.namespace, one.name.local))
        };
        return attributes.iter().enumerate().any(twice);
    }
    let mut names: Vec<_> = attributes.iter().map(|a| (a.name.local, a.name.namespace)).collect();
    names.sort_unstable();
    names.windows(2).any(|pair| pair[0] == pair[1])
}

/// What stands between the two ends of a piece of markup. `None` if it lacks one of them: then it was cut wrongly.
fn between<'m>(markup: &'m str, open: &str, close: &str) -> Option<&'m str> {
    markup.strip_prefix(open)?.strip_suffix(close)
}

fn utf8(bytes: &[u8], offset: u64) -> Result<&str, ReadError> {
    std::str::from_utf8(bytes).map_err(|_| XmlError { fault: XmlFault::NotUtf8, offset }.into())
}

fn refused(refusal: Refusal, offset: u64) -> ReadError {
    match refusal {
        Refusal::Fault(fault) => XmlError { fault, offset }.into(),
        Refusal::Sink(error) => error,
    }
}

/// Productions 23-32 and 80, version 1.0 and UTF-8 only; `inside` is what stands between `<?xml` and `?>`.
fn check_declaration(inside: &str, limits: &Limits) -> Result<(), XmlFault> {
    let mut split = Split::default();
    // There are no references in it: they would hide the encoding from other readers.
    if !inside.starts_with(SPACE) || inside.contains('&') {
        return Err(XmlFault::Declaration);
    }
    split.split(inside, limits).map_err(|_| XmlFault::Declaration)?;
    let mut last = 0;
    for (name, value) in split.attributes(inside) {
        let place = match name {
            "version" if value == "1.0" => 1,
            "encoding" if value.eq_ignore_ascii_case("utf-8") => 2,
            "encoding" => return Err(XmlFault::Encoding),
            "standalone" if matches!(value, "yes" | "no") => 3,
            _ => return Err(XmlFault::Declaration),
        };
        if place <= last || (last == 0 && place != 1) {
            return Err(XmlFault::Declaration);
        }
        last = place;
    }
    if last == 0 { Err(XmlFault::Declaration) } else { Ok(()) }
}
