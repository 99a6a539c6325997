//! A packet that nobody vouches for. What may be acted on is `VerifiedEnvelope`.

use super::content::Content;
use super::kind::PacketKind;
use crate::organ::OrganId;

/// What a sender claims. Everything here is for logs, rejections and display only, until a verdict on the signature
/// has been applied to it (invariant 3).
#[derive(Debug)]
pub struct Envelope {
    pub(super) content: Content,
    /// Attachments were decoded, so the content is all of the packet.
    pub(super) whole: bool,
}

impl Envelope {
    /// `From/OrganId`. For logs, rejections and display only.
    pub fn claimed_sender(&self) -> &OrganId {
        &self.content.from.organ_id
    }

    /// What kind of packet it says it is. For logs, rejections and display only.
    pub fn claimed_kind(&self) -> PacketKind {
        self.content.kind
    }

    /// `MessageHeader/DocumentId`. For logs, rejections and display only.
    pub fn claimed_document_id(&self) -> Option<&str> {
        self.content.document_id.as_deref()
    }

    /// All that it says. For logs, rejections and display only.
    pub fn claimed_content(&self) -> &Content {
        &self.content
    }
}
