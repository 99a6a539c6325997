//! A document packet (gói tin văn bản) as plain values, with every field that QCVN 102:2016 has: what programs fill in, or
//! read from a TOML file, and [`DocumentPacket::write_to`] writes in the layout of the reference library.
//! What may be written is in `packet/check.rs`; how it is laid out, in `packet/layout.rs`.

mod check;
mod flaw;
mod from_content;
pub(super) mod layout;
mod media_type;
mod readable;
mod write;

use serde::{Deserialize, Deserializer};

pub use flaw::{FlawRule, PacketFlaw, WriteFault};
pub use write::OpenAttachment;
pub(super) use write::write_attachments;

use super::kind::BusinessType;
use crate::codes::Priority;

/// A document packet to be written. Texts are trimmed when they are written; empty ones are left out.
///
/// [`DocumentPacket::check`] says what is missing or wrong. In a TOML file the names are those of the fields here, and a
/// name that is none is an error.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DocumentPacket {
    /// `From`.
    pub from: PacketOrgan,
    /// `To`: at least one, none twice.
    pub to: Vec<PacketOrgan>,
    /// `DocumentId`; when empty it is composed of sender, date and code ([`DocumentPacket::composed_id`]).
    pub document_id: String,
    /// `Code/CodeNumber`, số: may hold letters, may begin with 0.
    pub code_number: String,
    /// `Code/CodeNotation`, ký hiệu.
    pub code_notation: String,
    /// `PromulgationInfo/Place`.
    pub promulgation_place: String,
    /// `PromulgationInfo/PromulgationDate`: `yyyy/MM/dd`.
    pub promulgation_date: String,
    /// `DocumentType/Type`: 1 văn bản quy phạm pháp luật, 2 hành chính. .NET senders write other numbers.
    pub document_type: String,
    /// `DocumentType/TypeDetail`: a whole number.
    pub document_type_detail: String,
    /// `DocumentType/TypeName`.
    pub document_type_name: String,
    /// `Subject`, trích yếu.
    pub subject: String,
    /// `Content`, nội dung tóm tắt.
    pub content_summary: String,
    /// `SignerInfo`.
    pub signer: PacketSigner,
    /// `DueDate`: `yyyy/MM/dd`.
    pub due_date: String,
    /// `OtherInfo/Priority`: 0 thường to 4 hỏa tốc hẹn giờ; in TOML the digit or the name.
    #[serde(deserialize_with = "priority")]
    pub priority: u8,
    /// `OtherInfo/SphereOfPromulgation`.
    pub sphere: String,
    /// `OtherInfo/TyperNotation`.
    pub typer_notation: String,
    /// `OtherInfo/PromulgationAmount`: a whole number.
    pub promulgation_amount: String,
    /// `OtherInfo/PageAmount`: a whole number.
    pub page_amount: String,
    /// `OtherInfo/ReplyFors`.
    pub reply_fors: String,
    /// `OtherInfo/ReferenceCodes`.
    pub reference_codes: String,
    /// `OtherInfo/Direction`: `true` or `false`.
    pub direction: String,
    /// `OtherInfo/Appendixes/Appendix`.
    pub appendixes: Vec<String>,
    /// `ResponseFor`: the documents that this one answers.
    pub response_for: Vec<PacketSubject>,
    /// `SteeringType`: a whole number.
    pub steering_type: String,
    /// `ResponseForTask/TaskCode`.
    pub task_codes: Vec<String>,
    /// `ApplicationType`.
    pub application_type: String,
    /// `ToPlaces/Place`.
    pub to_places: Vec<String>,
    /// `TraceHeaderList/Bussiness` \[sic\]; without it receivers take the document for a new one.
    pub business: Option<PacketBusiness>,
    /// The attributes of `TraceHeaderList`.
    pub trace_list: PacketTraceList,
    /// `TraceHeaderList/TraceHeader`: the hops, the sender's own first.
    pub trace: Vec<PacketHop>,
    /// `edXMLManifest/@version`.
    pub manifest_version: String,
    /// `edXMLManifest/Reference`; when empty there is one for each attachment, in order.
    pub manifest: Vec<PacketReference>,
    /// `AttachmentEncoded/Attachment`, less the bytes.
    pub attachments: Vec<PacketAttachment>,
}

impl DocumentPacket {
    /// `DocumentId` when none is given: `<OrganId>,<date>,<number>/<notation>`, the form of the samples of the standard.
    pub fn composed_id(&self) -> String {
        let [from, date, number, notation] =
            [&self.from.organ_id, &self.promulgation_date, &self.code_number, &self.code_notation]
                .map(|text| text.trim());
        format!("{from},{date},{number}/{notation}")
    }

    /// The `Priority` of which a person gives the digit or the name, Vietnamese or English.
    pub fn priority_named(text: &str) -> Option<u8> {
        let named = |priority: &Priority| {
            let (vi, en) = priority.wording();
            crate::text::same(vi, text.trim()) || en.eq_ignore_ascii_case(text.trim())
        };
        let priority = Priority::parse(text).or_else(|| Priority::ALL.into_iter().find(named));
        priority.map(Priority::digit)
    }
}

impl Default for DocumentPacket {
    /// Nothing but what the reference library writes when nobody said otherwise.
    fn default() -> Self {
        let none = String::new;
        Self {
            from: PacketOrgan::default(),
            to: Vec::new(),
            document_id: none(),
            code_number: none(),
            code_notation: none(),
            promulgation_place: none(),
            promulgation_date: none(),
            document_type: "2".to_owned(),
            document_type_detail: none(),
            document_type_name: none(),
            subject: none(),
            content_summary: none(),
            signer: PacketSigner::default(),
            due_date: none(),
            priority: 0,
            sphere: none(),
            typer_notation: none(),
            promulgation_amount: none(),
            page_amount: none(),
            reply_fors: none(),
            reference_codes: none(),
            direction: "false".to_owned(),
            appendixes: Vec::new(),
            response_for: Vec::new(),
            steering_type: "0".to_owned(),
            task_codes: Vec::new(),
            application_type: none(),
            to_places: Vec::new(),
            business: None,
            trace_list: PacketTraceList::default(),
            trace: Vec::new(),
            manifest_version: "1.0".to_owned(),
            manifest: Vec::new(),
            attachments: Vec::new(),
        }
    }
}

/// An organisation block: `From` or `To`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PacketOrgan {
    /// `OrganId`, written as it stands here.
    pub organ_id: String,
    /// `OrganizationInCharge`, cơ quan chủ quản.
    pub organization_in_charge: String,
    /// `OrganName`.
    pub organ_name: String,
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

/// `SignerInfo`: who signed on paper.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PacketSigner {
    /// `Competence`, quyền hạn: TM., KT., TL., TUQ., Q.
    pub competence: String,
    /// `Position`, chức vụ.
    pub position: String,
    /// `FullName`.
    pub full_name: String,
}

/// `ResponseFor`: a document spoken of.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PacketSubject {
    /// `OrganId` of its issuer.
    pub organ_id: String,
    /// `Code`: number/notation.
    pub code: String,
    /// `DocumentId`, byte for byte.
    pub document_id: String,
    /// `PromulgationDate`: `yyyy/MM/dd`.
    pub promulgation_date: String,
}

/// `Bussiness` \[sic\]: what the packet does.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PacketBusiness {
    /// `BussinessDocType`; in TOML its digit or `new`, `revoke`, `update`, `replace`.
    #[serde(deserialize_with = "business_type")]
    pub kind: BusinessType,
    /// `DocumentId` of the document revoked or updated.
    #[serde(default)]
    pub document_id: String,
    /// `BussinessDocReason`; a revocation, an update and a replacement need one.
    #[serde(default)]
    pub reason: String,
    /// `Paper`: whether a paper original follows; left out when not said.
    #[serde(default)]
    pub paper: Option<bool>,
    /// `BussinessDocumentInfo` of an update.
    #[serde(default)]
    pub changes: Option<PacketChanges>,
    /// `ReplacementInfoList/ReplacementInfo` of a replacement.
    #[serde(default)]
    pub replaced: Vec<PacketReplaced>,
    /// `StaffInfo`: whom to ask.
    #[serde(default)]
    pub staff: Vec<PacketStaff>,
}

impl PacketBusiness {
    /// Of a type, with nothing else said.
    pub fn new(kind: BusinessType) -> Self {
        Self {
            kind,
            document_id: String::new(),
            reason: String::new(),
            paper: None,
            changes: None,
            replaced: Vec::new(),
            staff: Vec::new(),
        }
    }
}

/// `BussinessDocumentInfo`: what an update changes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PacketChanges {
    /// `DocumentInfo`: content or metadata.
    pub document: bool,
    /// `DocumentReceiver`: the list of receivers.
    pub receivers: bool,
    /// `ReceiverList/Receiver`.
    pub receiver_changes: Vec<PacketReceiverChange>,
}

/// `Receiver`: one receiver added or removed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PacketReceiverChange {
    /// `OrganId`.
    pub organ_id: String,
    /// `ReceiverType`: 0 removed, 1 added.
    pub receiver_type: String,
}

/// `ReplacementInfo`: one document replaced.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PacketReplaced {
    /// `DocumentId`.
    pub document_id: String,
    /// `OrganIdList/OrganId`: the receivers for which it is replaced, at least one.
    pub organ_ids: Vec<String>,
}

/// `StaffInfo`: whom to ask.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PacketStaff {
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

/// The attributes of `TraceHeaderList`; .NET senders write them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PacketTraceList {
    /// `id`.
    pub id: String,
    /// `version`.
    pub version: String,
    /// `mustUnderstand`.
    pub must_understand: String,
    /// `actor`.
    pub actor: String,
}

/// `TraceHeader`: a hop.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PacketHop {
    /// `OrganId`.
    pub organ_id: String,
    /// `Timestamp`: `yyyy/MM/dd HH:mm:ss`, Vietnam local time.
    pub timestamp: String,
}

/// `Reference` of the manifest.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PacketReference {
    /// `ContentId` of an attachment, without `cid:`.
    pub content_id: String,
    /// `ContentType`; when empty, that of the attachment.
    pub content_type: String,
    /// `AttachmentName`; when empty, that of the attachment.
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

/// `Attachment`. Its bytes come from elsewhere, when the packet is written.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PacketAttachment {
    /// Where the program that writes the packet finds the file. It does not enter the packet.
    pub file: String,
    /// `AttachmentName`.
    pub name: String,
    /// `ContentType`; when empty, told from name and bytes.
    pub content_type: String,
    /// `Description`.
    pub description: String,
    /// `ContentId`, without `cid:`; when empty, `attachment-1` and so on.
    pub content_id: String,
    /// `FieldName`.
    pub field_name: String,
    /// `MimeType`.
    pub mime_type: String,
    /// `Format`.
    pub format: String,
}

/// A digit or a name, in a file that a person wrote.
#[derive(Deserialize)]
#[serde(untagged)]
enum Written {
    Number(u8),
    Text(String),
}

impl Written {
    fn text(self) -> String {
        match self {
            Self::Number(number) => number.to_string(),
            Self::Text(text) => text,
        }
    }
}

fn priority<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u8, D::Error> {
    let named = DocumentPacket::priority_named(&Written::deserialize(deserializer)?.text());
    named.ok_or_else(|| {
        serde::de::Error::custom(
            "0 (thường), 1 (khẩn), 2 (thượng khẩn), 3 (hỏa tốc) or 4 (hỏa tốc hẹn giờ) is meant",
        )
    })
}

fn business_type<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BusinessType, D::Error> {
    let text = Written::deserialize(deserializer)?.text();
    let named = match text.trim() {
        "new" => Some(BusinessType::New),
        "revoke" => Some(BusinessType::Revoke),
        "update" => Some(BusinessType::Update),
        "replace" => Some(BusinessType::Replace),
        other => BusinessType::parse(other),
    };
    named.ok_or_else(|| serde::de::Error::custom("0 (new), 1 (revoke), 2 (update) or 3 (replace) is meant"))
}
