//! What the documents say: edXML packets, ids, and the table of rejections.

pub mod ids;
pub mod organ;
