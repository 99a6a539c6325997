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
        let name = Quarantined::name(&note.axis, &note.doc_id);
        if !self.is_quarantined(&name)? && self.quarantine_count()? >= QUARANTINED_MAX {
            return Err(io::Error::new(io::ErrorKind::StorageFull, "quarantine/ is full"));
        }
        let name = folder.join(name);
        if let Some(packet) = packet {
            let mut source = packet.open().map_err(io::Error::other)?;
            folder::replace(&name.with_extension(PACKET), |file| io::copy(&mut source, file).map(drop))?;
        }
        // The note makes it count, so it comes last.
        folder::sync(&folder)?;
        let text = serde_json::to_vec_pretty(note)?;
        folder::put(&name.with_extension(NOTE), |file| file.write_all(&text))
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use bytes::Bytes;
    use jiff::Timestamp;
    use lienthong_pipeline::ports::{AxisDocId, Spool};
    use lienthong_pipeline::record::SystemId;

    use super::*;
    use crate::FileSpool;

    fn note(doc_id: &str, reason: &str) -> Quarantined {
        Quarantined {
            axis: SystemId::parse("vpcp").expect("an id"),
            doc_id: doc_id.to_owned(),
            list: "edoc".to_owned(),
            from: "G22".to_owned(),
            to: "H55.15".to_owned(),
            at: Timestamp::UNIX_EPOCH,
            reason: reason.to_owned(),
            detail: String::new(),
            told_fail: true,
            sha256: None,
            bytes: None,
        }
    }

    async fn packet(spool: &FileSpool, bytes: &'static [u8]) -> Option<Arc<dyn Incoming>> {
        let mut sink = spool.receive().await.expect("a sink");
        sink.write(Bytes::from_static(bytes)).await.expect("written");
        Some(Arc::from(sink.finish().await.expect("a packet")))
    }

    #[tokio::test]
    async fn what_is_set_aside_is_there_after_a_start_until_its_note_goes() {
        let folder = tempfile::tempdir().expect("a folder");
        let spool = FileSpool::open(folder.path()).expect("a spool");
        let (axis, id) = (note("", "").axis, AxisDocId::parse("../a/b").expect("an id"));
        assert_eq!(
            (
                spool.quarantine_count().await.expect("a number"),
                quarantined(folder.path()).expect("none").len()
            ),
            (0, 0)
        );
        assert!(!spool.is_quarantined(&axis, &id).await.expect("a word"));
        for (bytes, reason) in [(&b"<a/>"[..], "FIELD_MISSING"), (b"<b/>", "FIELD_INVALID")] {
            let packet = packet(&spool, bytes).await;
            spool.quarantine(packet, &note("../a/b", reason)).await.expect("set aside");
        }
        spool.quarantine(None, &note("c", "BODY_TOO_LARGE")).await.expect("set aside");
        drop(spool);
        let spool = FileSpool::open(folder.path()).expect("a spool");
        assert!(spool.is_quarantined(&axis, &id).await.expect("a word"));
        assert_eq!(spool.quarantine_count().await.expect("a number"), 2);
        let all = quarantined(folder.path()).expect("a list");
        assert_eq!([&all[0].note.reason, &all[1].note.reason], ["FIELD_INVALID", "BODY_TOO_LARGE"]);
        assert_eq!(fs::read(all[0].packet.as_ref().expect("kept")).expect("readable"), b"<b/>");
        assert_eq!(all[1].packet, None);
        assert!(all.iter().all(|aside| aside.record.parent() == Some(&folder.path().join(FOLDER))));
        fs::remove_file(&all[0].record).expect("removed");
        assert!(!spool.is_quarantined(&axis, &id).await.expect("a word"));
    }

    #[tokio::test]
    async fn a_full_quarantine_takes_no_more_and_says_so() {
        let folder = tempfile::tempdir().expect("a folder");
        let spool = FileSpool::open(folder.path()).expect("a spool");
        spool.quarantine(None, &note("0", "X")).await.expect("set aside");
        for n in 1..QUARANTINED_MAX {
            fs::write(folder.path().join(FOLDER).join(format!("{n}.json")), b"{}").expect("written");
        }
        let fault = spool.quarantine(None, &note("1", "X")).await.expect_err("no room");
        assert!(fault.full, "{fault}");
        assert_eq!(quarantined(folder.path()).expect("a list").len(), 1, "what is no note is left out");
        // What is there already may be set aside again.
        spool.quarantine(None, &note("0", "Y")).await.expect("in its old place");
    }
}
