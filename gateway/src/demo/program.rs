//! The gateway's own commands as child processes, as an operator types them.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::cli::CommandFault;

/// Runs `program` with arguments and this text on its stdin; what it printed.
///
/// # Errors
/// It cannot be run, or its exit code is not 0: then with what it said.
pub(super) fn run(program: &Path, arguments: &[&str], stdin: &str) -> Result<String, CommandFault> {
    let named = || format!("lienthong {}", arguments.join(" "));
    let fault = |cause: &dyn std::fmt::Display| CommandFault::at(named(), cause);
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|cause| fault(&cause))?;
    if let Some(mut input) = child.stdin.take() {
        input.write_all(stdin.as_bytes()).map_err(|cause| fault(&cause))?;
    }
    let output = child.wait_with_output().map_err(|cause| fault(&cause))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(fault(&format!("{}: {}", output.status, said.trim())));
    }
    String::from_utf8(output.stdout).map_err(|cause| fault(&cause))
}
