//! What the system calls say of one admission: packet, admission, both folders and the outbox are on disk before the
//! first byte of the 202 goes out (design.md B2).
#![allow(clippy::panic, reason = "this is test code, though not in test functions")]

use std::collections::HashMap;
use std::path::Path;
use std::process::Stdio;

use acceptance::{PATIENCE, Stage, signal, until};
use rustix::process::Signal;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStderr, Command};

const PROGRAM: &str = env!("CARGO_BIN_EXE_lienthong-under-test");
const WATCHED: &str = "trace=fdatasync,fsync,rename,renameat,renameat2,write,sendto,sendmsg,writev";

/// One system call: the lines at which it began and ended, and its text.
#[derive(Debug)]
struct Call {
    name: String,
    text: String,
    begun: usize,
    ended: usize,
}

/// Calls of a trace, in the order in which they ended. A call that others interrupt stands in two lines of its thread.
fn calls(trace: &str) -> Vec<Call> {
    let mut open: HashMap<&str, Call> = HashMap::new();
    let mut calls = Vec::new();
    for (at, line) in trace.lines().enumerate() {
        let Some((thread, rest)) = line.split_once(char::is_whitespace) else { continue };
        let rest = rest.trim_start();
        if rest.starts_with("<... ") {
            if let Some(mut call) = open.remove(thread) {
                call.ended = at;
                call.text.push_str(rest);
                calls.push(call);
            }
            continue;
        }
        let Some((name, _)) = rest.split_once('(') else { continue };
        let call = Call { name: name.to_owned(), text: rest.to_owned(), begun: at, ended: at };
        if rest.ends_with("<unfinished ...>") {
            open.insert(thread, call);
        } else {
            calls.push(call);
        }
    }
    calls
}

/// The first call after `from` that is one of `names` and has all of `words`; its line is returned.
fn after(calls: &[Call], from: usize, what: &str, names: &[&str], words: &[&str], trace: &str) -> usize {
    let fits = |call: &&Call| {
        call.begun >= from
            && names.contains(&call.name.as_str())
            && words.iter().all(|word| call.text.contains(word))
    };
    let found = calls.iter().find(fits);
    found.unwrap_or_else(|| panic!("no {what} after line {from} of the trace:\n{trace}")).ended
}

/// What strace says. It is kept to the end: strace dies when nobody listens.
type Said = Lines<BufReader<ChildStderr>>;

/// `strace` on a process and all its threads, attached when this returns.
async fn attach(pid: u32, trace: &Path) -> (Child, Said) {
    let child = Command::new("strace")
        .args(["-f", "-y", "-s", "64", "-e", WATCHED, "-e", "signal=none", "-p", &pid.to_string(), "-o"])
        .arg(trace)
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn();
    let mut child = child.expect("this test needs strace (Debian package strace; ./check installs it)");
    let mut said = BufReader::new(child.stderr.take().expect("piped")).lines();
    let line = tokio::time::timeout(PATIENCE, said.next_line()).await.expect("strace speaks");
    let line = line.expect("a line").unwrap_or_default();
    assert!(line.contains("attached"), "strace may not trace: {line}");
    (child, said)
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_is_on_disk_before_the_receipt_is_written() {
    let stage = Stage::open(PROGRAM, &[]).await;
    let mut gateway = stage.start().await;
    // Deliveries begin after the receipt; without receivers they do not mix with what is looked at.
    stage.world.receivers[1].close();
    let (first, packet) = (stage.letter(1, &[1]), stage.letter(2, &[1]));
    stage.accepted(&first).await;

    let trace_file = stage.world.folder.join("strace.txt");
    let (mut strace, _said) = attach(gateway.pid().expect("it runs"), &trace_file).await;
    let answer = stage.submit(&packet).await;
    let document_id = answer.document_id().expect("accepted");
    let digest = answer.body["sha256"].as_str().expect("a digest").to_owned();
    let written = until(async || {
        let text = std::fs::read_to_string(&trace_file).ok()?;
        text.contains("HTTP/1.1 202").then_some(())
    });
    assert!(written.await.is_some(), "the receipt is in the trace");
    signal(strace.id().expect("it runs"), Signal::INT);
    tokio::time::timeout(PATIENCE, strace.wait()).await.expect("strace ends").expect("waited for");

    let trace = std::fs::read_to_string(&trace_file).expect("a trace");
    let calls = calls(&trace);
    let receipt = calls.iter().find(|call| call.text.contains("HTTP/1.1 202")).expect("the receipt").begun;
    let step = |from, what: &str, names: &[&str], words: &[&str]| {
        let ended = after(&calls, from, what, names, words, &trace);
        assert!(ended < receipt, "{what} (line {ended}) is not before the receipt ({receipt}):\n{trace}");
        ended
    };
    let renames = ["rename", "renameat", "renameat2"];
    let syncs = ["fsync", "fdatasync"];
    let (blob, admission) = (format!("/blobs/{digest}\""), format!("/admissions/{document_id}\""));
    let blob_synced = step(0, "sync of the packet", &syncs, &["/incoming/"]);
    let blob_named = step(blob_synced, "rename of the packet", &renames, &["/incoming/", &blob]);
    let admission_synced = step(blob_synced + 1, "sync of the admission", &syncs, &["/incoming/"]);
    let admission_named =
        step(admission_synced, "rename of the admission", &renames, &["/incoming/", &admission]);
    let blobs = step(blob_named, "sync of the folder of packets", &["fsync"], &["/data/blobs>"]);
    let admissions =
        step(admission_named, "sync of the folder of admissions", &["fsync"], &["/data/admissions>"]);
    let store = step(blobs.max(admissions), "sync of the outbox", &syncs, &["/data/outbox/"]);
    let unsynced = calls.iter().any(|call| {
        call.name.contains("write")
            && call.text.contains("/data/outbox/")
            && call.ended > store
            && call.begun < receipt
    });
    assert!(!unsynced, "the outbox was written after its last sync:\n{trace}");
    assert_eq!(gateway.stop().await.expect("it stops"), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn names_that_a_killed_life_left_are_on_disk_before_anybody_relies_on_them() {
    let stage = Stage::open(PROGRAM, &[]).await;
    assert_eq!(stage.start().await.stop().await.expect("it stops"), Some(0));
    let trace_file = stage.world.folder.join("strace.txt");
    // Opens everything as `serve` does, and ends by itself.
    let rebuild = Command::new("strace")
        .args(["-f", "-y", "-e", "trace=fsync,openat", "-e", "signal=none", "-o"])
        .arg(&trace_file)
        .args([PROGRAM, "outbox", "rebuild", "-c"])
        .arg(&stage.world.config)
        .output();
    let ended = tokio::time::timeout(PATIENCE, rebuild).await.expect("it ends").expect("strace starts");
    assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
    let trace = std::fs::read_to_string(&trace_file).expect("a trace");
    let calls = calls(&trace);
    for folder in ["/data/blobs>", "/data/admissions>"] {
        let synced = after(&calls, 0, "sync of a folder", &["fsync"], &[folder], &trace);
        let read = after(&calls, 0, "look at the outbox", &["openat"], &["/data/outbox/"], &trace);
        assert!(synced < read, "{folder}: {synced} is not before {read}:\n{trace}");
    }
}
