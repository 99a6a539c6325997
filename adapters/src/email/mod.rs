//! Hand-over by e-mail: one message for each delivery, submitted to the mail system of the receiver's home.
//! The other side's manual is `docs/email.md`; what stands in a message is made in `wire.rs` and `letter.rs`.
//!
//! # What the mail system must do
//!
//! 1. **Offer submission with TLS** (RFC 8314): implicit TLS, or STARTTLS, with a certificate for the name in the
//!    settings. Nothing is ever sent in clear, and the certificate is always verified.
//! 2. **Let our account in**: AUTH PLAIN or LOGIN, and the account's own address as sender.
//! 3. **Take a message whole**: no rewriting of the attachment, whose bytes are signed.
//! 4. **Answer as it means it.** 2xx after the message: it is theirs from then on, and the delivery ends as
//!    `handed_over`. 5xx to the receiver or the message is final and reaches the sender. 4xx comes again.
//!
//! The same `Message-ID` can come twice: after an answer that was lost on its way the message is sent again.

mod letter;
mod link;
mod notice;
mod outlet;
mod secrets;
mod session;
mod trouble;
mod wire;

#[cfg(test)]
mod tests;

use std::fmt;
use std::time::Duration;

use lienthong_pipeline::record::MailAddress;

pub use outlet::Email;

/// What a message may need beside its encoded packet, in bytes: headers, the text for the clerk, the frame of the parts.
pub const MESSAGE_REST_BYTES_MAX: u64 = 32 * 1024;

/// The largest packet whose message has at most `message_bytes_max` bytes, as base64 in lines of 76 characters (RFC 2045
/// section 6.8) and with [`MESSAGE_REST_BYTES_MAX`] for all else. 0 when not even that fits.
pub fn packet_bytes_max(message_bytes_max: u64) -> u64 {
    let room = message_bytes_max.saturating_sub(MESSAGE_REST_BYTES_MAX);
    let (lines, rest) = (room / wire::LINE_BYTES, room % wire::LINE_BYTES);
    lines * wire::LINE_PACKET_BYTES + rest.saturating_sub(wire::LINE_END_BYTES) / 4 * 3
}

/// How a connection to a mail system becomes secure. There is no way to do without.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MailSecurity {
    /// TLS from the first byte, usually on port 465 (RFC 8314 section 3.3).
    Tls,
    /// STARTTLS before anything else, usually on port 587 (RFC 3207); a server that does not offer it gets nothing.
    Starttls,
}

/// Where and how messages for the organisations of one connected mail system are submitted.
#[derive(Clone, PartialEq, Eq)]
pub struct EmailEndpoint {
    /// Name or address of the submission server; its certificate must be for it.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How the connection becomes secure.
    pub security: MailSecurity,
    /// Our account.
    pub user: String,
    /// The account's password.
    pub password: String,
    /// The sender, in the envelope and in the message; bounces go there.
    pub from: MailAddress,
    /// The name beside it.
    pub from_name: String,
    /// The certificate authorities to trust for this system, PEM; they replace the platform's. `None`: the platform's.
    pub ca_pem: Option<Vec<u8>>,
    /// Longest message, in bytes as they are sent; see [`packet_bytes_max`].
    pub message_bytes_max: u64,
    /// For name resolution and TCP together, and again for the TLS handshake.
    pub connect_timeout: Duration,
    /// For all that comes before the message. From the connection to the message's end, its length /
    /// [`crate::endpoint::SLOWEST_BYTES_PER_SECOND`] is added; the answer to it is waited for 10 minutes more (RFC 5321 section 4.5.3.2.6).
    pub timeout: Duration,
    /// What the gateway calls itself, for the clerk.
    pub gateway_name: String,
    /// Whom a clerk calls.
    pub hotline: String,
}

/// Prints the password as `***`.
impl fmt::Debug for EmailEndpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EmailEndpoint")
            .field("host", &self.host)
            .field("port", &self.port)
            .field("security", &self.security)
            .field("user", &self.user)
            .field("password", &"***")
            .field("from", &self.from)
            .field("from_name", &self.from_name)
            .field("own_ca", &self.ca_pem.is_some())
            .field("message_bytes_max", &self.message_bytes_max)
            .field("connect_timeout", &self.connect_timeout)
            .field("timeout", &self.timeout)
            .field("gateway_name", &self.gateway_name)
            .field("hotline", &self.hotline)
            .finish()
    }
}
