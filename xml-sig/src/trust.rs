//! Who is trusted to sign, and the checks of a certificate: pinned, dates, usage, chain, revocation.

use jiff::Timestamp;
use openssl::stack::Stack;
use openssl::x509::store::{X509Store, X509StoreBuilder};
use openssl::x509::verify::{X509VerifyFlags, X509VerifyParam};
use openssl::x509::{X509, X509KeyUsage, X509Ref, X509StoreContext, X509VerifyResult};

use crate::certificate::{Certificate, Crl};
use crate::der::{Purposes, purposes};
use crate::verdict::{Invalid, Objection, Unusable, Warning};

/// ExtendedKeyUsage purposes that may sign documents, in DER: emailProtection (RFC 5280), documentSigning (RFC 9336),
/// and Microsoft's document signing 1.3.6.1.4.1.311.10.3.12.
const SIGNING_PURPOSES: [&[u8]; 3] = [
    &[0x2B, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x04],
    &[0x2B, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x24],
    &[0x2B, 0x06, 0x01, 0x04, 0x01, 0x82, 0x37, 0x0A, 0x03, 0x0C],
];
/// OpenSSL's security level for chains: 112 bits, so no SHA-1 and no RSA below 2048.
const CHAIN_SECURITY_LEVEL: i32 = 2;
/// The longest chain that is looked at, leaf and anchor left out.
const CHAIN_DEPTH: i32 = 8;

/// Who may sign. What is given must all hold: a pinned certificate *and* a chain, when both are given. With neither,
/// every signature is [`Unusable::NoTrust`].
#[derive(Clone, Debug)]
pub struct Trust {
    /// The signer's certificate must be one of these, byte for byte.
    pub pinned: Vec<Certificate>,
    /// A chain must lead to one of these. They need not be self-signed.
    pub anchors: Vec<Certificate>,
    /// When not empty: each issuer in the chain must have a current list here, signed by it; a list without the date of
    /// the next one is not current. Lists are checked for a merely pinned certificate too, as far as there is one of its
    /// issuer's name: with no anchor, whether that issuer signed it cannot be known.
    pub crls: Vec<Crl>,
    /// The time that dates and lists are judged at: when the document was received.
    pub at: Timestamp,
    /// Allows SHA-1 as digest and in RSA signatures.
    pub legacy_sha1: bool,
}

impl Trust {
    pub(crate) fn is_given(&self) -> bool {
        !self.pinned.is_empty() || !self.anchors.is_empty()
    }

    /// Everything about the signer's certificate except that it is pinned. `others` may help to build the chain.
    pub(crate) fn check(
        &self,
        signer: &Certificate,
        others: &[Certificate],
    ) -> Result<Vec<Warning>, Objection> {
        self.check_dates(signer)?;
        check_usage(signer)?;
        if self.anchors.is_empty() {
            // Nobody is known whose key could prove the list; it comes from the settings, as the pin does.
            let issuer = signer.x509().issuer_name();
            if self.crls.iter().any(|crl| crl.is_of(issuer) && crl.revokes(signer.x509())) {
                return Err(Objection::Invalid(Invalid::Revoked, signer.subject()));
            }
            return Ok(Vec::new());
        }
        let chain = self.chain(signer, others)?;
        if self.crls.is_empty() {
            return Ok(vec![Warning::RevocationNotChecked]);
        }
        self.check_proven_lists(signer, &chain)?;
        chain.windows(2).try_for_each(|pair| self.check_revocation(&pair[0], &pair[1]))?;
        Ok(Vec::new())
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
    fn chain(&self, signer: &Certificate, others: &[Certificate]) -> Result<Vec<X509>, Objection> {
        let broken =
            |error: openssl::error::ErrorStack| Objection::Invalid(Invalid::Untrusted, error.to_string());
        let store = self.store().map_err(broken)?;
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
            let subject = context.current_cert().map(X509Ref::to_owned).map(Certificate::from_x509);
            let subject = subject.and_then(Result::ok).map_or(String::new(), |c| c.subject());
            Ok(Err(chain_objection(context.error(), &subject)))
        });
        built.map_err(broken)?
    }

    fn store(&self) -> Result<X509Store, openssl::error::ErrorStack> {
        let mut store = X509StoreBuilder::new()?;
        for anchor in &self.anchors {
            store.add_cert(anchor.x509().to_owned())?;
        }
        let mut parameters = X509VerifyParam::new()?;
        parameters.set_flags(X509VerifyFlags::PARTIAL_CHAIN)?;
        parameters.set_time(self.at.as_second());
        parameters.set_auth_level(CHAIN_SECURITY_LEVEL);
        parameters.set_depth(CHAIN_DEPTH);
        store.set_param(&parameters)?;
        Ok(store.build())
    }

    /// Lists that another anchor proves count too: an authority may have changed its key, and an anchor that signs has no
    /// issuer in its chain.
    fn check_proven_lists(&self, signer: &Certificate, chain: &[X509]) -> Result<(), Objection> {
        let issuer = signer.x509().issuer_name();
        let proven = |crl: &Crl| {
            let known = chain.iter().map(AsRef::as_ref).chain(self.anchors.iter().map(Certificate::x509));
            known.filter(|known| crl.is_of(known.subject_name())).any(|known| crl.is_signed_by(known))
        };
        let revoked =
            self.crls.iter().any(|crl| crl.is_of(issuer) && crl.revokes(signer.x509()) && proven(crl));
        if revoked { Err(Objection::Invalid(Invalid::Revoked, signer.subject())) } else { Ok(()) }
    }

    /// RFC 5280 section 6.3, for complete lists from the issuer itself.
    fn check_revocation(&self, certificate: &X509Ref, issuer: &X509Ref) -> Result<(), Objection> {
        let mut judged = false;
        for crl in self.crls.iter().filter(|crl| crl.is_of(certificate.issuer_name())) {
            if crl.is_signed_by(issuer) {
                if crl.revokes(certificate) {
                    let subject = Certificate::from_x509(certificate.to_owned()).map(|c| c.subject());
                    return Err(Objection::Invalid(Invalid::Revoked, subject.unwrap_or_default()));
                }
                judged |= crl.is_current(self.at);
            }
        }
        if judged {
            return Ok(());
        }
        let issuer = Certificate::from_x509(issuer.to_owned()).map(|c| c.subject()).unwrap_or_default();
        Err(Objection::Unusable(Unusable::Revocation, format!("no current CRL of {issuer}")))
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
