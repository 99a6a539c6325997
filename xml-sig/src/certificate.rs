//! Certificates and revocation lists, as the settings or a KeyInfo give them.

use std::fmt;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use jiff::Timestamp;
use openssl::asn1::{Asn1Time, Asn1TimeRef};
use openssl::hash::MessageDigest;
use openssl::x509::{CrlStatus, X509, X509Crl, X509NameRef, X509Ref};

use crate::der::list_parts;
use crate::keys::{PublicKey, RSA_BITS};
use crate::name::name_text;
use crate::usage::Usage;
use crate::vouch::{Strength, strength};

/// A key, certificate or list that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// There is no PEM block of this kind.
    #[error("no PEM block with a {0} in it")]
    Missing(&'static str),
    /// It cannot be read.
    #[error("this {0} cannot be read")]
    Unreadable(&'static str),
    /// Neither RSA nor ECDSA on a curve that is taken there.
    #[error("the key is neither RSA nor ECDSA on a curve that is taken")]
    Kind,
    /// RSA with less or more bits than are taken: 2048 to 8192, where nothing else is said.
    #[error("an RSA key must have 2048 to 8192 bits, this one has {0}")]
    Size(u32),
    /// RSA with an exponent that is even or 1: whoever has the public key could sign; or with a long one, which costs time.
    #[error("the RSA key has an exponent that is even, 1, or longer than 32 bits")]
    Exponent,
    /// Several private keys where one is to sign.
    #[error("there are several private keys, and only one may sign")]
    Several,
    /// The password is another one.
    #[error("the password does not open this PKCS #12 file")]
    Password,
    /// A PKCS #12 file with a cipher that OpenSSL 3 does not read, such as RC2 with 40 bits.
    #[error("the PKCS #12 file is encrypted with an old cipher: export it again with AES-256")]
    Cipher,
    /// A delta list, or one that covers a part of the certificates only (it has a
    /// critical extension, or one that says so).
    #[error("the CRL does not cover all certificates of its issuer")]
    PartialList,
    /// Private key and certificate do not belong together.
    #[error("the private key does not belong to the certificate")]
    Mismatch,
}

/// An X.509 certificate. Reading one costs OpenSSL 3 five times what a verification with RSA-2048 does; a clone is the
/// same certificate and costs nothing. Two are equal when their DER forms are.
#[derive(Clone)]
pub struct Certificate {
    read: Arc<Read>,
}

struct Read {
    x509: X509,
    der: Vec<u8>,
    sha256: [u8; 32],
    subject: String,
    issuer: String,
    not_before: Timestamp,
    not_after: Timestamp,
    /// `None`: a key that OpenSSL does not know.
    public_key: OnceLock<Option<PublicKey>>,
    usage: OnceLock<Usage>,
}

impl Certificate {
    /// All certificates of a PEM text; at least one. A text that begins one and does not end it was cut: it is not read.
    pub fn from_pem(pem: &[u8]) -> Result<Vec<Self>, KeyError> {
        let all = X509::stack_from_pem(pem).map_err(|_| KeyError::Unreadable("certificate"))?;
        if all.len() != begun(pem, &["CERTIFICATE", "X509 CERTIFICATE"]) {
            return Err(KeyError::Unreadable("certificate"));
        }
        if all.is_empty() {
            return Err(KeyError::Missing("certificate"));
        }
        all.into_iter().map(Self::from_x509).collect()
    }

    /// One certificate in DER, and nothing behind it.
    pub fn from_der(der: &[u8]) -> Result<Self, KeyError> {
        let x509 = X509::from_der(der).map_err(|_| KeyError::Unreadable("certificate"))?;
        let certificate = Self::from_x509(x509)?;
        if certificate.der() != der { Err(KeyError::Unreadable("certificate")) } else { Ok(certificate) }
    }

    /// The subject as RFC 4514 writes names, most specific part first; control characters are escaped. No two names
    /// have one text; [`crate::Subject`] is compared with it.
    pub fn subject(&self) -> String {
        self.read.subject.clone()
    }

    /// The issuer, written like [`Certificate::subject`].
    pub fn issuer(&self) -> String {
        self.read.issuer.clone()
    }

    /// The serial number in upper-case hex.
    pub fn serial(&self) -> String {
        let number =
            self.read.x509.serial_number().to_bn().and_then(|bn| bn.to_hex_str().map(|hex| hex.to_string()));
        number.unwrap_or_default()
    }

    /// SHA-256 over the DER form.
    pub fn sha256(&self) -> [u8; 32] {
        self.read.sha256
    }

    /// Valid from this time on.
    pub fn not_before(&self) -> Timestamp {
        self.read.not_before
    }

    /// Valid up to this time.
    pub fn not_after(&self) -> Timestamp {
        self.read.not_after
    }

    /// The DER form.
    pub fn der(&self) -> &[u8] {
        &self.read.der
    }

    /// Its key, decoded once and kept. It may be of a kind, curve or size that no signature is taken from: this says
    /// the verdict on a signature.
    ///
    /// # Errors
    /// OpenSSL does not know this kind of key.
    pub fn public_key(&self) -> Result<PublicKey, KeyError> {
        let decode = || PublicKey::new(self.read.x509.public_key().ok()?, *RSA_BITS.start()).ok();
        self.read.public_key.get_or_init(decode).clone().ok_or(KeyError::Kind)
    }

    pub(crate) fn has_subject(&self, subject: &str) -> bool {
        self.read.subject == subject
    }

    pub(crate) fn x509(&self) -> &X509Ref {
        &self.read.x509
    }

    /// What it is for, read at the first question.
    pub(crate) fn usage(&self) -> &Usage {
        self.read.usage.get_or_init(|| Usage::of(&self.read.der))
    }

    pub(crate) fn from_x509(x509: X509) -> Result<Self, KeyError> {
        let unreadable = |_| KeyError::Unreadable("certificate");
        let der = x509.to_der().map_err(unreadable)?;
        let digest = x509.digest(MessageDigest::sha256()).map_err(unreadable)?;
        let sha256 = <[u8; 32]>::try_from(&*digest).map_err(|_| KeyError::Unreadable("certificate"))?;
        let time = |t: &Asn1TimeRef| timestamp(t).ok_or(KeyError::Unreadable("certificate"));
        let (not_before, not_after) = (time(x509.not_before())?, time(x509.not_after())?);
        let name = |name: &X509NameRef| {
            let text = name.to_der().ok().and_then(|der| name_text(&der));
            text.ok_or(KeyError::Unreadable("certificate"))
        };
        let (subject, issuer) = (name(x509.subject_name())?, name(x509.issuer_name())?);
        let (public_key, usage) = (OnceLock::new(), OnceLock::new());
        let read = Read { x509, der, sha256, subject, issuer, not_before, not_after, public_key, usage };
        Ok(Self { read: Arc::new(read) })
    }
}

impl PartialEq for Certificate {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.read, &other.read) || self.read.der == other.read.der
    }
}

impl Eq for Certificate {}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Certificate({})", self.subject())
    }
}

/// A certificate revocation list from the settings; a complete one (RFC 5280 section 5).
#[derive(Clone)]
pub struct Crl {
    list: Arc<List>,
}

struct List {
    crl: X509Crl,
    issuer: String,
    this_update: Timestamp,
    next_update: Option<Timestamp>,
    strength: Strength,
    /// SHA-256 of certificates whose key signed it: a list of many megabytes is hashed once and not for each document.
    signed_by: Mutex<Vec<[u8; 32]>>,
}

/// How many issuers a list remembers: an authority has a few certificates of one key.
const SIGNED_BY_MAX: usize = 8;

impl Crl {
    /// All lists of a PEM text; at least one. A text that begins one and does not end it was cut: it is not read.
    pub fn from_pem(pem: &[u8]) -> Result<Vec<Self>, KeyError> {
        const END: &str = "-----END X509 CRL-----";
        let text = std::str::from_utf8(pem).map_err(|_| KeyError::Unreadable("CRL"))?;
        let mut all = Vec::new();
        for block in text.split_inclusive(END).filter(|block| block.ends_with(END)) {
            let crl = X509Crl::from_pem(block.as_bytes()).map_err(|_| KeyError::Unreadable("CRL"))?;
            all.push(Self::from_x509(crl)?);
        }
        if all.len() != begun(pem, &["X509 CRL"]) {
            return Err(KeyError::Unreadable("CRL"));
        }
        if all.is_empty() { Err(KeyError::Missing("CRL")) } else { Ok(all) }
    }

    /// One list in DER, and nothing behind it.
    pub fn from_der(der: &[u8]) -> Result<Self, KeyError> {
        let crl = X509Crl::from_der(der).map_err(|_| KeyError::Unreadable("CRL"))?;
        if crl.to_der().map_err(|_| KeyError::Unreadable("CRL"))? != der {
            return Err(KeyError::Unreadable("CRL"));
        }
        Self::from_x509(crl)
    }

    /// Whose certificates it is about, written like [`Certificate::subject`].
    pub fn issuer(&self) -> &str {
        &self.list.issuer
    }

    /// It was made at this time.
    pub fn this_update(&self) -> Timestamp {
        self.list.this_update
    }

    /// A newer list is promised by this time; `None` when the list does not say.
    pub fn next_update(&self) -> Option<Timestamp> {
        self.list.next_update
    }

    /// Whether this certificate has the list's issuer as its subject, may sign lists, and its key signed this one.
    pub fn is_by(&self, issuer: &Certificate) -> bool {
        self.is_of(issuer.x509().subject_name()) && self.is_signed_by(issuer)
    }

    pub(crate) fn is_of(&self, issuer: &X509NameRef) -> bool {
        self.list.crl.issuer_name().try_cmp(issuer).is_ok_and(std::cmp::Ordering::is_eq)
    }

    /// How much its signature vouches for.
    pub(crate) fn strength(&self) -> Strength {
        self.list.strength
    }

    fn is_signed_by(&self, issuer: &Certificate) -> bool {
        let may_sign = issuer.usage().signs_lists();
        if !may_sign || self.signers().contains(&issuer.sha256()) {
            return may_sign;
        }
        let key = issuer.x509().public_key();
        let signed = key.and_then(|key| self.list.crl.verify(&key)).unwrap_or(false);
        if signed {
            let mut known = self.signers();
            if known.len() < SIGNED_BY_MAX {
                known.push(issuer.sha256());
            }
        }
        signed
    }

    fn signers(&self) -> std::sync::MutexGuard<'_, Vec<[u8; 32]>> {
        // A list of digests is whole at every moment, also after a panic elsewhere.
        self.list.signed_by.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn revokes(&self, certificate: &X509Ref) -> bool {
        matches!(self.list.crl.get_by_serial(certificate.serial_number()), CrlStatus::Revoked(_))
    }

    fn from_x509(crl: X509Crl) -> Result<Self, KeyError> {
        let der = crl.to_der().map_err(|_| KeyError::Unreadable("CRL"))?;
        let parts = list_parts(&der).ok_or(KeyError::Unreadable("CRL"))?;
        if parts.partial {
            return Err(KeyError::PartialList);
        }
        let strength = strength(parts.algorithm);
        let this_update = timestamp(crl.last_update()).ok_or(KeyError::Unreadable("CRL"))?;
        let next_update = match crl.next_update() {
            Some(time) => Some(timestamp(time).ok_or(KeyError::Unreadable("CRL"))?),
            None => None,
        };
        let issuer = crl.issuer_name().to_der().ok().and_then(|der| name_text(&der));
        let issuer = issuer.ok_or(KeyError::Unreadable("CRL"))?;
        let signed_by = Mutex::default();
        let list = List { crl, issuer, this_update, next_update, strength, signed_by };
        Ok(Self { list: Arc::new(list) })
    }
}

impl fmt::Debug for Crl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Crl({})", self.list.issuer)
    }
}

/// How many blocks with one of these labels a PEM text begins (RFC 7468 section 3). A line that was cut before its label
/// was whole may have been one: it counts. Blocks of other kinds do not.
pub(crate) fn begun(pem: &[u8], labels: &[&str]) -> usize {
    const BEGIN: &str = "-----BEGIN ";
    const DASHES: &str = "-----";
    let text = String::from_utf8_lossy(pem);
    let lines = text.lines().map(str::trim_end).filter(|line| match line.split_once(BEGIN) {
        Some((_, rest)) => rest.strip_suffix(DASHES).is_none_or(|label| labels.contains(&label)),
        None => !line.is_empty() && BEGIN.starts_with(line),
    });
    lines.count()
}

fn timestamp(time: &Asn1TimeRef) -> Option<Timestamp> {
    let since = Asn1Time::from_unix(0).ok()?.diff(time).ok()?;
    let seconds = i64::from(since.days) * 86_400 + i64::from(since.secs);
    // 99991231235959Z, "no well-defined date" (RFC 5280 section 4.1.2.5), is some hours past the last Timestamp.
    if seconds > Timestamp::MAX.as_second() {
        Some(Timestamp::MAX)
    } else {
        Timestamp::from_second(seconds).ok()
    }
}
