//! Calls on open files: write, truncate, sync, close, copies of descriptors.

use libc::{c_int, c_uint, c_void, iovec, off_t, size_t, ssize_t};

use crate::control::{self, Call, Failing};
use crate::journal::Kind;
use crate::layer::{Layer, Open, copy, fails, leave, opened, slowly};
use crate::raw;

/// Where a write goes.
#[derive(Clone, Copy)]
enum At {
    /// The descriptor's own place.
    Cursor,
    /// This offset.
    Offset(off_t),
}

/// The bytes of a file of ours from an offset; the descriptor may be for writing only.
fn bytes_of(fd: c_int, at: u64, count: u64) -> Vec<u8> {
    let mut bytes = vec![0; usize::try_from(count).unwrap_or_default()];
    let mut read = 0;
    let mut reader = fd;
    while read < bytes.len() {
        let (rest, offset) = (&mut bytes[read..], at.cast_signed() + read as i64);
        let got = unsafe { raw::pread(reader, rest.as_mut_ptr().cast(), rest.len(), offset) };
        match usize::try_from(got) {
            Ok(0) => break,
            Ok(got) => read += got,
            Err(_) if reader == fd => {
                let path = std::ffi::CString::new(format!("/proc/self/fd/{fd}")).unwrap_or_default();
                let flags = libc::O_RDONLY | libc::O_CLOEXEC;
                reader = unsafe { raw::openat(libc::AT_FDCWD, path.as_ptr(), flags, 0) };
            }
            Err(_) => raw::die(),
        }
    }
    if reader != fd {
        unsafe { raw::close(reader) };
    }
    bytes.truncate(read);
    bytes
}

fn put(fd: c_int, bytes: *const c_void, count: size_t, at: At) -> ssize_t {
    match at {
        At::Cursor => unsafe { raw::write(fd, bytes, count) },
        At::Offset(offset) => unsafe { raw::pwrite(fd, bytes, count, offset) },
    }
}

fn written(layer: &Layer, fd: c_int, open: &Open, bytes: *const c_void, count: size_t, at: At) -> ssize_t {
    let journal = layer.turn();
    let mut count = count;
    let mut after = None;
    match control::rule(Call::Write, open.place) {
        None => {}
        Some((Failing::Slow, micros)) => slowly(micros),
        Some((Failing::Kill, _)) => raw::die(),
        Some((Failing::Short, _)) if count < 2 => {}
        Some((failing @ (Failing::Torn | Failing::TornKill | Failing::Short), part)) => {
            // A part in 1,024.
            count = (count.saturating_mul(usize::try_from(part).unwrap_or(512)) / 1024).min(count);
            after = Some(failing);
            count = if failing == Failing::Short { count.max(1) } else { count };
        }
        Some((Failing::Full, _)) => return failed(libc::ENOSPC),
        Some(_) => return failed(libc::EIO),
    }
    // Another one may have written since it was looked at.
    let length = raw::stat(fd).map_or(0, |found| found.st_size.cast_unsigned());
    let offset = match at {
        At::Offset(offset) => offset.cast_unsigned(),
        At::Cursor if appends(fd) => length,
        At::Cursor => unsafe { raw::lseek(fd, 0, libc::SEEK_CUR) }.cast_unsigned(),
    };
    let overlap = length.min(offset + count as u64).saturating_sub(offset);
    let before = bytes_of(fd, offset, overlap);
    journal.append(Kind::Write, &[open.inode, offset, count as u64, length], &before);
    let result = put(fd, bytes, count, at);
    match after {
        Some(Failing::TornKill) => raw::die(),
        Some(Failing::Torn) => failed(libc::EIO),
        _ => result,
    }
}

fn appends(fd: c_int) -> bool {
    let flags = unsafe { raw::fcntl(fd, libc::F_GETFL, 0) };
    flags & libc::O_APPEND != 0
}

fn failed(code: c_int) -> ssize_t {
    raw::set_errno(code);
    -1
}

/// write(2).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn write(fd: c_int, bytes: *const c_void, count: size_t) -> ssize_t {
    match opened(fd) {
        Some((layer, open)) => written(layer, fd, &open, bytes, count, At::Cursor),
        None => put(fd, bytes, count, At::Cursor),
    }
}

/// pwrite(2).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pwrite(fd: c_int, bytes: *const c_void, count: size_t, at: off_t) -> ssize_t {
    match opened(fd) {
        Some((layer, open)) => written(layer, fd, &open, bytes, count, At::Offset(at)),
        None => put(fd, bytes, count, At::Offset(at)),
    }
}

/// pwrite64(2).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pwrite64(fd: c_int, bytes: *const c_void, count: size_t, at: off_t) -> ssize_t {
    unsafe { pwrite(fd, bytes, count, at) }
}

/// The first part of a list of parts that has bytes: to write less than was asked for is always allowed.
unsafe fn first_part(parts: *const iovec, count: c_int) -> (*const c_void, size_t) {
    let parts = unsafe { std::slice::from_raw_parts(parts, usize::try_from(count).unwrap_or_default()) };
    let first = parts.iter().find(|part| part.iov_len > 0);
    first.map_or((std::ptr::null(), 0), |part| (part.iov_base.cast_const(), part.iov_len))
}

/// writev(2).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn writev(fd: c_int, parts: *const iovec, count: c_int) -> ssize_t {
    let Some((layer, open)) = opened(fd) else {
        return unsafe { libc::syscall(libc::SYS_writev, fd, parts, count) as ssize_t };
    };
    let (bytes, count) = unsafe { first_part(parts, count) };
    written(layer, fd, &open, bytes, count, At::Cursor)
}

/// pwritev(2).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pwritev(fd: c_int, parts: *const iovec, count: c_int, at: off_t) -> ssize_t {
    let (bytes, count) = unsafe { first_part(parts, count) };
    unsafe { pwrite(fd, bytes, count, at) }
}

/// pwritev64(2).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pwritev64(fd: c_int, parts: *const iovec, count: c_int, at: off_t) -> ssize_t {
    unsafe { pwritev(fd, parts, count, at) }
}

/// ftruncate(2).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ftruncate(fd: c_int, length: off_t) -> c_int {
    let Some((layer, open)) = opened(fd) else { return unsafe { raw::ftruncate(fd, length) } };
    let journal = layer.turn();
    if let Some(code) = fails(Call::Truncate, open.place) {
        raw::set_errno(code);
        return -1;
    }
    let before = raw::stat(fd).map_or(0, |found| found.st_size.cast_unsigned());
    let after = length.cast_unsigned();
    let cut = bytes_of(fd, after, before.saturating_sub(after));
    journal.append(Kind::Truncate, &[open.inode, before, after], &cut);
    unsafe { raw::ftruncate(fd, length) }
}

/// ftruncate64(2).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ftruncate64(fd: c_int, length: off_t) -> c_int {
    unsafe { ftruncate(fd, length) }
}

/// fallocate(2); of a file of ours it only makes room at the end.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fallocate(fd: c_int, mode: c_int, at: off_t, length: off_t) -> c_int {
    let Some((layer, open)) = opened(fd) else { return unsafe { raw::fallocate(fd, mode, at, length) } };
    if mode != 0 {
        raw::set_errno(libc::EOPNOTSUPP);
        return -1;
    }
    let journal = layer.turn();
    let before = raw::stat(fd).map_or(0, |found| found.st_size.cast_unsigned());
    let after = before.max((at + length).cast_unsigned());
    journal.append(Kind::Truncate, &[open.inode, before, after], &[]);
    unsafe { raw::fallocate(fd, mode, at, length) }
}

/// fallocate64(2).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fallocate64(fd: c_int, mode: c_int, at: off_t, length: off_t) -> c_int {
    unsafe { fallocate(fd, mode, at, length) }
}

/// posix_fallocate(3).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn posix_fallocate64(fd: c_int, at: off_t, length: off_t) -> c_int {
    if unsafe { fallocate(fd, 0, at, length) } == 0 { 0 } else { raw::errno() }
}

/// posix_fallocate(3).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn posix_fallocate(fd: c_int, at: off_t, length: off_t) -> c_int {
    unsafe { posix_fallocate64(fd, at, length) }
}

fn synced(fd: c_int, sync: unsafe fn(c_int) -> c_int) -> c_int {
    let Some((layer, open)) = opened(fd) else { return unsafe { sync(fd) } };
    let folder = open.stat.st_mode & libc::S_IFMT == libc::S_IFDIR;
    let mut journal = layer.turn();
    let token = journal.token();
    let code = fails(if folder { Call::SyncFolder } else { Call::Sync }, open.place);
    journal.append(Kind::SyncBegun, &[token, open.inode], &[]);
    if let Some(code) = code {
        journal.append(Kind::SyncLost, &[token], &[]);
        raw::set_errno(code);
        return -1;
    }
    drop(journal);
    let result = unsafe { sync(fd) };
    if result == 0 {
        layer.turn().append(Kind::SyncDone, &[token], &[]);
    }
    result
}

/// fsync(2).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fsync(fd: c_int) -> c_int {
    synced(fd, raw::fsync)
}

/// fdatasync(2). It makes the length durable as well.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fdatasync(fd: c_int) -> c_int {
    synced(fd, raw::fdatasync)
}

/// sync_file_range(2), which makes nothing durable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sync_file_range(fd: c_int, at: off_t, length: off_t, flags: c_uint) -> c_int {
    if opened(fd).is_some() {
        control::seen(Call::SyncRange);
    }
    unsafe { raw::sync_file_range(fd, at, length, flags) }
}

/// mmap(2). Files of ours are not written to through memory: nobody could say what was there before.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mmap(
    at: *mut c_void,
    length: size_t,
    protection: c_int,
    flags: c_int,
    fd: c_int,
    offset: off_t,
) -> *mut c_void {
    let writes = protection & libc::PROT_WRITE != 0 && flags & libc::MAP_SHARED != 0;
    if fd >= 0 && writes && opened(fd).is_some() {
        control::seen(Call::Map);
        raw::set_errno(libc::EACCES);
        return libc::MAP_FAILED;
    }
    unsafe { raw::mmap(at, length, protection, flags, fd, offset) }
}

/// mmap64(2).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mmap64(
    at: *mut c_void,
    length: size_t,
    protection: c_int,
    flags: c_int,
    fd: c_int,
    offset: off_t,
) -> *mut c_void {
    unsafe { mmap(at, length, protection, flags, fd, offset) }
}

/// copy_file_range(2): into files of ours only by reading and writing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn copy_file_range(
    from: c_int,
    from_at: *mut off_t,
    to: c_int,
    to_at: *mut off_t,
    count: size_t,
    flags: c_uint,
) -> ssize_t {
    if opened(to).is_some() {
        return failed(libc::EXDEV);
    }
    unsafe { libc::syscall(libc::SYS_copy_file_range, from, from_at, to, to_at, count, flags) as ssize_t }
}

/// sendfile(2): likewise.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sendfile64(to: c_int, from: c_int, at: *mut off_t, count: size_t) -> ssize_t {
    if opened(to).is_some() {
        return failed(libc::EINVAL);
    }
    unsafe { libc::syscall(libc::SYS_sendfile, to, from, at, count) as ssize_t }
}

/// sendfile(2): likewise.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sendfile(to: c_int, from: c_int, at: *mut off_t, count: size_t) -> ssize_t {
    unsafe { sendfile64(to, from, at, count) }
}

/// splice(2): likewise.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn splice(
    from: c_int,
    from_at: *mut off_t,
    to: c_int,
    to_at: *mut off_t,
    count: size_t,
    flags: c_uint,
) -> ssize_t {
    if opened(to).is_some() {
        return failed(libc::EINVAL);
    }
    unsafe { libc::syscall(libc::SYS_splice, from, from_at, to, to_at, count, flags) as ssize_t }
}

/// close(2).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn close(fd: c_int) -> c_int {
    leave(fd);
    unsafe { raw::close(fd) }
}

/// dup(2).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dup(fd: c_int) -> c_int {
    copied(fd, unsafe { libc::syscall(libc::SYS_dup, fd) as c_int })
}

/// dup2(2).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dup2(fd: c_int, to: c_int) -> c_int {
    if fd == to {
        return unsafe { raw::fcntl(fd, libc::F_GETFD, 0) }.min(0) | if fd < 0 { -1 } else { fd };
    }
    copied(fd, unsafe { libc::syscall(libc::SYS_dup3, fd, to, 0) as c_int })
}

/// dup3(2).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dup3(fd: c_int, to: c_int, flags: c_int) -> c_int {
    copied(fd, unsafe { libc::syscall(libc::SYS_dup3, fd, to, flags) as c_int })
}

/// fcntl(2), which copies descriptors among other things.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fcntl(fd: c_int, command: c_int, argument: usize) -> c_int {
    let result = unsafe { raw::fcntl(fd, command, argument) };
    if matches!(command, libc::F_DUPFD | libc::F_DUPFD_CLOEXEC) { copied(fd, result) } else { result }
}

/// fcntl64(2).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fcntl64(fd: c_int, command: c_int, argument: usize) -> c_int {
    unsafe { fcntl(fd, command, argument) }
}

fn copied(from: c_int, to: c_int) -> c_int {
    if to >= 0 {
        copy(from, to);
    }
    to
}
