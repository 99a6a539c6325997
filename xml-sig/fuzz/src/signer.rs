//! Two signers, made when a run begins, and what they sign: P-256 and RSA-2048, each with a certificate by itself. Not one
//! of them is the crate's own signing.

use std::sync::{Arc, OnceLock};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use openssl::asn1::{Asn1Integer, Asn1Time};
use openssl::bn::BigNum;
use openssl::ec::{EcGroup, EcKey};
use openssl::ecdsa::EcdsaSig;
use openssl::hash::{MessageDigest, hash};
use openssl::nid::Nid;
use openssl::pkey::{Id, PKey, Private};
use openssl::rsa::{Padding, Rsa};
use openssl::sign::{RsaPssSaltlen, Signer, Verifier};
use openssl::x509::{X509, X509Builder, X509NameBuilder};
use xml_sig::{Authorities, Certificate, Signers, Trust};

/// A key with its certificate.
pub(crate) struct Identity {
    key: PKey<Private>,
    /// DER, in base64. It has the same length in every run, so that findings can be run again.
    pub(crate) certificate: String,
}

/// Length of an X.509 certificate of ours whose ECDSA signature has no leading zeros to save.
const ECDSA_VALUE_BYTES: usize = 72;

impl Identity {
    fn new(key: PKey<Private>, name: &str) -> Self {
        loop {
            let certificate = issue(&key, name);
            if key.id() != Id::EC || certificate.signature().as_slice().len() == ECDSA_VALUE_BYTES {
                let certificate = STANDARD.encode(certificate.to_der().expect("DER"));
                return Self { key, certificate };
            }
        }
    }

    /// Signs octets the way that a SignatureMethod's URI asks for, as far as the key can.
    pub(crate) fn sign(&self, octets: &[u8], method: &str) -> String {
        let digest = digest_of(method);
        if self.key.id() == Id::EC {
            let digest = hash(digest, octets).expect("a digest");
            let key = self.key.ec_key().expect("an EC key");
            let value = EcdsaSig::sign(&digest, &key).expect("a signature");
            let mut octets = value.r().to_vec_padded(32).expect("r");
            octets.extend(value.s().to_vec_padded(32).expect("s"));
            return STANDARD.encode(octets);
        }
        let mut signer = Signer::new(digest, &self.key).expect("a signer");
        if method.contains("MGF1") || method.contains("pss") {
            signer.set_rsa_padding(Padding::PKCS1_PSS).expect("PSS");
            signer.set_rsa_mgf1_md(digest).expect("MGF1");
            signer.set_rsa_pss_saltlen(RsaPssSaltlen::DIGEST_LENGTH).expect("a length of salt");
        }
        STANDARD.encode(signer.sign_oneshot_to_vec(octets).expect("a signature"))
    }

    /// Whether this is what [`Identity::sign`] makes.
    pub(crate) fn has_signed(&self, octets: &[u8], method: &str, value: &[u8]) -> bool {
        let digest = digest_of(method);
        if self.key.id() == Id::EC {
            let (Some((r, s)), true) = (value.split_at_checked(32), value.len() == 64) else { return false };
            let number = |octets| BigNum::from_slice(octets).expect("a number");
            let value = EcdsaSig::from_private_components(number(r), number(s)).expect("a pair");
            let key = self.key.ec_key().expect("an EC key");
            let digest = hash(digest, octets).expect("a digest");
            return method.contains("ecdsa") && value.verify(&digest, &key).unwrap_or(false);
        }
        let mut verifier = Verifier::new(digest, &self.key).expect("a verifier");
        if method.contains("MGF1") || method.contains("pss") {
            verifier.set_rsa_padding(Padding::PKCS1_PSS).expect("PSS");
            verifier.set_rsa_mgf1_md(digest).expect("MGF1");
            verifier.set_rsa_pss_saltlen(RsaPssSaltlen::DIGEST_LENGTH).expect("a length of salt");
        }
        method.contains("rsa") && verifier.verify_oneshot(value, octets).unwrap_or(false)
    }
}

/// The digest that a SignatureMethod's URI names.
fn digest_of(method: &str) -> MessageDigest {
    match method {
        method if method.contains("384") => MessageDigest::sha384(),
        method if method.contains("512") => MessageDigest::sha512(),
        method if method.contains("sha1") => MessageDigest::sha1(),
        _ => MessageDigest::sha256(),
    }
}

fn issue(key: &PKey<Private>, name: &str) -> X509 {
    let mut subject = X509NameBuilder::new().expect("a name");
    subject.append_entry_by_nid(Nid::COMMONNAME, name).expect("a name");
    let subject = subject.build();
    let mut builder = X509Builder::new().expect("a certificate");
    let serial = Asn1Integer::from_bn(&BigNum::from_u32(7).expect("a number")).expect("a serial number");
    builder.set_version(2).expect("a version");
    builder.set_serial_number(&serial).expect("a serial number");
    builder.set_subject_name(&subject).expect("a subject");
    builder.set_issuer_name(&subject).expect("an issuer");
    builder.set_not_before(&Asn1Time::from_str("20260101000000Z").expect("a time")).expect("a time");
    builder.set_not_after(&Asn1Time::from_str("20280101000000Z").expect("a time")).expect("a time");
    builder.set_pubkey(key).expect("a key");
    builder.sign(key, MessageDigest::sha256()).expect("a signature");
    builder.build()
}

/// The signer with the key on P-256.
pub(crate) fn ec() -> &'static Identity {
    static EC: OnceLock<Identity> = OnceLock::new();
    EC.get_or_init(|| Identity::new(ec_key(), "ec"))
}

/// The signer with the RSA key.
pub(crate) fn rsa() -> &'static Identity {
    static RSA: OnceLock<Identity> = OnceLock::new();
    let key = || PKey::from_rsa(Rsa::generate(2048).expect("a key")).expect("a key");
    RSA.get_or_init(|| Identity::new(key(), "rsa"))
}

/// Somebody who is not trusted, with a certificate in the same words as the first one's.
pub(crate) fn stranger() -> &'static Identity {
    static STRANGER: OnceLock<Identity> = OnceLock::new();
    STRANGER.get_or_init(|| Identity::new(ec_key(), "ec"))
}

fn ec_key() -> PKey<Private> {
    let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).expect("P-256");
    PKey::from_ec_key(EcKey::generate(&group).expect("a key")).expect("a key")
}

/// Trust in the two signers.
pub(crate) fn trust() -> &'static Trust {
    static TRUST: OnceLock<Trust> = OnceLock::new();
    TRUST.get_or_init(|| {
        let certificates = [ec(), rsa()].map(|identity| {
            let der = STANDARD.decode(&identity.certificate).expect("base64");
            Certificate::from_der(&der).expect("a certificate")
        });
        Trust {
            signers: Arc::new(Signers::from(certificates.to_vec())),
            authorities: Arc::new(Authorities::default()),
            at: "2026-11-23T00:00:00Z".parse().expect("a time"),
            legacy_sha1: false,
        }
    })
}
