//! The fields of a packet. Only the reader makes these values; texts are trimmed, absent ones are empty.
//! Names follow the elements of QCVN 102:2016, tables of the message header.

use super::date::DateText;
use super::file_kind::FileKind;
use super::finding::{Finding, Findings};
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
    /// `OtherInfo/ReplyFors`.
    pub reply_fors: String,
    /// `OtherInfo/ReferenceCodes`.
    pub reference_codes: String,
    /// `OtherInfo/Direction`, verbatim: `true` or `false`.
    pub direction: String,
    /// `OtherInfo/Appendixes/Appendix`.
    pub appendixes: Vec<String>,
    /// `SteeringType`, verbatim: sources contradict each other on its meaning.
    pub steering_type: String,
    /// `ResponseForTask/TaskCode`.
    pub task_codes: Vec<String>,
    /// `ApplicationType`, verbatim.
    pub application_type: String,
    /// `ResponseFor`, less the empty ones. Exactly one in a status packet.
    pub response_for: Vec<ResponseFor>,
    /// `TraceHeaderList/Bussiness`, unless absent or empty; without it, a new document when `TraceHeaderList/Paper` says
    /// that paper follows.
    pub business: Option<Business>,
    /// The attributes of `TraceHeaderList`.
    pub trace_list: TraceList,
    /// `TraceHeaderList/TraceHeader`.
    pub trace: Vec<TraceHeader>,
    /// The answer, in a status packet.
    pub status: Option<Status>,
    /// `edXMLManifest/@version`.
    pub manifest_version: String,
    /// `edXMLManifest/Reference`.
    pub manifest: Vec<Reference>,
    /// `AttachmentEncoded/Attachment`, in order; empty when only claims were read.
    pub attachments: Vec<Attachment>,
    /// Elements that the standard does not have, at most [`Content::UNKNOWN_MAX`].
    pub unknown: Vec<UnknownElement>,
    /// What was noticed and did not hinder.
    pub findings: Findings,
}

impl Content {
    /// Most unknown elements kept.
    pub const UNKNOWN_MAX: usize = 100;

    pub(super) fn note(&mut self, finding: Finding, field: impl Into<String>) {
        self.findings.add(finding, field, "");
    }

    /// The same with the value, or the cause.
    pub(super) fn note_value(&mut self, finding: Finding, field: impl Into<String>, value: &str) {
        self.findings.add(finding, field, value);
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
    /// `DepartmentId`.
    pub department_id: String,
    /// `Staff`.
    pub name: String,
    /// `StaffId`.
    pub staff_id: String,
    /// `Email`.
    pub email: String,
    /// `Mobile`.
    pub mobile: String,
}

/// The attributes of `TraceHeaderList`, verbatim; .NET senders write them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct TraceList {
    /// `id`.
    pub id: String,
    /// `version`.
    pub version: String,
    /// `mustUnderstand`.
    pub must_understand: String,
    /// `actor`.
    pub actor: String,
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
    /// `xlink:href`.
    pub href: String,
    /// `xlink:role`.
    pub role: String,
    /// `xlink:type`.
    pub link_type: String,
}

/// An element that the standard does not have: its bytes stay in the packet, and nothing reads it for action.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct UnknownElement {
    /// Where it stands, its own name included.
    pub path: String,
    /// Its namespace URI; empty for none.
    pub namespace: String,
    /// Where it begins: bytes from the start of the packet.
    pub offset: u64,
    /// The start of the text directly in it, trimmed; at most [`UnknownElement::TEXT_BYTES_MAX`] bytes.
    pub text: String,
}

impl UnknownElement {
    /// Bytes kept of its text.
    pub const TEXT_BYTES_MAX: usize = 256;
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
    /// `FieldName`.
    pub field_name: String,
    /// `MimeType`.
    pub mime_type: String,
    /// `Format`.
    pub format: String,
    /// Base64 characters, white space not counted.
    pub encoded: u64,
    /// What the base64 decodes to.
    pub packed: FileFacts,
    /// The file that a receiver opens: out of its ZIP where it was zipped for the way (spec edxml section 8), else the
    /// same as `packed`.
    pub file: FileFacts,
    /// How the one is packed in the other.
    pub packing: Packing,
    /// Which of [`Content::manifest`] is about it.
    pub reference: Option<usize>,
    /// The slot holds an unfilled placeholder (`${...}`) and no data.
    pub placeholder: bool,
}

impl Attachment {
    /// Which of the layers handed to an [`AttachmentSink`](super::AttachmentSink) is the file: 0 as it was decoded.
    pub fn layer(&self) -> u8 {
        match self.packing {
            Packing::Bare | Packing::Unreadable => 0,
            Packing::Zipped(layer) | Packing::FirstOfSeveral(layer) => layer,
        }
    }

    /// What two attachments have in common that are the same: the file, or the archive where that has more in it.
    pub(super) fn whole(&self) -> &FileFacts {
        match self.packing {
            Packing::Bare | Packing::Zipped(_) | Packing::Unreadable => &self.file,
            Packing::FirstOfSeveral(_) => &self.packed,
        }
    }
}

/// What is known of a file after it has passed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FileFacts {
    /// Its length.
    pub bytes: u64,
    /// SHA-256 of it.
    pub sha256: PacketDigest,
    /// What it is by its first bytes.
    pub kind: FileKind,
}

/// How a file is packed in its attachment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Packing {
    /// It stands there as it is.
    Bare,
    /// In a ZIP of one entry, which may be in another: so many.
    Zipped(u8),
    /// It is the first of several entries of a ZIP, itself at this depth; receivers read no other.
    FirstOfSeveral(u8),
    /// It is a ZIP that cannot be read, and is left as it is.
    Unreadable,
}
