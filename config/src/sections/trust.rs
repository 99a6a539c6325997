//! `[trust]`: the authorities whose signatures on documents count. Never the operating system's list.

use std::path::PathBuf;

use crate::reading::Section;

/// The authorities whose signatures on documents count.
#[derive(Clone, Debug, Default)]
pub struct TrustSettings {
    /// PEM files of certificates of authorities; none: no signature can be valid.
    pub ca: Vec<PathBuf>,
    /// PEM files of their lists of revoked certificates.
    pub crl: Vec<PathBuf>,
}

impl TrustSettings {
    pub(crate) fn read(section: &mut Section<'_, '_>) -> Self {
        let (ca, crl) = (section.files("ca"), section.files("crl"));
        if ca.is_empty() && !crl.is_empty() {
            section.contradiction("crl", "cần có ca", "needs ca");
        }
        Self { ca, crl }
    }
}
