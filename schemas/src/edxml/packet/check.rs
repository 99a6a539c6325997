//! What a packet of ours must hold: the fields that QCVN 102:2016 makes mandatory, and values that every receiver known
//! can read. The reader is more tolerant than this on purpose. Advised lengths only make findings, in the reader.

use std::collections::HashSet;

use super::flaw::{FlawRule, PacketFlaw};
use super::{
    DocumentPacket, PacketAttachment, PacketBusiness, PacketOrgan, PacketReference, PacketSubject, layout,
    readable,
};
use crate::edxml::date::DateText;
use crate::edxml::kind::BusinessType;
use crate::edxml::write::{PacketText, is_carried};
use crate::organ::OrganId;

const MESSAGE: &str = "edXMLHeader/MessageHeader";
const BUSSINESS: &str = "edXMLHeader/TraceHeaderList/Bussiness";

impl DocumentPacket {
    /// Everything in the packet that is missing or wrong, less what only the attachments' bytes can tell. Empty when it
    /// may be written.
    pub fn check(&self) -> Vec<PacketFlaw> {
        let mut check = Check::default();
        check.message(self);
        check.trace(self);
        if let Some(business) = &self.business {
            check.business(business);
        }
        check.attachments(self);
        check.characters(self);
        // What has flaws of its own may not be written for them to be found.
        if check.flaws.is_empty() {
            check.flaws.extend(readable::refusal(self));
        }
        check.flaws
    }
}

#[derive(Default)]
struct Check {
    flaws: Vec<PacketFlaw>,
}

impl Check {
    fn flaw(&mut self, field: impl Into<String>, rule: FlawRule) {
        self.flaws.push(PacketFlaw { field: field.into(), rule });
    }

    fn mandatory(&mut self, field: &str, text: &str) -> bool {
        let there = !text.trim().is_empty();
        if !there {
            self.flaw(field, FlawRule::Missing);
        }
        there
    }

    fn holds(&mut self, field: &str, text: &str, rule: FlawRule, test: impl FnOnce(&str) -> bool) {
        if !text.trim().is_empty() && !test(text.trim()) {
            self.flaw(field, rule);
        }
    }

    fn message(&mut self, packet: &DocumentPacket) {
        let at = |child: &str| format!("{MESSAGE}/{child}");
        self.organ(&at("From/OrganId"), &packet.from.organ_id);
        self.receivers(&packet.to);
        for (field, text) in [
            ("Code/CodeNumber", &packet.code_number),
            ("Code/CodeNotation", &packet.code_notation),
            ("PromulgationInfo/PromulgationDate", &packet.promulgation_date),
            ("DocumentType/Type", &packet.document_type),
            ("DocumentType/TypeName", &packet.document_type_name),
            ("Subject", &packet.subject),
            ("SignerInfo/FullName", &packet.signer.full_name),
        ] {
            self.mandatory(&at(field), text);
        }
        for (field, text) in
            [("PromulgationInfo/PromulgationDate", &packet.promulgation_date), ("DueDate", &packet.due_date)]
        {
            self.holds(&at(field), text, FlawRule::Date, is_date);
        }
        for (field, text) in [
            ("DocumentType/Type", &packet.document_type),
            ("DocumentType/TypeDetail", &packet.document_type_detail),
            ("OtherInfo/PromulgationAmount", &packet.promulgation_amount),
            ("OtherInfo/PageAmount", &packet.page_amount),
            ("SteeringType", &packet.steering_type),
        ] {
            self.holds(&at(field), text, FlawRule::WholeNumber, is_whole_number);
        }
        if packet.priority > 4 {
            self.flaw(at("OtherInfo/Priority"), FlawRule::OneOf("0, 1, 2, 3, 4"));
        }
        let direction = |text: &str| ["true", "false"].contains(&text);
        self.holds(&at("OtherInfo/Direction"), &packet.direction, FlawRule::OneOf("true, false"), direction);
        for (n, subject) in packet.response_for.iter().enumerate() {
            self.subject(&format!("{MESSAGE}/ResponseFor[{}]", n + 1), subject);
        }
    }

    fn organ(&mut self, field: &str, organ_id: &str) {
        if self.mandatory(field, organ_id)
            && let Err(fault) = OrganId::parse(organ_id)
        {
            self.flaw(field, FlawRule::OrganId(fault));
        }
    }

    fn receivers(&mut self, to: &[PacketOrgan]) {
        if to.is_empty() {
            self.flaw(format!("{MESSAGE}/To/OrganId"), FlawRule::Missing);
        }
        let mut seen = HashSet::new();
        for (n, receiver) in to.iter().enumerate() {
            let field = format!("{MESSAGE}/To[{}]/OrganId", n + 1);
            self.organ(&field, &receiver.organ_id);
            if OrganId::parse(&receiver.organ_id).is_ok_and(|id| !seen.insert(id)) {
                self.flaw(field, FlawRule::Repeated);
            }
        }
    }

    fn subject(&mut self, field: &str, subject: &PacketSubject) {
        self.organ(&format!("{field}/OrganId"), &subject.organ_id);
        if subject.code.trim().is_empty() {
            self.mandatory(&format!("{field}/DocumentId"), &subject.document_id);
        }
        let date = format!("{field}/PromulgationDate");
        self.holds(&date, &subject.promulgation_date, FlawRule::Date, is_date);
    }

    fn trace(&mut self, packet: &DocumentPacket) {
        for (n, hop) in packet.trace.iter().enumerate() {
            let field = format!("edXMLHeader/TraceHeaderList/TraceHeader[{}]/Timestamp", n + 1);
            self.mandatory(&field, &hop.timestamp);
            self.holds(&field, &hop.timestamp, FlawRule::Timestamp, is_timestamp);
        }
    }

    fn business(&mut self, business: &PacketBusiness) {
        if business.kind != BusinessType::New {
            self.mandatory(&format!("{BUSSINESS}/BussinessDocReason"), &business.reason);
        }
        if business.kind == BusinessType::Replace && business.replaced.is_empty() {
            let field = format!("{BUSSINESS}/ReplacementInfoList/ReplacementInfo/DocumentId");
            self.flaw(field, FlawRule::Missing);
        }
        for (n, replaced) in business.replaced.iter().enumerate() {
            let field = format!("{BUSSINESS}/ReplacementInfoList/ReplacementInfo[{}]", n + 1);
            self.mandatory(&format!("{field}/DocumentId"), &replaced.document_id);
            if replaced.organ_ids.is_empty() {
                self.flaw(format!("{field}/OrganIdList/OrganId"), FlawRule::Missing);
            }
            for (k, organ_id) in replaced.organ_ids.iter().enumerate() {
                self.organ(&format!("{field}/OrganIdList/OrganId[{}]", k + 1), organ_id);
            }
        }
        let changes = business.changes.iter().flat_map(|changes| &changes.receiver_changes);
        for (n, change) in changes.enumerate() {
            let field = format!("{BUSSINESS}/BussinessDocumentInfo/ReceiverList/Receiver[{}]", n + 1);
            self.organ(&format!("{field}/OrganId"), &change.organ_id);
            if !["0", "1"].contains(&change.receiver_type.trim()) {
                self.flaw(format!("{field}/ReceiverType"), FlawRule::OneOf("0, 1"));
            }
        }
        for (n, staff) in business.staff.iter().enumerate() {
            let texts = [
                &staff.department,
                &staff.department_id,
                &staff.name,
                &staff.staff_id,
                &staff.email,
                &staff.mobile,
            ];
            if texts.iter().all(|text| text.trim().is_empty()) {
                self.flaw(format!("{BUSSINESS}/StaffInfo[{}]", n + 1), FlawRule::Missing);
            }
        }
    }

    /// Names, ids that stand once, and a manifest that lists every attachment and nothing else.
    fn attachments(&mut self, packet: &DocumentPacket) {
        let mut ids = HashSet::new();
        for (n, attachment) in packet.attachments.iter().enumerate() {
            let field = format!("AttachmentEncoded/Attachment[{}]", n + 1);
            self.mandatory(&format!("{field}/AttachmentName"), &attachment.name);
            if !ids.insert(attachment_id(attachment, n)) {
                self.flaw(format!("{field}/ContentId"), FlawRule::Repeated);
            }
        }
        // Without references of its own it lists the attachments.
        if !packet.manifest.is_empty() || !packet.attachments.is_empty() {
            self.one_of("edXMLManifest/@version", &packet.manifest_version);
        }
        if packet.manifest.is_empty() {
            return;
        }
        let mut listed = HashSet::new();
        for (n, reference) in packet.manifest.iter().enumerate() {
            let field = format!("edXMLBody/edXMLManifest/Reference[{}]/ContentId", n + 1);
            let id = bare(&reference.content_id).to_owned();
            if !ids.contains(&id) {
                self.flaw(field, FlawRule::Unmatched);
            } else if !listed.insert(id) {
                self.flaw(field, FlawRule::Repeated);
            }
        }
        for (n, attachment) in packet.attachments.iter().enumerate() {
            if !listed.contains(&attachment_id(attachment, n)) {
                let field = format!("AttachmentEncoded/Attachment[{}]/ContentId", n + 1);
                self.flaw(field, FlawRule::Unmatched);
            }
        }
    }

    fn one_of(&mut self, field: &str, version: &str) {
        self.holds(&format!("edXMLBody/{field}"), version, FlawRule::OneOf("1.0"), |text| text == "1.0");
    }

    /// Characters that XML cannot carry, told by writing the envelope once.
    fn characters(&mut self, packet: &DocumentPacket) {
        let mut text = PacketText::exact();
        layout::envelope(&mut text, packet);
        for (field, unfit) in text.unfit() {
            self.flaw(field, FlawRule::Character(unfit));
        }
        for (n, attachment) in packet.attachments.iter().enumerate() {
            for (name, text) in layout::attachment(attachment) {
                if let Some(unfit) = text.chars().find(|c| !is_carried(*c)) {
                    self.flaw(
                        format!("AttachmentEncoded/Attachment[{}]/{name}", n + 1),
                        FlawRule::Character(unfit),
                    );
                }
            }
        }
    }
}

/// The `ContentId` that an attachment gets.
pub(super) fn attachment_id(attachment: &PacketAttachment, n: usize) -> String {
    match bare(&attachment.content_id) {
        "" => format!("attachment-{}", n + 1),
        id => id.to_owned(),
    }
}

/// The reference that an attachment gets where no manifest is given.
pub(super) fn reference_to(attachment: &PacketAttachment) -> PacketReference {
    PacketReference {
        content_id: attachment.content_id.clone(),
        content_type: attachment.content_type.clone(),
        name: attachment.name.clone(),
        description: attachment.description.clone(),
        ..PacketReference::default()
    }
}

/// A `ContentId` without any `cid:`.
pub(super) fn bare(content_id: &str) -> &str {
    let mut id = content_id.trim();
    while let Some(rest) = id.strip_prefix("cid:") {
        id = rest.trim_start();
    }
    id
}

fn is_date(text: &str) -> bool {
    let form = |(n, b): (usize, u8)| if matches!(n, 4 | 7) { b == b'/' } else { b.is_ascii_digit() };
    text.len() == 10 && text.bytes().enumerate().all(form) && DateText::read(text).parsed.is_some()
}

fn is_timestamp(text: &str) -> bool {
    let form = |(n, b): (usize, u8)| if matches!(n, 2 | 5) { b == b':' } else { b.is_ascii_digit() };
    let parts = text.split_once(' ');
    parts.is_some_and(|(date, time)| {
        is_date(date)
            && time.len() == 8
            && time.bytes().enumerate().all(form)
            && DateText::read(text).parsed.is_some()
    })
}

fn is_whole_number(text: &str) -> bool {
    text.len() <= FlawRule::DIGITS_MAX && text.bytes().all(|b| b.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_days_and_times_are_times() {
        for good in ["2024/02/29", "0001/01/01", "9999/12/31"] {
            assert!(is_date(good), "{good}");
        }
        for bad in
            ["2023/02/29", "2014/02/30", "2024/2/29", "29/02/2024", "2024-02-29", "2024/02/29 ", "２024/02/2"]
        {
            assert!(!is_date(bad), "{bad}");
        }
        assert!(is_timestamp("2024/02/29 23:59:59"));
        for bad in [
            "2024/02/29",
            "2024/02/29 24:00:00",
            "2024/02/29 23:59:60",
            "2024/02/29  3:59:59",
            "2023/02/29 00:00:00",
        ] {
            assert!(!is_timestamp(bad), "{bad}");
        }
        assert!(is_whole_number("007") && !is_whole_number("-1") && !is_whole_number("1234567890"));
    }
}
