//! From the elements read to [`Content`]: what must be there is there, and what must be a value is one.
//! Tolerance follows the cardinalities of QCVN 102:2016 as real senders keep them; what is only odd becomes a finding
//! (`notes` and `written`). All that is wrong with a packet's fields is told at once.

use super::assemble_attachments::attachments;
use super::assemble_parts::{business, manifest, staff, trace, trace_list};
use super::content::{Content, Party, ResponseFor, Signer, Status, TraceList, UnknownElement};
use super::date::DateText;
use super::envelope::Envelope;
use super::errors::{Errors, invalid, missing};
use super::finding::Findings;
use super::kind::{BusinessType, PacketKind, StatusCode};
use super::node::Node;
use super::notes::note_content;
use super::reader::ReadMode;
use super::written::note_writing;
use crate::organ::OrganId;
use crate::rejections::{Rejection, RejectionCode};

pub(super) const MESSAGE: &str = "edXMLHeader/MessageHeader";

/// Reads the fields out of a whole packet. `unknown` and `findings`: what was kept aside and noticed on the way.
pub(super) fn assemble(
    root: &Node,
    mode: ReadMode,
    unknown: Vec<UnknownElement>,
    findings: Findings,
) -> Result<Envelope, Rejection> {
    let envelope = root.child("edXMLEnvelope").ok_or_else(|| missing("edXMLEnvelope"))?;
    let header = envelope.child("edXMLHeader").ok_or_else(|| missing("edXMLHeader"))?;
    let message = header.child("MessageHeader").ok_or_else(|| missing(MESSAGE))?;
    let mut content = match kind_of(root, header, message)? {
        Kind::Status => status_content(message)?,
        Kind::Document => document_content(header, message)?,
    };
    (content.unknown, content.findings) = (unknown, findings);
    content.trace_list = trace_list(header);
    content.trace = trace(header);
    (content.manifest_version, content.manifest) = manifest(envelope);
    note_writing(&mut content.findings, root);
    note_content(&mut content, header, message);
    if mode == ReadMode::Full {
        attachments(root, &mut content);
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

/// A field that must be there; empty when it is not, and its error kept.
fn mandatory(message: &Node, path: &[&str], errors: &mut Errors) -> String {
    let text = message.text(path);
    if text.is_empty() {
        errors.add(missing(format!("{MESSAGE}/{}", path.join("/"))));
    }
    text.to_owned()
}

fn document_content(header: &Node, message: &Node) -> Result<Content, Rejection> {
    let mut errors = Errors::default();
    let from = sender(message, &mut errors);
    let to = receivers(message, &mut errors);
    let code_number = mandatory(message, &["Code", "CodeNumber"], &mut errors);
    let code_notation = mandatory(message, &["Code", "CodeNotation"], &mut errors);
    mandatory(message, &["PromulgationInfo", "PromulgationDate"], &mut errors);
    let document_type_name = mandatory(message, &["DocumentType", "TypeName"], &mut errors);
    let subject = mandatory(message, &["Subject"], &mut errors);
    let full_name = mandatory(message, &["SignerInfo", "FullName"], &mut errors);
    let priority = errors.take(priority(message)).unwrap_or_default();
    let business = errors.take(business(header)).flatten();
    let from = accepted(from, errors)?;
    let signer = Signer {
        competence: message.text(&["SignerInfo", "Competence"]).to_owned(),
        position: message.text(&["SignerInfo", "Position"]).to_owned(),
        full_name,
    };
    let kind = PacketKind::Document(business.as_ref().map_or(BusinessType::New, |b| b.kind));
    Ok(Content {
        kind,
        to,
        code_number,
        code_notation,
        document_type_name,
        subject,
        signer,
        priority,
        business,
        ..said_by_both(message, from)
    })
}

fn status_content(message: &Node) -> Result<Content, Rejection> {
    let mut errors = Errors::default();
    let from = sender(message, &mut errors);
    errors.take(check_status_subject(message));
    let code = errors.take(status_code(message));
    let from = accepted(from, errors)?;
    let status = code.map(|code| Status {
        code,
        description: message.text(&["Description"]).to_owned(),
        timestamp: DateText::read(message.text(&["Timestamp"])),
        staff: message.all("StaffInfo").next().map(staff),
    });
    Ok(Content { kind: PacketKind::Status, status, ..said_by_both(message, from) })
}

/// The sender of a packet without errors, or the refusal of one with errors.
fn accepted(from: Option<Party>, errors: Errors) -> Result<Party, Rejection> {
    match (from, errors.into_rejection()) {
        (Some(from), None) => Ok(from),
        (_, Some(rejection)) => Err(rejection),
        (None, None) => Err(missing(format!("{MESSAGE}/From/OrganId"))),
    }
}

fn status_code(message: &Node) -> Result<StatusCode, Rejection> {
    let written = message.text(&["StatusCode"]);
    StatusCode::parse(written).ok_or_else(|| {
        let unknown = Rejection::new(RejectionCode::StatusCodeUnknown);
        unknown.at(format!("{MESSAGE}/StatusCode")).because(written)
    })
}

/// A status packet has no `To`: whom it goes to, and what it speaks of, stands in its one `ResponseFor`.
fn check_status_subject(message: &Node) -> Result<(), Rejection> {
    let field = format!("{MESSAGE}/ResponseFor");
    let unnamed =
        |child: &str| Err(Rejection::new(RejectionCode::StatusSubjectMissing).at(format!("{field}{child}")));
    let subjects: Vec<ResponseFor> = message.all("ResponseFor").map(response_for).collect();
    match subjects.as_slice() {
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

/// What both kinds of packets may say, and nothing of what only one must.
fn said_by_both(message: &Node, from: Party) -> Content {
    let take = |path: &[&str]| message.text(path).to_owned();
    let many = |parent: &str, name: &str, within: &Node| -> Vec<String> {
        within.child(parent).map_or(Vec::new(), |p| p.all(name).map(|n| n.text(&[]).to_owned()).collect())
    };
    let other = message.child("OtherInfo");
    let document_id = take(&["DocumentId"]);
    Content {
        kind: PacketKind::Status,
        from,
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
    }
}

fn sender(message: &Node, errors: &mut Errors) -> Option<Party> {
    let path = format!("{MESSAGE}/From");
    match message.child("From") {
        Some(node) => errors.take(party(node, &path)),
        None => errors.take(Err(missing(format!("{path}/OrganId")))),
    }
}

fn party(node: &Node, path: &str) -> Result<Party, Rejection> {
    let take = |name: &str| node.text(&[name]).to_owned();
    let written = node.text(&["OrganId"]);
    if written.is_empty() {
        return Err(missing(format!("{path}/OrganId")));
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

fn receivers(message: &Node, errors: &mut Errors) -> Vec<Party> {
    let mut seen = std::collections::HashSet::new();
    let mut to = Vec::new();
    let mut none = true;
    for node in message.all("To") {
        none = false;
        let path = format!("{MESSAGE}/{}", node.step().unwrap_or_default());
        let Some(receiver) = errors.take(party(node, &path)) else { continue };
        if seen.insert(receiver.organ_id.clone()) {
            to.push(receiver);
        } else {
            let repeated = Rejection::new(RejectionCode::ReceiverRepeated).at(format!("{path}/OrganId"));
            errors.add(repeated.because(receiver.organ_id.as_str()));
        }
    }
    if none {
        errors.add(Rejection::new(RejectionCode::ReceiverMissing).at(format!("{MESSAGE}/To/OrganId")));
    }
    to
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
