//! The engines side by side, one set to a key.

use std::error::Error;
use std::path::Path;

use crate::bergshamra::Bergshamra;
use crate::generate::document::Part;
use crate::generate::xmlsec1::Xmlsec1;
use crate::keys::Identity;
use crate::ours::Ours;

/// All that sign and verify with one key.
pub(crate) struct Engines {
    pub(crate) identity: Identity,
    pub(crate) ours: Ours,
    pub(crate) signer: Bergshamra,
    pub(crate) verifier: Bergshamra,
    /// Absent when the program is not installed.
    pub(crate) xmlsec1: Option<Xmlsec1>,
}

impl Engines {
    pub(crate) fn new(identity: Identity, folder: &Path) -> Result<Self, Box<dyn Error>> {
        Ok(Self {
            ours: Ours::new(&identity)?,
            signer: Bergshamra::signer(&identity.key)?,
            verifier: Bergshamra::verifier(&identity.certificate)?,
            xmlsec1: Xmlsec1::find(folder),
            identity,
        })
    }

    /// What xmlsec1 says of documents; nothing without the program.
    pub(crate) fn xmlsec1_verify(
        &self,
        parts: &[Part],
        documents: &[&[u8]],
    ) -> Result<Option<Vec<bool>>, Box<dyn Error>> {
        let Some(xmlsec1) = &self.xmlsec1 else { return Ok(None) };
        Ok(Some(xmlsec1.verify(&self.identity.certificate, parts, documents)?))
    }
}
