//! The store of a supervised server, encrypted at rest. A server that is given another key than before, or none, starts all
//! the same, without the streams that it cannot read; so whether the key is the right one is judged here, before it starts.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::identity::write_private;

/// The variable by which the server gets its key: neither a file nor a command line has it.
pub(crate) const VARIABLE: &str = "LIENTHONG_JETSTREAM_KEY";

/// Beside the store: a digest of the key that it is encrypted with.
const CHECK_FILE: &str = "store-key-check";

/// The key of a store. It prints as `***`.
#[derive(Clone)]
pub struct StoreKey(String);

impl StoreKey {
    /// Of at least 128 random bits as text.
    pub fn new(key: &str) -> Self {
        // Servers read the variable as a value of their settings: what begins with a digit would be a number.
        Self(format!("k{key}"))
    }

    pub(crate) fn expose(&self) -> &str {
        &self.0
    }

    fn check(&self) -> String {
        hex::encode(
            Sha256::new().chain_update("lienthong store key check\0").chain_update(&self.0).finalize(),
        )
    }
}

impl fmt::Debug for StoreKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StoreKey(***)")
    }
}

/// Why no server is started on a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Withheld {
    /// It is encrypted, and there is no key.
    #[error(
        "kho JetStream đã mã hóa mà không có khóa chủ: khai lại gateway.master_key_file hoặc biến LIENTHONG_MASTER_KEY \
         (the JetStream store is encrypted, and there is no master key: set that key or that variable again)"
    )]
    NoKey,
    /// It is encrypted with another one.
    #[error(
        "kho JetStream đã mã hóa bằng khóa chủ khác: đặt lại khóa cũ, hoặc dời thư mục nats/store đi (the JetStream store is \
         encrypted with another master key: put that one back, or move nats/store away)"
    )]
    OtherKey,
    /// It is encrypted, and nobody knows with which one.
    #[error(
        "kho JetStream đã mã hóa nhưng thiếu tệp nats/{CHECK_FILE}: chép lại tệp ấy, hoặc dời thư mục nats/store đi (the JetStream \
         store is encrypted, and its file {CHECK_FILE} is missing: put it back, or move nats/store away)"
    )]
    NoCheck,
}

/// Whether a server may be started on the store in `folder` with this key. A store in clear is encrypted by the server
/// when it starts with a key.
pub(crate) fn settle(folder: &Path, key: Option<&StoreKey>) -> io::Result<Result<(), Withheld>> {
    let file = folder.join(CHECK_FILE);
    if is_encrypted(&folder.join("store"))? {
        let Some(key) = key else { return Ok(Err(Withheld::NoKey)) };
        return match std::fs::read_to_string(&file) {
            Ok(known) if known.trim() == key.check() => Ok(Ok(())),
            Ok(_) => Ok(Err(Withheld::OtherKey)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Err(Withheld::NoCheck)),
            Err(error) => Err(error),
        };
    }
    match key {
        Some(key) => write_private(&file, key.check().as_bytes())?,
        None => tracing::info!("the broker's store is not encrypted at rest: there is no master key"),
    }
    Ok(Ok(()))
}

/// Whether any stream has a key of its own, sealed with the store's: `jetstream/<account>/streams/<stream>/meta.key`.
fn is_encrypted(store: &Path) -> io::Result<bool> {
    for account in folders(&store.join("jetstream"))? {
        for stream in folders(&account.join("streams"))? {
            if stream.join("meta.key").try_exists()? {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

/// The folders in a folder; none when it is not there.
fn folders(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = match std::fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut folders = Vec::new();
    for entry in entries {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            folders.push(entry.path());
        }
    }
    Ok(folders)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_key_of_before_opens_an_encrypted_store() {
        let folder = tempfile::tempdir().expect("a folder");
        let (right, other) = (StoreKey::new("0123"), StoreKey::new("4567"));
        assert!(!format!("{right:?}").contains("0123"));
        let settled = |key| settle(folder.path(), key).expect("read");
        assert_eq!(
            [settled(None), settled(Some(&other)), settled(Some(&right))],
            [Ok(()); 3],
            "nothing is there"
        );
        let stream = folder.path().join("store/jetstream/$G/streams/EVENTS");
        std::fs::create_dir_all(&stream).expect("made");
        std::fs::write(folder.path().join("store/jetstream/$G/streams/file"), "").expect("written");
        assert_eq!(settled(Some(&right)), Ok(()), "it is in clear");
        std::fs::write(stream.join("meta.key"), "").expect("written");
        assert_eq!(settled(None), Err(Withheld::NoKey));
        assert_eq!(settled(Some(&other)), Err(Withheld::OtherKey));
        assert_eq!(settled(Some(&right)), Ok(()));
        std::fs::remove_file(folder.path().join(CHECK_FILE)).expect("removed");
        assert_eq!(settled(Some(&right)), Err(Withheld::NoCheck));
    }
}
