//! The parts of a packet beside its message header: trace and business data, manifest.

use std::collections::HashSet;

use super::assemble::invalid;
use super::content::{Business, ReceiverChange, Reference, Replaced, Staff, TraceHeader};
use super::date::DateText;
use super::kind::BusinessType;
use super::reader::Node;
use crate::organ::OrganId;
use crate::rejections::{Rejection, RejectionCode};

const BUSSINESS: &str = "edXMLHeader/TraceHeaderList/Bussiness";

/// `TraceHeaderList/TraceHeader`, less the empty ones.
pub(super) fn trace(header: &Node) -> Vec<TraceHeader> {
    let Some(list) = header.child("TraceHeaderList") else { return Vec::new() };
    let hop = |node: &Node| TraceHeader {
        organ_text: node.text(&["OrganId"]).to_owned(),
        timestamp: DateText::read(node.text(&["Timestamp"])),
    };
    list.all("TraceHeader").map(hop).collect()
}

/// `Bussiness`: absent, empty or without anything to do means a new document. One that names a document, a reason or
/// changes but not its type is refused: a revocation could be taken for a new document.
pub(super) fn business(header: &Node) -> Result<Option<Business>, Rejection> {
    let Some(list) = header.child("TraceHeaderList") else { return Ok(None) };
    let Some(node) = list.all("Bussiness").next() else { return Ok(None) };
    let field = format!("{BUSSINESS}/BussinessDocType");
    let written = node.text(&["BussinessDocType"]);
    let idle = ["Paper", "StaffInfo"];
    let kind = match written {
        "" if node.only_has(&idle) => BusinessType::New,
        "" => return Err(Rejection::new(RejectionCode::FieldMissing).at(field)),
        _ => BusinessType::parse(written).ok_or_else(|| invalid(field, written))?,
    };
    let document_id = node.text(&["DocumentId"]);
    let infos: Vec<&Node> = node.all("BussinessDocumentInfo").collect();
    let says = |name: &str| infos.iter().any(|info| info.text(&[name]) == "1");
    let paper = [node.text(&["Paper"]), list.text(&["Paper"])].contains(&"1");
    Ok(Some(Business {
        document_id: (!document_id.is_empty()).then(|| document_id.to_owned()),
        kind,
        reason: node.text(&["BussinessDocReason"]).to_owned(),
        paper,
        document_changed: says("DocumentInfo"),
        receivers_changed: says("DocumentReceiver"),
        receiver_changes: infos.iter().flat_map(|info| receiver_changes(info)).collect(),
        replaced: replaced(node),
        staff: node.all("StaffInfo").map(staff).collect(),
    }))
}

fn receiver_changes(info: &Node) -> Vec<ReceiverChange> {
    let Some(list) = info.child("ReceiverList") else { return Vec::new() };
    let change = |node: &Node| ReceiverChange {
        organ_id: OrganId::parse(node.text(&["OrganId"])).ok(),
        organ_text: node.text(&["OrganId"]).to_owned(),
        receiver_type: node.text(&["ReceiverType"]).to_owned(),
    };
    list.all("Receiver").map(change).collect()
}

/// The documents replaced, each once: producers write the same one twice.
fn replaced(business: &Node) -> Vec<Replaced> {
    let mut seen = HashSet::new();
    let mut replaced = Vec::new();
    for info in business.all("ReplacementInfoList").flat_map(|list| list.all("ReplacementInfo")) {
        let organs = info.child("OrganIdList");
        let organ_ids: Vec<String> =
            organs.map_or(Vec::new(), |list| list.all("OrganId").map(|n| n.text(&[]).to_owned()).collect());
        let document_id = info.text(&["DocumentId"]).to_owned();
        if seen.insert((document_id.clone(), organ_ids.clone())) {
            replaced.push(Replaced { document_id, organ_ids });
        }
    }
    replaced
}

/// `StaffInfo`.
pub(super) fn staff(node: &Node) -> Staff {
    let take = |name: &str| node.text(&[name]).to_owned();
    Staff {
        department: take("Department"),
        department_id: take("DepartmentId"),
        name: take("Staff"),
        staff_id: take("StaffId"),
        email: take("Email"),
        mobile: take("Mobile"),
    }
}

/// `edXMLManifest/Reference`.
pub(super) fn manifest(envelope: &Node) -> Vec<Reference> {
    let body = envelope.child("edXMLBody").and_then(|body| body.child("edXMLManifest"));
    let reference = |node: &Node| Reference {
        content_id: bare_content_id(node.text(&["ContentId"])),
        content_type: node.text(&["ContentType"]).to_owned(),
        name: node.text(&["AttachmentName"]).to_owned(),
        description: node.text(&["Description"]).to_owned(),
        href: String::new(),
        role: String::new(),
        link_type: String::new(),
    };
    body.map_or(Vec::new(), |manifest| manifest.all("Reference").map(reference).collect())
}

/// A `ContentId` without `cid:`, which stands there never, once, or once more each time the packet was rebuilt.
pub(super) fn bare_content_id(text: &str) -> String {
    let mut text = text.trim();
    while let Some(rest) = text.strip_prefix("cid:") {
        text = rest.trim_start();
    }
    text.to_owned()
}
