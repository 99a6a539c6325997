//! Why a document cannot be read: a closed list of rules, each with a stable code.

use std::fmt;

/// A document breaks a rule of the reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{fault} (byte {offset})")]
pub struct XmlError {
    /// The rule.
    pub fault: XmlFault,
    /// Where, in bytes from the start of the input.
    pub offset: u64,
}

/// The rules of the reader: XML 1.0 (fifth edition) and Namespaces in XML 1.0 without a DTD, in UTF-8, within limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum XmlFault {
    /// A DOCTYPE declaration, in any form.
    Doctype,
    /// Another encoding than UTF-8, declared or shown by a byte order mark: outside the profile.
    Encoding,
    /// Bytes that are no UTF-8.
    NotUtf8,
    /// A character outside XML 1.0 production 2, written or referred to.
    Character,
    /// A reference that is neither numeric nor one of the five predefined entities, or a bare `&`.
    Reference,
    /// An XML declaration that is wrong, not first, or not of version 1.0.
    Declaration,
    /// Markup that is no tag, comment, CDATA section or processing instruction.
    Markup,
    /// A name with a wrong character, or not a qualified name.
    Name,
    /// An attribute without value, quotes or white space before it, or with `<` in its value.
    Attribute,
    /// Two attributes of one element have the same name, after expansion of prefixes.
    DuplicateAttribute,
    /// A prefix that no declaration in scope binds.
    UnboundPrefix,
    /// A namespace declaration that Namespaces in XML 1.0 forbids (`xml`, `xmlns`, an empty URI for a prefix).
    NamespaceDeclaration,
    /// An end tag that does not end the open element.
    EndTag,
    /// `]]>` in text.
    CdataEnd,
    /// `--` inside a comment.
    Comment,
    /// A processing instruction with a reserved or wrong target.
    Instruction,
    /// No element, two roots, or something beside the root.
    NotOneDocument,
    /// The input ends before the root element does.
    Truncated,
    /// A relative namespace URI: such a document has no canonical form (Canonical XML 1.0 section 1.3). Only
    /// [`crate::canonicalise`] refuses a document for it.
    RelativeNamespace,
    /// A limit of [`crate::Limits`], by its field's name.
    Limit(&'static str),
}

impl XmlFault {
    /// A stable word for this rule, for tables and metrics.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Doctype => "doctype",
            Self::Encoding => "encoding",
            Self::NotUtf8 => "not-utf-8",
            Self::Character => "character",
            Self::Reference => "entity-reference",
            Self::Declaration => "xml-declaration",
            Self::Markup => "markup",
            Self::Name => "name",
            Self::Attribute => "attribute",
            Self::DuplicateAttribute => "duplicate-attribute",
            Self::UnboundPrefix => "unbound-prefix",
            Self::NamespaceDeclaration => "namespace-declaration",
            Self::EndTag => "end-tag",
            Self::CdataEnd => "cdata-end",
            Self::Comment => "comment",
            Self::Instruction => "processing-instruction",
            Self::NotOneDocument => "not-one-document",
            Self::Truncated => "truncated",
            Self::RelativeNamespace => "relative-namespace",
            Self::Limit(_) => "limit",
        }
    }
}

impl fmt::Display for XmlFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Doctype => "a DOCTYPE is not allowed",
            Self::Encoding => "the document must be in UTF-8",
            Self::NotUtf8 => "bytes that are not UTF-8",
            Self::Character => "a character that XML 1.0 does not allow",
            Self::Reference => "only character references and the five predefined entities are allowed",
            Self::Declaration => "a wrong or misplaced XML declaration",
            Self::Markup => "malformed markup",
            Self::Name => "a name that is not a qualified name",
            Self::Attribute => "a malformed attribute",
            Self::DuplicateAttribute => "two attributes with one name",
            Self::UnboundPrefix => "a prefix without declaration",
            Self::NamespaceDeclaration => "a forbidden namespace declaration",
            Self::EndTag => "an end tag that does not match",
            Self::CdataEnd => "']]>' in text",
            Self::Comment => "'--' in a comment",
            Self::Instruction => "a forbidden processing instruction",
            Self::NotOneDocument => "not exactly one root element",
            Self::Truncated => "the document is cut off",
            Self::RelativeNamespace => "a relative namespace URI",
            Self::Limit(name) => return write!(f, "the limit {name} is exceeded"),
        })
    }
}

/// An observer wants no more; carries its reason back to the caller of the reading.
#[derive(Debug)]
pub struct Stop(pub Box<dyn std::error::Error + Send + Sync>);

/// Why a reading ended early.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The document breaks a rule.
    #[error(transparent)]
    Xml(#[from] XmlError),
    /// The input could not be read.
    #[error("reading the document: {0}")]
    Io(#[from] std::io::Error),
    /// The observer stopped it.
    #[error("{}", .0.0)]
    Stopped(Stop),
}

impl From<Stop> for ReadError {
    fn from(stop: Stop) -> Self {
        Self::Stopped(stop)
    }
}
