//! The `FORMAT` file of the data folder (design.md B1): which version of everything below it was written last.

use std::fs;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use crate::folder;

/// The version that this program reads and writes.
///
/// 1: stores without entries for dead letters. It is written down as 2 before the store is indexed anew: a program that
/// knows only 1 would leave out such entries. What is still to be done then, the store's own mark says.
/// 2: a store of one tree, `outbox/` itself. It is written down as 3 before the tree becomes the first generation.
const CURRENT: u32 = 3;
/// What the file begins with, so that nobody takes it for something else.
const LABEL: &str = "lienthong";
/// Longest file read, in bytes.
const BYTES_MAX: u64 = 64;

/// Why a data folder is not for this program.
#[derive(Debug, thiserror::Error)]
pub enum FormatFault {
    /// A program that came after this one wrote it.
    #[error(
        "the data folder has format {found}, and this program knows up to {CURRENT}; use the newer program"
    )]
    Newer {
        /// The format it has.
        found: u32,
    },
    /// The file is not one of ours.
    #[error("{} is not a FORMAT file of this program", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
    },
    /// It cannot be read or written.
    #[error("FORMAT: {0}")]
    Io(#[from] io::Error),
}

/// The same for somebody who only looks: an older format is accepted as it is, and nothing is written.
pub(crate) fn look(data_dir: &Path) -> Result<(), FormatFault> {
    let path = data_dir.join("FORMAT");
    let mut text = Vec::new();
    fs::File::open(&path)
        .and_then(|file| file.take(BYTES_MAX).read_to_end(&mut text))
        .map_err(folder::at(&path))?;
    match read(&text) {
        Some(1..=CURRENT) => Ok(()),
        Some(found) if found > CURRENT => Err(FormatFault::Newer { found }),
        _ => Err(FormatFault::Unreadable { path }),
    }
}

/// Accepts the data folder, or writes the file when there is none or an older one.
pub(crate) fn check(data_dir: &Path) -> Result<(), FormatFault> {
    let path = data_dir.join("FORMAT");
    let file = match fs::File::open(&path) {
        Ok(file) => file,
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(write(data_dir, &path)?),
        Err(cause) => return Err(folder::at(&path)(cause).into()),
    };
    let mut text = Vec::new();
    file.take(BYTES_MAX).read_to_end(&mut text).map_err(folder::at(&path))?;
    match read(&text) {
        Some(CURRENT) => Ok(()),
        Some(found @ 1..CURRENT) => {
            tracing::warn!(from = found, to = CURRENT, "the data folder is brought to the present format");
            Ok(write(data_dir, &path)?)
        }
        Some(found) if found > CURRENT => Err(FormatFault::Newer { found }),
        _ => Err(FormatFault::Unreadable { path }),
    }
}

fn read(text: &[u8]) -> Option<u32> {
    let text = std::str::from_utf8(text).ok()?;
    text.strip_prefix(LABEL)?.strip_prefix(' ')?.trim_end().parse().ok()
}

fn write(data_dir: &Path, path: &Path) -> io::Result<()> {
    let temporary = data_dir.join("FORMAT.new");
    match fs::remove_file(&temporary) {
        Err(cause) if cause.kind() != io::ErrorKind::NotFound => return Err(cause),
        _ => {}
    }
    let mut file = folder::new_file(&temporary)?;
    file.write_all(format!("{LABEL} {CURRENT}\n").as_bytes())?;
    file.sync_data()?;
    fs::rename(&temporary, path)?;
    folder::sync(data_dir)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_absent_file_is_written_and_then_accepted() {
        let dir = tempfile::tempdir().expect("a folder");
        check(dir.path()).expect("written");
        assert_eq!(fs::read(dir.path().join("FORMAT")).expect("read"), b"lienthong 3\n");
        check(dir.path()).expect("accepted");
    }

    #[test]
    fn an_older_format_is_brought_to_this_one() {
        let dir = tempfile::tempdir().expect("a folder");
        fs::write(dir.path().join("FORMAT"), "lienthong 1\n").expect("written");
        check(dir.path()).expect("migrated");
        assert_eq!(fs::read(dir.path().join("FORMAT")).expect("read"), b"lienthong 3\n");
    }

    #[test]
    fn a_newer_format_is_refused_and_left_as_it_is() {
        let dir = tempfile::tempdir().expect("a folder");
        fs::write(dir.path().join("FORMAT"), "lienthong 4\n").expect("written");
        assert!(matches!(check(dir.path()), Err(FormatFault::Newer { found: 4 })));
        assert_eq!(fs::read(dir.path().join("FORMAT")).expect("read"), b"lienthong 4\n");
    }

    #[test]
    fn a_foreign_file_is_refused() {
        let dir = tempfile::tempdir().expect("a folder");
        let long = format!("lienthong {}1", "0".repeat(100));
        for text in
            ["", "lienthong", "lienthong x", "lienthong 0", "1\n", "lienthong -1", "\u{0}", long.as_str()]
        {
            fs::write(dir.path().join("FORMAT"), text).expect("written");
            assert!(matches!(check(dir.path()), Err(FormatFault::Unreadable { .. })), "{text:?}");
        }
    }
}
