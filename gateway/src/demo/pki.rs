//! Certificates for the demo's peers: a small authority of their own, and a certificate of it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use openssl::asn1::Asn1Time;
use openssl::bn::BigNum;
use openssl::ec::{EcGroup, EcKey};
use openssl::error::ErrorStack;
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::x509::extension::{BasicConstraints, ExtendedKeyUsage, KeyUsage, SubjectAlternativeName};
use openssl::x509::{X509, X509Builder, X509Name, X509NameBuilder};
use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio_rustls::TlsAcceptor;

use super::world::write;
use crate::cli::{CommandFault, TRIAL_MARK};

/// Days that they are good for.
const DAYS: u32 = 90;

/// TLS of one peer.
pub struct PeerTls {
    /// The authority's certificate, PEM: what the gateway is told to trust.
    pub ca: PathBuf,
    /// For the peer's own side.
    pub acceptor: TlsAcceptor,
}

/// Makes an authority and a server certificate for `host`, a name or an address; the authority's goes to `ca`.
///
/// # Errors
/// The file cannot be written, or openssl has trouble.
pub fn peer_tls(ca: &Path, host: &str) -> Result<PeerTls, CommandFault> {
    crate::serve::install_crypto();
    let crypto = |cause: ErrorStack| CommandFault::at("openssl", cause);
    let made = make(host, "Mail CA").map_err(crypto)?;
    write(ca, &made.ca.to_pem().map_err(crypto)?)?;
    let key = made.key.private_key_to_pkcs8().map_err(crypto)?;
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key));
    let certificate = made.certificate.to_der().map_err(crypto)?;
    let config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![CertificateDer::from(certificate)], key)
        .map_err(|cause| CommandFault::at("TLS", cause))?;
    Ok(PeerTls { ca: ca.to_owned(), acceptor: TlsAcceptor::from(Arc::new(config)) })
}

/// Files of nodes that show each other certificates.
pub(super) struct NodeTls {
    /// The authority's certificate, PEM.
    pub(super) ca: PathBuf,
    /// The nodes' certificate, PEM.
    pub(super) certificate: PathBuf,
    /// Its key, PEM.
    pub(super) key: PathBuf,
}

/// Makes an authority and one certificate for all nodes on `host`, in `folder`.
pub(super) fn node_tls(folder: &Path, host: &str) -> Result<NodeTls, CommandFault> {
    let crypto = |cause: ErrorStack| CommandFault::at("openssl", cause);
    let made = make(host, "Cluster CA").map_err(crypto)?;
    let files = NodeTls {
        ca: folder.join("cluster-ca.pem"),
        certificate: folder.join("node.pem"),
        key: folder.join("node.key"),
    };
    write(&files.ca, &made.ca.to_pem().map_err(crypto)?)?;
    write(&files.certificate, &made.certificate.to_pem().map_err(crypto)?)?;
    write(&files.key, &made.key.private_key_to_pem_pkcs8().map_err(crypto)?)?;
    Ok(files)
}

/// An authority, and a certificate of it that serves both sides of a connection.
struct Made {
    ca: X509,
    certificate: X509,
    key: PKey<Private>,
}

fn make(host: &str, authority: &str) -> Result<Made, ErrorStack> {
    let (ca_key, key) = (key()?, key()?);
    let (ca_name, name) = (name(authority)?, name(host)?);
    let mut ca = begin(&ca_name, &ca_name, &ca_key, 1)?;
    ca.append_extension(BasicConstraints::new().critical().ca().build()?)?;
    ca.append_extension(KeyUsage::new().critical().key_cert_sign().build()?)?;
    ca.sign(&ca_key, MessageDigest::sha256())?;
    let ca = ca.build();
    let mut server = begin(&name, &ca_name, &key, 2)?;
    server.append_extension(BasicConstraints::new().critical().build()?)?;
    server.append_extension(KeyUsage::new().critical().digital_signature().build()?)?;
    server.append_extension(ExtendedKeyUsage::new().server_auth().client_auth().build()?)?;
    let mut names = SubjectAlternativeName::new();
    let names = if host.parse::<std::net::IpAddr>().is_ok() { names.ip(host) } else { names.dns(host) };
    let names = names.build(&server.x509v3_context(Some(&ca), None))?;
    server.append_extension(names)?;
    server.sign(&ca_key, MessageDigest::sha256())?;
    Ok(Made { ca, certificate: server.build(), key })
}

fn key() -> Result<PKey<Private>, ErrorStack> {
    let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1)?;
    PKey::from_ec_key(EcKey::generate(&group)?)
}

fn name(common: &str) -> Result<X509Name, ErrorStack> {
    let mut name = X509NameBuilder::new()?;
    name.append_entry_by_nid(Nid::ORGANIZATIONNAME, TRIAL_MARK)?;
    name.append_entry_by_nid(Nid::COMMONNAME, common)?;
    Ok(name.build())
}

fn begin(
    subject: &X509Name,
    issuer: &X509Name,
    key: &PKey<Private>,
    serial: u32,
) -> Result<X509Builder, ErrorStack> {
    let mut builder = X509Builder::new()?;
    builder.set_version(2)?;
    let serial = BigNum::from_u32(serial)?.to_asn1_integer()?;
    builder.set_serial_number(&serial)?;
    builder.set_subject_name(subject)?;
    builder.set_issuer_name(issuer)?;
    let (from, to) = (Asn1Time::days_from_now(0)?, Asn1Time::days_from_now(DAYS)?);
    builder.set_not_before(&from)?;
    builder.set_not_after(&to)?;
    builder.set_pubkey(key)?;
    Ok(builder)
}
