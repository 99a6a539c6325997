//! A disk that takes no more: a fault, nothing half written left behind, and nothing lost that was told before.
//! The child may write files up to a limit only (`ulimit -f`; SIGXFSZ ignored, so that writing fails with EFBIG). Where
//! this user may mount, a small disk is filled to its last byte.

mod child;

use std::fs;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use bytes::Bytes;
use lienthong_outbox::contract::samples::*;
use lienthong_outbox::{Engine, FileSpool, FileStore};
use lienthong_pipeline::ports::{OutboxStore, Spool};

/// 4 MiB or 8 MiB, by the shell's unit.
const SHORT_OF_DISK: &str = "trap '' XFSZ; ulimit -f 8192;";

fn run(test: &str, data_dir: &Path) -> String {
    let mut command = child::command(test, data_dir, SHORT_OF_DISK);
    let output = command.stderr(Stdio::inherit()).output().expect("ended");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    String::from_utf8(output.stdout).expect("UTF-8")
}

fn block_on<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().expect("a runtime").block_on(work)
}

#[test]
fn a_packet_that_does_not_fit_is_a_fault_and_leaves_nothing() {
    let Some(data_dir) = child::data_dir() else {
        let dir = tempfile::tempdir().expect("a folder");
        run("a_packet_that_does_not_fit_is_a_fault_and_leaves_nothing", dir.path());
        return;
    };
    block_on(async {
        let spool = FileSpool::open(&data_dir).expect("opened");
        let incoming = || fs::read_dir(data_dir.join("incoming")).expect("a folder").count();
        let mut writer = spool.receive().await.expect("a file");
        let mut fault = None;
        for _ in 0..256 {
            fault = writer.write(Bytes::from(vec![b'x'; 64 * 1024])).await.err();
            if fault.is_some() {
                break;
            }
        }
        assert_eq!(fault.expect("16 MiB do not fit").place, "spool");
        assert!(writer.write(Bytes::from_static(b"more")).await.is_ok(), "gathered, not written");
        assert!(writer.finish().await.is_err(), "a packet that was broken off stays so");
        assert_eq!(incoming(), 0);

        // The packet fits, its admission does not.
        let mut writer = spool.receive().await.expect("a file");
        writer.write(Bytes::from(packet(1))).await.expect("written");
        let mut large = admission(1, &["H02"]);
        large.receipt.findings = vec!["x".repeat(12 << 20)];
        let packet = writer.finish().await.expect("whole");
        assert_eq!(spool.admit(packet, &large).await.expect_err("does not fit").place, "spool");
        for folder in ["incoming", "blobs", "admissions"] {
            assert_eq!(fs::read_dir(data_dir.join(folder)).expect("a folder").count(), 0, "{folder}");
        }
    });
}

#[test]
fn sled_that_cannot_grow_fails_and_keeps_what_it_told() {
    cannot_grow("sled_that_cannot_grow_fails_and_keeps_what_it_told", Engine::Sled);
}

#[test]
fn redb_that_cannot_grow_fails_and_keeps_what_it_told() {
    cannot_grow("redb_that_cannot_grow_fails_and_keeps_what_it_told", Engine::Redb);
}

fn cannot_grow(test: &str, engine: Engine) {
    if let Some(data_dir) = child::data_dir() {
        return block_on(fill(&data_dir, engine));
    }
    let dir = tempfile::tempdir().expect("a folder");
    let output = run(test, dir.path());
    let told: Vec<u64> = output.lines().filter_map(|line| line.strip_prefix("told ")?.parse().ok()).collect();
    assert!(told.len() > 100, "{} admitted before the disk was full", told.len());
    let store = FileStore::open(&dir.path().join("outbox"), engine, clock()).expect("opened");
    block_on(async {
        for n in told {
            let found = store.delivery(delivery_id(n, "H02")).await.expect("whole");
            assert!(found.is_some(), "{n}");
        }
        store.admit(&admission(u64::from(u32::MAX), &["H02"])).await.expect("there is room again");
    });
}

async fn fill(data_dir: &Path, engine: Engine) {
    let store = FileStore::open(&data_dir.join("outbox"), engine, clock()).expect("opened");
    let mut n = 0;
    let fault = loop {
        match store.admit(&admission(n, &["H02"])).await {
            Ok(_) => child::tell(format_args!("{n}")),
            Err(fault) => break fault,
        }
        n += 1;
        assert!(n < 100_000, "the disk is never full");
    };
    for later in [store.admit(&admission(n, &["H02"])).await.err(), store.stats().await.err()] {
        assert_eq!(later.expect("failed").cause, fault.cause);
    }
}

/// A small disk of its own, gone when this is dropped.
struct Disk(PathBuf);

impl Disk {
    /// `None`, and a line that says so, where nobody may mount.
    #[expect(clippy::print_stdout, reason = "a test that is left out says so")]
    fn mount(at: &Path, size: &str) -> Option<Self> {
        fs::DirBuilder::new().mode(0o700).create(at).expect("a folder");
        let options = format!("size={size},mode=0700");
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(at).output();
        if mounted.is_ok_and(|mounted| mounted.status.success()) {
            return Some(Self(at.to_owned()));
        }
        println!("SKIPPED: a full disk needs the right to mount a tmpfs");
        None
    }

    /// Writes until nothing more fits.
    fn fill(&self) {
        let mut file = fs::File::create(self.filler()).expect("a file");
        for piece in [vec![0; 1 << 20], vec![0; 4_096], vec![0; 1]] {
            let full = loop {
                if let Err(cause) = std::io::Write::write_all(&mut file, &piece) {
                    break cause;
                }
            };
            assert_eq!(full.kind(), std::io::ErrorKind::StorageFull, "{full}");
        }
    }

    fn free(&self) {
        fs::remove_file(self.filler()).expect("removed");
    }

    fn filler(&self) -> PathBuf {
        self.0.join("filler")
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Lazily: a process that is being killed may still hold a file there.
        drop(Command::new("umount").arg("-l").arg(&self.0).status());
    }
}

#[tokio::test]
async fn a_spool_on_a_full_disk_keeps_nothing_half_written() {
    let folder = tempfile::tempdir().expect("a folder");
    let Some(disk) = Disk::mount(&folder.path().join("data"), "4m") else { return };
    let spool = FileSpool::open(&disk.0).expect("opened");
    let receive = async || {
        let mut writer = spool.receive().await?;
        writer.write(Bytes::from(packet(1))).await?;
        writer.finish().await
    };
    let waiting = receive().await.expect("whole");
    // Only the disk refuses what the gateway itself needs; it does.
    let mut ours = spool.receive_ours().await.expect("a file");
    let mut refused = None;
    for _ in 0..32 {
        refused = refused.or(ours.write(Bytes::from(vec![0; 256 << 10])).await.err());
    }
    assert!(refused.is_some_and(|fault| fault.full && !fault.fatal), "ENOSPC is told from other trouble");
    drop(ours);
    disk.fill();
    let mut long = spool.receive_ours().await.expect("nothing is written yet");
    let refused = long.write(Bytes::from(vec![0; 300_000])).await.err();
    assert!(refused.is_some_and(|fault| fault.full));
    drop(long);
    // Small ones come in, for they are in memory, and are refused when they are to stay.
    let mut second = spool.receive_ours().await.expect("nothing is written yet");
    second.write(Bytes::from(packet(1))).await.expect("gathered");
    let second = second.finish().await.expect("whole");
    let admitted = admission(1, &["H02"]);
    for small in [waiting, second] {
        let fault = spool.admit(small, &admitted).await.expect_err("it does not fit");
        assert!(fault.full, "{fault:?}");
    }
    for folder in ["incoming", "admissions"] {
        assert_eq!(fs::read_dir(disk.0.join(folder)).expect("a folder").count(), 0, "{folder}");
    }
    assert_eq!(spool.admission(document_id(1)).await.expect("read"), None);
    disk.free();
    let again = receive().await.expect("there is room again");
    spool.admit(again, &admitted).await.expect("admitted");
    assert_eq!(spool.admission(document_id(1)).await.expect("read"), Some(admitted));
}
