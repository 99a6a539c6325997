//! Status packets that we write: an answer to a document, in the layout of the reference library.

use jiff::Timestamp;

use super::date::timestamp_text;
use super::kind::StatusCode;
use super::packet::{FlawRule, PacketFlaw, PacketOrgan, PacketStaff, PacketSubject, layout};
use super::write::PacketText;
use crate::organ::OrganId;

/// A status packet (gói tin trạng thái) to be written. Texts may hold anything: they are escaped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatusPacket {
    /// The answering body.
    pub from: StatusSender,
    /// Whom it informs, and of which document.
    pub response_for: StatusSubject,
    /// Who answers in person.
    pub staff: Option<PacketStaff>,
    /// The answer.
    pub code: StatusCode,
    /// Why, for a person; left out when empty.
    pub description: String,
    /// When; written as Vietnam local time, to the second.
    pub timestamp: Timestamp,
}

/// `From` of a status packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatusSender {
    /// `OrganId`.
    pub organ_id: OrganId,
    /// `OrganizationInCharge`; left out when empty.
    pub organization_in_charge: String,
    /// `OrganName`; left out when empty.
    pub organ_name: String,
    /// Where it can be reached.
    pub contact: StatusContact,
}

/// How to reach the answering body; what is empty is left out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StatusContact {
    /// `OrganAdd`.
    pub address: String,
    /// `Email`.
    pub email: String,
    /// `Telephone`.
    pub telephone: String,
    /// `Fax`.
    pub fax: String,
    /// `Website`.
    pub website: String,
}

/// `ResponseFor` of a status packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatusSubject {
    /// The body that is informed; the packet's only address.
    pub organ_id: OrganId,
    /// Number/notation of the document.
    pub code: String,
    /// The document's `DocumentId`, byte for byte.
    pub document_id: String,
    /// Its `PromulgationDate` as written.
    pub promulgation_date: String,
}

impl StatusPacket {
    /// The fields with characters that XML cannot carry, and that [`StatusPacket::to_xml`] leaves out.
    pub fn check(&self) -> Vec<PacketFlaw> {
        let mut packet = PacketText::exact();
        self.write_header(&mut packet);
        let flaw = |(field, unfit)| PacketFlaw { field, rule: FlawRule::Character(unfit) };
        packet.unfit().into_iter().map(flaw).collect()
    }

    /// The packet's bytes. The same values give the same bytes.
    pub fn to_xml(&self) -> Vec<u8> {
        let mut packet = PacketText::new();
        self.write_header(&mut packet);
        let mut text = packet.end_envelope();
        text.push_str("</edXML>\r\n");
        text.into_bytes()
    }

    fn write_header(&self, packet: &mut PacketText) {
        packet.within("edXMLHeader", |header| {
            header.within("MessageHeader", |message| self.write_message(message));
        });
    }

    fn write_message(&self, message: &mut PacketText) {
        layout::organ(message, "From", &self.from.block());
        let subject = PacketSubject {
            organ_id: self.response_for.organ_id.to_string(),
            code: self.response_for.code.clone(),
            document_id: self.response_for.document_id.clone(),
            promulgation_date: self.response_for.promulgation_date.clone(),
        };
        layout::response_for(message, &subject);
        if let Some(staff) = &self.staff {
            layout::staff(message, staff);
        }
        message.leaf("StatusCode", self.code.digits());
        message.leaf_if_any("Description", &self.description);
        message.leaf("Timestamp", &timestamp_text(self.timestamp));
    }
}

impl StatusSender {
    fn block(&self) -> PacketOrgan {
        PacketOrgan {
            organ_id: self.organ_id.to_string(),
            organization_in_charge: self.organization_in_charge.clone(),
            organ_name: self.organ_name.clone(),
            address: self.contact.address.clone(),
            email: self.contact.email.clone(),
            telephone: self.contact.telephone.clone(),
            fax: self.contact.fax.clone(),
            website: self.contact.website.clone(),
        }
    }
}
