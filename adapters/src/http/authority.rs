//! A certificate authority for tests of TLS. Every key is made here and never stored.

use std::sync::Arc;

use openssl::asn1::Asn1Time;
use openssl::bn::BigNum;
use openssl::ec::{EcGroup, EcKey};
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::x509::extension::{BasicConstraints, ExtendedKeyUsage, KeyUsage, SubjectAlternativeName};
use openssl::x509::{X509, X509Builder, X509Name, X509NameBuilder, X509NameRef};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, SupportedProtocolVersion, version};

/// The versions of TLS that are spoken.
pub(crate) const BOTH: &[&SupportedProtocolVersion] = &[&version::TLS12, &version::TLS13];

/// A certificate authority for one test.
pub(crate) struct Authority {
    certificate: X509,
    key: PKey<Private>,
}

impl Authority {
    pub(crate) fn make(name: &str) -> Self {
        let key = key();
        let name = common_name(name);
        let mut builder = builder(&name, &name, &key, true);
        builder.append_extension(BasicConstraints::new().critical().ca().build().expect("CA")).expect("CA");
        let usage = KeyUsage::new().critical().key_cert_sign().build().expect("usage");
        builder.append_extension(usage).expect("usage");
        builder.sign(&key, MessageDigest::sha256()).expect("a signature");
        Self { certificate: builder.build(), key }
    }

    pub(crate) fn pem(&self) -> Vec<u8> {
        self.certificate.to_pem().expect("PEM")
    }

    /// A server with a certificate of this authority for this name, valid or run out.
    pub(crate) fn server(
        &self,
        name: &str,
        valid: bool,
        versions: &[&'static SupportedProtocolVersion],
    ) -> Arc<ServerConfig> {
        let key = key();
        let mut builder = builder(&common_name("qlvb"), self.certificate.subject_name(), &key, valid);
        let mut alternative = SubjectAlternativeName::new();
        match name.parse::<std::net::IpAddr>() {
            Ok(_) => alternative.ip(name),
            Err(_) => alternative.dns(name),
        };
        let alternative =
            alternative.build(&builder.x509v3_context(Some(&self.certificate), None)).expect("names");
        builder.append_extension(alternative).expect("names");
        builder
            .append_extension(ExtendedKeyUsage::new().server_auth().build().expect("usage"))
            .expect("usage");
        builder.sign(&self.key, MessageDigest::sha256()).expect("a signature");
        let chain = vec![CertificateDer::from(builder.build().to_der().expect("DER"))];
        let key = PrivatePkcs8KeyDer::from(key.private_key_to_pkcs8().expect("DER"));
        let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_protocol_versions(versions)
            .expect("a version")
            .with_no_client_auth()
            .with_single_cert(chain, PrivateKeyDer::Pkcs8(key));
        Arc::new(config.expect("a server"))
    }
}

fn key() -> PKey<Private> {
    let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).expect("a curve");
    PKey::from_ec_key(EcKey::generate(&group).expect("a key")).expect("a key")
}

fn common_name(name: &str) -> X509Name {
    let mut builder = X509NameBuilder::new().expect("a name");
    builder.append_entry_by_nid(Nid::COMMONNAME, name).expect("a name");
    builder.build()
}

/// The frame of a certificate that is valid since 1970, for a month more or only until 1971.
fn builder(subject: &X509NameRef, issuer: &X509NameRef, key: &PKey<Private>, valid: bool) -> X509Builder {
    let mut builder = X509Builder::new().expect("a certificate");
    let serial = BigNum::from_u32(7).and_then(|n| n.to_asn1_integer()).expect("a number");
    builder.set_version(2).expect("version 3");
    builder.set_serial_number(&serial).expect("a number");
    builder.set_subject_name(subject).expect("a name");
    builder.set_issuer_name(issuer).expect("a name");
    builder.set_pubkey(key).expect("a key");
    builder.set_not_before(&Asn1Time::from_unix(0).expect("a time")).expect("a time");
    let end = if valid { Asn1Time::days_from_now(30) } else { Asn1Time::from_unix(365 * 24 * 60 * 60) };
    builder.set_not_after(&end.expect("a time")).expect("a time");
    builder
}
