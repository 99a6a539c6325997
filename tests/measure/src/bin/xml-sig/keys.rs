//! Keys, certificates and a revocation list, made for one run and gone with it.

use std::sync::Arc;

use anyhow::{Context, Result};
use jiff::Timestamp;
use openssl::asn1::Asn1Time;
use openssl::bn::BigNum;
use openssl::ec::{EcGroup, EcKey};
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private, Public};
use openssl::rsa::Rsa;
use openssl::sign::Signer;
use openssl::x509::extension::{AuthorityKeyIdentifier, BasicConstraints, CrlNumber, KeyUsage};
use openssl::x509::{X509, X509CrlBuilder, X509Name, X509NameBuilder};
use xml_sig::{Authorities, Certificate, Crl, Signers, SoftwareKey, Subject, Trust};

/// How long certificates and lists hold.
const DAYS: u32 = 2;

/// A private key with a certificate.
pub(crate) struct Identity {
    key: PKey<Private>,
    x509: X509,
}

impl Identity {
    /// RSA of 2048 bits, under an authority or by itself.
    pub(crate) fn rsa(issuer: Option<&Self>) -> Result<Self> {
        Self::issue(PKey::from_rsa(Rsa::generate(2048)?)?, "signer", issuer)
    }

    /// ECDSA on P-256, by itself.
    pub(crate) fn p256() -> Result<Self> {
        Self::issue(p256()?, "signer", None)
    }

    /// An authority, on P-256.
    pub(crate) fn authority() -> Result<Self> {
        Self::issue(p256()?, "authority", None)
    }

    fn issue(key: PKey<Private>, common: &str, issuer: Option<&Self>) -> Result<Self> {
        let name = name(common)?;
        let mut builder = X509::builder()?;
        builder.set_version(2)?;
        let serial = BigNum::from_u32(if issuer.is_some() { 2 } else { 1 })?.to_asn1_integer()?;
        builder.set_serial_number(&serial)?;
        builder.set_subject_name(&name)?;
        builder.set_issuer_name(issuer.map_or(&*name, |issuer| issuer.x509.subject_name()))?;
        let (from, to) = (Asn1Time::days_from_now(0)?, Asn1Time::days_from_now(DAYS)?);
        builder.set_not_before(&from)?;
        builder.set_not_after(&to)?;
        builder.set_pubkey(&key)?;
        if common == "authority" {
            builder.append_extension(BasicConstraints::new().critical().ca().build()?)?;
            builder.append_extension(KeyUsage::new().critical().key_cert_sign().crl_sign().build()?)?;
        } else {
            builder.append_extension(KeyUsage::new().critical().digital_signature().build()?)?;
        }
        builder.sign(issuer.map_or(&key, |issuer| &issuer.key), MessageDigest::sha256())?;
        Ok(Self { key, x509: builder.build() })
    }

    /// A list of this authority that revokes nothing.
    fn list(&self) -> Result<Crl> {
        let mut builder = X509CrlBuilder::new()?;
        builder.set_issuer_name(self.x509.subject_name())?;
        let (from, to) = (Asn1Time::days_from_now(0)?, Asn1Time::days_from_now(DAYS)?);
        builder.set_last_update(&from)?;
        builder.set_next_update(&to)?;
        // RFC 5280 section 5.2 asks for both, and OpenSSL's builder insists on them.
        let mut identifier = AuthorityKeyIdentifier::new();
        let context = X509::builder()?;
        let context = context.x509v3_context(Some(&self.x509), None);
        builder.append_extension(identifier.issuer(true).build(&context)?)?;
        builder.append_extension(CrlNumber::new(BigNum::from_u32(1)?)?.build()?)?;
        builder.sign(&self.key, MessageDigest::sha256())?;
        Crl::from_pem(&builder.build()?.to_pem()?)?.pop().context("a list")
    }

    pub(crate) fn certificate_pem(&self) -> Result<Vec<u8>> {
        Ok(self.x509.to_pem()?)
    }

    pub(crate) fn signing_key(&self) -> Result<SoftwareKey> {
        Ok(SoftwareKey::from_pem(&self.key.private_key_to_pem_pkcs8()?, &self.certificate_pem()?)?)
    }

    pub(crate) fn public(&self) -> Result<PKey<Public>> {
        Ok(self.x509.public_key()?)
    }

    /// A signature over these bytes, with no XML about it.
    pub(crate) fn sign_plainly(&self, bytes: &[u8]) -> Result<Vec<u8>> {
        Ok(Signer::new(MessageDigest::sha256(), &self.key)?.sign_oneshot_to_vec(bytes)?)
    }

    /// Trust in this certificate and no other.
    pub(crate) fn pinned(&self) -> Result<Trust> {
        trust(&self.certificate_pem()?)
    }

    /// Trust in this certificate's subject below an authority whose list is at hand.
    pub(crate) fn under(&self, authority: &Self) -> Result<Trust> {
        let certificate = Certificate::from_pem(&self.certificate_pem()?)?.pop().context("a certificate")?;
        let subjects = vec![Subject::parse(&certificate.subject())?];
        let signers = Signers { subjects, ..Signers::default() };
        let anchors = Certificate::from_pem(&authority.certificate_pem()?)?;
        let authorities = Authorities { anchors, crls: vec![authority.list()?], ..Authorities::default() };
        Ok(Trust {
            signers: Arc::new(signers),
            authorities: Arc::new(authorities),
            at: now(),
            legacy_sha1: false,
        })
    }
}

/// Trust in the certificates of a PEM text and no others.
pub(crate) fn trust(certificates: &[u8]) -> Result<Trust> {
    let signers = Arc::new(Certificate::from_pem(certificates)?.into());
    Ok(Trust { signers, authorities: Arc::default(), at: now(), legacy_sha1: false })
}

fn p256() -> Result<PKey<Private>> {
    let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1)?;
    Ok(PKey::from_ec_key(EcKey::generate(&group)?)?)
}

fn name(common: &str) -> Result<X509Name> {
    let mut name = X509NameBuilder::new()?;
    name.append_entry_by_nid(Nid::COUNTRYNAME, "VN")?;
    name.append_entry_by_nid(Nid::COMMONNAME, common)?;
    Ok(name.build())
}

/// What is judged was made a moment ago.
#[expect(clippy::disallowed_methods, reason = "a measuring program is its own clock")]
fn now() -> Timestamp {
    Timestamp::now()
}
