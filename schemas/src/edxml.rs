//! edXML packets (QCVN 102:2016/BTTTT, amended 2022): what they say, read with the one strict reader of `xml-sig`.
//! Begin with [`reader`] (bytes to [`Envelope`]) and [`verified`] (what may be acted on).

pub mod content;
pub mod date;
pub mod envelope;
pub mod finding;
pub mod kind;
pub mod limits;

pub use content::{
    Attachment, Business, Content, Party, ReceiverChange, Reference, Replaced, ResponseFor, Signer, Staff,
    Status, TraceHeader,
};
pub use date::DateText;
pub use envelope::Envelope;
pub use finding::{Finding, Note};
pub use kind::{BusinessType, PacketKind, StatusCode};
pub use limits::EdxmlLimits;

/// The namespace of every edXML element.
pub const NAMESPACE: &str = "http://www.mic.gov.vn/TBT/QCVN_102_2016";
