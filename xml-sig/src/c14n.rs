//! Canonical XML 1.0 and Exclusive XML Canonicalization 1.0, written while the document is read. The node-set is the
//! document, or one element with all below it (an apex), less what the caller leaves out.

use std::cmp::Ordering;
use std::io::{self, BufRead, BufWriter, Write};

use crate::driver::Drive;
use crate::error::{ReadError, XmlError, XmlFault};
use crate::events::{End, Open, Place, Sink, TextForm};
use crate::reader::{Attribute, Name, ReadOptions, StartTag};
use crate::scope::{Origin, XML_NAMESPACE};

use rendered::Rendered;

mod rendered;

/// Which canonicalisation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Method {
    /// Canonical XML 1.0 (W3C, 15 March 2001).
    #[default]
    Inclusive,
    /// Canonical XML 1.1 (W3C, 2 May 2008): the same, but `xml:id` is not inherited. An element below an `xml:base` has no
    /// such form here: its new base would have to be worked out (section 2.4).
    Inclusive11,
    /// Exclusive XML Canonicalization 1.0 (W3C, 18 July 2002).
    Exclusive,
}

/// A canonical form: a method with its parameters.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Form {
    /// The method.
    pub method: Method,
    /// Keeps comments (the `#WithComments` methods).
    pub comments: bool,
    /// The PrefixList of the exclusive method (its section 3): prefixes that are treated the inclusive way; `#default` is
    /// the default namespace. Of no effect with the inclusive method.
    pub prefixes: Vec<String>,
}

impl Form {
    /// Whether the exclusive method treats this prefix the inclusive way.
    fn lists(&self, prefix: &str) -> bool {
        let written = if prefix.is_empty() { "#default" } else { prefix };
        self.prefixes.iter().any(|listed| listed == written)
    }
}

/// Writes the canonical form of a whole document.
///
/// # Errors
/// The document breaks a rule of the reader, or has a relative namespace URI ([`XmlFault::RelativeNamespace`]; Canonical
/// XML 1.0 section 1.3); reading or writing fails. What was written by then is no canonical form of anything.
pub fn canonicalise(
    input: &mut dyn BufRead,
    options: &ReadOptions<'_>,
    form: &Form,
    output: &mut dyn Write,
) -> Result<(), ReadError> {
    let written = Written { output: BufWriter::new(output), failed: None };
    let mut whole = Whole { canonical: Canonical::new(form, written) };
    Drive::new(input, options)?.run(&mut whole)?;
    let mut written = whole.canonical.into_octets();
    written.failed.map_or_else(|| written.output.flush(), Err)?;
    Ok(())
}

/// Octets on their way to a writer, which fails once.
struct Written<'w> {
    output: BufWriter<&'w mut dyn Write>,
    failed: Option<io::Error>,
}

impl Octets for Written<'_> {
    fn put(&mut self, octets: &[u8]) {
        if self.failed.is_none() {
            self.failed = self.output.write_all(octets).err();
        }
    }
}

/// A whole document, canonicalised.
struct Whole<'w> {
    canonical: Canonical<Written<'w>>,
}

impl Sink for Whole<'_> {
    fn start(&mut self, open: &Open<'_>) -> Result<(), ReadError> {
        if open.scope.declared().any(|binding| is_relative(binding.uri)) {
            let fault = XmlFault::RelativeNamespace;
            return Err(XmlError { fault, offset: open.tag.offset }.into());
        }
        self.canonical.start(open, &[]);
        Ok(())
    }

    fn text(&mut self, chunk: &str, form: TextForm) -> Result<(), ReadError> {
        self.canonical.text(chunk, form);
        Ok(())
    }

    fn end(&mut self, end: &End<'_>) -> Result<(), ReadError> {
        self.canonical.end(end);
        Ok(())
    }

    fn comment(&mut self, comment: &str, place: Place) -> Result<(), ReadError> {
        self.canonical.comment(comment, place);
        Ok(())
    }

    fn instruction(&mut self, target: &str, data: &str, place: Place) -> Result<(), ReadError> {
        self.canonical.instruction(target, data, place);
        Ok(())
    }
}

/// Takes canonical octets.
pub(crate) trait Octets {
    fn put(&mut self, octets: &[u8]);

    /// Takes several pieces in a row.
    fn put_all(&mut self, parts: &[&[u8]]) {
        for part in parts {
            self.put(part);
        }
    }
}

/// An `xml:` attribute of an ancestor; inclusive canonicalisation gives it to the apex (section 2.4). In a list of them,
/// each name stands once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Inherited {
    pub(crate) local: String,
    pub(crate) value: String,
}

/// A canonicaliser that hangs on the events of one reading.
pub(crate) struct Canonical<O> {
    form: Form,
    octets: O,
    at_apex: bool,
    rendered: Rendered,
    scratch: Vec<Attribute<'static>>,
    bindings: Vec<(&'static str, &'static str)>,
}

impl<O: Octets> Canonical<O> {
    pub(crate) fn new(form: &Form, octets: O) -> Self {
        Self {
            form: form.clone(),
            octets,
            at_apex: true,
            rendered: Rendered::default(),
            scratch: Vec::new(),
            bindings: Vec::new(),
        }
    }

    pub(crate) fn form(&self) -> &Form {
        &self.form
    }

    /// What took the octets.
    pub(crate) fn into_octets(self) -> O {
        self.octets
    }

    /// An element of the node-set begins. `inherited` counts at the apex only, nearest ancestor first.
    pub(crate) fn start(&mut self, open: &Open<'_>, inherited: &[Inherited]) {
        let exclusive = self.form.method == Method::Exclusive;
        let inherited = if self.at_apex && !exclusive { inherited } else { &[] };
        if exclusive {
            self.rendered.open();
        }
        match open.canonical {
            Some(canonical) if self.is_as_written(open) => {
                self.octets.put(canonical.as_bytes());
                self.octets.put(b">");
            }
            _ => self.tag(open, inherited),
        }
        self.at_apex = false;
    }

    /// Whether a tag without declarations, whose attributes are written canonically one by one, is canonical: nothing is
    /// to be added, or put in order.
    fn is_as_written(&self, open: &Open<'_>) -> bool {
        let same = match self.form.method {
            Method::Exclusive => visibly_used(&open.tag).all(|name| !self.must_render(&name)),
            Method::Inclusive | Method::Inclusive11 => true,
        };
        same && !self.at_apex && in_order(open.tag.attributes)
    }

    /// A start tag, piece by piece.
    fn tag(&mut self, open: &Open<'_>, inherited: &[Inherited]) {
        let mut bindings = recycle(std::mem::take(&mut self.bindings));
        match self.form.method {
            Method::Inclusive | Method::Inclusive11 => inclusive(open, self.at_apex, &mut bindings),
            Method::Exclusive => self.exclusive(open, &mut bindings),
        }
        bindings.sort_unstable();
        let mut attributes = recycle(std::mem::take(&mut self.scratch));
        attributes.extend_from_slice(open.tag.attributes);
        inherit(inherited, self.form.method, &mut attributes);
        if !in_order(&attributes) {
            attributes.sort_unstable_by(order);
        }
        self.octets.put_all(&[b"<", open.qname.as_bytes()]);
        for (prefix, uri) in &bindings {
            self.octets.put_all(&[
                if prefix.is_empty() { b" xmlns" } else { b" xmlns:" },
                prefix.as_bytes(),
                b"=\"",
            ]);
            self.escaped(uri, class::VALUE);
            self.octets.put(b"\"");
        }
        for Attribute { name: Name { prefix, local, .. }, value } in &attributes {
            let colon: &[u8] = if prefix.is_empty() { b"" } else { b":" };
            self.octets.put_all(&[b" ", prefix.as_bytes(), colon, local.as_bytes(), b"=\""]);
            self.escaped(value, class::VALUE);
            self.octets.put(b"\"");
        }
        self.octets.put(b">");
        self.scratch = recycle(attributes);
        self.bindings = recycle(bindings);
    }

    /// Text of the node-set.
    pub(crate) fn text(&mut self, text: &str, form: TextForm) {
        if form == TextForm::Plain {
            return self.octets.put(text.as_bytes());
        }
        self.escaped(text, class::TEXT);
    }

    /// An element of the node-set ends.
    pub(crate) fn end(&mut self, end: &End<'_>) {
        match end.canonical {
            Some(canonical) => self.octets.put(canonical.as_bytes()),
            None => self.octets.put_all(&[b"</", end.qname.as_bytes(), b">"]),
        }
        if self.form.method == Method::Exclusive {
            self.rendered.close();
        }
    }

    /// A comment of the node-set, which forms without comments leave out; outside the document element it is on a line of
    /// its own.
    pub(crate) fn comment(&mut self, comment: &str, place: Place) {
        if self.form.comments {
            self.beside(&[b"<!--", comment.as_bytes(), b"-->"], place);
        }
    }

    /// A processing instruction of the node-set; outside the document element it is on a line of its own.
    pub(crate) fn instruction(&mut self, target: &str, data: &str, place: Place) {
        let space: &[u8] = if data.is_empty() { b"" } else { b" " };
        self.beside(&[b"<?", target.as_bytes(), space, data.as_bytes(), b"?>"], place);
    }

    /// Puts what may stand outside the document element, then on a line of its own.
    fn beside(&mut self, parts: &[&[u8]], place: Place) {
        if place == Place::After {
            self.octets.put(b"\n");
        }
        self.octets.put_all(parts);
        if place == Place::Before {
            self.octets.put(b"\n");
        }
    }

    /// Exclusive: a binding is rendered where it is visibly used, unless the nearest output ancestor that rendered the
    /// prefix rendered the same one.
    fn exclusive<'b>(&mut self, open: &'b Open<'_>, bindings: &mut Vec<(&'b str, &'b str)>) {
        if !self.form.prefixes.is_empty() {
            inclusive(open, self.at_apex, bindings);
            bindings.retain(|(prefix, _)| self.form.lists(prefix));
        }
        for name in visibly_used(&open.tag) {
            if self.must_render(&name) {
                bindings.push((name.prefix, name.namespace));
                self.rendered.push(name.prefix, name.namespace);
            }
        }
    }

    /// Whether the binding of a name that is visibly used is not carried by an open output element.
    fn must_render(&self, name: &Name<'_>) -> bool {
        let inclusive = name.prefix == "xml" || self.form.lists(name.prefix);
        !inclusive && self.rendered.uri(name.prefix) != name.namespace
    }

    /// Puts a text with the characters of a class (sections 2.3, 1.1) replaced by references.
    fn escaped(&mut self, text: &str, class: u8) {
        let mut rest = text.as_bytes();
        while let Some(at) = rest.iter().position(|&b| ESCAPED[usize::from(b)] & class != 0) {
            let escape: &[u8] = match rest[at] {
                b'&' => b"&amp;",
                b'<' => b"&lt;",
                b'>' => b"&gt;",
                b'"' => b"&quot;",
                b'\t' => b"&#x9;",
                b'\n' => b"&#xA;",
                _ => b"&#xD;",
            };
            self.octets.put_all(&[&rest[..at], escape]);
            rest = &rest[at + 1..];
        }
        self.octets.put(rest);
    }
}

/// Where a byte is replaced by a reference: bits of [`ESCAPED`].
mod class {
    pub(super) const TEXT: u8 = 1;
    pub(super) const VALUE: u8 = 2;
}

static ESCAPED: [u8; 256] = {
    let mut classes = [0; 256];
    classes[b'&' as usize] = class::TEXT | class::VALUE;
    classes[b'<' as usize] = class::TEXT | class::VALUE;
    classes[b'\r' as usize] = class::TEXT | class::VALUE;
    classes[b'>' as usize] = class::TEXT;
    classes[b'"' as usize] = class::VALUE;
    classes[b'\t' as usize] = class::VALUE;
    classes[b'\n' as usize] = class::VALUE;
    classes
};

/// The order of attributes (section 2.2): those without a namespace first. Names differ in their first bytes mostly, so
/// that these are compared here.
fn order(one: &Attribute<'_>, two: &Attribute<'_>) -> Ordering {
    let by_local = || one.name.local.bytes().cmp(two.name.local.bytes());
    match (one.name.namespace, two.name.namespace) {
        ("", "") => by_local(),
        ("", _) => Ordering::Less,
        (_, "") => Ordering::Greater,
        (one, two) => one.cmp(two).then_with(by_local),
    }
}

fn in_order(attributes: &[Attribute<'_>]) -> bool {
    attributes.windows(2).all(|pair| order(&pair[0], &pair[1]).is_le())
}

/// The names of a tag whose prefixes are visibly used (Exclusive C14N section 1.1): attributes without one use none.
fn visibly_used<'t>(tag: &StartTag<'t>) -> impl Iterator<Item = Name<'t>> {
    let attributes = tag.attributes.iter().map(|a| a.name).filter(|name| !name.prefix.is_empty());
    std::iter::once(tag.name).chain(attributes)
}

/// Inclusive: at the apex every binding in force, below it every one that changes something. Given bindings are no part
/// of the document.
fn inclusive<'b>(open: &'b Open<'_>, at_apex: bool, bindings: &mut Vec<(&'b str, &'b str)>) {
    if at_apex {
        let in_force = open.scope.in_force().into_iter();
        let own = in_force.filter(|b| b.origin == Origin::Declared && b.prefix != "xml" && !b.uri.is_empty());
        bindings.extend(own.map(|b| (b.prefix, b.uri)));
        return;
    }
    for binding in open.scope.declared().filter(|b| b.prefix != "xml") {
        let outer = open.scope.outer(binding.prefix).filter(|b| b.origin == Origin::Declared);
        if outer.map_or("", |b| b.uri) != binding.uri {
            bindings.push((binding.prefix, binding.uri));
        }
    }
}

fn inherit<'a>(inherited: &'a [Inherited], method: Method, attributes: &mut Vec<Attribute<'a>>) {
    let own = attributes.len();
    for one in inherited {
        let kept = method == Method::Inclusive || one.local != "id";
        if kept && !attributes[..own].iter().any(|a| a.name.is(XML_NAMESPACE, &one.local)) {
            let name = Name { prefix: "xml", local: &one.local, namespace: XML_NAMESPACE };
            attributes.push(Attribute { name, value: &one.value });
        }
    }
}

/// An emptied vector with the allocation of the old one, for another lifetime.
pub(crate) fn recycle<A, B>(mut old: Vec<A>) -> Vec<B> {
    old.clear();
    old.into_iter().map(|_| unreachable!("the vector was cleared")).collect()
}

/// Whether a namespace URI is relative: Canonical XML must fail on it (section 1.3).
pub(crate) fn is_relative(uri: &str) -> bool {
    let scheme = uri.split_once(':').map_or("", |(scheme, _)| scheme);
    let rest = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.');
    let absolute = scheme.starts_with(|c: char| c.is_ascii_alphabetic()) && scheme.bytes().all(rest);
    !uri.is_empty() && !absolute
}

#[cfg(test)]
mod tests;
