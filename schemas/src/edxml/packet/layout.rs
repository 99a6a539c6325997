//! The elements of a packet, in the order of the reference library: envelope, then attachments. One layout for
//! everything that we write. What is missing is left out or stands empty; whether that may be is `check.rs`.

use super::{
    DocumentPacket, PacketAttachment, PacketBusiness, PacketChanges, PacketOrgan, PacketReference,
    PacketStaff, PacketSubject,
};
use crate::edxml::write::PacketText;

const XLINK: &str = "http://www.w3.org/1999/xlink";

/// The envelope of a document packet. `DocumentId`, manifest and content ids are those given, and no others.
pub(in crate::edxml) fn envelope(packet: &mut PacketText, document: &DocumentPacket) {
    packet.within("edXMLHeader", |header| {
        header.within("MessageHeader", |message| message_header(message, document));
        trace_header_list(header, document);
    });
    if !document.manifest.is_empty() {
        packet.within("edXMLBody", |body| {
            body.within_having("edXMLManifest", &[("version", &document.manifest_version)], |manifest| {
                document.manifest.iter().for_each(|listed| reference(manifest, listed));
            });
        });
    }
}

fn message_header(message: &mut PacketText, document: &DocumentPacket) {
    organ(message, "From", &document.from);
    document.to.iter().for_each(|to| organ(message, "To", to));
    message.leaf_if_any("DocumentId", &document.document_id);
    message.within("Code", |code| {
        code.leaf("CodeNumber", &document.code_number);
        code.leaf("CodeNotation", &document.code_notation);
    });
    message.within("PromulgationInfo", |info| {
        info.leaf_if_any("Place", &document.promulgation_place);
        info.leaf("PromulgationDate", &document.promulgation_date);
    });
    message.within("DocumentType", |kind| {
        kind.leaf("Type", &document.document_type);
        kind.leaf_if_any("TypeDetail", &document.document_type_detail);
        kind.leaf("TypeName", &document.document_type_name);
    });
    message.leaf("Subject", &document.subject);
    message.leaf_if_any("Content", &document.content_summary);
    message.within("SignerInfo", |signer| {
        signer.leaf_if_any("Competence", &document.signer.competence);
        signer.leaf_if_any("Position", &document.signer.position);
        signer.leaf("FullName", &document.signer.full_name);
    });
    message.leaf_if_any("DueDate", &document.due_date);
    other_info(message, document);
    document.response_for.iter().for_each(|subject| response_for(message, subject));
    message.leaf_if_any("SteeringType", &document.steering_type);
    message.within_leaves("ResponseForTask", "TaskCode", &document.task_codes);
    message.leaf_if_any("ApplicationType", &document.application_type);
    message.within_leaves("ToPlaces", "Place", &document.to_places);
}

/// `From` or `To`.
pub(in crate::edxml) fn organ(message: &mut PacketText, name: &'static str, organ: &PacketOrgan) {
    message.within(name, |block| {
        block.leaf("OrganId", &organ.organ_id);
        block.leaf_if_any("OrganizationInCharge", &organ.organization_in_charge);
        block.leaf_if_any("OrganName", &organ.organ_name);
        block.leaf_if_any("OrganAdd", &organ.address);
        block.leaf_if_any("Email", &organ.email);
        block.leaf_if_any("Telephone", &organ.telephone);
        block.leaf_if_any("Fax", &organ.fax);
        block.leaf_if_any("Website", &organ.website);
    });
}

fn other_info(message: &mut PacketText, document: &DocumentPacket) {
    message.within("OtherInfo", |other| {
        other.leaf("Priority", &document.priority.to_string());
        other.leaf_if_any("SphereOfPromulgation", &document.sphere);
        other.leaf_if_any("TyperNotation", &document.typer_notation);
        other.leaf_if_any("PromulgationAmount", &document.promulgation_amount);
        other.leaf_if_any("PageAmount", &document.page_amount);
        other.leaf_if_any("ReplyFors", &document.reply_fors);
        other.leaf_if_any("ReferenceCodes", &document.reference_codes);
        other.leaf_if_any("Direction", &document.direction);
        other.within_leaves("Appendixes", "Appendix", &document.appendixes);
    });
}

/// `ResponseFor`, all its elements there: receivers look a document up by any of them.
pub(in crate::edxml) fn response_for(message: &mut PacketText, subject: &PacketSubject) {
    message.within("ResponseFor", |element| {
        element.leaf("OrganId", &subject.organ_id);
        element.leaf("Code", &subject.code);
        element.leaf("DocumentId", &subject.document_id);
        element.leaf("PromulgationDate", &subject.promulgation_date);
    });
}

fn trace_header_list(header: &mut PacketText, document: &DocumentPacket) {
    let list = &document.trace_list;
    let attributes: [(&str, &str); 4] = [
        ("id", &list.id),
        ("version", &list.version),
        ("mustUnderstand", &list.must_understand),
        ("actor", &list.actor),
    ];
    let said = attributes.iter().any(|(_, value)| !value.is_empty());
    if document.business.is_none() && document.trace.is_empty() && !said {
        return;
    }
    header.within_having("TraceHeaderList", &attributes, |list| {
        if let Some(data) = &document.business {
            business(list, data);
        }
        for hop in &document.trace {
            list.within("TraceHeader", |header| {
                header.leaf_if_any("OrganId", &hop.organ_id);
                header.leaf("Timestamp", &hop.timestamp);
            });
        }
    });
}

fn business(list: &mut PacketText, business: &PacketBusiness) {
    list.within("Bussiness", |element| {
        element.leaf_if_any("DocumentId", &business.document_id);
        element.leaf("BussinessDocType", business.kind.digit());
        element.leaf_if_any("BussinessDocReason", &business.reason);
        if let Some(paper) = business.paper {
            element.leaf("Paper", digit(paper));
        }
        if let Some(changed) = &business.changes {
            changes(element, changed);
        }
        if !business.replaced.is_empty() {
            element.within("ReplacementInfoList", |list| {
                for replaced in &business.replaced {
                    list.within("ReplacementInfo", |info| {
                        info.leaf("DocumentId", &replaced.document_id);
                        info.within("OrganIdList", |organs| organs.leaves("OrganId", &replaced.organ_ids));
                    });
                }
            });
        }
        business.staff.iter().for_each(|person| staff(element, person));
    });
}

fn changes(element: &mut PacketText, changed: &PacketChanges) {
    element.within("BussinessDocumentInfo", |info| {
        info.leaf("DocumentInfo", digit(changed.document));
        info.leaf("DocumentReceiver", digit(changed.receivers));
        if !changed.receiver_changes.is_empty() {
            info.within("ReceiverList", |list| {
                for change in &changed.receiver_changes {
                    list.within("Receiver", |receiver| {
                        receiver.leaf("OrganId", &change.organ_id);
                        receiver.leaf("ReceiverType", &change.receiver_type);
                    });
                }
            });
        }
    });
}

/// `StaffInfo`.
pub(in crate::edxml) fn staff(parent: &mut PacketText, staff: &PacketStaff) {
    parent.within("StaffInfo", |info| {
        info.leaf_if_any("Department", &staff.department);
        info.leaf_if_any("DepartmentId", &staff.department_id);
        info.leaf_if_any("Staff", &staff.name);
        info.leaf_if_any("StaffId", &staff.staff_id);
        info.leaf_if_any("Email", &staff.email);
        info.leaf_if_any("Mobile", &staff.mobile);
    });
}

fn reference(manifest: &mut PacketText, reference: &PacketReference) {
    let linked = [&reference.href, &reference.role, &reference.link_type].iter().any(|text| !text.is_empty());
    let attributes: [(&str, &str); 4] = [
        ("xmlns:xlink", if linked { XLINK } else { "" }),
        ("xlink:href", &reference.href),
        ("xlink:role", &reference.role),
        ("xlink:type", &reference.link_type),
    ];
    manifest.within_having("Reference", &attributes, |element| {
        element.leaf("ContentId", &cid(&reference.content_id));
        element.leaf_if_any("ContentType", &reference.content_type);
        element.leaf_if_any("Description", &reference.description);
        element.leaf_if_any("AttachmentName", &reference.name);
    });
}

/// The elements of an attachment before its bytes, names and texts, in order.
pub(in crate::edxml) fn attachment(attachment: &PacketAttachment) -> [(&'static str, String); 7] {
    let plain = |text: &str| text.trim().to_owned();
    [
        ("ContentId", cid(&attachment.content_id)),
        ("AttachmentName", attachment.name.clone()),
        ("Description", plain(&attachment.description)),
        ("FieldName", plain(&attachment.field_name)),
        ("MimeType", plain(&attachment.mime_type)),
        ("Format", plain(&attachment.format)),
        ("ContentType", attachment.content_type.clone()),
    ]
}

fn digit(said: bool) -> &'static str {
    if said { "1" } else { "0" }
}

fn cid(content_id: &str) -> String {
    format!("cid:{content_id}")
}
