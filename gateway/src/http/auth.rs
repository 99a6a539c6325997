//! Bearer tokens of connected systems (RFC 6750). Only their SHA-256 is known here, so that reading the settings does
//! not let anybody in; a look-up by hash tells nothing about a token by its time.

use std::collections::HashMap;

use axum::http::HeaderValue;
use lienthong_pipeline::record::SystemId;
use lienthong_schemas::rejections::{Rejection, RejectionCode};
use sha2::{Digest, Sha256};

/// Longest token that is looked at, in bytes.
const TOKEN_BYTES_MAX: usize = 1024;

/// Hashes of tokens and whose they are.
#[derive(Clone, Debug, Default)]
pub struct Credentials(HashMap<[u8; 32], SystemId>);

impl Credentials {
    /// Credentials from (SHA-256 of a token, system) pairs.
    pub fn new(pairs: impl IntoIterator<Item = ([u8; 32], SystemId)>) -> Self {
        Self(pairs.into_iter().collect())
    }

    /// Whose token stands in `Authorization`.
    ///
    /// # Errors
    /// [`RejectionCode::CredentialsMissing`] without a bearer token, [`RejectionCode::CredentialsUnknown`] with one
    /// that is nobody's.
    pub fn system_of(&self, authorization: Option<&HeaderValue>) -> Result<SystemId, Rejection> {
        let missing = || Rejection::new(RejectionCode::CredentialsMissing).at("Authorization");
        let value = authorization.and_then(|v| v.to_str().ok()).ok_or_else(missing)?;
        let (scheme, token) = value.split_once(' ').ok_or_else(missing)?;
        if !scheme.eq_ignore_ascii_case("bearer") {
            return Err(missing());
        }
        let unknown = || Rejection::new(RejectionCode::CredentialsUnknown).at("Authorization");
        let token = token.trim();
        if token.len() > TOKEN_BYTES_MAX {
            return Err(unknown());
        }
        let hash: [u8; 32] = Sha256::digest(token.as_bytes()).into();
        self.0.get(&hash).cloned().ok_or_else(unknown)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_known_bearer_token_lets_in() {
        let system = SystemId::parse("a").expect("an id");
        let credentials = Credentials::new([(Sha256::digest(b"token").into(), system.clone())]);
        let ask = |text: &str| {
            let value = HeaderValue::from_str(text).expect("a header");
            credentials.system_of(Some(&value)).map_err(|rejection| rejection.code)
        };
        assert_eq!(ask("Bearer token"), Ok(system.clone()));
        assert_eq!(ask("bearer  token "), Ok(system));
        assert_eq!(ask("Bearer Token"), Err(RejectionCode::CredentialsUnknown));
        assert_eq!(ask("Basic token"), Err(RejectionCode::CredentialsMissing));
        assert_eq!(ask("token"), Err(RejectionCode::CredentialsMissing));
        assert_eq!(ask(&format!("Bearer {}", "x".repeat(2000))), Err(RejectionCode::CredentialsUnknown));
        assert!(credentials.system_of(None).is_err());
    }
}
