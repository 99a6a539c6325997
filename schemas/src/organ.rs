//! Organisation identifiers (mã định danh), as they are looked up and as they stand in subjects.
//! Whether a code belongs to somebody is the directory's business, not this file's.

use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

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

/// Whether a code, as written, has the form of QCVN 102:2016 (`000.00.15.H55`), of QĐ 20/2020 article 4 (`H55.15`) or of
/// an enterprise (article 5: its registration number). Many real codes have none of them, so this only makes a finding.
pub fn follows_a_standard(written: &str) -> bool {
    let digits = |t: &str, n: usize| t.len() == n && t.bytes().all(|b| b.is_ascii_digit());
    let level_one = |t: &str| {
        t.split_at_checked(1)
            .is_some_and(|(letter, rest)| letter.bytes().all(|b| b.is_ascii_uppercase()) && digits(rest, 2))
    };
    let group = |t: &str| {
        (1..=10).contains(&t.len()) && t.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit())
    };
    let parts: Vec<&str> = written.split('.').take(9).collect();
    let old =
        || matches!(parts[..], [v, z, y, m] if digits(v, 3) && digits(z, 2) && digits(y, 2) && level_one(m));
    let new = || {
        written.len() <= 35 && parts.len() <= 8 && level_one(parts[0]) && parts[1..].iter().all(|g| group(g))
    };
    let enterprise = || match written.split_once('-') {
        Some((number, branch)) => digits(number, 10) && digits(branch, 3),
        None => digits(written, 10),
    };
    old() || new() || enterprise()
}

/// A receiver as one token of a JetStream subject or one part of a store key.
///
/// Upper case, `.` becomes `_`. Whatever then holds a character outside `A-Z 0-9 _ -`, is empty or is longer than 64
/// bytes becomes `X-` and 32 hex digits of its SHA-256. The true code travels in a header.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ReceiverToken(String);

impl ReceiverToken {
    /// The token of any text; this is the one function that makes tokens.
    pub fn of(code: &str) -> Self {
        let plain = code.to_ascii_uppercase().replace('.', "_");
        let fits = |b: u8| b.is_ascii_uppercase() || b.is_ascii_digit() || matches!(b, b'_' | b'-');
        if !plain.is_empty() && plain.len() <= 64 && plain.bytes().all(fits) {
            return Self(plain);
        }
        let digest = Sha256::digest(code.to_uppercase().as_bytes());
        Self(format!("X-{}", hex::encode_upper(&digest[..16])))
    }

    /// The token's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ReceiverToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
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

    #[test]
    fn codes_are_told_from_look_alikes() {
        for code in ["000.00.15.H55", "H55", "H37.02.02", "H37.DN.001", "0100109106", "0100109106-001"] {
            assert!(follows_a_standard(code), "{code}");
        }
        for code in [
            "",
            "h55",
            "vxp.saas.02",
            "28.22.H17",
            "001.00.20.TT2",
            "999.010.01.H22",
            "00.00.008.K99",
            "H555",
            "H55..1",
            "H55.",
            "0100109106-01",
            "đ55",
            "H55.1.2.3.4.5.6.7.8",
            "H55.ABCDEFGHIJK",
        ] {
            assert!(!follows_a_standard(code), "{code}");
        }
    }

    #[test]
    fn a_token_is_always_one_subject_token() {
        assert_eq!(ReceiverToken::of("000.00.15.h55").as_str(), "000_00_15_H55");
        let hostile = ["a b", "*", ">", "a*", "a\r\nb", "", " ", "đ", &"A".repeat(65), "a\0b"];
        let mut seen = std::collections::HashSet::new();
        for code in hostile {
            let token = ReceiverToken::of(code);
            assert!(token.as_str().bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_'));
            assert_eq!(token.as_str().len(), 34, "{code:?}");
            assert!(seen.insert(token), "{code:?} collides");
        }
    }
}
