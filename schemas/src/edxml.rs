//! edXML packets (QCVN 102:2016/BTTTT, amended 2022): what they say, read with the one strict reader of `xml-sig`.
//! Begin with [`EnvelopeReader`] (XML events to [`Envelope`]) and [`vouch`] (what may be acted on).

mod absent;
mod aside;
mod assemble;
mod assemble_attachments;
mod assemble_parts;
mod attachment;
mod builder;
mod content;
mod correlation;
mod date;
mod document_id;
mod envelope;
mod errors;
mod fields;
mod file_kind;
mod file_name;
mod finding;
mod findings_page;
mod findings_table;
mod kind;
mod limits;
mod node;
mod notes;
mod packet;
mod read;
mod reader;
mod secrecy;
mod semantic;
mod status;
mod verified;
mod write;
mod written;

pub use attachment::AttachmentSink;
pub use builder::DocumentBuilder;
pub use content::{
    Attachment, Business, Content, FileFacts, Packing, Party, ReceiverChange, Reference, Replaced,
    ResponseFor, Signer, Staff, Status, TraceHeader, TraceList, UnknownElement,
};
pub use correlation::{CORRELATIONS_MAX, correlations};
pub use date::{DateText, VIETNAM, timestamp_text};
pub use envelope::Envelope;
pub use file_kind::FileKind;
pub use file_name::{SafeFileName, SafeFileNames};
pub use finding::{Finding, Findings, Remark, Severity};
pub use findings_page::render_findings;
pub use kind::{BusinessType, PacketKind, StatusCode};
pub use limits::EdxmlLimits;
pub use packet::{
    DocumentPacket, FlawRule, OpenAttachment, PacketAttachment, PacketBusiness, PacketChanges, PacketFlaw,
    PacketHop, PacketOrgan, PacketReceiverChange, PacketReference, PacketReplaced, PacketSigner, PacketStaff,
    PacketSubject, PacketTraceList, WriteFault,
};
pub use read::{
    HEADER_PATH, PacketFault, REPAIR_NAMESPACES, read_envelope, read_envelope_keeping, rejection_of,
};
pub use reader::{EnvelopeReader, ReadMode};
pub use secrecy::check_carried;
pub use semantic::{content_digest, semantic_digest};
pub use status::{StatusContact, StatusPacket, StatusSender, StatusSubject};
pub use verified::{PLACES, SignaturePolicy, VerifiedEnvelope, covers_packet, vouch};

/// The namespace of every edXML element.
pub const NAMESPACE: &str = "http://www.mic.gov.vn/TBT/QCVN_102_2016";
