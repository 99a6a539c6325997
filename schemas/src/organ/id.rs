//! The identifier itself: what text is one, and when two spellings are the same.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::ReceiverToken;

/// Longest organisation identifier taken, in bytes. QĐ 20/2020 allows 35 characters; older system ids are shorter.
pub const ORGAN_ID_BYTES_MAX: usize = 64;

/// An organisation identifier: trimmed, upper case, printable ASCII without blanks.
///
/// Old codes (`000.00.15.H55`, QCVN 102:2016), codes of QĐ 20/2020 (`H55.15`) and system ids (`VXP.SAAS.02`) all fit.
/// Two spellings that differ in case are the same organisation.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct OrganId(String);

/// Why a text is not an organisation identifier.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OrganIdFault {
    /// Nothing but blanks.
    #[error("the organisation identifier is empty")]
    Empty,
    /// Longer than [`ORGAN_ID_BYTES_MAX`].
    #[error("the organisation identifier is longer than {ORGAN_ID_BYTES_MAX} bytes")]
    TooLong,
    /// A character outside `0-9 A-Z a-z . - _`.
    #[error("the organisation identifier has a character outside 0-9 A-Z . - _")]
    Character,
}

impl OrganId {
    /// Reads an identifier from a packet, the directory or the settings.
    pub fn parse(text: &str) -> Result<Self, OrganIdFault> {
        let text = text.trim();
        if text.is_empty() {
            return Err(OrganIdFault::Empty);
        }
        if text.len() > ORGAN_ID_BYTES_MAX {
            return Err(OrganIdFault::TooLong);
        }
        if !text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_')) {
            return Err(OrganIdFault::Character);
        }
        Ok(Self(text.to_ascii_uppercase()))
    }

    /// The identifier in its canonical spelling.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The receiver token of this organisation.
    pub fn token(&self) -> ReceiverToken {
        ReceiverToken::of(&self.0)
    }
}

impl fmt::Display for OrganId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for OrganId {
    type Error = OrganIdFault;
    fn try_from(text: String) -> Result<Self, OrganIdFault> {
        Self::parse(&text)
    }
}

impl From<OrganId> for String {
    fn from(id: OrganId) -> Self {
        id.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_one_code_are_equal() {
        assert_eq!(OrganId::parse(" h55.15 \r\n"), OrganId::parse("H55.15"));
    }

    #[test]
    fn hostile_codes_are_refused() {
        for (text, fault) in [
            ("", OrganIdFault::Empty),
            (" \t", OrganIdFault::Empty),
            ("H55 15", OrganIdFault::Character),
            ("H55\r\nX: y", OrganIdFault::Character),
            ("Đ55", OrganIdFault::Character),
        ] {
            assert_eq!(OrganId::parse(text), Err(fault), "{text:?}");
        }
        assert_eq!(OrganId::parse(&"H".repeat(65)), Err(OrganIdFault::TooLong));
    }
}
