//! Whether certificates were revoked: the seam between verification and whoever fetches lists (RFC 5280 section 5) and
//! responders' answers (RFC 6960). Verification opens no socket: what is fetched beforehand is handed in as a [`Crl`], an
//! [`crate::OcspResponse`], or a source of the caller's own.

use std::fmt;

use jiff::Timestamp;

use crate::certificate::{Certificate, Crl};
use crate::trust::Authorities;
use crate::verdict::{Invalid, Objection, Unusable};

/// Reasons of sources that are told in one verdict's detail.
const REASONS_MAX: usize = 4;

/// The question: one link of a chain that has been checked otherwise.
#[derive(Clone, Copy, Debug)]
pub struct Link<'a> {
    /// Whose revocation is asked for.
    pub certificate: &'a Certificate,
    /// A certificate with the name and the key of its issuer. Only what this key vouches for, directly or through a
    /// responder that it certified, may be answered.
    pub issuer: &'a Certificate,
    /// The time that dates are judged at.
    pub at: Timestamp,
    /// Whether SHA-1 may vouch for anything ([`crate::Trust::legacy_sha1`]).
    pub legacy_sha1: bool,
}

/// What a source knows of one certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Status {
    /// The issuer says that it is not revoked, and what it said is current at [`Link::at`].
    Good,
    /// The issuer says that it is revoked or on hold. It counts whatever the dates: neither an old list nor an earlier
    /// time of receipt makes a revoked certificate good, since nothing proves when a signature was made. (RFC 5280
    /// section 6.3.3 and RFC 6960 section 2.2 do not compare the time of revocation either.)
    Revoked(String),
    /// The source speaks of the certificate, and cannot be relied on; why, for a person.
    Unknown(String),
    /// The source says nothing of this certificate.
    Silent,
}

/// A status, and on whose word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// What is known.
    pub status: Status,
    /// The responder that answers in the issuer's place (RFC 6960 section 4.2.2.2), unless the issuer says that its
    /// certificate need not be checked: if any other source says that this one is revoked, the answer is worth nothing.
    pub delegate: Option<Certificate>,
}

impl From<Status> for Answer {
    fn from(status: Status) -> Self {
        Self { status, delegate: None }
    }
}

/// A source of revocation, asked in the middle of a verification: it answers from what it has, and never waits for a
/// network or a disk. Whoever refreshes it does so beside, and replaces what it holds.
pub trait Revocation: Send + Sync + fmt::Debug {
    /// What is known of this certificate.
    fn answer(&self, link: &Link<'_>) -> Answer;
}

/// A list that does not say when the next one comes may be of any age: it is never current. Which of several lists is
/// newer does not matter: what any of them revokes is revoked, so that an old one handed in again hides nothing that
/// another of them tells.
impl Revocation for Crl {
    fn answer(&self, link: &Link<'_>) -> Answer {
        if !self.is_of(link.certificate.x509().issuer_name()) {
            return Status::Silent.into();
        }
        if !self.is_by(link.issuer) {
            return Status::Unknown("a CRL that its issuer did not sign".to_owned()).into();
        }
        if self.revokes(link.certificate.x509()) {
            return Status::Revoked(format!("on the CRL of {}", self.this_update())).into();
        }
        let why = match self.next_update() {
            _ if self.this_update() > link.at => format!("a CRL of later, {}", self.this_update()),
            None => "a CRL that does not say when the next one comes".to_owned(),
            Some(next) if next < link.at => format!("a CRL that was to be replaced by {next}"),
            Some(_) if !self.strength().suffices(link.legacy_sha1) => "a CRL with a weak digest".to_owned(),
            Some(_) => return Status::Good.into(),
        };
        Status::Unknown(why).into()
    }
}

impl Authorities {
    /// Whether anything is known of revocation at all.
    pub(crate) fn tell_of_revocation(&self) -> bool {
        !self.crls.is_empty() || !self.sources.is_empty()
    }

    fn all_sources(&self) -> impl Iterator<Item = &dyn Revocation> {
        let crls = self.crls.iter().map(|crl| -> &dyn Revocation { crl });
        crls.chain(self.sources.iter().map(|source| -> &dyn Revocation { &**source }))
    }

    /// Judges the links of a chain from signer to anchor, both included. Sources that another anchor of the issuer's name
    /// proves may revoke too: an authority may have changed its key, and an anchor that signs has no issuer in its chain.
    /// A link that is revoked counts before one of which nothing sure is known.
    pub(crate) fn check_revocation(
        &self,
        chain: &[Certificate],
        at: Timestamp,
        legacy_sha1: bool,
    ) -> Result<(), Objection> {
        let asked = match chain {
            [below_anchor @ .., _] if !below_anchor.is_empty() => below_anchor,
            alone => alone,
        };
        let mut unsure = None;
        for (place, certificate) in asked.iter().enumerate() {
            let issuer = chain.get(place + 1);
            let ask = |issuer| match self.status(&Link { certificate, issuer, at, legacy_sha1 }) {
                Status::Revoked(detail) => Err(revoked(certificate, &detail)),
                other => Ok(other),
            };
            for known in chain.iter().chain(&self.anchors) {
                if is_named(known, certificate) && Some(known) != issuer {
                    ask(known)?;
                }
            }
            let Some(issuer) = issuer else { break };
            let why = match ask(issuer)? {
                Status::Good => continue,
                Status::Unknown(why) => format!("nothing sure of {}: {why}", certificate.subject()),
                _ => format!("no current CRL of {}", issuer.subject()),
            };
            unsure.get_or_insert(why);
        }
        unsure.map_or(Ok(()), |why| Err(unknown(why)))
    }

    /// Of all sources together: whoever says "revoked" is believed, and else one that says "good" is needed.
    pub(crate) fn status(&self, link: &Link<'_>) -> Status {
        let (mut good, mut reasons) = (false, Vec::new());
        for source in self.all_sources() {
            let answer = source.answer(link);
            match self.without_revoked(answer, link) {
                Status::Silent => {}
                Status::Unknown(why) => reasons.push(why),
                Status::Good => good = true,
                revoked @ Status::Revoked(_) => return revoked,
            }
        }
        reasons.dedup();
        reasons.truncate(REASONS_MAX);
        match reasons {
            _ if good => Status::Good,
            reasons if reasons.is_empty() => Status::Silent,
            reasons => Status::Unknown(reasons.join("; ")),
        }
    }

    /// The status, unless who answered is revoked itself, whoever says that.
    fn without_revoked(&self, answer: Answer, link: &Link<'_>) -> Status {
        let Some(delegate) = &answer.delegate else { return answer.status };
        let link = Link { certificate: delegate, ..*link };
        let is_revoked = |said: Answer| matches!(said.status, Status::Revoked(_));
        if self.all_sources().any(|source| is_revoked(source.answer(&link))) {
            return Status::Unknown(format!("the responder {} is revoked itself", delegate.subject()));
        }
        answer.status
    }
}

fn is_named(issuer: &Certificate, certificate: &Certificate) -> bool {
    let (name, named) = (issuer.x509().subject_name(), certificate.x509().issuer_name());
    name.try_cmp(named).is_ok_and(std::cmp::Ordering::is_eq)
}

fn revoked(certificate: &Certificate, detail: &str) -> Objection {
    Objection::Invalid(Invalid::Revoked, format!("{}: {detail}", certificate.subject()))
}

fn unknown(detail: String) -> Objection {
    Objection::Unusable(Unusable::Revocation, detail)
}
