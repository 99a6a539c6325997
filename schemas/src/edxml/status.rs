//! Status packets that we write: an answer to a document, in the layout of the reference library.

use jiff::Timestamp;

use super::date::timestamp_text;
use super::kind::StatusCode;
use super::write::PacketText;
use crate::organ::OrganId;

/// A status packet (gói tin trạng thái) to be written. Texts may hold anything: they are escaped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatusPacket {
    /// The answering body.
    pub from: StatusSender,
    /// Whom it informs, and of which document.
    pub response_for: StatusSubject,
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
    /// The packet's bytes. The same values give the same bytes.
    pub fn to_xml(&self) -> Vec<u8> {
        let mut packet = PacketText::new();
        packet.within("edXMLHeader", |header| {
            header.within("MessageHeader", |message| self.write_message(message));
        });
        let mut text = packet.end_envelope();
        text.push_str("</edXML>\r\n");
        text.into_bytes()
    }

    fn write_message(&self, message: &mut PacketText) {
        message.within("From", |from| {
            from.leaf("OrganId", self.from.organ_id.as_str());
            from.leaf_if_any("OrganizationInCharge", &self.from.organization_in_charge);
            from.leaf_if_any("OrganName", &self.from.organ_name);
        });
        message.within("ResponseFor", |subject| {
            subject.leaf("OrganId", self.response_for.organ_id.as_str());
            subject.leaf("Code", &self.response_for.code);
            subject.leaf("DocumentId", &self.response_for.document_id);
            subject.leaf("PromulgationDate", &self.response_for.promulgation_date);
        });
        message.leaf("StatusCode", self.code.digits());
        message.leaf_if_any("Description", &self.description);
        message.leaf("Timestamp", &timestamp_text(self.timestamp));
    }
}
