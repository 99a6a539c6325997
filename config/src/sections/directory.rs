//! `[directory]`: where the file of organisations lies. What stands in it, `pipeline` reads.

use std::path::PathBuf;

use crate::reading::Section;

/// Where the file of organisations lies.
#[derive(Clone, Debug)]
pub struct DirectorySettings {
    /// The TOML file of organisations. Paths of certificates in it are relative to its folder.
    pub file: PathBuf,
}

impl DirectorySettings {
    pub(crate) fn read(section: &mut Section<'_, '_>) -> Option<Self> {
        Some(Self { file: section.required_file("file")? })
    }
}
