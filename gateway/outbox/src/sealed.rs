//! How a value is written down: a version byte, a CRC-32C over key, version and body, and the body as JSON.
//! The key is in the checksum, so that a value found under a foreign key is noticed.

use serde::Serialize;
use serde::de::DeserializeOwned;

/// The version this program writes, in every value and every admission.
pub(crate) const VERSION: u8 = 1;

/// Bytes before the body.
pub(crate) const HEAD_BYTES: usize = 5;

/// Why a value cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Damage {
    /// Shorter than the version byte and the checksum.
    #[error("it is cut short")]
    Short,
    /// Its bytes are not the ones that were written.
    #[error("its checksum is wrong")]
    Checksum,
    /// A program that came after this one wrote it.
    #[error("its version is {0}, and this program reads up to {VERSION}")]
    Newer(u8),
    /// Right bytes, but not what was expected there.
    #[error("it does not read: {0}")]
    Body(String),
    /// Right bytes, which contradict those under other keys.
    #[error("{0}")]
    Disagrees(&'static str),
}

/// The bytes to store under `key`.
pub(crate) fn seal<T: Serialize>(key: &[u8], value: &T) -> Result<Vec<u8>, serde_json::Error> {
    let mut sealed = vec![VERSION, 0, 0, 0, 0];
    serde_json::to_writer(&mut sealed, value)?;
    let sum = checksum(key, VERSION, &sealed[HEAD_BYTES..]);
    sealed[1..HEAD_BYTES].copy_from_slice(&sum.to_le_bytes());
    Ok(sealed)
}

/// The version of the value that was stored under `key`, and its body, as they were written.
pub(crate) fn look<'a>(key: &[u8], sealed: &'a [u8]) -> Result<(u8, &'a [u8]), Damage> {
    let (version, rest) = sealed.split_first().ok_or(Damage::Short)?;
    let (sum, body) = rest.split_first_chunk::<4>().ok_or(Damage::Short)?;
    if u32::from_le_bytes(*sum) != checksum(key, *version, body) {
        return Err(Damage::Checksum);
    }
    Ok((*version, body))
}

/// The value that was stored under `key`.
pub(crate) fn unseal<T: DeserializeOwned>(key: &[u8], sealed: &[u8]) -> Result<T, Damage> {
    let (version, body) = look(key, sealed)?;
    if version > VERSION {
        return Err(Damage::Newer(version));
    }
    serde_json::from_slice(body).map_err(|cause| Damage::Body(cause.to_string()))
}

fn checksum(key: &[u8], version: u8, body: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c_append(crc32c::crc32c(key), &[version]), body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_flipped_bit_is_noticed() {
        let sealed = seal(b"k", &"value").expect("sealed");
        assert_eq!(unseal::<String>(b"k", &sealed), Ok("value".to_owned()));
        for bit in 0..sealed.len() * 8 {
            let mut broken = sealed.clone();
            broken[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(unseal::<String>(b"k", &broken), Err(Damage::Checksum), "bit {bit}");
        }
    }

    #[test]
    fn a_value_under_another_key_or_cut_short_is_damaged() {
        let sealed = seal(b"k", &7).expect("sealed");
        assert_eq!(unseal::<u8>(b"l", &sealed), Err(Damage::Checksum));
        assert_eq!(unseal::<u8>(b"k", &sealed[..4]), Err(Damage::Short));
        assert_eq!(unseal::<u8>(b"k", &sealed[..5]), Err(Damage::Checksum));
        assert_eq!(unseal::<u8>(b"k", b""), Err(Damage::Short));
        assert!(matches!(unseal::<String>(b"k", &sealed), Err(Damage::Body(_))));
    }

    #[test]
    fn a_newer_version_is_told_from_damage() {
        let mut sealed = vec![VERSION + 1, 0, 0, 0, 0, b'7'];
        let sum = checksum(b"k", VERSION + 1, b"7").to_le_bytes();
        sealed[1..5].copy_from_slice(&sum);
        assert_eq!(unseal::<u8>(b"k", &sealed), Err(Damage::Newer(VERSION + 1)));
    }
}
