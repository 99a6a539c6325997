//! TLS of the public listener: rustls with ring, 1.2 or later (design.md B8).

use std::path::Path;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;

use crate::cli::CommandFault;

/// An acceptor from PEM files.
///
/// # Errors
/// Files that cannot be read, or a key that does not fit the certificate.
pub(super) fn acceptor(certificate: &Path, key: &Path) -> Result<TlsAcceptor, CommandFault> {
    let bad = |path: &Path, cause: &dyn std::fmt::Display| CommandFault::at(path.display(), cause);
    let chain = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|cause| bad(certificate, &cause))?;
    let private = PrivateKeyDer::from_pem_file(key).map_err(|cause| bad(key, &cause))?;
    let config = ServerConfig::builder().with_no_client_auth().with_single_cert(chain, private);
    let mut config = config.map_err(|cause| bad(key, &cause))?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}
