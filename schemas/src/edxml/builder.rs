//! Document packets for tests, the demo and the CLI: unsigned, in the layout of the reference library, and streamed, so
//! that attachments of any size pass. [`DocumentBuilder::with_raw`] breaks one thing at a time.

use std::io::{self, Read, Write};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::NAMESPACE;
use super::kind::BusinessType;
use super::write::{PacketText, escaped};

/// Bytes of an attachment encoded at once; a multiple of three.
const BATCH: usize = 48 * 1024;

/// A document packet to be written. It begins as a plain letter (công văn) that every rule accepts; whatever is set
/// replaces a part of that. Codes are texts, so that wrong ones can be written.
pub struct DocumentBuilder {
    from: String,
    to: Vec<String>,
    document_id: Option<String>,
    number: String,
    notation: String,
    date: String,
    type_name: String,
    subject: String,
    priority: u8,
    due_date: String,
    response_for: Vec<[String; 4]>,
    trace: Vec<[String; 2]>,
    business: Option<BusinessText>,
    attachments: Vec<AttachmentText>,
    raw: Vec<(String, String)>,
}

struct BusinessText {
    kind: BusinessType,
    reason: String,
    document_id: String,
    replaced: Vec<String>,
}

struct AttachmentText {
    name: String,
    content_type: String,
    bytes: Box<dyn Read + Send>,
}

impl DocumentBuilder {
    /// A letter from one organisation to others.
    pub fn new<T: AsRef<str>>(from: &str, to: &[T]) -> Self {
        let (number, notation, date) = ("12", "STN-VP", "2026/01/02");
        Self {
            from: from.to_owned(),
            to: to.iter().map(|t| t.as_ref().to_owned()).collect(),
            document_id: Some(format!("{from},{date},{number}/{notation}")),
            number: number.to_owned(),
            notation: notation.to_owned(),
            date: date.to_owned(),
            type_name: "Công văn".to_owned(),
            subject: "V/v thử nghiệm liên thông văn bản".to_owned(),
            priority: 0,
            due_date: String::new(),
            response_for: Vec::new(),
            trace: Vec::new(),
            business: None,
            attachments: Vec::new(),
            raw: Vec::new(),
        }
    }

    /// Sets `DocumentId`; an empty one is left out.
    #[must_use]
    pub fn document_id(mut self, id: &str) -> Self {
        self.document_id = (!id.is_empty()).then(|| id.to_owned());
        self
    }

    /// Sets `Code/CodeNumber` and `Code/CodeNotation`. The `DocumentId` stays.
    #[must_use]
    pub fn code(mut self, number: &str, notation: &str) -> Self {
        (self.number, self.notation) = (number.to_owned(), notation.to_owned());
        self
    }

    /// Sets `PromulgationDate`, as text.
    #[must_use]
    pub fn date(mut self, date: &str) -> Self {
        date.clone_into(&mut self.date);
        self
    }

    /// Sets `DocumentType/TypeName`.
    #[must_use]
    pub fn type_name(mut self, name: &str) -> Self {
        name.clone_into(&mut self.type_name);
        self
    }

    /// Sets `Subject`.
    #[must_use]
    pub fn subject(mut self, subject: &str) -> Self {
        subject.clone_into(&mut self.subject);
        self
    }

    /// Sets `OtherInfo/Priority`: 0 thường to 4 hỏa tốc hẹn giờ.
    #[must_use]
    pub fn priority(mut self, priority: u8) -> Self {
        self.priority = priority;
        self
    }

    /// Sets `DueDate`, as text.
    #[must_use]
    pub fn due_date(mut self, date: &str) -> Self {
        date.clone_into(&mut self.due_date);
        self
    }

    /// Adds a `ResponseFor`: organisation, number/notation, `DocumentId`, date.
    #[must_use]
    pub fn response_for(mut self, organ: &str, code: &str, document_id: &str, date: &str) -> Self {
        self.response_for.push([organ, code, document_id, date].map(str::to_owned));
        self
    }

    /// Adds a `TraceHeader`.
    #[must_use]
    pub fn trace(mut self, organ: &str, timestamp: &str) -> Self {
        self.trace.push([organ, timestamp].map(str::to_owned));
        self
    }

    /// Sets `Bussiness`: type, reason, and the `DocumentId` of the document meant (left out when empty).
    #[must_use]
    pub fn business(mut self, kind: BusinessType, reason: &str, document_id: &str) -> Self {
        let (reason, document_id) = (reason.to_owned(), document_id.to_owned());
        self.business = Some(BusinessText { kind, reason, document_id, replaced: Vec::new() });
        self
    }

    /// Sets `Bussiness` of type 3 with the documents replaced.
    #[must_use]
    pub fn replaces<T: AsRef<str>>(mut self, reason: &str, documents: &[T]) -> Self {
        self = self.business(BusinessType::Replace, reason, "");
        if let Some(business) = &mut self.business {
            business.replaced = documents.iter().map(|d| d.as_ref().to_owned()).collect();
        }
        self
    }

    /// Adds an attachment, read when the packet is written.
    #[must_use]
    pub fn attach(mut self, name: &str, content_type: &str, bytes: impl Read + Send + 'static) -> Self {
        let (name, content_type) = (name.to_owned(), content_type.to_owned());
        self.attachments.push(AttachmentText { name, content_type, bytes: Box::new(bytes) });
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
        let mut text = self.envelope();
        for (old, new) in &self.raw {
            let Some(at) = text.find(old.as_str()) else {
                let nowhere = format!("the packet does not hold {old:?}");
                return Err(io::Error::new(io::ErrorKind::InvalidInput, nowhere));
            };
            text.replace_range(at..at + old.len(), new);
        }
        out.write_all(text.as_bytes())?;
        if !self.attachments.is_empty() {
            out.write_all(b"  <AttachmentEncoded>\r\n")?;
            for (n, attachment) in self.attachments.into_iter().enumerate() {
                attachment.write_to(n, out)?;
            }
            out.write_all(b"  </AttachmentEncoded>\r\n")?;
        }
        out.write_all(b"</edXML>\r\n")
    }

    /// The packet in memory.
    pub fn to_bytes(self) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        self.write_to(&mut bytes)?;
        Ok(bytes)
    }

    fn envelope(&self) -> String {
        let mut packet = PacketText::new();
        packet.within("edXMLHeader", |header| {
            header.within("MessageHeader", |message| self.write_message(message));
            if self.business.is_some() || !self.trace.is_empty() {
                header.within("TraceHeaderList", |list| self.write_trace(list));
            }
        });
        if !self.attachments.is_empty() {
            packet.within("edXMLBody", |body| {
                body.within("edXMLManifest", |manifest| {
                    for (n, attachment) in self.attachments.iter().enumerate() {
                        manifest.within("Reference", |reference| {
                            reference.leaf("ContentId", &content_id(n));
                            reference.leaf("ContentType", &attachment.content_type);
                            reference.leaf("AttachmentName", &attachment.name);
                        });
                    }
                });
            });
        }
        packet.end_envelope()
    }

    fn write_message(&self, message: &mut PacketText) {
        message.within("From", |from| from.leaf("OrganId", &self.from));
        for organ in &self.to {
            message.within("To", |to| to.leaf("OrganId", organ));
        }
        message.leaf_if_any("DocumentId", self.document_id.as_deref().unwrap_or_default());
        message.within("Code", |code| {
            code.leaf("CodeNumber", &self.number);
            code.leaf("CodeNotation", &self.notation);
        });
        message.within("PromulgationInfo", |info| {
            info.leaf("Place", "Thái Nguyên");
            info.leaf("PromulgationDate", &self.date);
        });
        message.within("DocumentType", |kind| {
            kind.leaf("Type", "2");
            kind.leaf("TypeName", &self.type_name);
        });
        message.leaf("Subject", &self.subject);
        message.leaf("Content", &self.subject);
        message.within("SignerInfo", |signer| {
            signer.leaf("Position", "Giám đốc");
            signer.leaf("FullName", "Người ký thử nghiệm");
        });
        message.leaf_if_any("DueDate", &self.due_date);
        message.within("OtherInfo", |other| other.leaf("Priority", &self.priority.to_string()));
        for [organ, code, document_id, date] in &self.response_for {
            message.within("ResponseFor", |reference| {
                reference.leaf("OrganId", organ);
                reference.leaf("Code", code);
                reference.leaf("DocumentId", document_id);
                reference.leaf("PromulgationDate", date);
            });
        }
        message.leaf("SteeringType", "0");
    }

    fn write_trace(&self, list: &mut PacketText) {
        for [organ, timestamp] in &self.trace {
            list.within("TraceHeader", |hop| {
                hop.leaf("OrganId", organ);
                hop.leaf("Timestamp", timestamp);
            });
        }
        let Some(business) = &self.business else { return };
        list.within("Bussiness", |element| {
            element.leaf_if_any("DocumentId", &business.document_id);
            element.leaf("BussinessDocType", business.kind.digit());
            element.leaf("BussinessDocReason", &business.reason);
            if !business.replaced.is_empty() {
                element.within("ReplacementInfoList", |list| {
                    for document in &business.replaced {
                        list.within("ReplacementInfo", |info| {
                            info.leaf("DocumentId", document);
                            info.within("OrganIdList", |organs| {
                                self.to.iter().for_each(|to| organs.leaf("OrganId", to));
                            });
                        });
                    }
                });
            }
        });
    }
}

impl AttachmentText {
    fn write_to(mut self, n: usize, out: &mut dyn Write) -> io::Result<()> {
        let (id, name, content_type) = (content_id(n), escaped(&self.name), escaped(&self.content_type));
        write!(
            out,
            "    <Attachment>\r\n      <ContentId>{id}</ContentId>\r\n      \
             <AttachmentName>{name}</AttachmentName>\r\n      <ContentType>{content_type}</ContentType>\r\n      \
             <edXML:ContentTransferEncoded xmlns:edXML=\"{NAMESPACE}\">"
        )?;
        let mut text = String::with_capacity(BATCH / 3 * 4);
        loop {
            let mut batch = Vec::with_capacity(BATCH);
            self.bytes.by_ref().take(BATCH as u64).read_to_end(&mut batch)?;
            text.clear();
            STANDARD.encode_string(&batch, &mut text);
            out.write_all(text.as_bytes())?;
            if batch.len() < BATCH {
                break;
            }
        }
        out.write_all(b"</edXML:ContentTransferEncoded>\r\n    </Attachment>\r\n")
    }
}

fn content_id(n: usize) -> String {
    format!("cid:attachment-{}", n + 1)
}
