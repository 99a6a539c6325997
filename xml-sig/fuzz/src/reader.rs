//! The reader: however the input is cut, it sees the same document or the same fault at the same byte; what it accepts
//! is well-formed and within the limits, and reads the same to another reader.

use xml_sig::{Limits, XmlError, XmlFault};

use crate::other_reader;
use crate::pieces::{Cut, cuts, seed};
use crate::record::{Event, OwnedName, Record, record};

/// One in so many inputs is also read far behind white space, so that the reader's own pieces of 64 KiB end in it.
const SHIFTED_ONE_IN: u32 = 32;
const PIECE_BYTES: usize = 64 << 10;

/// Low enough to be reached by inputs of a few hundred bytes.
fn low() -> Limits {
    Limits {
        depth: 4,
        attributes: 3,
        namespaces: 4,
        namespace_bytes: 12,
        // The declaration's `standalone` is a name too.
        name_bytes: 10,
        markup_bytes: 48,
        total_bytes: 400,
        ..Limits::default()
    }
}

/// Checks one input.
pub fn check(document: &[u8]) {
    let (usual, low) = (Limits::default(), low());
    let whole = cut_alike(document, &usual);
    let bounded = cut_alike(document, &low);
    compare_limits(&whole, &bounded);
    if let Ok(record) = &bounded {
        within(document, record, &low);
    }
    if let Ok(record) = &whole {
        within(document, record, &usual);
        well_formed(document, record);
    }
    other_reader::compare(document, &whole);
    if seed(document).is_multiple_of(SHIFTED_ONE_IN) {
        shifted(document, &whole);
    }
}

fn cut_alike(document: &[u8], limits: &Limits) -> Result<Record, XmlError> {
    let whole = record(document, Cut::Whole, limits);
    for cut in cuts(document) {
        assert_eq!(record(document, cut, limits), whole, "cut {cut:?}");
    }
    whole
}

/// Lower limits change nothing but where the reading ends.
fn compare_limits(whole: &Result<Record, XmlError>, bounded: &Result<Record, XmlError>) {
    match bounded {
        Err(XmlError { fault: XmlFault::Limit(_), .. }) => {}
        bounded => assert_eq!(bounded, whole, "lower limits show something else"),
    }
}

fn within(document: &[u8], record: &Record, limits: &Limits) {
    assert!(document.len() as u64 <= limits.total_bytes, "total_bytes");
    let name = |name: &OwnedName| {
        assert!(name.qualified().len() <= limits.name_bytes, "name_bytes");
        assert!(
            name.namespace.len() <= limits.namespace_bytes.max("http://www.w3.org/XML/1998/namespace".len())
        );
    };
    for event in &record.events {
        if let Event::Start { name: element, attributes, depth, offset } = event {
            assert!(*depth <= limits.depth, "depth");
            assert!(attributes.len() <= limits.attributes, "attributes");
            name(element);
            attributes.iter().for_each(|(attribute, _)| name(attribute));
            let tag = &document[*offset as usize..];
            assert!(
                tag.len() <= limits.markup_bytes || tag[..limits.markup_bytes].contains(&b'>'),
                "markup_bytes"
            );
        }
    }
}

fn well_formed(document: &[u8], record: &Record) {
    let mut open: Vec<&OwnedName> = Vec::new();
    let (mut roots, mut last) = (0, None);
    for event in &record.events {
        match event {
            Event::Start { name, attributes, depth, offset } => {
                roots += usize::from(open.is_empty());
                open.push(name);
                assert_eq!(*depth, open.len(), "depth");
                assert!(last < Some(*offset), "tags come in order");
                last = Some(*offset);
                let written = format!("<{}", name.qualified());
                let at = &document[*offset as usize..];
                assert!(at.starts_with(written.as_bytes()), "an offset is not that of its tag");
                named(name, false);
                attributes.iter().for_each(|(name, value)| {
                    named(name, true);
                    characters(value);
                });
                let mut names: Vec<_> = attributes.iter().map(|(n, _)| (&n.namespace, &n.local)).collect();
                names.sort_unstable();
                assert!(names.windows(2).all(|pair| pair[0] != pair[1]), "an attribute comes twice");
            }
            Event::Text(text) => {
                assert!(!open.is_empty(), "text outside the root");
                characters(text);
            }
            Event::End(name) => assert_eq!(open.pop(), Some(name), "an end without its start"),
        }
    }
    assert_eq!((roots, open.len()), (1, 0), "one root that is closed");
}

fn named(name: &OwnedName, attribute: bool) {
    ncname(&name.local);
    if !name.prefix.is_empty() {
        ncname(&name.prefix);
        assert!(!name.namespace.is_empty(), "a prefix without namespace");
    } else if attribute {
        assert!(name.namespace.is_empty(), "the default namespace is none of an attribute");
    }
    let xml = name.namespace == "http://www.w3.org/XML/1998/namespace";
    assert_eq!(name.prefix == "xml", xml, "xml is bound to its namespace alone");
    assert!(name.prefix != "xmlns" && name.namespace != "http://www.w3.org/2000/xmlns/", "xmlns is no name");
}

/// Namespaces in XML 1.0, production 4, over XML 1.0 productions 4 and 4a; written out again, to check the crate's own.
fn ncname(name: &str) {
    let start = |c: char| {
        matches!(c, 'A'..='Z' | '_' | 'a'..='z' | '\u{C0}'..='\u{D6}' | '\u{D8}'..='\u{F6}' | '\u{F8}'..='\u{2FF}'
            | '\u{370}'..='\u{37D}' | '\u{37F}'..='\u{1FFF}' | '\u{200C}'..='\u{200D}' | '\u{2070}'..='\u{218F}'
            | '\u{2C00}'..='\u{2FEF}' | '\u{3001}'..='\u{D7FF}' | '\u{F900}'..='\u{FDCF}' | '\u{FDF0}'..='\u{FFFD}'
            | '\u{10000}'..='\u{EFFFF}')
    };
    let more = |c: char| matches!(c, '-' | '.' | '0'..='9' | '\u{B7}' | '\u{300}'..='\u{36F}' | '\u{203F}'..='\u{2040}');
    let mut chars = name.chars();
    assert!(chars.next().is_some_and(start) && chars.all(|c| start(c) || more(c)), "{name:?} is no NCName");
}

/// XML 1.0 production 2.
fn characters(text: &str) {
    let legal = |c: char| matches!(c, '\t' | '\n' | '\r' | ' '..='\u{D7FF}' | '\u{E000}'..='\u{FFFD}' | '\u{10000}'..);
    assert!(text.chars().all(legal), "a character that XML does not allow");
}

/// White space before a document moves every offset and changes nothing else, wherever pieces end by that.
fn shifted(document: &[u8], whole: &Result<Record, XmlError>) {
    let first = [&b"<?xml"[..], b"\xEF", b"\xFE", b"\xFF", b"\0", b"<\0"];
    if document.is_empty() || first.iter().any(|first| document.starts_with(first)) {
        return;
    }
    let by =
        PIECE_BYTES - seed(document) as usize / SHIFTED_ONE_IN as usize % document.len().min(PIECE_BYTES);
    let moved = [&vec![b' '; by][..], document].concat();
    let shift = |offset: u64| offset + by as u64;
    let expected = match whole {
        Ok(record) => {
            let mut record = record.clone();
            for event in &mut record.events {
                if let Event::Start { offset, .. } = event {
                    *offset = shift(*offset);
                }
            }
            Ok(record)
        }
        Err(error) => Err(XmlError { offset: shift(error.offset), ..*error }),
    };
    for cut in [Cut::Whole, Cut::Every(PIECE_BYTES - 1)] {
        assert_eq!(
            record(&moved, cut, &Limits::default()),
            expected,
            "behind {by} bytes of white space, cut {cut:?}"
        );
    }
}
