//! The same document to another XML reader, which builds a tree: what one accepts the other accepts, and it says the same.

use roxmltree::{Document, Error, Node, NodeType};
use xml_sig::{XmlError, XmlFault};

use crate::record::{Event, Record};

/// An event less what the other reader does not tell.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Simple {
    Start((String, String), Vec<((String, String), String)>),
    Text(String),
    End,
}

/// Compares what we read with what the other one reads.
pub(crate) fn compare(document: &[u8], ours: &Result<Record, XmlError>) {
    let Ok(text) = std::str::from_utf8(document) else {
        assert!(ours.is_err(), "no UTF-8");
        return;
    };
    let text = &line_ends(text);
    match (ours, Document::parse(text)) {
        (Ok(record), Ok(document)) => {
            assert_eq!(simplified(record), walked(&document), "two readers, two documents");
        }
        (Ok(_), Err(error)) if is_laxer(&error) => {}
        (Ok(_), Err(error)) => panic!("the other reader refuses it: {error}"),
        (Err(error), Ok(_)) => assert!(is_stricter(error.fault, text), "only we refuse it: {error}"),
        (Err(_), Err(_)) => {}
    }
}

/// XML 1.0 section 2.11, which the other reader gets wrong beside references and CDATA sections.
pub(crate) fn line_ends(text: &str) -> String {
    text.replace("\r\n", "\n").replace('\r', "\n")
}

/// Rules of the other reader that XML does not have.
pub(crate) fn is_laxer(error: &Error) -> bool {
    // It wants the prefix `xml` declared where an element has it; Namespaces in XML 1.0 section 3 does not.
    matches!(error, Error::UnknownNamespace(prefix, _) if prefix == "xml")
}

/// Rules that the other reader does not have.
fn is_stricter(fault: XmlFault, text: &str) -> bool {
    match fault {
        // Ours alone.
        XmlFault::Limit(_) => true,
        // It takes two declarations of the default namespace in one tag.
        XmlFault::DuplicateAttribute => true,
        // It takes any words in an XML declaration.
        XmlFault::Declaration | XmlFault::Encoding => true,
        // It lets a prefix be undeclared, which is of Namespaces in XML 1.1.
        XmlFault::NamespaceDeclaration => true,
        // It takes anything behind a target, and a target with a colon.
        XmlFault::Instruction => true,
        // It takes any number of leading zeros; we take them in text as far as a reference has 32 bytes.
        XmlFault::Reference => ["&#00000000", "&#x00000000"].iter().any(|zeros| text.contains(zeros)),
        // It takes a reference to a number that is no character's for one to U+FFFD.
        XmlFault::Character => text.contains("&#"),
        // It takes a name that begins with a colon.
        XmlFault::Name | XmlFault::EndTag => {
            ["<:", "/:", " :", "\t:", "\n:"].iter().any(|colon| text.contains(colon))
        }
        _ => false,
    }
}

fn simplified(record: &Record) -> Vec<Simple> {
    let simple = |event: &Event| match event {
        Event::Start { name, attributes, .. } => {
            let pair = |n: &crate::record::OwnedName| (n.namespace.clone(), n.local.clone());
            let mut attributes: Vec<_> =
                attributes.iter().map(|(n, value)| (pair(n), value.clone())).collect();
            attributes.sort();
            Simple::Start(pair(name), attributes)
        }
        Event::Text(text) => Simple::Text(text.clone()),
        Event::End(_) => Simple::End,
    };
    record.events.iter().map(simple).collect()
}

fn walked(document: &Document<'_>) -> Vec<Simple> {
    let mut events = Vec::new();
    walk(document.root_element(), &mut events);
    events
}

/// No deeper than the reader's own limit, which the record has passed.
fn walk(node: Node<'_, '_>, events: &mut Vec<Simple>) {
    match node.node_type() {
        NodeType::Element => {
            let owned = |namespace: Option<&str>, local: &str| {
                (namespace.unwrap_or_default().to_owned(), local.to_owned())
            };
            let attributes = node.attributes();
            let mut attributes: Vec<_> =
                attributes.map(|a| (owned(a.namespace(), a.name()), a.value().to_owned())).collect();
            attributes.sort();
            let name = node.tag_name();
            events.push(Simple::Start(owned(name.namespace(), name.name()), attributes));
            node.children().for_each(|child| walk(child, events));
            events.push(Simple::End);
        }
        NodeType::Text => {
            let text = node.text().unwrap_or_default();
            match events.last_mut() {
                Some(Simple::Text(before)) => before.push_str(text),
                _ if text.is_empty() => {}
                _ => events.push(Simple::Text(text.to_owned())),
            }
        }
        _ => {}
    }
}
