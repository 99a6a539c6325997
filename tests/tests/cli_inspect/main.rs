//! `lienthong inspect` as clerks and scripts meet it: the page, the JSON form and its schema, what is said of signatures, and
//! attachments as files.
#![allow(clippy::panic, clippy::print_stdout, reason = "this is test code, though not in test functions")]

mod archive;
mod extracting;
mod pages;
mod refusals;
mod schema;
mod signatures;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use acceptance::{run_with, text, workspace};
use lienthong_schemas::edxml::DocumentBuilder;
use serde_json::Value;

const PROGRAM: &str = env!("CARGO_BIN_EXE_lienthong-under-test");

fn run(arguments: &[&str]) -> Output {
    run_with(PROGRAM.as_ref(), arguments, &[])
}

fn plain(path: &Path) -> &str {
    path.to_str().expect("a plain path")
}

/// What the command says on stdout when all is well.
fn said(arguments: &[&str]) -> String {
    let output = run(arguments);
    assert_eq!(
        output.status.code(),
        Some(0),
        "{arguments:?}: {} {}",
        text(&output.stdout),
        text(&output.stderr)
    );
    text(&output.stdout)
}

/// `inspect --json`, checked against the schema; any exit code but 3.
fn json(arguments: &[&str]) -> Value {
    let output = run(&[&["inspect", "--json"], arguments].concat());
    let shown: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|cause| panic!("{cause}: {} {}", text(&output.stdout), text(&output.stderr)));
    let refused = shown.get("rejected").is_some();
    assert_eq!(output.status.code(), Some(i32::from(refused)), "{shown}");
    schema::holds(&shown);
    shown
}

/// The packets of this folder.
fn packet(name: &str) -> PathBuf {
    workspace().join("tests/tests/cli_inspect/packets").join(name)
}

/// The corpus' packets, or none with a word.
fn corpus() -> Vec<PathBuf> {
    let Ok(folder) = std::fs::read_dir(workspace().join("../shared/corpus/edxml")) else {
        println!("SKIPPED: corpus absent");
        return Vec::new();
    };
    let paths = folder.map(|entry| entry.expect("an entry").path());
    let mut packets: Vec<_> = paths.filter(|path| path.extension().is_some_and(|e| e == "edxml")).collect();
    packets.sort();
    assert!(packets.len() >= 15, "only {} packets", packets.len());
    packets
}

/// A folder of one test.
struct Desk(tempfile::TempDir);

impl Desk {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a folder"))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn packet(&self, document: DocumentBuilder) -> PathBuf {
        let path = self.path("packet.edxml");
        let mut file = std::fs::File::create(&path).expect("a file");
        document.write_to(&mut file).expect("a packet");
        path
    }
}

#[test]
fn a_packet_may_come_through_a_pipe() {
    let file = packet("document.edxml");
    let expected = said(&["inspect", plain(&file)]);
    for name in ["-", "/dev/stdin"] {
        let mut child = Command::new(PROGRAM)
            .args(["inspect", name])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("it starts");
        let bytes = std::fs::read(&file).expect("the packet");
        child.stdin.take().expect("a pipe").write_all(&bytes).expect("written");
        let output = child.wait_with_output().expect("it ends");
        assert_eq!((output.status.code(), text(&output.stdout)), (Some(0), expected.clone()), "{name}");
    }
}

#[test]
fn what_cannot_be_read_at_all_is_no_refusal() {
    let desk = Desk::new();
    for name in [plain(&desk.path("missing.edxml")), plain(desk.0.path())] {
        let output = run(&["inspect", name]);
        assert_eq!(output.status.code(), Some(3), "{name}");
        assert!(output.stdout.is_empty() && text(&output.stderr).contains(name), "{name}");
    }
    assert_eq!(run(&["inspect"]).status.code(), Some(3), "usage");
    let file = packet("document.edxml");
    let missing = desk.path("missing.pem");
    assert_eq!(run(&["inspect", plain(&file), "--ca", plain(&missing)]).status.code(), Some(3));
}
