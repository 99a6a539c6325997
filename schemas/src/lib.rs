//! What the documents say: edXML packets, ids, and the table of rejections.

pub mod codes;
pub mod business_state;
pub mod edxml;
pub mod ids;
pub mod organ;
pub mod rejections;
pub mod safe_text;
