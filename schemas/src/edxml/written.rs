//! How a packet is written, as far as the elements that were read show it: their order, empty ones, blanks, lengths,
//! and the characters of every text.
//! What the reader sees on the way (prefixes, unknown elements, Signatures) is in `reader` and `aside`.

use super::fields::Holds;
use super::finding::{Finding, Findings};
use super::node::Node;
use crate::text::oddities;

/// Notes what is odd in the writing of a packet.
pub(super) fn note_writing(findings: &mut Findings, root: &Node) {
    visit(findings, root, &mut Vec::new());
}

fn visit(findings: &mut Findings, node: &Node, path: &mut Vec<String>) {
    note_order(findings, node, path);
    for child in &node.children {
        let step = child.step();
        let named = step.is_some();
        path.extend(step);
        if child.is_blank() {
            // What is in an empty element is empty too, and one note is enough.
            if !named {
                visit(findings, child, path);
            } else if child.attributes.is_empty() && !matches!(child.element.holds, Holds::Base64) {
                findings.add(Finding::ElementEmpty, path.join("/"), "");
            }
        } else {
            note_text(findings, child, path);
            visit(findings, child, path);
        }
        if named {
            path.pop();
        }
    }
}

fn note_text(findings: &mut Findings, node: &Node, path: &[String]) {
    let (Holds::Text(characters) | Holds::Prose(characters)) = node.element.holds else { return };
    for (finding, detail) in oddities(&node.text) {
        findings.add(finding, path.join("/"), &detail);
    }
    if node.blanks {
        findings.add(Finding::BlanksTrimmed, path.join("/"), "");
    }
    if node.text.len() > characters && node.text.chars().count() > characters {
        let why = format!("{} > {characters}", node.text.chars().count());
        findings.add(Finding::FieldLong, path.join("/"), &why);
    }
}

/// Once a parent: every name that stands behind one which the reference library writes after it.
fn note_order(findings: &mut Findings, parent: &Node, path: &[String]) {
    let Holds::Elements(order) = parent.element.holds else { return };
    let placed = parent.children.iter().filter(|child| !child.element.anywhere);
    let placed = placed.filter_map(|child| {
        let place = order.iter().position(|e| std::ptr::eq(e, child.element))?;
        Some((place, child.element.name))
    });
    let mut before: Option<(usize, &str)> = None;
    let mut out_of_place: Vec<(&str, &str)> = Vec::new();
    for (place, name) in placed {
        if let Some((_, previous)) = before.filter(|(latest, _)| place < *latest)
            && !out_of_place.iter().any(|(known, _)| *known == name)
        {
            out_of_place.push((name, previous));
        }
        before = Some((place, name));
    }
    if !out_of_place.is_empty() {
        let field = if path.is_empty() { parent.element.name.to_owned() } else { path.join("/") };
        let said: Vec<String> =
            out_of_place.iter().map(|(name, after)| format!("{name} after {after}")).collect();
        findings.add(Finding::ElementOrder, field, &said.join(", "));
    }
}
