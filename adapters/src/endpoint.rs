//! What can be wrong with the settings of an endpoint, whichever adapter it belongs to. Found when the endpoints are
//! taken over, before anything is sent.

use lienthong_pipeline::record::{AdapterKind, SystemId};

/// Shortest secret that two sides may share, in bytes.
pub const SECRET_BYTES_MIN: usize = 16;

/// Settings that cannot work. Nothing of the map that holds them is taken over.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{} endpoint of {system}: {cause}", .adapter.as_str())]
pub struct EndpointFault {
    /// Whose settings.
    pub adapter: AdapterKind,
    /// Which system's endpoint.
    pub system: SystemId,
    /// What is wrong with it.
    pub cause: EndpointCause,
}

/// What is wrong with an endpoint.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EndpointCause {
    /// Not an `http` or `https` URL with a host, or one with user name or password.
    #[error("the URL must be http or https, with a host, without user name and password")]
    Url,
    /// Shorter than [`SECRET_BYTES_MIN`].
    #[error("the secret is shorter than {SECRET_BYTES_MIN} bytes")]
    SecretShort,
    /// `ca_pem` holds no certificate, or one that cannot be read.
    #[error("the CA file holds no readable PEM certificate")]
    Ca,
    /// A timeout, a rate or a limit is zero.
    #[error("timeouts, rates and limits must not be zero")]
    Zero,
    /// The TLS client could not be made; for example, the platform has no certificate authorities.
    #[error("the TLS client cannot be made: {0}")]
    Client(String),
}
