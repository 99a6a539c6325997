//! What a verification says, as values: there is no bool, and a `Valid` comes from `verify` only.

use std::fmt;

use crate::certificate::Certificate;
use crate::keys::PublicKey;
use crate::reader::Name;

/// The verdict on a document's signature (design.md B4).
#[derive(Clone, Debug)]
#[must_use]
pub enum Verdict {
    /// There is no Signature.
    Absent,
    /// The signature is good, its signer is trusted, and it covers what [`Valid::covers`] says.
    Valid(Valid),
    /// The signature cannot be judged within the profile; the document counts as unsigned.
    Unusable {
        /// The class of the reason.
        why: Unusable,
        /// What exactly, for a person, in at most 1024 bytes. May quote the document: escape it before printing.
        detail: String,
        /// Where, in bytes from the start of the document: the element that breaks the rule, else the Signature.
        at: u64,
    },
    /// The signature is wrong, forged, or not one that is trusted.
    Invalid {
        /// The class of the reason.
        why: Invalid,
        /// What exactly, for a person, in at most 1024 bytes. May quote the document: escape it before printing.
        detail: String,
        /// Where, in bytes from the start of the document: the element that breaks the rule, else the Signature.
        at: u64,
    },
}

impl Verdict {
    /// `absent`, `valid`, `unusable` or `invalid`.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Absent => "absent",
            Self::Valid(_) => "valid",
            Self::Unusable { .. } => "unusable",
            Self::Invalid { .. } => "invalid",
        }
    }
}

/// The proof that a document was verified. Only [`crate::Located::verify`] makes one.
#[derive(Clone, Debug)]
pub struct Valid {
    pub(crate) signer: Signer,
    pub(crate) covers: Coverage,
    pub(crate) signature_algorithm: &'static str,
    pub(crate) digest_algorithm: &'static str,
    pub(crate) canonicalisation: &'static str,
    pub(crate) warnings: Vec<Warning>,
}

impl Valid {
    /// Whose key made the signature.
    pub fn signer(&self) -> &Signer {
        &self.signer
    }

    /// What was signed.
    pub fn covers(&self) -> &Coverage {
        &self.covers
    }

    /// The SignatureMethod's URI.
    pub fn signature_algorithm(&self) -> &'static str {
        self.signature_algorithm
    }

    /// The DigestMethod's URI; the weakest one when there are several References.
    pub fn digest_algorithm(&self) -> &'static str {
        self.digest_algorithm
    }

    /// The CanonicalizationMethod's URI.
    pub fn canonicalisation(&self) -> &'static str {
        self.canonicalisation
    }

    /// What the caller should know although the signature is good.
    pub fn warnings(&self) -> &[Warning] {
        &self.warnings
    }
}

/// Whose key made a good signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Signer {
    /// The key of this certificate.
    Certificate(Certificate),
    /// A key that was pinned without a certificate ([`crate::Signers::keys`]).
    Key(PublicKey),
}

impl Signer {
    /// The certificate, if there is one.
    pub fn certificate(&self) -> Option<&Certificate> {
        match self {
            Self::Certificate(certificate) => Some(certificate),
            Self::Key(_) => None,
        }
    }

    /// The certificate's subject as [`Certificate::subject`] writes it, or `sha256:` and the key's digest in hex.
    pub fn subject(&self) -> String {
        match self {
            Self::Certificate(certificate) => certificate.subject(),
            Self::Key(key) => {
                let hex: String = key.sha256().iter().map(|byte| format!("{byte:02x}")).collect();
                format!("sha256:{hex}")
            }
        }
    }
}

/// What a good signature covers. Never comments (XML Signature section 4.4.3.3: a same-document reference leaves them
/// out), and never the Signature itself where the enveloped transform took it out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Coverage {
    /// All of the document.
    WholeDocument,
    /// These elements with all that is in them, in the order of the References.
    Elements(Vec<ElementPath>),
}

impl fmt::Display for Coverage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::WholeDocument => f.write_str("the whole document"),
            Self::Elements(paths) => {
                for (at, path) in paths.iter().enumerate() {
                    write!(f, "{}{path}", if at == 0 { "" } else { ", " })?;
                }
                Ok(())
            }
        }
    }
}

/// Where an element stands: the elements from the root to it, both included.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ElementPath {
    /// From the root.
    pub steps: Vec<Step>,
}

/// One element of an [`ElementPath`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// Its namespace URI; empty = none.
    pub namespace: String,
    /// Its local name.
    pub local: String,
    /// Its number among all elements that are children of its parent, from 1.
    pub child: usize,
}

impl Step {
    pub(crate) fn of(name: &Name<'_>, child: usize) -> Self {
        Self { namespace: name.namespace.to_owned(), local: name.local.to_owned(), child }
    }
}

/// `/letter/part[2]`: the second child element of `letter`, which is a `part`. The root has no number.
impl fmt::Display for ElementPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, step) in self.steps.iter().enumerate() {
            write!(f, "/{}", step.local)?;
            if at > 0 {
                write!(f, "[{}]", step.child)?;
            }
        }
        Ok(())
    }
}

/// A remark on a good signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Warning {
    /// SHA-1 was used, which [`crate::Trust::legacy_sha1`] allows.
    Sha1,
    /// Nothing was asked whether the chain was revoked: no source is given, or no anchor.
    RevocationNotChecked,
}

impl Warning {
    /// A stable word for it.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Sha1 => "sha1",
            Self::RevocationNotChecked => "revocation-not-checked",
        }
    }
}

/// Why a signature cannot be judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Unusable {
    /// An element Signature where one is allowed, in another namespace than XML Signature's.
    WrongNamespace,
    /// KeyInfo has no readable X509Certificate and none is pinned with its bytes.
    NoCertificate,
    /// [`crate::Trust`] names neither a certificate nor an authority.
    NoTrust,
    /// An algorithm outside the profile.
    Algorithm,
    /// SHA-1, and [`crate::Trust::legacy_sha1`] is off.
    Sha1,
    /// A Reference of a form outside the profile, such as an unusual chain of transforms.
    Reference,
    /// The Signature has a ds:Object that no Reference covers: nobody signed what is in it.
    Object,
    /// The document was read with given namespace bindings and needed them: its canonical form is not what was signed.
    Namespaces,
    /// Revocation cannot be judged: CRLs are given, but none that is current from each issuer in the chain.
    Revocation,
}

impl Unusable {
    /// A stable word for it.
    pub const fn code(self) -> &'static str {
        match self {
            Self::WrongNamespace => "wrong-namespace",
            Self::NoCertificate => "no-certificate",
            Self::NoTrust => "no-trust",
            Self::Algorithm => "algorithm",
            Self::Sha1 => "sha1",
            Self::Reference => "reference",
            Self::Object => "object",
            Self::Namespaces => "namespaces",
            Self::Revocation => "revocation-unknown",
        }
    }
}

impl fmt::Display for Unusable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

/// Why a signature is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Invalid {
    /// The content is not what was signed.
    Digest,
    /// The SignatureValue does not fit SignedInfo and key.
    SignatureValue,
    /// The Signature stands where none is allowed.
    Position,
    /// More than one Signature.
    Duplicate,
    /// The Signature element is not built as XML Signature section 4 says, or hides something in a value.
    Structure,
    /// A construct that no profile of ours will ever allow: XPath, XSLT, external references, HMAC, MD5.
    Forbidden,
    /// A relative namespace URI: such a document has no canonical form.
    RelativeNamespace,
    /// An Id that a Reference names is missing, or stands more than once.
    Id,
    /// Something that must be signed is not ([`crate::Places::signed`]).
    Coverage,
    /// One of the limits on Signature, References or Transforms.
    Limit,
    /// The certificate is not bound to the sender ([`crate::Signers`]).
    ForeignSigner,
    /// No chain to a given authority.
    Untrusted,
    /// The certificate, or one in its chain, has expired.
    Expired,
    /// The certificate, or one in its chain, is not yet valid.
    NotYetValid,
    /// A source of revocation names the certificate, or one in its chain.
    Revoked,
    /// The certificate is not for signing documents, or has extensions that are not understood, doubled or malformed.
    KeyUsage,
    /// An RSA key of less than 2048 bits or more than 8192, or with an exponent that is even, 1 or long.
    WeakKey,
    /// The key is of another type than the SignatureMethod.
    KeyMismatch,
}

impl Invalid {
    /// A stable word for it.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Digest => "digest",
            Self::SignatureValue => "signature-value",
            Self::Position => "position",
            Self::Duplicate => "duplicate",
            Self::Structure => "structure",
            Self::Forbidden => "forbidden",
            Self::RelativeNamespace => "relative-namespace",
            Self::Id => "id",
            Self::Coverage => "coverage",
            Self::Limit => "limit",
            Self::ForeignSigner => "foreign-signer",
            Self::Untrusted => "untrusted",
            Self::Expired => "expired",
            Self::NotYetValid => "not-yet-valid",
            Self::Revoked => "revoked",
            Self::KeyUsage => "key-usage",
            Self::WeakKey => "weak-key",
            Self::KeyMismatch => "key-mismatch",
        }
    }
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

/// Longest detail of a verdict.
const DETAIL_BYTES_MAX: usize = 1024;

/// A reason against a signature, on its way to becoming a verdict.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Objection {
    Unusable(Unusable, String),
    Invalid(Invalid, String),
}

impl Objection {
    pub(crate) fn structure(detail: impl Into<String>) -> Self {
        Self::Invalid(Invalid::Structure, detail.into())
    }

    pub(crate) fn forbidden(detail: impl Into<String>) -> Self {
        Self::Invalid(Invalid::Forbidden, detail.into())
    }

    pub(crate) fn algorithm(detail: impl Into<String>) -> Self {
        Self::Unusable(Unusable::Algorithm, detail.into())
    }
}

impl Objection {
    /// The verdict that it is, about what stands at a byte of the document.
    pub(crate) fn at(self, at: u64) -> Verdict {
        match self {
            Self::Unusable(why, detail) => Verdict::Unusable { why, detail: short(detail), at },
            Self::Invalid(why, detail) => Verdict::Invalid { why, detail: short(detail), at },
        }
    }
}

/// A detail quotes the document, and must not fill a log: a certificate's subject may have a hundred thousand letters.
fn short(mut detail: String) -> String {
    if detail.len() > DETAIL_BYTES_MAX {
        detail.truncate(detail.floor_char_boundary(DETAIL_BYTES_MAX - 3));
        detail.push('\u{2026}');
    }
    detail
}
