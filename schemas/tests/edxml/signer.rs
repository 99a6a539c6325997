//! Keys made at run time, signing, and the two passes that give an envelope and a verdict.

use std::io::{BufRead, Cursor};
use std::sync::Arc;

use jiff::Timestamp;
use lienthong_schemas::edxml::{EdxmlLimits, Envelope, EnvelopeReader, HEADER_PATH, PLACES, ReadMode};
use openssl::asn1::Asn1Time;
use openssl::bn::BigNum;
use openssl::ec::{EcGroup, EcKey};
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::PKey;
use openssl::x509::extension::KeyUsage;
use openssl::x509::{X509, X509NameBuilder};
use xml_sig::{Certificate, Limits, ReadOptions, SigningKey, Trust, Verdict, locate, sign};

/// 2026-01-01T00:00:00Z.
const NOT_BEFORE: i64 = 1_767_225_600;
const DAY: i64 = 86_400;

/// A P-256 key with a self-signed certificate for signing, valid for ten days of January 2026.
pub(crate) fn signer(common_name: &str) -> SigningKey {
    let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).expect("P-256");
    let key = PKey::from_ec_key(EcKey::generate(&group).expect("a key")).expect("a key");
    let mut name = X509NameBuilder::new().expect("a name");
    name.append_entry_by_nid(Nid::COMMONNAME, common_name).expect("a name");
    let name = name.build();
    let mut certificate = X509::builder().expect("a builder");
    certificate.set_version(2).expect("X.509 v3");
    let serial = BigNum::from_u32(1).and_then(|n| n.to_asn1_integer()).expect("a serial number");
    certificate.set_serial_number(&serial).expect("a serial number");
    certificate.set_subject_name(&name).expect("a subject");
    certificate.set_issuer_name(&name).expect("an issuer");
    certificate.set_pubkey(&key).expect("a key");
    certificate.set_not_before(&Asn1Time::from_unix(NOT_BEFORE).expect("a time")).expect("a time");
    certificate.set_not_after(&Asn1Time::from_unix(NOT_BEFORE + 10 * DAY).expect("a time")).expect("a time");
    let usage = KeyUsage::new().critical().digital_signature().non_repudiation().build().expect("a usage");
    certificate.append_extension(usage).expect("a usage");
    certificate.sign(&key, MessageDigest::sha256()).expect("a signature");
    let certificate = certificate.build().to_pem().expect("PEM");
    SigningKey::from_pem(&key.private_key_to_pem_pkcs8().expect("PEM"), &certificate)
        .expect("key and certificate")
}

/// The packet, signed.
pub(crate) fn signed(packet: &[u8], key: &SigningKey) -> Vec<u8> {
    let limits = Limits::default();
    let options = ReadOptions { limits: &limits, initial_namespaces: &[] };
    let mut open = || -> std::io::Result<Box<dyn BufRead>> { Ok(Box::new(Cursor::new(packet.to_vec()))) };
    let mut output = Vec::new();
    sign(&mut open, HEADER_PATH, key, &options, &mut output).expect("a packet that can be signed");
    output
}

/// Trust in these certificates, on the second day of their life.
pub(crate) fn trust(pinned: &[Certificate]) -> Trust {
    trust_after_days(pinned, 1)
}

pub(crate) fn trust_after_days(pinned: &[Certificate], days: i64) -> Trust {
    let at = Timestamp::from_second(NOT_BEFORE + days * DAY).expect("a time");
    Trust {
        signers: Arc::new(pinned.to_vec().into()),
        authorities: Arc::default(),
        at,
        legacy_sha1: false,
    }
}

/// Both passes, as intake makes them: the envelope of the second, or of the first when the second was cut short.
pub(crate) fn judged(
    packet: &[u8],
    trust: &Trust,
    initial_namespaces: &[(&str, &str)],
) -> (Envelope, Verdict) {
    let limits = Limits::default();
    let options = ReadOptions { limits: &limits, initial_namespaces };
    let mut claims = EnvelopeReader::new(ReadMode::Claims, &EdxmlLimits::default());
    let located = locate(&mut &packet[..], &options, &PLACES, &mut claims).expect("well-formed");
    let mut whole = EnvelopeReader::new(ReadMode::Full, &EdxmlLimits::default());
    let verdict = located.verify(&mut &packet[..], trust, &mut whole).expect("the same bytes");
    let envelope = whole.finish().or_else(|_| claims.finish()).expect("a packet");
    (envelope, verdict)
}
