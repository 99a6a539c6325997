//! TLS: whose certificate is taken, and what follows when it is not. Every key is made here and never stored.

use std::sync::Arc;

use lienthong_pipeline::ports::{Adapter, DeliveryFailure, FailureClass};
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

use super::peer::{Conduct, Peer};
use super::{answer, attempt, endpoint};
use crate::parcel::{Parcel, system};
use crate::vendor_http::{EndpointCause, VendorHttp, VendorHttpEndpoint};

/// A certificate authority for one test.
pub(super) struct Authority {
    certificate: X509,
    key: PKey<Private>,
}

impl Authority {
    pub(super) fn make(name: &str) -> Self {
        let key = key();
        let name = common_name(name);
        let mut builder = builder(&name, &name, &key, true);
        builder.append_extension(BasicConstraints::new().critical().ca().build().expect("CA")).expect("CA");
        let usage = KeyUsage::new().critical().key_cert_sign().build().expect("usage");
        builder.append_extension(usage).expect("usage");
        builder.sign(&key, MessageDigest::sha256()).expect("a signature");
        Self { certificate: builder.build(), key }
    }

    pub(super) fn pem(&self) -> Vec<u8> {
        self.certificate.to_pem().expect("PEM")
    }

    /// A server with a certificate of this authority for this name, valid or run out.
    fn server(
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

const BOTH: &[&SupportedProtocolVersion] = &[&version::TLS12, &version::TLS13];

fn over_tls(peer: &Peer, trusted: &Authority) -> VendorHttpEndpoint {
    let url = format!("https://{}/nhan/goi", peer.address);
    VendorHttpEndpoint { ca_pem: Some(trusted.pem()), ..endpoint(url) }
}

#[tokio::test]
async fn a_receiver_with_the_right_certificate_gets_the_packet() {
    let authority = Authority::make("Thử một");
    for versions in [BOTH, &[&version::TLS12], &[&version::TLS13]] {
        let server = authority.server("127.0.0.1", true, versions);
        let peer = Peer::start_tls(answer("200 OK", "", "xong"), server);
        let handover = attempt(over_tls(&peer, &authority)).await.expect("200");
        assert_eq!(handover.note, "HTTP 200: xong");
        assert_eq!(peer.only().body, b"<edXML/>");
    }
}

/// A failed handshake with this server: nothing was sent.
async fn refused(server: Arc<ServerConfig>, trusted: &Authority) -> DeliveryFailure {
    let peer = Peer::start_tls(answer("200 OK", "", ""), server);
    let failure = attempt(over_tls(&peer, trusted)).await.expect_err("refused");
    assert!(peer.seen().is_empty(), "no byte of the packet leaves before the certificate is checked");
    failure
}

#[tokio::test]
async fn a_certificate_for_another_name_is_ours_to_fix() {
    let authority = Authority::make("Thử hai");
    for name in ["qlvb.example", "127.0.0.2"] {
        let failure = refused(authority.server(name, true, BOTH), &authority).await;
        assert_eq!(
            (failure.class, failure.code.as_str()),
            (FailureClass::OursToFix, "tls_name"),
            "{failure}"
        );
    }
}

#[tokio::test]
async fn a_certificate_that_is_not_trusted_is_ours_to_fix() {
    let (ours, theirs) = (Authority::make("Của ta"), Authority::make("Của họ"));
    let unknown = refused(theirs.server("127.0.0.1", true, BOTH), &ours).await;
    let namesake = refused(Authority::make("Của ta").server("127.0.0.1", true, BOTH), &ours).await;
    let run_out = refused(ours.server("127.0.0.1", false, BOTH), &ours).await;
    for failure in [unknown, namesake, run_out] {
        assert_eq!(
            (failure.class, failure.code.as_str()),
            (FailureClass::OursToFix, "tls_certificate"),
            "{failure}"
        );
        assert!(failure.note.contains("certificate"), "{failure}");
    }
}

#[tokio::test]
async fn without_an_authority_of_its_own_the_platforms_are_asked() {
    let peer =
        Peer::start_tls(answer("200 OK", "", ""), Authority::make("Lạ").server("127.0.0.1", true, BOTH));
    let plain = VendorHttpEndpoint { ca_pem: None, ..over_tls(&peer, &Authority::make("Khác")) };
    let adapter = match VendorHttp::new([(system("qlvb-mot"), plain)]) {
        Ok(adapter) => adapter,
        Err(fault) => {
            assert!(matches!(fault.cause, EndpointCause::Client(_)), "{fault}");
            println!("SKIPPED: the platform has no certificate authorities");
            return;
        }
    };
    let failure = adapter.deliver(&Parcel::of(b"<edXML/>").consignment()).await.expect_err("not trusted");
    assert_eq!(failure.code, "tls_certificate");
    assert!(peer.seen().is_empty());
}

#[tokio::test]
async fn a_broken_handshake_is_the_receivers_trouble() {
    // Plain HTTP on the port: what comes back is no TLS record, or nothing.
    let authority = Authority::make("Thử ba");
    for bytes in ["HTTP/1.1 400 Bad Request\r\n\r\n", ""] {
        let peer = Peer::start(Conduct::Greet(bytes.into()));
        let failure = attempt(over_tls(&peer, &authority)).await.expect_err("no TLS");
        assert_eq!((failure.class, failure.code.as_str()), (FailureClass::Receiver, "tls"), "{failure}");
    }
}
