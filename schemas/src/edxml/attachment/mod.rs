//! An attachment as it passes: base64 decoded and hashed; memory does not grow with it.

mod base64;
pub(super) mod kinds;

pub(super) use base64::{Base64Fault, Base64Stream, Decoded};
