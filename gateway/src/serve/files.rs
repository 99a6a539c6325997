//! The files that the settings name: read within a limit, and looked at to see whether they are others now.

use std::path::{Path, PathBuf};

/// Files as they were when they were looked at.
#[derive(Clone, Debug, Default)]
pub struct FilesSeen(Vec<(PathBuf, Option<Look>)>);

/// What tells one content of a file from another: time of change with nanoseconds, length, inode (stat(2)).
type Look = (i64, i64, u64, u64);

impl FilesSeen {
    /// Remembers how a file is now. Before it is read: one that changes meanwhile is seen as changed at the next look.
    pub(super) fn look_at(&mut self, path: PathBuf) {
        let look = look(&path);
        self.0.push((path, look));
    }

    /// Whether one of them is another now, has come or is gone.
    pub fn changed(&self) -> bool {
        self.0.iter().any(|(path, seen)| look(path) != *seen)
    }

    /// Goes on watching what was watched before too, as it is now: after a reading that stopped half way.
    pub(super) fn and_those_of(&mut self, before: &Self) {
        for (path, _) in &before.0 {
            if !self.0.iter().any(|(known, _)| known == path) {
                self.look_at(path.clone());
            }
        }
    }
}

fn look(path: &Path) -> Option<Look> {
    use std::os::unix::fs::MetadataExt;
    let file = std::fs::metadata(path).ok()?;
    Some((file.mtime(), file.mtime_nsec(), file.len(), file.ino()))
}

/// A file whole, unless it is larger than `most` bytes.
pub(super) fn read(path: &Path, most: u64) -> Result<Vec<u8>, String> {
    use std::io::Read;
    let fault = |cause: std::io::Error| format!("{}: {cause}", path.display());
    let mut bytes = Vec::new();
    std::fs::File::open(path).map_err(fault)?.take(most + 1).read_to_end(&mut bytes).map_err(fault)?;
    if bytes.len() as u64 > most {
        return Err(format!("{}: lớn hơn {most} byte (larger than {most} bytes)", path.display()));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_changed_came_or_went_is_seen() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = |name: &str| folder.path().join(name);
        let seen_of = |names: &[&str]| {
            let mut seen = FilesSeen::default();
            names.iter().for_each(|name| seen.look_at(path(name)));
            seen
        };
        std::fs::write(path("a"), "1").expect("written");
        let seen = seen_of(&["a", "b"]);
        assert!(!seen.changed());
        std::fs::write(path("a"), "22").expect("written");
        assert!(seen.changed(), "another length");
        let seen = seen_of(&["a", "b"]);
        std::fs::write(path("new"), "22").expect("written");
        std::fs::rename(path("new"), path("a")).expect("renamed");
        assert!(seen.changed(), "another inode");
        let seen = seen_of(&["a", "b"]);
        std::fs::write(path("b"), "").expect("written");
        assert!(seen.changed(), "it came");
        let before = seen_of(&["b"]);
        std::fs::remove_file(path("b")).expect("removed");
        assert!(before.changed(), "it is gone");
        let mut seen = seen_of(&["a"]);
        seen.and_those_of(&before);
        assert!(!seen.changed(), "as it is now");
        std::fs::write(path("b"), "").expect("written");
        assert!(seen.changed(), "it is watched");
    }

    #[test]
    fn a_file_is_read_up_to_its_limit() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), "12345").expect("written");
        assert_eq!(read(file.path(), 5).as_deref(), Ok(&b"12345"[..]));
        assert!(read(file.path(), 4).is_err_and(|fault| fault.contains("larger than 4 bytes")));
        assert!(read(&file.path().join("x"), 4).is_err());
    }
}
