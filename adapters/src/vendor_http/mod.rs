//! Hand-over to a vendor's document-management system: one HTTP POST of the packet, signed with a shared secret.
//! The other side's manual is `docs/vendor-http.md`; its worked example is checked by the tests here.
//!
//! # What a receiving vendor must do
//!
//! 1. **Take the POST whole.** The body is the packet, byte for byte as its sender signed it: `Content-Type:
//!    application/xml`, always a `Content-Length`, never chunked or compressed. Do not parse and write it anew.
//! 2. **Verify before use.** `Lienthong-Signature: t=<unix seconds>,v1=<hex>`; `v1` is HMAC-SHA256, with the shared
//!    secret, over the canonical string below. Refuse with 401 when no `v1` fits (compare in constant time) or when `t` is
//!    more than 300 seconds away from your clock. Then compare the body's SHA-256 with `Lienthong-Digest`; when it
//!    differs answer 500, and the packet comes again.
//! 3. **Take each delivery once.** `Lienthong-Delivery-Id` is the same on every attempt; timestamp and signature are
//!    not. When you have that id already, change nothing and answer 2xx again.
//! 4. **Answer 2xx only when the packet is durable** on your side. With a 2xx the gateway forgets the delivery and tells
//!    the sender that you have it. Any 2xx means the same. An answer before the last byte does not count.
//! 5. **Refuse with care.** 400, 410, 413, 415, 422 and 451 are your last word on the document and reach its sender; the
//!    first 200 characters of a `text/plain` answer are shown to the clerk. 429, 502, 503 and 504 say that your
//!    system is in trouble: all its traffic waits (`Retry-After` is obeyed, up to 24 hours). Other 5xx put the one
//!    document aside after repeated failures. Redirects are never followed; they and any other 4xx raise an alarm
//!    at the gateway's operator.
//!
//! # Canonical string
//!
//! Nine lines of UTF-8, each ended by LF (0x0A), the last one too. Names in lower case, one colon, no blanks:
//!
//! ```text
//! lienthong-signature-v1
//! t:<the t of Lienthong-Signature>
//! lienthong-delivery-id:<value>
//! lienthong-document-id:<value>
//! lienthong-digest:sha-256=<64 lower-case hex digits>
//! lienthong-sender:<value>
//! lienthong-receiver:<value>
//! lienthong-kind:<value>
//! lienthong-timestamp:<the same second as t, RFC 3339 in UTC, ending in Z>
//! ```

mod outlet;
mod wire;

#[cfg(test)]
mod tests;

use std::fmt;
use std::time::Duration;

pub use outlet::VendorHttp;

pub use crate::endpoint::{EndpointCause, EndpointFault, SECRET_BYTES_MIN};

/// Where and how one connected system takes packets.
#[derive(Clone, PartialEq, Eq)]
pub struct VendorHttpEndpoint {
    /// `https://` (or `http://`, which the settings allow or not) without user name and password.
    pub url: String,
    /// The shared secret of the signature, at least [`SECRET_BYTES_MIN`] bytes.
    pub secret: Vec<u8>,
    /// The certificate authorities to trust for this system, PEM; they replace the platform's. `None`: the platform's.
    pub ca_pem: Option<Vec<u8>>,
    /// For name resolution, TCP and TLS together.
    pub connect_timeout: Duration,
    /// For a whole attempt with an empty body; the body adds its length / `slowest_bytes_per_second`. Also the longest
    /// time for which a receiver may stop reading.
    pub timeout: Duration,
    /// Slower than this, an attempt runs into its timeout. Not 0.
    pub slowest_bytes_per_second: u64,
}

impl VendorHttpEndpoint {
    /// How long an attempt with a body of this many bytes may take, connection and answer included.
    pub fn patience(&self, body_bytes: u64) -> Duration {
        crate::http::patience(self.timeout, self.slowest_bytes_per_second, body_bytes)
    }
}

/// Prints the secret as `***`, and the URL without its query.
impl fmt::Debug for VendorHttpEndpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VendorHttpEndpoint")
            .field("url", &self.url.split('?').next())
            .field("secret", &"***")
            .field("own_ca", &self.ca_pem.is_some())
            .field("connect_timeout", &self.connect_timeout)
            .field("timeout", &self.timeout)
            .field("slowest_bytes_per_second", &self.slowest_bytes_per_second)
            .finish()
    }
}
