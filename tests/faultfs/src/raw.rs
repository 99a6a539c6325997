//! System calls without the C library's functions in between, which are the ones that stand in this crate.

use libc::{c_char, c_int, c_long, c_void, off_t, size_t, ssize_t};

/// A result of `syscall`: -1 with errno set, or a number.
fn int(result: c_long) -> c_int {
    c_int::try_from(result).unwrap_or(-1)
}

pub(crate) unsafe fn openat(folder: c_int, path: *const c_char, flags: c_int, mode: libc::mode_t) -> c_int {
    int(unsafe { libc::syscall(libc::SYS_openat, folder, path, flags, mode) })
}

pub(crate) unsafe fn close(fd: c_int) -> c_int {
    int(unsafe { libc::syscall(libc::SYS_close, fd) })
}

pub(crate) unsafe fn write(fd: c_int, bytes: *const c_void, count: size_t) -> ssize_t {
    unsafe { libc::syscall(libc::SYS_write, fd, bytes, count) as ssize_t }
}

pub(crate) unsafe fn pwrite(fd: c_int, bytes: *const c_void, count: size_t, at: off_t) -> ssize_t {
    unsafe { libc::syscall(libc::SYS_pwrite64, fd, bytes, count, at) as ssize_t }
}

pub(crate) unsafe fn pread(fd: c_int, bytes: *mut c_void, count: size_t, at: off_t) -> ssize_t {
    unsafe { libc::syscall(libc::SYS_pread64, fd, bytes, count, at) as ssize_t }
}

pub(crate) unsafe fn ftruncate(fd: c_int, length: off_t) -> c_int {
    int(unsafe { libc::syscall(libc::SYS_ftruncate, fd, length) })
}

pub(crate) unsafe fn fallocate(fd: c_int, mode: c_int, at: off_t, length: off_t) -> c_int {
    int(unsafe { libc::syscall(libc::SYS_fallocate, fd, mode, at, length) })
}

pub(crate) unsafe fn fsync(fd: c_int) -> c_int {
    int(unsafe { libc::syscall(libc::SYS_fsync, fd) })
}

pub(crate) unsafe fn fdatasync(fd: c_int) -> c_int {
    int(unsafe { libc::syscall(libc::SYS_fdatasync, fd) })
}

pub(crate) unsafe fn sync_file_range(fd: c_int, at: off_t, length: off_t, flags: libc::c_uint) -> c_int {
    int(unsafe { libc::syscall(libc::SYS_sync_file_range, fd, at, length, flags) })
}

pub(crate) unsafe fn renameat(
    from: c_int,
    old: *const c_char,
    to: c_int,
    new: *const c_char,
    flags: libc::c_uint,
) -> c_int {
    int(unsafe { libc::syscall(libc::SYS_renameat2, from, old, to, new, flags) })
}

pub(crate) unsafe fn linkat(
    from: c_int,
    old: *const c_char,
    to: c_int,
    new: *const c_char,
    flags: c_int,
) -> c_int {
    int(unsafe { libc::syscall(libc::SYS_linkat, from, old, to, new, flags) })
}

pub(crate) unsafe fn unlinkat(folder: c_int, name: *const c_char, flags: c_int) -> c_int {
    int(unsafe { libc::syscall(libc::SYS_unlinkat, folder, name, flags) })
}

pub(crate) unsafe fn mkdirat(folder: c_int, name: *const c_char, mode: libc::mode_t) -> c_int {
    int(unsafe { libc::syscall(libc::SYS_mkdirat, folder, name, mode) })
}

pub(crate) unsafe fn fcntl(fd: c_int, command: c_int, argument: usize) -> c_int {
    int(unsafe { libc::syscall(libc::SYS_fcntl, fd, command, argument) })
}

pub(crate) unsafe fn lseek(fd: c_int, at: off_t, whence: c_int) -> off_t {
    unsafe { libc::syscall(libc::SYS_lseek, fd, at, whence) as off_t }
}

pub(crate) unsafe fn mmap(
    at: *mut c_void,
    length: size_t,
    protection: c_int,
    flags: c_int,
    fd: c_int,
    offset: off_t,
) -> *mut c_void {
    unsafe { libc::syscall(libc::SYS_mmap, at, length, protection, flags, fd, offset) as *mut c_void }
}

pub(crate) unsafe fn readlink(path: *const c_char, into: &mut [u8]) -> Option<usize> {
    let length = unsafe { libc::syscall(libc::SYS_readlink, path, into.as_mut_ptr(), into.len()) };
    usize::try_from(length).ok()
}

/// What is behind a descriptor.
pub(crate) fn stat(fd: c_int) -> Option<libc::stat> {
    let mut found: libc::stat = unsafe { std::mem::zeroed() };
    (unsafe { libc::syscall(libc::SYS_fstat, fd, &raw mut found) } == 0).then_some(found)
}

/// What is behind a name; a link itself, not what it leads to.
pub(crate) fn stat_at(folder: c_int, name: &std::ffi::CStr) -> Option<libc::stat> {
    let mut found: libc::stat = unsafe { std::mem::zeroed() };
    let flags = libc::AT_SYMLINK_NOFOLLOW;
    let result = unsafe { libc::syscall(libc::SYS_newfstatat, folder, name.as_ptr(), &raw mut found, flags) };
    (result == 0).then_some(found)
}

/// The process dies as by `kill -9`.
pub(crate) fn die() -> ! {
    loop {
        unsafe { libc::syscall(libc::SYS_kill, libc::getpid(), libc::SIGKILL) };
    }
}

pub(crate) fn set_errno(code: c_int) {
    unsafe { *libc::__errno_location() = code };
}

pub(crate) fn errno() -> c_int {
    unsafe { *libc::__errno_location() }
}
