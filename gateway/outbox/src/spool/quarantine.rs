//! `quarantine/`: packets that wait at an axis and were not taken, each with a note of why, for the operator. Who removes
//! the note has the packet fetched anew.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use lienthong_pipeline::ports::Incoming;
use lienthong_pipeline::record::Quarantined;
use serde::Serialize;

use super::Folders;
use crate::folder;

/// Most packets in quarantine. What comes after stays at its axis, untold.
pub const QUARANTINED_MAX: u64 = 1_000;

const FOLDER: &str = "quarantine";
const NOTE: &str = "json";
const PACKET: &str = "edxml";

/// What is in quarantine, as its files say.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Aside {
    /// Why, and what is known of it.
    #[serde(flatten)]
    pub note: Quarantined,
    /// The file of the note. Without it the entry is fetched anew.
    pub record: PathBuf,
    /// The file of the packet; `None` when it was too large to be fetched.
    pub packet: Option<PathBuf>,
}

/// All that is in quarantine below a data folder, the oldest first; a note that cannot be read is left out. Blocks.
///
/// # Errors
/// The folder cannot be listed.
pub fn quarantined(data_dir: &Path) -> io::Result<Vec<Aside>> {
    let mut all = Vec::new();
    for path in notes(&data_dir.join(FOLDER))? {
        let note = fs::read(&path).map(|bytes| serde_json::from_slice(&bytes));
        match note {
            Ok(Ok(note)) => {
                let packet = Some(path.with_extension(PACKET)).filter(|packet| packet.is_file());
                all.push(Aside { note, record: path, packet });
            }
            Ok(Err(cause)) => {
                tracing::warn!(path = %path.display(), %cause, "no note of a packet in quarantine")
            }
            Err(cause) => tracing::warn!(path = %path.display(), %cause, "a note cannot be read"),
        }
    }
    all.sort_by(|a: &Aside, b| (a.note.at, &a.note.doc_id).cmp(&(b.note.at, &b.note.doc_id)));
    Ok(all)
}

fn notes(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(cause) => return Err(cause),
    };
    let paths = entries.map(|entry| entry.map(|entry| entry.path())).collect::<io::Result<Vec<_>>>()?;
    Ok(paths.into_iter().filter(|path| path.extension().is_some_and(|extension| extension == NOTE)).collect())
}

impl Folders {
    pub(super) fn quarantine(&self, packet: Option<&dyn Incoming>, note: &Quarantined) -> io::Result<()> {
        let folder = self.quarantine_folder();
        folder::make_durable(&folder).map_err(folder::at(&folder))?;
        if self.quarantine_count()? >= QUARANTINED_MAX {
            return Err(io::Error::new(io::ErrorKind::StorageFull, "quarantine/ is full"));
        }
        let name = folder.join(Quarantined::name(&note.axis, &note.doc_id));
        if let Some(packet) = packet {
            let mut source = packet.open().map_err(io::Error::other)?;
            write(&name.with_extension(PACKET), |file| io::copy(&mut source, file).map(drop))?;
        }
        // The note makes it count, so it comes last.
        folder::sync(&folder)?;
        let text = serde_json::to_vec_pretty(note)?;
        write(&name.with_extension(NOTE), |file| file.write_all(&text))?;
        folder::sync(&folder)
    }

    pub(super) fn is_quarantined(&self, name: &str) -> io::Result<bool> {
        Ok(super::length(&self.quarantine_folder().join(name).with_extension(NOTE))?.is_some())
    }

    pub(super) fn quarantine_count(&self) -> io::Result<u64> {
        Ok(notes(&self.quarantine_folder())?.len() as u64)
    }

    fn quarantine_folder(&self) -> PathBuf {
        // Beside `incoming/`, in the data folder.
        self.incoming.with_file_name(FOLDER)
    }
}

/// A whole file on disk under its name, or none: one that was left from before a crash is replaced.
fn write(path: &Path, content: impl FnOnce(&mut fs::File) -> io::Result<()>) -> io::Result<()> {
    let mut draft = path.as_os_str().to_owned();
    draft.push(".draft");
    let draft = PathBuf::from(draft);
    match fs::remove_file(&draft) {
        Err(cause) if cause.kind() != io::ErrorKind::NotFound => return Err(cause),
        _ => {}
    }
    let mut file = folder::new_file(&draft).map_err(folder::at(&draft))?;
    content(&mut file)?;
    file.sync_data()?;
    fs::rename(&draft, path)
}
