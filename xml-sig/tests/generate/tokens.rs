//! A forgiving reader of markup, for mutations: what it finds in a broken document is of no matter.

use std::ops::Range;

/// A piece of markup or text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Start,
    End,
    Empty,
    /// Comment, CDATA section, instruction or declaration.
    Other,
    Text,
}

/// Where a piece stands.
#[derive(Clone, Debug)]
pub(crate) struct Token {
    pub(crate) kind: Kind,
    pub(crate) range: Range<usize>,
}

/// The pieces of a document, which together are all of it.
pub(crate) fn tokens(document: &[u8]) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut at = 0;
    while at < document.len() {
        let (kind, length) = next(&document[at..]);
        tokens.push(Token { kind, range: at..at + length });
        at += length;
    }
    tokens
}

fn next(rest: &[u8]) -> (Kind, usize) {
    let through = |end: &[u8]| find(rest, end).map_or(rest.len(), |at| at + end.len());
    if rest[0] != b'<' {
        return (Kind::Text, find(rest, b"<").unwrap_or(rest.len()));
    }
    for (begin, end) in [(&b"<!--"[..], &b"-->"[..]), (b"<![CDATA[", b"]]>"), (b"<?", b"?>")] {
        if rest.starts_with(begin) {
            return (Kind::Other, through(end));
        }
    }
    let length = tag_length(rest);
    let kind = match &rest[..length] {
        [b'<', b'/', ..] => Kind::End,
        [.., b'/', b'>'] => Kind::Empty,
        _ => Kind::Start,
    };
    (kind, length)
}

/// Through the first `>` that is not in quotes.
fn tag_length(rest: &[u8]) -> usize {
    let mut quote = None;
    for (at, &byte) in rest.iter().enumerate() {
        match (quote, byte) {
            (None, b'>') => return at + 1,
            (None, b'"' | b'\'') => quote = Some(byte),
            (Some(open), _) if open == byte => quote = None,
            _ => {}
        }
    }
    rest.len()
}

/// Whole elements, from `<` to `>`, in the order of their ends.
pub(crate) fn elements(tokens: &[Token]) -> Vec<Range<usize>> {
    let mut open = Vec::new();
    let mut elements = Vec::new();
    for token in tokens {
        match token.kind {
            Kind::Start => open.push(token.range.start),
            Kind::Empty => elements.push(token.range.clone()),
            Kind::End => elements.extend(open.pop().map(|start| start..token.range.end)),
            Kind::Other | Kind::Text => {}
        }
    }
    elements
}

/// The attributes in a start tag or empty-element tag: where the name and the value in its quotes stand.
pub(crate) fn attributes(document: &[u8], tag: &Range<usize>) -> Vec<(Range<usize>, Range<usize>)> {
    let mut attributes = Vec::new();
    let mut at = tag.start;
    while let Some(open) = document[at..tag.end].iter().position(|byte| matches!(byte, b'"' | b'\'')) {
        let open = at + open;
        let Some(length) = find(&document[open + 1..tag.end], &document[open..=open]) else { break };
        let close = open + 1 + length;
        let before = document[at..open].trim_ascii_end();
        let before = before.strip_suffix(b"=").unwrap_or(before).trim_ascii_end();
        // Before a first attribute stands the element's name.
        let name = before.iter().rposition(u8::is_ascii_whitespace).map_or(0, |space| space + 1);
        attributes.push((at + name..at + before.len(), open..close + 1));
        at = close + 1;
    }
    attributes
}

/// Where a needle first stands.
pub(crate) fn find(hay: &[u8], needle: &[u8]) -> Option<usize> {
    hay.windows(needle.len()).position(|window| window == needle)
}
