//! An organisation as one token of a subject or a store key. Tokens are made here and nowhere else.

use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

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
