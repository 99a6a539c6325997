//! `directory/`: what stands beside the operator's directory file, one JSON file for each axis or system, with a version and
//! a checksum. Written whole or not at all; a file that is damaged is set aside, and the directory does without it.

use std::fs;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use lienthong_pipeline::directory::Roll;
use lienthong_pipeline::record::SystemId;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::folder;

/// Largest file of a roll, in bytes: one that is full has about 20 MB, and as much waits with it at most.
pub const ROLL_BYTES_MAX: u64 = 128 << 20;

/// The version that this program writes.
const VERSION: u32 = 1;
const FOLDER: &str = "directory";
const ROLL: &str = "json";
/// What the name of a roll ends with that is damaged and set aside.
const ASIDE: &str = "json.broken";
/// And of one that another gateway's took the place of, before the second of that.
const APART: &str = "json.apart";

#[derive(Serialize, Deserialize)]
struct Written {
    version: u32,
    /// Of the roll as JSON without blanks, its keys in order.
    sha256: String,
    roll: Value,
}

/// Why rolls cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum RollFault {
    /// A program that came after this one wrote it.
    #[error("{}: its version is {version}, and this program reads up to {VERSION}", path.display())]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its version.
        version: u32,
    },
    /// The folder or a file cannot be used.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// What is wrong with one file.
enum Unread {
    Fault(RollFault),
    Damaged(String),
}

/// The folder of rolls below a data folder.
#[derive(Clone, Debug)]
pub struct RollFiles {
    folder: PathBuf,
}

impl RollFiles {
    /// Those of this data folder.
    pub fn of(data_dir: &Path) -> Self {
        Self { folder: data_dir.join(FOLDER) }
    }

    /// Every roll, in the order of their ids; what is damaged is said in the log and left where it is. Blocks.
    ///
    /// # Errors
    /// The folder cannot be read; a roll is of a newer program.
    pub fn read(&self) -> Result<Vec<(SystemId, Roll)>, RollFault> {
        self.read_all(false)
    }

    /// The same for the gateway, whose folder it is: what is damaged is moved out of the way. Blocks.
    ///
    /// # Errors
    /// As [`RollFiles::read`].
    pub fn open(&self) -> Result<Vec<(SystemId, Roll)>, RollFault> {
        self.read_all(true)
    }

    /// Whose rolls were set aside and lie there still, in the order of their ids. Who has seen to one removes it. Blocks.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub fn set_aside(&self) -> io::Result<Vec<SystemId>> {
        let id = |path: PathBuf| {
            let name = path.file_name()?.to_str()?.strip_suffix(ASIDE)?.strip_suffix('.')?;
            SystemId::parse(name)
        };
        let mut all: Vec<SystemId> = self.paths()?.into_iter().filter_map(id).collect();
        all.sort();
        Ok(all)
    }

    /// Notes that the roll of this id is damaged where all gateways share it, and why, as if it were set aside here.
    /// What is set aside already stays. Blocks.
    ///
    /// # Errors
    /// The disk does not take it.
    pub fn note_damaged(&self, id: &SystemId, why: &str) -> io::Result<()> {
        let path = self.path(id, ASIDE)?;
        if path.exists() { Ok(()) } else { folder::put(&path, |file| file.write_all(why.as_bytes())) }
    }

    /// Keeps a roll beside the one of this id: it knew something that the one does not that takes its place. Blocks.
    ///
    /// # Errors
    /// The disk does not take it.
    pub fn set_apart(&self, id: &SystemId, roll: &Roll, at: Timestamp) -> io::Result<PathBuf> {
        let path = self.path(id, &format!("{APART}-{}", at.as_second()))?;
        put(&path, roll)?;
        Ok(path)
    }

    fn path(&self, id: &SystemId, end: &str) -> io::Result<PathBuf> {
        folder::make_durable(&self.folder).map_err(folder::at(&self.folder))?;
        Ok(self.folder.join(id.as_str()).with_extension(end))
    }

    fn paths(&self) -> io::Result<Vec<PathBuf>> {
        let entries = match fs::read_dir(&self.folder) {
            Ok(entries) => entries,
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(cause) => return Err(folder::at(&self.folder)(cause)),
        };
        entries.map(|entry| entry.map(|entry| entry.path())).collect()
    }

    fn read_all(&self, sets_aside: bool) -> Result<Vec<(SystemId, Roll)>, RollFault> {
        let mut rolls = Vec::new();
        for path in self.paths()?.into_iter().filter(|path| path.extension().is_some_and(|end| end == ROLL)) {
            let id = path.file_stem().and_then(|stem| SystemId::parse(stem.to_str()?));
            let Some(id) = id else { continue };
            match read(&path) {
                Ok(roll) => rolls.push((id, roll)),
                Err(Unread::Fault(fault)) => return Err(fault),
                Err(Unread::Damaged(cause)) => {
                    tracing::error!(path = %path.display(), cause,
                        "a roll of the directory is damaged: its organisations are not known until it comes again");
                    if sets_aside {
                        let aside = path.with_extension(ASIDE);
                        fs::rename(&path, &aside).map_err(folder::at(&path))?;
                        folder::sync(&self.folder)?;
                    }
                }
            }
        }
        rolls.sort_by(|(a, _), (b, _)| a.cmp(b));
        Ok(rolls)
    }

    /// Puts a roll in the place of the one of this id, on disk when this returns. Blocks.
    ///
    /// # Errors
    /// The disk does not take it: the one before stays.
    pub fn write(&self, id: &SystemId, roll: &Roll) -> io::Result<()> {
        put(&self.path(id, ROLL)?, roll)
    }
}

fn put(path: &Path, roll: &Roll) -> io::Result<()> {
    let roll = serde_json::to_value(roll)?;
    let text = serde_json::to_vec(&Written { version: VERSION, sha256: sum(&roll), roll })?;
    if text.len() as u64 > ROLL_BYTES_MAX {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, "a roll is too large"));
    }
    folder::put(path, |file| file.write_all(&text))
}

fn read(path: &Path) -> Result<Roll, Unread> {
    let fault = |cause| Unread::Fault(folder::at(path)(cause).into());
    let damaged = |cause: &dyn std::fmt::Display| Unread::Damaged(cause.to_string());
    let mut bytes = Vec::new();
    let file = fs::File::open(path).map_err(fault)?;
    file.take(ROLL_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(fault)?;
    if bytes.len() as u64 > ROLL_BYTES_MAX {
        return Err(damaged(&"it is too large"));
    }
    let value: Value = serde_json::from_slice(&bytes).map_err(|cause| damaged(&cause))?;
    // The version first: what a newer program wrote may have another shape.
    let version = value.get("version").and_then(Value::as_u64).unwrap_or_default();
    if version > u64::from(VERSION) {
        let version = u32::try_from(version).unwrap_or(u32::MAX);
        return Err(Unread::Fault(RollFault::Newer { path: path.to_owned(), version }));
    }
    let written: Written = serde_json::from_value(value).map_err(|cause| damaged(&cause))?;
    if written.version != VERSION || written.sha256 != sum(&written.roll) {
        return Err(damaged(&"its checksum is wrong"));
    }
    serde_json::from_value(written.roll).map_err(|cause| damaged(&cause))
}

fn sum(roll: &Value) -> String {
    Sha256::digest(roll.to_string().as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use lienthong_pipeline::directory::{Home, Listed};
    use lienthong_schemas::organ::OrganId;

    use super::*;

    fn id(text: &str) -> SystemId {
        SystemId::parse(text).expect("an id")
    }

    fn roll(axis: &str, code: &str) -> Roll {
        let mut roll = Roll::new(Home::Axis(id(axis)));
        roll.entries.push(Listed {
            code: OrganId::parse(code).expect("a code"),
            other: Vec::new(),
            name: "Bộ \u{1f4dc} \"Một\"".to_owned(),
            contact: String::new(),
            closed: None,
        });
        roll
    }

    #[test]
    fn a_roll_is_there_after_a_start_and_the_last_one_counts() {
        let folder = tempfile::tempdir().expect("a folder");
        let files = RollFiles::of(folder.path());
        assert_eq!(files.open().expect("none").len(), 0);
        files.write(&id("vpcp"), &roll("vpcp", "G01")).expect("written");
        files.write(&id("bac"), &roll("bac", "H22")).expect("written");
        files.write(&id("vpcp"), &roll("vpcp", "G02")).expect("written");
        // What a kill left half way is no roll.
        fs::write(folder.path().join("directory/vpcp.json.draft"), "{").expect("written");
        let expected = [(id("bac"), roll("bac", "H22")), (id("vpcp"), roll("vpcp", "G02"))];
        assert_eq!(RollFiles::of(folder.path()).open().expect("reads"), expected);
        files.write(&id("vpcp"), &roll("vpcp", "G03")).expect("in spite of the draft");
    }

    #[test]
    fn what_is_damaged_is_set_aside_and_what_is_newer_is_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let files = RollFiles::of(folder.path());
        let path = folder.path().join("directory/vpcp.json");
        for harm in [
            (|text| text.replace("G01", "G02")) as fn(String) -> String,
            |text| text[..text.len() - 3].to_owned(),
            |text| text.replace("\"version\":1", "\"version\":0"),
            |_| String::new(),
        ] {
            files.write(&id("vpcp"), &roll("vpcp", "G01")).expect("written");
            files.write(&id("bac"), &roll("bac", "H22")).expect("written");
            let text = fs::read_to_string(&path).expect("there");
            fs::write(&path, harm(text)).expect("written");
            assert_eq!(files.read().expect("the other one").len(), 1);
            assert!(path.exists(), "a look changes nothing");
            assert_eq!(files.open().expect("the other one").len(), 1);
            assert!(!path.exists() && path.with_extension("json.broken").exists());
            assert_eq!(files.set_aside().expect("a list"), [id("vpcp")]);
        }
        fs::remove_file(path.with_extension("json.broken")).expect("removed");
        assert_eq!(files.set_aside().expect("a list"), []);
        files.write(&id("vpcp"), &roll("vpcp", "G01")).expect("written");
        let at = Timestamp::from_second(7).expect("a time");
        let apart = files.set_apart(&id("vpcp"), &roll("vpcp", "G09"), at).expect("kept");
        assert_eq!(apart.file_name().and_then(|name| name.to_str()), Some("vpcp.json.apart-7"));
        files.note_damaged(&id("bac"), "why").expect("noted");
        files.note_damaged(&id("bac"), "another").expect("noted");
        let noted = fs::read_to_string(folder.path().join("directory/bac.json.broken")).expect("there");
        assert_eq!((noted.as_str(), files.set_aside().expect("a list")), ("why", vec![id("bac")]));
        assert_eq!(files.open().expect("what is apart is no roll").len(), 2);
        fs::write(&path, "{\"version\":2,\"rolls\":[]}").expect("written");
        assert!(matches!(files.open(), Err(RollFault::Newer { version: 2, .. })));
        assert!(path.exists());
    }
}
