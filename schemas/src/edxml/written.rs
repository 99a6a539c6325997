//! How a packet is written, as far as the elements that were read show it: their order, empty ones, blanks, lengths.
//! What the reader sees on the way (prefixes, unknown elements, Signatures) is in `reader` and `aside`.

use super::fields::Holds;
use super::finding::{Finding, Findings};
use super::node::Node;

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
    if node.blanks {
        findings.add(Finding::BlanksTrimmed, path.join("/"), "");
    }
    if node.text.len() > characters && node.text.chars().count() > characters {
        let why = format!("{} > {characters}", node.text.chars().count());
        findings.add(Finding::FieldLong, path.join("/"), &why);
    }
}

/// Once a parent, at the first child that stands behind one that it should stand before.
fn note_order(findings: &mut Findings, parent: &Node, path: &[String]) {
    let Holds::Elements(order) = parent.element.holds else { return };
    let mut latest: Option<(usize, &Node)> = None;
    for child in parent.children.iter().filter(|child| !child.element.anywhere) {
        let Some(place) = order.iter().position(|e| std::ptr::eq(e, child.element)) else { continue };
        match latest {
            Some((before, node)) if place < before => {
                let steps: Vec<String> = path.iter().cloned().chain(child.step()).collect();
                let why = format!("after {}", node.element.name);
                findings.add(Finding::ElementOrder, steps.join("/"), &why);
                return;
            }
            _ => latest = Some((place, child)),
        }
    }
}
