//! Public keys and what they say to a SignatureValue. A key is decoded once and kept: decoding costs OpenSSL 3 several
//! times what a verification with RSA-2048 does.

use std::fmt;
use std::ops::RangeInclusive;
use std::sync::Arc;

use openssl::bn::BigNum;
use openssl::ec::EcKey;
use openssl::ecdsa::EcdsaSig;
use openssl::error::ErrorStack;
use openssl::hash::hash;
use openssl::nid::Nid;
use openssl::pkey::{Id, PKey, Public};
use openssl::rsa::Padding;
use openssl::sha::sha256;
use openssl::sign::{RsaPssSaltlen, Verifier};

use crate::algorithms::{KeyKind, SignatureMethod};
use crate::certificate::{Certificate, KeyError, begun};
use crate::usage::check_key;
use crate::verdict::{Invalid, Objection};

/// RSA keys outside these sizes are refused: below for weakness (NIST SP 800-57 part 1, table 2: 2048 bits withstand
/// 112), above for the time they cost.
pub(crate) const RSA_BITS: RangeInclusive<u32> = 2048..=8192;
/// Bits of an RSA exponent: with 1 every value is its own signature, and one as long as the modulus makes a verification
/// take a hundred times as long. Programs that keep it in 32 bits are many; 65537 has 17.
pub(crate) const RSA_EXPONENT_BITS: RangeInclusive<u32> = 2..=32;

/// A public key of RSA or of ECDSA on P-256, P-384 or P-521, decoded. A clone is the same key.
#[derive(Clone)]
pub struct PublicKey {
    key: Arc<Decoded>,
}

struct Decoded {
    kind: Kind,
    sha256: [u8; 32],
    rsa_bits_min: u32,
}

enum Kind {
    Rsa {
        key: PKey<Public>,
        exponent_is_sound: bool,
        /// The certificate says that the key is for PSS (RFC 4055 section 1.2).
        pss_only: bool,
    },
    Ec {
        key: EcKey<Public>,
        curve: Curve,
    },
    /// A curve that is not in the profile.
    OtherCurve,
    /// A kind of key that no SignatureMethod of the profile takes.
    Other,
}

/// A curve of FIPS 186-4.
#[derive(Clone, Copy)]
struct Curve {
    name: &'static str,
    nid: Nid,
    /// How long r and s are each: as the field (RFC 9231 section 2.3.6).
    field_bytes: usize,
}

impl Curve {
    /// Whether r and s of P-521 lack the first byte of their field, which is 0 or 1: some versions of Java leave it out
    /// where it is 0.
    fn is_short(self, value_bytes: usize) -> bool {
        self.nid == Nid::SECP521R1 && value_bytes == 2 * (self.field_bytes - 1)
    }
}

const CURVES: [Curve; 3] = [
    Curve { name: "P-256", nid: Nid::X9_62_PRIME256V1, field_bytes: 32 },
    Curve { name: "P-384", nid: Nid::SECP384R1, field_bytes: 48 },
    Curve { name: "P-521", nid: Nid::SECP521R1, field_bytes: 66 },
];

impl PublicKey {
    /// The key of a PEM text with a `PUBLIC KEY` (SubjectPublicKeyInfo, RFC 7468 section 13). `rsa_bits_min` is 2048 in
    /// the profile; less is for documents of the past. RSA keys of more than 8192 bits are never taken.
    ///
    /// # Errors
    /// There is no such key or more than one, it is of another kind or curve, or an RSA key with too few bits, too many, or an exponent
    /// that is even, 1, or longer than 32 bits.
    pub fn from_pem(pem: &[u8], rsa_bits_min: u32) -> Result<Self, KeyError> {
        match begun(pem, &["PUBLIC KEY"]) {
            0 => return Err(KeyError::Missing("public key")),
            1 => {}
            _ => return Err(KeyError::Unreadable("public key")),
        }
        let key = PKey::public_key_from_pem(pem).map_err(|_| KeyError::Unreadable("public key"))?;
        Self::new(key, rsa_bits_min)?.within_the_profile()
    }

    /// The key of a certificate, of which nothing else counts: no dates, no usage, no issuer. `rsa_bits_min` as in [`PublicKey::from_pem`].
    ///
    /// # Errors
    /// As [`PublicKey::from_pem`].
    pub fn from_certificate(certificate: &Certificate, rsa_bits_min: u32) -> Result<Self, KeyError> {
        let key = certificate.x509().public_key().map_err(|_| KeyError::Kind)?;
        Self::new(key, rsa_bits_min)?.within_the_profile()
    }

    /// SHA-256 over the SubjectPublicKeyInfo in DER (RFC 5280 section 4.1.2.7).
    pub fn sha256(&self) -> [u8; 32] {
        self.key.sha256
    }

    /// Any key; [`PublicKey::check`] says what is wrong with it, if a signature comes to that.
    pub(crate) fn new(key: PKey<Public>, rsa_bits_min: u32) -> Result<Self, KeyError> {
        let unreadable = |_| KeyError::Unreadable("public key");
        let der = key.public_key_to_der().map_err(unreadable)?;
        let sha256 = sha256(&der);
        let kind = match key.id() {
            id @ (Id::RSA | Id::RSA_PSS) => {
                let rsa = key.rsa().map_err(unreadable)?;
                let exponent = rsa.e();
                let exponent_bits = u32::try_from(exponent.num_bits()).ok();
                let exponent_is_sound = exponent.is_bit_set(0)
                    && exponent_bits.is_some_and(|bits| RSA_EXPONENT_BITS.contains(&bits));
                Kind::Rsa { key, exponent_is_sound, pss_only: id == Id::RSA_PSS }
            }
            Id::EC => {
                let key = key.ec_key().map_err(unreadable)?;
                key.check_key().map_err(unreadable)?;
                let nid = key.group().curve_name();
                match CURVES.into_iter().find(|curve| Some(curve.nid) == nid) {
                    // OpenSSL also finds the name of a curve whose parameters are spelt out (RFC 5480 section 2.1.1).
                    Some(curve) if check_key(&der).is_ok() => Kind::Ec { key, curve },
                    _ => Kind::OtherCurve,
                }
            }
            _ => Kind::Other,
        };
        Ok(Self { key: Arc::new(Decoded { kind, sha256, rsa_bits_min }) })
    }

    fn within_the_profile(self) -> Result<Self, KeyError> {
        match &self.key.kind {
            Kind::Rsa { key, exponent_is_sound, .. } => {
                if !self.takes_bits(key.bits()) {
                    return Err(KeyError::Size(key.bits()));
                }
                if !exponent_is_sound {
                    return Err(KeyError::Exponent);
                }
            }
            Kind::Ec { .. } => {}
            Kind::OtherCurve | Kind::Other => return Err(KeyError::Kind),
        }
        Ok(self)
    }

    fn takes_bits(&self, bits: u32) -> bool {
        (self.key.rsa_bits_min..=*RSA_BITS.end()).contains(&bits)
    }

    /// Whether this key made `value` over `octets` with `method`. An error of OpenSSL is never a success.
    pub(crate) fn check(
        &self,
        method: SignatureMethod,
        octets: &[u8],
        value: &[u8],
    ) -> Result<(), Objection> {
        let made = match (method.key, &self.key.kind) {
            (KeyKind::RsaPkcs1 | KeyKind::RsaPss, Kind::Rsa { key, exponent_is_sound, pss_only }) => {
                if !self.takes_bits(key.bits()) {
                    let detail = format!("RSA of {} bits", key.bits());
                    return Err(Objection::Invalid(Invalid::WeakKey, detail));
                }
                if !exponent_is_sound {
                    let detail = "RSA with an exponent that is even, 1, or longer than 32 bits".to_owned();
                    return Err(Objection::Invalid(Invalid::WeakKey, detail));
                }
                if *pss_only && method.key == KeyKind::RsaPkcs1 {
                    return Err(mismatch(method));
                }
                // RFC 8017 sections 8.1.2 and 8.2.2, step 1; OpenSSL asks for it in one of the two.
                if value.len() != key.size() {
                    return Err(bad_value(format!("an RSA value with this key has {} bytes", key.size())));
                }
                made_by_rsa(key, method, octets, value)
            }
            (KeyKind::Ecdsa, Kind::Ec { key, curve }) => {
                let (name, bytes) = (curve.name, 2 * curve.field_bytes);
                if value.len() != bytes && !curve.is_short(value.len()) {
                    return Err(bad_value(format!("an ECDSA value on {name} has {bytes} bytes")));
                }
                made_by_ecdsa(key, method, octets, value)
            }
            (KeyKind::Ecdsa, Kind::OtherCurve) => {
                return Err(Objection::algorithm("an elliptic curve other than P-256, P-384 and P-521"));
            }
            _ => return Err(mismatch(method)),
        };
        // OpenSSL answers a malformed value with an error; it is no less wrong for that.
        if made.unwrap_or(false) { Ok(()) } else { Err(bad_value("it does not fit SignedInfo and key")) }
    }
}

impl Certificate {
    /// [`PublicKey::check`] with the certificate's key.
    pub(crate) fn check_value(
        &self,
        method: SignatureMethod,
        octets: &[u8],
        value: &[u8],
    ) -> Result<(), Objection> {
        self.public_key().map_err(|_| mismatch(method))?.check(method, octets, value)
    }
}

impl PartialEq for PublicKey {
    fn eq(&self, other: &Self) -> bool {
        self.key.sha256 == other.key.sha256 && self.key.rsa_bits_min == other.key.rsa_bits_min
    }
}

impl Eq for PublicKey {}

/// Kind and size, such as `RSA 2048` or `P-256`.
impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.key.kind {
            Kind::Rsa { key, .. } => write!(f, "RSA {}", key.bits()),
            Kind::Ec { curve, .. } => f.write_str(curve.name),
            Kind::OtherCurve => f.write_str("another elliptic curve"),
            Kind::Other => f.write_str("another kind of key"),
        }
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({self}, ")?;
        self.key.sha256.iter().try_for_each(|byte| write!(f, "{byte:02x}"))?;
        f.write_str(")")
    }
}

fn made_by_rsa(
    key: &PKey<Public>,
    method: SignatureMethod,
    octets: &[u8],
    value: &[u8],
) -> Result<bool, ErrorStack> {
    let digest = method.digest.digest();
    let mut verifier = Verifier::new(digest, key)?;
    if method.key == KeyKind::RsaPss {
        verifier.set_rsa_padding(Padding::PKCS1_PSS)?;
        verifier.set_rsa_mgf1_md(digest)?;
        verifier.set_rsa_pss_saltlen(RsaPssSaltlen::DIGEST_LENGTH)?;
    } else {
        verifier.set_rsa_padding(Padding::PKCS1)?;
    }
    verifier.verify_oneshot(value, octets)
}

/// OpenSSL refuses r and s that are not within 1 and the order of the curve less 1 (FIPS 186-5 section 6.4.2).
fn made_by_ecdsa(
    key: &EcKey<Public>,
    method: SignatureMethod,
    octets: &[u8],
    value: &[u8],
) -> Result<bool, ErrorStack> {
    let (r, s) = value.split_at(value.len() / 2);
    let signature = EcdsaSig::from_private_components(BigNum::from_slice(r)?, BigNum::from_slice(s)?)?;
    signature.verify(&hash(method.digest.digest(), octets)?, key)
}

fn mismatch(method: SignatureMethod) -> Objection {
    Objection::Invalid(Invalid::KeyMismatch, format!("{} with another kind of key", method.uri))
}

fn bad_value(detail: impl Into<String>) -> Objection {
    Objection::Invalid(Invalid::SignatureValue, detail.into())
}
