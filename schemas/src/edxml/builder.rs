//! Document packets for tests and the demo: unsigned, streamed, and free to be wrong: nothing is checked, and
//! [`DocumentBuilder::with_raw`] breaks one thing at a time. Programs that mean it fill in a
//! [`DocumentPacket`], which is laid out by the same lines.

use std::io::{self, Read, Write};

use super::kind::BusinessType;
use super::packet::{
    DocumentPacket, PacketAttachment, PacketBusiness, PacketHop, PacketOrgan, PacketReference,
    PacketReplaced, PacketSigner, PacketSubject, WriteFault, layout, write_attachments,
};
use super::write::PacketText;

/// A document packet to be written. It begins as a plain letter (công văn) that every rule accepts; whatever is set
/// replaces a part of that. Codes are texts, so that wrong ones can be written.
pub struct DocumentBuilder {
    packet: DocumentPacket,
    files: Vec<Option<Box<dyn Read + Send>>>,
    raw: Vec<(String, String)>,
}

impl DocumentBuilder {
    /// A letter from one organisation to others.
    pub fn new<T: AsRef<str>>(from: &str, to: &[T]) -> Self {
        let (number, notation, date) = ("12", "STN-VP", "2026/01/02");
        let text = str::to_owned;
        let packet = DocumentPacket {
            from: organ(from),
            to: to.iter().map(|t| organ(t.as_ref())).collect(),
            document_id: format!("{from},{date},{number}/{notation}"),
            code_number: text(number),
            code_notation: text(notation),
            promulgation_place: text("Thái Nguyên"),
            promulgation_date: text(date),
            document_type_name: text("Công văn"),
            subject: text("V/v thử nghiệm liên thông văn bản"),
            signer: PacketSigner {
                competence: String::new(),
                position: text("Giám đốc"),
                full_name: text("Người ký thử nghiệm"),
            },
            direction: String::new(),
            manifest_version: String::new(),
            ..DocumentPacket::default()
        };
        Self { packet, files: Vec::new(), raw: Vec::new() }
    }

    /// Sets `DocumentId`; an empty one is left out.
    #[must_use]
    pub fn document_id(mut self, id: &str) -> Self {
        id.clone_into(&mut self.packet.document_id);
        self
    }

    /// Sets `Code/CodeNumber` and `Code/CodeNotation`. The `DocumentId` stays.
    #[must_use]
    pub fn code(mut self, number: &str, notation: &str) -> Self {
        number.clone_into(&mut self.packet.code_number);
        notation.clone_into(&mut self.packet.code_notation);
        self
    }

    /// Sets `PromulgationDate`, as text.
    #[must_use]
    pub fn date(mut self, date: &str) -> Self {
        date.clone_into(&mut self.packet.promulgation_date);
        self
    }

    /// Sets `DocumentType/TypeName`.
    #[must_use]
    pub fn type_name(mut self, name: &str) -> Self {
        name.clone_into(&mut self.packet.document_type_name);
        self
    }

    /// Sets `Subject`, and `Content` with it.
    #[must_use]
    pub fn subject(mut self, subject: &str) -> Self {
        subject.clone_into(&mut self.packet.subject);
        self
    }

    /// Sets `OtherInfo/Priority`: 0 thường to 4 hỏa tốc hẹn giờ.
    #[must_use]
    pub fn priority(mut self, priority: u8) -> Self {
        self.packet.priority = priority;
        self
    }

    /// Sets `DueDate`, as text.
    #[must_use]
    pub fn due_date(mut self, date: &str) -> Self {
        date.clone_into(&mut self.packet.due_date);
        self
    }

    /// Adds a `ResponseFor`: organisation, number/notation, `DocumentId`, date.
    #[must_use]
    pub fn response_for(mut self, organ: &str, code: &str, document_id: &str, date: &str) -> Self {
        let [organ_id, code, document_id, promulgation_date] =
            [organ, code, document_id, date].map(str::to_owned);
        self.packet.response_for.push(PacketSubject { organ_id, code, document_id, promulgation_date });
        self
    }

    /// Adds a `TraceHeader`.
    #[must_use]
    pub fn trace(mut self, organ: &str, timestamp: &str) -> Self {
        let [organ_id, timestamp] = [organ, timestamp].map(str::to_owned);
        self.packet.trace.push(PacketHop { organ_id, timestamp });
        self
    }

    /// Sets `Bussiness`: type, reason, and the `DocumentId` of the document meant (left out when empty).
    #[must_use]
    pub fn business(mut self, kind: BusinessType, reason: &str, document_id: &str) -> Self {
        let (reason, document_id) = (reason.to_owned(), document_id.to_owned());
        self.packet.business = Some(PacketBusiness { reason, document_id, ..PacketBusiness::new(kind) });
        self
    }

    /// Sets `Bussiness` of type 3 with the documents replaced.
    #[must_use]
    pub fn replaces<T: AsRef<str>>(mut self, reason: &str, documents: &[T]) -> Self {
        self = self.business(BusinessType::Replace, reason, "");
        let organ_ids: Vec<_> = self.packet.to.iter().map(|to| to.organ_id.clone()).collect();
        if let Some(business) = &mut self.packet.business {
            let replaced = |document_id: &T| PacketReplaced {
                document_id: document_id.as_ref().to_owned(),
                organ_ids: organ_ids.clone(),
            };
            business.replaced = documents.iter().map(replaced).collect();
        }
        self
    }

    /// Adds an attachment, read when the packet is written.
    #[must_use]
    pub fn attach(mut self, name: &str, content_type: &str, bytes: impl Read + Send + 'static) -> Self {
        let [name, content_type] = [name, content_type].map(str::to_owned);
        let content_id = format!("attachment-{}", self.files.len() + 1);
        let attachment = PacketAttachment { name, content_type, content_id, ..PacketAttachment::default() };
        let reference = PacketReference {
            content_id: attachment.content_id.clone(),
            content_type: attachment.content_type.clone(),
            name: attachment.name.clone(),
            ..PacketReference::default()
        };
        self.packet.manifest.push(reference);
        self.packet.attachments.push(attachment);
        self.files.push(Some(Box::new(bytes)));
        self
    }

    /// Breaks one thing: in the packet up to the end of its envelope, the first `old` becomes `new`, as bytes stand.
    ///
    /// Writing fails with `InvalidInput` when `old` is not there, so that a test cannot break nothing.
    #[must_use]
    pub fn with_raw(mut self, old: &str, new: &str) -> Self {
        self.raw.push((old.to_owned(), new.to_owned()));
        self
    }

    /// Writes the packet, attachments batch by batch.
    pub fn write_to(self, out: &mut dyn Write) -> io::Result<()> {
        let Self { mut packet, mut files, raw } = self;
        packet.content_summary.clone_from(&packet.subject);
        let mut text = PacketText::new();
        layout::envelope(&mut text, &packet);
        let mut text = text.end_envelope();
        for (old, new) in &raw {
            let Some(at) = text.find(old.as_str()) else {
                let nowhere = format!("the packet does not hold {old:?}");
                return Err(io::Error::new(io::ErrorKind::InvalidInput, nowhere));
            };
            text.replace_range(at..at + old.len(), new);
        }
        out.write_all(text.as_bytes())?;
        let mut open = |n: usize| -> io::Result<Box<dyn Read>> {
            let file = files.get_mut(n).and_then(Option::take);
            Ok(file.ok_or(io::ErrorKind::NotFound)?)
        };
        write_attachments(&packet, &mut open, out).map_err(|fault| match fault {
            WriteFault::Attachment { cause, .. } | WriteFault::Out(cause) => cause,
            flawed @ WriteFault::Flawed(_) => io::Error::new(io::ErrorKind::InvalidInput, flawed),
        })
    }

    /// The packet in memory.
    pub fn to_bytes(self) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        self.write_to(&mut bytes)?;
        Ok(bytes)
    }
}

fn organ(organ_id: &str) -> PacketOrgan {
    PacketOrgan { organ_id: organ_id.to_owned(), ..PacketOrgan::default() }
}
