//! Which servers are good enough. Servers below 2.12 drop settings that they do not know without a word
//! (design.md A fact 9), so they are refused before the start and again after connecting.

use std::path::Path;
use std::process::{Command, Stdio};

/// The oldest server version that is used.
pub const OLDEST_SERVER: (u32, u32) = (2, 12);

/// Why a server is not used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VersionFault {
    /// Below [`OLDEST_SERVER`].
    #[error("nats-server {0} is too old: 2.12 or newer is needed")]
    TooOld(String),
    /// What it said is no version.
    #[error("no version of nats-server in {0:?}")]
    Unreadable(String),
    /// The program did not run.
    #[error("running {program} --version: {cause}")]
    NotRun {
        /// Its path.
        program: String,
        /// What the system said.
        cause: String,
    },
}

/// Accepts a version text (`2.15.1`, `v2.12.0-RC.1`) of [`OLDEST_SERVER`] or newer.
pub(crate) fn check(text: &str) -> Result<(), VersionFault> {
    let text = text.trim().trim_start_matches('v');
    let unreadable = || VersionFault::Unreadable(text.chars().take(80).collect());
    let mut numbers = text.split('.').map(|part| part.parse::<u32>().ok());
    let (Some(Some(major)), Some(Some(minor)), Some(_)) = (numbers.next(), numbers.next(), numbers.next())
    else {
        return Err(unreadable());
    };
    if (major, minor) < OLDEST_SERVER {
        return Err(VersionFault::TooOld(text.to_owned()));
    }
    Ok(())
}

/// Asks a `nats-server` program for its version and checks it. Blocks while the program runs.
pub(crate) fn check_program(program: &Path) -> Result<String, VersionFault> {
    let not_run = |cause: String| VersionFault::NotRun { program: program.display().to_string(), cause };
    let output = Command::new(program)
        .arg("--version")
        .stdin(Stdio::null())
        .env_clear()
        .output()
        .map_err(|error| not_run(error.to_string()))?;
    if !output.status.success() {
        return Err(not_run(output.status.to_string()));
    }
    let said = String::from_utf8_lossy(&output.stdout);
    let line = said.lines().next().unwrap_or_default();
    let version = line.strip_prefix("nats-server:").unwrap_or(line).trim().trim_start_matches('v');
    check(version)?;
    Ok(version.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_from_2_12_on_are_accepted() {
        for good in ["2.12.0", "v2.15.1", "2.12.0-RC.1", "2.100.0", "3.0.0"] {
            assert_eq!(check(good), Ok(()), "{good}");
        }
        for old in ["2.11.99", "2.9.10", "1.99.0", "0.0.0"] {
            assert_eq!(check(old), Err(VersionFault::TooOld(old.to_owned())));
        }
        for text in ["", "2", "2.12", "two.12.0", "nats 2.12.0"] {
            assert_eq!(check(text), Err(VersionFault::Unreadable(text.to_owned())));
        }
        let message = VersionFault::TooOld("2.9.10".to_owned()).to_string();
        assert_eq!(message, "nats-server 2.9.10 is too old: 2.12 or newer is needed");
    }
}
