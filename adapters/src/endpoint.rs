//! The endpoints of an adapter, one a connected system, and what can be wrong with the settings of one: found when the
//! endpoints are taken over, before anything is sent.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use lienthong_pipeline::ports::{DeliveryFailure, FailureClass};
use lienthong_pipeline::record::{AdapterKind, SystemId};

use crate::failure::failed;

/// Shortest secret that two sides may share, in bytes.
pub const SECRET_BYTES_MIN: usize = 16;

/// The other side is not expected to take packets slower than this, in bytes a second, unless its settings say so.
pub const SLOWEST_BYTES_PER_SECOND: u64 = 64 * 1024;

/// Longest id that another side knows us by, in bytes.
pub const SYSTEM_ID_BYTES_MAX: usize = 256;

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
    /// A query or a fragment in a URL that operations are appended to.
    #[error("the URL is the beginning of others: it must end with a path, without query and fragment")]
    Prefix,
    /// A name that stands in a header is empty, too long, or not visible ASCII.
    #[error("the system id must be 1 to {SYSTEM_ID_BYTES_MAX} visible ASCII characters")]
    SystemId,
    /// No secret at all, where the other side chooses it.
    #[error("the secret is empty")]
    SecretEmpty,
    /// Shorter than [`SECRET_BYTES_MIN`].
    #[error("the secret is shorter than {SECRET_BYTES_MIN} bytes")]
    SecretShort,
    /// `ca_pem` holds no certificate, or one that cannot be read.
    #[error("the CA file holds no readable PEM certificate")]
    Ca,
    /// Neither a name of the DNS nor an address.
    #[error("the host must be a name or an address")]
    Host,
    /// User name or password is empty, or has a NUL in it.
    #[error("user name and password must not be empty, nor have a NUL in them")]
    Account,
    /// A timeout, a rate or a limit is zero.
    #[error("timeouts, rates and limits must not be zero")]
    Zero,
    /// The TLS client could not be made; for example, the platform has no certificate authorities.
    #[error("the TLS client cannot be made: {0}")]
    Client(String),
}

/// The open lines of an adapter, one a system. They can be replaced while attempts run; each attempt ends with the line
/// that it began with.
pub(crate) struct Lines<E, L> {
    adapter: AdapterKind,
    open: fn(E) -> Result<L, EndpointCause>,
    lines: RwLock<Arc<HashMap<SystemId, Arc<L>>>>,
}

impl<E, L> Lines<E, L> {
    /// Opens a line to each endpoint.
    pub(crate) fn new(
        adapter: AdapterKind,
        open: fn(E) -> Result<L, EndpointCause>,
        endpoints: impl IntoIterator<Item = (SystemId, E)>,
    ) -> Result<Self, EndpointFault> {
        let lines = Self { adapter, open, lines: RwLock::default() };
        lines.replace(endpoints)?;
        Ok(lines)
    }

    /// Puts other endpoints in place of all present ones; on an error the present ones stay.
    pub(crate) fn replace(
        &self,
        endpoints: impl IntoIterator<Item = (SystemId, E)>,
    ) -> Result<(), EndpointFault> {
        let open = |(system, endpoint)| match (self.open)(endpoint) {
            Ok(line) => Ok((system, Arc::new(line))),
            Err(cause) => Err(EndpointFault { adapter: self.adapter, system, cause }),
        };
        let lines = endpoints.into_iter().map(open).collect::<Result<_, _>>()?;
        *self.lines.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(lines);
        Ok(())
    }

    /// The line to this system. Fails as [`FailureClass::OursToFix`]: `no_endpoint`.
    pub(crate) fn of(&self, system: &SystemId) -> Result<Arc<L>, DeliveryFailure> {
        let lines = Arc::clone(&self.lines.read().unwrap_or_else(PoisonError::into_inner));
        lines.get(system).cloned().ok_or_else(|| {
            let cause = format!("no {} endpoint is set for the system {system}", self.adapter.as_str());
            failed(FailureClass::OursToFix, "no_endpoint", &cause)
        })
    }
}
