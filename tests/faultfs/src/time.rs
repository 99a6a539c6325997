//! The wall clock, which may be wrong.

use libc::{c_int, c_void, clockid_t, time_t, timespec, timeval};

use crate::control::clock_offset;

const SECOND: i64 = 1_000_000_000;

fn now(clock: clockid_t) -> Result<timespec, c_int> {
    let mut time = timespec { tv_sec: 0, tv_nsec: 0 };
    let result = unsafe { libc::syscall(libc::SYS_clock_gettime, clock, &raw mut time) };
    if result != 0 {
        return Err(-1);
    }
    let offset = clock_offset();
    if offset != 0 && matches!(clock, libc::CLOCK_REALTIME | libc::CLOCK_REALTIME_COARSE) {
        let nanos = time.tv_nsec + offset.rem_euclid(SECOND);
        time.tv_sec += offset.div_euclid(SECOND) + nanos / SECOND;
        time.tv_nsec = nanos % SECOND;
    }
    Ok(time)
}

/// clock_gettime(2).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn clock_gettime(clock: clockid_t, into: *mut timespec) -> c_int {
    match now(clock) {
        Ok(time) => {
            unsafe { *into = time };
            0
        }
        Err(code) => code,
    }
}

/// gettimeofday(2).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn gettimeofday(into: *mut timeval, _zone: *mut c_void) -> c_int {
    match now(libc::CLOCK_REALTIME) {
        Ok(time) if !into.is_null() => {
            unsafe { *into = timeval { tv_sec: time.tv_sec, tv_usec: time.tv_nsec / 1_000 } };
            0
        }
        Ok(_) => 0,
        Err(code) => code,
    }
}

/// time(2).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn time(into: *mut time_t) -> time_t {
    let seconds = now(libc::CLOCK_REALTIME).map_or(-1, |time| time.tv_sec);
    if !into.is_null() {
        unsafe { *into = seconds };
    }
    seconds
}
