//! The layer that makes disks fail does what the drill believes of it: what was synced stays, all else goes with the
//! power, and calls fail as told.
#![allow(clippy::panic, reason = "this is test code, though not in test functions")]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use acceptance::drill::{Cut, Disk, DiskFault, Failing, Where, layer};
use tempfile::TempDir;

const PROGRAM: &str = env!("CARGO_BIN_EXE_disk-steps");
const EIO: &str = "errno 5";
const ENOSPC: &str = "errno 28";

/// A folder on a disk that can fail.
struct Bench {
    disk: Disk,
    root: PathBuf,
    _folder: TempDir,
}

impl Bench {
    fn new() -> Self {
        static LIBRARY: OnceLock<PathBuf> = OnceLock::new();
        let library = LIBRARY.get_or_init(|| layer().expect("the layer builds"));
        let folder = tempfile::Builder::new().prefix("lienthong-faultfs-").tempdir().expect("a folder");
        let root = folder.path().canonicalize().expect("a path").join("data");
        let disk = Disk::make(&folder.path().join("disk"), &root, library, 0).expect("a disk");
        Self { disk, root, _folder: folder }
    }

    /// Runs steps in the folder; what each said. A process that was killed said less.
    fn run(&self, steps: &[&str]) -> Vec<String> {
        self.disk.settle().expect("settled");
        let output = Command::new(PROGRAM)
            .args(steps)
            .envs(self.disk.environment())
            .current_dir(&self.root)
            .output()
            .expect("it runs");
        String::from_utf8(output.stdout).expect("text").lines().map(str::to_owned).collect()
    }

    /// The same; every step must succeed.
    fn done(&self, steps: &[&str]) {
        let said = self.run(steps);
        let failed = |said: &String| said == EIO || said == ENOSPC;
        assert!(said.len() == steps.len() && !said.iter().any(failed), "{steps:?}: {said:?}");
    }

    fn power_cut(&self) -> Cut {
        self.disk.cut_power(None).expect("cut")
    }

    fn bytes(&self, name: &str) -> Option<Vec<u8>> {
        std::fs::read(self.root.join(name)).ok()
    }

    fn text(&self, name: &str) -> Option<String> {
        self.bytes(name).map(|bytes| String::from_utf8(bytes).expect("text"))
    }

    fn arm(&self, failing: Failing, nth: u64, times: u64) {
        self.arm_at(Where::Anywhere, failing, nth, times);
    }

    fn arm_at(&self, place: Where, failing: Failing, nth: u64, times: u64) {
        self.disk.arm(DiskFault { place, failing, nth, times, lasts: 0 }).expect("armed");
    }
}

#[test]
fn what_was_synced_stays_and_the_rest_goes() {
    let bench = Bench::new();
    bench.done(&["new a", "write 5 a", "sync", "write 3 b", "new b", "write 4 c", "sync-folder ."]);
    assert_eq!(bench.text("a").as_deref(), Some("aaaaabbb"));
    let cut = bench.power_cut();
    assert_eq!((cut.writes, cut.names, cut.kept), (2, 0, 0));
    assert_eq!((bench.text("a").as_deref(), bench.text("b").as_deref()), (Some("aaaaa"), Some("")));
    assert_eq!(bench.power_cut(), Cut::default(), "nothing is left to lose");
}

#[test]
fn a_synced_file_without_a_synced_name_is_gone() {
    let bench = Bench::new();
    bench.done(&["new a", "write 5 a", "sync"]);
    bench.power_cut();
    assert_eq!(bench.bytes("a"), None);
}

#[test]
fn bytes_that_were_there_come_back() {
    let bench = Bench::new();
    bench.done(&["new a", "write 9000 a", "sync", "sync-folder ."]);
    bench.done(&["open a", "put 10 5000 b", "put 8990 100 c", "cut 20", "write 4 d"]);
    bench.power_cut();
    assert!(bench.bytes("a") == Some(vec![b'a'; 9000]));
}

#[test]
fn a_file_that_is_emptied_when_it_is_opened_comes_back() {
    let bench = Bench::new();
    bench.done(&["new a", "write 9000 a", "sync", "sync-folder .", "new a", "write 10 b"]);
    assert_eq!(bench.text("a").as_deref(), Some("bbbbbbbbbb"));
    bench.power_cut();
    assert!(bench.bytes("a") == Some(vec![b'a'; 9000]));
}

#[test]
fn appending_is_undone_and_a_copy_of_a_descriptor_syncs() {
    let bench = Bench::new();
    bench.done(&["append a", "write 5 a", "sync-copy", "sync-folder .", "write 5 b"]);
    bench.power_cut();
    assert_eq!(bench.text("a").as_deref(), Some("aaaaa"));
}

#[test]
fn a_rename_without_its_folder_vanishes() {
    let bench = Bench::new();
    bench.done(&[
        "folder in",
        "folder out",
        "sync-folder .",
        "new in/a",
        "write 3 a",
        "sync",
        "sync-folder in",
    ]);
    bench.done(&["rename in/a out/a"]);
    assert_eq!(bench.text("out/a").as_deref(), Some("aaa"));
    bench.power_cut();
    assert_eq!((bench.text("in/a").as_deref(), bench.bytes("out/a")), (Some("aaa"), None));
    bench.done(&["rename in/a out/a", "sync-folder out"]);
    bench.power_cut();
    assert_eq!((bench.bytes("in/a"), bench.text("out/a").as_deref()), (None, Some("aaa")));
}

#[test]
fn what_a_rename_replaced_and_what_was_removed_come_back() {
    let bench = Bench::new();
    bench.done(&[
        "new a",
        "write 3 a",
        "sync",
        "new b",
        "write 3 b",
        "sync",
        "new c",
        "write 3 c",
        "sync",
        "sync-folder .",
    ]);
    bench.done(&["rename a b", "remove c", "link b d"]);
    bench.power_cut();
    let texts = ["a", "b", "c", "d"].map(|name| bench.text(name));
    assert_eq!(texts, [Some("aaa".to_owned()), Some("bbb".to_owned()), Some("ccc".to_owned()), None]);
}

#[test]
fn a_folder_that_was_removed_comes_back_with_what_was_in_it() {
    let bench = Bench::new();
    bench.done(&["folder x", "folder x/y", "new x/y/a", "write 3 a", "sync"]);
    bench.done(&["sync-folder x/y", "sync-folder x", "sync-folder .", "remove-all x"]);
    assert!(!bench.root.join("x").exists());
    bench.power_cut();
    assert_eq!(bench.text("x/y/a").as_deref(), Some("aaa"));
}

#[test]
fn a_folder_that_was_renamed_goes_back() {
    let bench = Bench::new();
    bench.done(&["folder x", "new x/a", "write 3 a", "sync", "sync-folder x", "sync-folder ."]);
    bench.done(&["rename x y", "folder x", "new x/a", "write 3 b", "sync", "sync-folder x"]);
    bench.power_cut();
    assert_eq!(bench.text("x/a").as_deref(), Some("aaa"));
    assert!(!bench.root.join("y").exists());
}

#[test]
fn a_new_process_goes_on_where_a_killed_one_was() {
    let bench = Bench::new();
    bench.done(&["new a", "write 3 a", "sync", "sync-folder .", "write 3 b"]);
    bench.arm(Failing::Kill, 1, 1);
    assert!(bench.run(&["append a", "write 3 x"]).len() <= 1, "it was killed");
    bench.disk.disarm().expect("disarmed");
    bench.done(&["append a", "write 3 c"]);
    assert_eq!(bench.text("a").as_deref(), Some("aaabbbccc"));
    bench.power_cut();
    assert_eq!(bench.text("a").as_deref(), Some("aaa"));
}

#[test]
fn a_sync_by_a_later_process_keeps_what_an_earlier_one_wrote() {
    let bench = Bench::new();
    bench.done(&["new a", "write 3 a"]);
    bench.done(&["append a", "write 3 b", "sync", "sync-folder ."]);
    bench.power_cut();
    assert_eq!(bench.text("a").as_deref(), Some("aaabbb"));
}

#[test]
fn a_failed_sync_loses_what_was_written_and_later_ones_do_not_help() {
    let bench = Bench::new();
    bench.done(&["new a", "write 3 a", "sync", "sync-folder ."]);
    bench.arm(Failing::Sync, 1, 1);
    assert_eq!(bench.run(&["open a", "put 0 3 b", "sync", "sync", "put 8192 3 c", "sync"])[2], EIO);
    bench.power_cut();
    let bytes = bench.bytes("a").expect("it is there");
    assert_eq!((&bytes[..3], &bytes[8192..]), (&b"aaa"[..], &b"ccc"[..]), "only the later page is there");
}

#[test]
fn by_lot_some_pages_are_there_and_never_half_a_one() {
    let bench = Bench::new();
    let (mut some, mut none) = (0, 0);
    for seed in 0..40 {
        bench.done(&["new a", "write 16384 a", "sync", "sync-folder .", "open a", "put 0 16384 b"]);
        bench.disk.cut_power(Some(seed)).expect("cut");
        let bytes = bench.bytes("a").expect("it is there");
        assert_eq!(bytes.len(), 16384);
        for page in bytes.chunks(4096) {
            assert!(page.iter().all(|byte| *byte == page[0]), "a page is written as one");
            let count = if page[0] == b'b' { &mut some } else { &mut none };
            *count += 1;
        }
    }
    assert!(some > 20 && none > 20, "{some} written, {none} not");
}

#[test]
fn by_lot_the_first_names_are_there_and_not_the_last() {
    let bench = Bench::new();
    let mut seen = std::collections::BTreeSet::new();
    for seed in 0..40 {
        bench.done(&["new a", "new b", "new c"]);
        bench.disk.cut_power(Some(seed)).expect("cut");
        let there = ["a", "b", "c"].map(|name| bench.bytes(name).is_some());
        assert!(there.is_sorted_by(|one, next| one >= next), "{there:?}");
        seen.insert(there);
        for name in ["a", "b", "c"] {
            std::fs::remove_file(bench.root.join(name)).ok();
        }
    }
    assert_eq!(seen.len(), 4, "{seen:?}");
}

#[test]
fn writes_fail_as_told() {
    let bench = Bench::new();
    bench.arm(Failing::Write, 2, 1);
    assert_eq!(bench.run(&["new a", "write 3 a", "write 3 b", "write 3 c"]), ["ok", "3", EIO, "3"]);
    assert_eq!(bench.text("a").as_deref(), Some("aaaccc"));
    bench.arm(Failing::Full, 1, u64::MAX);
    assert_eq!(bench.run(&["new b", "write 3 a", "write 3 b"]), ["ok", ENOSPC, ENOSPC]);
    bench.disk.disarm().expect("disarmed");
    // The rule's parameter goes by `nth`: 500 of 1,024.
    bench.arm(Failing::Torn, 2, 1);
    assert_eq!(bench.run(&["new c", "write 1024 a", "write 1024 b"]), ["ok", "1024", EIO]);
    assert_eq!(bench.bytes("c").map(|bytes| bytes.len()), Some(1024 + 500));
    bench.arm(Failing::Short, 2, 1);
    assert_eq!(bench.run(&["new d", "write 1024 a", "write 1024 b"]), ["ok", "1024", "500"]);
    bench.arm(Failing::TornKill, 2, 1);
    assert_eq!(bench.run(&["new e", "write 1024 a", "write 1024 b"]).len(), 2, "it was killed");
    assert_eq!(bench.bytes("e").map(|bytes| bytes.len()), Some(1024 + 500));
    bench.arm(Failing::Rename, 1, 1);
    assert_eq!(bench.run(&["rename a f", "rename a f"]), [EIO, "ok"]);
    bench.arm(Failing::Create, 1, 1);
    assert_eq!(bench.run(&["new g", "open f", "new g"]), [ENOSPC, "ok", "ok"]);
}

#[test]
fn errors_of_the_system_stay_what_they_are() {
    let bench = Bench::new();
    let said = bench.run(&[
        "length x",
        "copy x y",
        "rename x y",
        "remove x",
        "remove-all x",
        "new /x/y",
        "folder .",
    ]);
    assert_eq!(said[..6], ["errno 2"; 6], "ENOENT");
    assert_eq!(said[6], "errno 17", "EEXIST");
}

#[test]
fn a_fault_keeps_to_its_place() {
    let bench = Bench::new();
    bench.done(&["folder blobs", "folder incoming"]);
    bench.arm_at(Where::Blobs, Failing::Write, 1, u64::MAX);
    assert_eq!(
        bench.run(&["new incoming/a", "write 3 a", "new blobs/a", "write 3 a"]),
        ["ok", "3", "ok", EIO]
    );
}

#[test]
fn copies_are_made_by_writes_that_are_seen() {
    let bench = Bench::new();
    bench.done(&["new a", "write 5000 a", "sync", "sync-folder .", "copy a b", "sync-folder ."]);
    assert_eq!(bench.bytes("b"), Some(vec![b'a'; 5000]));
    bench.power_cut();
    assert_eq!(bench.bytes("b"), Some(Vec::new()));
}

#[test]
fn beyond_its_folder_and_in_what_is_left_out_nothing_is_touched() {
    let bench = Bench::new();
    let left_out = acceptance::broker_scheme();
    bench.arm(Failing::Write, 1, u64::MAX);
    let (folder, file) = (format!("folder {left_out}"), format!("new {left_out}/a"));
    let said = bench.run(&[&folder, &file, "write 3 a", "new ../outside", "write 3 b", "new a", "write 3 c"]);
    assert_eq!(said, ["ok", "ok", "3", "ok", "3", "ok", EIO]);
    bench.power_cut();
    assert_eq!(bench.text("../outside").as_deref(), Some("bbb"));
}

#[test]
fn the_clock_goes_wrong_and_right_and_children_are_left_alone() {
    let bench = Bench::new();
    let clock = |bench: &Bench| bench.run(&["clock"])[0].parse::<i64>().expect("seconds");
    let right = clock(&bench);
    bench.disk.set_clock(86_400).expect("set");
    assert!((86_000..87_000).contains(&(clock(&bench) - right)));
    bench.disk.set_clock(-86_400).expect("set");
    assert!((-87_000..-86_000).contains(&(clock(&bench) - right)));
    bench.disk.right_the_clock().expect("set");
    assert!((clock(&bench) - right).abs() < 300);
    assert_eq!(bench.run(&["variable LD_PRELOAD"]), ["false"]);
    let counts = bench.disk.counts();
    assert!(counts.is_empty(), "nothing was done to files: {counts:?}");
    bench.done(&["new a", "write 3 a", "sync"]);
    assert_eq!(bench.disk.counts().get("call: written"), Some(&1));
    assert!(Path::new(&bench.root).exists());
}
