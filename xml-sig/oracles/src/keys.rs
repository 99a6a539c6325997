//! Keys and certificates of a run, made when it begins.

use std::error::Error;

use openssl::asn1::{Asn1Integer, Asn1Time};
use openssl::base64::encode_block;
use openssl::bn::BigNum;
use openssl::ec::{EcGroup, EcKey};
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::rsa::Rsa;
use openssl::x509::{X509, X509NameBuilder};

use crate::generate::signature::{KEYS, Key};

/// A private key with a certificate by itself, in the forms that the engines want.
pub(crate) struct Identity {
    pub(crate) kind: Key,
    /// PKCS #8, PEM.
    pub(crate) key: Vec<u8>,
    /// PEM.
    pub(crate) certificate: Vec<u8>,
    /// DER, base64.
    pub(crate) in_key_info: String,
}

/// One of each kind.
pub(crate) fn identities() -> Result<Vec<Identity>, Box<dyn Error>> {
    KEYS.iter().map(|kind| identity(*kind)).collect()
}

fn identity(kind: Key) -> Result<Identity, Box<dyn Error>> {
    let ec = |curve| -> Result<PKey<Private>, Box<dyn Error>> {
        let group = EcGroup::from_curve_name(curve)?;
        Ok(PKey::from_ec_key(EcKey::generate(&group)?)?)
    };
    let key = match kind {
        Key::Rsa => PKey::from_rsa(Rsa::generate(2048)?)?,
        Key::P256 => ec(Nid::X9_62_PRIME256V1)?,
        Key::P384 => ec(Nid::SECP384R1)?,
        Key::P521 => ec(Nid::SECP521R1)?,
    };
    let certificate = certificate(&key)?;
    Ok(Identity {
        kind,
        key: key.private_key_to_pem_pkcs8()?,
        certificate: certificate.to_pem()?,
        in_key_info: encode_block(&certificate.to_der()?),
    })
}

fn certificate(key: &PKey<Private>) -> Result<X509, Box<dyn Error>> {
    let mut name = X509NameBuilder::new()?;
    name.append_entry_by_nid(Nid::COMMONNAME, "oracles")?;
    let name = name.build();
    let mut certificate = X509::builder()?;
    certificate.set_version(2)?;
    certificate.set_serial_number(Asn1Integer::from_bn(BigNum::from_u32(1)?.as_ref())?.as_ref())?;
    certificate.set_subject_name(&name)?;
    certificate.set_issuer_name(&name)?;
    certificate.set_not_before(Asn1Time::from_str("20260101000000Z")?.as_ref())?;
    certificate.set_not_after(Asn1Time::from_str("20360101000000Z")?.as_ref())?;
    certificate.set_pubkey(key)?;
    certificate.sign(key, MessageDigest::sha256())?;
    Ok(certificate.build())
}
