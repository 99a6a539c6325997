//! Who is trusted to sign, and the checks of a certificate: bound to the sender, dates, usage, chain, revocation.

use std::sync::Arc;

use jiff::Timestamp;
use openssl::error::ErrorStack;
use openssl::nid::Nid;
use openssl::stack::Stack;
use openssl::x509::store::{X509Store, X509StoreBuilder};
use openssl::x509::verify::{X509VerifyFlags, X509VerifyParam};
use openssl::x509::{X509, X509KeyUsage, X509Ref, X509StoreContext, X509VerifyResult};

use crate::certificate::{Certificate, Crl};
use crate::der::{Purposes, is_authority, purposes};
use crate::name::Subject;
use crate::verdict::{Invalid, Objection, Unusable, Warning};

/// ExtendedKeyUsage purposes that may sign documents, in DER: emailProtection (RFC 5280), documentSigning (RFC 9336),
/// and Microsoft's document signing 1.3.6.1.4.1.311.10.3.12.
const SIGNING_PURPOSES: [&[u8]; 3] = [
    &[0x2B, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x04],
    &[0x2B, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x24],
    &[0x2B, 0x06, 0x01, 0x04, 0x01, 0x82, 0x37, 0x0A, 0x03, 0x0C],
];
/// What a key of a chain must withstand, in bits: RSA of 2048 does (NIST SP 800-57 part 1, table 2).
const SECURITY_BITS: u32 = 112;
/// OpenSSL's security level for those bits, which SHA-1 does not reach; and the one that asks for nothing.
const CHAIN_SECURITY_LEVEL: i32 = 2;
const NO_SECURITY_LEVEL: i32 = 0;
/// Digests that may stand in a chain of a sender that may use SHA-1.
const LEGACY_DIGESTS: [Nid; 5] = [Nid::SHA1, Nid::SHA224, Nid::SHA256, Nid::SHA384, Nid::SHA512];
/// The longest chain that is looked at, leaf and anchor left out.
const CHAIN_DEPTH: i32 = 8;

/// Who may sign. What is given must all hold: a binding of [`Signers`] *and* a chain, when both are given. With neither,
/// every signature is [`Unusable::NoTrust`].
#[derive(Clone, Debug)]
pub struct Trust {
    /// Whose certificates count.
    pub signers: Arc<Signers>,
    /// What their chains must lead to.
    pub authorities: Arc<Authorities>,
    /// The time that dates and lists are judged at: when the document was received.
    pub at: Timestamp,
    /// Allows SHA-1 as digest, in RSA signatures, and in the chain.
    pub legacy_sha1: bool,
}

/// Certificates bound to a sender: the signer's must be named in one of these ways. When all are empty, whoever has a
/// chain to an anchor may sign: right for a person who asks who signed, never for a gateway that asks whether it was the
/// sender.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Signers {
    /// Exactly these, byte for byte. A document that names no certificate is checked with each of them.
    pub certificates: Vec<Certificate>,
    /// SHA-256 over the DER form of a certificate: the same, but the document must bring it.
    pub certificate_sha256: Vec<[u8; 32]>,
    /// Any certificate with one of these subjects that is no authority's and has a chain; without anchors they bind
    /// nothing.
    pub subjects: Vec<Subject>,
    /// bare
    pub keys: Vec<crate::keys::PublicKey>,
}

impl Signers {
    /// Nobody is named.
    pub fn is_empty(&self) -> bool {
        self.certificates.is_empty()
            && self.certificate_sha256.is_empty()
            && self.subjects.is_empty()
            && self.keys.is_empty()
    }

    fn pins(&self, certificate: &Certificate) -> bool {
        self.certificate_sha256.contains(&certificate.sha256()) || self.certificates.contains(certificate)
    }
}

impl From<Vec<Certificate>> for Signers {
    fn from(certificates: Vec<Certificate>) -> Self {
        Self { certificates, ..Self::default() }
    }
}

/// Certification authorities and their lists.
#[derive(Clone, Debug, Default)]
pub struct Authorities {
    /// A chain must lead to one of these. They need not be self-signed.
    pub anchors: Vec<Certificate>,
    /// When not empty: each issuer in the chain must have a current list here, signed by it; a list without the date of
    /// the next one is not current. Lists are checked for a merely pinned certificate too, as far as there is one of its
    /// issuer's name: with no anchor, whether that issuer signed it cannot be known.
    pub crls: Vec<Crl>,
}

impl Trust {
    pub(crate) fn is_given(&self) -> bool {
        let pinned = !self.signers.certificates.is_empty()
            || !self.signers.certificate_sha256.is_empty()
            || !self.signers.keys.is_empty();
        pinned || !self.authorities.anchors.is_empty()
    }

    /// Whether this certificate may be the sender's, its chain left aside.
    pub(crate) fn binds(&self, certificate: &Certificate) -> bool {
        let named = || self.signers.subjects.iter().any(|subject| certificate.has_subject(subject.as_str()));
        self.signers.is_empty()
            || self.signers.pins(certificate)
            || (!self.authorities.anchors.is_empty() && named())
    }

    pub(crate) fn check_signer(
        &self,
        signer: &crate::verdict::Signer,
        others: &[Certificate],
    ) -> Result<Vec<Warning>, Objection> {
        match signer {
            crate::verdict::Signer::Certificate(c) => self.check(c, others),
            _ => Ok(Vec::new()),
        }
    }
    /// Everything about the signer's certificate except that it is bound. `others` may help to build the chain.
    pub(crate) fn check(
        &self,
        signer: &Certificate,
        others: &[Certificate],
    ) -> Result<Vec<Warning>, Objection> {
        self.check_dates(signer)?;
        check_usage(signer)?;
        let Authorities { anchors, crls } = &*self.authorities;
        if anchors.is_empty() {
            // Nobody is known whose key could prove the list; it comes from the settings, as the pin does.
            let issuer = signer.x509().issuer_name();
            if crls.iter().any(|crl| crl.is_of(issuer) && crl.revokes(signer.x509())) {
                return Err(Objection::Invalid(Invalid::Revoked, signer.subject()));
            }
            return Ok(Vec::new());
        }
        if is_authority(signer.der()) && !self.signers.pins(signer) {
            let detail = "basicConstraints: an authority's certificate signs certificates, not documents";
            return Err(Objection::Invalid(Invalid::KeyUsage, detail.to_owned()));
        }
        let (chain, mut warnings) = self.chain(signer, others)?;
        if crls.is_empty() {
            warnings.push(Warning::RevocationNotChecked);
            return Ok(warnings);
        }
        self.check_proven_lists(signer, &chain)?;
        chain.windows(2).try_for_each(|pair| self.check_revocation(&pair[0], &pair[1]))?;
        Ok(warnings)
    }

    fn check_dates(&self, signer: &Certificate) -> Result<(), Objection> {
        if self.at > signer.not_after() {
            return Err(Objection::Invalid(Invalid::Expired, format!("not after {}", signer.not_after())));
        }
        if self.at < signer.not_before() {
            return Err(Objection::Invalid(
                Invalid::NotYetValid,
                format!("not before {}", signer.not_before()),
            ));
        }
        Ok(())
    }

    /// The chain from the signer to an anchor, both included.
    fn chain(
        &self,
        signer: &Certificate,
        others: &[Certificate],
    ) -> Result<(Vec<X509>, Vec<Warning>), Objection> {
        match self.build(signer, others, CHAIN_SECURITY_LEVEL) {
            Err(_) if self.legacy_sha1 => {
                let chain = self.build(signer, others, NO_SECURITY_LEVEL)?;
                check_strength(&chain)?;
                Ok((chain, vec![Warning::Sha1]))
            }
            built => built.map(|chain| (chain, Vec::new())),
        }
    }

    fn build(
        &self,
        signer: &Certificate,
        others: &[Certificate],
        level: i32,
    ) -> Result<Vec<X509>, Objection> {
        let broken = |error: ErrorStack| Objection::Invalid(Invalid::Untrusted, error.to_string());
        let store = self.store(level).map_err(broken)?;
        let mut helpers = Stack::new().map_err(broken)?;
        for other in others {
            helpers.push(other.x509().to_owned()).map_err(broken)?;
        }
        let mut context = X509StoreContext::new().map_err(broken)?;
        let built = context.init(&store, signer.x509(), &helpers, |context| {
            if context.verify_cert()? {
                let chain = context.chain().map(|chain| chain.iter().map(ToOwned::to_owned).collect());
                return Ok(Ok(chain.unwrap_or_default()));
            }
            let subject = context.current_cert().map(subject_of).unwrap_or_default();
            Ok(Err(chain_objection(context.error(), &subject)))
        });
        built.map_err(broken)?
    }

    /// For one document: the time is its own, and OpenSSL keeps it here. Certificates are counted references.
    fn store(&self, level: i32) -> Result<X509Store, ErrorStack> {
        let mut store = X509StoreBuilder::new()?;
        for anchor in &self.authorities.anchors {
            store.add_cert(anchor.x509().to_owned())?;
        }
        let mut parameters = X509VerifyParam::new()?;
        parameters.set_flags(X509VerifyFlags::PARTIAL_CHAIN)?;
        parameters.set_time(self.at.as_second());
        parameters.set_auth_level(level);
        parameters.set_depth(CHAIN_DEPTH);
        store.set_param(&parameters)?;
        Ok(store.build())
    }

    /// Lists that another anchor proves count too: an authority may have changed its key, and an anchor that signs has no
    /// issuer in its chain.
    fn check_proven_lists(&self, signer: &Certificate, chain: &[X509]) -> Result<(), Objection> {
        let issuer = signer.x509().issuer_name();
        let Authorities { anchors, crls } = &*self.authorities;
        let proven = |crl: &Crl| {
            let known = chain.iter().map(AsRef::as_ref).chain(anchors.iter().map(Certificate::x509));
            known.filter(|known| crl.is_of(known.subject_name())).any(|known| crl.is_signed_by(known))
        };
        let revoked = crls.iter().any(|crl| crl.is_of(issuer) && crl.revokes(signer.x509()) && proven(crl));
        if revoked { Err(Objection::Invalid(Invalid::Revoked, signer.subject())) } else { Ok(()) }
    }

    /// RFC 5280 section 6.3, for complete lists from the issuer itself.
    fn check_revocation(&self, certificate: &X509Ref, issuer: &X509Ref) -> Result<(), Objection> {
        let mut judged = false;
        for crl in self.authorities.crls.iter().filter(|crl| crl.is_of(certificate.issuer_name())) {
            if crl.is_signed_by(issuer) {
                if crl.revokes(certificate) {
                    return Err(Objection::Invalid(Invalid::Revoked, subject_of(certificate)));
                }
                judged |= crl.is_current(self.at);
            }
        }
        if judged {
            return Ok(());
        }
        let detail = format!("no current CRL of {}", subject_of(issuer));
        Err(Objection::Unusable(Unusable::Revocation, detail))
    }
}

fn check_usage(signer: &Certificate) -> Result<(), Objection> {
    let signs = X509KeyUsage::DIGITAL_SIGNATURE | X509KeyUsage::NON_REPUDIATION;
    if signer.x509().key_usage().is_some_and(|usage| !usage.intersects(signs)) {
        let detail = "keyUsage has neither digitalSignature nor nonRepudiation";
        return Err(Objection::Invalid(Invalid::KeyUsage, detail.to_owned()));
    }
    match purposes(signer.der()) {
        Purposes::Absent => Ok(()),
        Purposes::Listed(list) if list.iter().any(|id| SIGNING_PURPOSES.contains(id)) => Ok(()),
        Purposes::Listed(_) | Purposes::Unreadable => {
            let detail = "extendedKeyUsage names no purpose of signing documents";
            Err(Objection::Invalid(Invalid::KeyUsage, detail.to_owned()))
        }
    }
}

/// What OpenSSL's security level would ask for, less its ban on SHA-1. Nobody relies on how an anchor is signed.
fn check_strength(chain: &[X509]) -> Result<(), Objection> {
    let weak = |certificate: &X509Ref, what: &str| {
        Objection::Invalid(Invalid::Untrusted, format!("{what}: {}", subject_of(certificate)))
    };
    for certificate in chain {
        if certificate.public_key().map_or(0, |key| key.security_bits()) < SECURITY_BITS {
            return Err(weak(certificate, "a key of the chain is too weak"));
        }
    }
    for certificate in chain.split_last().map_or(&[][..], |(_, below)| below) {
        let algorithms = certificate.signature_algorithm().object().nid().signature_algorithms();
        if !algorithms.is_some_and(|algorithms| LEGACY_DIGESTS.contains(&algorithms.digest)) {
            return Err(weak(certificate, "a digest of the chain is too weak"));
        }
    }
    Ok(())
}

fn subject_of(certificate: &X509Ref) -> String {
    Certificate::from_x509(certificate.to_owned()).map(|c| c.subject()).unwrap_or_default()
}

fn chain_objection(result: X509VerifyResult, subject: &str) -> Objection {
    const NOT_YET_VALID: i32 = 9;
    const EXPIRED: i32 = 10;
    let why = match result.as_raw() {
        NOT_YET_VALID => Invalid::NotYetValid,
        EXPIRED => Invalid::Expired,
        _ => Invalid::Untrusted,
    };
    Objection::Invalid(why, format!("{}: {subject}", result.error_string()))
}
