//! The parts of a packet beside its message header: trace and business data, manifest.

use std::collections::HashSet;

use super::content::{Business, ReceiverChange, Reference, Replaced, Staff, TraceHeader, TraceList};
use super::date::DateText;
use super::errors::{invalid, missing};
use super::kind::BusinessType;
use super::node::Node;
use crate::organ::OrganId;
use crate::rejections::Rejection;

/// What is not said otherwise.
const NEW_DOCUMENT: Business = Business {
    document_id: None,
    kind: BusinessType::New,
    reason: String::new(),
    paper: false,
    document_changed: false,
    receivers_changed: false,
    receiver_changes: Vec::new(),
    replaced: Vec::new(),
    staff: Vec::new(),
};

pub(super) const BUSSINESS: &str = "edXMLHeader/TraceHeaderList/Bussiness";

/// The attributes of `TraceHeaderList`.
pub(super) fn trace_list(header: &Node) -> TraceList {
    let Some(list) = header.child("TraceHeaderList") else { return TraceList::default() };
    let take = |name: &str| list.attribute(name).to_owned();
    TraceList {
        id: take("id"),
        version: take("version"),
        must_understand: take("mustUnderstand"),
        actor: take("actor"),
    }
}

/// `TraceHeaderList/TraceHeader`, less the empty ones.
pub(super) fn trace(header: &Node) -> Vec<TraceHeader> {
    let Some(list) = header.child("TraceHeaderList") else { return Vec::new() };
    let hop = |node: &Node| TraceHeader {
        organ_text: node.text(&["OrganId"]).to_owned(),
        timestamp: DateText::read(node.text(&["Timestamp"])),
    };
    list.all("TraceHeader").map(hop).collect()
}

/// `Bussiness`: absent, empty or without anything to do means a new document, and so does the word that paper follows,
/// in the list itself. One that names a document, a reason or changes but not its type is refused: a revocation could be
/// taken for a new document.
pub(super) fn business(header: &Node) -> Result<Option<Business>, Rejection> {
    let Some(list) = header.child("TraceHeaderList") else { return Ok(None) };
    let Some(node) = list.all("Bussiness").next() else {
        return Ok((list.text(&["Paper"]) == "1").then_some(Business { paper: true, ..NEW_DOCUMENT }));
    };
    let field = format!("{BUSSINESS}/BussinessDocType");
    let written = node.text(&["BussinessDocType"]);
    let idle = ["Paper", "StaffInfo"];
    let kind = match written {
        "" if node.only_has(&idle) => BusinessType::New,
        "" => return Err(missing(field)),
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
    let new = |info: &Replaced| seen.insert((info.document_id.clone(), info.organ_ids.clone()));
    replacement_infos(business).map(|(_, info)| info).filter(new).collect()
}

/// Every `ReplacementInfo` with its path.
pub(super) fn replacement_infos(business: &Node) -> impl Iterator<Item = (String, Replaced)> {
    let read = |info: &Node| {
        let organs = info.child("OrganIdList");
        let ids = organs.map(|list| list.all("OrganId").map(|n| n.text(&[]).to_owned()).collect());
        Replaced { document_id: info.text(&["DocumentId"]).to_owned(), organ_ids: ids.unwrap_or_default() }
    };
    business.all("ReplacementInfoList").flat_map(move |list| {
        let path = format!("{BUSSINESS}/{}", list.step().unwrap_or_default());
        let infos = list.all("ReplacementInfo");
        infos.map(move |info| (format!("{path}/{}", info.step().unwrap_or_default()), read(info)))
    })
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

/// `edXMLManifest`: its version and its references.
pub(super) fn manifest(envelope: &Node) -> (String, Vec<Reference>) {
    let manifest = envelope.child("edXMLBody").and_then(|body| body.child("edXMLManifest"));
    let reference = |node: &Node| Reference {
        content_id: bare_content_id(node.text(&["ContentId"])),
        content_type: node.text(&["ContentType"]).to_owned(),
        name: node.text(&["AttachmentName"]).to_owned(),
        description: node.text(&["Description"]).to_owned(),
        href: node.attribute("href").to_owned(),
        role: node.attribute("role").to_owned(),
        link_type: node.attribute("type").to_owned(),
    };
    let Some(manifest) = manifest else { return (String::new(), Vec::new()) };
    (manifest.attribute("version").to_owned(), manifest.all("Reference").map(reference).collect())
}

/// A `ContentId` without `cid:`, which stands there never, once, or once more each time the packet was rebuilt.
pub(super) fn bare_content_id(text: &str) -> String {
    let mut text = text.trim();
    while let Some(rest) = text.strip_prefix("cid:") {
        text = rest.trim_start();
    }
    text.to_owned()
}
