//! `DocumentId` as the standard composes it: `<OrganId>,<yyyy/MM/dd>,<number>/<notation>`. Real ones are often something
//! else and stay opaque; here is only said in what they differ.

use super::assemble::MESSAGE;
use super::content::Content;
use super::date::DateText;
use super::finding::{Finding, Findings};
use crate::organ::OrganId;
use crate::text::same;

/// The parts of a composed id: organisation, date, number/notation. A code may hold commas, the others do not.
fn parts(id: &str) -> Option<[&str; 3]> {
    let (organ, rest) = id.split_once(',')?;
    let (date, code) = rest.split_once(',')?;
    let parts = [organ, date, code].map(str::trim);
    let composed =
        parts.iter().all(|part| !part.is_empty()) && code.contains('/') && date.contains(['/', '-']);
    composed.then_some(parts)
}

/// Notes the form of the packet's own id, and what it says otherwise than the header.
pub(super) fn note_own_id(findings: &mut Findings, content: &Content) {
    let field = format!("{MESSAGE}/DocumentId");
    let Some(id) = &content.document_id else {
        findings.add(Finding::DocumentIdMissing, field, "");
        return;
    };
    let Some([organ, date, code]) = parts(id) else {
        findings.add(Finding::DocumentIdForm, field, id);
        return;
    };
    note_other_id(findings, id, &field);
    let same_organ = OrganId::parse(organ).is_ok_and(|organ| organ == content.from.organ_id);
    let read = DateText::read(date);
    let same_date = match (read.parsed, content.promulgation_date.parsed) {
        (Some(one), Some(other)) => one.date() == other.date(),
        _ => read.text == content.promulgation_date.text,
    };
    let written = format!("{}/{}", content.code_number, content.code_notation);
    let same_code = same(code, &written);
    let others = [(same_organ, organ), (same_date, date), (same_code, code)];
    let others: Vec<&str> = others.into_iter().filter_map(|(same, part)| (!same).then_some(part)).collect();
    if !others.is_empty() {
        findings.add(Finding::DocumentIdDiffers, field, &others.join(", "));
    }
}

/// Notes an impossible date in an id, this packet's or another's.
pub(super) fn note_other_id(findings: &mut Findings, id: &str, field: &str) {
    if let Some([_, date, _]) = parts(id)
        && DateText::read(date).is_unreadable()
    {
        findings.add(Finding::DateUnreadable, field, date);
    }
}
