//! Calls on names: open, rename, link, unlink, folders.

use std::ffi::CString;

use libc::{AT_FDCWD, c_char, c_int, c_uint, mode_t};

use crate::control::{self, Call};
use crate::journal::{Change, Journal, Kind};
use crate::layer::{Layer, Spot, fails, follow, layer, leave};
use crate::raw;

fn is(found: &libc::stat, kind: mode_t) -> bool {
    found.st_mode & libc::S_IFMT == kind
}

fn failed(code: c_int) -> c_int {
    raw::set_errno(code);
    -1
}

/// What is about to lose a name lives on in the graveyard, so that it can have it back, and its inode's number is not
/// given to another file.
fn bury(layer: &Layer, spot: &Spot, found: &libc::stat) {
    if is(found, libc::S_IFREG) {
        let grave = grave(found);
        // It may lie there already, under another of its names.
        unsafe { raw::linkat(spot.folder, spot.name.as_ptr(), layer.graveyard, grave.as_ptr(), 0) };
    }
}

fn grave(found: &libc::stat) -> CString {
    CString::new(found.st_ino.to_string()).unwrap_or_default()
}

/// Sockets and links are not followed.
fn ours(found: &libc::stat) -> bool {
    is(found, libc::S_IFREG) || is(found, libc::S_IFDIR)
}

/// Nothing is in a folder but itself and its parent.
fn is_empty(spot: &Spot) -> bool {
    let flags = libc::O_RDONLY | libc::O_DIRECTORY | libc::O_CLOEXEC;
    let fd = unsafe { raw::openat(spot.folder, spot.name.as_ptr(), flags, 0) };
    let mut entries = [0_u8; 1024];
    let mut bytes = 0;
    loop {
        let read = unsafe { libc::syscall(libc::SYS_getdents64, fd, entries.as_mut_ptr(), entries.len()) };
        if read <= 0 {
            break;
        }
        bytes += read;
    }
    unsafe { raw::close(fd) };
    // `.` and `..` take 24 bytes each.
    bytes <= 48
}

/// Writes names down, makes the call, and takes it back when that fails.
fn renamed(
    journal: &mut Journal,
    durable_with: u64,
    changes: &[Change<'_>],
    call: impl FnOnce() -> c_int,
) -> c_int {
    let token = journal.names(durable_with, changes);
    let result = call();
    if result < 0 {
        let errno = raw::errno();
        journal.append(Kind::NamesFailed, &[token], &[]);
        raw::set_errno(errno);
    }
    result
}

unsafe fn open_any(folder: c_int, path: *const c_char, flags: c_int, mode: mode_t) -> c_int {
    let spot = layer().and_then(|layer| Some((layer, layer.spot(folder, path)?)));
    let Some((layer, spot)) = spot else {
        let fd = unsafe { raw::openat(folder, path, flags, mode) };
        if fd < 0 {
            return fd;
        }
        leave(fd);
        // A folder may be opened as `.`, and the outermost one has its name in a folder that is not ours.
        if let Some((layer, found)) = layer().zip(raw::stat(fd)).filter(|(_, found)| is(found, libc::S_IFDIR))
            && let Some(place) = layer.place(fd)
        {
            follow(fd, found.st_ino, place);
        }
        return fd;
    };
    let mut journal = layer.turn();
    let before = spot.found();
    let creates = flags & libc::O_CREAT != 0 && before.is_none();
    if let Some(code) = fails(if creates { Call::Create } else { Call::Open }, spot.place) {
        return failed(code);
    }
    let truncates = flags & libc::O_TRUNC != 0 && flags & libc::O_EXCL == 0;
    if let Some(found) = before.filter(|found| truncates && is(found, libc::S_IFREG) && found.st_size > 0) {
        let length = found.st_size.cast_unsigned();
        journal.append(Kind::Truncate, &[found.st_ino, length, 0], &whole(&spot, length));
    }
    let fd = unsafe { raw::openat(spot.folder, spot.name.as_ptr(), flags, mode) };
    if fd < 0 {
        return fd;
    }
    let Some(found) = raw::stat(fd) else { return fd };
    if creates {
        let change =
            Change { folder: spot.inode, name: spot.name.to_bytes(), before: 0, after: found.st_ino };
        journal.names(spot.inode, &[change]);
    }
    if ours(&found) {
        follow(fd, found.st_ino, spot.place);
    } else {
        leave(fd);
    }
    fd
}

/// The bytes of a file by its name.
fn whole(spot: &Spot, length: u64) -> Vec<u8> {
    let fd = unsafe { raw::openat(spot.folder, spot.name.as_ptr(), libc::O_RDONLY | libc::O_CLOEXEC, 0) };
    let mut bytes = vec![0; usize::try_from(length).unwrap_or_default()];
    let read = unsafe { raw::pread(fd, bytes.as_mut_ptr().cast(), bytes.len(), 0) };
    unsafe { raw::close(fd) };
    if usize::try_from(read) != Ok(bytes.len()) {
        raw::die();
    }
    bytes
}

/// open(2).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn open(path: *const c_char, flags: c_int, mode: mode_t) -> c_int {
    unsafe { open_any(AT_FDCWD, path, flags, mode) }
}

/// open64(2).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn open64(path: *const c_char, flags: c_int, mode: mode_t) -> c_int {
    unsafe { open_any(AT_FDCWD, path, flags, mode) }
}

/// openat(2).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn openat(folder: c_int, path: *const c_char, flags: c_int, mode: mode_t) -> c_int {
    unsafe { open_any(folder, path, flags, mode) }
}

/// openat64(2).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn openat64(folder: c_int, path: *const c_char, flags: c_int, mode: mode_t) -> c_int {
    unsafe { open_any(folder, path, flags, mode) }
}

/// creat(2).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn creat(path: *const c_char, mode: mode_t) -> c_int {
    unsafe { open_any(AT_FDCWD, path, libc::O_CREAT | libc::O_WRONLY | libc::O_TRUNC, mode) }
}

/// creat64(2).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn creat64(path: *const c_char, mode: mode_t) -> c_int {
    unsafe { creat(path, mode) }
}

/// renameat2(2).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn renameat2(
    from: c_int,
    old: *const c_char,
    to: c_int,
    new: *const c_char,
    flags: c_uint,
) -> c_int {
    let spots = layer().and_then(|layer| Some((layer, layer.spot(from, old)?, layer.spot(to, new)?)));
    let Some((layer, source, target)) = spots else {
        return unsafe { raw::renameat(from, old, to, new, flags) };
    };
    let mut journal = layer.turn();
    if let Some(code) = fails(Call::Rename, target.place) {
        return failed(code);
    }
    let call = || unsafe {
        raw::renameat(source.folder, source.name.as_ptr(), target.folder, target.name.as_ptr(), flags)
    };
    let Some(moved) = source.found().filter(ours) else { return call() };
    let replaced = target.found();
    if replaced.as_ref().is_some_and(|replaced| replaced.st_ino == moved.st_ino) {
        return call();
    }
    if let Some(replaced) = &replaced {
        bury(layer, &target, replaced);
    }
    let before = replaced.map_or(0, |replaced| replaced.st_ino);
    let changes = [
        Change { folder: source.inode, name: source.name.to_bytes(), before: moved.st_ino, after: 0 },
        Change { folder: target.inode, name: target.name.to_bytes(), before, after: moved.st_ino },
    ];
    renamed(&mut journal, target.inode, &changes, call)
}

/// renameat(2).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn renameat(from: c_int, old: *const c_char, to: c_int, new: *const c_char) -> c_int {
    unsafe { renameat2(from, old, to, new, 0) }
}

/// rename(2).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rename(old: *const c_char, new: *const c_char) -> c_int {
    unsafe { renameat2(AT_FDCWD, old, AT_FDCWD, new, 0) }
}

/// linkat(2).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkat(
    from: c_int,
    old: *const c_char,
    to: c_int,
    new: *const c_char,
    flags: c_int,
) -> c_int {
    let spots = layer().and_then(|layer| Some((layer, layer.spot(from, old)?, layer.spot(to, new)?)));
    let Some((layer, source, target)) = spots else {
        return unsafe { raw::linkat(from, old, to, new, flags) };
    };
    let mut journal = layer.turn();
    if let Some(code) = fails(Call::Link, target.place) {
        return failed(code);
    }
    let call = || unsafe {
        raw::linkat(source.folder, source.name.as_ptr(), target.folder, target.name.as_ptr(), flags)
    };
    let Some(found) = source.found() else { return call() };
    let change =
        Change { folder: target.inode, name: target.name.to_bytes(), before: 0, after: found.st_ino };
    renamed(&mut journal, target.inode, &[change], call)
}

/// link(2).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn link(old: *const c_char, new: *const c_char) -> c_int {
    unsafe { linkat(AT_FDCWD, old, AT_FDCWD, new, 0) }
}

/// unlinkat(2).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn unlinkat(folder: c_int, path: *const c_char, flags: c_int) -> c_int {
    let spot = layer().and_then(|layer| Some((layer, layer.spot(folder, path)?)));
    let Some((layer, spot)) = spot else { return unsafe { raw::unlinkat(folder, path, flags) } };
    let mut journal = layer.turn();
    if let Some(code) = fails(Call::Unlink, spot.place) {
        return failed(code);
    }
    let call = || unsafe { raw::unlinkat(spot.folder, spot.name.as_ptr(), flags) };
    let Some(found) = spot.found().filter(ours) else { return call() };
    let folder = is(&found, libc::S_IFDIR);
    if folder && (flags & libc::AT_REMOVEDIR == 0 || !is_empty(&spot)) {
        return call();
    }
    bury(layer, &spot, &found);
    // A folder has one name only: it is moved where a file is linked.
    let grave = grave(&found);
    let call = || match folder {
        true => unsafe { raw::renameat(spot.folder, spot.name.as_ptr(), layer.graveyard, grave.as_ptr(), 0) },
        false => call(),
    };
    let change = Change { folder: spot.inode, name: spot.name.to_bytes(), before: found.st_ino, after: 0 };
    renamed(&mut journal, spot.inode, &[change], call)
}

/// unlink(2).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn unlink(path: *const c_char) -> c_int {
    unsafe { unlinkat(AT_FDCWD, path, 0) }
}

/// rmdir(2).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rmdir(path: *const c_char) -> c_int {
    unsafe { unlinkat(AT_FDCWD, path, libc::AT_REMOVEDIR) }
}

/// mkdirat(2).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mkdirat(folder: c_int, path: *const c_char, mode: mode_t) -> c_int {
    let spot = layer().and_then(|layer| Some((layer, layer.spot(folder, path)?)));
    let Some((layer, spot)) = spot else { return unsafe { raw::mkdirat(folder, path, mode) } };
    let mut journal = layer.turn();
    if spot.found().is_none()
        && let Some(code) = fails(Call::Folder, spot.place)
    {
        return failed(code);
    }
    let result = unsafe { raw::mkdirat(spot.folder, spot.name.as_ptr(), mode) };
    if result == 0
        && let Some(found) = spot.found()
    {
        let change =
            Change { folder: spot.inode, name: spot.name.to_bytes(), before: 0, after: found.st_ino };
        journal.names(spot.inode, &[change]);
    }
    result
}

/// mkdir(2).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mkdir(path: *const c_char, mode: mode_t) -> c_int {
    unsafe { mkdirat(AT_FDCWD, path, mode) }
}

/// symlink(2): there is none in a folder of ours.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn symlinkat(target: *const c_char, folder: c_int, path: *const c_char) -> c_int {
    if layer().is_some_and(|layer| layer.spot(folder, path).is_some()) {
        control::seen(Call::Link);
        return failed(libc::EPERM);
    }
    unsafe { libc::syscall(libc::SYS_symlinkat, target, folder, path) as c_int }
}

/// symlink(2): there is none in a folder of ours.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn symlink(target: *const c_char, path: *const c_char) -> c_int {
    unsafe { symlinkat(target, AT_FDCWD, path) }
}
