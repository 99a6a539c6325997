//! A small value in a file of its own below the data folder: with a version and a checksum, whole or not at all. What is
//! damaged is set aside, and its owner begins anew; only what may be lost in the end is kept so.

use std::fs;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::folder;
use crate::sealed::{self, Damage};

/// Largest file, in bytes.
pub const KEPT_BYTES_MAX: u64 = 16 << 20;

/// See the module.
#[derive(Clone, Debug)]
pub struct KeptFile {
    path: PathBuf,
    name: &'static str,
}

impl KeptFile {
    /// The file of this name below a data folder.
    pub fn below(data_dir: &Path, name: &'static str) -> Self {
        Self { path: data_dir.join(name), name }
    }

    /// What was written last; `None` where nothing was, or it is damaged, which is said in the log. Blocks.
    ///
    /// # Errors
    /// It cannot be read; a program that came after this one wrote it.
    pub fn read<T: DeserializeOwned>(&self) -> io::Result<Option<T>> {
        let file = match fs::File::open(&self.path) {
            Ok(file) => file,
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(cause) => return Err(folder::at(&self.path)(cause)),
        };
        let mut bytes = Vec::new();
        file.take(KEPT_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(folder::at(&self.path))?;
        match sealed::unseal(self.name.as_bytes(), &bytes) {
            Ok(value) => Ok(Some(value)),
            Err(newer @ Damage::Newer(_)) => {
                Err(folder::at(&self.path)(io::Error::new(io::ErrorKind::InvalidData, newer)))
            }
            Err(damage) => {
                let aside = self.path.with_extension("broken");
                tracing::error!(path = %self.path.display(), aside = %aside.display(), %damage, "set aside, and begun anew");
                fs::rename(&self.path, &aside).map_err(folder::at(&self.path))?;
                Ok(None)
            }
        }
    }

    /// Writes another value; on disk when this returns. Blocks.
    ///
    /// # Errors
    /// The disk does not take it, or it is too large: what was there before stays.
    pub fn write<T: Serialize>(&self, value: &T) -> io::Result<()> {
        let sealed = sealed::seal(self.name.as_bytes(), value)?;
        if sealed.len() as u64 > KEPT_BYTES_MAX {
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, "too much to be kept"));
        }
        folder::put(&self.path, |file| file.write_all(&sealed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_there_again_unless_it_is_damaged_or_newer() {
        let data = tempfile::tempdir().expect("a folder");
        let kept = KeptFile::below(data.path(), "counts");
        assert_eq!(kept.read::<Vec<u8>>().expect("read"), None);
        for value in [vec![1_u8], vec![2, 3]] {
            kept.write(&value).expect("written");
            assert_eq!(kept.read().expect("read"), Some(value));
        }
        let path = data.path().join("counts");
        let whole = fs::read(&path).expect("read");
        for spoilt in [whole[..3].to_vec(), [whole.as_slice(), b"x"].concat(), vec![0; 40]] {
            fs::write(&path, spoilt).expect("written");
            assert_eq!(kept.read::<Vec<u8>>().expect("read"), None);
            assert!(!path.exists() && data.path().join("counts.broken").exists());
        }
        let later = crc32c::crc32c_append(crc32c::crc32c_append(crc32c::crc32c(b"counts"), &[9]), b"[]");
        fs::write(&path, [&[9], later.to_le_bytes().as_slice(), b"[]"].concat()).expect("written");
        assert!(kept.read::<Vec<u8>>().is_err(), "not for this program");
        assert!(path.exists());
    }
}
