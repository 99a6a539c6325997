//! `[admin_listen]`: the door for metrics and health. It knows no passwords; keep it on loopback or in a guarded network.

use std::net::SocketAddr;

use crate::reading::Section;

/// The door for `/metrics`, `/healthz` and `/readyz`.
#[derive(Clone, Debug)]
pub struct AdminListenSettings {
    /// Address and port; port 0 lets the system choose.
    pub address: SocketAddr,
}

impl AdminListenSettings {
    pub(crate) fn read(section: &mut Section<'_, '_>) -> Self {
        Self { address: section.read("address").unwrap_or(SocketAddr::from(([127, 0, 0, 1], 9090))) }
    }
}
