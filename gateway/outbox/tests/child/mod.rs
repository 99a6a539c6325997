//! A test that runs itself again as another process, to be killed or to be short of disk.

use std::path::{Path, PathBuf};
use std::process::Command;

const DATA: &str = "LIENTHONG_OUTBOX_TEST_DATA";

/// The data folder, when this process is the child.
pub(crate) fn data_dir() -> Option<PathBuf> {
    std::env::var_os(DATA).map(PathBuf::from)
}

/// This test binary, to run only `test`, as the child that works in `data_dir`. `shell` comes before it.
pub(crate) fn command(test: &str, data_dir: &Path, shell: &str) -> Command {
    let mut command = Command::new("sh");
    let program = std::env::current_exe().expect("this program");
    let script = format!("{shell} exec \"$0\" --exact \"$1\" --nocapture --test-threads 1");
    command.arg("-c").arg(script).arg(program).arg(test).env(DATA, data_dir);
    command
}

/// Says to the parent what the child has been told is done.
#[expect(clippy::print_stdout, reason = "the pipe to the parent")]
pub(crate) fn tell(what: std::fmt::Arguments<'_>) {
    println!("told {what}");
}
