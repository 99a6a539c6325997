//! What a process took: CPU time, and its peak of memory. Children are watched while they run, for their peak.

use std::io;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use rustix::time::{ClockId, clock_gettime};

/// Clock ticks a second in proc(5), `stat`, on every machine that we build for.
const TICKS: f64 = 100.0;
/// How often a child's peak is read. It only grows, so little is lost.
const LOOK_EVERY: Timespec = Timespec { tv_sec: 0, tv_nsec: 10_000_000 };

/// CPU time of this process since its start, of all its threads, user and system (`CLOCK_PROCESS_CPUTIME_ID`).
pub fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    let (seconds, nanos) = (u64::try_from(time.tv_sec), u32::try_from(time.tv_nsec));
    Duration::new(seconds.unwrap_or_default(), nanos.unwrap_or_default())
}

/// The peak resident set of this process in KiB (proc(5), `VmHWM`); `None` where the system does not say.
pub fn peak_kib() -> Option<u64> {
    kib("self", "VmHWM:")
}

/// The resident set of this process in KiB (`VmRSS`); `None` where the system does not say.
pub fn resident_kib() -> Option<u64> {
    kib("self", "VmRSS:")
}

fn kib(process: &str, what: &str) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(what))?;
    line.trim().strip_suffix("kB")?.trim().parse().ok()
}

/// A child that has ended.
pub struct Ended {
    /// How.
    pub status: ExitStatus,
    /// From its start to its end.
    pub wall: Duration,
    /// User and system time, to 10 ms.
    pub cpu: Duration,
    /// Its peak resident set in KiB, as last seen.
    pub peak_kib: u64,
    /// What it wrote to its standard output.
    pub said: String,
}

/// Runs a program to its end, with nothing on its standard input. What it says on standard error is shown.
///
/// # Errors
/// It cannot be started ([`io::ErrorKind::NotFound`] where there is none) or waited for.
pub fn run(command: &mut Command) -> io::Result<Ended> {
    let cpu = children_cpu();
    let begun = Instant::now();
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
    let peak_kib = watch(&child)?;
    let output = read(&mut child)?;
    let status = child.wait()?;
    Ok(Ended { status, wall: begun.elapsed(), cpu: children_cpu() - cpu, peak_kib, said: output })
}

/// The last peak that was seen before the end. Little is written to a pipe by what runs here: it holds 64 KiB.
fn watch(child: &Child) -> io::Result<u64> {
    let id = child.id();
    let pid = Pid::from_raw(id.cast_signed()).ok_or(io::ErrorKind::NotFound)?;
    let ends = pidfd_open(pid, PidfdFlags::empty())?;
    let mut peak = 0;
    loop {
        // After its end a process has no memory, and its line is missing.
        peak = kib(&id.to_string(), "VmHWM:").unwrap_or(peak);
        if poll(&mut [PollFd::new(&ends, PollFlags::IN)], Some(&LOOK_EVERY))? > 0 {
            return Ok(peak);
        }
    }
}

fn read(child: &mut Child) -> io::Result<String> {
    child.stdout.take().map_or(Ok(String::new()), io::read_to_string)
}

/// CPU time of a running process since its start, user and system, to 10 ms (proc(5), `stat`, fields 14 and 15).
pub fn cpu_of(pid: u32) -> Option<Duration> {
    ticks_from(&pid.to_string(), 11)
}

/// CPU time of all children that were waited for (fields 16 and 17 there).
fn children_cpu() -> Duration {
    ticks_from("self", 13).unwrap_or_default()
}

/// The sum of two fields of `stat`, which are counted from the one after the name.
fn ticks_from(process: &str, skipped: usize) -> Option<Duration> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(skipped);
    let mut ticks = || fields.next()?.parse::<f64>().ok();
    Some(Duration::from_secs_f64((ticks()? + ticks()?) / TICKS))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_child_is_waited_for_with_what_it_says() {
        let work = "echo done; exit 3";
        let ended = run(Command::new("sh").args(["-c", work])).unwrap();
        assert_eq!(ended.status.code(), Some(3));
        assert_eq!(ended.said, "done\n");
        assert!(ended.wall > Duration::ZERO);
        let absent = run(&mut Command::new("no such program"));
        assert_eq!(absent.err().map(|fault| fault.kind()), Some(io::ErrorKind::NotFound));
    }

    #[test]
    fn the_peak_holds_what_is_resident() {
        let before = cpu_time();
        let resident = resident_kib().unwrap();
        assert!(resident > 0 && resident <= peak_kib().unwrap());
        assert!(cpu_time() >= before);
        // To a clock tick, and what other tests of this process take meanwhile.
        let of_own = cpu_of(std::process::id()).unwrap();
        assert!(
            of_own + Duration::from_millis(30) >= before && of_own <= cpu_time() + Duration::from_millis(30)
        );
        assert!(cpu_of(u32::MAX).is_none());
    }
}
