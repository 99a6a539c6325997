//! The signatures of authorities: on certificates, revocation lists and responders' answers. Which digest vouches for them,
//! and whether a key made one (RFC 3279, RFC 4055, RFC 5758).

use openssl::error::ErrorStack;
use openssl::hash::MessageDigest;
use openssl::pkey::{Id, PKeyRef, Public};
use openssl::sign::Verifier;

use crate::der::{Der, EXPLICIT_0, OID, SEQUENCE, only};

/// An algorithm with its digest in its name.
struct Algorithm {
    id: &'static [u8],
    key: Id,
    digest: fn() -> MessageDigest,
    strength: Strength,
}

/// How much a digest vouches for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Strength {
    /// SHA-2 of 224 bits and more.
    Full,
    /// For those that may use it.
    Sha1,
    /// MD5 and what is not known.
    None,
}

impl Strength {
    /// Whether it is enough for someone who may use SHA-1, or may not.
    pub(crate) fn suffices(self, legacy_sha1: bool) -> bool {
        self == Self::Full || (self == Self::Sha1 && legacy_sha1)
    }
}

const fn rsa(id: &'static [u8], digest: fn() -> MessageDigest, strength: Strength) -> Algorithm {
    Algorithm { id, key: Id::RSA, digest, strength }
}

const fn ecdsa(id: &'static [u8], digest: fn() -> MessageDigest, strength: Strength) -> Algorithm {
    Algorithm { id, key: Id::EC, digest, strength }
}

static ALGORITHMS: [Algorithm; 10] = [
    rsa(b"\x2A\x86\x48\x86\xF7\x0D\x01\x01\x05", MessageDigest::sha1, Strength::Sha1),
    rsa(b"\x2A\x86\x48\x86\xF7\x0D\x01\x01\x0E", MessageDigest::sha224, Strength::Full),
    rsa(b"\x2A\x86\x48\x86\xF7\x0D\x01\x01\x0B", MessageDigest::sha256, Strength::Full),
    rsa(b"\x2A\x86\x48\x86\xF7\x0D\x01\x01\x0C", MessageDigest::sha384, Strength::Full),
    rsa(b"\x2A\x86\x48\x86\xF7\x0D\x01\x01\x0D", MessageDigest::sha512, Strength::Full),
    ecdsa(b"\x2A\x86\x48\xCE\x3D\x04\x01", MessageDigest::sha1, Strength::Sha1),
    ecdsa(b"\x2A\x86\x48\xCE\x3D\x04\x03\x01", MessageDigest::sha224, Strength::Full),
    ecdsa(b"\x2A\x86\x48\xCE\x3D\x04\x03\x02", MessageDigest::sha256, Strength::Full),
    ecdsa(b"\x2A\x86\x48\xCE\x3D\x04\x03\x03", MessageDigest::sha384, Strength::Full),
    ecdsa(b"\x2A\x86\x48\xCE\x3D\x04\x03\x04", MessageDigest::sha512, Strength::Full),
];
const RSASSA_PSS: &[u8] = b"\x2A\x86\x48\x86\xF7\x0D\x01\x01\x0A";
/// 2.16.840.1.101.3.4.2.1 to .4: SHA-256, 384, 512, 224.
const SHA2: &[u8] = b"\x60\x86\x48\x01\x65\x03\x04\x02";
const SHA1: &[u8] = b"\x2B\x0E\x03\x02\x1A";

/// How much a signature with this AlgorithmIdentifier (whole, in DER) vouches for.
pub(crate) fn strength(algorithm: &[u8]) -> Strength {
    let Some((id, parameters)) = parts(algorithm) else { return Strength::None };
    match find(id) {
        Some(known) => known.strength,
        None if id == RSASSA_PSS => pss_strength(parameters).unwrap_or(Strength::None),
        None => Strength::None,
    }
}

/// Whether a key made this signature, with an algorithm that names its digest; RSASSA-PSS does not.
pub(crate) fn verifies(algorithm: &[u8], key: &PKeyRef<Public>, octets: &[u8], value: &[u8]) -> bool {
    let known = parts(algorithm).and_then(|(id, _)| find(id)).filter(|known| known.key == key.id());
    let made = |known: &Algorithm| -> Result<bool, ErrorStack> {
        Verifier::new((known.digest)(), key)?.verify_oneshot(value, octets)
    };
    known.is_some_and(|known| made(known).unwrap_or(false))
}

/// Whether [`verifies`] knows it.
pub(crate) fn is_known(algorithm: &[u8]) -> bool {
    parts(algorithm).is_some_and(|(id, _)| find(id).is_some())
}

fn find(id: &[u8]) -> Option<&'static Algorithm> {
    ALGORITHMS.iter().find(|known| known.id == id)
}

fn parts(algorithm: &[u8]) -> Option<(&[u8], Der<'_>)> {
    let mut fields = only(algorithm, SEQUENCE)?;
    Some((fields.take(OID)?, fields))
}

/// The hash in RSASSA-PSS-params; SHA-1 when there is none (RFC 4055 section 3.1).
fn pss_strength(mut parameters: Der<'_>) -> Option<Strength> {
    let mut fields = parameters.inside(SEQUENCE)?;
    parameters.end()?;
    let Some(hash) = fields.optional(EXPLICIT_0)? else { return Some(Strength::Sha1) };
    let id = only(hash, SEQUENCE)?.take(OID)?;
    Some(match id.strip_prefix(SHA2) {
        Some([1..=4]) => Strength::Full,
        _ if id == SHA1 => Strength::Sha1,
        _ => Strength::None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digest_of_an_algorithm_is_what_vouches() {
        let plain = |id: &[u8]| {
            let length = u8::try_from(id.len()).expect("short");
            [&[SEQUENCE, length + 4, OID, length], id, &[5, 0]].concat()
        };
        for known in &ALGORITHMS {
            assert_eq!(strength(&plain(known.id)), known.strength);
            assert!(is_known(&plain(known.id)));
        }
        // MD5 with RSA.
        assert_eq!(strength(&plain(b"\x2A\x86\x48\x86\xF7\x0D\x01\x01\x04")), Strength::None);
        assert_eq!(strength(b"\x30\x00"), Strength::None);
        let pss = |parameters: &[u8]| {
            let length = u8::try_from(parameters.len()).expect("short");
            let content = [&[OID, 9], RSASSA_PSS, &[SEQUENCE, length], parameters].concat();
            [&[SEQUENCE, length + 13], &content[..]].concat()
        };
        let hash = |id: &[u8]| {
            let length = u8::try_from(id.len()).expect("short");
            [&[EXPLICIT_0, length + 4, SEQUENCE, length + 2, OID, length], id].concat()
        };
        assert_eq!(strength(&pss(b"")), Strength::Sha1);
        assert_eq!(strength(&pss(&hash(SHA1))), Strength::Sha1);
        assert_eq!(strength(&pss(&hash(b"\x60\x86\x48\x01\x65\x03\x04\x02\x01"))), Strength::Full);
        assert_eq!(strength(&pss(&hash(b"\x2A\x86\x48\x86\xF7\x0D\x02\x05"))), Strength::None);
        assert!(!is_known(&pss(b"")));
        assert!(Strength::Sha1.suffices(true) && !Strength::Sha1.suffices(false));
        assert!(Strength::Full.suffices(false) && !Strength::None.suffices(true));
    }
}
