//! From the elements read to [`Content`]: what must be there is there, and what must be a value is one.
//! Tolerance follows the cardinalities of QCVN 102:2016 as real senders keep them; what is only odd becomes a finding.

use super::assemble_attachments::{attachments, references_match};
use super::assemble_parts::{business, manifest, staff, trace};
use super::content::{Content, Party, ResponseFor, Signer, Status, TraceList};
use super::date::DateText;
use super::envelope::Envelope;
use super::finding::{Finding, Findings};
use super::kind::{BusinessType, PacketKind, StatusCode};
use super::reader::{Node, ReadMode};
use crate::organ::{OrganId, follows_a_standard};
use crate::rejections::{Rejection, RejectionCode};

const MESSAGE: &str = "edXMLHeader/MessageHeader";

/// Reads the fields out of a whole packet.
pub(super) fn assemble(root: &Node, mode: ReadMode) -> Result<Envelope, Rejection> {
    let envelope = root.child("edXMLEnvelope").ok_or_else(|| missing("edXMLEnvelope"))?;
    let header = envelope.child("edXMLHeader").ok_or_else(|| missing("edXMLHeader"))?;
    let message = header.child("MessageHeader").ok_or_else(|| missing(MESSAGE))?;
    let mut content = match kind_of(root, header, message)? {
        Kind::Status => status_content(message)?,
        Kind::Document => document_content(header, message)?,
    };
    content.trace = trace(header);
    content.manifest = manifest(envelope);
    note_trace_dates(&mut content);
    note_long_fields(&mut content, root);
    if mode == ReadMode::Full {
        attachments(root, &mut content);
        references_match(&mut content);
    }
    Ok(Envelope { content, whole: mode == ReadMode::Full })
}

enum Kind {
    Document,
    Status,
}

/// By content alone: a `StatusCode` makes a status, a `To` or a `Code` a document. Both, or neither, is refused: two
/// readers could take it for two things. So is a status that carries what only a document has: it would escape the rules
/// for documents.
fn kind_of(root: &Node, header: &Node, message: &Node) -> Result<Kind, Rejection> {
    let has = |node: &Node, name: &str| node.all(name).next().is_some();
    let status = has(message, "StatusCode");
    let document = has(message, "To") || has(message, "Code");
    let business = header.child("TraceHeaderList").is_some_and(|list| has(list, "Bussiness"));
    let carried = ["Subject", "DocumentType"].into_iter().any(|name| has(message, name))
        || root.child("edXMLEnvelope").is_some_and(|envelope| has(envelope, "edXMLBody"))
        || has(root, "AttachmentEncoded");
    match (status, document || business || (status && carried)) {
        (true, false) => Ok(Kind::Status),
        (false, true) => Ok(Kind::Document),
        (true, true) => Err(unclear("a StatusCode beside fields of a document")),
        (false, false) => Err(unclear("neither To, Code nor StatusCode")),
    }
}

fn unclear(why: &str) -> Rejection {
    Rejection::new(RejectionCode::KindUnclear).at(MESSAGE).because(why)
}

fn missing(path: &str) -> Rejection {
    Rejection::new(RejectionCode::FieldMissing).at(path)
}

pub(super) fn invalid(path: impl AsRef<str>, value: impl AsRef<str>) -> Rejection {
    Rejection::new(RejectionCode::FieldInvalid).at(path).because(value)
}

fn mandatory(node: &Node, path: &[&str]) -> Result<String, Rejection> {
    match node.text(path) {
        "" => Err(missing(&format!("{MESSAGE}/{}", path.join("/")))),
        text => Ok(text.to_owned()),
    }
}

fn document_content(header: &Node, message: &Node) -> Result<Content, Rejection> {
    let mut content = blank(message)?;
    content.to = receivers(message)?;
    content.business = business(header)?;
    let kind = content.business.as_ref().map_or(BusinessType::New, |b| b.kind);
    content.kind = PacketKind::Document(kind);
    content.code_number = mandatory(message, &["Code", "CodeNumber"])?;
    content.code_notation = mandatory(message, &["Code", "CodeNotation"])?;
    content.promulgation_date =
        DateText::read(&mandatory(message, &["PromulgationInfo", "PromulgationDate"])?);
    content.document_type_name = mandatory(message, &["DocumentType", "TypeName"])?;
    content.subject = mandatory(message, &["Subject"])?;
    content.signer = Signer {
        competence: message.text(&["SignerInfo", "Competence"]).to_owned(),
        position: message.text(&["SignerInfo", "Position"]).to_owned(),
        full_name: mandatory(message, &["SignerInfo", "FullName"])?,
    };
    content.priority = priority(message)?;
    note_document(&mut content);
    Ok(content)
}

fn status_content(message: &Node) -> Result<Content, Rejection> {
    let mut content = blank(message)?;
    content.kind = PacketKind::Status;
    let code = message.text(&["StatusCode"]);
    let code = StatusCode::parse(code).ok_or_else(|| {
        Rejection::new(RejectionCode::StatusCodeUnknown).at(format!("{MESSAGE}/StatusCode")).because(code)
    })?;
    check_status_subject(&content.response_for)?;
    let timestamp = DateText::read(message.text(&["Timestamp"]));
    if timestamp.text.is_empty() {
        content.note(Finding::TimestampMissing, format!("{MESSAGE}/Timestamp"));
    }
    note_date(&mut content, &timestamp, "Timestamp");
    content.status = Some(Status {
        code,
        description: message.text(&["Description"]).to_owned(),
        timestamp,
        staff: message.all("StaffInfo").next().map(staff),
    });
    Ok(content)
}

/// A status packet has no `To`: whom it goes to, and what it speaks of, stands in its one `ResponseFor`.
fn check_status_subject(response_for: &[ResponseFor]) -> Result<(), Rejection> {
    let field = format!("{MESSAGE}/ResponseFor");
    let unnamed =
        |child: &str| Err(Rejection::new(RejectionCode::StatusSubjectMissing).at(format!("{field}{child}")));
    match response_for {
        [] => unnamed(""),
        [subject] if subject.organ_text.is_empty() => unnamed("/OrganId"),
        [subject] if subject.organ_id.is_none() => {
            Err(invalid(format!("{field}/OrganId"), &subject.organ_text))
        }
        [subject] if subject.document_id.is_empty() && subject.code.is_empty() => unnamed("/DocumentId"),
        [_] => Ok(()),
        _ => Err(Rejection::new(RejectionCode::FieldRepeated).at(field)),
    }
}

/// What both kinds of packets may say, and nothing yet of what only one does.
fn blank(message: &Node) -> Result<Content, Rejection> {
    let take = |path: &[&str]| message.text(path).to_owned();
    let from = message.child("From").ok_or_else(|| missing(&format!("{MESSAGE}/From/OrganId")))?;
    let many = |parent: &str, name: &str, within: &Node| -> Vec<String> {
        within.child(parent).map_or(Vec::new(), |p| p.all(name).map(|n| n.text(&[]).to_owned()).collect())
    };
    let other = message.child("OtherInfo");
    let document_id = take(&["DocumentId"]);
    let mut content = Content {
        kind: PacketKind::Status,
        from: party(from, &format!("{MESSAGE}/From"))?,
        to: Vec::new(),
        document_id: (!document_id.is_empty()).then_some(document_id),
        code_number: take(&["Code", "CodeNumber"]),
        code_notation: take(&["Code", "CodeNotation"]),
        promulgation_place: take(&["PromulgationInfo", "Place"]),
        promulgation_date: DateText::read(message.text(&["PromulgationInfo", "PromulgationDate"])),
        document_type: take(&["DocumentType", "Type"]),
        document_type_detail: take(&["DocumentType", "TypeDetail"]),
        document_type_name: take(&["DocumentType", "TypeName"]),
        subject: take(&["Subject"]),
        content_summary: take(&["Content"]),
        signer: Signer::default(),
        due_date: DateText::read(message.text(&["DueDate"])),
        priority: 0,
        to_places: many("ToPlaces", "Place", message),
        sphere: take(&["OtherInfo", "SphereOfPromulgation"]),
        typer_notation: take(&["OtherInfo", "TyperNotation"]),
        promulgation_amount: take(&["OtherInfo", "PromulgationAmount"]),
        page_amount: take(&["OtherInfo", "PageAmount"]),
        reply_fors: take(&["OtherInfo", "ReplyFors"]),
        reference_codes: take(&["OtherInfo", "ReferenceCodes"]),
        direction: take(&["OtherInfo", "Direction"]),
        appendixes: other.map_or(Vec::new(), |other| many("Appendixes", "Appendix", other)),
        steering_type: take(&["SteeringType"]),
        task_codes: many("ResponseForTask", "TaskCode", message),
        application_type: take(&["ApplicationType"]),
        response_for: message.all("ResponseFor").map(response_for).collect(),
        business: None,
        trace_list: TraceList::default(),
        trace: Vec::new(),
        status: None,
        manifest_version: String::new(),
        manifest: Vec::new(),
        attachments: Vec::new(),
        unknown: Vec::new(),
        findings: Findings::default(),
    };
    if !follows_a_standard(&content.from.organ_text) {
        content.note(Finding::OrganIdPattern, format!("{MESSAGE}/From/OrganId"));
    }
    note_response_for(&mut content);
    Ok(content)
}

fn party(node: &Node, path: &str) -> Result<Party, Rejection> {
    let take = |name: &str| node.text(&[name]).to_owned();
    let written = node.text(&["OrganId"]);
    if written.is_empty() {
        return Err(missing(&format!("{path}/OrganId")));
    }
    let organ_id = OrganId::parse(written)
        .map_err(|fault| invalid(format!("{path}/OrganId"), format!("{written}: {fault}")))?;
    Ok(Party {
        organ_id,
        organ_text: written.to_owned(),
        organ_name: take("OrganName"),
        organization_in_charge: take("OrganizationInCharge"),
        address: take("OrganAdd"),
        email: take("Email"),
        telephone: take("Telephone"),
        fax: take("Fax"),
        website: take("Website"),
    })
}

fn receivers(message: &Node) -> Result<Vec<Party>, Rejection> {
    let mut seen = std::collections::HashSet::new();
    let mut to = Vec::new();
    for node in message.all("To") {
        let path = format!("{MESSAGE}/{}", node.step().unwrap_or_default());
        let receiver = party(node, &path)?;
        if !seen.insert(receiver.organ_id.clone()) {
            let repeated = Rejection::new(RejectionCode::ReceiverRepeated).at(format!("{path}/OrganId"));
            return Err(repeated.because(receiver.organ_id.as_str()));
        }
        to.push(receiver);
    }
    if to.is_empty() {
        return Err(Rejection::new(RejectionCode::ReceiverMissing).at(format!("{MESSAGE}/To/OrganId")));
    }
    Ok(to)
}

fn response_for(node: &Node) -> ResponseFor {
    let take = |name: &str| node.text(&[name]).to_owned();
    ResponseFor {
        organ_id: OrganId::parse(node.text(&["OrganId"])).ok(),
        organ_text: take("OrganId"),
        code: take("Code"),
        document_id: take("DocumentId"),
        promulgation_date: DateText::read(node.text(&["PromulgationDate"])),
    }
}

/// Urgency decides the lane, so a value that is none is refused rather than taken for "thường".
fn priority(message: &Node) -> Result<u8, Rejection> {
    match message.text(&["OtherInfo", "Priority"]) {
        "" => Ok(0),
        text => match text.parse() {
            Ok(priority @ 0..=4) => Ok(priority),
            _ => Err(invalid(format!("{MESSAGE}/OtherInfo/Priority"), text)),
        },
    }
}

fn note_document(content: &mut Content) {
    if content.document_id.is_none() {
        content.note(Finding::DocumentIdMissing, format!("{MESSAGE}/DocumentId"));
    }
    let (promulgated, due) = (content.promulgation_date.clone(), content.due_date.clone());
    note_date(content, &promulgated, "PromulgationInfo/PromulgationDate");
    note_date(content, &due, "DueDate");
    if content.business.as_ref().is_some_and(|b| b.kind != BusinessType::New && b.reason.is_empty()) {
        content.note(Finding::ReasonMissing, "edXMLHeader/TraceHeaderList/Bussiness/BussinessDocReason");
    }
    for n in 0..content.to.len() {
        if !follows_a_standard(&content.to[n].organ_text) {
            content.note(Finding::OrganIdPattern, format!("{MESSAGE}/To[{}]/OrganId", n + 1));
        }
    }
    if let Some(n) = content.to.iter().position(|to| to.organ_id == content.from.organ_id) {
        content.note(Finding::SelfAddressed, format!("{MESSAGE}/To[{}]/OrganId", n + 1));
    }
}

fn note_date(content: &mut Content, date: &DateText, field: &str) {
    if date.is_unreadable() {
        content.note_value(Finding::DateUnreadable, format!("{MESSAGE}/{field}"), &date.text);
    }
}

fn note_response_for(content: &mut Content) {
    for n in 0..content.response_for.len() {
        let date = content.response_for[n].promulgation_date.clone();
        note_date(content, &date, &format!("ResponseFor[{}]/PromulgationDate", n + 1));
    }
}

fn note_trace_dates(content: &mut Content) {
    for n in 0..content.trace.len() {
        if content.trace[n].timestamp.is_unreadable() {
            let field = format!("edXMLHeader/TraceHeaderList/TraceHeader[{}]/Timestamp", n + 1);
            content.note(Finding::DateUnreadable, field);
        }
    }
}

fn note_long_fields(content: &mut Content, root: &Node) {
    root.long_fields(&mut Vec::new(), &mut |field| content.note(Finding::FieldLong, field));
}
