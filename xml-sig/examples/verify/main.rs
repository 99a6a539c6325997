//! `verify FILE (--cert PEM | --pubkey PEM) [--legacy-sha1]`: judges every Signature in a file with one key and nothing else.
//! Exit code 0: all are good; 1: one is wrong; 2: there is none, or one that this crate does not judge; 3: usage, files.

mod judge;

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::process::ExitCode;

const USAGE: &str = "usage: verify FILE (--cert PEM | --pubkey PEM) [--legacy-sha1]";

struct Arguments {
    file: String,
    key: String,
    legacy_sha1: bool,
}

fn main() -> ExitCode {
    let (exit, lines) = match arguments(std::env::args().skip(1)).and_then(|given| run(&given)) {
        Ok(answer) => (answer.exit, answer.lines),
        Err(cause) => (3, vec![cause]),
    };
    let mut output: Box<dyn Write> =
        if exit == 3 { Box::new(std::io::stderr()) } else { Box::new(std::io::stdout()) };
    for line in lines {
        // The line quotes the document.
        let safe: String = line.chars().map(|c| if c.is_control() { '\u{FFFD}' } else { c }).collect();
        if writeln!(output, "{safe}").is_err() {
            return ExitCode::from(3);
        }
    }
    ExitCode::from(exit)
}

fn arguments(mut given: impl Iterator<Item = String>) -> Result<Arguments, String> {
    let (mut file, mut key, mut legacy_sha1) = (None, None, false);
    while let Some(argument) = given.next() {
        match argument.as_str() {
            "--cert" | "--pubkey" if key.is_none() => key = Some(given.next().ok_or(USAGE)?),
            "--legacy-sha1" => legacy_sha1 = true,
            _ if file.is_none() && !argument.starts_with("--") => file = Some(argument),
            _ => return Err(USAGE.to_owned()),
        }
    }
    Ok(Arguments { file: file.ok_or(USAGE)?, key: key.ok_or(USAGE)?, legacy_sha1 })
}

fn run(given: &Arguments) -> Result<judge::Answer, String> {
    let pem = std::fs::read(&given.key).map_err(|cause| format!("{}: {cause}", given.key))?;
    let key = match judge::key(&pem) {
        Ok(key) => key,
        // No signature can be judged with it, as with none at all.
        Err(cause) => {
            let lines = vec![format!("unusable key: {}: {cause}", given.key)];
            return Ok(judge::Answer { exit: judge::NOT_JUDGED, lines });
        }
    };
    let mut open = || -> std::io::Result<Box<dyn BufRead>> {
        Ok(Box::new(BufReader::with_capacity(64 << 10, File::open(&given.file)?)))
    };
    judge::judge(&mut open, key, given.legacy_sha1).map_err(|cause| format!("{}: {cause}", given.file))
}
