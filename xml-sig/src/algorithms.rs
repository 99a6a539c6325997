//! The algorithms of the profile by their URIs (XML Signature 1.1 section 6, RFC 9231), and those that are named when
//! they are refused. Everything not listed here is outside the profile.

use openssl::hash::MessageDigest;

use crate::c14n::Method;
use crate::verdict::{Objection, Unusable};

/// The XML Signature namespace.
pub(crate) const DS: &str = "http://www.w3.org/2000/09/xmldsig#";
pub(crate) const ENVELOPED: &str = "http://www.w3.org/2000/09/xmldsig#enveloped-signature";
pub(crate) const C14N: &str = "http://www.w3.org/TR/2001/REC-xml-c14n-20010315";
pub(crate) const C14N_COMMENTS: &str = "http://www.w3.org/TR/2001/REC-xml-c14n-20010315#WithComments";
pub(crate) const C14N_11: &str = "http://www.w3.org/2006/12/xml-c14n11";
pub(crate) const C14N_11_COMMENTS: &str = "http://www.w3.org/2006/12/xml-c14n11#WithComments";
pub(crate) const EXC_C14N: &str = "http://www.w3.org/2001/10/xml-exc-c14n#";
pub(crate) const EXC_C14N_COMMENTS: &str = "http://www.w3.org/2001/10/xml-exc-c14n#WithComments";
/// RSASSA-PSS with parameters of its own (RFC 9231 section 2.3.9). Without parameters: SHA-256, MGF1 with it, 32 bytes
/// of salt, trailer 1. A child `RSAPSSParams` is outside the profile.
pub(crate) const RSA_PSS: &str = "http://www.w3.org/2007/05/xmldsig-more#rsa-pss";

/// Transforms that change what is signed in ways that a reader of the document would not see.
const FORBIDDEN_TRANSFORMS: [&str; 4] = [
    "http://www.w3.org/TR/1999/REC-xpath-19991116",
    "http://www.w3.org/2002/06/xmldsig-filter2",
    "http://www.w3.org/TR/1999/REC-xslt-19991116",
    "http://www.w3.org/2000/09/xmldsig#base64",
];

/// A canonicalisation with its URI.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Canonicalisation {
    pub(crate) method: Method,
    pub(crate) comments: bool,
    pub(crate) uri: &'static str,
}

impl Canonicalisation {
    pub(crate) fn from_uri(uri: &str) -> Option<Self> {
        let (method, comments, uri) = match uri {
            C14N => (Method::Inclusive, false, C14N),
            C14N_COMMENTS => (Method::Inclusive, true, C14N_COMMENTS),
            C14N_11 => (Method::Inclusive11, false, C14N_11),
            C14N_11_COMMENTS => (Method::Inclusive11, true, C14N_11_COMMENTS),
            EXC_C14N => (Method::Exclusive, false, EXC_C14N),
            EXC_C14N_COMMENTS => (Method::Exclusive, true, EXC_C14N_COMMENTS),
            _ => return None,
        };
        Some(Self { method, comments, uri })
    }
}

/// A DigestMethod; the weaker ones are less.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum DigestMethod {
    Sha1,
    Sha256,
    Sha384,
    Sha512,
}

impl DigestMethod {
    pub(crate) fn from_uri(uri: &str, legacy_sha1: bool) -> Result<Self, Objection> {
        let all = [Self::Sha1, Self::Sha256, Self::Sha384, Self::Sha512];
        match all.into_iter().find(|known| known.uri() == uri) {
            Some(Self::Sha1) if !legacy_sha1 => Err(sha1("DigestMethod", uri)),
            Some(known) => Ok(known),
            None if is_md5(uri) => Err(Objection::forbidden(format!("DigestMethod {}", cut(uri)))),
            None => Err(Objection::algorithm(format!("DigestMethod {}", cut(uri)))),
        }
    }

    /// XML Signature 1.1 section 6.2, RFC 9231 section 2.1.
    pub(crate) const fn uri(self) -> &'static str {
        match self {
            Self::Sha1 => "http://www.w3.org/2000/09/xmldsig#sha1",
            Self::Sha256 => "http://www.w3.org/2001/04/xmlenc#sha256",
            Self::Sha384 => "http://www.w3.org/2001/04/xmldsig-more#sha384",
            Self::Sha512 => "http://www.w3.org/2001/04/xmlenc#sha512",
        }
    }

    pub(crate) fn digest(self) -> MessageDigest {
        match self {
            Self::Sha1 => MessageDigest::sha1(),
            Self::Sha256 => MessageDigest::sha256(),
            Self::Sha384 => MessageDigest::sha384(),
            Self::Sha512 => MessageDigest::sha512(),
        }
    }
}

/// What a SignatureMethod does with which kind of key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum KeyKind {
    /// RSA with the padding of PKCS #1 v1.5 (RFC 8017 section 8.2).
    RsaPkcs1,
    /// RSA with PSS: MGF1 with the digest of the message, salt of its length, trailer 1 (RFC 8017 section 8.1, RFC 9231
    /// section 2.3.10).
    RsaPss,
    /// ECDSA; the value is r and s, each as long as the curve's field (RFC 9231 section 2.3.6).
    Ecdsa,
}

/// A SignatureMethod.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SignatureMethod {
    pub(crate) key: KeyKind,
    pub(crate) digest: DigestMethod,
    pub(crate) uri: &'static str,
}

/// XML Signature 1.1 section 6.4, RFC 9231 sections 2.3.2, 2.3.6, 2.3.9 and 2.3.10.
const SIGNATURE_METHODS: [SignatureMethod; 13] = {
    use DigestMethod::{Sha1, Sha256, Sha384, Sha512};
    use KeyKind::{Ecdsa, RsaPkcs1, RsaPss};
    const fn of(key: KeyKind, digest: DigestMethod, uri: &'static str) -> SignatureMethod {
        SignatureMethod { key, digest, uri }
    }
    [
        of(RsaPkcs1, Sha256, "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"),
        of(Ecdsa, Sha256, "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256"),
        of(RsaPkcs1, Sha1, "http://www.w3.org/2000/09/xmldsig#rsa-sha1"),
        of(RsaPkcs1, Sha384, "http://www.w3.org/2001/04/xmldsig-more#rsa-sha384"),
        of(RsaPkcs1, Sha512, "http://www.w3.org/2001/04/xmldsig-more#rsa-sha512"),
        of(Ecdsa, Sha1, "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha1"),
        of(Ecdsa, Sha384, "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha384"),
        of(Ecdsa, Sha512, "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha512"),
        of(RsaPss, Sha1, "http://www.w3.org/2007/05/xmldsig-more#sha1-rsa-MGF1"),
        of(RsaPss, Sha256, "http://www.w3.org/2007/05/xmldsig-more#sha256-rsa-MGF1"),
        of(RsaPss, Sha384, "http://www.w3.org/2007/05/xmldsig-more#sha384-rsa-MGF1"),
        of(RsaPss, Sha512, "http://www.w3.org/2007/05/xmldsig-more#sha512-rsa-MGF1"),
        of(RsaPss, Sha256, RSA_PSS),
    ]
};

impl SignatureMethod {
    /// What `sign` makes with an RSA key.
    pub(crate) const RSA_SHA256: Self = SIGNATURE_METHODS[0];
    /// What `sign` makes with a P-256 key.
    pub(crate) const ECDSA_SHA256: Self = SIGNATURE_METHODS[1];

    pub(crate) fn from_uri(uri: &str, legacy_sha1: bool) -> Result<Self, Objection> {
        match SIGNATURE_METHODS.into_iter().find(|known| known.uri == uri) {
            Some(known) if known.digest == DigestMethod::Sha1 && !legacy_sha1 => {
                Err(sha1("SignatureMethod", uri))
            }
            Some(known) => Ok(known),
            None if is_md5(uri) || fragment(uri).starts_with("hmac-") => {
                Err(Objection::forbidden(format!("SignatureMethod {}", cut(uri))))
            }
            None => Err(Objection::algorithm(format!("SignatureMethod {}", cut(uri)))),
        }
    }
}

/// One step of a Reference's Transforms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Transform {
    Enveloped,
    Canonical(Canonicalisation),
}

impl Transform {
    /// With URI="" or an `#Id`, comments are gone before the first transform (XML Signature section 4.4.3.3), so that a
    /// canonicalisation with comments means the same there as the one without.
    pub(crate) fn from_uri(uri: &str) -> Result<Self, Objection> {
        if uri == ENVELOPED {
            return Ok(Self::Enveloped);
        }
        if FORBIDDEN_TRANSFORMS.contains(&uri) {
            return Err(Objection::forbidden(format!("Transform {uri}")));
        }
        match Canonicalisation::from_uri(uri) {
            Some(canonicalisation) => Ok(Self::Canonical(canonicalisation)),
            None => Err(Objection::algorithm(format!("Transform {}", cut(uri)))),
        }
    }
}

fn sha1(what: &str, uri: &str) -> Objection {
    Objection::Unusable(Unusable::Sha1, format!("{what} {uri}"))
}

/// MD5 alone, or in a signature (RFC 9231 sections 2.1.1, 2.2.1, 2.3.1 and 2.3.10).
fn is_md5(uri: &str) -> bool {
    fragment(uri).split('-').any(|part| part == "md5")
}

fn fragment(uri: &str) -> &str {
    uri.split_once('#').map_or("", |(_, fragment)| fragment)
}

/// A text from the document, short enough for a verdict's detail.
fn cut(text: &str) -> String {
    text.chars().take(80).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verdict::Invalid;

    #[test]
    fn every_signature_method_is_found_by_its_uri_and_no_other() {
        for known in SIGNATURE_METHODS {
            assert_eq!(SignatureMethod::from_uri(known.uri, true), Ok(known));
            let without_legacy = SignatureMethod::from_uri(known.uri, false);
            if known.digest == DigestMethod::Sha1 {
                assert!(
                    matches!(without_legacy, Err(Objection::Unusable(Unusable::Sha1, _))),
                    "{}",
                    known.uri
                );
            } else {
                assert_eq!(without_legacy, Ok(known));
            }
            let same = SIGNATURE_METHODS.iter().filter(|other| other.uri == known.uri).count();
            assert_eq!(same, 1, "{}", known.uri);
        }
        assert_eq!(SignatureMethod::RSA_SHA256.uri, "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256");
        assert_eq!(SignatureMethod::ECDSA_SHA256.uri, "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256");
    }

    #[test]
    fn hmac_and_md5_are_forbidden_and_the_rest_is_outside_the_profile() {
        let forbidden = [
            "http://www.w3.org/2000/09/xmldsig#hmac-sha1",
            "http://www.w3.org/2001/04/xmldsig-more#hmac-sha256",
            "http://www.w3.org/2001/04/xmldsig-more#hmac-md5",
            "http://www.w3.org/2001/04/xmldsig-more#rsa-md5",
            "http://www.w3.org/2007/05/xmldsig-more#md5-rsa-MGF1",
        ];
        for uri in forbidden {
            let judged = SignatureMethod::from_uri(uri, true);
            assert!(matches!(judged, Err(Objection::Invalid(Invalid::Forbidden, _))), "{uri}");
        }
        let outside = [
            "",
            "http://www.w3.org/2000/09/xmldsig#dsa-sha1",
            "http://www.w3.org/2009/xmldsig11#dsa-sha256",
            "http://www.w3.org/2001/04/xmldsig-more#rsa-ripemd160",
            "http://www.w3.org/2001/04/xmldsig-more#rsa-sha224",
            "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha224",
            "http://www.w3.org/2007/05/xmldsig-more#sha224-rsa-MGF1",
            "http://www.w3.org/2007/05/xmldsig-more#sha3-256-rsa-MGF1",
            "http://www.w3.org/2021/04/xmldsig-more#ecdsa-sha3-256",
            "http://www.w3.org/2021/04/xmldsig-more#eddsa-ed25519",
            "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256 ",
            "HTTP://www.w3.org/2001/04/xmldsig-more#rsa-sha256",
        ];
        for uri in outside {
            let judged = SignatureMethod::from_uri(uri, true);
            assert!(matches!(judged, Err(Objection::Unusable(Unusable::Algorithm, _))), "{uri}");
        }
    }

    #[test]
    fn digests_are_found_by_their_uris_and_the_weakest_is_the_least() {
        let found = |uri: &str, legacy| DigestMethod::from_uri(uri, legacy);
        assert_eq!(found("http://www.w3.org/2001/04/xmlenc#sha256", false), Ok(DigestMethod::Sha256));
        assert_eq!(found("http://www.w3.org/2001/04/xmldsig-more#sha384", false), Ok(DigestMethod::Sha384));
        assert_eq!(found("http://www.w3.org/2001/04/xmlenc#sha512", false), Ok(DigestMethod::Sha512));
        let sha1 = "http://www.w3.org/2000/09/xmldsig#sha1";
        assert_eq!(found(sha1, true), Ok(DigestMethod::Sha1));
        assert!(matches!(found(sha1, false), Err(Objection::Unusable(Unusable::Sha1, _))));
        let md5 = found("http://www.w3.org/2001/04/xmldsig-more#md5", true);
        assert!(matches!(md5, Err(Objection::Invalid(Invalid::Forbidden, _))));
        for outside in
            ["http://www.w3.org/2001/04/xmlenc#ripemd160", "http://www.w3.org/2001/04/xmlenc#sha384"]
        {
            let judged = found(outside, true);
            assert!(matches!(judged, Err(Objection::Unusable(Unusable::Algorithm, _))), "{outside}");
        }
        assert!(DigestMethod::Sha1 < DigestMethod::Sha256 && DigestMethod::Sha384 < DigestMethod::Sha512);
    }

    #[test]
    fn transforms_that_hide_content_are_forbidden_and_forms_are_known() {
        for uri in FORBIDDEN_TRANSFORMS {
            let judged = Transform::from_uri(uri);
            assert!(matches!(judged, Err(Objection::Invalid(Invalid::Forbidden, _))), "{uri}");
        }
        let judged = Transform::from_uri("http://www.w3.org/2006/12/xml-c14n12");
        assert!(matches!(judged, Err(Objection::Unusable(Unusable::Algorithm, _))));
        let wanted = Canonicalisation { method: Method::Exclusive, comments: true, uri: EXC_C14N_COMMENTS };
        assert_eq!(Transform::from_uri(EXC_C14N_COMMENTS), Ok(Transform::Canonical(wanted)));
    }
}
