//! The events of one reading, inside the crate: richer than an [`crate::Observer`] sees, so that the canonicaliser can
//! hang on the same stream.

use crate::error::ReadError;
use crate::reader::{Name, StartTag};
use crate::scope::Scope;

pub(crate) use crate::text::TextForm;

/// Where an event stands relative to the root element.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// Before the root.
    Before,
    /// In the root.
    Inside,
    /// After the root.
    After,
}

/// A start tag with all that the canonicaliser needs.
pub(crate) struct Open<'a> {
    /// What an observer sees.
    pub(crate) tag: StartTag<'a>,
    /// Bindings, those of this tag included.
    pub(crate) scope: &'a Scope,
    /// The element's qualified name as written.
    pub(crate) qname: &'a str,
    /// From the tag's `<` to its last attribute, if it has no namespace declarations and all of that is written as
    /// Canonical XML writes it, but perhaps for the order of the attributes.
    pub(crate) canonical: Option<&'a str>,
    /// The tag's `<tag/>` form.
    pub(crate) empty: bool,
    /// One past the tag's `>`.
    pub(crate) offset_end: u64,
}

/// The end of an element.
pub(crate) struct End<'a> {
    /// Its name.
    pub(crate) name: Name<'a>,
    /// Its qualified name as written in the start tag.
    pub(crate) qname: &'a str,
    /// The end tag, if it is written as Canonical XML writes it.
    pub(crate) canonical: Option<&'a str>,
    /// Its depth; the root has 1.
    pub(crate) depth: usize,
    /// Of the end tag's `<`; of an empty-element tag: of its `<`.
    pub(crate) offset: u64,
    /// One past its `>`.
    pub(crate) offset_end: u64,
}

/// What consumes a document's events.
pub(crate) trait Sink {
    /// An element begins.
    fn start(&mut self, open: &Open<'_>) -> Result<(), ReadError>;
    /// Text inside the root.
    fn text(&mut self, chunk: &str, form: TextForm) -> Result<(), ReadError>;
    /// An element ends.
    fn end(&mut self, end: &End<'_>) -> Result<(), ReadError>;
    /// A comment, its line ends normalised.
    fn comment(&mut self, _comment: &str, _place: Place) -> Result<(), ReadError> {
        Ok(())
    }
    /// A processing instruction; `data` has its line ends normalised.
    fn instruction(&mut self, _target: &str, _data: &str, _place: Place) -> Result<(), ReadError> {
        Ok(())
    }
    /// Asked after each end of an element: whether anything of the rest is wanted. If not, the reading is over, and
    /// nothing is known of what follows.
    fn wants_more(&self) -> bool {
        true
    }
}
