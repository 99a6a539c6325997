//! One element that was read, and how the assembly asks it. Begin with [`Node::child`].

use super::attachment::Decoded;
use super::fields::{Element, Occurs};

/// An element that was read, with what was read in it.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) element: &'static Element,
    /// Trimmed, once the element has ended.
    pub(super) text: String,
    /// Blanks stood around the text.
    pub(super) blanks: bool,
    pub(super) attributes: Box<[(&'static str, String)]>,
    pub(super) children: Vec<Node>,
    pub(super) decoded: Option<Box<Decoded>>,
    /// Its number among its like in the parent.
    pub(super) position: u32,
    /// One bit a child element that may stand only once.
    pub(super) seen: u64,
    /// It may stand once, and is not the first.
    pub(super) repeats: bool,
}

impl Node {
    pub(super) fn new(element: &'static Element, position: u32) -> Self {
        Self {
            element,
            text: String::new(),
            blanks: false,
            attributes: Box::default(),
            children: Vec::new(),
            decoded: None,
            position,
            seen: 0,
            repeats: false,
        }
    }

    /// The element has ended: takes the blanks from around the text, and gives back the room that is not needed. There
    /// may be thousands of elements.
    pub(super) fn close(&mut self) {
        self.children.shrink_to_fit();
        let trimmed = self.text.trim();
        if trimmed.len() < self.text.len() {
            self.blanks = !trimmed.is_empty();
            self.text = trimmed.to_owned();
        }
    }

    /// The child of this name.
    pub(super) fn child(&self, name: &str) -> Option<&Self> {
        self.children.iter().find(|c| c.element.name == name)
    }

    /// All children of this name, less those that hold nothing: many producers write empty elements for absent ones.
    pub(super) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Self> {
        self.children.iter().filter(move |c| c.element.name == name && !c.is_blank())
    }

    /// The text at a path below; empty when there is none.
    pub(super) fn text(&self, path: &[&str]) -> &str {
        let end = path.iter().try_fold(self, |node, name| node.child(name));
        end.map_or("", |node| node.text.as_str())
    }

    /// The value of an attribute, trimmed; empty when there is none.
    pub(super) fn attribute(&self, name: &str) -> &str {
        self.attributes.iter().find(|(n, _)| *n == name).map_or("", |(_, value)| value.as_str())
    }

    /// What was decoded in this child.
    pub(super) fn decoded(&self, name: &str) -> Option<&Decoded> {
        self.child(name)?.decoded.as_deref()
    }

    /// No text and no data in it or below.
    pub(super) fn is_blank(&self) -> bool {
        let data = self.decoded.as_ref().is_some_and(|d| !d.is_empty());
        self.text.is_empty() && !data && self.children.iter().all(Self::is_blank)
    }

    /// Whatever is not blank in it has one of these names.
    pub(super) fn only_has(&self, names: &[&str]) -> bool {
        self.children.iter().all(|c| c.is_blank() || names.contains(&c.element.name))
    }

    /// This step of a path: the name, and for what may repeat its number. Root and envelope are left out of paths.
    pub(super) fn step(&self) -> Option<String> {
        match (self.element.name, self.element.occurs) {
            ("edXML" | "edXMLEnvelope", _) => None,
            (name, Occurs::Once) => Some(name.to_owned()),
            (name, _) => Some(format!("{name}[{}]", self.position)),
        }
    }
}
