//! The Government Office axis, or one that speaks like it: the national SDK's protocol (SDKVXP 2.0). Hand-over is
//! `sendEdoc`, one POST of the packet followed by CR LF; every parameter is a header, and the headers are signed with a
//! secret that the axis gave us. What waits for us there is listed, fetched and confirmed ([`AxisInbox`]). The manual for
//! operators is `docs/national-axis.md`.
//!
//! [`AxisInbox`]: lienthong_pipeline::ports::AxisInbox
//!
//! The protocol carries no id of ours: a repeat after a lost answer is the same bytes under the same `hash-file`, `from`
//! and `to`, and only the axis can see that it has them. Its OK says that it took the packet over, not that a receiver
//! has it.

mod inlet;
mod list;
mod outlet;
mod register;
mod reply;
mod sent;
mod unwrap;
mod wire;

#[cfg(test)]
mod tests;

use std::fmt;
use std::time::Duration;

pub use outlet::NationalAxis;
pub use register::{Agencies, Register};

pub use crate::endpoint::{EndpointCause, EndpointFault, SYSTEM_ID_BYTES_MAX};

/// Whether the receivers of a consignment are named in the header `to`. What it means to the real axis is not known:
/// applications that are known leave it out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ToHeader {
    /// The axis is told which of the packet's receivers this consignment is for.
    Send,
    /// The axis takes the receivers from the packet, all of them.
    Omit,
}

/// Where an axis takes packets, and who we are there.
#[derive(Clone, PartialEq, Eq)]
pub struct AxisEndpoint {
    /// The beginning of its URLs, to which `/sendEdoc` is appended: `https://` (or `http://`, which the settings allow
    /// or not) without user name, password, query and fragment. A slash at its end does no harm.
    pub url: String,
    /// The id that the axis gave our system: 1 to [`SYSTEM_ID_BYTES_MAX`] visible ASCII characters.
    pub system_id: String,
    /// The secret that came with it. It looks like base64 and is used as text, as it is; not empty.
    pub secret: Vec<u8>,
    /// Whether receivers are named in a header.
    pub to_header: ToHeader,
    /// Whether the axis is to be asked what becomes of what it takes.
    pub asks_after: bool,
    /// The certificate authorities to trust for this axis, PEM; they replace the platform's. `None`: the platform's.
    pub ca_pem: Option<Vec<u8>>,
    /// For name resolution, TCP and TLS together.
    pub connect_timeout: Duration,
    /// For a whole attempt with an empty body; the body adds its length / `slowest_bytes_per_second`. Also the longest
    /// time for which the axis may stop reading.
    pub timeout: Duration,
    /// Slower than this, an attempt runs into its timeout. Not 0.
    pub slowest_bytes_per_second: u64,
}

/// Prints the secret as `***`.
impl fmt::Debug for AxisEndpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AxisEndpoint")
            .field("url", &self.url.split(['?', '#']).next())
            .field("system_id", &self.system_id)
            .field("secret", &"***")
            .field("to_header", &self.to_header)
            .field("own_ca", &self.ca_pem.is_some())
            .field("connect_timeout", &self.connect_timeout)
            .field("timeout", &self.timeout)
            .field("slowest_bytes_per_second", &self.slowest_bytes_per_second)
            .finish()
    }
}
