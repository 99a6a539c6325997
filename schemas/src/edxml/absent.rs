//! Fields that a correct sender writes and this one did not. The list is that of Bkav's checker (its mandatory elements);
//! the national axis carries packets with far fewer, so each is only a note, one for all that one parent lacks.

use super::assemble::MESSAGE;
use super::assemble_parts::BUSSINESS;
use super::content::Content;
use super::finding::{Finding, Findings};
use super::kind::BusinessType;
use super::node::Node;

const LIST: &str = "edXMLHeader/TraceHeaderList";

const SENDER: &[&str] =
    &["OrganName", "OrganizationInCharge", "OrganAdd", "Email", "Telephone", "Fax", "Website"];
const RECEIVER: &[&str] = &["OrganName", "OrganAdd", "Email", "Telephone", "Fax", "Website"];
const MESSAGE_HEADER: &[&str] = &["Content", "DueDate", "OtherInfo", "ToPlaces"];
const OTHER_INFO: &[&str] =
    &["Priority", "SphereOfPromulgation", "TyperNotation", "PromulgationAmount", "PageAmount", "Appendixes"];

/// Notes what a document packet lacks. An empty element is there; that it is empty is another note.
pub(super) fn note_absent(findings: &mut Findings, content: &Content, header: &Node, message: &Node) {
    note_lacks(findings, message.child("From"), SENDER, || format!("{MESSAGE}/From"));
    note_receivers(findings, message);
    note_lacks(findings, Some(message), MESSAGE_HEADER, || MESSAGE.to_owned());
    for (name, fields) in [
        ("PromulgationInfo", &["Place"][..]),
        ("DocumentType", &["Type"]),
        ("SignerInfo", &["Competence", "Position"]),
        ("OtherInfo", OTHER_INFO),
    ] {
        note_lacks(findings, message.child(name), fields, || format!("{MESSAGE}/{name}"));
    }
    let Some(list) = header.child("TraceHeaderList") else {
        findings.add(Finding::TraceMissing, LIST, "");
        return;
    };
    if list.is_blank() {
        return;
    }
    note_lacks(findings, Some(list), &["TraceHeader"], || LIST.to_owned());
    match list.child("Bussiness") {
        None => findings.add(Finding::BusinessMissing, BUSSINESS, ""),
        Some(business) => {
            let fields: &[&str] = match content.business.as_ref().map(|b| b.kind) {
                Some(BusinessType::Revoke) => &["DocumentId"],
                Some(BusinessType::Update) => &["DocumentId", "BussinessDocumentInfo"],
                Some(BusinessType::Replace) => &["ReplacementInfoList"],
                Some(BusinessType::New) | None => &[],
            };
            note_lacks(findings, Some(business), fields, || BUSSINESS.to_owned());
        }
    }
}

/// Receivers that lack the same as the one before them are not noted again: one list makes them all.
fn note_receivers(findings: &mut Findings, message: &Node) {
    let mut before = None;
    for receiver in message.all("To") {
        let lacks = lacking(receiver, RECEIVER);
        if before.as_ref() != Some(&lacks) {
            let field = || format!("{MESSAGE}/{}", receiver.step().unwrap_or_default());
            note_lacks(findings, Some(receiver), RECEIVER, field);
        }
        before = Some(lacks);
    }
}

fn lacking<'n>(parent: &Node, names: &[&'n str]) -> Vec<&'n str> {
    names.iter().copied().filter(|name| parent.child(name).is_none()).collect()
}

fn note_lacks(
    findings: &mut Findings,
    parent: Option<&Node>,
    names: &[&str],
    field: impl FnOnce() -> String,
) {
    let lacks = parent.map_or(Vec::new(), |parent| lacking(parent, names));
    if !lacks.is_empty() {
        findings.add(Finding::FieldAbsent, field(), &lacks.join(", "));
    }
}
