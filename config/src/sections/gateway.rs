//! `[gateway]`: who we are and where our data lives.

use std::path::PathBuf;

use crate::fault::{FaultCode, Rule};
use crate::reading::Section;
use crate::seal::MasterKey;

/// Longest text of a name, code or telephone line, in bytes.
pub(crate) const LINE_BYTES_MAX: usize = 256;

/// Longest organisation code, in bytes; what a code is made of, `schemas` checks.
const ORGAN_ID_BYTES_MAX: usize = 64;

/// Whether this gateway is a real one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Profile {
    /// Made by `keygen` or `demo`: for trying out. Real traffic must never meet its keys.
    Trial,
    /// A real gateway; it refuses keys and settings marked as trial.
    Production,
}

/// Who we are and where our data lives.
#[derive(Clone, Debug)]
pub struct GatewaySettings {
    /// The data folder; made at start when it is missing.
    pub data_dir: PathBuf,
    /// Our own organisation code, the `From` of status packets that we write. Not yet parsed.
    pub organ_id: String,
    /// Our name, as clerks read it.
    pub name: String,
    /// Trial or real.
    pub profile: Profile,
    /// What secrets are sealed with, and what the keys of files are derived from.
    pub master_key: Option<MasterKey>,
}

impl GatewaySettings {
    pub(crate) fn read(section: &mut Section<'_, '_>) -> Option<Self> {
        let data_dir = section.required_path("data_dir");
        let organ_id = section.required_text("organ_id", ORGAN_ID_BYTES_MAX);
        let name = section.required_text("name", LINE_BYTES_MAX);
        let choices = [("trial", Profile::Trial), ("production", Profile::Production)];
        let profile = section.choice("profile", &choices, Profile::Production);
        section.master_key("master_key_file");
        let master_key = section.known_master();
        let moved = Rule::new("đã chuyển sang hotline của mục [support]", "it is hotline in [support] now");
        section.refuse("support_hotline", FaultCode::UnknownKey, moved);
        Some(Self { data_dir: data_dir?, organ_id: organ_id?, name: name?, profile, master_key })
    }
}
