//! The strict reader as its users see it: names, tags, the observer, and `read`.
//! The rules themselves are in `driver`, `tag` and `text`.

use std::io::BufRead;

use crate::driver::Drive;
use crate::error::{ReadError, Stop};
use crate::events::{End, Open, Sink, TextForm};
use crate::limits::Limits;

/// An expanded name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Name<'a> {
    /// As written; empty without prefix.
    pub prefix: &'a str,
    /// The local part.
    pub local: &'a str,
    /// The namespace URI; empty = none.
    pub namespace: &'a str,
}

impl Name<'_> {
    /// Whether this is the name `local` in `namespace`, whatever its prefix.
    pub fn is(&self, namespace: &str, local: &str) -> bool {
        self.local == local && self.namespace == namespace
    }
}

/// An attribute; namespace declarations are not shown as such.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attribute<'a> {
    /// Its name.
    pub name: Name<'a>,
    /// Its value: normalised (XML 1.0 section 3.3.3, all attributes CDATA), references resolved.
    pub value: &'a str,
}

/// A start tag, or the start of an empty-element tag.
#[derive(Clone, Copy, Debug)]
pub struct StartTag<'a> {
    /// The element's name.
    pub name: Name<'a>,
    /// In the order of the document.
    pub attributes: &'a [Attribute<'a>],
    /// Open elements with this one: the root has 1.
    pub depth: usize,
    /// Of the tag's `<`, in bytes from the start of the input.
    pub offset: u64,
}

impl<'a> StartTag<'a> {
    /// The value of the attribute `local` without namespace.
    pub fn attribute(&self, local: &str) -> Option<&'a str> {
        self.attributes.iter().find(|a| a.name.is("", local)).map(|a| a.value)
    }
}

/// Sees a document go by. Comments and processing instructions are not shown: text around them simply continues.
pub trait Observer {
    /// An element begins.
    fn start(&mut self, tag: &StartTag<'_>) -> Result<(), Stop>;
    /// A piece of text: many a node, of at most about 64 KiB each. Line ends are normalised to LF, CDATA sections and
    /// references are resolved. Text outside the root is not shown.
    fn text(&mut self, chunk: &str) -> Result<(), Stop>;
    /// An element ends; an empty-element tag ends too.
    fn end(&mut self, name: &Name<'_>) -> Result<(), Stop>;
}

/// Looks at nothing: for who only wants a verdict.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unwatched;

impl Observer for Unwatched {
    fn start(&mut self, _: &StartTag<'_>) -> Result<(), Stop> {
        Ok(())
    }

    fn text(&mut self, _: &str) -> Result<(), Stop> {
        Ok(())
    }

    fn end(&mut self, _: &Name<'_>) -> Result<(), Stop> {
        Ok(())
    }
}

/// How to read.
#[derive(Clone, Copy, Debug)]
pub struct ReadOptions<'a> {
    /// What the document may cost.
    pub limits: &'a Limits,
    /// Bindings (prefix, URI) in force before the root: the repair of packets that do not declare their prefixes. The
    /// prefix `""` is the default namespace. A document that needs one of them can be Absent or Unusable only.
    pub initial_namespaces: &'a [(&'a str, &'a str)],
}

/// Reads one document from `input`, in memory that does not grow with its size, and shows it to `observer`.
///
/// What the observer saw is only good when this returns `Ok`: a fault may come with the last byte.
pub fn read(
    input: &mut dyn BufRead,
    options: &ReadOptions<'_>,
    observer: &mut dyn Observer,
) -> Result<(), ReadError> {
    Drive::new(input, options)?.run(&mut Shown(observer)).map(drop)
}

/// An observer as a sink: comments, instructions and outer white space left out.
pub(crate) struct Shown<'o>(pub(crate) &'o mut dyn Observer);

impl Sink for Shown<'_> {
    fn start(&mut self, open: &Open<'_>) -> Result<(), ReadError> {
        Ok(self.0.start(&open.tag)?)
    }

    fn text(&mut self, chunk: &str, _: TextForm) -> Result<(), ReadError> {
        Ok(self.0.text(chunk)?)
    }

    fn end(&mut self, end: &End<'_>) -> Result<(), ReadError> {
        Ok(self.0.end(&end.name)?)
    }
}
