//! What is odd in the values of a packet: codes, ids, dates, numbers, and what does not fit together. None of it hinders.
//! What is missing is in `absent`, how the packet is written in `written`.

use jiff::civil::Date;

use super::absent::note_absent;
use super::assemble::MESSAGE;
use super::assemble_parts::{BUSSINESS, replacement_infos};
use super::content::Content;
use super::date::DateText;
use super::document_id::{note_other_id, note_own_id};
use super::finding::{Finding, Findings};
use super::kind::{BusinessType, StatusCode};
use super::node::Node;
use crate::codes::{Agreement, Level1, agrees};
use crate::organ::{Form, OrganId, follows_a_standard};

/// Notes what is odd in the values of a packet whose fields have been read.
pub(super) fn note_content(content: &mut Content, header: &Node, message: &Node) {
    let mut findings = std::mem::take(&mut content.findings);
    let from = format!("{MESSAGE}/From/OrganId");
    note_organ(&mut findings, &content.from.organ_text, &from);
    note_closed(&mut findings, &content.from.organ_id, from, written_on(content));
    match &content.status {
        Some(status) => note_status(&mut findings, status.code, message),
        None => note_document(&mut findings, content, header, message),
    }
    note_references(&mut findings, message);
    note_trace(&mut findings, header);
    content.findings = findings;
}

/// The day of a document's promulgation or of a status; `None` where it cannot be read.
fn written_on(content: &Content) -> Option<Date> {
    let date = content.status.as_ref().map_or(&content.promulgation_date, |status| &status.timestamp);
    date.parsed.map(|at| at.date())
}

fn note_status(findings: &mut Findings, code: StatusCode, message: &Node) {
    let written = message.text(&["StatusCode"]);
    if written != code.digits() {
        findings.add(Finding::StatusCodeForm, format!("{MESSAGE}/StatusCode"), written);
    }
    let needs_reason = [StatusCode::Refused, StatusCode::RecallAsked, StatusCode::ChangeRefused];
    if needs_reason.contains(&code) && message.text(&["Description"]).is_empty() {
        findings.add(Finding::StatusReasonMissing, format!("{MESSAGE}/Description"), "");
    }
    let timestamp = format!("{MESSAGE}/Timestamp");
    match message.text(&["Timestamp"]) {
        "" => findings.add(Finding::TimestampMissing, timestamp, ""),
        text => note_date(findings, &DateText::read(text), timestamp),
    }
}

fn note_document(findings: &mut Findings, content: &Content, header: &Node, message: &Node) {
    note_receivers(findings, content, message);
    note_own_id(findings, content);
    let promulgated = format!("{MESSAGE}/PromulgationInfo/PromulgationDate");
    note_date(findings, &content.promulgation_date, promulgated);
    let due = format!("{MESSAGE}/DueDate");
    let days = [&content.due_date, &content.promulgation_date].map(|date| date.parsed.map(|at| at.date()));
    if let [Some(due_day), Some(promulgated)] = days
        && due_day < promulgated
    {
        findings.add(Finding::DueDateEarly, due.as_str(), &content.due_date.text);
    }
    note_date(findings, &content.due_date, due);
    note_values(findings, content, message);
    note_business(findings, content, header);
    note_absent(findings, content, header, message);
}

fn note_receivers(findings: &mut Findings, content: &Content, message: &Node) {
    for node in message.all("To") {
        let written = node.text(&["OrganId"]);
        let field = format!("{MESSAGE}/{}/OrganId", node.step().unwrap_or_default());
        note_organ(findings, written, &field);
        let Ok(id) = OrganId::parse(written) else { continue };
        if id == content.from.organ_id {
            findings.add(Finding::SelfAddressed, field.as_str(), written);
        }
        note_closed(findings, &id, field, written_on(content));
    }
}

/// A code that no standard has, or that is not written as its standard wants.
fn note_organ(findings: &mut Findings, written: &str, field: &str) {
    let upper = written.to_ascii_uppercase();
    if upper != written {
        findings.add(Finding::OrganIdCase, field, written);
    }
    let skips = || OrganId::parse(written).is_ok_and(|id| id.skips_a_level());
    if !follows_a_standard(&upper) || skips() {
        findings.add(Finding::OrganIdPattern, field, written);
    }
}

/// A code that was closed before the packet was written: what is older could not know.
fn note_closed(findings: &mut Findings, id: &OrganId, field: String, day: Option<Date>) {
    if let (Some(level1), Some(day)) = (Level1::of(id), day)
        && level1.is_closed_on(day)
    {
        let successors: Vec<&str> = level1.successors().map(|l| l.code).collect();
        let why = format!("{} -> {}", level1.code, successors.join(", "));
        findings.add(Finding::OrganIdClosed, field, why.trim_end_matches(" -> "));
    }
}

fn note_date(findings: &mut Findings, date: &DateText, field: String) {
    if date.is_unreadable() {
        findings.add(Finding::DateUnreadable, field, &date.text);
    } else if !date.is_in_standard_form() {
        findings.add(Finding::DateForm, field, &date.text);
    }
}

fn note_values(findings: &mut Findings, content: &Content, message: &Node) {
    for path in [
        &["DocumentType", "Type"][..],
        &["DocumentType", "TypeDetail"],
        &["OtherInfo", "PromulgationAmount"],
        &["OtherInfo", "PageAmount"],
        &["SteeringType"],
    ] {
        let text = message.text(path);
        if !text.is_empty() && text.parse::<i64>().is_err() {
            findings.add(Finding::NumberUnreadable, format!("{MESSAGE}/{}", path.join("/")), text);
        }
    }
    if content.document_type.parse::<i64>().is_ok() {
        note_listed(findings, &content.document_type, &["1", "2"], || format!("{MESSAGE}/DocumentType/Type"));
    }
    let (kind, detail, name) =
        (&content.document_type, &content.document_type_detail, &content.document_type_name);
    if agrees(kind, detail, name) == Agreement::Differs {
        let why = format!("{kind}, {detail}: {name}").replace(", :", ":");
        findings.add(Finding::DocumentTypeDiffers, format!("{MESSAGE}/DocumentType"), &why);
    }
    let direction = &content.direction;
    if !["", "true", "false"].iter().any(|listed| direction.eq_ignore_ascii_case(listed)) {
        findings.add(Finding::ValueUnknown, format!("{MESSAGE}/OtherInfo/Direction"), direction);
    }
    let version = || "edXMLBody/edXMLManifest/@version".to_owned();
    note_listed(findings, &content.manifest_version, &["1.0"], version);
}

/// A value that is there and is none of these.
fn note_listed(findings: &mut Findings, text: &str, listed: &[&str], field: impl FnOnce() -> String) {
    if !text.is_empty() && !listed.contains(&text) {
        findings.add(Finding::ValueUnknown, field(), text);
    }
}

fn note_business(findings: &mut Findings, content: &Content, header: &Node) {
    let Some(list) = header.child("TraceHeaderList") else { return };
    let yes_or_no = ["0", "1"];
    note_listed(findings, list.text(&["Paper"]), &yes_or_no, || {
        "edXMLHeader/TraceHeaderList/Paper".to_owned()
    });
    let (Some(node), Some(business)) = (list.child("Bussiness"), &content.business) else { return };
    if business.kind != BusinessType::New && business.reason.is_empty() {
        findings.add(Finding::ReasonMissing, format!("{BUSSINESS}/BussinessDocReason"), "");
    }
    note_listed(findings, node.text(&["Paper"]), &yes_or_no, || format!("{BUSSINESS}/Paper"));
    for info in node.all("BussinessDocumentInfo") {
        let path = format!("{BUSSINESS}/{}", info.step().unwrap_or_default());
        for name in ["DocumentInfo", "DocumentReceiver"] {
            note_listed(findings, info.text(&[name]), &yes_or_no, || format!("{path}/{name}"));
        }
        for receiver in info.child("ReceiverList").iter().flat_map(|list| list.all("Receiver")) {
            let path = format!("{path}/ReceiverList/{}", receiver.step().unwrap_or_default());
            match receiver.text(&["OrganId"]) {
                "" if receiver.child("OrganId").is_none() => {
                    findings.add(Finding::FieldAbsent, path.as_str(), "OrganId");
                }
                // That it is empty is another note.
                "" => {}
                organ => note_organ(findings, organ, &format!("{path}/OrganId")),
            }
            if let Ok(id) = OrganId::parse(receiver.text(&["OrganId"])) {
                note_closed(findings, &id, format!("{path}/OrganId"), written_on(content));
            }
            let kind = receiver.text(&["ReceiverType"]);
            note_listed(findings, kind, &yes_or_no, || format!("{path}/ReceiverType"));
        }
    }
    if let Some(id) = &business.document_id {
        let field = format!("{BUSSINESS}/DocumentId");
        note_other_id(findings, id, &field);
        if content.document_id.as_ref().is_some_and(|own| own != id) {
            findings.add(Finding::DocumentIdDiffers, field, id);
        }
    }
    let mut seen = std::collections::HashSet::new();
    for (field, replaced) in replacement_infos(node) {
        note_other_id(findings, &replaced.document_id, &format!("{field}/DocumentId"));
        if !seen.insert((replaced.document_id.clone(), replaced.organ_ids)) {
            findings.add(Finding::ReplacementRepeated, field, &replaced.document_id);
        }
    }
}

fn note_references(findings: &mut Findings, message: &Node) {
    for node in message.all("ResponseFor") {
        let path = format!("{MESSAGE}/{}", node.step().unwrap_or_default());
        let organ = node.text(&["OrganId"]);
        if !organ.is_empty() {
            note_organ(findings, organ, &format!("{path}/OrganId"));
        }
        note_other_id(findings, node.text(&["DocumentId"]), &format!("{path}/DocumentId"));
        let date = DateText::read(node.text(&["PromulgationDate"]));
        note_date(findings, &date, format!("{path}/PromulgationDate"));
    }
}

fn note_trace(findings: &mut Findings, header: &Node) {
    for node in header.child("TraceHeaderList").iter().flat_map(|list| list.all("TraceHeader")) {
        let path = format!("edXMLHeader/TraceHeaderList/{}", node.step().unwrap_or_default());
        let organ = node.text(&["OrganId"]);
        if organ.is_empty() || organ.eq_ignore_ascii_case("null") {
            findings.add(Finding::TraceOrganMissing, format!("{path}/OrganId"), organ);
        } else if !matches!(Form::of(organ), Form::Centre | Form::System) {
            // A hop may be a centre or a system of its own; their codes follow no standard.
            note_organ(findings, organ, &format!("{path}/OrganId"));
        }
        note_date(findings, &DateText::read(node.text(&["Timestamp"])), format!("{path}/Timestamp"));
    }
}
