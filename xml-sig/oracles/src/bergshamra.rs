//! The crate bergshamra as an engine, over RustCrypto.

use ::bergshamra::keys::loader::{load_pem_auto, load_x509_cert_pem};
use ::bergshamra::{DsigContext, KeysManager, VerifyResult, sign, verify};

/// The engine with one key: its strictest settings, but that a Reference may name an element anywhere.
pub(crate) struct Bergshamra {
    context: DsigContext,
}

impl Bergshamra {
    /// Signs with a private key (PEM).
    pub(crate) fn signer(key: &[u8]) -> Result<Self, String> {
        let mut keys = KeysManager::new();
        keys.add_key(load_pem_auto(key, None).map_err(|error| error.to_string())?);
        Ok(Self { context: DsigContext::new(keys) })
    }

    /// Verifies with the key of a certificate (PEM) and with nothing else.
    pub(crate) fn verifier(certificate: &[u8]) -> Result<Self, String> {
        let mut keys = KeysManager::new();
        keys.add_key(load_x509_cert_pem(certificate).map_err(|error| error.to_string())?);
        Ok(Self { context: DsigContext::new(keys).with_strict_verification(false) })
    }

    /// Fills a template in.
    pub(crate) fn sign(&self, template: &str) -> Result<String, String> {
        sign(&self.context, template).map_err(|error| error.to_string())
    }

    /// Judges the first Signature; the error says why it is not valid.
    pub(crate) fn verify(&self, document: &str) -> Result<(), String> {
        match verify(&self.context, document) {
            Ok(VerifyResult::Valid { .. }) => Ok(()),
            Ok(VerifyResult::Invalid { reason }) => Err(reason),
            Err(error) => Err(error.to_string()),
        }
    }
}
