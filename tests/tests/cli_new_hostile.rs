//! `lienthong new` with input that means ill: files of other people, names that are no names, places that are none.
//! It makes a packet or says why not; it never breaks, hides a character away or leaves half a file.
#![allow(clippy::panic, reason = "this is test code, though not in test functions")]

use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Output};

use acceptance::{run_with, text};

const PROGRAM: &str = env!("CARGO_BIN_EXE_lienthong-under-test");

/// A letter that every rule takes, less its attachments.
const LETTER: &str = r#"
code_number = "12"
code_notation = "STN-VP"
promulgation_date = "2026/01/02"
document_type_name = "Công văn"
subject = "V/v thử nghiệm"
from = { organ_id = "H55.15" }
to = [{ organ_id = "H55.16" }]
signer = { full_name = "Người Ký" }
"#;

struct Desk(tempfile::TempDir);

impl Desk {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a folder"))
    }

    fn path(&self, name: &str) -> String {
        self.0.path().join(name).to_str().expect("a plain path").to_owned()
    }

    fn write(&self, name: &str, bytes: &[u8]) -> String {
        std::fs::write(self.path(name), bytes).expect("written");
        self.path(name)
    }

    fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.0.path()).expect("the folder");
        let mut names: Vec<_> =
            entries.map(|e| e.expect("an entry").file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    /// Makes a packet of a TOML file.
    fn made(&self, toml: &str) -> Output {
        let file = self.write("in.toml", toml.as_bytes());
        run(&["new", "--file", &file, "-o", &self.path("out.edxml")])
    }
}

fn run(arguments: &[&str]) -> Output {
    run_with(PROGRAM.as_ref(), arguments, &[])
}

fn with(more: &str) -> String {
    format!("{LETTER}{more}")
}

#[test]
fn the_plain_letter_is_made() {
    let desk = Desk::new();
    let output = desk.made(LETTER);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
}

/// None of them ends the program by a signal or a panic (101).
#[test]
fn a_file_that_is_no_letter_is_refused_in_words() {
    let desk = Desk::new();
    let deep = 100_000;
    for toml in [
        format!("subject = {}", "[".repeat(deep)),
        format!("subject = {}{}", "[".repeat(deep), "]".repeat(deep)),
        format!("subject = {}", "{a=".repeat(deep)),
        format!("{} = 1", vec!["a"; deep].join(".")),
        format!("[{}]\nb = 1", vec!["a"; deep].join(".")),
        format!("business = {{ kind = {}1{} }}", "[".repeat(deep), "]".repeat(deep)),
        with("subject = \"hai lần\""),
        with("sbuject = \"sai tên\""),
        with("[from.ệ"),
        with("ệ = \"ệ"),
        with("priority = ệ"),
        with("content_summary = \"\\uD800\""),
        with("content_summary = 'ệ\u{0}'"),
        with("priority = \"\u{1b}[31mđỏ\""),
        with("priority = 256"),
        with("priority = -1"),
        with("priority = 1.5"),
        with("due_date = 2026-01-02"),
        with("appendixes = 1"),
        with("business = { kind = 44 }"),
        with("business = { kind = \"\u{9b}2J\u{202e}\" }"),
        with("\u{1b}[2J = 1"),
        with("\"\u{9b}2J\" = 1"),
        with("attachments = [{ name = \"\\u001B[31m\\u009B\" }]"),
        with("attachments = [{ file = \"/nowhere/\\u001B[31m\\u202E\" }]"),
        with("attachments = [{ file = \"a\\u0000b\" }]"),
        with("attachments = [{ file = \"/dev/zero\" }]"),
        with("attachments = [{ file = \"..\" }]"),
        "\u{feff}".repeat(3),
        "x".repeat((1 << 20) + 1),
    ] {
        let head: String = toml.chars().rev().take(60).collect::<Vec<_>>().into_iter().rev().collect();
        let output = desk.made(&toml);
        let said = text(&output.stderr);
        assert!(matches!(output.status.code(), Some(1 | 3)), "{head:?}: {:?} {said}", output.status);
        assert!(said.starts_with("lienthong: ") && said.len() < 2000, "{head:?}: {said}");
        assert!(!said.contains(['\x1b', '\u{9b}', '\u{202e}']), "{head:?}: {said}");
        assert_eq!(desk.names(), ["in.toml"], "{head:?}");
    }
    let latin = desk.write("in.toml", b"subject = \"C\xe9ng\"");
    assert_eq!(run(&["new", "--file", &latin]).status.code(), Some(3));
}

#[test]
fn no_word_leaves_its_element_and_none_is_left_out_in_silence() {
    let desk = Desk::new();
    let subject = "]]></edXML:Subject><edXML:To/>&#x41;&amp;<!-- --><?x?>\"'";
    let file = desk.write("in.toml", LETTER.as_bytes());
    let out = desk.path("out.edxml");
    assert_eq!(run(&["new", "--file", &file, "--subject", subject, "-o", &out]).status.code(), Some(0));
    let shown = run(&["inspect", &out, "--json"]);
    let shown: serde_json::Value = serde_json::from_slice(&shown.stdout).expect("JSON");
    assert!(shown.to_string().contains(&serde_json::Value::from(subject).to_string()), "{shown}");

    // XML has no place for these: refused, never dropped.
    let status =
        ["new", "status", "--code", "02", "--from", "H55.16", "--to", "H55.15", "--document-id", "1"];
    for (flag, value) in [
        ("--reason", "a\u{1}b"),
        ("--reason", "a\u{ffff}b"),
        ("--staff", "\u{b}x"),
        ("--from-name", "x\u{1b}[2J"),
        ("--document-code", "1\u{8}2"),
    ] {
        let reason = if flag == "--reason" { &[][..] } else { &["--reason", "Sai nơi nhận"] };
        let output = run(&[&status[..], reason, &[flag, value, "-o", &desk.path("status.edxml")]].concat());
        assert_eq!(output.status.code(), Some(1), "{flag} {value:?}: {}", text(&output.stderr));
    }
    let output = run(&["new", "--file", &file, "--subject", "a\u{1}b", "-o", &desk.path("x.edxml")]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(desk.names(), ["in.toml", "out.edxml"]);
}

#[test]
fn a_place_that_is_taken_or_none_keeps_what_it_has() {
    let desk = Desk::new();
    let file = desk.write("in.toml", LETTER.as_bytes());
    let kept = desk.write("kept", b"mine");
    std::os::unix::fs::symlink("kept", desk.path("link")).expect("a link");
    std::os::unix::fs::symlink("nowhere", desk.path("dangling")).expect("a link");
    std::fs::create_dir(desk.path("folder")).expect("a folder");
    for (out, force) in
        [("kept", false), ("link", false), ("dangling", false), ("folder", false), ("folder", true)]
    {
        let out = desk.path(out);
        let more = if force { &["--force"][..] } else { &[] };
        let output = run(&[&["new", "--file", &file, "-o", &out], more].concat());
        assert_eq!(output.status.code(), Some(3), "{out}: {}", text(&output.stderr));
    }
    // With a flaw, --force replaces nothing.
    let output = run(&["new", "--file", &file, "--subject", " ", "-o", &kept, "--force"]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(std::fs::read(&kept).expect("kept"), b"mine");
    assert_eq!(desk.names(), ["dangling", "folder", "in.toml", "kept", "link"], "and no draft is left");
}

#[test]
fn a_packet_is_as_private_as_its_owner_says() {
    let desk = Desk::new();
    let file = desk.write("in.toml", LETTER.as_bytes());
    for (umask, mode) in [("077", 0o600), ("027", 0o640), ("022", 0o644)] {
        let out = desk.path(&format!("{umask}.edxml"));
        let line = format!("umask {umask}; exec {PROGRAM} new --file {file} -o {out}");
        assert_eq!(run_with("/bin/sh".as_ref(), &["-c", &line], &[]).status.code(), Some(0));
        assert_eq!(
            std::fs::metadata(&out).expect("the packet").permissions().mode() & 0o777,
            mode,
            "{umask}"
        );
    }
}

#[test]
fn words_that_are_no_text_are_refused() {
    let bytes = std::ffi::OsStr::from_bytes(b"C\xe9ng v\xa8n");
    for flag in ["--subject", "--attach", "--to", "--from"] {
        let output = Command::new(PROGRAM).arg("new").arg(flag).arg(bytes).output().expect("the program");
        assert_eq!(output.status.code(), Some(3), "{flag}");
    }
}

/// Names that no file may have come out of `inspect --extract` as names that one may.
#[test]
fn names_of_attachments_stay_names() {
    let desk = Desk::new();
    let file = desk.write("in.toml", LETTER.as_bytes());
    let attached = desk.write("a.txt", b"x");
    let out = desk.path("out.edxml");
    let arguments = ["new", "--file", &file, "-o", &out, "--force", "--attach"];
    for (n, name) in
        ["..", ".", "a\nb.txt", "\u{202e}txt.exe", "CON", " ", "a\\..\\b.txt", "-rf"].iter().enumerate()
    {
        let output = run(&[&arguments[..], &[&format!("{attached}:{name}")]].concat());
        let said = text(&output.stderr);
        assert!(matches!(output.status.code(), Some(0 | 1 | 3)), "{name:?}: {said}");
        assert!(!said.contains('\u{202e}'), "{name:?}: {said}");
        if output.status.code() == Some(0) {
            let folder = desk.path(&format!("files-{n}"));
            std::fs::create_dir(&folder).expect("a folder");
            assert_eq!(run(&["inspect", &out, "--extract", &folder]).status.code(), Some(0), "{name:?}");
            let files: Vec<_> = std::fs::read_dir(&folder).expect("the folder").collect();
            assert_eq!(files.len(), 1, "{name:?}: {files:?}");
        }
    }
    assert!(
        !desk.names().iter().any(|name| name.contains('\n') || name.contains('\u{202e}')),
        "{:?}",
        desk.names()
    );
}
