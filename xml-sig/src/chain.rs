//! The chain from a signer to an anchor (RFC 5280 section 6): OpenSSL builds it, what OpenSSL leaves open is checked here, and
//! a chain that held is remembered, for the next document of the same signer.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use openssl::error::ErrorStack;
use openssl::sha::sha256;
use openssl::stack::Stack;
use openssl::x509::store::{X509Store, X509StoreBuilder};
use openssl::x509::verify::{X509VerifyFlags, X509VerifyParam};
use openssl::x509::{X509, X509Ref, X509StoreContext, X509VerifyResult};

use crate::certificate::Certificate;
use crate::trust::Authorities;
use crate::verdict::{Invalid, Objection};

/// OpenSSL's security level of 112 bits, which SHA-1 does not reach; and the one that asks for nothing.
const CHAIN_SECURITY_LEVEL: i32 = 2;
const NO_SECURITY_LEVEL: i32 = 0;
/// The longest chain that is looked at, leaf and anchor left out.
const CHAIN_DEPTH: i32 = 8;
/// How many chains are remembered. When there are more, all are forgotten.
const CHAINS_MAX: usize = 256;

/// The chains of one [`Authorities`] that held, so that a signer's chain is not built again for each of its documents.
/// What is remembered is what does not change: names, keys, signatures and constraints. Dates and revocation are judged
/// each time. Begin with an empty one (`Default`); a clone is empty.
#[derive(Default)]
pub struct Chains {
    held: Mutex<Held>,
}

#[derive(Default)]
struct Held {
    chains: HashMap<ChainKey, Arc<Chain>>,
    /// The members of all of them by SHA-256: to read a certificate again costs more than to verify with its key.
    certificates: HashMap<[u8; 32], Certificate>,
}

/// What the building began with: the signer, the certificates that came with it, whether SHA-1 was allowed.
#[derive(PartialEq, Eq, Hash)]
struct ChainKey {
    signer_and_others_sha256: Vec<[u8; 32]>,
    legacy_sha1: bool,
}

/// A chain that held at some time.
#[derive(Debug)]
pub(crate) struct Chain {
    /// From the signer to an anchor, both included.
    pub(crate) certificates: Vec<Certificate>,
    /// It holds by SHA-1 only.
    pub(crate) sha1: bool,
}

impl Clone for Chains {
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl fmt::Debug for Chains {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Chains")
    }
}

impl Chains {
    fn held(&self) -> MutexGuard<'_, Held> {
        // Both maps may lack an entry, and each entry is whole, also after a panic elsewhere.
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn find(&self, key: &ChainKey) -> Option<Arc<Chain>> {
        self.held().chains.get(key).cloned()
    }

    fn keep(&self, key: ChainKey, chain: Arc<Chain>) {
        let mut held = self.held();
        if held.chains.len() >= CHAINS_MAX {
            *held = Held::default();
        }
        for certificate in &chain.certificates {
            held.certificates.insert(certificate.sha256(), certificate.clone());
        }
        held.chains.insert(key, chain);
    }

    /// A certificate in DER that need not be read again.
    fn certificate(&self, der: &[u8]) -> Option<Certificate> {
        let held = self.held();
        if held.certificates.is_empty() {
            return None;
        }
        held.certificates.get(&sha256(der)).filter(|known| known.der() == der).cloned()
    }
}

impl Chain {
    fn holds(&self, anchors: &[Certificate], at: Timestamp) -> bool {
        let dated =
            |certificate: &Certificate| certificate.not_before() <= at && at <= certificate.not_after();
        // Anchors may have been taken out since.
        self.certificates.last().is_some_and(|last| anchors.contains(last))
            && self.certificates.iter().all(dated)
    }
}

impl Authorities {
    /// A certificate in DER that a chain of before had. It counts no more for that.
    pub(crate) fn known(&self, der: &[u8]) -> Option<Certificate> {
        self.chains.certificate(der)
    }

    /// A chain that holds at a time. `others` may help to build it.
    pub(crate) fn chain(
        &self,
        signer: &Certificate,
        others: &[Certificate],
        at: Timestamp,
        legacy_sha1: bool,
    ) -> Result<Arc<Chain>, Objection> {
        let named = std::iter::once(signer).chain(others).map(Certificate::sha256);
        let key = ChainKey { signer_and_others_sha256: named.collect(), legacy_sha1 };
        if let Some(known) = self.chains.find(&key).filter(|known| known.holds(&self.anchors, at)) {
            return Ok(known);
        }
        let second = at.as_second();
        let build = |level, sha1| -> Result<Chain, Objection> {
            let certificates = match self.build(signer, others, second, level) {
                // OpenSSL takes the last second of a certificate for one past the end.
                Err(Objection::Invalid(Invalid::Expired, _)) => {
                    self.build(signer, others, second - 1, level)?
                }
                built => built?,
            };
            check_members(&certificates, sha1)?;
            certificates.iter().try_for_each(|certificate| check_dates(certificate, at))?;
            Ok(Chain { certificates, sha1 })
        };
        let built = match build(CHAIN_SECURITY_LEVEL, false) {
            Err(_) if legacy_sha1 => build(NO_SECURITY_LEVEL, true),
            built => built,
        };
        let chain = Arc::new(built?);
        self.chains.keep(key, Arc::clone(&chain));
        Ok(chain)
    }

    /// A chain to one of the anchors. Of several that have one name, as after a change of key, OpenSSL tries the one that
    /// it meets first: so each of them is tried without the others.
    fn build(
        &self,
        signer: &Certificate,
        others: &[Certificate],
        second: i64,
        level: i32,
    ) -> Result<Vec<Certificate>, Objection> {
        let all: Vec<&Certificate> = self.anchors.iter().collect();
        let built = self.build_below(&all, signer, others, second, level);
        if built.is_ok() {
            return built;
        }
        for anchor in &self.anchors {
            let apart = |other: &&Certificate| *other == anchor || !is_namesake(other, anchor);
            let alone: Vec<&Certificate> = self.anchors.iter().filter(apart).collect();
            if alone.len() < all.len()
                && let Ok(chain) = self.build_below(&alone, signer, others, second, level)
            {
                return Ok(chain);
            }
        }
        built
    }

    fn build_below(
        &self,
        anchors: &[&Certificate],
        signer: &Certificate,
        others: &[Certificate],
        second: i64,
        level: i32,
    ) -> Result<Vec<Certificate>, Objection> {
        let broken = |error: ErrorStack| Objection::Invalid(Invalid::Untrusted, error.to_string());
        let store = store(anchors, second, level).map_err(broken)?;
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
        let built: Vec<X509> = built.map_err(broken)??;
        let known = |x509: X509| {
            let all = std::iter::once(signer).chain(others).chain(&self.anchors);
            let same = all.into_iter().find(|known| *known.x509() == *x509);
            same.map_or_else(|| Certificate::from_x509(x509), |same| Ok(same.clone()))
        };
        let chain = built.into_iter().map(known).collect::<Result<Vec<Certificate>, _>>();
        chain.map_err(|error| Objection::Invalid(Invalid::Untrusted, error.to_string()))
    }
}

fn is_namesake(one: &Certificate, other: &Certificate) -> bool {
    one.x509().subject_name().try_cmp(other.x509().subject_name()).is_ok_and(Ordering::is_eq)
}

/// The time is the document's own, and OpenSSL keeps it here. Certificates are counted references.
fn store(anchors: &[&Certificate], second: i64, level: i32) -> Result<X509Store, ErrorStack> {
    let mut store = X509StoreBuilder::new()?;
    for anchor in anchors {
        store.add_cert(anchor.x509().to_owned())?;
    }
    let mut parameters = X509VerifyParam::new()?;
    // No policy is asked for here. Where an authority demands that one be (RFC 5280 section 4.2.1.11), OpenSSL refuses
    // the chain: without this flag it would pass over that.
    parameters.set_flags(X509VerifyFlags::PARTIAL_CHAIN | X509VerifyFlags::POLICY_CHECK)?;
    parameters.set_time(second);
    parameters.set_auth_level(level);
    parameters.set_depth(CHAIN_DEPTH);
    store.set_param(&parameters)?;
    Ok(store.build())
}

/// The dates of one certificate, both ends included (RFC 5280 section 4.1.2.5).
pub(crate) fn check_dates(certificate: &Certificate, at: Timestamp) -> Result<(), Objection> {
    if at > certificate.not_after() {
        let detail = format!("not after {}: {}", certificate.not_after(), certificate.subject());
        return Err(Objection::Invalid(Invalid::Expired, detail));
    }
    if at < certificate.not_before() {
        let detail = format!("not before {}: {}", certificate.not_before(), certificate.subject());
        return Err(Objection::Invalid(Invalid::NotYetValid, detail));
    }
    Ok(())
}

/// What OpenSSL does not ask of a chain, or was told not to ask for the sake of SHA-1.
fn check_members(chain: &[Certificate], sha1: bool) -> Result<(), Objection> {
    let untrusted = |certificate: &Certificate, what: &str| {
        let detail = format!("in the chain: {what}: {}", certificate.subject());
        Err(Objection::Invalid(Invalid::Untrusted, detail))
    };
    let (Some((_, authorities)), Some((_, below_anchor))) = (chain.split_first(), chain.split_last()) else {
        return Err(Objection::Invalid(Invalid::Untrusted, "no chain".to_owned()));
    };
    // What the signer is for has been checked.
    if let Some(fault) = authorities.iter().find_map(|c| c.usage().chain_fault().map(|what| (c, what))) {
        return untrusted(fault.0, fault.1);
    }
    // Nobody relies on how an anchor is signed.
    let weak = below_anchor.iter().find(|c| !c.usage().signed_by().suffices(sha1));
    weak.map_or(Ok(()), |certificate| untrusted(certificate, "a weak digest"))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_chains_are_remembered_and_not_more() {
        let chains = Chains::default();
        let chain = Arc::new(Chain { certificates: Vec::new(), sha1: false });
        let key = |number: usize| {
            let mut sha256 = [0; 32];
            sha256[..8].copy_from_slice(&number.to_be_bytes());
            ChainKey { signer_and_others_sha256: vec![sha256], legacy_sha1: false }
        };
        let known =
            |chains: &Chains| (0..=CHAINS_MAX).filter(|number| chains.find(&key(*number)).is_some()).count();
        (0..CHAINS_MAX).for_each(|number| chains.keep(key(number), Arc::clone(&chain)));
        assert_eq!(known(&chains), CHAINS_MAX);
        assert_eq!(known(&chains.clone()), 0);
        chains.keep(key(CHAINS_MAX), chain);
        assert_eq!(known(&chains), 1);
    }
}
