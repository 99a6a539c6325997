//! `lienthong secret` as whoever writes the settings meets it: what it seals, the settings open; a secret is on no
//! command line and in no complaint.
#![allow(clippy::panic, reason = "this is test code, though not in test functions")]

use std::io::Write;
use std::process::{Command, Output, Stdio};

use acceptance::text;
use lienthong_config::{Environment, Settings, environment};

const PROGRAM: &str = env!("CARGO_BIN_EXE_lienthong-under-test");
const SECRET: &str = "khóa bí mật của trục";
const PLACE: &str = "axes.vpcp.secret";

/// Runs `lienthong secret` with the master key in its environment and these bytes on its stdin.
fn secret(arguments: &[&str], master_key: &str, stdin: &[u8]) -> Output {
    let mut command = Command::new(PROGRAM);
    command.arg("secret").args(arguments).env(environment::MASTER_KEY, master_key);
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|cause| panic!("{PROGRAM}: {cause}"));
    // A program that refuses its arguments does not wait for stdin.
    drop(child.stdin.take().expect("a pipe").write_all(stdin));
    child.wait_with_output().expect("ended")
}

fn seal(place: &str, master_key: &str, stdin: &[u8]) -> Output {
    secret(&["seal", "--place", place], master_key, stdin)
}

/// The one line that it printed.
fn line(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let said = text(&output.stdout);
    let line = said.strip_suffix('\n').expect("a line");
    assert!(!line.contains('\n') && output.stderr.is_empty(), "{said}{}", text(&output.stderr));
    line.to_owned()
}

fn fresh_key() -> String {
    line(&secret(&["key"], "", b""))
}

/// The axis's secret as the settings read it, or everything that is wrong.
fn opened(sealed: &str, master_key: &str) -> Result<String, String> {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("lienthong.toml");
    std::fs::write(folder.path().join("directory.toml"), "").expect("written");
    let settings = format!(
        "[gateway]\ndata_dir = \"data\"\norgan_id = \"H55\"\nname = \"Trục\"\n\
         [support]\nhotline = \"0200 000 000\"\n[directory]\nfile = \"directory.toml\"\n\
         [axes.vpcp]\nname = \"A\"\nurl = \"https://a.example.vn\"\nsystem_id = \"s\"\nsecret_sealed = \"{sealed}\"\n"
    );
    std::fs::write(&file, settings).expect("written");
    let environment = Environment::empty().with(environment::MASTER_KEY, master_key);
    let settings = Settings::load(&file, &environment).map_err(|faults| format!("{faults:?}"))?;
    Ok(settings.axes["vpcp"].secret.expose().to_owned())
}

#[test]
fn a_sealed_secret_is_what_the_settings_read() {
    let (key, other) = (fresh_key(), fresh_key());
    assert_eq!((key.len(), key == other), (64, false));
    for stdin in [SECRET.to_owned(), format!("{SECRET}\n"), format!("{SECRET}\r\n")] {
        let sealed = line(&seal(PLACE, &key, stdin.as_bytes()));
        assert!(sealed.starts_with("v1:"), "{sealed}");
        assert_eq!(opened(&sealed, &key).as_deref(), Ok(SECRET));
        assert!(
            opened(&sealed, &other).is_err_and(|said| said.contains("WrongSeal") && !said.contains(SECRET))
        );
    }
    let elsewhere = line(&seal("axes.other.secret", &key, SECRET.as_bytes()));
    assert!(opened(&elsewhere, &key).is_err_and(|said| said.contains("WrongSeal")));
}

#[test]
fn the_master_key_may_stand_in_a_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("master-key");
    let path = file.to_str().expect("a plain path");
    let key = fresh_key();
    let from_file = |environment: &str| {
        secret(&["seal", "--place", PLACE, "--master-key-file", path], environment, SECRET.as_bytes())
    };
    assert_eq!(from_file("").status.code(), Some(3), "the file is not there");
    std::fs::write(&file, format!("{key}\n")).expect("written");
    assert_eq!(opened(&line(&from_file("")), &key).as_deref(), Ok(SECRET));
    let other = fresh_key();
    assert_eq!(opened(&line(&from_file(&other)), &other).as_deref(), Ok(SECRET), "the variable goes first");
    std::fs::write(&file, "not a key").expect("written");
    assert_eq!(from_file("").status.code(), Some(3));
}

#[test]
fn an_nkey_has_its_seed_in_a_file_of_its_own() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("gw-1.nk");
    let path = file.to_str().expect("a plain path");
    let made = secret(&["nkey", "--out", path], "", b"");
    let public = line(&made);
    let seed = std::fs::read_to_string(&file).expect("written");
    assert!(seed.starts_with("SU") && !text(&made.stdout).contains(seed.trim()));
    assert_eq!(lienthong_broker::Nkey::of_seed(&seed).expect("a seed").public(), public);
    let mode =
        std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&file).expect("there").permissions());
    assert_eq!(mode & 0o777, 0o600);
    assert_eq!(secret(&["nkey", "--out", path], "", b"").status.code(), Some(3), "nothing is written over");
    assert_eq!(std::fs::read_to_string(&file).expect("there"), seed);
}

#[test]
fn what_cannot_be_sealed_is_refused_plainly() {
    let key = fresh_key();
    let long = "s".repeat(4097);
    for (place, key, stdin, said) in [
        ("axes.vpcp", key.as_str(), SECRET, "axes.<id>.secret"),
        ("axes.vpcp.secret_sealed", &key, SECRET, "axes.<id>.secret"),
        (PLACE, "", SECRET, "LIENTHONG_MASTER_KEY"),
        (PLACE, "hunter2", SECRET, "32 byte"),
        (PLACE, &key, "", "16"),
        (PLACE, &key, "fifteen bytes..", "16"),
        (PLACE, &key, &long, "4096"),
        (PLACE, &key, "one line of a secret\nand another", "one line"),
        (PLACE, &key, "a line and an empty one\n\n", "one line"),
        (PLACE, &key, "a NUL in the middle\0of it", "one line"),
    ] {
        let output = seal(place, key, stdin.as_bytes());
        let complaint = text(&output.stderr);
        assert_eq!(output.status.code(), Some(3), "{complaint}");
        assert!(output.stdout.is_empty() && complaint.contains(said), "{complaint}");
        let leaks =
            ["hunter2", SECRET, "fifteen", "sss", "another"].iter().any(|word| complaint.contains(word));
        assert!(!leaks, "{complaint}");
    }
    let output = seal(PLACE, &key, b"sixteen bytes \xff\xfe and more");
    assert_eq!((output.status.code(), text(&output.stderr).contains("UTF-8")), (Some(3), true));
    // A secret on the command line would be seen by every user of the machine.
    assert_eq!(secret(&["seal", "--place", PLACE, SECRET], &key, b"").status.code(), Some(3));
    let longest = line(&seal(PLACE, &key, format!("{}\r\n", "s".repeat(4096)).as_bytes()));
    assert_eq!(opened(&longest, &key).map(|secret| secret.len()), Ok(4096));
}
