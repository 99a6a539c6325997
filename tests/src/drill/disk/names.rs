//! Names go back to what is durable: what each stood for, from all changes that are not, less those that the disk had.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use anyhow::Context;
use rand::Rng;
use rand::rngs::StdRng;

use super::Cut;
use super::journal::Change;
use super::model::{inodes_below, name};

/// A name in a folder.
type Place = (u64, PathBuf);

/// Undoes changes of names, in the order in which they were made; by lot, all but the first few.
pub(super) fn undo(
    all: &[&[Change]],
    root: &Path,
    state: &Path,
    lot: Option<&mut StdRng>,
    cut: &mut Cut,
) -> anyhow::Result<()> {
    // A file system that keeps a journal makes changes of names durable in their order.
    let kept = lot.map_or(0, |lot| lot.random_range(0..=all.len()));
    cut.kept += kept as u64;
    cut.names += (all.len() - kept) as u64;
    let mut wanted: BTreeMap<Place, u64> = BTreeMap::new();
    let mut folders: Vec<u64> = Vec::new();
    for change in all.iter().skip(kept).copied().flatten() {
        folders.push(change.folder);
        // The first change that is undone knows what stood there.
        wanted.entry((change.folder, name(change))).or_insert(change.before);
    }
    let limbo = state.join("limbo");
    let mut paths = inodes_below(root);
    // What stands where it should not goes aside, folders with all that is in them.
    for ((folder, name), inode) in &wanted {
        let Some(path) = paths.get(folder).map(|folder| folder.join(name)) else { continue };
        let Ok(found) = std::fs::symlink_metadata(&path) else { continue };
        if found.ino() == *inode {
            continue;
        }
        let aside = limbo.join(found.ino().to_string());
        if aside.exists() && found.is_file() {
            std::fs::remove_file(&path)?;
        } else {
            std::fs::rename(&path, aside).with_context(|| path.display().to_string())?;
        }
        if found.is_dir() {
            paths = inodes_below(root);
        }
    }
    back(&wanted, root, state)
}

/// What should stand somewhere is put there: folders first, wherever they hang, then what was in them.
fn back(wanted: &BTreeMap<Place, u64>, root: &Path, state: &Path) -> anyhow::Result<()> {
    let mut missing: Vec<(&Place, u64)> =
        wanted.iter().filter(|(_, inode)| **inode != 0).map(|(place, inode)| (place, *inode)).collect();
    loop {
        let inside = inodes_below(root);
        let mut found = inodes_below(&state.join("graveyard"));
        found.extend(inodes_below(&state.join("limbo")));
        found.extend(inside.clone());
        let before = missing.len();
        let mut later = Vec::new();
        for (place, inode) in missing {
            let Some(path) = inside.get(&place.0).map(|folder| folder.join(&place.1)) else {
                later.push((place, inode));
                continue;
            };
            let of_inode = found.get(&inode).with_context(|| format!("{} is nowhere", path.display()))?;
            match path.symlink_metadata() {
                Ok(there) if there.ino() == inode => continue,
                Ok(_) => anyhow::bail!("{} is in the way", path.display()),
                Err(_) if of_inode.is_dir() => std::fs::rename(of_inode, &path),
                Err(_) => std::fs::hard_link(of_inode, &path),
            }
            .with_context(|| path.display().to_string())?;
        }
        // What hangs in a folder that never was durable is gone with it.
        if later.is_empty() || later.len() == before {
            return Ok(());
        }
        missing = later;
    }
}
