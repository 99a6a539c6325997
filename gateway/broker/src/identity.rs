//! What makes a supervised server the same one after a restart: its name, port and credentials, in one 0600 file;
//! and the config file that is written from them at every start.

use std::io::{self, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rand::{Rng, TryRngCore};
use serde::{Deserialize, Serialize};

use crate::at_rest;

const IDENTITY_FILE: &str = "identity.json";
const CONFIG_FILE: &str = "nats-server.conf";
const FORMAT: u8 = 1;

/// Below the range from which Linux takes the ports of outgoing connections (32768-60999), so that none of those sits
/// on the kept port when the server comes back.
const PORTS: std::ops::Range<u16> = 20_000..30_000;
const PORT_TRIES: usize = 200;

/// Name, port and credentials of a supervised server.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Identity {
    version: u8,
    pub(crate) server_name: String,
    pub(crate) port: u16,
    pub(crate) user: String,
    pub(crate) password: String,
}

impl Identity {
    /// Reads the identity kept in `folder`, or makes one. A kept port that somebody else has taken is replaced.
    pub(crate) fn settle(folder: &Path) -> io::Result<Self> {
        let kept = Self::read(folder);
        let mut identity = match kept.clone() {
            Some(kept) => kept,
            None => Self::random()?,
        };
        if !is_free(identity.port) {
            let taken = identity.port;
            identity.port = free_port()?;
            tracing::warn!(taken, chosen = identity.port, "the broker's port is taken, another is chosen");
        }
        if kept.as_ref() != Some(&identity) {
            let text = serde_json::to_vec(&identity).map_err(io::Error::other)?;
            write_private(&folder.join(IDENTITY_FILE), &text)?;
        }
        Ok(identity)
    }

    fn read(folder: &Path) -> Option<Self> {
        let text = match std::fs::read(folder.join(IDENTITY_FILE)) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
            Err(error) => {
                tracing::warn!(%error, "the broker's identity cannot be read, another is made");
                return None;
            }
        };
        match serde_json::from_slice::<Self>(&text) {
            Ok(kept) if kept.version == FORMAT => Some(kept),
            _ => {
                tracing::warn!("the broker's identity is damaged or of another version, another is made");
                None
            }
        }
    }

    fn random() -> io::Result<Self> {
        Ok(Self {
            version: FORMAT,
            server_name: format!("lienthong-{}", secret::<4>()?),
            port: free_port()?,
            user: secret::<16>()?,
            password: secret::<32>()?,
        })
    }

    /// Writes the server's config file, readable by its owner only, and returns its path.
    /// With `encrypted`, the server takes the key of its store from [`at_rest::VARIABLE`].
    pub(crate) fn write_config(
        &self,
        folder: &Path,
        max_store_bytes: u64,
        encrypted: bool,
    ) -> io::Result<PathBuf> {
        let path = folder.join(CONFIG_FILE);
        let config = self.config(&folder.join("store"), max_store_bytes, encrypted)?;
        write_private(&path, config.as_bytes())?;
        Ok(path)
    }

    /// Durations are quoted: unquoted, `2m` is read as the number 2,000,000.
    fn config(&self, store: &Path, max_store_bytes: u64, encrypted: bool) -> io::Result<String> {
        let store = quoted(store)?;
        let at_rest = match encrypted {
            true => format!("\n  cipher: aes\n  key: ${}", at_rest::VARIABLE),
            false => String::new(),
        };
        let Self { server_name, port, user, password, .. } = self;
        Ok(format!(
            r#"# Written by the gateway at every start; what is changed here is lost.
server_name: "{server_name}"
listen: "127.0.0.1:{port}"
max_payload: 2MB
max_pending: 64MB
write_deadline: "10s"
authorization {{ user: "{user}", password: "{password}", timeout: 5 }}
jetstream {{
  store_dir: {store}
  sync_interval: always
  max_file_store: {max_store_bytes}
  max_memory_store: 67108864{at_rest}
}}
"#
        ))
    }
}

fn quoted(path: &Path) -> io::Result<String> {
    let text = path.to_str().filter(|text| !text.chars().any(char::is_control));
    let text = text.ok_or_else(|| io::Error::other("the data folder's path is not plain text"))?;
    Ok(format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"")))
}

fn secret<const BYTES: usize>() -> io::Result<String> {
    let mut bytes = [0; BYTES];
    rand::rngs::OsRng.try_fill_bytes(&mut bytes).map_err(io::Error::other)?;
    Ok(hex::encode(bytes))
}

fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}

fn free_port() -> io::Result<u16> {
    let mut random = rand::rng();
    let mut tries = std::iter::repeat_with(|| random.random_range(PORTS)).take(PORT_TRIES);
    match tries.find(|port| is_free(*port)) {
        Some(port) => Ok(port),
        None => Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port()),
    }
}

/// Writes a file of mode 0600 whole or not at all.
pub(crate) fn write_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let half = path.with_extension("part");
    match std::fs::remove_file(&half) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&half)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    std::fs::rename(&half, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identity_is_kept() {
        let folder = tempfile::tempdir().expect("a folder");
        let first = Identity::settle(folder.path()).expect("made");
        let second = Identity::settle(folder.path()).expect("read");
        assert!(first == second);
        assert!(first.password.len() >= 32 && first.user.len() >= 32, "128 bits or more");
    }

    #[test]
    fn a_taken_port_is_replaced_and_the_rest_stays() {
        let folder = tempfile::tempdir().expect("a folder");
        let first = Identity::settle(folder.path()).expect("made");
        let stranger = TcpListener::bind((Ipv4Addr::LOCALHOST, first.port)).expect("bound");
        let second = Identity::settle(folder.path()).expect("read");
        assert_ne!(first.port, second.port);
        assert_eq!(
            (first.password, first.server_name),
            (second.password.clone(), second.server_name.clone())
        );
        drop(stranger);
        assert!(Identity::settle(folder.path()).expect("read again") == second, "the new port is kept");
    }

    #[test]
    fn a_damaged_identity_is_made_anew() {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join(IDENTITY_FILE), b"{\"version\":9}").expect("written");
        let made = Identity::settle(folder.path()).expect("made");
        assert!(Identity::settle(folder.path()).expect("read") == made);
    }

    #[test]
    fn a_path_cannot_leave_its_quotes() {
        assert_eq!(quoted(Path::new("/a \"b\\c")).expect("plain"), r#""/a \"b\\c""#);
        assert!(quoted(Path::new("/a\nb")).is_err());
    }
}
