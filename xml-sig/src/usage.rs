//! What a certificate is for, by its extensions and its kind of key (RFC 5280 section 4.2, RFC 5480), read once: whether it
//! may sign documents, certificates, or the answers of a responder.

use crate::der::{BITS, BOOLEAN, CertificateParts, Der, Extension, INTEGER, OID, SEQUENCE, bits, only};
use crate::keys::{RSA_BITS, RSA_EXPONENT_BITS};
use crate::verdict::{Invalid, Objection, Unusable};
use crate::vouch::{Strength, strength};

const KEY_USAGE: &[u8] = &[0x55, 0x1D, 0x0F];
const BASIC_CONSTRAINTS: &[u8] = &[0x55, 0x1D, 0x13];
const EXTENDED_KEY_USAGE: &[u8] = &[0x55, 0x1D, 0x25];
/// Extensions that may be critical: those that are applied here or by OpenSSL, and those that restrict nothing that a
/// signature of a document touches. 2.5.29: subjectKeyIdentifier, keyUsage, subjectAltName, issuerAltName,
/// basicConstraints, nameConstraints, cRLDistributionPoints, certificatePolicies, policyMappings,
/// authorityKeyIdentifier, policyConstraints, extKeyUsage, inhibitAnyPolicy.
const UNDERSTOOD: [u8; 13] = [0x0E, 0x0F, 0x11, 0x12, 0x13, 0x1E, 0x1F, 0x20, 0x21, 0x23, 0x24, 0x25, 0x36];

/// Purposes that may sign documents, in DER: emailProtection (RFC 5280), documentSigning (RFC 9336), and Microsoft's
/// document signing 1.3.6.1.4.1.311.10.3.12.
const SIGNING_PURPOSES: [&[u8]; 3] = [
    &[0x2B, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x04],
    &[0x2B, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x24],
    &[0x2B, 0x06, 0x01, 0x04, 0x01, 0x82, 0x37, 0x0A, 0x03, 0x0C],
];
/// 2.5.29.37.0: it lifts the restriction of an authority, and is too wide for a signer.
const ANY_PURPOSE: &[u8] = &[0x55, 0x1D, 0x25, 0x00];
/// 1.3.6.1.5.5.7.3.9 (RFC 6960 section 4.2.2.2).
const OCSP_SIGNING: &[u8] = &[0x2B, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x09];

const RSA: &[u8] = &[0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x01, 0x01];
/// A key for PSS only (RFC 4055 section 1.2).
const RSASSA_PSS: &[u8] = &[0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x01, 0x0A];
const EC: &[u8] = &[0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x02, 0x01];
/// P-256, P-384, P-521.
const CURVES: [&[u8]; 3] = [
    &[0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x03, 0x01, 0x07],
    &[0x2B, 0x81, 0x04, 0x00, 0x22],
    &[0x2B, 0x81, 0x04, 0x00, 0x23],
];

/// What a certificate's extensions and key allow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Usage {
    /// Why it is not to be used for anything.
    fault: Option<String>,
    key: Result<(), KeyFault>,
    /// Bits of keyUsage, the first in 0x8000; `None`: there is no such extension.
    key_usage: Option<u16>,
    authority: bool,
    /// Whether extendedKeyUsage is absent.
    any_purpose: bool,
    signs_documents: bool,
    signs_answers: bool,
    lifts: bool,
    /// How it is signed itself.
    signed_by: Strength,
}

/// What is wrong with a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum KeyFault {
    /// Not an algorithm, curve or form of the profile.
    Kind(&'static str),
    /// Of the profile, and no protection.
    Weak(&'static str),
}

impl KeyFault {
    fn detail(self) -> &'static str {
        match self {
            Self::Kind(detail) | Self::Weak(detail) => detail,
        }
    }
}

const DIGITAL_SIGNATURE: u16 = 0x8000;
const NON_REPUDIATION: u16 = 0x4000;
const CRL_SIGN: u16 = 0x0200;

impl Usage {
    /// Of a certificate in DER.
    pub(crate) fn of(certificate: &[u8]) -> Self {
        let unreadable = || Self::unusable("its extensions cannot be read, or one stands twice".to_owned());
        let Some(parts) = CertificateParts::read(certificate) else { return unreadable() };
        if let Some(unknown) = parts.extensions.iter().find(|extension| is_unknown(extension)) {
            let id = crate::name::dotted(unknown.id).unwrap_or_default();
            return Self::unusable(format!("its critical extension {id} is not understood"));
        }
        Self::read(&parts).unwrap_or_else(unreadable)
    }

    fn unusable(fault: String) -> Self {
        Self {
            fault: Some(fault),
            key: Ok(()),
            key_usage: Some(0),
            authority: true,
            any_purpose: false,
            signs_documents: false,
            signs_answers: false,
            lifts: false,
            signed_by: Strength::None,
        }
    }

    fn read(parts: &CertificateParts<'_>) -> Option<Self> {
        let key_usage = parts.extension(KEY_USAGE).map_or(Some(None), |value| key_usage(value).map(Some))?;
        let authority = parts.extension(BASIC_CONSTRAINTS).map_or(Some(false), is_authority)?;
        let purposes = parts.extension(EXTENDED_KEY_USAGE).map_or(Some(None), |v| purposes(v).map(Some))?;
        let lists = |wanted: &[&[u8]]| purposes.iter().flatten().any(|purpose| wanted.contains(purpose));
        Some(Self {
            fault: None,
            key: check_key(parts.key_info),
            key_usage,
            authority,
            any_purpose: purposes.is_none(),
            signs_documents: lists(&SIGNING_PURPOSES),
            signs_answers: lists(&[OCSP_SIGNING]),
            lifts: lists(&[ANY_PURPOSE]),
            signed_by: strength(parts.algorithm),
        })
    }

    /// Whether BasicConstraints make this the certificate of an authority. One that cannot be read is taken for one.
    pub(crate) fn is_authority(&self) -> bool {
        self.authority
    }

    /// Whether it may sign documents.
    pub(crate) fn check_signer(&self) -> Result<(), Objection> {
        let usage = |detail: &str| Err(Objection::Invalid(Invalid::KeyUsage, detail.to_owned()));
        if let Some(fault) = &self.fault {
            return usage(fault);
        }
        if !self.has(DIGITAL_SIGNATURE | NON_REPUDIATION) {
            return usage("keyUsage has neither digitalSignature nor nonRepudiation");
        }
        if !self.any_purpose && !self.signs_documents {
            return usage("extendedKeyUsage names no purpose of signing documents");
        }
        match self.key {
            Ok(()) => Ok(()),
            Err(KeyFault::Kind(detail)) => Err(Objection::Unusable(Unusable::Algorithm, detail.to_owned())),
            Err(KeyFault::Weak(detail)) => Err(Objection::Invalid(Invalid::WeakKey, detail.to_owned())),
        }
    }

    /// Why an anchor, or an authority below one, may not stand in a signer's chain, as far as OpenSSL does not ask. Purposes
    /// of an authority restrict those below it.
    pub(crate) fn chain_fault(&self) -> Option<&str> {
        let for_documents = self.any_purpose || self.signs_documents || self.lifts;
        let purpose = (!for_documents).then_some("its extendedKeyUsage does not allow to sign documents");
        self.fault.as_deref().or(self.key.err().map(KeyFault::detail)).or(purpose)
    }

    /// Whether it may sign revocation lists (RFC 5280 section 6.3.3 f).
    pub(crate) fn signs_lists(&self) -> bool {
        self.fault.is_none() && self.key.is_ok() && self.has(CRL_SIGN)
    }

    /// Whether it may sign answers about certificates of its own.
    pub(crate) fn signs_answers_itself(&self) -> bool {
        self.fault.is_none() && self.key.is_ok() && self.has(DIGITAL_SIGNATURE)
    }

    /// Whether it may sign answers about certificates of its issuer (RFC 6960 section 4.2.2.2).
    pub(crate) fn signs_answers_for_issuer(&self) -> bool {
        self.signs_answers_itself() && self.signs_answers
    }

    /// How much the signature on it vouches for.
    pub(crate) fn signed_by(&self) -> Strength {
        self.signed_by
    }

    fn has(&self, any_of: u16) -> bool {
        self.key_usage.is_none_or(|bits| bits & any_of != 0)
    }
}

fn is_unknown(extension: &Extension<'_>) -> bool {
    let understood = matches!(extension.id, [0x55, 0x1D, last] if UNDERSTOOD.contains(last));
    extension.critical && !understood
}

fn key_usage(value: &[u8]) -> Option<u16> {
    let mut der = Der(value);
    let (unused, octets) = der.take(BITS)?.split_first()?;
    der.end()?;
    let last = octets.last().copied().unwrap_or(0);
    let padded = (1_u16 << unused.min(&8)) - 1;
    if *unused > 7 || octets.len() > 2 || u16::from(last) & padded != 0 {
        return None;
    }
    let octet = |at: usize| octets.get(at).copied().unwrap_or(0);
    Some(u16::from_be_bytes([octet(0), octet(1)]))
}

fn is_authority(value: &[u8]) -> Option<bool> {
    let mut fields = only(value, SEQUENCE)?;
    let authority = fields.optional(BOOLEAN)?.is_some_and(|ca| ca != [0]);
    fields.optional(INTEGER)?;
    fields.end()?;
    Some(authority)
}

fn purposes(value: &[u8]) -> Option<Vec<&[u8]>> {
    let (mut list, mut purposes) = (only(value, SEQUENCE)?, Vec::new());
    while !list.is_empty() {
        purposes.push(list.take(OID)?);
    }
    (!purposes.is_empty()).then_some(purposes)
}

/// Whether a SubjectPublicKeyInfo holds a key of the profile: RSA of 2048 to 8192 bits with an odd exponent from 3 on, or a
/// point on a curve that is *named*: with parameters spelt out, whoever made the key chose the generator.
pub(crate) fn check_key(key_info: &[u8]) -> Result<(), KeyFault> {
    let unreadable = KeyFault::Kind("its key cannot be read");
    let (id, parameters, key) = key_parts(key_info).ok_or(unreadable)?;
    match id {
        RSA | RSASSA_PSS => check_rsa(key),
        EC => match only(parameters, OID) {
            Some(Der(curve)) if CURVES.contains(&curve) => Ok(()),
            Some(_) => Err(KeyFault::Kind("an elliptic curve other than P-256, P-384 and P-521")),
            None => Err(KeyFault::Kind("an elliptic curve that is not named")),
        },
        _ => Err(KeyFault::Kind("its key is neither RSA nor ECDSA")),
    }
}

/// Algorithm, parameters, key.
fn key_parts(key_info: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let mut fields = only(key_info, SEQUENCE)?;
    let mut algorithm = fields.inside(SEQUENCE)?;
    let key = bits(fields.take(BITS)?)?;
    fields.end()?;
    let id = algorithm.take(OID)?;
    Some((id, algorithm.0, key))
}

fn check_rsa(key: &[u8]) -> Result<(), KeyFault> {
    let numbers = || {
        let mut fields = only(key, SEQUENCE)?;
        let numbers = (magnitude(fields.take(INTEGER)?)?, magnitude(fields.take(INTEGER)?)?);
        fields.end()?;
        Some(numbers)
    };
    let (modulus, exponent) = numbers().ok_or(KeyFault::Kind("its RSA key cannot be read"))?;
    let odd = |number: &[u8]| number.last().is_some_and(|last| last % 2 == 1);
    if !RSA_BITS.contains(&bit_length(modulus)) || !odd(modulus) {
        return Err(KeyFault::Weak("an RSA modulus that is even, or not of 2048 to 8192 bits"));
    }
    if !odd(exponent) || !RSA_EXPONENT_BITS.contains(&bit_length(exponent)) {
        return Err(KeyFault::Weak("an RSA exponent that is even, 1, or longer than 32 bits"));
    }
    Ok(())
}

/// The octets of a positive INTEGER without the sign's.
fn magnitude(content: &[u8]) -> Option<&[u8]> {
    match content {
        [0, rest @ ..] if rest.first().is_some_and(|first| *first >= 0x80) => Some(rest),
        [first, ..] if (1..0x80).contains(first) => Some(content),
        _ => None,
    }
}

fn bit_length(number: &[u8]) -> u32 {
    let leading = number.first().map_or(0, |first| first.leading_zeros());
    u32::try_from(number.len() * 8).unwrap_or(u32::MAX) - leading
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_read_is_for_nothing_and_an_authority() {
        let usage = Usage::of(b"\x30\x03\x30\x01\x30");
        assert!(usage.check_signer().is_err() && usage.is_authority() && usage.chain_fault().is_some());
        assert!(!usage.signs_lists() && !usage.signs_answers_itself() && !usage.signs_answers_for_issuer());
    }

    #[test]
    fn key_usage_is_read_bit_by_bit() {
        for (value, bits) in [
            (&b"\x03\x02\x07\x80"[..], Some(DIGITAL_SIGNATURE)),
            (b"\x03\x02\x06\xC0", Some(DIGITAL_SIGNATURE | NON_REPUDIATION)),
            (b"\x03\x02\x01\x06", Some(0x0600)),
            (b"\x03\x03\x07\x00\x80", Some(0x0080)),
            (b"\x03\x01\x00", Some(0)),
            (b"\x03\x02\x08\x80", None),
            (b"\x03\x02\x07\xC0", None),
            (b"\x03\x04\x00\x80\x00\x01", None),
            (b"\x03\x02\x07\x80\x00", None),
            (b"\x04\x02\x07\x80", None),
            (b"\x03\x00", None),
            (b"", None),
        ] {
            assert_eq!(key_usage(value), bits, "{value:?}");
        }
    }

    #[test]
    fn constraints_and_purposes_are_read_whole_or_not_at_all() {
        for (value, authority) in [
            (&b"\x30\x00"[..], Some(false)),
            (b"\x30\x03\x01\x01\xFF", Some(true)),
            (b"\x30\x03\x01\x01\x00", Some(false)),
            (b"\x30\x06\x01\x01\xFF\x02\x01\x00", Some(true)),
            (b"\x30\x03\x02\x01\x00", Some(false)),
            (b"\x30\x03\x04\x01\xFF", None),
            (b"\x30\x00\x00", None),
            (b"\x31\x00", None),
        ] {
            assert_eq!(is_authority(value), authority, "{value:?}");
        }
        assert_eq!(purposes(b"\x30\x03\x06\x01\x2A"), Some(vec![&b"\x2A"[..]]));
        for broken in [&b"\x30\x00"[..], b"\x30\x03\x04\x01\x2A", b"\x30\x03\x06\x01\x2A\x00", b""] {
            assert_eq!(purposes(broken), None, "{broken:?}");
        }
    }

    #[test]
    fn an_rsa_key_has_a_modulus_and_an_exponent_that_protect() {
        let integer = |magnitude: &[u8]| {
            let sign = usize::from(magnitude.first().is_some_and(|first| *first >= 0x80));
            let length = u16::try_from(magnitude.len() + sign).expect("short").to_be_bytes();
            let header = match length {
                [0, low @ 0..0x80] => vec![INTEGER, low],
                [0, low] => vec![INTEGER, 0x81, low],
                [high, low] => vec![INTEGER, 0x82, high, low],
            };
            [header, vec![0; sign], magnitude.to_vec()].concat()
        };
        let check = |modulus: &[u8], exponent: &[u8]| {
            let numbers = [integer(modulus), integer(exponent)].concat();
            let [high, low] = u16::try_from(numbers.len()).expect("short").to_be_bytes();
            check_rsa(&[&[SEQUENCE, 0x82, high, low], &numbers[..]].concat())
        };
        let modulus = |bits: usize, last: u8| {
            let mut number = vec![0xFF; bits.div_ceil(8)];
            number[0] = 0xFF >> (number.len() * 8 - bits);
            *number.last_mut().expect("some octets") = last;
            number
        };
        for (bits, fits) in
            [(2047, false), (2048, true), (2049, true), (8191, true), (8192, true), (8193, false)]
        {
            assert_eq!(check(&modulus(bits, 0xFF), &[3]).is_ok(), fits, "{bits}");
        }
        assert!(check(&modulus(2048, 0xFE), &[3]).is_err(), "even");
        for (exponent, fits) in [
            (&[1][..], false),
            (&[2], false),
            (&[3], true),
            (&[1, 0, 0], false),
            (&[1, 0, 1], true),
            (&[0xFF; 4], true),
            (&[1, 0, 0, 0, 1], false),
        ] {
            assert_eq!(check(&modulus(2048, 0xFF), exponent).is_ok(), fits, "{exponent:?}");
        }
        for broken in
            [&b"\x30\x06\x02\x01\x00\x02\x01\x03"[..], b"\x30\x06\x02\x01\x80\x02\x01\x03", b"\x30\x00"]
        {
            assert_eq!(check_rsa(broken), Err(KeyFault::Kind("its RSA key cannot be read")));
        }
    }
}
