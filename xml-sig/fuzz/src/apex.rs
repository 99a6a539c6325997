//! The canonical form of one element of a document, made another way than the crate makes it: the element becomes a
//! document of its own that declares what was in scope, and that is canonicalised.

use roxmltree::{Document, Node};
use xml_sig::{Form, Method};

use crate::canonicaliser::canonical;
use crate::pieces::Cut;

const XML: &str = "http://www.w3.org/XML/1998/namespace";
/// The namespace of XML Signature.
pub(crate) const DS: &str = "http://www.w3.org/2000/09/xmldsig#";

/// The octets of `element`, less the element `without` if it is inside. `None` when it cannot stand alone.
pub(crate) fn apex(
    text: &str,
    element: Node<'_, '_>,
    without: Option<Node<'_, '_>>,
    form: &Form,
) -> Option<Vec<u8>> {
    let span = element.range();
    let mut alone = text[span.clone()].to_owned();
    if let Some(without) = without.filter(|without| is_inside(*without, element)) {
        let hole = without.range();
        alone.replace_range(hole.start - span.start..hole.end - span.start, "");
    }
    let name_end = 1 + alone[1..].find([' ', '\t', '\r', '\n', '/', '>'])?;
    let written = attribute_names(&alone[name_end..]);
    let mut context = String::new();
    for namespace in element.namespaces() {
        let name = namespace.name().map_or_else(|| "xmlns".to_owned(), |prefix| format!("xmlns:{prefix}"));
        if name != "xmlns:xml" && !namespace.uri().is_empty() && !written.contains(&name.as_str()) {
            context += &format!(" {name}=\"{}\"", escaped(namespace.uri()));
        }
    }
    match form.method {
        Method::Exclusive => {}
        Method::Inclusive => context += &inherited(element, &[]),
        // Canonical XML 1.1 section 2.4 joins `xml:base` instead, which is not done here.
        Method::Inclusive11
            if element.ancestors().skip(1).any(|node| node.attribute((XML, "base")).is_some()) =>
        {
            return None;
        }
        Method::Inclusive11 => context += &inherited(element, &["id"]),
    }
    alone.insert_str(name_end, &context);
    canonical(alone.as_bytes(), Cut::Whole, form).ok()
}

/// The octets of the whole document without the element `without`.
pub(crate) fn whole(text: &str, without: Option<Node<'_, '_>>, form: &Form) -> Option<Vec<u8>> {
    let mut document = text.to_owned();
    if let Some(without) = without {
        document.replace_range(without.range(), "");
    }
    canonical(document.as_bytes(), Cut::Whole, form).ok()
}

/// Whether one element is the other or below it.
pub(crate) fn is_inside(inner: Node<'_, '_>, outer: Node<'_, '_>) -> bool {
    inner.ancestors().any(|ancestor| ancestor == outer)
}

/// The first ds:Signature.
pub(crate) fn signature<'a, 'i>(document: &'a Document<'i>) -> Option<Node<'a, 'i>> {
    document.descendants().find(|node| node.has_tag_name((DS, "Signature")))
}

/// Canonical XML 1.0 section 2.4: the nearest `xml:` attributes of the ancestors, less some.
fn inherited(element: Node<'_, '_>, less: &[&str]) -> String {
    let mut names: Vec<&str> = Vec::new();
    let mut written = String::new();
    for (at, ancestor) in element.ancestors().filter(Node::is_element).enumerate() {
        for attribute in ancestor.attributes().filter(|attribute| attribute.namespace() == Some(XML)) {
            if !names.contains(&attribute.name()) {
                names.push(attribute.name());
                if at > 0 && !less.contains(&attribute.name()) {
                    written += &format!(" xml:{}=\"{}\"", attribute.name(), escaped(attribute.value()));
                }
            }
        }
    }
    written
}

/// The names of the attributes of a start tag, given what stands behind its element's name.
fn attribute_names(mut rest: &str) -> Vec<&str> {
    let mut names = Vec::new();
    loop {
        rest = rest.trim_start();
        let Some(end) = rest.find(|c: char| c == '=' || c == '/' || c == '>' || c.is_ascii_whitespace())
        else {
            return names;
        };
        if end == 0 {
            return names;
        }
        names.push(&rest[..end]);
        let Some(open) = rest.find(['"', '\'']) else { return names };
        let quote = &rest[open..=open];
        let Some(close) = rest[open + 1..].find(quote) else { return names };
        rest = &rest[open + close + 2..];
    }
}

fn escaped(value: &str) -> String {
    value.chars().fold(String::new(), |mut written, c| {
        match c {
            '&' | '<' | '"' | '\t' | '\n' | '\r' => written += &format!("&#{};", u32::from(c)),
            c => written.push(c),
        }
        written
    })
}
