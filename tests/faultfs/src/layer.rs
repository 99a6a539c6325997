//! What the layer knows: its folder, which descriptors are files below it, the journal.

use std::ffi::{CStr, CString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use libc::{c_char, c_int};

use crate::control::{self, Call, Failing};
use crate::journal::Journal;
use crate::raw;

/// Descriptors above this are not followed.
const DESCRIPTORS: usize = 1 << 16;
/// Bits of an entry of [`OPEN`] above the inode: the place.
const PLACE_SHIFT: u32 = 60;
/// The folders that have a number, from 1.
const PLACES: [&str; 4] = ["incoming", "blobs", "admissions", "outbox"];

/// For each descriptor inode and place; 0: none of ours.
static OPEN: [AtomicU64; DESCRIPTORS] = [const { AtomicU64::new(0) }; DESCRIPTORS];
static LAYER: OnceLock<Layer> = OnceLock::new();

/// Set once, before `main`.
pub(crate) struct Layer {
    root: PathBuf,
    except: PathBuf,
    /// Descriptor of the folder in which what is unlinked lives on under its inode's number.
    pub(crate) graveyard: c_int,
    device: u64,
    journal: Mutex<Journal>,
}

/// A file or folder of ours behind a descriptor.
#[derive(Clone, Copy)]
pub(crate) struct Open {
    pub(crate) inode: u64,
    pub(crate) place: u64,
    pub(crate) stat: libc::stat,
}

/// A name in a folder of ours; the folder is open until this is dropped.
pub(crate) struct Spot {
    pub(crate) folder: c_int,
    pub(crate) inode: u64,
    pub(crate) place: u64,
    pub(crate) name: CString,
}

/// Begins, when the environment says where: `FAULTFS_ROOT` (what to act below), `FAULTFS_STATE` (a folder beside it with
/// `control`, `journal` and `graveyard/`), and as `FAULTFS_EXCEPT` the name of a folder below the root to leave alone.
/// Children of the process are not preloaded.
pub(crate) extern "C" fn begin() {
    let variable = |name: &CStr| {
        let value = unsafe { libc::getenv(name.as_ptr()) };
        (!value.is_null()).then(|| unsafe { CStr::from_ptr(value) }.to_bytes().to_vec())
    };
    unsafe { libc::unsetenv(c"LD_PRELOAD".as_ptr()) };
    let path = |bytes: Vec<u8>| PathBuf::from(std::ffi::OsStr::from_bytes(&bytes));
    let (Some(root), Some(state)) = (variable(c"FAULTFS_ROOT"), variable(c"FAULTFS_STATE")) else { return };
    let (root, state) = (path(root), path(state));
    let except = root.join(path(variable(c"FAULTFS_EXCEPT").unwrap_or_default()));
    let open = |name: &str, flags: c_int| {
        let path = c_path(&state.join(name));
        let low = unsafe { raw::openat(libc::AT_FDCWD, path.as_ptr(), flags | libc::O_CLOEXEC, 0) };
        // Out of the way of numbers that a program may expect to get.
        let high = unsafe { raw::fcntl(low, libc::F_DUPFD_CLOEXEC, 900) };
        unsafe { raw::close(low) };
        high
    };
    let journal = open("journal", libc::O_WRONLY | libc::O_APPEND);
    let graveyard = open("graveyard", libc::O_PATH | libc::O_DIRECTORY);
    let device = raw::stat(graveyard).map(|found| found.st_dev);
    let mapped = control::map(&c_path(&state.join("control")));
    match device {
        Some(device) if journal >= 0 && mapped => {
            let journal = Mutex::new(Journal::new(journal));
            drop(LAYER.set(Layer { root, except, graveyard, device, journal }));
        }
        // A gateway on a disk that cannot fail would prove nothing.
        _ => raw::die(),
    }
}

fn c_path(path: &Path) -> CString {
    CString::new(path.as_os_str().as_bytes()).unwrap_or_default()
}

/// The layer, when there is one.
pub(crate) fn layer() -> Option<&'static Layer> {
    LAYER.get()
}

impl Layer {
    /// The journal, and with it the turn: calls below the folder are made one at a time.
    pub(crate) fn turn(&self) -> MutexGuard<'_, Journal> {
        self.journal.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The name that a path leads to, when its folder is ours.
    pub(crate) fn spot(&self, folder: c_int, path: *const c_char) -> Option<Spot> {
        if path.is_null() {
            return None;
        }
        let text = unsafe { CStr::from_ptr(path) }.to_bytes();
        let root = self.root.as_os_str().as_bytes();
        if text.first() == Some(&b'/') && !text.starts_with(root) {
            return None;
        }
        let end = text.iter().rposition(|byte| *byte != b'/')? + 1;
        let begin = text[..end].iter().rposition(|byte| *byte == b'/').map_or(0, |at| at + 1);
        let name = CString::new(&text[begin..end]).ok()?;
        if matches!(name.to_bytes(), b"" | b"." | b"..") {
            return None;
        }
        let parent = if begin == 0 { c".".to_owned() } else { CString::new(&text[..begin]).ok()? };
        let flags = libc::O_PATH | libc::O_DIRECTORY | libc::O_CLOEXEC;
        let fd = unsafe { raw::openat(folder, parent.as_ptr(), flags, 0) };
        let mut spot = Spot { folder: fd, inode: 0, place: 0, name };
        let found = raw::stat(fd).filter(|found| found.st_dev == self.device)?;
        spot.inode = found.st_ino;
        spot.place = self.place(fd)?;
        Some(spot)
    }

    /// The number of the place that a folder is in; `None` when it is not ours.
    pub(crate) fn place(&self, fd: c_int) -> Option<u64> {
        let path = path_of(fd)?;
        if path.starts_with(&self.except) && self.except != self.root {
            return None;
        }
        let below = path.strip_prefix(&self.root).ok()?;
        let first = below.components().next().map(|first| first.as_os_str().to_owned());
        let number = first.and_then(|first| PLACES.iter().position(|place| first == **place));
        Some(number.map_or(0, |number| number as u64 + 1))
    }
}

impl Spot {
    /// What stands there.
    pub(crate) fn found(&self) -> Option<libc::stat> {
        raw::stat_at(self.folder, &self.name)
    }
}

impl Drop for Spot {
    fn drop(&mut self) {
        if self.folder >= 0 {
            let errno = raw::errno();
            unsafe { raw::close(self.folder) };
            raw::set_errno(errno);
        }
    }
}

fn path_of(fd: c_int) -> Option<PathBuf> {
    let link = CString::new(format!("/proc/self/fd/{fd}")).ok()?;
    let mut bytes = [0; 4096];
    let length = unsafe { raw::readlink(link.as_ptr(), &mut bytes) }?;
    Some(PathBuf::from(std::ffi::OsStr::from_bytes(&bytes[..length])))
}

/// From now on a descriptor is a file or folder of ours.
pub(crate) fn follow(fd: c_int, inode: u64, place: u64) {
    if let Some(entry) = usize::try_from(fd).ok().and_then(|at| OPEN.get(at)) {
        entry.store(inode | place << PLACE_SHIFT, Ordering::Release);
    }
}

/// A descriptor is none of ours any more.
pub(crate) fn leave(fd: c_int) {
    if let Some(entry) = usize::try_from(fd).ok().and_then(|at| OPEN.get(at)) {
        entry.store(0, Ordering::Release);
    }
}

/// A copy of a descriptor is what the descriptor is.
pub(crate) fn copy(from: c_int, to: c_int) {
    let entry = |fd: c_int| usize::try_from(fd).ok().and_then(|at| OPEN.get(at));
    if let Some(to) = entry(to) {
        to.store(entry(from).map_or(0, |from| from.load(Ordering::Acquire)), Ordering::Release);
    }
}

/// The file or folder of ours behind a descriptor. The C library closes some descriptors without us.
pub(crate) fn opened(fd: c_int) -> Option<(&'static Layer, Open)> {
    let entry = OPEN.get(usize::try_from(fd).ok()?)?.load(Ordering::Acquire);
    if entry == 0 {
        return None;
    }
    let (layer, inode, place) = (layer()?, entry & ((1 << PLACE_SHIFT) - 1), entry >> PLACE_SHIFT);
    let found = raw::stat(fd).filter(|found| found.st_ino == inode && found.st_dev == layer.device);
    if found.is_none() {
        leave(fd);
    }
    Some((layer, Open { inode, place, stat: found? }))
}

/// What a rule says of a call that is no write: whether it fails, and with which code. It may take its time, or kill.
pub(crate) fn fails(call: Call, place: u64) -> Option<c_int> {
    match control::rule(call, place)? {
        (Failing::Kill | Failing::KillAtSync | Failing::TornKill, _) => raw::die(),
        (Failing::Slow, micros) => {
            slowly(micros);
            None
        }
        (Failing::Create | Failing::Full, _) => Some(libc::ENOSPC),
        _ => Some(libc::EIO),
    }
}

/// The disk takes its time. Whoever else has to write waits too.
pub(crate) fn slowly(micros: u64) {
    let micros = micros.min(10_000_000).cast_signed();
    let time = libc::timespec { tv_sec: micros / 1_000_000, tv_nsec: micros % 1_000_000 * 1_000 };
    unsafe { libc::syscall(libc::SYS_nanosleep, &raw const time, std::ptr::null_mut::<libc::timespec>()) };
}
