//! Answers of OCSP responders (RFC 6960) that were fetched beforehand. They are read strictly and once; what is believed are
//! the octets whose signature is checked, and no other reader sees them.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};
use openssl::error::ErrorStack;
use openssl::hash::{MessageDigest, hash};
use openssl::ocsp::{OcspCertId, OcspRequest};
use openssl::x509::X509Ref;

use crate::certificate::Certificate;
use crate::der::{
    BITS, CertificateParts, Der, ENUMERATED, EXPLICIT_0, EXPLICIT_1, EXPLICIT_2, GENERALIZED_TIME,
    IMPLICIT_0, IMPLICIT_2, INTEGER, OCTETS, OID, SEQUENCE, bits, element, extensions, generalized_time,
    only,
};
use crate::revocation::{Answer, Link, Revocation, Status};
use crate::vouch::{Strength, is_known, strength, verifies};

/// Largest response that is read. Usual ones have 1 to 5 KiB.
pub const OCSP_RESPONSE_BYTES_MAX: usize = 64 << 10;
/// Most certificates in one response, and most answers.
const CERTIFICATES_MAX: usize = 8;
const SINGLES_MAX: usize = 64;
/// A responder's clock may be ahead of ours by this much (RFC 5019 section 4 lets clients allow for it).
const CLOCK_TOLERANCE: SignedDuration = SignedDuration::from_mins(5);
/// How many issuers a response remembers that it was proven for.
const PROVEN_MAX: usize = 8;

/// 1.3.6.1.5.5.7.48.1.1 and .5: a basic response, and the extension of a responder that need not be checked.
const BASIC: &[u8] = &[0x2B, 0x06, 0x01, 0x05, 0x05, 0x07, 0x30, 0x01, 0x01];
const NO_CHECK: &[u8] = &[0x2B, 0x06, 0x01, 0x05, 0x05, 0x07, 0x30, 0x01, 0x05];
const SHA1: &[u8] = &[0x2B, 0x0E, 0x03, 0x02, 0x1A];
/// 2.16.840.1.101.3.4.2, of which 1, 2 and 3 are SHA-256, 384 and 512.
const SHA2: &[u8] = &[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02];

/// A response that is of no use.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OcspError {
    /// Not built as RFC 6960 section 4.2.1 says, or with something critical that is not understood.
    #[error("this OCSP response cannot be read")]
    Unreadable,
    /// The responder did not answer: OCSPResponseStatus, such as 3 for "try later".
    #[error("the OCSP responder did not answer (status {0})")]
    Unsuccessful(u8),
    /// Larger than [`OCSP_RESPONSE_BYTES_MAX`], or with more than 8 certificates or 64 answers.
    #[error("an OCSP response has at most {OCSP_RESPONSE_BYTES_MAX} bytes, 8 certificates and 64 answers")]
    Limit,
    /// Signed with another algorithm than RSA PKCS #1 v1.5 or ECDSA with SHA-1 or SHA-2.
    #[error("the OCSP response is signed with an algorithm outside the profile")]
    Algorithm,
    /// A request cannot be made for this certificate.
    #[error("no OCSP request can be made for this certificate")]
    Request,
}

/// A responder's answer about one or more certificates of an authority. Cheap to clone.
///
/// It counts when the authority signed it, or a responder whose certificate the authority issued for that (extendedKeyUsage
/// OCSPSigning), whose dates hold and whose key is not the one that is asked about; when it is about the certificate by name and key of the authority and serial number;
/// and, to say "good", when it is current: thisUpdate at most five minutes ahead, nextUpdate present and not past. There
/// is no nonce: an answer that was fetched beforehand may be used until it is to be replaced. SHA-1 in the identifier of a
/// certificate is what RFC 5019 asks for, and vouches for nothing.
#[derive(Clone)]
pub struct OcspResponse {
    inner: Arc<Inner>,
}

struct Inner {
    /// ResponseData, whole: what is signed.
    signed: Vec<u8>,
    algorithm: Vec<u8>,
    strength: Strength,
    signature: Vec<u8>,
    responder: Responder,
    certificates: Vec<Certificate>,
    produced_at: Timestamp,
    singles: Vec<Single>,
    /// SHA-256 of issuers with what proves it for them: a signature is checked once and not for each document.
    proven: Mutex<Vec<([u8; 32], Vec<Voucher>)>>,
}

/// ResponderID: a Name in DER, or the SHA-1 of a key.
enum Responder {
    Name(Vec<u8>),
    KeySha1(Vec<u8>),
}

/// Whose key made the signature.
#[derive(Clone, Copy)]
enum Voucher {
    Issuer,
    /// The certificate at this place.
    Delegate(usize),
}

struct Single {
    digest: MessageDigest,
    issuer_name: Vec<u8>,
    issuer_key: Vec<u8>,
    serial: Vec<u8>,
    status: SingleStatus,
    this_update: Timestamp,
    next_update: Option<Timestamp>,
}

enum SingleStatus {
    Good,
    Revoked(Timestamp),
    Unknown,
}

impl OcspResponse {
    /// Reads one response in DER, as the responder sent it.
    ///
    /// # Errors
    /// [`OcspError`], but never for what the response says: that is judged when it is asked.
    pub fn from_der(der: &[u8]) -> Result<Self, OcspError> {
        if der.len() > OCSP_RESPONSE_BYTES_MAX {
            return Err(OcspError::Limit);
        }
        let basic = basic_of(der)?;
        let inner = Inner::read(basic).ok_or(OcspError::Unreadable)??;
        Ok(Self { inner: Arc::new(inner) })
    }

    /// The request, in DER, that a fetcher sends for this certificate (RFC 6960 section 4.1, RFC 5019 section 2.1: SHA-1
    /// identifiers, no nonce).
    ///
    /// # Errors
    /// [`OcspError::Request`].
    pub fn request(certificate: &Certificate, issuer: &Certificate) -> Result<Vec<u8>, OcspError> {
        let made = || -> Result<Vec<u8>, ErrorStack> {
            let id = OcspCertId::from_cert(MessageDigest::sha1(), certificate.x509(), issuer.x509())?;
            let mut request = OcspRequest::new()?;
            request.add_id(id)?;
            request.to_der()
        };
        made().map_err(|_| OcspError::Request)
    }

    /// When the responder signed it.
    pub fn produced_at(&self) -> Timestamp {
        self.inner.produced_at
    }

    /// The first time by which it must have been replaced; `None` when an answer in it does not say, which is never
    /// current.
    pub fn next_update(&self) -> Option<Timestamp> {
        let all: Option<Vec<Timestamp>> =
            self.inner.singles.iter().map(|single| single.next_update).collect();
        all?.into_iter().min()
    }
}

impl Revocation for OcspResponse {
    fn answer(&self, link: &Link<'_>) -> Answer {
        let Some(target) = Target::of(link) else { return Status::Silent.into() };
        let singles: Vec<&Single> = self.inner.singles.iter().filter(|single| target.is_of(single)).collect();
        if singles.is_empty() {
            return Status::Silent.into();
        }
        let delegate = match self.inner.voucher(link) {
            Ok(delegate) => delegate,
            Err(why) => return Status::Unknown(why.to_owned()).into(),
        };
        let stated: Vec<Status> = singles.iter().map(|single| single.status(link.at)).collect();
        let is_revoked = |status: &&Status| matches!(status, Status::Revoked(_));
        let is_good = |status: &&Status| **status == Status::Good;
        let said = stated.iter().find(is_revoked).or_else(|| stated.iter().find(is_good)).or(stated.first());
        Answer { status: said.cloned().unwrap_or(Status::Silent), delegate }
    }
}

impl fmt::Debug for OcspResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OcspResponse({})", self.inner.produced_at)
    }
}

impl Inner {
    fn read(basic: &[u8]) -> Option<Result<Self, OcspError>> {
        let mut fields = only(basic, SEQUENCE)?;
        let signed = fields.whole(SEQUENCE)?;
        let algorithm = fields.whole(SEQUENCE)?;
        let signature = bits(fields.take(BITS)?)?;
        let mut listed = match fields.optional(EXPLICIT_0)? {
            Some(explicit) => only(explicit, SEQUENCE)?,
            None => Der(&[]),
        };
        fields.end()?;
        let mut certificates = Vec::new();
        while !listed.is_empty() {
            if certificates.len() == CERTIFICATES_MAX {
                return Some(Err(OcspError::Limit));
            }
            certificates.push(Certificate::from_der(listed.whole(SEQUENCE)?).ok()?);
        }
        if !is_known(algorithm) {
            return Some(Err(OcspError::Algorithm));
        }
        let (responder, produced_at, mut responses) = data_of(signed)?;
        let mut singles = Vec::new();
        while !responses.is_empty() {
            if singles.len() == SINGLES_MAX {
                return Some(Err(OcspError::Limit));
            }
            // An answer about a certificate by a digest that nobody uses is about none that is asked for.
            singles.extend(Single::read(responses.inside(SEQUENCE)?)?);
        }
        Some(Ok(Self {
            signed: signed.to_vec(),
            strength: strength(algorithm),
            algorithm: algorithm.to_vec(),
            signature: signature.to_vec(),
            responder,
            certificates,
            produced_at,
            singles,
            proven: Mutex::default(),
        }))
    }

    /// The responder that signed in the issuer's place and must itself not be revoked; `None`: the issuer, or one that need
    /// not be checked.
    fn voucher(&self, link: &Link<'_>) -> Result<Option<Certificate>, &'static str> {
        if !self.strength.suffices(link.legacy_sha1) {
            return Err("an OCSP response with a weak digest");
        }
        let vouchers = self.vouchers(link.issuer);
        if vouchers.is_empty() {
            return Err("an OCSP response that neither the issuer nor a responder of its own signed");
        }
        let mut why = "";
        for voucher in vouchers {
            let Voucher::Delegate(at) = voucher else { return Ok(None) };
            let Some(delegate) = self.certificates.get(at) else { continue };
            if has_one_key(delegate, link.certificate) {
                why = "an OCSP response by the key that it is about";
            } else if !(delegate.not_before()..=delegate.not_after()).contains(&link.at) {
                why = "an OCSP response of a responder whose certificate is out of date";
            } else if !delegate.usage().signed_by().suffices(link.legacy_sha1) {
                why = "an OCSP response of a responder whose certificate has a weak digest";
            } else {
                let parts = CertificateParts::read(delegate.der());
                let unchecked = parts.is_some_and(|parts| parts.extension(NO_CHECK).is_some());
                return Ok((!unchecked).then(|| delegate.clone()));
            }
        }
        Err(why)
    }

    /// Who signed it, as seen from this issuer. Dates are left aside: this does not change with time.
    fn vouchers(&self, issuer: &Certificate) -> Vec<Voucher> {
        // A list of digests is whole at every moment, also after a panic elsewhere.
        let proven = || self.proven.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, known)) = proven().iter().find(|(sha256, _)| *sha256 == issuer.sha256()) {
            return known.clone();
        }
        let mut found = Vec::new();
        if issuer.usage().signs_answers_itself() && self.is_signed_by(issuer) {
            found.push(Voucher::Issuer);
        }
        for (at, delegate) in self.certificates.iter().enumerate() {
            if delegate.usage().signs_answers_for_issuer()
                && is_issued_by(delegate.x509(), issuer.x509())
                && self.is_signed_by(delegate)
            {
                found.push(Voucher::Delegate(at));
            }
        }
        let mut known = proven();
        if known.len() < PROVEN_MAX {
            known.push((issuer.sha256(), found.clone()));
        }
        found
    }

    fn is_signed_by(&self, certificate: &Certificate) -> bool {
        let Some(parts) = CertificateParts::read(certificate.der()) else { return false };
        let names = match &self.responder {
            Responder::Name(name) => name == parts.subject,
            Responder::KeySha1(sha1) => {
                parts.key_bits().is_some_and(|key| hashes_to(MessageDigest::sha1(), key, sha1))
            }
        };
        let key = certificate.x509().public_key();
        names && key.is_ok_and(|key| verifies(&self.algorithm, &key, &self.signed, &self.signature))
    }
}

impl Single {
    /// `Some(None)`: identified by a digest that is not used.
    fn read(mut fields: Der<'_>) -> Option<Option<Self>> {
        let mut id = fields.inside(SEQUENCE)?;
        let digest = digest_of(id.inside(SEQUENCE)?.take(OID)?);
        let (issuer_name, issuer_key) = (id.take(OCTETS)?, id.take(OCTETS)?);
        let serial = id.take(INTEGER)?;
        id.end()?;
        let status = match fields.any()? {
            (IMPLICIT_0, []) => SingleStatus::Good,
            (EXPLICIT_1, revoked) => SingleStatus::Revoked(revocation_time(Der(revoked))?),
            (IMPLICIT_2, []) => SingleStatus::Unknown,
            _ => return None,
        };
        let this_update = generalized_time(fields.take(GENERALIZED_TIME)?)?;
        let next_update = match fields.optional(EXPLICIT_0)? {
            Some(explicit) => Some(explicit_time(explicit)?),
            None => None,
        };
        refuse_critical(&mut fields)?;
        fields.end()?;
        let Some(digest) = digest else { return Some(None) };
        let [issuer_name, issuer_key, serial] = [issuer_name, issuer_key, serial].map(<[u8]>::to_vec);
        Some(Some(Self { digest, issuer_name, issuer_key, serial, status, this_update, next_update }))
    }

    fn status(&self, at: Timestamp) -> Status {
        if let SingleStatus::Revoked(since) = self.status {
            return Status::Revoked(format!("since {since}, by an OCSP response"));
        }
        let why = match self.next_update {
            _ if self.this_update.duration_since(at) > CLOCK_TOLERANCE => {
                format!("an OCSP response of later, {}", self.this_update)
            }
            None => "an OCSP response that does not say when the next one comes".to_owned(),
            Some(next) if next < at => format!("an OCSP response that was to be replaced by {next}"),
            Some(_) if matches!(self.status, SingleStatus::Good) => return Status::Good,
            Some(_) => "the OCSP responder does not know the certificate".to_owned(),
        };
        Status::Unknown(why)
    }
}

/// What a CertID must say to be of a certificate.
struct Target<'a> {
    certificate: CertificateParts<'a>,
    issuer_subject: &'a [u8],
    issuer_key: &'a [u8],
}

impl<'a> Target<'a> {
    fn of(link: &Link<'a>) -> Option<Self> {
        let certificate = CertificateParts::read(link.certificate.der())?;
        let issuer = CertificateParts::read(link.issuer.der())?;
        Some(Self { certificate, issuer_subject: issuer.subject, issuer_key: issuer.key_bits()? })
    }

    /// RFC 6960 section 4.1.1 hashes the Name as the certificate writes its issuer; OpenSSL as the issuer writes itself.
    fn is_of(&self, single: &Single) -> bool {
        let named = |name: &[u8]| hashes_to(single.digest, name, &single.issuer_name);
        single.serial == self.certificate.serial
            && (named(self.certificate.issuer) || named(self.issuer_subject))
            && hashes_to(single.digest, self.issuer_key, &single.issuer_key)
    }
}

/// The BasicOCSPResponse in a response (RFC 6960 section 4.2.1).
fn basic_of(der: &[u8]) -> Result<&[u8], OcspError> {
    let read = || {
        let mut fields = only(der, SEQUENCE)?;
        let &[status] = fields.take(ENUMERATED)? else { return None };
        if status != 0 {
            return Some(Err(OcspError::Unsuccessful(status)));
        }
        let mut bytes = only(fields.take(EXPLICIT_0)?, SEQUENCE)?;
        fields.end()?;
        let (kind, basic) = (bytes.take(OID)?, bytes.take(OCTETS)?);
        bytes.end()?;
        (kind == BASIC).then_some(Ok(basic))
    };
    read().ok_or(OcspError::Unreadable)?
}

/// What ResponseData says, its responses not yet read.
fn data_of(signed: &[u8]) -> Option<(Responder, Timestamp, Der<'_>)> {
    let mut fields = only(signed, SEQUENCE)?;
    if fields.optional(EXPLICIT_0)?.is_some_and(|version| version != [INTEGER, 1, 0]) {
        return None;
    }
    let responder = match fields.any()? {
        (EXPLICIT_1, name) if element(name).is_some_and(|(tag, _, rest)| (tag, rest) == (SEQUENCE, &[])) => {
            Responder::Name(name.to_vec())
        }
        (EXPLICIT_2, key) => {
            let mut key = Der(key);
            let sha1 = key.take(OCTETS)?;
            key.end()?;
            Responder::KeySha1(sha1.to_vec())
        }
        _ => return None,
    };
    let produced_at = generalized_time(fields.take(GENERALIZED_TIME)?)?;
    let responses = fields.inside(SEQUENCE)?;
    refuse_critical(&mut fields)?;
    fields.end()?;
    Some((responder, produced_at, responses))
}

/// Extensions may stand here, and nothing critical among them: a nonce is not, and no other is understood.
fn refuse_critical(fields: &mut Der<'_>) -> Option<()> {
    let Some(explicit) = fields.optional(EXPLICIT_1)? else { return Some(()) };
    extensions(explicit)?.iter().all(|extension| !extension.critical).then_some(())
}

/// RevokedInfo: the time, and perhaps a reason.
fn revocation_time(mut fields: Der<'_>) -> Option<Timestamp> {
    let time = generalized_time(fields.take(GENERALIZED_TIME)?)?;
    if let Some(reason) = fields.optional(EXPLICIT_0)? {
        let mut reason = Der(reason);
        reason.take(ENUMERATED)?;
        reason.end()?;
    }
    fields.end()?;
    Some(time)
}

fn explicit_time(explicit: &[u8]) -> Option<Timestamp> {
    let mut fields = Der(explicit);
    let time = generalized_time(fields.take(GENERALIZED_TIME)?)?;
    fields.end()?;
    Some(time)
}

fn digest_of(id: &[u8]) -> Option<MessageDigest> {
    match id.strip_prefix(SHA2) {
        Some([1]) => Some(MessageDigest::sha256()),
        Some([2]) => Some(MessageDigest::sha384()),
        Some([3]) => Some(MessageDigest::sha512()),
        _ => (id == SHA1).then(MessageDigest::sha1),
    }
}

fn hashes_to(digest: MessageDigest, octets: &[u8], expected: &[u8]) -> bool {
    // A failed hash is equal to nothing.
    hash(digest, octets).is_ok_and(|made| *made == *expected)
}

/// Whether two certificates are of one key. What cannot be read may be.
fn has_one_key(one: &Certificate, other: &Certificate) -> bool {
    let parts = (CertificateParts::read(one.der()), CertificateParts::read(other.der()));
    let (Some(one), Some(other)) = parts else { return true };
    one.key_bits() == other.key_bits()
}

/// Directly, by name and by key (RFC 6960 section 4.2.2.2).
fn is_issued_by(certificate: &X509Ref, issuer: &X509Ref) -> bool {
    let named = certificate.issuer_name().try_cmp(issuer.subject_name()).is_ok_and(std::cmp::Ordering::is_eq);
    named && issuer.public_key().and_then(|key| certificate.verify(&key)).unwrap_or(false)
}
