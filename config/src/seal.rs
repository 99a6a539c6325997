//! Sealed secrets: what stands in the settings in place of a secret, so that the file alone is of no use to a thief.
//! `v1:` and the base64 of nonce (12 bytes), ciphertext and tag (16 bytes): AES-256-GCM (NIST SP 800-38D) under the
//! master key. The place of the secret is additional data, so a sealed text opens nowhere else.

use std::fmt;
use std::path::Path;
use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::hkdf::{HKDF_SHA256, Salt};
use ring::rand::{SecureRandom, SystemRandom};

use crate::environment::{self, Environment};
use crate::reading::read_limited;
use crate::sections::line::is_id;
use crate::values::secret::{SECRET_BYTES_MAX, SECRET_BYTES_MIN, Secret};

/// Length of the master key, in bytes.
pub const MASTER_KEY_BYTES: usize = 32;

/// Longest text of a master key, line end included: 64 hex digits and some room.
pub(crate) const MASTER_KEY_TEXT_MAX: u64 = 128;

/// Stands before what is sealed this way.
const VERSION: &str = "v1:";

/// The key that secrets are sealed with. It prints as `***`.
#[derive(Clone)]
pub struct MasterKey([u8; MASTER_KEY_BYTES]);

/// What cannot be done with a master key or a sealed text. It never says what stands there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SealFault {
    /// Neither the file nor the variable was given.
    #[error(
        "chưa có khóa chủ: khai tệp khóa hoặc biến {MASTER_KEY} (no master key: name its file or set that variable)",
        MASTER_KEY = environment::MASTER_KEY
    )]
    NoKey,
    /// The master key's file cannot be read, or its text is none.
    #[error(
        "khóa chủ không đọc được hoặc không phải 32 byte viết bằng 64 chữ số hex hay base64 (the master key cannot be \
         read, or is not 32 bytes as 64 hex digits or base64)"
    )]
    BadKey,
    /// Not of the form `v1:` and base64.
    #[error("không phải dạng v1: và base64 (not of the form v1: and base64)")]
    Malformed,
    /// Another key, another place, or changed text: these are not told apart.
    #[error(
        "không mở được: sai khóa chủ, niêm phong cho vị trí khác, hoặc đã bị sửa (does not open: another master key, \
         sealed for another place, or changed)"
    )]
    NotOpened,
    /// The secret is too short or too long for its place.
    #[error(
        "khóa bí mật phải là UTF-8 dài từ {least} đến {SECRET_BYTES_MAX} byte (UTF-8 of {least} to {SECRET_BYTES_MAX} bytes)"
    )]
    Length {
        /// The fewest bytes that the place takes.
        least: usize,
    },
    /// The system gave no random numbers.
    #[error("không lấy được số ngẫu nhiên (no random numbers)")]
    Random,
}

impl MasterKey {
    /// A fresh key.
    ///
    /// # Errors
    /// [`SealFault::Random`].
    pub fn generate() -> Result<Self, SealFault> {
        let mut bytes = [0; MASTER_KEY_BYTES];
        SystemRandom::new().fill(&mut bytes).map_err(|_| SealFault::Random)?;
        Ok(Self(bytes))
    }

    /// Reads 64 hex digits or base64 (RFC 4648 section 4), blanks around it allowed. One byte repeated is a
    /// placeholder and no key.
    ///
    /// # Errors
    /// [`SealFault::BadKey`].
    pub fn parse(text: &str) -> Result<Self, SealFault> {
        let text = text.trim();
        let mut bytes = [0; MASTER_KEY_BYTES];
        if hex::decode_to_slice(text, &mut bytes).is_err() {
            let decoded = STANDARD.decode(text).map_err(|_| SealFault::BadKey)?;
            bytes = decoded.try_into().map_err(|_| SealFault::BadKey)?;
        }
        if bytes.iter().all(|byte| *byte == bytes[0]) { Err(SealFault::BadKey) } else { Ok(Self(bytes)) }
    }

    /// The key of this environment, which goes first, or of this file.
    ///
    /// # Errors
    /// [`SealFault::NoKey`] when neither is given, [`SealFault::BadKey`] when it is none.
    pub fn load(file: Option<&Path>, environment: &Environment) -> Result<Self, SealFault> {
        match (environment.value(environment::MASTER_KEY), file) {
            (Some(value), _) => Self::parse(value.to_str().ok_or(SealFault::BadKey)?),
            (None, Some(file)) => {
                Self::parse(&read_limited(file, MASTER_KEY_TEXT_MAX).map_err(|_| SealFault::BadKey)?)
            }
            (None, None) => Err(SealFault::NoKey),
        }
    }

    /// The key in hex, for the one who keeps it. Never log it.
    pub fn expose_hex(&self) -> String {
        hex::encode(self.0)
    }

    /// Seals a secret for a place of the settings.
    ///
    /// # Errors
    /// [`SealFault::Length`] for a secret that the place would not take, [`SealFault::Random`].
    pub fn seal(&self, place: &SecretPlace, secret: &Secret) -> Result<String, SealFault> {
        place.check(secret.expose())?;
        let mut nonce = [0; NONCE_LEN];
        SystemRandom::new().fill(&mut nonce).map_err(|_| SealFault::Random)?;
        let mut sealed = secret.expose().as_bytes().to_vec();
        let unique = Nonce::assume_unique_for_key(nonce);
        let key = self.cipher().ok_or(SealFault::BadKey)?;
        key.seal_in_place_append_tag(unique, Aad::from(place.as_str()), &mut sealed)
            .map_err(|_| SealFault::NotOpened)?;
        Ok(format!("{VERSION}{}", STANDARD.encode([nonce.as_slice(), &sealed].concat())))
    }

    /// Opens what was sealed for a place.
    pub(crate) fn open(&self, place: &SecretPlace, sealed: &str) -> Result<Secret, SealFault> {
        let text = sealed.strip_prefix(VERSION).ok_or(SealFault::Malformed)?;
        let bytes = STANDARD.decode(text).map_err(|_| SealFault::Malformed)?;
        let (nonce, sealed) = bytes.split_first_chunk::<NONCE_LEN>().ok_or(SealFault::Malformed)?;
        if sealed.len() < AES_256_GCM.tag_len() {
            return Err(SealFault::Malformed);
        }
        let mut opened = sealed.to_vec();
        let key = self.cipher().ok_or(SealFault::BadKey)?;
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let opened = key.open_in_place(nonce, Aad::from(place.as_str()), &mut opened);
        let text = std::str::from_utf8(opened.map_err(|_| SealFault::NotOpened)?);
        let secret = Secret::new(text.map_err(|_| SealFault::Length { least: place.bytes_min })?);
        place.check(secret.expose()).map(|()| secret)
    }

    /// A key for another use, in hex: it tells nothing of this one, nor of those for other uses (HKDF-SHA256, RFC 5869).
    ///
    /// # Errors
    /// [`SealFault::BadKey`].
    pub fn derive(&self, purpose: &str) -> Result<Secret, SealFault> {
        let extracted = Salt::new(HKDF_SHA256, b"lienthong").extract(&self.0);
        let info = [purpose.as_bytes()];
        let expanded = extracted.expand(&info, HKDF_SHA256).map_err(|_| SealFault::BadKey)?;
        let mut derived = [0; MASTER_KEY_BYTES];
        expanded.fill(&mut derived).map_err(|_| SealFault::BadKey)?;
        Ok(Secret::new(hex::encode(derived)))
    }

    fn cipher(&self) -> Option<LessSafeKey> {
        UnboundKey::new(&AES_256_GCM, &self.0).ok().map(LessSafeKey::new)
    }
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// Where a secret stands in the settings: the path of its key, without `_sealed`, such as `axes.vpcp.secret`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretPlace {
    path: String,
    bytes_min: usize,
}

/// The text is no place of a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "phải là một trong (one of): axes.<id>.secret, systems.<id>.vendor_http.secret, systems.<id>.email.password, \
     systems.<id>.sdk.secret, systems.<id>.sdk.secret_next, broker.password, broker.token, broker.nkey_seed"
)]
pub struct SecretPlaceFault;

impl SecretPlace {
    /// The place of a key that a section asks for. A shared secret (`secret`) has a least length; a password is as long as
    /// somebody else chose it.
    pub(crate) fn of_key(path: String) -> Self {
        let shared = path.ends_with(".secret") || path.ends_with(".secret_next");
        Self { path, bytes_min: if shared { SECRET_BYTES_MIN } else { 1 } }
    }

    /// Its path.
    pub fn as_str(&self) -> &str {
        &self.path
    }

    /// The fewest bytes of a secret here.
    pub const fn bytes_min(&self) -> usize {
        self.bytes_min
    }

    fn check(&self, secret: &str) -> Result<(), SealFault> {
        let fits = (self.bytes_min..=SECRET_BYTES_MAX).contains(&secret.len());
        if fits { Ok(()) } else { Err(SealFault::Length { least: self.bytes_min }) }
    }
}

impl FromStr for SecretPlace {
    type Err = SecretPlaceFault;

    fn from_str(text: &str) -> Result<Self, SecretPlaceFault> {
        let parts: Vec<&str> = text.split('.').collect();
        let known = match parts[..] {
            ["broker", "password" | "token" | "nkey_seed"] => true,
            ["axes", id, "secret"]
            | ["systems", id, "vendor_http", "secret"]
            | ["systems", id, "sdk", "secret" | "secret_next"]
            | ["systems", id, "email", "password"] => is_id(id),
            _ => false,
        };
        if known { Ok(Self::of_key(text.to_owned())) } else { Err(SecretPlaceFault) }
    }
}

impl fmt::Display for SecretPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.path)
    }
}
