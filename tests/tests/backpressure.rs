//! When there is no room: intake is refused with 507, nothing is left behind, what was taken goes on, and the same packet
//! comes in once there is room again.

use std::fs;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use acceptance::{Heard, Stage, Wire, until};
use lienthong_outbox::{DataLock, OutboxCheck};

const PROGRAM: &str = env!("CARGO_BIN_EXE_lienthong-under-test");

/// Puts these lines into `[spool]` of a stage's settings, in place of those that stood there.
fn limit(stage: &Stage, lines: &str) {
    let text = fs::read_to_string(&stage.world.config).expect("the settings");
    let before = text.split("\n[spool]\n").next().expect("settings");
    fs::write(&stage.world.config, format!("{before}\n[spool]\n{lines}\n")).expect("written");
}

fn data(stage: &Stage) -> PathBuf {
    stage.world.folder.join("data")
}

fn names(stage: &Stage, folder: &str) -> usize {
    fs::read_dir(data(stage).join(folder)).expect("a folder").count()
}

fn size(packet: &Path) -> u64 {
    fs::metadata(packet).expect("the packet").len()
}

/// Every word that a sender needs who comes again later.
fn is_full(heard: &Heard) {
    assert_eq!((heard.status, heard.body["code"].as_str()), (507, Some("STORAGE_FULL")), "{heard:?}");
    assert_eq!(heard.header("retry-after"), Some("60"), "{heard:?}");
    assert_eq!(heard.body["support"], "0208 000 000", "the hotline");
    for key in ["title", "title_en", "detail", "detail_en"] {
        assert!(heard.body[key].as_str().is_some_and(|text| !text.is_empty()), "{key} in {heard:?}");
    }
    let text = heard.body.to_string();
    assert!(
        !text.contains("quota") && !text.contains("data"),
        "our own matters are not the sender's: {text}"
    );
}

fn head(stage: &Stage, length: &str) -> String {
    let token = stage.token(0);
    format!("POST /api/v1/documents HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n{length}\r\n\r\n")
}

/// Announces a packet, and sends not one byte of it.
async fn announce(stage: &Stage, bytes: u64) -> Heard {
    let mut wire = Wire::open(&stage.world.public).await;
    wire.ask(&head(stage, &format!("Content-Length: {bytes}"))).await
}

/// Sends a packet whose length is not known beforehand.
async fn send_in_chunks(stage: &Stage, body: &[u8]) -> Heard {
    let mut wire = Wire::open(&stage.world.public).await;
    wire.send(head(stage, "Transfer-Encoding: chunked")).await;
    for chunk in body.chunks(8_192) {
        wire.send(format!("{:x}\r\n", chunk.len())).await;
        wire.send(chunk).await;
        wire.send("\r\n").await;
    }
    wire.ask("0\r\n\r\n").await
}

/// `outbox check --deep`, by somebody who has stopped the gateway.
fn checked(stage: &Stage) -> OutboxCheck {
    let lock = DataLock::acquire(&data(stage)).expect("the gateway is stopped");
    let found = lienthong_outbox::check(&lock, &data(stage), true).expect("checked");
    assert!(found.is_clean(), "{found:#?}");
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn above_the_quota_nothing_comes_in_and_what_is_there_goes_on() {
    let stage = Stage::open(PROGRAM, &[]).await;
    let letters: Vec<PathBuf> = (1..=4).map(|number| stage.letter(number, &[1])).collect();
    let three: u64 = letters[..3].iter().map(|packet| size(packet)).sum();
    let quota = three + size(&letters[3]) - 1;
    limit(&stage, &format!("quota = \"{quota}\""));
    let mut gateway = stage.start().await;
    stage.world.receivers[1].close();
    let mut accepted = Vec::new();
    for packet in &letters[..3] {
        accepted.push(stage.accepted(packet).await);
    }

    let left = quota - three;
    is_full(&announce(&stage, left + 1).await);
    is_full(&announce(&stage, 50_000_000).await);
    let fourth = fs::read(&letters[3]).expect("the packet");
    is_full(&send_in_chunks(&stage, &fourth).await);
    // Refused while it is still sending; the door listens on for a while, so that the answer is read.
    is_full(&send_in_chunks(&stage, &vec![b'x'; 1_000_000]).await);
    assert_eq!(stage.submit(&letters[3]).await.status, 507);
    assert_eq!((names(&stage, "incoming"), names(&stage, "blobs"), names(&stage, "admissions")), (0, 3, 3));
    assert_eq!(stage.metric("lienthong_refused_total{code=\"storage_full\"}").await, 5.0);
    assert_eq!(stage.metric("lienthong_spool_bytes").await, three as f64);
    assert_eq!(stage.metric("lienthong_spool_quota_bytes").await, quota as f64);
    assert!(stage.metric("lienthong_disk_free_bytes").await > 0.0);

    stage.world.receivers[1].reopen().await.expect("open again");
    for (id, packet) in accepted.iter().zip(&letters) {
        stage.delivered(id, packet, &[1]).await;
    }
    assert_eq!(gateway.stop().await.expect("it stops"), Some(0));
    assert_eq!(checked(&stage).documents, 3);

    limit(&stage, &format!("quota = \"{}\"", quota + 1));
    let mut gateway = stage.start().await;
    let id = stage.accepted(&letters[3]).await;
    stage.delivered(&id, &letters[3], &[1]).await;
    let (status, ready) = stage.readyz().await;
    assert_eq!((status, ready["ready"].as_bool()), (200, Some(true)), "senders are told, not cut off");
    assert!(ready["room"].as_str().is_some_and(|text| text.contains("quota")), "{ready}");
    stage.nothing_else_arrived([0, 4, 0]);
    assert_eq!(gateway.stop().await.expect("it stops"), Some(0));
    let found = checked(&stage);
    assert_eq!((found.documents, found.pending, found.bytes), (4, 0, quota + 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn on_a_disk_that_is_nearly_full_deliveries_and_our_own_packets_go_on() {
    let stage = Stage::open(PROGRAM, &[]).await;
    let directory = stage.world.folder.join("directory.toml");
    let text = fs::read_to_string(&directory).expect("the directory");
    let answering = text.replace("signature = ", "answers = \"axis-on-behalf\"\nsignature = ");
    fs::write(&directory, answering).expect("written");
    let mut gateway = stage.start().await;
    stage.world.receivers[1].close();
    let (first, second) = (stage.letter(1, &[1]), stage.letter(2, &[1]));
    let id = stage.accepted(&first).await;
    assert_eq!(gateway.stop().await.expect("it stops"), Some(0));

    // No disk has so much.
    limit(&stage, "disk_free_min = \"1000000TB\"");
    let mut gateway = stage.start().await;
    is_full(&announce(&stage, size(&second)).await);
    assert_eq!(stage.submit(&second).await.status, 507);
    let (status, ready) = stage.readyz().await;
    assert!(
        status == 200 && ready["room"].as_str().is_some_and(|text| text.contains("stay free")),
        "{ready}"
    );
    stage.world.receivers[1].reopen().await.expect("open again");
    stage.delivered(&id, &first, &[1]).await;
    // The report to the sender is a packet of our own, and comes in and goes out all the same.
    let reported = until(async || (!stage.world.receivers[0].taken().is_empty()).then_some(())).await;
    assert!(reported.is_some(), "the sender is told");
    stage.metric_reaches("lienthong_settled_total{state=\"received\"}", 2.0).await;
    assert_eq!(gateway.stop().await.expect("it stops"), Some(0));

    limit(&stage, "disk_free_min = \"1B\"");
    let mut gateway = stage.start().await;
    let id = stage.accepted(&second).await;
    stage.delivered(&id, &second, &[1]).await;
    assert_eq!(gateway.stop().await.expect("it stops"), Some(0));
    checked(&stage);
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

#[tokio::test(flavor = "multi_thread")]
async fn on_a_full_disk_intake_is_refused_and_goes_on_when_it_is_freed() {
    let stage = Stage::open(PROGRAM, &[]).await;
    let Some(disk) = Disk::mount(&data(&stage), "96m") else { return };
    limit(&stage, "disk_free_min = \"0B\"");
    let mut gateway = stage.start().await;
    let letters: Vec<PathBuf> = (1..=3).map(|number| stage.letter(number, &[1])).collect();
    let first = stage.accepted(&letters[0]).await;
    stage.delivered(&first, &letters[0], &[1]).await;
    stage.metric_reaches("lienthong_step_seconds_count{step=\"settle\"}", 1.0).await;

    disk.fill();
    // Within half a second after the last look at the disk it is the disk that refuses; later, the look.
    let packet = fs::read(&letters[1]).expect("the packet");
    is_full(&send_in_chunks(&stage, &packet).await);
    let looked = until(async || (stage.readyz().await.1["room"] != "ok").then_some(())).await;
    assert!(looked.is_some(), "{:?}", stage.readyz().await);
    is_full(&announce(&stage, size(&letters[1])).await);
    is_full(&send_in_chunks(&stage, &packet).await);
    assert_eq!((names(&stage, "incoming"), names(&stage, "admissions")), (0, 2), "one, and its note");
    disk.free();
    let second = accepted_in_the_end(&stage, &letters[1]).await;
    stage.delivered(&second, &letters[1], &[1]).await;

    // Full while a delivery is retried: what cannot be written down is not claimed. The gateway may wait for room, and say
    // that it is not ready, or end, and say that a part of it failed; the next start goes on.
    stage.world.receivers[1].close();
    let third = stage.accepted(&letters[2]).await;
    let tries = "lienthong_failed_attempts_total{adapter=\"vendor_http\",class=\"receiver\"}";
    stage.metric_reaches(tries, 1.0).await;
    disk.fill();
    stage.world.receivers[1].reopen().await.expect("open again");
    let arrived = until(async || {
        let is_there = stage.world.receivers[1].taken().len() == 3;
        (is_there || !alive(&gateway) || stage.readyz().await.0 != 200).then_some(())
    });
    assert!(arrived.await.is_some(), "it goes on, says that it cannot, or ends");
    gateway.kill().await.expect("gone");
    disk.free();
    let mut gateway = stage.start().await;
    stage.delivered(&third, &letters[2], &[1]).await;
    stage.nothing_else_arrived([0, 3, 0]);
    assert_eq!(gateway.stop().await.expect("it stops"), Some(0));
    let found = checked(&stage);
    assert_eq!((found.documents, found.pending), (3, 0));
}

/// A store whose engine met the full disk is built anew first; meanwhile senders hear that they are to try again.
async fn accepted_in_the_end(stage: &Stage, packet: &Path) -> String {
    let accepted = until(async || {
        let answer = stage.submit(packet).await;
        let waits = answer.status == 503 && answer.body["code"] == "TRY_AGAIN_LATER";
        assert!(answer.status == 202 || waits, "{:#}", answer.body);
        answer.document_id().ok()
    });
    accepted.await.expect("accepted when there is room")
}

fn alive(gateway: &lienthong::demo::child::Gateway) -> bool {
    gateway.pid().is_some_and(lienthong::demo::child::is_alive)
}
