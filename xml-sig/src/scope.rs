//! Open elements and the namespace bindings in scope, in one arena that shrinks as elements end.

use std::cell::Cell;
use std::ops::Range;

use crate::error::XmlFault;
use crate::limits::Limits;
use crate::reader::Name;

/// The namespace of `xml:` (Namespaces in XML 1.0, section 3).
pub(crate) const XML_NAMESPACE: &str = "http://www.w3.org/XML/1998/namespace";
/// The namespace of `xmlns:`.
const XMLNS_NAMESPACE: &str = "http://www.w3.org/2000/xmlns/";

/// Where a binding comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// Given by [`crate::ReadOptions::initial_namespaces`].
    Given,
    /// Declared by the document.
    Declared,
}

/// One namespace binding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Binding<'a> {
    /// Empty for the default namespace.
    pub(crate) prefix: &'a str,
    /// Empty where the default namespace is taken back.
    pub(crate) uri: &'a str,
    /// Given or declared.
    pub(crate) origin: Origin,
}

struct Stored {
    prefix: Range<usize>,
    uri: Range<usize>,
    origin: Origin,
}

struct Element {
    qname: Range<usize>,
    prefix_len: usize,
    namespace: Namespace,
    bindings_from: usize,
    text_from: usize,
}

/// A resolved namespace.
#[derive(Clone, Copy)]
enum Namespace {
    None,
    Xml,
    Bound(usize),
}

/// The stack.
pub(crate) struct Scope {
    text: String,
    bindings: Vec<Stored>,
    elements: Vec<Element>,
    depth_max: usize,
    bindings_max: usize,
    uri_max: usize,
    text_max: usize,
    given_used: Cell<bool>,
    /// What no prefix, and the binding that the last prefix, was resolved to; forgotten when bindings come or go.
    default: Cell<Option<Namespace>>,
    recent: Cell<Option<usize>>,
}

impl Scope {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            text: String::new(),
            bindings: Vec::new(),
            elements: Vec::new(),
            depth_max: limits.depth,
            bindings_max: limits.namespaces,
            uri_max: limits.namespace_bytes,
            text_max: limits.markup_bytes,
            given_used: Cell::new(false),
            default: Cell::new(None),
            recent: Cell::new(None),
        }
    }

    /// Open elements.
    pub(crate) fn depth(&self) -> usize {
        self.elements.len()
    }

    /// Whether a prefix was resolved by a given binding.
    pub(crate) fn given_used(&self) -> bool {
        self.given_used.get()
    }

    /// Opens an element by its qualified name, whose prefix has `prefix_len` bytes (`None`: it is no qualified name); its
    /// declarations follow, then [`Scope::resolve_element`].
    pub(crate) fn open(&mut self, qname: &str, prefix_len: Option<usize>) -> Result<(), XmlFault> {
        if self.elements.len() >= self.depth_max {
            return Err(XmlFault::Limit("depth"));
        }
        let text_from = self.text.len();
        let qname_at = self.store(qname)?;
        self.elements.push(Element {
            qname: qname_at,
            prefix_len: prefix_len.ok_or(XmlFault::Name)?,
            namespace: Namespace::None,
            bindings_from: self.bindings.len(),
            text_from,
        });
        Ok(())
    }

    /// Declares a namespace on the element opened last.
    pub(crate) fn declare(&mut self, prefix: &str, uri: &str, origin: Origin) -> Result<(), XmlFault> {
        if uri.len() > self.uri_max {
            return Err(XmlFault::Limit("namespace_bytes"));
        }
        let xml = prefix == "xml";
        if (uri == XML_NAMESPACE) != xml || uri == XMLNS_NAMESPACE || prefix == "xmlns" {
            return Err(XmlFault::NamespaceDeclaration);
        }
        if uri.is_empty() && !prefix.is_empty() {
            return Err(XmlFault::NamespaceDeclaration);
        }
        let from = self.elements.last().map_or(0, |element| element.bindings_from);
        if self.bindings[from..].iter().any(|b| &self.text[b.prefix.clone()] == prefix) {
            return Err(XmlFault::DuplicateAttribute);
        }
        if self.bindings.len() >= self.bindings_max {
            return Err(XmlFault::Limit("namespaces"));
        }
        let prefix = self.store(prefix)?;
        let uri = self.store(uri)?;
        self.bindings.push(Stored { prefix, uri, origin });
        self.forget();
        Ok(())
    }

    /// Resolves the prefix of the element opened last, after its declarations.
    pub(crate) fn resolve_element(&mut self) -> Result<(), XmlFault> {
        let Some(element) = self.elements.last() else { return Ok(()) };
        let prefix = &self.text[element.qname.start..element.qname.start + element.prefix_len];
        if prefix == "xmlns" {
            return Err(XmlFault::Name);
        }
        let namespace = self.resolve(prefix)?;
        if let Some(element) = self.elements.last_mut() {
            element.namespace = namespace;
        }
        Ok(())
    }

    /// The URI that `prefix`, of an attribute, stands for; it must be bound.
    pub(crate) fn used(&self, prefix: &str) -> Result<&str, XmlFault> {
        Ok(self.uri_of(self.resolve(prefix)?))
    }

    /// The name of the element opened last.
    #[inline(always)] // a name that is copied out costs as much again
    pub(crate) fn name(&self) -> Name<'_> {
        match self.elements.last() {
            Some(element) => self.name_of(element),
            None => Name { prefix: "", local: "", namespace: "" },
        }
    }

    /// The names of the open elements, the root first.
    pub(crate) fn names(&self) -> impl Iterator<Item = Name<'_>> {
        self.elements.iter().map(|element| self.name_of(element))
    }

    /// The qualified name, as written, of the element opened last.
    #[inline]
    pub(crate) fn qname(&self) -> &str {
        self.elements.last().map_or("", |element| &self.text[element.qname.clone()])
    }

    /// The bindings that the element opened last declares itself.
    pub(crate) fn declared(&self) -> impl Iterator<Item = Binding<'_>> {
        let from = self.elements.last().map_or(0, |element| element.bindings_from);
        self.bindings[from..].iter().map(|stored| self.binding(stored))
    }

    /// All bindings in force at the element opened last, innermost first, hidden ones left out.
    pub(crate) fn in_force(&self) -> Vec<Binding<'_>> {
        self.visible(self.bindings.len())
    }

    /// What `prefix` stands for in the parent of the element opened last; `None` when it is not bound there.
    pub(crate) fn outer(&self, prefix: &str) -> Option<Binding<'_>> {
        let to = self.elements.last().map_or(0, |element| element.bindings_from);
        let found = self.bindings[..to].iter().rev().find(|b| &self.text[b.prefix.clone()] == prefix)?;
        Some(self.binding(found))
    }

    /// Closes the element opened last.
    pub(crate) fn close(&mut self) {
        if let Some(element) = self.elements.pop() {
            if element.bindings_from < self.bindings.len() {
                self.bindings.truncate(element.bindings_from);
                self.forget();
            }
            self.text.truncate(element.text_from);
        }
    }

    fn visible(&self, to: usize) -> Vec<Binding<'_>> {
        let mut seen: Vec<Binding<'_>> = Vec::new();
        for stored in self.bindings[..to].iter().rev() {
            let binding = self.binding(stored);
            if !seen.iter().any(|other| other.prefix == binding.prefix) {
                seen.push(binding);
            }
        }
        seen
    }

    /// What `prefix` stands for; without prefix there need be no namespace.
    fn resolve(&self, prefix: &str) -> Result<Namespace, XmlFault> {
        if prefix.is_empty() {
            if let Some(namespace) = self.default.get() {
                return Ok(namespace);
            }
            let namespace = self.find("").unwrap_or(Namespace::None);
            self.default.set(Some(namespace));
            return Ok(namespace);
        }
        if prefix == "xml" {
            return Ok(Namespace::Xml);
        }
        if let Some(at) = self.recent.get()
            && &self.text[self.bindings[at].prefix.clone()] == prefix
        {
            return Ok(Namespace::Bound(at));
        }
        self.find(prefix).ok_or(XmlFault::UnboundPrefix)
    }

    fn find(&self, prefix: &str) -> Option<Namespace> {
        let at = self.bindings.iter().rposition(|b| &self.text[b.prefix.clone()] == prefix)?;
        let binding = &self.bindings[at];
        if binding.uri.is_empty() {
            return None;
        }
        if binding.origin == Origin::Given {
            self.given_used.set(true);
        }
        if !prefix.is_empty() {
            self.recent.set(Some(at));
        }
        Some(Namespace::Bound(at))
    }

    fn forget(&mut self) {
        self.default.set(None);
        self.recent.set(None);
    }

    #[inline]
    fn uri_of(&self, namespace: Namespace) -> &str {
        match namespace {
            Namespace::None => "",
            Namespace::Xml => XML_NAMESPACE,
            Namespace::Bound(at) => &self.text[self.bindings[at].uri.clone()],
        }
    }

    #[inline(always)]
    fn name_of(&self, element: &Element) -> Name<'_> {
        let qname = &self.text[element.qname.clone()];
        let namespace = self.uri_of(element.namespace);
        match element.prefix_len {
            0 => Name { prefix: "", local: qname, namespace },
            len => Name { prefix: &qname[..len], local: &qname[len + 1..], namespace },
        }
    }

    fn binding(&self, stored: &Stored) -> Binding<'_> {
        Binding {
            prefix: &self.text[stored.prefix.clone()],
            uri: &self.text[stored.uri.clone()],
            origin: stored.origin,
        }
    }

    fn store(&mut self, text: &str) -> Result<Range<usize>, XmlFault> {
        if self.text.len() + text.len() > self.text_max {
            return Err(XmlFault::Limit("markup_bytes"));
        }
        let from = self.text.len();
        self.text.push_str(text);
        Ok(from..self.text.len())
    }
}

/// Splits a qualified name into prefix and local part; both must be NCNames (Namespaces in XML 1.0, production 7).
pub(crate) fn split(qname: &str) -> Result<(&str, &str), XmlFault> {
    let (prefix, local) = match qname.split_once(':') {
        Some((prefix, local)) => (prefix, local),
        None => ("", qname),
    };
    let prefixed = prefix.len() < qname.len() && local.len() < qname.len();
    if !crate::chars::is_ncname(local) || (prefixed && !crate::chars::is_ncname(prefix)) {
        return Err(XmlFault::Name);
    }
    Ok((prefix, local))
}
