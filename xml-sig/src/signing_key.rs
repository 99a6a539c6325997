//! Keys that sign: what `sign` asks of one, wherever it lives, and one that lies in a file.

use std::fmt;

use openssl::ecdsa::EcdsaSig;
use openssl::error::ErrorStack;
use openssl::hash::{MessageDigest, hash};
use openssl::nid::Nid;
use openssl::pkcs12::Pkcs12;
use openssl::pkey::{Id, PKey, Private};
use openssl::sign::Signer;
use openssl::x509::X509;

use crate::algorithms::SignatureMethod;
use crate::certificate::{Certificate, KeyError};
use crate::keys::RSA_BITS;

/// A key that signs, with its certificates: in a file ([`SoftwareKey`]), in a token or in a service.
///
/// What it says of itself is not believed: [`crate::sign`] verifies every signature with the first certificate.
pub trait SigningKey: Send + Sync {
    /// The signer's certificate, then what receivers may need to build its chain; all of them go into KeyInfo.
    fn certificates(&self) -> &[Certificate];

    /// How it signs.
    fn method(&self) -> SigningMethod;

    /// The signature value over these octets, which it hashes itself, in the form of [`SigningKey::method`].
    ///
    /// # Errors
    /// The key cannot be reached or refuses.
    fn sign(&self, octets: &[u8]) -> Result<Vec<u8>, SigningFault>;
}

/// How a [`SigningKey`] signs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SigningMethod {
    /// RSA with SHA-256 and the padding of PKCS #1 v1.5 (RFC 8017 section 8.2): as many bytes as the modulus.
    RsaSha256,
    /// ECDSA on P-256 with SHA-256: r and s, each of 32 bytes, most significant first (RFC 9231 section 2.3.6). No DER.
    EcdsaP256Sha256,
}

impl SigningMethod {
    /// The SignatureMethod's URI (XML Signature 1.1 section 6.4).
    pub fn uri(self) -> &'static str {
        self.algorithm().uri
    }

    pub(crate) fn algorithm(self) -> SignatureMethod {
        match self {
            Self::RsaSha256 => SignatureMethod::RSA_SHA256,
            Self::EcdsaP256Sha256 => SignatureMethod::ECDSA_SHA256,
        }
    }
}

/// Why a key did not sign.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct SigningFault(String);

impl SigningFault {
    /// With the reason, for a person; no secrets in it.
    pub fn new(reason: impl Into<String>) -> Self {
        Self(reason.into())
    }
}

/// A private key in memory with its certificates: RSA of 2048 to 8192 bits, or ECDSA on P-256.
pub struct SoftwareKey {
    key: PKey<Private>,
    certificates: Vec<Certificate>,
    method: SigningMethod,
}

impl SoftwareKey {
    /// A private key (PEM, not encrypted) and its certificate; certificates behind the first one go into KeyInfo too.
    ///
    /// # Errors
    /// One of them cannot be read; the key is of another kind or size, or does not belong to the first certificate.
    pub fn from_pem(key: &[u8], certificates: &[u8]) -> Result<Self, KeyError> {
        // The callback keeps OpenSSL from asking for a passphrase on the terminal.
        let key = PKey::private_key_from_pem_callback(key, |_| Ok(0));
        let key = key.map_err(|_| KeyError::Unreadable("private key"))?;
        Self::new(key, Certificate::from_pem(certificates)?)
    }

    /// The one private key of a PKCS #12 file (RFC 7292) with its certificate; other certificates in it go into KeyInfo
    /// too.
    ///
    /// # Errors
    /// It is no PKCS #12 file or the password is another one; it is encrypted with a cipher that OpenSSL 3 has given up
    /// (RC2); it holds no private key or several; the key is of another kind or size, or none of the certificates is its.
    pub fn from_pkcs12(der: &[u8], password: &str) -> Result<Self, KeyError> {
        const FILE: KeyError = KeyError::Unreadable("PKCS #12 file");
        let file = Pkcs12::from_der(der).map_err(|_| FILE)?;
        if key_bags(der) > 1 {
            return Err(KeyError::Several);
        }
        if password.contains('\0') {
            return Err(KeyError::Password);
        }
        let parsed = file.parse2(password).map_err(|stack| pkcs12_error(&stack))?;
        let key = parsed.pkey.ok_or(KeyError::Missing("private key"))?;
        let others = parsed.ca.into_iter().flatten();
        let certificates: Result<Vec<Certificate>, KeyError> =
            parsed.cert.into_iter().chain(others).map(|x509: X509| Certificate::from_x509(x509)).collect();
        Self::new(key, certificates?)
    }

    fn new(key: PKey<Private>, certificates: Vec<Certificate>) -> Result<Self, KeyError> {
        let curve = key.ec_key().ok().and_then(|key| key.group().curve_name());
        let method = match key.id() {
            Id::RSA if RSA_BITS.contains(&key.bits()) => SigningMethod::RsaSha256,
            Id::RSA => return Err(KeyError::Size(key.bits())),
            Id::EC if curve == Some(Nid::X9_62_PRIME256V1) => SigningMethod::EcdsaP256Sha256,
            _ => return Err(KeyError::Kind),
        };
        let first = certificates.first().ok_or(KeyError::Missing("certificate"))?;
        if !first.x509().public_key().is_ok_and(|public| key.public_eq(&public)) {
            return Err(KeyError::Mismatch);
        }
        Ok(Self { key, certificates, method })
    }

    /// The signer's certificate.
    pub fn certificate(&self) -> &Certificate {
        &self.certificates[0]
    }

    fn value(&self, octets: &[u8]) -> Result<Vec<u8>, ErrorStack> {
        match self.method {
            SigningMethod::RsaSha256 => {
                Signer::new(MessageDigest::sha256(), &self.key)?.sign_oneshot_to_vec(octets)
            }
            SigningMethod::EcdsaP256Sha256 => {
                let digest = hash(MessageDigest::sha256(), octets)?;
                let signature = EcdsaSig::sign(&digest, &*self.key.ec_key()?)?;
                let mut value = signature.r().to_vec_padded(32)?;
                value.extend(signature.s().to_vec_padded(32)?);
                Ok(value)
            }
        }
    }
}

impl SigningKey for SoftwareKey {
    fn certificates(&self) -> &[Certificate] {
        &self.certificates
    }

    fn method(&self) -> SigningMethod {
        self.method
    }

    fn sign(&self, octets: &[u8]) -> Result<Vec<u8>, SigningFault> {
        self.value(octets).map_err(|stack| SigningFault::new(stack.to_string()))
    }
}

impl fmt::Debug for SoftwareKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SoftwareKey({:?})", self.certificate())
    }
}

/// How many private keys lie open to the eye, each encrypted or not. OpenSSL takes the first one and says nothing of the
/// others. Files that hide their keys in an encrypted part (nobody is known to write them) count as none.
fn key_bags(der: &[u8]) -> usize {
    /// keyBag and pkcs8ShroudedKeyBag (RFC 7292 section 4.2), the whole OIDs with their tags.
    const BAGS: [[u8; 13]; 2] = [
        [0x06, 0x0B, 0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x0C, 0x0A, 0x01, 0x01],
        [0x06, 0x0B, 0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x0C, 0x0A, 0x01, 0x02],
    ];
    der.windows(13).filter(|window| BAGS.iter().any(|bag| bag == window)).count()
}

fn pkcs12_error(stack: &ErrorStack) -> KeyError {
    let says = |reason: &str| stack.errors().iter().any(|error| error.reason() == Some(reason));
    if says("mac verify failure") {
        KeyError::Password
    } else if says("unsupported") || says("unsupported algorithm") {
        KeyError::Cipher
    } else {
        KeyError::Unreadable("PKCS #12 file")
    }
}
