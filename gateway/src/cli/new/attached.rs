//! The files that a packet takes along, as a person names them: `FILE` or `FILE:name`.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use lienthong_schemas::edxml::PacketAttachment;

use super::super::CommandFault;

/// A file and what the packet says of it.
pub(super) struct Attached {
    pub(super) path: PathBuf,
    pub(super) said: PacketAttachment,
}

impl Attached {
    /// `FILE`, or `FILE:name`; colons in either are told apart by which files there are.
    pub(super) fn flag(text: &str) -> Result<Self, CommandFault> {
        let named = text.match_indices(':').map(|(at, _)| (&text[..at], &text[at + 1..]));
        let named = named.filter(|_| !Path::new(text).exists()).find(|(path, _)| Path::new(path).is_file());
        let (path, name) = named.unwrap_or((text, ""));
        Self::of(
            PathBuf::from(path),
            PacketAttachment { name: name.to_owned(), ..PacketAttachment::default() },
        )
    }

    /// An entry of a TOML file, its path relative to `folder`.
    pub(super) fn entry(folder: &Path, said: &PacketAttachment) -> Result<Self, CommandFault> {
        if said.file.is_empty() {
            let what = "attachments: thiếu file (file is missing)";
            return Err(CommandFault::at(what, &said.name));
        }
        Self::of(folder.join(&said.file), said.clone())
    }

    fn of(path: PathBuf, mut said: PacketAttachment) -> Result<Self, CommandFault> {
        // A pipe could not be read twice: for its first bytes, and whole.
        let metadata = std::fs::metadata(&path).map_err(|cause| CommandFault::at(path.display(), cause))?;
        if !metadata.is_file() {
            return Err(CommandFault::at(path.display(), "không phải tệp thường (not a regular file)"));
        }
        if said.name.trim().is_empty() {
            let name = path.file_name().and_then(|name| name.to_str());
            let unnamed =
                || CommandFault::at(path.display(), "tên tệp không phải UTF-8 (the name is not UTF-8)");
            name.ok_or_else(unnamed)?.clone_into(&mut said.name);
        }
        Ok(Self { path, said })
    }

    pub(super) fn open(&self) -> std::io::Result<Box<dyn Read>> {
        Ok(Box::new(File::open(&self.path)?))
    }
}
