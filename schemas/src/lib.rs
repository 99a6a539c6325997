//! What the documents say: edXML packets, ids, and the table of rejections.

pub mod business_state;
pub mod codes;
pub mod document_name;
pub mod edxml;
pub mod ids;
pub mod organ;
pub mod rejections;
pub mod safe_text;
pub mod text;
