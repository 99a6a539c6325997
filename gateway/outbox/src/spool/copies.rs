//! `admissions/<document id>.copies`: what axes gave that says what the document says. A list as JSON, written whole in
//! `incoming/` and then given its name; nothing is decided by it, so one that is damaged is begun anew.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use lienthong_pipeline::record::AxisCopy;
use lienthong_schemas::ids::DocumentId;

use super::{FileSpool, Folders};
use crate::folder;

/// The extension of such a file.
pub(super) const COPIES: &str = "copies";

/// The file beside an admission.
pub(super) fn file(admission: &Path) -> PathBuf {
    admission.with_extension(COPIES)
}

/// What is noted, the oldest first.
pub(super) fn read(admission: &Path) -> io::Result<Vec<AxisCopy>> {
    Ok(load(admission)?.unwrap_or_else(|cause| {
        let path = file(admission);
        tracing::warn!(path = %path.display(), %cause, "which copies of a document came is not known");
        Vec::new()
    }))
}

/// The same, or what is wrong with the file.
fn load(admission: &Path) -> io::Result<serde_json::Result<Vec<AxisCopy>>> {
    let path = file(admission);
    match fs::read(&path) {
        Ok(text) => Ok(serde_json::from_slice(&text)),
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => Ok(Ok(Vec::new())),
        Err(cause) => Err(folder::at(&path)(cause)),
    }
}

impl FileSpool {
    /// What is noted of a document, or what is wrong with that file. Blocks.
    pub(crate) fn read_copies(&self, id: DocumentId) -> io::Result<serde_json::Result<Vec<AxisCopy>>> {
        load(&self.folders.admission(id))
    }
}

impl Folders {
    /// Notes one more, unless it is there.
    pub(super) fn note_copy(&self, document: DocumentId, copy: &AxisCopy) -> io::Result<()> {
        let _turn = self.turn(document);
        let admission = self.admission(document);
        let mut all = read(&admission)?;
        if all.iter().any(|known| known.is(copy)) {
            return Ok(());
        }
        all.push(copy.clone());
        all.drain(..all.len().saturating_sub(AxisCopy::KEPT_MAX));
        let (temporary, mut draft) = self.temporary(None)?;
        draft.write_all(&serde_json::to_vec(&all)?)?;
        draft.sync_data()?;
        temporary.keep(&file(&admission))?;
        folder::sync(&self.admissions)
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use lienthong_pipeline::ports::Spool;
    use lienthong_pipeline::record::{CopyRelation, SystemId};
    use lienthong_schemas::ids::PacketDigest;
    use lienthong_schemas::organ::OrganId;

    use super::*;

    fn copy(doc_id: &str) -> AxisCopy {
        AxisCopy {
            at: Timestamp::UNIX_EPOCH,
            axis: SystemId::parse("vpcp").expect("an id"),
            doc_id: doc_id.to_owned(),
            sha256: PacketDigest::of(b"other bytes"),
            bytes: 11,
            relation: CopyRelation::Echo,
            document: None,
        }
    }

    #[tokio::test]
    async fn copies_are_there_after_a_start_each_once_and_go_with_their_document() {
        let folder = tempfile::tempdir().expect("a folder");
        let sender = OrganId::parse("H55").expect("a code");
        let id = DocumentId::derive(&sender, "one", "0", &PacketDigest::of(b"bytes"));
        let spool = FileSpool::open(folder.path()).expect("a spool");
        assert_eq!(spool.copies(id).await.expect("read"), []);
        for n in 0..=AxisCopy::KEPT_MAX {
            for at in [Timestamp::UNIX_EPOCH, Timestamp::MAX] {
                let again = AxisCopy { at, ..copy(&n.to_string()) };
                spool.copied(id, &again).await.expect("noted");
            }
        }
        drop(spool);
        let spool = FileSpool::open(folder.path()).expect("a spool");
        let known = spool.copies(id).await.expect("read");
        let expected = (1..=AxisCopy::KEPT_MAX).map(|n| copy(&n.to_string())).collect::<Vec<_>>();
        assert_eq!(known, expected, "the newest");
        assert_eq!(spool.documents().expect("listed").count(), 0, "it is no admission");
        let names = fs::read_dir(spool.admissions_folder()).expect("listed").count();
        assert_eq!(names, 1, "a kill leaves no draft where admissions are looked for");
        let path = file(&spool.admissions_folder().join(id.to_string()));
        fs::write(&path, b"[{").expect("written");
        assert_eq!(spool.copies(id).await.expect("read"), [], "damaged");
        spool.copied(id, &copy("a")).await.expect("begun anew");
        assert_eq!(spool.copies(id).await.expect("read"), [copy("a")]);
        spool.remove_notes(id).expect("removed");
        assert!(!path.exists());
    }
}
