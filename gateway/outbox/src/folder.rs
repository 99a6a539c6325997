//! Files and folders that only this user may read, and the calls that make a name durable.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Makes a folder (0700) and those above it, unless they are there.
pub(crate) fn make(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// [`make`], with the names that are new, and the folder's own, on disk when this returns.
pub(crate) fn make_durable(path: &Path) -> io::Result<()> {
    let is_new = |path: &&Path| path.symlink_metadata().is_err();
    let new: Vec<&Path> =
        path.ancestors().take_while(|path| !path.as_os_str().is_empty()).take_while(is_new).collect();
    make(path)?;
    // Whoever made the folder may have been cut off before this, so its own name is always synced.
    for made in new.iter().copied().chain(new.is_empty().then_some(path)) {
        let Some(above) = made.parent() else { continue };
        let above = if above.as_os_str().is_empty() { Path::new(".") } else { above };
        match sync(above) {
            // A folder that stood there already may lie in one that is not ours to read.
            Err(cause) if cause.kind() == io::ErrorKind::PermissionDenied && new.is_empty() => {
                tracing::debug!(path = %above.display(), %cause, "not synced");
            }
            synced => synced.map_err(at(above))?,
        }
    }
    Ok(())
}

/// A new file (0600) to write; it must not exist.
pub(crate) fn new_file(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(path)
}

/// A whole file on disk under its name, or none: a draft that was left from before a crash is replaced. The name is not
/// durable yet.
pub(crate) fn replace(path: &Path, content: impl FnOnce(&mut File) -> io::Result<()>) -> io::Result<()> {
    let mut draft = path.as_os_str().to_owned();
    draft.push(".draft");
    let draft = PathBuf::from(draft);
    match fs::remove_file(&draft) {
        Err(cause) if cause.kind() != io::ErrorKind::NotFound => return Err(at(&draft)(cause)),
        _ => {}
    }
    let mut file = new_file(&draft).map_err(at(&draft))?;
    content(&mut file)?;
    file.sync_data()?;
    fs::rename(&draft, path)
}

/// [`replace`], and the name is on disk, too, when this returns.
pub(crate) fn put(path: &Path, content: impl FnOnce(&mut File) -> io::Result<()>) -> io::Result<()> {
    replace(path, content)?;
    sync(path.parent().filter(|above| !above.as_os_str().is_empty()).unwrap_or(Path::new(".")))
}

/// Makes the names in a folder durable.
pub(crate) fn sync(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// The same error, with the path that it is about.
pub(crate) fn at(path: &Path) -> impl FnOnce(io::Error) -> io::Error + '_ {
    move |cause| io::Error::new(cause.kind(), format!("{}: {cause}", path.display()))
}
