//! The canonical forms once more, on a tree and by the letter of the recommendations, sharing nothing with the crate:
//! Canonical XML 1.0 section 2, Exclusive XML Canonicalization 1.0 section 3.

use std::collections::BTreeMap;

use roxmltree::{Document, Node, NodeType};
use xml_sig::{Form, Method};

use crate::other_reader::line_ends;

/// Bindings by prefix; `""` is the default namespace, and an empty URI is none.
type Bindings = BTreeMap<String, String>;

/// The canonical form of a whole document; `None` when the other reader is no judge of it.
pub(crate) fn canonical(text: &str, form: &Form) -> Option<String> {
    let text = line_ends(text);
    let document = Document::parse(&text).ok()?;
    let mut octets = String::new();
    let mut after_root = false;
    for node in document.root().children() {
        let mut piece = String::new();
        render(node, &Bindings::new(), form, &mut piece);
        match node.node_type() {
            NodeType::Element => {
                after_root = true;
                octets += &piece;
            }
            _ if piece.is_empty() => {}
            _ if after_root => octets += &format!("\n{piece}"),
            _ => octets += &format!("{piece}\n"),
        }
    }
    Some(octets)
}

fn render(node: Node<'_, '_>, rendered: &Bindings, form: &Form, octets: &mut String) {
    match node.node_type() {
        NodeType::Element => element(node, rendered, form, octets),
        NodeType::Text => *octets += &escaped(node.text().unwrap_or_default(), false),
        NodeType::Comment if form.comments => {
            *octets += &format!("<!--{}-->", node.text().unwrap_or_default());
        }
        NodeType::PI => {
            // An XML declaration with another white space than a space is an instruction to the other reader.
            let Some(instruction) = node.pi().filter(|pi| pi.target != "xml") else { return };
            let data = instruction.value.unwrap_or_default();
            let space = if data.is_empty() { "" } else { " " };
            *octets += &format!("<?{}{space}{data}?>", instruction.target);
        }
        _ => {}
    }
}

fn element(node: Node<'_, '_>, rendered: &Bindings, form: &Form, octets: &mut String) {
    let text = node.document().input_text();
    let written = &text[node.range().start + 1..];
    let qname = &written[..written.find([' ', '\t', '\r', '\n', '/', '>']).unwrap_or_default()];
    let qnames: Vec<&str> = node.attributes().map(|attribute| &text[attribute.range_qname()]).collect();

    let mut in_scope: Bindings = [(String::new(), String::new())].into();
    for namespace in node.namespaces().filter(|namespace| namespace.name() != Some("xml")) {
        in_scope.insert(namespace.name().unwrap_or_default().to_owned(), namespace.uri().to_owned());
    }
    let is_used = |prefix: &str| {
        let listed = form.prefixes.iter().any(|p| p == prefix || (p == "#default" && prefix.is_empty()));
        let of = |qname: &str| qname.split_once(':').map_or("", |(prefix, _)| prefix) == prefix;
        let attribute = qnames.iter().any(|qname| !prefix.is_empty() && of(qname));
        form.method != Method::Exclusive || listed || of(qname) || attribute
    };
    let mut rendered = rendered.clone();
    *octets += &format!("<{qname}");
    for (prefix, uri) in in_scope {
        if is_used(&prefix) && rendered.get(&prefix).map_or("", String::as_str) != uri {
            let colon = if prefix.is_empty() { "" } else { ":" };
            *octets += &format!(" xmlns{colon}{prefix}=\"{}\"", escaped(&uri, true));
            rendered.insert(prefix, uri);
        }
    }
    let mut attributes: Vec<_> = node.attributes().zip(qnames).collect();
    attributes.sort_by_key(|(attribute, _)| (attribute.namespace().unwrap_or_default(), attribute.name()));
    for (attribute, qname) in attributes {
        *octets += &format!(" {qname}=\"{}\"", escaped(attribute.value(), true));
    }
    *octets += ">";
    node.children().for_each(|child| render(child, &rendered, form, octets));
    *octets += &format!("</{qname}>");
}

/// Section 2.3: what is written for characters, which is not the same in values and in text.
fn escaped(text: &str, value: bool) -> String {
    text.chars().fold(String::new(), |mut written, c| {
        match c {
            '&' => written += "&amp;",
            '<' => written += "&lt;",
            '>' if !value => written += "&gt;",
            '"' if value => written += "&quot;",
            '\t' if value => written += "&#x9;",
            '\n' if value => written += "&#xA;",
            '\r' => written += "&#xD;",
            c => written.push(c),
        }
        written
    })
}
