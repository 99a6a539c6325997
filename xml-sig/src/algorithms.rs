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
pub(crate) const EXC_C14N: &str = "http://www.w3.org/2001/10/xml-exc-c14n#";
pub(crate) const EXC_C14N_COMMENTS: &str = "http://www.w3.org/2001/10/xml-exc-c14n#WithComments";
pub(crate) const RSA_SHA256: &str = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256";
pub(crate) const RSA_SHA1: &str = "http://www.w3.org/2000/09/xmldsig#rsa-sha1";
pub(crate) const ECDSA_SHA256: &str = "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256";
pub(crate) const SHA256: &str = "http://www.w3.org/2001/04/xmlenc#sha256";
pub(crate) const SHA1: &str = "http://www.w3.org/2000/09/xmldsig#sha1";

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
    pub(crate) with_comments: bool,
    pub(crate) uri: &'static str,
}

impl Canonicalisation {
    pub(crate) fn from_uri(uri: &str) -> Option<Self> {
        let (method, with_comments, uri) = match uri {
            C14N => (Method::Inclusive, false, C14N),
            C14N_COMMENTS => (Method::Inclusive, true, C14N_COMMENTS),
            EXC_C14N => (Method::Exclusive, false, EXC_C14N),
            EXC_C14N_COMMENTS => (Method::Exclusive, true, EXC_C14N_COMMENTS),
            _ => return None,
        };
        Some(Self { method, with_comments, uri })
    }
}

/// The kind of key that a SignatureMethod wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum KeyKind {
    Rsa,
    P256,
}

/// A SignatureMethod.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SignatureMethod {
    pub(crate) key: KeyKind,
    pub(crate) sha1: bool,
    pub(crate) uri: &'static str,
}

impl SignatureMethod {
    pub(crate) fn from_uri(uri: &str, legacy_sha1: bool) -> Result<Self, Objection> {
        match uri {
            RSA_SHA256 => Ok(Self { key: KeyKind::Rsa, sha1: false, uri: RSA_SHA256 }),
            ECDSA_SHA256 => Ok(Self { key: KeyKind::P256, sha1: false, uri: ECDSA_SHA256 }),
            RSA_SHA1 if legacy_sha1 => Ok(Self { key: KeyKind::Rsa, sha1: true, uri: RSA_SHA1 }),
            RSA_SHA1 => Err(Objection::Unusable(Unusable::Sha1, format!("SignatureMethod {uri}"))),
            _ if uri.contains("hmac-") || uri.ends_with("-md5") => {
                Err(Objection::forbidden(format!("SignatureMethod {uri}")))
            }
            _ => Err(Objection::algorithm(format!("SignatureMethod {uri}"))),
        }
    }

    pub(crate) fn digest(self) -> MessageDigest {
        if self.sha1 { MessageDigest::sha1() } else { MessageDigest::sha256() }
    }
}

/// A DigestMethod.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DigestMethod {
    Sha256,
    Sha1,
}

impl DigestMethod {
    pub(crate) fn from_uri(uri: &str, legacy_sha1: bool) -> Result<Self, Objection> {
        match uri {
            SHA256 => Ok(Self::Sha256),
            SHA1 if legacy_sha1 => Ok(Self::Sha1),
            SHA1 => Err(Objection::Unusable(Unusable::Sha1, format!("DigestMethod {uri}"))),
            _ if uri.ends_with("md5") => Err(Objection::forbidden(format!("DigestMethod {uri}"))),
            _ => Err(Objection::algorithm(format!("DigestMethod {uri}"))),
        }
    }

    pub(crate) const fn uri(self) -> &'static str {
        match self {
            Self::Sha256 => SHA256,
            Self::Sha1 => SHA1,
        }
    }

    pub(crate) fn digest(self) -> MessageDigest {
        match self {
            Self::Sha256 => MessageDigest::sha256(),
            Self::Sha1 => MessageDigest::sha1(),
        }
    }
}

/// One step of a Reference's Transforms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Transform {
    Enveloped,
    Canonical(Method),
}

impl Transform {
    /// With URI="" or an `#Id`, comments are gone before the first transform, so that both forms mean the same.
    pub(crate) fn from_uri(uri: &str) -> Result<Self, Objection> {
        if uri == ENVELOPED {
            return Ok(Self::Enveloped);
        }
        if FORBIDDEN_TRANSFORMS.contains(&uri) {
            return Err(Objection::forbidden(format!("Transform {uri}")));
        }
        match Canonicalisation::from_uri(uri) {
            Some(canonicalisation) => Ok(Self::Canonical(canonicalisation.method)),
            None => Err(Objection::algorithm(format!("Transform {uri}"))),
        }
    }
}
