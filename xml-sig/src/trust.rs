//! Who is trusted to sign, and the checks of a certificate: bound to the sender, dates, usage, chain, revocation. What it is
//! for: `usage`; its chain: `chain`; its revocation: `revocation`.

use std::sync::Arc;

use jiff::Timestamp;

use crate::certificate::{Certificate, Crl};
use crate::chain::{Chains, check_dates};
use crate::keys::PublicKey;
use crate::name::Subject;
use crate::revocation::Revocation;
use crate::verdict::{Invalid, Objection, Signer, Warning};

/// Who may sign. What is given must all hold: a binding of [`Signers`] *and* a chain, when both are given. With neither,
/// every signature is [`crate::Unusable::NoTrust`].
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

/// Certificates and keys bound to a sender: the signer's must be named in one of these ways. When all are empty, whoever has a
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
    /// Keys of which nothing else is known: a signature by one is good without any word on dates, usage or revocation, and
    /// its verdict names the key. A key has no chain: below anchors it binds nothing. A certificate is not bound by its
    /// key.
    pub keys: Vec<PublicKey>,
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

/// Certification authorities, and what is known of revocation: `Authorities { anchors, crls, ..Authorities::default() }`.
#[derive(Clone, Debug, Default)]
pub struct Authorities {
    /// A chain must lead to one of these. They need not be self-signed.
    pub anchors: Vec<Certificate>,
    /// When there are lists or sources: each issuer in the chain must vouch for the certificate below it by a current list
    /// here, signed by it, or by a source. Lists are looked at for a merely pinned certificate too, as far as there is one
    /// of its issuer's name: with no anchor, whether that issuer signed it cannot be known.
    pub crls: Vec<Crl>,
    /// More sources: [`crate::OcspResponse`]s, or the caller's own. They are not asked for a merely pinned certificate,
    /// whose issuer's key is not known; the verdict then has a warning.
    pub sources: Vec<Arc<dyn Revocation>>,
    /// Chains that held.
    pub chains: Chains,
}

impl Trust {
    pub(crate) fn is_given(&self) -> bool {
        let pinned = !self.signers.certificates.is_empty()
            || !self.signers.certificate_sha256.is_empty()
            || !self.signers.keys.is_empty();
        pinned || !self.authorities.anchors.is_empty()
    }

    /// The certificate of this DER form, if it was read before: it is pinned, or was in a chain that held. It is no more
    /// trusted for that.
    pub fn known(&self, der: &[u8]) -> Option<Certificate> {
        let pinned = self.signers.certificates.iter().find(|pinned| pinned.der() == der);
        pinned.cloned().or_else(|| self.authorities.known(der))
    }

    /// Whether this certificate may be the sender's, its chain left aside.
    pub(crate) fn binds(&self, certificate: &Certificate) -> bool {
        let named = || self.signers.subjects.iter().any(|subject| certificate.has_subject(subject.as_str()));
        self.signers.is_empty()
            || self.signers.pins(certificate)
            || (!self.authorities.anchors.is_empty() && named())
    }

    /// Everything about the signer except that it is bound. `others` may help to build the chain.
    pub(crate) fn check_signer(
        &self,
        signer: &Signer,
        others: &[Certificate],
    ) -> Result<Vec<Warning>, Objection> {
        match signer {
            Signer::Certificate(certificate) => self.check_certificate(certificate, others),
            Signer::Key(_) if self.authorities.anchors.is_empty() => Ok(Vec::new()),
            Signer::Key(key) => {
                let detail =
                    format!("no chain leads from a key without a certificate ({key}) to an authority");
                Err(Objection::Invalid(Invalid::Untrusted, detail))
            }
        }
    }

    fn check_certificate(
        &self,
        signer: &Certificate,
        others: &[Certificate],
    ) -> Result<Vec<Warning>, Objection> {
        check_dates(signer, self.at)?;
        signer.usage().check_signer()?;
        let authorities = &*self.authorities;
        if authorities.anchors.is_empty() {
            return self.check_unproven_lists(signer);
        }
        if signer.usage().is_authority() && !self.signers.pins(signer) {
            let detail = "basicConstraints: an authority's certificate signs certificates, not documents";
            return Err(Objection::Invalid(Invalid::KeyUsage, detail.to_owned()));
        }
        let chain = authorities.chain(signer, others, self.at, self.legacy_sha1)?;
        let mut warnings = Vec::new();
        if chain.sha1 {
            warnings.push(Warning::Sha1);
        }
        if authorities.tell_of_revocation() {
            authorities.check_revocation(&chain.certificates, self.at, self.legacy_sha1)?;
        } else {
            warnings.push(Warning::RevocationNotChecked);
        }
        Ok(warnings)
    }

    /// Nobody is known whose key could prove a list; it comes from the settings, as the pin does.
    fn check_unproven_lists(&self, signer: &Certificate) -> Result<Vec<Warning>, Objection> {
        let Authorities { crls, sources, .. } = &*self.authorities;
        let issuer = signer.x509().issuer_name();
        if crls.iter().any(|crl| crl.is_of(issuer) && crl.revokes(signer.x509())) {
            return Err(Objection::Invalid(Invalid::Revoked, signer.subject()));
        }
        Ok(if sources.is_empty() { Vec::new() } else { vec![Warning::RevocationNotChecked] })
    }
}
