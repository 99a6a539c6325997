//! The code lists of the packets as types, each with its Vietnamese and English words: document types, priorities,
//! receiver and steering types, and level-1 codes. Business types and status codes are in `edxml::kind`.

mod certainty;
mod document_type;
mod document_types;
mod level1;
mod name_key;
mod priority;
mod receiver_type;
mod steering_type;

pub use certainty::Certainty;
pub use document_type::{Agreement, DocumentType, TypeGroup, agrees};
pub use level1::{Level1, Level1Kind, level1};
pub use priority::Priority;
pub use receiver_type::ReceiverType;
pub use steering_type::SteeringType;
