//! The control file: 4096 bytes of native 64-bit words, shared with whoever commands.
//!
//! Word 0: nanoseconds (signed) by which `CLOCK_REALTIME` is wrong. From word 16: 16 rules of 8 words: failing (0: none),
//! place (0: anywhere), the number of matching calls up to the first that fails, how many fail (`u64::MAX`: all), a
//! parameter. From word 256: calls seen, by [`Call`]; from word 320: faults injected, by [`Failing`].

use std::ffi::CStr;
use std::ptr::null_mut;
use std::sync::atomic::{AtomicPtr, AtomicU64, Ordering};

use crate::raw;

const BYTES: usize = 4096;
const RULES: usize = 16;
const RULE_WORDS: usize = 8;
const FIRST_RULE: usize = 16;
const FIRST_CALL: usize = 256;
const FIRST_FAULT: usize = 320;

static WORDS: AtomicPtr<AtomicU64> = AtomicPtr::new(null_mut());

/// What a call does.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Call {
    Open = 0,
    Create = 1,
    Write = 2,
    Truncate = 3,
    Sync = 4,
    SyncFolder = 5,
    SyncRange = 6,
    Rename = 7,
    Unlink = 8,
    Folder = 9,
    Link = 10,
    Map = 11,
}

/// How it fails.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Failing {
    /// A write: EIO.
    Write = 1,
    /// A write: ENOSPC.
    Full = 2,
    /// A part of a write, then EIO.
    Torn = 3,
    /// A part of a write, then death.
    TornKill = 4,
    /// A part of a write.
    Short = 5,
    /// A sync: EIO, and what it should have written is lost.
    Sync = 6,
    /// Writes and syncs take so many microseconds longer.
    Slow = 7,
    /// Death before a write, a sync or a rename.
    Kill = 8,
    /// A rename: EIO.
    Rename = 9,
    /// A new file or folder: ENOSPC.
    Create = 10,
    /// Death before a sync.
    KillAtSync = 11,
}

const ALL: [Failing; 11] = [
    Failing::Write,
    Failing::Full,
    Failing::Torn,
    Failing::TornKill,
    Failing::Short,
    Failing::Sync,
    Failing::Slow,
    Failing::Kill,
    Failing::Rename,
    Failing::Create,
    Failing::KillAtSync,
];

impl Failing {
    fn hits(self, call: Call) -> bool {
        let sync = matches!(call, Call::Sync | Call::SyncFolder);
        match self {
            Self::Write | Self::Full | Self::Torn | Self::TornKill | Self::Short => call == Call::Write,
            Self::Sync | Self::KillAtSync => sync,
            Self::Slow => sync || call == Call::Write,
            Self::Kill => sync || matches!(call, Call::Write | Call::Rename | Call::Create | Call::Unlink),
            Self::Rename => call == Call::Rename,
            Self::Create => matches!(call, Call::Create | Call::Folder),
        }
    }
}

/// Maps the file; `false` when that is not possible.
pub(crate) fn map(path: &CStr) -> bool {
    let fd = unsafe { raw::openat(libc::AT_FDCWD, path.as_ptr(), libc::O_RDWR | libc::O_CLOEXEC, 0) };
    if fd < 0 {
        return false;
    }
    let protection = libc::PROT_READ | libc::PROT_WRITE;
    let mapped = unsafe { raw::mmap(null_mut(), BYTES, protection, libc::MAP_SHARED, fd, 0) };
    unsafe { raw::close(fd) };
    if mapped == libc::MAP_FAILED {
        return false;
    }
    WORDS.store(mapped.cast(), Ordering::Release);
    true
}

fn word(at: usize) -> Option<&'static AtomicU64> {
    let words = WORDS.load(Ordering::Acquire);
    (!words.is_null() && at < BYTES / 8).then(|| unsafe { &*words.add(at) })
}

/// Nanoseconds by which the wall clock is wrong.
pub(crate) fn clock_offset() -> i64 {
    word(0).map_or(0, |word| word.load(Ordering::Relaxed).cast_signed())
}

/// Counts a call, and says how it fails, if it does, with the rule's parameter. The caller holds the layer's lock.
pub(crate) fn rule(call: Call, place: u64) -> Option<(Failing, u64)> {
    count(FIRST_CALL + call as usize);
    let mut hit = None;
    for at in 0..RULES {
        let rule = |n: usize| word(FIRST_RULE + at * RULE_WORDS + n);
        let (Some(kind), Some(of), Some(next), Some(times), Some(parameter)) =
            (rule(0), rule(1), rule(2), rule(3), rule(4))
        else {
            continue;
        };
        let kind = kind.load(Ordering::Acquire);
        let Some(failing) = ALL.into_iter().find(|failing| *failing as u64 == kind) else { continue };
        let of = of.load(Ordering::Relaxed);
        if !failing.hits(call) || (of != 0 && of != place) {
            continue;
        }
        let left = next.load(Ordering::Relaxed);
        if left > 1 {
            next.store(left - 1, Ordering::Relaxed);
            continue;
        }
        let fails = times.load(Ordering::Relaxed);
        if fails == 0 || hit.is_some() {
            continue;
        }
        if fails != u64::MAX {
            times.store(fails - 1, Ordering::Relaxed);
        }
        count(FIRST_FAULT + failing as usize);
        hit = Some((failing, parameter.load(Ordering::Relaxed)));
    }
    hit
}

/// Counts a call that is never made to fail.
pub(crate) fn seen(call: Call) {
    count(FIRST_CALL + call as usize);
}

fn count(at: usize) {
    if let Some(word) = word(at) {
        word.fetch_add(1, Ordering::Relaxed);
    }
}
