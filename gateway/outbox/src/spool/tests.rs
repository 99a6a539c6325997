//! The spool: exact bytes, nothing left behind, nothing torn that is fatal.

use std::io::{BufRead, Read};
use std::os::unix::fs::{MetadataExt, PermissionsExt};

use bytes::Bytes;
use lienthong_pipeline::record::{AdapterKind, SystemId};
use lienthong_schemas::organ::OrganId;
use tempfile::TempDir;
use tokio::task::JoinSet;

use super::*;
use crate::change::Noted;
use crate::contract::samples::{admission, delivery_id, document_id, later, packet};

fn opened() -> (TempDir, FileSpool) {
    let dir = tempfile::tempdir().expect("a folder");
    let spool = FileSpool::open(dir.path()).expect("opened");
    (dir, spool)
}

async fn received(spool: &FileSpool, bytes: &[u8]) -> Box<dyn Incoming> {
    let mut writer = spool.receive().await.expect("a file");
    for chunk in bytes.chunks(100_000) {
        writer.write(Bytes::copy_from_slice(chunk)).await.expect("written");
    }
    writer.finish().await.expect("whole")
}

fn names(dir: &TempDir, folder: &str) -> Vec<String> {
    let entries = fs::read_dir(dir.path().join(folder)).expect("a folder");
    let mut names: Vec<_> =
        entries.map(|entry| entry.expect("an entry").file_name().into_string().expect("UTF-8")).collect();
    names.sort();
    names
}

fn whole(packet: &dyn Incoming) -> Vec<u8> {
    let mut bytes = Vec::new();
    packet.open().expect("opened").read_to_end(&mut bytes).expect("read");
    bytes
}

/// A packet that is not in this spool.
struct Elsewhere {
    says: PacketDigest,
    bytes: Vec<u8>,
}

impl Incoming for Elsewhere {
    fn digest(&self) -> PacketDigest {
        self.says
    }
    fn bytes(&self) -> u64 {
        self.bytes.len() as u64
    }
    fn open(&self) -> Result<Box<dyn BufRead + Send>, Fault> {
        Ok(Box::new(io::Cursor::new(self.bytes.clone())))
    }
}

#[tokio::test]
async fn a_blob_is_read_whole_up_to_a_length_and_not_beyond() {
    let (_dir, spool) = opened();
    let packet = received(&spool, b"<edXML/>").await;
    let digest = packet.digest();
    spool.adopt(packet).await.expect("adopted");
    assert_eq!(spool.read(digest, 8).await.expect("read"), Some(Bytes::from_static(b"<edXML/>")));
    assert_eq!(spool.read(digest, 7).await.expect("too long"), None);
    assert_eq!(spool.read(PacketDigest::of(b"another"), 8).await.expect("not there"), None);
}

#[tokio::test]
async fn a_packet_is_digested_on_the_way_and_gone_when_dropped() {
    let (dir, spool) = opened();
    let long = |bytes: u32| (0..bytes).map(|n| n as u8).collect::<Vec<u8>>();
    for bytes in [Vec::new(), long(1), long(256 * 1024), long(256 * 1024 + 1), long(3_000_001)] {
        let packet = received(&spool, &bytes).await;
        assert_eq!(packet.digest(), PacketDigest::of(&bytes));
        assert_eq!(packet.bytes(), bytes.len() as u64);
        assert!(whole(&*packet) == bytes && whole(&*packet) == bytes);
        let in_memory = bytes.len() <= 256 * 1024;
        assert_eq!(names(&dir, "incoming").len(), usize::from(!in_memory), "{}", bytes.len());
        drop(packet);
        assert!(names(&dir, "incoming").is_empty());
    }
    for half in [4, 300_000] {
        let mut writer = spool.receive().await.expect("a file");
        writer.write(Bytes::from(vec![b'x'; half])).await.expect("written");
        drop(writer);
    }
    assert!(names(&dir, "incoming").is_empty());
    assert!(locked(&spool.folders.live).is_empty());
}

#[tokio::test]
async fn many_small_chunks_do_not_pile_up() {
    let (dir, spool) = opened();
    let mut writer = spool.receive().await.expect("a file");
    for _ in 0..1_023 {
        writer.write(Bytes::from_static(b"x")).await.expect("written");
    }
    writer.write(Bytes::new()).await.expect("written");
    assert!(names(&dir, "incoming").is_empty());
    writer.write(Bytes::from_static(b"x")).await.expect("written");
    let file = dir.path().join("incoming").join(&names(&dir, "incoming")[0]);
    assert_eq!(fs::metadata(&file).expect("a file").len(), 1_024);
    writer.write(Bytes::from(vec![b'x'; 256 * 1024])).await.expect("written");
    assert_eq!(fs::metadata(&file).expect("a file").len(), 1_024);
    writer.write(Bytes::from_static(b"y")).await.expect("written");
    assert_eq!(fs::metadata(&file).expect("a file").len(), 1_025 + 256 * 1024);
    let packet = writer.finish().await.expect("whole");
    let bytes = [vec![b'x'; 1_024 + 256 * 1024], b"y".to_vec()].concat();
    assert_eq!((packet.digest(), packet.bytes()), (PacketDigest::of(&bytes), 1_025 + 256 * 1024));
    assert!(whole(&*packet) == bytes);
}

#[tokio::test]
async fn small_packets_fill_their_share_of_the_memory_and_then_files() {
    let (dir, spool) = opened();
    let packet = |n: usize| [n.to_be_bytes().as_slice(), &vec![0; 256 * 1024 - 8]].concat();
    let room = IN_MEMORY_BYTES_MAX / (256 * 1024);
    let mut held = Vec::new();
    for n in 0..room + 2 {
        held.push(received(&spool, &packet(n)).await);
    }
    assert_eq!(names(&dir, "incoming").len(), 2, "memory is full");
    assert!(held.iter().enumerate().all(|(n, incoming)| whole(&**incoming) == packet(n)));
    // A reader keeps the memory that it reads from.
    let reader = held[0].open().expect("opened");
    held.remove(0);
    drop(received(&spool, &packet(room + 2)).await);
    let another = received(&spool, b"<edXML/>").await;
    assert_eq!(names(&dir, "incoming").len(), 3);
    drop(reader);
    let in_memory = received(&spool, &packet(room + 3)).await;
    assert_eq!(names(&dir, "incoming").len(), 3);
    drop((held, another, in_memory));
    assert!(names(&dir, "incoming").is_empty());
    assert_eq!(spool.folders.memory.available_permits(), IN_MEMORY_BYTES_MAX);
}

#[tokio::test]
async fn an_admitted_packet_lies_under_its_names_for_this_user_only() {
    let (dir, spool) = opened();
    let admitted = admission(1, &["H02", "H03"]);
    assert_eq!(spool.admission(document_id(1)).await.expect("read"), None);
    assert_eq!(spool.blob(admitted.receipt.sha256).await.expect("read"), None);
    let incoming = received(&spool, &packet(1)).await;
    spool.admit(incoming, &admitted).await.expect("admitted");
    let blob = spool.blob(admitted.receipt.sha256).await.expect("read").expect("there");
    assert_eq!(fs::read(&blob).expect("read"), packet(1));
    assert_eq!(spool.admission(document_id(1)).await.expect("read"), Some(admitted.clone()));
    spool.settled(document_id(1), delivery_id(1, "H02"), State::Received, later(1)).await.expect("noted");

    assert!(names(&dir, "incoming").is_empty());
    assert_eq!(names(&dir, "blobs"), [admitted.receipt.sha256.to_string()]);
    let id = document_id(1).to_string();
    assert_eq!(names(&dir, "admissions"), [id.clone(), format!("{id}.settled")]);
    let mode = |path: PathBuf| fs::metadata(path).expect("there").permissions().mode() & 0o777;
    for folder in ["incoming", "blobs", "admissions"] {
        assert_eq!(mode(dir.path().join(folder)), 0o700, "{folder}");
        for name in names(&dir, folder) {
            assert_eq!(mode(dir.path().join(folder).join(&name)), 0o600, "{folder}/{name}");
        }
    }
}

/// Somebody else's sync of `admissions/` may come at any moment, and a power cut after it.
#[tokio::test(flavor = "multi_thread")]
async fn an_admission_has_no_name_before_that_of_its_packet_is_durable() {
    let (dir, spool) = opened();
    let (began, has_begun) = std::sync::mpsc::channel();
    let (end, ends) = std::sync::mpsc::channel::<()>();
    let folders = spool.folders.clone();
    let mut syncing = JoinSet::new();
    syncing.spawn_blocking(move || {
        folders.commits.blobs.sync(|| {
            began.send(()).expect("the test waits");
            ends.recv().map_err(io::Error::other)
        })
    });
    has_begun.recv().expect("it runs");
    let incoming = received(&spool, &packet(1)).await;
    let (committing, mut commit) = (spool.clone(), JoinSet::new());
    commit.spawn(async move { committing.admit(incoming, &admission(1, &["H02"])).await });
    while !spool.folders.commits.blobs.is_awaited() {
        tokio::task::yield_now().await;
    }
    assert_eq!((names(&dir, "blobs").len(), names(&dir, "admissions").len()), (1, 0));
    end.send(()).expect("it waits");
    syncing.join_next().await.expect("one").expect("no panic").expect("synced");
    let earlier = commit.join_next().await.expect("one").expect("no panic").expect("admitted");
    assert!(earlier.is_none());
    assert_eq!(names(&dir, "admissions"), [document_id(1).to_string()]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_admissions_of_one_document_the_first_stays() {
    let (dir, spool) = opened();
    let mut callers = JoinSet::new();
    for n in 0..64 {
        let spool = spool.clone();
        callers.spawn(async move {
            let incoming = received(&spool, &packet(1)).await;
            let mut admitted = admission(1, &["H02"]);
            admitted.receipt.accepted_at = later(n);
            let earlier = spool.admit(incoming, &admitted).await.expect("admitted");
            // Whoever returns finds an admission, and the same one every time, and is told if it is not its own.
            let found = spool.admission(document_id(1)).await.expect("read").expect("there");
            assert_eq!(earlier.unwrap_or(admitted), found);
            found.receipt.accepted_at
        });
    }
    let seen = callers.join_all().await;
    assert!(seen.len() == 64 && seen.iter().all(|at| *at == seen[0]), "{seen:?}");
    assert!(names(&dir, "incoming").is_empty());
    assert_eq!(names(&dir, "blobs").len(), 1);
    let blob = spool.blob(PacketDigest::of(&packet(1))).await.expect("read").expect("there");
    assert_eq!(fs::read(blob).expect("read"), packet(1));
}

#[tokio::test]
async fn a_packet_is_still_readable_after_an_equal_one_was_kept() {
    let (dir, spool) = opened();
    let (one, other) = (received(&spool, &packet(1)).await, received(&spool, &packet(1)).await);
    let mut reader = other.open().expect("opened");
    spool.admit(one, &admission(1, &["H02"])).await.expect("admitted");
    let mut bytes = Vec::new();
    reader.read_to_end(&mut bytes).expect("read");
    assert_eq!((bytes, whole(&*other)), (packet(1), packet(1)));
    spool.adopt(other).await.expect("adopted");
    let refused = received(&spool, &packet(1)).await;
    drop(refused);
    let blob = spool.blob(PacketDigest::of(&packet(1))).await.expect("read").expect("kept");
    assert_eq!(fs::read(blob).expect("read"), packet(1));
    assert!(names(&dir, "incoming").is_empty());
}

#[tokio::test]
async fn a_blob_that_is_there_is_not_written_again_unless_its_length_is_wrong() {
    let (_dir, spool) = opened();
    let digest = PacketDigest::of(&packet(1));
    spool.adopt(received(&spool, &packet(1)).await).await.expect("adopted");
    let path = spool.blob(digest).await.expect("read").expect("there");
    let inode = || fs::metadata(&path).expect("there").ino();
    let first = inode();
    spool.admit(received(&spool, &packet(1)).await, &admission(1, &["H02"])).await.expect("admitted");
    assert_eq!(inode(), first);
    fs::write(&path, b"cut").expect("overwritten");
    spool.adopt(received(&spool, &packet(1)).await).await.expect("adopted");
    assert_ne!(inode(), first);
    assert_eq!(fs::read(&path).expect("read"), packet(1));
}

#[tokio::test]
async fn a_packet_from_elsewhere_is_copied_and_its_digest_checked() {
    let (dir, spool) = opened();
    let says = PacketDigest::of(&packet(1));
    let lying = Elsewhere { says, bytes: packet(2) };
    let fault = spool.adopt(Box::new(lying)).await.expect_err("refused");
    assert_eq!(fault.place, "spool");
    assert!(names(&dir, "incoming").is_empty() && names(&dir, "blobs").is_empty());
    spool.adopt(Box::new(Elsewhere { says, bytes: packet(1) })).await.expect("adopted");
    let path = spool.blob(says).await.expect("read").expect("there");
    assert_eq!(fs::read(path).expect("read"), packet(1));
}

#[tokio::test]
async fn an_admission_over_its_limit_leaves_nothing() {
    let (dir, spool) = opened();
    let mut large = admission(1, &["H02"]);
    large.receipt.findings = vec!["x".repeat(ADMISSION_BYTES_MAX as usize)];
    let fault = spool.admit(received(&spool, &packet(1)).await, &large).await.expect_err("refused");
    assert!(fault.cause.contains("at most 16777216"), "{fault}");
    for folder in ["incoming", "blobs", "admissions"] {
        assert!(names(&dir, folder).is_empty(), "{folder}");
    }
    // At the limit it is taken, and read back.
    let room = ADMISSION_BYTES_MAX as usize - papers::write(&admission(1, &["H02"])).expect("written").len();
    let mut full = admission(1, &["H02"]);
    full.receipt.findings[0].push_str(&"x".repeat(room));
    spool.admit(received(&spool, &packet(1)).await, &full).await.expect("admitted");
    assert_eq!(spool.admission(document_id(1)).await.expect("read"), Some(full));
}

#[tokio::test]
async fn a_folder_that_is_gone_is_a_fault_and_no_panic() {
    let (dir, spool) = opened();
    let incoming = received(&spool, &packet(1)).await;
    fs::remove_dir(dir.path().join("admissions")).expect("removed");
    let fault = spool.admit(incoming, &admission(1, &["H02"])).await.expect_err("no folder");
    assert_eq!(fault.place, "spool");
    assert!(names(&dir, "incoming").is_empty());
    let incoming = received(&spool, &packet(2)).await;
    fs::remove_dir(dir.path().join("incoming")).expect("removed");
    let fault = spool.admit(incoming, &admission(2, &["H02"])).await.expect_err("no folder");
    assert_eq!(fault.place, "spool");
    let mut writer = spool.receive().await.expect("nothing is written yet");
    let fault = writer.write(Bytes::from(vec![b'x'; 300_000])).await.expect_err("no folder");
    assert_eq!(fault.place, "spool");
    writer.write(Bytes::from_static(b"x")).await.expect("gathered");
    let fault = writer.finish().await.err().expect("it was broken off");
    assert!(fault.cause.contains("broken off"), "{fault}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_fails_does_not_fail_those_that_are_committed_with_it() {
    let (dir, spool) = opened();
    let all: u32 = 200;
    let bad = |n: u32| n % 7 == 3;
    let mut callers = JoinSet::new();
    for n in 0..all {
        let spool = spool.clone();
        callers.spawn(async move {
            let n = u64::from(n);
            let incoming = received(&spool, &packet(n)).await;
            let mut admitted = admission(n, &["H02"]);
            if bad(n as u32) {
                admitted.receipt.findings = vec!["x".repeat(ADMISSION_BYTES_MAX as usize)];
            }
            let outcome = spool.admit(incoming, &admitted).await;
            // Whoever is told that it is there finds it.
            let found = spool.admission(document_id(n)).await.expect("read");
            match &outcome {
                Ok(earlier) => assert!(earlier.is_none() && found == Some(admitted)),
                Err(fault) => assert!(found.is_none() && fault.cause.contains("at most"), "{fault}"),
            }
            (n as u32, outcome.is_ok())
        });
    }
    for (n, admitted) in callers.join_all().await {
        assert_eq!(admitted, !bad(n), "{n}");
    }
    let admitted = (0..all).filter(|n| !bad(*n)).count();
    assert_eq!((names(&dir, "blobs").len(), names(&dir, "admissions").len()), (admitted, admitted));
    assert!(names(&dir, "incoming").is_empty());
}

#[tokio::test]
async fn a_torn_or_altered_admission_is_reported_and_may_come_again() {
    let (dir, spool) = opened();
    spool.admit(received(&spool, &packet(1)).await, &admission(1, &["H02"])).await.expect("admitted");
    spool.admit(received(&spool, &packet(2)).await, &admission(2, &["H02"])).await.expect("admitted");
    let path = dir.path().join("admissions").join(document_id(1).to_string());
    let written = fs::read(&path).expect("read");
    let mut broken: Vec<Vec<u8>> = (0..written.len()).map(|end| written[..end].to_vec()).collect();
    for at in 0..written.len() {
        let mut flipped = written.clone();
        flipped[at] ^= 1;
        broken.push(flipped);
    }
    broken.push([written.as_slice(), b"\n"].concat());
    broken.push(fs::read(dir.path().join("admissions").join(document_id(2).to_string())).expect("read"));
    for bytes in broken {
        fs::write(&path, &bytes).expect("overwritten");
        let damaged = papers::read_admission(&path).expect_err("damaged");
        assert_eq!(damaged.path, path, "{:?}", String::from_utf8_lossy(&bytes));
    }
    let fault = spool.admission(document_id(1)).await.expect_err("damaged");
    assert!(fault.cause.contains(&document_id(1).to_string()), "{fault}");
    fs::write(&path, &written[1..]).expect("overwritten");
    let found: Vec<_> = spool.admissions().expect("listed").collect();
    let whole: Vec<_> = found.iter().flatten().map(|found| found.admission.receipt.document_id).collect();
    assert_eq!((found.len(), whole), (2, vec![document_id(2)]));

    spool.admit(received(&spool, &packet(1)).await, &admission(1, &["H02"])).await.expect("admitted");
    assert_eq!(spool.admission(document_id(1)).await.expect("read"), Some(admission(1, &["H02"])));
}

#[tokio::test]
async fn the_last_state_noted_for_a_delivery_counts() {
    let (_dir, spool) = opened();
    let receivers = ["H02", "H03"];
    spool.admit(received(&spool, &packet(1)).await, &admission(1, &receivers)).await.expect("admitted");
    let note = |receiver, state| spool.settled(document_id(1), delivery_id(1, receiver), state, later(9));
    let all = [
        State::Queued,
        State::Offered,
        State::HandedOver,
        State::Received,
        State::Refused,
        State::Parked,
        State::Withdrawn,
        State::GivenUp,
        State::Paper,
    ];
    for state in all {
        note("H02", state).await.expect("noted");
        let found = spool.read_admission(document_id(1)).expect("read").expect("there");
        assert_eq!(found.settled, [(delivery_id(1, "H02"), noted(state, false))].into());
        assert_eq!((found.unsettled(), found.lines_damaged), (if state.is_final() { 1 } else { 2 }, 0));
    }
    assert_eq!(spool.unsettled_admissions().expect("listed").count(), 1);
    note("H03", State::Received).await.expect("noted");
    assert_eq!(spool.unsettled_admissions().expect("listed").count(), 0);
    note("H03", State::Queued).await.expect("noted");
    assert_eq!(spool.unsettled_admissions().expect("listed").count(), 1);
}

#[tokio::test]
async fn a_state_that_nobody_is_told_of_is_noted_as_told() {
    let (_dir, spool) = opened();
    spool.admit(received(&spool, &packet(1)).await, &admission(1, &["H02"])).await.expect("admitted");
    let (document, id) = (document_id(1), delivery_id(1, "H02"));
    spool.settled_untold(document, id, State::Received, later(9)).await.expect("noted");
    let found = spool.read_admission(document).expect("read").expect("there");
    assert_eq!(found.settled, [(id, noted(State::Received, true))].into());
    assert_eq!(found.lines_damaged, 0);
    assert!(found.is_old(later(10)), "nothing keeps it but its age");
}

fn noted(state: State, reported: bool) -> Noted {
    Noted { at: Some(later(9)), reported, ..Noted::as_admitted(state) }
}

#[tokio::test]
async fn a_report_is_noted_of_the_state_that_asked_for_it() {
    let (dir, spool) = opened();
    spool.admit(received(&spool, &packet(1)).await, &admission(1, &["H02"])).await.expect("admitted");
    let (document, id) = (document_id(1), delivery_id(1, "H02"));
    let seen = || spool.read_admission(document).expect("read").expect("there").settled.remove(&id);
    spool.reported(document, id).await.expect("noted");
    assert_eq!(seen(), None, "of nothing");
    spool.settled(document, id, State::GivenUp, later(9)).await.expect("noted");
    assert_eq!(seen(), Some(noted(State::GivenUp, false)));
    spool.reported(document, id).await.expect("noted");
    assert_eq!(seen(), Some(noted(State::GivenUp, true)));
    spool.settled(document, id, State::Queued, later(9)).await.expect("noted");
    spool.settled(document, id, State::Received, later(9)).await.expect("noted");
    let told = |state, reported| Noted { told: true, ..noted(state, reported) };
    assert_eq!(
        seen(),
        Some(told(State::Received, false)),
        "asked for anew, but not once more for a given up one"
    );

    spool.closed(document, id).await.expect("noted");
    assert_eq!(seen(), Some(Noted { closed: true, ..told(State::Received, false) }));
    spool.reported(document, id).await.expect("noted");
    assert_eq!(seen(), Some(Noted { closed: true, ..told(State::Received, true) }));
    spool.settled(document, id, State::Queued, later(9)).await.expect("noted");
    assert_eq!(seen(), Some(told(State::Queued, false)), "a requeue takes it back");

    // A line of the first form is read, and longer ones with something behind are not.
    let path = dir.path().join("admissions").join(format!("{document}.settled"));
    let summed = |text: String| format!("{text} {:08x}\n", crc32c::crc32c(text.as_bytes()));
    fs::write(&path, summed(format!("1 {id} refused"))).expect("written");
    assert_eq!(seen(), Some(Noted { at: None, ..noted(State::Refused, false) }));
    for text in ["2 {} refused", "1 {} reported", "2 {} reported 1", "3 {} refused", "2 {} refused 1 1"] {
        fs::write(&path, summed(text.replace("{}", &id.to_string()))).expect("written");
        let found = spool.read_admission(document).expect("read").expect("there");
        assert_eq!((found.settled.len(), found.lines_damaged), (0, 1), "{text}");
    }
}

#[tokio::test]
async fn an_admission_that_cannot_be_read_now_is_not_replaced() {
    let (dir, spool) = opened();
    let admit = async || spool.admit(received(&spool, &packet(1)).await, &admission(1, &["H02"])).await;
    admit().await.expect("admitted");
    let path = dir.path().join("admissions").join(document_id(1).to_string());
    let whole = fs::read(&path).expect("read");
    let summed = |text: &str| format!("{text}{:08x}\n", crc32c::crc32c(text.as_bytes()));
    for kept in [summed("2\n{}\n"), summed("1\n{\"later\":1}\n")] {
        fs::write(&path, &kept).expect("written");
        let fault = admit().await.expect_err("the fault goes up");
        assert!(fault.cause.contains(&document_id(1).to_string()) && !fault.fatal, "{fault:?}");
        assert_eq!(fs::read(&path).expect("read"), kept.as_bytes());
    }
    // Reading a folder is an I/O error.
    fs::remove_file(&path).expect("removed");
    fs::create_dir(&path).expect("made");
    admit().await.expect_err("the fault goes up");
    fs::remove_dir(&path).expect("still a folder");
    fs::write(&path, &whole[..whole.len() / 2]).expect("torn");
    admit().await.expect("a torn one is replaced");
    assert_eq!(fs::read(&path).expect("read"), whole);
}

#[tokio::test]
async fn the_way_that_was_noted_last_counts_for_what_is_noted_later() {
    let (dir, spool) = opened();
    spool.admit(received(&spool, &packet(1)).await, &admission(1, &["H02"])).await.expect("admitted");
    let (document, id) = (document_id(1), delivery_id(1, "H02"));
    let seen = || spool.read_admission(document).expect("read").expect("there").settled.remove(&id);
    let longest = OrganId::parse(&"H".repeat(64)).expect("a code");
    let system = SystemId::parse(&"a".repeat(32)).expect("an id");
    let far = Route { receiver: longest, system, adapter: AdapterKind::NationalAxis };
    let nowhere = Route { system: SystemId::gateway(), ..far.clone() };
    spool.settled(document, id, State::GivenUp, later(8)).await.expect("noted");
    spool.reported(document, id).await.expect("noted");
    for route in [&far, &nowhere, &far] {
        spool.rerouted(document, id, route, later(9)).await.expect("noted");
        let now = Noted { told: true, route: Some(route.clone()), ..noted(State::Queued, false) };
        assert_eq!(seen(), Some(now), "who was told stays told");
    }
    spool.settled(document, id, State::Refused, later(9)).await.expect("noted");
    spool.closed(document, id).await.expect("noted");
    let over = Noted { told: true, closed: true, route: Some(far), ..noted(State::Refused, false) };
    assert_eq!(seen(), Some(over));
    let found = spool.read_admission(document).expect("read").expect("there");
    assert_eq!((found.lines_damaged, found.unsettled()), (0, 0));

    let path = dir.path().join("admissions").join(format!("{document}.settled"));
    let summed = |text: String| format!("{text} {:08x}\n", crc32c::crc32c(text.as_bytes()));
    let at = later(9);
    for way in
        ["pigeon a H02", "email A H02", "email @other H02", "email a H\u{1b}", "email a", "email a H02 x"]
    {
        fs::write(&path, summed(format!("2 {id} rerouted {way} {at}"))).expect("written");
        let found = spool.read_admission(document).expect("read").expect("there");
        assert_eq!((found.settled.len(), found.lines_damaged), (0, 1), "{way:?}");
    }
}

#[tokio::test]
async fn a_torn_settled_line_costs_only_itself() {
    let (dir, spool) = opened();
    let receivers = ["H02", "H03", "H04"];
    spool.admit(received(&spool, &packet(1)).await, &admission(1, &receivers)).await.expect("admitted");
    let note = |receiver, state| spool.settled(document_id(1), delivery_id(1, receiver), state, later(9));
    note("H02", State::Received).await.expect("noted");
    let path = dir.path().join("admissions").join(format!("{}.settled", document_id(1)));
    let first = fs::read(&path).expect("read");
    note("H03", State::Refused).await.expect("noted");
    let both = fs::read(&path).expect("read");
    for end in first.len() + 1..both.len() {
        fs::write(&path, &both[..end]).expect("torn");
        note("H04", State::GivenUp).await.expect("noted");
        let found = spool.read_admission(document_id(1)).expect("read").expect("there");
        let received = (delivery_id(1, "H02"), noted(State::Received, false));
        let told = [received, (delivery_id(1, "H04"), noted(State::GivenUp, false))];
        // A line that lacks only its newline is torn, too: what was told is told with its newline.
        let mut wanted: std::collections::BTreeMap<_, _> = told.into();
        let mut lost = 1;
        if end == both.len() - 1 {
            wanted.insert(delivery_id(1, "H03"), noted(State::Refused, false));
            lost = 0;
        }
        assert_eq!((found.settled, found.lines_damaged), (wanted, lost), "torn at {end}");
    }
    for at in 0..first.len() {
        let mut flipped = both.clone();
        flipped[at] ^= 1;
        fs::write(&path, flipped).expect("flipped");
        let found = spool.read_admission(document_id(1)).expect("read").expect("there");
        assert!(
            found.lines_damaged >= 1 && !found.settled.contains_key(&delivery_id(1, "H02")),
            "flipped at {at}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deliveries_settled_at_once_all_have_their_line() {
    let (_dir, spool) = opened();
    let codes: Vec<String> = (0..64).map(|n| format!("H{n}")).collect();
    let receivers: Vec<&str> = codes.iter().map(String::as_str).collect();
    spool.admit(received(&spool, &packet(1)).await, &admission(1, &receivers)).await.expect("admitted");
    let mut callers = JoinSet::new();
    for code in codes {
        let spool = spool.clone();
        let id = delivery_id(1, &code);
        callers.spawn(async move {
            spool.settled(document_id(1), id, State::Received, later(1)).await.expect("noted")
        });
    }
    callers.join_all().await;
    let found = spool.read_admission(document_id(1)).expect("read").expect("there");
    assert_eq!((found.settled.len(), found.unsettled(), found.lines_damaged), (64, 0, 0));
}

#[tokio::test]
async fn incoming_is_empty_after_start_up() {
    let (dir, spool) = opened();
    spool.admit(received(&spool, &packet(1)).await, &admission(1, &["H02"])).await.expect("admitted");
    let incoming = dir.path().join("incoming");
    fs::write(incoming.join("0000000000000000"), b"left").expect("written");
    fs::create_dir(incoming.join("folder")).expect("made");
    fs::write(incoming.join("folder/file"), b"left").expect("written");
    std::os::unix::fs::symlink(dir.path().join("blobs"), incoming.join("link")).expect("linked");
    let spool = FileSpool::open(dir.path()).expect("opened");
    assert!(names(&dir, "incoming").is_empty());
    assert_eq!(names(&dir, "blobs").len(), 1, "a link is removed, not followed");
    assert!(spool.admission(document_id(1)).await.expect("read").is_some());
}
