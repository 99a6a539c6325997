//! Where the tags and elements of a document stand, found without any rule of well-formedness: enough to edit documents,
//! good ones and broken ones.

use std::ops::Range;

/// An element, as far as tags nest.
#[derive(Clone, Debug)]
pub struct Element {
    /// From its `<` to one past its last `>`.
    pub span: Range<usize>,
    /// Its start tag.
    pub start: Range<usize>,
    /// Its end tag; empty for an empty-element tag.
    pub end: Range<usize>,
}

impl Element {
    /// Where what it holds stands.
    pub fn content(&self) -> Range<usize> {
        self.start.end..self.end.start
    }
}

/// What is found in a document.
#[derive(Clone, Debug, Default)]
pub struct Markup {
    /// In the order of their end tags.
    pub elements: Vec<Element>,
    /// Where a piece of markup begins or ends, and the two ends of the document.
    pub boundaries: Vec<usize>,
}

impl Markup {
    /// Looks through a document.
    pub fn of(document: &[u8]) -> Self {
        let mut found = Self { boundaries: vec![0], ..Self::default() };
        let mut open: Vec<Range<usize>> = Vec::new();
        let mut at = 0;
        while let Some(from) = find(document, at, b"<") {
            let rest = &document[from..];
            let (close, is_tag): (&[u8], bool) = match rest {
                _ if rest.starts_with(b"<!--") => (b"-->", false),
                _ if rest.starts_with(b"<![CDATA[") => (b"]]>", false),
                _ if rest.starts_with(b"<?") => (b"?>", false),
                _ => (b">", true),
            };
            let to = if is_tag {
                tag_end(document, from)
            } else {
                find(document, from, close).map(|at| at + close.len())
            };
            let Some(to) = to else { break };
            found.boundaries.extend([from, to]);
            if is_tag {
                if rest.starts_with(b"</") {
                    if let Some(start) = open.pop() {
                        found.elements.push(Element { span: start.start..to, start, end: from..to });
                    }
                } else if document[..to].ends_with(b"/>") {
                    found.elements.push(Element { span: from..to, start: from..to, end: to..to });
                } else {
                    open.push(from..to);
                }
            }
            at = to;
        }
        found.boundaries.push(document.len());
        found.boundaries.dedup();
        found
    }
}

/// One past the `>` of a tag: the first outside quotes.
fn tag_end(document: &[u8], from: usize) -> Option<usize> {
    let mut quote = None;
    for (at, &byte) in document.iter().enumerate().skip(from) {
        match (quote, byte) {
            (None, b'>') => return Some(at + 1),
            (None, b'"' | b'\'') => quote = Some(byte),
            (Some(open), byte) if open == byte => quote = None,
            _ => {}
        }
    }
    None
}

fn find(document: &[u8], from: usize, wanted: &[u8]) -> Option<usize> {
    document[from..].windows(wanted.len()).position(|window| window == wanted).map(|at| from + at)
}
