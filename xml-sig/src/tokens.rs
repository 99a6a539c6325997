//! What each token of a document means: rules, state, events. How a token was cut out of the input is no matter here;
//! `window` and `driver` do that, and both end in these functions, so that every rule exists once.

use crate::c14n::recycle;
use crate::chars::{all_chars, is_ncname, is_space};
use crate::error::{ReadError, XmlError, XmlFault};
use crate::events::{End, Open, Place, Sink, TextForm};
use crate::limits::Limits;
use crate::reader::{Attribute, Name, ReadOptions, StartTag};
use crate::scope::{Origin, Scope};
use crate::tag::{self, Split, Written};
use crate::text::{Run, TextState, normalise_line_ends};

/// XML 1.0 production 3.
const SPACE: [char; 4] = [' ', '\t', '\r', '\n'];

/// The state of one reading between two tokens.
pub(crate) struct Tokens {
    pub(crate) limits: Limits,
    pub(crate) place: Place,
    /// In a CDATA section.
    pub(crate) cdata: bool,
    /// The sink wants more.
    pub(crate) wanted: bool,
    pub(crate) text: TextState,
    scope: Scope,
    split: Split,
    attributes: Vec<Attribute<'static>>,
    scratch: String,
}

impl Tokens {
    pub(crate) fn new(options: &ReadOptions<'_>) -> Result<Self, XmlFault> {
        let mut scope = Scope::new(options.limits);
        for (prefix, uri) in options.initial_namespaces {
            let named = prefix.is_empty() || is_ncname(prefix);
            if !named {
                return Err(XmlFault::NamespaceDeclaration);
            }
            scope.declare(prefix, uri, Origin::Given)?;
        }
        Ok(Self {
            limits: options.limits.clone(),
            place: Place::Before,
            cdata: false,
            wanted: true,
            text: TextState::default(),
            scope,
            split: Split::default(),
            attributes: Vec::new(),
            scratch: String::new(),
        })
    }

    /// Whether a given namespace binding was needed.
    pub(crate) fn given_used(&self) -> bool {
        self.scope.given_used()
    }

    /// The qualified name of the innermost open element.
    pub(crate) fn qname(&self) -> &str {
        self.scope.qname()
    }

    /// A start or empty-element tag, from `<` to `>`.
    pub(crate) fn start_tag<S: Sink>(
        &mut self,
        tag: &str,
        offset: u64,
        sink: &mut S,
    ) -> Result<(), ReadError> {
        let at = |fault| ReadError::Xml(XmlError { fault, offset });
        let written = between(tag, "<", ">").ok_or(XmlFault::Markup).map_err(at)?;
        let inside = written.strip_suffix('/').unwrap_or(written);
        self.split.split(inside, &self.limits).map_err(at)?;
        self.element(inside, tag, offset, sink)
    }

    /// The start or empty-element tag at the front of `rest`, if it stands there whole and is well-formed; returns how
    /// many bytes it has. Most tags are, and then they are read only once.
    pub(crate) fn scan_start_tag<S: Sink>(
        &mut self,
        rest: &str,
        offset: u64,
        sink: &mut S,
    ) -> Result<Option<usize>, ReadError> {
        let Some(inside) = self.split.scan(&rest[1..], &self.limits) else { return Ok(None) };
        let len = match &rest.as_bytes()[1 + inside..] {
            [b'>', ..] => inside + 2,
            [b'/', b'>', ..] => inside + 3,
            _ => return Ok(None),
        };
        if len > self.limits.markup_bytes {
            return Ok(None);
        }
        self.element(&rest[1..=inside], &rest[..len], offset, sink)?;
        Ok(Some(len))
    }

    /// The element of a tag that was split.
    fn element<S: Sink>(
        &mut self,
        inside: &str,
        tag: &str,
        offset: u64,
        sink: &mut S,
    ) -> Result<(), ReadError> {
        let at = |fault| ReadError::Xml(XmlError { fault, offset });
        self.text.over();
        let (qname, prefix_len) = self.split.name(inside);
        self.scope.open(qname, prefix_len).map_err(at)?;
        self.place = Place::Inside;
        if self.split.has_declarations() {
            declare(&mut self.scope, &self.split, inside).map_err(at)?;
        }
        self.scope.resolve_element().map_err(at)?;

        // Recycling costs something too, and many tags have no attributes.
        let mut attributes = Vec::new();
        if self.split.has_attributes() {
            attributes = recycle(std::mem::take(&mut self.attributes));
        }
        for attribute in self.split.attributes(inside).filter(|attribute| !attribute.declares) {
            let (prefix, local) = attribute.split().map_err(at)?;
            let namespace = if prefix.is_empty() { "" } else { self.scope.used(prefix).map_err(at)? };
            attributes.push(Attribute { name: Name { prefix, local, namespace }, value: attribute.value });
        }
        if has_duplicates(&attributes) {
            return Err(at(XmlFault::DuplicateAttribute));
        }
        let (depth, qname) = (self.scope.depth(), self.scope.qname());
        let (empty, offset_end) = (inside.len() + 3 == tag.len(), offset + tag.len() as u64);
        let canonical = self.split.is_canonical().then(|| &tag[..=inside.len()]);
        let tag = StartTag { name: self.scope.name(), attributes: &attributes, depth, offset };
        sink.start(&Open { tag, scope: &self.scope, qname, canonical, empty, offset_end })?;
        if empty {
            sink.end(&End { name: tag.name, qname, canonical: None, depth, offset, offset_end })?;
            self.wanted = sink.wants_more();
        }
        if attributes.capacity() > 0 {
            self.attributes = recycle(attributes);
        }
        if empty {
            self.close();
        }
        Ok(())
    }

    /// An end tag, from `</` to `>`.
    pub(crate) fn end_tag<S: Sink>(&mut self, tag: &str, offset: u64, sink: &mut S) -> Result<(), ReadError> {
        let qname = between(tag, "</", ">").map(|inside| inside.trim_end_matches(SPACE));
        if self.place != Place::Inside || qname != Some(self.scope.qname()) {
            return Err(XmlError { fault: XmlFault::EndTag, offset }.into());
        }
        self.end(tag, offset, sink)
    }

    /// The end tag of the innermost open element.
    pub(crate) fn end<S: Sink>(&mut self, tag: &str, offset: u64, sink: &mut S) -> Result<(), ReadError> {
        self.text.over();
        let qname = self.scope.qname();
        sink.end(&End {
            name: self.scope.name(),
            qname,
            canonical: (tag.len() == qname.len() + 3).then_some(tag),
            depth: self.scope.depth(),
            offset,
            offset_end: offset + tag.len() as u64,
        })?;
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

    /// A comment, from `<!--` to `-->`.
    pub(crate) fn comment<S: Sink>(
        &mut self,
        comment: &str,
        offset: u64,
        sink: &mut S,
    ) -> Result<(), ReadError> {
        self.text.over();
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

    /// A processing instruction, from `<?` to `?>`.
    pub(crate) fn instruction<S: Sink>(
        &mut self,
        instruction: &str,
        offset: u64,
        sink: &mut S,
    ) -> Result<(), ReadError> {
        self.text.over();
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

    /// A reference, given what is between `&` and `;`.
    pub(crate) fn reference<S: Sink>(
        &mut self,
        name: &str,
        offset: u64,
        sink: &mut S,
    ) -> Result<(), ReadError> {
        self.text.over();
        let c = tag::reference(name).map_err(|fault| ReadError::Xml(XmlError { fault, offset }))?;
        sink.text(c.encode_utf8(&mut [0; 4]), TextForm::Mixed)
    }

    /// The next piece of the text, or of the CDATA section, that is being read.
    pub(crate) fn text<S: Sink>(&mut self, run: Run<'_>, offset: u64, sink: &mut S) -> Result<(), ReadError> {
        let found = self.text.find_fault(&run, self.cdata);
        let run = found.as_ref().map_or(run, |found| run.before(found.seen));
        let (text, form) = self.text.take(run, self.cdata);
        if !text.is_empty() {
            sink.text(text, form)?;
        }
        match found {
            None => Ok(()),
            Some(found) => Err(XmlError { fault: found.fault, offset: found.offset_from(offset) }.into()),
        }
    }

    /// One byte of a character that the window cut, or that is none.
    pub(crate) fn byte<S: Sink>(&mut self, byte: u8, offset: u64, sink: &mut S) -> Result<(), ReadError> {
        match self.text.byte(byte, offset)? {
            Some(character) => sink.text(character, TextForm::Plain),
            None => Ok(()),
        }
    }

    /// `<![CDATA[` was read.
    pub(crate) fn open_cdata(&mut self) {
        self.text.over();
        self.cdata = true;
    }

    /// `]]>` was read.
    pub(crate) fn close_cdata(&mut self) {
        self.text.over();
        self.cdata = false;
    }
}

/// Declares a tag's namespaces.
fn declare(scope: &mut Scope, split: &Split, inside: &str) -> Result<(), XmlFault> {
    for attribute in split.attributes(inside).filter(|attribute| attribute.declares) {
        let (prefix, local) = attribute.split()?;
        scope.declare(if prefix.is_empty() { "" } else { local }, attribute.value, Origin::Declared)?;
    }
    Ok(())
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

/// An XML declaration, from `<?xml` to `?>` (productions 23-32 and 80): version 1.0 and UTF-8 only.
pub(crate) fn check_declaration(declaration: &str, limits: &Limits) -> Result<(), XmlFault> {
    let inside = between(declaration, "<?xml", "?>").ok_or(XmlFault::Declaration)?;
    let mut split = Split::default();
    // There are no references in it: they would hide the encoding from other readers.
    if !inside.starts_with(SPACE) || inside.contains('&') {
        return Err(XmlFault::Declaration);
    }
    split.split(inside, limits).map_err(|_| XmlFault::Declaration)?;
    let mut last = 0;
    for Written { qname, value, .. } in split.attributes(inside) {
        let place = match qname {
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
