//! The packet that is looked at: one open file, read several times from its start. What comes through a pipe is spooled to
//! a file without a name first.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use lienthong_schemas::ids::PacketDigest;
use sha2::{Digest, Sha256};

use crate::cli::CommandFault;

/// Most bytes taken from a pipe: more than any gateway takes in one packet.
const SPOOLED_BYTES_MAX: u64 = 4 << 30;
/// Bytes copied or hashed at once.
const BATCH: usize = 64 * 1024;

/// A packet in a file.
pub(super) struct Source {
    file: Arc<File>,
    /// How it is called in messages.
    pub(super) name: String,
    /// Its length.
    pub(super) bytes: u64,
    /// SHA-256 of all its bytes.
    pub(super) sha256: PacketDigest,
}

impl Source {
    /// Opens a file, or standard input where the name is `-`.
    pub(super) fn open(path: &Path) -> Result<Self, CommandFault> {
        let standard_input = path.as_os_str() == "-";
        let name = if standard_input { "stdin".to_owned() } else { path.display().to_string() };
        let fault = |cause: io::Error| CommandFault::at(&name, cause);
        let file = if standard_input {
            spooled(&mut io::stdin().lock())
        } else {
            File::open(path).and_then(|mut file| {
                let kind = file.metadata()?;
                if kind.is_dir() {
                    return Err(io::ErrorKind::IsADirectory.into());
                }
                if kind.is_file() { Ok(file) } else { spooled(&mut file) }
            })
        };
        let file = file.map_err(fault)?;
        let (bytes, sha256) = digest(&file).map_err(fault)?;
        Ok(Self { file: Arc::new(file), name, bytes, sha256 })
    }

    /// A reader at its start.
    pub(super) fn read(&self) -> BufReader<impl Read + use<>> {
        BufReader::with_capacity(BATCH, FromStart { file: self.file.clone(), at: 0 })
    }

    /// The same for those who open it again and again.
    pub(super) fn boxed(&self) -> Box<dyn BufRead> {
        Box::new(self.read())
    }
}

/// Reads of its own in a file that others read too.
struct FromStart {
    file: Arc<File>,
    at: u64,
}

impl Read for FromStart {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read_at(into, self.at)?;
        self.at += read as u64;
        Ok(read)
    }
}

fn spooled(from: &mut dyn Read) -> io::Result<File> {
    let mut file = tempfile::tempfile()?;
    let bytes = io::copy(&mut from.take(SPOOLED_BYTES_MAX + 1), &mut file)?;
    if bytes > SPOOLED_BYTES_MAX {
        return Err(io::Error::other("lớn hơn 4 GiB (larger than 4 GiB)"));
    }
    file.flush()?;
    Ok(file)
}

fn digest(file: &File) -> io::Result<(u64, PacketDigest)> {
    let (mut hash, mut buffer, mut at) = (Sha256::new(), vec![0; BATCH], 0);
    loop {
        match file.read_at(&mut buffer, at) {
            Ok(0) => return Ok((at, PacketDigest::from_bytes(hash.finalize().into()))),
            Ok(read) => {
                hash.update(&buffer[..read]);
                at += read as u64;
            }
            Err(cause) if cause.kind() == io::ErrorKind::Interrupted => {}
            Err(cause) => return Err(cause),
        }
    }
}
