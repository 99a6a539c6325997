//! The guard: the few steps between the gateway's fork and `nats-server`'s first instruction. It makes sure that the
//! server dies with the gateway, even by SIGKILL, and that no two servers work on one store.

use std::ffi::OsString;
use std::io::{Error, ErrorKind};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use rustix::fs::{FlockOperation, Mode, OFlags};
use rustix::process::Signal;

/// The lock file beside the server's config file.
pub(crate) const LOCK_FILE: &str = "lock";

/// Runs the guard: `<expected parent pid> <nats-server> <config file>`. On success it becomes the server and does not
/// return; what it returns is why that failed.
///
/// The parent-death signal belongs to the thread that forked, so the caller must have been started by a thread that
/// lives as long as its process. If the parent died before the signal was set, the parent pid differs, and the guard
/// ends without starting anything. An exclusive lock on `lock` in the config file's folder is waited for and
/// inherited by the server, so it is free only when the server is gone.
pub fn guard_main(args: &[OsString]) -> Error {
    match prepare(args) {
        Ok(mut server) => server.exec(),
        Err(error) => error,
    }
}

fn prepare(args: &[OsString]) -> Result<Command, Error> {
    let usage = || Error::new(ErrorKind::InvalidInput, "usage: <parent pid> <nats-server> <config file>");
    let [parent, server, config] = args else {
        return Err(usage());
    };
    let parent: i32 = parent.to_str().and_then(|text| text.parse().ok()).ok_or_else(usage)?;

    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
    if rustix::process::getppid().map(|pid| pid.as_raw_nonzero().get()) != Some(parent) {
        return Err(Error::other("the gateway is gone"));
    }

    // Without CLOEXEC: the server must inherit it. Forgotten, because closing it would give the lock up.
    let lock = Path::new(config).with_file_name(LOCK_FILE);
    let lock = rustix::fs::open(lock, OFlags::CREATE | OFlags::RDWR, Mode::RUSR | Mode::WUSR)?;
    rustix::fs::flock(&lock, FlockOperation::LockExclusive)?;
    std::mem::forget(lock);

    let mut command = Command::new(server);
    command.arg("-c").arg(config);
    Ok(command)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrong_arguments_start_nothing() {
        for args in [vec![], vec!["1"], vec!["x", "server", "config"], vec!["1", "s", "c", "more"]] {
            let args: Vec<OsString> = args.into_iter().map(OsString::from).collect();
            assert_eq!(guard_main(&args).kind(), ErrorKind::InvalidInput);
        }
    }
}
