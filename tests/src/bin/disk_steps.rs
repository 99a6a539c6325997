//! Does to files what its arguments say, one after the other, and writes a line for each: what came of it, or the system's error
//! number. The fault layer is tried on it: it reaches files as the gateway does, through the standard library.
#![allow(clippy::panic, clippy::print_stdout, reason = "a test program: its result is what it prints")]

use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::UNIX_EPOCH;

fn main() {
    let mut open: Option<File> = None;
    for step in std::env::args().skip(1) {
        let words: Vec<&str> = step.split(' ').collect();
        match take(&words, &mut open) {
            Ok(said) => println!("{said}"),
            Err(cause) => println!("errno {}", cause.raw_os_error().unwrap_or(-1)),
        }
    }
}

fn take(words: &[&str], open: &mut Option<File>) -> std::io::Result<String> {
    let number = |text: &str| text.parse::<u64>().expect("a number");
    let file = open.as_mut().ok_or(std::io::ErrorKind::NotFound);
    match words {
        ["open", path] => {
            *open = Some(File::options().read(true).write(true).create(true).truncate(false).open(path)?)
        }
        ["append", path] => *open = Some(File::options().append(true).create(true).open(path)?),
        ["new", path] => *open = Some(File::create(path)?),
        ["write", count, byte] => {
            let bytes = vec![byte.as_bytes()[0]; number(count) as usize];
            return Ok(file?.write(&bytes)?.to_string());
        }
        ["put", at, count, byte] => {
            file?.write_all_at(&vec![byte.as_bytes()[0]; number(count) as usize], number(at))?;
        }
        ["cut", length] => file?.set_len(number(length))?,
        ["sync"] => file?.sync_data()?,
        ["sync-copy"] => file?.try_clone()?.sync_all()?,
        ["sync-folder", path] => File::open(path)?.sync_all()?,
        ["rename", old, new] => fs::rename(old, new)?,
        ["link", old, new] => fs::hard_link(old, new)?,
        ["remove", path] => fs::remove_file(path)?,
        ["folder", path] => fs::create_dir(path)?,
        ["remove-all", path] => fs::remove_dir_all(path)?,
        ["copy", from, to] => drop(fs::copy(from, to)?),
        ["variable", name] => return Ok(std::env::var_os(name).is_some().to_string()),
        ["clock"] => {
            #[expect(clippy::disallowed_methods, reason = "the clock of the system is what is looked at")]
            let now = std::time::SystemTime::now();
            return Ok(now.duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs()).to_string());
        }
        ["length", path] => return Ok(Path::new(path).metadata()?.len().to_string()),
        ["read"] => {
            let mut bytes = Vec::new();
            file?.read_to_end(&mut bytes)?;
            return Ok(bytes.len().to_string());
        }
        _ => panic!("{words:?} is no step"),
    }
    Ok("ok".to_owned())
}
