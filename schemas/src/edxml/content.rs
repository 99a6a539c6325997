//! The fields of a packet. Only the reader makes these values; texts are trimmed, absent ones are empty.
//! Names follow the elements of QCVN 102:2016, tables of the message header.

use super::date::DateText;
use super::finding::{Finding, Note};
use super::kind::{BusinessType, PacketKind, StatusCode};
use crate::ids::PacketDigest;
use crate::organ::OrganId;

/// Everything that a packet says. Texts are as the sender wrote them: print them through `SafeText`.
#[derive(Debug)]
#[non_exhaustive]
pub struct Content {
    /// Document of a business type, or status.
    pub kind: PacketKind,
    /// `From`.
    pub from: Party,
    /// `To`; empty in a status packet. No organisation stands in it twice.
    pub to: Vec<Party>,
    /// `DocumentId`, trimmed; an opaque text, compared byte by byte.
    pub document_id: Option<String>,
    /// `Code/CodeNumber`.
    pub code_number: String,
    /// `Code/CodeNotation`.
    pub code_notation: String,
    /// `PromulgationInfo/Place`.
    pub promulgation_place: String,
    /// `PromulgationInfo/PromulgationDate`.
    pub promulgation_date: DateText,
    /// `DocumentType/Type`, verbatim; real packets contradict their `TypeName`.
    pub document_type: String,
    /// `DocumentType/TypeDetail`, verbatim.
    pub document_type_detail: String,
    /// `DocumentType/TypeName`.
    pub document_type_name: String,
    /// `Subject`, trích yếu.
    pub subject: String,
    /// `Content`, nội dung tóm tắt.
    pub content_summary: String,
    /// `SignerInfo`.
    pub signer: Signer,
    /// `DueDate`.
    pub due_date: DateText,
    /// `OtherInfo/Priority`: 0 thường to 4 hỏa tốc hẹn giờ.
    pub priority: u8,
    /// `ToPlaces/Place`: where copies go, in words; no routing data.
    pub to_places: Vec<String>,
    /// `OtherInfo/SphereOfPromulgation`.
    pub sphere: String,
    /// `OtherInfo/TyperNotation`.
    pub typer_notation: String,
    /// `OtherInfo/PromulgationAmount`, verbatim.
    pub promulgation_amount: String,
    /// `OtherInfo/PageAmount`, verbatim.
    pub page_amount: String,
    /// `OtherInfo/Appendixes/Appendix`.
    pub appendixes: Vec<String>,
    /// `SteeringType`, verbatim: sources contradict each other on its meaning.
    pub steering_type: String,
    /// `ResponseFor`, less the empty ones. Exactly one in a status packet.
    pub response_for: Vec<ResponseFor>,
    /// `TraceHeaderList/Bussiness`, unless absent or empty.
    pub business: Option<Business>,
    /// `TraceHeaderList/TraceHeader`.
    pub trace: Vec<TraceHeader>,
    /// The answer, in a status packet.
    pub status: Option<Status>,
    /// `edXMLManifest/Reference`.
    pub manifest: Vec<Reference>,
    /// `AttachmentEncoded/Attachment`, in order; empty when only claims were read.
    pub attachments: Vec<Attachment>,
    /// What was noticed, each once.
    pub findings: Vec<Finding>,
    /// The same with places; at most [`Content::NOTES_MAX`].
    pub notes: Vec<Note>,
}

impl Content {
    /// Most notes kept.
    pub const NOTES_MAX: usize = 100;

    pub(super) fn note(&mut self, finding: Finding, field: impl Into<String>) {
        if !self.findings.contains(&finding) {
            self.findings.push(finding);
        }
        if self.notes.len() < Self::NOTES_MAX {
            self.notes.push(Note { finding, field: field.into() });
        }
    }
}

/// An organisation block: `From` or `To`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Party {
    /// `OrganId`, canonical spelling.
    pub organ_id: OrganId,
    /// `OrganId` as written.
    pub organ_text: String,
    /// `OrganName`.
    pub organ_name: String,
    /// `OrganizationInCharge`, cơ quan chủ quản: a name in all samples.
    pub organization_in_charge: String,
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

/// `SignerInfo`: who signed on paper. Says nothing about the XML signature.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Signer {
    /// `Competence`, quyền hạn: TM., KT., TL., TUQ., Q.
    pub competence: String,
    /// `Position`, chức vụ; `Function` in older packets.
    pub position: String,
    /// `FullName`.
    pub full_name: String,
}

/// `ResponseFor`: the document that this one answers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ResponseFor {
    /// `OrganId`, when it is a code.
    pub organ_id: Option<OrganId>,
    /// `OrganId` as written.
    pub organ_text: String,
    /// `Code`: number/notation.
    pub code: String,
    /// `DocumentId`.
    pub document_id: String,
    /// `PromulgationDate`.
    pub promulgation_date: DateText,
}

/// `Bussiness` \[sic\].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Business {
    /// `DocumentId` of the document revoked or updated.
    pub document_id: Option<String>,
    /// `BussinessDocType`.
    pub kind: BusinessType,
    /// `BussinessDocReason`.
    pub reason: String,
    /// `Paper`: a paper original follows. It may stand in `Bussiness` or directly in `TraceHeaderList`.
    pub paper: bool,
    /// `BussinessDocumentInfo/DocumentInfo`: content or metadata changed (type 2).
    pub document_changed: bool,
    /// `BussinessDocumentInfo/DocumentReceiver`: the list of receivers changed (type 2).
    pub receivers_changed: bool,
    /// `ReceiverList/Receiver` (type 2).
    pub receiver_changes: Vec<ReceiverChange>,
    /// `ReplacementInfoList/ReplacementInfo` (type 3), each once.
    pub replaced: Vec<Replaced>,
    /// `StaffInfo`.
    pub staff: Vec<Staff>,
}

/// One receiver added by or removed by an update.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReceiverChange {
    /// `OrganId`, when it is a code.
    pub organ_id: Option<OrganId>,
    /// `OrganId` as written.
    pub organ_text: String,
    /// `ReceiverType` as written: 0 removed, 1 added.
    pub receiver_type: String,
}

/// One document that this one takes the place of.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Replaced {
    /// Its `DocumentId`.
    pub document_id: String,
    /// Receivers for which it is replaced, as written.
    pub organ_ids: Vec<String>,
}

/// `StaffInfo`: whom to ask.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Staff {
    /// `Department`.
    pub department: String,
    /// `Staff`.
    pub name: String,
    /// `Email`.
    pub email: String,
    /// `Mobile`.
    pub mobile: String,
}

/// `TraceHeader`: a hop before us, in its own words.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TraceHeader {
    /// `OrganId` as written; may be empty or the word `null`.
    pub organ_text: String,
    /// `Timestamp`.
    pub timestamp: DateText,
}

/// What a status packet answers.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Status {
    /// `StatusCode`.
    pub code: StatusCode,
    /// `Description`.
    pub description: String,
    /// `Timestamp`.
    pub timestamp: DateText,
    /// `StaffInfo`.
    pub staff: Option<Staff>,
}

/// `Reference` of the manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Reference {
    /// `ContentId` without its `cid:` prefixes.
    pub content_id: String,
    /// `ContentType`; many senders write one that is not the file's.
    pub content_type: String,
    /// `AttachmentName`.
    pub name: String,
    /// `Description`.
    pub description: String,
}

/// One attachment. Its bytes are not kept.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Attachment {
    /// `AttachmentName`: for display only, never a path.
    pub name: String,
    /// `ContentId` without its `cid:` prefixes.
    pub content_id: String,
    /// `ContentType`.
    pub content_type: String,
    /// `Description`.
    pub description: String,
    /// Base64 characters, white space not counted.
    pub encoded: u64,
    /// Decoded bytes.
    pub decoded: u64,
    /// SHA-256 of the decoded bytes.
    pub sha256: PacketDigest,
    /// The decoded bytes begin like a ZIP file: many senders zip single files.
    pub looks_zip: bool,
    /// The slot holds an unfilled placeholder (`${...}`) and no data.
    pub placeholder: bool,
}
