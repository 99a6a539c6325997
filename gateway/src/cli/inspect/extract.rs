//! Attachments as files in a folder: all of them or none, under names made safe, never over a file that is there, and
//! through no link. They are written while the packet is read, in a folder of their own, and put in place at the end.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use lienthong_schemas::edxml::{AttachmentSink, Content, Packing, SafeFileNames};
use rustix::fs::{AtFlags, CWD, Mode, OFlags, RenameFlags};
use rustix::io::Errno;

use crate::cli::CommandFault;

/// Whoever may read the folder may be of its group, and nobody else.
const FILE_MODE: u32 = 0o640;
const FOLDER_MODE: u32 = 0o750;
/// The folder that files are written in before their names are known.
const DRAFT_MODE: u32 = 0o700;

/// Attachments on their way to a folder. Whatever was not [kept](Extraction::keep) is gone when this is dropped.
pub(super) struct Extraction {
    path: PathBuf,
    folder: OwnedFd,
    /// The folder was made for this.
    made: bool,
    draft: OwnedFd,
    draft_name: String,
    /// The layers in the draft folder: attachment and layer.
    written: Vec<(usize, u8)>,
    /// The open ones among them: those of one attachment.
    open: Vec<(u8, File)>,
    /// Put in place so far.
    placed: Vec<String>,
    done: bool,
}

/// The names of one attachment's files: what they are, or would be, saved under.
pub(super) struct Names {
    /// Of the file that a receiver opens.
    pub(super) file: String,
    /// Of the ZIP that it is the first of several in, which is kept beside it.
    pub(super) archive: Option<String>,
}

/// Safe names for all attachments of a packet, each once.
pub(super) fn names(content: &Content) -> Vec<Names> {
    let mut names = SafeFileNames::default();
    let mut add = |text: &str| names.add(text).as_str().to_owned();
    let named = content.attachments.iter().map(|attachment| {
        let file = add(&attachment.name);
        let several = matches!(attachment.packing, Packing::FirstOfSeveral(_));
        Names { archive: several.then(|| add(&format!("{file}.zip"))), file }
    });
    named.collect()
}

impl Extraction {
    /// Makes the folder where it is not there, and the draft in it.
    pub(super) fn begin(path: &Path) -> Result<Self, CommandFault> {
        let fault = |cause: Errno| CommandFault::at(path.display(), io::Error::from(cause));
        let made = match rustix::fs::mkdirat(CWD, path, Mode::from(FOLDER_MODE)) {
            Ok(()) => true,
            Err(Errno::EXIST) => false,
            Err(cause) => return Err(fault(cause)),
        };
        let folder = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC;
        let opened = rustix::fs::openat(CWD, path, folder, Mode::empty()).map_err(fault)?;
        let draft_name = format!(".lienthong-{:016x}", rand::random::<u64>());
        rustix::fs::mkdirat(&opened, &draft_name, Mode::from(DRAFT_MODE)).map_err(fault)?;
        let draft = rustix::fs::openat(&opened, &draft_name, folder | OFlags::NOFOLLOW, Mode::empty());
        Ok(Self {
            path: path.to_owned(),
            folder: opened,
            made,
            draft: draft.map_err(fault)?,
            draft_name,
            written: Vec::new(),
            open: Vec::new(),
            placed: Vec::new(),
            done: false,
        })
    }

    /// Puts the files in place, once the packet was read and is known to be one.
    pub(super) fn keep(mut self, content: &Content) -> Result<(), CommandFault> {
        let plan = self.plan(content).map_err(|cause| CommandFault::at(self.path.display(), cause))?;
        for (_, name) in &plan {
            self.must_be_free(name)
                .map_err(|cause| CommandFault::at(self.path.join(name).display(), cause))?;
        }
        for ((attachment, layer), name) in plan {
            let draft = draft_name(attachment, layer);
            if let Err(cause) = place(&self.draft, &draft, &self.folder, &name) {
                return Err(CommandFault::at(self.path.join(&name).display(), cause));
            }
            self.placed.push(name);
        }
        self.done = true;
        Ok(())
    }

    /// Which layer of which attachment gets which name.
    fn plan(&mut self, content: &Content) -> io::Result<Vec<((usize, u8), String)>> {
        let mut plan = Vec::new();
        for ((at, attachment), names) in content.attachments.iter().enumerate().zip(names(content)) {
            if attachment.placeholder {
                continue;
            }
            let layer = attachment.layer();
            self.must_be_whole(at, layer, attachment.file.bytes)?;
            plan.push(((at, layer), names.file));
            if let Some(archive) = names.archive {
                plan.push(((at, layer.saturating_sub(1)), archive));
            }
        }
        Ok(plan)
    }

    /// The draft holds all of a layer; an empty one comes without a piece.
    fn must_be_whole(&mut self, attachment: usize, layer: u8, bytes: u64) -> io::Result<()> {
        if bytes == 0 && !self.written.contains(&(attachment, layer)) {
            self.create(attachment, layer)?;
        }
        let name = draft_name(attachment, layer);
        let found = rustix::fs::statat(&self.draft, name, AtFlags::SYMLINK_NOFOLLOW)?.st_size;
        if u64::try_from(found) == Ok(bytes) {
            Ok(())
        } else {
            Err(io::Error::other(format!("attachment {}: {found} of {bytes} bytes", attachment + 1)))
        }
    }

    fn must_be_free(&self, name: &str) -> io::Result<()> {
        // Names are made safe before; were one not, it would leave the folder.
        if name.is_empty() || name.contains(['/', '\0']) || name == "." || name == ".." {
            return Err(io::ErrorKind::InvalidFilename.into());
        }
        match rustix::fs::statat(&self.folder, name, AtFlags::SYMLINK_NOFOLLOW) {
            Err(Errno::NOENT) => Ok(()),
            Err(cause) => Err(cause.into()),
            Ok(_) => Err(taken()),
        }
    }

    fn create(&mut self, attachment: usize, layer: u8) -> io::Result<File> {
        let flags = OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::WRONLY | OFlags::CLOEXEC;
        let name = draft_name(attachment, layer);
        let file = rustix::fs::openat(&self.draft, name, flags, Mode::from(FILE_MODE))?;
        self.written.push((attachment, layer));
        Ok(file.into())
    }

    fn write(&mut self, attachment: usize, layer: u8, bytes: &[u8]) -> io::Result<()> {
        if let Some((_, file)) = self.open.iter_mut().find(|(open, _)| *open == layer) {
            return file.write_all(bytes);
        }
        let mut file = self.create(attachment, layer)?;
        file.write_all(bytes)?;
        self.open.push((layer, file));
        Ok(())
    }

    /// Whoever reads the packet does not know where its attachments go.
    fn told(&self, cause: &io::Error) -> io::Error {
        io::Error::new(cause.kind(), format!("{}: {cause}", self.path.display()))
    }

    fn clear(&mut self) {
        self.open.clear();
        for (attachment, layer) in self.written.drain(..) {
            // Those put in place are not there any more.
            rustix::fs::unlinkat(&self.draft, draft_name(attachment, layer), AtFlags::empty()).ok();
        }
    }
}

impl AttachmentSink for Extraction {
    fn take(&mut self, attachment: usize, layer: u8, bytes: &[u8]) -> io::Result<()> {
        self.write(attachment, layer, bytes).map_err(|cause| self.told(&cause))
    }

    fn end(&mut self, _: usize) -> io::Result<()> {
        self.open.clear();
        Ok(())
    }

    fn restart(&mut self) -> io::Result<()> {
        self.clear();
        Ok(())
    }
}

impl Drop for Extraction {
    fn drop(&mut self) {
        self.clear();
        if !self.done {
            for name in self.placed.drain(..) {
                rustix::fs::unlinkat(&self.folder, name, AtFlags::empty()).ok();
            }
        }
        rustix::fs::unlinkat(&self.folder, &self.draft_name, AtFlags::REMOVEDIR).ok();
        if self.made && !self.done {
            rustix::fs::unlinkat(CWD, &self.path, AtFlags::REMOVEDIR).ok();
        }
    }
}

fn draft_name(attachment: usize, layer: u8) -> String {
    format!("{attachment}.{layer}")
}

fn taken() -> io::Error {
    let words = "đã có tệp trùng tên, không ghi đè (a file of this name is there; nothing was written)";
    io::Error::new(io::ErrorKind::AlreadyExists, words)
}

/// Moves a file to a name that nothing has.
fn place(from: &OwnedFd, draft: &str, to: &OwnedFd, name: &str) -> io::Result<()> {
    match rustix::fs::renameat_with(from, draft, to, name, RenameFlags::NOREPLACE) {
        // Filesystems that cannot be asked for this can make a second name, which never replaces one either.
        Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => {
            rustix::fs::linkat(from, draft, to, name, AtFlags::empty()).map_err(in_words)?;
            Ok(rustix::fs::unlinkat(from, draft, AtFlags::empty())?)
        }
        other => other.map_err(in_words),
    }
}

fn in_words(cause: Errno) -> io::Error {
    if cause == Errno::EXIST { taken() } else { cause.into() }
}
