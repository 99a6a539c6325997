//! From what was read to what can be written: the fields alone, without the bytes of attachments.

use std::collections::HashSet;

use super::check::attachment_id;
use super::{
    DocumentPacket, PacketAttachment, PacketBusiness, PacketChanges, PacketHop, PacketOrgan,
    PacketReceiverChange, PacketReference, PacketReplaced, PacketSigner, PacketStaff, PacketSubject,
    PacketTraceList,
};
use crate::edxml::content::{
    Attachment, Business, Content, Party, Reference, ResponseFor, Staff, TraceHeader,
};
use crate::edxml::date::{DateText, standard_text};

impl DocumentPacket {
    /// The document that `content` describes, to be written anew: signature, unknown elements and findings left behind.
    ///
    /// Dates get the form of ours where they are dates. Attachments are to be written as the files that receivers open
    /// (out of the ZIP of the way), so `application/zip` is forgotten and told anew from their bytes. `None` for a status
    /// packet. Content that real senders wrote may break a rule of ours: [`DocumentPacket::check`] says so.
    pub fn from_content(content: &Content) -> Option<Self> {
        if content.status.is_some() {
            return None;
        }
        let attachments = attachments(content);
        Some(Self {
            from: PacketOrgan::from(&content.from),
            to: content.to.iter().map(PacketOrgan::from).collect(),
            document_id: content.document_id.clone().unwrap_or_default(),
            code_number: content.code_number.clone(),
            code_notation: content.code_notation.clone(),
            promulgation_place: content.promulgation_place.clone(),
            promulgation_date: day(&content.promulgation_date),
            document_type: content.document_type.clone(),
            document_type_detail: content.document_type_detail.clone(),
            document_type_name: content.document_type_name.clone(),
            subject: content.subject.clone(),
            content_summary: content.content_summary.clone(),
            signer: PacketSigner {
                competence: content.signer.competence.clone(),
                position: content.signer.position.clone(),
                full_name: content.signer.full_name.clone(),
            },
            due_date: day(&content.due_date),
            priority: content.priority,
            sphere: content.sphere.clone(),
            typer_notation: content.typer_notation.clone(),
            promulgation_amount: content.promulgation_amount.clone(),
            page_amount: content.page_amount.clone(),
            reply_fors: content.reply_fors.clone(),
            reference_codes: content.reference_codes.clone(),
            direction: content.direction.clone(),
            appendixes: content.appendixes.clone(),
            response_for: content.response_for.iter().map(PacketSubject::from).collect(),
            steering_type: content.steering_type.clone(),
            task_codes: content.task_codes.clone(),
            application_type: content.application_type.clone(),
            to_places: content.to_places.clone(),
            business: content.business.as_ref().map(PacketBusiness::from),
            trace_list: PacketTraceList {
                id: content.trace_list.id.clone(),
                version: content.trace_list.version.clone(),
                must_understand: content.trace_list.must_understand.clone(),
                actor: content.trace_list.actor.clone(),
            },
            trace: content.trace.iter().map(PacketHop::from).collect(),
            manifest_version: content.manifest_version.clone(),
            manifest: manifest(content, &attachments),
            attachments,
        })
    }
}

/// The attachments, each with a `ContentId` of its own: the one that was read, where it is the first to have it.
fn attachments(content: &Content) -> Vec<PacketAttachment> {
    let mut taken = HashSet::new();
    let mut attachments: Vec<_> = content.attachments.iter().map(PacketAttachment::from).collect();
    for attachment in &mut attachments {
        if !attachment.content_id.is_empty() && !taken.insert(attachment.content_id.clone()) {
            attachment.content_id.clear();
        }
    }
    for n in 0..attachments.len() {
        if attachments[n].content_id.is_empty() {
            // One of so many numbers is free.
            let numbers = n..=n + attachments.len();
            let mut ids = numbers.map(|number| attachment_id(&attachments[n], number));
            attachments[n].content_id = ids.find(|id| taken.insert(id.clone())).unwrap_or_default();
        }
    }
    attachments
}

/// The references, each with the `ContentId` of the attachment that it was found to be about.
fn manifest(content: &Content, attachments: &[PacketAttachment]) -> Vec<PacketReference> {
    let mut references: Vec<_> = content.manifest.iter().map(PacketReference::from).collect();
    for (read, attachment) in content.attachments.iter().zip(attachments) {
        if let Some(reference) = read.reference.and_then(|n| references.get_mut(n)) {
            reference.content_id.clone_from(&attachment.content_id);
        }
    }
    references
}

fn day(date: &DateText) -> String {
    date.parsed.map_or_else(|| date.text.clone(), |at| standard_text(at)[..10].to_owned())
}

fn zip_forgotten(content_type: &str) -> String {
    if content_type.eq_ignore_ascii_case("application/zip") { String::new() } else { content_type.to_owned() }
}

impl From<&Party> for PacketOrgan {
    fn from(party: &Party) -> Self {
        Self {
            organ_id: party.organ_text.clone(),
            organization_in_charge: party.organization_in_charge.clone(),
            organ_name: party.organ_name.clone(),
            address: party.address.clone(),
            email: party.email.clone(),
            telephone: party.telephone.clone(),
            fax: party.fax.clone(),
            website: party.website.clone(),
        }
    }
}

impl From<&ResponseFor> for PacketSubject {
    fn from(subject: &ResponseFor) -> Self {
        Self {
            organ_id: subject.organ_text.clone(),
            code: subject.code.clone(),
            document_id: subject.document_id.clone(),
            promulgation_date: day(&subject.promulgation_date),
        }
    }
}

impl From<&Business> for PacketBusiness {
    fn from(business: &Business) -> Self {
        let change = |change: &crate::edxml::content::ReceiverChange| PacketReceiverChange {
            organ_id: change.organ_text.clone(),
            receiver_type: change.receiver_type.clone(),
        };
        let changes = PacketChanges {
            document: business.document_changed,
            receivers: business.receivers_changed,
            receiver_changes: business.receiver_changes.iter().map(change).collect(),
        };
        let replaced = |replaced: &crate::edxml::content::Replaced| PacketReplaced {
            document_id: replaced.document_id.clone(),
            organ_ids: replaced.organ_ids.clone(),
        };
        Self {
            kind: business.kind,
            document_id: business.document_id.clone().unwrap_or_default(),
            reason: business.reason.clone(),
            paper: Some(business.paper),
            changes: (changes != PacketChanges::default()).then_some(changes),
            replaced: business.replaced.iter().map(replaced).collect(),
            staff: business.staff.iter().map(PacketStaff::from).collect(),
        }
    }
}

impl From<&Staff> for PacketStaff {
    fn from(staff: &Staff) -> Self {
        Self {
            department: staff.department.clone(),
            department_id: staff.department_id.clone(),
            name: staff.name.clone(),
            staff_id: staff.staff_id.clone(),
            email: staff.email.clone(),
            mobile: staff.mobile.clone(),
        }
    }
}

impl From<&TraceHeader> for PacketHop {
    fn from(hop: &TraceHeader) -> Self {
        let timestamp = hop.timestamp.parsed.map_or_else(|| hop.timestamp.text.clone(), standard_text);
        Self { organ_id: hop.organ_text.clone(), timestamp }
    }
}

impl From<&Reference> for PacketReference {
    fn from(reference: &Reference) -> Self {
        Self {
            content_id: reference.content_id.clone(),
            content_type: zip_forgotten(&reference.content_type),
            name: reference.name.clone(),
            description: reference.description.clone(),
            href: reference.href.clone(),
            role: reference.role.clone(),
            link_type: reference.link_type.clone(),
        }
    }
}

impl From<&Attachment> for PacketAttachment {
    fn from(attachment: &Attachment) -> Self {
        Self {
            file: String::new(),
            name: attachment.name.clone(),
            content_type: zip_forgotten(&attachment.content_type),
            description: attachment.description.clone(),
            content_id: attachment.content_id.clone(),
            field_name: attachment.field_name.clone(),
            mime_type: attachment.mime_type.clone(),
            format: attachment.format.clone(),
        }
    }
}
