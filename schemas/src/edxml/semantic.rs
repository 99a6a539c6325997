//! The semantic digest of design.md B3: two submissions of one document that differ in bytes only.

use sha2::{Digest, Sha256};

use super::content::Content;
use super::kind::{BusinessType, PacketKind};
use super::verified::VerifiedEnvelope;
use crate::ids::PacketDigest;
use crate::organ::OrganId;
use crate::text::nfc;

/// SHA-256 over type, reason, From, number, notation, date, subject, due date, the documents referred to and the
/// attachments' digests, each part preceded by its length. Receivers are left out: the same document to further
/// receivers is the same document.
///
/// Texts count in NFC: the same letters are the same text. A `DocumentId` counts byte by byte.
///
/// `from` is the sender's own code, as the directory has it: one sender may write its code in several ways.
///
/// `None` unless the packet is a document of type 0: of other types another packet is another document.
pub fn semantic_digest(envelope: &VerifiedEnvelope, from: &OrganId) -> Option<PacketDigest> {
    let is_new = envelope.content().kind == PacketKind::Document(BusinessType::New);
    content_digest(envelope, from).filter(|_| is_new)
}

/// The same for document packets of every type, with what those of types 1 to 3 say of earlier documents: by it a packet
/// is known again that an axis wrote anew. `None` for status packets.
pub fn content_digest(envelope: &VerifiedEnvelope, from: &OrganId) -> Option<PacketDigest> {
    let content = envelope.content();
    let PacketKind::Document(kind) = content.kind else { return None };
    let mut parts = Parts(Sha256::new());
    parts.add("edxml semantic 1");
    parts.add_text(&content.document_type_name);
    parts.add_text(content.business.as_ref().map_or("", |b| &b.reason));
    parts.add(from.as_str());
    parts.add_text(&content.code_number);
    parts.add_text(&content.code_notation);
    parts.add(&content.promulgation_date.text);
    parts.add_text(&content.subject);
    parts.add(&content.due_date.text);
    parts.count(content.response_for.len());
    for reference in &content.response_for {
        parts.add(&reference.organ_text);
        parts.add_text(&reference.code);
        parts.add(&reference.document_id);
        parts.add(&reference.promulgation_date.text);
    }
    parts.count(content.attachments.len());
    for attachment in &content.attachments {
        parts.add(attachment.whole().sha256.as_bytes());
    }
    if kind != BusinessType::New {
        parts.add(content.kind.id_text());
        parts.add_business(content);
    }
    Some(PacketDigest::from_bytes(parts.0.finalize().into()))
}

struct Parts(Sha256);

impl Parts {
    fn add(&mut self, part: impl AsRef<[u8]>) {
        self.count(part.as_ref().len());
        self.0.update(part);
    }

    fn add_text(&mut self, text: &str) {
        self.add(nfc(text).as_bytes());
    }

    fn add_business(&mut self, content: &Content) {
        let Some(business) = &content.business else { return };
        self.add(business.document_id.as_deref().unwrap_or_default());
        self.add([business.paper, business.document_changed, business.receivers_changed].map(u8::from));
        self.count(business.receiver_changes.len());
        for change in &business.receiver_changes {
            self.add(&change.organ_text);
            self.add(&change.receiver_type);
        }
        self.count(business.replaced.len());
        for replaced in &business.replaced {
            self.add(&replaced.document_id);
            self.count(replaced.organ_ids.len());
            replaced.organ_ids.iter().for_each(|code| self.add(code));
        }
    }

    fn count(&mut self, count: usize) {
        self.0.update((count as u64).to_be_bytes());
    }
}
