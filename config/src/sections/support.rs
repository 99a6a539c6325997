//! `[support]`: whom a sender can ask. It stands in every refusal.

use crate::reading::Section;
use crate::sections::gateway::LINE_BYTES_MAX;

/// Whom a sender can ask.
#[derive(Clone, Debug)]
pub struct SupportSettings {
    /// Telephone or mail that every refusal names; empty only where `gateway.profile` is trial.
    pub hotline: String,
}

impl SupportSettings {
    pub(crate) fn read(section: &mut Section<'_, '_>) -> Option<Self> {
        Some(Self { hotline: section.text("hotline", LINE_BYTES_MAX)? })
    }
}
