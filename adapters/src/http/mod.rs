//! What the adapters that send over HTTP share: one attempt is one connection, one POST, one answer. No retry, no
//! redirect, no proxy, nothing left running. Headers, and what an answer's body means, are each adapter's own.

mod answer;
#[cfg(test)]
pub(crate) mod authority;
mod body;
mod line;
#[cfg(test)]
pub(crate) mod peer;
mod trouble;

pub(crate) use answer::{Answer, End};
#[cfg(test)]
pub(crate) use answer::{RETRY_AFTER_MAX, retry_after};
use hmac::{Hmac, KeyInit, Mac};
pub(crate) use line::{Line, Paced, Target, patience, url};
use sha2::Sha256;

/// HMAC-SHA256 in lower-case hex.
pub(crate) fn hmac_sha256(secret: &[u8], text: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret).expect("HMAC takes a key of any length (RFC 2104)");
    mac.update(text);
    hex::encode(mac.finalize().into_bytes())
}
